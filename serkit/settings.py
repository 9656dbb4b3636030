"""What a setting may be: bounds for every number, each with its reason, and the words that refuse another.

A number is refused where the study is read, not hours later where it does harm.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass
from typing import Any

from serkit.errors import SpecError
from serkit.files import printable
from serkit.words import shown

LARGEST_SEED = 2**32 - 1
MOST_NESTED = 8
"""Levels of lists and tables in a value; the deepest that a reader's option has is two."""


@dataclass(frozen=True)
class Bounds:
    """What a number may be.

    Attributes:
        least: the lowest value; 0 in a setting that is not whole is itself left out where `above`.
        most: the highest.
        why: the reason for these.
        whole: whether it must be a whole number.
        above: whether `least` itself is too low.
    """

    least: float
    most: float
    why: str
    whole: bool = False
    above: bool = False

    def __str__(self) -> str:
        """In the words of the messages."""
        least, most = (f"{end:,}" if self.whole else f"{end:g}" for end in (self.least, self.most))
        if self.above:
            return f"a number above {least}, {most} at most"
        return f"a {'whole ' * self.whole}number in {least}..{most}"


def _whole(least: int, most: int, why: str) -> Bounds:
    return Bounds(least, most, why, whole=True)


BOUNDS = {
    "corpus.folds": _whole(1, 1000, "each is a training of its own"),
    "corpus.expected_training_clips": _whole(1, 10**9, "it orders cases, nothing else"),
    "corpus.max_training_clips": _whole(4, 10**9, "there are four classes to learn"),
    "model.width": _whole(1, 256, "CNN14 has 64; at 256 the last block alone takes 2.4 GB"),
    "recipe.learning_rate": Bounds(0, 1e6, "beyond, the first step overflows", above=True),
    "recipe.batch_size": _whole(1, 65_536, "a batch is in memory at once, 1.3 MB a clip of 10 s"),
    "recipe.epochs": _whole(1, 100_000, "each is shown, and kept with the result"),
    "recipe.evaluations_per_epoch": Bounds(0, 100, "each scores every test corpus", above=True),
    "recipe.tail": Bounds(0, 1, "a share of the iterations", above=True),
    "recipe.max_seconds": Bounds(0.1, 600, "shorter is no word; longer fills memory", above=False),
    "recipe.loudness_dbfs": Bounds(-90, -1, "16 bits end at -90 dB; 0 dB RMS is a square wave"),
    "run.augment_percent": _whole(0, 100, "percent of the training clips"),
    "run.seed": _whole(0, LARGEST_SEED, "generators take 32 bits"),
    "acoustics.clips": _whole(1, 10**9, "all clips are chosen from"),
    "acoustics.p835_clips": _whole(0, 10**9, "they are some of the clips"),
    "acoustics.seed": _whole(0, LARGEST_SEED, "generators take 32 bits"),
    "augmentation.dry_level": Bounds(0, 1, "pedalboard's own"),
    "augmentation.time_masks": _whole(0, 10, "the stock class has 2"),
    "augmentation.band_masks": _whole(0, 10, "the stock class has 2"),
}
"""The bounds of every number by table and key; those of ranges are `serkit.effects.ALLOWED`."""

MOST_EVALUATIONS = 100_000
"""Of a run: each is kept with the result."""


def check(holds: bool, message: str) -> None:
    """Refuses a value.

    Raises:
        SpecError: it does not hold.
    """
    if not holds:
        raise SpecError(message)


def is_number(value: Any) -> bool:
    """Whether a value is a number and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(setting: str, value: Any, said: str = "") -> Any:
    """A number within its bounds; as a float where it need not be whole, so that 1 and 1.0 are one key.

    Args:
        setting: a key of `BOUNDS`.
        value: what was given.
        said: what messages call it; default the setting's own name.

    Raises:
        SpecError: no number, none of its kind, or out of bounds.
    """
    bounds = BOUNDS[setting]
    fits = (
        is_number(value)
        and (not bounds.whole or isinstance(value, int))
        and bounds.least <= value <= bounds.most
        and not (bounds.above and value == bounds.least)
    )
    if not fits:
        name = said or setting.replace(".", " ")
        raise SpecError(f"{name} = {shown(value)}: expected {bounds} ({bounds.why})")
    return value if bounds.whole else float(value)


def one_line(where: str, text: str, most: int = 200) -> str:
    """A text that may stand in a table and on a terminal, in one spelling of accents.

    Raises:
        SpecError: nothing to see in it, longer than `most` characters, or with control characters or line
            breaks, which are shown spelt out.
    """
    seen = any(letter.isprintable() and not letter.isspace() for letter in text)
    check(seen, f"{where} is empty; expected a text")
    check(len(text) <= most, f"{where} has {len(text):,} characters; expected {most:,} at most")
    held = printable(text) != text or len(text.splitlines()) > 1 or "\t" in text
    check(not held, f"{where} = {shown(text)}: expected one line without control characters")
    return unicodedata.normalize("NFC", text.strip())


def plain(where: str, value: Any, finite: bool = True, depth: int = 0) -> None:
    """Checks that a value is text, a number, true or false, or lists and tables of such.

    Args:
        where: what messages call it.
        value: what was given.
        finite: whether every number must be; a number with bounds is checked by these.
        depth: levels above it.

    Raises:
        SpecError: anything else, as a date; nested deeper than `MOST_NESTED`; text with control characters.
    """
    if depth > MOST_NESTED:
        raise SpecError(f"{shown(where)[1:-1]}: nested deeper than {MOST_NESTED} levels")
    if isinstance(value, list | tuple):
        for item in value:
            plain(where, item, finite, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            plain(where, key, finite, depth + 1)
            plain(f"{where}.{key}" if where else key, item, finite, depth + 1)
    elif isinstance(value, str):
        if printable(value) != value:
            raise SpecError(f"{where or 'study'}: {shown(value)} has control characters; expected plain text")
    elif not isinstance(value, bool) and not (is_number(value) and (abs(value) < math.inf or not finite)):
        expected = f"text, a {'finite ' * finite}number, true or false, a list or a table"
        raise SpecError(f"{where} = {shown(value)}: expected {expected}")
