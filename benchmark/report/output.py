"""Where a command that measures for minutes writes: tried before, written whole."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serkit.errors import ResultsUnwritable
from serkit.files import write_whole


def claim(output: Path) -> None:
    """Makes the folder of a file to come and tries to write there, before minutes are spent.

    Raises:
        ResultsUnwritable: it cannot be written.
    """
    draft = output.with_name(f"{output.name}.draft")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        draft.touch()
        draft.unlink()
    except OSError as error:
        raise unwritable(output, error) from error


def write(output: Path, content: str) -> None:
    """Writes a text whole or not at all.

    Raises:
        ResultsUnwritable: it cannot be written.
    """
    try:
        write_whole(output, content)
    except OSError as error:
        raise unwritable(output, error) from error


def unwritable(output: Path, error: OSError) -> ResultsUnwritable:
    """What is said of a place that cannot be written, and what helps."""
    return ResultsUnwritable(f"{output} cannot be written: {error.strerror or error}; give another --output")


@contextmanager
def missing_letters_named_once() -> Iterator[None]:
    """One line for all letters that matplotlib's font lacks; matplotlib warns of each, at each drawing."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        yield
    lacking = [str(at.message).partition("Glyph ")[2].partition(" ")[0] for at in seen]
    letters = "".join(dict.fromkeys(chr(int(code)) for code in lacking if code.isdigit()))
    for at, code in zip(seen, lacking, strict=True):
        if not code.isdigit():
            warnings.warn_explicit(at.message, at.category, at.filename, at.lineno)
    if letters:
        warnings.warn(
            f"pictures show boxes for {letters}, which matplotlib's font lacks; SVG files have them as text",
            stacklevel=3,
        )
