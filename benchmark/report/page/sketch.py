"""The small picture of a verdict: a line for each change with its interval, around 0 and what would count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from benchmark.report import intervals
from benchmark.report.intervals import Spread
from benchmark.report.terms import MARGIN

WIDTH, STEP, EDGE, MOST = 220.0, 6.0, 12.0, 24
"""Of a picture, between two of its lines, and of what its edges are, in px; lines that fit in it."""


@dataclass(frozen=True)
class Sketch:
    """Where the lines of a picture lie, in px from its upper left corner."""

    height: float
    zero: float
    margins: tuple[float, ...]  # what would count, down and up, if there is such a number
    lines: tuple[tuple[float, float, float, float, bool], ...]  # height, ends, middle, whether it is clear
    scale: float  # what its edges stand for
    more: int  # changes that are not shown

    width = WIDTH


def sketch(changes: Iterable[tuple[str, Spread]], margin: float | None = MARGIN) -> Sketch | None:
    """The picture of some changes, in their order; None where none is known."""
    spreads = [spread for _, spread in changes if not np.isnan(spread.mean)]
    if not spreads:
        return None
    reach = [abs(end) for of in spreads for end in (of.mean, of.low, of.high) if not np.isnan(end)]
    scale = min(1.0, max(2 * (margin or MARGIN), *reach))

    def place(value: float) -> float:
        return round(WIDTH / 2 * (1 + float(np.clip(value / scale, -1, 1))), 1)

    lines = []
    for number, (of, clear) in enumerate(zip(spreads[:MOST], intervals.clear(spreads), strict=False)):
        ends = (of.mean, of.mean) if np.isnan(of.low) else (of.low, of.high)
        low, high, middle = map(place, (*ends, of.mean))
        lines.append((STEP * (number + 1), low, high, middle, clear))
    height, more = STEP * (len(lines) + 1) + EDGE, max(0, len(spreads) - MOST)
    counts = () if margin is None else (place(-margin), place(margin))
    return Sketch(height, place(0.0), counts, tuple(lines), scale, more)
