"""The probe: how well corpus, speaker and label are read from a network's embedding (`serkit.probe`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmark.study import Grid, Study, training_sets
from benchmark.study_file import LIST
from serkit.results import Store

PLACE = 9
NAMES = {"probes": "The probe: what can be read from a network's embedding"}
KEYS = {"train": LIST}


def ask(name: str, table: Mapping[str, Any], study: Study) -> Grid:
    """Any training sets, at every rate."""
    return Grid(training_sets(name, table, study))


def numbers(study: Study, cells: Any, store: Store) -> dict[str, Any]:
    """None yet."""
    return {}


def draw_tables(study: Study, numbers: Mapping[str, Any]) -> list[Any]:
    """None yet."""
    return []


def sections(study: Study, numbers: Mapping[str, Any]) -> list[Any]:
    """None yet."""
    return []
