"""The numbers of Figure 4: how the corpora sound, and how far they are apart before and after augmentation.

The paper shows distributions and leaves the rest to the eye. Here the distance between two corpora is a
number: Wasserstein's (in the estimate's own unit: how far the distributions are from each other on average)
and Kolmogorov-Smirnov's (the largest difference of the cumulative distributions, in [0, 1]; blind to how far,
sensitive to any difference).

Intervals are bootstrapped over speakers, not clips: the clips of a speaker share a voice, a microphone and a
day. In simulated corpora of the sizes of EmoDB and RAVDESS, intervals of 95 % over clips held the true
distance in about half of the cases, over speakers in 82 to 96 % of them (`tests/report/test_acoustics.py` has
such a simulation). Clips without a known speaker stand for themselves. The same resamples serve both
conditions, since both are measured on the same clips: a change is a paired one.

Distances are never below 0, so two samples of the same thing are some distance apart, and no interval reaches
0. What chance alone gives stands beside: the distance that is exceeded once in twenty times when the speakers
of both corpora are dealt to them anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from benchmark.report.cells import Answers
from benchmark.study import Study
from serkit.corpora.reading.corpus import UNKNOWN_SPEAKER
from serkit.results import Store

MEASURES = {
    "p808_mos": "MOS",
    "t60_s": "T60 (s)",
    "c50_db": "C50 (dB)",
}
"""What Figure 4 shows, by the column of estimates."""
CLOSER = {"ovrl_mos": "OVRL", "sig_mos": "SIG", "bak_mos": "BAK"}
"""What some of the clips are measured by as well: DNSMOS P.835's overall, signal and background quality."""
CONDITIONS = ("raw", "augmented")
REASONS = ("silent", "clipped", "short")
"""Why a clip has no estimate, or the last, none of its room."""

RESAMPLES = 1000
AT_ONCE = 50  # resamples: with 10,000 clips of each corpus some 20 MB
LEVEL = 0.95


def estimates(study: Study, found: Answers, store: Store) -> pd.DataFrame:
    """Every clip that was measured, a row a clip and condition.

    Returns:
        Columns: `corpus` (title), `condition`, and those of `estimates.parquet`. Empty without measurements.
    """
    tables = []
    if study.figure4:
        for condition, specs in zip(CONDITIONS, (study.figure4.raw, study.figure4.augmented), strict=True):
            for spec in specs:
                if spec in found.results:
                    table = store.table(found.results[spec]["key"], "estimates")
                    table.insert(0, "corpus", study.titles[spec.corpus.name])
                    table.insert(1, "condition", condition)
                    tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def cells(table: pd.DataFrame) -> pd.DataFrame:
    """What each corpus's estimates are, a row a corpus, condition and measure.

    Args:
        table: of `estimates`.

    Returns:
        Columns: `corpus`, `condition`, `measure`, `clips` (asked for), `estimated`, `silent`, `clipped`,
        `short` (the reasons why others are not), `median`, `p10`, `p90`, `mean`, `std`, and `eta_squared`:
        the share of the variance that the labels explain, in [0, 1]; what of the estimate is emotion.
    """
    rows = []
    for (corpus, condition), clips in table.groupby(["corpus", "condition"], sort=False):
        reasons = clips["reason"].value_counts()
        for measure in (*MEASURES, *CLOSER):
            values = clips[measure].dropna()
            rows.append(
                {
                    "corpus": corpus,
                    "condition": condition,
                    "measure": measure,
                    "clips": len(clips),
                    "estimated": len(values),
                    **{reason: int(reasons.get(reason, 0)) for reason in REASONS},
                    "median": values.median(),
                    "p10": values.quantile(0.1),
                    "p90": values.quantile(0.9),
                    "mean": values.mean(),
                    "std": values.std(),
                    "eta_squared": eta_squared(values, clips.loc[values.index, "label"]),
                }
            )
    return pd.DataFrame(rows)


def eta_squared(values: pd.Series, groups: pd.Series) -> float:
    """Share of the variance that lies between groups, in [0, 1]; NaN where there is none to share."""
    between = (values.groupby(groups).transform("mean") - values.mean()).pow(2).sum()
    total = (values - values.mean()).pow(2).sum()
    return float(between / total) if total > 0 else np.nan


def distances(table: pd.DataFrame, seed: int = 0, resamples: int = RESAMPLES) -> pd.DataFrame:
    """How far any two corpora are apart, a row a pair, measure and comparison.

    Args:
        table: of `estimates`.
        seed: of the resampling.
        resamples: how many.

    Returns:
        Columns: `corpus`, `other`, `measure`, `condition` and `other_condition` (of each; where one alone is
        augmented, a network that learnt from it is tested on the other as delivered), `wasserstein`, `ks`,
        each with `_low` and `_high`, the ends of the interval, and with `_chance`; for `wasserstein_closed`
        and `ks_closed` the interval too: the share of the distance between the raw corpora that is gone (1:
        all of it; below 0: they are further apart); NaN between the raw ones.
    """
    rows = []
    corpora = table["corpus"].unique() if not table.empty else ()
    for corpus, other in combinations(corpora, 2):
        random = np.random.Generator(np.random.Philox(key=seed))
        ours, others = (_Measured.of(table, name, resamples, random) for name in (corpus, other))
        for measure in MEASURES:
            raw = None
            for condition, other_condition in COMPARISONS:
                if condition not in ours.conditions or other_condition not in others.conditions:
                    continue
                apart = _apart(ours, condition, others, other_condition, measure)
                raw = apart if (condition, other_condition) == ("raw", "raw") else raw
                row = {"corpus": corpus, "other": other, "measure": measure}
                row |= {"condition": condition, "other_condition": other_condition}
                closed = np.full_like(apart, np.nan)
                if raw is not None and raw is not apart:
                    np.divide(raw - apart, raw, out=closed, where=raw > 0)
                for ending, values in {"": apart, "_closed": closed}.items():
                    for which, of_one in zip(("wasserstein", "ks"), values, strict=True):
                        row |= _interval(which + ending, of_one)
                chance = _chance(ours, condition, others, other_condition, measure, resamples, random)
                rows.append(row | {"wasserstein_chance": chance[0], "ks_chance": chance[1]})
    return pd.DataFrame(rows)


COMPARISONS = (("raw", "raw"), ("augmented", "augmented"), ("augmented", "raw"), ("raw", "augmented"))


@dataclass(frozen=True, eq=False)
class _Measured:
    """A corpus's estimates and how often each clip counts in each resample.

    Attributes:
        conditions: condition -> estimates of the clips that both have, in the same order.
        speaker: int64 [clips], number of each clip's speaker, from 0.
        counts: int64 [1 + resamples, clips]; the first is the corpus as it is.
    """

    conditions: Mapping[str, pd.DataFrame]
    speaker: np.ndarray
    counts: np.ndarray

    @classmethod
    def of(cls, table: pd.DataFrame, corpus: str, resamples: int, random: np.random.Generator) -> _Measured:
        here = table[table["corpus"] == corpus]
        conditions = {name: clips.set_index("path") for name, clips in here.groupby("condition", sort=False)}
        names = next(iter(conditions.values()))["speaker"]
        for clips in conditions.values():  # of another copy of the corpus there may be others
            names = names[names.index.isin(clips.index)]
        speaker, known = pd.factorize(names.where(names != UNKNOWN_SPEAKER, names.index.to_series()))
        drawn = random.multinomial(len(known), np.full(len(known), 1 / len(known)), size=resamples)
        counts = np.concatenate([np.ones((1, len(known)), dtype=np.int64), drawn])[:, speaker]
        ordered = {str(name): clips.loc[names.index] for name, clips in conditions.items()}
        return cls(ordered, speaker, counts)

    def there(self, condition: str, measure: str) -> tuple[np.ndarray, np.ndarray]:
        """The estimates that there are, and which clips have them."""
        values = self.conditions[condition][measure].to_numpy()
        there = ~np.isnan(values)
        return values[there], there


def _apart(
    ours: _Measured, condition: str, others: _Measured, other_condition: str, measure: str
) -> np.ndarray:
    """Both distances, for the corpora as they are and each resample, float64 [2, 1 + resamples]."""
    x, x_there = ours.there(condition, measure)
    y, y_there = others.there(other_condition, measure)
    return distance(x, y, ours.counts[:, x_there], others.counts[:, y_there])


def _chance(
    ours: _Measured,
    condition: str,
    others: _Measured,
    other_condition: str,
    measure: str,
    resamples: int,
    random: np.random.Generator,
) -> np.ndarray:
    """What both distances exceed once in twenty times if the corpora do not differ, float64 [2]."""
    x, x_there = ours.there(condition, measure)
    y, y_there = others.there(other_condition, measure)
    if not len(x) or not len(y):
        return np.full(2, np.nan)
    speakers = ours.speaker.max() + 1
    of_clip = np.concatenate([ours.speaker[x_there], speakers + others.speaker[y_there]])
    dealt = np.arange(speakers + others.speaker.max() + 1) < speakers
    ours_now = random.permuted(np.tile(dealt, (resamples, 1)), axis=1)[:, of_clip]
    both = np.concatenate([x, y])
    return np.nanquantile(distance(both, both, ours_now, ~ours_now), LEVEL, axis=1)


def distance(x: np.ndarray, y: np.ndarray, x_counts: np.ndarray, y_counts: np.ndarray) -> np.ndarray:
    """Wasserstein's and Kolmogorov-Smirnov's distance of weighted samples, for many weightings at once.

    As scipy.stats.wasserstein_distance and ks_2samp, which take one weighting at a time: both are read from
    the difference of the cumulative distributions.

    Args:
        x: float64 [clips].
        y: float64 [other clips].
        x_counts: how often each of `x` counts, [weightings, clips].
        y_counts: likewise [weightings, other clips].

    Returns:
        float64 [2, weightings]; NaN where nothing counts.
    """
    if not len(x) or not len(y):
        return np.full((2, len(x_counts)), np.nan)
    both = np.concatenate([x, y])
    order = np.argsort(both, kind="stable")
    steps = np.diff(both[order], append=np.inf)
    last = steps > 0  # of equal values; a cumulative distribution is read after all of them
    steps[-1] = 0.0
    found = []
    for first in range(0, len(x_counts), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        with np.errstate(invalid="ignore"):  # a resample without a single clip that has an estimate
            shares = [
                counts / counts.sum(axis=1, keepdims=True) for counts in (x_counts[some], y_counts[some])
            ]
        apart = np.abs(np.concatenate([shares[0], -shares[1]], axis=1)[:, order].cumsum(axis=1))
        found.append(np.stack([apart @ steps, apart[:, last].max(axis=1)]))
    return np.concatenate(found, axis=1)


def _interval(name: str, values: np.ndarray) -> dict[str, float]:
    """The estimate, which comes first, and the ends of the interval from its resamples."""
    if np.isnan(values[0]) or len(values) < 2:
        return {name: float(values[0]), f"{name}_low": np.nan, f"{name}_high": np.nan}
    low, high = np.nanquantile(values[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return {name: float(values[0]), f"{name}_low": float(low), f"{name}_high": float(high)}
