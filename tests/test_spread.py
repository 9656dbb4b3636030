"""Intervals of cells and differences: against scipy and by simulation of what they promise."""

import numpy as np
import pytest
from scipy import stats

from benchmark import exhibits, spread
from benchmark import study as studies
from benchmark.spread import FOLDS, NONE, RUNS, SINGLE, Units
from serkit.results import Store
from tests.made_results import made_result, put
from tests.test_exhibits import small


def made(values, seeds=1, hidden=0.0, of=FOLDS):
    """Units by seed and fold."""
    folds = len(values) // seeds
    return Units({divmod(i, folds): float(value) for i, value in enumerate(values)}, hidden, of)


def test_mean_and_interval_are_students_with_the_correction_for_folds():
    values = np.random.default_rng(0).normal(0.5, 0.1, 10)
    found = spread.interval(made(values))
    low, high = stats.t.interval(0.95, 9, values.mean(), stats.sem(values))
    wider = np.sqrt((1 / 10 + 1 / 9) / (1 / 10))
    assert found.mean == pytest.approx(values.mean())
    assert found.high - found.mean == pytest.approx((high - values.mean()) * wider)
    assert found.mean - found.low == pytest.approx((values.mean() - low) * wider)
    assert (found.n, found.of) == (10, FOLDS)


def test_without_folds_there_is_nothing_to_correct():
    values = [0.51, 0.52, 0.55, 0.50]
    found = spread.interval(made(values, seeds=4, of=RUNS))
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected)


def test_shared_units_are_compared_unit_by_unit():
    level = np.linspace(0.2, 0.8, 10)  # speakers differ widely, the change is the same for each
    change = np.random.default_rng(1).normal(0.03, 0.01, 10)
    found = spread.difference(made(level + change), made(level))
    by_hand = stats.ttest_1samp(change, 0)
    assert found.mean == pytest.approx(change.mean())
    assert found.clear == (by_hand.pvalue < 0.05)
    assert found.high - found.low < 0.1 < 2 * level.std()


def test_other_units_are_compared_by_the_pooled_test():
    ours, others = [0.6, 0.7, 0.65, 0.62], [0.5, 0.52, 0.55]
    found = spread.difference(made(ours, seeds=4, of=RUNS), made(others, seeds=3, of=FOLDS))
    low, high = stats.ttest_ind(ours, others).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_a_single_run_beside_several_borrows_their_variance():
    several = [0.5, 0.52, 0.55, 0.47]
    found = spread.difference(made([0.6], of=SINGLE), made(several, seeds=4, of=RUNS))
    low, high = stats.ttest_ind([0.6], several).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_two_single_runs_have_a_yardstick_that_says_so():
    def single(value, std):
        return made([value], of=SINGLE, hidden=std**2)

    found = spread.difference(single(0.53, 0.03), single(0.43, 0.04))
    assert (found.of, found.n) == (SINGLE, 1)
    assert (found.low, found.high) == pytest.approx((0.0, 0.2))
    assert spread.difference(single(0.53, 0.01), single(0.43, 0.01)).clear


def test_what_the_units_do_not_show_widens_every_interval():
    values = np.array([0.5, 0.52, 0.55, 0.47, 0.5])
    plain, wider = (spread.interval(made(values, hidden=hidden)) for hidden in (0.0, 0.02**2))
    t = stats.t.ppf(0.975, 4)
    assert (wider.high - wider.mean) ** 2 == pytest.approx((plain.high - plain.mean) ** 2 + (t * 0.02) ** 2)
    change = spread.difference(made(values + 0.03, hidden=0.02**2), made(values, hidden=0.01**2))
    assert change.high - change.mean == pytest.approx(t * np.hypot(0.02, 0.01))


def test_intervals_hold_the_truth_of_correlated_folds():
    """Folds that share a part of their noise, as networks that learnt from the same clips do."""
    random = np.random.default_rng(2)
    k, holds = 10, 0
    for _ in range(400):
        shared = random.normal(0, 0.03)  # rho = 0.1 = the share of clips that a fold leaves out
        units = 0.5 + shared + random.normal(0, 0.09, k)
        found = spread.interval(made(units))
        holds += found.low <= 0.5 <= found.high
    assert 0.92 <= holds / 400 <= 0.985  # the plain interval holds it in 83 %


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "small")


def answers(study, store, values, train=("one", "two"), rate=0):
    put(store, *(made_result(spec, values(spec)) for spec in study.runs(train, rate)))
    return exhibits.answers(study, store).results


def test_units_are_the_tested_corpus_folds(store):
    study = small()
    found = answers(study, store, lambda spec: lambda test, fold, number: 0.1 * fold + 0.3 * spec.seed)
    of_two = spread.units(study, found, ("one", "two"), "two", 0)
    assert of_two.of == FOLDS
    assert of_two.values == pytest.approx({(0, 0): 0, (0, 1): 0.1, (1, 0): 0.3, (1, 1): 0.4})
    cell = exhibits.cell(exhibits.answers(study, store), study, ("one", "two"), "two", 0)
    assert of_two.mean == pytest.approx(cell["wF1"])


def test_units_of_one_split_are_the_runs(store):
    study = small()
    found = answers(study, store, lambda spec: lambda test, fold, number: 0.1 * spec.fold + 0.5)
    of_one = spread.units(study, found, ("one", "two"), "one", 0)
    assert of_one.of == RUNS
    assert of_one.values == pytest.approx({(0, 0): 0.5, (0, 1): 0.6, (1, 0): 0.5, (1, 1): 0.6})


def test_a_corpus_not_trained_on_is_averaged_over_runs_for_each_of_its_folds(store):
    study = small()
    found = answers(
        study, store, lambda spec: lambda test, fold, number: 0.1 * fold + 0.2 * spec.seed, train=("one",)
    )
    of_two = spread.units(study, found, ("one",), "two", 0)
    assert of_two.values == pytest.approx({(0, 0): 0, (0, 1): 0.1, (1, 0): 0.2, (1, 1): 0.3})
    still = spread.RUN_TO_RUN**2 / 2  # the tail does not move in these results
    assert of_two.hidden == pytest.approx(still / 2), "two runs, each of which scored both folds"
    assert spread.units(study, found, ("one",), "one", 0).hidden == 0, "two runs are two units"


def test_no_run_no_spread(store):
    study = small()
    nothing = spread.units(study, exhibits.answers(study, store).results, ("one",), "two", 0)
    assert nothing.of == NONE
    assert np.isnan(spread.interval(nothing).mean)
    assert not spread.difference(nothing, made([0.1, 0.2])).clear


def test_cells_carry_the_intervals_of_their_units_and_of_their_change(store):
    study = small()
    random = np.random.default_rng(3)
    for spec in [case.spec for case in studies.plan(study)]:
        level = random.uniform(0.3, 0.6)
        put(store, made_result(spec, lambda test, fold, number, level=level: level + 0.05 * fold))
    found = exhibits.answers(study, store)
    cells = exhibits.cells(study, found)
    for row in cells[cells["exhibit"] == "figure2"].itertuples():
        train = {"ONE": ("one",), "ONE+TWO": ("one", "two")}[row.train]
        test = row.test.lower()
        ours = spread.units(study, found.results, train, test, row.augment_percent)
        around = spread.interval(ours)
        assert (row.wF1_low, row.wF1_high, row.units) == (around.low, around.high, around.n)
        moved = spread.difference(ours, spread.units(study, found.results, (test,), test, 0))
        assert (row.wF1_change_low, row.wF1_change_high) == pytest.approx((moved.low, moved.high))
        assert row.wF1_change_low <= row.wF1_change <= row.wF1_change_high
