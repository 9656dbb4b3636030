"""What the doctor finds: problems, counts, and all of it together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

UNFIT, NOTE = "unfit", "note"
EXAMPLES = 5
NAMED = 100  # of what makes a copy unfit: somebody has to mend it
FEW = 0.01  # share up to which published corpora themselves are found odd
MANY = 0.1  # the same of what depends on how loud people were


@dataclass(frozen=True)
class Problem:
    """One kind of thing found.

    Attributes:
        kind: short name, as in the module's header.
        severity: `unfit` or `note`.
        message: what was found, what was expected, what to do.
        count: how many.
        examples: up to five of a note, a hundred of what is unfit; paths relative to the corpus's folder.
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
        name: the reader's name.
        title: the corpus's name as written in tables.
        page: where to read how to get it.
        options: the reader's options, defaults filled in, sorted pairs.
        folder: the corpus's folder; None where missing.
        version: what the reader recognised; empty where it could not read.
        clips: clips in the table.
        hours: of audio, decoded.
        counts: class x split or fold, beside what is published.
        elsewhere: audio files in folders where no clip lies.
        notes: the reader's own.
        problems: unfit ones first.
    """

    name: str
    title: str
    page: str
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


def n_of(count: int, what: str) -> str:
    """`1 clip`, `2 clips`, ..."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def found(kind: str, severity: str, message: str, examples: Sequence[str]) -> list[Problem]:
    """The problem, or none where there is no example of it.

    Args:
        kind: of the problem.
        severity: of the problem.
        message: in it, `{n clips}` becomes `1 clip`, `2 clips`, ...
        examples: all of them.
    """
    if not examples:
        return []
    text = re.sub(r"\{n (\w+)s\}", lambda counted: n_of(len(examples), counted[1]), message)
    return [
        Problem(
            kind, severity, text, len(examples), tuple(examples[: NAMED if severity == UNFIT else EXAMPLES])
        )
    ]
