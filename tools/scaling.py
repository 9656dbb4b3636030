"""How a study's plan fills so many GPUs: `python -m tools.scaling [--study paper] [--gpus 8 64 512]`.

Runs take as long as the plan expects them to cost, scaled so that the ideal is `--seconds`: all the work over
all GPUs, or the longest run where that is more. Beside it what the order of engines makes of it, each run on
the GPU that is free first, and what Ray does with runs that sleep, where so many processes can be had here.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from heapq import heapreplace
from typing import Any

import pandas as pd

from benchmark import study as studies
from benchmark.session import engines
from benchmark.session.engines.ray import ON_LOOPBACK
from serkit.errors import SerkitError

MOST_PROCESSES = 64  # of Ray's, 60 MB each


def lengths(study: studies.Study) -> list[float]:
    """What the cases of a plan cost, in the order in which engines submit them."""
    cases = engines.longest_first(studies.plan(study), lambda case: case.cost, lambda case: case.turn)
    return [float(case.cost) for case in cases]


def ideal(costs: Sequence[float], gpus: int) -> float:
    """The shortest that so many GPUs can take."""
    return max(sum(costs) / gpus, max(costs))


def in_order(costs: Sequence[float], gpus: int) -> float:
    """When the last run ends where each begins on the GPU that is free first.

    Example:
        >>> in_order([3, 2, 2, 1], 2)
        4.0
    """
    free = [0.0] * gpus
    for cost in costs:
        heapreplace(free, free[0] + cost)
    return max(free)


def by_ray(costs: Sequence[float], gpus: int) -> float:
    """The same by Ray: tasks that sleep, on what it takes for GPUs, in processes that have been started."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", ON_LOOPBACK: "0"}
    import ray

    quiet: dict[str, Any] = {"include_dashboard": False, "logging_level": "error"}
    ray.init("local", num_cpus=gpus, num_gpus=gpus, **quiet)
    try:
        sleep: Any = ray.remote(num_cpus=1, num_gpus=1, max_calls=0)(asleep)
        ray.get([sleep.remote(2.0) for _ in range(2 * gpus)])  # starts them
        began = time.monotonic()
        ray.get([sleep.remote(cost) for cost in costs])
        return time.monotonic() - began
    finally:
        ray.shutdown()


def asleep(seconds: float) -> None:
    """A run of so many seconds."""
    time.sleep(seconds)


def table(costs: Sequence[float], gpus: Sequence[int], seconds: float) -> pd.DataFrame:
    """A row for each number of GPUs; times as multiples of the ideal, which takes so many seconds."""
    rows = []
    for number in gpus:
        best = ideal(costs, number)
        row = {"GPUs": number, "work / GPUs": sum(costs) / number / best, "longest run": max(costs) / best}
        row["in order"] = in_order(costs, number) / best
        if number <= MOST_PROCESSES:
            row["Ray"] = by_ray([cost * seconds / best for cost in costs], number) / seconds
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.scaling", description=__doc__.split("\n")[0])
    parser.add_argument("--study", default="paper")
    parser.add_argument("--gpus", type=int, nargs="+", default=[8, 64, 512])
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="that the ideal takes, of runs that sleep"
    )
    given = parser.parse_args()
    try:
        costs = lengths(studies.read(given.study))
    except SerkitError as error:
        sys.exit(str(error))
    print(f"{len(costs)} runs, the longest {max(costs) / sum(costs):.1%} of the work; times over the ideal")
    print(table(costs, given.gpus, given.seconds).to_markdown(index=False, floatfmt=".3f"))


if __name__ == "__main__":
    main()
