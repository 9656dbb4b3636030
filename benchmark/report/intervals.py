"""How sure a cell is, and a difference between two: intervals from the units that a cell is an average of.

Units are the folds of the tested corpus where it has several (each its own speakers; seeds of a fold are one
unit, their mean), else the runs. An interval is Student's, of 95 %. The variance over folds is corrected as
Nadeau and Bengio (2003, "Inference for the generalization error") do, because networks of different folds
learnt from mostly the same clips. What units cannot show is added: where one network scored all folds,
another training would move them together. A single run shows nothing else, so it has a yardstick and no
interval; `Spread.of` says which of the two a reader looks at. More in `docs/reading-the-page.md`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
BY_CHANCE = 1 - LEVEL
"""Share of changes whose interval leaves out 0 where nothing changed."""
RUN_TO_RUN = 0.01
"""Deviation of the difference between two trainings of one condition: the paper shows three such pairs."""
FEW = 3
"""With fewer units an interval is too wide to tell a good network from guessing."""

FOLDS, RUNS, SINGLE, NONE = "folds", "runs", "single run", "nothing"
"""What varies: folds of the tested corpus, runs; of a single run a yardstick, no interval of confidence."""


@dataclass(frozen=True, eq=False)
class Tail:
    """What one run scored on one test over its tail."""

    seed: int
    fold: int  # that the run left out; 0 where there is none
    tested: tuple[int, ...]  # the folds that were scored
    scores: Mapping[str, np.ndarray]  # metric -> float64 [evaluations, folds]

    def curve(self, metric: str) -> np.ndarray:
        """The metric at each evaluation, averaged over folds; NaN where nothing was scored."""
        scores = self.scores[metric]
        return scores.mean(axis=1) if self.tested else np.full(len(scores), np.nan)


@dataclass(frozen=True)
class Spread:
    """A mean of `n` units and how far it may be off; NaN where nothing can be said."""

    mean: float = np.nan
    low: float = np.nan
    high: float = np.nan
    n: int = 0
    of: str = NONE  # what varies

    @property
    def known(self) -> bool:
        """Whether anything can be said: some run is done, and its numbers are numbers."""
        return not np.isnan(self.low)

    @property
    def clear(self) -> bool:
        """Whether 0 lies outside: of a difference, that it moved by more than its spread."""
        return bool(self.low > 0 or self.high < 0)


@dataclass(frozen=True, eq=False)
class Units:
    """What a cell is an average of.

    `values` are the metric's tail averages by (seed, fold), the run's fold where the corpus has one split.
    """

    values: Mapping[tuple[int, int], float]
    hidden: float  # variance of their mean that the units do not show, from training anew
    of: str  # as `Spread.of`

    @property
    def folds(self) -> dict[int, list[float]]:
        """The values of each fold, over seeds."""
        by_fold = defaultdict(list)
        for (_, fold), value in self.values.items():
            by_fold[fold].append(value)
        return by_fold

    @property
    def independent(self) -> list[float]:
        """A value for each fold, the mean over its seeds; where there is one fold, for each seed."""
        first, *others = self.folds.values()
        return [float(np.mean(of_fold)) for of_fold in (first, *others)] if others else first

    @property
    def mean(self) -> float:
        """NaN where there are none."""
        return float(np.mean(self.independent)) if self.values else np.nan

    @property
    def share(self) -> float:
        """What of the units' variance is the variance of their mean."""
        folds = len(self.folds)
        return 1 / folds + 1 / (folds - 1) if folds > 1 else 1 / len(self.values)

    def around(self) -> Spread:
        """Their mean and its interval; of a single run its yardstick."""
        if self.of == NONE:
            return Spread()
        if self.of == SINGLE:
            return _yardstick(self.mean, self.hidden)
        values = self.independent
        variance = float(np.var(values, ddof=1)) * self.share + self.hidden
        return _interval(self.mean, variance, len(values) - 1, len(values), self.of)


NO_UNITS = Units({}, 0.0, NONE)


def units(tails: Sequence[Tail], metric: str, by_fold: bool, learnt: bool) -> Units:
    """The units of one cell, from the tails of its runs that are done.

    `by_fold`: whether the tested corpus has several folds. `learnt`: whether the runs were trained on that
    corpus, and so each tested on another of its folds.
    """
    if not tails:
        return NO_UNITS
    values: dict[tuple[int, int], list[float]] = defaultdict(list)
    for tail in tails:
        for fold, scores in zip(tail.tested, tail.scores[metric].T.copy(), strict=True):
            values[tail.seed, fold if by_fold else tail.fold].append(float(np.mean(scores)))
    means = {unit: float(np.mean(of_unit)) for unit, of_unit in values.items()}
    several = len({fold for _, fold in means}) > 1
    kind = FOLDS if by_fold and several else RUNS if len(means) > 1 else SINGLE
    hidden = 0.0
    if kind == SINGLE or (by_fold and not learnt):
        variances = [max(tail.curve(metric).std() ** 2, RUN_TO_RUN**2 / 2) for tail in tails]
        hidden = sum(variances) / len(variances) ** 2
    return Units(means, hidden, kind)


def difference(cell: Units, other: Units) -> Spread:
    """`cell` minus `other`, with its interval.

    Unit by unit where both have the same kind of units and share at least two (of several folds, or neither
    has any); else by the pooled t-test, because one of the two is often a single run. Two single runs have a
    yardstick alone; of one fold and another nothing can be said.
    """
    if NONE in (cell.of, other.of):
        return Spread()
    hidden = cell.hidden + other.hidden
    shared = {unit: value - other.values[unit] for unit, value in cell.values.items() if unit in other.values}
    pairs = Units(shared, hidden, cell.of)
    alike = len({len(units.folds) > 1 for units in (cell, other, pairs)}) == 1
    if cell.of == other.of and alike and len(shared) > 1:
        return pairs.around()
    mean = cell.mean - other.mean
    if len(cell.folds) == len(other.folds) == 1 and cell.folds.keys() != other.folds.keys():
        return Spread(mean)  # other speakers: runs of one fold say nothing of those
    if cell.of == other.of == SINGLE:
        return _yardstick(mean, hidden)
    sides = {side: side.independent for side in (cell, other)}
    freedom = sum(len(values) - 1 for values in sides.values())
    variance = sum(len(values) * float(np.var(values)) for values in sides.values()) / freedom
    # Of the two, a run that stands alone is given the units' variance.
    hidden = sum(side.hidden for side in sides if side.of != SINGLE)
    number, of = max((len(values), side.of) for side, values in sides.items())
    return _interval(mean, variance * (cell.share + other.share) + hidden, freedom, number, of)


@dataclass(frozen=True)
class Learnt:
    """Whether a training shows, on test clips of a corpus that it learnt from, that it learnt anything."""

    recall: Spread  # its uACC there
    guessing: float  # the uACC of guesses, whatever they are: 1 / classes among the test clips
    shown: bool  # whether the recall is above guessing by more than chance gives

    def __str__(self) -> str:
        """In words: `uACC 0.27 [0.22, 0.32], 0.25 by guessing`."""
        low, high = np.clip((self.recall.low, self.recall.high), 0, 1)  # that of few folds may reach further
        return f"uACC {self.recall.mean:.2f} [{low:.2f}, {high:.2f}], {self.guessing:.2f} by guessing"


def learnt(units: Units, clips: Iterable[Mapping[str, int]]) -> Learnt | None:
    """Whether a training can be told from guessing on one of its own corpora; None: nothing is done.

    By the lower end of the interval of its uACC. Of fewer units than `FEW` that says nothing; then, and of a
    single run besides, by two deviations of what guessing gives on so many test clips (by label, of each fold
    that was tested).
    """
    recall = units.around()
    folds = [[n for n in of_fold.values() if n] for of_fold in clips if any(of_fold.values())]
    if not recall.known or not folds:
        return None
    guessing = float(np.mean([1 / len(of_fold) for of_fold in folds]))
    shown = recall.low > guessing
    if recall.n < FEW:
        # Of each class's recall, a share of its clips, and of their mean over the classes.
        one = [sum((1 - 1 / len(of)) / len(of) / n for n in of) / len(of) ** 2 for of in folds]
        # Runs on one split share their test clips, folds do not.
        variance = np.mean(one) / (len(folds) if recall.of == FOLDS else 1)
        enough = recall.mean > guessing + 2 * np.sqrt(variance)
        shown = bool(enough and (shown or recall.of != SINGLE))
    return Learnt(recall, guessing, shown)


def over(spreads: Iterable[tuple[int, str]]) -> str:
    """What intervals of so many units of a kind rest on: `5 folds or 6 to 10 runs`; empty of single runs."""
    numbers: dict[str, set[int]] = {FOLDS: set(), RUNS: set()}
    for number, of in spreads:
        numbers.get(of, set()).add(number)
    spans = {of: sorted({min(found), max(found)}) for of, found in numbers.items() if found}
    return " or ".join(f"{' to '.join(map(str, span))} {of}" for of, span in spans.items())


def _yardstick(mean: float, hidden: float) -> Spread:
    half = 2 * np.sqrt(hidden)
    return Spread(mean, mean - half, mean + half, 1, SINGLE)


def _interval(mean: float, variance: float, freedom: int, n: int, of: str) -> Spread:
    """Student's."""
    from scipy.special import stdtrit  # without the second that scipy.stats takes

    half = float(stdtrit(freedom, (1 + LEVEL) / 2)) * np.sqrt(variance)
    return Spread(mean, mean - half, mean + half, n, of)
