"""Table 1: values, the tuned row, deviations as the paper writes them."""

import itertools
import math

import pytest

from benchmark.study import How
from tests.made_results import made_result, put
from tests.made_studies import (
    by_id,
    cells_of,
    curves,
    drawn,
    flat,
    put_grid,
    small,
    the,
    tuned,
)


def test_metrics_are_not_mixed_up(store):
    runs = by_id(study := small(seeds=[0]))
    put(store, made_result(runs["one-aug0"], flat({"uACC": 0.1, "wACC": 0.2, "wF1": 0.3})))
    cell = the(cells_of(study, store), "table1", "ONE", "ONE")
    assert [cell["uACC"], cell["wACC"], cell["wF1"]] == pytest.approx([0.1, 0.2, 0.3])
    assert drawn(study, store)["table1"].rows[:2] == [
        ["ONE", "ours", "0.10", "0.20", "0.30", "--"],
        ["", "constant", "0.25", "0.25", "0.25", ""],
    ]


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
    assert rows["table1"][2] == ["TWO", "ours", *["0.60 [1/2]"] * 3, "--"]
    assert rows["figure2"] == [
        ["0 %", "-0.10 [baseline 1/2]", "+0.00", "-0.20 [1/2] [baseline 1/2]", "-0.10 [1/2]"],
        ["50 %", "--", "--", "--", "--"],
    ]


def test_the_tuned_row_has_the_interval_of_the_chosen_point(store):
    study = tuned()
    cell = the(cells_of(study, store), "table1", "TWO (tuned)", "TWO")
    assert (cell["units"], cell["spread_of"]) == (0, "nothing")
    put_grid(store, study, dict.fromkeys(itertools.product((0.001, 0.01), (16, 128)), (0.5, 0.5)))
    of_chosen = study.exhibits["tuning"].recipes(study)[2]
    for run, wf1 in zip(study.runs(("two",), 0, How(study.model, of_chosen)), (0.60, 0.61), strict=True):
        put(store, made_result(run, flat(wf1)))
    cell = the(cells_of(study, store), "table1", "TWO (tuned)", "TWO")
    assert cell["units"] == 2
    t = 12.7062  # of one degree of freedom
    half = t * math.sqrt(0.01**2 / 2 * (1 / 2 + 1))
    assert (cell["wF1_low"], cell["wF1_high"]) == pytest.approx((0.605 - half, 0.605 + half), abs=1e-4)
    assert cell["wF1_change"] == pytest.approx(0.105)
    changes = cell["wF1_change_low"], cell["wF1_change_high"]
    assert changes == pytest.approx((0.105 - half, 0.105 + half), abs=1e-4)


@pytest.mark.parametrize(
    ("std", "written"), [(0.004, "4e-3"), (0.0044, "4e-3"), (0.0096, "1e-2"), (0.05, "5e-2"), (0.0, "0")]
)
def test_deviations_are_written_as_in_the_paper(store, std, written):
    runs = by_id(study := small(seeds=[0], paper=True))
    put(store, made_result(runs["one-aug0"], curves(fold0=[0.5 - std, 0.5 + std])))
    row = drawn(study, store)["table1"].rows[2]
    assert (row[1], row[4]) == ("ours, over the tail", f"0.50 ({written})")


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_one_evaluation_has_no_deviation(store, seeds):
    study = small(seeds=seeds, paper=True, recipe={"tail": 0.1})
    put(store, *(made_result(run, flat(0.3)) for run in study.runs(("one",), 0)))
    cell = the(cells_of(study, store), "table1", "ONE", "ONE")
    assert math.isnan(cell["wF1_std"])
    assert drawn(study, store)["table1"].rows[2][4] == "0.30"
