"""How messages say things: a value cut short, how many there are of something, what was probably meant."""

import datetime
import difflib
import re
import textwrap
from collections.abc import Iterable
from typing import Any

UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Control characters but tab and newline, what turns the direction of text, and halves of characters."""
MAX_SHOWN = 80
"""Characters of a value that a message shows, or looks for among those that are known."""
NAMED = 3
"""Clips or runs that a message names; more are counted."""
COLUMNS = 80
"""Of a terminal."""


def shown(value: Any) -> str:
    """A value, cut short however large it is.

    Example:
        >>> shown("emodb")
        "'emodb'"
    """
    try:
        written = str(value) if isinstance(value, datetime.date | datetime.time) else repr(value)
    except (ValueError, RecursionError):  # more digits, or more levels, than Python writes
        written = "something very large"
    return written if len(written) <= MAX_SHOWN else f"{written[: MAX_SHOWN - 4]} ..."


def filled(text: str, first: str = "", others: str = "") -> str:
    """Text in lines of a terminal's width, each behind what is given; paths and names stay whole."""
    whole: dict[str, Any] = {"break_long_words": False, "break_on_hyphens": False}
    return textwrap.fill(text, COLUMNS, initial_indent=first, subsequent_indent=others, **whole)


def many(number: int, what: str, several: str = "") -> str:
    """A number of things; `several` is their plural where no s makes it.

    Example:
        >>> many(1, "pair"), many(2000, "pair")
        ('1 pair', '2,000 pairs')
    """
    return f"{number:,} {what if number == 1 else several or what + 's'}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or nothing.

    Example:
        >>> did_you_mean("emodb2", ["emodb", "ravdess"])
        "; did you mean 'emodb'?"
    """
    near = difflib.get_close_matches(name[:MAX_SHOWN], known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def printable(text: str) -> str:
    r"""Text as a terminal may show it: what would steer it or turn the text is spelt out.

    Example:
        >>> printable("\x1b[2J")
        '\\x1b[2J'
    """
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def named(what: Iterable[str]) -> str:
    """The first few of some names, and how many there are besides."""
    every = list(what)
    more = f" and {len(every) - NAMED:,} more" if len(every) > NAMED else ""
    return ", ".join(printable(one)[:200] for one in every[:NAMED]) + more
