"""Trains the room estimator, `serkit.acoustics.room`: examples, the network that learns from them, its files.

Examples -> blocks of waves and truth -> features -> network -> weights, and how they came to be beside them
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import platform
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from benchmark.report.output import claim, write
from serkit.acoustics import room
from serkit.acoustics.room import (
    FLOOR_DB,
    HOP_SAMPLES,
    LOUD_SHARE,
    MEAN,
    RATE_HZ,
    SCALE_DB,
    SPREAD,
    RoomNet,
    features,
)
from serkit.provenance import cpu_name
from tools.roomnet import rooms
from tools.roomnet.rooms import Examples

MOST_FAINT_DB = 20.0
"""As far as a faint part of a clip is raised: a part may be nothing but padding."""
CLEAR_DB = 20.0
"""Above it, a studio's own room hides the simulated one."""


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


def trained(settings: Training, jobs: int = 1) -> RoomNet:
    """A network that learnt from examples made for it.

    Equal settings give equal weights, for any number of processes, on one machine with one thread.

    Args:
        settings: how.
        jobs: processes that make examples.

    Raises:
        ExtraMissing: pyroomacoustics is not installed, and image-source rooms are asked for.
    """
    levels, truth = [], []
    blocks = rooms.make_blocks(settings.seed, settings.blocks, settings.examples, jobs)
    for block in tqdm(blocks, desc="examples", total=settings.blocks):
        levels.append(features(torch.from_numpy(block.waves)).half().numpy())
        truth.append(block.truth)
    return fit(np.concatenate(levels), np.concatenate(truth), settings)


def fit(levels: np.ndarray, truth: np.ndarray, settings: Training) -> RoomNet:
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
    bar = tqdm(total=steps, desc="training", mininterval=1.0)
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
            bar.set_postfix_str(f"loss {loss.item():.4f}", refresh=False)
            bar.update()
    bar.close()
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


def save(net: RoomNet, path: Path) -> None:
    """Writes the weights, rounded to float16."""
    arrays = {
        name: value.numpy().astype(np.float16) if value.is_floating_point() else value.numpy()
        for name, value in net.state_dict().items()
    }
    np.savez(path, **arrays)


def score_of(truth: np.ndarray, found: np.ndarray) -> dict[str, Any]:
    """Root mean square error, bias and correlation.

    Args:
        truth: [clips, 2] T60 in s and C50 in dB.
        found: likewise.

    Returns:
        `n`, and for each of `t60_s`, `c50_db` and `c50_db_below_20`: `rmse`, `bias` (found less true),
        `correlation` (None where one of both does not vary) and `n`.
    """
    unclear = truth[:, 1] < CLEAR_DB
    return {
        "n": len(truth),
        "t60_s": _figures(truth[:, 0], found[:, 0]),
        "c50_db": _figures(truth[:, 1], found[:, 1]),
        "c50_db_below_20": _figures(truth[unclear, 1], found[unclear, 1]),
    }


def _figures(truth: np.ndarray, found: np.ndarray) -> dict[str, Any]:
    if len(truth) == 0:
        return {"n": 0, "rmse": None, "bias": None, "correlation": None}
    off = found - truth
    varies = len(truth) > 1 and truth.std() > 0 and found.std() > 0
    return {
        "n": len(truth),
        "rmse": float(np.sqrt(np.square(off).mean())),
        "bias": float(off.mean()),
        "correlation": float(np.corrcoef(truth, found)[0, 1]) if varies else None,
    }


def shown(value: float | None, how: str) -> str:
    """A number, or that there is none."""
    return "--" if value is None else format(value, how)


def training(quick: bool = False, seed: int = 0) -> Training:
    """The settings of the shipped weights, or a few seconds' worth without image-source rooms."""
    if not quick:
        return Training(seed=seed)
    few = Examples(block=24, voices=2, phrases=3, image_source=0, stochastic=8)
    return Training(seed=seed, blocks=4, held_out_blocks=1, epochs=1, batch=8, examples=few)


def train(settings: Training, jobs: int, output: Path) -> str:
    """Trains, writes the weights to `output` and how they came to be beside it, as JSON.

    Raises:
        ResultsUnwritable: `output` cannot be written.
        ExtraMissing: pyroomacoustics is not installed.
    """
    claim(output)
    torch.set_num_threads(1)  # else the weights depend on how many there are
    began = time.perf_counter()
    net = trained(settings, jobs)
    draft = output.with_name(f"{output.name}.draft.npz")
    save(net, draft)
    os.replace(draft, output)
    held_out = replace(settings.examples, held_out=True)
    found, truth = [], []
    net = room.load(output)
    for number in range(settings.held_out_blocks):
        block = rooms.make_block(HELD_OUT_SEEDS + settings.seed, number, held_out)
        found.append(room.estimate(net, list(block.waves)))
        truth.append(block.truth)
    made: dict[str, Any] = {
        "weights": room.digest(output),
        "settings": settings_as_json(settings),
        "versions": versions(),
        "cpu_name": cpu_name(),
        "minutes": round((time.perf_counter() - began) / 60, 1),
        "jobs": jobs,
        "held_out": score_of(np.concatenate(truth), np.concatenate(found)),
    }
    write(output.with_suffix(".json"), json.dumps(made, indent=1) + "\n")
    held = made["held_out"]
    return (
        f"{output}: {made['weights']}, {made['minutes']} min; held-out generated speech:"
        f" T60 RMSE {shown(held['t60_s']['rmse'], '.3f')} s,"
        f" C50 RMSE {shown(held['c50_db']['rmse'], '.2f')} dB"
    )
