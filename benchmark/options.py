"""What a command line holds: names of studies and corpora, which a shell completes, and readers' options."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from benchmark import study as studies
from serkit import corpora
from serkit.errors import SerkitError
from serkit.files import printable
from serkit.settings import plain
from serkit.words import shown

ABOUT = "as in a study, or a pair of one that maps names: labels.joy=happy; repeatable"


def added(chosen: Mapping[str, Any], pairs: Sequence[str]) -> dict[str, Any]:
    """A study's options with those of a command line: `folds=3`, `tables=["a", "b"]`, `labels.joy=happy`.

    Args:
        chosen: the study's.
        pairs: `KEY=VALUE`, or `KEY.NAME=VALUE` for a pair of an option that maps names.

    Raises:
        click.UsageError: no such pair, or one of an option that is no mapping.
        SpecError: a text that may not be shown.
    """
    options = dict(chosen)
    for pair in pairs:
        key, equals, written = pair.partition("=")
        option, dot, inner = key.partition(".")
        if not (equals and option) or bool(dot) != bool(inner):
            raise click.UsageError(f"--option {printable(pair)}: expected KEY=VALUE")
        new = value(written)
        plain("--option", {option: {inner: new} if dot else new})
        try:
            options[option] = {**dict(options.get(option) or {}), inner: new} if dot else new
        except (TypeError, ValueError) as error:
            raise click.UsageError(
                f"--option {printable(pair)}: {option} maps no names, it is {shown(options[option])}"
            ) from error
    return options


def value(text: str) -> Any:
    """A value as a command line has it: as TOML has it, or text as it stands where that is no TOML."""
    try:
        (read,) = tomllib.loads(f"value = {text}").values()
        plain("value", read)
    except (ValueError, RecursionError):  # SpecError too: a date, or a number that is none
        return text
    return read


class StudyName(click.ParamType):
    """A built-in study's name or a file; the command reads the study and says what is wrong."""

    name = "study"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The shell's own files, and the built-in names; bash drops what stands before files."""
        return [CompletionItem(incomplete, type="file"), *_beginning(incomplete, studies.names())]


class CorpusName(click.ParamType):
    """A reader's name or, beside --study, that study's word for a corpus; checked by the command."""

    name = "corpus"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that may stand here."""
        try:
            study = ctx.params.get("study_name")
            known = [corpus.name for corpus in studies.read(study).corpora] if study else corpora.names()
        except SerkitError:
            known = []  # said when the command runs
        return _beginning(incomplete, known)


def _beginning(incomplete: str, known: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in known if name.startswith(incomplete)]
