"""Permuted labels of a corpus in joint training: what is lost, and to which label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.study import Condition, Study, TrainingSet, rates, training_sets
from benchmark.study_file import LIST
from serkit.labels import corpus_of, permutation_of, treatment_of
from serkit.results import Store
from serkit.settings import check

PLACE = 6
NAMES = {"permuted": "Permuted labels of one corpus: what joint training loses, and to which label"}
KEYS = {"train": LIST, "rates_percent": LIST}


@dataclass(frozen=True)
class Permuted:
    """Joint training sets, in each of which one corpus has permuted labels, all or a share."""

    columns: tuple[TrainingSet, ...]
    rates: tuple[int, ...]
    tests = measurements = ()

    def conditions(self, study: Study) -> list[Condition]:
        """Each with the permuted labels and with the true ones."""
        return [
            Condition(train, rate)
            for rate in self.rates
            for column in self.columns
            for train in (column, tuple(map(corpus_of, column)))
        ]


def ask(name: str, table: Mapping[str, Any], study: Study) -> Permuted:
    """Joint training sets with one corpus under permuted labels."""
    columns = training_sets(name, table, study)
    for column in columns:
        odd = [treatment_of(name) for name in column if treatment_of(name)]
        scrambles = [study.corpus(name).scramble for name in column if treatment_of(name)]
        one = len(column) > 1 and len(odd) == 1 and permutation_of(odd[0], scrambles[0])
        check(one, f"permuted.train {list(column)}: expected two corpora or more, one of them as NAME_far")
    return Permuted(columns, rates(name, table, study))


def numbers(study: Study, cells: Any, store: Store) -> dict[str, Any]:
    """None yet."""
    return {}


def draw_tables(study: Study, numbers: Mapping[str, Any]) -> list[Any]:
    """None yet."""
    return []


def sections(study: Study, numbers: Mapping[str, Any]) -> list[Any]:
    """None yet."""
    return []
