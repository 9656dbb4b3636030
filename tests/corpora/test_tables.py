"""Corpora of one's own: a table with paths, or with the audio inside as Hugging Face's datasets have it."""

from __future__ import annotations

import io
import json
import os
import unicodedata
import wave
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from serkit import corpora, packs
from serkit.corpora import tables
from serkit.errors import CorpusMissing, CorpusUnfit, SerkitError, SpecError

EMOTIONS = ("angry", "happy", "neutral", "sad")
SPLITS = {0: "train", 1: "train", 2: "dev", 3: "test", 4: "train", 5: "test"}


def rows(**changes: object) -> list[dict[str, object]]:
    """Six speakers, each with a clip a label; `boredom` of the first besides. Two clips a fold and label."""
    clips = [(speaker, emotion) for speaker in range(6) for emotion in EMOTIONS] + [(0, "boredom")]
    return [
        {
            "path": f"audio/s{speaker}-{emotion}.wav",
            "label": emotion,
            "speaker": f"s{speaker}",
            "split": SPLITS[speaker],
            "part": str(speaker % 3 + 8),
            "language": "de" if speaker < 4 else "en",
            **changes,
        }
        for speaker, emotion in clips
    ]


def sound(value: int, n: int = 800) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setparams((1, 2, 16_000, n, "NONE", ""))
        out.writeframes(value.to_bytes(2, "little") * n)
    return buffer.getvalue()


def write_csv(path: Path, table: list[dict[str, object]], delimiter: str = ",", audio: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [delimiter.join(table[0]), *(delimiter.join(map(str, row.values())) for row in table)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for row in table if audio else ():
        file = path.parent / str(row["path"])
        file.parent.mkdir(exist_ok=True)
        file.touch()
    return path


def write_shards(
    top: Path, table: list[dict[str, object]], *, classes: bool = True, n_each: int = 10
) -> None:
    """The rows as a dataset: two files a split at most, labels as numbers, the audio inside."""
    top.mkdir(parents=True, exist_ok=True)
    names = sorted({str(row["label"]) for row in table})
    features = {"label": {"names": names, "_type": "ClassLabel"}, "audio": {"_type": "Audio"}}
    about = {"huggingface": json.dumps({"info": {"features": features}})} if classes else None
    for split in dict.fromkeys(row["split"] for row in table):
        here = [(k, row) for k, row in enumerate(table) if row["split"] == split]
        shards = [here[start : start + n_each] for start in range(0, len(here), n_each)]
        for number, shard in enumerate(shards):
            columns = {
                "audio": pa.array([{"bytes": sound(k), "path": row["path"]} for k, row in shard]),
                "label": [names.index(str(row["label"])) if classes else row["label"] for _, row in shard],
                "speaker": [row["speaker"] for _, row in shard],
                "language": [row["language"] for _, row in shard],
            }
            name = f"{split}-{number:05d}-of-{len(shards):05d}.parquet"
            parquet.write_table(
                pa.table(columns).replace_schema_metadata(about), top / name, row_group_size=4
            )


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


# --- the audio inside ---


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
    assert tables.shards.split_of(Path(name)) == split
