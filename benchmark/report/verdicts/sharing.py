"""Do the corpora share what the networks learn of a label, or do they keep a set of labels for each?

No single number says. Four kinds of evidence are named, of which two decide; a disagreement is said:

* *direction of errors*: where labels are shared, what a permutation costs goes to its partner label, and not
  to that of another permutation, as a disturbance would have it;
* *held-out cells*: a label that a corpus lacks in training is known from the other corpus, or is not,
  although networks of that other corpus alone know it;
* the unseen corpus: whether what one corpus is taught reaches clips of neither. It never decides, since a
  network with two sets of labels may label strange clips by either;
* the probe: whether the corpora can be told apart in the embedding. They can before anything is trained.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.report import intervals
from benchmark.report.exhibits import heldout, permuted
from benchmark.report.intervals import Spread
from benchmark.report.judging import Family, Verdict, guessing
from benchmark.report.tables import interval, moved
from benchmark.report.terms import FAILS, HOLDS, MARGIN, UNTOLD
from benchmark.report.verdicts import scramble
from benchmark.study import TrainingSet
from serkit.labels import corpus_of
from serkit.words import many

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = 6
NAME, CLAIM = "separates", "The networks keep a set of labels for each corpus"
UNIT = "recall, of unseen corpora wF1"
SHARED, SEPARATE, NEITHER = "shared", "separate", "neither"
APPLIED = (
    "So what is taught of one corpus is applied to clips of the other: because labels are shared, or because"
    " clips are taken for the other corpus's, which this does not tell."
)
HARDLY = 0.1
"""Recall of a label that a corpus lacks: less is hardly knowing it. Ours."""

Tests = list[tuple[str, Spread]]
"""What is tested against 0, each with what it is of."""


@dataclass(frozen=True)
class Evidence:
    """What one kind of evidence says: `SHARED`, `SEPARATE` or `NEITHER`, and in words."""

    speaks: str
    words: str
    changes: tuple[tuple[str, Spread], ...] = ()


def judge(cells: Cells, numbers: Mapping[str, Any]) -> list[Verdict]:
    """A verdict for each two corpora or more that are trained on together with a control."""
    sets = scramble.contradictions(cells)
    lacking = cells.study.exhibits["heldout"].columns if "heldout" in cells.study.exhibits else ()
    joints = list(dict.fromkeys([*(tuple(map(corpus_of, train)) for train in sets), *lacking]))
    found = []
    for joint in joints:
        of_joint = [train for train in sets if tuple(map(corpus_of, train)) == joint]
        verdict = _judge(cells, joint, of_joint)
        if len(joints) > 1:
            title = cells.study.title_of(joint)
            name, claim = f"{NAME} {'+'.join(joint)}", f"{CLAIM}: {title}"
            verdict = replace(verdict, name=name, claim=claim)
        found.append(verdict)
    return found


def _judge(cells: Cells, joint: TrainingSet, sets: Sequence[TrainingSet]) -> Verdict:
    """Of a joint training, by those on the same corpora in which the labels of one are permuted."""
    deciding = [of for of in (_direction(cells, sets), _heldout(cells, joint)) if of]
    found = [*deciding, *filter(None, [_third(cells, sets)])]
    if not found:
        why = guessing(cells, joint)
        known = (
            f"cannot be said: nothing was learnt ({why})"
            if why
            else "cannot be said yet: no control is done and has an interval"
        )
        return Verdict(NAME, CLAIM, UNTOLD, f"Whether labels are shared or kept apart {known}.")
    speaks = [of.speaks for of in deciding]
    said = [*(of.words for of in found), *filter(None, [_probe(cells, joint)])]
    answer = UNTOLD
    if SHARED in speaks and SEPARATE in speaks:
        said.append("The evidence disagrees, so neither is concluded.")
    elif SHARED in speaks:
        answer = FAILS
        said.append(APPLIED)
    elif speaks == [SEPARATE, SEPARATE]:
        answer = HOLDS
    else:
        said.append("That is not enough to say whether labels are shared or kept apart.")
    changes = tuple(each for of in found for each in of.changes)
    return Verdict(NAME, CLAIM, answer, " ".join(said), changes, UNIT)


def _learnt(cells: Cells, train: TrainingSet, rate: int) -> bool:
    """Whether a joint training shows at a rate that it learnt something on true labels."""
    true = tuple(map(corpus_of, train))
    return not guessing(cells, true, rate) and any(cells.row(true, name, rate)["above"] for name in true)


def _direction(cells: Cells, sets: Sequence[TrainingSet]) -> Evidence | None:
    """Where the loss by permuted labels goes, on the corpora trained on, at the lowest rate that has such.

    Two permutations of one corpus are held against each other, which takes off whatever disturbs alike; with
    one alone, its loss against where errors go anyway.
    """
    rate = min((at.augment_percent for at in cells.study.conditions if at.train in sets), default=0)
    sets = [train for train in sets if _learnt(cells, train, rate)]
    every = [of for train in sets for of in permuted.directions(cells, train, rate)]
    own = [of for of in every if of.corpus in map(corpus_of, of.train)]
    gained = [of.to_partner() for of in own]
    if not any(of.known for of in gained):
        return None
    how = "the partner of the permutation that was learnt is said more often than by networks of the other"
    pairs = [pair for pair in itertools.combinations(sets, 2) if _twins(*pair)]
    tests = _crossed(cells, pairs, rate)
    if not pairs:
        how = "more goes to the partner than errors on true labels do"
        tests = [(_where(cells, of), beyond) for of in own if (beyond := of.beyond()).known]
    drawn = _clearly_up([of for _, of in tests]).count(True)
    small = all(of.known and of.high < MARGIN for of in gained)
    speaks = SHARED if drawn else SEPARATE if small else NEITHER
    said = {
        SHARED: f"{how}, clearly in {drawn} of {many(len(tests), 'case')}",
        SEPARATE: f"less than {MARGIN} more of the clips are called by their partner anywhere",
        NEITHER: f"whether {how} cannot be told",
    }[speaks]
    words = [f"{name} {moved(of)}" for name, of in tests]
    words += [_lost(cells, of) for of in own if of.lost().known]
    changes = tuple((f"to the partner, {name}", of) for name, of in tests)
    return Evidence(speaks, f"Direction of errors: {said} ({'; '.join(words)}).", changes)


def _crossed(cells: Cells, pairs: Sequence[tuple[TrainingSet, TrainingSet]], rate: int) -> Tests:
    """How much more often the partner is said than by networks of another permutation."""
    title_of = cells.study.title_of
    return [
        (f"{title_of(name)}, {title_of(one)} against {title_of(other)}", of)
        for one, other in pairs
        for name in map(corpus_of, one)
        if (of := permuted.crossed(cells, one, other, name, rate)).known
    ]


def _clearly_up(spreads: Sequence[Spread]) -> list[bool]:
    """Of each whether it is clearly above 0, after Holm's correction over all."""
    clear = intervals.holm([of.p for of in spreads]) < intervals.CHANCE
    return [bool(so) and of.mean > 0 for of, so in zip(spreads, clear, strict=True)]


def _twins(one: TrainingSet, other: TrainingSet) -> bool:
    """Whether two training sets differ in the permutation of one corpus only."""
    same = list(map(corpus_of, one)) == list(map(corpus_of, other))
    return same and sum(name != of for name, of in zip(one, other, strict=True)) == 1


def _lost(cells: Cells, of: permuted.Direction) -> str:
    """What a permutation costs on a corpus, and how much of it goes to the partner."""
    usual = f"{of.usual():.0%} of errors on true labels"
    return f"{_where(cells, of)}: {moved(of.lost())} lost, of it {_share(of.share())} to the partner, {usual}"


def _where(cells: Cells, of: permuted.Direction) -> str:
    return f"{cells.study.titles[of.corpus]}, {cells.study.title_of(of.train)}"


def _share(of: Spread) -> str:
    """A share with its interval, in percent."""
    return "an unknown share" if np.isnan(of.mean) else interval(of.mean, of.low, of.high, "{:.0%}".format)


def _heldout(cells: Cells, joint: TrainingSet) -> Evidence | None:
    """Whether labels that a corpus lacks are known, over a joint training's corpora and rates."""
    asked = cells.study.exhibits.get("heldout")
    if asked is None or joint not in asked.columns:
        return None
    places = [(corpus, rate) for rate in asked.rates for corpus in asked.lacks(joint)]
    found = list(_lacking(cells, joint, places))
    if not found:
        return None
    left = len(places) - len(found)
    known = _clearly_up([cell.above() for _, cell in found]).count(True)
    could = all(cell.ceiling().low >= HARDLY for _, cell in found)
    rare = all(cell.held.around().high < HARDLY for _, cell in found) and not left
    whole = asked.lacks(joint) == joint  # of a corpus that lacked nothing, nothing is said
    speaks = SHARED if known else SEPARATE if rare and could and whole else NEITHER
    alone = "; networks of the other corpora alone do not clearly know these labels either" * (not could)
    said = {
        SHARED: f"is known from the others in {known} of {many(len(found), 'case')}",
        SEPARATE: f"is hardly known from the others, its recall below {HARDLY} on average in each case",
        NEITHER: f"may or may not be known from the others, which cannot be told{alone}",
    }[speaks]
    words = [
        f"{name}: {cell.held.mean:.2f} of its clips, {moved(cell.above())} above what else is called so,"
        f" {_share(cell.share())} of the recall with it; of the others alone {moved(cell.ceiling())}"
        for name, cell in found
    ]
    words[-1] += f"; {left} more not done" * bool(left)
    sentence = f"Held-out cells: a label that a corpus lacks in joint training {said} ({'; '.join(words)})."
    changes = tuple((f"held out, {name}", cell.above()) for name, cell in found)
    return Evidence(speaks, sentence, changes)


def _lacking(
    cells: Cells, joint: TrainingSet, places: Sequence[tuple[str, int]]
) -> Iterator[tuple[str, heldout.Cell]]:
    """What is known on a corpus, at a rate, of the labels that it lacks, where joint training learnt."""
    for corpus, rate in places:
        cell = heldout.by_label(cells, joint, corpus, rate)[-1]
        if _learnt(cells, joint, rate) and cell.above().known:
            place = f"{cells.study.title_of(joint)}, {cells.study.titles[corpus]} without it, {rate} %"
            yield place, cell


def _third(cells: Cells, sets: Sequence[TrainingSet]) -> Evidence | None:
    """Whether permuted labels of one corpus reach corpora that are not trained on.

    A network with a set of labels for each corpus may label strange clips by either, so this never decides.
    """
    rate = min(cells.study.rates_percent)
    changes = [
        scramble.of_place(cells, train, corpus.name, rate)
        for train in sets
        for corpus in cells.study.corpora
        if corpus.name not in map(corpus_of, train)
    ]
    family = Family(cells.study, changes)
    if not family.counted:
        return None
    said = f"Unseen corpora, when one corpus's labels are permuted: {family.said()}"
    if any(family.clear()):
        said += "; what one corpus is taught may reach clips of neither, or training was disturbed"
    named = tuple((f"unseen, {each.name}", each.spread) for each in family.counted)
    return Evidence(NEITHER, f"{said}.", named)


def _probe(cells: Cells, joint: TrainingSet) -> str:
    """How well a joint training's corpora are told apart, from the embedding and from plain statistics."""
    rate = min(cells.study.rates_percent)
    embedding, plain = (cells.evidence.told_apart(joint, rate, of) for of in ("embedding", "statistics"))
    if np.isnan(embedding):
        return ""
    chance = f"0.5 by chance, {many(len(cells.runs(joint, rate)), 'run')}"
    return (
        f"Probe: {cells.study.title_of(joint)}: which corpus a clip is of is read with a mean recall of"
        f" {embedding:.2f} from the embedding and {plain:.2f} from log-mel statistics ({chance});"
        " that they can be told apart does not say that labels are kept apart."
    )
