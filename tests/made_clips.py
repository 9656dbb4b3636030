"""Clip sets made of waves, for tests of what is trained on them."""

import numpy as np

from serkit.clips import join
from serkit.encoders.cnn14.logmel import NAMED
from serkit.packs import Pack

RATE_HZ = 16_000
FRONT_END = NAMED["paper-loaded"]
SHORTEST = FRONT_END.min_samples


def clips_of(waves, labels=None):
    offsets = np.concatenate([[0], np.cumsum([len(wave) for wave in waves])]).astype(np.int64)
    labels = np.arange(len(waves)) % 4 if labels is None else labels
    return join([(Pack(np.concatenate(waves), offsets, RATE_HZ, ""), np.arange(len(waves)), labels)])


def noises(clips, shortest=SHORTEST, longest=SHORTEST + 3000, seed=0):
    random = np.random.default_rng(seed)
    return [random.integers(-800, 800, n).astype(np.int16) for n in random.integers(shortest, longest, clips)]


SPOKEN = noises(13, 3000, 30_000, seed=4)  # more than are loaded at once, some too short for five poolings
