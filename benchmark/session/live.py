"""What a session shows while it runs: what each worker runs, how far the cases are, and the time left.

Workers append events to files in the store, which this process reads (`benchmark.session.progress`): it works
alike for one process, for workers, and for any engine that writes to the store. Which cases were chosen,
begun and ended pytest says.

In a terminal rich redraws the lines in place, below what pytest writes; see `Screen`. Elsewhere (a pipe, CI,
`TERM=dumb`, `-p no:terminal`, and where others write to the terminal: `-s`, `--pdb`, `--trace`) plain lines
come now and then.

Limits: what a worker writes to stderr outside a case spoils the display until the next redraw, and a terminal
that is made narrower keeps a piece of what was wider.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.constrain import Constrain
from rich.live import Live as RichLive
from rich.table import Table
from rich.text import Text

from benchmark.session.pace import pace
from benchmark.session.progress import DONE, MISSING, RUNNING, CaseState, Progress
from benchmark.session.status import how_far, how_far_read, status

LOOK_EVERY_SECONDS = 1.0
SAY_EVERY_SECONDS = 15.0  # in plain lines, for each run or corpus: faster and it scrolls
PLAN_EVERY_SECONDS = 60.0  # in plain lines, for the plan
WATCH_EVERY_SECONDS = 2.0
CURSOR_UP, ERASE_BELOW = "\x1b[A", "\x1b[J"
ROOM_FOR_CTRL_C = 2  # a terminal echoes it as two characters, which must not begin a line of their own
UNSET_SIZE = (80, 24)  # what every program takes for a terminal that does not know its own, as of `script`

PREPARING = "preparing"
"""What a case does before it has its claim: it reads corpora, or waits for another session's run of it."""

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"


class Live:
    """Shows the progress of the chosen cases of a study: pytest's thread says which, another one shows."""

    def __init__(self, progress: Progress, rerun: bool = False) -> None:
        """Shows nothing yet.

        Args:
            progress: looks at the store.
            rerun: whether cases are run again though they are done.
        """
        self._progress = progress
        self._rerun = rerun
        self._known = {case.id for case in progress.cases}
        self._chosen: set[str] = set()
        self._begun: list[str] = []
        self._outcomes: dict[str, str] = {}
        self._workers = 1
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._began = time.time()
        self._said: dict[str, tuple[float, str]] = {}

    def chosen(self, nodeids: Iterable[str], workers: int = 1) -> None:
        """The session's items, cases or not, and how many processes run them."""
        self._chosen = self._known & {_id(nodeid) for nodeid in nodeids}
        self._workers = workers

    def started(self, nodeid: str) -> None:
        """An item was begun."""
        if _id(nodeid) in self._chosen:
            self._begun.append(_id(nodeid))

    def ended(self, nodeid: str, outcome: str) -> None:
        """An item passed, failed or was skipped."""
        if _id(nodeid) in self._chosen:
            self._outcomes[_id(nodeid)] = outcome

    @property
    def _at(self) -> list[str]:
        return [name for name in self._begun if name not in self._outcomes]

    def rows(self, seen: Iterable[CaseState]) -> list[tuple[str, str, str]]:
        """A row for each case that is being run, and each corpus that is read: worker, what, how far.

        Args:
            seen: the states of the whole study.
        """
        states = {state.case.id: state for state in seen}
        at = [states[name] for name in self._at]
        rows = [(str(s.who.get("worker", "")), s.case.id, how_far(s)) for s in at if s.state == RUNNING]
        rows.sort(key=lambda row: (not row[0], row[0]))
        if preparing := [("", state.case.id, PREPARING) for state in at if state.state != RUNNING]:
            read = [("", corpus, how_far_read(event)) for corpus, event in self._progress.reading()]
            rows += preparing + read
        return rows

    def plan_line(self, seen: Iterable[CaseState]) -> str:
        """The chosen cases in one line: `37 of 105 done, 2 running, 66 left, about 4 min left`."""
        seen, ended, at = list(seen), list(self._outcomes.values()), len(set(self._at))
        waiting = [state for state in seen if state.case.id in self._chosen - self._outcomes.keys()]
        words = [f"{ended.count(PASSED)} of {len(self._chosen)} done"]
        words += [f"{ended.count(outcome)} {outcome}" for outcome in (FAILED, SKIPPED) if outcome in ended]
        words += [f"{at} running"] if at else []
        words += [f"{len(waiting) - at} left"] if len(waiting) > at else []
        if self._rerun:
            waiting = [CaseState(s.case, MISSING) if s.state == DONE else s for s in waiting]
        if any(state.state != DONE for state in waiting):
            words.append(pace(seen).left(waiting, self._workers).words())
        return ", ".join(words)

    def lines(self, seen: Iterable[CaseState]) -> list[str]:
        """Plain lines that are due: for each row that says something new, and for the plan."""
        now, due, seen = time.time(), [], list(seen)

        def is_due(name: str, news: str, every_seconds: float) -> bool:
            said_at, said = self._said.setdefault(name, (self._began, ""))
            if now - said_at < every_seconds or said == news:
                return False
            self._said[name] = now, news
            return True

        for worker, name, far in self.rows(seen):
            if is_due(name, far.partition(", about")[0], SAY_EVERY_SECONDS):
                due.append(f"{f'{worker} ' * bool(worker)}{name}: {far}")
        if self._chosen and is_due("", str(now), PLAN_EVERY_SECONDS):
            due.append(self.plan_line(seen))
        return due

    @contextlib.contextmanager
    def watching(self, writer: Any = None, file_descriptor: int = 1) -> Iterator[None]:
        """Shows the progress until the block ends.

        Args:
            writer: pytest's terminal writer; None: plain lines.
            file_descriptor: the terminal's. A copy is kept, since pytest redirects it while a case runs.
        """
        fd = os.dup(file_descriptor)
        screen = Screen(writer, fd) if writer is not None else None
        self._thread = threading.Thread(target=self._watch, args=(fd, screen), daemon=True)
        self._thread.start()
        try:
            yield
        finally:
            self.leave()
            os.close(fd)

    def leave(self) -> None:
        """Clears what is shown, and shows nothing from here on: a debugger needs the terminal."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self, fd: int, screen: Screen | None) -> None:
        try:
            while not self._stop.wait(LOOK_EVERY_SECONDS):
                if not self._chosen:
                    continue
                seen = self._progress.look()
                if screen is not None:
                    screen.show(self.plan_line(seen), self.rows(seen))
                    continue
                for line in self.lines(seen):
                    os.write(fd, f"\n  {line}\n".encode())
        finally:
            if screen is not None:
                screen.close()


def watch(progress: Progress, results: str = "") -> None:
    """Shows the status of a study again and again, in place where there is a terminal, until all is done.

    Args:
        progress: looks at the store.
        results: the results folder if it is not the usual one.
    """
    console = Console(highlight=False)
    with (
        contextlib.suppress(KeyboardInterrupt),  # how it is ended
        RichLive(console=console, auto_refresh=False, vertical_overflow="crop") as shown,
    ):
        while True:
            seen = progress.look()
            text = Text(status(progress, seen, results), no_wrap=True, overflow="ellipsis")
            if console.is_terminal:
                shown.update(Constrain(text, console.width - ROOM_FOR_CTRL_C), refresh=True)
            else:
                console.print(text, soft_wrap=True)
            if all(state.state == DONE for state in seen):
                return
            time.sleep(WATCH_EVERY_SECONDS)


def _id(nodeid: str) -> str:
    """A case's id from the item's: `cases/test_x.py::test_y[id]`."""
    return nodeid[nodeid.find("[") + 1 :].removesuffix("]")


def in_place(config: Any, environ: Mapping[str, str] = os.environ) -> Any:
    """The terminal writer of pytest where lines can be redrawn below what it writes, or None."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    file = getattr(getattr(reporter, "_tw", None), "_file", None)
    option = config.option
    others_write = option.capture == "no" or option.usepdb or option.trace
    plain = environ.get("TERM", "dumb") in ("dumb", "unknown") or "CI" in environ
    if file is None or others_write or plain or not file.isatty():
        return None
    return reporter._tw


class Screen:
    """Stands in for the file of pytest's terminal writer, and redraws lines below what is written to it.

    pytest leaves lines unfinished (dots) and knows nothing of what stands below them: two writers would spoil
    each other's lines, so there is one. Whole lines go out above rich's live display, and the line that
    pytest has not finished is the first of it. Before the first `show` and after `close` nothing but what
    pytest writes is seen, and the cursor is where it left it.
    """

    def __init__(self, writer: Any, fd: int) -> None:
        """Takes the place of the writer's file.

        Args:
            writer: a `TerminalWriter`, whose `_file` is replaced: it has no public way.
            fd: a descriptor of the terminal that nobody redirects.
        """
        self._writer = writer
        self._theirs: TextIO = writer._file
        self._fd = fd
        self._ours = open(fd, "w", encoding=self._theirs.encoding, errors="replace", closefd=False)
        self._console = Console(file=self._ours, force_terminal=True, highlight=False)
        self._live: RichLive | None = None
        self._unfinished = ""
        self._below: list[RenderableType] = []
        self._lock = threading.RLock()
        writer._file = self

    def __getattr__(self, name: str) -> Any:
        """Everything else is as in the file whose place this takes."""
        return getattr(self._theirs, name)

    def write(self, text: str) -> int:
        """Takes what pytest writes: whole lines go out above ours, the rest waits as the first of ours."""
        with self._lock:
            *whole, rest = (self._unfinished + text).split("\n")
            self._unfinished = rest if rest.endswith("\r") else _overwritten(rest)
            if self._live is None:
                self._theirs.write(text)
            elif whole:
                lines = (Text.from_ansi(_overwritten(line.rstrip("\r"))) for line in whole)
                with self._console:  # all in one write
                    self._redraw()  # what is drawn again below a print is what was drawn last
                    self._console.print(Text("\n").join(lines), soft_wrap=True)
        return len(text)

    def flush(self) -> None:
        """Shows what was written."""
        with self._lock:
            if self._live is None:
                self._theirs.flush()
            self._redraw()

    def show(self, plan: str, rows: Iterable[tuple[str, str, str]]) -> None:
        """Redraws our lines: one for the plan, one a row. The id gives way where the terminal is narrow."""
        grid = Table.grid(padding=(0, 2, 0, 0))
        for overflow in ("crop", "ellipsis", "crop"):
            grid.add_column(overflow=overflow, no_wrap=overflow == "crop")
        for row in rows:
            grid.add_row(*(Text(cell) for cell in row))
        with self._lock:
            if self._writer._file is self:  # not closed
                self._below = [Text(plan, no_wrap=True, overflow="ellipsis"), grid]
                self._live = self._live or self._begun()
                self._redraw()

    def close(self) -> None:
        """Clears our lines and gives the file back, the cursor where pytest had left it."""
        with self._lock:
            if self._writer._file is not self:
                return
            self._writer._file = self._theirs
            if self._live is not None:
                self._live.stop()
                self._ours.write(self._unfinished)
                self._ours.flush()

    def _begun(self) -> RichLive:
        """The display, begun on the line that pytest is at, which is drawn anew."""
        self._theirs.flush()
        self._fit()
        live = RichLive(
            self._shown(),
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
            vertical_overflow="crop",
        )
        rows_above = max(0, Text.from_ansi(self._unfinished).cell_len - 1) // self._console.width
        self._ours.write("\r" + CURSOR_UP * rows_above + ERASE_BELOW)
        live.start()
        self._console.show_cursor(True)  # a session that is killed leaves it as it is
        return live

    def _redraw(self) -> None:
        if self._live is not None:
            self._fit()
            self._live.update(self._shown(), refresh=True)

    def _shown(self) -> Group:
        unfinished = _overwritten(self._unfinished.rstrip("\r"))
        first = [Text.from_ansi(unfinished, no_wrap=True, overflow="crop")] if unfinished else []
        width = self._console.width - ROOM_FOR_CTRL_C
        return Group(*first, *(Constrain(line, width) for line in self._below))

    def _fit(self) -> None:
        """Takes the terminal's size: rich would ask the redirected descriptors. 0 is a size not set."""
        with contextlib.suppress(OSError):
            columns, rows = os.get_terminal_size(self._fd)
            self._console.size = (columns or UNSET_SIZE[0], rows or UNSET_SIZE[1])


def _overwritten(line: str) -> str:
    """What is seen of a line after its carriage returns: each begins it anew, as pytest uses them."""
    return line.rpartition("\r")[2]
