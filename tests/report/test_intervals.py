"""Intervals of cells and differences: against scipy, and by simulation of what they promise."""

import numpy as np
import pytest
from scipy import stats

from benchmark.report import intervals
from benchmark.report.intervals import (
    ALONE,
    FOLDS,
    NONE,
    SPEAKERS,
    Part,
    Scores,
    Spread,
    Units,
    apart,
    difference,
)
from tests.report.made_worlds import fieller
from tools import statistics


def own(values, **more):
    """Units of which each has networks of its own."""
    return Units(dict(enumerate(map(float, values))), **more)


def all_by(scores, **more):
    """Units of networks that scored all of them."""
    scores = np.asarray(scores, dtype=float)
    return Units(dict(enumerate(scores.mean(axis=0))), Scores(scores), **more)


def half(spread):
    return spread.high - spread.mean


def test_of_folds_that_were_trained_on_the_interval_is_students_with_the_correction_for_overlap():
    values = np.random.default_rng(0).normal(0.5, 0.1, 10)
    found = own(values).around()
    low, high = stats.t.interval(0.95, 9, values.mean(), stats.sem(values))
    wider = np.sqrt((1 / 10 + 1 / 9) / (1 / 10))
    assert found.mean == pytest.approx(values.mean())
    assert (found.high - found.mean, found.mean - found.low) == pytest.approx([(high - low) / 2 * wider] * 2)
    assert (found.n, found.of) == (10, FOLDS)


def test_a_change_is_compared_fold_by_fold():
    level = np.linspace(0.2, 0.8, 10)  # speakers differ widely, the change is the same for each
    change = np.random.default_rng(1).normal(0.03, 0.01, 10)
    found = difference(own(level + change), own(level))
    factor = np.sqrt((1 / 10 + 1 / 9) / (1 / 10))
    by_hand = stats.ttest_1samp(change, 0)
    assert found.mean == pytest.approx(change.mean())
    assert found.p == pytest.approx(2 * stats.t.sf(by_hand.statistic / factor, 9))
    assert found.clear == (found.p < 0.05)


def test_what_is_retraining_noise_is_not_corrected_for_overlap():
    change = np.random.default_rng(1).normal(0.03, 0.1, 5)
    nothing_else = difference(own(change, common=0.0), own(np.zeros(5), common=0.0))
    low, high = stats.ttest_1samp(change, 0).confidence_interval(0.95)
    assert (nothing_else.low, nothing_else.high) == pytest.approx((low, high))
    unknown = difference(own(change), own(np.zeros(5), common=0.0))
    assert half(unknown) == pytest.approx(half(nothing_else) * np.sqrt((1 / 5 + 1 / 4) / (1 / 5)))


def test_of_a_corpus_not_trained_on_folds_are_not_corrected_and_networks_are_counted():
    random = np.random.default_rng(2)
    folds, networks = random.normal(0, 0.1, 8), random.normal(0, 0.05, (6, 1))
    found = all_by(0.5 + folds + networks, varied=True).around()
    tests, training = stats.sem(folds), stats.sem(networks.ravel())
    assert found.parts == pytest.approx({"tests": tests, "training": training})
    freedom = (tests**2 + training**2) ** 2 / (tests**4 / 7 + training**4 / 5)
    assert half(found) == pytest.approx(stats.t.ppf(0.975, freedom) * np.hypot(tests, training))


def test_what_a_network_scores_on_one_fold_alone_is_counted_once():
    """Without a deviation of its own between networks, only the folds vary."""
    random = np.random.default_rng(3)
    seen = [
        Scores(random.normal(0.5, 0.1, (8, 5)) + random.normal(0, 0.1, 5)).by_training().variance
        for _ in range(400)
    ]
    plain = 0.1**2 / 5
    assert np.median(seen) < plain / 20, "the folds show it already"


def test_one_network_takes_its_deviation_from_what_the_study_knows():
    folds = np.array([0.5, 0.6, 0.55, 0.62, 0.4])
    nothing = all_by([folds]).around()
    assert (nothing.of, nothing.known, nothing.clear) == (ALONE, False, False)
    assert nothing.mean == pytest.approx(folds.mean())
    found = all_by([folds], retraining=Part(0.05**2, 20)).around()
    assert found.parts == pytest.approx({"tests": stats.sem(folds), "training": 0.05})
    four = all_by([folds] * 4, retraining=Part(0.05**2, 20)).around()
    assert four.parts["training"] == pytest.approx(0.025), "four networks that agree by luck"
    varied = all_by([folds] * 4, retraining=Part(0.05**2, 20), varied=True).around()
    assert varied.parts["training"] == 0, "they learnt from different clips, and show it"


def test_of_one_split_speakers_are_resampled_and_paired():
    random = np.random.default_rng(4)
    speakers = random.normal(0.5, 0.2, 30)
    weights = random.multinomial(30, np.full(30, 1 / 30), 4000) / 30
    known = Part(0.01**2, 30)

    def cell(values):
        return Units({0: values.mean()}, Scores((weights @ values)[None], 30), retraining=known)

    found = cell(speakers).around()
    assert found.parts["tests"] == pytest.approx(stats.sem(speakers), rel=0.05)
    assert (found.n, found.of) == (30, SPEAKERS)
    change = random.normal(0.05, 0.02, 30)
    moved = difference(cell(speakers + change), cell(speakers))
    assert moved.parts["tests"] == pytest.approx(stats.sem(change), rel=0.05)
    assert moved.parts["training"] == pytest.approx(0.01 * np.sqrt(2))


def test_without_a_second_training_a_change_has_no_interval():
    single = Units({0: 0.53}, Scores(np.full((1, 50), 0.53), 20))
    found = difference(single, Units({0: 0.43}, Scores(np.full((1, 50), 0.43), 20)))
    assert found.mean == pytest.approx(0.1)
    assert (found.known, found.clear, found.of) == (False, False, ALONE)


def test_folds_that_moved_all_alike_show_no_certainty():
    """Of two folds with eight clips each a tenth of nulls did, with p = 0, which no correction holds back."""
    found = difference(own([0.625, 0.5]), own([0.5, 0.375]))
    assert (found.mean, found.known, found.clear, found.of) == (0.125, False, False, ALONE)
    random = np.random.default_rng(0)
    pairs = random.binomial(8, 0.5, (1000, 2, 2)) / 8
    assert np.mean([difference(own(ours), own(theirs)).p < 0.05 / 28 for ours, theirs in pairs]) < 0.01


def test_one_fold_says_nothing_of_others():
    found = own([0.6]).around()
    assert (found.mean, found.known) == (0.6, False)
    apart = difference(own([0.6, 0.7]), Units({3: 0.2, 4: 0.3}))
    assert (apart.of, apart.known) == (NONE, False)
    assert not np.isnan(difference(own([0.6, 0.7]), Units({1: 0.2})).mean)


def test_a_corpus_trained_on_is_compared_with_one_that_was_not_trained_on_it():
    """Transfer against the baseline: folds are paired, and the networks of the transfer counted besides."""
    random = np.random.default_rng(5)
    base, scores = random.normal(0.6, 0.1, 5), random.normal(0.4, 0.05, (3, 5))
    found = difference(all_by(scores, varied=True), own(base))
    change = scores.mean(axis=0) - base
    assert found.mean == pytest.approx(change.mean())
    assert found.parts["tests"] == pytest.approx(np.std(change, ddof=1) * np.sqrt(1 / 5 + 1 / 4))
    assert found.parts["training"] > 0


def test_cuts_of_a_corpus_that_share_no_fold_are_compared_by_the_variance_of_both():
    random = np.random.default_rng(9)
    ours, theirs = random.normal(0.6, 0.05, 5), random.normal(0.5, 0.02, 8)
    found = apart(own(ours, common=0.0), all_by(theirs + np.zeros((3, 1))))
    assert found.mean == pytest.approx(ours.mean() - theirs.mean())
    by_welch = stats.ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    wider = found.high - found.low  # the folds of one are corrected for overlap
    assert wider > by_welch.high - by_welch.low
    assert not apart(own(ours), own([0.5])).known, "of one fold nothing is known"
    assert apart(own(ours), intervals.NO_UNITS).of == NONE


def test_two_folds_are_never_surer_than_their_own_deviation():
    found = all_by(np.array([[0.5, 0.52], [0.9, 0.92], [0.1, 0.12], [0.5, 0.5]]), varied=True).around()
    alone = stats.t.ppf(0.975, 1) * found.parts["tests"]
    assert half(found) >= alone


def test_no_run_no_spread():
    nothing = intervals.NO_UNITS.around()
    assert (nothing.of, nothing.known, nothing.clear) == (NONE, False, False)
    assert not difference(intervals.NO_UNITS, own([0.1, 0.2])).known


@pytest.mark.parametrize(("low", "high", "clear"), [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.1, False)])
def test_a_change_is_clear_where_its_interval_leaves_out_0(low, high, clear):
    assert Spread((low + high) / 2, low, high).clear == clear


def test_a_cell_compared_with_itself_moves_by_nothing():
    cell = own([0.5, 0.6, 0.7])
    found = difference(cell, cell)
    assert (found.mean, found.low, found.high, found.p, found.clear) == (0, 0, 0, 1, False)


def test_retraining_noise_is_pooled_over_what_was_trained_twice():
    random = np.random.default_rng(6)
    again = [Scores(level + random.normal(0, 0.04, (3, 1))) for level in random.uniform(0.2, 0.8, 200)]
    found = intervals.retraining([*again, Scores(np.array([[0.9]]))])
    assert found.freedom == 400
    assert found.variance == pytest.approx(0.04**2, rel=0.2)
    assert intervals.retraining([Scores(np.array([[0.9]]))]) is None


def test_two_seeds_that_agree_by_luck_are_not_held_for_sure():
    """A small study's two conditions on one split: what is taken off is not known well."""
    random, draws = np.random.default_rng(10), 600
    weights = random.multinomial(91, np.full(91, 1 / 91), 200)

    def clear():
        base = random.normal(0.5, 0.1, 91)
        scores, means = [], []
        for _ in range(2):
            level = base + random.normal(0, 0.03, 91) + random.normal(0, 0.03, (2, 1))
            right = random.binomial(9, np.clip(level, 0, 1))
            means.append(right.mean() / 9)
            scores.append(Scores(right @ weights.T / 91 / 9, 91))
        known = intervals.retraining(scores)
        cells = [Units({0: mean}, of, retraining=known) for mean, of in zip(means, scores, strict=True)]
        return difference(*cells).clear

    assert np.mean([clear() for _ in range(draws)]) < 0.09, "11 % where the rest was taken for known"


def test_holm_corrects_for_how_many_there_are():
    """The example of Holm's rule worked by hand, and its bounds."""
    assert intervals.holm([0.01, np.nan, 0.04, 0.03]) == pytest.approx(
        [0.03, np.nan, 0.06, 0.06], nan_ok=True
    )
    random = np.random.default_rng(7).uniform(0, 1, 20)
    found = intervals.holm(random)
    assert (found >= random).all()
    assert (found <= np.minimum(1, 20 * random)).all()
    assert (np.diff(found[np.argsort(random)]) >= 0).all(), "in the same order"
    assert found.min() == pytest.approx(min(1, 20 * random.min()))
    assert intervals.holm([]).size == 0


def test_a_family_has_a_clear_change_as_seldom_as_one_alone():
    random = np.random.default_rng(8)
    families = random.uniform(0, 1, (2000, 28))
    found = np.mean([intervals.holm(family).min() < 0.05 for family in families])
    assert 0.035 < found < 0.065
    assert np.mean(families.min(axis=1) < 0.05) > 0.7, "uncorrected"


# --- sums, shares and means of cells ---

OVERLAP = np.sqrt(1 / 5 + 1 / 4)
NOTHING = repr(Spread())  # its NaN is equal to none
"""Of the deviation between five folds that were trained on, that of their mean."""


def test_a_change_of_two_cells_is_a_contrast_either_way_round():
    random = np.random.default_rng(11)
    ours, theirs = own(random.normal(0.6, 0.1, 5)), own(random.normal(0.5, 0.1, 5))
    found, turned = intervals.contrast([ours], [theirs]), intervals.contrast([theirs], [ours])
    assert found == difference(ours, theirs)
    assert (turned.mean, turned.low, turned.high) == pytest.approx((-found.mean, -found.high, -found.low))
    assert turned.p == pytest.approx(found.p)


def test_a_contrast_of_four_cells_is_taken_unit_by_unit():
    """What augmentation changes under one labelling less what it does under another: four cells a fold."""
    cells = np.random.default_rng(12).normal(0.5, 0.1, (4, 5))
    one, two, three, four = map(own, cells)
    found = intervals.contrast([one, two], [three, four])
    of_fold = cells[0] + cells[1] - cells[2] - cells[3]
    error = of_fold.std(ddof=1) * OVERLAP
    assert found.mean == pytest.approx(of_fold.mean())
    assert half(found) == pytest.approx(stats.t.ppf(0.975, 4) * error)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(of_fold.mean()) / error, 4))
    short = own(cells[3][:3])
    fewer = intervals.contrast([one, two], [three, short])
    assert (fewer.n, fewer.mean) == (3, pytest.approx(of_fold[:3].mean())), "of the units that all have"
    assert repr(intervals.contrast([one, two], [three, intervals.NO_UNITS])) == NOTHING


def test_each_network_of_a_contrast_is_trained_anew_for_itself():
    folds = np.random.default_rng(13).normal(0.5, 0.1, (4, 1, 5))
    known = Part(0.05**2, 20)
    cells = [all_by(of, retraining=known) for of in folds]
    found = intervals.contrast(cells[:2], cells[2:])
    of_fold = (folds[0] + folds[1] - folds[2] - folds[3])[0]
    assert found.parts == pytest.approx({"tests": stats.sem(of_fold), "training": 0.05 * 2})
    once = intervals.contrast([all_by(of) for of in folds[:2]], [all_by(of) for of in folds[2:]])
    assert (once.known, once.of) == (False, ALONE)


def test_a_contrast_of_one_split_is_of_the_same_resampled_speakers():
    random = np.random.default_rng(14)
    speakers = random.normal(0.5, 0.2, (4, 30))
    weights = random.multinomial(30, np.full(30, 1 / 30), 4000) / 30
    cells = [
        Units({0: of.mean()}, Scores((weights @ of)[None], 30), retraining=Part(1e-8, 30)) for of in speakers
    ]
    found = intervals.contrast(cells[:2], cells[2:])
    of_speaker = speakers[0] + speakers[1] - speakers[2] - speakers[3]
    assert found.mean == pytest.approx(of_speaker.mean())
    assert found.parts["tests"] == pytest.approx(stats.sem(of_speaker), rel=0.05)
    assert (found.n, found.of) == (30, SPEAKERS)


@pytest.mark.filterwarnings("error")
def test_resamples_without_a_clip_of_a_label_say_nothing():
    random = np.random.default_rng(20)
    drawn = random.normal(0.5, 0.1, (2, 400))
    some = drawn.copy()
    some[:, ::4] = np.nan
    ours, without = (
        Units({0: of.mean()}, Scores(of, 20)) for of in (drawn[:, np.arange(400) % 4 > 0], drawn)
    )
    found = Units({0: without.mean}, Scores(some, 20)).around()
    assert found.parts == pytest.approx(ours.around().parts)
    for kept in (0, 1):
        few = drawn.copy()
        few[:, kept:] = np.nan
        nothing = Units({0: 0.5}, Scores(few, 20)).around()
        assert (nothing.known, nothing.of) == (False, ALONE)


@pytest.mark.parametrize("times", [0.0, 0.3, -2.0])
def test_a_scaled_cell_is_scaled_in_all_that_is_known_of_it(times):
    random = np.random.default_rng(15)
    for cell in (
        own(random.normal(0.5, 0.1, 5), common=0.4),
        all_by(random.normal(0.5, 0.1, (3, 5)), varied=True),
        all_by(random.normal(0.5, 0.1, (1, 5)), retraining=Part(0.02**2, 9, 0.01**2)),
    ):
        found, before = intervals.scaled(cell, times).around(), cell.around()
        assert found.mean == pytest.approx(times * before.mean)
        assert half(found) == pytest.approx(abs(times) * half(before))
        if times:
            assert found.p == pytest.approx(before.p)


def test_the_mean_of_cells_is_taken_unit_by_unit():
    scores = np.random.default_rng(16).normal(0.5, 0.1, (4, 5))
    found = intervals.average(list(map(own, scores)))
    assert list(found.values.values()) == pytest.approx(scores.mean(axis=0))
    assert half(found.around()) == pytest.approx(
        stats.t.ppf(0.975, 4) * scores.mean(axis=0).std(ddof=1) * OVERLAP
    )
    fewer = intervals.average([own(scores[0]), Units({3: 0.5, 1: 0.4})])
    assert fewer.values == pytest.approx({1: (scores[0][1] + 0.4) / 2, 3: (scores[0][3] + 0.5) / 2})
    for nothing in ([], [own(scores[0]), intervals.NO_UNITS]):
        assert repr(intervals.average(nothing).around()) == NOTHING


def test_the_mean_of_cells_has_the_mean_networks_on_the_units_that_all_have():
    scores = np.random.default_rng(17).normal(0.5, 0.1, (2, 3, 5))
    found = intervals.average([all_by(of, varied=True) for of in scores])
    assert found.networks.of == pytest.approx(scores.mean(axis=0))
    expected = all_by(scores.mean(axis=0), varied=True).around()
    assert (found.around().mean, half(found.around())) == pytest.approx((expected.mean, half(expected)))
    # A fold without a clip of a label has no recall of it: that cell lacks the unit.
    kept = [0, 2, 3, 4]
    lacking = Units(dict(zip(kept, scores[1][:, kept].mean(axis=0), strict=True)), Scores(scores[1][:, kept]))
    found = intervals.average([all_by(scores[0]), lacking])
    assert list(found.values) == kept
    assert found.networks.of == pytest.approx(scores.mean(axis=0)[:, kept])
    split = [Units({0: of.mean()}, Scores(of, 20)) for of in scores]
    assert intervals.average(split).networks.speakers == 20


def test_the_mean_of_single_networks_is_known_by_what_training_anew_gives_each():
    random = np.random.default_rng(18)

    def single(mean, retraining):
        return Units({0: mean}, Scores(random.normal(mean, 0.02, (1, 400)), 20), retraining=retraining)

    noise = [Part(0.03**2, 9), Part(0.05**2, 6)]
    near, far = (list(map(single, means, noise)) for means in ((0.5, 0.51), (0.3, 0.9)))
    unrelated, differ = (intervals.average(cells).retraining for cells in (near, far))
    parts = np.array([0.03**2, 0.05**2]) / 4
    freedom = parts.sum() ** 2 / (parts**2 / [9, 6]).sum()
    assert (unrelated.variance, unrelated.freedom) == pytest.approx((parts.sum(), freedom))
    assert (differ.variance, differ.freedom) == pytest.approx((0.6**2 / 2 / 2, 1)), "they differ by more"
    assert intervals.average(near).around().parts["training"] == pytest.approx(parts.sum() ** 0.5)
    together = intervals.average(near, own=False).retraining  # as if what one network made went all wrong
    assert (together.variance, together.freedom) == pytest.approx((0.04**2, 6))
    assert intervals.average([near[0], single(0.5, None)]).around().of == ALONE
    assert intervals.average(near[:1]).retraining == noise[0]


def share_of(ours, whole, **more):
    """A share of a mean, as an interval after Fieller asks for it."""
    left = lambda at: difference(own(ours, **more), intervals.scaled(own(whole, **more), at))  # noqa: E731
    of = intervals.ratio(left)
    return of.mean, of.low, of.high


@pytest.mark.parametrize("seed", range(6))
def test_a_share_has_fieller_s_interval(seed):
    random = np.random.default_rng(seed)
    whole = random.normal(0.5, 0.05, 6)
    ours = 0.4 * whole + random.normal(0, 0.04, 6)
    share, low, high = share_of(ours, whole)
    assert share == pytest.approx(ours.mean() / whole.mean())
    assert [low, high] == pytest.approx(fieller(ours, whole), abs=2e-3)
    _, low, high = share_of(ours, whole, common=0.0)
    assert [low, high] == pytest.approx(fieller(ours, whole, 1 / 6), abs=2e-3)


def test_of_a_whole_that_is_not_clearly_above_0_any_share_would_do():
    random = np.random.default_rng(18)
    ours, unclear = random.normal(0.5, 0.05, 5), np.array([0.4, -0.3, 0.2, -0.1, 0.1])
    share, low, high = share_of(ours, unclear)
    assert share == pytest.approx(ours.mean() / unclear.mean())
    assert np.isnan([low, high]).all()
    for whole in (-abs(unclear), unclear - unclear.mean(), unclear * np.nan):
        assert np.isnan(share_of(ours, whole)).all(), "there is nothing to have a share of"
    assert np.isnan(share_of([0.5], [0.6])).all(), "of one unit there is no interval"


def test_units_that_all_have_the_same_share_show_no_certainty():
    """Of few clips: by rounding, both ends of the search had one sign."""
    whole = np.array([0.1, 0.3, 0.7, 0.45, 0.2])
    for times in (1 / 3, 0.7, 1.0):
        share, low, high = share_of(times * whole, whole)
        assert share == pytest.approx(times)
        assert np.isnan([low, high]).all()


def test_a_share_covers_what_is_true_as_often_as_it_says():
    """Networks that were not trained on the tests have no overlap: 95 % of intervals."""
    random, covered = np.random.default_rng(19), []
    for _ in range(150):
        whole = random.normal(0.5, 0.1, 6)
        _, low, high = share_of(0.4 * whole + random.normal(0, 0.05, 6), whole, common=0.0)
        covered.append(low < 0.4 < high)
    assert 0.95 - 3 * np.sqrt(0.95 * 0.05 / 150) < np.mean(covered) <= 1


# --- simulations ---

ROWS = [
    row
    for row in statistics.rows()
    if row.deviation == 0.03 and ("5 folds" in row.tests or "split" in row.tests)
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.tests}, {row.trainings}")
def test_where_nothing_changed_few_changes_are_clear(row):
    """Rows of the table in docs/statistics.md with fewer draws: 3 to 7 %, give or take three deviations."""
    found = statistics.clear(row, 0.0, draws := 250)
    if row.tests == "one split" and row.trainings == "a single training":
        assert np.isnan(found), "nothing says what another training would give"
        return
    off = 3 * np.sqrt(0.05 * 0.95 / draws)
    assert found <= 0.07 + off
    # Where nothing says how much of the folds' variance is retraining noise, it is all taken for common.
    assert found >= 0.03 - off or row.trainings == "a single training"


def test_an_effect_is_seen_the_better_the_more_is_trained():
    power = [
        statistics.clear(row, statistics.EFFECT, 200)
        for row in ROWS
        if row.tests == "not trained on, 5 folds" and row.trainings in ("five folds", "five folds, two seeds")
    ]
    assert 0.3 < power[0] < power[1], "today's correction gave .48 at ten folds of a smaller deviation"


def test_resamples_without_a_clip_of_a_label_are_left_out():
    random = np.random.default_rng(0)
    drawn = random.normal(0.5, 0.1, (2, 400))
    some = drawn.copy()
    some[:, ::4] = np.nan
    known = Units({0: 0.5}, Scores(drawn[:, ~np.isnan(some).any(axis=0)], 20)).around()
    left = Units({0: 0.5}, Scores(some, 20)).around()
    assert (left.low, left.high) == pytest.approx((known.low, known.high))
    assert left.known
