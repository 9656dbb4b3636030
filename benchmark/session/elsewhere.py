"""Jobs that other processes do, on this machine or another: plain data there, plain data back.

An engine takes a text to a node, calls `do` there, and brings the answer back; `Driver` makes the text of a
job, and of an answer a key or an error. What is stored already is asked about once: a node says which keys
its copy of the corpora gives, and what is stored under these is not done again.

Results lie in a folder that driver and nodes share. Where there is none (`--return-results`), a node keeps
them in its cache folder and their files come back with the answer.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
import traceback
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from benchmark.session import machine, work
from benchmark.session.progress import HOST
from benchmark.session.work import Place
from serkit import __version__, encoders
from serkit.errors import CorpusMissing, SerkitError, SpecError
from serkit.files import cache_folder, parse_json
from serkit.index import Index
from serkit.resultfile import TABLE_OF
from serkit.results import Store
from serkit.settings import check
from serkit.specs import Spec, from_json
from serkit.words import shown

SEEN_S = 30.0  # until a result that another host wrote is seen in a shared folder
RETRIES = 3
"""How often a job is begun again whose process or node was lost; what it raised itself is not tried again."""
STORED = "stored"
"""The beginning of what is asked about results that are there; all other names are of runs."""

Answer = dict[str, Any]
"""What a node says: `keys`, or `error` with its `message`; `host`, `warnings`, and `files` that come back.

Of results that are stored a key is empty where the node cannot tell it.
"""
Send = Callable[[str, str], Callable[[], Answer]]
"""An engine's: takes a name and a text to a node; what it returns waits for the answer."""


class JobFailed(SerkitError):
    """A job that was done elsewhere ended without a result."""


class Driver:
    """The process that asks for jobs: for each that is missing once, for all that are stored together."""

    def __init__(self, chosen: Callable[[str], Any], place: Place, send: Send) -> None:
        """Asks for nothing yet. `chosen` says what options of the command line are."""
        self.place, self.gpu, self.cores = place, bool(chosen("gpus")), int(chosen("cores"))
        self._returned = bool(chosen("return_results"))
        self._send = send
        self._jobs: list[Spec] = []
        self._stored: dict[str, list[str]] = {}  # keys of what is stored, by the key of what a plan asks for
        self._asked: list[Spec] = []  # of the jobs those that have results
        self._waits: dict[Spec, Callable[[], Answer]] = {}  # for those that are asked for
        self._keys: Callable[[], dict[Spec, str]] = dict  # by the copy of the corpora that a node has
        self._shared = True  # until a result was not seen

    def submit(self, job: Spec) -> Callable[[], str]:
        """Notes a job; what it returns waits for the key, once `begin` was called.

        Which raises CorpusMissing, and JobFailed for anything else that the job raised.
        """
        self._jobs.append(job)
        return partial(self._key, job)

    def begin(self) -> None:
        """Asks about all that is stored, then for what is missing. Raises SerkitError."""
        self.place.store.check_writable()
        if not self.place.rerun:
            found = Index(self.place.store).everything([])
            for asked, key in zip(found["asked"].to_pylist(), found["key"].to_pylist(), strict=True):
                self._stored.setdefault(asked, []).append(key)
        self._asked = [job for job in self._jobs if job.key in self._stored]
        if self._asked:
            said = self._send(f"{STORED}-{uuid.uuid4().hex[:12]}", self._text(self._asked, only_keys=True))
            self._keys = cache(
                lambda: dict(zip(self._asked, answered(said(), len(self._asked)), strict=True))
            )
        for job in self._jobs:
            if job.key not in self._stored:
                self._ask(job)

    def _ask(self, job: Spec) -> None:
        self._waits[job] = self._send(job.key, self._text([job]))

    def _key(self, job: Spec) -> str:
        """The key of a job, whose result is done again if it is of another copy or damaged."""
        if job.key in self._stored:
            key = self._keys()[job]
            if key in self._stored[job.key] and self.place.store.finished(key, TABLE_OF[job.kind]):
                return key
            self._ask(job)
        answer = self._waits[job]()
        (key,) = answered(answer, 1)
        of_it = Path(key).name == key and key.startswith(f"{job.label}-")
        check(of_it, f"{shown(key)} is no key of {job.label}")
        if self._returned:
            self.place.store.take(key, answer.get("files", {}), TABLE_OF[job.kind])
        elif not self._is_seen(key):
            why = f"{job.label} is done on {answer['host']}, and its result is not seen here"
            cure = f"name a folder that nodes share (--results; now {self.place.store.folder.parent})"
            raise JobFailed(f"{why}; {cure}, or let results come back: --return-results (Ray)")
        return key

    def _is_seen(self, key: str) -> bool:
        """Whether a result is in the shared folder, which may take some seconds; waited for in vain once."""
        ends = time.monotonic() + (SEEN_S if self._shared else 0.0)
        while not (seen := (self.place.store.run_folder(key) / "result.json").exists()):
            if time.monotonic() > ends:
                break
            time.sleep(0.5)
            with suppress(OSError):
                os.listdir(self.place.store.folder)  # which makes a network file system look again
        self._shared = seen
        return seen or self.place.store.get(key) is not None  # in a bundle

    def _text(self, jobs: Sequence[Spec], only_keys: bool = False) -> str:
        """What a node is told: no code, and no more than a study's file and the command line say."""
        place = vars(self.place) | {"data": self.place.data and str(self.place.data.absolute())}
        place |= {"store": str(self.place.store.folder.absolute()), "device": "cuda" if self.gpu else "cpu"}
        told = {
            "version": __version__,
            "jobs": [job.to_json() for job in jobs],
            "only_keys": only_keys,
            "place": place,
            "beside": [str(folder.absolute()) for folder in encoders.BESIDE],
            "cores": self.cores,
            "returned": self._returned,
        }
        return json.dumps(told)


def read_answer(text: bytes) -> Answer:
    """An answer as a file holds it. Raises JobFailed."""
    with suppress(ValueError):
        answer = parse_json(text)
        if isinstance(answer, dict) and isinstance(answer.get("host"), str):
            said = [answer.get("error"), answer.get("message")] if "error" in answer else answer.get("keys")
            texts = (said, answer.get("warnings"))
            if all(isinstance(of, list) and all(isinstance(one, str) for one in of) for of in texts):
                return answer
    raise JobFailed(f"a job's answer is none: {shown(text[:80].decode(errors='replace'))}")


def answered(answer: Answer, number: int) -> list[str]:
    """So many keys that a node says; passes its warnings on. Raises CorpusMissing, else JobFailed."""
    for text in answer["warnings"]:
        warnings.warn(f"{answer['host']}: {text}", stacklevel=2)
    if "error" in answer:
        if answer["error"] == CorpusMissing.__name__:
            raise CorpusMissing(f"{answer['message']} (on {answer['host']})")
        raise JobFailed(f"{answer['error']} on {answer['host']}: {answer['message']}")
    if len(answer["keys"]) != number:
        raise JobFailed(f"{answer['host']} answered {len(answer['keys'])} keys, not {number}")
    return list(answer["keys"])


def do(text: str) -> Answer:
    """What a `Driver` asks for, done by this process, which does nothing else. Raises nothing but its end."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("default")
        try:
            answer = _done(json.loads(text))
        except SerkitError as error:
            answer = {"error": type(error).__name__, "message": str(error)}
        except Exception as error:
            answer = {"error": type(error).__name__, "message": traceback.format_exc()}
    return answer | {"host": HOST, "warnings": [str(one.message) for one in said]}


def _done(told: Mapping[str, Any]) -> Answer:
    other = f"serkit here is {__version__}, that of the session {told['version']}: install the same"
    check(told["version"] == __version__, other)
    machine.settle_threads(told["cores"])
    encoders.BESIDE[:] = map(Path, told["beside"])
    place = _placed(told)
    jobs = [from_json(job) for job in told["jobs"]]
    if told["only_keys"]:
        return {"keys": [_key_of(job, place) for job in jobs]}
    (key,) = (work.do(job, place) for job in jobs)
    return {"keys": [key], "files": place.store.files(key) if told["returned"] else {}}


def _key_of(job: Spec, place: Place) -> str:
    """The key, or nothing where a corpus is missing or unfit: whoever does the job is told why."""
    try:
        return work.key_of(job, place)
    except SerkitError:
        return ""


def _placed(told: Mapping[str, Any]) -> Place:
    """Where a node does a job: as the driver says, and on this machine's GPU. Raises SpecError."""
    given = told["place"]
    folder, data = Path(given["store"]), given["data"]
    place = Place(**given | {"data": Path(data) if data else None, "store": Store(folder), "worker": HOST})
    if place.device == "cuda" and not told["only_keys"] and not machine.visible_gpus():
        lent = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
        raise SpecError(f"a GPU was asked for (--gpus), and none is here (CUDA_VISIBLE_DEVICES: {lent})")
    if not told["returned"]:
        return place
    whose = hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:12]
    return replace(place, store=Store(cache_folder() / "returned" / f"{folder.name}-{whose}"))


def lost(name: str, why: str) -> JobFailed:
    """What is said of a job that no process ended."""
    again = "the same command does it again, from its last state if one was kept (docs/reliability.md)"
    return JobFailed(
        f"{name} was begun {RETRIES + 1} times, and each time its process was lost ({why}); {again}"
    )
