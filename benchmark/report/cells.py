"""From results to cells, as numbers: nothing is run, and a missing run is a visible gap.

A cell is one training set at one rate on one test: the average over its folds and seeds. Its mean and its
interval are read from the same tails of the same runs, each once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from benchmark.report import intervals
from benchmark.report.intervals import Learnt, Spread, Tail, Units
from benchmark.study import Study, TrainingSet, plan
from serkit.errors import ResultsUnreadable
from serkit.labels import corpus_of
from serkit.metrics import in_tail
from serkit.resultfile import Result, diverged
from serkit.results import Store, with_specs
from serkit.specs import MEASUREMENT, METRICS, Recipe, RunSpec, Spec


@dataclass(frozen=True)
class Answers:
    """The results of a study, by what was asked."""

    results: Mapping[Spec, Result]  # the newest of each run and measurement that is done and counts
    mixed: tuple[str, ...] = ()  # corpora whose results come from several versions of them (fingerprints)
    left_out: Mapping[Spec, Result] = field(default_factory=dict)  # runs that diverged
    unread: tuple[str, ...] = ()  # why stored results could not be read, a message each


def answers(study: Study, store: Store) -> Answers:
    """Looks up every run and measurement of the study, whatever copy of the corpora it used."""
    wanted = {case.spec for case in plan(study)}
    found: dict[Spec, Result] = {}
    stored, unread = store.results()
    for spec, result in with_specs(stored):  # oldest first, so the newest stays
        if spec.plan() in wanted:
            try:
                if spec.kind == MEASUREMENT:
                    store.table(result["key"], "estimates")  # without which a measurement is none
            except ResultsUnreadable as error:
                unread.append(str(error))
            else:
                found[spec.plan()] = result
    copies = {tuple(copy) for result in found.values() for copy in result["spec"]["fingerprints"]}
    versions = Counter(name for name, _ in copies)
    mixed = tuple(sorted(name for name, number in versions.items() if number > 1))
    left_out = {spec: found.pop(spec) for spec, result in [*found.items()] if diverged(result)}
    return Answers(found, mixed, left_out, tuple(unread))


Tuned = tuple[dict[str, Any], Units]
"""A row of Table 1 by another recipe: its `Cells.row` and its units."""


class Cells:
    """The cells of a study, made of the results that are done, by run."""

    def __init__(self, study: Study, results: Mapping[Any, Result]) -> None:
        """Reads nothing yet."""
        self.study, self.results = study, results
        self._tails: dict[Any, list[Tail]] = {}

    def runs(self, train: TrainingSet, rate: int, recipe: Recipe | None = None) -> dict[RunSpec, Result]:
        """The runs of one condition that are done; by another recipe than the study's if given."""
        runs = self.study.runs(train, rate, recipe)
        return {run: self.results[run] for run in runs if run in self.results}

    def units(
        self, train: TrainingSet, test: str, rate: int, recipe: Recipe | None = None, metric: str = "wF1"
    ) -> Units:
        """What a cell is an average of."""
        folds = next(corpus.folds for corpus in self.study.corpora if corpus.name == corpus_of(test))
        learnt = corpus_of(test) in map(corpus_of, train)
        return intervals.units(self._read(train, test, rate, recipe), metric, folds > 1, learnt)

    def row(self, train: TrainingSet, test: str, rate: int, recipe: Recipe | None = None) -> dict[str, Any]:
        """A cell, NaN where no run is done.

        Returns:
            `runs` (done) and `runs_expected`; for each metric `<metric>`, `<metric>_std` (over the tail; NaN
            of one evaluation), `<metric>_low` and `<metric>_high` (ends of the interval); `wF1_seed_std`
            (over seeds; NaN with one), `units` and `spread_of` (what the intervals rest on).
        """
        tails = self._read(train, test, rate, recipe)
        row: dict[str, Any] = {"runs": len(tails), "runs_expected": len(self.study.runs(train, rate))}
        row |= averages(tails)
        for metric in METRICS:  # wF1 is the last
            spread = self.units(train, test, rate, recipe, metric).around()
            ends = np.clip(_ends(spread, row[metric]), 0.0, 1.0)  # that of two folds may reach further
            row[f"{metric}_low"], row[f"{metric}_high"] = ends.tolist()
        return row | {"units": spread.n, "spread_of": spread.of}

    def entry(
        self, exhibit: str, column: str, train: TrainingSet, test: str, rate: int, tuned: Tuned | None = None
    ) -> dict[str, Any]:
        """A cell of Table 1 or a figure, or in its place a tuned one by its row and units.

        Returns:
            `exhibit`, `column` (A, B, ... in figures), `train` and `test` (titles), `augment_percent`, what
            `row` gives, `wF1_change` against the tested corpus's baseline at 0 %, with `_low` and `_high`,
            `baseline_runs` and `baseline_runs_expected`.
        """
        row, units = tuned or (self.row(train, test, rate), self.units(train, test, rate))
        corpus = corpus_of(test)
        baseline = self.row((corpus,), corpus, 0)
        change = row["wF1"] - baseline["wF1"]
        low, high = _ends(intervals.difference(units, self.units((corpus,), corpus, 0)), change)
        place: dict[str, Any] = dict(exhibit=exhibit, column=column, train=self.study.title_of(train))
        place |= dict(augment_percent=rate, test=self.study.title_of(test))
        ends = dict(wF1_change=change, wF1_change_low=low, wF1_change_high=high)
        return place | row | ends | {f"baseline_{name}": baseline[name] for name in ("runs", "runs_expected")}

    def learnt(self, train: TrainingSet, test: str, rate: int) -> Learnt | None:
        """Whether a training can be told from guessing on a corpus of its own; None: no run is done."""
        done = self.runs(train, rate)
        clips = {run.fold: at["corpora"][corpus_of(test)]["clips"]["test"] for run, at in done.items()}
        return intervals.learnt(self.units(train, test, rate, metric="uACC"), clips.values())

    def validation(self, train: TrainingSet, rate: int, recipe: Recipe) -> dict[str, float]:
        """The averages of a training set's first corpus on its validation clips."""
        done = self.runs(train, rate, recipe).values()
        return averages([_tail(result, "validation", train[0]) for result in done])

    def _read(self, train: TrainingSet, test: str, rate: int, recipe: Recipe | None) -> list[Tail]:
        place = train, test, rate, recipe
        if place not in self._tails:
            done = self.runs(train, rate, recipe).values()
            self._tails[place] = [_tail(result, "tests", test) for result in done]
        return self._tails[place]


def _ends(spread: Spread, value: float) -> tuple[float, float]:
    """The ends of an interval, moved out to the value that is shown, if need be.

    Where runs are missing the two rest on other folds: a change is of all that are done, its interval of
    those that both cells have. Easy folds alone must not look like a change.
    """
    return min(spread.low, value), max(spread.high, value)


def _tail(result: Result, part: Literal["tests", "validation"], name: str) -> Tail:
    """What one run scored over its tail; of no fold where it has no validation clips."""
    history, spec = result["history"], result["spec"]
    fold = spec["fold"] or 0
    scored = [history[at][part].get(name, {}) for at in in_tail(history, spec["recipe"]["tail"])]
    if part == "validation" and scored[0]:
        scored = [{fold: scores} for scores in scored]
    scores = {metric: np.array([[of[metric] for of in at.values()] for at in scored]) for metric in METRICS}
    return Tail(spec["seed"], fold, tuple(map(int, scored[0])), scores)


def averages(tails: Iterable[Tail]) -> dict[str, float]:
    """Tail averages of a cell: over folds at each evaluation, over the tail, over seeds."""
    row: dict[str, float] = {}
    for metric in METRICS:
        of_seed: dict[int, list[np.ndarray]] = defaultdict(list)
        for tail in tails:
            of_seed[tail.seed].append(tail.curve(metric))
        curves = [_mean(of_folds) for of_folds in of_seed.values()]
        row[metric] = float(np.mean(curves)) if curves else np.nan
        several = [curve.std() for curve in curves if len(curve) > 1]  # one evaluation shows no deviation
        row[f"{metric}_std"] = float(np.mean(several)) if several else np.nan
    means = [curve.mean() for curve in curves]
    return row | {f"{metric}_seed_std": float(np.std(means, ddof=1)) if len(means) > 1 else np.nan}


def _mean(curves: list[np.ndarray]) -> np.ndarray:
    """Over curves, which end together; of the evaluations that all have, should a history be cut short."""
    shortest = min(map(len, curves))
    return np.mean([curve[-shortest:] for curve in curves], axis=0)


def devices(results: Iterable[Result]) -> list[str]:
    """Where results were made: device and torch version, each once."""
    environments = [result["environment"] for result in results]
    return sorted({f"{at['device_name']}, torch {at['packages']['torch']}" for at in environments})
