"""The command line of `python -m tools.roomnet`."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark import options
from benchmark import study as studies
from benchmark.options import Commands, check_corpora, quick_option, say, seed_option, study_option
from serkit import corpora
from serkit.specs import CorpusSpec


@click.group(cls=Commands, context_settings=options.SETTINGS)
def main() -> None:
    """Train the estimator of reverberation time and clarity, and score it where the truth is known."""


@main.command("train")
@click.option(
    "--output",
    type=click.Path(dir_okay=False),
    default="roomnet.npz",
    help="File to write.",
)
@click.option("--jobs", type=click.IntRange(1), default=1, help="Processes making examples.")
@seed_option("the examples, the first weights and the order")
@quick_option("the weights are no good")
def train(output: str, jobs: int, seed: int, quick: bool) -> None:
    """Make the estimator's weights from generated speech in simulated rooms; about an hour on one core.

    How they were made stands beside them as JSON. Needs pip install 'serkit[roomnet]'.
    """
    from tools.roomnet import training

    say(training.train(training.training(quick, seed), jobs, Path(output)))


@main.command("score")
@click.argument("names", metavar="[CORPUS...]", nargs=-1, shell_complete=options.a_corpus)
@study_option("its corpora, with its options, as real speech")
@click.option("--weights", type=click.Path(dir_okay=False), help="Default: those of the package.")
@seed_option("the speech, the rooms and the choice of clips")
@quick_option("few clips and rooms")
@click.option(
    "--output",
    type=click.Path(dir_okay=False),
    help="File to write, JSON; default acoustics/rooms.json in the results folder.",
)
def score(
    names: tuple[str, ...],
    study_name: str | None,
    weights: str | None,
    seed: int,
    quick: bool,
    output: str | None,
) -> None:
    """Errors on generated speech and on real corpora, in rooms the training never saw.

    CORPUS is a reader's name (ravdess, emodb, ...) or, with --study, the study's name for it; none: generated
    speech alone, or with --study all of its corpora. Needs pip install 'serkit[roomnet]'.
    """
    if study_name is not None:
        known = {corpus.name: corpus for corpus in studies.read(study_name).corpora}
        names = names or tuple(known)
    else:
        known = {name: CorpusSpec(name.replace("_", ""), name) for name in corpora.names()}
    check_corpora(names, known)
    from serkit.acoustics import room
    from tools.roomnet import score as scores  # now that it is known to be of use: it brings torch

    say(
        scores.score(
            Path(weights) if weights else room.WEIGHTS,
            scores.settings(quick, seed),
            [known[name] for name in names],
            studies.data_folder(),
            Path(output) if output else studies.results_root() / "acoustics" / "rooms.json",
        )
    )


if __name__ == "__main__":
    main(prog_name="python -m tools.roomnet")
