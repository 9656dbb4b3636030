"""`python -m benchmark speed augment`: what augmentation costs, beside the same chain of other libraries.

From int16 waves in memory to augmented log-mel, all seven effects on every clip, with the ranges of
`serkit.specs.Augmentation`:

    serkit      what the training loop runs: `augment.draw` and `train._Loader.load`, in its chunks
    per clip    audiomentations, pedalboard's reverb, NumPy's fade and SpecAugment; torchlibrosa's log-mel
    in batches  torch-audiomentations, torchaudio's vocoder, fade, masks and log-mel; pedalboard's reverb

The clips are noise that swells and fades at the pace of syllables: no chain looks at more of them than their
levels. All chains take turns, in an order that rotates from round to round, and a ratio is the median over
rounds, each against the other chain's time in the same round, so that a machine that is busy for a while
slows both. CPU time, of all processes that take part, is counted beside wall time: other jobs move it least.
With all threads, the peers run as they do in data loaders: one process a thread, each with one thread, the
batch dealt out to them; nothing is prefetched, so no chain works in another's turn.

The chains differ where the libraries do:

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
7. Masked cells are set to 0 here, for all; in training, the network does it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tabulate import tabulate
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from benchmark.output import claim, write
from serkit import augment, train
from serkit.audio import FULL_SCALE, Pack
from serkit.augment import BUTTERWORTH_ORDER, VOCODER_OVERLAP, VOCODER_SAMPLES
from serkit.batches import ClipSet
from serkit.errors import SerkitError
from serkit.frontend import FLOOR, MEL_BANDS, NAMED, FrontEnd
from serkit.model import Cnn14
from serkit.run import cpu_name, environment
from serkit.specs import LABELS, Augmentation, Recipe

FRONT_END = "paper-loaded"
CLIP_SECONDS = (2.5, 5.7)
SEED = 0
PINK_DB_PER_OCTAVE = -10 * np.log10(2)
SYLLABLES_HZ = 4.0  # how fast the test clips swell and fade

OURS, OURS_VOCODER = "serkit", "serkit, vocoder"
PER_CLIP, IN_BATCHES = "audiomentations, per clip", "torch-audiomentations, in batches"
LIBRARIES = {PER_CLIP: "audiomentations", IN_BATCHES: "torch_audiomentations"}
PACKAGES = ("audiomentations", "torch-audiomentations", "pedalboard", "torchlibrosa")

Work = Callable[[], Any]
"""One batch."""


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        seconds: each chain's turn in a round, at least; a batch is not cut off.
        rounds: how many.
        threads: numbers of threads.
        cpu_clips: clips a batch on the CPU.
        gpu_clips: clips a batch on the GPU.
        clip_seconds: lengths of the clips.
        width: of the network whose step augmentation is compared with.
    """

    seconds: float = 2.0
    rounds: int = 7
    threads: tuple[int, ...] = (1,)
    cpu_clips: int = 32
    gpu_clips: int = Recipe().batch_size
    clip_seconds: tuple[float, ...] = CLIP_SECONDS
    width: int = 64


def settings(
    quick: bool = False,
    rounds: int | None = None,
    seconds: float | None = None,
    threads: int | None = None,
    clips: int | None = None,
) -> Settings:
    """Settings from what a user gives, defaults for the rest; one thread is always measured.

    Args:
        quick: far fewer, shorter turns and a narrow network.
        rounds: how many.
        seconds: of a turn.
        threads: measured after one; None: all that there are.
        clips: a batch.
    """
    every = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    chosen = Settings(threads=tuple(sorted({1, threads or every})))
    if quick:
        chosen = replace(chosen, seconds=0.01, rounds=2, cpu_clips=2, gpu_clips=2, width=4)
    given: dict[str, Any] = {"rounds": rounds, "seconds": seconds, "cpu_clips": clips, "gpu_clips": clips}
    return replace(chosen, **{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True)
class Turn:
    """What one chain did in one round.

    Attributes:
        batches: done.
        wall_s: time it took.
        cpu_s: CPU time it took, in all threads and processes.
    """

    batches: int
    wall_s: float
    cpu_s: float


def made_waves(clips: int, seconds: float, rate_hz: int) -> np.ndarray:
    """Noise with the swelling of speech, int16 [clips, samples], 12 dB below full scale at its loudest."""
    random = np.random.default_rng(SEED)
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    swelling = 0.5 - 0.5 * np.cos(2 * np.pi * (SYLLABLES_HZ * at + random.random((clips, 1))))
    noise = random.standard_normal((clips, len(at)), dtype=np.float32).clip(-4, 4) / 4
    return np.round(noise * swelling * (FULL_SCALE / 4)).astype(np.int16)


# --- the chains ---


class Ours:
    """The training loop's own path, from a packed corpus to what the network takes."""

    def __init__(self, loader: train._Loader, waves: np.ndarray, percent: int = 100) -> None:
        """Packs `waves`, int16 [clips, samples], as a corpus; `loader` has the augmentation."""
        clips, samples = waves.shape
        pack = Pack(waves.reshape(-1), np.arange(clips + 1) * samples, loader.front_end.rate_hz, "")
        places = np.arange(clips)
        self.clips = ClipSet([pack], np.zeros_like(places), places, np.zeros_like(places))
        self.loader, self.percent, self.epoch = loader, percent, 0

    def __call__(self) -> tuple[Tensor, Tensor, Tensor | None]:
        """One batch, as `Cnn14.forward` takes it; the next draws anew."""
        batch, spec = np.arange(len(self.clips)), self.loader.augmentation
        drawn = None
        if spec is not None and self.percent:
            drawn = augment.draw(spec, self.percent, SEED, self.epoch, len(batch))
        self.epoch += 1
        logmel, frames, masked = self.loader.load(self.clips, batch, np.zeros_like(batch), drawn)
        return logmel if masked is None else logmel.masked_fill_(masked, 0), frames, masked


class PerClip:
    """audiomentations, clip by clip; PANNs' log-mel of the padded batch."""

    def __init__(self, spec: Augmentation, front_end: FrontEnd) -> None:
        """Makes the transforms, with the ranges of `spec`."""
        import audiomentations

        self.spec, self.front_end = spec, front_end
        self.random = np.random.default_rng(SEED)
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
        self.logmel = torchlibrosa_logmel(front_end)

    def __call__(self, waves: np.ndarray) -> Tensor:
        """Int16 [clips, samples] to float32 [clips, frames, 64]."""
        with torch.inference_mode():
            made = [torch.from_numpy(self._augmented(wave)) for wave in waves]
            logmel = self.logmel(pad_sequence(made, batch_first=True))
        for spectrogram, wave in zip(logmel.numpy(), made, strict=True):
            self._mask(spectrogram, len(wave) // self.front_end.hop_samples + 1)
        return logmel

    def _augmented(self, wave: np.ndarray) -> np.ndarray:
        rate_hz = self.front_end.rate_hz
        wave = wave.astype(np.float32) / FULL_SCALE
        for transform in self.first:
            wave = transform(samples=wave, sample_rate=rate_hz)
        total = self.random.uniform(*self.spec.fade_share) * len(wave)
        fade_in = int(total * self.random.random())
        fade_out = int(total) - fade_in
        wave[:fade_in] *= np.linspace(0, 1, fade_in, dtype=np.float32)
        wave[len(wave) - fade_out :] *= np.linspace(1, 0, fade_out, dtype=np.float32)
        for transform in self.filters:
            wave = transform(samples=wave, sample_rate=rate_hz)
        return self.noise(samples=reverberated(wave, rate_hz, self.spec, self.random), sample_rate=rate_hz)

    def _mask(self, spectrogram: np.ndarray, frames: int) -> None:
        for _ in range(self.spec.time_masks):
            width = round(frames * self.random.uniform(*self.spec.time_mask_share))
            first = self.random.integers(frames - width + 1)
            spectrogram[first : first + width] = 0
        fewest, most = self.spec.mask_bands
        for _ in range(self.spec.band_masks):
            width = int(self.random.integers(int(fewest), int(most) + 1))
            first = self.random.integers(MEL_BANDS - width + 1)
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


def torchlibrosa_logmel(front_end: FrontEnd) -> Callable[[Tensor], Tensor]:
    """PANNs' own front end, float32 [clips, samples] to [clips, frames, 64]."""
    from torchlibrosa.stft import LogmelFilterBank, Spectrogram

    layers = nn.Sequential(
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
    return lambda waves: layers(waves)[:, 0]


def torchaudio_logmel(front_end: FrontEnd) -> Callable[[Tensor], Tensor]:
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
        at_once = min(train.CPU_CLIPS, -(-clips // self.threads))
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


# --- measuring ---


def take_turns(
    works: Mapping[str, Work],
    rounds: int,
    seconds: float,
    device: str,
    cpu_clock: Callable[[], float] = time.process_time,
) -> dict[str, list[Turn]]:
    """Measures each in every round, in an order that rotates; before that, each once for warmth.

    Args:
        works: by name.
        rounds: how many.
        seconds: of a turn, at least.
        device: whose queue is waited for.
        cpu_clock: counts CPU time.
    """
    for work in works.values():
        work()
    turns: dict[str, list[Turn]] = {name: [] for name in works}
    names = list(works)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            turns[name].append(_turn(works[name], seconds, device, cpu_clock))
    return turns


def _turn(work: Work, seconds: float, device: str, cpu_clock: Callable[[], float]) -> Turn:
    _wait(device)
    wall, cpu, batches = time.perf_counter(), cpu_clock(), 0
    while batches == 0 or time.perf_counter() - wall < seconds:
        work()
        batches += 1
    _wait(device)
    return Turn(batches, time.perf_counter() - wall, cpu_clock() - cpu)


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def spread(values: np.ndarray) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return {"median": float(median), "q1": float(low), "q3": float(high)}


def rows_of(
    turns: Mapping[str, Sequence[Turn]], clips: int, clip_seconds: float, threads: int
) -> list[dict[str, Any]]:
    """One row a chain: clips a second, and how many times the per-clip peer's, round by round."""
    by_wall = {name: np.array([clips * t.batches / t.wall_s for t in of]) for name, of in turns.items()}
    by_cpu = {name: np.array([clips * t.batches / t.cpu_s for t in of]) for name, of in turns.items()}
    there = PER_CLIP in turns
    return [
        {
            "clip_seconds": clip_seconds,
            "threads": threads,
            "chain": name,
            "clips_per_s": spread(by_wall[name]),
            "times_by_wall": spread(by_wall[name] / by_wall[PER_CLIP]) if there else None,
            "clips_per_cpu_s": spread(by_cpu[name]),
            "times_by_cpu": spread(by_cpu[name] / by_cpu[PER_CLIP]) if there else None,
            "rounds": [vars(turn) for turn in turns[name]],
        }
        for name in turns
    ]


def on_cpu(settings: Settings, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """Every chain at every length of clip and number of threads."""
    front_end = NAMED[FRONT_END]
    names = [name for name in PEERS if name not in missing_peers()]
    waves = {each: made_waves(settings.cpu_clips, each, front_end.rate_hz) for each in settings.clip_seconds}
    loaders = {
        OURS: train._Loader(front_end, Recipe(), "cpu", Augmentation(), SEED),
        OURS_VOCODER: train._Loader(front_end, Recipe(), "cpu", Augmentation(stretch_method="vocoder"), SEED),
    }
    rows = []
    before = torch.get_num_threads()
    try:
        for threads in settings.threads:
            torch.set_num_threads(threads)
            with Peers(waves, threads, names) as theirs:
                for seconds, batch in waves.items():
                    say(f"CPU, clips of {seconds} s, {threads} thread{'s' * (threads > 1)} ...")
                    ours: dict[str, Work] = {name: Ours(loader, batch) for name, loader in loaders.items()}
                    works = {**ours, **theirs.works(seconds)}
                    turns = take_turns(works, settings.rounds, settings.seconds, "cpu", theirs.cpu_clock)
                    rows += rows_of(turns, len(batch), seconds, threads)
    finally:
        torch.set_num_threads(before)
    return rows


# --- beside a training step ---

PLAIN, AUGMENTED, VOCODER = "load, nothing augmented", "load, all augmented", "load, all by vocoder"
STEP, BOTH_PLAIN, BOTH = "step", "load and step, nothing augmented", "load and step, all augmented"


class Step:
    """One training step, as `serkit.train.train` takes it: forward, backward, Adam."""

    def __init__(self, loader: train._Loader, width: int) -> None:
        """Makes the network and its optimiser on the loader's device."""
        torch.manual_seed(SEED)
        model = Cnn14(width, live_bands=loader.front_end.live_bands()).to(loader.device).train()
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimiser = torch.optim.Adam(self.model.parameters(), lr=Recipe().learning_rate)
        self.loader = loader

    def __call__(self, inputs: tuple[Tensor, Tensor, Tensor | None]) -> None:
        """Learns from one batch; the labels are of no account."""
        target = torch.arange(len(inputs[0]), device=inputs[0].device) % len(LABELS)
        with self.loader.autocast():
            logits = self.model(*inputs)
        loss = train.bce_of_softmax(logits.float(), target)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()


def beside_step(settings: Settings, device: str, say: Callable[[str], None]) -> list[dict[str, Any]]:
    """What augmentation adds to a training step on `device`, at every length of clip.

    Loading and stepping are measured each by itself, the step on clips that are not augmented, and then in
    turn as in training: there the host queues the next batch's loading while the device still computes, and
    batches with slowed clips have more frames.

    Raises:
        SerkitError: a batch does not fit into the GPU's memory.
    """
    front_end = NAMED[FRONT_END]
    loader = train._Loader(front_end, Recipe(), device, Augmentation(), SEED)
    vocoder = train._Loader(front_end, Recipe(), device, Augmentation(stretch_method="vocoder"), SEED)
    step = Step(loader, settings.width)
    rows = []
    for seconds in settings.clip_seconds:
        say(f"{device}, clips of {seconds} s ...")
        waves = made_waves(settings.gpu_clips, seconds, front_end.rate_hz)
        plain, ours, by_vocoder = Ours(loader, waves, 0), Ours(loader, waves), Ours(vocoder, waves)
        works: dict[str, Work] = {
            PLAIN: plain,
            AUGMENTED: ours,
            VOCODER: by_vocoder,
            STEP: partial(step, plain()),
            BOTH_PLAIN: partial(_in_turn, plain, step),
            BOTH: partial(_in_turn, ours, step),
        }
        try:
            turns = take_turns(works, settings.rounds, settings.seconds, device)
        except torch.cuda.OutOfMemoryError as error:
            raise SerkitError(
                f"a batch of {settings.gpu_clips} clips of {seconds} s does not fit into the memory of"
                f" {device}; give a smaller --batch"
            ) from error
        rows.append(step_row(turns, settings.gpu_clips, seconds))
    return rows


def _in_turn(load: Ours, step: Step) -> None:
    step(load())


def step_row(turns: Mapping[str, Sequence[Turn]], clips: int, clip_seconds: float) -> dict[str, Any]:
    """Milliseconds a batch, and what augmentation adds as a share of the step, round by round."""
    ms = {name: np.array([1e3 * t.wall_s / t.batches for t in of]) for name, of in turns.items()}
    return {
        "clip_seconds": clip_seconds,
        "clips": clips,
        "ms_per_batch": {name: spread(values) for name, values in ms.items()},
        "clips_per_s": spread(clips * 1e3 / ms[AUGMENTED]),
        "share_of_step": spread((ms[AUGMENTED] - ms[PLAIN]) / ms[STEP]),
        "share_of_step_vocoder": spread((ms[VOCODER] - ms[PLAIN]) / ms[STEP]),
        "share_in_training": spread(ms[BOTH] / ms[BOTH_PLAIN] - 1),
        "rounds": {name: [vars(turn) for turn in of] for name, of in turns.items()},
    }


# --- the command ---


def augmentation(
    settings: Settings, cpu: bool, gpu: str | None, output: Path, say: Callable[[str], None]
) -> str:
    """Measures, writes all of it to `output` as JSON, and returns the tables.

    Args:
        settings: how.
        cpu: measure on the CPU, beside the peers.
        gpu: device to measure on beside a training step; None: none.
        output: the file.
        say: told what is being measured.

    Raises:
        ResultsUnwritable: `output` cannot be written.
        SerkitError: a batch does not fit into the GPU's memory.
    """
    claim(output)
    measured: dict[str, Any] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "environment": environment(gpu or "cpu"),
        "cpu_name": cpu_name(),
        "packages": {name: _version(name) for name in PACKAGES},
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "settings": {**vars(settings), "front_end": FRONT_END, "seed": SEED},
        "load_before": _load(),
    }
    measured["cpu"] = on_cpu(settings, say) if cpu else []
    measured["step"] = beside_step(settings, gpu, say) if gpu is not None else []
    measured["load_after"] = _load()
    measured["not_installed"] = missing_peers() if cpu else []
    write(output, json.dumps(measured, allow_nan=False) + "\n")
    return text(measured) + f"\n\nAll rounds: {output}"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _load() -> list[float] | None:
    """Jobs that ran or waited, on average over 1, 5 and 15 minutes; None where the system does not say."""
    return list(os.getloadavg()) if hasattr(os, "getloadavg") else None


def text(measured: Mapping[str, Any]) -> str:
    """The tables, as printed."""
    where = measured["environment"]
    load = measured["load_before"]
    parts = [
        f"{where['device_name']}, {where['cpus']} CPUs, torch {where['packages']['torch']},"
        f" {measured['date']}" + (f", load {load[0]:.1f} before" if load else "")
    ]
    if measured["cpu"]:
        headers = ["Clips", "Threads", "Chain", "Clips/s", "times", "Clips/s of CPU time", "times"]
        rows = [
            [
                f"{row['clip_seconds']} s",
                row["threads"],
                row["chain"],
                _shown(row["clips_per_s"]),
                _shown(row["times_by_wall"], 1),
                _shown(row["clips_per_cpu_s"]),
                _shown(row["times_by_cpu"], 1),
            ]
            for row in measured["cpu"]
        ]
        parts.append(tabulate(rows, headers, disable_numparse=True))
        parts.append(
            "Median (quartiles) of the rounds. times: against audiomentations in the same round. Where other"
            "\njobs run, CPU time is the one to go by."
        )
    if measured["step"]:
        names = list(measured["step"][0]["ms_per_batch"])
        rows = [[name, *(_shown(row["ms_per_batch"][name], 1) for row in measured["step"])] for name in names]
        rows += [
            [title, *(_shown(row[key], digits, scale) for row in measured["step"])]
            for title, key, digits, scale in (
                ("augmented, clips/s", "clips_per_s", 0, 1),
                ("augmentation adds, % of a step", "share_of_step", 1, 100),
                ("the same by vocoder", "share_of_step_vocoder", 1, 100),
                ("augmentation adds to load and step, %", "share_in_training", 1, 100),
            )
        ]
        headers = [
            "ms a batch",
            *(f"{row['clips']} clips of {row['clip_seconds']} s" for row in measured["step"]),
        ]
        parts.append(tabulate(rows, headers, disable_numparse=True))
    if measured["not_installed"]:
        absent = ", ".join(LIBRARIES[name].replace("_", "-") for name in measured["not_installed"])
        parts.append(f"Not compared, as not installed: {absent}. To install: pip install 'serkit[speed]'")
    return "\n\n".join(parts)


def _shown(of: Mapping[str, float] | None, digits: int = 0, scale: float = 1) -> str:
    if of is None:
        return "--"
    low, median, high = (f"{scale * of[key]:.{digits}f}" for key in ("q1", "median", "q3"))
    return f"{median} ({low}-{high})"
