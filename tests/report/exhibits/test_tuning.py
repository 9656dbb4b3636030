"""The tuning grid: what is chosen, what is only shown, and what is said of it."""

import math

import pytest

from benchmark import study as studies
from benchmark.report.exhibits import tuning
from benchmark.report.write import assemble
from tests.made_results import made_result, put
from tests.made_studies import (
    OWN,
    SMALL,
    by_id,
    cells_of,
    curves,
    drawn,
    flat,
    numbers_of,
    put_grid,
    small,
    the,
    tuned,
)


def marked(study, store, mark):
    points = numbers_of(tuning, study, store)["tuning-cells"]
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
    points = numbers_of(tuning, study, store)["tuning-cells"]
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
    assert of["table1"].rows[2:] == [
        ["TWO (tuned)", "ours", *["0.70 [0.70, 0.70]"] * 3, ""],
        ["", "constant", *["0.25"] * 3, ""],
        ["TWO", "ours", *["0.40 [0.40, 0.40]"] * 3, "--"],
        ["", "constant", *["0.25"] * 3, ""],
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
    points = numbers_of(tuning, study, store)["tuning-cells"]
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
    # Runs of the grid: it may still move.
    assert of["table1"].rows[2][:3] == ["TWO (tuned)", "ours", "0.40 [0.40, 0.40] [5/8]"]


def test_the_choice_on_paired_folds_is_said_to_be_optimistic(paper, store):
    """As IEMOCAP's are, of which tests/corpora/test_iemocap.py holds it."""
    said = [line for line in drawn(paper, store)["tuning"].legend if "validate each other in pairs" in line]
    assert len(said) == 1
    assert not any("in pairs" in line for line in drawn(tuned(), store)["tuning"].legend)


def test_nothing_is_chosen_before_a_point_is_complete(store):
    study = tuned()
    put(store, made_result(by_id(study)["two-aug0-fold00-lr0.01-batch128"], flat(0.5)))
    assert marked(study, store, "chosen") == marked(study, store, "best_on_test") == []
    of = drawn(study, store)
    assert of["tuning"].rows[1] == ["0.01", "--", "0.500 / 0.500 [1/2]"]
    assert of["table1"].rows[2] == ["TWO (tuned)", "ours", "--", "--", "--", ""]


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
    assert of["table1"].rows[2] == ["TWO (tuned)", "ours", "--", "--", "--", ""]


@pytest.mark.usefixtures("numbers_only")
def test_a_study_that_tunes_nothing_shows_nothing_of_it(store):
    study = small()
    assert not numbers_of(tuning, study, store)
    assert "tuning" not in drawn(study, store)
    text, report = assemble(study, store)
    assert not list(store.folder.glob("tuning*"))
    assert "tuned" not in text
    assert not report.cells["train"].str.contains("tuned").any()
