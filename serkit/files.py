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
from contextlib import suppress
from io import BufferedReader
from pathlib import Path
from typing import Any

MOST_TEXT_BYTES = 256 << 20
"""Of a text read whole; the largest label file of a published corpus has a twentieth of it."""

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
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
        if kind != stat.S_IFREG:
            what = KINDS.get(kind, "something else")
            raise OSError(errno.EINVAL, f"{what}, expected a file", str(path))
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
    return read_bytes(path).decode("utf-8-sig", errors)


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: as `read_bytes`.
        ValueError: it is damaged, or nested too deep to be read.
    """
    try:
        return json.loads(read_text(path))
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def write_whole(path: Path, data: bytes | str) -> None:
    """Writes a file so that it is there whole or not at all, even after a power cut; text as UTF-8.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    draft = path.with_name(f"{path.name}.draft")
    draft.write_bytes(data.encode() if isinstance(data, str) else data)
    settle(draft, path)


def settle(draft: Path, path: Path) -> None:
    """Puts a written file in its place, once all of it is on the disk.

    Raises:
        OSError: the disk is full or gone.
    """
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(draft, path)


def settle_folder(draft: Path, folder: Path) -> None:
    """Puts a folder of written files in its place, where nothing is, once all of it is on the disk.

    Raises:
        OSError: the disk is full or gone, or something is in its place.
    """
    for path in draft.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
    _settle_names(draft)
    os.replace(draft, folder)
    _settle_names(folder.parent)


def _settle_names(folder: Path) -> None:
    """Brings to the disk which files a folder holds, where the file system can be asked to."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def printable(text: str) -> str:
    """Text as a terminal may show it: what would steer the terminal or turn the text is spelt out, as x1b."""
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
