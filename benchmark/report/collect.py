"""All that is shown of a study, read from its results once: `write` and `page` only write it.

Nothing is run: whatever is done is shown, and what is missing is a visible gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

import pandas as pd

from benchmark.report import cells, conditions, paper, verdicts
from benchmark.report.cells import Answers, Cells
from benchmark.report.choices import choices
from benchmark.report.exhibits import Section
from benchmark.report.tables import MISSING, Table
from benchmark.session import progress, status
from benchmark.session.progress import CaseState
from benchmark.study import Study, kinds, plan
from serkit.resultfile import GUESSING, Result
from serkit.results import Store, left_out
from serkit.specs import MEASUREMENT, TRAINING
from serkit.words import many

NAMED = 5  # runs in a note; more are counted
SAVED = "cells"
"""Ending of the numbers that are saved."""


@dataclass(frozen=True, eq=False)
class Report:
    """All that is shown of a study.

    Attributes:
        study: what was asked.
        found: what is done.
        exhibits: the kinds of exhibit that have something to show, with their numbers.
        tables: of all exhibits, drawn.
        sentences: the answer.
        notes: what a reader must know besides the numbers.
        choices: what was chosen where the paper is silent, as pairs of point and choice.
        states: of every case of the study, in the plan's order.
        conditions: learning curves and confusion (`benchmark.report.conditions`).
    """

    study: Study
    found: Answers
    exhibits: tuple[tuple[ModuleType, Mapping[str, pd.DataFrame]], ...]
    tables: tuple[Table, ...]
    sentences: tuple[str, ...]
    notes: tuple[str, ...]
    choices: list[list[str]]
    states: tuple[CaseState, ...]
    conditions: tuple[dict[str, Any], ...]

    @property
    def interim(self) -> str:
        """How far the study is; empty where all of it is done."""
        if all(state.state == progress.DONE for state in self.states):
            return ""
        return f"Interim: {status.standing(self.states)}. What is missing is shown as {MISSING}."

    @cached_property
    def numbers(self) -> dict[str, pd.DataFrame]:
        """What is saved with every digit, by the name of its file."""
        parts: dict[str, list[pd.DataFrame]] = {}
        for _, numbers in self.exhibits:
            for name, frame in numbers.items():
                if name.endswith(SAVED):
                    parts.setdefault(name, []).append(frame)
        return {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}

    @property
    def cells(self) -> pd.DataFrame:
        """The cells of Table 1 and the figures; empty where a study shows none."""
        return self.numbers.get("cells", pd.DataFrame())

    @property
    def sections(self) -> list[Section]:
        """What the page shows of each exhibit."""
        return [section for kind, of in self.exhibits for section in kind.sections(self.study, of)]


def read(study: Study, store: Store) -> Report:
    """Reads whatever of a study is done."""
    found = cells.answers(study, store)
    made = Cells(study, found.results)
    numbers = [(kind, kind.numbers(study, made, store)) for kind in kinds()]
    exhibits = tuple((kind, of) for kind, of in numbers if of)
    return Report(
        study=study,
        found=found,
        exhibits=exhibits,
        tables=tuple(table for kind, of in exhibits for table in kind.draw_tables(study, of)),
        sentences=tuple(verdicts.sentences(made)),
        notes=tuple(_notes(made, found, [of["cells"] for _, of in exhibits if "cells" in of])),
        choices=[list(pair) for pair in choices(study)],
        states=tuple(progress.states(study, store)),
        conditions=tuple(conditions.read(study, made, store)),
    )


def _notes(made: Cells, found: Answers, shown: list[pd.DataFrame]) -> Iterator[str]:
    """What a reader must know besides the numbers: initialisation, coverage, hardware, agreement, copies."""
    study, results = made.study, list(found.results.values())
    if study.caution:
        yield study.caution
    if study.model.weights is None:
        yield f"All networks are trained from random initialisation (width {study.model.width} of 64)."
    yield _done(study, found)
    if results:
        yield f"Run on: {'; '.join(cells.devices(results))}."
    known = pd.concat([of["agrees"].dropna() for of in shown if study.paper] or [pd.Series(dtype=bool)])
    if not known.empty:
        yield f"{int(known.sum())} of {len(known)} cells are within {paper.AGREES_WITHIN} of the paper."
    if found.left_out:
        named = [result["label"] for result in found.left_out.values()]
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        yield (
            f"Caution: {many(len(named), 'finished run')} left out as missing, for a loss far above that of"
            f" guessing ({GUESSING:.2f}): {', '.join(named[:NAMED])}{more}. Lower recipe.learning_rate."
        )
    if found.mixed:
        mixed = ", ".join(study.titles[name] for name in found.mixed)
        yield f"Caution: results of different copies of {mixed} are mixed here."
    yield from left_out(found.unread)
    yield from _guessed(made)
    yield from sorted({note for result in results for note in _corpus_notes(study, result)})


def _done(study: Study, found: Answers) -> str:
    """How much of what is asked is done, and in how long."""
    asked, done = [case.spec.kind for case in plan(study)], [spec.kind for spec in found.results]
    kinds = {"runs": TRAINING, "measurements": MEASUREMENT}
    counts = [
        f"{done.count(kind)} of {asked.count(kind)} {what}" for what, kind in kinds.items() if kind in asked
    ]
    hours = sum(result["wall_seconds"] for result in found.results.values()) / 3600
    return f"{', '.join(counts)} done, {many(len(study.seeds), 'seed')}, {hours:.2f} hours in all."


def _guessed(made: Cells) -> Iterator[str]:
    """Baselines at which nothing was learnt: what is relative to them says nothing."""
    for name, title in made.study.titles.items():
        learnt = made.learnt((name,), name, 0)
        if learnt and not learnt.shown:
            yield (
                f"Caution: nothing was learnt of {title} at 0 % that can be told from"
                f" guessing ({learnt}); changes relative to its baseline mean nothing."
            )


def _corpus_notes(study: Study, result: Result) -> Iterator[str]:
    for name, about in result["corpora"].items():
        for note in about["notes"]:
            yield f"{study.titles[name]}: {note}"
