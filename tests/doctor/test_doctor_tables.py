"""The doctor on tables and folders: each check on a copy that has the fault, and on a clean one."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from benchmark.doctor import render
from serkit import doctor
from serkit.corpora.reading.corpus import Corpus, table
from serkit.labels import LABELS
from tests.doctored import POINTER, Copy, kinds, only, speech, write

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


def test_labels_that_are_not_as_frequent_in_testing(make):
    corpus = make(by_fold=True).read(Path())
    assert doctor.tables.other_shares(corpus) == []
    many = pd.concat([corpus.clips] * 10, ignore_index=True)
    many.loc[(many["fold"] == 0) & (many["label"] != "sad") & (many.index % 5 < 3), "label"] = "angry"
    (problem,) = doctor.tables.other_shares(dataclasses.replace(corpus, clips=many))
    assert (problem.kind, problem.severity) == ("other-shares", "note")
    assert problem.examples[0].startswith("fold 0, 30%")


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
    text = render(found, "Fake")
    assert "! 6 / 7" in text
    assert "! 4 / 5" in text
    assert "1 published count of single speakers agree" in text
