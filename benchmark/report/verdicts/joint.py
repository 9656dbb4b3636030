"""Does joint training help, on the corpora that it learns from and on others?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmark.report.judging import Change, Claim, Family, Place, Verdict, change, verdict
from benchmark.report.terms import ABOVE, MARGIN, WITHIN
from benchmark.study import TrainingSet
from serkit.labels import treatment_of

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = 3
OWN = Claim("joint", "Joint training raises wF1 on some corpus that it learns from", ABOVE)
LITTLE = f"Joint training changes wF1 by less than {MARGIN} on the corpora that it learns from"
NOTHING = Claim("adding", LITTLE, WITHIN)
BETTER = (
    "Joint training raises wF1 on some corpus that was not trained on, above the best of its corpora alone"
)
UNSEEN = Claim("joint-unseen", BETTER, ABOVE)


def joints(cells: Cells) -> list[TrainingSet]:
    """The joint training sets under true labels, of all exhibits."""
    sets = cells.study.training_sets()
    return [train for train in sets if len(train) > 1 and not any(map(treatment_of, train))]


def judge(cells: Cells, numbers: Mapping[str, Any]) -> list[Verdict]:
    """Three verdicts, each of all joint trainings; none without such.

    On a corpus that they learn from against it alone, on any other against the best of theirs alone: what is
    better than the worse of two has learnt nothing from their being together.
    """
    study, rate = cells.study, min(cells.study.rates_percent)
    own: list[Change] = []
    unseen: list[Change] = []
    for joint in joints(cells):
        for test in (corpus.name for corpus in study.corpora):
            name, place = f"{study.title_of(joint)} on {study.titles[test]}", [Place(joint, test, rate)]
            if test in joint:
                own.append(change(cells, name, place, [Place((test,), test, rate)]))
                continue
            against = [
                change(cells, f"{name}, against {study.titles[alone]}", place, [Place((alone,), test, rate)])
                for alone in joint
            ]
            unseen.append(min(against, key=lambda of: (of.spread.known, of.spread.mean)))
    found = []
    if own:
        family, then = Family(study, own), f"Joint training against the corpus alone, at {rate} %: on it "
        asks = "Whether joint training helps on its own corpora"
        found.append(verdict(OWN, family, asks, then))
        found.append(verdict(NOTHING, family, asks.replace("helps", "matters"), then))
    if unseen:
        then = f"Joint training against the best of its corpora alone, at {rate} %: on other corpora "
        asks = "Whether joint training helps on other corpora"
        found.append(verdict(UNSEEN, Family(study, unseen), asks, then))
    return found
