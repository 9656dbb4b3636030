"""Clips to augmented waves, on the device that trains (§3, §5.2).

    packed int16 -> float, levelled -> augmented

Three ways lead to the same batch of waves, without loader processes:

- on a CPU, slices of the packs' memory maps are copied;
- on a GPU with room for them, the packs lie on the GPU as they lie on the disk (MSP-Podcast's four classes
  are about 12.4 GB) and stay there from run to run; a batch is one gather a corpus;
- on a GPU without, slices go through pinned memory (`serkit.device.filled`).

Batches are filled from pools: the epoch's shuffled clips are cut into pools of 16 batches, each pool is
sorted by length, and the batches are shuffled again. With lengths from 2 to 12 s a shuffled batch of 128 is
more than 30 % padding, a pooled one less than 10 % (`tests/test_batches.py`).
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from serkit.audio import FULL_SCALE
from serkit.augment import Augmenting, Chain, Draw, Waves, draw
from serkit.clips import ClipSet
from serkit.device import filled, on_gpu, send
from serkit.encoders import Description
from serkit.packs import Pack
from serkit.settings import one_of
from serkit.specs import Recipe
from serkit.streams import CROP, ORDER, stream

POOL_BATCHES = 16
CPU_CLIPS = 8  # a part of a batch: what it needs from wave to the encoder's input stays in the cache
RESIDENT_SHARE = 0.5  # of the GPU's free memory that a pack may take; a batch of 128 x 10 s takes about 10 GB
UPLOAD_SAMPLES = 1 << 25  # 64 MB at once
LEARNING, SCORING = "learning", "scoring"
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Epoch:
    """What chance decides of an epoch of training."""

    batches: list[np.ndarray]  # positions in the set, each clip once; int64
    starts: np.ndarray  # int64 [clips], first sample of each clip's crop
    drawn: Draw | None  # augmentation of each clip; None: nothing is augmented

    @property
    def affected(self) -> float:
        """Share of the clips that are augmented."""
        return 0.0 if self.drawn is None else float(self.drawn.affected.mean())


def shuffled_batches(lengths: np.ndarray, batch_size: int, seed: int, epoch: int) -> list[np.ndarray]:
    """The batches of one training epoch, `batch_size` clips at most: positions, each clip once, int64.

    Sizes differ by at most one clip, so no batch is too small for batch normalisation.
    """
    random = stream(ORDER, seed, epoch)
    order = random.permutation(len(lengths))
    ends = np.cumsum([len(part) for part in np.array_split(order, -(-len(order) // batch_size))])
    pools = np.split(order, ends[POOL_BATCHES - 1 : -1 : POOL_BATCHES])
    pooled = np.concatenate([pool[np.argsort(lengths[pool], kind="stable")] for pool in pools])
    batches = np.split(pooled, ends[:-1])
    return [batches[i] for i in random.permutation(len(batches))]


def sorted_batches(lengths: np.ndarray, max_samples: int) -> list[np.ndarray]:
    """Batches for evaluation, longest clips first: memory runs out at once or never.

    One has `max_samples` at most, padding included; a clip that is longer is a batch of its own.
    """
    order = np.argsort(-lengths, kind="stable")
    batches = []
    while len(order):
        fit = max(1, max_samples // int(lengths[order[0]]))
        batches.append(order[:fit])
        order = order[fit:]
    return batches


def crop_starts(lengths: np.ndarray, longest: int, seed: int, epoch: int) -> np.ndarray:
    """First sample of each clip's crop to `longest` samples, uniform over those that fit, int64 [clips].

    Example:
        >>> crop_starts(np.array([16_000, 8_000]), longest=8_000, seed=0, epoch=0).tolist()
        [6507, 0]
    """
    spare = np.maximum(lengths - longest, 0)
    return np.floor(stream(CROP, seed, epoch).random(len(lengths)) * (spare + 1)).astype(np.int64)


def max_samples(encoder: Description, max_seconds: float) -> int:
    """Samples of the longest clip under a cap of `max_seconds`: never less than the encoder can take."""
    return max(int(max_seconds * encoder.rate_hz), encoder.min_samples)


@dataclass(eq=False)
class Loader:
    """Loads batches for one run."""

    encoder: Description  # what the batches are for
    recipe: Recipe  # its cap on lengths, level, batch size and pooling count here
    device: str  # `cpu`, `cuda` or `cuda:<n>`
    augmenting: Augmenting | None = None  # None: nothing is augmented
    seed: int = 0  # the run's; of batches, crops, draws and noise
    # In how many pieces a batch comes, beside what the recipe says, where the GPU's memory has run out:
    pieces: dict[str, int] = field(default_factory=lambda: {LEARNING: 1, SCORING: 1})

    def __post_init__(self) -> None:
        self.longest = max_samples(self.encoder, self.recipe.max_seconds)
        self._copying = torch.cuda.Stream(self.device) if on_gpu(self.device) else None
        if self.augmenting is not None:
            spec, rate_hz, takes = self.augmenting.spec, self.encoder.rate_hz, self.encoder.takes
            one_of("what an augmented encoder takes", takes, ("logmel", "waves"))  # no effect is skipped
            self.chain = Chain(spec, rate_hz, self.seed, self.longest, self.device, takes == "waves")

    def epoch(self, clips: ClipSet, number: int) -> Epoch:
        """Draws an epoch of a training set; `number` counts from 0."""
        drawn = draw(self.augmenting, self.seed, number, len(clips)) if self.augmenting else None
        pooled_by = clips.lengths if self.recipe.pool_by == "own" else self.sizes(clips, drawn)
        batches = shuffled_batches(pooled_by, self.recipe.batch_size, self.seed, number)
        return Epoch(batches, crop_starts(clips.lengths, self.longest, self.seed, number), drawn)

    def sizes(self, clips: ClipSet, drawn: Draw | None = None) -> np.ndarray:
        """Samples of each clip when the network gets it, cropped and stretched as drawn, float64 [clips]."""
        samples = np.minimum(clips.lengths, self.longest).astype(np.float64)
        if drawn is None or "stretch" not in self.chain.spec.effects:
            return samples
        return samples / np.where(drawn.affected, drawn.stretch_rate, 1.0)

    def load(self, clips: ClipSet, batch: np.ndarray, epoch: Epoch | None = None) -> Iterator[Waves]:
        """Clips (int64, positions in the set), cropped and augmented as drawn; without an epoch their starts.

        They come in parts, `CPU_CLIPS` at once on a CPU and all on a GPU; each is loaded when asked for.
        """
        starts = epoch.starts if epoch is not None else np.zeros(len(clips), dtype=np.int64)
        at_once = len(batch) if on_gpu(self.device) else CPU_CLIPS
        for first in range(0, len(batch), at_once):
            part = batch[first : first + at_once]
            waves, samples = self._waves(clips, part, starts[part])
            if epoch is None or epoch.drawn is None:
                yield Waves(waves, samples)
            else:
                yield self._augmented(waves, samples, epoch.drawn[part])

    def within_memory(self, what: str, do: Callable[[], Made]) -> Made:
        """Does what takes memory: once more, in twice as many `pieces`, where a GPU had too little."""
        try:
            return do()
        except torch.OutOfMemoryError:
            if self.pieces[what] > 1:
                raise
            self.pieces[what] = 2
        # Here nothing holds what the failed one held any more.
        if on_gpu(self.device):
            torch.cuda.empty_cache()
        return do()

    def _waves(self, clips: ClipSet, batch: np.ndarray, starts: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Waves float32 [batch, longest] and their lengths int64 [batch]."""
        lengths = np.minimum(clips.lengths[batch], self.longest)
        samples = self._samples(clips, batch, starts, lengths)
        waves = samples.float().mul_(1 / FULL_SCALE)
        if clips.gains:
            waves *= send(clips.gain[batch], self.device)[:, None]
        if self.recipe.loudness_dbfs is not None:
            waves *= level_gains(waves, send(lengths, self.device), self.recipe.loudness_dbfs)[:, None]
        return waves, lengths

    def _samples(self, clips: ClipSet, batch: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> Tensor:
        """Int16 [batch, longest] on the device, zeros past each clip's end."""
        longest = max(self.encoder.min_samples, int(lengths.max()))
        if self._copying is not None:
            there = [here for pack in clips.packs if (here := resident_pack(pack, self._copying)) is not None]
            if len(there) == len(clips.packs):
                first = clips.first_samples[batch] + starts
                return gathered(there, clips.corpus[batch], first, lengths, longest)
        return filled((len(batch), longest), partial(clips.read, batch, starts, lengths), self._copying)

    def _augmented(self, waves: Tensor, samples: np.ndarray, drawn: Draw) -> Waves:
        """Affected clips through the chain, the others as they are."""
        spec, rates = self.chain.spec, None
        rows = np.flatnonzero(drawn.affected)
        if len(rows):
            on_device = send(rows, self.device)
            changed, lengths = self.chain(waves[on_device], samples[rows], drawn[rows])
            if most := getattr(self.encoder, "max_samples", 0):  # it takes no more, stretched or not
                changed, lengths = changed[:, :most], np.minimum(lengths, most)
            samples[rows] = lengths
            more = changed.shape[1] - waves.shape[1]  # the vocoder's may be longer, or all shorter
            waves = F.pad(waves, (0, max(0, more)))
            waves[on_device] = F.pad(changed, (0, max(0, -more)))
            if spec.stretches_features:
                rates = np.where(drawn.affected, drawn.stretch_rate, 1.0)
        on_features = "specaugment" in spec.effects and not self.chain.masking
        return Waves(waves, samples, rates, drawn if on_features else None)


def gathered(
    packs: list[Tensor], corpus: np.ndarray, first: np.ndarray, lengths: np.ndarray, longest: int
) -> Tensor:
    """What `ClipSet.read` reads, of packs on the device: int16 [batch, longest], zeros past the lengths."""
    device = packs[0].device
    at = torch.arange(longest, device=device)
    samples = torch.empty(len(corpus), longest, dtype=torch.int16, device=device)
    for number in np.unique(corpus):
        rows, pack = np.flatnonzero(corpus == number), packs[number]
        places = send(first[rows], device)[:, None] + at
        samples[send(rows, device)] = pack[places.clamp_(max=len(pack) - 1)]
    return samples.mul_(at < send(lengths, device)[:, None])


_RESIDENT: weakref.WeakKeyDictionary[Pack, dict[torch.device, Tensor | None]] = weakref.WeakKeyDictionary()
"""Packs on GPUs, for as long as a process keeps the pack; None: it did not fit."""


def resident_pack(pack: Pack, copying: torch.cuda.Stream) -> Tensor | None:
    """A pack's samples on a GPU, put there when first asked for; None: more than half of what is free."""
    on_gpus = _RESIDENT.setdefault(pack, {})
    if copying.device not in on_gpus:
        on_gpus[copying.device] = _put(pack, copying)
    return on_gpus[copying.device]


def _put(pack: Pack, copying: torch.cuda.Stream) -> Tensor | None:
    device = copying.device
    free, _ = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if pack.samples.nbytes > RESIDENT_SHARE * free:
        return None
    try:
        there = torch.empty(len(pack.samples), dtype=torch.int16, device=device)
    except torch.cuda.OutOfMemoryError:  # another worker on the same GPU was faster
        return None
    for start in range(0, len(pack.samples), UPLOAD_SAMPLES):
        part = pack.samples[start : start + UPLOAD_SAMPLES]
        there[start : start + len(part)] = filled(part.shape, partial(np.copyto, src=part), copying)
    return there


def level_gains(waves: Tensor, lengths: Tensor, loudness_dbfs: float) -> Tensor:
    """Factors that bring clips to an RMS level in dB re full scale without clipping; 1 for silence."""
    rms = (waves.double().square().sum(dim=1) / lengths).sqrt()
    peak = waves.abs().amax(dim=1).double()
    wanted = 10 ** (loudness_dbfs / 20) / rms.clamp(min=1e-12)
    return torch.where(peak > 0, torch.minimum(wanted, 1 / peak.clamp(min=1e-12)), 1.0).float()
