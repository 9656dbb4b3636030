"""What the loss by permuted labels says of a study, by generated worlds whose answer is known.

The loss alone says little: how much a contradiction costs depends on how well the network can tell the
corpora apart (docs/worlds.md). So both are held against what they are in each world, a meaning and a
mismatch. What comes out is a likelihood of three meanings, by narrow networks on generated speech: no proof.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.report.intervals import ALIKE, Spread
from benchmark.report.tables import moved
from serkit.corpora.synthetic import MEANINGS

WORLDS = Path(__file__).with_name("calibration.csv")
"""`meaning`, `mismatch`, `cast`, `probe`, `loss` of each world of the study `worlds` at 0 %, by networks
(tools/calibration.py)."""
FEW = 3
"""Casts of each world, else nothing is said."""
FAR = 3.0
"""Deviations beyond which a study is like no world. Ours."""
SURE = 0.95
"""No share above is told: it would be the tail of a distribution that a few casts know."""


@functools.cache
def worlds() -> pd.DataFrame:
    """The worlds' casts."""
    return pd.read_csv(WORLDS)


def likelihoods(loss: float, error: float, probe: float) -> dict[str, float]:
    """How likely each meaning makes a loss and a recall of the corpus together; their sum is 1.

    In each world both are Student's around the mean of its casts, with a deviation that is pooled over all
    worlds; every mismatch is as likely before. What a study's own loss is unsure by is added.

    Args:
        loss: what permuted labels cost, mean of both corpora, as a share of what the better of joint training
            on true and on permuted labels has above guessing.
        error: its standard deviation.
        probe: mean recall of the corpus from the embedding of joint training, by chance 0.5.

    Returns:
        Nothing by fewer than `FEW` casts of a world, or where no world is within `FAR` deviations in both.
    """
    from scipy import stats

    seen = worlds().groupby(["meaning", "mismatch"], sort=False)[["probe", "loss"]]
    means, casts = seen.mean(), seen.size().to_numpy()[:, None]
    freedom = int((casts - 1).sum())
    if not len(casts) or casts.min() < FEW or set(means.index.get_level_values("meaning")) != set(MEANINGS):
        return {}
    pooled = (seen.var(ddof=1).fillna(0.0).to_numpy() * (casts - 1)).sum(axis=0) / freedom
    scale = np.sqrt(pooled * (1 + 1 / casts) + np.array([0.0, error**2]))
    if not (scale > ALIKE).all():
        return {}
    off = (np.array([probe, loss]) - means.to_numpy()) / scale
    density = (stats.t.pdf(off, freedom) / scale).prod(axis=1)
    of = pd.Series(density, means.index).groupby("meaning").mean().reindex(MEANINGS)
    near = (abs(off) < FAR).all(axis=1).any()
    return (of / of.sum()).to_dict() if near else {}


def said(loss: Spread, probe: float) -> str:
    """The same in a sentence; empty where there is nothing to say."""
    if not loss.known or np.isnan(probe):
        return ""
    shares = likelihoods(loss.mean, sum(part**2 for part in loss.parts.values()) ** 0.5, probe)
    if not shares:
        return ""
    told = ", ".join(f"{meaning} {_percent(share)}" for meaning, share in shares.items())
    return (
        f"of what joint training reaches above guessing {moved(loss)} is lost, and the corpora are told apart"
        f" with a recall of {probe:.2f}; by generated worlds and narrow networks, if each meaning of emotions"
        f" was as likely before: {told}; no proof"
    )


def _percent(share: float) -> str:
    if share > SURE:
        return f"above {SURE:.0%}"
    return f"below {1 - SURE:.0%}" if share < 1 - SURE else f"{share:.0%}"
