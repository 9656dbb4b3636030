"""Where serkit keeps what it can make again: the synthetic corpora, packed audio, converted weights.

The user's cache folder of the system, or the folder that the environment variable `SERKIT_CACHE` names. All
in it may be deleted at any time. It must hold for every worker on a host, so that one makes a thing and the
others wait for it (a file lock beside it): on machines that share no disk each has its own.
"""

from __future__ import annotations

import getpass
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import platformdirs

from serkit.errors import SerkitError

VARIABLE = "SERKIT_CACHE"
HOUSED = ("MPLCONFIGDIR", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
"""Where libraries look for a place of their own; torch's compiler names its folder after the user."""


def cache_folder() -> Path:
    """The cache folder, made where it is missing.

    Returns:
        `$SERKIT_CACHE` as an absolute path, or the system's cache folder for `serkit` where that is unset or
        empty.

    Raises:
        SerkitError: the folder cannot be made or written, or there is no home folder for it.
    """
    chosen = os.environ.get(VARIABLE)
    try:
        folder = (Path(chosen) if chosen else platformdirs.user_cache_path("serkit")).expanduser().absolute()
    except RuntimeError as error:
        raise SerkitError(
            f"no cache folder: this user has no home folder (HOME is not set); set {VARIABLE} to the whole"
            " path of a folder that you can write"
        ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):  # permission bits say little on a network disk: try it
            pass
    except OSError as error:
        came_from = f"{VARIABLE} names it" if chosen else f"the system's default; {VARIABLE} is not set"
        raise SerkitError(
            f"cannot write the cache folder {folder} ({error.strerror}; {came_from});"
            f" set {VARIABLE} to a folder that you can write"
        ) from error
    return folder


def house_libraries() -> None:
    """Lends other libraries a place in the cache folder where the user has no home, or no name, for theirs.

    Without one torch, librosa and numba fail as they are imported, and matplotlib warns. What the environment
    already says stays. Call it before they are imported; where there is no cache folder nothing is lent.
    """
    home = os.path.expanduser("~")
    homeless = not (os.path.isdir(home) and os.access(home, os.W_OK))
    if not homeless and _has_name():
        return
    with suppress(SerkitError):
        folder = str(cache_folder() / "libraries")
        for variable in ("TORCHINDUCTOR_CACHE_DIR", *(HOUSED if homeless else ())):
            os.environ.setdefault(variable, folder)


def _has_name() -> bool:
    try:
        return bool(getpass.getuser())
    except (KeyError, OSError):  # no passwd entry; OSError from Python 3.13 on
        return False
