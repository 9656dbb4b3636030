"""Learning curves and confusion matrices of every condition that has a finished run, for the page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any

import numpy as np
import pandas as pd

from benchmark.report.cells import Cells
from benchmark.study import Study
from serkit.errors import ResultsUnreadable
from serkit.labels import LABELS
from serkit.metrics import in_tail
from serkit.results import Result, Store
from serkit.specs import METRICS


def read(study: Study, cells: Cells, store: Store) -> Iterator[dict[str, Any]]:
    """A condition each, as the page's script takes it.

    Returns:
        `train` (title), `rate`, `runs`, `expected`, what `_curves` gives, `counted` and `confusion`: of how
        many runs there are scores, for a table of them may be gone or damaged, and by corpus's title test
        clips by [true][predicted] label at the last evaluation, over folds and seeds.
    """
    for train in study.training_sets():
        for rate in study.rates_percent:
            done = cells.runs(train, rate).values()
            if done:
                counted, confusion = _confusion(study, done, store)
                yield {
                    "train": study.title_of(train),
                    "rate": rate,
                    "runs": len(done),
                    "expected": len(study.runs(train, rate)),
                    **_curves(study, done),
                    "counted": counted,
                    "confusion": confusion,
                }


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
        return [[_short(np.mean(of)) for of in values], [_short(np.std(of)) for of in values]]

    def tested(test: str, metric: str) -> list[list[float]]:
        return [[of[metric] for at in now for of in at["tests"][test].values()] for now in together]

    return {
        "epochs": [_short(at["epoch"]) for at in shortest],
        "tail": _short(shortest[in_tail(shortest, share)[0]]["epoch"]),
        "loss": over_runs([[at["loss"] for at in now] for now in together]),
        "tests": {
            study.title_of(test): {metric: over_runs(tested(test, metric)) for metric in METRICS}
            for test in shortest[0]["tests"]
        },
    }


def _short(value: float) -> float | None:
    """Four digits; None where it is no number, which JSON has not."""
    return round(float(value), 4) if np.isfinite(value) else None


def _confusion(
    study: Study, done: Collection[Result], store: Store
) -> tuple[int, dict[str, list[list[int]]]]:
    counted = 0
    counts: dict[str, np.ndarray] = defaultdict(lambda: np.zeros((len(LABELS), len(LABELS)), dtype=np.int64))
    for result in done:
        try:
            scores = store.table(result["key"], "scores")
        except ResultsUnreadable:
            continue
        counted += 1
        predicted = scores[list(LABELS)].to_numpy().argmax(axis=1)
        truth = pd.Categorical(scores["label"], categories=list(LABELS)).codes
        for name in scores["corpus"].unique():
            if name in study.titles:
                here = (scores["corpus"] == name).to_numpy()
                np.add.at(counts[study.title_of(name)], (truth[here], predicted[here]), 1)
    return counted, {title: of.tolist() for title, of in counts.items()}
