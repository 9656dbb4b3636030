"""Waves to log-mel spectrograms: the four front ends a study can name (§3 and what it leaves open).

Source: PANNs' front end (Hann window, centred, reflect padding, power spectrum, Slaney mel filters, 10 log10
with a floor of 1e-10, no top_db). Differences from the stock class:

1. Each clip is reflected at its own end, not at the end of the padded batch, so its frames do not depend on
   its batch mates. Without it the last frames of a short clip are off by up to 14 dB.
2. The mel matrix is a setting here, never taken from a checkpoint by accident. §3 asks for 16 kHz audio and
   filters from 50 to 14000 Hz, which has two readings: `paper-loaded`, that of the 32 kHz checkpoint, whose
   loading silently replaces the 16 kHz one, so that audio is read an octave up (what running the public code
   gives); `paper-rebuilt`, built at 16 kHz, whose bands above Nyquist are empty.
3. Bands without a single filter coefficient (9 of 64 in `paper-rebuilt`) say nothing; the model holds them
   at 0 after its first normalisation, in training and in evaluation alike (`Cnn14.live`).
4. Always float32, also under autocast: log-mel rounded to bfloat16 is off by up to 0.25 dB.
5. An FFT instead of a convolution with the Fourier matrix: within 1e-3 dB of it for cells less than 60 dB
   below their frame's loudest, 1.1e-2 dB at 90 dB (`tests/encoders/test_logmel.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional as F

from serkit.augment import MEL_BANDS, Draw, Waves, cut, stripes
from serkit.device import on_gpu, send

FLOOR = 1e-10  # torchlibrosa's amin: -100 dB
MIN_FRAMES = 32  # five 2x poolings leave one frame
GPU_FRAMES = 8  # a batch is a multiple as long, 1 % padding: cuDNN plans anew for each length it has not seen


@dataclass(frozen=True)
class FrontEnd:
    """One front end."""

    rate_hz: int  # that the audio is brought to
    window_samples: int  # of the Hann window and the FFT
    hop_samples: int  # between frames
    mel_rate_hz: int  # that the mel filters were built for; differs from `rate_hz` in `paper-loaded`
    low_hz: float  # lower edge of the lowest filter, at `mel_rate_hz`
    high_hz: float  # upper edge of the highest

    takes = "logmel"

    @property
    def min_samples(self) -> int:
        """The shortest clip CNN14 can take."""
        return (MIN_FRAMES - 1) * self.hop_samples

    def frames(self, samples: np.ndarray, rates: np.ndarray | float = 1.0) -> np.ndarray:
        """Frames of clips of so many samples (int64, any shape), one every hop x rate."""
        # The shortest clip's last frame must not be lost to rounding.
        return np.floor(samples / (self.hop_samples * rates) + 1e-9).astype(np.int64) + 1

    def min_samples_at(self, rates: np.ndarray) -> np.ndarray:
        """The shortest clips CNN14 can take when frames lie hop x rate apart, int64."""
        return np.ceil(self.min_samples * rates).astype(np.int64)

    def mel_matrix(self) -> Tensor:
        """The mel filters, float32 [window_samples // 2 + 1, 64], Slaney scale and area normalisation."""
        bins, slaney = self.window_samples // 2 + 1, {"norm": "slaney", "mel_scale": "slaney"}
        return torchaudio.functional.melscale_fbanks(
            bins, self.low_hz, self.high_hz, MEL_BANDS, self.mel_rate_hz, **slaney
        )


NAMED = {
    "paper-loaded": FrontEnd(16000, 1024, 320, 32000, 50, 14000),
    "paper-rebuilt": FrontEnd(16000, 1024, 320, 16000, 50, 14000),
    "native-32k": FrontEnd(32000, 1024, 320, 32000, 50, 14000),
    "native-16k": FrontEnd(16000, 512, 160, 16000, 50, 8000),
}
"""The front ends by the names in `serkit.specs.FRONT_ENDS`."""


class LogMel(nn.Module):
    """Padded waves to log-mel, the same for a clip whatever it is batched with."""

    def __init__(self, front_end: FrontEnd) -> None:
        """Makes the window and the mel matrix of `front_end`."""
        super().__init__()
        self.front_end = front_end
        # Made in float32, cells 60 to 70 dB below their frame's loudest are off by up to 2e-3 dB.
        window = torch.hann_window(front_end.window_samples, dtype=torch.float64).float()
        self.window = nn.Buffer(window, persistent=False)
        self.mel = nn.Buffer(front_end.mel_matrix(), persistent=False)

    def inputs(self, parts: Iterable[Waves]) -> tuple[Tensor, np.ndarray, Tensor | None]:
        """What `Cnn14.forward` takes, of a batch in parts."""
        made = [(*self(part.waves, part.samples, part.rates), part.masks) for part in parts]
        logmels, frames, masks = zip(*made, strict=True)
        longest = max(logmel.shape[1] for logmel in logmels)
        longest += -longest % (GPU_FRAMES if on_gpu(self.mel.device) else 1)
        padded = torch.cat([F.pad(logmel, (0, 0, 0, longest - logmel.shape[1])) for logmel in logmels])
        if masks[0] is None:
            return padded, np.concatenate(frames), None
        of_parts = zip(frames, masks, strict=True)
        cells = [masked_cells(valid, longest, drawn, padded.device) for valid, drawn in of_parts]
        return padded, np.concatenate(frames), torch.cat(cells)

    def forward(
        self, waves: Tensor, samples: np.ndarray, rates: np.ndarray | None = None
    ) -> tuple[Tensor, np.ndarray]:
        """Log-mel in dB, float32 [clips, frames, 64], and the number of valid frames, int64 [clips].

        Args:
            waves: float32 [clips, longest], full scale 1; zeros past the end of a clip too short for CNN14.
            samples: int64 [clips], each clip's length.
            rates: float64 [clips]: frames lie hop x rate apart, to the nearest sample, which makes speech
                faster by that rate and keeps its pitch. None is 1 for all, bit for bit.
        """
        each_rate = np.ones(1) if rates is None else rates
        samples = np.maximum(samples, self.front_end.min_samples_at(each_rate))
        frames = self.front_end.frames(samples, each_rate)
        size, hop = self.front_end.window_samples, self.front_end.hop_samples
        with torch.autocast(waves.device.type, enabled=False):
            waves = F.pad(waves.float(), (0, max(0, int(samples.max()) - waves.shape[1])))
            padded = reflect_at_ends(waves, send(samples, waves.device), size // 2)
            if rates is None:
                pieces = padded.unfold(1, size, hop)
            else:  # any, past a clip's last frame
                steps = torch.arange(int(frames.max()), dtype=torch.float64, device=waves.device)
                first = (steps * (hop * send(rates, waves.device))[:, None]).round_().long()
                pieces = cut(padded, first.clamp_(max=padded.shape[1] - size), size)
            spectrum = torch.view_as_real(torch.fft.rfft(pieces * self.window))
            # Squared and added by hand: half the time of square().sum() on a CPU.
            power = torch.addcmul(spectrum[..., 0].square(), spectrum[..., 1], spectrum[..., 1])
            logmel = 10 * torch.log10((power @ self.mel).clamp(min=FLOOR))
        return logmel, frames


def reflect_at_ends(waves: Tensor, samples: Tensor, half: int) -> Tensor:
    """Pads each clip, longer than `half`, with its own mirror image at its start and end; zeros follow."""
    inside = torch.arange(waves.shape[1], device=waves.device) < samples[:, None]
    padded = F.pad(waves * inside, (half, half))
    padded[:, :half] = waves[:, 1 : half + 1].flip(1)
    steps = torch.arange(half, device=waves.device)
    mirrored = waves.gather(1, samples[:, None] - 2 - steps)
    return padded.scatter(1, half + samples[:, None] + steps, mirrored)


def masked_cells(frames: np.ndarray, longest: int, drawn: Draw, device: torch.device) -> Tensor:
    """The cells that SpecAugment blanks in affected clips of so many frames, bool [clips, longest, 64]."""
    widths = np.round(frames[:, None] * drawn.time_masks[..., 0]) * drawn.affected[:, None]
    in_time = stripes(widths, frames[:, None], drawn.time_masks[..., 1], longest, device)
    widths = drawn.band_masks[..., 0] * drawn.affected[:, None]
    in_bands = stripes(widths, MEL_BANDS, drawn.band_masks[..., 1], MEL_BANDS, device)
    return in_time[:, :, None] | in_bands[:, None, :]
