"""Any database in the audformat layout: `db.yaml` with tables beside it, csv or parquet.

Source: audformat (audEERING), https://audeering.github.io/audformat/. Its own library is not used: it builds
what tags in `db.yaml` ask for, runs pickled tables, writes pickles beside the tables, and takes a csv's
columns by place. One reader for many corpora, so everything that other readers know of theirs is an option
here; `docs/corpora.md` lists them. Not part of the paper.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serkit.corpora.reading.audformat_header import Header, read_header, what_is_called
from serkit.corpora.reading.columns import USUAL, Choices, Delivered, check_texts, corpus_of
from serkit.corpora.reading.corpus import Corpus
from serkit.corpora.reading.folder import paths_below
from serkit.corpora.reading.tabular import column_names, read_columns
from serkit.errors import CorpusMissing, CorpusUnfit
from serkit.later import Later

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = Later("pandas")

TITLE = "audformat"
PAGE = "docs/corpora.md#audformat"
OPTIONS: dict[str, tuple] = dict.fromkeys(
    ("name", "tables", "label", "labels", "speaker", "split", "splits", "folds", "split_by_clip"), ()
)
LOOKS_LIKE = "a folder with db.yaml"
RATE_HZ: tuple[int, ...] = ()
CHANNELS: tuple[int, ...] = ()

HEADER = "db.yaml"
NO_SPLIT = "none"


def is_here(folder: Path) -> bool:
    """Whether `folder` holds the header `db.yaml`, or what is left of it."""
    return os.path.lexists(folder / HEADER)


def choose(folders: Sequence[Path], name: str | None = None, **options: Any) -> list[Path]:
    """Which of the folders with a header are the database called `name`, in their order; copies of one.

    Without a name there may be one database only, in one copy or several. A header that cannot be read comes
    last: where the database is found without it, it is named beside; where it is not, that may be the one,
    and `read` says what is wrong with it.

    Raises:
        CorpusMissing: none is.
        CorpusUnfit: no name is given, and there are several.
    """
    called = {folder: what_is_called(folder / HEADER) for folder in folders}
    sound = {folder: its for folder, (its, readable) in called.items() if readable and its}
    wanted = [folder for folder, its in sound.items() if name in (None, its)]
    if len({sound[folder] for folder in wanted}) > 1:
        raise CorpusUnfit(
            f"{len(set(sound.values()))} audformat databases, expected one: set the option name to one of "
            + ", ".join(f"{its} ({folder})" for folder, its in sound.items())
        )
    damaged = {folder: its for folder, (its, readable) in called.items() if not readable}
    broken = [folder for folder, its in damaged.items() if its in ("", name or its)]
    broken.sort(key=lambda folder: not damaged[folder])  # those whose name can be seen first
    if wanted or broken:
        return [*wanted, *broken]
    found = ", ".join(f"{its or 'something else'} ({folder})" for folder, (its, _) in called.items())
    raise CorpusMissing(f"{title(name)}: no audformat database of that name; found {found}")


def title(name: str | None = None, **options: Any) -> str:
    """What the corpus is called, as far as the options say."""
    return f"audformat database {name}" if name else TITLE


def folds(**options: Any) -> int | None:
    """How many folds these options make; 1 for a delivered split. Raises SpecError for what cannot be."""
    return _checked(options).n_folds


def read(folder: Path, **options: Any) -> Corpus:
    """Reads the clips of one or more tables.

    Args:
        folder: the folder that holds `db.yaml`.
        **options: see `docs/corpora.md`; what is left out has its default.

    Returns:
        as `columns.corpus_of`.

    Raises:
        CorpusUnfit: the database lacks a table, column, label, split or speaker that is needed, names a part
            of a file as a clip, or contradicts itself.
        SpecError: an option that cannot be.
    """
    choices = _checked(options)
    name, label, speaker = options.get("name"), choices.label or "emotion", choices.speaker or "speaker"
    database = _Database(folder, read_header(folder / HEADER))
    if name is not None and database.header.name != name:
        raise CorpusUnfit(
            f"{database.title}: {folder} was asked for as {name}; set the option name to its name"
        )
    chosen, notes = _chosen(database, options.get("tables"), label)
    clips = _clips(database, chosen, label)
    clips["path"] = paths_below(folder, clips.index, database.title)
    clips["speaker"] = _column(database, chosen, speaker, clips.index, choices.speaker is not None)
    usual: Mapping[str, str] = USUAL
    if choices.by_split:
        clips["split"], usual = _splits(database, chosen, clips, choices.split)
    declared = frozenset(word for one in chosen for word in database.declared(one, label))
    delivered = Delivered(
        title=database.title,
        clips=clips.drop(columns="table"),
        has=database.contents,
        label=label,
        speaker=speaker,
        declared=declared,
        usual=usual,
        notes=(*notes, *database.notes),
    )
    return corpus_of("audformat", folder, database.header.version, delivered, choices)


def facts(corpus: Corpus, **options: Any) -> dict[tuple[str, str], int]:
    """Nothing: serkit knows no published counts of a database it does not know."""
    return {}


def _checked(options: Mapping[str, Any]) -> Choices:
    """The options about columns. Raises SpecError."""
    several = isinstance(options.get("tables"), tuple | list)
    check_texts("audformat", options, ("name",) if several else ("name", "tables"))
    return Choices.of("audformat", options)


class _Database:
    """A database while it is read: its header, and its tables when they are asked for."""

    def __init__(self, folder: Path, header: Header) -> None:
        """Reads nothing yet."""
        self.folder, self.header = folder, header
        self.title = f"audformat database {header.name}"
        self.notes: list[str] = []
        self.has_parts = functools.cache(self._has_parts)
        self._file = functools.cache(self._checked_file)

    @property
    def contents(self) -> str:
        """Every table with its columns, for messages."""
        tables = self.header.tables.items()
        named = [f"{one} ({', '.join(said.columns) or 'no columns'})" for one, said in tables]
        return "; ".join(named) or "no tables"

    def having(self, column: str) -> list[str]:
        """The tables with a column, those of whole files first."""
        have = [one for one, said in self.header.tables.items() if column in said.columns]
        return sorted(have, key=lambda one: "end" in self.header.tables[one].levels)

    def series(self, table_id: str, column: str) -> pd.Series:
        """A column as text, None where there is no value, by file with forward slashes.

        Raises:
            CorpusUnfit: its file is missing, unreadable, or says other columns than the header.
        """
        path = self._file(table_id)
        read = read_columns(path, self.title, ["file", column])
        if None in read["file"]:
            raise CorpusUnfit(f"{self.title}: {path} has a row without a file; restore it")
        files = [str(file).replace("\\", "/") for file in read["file"]]
        return pd.Series(read[column], index=pd.Index(files, name="file", dtype=object), dtype=object)

    def declared(self, table_id: str, column: str) -> list[str]:
        """The values that the scheme of a column allows; none where it allows anything.

        Raises:
            CorpusUnfit: as `series`.
        """
        labels = self.header.labels.get(self.header.tables[table_id].columns[column], [])
        if not isinstance(labels, str):
            return labels
        said = self.header.misc.get(labels)  # the rows of a table without files, by the first of its levels
        if said is None or not said.levels:
            return []
        level = said.levels[0]
        return [one for one in read_columns(self._file(labels), self.title, [level])[level] if one]

    def _has_parts(self, table_id: str) -> bool:
        """Whether rows of a table are parts of files. Raises as `series`."""
        path = self._file(table_id)
        if not {"start", "end"} <= set(column_names(path, self.title)):
            return False
        read = read_columns(path, self.title, ["start", "end"])
        return bool({*read["end"]} - {None, "NaT"}) or not all(map(_is_zero, {*read["start"]}))

    def _checked_file(self, table_id: str) -> Path:
        """A table's file, compared with the header."""
        said = self.header.tables.get(table_id) or self.header.misc[table_id]
        path = _file_of(self.folder, table_id, self.title)
        names = column_names(path, self.title)
        expected = [*said.levels, *said.columns]
        lacking = [name for name in expected if name not in names]
        if lacking:
            raise CorpusUnfit(
                f"{self.title}: {path} has no column {lacking[0]!r}, which {HEADER} says it has; its columns"
                f" are {', '.join(names)}. Restore both from one copy"
            )
        more = [name for name in names if name not in expected and not name.startswith("@")]
        if more:
            self.notes.append(f"{path.name} has columns that {HEADER} does not name: {', '.join(more)}")
        return path


def _is_zero(start: str | None) -> bool:
    """Whether a part that starts there starts with its file: `0 days`, `0 days 00:00:00`, `0`."""
    return start is not None and bool(pd.to_timedelta(start, errors="coerce") == pd.Timedelta(0))


def _file_of(folder: Path, table_id: str, title: str) -> Path:
    """Where a table lies: parquet before csv, as audformat has it.

    Raises:
        CorpusUnfit: nowhere, or only as a pickle.
    """
    if "/" in table_id or "\\" in table_id or "\0" in table_id:
        raise CorpusUnfit(f"{title}: a table is called {table_id!r}, expected the name of a file in {folder}")
    files = [folder / f"db.{table_id}.{suffix}" for suffix in ("parquet", "csv")]
    for path in files:
        if os.path.lexists(path):
            return path
    pickled = folder / f"db.{table_id}.pkl"
    if pickled.is_file():
        raise CorpusUnfit(
            f"{title}: table {table_id} is there as a pickle only, which could run code and is not read; if"
            f" you trust {pickled}, load the database with audformat and save it with storage_format='csv'"
        )
    raise CorpusUnfit(
        f"{title}: table {table_id} has no file; restore {files[1].name} or {files[0].name} in {folder}"
    )


def _chosen(
    database: _Database, tables: str | Iterable[str] | None, label: str
) -> tuple[list[str], list[str]]:
    """The tables to read, and what to note of those that are not.

    Raises:
        CorpusUnfit: an unknown one, one without the label column, one with parts of files, or none.
    """
    having = database.having(label)
    chosen = having if tables is None else [tables] if isinstance(tables, str) else list(tables)
    for one in chosen:
        if one not in database.header.tables:
            raise CorpusUnfit(f"{database.title}: no table {one!r}; the database has {database.contents}")
        if one not in having:
            raise CorpusUnfit(
                f"{database.title}: table {one} has no column {label!r}; set the option label to one of"
                f" the columns of {database.contents}"
            )
    if not chosen:
        raise CorpusUnfit(
            f"{database.title}: no table has a column {label!r}; set the option label to one of the columns"
            f" of {database.contents}"
        )
    parts = [one for one in chosen if database.has_parts(one)]
    if parts and (tables is not None or len(parts) == len(chosen)):
        raise CorpusUnfit(
            f"{database.title}: the rows of table {parts[0]} are parts of files, expected whole files; cut"
            " them with audformat.utils.to_filewise_index, or set the option tables to a table of whole files"
        )
    notes = [f"table {one} is not used: its rows are parts of files" for one in parts]
    return [one for one in chosen if one not in parts], notes


def _clips(database: _Database, chosen: list[str], label: str) -> pd.DataFrame:
    """The files of the tables, each with its label as delivered (text, or None) and its table.

    Raises:
        CorpusUnfit: a file stands twice.
    """
    clips = pd.concat([database.series(one, label).to_frame("delivered").assign(table=one) for one in chosen])
    if clips.index.has_duplicates:
        file = clips.index[clips.index.duplicated()][0]
        where = sorted(set(clips.loc[[file], "table"]))
        todo = "restore it" if len(where) == 1 else "set the option tables to some without overlap"
        raise CorpusUnfit(f"{database.title}: {file} stands twice in {' and '.join(where)}; {todo}")
    return clips


def _column(
    database: _Database, chosen: list[str], column: str, files: pd.Index, required: bool
) -> pd.Series:
    """A column's values for the files: from the chosen tables, else from any other, of whole files first.

    Raises:
        CorpusUnfit: `required` and no table has it, or two values for one file.
    """
    having = database.having(column)
    if required and not having:
        raise CorpusUnfit(
            f"{database.title}: no table has a column {column!r}; the database has {database.contents}"
        )
    whole = [one for one in having if not database.has_parts(one)]
    found = pd.Series(None, index=files, dtype=object)
    for holders in (
        [one for one in whole if one in chosen],
        [one for one in whole if one not in chosen],
        having,
    ):
        if holders and found.isna().any():
            found = found.fillna(_agreed(database, holders, column, files))
    return found


def _agreed(database: _Database, tables: list[str], column: str, files: pd.Index) -> pd.Series:
    """What tables say of files, which must be one thing.

    Raises:
        CorpusUnfit: two values for one file.
    """
    values = pd.concat([database.series(one, column) for one in tables]).dropna()
    values = values[values.index.isin(files)]
    apart = values.groupby(level=0).nunique()
    if (apart > 1).any():
        file = apart.index[apart > 1][0]
        raise CorpusUnfit(
            f"{database.title}: {file} has the {column} {' and '.join(sorted(set(values[[file]])))} in"
            f" {', '.join(tables)}; expected one. Correct the database"
        )
    return values[~values.index.duplicated()].reindex(files)


def _splits(
    database: _Database, chosen: list[str], clips: pd.DataFrame, split: str | None
) -> tuple[pd.Series, Mapping[str, str]]:
    """The split of each clip, of a column or of its table, and what its names usually mean.

    Raises:
        CorpusUnfit: the database does not say.
    """
    if split is not None:
        return _column(database, chosen, split, clips.index, True).fillna(NO_SPLIT), USUAL
    tables = database.header.tables
    without = [one for one in chosen if not tables[one].split]
    if without:
        raise CorpusUnfit(
            f"{database.title}: table {without[0]} does not say which split it holds; set the option split to"
            f" a column ({database.contents}), tables to tables with a split, or folds to 3 or more"
        )
    usual = {one: USUAL.get(kind, one) for one, kind in database.header.splits.items()}
    return clips["table"].map({one: tables[one].split for one in chosen}), {**USUAL, **usual}
