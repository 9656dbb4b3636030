"""What results say, read and checked once: of many in a store a table is kept in the cache folder.

A row a result beside the stamp of its file: where that is another now, or there is none, the file is read and
checked anew. A file whose bytes rot while its stamp stays is found by whoever reads the file itself, as
sessions and reports do. The table may vanish or be damaged at any time: then all is read again.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import serkit
from serkit.errors import ResultsUnreadable, SerkitError, SpecError
from serkit.files import cache_folder, open_file, stamp, write_by
from serkit.labels import corpus_of, is_permuted
from serkit.resultfile import Result, diverged
from serkit.results import Store
from serkit.specs import ACOUSTICS_METHOD, BEFORE, METHOD, METRICS, from_json

if TYPE_CHECKING:
    import pyarrow as pa

FORMAT = 1
"""Raise it when an entry says another thing, or results are checked for more; another release reads anew."""
WORTH = 100
"""Results that have to be new before a table of them is written: fewer are read in no time."""
SETTLED_S = 2.0
"""Age of a file of which an entry is kept: one that is written again at once may have the same stamp."""
CHUNK = 1000
"""Entries that wait to become a part of the table, which takes a tenth of their memory."""

COLUMNS = {
    name: dtype
    for dtype, names in [
        ("string", ["study", "key", "label", "train"]),
        ("bool", ["train_scrambled"]),
        ("int64", ["augment_percent"]),
        ("string", ["effects"]),
        ("Int64", ["fold"]),
        ("int64", ["seed"]),
        ("string", ["test"]),
        ("bool", ["test_scrambled"]),
        ("int64", ["test_fold"]),
        ("bool", ["trained_on"]),
        ("float64", [f"{metric}{ending}" for metric in METRICS for ending in ("", "_std")]),
        ("Int64", ["tail_evaluations"]),
        ("string", ["encoder", "front_end", "head", "initialisation"]),
        ("int64", ["width"]),
        ("float64", ["dropout"]),
        ("string", ["outputs"]),
        ("float64", ["learning_rate"]),
        ("int64", ["batch_size", "epochs"]),
        ("float64", ["evaluations_per_epoch", "tail", "max_seconds", "loudness_dbfs"]),
        ("string", ["pool_by", "schedule"]),
        ("Int64", ["training_clips"]),
        ("string", ["train_fingerprint", "test_fingerprint"]),
        ("Int64", ["method", "schema"]),
        ("string", ["serkit", "git_commit", "torch", "device", "device_name"]),
        ("Int64", ["threads"]),
        ("bool", ["bf16"]),
        ("datetime64[ns, UTC]", ["started", "finished"]),
        ("float64", ["wall_seconds", "train_seconds", "evaluate_seconds", "clips_per_second"]),
    ]
    for name in names
}
"""The columns of `serkit.results_table.load_all` and their dtypes; `results/README.md` says what each is."""
KINDS = {"bool": bool, "int64": int, "Int64": int, "float64": float}
OF_TESTS: tuple[str, ...] = ("test", "test_scrambled", "test_fold", "trained_on", "test_fingerprint")
OF_TESTS += tuple(f"{metric}{ending}" for metric in METRICS for ending in ("", "_std"))
"""Those that each test fold of a run has its own value of."""
OTHERS = {"stamp": "string", "asked": "string", "diverged": "bool", "clips_before": "Int64"}
OTHERS |= dict.fromkeys(("spec", "corpora", "environment"), "string")
"""What else an entry has: the key of what a plan asked for, empty by another method, and parts as JSON."""


def entry(result: Result, at: str = "") -> dict[str, Any]:
    """A result's row: a column that has the name of an entry of the result or its parts holds that entry."""
    spec, environment = result["spec"], result["environment"]
    parts = (BEFORE, environment, spec.get("model", {}), spec.get("recipe", {}), spec, result)
    row = {name: _as(COLUMNS[name], part[name]) for part in parts for name in part if name in COLUMNS}
    fingerprints, train = dict(spec["fingerprints"]), spec.get("train", ())
    trained_on = [corpus_of(name) for name in train]
    tests = [
        (test, int(fold), scores)
        for test, tested in result.get("tests", {}).items()
        for fold, scores in tested["folds"].items()
    ]
    return {
        **row,
        "train": "+".join(train),
        "train_scrambled": any(map(is_permuted, train)),
        "effects": "+".join((spec.get("augmentation") or {}).get("effects", ())),
        "train_fingerprint": "+".join(fingerprints[name] for name in trained_on),
        "torch": environment.get("packages", {}).get("torch"),
        "test": [test for test, _, _ in tests],
        "test_scrambled": [is_permuted(test) for test, _, _ in tests],
        "test_fold": [fold for _, fold, _ in tests],
        "trained_on": [corpus_of(test) in trained_on for test, _, _ in tests],
        "test_fingerprint": [fingerprints[corpus_of(test)] for test, _, _ in tests],
        **{metric: [scores[metric]["mean"] for _, _, scores in tests] for metric in METRICS},
        **{f"{metric}_std": [scores[metric]["std"] for _, _, scores in tests] for metric in METRICS},
        "stamp": at,
        "asked": asked(spec),
        "diverged": diverged(result),
        "clips_before": result.get("clips_before"),
        "spec": json.dumps({name: spec[name] for name in ("method", "acoustics_method") if name in spec}),
        "corpora": json.dumps(result["corpora"]),
        "environment": json.dumps(environment),
    }


def asked(spec: Mapping[str, Any]) -> str:
    """The key of what a plan asked for whose answer has this stored spec; empty by another method."""
    with suppress(SpecError):
        return from_json(spec).plan().key
    return ""


def _as(kind: str, value: Any) -> Any:
    """A value as its column has it: a schema takes 2.0 for a whole number, JSON has halves of characters."""
    if kind not in KINDS:
        return value if value is None else str(value).encode(errors="backslashreplace").decode()
    return value if value is None else KINDS[kind](value)


class Index:
    """The entries of a store's results."""

    def __init__(self, store: Store) -> None:
        """Reads what was kept of them, if anything was."""
        self.store = store
        self._path: Path | None = None
        self._tables: list[pa.Table] = []
        self._fresh: list[dict[str, Any]] = []  # not yet in a table
        self._rows: dict[str, tuple[int, str]] = {}  # the latest entry of each key: its place, its stamp
        self._unsaved = 0
        with suppress(SerkitError):  # there is no place for it
            digest = hashlib.sha256(os.fsencode(store.folder.absolute())).hexdigest()
            self._path = cache_folder() / "results" / f"{digest[:32]}.parquet"
            self._tables = _loaded(self._path)
        for row, known in enumerate(self.kept("key", "stamp")):
            self._rows[known["key"]] = row, known["stamp"]

    def kept(self, *columns: str) -> Iterator[dict[str, Any]]:
        """Some columns of each entry that was kept, whether its stamp still holds or not."""
        for batch in (batch for table in self._tables for batch in table.select(columns).to_batches()):
            lists = [column.to_pylist() for column in batch.columns]
            yield from (dict(zip(columns, values, strict=True)) for values in zip(*lists, strict=True))

    def add(self, result: Result, at: str = "") -> dict[str, Any]:
        """Adds a result and gives its entry; `at` is the stamp that its file had before it was read."""
        settled = bool(at) and time.time_ns() - int(at.split()[1]) > SETTLED_S * 1e9
        new = entry(result, at if settled else "")
        self._rows[result["key"]] = self._length, new["stamp"]
        self._fresh.append(new)
        self._unsaved += settled
        if len(self._fresh) == CHUNK:
            self._pack()
        return new

    def everything(self, unread: list[str]) -> pa.Table:
        """An entry for each result that can be read, in the order of `Store.results`; `unread` as there."""
        whole = []
        for key in self.store.keys(unread):
            at = ""
            try:
                with suppress(OSError):  # `get` says why it cannot be read
                    at = stamp(f"{self.store.folder}/{key}/result.json")
                if not at or self._rows.get(key, (0, ""))[1] != at:
                    if (result := self.store.get(key)) is None:
                        continue
                    self.add(result, at)
                whole.append(key)
            except ResultsUnreadable as error:
                unread.append(str(error))
        self.save(whole)
        return self._of(whole).sort_by([("finished", "ascending"), ("key", "ascending")])

    def save(self, keys: Sequence[str]) -> None:
        """Keeps the entries of some keys, where enough of them are new."""
        if self._path is None or self._unsaved < max(WORTH, len(keys) / 100):
            return
        from pyarrow import parquet

        table = self._of([key for key in keys if self._rows.get(key, (0, ""))[1]])
        with suppress(OSError):
            self._path.parent.mkdir(exist_ok=True)
            write_by(self._path, lambda draft: parquet.write_table(table, draft, compression="zstd"))
            self._unsaved = 0

    @property
    def _length(self) -> int:
        return sum(table.num_rows for table in self._tables) + len(self._fresh)

    def _pack(self) -> None:
        import pyarrow as pa

        self._tables.append(pa.Table.from_pylist(self._fresh, schema=_schema()))
        self._fresh = []

    def _of(self, keys: Sequence[str]) -> pa.Table:
        import pyarrow as pa

        self._pack()
        rows = pa.array([self._rows[key][0] for key in keys], pa.int64())
        return pa.concat_tables(self._tables).take(rows)


def _loaded(path: Path) -> list[pa.Table]:
    """The table that was kept; none where it is not there, damaged, or another serkit's."""
    if not path.exists():  # pyarrow takes a while
        return []
    from pyarrow import parquet

    try:
        with open_file(path) as file:
            table = parquet.read_table(file)
    except Exception:  # a decoder of damaged bytes may raise anything
        return []
    ours = table.schema.equals(_schema()) and table.schema.metadata == _schema().metadata
    return [table] if ours else []


@functools.cache
def _schema() -> pa.Schema:
    import pyarrow as pa

    text = pa.large_string()  # of any length in all
    kinds = {"string": text, "bool": pa.bool_(), "int64": pa.int64(), "float64": pa.float64()}
    types = {name: kinds.get(kind.lower(), text) for name, kind in {**COLUMNS, **OTHERS}.items()}
    del types["study"]
    fields = [(name, pa.list_(of) if name in OF_TESTS else of) for name, of in types.items()]
    return pa.schema(fields, {"of": f"{serkit.__version__} {FORMAT} {METHOD} {ACOUSTICS_METHOD}"})
