"""The room estimator: reverberation time T60 and clarity C50 from speech alone.

A small convolutional network on log-mel energies stands in for the study's estimators (Gamper & Tashev 2018,
"Blind reverberation time estimation using a convolutional neural network"; Gamper 2020, "Blind C50 estimation
from single-channel speech using a convolutional neural network"), which were never published. Its shipped
weights learnt from generated speech in simulated rooms alone (`python -m tools.roomnet train`); how far it
can be trusted: docs/acoustics.md, "The room estimator".

An estimate depends on one clip alone and not on its level. With a fixed number of threads it is the same to
the last bit from run to run on one machine; across machines and thread counts it differs in its last digits.
"""

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torchaudio
from torch import Tensor, nn

from serkit.audio import trimmed
from serkit.errors import WeightsMissing
from serkit.files import open_file

RATE_HZ = 16_000
T60_RANGE_S = (0.05, 2.0)  # what examples are labelled with; nearest to no room at all: 0.05 s
C50_RANGE_DB = (-10.0, 35.0)  # above 35 dB the reverberation drowns in any recording's noise
WEIGHTS = Path(__file__).with_name("roomnet.npz")
MIN_SECONDS = 1.0  # of a clip that is estimated, and of a crop in training: the error grows fast below
HOP_SAMPLES = 160
WINDOW_SAMPLES = 400
FFT_SAMPLES = 512
MEL_BANDS = 48
RANGE_HZ = (50.0, 8000.0)
LOUD_SHARE = 0.95  # the frames' level at this quantile is the reference: a click does not move it
FLOOR_DB = -70.0
SCALE_DB = 35.0

# channels, kernel, stride, padding and dilation, in time and frequency
CONVOLUTIONS = (
    (16, (5, 3), (1, 2), (2, 1), (1, 1)),
    (24, (5, 3), (2, 2), (2, 1), (1, 1)),
    (32, (5, 3), (2, 2), (2, 1), (1, 1)),
    (48, (5, 3), (2, 2), (2, 1), (1, 1)),
    (64, (3, 3), (1, 1), (1, 0), (1, 1)),
    (64, (3, 1), (1, 1), (3, 0), (3, 1)),
)
MEAN, SPREAD = (0.7, 15.0), (0.45, 12.0)  # about the examples' T60 and C50: the net's values are standardised


@functools.cache
def _filters() -> Tensor:
    """[bins, bands]."""
    return torchaudio.functional.melscale_fbanks(
        FFT_SAMPLES // 2 + 1, *RANGE_HZ, MEL_BANDS, RATE_HZ, norm=None, mel_scale="htk"
    )


def features(waves: Tensor) -> Tensor:
    """Log-mel energies relative to the loud frames, floored at -70 dB, scaled to about -1..1.

    From float32 [clips, samples] at 16 kHz, a window or more, of any level but 0, to [clips, frames, bands].
    """
    waves = waves / waves.abs().amax(dim=1, keepdim=True).clamp_min(1e-30)
    window = torch.hann_window(WINDOW_SAMPLES)
    spectra = torch.stft(
        waves, FFT_SAMPLES, HOP_SAMPLES, WINDOW_SAMPLES, window, center=False, return_complex=True
    )
    power = spectra.real.square().addcmul(spectra.imag, spectra.imag).transpose(1, 2) @ _filters()
    loud = torch.quantile(power.mean(dim=2), LOUD_SHARE, dim=1).clamp_min(1e-20)
    level_db = 10 * torch.log10(power.clamp_min(1e-20) / loud[:, None, None])
    return level_db.clamp_min(FLOOR_DB) / SCALE_DB + 1


class RoomNet(nn.Module):
    """Convolutions over time and frequency, their mean and deviation over time, two layers."""

    def __init__(self) -> None:
        """Random weights, from torch's generator."""
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for channels, kernel, stride, padding, dilation in CONVOLUTIONS:
            convolution = nn.Conv2d(before, channels, kernel, stride, padding, dilation, bias=False)
            layers += [convolution, nn.BatchNorm2d(channels), nn.ReLU()]
            before = channels
        self.local = nn.Sequential(*layers)
        self.whole = nn.Sequential(nn.Dropout(0.1), nn.Linear(2 * before, 48), nn.ReLU(), nn.Linear(48, 2))

    def forward(self, levels: Tensor) -> Tensor:
        """From `features` [clips, frames, bands] to standardised T60 and C50, [clips, 2], without bounds."""
        local = self.local(levels[:, None])[..., 0]
        mean = local.mean(dim=2)
        deviation = (local - mean[..., None]).square().mean(dim=2).add(1e-6).sqrt()
        return self.whole(torch.cat([mean, deviation], dim=1))


def estimate(net: RoomNet, waves: Sequence[np.ndarray]) -> np.ndarray:
    """T60, s in `T60_RANGE_S`, and C50, dB in `C50_RANGE_DB`, of clips, float64 [clips, 2].

    `waves` are float32 [samples] at 16 kHz, of any level; zeros at a clip's ends count as no part of it. NaN
    where a clip is shorter than `MIN_SECONDS`, silent or not finite.
    """
    found = np.full((len(waves), 2), np.nan)
    net.eval()
    with torch.inference_mode():
        for row, wave in zip(found, waves, strict=True):
            wave = trimmed(np.asarray(wave, dtype=np.float32))
            if len(wave) >= MIN_SECONDS * RATE_HZ and np.isfinite(wave).all():
                given = net(features(torch.from_numpy(wave[None])))[0].double().numpy()
                row[:] = given * np.array(SPREAD) + np.array(MEAN)
    return np.clip(found, *np.array([T60_RANGE_S, C50_RANGE_DB]).T)


def load(path: Path = WEIGHTS) -> RoomNet:
    """The network with the shipped weights, or those of `path`; WeightsMissing where they are none."""
    net = RoomNet()
    try:
        with open_file(path) as file, np.load(file) as arrays:  # refuses arrays of objects, which run code
            net.load_state_dict({name: torch.from_numpy(arrays[name]) for name in arrays.files})
    except Exception as error:  # a file that is something else makes the three libraries raise anything
        raise WeightsMissing(
            f"{path}: not the room estimator's weights ({error}); the package brings them, and"
            " python -m tools.roomnet train makes them in a checkout"
        ) from error
    return net.eval()


def digest(path: Path = WEIGHTS) -> str:
    """The first 12 digits of the weights file's SHA-256: part of every result that rests on them."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
