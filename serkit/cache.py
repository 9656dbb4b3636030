"""Where serkit keeps what it can make again: the synthetic corpora, packed audio, converted weights.

The user's cache folder of the system, or the folder that the environment variable `SERKIT_CACHE` names. All
in it may be deleted at any time. It must hold for every worker on a host, so that one makes a thing and the
others wait for it (a file lock beside it): on machines that share no disk each has its own.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import platformdirs

from serkit.errors import SerkitError

VARIABLE = "SERKIT_CACHE"


def cache_folder() -> Path:
    """The cache folder, made where it is missing.

    Returns:
        `$SERKIT_CACHE` as an absolute path, or the system's cache folder for `serkit` where that is unset or
        empty.

    Raises:
        SerkitError: the folder cannot be made or written.
    """
    chosen = os.environ.get(VARIABLE)
    folder = Path(chosen).expanduser().absolute() if chosen else platformdirs.user_cache_path("serkit")
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
