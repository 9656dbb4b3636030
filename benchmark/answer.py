"""The paper's two questions, answered in three sentences made from a study's numbers.

1. Is there a gap between corpora? Networks of one corpus tested on another, at the lowest rate, relative to
   the baseline of the tested corpus.
2. Does augmentation bridge it? Every training set on every corpus that it did not learn from, at the
   higher rates relative to the lowest.
3. Does the network learn emotions, or each corpus? Joint training with one corpus's labels swapped, relative
   to the same with its own labels: on the swapped corpus (each under the labels that it was taught) and on
   the others.

A sentence never claims more than the spread of its numbers allows (`benchmark.spread`): a change counts
where its interval leaves out 0, and an effect is claimed where chance alone seldom gives as many of them;
"does not notice" ("hardly", where a loss is clear and small) needs intervals that leave out a loss of `LOSS`.
Where these are yardsticks of single runs, and what is not done yet, is said.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmark import spread
from benchmark.exhibits import Answers
from benchmark.spread import SINGLE, Spread
from benchmark.study import Exhibit, Study, TrainingSet
from benchmark.tables import many, signed
from serkit.specs import SCRAMBLED, base_of

QUESTION = (
    "Does data augmentation bridge the gap between speech-emotion corpora, and does the network learn"
    " emotions at all, or does it memorise each corpus?"
)
SELDOM = spread.BY_CHANCE
"""An effect is claimed where chance gives as many clear changes no more often than this, as one of them."""
LOSS = 0.05
"""A loss of wF1 that nobody would call unnoticed. Ours, because the paper gives none: five times what its own
trainings of one condition differ by, and below the 0.08 that it calls an improvement."""


def sentences(study: Study, found: Answers) -> list[str]:
    """The three sentences, from the runs that are done."""
    return [_gap(study, found), _augmentation(study, found), _scramble(study, found)]


def _units(study: Study, found: Answers, train: TrainingSet, test: str, rate: int) -> spread.Units:
    return spread.units(study, found.results, train, test, rate)


def _figure(study: Study, name: str) -> Exhibit | None:
    return next((exhibit for exhibit in study.exhibits if exhibit.name == name), None)


def _unseen(study: Study, figure: Exhibit) -> list[tuple[TrainingSet, str]]:
    """Training sets of a figure under true labels, each with the corpora that it did not learn from."""
    return [
        (train, test)
        for train in figure.columns
        for test in figure.tests
        if test not in train and not any(name.endswith(SCRAMBLED) for name in (*train, test))
    ]


def _gap(study: Study, found: Answers) -> str:
    figure, rate = _figure(study, "figure2"), min(study.rates_percent)
    pairs = [pair for pair in _unseen(study, figure) if len(pair[0]) == 1] if figure else []
    if not pairs:
        return "Whether a network of one corpus works on another is not asked by this study."
    changes = [
        spread.difference(
            _units(study, found, train, test, rate),
            _units(study, found, (test,), test, rate),
        )
        for train, test in pairs
    ]
    done = [change for change in changes if change.known]
    if not done:
        return "Whether a network of one corpus works on another cannot be said yet: no such pair is done."
    below, above = sum(change.high < 0 for change in done), sum(change.low > 0 for change in done)
    return (
        f"Trained on one corpus and tested on another, at {rate} % augmentation, wF1 differs from the tested"
        f" corpus's own baseline by {_range(done)}; it is lower by more than its spread in {below} of"
        f" {many(len(done), 'pair')}"
        + f" and higher in {above}" * bool(above)
        + f"{_left(done, changes)}{_yardsticks(done)}."
    )


def _augmentation(study: Study, found: Answers) -> str:
    figure = _figure(study, "figure2")
    lowest, *rates = sorted(study.rates_percent)
    pairs = _unseen(study, figure) if figure else []
    if not pairs or not rates:
        return "Whether augmentation bridges a gap is not asked by this study."
    changes, reached = [], []
    for train, test in pairs:
        plain = _units(study, found, train, test, lowest)
        baseline = _units(study, found, (test,), test, lowest)
        of_pair = []
        for rate in rates:
            augmented = _units(study, found, train, test, rate)
            changes.append(spread.difference(augmented, plain))
            of_pair.append(spread.difference(augmented, baseline))
        if all(change.known for change in of_pair):
            reached.append(not all(change.high < 0 for change in of_pair))
    done = [change for change in changes if change.known]
    if not done:
        return (
            "Whether augmentation bridges a gap cannot be said yet: no such condition is done at two rates."
        )
    up, down = sum(change.low > 0 for change in done), sum(change.high < 0 for change in done)
    chance = SELDOM * len(done)
    median = signed(float(np.median([change.mean for change in done])))
    span = f"{rates[0]} to {rates[-1]}" if len(rates) > 1 else f"{rates[0]}"
    said = (
        f"Augmenting {span} % of the training clips changes wF1 on corpora that were not trained on by"
        f" {_range(done)} (median {median}), compared with the same training at {lowest} %: by more than its"
        f" spread up in {up} and down in {down} of {many(len(done), 'cell')}, where chance alone"
        f" gives {f'about {chance:.0f}' if chance >= 1 else 'less than 1'}"
        + _left(done, changes)
        + _yardsticks(done)
    )
    if _by_chance(up + down, len(done)) > SELDOM + 1e-9:
        said += ", so no effect can be told from chance"
    elif reached:
        still = len(reached) - sum(reached)
        said += f"; {still} of {many(len(reached), 'pair')} stay clearly below the baseline at every rate"
    return said + "."


def _scramble(study: Study, found: Answers) -> str:
    figure, rate = _figure(study, "figure3"), min(study.rates_percent)
    joint = [
        train
        for train in (figure.columns if figure else ())
        if len(train) > 1 and any(name.endswith(SCRAMBLED) for name in train)
    ]
    if not joint:
        return "Whether the network notices contradictory labels is not asked by this study."
    return " ".join(_joint(study, found, train, rate) for train in joint)


def _joint(study: Study, found: Answers, train: TrainingSet, rate: int) -> str:
    """What one joint training with swapped labels says."""
    true = tuple(base_of(name) for name in train)
    changes: dict[str, Spread] = {}
    for name in sorted(train, key=lambda name: not name.endswith(SCRAMBLED)):
        swapped = _units(study, found, train, name, rate)
        changes[name] = spread.difference(swapped, _units(study, found, true, base_of(name), rate))
    who = study.title_of([base_of(name) for name in train if name.endswith(SCRAMBLED)])
    if not all(change.known for change in changes.values()):
        return (
            f"Whether the network notices when {who}'s labels are swapped in joint training cannot be said"
            f" yet: {study.title_of(train)} or {study.title_of(true)} is not done at {rate} %."
        )
    said = (
        f"With {who}'s labels swapped in joint training ({study.title_of(train)}, {rate} %), wF1 changes,"
        " compared with the same training on the true labels, by "
        + " and by ".join(
            f"{_around(change)} on {study.title_of(base_of(name))}"
            + " under the swapped labels" * name.endswith(SCRAMBLED)
            for name, change in changes.items()
        )
    )
    open_ = [name for name, change in changes.items() if change.low <= -LOSS]
    worse = [name for name in open_ if changes[name].high < 0]
    if worse:
        on = " and ".join(study.title_of(base_of(name)) for name in worse)
        return f"{said}: the network notices on {on}, so what it learns of a label is shared between corpora."
    if open_:
        on = " and ".join(study.title_of(base_of(name)) for name in open_)
        return (
            f"{said}: whether the network notices cannot be told, a loss of {LOSS} or more is not excluded on"
            f" {on}."
        )
    notices = "hardly notices" if any(change.high < 0 for change in changes.values()) else "does not notice"
    return (
        f"{said}: the network {notices} (a loss of {LOSS} is excluded), so it keeps a set of labels for each"
        " corpus rather than one notion of each emotion."
    )


def _range(changes: Sequence[Spread]) -> str:
    means = [change.mean for change in changes]
    low, high = signed(min(means)), signed(max(means))
    return low if low == high else f"{low} to {high}"


def _around(change: Spread) -> str:
    ends = f"{signed(change.low)}, {signed(change.high)}"
    single = "; single runs, a yardstick and no interval" * (change.of == SINGLE)
    return f"{signed(change.mean)} [{ends}{single}]"


def _left(done: Sequence[Spread], asked: Sequence[Spread]) -> str:
    return f" ({len(done)} of {len(asked)} done)" if len(done) < len(asked) else ""


def _yardsticks(done: Sequence[Spread]) -> str:
    """Says so where a count rests on single runs."""
    single = sum(change.of == SINGLE for change in done)
    return f" ({single} of them by single runs, a yardstick and no interval)" if single else ""


def _by_chance(clear: int, of: int) -> float:
    """Probability that at least so many of some changes look clear where none is, taken as independent."""
    from scipy.special import bdtrc

    return float(bdtrc(clear - 1, of, SELDOM)) if clear else 1.0
