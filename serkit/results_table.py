"""Everything that is finished as one table: a row for each run, test and test fold."""

import warnings
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from serkit.errors import ResultsUnreadable
from serkit.index import COLUMNS, OF_TESTS, Index
from serkit.results import Store, left_out, stores
from serkit.specs import METHOD


def load_all(root: str | Path = "results", study: str | None = None) -> pd.DataFrame:
    """Everything that is finished under a results folder.

    Unlike a report it does not ask what a study wants: the points of a tuning grid and runs by an earlier
    recipe or method are there, so group by what you compare. A warning says which runs are by another method
    (an earlier serkit, which gave other numbers for the same spec) and which files cannot be read.
    Measurements of acoustics have no tests, so they have no rows. What was read before is read
    again where its file changed (`serkit.index`).

    Args:
        root: the results folder, with a folder or a bundle of each study in it; or one bundle.
        study: the name of one study; None: all.

    Returns:
        Columns and dtypes as in `COLUMNS`, by study, then by end of the run; empty where nothing is finished.

    Raises:
        ResultsUnreadable: no such folder or study.
    """
    root = Path(root)
    if not root.exists():
        raise ResultsUnreadable(f"no results folder {root}; name one that pytest wrote to")
    unread: list[str] = []
    found = [Store(root)] if root.is_file() else stores(root, unread)
    if study is not None:
        there = ", ".join(store.name for store in found) or "none"
        found = [store for store in found if store.name == study]
        if not found:
            raise ResultsUnreadable(f"no results of study {study!r} in {root}; of those there: {there}")
    tables = [_by_test(Index(store).everything(unread), store.name) for store in found]
    texts = {pa.large_string(): pd.StringDtype()}
    table = (
        pa.concat_tables(tables).to_pandas(types_mapper=texts.get)
        if tables
        else pd.DataFrame(columns=list(COLUMNS))
    )
    for when in ("started", "finished"):
        table[when] = pd.to_datetime(table[when], utc=True)
    table = table.astype(COLUMNS)
    if unread:
        warnings.warn("\n".join(left_out(unread)), stacklevel=2)
    others = table.loc[table["method"] != METHOD, ["study", "key", "method"]].drop_duplicates()
    if len(others):
        methods = ", ".join(map(str, others["method"].unique()))
        theirs = f"{len(others)} of the runs in {root} are by method {methods}, this serkit's is {METHOD}"
        why = "their numbers do not compare; the column method tells them apart"
        warnings.warn(f"{theirs}: {why}", stacklevel=2)
    return table


def _by_test(entries: pa.Table, study: str) -> pa.Table:
    """A row for each test fold of a study's entries, in the columns of `COLUMNS`."""
    entries = entries.combine_chunks()
    runs = pc.list_parent_indices(entries["test"])
    columns = {
        name: pc.list_flatten(entries[name]) if name in OF_TESTS else entries[name].take(runs)
        for name in COLUMNS
        if name != "study"
    }
    return pa.table({"study": pa.repeat(pa.scalar(study, pa.large_string()), len(runs)), **columns})
