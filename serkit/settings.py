"""What a setting may be, refused where the study is read, not hours later where it does harm."""

import dataclasses
import math
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from serkit.errors import SpecError
from serkit.words import printable, shown

MAX_SEED = 2**32 - 1
MAX_SEEDS = 100
"""Seeds of a condition: more are another study."""
MAX_EVALUATIONS = 100_000
"""Of a run: each is kept with the result."""
MAX_NESTED = 8
"""Levels of lists and tables in a value; the deepest that a reader's option has is two."""


@dataclass(frozen=True)
class Bounds:
    """What a number may be: both ends are allowed, the lower one not where it must be `above` it."""

    low: float
    high: float
    why: str
    whole: bool = True
    above: bool = False

    def __str__(self) -> str:
        low, high = (f"{end:,}" if self.whole else f"{end:g}" for end in (self.low, self.high))
        if self.above:
            return f"a number above {low}, {high} at most"
        return f"a {'whole ' * self.whole}number in {low}..{high}"


BOUNDS = {
    "corpus.folds": Bounds(1, 1000, "each is a training of its own"),
    "corpus.trainings": Bounds(1, 1000, "there are no more than folds"),
    "corpus.expected_training_clips": Bounds(1, 10**9, "it orders cases, nothing else"),
    "corpus.max_training_clips": Bounds(4, 10**9, "there are four classes to learn"),
    "model.width": Bounds(1, 256, "CNN14 has 64; at 256 the last block alone takes 2.4 GB"),
    "model.dropout": Bounds(0, 1, "1 is the stock network's", whole=False),
    "recipe.learning_rate": Bounds(0, 1e6, "beyond, the first step overflows", whole=False, above=True),
    "recipe.encoder_learning_rate": Bounds(0, 1e6, "0 is model.freeze", whole=False, above=True),
    "recipe.accumulate": Bounds(1, 65_536, "a part has a clip or more"),
    "recipe.warmup": Bounds(0, 1, "a share of the steps", whole=False),
    "recipe.batch_size": Bounds(1, 65_536, "a batch is in memory at once, 1.3 MB a clip of 10 s"),
    "recipe.epochs": Bounds(1, 100_000, "each is shown, and kept with the result"),
    "recipe.evaluations_per_epoch": Bounds(0, 100, "each scores every test corpus", whole=False, above=True),
    "recipe.evaluate_unseen": Bounds(1, 100_000, "the tail is always scored"),
    "recipe.tail": Bounds(0, 1, "a share of the iterations", whole=False, above=True),
    "recipe.max_seconds": Bounds(0.1, 600, "shorter is no word; longer fills memory", whole=False),
    "recipe.loudness_dbfs": Bounds(-90, -1, "16 bits end at -90 dB; 0 dB RMS is a square wave", whole=False),
    "run.augment_percent": Bounds(0, 100, "percent of the training clips"),
    "run.seed": Bounds(0, MAX_SEED, "generators take 32 bits"),
    "acoustics.clips": Bounds(1, 10**9, "all clips are chosen from"),
    "acoustics.p835_clips": Bounds(0, 10**9, "they are some of the clips"),
    "acoustics.seed": Bounds(0, MAX_SEED, "generators take 32 bits"),
    "synthetic.mismatch": Bounds(0, 1, "at 0 all roles share one channel", whole=False),
    "synthetic.speakers": Bounds(6, 1000, "a clip takes 10 ms to make and 50 kB"),
    "synthetic.clips": Bounds(4, 1000, "of each speaker"),
    "synthetic.folds": Bounds(1, 100, "each is a training of its own"),
    "synthetic.seed": Bounds(0, MAX_SEED, "generators take 32 bits"),
    "augmentation.dry_level": Bounds(0, 1, "pedalboard's own", whole=False),
    "augmentation.time_masks": Bounds(0, 10, "the stock class has 2"),
    "augmentation.band_masks": Bounds(0, 10, "the stock class has 2"),
}
"""The bounds of every number by table and key; those of ranges are `serkit.effects.ALLOWED`."""


def check(holds: object, message: str) -> None:
    """Raises SpecError where something does not hold."""
    if not holds:
        raise SpecError(message)


def one_of(what: str, value: Any, known: Iterable[Any]) -> None:
    """Raises SpecError where a value is none of those known."""
    known = tuple(known)
    check(value in known, f"{what} {shown(value)}: expected one of {', '.join(map(str, known))}")


def is_number(value: Any) -> bool:
    """Whether a value is a number and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def number(setting: str, value: Any, name: str = "") -> Any:
    """A number within the `BOUNDS` of a setting; a float where it need not be whole: 1 and 1.0 are one key.

    Messages call it `name`, or as the setting. Raises SpecError.

    Example:
        >>> number("recipe.max_seconds", 3)
        3.0
    """
    bounds = BOUNDS[setting]
    of_kind = is_number(value) and (not bounds.whole or isinstance(value, int))
    fits = of_kind and bounds.low <= value <= bounds.high and not (bounds.above and value == bounds.low)
    what = name or setting.replace(".", " ")
    check(fits, f"{what} = {shown(value)}: expected {bounds} ({bounds.why})")
    return value if bounds.whole else float(value)


def check_numbers(spec: Any, table: str, named: str) -> None:
    """Brings a frozen spec's numbers to how `number` gives them; None stays where it is the default.

    Bounds stand under `<table>.<field>`; messages say `named` before a field's name. Raises SpecError.
    """
    for field in dataclasses.fields(spec):
        setting, value = f"{table}.{field.name}", getattr(spec, field.name)
        if setting in BOUNDS and not (value is None and field.default is None):
            object.__setattr__(spec, field.name, number(setting, value, named + field.name))


def one_line(where: str, text: str, most: int = 200) -> str:
    """A text that may stand in a table and on a terminal, in one spelling of accents.

    Raises SpecError: nothing to see in it, more than `most` characters, control characters or line breaks.
    """
    seen = any(letter.isprintable() and not letter.isspace() for letter in text)
    check(seen, f"{where} is empty; expected a text")
    check(len(text) <= most, f"{where} has {len(text):,} characters; expected {most:,} at most")
    held = printable(text) != text or len(text.splitlines()) > 1 or "\t" in text
    check(not held, f"{where} = {shown(text)}: expected one line without control characters")
    return unicodedata.normalize("NFC", text.strip())


def plain(where: str, value: Any, finite: bool = True, depth: int = 0) -> None:
    """Raises SpecError unless a value is plain text, a number, true or false, or lists and tables of such.

    Numbers with bounds of their own need not be `finite` here. `depth` counts the levels above the value.
    """
    check(depth <= MAX_NESTED, f"{shown(where)[1:-1]}: nested deeper than {MAX_NESTED} levels")
    if isinstance(value, list | tuple):
        for item in value:
            plain(where, item, finite, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            plain(where, key, finite, depth + 1)
            plain(f"{where}.{key}" if where else key, item, finite, depth + 1)
    elif isinstance(value, str):
        written = f"{where or 'study'}: {shown(value)}"
        check(printable(value) == value, f"{written} has control characters; expected plain text")
    elif not isinstance(value, bool):
        expected = f"text, a {'finite ' * finite}number, true or false, a list or a table"
        fits = is_number(value) and (abs(value) < math.inf or not finite)
        check(fits, f"{where} = {shown(value)}: expected {expected}")
