"""Any corpus that is a table and audio: a csv (or tsv) or parquet with a row a clip; or audio inside parquet.

For a corpus of one's own, and for those that come with such a table (nEMO's `data.tsv`) or as Hugging Face's
datasets are delivered (`reading.shards`). What its columns are called and mean, the study says by options;
`docs/corpora.md` lists them. Not part of the paper.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serkit.corpora.reading import shards
from serkit.corpora.reading.columns import Choices, check_texts, in_study_words, pairs_of
from serkit.corpora.reading.corpus import Corpus, composed
from serkit.corpora.reading.folder import paths_below
from serkit.corpora.reading.tabular import column_names, is_parquet, read_columns
from serkit.errors import CorpusMissing, CorpusUnfit, SpecError
from serkit.later import pd

TITLE = "table"
PAGE = "docs/corpora.md#tables"
OPTIONS: dict[str, tuple] = dict.fromkeys(
    "file path root label labels speaker split splits fold folds split_by_clip where".split(), ()
)
RATE_HZ: tuple[int, ...] = ()
CHANNELS: tuple[int, ...] = ()


def is_here(folder: Path) -> bool:
    """Any folder may hold a table: `choose` tells."""
    return True


def choose(folders: Sequence[Path], **options: Any) -> list[Path]:
    """The folder that the path `file` starts from, alone. Raises CorpusUnfit where there are several."""
    _checked(options)
    found = [folder for folder in folders if _files(folder, options["file"])]
    if not found:
        raise CorpusMissing(f"{title(**options)}: it is in no folder at or below {folders[0]}")
    if len(found) > 1:
        places = ", ".join(map(str, found[:3]))
        raise CorpusUnfit(f"{title(**options)}: it is in {places}; set the option file to more of its path")
    return found


def title(file: str | None = None, **options: Any) -> str:
    """What the corpus is called, as far as the options say."""
    return f"table {file}" if file else TITLE


def folds(**options: Any) -> int | None:
    """How many folds there are; None where a column says it. Raises SpecError for what cannot be."""
    return _checked(options)[0].n_folds


def read(folder: Path, **options: Any) -> Corpus:
    """The clips of a table in `folder`, where the option `file` starts, by the options in `docs/corpora.md`.

    Raises SerkitError, too, where audio inside cannot be written to the cache folder.
    """
    choices, where = _checked(options)
    its = _Table(title(**options), _files(folder, options["file"]), where)
    audio = its.audio_column(options.get("path"))
    usual = {column: column for column in its.columns}
    wanted = {"label": choices.label, "speaker": choices.speaker or usual.get("speaker", "")}
    if not audio:
        wanted["path"] = options.get("path") or "path"
    if choices.fold:
        wanted["fold"] = choices.fold
    elif choices.by_split:
        wanted["split"] = choices.split or usual.get("split", "")
    rows = its.rows(wanted)
    if audio:
        by_file = rows.groupby("file", sort=False)["row"].apply(list).to_dict()
        chosen = {file: by_file.get(file, []) for file in its.files}
        top, rows["path"] = shards.unpack(chosen, audio, its.title)
    else:
        top = its.files[0].parent / (options.get("root") or "")
        if without := int(rows["path"].isna().sum()):
            raise CorpusUnfit(f"{its.title}: {without} rows have no {wanted['path']}; expected one in each")
        rows["path"] = paths_below(top, rows["path"], its.title)
    note = f"no file of the table is below {top}: set the option root to where its paths start"
    notes = () if any(os.path.isfile(top / one) for one in rows["path"]) else (note,)
    clips = rows.drop(columns=["file", "row"]).rename(columns={"label": "delivered"})
    delivered = Corpus("tables", top, "unknown", clips, notes=notes)
    return in_study_words(delivered, its.title, ", ".join(its.columns), choices, its.declared)


def _checked(options: Mapping[str, Any]) -> tuple[Choices, dict[str, frozenset[str]]]:
    """The options about columns, and `where` as sets of values."""
    check_texts("tables", options, ("path", "root"))
    file = options.get("file")
    text = file if isinstance(file, str) else ""
    if not text or "\0" in text or os.path.isabs(text) or ".." in text.split("/"):
        raise SpecError(
            f"tables: option file = {file!r}; expected the table's path from a folder at or below"
            ' SERKIT_DATA, as "nemo/data.tsv"'
        )
    where = pairs_of("tables", "where", options.get("where"), 'values by column, as { dataset = "emodb" }')
    wanted = {}
    for column, value in where.items():
        values = value if isinstance(value, list | tuple) else [value]
        wanted[str(column)] = frozenset(composed(str(one)) for one in values)
    return Choices.of("tables", options, label="label"), wanted


def _files(folder: Path, file: str) -> list[Path]:
    names = [file] if os.path.lexists(folder / file) else sorted(glob.glob(file, root_dir=folder))
    return [folder / name for name in names]


class _Table:
    """A table in one or more files of one layout."""

    def __init__(self, title: str, files: Sequence[Path], where: Mapping[str, frozenset[str]]) -> None:
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
        """The rows that meet `where`: a column of text for each option, `file`, and `row`, the number in it.

        `wanted` names columns by option; where it says "", there is none, and a split is the file's name.
        """
        every = pd.concat([self._of(path, wanted) for path in self.files], ignore_index=True)
        for column, values in self.where.items():
            has = every[f"where {column}"]
            if lacking := sorted(values - {*has}):
                known = ", ".join(sorted({*has.dropna()})[:20])
                raise CorpusUnfit(f"{self.title}: no row has {column} {lacking[0]!r}; it has {known}")
            every = every[has.isin(values)]
        return every[[*wanted, "file", "row"]].reset_index(drop=True)

    def _of(self, path: Path, wanted: Mapping[str, str]) -> pd.DataFrame:
        names = column_names(path, self.title)
        sought = {**wanted, **{f"where {column}": column for column in self.where}}
        for option, column in sought.items():
            if column and column not in names:
                known = ", ".join(map(repr, names)) or "none"
                raise CorpusUnfit(
                    f"{self.title}: {path.name} has no column {column!r}; set the option"
                    f" {option.partition(' ')[0]} to one of {known}"
                )
        read = read_columns(path, self.title, set(sought.values()) - {""})
        classes = shards.class_names(path, self.title) if self.is_parquet else {}
        self.declared.update(classes.get(wanted["label"], ()))
        for column in classes.keys() & read.keys():
            meanings = {str(place): name for place, name in enumerate(classes[column])}
            read[column] = [meanings.get(value or "") for value in read[column]]  # None for other numbers
        n = len(read[wanted["label"]])
        rows = {option: read.get(column, [None] * n) for option, column in sought.items()}
        for option in rows.keys() - {"path"}:  # which is spelt as the disk has it
            rows[option] = [one and composed(one) for one in rows[option]]
        if "split" in wanted:
            unsaid = "none" if wanted["split"] else self._split(path)
            rows["split"] = [one or unsaid for one in rows["split"]]
        return pd.DataFrame({**rows, "file": [path] * n, "row": range(n)}, dtype=object)

    def _split(self, path: Path) -> str:
        """What the file's name calls its split; one csv of all clips says none."""
        if len(self.files) == 1 and not self.is_parquet:
            raise CorpusUnfit(
                f"{self.title}: nothing says which clips to train and test on; set the option split or fold"
                f" to one of its columns ({', '.join(self.columns)}), or folds to 3 or more"
            )
        return shards.split_of(path)
