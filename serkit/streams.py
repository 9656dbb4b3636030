"""Random numbers, a stream for each purpose.

A stream depends on (purpose, seed, epoch) alone and gives each clip its own numbers, so a run is the same
whatever the order of batches, the worker or the device. Adding a purpose at the end moves no other draw.
"""

import numpy as np

ORDER, CROP, AFFECTED, STRETCH, SHIFT, FADE, EQUALIZER, REVERB, NOISE = range(9)
TIME_MASKS, BAND_MASKS, NOISE_BANK, TREATED = range(9, 13)


def stream(purpose: int, seed: int, epoch: int) -> np.random.Generator:
    """The random numbers of one purpose in one epoch: counter-based (Philox), the same on every machine."""
    return np.random.Generator(np.random.Philox(key=[seed, purpose], counter=[0, 0, 0, epoch]))
