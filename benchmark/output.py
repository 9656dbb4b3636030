"""Where a command that measures for minutes writes: tried before, written whole."""

from __future__ import annotations

import os
from pathlib import Path

from serkit.errors import ResultsUnwritable


def claim(output: Path) -> None:
    """Makes the folder of a file to come and tries to write there, before minutes are spent.

    Raises:
        ResultsUnwritable: it cannot be written.
    """
    draft = _draft(output)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        draft.touch()
        draft.unlink()
    except OSError as error:
        raise ResultsUnwritable(f"{output} cannot be written: {error}; give another --output") from error


def write(output: Path, content: str) -> None:
    """Writes a text whole or not at all."""
    draft = _draft(output)
    draft.write_text(content, encoding="utf-8")
    os.replace(draft, output)


def _draft(output: Path) -> Path:
    return output.with_name(f"{output.name}.draft")
