"""Names in a folder, and label files that are not what they should be."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from serkit.corpora.reading import folder
from serkit.corpora.reading.corpus import table
from serkit.errors import CorpusUnfit
from tests import corpus_trees as trees


def test_audio_is_listed_in_any_case_without_hidden_files(tmp_path: Path) -> None:
    for name in (
        "a.wav",
        "b.WAV",
        "c.flac",
        "d.Flac",
        "._a.wav",
        ".hidden.wav",
        "e.mp3",
        "f.wav.txt",
        "g",
        ".wav",
    ):
        (tmp_path / name).touch()
    assert folder.audio_in(tmp_path) == {"a": "a.wav", "b": "b.WAV", "c": "c.flac", "d": "d.Flac"}


def test_of_two_suffixes_wav_wins(tmp_path: Path) -> None:
    for name in ("a.flac", "a.wav"):
        (tmp_path / name).touch()
    assert folder.audio_in(tmp_path) == {"a": "a.wav"}


@pytest.mark.parametrize(
    ("encoding", "name", "said"),
    [
        ("ascii", "Zoë.wav", r"Zoë\.wav cannot .* ascii here; set PYTHONUTF8=1"),
        ("ascii", "Zo\udcc3\udcab.wav", r"Zo\\udcc3\\udcab\.wav cannot .* ascii here; set PYTHONUTF8=1"),
        ("utf-8", "Zo\udceb.wav", r"Zo\\udceb\.wav cannot .* utf-8 here; rename it"),
    ],
)
def test_names_that_cannot_be_looked_up_are_said_to_be_so(monkeypatch, encoding, name, said) -> None:
    """The clips are there, so "fetch it again" would be no help; as labels or as the system names them."""
    rows = [{"path": path, "label": "sad", "speaker": "1"} for path in ("a.wav", name)]
    monkeypatch.setattr(sys, "getfilesystemencoding", lambda: encoding)
    with pytest.raises(CorpusUnfit, match=f"^Mine: {said}"):
        table(rows, "Mine")
    assert len(table(rows[:1], "Mine")) == 1


def test_a_missing_folder_has_no_names(tmp_path: Path) -> None:
    assert folder.names_in(tmp_path / "nothing") == []


def test_a_label_file_that_is_a_pointer_says_git_lfs_pull(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(trees.LFS_POINTER)
    with pytest.raises(CorpusUnfit, match=r"labels\.csv is a git-lfs pointer.*git lfs pull"):
        folder.label_text(path, "Mine")


def test_a_label_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorpusUnfit, match=r"labels\.csv is missing"):
        folder.label_text(tmp_path / "labels.csv", "Mine")


def test_a_byte_order_mark_is_no_part_of_the_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(b"\xef\xbb\xbfFileName\n")
    assert folder.label_text(path, "Mine") == "FileName\n"


def test_placeholders_can_be_made_audible(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    trees.place(tmp_path, ["a"])
    trees.make_audible(tmp_path, seconds=0.5, rate_hz=8000, channels=2)
    wave, rate_hz = soundfile.read(tmp_path / "a.wav")
    assert (wave.shape, rate_hz) == ((4000, 2), 8000)
    assert (tmp_path / "._a.wav").read_bytes() == trees.APPLE_DOUBLE
