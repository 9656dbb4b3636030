"""`python -m tools.speed`: how fast training works on this machine, a section a question.

    step      the training step: FLOP/s, what is not the network, what augmentation adds
    augment   the augmentation chain, beside the same of another library
    pipeline  clips to the network's door, beside a data loader that decodes files
    epoch     one epoch of a study's condition, beside the same written the usual way

Beside the product: nothing in serkit or benchmark imports it, and it is not installed with them. It runs in
the checkout.

A section is a module with two functions:

    measure(settings: Settings, device: str, say: Callable[[str], None]) -> dict[str, Any]
    text(measured: Mapping[str, Any]) -> str

`measure` is given `cpu` or `cuda`, tells `say` what it is at, and returns what JSON can hold without NaN;
`text` makes tables of that alone. Every figure is measured in turns (`tools.speed.turns`), because
machines are busy with other things too: ratios are of turns in the same round, and CPU time stands beside
wall time.

Each section's JSON is written whole as soon as it is measured:

    section, date, cpu_name, packages, omp_wait_policy, settings
    devices.<cpu or cuda>: environment, load_before, measured, load_after, seconds

Nothing heavy is imported here, so that --help is quick.
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark.report.output import claim, write
from benchmark.session.machine import share_of_cores
from serkit.errors import SerkitError

SECTIONS = {name: f"tools.speed.{name}" for name in ("step", "augment", "pipeline", "epoch")}
"""The modules by the sections' names, in the order in which they run; each is imported when it does."""

PACKAGES = ("audiomentations", "pedalboard", "torchlibrosa")
"""What is compared with, besides what `serkit.provenance.environment` lists."""


@dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
        rounds: each work's turns.
        seconds: of a turn, at least; a batch is not cut off.
        threads: numbers of threads, one and the most, in ascending order.
        clips: a batch; None: what the section has for the device.
        quick: the smallest sizes that show that it works; the figures mean little.
        study: whose corpora, condition and recipe are taken where a section needs a real one.
        data: the folder the corpora lie in.
        folder: where the sections' JSON goes.
    """

    rounds: int = 7
    seconds: float = 2.0
    threads: tuple[int, ...] = (1,)
    clips: int | None = None
    quick: bool = False
    study: str = "open-small"
    data: Path | None = None
    folder: Path = Path("results/speed")

    @property
    def workers(self) -> int:
        """Processes of a peer's data loader: one a thread, as many as ours may have."""
        return self.threads[-1]


def settings(
    quick: bool = False,
    rounds: int | None = None,
    seconds: float | None = None,
    threads: int | None = None,
    clips: int | None = None,
    **others: Any,
) -> Settings:
    """Settings from what a user gives, defaults for the rest; one thread is always measured.

    Args:
        quick: far fewer, shorter turns of small sizes.
        rounds: how many.
        seconds: of a turn.
        threads: measured after one; None: all that there are.
        clips: a batch.
        others: what else `Settings` has.
    """
    chosen: dict[str, Any] = {"rounds": 2, "seconds": 0.01, "clips": 2} if quick else {}
    given = {"rounds": rounds, "seconds": seconds, "clips": clips}
    chosen |= {name: value for name, value in given.items() if value is not None}
    return Settings(threads=tuple(sorted({1, threads or share_of_cores(1)})), quick=quick, **chosen, **others)


def run_sections(
    names: Sequence[str],
    settings: Settings,
    device: str,
    say: Callable[[str], None],
    show: Callable[[str], None],
) -> None:
    """Measures sections, writes the JSON of each and shows its tables.

    A section that cannot be measured here is said to be left out, and why; the others go on.

    Args:
        names: some of `SECTIONS`; empty: all.
        settings: how.
        device: `cpu`, `cuda`, or `auto`: the GPU where there is one.
        say: told what is being measured, and what is left out.
        show: given each section's tables.

    Raises:
        ResultsUnwritable: a section's JSON cannot be written.
        SerkitError: `cuda` without a GPU, or no section could be measured.
    """
    import torch

    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise SerkitError("--device cuda: PyTorch sees no GPU here; give --device cpu")
    device = ("cuda" if there else "cpu") if device == "auto" else device
    outputs = {name: settings.folder / f"{name}.json" for name in SECTIONS if name in names or not names}
    for output in outputs.values():
        claim(output)
    done = False
    for name, output in outputs.items():
        try:
            measured = _measured(name, settings, device, say)
        except SerkitError as error:
            say(f"{name}, {device}: left out. {error}")
            continue
        about = {"section": name, **_about(settings), "devices": {device: measured}}
        write(output, json.dumps(about, allow_nan=False) + "\n")
        where, load = measured["environment"], measured["load_before"]
        torch_is = where["packages"]["torch"]
        show(f"{name}, {device}: {where['device_name']}, {where['cpus']} CPUs, torch {torch_is}")
        show(f"{about['date']}" + (f", load {load[0]:.1f} before" if load else ""))
        show(f"\n{_module(name).text(measured['measured'])}\n\nAll of it: {output}\n")
        done = True
    if not done:
        raise SerkitError("nothing could be measured; the lines above say why, section by section")


def _about(settings: Settings) -> dict[str, Any]:
    """When, with what and how; not where things lie."""
    from serkit.provenance import cpu_name

    asked = dataclasses.asdict(settings)
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu_name": cpu_name(),
        "packages": {package: _version(package) for package in PACKAGES},
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY"),
        "settings": {key: value for key, value in asked.items() if key not in ("data", "folder")},
    }


def _module(name: str) -> Any:
    return importlib.import_module(SECTIONS[name])


def _measured(name: str, settings: Settings, device: str, say: Callable[[str], None]) -> dict[str, Any]:
    """What a section finds, between the load before and after."""
    from serkit.provenance import environment

    before, load_before = time.perf_counter(), _load()
    found = _module(name).measure(settings, device, lambda line: say(f"{name}, {device}: {line}"))
    return {
        "environment": environment(device),
        "load_before": load_before,
        "measured": found,
        "load_after": _load(),
        "seconds": round(time.perf_counter() - before, 1),
    }


def _load() -> list[float] | None:
    """Jobs that ran or waited, on average over 1, 5 and 15 minutes; None where the system does not say."""
    return list(os.getloadavg()) if hasattr(os, "getloadavg") else None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
