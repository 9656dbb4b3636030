"""Does training on one corpus work on another? Against the tested corpus's baseline, at the lowest rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmark.report.judging import Claim, Family, Place, Verdict, change, verdict
from benchmark.report.terms import BELOW
from benchmark.study import Grid, Study, TrainingSet
from serkit.labels import treatment_of
from serkit.words import many

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = 1
WORSE = "Networks of one corpus do worse on another than its own networks, in some pair"
CLAIM = Claim("transfer", WORSE, BELOW)


def unseen(study: Study) -> list[tuple[TrainingSet, str]]:
    """Figure 2's training sets under true labels, each with the corpora that it did not learn from."""
    grid = study.exhibits.get("figure2", Grid(()))
    return [
        (train, test)
        for train in grid.columns
        for test in grid.tests
        if test not in train and not any(map(treatment_of, (*train, test)))
    ]


def judge(cells: Cells, numbers: Mapping[str, Any]) -> list[Verdict]:
    """One verdict, over all pairs of a corpus that is trained on alone and another, where Figure 2 is."""
    title_of, rate = cells.study.title_of, min(cells.study.rates_percent)
    names = [corpus.name for corpus in cells.study.corpora]
    alone = [train for train in cells.study.training_sets() if len(train) == 1 and train[0] in names]
    pairs = [(train, test) for train in alone for test in names if test not in train]
    changes = [
        change(
            cells,
            f"{title_of(train)} on {title_of(test)}",
            [Place(train, test, rate)],
            [Place((test,), test, rate)],
        )
        for train, test in (pairs if unseen(cells.study) else ())
    ]
    family = Family(cells.study, changes)
    asks = "Whether a network of one corpus works on another"
    then = (
        f"Trained on one corpus and tested on another at {rate} %, against the tested corpus's own baseline, "
    )
    found = verdict(CLAIM, family, asks, then)
    if not family.counted:
        return [found]
    deaf = [cells.row(*each.plus[0])["above"] for each in family.counted].count(False)
    said = f" In {deaf} of {many(len(family.counted), 'pair')} it is not above what is had without listening."
    return [replace(found, sentence=found.sentence + said)]
