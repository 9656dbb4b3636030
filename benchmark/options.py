"""What the command lines of this project share: options, names that a shell completes, errors in one line."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from benchmark import study as studies
from benchmark.beside import located
from serkit import corpora
from serkit.errors import ResultsUnreadable, SerkitError, memory_named
from serkit.results import Store
from serkit.settings import MAX_SEED, MAX_SEEDS, plain
from serkit.words import did_you_mean, printable, shown

Command = TypeVar("Command", bound=Callable[..., Any])
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True}


def say(text: str = "", err: bool = False) -> None:
    """Prints a text; names of files, corpora and studies in it cannot steer the terminal."""
    click.echo(printable(located(text)), err=err)


@contextmanager
def clear_errors() -> Iterator[None]:
    """Bad input becomes one message on stderr and exit code 1, never a traceback. A decorator, too."""
    try:
        with memory_named():
            yield
    except SerkitError as error:
        say(f"{type(error).__name__}: {error}", err=True)
        sys.exit(1)


class Commands(click.Group):
    """Commands whose errors are clear."""

    invoke = clear_errors()(click.Group.invoke)


def a_study(context: click.Context, parameter: click.Parameter, beginning: str) -> list[CompletionItem]:
    """Completes a study: the shell's own files, then built-in names; bash drops what stands before files."""
    names = [name for name in studies.names() if name.startswith(beginning)]
    return [CompletionItem(beginning, type="file"), *map(CompletionItem, names)]


def a_corpus(context: click.Context, parameter: click.Parameter, beginning: str) -> list[str]:
    """Completes a corpus: a reader's name or, beside --study, that study's word for it."""
    try:
        study = context.params.get("study_name")
        known = [corpus.name for corpus in studies.read(study).corpora] if study else corpora.names()
    except SerkitError:
        known = []  # the error is shown when the command runs
    return [name for name in known if name.startswith(beginning)]


def study_option(about: str, default: str | None = None) -> Callable[[Command], Command]:
    """--study: one question's corpora, runs and settings."""
    text = f"Built-in study, or the TOML file of one: {about}."
    return click.option(
        "--study", "study_name", metavar="STUDY", shell_complete=a_study, default=default, help=text
    )


results_option = click.option(
    "--results", type=click.Path(), help="Results folder; default $SERKIT_RESULTS or results."
)


def seed_option(of: str) -> Callable[[Command], Command]:
    """--seed: of all that is drawn."""
    return click.option("--seed", type=click.IntRange(0, MAX_SEED), default=0, help=f"Random seed for {of}.")


def quick_option(but: str) -> Callable[[Command], Command]:
    """--quick: a try."""
    return click.option("--quick", is_flag=True, help=f"A few seconds, to see that it works; {but}.")


def results_root(results: str | None) -> Path:
    """The folder that --results names, else that of the environment. Raises ResultsUnreadable: it is none."""
    if results and not Path(results).is_dir():
        raise ResultsUnreadable(
            f"no results folder {results}; name the one that holds a folder for each study"
        )
    return Path(results) if results else studies.results_root()


seeds_option = click.option(
    "--seeds", type=click.IntRange(1, MAX_SEEDS), help="Seeds of each condition; default the study's own."
)


def opened(
    study: str, results: str | None, seeds: int | None = None, made: bool = False
) -> tuple[studies.Study, Store]:
    """A study and its results, as the options name them. Raises SpecError, ResultsUnreadable.

    Where the folder is `made`, as by a session, it need not be there yet.
    """
    read = studies.read(study, seeds)
    root = Path(results) if results and made else results_root(results)
    return read, Store(root / read.name)


def check_corpora(names: Iterable[str], known: Iterable[str]) -> None:
    """Raises click.UsageError for a corpus that nobody knows."""
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise click.UsageError(f"no corpus {name!r}; expected one of {', '.join(known)}{hint}")


def added(chosen: Mapping[str, Any], pairs: Sequence[str]) -> dict[str, Any]:
    """A study's options with those of a command line: `folds=3`, `tables=["a", "b"]`, `labels.joy=happy`.

    Raises click.UsageError: not KEY=VALUE, or KEY.NAME=VALUE of an option that maps no names.
    """
    options = dict(chosen)
    for pair in pairs:
        key, equals, written = pair.partition("=")
        option, dot, inner = key.partition(".")
        if not (equals and option) or bool(dot) != bool(inner):
            raise click.UsageError(f"--option {printable(pair)}: expected KEY=VALUE")
        new = _value(written)
        plain("--option", {option: {inner: new} if dot else new})
        try:
            options[option] = {**dict(options.get(option) or {}), inner: new} if dot else new
        except (TypeError, ValueError) as error:
            raise click.UsageError(
                f"--option {printable(pair)}: {option} maps no names, it is {shown(options[option])}"
            ) from error
    return options


def _value(text: str) -> Any:
    """A value written as in TOML, or text as it stands where that is no TOML."""
    try:
        (read,) = tomllib.loads(f"value = {text}").values()
        plain("value", read)
    except (ValueError, RecursionError):  # SpecError too: a date, or a number that is none
        return text
    return read
