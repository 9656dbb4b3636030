"""Test speech, and how far one wave is from another."""

import functools

import numpy as np

from serkit.labels import LABELS
from serkit.worlds import speech, world

RATE_HZ = speech.RATE_HZ


def spoken(number, peak=0.3, samples=None):
    """A clip in one of three recordings (clean, noisy and reverberant, narrow-band): float32, 1 to 2 s."""
    corpus = world.CORPORA[number % 3]
    return (_spoken(corpus, number % 5, number % 7, LABELS[number % 4]) * np.float32(peak))[:samples]


@functools.cache
def _spoken(corpus, speaker, number, label):
    wave = world.make_clip(corpus, speaker, number, label).astype(np.float32)
    return wave / np.abs(wave).max()


def padded(clips, longer=0):
    """Clips as a batch: waves float32 [clips, longest + longer], zeros past the ends, and their lengths."""
    import torch  # not for those who want clips alone

    samples = np.array([len(clip) for clip in clips])
    waves = torch.zeros(len(clips), samples.max() + longer)
    for wave, clip in zip(waves, clips, strict=True):
        wave[: len(clip)] = torch.from_numpy(np.asarray(clip, dtype=np.float32))
    return waves, samples


def off_by_db(made, wanted):
    """Energy of the difference over the energy of what is wanted, dB; -400 where they are equal."""
    made, wanted = (np.asarray(wave, dtype=np.float64) for wave in (made, wanted))
    assert made.shape == wanted.shape
    return 10 * np.log10(np.square(made - wanted).sum() / np.square(wanted).sum() + 1e-40)


def pitch(wave):
    """Pitch of the voiced frames, Hz, by autocorrelation: (frames,)."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, 800)[::160] * np.hanning(800)
    frames = frames[np.sqrt((frames**2).mean(1)) > 0.3 * np.sqrt((wave**2).mean())]
    similar = np.fft.irfft(np.abs(np.fft.rfft(frames, 2048)) ** 2)[:, :400]
    similar /= similar[:, :1]
    # The window shortens the overlap at long lags, which would favour a part of the period: undo it.
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(800), 2048)) ** 2)[:400]
    similar /= window / window[0]
    similar = similar[:, :280]
    peaks = np.zeros(similar.shape, bool)
    peaks[:, 32:-1] = (similar[:, 32:-1] > similar[:, 31:-2]) & (similar[:, 32:-1] >= similar[:, 33:])
    highest = np.where(peaks, similar, 0).max(axis=1, keepdims=True)
    lags = (peaks & (similar > 0.9 * highest)).argmax(axis=1)  # two periods are as similar as one: take one
    return RATE_HZ / lags[highest[:, 0] > 0.75]
