"""Text that comes from data (titles, notes, paths, names), made harmless for the file that it is written to.

Data is never markup, a formula or a command. HTML is escaped by Jinja, LaTeX by tabulate but for what `latex`
does.
"""

from __future__ import annotations

import re

import pandas as pd

from serkit.words import printable

MARKS = re.compile(
    r"\\(?=[!-/:-@\[-`{-~])"  # a backslash that would take the next letter's meaning
    r"|[`|$]"  # code, the end of a cell, GitHub's formulas
    r"|(?<!\s)\*|\*(?!\s|$)|~(?=~)"  # emphasis
    r"|(?<![^\W_])_|_(?![^\W_])"  # emphasis, too, at the edge of a word; within one it is a letter
    r"|(?<=\])[(\[:]"  # links and pictures
    r"|#(?=#*$)"  # the end of a heading
)
"""What means something to Markdown; the rest stays as it is, for those who read the file itself."""
FIRST = re.compile(r"^(\d{1,9}(?=[.)]\s|[.)]$)|)([#+=>.)-]|\[(?=[^\]]*\]:))")
"""What makes a paragraph a heading, a list, a quotation or a link's address."""
NUMBER = re.compile(r"[+-]\d+(\.\d+)?(e[+-]?\d+)?( [*°])?( \[[\w ./,+-]*\])*")
"""A number as we write it, with a table's marks and what stands in brackets."""


def line(text: str) -> str:
    """On one line, without letters that steer a terminal or turn the text."""
    return printable(" ".join(text.split()))


def markdown(text: str) -> str:
    r"""As Markdown shows it unchanged, in a cell of a table or within a paragraph.

    Example:
        >>> print(markdown("a|b"))
        a\|b
    """
    return MARKS.sub(r"\\\g<0>", line(text).replace("&", "&amp;").replace("<", "&lt;"))


def paragraph(text: str) -> str:
    """As Markdown shows it unchanged, as a paragraph of its own."""
    return FIRST.sub(r"\1\\\2", markdown(text))


def latex(table: str) -> str:
    r"""A table of tabulate's in which no row begins with `[` or `*`, which `\\` would take for options."""
    return re.sub(r"^ *(?=[\[*])", " {}", table, flags=re.MULTILINE)


def csv(table: pd.DataFrame, float_format: str | None = None) -> str:
    """A table as CSV, in which no text is a formula to a spreadsheet: an apostrophe stands before such."""
    defused = table.rename(columns=_defused)
    for name in defused.select_dtypes(include=["object", "string"]).columns:
        defused[name] = defused[name].map(_defused)
    return defused.to_csv(index=False, float_format=float_format)


def _defused(value: object) -> object:
    if not isinstance(value, str) or not value.lstrip().startswith(("=", "+", "-", "@")):
        return value
    return value if value == "--" or NUMBER.fullmatch(value) else f"'{value}"
