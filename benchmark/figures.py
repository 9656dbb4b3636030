"""Exhibits as pictures: Figure 4. PNG to look at, SVG to print; the same bytes for the same numbers.

Colours are Okabe and Ito's, which readers with any colour vision can tell apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.figure4 import CONDITIONS, MEASURES

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
DOTS_PER_INCH = 150
SIZE = (10.5, 5.6)  # inches
BINS = 40
UNITS = {"p808_mos": "", "t60_s": " s", "c50_db": " dB"}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "serkit",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "font.size": 9.0,
}


def figure4(table: pd.DataFrame, distances: pd.DataFrame, title: str, caution: str) -> Figure:
    """Figure 4: distributions of the estimates, a row a condition, a column a measure, a colour a corpus.

    Dashed lines are medians. Of two corpora each panel says how far they are apart (Wasserstein, KS).

    Args:
        table: of `benchmark.figure4.estimates`.
        distances: of `benchmark.figure4.distances`.
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
        figure.supxlabel(caution, x=0.01, ha="left", fontsize=8, color="0.3")
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


def save(figure: Figure, folder: Path, name: str) -> list[str]:
    """Writes `<name>.png` and `<name>.svg`; returns their names."""
    with matplotlib.rc_context(STYLE):
        figure.savefig(folder / f"{name}.png", dpi=DOTS_PER_INCH, metadata={"Software": None})
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    return [f"{name}.png", f"{name}.svg"]
