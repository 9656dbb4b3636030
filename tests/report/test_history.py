"""A real study's runs, read as history: what training anew changed there is not called an effect."""

from pathlib import Path

import numpy as np
import pytest

from benchmark import study as studies
from benchmark.report import cells
from benchmark.report.intervals import Scores, Units, difference
from serkit import metrics
from serkit.labels import LABELS, codes_of
from serkit.results import Store

METHOD = 2
"""That the results were made by."""
BUNDLE = Path(__file__).parents[2] / "results" / "ravdess-emodb.bundle"


@pytest.fixture(scope="module")
def study():
    return studies.read("ravdess-emodb")


@pytest.fixture(scope="module")
def read(study):
    store = Store(BUNDLE.with_suffix(""))
    return cells.Cells(study, cells.answers(study, store, METHOD).results, store.table), store


def on_ravdess(read, train, rate):
    """wF1 of one condition's networks on RAVDESS by its folds, from their clips, under EmoDB's labels."""
    made, store = read
    corpus = next(corpus for corpus in made.study.corpora if corpus.name == "emodb")
    codes = np.array(codes_of(*train, corpus.scramble))
    scores = []
    for result in made.runs(train, rate).values():
        clips = store.table(result["key"], "scores").query("corpus == 'ravdess'")
        truth = codes[[LABELS.index(label) for label in clips["label"]]]
        predicted = clips[list(LABELS)].to_numpy().argmax(axis=1)
        folds = [(clips["fold"] == fold).to_numpy() for fold in range(5)]
        scores.append([metrics.score(truth[at], predicted[at])["wF1"] for at in folds])
    scores = np.array(scores)
    return Units(dict(enumerate(scores.mean(axis=0))), Scores(scores), varied=True)


def test_its_runs_are_read_and_counted(read):
    made, _ = read
    assert len(made.runs(("emodb",), 0)) == len(made.runs(("emodb_scrambled",), 0)) == 5
    assert sum(run.kind == "training" for run in made.results) == 125


def test_of_its_ten_relabelling_nulls_none_is_called_clear(study, read):
    """Finding 1: two of the five on unseen RAVDESS were.

    EmoDB alone with its labels permuted is the same problem as with the true ones: on EmoDB, and on RAVDESS
    where the outputs are permuted back.
    """
    made, _ = read
    at_home = [made.evidence.null("emodb_scrambled", rate) for rate in study.rates_percent]
    abroad = [
        difference(on_ravdess(read, ("emodb_scrambled",), rate), on_ravdess(read, ("emodb",), rate))
        for rate in study.rates_percent
    ]
    nulls = [*at_home, *abroad]
    assert len(nulls) == 10
    assert all(null.known and null.n == 5 for null in nulls)
    assert max(abs(null.mean) for null in nulls) > 0.03, "they are not small"
    assert sum(null.clear for null in nulls) == 0, "at most one in twenty"


def test_its_null_says_what_training_anew_changes(study, read):
    """A deviation of .074 a run and fold, where .007 was assumed."""
    made, _ = read
    known = made.evidence.retraining(study.corpora[1], True, "wF1")
    assert known.freedom == 25
    assert np.sqrt(known.variance) == pytest.approx(0.074, abs=0.001)
