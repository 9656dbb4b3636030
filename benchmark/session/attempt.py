"""What the files of one attempt say, whatever stands in them: read for who watches.

Each reader gives plain values, made fit to be shown; what has another type than it should is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from serkit.errors import ResultsUnreadable, SpecError
from serkit.files import parse_json, printable, read_bytes, read_json, usual_number
from serkit.resultfile import read, unreadable
from serkit.specs import Spec, from_json

TEXTS = ("host", "device", "worker")
NUMBERS = ("time", "pid", "iteration", "of", "epoch", "loss", "measured", "packed", "seconds_left")
SAID = ({"iteration", "of", "epoch", "loss"}, {"measured", "of"}, {"packed", "of"})
"""What an event may say, as texts and as numbers from 0 up, and what must not be said by halves."""


@dataclass(frozen=True)
class Finished:
    """What is kept of a result: `seconds` only where they were those of the whole case."""

    spec: Spec | None
    at: float
    seconds: float | None
    who: Mapping[str, Any]


def tried(parse: Callable[[Path], Any], path: Path) -> Any:
    """What a parser makes of a file, or why it cannot be read. Raises FileNotFoundError."""
    try:
        return parse(path)
    except FileNotFoundError:
        raise
    except ResultsUnreadable as error:
        return error
    except (OSError, ValueError, TypeError, RecursionError) as error:
        return unreadable(path, error)


def finished(path: Path) -> Finished:
    """What is kept of a result.json. Raises as `serkit.resultfile.read`."""
    result = read(path)
    try:
        spec = from_json(result["spec"]).plan()
    except SpecError:
        return Finished(None, 0.0, None, {})  # of another version
    return Finished(
        spec,
        datetime.fromisoformat(result["finished"]).timestamp(),
        result["wall_seconds"] if not result.get("clips_before") else None,
        {"device": result["environment"]["device"]},
    )


def spec(path: Path) -> Spec | None:
    """What a spec.json asks for, without fingerprints; None of another version. Raises as `tried` catches."""
    data = read_json(path, usual_number)
    if not isinstance(data, dict):
        raise ValueError("expected an object")
    try:
        asked = from_json(data).plan()
    except SpecError:
        return None  # of another version
    hash(asked)  # cases are found by it
    return asked


def failure(path: Path) -> str:
    """Why an attempt failed, of its error.json."""
    try:
        found = read_json(path)
        return printable(f"{found['error']}: {found['message']}")
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError):
        return "its error.json cannot be read"


def events(path: Path) -> list[dict[str, Any]]:
    """The events of a progress file; half a line, as one that is written just now may end with, is none."""
    return [event for line in read_bytes(path).splitlines() for event in _event(line)]


def _event(line: bytes) -> Iterator[dict[str, Any]]:
    """What a line says of what is known here, in its type; nothing where it is no event."""
    try:
        found = parse_json(line, usual_number)
    except ValueError:
        return
    if not isinstance(found, dict) or not _is_number(found.get("time")):
        return
    event = {name: found[name] for name in NUMBERS if _is_number(found.get(name))}
    event |= {name: in_a_line(found[name]) for name in TEXTS if isinstance(found.get(name), str)}
    if event.get("of", 0) <= 0:
        event.pop("of", None)
    if all(event.keys() >= words or not event.keys() & (words - {"of"}) for words in SAID):
        yield event


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def in_a_line(text: str) -> str:
    """Text as a row of a terminal may show it."""
    return printable(" ".join(text.split()))
