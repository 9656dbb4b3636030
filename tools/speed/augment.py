"""What augmentation costs: from int16 waves in memory to augmented log-mel, all seven effects on every clip.

The training loop's own code (`serkit.loader`), with its default stretch and with the vocoder, on a CPU with
one thread beside the same chain of other libraries (`tools.speed.peers` says where they differ), with the
ranges of `serkit.specs.Augmentation`. Masked cells are set to 0 for all; in training, the network does it.

On a GPU ours is measured alone: no library has all of the chain there. What augmentation adds to a training
step is in `tools.speed.step`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from tabulate import tabulate

from serkit.augment import Augmenting
from serkit.encoders import Inputs
from serkit.encoders.cnn14.logmel import NAMED
from serkit.loader import Loader
from serkit.specs import Augmentation, Recipe
from tools.speed import Settings, peers
from tools.speed.clips import FRONT_END, SEED, made_waves, packed
from tools.speed.ours import Load
from tools.speed.peers import PER_CLIP
from tools.speed.turns import (
    RATE_HEADERS,
    Turn,
    Work,
    rate_cells,
    rates,
    take_turns,
    threads,
    times_as_fast,
)

CLIP_SECONDS = (2.5, 5.7)
CPU_CLIPS, GPU_CLIPS = 32, Recipe().batch_size
OURS, OURS_VOCODER = "serkit", "serkit, vocoder"


def measure(settings: Settings, device: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Every chain at every length of clip; a row each."""
    clips, front_end = settings.clips or (CPU_CLIPS if device == "cpu" else GPU_CLIPS), NAMED[FRONT_END]
    loaders = {
        name: Loader(front_end, Recipe(), device, Augmenting(Augmentation(stretch_method=method)), SEED)
        for name, method in ((OURS, "feature"), (OURS_VOCODER, "vocoder"))
    }
    theirs = peers.PerClip(Augmentation(), front_end) if device == "cpu" and peers.installed() else None
    rows = []
    with threads(1):
        for seconds in CLIP_SECONDS:
            say(f"clips of {seconds} s ...")
            waves = made_waves(clips, seconds, front_end.rate_hz)
            works = ours(loaders, waves) | ({PER_CLIP: partial(theirs, waves)} if theirs else {})
            rows += rows_of(take_turns(works, settings.rounds, settings.seconds, device), clips, seconds)
    return {"clips": clips, "chains": rows, "compared": device != "cpu" or peers.installed()}


def ours(loaders: Mapping[str, Loader], waves: np.ndarray) -> dict[str, Work]:
    """Our chains' work on int16 [clips, samples]."""
    clips = packed(waves, NAMED[FRONT_END].rate_hz)
    return {name: partial(masked, Load(loader, clips)) for name, loader in loaders.items()}


def masked(load: Load) -> Inputs:
    """One batch as it is loaded, with its masked cells at 0."""
    logmel, frames, cells = load()
    return logmel if cells is None else logmel.masked_fill_(cells, 0), frames, cells


def rows_of(turns: Mapping[str, Sequence[Turn]], clips: int, clip_seconds: float) -> list[dict[str, Any]]:
    """One row a chain: clips a second, and how many times the peer's, round by round."""
    return [
        {
            "clip_seconds": clip_seconds,
            "chain": name,
            **rates(of, clips),
            **(times_as_fast(of, turns[PER_CLIP]) if PER_CLIP in turns else {}),
            "rounds": [vars(turn) for turn in of],
        }
        for name, of in turns.items()
    ]


def text(measured: Mapping[str, Any]) -> str:
    """The table, as printed."""
    headers = ["Clips", "Chain", *RATE_HEADERS]
    rows = [[f"{row['clip_seconds']} s", row["chain"], *rate_cells(row)] for row in measured["chains"]]
    parts = [
        tabulate(rows, headers, disable_numparse=True),
        f"{measured['clips']} clips a batch; median (quartiles) of the rounds. times: against audiomentations"
        "\nin the same round. Where other jobs run, CPU time is the one to go by.",
    ]
    return "\n\n".join(parts + [peers.NOT_COMPARED] * (not measured["compared"]))
