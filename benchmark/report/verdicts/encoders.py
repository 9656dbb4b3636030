"""Is what the study finds its encoder's alone? Each of its encoders, by means over corpora."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmark.report.exhibits import encoders
from benchmark.report.judging import Change, Claim, Family, Place, Verdict, guessing, verdict
from benchmark.report.terms import ABOVE, WITHIN

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = 7.5
BETTER = "Some encoder does better than {} on corpora that it did not learn from"
UNNOTICED = (
    "With every encoder, labels of one corpus permuted within arousal cost joint training less than 0.05"
)


def judge(cells: Cells, numbers: Mapping[str, Any]) -> list[Verdict]:
    """Two verdicts of a study of several encoders; none of another."""
    if "encoders" not in cells.study.exhibits:
        return []
    every = encoders.by_encoder(cells)
    first, study, _ = every[0]
    apart = [_change(title, of, own, "other", (study, cells)) for title, of, own in every[1:]]
    lost = [_change(title, of, own, "near") for title, of, own in every]
    claims = [
        (
            Claim("encoders-transfer", BETTER.format(first), ABOVE),
            apart,
            f"Against {first}, mean over corpora: ",
        ),
        (
            Claim("encoders-swap", UNNOTICED, WITHIN),
            lost,
            "By encoder, from true to permuted labels, mean over both: ",
        ),
    ]
    asks = "Whether the encoders differ in this"
    return [verdict(claim, Family(study, list(filter(None, of))), asks, then) for claim, of, then in claims]


def _change(
    title: str, study: Any, cells: Cells, name: str, against: tuple[Any, Cells] | None = None
) -> Change | None:
    """An indicator of an encoder, or what it has more of it than another; None where it is not asked for."""
    terms = encoders.terms(study)[name]
    other = encoders.terms(against[0])[name] if against else []
    if not terms or (against and other != terms):
        return None
    sides = encoders.sides(cells, terms, other, against[1] if against else None)
    plus, minus = (
        tuple(Place(*at) for term in terms for at in getattr(term, side)) for side in ("plus", "minus")
    )
    if minus:  # what is lost, as a change
        sides, plus, minus = [(less, of) for of, less in sides], minus, plus
    trains = dict.fromkeys(place.train for place in (*plus, *minus))
    guessed = tuple(filter(None, (guessing(cells, train) for train in trains)))
    heard = any(cells.row(*place)["above"] for place in (*plus, *minus))
    return Change(title, plus, minus, encoders.mean(sides, len(terms)), heard, guessed)
