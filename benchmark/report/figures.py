"""Exhibits as pictures: PNG to look at, SVG and PDF to print; the same bytes for the same numbers.

Figures 2 and 3 are heat maps in the paper's layout and colours, green up and red down. Who cannot tell the
two apart reads the number in every cell, or asks for `safe` colours, blue up and orange down. Lines and
distributions have Okabe and Ito's colours, which readers with any colour vision can tell apart.
"""

from __future__ import annotations

import functools
import textwrap
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from benchmark.report.acoustics import CONDITIONS, MEASURES
from benchmark.report.cells import colour_limit, columns_of, is_clear
from benchmark.report.output import letters_told
from benchmark.report.tables import signed
from serkit.files import write_by

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKS = ("o", "s", "^", "D", "v", "P", "X")
DOTS_PER_INCH = 150
SIZE = (10.5, 5.6)  # inches
BINS = 40
UNITS = {"p808_mos": "", "t60_s": " s", "c50_db": " dB"}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "serkit",
    "pdf.fonttype": 42,  # text stays text, as journals ask
    "text.parse_math": False,  # a corpus may have a $ in its name
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9.0,
}
DIVERGING: dict[str, str | Colormap] = {
    "paper": "RdYlGn",
    "safe": LinearSegmentedColormap.from_list("safe", ["#b35c00", "#ffffff", "#0a5a9c"]),  # as on the page
}
"""Colour maps of heat maps, each from down to up."""
LONGEST = 40  # letters of a name; a training set has several corpora's


def heat_map(cells: pd.DataFrame, title: str, legend: str, colours: str = "paper") -> Figure:
    """Figure 2 or 3: the change in wF1 for each training set and test, a row a rate.

    Cells whose interval leaves out 0 are bold. Where the paper's numbers are there, they stand below in the
    same colours.

    Args:
        cells: of `exhibits.cells`, of one figure.
        title: above.
        legend: below: what the letters mean.
        colours: `paper` or `safe`.
    """
    columns = columns_of(cells)
    rates = list(cells["augment_percent"].unique())
    shown = {"wF1_change": "ours"}
    if "paper" in cells and cells["paper"].notna().any():
        shown["paper"] = "paper"
    limit = colour_limit(cells)
    by_place = cells.set_index(["augment_percent", "column", "test"])
    with matplotlib.rc_context(STYLE):
        width, height = 1.6 + 0.62 * len(columns), 1.3 + 0.34 * (len(rates) + 2) * len(shown)
        height += 0.13 * max(0, len(_broken(legend, width)) - 3)
        height += 0.05 * max(0, max(len(_short(test)) for _, test in columns) - 16)
        figure = Figure(figsize=(width, height), layout="constrained")
        panels: np.ndarray = figure.subplots(len(shown), 1, squeeze=False, sharex=True)
        for (value, name), panel in zip(shown.items(), panels[:, 0], strict=True):
            changes = np.array([[by_place.loc[(rate, *at), value] for at in columns] for rate in rates])
            image = panel.imshow(changes, DIVERGING[colours], vmin=-limit, vmax=limit, aspect="auto")
            for row, rate in enumerate(rates):
                for column, at in enumerate(columns):
                    clear = value == "wF1_change" and is_clear(by_place.loc[(rate, *at)])
                    _write(panel, column, row, changes[row, column], clear, abs(changes[row, column]) / limit)
            panel.set_yticks(range(len(rates)), [f"{rate} %" for rate in rates])
            panel.set_ylabel(f"{name}\naugmented" if len(shown) > 1 else "augmented")
            panel.tick_params(length=0)
            panel.spines[:].set_visible(False)
            _separate(panel, [letter for letter, _ in columns])
        names = [_short(test) for _, test in columns]
        panels[-1, 0].set_xticks(range(len(columns)), names, rotation=35, ha="right")
        bar = figure.colorbar(image, ax=panels[:, 0].tolist(), shrink=0.8, pad=0.01)
        bar.set_label("change in wF1")
        bar.outline.set_visible(False)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        _say_below(figure, legend)
    return figure


def _short(name: str) -> str:
    """A name that leaves room for the numbers: of a longer one its beginning and end."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 13]}...{name[-10:]}"


def _say_below(figure: Figure, text: str) -> None:
    """A legend in as many lines as it needs."""
    lines = "\n".join(_broken(text, figure.get_figwidth()))
    figure.supxlabel(lines, x=0.01, ha="left", fontsize=8, color="0.3")


def _broken(text: str, inches: float) -> list[str]:
    return textwrap.wrap(text, int(inches * 14.5))  # letters of 8 points


def _write(panel: Axes, column: int, row: int, change: float, clear: bool, strength: float) -> None:
    """A cell's number; a missing one is grey and crossed out."""
    if np.isnan(change):
        panel.add_patch(
            Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor="0.93", edgecolor="0.8", hatch="//")
        )
        return
    panel.text(
        column,
        row,
        signed(change),
        ha="center",
        va="center",
        fontsize=8,
        fontweight="bold" if clear else "normal",
        color="white" if strength > 0.75 else "black",
    )


def _separate(panel: Axes, letters: list[str]) -> None:
    """White lines between training sets and the letter of each above."""
    firsts = [number for number, letter in enumerate(letters) if number == 0 or letters[number - 1] != letter]
    for first, after in zip(firsts, [*firsts[1:], len(letters)], strict=True):
        panel.text(
            (first + after - 1) / 2, -0.62, letters[first], ha="center", va="bottom", fontweight="bold"
        )
        if first:
            panel.axvline(first - 0.5, color="white", linewidth=5)


def rates(cells: pd.DataFrame, title: str, legend: str) -> Figure:
    """wF1 against the rate of augmentation: a panel a test, a line a training set, its interval as a bar.

    Where the paper's numbers are there, its wF1 (baseline and change) is a hollow mark.

    Args:
        cells: of `exhibits.cells`, of Figure 2.
        title: above.
        legend: below.
    """
    tests, trains = cells["test"].unique(), list(cells["train"].unique())
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(1.2 + 3.1 * len(tests), 3.9), layout="constrained")
        panels: np.ndarray = figure.subplots(1, len(tests), squeeze=False, sharey=True)
        for test, panel in zip(tests, panels[0], strict=True):
            here = cells[cells["test"] == test]
            for number, train in enumerate(trains):
                line = here[here["train"] == train]
                aside = 1.2 * (
                    number - (len(trains) - 1) / 2
                )  # percent: bars at one rate do not hide another
                x, colour = line["augment_percent"] + aside, COLOURS[number % len(COLOURS)]
                ends = (line[["wF1_low", "wF1_high"]].sub(line["wF1"], axis=0)).abs().to_numpy().T
                style: dict[str, Any] = {
                    "color": colour,
                    "marker": MARKS[(number + number // len(COLOURS)) % len(MARKS)],  # the eighth is no first
                    "markersize": 4,
                }
                panel.errorbar(x, line["wF1"], ends, linewidth=1.2, capsize=2, label=_short(train), **style)
                if "paper_wF1" in line and line["paper_wF1"].notna().any():
                    panel.plot(
                        x, line["paper_wF1"], linestyle=":", linewidth=0.8, markerfacecolor="white", **style
                    )
            panel.set_title(f"tested on {_short(test)}", fontsize=9)
            panel.set_xlabel("training clips augmented (%)")
            panel.set_xticks(cells["augment_percent"].unique())
        panels[0, 0].set_ylabel("wF1")
        handles, names = panels[0, 0].get_legend_handles_labels()
        fitting = int(figure.get_figwidth() * 11 / (max(map(len, names)) + 6))
        across = max(1, min(3, len(names), fitting))
        figure.legend(handles, names, loc="outside upper right", ncols=across, frameon=False)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        _say_below(figure, legend)
    return figure


def figure4(table: pd.DataFrame, distances: pd.DataFrame, title: str, caution: str) -> Figure:
    """Figure 4: distributions of the estimates, a row a condition, a column a measure, a colour a corpus.

    Dashed lines are medians. Of two corpora each panel says how far they are apart (Wasserstein, KS).

    Args:
        table: of `benchmark.report.acoustics.estimates`.
        distances: of `benchmark.report.acoustics.distances`.
        title: above.
        caution: below.
    """
    corpora = list(table["corpus"].unique())
    rows = [condition for condition in CONDITIONS if (table["condition"] == condition).any()]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(SIZE[0], SIZE[1] * (0.58 if len(rows) == 1 else 1)), layout="constrained")
        panels: np.ndarray = figure.subplots(len(rows), len(MEASURES), squeeze=False, sharex="col")
        for column, (measure, name) in enumerate(MEASURES.items()):
            values = table[measure].dropna()
            edges = np.histogram_bin_edges(values, bins=BINS).tolist()
            for condition, panel in zip(rows, panels[:, column], strict=True):
                here = table[table["condition"] == condition]
                for number, corpus in enumerate(corpora):
                    _distribution(panel, here.loc[here["corpus"] == corpus, measure], edges, corpus, number)
                panel.set_yticks([])
                if len(corpora) == 2:
                    _say_distance(panel, distances, measure, condition)
            panels[-1, column].set_xlabel(name)
        for condition, panel in zip(rows, panels[:, 0], strict=True):
            panel.set_ylabel(f"{condition}\nshare of clips")
        handles, names = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper right", ncols=len(names), frameon=False)
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
        _say_below(figure, caution)
    return figure


def _distribution(panel: Axes, values: pd.Series, edges: list[float], corpus: str, number: int) -> None:
    """One corpus in one panel."""
    known = values.dropna()
    if known.empty:
        return
    colour = COLOURS[number % len(COLOURS)]
    shares = np.full(len(known), 1 / len(known))
    panel.hist(known, edges, weights=shares, color=colour, alpha=0.35, label=corpus)
    panel.hist(known, edges, weights=shares, color=colour, histtype="step", linewidth=1.2)
    panel.axvline(known.median(), color=colour, linestyle="--", linewidth=1)


def _say_distance(panel: Axes, distances: pd.DataFrame, measure: str, condition: str) -> None:
    row = distances.query(
        "measure == @measure and condition == @condition and other_condition == @condition"
    ).squeeze()
    text = f"apart {row['wasserstein']:.2f}{UNITS[measure]}, KS {row['ks']:.2f}"
    panel.set_title(text, loc="right", fontsize=8)


UNDATED = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
"""Endings of the files of a figure, and what is left out of each so that it is the same each time."""


def save(figure: Figure, folder: Path, name: str) -> None:
    """Writes `<name>.png`, `.svg` and `.pdf`."""
    with matplotlib.rc_context(STYLE), letters_told():
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out: not once more for each file
        for ending, metadata in UNDATED.items():
            save_it = functools.partial(figure.savefig, format=ending, dpi=DOTS_PER_INCH, metadata=metadata)
            write_by(folder / f"{name}.{ending}", save_it)
