"""What is no encoder: probabilities that were made outside serkit, by whatever model (docs/importing.md).

    [model]
    encoder = "imported:NAME"

Its runs stand in the study's plan as any model's; `python -m benchmark import` stores them.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import NoReturn

from serkit.errors import SpecError
from serkit.specs import ModelSpec

RATE_HZ = 16_000
"""At which corpora are packed: their copy is known by its samples."""


def describe(model: ModelSpec) -> SimpleNamespace:
    """What corpora are packed for; nothing hears them here."""
    return SimpleNamespace(rate_hz=RATE_HZ, min_samples=1, takes="waves")


def identify(model: ModelSpec) -> str:
    """Nothing is known of it."""
    return ""


def make(model: ModelSpec) -> NoReturn:
    """Raises SpecError, which says how to import."""
    here = f"the probabilities of {model.encoder} are made outside serkit, and those of this run are not here"
    cure = "python -m benchmark import STUDY predictions.csv stores them (docs/importing.md)"
    raise SpecError(f"{here}; {cure}")
