"""What do permuted labels of one corpus change in joint training? On it, on the others, on unseen corpora."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmark.report import calibration
from benchmark.report.judging import Change, Claim, Family, Place, Verdict, change, verdict
from benchmark.report.tables import moved
from benchmark.report.terms import BELOW, EITHER, MARGIN, WITHIN
from benchmark.study import TrainingSet
from serkit.labels import corpus_of, is_permuted, is_whole, permutation_of, treatment_of

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = 4
SEEN = "Permuted labels of one corpus are noticed in joint training: wF1 changes on a corpus trained on"
NOTICED = Claim("noticed", SEEN, EITHER)
LITTLE = f"Permuted labels of one corpus change wF1 by less than {MARGIN} on the corpora trained on"
UNNOTICED = Claim("unnoticed", LITTLE, WITHIN)
THIRD = Claim("third", "Permuted labels of one corpus lower wF1 on a corpus that was not trained on", BELOW)
COSTS = "On a permuted corpus, augmentation costs more than under its true labels"
FALLS = Claim("scrambled-falls", COSTS, BELOW)


def contradictions(cells: Cells) -> list[TrainingSet]:
    """The joint training sets in which the labels of one corpus are permuted, and those of others are not."""
    return [
        train
        for train in cells.study.training_sets()
        if sum(map(is_permuted, train)) == 1 < len(train) and all(map(is_whole, train))
    ]


def judge(cells: Cells, numbers: Mapping[str, Any]) -> list[Verdict]:
    """Four verdicts, over all such trainings; none of a study without."""
    sets, rates = contradictions(cells), sorted(cells.study.rates_percent)
    if not sets:
        return []
    study, rate = cells.study, rates[0]
    own: list[Change] = []
    unseen: list[Change] = []
    falls: list[Change] = []
    for train in sets:
        for corpus in study.corpora:
            taught = [name for name in train if corpus_of(name) == corpus.name]
            changes = own if taught else unseen
            changes.append(of_place(cells, train, (taught or [corpus.name])[0], rate))
            if taught and is_permuted(taught[0]):
                falls += [_fall(cells, train, taught[0], at) for at in rates[1:]]
    then = f"With one corpus's labels permuted in joint training, against true ones, at {rate} %: on "
    here = f"{then}the corpora trained on, each under the labels that it was taught, "
    family = Family(study, own)
    found = [verdict(of, family, "Whether permuted labels are noticed", here) for of in (NOTICED, UNNOTICED)]
    if beside := " ".join(filter(None, [_null(cells, sets, rate), _worlds(cells, sets, rate)])):
        found = [replace(of, sentence=f"{of.sentence} {beside}") if of.changes else of for of in found]
    if unseen:
        asks = "Whether permuted labels matter to other corpora"
        found.append(verdict(THIRD, Family(study, unseen), asks, f"{then}other corpora "))
    if falls:
        then = (
            f"On the permuted corpus under the labels that it was taught, from {rate} % to higher rates, less"
            " the same under true labels: "
        )
        asks = "Whether augmentation costs more under permuted labels"
        found.append(verdict(FALLS, Family(study, falls), asks, then))
    return found


def _null(cells: Cells, sets: list[TrainingSet], rate: int) -> str:
    """What other names for one corpus's labels change by themselves, which is training anew; else empty."""
    names = dict.fromkeys(name for train in sets for name in train if is_permuted(name))
    nulls = {name: cells.evidence.null(name, rate) for name in names}
    known = [f"{cells.study.title_of(name)} {moved(of)}" for name, of in nulls.items() if of.known]
    return f"Null, the corpus alone under permuted labels: {', '.join(known)}." if known else ""


def _worlds(cells: Cells, sets: list[TrainingSet], rate: int) -> str:
    """What the loss by the paper's permutation says of each joint training, by generated worlds."""
    found = []
    for train in sets:
        true, (name,) = tuple(map(corpus_of, train)), filter(is_permuted, train)
        key = permutation_of(treatment_of(name), cells.study.corpus(name).scramble)
        whole = change(cells, "", *([Place(of, test, rate) for test in of] for of in (true, train)))
        best = sum(cells.evidence.constants(corpus).best["wF1"] for corpus in true)
        reached = [sum(cells.units(of, test, rate).mean for test in of) for of in (true, train)]
        gained = max(reached) - best
        if len(train) == 2 and key == permutation_of("near") and not whole.guessed and gained > 0:
            loss = whole.spread.times(1 / gained)
            said = calibration.said(loss, cells.evidence.told_apart(true, rate, "embedding"))
            found += [f"{cells.study.title_of(true)}: {said}"] if said else []
    return f"{'; '.join(found)}." if found else ""


def of_place(cells: Cells, train: TrainingSet, test: str, rate: int) -> Change:
    """What permuted labels change on a test, each under the labels that it was taught."""
    true = tuple(map(corpus_of, train))
    places = [Place(train, test, rate)], [Place(true, corpus_of(test), rate)]
    return change(cells, f"{cells.study.title_of(train)} on {cells.study.title_of(corpus_of(test))}", *places)


def _fall(cells: Cells, train: TrainingSet, test: str, rate: int) -> Change:
    """What augmentation changes under permuted labels, less what it changes under true ones."""
    true, lowest = tuple(map(corpus_of, train)), min(cells.study.rates_percent)
    plus = [Place(train, test, rate), Place(true, corpus_of(test), lowest)]
    minus = [Place(train, test, lowest), Place(true, corpus_of(test), rate)]
    return change(cells, f"{cells.study.title_of(train)}, {rate} %", plus, minus)
