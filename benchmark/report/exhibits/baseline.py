"""The baseline of log-mel statistics and a logistic regression beside the network, on the same folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmark.study import Condition, How, Study, TrainingSet, rates, training_sets
from benchmark.study_file import LIST
from serkit.results import Store
from serkit.specs import STATISTICS, Recipe

PLACE = 2.5
NAMES = {"baseline": "Log-mel statistics and a logistic regression, beside the network"}
KEYS = {"train": LIST, "rates_percent": LIST}


@dataclass(frozen=True)
class Baseline:
    """Training sets."""

    columns: tuple[TrainingSet, ...]
    rates: tuple[int, ...]
    tests = measurements = ()

    def conditions(self, study: Study) -> list[Condition]:
        """Each by the statistics, and by the study's network."""
        hows = (statistics(study), None)
        return [Condition(train, rate, how) for rate in self.rates for train in self.columns for how in hows]


def statistics(study: Study) -> How:
    """Log-mel statistics of the study's front end and clips, fitted at once."""
    own = study.recipe
    recipe = Recipe(epochs=1, tail=1.0, max_seconds=own.max_seconds, loudness_dbfs=own.loudness_dbfs)
    return How(replace(STATISTICS, front_end=study.model.front_end), recipe)


def ask(name: str, table: Mapping[str, Any], study: Study) -> Baseline:
    """Any training sets."""
    return Baseline(training_sets(name, table, study), rates(name, table, study))


def numbers(study: Study, cells: Any, store: Store) -> dict[str, Any]:
    """None yet."""
    return {}


def draw_tables(study: Study, numbers: Mapping[str, Any]) -> list[Any]:
    """None yet."""
    return []


def sections(study: Study, numbers: Mapping[str, Any]) -> list[Any]:
    """None yet."""
    return []
