"""Results of made networks whose way with labels is known: what the verdicts must say of them."""

import itertools

import numpy as np

from benchmark import study as studies
from benchmark.report import cells, verdicts
from benchmark.report.clipscores import ClipScores, Counts, no_table
from serkit.labels import LABELS, corpus_of, permutation_of, treatment_of
from serkit.metrics import of_confusion
from tests.made_results import made_result

SWAP = {"neutral": "sad", "sad": "neutral", "happy": "angry", "angry": "happy"}
READERS = {
    "one": {"reader": "made", "options": {"labels": "one"}, "title": "ONE", "folds": 5},
    "two": {"reader": "made", "title": "TWO", "folds": 5, "scramble": SWAP},
    "three": {"reader": "made", "options": {"labels": "three"}, "title": "THREE", "folds": 5},
}
STUDY = {
    "title": "Three corpora",
    "rates_percent": [0],
    "model": {"width": 4, "weights": ""},
    "corpora": READERS,
    "table1": {"train": [["one"], ["two"], ["three"]]},
    "figure2": {"train": [["one"], ["two"], ["one", "two"]], "test": ["one", "two", "three"]},
    "figure3": {
        "train": [["two_scrambled"], ["one", "two_scrambled"]],
        "test": ["two_scrambled", "one", "three"],
    },
    "heldout": {"train": [["one", "two"]]},
}
SPEAKERS = 6
HERE = {label: number for number, label in enumerate(LABELS)}


def spread(right):
    """Clips of each label called so with a probability, and by each other label alike: [truth, predicted]."""
    return np.full((4, 4), (1 - right) / 3) + np.eye(4) * (right - (1 - right) / 3)


def moved(table, codes):
    """A matrix whose predictions are renamed: what was called `label` is called `codes[label]`."""
    renamed = np.zeros_like(table)
    renamed[:, codes] = table
    return renamed


SWAPPED = [HERE[SWAP[label]] for label in LABELS]


def partners(right, partner, codes=SWAPPED):
    """Clips called rightly, by their partner under a swap, and the rest by the two other labels."""
    table = np.full((4, 4), (1 - right - partner) / 2)
    table[range(4), range(4)], table[range(4), codes] = right, partner
    return table


class World:
    """How made networks answer: a matrix [truth, predicted] for a training set on a corpus."""

    own, elsewhere, held, called = 0.75, 0.45, 0.02, 0.02

    def joint(self, corpus):
        """On true labels."""
        return spread(self.own)

    def swapped(self, corpus, codes):
        """With the labels of TWO swapped so; on TWO as it was taught, before its labels are renamed."""
        return self.joint(corpus)

    def alone(self, name, corpus):
        """Of one corpus."""
        return spread(self.own if corpus_of(name) == corpus else self.elsewhere)

    def unseen(self, train):
        """Of joint training on THREE."""
        return spread(self.elsewhere)

    def lacking(self, label):
        """On the corpus that lacks a label."""
        table = spread(self.own)
        others = [other for other in range(4) if other != label]
        table[others] *= (1 - self.called) / (1 - table[others, label])[:, None]
        table[others, label] = self.called
        table[label, others], table[label, label] = (1 - self.held) / 3, self.held
        return table

    def says(self, spec, corpus):
        """Of a run on a corpus."""
        names = {corpus_of(name): name for name in spec.train}
        name = names.get(corpus)
        treatment = treatment_of(name or "")
        if treatment.startswith("without-"):
            return self.lacking(LABELS.index(treatment.removeprefix("without-")))
        key = dict(permutation_of(treatment, spec.corpus(corpus).scramble)) if treatment else {}
        codes = [HERE[key.get(label, label)] for label in LABELS]
        if len(spec.train) == 1:
            return moved(self.alone(spec.train[0], corpus), codes if name else range(4))
        if name is None:
            return self.unseen(spec.train)
        swaps = [dict(permutation_of(treatment_of(of), spec.corpus(of).scramble)) for of in spec.train]
        for swap in filter(None, swaps):
            return moved(self.swapped(corpus, [HERE[swap[label]] for label in LABELS]), codes)
        return moved(self.joint(corpus), codes)


class Scores(ClipScores):
    """What made networks decided, counted already."""

    def __init__(self, counts):
        super().__init__(no_table)
        self.counts = counts

    def read(self, key):
        """Of a run, by corpus."""
        return self.counts[key]


def made_cells(world, number=40, leave_out=lambda spec: False, seed=0, given=STUDY, **changes):
    """The cells of a study of a world's networks, with so many test clips of each label in a fold."""
    study, random = studies.from_toml(given | changes, "made"), np.random.default_rng(seed)
    results, counts = {}, {}
    for case in studies.plan(study):
        if case.spec.kind == "training" and not leave_out(case.spec):
            result, of = made_run(case.spec, world, random, number)
            results[case.spec], counts[result["key"]] = result, of
    made = cells.Cells(study, results)
    made.evidence.clips = Scores(counts)
    return made


def made_run(spec, world, random, number):
    """A run's result and what it decided on clips of six speakers a fold, by corpus."""
    counts, scored = {}, {}
    for corpus in spec.corpora:
        table = world.says(spec, corpus.name)
        table = table / table.sum(axis=1, keepdims=True)
        own = corpus.name in spec.trained_on
        folds = [spec.fold_of(corpus.name)] if own else range(corpus.folds)
        each = np.full((len(folds) * SPEAKERS, 4), round(number / SPEAKERS))
        said = random.multinomial(each, table).astype(np.float64)  # [speakers, truth, predicted]
        fold = np.repeat(folds, SPEAKERS)
        names = np.array([f"{corpus.name}{at:03d}" for at in range(len(said))])
        counts[corpus.name] = Counts(names, fold, said, said.sum(axis=0).astype(np.int64))
        for test, of in itertools.product(spec.tests_of(corpus), folds):
            expected = np.zeros((4, 4))
            expected[list(spec.codes(test))] = said[fold == of].sum(axis=0)
            scored[test, of] = {name: float(value) for name, value in of_confusion(expected).items()}
    result = made_result(spec, lambda test, fold, _: scored[test, fold], lambda *_: 0.5, evaluations=1)
    return result, counts


def judged(made):
    """The verdicts by name."""
    return {verdict.name: verdict for verdict in verdicts.verdicts(made)}
