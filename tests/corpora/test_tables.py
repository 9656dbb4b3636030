"""Corpora of one's own: a table with paths, or with the audio inside as Hugging Face's datasets have it."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from serkit import corpora, packs
from serkit.corpora import tables
from serkit.errors import CorpusMissing, CorpusUnfit, SpecError
from tests.every_reader import EveryReader
from tests.made_tables import EMOTIONS, rows, sound, write_csv

READER = tables
CASES = [
    (".", {"file": "t.csv"}),
    (".", {"file": "t.csv", "folds": 3}),
    (".", {"file": "t.csv", "fold": "part", "where": {"language": ["de", "en"]}}),
]


def make(top: Path) -> None:
    write_csv(top / "mine" / "t.csv", rows())


class TestItIsAReader(EveryReader):
    """What holds for every reader."""


def load(data: Path, **options: object) -> corpora.Corpus:
    return corpora.load("tables", data, options)


# --- a table with paths ---


def test_a_table_with_the_usual_columns_needs_its_name_alone(tmp_path: Path) -> None:
    write_csv(tmp_path / "deep" / "mine" / "clips.csv", rows())
    corpus = load(tmp_path, file="clips.csv")
    assert corpus.folder == tmp_path / "deep" / "mine"
    assert corpus.clips.groupby("split")["label"].size().to_dict() == {
        "train": 12,
        "validation": 4,
        "test": 8,
    }
    assert corpus.others == ("audio/s0-boredom.wav",)
    assert "1 clips with boredom are not used" in corpus.notes
    assert load(tmp_path, file="mine/clips.csv").digest() == corpus.digest()


@pytest.mark.parametrize(("name", "delimiter"), [("t.tsv", "\t"), ("t.csv", ";"), ("t.txt", ",")])
def test_what_parts_the_columns_is_seen(name: str, delimiter: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", rows())
    expected = load(tmp_path, file="t.csv").digest()
    write_csv(tmp_path / name, rows(), delimiter)
    assert load(tmp_path, file=name).digest() == expected


def test_columns_are_named_in_the_study_and_paths_may_lack_their_suffix(tmp_path: Path) -> None:
    table = [
        {"file_id": f"s{k}-{e}", "emotion": e.upper(), "who": f"s{k}"} for k in range(6) for e in EMOTIONS
    ]
    path = write_csv(tmp_path / "nemo" / "data.tsv", table, "\t", audio=False)
    (path.parent / "samples").mkdir()
    for row in table:
        (path.parent / "samples" / f"{row['file_id']}.flac").touch()
    corpus = load(
        tmp_path, file="data.tsv", path="file_id", root="samples", label="emotion", speaker="who", folds=3
    )
    assert corpus.folder == tmp_path / "nemo" / "samples"
    assert corpus.clips["path"].iloc[0] == "s0-angry.flac"
    assert corpus.n_folds == 3
    assert corpora.folds("tables", {"file": "data.tsv", "folds": 3}) == 3


def test_a_column_may_give_the_folds(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", rows())
    corpus = load(tmp_path, file="t.csv", fold="part")
    assert corpus.clips.groupby("fold")["speaker"].unique().map(list).to_dict() == {
        0: ["s0", "s3"],
        1: ["s1", "s4"],
        2: ["s2", "s5"],
    }  # 8, 9, 10: as numbers, not as words
    assert corpus.validation_fold == (1, 2, 0)
    assert corpora.folds("tables", {"file": "t.csv", "fold": "part"}) is None
    with pytest.raises(
        CorpusUnfit, match=r"6 speakers stand on both sides of the split, s0 in folds 0 and 1"
    ):
        load(tmp_path, file="t.csv", fold="label", labels={"boredom": "sad", **{e: e for e in EMOTIONS}})


def test_rows_are_chosen_by_the_values_of_columns(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", rows())
    assert set(load(tmp_path, file="t.csv", where={"language": "de"}).clips["speaker"]) == {
        "s0",
        "s1",
        "s2",
        "s3",
    }
    both = load(tmp_path, file="t.csv", where={"language": ["de", "en"], "label": ("sad", "angry")}, folds=3)
    assert len(both.clips) == 12
    with pytest.raises(CorpusUnfit, match=r"no row has language 'fr'; it has de, en"):
        load(tmp_path, file="t.csv", where={"language": "fr"})


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_two_spellings_of_one_name_are_one_name(forms, tmp_path: Path) -> None:
    table = [{**row, "path": f"Zoë/{row['speaker']}-{row['label']}-é.wav"} for row in rows()]
    inside, on_disk = (
        [{k: unicodedata.normalize(form, str(v)) for k, v in row.items()} for row in table] for form in forms
    )
    write_csv(tmp_path / "t.csv", inside, audio=False)
    for k, row in enumerate(on_disk):
        (tmp_path / row["path"]).parent.mkdir(exist_ok=True)
        (tmp_path / row["path"]).write_bytes(sound(k))
    corpus = load(tmp_path, file="t.csv")
    assert all((corpus.folder / path).is_file() for path in corpus.clips["path"])
    assert len(packs.pack(corpus, 16_000).lengths) == 24
    write_csv(tmp_path / "t.csv", on_disk, audio=False)
    assert load(tmp_path, file="t.csv").digest() == corpus.digest()


def test_a_word_in_several_cases_is_one_word(tmp_path: Path) -> None:
    table = [
        {**row, "label": str(row["label"]).upper() if k % 3 else row["label"]} for k, row in enumerate(rows())
    ]
    write_csv(tmp_path / "t.csv", table)
    assert len(load(tmp_path, file="t.csv").clips) == 24


def test_space_around_a_name_makes_no_second_speaker(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "t.csv", [{**row, "speaker": f" s{k % 3} "[k % 2 :]} for k, row in enumerate(rows())]
    )
    with pytest.raises(CorpusUnfit, match=r"3 speakers stand on both sides of the split"):
        load(tmp_path, file="t.csv")


def test_a_root_that_is_forgotten_is_thought_of(tmp_path: Path) -> None:
    write_csv(tmp_path / "in" / "t.csv", rows())
    (tmp_path / "in" / "audio").rename(tmp_path / "audio")
    assert any("set the option root" in note for note in load(tmp_path, file="t.csv").notes)
    assert load(tmp_path, file="t.csv", root="..").notes == ("1 clips with boredom are not used",)


def test_text_that_is_not_utf_8_is_said_with_its_line(tmp_path: Path) -> None:
    text = write_csv(tmp_path / "t.csv", rows()).read_text().replace("s2", "sé")
    for encoding, line in (("latin-1", 10), ("utf-16", 1)):
        (tmp_path / "t.csv").write_bytes(text.encode(encoding))
        with pytest.raises(CorpusUnfit, match=rf"line {line} is not in UTF-8; save it as UTF-8"):
            load(tmp_path, file="t.csv")


def test_speakers_and_labels_may_be_spelt_either_way(tmp_path: Path) -> None:
    table = rows()
    for k, row in enumerate(table):
        form = ("NFC", "NFD")[k % 2]
        row["speaker"] = unicodedata.normalize(form, f"é{row['speaker']}")
        row["label"] = unicodedata.normalize(form, str(row["label"]).replace("happy", "fröhlich"))
        row["language"] = unicodedata.normalize(form, "français")
    write_csv(tmp_path / "t.csv", table)
    labels = {"fröhlich": "happy", "angry": "angry", "neutral": "neutral", "sad": "sad"}
    corpus = load(tmp_path, file="t.csv", labels=labels, where={"language": "franc\u0327ais"}, folds=6)
    assert corpus.clips.groupby("speaker")["label"].nunique().tolist() == [4] * 6


def test_a_digest_does_not_depend_on_the_disks_spelling(tmp_path: Path) -> None:
    digests = set()
    for form in ("NFC", "NFD"):
        table = [
            {**row, "path": unicodedata.normalize(form, f"{row['label']}é{row['speaker']}.wav")}
            for row in rows()
        ]
        write_csv(tmp_path / form / "t.csv", table)
        digests.add(load(tmp_path / form, file="t.csv").digest())
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, SpecError, r"option file = None; expected the table's path"),
        ({"file": "/t.csv"}, SpecError, r"option file = '/t\.csv'"),
        ({"file": "../t.csv"}, SpecError, r"option file = '\.\./t\.csv'"),
        ({"file": 3}, SpecError, r"option file = 3"),
        ({"root": 3}, SpecError, r"option root = 3; expected text"),
        ({"label": ["a"]}, SpecError, r"option label = \['a'\]; expected text"),
        ({"file": "u.csv"}, CorpusMissing, r"table u\.csv: it is in no folder at or below"),
        (
            {"path": "file"},
            CorpusUnfit,
            r"t\.csv has no column 'file'; set the option path to one of 'path', 'label'",
        ),
        ({"label": "emotion"}, CorpusUnfit, r"no column 'emotion'; set the option label"),
        ({"speaker": "who"}, CorpusUnfit, r"no column 'who'; set the option speaker"),
        ({"split": "set"}, CorpusUnfit, r"no column 'set'; set the option split"),
        ({"fold": "f"}, CorpusUnfit, r"no column 'f'; set the option fold"),
        ({"where": {"x": "y"}}, CorpusUnfit, r"no column 'x'; set the option where"),
        ({"where": 3}, SpecError, r"option where = 3; expected values by column"),
        ({"where": "de"}, SpecError, r"option where = 'de'; expected values by column"),
        (
            {"fold": "part", "folds": 3},
            SpecError,
            r"options fold and folds, split or splits exclude each other",
        ),
        ({"folds": 2}, SpecError, r"folds = 2; expected 3 or more"),
        ({"labels": {"joy": "happy"}}, CorpusUnfit, r"no label 'joy' in column label; it has angry, boredom"),
        ({"fold": "language"}, CorpusUnfit, r"its folds are de, en; expected 3 or more"),
    ],
)
def test_what_does_not_fit_says_what_would(options, error, message: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", rows(), audio=False)
    with pytest.raises(error, match=message):
        load(tmp_path, **({"file": "t.csv"} if options and "file" not in options else {}), **options)


def test_nothing_that_says_the_split_is_said(tmp_path: Path) -> None:
    table = [{key: row[key] for key in ("path", "label", "speaker")} for row in rows()]
    write_csv(tmp_path / "t.csv", table)
    with pytest.raises(
        CorpusUnfit, match=r"nothing says which clips .*\(path, label, speaker\), or folds to 3"
    ):
        load(tmp_path, file="t.csv")


def test_the_same_name_in_two_folders_is_not_guessed(tmp_path: Path) -> None:
    for folder in "ab":
        write_csv(tmp_path / folder / "t.csv", rows())
    with pytest.raises(CorpusUnfit, match=r"it is in .*/a, .*/b; set the option file to more of its path"):
        load(tmp_path, file="t.csv")
    assert load(tmp_path, file="b/t.csv").folder == tmp_path / "b"


@pytest.mark.parametrize("path", ["../x.wav", "/etc/passwd", "a/../../x.wav", "a\0b.wav"])
def test_paths_stay_below_their_root(path: str, tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", rows(path=path), audio=False)
    with pytest.raises(CorpusUnfit, match=r"lies outside|no name of a file"):
        load(tmp_path, file="t.csv")


def test_absolute_paths_below_the_root_are_paths_whatever_link_leads_there(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to("disk")
    for one in ("disk", "link"):
        table = [{**row, "path": f"{tmp_path}/{one}/{row['path']}"} for row in rows()]
        write_csv(tmp_path / "disk" / "t.csv", table)
        for data in ("disk", "link"):
            assert load(tmp_path / data, file="t.csv").clips["path"].iloc[0] == "audio/s0-angry.wav"


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_what_is_no_file_is_refused_at_once(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(CorpusUnfit, match=r"a named pipe, expected a file"):
        load(tmp_path, file=name)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(CorpusUnfit, match=r"a folder, expected a file"):
        load(tmp_path, file=name)


def test_a_parquet_table_may_hold_paths(tmp_path: Path) -> None:
    write_csv(tmp_path / "t.csv", rows())
    parquet.write_table(pa.Table.from_pylist(rows()), tmp_path / "t.parquet")
    assert load(tmp_path, file="t.parquet").digest() == load(tmp_path, file="t.csv").digest()
