"""What the loss by permuted labels says of a study, by generated worlds whose answer is known.

The loss alone says little: how much a contradiction costs depends on how well the network can tell the
corpora apart (docs/worlds.md). So it is held against the worlds in which corpora are told apart as well as
here. What comes out is a likelihood of three meanings, by narrow networks on generated speech: no proof.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.report.intervals import ALIKE, Spread
from benchmark.report.tables import moved

WORLDS = Path(__file__).with_name("calibration.csv")
"""`meaning`, `mismatch`, `cast`, `probe`, `loss` of each world of the study `worlds` at 0 %, by networks
(tools/calibration.py)."""
MEANINGS = ("shared", "disjoint", "swapped")
WIDTH = 0.1
"""How near in the recall of the corpus a world must be to count, as a deviation. Ours."""
FEW = 3.0
"""Worlds of a meaning that must count, else nothing is said; and the deviations that a loss may be off."""
SURE = 0.95
"""No share above is told: it would be the tail of a distribution that a few casts know."""


@functools.cache
def worlds() -> pd.DataFrame:
    """The worlds' casts."""
    return pd.read_csv(WORLDS)


def likelihoods(loss: float, error: float, probe: float) -> dict[str, float]:
    """How likely each meaning makes a loss at a recall of the corpus; their sum is 1.

    The losses of worlds near in that recall are taken as Student's, with what a study's own is unsure by.

    Args:
        loss: share of what joint training has above guessing that permuted labels cost, mean of both corpora.
        error: its standard deviation.
        probe: mean recall of the corpus from the embedding of joint training, by chance 0.5.

    Returns:
        Nothing where fewer than `FEW` worlds of some meaning are near, or the loss is far from all.
    """
    from scipy import stats

    found, off = {}, []
    for meaning in MEANINGS:
        of = worlds()[worlds()["meaning"] == meaning]
        near = np.exp(-(((of["probe"] - probe) / WIDTH) ** 2) / 2).to_numpy()
        count = near.sum() ** 2 / (near**2).sum() if near.any() else 0.0
        if min(count, near.sum()) < FEW:
            return {}
        mean = np.average(of["loss"], weights=near)
        variance = np.average((of["loss"] - mean) ** 2, weights=near) * count / (count - 1)
        scale = float(variance * (1 + 1 / count) + error**2) ** 0.5
        if scale < ALIKE:
            return {}
        off.append(abs(loss - mean) / scale)
        found[meaning] = float(stats.t.pdf(loss, count - 1, mean, scale))
    total = sum(found.values())
    return {meaning: of / total for meaning, of in found.items()} if total and min(off) < FEW else {}


def said(loss: Spread, probe: float) -> str:
    """The same in a sentence; empty where there is nothing to say."""
    if not loss.known or np.isnan(probe):
        return ""
    shares = likelihoods(loss.mean, sum(part**2 for part in loss.parts.values()) ** 0.5, probe)
    if not shares:
        return ""
    told = ", ".join(f"{meaning} {_percent(share)}" for meaning, share in shares.items())
    return (
        f"of what joint training has above guessing {moved(loss)} is lost, and the corpora are told apart"
        f" with a recall of {probe:.2f}; by generated worlds and narrow networks, if each meaning of emotions"
        f" was as likely before: {told}; no proof"
    )


def _percent(share: float) -> str:
    if share > SURE:
        return f"above {SURE:.0%}"
    return f"below {1 - SURE:.0%}" if share < 1 - SURE else f"{share:.0%}"
