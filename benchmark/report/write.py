"""Writes what a study shows: one page, tables, figures, a report in Markdown and one for the terminal."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmark.report import escape, page, verdicts
from benchmark.report.collect import Report, read
from benchmark.report.tables import Table
from benchmark.study import Study
from serkit.files import write_whole
from serkit.results import Store, unwritable
from serkit.words import printable

CHOSEN = "What was chosen where the paper is silent"


def assemble(study: Study, store: Store, colours: str = "paper") -> tuple[str, pd.DataFrame]:
    """Writes every exhibit under the study's folder, from the results that are there.

    Writes `index.html`, `report.md`, each table as `<name>.md`, `.csv` and `.tex`, each figure as `.png`,
    `.svg` and `.pdf`, and every digit of the exhibits' numbers in `cells.csv`, `matrix-cells.csv` and the
    like.

    Args:
        study: what was asked.
        store: its results.
        colours: of heat maps, `paper` or `safe` (`benchmark.report.exhibits.changes`).

    Returns:
        The same for the terminal, and the cells.

    Raises:
        ResultsUnwritable: the folder cannot be written, or one of the files.
    """
    report = read(study, store)
    store.check_writable()
    with store.locked("report"):  # a session that ends and somebody's `report` write the same files
        try:
            pictures = _write(report, store.folder, colours)
        except OSError as error:
            raise unwritable(Path(error.filename2 or error.filename or store.folder), error) from error
    names = ", ".join(table.name for table in report.tables)
    files = [page.NAME, "report.md", *(f"{name}.csv" for name in report.numbers)]
    written = f"written to {store.folder}: {', '.join(files)}"
    written += f"; as .md, .csv, .tex: {names}" if names else ""
    written += f"; as .png, .svg, .pdf: {', '.join(pictures)}" if pictures else ""
    return printable(_terminal(report, written)), report.cells


def _write(report: Report, folder: Path, colours: str) -> list[str]:
    """Writes every file whole, so that nobody reads half of one; returns the names of the pictures."""
    for name, table in report.numbers.items():
        write_whole(folder / f"{name}.csv", escape.csv(table))
    for drawn in report.tables:
        write_whole(folder / f"{drawn.name}.md", f"{drawn.markdown()}\n")
        write_whole(folder / f"{drawn.name}.tex", drawn.latex())
        write_whole(folder / f"{drawn.name}.csv", drawn.csv())
    pictures = _draw(report, folder, colours)
    write_whole(folder / "report.md", _markdown(report, pictures))
    write_whole(folder / page.NAME, page.html(report, pictures, colours))
    return list(pictures)


def _draw(report: Report, folder: Path, colours: str) -> dict[str, bytes]:
    """Draws every figure into a folder; returns them as SVG, by name."""
    from benchmark.report import figures  # matplotlib comes with it

    drawn = {}
    for kind, numbers in report.exhibits:
        if hasattr(kind, "draw_figures"):
            for name, figure in kind.draw_figures(report.study, numbers, colours):
                figures.save(figure, folder, name)
                drawn[name] = (folder / f"{name}.svg").read_bytes()
    return drawn


def _markdown(report: Report, pictures: dict[str, bytes]) -> str:
    first, *notes = report.notes  # the first is the study's caution, or how its networks began
    said = [report.interim, verdicts.QUESTION, first, " ".join(report.sentences), *notes]
    parts = [f"# {escape.markdown(report.study.title)}", *map(escape.paragraph, filter(None, said))]
    parts += [table.markdown("##") for table in report.tables]
    parts += [f"![{name}]({name}.png)" for name in pictures]
    chosen = Table("choices", CHOSEN, ["Point", "Choice"], report.choices)
    return "\n\n".join([*parts, chosen.markdown("##")]) + "\n"


def _terminal(report: Report, written: str) -> str:
    parts = [report.study.title, *filter(None, [report.interim]), *report.notes]
    for table in report.tables:
        if not table.aside:
            parts.append("\n".join([table.title, "", table.text("simple"), *table.legend]))
    parts.append("\n".join(f"{point}: {choice}" for point, choice in report.choices))
    return printable("\n\n".join([*parts, *report.sentences, written]))
