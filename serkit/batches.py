"""From packed audio to batches: which clips, in which order, cut where, padded how.

Draws depend on (seed, epoch, clip) alone: neither on the order of batches nor on the worker or device, so a
run is the same wherever and however it runs.

Batches are filled from pools: the epoch's shuffled clips are cut into pools of 16 batches, each pool is
sorted by length, and the batches are shuffled again. With lengths from 2 to 12 s a shuffled batch of 128 is
more than 30 % padding, a pooled one less than 10 % (`tests/test_batches.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from serkit.packs import Pack

POOL_BATCHES = 16

ORDER, CROP, AFFECTED, STRETCH, SHIFT, FADE, EQUALIZER, REVERB, NOISE = range(9)
TIME_MASKS, BAND_MASKS, NOISE_BANK = range(9, 12)
"""Streams of random numbers: one a purpose, so that adding a draw never moves another."""


def stream(purpose: int, seed: int, epoch: int) -> np.random.Generator:
    """The random numbers of one purpose in one epoch: counter-based (Philox), the same everywhere."""
    return np.random.Generator(np.random.Philox(key=[seed, purpose], counter=[0, 0, 0, epoch]))


@dataclass(frozen=True, eq=False)
class ClipSet:
    """Clips of one or several corpora, to train or test on.

    Attributes:
        packs: the packed audio of each corpus.
        corpus: int64 [clips], which pack.
        row: int64 [clips], which clip of it.
        label: int64 [clips], class index.
    """

    packs: Sequence[Pack]
    corpus: np.ndarray
    row: np.ndarray
    label: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Samples in each clip, int64 [clips], uncropped."""
        lengths = np.empty(len(self), dtype=np.int64)
        for number, pack in enumerate(self.packs):
            here = self.corpus == number
            lengths[here] = pack.lengths[self.row[here]]
        return lengths

    def part(self, clips: np.ndarray | slice) -> ClipSet:
        """Some of the clips: positions in this set, int64, or a slice."""
        return ClipSet(self.packs, self.corpus[clips], self.row[clips], self.label[clips])

    def first_samples(self, clips: np.ndarray) -> np.ndarray:
        """First sample of each clip in its pack, int64 [batch], of positions in this set, int64 [batch]."""
        first = np.empty(len(clips), dtype=np.int64)
        corpus, row = self.corpus[clips], self.row[clips]
        for number, pack in enumerate(self.packs):
            here = corpus == number
            first[here] = pack.offsets[row[here]]
        return first

    def read(self, clips: np.ndarray, starts: np.ndarray, lengths: np.ndarray, into: np.ndarray) -> None:
        """Copies one padded batch.

        Args:
            clips: int64 [batch], positions in this set.
            starts: int64 [batch], first sample of each.
            lengths: int64 [batch], samples to take of each.
            into: int16 [batch, longest], overwritten: zeros past each clip's end.
        """
        first = self.first_samples(clips) + starts
        for wave, corpus, begin, length in zip(into, self.corpus[clips], first, lengths, strict=True):
            wave[:length] = self.packs[corpus].samples[begin : begin + length]
            wave[length:] = 0


def join(parts: Sequence[tuple[Pack, np.ndarray, np.ndarray]]) -> ClipSet:
    """One set out of several (pack, rows int64, labels int64)."""
    return ClipSet(
        packs=[pack for pack, _, _ in parts],
        corpus=np.repeat(np.arange(len(parts)), [len(rows) for _, rows, _ in parts]),
        row=np.concatenate([rows for _, rows, _ in parts]),
        label=np.concatenate([labels for _, _, labels in parts]),
    )


def shuffled_batches(lengths: np.ndarray, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The batches of one training epoch.

    Sizes differ by at most one clip, so no batch is too small for batch normalisation.

    Args:
        lengths: int64 or float64 [clips], samples of each as it will be in its batch (`Loader.sizes`).
        batch_size: clips a batch, at most.
        seed: the run's.
        epoch: from 0.

    Returns:
        Positions, each clip once; int64 arrays.
    """
    random = stream(ORDER, seed, epoch)
    order = random.permutation(len(lengths))
    ends = np.cumsum([len(part) for part in np.array_split(order, -(-len(order) // batch_size))])
    pools = np.split(order, ends[POOL_BATCHES - 1 : -1 : POOL_BATCHES])
    pooled = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    batches = np.split(pooled, ends[:-1])
    return [batches[i] for i in random.permutation(len(batches))]


def sorted_batches(lengths: np.ndarray, most_samples: int) -> list[np.ndarray]:
    """Batches for evaluation, longest clips first: memory runs out at once or never.

    Args:
        lengths: int64 or float64 [clips], samples of each as it will be in its batch.
        most_samples: of a batch, padding included; a clip that is longer is a batch of its own.

    Returns:
        Positions, each clip once; int64 arrays.
    """
    order = np.argsort(-lengths, kind="stable")
    batches = []
    while len(order):
        fit = max(1, most_samples // int(lengths[order[0]]))
        batches.append(order[:fit])
        order = order[fit:]
    return batches


def crop_starts(lengths: np.ndarray, longest: int, seed: int, epoch: int) -> np.ndarray:
    """First sample of each clip's crop in one epoch: uniform over what fits, 0 where the clip fits whole.

    Args:
        lengths: int64 [clips], samples of each.
        longest: the cap in samples.
        seed: the run's.
        epoch: from 0.

    Returns:
        int64 [clips].
    """
    spare = np.maximum(lengths - longest, 0)
    return np.floor(stream(CROP, seed, epoch).random(len(lengths)) * (spare + 1)).astype(np.int64)
