"""What a session shows while it runs: what each worker runs, how far the cases are, and the time left.

Workers append events to files in the store, which this process reads (`benchmark.session.progress`): it works
alike for any engine that writes to the store. Which cases were chosen, begun and ended pytest says.
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
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, Group
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
SHARE = 0.05  # of a core, at most, for looking: at very many results looks are rarer
CURSOR_UP, ERASE_BELOW = "\x1b[A", "\x1b[J"
ROOM_FOR_CTRL_C = 2  # a terminal echoes it as two characters, which must not begin a line of their own
UNSET_SIZE = (80, 24)  # what every program takes for a terminal that does not know its own, as of `script`

PREPARING = "preparing"  # before it has its claim: it reads corpora, or waits for another session's run of it
LEFT, PASSED, FAILED, SKIPPED = "left", "passed", "failed", "skipped"


class Live:
    """Shows the progress of the chosen cases of a study: pytest's thread says which, another one shows."""

    def __init__(self, progress: Progress, rerun: bool = False, elsewhere: bool = False) -> None:
        """Shows nothing yet. With `rerun`, cases are run again though they are done.

        What runs `elsewhere` the store says: pytest only knows which case it waits for.
        """
        self._progress, self._rerun, self._elsewhere = progress, rerun, elsewhere
        self._known = {case.id for case in progress.cases}
        self._outcomes: dict[str, str] = {}  # of each chosen case, by its id; LEFT and RUNNING, too
        self._workers = 1
        self._began = time.time()
        self._said: dict[str, tuple[float, str]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def chosen(self, nodeids: Iterable[str], workers: int = 1) -> None:
        """The session's items, cases or not, and how many processes run them."""
        self._outcomes = dict.fromkeys(self._known.intersection(map(_id, nodeids)), LEFT) | self._outcomes
        self._workers = workers

    def note(self, nodeid: str, outcome: str) -> None:
        """An item is running, or has passed, failed or was skipped."""
        if _id(nodeid) in self._outcomes:
            self._outcomes[_id(nodeid)] = outcome

    def rows(self, seen: Iterable[CaseState]) -> list[tuple[str, str, str]]:
        """A row for each case that is being run, and each corpus that is read: worker, what, how far."""
        seen = list(seen)
        outcomes = self._now(seen)
        at = [state for state in seen if outcomes.get(state.case.id) == RUNNING]
        rows = [(str(s.who.get("worker", "")), s.case.id, how_far(s)) for s in at if s.state == RUNNING]
        rows.sort(key=lambda row: (not row[0], row[0]))
        if preparing := [("", state.case.id, PREPARING) for state in at if state.state != RUNNING]:
            rows += preparing
        if preparing or self._elsewhere:
            rows += [("", corpus, how_far_read(event)) for corpus, event in self._progress.reading()]
        return rows

    def plan_line(self, seen: Sequence[CaseState]) -> str:
        """The chosen cases in one line: `37 of 105 done, 2 running, 66 left, about 4 min left`."""
        outcomes = self._now(seen)
        number = Counter(outcomes.values())
        words = [f"{number[PASSED]} of {len(outcomes)} done"]
        words += [f"{number[name]} {name}" for name in (FAILED, SKIPPED, RUNNING, LEFT) if number[name]]
        rest = [state for state in seen if outcomes.get(state.case.id) in (RUNNING, LEFT)]
        if self._rerun:
            rest = [CaseState(s.case, MISSING) if s.state == DONE else s for s in rest]
        if any(state.state != DONE for state in rest):
            words.append(pace(seen).left(rest, 0 if self._elsewhere else self._workers).words())
        return ", ".join(words)

    def _now(self, seen: Iterable[CaseState]) -> Mapping[str, str]:
        """What each chosen case is, by its id."""
        if not self._elsewhere:
            return self._outcomes
        known = {RUNNING: RUNNING} | ({} if self._rerun else {DONE: PASSED})
        waited_for = {id: LEFT if of == RUNNING else of for id, of in self._outcomes.items()}
        stored = {s.case.id: known[s.state] for s in seen if s.state in known}
        return waited_for | {id: stored[id] for id, of in waited_for.items() if of == LEFT and id in stored}

    def lines(self, seen: Sequence[CaseState]) -> list[str]:
        """Plain lines that are due: for each row that says something new, and for the plan."""
        now, due = time.time(), []
        rows = self.rows(seen)
        news = [(name, far.partition(", about")[0], f"{who} {name}: {far}") for who, name, far in rows]
        if self._outcomes:
            news.append(("", str(now), self.plan_line(seen)))
        for name, new, line in news:
            said_at, said = self._said.setdefault(name, (self._began, ""))
            every_seconds = SAY_EVERY_SECONDS if name else PLAN_EVERY_SECONDS
            if now - said_at >= every_seconds and said != new:
                self._said[name] = now, new
                due.append(line.lstrip())
        return due

    @contextlib.contextmanager
    def watching(self, writer: Any = None, file_descriptor: int = 1) -> Iterator[None]:
        """Shows the progress until the block ends: by pytest's terminal writer, or in plain lines."""
        fd = os.dup(file_descriptor)  # pytest redirects the terminal's own while a case runs
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
        with contextlib.closing(screen) if screen else contextlib.nullcontext():
            for pause in pauses(LOOK_EVERY_SECONDS):
                if self._stop.wait(pause):
                    return
                if not self._outcomes:
                    continue
                seen = self._progress.look()
                if screen:
                    screen.show(self.plan_line(seen), self.rows(seen))
                else:
                    os.write(fd, "".join(f"\n  {line}\n" for line in self.lines(seen)).encode())


def watch(progress: Progress, results: str = "") -> None:
    """Shows a study's `status` again and again, in place where there is a terminal, until all is done."""
    console = Console(highlight=False)
    drawing = RichLive(console=console, auto_refresh=False, vertical_overflow="crop")
    with contextlib.suppress(KeyboardInterrupt), drawing:  # how it is ended
        for pause in pauses(WATCH_EVERY_SECONDS):
            seen = progress.look()
            text = Text(status(progress, seen, results), no_wrap=True, overflow="ellipsis")
            if console.is_terminal:
                drawing.update(Constrain(text, console.width - ROOM_FOR_CTRL_C), refresh=True)
            else:
                console.print(text, soft_wrap=True)
            if all(state.state == DONE for state in seen):
                return
            time.sleep(pause)


def pauses(seconds: float) -> Iterator[float]:
    """Seconds to wait between looks; longer where looks take long: they take `SHARE` of a core at most.

    The first look does not count: it reads what the later ones remember.
    """
    yield seconds
    took = 0.0
    while True:
        began = time.thread_time()
        yield max(seconds, took / SHARE)
        took = time.thread_time() - began


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
    return None if file is None or others_write or plain or not file.isatty() else reporter._tw


class Screen:
    """Stands in for the file of pytest's terminal writer, and redraws lines below what is written to it.

    pytest leaves lines unfinished (dots) and knows nothing of what stands below them: two writers would spoil
    each other's lines, so there is one. Whole lines go out above rich's live display, and the line that
    pytest has not finished is the first of it. Before the first `show` and after `close` nothing but what
    pytest writes is seen, and the cursor is where it left it.
    """

    def __init__(self, writer: Any, fd: int) -> None:
        """Takes the place of the file of a `TerminalWriter`; nobody redirects `fd`, the terminal's."""
        self._writer, self._theirs = writer, writer._file
        self._ours = open(fd, "w", encoding=self._theirs.encoding, errors="replace", closefd=False)
        self._unfinished = ""
        self._below: Group | None = None
        self._drawn = 0  # lines below the unfinished one
        self._lock = threading.RLock()
        writer._file = self  # there is no public way

    def __getattr__(self, name: str) -> Any:
        """Everything else is as in the file whose place this takes."""
        return getattr(self._theirs, name)

    def write(self, text: str) -> int:
        """Takes what pytest writes: it goes out above our lines, if there are any."""
        with self._lock:
            if self._below:
                self._draw(text)
            else:
                self._theirs.write(text)
                self._unfinished = (self._unfinished + text).rpartition("\n")[2]
        return len(text)

    def show(self, plan: str, rows: Iterable[tuple[str, str, str]]) -> None:
        """Redraws our lines: one for the plan, one a row. The id gives way where the terminal is narrow."""
        grid = Table.grid(padding=(0, 2, 0, 0))
        for overflow in ("crop", "ellipsis", "crop"):
            grid.add_column(overflow=overflow, no_wrap=overflow == "crop")
        for row in rows:
            grid.add_row(*map(Text, row))
        with self._lock:
            if self._writer._file is self:  # not closed
                self._theirs.flush()
                self._below = Group(Text(plan, no_wrap=True, overflow="ellipsis"), grid)
                self._draw()

    def close(self) -> None:
        """Clears our lines and gives the file back, the cursor where pytest had left it."""
        with self._lock:
            if self._below:
                self._below = None
                self._draw()
            self._writer._file = self._theirs

    def _draw(self, text: str = "") -> None:
        """Writes pytest's unfinished line anew, what it adds to it, and our lines, all at once."""
        size = os.get_terminal_size(self._ours.fileno())
        columns, rows = size.columns or UNSET_SIZE[0], size.lines or UNSET_SIZE[1]

        def above() -> int:  # rows of the unfinished line but its last; a carriage return stays in its row
            parts = map(Text.from_ansi, self._unfinished.split("\r"))
            return sum(max(0, part.cell_len - 1) // columns for part in parts)

        begin = "\r" + CURSOR_UP * (above() + self._drawn) + ERASE_BELOW
        *whole, self._unfinished = (self._unfinished + text).split("\n")
        console = Console(width=columns - ROOM_FOR_CTRL_C, force_terminal=True, highlight=False)
        with console.capture() as captured:
            console.print(self._below or Group())
        ours = captured.get().splitlines()[: max(0, rows - 1 - above())]
        lines = [self._unfinished, *ours] if self._unfinished else ours
        self._ours.write(begin + "".join(f"{line}\n" for line in whole) + "\n".join(lines))
        self._ours.flush()
        self._drawn = max(0, len(lines) - 1)
