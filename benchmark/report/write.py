"""Writes what a study shows: one page, tables, figures, a report in Markdown and one for the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from benchmark.report import escape, page, tables, verdicts
from benchmark.report.choices import choices
from benchmark.report.collect import Report, read
from benchmark.report.tables import Table
from benchmark.study import Study
from serkit.acoustics.room import C50_RANGE_DB, T60_RANGE_S
from serkit.files import write_whole
from serkit.results import Store, unwritable
from serkit.words import printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHOSEN = "What was chosen where the paper is silent"
IN_FILES_ONLY = ("-wf1", "-crossed")
"""Endings of tables that the terminal does not show: the paper's layout comes first."""


def assemble(study: Study, store: Store, colours: str = "paper") -> tuple[str, pd.DataFrame]:
    """Writes every exhibit under the study's folder, from the results that are there.

    Writes `index.html`, `report.md`, each table as `<name>.md`, `.csv` and `.tex`, each figure as `.png`,
    `.svg` and `.pdf`, and every digit in `cells.csv`, `tuning-cells.csv`, `figure4-cells.csv` and
    `figure4-distance-cells.csv`.

    Args:
        study: what was asked.
        store: its results.
        colours: of heat maps, `paper` or `safe` (`benchmark.report.figures`).

    Returns:
        The same for the terminal, and the cells.

    Raises:
        ResultsUnwritable: the folder cannot be written, or one of the files.
    """
    report = read(study, store)
    store.check_writable()
    with store.locked("report"):  # a session that ends and somebody's `report` write the same files
        try:
            pictures = _write(report, store, colours)
        except OSError as error:
            raise unwritable(Path(error.filename2 or error.filename or store.folder), error) from error
    names = ", ".join(drawn.name for drawn in report.tables)
    written = f"written to {store.folder}: {', '.join([page.NAME, 'report.md', *_numbers(report)])}"
    written += f"; as .md, .csv, .tex: {names}" if names else ""
    written += f"; as .png, .svg, .pdf: {', '.join(pictures)}" if pictures else ""
    return printable(_terminal(report, written)), report.cells


def _write(report: Report, store: Store, colours: str) -> list[str]:
    """Writes every file whole, so that who reads one meanwhile sees no half; returns the pictures' names."""
    folder = store.folder
    for name, table in _numbers(report).items():
        write_whole(folder / name, escape.csv(table))
    for drawn in report.tables:
        write_whole(folder / f"{drawn.name}.md", f"{drawn.markdown()}\n")
        write_whole(folder / f"{drawn.name}.tex", drawn.latex())
        write_whole(folder / f"{drawn.name}.csv", drawn.csv())
    pictures = _draw(report, folder, colours)
    write_whole(folder / "report.md", _markdown(report, pictures))
    page.write(report, store, colours)
    return pictures


def _numbers(report: Report) -> dict[str, pd.DataFrame]:
    return {f"{name}.csv": table for name, table in report.numbers.items()}


def _draw(report: Report, folder: Path, colours: str) -> list[str]:
    """Draws every figure into a folder; returns their names without ending."""
    from benchmark.report import figures  # matplotlib comes with it

    drawn: list[str] = []

    def draw(name: str, figure: Figure) -> None:
        figures.save(figure, folder, name)
        drawn.append(name)

    for name in ("figure2", "figure3"):
        cells = report.cells_of(name)
        if cells.empty or cells["wF1_change"].isna().all():
            continue
        legend = next(table.legend[0] for table in report.tables if table.name == name)
        bold = " Bold: the interval leaves out 0."
        draw(name, figures.heat_map(cells, tables.TITLES[name], legend + bold, colours))
        if name == "figure2" and len(report.study.rates_percent) > 1:
            title = "wF1 against the rate of augmentation"
            bars = "Bars: intervals of 95 % over folds and runs, of a single run a yardstick"
            published = "; dotted: published" if report.study.paper else ""
            draw("rates", figures.rates(cells, title, f"{bars}{published}."))
    if not report.estimates.empty:
        title = f"Figure 4: the acoustics of {', '.join(report.estimates['corpus'].unique())}, estimated"
        caution = (
            "Estimators: DNSMOS P.808 and serkit's room network, replacements for the paper's unpublished"
            f" ones. No room to be heard: T60 {T60_RANGE_S[0]:g} s, C50 {C50_RANGE_DB[1]:g} dB."
        )
        draw("figure4", figures.figure4(report.estimates, report.distances, title, caution))
    return drawn


def _markdown(report: Report, pictures: Iterable[str]) -> str:
    first, *notes = report.notes  # the first is the study's caution, or how its networks began
    said = [*_interim(report), verdicts.QUESTION, first, " ".join(report.sentences), *notes]
    parts = [f"# {escape.markdown(report.study.title)}", *map(escape.paragraph, said)]
    parts += [table.markdown("##") for table in report.tables]
    parts += [f"![{name}]({name}.png)" for name in pictures]
    chosen = Table("choices", CHOSEN, ["Point", "Choice"], [list(pair) for pair in choices(report.study)])
    return "\n\n".join([*parts, chosen.markdown("##")]) + "\n"


def _interim(report: Report) -> list[str]:
    return [report.interim] if report.interim else []


def _terminal(report: Report, written: str) -> str:
    parts = [report.study.title, *_interim(report), *report.notes]
    for table in report.tables:
        if not table.name.endswith(IN_FILES_ONLY):
            parts.append("\n".join([table.title, "", table.text("simple"), *table.legend]))
    parts.append("\n".join(f"{point}: {choice}" for point, choice in choices(report.study)))
    return printable("\n\n".join([*parts, *report.sentences, written]))
