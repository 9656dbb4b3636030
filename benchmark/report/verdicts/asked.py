"""A study's own questions (`benchmark.report.exhibits.questions`), a verdict each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from benchmark.report.judging import Claim, Family, Place, Verdict, change, verdict

if TYPE_CHECKING:
    from benchmark.report.cells import Cells
    from benchmark.study import Study

PLACE = 7


def judge(cells: Cells, numbers: Mapping[str, Any]) -> list[Verdict]:
    """In their order; none of a study without."""
    found = []
    asked = cells.study.exhibits["questions"].asked if "questions" in cells.study.exhibits else ()
    for number, each in enumerate(asked, start=1):
        sides = [[Place(*at) for at in cells] for cells in (each.of, each.less)]
        name = ", ".join(dict.fromkeys(cells.study.title_of(at.test) for at in sides[0]))
        family = Family(cells.study, [change(cells, name, *sides)])
        of, less = (_said(cells.study, side) for side in sides)
        then = f"{of} against {less}, on {name}: "
        if len(sides[0]) > 1:
            then = f"The sum of {of}, less that of {less}: "
        asks = f"Whether {each.claim!r}"
        claim = Claim(f"asked-{number}", each.claim, each.expect, each.margin)
        found.append(verdict(claim, family, asks, then))
    return found


def _said(study: Study, places: Sequence[Place]) -> str:
    """Cells in words: trainings and rates, of several with their tests."""
    said = [f"{study.title_of(at.train)} at {at.rate} %" for at in places]
    if len(said) > 1:
        said = [f"{of} on {study.title_of(at.test)}" for of, at in zip(said, places, strict=True)]
    return " and ".join(said)
