"""One run in a process of its own, in which something goes wrong: what a torture does inside of it."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

EVENTS = frozenset(
    "open os.rename os.remove os.mkdir os.rmdir os.listdir os.scandir os.link os.truncate".split()
)
"""Operations on files that Python tells of (`sys.addaudithook`), each with a path as its first argument."""
LOOKING = ("os.listdir", "os.scandir")
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def work(jobs: Any, place: Any, cache: str, log: str, inside: Callable[..., None] | None, args: Any) -> None:
    """Does jobs, with little patience where it cannot save; `inside(*args)` says what goes wrong."""
    with Path(log).open("ab") as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    os.environ["SERKIT_CACHE"] = cache
    from benchmark.session.work import do
    from serkit import keeping

    keeping.PATIENCE_S, keeping.PAUSE_S = 0.2, 0.1
    import torch

    torch.set_num_threads(1)
    if inside is not None:
        inside(*args)
    for job in jobs:
        do(job, place)


def on_operations(folder: str, do: Callable[[int, bool], None]) -> None:
    """Calls `do(number, writes)` before each operation on a file below a folder, counted from 1."""
    number, busy = 0, False

    def hook(event: str, args: tuple[Any, ...]) -> None:
        nonlocal number, busy
        if event not in EVENTS or busy or not isinstance(args[0], str | bytes | os.PathLike):
            return
        if not os.fsdecode(args[0]).startswith(folder):
            return
        number, busy = number + 1, True
        try:
            do(number, bool(args[2] & WRITING) if event == "open" else event not in LOOKING)
        finally:
            busy = False

    sys.addaudithook(hook)


def counting(folder: str, into: str) -> None:
    """Writes how many operations there were."""

    def do(number: int, writes: bool) -> None:
        Path(into).write_text(str(number), encoding="utf-8")

    on_operations(folder, do)


def killed(folder: str, at: int) -> None:
    """Is killed before the operation of a number."""

    def do(number: int, writes: bool) -> None:
        if number == at:
            os.kill(os.getpid(), signal.SIGKILL)

    on_operations(folder, do)


def refused(folder: str, at: int, many: int, error: int) -> None:
    """From an operation on, so many that write are refused: a full disk, one that is read-only."""

    def do(number: int, writes: bool) -> None:
        if at <= number < at + many and writes:
            raise OSError(error, os.strerror(error))

    on_operations(folder, do)


def vanished(folder: str, at: int) -> None:
    """A folder goes, with all that is in it."""

    def do(number: int, writes: bool) -> None:
        if number == at:
            shutil.rmtree(folder, ignore_errors=True)

    on_operations(folder, do)


def cut_off(most_bytes: int) -> None:
    """No file may have more bytes: what is larger is half there."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))


def starved(more_bytes: int) -> None:
    """Memory for so much more than it has."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + more_bytes
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def jumping(seed: int) -> None:
    """A clock that is up to a day before or behind, another time each time it is asked."""
    now, drawn = time.time, random.Random(seed)
    time.time = lambda: now() + drawn.uniform(-86_400, 86_400)
