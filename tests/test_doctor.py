"""The doctor: each check on a copy that has the fault, where it must be named, and on a clean one."""

from __future__ import annotations

import os
import struct
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from serkit import corpora, doctor
from serkit.corpora.table import Corpus, table
from serkit.errors import CorpusUnfit, SpecError
from serkit.specs import LABELS

RATE_HZ = 16_000
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 93000\n"


def speech(seed: int, seconds: float = 0.7) -> np.ndarray:
    """Noise at a tenth of full scale: no two seeds alike."""
    wave = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE_HZ))
    return (wave.clip(-0.9, 0.9) * 32767).astype(np.int16)


def write(path: Path, wave: np.ndarray, rate_hz: int = RATE_HZ, **settings: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate_hz, **settings)


class Copy:
    """A corpus of 24 clips, in three speaker-disjoint splits or folds, to be damaged by a test."""

    def __init__(self, data: Path, by_fold: bool) -> None:
        self.data, self.folder, self.by_fold = data, data / "wrapped" / "fake", by_fold
        rows = []
        for i in range(24):
            speaker = i // 4
            path = f"clips/s{speaker}/{i:02d}.wav"
            part = ("train", "validation", "test")[speaker % 3]
            rows.append([path, LABELS[i % 4], f"s{speaker}", "" if by_fold else part, speaker % 3])
            write(self.folder / path, speech(i, 0.7 + 0.001 * (i % 12 == 0)))
        self.rows = pd.DataFrame(rows, columns=["path", "label", "speaker", "split", "fold"])
        self.validation_fold = (1, 2, 0) if by_fold else ()
        self.split_by_clip = False
        self.others: tuple[str, ...] = ()
        self.facts: dict[tuple[str, str], int] = {("*", "*"): 24, ("*", "angry"): 6, ("s0", "*"): 4}

    def __getitem__(self, i: int) -> Path:
        return self.folder / self.rows.at[i, "path"]

    def path(self, i: int) -> str:
        return self.rows.at[i, "path"]

    def read(self, folder: Path, **options: object) -> Corpus:
        rows = self.rows if self.by_fold else self.rows.drop(columns="fold")
        return Corpus(
            name="fake",
            folder=folder,
            version="1.0",
            clips=table(rows.to_dict("records"), "Fake"),
            validation_fold=self.validation_fold,
            others=self.others,
            split_by_clip=self.split_by_clip,
            notes=("a note of the reader",),
        )

    def examine(self) -> doctor.Examination:
        return doctor.examine("fake", self.data)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A reader registered as `fake`."""
    module = types.ModuleType("fake_reader")
    module.TITLE, module.PAGE = "Fake", "docs/corpora.md#fake"
    module.OPTIONS = {"flavour": ("plain", "odd")}
    module.RATE_HZ, module.CHANNELS = (RATE_HZ,), (1,)
    module.is_here = lambda folder: (folder / "clips").is_dir()
    monkeypatch.setitem(corpora.READERS, "fake", "fake_reader")
    monkeypatch.setitem(sys.modules, "fake_reader", module)
    return module


@pytest.fixture
def make(reader: types.ModuleType, tmp_path: Path) -> Callable[..., Copy]:
    def copy(by_fold: bool = False) -> Copy:
        made = Copy(tmp_path / "data", by_fold)
        reader.read = made.read
        reader.facts = lambda corpus, **options: made.facts
        return made

    return copy


@pytest.fixture
def copy(make: Callable[..., Copy]) -> Copy:
    return make()


def kinds(examination: doctor.Examination) -> dict[str, str]:
    return {problem.kind: problem.severity for problem in examination.problems}


def only(examination: doctor.Examination) -> doctor.Problem:
    """The one problem that there is."""
    assert len(examination.problems) == 1, examination.problems
    return examination.problems[0]


# A clean copy, and none


@pytest.mark.parametrize("by_fold", [False, True])
def test_clean_copy_has_no_problem(make, by_fold):
    found = make(by_fold).examine()
    assert found.problems == ()
    assert found.fit
    assert not found.missing
    assert (found.version, found.clips, found.notes) == ("1.0", 24, ("a note of the reader",))
    assert found.hours == pytest.approx((24 * 0.7 + 2 * 0.001) / 3600)
    groups = [f"fold {k}" for k in range(3)] if by_fold else ["train", "validation", "test"]
    counted = {(count.group, count.label): (count.found, count.published) for count in found.counts}
    assert {(group, "*"): (8, None) for group in groups}.items() <= counted.items()
    assert counted["*", "*"] == (24, 24)
    assert counted["*", "angry"] == (6, 6)
    assert counted["s0", "*"] == (4, 4)
    assert counted[groups[0], "sad"] == (2, None)


def test_clean_copy_as_text(copy):
    text = doctor.render(copy.examine())
    assert text.startswith("Fake: fit\n")
    for part in (
        str(copy.folder),
        "flavour plain",
        "1.0",
        "24 clips, 0.00 hours",
        "24 / 24",
        "a note of the",
    ):
        assert part in text
    assert "!" not in text.replace("! where they differ", "")
    assert "Problems" not in text


def test_missing_corpus_is_a_state_of_its_own(reader, tmp_path):
    for data in (None, tmp_path, tmp_path / "nowhere"):
        found = doctor.examine("fake", data)
        assert found.missing
        assert not found.fit
        assert kinds(found) == {"missing": "unfit"}
        assert doctor.render(found).startswith("Fake: missing\n")


def test_what_the_user_asked_wrongly_is_raised(copy):
    with pytest.raises(SpecError, match="no corpus reader 'fakes'"):
        doctor.examine("fakes", copy.data)
    with pytest.raises(SpecError, match="flavour"):
        doctor.examine("fake", copy.data, {"flavour": "sour"})


def test_reader_that_refuses_is_a_finding_and_names_are_still_checked(copy, reader):
    def refuse(folder, **options):
        raise CorpusUnfit("Fake: row 3 has the label 'glad'")

    reader.read = refuse
    copy[0].write_bytes(POINTER)
    copy[1].write_bytes(b"")
    (copy.folder / "clips" / "._x.wav").write_bytes(b"\0\5\x16\7")
    found = copy.examine()
    assert kinds(found) == {
        "not-read": "unfit",
        "lfs-pointer": "unfit",
        "empty": "unfit",
        "apple-double": "note",
    }
    assert found.problems[0].message == "Fake: row 3 has the label 'glad'"
    assert found.folder == copy.folder


def test_reader_that_crashes_is_a_finding(copy, reader):
    reader.read = lambda folder, **options: {}["EmoClass"]
    problem = only(copy.examine())
    assert problem.kind == "not-read"
    assert "KeyError: 'EmoClass'" in problem.message


# What can be wrong with a file


def as_pointer(path: Path) -> None:
    path.write_bytes(POINTER)


def as_nothing(path: Path) -> None:
    path.write_bytes(b"")


def as_no_samples(path: Path) -> None:
    write(path, np.zeros(0, np.int16))


def as_text(path: Path) -> None:
    path.write_text("<html>not found</html>")


def as_cut_wav(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5000])


def as_cut_flac(path: Path) -> None:
    write(path, speech(99, 3.0), format="FLAC", subtype="PCM_16")
    path.write_bytes(path.read_bytes()[:-30_000])


def as_nan(path: Path) -> None:
    wave = speech(99).astype(np.float32) / 32768
    wave[5000] = np.nan
    write(path, wave, subtype="FLOAT")


def as_infinite(path: Path) -> None:
    wave = speech(99, 5.0).astype(np.float32) / 32768
    wave[10] = np.inf  # in the first of two blocks
    write(path, wave, subtype="FLOAT")


def as_8_khz(path: Path) -> None:
    write(path, speech(99), 8_000)


def as_48_khz(path: Path) -> None:
    write(path, np.tile(speech(99), 3), 48_000)


def as_stereo(path: Path, seed: int = 99) -> None:
    write(path, np.stack([speech(seed), speech(seed + 100)], axis=1))


def as_silence(path: Path) -> None:
    write(path, np.zeros(12_000, np.int16))


def as_murmur(path: Path) -> None:
    write(path, speech(99) // 1000)


def as_short(path: Path) -> None:
    write(path, speech(99)[:9_919])


def as_shouting(path: Path) -> None:
    write(path, (speech(99).astype(np.int32) * 20).clip(-32768, 32767).astype(np.int16))


@pytest.mark.parametrize(
    ("damage", "kind", "severity"),
    [
        (as_pointer, "lfs-pointer", "unfit"),
        (Path.unlink, "missing-audio", "unfit"),
        (as_nothing, "empty", "unfit"),
        (as_no_samples, "empty", "unfit"),
        (as_text, "unreadable", "unfit"),
        (as_cut_wav, "truncated", "unfit"),
        (as_cut_flac, "truncated", "unfit"),
        (as_nan, "not-finite", "unfit"),
        (as_infinite, "not-finite", "unfit"),
        (as_8_khz, "low-rate", "unfit"),
        (as_48_khz, "sample-rate", "note"),
        (as_stereo, "channels", "note"),
        (as_silence, "silent", "unfit"),  # one of 24 is more than 1 %
        (as_murmur, "silent", "unfit"),
        (as_short, "short", "note"),
        (as_shouting, "clipped", "note"),
    ],
)
def test_damaged_clip_is_named_and_nothing_else(copy, damage, kind, severity):
    damage(copy[7])
    found = copy.examine()
    problem = only(found)
    assert (problem.kind, problem.severity, problem.count) == (kind, severity, 1)
    assert len(problem.examples) == 1
    assert problem.examples[0].startswith(copy.path(7))
    assert found.fit == (severity == "note")
    text = doctor.render(found)
    assert ("UNFIT (1 reason)" if severity == "unfit" else "fit, 1 note") in text.splitlines()[0]
    assert f"{'UNFIT' if severity == 'unfit' else 'note'} {kind}: " in text
    assert f"      {copy.path(7)}" in text


def test_all_kinds_of_damage_at_once_are_each_named(copy):
    for i, damage in enumerate((as_pointer, Path.unlink, as_text, as_cut_wav, as_nan, as_stereo, as_short)):
        damage(copy[i])
    found = kinds(copy.examine())
    assert list(found) == [
        "lfs-pointer",
        "missing-audio",
        "unreadable",
        "truncated",
        "not-finite",
        "channels",
        "short",
    ]


def test_at_most_five_examples_and_how_many(copy):
    for i in range(8):
        as_stereo(copy[i], seed=i)
    found = copy.examine()
    assert (only(found).count, len(only(found).examples)) == (8, 5)
    assert "8 clips of 24" in only(found).message
    assert "and 3 more" in doctor.render(found)
    for i in range(8):
        as_text(copy[i])
    assert len(only(copy.examine()).examples) == 8  # unfit: each has to be mended


def test_edges_that_are_no_problem(copy, reader):
    write(copy[0], speech(99)[:9_920])  # 32 frames
    loud = speech(98)
    loud[:100] = 32767  # 100 of 11,200 samples: less than 1 %
    write(copy[1], loud)
    write(copy[2], np.roll(speech(97) // 30, 1))  # quiet, but above -60 dBFS
    content = copy[3].read_bytes()
    copy[3].write_bytes(content[:40] + b"\xff\xff\xff\xff" + content[44:])  # as written to a pipe
    assert content[36:40] == b"data"
    assert copy.examine().problems == ()


def as_half_zero(path: Path) -> None:
    wave = speech(99)
    wave[: len(wave) // 2] = 0
    write(path, wave)


def as_shouting_made_soft(path: Path) -> None:
    write(path, (speech(99).astype(np.int32) * 20).clip(-32768, 32767).astype(np.int16) // 10)


def as_offset(path: Path) -> None:
    write(path, speech(99) // 3 + np.int16(9000))


def as_inverted_stereo(path: Path) -> None:
    write(path, np.stack([speech(99), -speech(99)], axis=1))


@pytest.mark.parametrize(
    ("damage", "kind", "few", "many"),
    [
        (as_silence, "silent", "unfit", "unfit"),  # one of 24 is more than 1 %
        (as_half_zero, "blank", "unfit", "unfit"),
        (as_shouting, "clipped", "note", "unfit"),
        (as_shouting_made_soft, "clipped", "note", "unfit"),
        (as_offset, "offset", "note", "unfit"),
        (as_inverted_stereo, "cancelled", "unfit", "unfit"),
    ],
)
def test_what_training_would_get_is_judged(copy, damage, kind, few, many):
    damage(copy[7])
    assert kinds(copy.examine()).get(kind) == few
    for i in range(24):
        damage(copy[i])
    found = copy.examine()
    assert kinds(found)[kind] == many
    assert not found.fit
    assert next(problem for problem in found.problems if problem.kind == kind).count == 24


@pytest.mark.parametrize("delivered", [(48_000,), ()], ids=["known", "unknown"])
def test_rates_that_differ_are_named_with_their_counts(copy, reader, delivered):
    for i in range(24):
        write(copy[i], speech(i, 2.1 + 0.01 * i), 8_000 if i == 7 else 16_000 if i < 5 else 48_000)
    reader.RATE_HZ = delivered
    found = copy.examine()
    assert kinds(found) == {"low-rate": "unfit", "sample-rate": "note"}
    low, other = found.problems[:2]
    for problem in (low, other):
        assert "(1 at 8,000 Hz, 5 at 16,000 Hz, 18 at 48,000 Hz); expected 48,000 Hz" in problem.message
    assert (low.count, other.count) == (1, 5)


def test_a_corpus_recorded_below_16_khz_is_fit_and_said(copy, reader):
    for i in range(24):
        write(copy[i], speech(i, 0.6 + 0.01 * i), 8_000)
    reader.RATE_HZ = ()
    problem = only(copy.examine())
    assert (problem.kind, problem.severity, problem.count) == ("low-rate", "note", 24)


def test_few_silent_clips_are_a_note(copy, monkeypatch):
    as_silence(copy[3])
    as_silence(copy[20])  # and two alike are no duplicates, though in different splits
    monkeypatch.setattr(doctor.clips, "FEW", 2 / 24)
    assert kinds(copy.examine()) == {"silent": "note"}


def test_wav_with_other_chunks_before_its_data(copy):
    content = copy[0].read_bytes()
    extra = b"LIST" + struct.pack("<I", 5) + b"aside" + b"\0"  # odd length: padded
    longer = content[:12] + content[12:36] + extra + content[36:]
    copy[0].write_bytes(b"RIFF" + struct.pack("<I", len(longer) - 8) + longer[8:])
    assert copy.examine().problems == ()
    copy[0].write_bytes(longer[:-4000])
    assert only(copy.examine()).kind == "truncated"


# Duplicates


def twin(copy: Copy, original: int, other: int) -> None:
    copy[other].write_bytes(copy[original].read_bytes())


def test_same_audio_in_two_splits_is_a_leak(copy):
    twin(copy, 0, 8)  # train, test
    problem = only(copy.examine())
    assert (problem.kind, problem.severity) == ("duplicate-leak", "unfit")
    assert problem.examples == (f"{copy.path(0)} = {copy.path(8)} (test, train)",)


def test_same_audio_in_two_folds_is_a_leak(make):
    copy = make(by_fold=True)
    twin(copy, 0, 4)
    problem = only(copy.examine())
    assert problem.kind == "duplicate-leak"
    assert problem.examples == (f"{copy.path(0)} = {copy.path(4)} (fold 0, fold 1)",)


def test_same_audio_with_two_labels_or_speakers_is_a_contradiction(copy):
    twin(copy, 0, 1)  # angry, happy; one speaker, one split
    twin(copy, 2, 14)  # speakers s0 and s3, both neutral in train
    problem = only(copy.examine())
    assert (problem.kind, problem.severity, problem.count) == ("duplicate-contradiction", "unfit", 2)
    assert problem.examples[0] == f"{copy.path(0)} = {copy.path(1)} (angry, happy)"
    assert problem.examples[1] == f"{copy.path(2)} = {copy.path(14)} (s0, s3)"


def test_same_audio_within_one_part_is_a_note(copy):
    copy.rows.loc[[0, 1], "label"] = "angry"
    copy.facts = {}
    twin(copy, 0, 1)
    copy.rows.loc[14, "speaker"] = "Unknown"  # never held against a known one
    twin(copy, 2, 14)
    problem = only(copy.examine())
    assert (problem.kind, problem.severity, problem.count) == ("duplicate", "note", 2)


def test_many_copies_of_one_clip_are_counted_and_not_all_named(copy):
    for i in range(1, 24):
        copy[i].write_bytes(copy[0].read_bytes())
    found = next(problem for problem in copy.examine().problems if problem.kind == "duplicate-leak")
    assert found.examples[0].count(" = ") == 5
    assert " = 19 more (" in found.examples[0]


def test_duplicates_are_found_whatever_the_container(copy):
    wave, rate_hz = soundfile.read(copy[0], dtype="int16")
    write(copy[8], wave, rate_hz, format="FLAC", subtype="PCM_24")
    assert only(copy.examine()).kind == "duplicate-leak"
    write(copy[8], np.append(wave[:-1], wave[-1] + 1), rate_hz, format="FLAC", subtype="PCM_16")
    assert copy.examine().problems == ()


def test_copies_are_found_upside_down_and_with_silence_around_them(copy):
    for i, wave in ((8, -speech(0)), (9, np.pad(speech(0), 800))):
        write(copy[i], wave)
    write(copy[0], speech(0))
    problem = only(copy.examine())
    assert (problem.kind, problem.examples) == (
        "duplicate-leak",
        (f"{copy.path(0)} = {copy.path(8)} = {copy.path(9)} (test, train)",),
    )


def test_clips_of_unused_splits_leak_nothing(copy):
    copy.rows.loc[copy.rows["speaker"] == "s1", "split"] = "test2"
    copy.facts = {}
    copy.rows.loc[[0, 4], "speaker"] = "s0"
    copy.rows.loc[[0, 4], "label"] = "angry"
    twin(copy, 0, 4)
    assert kinds(copy.examine()) == {"duplicate": "note"}


def test_stray_copies_are_named_where_they_lie(copy):
    among = copy.folder / "clips" / "s1" / "wrong-name.wav"
    beyond = copy.folder / "second copy" / "s0" / "00.wav"
    for stray in (among, beyond):
        stray.parent.mkdir(parents=True, exist_ok=True)
        stray.write_bytes(copy[0].read_bytes())
    write(copy.folder / "dialogues" / "long.wav", speech(99, 2.0))  # delivered beside the clips
    found = copy.examine()
    problem = only(found)
    assert (problem.kind, problem.severity, problem.count) == ("duplicate-stray", "note", 2)
    assert sorted(problem.examples) == [
        f"clips/s1/wrong-name.wav = {copy.path(0)}",
        f"second copy/s0/00.wav = {copy.path(0)}",
    ]
    assert found.elsewhere == 2


# The folder


def test_audio_without_labels(copy):
    write(copy.folder / "clips" / "s0" / "extra.flac", speech(99))
    problem = only(copy.examine())
    assert (problem.kind, problem.severity) == ("audio-without-labels", "note")
    assert problem.examples == ("clips/s0/extra.flac",)
    copy.others = ("clips/s0/extra.flac",)
    assert copy.examine().problems == ()


def test_others_may_be_absent_or_pointers(copy):
    copy.others = ("clips/s0/absent.wav", "clips/s0/pointer.wav")
    (copy.folder / "clips" / "s0" / "pointer.wav").write_bytes(POINTER)
    found = copy.examine()
    assert kinds(found) == {"lfs-pointer-unused": "note", "missing-others": "note"}
    assert found.problems[1].examples == ("clips/s0/absent.wav",)


def test_apple_doubles_are_named_and_are_no_audio(copy):
    for name in ("clips/s0/._00.wav", "__MACOSX/clips/._s0"):
        path = copy.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X")
    problem = only(copy.examine())
    assert (problem.kind, problem.severity, problem.count) == ("apple-double", "note", 2)


def test_audio_behind_links_is_found_and_circles_end(copy, tmp_path):
    real = tmp_path / "other disk"
    os.rename(copy.folder / "clips" / "s0", real)
    os.symlink(real, copy.folder / "clips" / "s0")
    os.symlink(copy.folder, copy.folder / "clips" / "circle")
    os.symlink(tmp_path / "nothing", copy.folder / "clips" / "s1" / "dangling.wav")
    assert copy.examine().problems == ()
    write(real / "extra.wav", speech(99))
    assert only(copy.examine()).examples == ("clips/s0/extra.wav",)


def test_folders_that_may_not_be_listed_are_named(copy, monkeypatch):
    listed = os.scandir

    def refuse(path):
        if str(path).endswith("dialogues"):
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    (copy.folder / "dialogues").mkdir()
    monkeypatch.setattr(os, "scandir", refuse)
    problem = only(copy.examine())
    assert (problem.kind, problem.severity, problem.examples) == (
        "closed",
        "note",
        ("dialogues (Permission denied)",),
    )


# The table


def test_speaker_on_both_sides_of_a_split(copy):
    copy.rows.loc[copy.rows["speaker"] == "s2", "speaker"] = "s0"
    copy.facts = {}
    problem = only(copy.examine())
    assert (problem.kind, problem.severity, problem.count) == ("speaker-overlap", "unfit", 1)
    assert problem.examples == ("speaker s0 (train and test)",)
    assert "4 of 8 test clips" in problem.message
    copy.split_by_clip = True
    assert kinds(copy.examine()) == {"speaker-overlap": "note"}


def test_speaker_in_two_folds(make):
    copy = make(by_fold=True)
    copy.rows.loc[4, "speaker"] = "s0"
    copy.facts = {}
    problem = only(copy.examine())
    assert (problem.kind, problem.severity) == ("speaker-overlap", "unfit")
    assert problem.count == 1
    assert problem.examples[0].startswith("speaker s0 (")


def test_few_shared_speakers_of_a_delivered_split_are_a_note(make, monkeypatch):
    monkeypatch.setattr(doctor.tables, "FEW", 1 / 8)
    copy = make()
    copy.facts = {}
    copy.rows.loc[8, "speaker"] = "s0"
    assert kinds(copy.examine()) == {"speaker-overlap": "note"}


def test_few_shared_speakers_of_folds_are_not_forgiven(make, monkeypatch):
    monkeypatch.setattr(doctor.tables, "FEW", 1 / 8)
    copy = make(by_fold=True)
    copy.facts = {}
    copy.rows.loc[8, "speaker"] = "s0"
    assert kinds(copy.examine()) == {"speaker-overlap": "unfit"}


def test_unknown_speakers_are_not_compared(copy):
    copy.rows["speaker"] = "Unknown"
    copy.facts = {}
    assert copy.examine().problems == ()


@pytest.mark.parametrize("nobody", ["unknown", "", "nan", None, "-"])
def test_nobody_is_never_compared(copy, nobody):
    copy.rows["speaker"] = copy.rows["speaker"].astype(object)
    copy.rows.loc[[0, 4, 8, 9], "speaker"] = nobody  # in all three parts
    copy.facts = {}
    assert copy.examine().problems == ()


def relabel(copy: Copy, part: str, label: str, other: str) -> None:
    here = (copy.rows["split"] == part) & (copy.rows["label"] == label)
    copy.rows.loc[here, "label"] = other


@pytest.mark.parametrize(
    ("part", "severity"), [("train", "unfit"), ("test", "unfit"), ("validation", "note")]
)
def test_a_label_that_a_part_lacks(copy, part, severity):
    copy.facts = {}
    relabel(copy, part, "sad", "happy")
    problem = only(copy.examine())
    assert (problem.kind, problem.severity) == ("absent-label", severity)
    assert problem.examples == (f"no sad in {part}",)


def test_a_label_that_a_fold_lacks(make):
    copy = make(by_fold=True)
    copy.facts = {}
    copy.rows.loc[(copy.rows["label"] == "sad") & (copy.rows["fold"] != 2), "label"] = "happy"
    named = [problem.examples for problem in copy.examine().problems if problem.kind == "absent-label"]
    # fold 0 is validated by 1 and trains on 2; fold 1 by 2, so trains on 0; fold 2 by 0, so trains on 1
    assert sorted(named[0]) == [
        "no sad in fold 0: test",
        "no sad in fold 1: test",
        "no sad in fold 1: train",
        "no sad in fold 2: train",
    ]


def test_a_label_that_the_corpus_lacks(copy):
    copy.facts = {}
    copy.rows["label"] = copy.rows["label"].replace("angry", "sad")
    problem = only(copy.examine())
    assert (problem.kind, problem.severity, problem.examples) == ("absent-label", "unfit", ("angry",))


def voiced(mixed: int, speakers: int = 30, clips: int = 8) -> Corpus:
    """Speakers with one emotion only, but for some, who have all four."""
    rows = [
        {
            "path": f"{speaker:02d}-{clip}",
            "label": LABELS[clip % 4 if speaker < mixed else speaker % 4],
            "speaker": str(speaker),
        }
        for speaker in range(speakers)
        for clip in range(clips)
    ]
    return Corpus("fake", Path(), "1", table(rows, "Fake"))


@pytest.mark.parametrize(
    ("mixed", "severity", "said"),
    [
        (0, "unfit", "30 of 30 speakers"),
        (3, "note", "27 of 30 speakers"),
        (15, "note", "15 of 30 speakers"),
        (30, "", ""),
    ],
)
def test_voices_that_tell_the_label(mixed, severity, said):
    found = doctor.tables.voices(voiced(mixed))
    assert [problem.severity for problem in found] == ([severity] if severity else [])
    assert all(said in problem.message and "240 clips" in problem.message for problem in found)


def test_labels_dealt_by_chance_are_no_voices(copy):
    """Few clips a speaker are often alike, and unknown speakers are nobody."""
    random = np.random.default_rng(0)
    for clips in (1, 2, 3):
        corpus = voiced(0, 200, clips)
        dealt = corpus.clips.assign(label=random.choice(LABELS, len(corpus.clips)))
        assert doctor.tables.voices(Corpus("fake", Path(), "1", dealt)) == []
    nobody = voiced(0).clips.assign(speaker="Unknown")
    assert doctor.tables.voices(Corpus("fake", Path(), "1", nobody)) == []


def test_empty_parts(copy):
    copy.facts = {}
    copy.rows.loc[copy.rows["split"] == "validation", "split"] = "train"
    assert kinds(copy.examine()) == {"empty-part": "note"}
    copy.rows.loc[copy.rows["split"] == "test", "split"] = "train"
    found = copy.examine()
    assert [(problem.kind, problem.severity) for problem in found.problems] == [
        ("empty-part", "unfit"),
        ("empty-part", "note"),
    ]


@pytest.mark.parametrize(
    ("published", "severity"),
    [
        ({("*", "*"): 1000, ("*", "angry"): 6}, "unfit"),  # 976 of 1,000 are not there
        ({("*", "*"): 24, ("s9", "*"): 1}, "unfit"),  # a speaker is not there at all
        ({("train", "sad"): 3}, "unfit"),
        ({("train", "*"): 9, ("*", "angry"): 1000}, "unfit"),
    ],
)
def test_counts_far_from_the_published(copy, published, severity):
    copy.facts = published
    assert kinds(copy.examine()) == {"counts": severity}


def test_counts_near_the_published_are_a_note(copy, monkeypatch):
    monkeypatch.setattr(doctor.tables, "FEW", 1 / 24)
    copy.facts = {("*", "*"): 24, ("*", "sad"): 7, ("*", "happy"): 5, ("s0", "*"): 4, ("s1", "*"): 5}
    found = copy.examine()
    problem = only(found)
    assert (problem.kind, problem.severity, problem.count) == ("counts", "note", 3)
    assert problem.examples[0] == "all, happy: 6, published 5"
    text = doctor.render(found)
    assert "! 6 / 7" in text
    assert "! 4 / 5" in text
    assert "1 published count of single speakers agree" in text


# With the readers of two corpora as delivered


def test_ravdess_with_a_stray(tmp_path):
    for actor in range(1, 25):
        for i, emotion in enumerate(("01", "02", "03", "04", "05")):
            name = f"03-01-{emotion}-01-01-01-{actor:02d}.wav"
            write(tmp_path / "speech" / f"Actor_{actor:02d}" / name, speech(10 * actor + i), 48_000)
    stray = tmp_path / "speech" / "Actor_05" / "03-01-05-01-01-01-02.wav"
    stray.write_bytes((tmp_path / "speech" / "Actor_05" / "03-01-04-01-01-01-05.wav").read_bytes())
    found = doctor.examine("ravdess", tmp_path)
    assert found.clips == 24 * 4
    severities = kinds(found)
    assert severities.pop("counts") == "unfit"  # 96 of 672
    assert severities.pop("short") == "note"  # 0.7 s at 16 kHz played at 48
    assert severities.pop("one-length") == "note"
    assert severities == {"duplicate-stray": "note"}
    named = next(problem for problem in found.problems if problem.kind == "duplicate-stray")
    assert named.examples == ("Actor_05/03-01-05-01-01-01-02.wav = Actor_05/03-01-04-01-01-01-05.wav",)


def test_emodb_with_a_wrong_rate(tmp_path):
    speakers = ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")
    for i, speaker in enumerate(speakers):
        for j, letter in enumerate("WFTNA"):
            write(tmp_path / "wav" / f"{speaker}a01{letter}a.wav", speech(10 * i + j))
    assert kinds(doctor.examine("emodb", tmp_path)) == {"counts": "unfit", "one-length": "note"}
    write(tmp_path / "wav" / "03a01Wa.wav", speech(0, 2.0), 44_100)
    assert kinds(doctor.examine("emodb", tmp_path)) == {"counts": "unfit", "sample-rate": "note"}
