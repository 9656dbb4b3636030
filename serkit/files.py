"""Reading and writing with care: other people's files, and what must not be half there.

Whatever serkit did not make itself is opened by `open_file`, which takes regular files alone: reading a named
pipe waits for ever, a device may never end. `printable` is for names that a terminal shall show.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Any

MOST_TEXT_BYTES = 256 << 20
"""Of a text read whole; the largest label file of a published corpus has a twentieth of it."""

LARGEST, LARGEST_WHOLE = 1e100, 1e15
"""Of `usual_number`; a training that is thrown off has losses of 1e18."""

KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}

UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters but tab and newline, what turns the direction of text, and halves of characters."""


def open_file(path: Path) -> BufferedReader:
    """A regular file, opened to read bytes; symbolic links are followed.

    Raises:
        OSError: not there, not permitted, or no regular file (`strerror` says what it is); never waits.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        if error.errno == errno.ENXIO:  # as a socket, which cannot even be opened
            _check_regular(path, path)
        raise
    try:
        _check_regular(descriptor, path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: Path, most: int = MOST_TEXT_BYTES) -> bytes:
    """All of a regular file.

    Raises:
        OSError: as `open_file`, or more than `most` bytes.
    """
    with open_file(path) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise OSError(errno.EFBIG, f"more than {most:,} bytes", str(path))
        return file.read()


def read_text(path: Path, errors: str = "strict") -> str:
    """All of a regular file as UTF-8, with or without a byte-order mark; line ends as they are.

    Raises:
        OSError: as `read_bytes`.
        ValueError: it is not UTF-8, where `errors` is `strict`.
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
    """What JSON text says.

    Args:
        text: UTF-8.
        number: makes each number of its text, `NaN` and `Infinity` too; None: as Python does.

    Raises:
        ValueError: it is damaged or nested too deep to be read, or `number` refuses one.
    """
    try:
        return json.loads(text, parse_float=number, parse_int=number, parse_constant=number)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def usual_number(text: str) -> int | float:
    """A number of which sums and squares stay finite and whole ones exact, as results and progress have them.

    Raises:
        ValueError: NaN, 1e15 and more of a whole one, 1e100 and more of any other.
    """
    value, whole = float(text), text.lstrip("-").isdigit()
    if not abs(value) < (LARGEST_WHOLE if whole else LARGEST):
        raise ValueError(f"{text[:20]} is no number that can be")
    return int(text) if whole else value


def write_whole(path: Path, data: bytes | str) -> None:
    """Writes a file so that it is there whole or not at all, even after a power cut; text as UTF-8.

    Halves of characters, as in paths that are not UTF-8, are spelt out.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    content = data.encode(errors="backslashreplace") if isinstance(data, str) else data
    write_by(path, lambda draft: draft.write_bytes(content))


def write_by(path: Path, write: Callable[[Path], Any]) -> None:
    """As `write_whole`, for what knows how to write itself to a path. Raises likewise; no draft stays."""
    draft = path.with_name(f"{path.name}.draft")
    draft.unlink(missing_ok=True)  # somebody's pipe or link under that name is not written through
    try:
        write(draft)
        settle(draft, path)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


def settle(draft: Path, path: Path) -> None:
    """Puts a written file in its place, once all of it is on the disk.

    Raises:
        OSError: the disk is full or gone.
    """
    _sync(draft)
    os.replace(draft, path)


def settle_folder(draft: Path, folder: Path) -> None:
    """Puts a folder of written files in its place, where nothing is, once all of it is on the disk.

    Raises:
        OSError: the disk is full or gone, or something is in its place.
    """
    for path in draft.iterdir():
        _sync(path)
    _settle_names(draft)
    os.replace(draft, folder)
    _settle_names(folder.parent)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _settle_names(folder: Path) -> None:
    """Brings to the disk which files a folder holds, where the file system can be asked to."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def append_line(path: Path, line: str) -> None:
    """Appends a line to a regular file, which is made where it is missing.

    Raises:
        OSError: it cannot be written, or is no regular file; never waits.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, flags, 0o666)
    with os.fdopen(descriptor, "ab") as file:
        _check_regular(descriptor, path)
        file.write(f"{line}\n".encode())


def _check_regular(file: int | Path, path: Path) -> None:
    kind = stat.S_IFMT(os.stat(file).st_mode)
    if kind != stat.S_IFREG:
        raise OSError(errno.EINVAL, f"{KINDS.get(kind, 'something else')}, expected a file", str(path))


def printable(text: str) -> str:
    """Text as a terminal may show it: what would steer the terminal or turn the text is spelt out, as x1b."""
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
