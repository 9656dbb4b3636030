"""What a study costs: the clips that each run trains on and scores, and the hours that takes on some devices.

    study -> sizes of its corpora -> work of each run -> seconds on a device -> hours on several

Sizes are counted where a corpus is there, and as published where it is not; a `Size` says which. The time of
a clip is taken to be in proportion to its length, as the network's arithmetic is.

Limits: the lengths of a corpus that is not there are all its mean (clips over the cap count too long); a rate
measured at one batch size stands for all, so the tuning's small batches are taken to be as fast a clip;
measurements of acoustics are left out; devices are taken to be alike and to have nothing else to do.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.session.engines.xdist import dealt
from benchmark.study import Case, Study
from serkit import corpora
from serkit.errors import CorpusMissing
from serkit.specs import TRAINING, CorpusSpec, RunSpec

if TYPE_CHECKING:
    import numpy as np

COUNTED, PUBLISHED = "counted", "published"


@dataclass(frozen=True)
class Speech:
    """Some clips.

    Attributes:
        clips: how many.
        seconds: of all of them together, each cut to the recipe's cap.
    """

    clips: int = 0
    seconds: float = 0.0

    def __add__(self, other: Speech) -> Speech:
        return Speech(self.clips + other.clips, self.seconds + other.seconds)

    def at_most(self, clips: int | None) -> Speech:
        """Not more than some of them, of their mean length."""
        if clips is None or clips >= self.clips:
            return self
        return Speech(clips, self.seconds * clips / self.clips)

    def __mul__(self, times: int) -> Speech:
        return Speech(self.clips * times, self.seconds * times)


@dataclass(frozen=True)
class Size:
    """How large a corpus is.

    Attributes:
        folds: for each fold, the speech in its parts `train`, `validation` and `test`.
        clips_from: `counted` on disk or `published`.
        lengths_from: likewise; a corpus that was never packed has its clips counted, their lengths published.
    """

    folds: tuple[Mapping[str, Speech], ...]
    clips_from: str
    lengths_from: str


@dataclass(frozen=True)
class Work:
    """What one run does.

    Attributes:
        case: the run in the plan.
        training: all that it learns from, over all epochs.
        scoring: all that it scores, over all evaluations.
    """

    case: Case
    training: Speech
    scoring: Speech


def sizes(study: Study, data: Path | None) -> dict[str, Size]:
    """How large each of a study's corpora is.

    Args:
        study: the study.
        data: the folder the corpora lie in.

    Raises:
        CorpusMissing: a corpus is not there, and nothing is known about it.
        SpecError, CorpusUnfit: as `serkit.corpora.load`.
    """
    return {spec.name: _size(study, spec, data) for spec in study.corpora}


def _size(study: Study, spec: CorpusSpec, data: Path | None) -> Size:
    reader, options = corpora.reader(spec.reader), dict(spec.options)
    published: Any = getattr(reader, "MEAN_SECONDS", None)
    try:
        corpus = corpora.load(spec.reader, data, options)
    except CorpusMissing:
        if published is None:
            raise
        filled = corpora.checked_options(spec.reader, options)
        parts = [
            {part: Speech(clips, clips * published) for part, clips in fold.items()}
            for fold in reader.expected(**filled)
        ]
        return Size(tuple(parts), PUBLISHED, PUBLISHED)

    from serkit import packs
    from serkit.corpora.reading.corpus import PARTS
    from serkit.encoders.logmel import NAMED

    pack = packs.packed_before(corpus, NAMED[study.model.front_end].rate_hz)
    if pack is None and published is None:
        pack = packs.pack(corpus, NAMED[study.model.front_end].rate_hz)
    cap = study.recipe.max_seconds

    def speech(rows: np.ndarray) -> Speech:
        if pack is None:
            return Speech(len(rows), len(rows) * published)
        seconds = (pack.lengths[rows] / pack.rate_hz).clip(max=cap)
        return Speech(len(rows), float(seconds.sum()))

    folds = [{part: speech(corpus.part(fold, part)) for part in PARTS} for fold in range(corpus.n_folds)]
    return Size(tuple(folds), COUNTED, PUBLISHED if pack is None else COUNTED)


def work(cases: Sequence[Case], of: Mapping[str, Size]) -> list[Work]:
    """What each run of a plan does; measurements of acoustics are left out.

    Args:
        cases: the plan.
        of: `sizes`.
    """
    return [_work(case, case.spec, of) for case in cases if case.spec.kind == TRAINING]


def _work(case: Case, spec: RunSpec, of: Mapping[str, Size]) -> Work:
    training, scoring = Speech(), Speech()
    for corpus in spec.corpora:
        folds = of[corpus.name].folds
        if corpus.name not in spec.trained_on:
            for fold in folds:
                scoring += fold["test"]
            continue
        here = folds[spec.fold_of(corpus.name)]
        training += here["train"].at_most(corpus.max_training_clips)
        scoring += here["test"] + here["validation"]
    return Work(case, training * spec.recipe.epochs, scoring * spec.recipe.evaluations)


@dataclass(frozen=True)
class Device:
    """How fast a device is.

    Attributes:
        plain: seconds that a training step takes for each second of speech, without augmentation.
        augmented: with every clip augmented; at rates in between, so much of each.
        scoring: seconds that an evaluation takes for each second of speech.
        start_s: what a run takes besides: building the network, loading weights.
    """

    plain: float
    augmented: float
    scoring: float
    start_s: float = 0.0

    def slower(self, times: float) -> Device:
        """The same with all that grows with speech so many times as slow."""
        return Device(self.plain * times, self.augmented * times, self.scoring * times, self.start_s)

    def seconds(self, work: Work) -> float:
        """How long a run takes."""
        assert work.case.spec.kind == TRAINING
        share = work.case.spec.augment_percent / 100
        training = (1 - share) * self.plain + share * self.augmented
        return training * work.training.seconds + self.scoring * work.scoring.seconds + self.start_s


def makespan(works: Sequence[Work], device: Device, devices: int) -> float:
    """Seconds until the last of several like devices is done, with the runs dealt as a session deals them.

    The order is that of `benchmark.session.engines.xdist`, by the plan's own estimate. A worker is dealt two
    runs at the start, and one whenever it has finished one (xdist's `--dist=load --maxschedchunk=1`).
    """
    waiting = deque(dealt(works, lambda work: work.case.cost, devices, lambda work: work.case.turn))
    held: list[deque[Work]] = [deque() for _ in range(devices)]
    if len(waiting) < 2 * devices:
        for number, run in enumerate(waiting):
            held[number % devices].append(run)
        waiting.clear()
    for mine in held:
        while waiting and len(mine) < 2:
            mine.append(waiting.popleft())
    busy: list[tuple[float, int]] = []
    for number, mine in enumerate(held):
        if mine:
            heappush(busy, (device.seconds(mine.popleft()), number))
    end = 0.0
    while busy:
        end, number = heappop(busy)
        if waiting:
            held[number].append(waiting.popleft())
        if held[number]:
            heappush(busy, (end + device.seconds(held[number].popleft()), number))
    return end


def totals(works: Sequence[Work]) -> dict[str, Any]:
    """Runs, and clips and hours of speech that they train on and score."""
    training = sum((each.training for each in works), Speech())
    scoring = sum((each.scoring for each in works), Speech())
    return {
        "runs": len(works),
        "training_clips": training.clips,
        "training_hours": training.seconds / 3600,
        "scored_clips": scoring.clips,
        "scored_hours": scoring.seconds / 3600,
    }
