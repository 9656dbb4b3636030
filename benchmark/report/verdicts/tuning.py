"""Does light tuning help? The point of the grid that is best on validation clips, against the study's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmark.report import intervals
from benchmark.report.exhibits import tuning
from benchmark.report.judging import Change, Claim, Family, Place, Verdict, guessing, verdict
from benchmark.report.terms import ABOVE

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = 0.5
CLAIM = Claim("tuning", "Light tuning raises wF1", ABOVE)


def judge(cells: Cells, numbers: Mapping[str, Any]) -> list[Verdict]:
    """One verdict; none of a study without a grid."""
    asked = cells.study.exhibits.get("tuning")
    if asked is None:
        return []
    row, units = tuning.chosen(cells.study, cells)
    train, title = asked.train, cells.study.title_of(asked.train)
    own = Place(train, train[0], 0)
    spread = intervals.difference(units, cells.units(*own))
    heard = row["above"] or cells.row(*own)["above"]
    guessed = tuple(filter(None, [guessing(cells, train)]))
    found = Change(f"{title}, tuned", (own,), (own,), spread, heard, guessed)
    then = f"{title}: the point chosen on the validation clips, against the study's own recipe, "
    family = Family(cells.study, [found])
    return [verdict(CLAIM, family, "Whether tuning helps", then)]
