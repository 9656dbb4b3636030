"""What the paper's study costs on devices like this one: hours on 1, 4 and 16 of them, tuning or none.

The model is `benchmark.cost`'s: the clips of every run, counted or as published, times the pace of a training
step and of scoring. Paces come from the sections `step` and `evaluate`, where they were measured at the
study's width on a device of the same name; else a few steps of each are measured here. What a run takes
besides is measured here in any case: making a network, and its first step.

Not in it: reading and packing corpora, the seconds in which a process starts and makes its first network,
acoustics.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tabulate import tabulate

from benchmark import cost
from benchmark import study as studies
from benchmark.cost import Device, Work
from benchmark.speed import Settings, clips, evaluate, step
from benchmark.speed.ours import Load, Step
from benchmark.speed.turns import spread, take_turns, threads, wait, wall_ms
from benchmark.study import Study
from serkit import run, train
from serkit.frontend import NAMED
from serkit.loader import Loader

STUDY = "paper"
DEVICES = (1, 4, 16)
CLIPS = {"cpu": 4, "cuda": None}  # a batch of full width is seconds on a CPU; None: the recipe's
CLIP_SECONDS = {"cpu": (5.7,), "cuda": (2.5, 5.7, 10.0)}
QUICK_WIDTH, QUICK_SECONDS = 2, (1.0,)
PLAIN, AUGMENTED, SCORING = "plain", "augmented", "scoring"

Rates = dict[float, float]
"""Clips a second by length of clip in seconds."""


def measure(settings: Settings, device: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Rates, and the hours that follow.

    Raises:
        SpecError, CorpusUnfit: a corpus cannot be used.
    """
    study = studies.read(STUDY)
    width = QUICK_WIDTH if settings.quick else study.model.width
    with threads(settings.threads[-1]):
        say(f"width {width}, making networks ...")
        start_s = first_step(settings, device, study, width)
        rates, taken_from = earlier(settings, device, width)
        if rates is None:
            rates = measured_here(settings, device, study, width, say)
    like_this = _device(rates, start_s)
    sizes = cost.sizes(study, settings.data)
    works = cost.work(studies.plan(study), sizes)
    plans = {"without tuning": [work for work in works if not work.case.tuned], "with tuning": works}
    longest = max(works, key=like_this.seconds)
    return {
        "study": STUDY,
        "width": width,
        "threads": settings.threads[-1],
        "rates_from": taken_from,
        "clips_per_s": {
            name: [{"clip_seconds": seconds, "clips_per_s": rate} for seconds, rate in of.items()]
            for name, of in rates.items()
        },
        "pace": {
            PLAIN: vars(like_this.plain),
            AUGMENTED: vars(like_this.augmented),
            SCORING: vars(like_this.scoring),
        },
        "start_s": start_s,
        "corpora": {
            name: {"clips_from": size.clips_from, "lengths_from": size.lengths_from}
            for name, size in sizes.items()
        },
        "plans": {name: plan(chosen, like_this) for name, chosen in plans.items()},
        "longest_run": {"run": longest.case.id, "minutes": like_this.seconds(longest) / 60},
    }


def _device(rates: Mapping[str, Rates], start_s: float) -> Device:
    pace = {name: cost.pace(of) for name, of in rates.items()}
    return Device(pace[PLAIN], pace[AUGMENTED], pace[SCORING], start_s)


def written(folder: Path, device: str, width: int) -> tuple[str, Device, str] | None:
    """A device as earlier sections measured it, at one width; None where they did not.

    Args:
        folder: where the sections' JSON lies.
        device: `cpu` or `cuda`.
        width: of the network.

    Returns:
        Its name, how fast it is, and which sections say so.
    """
    found = _written(folder, "cost", device)
    if found is not None and found["measured"]["width"] == width:
        rates = {
            name: {at["clip_seconds"]: at["clips_per_s"] for at in of}
            for name, of in found["measured"]["clips_per_s"].items()
        }
        name = found["environment"]["device_name"]
        return name, _device(rates, found["measured"]["start_s"]), "speed/cost.json"
    rated = _earlier(folder, device, width)
    return (rated[0], _device(rated[1], 0.0), "speed/step.json, evaluate.json") if rated else None


def plan(works: list[Work], device: Device) -> dict[str, Any]:
    """Clips of a plan, and its hours on some numbers of devices."""
    hours = {str(number): cost.makespan(works, device, number) / 3600 for number in DEVICES}
    return {**cost.totals(works), "hours": hours}


def first_step(settings: Settings, device: str, study: Study, width: int) -> float:
    """Seconds from nothing to the end of a run's first step, of the second run of this process."""
    made, loader = _batch(settings, device, study, _lengths(settings, device)[0])
    load = Load(loader, made)
    taken = 0.0
    for _ in range(2):
        wait(device)
        before = time.perf_counter()
        Step(loader, width)(load())
        wait(device)
        taken = time.perf_counter() - before
    return taken


def earlier(settings: Settings, device: str, width: int) -> tuple[dict[str, Rates] | None, str]:
    """Rates from what `step` and `evaluate` wrote, if they fit, and where they come from in words."""
    here = "measured for this"
    found = None if settings.quick else _earlier(settings.folder, device, width)
    if found is None or found[0] != run.environment(device)["device_name"]:
        return None, here
    return found[1], "step.json and evaluate.json"


def _earlier(folder: Path, device: str, width: int) -> tuple[str, dict[str, Rates]] | None:
    """The name of the device that `step` and `evaluate` measured, and its rates at one width."""
    steps, scored = _written(folder, "step", device), _written(folder, "evaluate", device)
    if steps is None or scored is None:
        return None
    names = {found["environment"]["device_name"] for found in (steps, scored)}
    sizes = [size for size in steps["measured"]["sizes"] if size["width"] == width]
    scoring = scored["measured"]
    if not sizes or scoring["width"] != width or len(names) > 1:
        return None
    rates: dict[str, Rates] = {PLAIN: {}, AUGMENTED: {}, SCORING: {}}
    for size in sizes:
        for name, both in ((PLAIN, step.BOTH_PLAIN), (AUGMENTED, step.BOTH)):
            rates[name][size["clip_seconds"]] = size["wall"]["clips_per_s"][both]["median"]
    best = max(row["clips_per_s"]["median"] for row in scoring["rows"] if row["way"] == evaluate.OURS)
    rates[SCORING][scoring["mean_seconds"]] = best
    return names.pop(), rates


def _written(folder: Path, section: str, device: str) -> dict[str, Any] | None:
    """What a section measured before on a kind of device, not for a trial: `environment`, `measured`."""
    try:
        written = json.loads((folder / f"{section}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return None if written["settings"]["quick"] else written.get("devices", {}).get(device)


def measured_here(
    settings: Settings, device: str, study: Study, width: int, say: Callable[[str], None]
) -> dict[str, Rates]:
    """Rates of training steps with 0 % and 100 % of the clips augmented, and of scoring."""
    rates: dict[str, Rates] = {PLAIN: {}, AUGMENTED: {}, SCORING: {}}
    for seconds in _lengths(settings, device):
        made, loader = _batch(settings, device, study, seconds)
        say(f"width {width}, {len(made)} clips of {seconds} s ...")
        plain, augmented, learn = Load(loader, made, 0), Load(loader, made), Step(loader, width)
        works = {
            PLAIN: lambda plain=plain, learn=learn: learn(plain()),
            AUGMENTED: lambda augmented=augmented, learn=learn: learn(augmented()),
        }
        turns = take_turns(works, settings.rounds, settings.seconds, device)
        scoring = {SCORING: partial(train.predict, learn.model, made, loader)}
        turns |= take_turns(scoring, settings.rounds, settings.seconds, device)
        for name, of in turns.items():
            rates[name][seconds] = spread(1e3 * len(made) / wall_ms(of))["median"]
    return rates


def _lengths(settings: Settings, device: str) -> tuple[float, ...]:
    return QUICK_SECONDS if settings.quick else CLIP_SECONDS[device]


def _batch(settings: Settings, device: str, study: Study, seconds: float) -> tuple[Any, Loader]:
    """A batch of made clips, and what loads it as in the study."""
    front_end = NAMED[study.model.front_end]
    number = settings.clips or CLIPS[device] or study.recipe.batch_size
    made = clips.packed(clips.made_waves(number, seconds, front_end.rate_hz), front_end.rate_hz)
    return made, Loader(front_end, study.recipe, device, study.augmentation, clips.SEED)


def text(measured: Mapping[str, Any]) -> str:
    """The tables, as printed."""
    plans = measured["plans"]
    rows = [
        [
            name,
            of["runs"],
            f"{of['training_clips'] / 1e6:.1f}",
            f"{of['scored_clips'] / 1e6:.1f}",
            *(f"{hours:.1f}" for hours in of["hours"].values()),
        ]
        for name, of in plans.items()
    ]
    devices = [f"Hours on {number}" for number in DEVICES]
    headers = [f"Study {measured['study']}", "Runs", "Clips trained on, M", "Clips scored, M", *devices]
    rates = [
        [name, *(f"{at['clips_per_s']:.1f} of {at['clip_seconds']:.1f} s" for at in of)]
        for name, of in measured["clips_per_s"].items()
    ]
    published = [name for name, of in measured["corpora"].items() if of["lengths_from"] == cost.PUBLISHED]
    longest = measured["longest_run"]
    return "\n\n".join(
        [
            tabulate(rows, headers, disable_numparse=True),
            tabulate(rates, [f"Width {measured['width']}", "Clips/s"], disable_numparse=True),
            f"Rates: {measured['rates_from']}. A run besides: {measured['start_s']:.1f} s. The longest run,"
            f" {longest['run']}: {longest['minutes']:.1f} minutes.\nLengths as published, not counted:"
            f" {', '.join(published) or 'none'}. Nothing else may run on the devices.",
        ]
    )
