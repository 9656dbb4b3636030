"""What the benchmark's intervals hold, by simulation: `python -m tools.statistics [--draws N]`.

Two conditions are drawn that differ by nothing, or by 0.05, and go through `benchmark.report.intervals` as
the cells of a study do. Drawn are a test's score, alike for both (deviation 0.1 between folds or speakers),
what speakers get from one condition more than from the other, what two networks of one condition differ by
(the retraining deviation) and, where folds shared training clips, what these do to all of them. Retraining
noise is known to a study from 30 conditions of the same corpus, as far as they have seeds or a relabelling
null.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from tabulate import tabulate

from benchmark.report.intervals import Part, Scores, Spread, Units, difference

BETWEEN = 0.1
"""Deviation of the tests' scores, which both conditions share."""
APART = 0.03
"""Deviation of what a fold's speakers, and training clips, get from one condition more than from another."""
ON_CLIPS = 0.02
"""Deviation of what one network gets on one fold, besides."""
EFFECT = 0.05
CONDITIONS = 30
SPEAKERS, CLIPS, DRAWS = 91, 9, 300
"""Of the single split (CREMA-D's speakers and test clips), and how often its speakers are resampled."""

DEVIATIONS = (0.01, 0.03, 0.07)
TRAININGS = {"a single training": 1, "two seeds": 2, "five seeds": 5}


@dataclass(frozen=True)
class Row:
    """A row of the table: how a corpus is tested, by which trainings, and how to draw one difference."""

    tests: str
    trainings: str
    deviation: float
    draw: Callable[[np.random.Generator, float], Spread]


def rows() -> Iterator[Row]:
    """Every row."""
    for deviation in DEVIATIONS:
        for folds in (2, 5, 10):
            for name, seeds in {**TRAININGS, "a single training, a null": 0}.items():
                yield Row(f"trained on, {folds} folds", name, deviation, own(folds, seeds, deviation))
        for folds in (2, 5, 10):
            for name, (networks, seeds) in {
                "two seeds": (1, 2),
                "five seeds": (1, 5),
                "five folds": (5, 1),
                "five folds, two seeds": (5, 2),
            }.items():
                drawn = unseen(folds, networks, seeds, deviation)
                yield Row(f"not trained on, {folds} folds", name, deviation, drawn)
        for name, (networks, seeds) in {
            "a single training": (1, 1),
            "a single training, a null": (1, 0),
            "two seeds": (1, 2),
            "five seeds": (1, 5),
            "five folds": (5, 1),
            "five folds, two seeds": (5, 2),
        }.items():
            yield Row("one split", name, deviation, split(networks, seeds, deviation))


def own(folds: int, seeds: int, deviation: float) -> Callable[[np.random.Generator, float], Spread]:
    """A corpus that both were trained on: each fold has networks of its own; 0 seeds: one and a null."""

    def draw(random: np.random.Generator, effect: float) -> Spread:
        base = random.normal(0.5, BETWEEN, folds)

        def scores() -> np.ndarray:
            speakers = random.normal(0, APART / 2**0.5, folds)
            # Folds whose training clips overlap are alike by 1 / folds (Nadeau and Bengio).
            clips = random.normal(0, APART / (2 * (folds - 1)) ** 0.5)
            return base + speakers + clips + random.normal(0, deviation, (max(seeds, 1), folds))

        common = 1.0
        if seeds != 1:
            trained = _known(random, deviation, seeds or 2).variance / (seeds or 1)
            varies = APART**2 / 2 + deviation**2 / (seeds or 1)
            seen = varies * random.chisquare(CONDITIONS * (folds - 1)) / (CONDITIONS * (folds - 1))
            common = float(np.clip(1 - trained / seen, 0, 1))
        cells = [Units(dict(enumerate(scores().mean(axis=0))), common=common) for _ in range(2)]
        return difference(_moved(cells[0], effect), cells[1])

    return draw


def unseen(
    folds: int, networks: int, seeds: int, deviation: float
) -> Callable[[np.random.Generator, float], Spread]:
    """A corpus with folds that neither condition was trained on: all networks score all folds."""

    def draw(random: np.random.Generator, effect: float) -> Spread:
        base = random.normal(0.5, BETWEEN, folds)
        known = _known(random, deviation, seeds) if seeds > 1 else None

        def cell(by: float) -> Units:
            trained = random.normal(0, deviation, (networks * seeds, 1))
            on_clips = random.normal(0, ON_CLIPS, (networks * seeds, folds))
            scores = base + by + random.normal(0, APART / 2**0.5, folds) + trained + on_clips
            values = dict(enumerate(scores.mean(axis=0)))
            return Units(values, Scores(scores), varied=networks > 1, retraining=known)

        return difference(cell(effect), cell(0.0))

    return draw


def split(networks: int, seeds: int, deviation: float) -> Callable[[np.random.Generator, float], Spread]:
    """A corpus with one split: its speakers are resampled; 0 seeds: one and a null at five rates."""
    weights = np.random.default_rng(0).multinomial(SPEAKERS, np.full(SPEAKERS, 1 / SPEAKERS), DRAWS)

    def draw(random: np.random.Generator, effect: float) -> Spread:
        base = random.normal(0.5, BETWEEN, SPEAKERS)
        known = None
        if seeds != 1:
            known = _known(random, deviation, seeds or 2, CONDITIONS if seeds else 5)

        def cell(by: float) -> Units:
            level = base + by + random.normal(0, APART, SPEAKERS)
            trained = random.normal(0, deviation, (networks * max(seeds, 1), 1))
            right = random.binomial(CLIPS, np.clip(level + trained, 0, 1))
            drawn = right @ weights.T / SPEAKERS / CLIPS
            scores = Scores(drawn, SPEAKERS)
            mean = float(right.mean() / CLIPS)
            return Units({0: mean}, scores, varied=networks > 1, retraining=known)

        return difference(cell(effect), cell(0.0))

    return draw


def _known(random: np.random.Generator, deviation: float, seeds: int, conditions: int = CONDITIONS) -> Part:
    """What a study knows of its retraining noise."""
    freedom = conditions * (seeds - 1)
    return Part(deviation**2 * random.chisquare(freedom) / freedom, freedom)


def _moved(cell: Units, by: float) -> Units:
    return Units({unit: value + by for unit, value in cell.values.items()}, common=cell.common)


def clear(row: Row, effect: float, draws: int, seed: int = 0) -> float:
    """How often a difference is clear; NaN where it has no interval."""
    random = np.random.default_rng(seed)
    found = [row.draw(random, effect) for _ in range(draws)]
    return float(np.mean([spread.clear for spread in found])) if found[0].known else float("nan")


def main() -> None:
    """Prints the table."""
    given = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given.add_argument("--draws", type=int, default=4000, help="of each row and effect")
    draws = given.parse_args().draws
    table: dict[tuple[str, str], list[str]] = {}
    for row in rows():
        null, power = (clear(row, effect, draws) for effect in (0.0, EFFECT))
        cell = "no interval" if null != null else f"{100 * null:.1f} %, {100 * power:.0f} %"
        table.setdefault((row.tests, row.trainings), []).append(cell)
    headers = ["Tested corpus", "Trained", *(f"deviation {deviation}" for deviation in DEVIATIONS)]
    print(tabulate([[*place, *cells] for place, cells in table.items()], headers, tablefmt="github"))


if __name__ == "__main__":
    main()
