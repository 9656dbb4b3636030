"""From results to cells, as numbers: nothing is run, and a missing run is a visible gap.

A cell is one training set at one rate on one test: the average over its folds and seeds. Its mean and its
interval are read from the same tails of the same runs, each once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmark.report import intervals
from benchmark.report.clipscores import ClipScores, Table, no_table
from benchmark.report.evidence import Evidence, Tail
from benchmark.report.evidence import tail as tail_of
from benchmark.report.intervals import Units
from benchmark.study import How, Study, TrainingSet, plan
from serkit.errors import ResultsUnreadable
from serkit.labels import corpus_of
from serkit.merged import differing
from serkit.resultfile import Result, diverged, is_imported
from serkit.results import Store, other_methods, with_specs
from serkit.specs import MEASUREMENT, METRICS, Spec
from serkit.words import many


@dataclass(frozen=True)
class Answers:
    """The results of a study, by what was asked.

    Attributes:
        results: for each run and measurement of the plan that is done and counts, its newest result.
        mixed: corpora whose results come from several versions of them (fingerprints).
        left_out: of those done, the runs that diverged (`serkit.resultfile.diverged`).
        unread: why stored results could not be read, a message each.
        others: how many of them are left out, by another method or by what an encoder was before.
        differing: which of them lie there twice, with other numbers.
    """

    results: Mapping[Spec, Result]
    mixed: tuple[str, ...] = ()
    left_out: Mapping[Spec, Result] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()


def answers(study: Study, store: Store) -> Answers:
    """Looks up every run and measurement of the study, whatever copy of the corpora it used."""
    wanted = {case.spec for case in plan(study)}
    found: dict[Spec, Result] = {}
    stored, unread = store.results()
    own = [(spec, result) for spec, result in with_specs(stored) if spec.plan() in wanted]  # oldest first
    is_now = {name: of for _, result in own for name, of in _encoders(result)} | store.encoders()
    before = [name for _, result in own for name, was in _encoders(result) if is_now[name] != was]
    for spec, result in own:  # the newest stays
        if all(is_now[name] == was for name, was in _encoders(result)):
            try:
                if spec.kind == MEASUREMENT:
                    store.table(result["key"], "estimates")  # without which a measurement is none
            except ResultsUnreadable as error:
                unread.append(str(error))
            else:
                found[spec.plan()] = result
    copies = {tuple(copy) for result in found.values() for copy in result["spec"]["fingerprints"]}
    versions = Counter(name for name, _ in copies)
    return Answers(
        results={spec: result for spec, result in found.items() if not diverged(result)},
        mixed=tuple(sorted(name for name, number in versions.items() if number > 1)),
        left_out={spec: result for spec, result in found.items() if diverged(result)},
        unread=tuple(unread),
        others=(
            *other_methods(stored),
            *(
                f"{many(n, 'run')} by other code or weights of {name} than it has now left out"
                for name, n in sorted(Counter(before).items())
            ),
        ),
        differing=tuple(differing(store, found.values())),
    )


def _encoders(result: Result) -> list[tuple[str, str]]:
    """Of a result the encoders, and what they were: those among its fingerprints that are no corpora."""
    return [(name, was) for name, was in result["spec"]["fingerprints"] if ":" in name]


Tuned = tuple[dict[str, Any], Units]
"""A row of Table 1 trained otherwise: its `Cells.row` and its units."""


class Cells:
    """The cells of a study, made of the results that are done, by run."""

    def __init__(self, study: Study, results: Mapping[Any, Result], table: Table = no_table) -> None:
        """Reads nothing yet; `table` gives a run's per-clip scores, as `serkit.results.Store.table`."""
        self.study = study
        self.results = results
        self.evidence = Evidence(study, results, ClipScores(table))
        self.runs, self.units, self.learnt = self.evidence.runs, self.evidence.units, self.evidence.learnt

    def of(self, study: Study) -> Cells:
        """The cells of another study, from the same results."""
        other = Cells(study, self.results)
        other.evidence.clips = self.evidence.clips
        return other

    def row(self, train: TrainingSet, test: str, rate: int, how: How | None = None) -> dict[str, Any]:
        """A cell, NaN where no run is done.

        Returns:
            `runs` (done) and `runs_expected`; for each metric `<metric>`, `<metric>_std` (over the tail; NaN
            of one evaluation), `<metric>_low` and `<metric>_high` (ends of the interval, NaN where there is
            none); `wF1_seed_std` (over seeds; NaN with one), `wF1_tests_std` and `wF1_training_std` (the
            parts of the interval), `units` and `spread_of` (what the intervals rest on); `<metric>_constant`
            (the best without listening) and `above` (whether the cell is above it: its interval, or without
            one its mean).
        """
        tails = self.evidence.tails(train, test, rate, how)
        row: dict[str, Any] = {"runs": len(tails), "runs_expected": len(self.study.runs(train, rate))}
        row |= averages(tails)
        for metric in METRICS:  # wF1 is the last
            spread = self.units(train, test, rate, how, metric).around()
            ends = np.clip((spread.low, spread.high), 0.0, 1.0)  # that of two folds may reach further
            row[f"{metric}_low"], row[f"{metric}_high"] = ends.tolist()
        for part in ("tests", "training"):
            row[f"{metric}_{part}_std"] = spread.parts.get(part, np.nan)
        constant = self.evidence.constants(test).best
        above = (spread.low if spread.known else spread.mean) > constant[metric]
        row |= {f"{metric}_constant": value for metric, value in constant.items()}
        return row | {"units": spread.n, "spread_of": spread.of, "above": bool(above)}

    def entry(
        self,
        exhibit: str,
        column: str,
        train: TrainingSet,
        test: str,
        rate: int,
        tuned: Tuned | None = None,
    ) -> dict[str, Any]:
        """A cell of Table 1 or a figure, or in its place a tuned one by its row and units.

        Returns:
            `exhibit`, `column` (A, B, ... in figures), `train` and `test` (titles), `augment_percent`, what
            `row` gives, `wF1_change` against the tested corpus's baseline at 0 % (of the units that both
            have), with `_low`, `_high` and `_p` (NaN of the baseline itself), `baseline_runs` and
            `baseline_runs_expected`.
        """
        row, units = tuned or (self.row(train, test, rate), self.units(train, test, rate))
        corpus = corpus_of(test)
        baseline = self.row((corpus,), corpus, 0)
        change = intervals.difference(units, self.units((corpus,), corpus, 0))
        title_of = self.study.title_of
        return {
            "exhibit": exhibit,
            "column": column,
            "train": title_of(train),
            "augment_percent": rate,
            "test": title_of(test),
            **row,
            "wF1_change": change.mean if change.n else row["wF1"] - baseline["wF1"],
            "wF1_change_low": change.low,
            "wF1_change_high": change.high,
            "wF1_change_p": np.nan if change.mean == 0 and change.p == 1 else change.p,
            **{f"baseline_{name}": baseline[name] for name in ("runs", "runs_expected")},
        }

    def validation(self, train: TrainingSet, rate: int, how: How) -> dict[str, float]:
        """The averages of a training set's first corpus on its validation clips."""
        done = self.runs(train, rate, how).items()
        return averages([tail_of(run, result, "validation", train[0]) for run, result in done])


def averages(tails: Iterable[Tail]) -> dict[str, float]:
    """Tail averages of a cell: over folds at each evaluation, over the tail, over seeds."""
    row: dict[str, float] = {}
    for metric in METRICS:
        of_seed: dict[int, list[np.ndarray]] = {}
        for tail in tails:
            of_seed.setdefault(tail.run.seed, []).append(tail.curve(metric))
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
    """Where results were made: device and torch version, each once; of what is imported nobody knows."""
    environments = [result["environment"] for result in results if not is_imported(result)]
    return sorted({f"{at['device_name']}, torch {at['packages']['torch']}" for at in environments})
