"""What the files of one attempt say, whatever stands in them: plain values, fit to be shown.

An entry of the wrong type counts as absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from serkit.errors import SpecError
from serkit.files import parse_json, read_bytes, read_json, usual_number
from serkit.resultfile import Result, diverged, read
from serkit.specs import Spec, from_json
from serkit.words import printable

TEXTS = ("host", "device", "worker")
NUMBERS = ("time", "pid", "iteration", "of", "epoch", "loss", "measured", "packed", "seconds_left")
WHOLE = ({"iteration", "of", "epoch", "loss"}, {"measured", "of"}, {"packed", "of"})
"""The texts and numbers (0 or more) that an event may hold, and the sets of which it holds all or none."""

KEPT = frozenset(
    "corpora training_clips environment clips_before wall_seconds train_seconds evaluate_seconds".split()
)
"""The entries of a result that tell how long such a case takes."""


class Finished(NamedTuple):
    """What is kept of a result."""

    spec: Spec | None  # without fingerprints; None of another version
    at: float  # when it finished, in seconds since 1970
    diverged: bool  # whether its loss stayed far above guessing (`serkit.resultfile.diverged`)
    result: Mapping[str, Any]  # its entries of `KEPT`


def finished(path: Path) -> Finished:
    """What is kept of a result.json. Raises as `serkit.resultfile.read`."""
    return summary(read(path))


def summary(result: Result) -> Finished:
    """What is kept of a result."""
    at = datetime.fromisoformat(result["finished"]).timestamp()
    kept = {name: result[name] for name in KEPT & result.keys()}
    return Finished(_asked(result["spec"]), at, diverged(result), kept)


def spec(path: Path) -> Spec | None:
    """What a spec.json asks for, as `Finished.spec`. Raises OSError, ValueError or TypeError."""
    data = read_json(path, usual_number)
    if not isinstance(data, dict):
        raise ValueError("expected an object")
    asked = _asked(data)
    hash(asked)  # cases are found by it
    return asked


def _asked(data: Mapping[str, Any]) -> Spec | None:
    with suppress(SpecError):
        return from_json(data).plan()
    return None


def failure(path: Path) -> str:
    """Why an attempt failed, from its error.json. Raises FileNotFoundError."""
    try:
        found = read_json(path)
        return printable(f"{found['error']}: {found['message']}")
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError):
        return "its error.json cannot be read"


def events(path: Path) -> list[dict[str, Any]]:
    """The events of a progress file; a line that is no event, or is still being written, is skipped."""
    return [event for line in read_bytes(path).splitlines() if (event := _event(line))]


def _event(line: bytes) -> dict[str, Any] | None:
    try:
        found = parse_json(line, usual_number)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    event = {name: found[name] for name in NUMBERS if _is_number(found.get(name))}
    event |= {name: in_a_line(found[name]) for name in TEXTS if isinstance(found.get(name), str)}
    if not event.get("of"):
        event.pop("of", None)
    whole = all(event.keys() >= words or not event.keys() & (words - {"of"}) for words in WHOLE)
    return event if whole and "time" in event else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def in_a_line(text: str) -> str:
    """Text as a row of a terminal may show it."""
    return printable(" ".join(text.split()))
