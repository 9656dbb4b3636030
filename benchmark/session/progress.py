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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
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
        key: the name of its folder in the store; None where nothing was begun.
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
    key: str | None = None
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
        return 1.0 if self.state == DONE else share(self.last)

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
        self.study = study
        self.store = store
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
            found = self._state(key, now)
            if found is None:
                continue
            other = best.get(found.case.spec)
            if other is None or (RANKS[other.state], other.at) < (RANKS[found.state], found.at):
                best[found.case.spec] = found
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
        done: Finished | None = self._remembered(folder / "result.json", attempt.finished)
        done = done or self._bundled(key)
        spec = done.spec if done else self._remembered(folder / "spec.json", attempt.spec)
        case = self._case_of.get(spec) if spec else None
        if case is None:
            return None
        events = self._remembered(folder / "progress.jsonl", attempt.events) or []
        who = {name: events[0][name] for name in WHO if name in events[0]} if events else {}
        # Reading a result claims it for an instant, too: only an attempt that began after it finished is
        # running, counted in whole seconds, as results are dated.
        newer = bool(events) and (done is None or int(events[0]["time"]) > done.at)
        failure = ""
        if newer or done is None:
            failure = self._remembered(folder / "error.json", attempt.failure) or ""
        if newer and self._is_held(key, who, events[-1]["time"], now):
            return _running(case, key, events, who, now)
        if done:
            device = {"device": done.result["environment"]["device"]}
            return CaseState(case, DONE, key, failure, at=done.at, who=device, finished=done)
        state, last = FAILED if failure else CUT_OFF, events[-1] if events else {}
        return CaseState(case, state, key, failure, last, at=last.get("time", 0.0), who=who)

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
                found = attempt.attempted(parse, path)
                self._read_before[path] = stamp, found
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            found = unreadable(path, error)
        if isinstance(found, ResultsUnreadable):
            self.unread.append(str(found))
            return None
        return found


def states(study: Study, store: Store) -> list[CaseState]:
    """The state of every case of a study, in the plan's order; `Progress` looks again at less cost."""
    return Progress(study, store).look()


def share(event: Mapping[str, Any]) -> float:
    """How much of a case's work is done by an event of its progress, in 0..1."""
    so_far = event.get("iteration", event.get("measured", 0.0))
    return min(1.0, so_far / event["of"]) if so_far else 0.0


def _running(
    case: Case, key: str, events: Sequence[Mapping[str, Any]], who: Mapping[str, Any], now: float
) -> CaseState:
    began, last = events[0]["time"], events[-1]
    left, done = last.get("seconds_left"), share(last)
    if left is None and done:
        left = (last["time"] - began) * (1 - done) / done
    if left is not None:
        left = max(0.0, left - (now - last["time"]))
    return CaseState(case, RUNNING, key, "", last, now - began, left, last["time"], who)
