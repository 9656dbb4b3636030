"""How sure a cell is, and a difference between two: intervals from what a cell is an average of.

A cell is an average over units: the folds of the tested corpus where it has several (each its own speakers),
else the runs. An interval is Student's, of 95 %, on the mean of the units. Several seeds of a fold are one
unit, their mean: they share its speakers, and counted one by one they would promise too much. Two cells that
share their units are compared unit by unit; two that do not, by the pooled t-test, because one of the two is
often a single run.

Networks of different folds learnt from mostly the same clips, so the units vary less than trainings on new
speakers would. The variance is corrected as Nadeau and Bengio (2003, "Inference for the generalization
error") do: with k folds it is s^2 (1/k + 1/(k - 1)) in place of s^2/k.

What units cannot show is added: where all folds were scored by one network, another training would move them
together. That is taken to be as much as the cell moves over the tail, and at least what the paper's own two
trainings of one condition differ by. A single run shows nothing else: twice that deviation is its yardstick
and no interval of confidence. `Spread.of` says which of the two a reader looks at.
"""

from __future__ import annotations

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


@dataclass(frozen=True, eq=False)
class Tail:
    """What one run scored on one test over its tail.

    Attributes:
        seed: of the run.
        fold: that the run left out; 0 where there is none.
        tested: the folds that were scored.
        scores: metric -> float64 [evaluations, folds].
    """

    seed: int
    fold: int
    tested: tuple[int, ...]
    scores: Mapping[str, np.ndarray]

    def curve(self, metric: str) -> np.ndarray:
        """The metric at each evaluation, averaged over folds; NaN where nothing was scored."""
        scores = self.scores[metric]
        return scores.mean(axis=1) if self.tested else np.full(len(scores), np.nan)


@dataclass(frozen=True)
class Spread:
    """A mean and how far it may be off.

    Attributes:
        mean: of the units; NaN where there are none.
        low: lower end; NaN where nothing can be said.
        high: upper end; NaN where nothing can be said.
        n: units.
        of: what varies: `folds` of the tested corpus, `runs`, `single run` (a yardstick, no interval of
            confidence) or `nothing` (no run is done).
    """

    mean: float
    low: float
    high: float
    n: int
    of: str

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

    Attributes:
        values: the metric's tail averages by (seed, fold); of a corpus with one split, by (seed, run's fold).
        hidden: variance of their mean that the units do not show, from training anew.
        of: as `Spread.of`.
    """

    values: Mapping[tuple[int, int], float]
    hidden: float
    of: str

    @property
    def mean(self) -> float:
        """Of the units; NaN where there are none."""
        return float(np.mean(_independent(self.values))) if self.values else np.nan


NO_UNITS = Units({}, 0.0, NONE)


def units(tails: Sequence[Tail], metric: str, by_fold: bool, learnt: bool) -> Units:
    """The units of one cell.

    Args:
        tails: of its runs that are done.
        metric: `uACC`, `wACC` or `wF1`.
        by_fold: whether the tested corpus has several folds.
        learnt: whether the runs were trained on that corpus, and so each tested on another of its folds.
    """
    if not tails:
        return NO_UNITS
    values: dict[tuple[int, int], list[float]] = {}
    for tail in tails:
        for place, fold in enumerate(tail.tested):
            mean = float(np.mean(tail.scores[metric][:, place].copy()))
            values.setdefault((tail.seed, fold if by_fold else tail.fold), []).append(mean)
    means = {unit: float(np.mean(of_unit)) for unit, of_unit in values.items()}
    kind = FOLDS if by_fold and _folds(means) > 1 else RUNS if len(means) > 1 else SINGLE
    hidden = 0.0
    if kind == SINGLE or (by_fold and not learnt):
        variances = [max(tail.curve(metric).std() ** 2, RUN_TO_RUN**2 / 2) for tail in tails]
        hidden = sum(variances) / len(variances) ** 2
    return Units(means, hidden, kind)


@dataclass(frozen=True)
class Learnt:
    """Whether a training shows, on the test clips of a corpus that it learnt from, that it learnt anything.

    Attributes:
        recall: its uACC there.
        guessing: the uACC of guesses, whatever they are: 1 / classes among the test clips.
        shown: whether the recall is above guessing by more than chance gives.
    """

    recall: Spread
    guessing: float
    shown: bool

    def __str__(self) -> str:
        """In words: `uACC 0.27 [0.22, 0.32], 0.25 by guessing`."""
        low, high = np.clip((self.recall.low, self.recall.high), 0, 1)  # that of few folds may reach further
        return f"uACC {self.recall.mean:.2f} [{low:.2f}, {high:.2f}], {self.guessing:.2f} by guessing"


def learnt(units: Units, clips: Iterable[Mapping[str, int]]) -> Learnt | None:
    """Whether a training can be told from guessing on one of its own corpora; None: nothing is done.

    By the lower end of the interval. Of fewer units than `FEW` that says nothing; then, and of a single run
    besides, by two deviations of what guessing gives on so many test clips.

    Args:
        units: of its uACC.
        clips: for each fold that was tested, test clips by label.
    """
    recall = interval(units)
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


def interval(cell: Units) -> Spread:
    """The mean of a cell and its interval; of a single run its yardstick."""
    if cell.of == NONE:
        return UNKNOWN
    if cell.of == SINGLE:
        return _around(cell.mean, 2 * np.sqrt(cell.hidden), 1, SINGLE)
    return _student(cell.values, cell.hidden, cell.of)


UNKNOWN = Spread(np.nan, np.nan, np.nan, 0, NONE)


def over(spreads: Iterable[tuple[int, str]]) -> str:
    """What intervals rest on, in words: `5 folds or 6 to 10 runs`; empty of single runs, which have none.

    Args:
        spreads: of each interval how many units and of what.
    """
    of_kind: dict[str, list[int]] = {FOLDS: [], RUNS: []}
    for number, of in spreads:
        of_kind.get(of, []).append(number)
    return " or ".join(
        f"{' to '.join(map(str, sorted({min(numbers), max(numbers)})))} {of}"
        for of, numbers in of_kind.items()
        if numbers
    )


def difference(cell: Units, other: Units) -> Spread:
    """`cell` minus `other`, with its interval.

    Unit by unit where both have the same kind of units and share at least two (of several folds, or neither
    has any); else from the units of each. Two single runs have a yardstick alone; of one fold and another
    nothing can be said.
    """
    if NONE in (cell.of, other.of):
        return UNKNOWN
    hidden = cell.hidden + other.hidden
    shared = {unit: value - other.values[unit] for unit, value in cell.values.items() if unit in other.values}
    alike = len({_folds(values) > 1 for values in (cell.values, other.values, shared)}) == 1
    if cell.of == other.of and alike and len(shared) > 1:
        return _student(shared, hidden, cell.of)
    mean = cell.mean - other.mean
    if _folds(cell.values) == _folds(other.values) == 1 < _folds({**cell.values, **other.values}):
        return Spread(mean, np.nan, np.nan, 0, NONE)  # other speakers: runs of one fold say nothing of those
    if cell.of == other.of == SINGLE:
        return _around(mean, 2 * np.sqrt(hidden), 1, SINGLE)
    sides = [_independent(cell.values), _independent(other.values)]
    freedom = sum(len(side) - 1 for side in sides)
    variance = sum(len(side) * float(np.var(side)) for side in sides) / freedom
    # Of the two, a run that stands alone is given the units' variance.
    hidden = sum(side.hidden for side in (cell, other) if side.of != SINGLE)
    error = np.sqrt(variance * (_share(cell.values) + _share(other.values)) + hidden)
    number, of = max((len(side), named.of) for side, named in zip(sides, (cell, other), strict=True))
    return _around(mean, _t(freedom) * error, number, of)


def _student(values: Mapping[tuple[int, int], float], hidden: float, of: str) -> Spread:
    numbers = _independent(values)
    error = np.sqrt(float(np.var(numbers, ddof=1)) * _share(values) + hidden)
    return _around(float(np.mean(numbers)), _t(len(numbers) - 1) * error, len(numbers), of)


def _share(values: Mapping[tuple[int, int], float]) -> float:
    """What of the units' variance is the variance of their mean."""
    folds = _folds(values)
    return 1 / folds + 1 / (folds - 1) if folds > 1 else 1 / len(values)


def _folds(values: Mapping[tuple[int, int], float]) -> int:
    return len({fold for _, fold in values})


def _independent(values: Mapping[tuple[int, int], float]) -> list[float]:
    """A value for each fold, the mean over its seeds; where there is one fold, for each seed."""
    if _folds(values) == 1:
        return list(values.values())
    by_fold: dict[int, list[float]] = {}
    for (_, fold), value in values.items():
        by_fold.setdefault(fold, []).append(value)
    return [float(np.mean(of_fold)) for of_fold in by_fold.values()]


def _t(freedom: int) -> float:
    from scipy.special import stdtrit  # Student's quantile, without the second that scipy.stats takes

    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def _around(mean: float, half: float, n: int, of: str) -> Spread:
    return Spread(mean, mean - half, mean + half, n, of)
