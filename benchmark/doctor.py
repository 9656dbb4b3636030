"""What the doctor (`serkit.doctor`) found, as text for a terminal."""

import textwrap
from collections import defaultdict
from collections.abc import Sequence

from tabulate import tabulate

from serkit.doctor import NOTE, UNFIT, Count, Examination
from serkit.labels import LABELS
from serkit.words import filled, many, printable


def render(examination: Examination, title: str) -> str:
    """The examination of a corpus of that title, no newline at its end; no name in it steers a terminal."""
    if examination.missing:
        return f"{title}: missing\n" + filled(examination.problems[0].message, "  ", "  ")
    n_notes = sum(problem.severity == NOTE for problem in examination.problems)
    n_unfit = len(examination.problems) - n_notes
    verdict = f"UNFIT ({many(n_unfit, 'reason')})" if n_unfit else "fit"
    if n_notes:
        verdict += f", {many(n_notes, 'note')}"
    clips, elsewhere = examination.clips, examination.elsewhere
    about = {
        "folder": examination.folder,
        "options": ", ".join(f"{name} {value}" for name, value in examination.options if value is not None),
        "version": examination.version,
        "audio": clips and f"{many(clips, 'clip')}, {examination.hours:.2f} hours",
        "": elsewhere and f"{many(elsewhere, 'file')} more in folders where no clip lies",
    }
    lines = [f"{title}: {verdict}", *(f"  {name:<8} {value}" for name, value in about.items() if value)]
    if examination.counts:
        lines += ["", *_render_counts(examination.counts)]
    if examination.notes:
        lines += ["", "Notes", *(filled(note, "  - ", "    ") for note in examination.notes)]
    if examination.problems:
        lines += ["", "Problems"]
    for problem in examination.problems:
        severity = problem.severity.upper() if problem.severity == UNFIT else problem.severity
        lines.append(filled(f"{severity} {problem.kind}: {problem.message}", "  - ", "    "))
        lines += [f"      {example}".replace("\n", "\\n") for example in problem.examples]
        if problem.count > len(problem.examples) > 0:
            lines.append(f"      and {problem.count - len(problem.examples)} more")
    return printable("\n".join(lines))


def _render_counts(counts: Sequence[Count]) -> list[str]:
    by_group: dict[str, dict[str, Count]] = defaultdict(dict)
    for count in counts:
        by_group[count.group][count.label] = count
    rows, agreeing, is_single = [], 0, False
    for group, row in by_group.items():
        if is_single and not any(count.differs for count in row.values()):
            agreeing += len(row)
            continue
        cells = [_cell(row[label]) if label in row else "" for label in [*LABELS, "*"]]
        rows.append(["all" if group == "*" else group, *cells])
        is_single |= group == "*"  # what follows is published speaker by speaker: shown only where it differs
    colalign = ("left", *["right"] * (len(LABELS) + 1))
    table = tabulate(rows, ["", *LABELS, "all"], disable_numparse=True, colalign=colalign)
    lines = textwrap.indent(table, "  ").splitlines()
    if any(count.published is not None for count in counts):
        lines.append("  found / published, ! where they differ")
    if agreeing:
        lines.append(f"  {many(agreeing, 'published count')} of single speakers agree")
    return lines


def _cell(count: Count) -> str:
    if count.published is None:
        return str(count.found)
    return f"{'! ' if count.differs else ''}{count.found} / {count.published}"
