"""Parquet files with audio inside, as Hugging Face's datasets are delivered: unpacked once, then any corpus.

A dataset is one or many files (shards), such as `data/train-00000-of-00004.parquet`; a column holds structs
of the bytes of an audio file and its name, and what the integers of a label mean stands in the schema's
metadata (`huggingface`). `unpack` writes the audio, byte for byte, into the cache folder, a file a row; the
names are made from the row's number and, in letters that no system minds, the delivered name: nothing in a
shard decides where something is written. Where a shard, or the choice of rows, changes, it is unpacked anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from serkit.corpora.reading.corpus import composed
from serkit.corpora.reading.folder import careful, made_once
from serkit.corpora.reading.tabular import open_parquet
from serkit.files import cache_folder, parse_json, read_json
from serkit.later import pa, types

FORMAT = 1  # of an unpacked folder; raise it when names or contents change
INDEX = ".index.json"  # hidden, so no clip
ROWS_AT_ONCE = 16  # of a group, which pyarrow has read already
NAME_BYTES = 80

MAGIC = {b"RIFF": "wav", b"RF64": "wav", b"fLaC": "flac", b"OggS": "ogg", b"ID3": "mp3", b"\xff\xfb": "mp3"}
SHARD = re.compile(r"(.+)-\d+-of-\d+")
Chosen = Mapping[Path, Sequence[int]]  # the rows wanted of each shard, ascending


def audio_columns(path: Path, title: str) -> list[str]:
    """The columns of a parquet file that hold audio: structs with a field of bytes."""

    def holds_audio(kind: pa.DataType) -> bool:
        return types.is_struct(kind) and any(
            field.name == "bytes" and (types.is_binary(field.type) or types.is_large_binary(field.type))
            for field in kind
        )

    with careful(path, title):
        return [field.name for field in open_parquet(path).schema_arrow if holds_audio(field.type)]


def class_names(path: Path, title: str) -> dict[str, list[str]]:
    """What the integers of a column mean, by column, where the schema's metadata say so."""
    with careful(path, title):
        about = (open_parquet(path).schema_arrow.metadata or {}).get(b"huggingface", b"{}")
    try:
        features = parse_json(about)["info"]["features"].items()
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}  # something else under that name
    named = {name: feature.get("names") for name, feature in features if isinstance(feature, dict)}
    return {
        name: names
        for name, names in named.items()
        if isinstance(names, list) and all(isinstance(one, str) for one in names)
    }


def split_of(path: Path) -> str:
    """What a file's name calls its split: `train` of train-00000-of-00004.parquet, of train/0000.parquet."""
    if shard := SHARD.fullmatch(path.stem):
        return shard[1]
    return path.parent.name if path.stem.isdecimal() else path.stem


def unpack(chosen: Chosen, column: str, title: str) -> tuple[Path, list[str]]:
    """The folder of the cache with the audio of chosen rows, and each one's file; none without audio."""
    digest = hashlib.sha256(f"{FORMAT} {column}".encode())
    for path, rows in chosen.items():
        with careful(path, title):
            found = os.stat(path)
        digest.update(os.fsencode(path.resolve()))
        digest.update(f"\t{found.st_size}\t{found.st_mtime_ns}\t{found.st_ino}\t{list(rows)}\n".encode())
    folder = cache_folder() / "unpacked" / digest.hexdigest()[:16]
    what = f"the audio of {title}"
    return folder, made_once(folder, what, _names, lambda draft: _write(draft, chosen, column, title))


def _names(folder: Path) -> list[str] | None:
    """The files' names, if all are there as they were written; None if they are to be written."""
    try:
        index = read_json(folder / INDEX)
        whole = all(stamp is None or stamp == _of_file(folder / name) for name, stamp in index)
        return [name for name, _ in index] if whole else None
    except (OSError, ValueError, TypeError):
        return None


def _of_file(path: Path) -> list[int]:
    """What changes when a file does, also where a tool sets its time of modification back."""
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _write(folder: Path, chosen: Chosen, column: str, title: str) -> None:
    index: list[tuple[str, list[int] | None]] = []
    rows, n_clips = _audio(chosen, column, title), sum(map(len, chosen.values()))
    for number, delivered in tqdm(rows, f"unpacking {title}", n_clips, unit="clip", disable=None):
        data = delivered.get("bytes")
        name = _name(number, delivered.get("path"), data)
        if data is not None:
            (folder / name).write_bytes(data)
        index.append((name, None if data is None else _of_file(folder / name)))
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")
    os.sync()  # once for all: a power cut must not leave names without what they hold


def _audio(chosen: Chosen, column: str, title: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows chosen, with their numbers in the dataset; about a group of rows is in memory at a time."""
    first = 0  # of the shard, in the dataset
    for path, rows in chosen.items():
        with careful(path, title):
            shard, wanted, end = open_parquet(path), set(rows), 0
            for group in range(shard.num_row_groups):
                start, end = end, end + shard.metadata.row_group(group).num_rows
                if wanted.isdisjoint(range(start, end)):
                    continue
                batches = shard.iter_batches(ROWS_AT_ONCE, [group], [column], use_threads=False)
                for row, delivered in enumerate(chain.from_iterable(batch[0] for batch in batches), start):
                    if row in wanted:
                        yield first + row, delivered.as_py() or {}
            first += end


def _name(row: int, delivered: Any, data: bytes | None) -> str:
    """A file's name: the row's number, what of its delivered name is letters, and what its bytes are."""
    path = PurePosixPath(str(delivered or ""))
    stem = re.sub(r"[^\w-]+", "_", composed(path.stem)).encode(errors="ignore")[:NAME_BYTES]
    ending = re.sub(r"[^a-z0-9]", "", path.suffix.lower())[:5] or "wav"
    ending = next((kind for magic, kind in MAGIC.items() if data and data.startswith(magic)), ending)
    return f"{row:06d}-{stem.decode(errors='ignore') or 'clip'}.{ending}"
