"""Finding a corpus: the folders at or below the user's, looked at level by level.

What may not be looked at is passed over, and a message says which. Links are followed, because corpora often
lie on another disk; each folder is looked at once, by whatever name it is met first, whatever links lead up.
"""

import errno
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from serkit.errors import CorpusMissing, CorpusUnfit, SerkitError

DEPTH = 6  # below the data folder: any delivered layout, wrapped in a few folders of the user's own
NAMED = 3  # folders in a message
KERNELS = ("/proc", "/sys")  # no disks: their folders hold links to everything, and no corpus


@dataclass(frozen=True)
class Found:
    """Where a corpus is: its top folder, and what a user should know about the search."""

    folder: Path
    notes: tuple[str, ...] = ()


def search(module: ModuleType, title: str, data: Path | None, options: Mapping[str, Any]) -> Found:
    """As `serkit.corpora.find`, for the reader's corpus called `title`."""
    how = f"how to get it: {module.PAGE}"
    if data is None:
        raise CorpusMissing(
            f"{title}: SERKIT_DATA is not set; point it at the folder your corpora lie in ({how})"
        )
    try:
        os.stat(f"{data}/")
    except (OSError, ValueError) as error:
        nothing = (None, errno.ENOENT, errno.ENOTDIR)
        why = "which is not a folder" if getattr(error, "errno", None) in nothing else f"and: {error}"
        raise CorpusMissing(f"{title}: SERKIT_DATA names {data}, {why} ({how})") from error
    passed: dict[str, str] = {}
    alike = _alike(module, data, passed)
    try:
        if not alike:
            raise CorpusMissing(f"{title}: no folder at or below {data} looks like it ({DEPTH} levels down)")
        if hasattr(module, "choose"):
            alike = [(1, folder) for folder in module.choose([folder for _, folder in alike], **options)]
    except CorpusMissing as error:
        said = [str(error)]
        if looks_like := getattr(module, "LOOKS_LIKE", ""):
            said.append(f"looked for {looks_like}")
        if passed:
            denied_first = sorted(passed.items(), key=lambda one: one[1] != os.strerror(errno.EACCES))
            said.append(f"passed over {_some([f'{name} ({why})' for name, why in denied_first])}")
        raise CorpusMissing(f"{'; '.join(said)} ({how})") from None
    best = max(alike, key=lambda one: one[0])[1]  # the first of equals
    others = [str(folder) for _, folder in alike if folder != best]
    note = f"other folders look like {title} too and are not read: {_some(others)}"
    return Found(best, (note,) if others else ())


def _alike(module: ModuleType, data: Path, passed: dict[str, str]) -> list[tuple[int, Path]]:
    """Folders that look like the corpus, and how much, by depth and then by name."""
    alike = []
    enough = getattr(module, "WHOLE", math.inf)
    for level in _levels(data, passed):
        for folder in level:
            likeness = 0
            try:
                with _passing_over(folder, passed):
                    likeness = int(module.is_here(folder) or 0)
            except Exception as error:  # of a reader in somebody's package
                raise SerkitError(
                    f"the corpus reader {module.__name__} failed to say whether {folder} is its corpus"
                    f" ({type(error).__name__}: {error}); expected a number: mend that reader"
                ) from error
            if likeness:
                alike.append((likeness, folder))
        if any(likeness >= enough for likeness, _ in alike):
            break
    return alike


def _levels(data: Path, passed: dict[str, str]) -> Iterator[list[Path]]:
    """Folders at or below `data`, each once, by depth and then by name."""
    kernels = {os.stat(top).st_dev for top in KERNELS if os.path.ismount(top)}
    known: set[tuple[int, int]] = set()
    level = [data]
    for _ in range(DEPTH + 1):
        new = []
        for folder in level:
            with _passing_over(folder, passed):
                at = os.stat(folder)
                if at.st_dev not in kernels and (at.st_dev, at.st_ino) not in known:
                    known.add((at.st_dev, at.st_ino))
                    new.append(folder)
        yield new
        level = [inner for folder in new for inner in _inside(folder, passed)]


def _inside(folder: Path, passed: dict[str, str]) -> list[Path]:
    """The folders in a folder, without hidden ones, by name."""
    found = []
    with _passing_over(folder, passed), os.scandir(folder) as entries:
        for entry in entries:
            with _passing_over(entry.path, passed):
                if not entry.name.startswith(".") and entry.is_dir():
                    found.append(entry.name)
    return [folder / name for name in sorted(found)]


@contextmanager
def _passing_over(folder: Path | str, passed: dict[str, str]) -> Iterator[None]:
    """Notes in `passed` what may not be looked at, and why."""
    try:
        yield
    except (CorpusUnfit, OSError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if isinstance(cause, OSError):
            passed[str(cause.filename or folder)] = cause.strerror or str(cause)
        else:
            passed[str(folder)] = str(error)


def _some(names: list[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
