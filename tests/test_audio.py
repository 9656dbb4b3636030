"""Packed audio: exact where it can be, an error with a way out where it cannot, whole or not there at all."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from serkit.audio import decode, unfit
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
