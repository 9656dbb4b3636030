"""What every reader needs of a folder: its names, listed once, and its label files, read with care.

Names only: no file is opened or asked for its size except the label files, because the largest corpus has
more than 100,000 clips. Hidden names are left out everywhere, AppleDouble files (`._clip.wav`) among them:
unzipping on another system leaves one beside each clip, with the clip's suffix and no audio in it.
"""

from __future__ import annotations

import os
from pathlib import Path

from serkit.errors import CorpusUnfit
from serkit.files import open_file

SUFFIXES = ("wav", "flac")
"""Suffixes of audio, in any case; where both lie there, the first wins."""

LFS_POINTER = b"version https://git-lfs"


def names_in(folder: Path) -> list[str]:
    """Names in a folder, sorted, without hidden ones; none where the folder is missing."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []


def audio_in(folder: Path) -> dict[str, str]:
    """Audio files in a folder: names by stem (name without suffix); none where the folder is missing."""
    return audio_of(names_in(folder))


def audio_of(names: list[str]) -> dict[str, str]:
    """The audio files among `names`, by stem."""
    found: dict[str, str] = {}
    named = [(*name.rpartition("."), name) for name in names]
    for suffix in SUFFIXES:
        for stem, _, ending, name in named:
            if ending.lower() == suffix and stem:
                found.setdefault(stem, name)
    return found


def stem_of(name: str) -> str:
    """A file name without `.wav` or `.flac`, in any case; other names as they are."""
    stem, _, ending = name.rpartition(".")
    return stem if ending.lower() in SUFFIXES else name


def is_pointer(path: Path) -> bool:
    """Whether a file is what a clone without git-lfs leaves in another's place.

    Raises:
        OSError: it cannot be read.
    """
    with open_file(path) as file:
        return file.read(len(LFS_POINTER)) == LFS_POINTER


def refuse_pointer(path: Path, corpus: str) -> None:
    """Checks that a label file is itself and not what a clone without git-lfs leaves in its place.

    Raises:
        CorpusUnfit: a git-lfs pointer.
    """
    if is_pointer(path):
        raise CorpusUnfit(
            f"{corpus}: {path} is a git-lfs pointer, expected the labels themselves; install git-lfs and"
            " run `git lfs pull` in that folder"
        )


def label_text(path: Path, corpus: str) -> str:
    """The text of a label file, with or without a byte-order mark.

    Raises:
        CorpusUnfit: no such file, or a git-lfs pointer.
    """
    if not path.is_file():
        raise CorpusUnfit(
            f"{corpus}: label file {path} is missing; unpack or copy the delivered corpus again"
        )
    refuse_pointer(path, corpus)
    return path.read_text(encoding="utf-8-sig", errors="replace")
