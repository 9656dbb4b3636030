"""What the paper claims, as data, and what its own printed numbers decide of it.

The claims stand in `benchmark/paper/claims.toml`. The paper prints one number a cell and never a spread over
trainings, so how sure a number is has to come from its own tables. It is taken twice:

- *Least*: what no reading can do without. Cells are rounded (uniform, `ROUNDED` wide), and other clips might
  have been tested, on which two networks differ no more than the change between them needs.
- *Most*: besides, trainings differ as much as the two in the tables that are one problem: IEMOCAP alone with
  its labels permuted (Figure 3, column B) and as they are (Figure 2, column B). And what two networks get
  wrong is unrelated.

A claim is decided where both give one answer. Neither has what other speakers would give: the paper prints
no number by speaker. A change is taken apart into the trainings that it rests on, as several cells may share
one (a mean over rates less that at 0 %, a change that has its baseline in common with another).
"""

from __future__ import annotations

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import integrate, stats

from benchmark import study_file
from benchmark.report import intervals, paper
from benchmark.report.intervals import Part, Spread
from benchmark.report.tables import Table, signed
from benchmark.report.terms import ABOVE, FAILS, HOLDS, UNTOLD, WITHIN
from serkit.labels import ending_of
from serkit.words import many

ROUNDED = 0.01
"""The step of a printed wF1."""
CLIPS = {"IEMOCAP": 5531, "CREMA-D": 841, "MSP-Podcast": 11012}
"""Clips of each test: IEMOCAP's, all folds; 15 % of CREMA-D's voice vote; of MSP-Podcast's Test1 (16,903) as
large a share as the four classes have of the release. None is printed by the paper (docs/corpora.md)."""
POWER = 0.8
MOST_UNITS = 1_000_000
REPETITION = "repetition"
"""What a printed number is one of: each condition trained anew, all its folds, tested on the same clips."""

Score = tuple[str, str, int]
"""What networks have on a test: training set, test, rate."""


@dataclass(frozen=True)
class Cells:
    """Printed cells of one training set on one test, averaged over rates."""

    exhibit: str
    train: str
    test: str
    rates: tuple[int, ...]


@dataclass(frozen=True)
class Contrast:
    """Printed cells less something, and what a claim has of it.

    Attributes:
        of: what is compared, in a few words.
        cells: the cells.
        against: other cells, or a wF1 that is known exactly.
        shows: where the claim has it: `above` the margin, `below` it, or `within` plus or minus it.
        margin: of wF1.
        absolute: whether the tested corpus's baseline is added to a figure's change.
    """

    of: str
    cells: Cells
    against: Cells | float
    shows: str
    margin: float = 0.0
    absolute: bool = False

    def side(self, mean: float) -> tuple[bool, float]:
        """Whether a mean is as the claim has it, and how far it is from where that ends."""
        if self.shows == WITHIN:
            return abs(mean) < self.margin, abs(abs(mean) - self.margin)
        return (mean > self.margin) == (self.shows == ABOVE), abs(mean - self.margin)


@dataclass(frozen=True)
class Claim:
    """A claim of the paper's; the keys of its table in `benchmark/paper/claims.toml`.

    Attributes:
        name: its table.
        claim: in our words, one line.
        section: of the paper.
        question: the neutral question that it answers.
        decides: the quantity and the test, in words.
        contrasts: what decides it; none where nothing that is printed does.
        beside: shown with them, and decide nothing.
        need: `all` contrasts, or `any` of them.
        effect: of wF1, the size that the claim is about; NaN: of none.
        beyond: what is to be said even if every number were exact.
        follows: whether the claim would follow, if its contrasts were as it has them.
        chosen_among: trainings of which the first was picked, so that it profits from noise.
    """

    name: str
    claim: str
    section: str
    question: str
    decides: str
    contrasts: tuple[Contrast, ...] = ()
    beside: tuple[Contrast, ...] = ()
    need: str = "all"
    effect: float = np.nan
    beyond: str = ""
    follows: bool = True
    chosen_among: int = 1


@dataclass(frozen=True)
class Said:
    """What print decides of a claim.

    Attributes:
        claim: it.
        answer: `holds`, `does not hold` or `cannot be told`.
        numbers: the printed changes, each with half its interval by the least and by the most noise.
        why: what the answer rests on.
        repetitions: how many would see the claim's effect with 80 % power, in words.
        changes: of wF1 that it rests on, with their intervals by the most noise.
    """

    claim: Claim
    answer: str
    numbers: str
    why: str
    repetitions: str
    changes: tuple[Spread, ...] = ()

    @property
    def sentence(self) -> str:
        """All of it."""
        how = "(± half a 95 % interval, by the least noise to by the most)"
        shown = f" In print: {self.numbers} {how}." * bool(self.numbers)
        return f"{self.claim.claim}: {self.answer}.{shown} {self.why} {self.repetitions}"


@dataclass(frozen=True)
class Null:
    """What print shows of trainings of one problem, a difference a rate.

    Attributes:
        differences: of wF1, IEMOCAP-SCRAMBLED alone less IEMOCAP alone.
    """

    differences: tuple[float, ...]

    @property
    def rms(self) -> float:
        """Read as retraining noise, the deviation of a difference."""
        return float(np.sqrt(np.mean(np.square(self.differences))))

    @property
    def training(self) -> Part:
        """Read so, the variance of one training."""
        return Part(self.rms**2 / 2, len(self.differences))

    @property
    def offset(self) -> Spread:
        """Read as an offset that all five share."""
        n, mean = len(self.differences), float(np.mean(self.differences))
        half = float(stats.t.ppf((1 + intervals.LEVEL) / 2, n - 1) * stats.sem(self.differences))
        return Spread(mean, mean - half, mean + half, n=n, of="rates")


@functools.cache
def claims() -> Mapping[str, Claim]:
    """The paper's claims by name. Raises SpecError: the file cannot be read."""
    tables = study_file.parsed(paper.PAPER / "claims.toml")
    return {name: _claim(name, values) for name, values in tables.items()}


def _claim(name: str, values: Mapping[str, Any]) -> Claim:
    given = dict(values)
    common = {"shows": given.pop("shows"), "margin": given.pop("margin", 0.0)}
    for key in ("contrasts", "beside"):
        given[key] = tuple(one for table in given.get(key, ()) for one in _contrasts(common | table))
    return Claim(name, **given)


def _contrasts(table: Mapping[str, Any]) -> Iterable[Contrast]:
    """Those of a table: one, or with `each` one a rate."""
    fields = [field.name for field in dataclasses.fields(Cells)]
    for rates in [[rate] for rate in table["rates"]] if table.get("each") else [table["rates"]]:
        own = {key: table[key] for key in fields} | {"rates": tuple(rates)}
        against = table.get("against", 0.0)
        if isinstance(against, dict):
            against = Cells(**own | against | {"rates": tuple(against.get("rates", rates))})
        at = f"{table['of']} {rates[0]} %" if table.get("each") else table["of"]
        more = {key: table[key] for key in ("shows", "margin", "absolute") if key in table}
        yield Contrast(at, Cells(**own), against, **more)


def printed(claim: Claim, numbers: pd.DataFrame | None = None) -> Said:
    """What printed numbers decide of a claim.

    Args:
        claim: the claim.
        numbers: as `benchmark.report.paper.published` gives them; None: the paper's.

    Raises:
        KeyError: a contrast names a cell that is not printed.
    """
    tables = _Printed(paper.published() if numbers is None else numbers)
    least = [tables.least(contrast) for contrast in claim.contrasts]
    most = [tables.most(contrast) for contrast in claim.contrasts]
    ends = [_decided(claim.contrasts, estimates) for estimates in (least, most)]
    answers = {_answer(claim, decided) for decided in ends}
    answer = answers.pop() if len(answers) == 1 else UNTOLD
    answer = UNTOLD if answer == HOLDS and not claim.follows else answer
    numbers_of = [_shown(tables, contrasts) for contrasts in (claim.contrasts, claim.beside)]
    why = filter(None, [_why(claim, *ends), _picked(claim, tables.null), claim.beyond])
    return Said(
        claim,
        answer,
        "; beside: ".join(filter(None, numbers_of)),
        " ".join(why),
        _repetitions(claim, most),
        tuple(of.spread() for of in most),
    )


def table() -> Table:
    """What print decides of each claim, a row a claim."""
    rows = []
    for claim in claims().values():
        said = printed(claim)
        words = [said.numbers or "no number", said.answer, said.why, said.repetitions]
        rows.append([f"{claim.claim} ({claim.section})", *words])
    headers = ["The paper's claim", "In print (± least to most)", "Answer", "Why", "To see a change"]
    return Table("claims", "What the paper's numbers decide", headers, rows, _legend())


def needed(
    spread: Spread, effect: float, level: float = intervals.CHANCE, comparisons: int = 1
) -> int | None:
    """How many units would see an effect in 8 of 10 studies, by a two-sided t test.

    Units are of the kind that the spread rests on, each with its share of all that varies in it: the variance
    of one is that of the mean (by the spread's parts, or where it has none by its half-width) times how many
    there are.

    Args:
        spread: a mean that is known by some units.
        effect: the true mean, of either sign.
        level: how often one of all comparisons may be clear by chance (after Bonferroni).
        comparisons: how many there are.

    Returns:
        2 or more; None where the spread is not known, there is no effect, or a million would not do.
    """
    variance = _of_one(spread)
    if np.isnan(variance) or np.isnan(effect) or not effect:
        return None
    if not variance:
        return 2
    chance = level / comparisons

    def seen(n: int) -> bool:
        far = abs(effect) * (n / variance) ** 0.5
        clear = stats.t.isf(chance / 2, n - 1)
        return bool(stats.nct.sf(clear, n - 1, far) + stats.nct.cdf(-clear, n - 1, far) >= POWER)

    high = 2
    while not seen(high):
        high *= 2
        if high > MOST_UNITS:
            return None
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if middle > 1 and seen(middle) else (middle, high)
    return high


def _of_one(spread: Spread) -> float:
    """The variance of one unit; NaN where nothing tells it."""
    if not spread.known:
        return np.nan
    if spread.parts:
        return spread.n * sum(deviation**2 for deviation in spread.parts.values())
    if spread.n < 2:
        return np.nan
    times = stats.t.ppf((1 + intervals.LEVEL) / 2, spread.n - 1)
    return spread.n * float((spread.high - spread.low) / 2 / times) ** 2


@dataclass(frozen=True)
class _Estimate:
    """A contrast by one end of the noise.

    Attributes:
        mean: of wF1.
        parts: its deviation by what varies.
        freedom: degrees of freedom by which that is known.
    """

    mean: float
    parts: Mapping[str, float]
    freedom: float

    @property
    def deviation(self) -> float:
        return sum(part**2 for part in self.parts.values()) ** 0.5

    @property
    def half(self) -> float:
        """Of its interval."""
        return float(stats.t.ppf((1 + intervals.LEVEL) / 2, self.freedom) * self.deviation)

    def p(self, far: float) -> float:
        """Two-sided, that it is truly so far off, or farther."""
        return 2 * float(stats.t.sf(far / self.deviation, self.freedom)) if self.deviation else float(not far)

    def spread(self) -> Spread:
        low, high = self.mean - self.half, self.mean + self.half
        return Spread(self.mean, low, high, self.p(abs(self.mean)), 1, REPETITION, self.parts)


class _Printed:
    """Printed numbers, and how sure a contrast of them is."""

    def __init__(self, numbers: pd.DataFrame) -> None:
        self.of: Mapping[tuple[Any, ...], float] = numbers.set_index(paper.PLACE)["paper"].to_dict()
        scrambled, true = "IEMOCAP-SCRAMBLED", "IEMOCAP"
        self.null = Null(
            tuple(
                round(lower - self.of["figure2", true, true, rate], 9)
                for (exhibit, train, test, rate), lower in self.of.items()
                if (exhibit, train, test) == ("figure3", scrambled, scrambled)
            )
        )

    def least(self, contrast: Contrast) -> _Estimate:
        """By rounding and tested clips; two networks differ on no more clips than the change needs."""
        mean = self._mean(contrast)
        change = min(abs(mean), 1.0)
        tests = (change * (1 - change) / CLIPS[_corpus(contrast.cells.test)]) ** 0.5
        return _Estimate(mean, {"rounding": _rounding(contrast), "tests": tests}, np.inf)

    def most(self, contrast: Contrast) -> _Estimate:
        """By rounding, tested clips on which networks err apart, and trainings that differ as the null's."""
        scores = _scores(contrast)
        one = self.null.training
        training = one.variance * sum(weight**2 for weight in scores.values())
        parts = {"rounding": _rounding(contrast), "tests": self._clips(contrast, scores)}
        all_of = sum(part**2 for part in parts.values()) + training
        freedom = one.freedom * (all_of / training) ** 2 if training else np.inf  # Satterthwaite's
        return _Estimate(self._mean(contrast), parts | {"training": training**0.5}, freedom)

    def step(self) -> float:
        """RMS of the figures' changes from one augmented rate to the next; the most has the null's."""
        rows: dict[tuple[Any, ...], dict[int, float]] = defaultdict(dict)
        for (*row, rate), value in self.of.items():
            if row[0] != "table1" and rate:
                rows[tuple(row)][rate] = value
        steps = [np.diff([row[rate] for rate in sorted(row)]) for row in rows.values()]
        return float(np.sqrt(np.mean(np.square(np.concatenate(steps)))))

    def _mean(self, contrast: Contrast) -> float:
        against = contrast.against
        less = self._average(against) if isinstance(against, Cells) else against
        more = self._baseline(contrast.cells.test) if contrast.absolute else 0.0
        return round(self._average(contrast.cells) + more - less, 9)

    def _average(self, cells: Cells) -> float:
        return float(np.mean([self.of[cells.exhibit, cells.train, cells.test, at] for at in cells.rates]))

    def _baseline(self, test: str) -> float:
        return self.of["table1", _corpus(test), _corpus(test), 0]

    def _clips(self, contrast: Contrast, scores: Mapping[Score, float]) -> float:
        """Deviation by which clips are tested, wF1 taken for the share of them that is right."""
        variance = 0.0
        for sign in (1, -1):
            side = {score: weight for score, weight in scores.items() if weight * sign > 0}
            if total := sum(side.values()):
                right = sum(weight * self._wf1(score) for score, weight in side.items()) / total
                variance += total**2 * right * (1 - right) / CLIPS[_corpus(contrast.cells.test)]
        return variance**0.5

    def _wf1(self, score: Score) -> float:
        """What networks have, from Table 1 or a baseline and a change of it; in [0, 1]."""
        if ("table1", *score) in self.of:
            return self.of["table1", *score]
        figure = "figure2" if ("figure2", *score) in self.of else "figure3"
        return float(np.clip(self._baseline(score[1]) + self.of[figure, *score], 0, 1))


def _corpus(test: str) -> str:
    """The corpus of a test, under whichever labels."""
    return test.removesuffix(ending_of(test))


def _sides(contrast: Contrast) -> Iterable[tuple[Cells, int, float]]:
    """Every printed cell of a contrast: its row, rate and weight."""
    for cells, sign in ((contrast.cells, 1), (contrast.against, -1)):
        if isinstance(cells, Cells):
            yield from ((cells, rate, sign / len(cells.rates)) for rate in cells.rates)


def _rounding(contrast: Contrast) -> float:
    """Deviation by rounding: of each printed cell, and of the baseline that is added."""
    squares = sum(weight**2 for *_, weight in _sides(contrast)) + contrast.absolute
    return float(ROUNDED * (squares / 12) ** 0.5)


def _scores(contrast: Contrast) -> dict[Score, float]:
    """The weight in a contrast of each score of a training; what cancels is left out."""
    scores: dict[Score, float] = defaultdict(float)
    for cells, rate, weight in _sides(contrast):
        scores[cells.train, cells.test, rate] += weight
        if cells.exhibit != "table1" and not contrast.absolute:
            scores[_corpus(cells.test), _corpus(cells.test), 0] -= weight
    return {score: weight for score, weight in scores.items() if abs(weight) > 1e-9}


def _decided(contrasts: Sequence[Contrast], estimates: Sequence[_Estimate]) -> list[str]:
    """Of each contrast whether it is as the claim has it, after Holm's correction over all."""
    sides = [contrast.side(of.mean) for contrast, of in zip(contrasts, estimates, strict=True)]
    p = [of.p(far) for of, (_, far) in zip(estimates, sides, strict=True)]
    clear = intervals.holm(p) < intervals.CHANCE
    return [
        (HOLDS if side else FAILS) if told else UNTOLD for (side, _), told in zip(sides, clear, strict=True)
    ]


def _answer(claim: Claim, decided: Sequence[str]) -> str:
    one, other = (FAILS, HOLDS) if claim.need == "all" else (HOLDS, FAILS)
    if one in decided:
        return one
    return other if decided and set(decided) == {other} else UNTOLD


def _shown(tables: _Printed, contrasts: Iterable[Contrast]) -> str:
    """Each contrast's mean, and half its interval by the least and by the most noise."""
    said = []
    for contrast in contrasts:
        least, most = tables.least(contrast), tables.most(contrast)
        digits = next(
            digits for digits in (2, 3, 4) if digits == 4 or round(least.mean, digits) == least.mean
        )
        mean = signed(least.mean, digits)
        said.append(f"{contrast.of} {mean} (±{least.half:.3f} to ±{most.half:.3f})")
    return "; ".join(said)


def _why(claim: Claim, least: Sequence[str], most: Sequence[str]) -> str:
    """The test, and which contrasts pass and fail it at either end of the noise."""
    if not claim.contrasts:
        return f"It would take {claim.decides}."
    names = [contrast.of for contrast in claim.contrasts]
    ends = (_told(names, decided) for decided in (least, most))
    how = "the least noise tells {}, the most {}".format(*ends)
    return f"Tested is {claim.decides}: of {many(len(names), 'contrast')} {how}."


def _told(names: Sequence[str], decided: Sequence[str]) -> str:
    """How many are clearly as claimed and clearly otherwise, and which where it is only some."""
    said = []
    for answer, how in ((HOLDS, "as claimed"), (FAILS, "otherwise")):
        found = [name for name, one in zip(names, decided, strict=True) if one == answer]
        which = f" ({'; '.join(found)})" * (len(found) < len(names))
        said += [f"{len(found)} {how}{which}"] if found else []
    return " and ".join(said) or "none"


def _picked(claim: Claim, null: Null) -> str:
    """What picking the best of several trainings gives by noise alone."""
    if claim.chosen_among < 2:
        return ""
    by_noise = _expected_best(claim.chosen_among) * null.training.variance**0.5
    return (
        f"The best of {claim.chosen_among} trainings that differ by the most noise alone, if it is chosen by"
        f" such a number, is expected {by_noise:.2f} above one of them that was named before; how it was"
        " chosen the paper does not say."
    )


def _expected_best(n: int) -> float:
    """The expected largest of some standard normal numbers."""

    def weighted(x: float) -> float:
        return float(x * n * stats.norm.pdf(x) * stats.norm.cdf(x) ** (n - 1))

    return float(integrate.quad(weighted, -np.inf, np.inf)[0])


def _repetitions(claim: Claim, most: Sequence[_Estimate]) -> str:
    """How many repetitions see the claim's effect in every contrast, by the most noise of a training."""
    if not most:
        return "No number of repetitions follows: 0 printed numbers measure it."
    alone = [dataclasses.replace(of, parts={"training": of.parts["training"]}).spread() for of in most]
    found = [needed(of, claim.effect, comparisons=len(most)) for of in alone]
    known = [number for number in found if number]
    number = many(max(known), REPETITION) if len(known) == len(found) else f"more than {MOST_UNITS:,}"
    return (
        f"By the most noise of a training {number} would see a change of {claim.effect:.2f} with"
        f" {100 * POWER:.0f} % power in each contrast."
    )


def _legend() -> tuple[str, ...]:
    tables = _Printed(paper.published())
    null, offset = tables.null, tables.null.offset
    shown = ", ".join(signed(difference) for difference in null.differences)
    clips = ", ".join(f"{number:,} ({corpus})" for corpus, number in CLIPS.items())
    return (
        "±: half a 95 % interval of each change alone. Least noise: rounding, and the clips of the test drawn"
        " anew, for two networks that differ on no more of them than they must. Most: besides, two networks"
        " err on unrelated clips, and trainings differ as the two do that are one problem (Figure 3 less"
        f" Figure 2, column B on itself: {shown}; an RMS of {null.rms:.2f} with"
        f" {len(null.differences)} degrees of freedom). For want of another, IEMOCAP's stands in for all. wF1"
        f" is taken for the share of clips that is right, of {clips}; the paper prints none of these counts.",
        "A claim is decided where both ends give one answer, after Holm's correction over its contrasts."
        " Between them nothing in print decides: read as an offset that all rates share, the five are"
        f" {signed(offset.mean)} ±{offset.high - offset.mean:.2f}, and say nothing of how far two trainings"
        " differ; and from one augmented rate to the next, cells of Figures 2 and 3 move by an RMS of"
        f" {tables.step():.2f}, real changes included, where the most has {null.rms:.2f}, which is too much"
        " for these if each was trained by itself. Neither end has what other speakers would give: no number"
        " by speaker is printed.",
        "A repetition trains every condition once more, all folds, on the same test clips. The size of a"
        " change is the claim's where it names one, else ours.",
    )
