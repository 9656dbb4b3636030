"""What lies in a corpus's folder, by names and sizes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from serkit.corpora.reading.corpus import Corpus
from serkit.corpora.reading.folder import is_pointer
from serkit.doctor.clips import Clip
from serkit.doctor.findings import Problem, found

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".aif", ".aiff", ".au", ".sph")
POINTER_BYTES = 1024  # git-lfs's own limit for what may be a pointer


@dataclass(frozen=True)
class Walk:
    """What lies in a folder, as relative posix paths."""

    audio: dict[str, int] = field(default_factory=dict)  # with its size in bytes
    apple: list[str] = field(default_factory=list)  # AppleDouble files
    closed: list[str] = field(default_factory=list)  # folders that cannot be listed, each with the reason


def walk_through(folder: Path) -> Walk:
    """Walks a corpus's folder, links included (audio often lies on another disk), each folder once."""
    walk = Walk()
    seen: set[str] = set()

    def closed(error: OSError) -> None:
        walk.closed.append(f"{os.path.relpath(error.filename, folder)} ({error.strerror})")

    for top, folders, files in os.walk(folder, followlinks=True, onerror=closed):
        real = os.path.realpath(top)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(top, name)
            relative = path.relative_to(folder).as_posix()
            if name.startswith("._"):
                walk.apple.append(relative)
            elif not name.startswith(".") and path.suffix.lower() in SUFFIXES:
                with suppress(OSError):  # a link to nothing: a clip is then named as missing audio
                    walk.audio[relative] = path.stat().st_size
    return walk


def unknown_audio(walk: Walk, corpus: Corpus) -> tuple[list[str], list[str], int]:
    """Audio that no label knows.

    Returns:
        files beside clips; files elsewhere that have the size of some clip, so may be copies; how many lie
        elsewhere.
    """
    known = {*corpus.clips["path"], *corpus.others}
    homes = {PurePosixPath(path).parent for path in known}
    sizes = {walk.audio.get(path) for path in corpus.clips["path"]}
    unknown = [path for path in walk.audio if path not in known]
    among = [path for path in unknown if PurePosixPath(path).parent in homes]
    beyond = [path for path in unknown if PurePosixPath(path).parent not in homes]
    return among, [path for path in beyond if walk.audio[path] in sizes], len(beyond)


def names_only(folder: Path) -> list[Problem]:
    """What can be said without labels."""
    walk = walk_through(folder)
    return [
        *found("lfs-pointer", _pointers(folder, walk, set()), folder=folder),
        *found("empty", [path for path, size in walk.audio.items() if size == 0]),
        *_names(walk),
    ]


def folder_problems(
    corpus: Corpus, walk: Walk, strays: Sequence[str], heard: Mapping[str, Clip]
) -> list[Problem]:
    """What lies in the folder and should not, or does not and should."""
    used = set(corpus.clips["path"])
    pointers = _pointers(corpus.folder, walk, used)
    originals = {heard[path].digest for path in used} - {b""}
    without_labels = [path for path in strays if path not in pointers and heard[path].digest not in originals]
    absent = [
        path for path in corpus.others if path not in walk.audio and not (corpus.folder / path).is_file()
    ]
    return [
        *found("lfs-pointer-unused", pointers, folder=corpus.folder),
        *found("audio-without-labels", without_labels),
        *found("missing-others", absent),
        *_names(walk),
    ]


def _pointers(folder: Path, walk: Walk, used: set[str]) -> list[str]:
    """git-lfs pointers among the audio that is not used."""

    def pointer(path: str) -> bool:
        try:
            return is_pointer(folder / path)
        except OSError:
            return False

    return [
        path for path, n in walk.audio.items() if path not in used and n <= POINTER_BYTES and pointer(path)
    ]


def _names(walk: Walk) -> list[Problem]:
    return [*found("closed", walk.closed), *found("apple-double", walk.apple)]
