"""Held-out cells: joint training on all of one corpus and on another without one label; recall of that label.

A test of what the corpora share that involves no contradiction. A network whose labels mean the same in both
corpora knows the label from the other one; a network that keeps a set of labels for each corpus never says it
there. Beside it stand the recall with the label (joint training) and that of the other corpora alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.study import Condition, Study, TrainingSet, rates, training_sets
from benchmark.study_file import LIST
from serkit.labels import LABELS, treated, treatment_of
from serkit.results import Store
from serkit.settings import check

PLACE = 5
NAMES = {"heldout": "Held-out cells: recall of a label that a corpus lacks in joint training"}
KEYS = {"train": LIST, "rates_percent": LIST}


@dataclass(frozen=True)
class HeldOut:
    """Joint training sets, each of whose corpora lacks each label in turn."""

    columns: tuple[TrainingSet, ...]
    rates: tuple[int, ...]
    tests = measurements = ()

    def conditions(self, study: Study) -> list[Condition]:
        """Joint training, the others alone, and joint training without each label of each corpus."""
        return [
            Condition(train, rate)
            for rate in self.rates
            for joint in self.columns
            for train in [
                joint,
                *(of for name in joint for of in (others(joint, name), *lacking(joint, name))),
            ]
        ]


def others(joint: TrainingSet, corpus: str) -> TrainingSet:
    """A training set without one of its corpora."""
    return tuple(name for name in joint if name != corpus)


def lacking(joint: TrainingSet, corpus: str) -> list[TrainingSet]:
    """The training sets in which one corpus lacks a label, in the order of the labels."""
    return [
        tuple(treated(name, f"without-{label}") if name == corpus else name for name in joint)
        for label in LABELS
    ]


def ask(name: str, table: Mapping[str, Any], study: Study) -> HeldOut:
    """Joint training sets under true labels."""
    columns = training_sets(name, table, study)
    for column in columns:
        joint = len(column) > 1 and not any(map(treatment_of, column))
        check(joint, f"heldout.train {list(column)}: expected two corpora or more, under their true labels")
    return HeldOut(columns, rates(name, table, study))


def numbers(study: Study, cells: Any, store: Store) -> dict[str, Any]:
    """None yet."""
    return {}


def draw_tables(study: Study, numbers: Mapping[str, Any]) -> list[Any]:
    """None yet."""
    return []


def sections(study: Study, numbers: Mapping[str, Any]) -> list[Any]:
    """None yet."""
    return []
