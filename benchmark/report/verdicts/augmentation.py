"""What does augmentation change? On a corpus's own clips and on corpora that were not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from benchmark.report.judging import Claim, Family, Place, Verdict, change, verdict
from benchmark.report.terms import ABOVE, BELOW
from benchmark.report.verdicts.transfer import unseen
from benchmark.study import TrainingSet

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = 2
OWN = Claim("own-augmented", "Augmentation raises wF1 on the own test clips of some corpus", ABOVE)
OWN_FALLS = Claim("own-falls", "Augmentation lowers wF1 on the own test clips of some corpus", BELOW)
UNSEEN = Claim("unseen-augmented", "Augmentation raises wF1 on some corpus that was not trained on", ABOVE)
FALLS = Claim("unseen-falls", "Augmentation lowers wF1 on some corpus that was not trained on", BELOW)


def judge(cells: Cells, numbers: Mapping[str, Any]) -> list[Verdict]:
    """Four verdicts; none of a study with one rate."""
    study = cells.study
    if len(study.rates_percent) == 1:
        return []
    alone = [((corpus.name,), corpus.name) for corpus in study.corpora]
    own = _family(cells, [pair for pair in alone if pair[0] in study.training_sets()])
    others = _family(cells, unseen(study))
    rates = sorted(study.rates_percent)
    span = " to ".join(map(str, dict.fromkeys((rates[1], rates[-1]))))
    then = f"Augmenting {span} % of the training clips, against {rates[0]} %: on "
    here, elsewhere = f"{then}own test clips ", f"{then}corpora that were not trained on "
    asks = "Whether augmentation {} on corpora that were not trained on"
    return [
        verdict(OWN, own, "Whether augmentation helps on own clips", here),
        verdict(OWN_FALLS, own, "Whether augmentation costs on own clips", here),
        verdict(UNSEEN, others, asks.format("helps"), elsewhere),
        verdict(FALLS, others, asks.format("costs"), elsewhere),
    ]


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
