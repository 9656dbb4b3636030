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
        speaker: str [rows], one for each speaker and fold; where none is known, each clip has a row.
        fold: int [rows].
        clips: float64 [rows, truth, predicted], by its probabilities over the tail.
        last: int64 [truth, predicted], by those of the last evaluation.
    """

    speaker: np.ndarray
    fold: np.ndarray
    clips: np.ndarray
    last: np.ndarray

    def said_as(self, codes: Sequence[int]) -> np.ndarray:
        """Clips [rows, truth, predicted], what was learnt as `codes[label]` being called `label`."""
        return self.clips[:, :, list(codes)]

    def of_fold(self, fold: int) -> np.ndarray:
        """Clips of a fold, float64 [truth, predicted]."""
        return self.clips[self.fold == fold].sum(axis=0)


@dataclass(frozen=True)
class Said:
    """What is said of clips, in shares of each label's: the mean over labels of how often they are called so.

    Attributes:
        terms: pairs of a weight and, for each true label, the index of what it is called; None: it does not
            count. With several terms their weighted sum.
    """

    terms: tuple[tuple[float, tuple[int | None, ...]], ...]

    def __call__(self, counts: np.ndarray) -> np.ndarray:
        """Of confusion matrices [..., truth, predicted]; NaN where no label that counts has a clip."""
        clips = counts.sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = np.where(clips[..., None] > 0, counts / clips[..., None], np.nan)
        total = np.zeros(counts.shape[:-2])
        for weight, codes in self.terms:
            counted = [label for label, code in enumerate(codes) if code is not None]
            of = np.stack([shares[..., label, codes[label]] for label in counted], axis=-1)
            known = ~np.isnan(of)
            with np.errstate(invalid="ignore", divide="ignore"):
                total = total + weight * np.where(known, of, 0.0).sum(axis=-1) / known.sum(axis=-1)
        return total

    def after(self, codes: Sequence[int]) -> Said:
        """The same in the words of labels of which `codes[label]` is what was taught in its place."""
        order = list(codes)
        return Said(
            tuple(
                (weight, tuple(None if code is None else order.index(code) for code in called))
                for weight, called in self.terms
            )
        )

    def plus(self, weight: float, other: Said) -> Said:
        """Both, the other by a weight."""
        return Said((*self.terms, *((weight * own, codes) for own, codes in other.terms)))


def said(*codes: int | None) -> Said:
    """One mapping from true labels to what they are called."""
    return Said(((1.0, codes),))


RECALL = said(*range(len(LABELS)))
"""Mean recall."""


class ClipScores:
    """Reads `scores.parquet` of runs, lazily."""

    def __init__(self, table: Table) -> None:
        """Reads nothing yet."""
        self._table = table
        self._read: dict[str, dict[str, Counts]] = {}
        self.unread: list[str] = []  # why tables could not be read, a message each

    def read(self, key: str) -> dict[str, Counts]:
        """The counts of a run by corpus; none where its table cannot be read."""
        if key not in self._read:
            try:
                table = self._table(key, "scores")
            except ResultsUnreadable as error:
                self.unread.append(str(error))
                self._read[key] = {}
            else:
                by_corpus = table.groupby("corpus", sort=False)
                self._read[key] = {str(name): _counts(of_it) for name, of_it in by_corpus}
        return self._read[key]

    def of(self, key: str, corpus: str) -> Counts | None:
        """The counts of a run on a corpus; None where its table cannot be read, or has no such clips."""
        return self.read(key).get(corpus)

    def resampled(
        self, keys: Sequence[str], corpus: str, codes: Sequence[Sequence[int]], metric: str | Said
    ) -> Scores | None:
        """What runs score on a corpus of one split under resampled speakers; None where that is not known.

        The draws depend on the corpus alone: two cells are compared on the same.

        Args:
            keys: of the runs.
            corpus: its name.
            codes: for each run the class that is expected of each true one (permuted labels).
            metric: `uACC`, `wACC`, `wF1`, or what is said, in the words of the true labels.
        """
        found = [counts for key in keys if (counts := self.of(key, corpus))]
        if len(found) < len(keys) or any(not np.array_equal(of.speaker, found[0].speaker) for of in found):
            return None
        speakers = len(found[0].speaker)
        weights = _weights(corpus, speakers)
        drawn = []
        for counts, expected_of in zip(found, codes, strict=True):
            if isinstance(metric, Said):
                expected = counts.said_as(expected_of)
            else:
                expected = np.zeros_like(counts.clips)
                expected[:, list(expected_of)] = counts.clips  # labels are permuted, so each class comes once
            sums = weights @ expected.reshape(speakers, -1).astype(np.float32)
            counted = sums.reshape(DRAWS, len(LABELS), len(LABELS))
            drawn.append(of_confusion(counted)[metric] if isinstance(metric, str) else metric(counted))
        return Scores(np.array(drawn, dtype=np.float64), speakers)


@functools.lru_cache(maxsize=2)
def _weights(corpus: str, speakers: int) -> np.ndarray:
    """How often each speaker is drawn, float32 [draws, speakers]."""
    random = np.random.default_rng(zlib.crc32(corpus.encode()))
    return random.multinomial(speakers, np.full(speakers, 1 / speakers), DRAWS).astype(np.float32)


def _counts(table: pd.DataFrame) -> Counts:
    last, tail = (table[list(of)].to_numpy().argmax(axis=1) for of in (LABELS, TAIL))
    truth = pd.Categorical(table["label"], categories=list(LABELS)).codes
    speaker = table["speaker"].where(table["speaker"] != UNKNOWN_SPEAKER, "?" + table["path"])
    person, people = pd.factorize(speaker, sort=True)
    folds, fold = np.unique(table["fold"], return_inverse=True)
    place, row = np.unique(person * len(folds) + fold, return_inverse=True)
    who, in_fold = np.asarray(people)[place // len(folds)], folds[place % len(folds)]
    clips = np.zeros((len(who), len(LABELS), len(LABELS)))
    np.add.at(clips, (row, truth, tail), 1.0)
    confusion = np.zeros((len(LABELS), len(LABELS)), dtype=np.int64)
    np.add.at(confusion, (truth, last), 1)
    return Counts(who, in_fold, clips, confusion)
