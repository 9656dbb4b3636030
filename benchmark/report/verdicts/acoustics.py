"""Does augmentation bring the corpora closer as they sound? By Figure 4's distances, raw and augmented."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmark.report.exhibits.acoustics import MEASURES
from benchmark.report.intervals import SPEAKERS, Spread
from benchmark.report.judging import Verdict
from benchmark.report.terms import FAILS, HOLDS, UNTOLD
from serkit.words import many

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = 5
NAME, CLAIM = "bridge", "Augmentation brings all pairs of corpora closer together as they sound"
ASKS = "Whether augmentation brings the corpora closer as they sound"


def judge(cells: Cells, numbers: Mapping[str, Any]) -> list[Verdict]:
    """One verdict over pairs and measures, both corpora augmented; none where Figure 4 is not asked for."""
    if "figure4" not in cells.study.exhibits or len(cells.study.rates_percent) == 1:
        return []
    both = numbers.get("figure4-distance-cells", pd.DataFrame())
    if not both.empty:
        both = both.query("condition == 'augmented' and other_condition == 'augmented'")
        both = both[both["wasserstein_closed_low"].notna()]
    if both.empty:
        several = len({spec.corpus.name for spec in cells.study.exhibits["figure4"].measurements}) > 1
        why = "the measurements are not done" if several else "there is one corpus"
        return [Verdict(NAME, CLAIM, UNTOLD, f"{ASKS} cannot be said yet: {why}.")]
    changes = []
    for row in both.to_dict("records"):
        mean, low, high = (row[f"wasserstein_closed{end}"] for end in ("", "_low", "_high"))
        name = f"{row['corpus']} and {row['other']}, {MEASURES[row['measure']]}"
        changes.append((name, Spread(mean, low, high, of=SPEAKERS)))
    closer = sum(of.low > 0 for _, of in changes)
    further = sum(of.high < 0 for _, of in changes)
    near = int((both["ks"] <= both["ks_chance"]).sum())
    means = [of.mean for _, of in changes]
    sentence = (
        f"With both corpora augmented, {min(means):.0%} to {max(means):.0%} of the distance between their"
        f" raw estimates is gone: clearly closer in {closer}, clearly further apart in {further} of"
        f" {many(len(changes), 'pair and measure', 'pairs and measures')} (95 % over speakers, each for"
        f" itself); as close as chance deals speakers in {near}. Estimates of quality and room, not of all"
        " that differs."
    )
    answer = HOLDS if closer == len(changes) else FAILS if further else UNTOLD
    return [
        Verdict(NAME, CLAIM, answer, sentence, tuple(changes), "share of the distance that is gone", None)
    ]
