"""What augmentation costs: from int16 waves in memory to augmented log-mel, all seven effects on every clip.

The training loop's own code (`serkit.loader`), with its default stretch and with the vocoder, on a CPU beside
the same chain of other libraries (`benchmark.speed.peers` says where they differ), with the ranges of
`serkit.specs.Augmentation`. Masked cells are set to 0 for all; in training, the network does it.

On a GPU ours is measured alone: no library has all of the chain there. What augmentation adds to a training
step is in `benchmark.speed.step`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from tabulate import tabulate

from benchmark.speed import Settings
from benchmark.speed.clips import FRONT_END, SEED, made_waves, packed
from benchmark.speed.ours import Load
from benchmark.speed.peers import LIBRARIES, PEERS, PER_CLIP, Peers, missing_peers
from benchmark.speed.turns import (
    RATE_HEADERS,
    Turn,
    Work,
    rate_cells,
    rates,
    take_turns,
    threads,
    times_as_fast,
)
from serkit.frontend import NAMED
from serkit.loader import Inputs, Loader
from serkit.specs import Augmentation, Recipe

CLIP_SECONDS = (2.5, 5.7)
CPU_CLIPS, GPU_CLIPS = 32, Recipe().batch_size
OURS, OURS_VOCODER = "serkit", "serkit, vocoder"


def measure(settings: Settings, device: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Every chain at every length of clip, on a CPU with every number of threads; a row each."""
    clips = settings.clips or (CPU_CLIPS if device == "cpu" else GPU_CLIPS)
    loaders = {
        name: Loader(NAMED[FRONT_END], Recipe(), device, Augmentation(stretch_method=method), SEED)
        for name, method in ((OURS, "feature"), (OURS_VOCODER, "vocoder"))
    }
    waves = {each: made_waves(clips, each, NAMED[FRONT_END].rate_hz) for each in CLIP_SECONDS}
    if device == "cpu":
        rows = on_cpu(settings, loaders, waves, say)
        return {"clips": clips, "chains": rows, "not_installed": missing_peers()}
    rows = []
    for seconds, batch in waves.items():
        say(f"clips of {seconds} s ...")
        turns = take_turns(ours(loaders, batch), settings.rounds, settings.seconds, device)
        rows += rows_of(turns, clips, seconds, threads=None)
    return {"clips": clips, "chains": rows, "not_installed": []}


def on_cpu(
    settings: Settings,
    loaders: Mapping[str, Loader],
    waves: Mapping[float, np.ndarray],
    say: Callable[[str], None],
) -> list[dict[str, Any]]:
    """Rows of our chains and the peers', for int16 [clips, samples] of each length."""
    names = [name for name in PEERS if name not in missing_peers()]
    rows = []
    for number in settings.threads:
        with threads(number), Peers(waves, number, names) as theirs:
            for seconds, batch in waves.items():
                say(f"clips of {seconds} s, {number} thread{'s' * (number > 1)} ...")
                works = {**ours(loaders, batch), **theirs.works(seconds)}
                turns = take_turns(works, settings.rounds, settings.seconds, "cpu", theirs.cpu_clock)
                rows += rows_of(turns, len(batch), seconds, number)
    return rows


def ours(loaders: Mapping[str, Loader], waves: np.ndarray) -> dict[str, Work]:
    """Our chains' work on int16 [clips, samples]."""
    clips = packed(waves, NAMED[FRONT_END].rate_hz)
    return {name: partial(masked, Load(loader, clips)) for name, loader in loaders.items()}


def masked(load: Load) -> Inputs:
    """One batch as it is loaded, with its masked cells at 0."""
    logmel, frames, cells = load()
    return logmel if cells is None else logmel.masked_fill_(cells, 0), frames, cells


def rows_of(
    turns: Mapping[str, Sequence[Turn]], clips: int, clip_seconds: float, threads: int | None
) -> list[dict[str, Any]]:
    """One row a chain: clips a second, and how many times the per-clip peer's, round by round."""
    nothing = {"times_by_wall": None, "times_by_cpu": None}
    return [
        {
            "clip_seconds": clip_seconds,
            "threads": threads,
            "chain": name,
            **rates(of, clips),
            **(times_as_fast(of, turns[PER_CLIP]) if PER_CLIP in turns else nothing),
            "rounds": [vars(turn) for turn in of],
        }
        for name, of in turns.items()
    ]


def text(measured: Mapping[str, Any]) -> str:
    """The table, as printed."""
    headers = ["Clips", "Threads", "Chain", *RATE_HEADERS]
    rows = [
        [
            f"{row['clip_seconds']} s",
            row["threads"] or "--",
            row["chain"],
            *rate_cells(row),
        ]
        for row in measured["chains"]
    ]
    parts = [
        tabulate(rows, headers, disable_numparse=True),
        f"{measured['clips']} clips a batch; median (quartiles) of the rounds. times: against audiomentations"
        "\nin the same round. Where other jobs run, CPU time is the one to go by.",
    ]
    if measured["not_installed"]:
        absent = ", ".join(LIBRARIES[name].replace("_", "-") for name in measured["not_installed"])
        parts.append(f"Not compared, as not installed: {absent}. To install: pip install 'serkit[speed]'")
    return "\n\n".join(parts)
