"""From results to exhibits: cells as numbers, before they are drawn.

A cell is one training set at one rate, tested on one test: the average over its folds and seeds. Nothing is
run; a missing run is a visible gap. Relative changes are computed here, never stored: wF1 minus the Table 1
baseline of the test corpus at 0 % (a plain difference, as in Figures 2 and 3). Table 1's tuned row is the
point of the tuning grid that is best on the validation clips; the whole grid is shown beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import numpy as np
import pandas as pd

from benchmark.report import intervals
from benchmark.study import Study, TrainingSet, plan
from serkit.errors import ResultsUnreadable
from serkit.labels import LABELS, corpus_of, is_permuted, permuted_title
from serkit.metrics import in_tail
from serkit.resultfile import Result, diverged
from serkit.results import Store, with_specs
from serkit.specs import MEASUREMENT, METRICS, TRAINING, CorpusSpec, Recipe, Spec

PAPER = Path(__file__).parent.parent / "paper"
AGREES_WITHIN = 0.02  # the paper's own two trainings of one condition differ by 0.01
LEAST_LIMIT = 0.1  # of wF1: with less at the ends of the colours noise would look like an effect
TUNED = " (tuned)"
"""Ending of a training set's title in the tuned row of Table 1."""


CELL = (
    *(f"{metric}{column}" for metric in METRICS for column in ("", "_std", "_low", "_high")),
    *("wF1_seed_std", "units", "spread_of"),
)
"""What a cell says besides its runs."""


@dataclass(frozen=True)
class Answers:
    """The results of a study, by what was asked.

    Attributes:
        results: for each run and measurement of the plan that is done and counts, its newest result.
        left_out: of those done, the runs that diverged (`serkit.resultfile.diverged`).
        mixed: corpora of which the results used several versions (fingerprints).
        unread: why stored results could not be read, a message each.
    """

    results: Mapping[Spec, Result]
    mixed: tuple[str, ...]
    left_out: Mapping[Spec, Result] = field(default_factory=dict)
    unread: tuple[str, ...] = ()
    made: dict[Any, Any] = field(default_factory=dict, compare=False, repr=False)
    """Cells that were made of them: exhibits share many."""


def answers(study: Study, store: Store) -> Answers:
    """Looks up every run and measurement of the study, whatever copy of the corpora it used."""
    wanted = {case.spec for case in plan(study)}
    results: dict[Spec, Result] = {}
    digests: dict[Spec, dict[str, str]] = {}
    stored, unread = store.results()
    for spec, result in with_specs(stored):
        if spec.plan() not in wanted:
            continue
        try:
            if spec.kind == MEASUREMENT:
                store.table(result["key"], "estimates")  # without which a measurement is none
        except ResultsUnreadable as error:
            unread.append(str(error))
        else:
            results[spec.plan()] = result  # oldest first, so the newest stays
            digests[spec.plan()] = dict(spec.fingerprints)
    seen: dict[str, set[str]] = {}
    for of_run in digests.values():
        for name, digest in of_run.items():
            seen.setdefault(name, set()).add(digest)
    return Answers(
        {spec: result for spec, result in results.items() if not diverged(result)},
        tuple(sorted(name for name, of_all in seen.items() if len(of_all) > 1)),
        {spec: result for spec, result in results.items() if diverged(result)},
        tuple(unread),
    )


def cells(study: Study, found: Answers) -> pd.DataFrame:
    """Every cell that Table 1 and the figures show, a row each; Table 1's tuned row above its corpus.

    Returns:
        Columns: `exhibit`, `column` (A, B, ... in Figures 2 and 3), `train`, `test` (titles),
        `augment_percent`, `uACC`, `wACC`, `wF1` and for each `<metric>_std` (over the tail; NaN of one
        evaluation), `_low` and `_high` (ends of its interval), `wF1_seed_std` (over seeds; NaN with one),
        `units` (how many the intervals rest on) and `spread_of` (of what, see `benchmark.report.intervals`),
        `runs`, `runs_expected`,
        `wF1_change` with `_low` and `_high`, `baseline_runs`, `baseline_runs_expected`, and where the study
        is the paper's `paper` (wF1 in Table 1, the change in the figures), `paper_std`, `paper_wF1`,
        `difference`, `agrees` (within 0.02). NaN where a run is missing. The `runs` of the tuned row are
        those of the whole grid: each may still change what is chosen. Empty where a study shows Figure 4
        alone.
    """
    baselines = {corpus.name: _cell(found, study, (corpus.name,), corpus.name, 0) for corpus in study.corpora}
    rows = []

    def add(place: dict[str, Any], row: dict[str, Any], test: str, units: intervals.Units) -> None:
        baseline, baseline_units = baselines[corpus_of(test)]
        change = row["wF1"] - baseline["wF1"]
        low, high = _ends(intervals.difference(units, baseline_units), change)
        rows.append(
            {
                **place,
                "test": study.title_of(test),
                **row,
                "wF1_change": change,
                "wF1_change_low": low,
                "wF1_change_high": high,
                "baseline_runs": baseline["runs"],
                "baseline_runs_expected": baseline["runs_expected"],
            }
        )

    for exhibit in study.exhibits:
        for number, train in enumerate(exhibit.columns):
            here = {"exhibit": exhibit.name, "column": "" if exhibit.name == "table1" else letters(number)}
            if exhibit.name == "table1" and study.tuning and train == study.tuning.train:
                points = grid(study, found)
                place = here | {"train": study.title_of(train) + TUNED, "augment_percent": 0}
                add(place, _tuned(points), train[0], _units_of_chosen(study, found, points))
            for test in exhibit.tests or train:
                for rate in study.rates_percent:
                    row, units = _cell(found, study, train, test, rate)
                    add(here | {"train": study.title_of(train), "augment_percent": rate}, row, test, units)
    if not rows:
        return pd.DataFrame()
    table = pd.DataFrame(rows)
    return _beside_the_paper(table) if study.paper else table


def matrix(study: Study, found: Answers) -> pd.DataFrame:
    """Every training set under its own labels on every corpus, at every rate: single corpora come first.

    Returns:
        Columns: `train`, `test` (titles), `augment_percent`, `own` (whether the training set holds the
        test's corpus), and a cell's as in `cells`; a row each. Empty where a study trains nothing.
    """
    trains = dict.fromkeys(train for exhibit in study.exhibits for train in exhibit.columns)
    true = [train for train in trains if not any(is_permuted(name) for name in train)]
    return pd.DataFrame(
        [
            {
                "train": study.title_of(train),
                "test": study.title_of(corpus.name),
                "augment_percent": rate,
                "own": corpus.name in train,
                **cell(found, study, train, corpus.name, rate),
            }
            for train in sorted(true, key=len)
            for corpus in study.corpora
            for rate in study.rates_percent
        ]
    )


def guesses(study: Study, found: Answers) -> pd.DataFrame:
    """What is had on each corpus without any learning, by the labels of its test clips.

    Returns:
        Columns: `test` (title), `uniform` (wF1 of a guess among the labels that are there, in the long run),
        `constant` (wF1 of the label that is best said always) and `label` (which). NaN where no run is done.
    """
    rows = []
    for corpus in study.corpora:
        clips = _test_clips(found, corpus)
        number, kinds = sum(clips.values()), len(clips)
        row: dict[str, Any] = {"uniform": np.nan, "constant": np.nan, "label": ""}
        if number:
            shares = {label: of / number for label, of in clips.items()}
            label = max(shares, key=lambda label: shares[label])
            row["uniform"] = sum(2 * p * p / (kinds * p + 1) for p in shares.values())
            row |= {"constant": 2 * shares[label] ** 2 / (1 + shares[label]), "label": label}
        rows.append({"test": study.title_of(corpus.name), **row})
    return pd.DataFrame(rows)


def _test_clips(found: Answers, corpus: CorpusSpec) -> dict[str, int]:
    """Test clips by label; of a corpus that every run learnt from those of the folds that were tested."""
    of_fold: dict[int | None, dict[str, int]] = {}
    for run, result in found.results.items():
        if run.kind == TRAINING:
            fold = run.fold if corpus.folds > 1 and corpus.name in run.trained_on else None
            of_fold[fold] = result["corpora"][corpus.name]["clips"]["test"]
    parts = [of_fold[None]] if None in of_fold else list(of_fold.values())
    counts = {label: sum(part.get(label, 0) for part in parts) for label in LABELS}
    return {label: number for label, number in counts.items() if number}


def is_clear(cell: pd.Series) -> bool:
    """Whether the interval of a cell's change leaves out 0."""
    return bool(cell["wF1_change_low"] > 0 or cell["wF1_change_high"] < 0)


def colour_limit(cells: pd.DataFrame) -> float:
    """The change at the end of a heat map's colours, the same for ours and the paper's."""
    shown = [name for name in ("wF1_change", "paper") if name in cells]
    return max(LEAST_LIMIT, float(np.nanmax(cells[shown].abs().to_numpy(), initial=0.0)))


def columns_of(cells: pd.DataFrame) -> list[tuple[str, str]]:
    """The columns of a figure in their order: letter of the training set, title of the test."""
    return list(cells[["column", "test"]].drop_duplicates().itertuples(index=False, name=None))


def letters(number: int) -> str:
    """The name of column `number`, counted from 0: A to Z, then AA, AB, ..."""
    name = ""
    while number >= 0:
        name = ascii_uppercase[number % 26] + name
        number = number // 26 - 1
    return name


def cell(
    found: Answers, study: Study, train: TrainingSet, test: str, rate: int, recipe: Recipe | None = None
) -> dict[str, Any]:
    """One cell: how many of its runs are done, and their averages on the test; by another recipe if given."""
    return _cell(found, study, train, test, rate, recipe)[0]


def _cell(
    found: Answers, study: Study, train: TrainingSet, test: str, rate: int, recipe: Recipe | None = None
) -> tuple[dict[str, Any], intervals.Units]:
    """A cell, and the units of its wF1; each is made once."""
    place = (study.name, train, test, rate, recipe)
    if place not in found.made:
        found.made[place] = _made(found, study, train, test, rate, recipe)
    return found.made[place]


def _made(
    found: Answers, study: Study, train: TrainingSet, test: str, rate: int, recipe: Recipe | None
) -> tuple[dict[str, Any], intervals.Units]:
    runs = study.runs(train, rate, recipe)
    done = {run: found.results[run] for run in runs if run in found.results}
    row: dict[str, Any] = {"runs": len(done), "runs_expected": len(runs)}
    row |= _averages(done.values(), lambda at: list(at["tests"][test].values()))
    for metric in METRICS:  # wF1 is the last
        units = intervals.units(study, done, train, test, rate, metric, recipe)
        around = intervals.interval(units)
        ends = np.clip(_ends(around, row[metric]), 0.0, 1.0)  # that of two folds may reach further
        row[f"{metric}_low"], row[f"{metric}_high"] = ends.tolist()
    return row | {"units": around.n, "spread_of": around.of}, units


def _ends(around: intervals.Spread, value: float) -> tuple[float, float]:
    """The ends of an interval, moved out to the value that is shown, if need be.

    Where runs are missing the two rest on other folds: a change is of all that are done, its interval of
    those that both cells have. Easy folds alone must not look like a change.
    """
    return min(around.low, value), max(around.high, value)


def _averages(done: Iterable[Result], scores: Callable[[Any], list[dict[str, float]]]) -> dict[str, float]:
    """Tail averages: over folds at each evaluation, over the tail, over seeds.

    Args:
        done: results of one condition.
        scores: an entry of the history -> one mapping of metrics for each fold that the run scored.
    """
    row: dict[str, float] = {}
    for metric in METRICS:
        of_seed: dict[int, list[np.ndarray]] = {}
        for result in done:
            of_seed.setdefault(result["spec"]["seed"], []).append(_tail_curve(result, scores, metric))
        curves = [_mean(of_folds) for of_folds in of_seed.values()]
        row[metric] = float(np.mean(curves)) if curves else np.nan
        several = [curve.std() for curve in curves if len(curve) > 1]  # one evaluation shows no deviation
        row[f"{metric}_std"] = float(np.mean(several)) if several else np.nan
        if metric == "wF1":
            row["wF1_seed_std"] = (
                float(np.std([curve.mean() for curve in curves], ddof=1)) if len(curves) > 1 else np.nan
            )
    return row


def _mean(curves: Sequence[np.ndarray]) -> np.ndarray:
    """Over curves, which end together; of the evaluations that all have, should a history be cut short."""
    shortest = min(map(len, curves))
    return np.mean([curve[-shortest:] for curve in curves], axis=0)


def _tail_curve(result: Result, scores: Callable[[Any], list[dict[str, float]]], metric: str) -> np.ndarray:
    """The metric at each evaluation of the tail, averaged over folds; NaN where nothing was scored."""
    history = result["history"]
    tail = in_tail([at["iteration"] for at in history], result["spec"]["recipe"]["tail"])
    scored = [[of_fold[metric] for of_fold in scores(history[i])] for i in tail]
    return np.asarray([np.mean(values) if values else np.nan for values in scored])


def grid(study: Study, found: Answers) -> pd.DataFrame:
    """The tuning grid, a row a point, learning rate by learning rate; empty where a study tunes nothing.

    Returns:
        Columns: `train` (title), `learning_rate`, `batch_size`, `runs`, `runs_expected`; on the test clips
        `uACC`, `wACC`, `wF1`, for each `<metric>_std`, and `wF1_seed_std`, as in `cells`; the same on the
        validation clips with `validation_` before them; `chosen` (highest validation wF1) and `best_on_test`
        (highest wF1), both only among the points whose runs are all done, the first of equals.
    """
    if study.tuning is None:
        return pd.DataFrame()
    if "grid" not in found.made:
        found.made["grid"] = _grid(study, study.tuning.train, found)
    return found.made["grid"]


def _grid(study: Study, train: TrainingSet, found: Answers) -> pd.DataFrame:
    (name,) = train
    rows = []
    for recipe in study.grid():
        runs = study.runs(train, 0, recipe)
        done = [found.results[run] for run in runs if run in found.results]
        validation = _averages(done, lambda at: [at["validation"][name]] if name in at["validation"] else [])
        rows.append(
            {
                "train": study.title_of(train),
                "learning_rate": recipe.learning_rate,
                "batch_size": recipe.batch_size,
                **cell(found, study, train, name, 0, recipe),
                **{f"validation_{column}": value for column, value in validation.items()},
            }
        )
    points = pd.DataFrame(rows)
    complete = points["runs"] == points["runs_expected"]
    for mark, column in {"chosen": "validation_wF1", "best_on_test": "wF1"}.items():
        best = points[column].where(complete).round(12)  # equals are equal, in whatever order they were added
        points[mark] = (points.index == best.idxmax()) if best.notna().any() else False
    return points


def _tuned(points: pd.DataFrame) -> dict[str, Any]:
    """The chosen point of the grid as a cell; its runs are those of the whole grid."""
    chosen = points[points["chosen"]]
    runs = {name: int(points[name].sum()) for name in ("runs", "runs_expected")}
    if chosen.empty:
        nothing = dict.fromkeys(CELL, np.nan) | {"units": 0, "spread_of": intervals.NONE}
        return nothing | runs
    return chosen.iloc[0][list(CELL)].to_dict() | runs


def _units_of_chosen(study: Study, found: Answers, points: pd.DataFrame) -> intervals.Units:
    """The units of the chosen point; while nothing can be chosen, none."""
    assert study.tuning is not None
    train = study.tuning.train
    for recipe, chosen in zip(study.grid(), points["chosen"], strict=True):
        if chosen:
            return _cell(found, study, train, train[0], 0, recipe)[1]
    return intervals.units(study, {}, train, train[0], 0)


def _beside_the_paper(table: pd.DataFrame) -> pd.DataFrame:
    """Adds the published numbers and the difference."""
    published = published_cells()
    table = table.merge(published, how="left", on=["exhibit", "train", "test", "augment_percent"])
    ours = table["wF1"].where(table["exhibit"] == "table1", table["wF1_change"])
    table["difference"] = ours - table["paper"]
    table["paper_wF1"] = table["paper"].where(
        table["exhibit"] == "table1",
        table["paper"] + table["test"].map(published_baselines()),
    )
    known = table["difference"].notna()
    table["agrees"] = (table["difference"].abs() <= AGREES_WITHIN + 1e-9).where(known).astype("boolean")
    return table


def published_baselines() -> dict[str, float]:
    """The paper's wF1 at 0 % by test corpus, under the scrambled key too."""
    table = published_table1().query("metric == 'wF1' and augment_pct == 0 and condition == 'default'")
    plain = dict(zip(table["train_test"], table["value"], strict=True))
    return plain | {permuted_title(name): value for name, value in plain.items()}


def published_cells() -> pd.DataFrame:
    """The paper's wF1 (Table 1) and wF1 changes (Figures 2 and 3), a row a cell."""
    table1 = published_table1().query("metric == 'wF1'")
    parts = [
        pd.DataFrame(
            {
                "exhibit": "table1",
                "train": table1["train"],
                "test": table1["train_test"],
                "augment_percent": table1["augment_pct"],
                "paper": table1["value"],
                "paper_std": table1["std"],
            }
        )
    ]
    for name in ("figure2", "figure3"):
        figure = pd.read_csv(PAPER / f"{name}.csv")
        figure = figure.rename(columns={"augment_pct": "augment_percent", "wF1_change": "paper"})
        parts.append(figure.drop(columns="column").assign(exhibit=name))
    return pd.concat(parts, ignore_index=True)


def published_table1() -> pd.DataFrame:
    """The paper's Table 1 as in its file, with the titles of our rows as `train`."""
    table = pd.read_csv(PAPER / "table1.csv")
    return table.assign(train=table["train_test"] + np.where(table["condition"] == "tuned", TUNED, ""))


def disagreements(table: pd.DataFrame) -> list[str]:
    """What `--assert-paper` objects to: cells that differ by more than 0.02, and cells that are missing."""
    said: list[str] = []
    if table.empty:
        return said
    for row in table[table["paper"].notna()].itertuples():
        where = f"{row.exhibit}: {row.train} on {row.test} at {row.augment_percent} %"
        if row.runs < row.runs_expected:
            said.append(f"{where}: {row.runs} of {row.runs_expected} runs done")
        elif pd.isna(row.difference):
            said.append(f"{where}: nothing to compare, {row.test} has no baseline in Table 1")
        elif not row.agrees:
            said.append(f"{where}: differs by {row.difference:+.3f} from the paper's {row.paper:.2f}")
    return said


def devices(results: Iterable[Result]) -> list[str]:
    """Where results were made: device and torch version, each once."""
    return sorted(
        {
            f"{at['device_name']}, torch {at['packages']['torch']}"
            for at in (r["environment"] for r in results)
        }
    )
