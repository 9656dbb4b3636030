"""Text from data stays text: what a reader of each format sees is what was given."""

import csv
import io
import itertools

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from benchmark.report import escape
from benchmark.report.tables import Table
from serkit.words import printable
from tests.fuzz import FUZZ

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
NASTY = st.text(st.sampled_from("\\`*_{}[]()<>#+-.!|~&=:;\"'$^1a é\n\t@/") | st.characters(), max_size=30)


def shown(markdown, inside):
    """The text of the only inline part of a kind; objects to anything but text in it."""
    tokens = MARKDOWN.parse(markdown)
    (inline,) = [at for before, at in itertools.pairwise(tokens) if before.type == inside][-1:]
    assert {child.type for child in inline.children} <= {"text", "text_special"}
    return "".join(child.content for child in inline.children)


@FUZZ
@given(NASTY)
def test_markdown_shows_what_was_given(text):
    given_ = escape.line(text)
    if not given_:
        return
    assert shown(escape.paragraph(text), "paragraph_open") == given_
    assert shown(f"## {escape.markdown(text)}", "heading_open") == given_
    assert shown(f"| a |\n|---|\n| {escape.markdown(text)} |", "td_open") == given_


@FUZZ
@given(NASTY)
def test_no_cell_is_a_formula(text):
    written = Table("name", "title", ["a", "b"], [["x", text]]).csv()
    _, (_, cell) = csv.reader(io.StringIO(written, newline=""))
    assert cell in (printable(text), f"'{printable(text)}")
    assert not cell.lstrip().startswith(("=", "@"))
    assert not cell.lstrip().startswith(("+", "-")) or cell == "--" or escape.NUMBER.fullmatch(cell)


@pytest.mark.parametrize(
    "plain",
    [
        *("RAVDESS+EmoDB: 0.45 [0.34, 0.56] own", "-0.39 [baseline 1/2]", "-0.27 * [1/2]", "-0.40 °"),
        *("crema_d, x->y", "5 %", "2 * 3"),
    ],
)
def test_our_own_text_is_left_as_it_is(plain):
    assert escape.markdown(plain) == plain
    assert escape.csv(pd.DataFrame({"a": [plain]})).splitlines()[1].strip('"') == plain
