"""One output per corpus and label: joint training in a network that keeps corpora apart by construction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmark.study import Condition, How, Study, TrainingSet, rates, training_sets
from benchmark.study_file import LIST
from serkit.labels import treatment_of
from serkit.results import Store
from serkit.settings import check

PLACE = 8
NAMES = {"outputs": "One output for each corpus and label, against one for each label"}
KEYS = {"train": LIST, "rates_percent": LIST}


@dataclass(frozen=True)
class Outputs:
    """Joint training sets."""

    columns: tuple[TrainingSet, ...]
    rates: tuple[int, ...]
    tests = measurements = ()

    def conditions(self, study: Study) -> list[Condition]:
        """Each in a network with outputs of its own for each corpus, and in the study's."""
        hows = (apart(study), None)
        return [Condition(train, rate, how) for rate in self.rates for train in self.columns for how in hows]


def apart(study: Study) -> How:
    """The study's way, with outputs per corpus."""
    return study.how._replace(model=replace(study.model, outputs="per-corpus"))


def ask(name: str, table: Mapping[str, Any], study: Study) -> Outputs:
    """Joint training sets under true labels."""
    columns = training_sets(name, table, study)
    for column in columns:
        joint = len(column) > 1 and not any(map(treatment_of, column))
        check(joint, f"outputs.train {list(column)}: expected two corpora or more, under their true labels")
    check(study.model.outputs == "shared", "outputs compares with outputs = 'shared', the study's own")
    return Outputs(columns, rates(name, table, study))


def numbers(study: Study, cells: Any, store: Store) -> dict[str, Any]:
    """None yet."""
    return {}


def draw_tables(study: Study, numbers: Mapping[str, Any]) -> list[Any]:
    """None yet."""
    return []


def sections(study: Study, numbers: Mapping[str, Any]) -> list[Any]:
    """None yet."""
    return []
