"""Pink noise (1/f power from 20 Hz up), to cut pieces from.

Made once a run, on the CPU, so a piece is the same on every device and costs no random numbers. Two draws
share samples only where their places, out of two million, lie within a clip's length.
"""

from __future__ import annotations

import functools

import numpy as np
import scipy.fft
import torch
from torch import Tensor

from serkit.device import send
from serkit.streams import NOISE_BANK, stream

NOISE_BANK_SAMPLES = 1 << 21  # 131 s at 16 kHz; more where clips are very long
NOISE_FROM_HZ = 20.0  # below, inaudible and under the lowest mel filter; 1/f would put most power there
MIN_NOISE_POWER = 1e-9  # of a piece: that of one sample can come out as 0


class PinkNoise:
    """Two minutes of noise.

    Attributes:
        samples: float32 [NOISE_BANK_SAMPLES, or more].
        energy: float64, one longer, sum of squares up to each sample: any piece's power at once.
    """

    def __init__(self, rate_hz: int, seed: int, longest: int = 0, device: str = "cpu") -> None:
        """Makes the noise of a seed, at least eight times as long as the `longest` clip.

        A vocoder may double a clip, so a quarter of the noise is kept for pieces to end in.
        """
        size = max(NOISE_BANK_SAMPLES, 1 << (8 * longest).bit_length())
        pink, self.energy = _pink(rate_hz, seed, size)
        self.samples = torch.from_numpy(pink).to(device)

    def cut(self, place: np.ndarray, samples: np.ndarray, longest: int) -> tuple[Tensor, np.ndarray]:
        """Pieces of noise, and the power of each over its clip's length.

        Args:
            place: float64 [clips] in [0, 1), where.
            samples: int64 [clips], length of each clip.
            longest: samples to cut for each.

        Returns:
            float32 [clips, longest] and float64 [clips].
        """
        first = np.floor(place * (len(self.samples) * 3 // 4)).astype(np.int64)
        starts = send(first, self.samples.device)
        power = (self.energy[first + samples] - self.energy[first]) / samples
        power = np.maximum(power, MIN_NOISE_POWER)
        return self.samples.unfold(0, longest, 1).index_select(0, starts), power


@functools.lru_cache(maxsize=2)  # 24 MB each and 0.15 s: the next run's loader has the same, mostly
def _pink(rate_hz: int, seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """`PinkNoise.samples` and `PinkNoise.energy`, not to be changed."""
    white = stream(NOISE_BANK, seed, 0).standard_normal(size, dtype=np.float32)
    spectrum = scipy.fft.rfft(white)
    hertz = scipy.fft.rfftfreq(size, 1 / rate_hz)
    shape = np.sqrt(NOISE_FROM_HZ / np.maximum(hertz, NOISE_FROM_HZ)) * (hertz >= NOISE_FROM_HZ)
    pink = scipy.fft.irfft(spectrum * shape.astype(np.float32), n=size)
    pink = (pink / pink.std()).astype(np.float32)
    return pink, np.concatenate([[0.0], np.cumsum(np.square(pink, dtype=np.float64))])
