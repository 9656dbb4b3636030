"""The header of an audformat database (https://audeering.github.io/audformat/data-header.html), `db.yaml`.

The library's own loader builds whatever object a tag in the file asks for, so a folder of data runs code.
Here every value is text, a list or a dict, and nothing else can come out: tags are refused, and nesting and
size are bounded before anything is built.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from serkit.corpora.reading.folder import careful
from serkit.files import read_text

MAX_LENGTH = 4 << 20
"""Takes 80,000 speakers with three things known of each."""

MAX_LEVELS = 32
"""Of nesting; the deepest that the format asks for, a label's own fields in a scheme, is at the fifth."""

PLAIN = {None, *(f"tag:yaml.org,2002:{kind}" for kind in "str int float bool null map seq".split())}
PLAIN_NAME = r"""^name:[ \t]*["']?([^!&*\[\]{}|>%@#"'\r\n]+)"""
EMPTY = (None, "", "~", "null", "Null", "NULL")


@dataclass(frozen=True)
class Table:
    """What the header says of a table.

    Attributes:
        levels: names of the columns that say which row it is: `file`, with `start` and `end` where rows are
            parts of files; a table without files has others.
        columns: the other columns, each with the labels that its scheme allows, or the name of the table
            whose rows they are; none where it allows anything.
        split: the split that the whole table belongs to; "" where it is not said.
    """

    levels: tuple[str, ...]
    columns: dict[str, list[str] | str]
    split: str = ""


@dataclass(frozen=True)
class Header:
    """What is needed of a header."""

    name: str
    version: str  # as its publisher's tool wrote it, or `unknown`
    tables: dict[str, Table]  # of files or of parts of files, by name
    misc: dict[str, Table]  # without files
    splits: dict[str, str]  # the type of each


def read_header(path: Path) -> Header:
    """Reads `db.yaml` without running anything that it asks for. Raises CorpusUnfit, which says why."""
    cure = "restore it, or take it away if it is something else"
    with careful(
        path, "audformat", damaged=f"expected the header of a database in the audformat layout: {cure}"
    ):
        return _header(_tree(read_text(path)))


def what_is_called(path: Path) -> tuple[str, bool]:
    """The name in a header, as far as it can be seen, and whether the header can be read.

    Of something that is no header at all "" and True: other software has files of that name too.
    """
    try:
        text = read_text(path, errors="surrogateescape")
    except OSError:
        return "", False
    try:
        tree = _tree(text)
        other = isinstance(tree, dict) and len(tree) > 1 and "name" not in tree
        return "" if other else _header(tree).name, True
    except (ValueError, yaml.YAMLError):  # not in UTF-8, among others
        seen = re.search(PLAIN_NAME, text, re.MULTILINE)
        return seen[1].strip() if seen else "", False


def _tree(text: str) -> Any:
    """YAML as text, lists and dicts."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"{len(text):,} characters, expected {MAX_LENGTH:,} at most")
    depth = 0
    for event in yaml.parse(text, Loader=_Text):  # one by one: nothing is built yet
        line = event.start_mark.line + 1
        if getattr(event, "tag", None) not in PLAIN:
            raise ValueError(f"line {line} has the tag {event.tag}, expected plain values: tags can run code")
        if getattr(event, "value", None) == "<<":
            raise ValueError(f"line {line} takes fields from elsewhere (<<), expected them written out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_LEVELS:
            raise ValueError(f"line {line} is nested more than {MAX_LEVELS} levels deep")
    return yaml.load(text, Loader=_Text)  # of text, lists and dicts alone


class _Text(getattr(yaml, "CBaseLoader", yaml.BaseLoader)):  # type: ignore[misc]  # the first is ten times as fast
    """Scalars stay the text they are, so that a label `no` is no truth value; a key may stand once."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        """A dict, in the file's order."""
        built = super().construct_mapping(node, deep)
        if len(built) < len(node.value):
            raise yaml.MarkedYAMLError(problem="a key stands twice", problem_mark=node.start_mark)
        return built


def _header(tree: Any) -> Header:
    """What is needed of a tree. Raises ValueError where something is not what the format says."""
    top = _fields(tree, "the file")
    if len(top) == 1:  # as old releases wrote it: everything below the name
        ((name, below),) = top.items()
        top = {**_fields(below, name), "name": name}
    name = _word(top.get("name"), "name")
    if not name:
        raise ValueError("it has no name")
    schemes = {one: said.get("labels") for one, said in _each(top, "schemes").items()}
    labels = {
        one: said if isinstance(said, str) else [_word(label, f"labels of scheme {one}") for label in said]
        for one, said in schemes.items()
        if said not in EMPTY
    }
    return Header(
        name=name,
        version=_word(_fields(top.get("audb"), "audb").get("version"), "version") or "unknown",
        tables={one: _table(one, said, labels) for one, said in _each(top, "tables").items()},
        misc={one: _table(one, said, labels) for one, said in _each(top, "misc_tables").items()},
        splits={one: _word(said.get("type"), one) for one, said in _each(top, "splits").items()},
    )


def _table(name: str, said: dict[str, Any], labels: dict[str, list[str] | str]) -> Table:
    levels: Any = ["file", "start", "end"] if said.get("type") == "segmented" else ["file"]
    if "levels" in said:  # a table without files: names and types, or as old releases wrote it names alone
        levels = said["levels"]
        levels = levels if isinstance(levels, list) else _fields(levels, f"levels of table {name}")
    columns = {one: _word(of.get("scheme_id"), one) for one, of in _each(said, "columns").items()}
    return Table(
        levels=tuple(_word(level, f"levels of table {name}") for level in levels),
        columns={one: labels.get(scheme, []) for one, scheme in columns.items()},
        split=_word(said.get("split_id"), f"split_id of table {name}"),
    )


def _each(above: dict[str, Any], field: str) -> dict[str, dict[str, Any]]:
    """A field that names things, each with fields of its own; empty where it is left out."""
    named = _fields(above.get(field), field)
    return {name: _fields(said, f"{field}, {name}") for name, said in named.items()}


def _fields(value: Any, where: str) -> dict[str, Any]:
    if value in EMPTY:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected fields, not a {'text' if isinstance(value, str) else 'list'}")
    return {_word(key, where): said for key, said in value.items()}


def _word(value: Any, where: str) -> str:
    """A text; "" where there is none."""
    if value in EMPTY:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"{where}: expected a word, not {'fields' if isinstance(value, dict) else 'a list'}")
    return value
