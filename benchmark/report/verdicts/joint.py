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
UNSEEN = Claim("joint-unseen", "Joint training raises wF1 on some corpus that was not trained on", ABOVE)


def joints(cells: Cells) -> list[TrainingSet]:
    """The joint training sets under true labels, of all exhibits."""
    sets = cells.study.training_sets()
    return [train for train in sets if len(train) > 1 and not any(map(treatment_of, train))]


def judge(cells: Cells, numbers: Mapping[str, Any]) -> list[Verdict]:
    """Three verdicts, each of all joint trainings against each of their corpora alone; none without such."""
    study, rate = cells.study, min(cells.study.rates_percent)
    own: list[Change] = []
    unseen: list[Change] = []
    for joint in joints(cells):
        for corpus in study.corpora:
            for alone in [corpus.name] if corpus.name in joint else joint:
                place = Place(joint, corpus.name, rate), Place((alone,), corpus.name, rate)
                name = f"{study.title_of(joint)} on {study.titles[corpus.name]}"
                name += "" if corpus.name in joint else f", against {study.titles[alone]}"
                changes = own if corpus.name in joint else unseen
                changes.append(change(cells, name, place[:1], place[1:]))
    found = []
    if own:
        family, then = Family(study, own), f"Joint training against the corpus alone, at {rate} %: on it "
        asks = "Whether joint training helps on its own corpora"
        found.append(verdict(OWN, family, asks, then))
        found.append(verdict(NOTHING, family, asks.replace("helps", "matters"), then))
    if unseen:
        then = f"Joint training against each of its corpora alone, at {rate} %: on other corpora "
        asks = "Whether joint training helps on other corpora"
        found.append(verdict(UNSEEN, Family(study, unseen), asks, then))
    return found
