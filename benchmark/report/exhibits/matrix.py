"""Every training set on every corpus, in absolute numbers: what a change is worth, its baseline says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from benchmark.report.exhibits import Section
from benchmark.report.later import pd, tables
from benchmark.study import Study
from serkit.labels import treatment_of
from serkit.results import Store

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = 0
NAMES: dict[str, str] = {}
LEGEND = (
    "A row is a training set, a column a tested corpus. Own: the training set holds that corpus, and other"
    " clips of it are tested. The means are of the cells that are own and of those that are not.",
    "Guesses (with the test's own shares of labels) and the label that is best said always hear nothing.",
)


def numbers(study: Study, cells: Cells, store: Store) -> dict[str, pd.DataFrame]:
    """Every training set under its own labels on every corpus, at every rate: single corpora come first.

    Returns:
        `matrix-cells`: `train`, `test` (titles), `augment_percent`, `own` (whether the training set holds the
        test's corpus), and the cell's of `Cells.row`. `guesses`: what is had on each corpus without listening
        (`benchmark.report.constants`): `test` (title), `guessing`, `always` (wF1 each), `label`.
    """
    true = [train for train in study.training_sets() if not any(map(treatment_of, train))]
    rows = []
    for train in sorted(true, key=len):
        for corpus in study.corpora:
            place = {"train": study.title_of(train), "test": study.titles[corpus.name]}
            for rate in study.rates_percent:
                at = {"augment_percent": rate, "own": corpus.name in train}
                rows.append(place | at | cells.row(train, corpus.name, rate))
    if not rows:
        return {}
    guesses = []
    for corpus in study.corpora:
        found = cells.evidence.constants(corpus.name)
        about = {"guessing": found.guessing["wF1"], "always": found.always["wF1"], "label": found.label}
        guesses.append({"test": study.titles[corpus.name], **about})
    return {"matrix-cells": pd.DataFrame(rows), "guesses": pd.DataFrame(guesses)}


def draw_tables(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[tables.Table]:
    """What each training set reaches on each corpus at the lowest rate, with means and what guesses get."""
    rate = min(study.rates_percent)
    cells, guesses = numbers["matrix-cells"].query("augment_percent == @rate"), numbers["guesses"]
    rows = []
    for train, of_train in cells.groupby("train", sort=False):
        values = [
            tables.value(row) + " own" * (row["own"] and row["runs"] > 0)
            for row in of_train.to_dict("records")
        ]
        rows.append(
            [str(train), *values, *(_mean(of_train[of_train["own"] == own]) for own in (True, False))]
        )
    other = cells[~cells["own"]]
    constant = [f"{tables.two_digits(row.always)} {row.label}".strip() for row in guesses.itertuples()]
    of_tests = [_mean(other[other["test"] == test]) for test in guesses["test"]]
    rows += [
        ["mean, not trained on", *of_tests, "", _mean(other)],
        ["guesses", *map(tables.two_digits, guesses["guessing"]), "", ""],
        ["one label, always", *constant, "", ""],
    ]
    title = f"wF1 of every training set on every corpus, at {rate} % augmentation"
    legend = (LEGEND[0], *tables.how_sure(cells), LEGEND[1])
    headers = ["Trained on", *guesses["test"], "mean, own", "mean, other"]
    return [tables.Table("matrix", title, headers, rows, legend)]


def _mean(cells: pd.DataFrame) -> str:
    """Of whole cells; where one is missing there is none, since it would not compare."""
    return "" if cells.empty else tables.two_digits(cells["wF1"].mean(skipna=False))


def sections(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[Section]:
    """The table; all rates as a file."""
    parts = [("table", "matrix"), ("files", "matrix-cells")]
    return [Section("matrix", parts, "Train and test", "Every training set on every corpus")]
