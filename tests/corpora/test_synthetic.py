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

from benchmark import study as studies
from serkit.corpora import find, load
from serkit.corpora import synthetic as reader
from serkit.corpora.reading.corpus import PARTS, Corpus, next_validates, table
from serkit.errors import CorpusUnfit, SerkitError, SpecError
from serkit.files import DRAFT, cache_folder
from serkit.labels import LABELS
from serkit.worlds import world
from serkit.worlds.speech import RATE_HZ
from tests.made_features import features, fitted

ROOT = Path(__file__).resolve().parents[2]

FEW = {"role": "C", "speakers": 6, "clips": 4}

GENERATE = f"""
from serkit.corpora import synthetic
written = []
write = synthetic._write
synthetic._write = lambda *given: written.append(1) or write(*given)
print("ready", flush=True)
input()
print("begins", flush=True)
print(synthetic.generate(**{FEW}), len(written))
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
def made(synthetic_cache):
    """The session's corpora, whole: a role's by its default options."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERKIT_CACHE", str(synthetic_cache))
        return {role: load("synthetic", None, {"role": role}) for role in reader.ROLES}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))


make_clip_once = functools.cache(world.make_clip)


@pytest.fixture
def few(monkeypatch):
    """Makes two dozen clips, each once: for tests of the files and not of the sound."""
    monkeypatch.setattr(world, "make_clip", make_clip_once)
    return lambda: reader.generate(**FEW)


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
    folder = few()
    assert output(other) == f"{folder} 0"
    assert written == [1]
    assert [path.name for path in cache_folder().iterdir() if path.is_dir()] == [folder.name]


def test_the_second_call_returns_at_once(made, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(made["B"].folder.parent))
    monkeypatch.setattr(reader, "_write", lambda *given: pytest.fail("made again"))
    assert reader.generate(role="B") == made["B"].folder
    assert find("synthetic", None, {"role": "B"}).folder == made["B"].folder
    assert reader.is_here(made["B"].folder)
    assert not reader.is_here(made["B"].folder.parent)


def test_clips_have_the_stated_length_and_do_not_clip(made):
    seconds, peaks = [], []
    for path in (path for corpus in made.values() for path in corpus.folder.rglob("*.wav")):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (RATE_HZ, 1, "PCM_16")
        wave, _ = soundfile.read(path, dtype="int16")
        seconds.append(len(wave) / RATE_HZ)
        peaks.append(np.abs(wave.astype(int)).max())
    assert len(seconds) == 120 + 72 + 96
    assert 1.0 <= min(seconds) < 1.1 < 1.9 < max(seconds) <= 2.0
    assert max(peaks) < 32000
    assert min(peaks) > 300  # nothing is lost in 16 bits


def test_stored_clips_are_what_make_clip_gives(made):
    wave, _ = soundfile.read(made["B"].folder / "B03/B03_07.wav", dtype="int16")
    assert np.array_equal(wave, world.make_clip("B", 3, 7, "sad"))


def test_the_reader_offers_what_can_be_made():
    """It says so without importing what makes it."""
    assert (reader.ROLES, reader.MEANINGS, reader.SEED) == (world.CORPORA, world.MEANINGS, world.SEED)
    assert reader.RATE_HZ == (RATE_HZ,)


@pytest.mark.parametrize("role", reader.ROLES)
def test_counts_are_as_published(made, role):
    corpus = made[role]
    clips = corpus.clips
    for (group, label), expected in reader.facts(corpus, role=role).items():
        chosen = (group == "*") | clips["split"].eq(group) | clips["speaker"].eq(group)
        chosen &= (label == "*") | clips["label"].eq(label)
        assert chosen.sum() == expected, (group, label)
    assert all((corpus.folder / path).is_file() for path in clips["path"])
    assert clips.groupby("speaker")["voice"].nunique().eq(1).all()


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({"role": "A"}, [(18, 6, 6)]),
        ({"role": "B"}, [(2, 2, 2)] * 3),
        ({"role": "C"}, [(16, 4, 4)]),
        ({"role": "B", "folds": 1}, [(2, 2, 2)]),
        ({"role": "A", "speakers": 40, "clips": 8}, [(24, 8, 8)]),
        ({"role": "A", "speakers": 14, "folds": 3}, [(4, 4, 6), (6, 4, 4), (4, 6, 4)]),
    ],
)
def test_parts_and_folds_share_no_speaker_and_are_balanced(options, sizes):
    """Speakers of the training, validation and test parts, a fold each."""
    planned = reader._planned(reader.asked(**options))
    folds = reader.folds(**options)
    validated = next_validates(folds) if folds > 1 else ()
    corpus = Corpus("one", Path(), "", table(planned, "one"), validated)
    assert corpus.n_folds == folds == len(sizes)
    for fold, expected in enumerate(sizes):
        parts = [corpus.clips.iloc[corpus.part(fold, part)] for part in PARTS]
        speakers = [set(clips["speaker"]) for clips in parts]
        assert tuple(map(len, speakers)) == expected
        assert len(set.union(*speakers)) == sum(expected)
        for clips in parts:
            assert clips["label"].value_counts().nunique() == clips["voice"].value_counts().nunique() == 1
            assert set(clips["label"]) == set(LABELS)


def test_each_set_of_options_is_a_corpus_of_its_own(few):
    sets = [{}, {"meaning": "swapped"}, {"mismatch": 0.5}, {"seed": 7}, {"speakers": 8}, {"clips": 8}]
    sets += [{"role": "B"}, {"folds": 3}]
    made = [load("synthetic", None, FEW | options) for options in sets]
    assert len({corpus.folder for corpus in made}) == len({corpus.version for corpus in made}) == len(sets)
    dials = {"role": "B", "meaning": "swapped", "mismatch": 0.0, "seed": 7}
    other = load("synthetic", None, FEW | dials)
    wave, _ = soundfile.read(other.folder / other.clips["path"][0], dtype="int16")
    assert np.array_equal(wave, world.make_clip("B", 0, 0, "angry", "swapped", 0.0, 7))
    assert load("synthetic", None, FEW | {"seed": world.SEED}).folder == made[0].folder


def study_of(one, other):
    corpora = {
        "one": {"reader": "synthetic", "options": one},
        "other": {"reader": "synthetic", "options": other},
    }
    return studies.from_toml({"title": "Two", "corpora": corpora, "table1": {"train": [["one"]]}}, "two")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"role": "A"}),
        ({"mismatch": 0}, {"mismatch": 0.0}),
        ({}, {"mismatch": 1, "speakers": 30, "seed": reader.SEED}),
        ({}, {"meaning": "swapped"}),
        ({"meaning": "disjoint"}, {}),
        ({"role": "C", "meaning": "swapped"}, {"role": "C"}),
    ],
)
def test_one_corpus_under_two_spellings_is_refused_in_a_study(one, other):
    with pytest.raises(SpecError, match=r"corpora\.other is corpora\.one again: networks would be tested on"):
        study_of(one, other)
    clips = [
        world.make_clip(of.role, 1, 2, "happy", of.meaning, of.mismatch, reader._seed(of))
        for of in (reader.asked(**one), reader.asked(**other))
    ]
    assert np.array_equal(*clips)


@pytest.mark.parametrize("other", [{"speakers": 60}, {"folds": 3}, {"clips": 8}, {"mismatch": 0, "folds": 5}])
def test_one_cast_divided_in_two_ways_is_refused_in_a_study(other):
    with pytest.raises(SpecError, match=r"other and corpora\.one have the same speakers, divided otherwise"):
        study_of({}, other)
    study_of({}, other | {"seed": 1})
    study_of({}, {"role": "B"})
    study_of({"role": "B"}, {"role": "B", "meaning": "disjoint"})  # a twin


def test_what_a_plan_counts_is_what_is_made(made):
    for role, corpus in made.items():
        sizes = [{part: len(corpus.part(fold, part)) for part in PARTS} for fold in range(corpus.n_folds)]
        assert reader.expected(role=role) == sizes
    assert not list(cache_folder().glob("synthetic-*"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"role": "D"}, "role = 'D'"),
        ({"meaning": "opposite"}, "meaning = 'opposite'"),
        ({"mismatch": 1.5}, r"mismatch = 1.5: expected a number in 0..1"),
        ({"speakers": 7}, "speakers = 7: expected an even number, 6 or more"),
        ({"speakers": 4}, "speakers = 4: expected a whole number in 6..1,000"),
        ({"speakers": 8, "folds": 5}, "speakers = 8: expected an even number, 10 or more"),
        ({"clips": 6}, "clips = 6: expected a multiple of 4"),
        ({"folds": 2}, "folds = 2: expected 1, or 3 and more"),
        ({"seed": "one"}, "seed = 'one': expected a whole number"),
        ({"role": "A", "voices": 2}, "no option 'voices'"),
    ],
)
def test_options_that_cannot_be_are_refused(options, said):
    with pytest.raises(SpecError, match=said):
        load("synthetic", None, options)


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
    folder = few()
    whole = contents(folder)
    clip = folder / "C00/C00_01.wav"
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
        for path in (folder / "C01").iterdir():
            path.unlink()
        (folder / "C01").rmdir()
    elif damage == "interrupted":  # killed half-way: a draft, and no folder
        folder.rename(folder.with_name(f"{folder.name}{DRAFT}"))
        (folder.with_name(f"{folder.name}{DRAFT}") / "C00/stray.wav").write_bytes(b"")
    assert few() == folder
    assert contents(folder) == whole
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [folder.name]


def test_a_full_disk_is_an_error_and_leaves_no_folder(few, monkeypatch):
    def no_space(*given, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(soundfile, "write", no_space)
    with pytest.raises(SerkitError, match=r"No space left.*SERKIT_CACHE"):
        few()
    assert not list(cache_folder().glob("synthetic-*[!k]/labels.csv"))


def test_unreadable_labels_are_an_error(few):
    folder = few()
    (folder / "labels.csv").write_text("nothing\n")
    with pytest.raises(CorpusUnfit, match=r"labels\.csv"):
        reader.read(folder, **FEW)


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


def test_emotions_of_unseen_speakers_are_found_within_a_corpus_and_less_well_across(made):
    a, b = made["A"], made["B"]
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
