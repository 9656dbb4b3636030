"""A finished training is never thrown away: saved late, or kept elsewhere until the next session wants it.

It is kept in the cache folder or the system's temporary one, under its key, which says all of what it is: it
may come home to any folder of results.
"""

import functools
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from serkit.errors import ResultsUnreadable, ResultsUnwritable, SerkitError
from serkit.files import cache_folder, write_by
from serkit.resultfile import read

PATIENCE_S, PAUSE_S = 60.0, 1.0
USER = os.getuid() if hasattr(os, "getuid") else 0


def save(folder: Path, write: Callable[[Path], None]) -> None:
    """Saves a finished run in its folder, called by its key; `write` does it, with `result.json` last.

    Raises ResultsUnwritable where that was not possible for a minute; says where it is kept.
    """
    ends = time.monotonic() + PATIENCE_S
    while True:
        try:
            return write(folder)
        except OSError as error:
            tried = [f"{folder} ({error.strerror or error})"]
        if time.monotonic() >= ends:
            break
        time.sleep(PAUSE_S)
    with suppress(OSError):
        _in_temporary().mkdir(mode=0o700)
    for place in _places(folder.name):
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            write(place)
        except OSError as error:
            tried.append(f"{place} ({error.strerror or error})")
            continue
        kept = f"the run is finished and could not be saved to {tried[0]}. It is kept in {place}: make room"
        cure = "name another folder with --results or SERKIT_RESULTS, and call the same command again"
        raise ResultsUnwritable(f"{kept}, or {cure}: it moves it there")
    cure = "Make room, or name other folders with SERKIT_RESULTS and SERKIT_CACHE, and run it again"
    raise ResultsUnwritable(f"the run is finished and could be saved nowhere: {', '.join(tried)}. {cure}")


def bring_home(folder: Path) -> bool:
    """Moves what was kept of a run into its folder, unless something newer is there; says whether it did."""
    for place in _places(folder.name):
        try:
            kept = read(place / "result.json")
        except (OSError, ResultsUnreadable):
            continue
        with suppress(OSError, ResultsUnreadable):
            if read(folder / "result.json")["finished"] >= kept["finished"]:
                continue
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(place.iterdir(), key=lambda path: path.name == "result.json"):  # the last
                write_by(folder / path.name, functools.partial(shutil.copyfile, path))
        except OSError as error:
            why = f"the finished run that is kept in {place} cannot be moved to {folder} ({error.strerror})"
            cure = "make room, or name another folder with SERKIT_RESULTS"
            raise ResultsUnwritable(f"{why}: {cure}") from error
        shutil.rmtree(place, ignore_errors=True)
        return True
    return False


def _places(key: str) -> Iterator[Path]:
    """Where a run may be kept, best first; in the system's temporary folder nobody else may write there."""
    with suppress(SerkitError):
        yield cache_folder() / "kept" / key
    with suppress(OSError):
        about = _in_temporary().lstat()
        others = stat.S_IWGRP | stat.S_IWOTH
        if stat.S_ISDIR(about.st_mode) and about.st_uid == USER and not about.st_mode & others:
            yield _in_temporary() / key


def _in_temporary() -> Path:
    return Path(tempfile.gettempdir()) / f"serkit-kept-{USER}"
