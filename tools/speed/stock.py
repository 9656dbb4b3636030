"""Training the usual way: the stock PANNs class, a data loader's processes, one clip at a time.

What published speech-emotion code does with PANNs, written as plainly as it is there:

    AudioFiles  a Dataset: decode a file (soundfile), mix down, resample (soxr), crop, augment by itself
    batches     a DataLoader of N processes: shuffled, collated by padding to the longest
    Cnn14       `panns_inference`'s own class and front end (torchlibrosa), with a linear layer for its
                embedding, as PANNs' `finetune_template.py` has it
    Training    float32, NCHW, Adam, binary cross entropy of the softmax

Differences from what serkit trains, all to this way's advantage in speed:

1. SpecAugment is left out: the stock class's own is off, because it would mask every clip at any rate, and
   between its front end and its layers there is no place for the chain's. It is the cheapest effect.
2. Nothing is masked: padding counts in batch normalisation, and scores depend on batch mates.
3. Processes stay from epoch to epoch (`persistent_workers`), so their start is in no epoch.

CPU time of the data loader's processes is counted in them, from batch to batch, and comes with each batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, get_worker_info

from serkit.encoders.cnn14 import BLOCKS, stock_models
from serkit.encoders.cnn14.logmel import MEL_BANDS, FrontEnd
from serkit.labels import LABELS
from serkit.loader import max_samples
from serkit.steps import bce_of_softmax
from tools.speed.clips import SEED
from tools.speed.peers import torchlibrosa_layers

Chain = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""One clip to the same augmented, float32 [samples] each."""


class Cnn14(nn.Module):
    """The stock class at any width, its own SpecAugment off, with a linear layer for its embedding."""

    def __init__(self, width: int, front_end: FrontEnd) -> None:
        """Initialises as the stock class does.

        Args:
            width: channels of the first block, doubled by each of the next five; 64 is the stock class.
            front_end: made by torchlibrosa, within the network.
        """
        super().__init__()
        stock = stock_models()
        channels = [1, *(width * 2**i for i in range(BLOCKS))]
        # Its constructor knows one width and would take 320 MB and seconds for layers to throw away; its
        # forward pass takes whatever layers bear its names.
        base = stock.Cnn14.__new__(stock.Cnn14)
        nn.Module.__init__(base)
        base.spectrogram_extractor, base.logmel_extractor = torchlibrosa_layers(front_end)
        base.spec_augmenter = nn.Identity()
        base.bn0 = nn.BatchNorm2d(MEL_BANDS)
        for i in range(BLOCKS):
            base.add_module(f"conv_block{i + 1}", stock.ConvBlock(channels[i], channels[i + 1]))
        base.fc1 = nn.Linear(channels[-1], channels[-1])
        base.fc_audioset = nn.Identity()
        self.base = base
        self.head = nn.Linear(channels[-1], len(LABELS))
        for layer in (base.fc1, self.head):
            stock.init_layer(layer)

    def forward(self, waves: Tensor) -> Tensor:
        """Class scores before the softmax, float32 [clips, 4], of float32 [clips, samples], full scale 1."""
        return self.head(self.base(waves)["embedding"])


class Batch(NamedTuple):
    """What a data loader gives.

    Attributes:
        waves: float32 [clips, longest], zeros past each clip's end.
        samples: int64 [clips], length of each.
        labels: int64 [clips].
        augmented: bool [clips].
        worker_cpu_s: CPU time that the process which made it took since the one before; 0 in this process.
    """

    waves: Tensor
    samples: Tensor
    labels: Tensor
    augmented: Tensor
    worker_cpu_s: float


class AudioFiles(Dataset[tuple[np.ndarray, int, bool]]):
    """Clips in files, each decoded and augmented when it is asked for."""

    def __init__(
        self,
        paths: Sequence[Path],
        labels: Sequence[int] | np.ndarray,
        front_end: FrontEnd,
        max_seconds: float,
        chain: Chain | None = None,
        augment_percent: int = 0,
    ) -> None:
        """Takes what it is given; decodes nothing yet.

        Args:
            paths: of the clips, whatever libsndfile reads.
            labels: class index of each.
            front_end: whose rate clips are brought to, and whose shortest clip shorter ones are padded to.
            max_seconds: longer clips are cropped at random.
            chain: what augments a clip; None: nothing does.
            augment_percent: share of clips that it is applied to, in 0..100.
        """
        self.paths, self.labels, self.front_end = paths, labels, front_end
        self.longest = max_samples(front_end, max_seconds)
        self.chain, self.share = chain, augment_percent / 100
        self.random = np.random.default_rng(SEED)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, clip: int) -> tuple[np.ndarray, int, bool]:
        """Wave float32 [samples], class index, and whether it was augmented."""
        wave = decoded(self.paths[clip], self.front_end.rate_hz)
        if len(wave) > self.longest:
            start = self.random.integers(len(wave) - self.longest + 1)
            wave = wave[start : start + self.longest]
        augmented = self.chain is not None and self.random.random() < self.share
        if augmented:
            assert self.chain is not None
            wave = self.chain(wave, self.random)
        return wave, int(self.labels[clip]), augmented


def decoded(path: Path, rate_hz: int) -> np.ndarray:
    """A clip as float32 [samples] at `rate_hz`, channels averaged; not checked for damage."""
    wave, found_hz = soundfile.read(path, dtype="float32")
    if wave.ndim == 2:
        wave = wave.mean(axis=1)
    return wave if found_hz == rate_hz else soxr.resample(wave, found_hz, rate_hz)


class _Padding:
    """Collates by padding, and counts the CPU time of the process it runs in, where that is another."""

    def __init__(self, shortest: int) -> None:
        self.shortest = shortest
        self.counted_s = 0.0

    def __call__(self, clips: Sequence[tuple[np.ndarray, int, bool]]) -> Batch:
        waves, labels, augmented = zip(*clips, strict=True)
        samples = [len(wave) for wave in waves]
        padded = torch.zeros(len(waves), max(self.shortest, *samples))
        for row, wave in zip(padded, waves, strict=True):
            row[: len(wave)] = torch.from_numpy(wave)
        cpu_s = 0.0
        if get_worker_info() is not None:
            now = time.process_time()  # from 0 when the process starts
            cpu_s, self.counted_s = now - self.counted_s, now
        return Batch(padded, torch.tensor(samples), torch.tensor(labels), torch.tensor(augmented), cpu_s)


def batches(
    files: AudioFiles, batch_size: int, workers: int, device: str = "cpu", shuffle: bool = True
) -> DataLoader[Any]:
    """A data loader of `workers` processes, 0: this one; it gives a `Batch` at a time."""
    return DataLoader(
        files,
        batch_size,
        shuffle=shuffle,
        num_workers=workers,
        collate_fn=_Padding(files.front_end.min_samples),
        pin_memory=device.startswith("cuda"),
        persistent_workers=workers > 0,
        worker_init_fn=_reseed,
    )


def _reseed(worker: int) -> None:
    """Gives a data loader's process random numbers of its own; the libraries' are seeded by PyTorch."""
    info: Any = get_worker_info()
    info.dataset.random = np.random.default_rng(info.seed)


class Training:
    """A network that learns epoch by epoch.

    Attributes:
        worker_cpu_s: CPU time of the data loader's processes so far.
    """

    def __init__(self, network: nn.Module, learning_rate: float, device: str) -> None:
        """Takes `network`, waves to scores, to `device`."""
        self.network, self.device = network.to(device), device
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=learning_rate)
        self.worker_cpu_s = 0.0

    def epoch(self, loader: DataLoader[Any]) -> float:
        """Learns from every clip once; returns the mean loss of the batches, which waits for the device."""
        self.network.train()
        losses = []
        for batch in loader:
            logits = self.network(batch.waves.to(self.device, non_blocking=True))
            loss = bce_of_softmax(logits, batch.labels.to(self.device, non_blocking=True))
            self.optimiser.zero_grad()
            loss.backward()
            self.optimiser.step()
            losses.append(loss.detach())
            self.worker_cpu_s += batch.worker_cpu_s
        return float(torch.stack(losses).mean())
