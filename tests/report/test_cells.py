"""Results in, cells out: averages over folds, tail and seeds, worked by hand."""

import math

import pytest

from benchmark.report import cells
from benchmark.report.write import assemble
from serkit.results import Store
from serkit.specs import METHOD
from tests.made_results import made_result, put
from tests.made_studies import (
    by_id,
    cells_of,
    curves,
    flat,
    small,
    the,
    tuned,
)


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


def test_a_cell_says_what_its_interval_is_made_of_and_what_a_constant_has(store):
    study = small()
    for run in study.runs(("one",), 0):
        put(store, made_result(run, lambda test, fold, *_, run=run: 0.3 + 0.1 * fold + 0.02 * run.seed))
    cell = the(cells_of(study, store), "figure2", "ONE", "TWO")
    assert (cell["units"], cell["spread_of"]) == (2, "folds")
    assert cell["wF1_tests_std"] == pytest.approx(0.1 / 2)
    assert cell["wF1_training_std"] == pytest.approx(0.02 / 2)
    assert (cell["wF1_constant"], cell["uACC_constant"]) == (0.25, 0.25)
    assert cell["wF1_low"] < 0.25 < cell["wF1"]
    assert not cell["above"], "by its interval"
    alone = the(cells_of(study, store), "table1", "ONE", "ONE")
    assert math.isnan(alone["wF1_low"])
    assert alone["above"], "by its mean, for want of an interval"


def test_a_test_only_corpus_is_averaged_over_all_its_folds(store):
    runs = by_id(study := small(seeds=[0]))

    def values(test, fold, number):
        return 0.5 if test == "one" else {0: 0.2, 1: 0.4}[fold]

    put(store, made_result(runs["one-aug0"], values))
    cell = the(cells_of(study, store), "figure2", "ONE", "TWO")
    assert cell["wF1"] == pytest.approx(0.3)
    assert cell["runs_expected"] == 1
    assert math.isnan(cell["wF1_seed_std"])  # one seed says nothing about seeds


@pytest.mark.usefixtures("numbers_only")
def test_the_newest_result_wins_and_mixed_copies_are_said(store):
    runs = by_id(study := small(seeds=[0]))
    one, two = runs["one-aug0"], runs["two-aug0-fold00"]
    put(
        store,
        made_result(one, flat(0.7), copy="b", finished="2026-03-01T00:00:00+00:00"),
        made_result(one, flat(0.2), copy="a", finished="2026-02-01T00:00:00+00:00"),
    )
    found = cells.answers(study, store)
    assert the(cells_of(study, store), "table1", "ONE", "ONE")["wF1"] == 0.7
    assert list(found.results) == [one]
    assert found.mixed == ()  # the older one answers nothing

    put(store, made_result(two, flat(0.6), copy="a", finished="2026-02-01T00:00:00+00:00"))
    assert cells.answers(study, store).mixed == ("one", "two")
    text, _ = assemble(study, store)
    assert "Caution: results of different copies of ONE, TWO are mixed here." in text


@pytest.mark.usefixtures("numbers_only")
def test_results_by_another_method_are_left_out_and_said(store):
    run = by_id(study := small(seeds=[0]))["one-aug0"]
    result = made_result(run, flat(0.2))
    result["spec"]["method"] = METHOD + 1
    put(store, result)
    assert cells.answers(study, store).results == {}
    text, _ = assemble(study, store)
    assert f"Caution: 1 result by method {METHOD + 1} left out: this serkit's is {METHOD}, and" in text


@pytest.mark.usefixtures("numbers_only")
def test_a_run_thrown_off_counts_as_missing_and_is_named(store):
    runs = by_id(study := small(seeds=[0, 1]))
    good, off = made_result(runs["one-aug0"], flat(0.7)), made_result(runs["one-aug0-seed1"], flat(0.2))
    for at in off["history"]:
        at["loss"] = 1.4e18
    put(store, good, off)
    cell = the(cells_of(study, store), "table1", "ONE", "ONE")
    assert (cell["wF1"], cell["runs"], cell["runs_expected"]) == (0.7, 1, 2)
    assert list(cells.answers(study, store).left_out) == [runs["one-aug0-seed1"]]
    text, _ = assemble(study, store)
    assert "1 finished run left out as missing, for a loss far above that of guessing (0.56): " in text
    assert "one-aug0-seed1. Lower recipe.learning_rate." in text


def test_results_of_other_questions_answer_nothing(store):
    """Another recipe, another rate: the same label, another key."""
    put(store, made_result(by_id(small(recipe={"epochs": 29}))["one-aug0"], flat(0.5)))
    put(store, made_result(by_id(small(rates_percent=[20]))["one-aug20"], flat(0.5)))
    assert not cells.answers(small(), store).results


@pytest.mark.usefixtures("numbers_only")
def test_results_are_read_once(store, monkeypatch):
    put(store, made_result(by_id(study := tuned())["one-aug0"], flat(0.5)))
    reads = []
    read = Store.results
    monkeypatch.setattr(Store, "results", lambda self: reads.append(self) or read(self))
    assemble(study, store)
    assert reads == [store]
