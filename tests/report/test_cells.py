"""Exhibits and tables: hand-made results in, hand-worked cells out; the published numbers at their places."""

import csv
import dataclasses
import itertools
import math
import re

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from sklearn.metrics import f1_score

from benchmark import study as studies
from benchmark.report import cells as exhibits
from benchmark.report import choices as chosen_by
from benchmark.report import collect, escape
from benchmark.report.write import assemble
from serkit import corpora
from serkit.effects import EFFECTS, Augmentation
from serkit.labels import LABELS
from serkit.results import Store
from tests import corpus_trees
from tests.made_results import made_result, put

SMALL = {
    "title": "Two corpora",
    "rates_percent": [0, 50],
    "seeds": [0, 1],
    "model": {"width": 4, "weights": ""},
    "recipe": {"tail": 0.4},  # of five evaluations the last two
    "corpora": {
        "one": {"reader": "crema_d", "title": "ONE"},
        "two": {
            "reader": "made",
            "title": "TWO",
            "folds": 2,
            "scramble": {"neutral": "sad", "sad": "neutral", "happy": "angry", "angry": "happy"},
        },
    },
    "table1": {"train": [["one"], ["two"]]},
    "figure2": {"train": [["one"], ["one", "two"]], "test": ["two", "one"]},
    "figure3": {"train": [["two_scrambled"]], "test": ["two_scrambled", "two", "one"]},
}
IN_NO_TAIL = 0.99  # what evaluations before the tail say, which no cell may show


def small(**changes):
    return studies.from_toml({**SMALL, **changes}, "small")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "small")


def trainings(study):
    return [case for case in studies.plan(study) if "figure4" not in case.exhibits]


def by_id(study):
    return {case.id: case.spec for case in studies.plan(study)}


def flat(value):
    return lambda test, fold, number: value


def curves(**of_fold):
    """Values of the last two of five evaluations, by fold (`fold0=[...]`); `IN_NO_TAIL` before."""

    def values(test, fold, number):
        return IN_NO_TAIL if number < 3 else of_fold.get(f"fold{fold}", [0.0, 0.0])[number - 3]

    return values


def the(cells, exhibit, train, test, rate=0):
    chosen = cells[
        (cells["exhibit"] == exhibit)
        & (cells["train"] == train)
        & (cells["test"] == test)
        & (cells["augment_percent"] == rate)
    ]
    assert len(chosen) == 1
    return chosen.iloc[0]


def cells_of(study, store):
    return exhibits.cells(study, exhibits.answers(study, store))


def drawn(study, store):
    return {table.name: table for table in collect.read(study, store).tables}


# --- cells, worked by hand ---


def test_a_cell_averages_folds_then_the_tail_then_seeds(store):
    runs = by_id(study := small())
    put(
        store,
        made_result(runs["two-aug0-fold00"], curves(fold0=[0.5, 0.7])),
        made_result(runs["two-aug0-fold01"], curves(fold1=[0.6, 0.4])),  # mean over folds 0.55, 0.55
        made_result(runs["two-aug0-fold00-seed1"], curves(fold0=[0.6, 0.8])),
        made_result(runs["two-aug0-fold01-seed1"], curves(fold1=[0.6, 0.6])),  # 0.60, 0.70
    )
    cell = the(cells_of(study, store), "table1", "TWO", "TWO")
    assert cell["wF1"] == pytest.approx((0.55 + 0.65) / 2)
    assert cell["wF1_std"] == pytest.approx((0.0 + 0.05) / 2)  # of the average over folds, not of a fold
    assert cell["wF1_seed_std"] == pytest.approx(0.1 / math.sqrt(2))
    assert (cell["runs"], cell["runs_expected"]) == (4, 4)
    assert cell["wF1_change"] == 0


def test_a_test_only_corpus_is_averaged_over_all_its_folds(store):
    runs = by_id(study := small(seeds=[0]))

    def values(test, fold, number):
        return 0.5 if test == "one" else {0: 0.2, 1: 0.4}[fold]

    put(store, made_result(runs["one-aug0"], values))
    cell = the(cells_of(study, store), "figure2", "ONE", "TWO")
    assert cell["wF1"] == pytest.approx(0.3)
    assert cell["runs_expected"] == 1
    assert math.isnan(cell["wF1_seed_std"])  # one seed says nothing about seeds


def test_metrics_are_not_mixed_up(store):
    runs = by_id(study := small(seeds=[0]))
    put(store, made_result(runs["one-aug0"], flat({"uACC": 0.1, "wACC": 0.2, "wF1": 0.3})))
    cell = the(cells_of(study, store), "table1", "ONE", "ONE")
    assert [cell["uACC"], cell["wACC"], cell["wF1"]] == pytest.approx([0.1, 0.2, 0.3])
    assert drawn(study, store)["table1"].rows[0] == [
        *("ONE", "0.10 ± 0.01", "0.20 ± 0.01", "0.30 ± 0.01", "--")
    ]


def test_a_change_is_relative_to_the_test_corpus_at_0_percent(store):
    runs = by_id(study := small(seeds=[0]))
    wf1 = {
        ("one", 0, "one"): 0.50,
        ("one", 0, "two"): 0.35,
        ("one", 50, "one"): 0.56,
        ("one", 50, "two"): 0.30,
        ("two", 0, "two"): 0.70,
        ("two", 50, "two"): 0.60,
        ("two_scrambled", 0, "two_scrambled"): 0.65,
        ("two_scrambled", 0, "two"): 0.05,
        ("two_scrambled", 0, "one"): 0.10,
    }
    for spec in runs.values():
        train, rate = "+".join(spec.train), spec.augment_percent
        put(store, made_result(spec, lambda test, *_: wf1.get((train, rate, test), 0.01)))  # noqa: B023
    cells = cells_of(study, store)
    for exhibit, train, test, rate, change in [
        ("table1", "ONE", "ONE", 50, +0.06),
        ("table1", "TWO", "TWO", 50, -0.10),
        ("figure2", "ONE", "TWO", 0, -0.35),
        ("figure2", "ONE", "TWO", 50, -0.40),
        ("figure2", "ONE", "ONE", 0, 0.0),
        ("figure2", "ONE+TWO", "TWO", 0, -0.69),
        ("figure3", "TWO-SCRAMBLED", "TWO-SCRAMBLED", 0, -0.05),  # against the true key's baseline
        ("figure3", "TWO-SCRAMBLED", "TWO", 0, -0.65),
        ("figure3", "TWO-SCRAMBLED", "ONE", 0, -0.40),
    ]:
        assert the(cells, exhibit, train, test, rate)["wF1_change"] == pytest.approx(change)
    tables_of = drawn(study, store)
    assert tables_of["figure3"].headers == ["Augment", "A\nTWO-SCRAMBLED", "A\nTWO", "A\nONE"]
    assert tables_of["figure3"].rows[0] == ["0 %", "-0.05", "-0.65", "-0.40"]
    assert tables_of["figure3-wf1"].rows[0] == [
        "0 %",
        *(f"{at} [{at}, {at}]" for at in ("0.65", "0.05", "0.10")),
    ]
    assert tables_of["figure2"].headers == ["Augment", "A\nTWO", "A\nONE", "B\nTWO", "B\nONE"]
    assert tables_of["figure2"].rows[1] == ["50 %", "-0.40", "+0.06", "-0.69", "-0.49"]
    assert tables_of["figure2"].legend == (
        "Trained on A: ONE; B: ONE+TWO. Tested on the corpus below the letter.",
    )


def test_what_is_missing_or_partly_done_is_seen(store):
    runs = by_id(study := small(seeds=[0]))
    put(
        store,
        made_result(runs["two-aug0-fold01"], flat(0.6)),
        made_result(runs["one-aug0"], flat(0.5)),
        made_result(runs["one+two-aug0-fold00"], flat(0.4)),
    )
    cells = cells_of(study, store)
    partly = the(cells, "table1", "TWO", "TWO")
    assert (partly["wF1"], partly["runs"], partly["runs_expected"]) == (0.6, 1, 2)
    missing = the(cells, "figure2", "ONE+TWO", "ONE", 50)
    assert missing["runs"] == 0
    assert all(math.isnan(missing[column]) for column in ("uACC", "wACC", "wF1", "wF1_std", "wF1_change"))
    rows = {name: table.rows for name, table in drawn(study, store).items()}
    assert rows["table1"][1] == ["TWO", *["0.60 ± 0.01 [1/2]"] * 3, "--"]
    assert rows["figure2"] == [
        ["0 %", "-0.10 [baseline 1/2]", "+0.00", "-0.20 [1/2] [baseline 1/2]", "-0.10 [1/2]"],
        ["50 %", "--", "--", "--", "--"],
    ]


def test_a_change_without_its_baseline_is_missing(store):
    runs = by_id(study := small(seeds=[0]))
    put(store, made_result(runs["one-aug0"], flat(0.5)))
    cell = the(cells_of(study, store), "figure2", "ONE", "TWO")
    assert cell["wF1"] == 0.5
    assert math.isnan(cell["wF1_change"])
    assert drawn(study, store)["figure2"].rows[0] == ["0 %", "--", "+0.00", "--", "--"]


@pytest.mark.usefixtures("numbers_only")
def test_the_newest_result_wins_and_mixed_copies_are_said(store):
    runs = by_id(study := small(seeds=[0]))
    one, two = runs["one-aug0"], runs["two-aug0-fold00"]
    put(
        store,
        made_result(one, flat(0.7), copy="b", finished="2026-03-01T00:00:00+00:00"),
        made_result(one, flat(0.2), copy="a", finished="2026-02-01T00:00:00+00:00"),
    )
    found = exhibits.answers(study, store)
    assert the(cells_of(study, store), "table1", "ONE", "ONE")["wF1"] == 0.7
    assert list(found.results) == [one]
    assert found.mixed == ()  # the older one answers nothing

    put(store, made_result(two, flat(0.6), copy="a", finished="2026-02-01T00:00:00+00:00"))
    assert exhibits.answers(study, store).mixed == ("one", "two")
    text, _ = assemble(study, store)
    assert "Caution: results of different copies of ONE, TWO are mixed here." in text


@pytest.mark.usefixtures("numbers_only")
def test_a_run_thrown_off_counts_as_missing_and_is_named(store):
    runs = by_id(study := small(seeds=[0, 1]))
    good, off = made_result(runs["one-aug0"], flat(0.7)), made_result(runs["one-aug0-seed1"], flat(0.2))
    for at in off["history"]:
        at["loss"] = 1.4e18
    put(store, good, off)
    cell = the(cells_of(study, store), "table1", "ONE", "ONE")
    assert (cell["wF1"], cell["runs"], cell["runs_expected"]) == (0.7, 1, 2)
    assert list(exhibits.answers(study, store).left_out) == [runs["one-aug0-seed1"]]
    text, _ = assemble(study, store)
    assert "1 finished run left out as missing, for a loss far above that of guessing (0.56): " in text
    assert "one-aug0-seed1. Lower recipe.learning_rate." in text


def test_results_of_other_questions_answer_nothing(store):
    """Another recipe, another rate: the same label, another key."""
    put(store, made_result(by_id(small(recipe={"epochs": 29}))["one-aug0"], flat(0.5)))
    put(store, made_result(by_id(small(rates_percent=[20]))["one-aug20"], flat(0.5)))
    assert not exhibits.answers(small(), store).results


# --- the tuning grid ---

GRID = {"train": [["two"]], "learning_rates": [0.001, 0.01], "batch_sizes": [16, 128]}
OWN = 0.001, 128  # the study's own recipe is a point of it


def tuned(**changes):
    recipe = {**SMALL["recipe"], "learning_rate": 0.001}
    return small(**{"seeds": [0], "recipe": recipe, "tuning": GRID, **changes})


def put_grid(store, study, of_point, skip=()):
    """Stores every run of the grid but those whose id is in `skip`; point -> (validation, test), flat."""
    for case in studies.plan(study):
        if "tuning" in case.exhibits and case.id not in skip:
            recipe = case.spec.recipe
            validation, test = of_point[recipe.learning_rate, recipe.batch_size]
            put(store, made_result(case.spec, flat(test), flat(validation)))


def marked(study, store, mark):
    points = exhibits.grid(study, exhibits.answers(study, store))
    return list(points[points[mark]][["learning_rate", "batch_size"]].itertuples(index=False, name=None))


def test_a_point_averages_validation_and_test_as_table_1_does(store):
    study = tuned(seeds=[0, 1])
    runs = {case.id: case.spec for case in studies.plan(study)}
    own = "two-aug0-fold{}{}-lr0.01-batch16"

    def metrics(**values):
        of = curves(**values)
        return lambda *at: {"uACC": 0.1, "wACC": 0.2, "wF1": of(*at)}

    put(
        store,
        made_result(runs[own.format("00", "")], metrics(fold0=[0.5, 0.7]), curves(fold0=[0.3, 0.1])),
        made_result(runs[own.format("01", "")], metrics(fold1=[0.6, 0.4]), curves(fold1=[0.5, 0.9])),
        made_result(runs[own.format("00", "-seed1")], metrics(fold0=[0.6, 0.8]), curves(fold0=[0.2, 0.2])),
        made_result(runs[own.format("01", "-seed1")], metrics(fold1=[0.6, 0.6]), curves(fold1=[0.6, 0.6])),
    )
    points = exhibits.grid(study, exhibits.answers(study, store))
    assert list(points[["train", "learning_rate", "batch_size"]].itertuples(index=False, name=None)) == [
        *(("TWO", 0.001, 16), ("TWO", 0.001, 128), ("TWO", 0.01, 16), ("TWO", 0.01, 128))
    ]
    assert list(points["runs"]) == [0, 0, 4, 0]
    assert list(points["runs_expected"]) == [4] * 4
    point = points.iloc[2]
    assert (point["uACC"], point["wACC"]) == (pytest.approx(0.1), pytest.approx(0.2))
    assert point["wF1"] == pytest.approx((0.55 + 0.65) / 2)
    assert point["wF1_std"] == pytest.approx((0.0 + 0.05) / 2)
    assert point["wF1_seed_std"] == pytest.approx(0.1 / math.sqrt(2))
    assert point["validation_wF1"] == pytest.approx((0.45 + 0.4) / 2)  # folds 0.4, 0.5; seed 1 0.4, 0.4
    assert point["validation_wF1_std"] == pytest.approx((0.05 + 0.0) / 2)
    assert point["validation_wF1_seed_std"] == pytest.approx(0.05 / math.sqrt(2))
    assert points.drop(index=2)[["wF1", "wF1_std", "validation_wF1", "validation_uACC"]].isna().all(axis=None)
    assert (bool(point["chosen"]), bool(point["best_on_test"])) == (True, True)  # the only one that is done


def test_the_tuned_row_has_the_interval_of_the_chosen_point(store):
    study = tuned()
    cell = the(cells_of(study, store), "table1", "TWO (tuned)", "TWO")
    assert (cell["units"], cell["spread_of"]) == (0, "nothing")
    put_grid(store, study, dict.fromkeys(itertools.product((0.001, 0.01), (16, 128)), (0.5, 0.5)))
    of_chosen = study.grid()[2]
    for run, wf1 in zip(study.runs(("two",), 0, of_chosen), (0.60, 0.61), strict=True):
        put(store, made_result(run, flat(wf1)))
    cell = the(cells_of(study, store), "table1", "TWO (tuned)", "TWO")
    assert cell["units"] == 2
    t = 12.7062  # of one degree of freedom
    half = t * math.sqrt(0.01**2 / 2 * (1 / 2 + 1))
    assert (cell["wF1_low"], cell["wF1_high"]) == pytest.approx((0.605 - half, 0.605 + half), abs=1e-4)
    assert cell["wF1_change"] == pytest.approx(0.105)
    changes = cell["wF1_change_low"], cell["wF1_change_high"]
    assert changes == pytest.approx((0.105 - half, 0.105 + half), abs=1e-4)


def test_validation_chooses_and_the_best_test_is_only_shown(store):
    study = tuned()
    put_grid(
        store,
        study,
        {(0.001, 16): (0.5, 0.9), OWN: (0.6, 0.4), (0.01, 16): (0.8, 0.7), (0.01, 128): (0.7, 0.8)},
    )
    assert marked(study, store, "chosen") == [(0.01, 16)]
    assert marked(study, store, "best_on_test") == [(0.001, 16)]
    of = drawn(study, store)
    assert list(of)[:3] == ["matrix", "table1", "tuning"]
    assert of["tuning"].headers == ["Learning rate", "batch 16", "batch 128"]
    assert of["tuning"].rows == [
        ["0.001", "0.500 / 0.900 ^", "0.600 / 0.400"],
        ["0.01", "0.800 / 0.700 *", "0.700 / 0.800"],
    ]
    assert of["tuning"].legend[0] == (
        "Trained and tested on TWO. The study's own recipe is learning rate 0.001, batch 128."
    )
    assert "the row TWO (tuned) of Table 1" in of["tuning"].legend[1]
    assert "optimistic" in of["tuning"].legend[1]
    assert len(of["tuning"].legend) == 2  # nothing is missing
    # The tuned row stands above its corpus, at 0 % only, with the chosen point's numbers on the test clips.
    assert of["table1"].rows[1:] == [
        ["TWO (tuned)", *["0.70 [0.70, 0.70]"] * 3, ""],
        ["TWO", *["0.40 [0.40, 0.40]"] * 3, "--"],
    ]
    cell = the(cells_of(study, store), "table1", "TWO (tuned)", "TWO")
    assert (cell["runs"], cell["runs_expected"], cell["column"]) == (8, 8, "")
    assert cell["wF1_change"] == pytest.approx(0.3)
    assert (cell["baseline_runs"], cell["baseline_runs_expected"]) == (2, 2)


def test_one_point_may_be_best_on_both(store):
    study = tuned()
    others = dict.fromkeys([(0.001, 16), (0.01, 16), (0.01, 128)], (0.5, 0.5))
    put_grid(store, study, {**others, OWN: (0.75, 0.625)})
    assert drawn(study, store)["tuning"].rows[0] == ["0.001", "0.500 / 0.500", "0.750 / 0.625 *^"]


def test_of_equals_the_first_is_chosen(store):
    study = tuned()
    of_point = {(0.001, 16): (0.1, 0.1), OWN: (0.7, 0.3), (0.01, 16): (0.7, 0.6), (0.01, 128): (0.7, 0.6)}
    put_grid(store, study, of_point)
    assert marked(study, store, "chosen") == [OWN]
    assert marked(study, store, "best_on_test") == [(0.01, 16)]


def test_equal_is_equal_in_whatever_order_folds_are_added(store):
    """0.1 + 0.2 + 0.3 is not 0.3 + 0.2 + 0.1 to the last bit, which must not choose."""
    three = {**SMALL["corpora"], "two": {**SMALL["corpora"]["two"], "folds": 3}}
    study = tuned(corpora=three)
    for case in studies.plan(study):
        if "tuning" in case.exhibits:
            values = [0.3, 0.2, 0.1] if case.spec.recipe.learning_rate == 0.001 else [0.1, 0.2, 0.3]
            put(store, made_result(case.spec, flat(values[case.spec.fold])))
    points = exhibits.grid(study, exhibits.answers(study, store))
    assert points["validation_wF1"].nunique() == 2  # or this test tests nothing
    assert marked(study, store, "chosen") == marked(study, store, "best_on_test") == [(0.001, 16)]


def test_only_complete_points_are_marked_and_gaps_are_seen(store):
    study = tuned()
    of_point = {(0.001, 16): (0.9, 0.9), OWN: (0.6, 0.4), (0.01, 16): (0.8, 0.7), (0.01, 128): (0.5, 0.5)}
    skip = ["two-aug0-fold01-lr0.001-batch16", *(f"two-aug0-fold0{fold}-lr0.01-batch16" for fold in (0, 1))]
    put_grid(store, study, of_point, skip)
    assert marked(study, store, "chosen") == [OWN]
    assert marked(study, store, "best_on_test") == [(0.01, 128)]
    of = drawn(study, store)
    assert of["tuning"].rows == [
        ["0.001", "0.900 / 0.900 [1/2]", "0.600 / 0.400 *"],
        ["0.01", "--", "0.500 / 0.500 ^"],
    ]
    assert of["tuning"].legend[-1].startswith("2 of 4 points have all of their runs;")
    assert of["table1"].rows[1][:2] == [
        "TWO (tuned)",
        "0.40 [0.40, 0.40] [5/8]",
    ]  # runs of the grid: it may still move


def test_the_choice_on_paired_folds_is_said_to_be_optimistic(paper, store, tmp_path):
    """IEMOCAP's session partner validates: a pair of folds is one training set, and swaps its other parts."""
    said = [line for line in drawn(paper, store)["tuning"].legend if "validate each other in pairs" in line]
    assert len(said) == 1
    assert not any("in pairs" in line for line in drawn(tuned(), store)["tuning"].legend)
    corpus = corpora.load("iemocap", corpus_trees.iemocap(tmp_path / "IEMOCAP"), {})
    for fold, partner in ((0, 1), (1, 0), (8, 9)):
        assert list(corpus.part(fold, "train")) == list(corpus.part(partner, "train"))
        assert list(corpus.part(fold, "validation")) == list(corpus.part(partner, "test"))


def test_nothing_is_chosen_before_a_point_is_complete(store):
    study = tuned()
    put(store, made_result(by_id(study)["two-aug0-fold00-lr0.01-batch128"], flat(0.5)))
    assert marked(study, store, "chosen") == marked(study, store, "best_on_test") == []
    of = drawn(study, store)
    assert of["tuning"].rows[1] == ["0.01", "--", "0.500 / 0.500 [1/2]"]
    assert of["table1"].rows[1] == ["TWO (tuned)", "--", "--", "--", ""]


def test_without_validation_clips_nothing_is_chosen(store):
    study = tuned()
    for spec in by_id(study).values():
        result = made_result(spec, flat(0.5))
        for at in result["history"]:
            at["validation"] = {}
        put(store, result | {"validation": {}})
    assert marked(study, store, "chosen") == []
    of = drawn(study, store)
    assert of["tuning"].rows[0] == ["0.001", "-- / 0.500 ^", "-- / 0.500"]
    assert of["table1"].rows[1] == ["TWO (tuned)", "--", "--", "--", ""]


@pytest.mark.usefixtures("numbers_only")
def test_a_study_that_tunes_nothing_shows_nothing_of_it(store):
    study = small()
    assert exhibits.grid(study, exhibits.answers(study, store)).empty
    assert "tuning" not in drawn(study, store)
    text, cells = assemble(study, store)
    assert not list(store.folder.glob("tuning*"))
    assert "tuned" not in text
    assert not cells["train"].str.contains("tuned").any()


# --- beside the paper ---


def published():
    """Every published number of the exhibits, as in the files: place -> (column's letter, number)."""
    numbers = {}
    with (exhibits.PAPER / "table1.csv").open() as file:
        for row in csv.DictReader(file):
            if row["metric"] == "wF1":
                train = row["train_test"] + (" (tuned)" if row["condition"] == "tuned" else "")
                place = "table1", train, row["train_test"], int(row["augment_pct"])
                numbers[place] = "", float(row["value"])
    for name in ("figure2", "figure3"):
        with (exhibits.PAPER / f"{name}.csv").open() as file:
            for row in csv.DictReader(file):
                place = name, row["train"], row["test"], int(row["augment_pct"])
                numbers[place] = row["column"], float(row["wF1_change"])
    return numbers


@pytest.fixture(scope="module")
def paper():
    return studies.read("paper")


@pytest.fixture(scope="module")
def as_published(paper, tmp_path_factory):
    """A store with all 415 runs, whose wF1 are what the paper's numbers make them.

    Of the tuning grid one point is best on validation and has the paper's tuned wF1; another is best on
    test.
    """
    numbers = {place: number for place, (_, number) in published().items()}
    store = Store(tmp_path_factory.mktemp("results") / "paper")
    for case in trainings(paper):
        train, rate = paper.title_of(case.spec.train), case.spec.augment_percent
        if case.tuned:
            point = case.spec.recipe.learning_rate, case.spec.recipe.batch_size
            tests = {(0.000464, 64): flat(0.68), (0.00215, 16): flat(0.69)}
            validation = {(0.000464, 64): flat(0.7), (0.00215, 16): flat(0.66)}
            put(
                store,
                made_result(case.spec, tests.get(point, flat(0.5)), validation.get(point, flat(0.5)), 1),
            )
            continue

        def wf1(test, fold, number, train=train, rate=rate):
            title = paper.title_of(test)
            if train == title and ("table1", train, title, rate) in numbers:
                return numbers["table1", train, title, rate]
            change = numbers.get(
                ("figure2", train, title, rate), numbers.get(("figure3", train, title, rate))
            )
            if change is None:
                return 0.25  # nothing is published for it
            baseline = title.removesuffix("-SCRAMBLED")
            return numbers["table1", baseline, baseline, 0] + change

        put(store, made_result(case.spec, wf1, evaluations=1))
    return store


def test_every_published_number_stands_at_its_place(paper, store):
    cells = cells_of(paper, store)
    numbers = published()
    assert len(numbers) == 1 + 15 + 75 + 45
    for (exhibit, train, test, rate), (letter, number) in numbers.items():
        cell = the(cells, exhibit, train, test, rate)
        assert (cell["column"], cell["paper"]) == (letter, number)
    assert cells["paper"].notna().sum() == len(numbers)
    # Figure 3 is tested under the true labels too, which the paper does not show.
    assert len(cells) == 1 + 15 + 75 + 60
    assert set(cells[cells["paper"].isna()]["test"]) == {"IEMOCAP"}


def test_the_papers_own_results_differ_nowhere_but_where_it_contradicts_itself(paper, as_published):
    cells = cells_of(paper, as_published)
    assert (cells["runs"] == cells["runs_expected"]).all()
    beside = cells[cells["paper"].notna()]
    differs = beside[beside["difference"].abs() > 1e-9]
    places = differs[["exhibit", "column", "test", "augment_percent"]].itertuples(index=False, name=None)
    # Column A is one training in both figures, and they print it differently (its run-to-run noise).
    assert dict(zip(places, differs["difference"].round(9), strict=True)) == {
        ("figure3", "A", "CREMA-D", 70): -0.01,
        ("figure3", "A", "MSP-Podcast", 100): 0.01,
        ("figure3", "A", "CREMA-D", 100): 0.01,
    }
    assert beside["agrees"].all()
    assert exhibits.disagreements(cells) == []


def test_the_layout_is_the_papers(paper, as_published):
    of = drawn(paper, as_published)
    assert list(of)[1:] == ["table1", "tuning", "figure2", "figure2-wf1", "figure3", "figure3-wf1"]

    table1 = of["table1"]
    assert [row[0] for row in table1.rows if row[0]] == [
        *("IEMOCAP (tuned)", "IEMOCAP", "CREMA-D", "MSP-Podcast")
    ]
    assert table1.headers[2:] == [
        *("uACC\n0 %", "wACC\n0 %", "wF1\n0 %", "wF1\n20 %", "wF1\n50 %", "wF1\n70 %", "wF1\n100 %")
    ]
    assert table1.rows[:5] == [
        ["IEMOCAP (tuned)", "ours", *["0.68 [0.68, 0.68]"] * 3, "", "", "", ""],
        ["", "ours, over the tail", "0.68", "0.68", "0.68", "", "", "", ""],  # of one evaluation
        ["", "paper, as printed", "0.68 (5e-3)", "0.67 (5e-3)", "0.68 (6e-3)", "", "", "", ""],
        ["", "paper, uACC and wACC swapped", "0.67 (5e-3)", "0.68 (5e-3)", "0.68 (6e-3)", "", "", "", ""],
        ["", "ours - paper", "", "", "+0.000", "", "", "", ""],
    ]
    ours, over_the_tail, printed, swapped, difference = table1.rows[10:15]
    assert [row[1] for row in (ours, over_the_tail, printed, swapped, difference)] == [
        *("ours", "ours, over the tail", "paper, as printed", "paper, uACC and wACC swapped", "ours - paper")
    ]
    assert [cell.split()[0] for cell in ours[4:]] == ["0.79", "0.78", "0.78", "0.78", "0.76"]
    assert printed[2:] == [
        *("0.80 (4e-3)", "0.59 (2e-3)", "0.79 (3e-3)"),
        *("0.78 (1e-3)", "0.78 (1e-3)", "0.78 (1e-3)", "0.76 (1e-3)"),
    ]
    assert swapped[2:4] == ["0.59 (2e-3)", "0.80 (4e-3)"]
    assert swapped[4:] == printed[4:]
    assert difference[2:4] == ["", ""]
    assert [float(cell) for cell in difference[4:]] == [0] * 5

    tuning = of["tuning"]
    assert tuning.headers == ["Learning rate", *(f"batch {size}" for size in (16, 64, 128, 256))]
    assert [row[0] for row in tuning.rows] == ["0.0001", "0.000464", "0.00215", "0.01"]
    assert tuning.rows[0][3] == "0.630 / 0.630"  # Table 1's own runs
    assert (tuning.rows[1][2], tuning.rows[2][1]) == ("0.700 / 0.680 *", "0.660 / 0.690 ^")

    figure2 = of["figure2"]
    tests = ["IEMOCAP", "MSP-Podcast", "CREMA-D"]
    assert figure2.headers == ["Augment", *(f"{letter}\n{test}" for letter in "ABCDE" for test in tests)]
    rates = [f"{rate} %" for rate in (0, 20, 50, 70, 100)]
    assert [row[0] for row in figure2.rows] == [
        f"{rate} {word}" for rate in rates for word in ("ours", "paper", "ours - paper")
    ]
    assert figure2.rows[1][1:] == [
        *("-0.27", "+0.00", "-0.10", "+0.00", "-0.20", "-0.36", "-0.01", "+0.00", "-0.11"),
        *("-0.21", "+0.00", "-0.01", "-0.02", "+0.00", "-0.01"),
    ]
    for ours, printed, difference in _threes(figure2.rows):
        assert [float(cell) for cell in ours[1:]] == [float(cell) for cell in printed[1:]]
        assert [float(cell) for cell in difference[1:]] == [0] * 15

    figure3 = of["figure3"]
    tests = ["IEMOCAP-SCRAMBLED", "IEMOCAP", "MSP-Podcast", "CREMA-D"]
    assert figure3.headers == ["Augment", *(f"{letter}\n{test}" for letter in "ABC" for test in tests)]
    assert figure3.rows[1][1:] == [
        *("-0.40", "", "+0.00", "-0.10", "-0.04", "", "-0.29", "-0.35", "-0.02", "", "+0.01", "-0.12")
    ]
    assert figure3.legend[0].startswith(
        "Trained on A: MSP-Podcast; B: IEMOCAP-SCRAMBLED; C: MSP-Podcast+IEMOCAP-SCRAMBLED."
    )


def _threes(rows):
    return zip(rows[::3], rows[1::3], rows[2::3], strict=True)


@pytest.mark.parametrize(
    ("wf1", "said"),
    [
        (0.53, []),
        (0.55, []),
        (0.51, []),
        (0.5501, ["table1: MSP-Podcast on MSP-Podcast at 0 %: differs by +0.020 from the paper's 0.53"]),
        (0.40, ["table1: MSP-Podcast on MSP-Podcast at 0 %: differs by -0.130 from the paper's 0.53"]),
    ],
)
def test_agreement_is_within_two_hundredths(paper, store, wf1, said):
    put(store, made_result(by_id(paper)["msp-aug0"], flat(wf1)))
    cells = cells_of(paper, store)
    assert the(cells, "table1", "MSP-Podcast", "MSP-Podcast")["agrees"] == (not said)
    at_home = "MSP-Podcast on MSP-Podcast at 0 %"
    assert [line for line in exhibits.disagreements(cells) if at_home in line] == said


def test_disagreements_name_what_is_missing_too(paper, store):
    runs = by_id(paper)
    put(
        store, made_result(runs["msp-aug0"], flat(0.53)), made_result(runs["iemocap-aug20-fold03"], flat(0.6))
    )
    said = exhibits.disagreements(cells_of(paper, store))
    # Of 136 published cells three hold: MSP-Podcast on itself, in each exhibit.
    assert len(said) == len(set(said)) == 133
    assert "table1: CREMA-D on CREMA-D at 50 %: 0 of 1 runs done" in said
    assert "table1: IEMOCAP on IEMOCAP at 20 %: 1 of 10 runs done" in said
    assert "table1: IEMOCAP (tuned) on IEMOCAP at 0 %: 0 of 160 runs done" in said
    done_but = (
        "MSP-Podcast on IEMOCAP-SCRAMBLED at 0 %: nothing to compare, IEMOCAP-SCRAMBLED has no baseline"
    )
    assert any(done_but in line for line in said)


def test_the_tuned_row_is_held_against_the_papers(paper, store):
    of_point = dict.fromkeys(
        itertools.product(paper.tuning.learning_rates, paper.tuning.batch_sizes), (0.5, 0.67)
    )
    put_grid(store, paper, of_point | {(0.01, 256): (0.6, 0.61)})
    cell = the(cells := cells_of(paper, store), "table1", "IEMOCAP (tuned)", "IEMOCAP")
    assert (cell["paper"], cell["paper_std"]) == (0.68, 0.006)
    assert cell["difference"] == pytest.approx(-0.07)
    assert "table1: IEMOCAP (tuned) on IEMOCAP at 0 %: differs by -0.070 from the paper's 0.68" in (
        exhibits.disagreements(cells)
    )


# --- every training set on every corpus ---


def test_the_matrix_has_own_other_and_joint_cells_with_means_and_what_guessing_gives(store):
    study = small(seeds=[0])
    level = {("one", "one"): 0.8, ("one", "two"): 0.3, ("two", "one"): 0.4, ("two", "two"): 0.6}
    level |= {("one+two", "one"): 0.7, ("one+two", "two"): 0.5}
    for spec in by_id(study).values():
        wf1 = {test: at for (train, test), at in level.items() if train == "+".join(spec.train)}
        better = 0.1 * (spec.augment_percent > 0)
        result = made_result(spec, lambda test, *_: wf1.get(test, 0.9) + better)  # noqa: B023
        result["corpora"]["one"]["clips"]["test"] = {"angry": 3, "happy": 1, "neutral": 0, "sad": 0}
        put(store, result)
    (name, table), *_ = drawn(study, store).items()
    assert (name, table.headers) == ("matrix", ["Trained on", "ONE", "TWO", "mean, own", "mean, other"])
    assert table.title.endswith("at 0 % augmentation")
    assert table.rows == [
        ["ONE", "0.80 ± 0.01 own", "0.30 [0.21, 0.39]", "0.80", "0.30"],
        ["TWO", "0.40 [0.40, 0.40]", "0.60 [0.60, 0.60] own", "0.60", "0.40"],
        ["ONE+TWO", "0.70 [0.70, 0.70] own", "0.50 [0.50, 0.50] own", "0.60", ""],
        ["mean, not trained on", "0.40", "0.30", "", "0.35"],
        ["guesses", "0.53", "0.25", "", ""],
        ["one label, always", "0.64 angry", "0.10 angry", "", ""],
    ]
    assert table.legend[1] == (
        "In brackets the 95 % interval over 2 folds or 2 runs. After ± the yardstick of a single run, which"
        " has no interval: twice what it moves over the tail, or two trainings differ by."
    )
    cells = exhibits.matrix(study, exhibits.answers(study, store))
    assert len(cells) == 3 * 2 * 2, "at every rate"
    assert cells.query("augment_percent == 50")["wF1"].tolist() == pytest.approx(
        [0.9, 0.4, 0.5, 0.7, 0.8, 0.6]
    )


@pytest.mark.parametrize("counts", [[30, 30, 30, 30], [70, 10, 10, 10], [1, 0, 5, 0]])
def test_what_guessing_gives_is_what_guesses_get(store, counts):
    study = small(seeds=[0])
    result = made_result(study.runs(("one",), 0)[0], flat(0.5))
    result["corpora"]["one"]["clips"]["test"] = dict(zip(LABELS, counts, strict=True))
    put(store, result)
    row = exhibits.guesses(study, exhibits.answers(study, store)).set_index("test").loc["ONE"]
    truth = np.repeat(np.arange(4), np.array(counts) * 4000)
    there = np.flatnonzero(counts)
    guessed = np.random.default_rng(0).choice(there, len(truth))
    assert row["uniform"] == pytest.approx(f1_score(truth, guessed, average="weighted"), abs=0.01)
    always = {LABELS[at]: f1_score(truth, np.full(len(truth), at), average="weighted") for at in there}
    assert row["constant"] == pytest.approx(max(always.values()))
    assert always[row["label"]] == max(always.values())


def test_a_mean_of_some_cells_is_none(store):
    runs = by_id(study := small(seeds=[0]))
    put(store, made_result(runs["one-aug0"], flat(0.5)))
    rows = {row[0]: row[1:] for row in drawn(study, store)["matrix"].rows}
    assert rows["TWO"] == ["--", "--", "--", "--"]
    assert rows["mean, not trained on"] == ["--", "0.50", "", "--"]


# --- what is written ---


HOSTILE = (
    "=1-cmd|' /C calc'!A1 <script>alert(1)</script>",
    "@[x](http://x.example) *b* `c` $d$ \\input{e} _f_ 5 % & g",
)
"""Titles that are markup, a formula or a command to whoever does not take them for text."""


@pytest.mark.usefixtures("numbers_only")
def test_a_title_is_text_wherever_it_is_written(store):
    corpora = {
        name: of | {"title": title}
        for (name, of), title in zip(SMALL["corpora"].items(), HOSTILE, strict=True)
    }
    study = small(
        seeds=[0], title=f"# {HOSTILE[0]}", caution=f"- {HOSTILE[1]} \n # {HOSTILE[0]}", corpora=corpora
    )
    result = made_result(by_id(study)["one-aug0"], flat(0.5))
    result["corpora"]["one"]["notes"] = [f"| {HOSTILE[1]} \x1b]0;renamed\x07 |\n\n---"]
    put(store, result)
    text, _ = assemble(study, store)
    assert "\x1b" not in text
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for path in store.folder.glob("*.md"):
        tokens = [at for of in markdown.parse(path.read_text()) for at in (of, *(of.children or ()))]
        shown = "".join(at.content for at in tokens if at.type in ("text", "text_special"))
        assert all(title in shown for title in HOSTILE)
        for kind in ("html_inline", "html_block", "link_open", "em_open", "code_inline", "bullet_list_open"):
            assert kind not in {at.type for at in tokens}, path.name
        if path.name != "report.md":
            assert [at.type for at in tokens].count("heading_open") == 1
            cells = [at.type for at in tokens if at.type in ("tr_open", "th_open", "td_open")]
            assert len(cells) % cells.count("tr_open") == 0, "as many cells in each row"
    for path in store.folder.glob("*.csv"):
        for cell in itertools.chain(*csv.reader(path.open())):
            assert not cell.startswith(("=", "@")), path.name
            assert not cell.startswith(("+", "-")) or escape.NUMBER.fullmatch(cell) or cell == "--"
    for path in store.folder.glob("*.tex"):
        body = path.read_text()
        assert "\\input{" not in body
        assert not re.search(r"(?<!\\)[%#_$]", body)
        assert not re.search(r"^\s*[\[*]", body, re.MULTILINE)


@pytest.mark.usefixtures("numbers_only")
def test_assemble_writes_every_exhibit(paper, as_published):
    text, cells = assemble(paper, as_published)
    folder = as_published.folder
    written = {path.name for path in folder.iterdir() if path.is_file()}
    names = ["matrix", "table1", "tuning", "figure2", "figure2-wf1", "figure3", "figure3-wf1"]
    assert written == {
        "report.md",
        "matrix-cells.csv",
        "cells.csv",
        "tuning-cells.csv",
        *(f"{name}.{end}" for name in names for end in ("md", "csv", "tex")),
    }

    saved = pd.read_csv(folder / "cells.csv", keep_default_na=False, na_values=[""])
    assert len(saved) == len(cells) == 151
    assert saved["wF1"].tolist() == pytest.approx(cells["wF1"].tolist())

    points = pd.read_csv(folder / "tuning-cells.csv")
    assert len(points) == 16
    (chosen,) = points.query("chosen").to_dict("records")
    assert (chosen["learning_rate"], chosen["batch_size"]) == (0.000464, 64)
    assert chosen["wF1"] == pytest.approx(0.68)

    report = (folder / "report.md").read_text()
    for table in drawn(paper, as_published).values():
        assert f"## {table.title}" in report
        assert table.text("github") in report
        rows = list(csv.reader((folder / f"{table.name}.csv").open()))
        assert rows[1:] == table.rows
        assert [len(row) for row in rows] == [len(table.headers)] * len(rows)
        assert "\n" not in "".join(rows[0])
        _assert_latex((folder / f"{table.name}.tex").read_text(), len(table.headers), len(table.rows))
        if not table.name.endswith("-wf1"):
            assert table.title in text
    for line in (
        "415 of 415 runs, 0 of 4 measurements done, 1 seed(s), 4.15 hours in all.",  # 36 s each
        "Run on: A device, torch 2.0.",
        "136 of 136 cells are within 0.02 of the paper.",
    ):
        assert line in text
        assert line in report
    assert "mixed" not in text
    assert "random initialisation" not in text


def _assert_latex(text, columns, rows):
    """A tabular that compiles: balanced, as many cells a row as columns, special characters escaped."""
    begin, *body, end, last = text.split("\n")
    assert begin == rf"\begin{{tabular}}{{{'l' * columns}}}"
    assert (end, last) == (r"\end{tabular}", "")
    lines = [line for line in body if line.endswith(r"\\")]
    assert len(lines) == rows + 1
    assert {line for line in body if not line.endswith(r"\\")} == {r"\toprule", r"\midrule", r"\bottomrule"}
    for line in lines:
        assert len(re.findall(r"(?<!\\)&", line)) == columns - 1
        assert not re.search(r"(?<!\\)[%#_$]", line)
        assert line.count("{") == line.count("}")


@pytest.mark.usefixtures("numbers_only")
@pytest.mark.parametrize("name", studies.names())
def test_nothing_done_still_draws(name, tmp_path):
    study = studies.read(name)
    store = Store(tmp_path / "not" / "made" / "yet")
    text, cells = assemble(study, store)
    assert f"0 of {len(trainings(study))} runs, 0 of {2 * len(study.figure4.raw)} measurements done" in text
    assert cells["wF1"].isna().all()
    assert (cells["runs"] == 0).all()
    for table in drawn(study, store).values():
        assert any("--" in row for row in table.rows)
        assert {len(row) for row in table.rows} == {len(table.headers)}
        assert not any("nan" in cell.lower() for row in table.rows for cell in row)
    assert study.caution in text
    report = (store.folder / "report.md").read_text()
    for said in (text, report):
        initialised = (
            f"All networks are trained from random initialisation (width {study.model.width} of 64)."
        )
        assert (initialised in said) == (study.model.weights is None)
        assert "cells are within" not in said


@pytest.mark.parametrize("name", studies.names())
def test_every_open_point_of_the_paper_is_answered(name):
    study = studies.read(name)
    choices = chosen_by.choices(study)
    answered = [int(number) for point, _ in choices for number in re.findall(r"\d+", point)]
    assert set(answered) == set(range(1, 16))
    assert {number for number in answered if answered.count(number) > 1} <= {12}  # a line an effect
    assert len(dict(choices)) == len(choices)
    assert all(choice for _, choice in choices)
    said = " ".join(f"{point}: {choice}" for point, choice in choices)
    for word in (study.model.front_end, study.model.head, f"batch {study.recipe.batch_size}"):
        assert word in said
    for corpus in study.corpora:
        assert f"{study.titles[corpus.name]}: " in said
        assert corpora.reader(corpus.reader).TITLE in said


def test_choices_name_the_readers_defaults():
    corpora = dict(chosen_by.choices(studies.read("paper")))["2, 3, 9 corpora and labels"]
    for word in ("excited=happy", "labels=voice", "split=random", "10 folds"):
        assert word in corpora
    intended = {**SMALL["corpora"]["one"], "options": {"labels": "intended"}}
    corpora = dict(chosen_by.choices(small(corpora={**SMALL["corpora"], "one": intended})))
    assert "ONE: CREMA-D, labels=intended, split=random; TWO: made, " in corpora["2, 3, 9 corpora and labels"]


def test_choices_follow_the_study():
    changed = small(
        model={"width": 4, "weights": "", "front_end": "native-16k", "head": "relu-linear"},
        recipe={"tail": 0.25, "max_seconds": 4, "loudness_dbfs": -20, "learning_rate": 0.003, "epochs": 7},
    )
    said = dict(chosen_by.choices(changed))
    assert said["4 front end"] == "native-16k"
    assert said["weights"] == "from random initialisation"
    assert said["width"].startswith("4 channels")
    assert said["5 head and loss"].startswith("relu-linear;")
    assert "0.003" in said["6 optimiser"]
    assert "7 epochs" in said["6 optimiser"]
    assert said["7 tail"].startswith("last 25%")
    assert said["10 clip length"].startswith("at most 4 s")
    assert said["13 loudness"] == "-20 dBFS RMS"
    assert said["scrambling"] == "TWO: angry->happy, happy->angry, neutral->sad, sad->neutral"


def test_choices_print_the_augmentation():
    said = dict(chosen_by.choices(small()))
    assert said["11 augmentation"] == (
        "50 % of the training clips, drawn afresh each epoch; each of them gets, in this order: stretch,"
        " shift, fade, equalizer, reverb, noise, specaugment"
    )
    assert [point for point in said if point.startswith("12 ranges")] == [
        f"12 ranges of {effect}" for effect in EFFECTS
    ]
    assert said["12 ranges of stretch"] == "stretch_rate 0.9..1.2, stretch_method feature"
    assert said["12 effects that are off"] == "none"

    chosen = {"effects": ["specaugment", "shift"], "shift_share": [-0.25, 0], "time_masks": 3}
    said = dict(chosen_by.choices(small(augmentation=chosen)))
    assert said["11 augmentation"].endswith("in this order: shift, specaugment")
    assert said["12 ranges of shift"] == "shift_share -0.25..0"
    assert said["12 ranges of specaugment"].startswith("time_masks 3, time_mask_share ")
    assert said["12 effects that are off"] == "stretch, fade, equalizer, reverb, noise"
    assert [point for point in said if point.startswith("12 ranges")] == [
        *("12 ranges of shift", "12 ranges of specaugment")
    ]

    said = dict(chosen_by.choices(small(rates_percent=[0], augmentation=chosen)))
    assert said["11, 12 augmentation"] == "none, every run is at 0 %"
    assert not any("effects" in point for point in said)


def test_every_setting_of_the_augmentation_is_printed():
    said = " ".join(choice for _, choice in chosen_by.choices(small()))
    for field in dataclasses.fields(Augmentation):
        assert field.name == "effects" or f"{field.name} " in said


def test_choices_print_the_grid():
    assert dict(chosen_by.choices(small()))["14 tuning"] == "none"
    assert dict(chosen_by.choices(tuned()))["14 tuning"] == (
        "TWO: learning rates 0.001, 0.01 x batch sizes 16, 128, at 0 %; chosen on validation wF1"
    )


def test_columns_are_lettered_as_in_a_spreadsheet():
    numbers = [0, 1, 25, 26, 27, 51, 52, 701, 702]
    assert [exhibits.letters(number) for number in numbers] == [
        "A",
        "B",
        "Z",
        "AA",
        "AB",
        "AZ",
        "BA",
        "ZZ",
        "AAA",
    ]


def test_more_training_sets_than_letters(store):
    names = [f"c{number}" for number in range(28)]
    study = studies.from_toml(
        {
            "title": "Many corpora",
            "corpora": {
                name: {"reader": "crema_d", "options": {"split_seed": int(name[1:])}} for name in names
            },
            "figure2": {"train": [[name] for name in names], "test": ["c0"]},
        },
        "many",
    )
    assert cells_of(study, store)["column"].tolist()[24:] == ["Y", "Z", "AA", "AB"]
    assert (
        drawn(study, store)["figure2"]
        .legend[0]
        .endswith("Z: c25; AA: c26; AB: c27. Tested on the corpus below the letter.")
    )


@pytest.mark.usefixtures("numbers_only")
def test_results_are_read_once(store, monkeypatch):
    put(store, made_result(by_id(study := tuned())["one-aug0"], flat(0.5)))
    reads = []
    read = Store.files
    monkeypatch.setattr(Store, "files", lambda self: reads.append(self) or read(self))
    assemble(study, store)
    assert reads == [store]


@pytest.mark.usefixtures("numbers_only")
def test_notes_of_a_copy_are_shown_with_its_title(store):
    runs = by_id(study := small(seeds=[0]))
    result = made_result(runs["one-aug0"], flat(0.5))
    result["corpora"]["two"]["notes"] = ["every clip is exactly 2.00 s long"]
    put(store, result)
    text, _ = assemble(study, store)
    assert "TWO: every clip is exactly 2.00 s long" in text.splitlines()
    assert "trained from random initialisation (width 4 of 64)" in text


@pytest.mark.parametrize(
    ("std", "written"), [(0.004, "4e-3"), (0.0044, "4e-3"), (0.0096, "1e-2"), (0.05, "5e-2"), (0.0, "0")]
)
def test_deviations_are_written_as_in_the_paper(store, std, written):
    runs = by_id(study := small(seeds=[0], paper=True))
    put(store, made_result(runs["one-aug0"], curves(fold0=[0.5 - std, 0.5 + std])))
    row = drawn(study, store)["table1"].rows[1]
    assert (row[1], row[4]) == ("ours, over the tail", f"0.50 ({written})")


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_one_evaluation_has_no_deviation(store, seeds):
    study = small(seeds=seeds, paper=True, recipe={"tail": 0.1})
    put(store, *(made_result(run, flat(0.3)) for run in study.runs(("one",), 0)))
    cell = the(cells_of(study, store), "table1", "ONE", "ONE")
    assert math.isnan(cell["wF1_std"])
    assert drawn(study, store)["table1"].rows[1][4] == "0.30"
