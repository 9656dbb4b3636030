"""What every reader needs of a folder: its names, listed once, and its label files, read with care.

Names only: no file is opened or asked for its size except the label files, because the largest corpus has
more than 100,000 clips. Hidden names are left out everywhere, AppleDouble files (`._clip.wav`) among them:
unzipping on another system leaves one beside each clip, with the clip's suffix and no audio in it.

A name may be spelt in two ways in Unicode, and disks and label files differ in which. They are one name:
`audio_of` has stems as `composed` (`serkit.corpora.reading.corpus`) gives them.
"""

from __future__ import annotations

import os
from pathlib import Path

from serkit.corpora.reading.corpus import composed
from serkit.errors import CorpusUnfit
from serkit.files import open_file, read_bytes

SUFFIXES = ("wav", "flac")
"""Suffixes of audio, in any case; where both lie there, the first wins."""

LFS_POINTER = b"version https://git-lfs"

DELIVERED = "unpack or copy the delivered corpus again"


def names_in(folder: Path) -> list[str]:
    """Names in a folder, sorted, without hidden ones; none where the folder is missing.

    Raises:
        CorpusUnfit: it is there and may not be listed.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise CorpusUnfit(f"folder {folder} cannot be listed ({error.strerror}); {_mend(error)}") from error


def names_seen(folder: Path) -> list[str]:
    """As `names_in`, but none where the folder may not be listed: for `is_here`.

    So the rest of a corpus is still seen, and reading it says which folder is closed; the search remembers it
    too.
    """
    try:
        return names_in(folder)
    except CorpusUnfit:
        return []


def audio_in(folder: Path) -> dict[str, str]:
    """Audio files in a folder: names by stem (name without suffix); none where the folder is missing."""
    return audio_of(names_in(folder))


def audio_of(names: list[str]) -> dict[str, str]:
    """The audio files among `names`, by stem in NFC."""
    found: dict[str, str] = {}
    named = [(*name.rpartition("."), name) for name in names]
    for suffix in SUFFIXES:
        for stem, _, ending, name in named:
            if ending.lower() == suffix and stem:
                found.setdefault(composed(stem), name)
    return found


def stem_of(name: str) -> str:
    """A file name without `.wav` or `.flac`, in any case; other names as they are."""
    stem, _, ending = name.rpartition(".")
    return stem if ending.lower() in SUFFIXES else name


def is_pointer(path: Path) -> bool:
    """Whether a file is what a clone without git-lfs leaves in another's place.

    Raises:
        OSError: it cannot be read, or is no file.
    """
    with open_file(path) as file:
        return file.read(len(LFS_POINTER)) == LFS_POINTER


def refuse_pointer(path: Path, corpus: str) -> None:
    """Checks that a label file is itself and not what a clone without git-lfs leaves in its place.

    Raises:
        CorpusUnfit: a git-lfs pointer, or it cannot be read.
    """
    try:
        pointer = is_pointer(path)
    except OSError as error:
        raise _unreadable(path, corpus, error) from error
    if pointer:
        raise _pointer(path, corpus)


def label_text(path: Path, corpus: str, missing: str = DELIVERED) -> str:
    """The text of a label file, with or without a byte-order mark.

    Args:
        path: the file.
        corpus: the corpus's title, for the messages.
        missing: what to do where there is no such file.

    Raises:
        CorpusUnfit: no such file, a git-lfs pointer, something else than a file, or it may not be read.
    """
    try:
        data = read_bytes(path)
    except FileNotFoundError:
        raise CorpusUnfit(f"{corpus}: label file {path} is missing; {missing}") from None
    except OSError as error:
        raise _unreadable(path, corpus, error) from error
    if data.startswith(LFS_POINTER):
        raise _pointer(path, corpus)
    return data.decode("utf-8-sig", errors="replace")


def _pointer(path: Path, corpus: str) -> CorpusUnfit:
    return CorpusUnfit(
        f"{corpus}: {path} is a git-lfs pointer, expected the labels themselves; install git-lfs and"
        " run `git lfs pull` in that folder"
    )


def _unreadable(path: Path, corpus: str, error: OSError) -> CorpusUnfit:
    return CorpusUnfit(f"{corpus}: label file {path} cannot be read ({error.strerror}); {_mend(error)}")


def _mend(error: OSError) -> str:
    """What to do about what is there and cannot be read: with a permission, the labels may be in order."""
    if isinstance(error, PermissionError):
        return "make it readable for the user who runs this"
    return f"look what it is, or {DELIVERED}"
