"""How a claim is judged: which changes count, what they say together, and how large a study could tell.

A sentence never claims more than the spread of its numbers allows (`benchmark.report.intervals`): a change
is clear where it is so after Holm's correction over all changes that the claim rests on. That nothing
counts needs intervals that leave out what would, `MARGIN`, of every change, also of those that do not
count. What has no interval, is not done or not asked for, is said. A change does not count where neither of
its cells is above what a constant predictor has, nor where a training it rests on cannot be told from
guessing: a network that guesses has no gap to bridge and no labels to notice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmark.report import intervals
from benchmark.report.intervals import Spread
from benchmark.report.power import POWER, needed
from benchmark.report.tables import moved, signed
from benchmark.report.terms import ABOVE, BELOW, EITHER, FAILS, HOLDS, MARGIN, UNTOLD, WITHIN
from benchmark.study import How, Study, TrainingSet
from serkit.labels import corpus_of
from serkit.words import many

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

CHANGES = {ABOVE: ("gain", "gains"), BELOW: ("loss", "losses"), EITHER: ("change", "changes")}


class Claim(NamedTuple):
    """What is judged."""

    name: str  # under which `benchmark/paper/claims.toml` has the paper's own, if it makes it
    claim: str  # in a line
    expects: str  # `ABOVE`, `BELOW`, `EITHER` or `WITHIN`
    margin: float = MARGIN  # what counts as a change


@dataclass(frozen=True)
class Verdict:
    """What a study says of a claim.

    Attributes:
        name: the claim's.
        claim: in a line.
        answer: `HOLDS`, `FAILS` or `UNTOLD`.
        sentence: the numbers that say so.
        changes: what it rests on, each with what it is of.
        unit: of the changes.
        margin: a change that counts, drawn in its picture; None: there is no such number.
        known: what must come out, where the study's corpora were made so (`exhibits.known`); else empty.
    """

    name: str
    claim: str
    answer: str
    sentence: str
    changes: tuple[tuple[str, Spread], ...] = ()
    unit: str = "wF1"
    margin: float | None = MARGIN
    known: str = ""


class Place(NamedTuple):
    """A cell: a training set on a test, at a rate."""

    train: TrainingSet
    test: str
    rate: int
    how: How | None = None


@dataclass(frozen=True)
class Change:
    """A sum of cells on one corpus minus that of others, and whether it counts."""

    name: str  # in words
    plus: tuple[Place, ...]
    minus: tuple[Place, ...]
    spread: Spread
    heard: bool  # one of its cells is above what is had without listening
    guessed: tuple[str, ...]  # trainings it rests on that cannot be told from guessing, in words

    @property
    def trained(self) -> list[tuple[TrainingSet, int]]:
        """The training sets and rates that it rests on."""
        return [(place.train, place.rate) for place in (*self.plus, *self.minus)]


def change(cells: Cells, name: str, plus: Sequence[Place], minus: Sequence[Place]) -> Change:
    """The change of wF1 between some cells; of several corpora the sum of the changes on each."""
    places = (*plus, *minus)
    corpora = dict.fromkeys(corpus_of(place.test) for place in places)
    sides = [
        [[cells.units(*at) for at in side if corpus_of(at.test) == corpus] for side in (plus, minus)]
        for corpus in corpora
    ]
    spread = intervals.total((of, less) for of, less in sides)
    heard = any(cells.row(*place)["above"] for place in places)
    trains = dict.fromkeys(place.train for place in places)
    guessed = filter(None, (guessing(cells, train) for train in trains))
    return Change(name, tuple(plus), tuple(minus), spread, heard, tuple(guessed))


def guessing(cells: Cells, train: TrainingSet, rate: int | None = None) -> str:
    """That a training on true labels cannot be told from guessing on its corpora, in words; else empty."""
    true, rate = tuple(map(corpus_of, train)), min(cells.study.rates_percent) if rate is None else rate
    known = {name: learnt for name in true if (learnt := cells.learnt(true, name, rate))}
    if not known or any(learnt.shown for learnt in known.values()):
        return ""
    title_of = cells.study.title_of
    return f"{title_of(true)}: {'; '.join(f'{title_of(name)} {of}' for name, of in known.items())}"


class Family:
    """The changes that a claim rests on, sorted by whether they count: `counted`, `silent`, `unlearnt`."""

    def __init__(self, study: Study, changes: Sequence[Change]) -> None:
        """Leaves out those that the study does not train for, unless it trains for none."""
        trained = {(at.train, at.augment_percent) for at in study.conditions}
        asked = [each for each in changes if trained.issuperset(each.trained)]
        self.study, self.changes = study, asked or changes
        every = dict.fromkeys(at for each in self.changes for at in each.trained)
        self.untrained = [at for at in every if at not in trained]
        known = [each for each in self.changes if each.spread.known]
        self.unlearnt = [each for each in known if each.guessed]
        self.counted = [each for each in known if each.heard and not each.guessed]
        self.silent = [each for each in known if not each.heard and not each.guessed]

    @property
    def spreads(self) -> list[Spread]:
        """Of the changes that count."""
        return [each.spread for each in self.counted]

    def clear(self) -> tuple[list[Change], list[Change]]:
        """Those that are clear after Holm's correction: up, and down."""
        found = [each for each, so in zip(self.counted, intervals.clear(self.spreads), strict=True) if so]
        up = [each for each in found if each.spread.mean > 0]
        return up, [each for each in found if each.spread.mean < 0]

    def answer(self, expects: str, margin: float = MARGIN) -> str:
        """Whether a claim holds that expects something of the changes.

        That all of them stay within something is said only of a family that is whole: what is left out might
        be what does not.
        """
        up, down = self.clear()
        if not self.counted:
            return UNTOLD
        whole = len(self.counted) + len(self.silent) == len(self.changes)
        every = [each.spread for each in (*self.counted, *self.silent)]
        small = whole and all(-margin < of.low and of.high < margin for of in every)
        if expects == WITHIN:
            beyond = any(max(each.spread.low, -each.spread.high) >= margin for each in (*up, *down))
            return FAILS if beyond else HOLDS if small else UNTOLD
        if expects == EITHER:
            return HOLDS if up or down else FAILS if small else UNTOLD
        found, against = (up, down) if expects == ABOVE else (down, up)
        if found:
            return UNTOLD if against else HOLDS
        sides = [of.high if expects == ABOVE else -of.low for of in every]
        return FAILS if whole and all(side < margin for side in sides) else UNTOLD

    def why_not(self) -> str:
        """Why nothing counts: what is not done, not asked for, has no interval, was not learnt or heard."""
        if not self.changes:
            return "is not asked by this study"
        if self.unlearnt:
            return f"cannot be said: nothing was learnt ({self._unlearnt()})"
        if self.silent:
            pairs = many(len(self.silent), "pair of cells", "pairs of cells")
            return f"cannot be said: none of {pairs} is above what is had without listening"
        if self.untrained:
            named = " or ".join(f"{self.study.title_of(train)} at {rate} %" for train, rate in self.untrained)
            return f"cannot be said: this study does not train on {named}"
        if any(each.spread.of == intervals.ALONE for each in self.changes):
            why = "nothing tells what another training or fold would give, so there is no interval"
            return f"cannot be said yet: {why}"
        return "cannot be said yet: its runs are not done"

    def _unlearnt(self) -> str:
        return "; ".join(dict.fromkeys(word for each in self.unlearnt for word in each.guessed))

    def said(self, unit: str = "wF1") -> str:
        """The changes in words: range, median, how many are clear, what is left out."""
        up, down = self.clear()
        n, means = len(self.counted), [spread.mean for spread in self.spreads]
        span = " to ".join(dict.fromkeys((signed(min(means)), signed(max(means)))))
        if n == 1:
            span = moved(self.spreads[0])
        median = f", median {signed(float(np.median(means)))}" * (n > 2)
        over = intervals.over((of.n, of.of) for of in self.spreads)
        corrected = f"; {many(n, 'change')} corrected for" * (n > 1)
        clear = "clear" if up or down else "not clear"
        if n > 1:
            clear = f"clearly up in {len(up)} and down in {len(down)} of {n}"
        return f"{unit} changes by {span}{median}: {clear} (95 % over {over}{corrected}){self.left_out()}"

    def left_out(self) -> str:
        """What does not count, in words; empty where everything does."""
        undone = len(self.changes) - len(self.counted) - len(self.silent) - len(self.unlearnt)
        said = [
            f"{undone} not done or without an interval" * bool(undone),
            f"{len(self.silent)} not above what is had without listening" * bool(self.silent),
            f"{len(self.unlearnt)} where nothing was learnt ({self._unlearnt()})" * bool(self.unlearnt),
        ]
        left = ", ".join(filter(None, said))
        return f"; left out: {left}" if left else ""

    def could(self, margin: float = MARGIN) -> str:
        """How many times as large a study would tell, a sentence; empty where that is not known."""
        units = [needed(of.of_one, margin, len(self.counted)) for of in self.spreads]
        times = [unit / of.n for unit, of in zip(units, self.spreads, strict=True) if unit]
        if not times or max(times) <= 1:
            return ""
        power = f"with {100 * POWER:.0f} % power"
        return f"A study {max(times):.1f} times as large would see a change of {margin:g} {power}."


def verdict(claim: Claim, family: Family, asks: str, then: str = "") -> Verdict:
    """A claim's verdict from a family of changes.

    Where nothing counts, what is said begins as `asks`: `Whether augmentation helps`; else as `then`, what
    the changes are of: `Trained on one corpus and tested on another, `.
    """
    changes = tuple((each.name, each.spread) for each in family.counted)
    if not changes:
        return Verdict(claim.name, claim.claim, UNTOLD, f"{asks} {family.why_not()}.")
    answer = family.answer(claim.expects, claim.margin)
    said = " ".join(filter(None, [f"{then}{family.said()}.", *_follows(claim, family, answer)]))
    return Verdict(claim.name, claim.claim, answer, said, changes, margin=claim.margin)


def _follows(claim: Claim, family: Family, answer: str) -> Iterator[str]:
    """What follows from the changes, a sentence each; some may be empty."""
    expects, margin = claim.expects, f"{claim.margin:g}"
    (up, down), several = family.clear(), len(family.counted) > 1
    if expects in (ABOVE, BELOW) and up and down:
        yield f"Clear gains: {_names(up)}; clear losses: {_names(down)}: it depends on the case."
    elif answer == UNTOLD:
        if expects == WITHIN and (up or down):
            yield f"There is a change; whether it is {margin} or more cannot be told."
        yield family.could(claim.margin)
    elif expects == WITHIN:
        so = ", up or down, is excluded" if answer == HOLDS else " or more is clear"
        yield f"A change of {margin}{so}."
    elif answer == FAILS:
        yield f"A {CHANGES[expects][0]} of {margin} is excluded{' in all of them' * several}."
    elif several:
        yield f"Clear {CHANGES[expects][1]}: {_names([*up, *down])}."


def _names(changes: Sequence[Change]) -> str:
    return ", ".join(each.name for each in changes)
