"""Measuring in turns: what takes turns with what, and the figures made of rounds.

Whatever is compared takes turns, in an order that rotates from round to round. A ratio is the median over
rounds, each of two turns in the same round, so that a machine that is busy for a while slows both. CPU time,
of all processes that take part, is counted beside wall time: other jobs move it least.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

Work = Callable[[], Any]
"""One batch."""


@dataclass(frozen=True)
class Turn:
    """What one work did in one round.

    Attributes:
        batches: done.
        wall_s: time it took.
        cpu_s: CPU time it took, in all threads and processes.
    """

    batches: int
    wall_s: float
    cpu_s: float


def take_turns(
    works: Mapping[str, Work],
    rounds: int,
    seconds: float,
    device: str,
    cpu_clock: Callable[[], float] = time.process_time,
) -> dict[str, list[Turn]]:
    """Measures each in every round, in an order that rotates; before that, each once for warmth.

    Args:
        works: by name.
        rounds: how many.
        seconds: of a turn, at least.
        device: whose queue is waited for.
        cpu_clock: counts CPU time.
    """
    for work in works.values():
        work()
    turns: dict[str, list[Turn]] = {name: [] for name in works}
    for name in in_rotation(works, rounds):
        turns[name].append(_turn(works[name], seconds, device, cpu_clock))
    return turns


def in_rotation(names: Iterable[str], rounds: int) -> Iterator[str]:
    """Each name once a round, in an order that begins one further on in every round."""
    names = list(names)
    for number in range(rounds):
        first = number % len(names)
        yield from names[first:] + names[:first]


def _turn(work: Work, seconds: float, device: str, cpu_clock: Callable[[], float]) -> Turn:
    wait(device)
    wall, cpu, batches = time.perf_counter(), cpu_clock(), 0
    while batches == 0 or time.perf_counter() - wall < seconds:
        work()
        batches += 1
    wait(device)
    return Turn(batches, time.perf_counter() - wall, cpu_clock() - cpu)


def wait(device: str) -> None:
    """Until a GPU has done all that it was given; a CPU has."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


@contextmanager
def threads(number: int) -> Iterator[None]:
    """So many threads for PyTorch, and afterwards as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def cores(number: int) -> Iterator[None]:
    """So many threads for PyTorch on as many cores, whatever processes are started meanwhile.

    Data loaders have processes besides the threads of the one that trains; these, too, shall have no more
    cores than ours. Where the system cannot bind threads to cores (not Linux), it does not.
    """
    there = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    bind = number < len(there)
    with threads(number):
        try:
            if bind:
                _bind(there[:number])
            yield
        finally:
            if bind:
                _bind(there)


def _bind(chosen: Sequence[int]) -> None:
    """Every thread of this process on these cores; new threads and processes inherit it."""
    for thread in os.listdir("/proc/self/task"):
        try:
            os.sched_setaffinity(int(thread), chosen)
        except ProcessLookupError:  # ended meanwhile
            continue


def spread(values: np.ndarray) -> dict[str, float]:
    """Median and quartiles."""
    low, median, high = np.percentile(values, [25, 50, 75])
    return {"median": float(median), "q1": float(low), "q3": float(high)}


def wall_ms(turns: Sequence[Turn]) -> np.ndarray:
    """Milliseconds a batch in each round."""
    return np.array([1e3 * turn.wall_s / turn.batches for turn in turns])


def cpu_ms(turns: Sequence[Turn]) -> np.ndarray:
    """The same of CPU time."""
    return np.array([1e3 * turn.cpu_s / turn.batches for turn in turns])


def rates(turns: Sequence[Turn], clips: int) -> dict[str, dict[str, float]]:
    """Clips a second of wall time and of CPU time, `clips_per_s` and `clips_per_cpu_s`, over the rounds."""
    return {
        "clips_per_s": spread(1e3 * clips / wall_ms(turns)),
        "clips_per_cpu_s": spread(1e3 * clips / cpu_ms(turns)),
    }


def times_as_fast(turns: Sequence[Turn], other: Sequence[Turn]) -> dict[str, dict[str, float]]:
    """How many times as fast as another, round by round: `times_by_wall` and `times_by_cpu`."""
    return {
        "times_by_wall": spread(wall_ms(other) / wall_ms(turns)),
        "times_by_cpu": spread(cpu_ms(other) / cpu_ms(turns)),
    }


RATE_HEADERS = ("Clips/s", "times", "Clips/s of CPU time", "times")


def rate_cells(row: Mapping[str, Any]) -> list[str]:
    """Cells under `RATE_HEADERS`, of what `rates` and, where there is a comparison, `times_as_fast` gave."""
    return [
        shown(row["clips_per_s"]),
        shown(row.get("times_by_wall"), 1),
        shown(row["clips_per_cpu_s"]),
        shown(row.get("times_by_cpu"), 1),
    ]


def shown(of: Mapping[str, float] | None, digits: int = 0, scale: float = 1) -> str:
    """Median and quartiles as `12 (11-13)`; `--` where there are none."""
    if of is None:
        return "--"
    low, median, high = (f"{scale * of[key]:.{digits}f}" for key in ("q1", "median", "q3"))
    return f"{median} ({low}-{high})"
