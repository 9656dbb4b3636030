"""How many units would see an effect: published tables, a simulation, what nothing tells."""

import numpy as np
import pytest
from scipy import stats

from benchmark.report import intervals
from benchmark.report.intervals import FOLDS, Spread, Units
from benchmark.report.power import needed


@pytest.mark.parametrize(("effect", "expected"), [(0.2, 199), (0.5, 34), (0.8, 15), (-0.5, 34)])
def test_as_many_as_published_tables_say(effect, expected):
    """One-sample t test, two-sided, 5 %, 80 % power: Cohen's small, medium and large effects."""
    assert needed(1.0, effect) == expected


@pytest.mark.parametrize(("effect", "comparisons"), [(0.5, 1), (1.0, 4), (0.7, 10)])
def test_as_many_as_a_simulation_needs(effect, comparisons):
    n = needed(1.0, effect, comparisons)
    random = np.random.default_rng(4)

    def power(n):
        drawn = random.normal(effect, 1.0, (40_000, n))
        return np.mean(stats.ttest_1samp(drawn, 0, axis=1).pvalue < 0.05 / comparisons)

    assert power(n) > 0.8 - 0.006
    assert power(n - 1) < 0.8 + 0.006


def test_what_is_needed_falls_with_the_effect_and_grows_with_noise_and_comparisons():
    counts = [needed(1.0, effect) for effect in (0.05, 0.1, 0.3, 1.0, 3.0, 100.0)]
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 2
    assert needed(4.0, 0.5) > needed(1.0, 0.5)
    assert needed(1.0, 0.5, 10) > needed(1.0, 0.5)


@pytest.mark.parametrize(("variance", "effect"), [(np.nan, 0.05), (1.0, 0.0), (1.0, np.nan), (1.0, 1e-5)])
def test_where_nothing_tells_how_many_there_is_no_number(variance, effect):
    assert needed(variance, effect) is None


def test_what_does_not_vary_is_seen_by_the_fewest():
    assert needed(0.0, 0.05) == 2


def test_the_variance_of_one_unit_is_of_all_that_varies():
    """Satterthwaite's freedom is not that of the units, so the width of an interval would say another."""
    parts = {"tests": 0.6 / 10**0.5, "training": 0.8 / 10**0.5}
    assert Spread(0.0, -9.0, 9.0, 1.0, 10, FOLDS, parts).of_one == pytest.approx(1.0)
    values = dict(enumerate([0.1, 0.2, 0.4]))
    paired = intervals.difference(Units(values, common=0.0), Units(dict.fromkeys(values, 0.0), common=0.0))
    assert paired.of_one == pytest.approx(np.var([*values.values()], ddof=1))
    for unknown in (Spread(), Spread(0.1, n=1, of=intervals.ALONE)):
        assert np.isnan(unknown.of_one)
