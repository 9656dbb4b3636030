"""A table as it came with a corpus, csv or parquet: its columns by name, every value as text.

Nothing in it is run or built: what a column holds beside text, numbers and times is refused, and pickles are
never opened.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from serkit.corpora.reading.folder import DELIVERED, label_text, refuse_pointer
from serkit.errors import CorpusUnfit, SerkitError
from serkit.files import open_file, read_text

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import parquet

Rows = tuple[list[str], list[list[str]]]
"""The names of columns, and rows of as many values."""

MOST_ROWS = 10_000_000
"""A small parquet file can promise any number of equal rows; the largest corpus has 0.3 million clips."""

NO_VALUE = frozenset(
    ",#N/A,#N/A N/A,#NA,-1.#IND,-1.#QNAN,-NaN,-nan,1.#IND,1.#QNAN,N/A,NA,NULL,NaN,n/a,nan,null".split(",")
)
"""How a csv says that there is no value: Arrow's words for it, as audformat takes them."""


def is_parquet(path: Path) -> bool:
    """Whether a table is a parquet file by its suffix; else it is a csv."""
    return path.suffix.lower() == ".parquet"


def column_names(path: Path, corpus: str) -> list[str]:
    """The names of a table's columns, in the file's order.

    Args:
        path: a csv (between commas, semicolons or tabs), or a parquet file by its suffix.
        corpus: the corpus's title, for messages.

    Raises:
        CorpusUnfit: it cannot be read, or two columns have one name.
    """
    with said(path, corpus):
        names = (
            open_parquet(path).schema_arrow.names if is_parquet(path) else next(_rows(read_text(path)), [])
        )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two columns are called {twice[0]!r}")
        return names


def read_columns(path: Path, corpus: str, names: Collection[str]) -> dict[str, list[str | None]]:
    """Columns of a table as text, None where there is no value.

    Args:
        path: a csv (between commas, semicolons or tabs), or a parquet file by its suffix.
        corpus: the corpus's title, for messages.
        names: of columns that it has.

    Returns:
        The values of all rows, in the file's order, by name.

    Raises:
        CorpusUnfit: it cannot be read, rows differ in length, or a column holds neither text nor numbers.
    """
    with said(path, corpus):
        if is_parquet(path):
            table = open_parquet(path).read(columns=list(names), use_threads=False)
            return {name: _texts(table.column(name)) for name in names}
        rows = _rows(read_text(path))
        places = {name: at for at, name in enumerate(next(rows, []))}
        wanted = [places[name] for name in names]
        kept = [[row[at] for at in wanted] for row in rows]
        columns = zip(*kept, strict=True) if kept else ([] for _ in wanted)
        return {
            name: [None if text in NO_VALUE else text for text in column]
            for name, column in zip(names, columns, strict=True)
        }


def label_rows(path: Path, corpus: str, needed: Collection[str], missing: str = DELIVERED) -> Rows:
    """A delivered csv of labels: the names of its columns, and its rows, as text without space around.

    Args:
        path: the file.
        corpus: the corpus's title, for messages.
        needed: columns that must be there.
        missing: what to do where there is no such file.

    Raises:
        CorpusUnfit: there is none, it cannot be read, rows differ in length, or a column is missing or twice.
    """
    text = label_text(path, corpus, missing)
    with said(path, corpus):
        rows = [[cell.strip() for cell in row] for row in _rows(text, spaced=True)]
    names = rows[0] if rows else []
    for column in needed:
        if names.count(column) != 1:
            what = "no column" if column not in names else "twice the column"
            raise CorpusUnfit(
                f"{corpus}: {path} has {what} {column}; it has {', '.join(names) or 'none'}. Restore the file"
                " from the delivered copy"
            )
    return names, rows[1:]


def _rows(text: str, spaced: bool = False) -> Iterator[list[str]]:
    """The rows of a csv, the names first, all of one length; what parts them is seen from the names."""
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=spaced, strict=True)
    length = None
    for row in reader:
        if not row:
            continue
        length = length or len(row)
        if len(row) != length:
            raise ValueError(f"line {reader.line_num} has {len(row)} values, the header {length}")
        yield row


def open_parquet(path: Path) -> parquet.ParquetFile:
    """A parquet file, of which nothing is read but its schema.

    Raises:
        OSError: it is no file, or cannot be read.
        ValueError: it is damaged, or promises too many rows. Other errors may come of a damaged file.
    """
    from pyarrow import parquet

    file = parquet.ParquetFile(open_file(path), pre_buffer=False)
    if file.metadata.num_rows > MOST_ROWS:
        raise ValueError(f"{file.metadata.num_rows:,} rows, expected {MOST_ROWS:,} at most")
    return file


def _texts(column: pa.ChunkedArray) -> list[str | None]:
    """Values as text; a length of time as a whole number of its unit."""
    from pyarrow import types

    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    if types.is_duration(kind):
        column = column.cast("int64")
    elif not (
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_string_view(kind)
        or types.is_primitive(kind)
        or types.is_decimal(kind)
        or types.is_null(kind)
    ):
        raise ValueError(f"a column holds {kind}, expected text or numbers")
    return [None if one is None or one == "" or one != one else str(one) for one in column.to_pylist()]


@contextmanager
def said(path: Path, corpus: str) -> Iterator[None]:
    """Turns what goes wrong with a table into a message that names it.

    Raises:
        CorpusUnfit: in place of whatever is raised inside and is no SerkitError.
    """
    try:
        refuse_pointer(path, corpus)
        yield
    except SerkitError:
        raise
    except OSError as error:
        why = error.strerror or str(error)
    except Exception as error:  # a damaged table can make Arrow raise anything, an IndexError among them
        why = " ".join(str(error).split()) or type(error).__name__
    else:
        return
    raise CorpusUnfit(f"{corpus}: {path} cannot be read ({why}); restore it from the delivered copy")
