"""The answer as one picture: each claim, its changes with their intervals, and what is said of it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

import numpy as np
from matplotlib.figure import Figure

from benchmark.report import intervals
from benchmark.report.figures import COLOURS, drawn
from benchmark.report.intervals import Spread
from benchmark.report.judging import Verdict
from benchmark.report.terms import FAILS, HOLDS, MARGIN

NAME = "answer"
ANSWERS = {HOLDS: COLOURS[2], FAILS: COLOURS[1]}  # all else cannot be told, in grey
LETTERS, MOST, EDGE = 52, 8, 0.6  # of a claim in a line; changes of a claim; the largest change that has room
LEGEND = """Each line is a change with its 95 % interval, thick where it is clear after \
correction for all changes of the claim. Grey: less than {margin} either way. At most {most} of a claim, \
from the smallest to the largest. What is beyond {edge} either way is drawn there."""


def pictures(title: str, verdicts: Sequence[Verdict]) -> Iterator[tuple[str, Figure]]:
    """What a study says, in a row for each claim that rests on changes of wF1; nothing where there is none.

    A change beyond the edge lies on it.
    """
    rows = [(of, _some(of)) for of in verdicts if of.unit.startswith("wF1") and of.changes]
    if not rows:
        return
    size = 9.0, 0.9 + 0.48 * len(rows)
    legend = LEGEND.format(margin=MARGIN, most=MOST, edge=EDGE)
    with drawn(title, legend, size, 1, 1) as (figure, axes):
        panel = axes[0, 0]
        panel.axvspan(-MARGIN, MARGIN, color="0.93", lw=0)
        panel.axvline(0, color="0.4", lw=0.8)
        for number, (verdict, changes) in enumerate(rows):
            colour = ANSWERS.get(verdict.answer, "0.45")
            places = number + np.linspace(-0.3, 0.3, len(changes) + 2)[1:-1]
            for place, (of, clear) in zip(places, changes, strict=True):
                ends = np.clip([of.low, of.high], -EDGE, EDGE)
                panel.plot(ends, [place, place], color=colour, lw=2.2 if clear else 0.9)
                panel.plot(np.clip(of.mean, -EDGE, EDGE), place, "o", ms=2.5, color=colour)
            panel.text(
                1.02, number, verdict.answer, color=colour, va="center", transform=panel.get_yaxis_transform()
            )
        claims = ["\n".join(textwrap.wrap(_with_unit(verdict), LETTERS)) for verdict, _ in rows]
        panel.set_yticks(range(len(rows)), claims, fontsize=8)
        panel.set(ylim=(len(rows) - 0.5, -0.5), xlim=(-EDGE * 1.03, EDGE * 1.03), xlabel="change of wF1")
        panel.tick_params("y", length=0)
    yield NAME, figure


def _with_unit(verdict: Verdict) -> str:
    return verdict.claim if verdict.unit == "wF1" else f"{verdict.claim} ({verdict.unit})"


def _some(verdict: Verdict) -> list[tuple[Spread, bool]]:
    """Changes with intervals, and whether they are clear, from the smallest to the largest; of many some."""
    changes = [of for _, of in verdict.changes]
    every = zip(changes, intervals.clear(changes), strict=True)
    known = sorted((one for one in every if not np.isnan(one[0].low)), key=lambda one: one[0].mean)
    chosen = np.linspace(0, len(known) - 1, min(MOST, len(known))).round().astype(int)
    return [known[at] for at in chosen]
