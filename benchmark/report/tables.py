"""Tables as text, for the terminal, Markdown and LaTeX (by tabulate) and as CSV; how numbers are written."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from tabulate import tabulate

from benchmark.report import escape, intervals
from benchmark.report.intervals import Spread
from serkit.words import printable

MISSING = "--"
BELOW = " °"
"""Stands after a cell that a constant predictor has too."""
CONSTANT = (
    "Constant: the better of one label always and guesses with the test's own shares, which hear nothing."
)
GREY = "not above what is had without listening; a difference between two such cells says nothing"
WIDE = 45
"""Letters of a cell that makes its column one of sentences."""


@dataclass(frozen=True)
class Table:
    """A drawn table."""

    name: str  # of its files
    title: str
    headers: list[str]  # a line break separates the training set's letter from the test
    rows: Sequence[Sequence[str]]
    legend: tuple[str, ...] = ()  # lines below
    aside: bool = False  # for files and page alone: the terminal shows the paper's layout

    def wide(self) -> list[bool]:
        """For each column whether it holds sentences."""
        columns = zip(*self.rows, strict=True) if self.rows else [()] * len(self.headers)
        return [max(map(len, column), default=0) > WIDE for column in columns]

    def text(self, style: str) -> str:
        """The table in one of tabulate's styles; headers on one line where the style has no line breaks."""
        cells = [self.headers, *self.rows]
        if style != "simple":
            write = escape.markdown if style == "github" else escape.line
            cells = [[write(cell) for cell in row] for row in cells]
        return tabulate(cells[1:], headers=cells[0], tablefmt=style, disable_numparse=True)

    def markdown(self, heading: str = "#") -> str:
        """Title, table and legend."""
        below = [escape.paragraph(line) for line in self.legend]
        return "\n\n".join([f"{heading} {escape.markdown(self.title)}", self.text("github"), *below])

    def csv(self) -> str:
        """The cells as they are drawn, headers on one line."""
        rows = [[printable(cell) for cell in row] for row in self.rows]
        return escape.csv(pd.DataFrame(rows, columns=[escape.line(header) for header in self.headers]))

    def latex(self) -> str:
        """The table in booktabs style."""
        return escape.latex(f"{self.text('latex_booktabs')}\n")


def value(row: Mapping[str, Any], metric: str = "wF1") -> str:
    """A cell's metric with its interval, where there is one; wF1 that is not above a constant's is marked."""
    if math.isnan(row[metric]):
        return MISSING
    return f"{ends(row, metric)}{BELOW * (metric == 'wF1' and not row['above'])}{share(row)}"


def share(row: Mapping[str, Any]) -> str:
    """Says so where a cell is an average over some of its runs only."""
    return "" if row["runs"] == row["runs_expected"] else f" [{row['runs']}/{row['runs_expected']}]"


def once(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Rows whose first cell is there only where it changes."""
    above = ["", *(first for first, *_ in rows)]
    return [["" if row[0] == before else row[0], *row[1:]] for row, before in zip(rows, above, strict=False)]


def how_sure(cells: pd.DataFrame) -> list[str]:
    """What stands beside values, in words: which intervals, over what, and where there are none."""
    over, said = intervals.over(zip(cells["units"], cells["spread_of"], strict=True)), []
    if over:
        said.append(f"In brackets the 95 % interval over {over}.")
    if (cells["spread_of"] == intervals.ALONE).any():
        said.append("Without brackets: one training or one fold, and nothing tells what another would give.")
    if (cells["wF1"].notna() & ~cells["above"]).any():
        said.append(f"{BELOW.strip()}: {GREY}.")
    return [" ".join(said)] if said else []


def corrected(cells: pd.DataFrame) -> pd.DataFrame:
    """The cells of one exhibit and what is clear of them.

    Added are `wF1_change_holm`, the change's p corrected for how many cells there are, and `clear`: whether
    the cell moved by that, and is above what a constant has.
    """
    holm = intervals.holm(cells["wF1_change_p"])
    return cells.assign(wF1_change_holm=holm, clear=(holm < intervals.CHANCE) & cells["above"])


def two_digits(number: float) -> str:
    """A number with two digits and no -0.00."""
    return MISSING if math.isnan(number) else f"{number:z.2f}"


def signed(number: float | None, digits: int = 2, missing: str = "") -> str:
    """A change as it is written everywhere: with its sign, and no -0.00."""
    return missing if number is None or math.isnan(number) else f"{number:+z.{digits}f}"


def interval(mean: float, low: float, high: float, write: Callable[[float], str] = two_digits) -> str:
    """A number with its interval, where there is one."""
    if math.isnan(mean):
        return MISSING
    return write(mean) + ("" if math.isnan(low) else f" [{write(low)}, {write(high)}]")


def ends(row: Mapping[str, Any], name: str, write: Callable[[float], str] = two_digits) -> str:
    """A number of a row with its interval, where there is one."""
    return interval(row[name], row[f"{name}_low"], row[f"{name}_high"], write)


def moved(change: Spread) -> str:
    """A change with its interval, where there is one: `+0.10 [+0.05, +0.15]`."""
    return interval(change.mean, change.low, change.high, signed)
