"""The command line of `python -m tools.speed`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from benchmark import options
from benchmark import study as studies
from benchmark.options import clear_errors, quick_option, say, study_option
from tools import speed


@click.command(context_settings=options.SETTINGS)
@click.argument("sections", metavar="[SECTION...]", nargs=-1, type=click.Choice(list(speed.SECTIONS)))
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    help="auto: the GPU where there is one.",
)
@click.option("--rounds", type=click.IntRange(1), help="Turns of each; default 7.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Of a turn, at least; default 2.")
@click.option(
    "--threads", type=click.IntRange(1), help="Measured after one thread; default all that there are."
)
@click.option("--batch", type=click.IntRange(2), help="Clips a batch; default: the section's own.")
@quick_option("no figures to go by")
@study_option("its clips in epoch, made ones where its corpora are not there", default=speed.Settings.study)
@click.option(
    "--output",
    type=click.Path(file_okay=False),
    help="Folder to write to; default speed in the results folder.",
)
@clear_errors()
def main(
    sections: tuple[str, ...],
    device: str,
    rounds: int | None,
    seconds: float | None,
    threads: int | None,
    batch: int | None,
    quick: bool,
    study_name: str,
    output: str | None,
) -> None:
    """Measure how fast training works on this machine: tables here, and a JSON file for each SECTION.

    SECTION is step, augment, pipeline or epoch; all without any. What cannot be measured here (no GPU, no
    corpora, a package not installed) is said and left out. The library to compare with is an extra:
    pip install 'serkit[speed]'.
    """
    # Read when torch is loaded. Threads that spin while they wait take the CPU from those they wait for as
    # soon as another job runs: ours was 12 times slower with two threads than with one (docs/performance.md).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    studies.read(study_name)  # said now, not by each section
    chosen = speed.settings(
        quick,
        rounds,
        seconds,
        threads,
        batch,
        study=study_name,
        data=studies.data_folder(),
        folder=Path(output) if output else studies.results_root() / "speed",
    )
    speed.run_sections(sections, chosen, device, lambda line: say(line, err=True), say)


if __name__ == "__main__":
    main(prog_name="python -m tools.speed")
