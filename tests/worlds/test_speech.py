"""The synthesiser is measured from outside (scipy, autocorrelation), never against itself."""

import numpy as np
import pytest
from scipy import signal

from serkit.worlds import speech, world
from serkit.worlds.speech import RATE_HZ, Prosody
from tests.speech import pitch


def said(n_seconds=2.0, rate=1.0, pause=0.0, text=0):
    return speech.draw_sentence(
        world.stream(0, 0, 0, text, 2),
        int(n_seconds * RATE_HZ) // speech.HOP * speech.HOP,
        rate,
        pause,
    )


def spoken(prosody, speaker=0, text=0):
    who = world.speaker_of("A", speaker)
    return speech.speak(said(text=text), who, prosody, world.stream(0, 0, speaker, text, 4))


@pytest.mark.parametrize("speaker", [0, 1])
def test_the_pitch_is_the_speaker_s_times_the_emotion_s(speaker):
    level = {"f0_range": 0.0, "jitter": 0.0}
    hz = world.speaker_of("A", speaker).f0_hz
    for factor in (0.78, 1.0, 1.6):
        assert np.median(pitch(spoken(Prosody(f0=factor, **level), speaker))) == pytest.approx(
            factor * hz, rel=0.03
        )


def test_the_pitch_rises_and_falls_as_asked():
    def course(slope):
        hz = pitch(spoken(Prosody(slope=slope, accent=0.0)))
        third = len(hz) // 3
        return 12 * np.log2(np.median(hz[-third:]) / np.median(hz[:third]))

    assert course(6.0) > 4 > -4 > course(-6.0)


def test_the_level_follows_level_db():
    plain, loud = (spoken(Prosody(level_db=level)) for level in (0.0, 8.0))
    assert 20 * np.log10(np.std(loud) / np.std(plain)) == pytest.approx(8, abs=0.01)
    active = plain[np.abs(signal.hilbert(plain)) > 0.05 * np.abs(plain).max()]
    assert 20 * np.log10(np.std(active) / speech.REFERENCE_RMS) == pytest.approx(0, abs=2)


def test_the_tilt_follows_tilt_db():
    def slope(tilt_db):
        hz, power = signal.welch(spoken(Prosody(tilt_db=tilt_db)), RATE_HZ, nperseg=1024)
        low, high = ((hz > a) & (hz < 2 * a) for a in (300, 2400))  # three octaves apart
        return 10 * np.log10(power[high].sum() / power[low].sum())

    assert slope(3.0) - slope(0.0) == pytest.approx(9, abs=2)
    assert slope(-4.0) - slope(0.0) == pytest.approx(-12, abs=4)  # frication takes only half of it


def test_breath_makes_the_voice_less_periodic():
    def voiced_frames(breath):
        return len(pitch(spoken(Prosody(breath=breath, f0_range=0.0, jitter=0.0))))

    assert voiced_frames(0.0) > 1.2 * voiced_frames(2.0)


def test_the_vocal_tract_is_a_cascade_of_two_pole_resonators():
    formants, widths = np.array([[500.0, 1500.0, 2500.0]]), np.array([80.0, 90.0, 130.0])
    expected = np.ones(speech.FRAME // 2 + 1, complex)
    for hz, width in zip(formants[0], widths, strict=True):
        pole = np.exp((-np.pi * width + 2j * np.pi * hz) / RATE_HZ)
        denominator = np.poly([pole, pole.conj()]).real
        where = np.arange(len(expected)) * np.pi / (len(expected) - 1)
        expected *= signal.freqz([denominator.sum()], denominator, worN=where)[1]
    got = speech.vocal_tract_response(formants, widths)[0]
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    peaks = signal.find_peaks(np.abs(got))[0] * RATE_HZ / speech.FRAME
    np.testing.assert_allclose(peaks, formants[0], atol=RATE_HZ / speech.FRAME)


def test_frames_overlap_to_the_same_wave():
    wave = np.random.default_rng(0).normal(size=40 * speech.HOP)
    np.testing.assert_allclose(speech._overlap_add(speech._frames(wave), len(wave)), wave, atol=1e-12)


@pytest.mark.parametrize("seed", range(60))
def test_a_sentence_fills_its_clip(seed):
    draw = np.random.default_rng(seed)
    n = int(draw.integers(125, 251)) * speech.HOP
    rate, pause = draw.uniform(0.45, 2.2), draw.uniform(0, 0.6)
    sentence = speech.draw_sentence(world.stream(seed, 0, 0, 0, 2), n, rate, pause)
    assert (np.diff(sentence.edges_s) > 0).all()
    assert sentence.edges_s[0] == 0
    assert sentence.edges_s[-1] == n / RATE_HZ
    assert sentence.edges_s[1] >= 0.05 - 1e-9
    assert sentence.edges_s[-1] - sentence.edges_s[-2] >= 0.05 - 1e-9
    assert len(sentence.edges_s) == len(sentence.voice) + 1
    assert sentence.voice[-2] == 1.0  # the last sound is a vowel


def test_a_faster_speaker_says_the_same_and_more():
    slow, fast = said(rate=0.7).text.split(), said(rate=1.4).text.split()
    assert len(fast) > 1.5 * len(slow)
    assert fast[: len(slow)] == slow
