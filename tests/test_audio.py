"""Packed audio: exact where it can be, an error with a way out where it cannot, whole or not there at all."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from serkit import audio
from serkit.audio import decode, fingerprint, pack, packed_before, unfit
from serkit.corpora.table import Corpus, table
from serkit.errors import AudioError
from tests.speech import spoken

ROOT = Path(__file__).resolve().parent.parent
RATE_HZ = 16_000
LABEL = ("angry", "happy", "neutral", "sad")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def noise(seed, samples=800):
    return np.random.default_rng(seed).integers(-20_000, 20_000, samples).astype(np.int16)


def tone(hz, rate_hz, seconds=0.5, level=0.4):
    return level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def amplitude(wave, hz, rate_hz):
    """Level of the tone `hz` in `wave` and of what else is there, by least squares; ends left out."""
    at = 2 * np.pi * hz * np.arange(len(wave)) / rate_hz
    inside = slice(200, -200)
    waves = np.stack([np.sin(at), np.cos(at)], axis=1)[inside]
    fitted, *_ = np.linalg.lstsq(waves, wave[inside], rcond=None)
    return np.hypot(*fitted), np.abs(wave[inside] - waves @ fitted).max()


WAVES = [noise(i, 500 + 37 * i) for i in range(8)]


def corpus_of(folder, waves=WAVES, suffix="wav", label=LABEL):
    """A corpus of int16 clips, written to `folder` at 16 kHz."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, wave in enumerate(waves):
        soundfile.write(folder / f"{i:02d}.{suffix}", wave, RATE_HZ, subtype="PCM_16")
    return corpus_in(folder, len(waves), suffix, label)


def corpus_in(folder, clips, suffix="wav", label=LABEL):
    rows = [
        {"path": f"{i:02d}.{suffix}", "label": label[i % 4], "speaker": str(i), "split": "train"}
        for i in range(clips)
    ]
    return Corpus("fake", folder, "1", table(rows, "Fake"))


# --- one clip ---


@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [("wav", "PCM_16"), ("flac", "PCM_16"), ("wav", "PCM_24"), ("flac", "PCM_24"), ("wav", "FLOAT")],
)
def test_16_bit_values_at_the_right_rate_are_kept_exactly(tmp_path, suffix, subtype):
    wave = np.concatenate([noise(0), [-32768, 32767, 0, 1, -1]]).astype(np.int16)
    path = tmp_path / f"clip.{suffix}"
    soundfile.write(path, wave if subtype == "PCM_16" else wave / 32768, RATE_HZ, subtype=subtype)
    decoded = decode(path, RATE_HZ)
    assert decoded.dtype == np.int16
    np.testing.assert_array_equal(decoded, wave)


def test_channels_are_averaged(tmp_path):
    left, right = noise(1).astype(int), noise(2).astype(int)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1).astype(np.int16), RATE_HZ)
    soundfile.write(tmp_path / "b.wav", np.stack([left, -left], axis=1).astype(np.int16), RATE_HZ)
    assert np.abs(2 * decode(tmp_path / "a.wav", RATE_HZ).astype(int) - (left + right)).max() <= 1
    assert not decode(tmp_path / "b.wav", RATE_HZ).any()


@pytest.mark.parametrize(
    ("found_hz", "rate_hz"), [(8000, 16000), (22050, 16000), (44100, 16000), (48000, 16000), (16000, 32000)]
)
@pytest.mark.parametrize("hz", [440.0, 3000.0])
def test_resampling_keeps_pitch_level_and_length(tmp_path, found_hz, rate_hz, hz):
    soundfile.write(tmp_path / "clip.wav", tone(hz, found_hz), found_hz, subtype="FLOAT")
    decoded = decode(tmp_path / "clip.wav", rate_hz)
    level, rest = amplitude(decoded / 32768, hz, rate_hz)
    assert level == pytest.approx(0.4, rel=1e-3)
    assert rest < 1e-3
    assert len(decoded) == pytest.approx(0.5 * rate_hz, abs=1)


def test_what_the_rate_cannot_hold_is_filtered_not_folded(tmp_path):
    soundfile.write(tmp_path / "clip.wav", tone(11_000, 48_000), 48_000, subtype="FLOAT")
    assert np.abs(decode(tmp_path / "clip.wav", RATE_HZ)[200:-200]).max() < 0.001 * 0.4 * 32768


def test_between_16_bit_values_is_rounded_beyond_them_clipped(tmp_path):
    wave = np.array([1.7, -1.7, 1.2, 48_000, -48_000]) / 32768
    soundfile.write(tmp_path / "clip.wav", wave, RATE_HZ, subtype="FLOAT")
    np.testing.assert_array_equal(decode(tmp_path / "clip.wav", RATE_HZ), [2, -2, 1, 32767, -32768])


def cut(suffix, share):
    def spoil(path):
        soundfile.write(path, noise(0, 16_000), RATE_HZ, format=suffix.upper(), subtype="PCM_16")
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return spoil


def not_finite(rate_hz, value):
    return lambda path: soundfile.write(
        path, np.where(np.arange(900) == 7, value, 0.1), rate_hz, format="WAV", subtype="FLOAT"
    )


SPOILT = {
    "missing": (lambda path: None, "no such file; the labels name it, so the corpus is incomplete"),
    "lfs-pointer": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:01\nsize 9\n"),
        "a git-lfs pointer, not audio; run 'git lfs pull' in the corpus's folder",
    ),
    "empty-file": (lambda path: path.touch(), "an empty file; fetch it again"),
    "empty-wav": (
        lambda path: soundfile.write(path, noise(0, 0), RATE_HZ, format="WAV"),
        "no samples in it; fetch the file again",
    ),
    "cut-wav": (cut("wav", 0.6), r"cut off after \d+ samples; fetch the file again"),
    "cut-wav-header": (cut("wav", 0.0006), "not readable as audio .*; fetch it again"),
    "cut-flac": (cut("flac", 0.6), r"(cut off after \d+ samples|not readable as audio).*; fetch .* again"),
    "text": (lambda path: path.write_text("hello\n" * 99), "not readable as audio .*; fetch it again"),
    "folder": (Path.mkdir, "not readable .*; make it a file that you may read"),
    "nan": (not_finite(RATE_HZ, np.nan), "samples that are not finite; fetch the file again"),
    "inf-resampled": (not_finite(48_000, np.inf), "samples that are not finite; fetch the file again"),
}


@pytest.mark.parametrize(("spoil", "message"), SPOILT.values(), ids=SPOILT)
def test_errors_name_the_path_and_the_cure(tmp_path, spoil, message):
    path = tmp_path / "clip.wav"
    spoil(path)
    with pytest.raises(AudioError, match=f"^{re.escape(str(path))}: {message}$"):
        decode(path, RATE_HZ)


# --- a corpus ---


def test_a_pack_holds_every_clip_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "CLIPS_AT_ONCE", 3)
    told = []
    packed = pack(corpus_of(tmp_path / "c"), RATE_HZ, lambda *at: told.append(at))
    clips = [packed.samples[a:b] for a, b in zip(packed.offsets, packed.offsets[1:], strict=False)]
    for clip, wave in zip(clips, WAVES, strict=True):
        np.testing.assert_array_equal(clip, wave)
    np.testing.assert_array_equal(packed.lengths, [len(wave) for wave in WAVES])
    assert packed.rate_hz == RATE_HZ
    assert told == [(i + 1, 8) for i in range(8)]


def test_what_was_packed_before_is_found_and_nothing_else(tmp_path):
    corpus = corpus_of(tmp_path / "c")
    assert packed_before(corpus, RATE_HZ) is None
    made = pack(corpus, RATE_HZ)
    assert packed_before(corpus, RATE_HZ).digest == made.digest
    assert packed_before(corpus, 32_000) is None


def test_a_pack_is_mapped_and_read_only(tmp_path):
    packed = pack(corpus_of(tmp_path / "c"), RATE_HZ)
    assert isinstance(packed.samples, np.memmap)
    assert packed.samples.dtype == np.int16
    with pytest.raises(ValueError, match="read-only"):
        packed.samples[0] = 0


def test_the_digest_is_of_the_content(tmp_path):
    corpus = corpus_of(tmp_path / "c")
    digest = pack(corpus, RATE_HZ).digest
    assert pack(corpus_of(tmp_path / "flac", suffix="flac"), RATE_HZ).digest == digest
    shutil.copytree(corpus.folder, tmp_path / "copy")
    assert pack(corpus_in(tmp_path / "copy", 8), RATE_HZ).digest == digest
    for path in corpus.folder.iterdir():
        os.utime(path, (1, 1))
    assert pack(corpus, RATE_HZ).digest == digest


def one_sample():
    return [*WAVES[:3], np.where(np.arange(len(WAVES[3])) == 9, WAVES[3] ^ 1, WAVES[3]), *WAVES[4:]]


def one_border():
    return [*WAVES[:6], np.append(WAVES[6], WAVES[7][:1]), WAVES[7][1:]]


@pytest.mark.parametrize("waves", [one_sample(), one_border(), WAVES[::-1], WAVES[:-1]])
def test_another_content_is_another_digest_and_fingerprint(tmp_path, waves):
    corpus, other = corpus_of(tmp_path / "c"), corpus_of(tmp_path / "d", waves)
    ours, theirs = pack(corpus, RATE_HZ), pack(other, RATE_HZ)
    assert ours.digest != theirs.digest
    assert fingerprint(corpus, ours) != fingerprint(corpus, theirs)


def test_the_rate_is_in_the_digest(tmp_path):
    corpus = corpus_of(tmp_path / "c", [np.zeros(4, np.int16), np.zeros(8, np.int16)])
    slow = pack(corpus_of(tmp_path / "d", [np.zeros(2, np.int16), np.zeros(4, np.int16)]), 32_000)
    assert slow.samples.tolist() == pack(corpus, RATE_HZ).samples.tolist()
    assert slow.digest != pack(corpus, RATE_HZ).digest


def test_the_fingerprint_is_of_labels_too(tmp_path):
    corpus = corpus_of(tmp_path / "c")
    relabelled = corpus_in(tmp_path / "c", 8, label=LABEL[::-1])
    packed = pack(corpus, RATE_HZ)
    assert fingerprint(corpus, packed) != fingerprint(relabelled, packed)
    assert fingerprint(corpus, packed) == fingerprint(corpus_in(tmp_path / "c", 8), pack(corpus, RATE_HZ))


def test_packed_once_and_again_when_a_clip_changes(tmp_path, monkeypatch):
    corpus = corpus_of(tmp_path / "c")
    first = pack(corpus, RATE_HZ)
    with monkeypatch.context() as without:
        without.setattr(audio, "decode", lambda *_: pytest.fail("decoded again"))
        again = pack(corpus, RATE_HZ)
    assert again.digest == first.digest
    np.testing.assert_array_equal(again.samples, first.samples)
    denoised = corpus_of(tmp_path / "c", one_sample())  # same names, same sizes
    assert pack(denoised, RATE_HZ).digest != first.digest


@pytest.mark.parametrize(("bad", "named"), [(3, 3), (14, 10)])
def test_all_bad_clips_are_counted_ten_are_named_nothing_is_left(tmp_path, cache, bad, named):
    waves = [noise(i) for i in range(16)]
    corpus = corpus_of(tmp_path / "c", waves)
    for i in range(bad):
        (corpus.folder / f"{i:02d}.wav").write_bytes(b"")
    with pytest.raises(AudioError) as raised:
        pack(corpus, RATE_HZ)
    message = str(raised.value)
    assert message.startswith(f"{bad} of 16 clips of fake cannot be read:")
    assert re.findall(r"(\d\d)\.wav: an empty file", message) == [f"{i:02d}" for i in range(named)]
    assert (f"... and {bad - named} more" in message) == (bad > named)
    assert message.endswith("run: python -m benchmark doctor fake")
    assert [path for path in (cache / "packed").iterdir() if path.suffix != ".lock"] == []
    assert pack(corpus_of(tmp_path / "c", waves), RATE_HZ).samples.tolist() == np.concatenate(waves).tolist()


PACK = """
import os, sys, time
from pathlib import Path
from serkit import audio
from tests.test_audio import RATE_HZ, corpus_in
decoded, original = [], audio.decode
def counted(path, rate_hz):
    decoded.append(path)
    if sys.argv[2] == "die" and len(decoded) == 5:
        os.kill(os.getpid(), 9)
    time.sleep(0.1)
    return original(path, rate_hz)
audio.decode = counted
here = Path(sys.argv[1])
(here.parent / f"ready-{os.getpid()}").touch()
while len(list(here.parent.glob("ready-*"))) < int(sys.argv[3]):
    time.sleep(0.01)
packed = audio.pack(corpus_in(here, 8), RATE_HZ)
print(len(decoded), packed.digest)
"""


def packing(folder, end, workers):
    """A process that packs the corpus in `folder`, begun when all its `workers` are ready."""
    return subprocess.Popen(
        [sys.executable, "-c", PACK, str(folder), end, str(workers)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def test_two_workers_decode_once_and_agree(tmp_path):
    corpus = corpus_of(tmp_path / "c")
    workers = [packing(corpus.folder, "live", 2) for _ in range(2)]
    said = [worker.communicate(timeout=60)[0].split() for worker in workers]
    assert sorted(decoded for decoded, _ in said) == ["0", "8"]
    assert {digest for _, digest in said} == {pack(corpus, RATE_HZ).digest}


def test_the_draft_of_a_killed_worker_is_swept(tmp_path, cache):
    corpus = corpus_of(tmp_path / "c")
    worker = packing(corpus.folder, "die", 1)
    worker.communicate(timeout=60)
    assert worker.returncode == -signal.SIGKILL
    assert [path.suffix for path in (cache / "packed").iterdir() if path.is_dir()] == [".draft"]
    (draft,) = (cache / "packed").glob("*.draft")
    (draft / "left-over").touch()
    assert pack(corpus, RATE_HZ).samples.tolist() == np.concatenate(WAVES).tolist()
    (folder,) = (path for path in (cache / "packed").iterdir() if path.is_dir())
    assert folder.name == draft.stem
    assert sorted(path.name for path in folder.iterdir()) == ["offsets.npy", "pack.json", "samples.i16"]


@pytest.mark.parametrize(
    ("lengths", "noted"), [([800, 800, 800], True), ([800, 800, 801], False), ([800], False)]
)
def test_clips_of_one_length_are_noted(tmp_path, lengths, noted):
    corpus = corpus_of(tmp_path / "c", [noise(i, length) for i, length in enumerate(lengths)])
    notes = pack(corpus, RATE_HZ).notes
    assert len(notes) == noted
    if noted:
        assert "exactly 0.05 s long" in notes[0]


def int16(wave):
    return np.rint(np.clip(wave, -1, 1 - 2**-15) * 32768).astype(np.int16)


@pytest.mark.parametrize("peak", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("number", range(6))
def test_speech_is_fit_at_any_level_and_with_silence_around_it(number, peak):
    clip = int16(spoken(number, peak))
    assert unfit(clip) is None
    assert unfit(np.pad(clip, 16_000)) is None


@pytest.mark.parametrize("offset", [0, 300])
@pytest.mark.parametrize(
    "hiss",
    [
        lambda random: np.zeros(30_000),
        lambda random: np.rint(random.triangular(-1, 0, 1, 30_000)),  # dither
        lambda random: random.integers(-4, 5, 30_000),  # and a louder one
        lambda random: random.integers(-1, 2, 30),  # shorter than a frame
    ],
)
def test_silence_is_unfit_with_dither_and_an_offset_too(hiss, offset):
    assert unfit((hiss(np.random.default_rng(0)) + offset).astype(np.int16)) == "silent"


def test_a_faint_whisper_is_not_silence():
    clip = spoken(0, 1.0)
    loudest = max(np.sqrt(np.mean(clip[i : i + 1600] ** 2)) for i in range(0, len(clip), 1600))
    for dbfs, reason in ((-60, None), (-72, "silent")):
        assert unfit(int16(clip * (10 ** (dbfs / 20) / loudest))) == reason


@pytest.mark.parametrize("gain", [1.0, 0.9, 0.05])
@pytest.mark.parametrize("over_db", [3, 6, 12])
@pytest.mark.parametrize("number", range(6))
def test_cut_off_peaks_are_found_whatever_gain_came_later(number, over_db, gain):
    clip = spoken(number, 10 ** (over_db / 20))
    assert unfit(int16(gain * np.clip(clip, -1, 1))) == "clipped"
    one_sided = np.minimum(clip, 1)
    assert unfit(int16(gain * one_sided / np.abs(one_sided).max())) == "clipped"


@pytest.mark.parametrize("count", [1, 6])
def test_a_few_samples_at_full_scale_are_not_clipping(count):
    clip = int16(spoken(0, 0.9))
    loudest = np.argsort(clip)[-count:]
    clip[loudest] = 32767
    assert unfit(clip) is None
