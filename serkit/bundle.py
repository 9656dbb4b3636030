"""A study's results as one file; `results/README.md` says what is in it.

A bundle may come from anybody. Nothing of it is unpacked to disk, no name in it is used as a path, every part
has a size that is known before it is unpacked, and what is unpacked is checked as a file in a folder is.
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import lzma
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import serkit
from serkit.errors import ResultsUnreadable
from serkit.files import MAX_TEXT_BYTES, open_file, parse_json, write_whole
from serkit.labels import LABELS
from serkit.resultfile import TABLE_OF, TABLES, TAIL, TEXT, Result, check_table, newer, parse, unreadable
from serkit.settings import check
from serkit.specs import kind_of

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
SEPARATORS = (",", ":")
"""Of JSON, as short as it can be."""
MANIFEST, RESULTS = "manifest.json", "results.jsonl.xz"
STORED = {name: f"{name}.parquet.xz" for name in TABLE_OF.values()}
KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+.-]{0,250}")
MAX_DIRECTORY_BYTES = 1024
"""Of the zip's directory; that of all parts takes 250."""
MAX_XZ_MEMORY_BYTES = 1 << 27
MAX_TABLE_BYTES, MIN_ROW_BYTES = 1 << 30, 16
"""Unpacked; a row has at least four probabilities, which are stored as they are."""
MAX_TEXT_CHARACTERS = 4096
"""In a table; the longest path of Linux."""


class Bundle:
    """What a bundle holds, by the `keys` of runs and measurements; each is checked when first asked for."""

    def __init__(self, path: Path) -> None:
        """Reads all but the tables. Raises ResultsUnreadable."""
        self.path = path
        self._lines: dict[str, bytes] = {}
        with _said(path):
            for line in _part(path, RESULTS, MAX_TEXT_BYTES).splitlines():
                key = parse_json(line)["key"]  # which becomes a part of paths
                new = KEY.fullmatch(key) and key not in self._lines
                check(new, f"a key is none, or there twice: {key[:300]}")
                self._lines[key] = line
        self.keys = tuple(self._lines)
        self._results: dict[str, Result] = {}
        self._tables: dict[str, pd.DataFrame | str] = {}  # or why one cannot be read

    def get(self, key: str) -> Result | None:
        """A result, which nobody may change; None where it has none of this key. Raises as `parse`."""
        if key in self._lines and key not in self._results:
            self._results[key] = parse(self._lines[key], self.path / key / "result.json")
        return self._results.get(key)

    def says(self, key: str, value: Any) -> bool:
        """Whether a result has this value in it, to the letter: `get` checks all of it, 600 in a second."""
        return json.dumps(value, separators=SEPARATORS).encode() in self._lines[key]

    def table(self, key: str, name: str) -> pd.DataFrame:
        """A run's or measurement's rows of a table, as its own file had them. Raises ResultsUnreadable."""
        path = self.path / key / f"{name}.parquet"
        if name not in self._tables:
            try:
                with _said(self.path):
                    self._tables[name] = _table(_part(self.path, STORED[name], MAX_TABLE_BYTES), name)
            except ResultsUnreadable as error:
                self._tables[name] = str(error)
        whole = self._tables[name]
        if isinstance(whole, str):
            raise ResultsUnreadable(whole)
        rows = whole[whole["key"] == key].drop(columns="key").reset_index(drop=True)
        if rows.empty:
            raise unreadable(path, FileNotFoundError())
        rows = rows.astype({column: str for column, kinds in TABLES[name].items() if kinds == TEXT})
        check_table(rows, path)
        return rows


def open_bundle(path: Path) -> Bundle | str | None:
    """The bundle at a path, or why it cannot be read; None: nothing is there. Read once, until it changes."""
    try:
        about = path.stat()
    except OSError:  # where a folder cannot be looked at, the store says why
        return None
    return _opened(path, (about.st_mtime_ns, about.st_ctime_ns, about.st_size, about.st_ino))


@functools.lru_cache(maxsize=64)  # all beside a study are asked in turn for each run: none may be dropped
def _opened(path: Path, stamp: tuple[int, ...]) -> Bundle | str:
    try:
        return Bundle(path)
    except ResultsUnreadable as error:
        return str(error)


@contextmanager
def _said(path: Path) -> Iterator[None]:
    """Makes one message of whatever reading raises: a decoder of damaged bytes may raise anything."""
    try:
        yield
    except ResultsUnreadable:
        raise
    except Exception as error:
        why = getattr(error, "strerror", None) or str(error)
        named = why if isinstance(error, ValueError | OSError) else f"{type(error).__name__} {why}"
        cure = "get it again, or move it away, and the next session runs what it held"
        raise ResultsUnreadable(f"{path} cannot be read ({named}); {cure}") from error


def _part(path: Path, name: str, most: int) -> bytes:
    """A part of a bundle as it was before xz, of at most so many bytes. Raises whatever `_said` catches."""
    with open_file(path) as file:
        _check_directory(file)
        with zipfile.ZipFile(file) as archive:
            inside = archive.infolist()
            parts = {part.filename: archive.read(part) for part in inside if not part.compress_type}
            manifest = parse_json(parts[MANIFEST])
    needed = {MANIFEST, RESULTS}
    known = len(parts) == len(inside) and needed <= set(parts) <= needed.union(STORED.values())
    check(known, "its parts are not those of a bundle")
    if manifest["format"] > FORMAT:
        raise newer(path, f"format {manifest['format']}", FORMAT)
    check(name in parts, f"it has no {name}")
    about = manifest["parts"][name]
    size = f"{name} says that it has {about['bytes']:,} bytes"
    check(0 <= about["bytes"] <= most, f"{size}; at most {most:,} are read")
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MAX_XZ_MEMORY_BYTES)
    data = decoder.decompress(parts[name], max_length=about["bytes"] + 1)
    check(decoder.eof and _digest(data) == about, f"{name} is not as its manifest says")
    return data


def _check_directory(file: IO[bytes]) -> None:
    """Checks that a zip's directory is small, before zipfile reads all of it."""
    file.seek(0, io.SEEK_END)
    file.seek(max(0, file.tell() - 42))
    tail = file.read()  # where a large zip's own record of its end may stand, then that of any
    ends = tail[-22:-18] == b"PK\5\6" and tail[:4] != b"PK\6\7"
    check(ends and int.from_bytes(tail[-10:-6], "little") <= MAX_DIRECTORY_BYTES, "it is no bundle")


def _digest(data: bytes) -> dict[str, int | str]:
    return {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def _table(data: bytes, name: str) -> pd.DataFrame:
    """A table of all runs. Its numbers are neither compressed nor encoded by value, which bounds its rows."""
    from pyarrow import parquet

    about = parquet.read_metadata(io.BytesIO(data))
    columns = ["key", *TABLES[name]]
    texts = [column for column in columns if TABLES[name].get(column, TEXT) == TEXT]
    groups = [about.row_group(number).to_dict() for number in range(about.num_row_groups)]
    compressions = {column["compression"] for group in groups for column in group["columns"]}
    check(compressions <= {"UNCOMPRESSED"}, f"{name} are compressed by Parquet")
    check(about.num_rows * MIN_ROW_BYTES <= len(data), f"{name} have more rows than bytes")
    table = parquet.read_table(io.BytesIO(data), columns=columns, read_dictionary=texts).to_pandas()[columns]
    for text in texts:
        longest = max(map(len, table[text].cat.categories), default=0)
        said = f"a text in column {text} of {name} has {longest:,} characters"
        check(longest <= MAX_TEXT_CHARACTERS, said)
    return table


def write_bundle(
    path: Path,
    study: str,
    results: Iterable[Result],
    table: Callable[[str, str], pd.DataFrame],
    decisions: bool = False,
) -> list[str]:
    """Writes a bundle, whole or not at all; equal results make equal bytes. Raises OSError.

    Args:
        path: of the file.
        study: its name.
        results: what it shall hold.
        table: takes key and name of a table, as `serkit.results.Store.table`.
        decisions: whether of scores only the decisions are kept (`decided`): a tenth of the size.

    Returns:
        Why tables are left out.
    """
    lines: list[str] = []
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in STORED}
    unread: list[str] = []
    for result in sorted(results, key=lambda result: result["key"]):
        lines.append(json.dumps(result, separators=SEPARATORS, allow_nan=False) + "\n")
        name = TABLE_OF[kind_of(result["spec"])]
        try:
            found = table(result["key"], name)
            found = decided(found) if decisions and name == "scores" else found
            tables[name].append(found.assign(key=result["key"]))
        except ResultsUnreadable as error:
            unread.append(str(error))
    parts = {RESULTS: "".join(lines).encode()}
    parts |= {STORED[name]: _as_parquet(name, of) for name, of in tables.items() if of}
    about = {name: _digest(data) for name, data in parts.items()}
    manifest = {"format": FORMAT, "serkit": serkit.__version__, "study": study, "parts": about}
    manifest |= {"decisions": True} if decisions else {}
    packed = {name: lzma.compress(data, preset=6 | lzma.PRESET_EXTREME) for name, data in parts.items()}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in {MANIFEST: json.dumps(manifest, indent=1).encode(), **packed}.items():
            archive.writestr(zipfile.ZipInfo(name), data)  # of 1980, so that equal results make equal bytes
    write_whole(path, buffer.getvalue())
    return unread


def decided(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores that say only what is decided: 1 for the label of the highest probability, 0 for the others."""
    import numpy as np

    said = scores.copy()
    for columns in map(list, (LABELS, TAIL)):
        best = scores[columns].to_numpy().argmax(axis=1)
        said[columns] = np.eye(len(columns), dtype=np.float32)[best]
    return said


def _as_parquet(name: str, tables: list[pd.DataFrame]) -> bytes:
    import pandas as pd

    whole = pd.concat(tables, ignore_index=True)[["key", *TABLES[name]]]
    # Parquet splits numbers into streams of bytes, compressing nothing: xz does it better (docs/lab-log.md).
    split = {column: "BYTE_STREAM_SPLIT" for column in whole if whole[column].dtype.kind == "f"}
    others = [column for column in whole if column not in split]
    settings = {"compression": None, "use_dictionary": others, "column_encoding": split}
    return whole.to_parquet(index=False, **settings)
