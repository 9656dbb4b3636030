"""Files read and written with care, and the folder of what can be made again.

Whatever serkit did not make itself is opened by `open_file`: a named pipe waits for ever, a device may never
end. What must not be half there is written by `write_whole` and its like.
"""

import errno
import getpass
import json
import math
import os
import re
import socket
import stat
import tempfile
from collections.abc import Callable
from contextlib import suppress
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any

import platformdirs

from serkit.errors import SerkitError

MAX_TEXT_BYTES = 256 << 20
"""Of a text read whole; the largest label file of a published corpus has a twentieth of it."""
BUFFER_BYTES = 1 << 16  # a short clip is read at once, in whatever pieces a decoder asks for it
NAMED = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
CACHE_VARIABLE = "SERKIT_CACHE"
DRAFT = f".{re.sub(r'[^A-Za-z0-9_-]', '-', socket.gethostname())[:40]}.draft"
"""The ending of what this host has not finished: locks hold within one host, its folders may be shared."""
HOUSED = ("MPLCONFIGDIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
"""Where libraries look for a place of their own; torch's compiler names its folder after the user."""


def open_file(path: Path, most: float = math.inf) -> BufferedReader:
    """A regular file, or a link to one, opened to read bytes. Never waits.

    Raises OSError: not there, not permitted, no regular file (`strerror` says what it is), or one with more
    than `most` bytes.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        if error.errno == errno.ENXIO:  # as a socket, which cannot even be opened
            _check_regular(path, path)
        raise
    try:
        _check_regular(descriptor, path)
        if os.fstat(descriptor).st_size > most:
            raise OSError(errno.EFBIG, f"more than {most:,} bytes", str(path))
        return BufferedReader(FileIO(descriptor), BUFFER_BYTES)
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: Path, most: int = MAX_TEXT_BYTES) -> bytes:
    """All of a regular file. Raises OSError as `open_file` does."""
    with open_file(path, most) as file:
        return file.read()


def read_text(path: Path, errors: str = "strict") -> str:
    """All of a regular file as UTF-8, with or without a byte-order mark; line ends as they are.

    Raises OSError as `read_bytes`; ValueError, naming the line, where it is not UTF-8.
    """
    data = read_bytes(path)
    try:
        return data.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not in UTF-8; save it as UTF-8") from error


def read_json(path: Path, number: Callable[[str], Any] | None = None) -> Any:
    """What a JSON file holds. Raises OSError as `read_bytes` does, ValueError as `parse_json`."""
    return parse_json(read_text(path), number)


def parse_json(text: str | bytes, number: Callable[[str], Any] | None = None) -> Any:
    """What JSON text says; `number` makes each number of its text, `NaN` and `Infinity` too.

    Raises ValueError: it is damaged or nested too deep to be read, or `number` refuses one.
    """
    try:
        return json.loads(text, parse_float=number, parse_int=number, parse_constant=number)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def usual_number(text: str) -> int | float:
    """A number of which sums and squares stay finite and whole ones exact, as results and progress have them.

    Raises ValueError: NaN, 1e15 and more of a whole one, 1e100 and more of any other.

    Example:
        >>> usual_number("12"), usual_number("0.5")
        (12, 0.5)
    """
    value, whole = float(text), text.lstrip("-").isdigit()
    if not abs(value) < (1e15 if whole else 1e100):  # a training that is thrown off has losses of 1e18
        raise ValueError(f"{text[:20]} is no number that can be")
    return int(text) if whole else value


def write_whole(path: Path, data: bytes | str) -> None:
    """Writes a file so that it is there whole or not at all, even after a power cut; text as UTF-8.

    Halves of characters, as in paths that are not UTF-8, are spelt out. Where it raises OSError, what was
    there before stays, and no draft.
    """
    content = data.encode(errors="backslashreplace") if isinstance(data, str) else data
    write_by(path, lambda draft: draft.write_bytes(content))


def write_by(path: Path, write: Callable[[Path], Any]) -> None:
    """As `write_whole`, for what knows how to write itself to a path. Raises the same."""
    draft = path.with_name(f"{path.name}{DRAFT}")
    draft.unlink(missing_ok=True)  # somebody's pipe or link under that name is not written through
    try:
        write(draft)
        _sync(draft)
        os.replace(draft, path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


def sync_folder(folder: Path) -> None:
    """Brings a folder's files to the disk, so that a power cut leaves no names without what they hold."""
    for path in folder.iterdir():
        _sync(path)
    with suppress(OSError):  # not every file system can bring a folder's names to the disk
        _sync(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def stamp(path: Path | str) -> str:
    """What changes when a file does: times of writing and of any change, size, inode; empty: it is not there.

    Raises OSError where nobody can tell.
    """
    try:
        about = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return f"{about.st_mtime_ns} {about.st_ctime_ns} {about.st_size} {about.st_ino}"


def append_line(path: Path, line: str) -> None:
    """Appends a line to a regular file, which is made where it is missing. Never waits; raises OSError."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o666)
    with os.fdopen(descriptor, "ab") as file:
        _check_regular(descriptor, path)
        file.write(f"{line}\n".encode())


def _check_regular(file: int | Path, path: Path) -> None:
    kind = stat.S_IFMT(os.stat(file).st_mode)
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"{NAMED.get(kind, 'a device')}, expected a file", str(path))


def cache_folder() -> Path:
    """The folder of what serkit can make again, made where it is missing: all in it may go at any time.

    `$SERKIT_CACHE`, or the user's cache folder for `serkit`, as an absolute path. All workers on a host have
    the same: one makes a thing and the others wait for it (a file lock beside it).

    Raises SerkitError: it cannot be made or written, or there is no home folder for it.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    try:
        folder = (Path(chosen) if chosen else platformdirs.user_cache_path("serkit")).expanduser().absolute()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # permission bits say little on a network disk: try it
            return folder
    except RuntimeError as error:
        why = "no cache folder: this user has no home folder (HOME is not set)"
        cure = f"set {CACHE_VARIABLE} to the whole path of a folder that you can write"
        raise SerkitError(f"{why}; {cure}") from error
    except OSError as error:
        origin = "names it" if chosen else "is not set, so it is the system's"
        why = f"cannot write the cache folder {folder} ({error.strerror}; {CACHE_VARIABLE} {origin})"
        raise SerkitError(f"{why}; set {CACHE_VARIABLE} to a folder that you can write") from error


def house_libraries() -> None:
    """Lends other libraries a place in the cache folder where the user has no home, or no name, for theirs.

    Without one torch, librosa and numba fail as they are imported, and matplotlib warns. What the environment
    already says stays. Call it before they are imported; where there is no cache folder nothing is lent.
    """
    home, named = os.path.expanduser("~"), False
    homeless = not (os.path.isdir(home) and os.access(home, os.W_OK))
    with suppress(KeyError, OSError):  # no passwd entry; OSError from Python 3.13 on
        named = bool(getpass.getuser())
    if named and not homeless:
        return
    with suppress(SerkitError):
        folder = str(cache_folder() / "libraries")
        for variable in ("TORCHINDUCTOR_CACHE_DIR", *(HOUSED if homeless else ())):
            os.environ.setdefault(variable, folder)
