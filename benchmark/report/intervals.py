"""How sure a cell is, and a difference between two: intervals made from what varies, each part by its name.

- *Tests*: other speakers would have been tested. Where a corpus has several folds, each has its own
  speakers, and the variance is that of the folds; where it has one split, that of a bootstrap over the
  speakers of its clips.
- *Training*: the same training once more gives another network. Where each fold has networks of its own (a
  corpus that was trained on), the folds show that already. Where the same networks scored all of a corpus,
  the variance between them is added; of one network it is taken from other seeds of the study or from its
  relabelling null, and where there is neither, there is no interval.

Networks of different folds learnt from mostly the same clips. For a corpus that was trained on, the variance
that is not retraining noise is corrected for that (Nadeau and Bengio, 2003, "Inference for the
generalization error"); for another it is not. Intervals are Student's, of 95 %, with Satterthwaite's degrees
of freedom. `docs/statistics.md` shows by simulation what they hold.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

LEVEL = 0.95
CHANCE = 1 - LEVEL
"""How often a family of changes has a clear one where nothing changed, and a single one likewise."""
ALIKE = 1e-12
"""Less is rounding: units do not differ."""
WIDEST = 20.0
"""A share of which nothing is known within so much is not known."""
FEW = 3
"""With fewer units an interval is too wide to tell a good network from guessing."""

FOLDS, SPEAKERS, ALONE, NONE = "folds", "speakers", "one training", "nothing"


@dataclass(frozen=True)
class Part:
    """A part of the variance of a mean, and the degrees of freedom by which it is known.

    Attributes:
        variance: of the mean.
        freedom: of all that was seen, which is the variance and what is taken off.
        off: taken off, since the tests show it. Of a few networks 0 may be left by luck.
    """

    variance: float
    freedom: float
    off: float = 0.0

    def times(self, share: float) -> Part:
        """Of a mean over several."""
        return Part(self.variance * share, self.freedom, self.off * share)


@dataclass(frozen=True)
class Spread:
    """A mean and how far it may be off; NaN where nothing can be said.

    Attributes:
        mean: of the units.
        low: lower end.
        high: upper end.
        p: two-sided, that the mean is 0.
        n: units.
        of: what they are: `folds` or `speakers` of the tested corpus; `one training`: nothing shows what
            another would give, so there is no interval; `nothing`: no run is done.
        parts: the deviation of the mean by what varies, `tests` and `training`.
    """

    mean: float = np.nan
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    n: int = 0
    of: str = NONE
    parts: Mapping[str, float] = field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return not np.isnan(self.low)

    def columns(self, name: str) -> dict[str, float]:
        """As tables of numbers have it."""
        return {name: self.mean, f"{name}_low": self.low, f"{name}_high": self.high}

    def times(self, share: float) -> Spread:
        """Of a share above 0 of what it is of."""
        ends = {name: share * getattr(self, name) for name in ("mean", "low", "high")}
        return replace(self, **ends, parts={name: share * part for name, part in self.parts.items()})

    @property
    def of_one(self) -> float:
        """The variance of one unit, with its share of all that varies; NaN where nothing tells it."""
        return self.n * sum(part**2 for part in self.parts.values()) if self.parts else np.nan

    @property
    def clear(self) -> bool:
        """Whether 0 lies outside: of a difference, that it moved by more than its spread."""
        return bool(self.low > 0 or self.high < 0)


@dataclass(frozen=True, eq=False)
class Scores:
    """What networks scored on one test, float64 [networks, columns].

    Attributes:
        of: by unit of the test; or, where it has one split, under resampled speakers; NaN under such as have
            no clip of a label that is asked for.
        speakers: how many are resampled; 0: the columns are units.
    """

    of: np.ndarray
    speakers: int = 0

    @property
    def _known(self) -> np.ndarray:
        return self.of[:, ~np.isnan(self.of).any(axis=0)]

    def by_tests(self) -> float:
        """Variance between the networks' means that is theirs on these clips alone: the tests show it."""
        of = self._known
        networks, columns = of.shape
        if networks < 2 or columns < 2:
            return 0.0
        means = of.mean(axis=1)
        apart = of - of.mean(axis=0) - (means - means.mean())[:, None]
        variance = float((apart**2).sum()) / (networks - 1) / (columns - 1)
        return variance if self.speakers else variance / columns

    def by_training(self) -> Part | None:
        """Variance of one network's mean by training anew; None of a single one."""
        freedom, known = len(self.of) - 1, self._known
        if not freedom or not known.size:
            return None
        seen = float(np.var(known.mean(axis=1), ddof=1))
        off = min(seen, self.by_tests())
        return Part(seen - off, freedom, off)


@dataclass(frozen=True, eq=False)
class Units:
    """What a cell is an average of.

    Attributes:
        values: the mean over networks for each unit of the test: the folds that one training leaves out, or
            the one split, as unit 0.
        networks: where the same networks scored everything; None where each unit has networks of its own.
        varied: whether the networks learnt from different clips (folds), not only from other seeds.
        retraining: variance of one network's score by training anew, as the study knows it; None: it does
            not.
        common: where each unit has networks of its own, the share of a change's variance between folds that
            is not retraining noise, which no two networks share; 1 where that is not known.
    """

    values: Mapping[int, float]
    networks: Scores | None = None
    varied: bool = False
    retraining: Part | None = None
    common: float = 1.0

    @property
    def mean(self) -> float:
        """NaN where there are none."""
        return float(np.mean(list(self.values.values()))) if self.values else np.nan

    def around(self) -> Spread:
        """The mean and its interval."""
        if not self.values:
            return Spread()
        mean, parts, n, of = _around(self.values, (self,), 1.0)
        return _spread(mean, parts, n, of) if parts else Spread(mean, n=n, of=ALONE)

    def trained(self) -> Part | None:
        """Variance of one network's score by training anew, as far as it is known."""
        assert self.networks is not None
        own = self.networks.by_training()
        if self.retraining and not self.varied:
            # Networks under contradictory labels may vary by more than the study's others.
            return max(filter(None, (self.retraining, own)), key=lambda part: part.variance)
        return own and Part(own.variance, own.freedom)  # each side has one: what is off hardly matters


NO_UNITS = Units({})


def by_fold(values: Iterable[tuple[int | None, float]]) -> Units:
    """The mean of each fold's values, as of its seeds: networks on the clips that they left out."""
    found: dict[int, list[float]] = defaultdict(list)
    for fold, value in values:
        found[fold or 0].append(value)
    return Units({fold: float(np.mean(of)) for fold, of in found.items()})


def difference(cell: Units, other: Units) -> Spread:
    """`cell` minus `other` on the same corpus, unit by unit, with its interval; of no common unit nothing."""
    return contrast([cell], [other])


def contrast(plus: Sequence[Units], minus: Sequence[Units]) -> Spread:
    """The sum of some cells minus that of others, as many on the same corpus; else as `difference`."""
    return total([(plus, minus)])


def total(contrasts: Iterable[tuple[Sequence[Units], Sequence[Units]]]) -> Spread:
    """The sum of contrasts, each on a corpus of its own, whose errors are taken to be unrelated."""
    found = []
    for plus, minus in contrasts:
        sides, signs = (*plus, *minus), [1.0] * len(plus) + [-1.0] * len(minus)
        shared = {
            unit: sum(sign * side.values[unit] for sign, side in zip(signs, sides, strict=True))
            for unit in sides[0].values
            if all(unit in side.values for side in sides)
        }
        if not shared:
            return Spread()
        common = max((side.common for side in sides if not side.networks), default=1.0)
        found.append(_around(shared, sides, common, signs))
    mean, n, of = float(sum(at.mean for at in found)), sum(at.n for at in found), found[0].of
    if not all(at.parts for at in found):
        return Spread(mean, n=n, of=ALONE)
    tests = _pooled([at.parts[0] for at in found])
    return _spread(mean, [tests, *(part for at in found for part in at.parts[1:])], n, of)


def _pooled(parts: Sequence[Part]) -> Part:
    """The sum of unrelated parts as one, with Satterthwaite's freedom."""
    variance = sum(part.variance for part in parts)
    freedom = sum(part.variance**2 / part.freedom for part in parts)
    return Part(variance, variance**2 / freedom if freedom else sum(part.freedom for part in parts))


def scaled(cell: Units, times: float) -> Units:
    """A cell times a number, as an interval after Fieller asks for."""
    values = {unit: times * value for unit, value in cell.values.items()}
    networks = cell.networks and replace(cell.networks, of=times * cell.networks.of)
    known = cell.retraining and cell.retraining.times(times**2)
    return replace(cell, values=values, networks=networks, retraining=known)


def average(cells: Sequence[Units], own: bool = True) -> Units:
    """The mean of some cells on the same corpus as one, each of networks of its `own`, or all of the same."""
    shared = set.intersection(*(set(cell.values) for cell in cells)) if cells else set()
    values = {unit: float(np.mean([cell.values[unit] for cell in cells])) for unit in sorted(shared)}
    scores = [_on(cell, sorted(shared)) for cell in cells if cell.networks]
    if not shared or not scores:
        return Units(values, common=max((cell.common for cell in cells), default=1.0))
    if len({(of.speakers, of.of.shape[1]) for of in scores}) > 1:  # as of other copies of the corpus
        return Units(values, Scores(np.array([[float(np.mean(list(values.values())))]])))
    networks = min(len(of.of) for of in scores)
    mean = Scores(np.mean([of.of[:networks] for of in scores], axis=0), scores[0].speakers)
    known = _retraining_of_mean(cells, own) if networks == 1 else None  # several show it themselves
    return Units(values, mean, all(cell.varied for cell in cells), known)


def _retraining_of_mean(cells: Sequence[Units], own: bool) -> Part | None:
    """Variance of the cells' mean by training anew; of one network's cells at most, as if all went together.

    Of networks of their own it is no less than how far the cells lie from each other says, which have that
    noise in them and whatever else they differ by.
    """
    parts = [cell.retraining for cell in cells if cell.retraining]
    if len(parts) < len(cells) or len(cells) < 2:
        return parts[0] if len(parts) == len(cells) else None
    if not own:
        together = float(np.mean([part.variance**0.5 for part in parts])) ** 2
        return Part(together, min(part.freedom for part in parts))
    known = _pooled([part.times(len(cells) ** -2) for part in parts])
    apart = float(np.var([cell.mean for cell in cells], ddof=1)) / len(cells)
    return max(known, Part(apart, len(cells) - 1), key=lambda part: part.variance)


def _on(cell: Units, units: Sequence[int]) -> Scores:
    """What a cell's networks scored on some of its units; under resampled speakers there is one unit."""
    assert cell.networks is not None
    if cell.networks.speakers:
        return cell.networks
    places = [list(cell.values).index(unit) for unit in units]
    return replace(cell.networks, of=cell.networks.of[:, places])


def ratio(left: Callable[[float], Spread]) -> Spread:
    """A share of two means and its interval, after Fieller (1954): all shares of which nothing is clear.

    Takes what is left of the one when a share of the other is taken off. Gives the share and the ends of its
    interval; NaN where the other mean is not clearly above 0, so that any share would do.
    """
    from scipy.optimize import brentq

    whole, rest = left(0.0).mean, left(1.0).mean
    if not whole > rest or not left(0.0).known:  # NaN too
        return Spread()
    share, ends = whole / (whole - rest), []

    def inside(at: float) -> float:
        spread = left(at)
        return (spread.high - spread.low) / 2 - abs(spread.mean)

    if not inside(share) > ALIKE:  # units that all have the same share, as of few clips: they show no spread
        return Spread(share)
    for far in (share - WIDEST, share + WIDEST):
        if not inside(far) < 0:  # NaN too
            return Spread(share)
        ends.append(float(brentq(inside, share, far, xtol=1e-3)))
    return Spread(share, ends[0], ends[1])


def apart(cell: Units, other: Units) -> Spread:
    """`cell` minus `other` where their units are others, such as two cuts of a corpus: nothing is paired."""
    if not (cell.values and other.values):
        return Spread()
    mean = cell.mean - other.mean
    (ours, n, of), (theirs, _, _) = (_parts(side.values, (side,), 1.0) for side in (cell, other))
    return _spread(mean, [*ours, *theirs], n, of) if ours and theirs else Spread(mean, n=n, of=ALONE)


class _Around(NamedTuple):
    """A mean over units, and the parts of its variance as of `_parts`."""

    mean: float
    parts: list[Part]
    n: int
    of: str


def _around(
    values: Mapping[int, float], sides: Sequence[Units], common: float, signs: Sequence[float] = (1.0,)
) -> _Around:
    """Of units, each a value of one side or the sum of several by their signs."""
    mean = float(np.mean(list(values.values())))
    parts, n, of = _parts(values, sides, common, signs)
    # Units that all moved by just as much did by chance, as of few clips: it is not that nothing varies.
    alike = parts and len(sides) > 1 and parts[0].variance < ALIKE < abs(mean)
    return _Around(mean, [] if alike else parts, n, of)


def _parts(
    values: Mapping[int, float], sides: Sequence[Units], common: float, signs: Sequence[float] = (1.0,)
) -> tuple[list[Part], int, str]:
    """The parts of a mean's variance, that by the tests first, how many units there are and of what.

    There are none where something that varies is not known.
    """
    scores = [side.networks for side in sides if side.networks]
    if speakers := {of.speakers for of in scores if of.speakers}:
        n, of, tests = max(speakers), SPEAKERS, _speakers(scores, signs)
    else:
        n, of = len(values), FOLDS
        # Networks of the folds of a corpus that was trained on shared training clips.
        overlap = common / (n - 1) if n > 1 and len(scores) < len(sides) else 0.0
        between = float(np.var(list(values.values()), ddof=1)) if n > 1 else np.nan
        tests = Part(between * (1 / n + overlap), n - 1) if n > 1 else None
    trained = [(side.trained(), len(side.networks.of)) for side in sides if side.networks]
    # What both sides take from the study is one estimate, known no better for being used twice.
    shares: dict[Part, float] = defaultdict(float)
    for part, networks in trained:
        if part is None or tests is None:
            return [], n, of
        shares[part] += 1 / networks
    more = [part.times(share) for part, share in shares.items()]
    return [tests, *more] if tests else [], n, of


def _spread(mean: float, parts: Sequence[Part], n: int, of: str) -> Spread:
    tests, *trained = parts
    shown = {"tests": tests.variance**0.5, "training": sum(part.variance for part in trained) ** 0.5}
    # Of two folds the deviation is often far too small: never narrower than the tests alone make it.
    half = max(_student(parts)[0], _student(parts[:1])[0])
    p = max(_student(among, abs(mean))[1] for among in (parts, parts[:1]))
    return Spread(mean, mean - half, mean + half, p, n, of, shown)


def _student(parts: Sequence[Part], mean: float = 0.0) -> tuple[float, float]:
    """Half the interval over parts of a variance, and p of a mean, by Satterthwaite's freedom."""
    from scipy.special import stdtr, stdtrit  # without the second that scipy.stats takes

    variance = sum(part.variance for part in parts)
    if not variance:
        return 0.0, float(not mean)
    freedom = variance**2 / sum((part.variance + part.off) ** 2 / part.freedom for part in parts)
    half = stdtrit(freedom, (1 + LEVEL) / 2) * variance**0.5
    return float(half), float(2 * stdtr(freedom, -mean / variance**0.5))


def _speakers(scores: Sequence[Scores], signs: Sequence[float]) -> Part | None:
    """Variance of a sum of means by their signs over resampled speakers; None where none are known."""
    number = {of.speakers for of in scores}
    if len(number) > 1 or number == {1}:
        return None
    drawn = sum(sign * of.of.mean(axis=0) for sign, of in zip(signs, scores, strict=True))
    known = drawn[~np.isnan(drawn)]
    return Part(float(np.var(known, ddof=1)), number.pop() - 1) if len(known) > 1 else None


def retraining(again: Iterable[Scores]) -> Part | None:
    """Variance of one network's score by training anew, pooled; None where nothing was trained twice.

    Args:
        again: for each training, what the networks scored that differ by the seed alone.
    """
    parts = [part for scores in again if (part := scores.by_training())]
    freedom = sum(part.freedom for part in parts)
    variance, off = (sum(getattr(of, name) * of.freedom for of in parts) for name in ("variance", "off"))
    return Part(variance / freedom, freedom, off / freedom) if parts else None


def holm(p: Sequence[float]) -> np.ndarray:
    """p-values corrected for how many there are, after Holm (1979), float64; NaN are none and stay NaN.

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
        [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    times = np.arange(len(order), 0, -1)
    corrected = values.copy()
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(values[order] * times))
    return corrected


def clear(changes: Iterable[Spread]) -> list[bool]:
    """Of each change whether it is clear after Holm's correction over all; alone if it has no p-value."""
    every = list(changes)
    corrected = holm([change.p for change in every])
    return [of.clear if np.isnan(p) else bool(p < CHANCE) for of, p in zip(every, corrected, strict=True)]


def over(spreads: Iterable[tuple[int, str]]) -> str:
    """What intervals rest on, in words: `5 folds or 24 to 91 speakers`; each is a number and of what."""
    numbers: dict[str, set[int]] = {FOLDS: set(), SPEAKERS: set()}
    for number, of in spreads:
        numbers.get(of, set()).add(number)
    return " or ".join(
        f"{' to '.join(map(str, sorted({min(found), max(found)})))} {of}"
        for of, found in numbers.items()
        if found
    )
