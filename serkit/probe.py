"""What can be read from a representation by a linear probe: the corpus, the speaker, the label.

A network that keeps the corpora apart has an embedding from which the corpus is read easily. That alone says
little: corpora are told apart by their channel before anything is trained. So each probe is made of several
representations of the same clips, and they are compared.

The probe is a ridge classifier on standardised features (scikit-learn), cross-validated: corpus and label by
speakers, so that no voice is on both sides, speakers by clips. What is given is the mean recall over the
classes, by chance 1 / classes.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from serkit.corpora.reading.corpus import UNKNOWN_SPEAKER

if TYPE_CHECKING:
    import pandas as pd

MOST = 500
"""Clips of a corpus, evenly spread: recalls are known to 0.02, and the widest embedding takes seconds."""
FOLDS = 5
PENALTY = 0.1
"""Times the clips: a direction in which they vary by a tenth of a feature's own variance counts by half.
Fixed: to choose one in each fold takes ten times as long."""

Recalls = dict[str, float | None]
"""By representation; None: the clips have too few speakers or classes."""


def probe(representations: Mapping[str, np.ndarray], clips: pd.DataFrame) -> dict[str, Any]:
    """Probes for the corpus of every two, and within each corpus for the speaker and the label.

    Args:
        representations: float [clips, width] each.
        clips: a row a clip that was not learnt from, of `chosen`; columns `corpus`, `speaker`, `label`.

    Returns:
        `clips` and `speakers` (how many by corpus), `corpus` (by "one+other"), `speaker` and `label` (by
        corpus): recalls by representation.
    """
    clips = clips.reset_index(drop=True)
    unknown = clips["speaker"] == UNKNOWN_SPEAKER
    who = clips["corpus"] + "/" + clips["speaker"].where(~unknown, clips.index.astype(str))
    rows = {name: np.flatnonzero(clips["corpus"] == name) for name in clips["corpus"].unique()}

    def read(at: np.ndarray, what: pd.Series, groups: pd.Series | None) -> Recalls:
        classes = what[at].to_numpy()
        folds = divided(classes, None if groups is None else groups[at].to_numpy())
        return {
            name: recall(of[at], classes, folds) if folds else None for name, of in representations.items()
        }

    pairs = {f"{one}+{other}": [rows[one], rows[other]] for one, other in itertools.combinations(rows, 2)}
    known = {name: at[~unknown[at]] for name, at in rows.items()}
    return {
        "clips": {name: len(at) for name, at in rows.items()},
        "speakers": {name: int(who[at].nunique()) for name, at in known.items()},
        "corpus": {name: read(np.concatenate(at), clips["corpus"], who) for name, at in pairs.items()},
        "speaker": {name: read(at, who, None) for name, at in known.items()},
        "label": {name: read(at, clips["label"], who) for name, at in rows.items()},
    }


def chosen(corpus: np.ndarray) -> np.ndarray:
    """Positions of at most `MOST` clips of each corpus, evenly spread; `corpus` says whose each clip is."""
    rows = [np.flatnonzero(corpus == of) for of in np.unique(corpus)]
    even = [np.linspace(0, len(of) - 1, min(MOST, len(of))).round().astype(np.int64) for of in rows]
    return np.concatenate([of[at] for of, at in zip(rows, even, strict=True)])


Folds = Sequence[tuple[np.ndarray, np.ndarray]]
"""Positions to learn from and to read, of each fold."""


def divided(classes: np.ndarray, groups: np.ndarray | None = None) -> Folds | None:
    """The folds of a cross-validation, each with clips of all classes as far as that goes.

    Args:
        classes: what is to be read of each clip.
        groups: whose clips stay on one side; None: the clips are divided one by one.

    Returns:
        None where there are fewer than two classes, or one of them has fewer than two clips or groups.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    units = np.arange(len(classes)) if groups is None else groups
    each = [len(np.unique(units[classes == of])) for of in np.unique(classes)]
    if len(each) < 2 or min(each) < 2:
        return None
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    folds = kind(min(FOLDS, *each), shuffle=True, random_state=0)
    return list(folds.split(classes, classes, groups))


def recall(features: np.ndarray, classes: np.ndarray, folds: Folds) -> float:
    """The mean recall of a cross-validated linear probe, in [0, 1].

    Args:
        features: float [clips, width].
        classes: what is to be read of each clip.
        folds: from `divided`.

    Example:
        >>> random = np.random.default_rng(0)
        >>> classes = np.repeat(["a", "b"], 50)
        >>> recall(random.normal(size=(100, 3)) + 4 * (classes == "a")[:, None], classes, divided(classes))
        1.0
    """
    from sklearn.linear_model import ridge_regression

    found, code, count = np.unique(classes, return_inverse=True, return_counts=True)
    features = features.astype(np.float64)
    features = (features - features.mean(axis=0)) / np.maximum(features.std(axis=0), 1e-9)
    weight, target = (1 / count)[code], np.eye(len(found))[code]
    said = np.empty_like(code)
    for learnt, read in folds:
        middle, level = (np.average(of[learnt], axis=0, weights=weight[learnt]) for of in (features, target))
        balanced = weight[learnt] / weight[learnt].mean()
        x, y = features[learnt] - middle, target[learnt] - level
        slopes = ridge_regression(x, y, PENALTY * len(x), sample_weight=balanced)
        said[read] = ((features[read] - middle) @ slopes.T + level).argmax(axis=1)
    return float(np.mean([(said[code == number] == number).mean() for number in range(len(found))]))
