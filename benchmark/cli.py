"""`python -m benchmark`, which is `serbench` where it is installed: what is done around the cases.

docs/command-line.md has exit codes, and how a shell completes names. What a command needs beyond
`benchmark.study` is imported inside it, so that help and completion are quick.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from benchmark import options
from benchmark import study as studies
from benchmark.beside import CASES
from benchmark.options import opened, results_option, say, seeds_option, study_option
from serkit import __version__, corpora
from serkit.effects import EFFECTS
from serkit.files import cache_folder, house_libraries
from serkit.signals import USR1
from serkit.specs import CHECKPOINTS, METRICS
from serkit.words import did_you_mean, printable


@click.group(
    cls=options.Commands,
    context_settings=options.SETTINGS,
    epilog="Exit codes: 0 done, 1 bad input or an unfit corpus, 2 wrong usage, 3 (compare) something moved.",
)
@click.version_option(__version__, prog_name="serkit")
def main() -> None:
    """Do speech-emotion models generalise, or memorise each corpus? Run a study and look at its results."""
    house_libraries()
    if isinstance(sys.stdout, io.TextIOWrapper):  # a terminal in ASCII shows § as \xa7, and no traceback
        sys.stdout.reconfigure(errors="backslashreplace")


@main.command(context_settings={"allow_interspersed_args": False})
@click.argument("study", shell_complete=options.a_study)
@click.argument("arguments", metavar="[PYTEST ARGUMENTS]", nargs=-1)
def run(study: str, arguments: tuple[str, ...]) -> None:
    """Run STUDY, a built-in one or a TOML file, in any folder.

    What follows the study is pytest's: -n 4 --gpus for four workers with a GPU each, -k scrambled or -m
    figure2 for some of the cases, --collect-only to list them, --results FOLDER for another folder than
    ./results, --help for everything. Exit codes are pytest's: 1 where a case failed.
    """
    import pytest

    fixed = ["-c", os.devnull, f"--rootdir={Path.cwd()}", f"--confcutdir={CASES}", "-rs"]
    fixed += ["--import-mode=importlib", "-p", "benchmark.session.plugin", str(CASES), f"--study={study}"]
    sys.exit(pytest.main([*fixed, *arguments]))


@main.command()
@click.argument("names", metavar="[CORPUS...]", nargs=-1, shell_complete=options.a_corpus)
@study_option("its corpora, with its options")
@click.option(
    "--option",
    "-o",
    "pairs",
    multiple=True,
    metavar="KEY=VALUE",
    help="A reader's option, as in a study; of one that maps names, a pair: labels.joy=happy. Repeatable.",
)
def doctor(names: tuple[str, ...], study_name: str | None, pairs: tuple[str, ...]) -> None:
    """Examine corpora: counts, and every problem seen.

    Corpora are looked for under $SERKIT_DATA; counts stand beside the published ones. CORPUS is a reader's
    name (ravdess, emodb, ...) or, with --study, the study's name for it; without any, all that are one corpus
    each, and those that are not there are no fault. Exit code 1 when a corpus is unfit or one asked for by
    name is not there.
    """
    from benchmark.doctor import render
    from serkit.doctor import examine

    study = None if study_name is None else studies.read(study_name)
    if study:
        known = {corpus.name: (corpus.reader, dict(corpus.options)) for corpus in study.corpora}
    else:
        known = {name: (name, {}) for name in corpora.names() if names or corpora.is_one(name)}
    options.check_corpora(names, known)
    healthy = True
    for name in names or known:
        reader, chosen = known[name][0], options.added(known[name][1], pairs)
        examination = examine(reader, studies.data_folder(), chosen)
        title = study.titles[name] if study else corpora.title_of(reader, chosen)
        say(f"{render(examination, title)}\n")
        healthy &= examination.fit or (not names and not study and examination.missing)
    sys.exit(0 if healthy else 1)


@main.command()
@click.option("--new", "name", metavar="NAME", help="Write NAME.toml for the corpora under $SERKIT_DATA.")
@click.option("--reference", is_flag=True, help="Print every key, with what it means, at its default.")
def study(name: str | None, reference: bool) -> None:
    """Start a study of your own, or look up what one may hold.

    An existing file is left as it is. docs/study.md holds the reference, too.
    """
    from benchmark import starter

    if (name is None) == (not reference):
        raise click.UsageError("expected either --new NAME or --reference")
    say(starter.reference() if name is None else starter.then(starter.start(name, studies.data_folder())))


@main.command()
@click.argument("names", metavar="[CHECKPOINT...]", nargs=-1, type=click.Choice(list(CHECKPOINTS)))
@click.option("--verify", is_flag=True, help="Only check a file put in place by hand.")
def weights(names: tuple[str, ...], verify: bool) -> None:
    """Fetch the published CNN14 checkpoints and check their size and SHA-256."""
    from serkit.encoders.cnn14 import checkpoints

    for name in names or ("cnn14-32k",):
        path = checkpoints.verify(name) if verify else checkpoints.fetch(name)
        say(f"{name}: {path} is the published file")


@main.command()
@study_option("its page, figures and tables", default="paper")
@results_option
@seeds_option
@click.option(
    "--colours",
    type=click.Choice(["paper", "safe"]),
    default="paper",
    help="Colours of heat maps: the paper's green and red, or ones that everybody can tell apart.",
)
@click.option("--full", is_flag=True, help="Show every table and each verdict with its numbers.")
def report(study_name: str, results: str | None, seeds: int | None, colours: str, full: bool) -> None:
    """Rebuild a study's page, figures and tables.

    From the results that are there; nothing is run.
    """
    from benchmark.report.write import assemble

    text, _ = assemble(*opened(study_name, results, seeds), colours, full)
    say(text)


@main.command()
@study_option("how far it is", default="paper")
@results_option
@seeds_option
@click.option("--watch", is_flag=True, help="Look again every two seconds, until all is done; Ctrl-C ends.")
def status(study_name: str, results: str | None, seeds: int | None, watch: bool) -> None:
    """Show how far a study is.

    What is done, what runs and for how long, what failed or was cut off and why. From any shell, while it
    runs or not, from what lies on disk alone. Exit code 0 however far it is.
    """
    from benchmark.session import live, progress
    from benchmark.session import status as statuses

    looking = progress.Progress(*opened(study_name, results, seeds))
    if watch:
        live.watch(looking, results or "")
    else:
        say(statuses.status(looking, looking.look(), results or ""))


@main.command()
@study_option("what is left of it", default="paper")
@results_option
@seeds_option
@click.option(
    "--commands", is_flag=True, help="Print a command for each case that is left, and nothing else."
)
@click.option("--cores", type=click.IntRange(1), default=1, help="Cores of each command.")
def plan(study_name: str, results: str | None, seeds: int | None, commands: bool, cores: int) -> None:
    """Show what a study would do from here.

    Cases done and left, clips to train on and to score, and hours for 1, 4 and 16 devices of each kind whose
    rates are known from finished runs, of the study or of others beside it. Corpora are counted where they
    are there, and taken as published elsewhere.

    With --commands, for xargs, GNU parallel, a job array or any queue (docs/scaling.md): a line each.
    """
    from benchmark import plan as plans

    if commands:
        lines = plans.commands(study_name, *opened(study_name, results, seeds, made=True), seeds, cores)
        click.echo("\n".join(lines) if lines else "nothing is left", err=not lines)
        return
    say(plans.text(*opened(study_name, results, seeds), studies.data_folder()))


@main.command()
@click.argument("study_name", metavar="STUDY", shell_complete=options.a_study)
@click.argument("case_id", metavar="CASE")
@results_option
@seeds_option
def case(study_name: str, case_id: str, results: str | None, seeds: int | None) -> None:
    """Do one case of a study, by its id.

    On a GPU if one is visible. Nothing is done again that is stored, and what was cut off goes on. `plan
    --commands` prints such a command for each case that is left; `report` makes the tables.
    """
    from benchmark.session import machine, work

    study, store = opened(study_name, results, seeds, made=True)
    specs = {case.id: case.spec for case in studies.plan(study)}
    if case_id not in specs:
        raise click.UsageError(f"no case {case_id!r} in {study_name}{did_you_mean(case_id, specs)}")
    device = "cuda" if machine.visible_gpus() else "cpu"
    if USR1:
        signal.signal(USR1, signal.SIG_IGN)  # but in a training, which keeps its state
    place = work.Place(store, studies.data_folder(), device)
    say(work.do(specs[case_id], place))


@main.command()
@click.argument("study_name", metavar="STUDY", shell_complete=options.a_study)
@results_option
@click.option(
    "--output", type=click.Path(), help="File to write or check; default STUDY.bundle in the results folder."
)
@click.option(
    "--decisions",
    is_flag=True,
    help="Of each clip keep the label that is said: reports say the same, in a tenth of the size.",
)
@click.option("--check", is_flag=True, help="Write nothing: say whether a bundle is whole and complete.")
def bundle(study_name: str, results: str | None, output: str | None, decisions: bool, check: bool) -> None:
    """Write a study's results as one compressed file.

    All that is finished of STUDY, with the scores of each clip. Report, compare, status, plan and load_all
    read it where it lies in a results folder, beside the study's own folder or in its place:
    results/README.md. With --check exit code 1 where it is damaged, or lacks runs that STUDY asks for.
    """
    from benchmark import completeness
    from benchmark.report import output as outputs

    study, store = opened(study_name, results)
    path = Path(output) if output else store.bundle_path
    if check:
        said, whole = completeness.checked(study, path)
        say(said)
        sys.exit(0 if whole else 1)
    outputs.claim(path)
    say(store.write_bundle(path, decisions))


@main.command()
@click.argument("study_name", metavar="STUDY", shell_complete=options.a_study)
@seeds_option
@click.option("--output", "-o", type=click.Path(), help="File to write; default the terminal.")
def folds(study_name: str, seeds: int | None, output: str | None) -> None:
    """Write which clips each run of a study has, as csv.

    A row for each run of STUDY, part and clip: the label, the label that the run is taught, and the file.
    For a model that is trained outside serkit: docs/importing.md.
    """
    from benchmark import predictions

    study, data = studies.read(study_name, seeds), studies.data_folder()
    if output:
        say(predictions.write_folds(study, data, Path(output)))
    else:
        predictions.print_folds(study, data, lambda text: click.echo(printable(text), nl=False))


@main.command("import")
@click.argument("study_name", metavar="STUDY", shell_complete=options.a_study)
@click.argument("predictions_file", metavar="PREDICTIONS", type=click.Path())
@results_option
@seeds_option
@click.option("--partial", is_flag=True, help="Import the runs that are there, though others are missing.")
def import_(
    study_name: str, predictions_file: str, results: str | None, seeds: int | None, partial: bool
) -> None:
    """Make results of what another model says of the clips.

    STUDY has encoder = "imported:NAME". PREDICTIONS, csv or parquet, has a row for each test and validation
    clip of each run: run, corpus and path as `folds` writes them, and the probabilities of the labels. All
    is checked before any result is stored; results that are there are replaced. See docs/importing.md.
    """
    from benchmark import predictions
    from serkit.job import Place

    study, store = opened(study_name, results, seeds, made=True)
    place = Place(store, studies.data_folder())
    say(predictions.store(study, place, Path(predictions_file), partial))


@main.command()
@study_option("whose runs; it has one of its own")
@click.option("--only", default="", help="Those with this in their names, as: session.")
@click.option("--but", default="", help="None with this in their names.")
@click.option("--faults", type=click.IntRange(1), default=200, help="How many at most.")
@click.option("--minutes", type=click.FloatRange(0), default=120.0, help="No new one begins after so many.")
@options.seed_option("which runs, and when")
def torture(study_name: str | None, only: str, but: str, faults: int, minutes: float, seed: int) -> None:
    """End runs on purpose, and see that nothing is lost.

    Kills, signals, full disks, folders that vanish, damaged files, clocks that jump, too little memory: of
    single runs and of whole sessions, in a temporary folder with results and a cache of its own. After each
    fault no result may be lost or another, the next call must end well, and all numbers must be those of runs
    that were never disturbed. Exit code 1 where one is not. docs/reliability.md has what a long one said.
    """
    from benchmark import torture as torturing

    study = studies.read(study_name or str(torturing.OWN))
    sys.exit(0 if torturing.torture(study, torturing.named_so(only, but), faults, minutes, seed, say) else 1)


@main.command()
@click.argument("first", metavar="A", shell_complete=options.a_study)
@click.argument("second", metavar="B", shell_complete=options.a_study)
@click.option("--metric", type=click.Choice(METRICS), default="wF1", help="The metric to compare.")
@click.option("--all", "every", is_flag=True, help="Every cell, not only those that moved.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["simple", "github", "latex_booktabs", "csv"]),
    default="simple",
    help="Format of the table; csv has every digit. With any but simple, the remarks go to stderr.",
)
@results_option
def compare(first: str, second: str, metric: str, every: bool, form: str, results: str | None) -> None:
    """Say which cells moved by more than their spread.

    From A to B, and what differs in how the two were made. Each is a built-in study, a TOML file or a folder
    of results, such as results/open and another version's elsewhere/open. Exit code 3 where something moved.
    """
    from benchmark.report import compare as comparing

    one, other = comparing.sides(first, second, options.results_root(results))
    cells = comparing.cells(one, other, metric)
    shown = cells if every else cells[cells["moved"]]
    if len(shown) or form == "csv":
        say(comparing.drawn(shown, form))
    for line in comparing.summary(one, other, cells, metric):
        say(line, err=form != "simple")
    sys.exit(3 if cells["moved"].any() else 0)


@main.command()
@results_option
@click.option(
    "--days",
    type=click.IntRange(1),
    default=30,
    help="Of the cache and of jobs in queues, what was not used for so long.",
)
@click.option("--remove", is_flag=True, help="Remove what is listed, and nothing else.")
def clean(results: str | None, days: int, remove: bool) -> None:
    """Say what is left over, and how large and old it is.

    In the results folder and in $SERKIT_CACHE: what killed processes left, packed audio of corpora that are
    gone or changed, and so on (docs/running.md). Nothing of it is removed without --remove. No result,
    trained network or bundle is ever listed, and nothing that a process of this host holds.
    """
    from benchmark import clean as cleaning

    said, all_gone = cleaning.text(options.results_root(results), cache_folder(), days, remove)
    say(said)
    sys.exit(0 if all_gone else 1)


@main.command()
@click.argument("clip", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "--effect", "effects", multiple=True, type=click.Choice(EFFECTS), help="This effect alone; repeatable."
)
@click.option("--each", is_flag=True, help="Each effect alone as well.")
@click.option("--draws", type=click.IntRange(1, 12), default=3, help="How many draws.")
@study_option("its effects and ranges", default="paper")
@options.seed_option("the draws")
@click.option("--output", type=click.Path(), help="Folder to write to; default listen in the results folder.")
def listen(
    clip: str, effects: Sequence[str], each: bool, draws: int, study_name: str, seed: int, output: str | None
) -> None:
    """Hear and see what augmentation does to CLIP.

    Writes wavs, and one picture of spectrograms. CLIP is any audio file. All effects of the study within its
    ranges, or those named; every parameter is printed and stands in the picture.
    """
    from benchmark import listen as listening

    study = studies.read(study_name)
    folder = Path(output) if output else studies.results_root() / "listen"
    chosen = tuple(dict.fromkeys(effects))
    say(listening.listen(Path(clip), study, chosen, each, draws, seed, folder))
