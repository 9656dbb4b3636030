"""What lies in a corpus's folder, by names and sizes."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from serkit.corpora.reading.corpus import Corpus
from serkit.corpora.reading.folder import is_pointer
from serkit.doctor.clips import Clip
from serkit.doctor.findings import Problem, found

SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".aif", ".aiff", ".au", ".sph")
POINTER_BYTES = 1024  # git-lfs's own limit for what may be a pointer


class Walk(NamedTuple):
    """What lies in a folder, as relative posix paths."""

    audio: dict[str, int]  # with its size in bytes
    odd: dict[str, list[str]]  # by kind of problem: AppleDouble files, folders that cannot be listed and why


def walk_through(folder: Path) -> Walk:
    """Walks a corpus's folder, links included (audio often lies on another disk), each folder once."""
    walk = Walk({}, {"closed": [], "apple-double": []})
    seen: set[str] = set()

    def closed(error: OSError) -> None:
        walk.odd["closed"].append(f"{os.path.relpath(error.filename, folder)} ({error.strerror})")

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
                walk.odd["apple-double"].append(relative)
            elif not name.startswith(".") and path.suffix.lower() in SUFFIXES:
                with suppress(OSError):  # a link to nothing: a clip is then named as missing audio
                    walk.audio[relative] = path.stat().st_size
    return walk


def unknown_audio(walk: Walk, corpus: Corpus) -> tuple[list[str], list[str], int]:
    """Audio that no label knows: beside clips; elsewhere and as large as a clip; how many are elsewhere."""
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
    empty = [path for path, size in walk.audio.items() if size == 0]
    return found({"lfs-pointer": _pointers(folder, walk), "empty": empty} | walk.odd, folder=folder)


def folder_problems(
    corpus: Corpus, walk: Walk, strays: list[str], heard: Mapping[str, Clip]
) -> list[Problem]:
    """What lies in the folder and should not, or does not and should."""
    folder, used = corpus.folder, set(corpus.clips["path"])
    pointers = [path for path in _pointers(folder, walk) if path not in used]
    known = {heard[path].digest for path in used} - {b""}
    extra = [path for path in strays if path not in pointers and heard[path].digest not in known]
    absent = [path for path in corpus.others if path not in walk.audio and not (folder / path).is_file()]
    examples = {"lfs-pointer-unused": pointers, "audio-without-labels": extra, "missing-others": absent}
    return found(examples | walk.odd, folder=folder)


def _pointers(folder: Path, walk: Walk) -> list[str]:
    """git-lfs pointers among the audio."""
    pointers = []
    for path, size in walk.audio.items():
        with suppress(OSError):
            if size <= POINTER_BYTES and is_pointer(folder / path):
                pointers.append(path)
    return pointers
