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

Not part of the paper.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from serkit.corpora.folder import SUFFIXES, audio_of, label_text, names_in, refuse_pointer, stem_of
from serkit.corpora.table import PARTS, UNKNOWN_SPEAKER, Corpus, fold_by_speaker, table
from serkit.errors import CorpusUnfit, SpecError
from serkit.specs import LABELS

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
}
RATE_HZ: tuple[int, ...] = ()
CHANNELS: tuple[int, ...] = ()

HEADER = "db.yaml"
SAME = {
    "anger": "angry",
    "angry": "angry",
    "happiness": "happy",
    "happy": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "sad": "sad",
}
USUAL = {
    "train": "train",
    "dev": "validation",
    "devel": "validation",
    "development": "validation",
    "val": "validation",
    "validation": "validation",
    "test": "test",
}
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
    to_label = _mapping("labels", labels, LABELS)
    to_split = _mapping("splits", splits, PARTS)
    if folds is not None:
        if not isinstance(folds, int) or isinstance(folds, bool) or folds < 3:
            raise SpecError(
                f"audformat: option folds = {folds!r}; expected 3 or more: test, validation and the rest"
            )
        if split is not None or splits is not None:
            raise SpecError("audformat: options folds and split or splits exclude each other; leave one out")

    database = _database(folder)
    title = f"audformat database {database.name}"
    if name is not None and database.name != name:
        raise CorpusUnfit(f"{title}: {folder} was asked for as {name}; set the option name to its name")
    chosen = _chosen(database, tables, label or "emotion", title)
    clips = pd.concat([_clips(folder, database, one, label or "emotion", title) for one in chosen])
    if clips.index.has_duplicates:
        file = clips.index[clips.index.duplicated()][0]
        where = ", ".join(clips.loc[[file], "table"])
        raise CorpusUnfit(
            f"{title}: {file} is in the tables {where}; set the option tables to some without overlap"
        )

    _check_labels(database, chosen, label or "emotion", clips, to_label, title)
    clips["label"] = clips["delivered"].map(to_label or SAME)
    used = clips["label"].notna()
    dropped = clips.loc[~used, "delivered"].fillna("no label").value_counts().sort_index()
    notes = [f"{n} clips with {delivered} are not used" for delivered, n in dropped.items()]
    clips["path"] = _paths(folder, clips.index, title)

    clips["speaker"] = _column(
        folder, database, chosen, speaker or "speaker", clips.index, speaker is not None, title
    )
    n_unknown = int(clips.loc[used, "speaker"].isna().sum())
    if n_unknown and folds:
        raise CorpusUnfit(
            f"{title}: {n_unknown} clips have no {speaker or 'speaker'}, so speakers cannot be left out; set"
            f" the option speaker to a column that names them ({_contents(database)}), or use splits in place"
            " of folds"
        )
    if n_unknown:
        notes.append(f"{n_unknown} clips have no speaker identity")
    clips["speaker"] = clips["speaker"].fillna(UNKNOWN_SPEAKER)

    if folds is None:
        clips["split"] = _splits(folder, database, chosen, clips, split, to_split, title)
    rows = clips.loc[used].drop(columns=["delivered", "table"]).to_dict("records")
    result = table(rows, title)
    shared: set[str] = set()
    if folds is None:
        _check_parts(result, title)
        sides = [set(result["speaker"][result["split"] == part]) for part in ("train", "test")]
        shared = set.intersection(*sides) - {UNKNOWN_SPEAKER}
        if shared:
            notes.append(f"{len(shared)} speakers stand in both train and test, {min(shared)} the first")
    else:
        groups = leave_speakers_out(result["speaker"], folds, title)
        result["fold"] = fold_by_speaker(result["speaker"], groups, title)
    return Corpus(
        name="audformat",
        folder=folder,
        version=str(database.meta.get("audb", {}).get("version", "unknown")),
        clips=result,
        validation_fold=tuple((fold + 1) % folds for fold in range(folds)) if folds else (),
        others=tuple(sorted(clips["path"][~used])),
        split_by_clip=bool(shared),
        notes=tuple(notes),
    )


def facts(corpus: Corpus, **options: Any) -> dict[tuple[str, str], int]:
    """Nothing: serkit knows no published counts of a database it does not know."""
    return {}


def leave_speakers_out(speakers: pd.Series, folds: int, corpus: str) -> list[list[str]]:
    """Speakers in groups as even in clips as a greedy choice makes them: largest first, to the smallest.

    Raises:
        CorpusUnfit: fewer speakers than folds.
    """
    sizes = sorted(speakers.value_counts().items(), key=lambda item: (-item[1], item[0]))
    if len(sizes) < folds:
        raise CorpusUnfit(
            f"{corpus}: {len(sizes)} speakers cannot make {folds} folds; set the option folds to {len(sizes)}"
            " or less"
        )
    groups: list[list[str]] = [[] for _ in range(folds)]
    totals = [0] * folds
    for speaker, size in sizes:
        smallest = totals.index(min(totals))
        groups[smallest].append(str(speaker))
        totals[smallest] += size
    return groups


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
    """Values as text, None where missing: names in a study's file are text, whatever the scheme's type."""
    texts = [None if pd.isna(value) else str(value) for value in values]
    return pd.Series(texts, index=values.index, dtype=object)


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


def _mapping(
    option: str, value: Mapping[str, str] | Iterable[tuple[str, str]] | None, allowed: tuple[str, ...]
) -> dict[str, str]:
    """An option that is a mapping, or the pairs of one.

    Raises:
        SpecError: neither, or a target that is not allowed.
    """
    try:
        mapping = dict(value or {})
    except (TypeError, ValueError):
        raise SpecError(
            f"audformat: option {option} = {value!r}; expected names of the database to names of the study"
        ) from None
    for delivered, own in mapping.items():
        if own not in allowed:
            raise SpecError(
                f"audformat: option {option} maps {delivered!r} to {own!r}; expected one of"
                f" {', '.join(allowed)}"
            )
    return {str(delivered): own for delivered, own in mapping.items()}


def _check_labels(
    database: Any, chosen: list[str], label: str, clips: pd.DataFrame, to_label: dict[str, str], title: str
) -> None:
    """Checks that the labels asked for are in the database, so that a misspelt one is found.

    Raises:
        CorpusUnfit: one is not, or none of the usual names is.
    """
    known = set(clips["delivered"].dropna())
    for one in chosen:
        scheme = database[one].columns[label].scheme
        if scheme is not None and scheme.labels is not None:
            known |= {str(value) for value in scheme.labels_as_list}
    missing = sorted(set(to_label) - known)
    if missing or not known & set(to_label or SAME):
        given = repr(missing[0]) if missing else "of " + ", ".join(SAME)
        raise CorpusUnfit(
            f"{title}: no label {given} in column {label}; it has {', '.join(sorted(known)) or 'none'}. Set"
            f" the option labels to map them to {', '.join(LABELS)}"
        )


def _splits(
    folder: Path,
    database: Any,
    chosen: list[str],
    clips: pd.DataFrame,
    split: str | None,
    to_split: dict[str, str],
    title: str,
) -> pd.Series:
    """The split of each clip: of a column, or of its table.

    Raises:
        CorpusUnfit: the database does not say, or lacks a split that the option names.
    """
    if split is not None:
        delivered = _column(folder, database, chosen, split, clips.index, True, title).fillna(NO_SPLIT)
        usual = USUAL
    else:
        without = [one for one in chosen if database[one].split_id is None]
        if without:
            raise CorpusUnfit(
                f"{title}: table {without[0]} does not say which split it holds; set the option split to a"
                f" column ({_contents(database)}), tables to tables with a split, or folds to 3 or more"
            )
        delivered = clips["table"].map({one: database[one].split_id for one in chosen})
        usual = {one: USUAL.get(declared.type, one) for one, declared in database.splits.items()}
    known = set(delivered)
    missing = sorted(set(to_split) - known)
    if missing:
        raise CorpusUnfit(f"{title}: no split {missing[0]!r}; the database has {', '.join(sorted(known))}")
    mapping = to_split or usual
    return delivered.map(lambda one: mapping.get(one, one))


def _check_parts(clips: pd.DataFrame, title: str) -> None:
    """Checks that there is something to train, validate and test on.

    Raises:
        CorpusUnfit: a part is empty.
    """
    sizes = clips["split"].value_counts()
    empty = [part for part in PARTS if part not in sizes]
    if empty:
        has = ", ".join(f"{split} ({n} clips)" for split, n in sizes.sort_index().items())
        raise CorpusUnfit(
            f"{title}: no clip is in {' or '.join(empty)}; the database has {has}. Set the option splits to"
            f" map its splits to {', '.join(PARTS)}, or folds to 3 or more in place of splits"
        )


def _paths(folder: Path, files: pd.Index, title: str) -> list[str]:
    """Where each file lies: as the table says, or there with another suffix; each folder is listed once.

    Raises:
        CorpusUnfit: a file outside the database's folder.
    """
    paths = []
    names: dict[str, set[str]] = {}
    audio: dict[str, dict[str, str]] = {}
    for file in files:
        path = PurePosixPath(file)
        if path.is_absolute() and path.is_relative_to(folder.absolute().as_posix()):
            path = path.relative_to(folder.absolute().as_posix())
        if path.is_absolute() or ".." in path.parts:
            raise CorpusUnfit(
                f"{title}: {file} lies outside {folder}; expected paths below it. Copy the audio there"
            )
        parent = str(path.parent)
        if parent not in names:
            listed = names_in(folder / parent)
            names[parent], audio[parent] = set(listed), audio_of(listed)
        there = path.name
        if there not in names[parent] and there.rpartition(".")[2].lower() in SUFFIXES:
            there = audio[parent].get(stem_of(there), there)
        paths.append(str(path.with_name(there)))
    return paths
