"""A study's own questions (`benchmark.report.exhibits.questions`), a verdict each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmark.report.judging import Claim, Family, Place, Verdict, change, verdict

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = 7


def judge(cells: Cells, numbers: Mapping[str, Any]) -> list[Verdict]:
    """In their order; none of a study without."""
    found = []
    asked = cells.study.exhibits["questions"].asked if "questions" in cells.study.exhibits else ()
    for number, each in enumerate(asked, start=1):
        title_of, (of, less) = cells.study.title_of, (Place(*each.of), Place(*each.less))
        names = [f"{title_of(at.train)} at {at.rate} %" for at in (of, less)]
        changes = [change(cells, title_of(of.test), [of], [less])]
        family = Family(cells.study, changes)
        asks, then = f"Whether {each.claim!r}", f"{names[0]} against {names[1]}, on {title_of(of.test)}: "
        claim = Claim(f"asked-{number}", each.claim, each.expect, each.margin)
        found.append(verdict(claim, family, asks, then))
    return found
