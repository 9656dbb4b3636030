"""How far a study is, from disk alone: what is done, running, failed, cut off or missing, and the time left.

    results/<study>/*/ -> a state for each case of the plan -> seconds a unit of cost -> seconds left

Any process may look, at any time, and disturbs nobody. A case is
    done     its result is there and no later attempt runs;
    running  its claim is held (`serkit.results.Store.claimed`). That cannot be asked about another host:
             there it is running while its progress is younger than `ELSEWHERE_SECONDS`;
    failed   its last attempt ended with an error, in `error.json`;
    cut off  its last attempt began and nobody is at it: the process was killed or interrupted;
    missing  nothing was begun. What fails before it has a key (a corpus that is not there) is missing, too.

Specs are compared without fingerprints, so whatever copy of the corpora answered counts, as in the exhibits.

Limits: a case that is left is taken to last as its cost says, by the rate of the newest results and of those
that run, measurements apart from trainings; costs know neither the augmentation nor the length of clips.
"""

from __future__ import annotations

import shlex
import socket
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmark.session import attempt
from benchmark.study import Case, Study, plan
from serkit.errors import ResultsUnreadable
from serkit.files import printable
from serkit.resultfile import unreadable
from serkit.results import Store, left_out
from serkit.specs import MEASUREMENT, TRAINING, Spec

DONE, RUNNING, FAILED, CUT_OFF, MISSING = "done", "running", "failed", "cut off", "missing"
STATES = (DONE, RUNNING, FAILED, CUT_OFF, MISSING)
RANKS = {RUNNING: 3, DONE: 2, FAILED: 1, CUT_OFF: 0}
"""Which attempt counts where a case has several, with different copies of its corpora."""

ELSEWHERE_SECONDS = 1800.0  # the paper's longest epoch at 30 clips a second; a kill there is seen as late
READING_SECONDS = 60.0  # an event of a corpus that is older is no news
NEWEST = 20  # results that a rate is taken from: machines and their load change
NAMED = 8  # cases in a command that runs some again; more are not typed


@dataclass(frozen=True)
class CaseState:
    """Where a case of the plan stands.

    Attributes:
        case: the case.
        state: one of `STATES`.
        key: the name of its folder in the store; None where nothing was begun.
        failure: why it failed, as `TrainingDiverged: the loss is nan ...`. A case that is done has one where
            a later attempt failed.
        share: of the work, in 0..1; of a running case as it last said.
        epoch: passes so far, may be fractional; None where it has not said, and of a measurement.
        loss: since its evaluation before; likewise.
        counted: of a running measurement the clips so far and in all.
        seconds: of a done case what it took, of another the time from its start to now or its last event.
        seconds_left: of a running case, by its own pace; None until it has one.
        at: when it finished or last said something, in seconds since 1970.
        who: `pid`, `host`, `device`, `worker` of its last attempt, as far as they are known.
    """

    case: Case
    state: str
    key: str | None = None
    failure: str = ""
    share: float = 0.0
    epoch: float | None = None
    loss: float | None = None
    counted: tuple[int, int] | None = None
    seconds: float | None = None
    seconds_left: float | None = None
    at: float = 0.0
    who: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The worker that runs it, or else its host and process; empty where neither is known."""
        if self.who.get("worker"):
            return str(self.who["worker"])
        return f"{self.who['host']} {self.who['pid']}" if "pid" in self.who else ""


@dataclass(frozen=True)
class Left:
    """How long the rest takes.

    Attributes:
        seconds: on so many workers, never less than the longest single case; None: nothing was timed yet.
        untimed: cases that are left and not in `seconds`, since none of their kind was timed yet.
        workers: as many as run now, or as were given.
    """

    seconds: float | None
    untimed: int
    workers: int

    def words(self, on: str = "") -> str:
        """In words: `about 4 min left`; `on` says on what."""
        if self.seconds is None:
            return "time left unknown"
        if not self.seconds and not self.untimed:
            return "nothing left"
        rest = f", not counting {self.untimed} of a kind that was never timed" if self.untimed else ""
        return f"about {lasting(self.seconds)} left{on}{rest}"


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
        for folder in self.store.folders(self.unread):
            found = self._state(folder, now)
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

    def _state(self, folder: Path, now: float) -> CaseState | None:
        """What a folder says of the case that it answers; None where it answers none of this study's."""
        done: attempt.Finished | None = self._remembered(folder / "result.json", attempt.finished)
        spec = done.spec if done else self._remembered(folder / "spec.json", attempt.spec)
        case = self._case_of.get(spec) if spec else None
        if case is None:
            return None
        events: list[dict[str, Any]] = self._remembered(folder / "progress.jsonl", attempt.events) or []
        who = {name: events[0][name] for name in WHO if name in events[0]} if events else {}
        # Who reads a result claims it too, for an instant: only an attempt that began later runs, by whole
        # seconds, which results are dated by.
        newer = bool(events) and (done is None or int(events[0]["time"]) > done.at)
        failure = (
            (self._remembered(folder / "error.json", attempt.failure) or "") if done is None or newer else ""
        )
        if newer and self._is_held(folder.name, who, events[-1]["time"], now):
            return _running(case, folder.name, events, who, now)
        if done:
            return CaseState(
                case, DONE, folder.name, failure, 1.0, seconds=done.seconds, at=done.at, who=done.who
            )
        state = FAILED if failure else CUT_OFF
        if not events:
            return CaseState(case, state, folder.name, failure)
        last = events[-1]
        return CaseState(
            case,
            state,
            folder.name,
            failure,
            **_said(last),
            seconds=last["time"] - events[0]["time"],
            at=last["time"],
            who=who,
        )

    def _is_held(self, key: str, who: Mapping[str, Any], said_at: float, now: float) -> bool:
        held = self.store.claimed(key) if who.get("host", HOST) == HOST else None
        return now - said_at < ELSEWHERE_SECONDS if held is None else held

    def _remembered(self, path: Path, parse: Callable[[Path], Any]) -> Any:
        """What a file holds, parsed again only where it changed; None where it is not there.

        Likewise where it cannot be read, which `unread` says.
        """
        try:
            about = path.stat()
            stamp = (about.st_mtime_ns, about.st_size, about.st_ino)
            before = self._read_before.get(path)
            if before is None or before[0] != stamp:
                self._read_before[path] = before = (stamp, attempt.tried(parse, path))
        except OSError as error:
            if not isinstance(error, FileNotFoundError | NotADirectoryError):
                self.unread.append(str(unreadable(path, error)))
            return None
        if isinstance(before[1], ResultsUnreadable):
            self.unread.append(str(before[1]))
            return None
        return before[1]


WHO = ("pid", *attempt.TEXTS)
HOST = socket.gethostname()


def _said(event: Mapping[str, Any]) -> dict[str, Any]:
    """What an event says of the share done, epoch, loss and clips."""
    if "iteration" in event:
        share = min(1.0, event["iteration"] / event["of"])
        return {"share": share, "epoch": event["epoch"], "loss": event["loss"]}
    if "measured" in event:
        counted = (event["measured"], event["of"])
        return {"share": min(1.0, counted[0] / counted[1]), "counted": counted}
    return {}


def _running(
    case: Case, key: str, events: Sequence[Mapping[str, Any]], who: Mapping[str, Any], now: float
) -> CaseState:
    last = events[-1]
    said = _said(last)
    began, share = events[0]["time"], said.get("share", 0.0)
    left = last.get("seconds_left")
    if left is None and share:
        left = (last["time"] - began) * (1 - share) / share
    if left is not None:
        left = max(0.0, left - (now - last["time"]))
    return CaseState(
        case, RUNNING, key, **said, seconds=now - began, seconds_left=left, at=last["time"], who=who
    )


def states(study: Study, store: Store) -> list[CaseState]:
    """The state of every case of a study, in the plan's order; `Progress` looks again at less cost."""
    return Progress(study, store).look()


def rates(seen: Iterable[CaseState]) -> dict[str, float]:
    """Seconds a unit of cost, of trainings and of measurements, as far as they were timed.

    Of the newest results, and of what runs for the share it has done; where that was on a GPU, of those alone
    that were on one too, and likewise on a CPU.

    Args:
        seen: states, of the whole study.
    """
    found = {}
    for kind in (TRAINING, MEASUREMENT):
        timed = [
            (state.state == RUNNING, state.at, state.who.get("device", "")[:3], seconds, cost)
            for state in seen
            if state.case.spec.kind == kind
            for seconds, cost in [_timed(state)]
            if seconds and cost
        ]
        timed.sort(reverse=True)
        alike = [each for each in timed if each[2] == timed[0][2]][:NEWEST]
        if alike:
            found[kind] = sum(each[3] for each in alike) / sum(each[4] for each in alike)
    return found


def _timed(state: CaseState) -> tuple[float, float]:
    """Seconds that were timed, and for how much of the cost."""
    if state.state == DONE:
        return state.seconds or 0.0, float(state.case.cost)
    if state.state != RUNNING or state.seconds_left is None or not 0 < state.share < 1:
        return 0.0, 0.0
    whole = state.seconds_left / (1 - state.share)  # an earlier attempt may have done part of it
    return whole * state.share, state.case.cost * state.share


def left(seen: Iterable[CaseState], of: Mapping[str, float], workers: int = 0) -> Left:
    """How long it takes until all of some cases are done.

    Args:
        seen: their states.
        of: `rates`.
        workers: how many work on it; 0: as many as run now, at least one.
    """
    rest: list[float] = []
    running = untimed = 0
    for state in seen:
        if state.state == DONE:
            continue
        running += state.state == RUNNING
        seconds = state.seconds_left
        if seconds is None and state.case.spec.kind in of:
            seconds = of[state.case.spec.kind] * state.case.cost
            if state.state == RUNNING:
                seconds = max(0.0, seconds - (state.seconds or 0.0))
        if seconds is None:
            untimed += 1
        else:
            rest.append(seconds)
    workers = workers or max(1, running)
    if untimed and not rest:
        return Left(None, untimed, workers)
    return Left(max([sum(rest) / workers, *rest], default=0.0), untimed, workers)


def lasting(seconds: float) -> str:
    """A time in words: `42 s`, `21 min`, `3.5 h`, `12 days`."""
    for unit, size, most, digits in (("s", 1, 100, 0), ("min", 60, 100, 0), ("h", 3600, 72, 1)):
        if seconds / size < most:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds / 86400:.1f} days"


def told(state: CaseState) -> str:
    """How far a running case is, in words."""
    if state.counted:
        words = f"{state.counted[0]} of {state.counted[1]} clips measured"
    elif state.epoch is not None and state.loss is not None:
        words = f"{state.share:4.0%}, epoch {state.epoch:g}, loss {state.loss:.3f}"
    else:
        words = "started"
    return words + (f", about {lasting(state.seconds_left)} left" if state.seconds_left else "")


def told_reading(event: Mapping[str, Any]) -> str:
    """How far a corpus is, in words."""
    return f"{event['packed']} of {event['of']} clips decoded" if "packed" in event else "reading the corpus"


def counts(seen: Sequence[CaseState]) -> str:
    """How many are where: `37 of 105 done, 2 running, 66 left (1 failed, 2 cut off)`."""
    number = {name: sum(state.state == name for state in seen) for name in STATES}
    words = [f"{number[DONE]} of {len(seen)} done"]
    words += [f"{number[RUNNING]} running"] if number[RUNNING] else []
    rest = number[FAILED] + number[CUT_OFF] + number[MISSING]
    ended = ", ".join(f"{number[name]} {name}" for name in (FAILED, CUT_OFF) if number[name])
    words += [f"{rest} left" + f" ({ended})" * bool(ended)] if rest else []
    return ", ".join(words)


def standing(seen: Sequence[CaseState]) -> str:
    """How far a study is, in a line: `37 of 105 done, 2 running, 66 left; about 16 min left on 2 workers`."""
    rest = left(seen, rates(seen))
    return f"{counts(seen)}; {rest.words(f' on {rest.workers} worker' + 's' * (rest.workers > 1))}"


def command(cases: Sequence[Case], study: str, results: str = "") -> str:
    """What runs some cases, as typed in a shell: each by its whole id; of many, all of the study.

    Args:
        cases: none means all of the study, too.
        study: the study as the user names it.
        results: the results folder if it is not the usual one.
    """
    chosen = f' -k "{" or ".join(f"[{case.id}]" for case in cases)}"' if 0 < len(cases) <= NAMED else ""
    where = f" --results={shlex.quote(results)}" if results else ""
    return f"pytest cases/ --study {shlex.quote(study)}{where}{chosen}"


def status(seen: Sequence[CaseState], study: str, results: str = "", unread: Sequence[str] = ()) -> str:
    """What `python -m benchmark status` shows.

    Args:
        seen: the states of the whole study.
        study: the study as the user names it.
        results: the results folder if it is not the usual one.
        unread: of `Progress`.
    """
    running = [state for state in seen if state.state == RUNNING]
    lines = [f"Study {study}: {standing(seen)}"]
    width = max((len(state.case.id) for state in seen if state.state != MISSING), default=0)
    for state in running:
        by = ", ".join(str(state.who[name]) for name in ("worker", "device", "host") if state.who.get(name))
        by += f", process {state.who['pid']}" if "pid" in state.who else ""
        lines.append(
            f"  {state.case.id:{width}}  {told(state)}; {lasting(state.seconds or 0.0)} so far; {by}"
        )
    for name in (FAILED, CUT_OFF):
        ended = [state for state in seen if state.state == name]
        if not ended:
            continue
        lines += ["", f"{name.capitalize()}:"]
        for state in ended:
            why = state.failure.partition("\n")[0] or f"at {state.share:.0%}, nobody is at it any more"
            lines.append(f"  {state.case.id:{width}}  {printable(why)}")
        lines.append(f"Again: {command([state.case for state in ended], study, results)}")
    lost = [state for state in seen if state.state == DONE and state.failure]
    if lost:
        lines += ["", "Done, and failed when run again; the earlier result stands:"]
        lines += [f"  {state.case.id}  {state.failure.partition(chr(10))[0]}" for state in lost]
    if unread:
        lines += ["", *left_out(unread)]
    return printable("\n".join(lines))
