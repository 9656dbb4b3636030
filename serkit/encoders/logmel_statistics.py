"""The baseline that listens: mean and deviation of each log-mel band over a clip.

What every network here is held against: 128 numbers a clip that know nothing of time, and a logistic
regression (`serkit.heads.Fitted`). Of a batch's SpecAugment the masked cells are left out of a band's
statistics; a band that is masked from end to end counts as the average one.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from serkit.augment import Waves
from serkit.device import send
from serkit.encoders.cnn14.logmel import MEL_BANDS, NAMED, FrontEnd, LogMel
from serkit.specs import ModelSpec

ALONE = True


def describe(model: ModelSpec) -> FrontEnd:
    """The front end: rate, shortest clip, log-mel."""
    return NAMED[model.front_end]


def identify(model: ModelSpec) -> str:
    """Nothing that the spec does not say."""
    return ""


def make(model: ModelSpec) -> LogmelStatistics:
    """The statistics of the model's front end."""
    return LogmelStatistics(NAMED[model.front_end])


class LogmelStatistics(nn.Module):
    """Its embedding are the statistics themselves, float32 [clips, 128]; of a band masked throughout NaN."""

    width = 2 * MEL_BANDS

    def __init__(self, front_end: FrontEnd) -> None:
        """Nothing of it learns."""
        super().__init__()
        self.logmel = LogMel(front_end)

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

    def forward(self, statistics: Tensor) -> Tensor:
        """The statistics as they are."""
        return statistics
