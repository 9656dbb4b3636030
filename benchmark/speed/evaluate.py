"""What scoring costs: waves in memory to class probabilities, beside the usual way.

    serkit  `serkit.train.predict`: batches sorted by length, its own front end
    stock   the PANNs class at the same width (`benchmark.speed.stock`), with its torchlibrosa front end:
            batches in the corpus's order, each padded to its longest clip; float32 throughout

Both score the same clips in inference mode, cut to the study's cap, in batches of at most the recipe's
number of training clips (serkit's hold as many samples as twice that many of the longest clips, as nothing is
kept for gradients). Neither decodes anything. The clips: on a CPU the study's evaluation set, a part of it
spread evenly, where its corpora are there; else made ones with lengths as of MSP-Podcast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from tabulate import tabulate
from torch import nn

from benchmark.speed import Settings, clips, stock
from benchmark.speed.clips import FRONT_END, SEED
from benchmark.speed.turns import (
    RATE_HEADERS,
    Work,
    rate_cells,
    rates,
    take_turns,
    threads,
    times_as_fast,
)
from serkit import run, train
from serkit.audio import FULL_SCALE
from serkit.batches import ClipSet
from serkit.frontend import NAMED
from serkit.loader import Loader
from serkit.model import Cnn14
from serkit.specs import Recipe

CLIPS = {"cpu": 64, "cuda": 4096}
QUICK_CLIPS = 4
BATCH = {"cpu": 16, "cuda": Recipe().batch_size}
WIDTH = {"cpu": 8, "cuda": 64}  # where no study is taken
OURS, THEIRS = "serkit", "stock"


def measure(settings: Settings, device: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Both ways, on a CPU with every number of threads; a row each.

    Raises:
        SpecError, CorpusUnfit, AudioError: the study or its corpora cannot be used.
    """
    title, width, name, recipe, chosen = to_score(settings, device)
    front_end = NAMED[name]
    loader = Loader(front_end, recipe, device)
    torch.manual_seed(SEED)
    model = Cnn14(width, live_bands=front_end.live_bands()).to(device).eval()
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network = stock.Cnn14(width, front_end).to(device).eval()
    works: dict[str, Work] = {
        OURS: partial(train.predict, model, chosen, loader),
        THEIRS: partial(
            in_order, network, chosen, front_end.min_samples, loader.longest, recipe.batch_size, device
        ),
    }
    rows = []
    for number in settings.threads if device == "cpu" else settings.threads[-1:]:
        say(f"{title}, {number} thread{'s' * (number > 1)} ...")
        with threads(number):
            turns = take_turns(works, settings.rounds, settings.seconds, device)
        rows += [
            {
                "threads": number,
                "way": way,
                **rates(of, len(chosen)),
                **times_as_fast(of, turns[THEIRS]),
                "rounds": [vars(turn) for turn in of],
            }
            for way, of in turns.items()
        ]
    lengths = np.minimum(chosen.lengths, loader.longest)
    return {
        "title": title,
        "width": width,
        "clips": len(chosen),
        "mean_seconds": float(lengths.mean() / front_end.rate_hz),
        "batch_clips": recipe.batch_size,
        "rows": rows,
    }


def to_score(settings: Settings, device: str) -> tuple[str, int, str, Recipe, ClipSet]:
    """Title, width of the network, front end, recipe, clips."""
    number = QUICK_CLIPS if settings.quick else CLIPS[device]
    found = clips.real(settings, device)
    if found is not None:
        spec, there = found
        everything, _, _ = run.evaluation_set(spec, there)
        some = np.linspace(0, len(everything) - 1, min(number, len(everything))).astype(np.int64)
        return settings.study, spec.model.width, spec.model.front_end, spec.recipe, everything.part(some)
    rate_hz = NAMED[FRONT_END].rate_hz
    made = clips.packed_lengths(clips.made_lengths(number, rate_hz), rate_hz)
    recipe = replace(Recipe(), batch_size=settings.clips or BATCH[device])
    return "made clips", 2 if settings.quick else WIDTH[device], FRONT_END, recipe, made


@torch.inference_mode()
def in_order(
    network: nn.Module, clips: ClipSet, shortest: int, longest: int, batch_size: int, device: str
) -> np.ndarray:
    """Class probabilities of every clip by the stock class, float32 [clips, 4]; too long ones by their start.

    Args:
        network: waves float32 [clips, samples] to scores [clips, 4], in evaluation mode.
        clips: what to score.
        shortest: samples that a batch is padded to at least.
        longest: samples of a clip, at most.
        batch_size: clips at once.
        device: the network's.
    """
    scores = []
    everything = np.arange(len(clips))
    for first in range(0, len(everything), batch_size):
        batch = everything[first : first + batch_size]
        lengths = np.minimum(clips.lengths[batch], longest)
        samples = np.empty((len(batch), max(shortest, int(lengths.max()))), dtype=np.int16)
        clips.read(batch, np.zeros_like(batch), lengths, samples)
        waves = torch.from_numpy(samples).float() / FULL_SCALE
        scores.append(torch.softmax(network(waves.to(device)), dim=1).cpu())
    return torch.cat(scores).numpy()


def text(measured: Mapping[str, Any]) -> str:
    """The table, as printed."""
    headers = ["Threads", "Way", *RATE_HEADERS]
    rows = [
        [
            row["threads"],
            row["way"],
            *rate_cells(row),
        ]
        for row in measured["rows"]
    ]
    return "\n\n".join(
        [
            f"{measured['title']}: {measured['clips']} clips of {measured['mean_seconds']:.1f} s on average,"
            f" width {measured['width']}",
            tabulate(rows, headers, disable_numparse=True),
            "Median (quartiles) of the rounds. times: against the stock class in the same round.",
        ]
    )
