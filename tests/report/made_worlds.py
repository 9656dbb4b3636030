"""Made networks whose way with labels is known, their results, and what is counted from these by hand."""

import itertools

import numpy as np
import scipy.stats

from benchmark import study as studies
from benchmark.report import cells, collect, page, verdicts
from benchmark.report.clipscores import ClipScores, Counts, no_table
from serkit.labels import LABELS, corpus_of, permutation_of, treatment_of
from serkit.metrics import of_confusion
from serkit.results import Store
from tests.made_results import made_result

SWAP = {"neutral": "sad", "sad": "neutral", "happy": "angry", "angry": "happy"}
READERS = {
    "one": {"reader": "made", "options": {"labels": "one"}, "title": "ONE", "folds": 5},
    "two": {"reader": "made", "title": "TWO", "folds": 5, "scramble": SWAP},
    "three": {"reader": "made", "options": {"labels": "three"}, "title": "THREE", "folds": 5},
}
MODEL = {"width": 4, "weights": ""}
TWO = {"title": "Two corpora", "rates_percent": [0, 50], "model": MODEL}
TWO["corpora"] = {name: READERS[name] for name in ("one", "two")}
"""A study that asks for nothing yet."""
STUDY = {
    "title": "Three corpora",
    "rates_percent": [0],
    "model": MODEL,
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


def judged(made, numbers=None):
    """The verdicts by name."""
    return {verdict.name: verdict for verdict in verdicts.verdicts(made, numbers)}


def asked(claim="ONE teaches TWO better", train="one", less="two", expect="above", test="two", **more):
    """A question as a study's file has it."""
    of, other = ({"train": name.split(), "test": test} for name in (train, less))
    return {"claim": claim, "of": of, "less": other, "expect": expect} | more


# --- by hand ---


def shares(made, train, corpus):
    """Of each label's clips how many are called by each, float64 [networks, folds, truth, predicted]."""
    found = []
    for run, result in made.runs(train, 0).items():
        folds = [run.fold] if corpus in run.trained_on else range(5)
        counts = [made.evidence.clips.of(result["key"], corpus).of_fold(fold) for fold in folds]
        found.append([of / of.sum(axis=1, keepdims=True) for of in counts])
    return np.array(found)


def over_folds(values):
    """A mean over folds that were trained on (Nadeau and Bengio), the ends of its interval, and p."""
    n = len(values)
    mean, error = np.mean(values), np.std(values, ddof=1) * np.sqrt(1 / n + 1 / (n - 1))
    half = scipy.stats.t.ppf(0.975, n - 1) * error
    return mean, mean - half, mean + half, 2 * scipy.stats.t.sf(abs(mean) / error, n - 1)


def fieller(part, whole, factor=None):
    """The shares at which a paired t test is at its 5 %, roots of Fieller's quadratic; over such folds."""
    n = len(part)
    factor = factor or 1 / n + 1 / (n - 1)
    (yy, xy), (_, xx) = np.cov(part, whole) * scipy.stats.t.ppf(0.975, n - 1) ** 2 * factor
    x, y = np.mean(whole), np.mean(part)
    return np.sort(np.roots([x * x - xx, -2 * (x * y - xy), y * y - yy]).real)


def is_on_the_page(kind, made, folder, said):
    """An exhibit's picture, table and numbers, all that it has; `said` of the picture."""
    (name, title), study = *kind.NAMES.items(), made.study
    numbers = kind.numbers(study, made, None)
    (section,) = kind.sections(study, numbers)
    parts = {part: of if isinstance(of, str) else of[0] for part, of in section.parts}
    assert parts == {"picture": name, "table": name, "files": f"{name}-cells"}
    there = {table.name for table in kind.draw_tables(study, numbers)} | set(numbers)
    assert there | {name for name, _ in kind.draw_figures(study, numbers, "paper")} == set(parts.values())
    shown = page.html(collect.Report(study, Store(folder / "nothing")), {name: b"<svg/>"})
    for text in (f'<section id="{name}"', f'href="#{name}"', title, f'download="{name}-cells.csv"', said):
        assert text in shown
