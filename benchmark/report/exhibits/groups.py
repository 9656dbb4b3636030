"""Scores by what else a corpus knows of its clips: gender, sentence, intensity, what raters agreed on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.report.exhibits import Section, baseline
from benchmark.report.later import intervals, np, pd, tables
from benchmark.study import Condition, Study, TrainingSet, rates, true_sets
from benchmark.study_file import LIST
from serkit.results import Store
from serkit.settings import check

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = 8.5
NAMES = {"groups": "By what else is known of the clips: wF1 of each group"}
KEYS = {"train": LIST, "by": LIST, "rates_percent": LIST}
SAID = "Scores by other columns of the corpora, as gender or sentence."
SETTINGS = {
    "train": ([["mine"], ["emodb"]], "its training sets."),
    "by": (["gender"], "columns, of those that a corpus's reader says it has (docs/corpora.md)."),
    "rates_percent": baseline.RATES,
}
REFERENCE = {"groups": (SAID, SETTINGS)}
LEGEND = (
    "Clips: tested ones of a seed. Means over folds, with an interval, where each has its own networks; else"
    " over all clips of the group. Groups differ in their shares of labels, and wF1 with them: uACC compares."
)


@dataclass(frozen=True)
class Groups:
    """Training sets at some rates, and the columns by which their tests are divided."""

    columns: tuple[TrainingSet, ...]
    rates: tuple[int, ...]
    by: tuple[str, ...]
    tests = measurements = ()

    def conditions(self, study: Study) -> list[Condition]:
        """Each training set at each rate."""
        return [Condition(train, rate) for rate in self.rates for train in self.columns]


def ask(name: str, table: Mapping[str, Any], study: Study) -> Groups:
    """Training sets under true labels, and columns."""
    columns = true_sets(name, table, study)
    by = tuple(table.get("by", ()))
    check(bool(by), f"{name}: by is missing; expected a list of columns, as gender")
    check(all(isinstance(of, str) for of in by), f"{name}.by: expected names of columns")
    return Groups(columns, rates(name, table, study), by)


def numbers(study: Study, cells: Cells, store: Store) -> dict[str, pd.DataFrame]:
    """`groups-cells`: a row a training set, rate, test, column and value."""
    if "groups" not in study.exhibits:
        return {}
    asked = study.exhibits["groups"]
    rows = [
        row
        for at in asked.conditions(study)
        for corpus in study.corpora
        for row in _rows(study, cells, at, corpus.name)
    ]
    names = (
        "train",
        "augment_percent",
        "test",
        "column",
        "value",
        "clips",
        "uACC",
        "wF1",
        "wF1_low",
        "wF1_high",
    )
    return {"groups-cells": pd.DataFrame(rows, columns=list(names))}


def _rows(study: Study, cells: Cells, at: Condition, corpus: str) -> Iterator[dict[str, Any]]:
    from serkit.metrics import of_confusion

    found: dict[tuple[str, str], list[tuple[int | None, np.ndarray]]] = defaultdict(list)
    done = cells.runs(at.train, at.augment_percent)
    for run, result in done.items():
        for column in study.exhibits["groups"].by:
            for value, counts in result.get("by", {}).get(corpus, {}).get(column, {}).items():
                found[column, value].append((run.fold, np.array(counts, dtype=np.float64)))
    own = corpus in at.train and study.corpus(corpus).folds > 1
    for (column, value), counts in sorted(found.items()):
        whole = np.sum([of for _, of in counts], axis=0)
        scores = {name: float(of_confusion(whole)[name]) for name in ("uACC", "wF1")}
        spread = intervals.Spread()
        if own:  # as all cells: the mean over folds
            folds = [(fold, of_confusion(of)) for fold, of in counts if of.sum()]
            of = {name: intervals.by_fold((at, float(of[name])) for at, of in folds) for name in scores}
            scores, spread = {name: units.mean for name, units in of.items()}, of["wF1"].around()
        yield {
            "train": study.title_of(at.train),
            "augment_percent": at.augment_percent,
            "test": study.titles[corpus],
            **{"column": column, "value": value},
            "clips": round(float(whole.sum()) / (len(study.seeds) if own else max(len(done), 1))),
            **scores,
            **{"wF1_low": spread.low, "wF1_high": spread.high},
        }


def draw_tables(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[tables.Table]:
    """A row a group."""
    rows = [
        [
            f"{row['train']}, {row['augment_percent']} %",
            row["test"],
            row["column"],
            row["value"],
            str(row["clips"]),
            tables.interval(row["wF1"], row["wF1_low"], row["wF1_high"]),
            tables.two_digits(row["uACC"]),
        ]
        for row in numbers["groups-cells"].to_dict("records")
    ]
    headers = ["Trained on", "Tested on", "By", "Group", "Clips", "wF1", "uACC"]
    return [tables.Table("groups", NAMES["groups"], headers, tables.once(rows), (LEGEND,))]


def sections(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[Section]:
    """Table and numbers."""
    parts = [("table", "groups"), ("files", "groups-cells")]
    return [Section("groups", parts, "Groups", "By what else is known of the clips")]
