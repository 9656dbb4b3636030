"""The paper's two questions as three claims, each with a verdict made from a study's numbers.

1. There is a gap between corpora. Networks of one corpus tested on another, at the lowest rate, relative to
   the baseline of the tested corpus.
2. Augmentation changes what unseen corpora get. Every training set on every corpus that it did not learn
   from, at the higher rates relative to the lowest.
3. The network notices swapped labels. Joint training with one corpus's labels swapped, relative to the same
   with its own labels: on the swapped corpus (each under the labels that it was taught) and on the others.

A sentence never claims more than the spread of its numbers allows (`benchmark.report.intervals`): a change
counts where its interval leaves out 0, and an effect is claimed where chance alone seldom gives as many of
them. Swapped labels are noticed where such a change may be one of `NOTICED`, up or down; "does not notice"
("hardly", where a change is clear and small) needs intervals that leave out both. Where nothing was learnt,
nothing is concluded: a network that guesses has no gap to bridge and no labels to notice.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmark.report import intervals
from benchmark.report.cells import Cells
from benchmark.report.intervals import SINGLE, Spread
from benchmark.report.tables import signed
from benchmark.study import Grid, Study, TrainingSet
from serkit.labels import corpus_of, is_permuted
from serkit.words import many

QUESTION = (
    "Does data augmentation bridge the gap between speech-emotion corpora, and does the network learn"
    " emotions at all, or does it memorise each corpus?"
)
SELDOM = intervals.BY_CHANCE
"""An effect is claimed where chance gives as many clear changes no more often than this, as one of them."""
NOTICED = 0.05
"""A change of wF1 that counts as noticed. Ours, because the paper gives none: five times what its
own trainings of one condition differ by, and below the 0.08 that it calls an improvement."""

Pair = tuple[TrainingSet, str]

HOLDS, FAILS, UNTOLD = "holds", "does not hold", "cannot be told"
GAP = "there is a gap between corpora"
BRIDGED = "augmentation changes what unseen corpora get"
NOTICES = "the network notices swapped labels"
NOT_ASKED = "is not asked by this study"


@dataclass(frozen=True)
class Verdict:
    """What a study says of a claim."""

    claim: str
    answer: str  # `HOLDS`, `FAILS` or `UNTOLD`
    sentence: str  # the answer with its numbers
    changes: tuple[Spread, ...] = ()  # of wF1 that it rests on


def verdicts(cells: Cells) -> list[Verdict]:
    """The verdicts, from the runs that are done; of the third claim one for each joint training."""
    grid = cells.study.exhibits.get("figure3", Grid(()))
    joint = [train for train in grid.columns if len(train) > 1 and any(map(is_permuted, train))]
    not_asked = Verdict(NOTICES, UNTOLD, f"Whether the network notices contradictory labels {NOT_ASKED}.")
    swapped = [_joint(cells, train) for train in joint] or [not_asked]
    return [_gap(cells), _augmentation(cells), *swapped]


def sentences(cells: Cells) -> list[str]:
    """What is said of each claim."""
    by_claim = itertools.groupby(verdicts(cells), key=lambda verdict: verdict.claim)
    return [" ".join(verdict.sentence for verdict in of_claim) for _, of_claim in by_claim]


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
    changes = {}
    for train, test in pairs:
        ours, baseline = cells.units(train, test, rate), cells.units((test,), test, rate)
        changes[train, test] = [intervals.difference(ours, baseline)]
    needed = [((test,), rate) for _, test in pairs]
    _, done, said = _count(cells, changes, needed, "no such pair is done")
    if not done:
        return Verdict(GAP, UNTOLD, f"{question} {said}.")
    above, below = _clear(done)
    sentence = (
        f"Trained on one corpus and tested on another, at {rate} % augmentation, wF1 differs from the tested"
        f" corpus's own baseline by {_range(done)}; it is lower by more than its spread in {below} of"
        f" {many(len(done), 'pair')}{f' and higher in {above}' * bool(above)}{said}."
    )
    return Verdict(GAP, _answer(below, len(done)), sentence, done)


def _augmentation(cells: Cells) -> Verdict:
    lowest, *rates = sorted(cells.study.rates_percent)
    pairs, question = _unseen(cells.study), "Whether augmentation bridges a gap"
    if not pairs or not rates:
        return Verdict(BRIDGED, UNTOLD, f"{question} {NOT_ASKED}.")
    changes, stays_below = {}, {}
    for train, test in pairs:
        plain, baseline = cells.units(train, test, lowest), cells.units((test,), test, lowest)
        augmented = [cells.units(train, test, rate) for rate in rates]
        changes[train, test] = [intervals.difference(units, plain) for units in augmented]
        beside = [intervals.difference(units, baseline) for units in augmented]
        if all(change.known for change in beside):
            stays_below[train, test] = all(change.high < 0 for change in beside)
    needed = [(train, rate) for train, _ in pairs for rate in (lowest, *rates)]
    counted, done, said = _count(cells, changes, needed, "no such condition is done at two rates")
    if not done:
        return Verdict(BRIDGED, UNTOLD, f"{question} {said}.")
    up, down = _clear(done)
    span = " to ".join(map(str, dict.fromkeys((rates[0], rates[-1]))))
    median = signed(float(np.median([change.mean for change in done])))
    sentence = (
        f"Augmenting {span} % of the training clips changes wF1 on corpora that were not trained on by"
        f" {_range(done)} (median {median}), compared with the same training at {lowest} %: by more than its"
        f" spread up in {up} and down in {down} of {many(len(done), 'cell')}{said}"
    )
    answer = _answer(up + down, len(done))
    below = [stays_below[pair] for pair in counted if pair in stays_below]
    if answer == UNTOLD:
        sentence += ", so no effect can be told from chance"
    elif below:
        staying = f"{sum(below)} of {many(len(below), 'pair')}"
        sentence += f"; {staying} stay clearly below the baseline at every rate"
    return Verdict(BRIDGED, answer, f"{sentence}.", done)


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
    guessing = "; ".join(dict.fromkeys(itertools.chain(*guessed.values())))
    pairs = [pair for pair, homes in guessed.items() if not homes]
    counted = tuple(change for pair in pairs for change in known[pair])
    done, asked = (sum(map(len, of.values())) for of in (known, changes))
    if not counted:
        why = f"cannot be said: nothing was learnt ({guessing})"
        return pairs, counted, why if done else _not_done(cells.study, needed, what)
    by_chance = SELDOM * len(counted)
    said = f"{_basis(counted)}, where chance alone gives"
    said += f" about {by_chance:.0f}" if by_chance >= 1 else " less than 1"
    said += f" ({done} of {asked} done)" * (done < asked)
    if lost := len(guessed) - len(pairs):
        said += f" ({many(lost, 'pair')} left out, where nothing was learnt: {guessing})"
    return pairs, counted, said


def _clear(changes: Sequence[Spread]) -> tuple[int, int]:
    """How many lie above 0 by more than their spread, and below."""
    return sum(change.low > 0 for change in changes), sum(change.high < 0 for change in changes)


def _guessed(cells: Cells, train: TrainingSet, test: str) -> list[str]:
    """Of a pair's trainings, the set's and the test's own, those that are no better than guessing at home."""
    rate = min(cells.study.rates_percent)
    guessed = []
    for of in (train, (test,)):
        known = [learnt for name in of if (learnt := cells.learnt(of, name, rate))]
        if known and not any(learnt.shown for learnt in known):
            guessed.append(_recall(cells, of, of[0]))
    return guessed


def _recall(cells: Cells, train: TrainingSet, test: str) -> str:
    title_of, rate = cells.study.title_of, min(cells.study.rates_percent)
    trained = "" if train == (test,) else f"{title_of(train)} on "
    return f"{trained}{title_of(test)} {cells.learnt(train, test, rate)}"


def _not_done(study: Study, needed: Iterable[tuple[TrainingSet, int]], what: str) -> str:
    """What is said of what is not done, or not even asked for."""
    asked = {condition[:2] for exhibit in study.exhibits.values() for condition in exhibit.conditions(study)}
    missing = [at for at in dict.fromkeys(needed) if at not in asked]
    if not missing:
        return f"cannot be said yet: {what}"
    named = " or ".join(f"{study.title_of(train)} at {rate} %" for train, rate in missing)
    return f"cannot be said: this study does not train on {named}"


def _joint(cells: Cells, train: TrainingSet) -> Verdict:
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
        why = _not_done(cells.study, [(train, rate), (true, rate)], what)
        return Verdict(NOTICES, UNTOLD, f"{question} {why}.")
    learnt = {name: cells.learnt(true, corpus_of(name), rate) for name in changes}
    guessed = [name for name, one in learnt.items() if one and not one.shown]
    homes = "; ".join(dict.fromkeys(_recall(cells, true, corpus_of(name)) for name in guessed))
    if len(guessed) == len(changes):
        return Verdict(NOTICES, UNTOLD, f"{question} cannot be said: nothing was learnt ({homes}).")
    ends = " and by ".join(
        f"{signed(change.mean)} [{signed(change.low)}, {signed(change.high)}] on {title_of(corpus_of(name))}"
        f"{' under the swapped labels' * is_permuted(name)}"
        for name, change in changes.items()
    )
    told = {title_of(corpus_of(name)): of for name, of in changes.items() if name not in guessed}
    answer, noticed = _noticed(told, f"nothing was learnt to tell it by ({homes})" * bool(guessed))
    sentence = (
        f"With {who}'s labels swapped in joint training ({title_of(train)}, {rate} %), wF1 changes, compared"
        f" with the same training on the true labels, by {ends}{_basis(changes.values())}: {noticed}."
    )
    return Verdict(NOTICES, answer, sentence, tuple(told.values()))


def _noticed(changes: Mapping[str, Spread], besides: str) -> tuple[str, str]:
    """What changes by corpus, swapped minus true, say of a network: the answer, and in words.

    `besides`: what cannot be told of the corpora on which nothing was learnt; empty where there are none.
    """
    falls = [title for title, change in changes.items() if change.high < 0 and change.low <= -NOTICED]
    rises = [title for title, change in changes.items() if change.low > 0 and change.high >= NOTICED]
    within = [title for title, change in changes.items() if -NOTICED < change.low and change.high < NOTICED]
    wide = [title for title in changes if title not in (*falls, *rises, *within)]
    lost, gained = f"on {' and '.join(falls)}", f"with a gain on {' and '.join(rises)}"
    by = "by that yardstick " * any(change.of == SINGLE for change in changes.values())
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
        notices = "hardly notices" if any(change.clear for change in changes.values()) else "does not notice"
        return FAILS, (
            f"{by}the network {notices} (a change of {NOTICED}, up or down, is excluded), as one would that"
            " keeps a set of labels for each corpus"
        )
    return HOLDS, f"{by}the network notices {how}"


def _range(changes: Sequence[Spread]) -> str:
    means = [change.mean for change in changes]
    return " to ".join(dict.fromkeys((signed(min(means)), signed(max(means)))))


def _basis(changes: Collection[Spread]) -> str:
    """What the intervals rest on, and how many are none: single runs have yardsticks."""
    over = intervals.over((change.n, change.of) for change in changes)
    said = [f"95 % over {over}"] if over else []
    single = sum(change.of == SINGLE for change in changes)
    said += [f"{single} of them by single runs, a yardstick and no interval"] if single else []
    return f" ({'; '.join(said)})"


def _answer(clear: int, of: int) -> str:
    """Whether so many clear changes are more than chance gives."""
    return HOLDS if _by_chance(clear, of) <= SELDOM + 1e-9 else UNTOLD


def _by_chance(clear: int, of: int) -> float:
    """Probability that at least so many of some changes look clear where none is, taken as independent."""
    from scipy.special import bdtrc

    return float(bdtrc(clear - 1, of, SELDOM)) if clear else 1.0
