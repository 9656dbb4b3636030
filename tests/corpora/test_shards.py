"""Audio inside parquet files, as Hugging Face's datasets have it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from serkit import corpora, packs
from serkit.corpora.reading import shards
from serkit.errors import CorpusUnfit, SerkitError
from tests.made_tables import rows, sound, write_shards


def load(data: Path, **options: object) -> corpora.Corpus:
    return corpora.load("tables", data, options)


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))
    write_shards(tmp_path / "data" / "mine" / "data", rows())
    return tmp_path / "data"


def test_a_dataset_is_unpacked_byte_for_byte(dataset: Path) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in dataset.rglob("*"))
    corpus = load(dataset, file="mine/data/*.parquet")
    assert corpus.clips.groupby("split")["label"].size().to_dict() == {
        "train": 12,
        "validation": 4,
        "test": 8,
    }
    assert set(corpus.clips["speaker"]) == {f"s{k}" for k in range(6)}
    assert len(corpus.others) == 1
    table = {Path(str(row["path"])).stem: sound(k) for k, row in enumerate(rows())}
    for path in corpus.clips["path"]:
        assert (corpus.folder / path).read_bytes() == table[Path(path).stem.partition("-")[2]]
    assert sorted((path, path.stat().st_mtime_ns) for path in dataset.rglob("*")) == before
    assert len(packs.pack(corpus, 16_000).lengths) == 24


def test_a_dataset_may_be_in_folds_or_one_file(dataset: Path) -> None:
    assert load(dataset, file="data/*.parquet", folds=3).n_folds == 3
    write_shards(dataset / "one", rows(split="train"), n_each=99)
    assert load(dataset, file="one/train-00000-of-00001.parquet", folds=6).n_folds == 6
    with pytest.raises(
        CorpusUnfit, match=r"no clip is in validation or test; the database has train \(24 clips"
    ):
        load(dataset, file="one/*.parquet")


def test_a_dataset_is_unpacked_once_and_anew_where_it_changed(dataset: Path) -> None:
    def times(corpus: corpora.Corpus) -> list[int]:
        return [(corpus.folder / path).stat().st_mtime_ns for path in corpus.clips["path"]]

    first = load(dataset, file="data/*.parquet")
    assert times(load(dataset, file="data/*.parquet")) == times(first)
    (first.folder / first.clips["path"].iloc[3]).write_bytes(b"")
    mended = load(dataset, file="data/*.parquet")
    assert mended.folder == first.folder
    assert (mended.folder / mended.clips["path"].iloc[3]).stat().st_size > 0
    flipped = first.folder / first.clips["path"].iloc[5]
    kept, data = flipped.stat(), flipped.read_bytes()
    flipped.write_bytes(data[:-1] + b"\xff")
    os.utime(flipped, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    load(dataset, file="data/*.parquet")
    assert flipped.read_bytes() == data
    (first.folder / ".index.json").write_text("[[3]]")
    assert times(load(dataset, file="data/*.parquet"))
    write_shards(dataset / "mine" / "data", rows(speaker="s0"))
    with pytest.raises(CorpusUnfit, match="1 speakers stand on both sides"):
        load(dataset, file="data/*.parquet")


def test_only_the_rows_wanted_are_unpacked(dataset: Path) -> None:
    corpus = load(dataset, file="data/*.parquet", where={"language": "de"})
    assert set(corpus.clips["speaker"]) == {"s0", "s1", "s2", "s3"}
    assert len(list(corpus.folder.glob("*.wav"))) == 17
    whole = load(dataset, file="data/*.parquet")
    assert whole.folder != corpus.folder
    assert set(corpus.clips["path"]) < set(whole.clips["path"])  # a clip keeps its name


@pytest.mark.parametrize(
    "name",
    [
        "../../x.wav",
        "/etc/passwd",
        "a/b\0c.wav",
        "é" * 300 + ".wav",
        ".hidden.wav",
        "",
        None,
        "..",
        "x.\x1b[31m",
    ],
)
def test_names_inside_decide_nothing(name: str | None, dataset: Path) -> None:
    outside = set(dataset.parent.rglob("*"))
    write_shards(dataset / "mine" / "data", rows(path=name))
    corpus = load(dataset, file="data/*.parquet")
    made = set(dataset.parent.rglob("*")) - outside
    assert all(path.is_relative_to(dataset.parent / "cache") for path in made)
    assert all((corpus.folder / path).is_file() and path[0].isdecimal() for path in corpus.clips["path"])
    assert len(corpus.clips) == 24


def test_a_row_without_audio_is_a_clip_that_is_missing(dataset: Path) -> None:
    file = dataset / "mine" / "data" / "test-00000-of-00001.parquet"
    table = parquet.read_table(file)
    audio = table["audio"].to_pylist()
    audio[0] = {"bytes": None, "path": "elsewhere.wav"}
    audio[1] = None
    kept = pa.array(audio, table["audio"].type)
    parquet.write_table(table.set_column(0, "audio", kept), file)
    corpus = load(dataset, file="data/*.parquet")
    there = [(corpus.folder / path).is_file() for path in corpus.clips["path"]]
    assert (len(there), sum(there)) == (24, 22)


def test_labels_outside_of_the_classes_are_none(dataset: Path) -> None:
    file = dataset / "mine" / "data" / "test-00000-of-00001.parquet"
    table = parquet.read_table(file)
    parquet.write_table(
        table.set_column(1, "label", pa.array([-1, 9, *table["label"].to_pylist()[2:]])), file
    )
    corpus = load(dataset, file="data/*.parquet")
    assert "2 clips with no label are not used" in corpus.notes


def test_each_shard_says_what_its_numbers_mean(dataset: Path) -> None:
    digest = load(dataset, file="data/*.parquet").clips[["label", "speaker"]].value_counts().to_dict()
    file = dataset / "mine" / "data" / "test-00000-of-00001.parquet"
    table = parquet.read_table(file)
    about = json.loads(table.schema.metadata[b"huggingface"])
    names = about["info"]["features"]["label"]["names"]
    names.reverse()
    turned = pa.array([len(names) - 1 - number for number in table["label"].to_pylist()])
    table = table.set_column(1, "label", turned).replace_schema_metadata({"huggingface": json.dumps(about)})
    parquet.write_table(table, file)
    assert load(dataset, file="data/*.parquet").clips[["label", "speaker"]].value_counts().to_dict() == digest


def test_a_column_that_one_shard_lacks_is_refused(dataset: Path) -> None:
    first = min((dataset / "mine" / "data").iterdir())
    parquet.write_table(parquet.read_table(first).drop(["speaker"]), first)
    with pytest.raises(CorpusUnfit, match=rf"{first.name} has no column 'speaker'"):
        load(dataset, file="data/*.parquet")


def test_two_columns_of_audio_are_not_guessed(dataset: Path) -> None:
    for file in (dataset / "mine" / "data").iterdir():
        table = parquet.read_table(file)
        parquet.write_table(table.append_column("clean", table["audio"]), file)
    with pytest.raises(CorpusUnfit, match=r"audio, clean hold audio; set the option path to one"):
        load(dataset, file="data/*.parquet")
    assert load(dataset, file="data/*.parquet", path="clean")


def test_a_damaged_shard_is_named_and_leaves_nothing(dataset: Path) -> None:
    file = dataset / "mine" / "data" / "test-00000-of-00001.parquet"
    whole = file.read_bytes()
    for damaged in (b"", whole[:-10], whole[: len(whole) // 2], b"\0" * len(whole)):
        file.write_bytes(damaged)
        with pytest.raises(CorpusUnfit, match=r"test-00000-of-00001\.parquet cannot be read"):
            load(dataset, file="data/*.parquet")
    assert not list((dataset.parent / "cache").rglob("*.wav"))


def test_a_full_disk_says_what_moves_the_cache(dataset: Path, monkeypatch) -> None:
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(SerkitError, match=r"No space left on device\); free some space, or set SERKIT_CACHE"):
        load(dataset, file="data/*.parquet")
    assert not list((dataset.parent / "cache" / "unpacked").glob("*.draft"))


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("data/train-00000-of-00004.parquet", "train"),
        ("data/emo-db-00000-of-00001.parquet", "emo-db"),
        ("default/validation/0000.parquet", "validation"),
        ("test.parquet", "test"),
    ],
)
def test_a_files_name_says_its_split(name: str, split: str) -> None:
    assert shards.split_of(Path(name)) == split
