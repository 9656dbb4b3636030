"""What every reader needs of a folder: its names, listed once; its files of labels; a folder that is made.

Names only: no audio file is opened or asked for its size, because the largest corpus has more than 100,000
clips. Hidden names are left out everywhere, AppleDouble files (`._clip.wav`) among them: unzipping on another
system leaves one beside each clip, with no audio in it. A name may be spelt in two ways in Unicode, and disks
and label files differ in which: they are one name, and stems of audio are in NFC.
"""

import errno
import functools
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TypeVar

from filelock import FileLock

from serkit.corpora.reading.corpus import composed
from serkit.errors import CorpusUnfit, SerkitError
from serkit.files import CACHE_VARIABLE, DRAFT, open_file, read_text

SUFFIXES = ("wav", "flac")  # of audio, in any case; where a clip is there as both, the first wins
LFS_POINTER = b"version https://git-lfs"
ORIGIN = "origin.json"
"""Beside what is made: of what, as far as that is said. Nothing relies on it but what is swept."""
DELIVERED = "unpack or copy the delivered corpus again"
Made = TypeVar("Made")


def names_in(folder: Path) -> list[str]:
    """Names in a folder, sorted, without hidden ones; none where it is missing. Raises CorpusUnfit."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise CorpusUnfit(f"folder {folder} cannot be listed ({error.strerror}); {_cure(error)}") from error


def names_seen(folder: Path) -> list[str]:
    """As `names_in` for `is_here`, none where the folder may not be listed: reading says which that is."""
    try:
        return names_in(folder)
    except CorpusUnfit:
        return []


def audio_in(folder: Path) -> dict[str, str]:
    """Names of audio files by stem, in NFC; none where the folder is missing. Raises as `names_in`."""
    return _audio_of(names_in(folder))


def _audio_of(names: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    parted = [(*name.rpartition("."), name) for name in names]
    for suffix in SUFFIXES:
        for stem, _, ending, name in parted:
            if ending.lower() == suffix and stem:
                found.setdefault(composed(stem), name)
    return found


def stem_of(name: str) -> str:
    """A file name without `.wav` or `.flac`, in any case; other names as they are."""
    stem, _, ending = name.rpartition(".")
    return stem if ending.lower() in SUFFIXES else name


def misnamed(title: str, path: str, expected: str) -> CorpusUnfit:
    """The error for a clip whose name a reader does not know: a stray, or renamed."""
    return CorpusUnfit(
        f"{title}: {path} is not named as its clips are; expected {expected}. Move it out of the folder, or"
        " restore its name"
    )


def paths_below(folder: Path, files: Iterable[str], title: str) -> list[str]:
    """Where each file of a table lies below a folder, as the disk spells it: with its suffix or any other.

    Each folder is listed and looked up once. Raises CorpusUnfit, also for a file outside of `folder`.
    """
    tops = [PurePosixPath(top.as_posix()) for top in (folder.absolute(), folder.resolve())]

    @functools.cache
    def listed(parent: str) -> tuple[dict[str, str], dict[str, str]]:
        """What is there: by its name as it is and in NFC; audio by its stem."""
        names = names_in(folder / parent)
        return {composed(name): name for name in names} | {name: name for name in names}, _audio_of(names)

    def spelt(parent: str, name: str) -> str:
        names, audio = listed(parent)
        same = composed(name)
        return names.get(name) or names.get(same) or audio.get(stem_of(same), name)

    @functools.cache
    def place(written: str) -> str | None:
        """A folder below `folder`, with a slash at its end; None outside."""
        path = PurePosixPath(written)
        if path.is_absolute():
            pairs = itertools.product((path, PurePosixPath(os.path.realpath(path))), tops)
            path = next((one.relative_to(top) for one, top in pairs if one.is_relative_to(top)), path)
        if path.is_absolute() or ".." in path.parts:
            return None
        return functools.reduce(lambda above, name: f"{above}{spelt(above, name)}/", path.parts, "")

    paths = []
    for file in files:
        above, slash, name = file.rpartition("/")
        if name in ("", ".", "..") or "\0" in file:
            raise CorpusUnfit(
                f"{title}: {file!r} is no name of a file; restore the table from the delivered copy"
            )
        parent = place(above + slash)
        if parent is None:
            raise CorpusUnfit(
                f"{title}: {file} lies outside {folder}; expected paths below it. Copy the audio there"
            )
        paths.append(parent + spelt(parent, name))
    return paths


def is_pointer(path: Path) -> bool:
    """Whether a file is what a clone without git-lfs leaves in another's place. Raises OSError."""
    with open_file(path) as file:
        return file.read(len(LFS_POINTER)) == LFS_POINTER


def label_text(path: Path, title: str) -> str:
    """The text of a label file, with or without a byte-order mark. Raises as `careful`."""
    with careful(path, title):
        return read_text(path, errors="replace")


@contextmanager
def careful(
    path: Path, title: str, missing: str = DELIVERED, damaged: str = "restore it from the delivered copy"
) -> Iterator[None]:
    """Raises CorpusUnfit, which names a delivered file, in place of whatever is raised as it is read inside.

    `missing` says what to do where there is no such file, `damaged` where it is not what it should be.
    """
    try:
        if is_pointer(path):
            raise CorpusUnfit(
                f"{title}: {path} is a git-lfs pointer, expected the labels themselves; install git-lfs and"
                " run `git lfs pull` in that folder"
            )
        yield
    except SerkitError:
        raise
    except FileNotFoundError as error:
        raise CorpusUnfit(f"{title}: {path} is missing; {missing}") from error
    except OSError as error:
        why = error.strerror or str(error)
        raise CorpusUnfit(f"{title}: {path} cannot be read ({why}); {_cure(error)}") from error
    except Exception as error:  # a damaged table can make Arrow raise anything, an IndexError among them
        why = " ".join(str(error).split()) or type(error).__name__
        raise CorpusUnfit(f"{title}: {path} cannot be read ({why}); {damaged}") from error


def _cure(error: OSError) -> str:
    """What to do about what is there and cannot be read: with a permission, the labels may be in order."""
    if isinstance(error, PermissionError):
        return "make it readable for the user who runs this"
    return f"find out what it is, or {DELIVERED}"


def made_once(
    folder: Path,
    what: str,
    whole: Callable[[Path], Made | None],
    write: Callable[[Path], None],
    origin: Mapping[str, str] | None = None,
) -> Made:
    """What `whole` says of a folder, which `write` makes first where that is None: missing, or damaged.

    Of several processes of a host one writes and the others wait; of hosts that share the folder, the first
    to end is heard. An interrupted call leaves only a draft, which the
    next one sweeps. Raises SerkitError where it cannot be written; `what` names what it holds. The folder is
    dated by its last use; of its `origin` it keeps a note.
    """
    draft = folder.with_name(f"{folder.name}{DRAFT}")
    try:
        if (made := whole(folder)) is not None:
            with suppress(OSError):  # another user's
                os.utime(folder)
            return made
        folder.parent.mkdir(exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if (made := whole(folder)) is not None:  # written while this process waited
                return made
            try:
                shutil.rmtree(draft, ignore_errors=True)
                draft.mkdir()
                write(draft)
                if origin:
                    (draft / ORIGIN).write_text(json.dumps(origin), encoding="utf-8")
                if (made := whole(draft)) is None:
                    raise OSError(
                        errno.EIO, "what is there is not what was written: the disk or memory fails"
                    )
                if (theirs := whole(folder)) is not None:  # another host's, where they share the folder
                    return theirs
                shutil.rmtree(folder, ignore_errors=True)
                if os.path.lexists(folder):  # a file or a link
                    folder.unlink()
                os.replace(draft, folder)
                return made
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise SerkitError(
            f"cannot write {what} to {folder} ({error.strerror or error}); free some space, or set"
            f" {CACHE_VARIABLE} to a folder that you can write"
        ) from error
