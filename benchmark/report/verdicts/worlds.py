"""What tells shared emotions from others, in generated worlds? A verdict an indicator and rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmark.report import intervals
from benchmark.report.exhibits.worlds import FEW, INDICATORS, TELLING
from benchmark.report.intervals import Spread
from benchmark.report.judging import Verdict
from benchmark.report.tables import interval, moved, two_digits
from benchmark.report.terms import FAILS, HOLDS, MARGIN, UNTOLD
from serkit.words import many

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = -1
MEANS = {
    "loss": "What permuted labels cost tells",
    "partner": "Where errors go under permuted labels tells",
    "unseen": "What permuted labels cost an unseen corpus tells",
    "heldout": "Held-out labels tell",
}
CLAIM = "{} shared emotions from disjoint ones at every mismatch, with {} % of the training clips augmented"


def judge(cells: Cells, numbers: Mapping[str, Any]) -> list[Verdict]:
    """By networks; none of a study without worlds."""
    if "worlds-told-cells" not in numbers:
        return []
    if not {"shared", "disjoint"} <= set(cells.study.exhibits["worlds"].meanings):
        return []  # nothing to tell apart
    table = numbers["worlds-told-cells"]
    table, found = table[(table["way"] == "network") & table["indicator"].isin(TELLING)], []
    for (name, rate), of in table.groupby(["indicator", "augment_percent"], sort=False):
        found.append(_verdict(str(name), f"{rate}", of))
    return found


def _verdict(name: str, rate: str, of: pd.DataFrame) -> Verdict:
    """Holds where it tells them apart at each mismatch, in its direction; fails where somewhere it cannot."""
    claim = CLAIM.format(MEANS[name], rate)
    if of["apart"].isna().all():
        said = f"Whether {claim[0].lower()}{claim[1:]} cannot be said yet: its runs are not done."
        return Verdict(f"told-{name}-{rate}", claim, UNTOLD, said)
    clear = intervals.holm(of["apart_p"]) < intervals.CHANCE
    told = clear & (of["apart"] > 0)
    nothing = of["apart_high"] < MARGIN
    answer = HOLDS if told.all() else FAILS if nothing.any() else UNTOLD
    changes, words = [], []
    for row, so in zip(of.to_dict("records"), told, strict=True):
        mean, low, high, p = (row[f"apart{end}"] for end in ("", "_low", "_high", "_p"))
        spread = Spread(mean, low, high, p, n=row["apart_n"], of="casts")
        changes.append((f"mismatch {row['mismatch']:g}", spread))
        kinds = " against ".join(
            interval(row[kind], row[f"{kind}_low"], row[f"{kind}_high"], two_digits)
            for kind in ("shared", "disjoint")
        )
        rightly = (
            "" if pd.isna(row["told"]) else f", {row['told']:.0%} of single casts rightly told by the others"
        )
        words.append(
            f"at {row['mismatch']:g} {kinds}, apart by {moved(spread)}{' (clear)' * bool(so)}{rightly}"
        )
    fewest, most = int(of["apart_n"].min()), int(of["apart_n"].max())
    casts = many(most, "cast") if fewest == most else f"{fewest} to {most} casts"
    corrected = f"; {many(len(changes), 'difference')} corrected for" * (len(changes) > 1)
    over = f"{casts}: too few for an interval" if most < FEW else f"95 % over {casts}{corrected}"
    sentence = (
        f"{INDICATORS[name][0].upper()}{INDICATORS[name][1:]}, shared against disjoint, by mismatch:"
        f" {'; '.join(words)} ({over})."
    )
    return Verdict(f"told-{name}-{rate}", claim, answer, sentence, tuple(changes), "wF1 or recall")
