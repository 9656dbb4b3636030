"""Any database in the audformat layout: `db.yaml` with tables beside it, csv or parquet.

Source: audformat (audEERING), https://audeering.github.io/audformat/. Its own library is not used: it builds
what tags in `db.yaml` ask for, runs pickled tables, writes pickles beside the tables, and takes a csv's
columns by place. One reader for many corpora, so everything that other readers know of theirs is an option
here: `docs/corpora.md` lists them. Not part of the paper.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serkit.corpora.reading.audformat_header import read_header, what_is_called
from serkit.corpora.reading.columns import USUAL, Choices, check_texts, in_study_words
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
    "name tables label labels speaker split splits folds split_by_clip".split(), ()
)
LOOKS_LIKE = "a folder with db.yaml"
RATE_HZ: tuple[int, ...] = ()
CHANNELS: tuple[int, ...] = ()

HEADER = "db.yaml"


def is_here(folder: Path) -> bool:
    """Whether `folder` holds the header `db.yaml`, or what is left of it."""
    return os.path.lexists(folder / HEADER)


def choose(folders: Sequence[Path], name: str | None = None, **options: Any) -> list[Path]:
    """Which of the folders with a header are the database called `name`, in their order; copies of one.

    Without a name there may be one database only (else CorpusUnfit), in one copy or several. A header that
    cannot be read comes last: where the database is found without it, it is named beside; where it is not,
    that may be the one, and `read` says what is wrong with it.
    """
    called = {folder: what_is_called(folder / HEADER) for folder in folders}
    sound = {folder: its for folder, (its, readable) in called.items() if readable and its}
    wanted = [folder for folder, its in sound.items() if name in (None, its)]
    if len({sound[folder] for folder in wanted}) > 1:
        known = ", ".join(f"{its} ({folder})" for folder, its in sound.items())
        n = len(set(sound.values()))
        raise CorpusUnfit(f"{n} audformat databases, expected one: set the option name to one of {known}")
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
    """The clips of one or more tables, by the options in `docs/corpora.md`."""
    choices = _checked(options)
    name, label = options.get("name"), choices.label
    database = _Database(folder)
    if name is not None and database.header.name != name:
        raise database.unfit(f"{folder} was asked for as {name}; set the option name to its name")
    chosen = database.chosen(options.get("tables"), label)
    clips = database.clips(chosen, label)
    clips["path"] = paths_below(folder, clips.index, database.title)
    clips["speaker"] = database.column(
        choices.speaker or "speaker", chosen, clips.index, required=choices.speaker is not None
    )
    usual: Mapping[str, str] = USUAL
    if choices.split:
        clips["split"] = database.column(choices.split, chosen, clips.index, True).fillna("none")
    elif choices.by_split:
        clips["split"], usual = database.splits(chosen, clips["table"])
    declared = [word for one in chosen for word in database.declared(one, label)]
    clips, notes = clips.drop(columns="table"), tuple(database.notes)
    delivered = Corpus("audformat", folder, database.header.version, clips, notes=notes)
    return in_study_words(delivered, database.title, database.contents, choices, declared, usual)


def _checked(options: Mapping[str, Any]) -> Choices:
    several = isinstance(options.get("tables"), tuple | list)
    check_texts("audformat", options, ("name",) if several else ("name", "tables"))
    return Choices.of("audformat", options, label="emotion")


class _Database:
    """A database while it is read: its header, and its tables when they are asked for. Raises CorpusUnfit."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.header = folder, read_header(folder / HEADER)
        self.title = f"audformat database {self.header.name}"
        self.notes: list[str] = []
        self.has_parts = functools.cache(self._has_parts)
        self._file = functools.cache(self._checked_file)

    def unfit(self, why: str) -> CorpusUnfit:
        return CorpusUnfit(f"{self.title}: {why}")

    @property
    def contents(self) -> str:
        """Every table with its columns, for messages."""
        tables = self.header.tables.items()
        named = [f"{one} ({', '.join(said.columns) or 'no columns'})" for one, said in tables]
        return "; ".join(named) or "no tables"

    def chosen(self, tables: str | Iterable[str] | None, label: str) -> list[str]:
        """The tables to read: those asked for, else all of whole files with the label column."""
        having = self._having(label)
        chosen = having if tables is None else [tables] if isinstance(tables, str) else list(tables)
        if unknown := [one for one in chosen if one not in self.header.tables]:
            raise self.unfit(f"no table {unknown[0]!r}; the database has {self.contents}")
        without = [one for one in chosen if one not in having]
        if without or not chosen:
            which = f"table {without[0]} has no" if without else "no table has a"
            cure = f"set the option label to one of the columns of {self.contents}"
            raise self.unfit(f"{which} column {label!r}; {cure}")
        parts = [one for one in chosen if self.has_parts(one)]
        if parts and (tables is not None or len(parts) == len(chosen)):
            raise self.unfit(
                f"the rows of table {parts[0]} are parts of files, expected whole files; cut them with"
                " audformat.utils.to_filewise_index, or set the option tables to a table of whole files"
            )
        self.notes[:0] = [f"table {one} is not used: its rows are parts of files" for one in parts]
        return [one for one in chosen if one not in parts]

    def clips(self, chosen: list[str], label: str) -> pd.DataFrame:
        """The files of the tables, each with its label as delivered (text, or None) and its table."""
        clips = pd.concat([self.series(one, label).to_frame("delivered").assign(table=one) for one in chosen])
        if clips.index.has_duplicates:
            file = clips.index[clips.index.duplicated()][0]
            where = sorted(set(clips.loc[[file], "table"]))
            todo = "restore it" if len(where) == 1 else "set the option tables to some without overlap"
            raise self.unfit(f"{file} stands twice in {' and '.join(where)}; {todo}")
        return clips

    def column(self, column: str, chosen: list[str], files: pd.Index, required: bool) -> pd.Series:
        """A column's values for the files: of the chosen tables, else of any other, of whole files first."""
        having = self._having(column)
        if required and not having:
            raise self.unfit(f"no table has a column {column!r}; the database has {self.contents}")
        whole = [one for one in having if not self.has_parts(one)]
        found = pd.Series(None, index=files, dtype=object)
        first, others = ([one for one in whole if (one in chosen) == own] for own in (True, False))
        for tables in (first, others, having):
            if not tables or not found.isna().any():
                continue
            values = pd.concat([self.series(one, column) for one in tables]).dropna()
            values = values[values.index.isin(files)]
            apart = values.groupby(level=0).nunique()
            if (apart > 1).any():
                file, where = apart.index[apart > 1][0], ", ".join(tables)
                said = " and ".join(sorted(set(values[[file]])))
                raise self.unfit(
                    f"{file} has the {column} {said} in {where}; expected one. Correct the database"
                )
            found = found.fillna(values[~values.index.duplicated()].reindex(files))
        return found

    def splits(self, chosen: list[str], tables: pd.Series) -> tuple[pd.Series, Mapping[str, str]]:
        """The split of each clip, by its table, and what the names of splits mean."""
        said = {one: self.header.tables[one].split for one in chosen}
        if without := [one for one, split in said.items() if not split]:
            raise self.unfit(
                f"table {without[0]} does not say which split it holds; set the option split to a column"
                f" ({self.contents}), tables to tables with a split, or folds to 3 or more"
            )
        return tables.map(said), USUAL | {
            one: USUAL.get(kind, one) for one, kind in self.header.splits.items()
        }

    def declared(self, table_id: str, column: str) -> list[str]:
        """The values that the scheme of a column allows; none where it allows anything."""
        labels = self.header.tables[table_id].columns[column]
        if not isinstance(labels, str):
            return labels
        said = self.header.misc.get(labels)  # the rows of a table without files, by the first of its levels
        if said is None or not said.levels:
            return []
        level = said.levels[0]
        return [one for one in read_columns(self._file(labels), self.title, [level])[level] if one]

    def series(self, table_id: str, column: str) -> pd.Series:
        """A column as text, None where there is no value, by file with forward slashes."""
        path = self._file(table_id)
        read = read_columns(path, self.title, ["file", column])
        if None in read["file"]:
            raise self.unfit(f"{path} has a row without a file; restore it")
        files = [str(file).replace("\\", "/") for file in read["file"]]
        return pd.Series(read[column], index=pd.Index(files, name="file", dtype=object), dtype=object)

    def _having(self, column: str) -> list[str]:
        """The tables with a column, those of whole files first."""
        have = [one for one, said in self.header.tables.items() if column in said.columns]
        return sorted(have, key=lambda one: "end" in self.header.tables[one].levels)

    def _has_parts(self, table_id: str) -> bool:
        """Whether rows of a table are parts of files; a whole one starts at `0 days 00:00:00` or `0`."""
        path = self._file(table_id)
        if not {"start", "end"} <= set(column_names(path, self.title)):
            return False
        read = read_columns(path, self.title, ["start", "end"])
        starts = pd.to_timedelta([*{*read["start"]}], errors="coerce")
        return bool({*read["end"]} - {None, "NaT"}) or not (starts == pd.Timedelta(0)).all()

    def _checked_file(self, table_id: str) -> Path:
        """A table's file, compared with the header."""
        said = self.header.tables.get(table_id) or self.header.misc[table_id]
        path = self._found(table_id)
        names, expected = column_names(path, self.title), [*said.levels, *said.columns]
        if lacking := [name for name in expected if name not in names]:
            has = ", ".join(names)
            raise self.unfit(
                f"{path} has no column {lacking[0]!r}, which {HEADER} says it has; its columns are {has}."
                " Restore both from one copy"
            )
        if more := [name for name in names if name not in expected and not name.startswith("@")]:
            self.notes.append(f"{path.name} has columns that {HEADER} does not name: {', '.join(more)}")
        return path

    def _found(self, table_id: str) -> Path:
        """Where a table lies: parquet before csv, as audformat has it; never a pickle."""
        if "/" in table_id or "\\" in table_id or "\0" in table_id:
            raise self.unfit(f"a table is called {table_id!r}, expected the name of a file in {self.folder}")
        parquet, csv, pickled = (self.folder / f"db.{table_id}.{kind}" for kind in ("parquet", "csv", "pkl"))
        for path in (parquet, csv):
            if os.path.lexists(path):
                return path
        if pickled.is_file():
            raise self.unfit(
                f"table {table_id} is there as a pickle only, which could run code and is not read; if you"
                f" trust {pickled}, load the database with audformat and save it with storage_format='csv'"
            )
        raise self.unfit(
            f"table {table_id} has no file; restore {csv.name} or {parquet.name} in {self.folder}"
        )
