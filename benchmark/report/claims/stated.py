"""The paper's claims as data: what each has of printed cells, which `benchmark/paper/claims.toml` names."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmark import study_file
from benchmark.report.paper import PAPER
from benchmark.report.terms import ABOVE, WITHIN

Place = tuple[str, str, str, int]
"""A printed cell: exhibit, training set, test, rate."""


@dataclass(frozen=True)
class Cells:
    """Printed cells of one training set on one test, averaged over rates."""

    exhibit: str
    train: str
    test: str
    rates: tuple[int, ...]


@dataclass(frozen=True)
class Contrast:
    """Printed cells less something, and what a claim has of it."""

    of: str  # what is compared, in a few words
    cells: Cells
    against: Cells | float  # other cells, or a wF1 that is known exactly
    shows: str  # where the claim has it: `above` the margin, `below` it, or `within` plus or minus it
    margin: float = 0.0
    absolute: bool = False  # whether the tested corpus's baseline is added to a figure's change

    def side(self, mean: float) -> tuple[bool, float]:
        """Whether a mean is as the claim has it, and how far it is from where that ends."""
        if self.shows == WITHIN:
            return abs(mean) < self.margin, abs(abs(mean) - self.margin)
        return (mean > self.margin) == (self.shows == ABOVE), abs(mean - self.margin)

    def weights(self) -> Iterator[tuple[Place, float]]:
        """Every printed cell and its weight."""
        for of, sign in ((self.cells, 1), (self.against, -1)):
            if isinstance(of, Cells):
                for rate in of.rates:
                    yield (of.exhibit, of.train, of.test, rate), sign / len(of.rates)


@dataclass(frozen=True)
class Claim:
    """A claim of the paper's; the keys of its table."""

    claim: str  # in our words, one line
    section: str  # of the paper
    decides: str  # the quantity and the test, in words
    contrasts: tuple[Contrast, ...] = ()  # what decides it; none where nothing that is printed does
    beside: tuple[Contrast, ...] = ()  # shown with them, and decide nothing
    need: str = "all"  # contrasts, or `any` of them
    effect: float = np.nan  # of wF1, the size that the claim is about; NaN: of none
    beyond: str = ""  # what is to be said even if every number were exact
    follows: bool = True  # whether it would, if its contrasts were as it has them
    chosen_among: int = 1  # trainings of which the first was picked, so that it profits from noise


@functools.cache
def claims() -> Mapping[str, Claim]:
    """The paper's claims by name. Raises SpecError: the file cannot be read."""
    return {name: _claim(table) for name, table in study_file.parsed(PAPER / "claims.toml").items()}


def _claim(table: dict[str, Any]) -> Claim:
    common = {"shows": table.pop("shows"), "margin": table.pop("margin", 0.0)}
    for key in ("contrasts", "beside"):
        table[key] = tuple(one for each in table.get(key, ()) for one in _contrasts(common | each))
    return Claim(**table)


def _contrasts(table: dict[str, Any]) -> Iterator[Contrast]:
    """Those of a table: one, or with `each` one a rate."""
    cells = Cells(*(table.pop(key) for key in ("exhibit", "train", "test", "rates")))
    against, of, each = table.pop("against", 0.0), table.pop("of"), table.pop("each", False)
    for rates in [[rate] for rate in cells.rates] if each else [cells.rates]:
        own, less = replace(cells, rates=tuple(rates)), against
        if isinstance(against, dict):
            less = replace(own, **against)
            less = replace(less, rates=tuple(less.rates))
        yield Contrast(f"{of} {rates[0]} %" if each else of, own, less, **table)
