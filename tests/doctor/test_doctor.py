"""The doctor: each check on a copy that has the fault, where it must be named, and on a clean one."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from benchmark.doctor import render
from serkit import doctor
from serkit.doctor.findings import KINDS
from serkit.errors import CorpusUnfit, SpecError
from tests.doctored import POINTER, kinds, only, speech, write

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
    text = render(copy.examine(), "Fake")
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
        assert render(found, "Fake").startswith("Fake: missing\n")


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
    text = render(found, "Fake")
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
    assert "and 3 more" in render(found, "Fake")
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


def test_names_steer_no_terminal_and_forge_no_line(copy):
    for seed, name in enumerate(("\x1b[31mred.wav", "two\nlines.wav"), 98):
        write(copy.folder / "clips" / "s0" / name, speech(seed))
    text = render(copy.examine(), "Fake")
    assert "\\x1b[31mred.wav" in text
    assert "two\\nlines.wav" in text
    assert "\x1b" not in text


def test_few_silent_clips_are_a_note(copy, monkeypatch):
    as_silence(copy[3])
    as_silence(copy[20])  # and two alike are no duplicates, though in different splits
    monkeypatch.setitem(KINDS["silent"], "tolerated", 2 / 24)
    assert kinds(copy.examine()) == {"silent": "note"}


def test_wav_with_other_chunks_before_its_data(copy):
    content = copy[0].read_bytes()
    extra = b"LIST" + struct.pack("<I", 5) + b"aside" + b"\0"  # odd length: padded
    longer = content[:12] + content[12:36] + extra + content[36:]
    copy[0].write_bytes(b"RIFF" + struct.pack("<I", len(longer) - 8) + longer[8:])
    assert copy.examine().problems == ()
    copy[0].write_bytes(longer[:-4000])
    assert only(copy.examine()).kind == "truncated"


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
