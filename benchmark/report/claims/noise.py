"""How sure a contrast of printed numbers is.

The paper prints one number a cell and never a spread over trainings, so how sure a number is has to come from
its own tables. It is taken twice:

- *Least*: what no reading can do without. Cells are rounded (uniform, `ROUNDED` wide), and other clips might
  have been tested, on which two networks differ no more than the change between them needs.
- *Most*: besides, trainings differ as much as the two in the tables that are one problem: IEMOCAP alone with
  its labels permuted (Figure 3, column B) and as they are (Figure 2, column B). And what two networks get
  wrong is unrelated.

Neither has what other speakers would give: the paper prints no number by speaker. A change is taken apart
into the trainings that it rests on, as several cells may share one (a mean over rates less that at 0 %, a
change that has its baseline in common with another).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from benchmark.report import paper
from benchmark.report.claims.stated import Contrast, Place
from benchmark.report.intervals import LEVEL, Part
from serkit.labels import ending_of

ROUNDED = 0.01
"""The step of a printed wF1."""
CLIPS = {"IEMOCAP": 5531, "CREMA-D": 841, "MSP-Podcast": 11012}
"""Clips of each test: IEMOCAP's, all folds; 15 % of CREMA-D's voice vote; of MSP-Podcast's Test1 (16,903) as
large a share as the four classes have of the release. None is printed by the paper (docs/corpora.md)."""
Score = tuple[str, str, int]
"""What networks have on a test: training set, test, rate."""


@dataclass(frozen=True)
class Estimate:
    """A contrast by one end of the noise."""

    mean: float
    parts: Mapping[str, float]  # its deviation by what varies
    freedom: float  # degrees of freedom by which that is known

    @property
    def deviation(self) -> float:
        """By all that varies."""
        return sum(part**2 for part in self.parts.values()) ** 0.5

    @property
    def half(self) -> float:
        """Half its interval."""
        return float(stats.t.ppf((1 + LEVEL) / 2, self.freedom) * self.deviation)

    def p(self, far: float) -> float:
        """Two-sided, that it is truly so far off, or farther."""
        return 2 * float(stats.t.sf(far / self.deviation, self.freedom)) if self.deviation else float(not far)


class Printed:
    """Printed numbers, and how sure a contrast of them is.

    Attributes:
        of: numbers by exhibit, training set, test and rate.
        null: what trainings of one problem differ by, a difference of wF1 a rate.
        rms: of the null: read as retraining noise, the deviation of a difference.
        training: read so, the variance of one training.
    """

    def __init__(self, numbers: pd.DataFrame | None = None) -> None:
        """Of numbers as `benchmark.report.paper.published` gives them; None: the paper's."""
        numbers = paper.published() if numbers is None else numbers
        self.of: Mapping[Place, float] = numbers.set_index(paper.PLACE)["paper"].to_dict()
        scrambled, true = "IEMOCAP-SCRAMBLED", "IEMOCAP"
        self.null = tuple(
            round(lower - self.of["figure2", true, true, rate], 9)
            for (*place, rate), lower in self.of.items()
            if place == ["figure3", scrambled, scrambled]
        )
        self.rms = _rms(self.null)
        self.training = Part(self.rms**2 / 2, len(self.null))

    def least(self, contrast: Contrast) -> Estimate:
        """By rounding and tested clips; two networks differ on no more clips than the change needs."""
        mean = self._mean(contrast)
        change = min(abs(mean), 1.0)
        tests = (change * (1 - change) / CLIPS[corpus_of(contrast.cells.test)]) ** 0.5
        return Estimate(mean, {"rounding": rounding(contrast), "tests": tests}, np.inf)

    def most(self, contrast: Contrast) -> Estimate:
        """By rounding, tested clips on which networks err apart, and trainings that differ as the null's."""
        scores = scores_of(contrast)
        training = self.training.variance * sum(weight**2 for weight in scores.values())
        parts = {"rounding": rounding(contrast), "tests": self._clips(contrast, scores)}
        all_of = sum(part**2 for part in parts.values()) + training
        freedom = self.training.freedom * (all_of / training) ** 2 if training else np.inf  # Satterthwaite's
        return Estimate(self._mean(contrast), parts | {"training": training**0.5}, freedom)

    def offset(self) -> Estimate:
        """The null read as an offset that all rates share."""
        return Estimate(float(np.mean(self.null)), {"rates": stats.sem(self.null)}, len(self.null) - 1)

    def step(self) -> float:
        """RMS of the figures' changes from one augmented rate to the next; the most has the null's."""
        rows: dict[tuple[str, ...], dict[int, float]] = defaultdict(dict)
        for (*row, rate), value in self.of.items():
            if row[0] != "table1" and rate:
                rows[tuple(row)][rate] = value
        return _rms(np.concatenate([np.diff([row[rate] for rate in sorted(row)]) for row in rows.values()]))

    def _mean(self, contrast: Contrast) -> float:
        mean = sum(weight * self.of[place] for place, weight in contrast.weights())
        more = self._baseline(contrast.cells.test) if contrast.absolute else 0.0
        known = contrast.against if isinstance(contrast.against, float) else 0.0
        return round(mean + more - known, 9)

    def _baseline(self, test: str) -> float:
        return self.of["table1", corpus_of(test), corpus_of(test), 0]

    def _clips(self, contrast: Contrast, scores: Mapping[Score, float]) -> float:
        """Deviation by which clips are tested, wF1 taken for the share of them that is right."""
        variance = 0.0
        for sign in (1, -1):
            side = {score: weight for score, weight in scores.items() if weight * sign > 0}
            if total := sum(side.values()):
                right = sum(weight * self._wf1(score) for score, weight in side.items()) / total
                variance += total**2 * right * (1 - right) / CLIPS[corpus_of(contrast.cells.test)]
        return variance**0.5

    def _wf1(self, score: Score) -> float:
        """What networks have, from Table 1 or a baseline and a change of it; in [0, 1]."""
        if ("table1", *score) in self.of:
            return self.of["table1", *score]
        figure = "figure2" if ("figure2", *score) in self.of else "figure3"
        return float(np.clip(self._baseline(score[1]) + self.of[figure, *score], 0, 1))


def _rms(differences: Any) -> float:
    return float(np.sqrt(np.mean(np.square(differences))))


def corpus_of(test: str) -> str:
    """The corpus of a test, under whichever labels."""
    return test.removesuffix(ending_of(test))


def rounding(contrast: Contrast) -> float:
    """Deviation by rounding: of each printed cell, and of the baseline that is added."""
    squares = sum(weight**2 for *_, weight in contrast.weights()) + contrast.absolute
    return float(ROUNDED * (squares / 12) ** 0.5)


def scores_of(contrast: Contrast) -> dict[Score, float]:
    """The weight in a contrast of each score of a training; what cancels is left out."""
    scores: dict[Score, float] = defaultdict(float)
    for (exhibit, train, test, rate), weight in contrast.weights():
        scores[train, test, rate] += weight
        if exhibit != "table1" and not contrast.absolute:
            scores[corpus_of(test), corpus_of(test), 0] -= weight
    return {score: weight for score, weight in scores.items() if abs(weight) > 1e-9}
