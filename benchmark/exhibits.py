"""From results to exhibits: cells as numbers, before they are drawn.

A cell is one training set at one rate, tested on one test: the average over its folds and seeds. Nothing is
run; a missing run is a visible gap. Relative changes are computed here, never stored: wF1 minus the Table 1
baseline of the test corpus at 0 % (a plain difference, as in Figures 2 and 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.study import Study, TrainingSet
from serkit.metrics import in_tail
from serkit.results import Result, Store
from serkit.specs import METRICS, RunSpec

PAPER = Path(__file__).parent / "paper"
AGREES_WITHIN = 0.02  # the paper's own two trainings of one condition differ by 0.01


@dataclass(frozen=True)
class Answers:
    """The results of a study, by what was asked.

    Attributes:
        results: for each run of the plan that is done, its newest result.
        mixed: corpora of which the results used several versions (fingerprints).
    """

    results: Mapping[RunSpec, Result]
    mixed: tuple[str, ...]


def answers(study: Study, store: Store) -> Answers:
    """Looks up every run of the study, whatever copy of the corpora it used."""
    wanted = {
        spec
        for train in study.training_sets()
        for rate in study.rates_percent
        for spec in study.runs(train, rate)
    }
    results: dict[RunSpec, Result] = {}
    digests: dict[RunSpec, dict[str, str]] = {}
    for spec, result in store.all():
        if spec.plan() in wanted:
            results[spec.plan()] = result  # oldest first, so the newest stays
            digests[spec.plan()] = dict(spec.fingerprints)
    seen: dict[str, set[str]] = {}
    for of_run in digests.values():
        for name, digest in of_run.items():
            seen.setdefault(name, set()).add(digest)
    return Answers(results, tuple(sorted(name for name, of_all in seen.items() if len(of_all) > 1)))


def cells(study: Study, store: Store) -> pd.DataFrame:
    """Every cell that some exhibit shows, a row each.

    Returns:
        Columns: `exhibit`, `column` (A, B, ... in Figures 2 and 3), `train`, `test` (titles),
        `augment_percent`, `uACC`, `wACC`, `wF1` and for each `<metric>_std` (over the tail), `wF1_seed_std`
        (over seeds; NaN with one), `runs`, `runs_expected`, `wF1_change`, `baseline_runs`,
        `baseline_runs_expected`, and where the study is the paper's `paper` (wF1 in Table 1, the change in
        the figures), `paper_std`, `difference`, `agrees` (within 0.02). NaN where a run is missing.
    """
    found = answers(study, store).results
    rows = []
    for exhibit in study.exhibits:
        for number, train in enumerate(exhibit.columns):
            for test in exhibit.tests or train:
                for rate in study.rates_percent:
                    rows.append(
                        {
                            "exhibit": exhibit.name,
                            "column": ""
                            if exhibit.name == "table1"
                            else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number],
                            "train": study.title_of(train),
                            "test": study.title_of(test),
                            "augment_percent": rate,
                            **cell(found, study, train, test, rate),
                        }
                    )
    table = pd.DataFrame(rows)
    baselines = {
        study.title_of(test): cell(found, study, (corpus.name,), corpus.name, 0)
        for corpus in study.corpora
        for test in corpus.tests
    }
    table["wF1_change"] = table["wF1"] - table["test"].map(
        {test: of["wF1"] for test, of in baselines.items()}
    )
    expected = {test: of["runs_expected"] for test, of in baselines.items()}
    table["baseline_runs_expected"] = table["test"].map(expected)
    table["baseline_runs"] = table["test"].map({test: of["runs"] for test, of in baselines.items()})
    return _beside_the_paper(table) if study.paper else table


def cell(
    found: Mapping[RunSpec, Result], study: Study, train: TrainingSet, test: str, rate: int
) -> dict[str, Any]:
    """Tail averages of one cell: over its folds at each evaluation, over the tail, over seeds."""
    runs = study.runs(train, rate)
    row: dict[str, Any] = {"runs": sum(run in found for run in runs), "runs_expected": len(runs)}
    for metric in METRICS:
        curves = []
        for seed in study.seeds:
            done = [
                _tail_curve(found[run], test, metric) for run in runs if run.seed == seed and run in found
            ]
            if done:
                curves.append(np.mean(done, axis=0))
        row[metric] = float(np.mean(curves)) if curves else np.nan
        row[f"{metric}_std"] = float(np.mean([curve.std() for curve in curves])) if curves else np.nan
        if metric == "wF1":
            row["wF1_seed_std"] = (
                float(np.std([curve.mean() for curve in curves], ddof=1)) if len(curves) > 1 else np.nan
            )
    return row


def _tail_curve(result: Result, test: str, metric: str) -> np.ndarray:
    """The metric at each evaluation of the tail, averaged over the folds that the run tested."""
    history = result["history"]
    tail = in_tail([at["iteration"] for at in history], result["spec"]["recipe"]["tail"])
    return np.asarray([np.mean([fold[metric] for fold in history[i]["tests"][test].values()]) for i in tail])


def _beside_the_paper(table: pd.DataFrame) -> pd.DataFrame:
    """Adds the published numbers and the difference."""
    published = published_cells()
    table = table.merge(published, how="left", on=["exhibit", "train", "test", "augment_percent"])
    ours = table["wF1"].where(table["exhibit"] == "table1", table["wF1_change"])
    table["difference"] = ours - table["paper"]
    known = table["difference"].notna()
    table["agrees"] = (table["difference"].abs() <= AGREES_WITHIN + 1e-9).where(known).astype("boolean")
    return table


def published_cells() -> pd.DataFrame:
    """The paper's wF1 (Table 1, no tuning) and wF1 changes (Figures 2 and 3), a row a cell."""
    table1 = pd.read_csv(PAPER / "table1.csv").query("condition == 'default' and metric == 'wF1'")
    parts = [
        pd.DataFrame(
            {
                "exhibit": "table1",
                "train": table1["train_test"],
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


def disagreements(table: pd.DataFrame) -> list[str]:
    """What `--assert-paper` objects to: cells that differ by more than 0.02, and cells that are missing."""
    said = []
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
