"""Synthetic corpora: made once, as planned, and again where they are damaged."""

import functools
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from sklearn.metrics import balanced_accuracy_score

from serkit.corpora import find, load
from serkit.corpora import synthetic as reader
from serkit.corpora.reading.corpus import PARTS
from serkit.errors import CorpusUnfit, SerkitError, SpecError
from serkit.files import cache_folder
from serkit.labels import LABELS
from serkit.worlds import world
from serkit.worlds.speech import RATE_HZ
from tests.made_features import features, fitted

ROOT = Path(__file__).resolve().parents[2]

FEW = {"A": (1, 4), "B": (1, 4), "C": (2, 2)}  # speakers, clips each

GENERATE = f"""
from serkit.corpora import synthetic
from serkit.labels import LABELS
synthetic.CASTS = {{role: synthetic.Cast(*size, dict.fromkeys(LABELS, 1)) for role, size in {FEW}.items()}}
written = []
write = synthetic._write
synthetic._write = lambda *given: written.append(1) or write(*given)
print("ready", flush=True)
input()
print("begins", flush=True)
print(synthetic.generate(), len(written))
"""


def python(code: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def output(process: subprocess.Popen) -> str:
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return text.strip()


@pytest.fixture(scope="module")
def folder(synthetic_cache):
    """The session's corpora, whole."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERKIT_CACHE", str(synthetic_cache))
        return reader.generate()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))


make_clip_once = functools.cache(world.make_clip)


@pytest.fixture
def few(monkeypatch):
    """A dozen clips in place of some hundreds, for tests of the files and not of the sound."""
    casts = {role: reader.Cast(*size, dict.fromkeys(LABELS, 1)) for role, size in FEW.items()}
    monkeypatch.setattr(reader, "CASTS", casts)
    monkeypatch.setattr(world, "make_clip", make_clip_once)


def test_two_processes_at_once_make_the_corpora_once(few, monkeypatch):
    """The other asks while this one is making them."""
    other, write, written = python(GENERATE), reader._write, []

    def write_while_the_other_asks(*given):
        written.append(1)
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "begins\n"
        write(*given)

    monkeypatch.setattr(reader, "_write", write_while_the_other_asks)
    assert other.stdout.readline() == "ready\n"
    folder = reader.generate()
    assert output(other) == f"{folder} 0"
    assert written == [1]
    assert [path.name for path in cache_folder().iterdir() if path.is_dir()] == [folder.name]


def test_the_second_call_returns_at_once(folder, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(folder.parent))
    monkeypatch.setattr(reader, "_write", lambda *given: pytest.fail("made again"))
    assert reader.generate() == folder
    assert find("synthetic", None).folder == folder
    assert reader.is_here(folder)
    assert not reader.is_here(folder.parent)


def test_clips_have_the_stated_length_and_do_not_clip(folder):
    seconds, peaks = [], []
    for path in folder.rglob("*.wav"):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (RATE_HZ, 1, "PCM_16")
        wave, _ = soundfile.read(path, dtype="int16")
        seconds.append(len(wave) / RATE_HZ)
        peaks.append(np.abs(wave.astype(int)).max())
    assert len(seconds) == 120 + 72 + 72
    assert 1.0 <= min(seconds) < 1.1 < 1.9 < max(seconds) <= 2.0
    assert max(peaks) < 32000
    assert min(peaks) > 300  # nothing is lost in 16 bits


def test_stored_clips_are_what_make_clip_gives(folder):
    wave, _ = soundfile.read(folder / "B/B03/B03_07.wav", dtype="int16")
    assert np.array_equal(wave, world.make_clip("B", 3, 7, "sad"))


def test_the_reader_offers_what_can_be_made():
    """It says so without importing what makes it."""
    assert (reader.ROLES, reader.SEMANTICS) == (world.CORPORA, world.SEMANTICS)
    assert reader.RATE_HZ == (RATE_HZ,)


@pytest.mark.parametrize("role", reader.ROLES)
def test_counts_are_as_published(folder, role):
    corpus = reader.read(folder, role)
    clips = corpus.clips
    for (group, label), expected in reader.facts(corpus, role).items():
        chosen = (group == "*") | clips["split"].eq(group) | clips["speaker"].eq(group)
        chosen &= (label == "*") | clips["label"].eq(label)
        assert chosen.sum() == expected, (group, label)
    assert {path.split("/")[0] for path in clips["path"]} == {role}
    assert all((folder / path).is_file() for path in clips["path"])
    assert clips.groupby("speaker")["voice"].nunique().eq(1).all()


def test_a_is_split_by_speaker_and_balanced(folder):
    corpus = reader.read(folder, "A")
    parts = {part: corpus.clips.iloc[corpus.part(0, part)] for part in PARTS}
    assert {part: len(clips) for part, clips in parts.items()} == {"train": 72, "validation": 24, "test": 24}
    speakers = [set(clips["speaker"]) for clips in parts.values()]
    assert len(set.union(*speakers)) == sum(map(len, speakers)) == 30
    for clips in parts.values():
        assert clips["label"].value_counts().nunique() == 1
        assert clips["voice"].value_counts().nunique() == 1


def test_b_leaves_two_speakers_out(folder):
    corpus = reader.read(folder, "B")
    assert corpus.n_folds == reader.folds("B") == 3
    tested = []
    for fold in range(3):
        parts = [corpus.clips.iloc[corpus.part(fold, part)] for part in PARTS]
        speakers = [set(clips["speaker"]) for clips in parts]
        assert [len(each) for each in speakers] == [2, 2, 2]
        assert len(set.union(*speakers)) == 6
        assert all(set(clips["voice"]) == {"low", "high"} for clips in parts)
        assert all(clips["label"].value_counts().eq(6).all() for clips in parts)
        assert speakers[1] == set(corpus.clips["speaker"][corpus.part((fold + 1) % 3, "test")])
        tested += sorted(speakers[2])
    assert sorted(tested) == [f"B{k:02d}" for k in range(6)]


def test_c_is_mostly_neutral_and_every_part_has_every_class(folder):
    corpus = reader.read(folder, "C")
    shares = corpus.clips["label"].value_counts(normalize=True)
    assert shares["neutral"] > 0.5
    for part, size in (("train", 50), ("validation", 11), ("test", 11)):
        labels = corpus.clips["label"].iloc[corpus.part(0, part)]
        assert len(labels) == size
        assert set(labels) == set(LABELS)
    assert corpus.clips["label"].iloc[corpus.part(0, "test")].value_counts().min() >= 2


def test_other_settings_are_made_beside_the_first_and_read_by_option(few):
    first = load("synthetic", None, {"role": "B"})
    other = load("synthetic", None, {"role": "B", "semantics": "swapped", "acoustic": 0.0})
    assert first.folder.parent == other.folder.parent
    assert first.folder != other.folder
    assert first.version != other.version
    wave, _ = soundfile.read(other.folder / other.clips["path"][0], dtype="int16")
    assert np.array_equal(wave, world.make_clip("B", 0, 0, "angry", "swapped", 0.0))
    with pytest.raises(SpecError, match="role = 'D'"):
        load("synthetic", None, {"role": "D"})


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "damage", ["missing", "short", "flipped", "digest", "labels", "speaker", "interrupted"]
)
def test_a_damaged_folder_is_made_again(few, damage):
    folder = reader.generate()
    whole = contents(folder)
    clip = folder / "A/A00/A00_01.wav"
    if damage == "missing":
        clip.unlink()
    elif damage == "short":
        clip.write_bytes(clip.read_bytes()[:1000])
    elif damage == "flipped":
        clip.write_bytes(clip.read_bytes()[:-1] + b"?")
    elif damage == "digest":
        (folder / "content.sha256").write_bytes(b"\xff")
    elif damage == "labels":
        (folder / "labels.csv").write_text("path,label\n")
    elif damage == "speaker":
        for path in (folder / "C/C01").iterdir():
            path.unlink()
        (folder / "C/C01").rmdir()
    elif damage == "interrupted":  # killed half-way: a draft, and no folder
        folder.rename(folder.with_name(f"{folder.name}.draft"))
        (folder.with_name(f"{folder.name}.draft") / "A/A00/stray.wav").write_bytes(b"")
    assert reader.generate() == folder
    assert contents(folder) == whole
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [folder.name]


def test_a_full_disk_is_an_error_and_leaves_no_folder(few, monkeypatch):
    def no_space(*given, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(soundfile, "write", no_space)
    with pytest.raises(SerkitError, match=r"No space left.*SERKIT_CACHE"):
        reader.generate()
    assert not list(cache_folder().glob("synthetic-*[!k]/labels.csv"))


def test_unreadable_labels_are_an_error(few):
    folder = reader.generate()
    (folder / "labels.csv").write_text("nothing\n")
    with pytest.raises(CorpusUnfit, match=r"labels\.csv"):
        reader.read(folder, "A")


def test_the_cache_folder_is_made_where_the_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "deep" / "er"))
    assert cache_folder() == tmp_path / "deep" / "er"
    assert (tmp_path / "deep" / "er").is_dir()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="XDG folders are Linux's")
def test_the_cache_folder_is_the_system_s_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "serkit"


def test_an_unwritable_cache_folder_is_named_with_the_way_out(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(SerkitError, match=r"file/cache.*set SERKIT_CACHE"):
        reader.generate()


def stored(corpus):
    waves = (soundfile.read(corpus.folder / path, dtype="int16")[0] for path in corpus.clips["path"])
    return np.stack([features(wave) for wave in waves]), corpus.clips["label"].to_numpy()


def test_emotions_of_unseen_speakers_are_found_within_a_corpus_and_less_well_across(folder):
    a, b = reader.read(folder, "A"), reader.read(folder, "B")
    (of_a, labels_a), (of_b, labels_b) = stored(a), stored(b)
    train, test = a.part(0, "train"), a.part(0, "test")
    from_a = fitted(of_a[train], labels_a[train])
    within_a = balanced_accuracy_score(labels_a[test], from_a.predict(of_a[test]))
    across = balanced_accuracy_score(labels_b, from_a.predict(of_b))
    within_b = []
    for fold in range(3):
        train, test = b.part(fold, "train"), b.part(fold, "test")
        from_b = fitted(of_b[train], labels_b[train])
        within_b.append(balanced_accuracy_score(labels_b[test], from_b.predict(of_b[test])))
    assert within_a > 0.8  # chance is 0.25
    assert np.mean(within_b) > 0.55  # from 24 clips of two speakers
    assert across < within_a - 0.2
    assert across < np.mean(within_b) + 0.05
