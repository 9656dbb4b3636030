"""Cases are done by Slurm: each missing run is a job of its own, in the queue and beyond this session's end.

`--slurm partition=gpu,time=4:00:00` are sbatch's long options. The same command finds jobs that still wait or
run, and waits for them; a job that was lost is submitted again. Needs a results folder that nodes share. Jobs
are submitted by submitit, in arrays, longest first; what a job says comes back as JSON in a file, so that
nothing that lies in a results folder is ever unpickled here. A minute and a half before its time is up a job
keeps its state (SIGUSR1, `serkit.state`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from benchmark.session import elsewhere, engines, machine
from benchmark.session.elsewhere import RETRIES, Answer, Driver, JobFailed
from benchmark.session.work import Place
from serkit.errors import ExtraMissing
from serkit.files import parse_json, read_bytes, write_whole
from serkit.specs import Spec
from serkit.words import shown

T = TypeVar("T")
CLUSTERS = {"slurm": "SlurmExecutor", "local": "LocalExecutor", "debug": "DebugExecutor"}
"""submitit's executors: `cluster=local` is for a try without Slurm, `debug` without other processes."""
AT_ONCE = 1000  # jobs of ours in the queue: most sites allow no more, and no larger arrays
FOREVER_MIN = 60 * 24 * 365
NOTICE_S = 90  # before its time is up a job keeps its state
LOOK_S = {"slurm": 10.0, "local": 0.2, "debug": 0.1}
UNSEEN_S = {"slurm": 60.0, "local": 0.0, "debug": 0.0}  # until another host's files are seen


@dataclass
class Submitted:
    """A job that waits or runs."""

    job: Any  # submitit's
    text: str
    gone_since: float | None = None  # that nobody knows of it, and its answer is not there


def add_options(group: pytest.OptionGroup) -> None:
    """What sbatch is asked for."""
    about = "with --engine slurm: sbatch's long options; also at_once=N jobs, cluster=local: no Slurm at all"
    group.addoption("--slurm", metavar="NAME=VALUE,...", action="append", default=[], help=about)


class Engine:
    """The session that submits, and waits."""

    elsewhere = True

    def __init__(self, config: pytest.Config, place: Place) -> None:
        """Submits nothing yet."""
        engines.alone(config, "slurm")
        try:
            import submitit
        except ImportError as error:
            raise ExtraMissing("submitit", "slurm") from error
        if config.getoption("return_results"):
            raise pytest.UsageError(
                "--return-results: jobs of Slurm answer in a results folder that nodes share"
            )
        self._options = parsed(config.getoption("slurm"))
        self._cluster = self._options.pop("cluster", "slurm")
        if self._cluster not in CLUSTERS:
            raise pytest.UsageError(f"--slurm cluster={self._cluster}: expected one of {', '.join(CLUSTERS)}")
        self._driver = Driver(config.getoption, place, self._send)
        most = machine.share_of_cores(self._driver.cores) if self._cluster == "local" else AT_ONCE
        self._at_once = engines.whole(AT_ONCE, self._options.pop("at_once", str(most)))
        self._folder = place.store.folder / ".slurm"
        self._submitit = submitit
        self._queue: dict[str, str] = {}  # what is not submitted yet: names and texts, in order
        self._submitted: dict[str, Submitted] = {}
        self._tries: Counter[str] = Counter()
        self._lost: dict[str, JobFailed] = {}  # what is to be said of those that nobody does
        self._there: set[str] | None = None  # jobs in the queue as this session began
        self._looked = 0.0
        self.where = f"Slurm ({self._cluster})" if self._cluster != "slurm" else "Slurm"

    def order(self, items: Sequence[T], cost: Callable[[T], float], turn: Callable[[T], int]) -> list[T]:
        """As `engines.longest_first`."""
        return engines.longest_first(items, cost, turn)

    def submit(self, job: Spec) -> Callable[[], str]:
        """Queues a job unless it is done."""
        return self._driver.submit(job)

    def shutdown(self, cancel: bool) -> None:
        """Leaves jobs in the queue unless `cancel`: then they are told, keep their states, and end."""
        for waiting in self._submitted.values() if cancel else ():
            waiting.job.cancel(check=False)
        self._queue.clear()

    def _send(self, name: str, text: str) -> Callable[[], Answer]:
        if name != elsewhere.STORED and not self._driver.place.rerun and (job := self._still_there(name)):
            self._submitted[name] = Submitted(job, text)
        else:
            for path in (self._answer_path(name), self._job_path(name)):
                path.unlink(missing_ok=True)
            self._queue[name] = text
        return partial(self._answer, name)

    def _answer(self, name: str) -> Answer:
        while not (path := self._answer_path(name)).exists():
            self._look()
            if name in self._lost:
                raise self._lost[name]
            time.sleep(min(1.0, LOOK_S[self._cluster]))
        return elsewhere.read_answer(read_bytes(path))

    def _look(self) -> None:
        """Submits what there is room for, and what was lost again; every some seconds."""
        now = time.monotonic()
        if now - self._looked < LOOK_S[self._cluster]:
            return
        self._looked, there = now, self._in_queue()
        for name, of in list(self._submitted.items()):
            if self._answer_path(name).exists():
                del self._submitted[name]
            elif self._is_there(of.job, there):
                of.gone_since = None
            elif of.gone_since is None:
                of.gone_since = now
            elif now - of.gone_since >= UNSEEN_S[self._cluster]:
                del self._submitted[name]
                self._tries[name] += 1
                if self._tries[name] > RETRIES:
                    why = f"job {of.job.job_id}, whose output is in {of.job.paths.stderr}"
                    self._lost[name] = elsewhere.lost(name, why)
                else:
                    self._queue = {name: of.text} | self._queue
        if names := list(self._queue)[: max(0, self._at_once - len(self._submitted))]:
            self._submit(names)

    def _submit(self, names: Sequence[str]) -> None:
        texts = {name: self._queue.pop(name) for name in names}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            executor = self._executor()
            with executor.batch():
                given = ((name, str(self._answer_path(name)), text) for name, text in texts.items())
                jobs = {name: executor.submit(on_node, path, text) for name, path, text in given}
            for name, job in jobs.items():
                write_whole(self._job_path(name), json.dumps({"id": job.job_id}))
                if self._cluster == "debug":
                    job.results()
        except Exception as error:  # whatever a library makes of what sbatch says
            self._lost |= dict.fromkeys(names, JobFailed(f"it could not be submitted: {error}"))
            return
        self._submitted |= {name: Submitted(job, texts[name]) for name, job in jobs.items()}

    def _executor(self) -> Any:
        executor = getattr(self._submitit, CLUSTERS[self._cluster])(self._folder)
        if self._cluster == "slurm":
            options = {
                "signal": f"USR1@{NOTICE_S}",
                "job-name": self._driver.place.store.name,
                **self._options,
            }
            options["cpus-per-task"] = str(self._driver.cores)
            if self._driver.gpu:
                options.setdefault("gpus-per-node", "1")
            executor.update_parameters(time=None, additional_parameters=options)
        elif self._cluster == "local":
            executor.update_parameters(timeout_min=FOREVER_MIN, gpus_per_node=int(self._driver.gpu))
        return executor

    def _in_queue(self) -> set[str] | None:
        """The jobs of this user that wait or run; None where Slurm does not say."""
        if self._cluster != "slurm":
            return None
        command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
        try:
            told = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        return set(told.stdout.split())

    def _is_there(self, job: Any, there: set[str] | None) -> bool:
        if self._cluster == "slurm":
            return there is None or job.job_id in there
        return not job.done()

    def _still_there(self, name: str) -> Any:
        """The job that an earlier session submitted, if it waits or runs."""
        if self._cluster != "slurm":
            return None
        with suppress(OSError, ValueError, KeyError, TypeError):
            job: Any = self._submitit.SlurmJob(
                self._folder, str(parse_json(read_bytes(self._job_path(name)))["id"])
            )
            if self._there is None:
                self._there = self._in_queue() or set()
            return job if job.job_id in self._there else None
        return None

    def _answer_path(self, name: str) -> Path:
        return self._folder / f"{name}.answer.json"

    def _job_path(self, name: str) -> Path:
        return self._folder / f"{name}.job.json"


def on_node(path: str, text: str) -> None:
    """What a job does; its answer lies in a file. Signals are serkit's, which keep states, not submitit's."""
    if os.environ.get("SUBMITIT_EXECUTOR") in ("slurm", "local"):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    write_whole(Path(path), json.dumps(elsewhere.do(text)))


def parsed(given: Sequence[str]) -> dict[str, str]:
    """Options of `--slurm`, each `NAME=VALUE`, several behind commas. Raises pytest.UsageError."""
    options: dict[str, str] = {}
    for pair in ",".join(given).split(",") if given else ():
        name, equals, value = pair.partition("=")
        if not (equals and name.replace("-", "").replace("_", "").isalnum() and value.strip()):
            expected = "expected sbatch's long options, as partition=gpu,time=4:00:00"
            raise pytest.UsageError(f"--slurm {shown(pair)}: {expected}")
        options[name.strip()] = value.strip()
    return options
