"""Encoders side by side: what is trained by each, means over corpora by hand, pairs, gaps."""

import dataclasses
import json

import numpy as np
import pytest

from benchmark import study as studies
from benchmark.report import cells, collect, page, write
from benchmark.report.exhibits import encoders
from benchmark.report.terms import FAILS, HOLDS, UNTOLD
from serkit.errors import SpecError
from serkit.results import Store
from serkit.specs import Recipe
from tests.made_results import made_result
from tests.made_results import put as put_made
from tests.report.made_worlds import STUDY, World, judged, made_cells, over_folds, partners

STUDY = {key: of for key, of in STUDY.items() if key != "figure2"}
STUDY |= {"figure2": {"train": [["one", "two"]], "test": ["one", "two"]}, "rates_percent": [0, 50]}
STUDY |= {"permuted": {"train": [["one", "two_scrambled"], ["one", "two_far"]], "rates_percent": [0]}}
OF = {"Other": {"encoder": "opensmile:eGeMAPSv02", "freeze": ["encoder"]}}
ASKED = STUDY | {"encoders": {"own": "Own", "of": OF}}


class Better(World):
    """The other encoder carries more from corpus to corpus, keeps less apart, and gains by augmentation."""

    def says(self, spec, corpus):
        other, gain = spec.model.encoder != "cnn14", 0.04 * (spec.augment_percent > 0)
        self.elsewhere = (0.6 if other else 0.4) + gain
        self.held = 0.5 if other else 0.02
        self.drawn = 0.4 if other else 0.0
        return super().says(spec, corpus)

    def swapped(self, corpus, codes):
        return partners(0.75 - self.drawn, 0.1 + self.drawn, codes)


@pytest.fixture(scope="module")
def made():
    return made_cells(Better(), number=60, given=ASKED)


@pytest.fixture(scope="module")
def rows(made):
    return encoders.numbers(made.study, made, None)["encoders-cells"].set_index(["encoder", "indicator"])


def test_each_encoder_trains_all_that_the_other_exhibits_ask_for():
    study = studies.from_toml(ASKED, "made")
    (_, own), (_, other) = study.exhibits["encoders"].of
    runs = [case.spec for case in studies.plan(study)]
    of = {
        name: [run for run in runs if run.model.encoder == name] for name in ("cnn14", "opensmile:eGeMAPSv02")
    }
    asked = [{(run.train, run.augment_percent, run.fold, run.seed) for run in each} for each in of.values()]
    assert asked[0] == asked[1]
    assert len(runs) == 2 * len(asked[0])
    assert {run.recipe.epochs for run in of["opensmile:eGeMAPSv02"] if not run.augment_percent} == {1}
    assert own.model == study.model
    assert other.model.fitted


def test_an_encoder_may_have_its_own_recipe_and_fewer_rates():
    of = {"Slow": {"encoder": "net.py:make", "recipe": {"learning_rate": 1e-5}, "rates_percent": [0]}}
    study = studies.from_toml(STUDY | {"encoders": {"of": of}}, "made")
    runs = [case.spec for case in studies.plan(study) if case.spec.model.encoder != "cnn14"]
    assert {run.augment_percent for run in runs} == {0}
    assert {run.recipe for run in runs} == {dataclasses.replace(Recipe(), learning_rate=1e-5)}


def wf1(made, title, train, test, rate):
    """By fold, of one of the encoders' networks."""
    study = dict(made.study.exhibits["encoders"].of)[title]
    tails = made.of(study).evidence.tails(train, test, rate)
    if test.partition("_")[0] in {name.partition("_")[0] for name in train}:
        return np.array([tail.mean("wF1") for tail in sorted(tails, key=lambda tail: tail.run.fold)])
    return np.mean([tail.scores["wF1"].mean(axis=0) for tail in tails])


ALONE = ("one", "two", "three")


@pytest.mark.parametrize("title", ["Own", "Other"])
def test_indicators_are_means_over_corpora(made, rows, title):
    at = rows.loc[title]["value"]
    own = [[wf1(made, title, (name,), name, rate).mean() for name in ALONE] for rate in (0, 50)]
    pairs = [(one, other) for one in ALONE for other in ALONE if one != other]
    others = [[wf1(made, title, (one,), other, rate) for one, other in pairs] for rate in (0, 50)]
    assert at["own"] == pytest.approx(np.mean(own[0]))
    assert at["other"] == pytest.approx(np.mean(others[0]))
    assert at["gain own"] == pytest.approx(np.mean(own[1]) - np.mean(own[0]))
    assert at["gain other"] == pytest.approx(np.mean(others[1]) - np.mean(others[0]))
    true = [wf1(made, title, ("one", "two"), name, 0).mean() for name in ("one", "two")]
    for kind, name in (("near", "two_scrambled"), ("far", "two_far")):
        under = [wf1(made, title, ("one", name), test, 0).mean() for test in ("one", name)]
        assert at[kind] == pytest.approx(np.mean(true) - np.mean(under))
    assert at["heldout"] == pytest.approx(0.48 if title == "Other" else 0.0, abs=0.05)


def test_the_interval_of_an_average_over_corpora_is_of_unrelated_folds(made, rows):
    folds = [wf1(made, "Own", (name,), name, 0) for name in ALONE]
    halves = [(over_folds(of)[2] - over_folds(of)[0]) for of in folds]
    row = rows.loc["Own", "own"]
    half = (row["value_high"] - row["value_low"]) / 2
    assert 0.4 < half / (np.sqrt(np.sum(np.square(halves))) / 3) < 1.2


def test_an_encoder_is_compared_with_the_first_fold_by_fold(rows):
    apart = rows.loc["Other"]
    first = rows.loc["Own"]
    np.testing.assert_allclose(apart["apart"], apart["value"] - first["value"], atol=1e-9)
    assert first["apart"].isna().all()
    assert apart.loc["other", "holm"] < 0.05 < apart.loc["own", "holm"]


def test_the_verdicts_name_the_encoder(made):
    found = judged(made)
    assert found["encoders-transfer"].answer == HOLDS
    assert "Other" in dict(found["encoders-transfer"].changes)
    swap = found["encoders-swap"]
    assert [name for name, _ in swap.changes] == ["Own", "Other"]
    assert swap.answer == FAILS, "the other one's labels contradict"
    spreads = dict(swap.changes)
    assert spreads["Other"].mean < -0.1 < -0.03 < spreads["Own"].mean, "what is lost is a change downwards"
    alike = judged(made_cells(World(), number=400, given=ASKED))
    assert alike["encoders-transfer"].answer != HOLDS
    assert alike["encoders-swap"].answer == HOLDS


def test_without_results_there_are_gaps_and_no_verdict():
    empty = made_cells(World(), given=ASKED, leave_out=lambda spec: True)
    table = encoders.numbers(empty.study, empty, None)["encoders-cells"]
    assert table["value"].isna().all()
    assert {judged(empty)[name].answer for name in ("encoders-transfer", "encoders-swap")} == {UNTOLD}
    assert not list(encoders.draw_figures(empty.study, encoders.numbers(empty.study, empty, None), "paper"))


def test_the_table_has_a_row_an_encoder_and_stands_on_the_page(made, tmp_path):
    (table,) = encoders.draw_tables(made.study, encoders.numbers(made.study, made, None))
    assert [row[0] for row in table.rows] == ["Own", "Other"]
    assert "*" in "".join(table.rows[1])
    assert "*" not in "".join(table.rows[0])
    shown = page.html(collect.Report(made.study, Store(tmp_path)), {"encoders": b"<svg/>"})
    for text in ('<section id="encoders"', 'href="#encoders"', 'download="encoders-cells.csv"'):
        assert text in shown


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({}, "encoders: of is missing"),
        ({"of": {"A": {"encoder": "cnn41"}}}, "model encoder 'cnn41': expected one of cnn14"),
        ({"of": {"A": {"encoders": "cnn14"}}}, "unknown key 'encoders'"),
        ({"of": {"A": {"recipe": {"rate": 1}}}}, "unknown key 'rate'"),
        (
            {"of": {"A": {"encoder": "a.py:b", "rates_percent": [20]}}},
            "rates_percent 20: expected one of 0, 50",
        ),
        ({"of": {"A": {"width": 4, "weights": ""}}}, "cnn14, A are one encoder by one recipe"),
        ({"of": {"A": OF["Other"], "B": OF["Other"]}}, "A, B are one encoder by one recipe"),
        ({"of": {"A": {"encoder": "imported:svm"}}}, "imported:svm has no runs here"),
        ({"own": "A", "of": OF | {"A": OF["Other"]}}, "two encoders are called"),
    ],
)
def test_what_cannot_be_asked_is_refused(table, words):
    with pytest.raises(SpecError, match=words):
        studies.from_toml(STUDY | {"encoders": table}, "made")


def test_each_other_encoder_has_a_report_of_its_own(tmp_path):
    store = Store(tmp_path / "made")
    write.assemble(studies.from_toml(ASKED, "made"), store)
    own, other = (tmp_path / "made" / name / "report.md" for name in (".", "encoders/Other"))
    assert "Encoders: what each carries" in own.read_text()
    assert other.read_text().startswith("# Three corpora: Other")
    assert "opensmile:eGeMAPSv02" in other.read_text()
    assert store.keys([]) == []


def test_runs_of_one_label_have_names_of_their_own():
    """Two networks by one function are two runs, whose cases pytest must not confuse."""
    of = {
        name: {"encoder": "net.py:make", "settings": {"width": width}}
        for name, width in (("A", 8), ("B", 16))
    }
    study = studies.from_toml(STUDY | {"encoders": {"of": of}}, "made")
    cases = studies.plan(study)
    assert len({case.id for case in cases}) == len(cases)
    labels = [case.spec.label for case in cases if case.spec.model.encoder != "cnn14"]
    assert len(set(labels)) == len(labels) / 2
    own = [case for case in cases if case.spec.model.encoder == "cnn14"]
    assert all(case.id == case.spec.label for case in own), "others keep theirs"


def test_only_what_is_at_the_same_rates_is_compared():
    of = {"Other": OF["Other"] | {"rates_percent": [50]}}
    made = made_cells(Better(), number=60, given=STUDY | {"encoders": {"own": "Own", "of": of}})
    table = encoders.numbers(made.study, made, None)["encoders-cells"].set_index(["encoder", "indicator"])
    assert table.loc["Other"]["value"].notna().any()
    assert table.loc["Other"]["apart"].isna().all()
    assert judged(made)["encoders-transfer"].answer == UNTOLD


def put(store, run, identity, when):
    """A result of a run, when its encoder was something."""
    spec = dataclasses.replace(run, fingerprints=(("one", "a"), ("net.py:make", identity)))
    made = made_result(run, lambda *_: 0.5, lambda *_: 0.5, finished=when)
    put_made(store, made | {"key": spec.key, "spec": json.loads(spec.canonical())})
    return spec


def test_a_report_shows_what_an_encoder_is_now(tmp_path):
    """Of code that was changed and changed back, what the last session had, not what finished last."""
    study = studies.from_toml(
        {"title": "Own", "model": {"encoder": "net.py:make"}, "corpora": {"one": STUDY["corpora"]["one"]}}
        | {"table1": {"train": [["one"]]}},
        "made",
    )
    store, (run, *_) = Store(tmp_path / "made"), study.runs(("one",), 0)
    first, second = (put(store, run, f"sha256:{at}", f"2026-01-0{at}T00:00:00+00:00") for at in (1, 2))
    found = cells.answers(study, store)
    assert [of["key"] for of in found.results.values()] == [second.key]
    assert found.others == ("1 run by other code or weights of net.py:make than it has now left out",)
    store.note_encoder("net.py:make", "sha256:1")
    found = cells.answers(study, store)
    assert [of["key"] for of in found.results.values()] == [first.key]
    assert store.encoders() == {"net.py:make": "sha256:1"}
    store.note_encoder("net.py:make", "sha256:3")
    assert not cells.answers(study, store).results
    (store.folder / "encoders.json").write_text("[1")
    assert store.encoders() == {}
