"""What does augmentation change? On a corpus's own clips and on corpora that were not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from benchmark.report.judging import Family, Place, Verdict, change, verdict
from benchmark.report.terms import ABOVE, BELOW
from benchmark.report.verdicts.transfer import unseen
from benchmark.study import TrainingSet

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = 2
OWN = "Augmentation raises wF1 on the own test clips of some corpus"
UNSEEN = "Augmentation raises wF1 on some corpus that was not trained on"
FALLS = "Augmentation lowers wF1 on some corpus that was not trained on"


def judge(cells: Cells, numbers: Mapping[str, Any]) -> list[Verdict]:
    """Three verdicts; none of a study with one rate."""
    study = cells.study
    if len(study.rates_percent) == 1:
        return []
    alone = [((corpus.name,), corpus.name) for corpus in study.corpora]
    own = _family(cells, [pair for pair in alone if pair[0] in study.training_sets()])
    others = _family(cells, unseen(study))
    rates = sorted(study.rates_percent)
    then = (
        f"Augmenting {' to '.join(map(str, dict.fromkeys((rates[1], rates[-1]))))} % of the training clips,"
    )
    then += f" against {rates[0]} %: on {{}} "
    here, elsewhere = then.format("own test clips"), then.format("corpora that were not trained on")
    found = [verdict("own-augmented", OWN, own, ABOVE, "Whether augmentation helps on own clips", here)]
    found.append(verdict("unseen-augmented", UNSEEN, others, ABOVE, _asks("helps"), elsewhere))
    found.append(verdict("unseen-falls", FALLS, others, BELOW, _asks("costs"), elsewhere))
    return found


def _asks(what: str) -> str:
    return f"Whether augmentation {what} on corpora that were not trained on"


def _family(cells: Cells, pairs: Iterable[tuple[TrainingSet, str]]) -> Family:
    """The changes of some cells from the lowest rate to each other."""
    lowest, *rates = sorted(cells.study.rates_percent)
    title_of = cells.study.title_of
    changes = [
        change(
            cells,
            f"{title_of(train)} on {title_of(test)}, {rate} %",
            [Place(train, test, rate)],
            [Place(train, test, lowest)],
        )
        for train, test in pairs
        for rate in rates
    ]
    return Family(cells.study, changes)
