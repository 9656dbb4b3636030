"""Worlds: what is generated and trained, indicators of made networks by hand, what is said over casts."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from benchmark import study as studies
from benchmark.report import intervals, tables
from benchmark.report.exhibits import worlds
from benchmark.report.terms import FAILS, HOLDS, UNTOLD
from serkit.corpora import synthetic
from serkit.errors import SpecError
from serkit.labels import LABELS, corpus_of
from tests.report.made_worlds import MODEL, World, judged, made_cells, partners

GIVEN = {"title": "Worlds", "rates_percent": [0, 50, 100], "seeds": [0, 1, 2], "model": MODEL}
GIVEN["worlds"] = {"mismatches": [0.0, 1.0], "statistics": False}


class Shared(World):
    """What B lacks A teaches; a swap draws half of the clips to the partner."""

    held, called = 0.6, 0.1

    def swapped(self, corpus, codes):
        return partners(0.4, 0.45, codes)


class Known(World):
    """Labels of B are A's where its meaning is shared and channels are alike; else its own."""

    def says(self, spec, corpus):
        b = next((corpus_of(name) for name in spec.train if "B" in name), "")
        return World.says(Shared() if b.startswith("shared0") else World(), spec, corpus)


@pytest.fixture(scope="module")
def made():
    return made_cells(Known(), number=60, given=GIVEN)


@pytest.fixture(scope="module")
def numbers(made):
    return worlds.numbers(made.study, made, None)


def study_of(**table):
    return studies.from_toml(GIVEN | {"worlds": {"statistics": False} | table}, "worlds")


# --- what is asked for ---


def test_each_world_has_corpora_of_its_own_meaning_mismatch_and_cast():
    study = study_of(meanings=["shared", "disjoint", "swapped"], mismatches=[0, 0.5], speakers=20, clips=4)
    options = {corpus.name: dict(corpus.options) for corpus in study.corpora}
    assert options["swapped50B2"] == {
        "role": "B", "meaning": "swapped", "mismatch": 0.5, "seed": 2, "speakers": 20, "clips": 4, "folds": 1
    }  # fmt: skip
    assert options["disjoint0C1"]["meaning"] == "disjoint"
    assert {name for name in options if "A" in name} == {
        f"shared{at}A{cast}" for at in (0, 50) for cast in range(3)
    }
    assert not any("swapped" in name and "C" in name for name in options), "B alone is swapped"
    for of in options.values():
        synthetic.asked(**of)
    assert len(options) == 2 * 3 * (1 + 3 + 2)


def test_each_world_has_its_trainings_on_its_own_corpora():
    study = study_of(mismatches=[0.5])
    cases = studies.plan(study)
    assert len({case.id for case in cases}) == len(cases), "no two worlds' runs are one case"
    of_one = [case.spec for case in cases if case.spec.seed == 1]
    assert {run.augment_percent for run in of_one} == {0, 50, 100}
    a, b, joint = "shared50A1", "disjoint50B1", ("disjoint50B1", "shared50A1")
    trained = {(frozenset(run.train), run.augment_percent) for run in of_one if b in run.trained_on}
    expected = {(frozenset(joint), rate) for rate in (0, 50, 100)}
    expected |= {(frozenset((a, f"{b}_near")), rate) for rate in (0, 50, 100)} | {
        (frozenset((a, f"{b}_far")), 0)
    }
    expected |= {(frozenset((a, f"{b}_without-{label}")), rate) for label in LABELS for rate in (0, 50)}
    assert trained == expected
    for run in of_one:
        tested = {corpus.name for corpus in run.corpora}
        if len(run.train) == 2:
            (b,) = (name for name in run.trained_on if "B" in name)
            c = b.replace("B", "C").replace("swapped", "shared")
            assert tested == {a, b, c}
        else:
            assert run.train == (a,)
            assert {name for name in tested if "B" in name} == {f"{of}50B1" for of in worlds.MEANINGS}
    swapped = [run for run in of_one if "swapped50B1" in run.trained_on]
    assert not any("without" in name for run in swapped for name in run.train)


def test_rates_may_stand_in_any_order():
    orders = [
        studies.from_toml(GIVEN | {"rates_percent": rates}, "worlds")
        for rates in ([0, 50, 100], [100, 0, 50])
    ]
    straight, turned = ({case.spec for case in studies.plan(study)} for study in orders)
    assert straight == turned


def test_others_exhibits_are_tested_on_the_file_s_own_corpora(monkeypatch):
    own = {"own": {"reader": "synthetic", "options": {"seed": 99}}}
    study = studies.from_toml(GIVEN | {"corpora": own, "table1": {"train": [["own"]]}}, "worlds")
    (one, *_) = [case.spec for case in studies.plan(study) if case.exhibits == ("table1",)]
    assert [corpus.name for corpus in one.corpora] == ["own"]
    with pytest.raises(SpecError, match=r"corpora\.shared0A0: \[worlds\] makes a corpus of that name"):
        studies.from_toml(GIVEN | {"corpora": {"shared0A0": own["own"]}}, "worlds")
    monkeypatch.setattr(studies, "MAX_CASES", 1_000)  # of the 20,000, test_study_file.py tells
    with pytest.raises(SpecError, match="cases; expected 1,000 at most"):
        studies.from_toml(GIVEN | {"seeds": list(range(20)), "worlds": {}}, "worlds")


def test_with_statistics_each_is_fitted_too():
    network, both = study_of(mismatches=[0]), study_of(mismatches=[0], statistics=True)
    encoders = [case.spec.model.encoder for case in studies.plan(both)]
    assert encoders.count("logmel_statistics") == encoders.count("cnn14") == len(studies.plan(network))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"meanings": ["opposite"]}, "worlds.meanings 'opposite': expected one of shared, disjoint, swapped"),
        ({"mismatches": [2]}, "worlds.mismatches = 2: expected a number in 0..1"),
        ({"mismatches": [0.5, 0.501]}, "worlds.mismatches: 0.5, 0.501: expected whole percent"),
        ({"speakers": 7}, "synthetic speakers = 7: expected an even number"),
        ({"casts": 3}, "worlds: unknown key 'casts'"),
    ],
)
def test_worlds_that_cannot_be_are_one_message(table, message):
    with pytest.raises(SpecError) as raised:
        study_of(**table)
    assert message in str(raised.value)


# --- numbers ---


def called(made, train, corpus):
    """Of each label's clips how many are called by each, at 0 %."""
    (result,) = made.runs(train, 0).values()
    clips = made.evidence.clips.of(result["key"], corpus).clips.sum(axis=0)
    return clips / clips.sum(axis=1, keepdims=True)


def test_indicators_are_those_of_the_clips_by_counting(made, numbers):
    cells = numbers["worlds-cells"].set_index(["meaning", "mismatch", "cast", "augment_percent"])
    row = cells.loc[("shared", 0.0, 1, 0)]
    world = next(of for of in made.study.exhibits["worlds"].all if of[1:4] == ("shared", 0.0, 1))
    own = made.of(world.study)
    a, b, c = world.corpora
    near = (a, f"{b}_near")
    swap = [LABELS.index(of) for of in ("happy", "angry", "sad", "neutral")]
    drawn = []
    for corpus in (a, b):
        true, swapped = (called(own, train, corpus) for train in ((a, b), near))
        partner = swap if corpus == a else range(4)
        drawn.append(np.mean(swapped[range(4), partner]) - np.mean(true[range(4), swap]))
    assert row["partner"] == pytest.approx(np.mean(drawn))
    held = []
    for label in range(4):
        of = called(own, (a, f"{b}_without-{LABELS[label]}"), b)
        held.append(of[label, label] - np.mean(np.delete(of[:, label], label)))
    assert row["heldout"] == pytest.approx(np.mean(held))
    assert row["heldout"] == pytest.approx(0.5, abs=0.1)

    def wf1(train, *tests):
        (result,) = own.runs(train, 0).values()
        return np.mean([result["tests"][test]["wF1"]["mean"] for test in tests])

    assert row["learnt"] == pytest.approx(wf1((a, b), a, b))
    assert row["loss"] == pytest.approx(wf1((a, b), a, b) - wf1(near, *near))
    assert row["far"] == pytest.approx(wf1((a, b), a, b) - wf1((a, f"{b}_far"), a, f"{b}_far"))
    assert row["unseen"] == pytest.approx(wf1((a, b), c) - wf1(near, c))
    assert cells.loc[("shared", 0.0, 1, 100), "heldout"] != cells.loc[("shared", 0.0, 1, 100), "heldout"], (
        "not asked"
    )


def test_over_casts_worlds_are_compared_cast_by_cast(numbers):
    table, cells = numbers["worlds-told-cells"], numbers["worlds-cells"]
    of = table.query("indicator == 'loss' and augment_percent == 0").set_index("mismatch")
    values = cells.query("augment_percent == 0 and mismatch == 0").pivot(
        index="cast", columns="meaning", values="loss"
    )
    test = scipy.stats.ttest_rel(values["shared"], values["disjoint"])
    low, high = test.confidence_interval(0.95)
    assert of.loc[0.0, ["apart", "apart_low", "apart_high", "apart_p"]].tolist() == pytest.approx(
        [np.mean(values["shared"] - values["disjoint"]), low, high, test.pvalue]
    )
    assert of.loc[0.0, "shared"] == pytest.approx(values["shared"].mean())
    assert of.loc[0.0, "shared_n"] == 3
    assert of.loc[0.0, "told"] == 1
    assert of.loc[0.0, "apart_n"] == 3
    assert table["holm"].tolist() == pytest.approx(intervals.holm(table["apart_p"]), nan_ok=True)


def test_single_casts_are_called_by_the_others():
    shared, disjoint = pd.Series([0.4, 0.5, 0.1, 0.6]), pd.Series([0.0, 0.1, 0.2, 0.0])
    # By the middles of the others, .25, .22, .27, .22, the third's shared world is called wrongly.
    assert worlds._told(shared, disjoint) == 7 / 8
    assert worlds._told(disjoint, shared) == worlds._told(shared, disjoint), "whichever side they lie on"
    assert np.isnan(worlds._told(shared[:2], disjoint[:2]))
    random = np.random.default_rng(0)
    nothing = [worlds._told(*(pd.Series(random.normal(size=5)) for _ in range(2))) for _ in range(200)]
    assert np.mean(nothing) == pytest.approx(0.45, abs=0.15)


@pytest.mark.parametrize("casts", [1, 2])
def test_of_few_casts_there_are_no_more_digits_than_they_have(casts):
    few = made_cells(Known(), given=GIVEN | {"seeds": list(range(casts))})
    numbers = worlds.numbers(few.study, few, None)
    table = numbers["worlds-told-cells"]
    assert table["shared"].notna().any()
    assert not table["apart_low"].notna().any()
    found = judged(few, numbers)["told-loss-0"]
    assert found.answer == UNTOLD
    assert f"({casts} cast{'s' * (casts > 1)}: too few for an interval)." in found.sentence


# --- what is shown ---


def test_verdicts_say_what_tells_them_apart_and_nothing_else_is_asked(made, numbers):
    found = judged(made, numbers)
    assert {name.split("-")[0] for name in found} == {"told"}
    assert "told-heldout-100" not in found, "held out at two rates"
    loss = found["told-loss-0"]
    assert loss.answer in (FAILS, UNTOLD), "at mismatch 1 it does not"
    assert "at 0 0." in loss.sentence
    assert "(clear)" in loss.sentence.partition("at 1 ")[0]
    assert "(clear)" not in loss.sentence.partition("at 1 ")[2]
    assert "95 % over 3 casts; 2 differences corrected for" in loss.sentence
    alike = GIVEN | {"worlds": {"mismatches": [0.0], "statistics": False}}
    near = made_cells(Known(), number=60, given=alike)
    near = judged(near, worlds.numbers(near.study, near, None))
    assert [near[f"told-{name}-0"].answer for name in ("loss", "partner", "heldout")] == [HOLDS] * 3
    nothing = made_cells(Known(), given=GIVEN, leave_out=lambda spec: True)
    nothing = judged(nothing, worlds.numbers(nothing.study, nothing, None))
    assert {of.answer for of in nothing.values()} == {UNTOLD}
    assert all(of.sentence.endswith("cannot be said yet: its runs are not done.") for of in nothing.values())


def test_what_is_said_counts_the_casts_that_both_worlds_have():
    def leave_out(spec):
        return spec.seed == 3 and any(name.startswith("disjoint") for name in spec.trained_on)

    some = made_cells(Known(), given=GIVEN | {"seeds": [0, 1, 2, 3]}, leave_out=leave_out)
    found = judged(some, worlds.numbers(some.study, some, None))["told-loss-0"]
    assert "95 % over 3 casts; 2 differences corrected for" in found.sentence
    assert {change.n for _, change in found.changes} == {3}


def test_where_there_is_nothing_to_tell_apart_there_is_no_verdict():
    swapped = made_cells(Known(), given=GIVEN | {"worlds": {"meanings": ["swapped"], "mismatches": [0.0]}})
    numbers = worlds.numbers(swapped.study, swapped, None)
    assert judged(swapped, numbers) == {}
    assert [name for name, _ in worlds.draw_figures(swapped.study, numbers, "paper")] == ["worlds"]


def test_the_table_has_a_row_an_indicator_rate_and_mismatch(made, numbers):
    (table,) = worlds.draw_tables(made.study, numbers)
    assert table.headers[3:6] == ["Shared", "Disjoint", "Swapped"]
    rows = [row for row in table.rows if row[1:3] == ["0 %", "0"]]
    assert len(rows) == len(worlds.INDICATORS)
    assert any(cell.endswith(" *") for row in rows for cell in row)
    assert tables.MISSING in [row[5] for row in table.rows], "no label is held out of a swapped world"
    names = [row[0] for row in table.rows]
    far = names.index(worlds.INDICATORS["far"])
    assert [row[1] for row in table.rows[far : far + 2]] == ["0 %", "0 %"], "at the lowest rate alone"


def test_it_is_on_the_page(made, numbers):
    (section,) = worlds.sections(made.study, numbers)
    assert [part for part, _ in section.parts] == ["picture", "table", "files", "files"]
    ((name, figure),) = worlds.draw_figures(made.study, numbers, "paper")
    assert name == "worlds"
    assert len(figure.axes) == 5 * 3
