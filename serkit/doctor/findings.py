"""What the doctor finds: problems, counts, and all of it together."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serkit.words import many

UNFIT, NOTE = "unfit", "note"
KINDS = tomllib.loads(Path(__file__).with_name("kinds.toml").read_text(encoding="utf-8"))
EXAMPLES = {NOTE: 5, UNFIT: 100}  # named of a problem: what makes a copy unfit has to be mended


@dataclass(frozen=True)
class Problem:
    """One kind of thing found."""

    kind: str  # short name, as in kinds.toml
    severity: str  # `unfit` or `note`
    message: str  # what was found, what was expected, what to do
    count: int = 1  # how many
    examples: tuple[str, ...] = ()  # the first of them; paths relative to the corpus's folder


@dataclass(frozen=True)
class Count:
    """Clips of one label in one group."""

    group: str  # a split, `fold 0`, `fold 1`, ..., a speaker with a published count, or `*` for all
    label: str  # one of the four, or `*` for all
    found: int  # in this copy
    published: int | None = None  # None where nothing is published

    @property
    def differs(self) -> bool:
        """Whether a published count is not what was found."""
        return self.published not in (None, self.found)


@dataclass(frozen=True)
class Examination:
    """What the doctor found."""

    options: tuple[tuple[str, Any], ...] = ()  # the reader's, defaults filled in, sorted
    folder: Path | None = None  # the corpus's; None where missing
    version: str = ""  # what the reader recognised; empty where it could not read
    clips: int = 0  # how many the table has
    hours: float = 0.0
    counts: tuple[Count, ...] = ()  # label x split or fold, beside what is published
    elsewhere: int = 0  # how many audio files lie in folders where no clip lies
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()  # unfit ones first, in the order of kinds.toml

    @property
    def missing(self) -> bool:
        """Whether nothing was found that looks like the corpus."""
        return any(problem.kind == "missing" for problem in self.problems)

    @property
    def fit(self) -> bool:
        """Whether results on this copy can be had and mean what they say."""
        return all(problem.severity != UNFIT for problem in self.problems)


def problem(
    kind: str, count: int = 1, examples: Sequence[str] = (), of: int = 0, severity: str = "", **values: Any
) -> Problem:
    """A problem of a kind in `KINDS`, found `count` times among `of`, where that is said.

    `severity` counts where it is not the kind's; `values` are for the message.
    """
    row = KINDS[kind]
    share = f" of {of:,}" if of else ""
    text = re.sub(r"\{n (\w+)s\}", lambda unit: many(count, unit[1]) + share, row["found"])
    message = "; ".join(part.format(**row, **values) for part in (text, row.get("advice")) if part)
    severity = severity or row["severity"]
    if tolerated := row.get("tolerated"):
        message += f"; above {tolerated:.0%} of the clips the copy counts as damaged"
        severity = NOTE if count <= tolerated * of else UNFIT
    return Problem(kind.partition("/")[0], severity, message, count, tuple(examples[: EXAMPLES[severity]]))


def found(examples: Mapping[str, Sequence[str]], **values: Any) -> list[Problem]:
    """A problem of each kind of which there are examples."""
    return [problem(kind, len(named), named, **values) for kind, named in examples.items() if named]
