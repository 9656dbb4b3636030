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


def _fits() -> tuple[pd.DataFrame, np.ndarray, int] | None:
    """Of each world the means of probe and loss, their deviations for one more study, and the freedom.

    None by fewer than `FEW` casts of a world, without one of the meanings, or where casts do not vary.
    """
    seen = worlds().groupby(["meaning", "mismatch"], sort=False)[["probe", "loss"]]
    means, casts = seen.mean(), seen.size().to_numpy()[:, None]
    freedom = int((casts - 1).sum())
    if not len(casts) or casts.min() < FEW or set(means.index.get_level_values("meaning")) != set(MEANINGS):
        return None
    pooled = (seen.var(ddof=1).fillna(0.0).to_numpy() * (casts - 1)).sum(axis=0) / freedom
    scale = np.sqrt(pooled * (1 + 1 / casts))
    return (means, scale, freedom) if (scale > ALIKE).all() else None


def likelihoods(loss: float, error: float, probe: float) -> dict[str, float]:
    """How likely each meaning makes a loss, where corpora are told apart so well; their sum is 1.

    In each world both are Student's around the mean of its casts, with a deviation that is pooled over all
    worlds; what a study's own loss is unsure by is added. The worlds of a meaning count by how well they fit
    the recall, which is no evidence itself: real corpora are told apart by much that these worlds lack.

    Args:
        loss: what permuted labels cost, mean of both corpora, as a share of what the better of joint training
            on true and on permuted labels has above guessing.
        error: its standard deviation.
        probe: mean recall of the corpus from the embedding of joint training, by chance 0.5.

    Returns:
        Nothing where a meaning has no world within `FAR` deviations of the recall, or none is near the loss.
    """
    from scipy import stats

    if (fits := _fits()) is None:
        return {}
    means, scales, freedom = fits
    scale = np.sqrt(scales**2 + np.array([0.0, error**2]))
    off = (np.array([probe, loss]) - means.to_numpy()) / scale
    at = pd.DataFrame(stats.t.pdf(off, freedom) / scale, means.index, ["probe", "loss"])
    near = pd.DataFrame(abs(off) < FAR, means.index, ["probe", "loss"]).groupby("meaning").any()
    if not (near["probe"].all() and near["loss"].any()):
        return {}
    weight = at["probe"] / at["probe"].groupby("meaning").transform("sum")
    of = (weight * at["loss"]).groupby("meaning").sum().reindex(MEANINGS)
    return (of / of.sum()).to_dict()


def said(loss: Spread, probe: float) -> str:
    """The same in a sentence; empty where there is nothing to say."""
    if not loss.known or np.isnan(probe):
        return ""
    seen = (
        f"of what joint training reaches above guessing {moved(loss)} is lost, and the corpora are told apart"
    )
    seen += f" with a recall of {probe:.2f}"
    shares = likelihoods(loss.mean, sum(part**2 for part in loss.parts.values()) ** 0.5, probe)
    if shares:
        told = ", ".join(f"{meaning} {_percent(share)}" for meaning, share in shares.items())
        return (
            f"{seen}; by generated worlds and narrow networks where they are told apart so well, if each"
            f" meaning of emotions was as likely before: {told}; no proof"
        )
    if (fits := _fits()) is None:
        return ""
    most = fits[0]["probe"].groupby("meaning").max()
    beyond = [meaning for meaning in MEANINGS if probe > most[meaning] + FAR * fits[1][:, 0].max()]
    if not beyond:
        return ""
    which = " or ".join(beyond)
    return f"{seen}, better than in any generated world of {which} emotions: they say nothing of it"


def _percent(share: float) -> str:
    if share > SURE:
        return f"above {SURE:.0%}"
    return f"below {1 - SURE:.0%}" if share < 1 - SURE else f"{share:.0%}"
