"""Predictions from elsewhere: the folds that are written, what an import refuses, that results are equal."""

import dataclasses
import os
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import serkit.run
from benchmark import cli, predictions
from benchmark import study as studies
from benchmark.report import compare, coverage
from benchmark.report.collect import Report
from benchmark.session.checks import assert_valid
from serkit import outside, probe, results_table, splits
from serkit.corpora.reading.corpus import PARTS
from serkit.errors import PredictionsUnfit, ResultsUnwritable, SpecError
from serkit.job import Place, load
from serkit.labels import LABELS, SWAP
from serkit.resultfile import TAIL
from serkit.results import Store
from serkit.run import run
from tests.made_results import UNPROBED

STUDY = """
title = "A model from elsewhere"
settled = false
[model]
encoder = "imported:mine"
[corpora.one]
reader = "synthetic"
title = "ONE"
options = { role = "A", speakers = 6, clips = 4, folds = 1 }
[corpora.two]
reader = "synthetic"
title = "TWO"
options = { role = "B", speakers = 6, clips = 12, folds = 3 }
scramble = { neutral = "sad", sad = "neutral", happy = "angry", angry = "happy" }
[table1]
train = [["two"]]
[figure3]
train = [["one", "two_scrambled"]]
test = ["two_scrambled", "two", "one"]
"""
NETWORK = {"model": {"width": 1, "weights": ""}}
NETWORK |= {"recipe": {"epochs": 2, "batch_size": 16, "max_seconds": 0.7, "tail": 0.5, "learning_rate": 1e-3}}


pytestmark = pytest.mark.usefixtures("packed_once")


def made(text=STUDY, **changes):
    return studies.from_toml({**tomllib.loads(text), **changes}, "mine")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results" / "mine")


@pytest.fixture(scope="module")
def folds():
    """All of `folds`, as one table."""
    return pd.concat(predictions.folds(made(), None), ignore_index=True)


@pytest.fixture(scope="module")
def right(folds):
    """Predictions that can be imported: random, no two clips alike."""
    scored = folds[folds["part"] != "train"].drop_duplicates(["run", "corpus", "path"], ignore_index=True)
    said = np.random.default_rng(0).dirichlet(np.ones(4), len(scored))
    return scored[["run", "corpus", "path"]].join(pd.DataFrame(said, columns=list(LABELS)))


def imported(table, store, tmp_path, partial=False, study=None):
    table.to_csv(tmp_path / "predictions.csv", index=False)
    return predictions.store(study or made(), Place(store), tmp_path / "predictions.csv", partial)


@pytest.fixture
def unprobed(monkeypatch):
    """Results without probes, half of what an import takes: for tests of what is imported alone."""
    monkeypatch.setattr(probe, "probe", lambda *_: UNPROBED)


def by_label(store):
    return {spec.label: result for spec, result in store.all()}


# --- folds ---


def test_folds_have_a_row_for_each_run_part_and_clip(folds):
    about = ["run", "augment_percent", "seed", "fold"]
    assert list(folds) == [*about, "part", "corpus", "path", "label", "taught", "file"]
    plan = [case.spec for case in studies.plan(made())]
    assert list(folds["run"].unique()) == [spec.label for spec in plan]
    assert not folds.duplicated(["run", "part", "corpus", "path"]).any()
    for spec in plan:
        mine = folds[folds["run"] == spec.label]
        assert mine[["augment_percent", "seed", "fold"]].drop_duplicates().to_numpy().tolist() == [
            [spec.augment_percent, spec.seed, spec.fold]
        ]
        for corpus in spec.corpora:
            parts = set(mine["part"][mine["corpus"] == corpus.name])
            assert parts == (set(PARTS) if corpus.name in spec.trained_on else {"test"})
    assert all(Path(file).is_file() for file in folds["file"].unique())
    ends = zip(folds["file"], folds["path"], strict=True)
    assert all(file.endswith(f"/{path}") for file, path in ends)


def test_folds_are_those_of_the_trainings(folds, store):
    """Of what is learnt from, with which labels, and of what is scored: clip by clip."""
    for case in studies.plan(made()):
        spec = case.spec
        loaded = {corpus.name: load(corpus, 16_000, Place(store)) for corpus in spec.corpora}
        clips, mine = splits.split(spec, loaded), folds[folds["run"] == spec.label]
        learnt = {
            (name, loaded[name].corpus.clips["path"][row]): LABELS[code]
            for number, name in enumerate(spec.trained_on)
            for row, code in zip(
                clips.training.row[clips.training.corpus == number],
                clips.training.label[clips.training.corpus == number],
                strict=True,
            )
        }
        train = mine[mine["part"] == "train"]
        keys = zip(train["corpus"], train["path"], strict=True)
        assert dict(zip(keys, train["taught"], strict=True)) == learnt
        scored = splits.scored_clips(clips, loaded, np.arange(len(clips.evaluation)))
        others = mine[mine["part"] != "train"]
        assert {*zip(others["corpus"], others["path"], strict=True)} == {
            *zip(scored["corpus"], scored["path"], strict=True)
        }
        assert set(others["taught"]) == {""}


def test_what_is_taught_is_the_permuted_label(folds):
    train = folds[folds["part"] == "train"]
    swapped = train["run"].str.contains("scrambled") & (train["corpus"] == "two")
    assert (train["taught"][~swapped] == train["label"][~swapped]).all()
    assert (train["taught"][swapped] == train["label"][swapped].map(SWAP)).all()
    assert swapped.sum() > 0


def test_speakers_of_one_part_are_in_no_other(folds):
    who = folds["path"].str.partition("/")[0]
    for _, clips in folds.assign(who=who).groupby(["run", "corpus"]):
        of_part = [set(part["who"]) for _, part in clips.groupby("part")]
        assert sum(map(len, of_part)) == len(set().union(*of_part))


def test_clips_without_a_label_that_is_taught_are_left_out():
    study = made(figure3={"train": [["two_without-angry"]], "test": ["two"]})
    folds = pd.concat(predictions.folds(study, None))
    train = folds[folds["run"].str.contains("without-angry") & (folds["part"] == "train")]
    assert set(train["label"]) == set(train["taught"]) == set(LABELS) - {"angry"}


def test_runs_that_share_a_name_are_refused():
    tuning = {"train": [["two"]], "learning_rates": [1e-3, 1e-2], "batch_sizes": [16]}
    study = made(**NETWORK, tuning=tuning)
    with pytest.raises(SpecError, match=r"two runs are called two-aug0-fold00; .*\[tuning\]"):
        predictions.folds(study, None)


def test_a_baseline_is_serkits_own():
    study = made(baseline={"train": [["two"]]})
    names = predictions.runs(study)
    assert len(studies.plan(study)) == len(names) + 3
    assert set(names) == set(predictions.runs(made()))


def called(*arguments):
    outcome = CliRunner().invoke(cli.main, arguments)
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome


def test_folds_to_a_file_and_to_the_terminal_are_the_same(tmp_path, monkeypatch, folds):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(STUDY)
    outcome = called("folds", "mine.toml", "-o", "folds.csv")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert outcome.stdout == f"folds.csv: {len(folds):,} rows of 6 runs\n"
    written = Path("folds.csv").read_text()
    assert called("folds", "mine.toml").stdout == written
    read = pd.read_csv("folds.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(read, folds, check_dtype=False)
    assert not Path("results").exists()  # it only looks


def test_folds_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "folds.csv"
    path.write_text("before")
    divided, asked = splits.divided, []

    def full(spec, corpora):
        asked.append(spec)
        if len(asked) > 2:
            raise OSError(28, "No space left on device")
        return divided(spec, corpora)

    monkeypatch.setattr(splits, "divided", full)
    with pytest.raises(ResultsUnwritable, match=r"folds\.csv cannot be written: No space left"):
        predictions.write_folds(made(), None, path)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["folds.csv"]


# --- an import is as good as a run ---


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A store of CNN14's runs of the same plan, and what each said of every clip that it scores."""
    study, said = made(**NETWORK), []
    store, train = Store(tmp_path_factory.mktemp("trained") / "mine"), serkit.run.train
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serkit.run, "train", lambda *given: said.append(train(*given)) or said[-1])
        for case in studies.plan(study):
            run(case.spec, Place(store))
    tables = []
    for case, of in zip(studies.plan(study), said, strict=True):
        loaded = {corpus.name: load(corpus, 16_000, Place(store)) for corpus in case.spec.corpora}
        clips = splits.split(case.spec, loaded)
        table = splits.scored_clips(clips, loaded, np.arange(len(clips.evaluation)))
        table = table.reset_index(drop=True).join(pd.DataFrame(of.scores, columns=list(LABELS)))
        tables.append(table.assign(run=case.spec.label.replace("-aug", "-imported-mine-aug")))
    return study, store, pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def both(trained, tmp_path_factory):
    """The trained study with its store, and the imported one with its own."""
    study, theirs, table = trained
    folder = tmp_path_factory.mktemp("imported")
    store = Store(folder / "mine")
    table.to_parquet(folder / "said.parquet")
    assert predictions.store(made(), Place(store), folder / "said.parquet").startswith(
        "6 runs of imported:mine"
    )
    return (study, theirs), (made(), store)


def test_an_imported_result_is_that_of_the_run_at_its_last_evaluation(both):
    (_, theirs), (_, ours) = both
    for spec, result in ours.all():
        label = spec.label.replace("-imported-mine", "")
        (other,) = (of for name, of in by_label(theirs).items() if name == label)
        for part in ("tests", "validation", "training_clips", "tail_evaluations"):
            assert result[part] == other[part], part
        about = {
            "label",
            "fingerprint",
            "clips",
            "tested",
            "shared_speakers",
            "split_by_clip",
            "units",
            "notes",
        }
        for name, of in result["corpora"].items():
            assert {key: of[key] for key in about & of.keys()} == {
                key: other["corpora"][name][key] for key in about & of.keys()
            }
        mine, scores = (at.table(of["key"], "scores") for at, of in ((ours, result), (theirs, other)))
        pd.testing.assert_frame_equal(mine, scores)
        (at,), last = result["history"], other["history"][-1]
        assert (at["tests"], at["validation"]) == (last["tests"], last["validation"])


def test_probes_read_the_logarithms_of_the_probabilities(both):
    (_, theirs), (_, ours) = both
    for spec, result in ours.all():
        other = by_label(theirs)[spec.label.replace("-imported-mine", "")]
        for part in ("corpus", "speaker", "label"):
            for name, recalls in result["probe"][part].items():
                assert recalls == {"outputs": other["probe"][part][name]["outputs"]}
    assert probe.MOST > 100  # all clips are read here


def test_what_an_imported_result_does_not_know_it_does_not_say(both):
    for spec, result in both[1][1].all():
        assert result["initialisation"] == "imported"
        assert [at["loss"] for at in result["history"]] == [None]
        assert result["affected"] == []
        assert result["train_seconds"] == result["evaluate_seconds"] == result["clips_per_second"] == 0
        assert both[1][1].embeddings(result["key"]) is None
        assert_valid(result, spec.plan())


def test_tables_intervals_and_verdicts_are_the_same(both):
    theirs, ours = (Report(study, store) for study, store in both)
    assert repr(ours.verdicts) == repr(theirs.verdicts)  # NaN is no NaN
    assert ours.answer == theirs.answer
    assert ours.numbers.keys() == theirs.numbers.keys()
    for name, of in ours.numbers.items():
        pd.testing.assert_frame_equal(of, theirs.numbers[name])
    assert ours.conditions[0]["confusion"] == theirs.conditions[0]["confusion"]
    assert ours.conditions[0]["loss"] == [[None], [None]]


def test_a_report_says_that_it_was_imported(both):
    theirs, ours = (Report(study, store) for study, store in both)
    note = "Imported: the probabilities of mine were made outside serkit; nothing is known of how."
    assert note in ours.notes
    assert note not in theirs.notes
    assert any(line.startswith("Run on: ") for line in theirs.notes)
    assert not any(line.startswith("Run on: ") for line in ours.notes)
    said = dict(ours.choices)
    assert said["4 encoder"] == "imported:mine"
    assert said["6 optimiser"] == "does not apply: the probabilities were made outside serkit"


def test_nothing_is_said_of_what_it_cost(both):
    costs = [coverage.cost(Report(study, store).found.results.values()) for study, store in both]
    assert [len(cost.rows) for cost in costs] == [1, 0]


def test_all_other_readers_of_results_take_it(both, tmp_path):
    store = both[1][1]
    path = tmp_path / "mine.bundle"
    store.write_bundle(path)
    assert by_label(Store(path)) == by_label(store)
    table = results_table.load_all(store.folder.parent)
    assert set(table["initialisation"]) == {"imported"}
    assert set(table["encoder"]) == {"imported:mine"}
    cells = [compare.cells(*compare.sides(str(both[0][1].folder), str(store.folder), tmp_path), "wF1")]
    assert not cells[0]["moved"].any()


def test_the_page_is_made(both, monkeypatch):
    from benchmark.report.write import assemble

    monkeypatch.setattr("benchmark.report.page.vega", lambda: "/* Vega */")
    monkeypatch.setattr("benchmark.report.write._draw", lambda report, folder, colours: {})
    study, store = both[1]
    assemble(study, store)
    assert "were made outside serkit" in (store.folder / "index.html").read_text(encoding="utf-8")


# --- what is imported ---


def test_rows_of_training_clips_and_other_columns_are_ignored(right, folds, store, tmp_path, unprobed):
    train = folds[folds["part"] == "train"][["run", "corpus", "path"]].assign(sad=-3.0)
    more = pd.concat([train, right.assign(frames=7)]).sample(frac=1, random_state=0)
    imported(more, store, tmp_path)
    others = Store(tmp_path / "plain" / "mine")
    imported(right, others, tmp_path)
    tests = [{name: of["tests"] for name, of in by_label(at).items()} for at in (store, others)]
    assert tests[0] == tests[1]


def test_csv_of_many_blocks_and_parquet_are_read_alike(right, tmp_path):
    """Arrow reads a csv by blocks of a megabyte, each with categories of its own."""
    long = right.assign(more="x" * 20_000)
    long.to_csv(tmp_path / "a.csv", index=False)
    long.to_parquet(tmp_path / "a.parquet")
    assert (tmp_path / "a.csv").stat().st_size > 3 << 20
    tables = [outside.read(tmp_path / name) for name in ("a.csv", "a.parquet")]
    for table in tables:
        for name in ("run", "corpus", "path"):
            assert table[name].astype(str).tolist() == right[name].tolist()
        np.testing.assert_allclose(table[list(LABELS)], right[list(LABELS)], rtol=1e-12)


def test_probabilities_of_few_digits_are_taken(right, store, tmp_path, unprobed):
    rounded = right.round(4)
    assert (rounded[list(LABELS)].sum(axis=1) != 1).any()
    imported(rounded, store, tmp_path)


def test_importing_again_replaces(right, store, tmp_path, unprobed):
    imported(right, store, tmp_path)
    before = by_label(store)
    turned = right.rename(columns=dict(zip(LABELS, [*LABELS[1:], LABELS[0]], strict=True)))
    imported(turned, store, tmp_path)
    after = by_label(store)
    assert {name: of["key"] for name, of in before.items()} == {name: of["key"] for name, of in after.items()}
    assert all(before[name]["tests"] != of["tests"] for name, of in after.items())
    key = next(iter(after.values()))["key"]
    assert store.table(key, "scores")[list(TAIL)].notna().all(axis=None)


def test_some_runs_can_be_imported_if_that_is_said(right, store, tmp_path):
    two = list(right["run"].unique()[:2])
    some = right[right["run"].isin(two)]
    with pytest.raises(PredictionsUnfit, match=r"^4 of 6 runs missing \(.*, .*, .* and 1 more\).*--partial"):
        imported(some, store, tmp_path)
    assert by_label(store) == {}
    said = imported(some, store, tmp_path, partial=True)
    assert said.startswith("2 runs of imported:mine imported into ")
    assert said.endswith("; 4 runs of the plan not among them")
    assert set(by_label(store)) == set(two)


def test_partners_that_validate_each_other_are_scored_once(store, tmp_path):
    """Their clips are in both parts of `folds`: one row of each is imported, and two are refused."""
    speakers = {"two": {**tomllib.loads(STUDY)["corpora"]["two"]}}
    speakers["two"]["options"] = {"role": "B", "speakers": 8, "clips": 4, "folds": 4}
    study = made(corpora={**tomllib.loads(STUDY)["corpora"], **speakers})
    (spec,) = {case.spec for case in studies.plan(study) if case.id == "two-imported-mine-aug0-fold00"}
    two = load(spec.corpus("two"), 16_000, Place(store))
    paired = dataclasses.replace(two, corpus=dataclasses.replace(two.corpus, validation_fold=(1, 0, 3, 2)))
    loaded = {"two": paired, "one": load(spec.corpus("one"), 16_000, Place(store))}
    rows = splits.divided(spec, {name: of.corpus for name, of in loaded.items()})
    scored = rows[rows["part"] != "train"].assign(**dict.fromkeys(LABELS, 0.25))
    about = serkit.run.Identified(spec, None, loaded)
    once = scored.drop_duplicates(["corpus", "path"])
    assert len(once) < len(scored)
    assert (outside.probabilities(about, once) == 0.25).all()
    with pytest.raises(PredictionsUnfit, match=r"that it has already .* scored once"):
        outside.probabilities(about, scored)


# --- what is refused, before anything is stored ---


def cell(column, value):
    """The last row has another value there."""

    def change(table):
        table = table.astype({column: object})
        table.loc[len(table) - 1, column] = value
        return table

    return change


REFUSED = {
    "a run that is none": (cell("run", "mine-aug0"), r"1 run that the study has not \(mine-aug0\)"),
    "no row": (lambda table: table.iloc[:0], r"6 of 6 runs missing"),
    "a clip missing": (
        lambda table: table.iloc[:-1],
        r"1 row missing \(\w+/.*\); expected one for each test",
    ),
    "clips missing": (lambda table: table.iloc[:-9], r"9 rows missing \(.* and 6 more\)"),
    "a clip of none": (cell("path", "x.wav"), r"of clips that its corpora have not \((one|two)/x\.wav\)"),
    "a corpus of none": (cell("corpus", "three"), r"of clips that its corpora have not \(three/"),
    "a clip twice": (
        lambda table: pd.concat([table, table.iloc[-1:]]),
        r"1 row of clips that it has already",
    ),
    "not finite": (cell("sad", float("inf")), r"1 row that are not finite, or empty"),
    "nothing": (
        cell("sad", None),
        r"not finite, or empty \(.*\); expected probabilities, for example the soft",
    ),
    "negative": (cell("sad", -0.25), r"1 row with a number below 0"),
    "a sum off": (cell("sad", 1.5), r"whose sum is off 1 by more than 0\.001"),
    "decision values": (
        lambda table: table.assign(**{label: table[label] * 4 for label in LABELS}),
        r"\d+ rows whose sum is off .* and [\d,]+ more\); expected probabilities, for example the softmax",
    ),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_is_wrong_is_said_and_nothing_is_stored(right, store, tmp_path, wrong):
    """It is in the last run: the first are not stored either."""
    change, why = REFUSED[wrong]
    with pytest.raises(PredictionsUnfit, match=why) as caught:
        imported(change(right), store, tmp_path)
    assert "\n" not in str(caught.value)
    assert list(store.all()) == []
    assert not list(store.folder.glob("*/*"))


def test_what_was_imported_stays_where_the_next_is_refused(right, store, tmp_path, unprobed):
    imported(right, store, tmp_path)
    before = by_label(store)
    with pytest.raises(PredictionsUnfit):
        imported(cell("sad", -1.0)(right), store, tmp_path)
    assert by_label(store) == before


HEADER = "run,corpus,path,angry,happy,neutral,sad\n"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("p.csv", "", "it has no column run; expected run, corpus, path and the probabilities angry, happy"),
        ("p.csv", HEADER.replace("sad", "bored"), "it has no column sad"),
        ("p.csv", HEADER.replace("sad", "happy"), "it has twice the column happy"),
        ("p.csv", HEADER.replace(",", ";"), "it has no column run"),
        ("p.csv", f"{HEADER}a,b,c,1,0,0\n", r"Expected 7 columns, got 6.*; expected csv, in UTF-8 and with"),
        ("p.csv", f"{HEADER}a,b,c,1,0,0,0,0\n", r"Expected 7 columns, got 8"),
        ("p.csv", f"{HEADER}a,b,c,1,0,0,much\n", r"invalid value 'much'"),
        ("p.csv", f"{HEADER}a,,c,1,0,0,0\n".encode() + b"\xff,b,c,1,0,0,0\n", "invalid UTF8"),
        ("p.parquet", b"PAR1 and no more", "expected parquet"),
        ("p.parquet", pd.DataFrame({"run": ["a"]}), "it has no column corpus"),
        (
            "p.parquet",
            pd.DataFrame({"run": [1], "corpus": "a", "path": "b"} | dict.fromkeys(LABELS, 0.25)),
            "column run holds int64; expected text",
        ),
        (
            "p.parquet",
            pd.DataFrame({"run": ["a"], "corpus": "a", "path": "b"} | dict.fromkeys(LABELS, "0.25")),
            r"column angry holds .*string; expected numbers",
        ),
        (
            "p.parquet",
            pd.DataFrame({"run": ["a", None], "corpus": "a", "path": "b"} | dict.fromkeys(LABELS, 0.25)),
            "run is empty in a row",
        ),
    ],
)
def test_what_is_no_table_of_predictions(tmp_path, name, content, why):
    if isinstance(content, pd.DataFrame):
        content.to_parquet(tmp_path / name)
    else:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(PredictionsUnfit, match=why) as caught:
        outside.read(tmp_path / name)
    assert str(caught.value).startswith(f"predictions {tmp_path / name}: ")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there_or_too_large(tmp_path, monkeypatch):
    with pytest.raises(PredictionsUnfit, match=r"p\.csv cannot be read: No such file"):
        outside.read(tmp_path / "p.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(PredictionsUnfit, match="a named pipe, expected a file"):
        outside.read(tmp_path / "pipe.csv")
    monkeypatch.setattr(outside, "MAX_CSV_BYTES", 10)
    (tmp_path / "p.csv").write_text(HEADER)
    with pytest.raises(PredictionsUnfit, match=r"bytes; expected 10 at most: .*--partial"):
        outside.read(tmp_path / "p.csv")


def test_a_study_that_trains_its_own_networks_imports_nothing(right, store, tmp_path):
    with pytest.raises(
        SpecError, match=r"encoder = 'cnn14', which serkit trains; expected encoder = 'imported:N"
    ):
        imported(right, store, tmp_path, study=made(**NETWORK))


def test_an_import_that_cannot_be_is_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(STUDY)
    outcome = called("import", "mine.toml", "gone.csv")
    assert outcome.exit_code == 1
    assert (
        outcome.stderr == "PredictionsUnfit: predictions gone.csv cannot be read: No such file or directory\n"
    )
    outcome = called("import", "open", "gone.csv")
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith(
        "SpecError: study open has [model] encoder = 'cnn14', which serkit trains;"
    )
    assert called("import", "mine.toml").exit_code == 2
