"""Three small synthetic corpora in the roles of the paper's: A as MSP-Podcast, B as IEMOCAP, C as CREMA-D.

`generate()` makes all three (`serkit.worlds`), once, in the cache folder; everything after that treats them
like any delivered corpus. Their numbers say nothing about real speech.

* A: the largest, many speakers, clean; train, validation and test are predetermined and share no speaker.
* B: few speakers, noisy and reverberant; three folds of two speakers each (one low voice, one high),
  validated on the next fold.
* C: many speakers with few clips each, narrow-band, mostly neutral; split 70-15-15 at random as the paper
  splits CREMA-D, so its parts do share speakers.

On disk: `synthetic-<digest>/<role>/<speaker>/<clip>.wav` (16 kHz, 16 bit, mono) and `labels.csv`. The digest
is over everything the audio follows from; `content.sha256` is over all clips, and a folder that holds others
is made anew.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import shutil
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock
from tqdm import tqdm

from serkit.corpora.reading.corpus import Corpus, fold_by_speaker, split_shares, table
from serkit.errors import CorpusUnfit, SerkitError
from serkit.files import CACHE_VARIABLE, cache_folder, read_bytes, read_text
from serkit.labels import LABELS
from serkit.later import Later

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import soundfile

    from serkit.worlds import world
else:
    np, pd, soundfile = Later("numpy"), Later("pandas"), Later("soundfile")
    world = Later("serkit.worlds.world")

TITLE = "synthetic"
PAGE = "docs/corpora.md#synthetic"
ROLES = ("A", "B", "C")
SEMANTICS = ("shared", "disjoint", "swapped")
OPTIONS: dict[str, tuple[Any, ...]] = {
    "role": ROLES,
    "semantics": SEMANTICS,  # which cues carry the emotions, see `serkit.worlds.world`
    "acoustic": (1.0, 0.5, 0.0),  # how far the corpora's channels are apart
}
WHOLE = 1
RATE_HZ = (16_000,)
CHANNELS = (1,)

_LABELS_FILE = "labels.csv"
_DIGEST_FILE = "content.sha256"


@dataclass(frozen=True)
class Cast:
    """How many clips of which emotion a role has.

    Attributes:
        speakers: even numbers have low voices, odd ones high.
        clips_each: clips a speaker.
        counts: clips a label, in all; they add up to speakers * clips_each.
    """

    speakers: int
    clips_each: int
    counts: dict[str, int]


# Small enough for a hundred trainings in minutes on two cores; large enough for 24 clips a test part (A, B).
CASTS = {
    "A": Cast(30, 4, dict.fromkeys(LABELS, 30)),  # every speaker says every emotion once
    "B": Cast(6, 12, dict.fromkeys(LABELS, 18)),  # every speaker says every emotion three times
    "C": Cast(24, 3, {"angry": 12, "happy": 10, "neutral": 40, "sad": 10}),  # as CREMA-D by voice
}
SPLIT_OF_A = {"train": range(18), "validation": range(18, 24), "test": range(24, 30)}
"""Speaker numbers: 60, 20 and 20 %, half low voices and half high in each part."""
FOLDS_OF_B = (("B00", "B01"), ("B02", "B03"), ("B04", "B05"))
VALIDATION_OF_B = (1, 2, 0)
CASTING_SEED_OF_C = 1
"""Decides who says which emotion in C."""
SPLIT_SEED_OF_C = 22
"""Of the random split; one that gives every part every class (`tests/worlds/test_synthetic.py` holds it)."""


@dataclass(frozen=True)
class _Planned:
    """A clip before it is made."""

    role: str
    speaker: int
    number: int
    label: str

    @property
    def path(self) -> str:
        name = f"{self.role}{self.speaker:02d}"
        return f"{self.role}/{name}/{name}_{self.number:02d}.wav"

    @property
    def row(self) -> dict[str, str]:
        parts = SPLIT_OF_A.items() if self.role == "A" else ()
        return {
            "path": self.path,
            "label": self.label,
            "speaker": f"{self.role}{self.speaker:02d}",
            "voice": world.voice_of(self.speaker),
            "split": "".join(part for part, speakers in parts if self.speaker in speakers),
        }


def _planned() -> list[_Planned]:
    """Every clip of the three corpora, in the order of their paths."""
    clips = []
    for role, cast in CASTS.items():
        slots = [(speaker, number) for speaker in range(cast.speakers) for number in range(cast.clips_each)]
        labels = [LABELS[number % len(LABELS)] for _, number in slots]
        if role == "C":
            ordered = [label for label, count in cast.counts.items() for _ in range(count)]
            order = np.random.Generator(np.random.Philox(CASTING_SEED_OF_C)).permutation(len(ordered))
            labels = [ordered[k] for k in order]
        clips += [_Planned(role, *slot, label) for slot, label in zip(slots, labels, strict=True)]
    return clips


def _labels_text() -> str:
    return pd.DataFrame([clip.row for clip in _planned()]).to_csv(index=False, lineterminator="\n")


def _folder_name(semantics: str, acoustic: float) -> str:
    settings = {
        "version": world.VERSION,
        "seed": world.SEED,
        "semantics": semantics,
        "acoustic": float(acoustic),
        "casts": {role: asdict(cast) for role, cast in CASTS.items()},
        "labels": _labels_text(),
    }
    return f"synthetic-{hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]}"


def _is_whole(folder: Path) -> bool:
    """Whether every clip is there as it was made and the labels are as planned."""
    try:
        found = [(folder / clip.path).stat() for clip in _planned()]
        stamp = tuple((at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns) for at in found)
        labels, digest = (read_text(folder / name) for name in (_LABELS_FILE, _DIGEST_FILE))
        return labels == _labels_text() and digest == _content(folder, stamp)
    except (OSError, ValueError):
        return False


@functools.lru_cache
def _content(folder: Path, _stamp: tuple[tuple[int, ...], ...]) -> str:
    """Digest of all clips on the disk, read once a process while what the system says of them stays."""
    digest = hashlib.sha256()
    for clip in _planned():
        digest.update(read_bytes(folder / clip.path))
    return digest.hexdigest()


def _write(folder: Path, semantics: str, acoustic: float) -> None:
    digest = hashlib.sha256()  # of what is meant: a file that comes out shorter is noticed
    # The bar goes to stderr and only to a terminal; workers' logs stay clean.
    for clip in tqdm(_planned(), desc="synthetic corpora", unit="clip", disable=None):
        wave = world.make_clip(clip.role, clip.speaker, clip.number, clip.label, semantics, acoustic)
        encoded = io.BytesIO()
        soundfile.write(encoded, wave, RATE_HZ[0], subtype="PCM_16", format="WAV")
        digest.update(encoded.getvalue())
        (folder / clip.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / clip.path).write_bytes(encoded.getvalue())
    (folder / _LABELS_FILE).write_text(_labels_text(), encoding="utf-8", newline="\n")
    (folder / _DIGEST_FILE).write_text(digest.hexdigest(), encoding="utf-8")


def generate(semantics: str = "shared", acoustic: float = 1.0) -> Path:
    """Makes the three corpora in the cache folder, once; later calls find them there.

    Safe to call from several processes at once: one makes them, the others wait. An interrupted call leaves
    only a draft, which the next one sweeps.

    Args:
        semantics: one of `SEMANTICS`.
        acoustic: how far the corpora's channels are apart, in [0, 1].

    Returns:
        The folder that holds `labels.csv` and a folder a role.

    Raises:
        SerkitError: the cache folder cannot be written.
        SpecError: unknown semantics, or `acoustic` outside [0, 1].
    """
    world.prosody_of("A", LABELS[0], semantics)
    world.channel_of("A", acoustic)
    cache = cache_folder()
    folder = cache / _folder_name(semantics, acoustic)
    if _is_whole(folder):
        return folder
    try:
        with FileLock(cache / f"{folder.name}.lock"):
            if not _is_whole(folder):  # else made while this process waited
                _make(folder, semantics, acoustic)
    except (OSError, soundfile.SoundFileError) as error:
        raise SerkitError(
            f"cannot write the synthetic corpora to {folder} ({error});"
            f" set {CACHE_VARIABLE} to a folder that you can write, with 20 MB free"
        ) from error
    return folder


def _make(folder: Path, semantics: str, acoustic: float) -> None:
    """Writes a draft beside the folder and puts it in its place once it is whole."""
    draft, damaged = (folder.with_name(f"{folder.name}.{word}") for word in ("draft", "damaged"))
    for leftover in (draft, damaged):
        shutil.rmtree(leftover, ignore_errors=True)
    draft.mkdir()
    _write(draft, semantics, acoustic)
    if not _is_whole(draft):
        raise SerkitError(
            f"the synthetic corpora written to {draft} are not what was written (disk full?);"
            f" free some space or set {CACHE_VARIABLE} to another folder"
        )
    if folder.exists():
        os.replace(folder, damaged)
    os.replace(draft, folder)
    shutil.rmtree(damaged, ignore_errors=True)


def is_here(folder: Path) -> bool:
    """Whether `folder` is one that `generate` made, judged by names alone."""
    return (folder / _LABELS_FILE).is_file() and all((folder / role).is_dir() for role in ROLES)


def read(folder: Path, role: str = "A", semantics: str = "shared", acoustic: float = 1.0) -> Corpus:
    """One of the three corpora.

    Args:
        folder: what `generate` returned. For other settings than that folder's, they are generated beside it.
        role: one of `ROLES`.
        semantics: one of `SEMANTICS`.
        acoustic: how far the corpora's channels are apart, in [0, 1].

    Returns:
        The corpus; its clips have a further column, `voice` (`low` or `high`).

    Raises:
        CorpusUnfit: the labels cannot be read.
        SerkitError: other settings were asked for and the cache folder cannot be written.
    """
    if folder.name != _folder_name(semantics, acoustic):
        folder = generate(semantics, acoustic)
    title = f"{TITLE} {role}"
    try:
        labels = pd.read_csv(folder / _LABELS_FILE, keep_default_na=False)
        rows = labels[labels["path"].str.startswith(f"{role}/")].to_dict("records")
    except (OSError, ValueError, KeyError) as error:
        raise CorpusUnfit(
            f"{title}: cannot read {folder / _LABELS_FILE} ({error}); delete the folder, it is made again"
        ) from error
    clips = table(rows, title)
    validation_fold: tuple[int, ...] = ()
    if role == "B":
        clips["fold"] = fold_by_speaker(clips["speaker"], FOLDS_OF_B, title)
        validation_fold = VALIDATION_OF_B
    elif role == "C":
        clips["split"] = split_shares(len(clips), SPLIT_SEED_OF_C)
    return Corpus(
        name="synthetic",
        folder=folder,
        version=f"{world.VERSION}, {semantics} semantics, acoustic {acoustic:g}",
        clips=clips,
        validation_fold=validation_fold,
        split_by_clip=role == "C",
        notes=("made by serkit.worlds, not recorded",),
    )


def folds(role: str = "A", **options: Any) -> int:
    """How many folds a role has."""
    return len(FOLDS_OF_B) if role == "B" else 1


def facts(corpus: Corpus, role: str = "A", **options: Any) -> dict[tuple[str, str], int]:
    """The counts of a role, which hold at any setting of the dials.

    Returns:
        `{(group, label): clips}`: all roles by label, A by split too, B by speaker too.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for row in (clip.row for clip in _planned() if clip.role == role):
        groups = ("*", *{"A": (row["split"],), "B": (row["speaker"],)}.get(role, ()))
        counts.update((group, label) for group in groups for label in ("*", row["label"]))
    return dict(counts)
