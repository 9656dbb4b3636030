"""Data is never code: every reader is handed what runs in careless hands, and nothing runs.

`docs/security.md` lists the readers; the last tests hold that list, and that no other way to run data comes
in.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import os
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import audformat
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import soundfile
import yaml
from pyarrow import parquet

from benchmark import study
from benchmark.session import progress
from serkit import corpora, outside, packs
from serkit.acoustics import room
from serkit.corpora.reading.corpus import Corpus, table
from serkit.encoders.cnn14 import checkpoints
from serkit.errors import SerkitError
from serkit.labels import LABELS
from serkit.results import Store
from tests import corpus_trees as trees

ROOT = Path(__file__).parent.parent


class Mine:
    """What an attacker leaves: read carelessly, it makes a folder."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.mark),)

    def went_off(self) -> bool:
        """Whether it was run since this was last asked."""
        ran = self.mark.exists()
        if ran:
            self.mark.rmdir()
        return ran

    @property
    def pickled(self) -> bytes:
        return pickle.dumps(self, protocol=2)

    @property
    def tag(self) -> str:
        return f"!!python/object/apply:os.mkdir ['{self.mark}']"

    @property
    def array(self) -> np.ndarray:
        return np.array([self], dtype=object)

    def table(self) -> pa.Table:
        """Arrow's pickled type of a column, which its releases before 14.0.1 load, and pickled metadata."""
        metadata = {
            "ARROW:extension:name": "arrow.py_extension_type",
            "ARROW:extension:metadata": self.pickled,
        }
        names = ("file", "speaker", "part", "path", "label")
        fields = [pa.field(name, pa.binary(), metadata=metadata) for name in names]
        return pa.table([[b"a.wav"]] * len(names), pa.schema(fields, {"pandas": self.pickled}))


@pytest.fixture
def mine(tmp_path: Path, monkeypatch) -> Mine:
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SERKIT_WEIGHTS", str(tmp_path / "weights"))
    return Mine(tmp_path / "ran")


def test_it_goes_off_in_careless_hands(mine: Mine, tmp_path: Path) -> None:
    import torch

    np.save(tmp_path / "array.npy", mine.array, allow_pickle=True)
    (tmp_path / "checkpoint.pth").write_bytes(mine.pickled)
    for careless in (
        lambda: pickle.loads(mine.pickled),
        lambda: pd.read_pickle(tmp_path / "checkpoint.pth"),
        lambda: yaml.unsafe_load(mine.tag),
        lambda: np.load(tmp_path / "array.npy", allow_pickle=True),
        lambda: torch.load(tmp_path / "checkpoint.pth", weights_only=False),
    ):
        with contextlib.suppress(RuntimeError):  # torch: it is no checkpoint, found out too late
            careless()
        assert mine.went_off()


# --- each reader, and a file of its kind that would run code ---

Read = Callable[[], object]


def audformat_header(mine: Mine, top: Path) -> Read:
    (top / "data" / "a").mkdir(parents=True)
    (top / "data" / "a" / "db.yaml").write_text(f"name: mine\nmeta: {mine.tag}\n")
    return lambda: corpora.load("audformat", top / "data")


def audformat_pickle(mine: Mine, top: Path) -> Read:
    trees.audformat(top / "data", audio=False)
    (top / "data" / "db.files.csv").unlink()
    (top / "data" / "db.files.pkl").write_bytes(mine.pickled)
    return lambda: corpora.load("audformat", top / "data")


def audformat_parquet(mine: Mine, top: Path) -> Read:
    trees.audformat(top / "data", audio=False)
    parquet.write_table(mine.table(), top / "data" / "db.files.parquet")
    return lambda: corpora.load("audformat", top / "data")


def table_parquet(mine: Mine, top: Path) -> Read:
    (top / "data").mkdir()
    parquet.write_table(mine.table(), top / "data" / "t.parquet")
    return lambda: corpora.load("tables", top / "data", {"file": "t.parquet", "folds": 3})


def predictions(mine: Mine, top: Path) -> Read:
    names = [*outside.WHOSE, *LABELS]
    table = mine.table()
    parquet.write_table(pa.table([table.column(0)] * len(names), names), top / "p.parquet")
    return lambda: outside.read(top / "p.parquet")


def predictions_pickled(mine: Mine, top: Path) -> Read:
    (top / "p.csv").write_bytes(mine.pickled)
    return lambda: outside.read(top / "p.csv")


def scores(mine: Mine, top: Path) -> Read:
    (top / "key").mkdir()
    parquet.write_table(mine.table(), top / "key" / "scores.parquet")
    return lambda: Store(top).table("key", "scores")


def scores_pickled(mine: Mine, top: Path) -> Read:
    (top / "key").mkdir()
    (top / "key" / "scores.parquet").write_bytes(mine.pickled)
    return lambda: Store(top).table("key", "scores")


def result(mine: Mine, top: Path) -> Read:
    (top / "key").mkdir()
    (top / "key" / "result.json").write_bytes(mine.pickled)
    return lambda: Store(top).get("key")


def study_file(mine: Mine, top: Path) -> Read:
    (top / "mine.toml").write_bytes(mine.pickled)
    return lambda: study.read(str(top / "mine.toml"))


def study_reader(mine: Mine, top: Path) -> Read:
    """A module is imported by the name of a reader."""
    (top / "mine.toml").write_text('title = "x"\n[corpora.a]\nreader = "os"\n[table1]\ntrain = [["a"]]\n')
    return lambda: study.read(str(top / "mine.toml"))


def checkpoint(mine: Mine, top: Path, monkeypatch) -> Read:
    content = mine.pickled
    monkeypatch.setitem(checkpoints.SHA256, "cnn14-32k", hashlib.sha256(content).hexdigest())
    target = checkpoints.path("cnn14-32k")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return lambda: checkpoints.load_state("cnn14-32k")


def room_network(mine: Mine, top: Path) -> Read:
    np.savez(top / "rooms.npz", weight=mine.array)
    return lambda: room.load(top / "rooms.npz")


def room_network_pickled(mine: Mine, top: Path) -> Read:
    (top / "rooms.npz").write_bytes(mine.pickled)
    return lambda: room.load(top / "rooms.npz")


REFUSED = [
    audformat_header,
    audformat_pickle,
    audformat_parquet,
    table_parquet,
    predictions,
    predictions_pickled,
    scores,
    scores_pickled,
    result,
    study_file,
    study_reader,
    checkpoint,
    room_network,
    room_network_pickled,
]


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_no_reader_runs_it_and_each_says_so(make, mine: Mine, tmp_path: Path, monkeypatch) -> None:
    read = make(mine, tmp_path, monkeypatch) if make is checkpoint else make(mine, tmp_path)
    with pytest.raises(SerkitError):
        read()
    assert not mine.went_off()


def test_a_pickle_beside_a_table_is_left_alone(mine: Mine, tmp_path: Path) -> None:
    trees.audformat(tmp_path / "data", audio=False)
    pickled = tmp_path / "data" / "db.files.pkl"
    pickled.write_bytes(mine.pickled)
    os.utime(pickled, (2_000_000_000, 2_000_000_000))  # the newest: what the library would read
    corpora.load("audformat", tmp_path / "data")
    assert not mine.went_off()
    assert pickled.read_bytes() == mine.pickled
    audformat.Database.load(str(tmp_path / "data"))["files"].get()
    assert mine.went_off()  # so it would have


def test_a_pack_that_is_none_is_made_anew(mine: Mine, tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    soundfile.write(tmp_path / "corpus" / "a.wav", np.full(800, 9000, np.int16), 16_000, subtype="PCM_16")
    rows = [{"path": "a.wav", "label": "sad", "speaker": "1", "split": "train"}]
    corpus = Corpus("fake", tmp_path / "corpus", "1", table(rows, "Fake"))
    before = packs.pack(corpus, 16_000).digest
    (folder,) = (path.parent for path in tmp_path.rglob("pack.json"))
    for path in folder.iterdir():
        path.write_bytes(mine.pickled)
    with pytest.warns(match="packing it again"):
        assert packs.pack(corpus, 16_000).digest == before
    assert not mine.went_off()


def test_notes_of_a_run_that_cannot_be_read_are_none(mine: Mine, tmp_path: Path) -> None:
    its = study.read("synthetic")
    folder = tmp_path / study.plan(its)[0].spec.key
    folder.mkdir()
    for name in ("spec.json", "progress.jsonl", "error.json"):
        (folder / name).write_bytes(mine.pickled + b"\n" + b"[" * 100_000)
    assert len(progress.Progress(its, Store(tmp_path)).look()) == len(study.plan(its))
    assert not mine.went_off()


# --- no other way comes in ---

SOURCES = [path for top in ("serkit", "benchmark", "cases") for path in (ROOT / top).rglob("*.py")]
RUNS = {"eval", "exec", "compile", "__import__"}
RUNS_OF = {"pickle", "marshal", "shelve", "joblib", "dill", "cloudpickle"}
RUNS_ALWAYS = {"read_pickle", "from_string", "popen", "unsafe_load", "full_load", "import_module"}
KNOWN = {
    ("serkit/corpora/__init__.py", "import_module"),  # a reader by its name in READERS
    ("serkit/encoders/__init__.py", "import_module"),  # an encoder by its name among the files of its folder
    ("benchmark/study.py", "import_module"),  # exhibits, as their folder lists them
    ("benchmark/report/verdicts/__init__.py", "import_module"),  # questions, likewise
    ("benchmark/session/engines/__init__.py", "import_module"),  # an engine by its name among the files there
    ("serkit/later.py", "import_module"),  # the rest: by a name in our own code
    ("serkit/encoders/cnn14/__init__.py", "import_module"),
    ("serkit/encoders/function.py", "import_module"),  # a package that SERKIT_CODE names
}


@functools.cache
def calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]


def named(call: ast.Call) -> tuple[str, str]:
    """What is called, and of what: `np.load(...)` is ("load", "np")."""
    if isinstance(call.func, ast.Attribute):
        of = call.func.value
        return call.func.attr, of.id if isinstance(of, ast.Name) else "something"
    return (call.func.id if isinstance(call.func, ast.Name) else ""), "builtins"


def runs_data(call: ast.Call) -> bool:
    name, of = named(call)
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    return (
        (name in RUNS and of == "builtins")
        or (name, of) == ("system", "os")
        or name in RUNS_ALWAYS
        or (of in RUNS_OF and name != "cpu_count")
        or given.get("shell", "False") != "False"
        or given.get("allow_pickle", "False") != "False"
        or (of == "torch" and name == "load" and given.get("weights_only") != "True")
        or (of == "yaml" and name.startswith("load") and given.get("Loader") != "_Text")
    )


def test_nothing_that_runs_data_is_called() -> None:
    found = {
        (str(path.relative_to(ROOT)), named(call)[0])
        for path in SOURCES
        for call in calls(path)
        if runs_data(call)
    }
    assert found == KNOWN


READS = {
    "open",
    "open_file",
    "read_bytes",
    "read_text",
    "read_json",
    "read_csv",
    "read_parquet",
    "read_table",
}
READS |= {
    "ParquetFile",
    "memmap",
    "fromfile",
    "SoundFile",
    "InferenceSession",
    "FileSystemLoader",
    "read_columns",
}
READS_OF = {("load", "np"), ("load", "torch"), ("load", "tomllib"), ("load", "json"), ("loads", "json")}


def reads(call: ast.Call) -> bool:
    modes = [*call.args, *(word.value for word in call.keywords)]
    writes = any(isinstance(one, ast.Constant) and one.value in ("w", "wb", "a", "ab", "x") for one in modes)
    return not writes and (named(call)[0] in READS or named(call) in READS_OF)


def test_every_module_that_reads_files_is_listed() -> None:
    listed = set(
        re.findall(r"`((?:serkit|benchmark)/[\w/]+\.py)`", (ROOT / "docs" / "security.md").read_text())
    )
    reading = {str(path.relative_to(ROOT)) for path in SOURCES if any(map(reads, calls(path)))}
    assert sorted(reading - listed) == [], "say in docs/security.md what they accept"
    assert sorted(one for one in listed if not (ROOT / one).is_file()) == []
