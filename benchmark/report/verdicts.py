"""The paper's two questions, answered in three sentences made from a study's numbers.

1. Is there a gap between corpora? Networks of one corpus tested on another, at the lowest rate, relative to
   the baseline of the tested corpus.
2. Does augmentation bridge it? Every training set on every corpus that it did not learn from, at the
   higher rates relative to the lowest.
3. Does the network learn emotions, or each corpus? Joint training with one corpus's labels swapped, relative
   to the same with its own labels: on the swapped corpus (each under the labels that it was taught) and on
   the others.

A sentence never claims more than the spread of its numbers allows (`benchmark.report.intervals`): a change
counts where its interval leaves out 0, and an effect is claimed where chance alone seldom gives as many of
them. Swapped labels are noticed where such a change may be one of `NOTICED`, up or down; "does not notice"
("hardly", where a change is clear and small) needs intervals that leave out both. Where these are yardsticks
of single runs, what is not done yet and what a study does not ask for, is said. Where nothing was learnt,
nothing is concluded: a network that guesses has no gap to bridge and no labels to notice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from benchmark.report import intervals
from benchmark.report.cells import Answers
from benchmark.report.intervals import SINGLE, Learnt, Spread
from benchmark.report.tables import signed
from benchmark.study import Study, TrainingSet, plan
from serkit.labels import corpus_of, is_permuted
from serkit.specs import TRAINING
from serkit.words import many

QUESTION = (
    "Does data augmentation bridge the gap between speech-emotion corpora, and does the network learn"
    " emotions at all, or does it memorise each corpus?"
)
SELDOM = intervals.BY_CHANCE
"""An effect is claimed where chance gives as many clear changes no more often than this, as one of them."""
NOTICED = 0.05
"""A change of wF1 that nobody would call unnoticed. Ours, because the paper gives none: five times what its
own trainings of one condition differ by, and below the 0.08 that it calls an improvement."""

Pair = tuple[TrainingSet, str]


def sentences(study: Study, found: Answers) -> list[str]:
    """The three sentences, from the runs that are done."""
    asked = _Asked(study, found)
    return [_gap(asked), _augmentation(asked), _scramble(asked)]


@dataclass(frozen=True)
class _Asked:
    """A study and its results, asked for what the sentences compare."""

    study: Study
    found: Answers

    @property
    def rate(self) -> int:
        return min(self.study.rates_percent)

    @cached_property
    def planned(self) -> set[tuple[TrainingSet, int]]:
        specs = [case.spec for case in plan(self.study)]
        return {(spec.train, spec.augment_percent) for spec in specs if spec.kind == TRAINING}

    def units(self, train: TrainingSet, test: str, rate: int) -> intervals.Units:
        return intervals.units(self.study, self.found.results, train, test, rate)

    def columns(self, figure: str) -> list[TrainingSet]:
        return [
            train for exhibit in self.study.exhibits if exhibit.name == figure for train in exhibit.columns
        ]

    def unseen(self) -> list[Pair]:
        """Figure 2's training sets under true labels, each with the corpora that it did not learn from."""
        tests = next((exhibit.tests for exhibit in self.study.exhibits if exhibit.name == "figure2"), ())
        return [
            (train, test)
            for train in self.columns("figure2")
            for test in tests
            if test not in train and not any(is_permuted(name) for name in (*train, test))
        ]

    def learnt(self, train: TrainingSet, test: str) -> Learnt | None:
        return intervals.learnt(self.study, self.found.results, train, test, self.rate)

    def guesses(self, train: TrainingSet, test: str) -> list[tuple[TrainingSet, str]]:
        """Of a pair the trainings that cannot be told from guessing at home: the set's, the test's."""
        at_home = [(train, [self.learnt(train, name) for name in train], train[0])]
        at_home.append(((test,), [self.learnt((test,), test)], test))
        return [
            (of, name)
            for of, shown, name in at_home
            if any(shown) and not any(one.shown for one in shown if one)
        ]

    def not_done(self, needed: Iterable[tuple[TrainingSet, int]], what: str) -> str:
        """The end of a sentence about what is not done, or not even asked for."""
        missing = [at for at in dict.fromkeys(needed) if at not in self.planned]
        if not missing:
            return f"cannot be said yet: {what}"
        named = " or ".join(f"{self.study.title_of(train)} at {rate} %" for train, rate in missing)
        return f"cannot be said: this study does not train on {named}"

    def nothing_learnt(self, homes: Iterable[tuple[TrainingSet, str]]) -> str:
        """Which trainings cannot be told from guessing, with their recall."""
        said = []
        for train, test in dict.fromkeys(homes):
            learnt, title = self.learnt(train, test), self.study.title_of(test)
            trained = "" if train == (test,) else f"{self.study.title_of(train)} on "
            said.append(f"{trained}{title} {learnt}")
        return "; ".join(said)


def _gap(asked: _Asked) -> str:
    pairs = [pair for pair in asked.unseen() if len(pair[0]) == 1]
    question = "Whether a network of one corpus works on another"
    if not pairs:
        return f"{question} is not asked by this study."
    rate = asked.rate
    changes = {
        (train, test): intervals.difference(asked.units(train, test, rate), asked.units((test,), test, rate))
        for train, test in pairs
    }
    known = [pair for pair in pairs if changes[pair].known]
    if not known:
        needed = [((test,), rate) for _, test in pairs]
        return f"{question} {asked.not_done(needed, 'no such pair is done')}."
    guessed = {pair: asked.guesses(*pair) for pair in known}
    done = [changes[pair] for pair in known if not guessed[pair]]
    homes = [home for pair in known for home in guessed[pair]]
    if not done:
        return f"{question} cannot be said: nothing was learnt ({asked.nothing_learnt(homes)})."
    below, above = sum(change.high < 0 for change in done), sum(change.low > 0 for change in done)
    return (
        f"Trained on one corpus and tested on another, at {rate} % augmentation, wF1 differs from the tested"
        f" corpus's own baseline by {_range(done)}; it is lower by more than its spread in {below} of"
        f" {many(len(done), 'pair')}"
        + f" and higher in {above}" * bool(above)
        + f"{_basis(done)}, where chance alone gives {_by_chance_alone(done)}"
        + _left(len(known), len(pairs))
        + _left_out(asked, homes, len(known) - len(done))
        + "."
    )


def _augmentation(asked: _Asked) -> str:
    lowest, *rates = sorted(asked.study.rates_percent)
    pairs, question = asked.unseen(), "Whether augmentation bridges a gap"
    if not pairs or not rates:
        return f"{question} is not asked by this study."
    cells, reached = {}, {}
    for train, test in pairs:
        plain = asked.units(train, test, lowest)
        baseline = asked.units((test,), test, lowest)
        augmented = [asked.units(train, test, rate) for rate in rates]
        cells[train, test] = [intervals.difference(units, plain) for units in augmented]
        beside = [intervals.difference(units, baseline) for units in augmented]
        if all(change.known for change in beside):
            reached[train, test] = not all(change.high < 0 for change in beside)
    known = {pair: [cell for cell in of if cell.known] for pair, of in cells.items()}
    number = sum(map(len, known.values()))
    if not number:
        needed = [(train, rate) for train, _ in pairs for rate in (lowest, *rates)]
        return f"{question} {asked.not_done(needed, 'no such condition is done at two rates')}."
    guessed = {pair: asked.guesses(*pair) for pair, of in known.items() if of}
    homes = [home for of_pair in guessed.values() for home in of_pair]
    done = [cell for pair, of in known.items() if of and not guessed[pair] for cell in of]
    if not done:
        return f"{question} cannot be said: nothing was learnt ({asked.nothing_learnt(homes)})."
    up, down = sum(change.low > 0 for change in done), sum(change.high < 0 for change in done)
    span = f"{rates[0]} to {rates[-1]}" if len(rates) > 1 else f"{rates[0]}"
    said = (
        f"Augmenting {span} % of the training clips changes wF1 on corpora that were not trained on by"
        f" {_range(done)} (median {signed(float(np.median([change.mean for change in done])))}), compared"
        f" with the same training at {lowest} %: by more than its spread up in {up} and down in {down}"
        f" of {many(len(done), 'cell')}{_basis(done)}, where chance alone gives {_by_chance_alone(done)}"
        + _left(number, len(pairs) * len(rates))
        + _left_out(asked, homes, sum(bool(of) for of in guessed.values()))
    )
    told = [reached[pair] for pair in reached if not guessed[pair]]
    if _by_chance(up + down, len(done)) > SELDOM + 1e-9:
        said += ", so no effect can be told from chance"
    elif told:
        said += f"; {told.count(False)} of {many(len(told), 'pair')} stay clearly below the baseline at every"
        said += " rate"
    return said + "."


def _scramble(asked: _Asked) -> str:
    joint = [
        train
        for train in asked.columns("figure3")
        if len(train) > 1 and any(is_permuted(name) for name in train)
    ]
    if not joint:
        return "Whether the network notices contradictory labels is not asked by this study."
    return " ".join(_joint(asked, train) for train in joint)


def _joint(asked: _Asked, train: TrainingSet) -> str:
    """What one joint training with swapped labels says."""
    study, rate = asked.study, asked.rate
    true = tuple(corpus_of(name) for name in train)
    changes: dict[str, Spread] = {}
    for name in sorted(train, key=lambda name: not is_permuted(name)):
        swapped = asked.units(train, name, rate)
        changes[name] = intervals.difference(swapped, asked.units(true, corpus_of(name), rate))
    who = study.title_of([corpus_of(name) for name in train if is_permuted(name)])
    question = f"Whether the network notices when {who}'s labels are swapped in joint training"
    if not all(change.known for change in changes.values()):
        what = f"{study.title_of(train)} or {study.title_of(true)} is not done at {rate} %"
        return f"{question} {asked.not_done([(train, rate), (true, rate)], what)}."
    learnt = {name: asked.learnt(true, corpus_of(name)) for name in changes}
    guessed = [name for name, one in learnt.items() if one and not one.shown]
    homes = asked.nothing_learnt((true, corpus_of(name)) for name in guessed)
    if len(guessed) == len(changes):
        return f"{question} cannot be said: nothing was learnt ({homes})."
    ends = " and by ".join(
        f"{_around(change)} on {study.title_of(corpus_of(name))}"
        + " under the swapped labels" * is_permuted(name)
        for name, change in changes.items()
    )
    told = {study.title_of(corpus_of(name)): changes[name] for name in changes if name not in guessed}
    return (
        f"With {who}'s labels swapped in joint training ({study.title_of(train)}, {rate} %), wF1 changes,"
        f" compared with the same training on the true labels, by {ends}{_basis(list(changes.values()))}: "
        + _noticed(told, f"nothing was learnt to tell it by ({homes})" if guessed else "")
        + "."
    )


def _noticed(changes: dict[str, Spread], besides: str) -> str:
    """What changes by corpus say of a network whose labels were swapped.

    Args:
        changes: title -> swapped minus true, of the corpora on which something was learnt.
        besides: what cannot be told of the others; empty where there are none.
    """
    falls = [title for title, change in changes.items() if change.high < 0 and change.low <= -NOTICED]
    rises = [title for title, change in changes.items() if change.low > 0 and change.high >= NOTICED]
    within = [title for title, change in changes.items() if -NOTICED < change.low and change.high < NOTICED]
    wide = [title for title in changes if title not in (*falls, *rises, *within)]
    unclear = [f"a change of {NOTICED} or more is not excluded on {' and '.join(wide)}"] if wide else []
    unclear += [besides] if besides else []
    by = "by that yardstick " * any(change.of == SINGLE for change in changes.values())
    lost, gained = f"on {' and '.join(falls)}", f"with a gain on {' and '.join(rises)}"
    if falls and rises:
        return (
            f"{by}the network notices {lost} with a loss, {gained}: the swap matters to it, and why cannot"
            " be told from this"
        )
    if falls:
        return (
            f"{by}the network notices {lost}, so it does not learn the corpora wholly apart; whether they"
            " share what it learns of a label or disturb one another, this does not tell"
        )
    if rises:
        return (
            f"{by}the network notices {gained}: the corpora agree better under the swapped labels, or their"
            " training on the true ones went badly; separate sets of labels do not follow from it"
        )
    if unclear:
        return f"whether the network notices cannot be told, {', and '.join(unclear)}"
    notices = "hardly notices" if any(change.clear for change in changes.values()) else "does not notice"
    return (
        f"{by}the network {notices} (a change of {NOTICED}, up or down, is excluded), as one would that"
        " keeps a set of labels for each corpus"
    )


def _range(changes: Sequence[Spread]) -> str:
    means = [change.mean for change in changes]
    low, high = signed(min(means)), signed(max(means))
    return low if low == high else f"{low} to {high}"


def _around(change: Spread) -> str:
    return f"{signed(change.mean)} [{signed(change.low)}, {signed(change.high)}]"


def _basis(changes: Sequence[Spread]) -> str:
    """What the intervals rest on, and how many are none: single runs have yardsticks."""
    over = intervals.over((change.n, change.of) for change in changes)
    said = [f"95 % over {over}"] if over else []
    single = sum(change.of == SINGLE for change in changes)
    said += [f"{single} of them by single runs, a yardstick and no interval"] if single else []
    return f" ({'; '.join(said)})"


def _left(done: int, asked: int) -> str:
    return f" ({done} of {asked} done)" if done < asked else ""


def _left_out(asked: _Asked, homes: Sequence[tuple[TrainingSet, str]], pairs: int) -> str:
    """Says which pairs are not counted because nothing was learnt."""
    if not pairs:
        return ""
    return f" ({many(pairs, 'pair')} left out, where nothing was learnt: {asked.nothing_learnt(homes)})"


def _by_chance_alone(changes: Sequence[Spread]) -> str:
    chance = SELDOM * len(changes)
    return f"about {chance:.0f}" if chance >= 1 else "less than 1"


def _by_chance(clear: int, of: int) -> float:
    """Probability that at least so many of some changes look clear where none is, taken as independent."""
    from scipy.special import bdtrc

    return float(bdtrc(clear - 1, of, SELDOM)) if clear else 1.0
