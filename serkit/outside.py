"""Runs whose probabilities were made outside serkit: read, checked, and stored as those of any run.

table of predictions -> rows of a run -> probabilities of the clips that it scores -> one evaluation -> result

A table, csv or parquet, has a row for each test and validation clip of each run (docs/importing.md).
"""

from __future__ import annotations

import csv
import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv
from pyarrow import types

from serkit import splits
from serkit.corpora.reading.tabular import is_parquet, open_parquet
from serkit.errors import PredictionsUnfit
from serkit.files import open_file
from serkit.job import Made, Place, once
from serkit.labels import LABELS
from serkit.resultfile import Result
from serkit.run import Identified, assembled
from serkit.train import Trained
from serkit.words import many, named

WHOSE = ("run", "corpus", "path")
"""The columns that say of what a row is; those of `LABELS` hold its probabilities."""
MAX_CSV_BYTES, MAX_HEADER_BYTES = 4 << 30, 1 << 16
"""Some 20 million rows; those of parquet are counted (`open_parquet`)."""
OFF_ONE = 1e-3
"""How far the sum of a clip's probabilities may be off 1: they may have been written with four digits."""


def read(path: Path) -> pd.DataFrame:
    """A table of predictions: `run`, `corpus` and `path` as categories, the labels float64, NaN where empty.

    Raises PredictionsUnfit: it cannot be read, has no such columns, or they hold something else.
    """
    try:
        table = _parquet(path) if is_parquet(path) else _csv(path)
    except PredictionsUnfit:
        raise
    except OSError as error:
        raise PredictionsUnfit(f"predictions {path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # a decoder of damaged bytes may raise anything
        kind = "parquet" if is_parquet(path) else "csv, in UTF-8 and with commas"
        said = str(error).partition("\n")[0][:300]
        raise PredictionsUnfit(f"predictions {path}: {said}; expected {kind}") from error
    for name in WHOSE:
        if table[name].isna().any():
            raise PredictionsUnfit(f"predictions {path}: {name} is empty in a row; expected one in each")
    return table


def _check_columns(path: Path, names: Sequence[str]) -> None:
    for name in (*WHOSE, *LABELS):
        if names.count(name) != 1:
            has = f"has {'no column' if name not in names else 'twice the column'} {name}"
            expected = f"expected {', '.join(WHOSE)} and the probabilities {', '.join(LABELS)}"
            raise PredictionsUnfit(f"predictions {path}: it {has}; {expected}")


def _csv(path: Path) -> pd.DataFrame:
    with open_file(path) as file:
        if (size := os.fstat(file.fileno()).st_size) > MAX_CSV_BYTES:
            raise PredictionsUnfit(
                f"predictions {path}: {size:,} bytes; expected {MAX_CSV_BYTES:,} at most: import some of the"
                " runs at a time with --partial, or as parquet"
            )
        header = file.readline(MAX_HEADER_BYTES).decode("utf-8-sig")
        _check_columns(path, next(csv.reader([header]), []))
        file.seek(0)
        kinds: dict[str, pa.DataType] = dict.fromkeys(WHOSE, pa.dictionary(pa.int32(), pa.string()))
        kinds |= dict.fromkeys(LABELS, pa.float64())
        wanted = arrow_csv.ConvertOptions(include_columns=list(kinds), column_types=kinds)
        return arrow_csv.read_csv(file, convert_options=wanted).to_pandas()


def _parquet(path: Path) -> pd.DataFrame:
    file = open_parquet(path)
    _check_columns(path, file.schema_arrow.names)
    table = file.read(columns=[*WHOSE, *LABELS], use_threads=False).replace_schema_metadata()
    for name in (*WHOSE, *LABELS):
        kind = table.schema.field(name).type
        plain = kind.value_type if types.is_dictionary(kind) else kind
        if name in LABELS:
            fits = types.is_floating(kind) or types.is_integer(kind)
        else:
            fits = types.is_string(plain) or types.is_large_string(plain) or types.is_string_view(plain)
        if not fits:
            expected = "numbers" if name in LABELS else "text"
            raise PredictionsUnfit(f"predictions {path}: column {name} holds {kind}; expected {expected}")
    found = {name: table.column(name).to_pandas().astype("category") for name in WHOSE}
    return pd.DataFrame(found | {name: table.column(name).to_pandas().astype("float64") for name in LABELS})


def probabilities(about: Identified, rows: pd.DataFrame) -> np.ndarray:
    """What a run's rows say of the clips that it scores, in the order of `Split.evaluation`.

    Args:
        about: the run.
        rows: those of its name, as of `read`. What they say of other clips of its corpora is ignored: those
            that it learns from, or leaves out.

    Returns:
        Float32 [clips, 4].

    Raises:
        PredictionsUnfit: clips unknown, twice or missing, or numbers that are no probabilities.
    """
    spec, _, loaded = about
    clips = splits.split(spec, loaded)
    scored = splits.scored_clips(clips, loaded, np.arange(len(clips.evaluation)))
    wanted = pd.MultiIndex.from_frame(scored[["corpus", "path"]])
    given = pd.MultiIndex.from_arrays([rows["corpus"].astype(str), rows["path"].astype(str)])
    place = wanted.get_indexer(given)
    unknown = place < 0
    for name, of in loaded.items():
        of_it = (rows["corpus"] == name) & rows["path"].isin(of.corpus.clips["path"])
        unknown &= ~of_it.to_numpy()

    def refuse(wrong: np.ndarray, of: pd.MultiIndex, what: str, expected: str) -> None:
        if wrong.any():
            clips = named("/".join(of[at]) for at in np.flatnonzero(wrong))
            head = f"run {spec.label}: {many(int(wrong.sum()), 'row')} {what} ({clips})"
            raise PredictionsUnfit(f"{head}; {expected}")

    source = "`python -m benchmark folds` names its clips"
    refuse(unknown, given, "of clips that its corpora have not", source)
    counted = place >= 0
    place, given, values = place[counted], given[counted], rows[list(LABELS)].to_numpy(np.float64)[counted]
    twice = "expected one: what tests and validates is scored once"
    refuse(given.duplicated(), given, "of clips that it has already", twice)
    missing = np.ones(len(wanted), dtype=bool)
    missing[place] = False
    refuse(missing, wanted, "missing", "expected one for each test and validation clip")
    expected = "expected probabilities, for example the softmax of decision values"
    refuse(~np.isfinite(values).all(axis=1), given, "that are not finite, or empty", expected)
    refuse((values < 0).any(axis=1), given, "with a number below 0", expected)
    off = np.abs(values.sum(axis=1) - 1).round(9) > OFF_ONE
    refuse(off, given, f"whose sum is off 1 by more than {OFF_ONE:g}", expected)
    found = np.empty(values.shape, dtype=np.float32)
    found[place] = values
    return found


def store(about: Identified, place: Place, scores: np.ndarray) -> Result:
    """Stores a run of which the probabilities are known, in place of what is stored of it.

    Args:
        about: the run.
        place: where.
        scores: from `probabilities`.

    Returns:
        The result: one evaluation, whose loss is not known. Raises as `serkit.job.once`.
    """
    spec = about.spec

    def do() -> Made:
        clips = splits.split(spec, about.loaded)
        entry = {"iteration": 1, "epoch": 1.0, "loss": None, **splits.scored(spec, clips, scores)}
        said = Trained([entry], scores, scores, train_seconds=0.0, evaluate_seconds=0.0, affected=[])
        return *assembled(about, clips, said, {}, place.device), None

    return once(spec, dataclasses.replace(place, rerun=True), do)
