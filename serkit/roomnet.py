"""The room estimator: reverberation time T60 and clarity C50 from speech alone.

A small convolutional network on log-mel energies. The study's own estimators (Gamper & Tashev 2018, "Blind
reverberation time estimation using a convolutional neural network"; Gamper 2020, "Blind C50 estimation from
single-channel speech using a convolutional neural network") were never published: this one stands in for them
and is not theirs. Its weights are shipped; it learnt from generated speech in simulated rooms alone
(`serkit.rooms`), by one seeded command:

    python -m benchmark rooms train --output serkit/roomnet.npz

How far it can be trusted, on real speech too: docs/acoustics.md, "The room estimator".

An estimate depends on one clip alone, as clips go through one by one: there is no batch to depend on. It does
not depend on the clip's level, as features are taken relative to the loud frames. With a fixed number of
threads it is the same to the last bit from run to run on one machine; across machines and thread counts
estimates differ in their last digits.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
import torchaudio
from torch import Tensor, nn

from serkit import rooms
from serkit.errors import WeightsMissing
from serkit.files import open_file
from serkit.rooms import C50_RANGE_DB, RATE_HZ, T60_RANGE_S, Examples

WEIGHTS = Path(__file__).with_name("roomnet.npz")
MIN_SECONDS = 1.0
"""Shortest clip that is estimated, and shortest crop in training. T60's error is about twice that at 4 s
(docs/acoustics.md), and grows fast below."""

HOP_SAMPLES = 160
WINDOW_SAMPLES = 400
FFT_SAMPLES = 512
MEL_BANDS = 48
RANGE_HZ = (50.0, 8000.0)
LOUD_SHARE = 0.95
"""The frames' level at this quantile is the reference: a click does not move it."""
FLOOR_DB = -70.0
SCALE_DB = 35.0
MOST_FAINT_DB = 20.0
"""As far as a faint part of a clip is raised in training: a part may be nothing but padding."""


# ------------------------------------------------------------------------------------------------- features


@functools.cache
def _filters() -> Tensor:
    """[bins, bands]."""
    return torchaudio.functional.melscale_fbanks(
        FFT_SAMPLES // 2 + 1, *RANGE_HZ, MEL_BANDS, RATE_HZ, norm=None, mel_scale="htk"
    )


@functools.cache
def _window() -> Tensor:
    return torch.hann_window(WINDOW_SAMPLES)


def features(waves: Tensor) -> Tensor:
    """Log-mel energies relative to the loud frames, floored at -70 dB and scaled to about -1..1.

    Args:
        waves: float32 [clips, samples] at 16 kHz, of any level but 0, at least a window long.

    Returns:
        float32 [clips, frames, bands].
    """
    waves = waves / waves.abs().amax(dim=1, keepdim=True).clamp_min(1e-30)
    spectra = torch.stft(
        waves, FFT_SAMPLES, HOP_SAMPLES, WINDOW_SAMPLES, _window(), center=False, return_complex=True
    )
    power = spectra.real.square().addcmul(spectra.imag, spectra.imag).transpose(1, 2) @ _filters()
    loud = torch.quantile(power.mean(dim=2), LOUD_SHARE, dim=1).clamp_min(1e-20)
    level_db = 10 * torch.log10(power.clamp_min(1e-20) / loud[:, None, None])
    return level_db.clamp_min(FLOOR_DB) / SCALE_DB + 1


def as_if_alone(levels: Tensor) -> Tensor:
    """Features of a part of a clip, made relative to the loud frames of that part, all of which may be faint.

    Args:
        levels: [parts, frames, bands], cut out of `features`.

    Returns:
        likewise; what lay below the floor stays a little above it.
    """
    power = torch.exp2((levels - 1) * (SCALE_DB / 10 * np.log2(10))).mean(dim=2)
    loud_db = 10 * torch.log10(torch.quantile(power, LOUD_SHARE, dim=1))
    return (levels - loud_db.clamp(-MOST_FAINT_DB, 0)[:, None, None] / SCALE_DB).clamp_min(
        1 + FLOOR_DB / SCALE_DB
    )


# -------------------------------------------------------------------------------------------------- network

CHANNELS = (16, 24, 32, 48, 64)
MEAN, SPREAD = (0.7, 15.0), (0.45, 12.0)
"""About those of the examples' T60 and C50: the network gives standardised values."""


class RoomNet(nn.Module):
    """Five convolutions over time and frequency, one over time, their mean and deviation, two layers."""

    def __init__(self) -> None:
        """Random weights, from torch's generator."""
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for number, channels in enumerate(CHANNELS):
            last = number == len(CHANNELS) - 1
            layers += [
                nn.Conv2d(
                    before,
                    channels,
                    (3, 3) if last else (5, 3),
                    (1, 1) if last else (1 if number == 0 else 2, 2),
                    (1, 0) if last else (2, 1),
                    bias=False,
                ),
                nn.BatchNorm2d(channels),
                nn.ReLU(),
            ]
            before = channels
        layers += [
            nn.Conv2d(before, before, (3, 1), padding=(3, 0), dilation=(3, 1), bias=False),
            nn.BatchNorm2d(before),
            nn.ReLU(),
        ]
        self.local = nn.Sequential(*layers)
        self.whole = nn.Sequential(nn.Dropout(0.1), nn.Linear(2 * before, 48), nn.ReLU(), nn.Linear(48, 2))

    def forward(self, levels: Tensor) -> Tensor:
        """From `features` [clips, frames, bands] to standardised T60 and C50, [clips, 2], without bounds."""
        local = self.local(levels[:, None])[..., 0]
        mean = local.mean(dim=2)
        deviation = (local - mean[..., None]).square().mean(dim=2).add(1e-6).sqrt()
        return self.whole(torch.cat([mean, deviation], dim=1))


def estimate(net: RoomNet, waves: Sequence[np.ndarray]) -> np.ndarray:
    """T60 and C50 of clips.

    Args:
        net: from `load` or `train`.
        waves: float32 [samples] each, at 16 kHz, of any level. Zeros before and after count as no part of a
            clip.

    Returns:
        float64 [clips, 2]: T60 in s within `T60_RANGE_S`, C50 in dB within `C50_RANGE_DB`. NaN where a clip
        is shorter than `MIN_SECONDS`, silent or not finite.
    """
    found = np.full((len(waves), 2), np.nan)
    mean, spread = np.array(MEAN), np.array(SPREAD)
    net.eval()
    with torch.inference_mode():
        for row, wave in zip(found, waves, strict=True):
            wave = np.asarray(wave, dtype=np.float32)
            sounding = np.flatnonzero(wave)
            if len(sounding) == 0 or not np.isfinite(wave).all():
                continue
            wave = wave[sounding[0] : sounding[-1] + 1]
            if len(wave) < MIN_SECONDS * RATE_HZ:
                continue
            given = net(features(torch.from_numpy(wave[None])))[0].double().numpy()
            row[:] = given * spread + mean
    return np.clip(found, *np.array([T60_RANGE_S, C50_RANGE_DB]).T)


# -------------------------------------------------------------------------------------------------- weights


def load(path: Path = WEIGHTS) -> RoomNet:
    """The network with the shipped weights, or those of `path`.

    Raises:
        WeightsMissing: no such file, or not the weights of this network.
    """
    net = RoomNet()
    try:
        with open_file(path) as file, np.load(file) as arrays:  # refuses arrays of objects, which run code
            state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        state = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
        net.load_state_dict(state)
    except Exception as error:  # a file that is something else makes the three libraries raise anything
        raise WeightsMissing(
            f"{path}: not the room estimator's weights ({error}); the package brings them, or make them by"
            " python -m benchmark rooms train"
        ) from error
    return net.eval()


def save(net: RoomNet, path: Path) -> None:
    """Writes the weights, rounded to float16."""
    arrays = {
        name: value.numpy().astype(np.float16) if value.is_floating_point() else value.numpy()
        for name, value in net.state_dict().items()
    }
    np.savez(path, **arrays)


def digest(path: Path = WEIGHTS) -> str:
    """The first 12 digits of the weights file's SHA-256: part of every result that rests on them."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


# ------------------------------------------------------------------------------------------------- training


@dataclass(frozen=True)
class Training:
    """How the weights are made.

    Attributes:
        seed: of the examples, the first weights, the order and the crops.
        blocks: of examples.
        held_out_blocks: of examples in unseen rooms, for the scores kept beside the weights.
        epochs: passes through the examples.
        batch: examples a step.
        learning_rate: highest, of the one cycle.
        weight_decay: of AdamW.
        averaging: decay of the running average of the weights, per step; the average is what is shipped.
        least_seconds: shortest crop of an example; each batch has a length of its own.
        examples: what they are made of.
    """

    seed: int = 0
    blocks: int = 220
    held_out_blocks: int = 4
    epochs: int = 8
    batch: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 1e-3
    averaging: float = 0.998
    least_seconds: float = 1.0
    examples: Examples = field(default_factory=Examples)


STATISTICS_BATCHES = 100
"""From which batch normalisation's statistics are taken anew for the averaged weights."""

PACKAGES = ("numpy", "scipy", "torch", "torchaudio", "pyroomacoustics")  # the last one is an extra

HELD_OUT_SEEDS = 1_000_000
"""Added to the training's seed for held-out examples."""

Report = Callable[[str, int, int, str], None]
"""Told what is being done, how much of it is done, out of how much, and how it goes."""


def train(settings: Training, jobs: int = 1, report: Report | None = None) -> RoomNet:
    """Makes the examples and trains.

    Equal settings give equal weights, for any number of processes, on one machine with one thread.

    Args:
        settings: how.
        jobs: processes that make examples.
        report: told of the progress.

    Raises:
        ExtraMissing: pyroomacoustics is not installed, and image-source rooms are asked for.
    """
    levels, truth = [], []
    blocks = rooms.make_blocks(settings.seed, settings.blocks, settings.examples, jobs)
    for number, block in enumerate(blocks, start=1):
        levels.append(features(torch.from_numpy(block.waves)).half().numpy())
        truth.append(block.truth)
        if report is not None:
            report("examples", number, settings.blocks, "")
    return fit(np.concatenate(levels), np.concatenate(truth), settings, report)


def fit(levels: np.ndarray, truth: np.ndarray, settings: Training, report: Report | None = None) -> RoomNet:
    """Trains on features and truth that are there."""
    torch.manual_seed(settings.seed)
    random = np.random.default_rng([settings.seed, 1])
    net = RoomNet()
    average = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(settings.averaging)
    )
    optimiser = torch.optim.AdamW(net.parameters(), weight_decay=settings.weight_decay)
    batches = max(1, len(levels) // settings.batch)
    steps = settings.epochs * batches
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, settings.learning_rate, total_steps=steps)
    target = torch.from_numpy((truth - np.array(MEAN)) / np.array(SPREAD)).float()
    frames = levels.shape[1]
    least = min(frames, round(settings.least_seconds * RATE_HZ / HOP_SAMPLES))
    done, running = 0, 0.0
    net.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for _ in range(settings.epochs):
        order = random.permutation(len(levels))
        for first in range(0, batches * settings.batch, settings.batch):
            chosen = order[first : first + settings.batch]
            length = int(random.integers(least, frames + 1))
            start = int(random.integers(0, frames - length + 1))
            batch = as_if_alone(torch.from_numpy(levels[chosen, start : start + length].astype(np.float32)))
            loss = F.smooth_l1_loss(net(batch), target[chosen], beta=0.5)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            schedule.step()
            average.update_parameters(net)
            done += 1
            running = loss.item() if done == 1 else 0.99 * running + 0.01 * loss.item()
            if report is not None:
                report("training", done, steps, f"loss {running:.4f}")
    # The average of the layers' statistics is not the statistics of the average of the weights.
    some = random.permutation(len(levels))[: STATISTICS_BATCHES * settings.batch]
    batches_of = (
        torch.from_numpy(levels[some[first : first + settings.batch]].astype(np.float32))
        for first in range(0, len(some), settings.batch)
    )
    torch.optim.swa_utils.update_bn(batches_of, average)
    trained: RoomNet = average.module  # type: ignore[assignment]
    return trained.eval()


def versions() -> dict[str, str]:
    """What equal weights need beside equal settings."""
    packages = [name for name in PACKAGES if importlib.util.find_spec(name) is not None]
    return {
        "python": platform.python_version(),
        **{package: importlib.metadata.version(package) for package in packages},
    }


def settings_as_json(settings: Training) -> dict[str, Any]:
    """For the file beside the weights."""
    return json.loads(json.dumps(dataclasses.asdict(settings)))
