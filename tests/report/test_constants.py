"""Predictors that ignore the audio, against scikit-learn's."""

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier

from benchmark.report.constants import constants
from serkit import metrics
from serkit.labels import LABELS

VOTE = {"angry": 125, "happy": 45, "neutral": 585, "sad": 86}
"""About CREMA-D's voice vote: 69.5 % neutral."""


def scored(strategy, clips, **more):
    truth = np.repeat(np.arange(4), [clips[label] for label in LABELS])
    dummy = DummyClassifier(strategy=strategy, random_state=0, **more).fit(np.zeros((len(truth), 1)), truth)
    return metrics.score(truth, dummy.predict(np.zeros((len(truth), 1))))


def test_one_label_always_is_the_most_frequent():
    found = constants([VOTE])
    assert found.label == "neutral"
    assert found.always == pytest.approx(scored("most_frequent", VOTE))
    assert found.always["wF1"] == pytest.approx(0.570, abs=0.002), "what the paper's unseen CREMA-D is below"


def test_guesses_have_what_they_have_in_the_long_run():
    often = {label: 100 * number for label, number in VOTE.items()}
    assert constants([often]).guessing == pytest.approx(scored("stratified", often), abs=0.005)


def test_no_constant_is_above_the_best_on_any_metric():
    found = constants([VOTE])
    for label in range(4):
        said = scored("constant", VOTE, constant=label)
        assert all(said[metric] <= found.best[metric] + 1e-12 for metric in said)


def test_balanced_classes_are_guessed_at_a_quarter():
    found = constants([dict.fromkeys(LABELS, 10)])
    assert found.guessing == pytest.approx(dict.fromkeys(metrics.METRICS, 0.25))
    assert found.always["wF1"] == pytest.approx(0.1)


def test_folds_are_averaged_as_cells_are_and_empty_ones_left_out():
    """One label for all folds, even where another is the most frequent of one."""
    folds = [{"angry": 9, "sad": 1}, {"angry": 4, "sad": 6}, {}]
    found = constants(folds)
    assert found.label == "angry"
    assert found.always["wACC"] == pytest.approx((0.9 + 0.4) / 2)
    assert found.always["uACC"] == pytest.approx(0.5)
    assert np.isnan(constants([]).best["wF1"])
