"""The same run in two places: which results of several machines, copied together, say other numbers."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from serkit.errors import ResultsUnreadable
from serkit.results import Store
from serkit.specs import METRICS
from serkit.words import many

ROUNDING = 1e-6
"""Metrics that differ by less were added up in another order; one clip that is called otherwise is more."""
ENVIRONMENT = ("device", "device_name", "torch", "threads", "serkit")
"""What is said of two machines, where it is not the same."""


class Apart(NamedTuple):
    """How far two results of one run are apart, at most."""

    difference: float
    what: str
    ours: Mapping[str, Any]
    theirs: Mapping[str, Any]


def differing(store: Store, results: Iterable[Mapping[str, Any]]) -> list[str]:
    """Lines that say which runs are there twice with other numbers: how many, how far apart, made where.

    No error: two GPUs differ. Measurements are not compared.

    Args:
        store: whose folder counts before its bundles, and these in their order.
        results: those that count, each with at least `key`, `label`, `tests` (but for a measurement) and
            `environment`.
    """
    apart: dict[tuple[str, str], list[Apart]] = defaultdict(list)
    bundles = store.bundles()
    for ours in results if bundles else ():
        holders = [bundle for bundle in bundles if ours["key"] in bundle.keys]
        for bundle in holders:
            with suppress(ResultsUnreadable):  # it does not count, and who needs it is told
                theirs = None if bundle.says(ours["key"], ours.get("tests")) else bundle.get(ours["key"])
                found = _apart(ours, theirs or ours)
                if found.difference > ROUNDING:
                    here = (store.run_folder(ours["key"]) / "result.json").exists()
                    first = f"{store.folder.name}/" if here else holders[0].path.name
                    apart[first, bundle.path.name].append(found)
    return [_line(first, other, of) for (first, other), of in apart.items()]


def _scores(result: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str, str], float]]:
    for test, of in result.get("tests", {}).items():
        for (fold, scores), metric in itertools.product(of["folds"].items(), METRICS):
            yield (test, fold, metric), scores[metric]["mean"]


def _apart(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Apart:
    other = dict(_scores(theirs))
    pairs = ((abs(value - other.get(place, value)), place) for place, value in _scores(ours))
    difference, (test, _, metric) = max(pairs, default=(0.0, ("", "", "")))
    what = f"{metric} of {test} in {ours['label']}"
    return Apart(difference, what, ours["environment"], theirs["environment"])


def _line(first: str, other: str, of: list[Apart]) -> str:
    worst = max(of, key=lambda apart: apart.difference)
    made = [{"torch": at["packages"].get("torch"), **at} for at in (worst.ours, worst.theirs)]
    names = [name for name in ENVIRONMENT if made[0].get(name) != made[1].get(name)] or ENVIRONMENT[:3]
    ours, theirs = (", ".join(f"{name} {at.get(name)}" for name in names) for at in made)
    said = f"{many(len(of), 'run')} with other numbers in {other} than in {first}, which counts"
    return f"{said}: by up to {worst.difference:.2g} ({worst.what}); {theirs} there, {ours} here"
