"""Any corpus that is a table and audio: a csv (or tsv) or parquet with a row a clip; or audio inside parquet.

For a corpus of one's own, and for those that come with such a table (nEMO's `data.tsv`) or as Hugging Face's
datasets are delivered (`reading.shards`). What its columns are called and mean, the study says. An
option's mapping may be a dict or the pairs of one.

* `file`: the table, as a path from a folder at or below SERKIT_DATA: `nemo/data.tsv`. A pattern where it is
  in several files: `cameo/data/*.parquet`.
* `path`: the column of the audio's paths, suffix or not, or of audio; default the column of audio where there
  is one, else `path`.
* `root`: the folder that paths start from, seen from the table's; default the table's.
* `label`: the label column; default `label`. `labels`, `folds`, `split_by_clip`: as of `audformat`.
* `speaker`: the speaker column; default `speaker`, and without one all speakers are unknown.
* `split`: the split column; default `split`, else the files' names. `splits`: as of `audformat`.
* `fold`: the column that says in which fold a clip is tested, in place of splits.
* `where`: only rows with these values: `{ dataset = "emodb" }` or `{ language = ["de", "en"] }`.

Not part of the paper.
"""

from __future__ import annotations

import dataclasses
import glob
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serkit.corpora.reading import shards
from serkit.corpora.reading.columns import Choices, Delivered, Names, corpus_of, paths_below
from serkit.corpora.reading.corpus import Corpus, composed
from serkit.corpora.reading.tabular import column_names, is_parquet, read_columns
from serkit.errors import CorpusMissing, CorpusUnfit, SpecError
from serkit.later import Later

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = Later("pandas")

TITLE = "table"
PAGE = "docs/corpora.md#tables"
OPTIONS: dict[str, tuple] = {
    "file": (),
    "path": (),
    "root": (),
    "label": (),
    "labels": (),
    "speaker": (),
    "split": (),
    "splits": (),
    "fold": (),
    "folds": (),
    "split_by_clip": (),
    "where": (),
}
RATE_HZ: tuple[int, ...] = ()
CHANNELS: tuple[int, ...] = ()


def is_here(folder: Path) -> bool:
    """Any folder may hold a table: `choose` tells."""
    return True


def title(file: str | None = None, **options: Any) -> str:
    """What the corpus is called, as far as the options say."""
    return f"table {file}" if file else TITLE


def choose(folders: Sequence[Path], file: str | None = None, **options: Any) -> list[Path]:
    """The folder that the path `file` starts from, alone.

    Raises:
        CorpusMissing: there is none.
        CorpusUnfit: there are several.
        SpecError: `file` is missing, or no such path.
    """
    wanted = _checked(file)
    found = [folder for folder in folders if _files(folder, wanted)]
    if not found:
        raise CorpusMissing(f"{title(file)}: it is in no folder at or below {folders[0]}")
    if len(found) > 1:
        raise CorpusUnfit(
            f"{title(file)}: it is in {', '.join(map(str, found[:3]))}; set the option file to more of its"
            " path"
        )
    return found


def _checked(file: Any, **texts: Any) -> str:
    """The option `file`; others that are text are checked with it. Raises SpecError."""
    for option, value in texts.items():
        if value is not None and not isinstance(value, str):
            raise SpecError(f"tables: option {option} = {value!r}; expected text")
    if (
        not isinstance(file, str)
        or not file
        or "\0" in file
        or os.path.isabs(file)
        or ".." in file.split("/")
    ):
        raise SpecError(
            f"tables: option file = {file!r}; expected the table's path from a folder at or below"
            ' SERKIT_DATA, as "nemo/data.tsv"'
        )
    return file


def _files(folder: Path, file: str) -> list[Path]:
    if os.path.lexists(folder / file):
        return [folder / file]
    return [folder / name for name in sorted(glob.glob(file, root_dir=folder))]


def folds(
    file: str | None = None,
    labels: Any = None,
    split: str | None = None,
    splits: Any = None,
    folds: int | None = None,
    split_by_clip: bool | None = None,
    fold: str | None = None,
    where: Any = None,
    **texts: Any,
) -> int | None:
    """How many folds there are; None where a column says it. Raises SpecError as `read`."""
    _checked(file, split=split, fold=fold, **texts)
    _conditions(where)
    choices = Choices.of("tables", labels, split, splits, folds, split_by_clip, fold)
    return None if fold is not None else choices.folds or 1


def read(
    folder: Path,
    file: str | None = None,
    path: str | None = None,
    root: str | None = None,
    label: str | None = None,
    labels: Names | None = None,
    speaker: str | None = None,
    split: str | None = None,
    splits: Names | None = None,
    fold: str | None = None,
    folds: int | None = None,
    split_by_clip: bool | None = None,
    where: Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
) -> Corpus:
    """Reads the clips of a table.

    Args:
        folder: the folder that `file` starts from.
        file: see the module's header, as for all that follow.
        path: path or audio column.
        root: folder of the paths.
        label: label column.
        labels: the table's labels to the study's.
        speaker: speaker column.
        split: split column.
        splits: the table's splits to `train`, `validation`, `test`.
        fold: fold column.
        folds: 3 or more, or None.
        split_by_clip: whether speakers may stand on both sides of the delivered split.
        where: values that rows must have, by column.

    Returns:
        as `serkit.corpora.reading.columns.corpus_of`.

    Raises:
        CorpusUnfit: the table cannot be read or lacks a column, label, split or speaker that is needed.
        SerkitError: the audio inside cannot be written to the cache folder.
        SpecError: an option that cannot be.
    """
    choices = Choices.of("tables", labels, split, splits, folds, split_by_clip, fold)
    checked = _checked(file, path=path, root=root, label=label, speaker=speaker, split=split, fold=fold)
    files = _files(folder, checked)
    its = _Table(title(file), files, _conditions(where))
    audio = its.audio_column(path)
    label = label or "label"
    wanted = {"label": label, "speaker": speaker or ("speaker" if "speaker" in its.columns else "")}
    if not audio:
        wanted["path"] = path or "path"
    if fold:
        wanted["fold"] = fold
    elif choices.by_split:
        wanted["split"] = split or ("split" if "split" in its.columns else "")
    rows = its.rows(wanted)
    if audio:
        chosen = [rows["row"][rows["file"] == number].tolist() for number in range(len(files))]
        top, rows["path"] = shards.unpack(files, audio, chosen, its.title)
    else:
        top = files[0].parent / (root or "")
        rows["path"] = paths_below(top, its.complete(rows["path"], wanted["path"]), its.title)
    delivered = Delivered(
        title=its.title,
        clips=rows.drop(columns=["file", "row"]).rename(columns={"label": "delivered"}),
        has=", ".join(its.columns),
        label=label,
        speaker=speaker or "speaker",
        declared=frozenset(its.declared),
    )
    corpus = corpus_of("tables", top, "unknown", delivered, choices)
    if not any(os.path.isfile(top / one) for one in (*corpus.clips["path"], *corpus.others)):
        note = f"no file of the table is below {top}: set the option root to where its paths start"
        corpus = dataclasses.replace(corpus, notes=(*corpus.notes, note))
    return corpus


def facts(corpus: Corpus, **options: Any) -> dict[tuple[str, str], int]:
    """Nothing: serkit knows no published counts of a table it does not know."""
    return {}


class _Table:
    """A table in one or more files of one layout."""

    def __init__(self, title: str, files: Sequence[Path], where: Mapping[str, frozenset[str]]) -> None:
        """Reads the columns' names. Raises CorpusUnfit where it cannot."""
        self.title, self.files, self.where = title, files, where
        self.columns = [*dict.fromkeys(name for path in files for name in column_names(path, title))]
        self.is_parquet = is_parquet(files[0])
        self.declared: set[str] = set()  # labels that the schemas' classes name

    def audio_column(self, path: str | None) -> str | None:
        """The column with the audio itself, `path` or the only one; None where paths are to be read."""
        found = shards.audio_columns(self.files[0], self.title) if self.is_parquet else []
        if path is None and len(found) > 1:
            raise CorpusUnfit(f"{self.title}: {', '.join(found)} hold audio; set the option path to one")
        return next((one for one in found if path in (None, one)), None)

    def rows(self, wanted: Mapping[str, str]) -> pd.DataFrame:
        """The rows that meet `where`, with the columns asked for as text, and whence each is.

        Args:
            wanted: the table's columns by option; "": there is none, a split is then the file's name.

        Returns:
            columns named as the options, and `file`, a number, and `row`, the number in that file.

        Raises:
            CorpusUnfit: a column is missing, nothing says the split, or no row has a value that `where` asks
                for.
        """
        every = pd.concat([self._of(number, wanted) for number in range(len(self.files))], ignore_index=True)
        for column, values in self.where.items():
            has = every[f"where {column}"]
            if lacking := sorted(values - set(has.dropna())):
                known = ", ".join(sorted(set(has.dropna()))[:20])
                raise CorpusUnfit(f"{self.title}: no row has {column} {lacking[0]!r}; it has {known}")
            every = every[has.isin(values)]
        return every[[*wanted, "file", "row"]].reset_index(drop=True)

    def complete(self, values: pd.Series, column: str) -> pd.Series:
        """The values, if none is missing. Raises CorpusUnfit."""
        if without := int(values.isna().sum()):
            raise CorpusUnfit(f"{self.title}: {without} rows have no {column}; expected one in each")
        return values

    def _of(self, number: int, wanted: Mapping[str, str]) -> pd.DataFrame:
        """The rows of one file."""
        path = self.files[number]
        names = column_names(path, self.title)
        sought = {**wanted, **{f"where {column}": column for column in self.where}}
        for option, column in sought.items():
            if column and column not in names:
                raise CorpusUnfit(
                    f"{self.title}: {path.name} has no column {column!r}; set the option"
                    f" {option.partition(' ')[0]} to one of {', '.join(map(repr, names)) or 'none'}"
                )
        read = read_columns(path, self.title, set(sought.values()) - {""})
        n = len(next(iter(read.values())))
        classes = shards.class_names(path, self.title) if self.is_parquet else {}
        self.declared.update(classes.get(wanted["label"], ()))
        for column in classes.keys() & read.keys():  # other numbers are none
            named = {str(number): name for number, name in enumerate(classes[column])}
            read[column] = [named.get(value or "") for value in read[column]]
        frame = {option: read[column] for option, column in sought.items() if column}
        for option in frame.keys() - {"path"}:  # which is spelt as the disk does
            frame[option] = [one and composed(one) for one in frame[option]]
        if wanted.get("speaker") == "":
            frame["speaker"] = [None] * n
        if "split" in wanted:
            said = frame["split"] if wanted["split"] else [self._split(path)] * n
            frame["split"] = [one or "none" for one in said]
        return pd.DataFrame({**frame, "file": number, "row": range(n)}, dtype=object)

    def _split(self, path: Path) -> str:
        """What the file's name calls its split. Raises CorpusUnfit where there is one file, of all clips."""
        if len(self.files) == 1 and not self.is_parquet:
            raise CorpusUnfit(
                f"{self.title}: nothing says which clips to train and test on; set the option split or fold"
                f" to one of its columns ({', '.join(self.columns)}), or folds to 3 or more"
            )
        return shards.split_of(path)


def _conditions(where: Any) -> dict[str, frozenset[str]]:
    """The option `where` as sets of values. Raises SpecError."""
    try:
        pairs = dict(where or {})
        several = {
            column: value if isinstance(value, list | tuple) else [value] for column, value in pairs.items()
        }
        return {
            str(column): frozenset(composed(str(one)) for one in values) for column, values in several.items()
        }
    except (TypeError, ValueError):
        raise SpecError(
            f'tables: option where = {where!r}; expected values by column, as {{ dataset = "emodb" }}'
        ) from None
