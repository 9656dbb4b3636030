"""Per-clip scores of runs, each table read once and kept as counts: of speakers, and confusion."""

from __future__ import annotations

import functools
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmark.report.intervals import Scores
from serkit.corpora.reading.corpus import UNKNOWN_SPEAKER
from serkit.errors import ResultsUnreadable
from serkit.labels import LABELS
from serkit.metrics import of_confusion
from serkit.resultfile import TAIL

DRAWS = 1000
"""How often speakers are resampled: their deviation is then known to 2 %."""
Table = Callable[[str, str], pd.DataFrame]
"""Gives a run's table by key and name (`serkit.results.Store.table`)."""


def no_table(key: str, name: str) -> pd.DataFrame:
    """Of results without their tables."""
    raise ResultsUnreadable(f"{key} has no {name}")


@dataclass(frozen=True, eq=False)
class Counts:
    """What one run decided on the test clips of one corpus.

    Attributes:
        speaker: str [speakers]; where none is known, each clip has a row.
        clips: float64 [speakers, truth, predicted], by its probabilities over the tail.
        last: int64 [truth, predicted], by those of the last evaluation.
    """

    speaker: np.ndarray
    clips: np.ndarray
    last: np.ndarray


class ClipScores:
    """Reads `scores.parquet` of runs, lazily."""

    def __init__(self, table: Table) -> None:
        """Reads nothing yet."""
        self._table = table
        self._read: dict[str, dict[str, Counts]] = {}

    def read(self, key: str) -> dict[str, Counts]:
        """The counts of a run by corpus; none where its table cannot be read."""
        if key not in self._read:
            try:
                table = self._table(key, "scores")
            except ResultsUnreadable:
                self._read[key] = {}
            else:
                by_corpus = table.groupby("corpus", sort=False)
                self._read[key] = {str(name): _counts(of_it) for name, of_it in by_corpus}
        return self._read[key]

    def of(self, key: str, corpus: str) -> Counts | None:
        """The counts of a run on a corpus; None where its table cannot be read, or has no such clips."""
        return self.read(key).get(corpus)

    def resampled(
        self, keys: Sequence[str], corpus: str, codes: Sequence[Sequence[int]], metric: str
    ) -> Scores | None:
        """What runs score on a corpus of one split under resampled speakers; None where that is not known.

        The draws depend on the corpus alone: two cells are compared on the same.

        Args:
            keys: of the runs.
            corpus: its name.
            codes: for each run the class that is expected of each true one (permuted labels).
            metric: `uACC`, `wACC` or `wF1`.
        """
        found = [counts for key in keys if (counts := self.of(key, corpus))]
        if len(found) < len(keys) or any(not np.array_equal(of.speaker, found[0].speaker) for of in found):
            return None
        speakers = len(found[0].speaker)
        weights = _weights(corpus, speakers)
        drawn = []
        for counts, expected_of in zip(found, codes, strict=True):
            expected = np.zeros_like(counts.clips)
            expected[:, list(expected_of)] = counts.clips  # labels are permuted, so each class comes once
            sums = weights @ expected.reshape(speakers, -1).astype(np.float32)
            drawn.append(of_confusion(sums.reshape(DRAWS, len(LABELS), len(LABELS)))[metric])
        return Scores(np.array(drawn, dtype=np.float64), speakers)


@functools.lru_cache(maxsize=2)
def _weights(corpus: str, speakers: int) -> np.ndarray:
    """How often each speaker is drawn, float32 [draws, speakers]."""
    random = np.random.default_rng(zlib.crc32(corpus.encode()))
    return random.multinomial(speakers, np.full(speakers, 1 / speakers), DRAWS).astype(np.float32)


def _counts(table: pd.DataFrame) -> Counts:
    last, tail = (
        table[list(of)].to_numpy().argmax(axis=1) for of in (LABELS, TAIL if TAIL[0] in table else LABELS)
    )
    truth = pd.Categorical(table["label"], categories=list(LABELS)).codes
    speaker = table["speaker"] if "speaker" in table else pd.Series(UNKNOWN_SPEAKER, table.index)
    row, who = pd.factorize(speaker.where(speaker != UNKNOWN_SPEAKER, "?" + table["path"]), sort=True)
    clips = np.zeros((len(who), len(LABELS), len(LABELS)))
    np.add.at(clips, (row, truth, tail), 1.0)
    confusion = np.zeros((len(LABELS), len(LABELS)), dtype=np.int64)
    np.add.at(confusion, (truth, last), 1)
    return Counts(np.asarray(who), clips, confusion)
