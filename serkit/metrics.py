"""The study's metrics, all in [0, 1], by the names of §2.2 (docs/reading-the-paper.md, point 1).

* `uACC`: mean recall over the classes that have a clip (scikit-learn: balanced accuracy).
* `wACC`: share of clips classified correctly (scikit-learn: accuracy).
* `wF1`: F1 of each class, weighted by its clips (scikit-learn: f1_score, average="weighted").
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serkit.labels import LABELS
from serkit.specs import METRICS, Recipe


def score(truth: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """The three metrics of one set of clips, from class indices 0..3, int [clips].

    Raises ValueError: no clips, or lengths that differ.

    Example:
        >>> score(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]))
        {'uACC': 0.75, 'wACC': 0.75, 'wF1': 0.7333333333333334}
    """
    from sklearn.metrics import precision_recall_fscore_support  # takes a second: not while a plan is made

    if len(truth) == 0 or len(truth) != len(predicted):
        given = f"{len(truth)} true and {len(predicted)} predicted labels"
        raise ValueError(f"{given}: expected as many, more than none")
    classes = range(len(LABELS))
    _, recall, f1, clips = precision_recall_fscore_support(truth, predicted, labels=classes, zero_division=0)
    return {
        "uACC": float(recall[clips > 0].mean()),
        "wACC": float((truth == predicted).mean()),
        "wF1": float((f1 * clips).sum() / clips.sum()),
    }


def of_confusion(counts: np.ndarray) -> dict[str, np.ndarray]:
    """The three metrics of confusion matrices, [...] each; NaN of one without a clip.

    Args:
        counts: clips, [..., truth, predicted]; may be weights.

    Example:
        >>> of_confusion(np.array([[2, 0], [1, 1]]))["wACC"].item()
        0.75
    """
    clips, right = counts.sum(axis=-1), np.diagonal(counts, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = np.where(clips > 0, right / clips, np.nan)
        f1 = np.where(clips > 0, 2 * right / (clips + counts.sum(axis=-2)), 0.0)
        all_clips = clips.sum(axis=-1)
        return {
            "uACC": np.nansum(recall, axis=-1) / (clips > 0).sum(axis=-1),
            "wACC": right.sum(axis=-1) / all_clips,
            "wF1": (f1 * clips).sum(axis=-1) / all_clips,
        }


def in_tail(history: Sequence[Mapping[str, Any]], tail: float) -> list[int]:
    """Positions of the evaluations that lie in the last share `tail` of all iterations (§2.2); at least one.

    `tail` is in (0, 1]; the last evaluation is at the end of training.

    Example:
        >>> in_tail([{"iteration": 10}, {"iteration": 20}, {"iteration": 30}], 0.5)
        [1, 2]
    """
    end = history[-1]["iteration"]
    first = (1 - tail + 1e-9) * end
    return [i for i, at in enumerate(history) if at["iteration"] > first] or [len(history) - 1]


def evaluations(recipe: Recipe, total: int) -> dict[int, tuple[bool, bool]]:
    """The iterations of `total` after which is evaluated: whether all clips, and whether in the tail.

    Example:
        >>> evaluations(Recipe(epochs=5, evaluate_unseen=3), 50)
        {10: (False, False), 20: (False, False), 30: (True, False), 40: (False, False), 50: (True, True)}
    """
    n = recipe.evaluations
    at = sorted({max(1, round(total * (number + 1) / n)) for number in range(n)})
    tail = set(in_tail([{"iteration": iteration} for iteration in at], recipe.tail))
    every = recipe.evaluate_unseen
    return {
        iteration: (number in tail or (number + 1) % every == 0, number in tail)
        for number, iteration in enumerate(at)
    }


def over_tail(evaluations: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
    """Tail averages of one test, per fold and averaged over its folds.

    Takes fold -> metric -> value of each evaluation of the tail; gives `{"folds": {fold: summary}}` and the
    `summary` of the average over folds, which is taken at each evaluation first: the paper's interval for
    IEMOCAP says how steady the ten-fold average is, not how much the folds differ.
    """
    folds = list(evaluations[0])
    tail: dict[str, Any] = {"folds": {fold: summary([at[fold] for at in evaluations]) for fold in folds}}

    def mean(at: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
        return {metric: float(np.mean([at[fold][metric] for fold in folds])) for metric in METRICS}

    return tail | summary(list(map(mean, evaluations)))


def summary(evaluations: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """`{metric: {"mean", "std"}}` over evaluations, metric -> value each; std is the population's."""
    values = {metric: [at[metric] for at in evaluations] for metric in METRICS}
    return {metric: {"mean": float(np.mean(of)), "std": float(np.std(of))} for metric, of in values.items()}


def levelled_off(losses: Sequence[float], first_in_tail: int) -> bool:
    """Whether the training loss had levelled off in the tail (§2.2: "start plateauing").

    Ours, because the paper gives no rule. Between the tail's first and second half the mean loss may move at
    half the pace of its whole fall, by 0.02, or by three times what its noise explains, whichever is most;
    the noise is judged by the differences between neighbours in the second half of training. `losses` are
    means since the evaluation before, one an evaluation.
    """
    tail = np.asarray(losses[first_in_tail:])
    if len(tail) < 2:
        return True
    early, late = np.array_split(tail, 2)
    steps = np.diff(losses[len(losses) // 2 :])
    noise = steps.std() / np.sqrt(2) * np.sqrt(1 / len(early) + 1 / len(late)) if len(steps) > 1 else 0.0
    pace = (max(losses) - min(losses)) / (len(losses) - 1)
    allowed = max(0.5 * pace * len(tail) / 2, 0.02, 3 * noise)
    return bool(abs(early.mean() - late.mean()) <= allowed)
