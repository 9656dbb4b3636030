"""Pictures: PNG to look at, SVG and PDF to print; the same bytes for the same numbers.

Lines and distributions have Okabe and Ito's colours, which readers with any colour vision can tell apart.
"""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from benchmark.report.output import missing_letters_named_once
from serkit.files import write_by

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "serkit",
    "pdf.fonttype": 42,  # text stays text, as journals ask
    "text.parse_math": False,  # a corpus may have a $ in its name
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9.0,
}
UNDATED = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""Endings of the files of a figure, and what is left out of each so that it is the same each time."""
DOTS_PER_INCH = 150
LONGEST = 40  # letters of a name; a training set has several corpora's


@contextmanager
def drawn(
    title: str, legend: str, size: tuple[float, float], rows: int, columns: int, **options: Any
) -> Iterator[tuple[Figure, np.ndarray]]:
    """A figure and its panels, [rows, columns], to draw in, of so many inches.

    The title is above, the legend below in as many lines as it needs; `options` are of `Figure.subplots`.
    """
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        yield figure, figure.subplots(rows, columns, squeeze=False, **options)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        figure.supxlabel("\n".join(broken(legend, size[0])), x=0.01, ha="left", fontsize=8, color="0.3")


def broken(text: str, inches: float) -> list[str]:
    """The lines of a text of 8 points that fit a width."""
    return textwrap.wrap(text, int(inches * 14.5))


def short(name: str) -> str:
    """A name that leaves room for the numbers: of a longer one its beginning and end."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 13]}...{name[-10:]}"


def save(figure: Figure, folder: Path, name: str) -> None:
    """Writes `<name>.png`, `.svg` and `.pdf`."""
    with matplotlib.rc_context(STYLE), missing_letters_named_once():
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out: not once more for each file
        for ending, metadata in UNDATED.items():
            save_it = functools.partial(figure.savefig, format=ending, dpi=DOTS_PER_INCH, metadata=metadata)
            write_by(folder / f"{name}.{ending}", save_it)
