"""What is left over in folders of results and in the cache: found, and removed where that is asked for.

Each can be made again, is there twice or is of no use: no result, trained network or bundle is among them.
What a process of this host holds by a lock stays, and what was written within the hour, since other hosts may
share a folder and no locks. Names are those that serkit gives; links are never followed, whoever made them.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import filelock

from serkit.corpora.reading.folder import ORIGIN
from serkit.errors import ResultsUnreadable
from serkit.files import read_json
from serkit.resultfile import BUNDLE, EMBEDDINGS, read
from serkit.results import OF_ENCODERS, OF_JOBS, PROBE, REFUSED, STATE, Store

HOUR_S, DAY_S = 3600, 86_400
PROBES, DRAFTS = "Probes of sessions that ended", "Drafts that nobody finished"
LOCKS, STATES = "Locks of what is finished or gone", "States of trainings that are finished"
SET_ASIDE, HOME = "Damaged results, set aside and made again", "Kept results that came home"
GONE, BEFORE = "Packs of corpora that are no longer there", "Packs of corpora that changed since"
NO_PACK, UNUSED = "Embeddings of packs that are gone", "Not used for {} days"
PROBED = re.compile(re.escape(PROBE) + r"\d+")
OF_RUNS = ("result.json", "spec.json", "error.json", "scores.parquet", "estimates.parquet", EMBEDDINGS, STATE)
DRAFTED = re.compile(rf"({'|'.join(map(re.escape, OF_RUNS))}|model\.pt|part-\d+\.parquet)(\.[^.]+)?\.draft")
MADE = {
    "packed": re.compile(r".+-\d+-[0-9a-f]{16}", re.DOTALL),
    "embedded": re.compile("[0-9a-f]{32}"),
    "unpacked": re.compile("[0-9a-f]{16}"),
    "": re.compile("synthetic-[0-9a-f]{12}"),
}
"""The names of what `made_once` makes, by where it lies in the cache."""


class Leftover(NamedTuple):
    """A file, or a folder with all that is in it."""

    path: Path
    why: str  # one of those above
    bytes: int
    seconds: float  # since it was written last or, in the cache, used
    lock: Path | None = None  # whoever works on it holds this one


def in_results(root: Path, days: float) -> Iterator[Leftover]:
    """What is left over in a results folder; of what queued jobs left there, what is so many days old."""
    for path in _entries(root.resolve()):
        if path.suffix == ".draft" and BUNDLE in path.suffixes:
            yield from _old(path, DRAFTS)
        for inner in _entries(path):
            if PROBED.fullmatch(inner.name):
                yield from _old(inner, PROBES)
        if _entries(path) and _is(path / ".locks", stat.S_ISDIR):  # as every session and report leaves it
            yield from _in_study(path)
            yield from _unused(_entries(path / OF_JOBS), days)


def _in_study(folder: Path) -> Iterator[Leftover]:
    for lock in _finished_locks(folder):
        yield from _old(lock, LOCKS, lock)
    for place in (folder, *_entries(folder / OF_ENCODERS)):
        for path in _entries(place):
            yield from _old(path, DRAFTS) if path.suffix == ".draft" else ()
    for path in _entries(folder):
        yield from _in_run(path, folder / ".locks" / f"{path.name}.lock")


def _in_run(folder: Path, lock: Path) -> Iterator[Leftover]:
    done = _is(folder / "result.json")
    for path in _entries(folder) if done or _is(folder / "spec.json") else ():
        if DRAFTED.fullmatch(path.name):
            yield from _old(path, DRAFTS, lock)
        elif done and path.name == STATE:
            yield from _old(path, STATES, lock)
        elif done and re.fullmatch(r"damaged-\d+\.json", path.name):
            yield from _old(path, SET_ASIDE, lock)


def in_cache(cache: Path, root: Path, days: float) -> Iterator[Leftover]:
    """What is left over in a cache folder, or was not used for so many days; `root` is a results folder."""
    cache = cache.resolve()
    packs = {path: _json(path / "pack.json") for path in _made(cache, "packed")}
    for place in MADE:
        drafts = [path for path in _entries(cache / place) if path.suffix == ".draft"]
        for path in _made(cache, place):
            whole = _is(path, stat.S_ISDIR)
            lock, state = (path.with_name(f"{path.name}.{of}") for of in ("lock", "state"))
            why = _why(path, packs) or _why_unused(path, days) if whole else ""
            yield from _old(path, why, lock) if why else ()
            yield from _old(state, STATES, lock) if whole else ()
            for draft in (draft for draft in drafts if draft.name.startswith(f"{path.name}.")):
                yield from _old(draft, DRAFTS, lock)
            yield from _old(lock, LOCKS, lock) if why or not whole else ()
    yield from _unused((run for study in _entries(cache / "returned") for run in _entries(study)), days)
    yield from _unused(_entries(cache / "results"), days)
    for path in _entries(cache / "kept"):
        if not re.fullmatch(".+-[0-9a-f]{12}", path.name) or not _is(path, stat.S_ISDIR):
            continue
        if not _is(path / "result.json"):
            yield from _old(path, DRAFTS)
        elif any(_same(path, study / path.name) for study in _entries(root.resolve())):
            yield from _old(path, HOME)


def _unused(paths: Iterable[Path], days: float) -> Iterator[Leftover]:
    """What was last written, or used, more than so many days ago."""
    for path in paths:
        if why := _why_unused(path, days):
            yield from _old(path, why)


def _why_unused(path: Path, days: float) -> str:
    """That nobody used it for so many days; empty where somebody did."""
    used = _used(path)
    return UNUSED.format(f"{days:g}") if used is not None and time.time() - used > days * DAY_S else ""


def remove(leftover: Leftover) -> str:
    """Removes one; returns why it could not be, empty where it is gone."""
    path = leftover.path
    try:
        with _held(leftover.lock):
            if os.path.realpath(path.parent) != str(path.parent):
                return "its folder is a link now"
            shutil.rmtree(path) if stat.S_ISDIR(path.lstat().st_mode) else path.unlink()
    except FileNotFoundError:
        return ""
    except filelock.Timeout:
        return "a process holds it now"
    except REFUSED as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


def sweep_locks(store: Store) -> None:
    """Removes the locks of finished runs, as far as nobody holds them.

    Each while it is held here, so nobody trains behind it. Who waits for it then holds a file without a name:
    filelock sees that, and begins again with a new one. An old one does not see it; then two may hold the run
    at once, and both find its result.
    """
    for lock in _finished_locks(store.folder):
        with suppress(filelock.Timeout, *REFUSED), _held(lock):
            lock.unlink()


def _finished_locks(folder: Path) -> list[Path]:
    locks = [lock for lock in _entries(folder / ".locks") if lock.suffix == ".lock"]
    return [lock for lock in locks if _is(folder / lock.stem / "result.json")]


@contextmanager
def _held(lock: Path | None) -> Iterator[None]:
    """Holds a lock that is there, so that nobody else does. Raises filelock.Timeout, or one of `REFUSED`."""
    if lock is None or not os.path.lexists(lock):
        yield
        return
    if not _is(lock):
        raise OSError("its lock is no file")
    with filelock.FileLock(lock, blocking=False):
        yield


def _old(path: Path, why: str, lock: Path | None = None) -> Iterator[Leftover]:
    """A leftover, if it is there, an hour old, and nobody holds it."""
    used = _used(path)
    if used is None or time.time() - used < HOUR_S:
        return
    try:
        with _held(lock):
            pass
    except (filelock.Timeout, *REFUSED):
        return
    yield Leftover(path, why, sum(at.st_size for at in _stats(path)), time.time() - used, lock)


def _why(path: Path, packs: dict[Path, Any]) -> str:
    """Why nobody needs what is made any more, as far as it says, and can be believed, of what it is."""
    origin = _json(path / ORIGIN)
    if path in packs and Path(folder := str(origin.get("folder", ""))).is_absolute():
        if not os.path.isdir(folder):
            return GONE
        like = [at for at, about in packs.items() if _like(about) == _like(packs[path])]
        same = [_used(at) or 0.0 for at in like if _json(at / ORIGIN) == origin]
        return BEFORE if (_used(path) or 0.0) < max(same, default=0.0) else ""
    known = [about.get("digest") for about in packs.values()]
    return NO_PACK if "pack" in origin and origin["pack"] not in known else ""


def _like(about: Any) -> tuple[Any, Any]:
    """What two packs of one selection of clips have in common."""
    return about.get("rate_hz"), about.get("clips")


def _same(kept: Path, home: Path) -> bool:
    """Whether a kept result is at home, or a newer one of the run."""
    with suppress(OSError, ResultsUnreadable):
        return bool(read(home / "result.json")["finished"] >= read(kept / "result.json")["finished"])
    return False


def _made(cache: Path, place: str) -> list[Path]:
    """What is made there, or was, or is being made."""
    behind = re.compile(rf"({MADE[place].pattern})(\.[\w-]+)*", re.DOTALL)
    found = (behind.fullmatch(path.name) for path in _entries(cache / place))
    return [cache / place / name for name in sorted({name[1] for name in found if name})]


def _json(path: Path) -> dict[str, Any]:
    """An object of JSON; an empty one where there is none."""
    try:
        found = read_json(path)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _entries(folder: Path) -> list[Path]:
    """What lies in a folder; nothing in a link to one."""
    try:
        return sorted(folder.iterdir()) if _is(folder, stat.S_ISDIR) else []
    except OSError:
        return []


def _is(path: Path, kind: Any = stat.S_ISREG) -> bool:
    """Whether a path is itself a file, or of another kind: a link is neither."""
    try:
        return bool(kind(path.lstat().st_mode))
    except OSError:
        return False


def _used(path: Path) -> float | None:
    """When a file, or a folder with all that is in it, was last written, in seconds since 1970."""
    return max((at.st_mtime for at in _stats(path)), default=None)


def _stats(path: Path) -> list[os.stat_result]:
    """What the system says of a path and all that is in it: no link is followed."""
    inside = os.walk(path) if _is(path, stat.S_ISDIR) else ()
    paths = [path, *(Path(top, name) for top, folders, files in inside for name in (*folders, *files))]
    found = []
    for each in paths:
        with suppress(OSError):
            found.append(each.lstat())
    return found
