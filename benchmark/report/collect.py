"""All that is shown of a study, read from its results once: `write` and `page` only write it.

Nothing is run: whatever is done is shown, and what is missing is a visible gap.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from benchmark.report import cells, paper, verdicts
from benchmark.report.cells import Answers, Cells
from benchmark.report.choices import choices
from benchmark.report.clipscores import ClipScores
from benchmark.report.tables import MISSING
from benchmark.session import progress, status
from benchmark.study import Study, kinds, plan
from serkit.labels import GUESSING, LABELS
from serkit.metrics import in_tail
from serkit.resultfile import Result
from serkit.results import Store, left_out
from serkit.specs import MEASUREMENT, METRICS, TRAINING
from serkit.words import many

NAMED = 5  # runs in a note; more are counted


class Report:
    """All that is shown of a study."""

    def __init__(self, study: Study, store: Store) -> None:
        """Reads whatever of it is done."""
        self.study = study
        self.found = cells.answers(study, store)
        made = Cells(study, self.found.results, store.table)
        numbers = [(kind, kind.numbers(study, made, store)) for kind in kinds() if hasattr(kind, "numbers")]
        self.exhibits = [(kind, of) for kind, of in numbers if of]
        self.tables = [table for kind, of in self.exhibits for table in kind.draw_tables(study, of)]
        self.sections = [section for kind, of in self.exhibits for section in kind.sections(study, of)]
        self.numbers = _saved(of for _, of in self.exhibits)
        self.cells = self.numbers.get("cells", pd.DataFrame())  # of Table 1 and the figures
        every = {name: frame for _, of in self.exhibits for name, frame in of.items()}
        self.verdicts = verdicts.verdicts(made, every)
        self.answer = verdicts.answer(self.verdicts)
        self.judged = verdicts.table(self.verdicts)
        self.choices = choices(study)
        self.conditions = list(_conditions(study, made))
        tests = {test for result in self.found.results.values() for test in result.get("tests", ())}
        self.constants = {study.title_of(test): _constant(made, test) for test in sorted(tests)}
        """What is had on each test without listening, by its title and the metric."""
        self.notes = list(_notes(made, self.found, self.cells))  # which tables could not be read, too
        self.states = progress.Progress(study, store).look()
        done = all(state.state == progress.DONE for state in self.states)
        how_far = f"Interim: {status.standing(self.states)}. What is missing is shown as {MISSING}."
        self.interim = "" if done else how_far
        known = study.exhibits.get("known")
        self.wrong = list(known.wrong(made, self.verdicts, done)) if known else []
        """What is known of the corpora and did not come out, once all runs are done."""
        self.notes += [f"Not as it is known to be: {line}" for line in self.wrong]
        if known and done and not self.wrong:
            self.notes.append(f"All that is known came out: {many(len(known.answers), 'verdict')}.")


def _saved(numbers: Iterable[Mapping[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """What is saved with every digit, by the name of its file."""
    parts = defaultdict(list)
    for name, frame in (item for of in numbers for item in of.items()):
        if name.endswith("cells"):
            parts[name].append(frame)
    return {name: pd.concat(frames, ignore_index=True) for name, frames in parts.items()}


def _notes(made: Cells, found: Answers, shown: pd.DataFrame) -> Iterator[str]:
    """What a reader must know besides the numbers: initialisation, coverage, hardware, agreement, copies."""
    study, results = made.study, found.results.values()
    if study.caution:
        yield study.caution
    if study.model.weights is None and study.model.encoder == "cnn14":
        yield f"All networks are trained from random initialisation (width {study.model.width} of 64)."
    if study.model.imported:
        name = study.model.encoder.partition(":")[2]
        yield f"Imported: the probabilities of {name} were made outside serkit; nothing is known of how."
    yield _done(study, found)
    if devices := cells.devices(results):
        yield f"Run on: {'; '.join(devices)}."
    known = shown.get("agrees", pd.Series(dtype=bool)).dropna()
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
    yield from (f"Caution: {line}." for line in (*found.others, *found.differing))
    yield from left_out([*found.unread, *made.evidence.clips.unread])
    for name, title in study.titles.items():
        learnt = made.learnt((name,), name, 0)
        if learnt and not learnt.shown:
            yield (
                f"Caution: nothing was learnt of {title} at 0 % that can be told from guessing ({learnt});"
                " changes relative to its baseline mean nothing."
            )
    corpora = (corpus for result in results for corpus in result["corpora"].items())
    yield from sorted({f"{study.titles[name]}: {note}" for name, about in corpora for note in about["notes"]})


def _done(study: Study, found: Answers) -> str:
    asked, done = [case.spec.kind for case in plan(study)], [spec.kind for spec in found.results]
    kinds = [
        (kind, what) for kind, what in ((TRAINING, "runs"), (MEASUREMENT, "measurements")) if kind in asked
    ]
    counts = ", ".join(f"{done.count(kind)} of {asked.count(kind)} {what}" for kind, what in kinds)
    hours = sum(result["wall_seconds"] for result in found.results.values()) / 3600
    return f"{counts} done, {many(len(study.seeds), 'seed')}, {hours:.2f} hours in all."


def _conditions(study: Study, cells: Cells) -> Iterator[dict[str, Any]]:
    """Of every condition that has a finished run its learning curves and confusion, for the page's script."""
    for train in study.training_sets():
        for rate in study.rates_percent:
            if done := cells.runs(train, rate).values():
                expected = len(study.runs(train, rate))
                about = dict(train=study.title_of(train), rate=rate, runs=len(done), expected=expected)
                yield about | _curves(study, done) | _confusion(study, done, cells.evidence.clips)


def _curves(study: Study, done: Collection[Result]) -> dict[str, Any]:
    """Loss and metrics by epoch: mean over folds and seeds, and their standard deviation.

    Returns:
        `epochs`, `tail` (the first epoch in it), `loss` ([means, stds]), `tests` (title -> metric -> [means,
        stds]).
    """
    histories = [result["history"] for result in done]
    shortest = min(histories, key=len)
    share = next(iter(done))["spec"]["recipe"]["tail"]
    together = list(zip(*histories, strict=False))  # of the evaluations that all have

    def over_runs(values: Any) -> list[list[float | None]]:
        """Of [evaluations][values]."""
        return [[_short(make(of) if of else np.nan) for of in values] for make in (np.mean, np.std)]

    tests = {}
    for test in shortest[-1]["tests"]:  # of the tail: before it some evaluations leave out other corpora
        scored = [[of for at in now for of in at["tests"].get(test, {}).values()] for now in together]
        curves = {metric: over_runs([[of[metric] for of in now] for now in scored]) for metric in METRICS}
        tests[study.title_of(test)] = curves
    epochs = [_short(at["epoch"]) for at in shortest]
    loss = over_runs([[at["loss"] for at in now if at["loss"] is not None] for now in together])
    return dict(epochs=epochs, tail=epochs[in_tail(shortest, share)[0]], loss=loss, tests=tests)


def _constant(cells: Cells, test: str) -> dict[str, float | None]:
    return {metric: _short(of) for metric, of in cells.evidence.constants(test).best.items()}


def _short(value: float) -> float | None:
    """Four digits; None where it is no number, which JSON has not."""
    return round(float(value), 4) if np.isfinite(value) else None


def _confusion(study: Study, done: Collection[Result], clips: ClipScores) -> dict[str, Any]:
    """Test clips by corpus's title and [true][predicted] label at the last evaluation, over folds and seeds.

    And `counted`, of how many runs: a table of scores may be gone or damaged.
    """
    counted = 0
    counts: dict[str, np.ndarray] = defaultdict(lambda: np.zeros((len(LABELS), len(LABELS)), dtype=np.int64))
    for result in done:
        of_run = clips.read(result["key"])
        counted += bool(of_run)
        for name, of_corpus in of_run.items():
            if name in study.titles:
                counts[study.titles[name]] += of_corpus.last
    return {"counted": counted, "confusion": {title: of.tolist() for title, of in counts.items()}}
