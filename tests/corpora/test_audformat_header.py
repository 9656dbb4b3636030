"""Headers and tables in the audformat layout: as its library reads them, broken and hostile."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import audformat
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit import corpora
from serkit.corpora import audformat as reader
from serkit.corpora.reading.corpus import Corpus
from serkit.errors import CorpusMissing, CorpusUnfit, SerkitError
from tests import corpus_trees as trees
from tests.fuzz import FEWER

# --- against the library that wrote it ---


def rich(top: Path, storage: str) -> audformat.Database:
    """A database with every kind of scheme, table and value that the reader may meet."""
    db = audformat.Database("rich", meta={"audb": {"version": "1.2.3"}})
    db["persons"] = audformat.MiscTable(pd.Index(["p1", "p2", "p3"], dtype="string", name="person"))
    db["moods"] = audformat.MiscTable(pd.Index(["Angry", "happy"], dtype="string", name="mood"))
    db.schemes |= {
        "list": audformat.Scheme(labels=["anger", "no", "yes", "1"]),
        "dict": audformat.Scheme(labels={"anger": {"category": "b"}, "happiness": {"category": "a"}}),
        "numbers": audformat.Scheme(labels=[1, 2, 3]),
        "misc": audformat.Scheme("str", labels="moods"),
        "person": audformat.Scheme("str", labels="persons"),
        **{kind: audformat.Scheme(kind) for kind in ("bool", "int", "float", "str", "time", "date")},
    }
    db.splits["dev"] = audformat.Split("dev")
    values = {
        "list": ["no", "1", None],
        "dict": ["anger", None, "happiness"],
        "numbers": [3, None, 1],
        "misc": ["happy", "Angry", None],
        "person": ["p1", "p3", None],
        "bool": [True, False, None],
        "int": [1, -2, None],
        "float": [0.5, 1.0, None],
        "str": ["a, b", 'he said "no"\nö', None],
        "plain": ["x", None, "y"],
    }
    for name, index in (
        ("whole", audformat.filewise_index(["a.wav", "b/ä.wav", "c.wav"])),
        ("parts", audformat.segmented_index(["a.wav", "a.wav", "c.wav"], [0, 1, 2], [1, 2, 3])),
        ("zero", audformat.segmented_index(["a.wav", "b/ä.wav", "c.wav"])),
    ):
        table = db[name] = audformat.Table(index, split_id="dev")
        for column, column_values in values.items():
            scheme = None if column == "plain" else column
            table[column] = audformat.Column(scheme_id=scheme)
            table[column].set(column_values)
    db.save(str(top), storage_format=storage)
    return audformat.Database.load(str(top))


@pytest.mark.parametrize("storage", ["csv", "parquet"])
def test_a_database_is_read_as_its_library_reads_it(storage: str, tmp_path: Path) -> None:
    theirs = rich(tmp_path, storage)
    ours = reader._Database(tmp_path)
    assert (ours.header.name, ours.header.version) == (theirs.name, theirs.meta["audb"]["version"])
    assert list(ours.header.tables) == list(theirs.tables)
    assert ours.header.splits == {"dev": theirs.splits["dev"].type}
    for name, table in theirs.tables.items():
        said = ours.header.tables[name]
        assert list(said.columns) == list(table.columns)
        assert said.split == table.split_id
        assert ours.has_parts(name) == (name == "parts")
        frame = table.get()
        for column in table.columns:
            series = ours.series(name, column)
            assert series.index.tolist() == frame.index.get_level_values("file").tolist()
            assert series.tolist() == [None if pd.isna(one) else str(one) for one in frame[column]]
            scheme = table[column].scheme
            labels = [str(one) for one in scheme.labels_as_list] if scheme and scheme.labels else []
            assert ours.declared(name, column) == labels
    assert ours.notes == []


# --- broken or hostile ---

TOUCH = "!!python/object/apply:os.system ['touch ran']"
HOSTILE = {
    "tag": f"name: mine\nmeta: {TOUCH}\n",
    "tag first": f"{TOUCH}\n",
    "tag of a key": f"? {TOUCH}\n: 1\nname: mine\n",
    "tag of an anchor": f"a: &a {TOUCH}\nb: *a\nname: mine\n",
    "module": "name: !!python/module:antigravity\n",
    "new": "name: mine\na: !!python/object/new:os.system ['touch ran']\n",
    "deep": "a: " + "[" * 100_000 + "\nname: mine\n",
    "deep blocks": "\n".join(" " * k + "a:" for k in range(2000)),
    "twice": "name: mine\nname: mine\n",
    "bomb": "name: mine\ntables: &a [x]\nb: &b [*a, *a]\n"
    + "\n".join(f"c{k}: &c{k} [*{'b' if k == 0 else f'c{k - 1}'}, *b]" for k in range(60)),
    "long": "name: mine\n" + "#" * (4 << 20),
    "loop": "name: mine\na: &a [*a]\n",
    "merged": "name: mine\na: &a {b: c}\nd:\n  <<: *a\n",
    "pointer": trees.LFS_POINTER,
    "cut": "name: mine\ntables: {files: {type: filew",
    "bytes": "\udcff\udcfe\udc80",
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_header_runs_nothing(hostile: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    header = tmp_path / "data" / "a" / "db.yaml"
    header.parent.mkdir(parents=True)
    header.write_bytes(HOSTILE[hostile].encode("utf-8", "surrogateescape"))
    with pytest.raises(CorpusUnfit, match=r"db\.yaml"):
        corpora.load("audformat", tmp_path / "data", {"name": "mine"})
    trees.audformat(tmp_path / "data" / "b" / "deeper", audio=False)
    corpus = corpora.load("audformat", tmp_path / "data", {"name": "mine"})
    assert corpus.folder.name == "deeper"
    assert not (tmp_path / "ran").exists()


def test_a_broken_header_of_the_wanted_database_is_unfit_and_not_missing(tmp_path: Path) -> None:
    trees.audformat(tmp_path / "a", "first", audio=False)
    header = trees.audformat(tmp_path / "b", "second", audio=False) / "db.yaml"
    text = header.read_text()
    for broken in (text + "x: [", text.replace("name: second", "name:"), ""):
        header.write_text(broken)
        with pytest.raises(CorpusUnfit, match=r"b.db\.yaml cannot be read"):
            corpora.load("audformat", tmp_path, {"name": "second"})
        assert corpora.load("audformat", tmp_path, {"name": "first"}).folder == tmp_path / "a"
        alone = corpora.load("audformat", tmp_path)
        assert alone.folder == tmp_path / "a"
        assert alone.notes[-1].endswith(f"are not read: {tmp_path / 'b'}")
    header.write_text(text.replace("name: second", "name: other") + "x: [")
    with pytest.raises(CorpusMissing, match=r"second: no audformat database of that name.*other"):
        corpora.load("audformat", tmp_path, {"name": "second"})


@pytest.mark.parametrize("file", ["db.yaml", "db.files.csv"])
def test_what_is_no_file_is_refused_at_once(file: str, tmp_path: Path) -> None:
    trees.audformat(tmp_path, audio=False)
    for put in (os.mkfifo, os.mkdir, lambda path: os.symlink("nowhere", path)):
        path = tmp_path / file
        path.unlink() if path.is_symlink() or not path.is_dir() else path.rmdir()
        put(path)
        with pytest.raises(CorpusUnfit, match=file.replace(".", r"\.")):
            corpora.load("audformat", tmp_path)


def test_a_table_of_another_folder_is_not_read(tmp_path: Path) -> None:
    trees.audformat(tmp_path / "a", audio=False)
    header = tmp_path / "a" / "db.yaml"
    header.write_text(header.read_text().replace("  files:", "  x/../../files:"))
    with pytest.raises(CorpusUnfit, match=r"table is called 'x/\.\./\.\./files'"):
        reader.read(tmp_path / "a")


# --- whatever else may lie there ---


def mutated(text: bytes) -> st.SearchStrategy[bytes]:
    """Bytes with a few of them cut out, doubled, or replaced by others."""
    words = [
        b":",
        b"\n",
        b",",
        b'"',
        b"- ",
        b"[",
        b"{",
        b"&a ",
        b"*a",
        b"!!python/none",
        b"\0",
        b"\xff",
        b"  ",
    ]
    piece = st.one_of(st.sampled_from(words), st.binary(max_size=4))
    change = st.tuples(st.integers(0, len(text)), st.integers(0, 12), piece)

    def apply(changes: list[tuple[int, int, bytes]]) -> bytes:
        out = text
        for at, n, new in changes:
            out = out[:at] + new + out[at + n :]
        return out

    return st.lists(change, min_size=1, max_size=4).map(apply)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trees.audformat(tmp_path_factory.mktemp("fuzz") / "mine", audio=False)


@FEWER
@given(data=st.data())
def test_anything_gives_a_corpus_or_a_clear_error(data: st.DataObject, scratch: Path) -> None:
    file = scratch / data.draw(st.sampled_from(["db.yaml", "db.files.csv", "db.emotion.test.csv"]))
    whole = file.read_bytes()
    try:
        file.write_bytes(data.draw(mutated(whole)))
        with contextlib.suppress(SerkitError):
            assert isinstance(corpora.load("audformat", scratch.parent), Corpus)
    finally:
        file.write_bytes(whole)
