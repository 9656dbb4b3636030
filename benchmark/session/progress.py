"""How far a study is, from disk alone: the state of each case of its plan.

Looking disturbs no run. A case is
    done     its result is there and no later attempt runs;
    running  its claim is held (`serkit.results.Store.claimed`). Claims of another host cannot be seen: there
             it runs while its progress is younger than `ELSEWHERE_SECONDS`;
    failed   its last attempt ended with an error, in `error.json`;
    cut off  its last attempt was killed or interrupted;
    missing  nothing was begun. What fails before it has a key (a corpus that is not there) is missing, too.

Specs are compared without fingerprints: any copy of the corpora answers, as in the exhibits.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmark.session import attempt
from benchmark.session.attempt import Finished
from benchmark.study import Case, Study, plan
from serkit.errors import ResultsUnreadable
from serkit.resultfile import unreadable
from serkit.results import Store
from serkit.specs import Spec

DONE, RUNNING, FAILED, CUT_OFF, MISSING = "done", "running", "failed", "cut off", "missing"
RANKS = {RUNNING: 3, DONE: 2, FAILED: 1, CUT_OFF: 0}
"""Which attempt counts where a case has several, with different copies of its corpora."""

ELSEWHERE_SECONDS = 1800.0  # the paper's longest epoch at 30 clips a second; a kill there is seen as late
READING_SECONDS = 60.0  # an event of a corpus that is older is no news
WHO = ("pid", *attempt.TEXTS)
HOST = socket.gethostname()


@dataclass(frozen=True)
class CaseState:
    """Where a case of the plan stands.

    Attributes:
        case: the case.
        state: `DONE`, `RUNNING`, `FAILED`, `CUT_OFF` or `MISSING`.
        failure: why it failed, as `TrainingDiverged: the loss is nan ...`. A case that is done has one where
            a later attempt failed.
        last: the last event of its progress, where it is not done.
        seconds: of a running case, since its start.
        seconds_left: of a running case, by its own pace; None until it has one.
        at: when it finished or last said something, in seconds since 1970.
        who: `pid`, `host`, `device`, `worker` of its last attempt, as far as they are known.
        finished: what is kept of its result, where it is done.
    """

    case: Case
    state: str
    failure: str = ""
    last: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    seconds_left: float | None = None
    at: float = 0.0
    who: Mapping[str, Any] = field(default_factory=dict)
    finished: Finished | None = None

    @property
    def share(self) -> float:
        """How much of the work is done, in 0..1; of a running case as it last said."""
        so_far = self.last.get("iteration", self.last.get("measured", 0.0))
        return 1.0 if self.state == DONE else min(1.0, so_far / self.last.get("of", 1.0))

    @property
    def diverged(self) -> bool:
        """Whether it is done with a loss that stayed far above guessing: tables leave it out."""
        return self.finished is not None and self.finished.diverged


class Progress:
    """Looks at a study's store again and again; a file that did not change is read once.

    Attributes:
        study: what is asked.
        store: where it looks.
        cases: the plan.
        unread: why stored files could not be read at the last look, a message each.
    """

    def __init__(self, study: Study, store: Store) -> None:
        """Looks at nothing yet."""
        self.study, self.store = study, store
        self.cases = plan(study)
        self.unread: list[str] = []
        self._case_of = {case.spec: case for case in self.cases}
        self._read_before: dict[Path, tuple[tuple[int, ...], Any]] = {}

    def look(self) -> list[CaseState]:
        """The state of every case, in the plan's order."""
        now = time.time()
        self.unread = []
        best: dict[Spec, CaseState] = {}
        for key in self.store.keys(self.unread):
            if found := self._state(key, now):
                seen = best.get(found.case.spec, found), found
                best[found.case.spec] = max(seen, key=lambda state: (RANKS[state.state], state.at))
        return [best.get(case.spec) or CaseState(case, MISSING) for case in self.cases]

    def reading(self) -> list[tuple[str, dict[str, Any]]]:
        """Titles of corpora that were read or decoded just now and are not done, each with its last event."""
        news = []
        for path in sorted((self.store.folder / ".reading").glob("*.jsonl")):
            last = (self._remembered(path, attempt.events) or [{"time": 0.0}])[-1]
            done = "packed" in last and last["packed"] == last["of"]
            if not done and time.time() - last["time"] < READING_SECONDS:
                news.append((attempt.in_a_line(self.study.titles.get(path.stem, path.stem)), last))
        return news

    def _state(self, key: str, now: float) -> CaseState | None:
        """What is stored of the case that a key answers; None where it answers none of this study's."""
        folder = self.store.run_folder(key)
        done = self._remembered(folder / "result.json", attempt.finished) or self._bundled(key)
        spec = done.spec if done else self._remembered(folder / "spec.json", attempt.spec)
        case = self._case_of.get(spec) if spec else None
        if case is None:
            return None
        events = self._remembered(folder / "progress.jsonl", attempt.events) or []
        first, last = (events[0], events[-1]) if events else ({}, {})
        who = {name: first[name] for name in WHO if name in first}
        # Reading a result claims it for an instant, too: only an attempt that began after it finished is
        # running, counted in whole seconds, as results are dated.
        newer = bool(events) and (done is None or int(first["time"]) > done.at)
        failure = ""
        if newer or done is None:
            failure = self._remembered(folder / "error.json", attempt.failure) or ""
        if newer and self._is_held(key, who, last["time"], now):
            return _running(case, first, last, who, now)
        if done:
            device = {"device": done.result["environment"]["device"]}
            return CaseState(case, DONE, failure, at=done.at, who=device, finished=done)
        state = FAILED if failure else CUT_OFF
        return CaseState(case, state, failure, last, at=last.get("time", 0.0), who=who)

    def _bundled(self, key: str) -> Finished | None:
        """What the bundle says; None where it has nothing, or `unread` says why."""
        try:
            bundled = self.store.bundle()
            result = bundled.get(key) if bundled else None
        except ResultsUnreadable as error:
            self.unread += [str(error)] if str(error) not in self.unread else []
            return None
        return attempt.summary(result) if result else None

    def _is_held(self, key: str, who: Mapping[str, Any], said_at: float, now: float) -> bool:
        held = self.store.claimed(key) if who.get("host", HOST) == HOST else None
        return now - said_at < ELSEWHERE_SECONDS if held is None else held

    def _remembered(self, path: Path, parse: Callable[[Path], Any]) -> Any:
        """What a file holds, parsed again only where it changed.

        None where it is not there or cannot be read; `unread` then says why.
        """
        try:
            about = path.stat()
            stamp = (about.st_mtime_ns, about.st_size, about.st_ino)
            before, found = self._read_before.get(path, ((), None))
            if before != stamp:
                found = _parsed(path, parse)
                self._read_before[path] = stamp, found
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            found = unreadable(path, error)
        if isinstance(found, ResultsUnreadable):
            self.unread.append(str(found))
            return None
        return found


def _parsed(path: Path, parse: Callable[[Path], Any]) -> Any:
    """What a parser makes of a file, or the error that says why not. Raises FileNotFoundError."""
    try:
        return parse(path)
    except FileNotFoundError:
        raise
    except ResultsUnreadable as error:
        return error
    except (OSError, ValueError, TypeError, RecursionError) as error:
        return unreadable(path, error)


def _running(
    case: Case, first: dict[str, Any], last: dict[str, Any], who: dict[str, Any], now: float
) -> CaseState:
    began, said_at = first["time"], last["time"]
    state = CaseState(case, RUNNING, last=last, seconds=now - began, at=said_at, who=who)
    left = last.get("seconds_left")
    if left is None and state.share:
        left = (said_at - began) * (1 - state.share) / state.share
    return state if left is None else replace(state, seconds_left=max(0.0, left - (now - said_at)))
