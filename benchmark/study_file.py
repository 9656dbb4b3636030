"""A study's file as values: read with care, and refused where a value is of the wrong kind.

What the keys of a study mean, and what goes together, `benchmark.study` knows; what its corpora are is here.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serkit import corpora as readers
from serkit.errors import SpecError
from serkit.files import read_bytes
from serkit.labels import ending_of
from serkit.settings import check, number, one_line
from serkit.specs import CorpusSpec, frozen
from serkit.words import did_you_mean, shown

MAX_BYTES = 1 << 17
"""The size of a file; the paper's has 1.3 kB, and a larger one would take seconds to parse."""
MAX_ITEMS = 100
"""Items of a list, and corpora: each is a row or a column of some table."""
MAX_TITLE = 60

TEXT, SWITCH, WHOLE, NUMBER = "text", "true or false", "a whole number", "a number"
LIST, RANGE, TABLE = "a list of one or more", "[lowest, highest]", "a table"
TABLES = "a table, or a list of tables"
KINDS: dict[str, Any] = {TEXT: str, SWITCH: bool, WHOLE: int, NUMBER: (int, float)}
KINDS |= {LIST: list, RANGE: list, TABLE: dict, TABLES: (dict, list)}
"""What a value in a study's file can be, in the words of the messages."""
WRITTEN = {"int": WHOLE, "float": NUMBER, "float | None": NUMBER, "str": TEXT, "str | None": TEXT}
WRITTEN |= {"Range": RANGE, "tuple[str, ...]": LIST, "tuple[tuple[str, Any], ...]": TABLE}
"""What a field of a spec is in a study's file, by its type."""

CORPUS = dict(reader=TEXT, title=TEXT, folds=WHOLE, trainings=WHOLE, options=TABLE, scramble=TABLE)
CORPUS |= dict(expected_training_clips=WHOLE, max_training_clips=WHOLE)
"""The keys of each corpus."""

NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?")
TAKEN = {"speed", "listen", "acoustics"}
"""Folders beside those of studies in a results folder."""
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows takes for devices, whatever their ending."""


def study_name(path: Path) -> str:
    """The name of a study by its file. Raises SpecError: it cannot name a folder of its own under results."""
    name = path.name.removesuffix(".toml")
    check(
        bool(NAME.fullmatch(name)) and not DEVICES.fullmatch(name) and name.casefold() not in TAKEN,
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
    check(is_kind and value != [], f"{where} = {shown(value)}: expected {kind}")
    if kind == LIST:
        check(len(value) <= MAX_ITEMS, f"{where}: {len(value):,} items; expected {MAX_ITEMS} at most")
        twice = [item for number, item in enumerate(value) if item in value[:number]]
        check(not twice, f"{where}: {shown(twice[:1])[1:-1]} twice")


def spec(kind: type, where: str, table: dict[str, Any]) -> Any:
    """A spec of a kind from its table; what is left out has its default. Raises SpecError."""
    fields = dataclasses.fields(kind)
    check_values(where, table, {field.name: WRITTEN[str(field.type)] for field in fields})
    off = {key: None for key, value in table.items() if key == "weights" and value == ""}
    return kind(**{key: frozen(value) for key, value in table.items()} | off)


def corpora(tables: Mapping[str, Any]) -> tuple[CorpusSpec, ...]:
    """The corpora of a study. Raises SpecError: one that cannot be, or one twice."""
    found = tuple(_corpus(f"corpora.{name}", name, table) for name, table in tables.items())
    same: dict[str, str] = {}
    divided: dict[Any, tuple[str, Any]] = {}
    why = "networks would be tested on the clips that they learnt from"
    for corpus in found:
        reader, name = readers.reader(corpus.reader), corpus.name
        options = readers.checked_options(corpus.reader, dict(corpus.options))
        is_of = reader.identity(**options) if hasattr(reader, "identity") else options
        other = same.setdefault(repr((corpus.reader, is_of)), name)
        again = f"corpora.{name} is corpora.{other} again: {why}"
        check(other == name, f"{again}. Ask for what differs in a study of its own")
        if hasattr(reader, "cast"):
            who, parts = reader.cast(**options)
            other, others = divided.setdefault((corpus.reader, who), (name, parts))
            both = f"corpora.{name} and corpora.{other} have the same speakers, divided otherwise: {why}"
            check(parts == others, f"{both}. Give one another seed, or both one size")
    return found


def _corpus(where: str, name: str, table: dict[str, Any]) -> CorpusSpec:
    """A corpus of a study; its folds follow from its reader and options, where these can tell."""
    check_values(where, table, CORPUS)
    check("reader" in table, f"{where}: reader is missing")
    clips = "expected_training_clips"
    if clips in table:
        number(f"corpus.{clips}", table[clips], f"{where}.{clips}")
    options = table.get("options", {})
    try:
        known = readers.folds(table["reader"], options)
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from error
    folds = table.get("folds", known or 1)
    why = "leave folds out, they follow from the options"
    check(known in (None, folds), f"{where}.folds = {shown(folds)}: with these options it has {known}; {why}")
    number("corpus.folds", folds, f"{where}.folds")
    own = {key: frozen(value) for key, value in table.items() if key not in ("title", clips)}
    shared = {"trainings": len(readers.trainings(table["reader"], options, folds))}
    return CorpusSpec(name, **shared | own | {"folds": folds})


def titles(corpora: Sequence[CorpusSpec], tables: Mapping[str, Any]) -> dict[str, str]:
    """Each corpus's title. Tables go by titles, so none may be another's, scrambled or not, or a set's.

    Unless given it is the corpus's own, where its reader is of one corpus and the study has it once; else the
    study's word for it. Raises SpecError: one that cannot be told from another, or is no line of text.
    """
    found: dict[str, str] = {}
    times = Counter(corpus.reader for corpus in corpora)
    for corpus in corpora:
        where, reader = f"corpora.{corpus.name}", corpus.reader
        own = times[reader] == 1 and readers.is_one(reader)
        title = readers.reader(reader).TITLE if own else corpus.name
        title = one_line(f"{where}.title", tables[corpus.name].get("title", title), MAX_TITLE)
        given = f"{where}.title = {title!r}"
        check("+" not in title, f"{given}: expected no +, which joins training sets")
        taken = title in found.values()
        check(not taken, f"{where}: another corpus has the title {title!r} too; tables go by titles")
        ending = ending_of(title)
        check(not ending, f"{given}: {ending} is an ending that the study gives to other labels")
        found[corpus.name] = title
    return found
