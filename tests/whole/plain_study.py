"""One training of the study, written the shortest honest way: what the harness must agree with.

Files are decoded one by one and cut to one length, so nothing is padded or masked. The network is the stock
PANNs class with fewer channels, torchlibrosa's log-mel before it, its SpecAugment off, and a head for four
classes. The loop is PyTorch's usual one, the metrics are scikit-learn's. Of serkit only the labels are used,
and the way to import the stock class without what its package does on import. Where the paper leaves a
choice, it is the harness's: 16 kHz audio through the mel filters of the 32 kHz checkpoint, Adam at a constant
rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
from torch import Tensor, nn
from torch.nn import functional as F
from torchlibrosa.stft import LogmelFilterBank, Spectrogram

from serkit.encoders.cnn14 import stock_models
from serkit.labels import LABELS

RATE_HZ = 16_000


@dataclass(frozen=True)
class Clips:
    """Audio files, and the class index of each, int64 [clips]."""

    paths: Sequence[Path]
    labels: np.ndarray

    def waves(self, samples: int) -> list[np.ndarray]:
        """Every clip as float32, full scale 1, as long as it is; none may be shorter than `samples`."""
        waves = [soundfile.read(path, dtype="float32")[0] for path in self.paths]
        assert min(map(len, waves)) >= samples
        return waves


@dataclass(frozen=True)
class Settings:
    """Of a training; `tail` is the share of epochs, at the end, that metrics are averaged over."""

    width: int
    learning_rate: float
    batch_size: int
    epochs: int
    seconds: float
    tail: float


class Network(nn.Module):
    """The stock class, waves [clips, samples] to class scores [clips, 4] before the softmax."""

    def __init__(self, width: int) -> None:
        super().__init__()
        stock = stock_models()
        channels = [1, *(width * 2**i for i in range(6))]
        # Its constructor knows one width, 80 million parameters; its forward pass takes layers of any.
        base = stock.Cnn14.__new__(stock.Cnn14)
        nn.Module.__init__(base)
        base.spectrogram_extractor = Spectrogram(n_fft=1024, hop_length=320, freeze_parameters=True)
        base.logmel_extractor = LogmelFilterBank(
            sr=32_000,
            n_fft=1024,
            n_mels=64,
            fmin=50,
            fmax=14_000,
            amin=1e-10,
            top_db=None,
            freeze_parameters=True,
        )
        base.spec_augmenter = nn.Identity()
        base.bn0 = nn.BatchNorm2d(64)
        for i in range(6):
            base.add_module(f"conv_block{i + 1}", stock.ConvBlock(channels[i], channels[i + 1]))
        base.fc1 = nn.Linear(channels[-1], channels[-1])
        base.fc_audioset = nn.Identity()
        self.base, self.head = base, nn.Linear(channels[-1], len(LABELS))
        for layer in (base.fc1, self.head):
            stock.init_layer(layer)

    def forward(self, waves: Tensor) -> Tensor:
        return self.head(self.base(waves)["embedding"])


def train(training: Clips, test: Clips, settings: Settings, seed: int) -> dict[str, float]:
    """Trains on one set of clips and tests on another, after each epoch of the tail.

    Returns:
        uACC, wACC and wF1, averaged.
    """
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    samples = round(settings.seconds * RATE_HZ)
    learnt = training.waves(samples)
    tested = torch.from_numpy(np.stack([wave[:samples] for wave in test.waves(samples)]))
    network = Network(settings.width)
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    history = []
    for epoch in range(settings.epochs):
        network.train()
        order = random.permutation(len(learnt))
        for batch in np.array_split(order, -(-len(order) // settings.batch_size)):
            crops = torch.from_numpy(np.stack([crop(learnt[clip], samples, random) for clip in batch]))
            onehot = F.one_hot(torch.from_numpy(training.labels[batch]), len(LABELS)).float()
            loss = F.binary_cross_entropy(network(crops).softmax(dim=1), onehot)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        if epoch + 1 > (1 - settings.tail) * settings.epochs:
            network.eval()
            with torch.inference_mode():
                history.append(metrics(test.labels, network(tested).argmax(dim=1).numpy()))
    return {name: float(np.mean([at[name] for at in history])) for name in history[0]}


def crop(wave: np.ndarray, samples: int, random: np.random.Generator) -> np.ndarray:
    """So many samples from anywhere in a clip."""
    start = random.integers(len(wave) - samples + 1)
    return wave[start : start + samples]


def metrics(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """The study's metrics, as scikit-learn has them (§2.2)."""
    return {
        "uACC": balanced_accuracy_score(truth, predicted),
        "wACC": accuracy_score(truth, predicted),
        "wF1": f1_score(truth, predicted, average="weighted"),
    }
