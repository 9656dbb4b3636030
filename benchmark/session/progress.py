"""How far a study is, from disk alone: the state of each case of its plan.

Looking disturbs no run. A case is
    done     its result is there and no later attempt runs;
    running  its claim is held (`serkit.results.Store.claimed`). Claims of another host cannot be seen: there
             it runs while its progress is younger than `ELSEWHERE_SECONDS`;
    failed   its last attempt ended with an error, in `error.json`;
    cut off  its last attempt was killed or interrupted;
    missing  nothing was begun. What fails before it has a key (a corpus that is not there) is missing, too.

Specs are compared without fingerprints: any copy of the corpora answers, as in the exhibits. Whatever stands
in the files, what is read of them are plain values, fit to be shown; one of the wrong type counts as absent.
"""

from __future__ import annotations

import functools
import json
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.study import Case, Study, plan
from serkit.errors import ResultsUnreadable
from serkit.files import parse_json, read_bytes, read_json, stamp, usual_number
from serkit.index import Index, asked, entry
from serkit.resultfile import Result, read, unreadable
from serkit.results import Store
from serkit.specs import Spec
from serkit.words import printable

DONE, RUNNING, FAILED, CUT_OFF, MISSING = "done", "running", "failed", "cut off", "missing"
RANKS = {RUNNING: 3, DONE: 2, FAILED: 1, CUT_OFF: 0}  # of attempts with different copies of the corpora
ELSEWHERE_SECONDS = 1800.0  # the paper's longest epoch at 30 clips a second; a kill there is seen as late
READING_SECONDS = 60.0  # an event of a corpus that is older is no news
HOST = socket.gethostname()

TEXTS = ("host", "device", "worker")
NUMBERS = (
    *("time", "pid", "iteration", "of", "epoch", "loss", "measured", "packed", "seconds_left"),
    *("kept", "bytes", "resumed"),
)
WHO = ("pid", *TEXTS)
WHOLE = (
    *({"iteration", "of", "epoch", "loss"}, {"measured", "of"}, {"packed", "of"}),
    *({"kept", "of", "bytes"}, {"resumed", "of"}),
)
"""The texts and numbers (0 or more) that an event may hold, and the sets of which it holds all or none."""

SO_FAR = ("iteration", "measured", "resumed")
"""The numbers that say how much is done."""
PARTS = ("spec", "corpora", "environment")
TIMES = ("training_clips", "clips_before", "wall_seconds", "train_seconds", "evaluate_seconds")
KEPT = {"key", "label", *PARTS, *TIMES}
"""The entries of a result that tell what it is of and how long such a case takes; of its spec the method."""


class Finished(NamedTuple):
    """What is kept of a result."""

    asked: str  # the key of its spec without fingerprints; empty of another method
    at: float  # when it finished, in seconds since 1970
    diverged: bool  # its loss stayed far above guessing (`serkit.resultfile.diverged`): tables leave it out
    result: dict[str, Any]  # its entries of `KEPT`


@dataclass(frozen=True)
class CaseState:
    """Where a case of the plan stands."""

    case: Case
    state: str  # `DONE`, `RUNNING`, `FAILED`, `CUT_OFF` or `MISSING`
    failure: str = (
        ""  # why it failed: `TrainingDiverged: the loss is nan ...`; of one that is done, a later time
    )
    last: Mapping[str, Any] = field(default_factory=dict)  # the last event of its progress, until it is done
    seconds: float = 0.0  # of a running case, since its start
    seconds_left: float | None = None  # of a running case, by its own pace; None until it has one
    at: float = 0.0  # when it finished or last said something, in seconds since 1970
    who: Mapping[str, Any] = field(default_factory=dict)  # of `WHO`, what is known of its last attempt
    finished: Finished | None = None  # where it is done
    kept: float | None = (
        None  # how much is done in the state that the next attempt goes on from, if there is one
    )
    kept_bytes: int = 0  # the size of that state

    @property
    def share(self) -> float:
        """How much of the work is done, in 0..1; of a running case as it last said."""
        so_far = next((self.last[name] for name in SO_FAR if name in self.last), 0.0)
        return 1.0 if self.state == DONE else min(1.0, so_far / self.last.get("of", 1.0))


class Progress:
    """Looks at a study's store again and again; a file that did not change is read once (`serkit.index`)."""

    def __init__(self, study: Study, store: Store) -> None:
        """Looks at nothing yet."""
        self.study, self.store = study, store
        self.cases = plan(study)
        self.unread: list[str] = []  # why stored files could not be read at the last look, a message each
        self.others: list[Mapping[str, Any]] = []  # what is kept of results by another method, likewise
        self._case_of = {case.spec.key: case for case in self.cases}
        self._index = Index(store)
        self._read_before: dict[str, tuple[str, Any]] = {}
        self._bundled_before: dict[str, tuple[Result, Finished]] = {}
        for known in self._index.kept("stamp", "finished", "asked", "diverged", *sorted(KEPT)):
            self._read_before[f"{store.folder}/{known['key']}/result.json"] = known["stamp"], _kept(known)

    def look(self) -> list[CaseState]:
        """The state of every case, in the plan's order."""
        now = time.time()
        self.unread, self.others = [], []
        best: dict[Spec, CaseState] = {}
        keys = self.store.keys(self.unread)
        for key in keys:
            if found := self._state(key, now):
                several = best.get(found.case.spec, found), found
                best[found.case.spec] = max(several, key=lambda state: (RANKS[state.state], state.at))
        self._index.save(keys)
        return [best.get(case.spec) or CaseState(case, MISSING) for case in self.cases]

    def reading(self) -> list[tuple[str, dict[str, Any]]]:
        """Titles of corpora that were read or decoded just now and are not done, each with its last event."""
        news = []
        for path in sorted((self.store.folder / ".reading").glob("*.jsonl")):
            last = (self._remembered(str(path), _events) or [{"time": 0.0}])[-1]
            done = "packed" in last and last["packed"] == last["of"]
            if not done and time.time() - last["time"] < READING_SECONDS:
                news.append((_in_a_line(self.study.titles.get(path.stem, path.stem)), last))
        return news

    def _state(self, key: str, now: float) -> CaseState | None:
        """What is stored of the case that a key answers; None where it answers none of this study's."""
        folder = f"{self.store.folder}/{key}"
        done = self._remembered(f"{folder}/result.json", self._read) or self._bundled(key)
        if done and not done.asked:
            self.others.append(done.result)
        by = done.asked if done else self._remembered(f"{folder}/spec.json", _spec)
        case = self._case_of.get(by) if by else None
        if case is None:
            return None
        events = self._remembered(f"{folder}/progress.jsonl", _events) or []
        first = events[0] if events else {}
        last = next((event for event in reversed(events) if event.keys() & {*SO_FAR}), first)
        began, said_at = first.get("time", 0.0), last.get("time", 0.0)
        who = {name: first[name] for name in WHO if name in first}
        # Reading a result claims it for an instant, too: only an attempt that began after it finished is
        # running, counted in whole seconds, as results are dated.
        newer = bool(events) and (done is None or int(began) > done.at)
        failure = ""
        if newer or done is None:
            failure = self._remembered(f"{folder}/error.json", _failure) or ""
        if newer and self._is_held(key, who, said_at, now):
            state = CaseState(case, RUNNING, last=last, seconds=now - began, at=said_at, who=who)
            left = last.get("seconds_left")
            went_on = next((event["resumed"] / event["of"] for event in events if "resumed" in event), 0.0)
            if left is None and state.share > went_on:
                left = (said_at - began) * (1 - state.share) / (state.share - went_on)
            return state if left is None else replace(state, seconds_left=max(0.0, left - (now - said_at)))
        if done:
            device = {"device": done.result["environment"]["device"]}
            return CaseState(case, DONE, failure, at=done.at, who=device, finished=done)
        state = CaseState(case, FAILED if failure else CUT_OFF, failure, last, at=said_at, who=who)
        with suppress(OSError):
            size = self.store.state_path(key).stat().st_size
            of = ((event, event.get("kept", event.get("resumed"))) for event in reversed(events))
            so_far = next((at / event["of"] for event, at in of if at is not None), None)
            return replace(state, kept=so_far, kept_bytes=size)
        return state

    def _bundled(self, key: str) -> Finished | None:
        """What the bundle says; None where it has nothing, or `unread` says why."""
        if (self.store.run_folder(key) / "result.json").exists():
            return None  # what counts is damaged: no report shows it
        try:
            result = next((found for of in self.store.bundles() if (found := of.get(key))), None)
        except ResultsUnreadable as error:
            self.unread.append(str(error))
            return None
        if result is None:
            return None
        of, before = self._bundled_before.get(key, ({}, None))
        if before is None or of is not result:
            before = _kept(entry(result))
            self._bundled_before[key] = result, before
        return before

    def _read(self, path: Path) -> Finished:
        """What is kept of a result's file."""
        at = stamp(path)
        return _kept(self._index.add(read(path), at))

    def _is_held(self, key: str, who: Mapping[str, Any], said_at: float, now: float) -> bool:
        held = self.store.claimed(key) if who.get("host", HOST) == HOST else None
        return now - said_at < ELSEWHERE_SECONDS if held is None else held

    def _remembered(self, path: str, parse: Callable[[Path], Any]) -> Any:
        """What a file holds; None where it is not there or cannot be read, and `unread` then says why."""
        at = ""
        try:
            if not (at := stamp(path)):
                return None
            before, found = self._read_before.get(path, ("", None))
            if before != at:
                found = parse(Path(path))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except ResultsUnreadable as error:
            found = error
        except (OSError, ValueError, TypeError, RecursionError) as error:
            found = unreadable(Path(path), error)
        self._read_before[path] = at, found
        if isinstance(found, ResultsUnreadable):
            self.unread.append(str(found))
            return None
        return found


_parsed = functools.lru_cache(1 << 14)(json.loads)  # parts that many results have alike are there once


def _kept(entry: Mapping[str, Any]) -> Finished:
    """What is kept of an entry of `serkit.index`."""
    kept = {name: entry[name] for name in KEPT if entry.get(name) is not None}
    kept |= {name: _parsed(entry[name]) for name in PARTS}
    at = datetime.fromisoformat(entry["finished"]).timestamp()
    return Finished(entry["asked"], at, entry["diverged"], kept)


def _spec(path: Path) -> str:
    """What a spec.json asks for, as `Finished.asked`."""
    data = read_json(path, usual_number)
    if not isinstance(data, dict):
        raise ValueError("expected an object")
    return asked(data)


def _failure(path: Path) -> str:
    """Why an attempt failed, from its error.json."""
    try:
        found = read_json(path)
        return printable(f"{found['error']}: {found['message']}")
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError):
        return "its error.json cannot be read"


def _events(path: Path) -> list[dict[str, Any]]:
    """The events of a progress file; a line that is no event, or is still being written, is skipped."""
    return [event for line in read_bytes(path).splitlines() if (event := _event(line))]


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        found = parse_json(line, usual_number)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    numbers = {name: found[name] for name in NUMBERS if type(found.get(name)) in (int, float)}
    event: dict[str, Any] = {name: number for name, number in numbers.items() if number >= 0}
    event |= {name: _in_a_line(found[name]) for name in TEXTS if isinstance(found.get(name), str)}
    if not event.get("of"):
        event.pop("of", None)
    whole = all(event.keys() >= words or not event.keys() & (words - {"of"}) for words in WHOLE)
    return event if whole and "time" in event else None


def _in_a_line(text: str) -> str:
    """Text as a row of a terminal may show it."""
    return printable(" ".join(text.split()))
