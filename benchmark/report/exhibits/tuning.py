"""The light tuning behind a row of Table 1 (§4): one corpus at 0 %, a grid of recipes.

The point that is best on the validation clips is chosen; the whole grid is shown.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from benchmark.report.exhibits import Section
from benchmark.report.later import pd, tables
from benchmark.study import Condition, How, Study, TrainingSet, training_sets
from benchmark.study_file import LIST
from serkit.results import Store
from serkit.settings import check, number
from serkit.specs import Recipe
from serkit.words import shown

if TYPE_CHECKING:
    from benchmark.report.cells import Cells, Tuned

PLACE = 2
NAMES = {"tuning": "Table 1, tuning: wF1 on the validation clips / on the test clips, at 0 % augmentation"}
KEYS = {"train": LIST, "learning_rates": LIST, "batch_sizes": LIST}
SAID = "The light tuning that a row of Table 1 shows (§4): one corpus at 0 %, a grid of recipes."
SETTINGS = {
    "train": ([["mine"]], "the training set; Table 1 has it too."),
    "learning_rates": ([1e-4, 1e-3], "the grid's rows."),
    "batch_sizes": ([16, 128], "its columns."),
}
REFERENCE = {"tuning": (SAID, SETTINGS)}


@dataclass(frozen=True)
class Tuning:
    """The grid of a training set of one corpus: a row a learning rate, a column a batch size."""

    train: TrainingSet
    learning_rates: tuple[float, ...]
    batch_sizes: tuple[int, ...]
    tests = measurements = ()

    def recipes(self, study: Study) -> list[Recipe]:
        """The points of the grid, row by row: the study's recipe with another rate and batch size."""
        points = itertools.product(self.learning_rates, self.batch_sizes)
        return [replace(study.recipe, learning_rate=rate, batch_size=size) for rate, size in points]

    def conditions(self, study: Study) -> list[Condition]:
        """A condition a point."""
        return [Condition(self.train, 0, How(study.model, recipe)) for recipe in self.recipes(study)]


def ask(name: str, table: Mapping[str, Any], study: Study) -> Tuning:
    """A grid for one of Table 1's rows."""
    own = f"tuning compares recipes, and none applies to {study.model.encoder}; leave the table out"
    check(not study.model.imported, own)
    columns = training_sets(name, table, study)
    train = columns[0]
    expected = f"expected one training set of one corpus, as {[[train[0]]]!r}"
    check(len(columns) == len(train) == 1, f"tuning.train = {shown(table['train'])}: {expected}")
    for key, setting in {"learning_rates": "learning_rate", "batch_sizes": "batch_size"}.items():
        check(key in table, f"tuning: {key} is missing; expected {LIST}")
        for value in table[key]:
            number(f"recipe.{setting}", value, f"tuning.{key}")
    table1 = study.exhibits.get("table1")
    missing = f"tuning is a row of Table 1 beside the untuned one: add {list(train)} to table1.train"
    check(table1 is not None and train in table1.columns, missing)
    rates = tuple(float(rate) for rate in table["learning_rates"])  # 1 and 1.0 are one id
    return Tuning(train, rates, tuple(table["batch_sizes"]))


def points(study: Study, cells: Cells) -> pd.DataFrame:
    """The grid, a row a point.

    Returns:
        Columns: `train` (title), `learning_rate`, `batch_size`, those of `Cells.row` on the test clips; of
        the metrics the same on the validation clips with `validation_` before them; `chosen` (highest
        validation wF1) and `best_on_test` (highest wF1), both only among the points whose runs are all done,
        the first of equals.
    """
    asked = study.exhibits["tuning"]
    (corpus,) = asked.train
    rows = []
    for recipe in asked.recipes(study):
        rate, size = recipe.learning_rate, recipe.batch_size
        point = dict(train=study.title_of(corpus), learning_rate=rate, batch_size=size)
        how = How(study.model, recipe)
        row, validation = cells.row(asked.train, corpus, 0, how), cells.validation(asked.train, 0, how)
        rows.append(point | row | {f"validation_{column}": value for column, value in validation.items()})
    table = pd.DataFrame(rows)
    complete = table["runs"] == table["runs_expected"]
    for mark, column in {"chosen": "validation_wF1", "best_on_test": "wF1"}.items():
        best = table[column].where(complete).round(12)  # equals are equal, in whatever order they were added
        table[mark] = (table.index == best.idxmax()) if best.notna().any() else False
    return table


def chosen(study: Study, cells: Cells) -> Tuned:
    """The chosen point as a cell, and its units; its runs are those of the whole grid."""
    table, asked = points(study, cells), study.exhibits["tuning"]
    runs = {name: int(table[name].sum()) for name in ("runs", "runs_expected")}
    known = cells if table["chosen"].any() else type(cells)(study, {})  # of no results
    how = How(study.model, asked.recipes(study)[table["chosen"].argmax()])
    place = asked.train, asked.train[0], 0, how
    row = {name: value for name, value in known.row(*place).items() if name not in runs}
    return row | runs, known.units(*place)


def numbers(study: Study, cells: Cells, store: Store) -> dict[str, pd.DataFrame]:
    """`tuning-cells`: the points."""
    return {"tuning-cells": points(study, cells)} if "tuning" in study.exhibits else {}


def draw_tables(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[tables.Table]:
    """Rows of learning rates, columns of batch sizes."""
    table, asked = numbers["tuning-cells"], study.exhibits["tuning"]
    by_rate = table.groupby("learning_rate", sort=False)
    rows = [[str(rate), *map(_point, of_rate.to_dict("records"))] for rate, of_rate in by_rate]
    headers = ["Learning rate", *(f"batch {size}" for size in asked.batch_sizes)]
    return [tables.Table("tuning", NAMES["tuning"], headers, rows, _legend(study, table))]


def _legend(study: Study, table: pd.DataFrame) -> tuple[str, ...]:
    asked, own = study.exhibits["tuning"], study.recipe
    title = study.title_of(asked.train)
    recipe = f"learning rate {own.learning_rate}, batch {own.batch_size}"
    legend = [
        f"Trained and tested on {title}. The study's own recipe is {recipe}.",
        f"Marked * is the chosen point, the highest validation wF1: the row {title} (tuned) of Table"
        " 1. Marked ^ is the highest test wF1; to read that as what tuning gives is optimistic, since it is"
        " picked on the clips it is measured on. Of equals the first is marked, row by row.",
    ]
    if any(corpus.n_trainings < corpus.folds for corpus in study.corpora if corpus.name in asked.train):
        legend.append(
            f"Caution: folds of {title} validate each other in pairs, and the two of a pair learn from the"
            " same clips. Over all folds the validation clips are therefore the test clips, scored by equal"
            " networks: the chosen point is the optimistic one too."
        )
    complete = int((table["runs"] == table["runs_expected"]).sum())
    if complete < len(table):
        said = "points have all of their runs; only such points are marked, so the marks may still move."
        legend.append(f"{complete} of {len(table)} {said}")
    return tuple(legend)


def _point(row: Mapping[str, Any]) -> str:
    """With a third digit, since points lie close together."""
    if not row["runs"]:
        return tables.MISSING
    values = row["validation_wF1"], row["wF1"]
    text = " / ".join(tables.MISSING if math.isnan(value) else f"{value:.3f}" for value in values)
    marks = "*" * bool(row["chosen"]) + "^" * bool(row["best_on_test"])
    return f"{text}{tables.share(row)}{' ' * bool(marks)}{marks}"


def sections(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[Section]:
    """None of its own: it stands below Table 1."""
    return []
