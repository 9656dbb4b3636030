"""Comparing results: what moved, by an interval computed here; what one side lacks; what was made unlike."""

import dataclasses
import json

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

from benchmark import cli
from benchmark import study as studies
from benchmark.report import compare, intervals
from serkit.errors import ResultsUnreadable
from serkit.results import Store
from serkit.specs import METHOD, Recipe
from tests.made_results import made_result, put

STUDY = """
title = "Two corpora"
rates_percent = [0, 50]
[model]
width = 8
weights = ""
[recipe]
batch_size = 16
[corpora.one]
reader = "made"
title = "One"
folds = 4
[corpora.two]
reader = "synthetic"
title = "Two"
[table1]
train = [["one"], ["two"]]
[tuning]
train = [["one"]]
learning_rates = [1e-4, 1e-3]
batch_sizes = [16]
[figure2]
train = [["one"], ["one", "two"]]
test = ["one", "two"]
"""
GRID = studies.Grid((("one",), ("two",)))
BASE = {0: 0.4, 1: 0.55, 2: 0.501, 3: 0.62}  # by fold: folds differ by far more than what moves


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SERKIT_RESULTS", raising=False)
    (tmp_path / "mine.toml").write_text(STUDY)
    return studies.read("mine.toml")


def fill(folder, study, moved=lambda spec, test, fold: 0.0, keep=lambda spec: True, **changes):
    """All runs of a study, `moved` away from `BASE`."""
    store = Store(folder)
    specs = [case.spec for case in studies.plan(study) if keep(case.spec)]
    for spec in specs:
        put(
            store,
            made_result(
                spec, lambda test, fold, _, spec=spec: BASE[fold] + moved(spec, test, fold), **changes
            ),
        )
    return len(specs)


def called(*arguments):
    outcome = CliRunner().invoke(cli.main, ["compare", *arguments])
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome


SHIFTS = dict(enumerate((0.05, 0.07, 0.06, 0.08)))


def only_one_on_one(spec, test, fold):
    """What moves: training on one at 50 %, tested on it."""
    return SHIFTS[fold] if spec.train == ("one",) and spec.augment_percent == 50 and test == "one" else 0.0


def test_what_moved_and_by_how_much(study, tmp_path):
    fill(tmp_path / "results" / "mine", study)
    fill(tmp_path / "other" / "mine", study, only_one_on_one)
    a, b = compare.sides("mine.toml", "other/mine", tmp_path / "results")
    table = compare.cells(a, b)
    moved = table[table["moved"]]
    assert moved[["exhibit", "train", "test", "augment_percent", "tuned"]].to_numpy().tolist() == [
        ["table1, figure2", "One", "One", 50, ""]
    ]
    (row,) = moved.to_dict("records")
    shifts = np.array(list(SHIFTS.values()))
    error = shifts.std(ddof=1) * np.sqrt(1 / 4 + 1 / 3)  # Nadeau and Bengio: 4 folds share training clips
    half = stats.t.ppf(0.975, 3) * error
    np.testing.assert_allclose(
        [row["A"], row["B"], row["difference"], row["low"], row["high"]],
        [0.51775, 0.58275, 0.065, 0.065 - half, 0.065 + half],
    )
    assert (row["runs_A"], row["runs_B"], row["spread_of"]) == (4, 4, "folds")
    # Table 1 and Figure 2 share cells: one and one+two on both tests, two on two, at two rates; and the grid
    assert len(table) == 2 * (2 + 2 + 1) + 1
    assert table.loc[~table["moved"], "difference"].abs().max() == 0
    said = "\n".join(compare.summary(a, b, table, "wF1"))
    assert (
        "1 of 11 cells moved in wF1 (p < 0.05 after Holm's correction for so many: by chance alone one does"
        " in a comparison of twenty). 10 are equal." in said
    )
    assert "Not made alike" not in said
    back = compare.cells(b, a)
    assert back.loc[back["moved"], ["difference", "low"]].to_numpy() == pytest.approx(
        np.array([[-row["difference"], -row["high"]]])
    )


def test_another_metric(study, tmp_path):
    fill(tmp_path / "one", study)
    fill(tmp_path / "two", study)
    for path in (tmp_path / "two").glob("*/result.json"):
        result = json.loads(path.read_text())
        for at in result["history"]:
            for folds in at["tests"].values():
                for scores in folds.values():
                    scores["uACC"] += 0.1
        path.write_text(json.dumps(result))
    a, b = compare.sides("one", "two", tmp_path)
    assert not compare.cells(a, b, "wF1")["moved"].any()
    assert compare.cells(a, b, "uACC")["difference"].to_numpy() == pytest.approx(0.1)


def test_a_folder_needs_no_study(study, tmp_path):
    """What its runs say of themselves will do: every training set on every test."""
    fill(tmp_path / "one", study)
    fill(tmp_path / "two", study, only_one_on_one)
    a, b = compare.sides("one", "two", tmp_path)
    table = compare.cells(a, b)
    assert set(table["exhibit"]) == {"all"}
    assert len(table) == 2 * 3 * 2
    assert table.loc[table["moved"], ["train", "test", "augment_percent"]].to_numpy().tolist() == [
        ["one", "one", 50]
    ]


def test_what_only_one_has(study, tmp_path):
    fill(tmp_path / "results" / "mine", study, keep=lambda spec: spec.recipe == study.recipe)
    fill(tmp_path / "other", study, keep=lambda spec: spec.augment_percent == 0)
    a, b = compare.sides("mine.toml", "other", tmp_path / "results")
    table = compare.cells(a, b)
    only_a, only_b = table[table["B"].isna()], table[table["A"].isna()]
    assert set(only_a["augment_percent"]) == {50}
    assert only_b["tuned"].tolist() == ["lr 0.001, batch 16"]
    assert only_b[["runs_A", "runs_B"]].to_numpy().tolist() == [[0, 4]]
    assert not only_a["moved"].any()
    said = compare.summary(a, b, table, "wF1")
    assert {"Only A has 5 cells.", "Only B has 1 cell."} <= set(said)


def test_a_run_too_few_is_compared_by_the_others(study, tmp_path):
    fill(tmp_path / "results" / "mine", study)
    fill(tmp_path / "other", study, only_one_on_one, keep=lambda spec: spec.fold in (None, 0, 1, 2))
    a, b = compare.sides("mine.toml", "other", tmp_path / "results")
    (row,) = (
        compare.cells(a, b)
        .query("train == 'One' and test == 'One' and augment_percent == 50")
        .to_dict("records")
    )
    assert (row["runs_A"], row["runs_B"]) == (4, 3)
    assert row["difference"] == pytest.approx((0.05 + 0.07 + 0.06) / 3)  # the folds that both have


def test_corpora_in_another_order_are_the_same_cells(study, tmp_path):
    fill(tmp_path / "one", study)
    fill(tmp_path / "other", dataclasses.replace(study, corpora=study.corpora[::-1]), only_one_on_one)
    a, b = compare.sides("one", "other", tmp_path)  # of either only its runs are known
    table = compare.cells(a, b)
    assert set(table["train"]) == {"one", "two", "one+two"}
    assert len(table) == len(compare.cells(a, a))
    assert table["difference"].notna().all()
    assert table["moved"].sum() == 1


def test_other_folds_are_not_taken_for_the_same(study, tmp_path):
    """Another reader's fold 0 has other speakers: then no fold has its partner."""
    split = dataclasses.replace(study.corpora[0], options=(("folds", 4),))
    fill(tmp_path / "results" / "mine", study)
    other = dataclasses.replace(study, corpora=(split, study.corpora[1]))
    fill(tmp_path / "other", other, only_one_on_one)
    a, b = compare.sides("mine.toml", "other", tmp_path / "results")
    table = compare.cells(a, b)
    (row,) = table.query("train == 'One' and test == 'One' and augment_percent == 50").to_dict("records")
    folds = np.array([list(BASE.values()), [BASE[fold] + SHIFTS[fold] for fold in BASE]])
    variances = folds.var(axis=1, ddof=1)
    welch = stats.t.ppf(0.975, 3 * variances.sum() ** 2 / (variances**2).sum())
    alone = stats.t.ppf(0.975, 3) * np.sqrt(variances[1] * (1 / 4 + 1 / 3))  # never narrower than one side
    half = max(welch * np.sqrt(variances.sum() * (1 / 4 + 1 / 3)), alone)
    np.testing.assert_allclose([row["low"], row["high"]], [0.065 - half, 0.065 + half])
    assert not row["moved"]
    assert "corpus one, options: none in A; folds 4 in B" in compare.unlike(a, b)


def test_runs_by_another_method_are_left_out(study, tmp_path):
    """As of a study that was begun anew beside the bundle of its earlier results."""
    fill(tmp_path / "a", study, moved=lambda spec, test, fold: -0.3)
    for number, path in enumerate(list((tmp_path / "a").glob("*/result.json"))):
        result = json.loads(path.read_text())
        result["spec"]["method"] = METHOD - 1
        result["key"] = f"{result['label']}-{number:012x}"
        path.parent.rename(path.parent.with_name(result["key"]))
        (tmp_path / "a" / result["key"] / "result.json").write_text(json.dumps(result))
    others = f"{len(list((tmp_path / 'a').iterdir()))} results by method {METHOD - 1} left out: "
    fill(tmp_path / "b", study)
    with pytest.raises(
        ResultsUnreadable, match=rf"no finished run in .* that this serkit understands \({others}"
    ):
        compare.sides(str(tmp_path / "a"), str(tmp_path / "b"), tmp_path)
    fill(tmp_path / "a", study, keep=lambda spec: spec.train == ("two",))
    a, b = compare.sides(str(tmp_path / "a"), str(tmp_path / "b"), tmp_path)
    assert {run.train for run in a.results} == {("two",)}
    assert a.notes == [f"{others}this serkit's is {METHOD}, and numbers of two methods do not compare"]
    assert (compare.cells(a, b)["difference"].dropna() == 0).all()


def test_what_was_made_unlike_is_said(study, tmp_path):
    fill(tmp_path / "results" / "mine", study)
    other = dataclasses.replace(
        study,
        recipe=Recipe(batch_size=32, loudness_dbfs=-20),
        model=dataclasses.replace(study.model, width=16),
        augmentation=dataclasses.replace(study.augmentation, effects=("noise",)),
        seeds=(0, 1),
        exhibits={name: asked for name, asked in study.exhibits.items() if name != "tuning"},
    )
    environment = {"device_name": "A GPU", "packages": {"torch": "2.1"}, "bf16": True}
    fill(tmp_path / "other", other, copy="another", environment=environment)
    a, b = compare.sides("mine.toml", "other", tmp_path / "results")
    assert len(b.results) == 2 * len([run for run in a.results if run.recipe == study.recipe])
    said = compare.unlike(a, b)
    for line in (
        "model width: 8 in A; 16 in B",
        "recipe batch_size: 16 in A; 32 in B",
        "recipe loudness_dbfs: None in A; -20 in B",
        "seeds: 0 in A; 0, 1 in B",
        "corpus one, copy (fingerprint): 0 in A; another in B",
        "bf16: False in A; True in B",
        "run on: A device, torch 2.0 in A; A GPU, torch 2.1 in B",
    ):
        assert line in said
    assert any(line.startswith("augmentation effects: stretch, fade") for line in said)
    assert not any("recipe epochs" in line for line in said)
    assert compare.cells(a, b)["difference"].dropna().to_numpy() == pytest.approx(0)


def test_of_many_cells_that_moved_by_nothing_none_is_said_to_have_moved(study, tmp_path):
    """Finding 5: each was held against its own interval, and about one in twenty is outside by chance."""
    many = dataclasses.replace(study, rates_percent=tuple(range(0, 101, 4)), exhibits={"table1": GRID})
    noise = np.random.default_rng(5)
    fill(tmp_path / "one", many)
    fill(tmp_path / "other", many, lambda *_: noise.normal(0, 0.02))
    a, b = compare.sides("one", "other", tmp_path)
    table = compare.cells(a, b)
    known = table[table["train"] == "one"].query("test == 'one'")
    assert (known["p"] < 0.05).sum() > 0
    assert not table["moved"].any()
    assert table["holm"].tolist() == pytest.approx(intervals.holm(table["p"]).tolist(), nan_ok=True)
    assert "0 of 104 cells moved in wF1" in "\n".join(compare.summary(a, b, table, "wF1"))


def test_cells_that_are_equal_are_not_corrected_for(study, tmp_path):
    """Two copies of a study in which one cell moved: no other cell could have moved by chance."""
    fill(tmp_path / "one", study)
    fill(tmp_path / "other", study, only_one_on_one)
    a, b = compare.sides("one", "other", tmp_path)
    (row,) = compare.cells(a, b).query("moved").to_dict("records")
    assert row["holm"] == row["p"] < 0.05


def test_one_training_of_one_split_is_said_to_have_no_interval(study, tmp_path):
    """Finding 3: such cells had a yardstick, and moved by it."""
    fill(tmp_path / "one", study)
    fill(tmp_path / "other", study, lambda spec, test, fold: 0.1 * (test == "two"))
    a, b = compare.sides("one", "other", tmp_path)
    table = compare.cells(a, b)
    moved = table.query("train == 'two' and test == 'two'")
    assert moved["difference"].tolist() == pytest.approx([0.1, 0.1])
    assert moved["low"].isna().all()
    assert not table["moved"].any()
    said = compare.summary(a, b, table, "wF1")
    assert "8 of them have no interval, since nothing tells what another training or fold would give." in said


# --- the command ---


def test_exit_codes_and_tables(study, tmp_path):
    fill(tmp_path / "results" / "mine", study)
    fill(tmp_path / "other" / "mine", study, only_one_on_one)
    same = called("mine.toml", "results/mine")
    assert same.exit_code == 0
    assert "0 of 11 cells moved" in same.stdout
    assert "One" not in same.stdout  # no cell moved, so no table
    moved = called("mine.toml", "other/mine")
    assert moved.exit_code == 3
    (line,) = [line for line in moved.stdout.splitlines() if line.endswith("moved")]
    assert (
        line.split()
        == "table1, figure2 One One 50 % 0.518 0.583 +0.065 +0.034 to +0.096 folds 4, 4 moved".split()
    )
    every = called("mine.toml", "other/mine", "--all", "--format", "csv")
    assert every.stdout.count("\n") == 1 + 11
    assert every.stdout.startswith("exhibit,train,test,augment_percent,tuned,A,B,difference,low,high")
    assert "1 of 11 cells moved" in every.stderr
    github = called("mine.toml", "other/mine", "--format", "github", "--metric", "wACC")
    assert github.stdout.startswith("| Exhibit")


def test_no_title_is_a_formula_in_a_csv(study, tmp_path):
    fill(tmp_path / "results" / "mine", study)
    (tmp_path / "mine.toml").write_text(STUDY.replace('"One"', '"=1-1"'))
    csv = called("mine.toml", "results/mine", "--all", "--format", "csv").stdout
    assert ",'=1-1," in csv
    assert ",=1-1," not in csv


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["mine.toml", "opne"],
            "SpecError: no study 'opne'; expected one of open, open-encoders, open-small, paper,",
        ),
        (["mine.toml", "empty"], "ResultsUnreadable: empty: no finished run in empty"),
        (
            ["results", "mine.toml"],
            "ResultsUnreadable: results: no finished run in results; name one of the studies in it: mine",
        ),
        (["mine.toml", "open"], "ResultsUnreadable: open: no finished run in results/open"),
        (["mine.toml", "elsewhere"], "SpecError: mine.toml and elsewhere have no cell in common"),
    ],
)
def test_what_cannot_be_compared(study, tmp_path, arguments, message):
    fill(tmp_path / "results" / "mine", study)
    (tmp_path / "empty").mkdir()
    other = studies.read("synthetic")
    put(Store(tmp_path / "elsewhere"), made_result(studies.plan(other)[0].spec, lambda *_: 0.5))
    outcome = called(*arguments)
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith(message)
    assert outcome.stderr.count("\n") == 1
