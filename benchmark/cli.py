"""`python -m benchmark`: what is done around the cases.

Exit codes: 0 done, 1 bad input or an unfit corpus, 2 wrong usage.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import click

from benchmark import study as studies
from serkit.errors import SerkitError
from serkit.specs import CHECKPOINTS

Command = TypeVar("Command", bound=Callable[..., Any])


def _clear_errors(command: Command) -> Command:
    """Bad input becomes one message on stderr and exit code 1, never a traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except SerkitError as error:
            click.echo(f"{type(error).__name__}: {error}", err=True)
            sys.exit(1)

    return wrapped  # type: ignore[return-value]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Tools of the speech-emotion benchmark. The study itself runs as: pytest cases/ --study NAME."""


@main.command()
@click.argument("names", metavar="[CORPUS...]", nargs=-1)
@click.option("--study", "study_name", help="Examine the corpora of this study, with its options.")
@click.option(
    "--option", "-o", "pairs", multiple=True, metavar="KEY=VALUE", help="A reader's option; repeatable."
)
@_clear_errors
def doctor(names: tuple[str, ...], study_name: str | None, pairs: tuple[str, ...]) -> None:
    """Examine corpora under $SERKIT_DATA: counts beside the published ones, and every problem seen.

    CORPUS is a reader's name (msp_podcast, iemocap, crema_d, ravdess, emodb, audformat) or, with --study,
    the study's name for it; without any, all of them, and those that are not there are no fault. Exit code 1
    when a corpus is unfit or one asked for by name is not there.
    """
    from serkit import corpora
    from serkit import doctor as doctors

    options = _options(pairs)
    if study_name is not None:
        known = {
            corpus.name: (corpus.reader, dict(corpus.options)) for corpus in studies.read(study_name).corpora
        }
    else:
        known = {
            name: (name, {}) for name in corpora.READERS if names or name not in ("audformat", "synthetic")
        }
    for name in names:
        if name not in known:
            raise click.UsageError(f"no corpus {name!r}; expected one of {', '.join(known)}")
    healthy = True
    for name in names or known:
        reader, chosen = known[name]
        examination = doctors.examine(reader, studies.data_folder(), {**chosen, **options})
        click.echo(doctors.render(examination))
        click.echo()
        healthy &= examination.fit or (not names and study_name is None and examination.missing)
    sys.exit(0 if healthy else 1)


def _options(pairs: tuple[str, ...]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f"--option {pair}: expected KEY=VALUE")
        options[key] = int(value) if value.lstrip("-").isdigit() else value
    return options


@main.command()
@click.argument("names", metavar="[CHECKPOINT...]", nargs=-1, type=click.Choice(list(CHECKPOINTS)))
@click.option("--verify", is_flag=True, help="Only check a file put in place by hand.")
@_clear_errors
def weights(names: tuple[str, ...], verify: bool) -> None:
    """Fetch the published CNN14 checkpoints, resuming what was cut off; check their size and SHA-256."""
    from serkit import weights as checkpoints

    for name in names or ("cnn14-32k",):
        path = checkpoints.verify(name) if verify else checkpoints.fetch(name)
        click.echo(f"{name}: {path} is the published file")


@main.command()
@click.option("--study", "study_name", default="paper", show_default=True, help="Built-in name or TOML file.")
@click.option("--results", type=click.Path(), help="Results folder; default $SERKIT_RESULTS or results.")
@_clear_errors
def report(study_name: str, results: str | None) -> None:
    """Rebuild a study's tables from the results that are there, without running anything."""
    from benchmark import tables
    from serkit.results import Store

    study = studies.read(study_name)
    text, _ = tables.assemble(study, Store(studies.results_root(results or "") / study.name))
    click.echo(text)
