"""How many units it takes to see a change."""

from __future__ import annotations

import bisect

import numpy as np
from scipy import stats

from benchmark.report.intervals import CHANCE

POWER = 0.8
MOST_UNITS = 1_000_000


def needed(variance: float, effect: float, comparisons: int = 1) -> int | None:
    """How many units would see an effect in 8 of 10 studies, by a two-sided t test.

    Args:
        variance: of one unit; NaN where nothing tells it.
        effect: the true mean, of either sign.
        comparisons: of how many one may be clear by chance (after Bonferroni).

    Returns:
        2 or more; None where the variance is not known, there is no effect, or a million would not do.
    """
    if np.isnan(variance) or not abs(effect) > 0:  # NaN too
        return None
    if not variance:
        return 2

    def seen(n: int) -> bool:
        far = abs(effect) * (n / variance) ** 0.5
        clear = stats.t.isf(CHANCE / comparisons / 2, n - 1)
        return bool(stats.nct.sf(clear, n - 1, far) + stats.nct.cdf(-clear, n - 1, far) >= POWER)

    high = 2
    while not seen(high):
        high *= 2
        if high > MOST_UNITS:
            return None
    return bisect.bisect_left(range(high), True, lo=high // 2 + 1, key=seen)
