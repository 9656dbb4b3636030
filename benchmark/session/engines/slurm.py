"""Cases are done by Slurm: each missing run is a job of its own, in the queue and beyond this session's end.

`--slurm partition=gpu,time=4:00:00` are sbatch's long options. The same command finds jobs that still wait or
run, and waits for them; a job that was lost is submitted again. Needs a results folder that nodes share. Jobs
are submitted by submitit, in arrays, longest first; what a job says comes back as JSON in a file, so that
nothing that lies in a results folder is ever unpickled here. A minute and a half before its time is up a job
keeps its state (SIGUSR1, `serkit.state`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from benchmark.session import elsewhere, engines, machine
from benchmark.session.elsewhere import RETRIES, STORED, Answer, Driver, JobFailed
from benchmark.session.work import Place
from serkit.errors import ExtraMissing
from serkit.files import parse_json, read_bytes, write_whole
from serkit.results import OF_JOBS
from serkit.specs import Spec
from serkit.words import shown

T = TypeVar("T")
OPTIONS: dict[str, Any] = {"slurm": []}
CLUSTERS = {"slurm": "SlurmExecutor", "local": "LocalExecutor", "debug": "DebugExecutor"}
"""submitit's executors: `cluster=local` is for a try without Slurm, `debug` without other processes."""
AT_ONCE = 1000  # jobs of ours in the queue: most sites allow no more, and no larger arrays
FOREVER_MIN = 60 * 24 * 365
NOTICE_S = 90  # before its time is up a job keeps its state
LOOK_S = {"slurm": 10.0, "local": 0.2, "debug": 0.1}
UNSEEN_S = {"slurm": 60.0, "local": 0.0, "debug": 0.0}  # until another host's files are seen


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
        self._name = str(self._options.pop("job-name", place.store.name))
        self._cluster = str(self._options.pop("cluster", "slurm"))
        if self._cluster not in CLUSTERS:
            raise pytest.UsageError(f"--slurm cluster={self._cluster}: expected one of {', '.join(CLUSTERS)}")
        self._driver = Driver(config.getoption, place, self._send)
        most = machine.share_of_cores(self._driver.cores) if self._cluster == "local" else AT_ONCE
        try:
            self._at_once = engines.whole(AT_ONCE, str(self._options.pop("at_once", most)))
        except argparse.ArgumentTypeError as error:
            raise pytest.UsageError(f"--slurm at_once={error}") from error
        self._folder = place.store.folder / OF_JOBS
        self._submitit = submitit
        self._queue: dict[str, str] = {}  # what is not submitted yet: names and texts, in order
        self._submitted: dict[str, tuple[Any, str]] = {}  # submitit's jobs that wait or run, with their texts
        self._gone: dict[str, float] = {}  # since when nobody knows of a job, whose answer is not there
        self._tries: Counter[str] = Counter()
        self._lost: dict[str, JobFailed] = {}  # what is to be said of those that nobody does
        self._looked = 0.0
        self._before: dict[str, Any] = {}  # jobs of earlier sessions that wait or run
        self.where = f"Slurm ({self._cluster})" if self._cluster != "slurm" else "Slurm"

    def order(self, items: Sequence[T], cost: Callable[[T], float], turn: Callable[[T], int]) -> list[T]:
        """As `engines.longest_first`."""
        return engines.longest_first(items, cost, turn)

    def submit(self, job: Spec) -> Callable[[], str]:
        """Notes a job."""
        return self._driver.submit(job)

    def begin(self) -> None:
        """Finds jobs of earlier sessions, and submits what there is room for of all else that is not done."""
        if self._cluster == "slurm" and not self._driver.place.rerun:
            if (there := self._in_queue()) is None:
                raise pytest.UsageError("squeue does not answer; jobs of an earlier session cannot be seen")
            for path in self._folder.glob("*.jobs.json"):
                with suppress(OSError, ValueError, AttributeError):
                    known = {
                        name: str(id) for name, id in parse_json(read_bytes(path)).items() if str(id) in there
                    }
                    self._before |= {
                        name: self._submitit.SlurmJob(self._folder, id) for name, id in known.items()
                    }
        self._driver.begin()
        self._look()

    def shutdown(self, cancel: bool) -> None:
        """Leaves jobs in the queue unless `cancel`: then they are told, keep their states, and end."""
        jobs = [job for job, _ in self._submitted.values()] if cancel else []
        if jobs and self._cluster == "slurm":
            subprocess.run(["scancel", *(job.job_id for job in jobs)], check=False)
        else:
            for job in jobs:
                job.cancel(check=False)

    def _send(self, name: str, text: str) -> Callable[[], Answer]:
        if name in self._before:
            self._submitted[name] = self._before[name], text
        else:
            self._answer_path(name).unlink(missing_ok=True)
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
        if self._looked and now - self._looked < LOOK_S[self._cluster]:
            return
        self._looked, there = now, self._in_queue()
        for name, (job, text) in list(self._submitted.items()):
            if self._answer_path(name).exists():
                del self._submitted[name]
            elif self._is_there(job, there):
                self._gone.pop(name, None)
            elif now - self._gone.setdefault(name, now) >= UNSEEN_S[self._cluster]:
                del self._submitted[name], self._gone[name]
                why = f"job {job.job_id}, whose output is in {job.paths.stderr}"
                self._again(name, text, elsewhere.lost(name, why))
        room = max(0, self._at_once - len(self._submitted))
        names = list(self._queue)[:room]
        asking = [name for name in names if name.startswith(STORED)]
        for chosen in (asking, [name for name in names if name not in asking]):
            if chosen:
                self._submit(chosen, self._driver.gpu and chosen is not asking)

    def _again(self, name: str, text: str, why: JobFailed) -> None:
        self._tries[name] += 1
        if self._tries[name] > RETRIES:
            self._lost[name] = why
        else:
            self._queue = {name: text} | self._queue

    def _submit(self, names: Sequence[str], gpu: bool) -> None:
        texts = {name: self._queue.pop(name) for name in names}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            executor = self._executor(gpu)
            with executor.batch():
                given = ((name, str(self._answer_path(name)), text) for name, text in texts.items())
                jobs = {name: executor.submit(on_node, path, text) for name, path, text in given}
            self._submitted |= {name: (job, texts[name]) for name, job in jobs.items()}
            ids = json.dumps({name: job.job_id for name, job in jobs.items()})
            write_whole(self._folder / f"{uuid.uuid4().hex}.jobs.json", ids)
            for job in jobs.values() if self._cluster == "debug" else ():
                job.results()
        except Exception as error:  # whatever a library makes of what sbatch says
            for name in (name for name in names if name not in self._submitted):
                self._again(name, texts[name], JobFailed(f"it could not be submitted: {error}"))

    def _executor(self, gpu: bool) -> Any:
        executor = getattr(self._submitit, CLUSTERS[self._cluster])(self._folder)
        cores = str(self._driver.cores)
        if self._cluster == "slurm":
            options: dict[str, str | bool] = {"signal": f"USR1@{NOTICE_S}"}
            options |= ({"gpus-per-node": "1"} if gpu else {}) | self._options | {"cpus-per-task": cores}
            step = [f"--cpus-per-task={cores}"]  # which srun does not take from its job
            executor.update_parameters(
                job_name=self._name, time=None, srun_args=step, additional_parameters=options
            )
        elif self._cluster == "local":
            executor.update_parameters(timeout_min=FOREVER_MIN, gpus_per_node=int(gpu))
        return executor

    def _in_queue(self) -> set[str] | None:
        """The jobs of this user and study that wait or run; None where Slurm does not say."""
        if self._cluster != "slurm":
            return None
        command = ["squeue", "--me", "--noheader", "--array", "--format=%i %j"]
        try:
            told = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        jobs = (line.partition(" ") for line in told.stdout.splitlines())
        return {id for id, _, name in jobs if name.strip() == self._name}

    def _is_there(self, job: Any, there: set[str] | None) -> bool:
        if self._cluster == "slurm":
            return there is None or job.job_id in there
        return not job.done()

    def _answer_path(self, name: str) -> Path:
        return self._folder / f"{name}.answer.json"


def on_node(path: str, text: str) -> None:
    """What a job does; its answer lies in a file. Signals are serkit's, which keep states, not submitit's."""
    if os.environ.get("SUBMITIT_EXECUTOR") in ("slurm", "local"):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    write_whole(Path(path), json.dumps(elsewhere.do(text)))


def parsed(given: Sequence[str]) -> dict[str, str | bool]:
    """Options of `--slurm`: `NAME=VALUE`, several behind commas, or the NAME of one that has no value, alone.

    A comma is one of a value unless a name and `=` follow. Raises pytest.UsageError.
    """
    options: dict[str, str | bool] = {}
    for pair in (pair for text in given for pair in re.split(r",(?=[\w-]+=)", text)):
        name, equals, value = pair.partition("=")
        if not re.fullmatch(r"[\w-]+", name) or (equals and not re.fullmatch(r"[^\s](.*[^\s])?", value)):
            expected = "expected sbatch's long options, as partition=gpu,time=4:00:00"
            raise pytest.UsageError(f"--slurm {shown(pair)}: {expected}")
        options[name] = value if equals else True
    if "cpus-per-task" in options:
        raise pytest.UsageError(f"--slurm cpus-per-task: say --cores {options['cpus-per-task']}")
    return options
