"""Test speech, and how far one wave is from another."""

import functools

import numpy as np

from serkit.labels import LABELS
from serkit.worlds import speech

RATE_HZ = speech.RATE_HZ


def spoken(number, peak=0.3, samples=None):
    """A clip in one of three recordings (clean, noisy and reverberant, narrow-band): float32, 1 to 2 s."""
    corpus = speech.CORPORA[number % 3]
    return (_spoken(corpus, number % 5, number % 7, LABELS[number % 4]) * np.float32(peak))[:samples]


@functools.cache
def _spoken(corpus, speaker, number, label):
    wave = speech.make_clip(corpus, speaker, number, label).astype(np.float32)
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
