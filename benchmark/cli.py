"""`python -m benchmark`: what is done around the cases.

An option means the same in every command and is described in the same words: `study_option`,
`results_option`, `seed_option`, `quick_option`; `--output` is where a command writes. Exit codes: 0 done,
1 bad input or an unfit corpus, 2 wrong usage, 3 (compare) something moved. docs/command-line.md has them all,
and how a shell completes names.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from benchmark import options
from benchmark import study as studies
from serkit import __version__, corpora
from serkit.cache import house_libraries
from serkit.effects import EFFECTS
from serkit.errors import ResultsUnreadable, SerkitError, memory_named
from serkit.files import printable
from serkit.settings import MAX_SEED
from serkit.specs import CHECKPOINTS, METRICS
from serkit.words import did_you_mean

Command = TypeVar("Command", bound=Callable[..., Any])
MOVED = 3
"""Exit code of compare where a cell moved."""


def study_option(about: str, default: str | None = None) -> Callable[[Command], Command]:
    """--study: one question's corpora, runs and settings."""
    return click.option(
        "--study",
        "study_name",
        type=options.StudyName(),
        default=default,
        show_default=default is not None,
        help=f"Built-in study, or the TOML file of one: {about}.",
    )


def _root(results: str | None) -> Path:
    """The folder of results: what --results names, which must be there; else where the environment says.

    Raises:
        ResultsUnreadable: --results names no folder.
    """
    if results and not Path(results).is_dir():
        raise ResultsUnreadable(
            f"no results folder {results}; name the one that holds a folder for each study"
        )
    return Path(results) if results else studies.results_root()


def results_option(command: Command) -> Command:
    """--results: the folder that holds a folder for each study."""
    return click.option(
        "--results", type=click.Path(), help="Results folder; default $SERKIT_RESULTS or results."
    )(command)


def seed_option(of: str) -> Callable[[Command], Command]:
    """--seed: of all that is drawn."""
    return click.option(
        "--seed", type=click.IntRange(0, MAX_SEED), default=0, show_default=True, help=f"Of {of}."
    )


def quick_option(but: str) -> Callable[[Command], Command]:
    """--quick: a try."""
    return click.option("--quick", is_flag=True, help=f"A few seconds, to see that it works; {but}.")


def say(text: str = "", err: bool = False) -> None:
    """Prints what names of files, corpora and studies stand in: none may steer the terminal."""
    click.echo(printable(text), err=err)


def no_corpus(name: str, known: Iterable[str]) -> click.UsageError:
    """What is said of a corpus that nobody knows."""
    hint = did_you_mean(name, known)
    return click.UsageError(f"no corpus {name!r}; expected one of {', '.join(known)}{hint}")


def clear_errors(command: Command) -> Command:
    """Bad input becomes one message on stderr and exit code 1, never a traceback."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            with memory_named():
                return command(*args, **kwargs)
        except SerkitError as error:
            say(f"{type(error).__name__}: {error}", err=True)
            sys.exit(1)

    return wrapped  # type: ignore[return-value]


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="Exit codes: 0 done, 1 bad input or an unfit corpus, 2 wrong usage, 3 (compare) something moved.",
)
@click.version_option(__version__, prog_name="serkit")
def main() -> None:
    """Tools of the speech-emotion benchmark. The study itself runs as: pytest cases/ --study NAME."""
    house_libraries()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal in ASCII shows § as \xa7, and no traceback
        sys.stdout.reconfigure(errors="backslashreplace")


@main.command()
@click.argument("names", metavar="[CORPUS...]", nargs=-1, type=options.CorpusName())
@study_option("its corpora, with its options")
@click.option(
    "--option", "-o", "pairs", multiple=True, metavar="KEY=VALUE", help=f"A reader's option; {options.ABOUT}."
)
@clear_errors
def doctor(names: tuple[str, ...], study_name: str | None, pairs: tuple[str, ...]) -> None:
    """Examine corpora under $SERKIT_DATA: counts beside the published ones, and every problem seen.

    CORPUS is a reader's name (ravdess, emodb, ...) or, with --study, the study's name for it; without any,
    all that are one corpus each, and those that are not there are no fault. Exit code 1 when a corpus is
    unfit or one asked for by name is not there.
    """
    from benchmark.doctor import render
    from serkit.doctor import examine

    titles: Mapping[str, str] = {}
    if study_name is not None:
        study = studies.read(study_name)
        known = {corpus.name: (corpus.reader, dict(corpus.options)) for corpus in study.corpora}
        titles = study.titles
    else:
        known = {name: (name, {}) for name in corpora.names() if names or corpora.is_one(name)}
    for name in names:
        if name not in known:
            raise no_corpus(name, known)
    healthy = True
    for name in names or known:
        reader, chosen = known[name][0], options.added(known[name][1], pairs)
        examination = examine(reader, studies.data_folder(), chosen)
        say(render(examination, titles.get(name) or corpora.title_of(reader, chosen)))
        say()
        healthy &= examination.fit or (not names and study_name is None and examination.missing)
    sys.exit(0 if healthy else 1)


@main.command()
@click.option("--new", "name", metavar="NAME", help="Write NAME.toml for the corpora under $SERKIT_DATA.")
@click.option("--reference", is_flag=True, help="Print every key, with what it means, at its default.")
@clear_errors
def study(name: str | None, reference: bool) -> None:
    """Start a study of your own, or look up what one may say.

    A file that is there is left as it is. docs/study.md holds the reference too.
    """
    from benchmark import starter

    if (name is None) == (not reference):
        raise click.UsageError("expected either --new NAME or --reference")
    say(starter.reference() if name is None else starter.then(starter.start(name, studies.data_folder())))


@main.command()
@click.argument("names", metavar="[CHECKPOINT...]", nargs=-1, type=click.Choice(list(CHECKPOINTS)))
@click.option("--verify", is_flag=True, help="Only check a file put in place by hand.")
@clear_errors
def weights(names: tuple[str, ...], verify: bool) -> None:
    """Fetch the published CNN14 checkpoints and check their SHA-256."""
    from serkit.encoders import checkpoints

    for name in names or ("cnn14-32k",):
        path = checkpoints.verify(name) if verify else checkpoints.fetch(name)
        say(f"{name}: {path} is the published file")


@main.command()
@study_option("its page, figures and tables", default="paper")
@results_option
@click.option(
    "--colours",
    type=click.Choice(["paper", "safe"]),
    default="paper",
    show_default=True,
    help="Of heat maps: green and red as the paper's, or told apart by any colour vision.",
)
@clear_errors
def report(study_name: str, results: str | None, colours: str) -> None:
    """Rebuild a study's page, figures and tables from the results there are, without running anything."""
    from benchmark.report.write import assemble
    from serkit.results import Store

    study = studies.read(study_name)
    text, _ = assemble(study, Store(_root(results) / study.name), colours)
    say(text)


@main.command()
@study_option("how far it is", default="paper")
@results_option
@click.option("--watch", is_flag=True, help="Look again every two seconds, until all is done; Ctrl-C ends.")
@clear_errors
def status(study_name: str, results: str | None, watch: bool) -> None:
    """Show how far a study is: what is done, what runs and for how long, what failed or was cut off and why.

    From any shell, while it runs or not, from what lies on disk alone. Exit code 0 however far it is.
    """
    from benchmark.session import status as told
    from benchmark.session.progress import Progress
    from serkit.results import Store

    study = studies.read(study_name)
    progress = Progress(study, Store(_root(results) / study.name))
    if watch:
        from benchmark.session.live import watch as watch_it

        watch_it(progress, results or "")
    else:
        say(told.status(progress, progress.look(), results or ""))


@main.command()
@study_option("what is left of it", default="paper")
@results_option
@clear_errors
def plan(study_name: str, results: str | None) -> None:
    """Show what a study would do from here: cases done and left, clips to train on and to score, and hours.

    Hours for 1, 4 and 16 devices of each kind whose rates are known: from finished runs of the study, or of
    others beside it. Corpora are counted where they are there, and taken as published elsewhere.
    """
    from benchmark import plan as plans
    from serkit.results import Store

    study = studies.read(study_name)
    root = _root(results)
    say(plans.text(study, Store(root / study.name), studies.data_folder()))


@main.command()
@click.argument("study_name", metavar="STUDY", type=options.StudyName())
@results_option
@click.option(
    "--output", type=click.Path(), help="File to write; default STUDY.bundle in the results folder."
)
@clear_errors
def bundle(study_name: str, results: str | None, output: str | None) -> None:
    """Write all that is finished of STUDY, with the scores of each clip, as one compressed file.

    Report, compare, status, plan and load_all read it where it lies in a results folder, beside the study's
    own folder or in its place: results/README.md.
    """
    from benchmark.report import output as outputs
    from serkit.results import Store

    study = studies.read(study_name)
    store = Store(_root(results) / study.name)
    path = Path(output) if output else store.bundle_path
    outputs.claim(path)
    say(store.write_bundle(path))


@main.command()
@click.argument("first", metavar="A", type=options.StudyName())
@click.argument("second", metavar="B", type=options.StudyName())
@click.option(
    "--metric", type=click.Choice(METRICS), default="wF1", show_default=True, help="What is compared."
)
@click.option("--all", "every", is_flag=True, help="Every cell, not only those that moved.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["simple", "github", "latex_booktabs", "csv"]),
    default="simple",
    show_default=True,
    help="Of the table; csv has every digit. The rest goes to stderr beside any other than simple.",
)
@results_option
@clear_errors
def compare(first: str, second: str, metric: str, every: bool, form: str, results: str | None) -> None:
    """Say which cells moved by more than their spread from A to B, and in what the two were not made alike.

    A and B are built-in studies, the TOML files of some, or folders of results, such as results/open and
    another version's elsewhere/open. Exit code 0 where nothing moved, 3 where something did.
    """
    from benchmark.report import compare as comparing

    one, other = comparing.sides(first, second, _root(results))
    cells = comparing.cells(one, other, metric)
    shown = cells if every else cells[cells["moved"]]
    if len(shown) or form == "csv":
        say(comparing.drawn(shown, form))
    for line in comparing.summary(one, other, cells, metric):
        say(line, err=form != "simple")
    sys.exit(MOVED if cells["moved"].any() else 0)


@main.command()
@click.argument("clip", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--effect", "effects", multiple=True, type=click.Choice(EFFECTS), help="Only this one; repeatable."
)
@click.option("--each", is_flag=True, help="Each effect alone too.")
@click.option("--draws", type=click.IntRange(1, 12), default=3, show_default=True, help="How many.")
@study_option("its effects and ranges", default="paper")
@seed_option("the draws")
@click.option("--output", type=click.Path(), help="Folder to write to; default listen in the results folder.")
@clear_errors
def listen(
    clip: str,
    effects: tuple[str, ...],
    each: bool,
    draws: int,
    study_name: str,
    seed: int,
    output: str | None,
) -> None:
    """Hear and see what augmentation does to CLIP: wavs, and one picture of spectrograms.

    CLIP is any audio file. All effects of the study within its ranges, or those named; every parameter is
    printed and stands in the picture.
    """
    from benchmark import listen as listening

    study = studies.read(study_name)
    folder = Path(output) if output else studies.results_root() / "listen"
    chosen = tuple(dict.fromkeys(effects))
    say(listening.listen(Path(clip), study, chosen, each, draws, seed, folder))
