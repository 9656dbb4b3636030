"""What can go wrong with a run or a session, each as a function that does it to one.

A fault is given the bench and the run that is to be done; it leaves processes that have ended, and says the
keys of results that it damaged itself.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from benchmark.study import Case
from benchmark.torture import child
from benchmark.torture.bench import Bench, Fault

LATER = 10**9
"""Operations; more than any run has."""


def killed_at_a_file(bench: Bench, job: Case) -> None:
    """Kill -9 before any of its operations on files: writing, renaming, deleting, looking."""
    at = bench.random.randint(1, bench.operations[job.id])
    bench.suffer(job, child.killed, str(bench.folder), at)


def signalled(number: int, times: int = 1) -> Callable[[Bench, Case], None]:
    """A signal at any instant, once or twice."""

    def do(bench: Bench, job: Case) -> None:
        process = bench.start([job])
        time.sleep(bench.random.uniform(0, 1.2 * bench.seconds[job.id]))
        _send(process.pid, number, times)
        bench.end(process)

    return do


def refused(where: str, error: int) -> Callable[[Bench, Case], None]:
    """From any operation on nothing can be written below a folder, for a while or for good."""

    def do(bench: Bench, job: Case) -> None:
        at = bench.random.randint(1, bench.operations[job.id])
        many = bench.random.choice((1, 3, LATER))
        bench.suffer(job, child.refused, str(_folder(bench, where)), at, many, error)

    return do


def cut_off(bench: Bench, job: Case) -> None:
    """Files end where the disk is full, at any byte."""
    bench.suffer(job, child.cut_off, int(10 ** bench.random.uniform(1, 6)))


def vanished(where: str) -> Callable[[Bench, Case], set[str]]:
    """A folder goes while it is used."""

    def do(bench: Bench, job: Case) -> set[str]:
        at = bench.random.randint(1, bench.operations[job.id])
        bench.suffer(job, child.vanished, str(_folder(bench, where)), at)
        return set(bench.keys.values()) if where == "results" else set()

    return do


def starved(bench: Bench, job: Case) -> None:
    """Memory runs out: at once, or late."""
    bench.suffer(job, child.starved, int(10 ** bench.random.uniform(6, 9)))


def jumping(bench: Bench, job: Case) -> None:
    """The clock jumps; and the run is killed at any instant."""
    process = bench.start([job], child.jumping, bench.random.randint(0, LATER))
    time.sleep(bench.random.uniform(0, 2 * bench.seconds[job.id]))
    process.kill()
    bench.end(process)


def two_at_once(bench: Bench, job: Case) -> None:
    """Two processes want one run, and one of them is killed."""
    processes = [bench.start([job]), bench.start([job])]
    time.sleep(bench.random.uniform(0, 1.5 * bench.seconds[job.id]))
    bench.random.choice(processes).kill()
    for process in processes:
        bench.end(process)


def damaged(where: str) -> Callable[[Bench, Case], set[str]]:
    """A file of results, of packs or a state is cut, flipped, emptied, gone, or a folder."""

    def do(bench: Bench, job: Case) -> set[str]:
        signalled(signal.SIGKILL)(bench, job)  # so that there may be a state
        folder = _folder(bench, where)
        names = ("result.json", "scores.parquet", "state.pt", "spec.json", "progress.jsonl")
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        files = [path for path in files if where != "results" or path.name in names]
        path = bench.random.choice(files)
        damage(path, bench.random)
        return {path.parent.name}

    return do


def damage(path: Path, random: Random) -> None:
    """Damages a file in one of five ways."""
    content = path.read_bytes()
    how = random.randrange(5) if content else 3
    if how == 0:
        path.write_bytes(content[: random.randrange(len(content))])
    elif how == 1:
        at = random.randrange(len(content))
        path.write_bytes(content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :])
    elif how == 2:
        path.write_bytes(b"")
    else:
        path.unlink()
        if how == 4:
            path.mkdir()


def in_session(whom: str, number: int, times: int = 1) -> Callable[[Bench, Case], None]:
    """A signal to a worker, the controller or the whole group, once a run has begun."""

    def do(bench: Bench, job: Case) -> None:
        session = bench.begin_session()
        while not (workers := bench.workers()) and session.poll() is None:
            time.sleep(0.05)
        time.sleep(bench.random.uniform(0, bench.seconds[job.id]))
        workers = bench.workers() or workers
        pids = {"worker": workers or [session.pid], "group": [-session.pid], "controller": [session.pid]}
        _send(bench.random.choice(pids[whom]), number, times)
        bench.struck = time.time()
        bench.end_session(session)

    return do


def two_sessions(bench: Bench, job: Case) -> None:
    """Two sessions of one study at once, and one is killed."""
    sessions = [bench.begin_session(), bench.begin_session()]
    while not bench.workers() and any(session.poll() is None for session in sessions):
        time.sleep(0.05)
    time.sleep(bench.random.uniform(0, 2 * bench.seconds[job.id]))
    _send(-bench.random.choice(sessions).pid, signal.SIGKILL, 1)
    bench.struck = time.time()
    for session in sessions:
        bench.end_session(session)


def _send(pid: int, number: int, times: int) -> None:
    for _ in range(times):
        try:
            os.killpg(-pid, number) if pid < 0 else os.kill(pid, number)
        except ProcessLookupError:
            return
        time.sleep(0.05)


def _folder(bench: Bench, where: str) -> Path:
    return {"results": bench.store.folder, "cache": bench.cache}[where]


ONE: dict[str, Callable[[Bench, Case], Any]] = {
    "kill -9 at a file operation": killed_at_a_file,
    "kill -9 at any instant": signalled(signal.SIGKILL),
    "SIGTERM": signalled(signal.SIGTERM),
    "SIGINT": signalled(signal.SIGINT),
    "SIGINT twice": signalled(signal.SIGINT, 2),
    "SIGUSR1, and it goes on": signalled(signal.SIGUSR1),
    "disk full: results and state": refused("results", errno.ENOSPC),
    "disk full: cache": refused("cache", errno.ENOSPC),
    "disk full in mid-file": cut_off,
    "results read-only": refused("results", errno.EROFS),
    "cache read-only": refused("cache", errno.EROFS),
    "results vanish": vanished("results"),
    "cache vanishes": vanished("cache"),
    "memory runs out": starved,
    "clock jumps, then kill -9": jumping,
    "two processes at one run, one killed": two_at_once,
    "a file of results or a state damaged": damaged("results"),
    "a file of the cache damaged": damaged("cache"),
}
OF_SESSIONS: dict[str, Callable[[Bench, Case], Any]] = {
    "session: kill -9 of a worker": in_session("worker", signal.SIGKILL),
    "session: kill -9 of the controller": in_session("controller", signal.SIGKILL),
    "session: kill -9 of the group": in_session("group", signal.SIGKILL),
    "session: SIGTERM to a worker": in_session("worker", signal.SIGTERM),
    "session: SIGTERM to the controller": in_session("controller", signal.SIGTERM),
    "session: SIGTERM to the group": in_session("group", signal.SIGTERM),
    "session: SIGINT to the group (Ctrl-C)": in_session("group", signal.SIGINT),
    "session: SIGINT twice to the group": in_session("group", signal.SIGINT, 2),
    "session: SIGUSR1 to the controller": in_session("controller", signal.SIGUSR1),
    "session: SIGUSR1 to the group": in_session("group", signal.SIGUSR1),
    "two sessions at once, one killed": two_sessions,
}
FAULTS = [Fault(name, do) for name, do in ONE.items()]
FAULTS += [Fault(name, do, session=True) for name, do in OF_SESSIONS.items()]
