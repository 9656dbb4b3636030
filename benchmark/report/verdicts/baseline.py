"""Is the network better than log-mel statistics and a logistic regression, on its own corpora?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmark.report import intervals
from benchmark.report.exhibits.baseline import statistics, units_of
from benchmark.report.judging import Claim, Family, Place, Verdict, change, verdict
from benchmark.report.terms import ABOVE

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = 0.2
BETTER = "The networks are better than log-mel statistics and a logistic regression, in some case"
CLAIM = Claim("baseline", BETTER, ABOVE)


def judge(cells: Cells, numbers: Mapping[str, Any]) -> list[Verdict]:
    """One verdict, over training sets on their own corpora; none of a study without the baseline."""
    study, asked = cells.study, cells.study.exhibits.get("baseline")
    if asked is None:
        return []
    rate, how = min(asked.rates), statistics(study)
    changes = []
    for train, name in [(column, name) for column in asked.columns for name in column]:
        places = [Place(train, name, rate)], [Place(train, name, rate, how)]
        found = change(cells, f"{study.title_of(train)} on {study.title_of(name)}", *places)
        ours, theirs = (units_of(cells, train, name, rate, at) for at in (None, how))
        changes.append(replace(found, spread=intervals.difference(ours, theirs)))
    then = f"The network against the statistics, at {rate} %, on test clips of the corpora trained on: "
    asks = "Whether the network is better than log-mel statistics"
    return [verdict(CLAIM, Family(study, changes), asks, then)]
