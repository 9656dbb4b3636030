"""A clip set: clips of one or several packed corpora, each with the label to learn or to score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from serkit.packs import Pack


@dataclass(frozen=True, eq=False)
class ClipSet:
    """Clips to train or test on.

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
        return self._from_packs([pack.lengths for pack in self.packs])

    @cached_property
    def first_samples(self) -> np.ndarray:
        """First sample of each clip in its pack, int64 [clips]."""
        return self._from_packs([pack.offsets for pack in self.packs])

    def _from_packs(self, values: Sequence[np.ndarray]) -> np.ndarray:
        """Each clip's value, int64 [clips], out of one array for each pack."""
        found = np.empty(len(self), dtype=np.int64)
        for number, of_pack in enumerate(values):
            here = self.corpus == number
            found[here] = of_pack[self.row[here]]
        return found

    def part(self, clips: np.ndarray | slice) -> ClipSet:
        """Some of the clips: positions in this set, int64, or a slice."""
        return ClipSet(self.packs, self.corpus[clips], self.row[clips], self.label[clips])

    def read(self, clips: np.ndarray, starts: np.ndarray, lengths: np.ndarray, into: np.ndarray) -> None:
        """Copies a padded batch.

        Args:
            clips: int64 [batch], positions in this set.
            starts: int64 [batch], first sample of each.
            lengths: int64 [batch], samples to take of each.
            into: int16 [batch, longest], overwritten: zeros past each clip's end.
        """
        first = self.first_samples[clips] + starts
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
