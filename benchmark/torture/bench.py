"""Where runs are tortured: a folder with results and a cache of its own, and what they are undisturbed."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch

from benchmark.session.work import Place
from benchmark.study import Case, Study, plan
from benchmark.torture import child
from serkit.errors import ResultsUnreadable
from serkit.files import parse_json, read_bytes
from serkit.resultfile import TABLE_OF, Result
from serkit.results import Store
from serkit.specs import TRAINING, from_json, kind_of
from serkit.state import State
from serkit.words import named

RUNS = 4
"""So many, the cheapest of a study, but of each rate and kind of network one."""
STATE_S = 0.5
PATIENCE_S = 600.0
VARYING = frozenset("started finished wall_seconds train_seconds evaluate_seconds".split())
VARYING |= {"clips_per_second", "environment", "resumed", "files"}
"""What a result says that is not of its numbers."""
EXHIBITS = ("*.csv", "verdicts.json")


class Wrong(Exception):
    """A fault was not survived, and how."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault."""

    name: str
    do: Callable[[Any, Case], set[str] | None]  # with the bench and the run that is to be done
    session: bool = False  # whether of a session of two workers, or of one run in a process


class Bench:
    """The runs that are tortured, one after another."""

    def __init__(self, study: Study, folder: Path, random: Random) -> None:
        """Does nothing yet."""
        self.study, self.folder, self.random = study, folder, random
        self.jobs = chosen(plan(study))
        self.store = Store(folder / "results" / study.name)
        self.cache, self.log = folder / "cache", folder / "log.txt"
        self.keys: dict[str, str] = {}  # of each job, by its id
        self.operations: dict[str, int] = {}  # on files, by the same
        self.seconds: dict[str, float] = {}  # that it takes, likewise
        self.struck = 0.0  # when the fault of now was done, in seconds since 1970
        self._known: dict[str, str] = {}  # what each run found, undisturbed
        self._exhibits: dict[str, bytes] = {}  # what a session wrote, likewise
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload(["serkit.run", "benchmark.session.work"])

    def prepare(self) -> None:
        """Does all runs undisturbed, and counts what a fault may fall into."""
        self.finish(*self.jobs)  # reads and packs corpora
        for job in self.jobs:
            (key,) = (key for key in self.store.keys([]) if self._is_of(key, job))
            shutil.rmtree(self.store.run_folder(key))
            count, began = self.folder / "count", time.monotonic()
            self.suffer(job, child.counting, str(self.folder), str(count))
            self.seconds[job.id] = time.monotonic() - began
            self.keys[job.id], self.operations[job.id] = key, int(count.read_text(encoding="utf-8"))
        self._known = self.found()
        shutil.copytree(self.store.folder, self.folder / "undisturbed")

    def close(self) -> None:
        """Ends what is still there of processes."""
        for process in multiprocessing.active_children():
            process.kill()

    def kept(self) -> Path:
        """Keeps what a fault left, for whoever looks into it."""
        place = self.folder / f"kept-{time.time_ns()}"
        shutil.copytree(self.store.folder.parent, place, symlinks=True)
        return place

    def survives(self, faults: Sequence[Fault]) -> list[float]:
        """Does one fault to a run, or several to sessions, and what must go well after them.

        Returns:
            Of each, the most seconds of training of a run that are done again. Raises Wrong.
        """
        if any(fault.session for fault in faults):
            return self._storm(faults)
        job = self.random.choice(self.jobs)
        shutil.rmtree(self.store.folder, ignore_errors=True)
        shutil.copytree(self.folder / "undisturbed", self.store.folder)
        self.drop([job])
        repeated = [self.strike(fault, job) for fault in faults]
        self.finish(*self.jobs)
        self.compare("the next call")
        return repeated

    def _storm(self, faults: Sequence[Fault]) -> list[float]:
        if not self._exhibits:
            self.session()
            self._exhibits = self.exhibits()
        repeated = []
        for fault in faults:
            if self.found().keys() == self._known.keys():
                self.drop(self.jobs)
            repeated.append(self.strike(fault, self.random.choice(self.jobs)))
        self.session()
        self.compare("the last session")
        written = self.exhibits()
        every = {**written, **self._exhibits}
        if different := [name for name in every if written.get(name) != self._exhibits.get(name)]:
            raise Wrong(f"other exhibits: {named(different)}")
        return repeated

    def strike(self, fault: Fault, job: Case) -> float:
        """Does a fault, and looks at what it left."""
        there, self.struck, began = self.found().keys(), 0.0, time.time()
        excused = fault.do(self, job) or set()
        struck = self.struck or time.time()
        self.compare(fault.name, left=there - excused)
        # No more than since it began, whatever a clock that jumped has written down.
        return min(struck - began, max(self._repeated(key, struck) for key in self.keys.values()))

    def compare(self, what: str, left: Set[str] | None = None) -> None:
        """Holds what is stored against what is known: all of it, or what was `left`. Raises Wrong."""
        found = self.found()
        if other := [key for key, of in found.items() if of != self._known[key]]:
            raise Wrong(f"{what} left other numbers of {named(other)}")
        if lost := (self._known.keys() if left is None else left) - found.keys():
            raise Wrong(f"{what} left nothing of {named(lost)}")

    def drop(self, jobs: Sequence[Case]) -> None:
        """Makes jobs to be done again from the start."""
        for job in jobs:
            shutil.rmtree(self.store.run_folder(self.keys[job.id]), ignore_errors=True)

    def start(self, jobs: Sequence[Case], inside: Callable[..., None] | None = None, *args: Any) -> Any:
        """Starts a process that does some jobs, and in which `inside(*args)` says what goes wrong."""
        place = Place(self.store, models=True, state_minutes=STATE_S / 60)
        specs = [job.spec for job in jobs]
        given = (specs, place, str(self.cache), str(self.log), inside, args)
        process = self._processes.Process(target=child.work, args=given)
        process.start()
        return process

    def end(self, process: Any) -> int:
        """Waits for a process to end, and gives its exit code. Raises Wrong where it does not."""
        process.join(PATIENCE_S)
        if process.exitcode is None:
            process.kill()
            raise Wrong(f"a run had not ended after {PATIENCE_S:g} s")
        return int(process.exitcode)

    def suffer(self, job: Case, inside: Callable[..., None], *args: Any) -> None:
        """Does a job in which something goes wrong, however it ends."""
        self.end(self.start([job], inside, *args))

    def finish(self, *jobs: Case) -> None:
        """Does jobs, which must go well. Raises Wrong."""
        if code := self.end(self.start(jobs)):
            raise Wrong(f"the next call ended with {code}: {self._last_words()}")

    def begin_session(self) -> subprocess.Popen[bytes]:
        """Starts a session of the runs with two workers, in a group of processes of its own."""
        chosen = " or ".join(f"[{job.id}]" for job in self.jobs)
        command = [sys.executable, "-m", "benchmark", "run", self.study.given, "-n", "2", "-k", chosen]
        command += [f"--results={self.store.folder.parent}", f"--state-minutes={STATE_S / 60}"]
        command.append("--keep-models")
        environ = {**os.environ, "SERKIT_CACHE": str(self.cache), "OMP_NUM_THREADS": "1", "CI": "1"}
        with self.log.open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, env=environ, start_new_session=True)

    def end_session(self, session: subprocess.Popen[bytes]) -> int:
        """Waits for a session to end, and gives its exit code. Raises Wrong where it does not."""
        try:
            return session.wait(PATIENCE_S)
        except subprocess.TimeoutExpired as error:
            os.killpg(session.pid, signal.SIGKILL)
            raise Wrong(f"a session had not ended after {PATIENCE_S:g} s") from error

    def session(self) -> None:
        """A session that must go well. Raises Wrong."""
        if code := self.end_session(self.begin_session()):
            raise Wrong(f"the next session ended with {code}: {self._last_words()}")

    def workers(self) -> list[int]:
        """The processes that do a run of a session now."""
        events = (self._first_event(key) for key in self.keys.values() if not self._is_done(key))
        return [event["pid"] for event in events if event and Path(f"/proc/{event['pid']}").exists()]

    def found(self) -> dict[str, str]:
        """What the numbers of each stored run are, as a digest; none where it cannot be read."""
        digests = {}
        for key in self.store.keys([]):
            try:
                if result := self.store.get(key):
                    digests[key] = self._digest(result)
            except ResultsUnreadable:
                continue
        return digests

    def exhibits(self) -> dict[str, bytes]:
        """The tables and verdicts that a session wrote."""
        return {path.name: path.read_bytes() for of in EXHIBITS for path in self.store.folder.glob(of)}

    def _digest(self, result: Result) -> str:
        numbers = {name: value for name, value in result.items() if name not in VARYING}
        table = self.store.table(result["key"], TABLE_OF[kind_of(result["spec"])])
        said = json.dumps(numbers, sort_keys=True) + table.to_csv()
        if (model := self.store.run_folder(result["key"]) / "model.pt").exists():
            said += State(torch.load(model, weights_only=True), {}).digest()
        return hashlib.sha256(said.encode()).hexdigest()

    def _is_of(self, key: str, job: Case) -> bool:
        result = self.store.get(key)
        return result is not None and from_json(result["spec"]).plan() == job.spec

    def _is_done(self, key: str) -> bool:
        return (self.store.run_folder(key) / "result.json").exists()

    def _first_event(self, key: str) -> Any:
        try:
            lines = read_bytes(self.store.run_folder(key) / "progress.jsonl").splitlines()
            return parse_json(lines[0])
        except (OSError, ValueError, IndexError):
            return None

    def _repeated(self, key: str, struck: float) -> float:
        """Seconds between the state of a run, or its beginning, and the fault, where that cut it off."""
        event = self._first_event(key)
        if self._is_done(key) or event is None:
            return 0.0
        state = self.store.state_path(key)
        return max(0.0, struck - (state.stat().st_mtime if state.exists() else event["time"]))

    def _last_words(self) -> str:
        return " ".join(self.log.read_text(encoding="utf-8", errors="replace").split())[-300:]


def chosen(cases: Sequence[Case]) -> list[Case]:
    """The cheapest trainings of a study, first one of each rate and kind of network."""
    trainings = sorted((case for case in cases if case.spec.kind == TRAINING), key=lambda case: case.cost)
    first: dict[Any, Case] = {}
    for case in trainings:
        first.setdefault((case.spec.augment_percent > 0, case.spec.model.encoder), case)  # type: ignore
    others = [case for case in trainings if case not in first.values()]
    return [*first.values(), *others][:RUNS]
