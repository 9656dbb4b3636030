"""A study's file as values: read with care, and refused where a value is of the wrong kind.

What the keys mean, and what goes together, `benchmark.study` knows.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serkit.errors import SpecError
from serkit.files import read_bytes
from serkit.settings import check
from serkit.words import did_you_mean, shown

MAX_BYTES = 1 << 17
"""The size of a file; the paper's has 1.3 kB, and a larger one would take seconds to parse."""
MAX_ITEMS = 100
"""Items of a list, and corpora: each is a row or a column of some table."""

TEXT, SWITCH, WHOLE, NUMBER = "text", "true or false", "a whole number", "a number"
LIST, RANGE, TABLE = "a list of one or more", "[lowest, highest]", "a table"
KINDS: dict[str, Any] = {TEXT: str, SWITCH: bool, WHOLE: int, NUMBER: (int, float)}
KINDS |= {LIST: list, RANGE: list, TABLE: dict}
"""What a value in a study's file can be, in the words of the messages."""

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
TAKEN = {"speed", "listen", "acoustics"}
"""Folders beside those of studies in a results folder."""
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows takes for devices, whatever their ending."""


def study_name(path: Path) -> str:
    """The name of a study by its file, which is that of its folder under results.

    Raises:
        SpecError: it cannot name a folder of its own there.
    """
    name = path.name.removesuffix(".toml")
    fits = NAME.fullmatch(name) and not DEVICES.fullmatch(name) and name.casefold() not in TAKEN
    check(
        bool(fits),
        f"study file {shown(path.name)}: its results go to a folder {shown(name)}; expected letters, digits,"
        f" - _ and . between them, 100 at most, and none of {', '.join(sorted(TAKEN))}. Give it another name",
    )
    return name


def parsed(path: Path) -> dict[str, Any]:
    """The file's values. Raises SpecError: it cannot be read or is no TOML."""
    try:
        return tomllib.loads(read_bytes(path, MAX_BYTES).decode("utf-8-sig"))
    except OSError as error:
        raise SpecError(f"study file {path} cannot be read: {error.strerror}") from error
    except RecursionError as error:
        raise SpecError(f"study file {path} is nested too deep") from error
    except ValueError as error:  # not TOML, not UTF-8, a number of more digits than Python reads
        raise SpecError(f"study file {path} is not TOML: {error}") from error


def check_values(where: str, table: Any, known: Mapping[str, str]) -> None:
    """Checks a table's keys, and that each value is of the kind that `known` says. Raises SpecError."""
    check_value(where, table, TABLE)
    for key, value in table.items():
        if key not in known:
            hint = did_you_mean(key, known)
            raise SpecError(f"{where}: unknown key {shown(key)}{hint} (known: {', '.join(known)})")
        check_value(key if where == "study" else f"{where}.{key}", value, known[key])


def check_value(where: str, value: Any, kind: str) -> None:
    """Checks that a value is of a kind, and a list short and without repetitions. Raises SpecError."""
    is_kind = isinstance(value, KINDS[kind]) and (kind == SWITCH or not isinstance(value, bool))
    if not is_kind or value == []:
        raise SpecError(f"{where} = {shown(value)}: expected {kind}")
    if kind == LIST:
        check(len(value) <= MAX_ITEMS, f"{where}: {len(value):,} items; expected {MAX_ITEMS} at most")
        twice = [item for number, item in enumerate(value) if item in value[:number]]
        check(not twice, f"{where}: {shown(twice[:1])[1:-1]} twice")
