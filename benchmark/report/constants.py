"""What is had on a test without listening: by one label always, or by guesses with the test's own shares.

Both know the labels of the test clips, so no predictor that ignores the audio does better: what is not above
them shows no learning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from serkit.labels import LABELS
from serkit.metrics import of_confusion


@dataclass(frozen=True)
class Constants:
    """The scores of predictors that ignore the audio, by metric; NaN where there are no clips.

    Attributes:
        label: the label that has the highest wF1 when it is said always.
        always: what it has.
        guessing: what guesses have that fall on each label as often as it is true, in the long run.
    """

    label: str
    always: Mapping[str, float]
    guessing: Mapping[str, float]

    @property
    def best(self) -> Mapping[str, float]:
        """The higher of the two."""
        return {metric: max(value, self.guessing[metric]) for metric, value in self.always.items()}


def constants(folds: Sequence[Mapping[str, int]]) -> Constants:
    """The constants of a test: averages over its folds, as cells are.

    Args:
        folds: test clips by label, for each fold.

    Example:
        >>> found = constants([{"angry": 1, "happy": 1, "neutral": 7, "sad": 1}])
        >>> found.label, round(found.always["wF1"], 3), round(found.guessing["wF1"], 3)
        ('neutral', 0.576, 0.52)
    """
    clips = np.array([[fold.get(label, 0) for label in LABELS] for fold in folds], float).reshape(
        -1, len(LABELS)
    )
    clips = clips[clips.sum(axis=1) > 0]
    if not len(clips):
        nothing = dict.fromkeys(("uACC", "wACC", "wF1"), np.nan)
        return Constants("", nothing, nothing)
    said = clips[None, :, :, None] * np.eye(len(LABELS))[:, None, None, :]  # [said, fold, truth, predicted]
    always = {metric: value.mean(axis=1) for metric, value in of_confusion(said).items()}
    best = int(always["wF1"].argmax())
    shares = clips.sum(axis=0) / clips.sum()
    guessed = of_confusion(clips[:, :, None] * shares)
    return Constants(
        LABELS[best],
        {metric: float(value[best]) for metric, value in always.items()},
        {metric: float(value.mean()) for metric, value in guessed.items()},
    )
