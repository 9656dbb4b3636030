"""Any database in the audformat layout: `db.yaml` with tables beside it, csv or parquet.

Source: https://audeering.github.io/audformat/data-header.html. Its own library is not used: it builds what
tags in `db.yaml` ask for, runs pickled tables, writes pickles beside the tables, and takes a csv's columns by
place. One reader for many corpora, so everything that other readers know of theirs is an option here:
`docs/corpora.md` lists them. Not part of the paper.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from serkit.corpora.reading.columns import USUAL, Choices, check_texts, in_study_words
from serkit.corpora.reading.corpus import Corpus
from serkit.corpora.reading.folder import careful, paths_below
from serkit.corpora.reading.tabular import column_names, read_columns
from serkit.errors import CorpusMissing, CorpusUnfit
from serkit.files import read_text
from serkit.later import pd

TITLE = "audformat"
PAGE = "docs/corpora.md#audformat"
OPTIONS: dict[str, tuple] = dict.fromkeys(
    "name tables label labels speaker split splits folds split_by_clip".split(), ()
)
LOOKS_LIKE = "a folder with db.yaml"
RATE_HZ: tuple[int, ...] = ()
CHANNELS: tuple[int, ...] = ()

HEADER = "db.yaml"
MAX_LENGTH = 4 << 20  # takes 80,000 speakers with three things known of each
MAX_LEVELS = 32  # the deepest that the format asks for, a label's own fields in a scheme, is at the fifth
PLAIN = {None, *(f"tag:yaml.org,2002:{kind}" for kind in "str int float bool null map seq".split())}
PLAIN_NAME = r"""^name:[ \t]*["']?([^!&*\[\]{}|>%@#"'\r\n]+)"""
EMPTY = (None, "", "~", "null", "Null", "NULL")
KINDS: dict[type, str] = {str: "a word", dict: "fields", list: "a list"}
Kind = TypeVar("Kind")


def is_here(folder: Path) -> bool:
    """Whether `folder` holds the header `db.yaml`, or what is left of it."""
    return os.path.lexists(folder / HEADER)


def choose(folders: Sequence[Path], name: str | None = None, **options: Any) -> list[Path]:
    """Which of the folders with a header are the database called `name`, in their order; copies of one.

    Without a name there may be one database only (else CorpusUnfit), in one copy or several. A header that
    cannot be read comes last: where the database is found without it, it is named beside; where it is not,
    that may be the one, and `read` says what is wrong with it.
    """
    called = {folder: _what_is_called(folder / HEADER) for folder in folders}
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
    name, label, database = options.get("name"), choices.label, _Database(folder)
    if name is not None and database.header.name != name:
        raise database.unfit(f"{folder} was asked for as {name}; set the option name to its name")
    chosen = database.chosen(options.get("tables"), label)
    clips = database.clips(chosen, label)
    clips["path"] = paths_below(folder, clips.index, database.title)
    speaker = choices.speaker or "speaker"
    clips["speaker"] = database.column(speaker, chosen, clips.index, choices.speaker is not None)
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


@dataclass(frozen=True)
class Table:
    """What the header says of a table.

    Attributes:
        levels: names of the columns that say which row it is: `file`, with `start` and `end` where rows are
            parts of files; a table without files has others.
        columns: the other columns, each with the labels that its scheme allows, or the name of the table
            whose rows they are; none where it allows anything.
        split: the split that the whole table belongs to; "" where it is not said.
    """

    levels: tuple[str, ...]
    columns: dict[str, list[str] | str]
    split: str = ""


@dataclass(frozen=True)
class Header:
    """What is needed of a header."""

    name: str
    version: str  # as its publisher's tool wrote it, or `unknown`
    tables: dict[str, Table]  # of files or of parts of files, by name
    misc: dict[str, Table]  # without files
    splits: dict[str, str]  # the type of each


def _read_header(path: Path) -> Header:
    """Reads `db.yaml` without running anything that it asks for. Raises CorpusUnfit, which says why."""
    expected = "expected the header of a database in the audformat layout"
    cure = "restore it, or take it away if it is something else"
    with careful(path, "audformat", damaged=f"{expected}: {cure}"):
        return _header(_tree(read_text(path)))


def _what_is_called(path: Path) -> tuple[str, bool]:
    """The name in a header, as far as it can be seen, and whether the header can be read.

    Of something that is no header at all "" and True: other software has files of that name too.
    """
    try:
        text = read_text(path, errors="surrogateescape")
    except OSError:
        return "", False
    try:
        tree = _tree(text)
        other = isinstance(tree, dict) and len(tree) > 1 and "name" not in tree
        return "" if other else _header(tree).name, True
    except (ValueError, yaml.YAMLError):  # not in UTF-8, among others
        seen = re.search(PLAIN_NAME, text, re.MULTILINE)
        return seen[1].strip() if seen else "", False


def _tree(text: str) -> Any:
    """YAML as text, lists and dicts and nothing else; what may run or swell is refused before it is built."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"{len(text):,} characters, expected {MAX_LENGTH:,} at most")
    depth = 0
    for event in yaml.parse(text, Loader=_Text):  # one by one: nothing is built yet
        line = event.start_mark.line + 1
        if getattr(event, "tag", None) not in PLAIN:
            raise ValueError(f"line {line} has the tag {event.tag}, expected plain values: tags can run code")
        if getattr(event, "value", None) == "<<":
            raise ValueError(f"line {line} takes fields from elsewhere (<<), expected them written out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_LEVELS:
            raise ValueError(f"line {line} is nested more than {MAX_LEVELS} levels deep")
    return yaml.load(text, Loader=_Text)  # of text, lists and dicts alone


class _Text(getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc]  # the first is ten times as fast
    """Scalars stay the text they are, so that a label `no` is no truth value; a key may stand once."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        """A dict, in the file's order."""
        built = super().construct_mapping(node, deep)
        if len(built) < len(node.value):
            raise yaml.MarkedYAMLError(problem="a key stands twice", problem_mark=node.start_mark)
        return built


def _header(tree: Any) -> Header:
    """What is needed of a tree. Raises ValueError where something is not what the format says."""
    top = _plain(tree, dict, "the file")
    if len(top) == 1:  # as old releases wrote it: everything below the name
        ((name, below),) = top.items()
        top = {**_plain(below, dict, name), "name": name}
    name = _plain(top.get("name"), str, "name")
    if not name:
        raise ValueError("it has no name")
    schemes = {one: said.get("labels") for one, said in _each(top, "schemes").items()}
    labels = {
        one: said
        if isinstance(said, str)
        else [_plain(label, str, f"labels of scheme {one}") for label in said]
        for one, said in schemes.items()
        if said not in EMPTY
    }
    return Header(
        name=name,
        version=_plain(_plain(top.get("audb"), dict, "audb").get("version"), str, "version") or "unknown",
        tables={one: _table(one, said, labels) for one, said in _each(top, "tables").items()},
        misc={one: _table(one, said, labels) for one, said in _each(top, "misc_tables").items()},
        splits={one: _plain(said.get("type"), str, one) for one, said in _each(top, "splits").items()},
    )


def _table(name: str, said: dict[str, Any], labels: dict[str, list[str] | str]) -> Table:
    levels: Any = ["file", "start", "end"] if said.get("type") == "segmented" else ["file"]
    if "levels" in said:  # a table without files: names and types, or as old releases wrote it names alone
        levels = said["levels"]
        levels = levels if isinstance(levels, list) else _plain(levels, dict, f"levels of table {name}")
    columns = {one: _plain(of.get("scheme_id"), str, one) for one, of in _each(said, "columns").items()}
    return Table(
        levels=tuple(_plain(level, str, f"levels of table {name}") for level in levels),
        columns={one: labels.get(scheme, []) for one, scheme in columns.items()},
        split=_plain(said.get("split_id"), str, f"split_id of table {name}"),
    )


def _each(above: dict[str, Any], field: str) -> dict[str, dict[str, Any]]:
    """A field that names things, each with fields of its own; empty where it is left out."""
    named = _plain(above.get(field), dict, field)
    return {name: _plain(said, dict, f"{field}, {name}") for name, said in named.items()}


def _plain(value: Any, kind: type[Kind], where: str) -> Kind:
    """A value of the header that must be of a kind of `KINDS`; an empty one where there is none."""
    if value in EMPTY:
        return kind()
    if not isinstance(value, kind):
        raise ValueError(f"{where}: expected {KINDS[kind]}, not {KINDS[type(value)]}")
    return value


class _Database:
    """A database while it is read: its header, and its tables when they are asked for. Raises CorpusUnfit."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.header = folder, _read_header(folder / HEADER)
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
        names = f"{csv.name} or {parquet.name}"
        raise self.unfit(f"table {table_id} has no file; restore {names} in {self.folder}")
