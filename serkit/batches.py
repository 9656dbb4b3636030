"""The order of clips and their crops: which clips make a batch, and where a long one is cut.

Batches are filled from pools: the epoch's shuffled clips are cut into pools of 16 batches, each pool is
sorted by length, and the batches are shuffled again. With lengths from 2 to 12 s a shuffled batch of 128 is
more than 30 % padding, a pooled one less than 10 % (`tests/test_batches.py`).
"""

from __future__ import annotations

import numpy as np

from serkit.streams import CROP, ORDER, stream

POOL_BATCHES = 16


def shuffled_batches(lengths: np.ndarray, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The batches of one training epoch, `batch_size` clips at most: positions, each clip once, int64.

    Sizes differ by at most one clip, so no batch is too small for batch normalisation. Lengths are each
    clip's samples as it will be in its batch (`Loader.sizes`).
    """
    random = stream(ORDER, seed, epoch)
    order = random.permutation(len(lengths))
    ends = np.cumsum([len(part) for part in np.array_split(order, -(-len(order) // batch_size))])
    pools = np.split(order, ends[POOL_BATCHES - 1 : -1 : POOL_BATCHES])
    pooled = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    batches = np.split(pooled, ends[:-1])
    return [batches[i] for i in random.permutation(len(batches))]


def sorted_batches(lengths: np.ndarray, max_samples: int) -> list[np.ndarray]:
    """Batches for evaluation, longest clips first: memory runs out at once or never.

    They are positions, each clip once, int64, of `max_samples` at most, padding included; a clip that is
    longer is a batch of its own.
    """
    order = np.argsort(-lengths, kind="stable")
    batches = []
    while len(order):
        fit = max(1, max_samples // int(lengths[order[0]]))
        batches.append(order[:fit])
        order = order[fit:]
    return batches


def crop_starts(lengths: np.ndarray, longest: int, seed: int, epoch: int) -> np.ndarray:
    """First sample of each clip's crop to `longest` samples, uniform over those that fit, int64 [clips].

    Example:
        >>> crop_starts(np.array([16_000, 8_000]), longest=8_000, seed=0, epoch=0).tolist()
        [6507, 0]
    """
    spare = np.maximum(lengths - longest, 0)
    return np.floor(stream(CROP, seed, epoch).random(len(lengths)) * (spare + 1)).astype(np.int64)
