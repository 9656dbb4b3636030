"""Table 1: trained and tested on the same corpus, at every rate. The baselines of all changes.

Its tuned row is the point of the tuning grid that is best on the validation clips.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from benchmark.report.exhibits import Section, tuning
from benchmark.report.later import paper, pd, tables
from benchmark.study import Grid, Study, training_sets
from benchmark.study_file import LIST
from serkit.results import Store
from serkit.settings import check
from serkit.specs import METRICS

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = 1
NAMES = {"table1": "Table 1: baselines, trained and tested on the same corpus"}
KEYS = {"train": LIST, "test": LIST}
SAID = "Trained and tested on the same corpus. The baselines of all changes."
REFERENCE = {"table1": (SAID, {"train": ([["mine"], ["emodb"]], "its training sets. Of one corpus each.")})}


def ask(name: str, table: Mapping[str, Any], study: Study) -> Grid:
    """Training sets of one corpus each, tested on it."""
    columns = training_sets(name, table, study, table.get("test", ()))
    alone = "test" not in table and all(len(column) == 1 for column in columns)
    check(alone, "table1 trains and tests on one corpus a row: train = [[...], ...] of one corpus, no test")
    return Grid(columns)


def numbers(study: Study, cells: Cells, store: Store) -> dict[str, pd.DataFrame]:
    """`cells`: a row a corpus and rate as of `Cells.entry`, the tuned row above its corpus.

    Where the study is the paper's, with those of `benchmark.report.paper.beside`. The `runs` of the tuned row
    are those of the whole grid: each may still change what is chosen.
    """
    if "table1" not in study.exhibits:
        return {}
    rows, grid = [], study.exhibits.get("tuning")
    for train in study.exhibits["table1"].columns:
        if grid and train == grid.train:
            tuned = cells.entry("table1", "", train, train[0], 0, tuning.chosen(study, cells))
            rows.append(tuned | {"train": tuned["train"] + paper.TUNED})
        rows += [cells.entry("table1", "", train, train[0], rate) for rate in study.rates_percent]
    table = tables.corrected(pd.DataFrame(rows))
    return {"cells": paper.beside(table) if study.paper else table}


def draw_tables(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[tables.Table]:
    """A row a corpus; metrics at 0 %, wF1 at the other rates; in the paper's study its own numbers too."""
    rates = [rate for rate in study.rates_percent if rate]
    rows = []
    for train, of_train in numbers["cells"].groupby("train", sort=False):
        at = {row["augment_percent"]: row for row in of_train.to_dict("records")}
        lines = {"ours": _line(at, rates, tables.value), "constant": _constant(at, rates)}
        if study.paper:
            lines["ours, over the tail"] = _line(at, rates, _over_the_tail)
            lines |= _published(str(train), at, rates)
        for name, line in lines.items():
            rows.append([str(train) * (name == "ours"), name, *line])
    headers = ["Train/test", ""]
    headers += [f"{metric}\n0 %" for metric in METRICS] + [f"wF1\n{rate} %" for rate in rates]
    legend = [*tables.how_sure(numbers["cells"]), tables.CONSTANT]
    if study.paper:
        legend.append("In parentheses the standard deviation over the tail, as the paper prints it.")
    return [tables.Table("table1", NAMES["table1"], headers, rows, tuple(legend))]


def _line(at: Mapping[int, Any], rates: list[int], write: Callable[[Any, str], str]) -> list[str]:
    first = [write(at[0], metric) if 0 in at else tables.MISSING for metric in METRICS]
    return first + [write(at[rate], "wF1") if rate in at else "" for rate in rates]


def _constant(at: Mapping[int, Any], rates: list[int]) -> list[str]:
    """What is had without listening, of each metric."""
    first = [tables.two_digits(at[0][f"{metric}_constant"]) if 0 in at else "" for metric in METRICS]
    return first + [""] * len(rates)


def _published(train: str, at: Mapping[int, Any], rates: list[int]) -> dict[str, list[str]]:
    """The paper's lines: its headings of uACC and wACC look exchanged, so both readings are there."""
    table = paper.table1().query("train == @train")
    printed = {(at.augment_pct, at.metric): f"{at.value:.2f} ({_short(at.std)})" for at in table.itertuples()}
    if not printed:
        return {}
    first = [printed.get((0, metric), "") for metric in METRICS]
    others = [printed.get((rate, "wF1"), "") for rate in rates]
    differences = [tables.signed(at[rate]["difference"] if rate in at else None, 3) for rate in (0, *rates)]
    return {
        "paper, as printed": first + others,
        "paper, uACC and wACC swapped": [first[1], first[0], first[2], *others],
        "ours - paper": ["", "", *differences],
    }


def _over_the_tail(row: Mapping[str, Any], metric: str) -> str:
    """A metric as the paper writes it, with its deviation over the tail; of one evaluation there is none."""
    if math.isnan(row[metric]):
        return tables.MISSING
    std = row[f"{metric}_std"]
    return f"{row[metric]:.2f}{'' if math.isnan(std) else f' ({_short(std)})'}{tables.share(row)}"


def _short(std: float) -> str:
    """0.004 as the paper writes it: 4e-3."""
    mantissa, exponent = f"{std:.0e}".split("e")
    return "0" if std < 1e-9 else f"{mantissa}e{int(exponent)}"


def sections(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[Section]:
    """The table and the tuning grid behind it, and every digit as files."""
    parts = [("table", "table1"), ("files", "cells"), ("table", "tuning"), ("files", "tuning-cells")]
    return [Section("table1", parts, "Table 1", "Table 1")]
