"""A clip set: clips of one or several packed corpora, each with the label to learn or to score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from serkit.packs import Pack


@dataclass(frozen=True, eq=False)
class ClipSet:
    """Clips to train or test on; each array is int64 [clips]."""

    packs: Sequence[Pack]  # the packed audio of each corpus
    corpus: np.ndarray  # which pack
    row: np.ndarray  # which clip of it
    label: np.ndarray  # class index
    gains: Sequence[np.ndarray] = ()  # of each pack a factor for every clip, float32; empty: none

    def __len__(self) -> int:
        return len(self.row)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Samples in each clip, int64 [clips], uncropped."""
        return self._of_clips([pack.lengths for pack in self.packs])

    @cached_property
    def first_samples(self) -> np.ndarray:
        """First sample of each clip in its pack, int64 [clips]."""
        return self._of_clips([pack.offsets for pack in self.packs])

    @cached_property
    def gain(self) -> np.ndarray:
        """The factor of each clip, float32 [clips]; where there are `gains`."""
        return self._of_clips(self.gains)

    def _of_clips(self, of_packs: Sequence[np.ndarray]) -> np.ndarray:
        firsts = np.cumsum([0, *map(len, of_packs)])
        return np.concatenate(of_packs)[firsts[self.corpus] + self.row]

    def __getitem__(self, clips: np.ndarray) -> ClipSet:
        """Some clips of the set, by their positions."""
        return ClipSet(self.packs, self.corpus[clips], self.row[clips], self.label[clips], self.gains)

    def read(self, clips: np.ndarray, starts: np.ndarray, lengths: np.ndarray, into: np.ndarray) -> None:
        """Puts clips (positions in this set) from their starts on into int16 [batch, longest], then zeros."""
        first = self.first_samples[clips] + starts
        for wave, corpus, begin, length in zip(into, self.corpus[clips], first, lengths, strict=True):
            wave[:length] = self.packs[corpus].samples[begin : begin + length]
            wave[length:] = 0


def join(parts: Sequence[tuple[Pack, np.ndarray, np.ndarray]]) -> ClipSet:
    """One set out of several (pack, rows int64, labels int64)."""
    packs, rows, labels = zip(*parts, strict=True)
    corpus = np.repeat(np.arange(len(parts)), [len(each) for each in rows])
    return ClipSet(packs, corpus, np.concatenate(rows), np.concatenate(labels))
