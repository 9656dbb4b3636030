"""A copy of a corpus for the doctor, to be damaged by a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

from serkit import doctor
from serkit.corpora.reading.corpus import Corpus, table
from serkit.labels import LABELS
from tests import broken_corpus

RATE_HZ = 16_000
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 93000\n"


def speech(seed: int, seconds: float = 0.7) -> np.ndarray:
    """Noise at a tenth of full scale: no two seeds alike."""
    return broken_corpus.speech(seed, seconds)


def write(path: Path, wave: np.ndarray, rate_hz: int = RATE_HZ, **settings: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate_hz, **settings)


class Copy:
    """A corpus of 24 clips, in three speaker-disjoint splits or folds, to be damaged by a test."""

    def __init__(self, data: Path, by_fold: bool) -> None:
        self.data, self.folder, self.by_fold = data, data / "wrapped" / "fake", by_fold
        rows = []
        for i in range(24):
            speaker = i // 4
            path = f"clips/s{speaker}/{i:02d}.wav"
            part = ("train", "validation", "test")[speaker % 3]
            rows.append([path, LABELS[i % 4], f"s{speaker}", "" if by_fold else part, speaker % 3])
            write(self.folder / path, speech(i, 0.7 + 0.001 * (i % 12 == 0)))
        self.rows = pd.DataFrame(rows, columns=["path", "label", "speaker", "split", "fold"])
        self.validation_fold = (1, 2, 0) if by_fold else ()
        self.split_by_clip = False
        self.others: tuple[str, ...] = ()
        self.facts: dict[tuple[str, str], int] = {("*", "*"): 24, ("*", "angry"): 6, ("s0", "*"): 4}

    def __getitem__(self, i: int) -> Path:
        return self.folder / self.rows.at[i, "path"]

    def path(self, i: int) -> str:
        return self.rows.at[i, "path"]

    def read(self, folder: Path, **options: object) -> Corpus:
        rows = self.rows if self.by_fold else self.rows.drop(columns="fold")
        return Corpus(
            name="fake",
            folder=folder,
            version="1.0",
            clips=table(rows.to_dict("records"), "Fake"),
            validation_fold=self.validation_fold,
            others=self.others,
            split_by_clip=self.split_by_clip,
            notes=("a note of the reader",),
        )

    def examine(self) -> doctor.Examination:
        return doctor.examine("fake", self.data)


def kinds(examination: doctor.Examination) -> dict[str, str]:
    return {problem.kind: problem.severity for problem in examination.problems}


def only(examination: doctor.Examination) -> doctor.Problem:
    """The one problem that there is."""
    assert len(examination.problems) == 1, examination.problems
    return examination.problems[0]
