"""Databases in the audformat layout, read without its library, against what the library wrote."""

from __future__ import annotations

import os
from pathlib import Path

import audformat
import pandas as pd
import pytest

from serkit import corpora
from serkit.corpora import audformat as reader
from serkit.errors import CorpusMissing, CorpusUnfit, SpecError
from tests import corpus_trees as trees
from tests.corpus_trees import EMOTIONS
from tests.every_reader import EveryReader

READER = reader
CASES = [(".", {}), (".", {"folds": 4})]


def make(top: Path) -> None:
    trees.audformat(top / "mine")


class TestItIsAReader(EveryReader):
    """What holds for every reader."""


@pytest.fixture(scope="module")
def mine(data: Path) -> Path:
    """A database for all tests that only look."""
    return data / "mine"


def test_reads_a_database_without_options(mine: Path) -> None:
    corpus = reader.read(mine)
    assert len(corpus.clips) == 32
    assert ((corpus.clips["split"] == "train") & (corpus.clips["label"] == "angry")).sum() == 4
    assert corpus.notes == ("8 clips with boredom are not used",)
    assert len(corpus.others) == 8
    assert set(corpus.clips["speaker"]) == {f"s{k}" for k in range(8)}


def test_labels_may_be_a_dict_or_pairs(tmp_path: Path) -> None:
    trees.audformat(tmp_path)
    mapping = {"boredom": "sad", "anger": "angry", "happiness": "happy", "neutral": "neutral"}
    corpus = reader.read(tmp_path, labels=mapping)
    assert corpus.digest() == reader.read(tmp_path, labels=tuple(mapping.items())).digest()
    clips = corpus.clips.set_index("path")
    assert clips.loc["audio/s0-boredom.wav", "label"] == "sad"
    assert "audio/s0-sadness.wav" in corpus.others


def test_folds_leave_speakers_out(mine: Path) -> None:
    corpus = reader.read(mine, folds=4)
    assert corpus.n_folds == 4
    assert corpus.validation_fold == (1, 2, 3, 0)
    assert corpus.clips.groupby("fold")["speaker"].nunique().tolist() == [2, 2, 2, 2]


def test_split_may_be_a_column(tmp_path: Path) -> None:
    trees.audformat(tmp_path / "columns", split_ids=False)
    trees.audformat(tmp_path / "tables")
    by_column = reader.read(tmp_path / "columns", split="part")
    assert by_column.digest() == reader.read(tmp_path / "tables").digest()


def test_splits_may_be_renamed(tmp_path: Path) -> None:
    corpus = reader.read(
        trees.audformat(tmp_path), splits={"train": "test", "devel": "train", "test": "validation"}
    )
    assert (corpus.clips["split"] == "test").sum() == 16


@pytest.mark.parametrize(
    ("twin", "where"), [("s0", "train and test"), ("s1", "train and test"), ("s5", "validation and test")]
)
def test_speakers_on_both_sides_of_a_split_are_unfit_unless_the_study_says_so(
    twin: str, where: str, tmp_path: Path
) -> None:
    trees.audformat(tmp_path)
    text = (tmp_path / "db.files.csv").read_text().replace(",s7,", f",{twin},")
    (tmp_path / "db.files.csv").write_text(text)
    with pytest.raises(CorpusUnfit, match=f"1 speakers stand on both sides of the split, {twin} in {where}"):
        reader.read(tmp_path)
    corpus = reader.read(tmp_path, split_by_clip=True)
    assert corpus.split_by_clip
    assert corpus.notes[-1] == f"1 speakers stand on both sides of the split, {twin} in {where}"
    folds = reader.read(tmp_path, folds=3)  # the message's other way out
    assert not folds.split_by_clip


def test_unknown_speakers_may_stand_on_both_sides(tmp_path: Path) -> None:
    trees.audformat(tmp_path)
    text = (tmp_path / "db.files.csv").read_text()
    (tmp_path / "db.files.csv").write_text(text.replace(",s7,", ",,").replace(",s0,", ",,"))
    assert not reader.read(tmp_path).split_by_clip


@pytest.mark.parametrize("labels", [None, {"anger": "angry", "HAPPINESS": "happy", "neutral": "neutral"}])
def test_labels_and_splits_are_the_same_in_any_case(labels, tmp_path: Path) -> None:
    trees.audformat(tmp_path / "lower", split_ids=False)
    trees.audformat(
        tmp_path / "mixed", split_ids=False, emotions=("Anger", "HAPPINESS", "neutral", "Sadness")
    )
    files = tmp_path / "mixed" / "db.files.csv"
    files.write_text(files.read_text().replace(",train", ",Train").replace(",devel", ",DEV"))
    lower, mixed = (reader.read(tmp_path / one, split="part", labels=labels) for one in ("lower", "mixed"))
    columns_ = ["label", "speaker", "split"]
    assert sorted(lower.clips[columns_].values.tolist()) == sorted(mixed.clips[columns_].values.tolist())


def test_of_two_labels_that_differ_in_case_the_one_that_is_named_is_taken(tmp_path: Path) -> None:
    emotions = ("A", "a", "happy", "neutral", "sad")
    trees.audformat(tmp_path, emotions=emotions, audio=False)
    mapping = {"A": "angry", "happy": "happy", "neutral": "neutral", "sad": "sad"}
    corpus = reader.read(tmp_path, labels=mapping)
    assert len(corpus.clips) == 32
    assert corpus.notes == ("8 clips with a are not used",)


@pytest.mark.parametrize("n", [1, 2])
def test_too_few_speakers_for_folds_are_not_told_to_ask_for_fewer(n: int, tmp_path: Path) -> None:
    trees.audformat(tmp_path, n_speakers=n, split_ids=False)
    with pytest.raises(
        CorpusUnfit, match=f"{n} speakers cannot make folds, which need 3.*leave the option folds"
    ):
        reader.read(tmp_path, folds=3)


def test_tables_can_be_chosen(tmp_path: Path) -> None:
    trees.audformat(tmp_path)
    one = reader.read(tmp_path, tables="emotion.train", folds=3)
    two = reader.read(tmp_path, tables=("emotion.train", "emotion.test"), folds=3)
    assert (len(one.clips), len(two.clips)) == (16, 24)


def test_without_speakers_has_unknown_ones(tmp_path: Path) -> None:
    trees.audformat(tmp_path)
    rename_column(tmp_path, "speaker", "name")
    corpus = reader.read(tmp_path)
    assert set(corpus.clips["speaker"]) == {"Unknown"}
    assert "32 clips have no speaker identity" in corpus.notes
    assert set(reader.read(tmp_path, speaker="name").clips["speaker"]) == {f"s{k}" for k in range(8)}
    with pytest.raises(
        CorpusUnfit, match=r"32 clips have no speaker, so speakers cannot be left out.*files \(name"
    ):
        reader.read(tmp_path, folds=3)


def rename_column(top: Path, old: str, new: str) -> None:
    for path in (top / "db.yaml", top / "db.files.csv"):
        path.write_text(path.read_text().replace(old, new))


def test_chooses_among_databases_by_name(tmp_path: Path) -> None:
    trees.audformat(tmp_path / "a", "first")
    trees.audformat(tmp_path / "b" / "deeper", "second")
    (tmp_path / "b" / "db.yaml").write_text("of: other\nsoftware: 1")
    assert corpora.load("audformat", tmp_path, {"name": "second"}).folder == tmp_path / "b" / "deeper"
    with pytest.raises(
        CorpusUnfit, match=r"2 audformat databases, .* option name to one of first \(.*, second"
    ):
        corpora.load("audformat", tmp_path)
    with pytest.raises(CorpusMissing, match=r"database third: .*found first \(.*something else \(.*second"):
        corpora.load("audformat", tmp_path, {"name": "third"})
    with pytest.raises(CorpusUnfit, match="was asked for as second"):
        reader.read(tmp_path / "a", name="second")


def test_audio_may_be_missing_or_of_another_suffix(tmp_path: Path) -> None:
    trees.audformat(tmp_path, audio=False)
    trees.place(tmp_path / "audio", ["s0-anger"], ".FLAC")
    paths = set(reader.read(tmp_path).clips["path"])
    assert {"audio/s0-anger.FLAC", "audio/s1-anger.wav"} <= paths


def test_segments_that_are_whole_files_are_clips(tmp_path: Path) -> None:
    corpus = reader.read(segmented(tmp_path, whole=True), folds=3)
    assert len(corpus.clips) == 12


def test_parts_of_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusUnfit, match=r"rows of table emotion are parts of files.*to_filewise_index"):
        reader.read(segmented(tmp_path, whole=False), folds=3)


def segmented(top: Path, whole: bool) -> Path:
    db = audformat.Database("cut")
    files = [f"{speaker}/{emotion}.wav" for speaker in "abc" for emotion in EMOTIONS[:4]]
    starts = ["0s"] * 12 if whole else [f"{k}s" for k in range(12)]
    ends = [pd.NaT] * 12 if whole else [f"{k + 1}s" for k in range(12)]
    db["emotion"] = audformat.Table(audformat.segmented_index(files, starts, ends))
    for column, values in (
        ("emotion", [Path(file).stem for file in files]),
        ("speaker", [file[0] for file in files]),
    ):
        db["emotion"][column] = audformat.Column()
        db["emotion"][column].set(values)
    db.save(str(top), storage_format="csv")
    return top


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"tables": "emotions"},
            CorpusUnfit,
            r"no table 'emotions'; the database has emotion\.devel \(emotion\);",
        ),
        ({"tables": "files"}, CorpusUnfit, r"table files has no column 'emotion'; .*files \(speaker, part\)"),
        ({"label": "mood"}, CorpusUnfit, r"no table has a column 'mood'; .*emotion\.train \(emotion\)"),
        (
            {"speaker": "name"},
            CorpusUnfit,
            r"no table has a column 'name'; the database has .*files \(speaker",
        ),
        ({"split": "fold"}, CorpusUnfit, r"no table has a column 'fold'; the database has"),
        (
            {"splits": {"dev": "validation"}},
            CorpusUnfit,
            r"no split 'dev'; the database has devel, test, train",
        ),
        (
            {"splits": {"train": "train"}},
            CorpusUnfit,
            r"no clip is in validation; the database has devel \(8",
        ),
        (
            {"tables": "emotion.train"},
            CorpusUnfit,
            r"no clip is in validation or test; the database has train \(16",
        ),
        (
            {"labels": {"joy": "happy"}},
            CorpusUnfit,
            r"no label 'joy' in column emotion; it has anger, boredom",
        ),
        ({"folds": 9}, CorpusUnfit, r"8 speakers cannot make 9 folds; set the option folds to 8 or less"),
        (
            {"labels": {"anger": "furious"}},
            SpecError,
            r"labels maps 'anger' to 'furious'; expected one of angry",
        ),
        (
            {"splits": {"devel": "dev"}},
            SpecError,
            r"splits maps 'devel' to 'dev'; expected one of train, validation",
        ),
        ({"labels": "anger"}, SpecError, r"option labels = 'anger'; expected"),
        ({"folds": 2}, SpecError, r"option folds = 2; expected 3 or more"),
        ({"folds": True}, SpecError, r"option folds = True"),
        ({"folds": 3, "split": "part"}, SpecError, r"exclude each other"),
        ({"folds": 3, "split_by_clip": True}, SpecError, r"split_by_clip exclude each other"),
        ({"split_by_clip": "yes"}, SpecError, r"option split_by_clip = 'yes'; expected true or false"),
    ],
)
def test_options_that_do_not_fit_say_what_would(options, error, message: str, mine: Path) -> None:
    with pytest.raises(error, match=message):
        corpora.load("audformat", mine, options)


def test_without_splits_says_how_to_make_some(tmp_path: Path) -> None:
    trees.audformat(tmp_path, split_ids=False)
    with pytest.raises(
        CorpusUnfit, match=r"table emotion\.all does not say which split it holds; set the option split"
    ):
        reader.read(tmp_path)


def test_labels_of_other_names_must_be_mapped(tmp_path: Path) -> None:
    trees.audformat(tmp_path, emotions=("Wut", "Freude", "normal", "Trauer"))
    with pytest.raises(
        CorpusUnfit, match=r"no label of anger, .*it has Freude, Trauer, Wut, normal\. Set the option"
    ):
        reader.read(tmp_path)
    mapping = {"Wut": "angry", "Freude": "happy", "normal": "neutral", "Trauer": "sad"}
    assert len(reader.read(tmp_path, labels=mapping).clips) == 32


def test_clip_in_two_tables_is_refused(tmp_path: Path) -> None:
    trees.audformat(tmp_path)
    row = (tmp_path / "db.emotion.test.csv").read_text().splitlines()[1]
    with (tmp_path / "db.emotion.train.csv").open("a") as file:
        file.write(row + "\n")
    with pytest.raises(
        CorpusUnfit, match=r"stands twice in emotion\.test and emotion\.train; set the option tables"
    ):
        reader.read(tmp_path)


def test_a_clip_twice_in_one_table_is_no_overlap_of_tables(tmp_path: Path) -> None:
    trees.audformat(tmp_path)
    file = tmp_path / "db.emotion.test.csv"
    file.write_text(file.read_text() + file.read_text().splitlines()[1] + "\n")
    with pytest.raises(CorpusUnfit, match=r"stands twice in emotion\.test; restore it"):
        reader.read(tmp_path)


def test_a_label_is_the_same_in_any_case_though_the_header_has_another(tmp_path: Path) -> None:
    clips = len(reader.read(trees.audformat(tmp_path)).clips)
    for file in tmp_path.glob("db.emotion.*.csv"):
        file.write_text(file.read_text().replace(",anger", ",Anger"))
    assert len(reader.read(tmp_path, labels=dict(anger="angry", sadness="sad")).clips) == clips // 2
    assert len(reader.read(tmp_path).clips) == clips


def test_clip_outside_the_folder_is_refused(tmp_path: Path) -> None:
    trees.audformat(tmp_path)
    for path in tmp_path.glob("db.*.csv"):
        path.write_text(path.read_text().replace("audio/s0", "/elsewhere/s0"))
    with pytest.raises(CorpusUnfit, match=r"/elsewhere/s0-anger\.wav lies outside"):
        reader.read(tmp_path)


@pytest.mark.parametrize("file", ["db.yaml", "db.files.csv", "db.emotion.train.csv"])
def test_pointers_are_refused(file: str, tmp_path: Path) -> None:
    (trees.audformat(tmp_path) / file).write_text(trees.LFS_POINTER)
    with pytest.raises(CorpusUnfit, match=r"git lfs pull"):
        reader.read(tmp_path)


def test_table_without_its_file_is_named(tmp_path: Path) -> None:
    (trees.audformat(tmp_path) / "db.emotion.test.csv").unlink()
    with pytest.raises(CorpusUnfit, match=r"table emotion\.test has no file; restore db\.emotion\.test\.csv"):
        reader.read(tmp_path)


@pytest.mark.parametrize("text", ["just text", "a: [", "", "name: mine\ntables: [a]", "name: [a]", "\0"])
def test_header_that_is_none_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "db.yaml").write_text(text)
    with pytest.raises(CorpusUnfit, match=r"db\.yaml cannot be read"):
        reader.read(tmp_path)


def test_pickles_are_what_the_library_reads_first_and_serkit_never(tmp_path: Path) -> None:
    trees.audformat(tmp_path)
    before = reader.read(tmp_path)
    for path in tmp_path.glob("db.*.csv"):
        path.with_suffix(".pkl").write_bytes(b"not even a pickle")
    assert reader.read(tmp_path).digest() == before.digest()
    (tmp_path / "db.emotion.test.csv").unlink()
    with pytest.raises(CorpusUnfit, match=r"emotion\.test is there as a pickle only.*storage_format='csv'"):
        reader.read(tmp_path)


def test_nothing_is_written_into_a_corpus(tmp_path: Path) -> None:
    trees.audformat(tmp_path)
    (tmp_path / "db.files.pkl").write_bytes(b"")
    os.utime(tmp_path / "db.files.pkl", (2_000_000_000, 2_000_000_000))  # the library would write it anew

    def state() -> dict[str, tuple]:
        return {str(p): (p.stat().st_mtime_ns, p.is_dir() or p.read_bytes()) for p in tmp_path.rglob("*")}

    before = state()
    corpora.load("audformat", tmp_path)
    assert state() == before


# --- by name ---


def reorder(path: Path, names: list[str]) -> None:
    pd.read_csv(path, dtype=str, keep_default_na=False)[names].to_csv(path, index=False)


def test_columns_are_read_by_name(tmp_path: Path) -> None:
    trees.audformat(tmp_path, split_ids=False)
    before = reader.read(tmp_path, split="part")
    reorder(tmp_path / "db.files.csv", ["part", "speaker", "file"])
    reorder(tmp_path / "db.emotion.all.csv", ["emotion", "file"])
    assert reader.read(tmp_path, split="part").digest() == before.digest()


def test_a_column_that_the_table_lacks_is_refused_and_one_more_is_noted(tmp_path: Path) -> None:
    trees.audformat(tmp_path)
    files = tmp_path / "db.files.csv"
    files.write_text(files.read_text().replace("speaker", "who", 1))
    with pytest.raises(
        CorpusUnfit, match=r"files\.csv has no column 'speaker', which db.yaml .* file, who, part"
    ):
        reader.read(tmp_path)
    files.write_text(files.read_text().replace("who", "speaker", 1).replace("part", "part,age", 1))
    with pytest.raises(CorpusUnfit, match=r"files\.csv cannot be read \(line 2 has 3 values, the header 4\)"):
        reader.read(tmp_path)
    files.write_text(
        "\n".join(line + ",7" if n else line for n, line in enumerate(files.read_text().splitlines()))
    )
    assert reader.read(tmp_path).notes[-1] == "db.files.csv has columns that db.yaml does not name: age"


@pytest.mark.parametrize("name", [".", "a\0b.wav", "a" * 300 + "/b.wav"])
def test_names_that_no_file_can_have_are_refused(name: str, tmp_path: Path) -> None:
    trees.audformat(tmp_path, audio=False)
    for path in tmp_path.glob("db.*.csv"):
        path.write_text(path.read_text().replace("audio/s0-anger.wav", name))
    with pytest.raises(CorpusUnfit, match=r"is no name of a file|cannot be listed \(File name too long\)"):
        reader.read(tmp_path)


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    trees.audformat(tmp_path)
    files = tmp_path / "db.files.csv"
    files.write_text(files.read_text().replace("part", "speaker", 1))
    with pytest.raises(CorpusUnfit, match="two columns are called 'speaker'"):
        reader.read(tmp_path)


def test_parts_of_files_beside_whole_files_are_left_out(tmp_path: Path) -> None:
    db = audformat.Database("both")
    files = [f"{speaker}/{emotion}.wav" for speaker in "abc" for emotion in EMOTIONS[:4]]
    whole, parts = audformat.filewise_index(files), audformat.segmented_index(files, [0] * 12, [1] * 12)
    for name, index in (("whole", whole), ("parts", parts), ("speakers", parts)):
        column, values = "emotion", [Path(file).stem for file in files]
        if name == "speakers":
            column, values = "speaker", [file[0] for file in files]
        db[name] = audformat.Table(index)
        db[name][column] = audformat.Column()
        db[name][column].set(values)
    db.save(str(tmp_path), storage_format="csv")
    corpus = reader.read(tmp_path, folds=3)
    assert corpus.notes == ("table parts is not used: its rows are parts of files",)
    assert reader.read(tmp_path, tables="whole", folds=3).digest() == corpus.digest()
    assert set(corpus.clips["speaker"]) == {"a", "b", "c"}  # of parts that agree
    with pytest.raises(CorpusUnfit, match=r"rows of table parts are parts of files"):
        reader.read(tmp_path, tables="parts", folds=3)


def test_copies_of_one_database_are_named(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        trees.audformat(tmp_path / folder, audio=False)
    corpus = corpora.load("audformat", tmp_path)
    assert corpus.folder == tmp_path / "a"
    assert corpus.notes[-1] == f"other folders look like audformat too and are not read: {tmp_path / 'b'}"


def test_a_missing_database_is_called_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(CorpusMissing, match=r"^audformat database mine: no folder at or below"):
        corpora.load("audformat", tmp_path, {"name": "mine"})
