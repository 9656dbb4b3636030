"""Clips to augmented waves, on the device that trains (§3, §5.2).

    packed int16 -> float, levelled -> augmented

Three ways lead to a batch of waves, and all give the same batch:

- on a CPU, slices of the packs' memory maps are copied;
- on a GPU with room for them, the packs lie on the GPU as they lie on the disk (MSP-Podcast's four classes
  are about 12.4 GB) and stay there from run to run; a batch is one gather a corpus;
- on a GPU without, slices go through pinned buffers (`serkit.device.PinnedCopies`).

There are no loader processes. Everything but a batch's waves is small, and computed from lengths and draws
that the host has; so the host is done with a batch long before the GPU is, and nothing waits for the GPU.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from serkit.audio import FULL_SCALE
from serkit.augment import Augmenting, Chain, Draw, Waves, draw
from serkit.batches import crop_starts, shuffled_batches
from serkit.clips import ClipSet
from serkit.device import PinnedCopies, on_gpu, send
from serkit.encoders import Description
from serkit.packs import Pack
from serkit.specs import Recipe

CPU_CLIPS = 8  # a part of a batch: what it needs from wave to the encoder's input stays in the cache
RESIDENT_SHARE = 0.5  # of the GPU's free memory that a pack may take; a batch of 128 x 10 s takes about 10 GB
UPLOAD_SAMPLES = 1 << 25  # 64 MB at once


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


def max_samples(encoder: Description, max_seconds: float) -> int:
    """Samples of the longest clip under a cap of `max_seconds`: never less than the encoder can take."""
    return max(int(max_seconds * encoder.rate_hz), encoder.min_samples)


class Loader:
    """Loads batches for one run.

    Attributes:
        encoder: what the batches are for.
        recipe: its cap on lengths, level, batch size and pooling count here.
        device: `cpu`, `cuda` or `cuda:<n>`.
        augmenting: what is augmented, and how; None: nothing.
        seed: the run's; of batches, crops, draws and noise.
        longest: samples of the longest clip there can be.
    """

    def __init__(
        self,
        encoder: Description,
        recipe: Recipe,
        device: str,
        augmenting: Augmenting | None = None,
        seed: int = 0,
    ) -> None:
        """Makes the tables that the augmentation needs."""
        self.encoder, self.recipe, self.device = encoder, recipe, device
        self.augmenting, self.seed = augmenting, seed
        self.longest = max_samples(encoder, recipe.max_seconds)
        self._copies = PinnedCopies(device) if on_gpu(device) else None
        if augmenting is not None:
            self.chain = Chain(augmenting.spec, encoder.rate_hz, seed, self.longest, device)

    def epoch(self, clips: ClipSet, number: int) -> Epoch:
        """Draws an epoch of a training set; `number` counts from 0."""
        drawn = draw(self.augmenting, self.seed, number, len(clips)) if self.augmenting else None
        own = self.recipe.pool_by == "own"
        pooled_by = clips.lengths if own else self.sizes(clips, drawn)
        return Epoch(
            shuffled_batches(pooled_by, self.recipe.batch_size, self.seed, number),
            crop_starts(clips.lengths, self.longest, self.seed, number),
            drawn,
        )

    def sizes(self, clips: ClipSet, drawn: Draw | None = None) -> np.ndarray:
        """Samples of each clip when the network gets it, cropped and stretched as drawn, float64 [clips]."""
        samples = np.minimum(clips.lengths, self.longest).astype(np.float64)
        if drawn is None or "stretch" not in self.chain.spec.effects:
            return samples
        return samples / np.where(drawn.affected, drawn.stretch_rate, 1.0)

    def load(
        self, clips: ClipSet, batch: np.ndarray, starts: np.ndarray, drawn: Draw | None = None
    ) -> Iterator[Waves]:
        """A batch in parts, `CPU_CLIPS` at once on a CPU and whole on a GPU; each is loaded when asked for.

        Args:
            clips: the set.
            batch: int64 [batch], positions in it.
            starts: int64 [batch], first sample of each.
            drawn: of each; None: nothing is augmented.
        """
        at_once = len(batch) if on_gpu(self.device) else CPU_CLIPS
        for first in range(0, len(batch), at_once):
            part = slice(first, first + at_once)
            waves, samples = self._waves(clips, batch[part], starts[part])
            yield Waves(waves, samples) if drawn is None else self._augmented(waves, samples, drawn[part])

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
        longest = max(self.encoder.min_samples, int(lengths.max()))
        if self._copies is None:
            samples = np.empty((len(batch), longest), dtype=np.int16)
            clips.read(batch, starts, lengths, samples)
            return torch.from_numpy(samples)
        resident = [resident_pack(pack, self.longest, self._copies) for pack in clips.packs]
        there = [pack for pack in resident if pack is not None]
        if len(there) == len(resident):
            return gathered(there, clips, batch, starts, lengths, longest)
        return self._copies.made((len(batch), longest), partial(clips.read, batch, starts, lengths))

    def _augmented(self, waves: Tensor, samples: np.ndarray, drawn: Draw) -> Waves:
        """Affected clips through the chain, the others as they are."""
        spec = self.chain.spec
        rates = None
        rows = np.flatnonzero(drawn.affected)
        if len(rows):
            on_device = send(rows, self.device)
            changed, lengths = self.chain(waves[on_device], samples[rows], drawn[rows])
            samples = samples.copy()
            samples[rows] = lengths
            more = changed.shape[1] - waves.shape[1]  # the vocoder's may be longer, or all shorter
            waves = F.pad(waves, (0, max(0, more)))
            waves[on_device] = F.pad(changed, (0, max(0, -more)))
            if spec.stretches_features:
                rates = np.where(drawn.affected, drawn.stretch_rate, 1.0)
        return Waves(waves, samples, rates, drawn if "specaugment" in spec.effects else None)


def gathered(
    resident: list[Tensor],
    clips: ClipSet,
    batch: np.ndarray,
    starts: np.ndarray,
    lengths: np.ndarray,
    longest: int,
) -> Tensor:
    """What `ClipSet.read` reads, out of packs that lie on the device: int16 [batch, longest].

    `resident` has each pack of the set, int16 with `longest` samples more than it needs.
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
    """A pack on a GPU, put there when it is first asked for: int16 [samples + spare].

    The spare samples give every clip as many behind its first. None where it would take more than half of
    what is free.
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


def level_gains(waves: Tensor, lengths: Tensor, loudness_dbfs: float) -> Tensor:
    """Factor that brings each clip to an RMS level in dB re full scale, without clipping; 1 for silence.

    Takes waves float32 [batch, longest], full scale 1, zeros past each clip's end (`lengths`, int64 [batch]);
    gives float32 [batch].
    """
    rms = (waves.double().square().sum(dim=1) / lengths).sqrt()
    peak = waves.abs().amax(dim=1).double()
    wanted = 10 ** (loudness_dbfs / 20) / rms.clamp(min=1e-12)
    return torch.where(peak > 0, torch.minimum(wanted, 1 / peak.clamp(min=1e-12)), 1.0).float()
