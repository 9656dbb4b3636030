"""All that is shown of a study, read from its results: `benchmark.report.write` writes it.

Nothing is run: whatever is done is shown, and what is missing is a visible gap.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from benchmark.report import acoustics, cells, intervals, tables, verdicts
from benchmark.report.cells import Answers
from benchmark.report.tables import Table
from benchmark.session import progress, status
from benchmark.session.progress import CaseState
from benchmark.study import Study, plan
from serkit.resultfile import GUESSING, Result
from serkit.results import Store, left_out
from serkit.specs import MEASUREMENT, TRAINING
from serkit.words import many

NAMED = 5  # runs in a note; more are counted


@dataclass(frozen=True, eq=False)
class Report:
    """All that is shown of a study.

    Attributes:
        study: what was asked.
        found: what is done.
        cells: of `exhibits.cells`.
        matrix: of `exhibits.matrix`.
        points: of `exhibits.grid`; empty where nothing is tuned.
        estimates: of `figure4.estimates`; empty where nothing was measured.
        acoustics: of `figure4.cells`; likewise.
        distances: of `figure4.distances`; likewise.
        tables: every table, drawn.
        sentences: the answer.
        notes: what a reader must know besides the numbers.
        states: of every case of the study, in the plan's order.
    """

    study: Study
    found: Answers
    cells: pd.DataFrame
    matrix: pd.DataFrame
    points: pd.DataFrame
    estimates: pd.DataFrame
    acoustics: pd.DataFrame
    distances: pd.DataFrame
    tables: tuple[Table, ...]
    sentences: tuple[str, ...]
    notes: tuple[str, ...]
    states: tuple[CaseState, ...] = ()

    @property
    def interim(self) -> str:
        """How far the study is; empty where all of it is done."""
        if all(state.state == progress.DONE for state in self.states):
            return ""
        return f"Interim: {status.standing(self.states)}. What is missing is shown as {tables.MISSING}."

    def cells_of(self, exhibit: str) -> pd.DataFrame:
        """The cells of one exhibit; empty where the study does not show it."""
        return self.cells[self.cells["exhibit"] == exhibit] if not self.cells.empty else self.cells

    @property
    def numbers(self) -> dict[str, pd.DataFrame]:
        """Every digit of what is there, by the name of its file."""
        tables = {
            "matrix-cells": self.matrix,
            "cells": self.cells,
            "tuning-cells": self.points,
            "figure4-cells": self.acoustics,
            "figure4-distance-cells": self.distances,
        }
        return {name: table for name, table in tables.items() if not table.empty}


def read(study: Study, store: Store) -> Report:
    """Reads whatever of a study is done."""
    found = cells.answers(study, store)
    shown, points = cells.cells(study, found), cells.grid(study, found)
    matrix = cells.matrix(study, found)
    drawn = tables.draw(study, shown, points)
    if not matrix.empty:
        guesses = cells.guesses(study, found)
        drawn.insert(0, tables.draw_matrix(matrix, guesses, min(study.rates_percent)))
    estimates = acoustics.estimates(study, found, store)
    measured = distances = pd.DataFrame()
    if not estimates.empty:
        measured, distances = acoustics.cells(estimates), acoustics.distances(estimates)
        drawn += tables.draw_figure4(measured, distances)
    return Report(
        study=study,
        found=found,
        cells=shown,
        matrix=matrix,
        points=points,
        estimates=estimates,
        acoustics=measured,
        distances=distances,
        tables=tuple(drawn),
        sentences=tuple(verdicts.sentences(study, found)),
        notes=tuple(notes(study, found, shown)),
        states=tuple(progress.states(study, store)),
    )


def notes(study: Study, found: Answers, shown: pd.DataFrame) -> list[str]:
    """What a reader must know besides the numbers: initialisation, coverage, hardware, agreement, copies."""
    specs, results = [case.spec for case in plan(study)], list(found.results.values())
    said = [study.caution] if study.caution else []
    if study.model.weights is None:
        said.append(f"All networks are trained from random initialisation (width {study.model.width} of 64).")
    seconds = sum(result["wall_seconds"] for result in results)
    done = []
    for what, kind in {"runs": TRAINING, "measurements": MEASUREMENT}.items():
        asked = sum(spec.kind == kind for spec in specs)
        if asked:
            done.append(f"{sum(spec.kind == kind for spec in found.results)} of {asked} {what}")
    said.append(f"{', '.join(done)} done, {len(study.seeds)} seed(s), {seconds / 3600:.2f} hours in all.")
    if results:
        said.append(f"Run on: {'; '.join(cells.devices(results))}.")
    known = shown["agrees"].dropna() if study.paper and study.exhibits else pd.Series(dtype=bool)
    if not known.empty:
        said.append(
            f"{int(known.sum())} of {len(known)} cells are within {cells.AGREES_WITHIN} of the paper."
        )
    if found.left_out:
        named = [result["label"] for result in found.left_out.values()]
        more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
        said.append(
            f"Caution: {many(len(named), 'finished run')} left out as missing, for a loss far above that of"
            f" guessing ({GUESSING:.2f}): {', '.join(named[:NAMED])}{more}. Lower recipe.learning_rate."
        )
    if found.mixed:
        mixed = ", ".join(study.titles[name] for name in found.mixed)
        said.append(f"Caution: results of different copies of {mixed} are mixed here.")
    said += left_out(found.unread)
    said += _guessed(study, found)
    said += sorted({note for result in results for note in _corpus_notes(study, result)})
    return said


def _guessed(study: Study, found: Answers) -> Iterable[str]:
    """Baselines at which nothing was learnt: what is relative to them says nothing."""
    for corpus in study.corpora:
        learnt = intervals.learnt(study, found.results, (corpus.name,), corpus.name, 0)
        if learnt and not learnt.shown:
            yield (
                f"Caution: nothing was learnt of {study.title_of(corpus.name)} at 0 % that can be told from"
                f" guessing ({learnt}); changes relative to its baseline mean nothing."
            )


def _corpus_notes(study: Study, result: Result) -> Iterable[str]:
    for name, about in result["corpora"].items():
        for note in about["notes"]:
            yield f"{study.titles[name]}: {note}"
