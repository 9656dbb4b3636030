"""What the files of one attempt say, whatever stands in them: read for who watches.

Each reader gives plain values, fit to be shown; an entry of the wrong type counts as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from serkit.errors import ResultsUnreadable, SpecError
from serkit.files import parse_json, read_bytes, read_json, usual_number
from serkit.resultfile import Result, diverged, read, unreadable
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


@dataclass(frozen=True)
class Finished:
    """What is kept of a result.

    Attributes:
        spec: without fingerprints; None of another version.
        at: when it finished, in seconds since 1970.
        diverged: whether its loss stayed far above guessing (`serkit.resultfile.diverged`).
        result: its entries of `KEPT`.
    """

    spec: Spec | None
    at: float
    diverged: bool
    result: Mapping[str, Any]


def attempted(parse: Callable[[Path], Any], path: Path) -> Any:
    """What a parser makes of a file, or the error that says why not. Raises FileNotFoundError."""
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
    return summary(read(path))


def summary(result: Result) -> Finished:
    """What is kept of a result."""
    at = datetime.fromisoformat(result["finished"]).timestamp()
    kept = {name: result[name] for name in KEPT & result.keys()}
    return Finished(_asked(result["spec"]), at, diverged(result), kept)


def spec(path: Path) -> Spec | None:
    """What a spec.json asks for, as `Finished.spec`. Raises what `attempted` catches."""
    data = read_json(path, usual_number)
    if not isinstance(data, dict):
        raise ValueError("expected an object")
    asked = _asked(data)
    hash(asked)  # cases are found by it
    return asked


def _asked(data: dict[str, Any]) -> Spec | None:
    try:
        return from_json(data).plan()
    except SpecError:
        return None


def failure(path: Path) -> str:
    """Why an attempt failed, from its error.json."""
    try:
        found = read_json(path)
        return printable(f"{found['error']}: {found['message']}")
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, TypeError):
        return "its error.json cannot be read"


def events(path: Path) -> list[dict[str, Any]]:
    """The events of a progress file; a line that is no event, or is still being written, is skipped."""
    return [event for line in read_bytes(path).splitlines() for event in _event(line)]


def _event(line: bytes) -> Iterator[dict[str, Any]]:
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
    if all(event.keys() >= words or not event.keys() & (words - {"of"}) for words in WHOLE):
        yield event


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def in_a_line(text: str) -> str:
    """Text as a row of a terminal may show it."""
    return printable(" ".join(text.split()))
