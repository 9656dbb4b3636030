"""By corpus or by speaker: what is taken off so that clips of different corpora or voices compare.

A condition of a run, not a default: it uses all clips of a corpus or speaker, those that are tested too,
though never their labels.
"""

from __future__ import annotations

import weakref

import numpy as np
import pandas as pd

from serkit.audio import FULL_SCALE
from serkit.corpora.reading.corpus import UNKNOWN_SPEAKER
from serkit.packs import Pack
from serkit.settings import check

LEVEL_DBFS = -26.0
AT_ONCE = 1 << 24  # samples squared at once
_ENERGY: weakref.WeakKeyDictionary[Pack, np.ndarray] = weakref.WeakKeyDictionary()


def groups(by: str, clips: pd.DataFrame, title: str) -> np.ndarray:
    """Whose each clip of a corpus is, int64 [clips]: all are one, or one a `speaker`.

    Raises SpecError: by speaker, where some are not known; `title` is the corpus's.
    """
    if by == "corpus":
        return np.zeros(len(clips), dtype=np.int64)
    unknown = int((clips["speaker"] == UNKNOWN_SPEAKER).sum())
    said = f"recipe normalise = 'speaker': {unknown:,} clips of {title} are of speakers that are not known"
    check(not unknown, f"{said}; expected every clip's, or normalise = 'corpus'")
    return pd.factorize(clips["speaker"])[0].astype(np.int64)


def standardised(features: np.ndarray, of: np.ndarray, whole: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Features less their group's mean, by its deviation, both over a `whole` corpus; float32.

    Args:
        features: float [clips, width], of any clips.
        of: the group of each, int64 [clips].
        whole: float [clips of the corpus, width], none augmented.
        groups: the group of each of these.
    """
    count = np.bincount(groups).astype(np.float64)[:, None]
    sums = np.zeros((len(count), whole.shape[1]))
    np.add.at(sums, groups, whole.astype(np.float64))
    mean = sums / count
    squares = np.zeros_like(sums)
    np.add.at(squares, groups, np.square(whole - mean[groups]))
    deviation = np.sqrt(squares / count)
    deviation[deviation < 1e-9] = 1.0  # of one clip, or a feature that is always the same
    return ((features - mean[of]) / deviation[of]).astype(np.float32)


def gains(pack: Pack, groups: np.ndarray) -> np.ndarray:
    """Factors that bring all clips of each group together to `LEVEL_DBFS`, float32 [clips]; 1 for silence."""
    if pack not in _ENERGY:
        _ENERGY[pack] = _energies(pack)
    energy, samples = (np.bincount(groups, of) for of in (_ENERGY[pack], pack.lengths))
    rms = np.sqrt(energy / samples)
    wanted = 10 ** (LEVEL_DBFS / 20) / np.where(rms > 0, rms, 1.0)
    return np.where(rms > 0, wanted, 1.0)[groups].astype(np.float32)


def _energies(pack: Pack) -> np.ndarray:
    """Of each clip the sum of its squares, full scale 1, float64 [clips]."""
    found = np.zeros(len(pack.lengths))
    for number, (first, last) in enumerate(zip(pack.offsets[:-1], pack.offsets[1:], strict=True)):
        for start in range(int(first), int(last), AT_ONCE):
            part = pack.samples[start : min(start + AT_ONCE, int(last))].astype(np.float64)
            found[number] += np.square(part / FULL_SCALE).sum()
    return found
