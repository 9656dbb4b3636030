"""Any database in the audformat layout: `db.yaml` with tables beside it, read through its own library.

Source: audformat (audEERING), https://audeering.github.io/audformat/. One reader for many corpora, so
everything that other readers know of theirs is an option here. An option's mapping may be a dict or the pairs
of one.

* `name`: the database's name (`name:` in its header), to choose among several; default the first found.
* `tables`: a table or a list of them; default all that have the label column.
* `label`: the label column; default `emotion`.
* `labels`: the database's labels to the study's, for example `{anger = "angry"}`; labels not named are not
  used; default `SAME`, the usual names.
* `speaker`: the speaker column, in the same tables or in any other; default `speaker`.
* `split`: the split column; default the split that each table is declared to hold.
* `splits`: the database's splits to train, validation and test; default by their declared type or `USUAL`;
  splits not named keep their names and no run uses them.
* `folds`: leave-speakers-out in so many folds, in place of splits: 3 or more.
* `split_by_clip`: speakers on both sides of the delivered split are expected; default false: they are unfit.

Not part of the paper.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serkit.corpora.columns import USUAL, Choices, Delivered, corpus_of, paths_below, text
from serkit.corpora.folder import label_text, refuse_pointer
from serkit.corpora.table import Corpus
from serkit.errors import CorpusUnfit
from serkit.later import Later

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = Later("pandas")

TITLE = "audformat"
PAGE = "docs/corpora.md#audformat"
OPTIONS: dict[str, tuple] = {
    "name": (),
    "tables": (),
    "label": (),
    "labels": (),
    "speaker": (),
    "split": (),
    "splits": (),
    "folds": (),
    "split_by_clip": (),
}
RATE_HZ: tuple[int, ...] = ()
CHANNELS: tuple[int, ...] = ()

HEADER = "db.yaml"
NO_SPLIT = "none"


def is_here(folder: Path) -> bool:
    """Whether `folder` holds the header `db.yaml`."""
    return (folder / HEADER).is_file()


def is_wanted(folder: Path, name: str | None = None, **options: Any) -> bool:
    """Whether the database in `folder` is called `name`; any is where no name is given."""
    try:
        return name is None or _database(folder).name == name
    except CorpusUnfit:  # other software has files of that name too: the search goes on
        return False


def read(
    folder: Path,
    name: str | None = None,
    tables: str | Iterable[str] | None = None,
    label: str | None = None,
    labels: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    speaker: str | None = None,
    split: str | None = None,
    splits: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
    folds: int | None = None,
    split_by_clip: bool | None = None,
) -> Corpus:
    """Reads the clips of one or more tables.

    Args:
        folder: the folder that holds `db.yaml`.
        name: see the module's header, as for all that follow.
        tables: a table, or several.
        label: label column.
        labels: the database's labels to the study's.
        speaker: speaker column.
        split: split column.
        splits: the database's splits to `train`, `validation`, `test`.
        folds: 3 or more, or None.
        split_by_clip: whether speakers may stand on both sides of the delivered split.

    Returns:
        one row a file, split or in folds. Fold k+1 validates fold k; the folds are made as even in clips as a
        greedy choice makes them, the same on every machine. Clips without one of the labels are in `others`;
        `notes` count them by label. The speaker is `Unknown` where the database has none.

    Raises:
        CorpusUnfit: the database lacks a table, column, label, split or speaker that is needed, names a part
            of a file as a clip, or contradicts itself.
        SpecError: an option that cannot be: a label or split the study does not have, fewer than 3 folds,
            folds together with splits.
    """
    choices = Choices.of("audformat", labels, split, splits, folds, split_by_clip)
    label = label or "emotion"
    database = _database(folder)
    title = f"audformat database {database.name}"
    if name is not None and database.name != name:
        raise CorpusUnfit(f"{title}: {folder} was asked for as {name}; set the option name to its name")
    chosen = _chosen(database, tables, label, title)
    clips = pd.concat([_clips(folder, database, one, label, title) for one in chosen])
    if clips.index.has_duplicates:
        file = clips.index[clips.index.duplicated()][0]
        where = ", ".join(clips.loc[[file], "table"])
        raise CorpusUnfit(
            f"{title}: {file} is in the tables {where}; set the option tables to some without overlap"
        )
    clips["path"] = paths_below(folder, clips.index, title)
    clips["speaker"] = _column(
        folder, database, chosen, speaker or "speaker", clips.index, speaker is not None, title
    )
    usual: dict[str, str] = USUAL
    if folds is None:
        clips["split"], usual = _splits(folder, database, chosen, clips, split, title)
    delivered = Delivered(
        title=title,
        clips=clips.drop(columns="table"),
        has=_contents(database),
        label=label,
        speaker=speaker or "speaker",
        declared=_declared(database, chosen, label),
        usual=usual,
    )
    version = str(database.meta.get("audb", {}).get("version", "unknown"))
    return corpus_of("audformat", folder, version, delivered, choices)


def facts(corpus: Corpus, **options: Any) -> dict[tuple[str, str], int]:
    """Nothing: serkit knows no published counts of a database it does not know."""
    return {}


def _database(folder: Path) -> Any:
    """The header, through the library; tables are loaded when asked for.

    Raises:
        CorpusUnfit: it is a git-lfs pointer or the library cannot read it.
    """
    label_text(folder / HEADER, TITLE)
    library = importlib.import_module(
        "audformat"
    )  # on demand: this module has its name, and others do without it
    try:
        return library.Database.load(str(folder))
    except Exception as error:  # of many kinds: yaml's, the library's own, KeyError for a header that is none
        raise CorpusUnfit(
            f"audformat: {folder / HEADER} cannot be read ({type(error).__name__}: {error}); expected the"
            " header of a database in the audformat layout. Restore it, or take it away if it is something"
            " else"
        ) from error


def _frame(folder: Path, database: Any, table_id: str, title: str) -> pd.DataFrame:
    """A table with its files as index, as text with forward slashes.

    Raises:
        CorpusUnfit: its file is missing, a git-lfs pointer or unreadable, or its rows are parts of files.
    """
    for suffix in ("csv", "parquet", "pkl"):
        path = folder / f"db.{table_id}.{suffix}"
        if path.is_file():
            refuse_pointer(path, title)
    try:
        frame = database[table_id].get()
    except Exception as error:  # of many kinds: the library's own, pandas', pyarrow's
        raise CorpusUnfit(
            f"{title}: table {table_id} cannot be read ({type(error).__name__}: {error}); restore its file"
            f" db.{table_id}.csv, .parquet or .pkl"
        ) from error
    if "end" in frame.index.names:
        starts, ends = frame.index.get_level_values("start"), frame.index.get_level_values("end")
        if (starts != pd.Timedelta(0)).any() or ends.notna().any():
            raise CorpusUnfit(
                f"{title}: the rows of table {table_id} are parts of files, expected whole files; cut them"
                " with audformat.utils.to_filewise_index, or set the option tables to a table of whole files"
            )
    files = frame.index.get_level_values("file").astype(str).str.replace("\\", "/", regex=False)
    return frame.set_axis(pd.Index(files, name="file"), axis=0)


def _chosen(database: Any, tables: str | Iterable[str] | None, label: str, title: str) -> list[str]:
    """The tables to read.

    Raises:
        CorpusUnfit: an unknown one, one without the label column, or none that has it.
    """
    if tables is None:
        chosen = [one for one in database.tables if label in database[one].columns]
        if not chosen:
            raise CorpusUnfit(
                f"{title}: no table has a column {label!r}; set the option label to one of the columns of"
                f" {_contents(database)}"
            )
        return chosen
    chosen = [tables] if isinstance(tables, str) else list(tables)
    for one in chosen:
        if one not in database.tables:
            raise CorpusUnfit(f"{title}: no table {one!r}; the database has {_contents(database)}")
        if label not in database[one].columns:
            raise CorpusUnfit(
                f"{title}: table {one} has no column {label!r}; set the option label to one of the columns of"
                f" {_contents(database)}"
            )
    return chosen


def _contents(database: Any) -> str:
    """Every table with its columns, for messages."""
    return "; ".join(
        f"{one} ({', '.join(database[one].columns) or 'no columns'})" for one in database.tables
    ) or ("no tables")


def _clips(folder: Path, database: Any, table_id: str, label: str, title: str) -> pd.DataFrame:
    """The files of one table with its label as delivered (text, or None) and its name."""
    values = _text(_frame(folder, database, table_id, title)[label])
    return pd.DataFrame({"delivered": values, "table": table_id}, index=values.index)


def _text(values: pd.Series) -> pd.Series:
    return pd.Series(text(values), index=values.index, dtype=object)


def _column(
    folder: Path, database: Any, chosen: list[str], column: str, files: pd.Index, required: bool, title: str
) -> pd.Series:
    """A column's values for the files, from the chosen tables and else from any other.

    Raises:
        CorpusUnfit: `required` and no table has it, or two values for one file.
    """
    holders = [one for one in chosen if column in database[one].columns]
    if len(holders) < len(chosen):
        holders += [one for one in database.tables if one not in chosen and column in database[one].columns]
    if not holders:
        if required:
            raise CorpusUnfit(
                f"{title}: no table has a column {column!r}; the database has {_contents(database)}"
            )
        return pd.Series(None, index=files, dtype=object)
    values = pd.concat([_text(_frame(folder, database, one, title)[column]) for one in holders]).dropna()
    values = values[values.index.isin(files)]
    apart = values.groupby(level=0).nunique()
    if (apart > 1).any():
        file = apart.index[apart > 1][0]
        raise CorpusUnfit(
            f"{title}: {file} has the {column} {' and '.join(sorted(set(values[[file]])))} in"
            f" {', '.join(holders)}; expected one. Correct the database"
        )
    return values[~values.index.duplicated()].reindex(files)


def _declared(database: Any, chosen: list[str], label: str) -> frozenset[str]:
    """The labels that the tables' schemes name."""
    schemes = [database[one].columns[label].scheme for one in chosen]
    return frozenset(
        str(value)
        for scheme in schemes
        if scheme is not None and scheme.labels is not None
        for value in scheme.labels_as_list
    )


def _splits(
    folder: Path, database: Any, chosen: list[str], clips: pd.DataFrame, split: str | None, title: str
) -> tuple[pd.Series, dict[str, str]]:
    """The split of each clip, of a column or of its table, and what its names usually mean.

    Raises:
        CorpusUnfit: the database does not say.
    """
    if split is not None:
        return _column(folder, database, chosen, split, clips.index, True, title).fillna(NO_SPLIT), USUAL
    without = [one for one in chosen if database[one].split_id is None]
    if without:
        raise CorpusUnfit(
            f"{title}: table {without[0]} does not say which split it holds; set the option split to a"
            f" column ({_contents(database)}), tables to tables with a split, or folds to 3 or more"
        )
    delivered = clips["table"].map({one: database[one].split_id for one in chosen})
    return delivered, {one: USUAL.get(declared.type, one) for one, declared in database.splits.items()}
