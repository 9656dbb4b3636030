"""Embeddings that are there already: a table with a row a clip, csv or parquet.

`table:FILE` has the columns `path`, and `corpus` (the study's word) where paths of several corpora could be
alike; all others are numbers, in the file's order. Nothing listens, so clips cannot be augmented, and nothing
learns but the classifier: `freeze = ["encoder"]`.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from pyarrow import csv as arrow_csv
from torch import nn

from serkit import encoders
from serkit.corpora.reading.tabular import is_parquet, open_parquet
from serkit.errors import SpecError
from serkit.files import open_file
from serkit.settings import check
from serkit.specs import ModelSpec
from serkit.words import many, named, shown

KEYS = ("corpus", "path")


def describe(model: ModelSpec) -> SimpleNamespace:
    """Any rate does: nothing is heard."""
    return SimpleNamespace(rate_hz=16_000, min_samples=1, takes="waves")


def identify(model: ModelSpec) -> str:
    """SHA-256 of the file. Raises SpecError: no such file, or it is to be trained."""
    check(
        not model.settings,
        f"model encoder {model.encoder!r} has no settings; got {shown(dict(model.settings))}",
    )
    check(model.fitted, f"model encoder {model.encoder!r}: nothing of it learns; set freeze = ['encoder']")
    with open_file(_file(model)) as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def make(model: ModelSpec) -> Deaf:
    """What has the table's width. Raises SpecError: it cannot be read."""
    return Deaf(model.encoder, _read(_file(model)).shape[1])


class Deaf(nn.Module):
    """Knows clips by name alone."""

    def __init__(self, encoder: str, width: int) -> None:
        """`encoder` is what a message calls it."""
        super().__init__()
        self.encoder, self.width = encoder, width

    def forward(self, waves: Any, samples: Any) -> Any:
        """Raises SpecError."""
        raise SpecError(f"model encoder {self.encoder!r} has no embedding of clips that are augmented")


def rows(model: ModelSpec, corpus: str, paths: Sequence[str]) -> np.ndarray:
    """The embeddings of a corpus's clips, float32 [clips, width]. Raises SpecError where it lacks some."""
    table = _read(_file(model))
    if table.index.nlevels == 2:
        here = table.index.get_level_values("corpus") == corpus
        table = table[here].droplevel("corpus")
    lacking = [path for path in paths if path not in table.index]
    head = f"model encoder {model.encoder!r}: no row of {many(len(lacking), 'clip')} of {corpus}"
    check(not lacking, f"{head} ({named(lacking)}); expected one of each, by its path in the corpus")
    return table.loc[list(paths)].to_numpy(dtype=np.float32)


def _file(model: ModelSpec) -> Path:
    return encoders.beside(model.encoder.partition(":")[2])


@functools.lru_cache(maxsize=2)
def _read(path: Path) -> pd.DataFrame:
    """The table, by path or by corpus and path, of finite numbers. Raises SpecError."""
    try:
        if is_parquet(path):
            table = open_parquet(path).read(use_threads=False).replace_schema_metadata().to_pandas()
        else:
            with open_file(path) as file:
                table = arrow_csv.read_csv(file).to_pandas()
    except Exception as error:  # a decoder of damaged bytes may raise anything
        said = str(error).partition("\n")[0][:300]
        raise SpecError(f"embeddings {path}: {said}; expected csv with commas, or parquet") from error
    check("path" in table, f"embeddings {path}: no column path; expected path, perhaps corpus, and numbers")
    table = table.set_index([name for name in KEYS if name in table])
    twice = table.index[table.index.duplicated()]
    check(not len(twice), f"embeddings {path}: {shown(twice[:1].tolist())[1:-1]} has two rows; expected one")
    for name, column in table.items():
        number = pd.api.types.is_numeric_dtype(column) and np.isfinite(column.to_numpy(dtype=float)).all()
        check(number, f"embeddings {path}: column {shown(name)} holds something else than finite numbers")
    check(table.shape[1] > 0, f"embeddings {path}: expected columns of numbers beside {', '.join(KEYS)}")
    return table
