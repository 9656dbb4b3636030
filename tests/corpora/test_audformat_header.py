"""Databases in the audformat layout that are broken or hostile."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serkit import corpora
from serkit.corpora import audformat as reader
from serkit.corpora.reading.corpus import Corpus
from serkit.errors import CorpusMissing, CorpusUnfit, SerkitError
from tests import corpus_trees as trees
from tests.fuzz import FEWER

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
