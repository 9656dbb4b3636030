"""The same chain made of other libraries, one clip at a time: audiomentations, pedalboard's reverb, NumPy.

Where it differs from `serkit.augment`, because the libraries do:

1. Cut-offs are drawn uniform in mel; ours are log-uniform. Both chains' filters are of order 9.
2. audiomentations stretches by its default (signalsmith-stretch; its other method takes about as long).
3. audiomentations has no fade and no masks over time, NumPy makes them.
4. Masked cells are set to 0 here; in serkit, the network does it.

torchlibrosa makes the log-mel, as in PANNs.
"""

from __future__ import annotations

import importlib.util

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from serkit.audio import FULL_SCALE
from serkit.augment import BUTTERWORTH_ORDER
from serkit.encoders.cnn14.logmel import FLOOR, MEL_BANDS, FrontEnd
from serkit.loader import CPU_CLIPS
from serkit.specs import Augmentation
from tools.speed.clips import SEED

PINK_DB_PER_OCTAVE = -10 * np.log10(2)

LIBRARY, PER_CLIP = "audiomentations", "audiomentations, per clip"


class WaveByWave:
    """audiomentations, pedalboard and NumPy: all effects but SpecAugment on one clip."""

    def __init__(self, spec: Augmentation, rate_hz: int) -> None:
        """Makes the transforms, with the ranges of `spec`."""
        import audiomentations

        self.spec, self.rate_hz = spec, rate_hz
        decibels = 6 * BUTTERWORTH_ORDER  # an octave
        self.first = (
            audiomentations.TimeStretch(*spec.stretch_rate, leave_length_unchanged=False, p=1.0),
            audiomentations.Shift(*spec.shift_share, rollover=False, fade_duration=0.0, p=1.0),
        )
        self.filters = (
            audiomentations.HighPassFilter(*spec.high_pass_hz, decibels, decibels, p=1.0),
            audiomentations.LowPassFilter(*spec.low_pass_hz, decibels, decibels, p=1.0),
        )
        self.noise = audiomentations.AddColorNoise(
            *spec.noise_snr_db, PINK_DB_PER_OCTAVE, PINK_DB_PER_OCTAVE, p=1.0
        )

    def __call__(self, wave: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Float32 [samples], full scale 1, to the same stretched; audiomentations draws for itself."""
        for transform in self.first:
            wave = transform(samples=wave, sample_rate=self.rate_hz)
        total = random.uniform(*self.spec.fade_share) * len(wave)
        fade_in = int(total * random.random())
        fade_out = int(total) - fade_in
        wave[:fade_in] *= np.linspace(0, 1, fade_in, dtype=np.float32)
        wave[len(wave) - fade_out :] *= np.linspace(1, 0, fade_out, dtype=np.float32)
        for transform in self.filters:
            wave = transform(samples=wave, sample_rate=self.rate_hz)
        reverbed = reverberated(wave, self.rate_hz, self.spec, random)
        return self.noise(samples=reverbed, sample_rate=self.rate_hz)


class PerClip:
    """`WaveByWave`, PANNs' log-mel of the padded batch, SpecAugment clip by clip."""

    def __init__(self, spec: Augmentation, front_end: FrontEnd) -> None:
        """Makes the transforms, with the ranges of `spec`."""
        self.spec, self.front_end = spec, front_end
        self.random = np.random.default_rng(SEED)
        self.chain = WaveByWave(spec, front_end.rate_hz)
        self.logmel = nn.Sequential(*torchlibrosa_layers(front_end))

    def __call__(self, waves: np.ndarray) -> Tensor:
        """Int16 [clips, samples] to float32 [clips, frames, 64], in parts as ours: faster for it, too."""
        logmels = [
            logmel
            for first in range(0, len(waves), CPU_CLIPS)
            for logmel in self._part(waves[first : first + CPU_CLIPS])
        ]
        return pad_sequence(logmels, batch_first=True)

    def _part(self, waves: np.ndarray) -> Tensor:
        floats = (wave.astype(np.float32) / FULL_SCALE for wave in waves)
        with torch.inference_mode():
            made = [torch.from_numpy(self.chain(wave, self.random)) for wave in floats]
            logmel = self.logmel(pad_sequence(made, batch_first=True))[:, 0]
        for spectrogram, wave in zip(logmel, made, strict=True):
            mask(spectrogram, len(wave) // self.front_end.hop_samples + 1, self.spec, self.random)
        return logmel


def mask(spectrogram: Tensor, frames: int, spec: Augmentation, random: np.random.Generator) -> None:
    """SpecAugment on one log-mel, float32 [frames or more, 64], in place."""
    with torch.inference_mode():
        for _ in range(spec.time_masks):
            width = round(frames * random.uniform(*spec.time_mask_share))
            first = int(random.integers(frames - width + 1))
            spectrogram[first : first + width] = 0
        fewest, most = spec.mask_bands
        for _ in range(spec.band_masks):
            width = int(random.integers(int(fewest), int(most) + 1))
            first = int(random.integers(MEL_BANDS - width + 1))
            spectrogram[:, first : first + width] = 0


def reverberated(
    wave: np.ndarray, rate_hz: int, spec: Augmentation, random: np.random.Generator
) -> np.ndarray:
    """One clip through pedalboard's Reverb."""
    import pedalboard

    reverb = pedalboard.Reverb(
        room_size=random.uniform(*spec.room_size),
        wet_level=random.uniform(*spec.wet_level),
        dry_level=spec.dry_level,
    )
    return reverb(wave, rate_hz)


def torchlibrosa_layers(front_end: FrontEnd) -> tuple[nn.Module, nn.Module]:
    """PANNs' own front end: waves to power spectra [clips, 1, frames, bins], these to log-mel."""
    from torchlibrosa.stft import LogmelFilterBank, Spectrogram

    return (
        Spectrogram(front_end.window_samples, front_end.hop_samples, freeze_parameters=True),
        LogmelFilterBank(
            front_end.mel_rate_hz,
            front_end.window_samples,
            MEL_BANDS,
            front_end.low_hz,
            front_end.high_hz,
            amin=FLOOR,
            top_db=None,
            freeze_parameters=True,
        ),
    )


def installed() -> bool:
    """Whether the chain's library is; it comes with an extra."""
    return importlib.util.find_spec(LIBRARY) is not None


NOT_COMPARED = (
    f"Not compared where augmented, as not installed: {LIBRARY}. To install: pip install 'serkit[speed]'"
)
"""What a section says without it."""
