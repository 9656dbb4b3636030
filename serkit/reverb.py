"""Reverberation by pedalboard's own responses: its Reverb is linear, so its spectrum is all there is to it.

`pedalboard.Reverb` (Freeverb) gives tap x dry_level x input + wet_level x h(room size) * input, with damping
and width at its defaults. Its responses are recorded from pedalboard itself at a few room sizes (Chebyshev
nodes: five do up to 0.2) and interpolated between them: a batch's spectra are one small matrix product.

Differences from running pedalboard on each clip:

1. Freeverb adds a constant of about 1e-8 in each of its filters against denormal numbers, so clips quieter
   than 60 dB below full scale differ by more than the rest: `tests/test_reverb.py` states the bounds.
2. What rings on for longer than `Reverb.tail_samples` after a clip's last sample wraps round the FFT, 90 dB
   below the reverberation.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.polynomial import chebyshev
from torch import Tensor

from serkit.device import send

LOUD = 1000.0  # an impulse of this height: pedalboard's constants against denormals drown at 1
INTERPOLATED_DB = -100.0  # error of the interpolation, at most, relative to the response
RINGS_DB = -90.0  # energy left in a response when it counts as over, relative to all of it
MIN_NODES, MAX_NODES = 5, 40
LONGEST_S = 30.0  # pedalboard's largest room rings for less


class Reverb:
    """Spectra of pedalboard's Reverb for room sizes in a range."""

    def __init__(self, rate_hz: int, room_size: tuple[float, float]) -> None:
        """Records the responses for room sizes from lowest to highest, within 0..1."""
        self.low, self.high = room_size
        self.rate_hz = rate_hz
        self.dry_tap = float(self._record([self.low], 1, wet_level=0.0, dry_level=1.0)[0, 0])
        (longest,) = self._record([self.high], int(LONGEST_S * rate_hz))
        left = np.cumsum(np.square(longest[::-1]))[::-1]
        # How long the largest room rings on:
        self.tail_samples = int(np.count_nonzero(left > left[0] * 10 ** (RINGS_DB / 10)))
        self._responses = self._at_nodes()
        self._spectra: dict[tuple[int, torch.device], Tensor] = {}

    def _record(
        self, room_sizes: Iterable[float], samples: int, wet_level: float = 1.0, dry_level: float = 0.0
    ) -> np.ndarray:
        """Pedalboard's answers to an impulse, float64 [rooms, samples], per unit of the impulse."""
        import pedalboard

        impulse = np.zeros(samples, dtype=np.float32)
        impulse[0] = LOUD
        effects = [pedalboard.Reverb(size, wet_level=wet_level, dry_level=dry_level) for size in room_sizes]
        return np.stack([effect(impulse, self.rate_hz) for effect in effects]).astype(np.float64) / LOUD

    def _at_nodes(self) -> np.ndarray:
        """Responses at as many nodes as it takes, float64 [nodes, samples]."""
        if self.low == self.high:
            return self._record([self.low], self.tail_samples)
        for nodes in range(MIN_NODES, MAX_NODES):
            responses = self._record(self._between(chebyshev.chebpts1(nodes)), self.tail_samples)
            between = self._between(chebyshev.chebpts2(nodes + 1))  # the ends are the worst of them
            wanted = self._record(between, self.tail_samples)
            error = np.square(self._weights(between, nodes) @ responses - wanted).sum(axis=1).max()
            if error <= np.square(wanted).sum(axis=1).max() * 10 ** (INTERPOLATED_DB / 10):
                break
        return responses

    def _between(self, points: np.ndarray) -> np.ndarray:
        return self.low + (self.high - self.low) * (points + 1) / 2

    def _weights(self, room_size: np.ndarray, nodes: int) -> np.ndarray:
        """What each node's response counts at `room_size`, float64 [clips, nodes]: Lagrange's polynomials."""
        if nodes == 1:
            return np.ones((len(room_size), 1))
        scaled = 2 * (np.asarray(room_size) - self.low) / (self.high - self.low) - 1
        at_nodes = chebyshev.chebvander(chebyshev.chebpts1(nodes), nodes - 1)
        return chebyshev.chebvander(scaled, nodes - 1) @ np.linalg.inv(at_nodes)

    def spectra(self, size: int, device: torch.device) -> Tensor:
        """Spectra at the nodes, float32 [nodes, 2 * bins] (real and imaginary parts in turn); kept."""
        if (size, device) not in self._spectra:
            made = np.fft.rfft(self._responses, n=size).astype(np.complex64)
            self._spectra[size, device] = send(made.view(np.float32), device)
        return self._spectra[size, device]

    def response(
        self, room_size: np.ndarray, wet_level: np.ndarray, dry_level: float, size: int, device: torch.device
    ) -> Tensor:
        """The effect on each clip at the bins of an FFT of even `size`, complex64 [clips, size // 2 + 1]."""
        weights = self._weights(room_size, len(self._responses)) * wet_level[:, None]
        on_device = send(weights.astype(np.float32), device)
        made = (on_device @ self.spectra(size, device)).view(len(room_size), -1, 2)
        made[..., 0] += self.dry_tap * dry_level
        return torch.view_as_complex(made)
