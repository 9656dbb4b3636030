"""Clips to what the network takes, on the device it computes on (§3, §5.2).

    waves (int16) -> float, levelled -> augmented -> log-mel; and the cells to mask

Three ways lead to a batch of waves, and all give the same batch:

- on a CPU, slices of the packs' memory maps are copied;
- on a GPU with room for them, the packs lie on the GPU as they lie on the disk (MSP-Podcast's four classes
  are about 12.4 GB) and stay there from run to run; a batch is one gather a corpus;
- on a GPU without, slices go through pinned buffers, used in turn, on a stream of their own: batches are
  copied while the network works on those before.

There are no loader processes. Everything but a batch's waves is small, and computed from lengths and draws
that the host has; so the host is done with a batch long before the GPU is, and nothing waits for the GPU.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from serkit import augment
from serkit.audio import FULL_SCALE
from serkit.augment import Chain, Draw
from serkit.batches import crop_starts, shuffled_batches
from serkit.clips import ClipSet
from serkit.device import autocast, on_gpu, send
from serkit.encoders.logmel import FrontEnd, LogMel
from serkit.packs import Pack
from serkit.specs import Augmentation, Recipe

CPU_CLIPS = 8  # from wave to log-mel at once: what they need in between stays in the cache
GPU_FRAMES = 8  # a batch is a multiple as long, 1 % padding: cuDNN plans anew for each length it has not seen
RESIDENT_SHARE = 0.5  # of the GPU's free memory that a pack may take; a batch of 128 x 10 s takes about 10 GB
UPLOAD_SAMPLES = 1 << 25  # 64 MB at once
BUFFERS = 3  # one is filled while one is copied and one may still be

Inputs = tuple[Tensor, np.ndarray, Tensor | None]
"""What the network takes (`Cnn14.forward`): log-mel, valid frames, cells to mask."""


@dataclass(frozen=True, eq=False)
class Epoch:
    """What chance decides of an epoch of training.

    Attributes:
        batches: positions in the set, each clip once; int64 arrays.
        starts: int64 [clips], first sample of each clip's crop.
        drawn: augmentation of each clip; None: nothing is augmented.
    """

    batches: list[np.ndarray]
    starts: np.ndarray
    drawn: Draw | None

    def of(self, batch: np.ndarray) -> tuple[np.ndarray, Draw | None]:
        """Starts and augmentation of some clips, int64 [batch], as `Loader.load` takes them."""
        return self.starts[batch], self.drawn[batch] if self.drawn is not None else None

    @property
    def affected(self) -> float:
        """Share of the clips that are augmented."""
        return 0.0 if self.drawn is None else float(self.drawn.affected.mean())


class Loader:
    """Loads batches for one run.

    Attributes:
        front_end: the front end.
        recipe: the recipe; its cap on lengths and its level count here.
        device: `cpu`, `cuda` or `cuda:<n>`.
        seed: the run's.
        longest: samples of the longest clip there can be.
        augmentation: what affected clips go through, or None.
        bf16: whether the network computes in bfloat16.
    """

    def __init__(
        self,
        front_end: FrontEnd,
        recipe: Recipe,
        device: str,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        bf16: bool | None = None,
    ) -> None:
        """Makes the tables that front end and augmentation need.

        Args:
            front_end: the front end.
            recipe: the recipe.
            device: `cpu`, `cuda` or `cuda:<n>`.
            augmentation: what affected clips go through; None: nothing is augmented.
            seed: the run's; of batches, crops, draws and noise.
            bf16: compute the network in bfloat16 where it loses nothing; None: on a GPU.
        """
        self.front_end = front_end
        self.recipe = recipe
        self.device = device
        self.seed = seed
        self.bf16 = on_gpu(device) if bf16 is None else bf16
        self.logmel = LogMel(front_end).to(device)
        self.longest = front_end.most_samples(recipe.max_seconds)
        self.augmentation = augmentation
        self._copies = PinnedCopies(device) if on_gpu(device) else None
        if augmentation is not None:
            self.chain = Chain(augmentation, front_end.rate_hz, seed, self.longest, device)

    def autocast(self) -> AbstractContextManager[object]:
        """The context the network computes in."""
        return autocast(self.device, self.bf16)

    def epoch(self, clips: ClipSet, number: int, percent: int = 0) -> Epoch:
        """Draws an epoch.

        Args:
            clips: the training set.
            number: of the epoch, from 0.
            percent: share of the clips that are augmented, in 0..100.
        """
        drawn = None
        if self.augmentation is not None:
            drawn = augment.draw(self.augmentation, percent, self.seed, number, len(clips))
        own = self.recipe.pool_by == "own"
        pooled_by = clips.lengths if own else self.sizes(clips, drawn)
        return Epoch(
            shuffled_batches(pooled_by, self.recipe.batch_size, self.seed, number),
            crop_starts(clips.lengths, self.longest, self.seed, number),
            drawn,
        )

    def sizes(self, clips: ClipSet, drawn: Draw | None = None) -> np.ndarray:
        """How long clips will be when the network gets them, samples, float64 [clips]: cropped, stretched.

        Args:
            clips: the set.
            drawn: augmentation of each; None: nothing is augmented.
        """
        samples = np.minimum(clips.lengths, self.longest).astype(np.float64)
        if drawn is None or "stretch" not in self.chain.spec.effects:
            return samples
        return samples / np.where(drawn.affected, drawn.stretch_rate, 1.0)

    def load(
        self, clips: ClipSet, batch: np.ndarray, starts: np.ndarray, drawn: Draw | None = None
    ) -> Inputs:
        """What the network takes (`Cnn14.forward`).

        Args:
            clips: the set.
            batch: int64 [batch], positions in it.
            starts: int64 [batch], first sample of each.
            drawn: augmentation of each; None: nothing is augmented.

        Returns:
            Log-mel float32 [batch, frames, 64]; valid frames int64 [batch], on the host; cells to mask, bool
            [batch, frames, 64], or None.
        """
        at_once = len(batch) if on_gpu(self.device) else CPU_CLIPS
        parts = []
        for first in range(0, len(batch), at_once):
            part = slice(first, first + at_once)
            waves, lengths = self._waves(clips, batch[part], starts[part])
            parts.append(self._to_logmel(waves, lengths, drawn[part] if drawn is not None else None))
        logmels, frames = [logmel for logmel, _ in parts], np.concatenate([valid for _, valid in parts])
        longest = max(logmel.shape[1] for logmel in logmels)
        longest += -longest % (GPU_FRAMES if on_gpu(self.device) else 1)
        padded = [F.pad(logmel, (0, 0, 0, longest - logmel.shape[1])) for logmel in logmels]
        masked = None
        if drawn is not None and "specaugment" in self.chain.spec.effects:
            masked = augment.masked_cells(frames, longest, drawn, self.chain.device)
        return torch.cat(padded), frames, masked

    def _waves(self, clips: ClipSet, batch: np.ndarray, starts: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Waves float32 [batch, longest] and their lengths int64 [batch]."""
        lengths = np.minimum(clips.lengths[batch], self.longest)
        samples = self._samples(clips, batch, starts, lengths)
        waves = samples.float().mul_(1 / FULL_SCALE)
        if self.recipe.loudness_dbfs is not None:
            waves *= level_gains(waves, send(lengths, self.device), self.recipe.loudness_dbfs)[:, None]
        return waves, lengths

    def _samples(self, clips: ClipSet, batch: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> Tensor:
        """Int16 [batch, longest] on the device, zeros past each clip's end."""
        longest = max(self.front_end.min_samples, int(lengths.max()))
        if self._copies is None:
            samples = np.empty((len(batch), longest), dtype=np.int16)
            clips.read(batch, starts, lengths, samples)
            return torch.from_numpy(samples)
        resident = [resident_pack(pack, self.longest, self._copies) for pack in clips.packs]
        there = [pack for pack in resident if pack is not None]
        if len(there) == len(resident):
            return gathered(there, clips, batch, starts, lengths, longest)
        return self._copies.made((len(batch), longest), partial(clips.read, batch, starts, lengths))

    def _to_logmel(self, waves: Tensor, lengths: np.ndarray, drawn: Draw | None) -> tuple[Tensor, np.ndarray]:
        """Log-mel and valid frames; affected clips augmented, the others as they are."""
        rates = None
        if drawn is not None and drawn.affected.any():
            waves, lengths, rates = self._augmented(waves, lengths, drawn)
        return self.logmel(*self.front_end.padded(waves, lengths, rates), rates)

    def _augmented(
        self, waves: Tensor, lengths: np.ndarray, drawn: Draw
    ) -> tuple[Tensor, np.ndarray, np.ndarray | None]:
        """Waves with the affected rows augmented, lengths, and the rates at which to take frames."""
        rows = np.flatnonzero(drawn.affected)
        on_device = send(rows, self.device)
        changed, samples = self.chain(waves[on_device], lengths[rows], drawn[rows])
        lengths = lengths.copy()
        lengths[rows] = samples
        more = changed.shape[1] - waves.shape[1]  # the vocoder's may be longer, or all shorter
        waves = F.pad(waves, (0, max(0, more)))
        waves[on_device] = F.pad(changed, (0, max(0, -more)))
        if not self.chain.spec.stretches_features:
            return waves, lengths, None
        return waves, lengths, np.where(drawn.affected, drawn.stretch_rate, 1.0)


def gathered(
    resident: list[Tensor],
    clips: ClipSet,
    batch: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    longest: int,
) -> Tensor:
    """A batch of waves out of packs that lie on the device.

    Args:
        resident: int16 [samples, and `longest` more] of each pack of the set.
        clips: the set.
        batch: int64 [batch], positions in it.
        starts: int64 [batch], first sample of each.
        lengths: int64 [batch], samples to take of each.
        longest: samples to take of all, at least as many as of the longest.

    Returns:
        int16 [batch, longest], zeros past each clip's end.
    """
    device = resident[0].device
    corpus, first = clips.corpus[batch], clips.first_samples[batch] + starts
    at = torch.arange(longest, device=device)
    samples = torch.empty(len(batch), longest, dtype=torch.int16, device=device)
    for number in np.unique(corpus):
        rows = np.flatnonzero(corpus == number)
        samples[send(rows, device)] = resident[number][send(first[rows], device)[:, None] + at]
    return samples.mul_(at < send(lengths, device)[:, None])


_RESIDENT: weakref.WeakKeyDictionary[Pack, dict[str, Tensor | None]] = weakref.WeakKeyDictionary()
"""Packs on GPUs, for as long as a process keeps the pack; None: it did not fit."""


def resident_pack(pack: Pack, spare: int, copies: PinnedCopies) -> Tensor | None:
    """A pack on a GPU, put there when it is first asked for.

    Args:
        pack: the pack.
        spare: samples to have past its end, so that every clip has as many behind its first.
        copies: the way to the GPU.

    Returns:
        int16 [samples + spare], or None where it would take more than half of what is free.
    """
    on_gpus = _RESIDENT.setdefault(pack, {})
    here = on_gpus.get(copies.device)
    if copies.device not in on_gpus or (here is not None and len(here) < len(pack.samples) + spare):
        on_gpus[copies.device] = here = None  # lets go of one that is too short
        on_gpus[copies.device] = here = _put(pack, spare, copies)
    return here


def _put(pack: Pack, spare: int, copies: PinnedCopies) -> Tensor | None:
    device, size = copies.device, len(pack.samples) + spare
    free, _ = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if size * pack.samples.itemsize > RESIDENT_SHARE * free:
        return None
    try:
        there = torch.empty(size, dtype=torch.int16, device=device)
    except torch.cuda.OutOfMemoryError:  # another worker on the same GPU was faster
        return None
    there[len(pack.samples) :] = 0
    for start in range(0, len(pack.samples), UPLOAD_SAMPLES):
        part = pack.samples[start : start + UPLOAD_SAMPLES]
        there[start : start + len(part)] = copies.made(part.shape, partial(np.copyto, src=part))
    return there


class PinnedCopies:
    """Copies to a GPU that go on while it computes: pinned buffers in turn, on a stream of their own.

    Attributes:
        device: the GPU.
    """

    def __init__(self, device: str) -> None:
        """Makes the stream; buffers are made, and grow, as they are asked for."""
        self.device = device
        self._stream = torch.cuda.Stream(device)
        self._buffers = [torch.empty(0, dtype=torch.int16) for _ in range(BUFFERS)]
        self._copied = [torch.cuda.Event() for _ in range(BUFFERS)]
        self._turn = 0

    def made(self, shape: tuple[int, ...], fill: Callable[[np.ndarray], object]) -> Tensor:
        """An array on the GPU.

        Args:
            shape: of the array.
            fill: puts int16 samples into an array of that shape.
        """
        turn, self._turn = self._turn, (self._turn + 1) % BUFFERS
        self._copied[turn].synchronize()  # what was copied from this buffer last: long over, but for sure
        size = int(np.prod(shape))
        if len(self._buffers[turn]) < size:
            self._buffers[turn] = torch.empty(size, dtype=torch.int16, pin_memory=True)
        buffer = self._buffers[turn][:size].view(shape)
        fill(buffer.numpy())
        with torch.cuda.stream(self._stream):
            made = buffer.to(self.device, non_blocking=True)
            self._copied[turn].record(self._stream)
        computing = torch.cuda.current_stream(self.device)
        computing.wait_stream(self._stream)
        made.record_stream(computing)
        return made


def level_gains(waves: Tensor, lengths: Tensor, loudness_dbfs: float) -> Tensor:
    """Factor that brings each clip to an RMS level, without clipping; 1 for silence.

    Args:
        waves: float32 [batch, longest], full scale 1, zeros past each clip's end.
        lengths: int64 [batch].
        loudness_dbfs: target RMS, dB re full scale.

    Returns:
        float32 [batch].
    """
    rms = (waves.double().square().sum(dim=1) / lengths).sqrt()
    peak = waves.abs().amax(dim=1).double()
    wanted = 10 ** (loudness_dbfs / 20) / rms.clamp(min=1e-12)
    return torch.where(peak > 0, torch.minimum(wanted, 1 / peak.clamp(min=1e-12)), 1.0).float()
