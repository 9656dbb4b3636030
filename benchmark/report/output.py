"""Where a command that measures for minutes writes: tried before, written whole."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serkit.errors import ResultsUnwritable
from serkit.files import write_whole


def claim(output: Path) -> None:
    """Makes the folder of a file to come and tries to write there. Raises ResultsUnwritable."""
    draft = output.with_name(f"{output.name}.draft")
    with written(output):
        output.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        draft.touch()
        draft.unlink()


def write(output: Path, content: str) -> None:
    """Writes a text whole or not at all. Raises ResultsUnwritable."""
    with written(output):
        write_whole(output, content)


@contextmanager
def written(output: Path) -> Iterator[None]:
    """Raises ResultsUnwritable for what keeps a file from being written."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise ResultsUnwritable(f"{output} cannot be written: {why}; give another --output") from error


@contextmanager
def missing_letters_named_once() -> Iterator[None]:
    """One line for all letters that matplotlib's font lacks; matplotlib warns of each, at each drawing."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield
    letters: dict[str, None] = {}
    for at in seen:
        if glyph := re.match(r"Glyph (\d+) ", str(at.message)):
            letters[chr(int(glyph[1]))] = None
        else:
            warnings.warn_explicit(at.message, at.category, at.filename, at.lineno)
    if letters:
        boxes = f"pictures show boxes for {''.join(letters)}, which matplotlib's font lacks"
        warnings.warn(f"{boxes}; SVG files have them as text", stacklevel=3)
