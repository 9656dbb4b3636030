"""A table as it came with a corpus, csv or parquet: its columns by name, every value as text.

Nothing in it is run or built: what a column holds beside text, numbers and times is refused, and pickles are
never opened. A csv may have commas, semicolons or tabs, and is read by Python's own parser: pandas fills up
short rows and moves long ones by a column.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from pathlib import Path

from serkit.corpora.reading.folder import DELIVERED, careful
from serkit.errors import CorpusUnfit
from serkit.files import open_file, read_text
from serkit.later import pa, parquet, pd, types

MAX_ROWS = 10_000_000
"""A small parquet file can promise any number of equal rows; the largest corpus has 0.3 million clips."""

NO_VALUE = frozenset(
    ",#N/A,#N/A N/A,#NA,-1.#IND,-1.#QNAN,-NaN,-nan,1.#IND,1.#QNAN,N/A,NA,NULL,NaN,n/a,nan,null".split(",")
)
"""How a csv says that there is no value: Arrow's words for it, as audformat takes them."""


def is_parquet(path: Path) -> bool:
    """Whether a table is a parquet file, by its suffix; else it is a csv."""
    return path.suffix.lower() == ".parquet"


def column_names(path: Path, title: str) -> list[str]:
    """The names of a table's columns, in the file's order. Raises CorpusUnfit, also where two are one."""
    with careful(path, title):
        if is_parquet(path):
            names = open_parquet(path).schema_arrow.names
        else:
            names = next(_rows(read_text(path)), [])
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two columns are called {twice[0]!r}")
        return names


def read_columns(path: Path, title: str, names: Collection[str]) -> dict[str, list[str | None]]:
    """Columns that a table has, by name: all values as text, None where there is none. Raises CorpusUnfit."""
    with careful(path, title):
        if is_parquet(path):
            table = open_parquet(path).read(columns=list(names), use_threads=False)
            return {name: _texts(table.column(name)) for name in names}
        header, *rows = _rows(read_text(path))
        places = {name: header.index(name) for name in names}
        return {
            name: [None if row[at] in NO_VALUE else row[at] for row in rows] for name, at in places.items()
        }


def label_table(path: Path, title: str, needed: Collection[str], missing: str = DELIVERED) -> pd.DataFrame:
    """A delivered csv of labels, every value as text without space around. Raises CorpusUnfit."""
    with careful(path, title, missing):
        text = read_text(path, errors="replace")
        names, *rows = [[cell.strip() for cell in row] for row in _rows(text, spaced=True)] or [[]]
    for column in needed:
        if names.count(column) != 1:
            what = "no column" if column not in names else "twice the column"
            raise CorpusUnfit(
                f"{title}: {path} has {what} {column}; it has {', '.join(names) or 'none'}. Restore the file"
                " from the delivered copy"
            )
    return pd.DataFrame(rows, columns=names, dtype=object)


def _rows(text: str, spaced: bool = False) -> Iterator[list[str]]:
    """The rows of a csv, the names first, all of one length; what parts them is seen from the names."""
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=spaced, strict=True)
    length = 0
    for row in filter(None, reader):
        if len(row) != (length := length or len(row)):
            raise ValueError(f"line {reader.line_num} has {len(row)} values, the header {length}")
        yield row


def open_parquet(path: Path) -> parquet.ParquetFile:
    """A parquet file, of which only the schema is read; a damaged one can raise anything: see `careful`."""
    file = parquet.ParquetFile(open_file(path), pre_buffer=False)
    if file.metadata.num_rows > MAX_ROWS:
        raise ValueError(f"{file.metadata.num_rows:,} rows, expected {MAX_ROWS:,} at most")
    return file


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    """Values as text; a length of time as a whole number of its unit."""
    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    text = (types.is_string, types.is_large_string, types.is_string_view)
    if types.is_duration(kind):
        column = column.cast("int64")
    elif not any(is_one(kind) for is_one in (*text, types.is_primitive, types.is_decimal, types.is_null)):
        raise ValueError(f"a column holds {kind}, expected text or numbers")
    return [None if one is None or one == "" or one != one else str(one) for one in column.to_pylist()]
