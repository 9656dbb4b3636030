"""Readers against label files and names that nobody would write by hand: a corpus or a SerkitError, always.

`read` is called itself: what `serkit.corpora.read` would turn into a message is a failure here.
"""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from serkit import corpora
from serkit.corpora.reading.corpus import Corpus
from serkit.errors import SerkitError
from tests import corpus_trees as trees
from tests import made_tables
from tests.fuzz import FEWER

PIECES = st.one_of(
    st.binary(max_size=6),
    st.sampled_from(
        [b"", b"\n", b"\r", b",", b"\t", b'"', b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"nan", b"-", b"[", b":"]
    ),
    st.text(max_size=4).map(lambda text: text.encode(errors="ignore")),
)
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), PIECES), min_size=1, max_size=5)
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=30)


def edited(data: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    """The bytes with some replaced, each time: where (a share of the length), how many, by what."""
    for place, n, piece in edits:
        start = int(place * len(data))
        data = data[:start] + piece + data[start + n :]
    return data


def outcome(name: str, folder: Path, **options: object) -> None:
    filled = corpora.checked_options(name, options)
    with contextlib.suppress(SerkitError):
        corpus = corpora.reader(name).read(folder, **filled)
        assert isinstance(corpus, Corpus)
        assert len(corpus.digest()) == 64


def _msp(top: Path) -> None:
    trees.write_msp(top, trees.msp_rows("1.8")[::400])


def _iemocap(top: Path) -> None:
    turns = {
        f"Ses0{k}F_impro01": [(f"Ses0{k}F_impro01_{who}000", "ang") for who in "FM"] for k in range(1, 6)
    }
    trees.write_iemocap(top, turns)


def _crema_d(top: Path) -> None:
    stems = trees.crema_d_stems()[::400]
    trees.place(top / "AudioWAV", stems)
    trees.write_votes(top, {stem: ("ANHS"[k % 4], "N:S") for k, stem in enumerate(stems)})


def _tables(top: Path) -> None:
    made_tables.write_csv(top / "t.csv", made_tables.rows())


def _shards(top: Path) -> None:
    made_tables.write_shards(top, made_tables.rows(split="train"), n_each=99)


LABELS = {
    "msp_podcast": (_msp, "Labels/labels_consensus.csv", {}),
    "iemocap": (_iemocap, "Session3/dialog/EmoEvaluation/Ses03F_impro01.txt", {}),
    "crema_d": (_crema_d, "processedResults/summaryTable.csv", {"labels": "voice"}),
    "tables": (_tables, "t.csv", {"file": "t.csv", "where": {"language": ["de", "en"]}}),
    "shards": (_shards, "train-00000-of-00001.parquet", {"file": "*.parquet", "folds": 3}),
}


@pytest.mark.parametrize("kind", LABELS)
def test_label_files(kind: str, tmp_path: Path, monkeypatch) -> None:
    make, file, options = LABELS[kind]
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))
    make(tmp_path / "corpus")
    path = tmp_path / "corpus" / file
    whole = path.read_bytes()

    @FEWER
    @given(EDITS)
    @example([(0.0, len(whole), b"")])
    @example(
        [(0.0, len(whole), whole.replace(b"\n", b"\r\n").decode().encode("utf-16"))]
        if kind != "shards"
        else []
    )
    def hold(edits: list[tuple[float, int, bytes]]) -> None:
        path.write_bytes(edited(whole, edits))
        outcome({"shards": "tables"}.get(kind, kind), tmp_path / "corpus", **options)

    hold()


@pytest.mark.parametrize("kind", ["msp_podcast", "crema_d", "tables"])
def test_values_of_label_files(kind: str, tmp_path: Path) -> None:
    """What still is a table, with other values in it."""
    make, file, options = LABELS[kind]
    make(tmp_path)
    path = tmp_path / file
    header, *lines = path.read_text().splitlines()
    values = st.one_of(
        NAMES, st.sampled_from(["", "nan", "../..", "/", "'", "Ⅷ", "0" * 5000, "a\u0301", "\ud800"])
    )

    @FEWER
    @given(st.lists(st.tuples(st.integers(0, len(lines) - 1), st.integers(0, 5), values), max_size=4))
    def hold(changes: list[tuple[int, int, str]]) -> None:
        cells = [line.split(",") for line in lines]
        for row, column, value in changes:
            cells[row][column] = '"' + value.replace('"', '""') + '"'
        text = "\n".join([header, *map(",".join, cells)])
        path.write_bytes(text.encode(errors="surrogatepass"))
        outcome(kind, tmp_path, **options)

    hold()


@pytest.mark.parametrize(
    ("name", "place", "like"),
    [
        ("ravdess", "Actor_01", "03-01-05-01-02-01-01"),
        ("emodb", "wav", "03a01Wa"),
        ("crema_d", "AudioWAV", "1001_DFA_ANG_XX"),
    ],
)
def test_names(name: str, place: str, like: str, tmp_path: Path) -> None:
    near = st.tuples(st.integers(0, len(like)), NAMES).map(
        lambda at: like[: at[0]] + at[1] + like[at[0] + 1 :]
    )

    @FEWER
    @given(st.lists(st.one_of(near, NAMES, st.from_regex(r"\A\d\d(-\d\d){6}\Z")), min_size=1, max_size=4))
    def hold(names: list[str]) -> None:
        shutil.rmtree(tmp_path / place, ignore_errors=True)
        (tmp_path / place).mkdir()
        for one in [like, *names]:
            file = tmp_path / place / f"{one}.wav"
            if len(file.name.encode()) < 255 and one not in (".", ".."):
                file.touch()
        options = {"labels": "intended"} if name == "crema_d" else {}
        corpora.reader(name).is_here(tmp_path)
        outcome(name, tmp_path, **options)

    hold()


def test_names_that_are_not_utf_8(tmp_path: Path) -> None:
    for name, place in (("ravdess", "Actor_01"), ("emodb", "wav"), ("crema_d", "AudioWAV")):
        top = tmp_path / name / "\udcff\udcfe"
        trees.place(top / place, ["\udce9t\udce9", "03a01Wa", "03-01-05-01-02-01-01", "1001_DFA_ANG_XX"])
        with pytest.raises(SerkitError, match=r"is not named as its clips are") as caught:
            corpora.load(name, tmp_path / name, {"labels": "intended"} if name == "crema_d" else {})
        assert str(caught.value).isprintable()
