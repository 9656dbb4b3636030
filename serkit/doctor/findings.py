"""What the doctor finds: problems, counts, and all of it together."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serkit.words import many

UNFIT, NOTE = "unfit", "note"
KINDS = tomllib.loads(Path(__file__).with_name("kinds.toml").read_text(encoding="utf-8"))
EXAMPLES = {NOTE: 5, UNFIT: 100}  # named of a problem: what makes a copy unfit has to be mended


@dataclass(frozen=True)
class Problem:
    """One kind of thing found.

    Attributes:
        kind: short name, as in kinds.toml.
        severity: `unfit` or `note`.
        message: what was found, what was expected, what to do.
        count: how many.
        examples: the first of them; paths relative to the corpus's folder.
    """

    kind: str
    severity: str
    message: str
    count: int = 1
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Count:
    """Clips of one label in one group.

    Attributes:
        group: a split, `fold 0`, `fold 1`, ..., a speaker with a published count, or `*` for all.
        label: one of the four, or `*` for all.
        found: in this copy.
        published: None where nothing is published.
    """

    group: str
    label: str
    found: int
    published: int | None = None

    @property
    def differs(self) -> bool:
        """Whether a published count is not what was found."""
        return self.published is not None and self.published != self.found


@dataclass(frozen=True)
class Examination:
    """What the doctor found.

    Attributes:
        options: the reader's options, defaults filled in, sorted pairs.
        folder: the corpus's folder; None where missing.
        version: what the reader recognised; empty where it could not read.
        clips: how many the table has.
        counts: label x split or fold, beside what is published.
        elsewhere: how many audio files lie in folders where no clip lies.
        problems: unfit ones first, in the order of kinds.toml.
    """

    options: tuple[tuple[str, Any], ...] = ()
    folder: Path | None = None
    version: str = ""
    clips: int = 0
    hours: float = 0.0
    counts: tuple[Count, ...] = ()
    elsewhere: int = 0
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

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
    named = tuple(examples[: EXAMPLES[severity]])
    return Problem(kind.partition("/")[0], severity, message, count, named)


def found(kind: str, examples: Sequence[str], **values: Any) -> list[Problem]:
    """A problem with its examples, or none where there are none."""
    return [problem(kind, len(examples), examples, **values)] if examples else []
