"""Emotions and channels are as stated, and a classifier that is not ours finds what there is to find."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import signal
from sklearn.metrics import balanced_accuracy_score

from serkit.errors import SpecError
from serkit.labels import LABELS
from serkit.worlds import speech, world
from serkit.worlds.speech import RATE_HZ, Prosody
from serkit.worlds.world import Channel
from tests.made_features import features, fitted

ROOT = Path(__file__).resolve().parents[2]

STREAM = world.stream(0, 0, 0, 0, 0)
PINNED = "12d52c4967c32a073a53c96f91d2bf0282b7e7aa2700ad03766df325de136f90"

DIGEST = """
import hashlib
from serkit.worlds import world
from serkit.labels import LABELS
digest = hashlib.sha256()
for corpus in world.CORPORA:
    for k in range(8):
        clip = world.make_clip(corpus, k, k, LABELS[k % 4], world.MEANINGS[k % 3], k / 7)
        digest.update(clip.astype("<i2").tobytes())
print(digest.hexdigest())
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


def test_same_samples_whatever_the_threads_and_the_processor_s_extensions():
    extensions = " ".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", []))
    runs = [
        python(DIGEST, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"),
        python(DIGEST, OMP_NUM_THREADS="4", MKL_NUM_THREADS="4", OPENBLAS_NUM_THREADS="4"),
        python(DIGEST, NPY_DISABLE_CPU_FEATURES=extensions),
    ]
    assert [output(run) for run in runs] == [PINNED] * 3


def test_a_clip_does_not_depend_on_what_was_made_before():
    first = world.make_clip("B", 3, 5, "happy")
    world.make_clip("A", 0, 0, "sad")
    assert np.array_equal(first, world.make_clip("B", 3, 5, "happy"))


@pytest.mark.parametrize(
    "other",
    [
        {"corpus": "C"},
        {"speaker": 1},
        {"number": 1},
        {"label": "sad"},
        {"meaning": "disjoint"},
        {"mismatch": 0.5},
        {"seed": 1},
    ],
)
def test_every_argument_changes_the_clip(other):
    usual = {"corpus": "B", "speaker": 0, "number": 0, "label": "angry"}
    assert not np.array_equal(world.make_clip(**usual), world.make_clip(**usual | other))


def flat(**different):
    return Channel(**{"snr_db": 200.0, "t60_s": 0.0, "direct_db": 20.0, "low_hz": 1.0, "high_hz": 8000.0,
                      "tilt_db": 0.0, "noise_slope": 0.0} | different)  # fmt: skip


def gain_db(channel, at_hz):
    white = np.random.default_rng(0).normal(size=10 * RATE_HZ)
    heard = world.apply_channel(white, channel, world.stream(0, 0, 0, 0, 5))
    hz, before = signal.welch(white, RATE_HZ, nperseg=1024)
    _, after = signal.welch(heard, RATE_HZ, nperseg=1024)
    return np.interp(at_hz, hz, 10 * np.log10(after / before))


def test_band_limits_and_tilt_are_as_stated():
    band = gain_db(flat(low_hz=300.0, high_hz=3600.0), [150.0, 500.0, 1000.0, 3000.0, 7200.0])
    np.testing.assert_allclose(band, [-24, 0, 0, 0, -24], atol=0.7)
    np.testing.assert_allclose(gain_db(flat(tilt_db=-2.0), [500.0, 1000.0, 4000.0]), [2, 0, -4], atol=0.3)


@pytest.mark.parametrize(("slope", "fall_db"), [(0.0, 0.0), (1.0, 9.0)])
def test_the_noise_has_its_level_and_colour_whatever_the_speech(slope, fall_db):
    channel = flat(snr_db=18.0, noise_slope=slope)
    noises = [world.apply_channel(np.zeros(RATE_HZ), channel, world.stream(k, 0, 0, 0, 5)) for k in range(40)]
    level_db = [20 * np.log10(np.std(noise) / speech.REFERENCE_RMS) for noise in noises]
    assert np.mean(level_db) == pytest.approx(-18, abs=1)
    assert np.std(level_db) == pytest.approx(2, abs=0.8)
    hz, power = signal.welch(np.concatenate(noises), RATE_HZ, nperseg=1024)
    fall = 10 * np.log10(np.interp(500.0, hz, power) / np.interp(4000.0, hz, power))
    assert fall == pytest.approx(fall_db, abs=1)


def reverberation_time(response):
    """T30 by Schroeder's backward integral, seconds."""
    energy = np.cumsum(response[::-1] ** 2)[::-1]
    level = 10 * np.log10(energy / energy[0])
    begin, end = np.argmax(level < -5), np.argmax(level < -35)
    return -60 / np.polyfit(np.arange(begin, end) / RATE_HZ, level[begin:end], 1)[0]


@pytest.mark.parametrize("t60_s", [0.2, 0.5, 1.0])
def test_the_room_has_its_reverberation_time(t60_s):
    octave = signal.butter(4, [710, 1420], "bandpass", fs=RATE_HZ, output="sos")
    measured = [
        reverberation_time(
            signal.sosfilt(octave, world.room_response(t60_s, -5.0, world.stream(k, 0, 0, 0, 5)))
        )
        for k in range(12)
    ]
    assert np.mean(measured) == pytest.approx(t60_s, rel=0.1)


def test_the_direct_sound_is_as_loud_as_stated():
    response = world.room_response(0.5, 6.0, world.stream(0, 0, 0, 0, 5))
    assert response[0] == 1
    assert -10 * np.log10((response[1:] ** 2).sum()) == pytest.approx(6)


def test_reverberation_is_the_linear_convolution():
    rng = np.random.default_rng(0)
    wave = rng.normal(size=RATE_HZ)
    heard = world.apply_channel(wave, flat(t60_s=0.4), world.stream(0, 0, 0, 0, 5))
    click = np.zeros(RATE_HZ)
    click[0] = 1.0
    response = world.apply_channel(click, flat(t60_s=0.4), world.stream(0, 0, 0, 0, 5))
    np.testing.assert_allclose(heard, signal.fftconvolve(wave, response)[:RATE_HZ], atol=1e-9)


def test_the_acoustic_knob_goes_from_one_channel_to_three():
    assert {world.channel_of(corpus, 0.0) for corpus in "ABC"} == {world.COMMON_CHANNEL}
    assert {corpus: world.channel_of(corpus, 1.0) for corpus in "ABC"} == world.CHANNELS
    assert world.channel_of("B", 0.5).t60_s == pytest.approx(0.3)


def test_meanings_are_shared_swapped_or_disjoint():
    def of(corpus, meaning):
        return {label: world.prosody_of(corpus, label, meaning) for label in LABELS}

    a = of("A", "shared")
    for same in (("B", "shared"), ("C", "shared"), ("A", "swapped"), ("C", "swapped"), ("A", "disjoint")):
        assert of(*same) == a
    assert of("B", "swapped") == {
        "neutral": a["sad"],
        "sad": a["neutral"],
        "happy": a["angry"],
        "angry": a["happy"],
    }
    disjoint = {corpus: of(corpus, "disjoint") for corpus in "ABC"}
    varied = {
        corpus: {name for name in vars(Prosody()) if len({getattr(p, name) for p in table.values()}) > 1}
        for corpus, table in disjoint.items()
    }
    assert not varied["A"] & varied["B"]
    assert not varied["A"] & varied["C"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: world.make_clip("D", 0, 0, "sad"), ("'D'", "A, B, C")),
        (lambda: world.make_clip("A", 0, 0, "bored"), ("'bored'", "angry, happy, neutral, sad")),
        (lambda: world.make_clip("A", 0, 0, "sad", "odd"), ("'odd'", "shared, disjoint, swapped")),
        (lambda: world.make_clip("A", 0, 0, "sad", mismatch=1.5), ("1.5", "[0, 1]")),
        (lambda: speech.draw_sentence(STREAM, 1000), ("1000", "128")),
        (lambda: speech.draw_sentence(STREAM, 1280), ("1280", "too short")),
        (lambda: speech.draw_sentence(STREAM, 12800, 0.0), ("rate = 0.0", "more than 0")),
        (lambda: world.room_response(0.0, 0.0, STREAM), ("t60_s = 0.0", "more than 0")),
    ],
)
def test_errors_say_what_was_given_and_what_was_expected(call, words):
    with pytest.raises(SpecError) as error:
        call()
    assert all(word in str(error.value) for word in words)


def test_without_a_channel_between_them_corpora_agree_iff_their_meaning_do():
    def heard(corpus, speakers, meaning):
        asked = [(speaker, k, LABELS[k]) for speaker in range(speakers) for k in range(4)]
        clips = [world.make_clip(corpus, *each, meaning, mismatch=0.0) for each in asked]
        return np.stack([features(clip) for clip in clips]), [label for *_, label in asked]

    from_a = fitted(*heard("A", 12, "shared"))

    def across(meaning):
        of_b, labels = heard("B", 8, meaning)
        return balanced_accuracy_score(labels, from_a.predict(of_b))

    assert across("shared") > 0.8
    assert across("swapped") < 0.15
    assert across("disjoint") < 0.5
