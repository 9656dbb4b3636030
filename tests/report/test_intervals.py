"""Intervals of cells and differences: against scipy and by simulation of what they promise."""

import numpy as np
import pytest
from scipy import stats

from benchmark import study as studies
from benchmark.report import intervals
from benchmark.report.cells import Cells, answers
from benchmark.report.exhibits import changes
from benchmark.report.intervals import FOLDS, NONE, RUNS, SINGLE, Units
from tests.made_results import made_result, put
from tests.made_studies import small


def made(values, seeds=1, hidden=0.0, of=FOLDS):
    """Units by seed and fold."""
    folds = len(values) // seeds
    return Units({divmod(i, folds): float(value) for i, value in enumerate(values)}, hidden, of)


def test_mean_and_interval_are_students_with_the_correction_for_folds():
    values = np.random.default_rng(0).normal(0.5, 0.1, 10)
    found = made(values).around()
    low, high = stats.t.interval(0.95, 9, values.mean(), stats.sem(values))
    wider = np.sqrt((1 / 10 + 1 / 9) / (1 / 10))
    assert found.mean == pytest.approx(values.mean())
    assert found.high - found.mean == pytest.approx((high - values.mean()) * wider)
    assert found.mean - found.low == pytest.approx((values.mean() - low) * wider)
    assert (found.n, found.of) == (10, FOLDS)


def test_without_folds_there_is_nothing_to_correct():
    values = [0.51, 0.52, 0.55, 0.50]
    found = made(values, seeds=4, of=RUNS).around()
    expected = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert (found.low, found.high) == pytest.approx(expected)


def test_shared_units_are_compared_unit_by_unit():
    level = np.linspace(0.2, 0.8, 10)  # speakers differ widely, the change is the same for each
    change = np.random.default_rng(1).normal(0.03, 0.01, 10)
    found = intervals.difference(made(level + change), made(level))
    by_hand = stats.ttest_1samp(change, 0)
    assert found.mean == pytest.approx(change.mean())
    assert found.clear == (by_hand.pvalue < 0.05)
    assert found.high - found.low < 0.1 < 2 * level.std()


def test_other_units_are_compared_by_the_pooled_test():
    ours, others = [0.6, 0.7, 0.65, 0.62], [0.5, 0.52, 0.55]
    found = intervals.difference(made(ours, seeds=4, of=RUNS), made(others, seeds=3, of=FOLDS))
    low, high = stats.ttest_ind(ours, others).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_a_single_run_beside_several_borrows_their_variance():
    several = [0.5, 0.52, 0.55, 0.47]
    found = intervals.difference(made([0.6], of=SINGLE), made(several, seeds=4, of=RUNS))
    low, high = stats.ttest_ind([0.6], several).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((low, high))


def test_two_single_runs_have_a_yardstick_that_says_so():
    def single(value, std):
        return made([value], of=SINGLE, hidden=std**2)

    found = intervals.difference(single(0.53, 0.03), single(0.43, 0.04))
    assert (found.of, found.n) == (SINGLE, 1)
    assert (found.low, found.high) == pytest.approx((0.0, 0.2))
    assert intervals.difference(single(0.53, 0.01), single(0.43, 0.01)).clear


def test_what_the_units_do_not_show_widens_every_interval():
    values = np.array([0.5, 0.52, 0.55, 0.47, 0.5])
    plain, wider = (made(values, hidden=hidden).around() for hidden in (0.0, 0.02**2))
    t = stats.t.ppf(0.975, 4)
    assert (wider.high - wider.mean) ** 2 == pytest.approx((plain.high - plain.mean) ** 2 + (t * 0.02) ** 2)
    change = intervals.difference(made(values + 0.03, hidden=0.02**2), made(values, hidden=0.01**2))
    assert change.high - change.mean == pytest.approx(t * np.hypot(0.02, 0.01))


def test_intervals_hold_the_truth_of_correlated_folds():
    """Folds that share a part of their noise, as networks that learnt from the same clips do."""
    random = np.random.default_rng(2)
    k, holds = 10, 0
    for _ in range(400):
        shared = random.normal(0, 0.03)  # rho = 0.1 = the share of clips that a fold leaves out
        units = 0.5 + shared + random.normal(0, 0.09, k)
        found = made(units).around()
        holds += found.low <= 0.5 <= found.high
    assert 0.92 <= holds / 400 <= 0.985  # the plain interval holds it in 83 %


def cells_of(study, store):
    return Cells(study, answers(study, store).results)


def done(study, store, values, train=("one", "two"), rate=0):
    put(store, *(made_result(spec, values(spec)) for spec in study.runs(train, rate)))
    return cells_of(study, store)


def test_units_are_the_tested_corpus_folds(store):
    study = small()
    found = done(study, store, lambda spec: lambda test, fold, number: 0.1 * fold + 0.3 * spec.seed)
    of_two = found.units(("one", "two"), "two", 0)
    assert of_two.of == FOLDS
    assert of_two.values == pytest.approx({(0, 0): 0, (0, 1): 0.1, (1, 0): 0.3, (1, 1): 0.4})
    cell = found.row(("one", "two"), "two", 0)
    assert of_two.mean == pytest.approx(cell["wF1"])


def test_units_of_one_split_are_the_runs(store):
    study = small()
    found = done(study, store, lambda spec: lambda test, fold, number: 0.1 * spec.fold + 0.5)
    of_one = found.units(("one", "two"), "one", 0)
    assert of_one.of == RUNS
    assert of_one.values == pytest.approx({(0, 0): 0.5, (0, 1): 0.6, (1, 0): 0.5, (1, 1): 0.6})


def test_a_corpus_not_trained_on_is_averaged_over_runs_for_each_of_its_folds(store):
    study = small()
    found = done(
        study, store, lambda spec: lambda test, fold, number: 0.1 * fold + 0.2 * spec.seed, train=("one",)
    )
    of_two = found.units(("one",), "two", 0)
    assert of_two.values == pytest.approx({(0, 0): 0, (0, 1): 0.1, (1, 0): 0.2, (1, 1): 0.3})
    still = intervals.RUN_TO_RUN**2 / 2  # the tail does not move in these results
    assert of_two.hidden == pytest.approx(still / 2), "two runs, each of which scored both folds"
    assert found.units(("one",), "one", 0).hidden == 0, "two runs are two units"


def test_seeds_of_the_only_fold_that_is_done_are_runs_and_no_folds(store):
    study = small()
    put(store, *(made_result(run, lambda *_: 0.5) for run in study.runs(("two",), 0) if run.fold == 1))
    around = cells_of(study, store).units(("two",), "two", 0).around()
    assert (around.n, around.of) == (2, RUNS), "they say nothing of other speakers"


def test_seeds_of_the_only_shared_fold_are_no_pairs_of_folds():
    values = np.array([0.5, 0.8, 0.5, 0.8])
    ours = made(values + np.array([0.0, 0.1, 0.0, 0.1]), seeds=2)
    others = Units({(0, 1): 0.8, (1, 1): 0.81, (0, 2): 0.2, (1, 2): 0.2}, 0.0, FOLDS)
    apart = intervals.difference(ours, others)
    assert not apart.clear, "that one fold rose by 0.1 says nothing of others"
    assert apart.high - apart.low > 1


@pytest.mark.parametrize("of", [SINGLE, RUNS])
def test_runs_of_one_fold_and_of_another_are_not_compared(of):
    found = intervals.difference(made([0.6], of=of), Units({(0, 3): 0.2, (1, 3): 0.21}, 0.0, of))
    assert found.mean == pytest.approx(0.395)
    assert not found.known
    assert not found.clear


def test_no_run_no_spread(store):
    study = small()
    nothing = cells_of(study, store).units(("one",), "two", 0)
    assert nothing.of == NONE
    assert np.isnan(nothing.around().mean)
    assert not intervals.difference(nothing, made([0.1, 0.2])).clear


def test_cells_carry_the_intervals_of_their_units_and_of_their_change(store):
    study = small()
    random = np.random.default_rng(3)
    for spec in [case.spec for case in studies.plan(study)]:
        level = random.uniform(0.3, 0.6)
        put(store, made_result(spec, lambda test, fold, number, level=level: level + 0.05 * fold))
    found = cells_of(study, store)
    for row in changes.numbers(study, found, store)["cells"].query("exhibit == 'figure2'").itertuples():
        train = {"ONE": ("one",), "ONE+TWO": ("one", "two")}[row.train]
        test = row.test.lower()
        ours = found.units(train, test, row.augment_percent)
        around = ours.around()
        assert (row.wF1_low, row.wF1_high) == (max(0, around.low), min(1, around.high)), "of a share"
        assert row.units == around.n
        moved = intervals.difference(ours, found.units((test,), test, 0))
        assert (row.wF1_change_low, row.wF1_change_high) == pytest.approx((moved.low, moved.high))
        assert row.wF1_change_low <= row.wF1_change <= row.wF1_change_high


def test_seeds_of_a_fold_are_one_unit_for_they_share_its_speakers():
    random = np.random.default_rng(4)
    k, seeds, holds = 10, 3, 0
    for _ in range(400):
        folds = 0.5 + random.normal(0, 0.03) + random.normal(0, 0.09, k)
        found = made((folds + random.normal(0, 0.01, (seeds, k))).ravel(), seeds=seeds).around()
        holds += found.low <= 0.5 <= found.high
    assert found.n == k
    assert 0.92 <= holds / 400 <= 0.985  # 0.85 with a unit for each seed


@pytest.mark.parametrize(("low", "high", "clear"), [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.1, False)])
def test_a_change_is_clear_where_its_interval_leaves_out_0(low, high, clear):
    assert intervals.Spread((low + high) / 2, low, high, 3, RUNS).clear == clear


def test_what_units_do_not_show_counts_without_partners_too():
    ours, others = made([0.6, 0.7, 0.65], hidden=0.04**2), made([0.5, 0.52], seeds=2, of=RUNS, hidden=0.03**2)
    apart = intervals.difference(ours, others)
    plain = intervals.difference(made([0.6, 0.7, 0.65]), made([0.5, 0.52], seeds=2, of=RUNS))
    t = stats.t.ppf(0.975, 3)
    assert (apart.high - apart.mean) ** 2 - (plain.high - plain.mean) ** 2 == pytest.approx((t * 0.05) ** 2)
    assert (apart.n, apart.of) == (3, FOLDS), "of the side with more units"
    alone = intervals.difference(ours, made([0.5], of=SINGLE, hidden=0.03**2))
    bare = intervals.difference(made([0.6, 0.7, 0.65]), made([0.5], of=SINGLE))
    t = stats.t.ppf(0.975, 2)
    assert (alone.high - alone.mean) ** 2 - (bare.high - bare.mean) ** 2 == pytest.approx((t * 0.04) ** 2)


def moving(spec, by):
    """A result whose every test moves by so much over the tail."""
    return made_result(spec, lambda test, fold, number: 0.5 + (by if number % 2 else -by))


def test_what_another_training_would_give_is_taken_from_the_tail(store):
    study = small(seeds=[0])
    put(store, *(moving(spec, 0.03) for spec in study.runs(("one",), 0)))
    put(store, *(moving(spec, 0.03) for spec in study.runs(("two_scrambled",), 0)))
    found = cells_of(study, store)
    alone = found.units(("one",), "one", 0)
    assert alone.of == SINGLE
    assert alone.around().high == pytest.approx(0.5 + 2 * 0.03), "its own run, and all that it shows"
    assert found.units(("one",), "two", 0).hidden == pytest.approx(0.03**2)
    swapped = found.units(("two_scrambled",), "two", 0)
    assert swapped.hidden == 0, "its folds were left out, whatever the key of the labels"


def test_easy_folds_alone_do_not_look_like_a_change(store):
    study = small(seeds=[0], corpora=small_corpora(folds=6))
    for spec in study.runs(("two",), 0):
        put(store, made_result(spec, lambda test, fold, number: 0.2 + 0.1 * fold))
    for spec in study.runs(("one", "two"), 0)[4:]:
        put(store, made_result(spec, lambda test, fold, number: 0.2 + 0.1 * fold))
    cells = changes.numbers(study, cells_of(study, store), store)["cells"]
    (row,) = cells.query("train == 'ONE+TWO' and test == 'TWO' and augment_percent == 0").itertuples()
    assert row.wF1_change == pytest.approx(0.2)
    assert row.wF1_change_low == pytest.approx(0), "fold by fold nothing changed"
    assert row.wF1_change_high == pytest.approx(0.2)


def small_corpora(folds):
    corpora = small().corpora
    return {
        "one": {"reader": corpora[0].reader, "title": "ONE"},
        "two": {
            "reader": corpora[1].reader,
            "title": "TWO",
            "folds": folds,
            "scramble": dict(corpora[1].scramble),
        },
    }


@pytest.mark.parametrize(
    ("folds", "recalls", "shown"),
    [
        (6, [0.40, 0.44, 0.42, 0.39, 0.43, 0.41], True),
        (6, [0.40, 0.10, 0.35, 0.15, 0.38, 0.20], False),  # a mean of .26
        (2, [0.85, 0.95], True),  # whatever the interval of two may be
        (2, [0.33, 0.31], False),  # guesses on 24 clips a fold deviate by .06
        (1, [0.60], True),
        (1, [0.40], False),  # of 24 clips: within two deviations, .18
        (1, [0.25], False),  # one label for all
    ],
)
def test_a_baseline_has_learnt_where_it_is_above_guessing(store, folds, recalls, shown):
    corpora = {"two": {"reader": "made", "title": "TWO", "folds": folds}}
    asked = {"title": "One", "corpora": corpora, "table1": {"train": [["two"]]}}
    study = studies.from_toml(asked, "one")
    values = {"wACC": 0.9, "wF1": 0.9}
    for run in study.runs(("two",), 0):
        put(store, made_result(run, lambda test, fold, number: {"uACC": recalls[fold], **values}))
    found = cells_of(study, store).learnt(("two",), "two", 0)
    assert found.shown == shown
    assert found.guessing == 0.25
    assert found.recall.mean == pytest.approx(np.mean(recalls))


def test_guessing_knows_how_many_classes_there_are(store):
    study = small(seeds=[0])
    result = made_result(study.runs(("one",), 0)[0], lambda *_: 0.5)
    result["corpora"]["one"]["clips"]["test"] = {"angry": 200, "sad": 200, "happy": 0, "neutral": 0}
    put(store, result)
    found = cells_of(study, store).learnt(("one",), "one", 0)
    assert (found.guessing, found.shown) == (0.5, False)
    assert Cells(study, {}).learnt(("one",), "one", 0) is None


def test_a_recall_is_said_within_what_a_recall_can_be():
    wide = intervals.Learnt(intervals.Spread(0.31, -0.13, 1.2, 2, intervals.FOLDS), 0.25, False)
    assert str(wide) == "uACC 0.31 [0.00, 1.00], 0.25 by guessing"
