"""Writes what a study shows: one page, tables, figures, a report in Markdown and one for the terminal."""

from __future__ import annotations

import dataclasses
import re
import shlex
from pathlib import Path

from benchmark.report import escape, page, verdicts
from benchmark.report.collect import Report
from benchmark.report.tables import Table
from benchmark.study import Study
from serkit.files import write_whole
from serkit.results import OF_ENCODERS, Store, unwritable
from serkit.words import filled, printable


def assemble(study: Study, store: Store, colours: str = "paper", full: bool = True) -> tuple[str, Report]:
    """Writes every exhibit under the study's folder, from the results that are there.

    Writes `index.html`, `report.md`, each table as `<name>.md`, `.csv` and `.tex`, each figure as `.png`,
    `.svg` and `.pdf`, and every digit of the exhibits' numbers in `cells.csv`, `matrix-cells.csv` and the
    like; of a study of several encoders the same for each of them in `encoders/`. Heat maps have `paper` or
    `safe` colours (`benchmark.report.exhibits.changes`).

    Returns:
        The same for the terminal, or of it the first table and the verdicts, and the report.

    Raises:
        ResultsUnwritable: the folder cannot be written, or one of the files.
    """
    report = Report(study, store)
    store.check_writable()
    with store.locked("report"):  # a session that ends and somebody's `report` write the same files
        try:
            pictures = _write(report, store.folder, colours)
            others = study.exhibits["encoders"].of[1:] if "encoders" in study.exhibits else ()
            for title, of in others:
                folder = store.folder / OF_ENCODERS / "".join(at if at.isalnum() else "-" for at in title)
                folder.mkdir(parents=True, exist_ok=True)
                _write(
                    Report(dataclasses.replace(of, title=f"{study.title}: {title}"), store), folder, colours
                )
        except OSError as error:
            raise unwritable(Path(error.filename2 or error.filename or store.folder), error) from error
    files = [page.NAME, "report.md", "verdicts.json", *(f"{name}.csv" for name in report.numbers)]
    names = [table.name for table in (report.judged, *report.tables)]
    kinds = {"": files, "as .md, .csv, .tex: ": names}
    kinds["as .png, .svg, .pdf: "] = pictures
    written = "; ".join(f"{kind}{', '.join(names)}" for kind, names in kinds.items() if names)
    if full:
        return printable(_terminal(report, f"written to {store.folder}: {written}")), report
    again = (
        f"python -m benchmark report --study {study.given} --results {shlex.quote(str(store.folder.parent))}"
    )
    where = f"Each verdict with its numbers, and all else: {store.folder / page.NAME}\nHere: {again} --full"
    return printable(_in_short(report, where)), report


def _write(report: Report, folder: Path, colours: str) -> list[str]:
    """Writes every file whole, so that nobody reads half of one; returns the names of the pictures."""
    for name, numbers in report.numbers.items():
        write_whole(folder / f"{name}.csv", escape.csv(numbers))
    write_whole(folder / "verdicts.json", verdicts.as_json(report.verdicts))
    for table in (report.judged, *report.tables):
        write_whole(folder / f"{table.name}.md", f"{table.markdown()}\n")
        write_whole(folder / f"{table.name}.tex", table.latex())
        write_whole(folder / f"{table.name}.csv", table.csv())
    pictures = _draw(report, folder, colours)
    write_whole(folder / "report.md", _markdown(report, pictures))
    write_whole(folder / page.NAME, page.html(report, pictures, colours))
    return list(pictures)


def _draw(report: Report, folder: Path, colours: str) -> dict[str, bytes]:
    """Draws every figure into a folder; returns them as SVG, by name."""
    from benchmark.report import figures, summary  # matplotlib comes with them

    drawn = {}
    pictures = list(summary.pictures(report.study.title, report.verdicts))
    for kind, numbers in report.exhibits:
        if hasattr(kind, "draw_figures"):
            pictures += kind.draw_figures(report.study, numbers, colours)
    for name, figure in pictures:
        figures.save(figure, folder, name)
        drawn[name] = (folder / f"{name}.svg").read_bytes()
    return drawn


def _markdown(report: Report, pictures: dict[str, bytes]) -> str:
    first, *notes = report.notes  # the first is the study's caution, or how its networks began
    said = [report.interim, verdicts.question(report.study), first, *report.answer, *notes]
    parts = [f"# {escape.markdown(report.study.title)}", *map(escape.paragraph, filter(None, said))]
    parts += [report.judged.markdown("##"), *(table.markdown("##") for table in report.tables)]
    parts += [f"![{name}]({name}.png)" for name in pictures]
    chosen = "What was chosen where the paper is silent"
    parts.append(Table("choices", chosen, ["Point", "Choice"], report.choices).markdown("##"))
    return "\n\n".join(parts) + "\n"


def _in_short(report: Report, where: str) -> str:
    """What is found in a screen: cautions, the first table with a number, verdicts without theirs."""
    shown = _shown(report)
    first = [table for table in shown if re.search(r"\d\.\d", table.text("plain"))][:1] or shown[:1]
    said = "\n".join(f"{of.answer:16}{of.claim}" for of in report.verdicts)
    return "\n\n".join([*_head(report), *map(_drawn, first), said, where])


def _terminal(report: Report, written: str) -> str:
    parts = [*_head(report), *map(_drawn, _shown(report))]
    parts.append("\n".join(f"{point}: {choice}" for point, choice in report.choices))
    parts += [
        f"{verdict.answer.upper()}: {verdict.claim}\n  {verdict.sentence}" for verdict in report.verdicts
    ]
    return "\n\n".join([*parts, *report.answer, written])


def _head(report: Report) -> list[str]:
    """What stands above all tables in the terminal."""
    return [report.study.title, *filter(None, [report.interim]), *report.notes]


def _shown(report: Report) -> list[Table]:
    """The tables of the terminal."""
    return [table for table in report.tables if not table.aside]


def _drawn(table: Table) -> str:
    below = (filled(line) for line in table.legend)
    return "\n".join([table.title, "", table.text("simple"), *below])
