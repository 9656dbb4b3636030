"""Cases are done where pytest runs them: by pytest-xdist's workers (`-n`), or without any by this process.

The controller lends each worker a GPU: worker numbers grow after crashes, so none is computed from a number.
"""

from __future__ import annotations

import functools
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from benchmark.session import machine, work
from benchmark.session.engines import longest_first
from serkit.signals import USR1, in_main
from serkit.specs import Spec

T = TypeVar("T")
NO_MEMORY = "the system killed it for want of memory: fewer workers or a smaller batch take less. "
GOES_ON = "The same command does its run again, from its last state if one was kept (docs/reliability.md)."
GRACE_S = 25.0  # for states to be written: Slurm kills after 30


class Engine:
    """One of the session's processes: the controller, a worker, or the only one."""

    def __init__(self, config: pytest.Config, place: work.Place) -> None:
        """Settles the device and a worker's threads, before anything can ask CUDA or import torch."""
        # One case at a time is the fastest distribution tried, and a crash costs one case. Not in pytest.ini,
        # which could then not be read without xdist.
        if getattr(config.option, "maxschedchunk", 0) is None:
            config.option.maxschedchunk = 1
        mine = getattr(config, "workerinput", None)
        self._workers = 1
        if mine is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = mine["gpu"]
            machine.settle_threads(mine["threads"])
            self._workers = mine["workercount"]
            data = Path(mine["data"]) if mine["data"] else None  # a worker may start in another folder
            place = replace(place, data=data, worker=mine["workerid"])
        gpus = machine.visible_gpus() if mine is None else list(filter(None, [mine["gpu"]]))
        lends = mine is None and config.getoption("gpus")
        if lends and not gpus:
            raise pytest.UsageError(
                "--gpus: no GPU is visible here (NVML lists none, or CUDA_VISIBLE_DEVICES hides them);"
                " run without --gpus to use the CPU"
            )
        self.place = replace(place, device="cuda" if gpus else "cpu")
        self.where = f"GPUs {', '.join(gpus)}" if lends else self.place.device
        self._gpus = gpus if lends else []
        self._lent: dict[str, str] = {}  # each worker's
        self._pids: dict[str, int] = {}  # of the workers
        self._kills = machine.memory_kills()
        # What a training does at this signal (`serkit.state`); no other process may end at it.
        handlers = {USR1: self._passed_on} | ({} if mine else {signal.SIGTERM: self._ended})
        self._before = {of: signal.signal(of, do) for of, do in handlers.items() if of and in_main()}

    def order(self, items: Sequence[T], cost: Callable[[T], float], turn: Callable[[T], int]) -> list[T]:
        """As they are `dealt` to the session's workers."""
        return dealt(items, cost, self._workers, turn)

    def submit(self, job: Spec) -> Callable[[], str]:
        """Does the job when it is waited for."""
        return functools.partial(work.do, job, self.place)

    def shutdown(self, cancel: bool) -> None:
        """Nothing: no job outlives its case."""

    def pytest_unconfigure(self) -> None:
        """Leaves signals as they were; not before the report is made, which one may fall into."""
        for number, before in self._before.items():
            signal.signal(number, before)

    def _passed_on(self, number: int, _: object) -> None:
        for pid in self._pids.values():
            with suppress(OSError):
                os.kill(pid, number)

    def _ended(self, number: int, _: object) -> None:
        """Lets trainings keep their states before this process ends, too, and takes its workers with it."""
        self._passed_on(number, None)
        ends = time.monotonic() + GRACE_S
        for pid in self._pids.values():
            with suppress(OSError):
                while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                    if time.monotonic() > ends:
                        break
                    time.sleep(0.05)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_newgateway(self, gateway: Any) -> None:
        """Controller: what the system calls a worker; asked now, while it listens."""
        self._pids[gateway.id] = gateway._rinfo().pid

    @pytest.hookimpl(optionalhook=True)
    def pytest_handlecrashitem(self, crashitem: str, report: pytest.TestReport) -> None:
        """Controller: says of a worker that died what the system knows, and what is left of its run."""
        before, self._kills = self._kills, machine.memory_kills()
        why = NO_MEMORY if self._kills > before else ""
        report.longrepr = f"{report.longrepr}\n{why}{GOES_ON}"

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Controller: gives a starting worker its threads, and lends it a GPU: the least used, or none."""
        used = Counter(self._lent.values())
        gpu = self._lent[node.gateway.id] = min(self._gpus, key=lambda gpu: used[gpu], default="")
        threads = machine.share_of_cores(node.workerinput["workercount"])
        node.workerinput.update(data=str(self.place.data or ""), gpu=gpu, threads=threads)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Controller: takes back the GPU of a worker that finished or crashed; sends it no more signals."""
        self._lent.pop(node.gateway.id, None)
        self._pids.pop(node.gateway.id, None)


def dealt(
    cases: Sequence[T], cost: Callable[[T], float], workers: int, turn: Callable[[T], int] = lambda case: 0
) -> list[T]:
    """What other cases are compared with first; of one turn the longest, so that workers end together.

    xdist deals each worker two cases at the start, which it keeps, and then one at a time; so each of the
    first is followed by one of the shortest. Fewer than two a worker it deals in turn, one to each, then the
    rest. A single process keeps the order of the exhibits within a turn.
    """
    if workers < 2:
        return sorted(cases, key=turn)
    ranked = longest_first(cases, cost, turn)
    first, rest = ranked[:workers], ranked[workers:]
    short = sorted(reversed(rest), key=cost)[:workers]
    if len(rest) < workers:
        return first + short
    middle = [case for case in rest if not any(case is one for one in short)]
    return [case for pair in zip(first, short, strict=True) for case in pair] + middle
