"""The same chain made of other libraries, and their front ends.

    per clip    audiomentations, pedalboard's reverb, NumPy's fade and SpecAugment; torchlibrosa's log-mel
    in batches  torch-audiomentations, torchaudio's vocoder, fade, masks and log-mel; pedalboard's reverb

With several threads they run as they do in data loaders: one process a thread, each with one thread, the
batch dealt out to them; nothing is prefetched, so that no chain works in another's turn.

Where they differ from `serkit.augment`, because the libraries do:

1. Cut-offs are drawn as the library draws them, uniform in mel; ours are log-uniform.
2. audiomentations' Butterworth filters are of order 9, as ours. torch-audiomentations has no Butterworth
   filters, it has windowed-sinc ones. No library has an order-9 response on the spectrum.
3. audiomentations stretches by its default (signalsmith-stretch; its other method takes about as long).
   torchaudio's phase vocoder takes one rate a call, so it is called clip by clip.
4. audiomentations has no fade and no masks over time, NumPy makes them. torchaudio's fade has one length a
   call, so it is called clip by clip.
5. torch-audiomentations shifts by shares of the padded batch, its noise is one second repeated, and its
   signal-to-noise ratio counts the padding.
6. No library has a reverb for batches.
7. Masked cells are set to 0 here; in serkit, the network does it.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from benchmark.speed.clips import FRONT_END, SEED
from benchmark.speed.turns import Work
from serkit.audio import FULL_SCALE
from serkit.augment import BUTTERWORTH_ORDER, VOCODER_OVERLAP, VOCODER_SAMPLES
from serkit.frontend import FLOOR, MEL_BANDS, NAMED, FrontEnd
from serkit.loader import CPU_CLIPS
from serkit.specs import Augmentation

PINK_DB_PER_OCTAVE = -10 * np.log10(2)

PER_CLIP, IN_BATCHES = "audiomentations, per clip", "torch-audiomentations, in batches"
LIBRARIES = {PER_CLIP: "audiomentations", IN_BATCHES: "torch_audiomentations"}


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
        self.logmel = torchlibrosa_logmel(front_end)

    def __call__(self, waves: np.ndarray) -> Tensor:
        """Int16 [clips, samples] to float32 [clips, frames, 64]."""
        floats = (wave.astype(np.float32) / FULL_SCALE for wave in waves)
        with torch.inference_mode():
            made = [torch.from_numpy(self.chain(wave, self.random)) for wave in floats]
            logmel = self.logmel(pad_sequence(made, batch_first=True))
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


class InBatches:
    """torch-audiomentations and torchaudio, in batches where they can."""

    def __init__(self, spec: Augmentation, front_end: FrontEnd) -> None:
        """Makes the transforms, with the ranges of `spec`."""
        import torch_audiomentations
        from torchaudio import transforms

        self.spec, self.front_end = spec, front_end
        self.random = np.random.default_rng(SEED)
        sizes = {"n_fft": VOCODER_SAMPLES, "hop_length": VOCODER_SAMPLES // VOCODER_OVERLAP}
        self.spectrum = transforms.Spectrogram(**sizes, power=None)
        self.stretch = transforms.TimeStretch(sizes["hop_length"], VOCODER_SAMPLES // 2 + 1)
        self.inverse = transforms.InverseSpectrogram(**sizes)
        always = {"p": 1.0, "sample_rate": front_end.rate_hz, "output_type": "dict"}
        self.shift = torch_audiomentations.Shift(*spec.shift_share, rollover=False, **always)
        self.filters = (
            torch_audiomentations.HighPassFilter(*spec.high_pass_hz, **always),
            torch_audiomentations.LowPassFilter(*spec.low_pass_hz, **always),
        )
        self.noise = torch_audiomentations.AddColoredNoise(*spec.noise_snr_db, 1.0, 1.0, **always)
        self.logmel = torchaudio_logmel(front_end)

    @torch.inference_mode()
    def __call__(self, waves: np.ndarray) -> Tensor:
        """Int16 [clips, samples] to float32 [clips, frames, 64]."""
        from torchaudio import transforms

        stretched = [self._stretched(wave) for wave in torch.from_numpy(waves).float() / FULL_SCALE]
        batch = pad_sequence(stretched, batch_first=True)[:, None]
        batch = self.shift(batch).samples
        for clip, wave in zip(batch, stretched, strict=True):
            total = self.random.uniform(*self.spec.fade_share) * len(wave)
            fade_in = int(total * self.random.random())
            fade = transforms.Fade(fade_in, int(total) - fade_in, "linear")
            clip[:, : len(wave)] = fade(clip[:, : len(wave)])
        for transform in self.filters:
            batch = transform(batch).samples
        for clip in batch.numpy():
            clip[0] = reverberated(clip[0], self.front_end.rate_hz, self.spec, self.random)
        logmel = self.logmel(self.noise(batch).samples)
        return self._masked(logmel)[:, 0].transpose(1, 2)

    def _stretched(self, wave: Tensor) -> Tensor:
        rate = self.random.uniform(*self.spec.stretch_rate)
        return self.inverse(self.stretch(self.spectrum(wave), rate), length=round(len(wave) / rate))

    def _masked(self, logmel: Tensor) -> Tensor:
        from torchaudio import transforms

        frames = int(logmel.shape[-1] * self.spec.time_mask_share[1])
        for _ in range(self.spec.time_masks):
            logmel = transforms.TimeMasking(frames, iid_masks=True)(logmel)
        for _ in range(self.spec.band_masks):
            logmel = transforms.FrequencyMasking(int(self.spec.mask_bands[1]), iid_masks=True)(logmel)
        return logmel


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


def torchlibrosa_logmel(front_end: FrontEnd) -> Callable[[Tensor], Tensor]:
    """PANNs' own front end, float32 [clips, samples] to [clips, frames, 64]."""
    layers = nn.Sequential(*torchlibrosa_layers(front_end))
    return lambda waves: layers(waves)[:, 0]


def torchaudio_logmel(front_end: FrontEnd) -> nn.Module:
    """The same by torchaudio, float32 [..., samples] to [..., 64, frames]."""
    from torchaudio import transforms

    return nn.Sequential(
        transforms.MelSpectrogram(
            front_end.mel_rate_hz,
            front_end.window_samples,
            hop_length=front_end.hop_samples,
            f_min=front_end.low_hz,
            f_max=front_end.high_hz,
            n_mels=MEL_BANDS,
            norm="slaney",
            mel_scale="slaney",
        ),
        transforms.AmplitudeToDB("power"),
    )


PEERS: dict[str, Callable[[Augmentation, FrontEnd], Callable[[np.ndarray], Tensor]]] = {
    PER_CLIP: PerClip,
    IN_BATCHES: InBatches,
}


def missing_peers() -> list[str]:
    """Those whose library is not installed."""
    return [name for name, library in LIBRARIES.items() if importlib.util.find_spec(library) is None]


class Peers:
    """The peers' chains at work, in this process or in one process a thread."""

    def __init__(self, waves: Mapping[float, np.ndarray], threads: int, names: Sequence[str]) -> None:
        """Makes the chains.

        Args:
            waves: int16 [clips, samples] for each length of clip.
            threads: 1: in this process.
            names: some of `PEERS`.
        """
        self.waves, self.threads, self.names = waves, threads, names
        self._elsewhere_s = 0.0
        self._pool = None
        if threads == 1:
            _start_worker(waves, names)
        else:
            # Spawned: after a fork, torch's thread pool is unusable.
            spawned = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(threads, spawned, _start_worker, (waves, names))

    def __enter__(self) -> Peers:
        return self

    def __exit__(self, *_: object) -> None:
        _worker.clear()
        if self._pool is not None:
            self._pool.shutdown()

    def works(self, seconds: float) -> dict[str, Work]:
        """Each peer's work on clips of a length."""
        return {name: partial(self._batch, name, seconds) for name in self.names}

    def cpu_clock(self) -> float:
        """CPU time so far, of this process and of what the others did for it."""
        return time.process_time() + self._elsewhere_s

    def _batch(self, name: str, seconds: float) -> Tensor:
        """One batch in parts of as many clips as ours takes at once, which is faster for the peers too."""
        clips = len(self.waves[seconds])
        at_once = min(CPU_CLIPS, -(-clips // self.threads))
        parts = [slice(first, first + at_once) for first in range(0, clips, at_once)]
        each = map if self._pool is None else self._pool.map
        made = list(each(partial(_part, name, seconds), parts))
        if self._pool is not None:
            self._elsewhere_s += sum(cpu_s for cpu_s, _ in made)
        logmels = [torch.from_numpy(logmel) for _, part in made for logmel in part]
        return pad_sequence(logmels, batch_first=True)


_worker: dict[str, Any] = {}
"""What a process that runs the peers' chains keeps."""


def _start_worker(waves: Mapping[float, np.ndarray], names: Sequence[str]) -> None:
    torch.set_num_threads(1)  # as it is already, where it is this process
    chains = {name: PEERS[name](Augmentation(), NAMED[FRONT_END]) for name in names}
    _worker.update(waves=waves, chains=chains)


def _part(name: str, seconds: float, part: slice) -> tuple[float, np.ndarray]:
    """CPU time it took, and log-mel [clips, frames, 64]."""
    before = time.process_time()
    made = _worker["chains"][name](_worker["waves"][seconds][part]).numpy()
    return time.process_time() - before, made
