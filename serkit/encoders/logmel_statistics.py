"""The baseline that listens: mean and deviation of each log-mel band over a clip, and a logistic regression.

What every network here is held against: 128 numbers a clip that know nothing of time. It is not trained by
steps but fitted at once (scikit-learn, L2 with C = 1 on standardised features) to the features of all epochs'
clips, as augmented in each: without augmentation one epoch is enough. Of a batch's SpecAugment the masked
cells are left out of a band's statistics; a band that is masked from end to end counts as the average one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from serkit.augment import Waves
from serkit.device import send
from serkit.encoders.cnn14.logmel import MEL_BANDS, NAMED, FrontEnd, LogMel
from serkit.labels import LABELS
from serkit.settings import check
from serkit.specs import ModelSpec

NEVER = -50.0
"""The score of a label without a training clip."""


def describe(model: ModelSpec) -> FrontEnd:
    """The front end: rate, shortest clip, log-mel."""
    return NAMED[model.front_end]


def verify(model: ModelSpec) -> None:
    """Nothing is needed. Raises SpecError where the study names weights."""
    check(model.weights is None, "logmel_statistics has no pretrained weights: set weights = ''")


def build(model: ModelSpec, seed: int, outputs: int = len(LABELS)) -> LogmelStatistics:
    """Not fitted yet; there is nothing to draw by a seed."""
    return LogmelStatistics(NAMED[model.front_end], outputs)


class LogmelStatistics(nn.Module):
    """Its embedding are the statistics themselves, float32 [clips, 128]."""

    def __init__(self, front_end: FrontEnd, outputs: int = len(LABELS)) -> None:
        """`outputs`: how many scores it gives."""
        super().__init__()
        self.logmel = LogMel(front_end)
        self.centre, self.scale = nn.Buffer(torch.zeros(2 * MEL_BANDS)), nn.Buffer(torch.ones(2 * MEL_BANDS))
        self.head = nn.Linear(2 * MEL_BANDS, outputs)

    def inputs(self, parts: Iterable[Waves]) -> tuple[Tensor]:
        """The statistics of a batch in parts."""
        return (torch.cat([self._statistics(part) for part in parts]),)

    def _statistics(self, part: Waves) -> Tensor:
        logmel, frames, masked = self.logmel.inputs([part])
        frame = torch.arange(logmel.shape[1], device=logmel.device)
        counted = (frame < send(frames, logmel.device)[:, None])[..., None].expand_as(logmel)
        if masked is not None:
            counted = counted & ~masked
        cells = counted.sum(dim=1)  # of a band without any the statistics are NaN
        mean = (logmel * counted).sum(dim=1) / cells
        variance = ((logmel - mean[:, None]).square() * counted).sum(dim=1) / cells
        return torch.cat([mean, variance.sqrt()], dim=1)

    def embed(self, statistics: Tensor) -> Tensor:
        """The statistics as they are."""
        return statistics

    def forward(self, statistics: Tensor) -> Tensor:
        """Scores before the softmax, float [clips, outputs]."""
        return self.head(((statistics - self.centre) / self.scale).nan_to_num(nan=0.0))

    def fit(self, statistics: np.ndarray, labels: np.ndarray) -> None:
        """Fits to float32 [clips, 128] and the index of each clip's output, int64 [clips]."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(statistics)
        check(
            len(np.unique(labels)) > 1,
            "all training clips have one label; expected two to tell apart",
        )
        features = np.nan_to_num(scaler.transform(statistics), nan=0.0)
        regression = LogisticRegression(max_iter=2000).fit(features, labels)
        weights, biases = regression.coef_, regression.intercept_
        if len(regression.classes_) == 2:  # one row stands for both
            weights, biases = np.concatenate([-weights, weights]) / 2, np.concatenate([-biases, biases]) / 2
        with torch.no_grad():
            self.centre.copy_(torch.as_tensor(scaler.mean_))
            self.scale.copy_(torch.as_tensor(cast(np.ndarray, scaler.scale_)))
            self.head.weight.zero_()
            self.head.bias.fill_(NEVER)
            self.head.weight[regression.classes_] = torch.as_tensor(weights).to(self.head.weight)
            self.head.bias[regression.classes_] = torch.as_tensor(biases).to(self.head.bias)
