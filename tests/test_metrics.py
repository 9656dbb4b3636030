"""Metrics against scikit-learn, tail averages against numbers worked out by hand."""

import doctest

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from serkit import metrics
from serkit.metrics import in_tail, levelled_off, over_tail, score
from serkit.specs import METRICS

RANDOM = np.random.default_rng(0)


def drawn(clips, in_truth, in_predicted):
    return RANDOM.choice(in_truth, clips), RANDOM.choice(in_predicted, clips)


@pytest.mark.filterwarnings("ignore:y_pred contains classes", "ignore:A single label")
@pytest.mark.parametrize(
    ("truth", "predicted"),
    [
        *(drawn(clips, [0, 1, 2, 3], [0, 1, 2, 3]) for clips in (1, 2, 10, 1000)),
        drawn(200, [0, 1, 1, 1, 2, 2, 2, 2, 2, 3], [0, 1, 2, 3]),
        drawn(50, [0, 2], [0, 1, 2, 3]),  # classes without a clip
        drawn(50, [0, 1, 2, 3], [2]),  # classes never predicted
        drawn(50, [1], [3]),  # nothing in common
        drawn(50, [3], [3]),
        drawn(50, [0, 1], [2, 1]),
    ],
)
def test_scores_are_scikit_learns(truth, predicted):
    ours = score(truth, predicted)
    assert tuple(ours) == METRICS
    assert ours["uACC"] == pytest.approx(balanced_accuracy_score(truth, predicted), abs=1e-12)
    assert ours["wACC"] == pytest.approx(accuracy_score(truth, predicted), abs=1e-12)
    weighted = f1_score(truth, predicted, average="weighted", zero_division=0)
    assert ours["wF1"] == pytest.approx(weighted, abs=1e-12)
    assert all(type(value) is float for value in ours.values())  # goes into JSON


@pytest.mark.parametrize(("truth", "predicted"), [(0, 0), (0, 2), (3, 2), (1, 0)])
def test_no_clips_or_other_lengths_are_refused(truth, predicted):
    with pytest.raises(ValueError, match=f"{truth} true and {predicted} predicted labels"):
        score(np.zeros(truth, int), np.zeros(predicted, int))


def test_the_example_in_the_docstring():
    done = doctest.testmod(metrics)
    assert done.attempted
    assert not done.failed


@pytest.mark.parametrize(
    ("iterations", "tail", "last"),
    [
        (range(1, 31), 0.2, 6),
        (range(100, 3001, 100), 0.2, 6),
        (range(531, 531 * 30 + 1, 531), 0.2, 6),
        (range(1, 61), 0.2, 12),
        (range(2, 31, 2), 0.2, 3),
        (range(1, 11), 0.3, 3),
        (range(1, 31), 1.0, 30),
        (range(1, 11), 0.9, 9),  # 1 - 0.9 is less than 0.1
        (range(1, 31), 0.01, 1),
        (range(1, 4), 0.2, 1),
        ([7], 0.2, 1),
    ],
)
def test_the_tail_is_the_last_share_of_iterations(iterations, tail, last):
    positions = list(range(len(iterations)))
    assert in_tail([{"iteration": at} for at in iterations], tail) == positions[-last:]


@pytest.mark.parametrize("tail", [1e-6, 0.001, 0.1, 0.2, 1 / 3, 0.7, 0.999, 1.0])
def test_a_tail_is_never_empty(tail):
    for evaluations in range(1, 100):
        positions = in_tail([{"iteration": 17 * (i + 1)} for i in range(evaluations)], tail)
        assert positions[-1] == evaluations - 1
        assert positions == list(range(positions[0], evaluations))


def test_tail_averages_worked_out_by_hand():
    """Two folds, three evaluations: uACC's fold average is .3, .6, .6, wACC's folds cancel, wF1 rests."""
    at = [
        {"0": {"uACC": 0.2, "wACC": 0.1, "wF1": 0.5}, "1": {"uACC": 0.4, "wACC": 0.9, "wF1": 0.7}},
        {"0": {"uACC": 0.5, "wACC": 0.5, "wF1": 0.5}, "1": {"uACC": 0.7, "wACC": 0.5, "wF1": 0.7}},
        {"0": {"uACC": 0.2, "wACC": 0.9, "wF1": 0.5}, "1": {"uACC": 1.0, "wACC": 0.1, "wF1": 0.7}},
    ]
    tail = over_tail(at)
    by_hand = {
        ("uACC",): (0.5, 0.02**0.5),  # .2, .1, .1 off: (.04 + .01 + .01) / 3
        ("wACC",): (0.5, 0.0),
        ("wF1",): (0.6, 0.0),
        ("folds", "0", "uACC"): (0.3, 0.02**0.5),  # .1, .2, .1 off
        ("folds", "1", "uACC"): (0.7, 0.06**0.5),  # .3, 0, .3 off
        ("folds", "0", "wACC"): (0.5, (0.32 / 3) ** 0.5),  # .4, 0, .4 off
        ("folds", "1", "wACC"): (0.5, (0.32 / 3) ** 0.5),
        ("folds", "0", "wF1"): (0.5, 0.0),
        ("folds", "1", "wF1"): (0.7, 0.0),
    }
    for way, (mean, std) in by_hand.items():
        found = tail
        for step in way:
            found = found[step]
        assert found == {"mean": pytest.approx(mean), "std": pytest.approx(std, abs=1e-12)}, way


def test_tail_averages_of_one_fold_are_numpys():
    values = RANDOM.random((6, 3))
    tail = over_tail([{"0": dict(zip(METRICS, row, strict=True))} for row in values])
    for metric, column in zip(METRICS, values.T, strict=True):
        assert tail[metric] == tail["folds"]["0"][metric]
        assert tail[metric] == {"mean": pytest.approx(column.mean()), "std": pytest.approx(column.std())}


EVALUATIONS = np.arange(30)


@pytest.mark.parametrize("half_life", [1, 3, 6])
@pytest.mark.parametrize("start", [0.6, 3.0])
def test_a_decay_levels_off(start, half_life):
    assert levelled_off(list(start * 0.5 ** (EVALUATIONS / half_life)), 24)


@pytest.mark.parametrize("fall", [0.5, 2.0, 20.0])
def test_a_straight_descent_does_not(fall):
    for noise in (0.0, 0.001 * fall):
        losses = np.linspace(fall, 0, 30) + noise * RANDOM.standard_normal(30)
        assert not levelled_off(list(losses), 24)


@pytest.mark.parametrize("noise", [0.001, 0.05, 0.3])
def test_flat_noise_has_levelled_off(noise):
    """Its rule allows three standard errors: of the paper's 265 runs hardly one moves by chance."""
    flat = [levelled_off(list(1 + noise * RANDOM.standard_normal(30)), 24) for _ in range(300)]
    assert np.mean(flat) > 0.97


@pytest.mark.parametrize("losses", [[0.7], [0.7, 0.1]])
def test_one_evaluation_in_the_tail_cannot_move(losses):
    assert levelled_off(losses, len(losses) - 1)


def test_metrics_of_confusion_matrices_are_those_of_clips():
    random = np.random.default_rng(9)
    for clips in (1, 3, 50):
        truth, predicted = random.integers(0, 4, (2, clips))
        counts = np.zeros((4, 4))
        np.add.at(counts, (truth, predicted), 1)
        found = {metric: float(value) for metric, value in metrics.of_confusion(counts).items()}
        assert found == pytest.approx(metrics.score(truth, predicted))
    assert np.isnan(metrics.of_confusion(np.zeros((4, 4)))["wF1"])
    assert metrics.of_confusion(np.ones((5, 2, 4, 4)))["uACC"].shape == (5, 2)
