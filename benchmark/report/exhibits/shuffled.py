"""Shuffled labels: what a network remembers of clips whose labels say nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.study import Condition, Study, TrainingSet, rates, training_sets
from benchmark.study_file import LIST
from serkit.labels import corpus_of, treatment_of
from serkit.results import Store
from serkit.settings import check

PLACE = 7
NAMES = {"shuffled": "Shuffled labels: what is remembered where nothing can be learnt"}
KEYS = {"train": LIST, "rates_percent": LIST}


@dataclass(frozen=True)
class Shuffled:
    """Training sets with a corpus whose labels are shuffled."""

    columns: tuple[TrainingSet, ...]
    rates: tuple[int, ...]
    tests = measurements = ()

    def conditions(self, study: Study) -> list[Condition]:
        """Each with the shuffled labels and with the true ones."""
        return [
            Condition(train, rate)
            for rate in self.rates
            for column in self.columns
            for train in (column, tuple(map(corpus_of, column)))
        ]


def ask(name: str, table: Mapping[str, Any], study: Study) -> Shuffled:
    """Training sets with shuffled labels."""
    columns = training_sets(name, table, study)
    for column in columns:
        odd = {treatment_of(name) for name in column} - {""}
        check(odd == {"shuffled"}, f"shuffled.train {list(column)}: expected a corpus as NAME_shuffled")
    return Shuffled(columns, rates(name, table, study))


def numbers(study: Study, cells: Any, store: Store) -> dict[str, Any]:
    """None yet."""
    return {}


def draw_tables(study: Study, numbers: Mapping[str, Any]) -> list[Any]:
    """None yet."""
    return []


def sections(study: Study, numbers: Mapping[str, Any]) -> list[Any]:
    """None yet."""
    return []
