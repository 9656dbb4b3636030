"""The paper's two questions as three claims, each with a verdict made from a study's numbers.

1. There is a gap between corpora. Networks of one corpus tested on another, at the lowest rate, relative to
   the baseline of the tested corpus.
2. Augmentation changes what unseen corpora get. Every training set on every corpus that it did not learn
   from, at the higher rates relative to the lowest.
3. The network notices swapped labels. Joint training with one corpus's labels swapped, relative to the same
   with its own labels: on the swapped corpus (each under the labels that it was taught) and on the others.

A sentence never claims more than the spread of its numbers allows (`benchmark.report.intervals`): a change
counts where it is clear after Holm's correction over all changes that the claim rests on, and an effect is
claimed where one does. Swapped labels are noticed where such a change may be one of `NOTICED`, up or down;
"does not notice" ("hardly", where a change is clear and small) needs intervals that leave out both. What has
no interval, is not done yet or not asked for, is said. Where nothing was learnt, nothing is concluded: a
network that guesses has no gap to bridge and no labels to notice; nor is a change between two cells that a
constant predictor has too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.report import intervals
from benchmark.report.cells import Cells
from benchmark.report.intervals import Spread
from benchmark.report.tables import signed
from benchmark.study import Grid, Study, TrainingSet
from serkit.labels import corpus_of, is_permuted
from serkit.words import many

QUESTION = (
    "Does data augmentation bridge the gap between speech-emotion corpora, and does the network learn"
    " emotions at all, or does it memorise each corpus?"
)
NOTICED = 0.05
"""A change of wF1 that counts as noticed. Ours, because the paper gives none: as much as other names for the
labels of one corpus change there, and below the 0.08 that it calls an improvement."""

Pair = tuple[TrainingSet, str]

HOLDS, FAILS, UNTOLD = "holds", "does not hold", "cannot be told"
GAP = "there is a gap between corpora"
BRIDGED = "augmentation changes what unseen corpora get"
NOTICES = "the network notices swapped labels"
NOT_ASKED = "is not asked by this study"


@dataclass(frozen=True)
class Verdict:
    """What a study says of a claim.

    Attributes:
        claim: in a few words.
        answer: `HOLDS`, `FAILS` or `UNTOLD`.
        sentence: the answer with its numbers.
        changes: of wF1 that it rests on.
    """

    claim: str
    answer: str
    sentence: str
    changes: tuple[Spread, ...] = ()


def verdicts(cells: Cells) -> list[Verdict]:
    """The verdicts, from the runs that are done; of the third claim one for each joint training."""
    return [_gap(cells), _augmentation(cells), *_scramble(cells)]


def sentences(cells: Cells) -> list[str]:
    """What is said of each claim."""
    said: dict[str, list[str]] = {}
    for verdict in verdicts(cells):
        said.setdefault(verdict.claim, []).append(verdict.sentence)
    return [" ".join(of_claim) for of_claim in said.values()]


def _unseen(study: Study) -> list[Pair]:
    """Figure 2's training sets under true labels, each with the corpora that it did not learn from."""
    grid = study.exhibits.get("figure2", Grid(()))
    return [
        (train, test)
        for train in grid.columns
        for test in grid.tests
        if test not in train and not any(map(is_permuted, (*train, test)))
    ]


def _gap(cells: Cells) -> Verdict:
    rate = min(cells.study.rates_percent)
    pairs = [pair for pair in _unseen(cells.study) if len(pair[0]) == 1]
    question = "Whether a network of one corpus works on another"
    if not pairs:
        return Verdict(GAP, UNTOLD, f"{question} {NOT_ASKED}.")
    changes, silent = {}, 0
    for train, test in pairs:
        ours, baseline = cells.units(train, test, rate), cells.units((test,), test, rate)
        change = intervals.difference(ours, baseline)
        heard = not change.known or _heard(cells, (train, test, rate), ((test,), test, rate))
        changes[train, test] = [change] * heard
        silent += not heard
    needed = [((test,), rate) for _, test in pairs]
    left = f"{many(silent, 'pair')} whose two cells are not above what is had without listening"
    if silent and not any(changes.values()):
        return Verdict(GAP, UNTOLD, f"{question} cannot be said: {left}.")
    counted, done, said = _count(cells, changes, needed, "no such pair is done")
    if not done:
        return Verdict(GAP, UNTOLD, f"{question} {said}.")
    said += f"; {left}, left out" * bool(silent)
    above, below = _clear(done)
    deaf = [_heard(cells, (*pair, rate)) for pair in counted].count(False)
    sentence = (
        f"Trained on one corpus and tested on another, at {rate} % augmentation, wF1 differs from the tested"
        f" corpus's own baseline by {_range(done)}; it is clearly lower in {below} of"
        f" {many(len(done), 'pair')}{f' and higher in {above}' * bool(above)}{said}."
        f" In {deaf} of {many(len(done), 'pair')} it is not above what is had without listening."
    )
    return Verdict(GAP, HOLDS if below else UNTOLD, sentence, done)


def _augmentation(cells: Cells) -> Verdict:
    lowest, *rates = sorted(cells.study.rates_percent)
    pairs, question = _unseen(cells.study), "Whether augmentation bridges a gap"
    if not pairs or not rates:
        return Verdict(BRIDGED, UNTOLD, f"{question} {NOT_ASKED}.")
    changes, stays_below, silent = {}, {}, 0
    for train, test in pairs:
        plain, baseline = cells.units(train, test, lowest), cells.units((test,), test, lowest)
        augmented = [cells.units(train, test, rate) for rate in rates]
        moved = {
            rate: intervals.difference(units, plain) for rate, units in zip(rates, augmented, strict=True)
        }
        places = {rate: [(train, test, at) for at in (lowest, rate)] for rate in rates}
        kept = [rate for rate in rates if not moved[rate].known or _heard(cells, *places[rate])]
        silent += len(rates) - len(kept)
        changes[train, test] = [moved[rate] for rate in kept]
        beside = [intervals.difference(units, baseline) for units in augmented]
        if all(change.known for change in beside):
            stays_below[train, test] = all(change.high < 0 for change in beside)
    needed = [(train, rate) for train, _ in pairs for rate in (lowest, *rates)]
    counted, done, said = _count(cells, changes, needed, "no such condition is done at two rates")
    deaf = "above what is had without listening, with augmentation or without"
    if silent and not any(changes.values()):
        why = f"none of {many(silent, 'cell')} is {deaf}"
        return Verdict(BRIDGED, UNTOLD, f"{question} cannot be said: {why}.")
    said += f"; {many(silent, 'cell')} not {deaf}, left out" * bool(silent)
    if not done:
        return Verdict(BRIDGED, UNTOLD, f"{question} {said}.")
    up, down = _clear(done)
    span = " to ".join(map(str, dict.fromkeys((rates[0], rates[-1]))))
    median = signed(float(np.median([change.mean for change in done])))
    sentence = (
        f"Augmenting {span} % of the training clips changes wF1 on corpora that were not trained on by"
        f" {_range(done)} (median {median}), compared with the same training at {lowest} %: clearly up in"
        f" {up} and down in {down} of {many(len(done), 'cell')}{said}"
    )
    answer = HOLDS if up + down else UNTOLD
    below = [stays_below[pair] for pair in counted if pair in stays_below]
    if answer == UNTOLD:
        sentence += ", so no effect can be told from chance"
    elif below:
        staying = f"{sum(below)} of {many(len(below), 'pair')}"
        sentence += f"; {staying} stay clearly below the baseline at every rate"
    return Verdict(BRIDGED, answer, f"{sentence}.", done)


def _heard(cells: Cells, *places: tuple[TrainingSet, str, int]) -> bool:
    """Whether one of some cells is above what is had without listening."""
    return any(cells.row(*place)["above"] for place in places)


def _count(
    cells: Cells,
    changes: Mapping[Pair, Sequence[Spread]],
    needed: Iterable[tuple[TrainingSet, int]],
    what: str,
) -> tuple[list[Pair], tuple[Spread, ...], str]:
    """Of changes on unseen corpora those that count, since they are done and something was learnt.

    Returns:
        their training sets and corpora; the changes; what they rest on, and what is said of the others. Where
        none counts, why: `what` is not done, or the study does not ask for all of `needed`.
    """
    known = {pair: [change for change in of if change.known] for pair, of in changes.items()}
    guessed = {pair: _guessed(cells, *pair) for pair, of in known.items() if of}
    guessing = _learnt_nothing(cells, [home for homes in guessed.values() for home in homes])
    pairs = [pair for pair, homes in guessed.items() if not homes]
    counted = tuple(change for pair in pairs for change in known[pair])
    done, asked = (sum(map(len, of.values())) for of in (known, changes))
    if not done:
        every = [change for of in changes.values() for change in of]
        return pairs, counted, _not_done(cells.study, needed, what, every)
    if not counted:
        return pairs, counted, f"cannot be said: nothing was learnt ({guessing})"
    said = f"{_basis(counted)}"
    said += f" ({done} of {asked} are done and have an interval)" * (done < asked)
    if lost := len(guessed) - len(pairs):
        said += f" ({many(lost, 'pair')} left out, where nothing was learnt: {guessing})"
    return pairs, counted, said


def _clear(changes: Sequence[Spread]) -> tuple[int, int]:
    """How many are clear after correction for how many there are: above 0, and below."""
    clear = intervals.holm([change.p for change in changes]) < intervals.CHANCE
    up = np.array([change.mean > 0 for change in changes])
    return int((clear & up).sum()), int((clear & ~up).sum())


def _guessed(cells: Cells, train: TrainingSet, test: str) -> list[Pair]:
    """The trainings of a pair that cannot be told from guessing at home: the set's, the test's own."""
    rate = min(cells.study.rates_percent)
    guessing = []
    for of in (train, (test,)):
        known = [learnt for name in of if (learnt := cells.learnt(of, name, rate))]
        if known and not any(learnt.shown for learnt in known):
            guessing.append((of, of[0]))
    return guessing


def _learnt_nothing(cells: Cells, homes: Iterable[Pair]) -> str:
    """Which trainings cannot be told from guessing, with their recall."""
    title_of, rate = cells.study.title_of, min(cells.study.rates_percent)
    said = []
    for train, test in dict.fromkeys(homes):
        trained = "" if train == (test,) else f"{title_of(train)} on "
        said.append(f"{trained}{title_of(test)} {cells.learnt(train, test, rate)}")
    return "; ".join(said)


def _not_done(
    study: Study, needed: Iterable[tuple[TrainingSet, int]], what: str, changes: Iterable[Spread]
) -> str:
    """What is said of what is not done, has no interval, or is not even asked for."""
    asked = {condition[:2] for exhibit in study.exhibits.values() for condition in exhibit.conditions(study)}
    missing = [at for at in dict.fromkeys(needed) if at not in asked]
    if not missing:
        if any(change.of == intervals.ALONE for change in changes):
            what = "nothing tells what another training or fold would give, so there is no interval"
        return f"cannot be said yet: {what}"
    named = " or ".join(f"{study.title_of(train)} at {rate} %" for train, rate in missing)
    return f"cannot be said: this study does not train on {named}"


def _scramble(cells: Cells) -> list[Verdict]:
    grid = cells.study.exhibits.get("figure3", Grid(()))
    joint = [train for train in grid.columns if len(train) > 1 and any(map(is_permuted, train))]
    if not joint:
        return [Verdict(NOTICES, UNTOLD, f"Whether the network notices contradictory labels {NOT_ASKED}.")]
    return [_joint(cells, train) for train in joint]


def _joint(cells: Cells, train: TrainingSet) -> Verdict:
    """What one joint training with swapped labels says."""
    rate, title_of = min(cells.study.rates_percent), cells.study.title_of
    true = tuple(map(corpus_of, train))
    changes = {
        name: intervals.difference(cells.units(train, name, rate), cells.units(true, corpus_of(name), rate))
        for name in sorted(train, key=is_permuted, reverse=True)
    }
    who = title_of([corpus_of(name) for name in train if is_permuted(name)])
    question = f"Whether the network notices when {who}'s labels are swapped in joint training"
    if not all(change.known for change in changes.values()):
        what = f"{title_of(train)} or {title_of(true)} is not done at {rate} %"
        why = _not_done(cells.study, [(train, rate), (true, rate)], what, changes.values())
        return Verdict(NOTICES, UNTOLD, f"{question} {why}.")
    learnt = {name: cells.learnt(true, corpus_of(name), rate) for name in changes}
    guessed = [name for name, one in learnt.items() if one and not one.shown]
    places = {name: [(train, name, rate), (true, corpus_of(name), rate)] for name in changes}
    silent = [name for name in changes if name not in guessed and not _heard(cells, *places[name])]
    homes = _learnt_nothing(cells, [(true, corpus_of(name)) for name in guessed])
    below = [title_of(corpus_of(name)) for name in silent]
    deaf = f"wF1 on {' and '.join(below)} is not above what is had without listening" * bool(silent)
    if len(guessed) + len(silent) == len(changes):
        nothing = f"nothing was learnt ({homes})" * bool(guessed)
        why = ", and ".join(filter(None, [nothing, deaf]))
        return Verdict(NOTICES, UNTOLD, f"{question} cannot be said: {why}.")
    ends = " and by ".join(
        f"{signed(change.mean)} [{signed(change.low)}, {signed(change.high)}] on {title_of(corpus_of(name))}"
        f"{' under the swapped labels' * is_permuted(name)}"
        for name, change in changes.items()
    )
    told = {title_of(corpus_of(name)): changes[name] for name in changes if name not in (*guessed, *silent)}
    unlearnt = f"nothing was learnt to tell it by ({homes})" * bool(guessed)
    answer, noticed = _noticed(told, ", and ".join(filter(None, [unlearnt, deaf])))
    sentence = (
        f"With {who}'s labels swapped in joint training ({title_of(train)}, {rate} %), wF1 changes, compared"
        f" with the same training on the true labels, by {ends}{_basis(told.values())}: {noticed}."
    )
    return Verdict(NOTICES, answer, sentence, tuple(told.values()))


def _noticed(changes: Mapping[str, Spread], besides: str) -> tuple[str, str]:
    """What changes by corpus, swapped minus true, say of a network: the answer, and in words.

    `besides`: what cannot be told of the corpora on which nothing was learnt; empty where there are none.
    """
    holm = dict(zip(changes, intervals.holm([change.p for change in changes.values()]), strict=True))
    clear = [title for title in changes if holm[title] < intervals.CHANCE]
    falls = [title for title in clear if changes[title].mean < 0 and changes[title].low <= -NOTICED]
    rises = [title for title in clear if changes[title].mean > 0 and changes[title].high >= NOTICED]
    within = [title for title, change in changes.items() if -NOTICED < change.low and change.high < NOTICED]
    wide = [title for title in changes if title not in (*falls, *rises, *within)]
    lost, gained = f"on {' and '.join(falls)}", f"with a gain on {' and '.join(rises)}"
    if falls and rises:
        how = f"{lost} with a loss, {gained}: the swap matters to it, and why cannot be told from this"
    elif falls:
        how = (
            f"{lost}, so it does not learn the corpora wholly apart; whether they share what it learns of a"
            " label or disturb one another, this does not tell"
        )
    elif rises:
        how = (
            f"{gained}: the corpora agree better under the swapped labels, or their training on the true"
            " ones went badly; separate sets of labels do not follow from it"
        )
    elif wide or besides:
        unclear = f"a change of {NOTICED} or more is not excluded on {' and '.join(wide)}" * bool(wide)
        why = ", and ".join(filter(None, [unclear, besides]))
        return UNTOLD, f"whether the network notices cannot be told, {why}"
    else:
        notices = "hardly notices" if clear else "does not notice"
        return FAILS, (
            f"the network {notices} (a change of {NOTICED}, up or down, is excluded), as one would that"
            " keeps a set of labels for each corpus"
        )
    return HOLDS, f"the network notices {how}"


def _range(changes: Sequence[Spread]) -> str:
    means = [change.mean for change in changes]
    return " to ".join(dict.fromkeys((signed(min(means)), signed(max(means)))))


def _basis(changes: Collection[Spread]) -> str:
    """What the intervals rest on, and how many changes are corrected for."""
    over = intervals.over((change.n, change.of) for change in changes)
    return f" (95 % over {over}; {many(len(changes), 'change')} corrected for)" if over else ""
