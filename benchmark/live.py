"""What a session shows while it runs: plain lines, one now and then for each run and corpus.

Workers append events to files in the store; this process tails them. So it works the same for one process,
for workers, and for any engine that writes to the store.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from serkit.results import Store

LOOK_EVERY_SECONDS = 1.0
CLOCK_SLACK_SECONDS = 1.0  # a file's time is read from a coarser clock than ours, and may seem a little older
SAY_EVERY_SECONDS = 15.0  # for each run or corpus: slower and a user wonders, faster and it scrolls


class Live:
    """Tails the progress of a study and says it in lines."""

    def __init__(self, store: Store, file_descriptor: int = 1) -> None:
        """Keeps a copy of the terminal's descriptor, since pytest redirects it while a case runs."""
        self._store = store
        self._fd = os.dup(file_descriptor)
        self._stop = threading.Event()
        self._read: dict[Path, int] = {}
        self._said: dict[Path, float] = {}
        self._began = time.time()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Says what happens until the block ends."""
        thread = threading.Thread(target=self._watch, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()
            os.close(self._fd)

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_EVERY_SECONDS):
            for line in self.news():
                os.write(self._fd, f"\n  {line} ".encode())

    def news(self) -> list[str]:
        """Lines for what was appended since the last look."""
        lines = []
        paths = [*self._store.folder.glob("*/progress.jsonl"), *self._store.folder.glob(".reading/*.jsonl")]
        for path in paths:
            for event in self._appended(path):
                name = path.stem if path.parent.name == ".reading" else path.parent.name.rsplit("-", 1)[0]
                if event["time"] - self._said.get(path, self._began) >= SAY_EVERY_SECONDS:
                    self._said[path] = event["time"]
                    lines.append(f"{name}: {said(event)}")
        return lines

    def _appended(self, path: Path) -> list[dict]:
        try:
            found = path.stat()
            if found.st_mtime < self._began - CLOCK_SLACK_SECONDS:
                return []
            start = self._read.get(path, 0)
            if found.st_size < start:
                start = 0  # the run was started afresh since
            with path.open("rb") as file:
                file.seek(start)
                data = file.read()
        except OSError:
            return []  # the run was just started afresh
        whole = data[: data.rfind(b"\n") + 1]
        self._read[path] = start + len(whole)
        return [event for event in map(_event, whole.splitlines()) if event.get("time", 0) >= self._began]


def _event(line: bytes) -> dict:
    """A line's event; empty for half a line, as a file that was started afresh may show."""
    try:
        return json.loads(line)
    except ValueError:
        return {}


def said(event: dict) -> str:
    """One event in words."""
    if "reading" in event:
        return "reading the corpus"
    if "packed" in event:
        return f"{event['packed']} of {event['of']} clips decoded"
    if "measured" in event:
        left = event["seconds_left"]
        time_left = f"{left:.0f} s" if left < 100 else f"{left / 60:.0f} min"
        return f"{event['measured']} of {event['of']} clips measured" + f", about {time_left} left" * (
            left > 0
        )
    share = event["iteration"] / event["of"]
    return f"{share:4.0%}, epoch {event['epoch']:g}, loss {event['loss']:.3f}"
