"""How long it takes: rates from finished runs, the work of the cases that are left, the end under n workers.

`status`, the live display, interim reports and `plan` all ask here. A running case goes by its own pace. A
run that is left takes so much for each clip that it trains on, plain or augmented, and for each that it
scores: as the finished runs of its training set, or, where there are none, as all that have finished.

Limits: without a finished run of its training set, a run is taken to train on the study's
`expected_training_clips`; without any finished run, cases go by their cost, at the pace of running ones.
Workers are taken to be alike, to have nothing else to do, and to begin the next case when they are free.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from heapq import heapreplace
from statistics import mean
from typing import Any, NamedTuple

from benchmark.session.progress import DONE, RUNNING, CaseState
from benchmark.study import TrainingSet
from serkit.specs import TRAINING, Recipe, RunSpec

NEWEST = 20  # finished cases that a rate is taken from: machines and their load change


class Work(NamedTuple):
    """Clips that a run trains on and scores, over all epochs and evaluations."""

    trained: float
    scored: float


class Run:
    """A finished run: what it did, and of its result at least `benchmark.session.progress.KEPT`."""

    def __init__(self, spec: RunSpec, result: Mapping[str, Any]) -> None:
        """Counts nothing yet: of many only the newest are asked."""
        self.spec, self.result = spec, result

    @functools.cached_property
    def work(self) -> Work:
        """Its work, as the result tells."""
        spec, own, other = self.spec, 0, 0
        for name, about in self.result["corpora"].items():
            clips = {part: sum(of.values()) for part, of in about["clips"].items()}
            if name not in spec.trained_on:
                other += clips["test"]
            else:  # folds that share a training validate each other: their clips are scored once
                own += clips["test"] + (clips["validation"] if len(about.get("tested", "1")) == 1 else 0)
        return work(spec.recipe, self.result["training_clips"], own, other)


def work(recipe: Recipe, training: int, own: int, other: int) -> Work:
    """The work of a run by its clips: of training, to score of corpora it learns from, and of others."""
    from serkit.metrics import evaluations  # numpy comes with it

    times = evaluations(recipe, -(-training // recipe.batch_size) * recipe.epochs).values()
    scored = own * len(times) + other * sum(all_clips for all_clips, _ in times)
    return Work(training * recipe.epochs, scored)


class Rates(NamedTuple):
    """Seconds a device takes to train on a plain and on an augmented clip, to score one, to start a run."""

    plain: float
    augmented: float
    scoring: float
    start: float = 0.0

    def seconds(self, spec: RunSpec, work: Work, times: float = 1.0) -> float:
        """How long a run takes where all but the start is so many times slower."""
        share = spec.augment_percent / 100
        training = (1 - share) * self.plain + share * self.augmented
        return times * (training * work.trained + self.scoring * work.scored) + self.start


def rates(runs: Sequence[Run]) -> Rates:
    """How fast the device of finished runs is, by the newest; they come newest first.

    Where all are augmented, or none, a clip is taken to cost the same either way.
    """
    plain = [run for run in runs if not run.spec.augment_percent][:NEWEST]
    augmented = [run for run in runs if run.spec.augment_percent][:NEWEST]
    chosen = plain + augmented

    def total(name: str, of: Iterable[Run]) -> float:
        return sum(run.result[name] for run in of)

    either = plain or augmented
    plain_s = augmented_s = total("train_seconds", either) / sum(run.work.trained for run in either)
    if plain and augmented:
        clips = sum(run.work.trained for run in augmented)
        affected = sum(run.spec.augment_percent / 100 * run.work.trained for run in augmented)
        augmented_s = max(0.0, (total("train_seconds", augmented) - plain_s * (clips - affected)) / affected)
    scoring_s = total("evaluate_seconds", chosen) / max(1, sum(run.work.scored for run in chosen))
    worked = total("train_seconds", chosen) + total("evaluate_seconds", chosen)
    start_s = max(0.0, total("wall_seconds", chosen) - worked) / len(chosen)
    return Rates(plain_s, augmented_s, scoring_s, start_s)


class Left(NamedTuple):
    """How long the rest takes."""

    seconds: float | None  # until the last worker is done; None: nothing was timed yet
    untimed: int  # cases that are left and not in `seconds`, since none of their kind was timed yet
    workers: int  # how many work on it

    def words(self, on: str = "") -> str:
        """In words: `about 4 min left`; `on` says on what."""
        if self.seconds is None:
            return "time left unknown"
        if not self.seconds and not self.untimed:
            return "nothing left"
        rest = f", not counting {self.untimed} of a kind that was never timed" if self.untimed else ""
        return f"about {lasting(self.seconds)} left{on}{rest}"


def lasting(seconds: float) -> str:
    """A time in words.

    Example:
        >>> [lasting(seconds) for seconds in (42, 1260, 12_600, 1_036_800)]
        ['42 s', '21 min', '3.5 h', '12.0 days']
    """
    for unit, size, limit, digits in (("s", 1, 100, 0), ("min", 60, 100, 0), ("h", 3600, 72, 1)):
        if seconds / size < limit:
            return f"{seconds / size:.{digits}f} {unit}"
    return f"{seconds / 86400:.1f} days"


class Pace:
    """How long the cases of a study take on one device; `by_cost` tells the kinds that were timed."""

    def __init__(
        self,
        seen: Iterable[CaseState],  # the states of the whole study
        runs: Sequence[Run] = (),  # finished on the device, newest first
        counted: Mapping[RunSpec, Work] | None = None,  # of each run left, where `runs` are another study's
        times: float = 1.0,  # how many times slower than those it is
    ) -> None:
        """Takes the rates."""
        self.by_cost = _by_cost(seen)
        self._counted, self._times = counted or {}, times
        self._rates = rates(runs) if runs else None
        self._newest = runs[:NEWEST]
        self._like: dict[TrainingSet, list[Run]] = defaultdict(list)
        for run in runs:
            self._like[run.spec.train].append(run)

    def left(self, rest: Iterable[CaseState], workers: int = 0) -> Left:
        """How long it takes until all of some cases are done; 0 workers: as many as run now, at least one."""
        rest = [state for state in rest if state.state != DONE]
        workers = workers or max(1, sum(state.state == RUNNING for state in rest))
        timed = [(state, seconds) for state in rest if (seconds := self.seconds(state)) is not None]
        untimed = len(rest) - len(timed)
        if untimed and not timed:
            return Left(None, untimed, workers)
        timed.sort(key=lambda each: (each[0].state != RUNNING, each[0].case.turn, -each[1]))
        free = [0.0] * workers  # when each of them begins the next
        for _, seconds in timed:
            heapreplace(free, free[0] + seconds)
        return Left(max(free), untimed, workers)

    def seconds(self, state: CaseState) -> float | None:
        """How long a case that is not done takes from now on; None where none of its kind was timed."""
        if state.seconds_left is not None:
            return state.seconds_left
        spec = state.case.spec
        if spec.kind == TRAINING and spec.model.imported:
            return None  # it is trained elsewhere
        if spec.kind == TRAINING and self._rates:
            whole = self._run_seconds(spec, state.case.cost, self._rates)
        elif rate := self.by_cost.get(spec.kind):
            whole = rate * state.case.cost
        else:
            return None
        return max(0.0, whole - state.seconds)

    def _run_seconds(self, spec: RunSpec, cost: int, of: Rates) -> float:
        if spec in self._counted:
            return of.seconds(spec, self._counted[spec], self._times)
        like = self._like[spec.train][:NEWEST]
        evaluations, epochs = spec.recipe.evaluations, spec.recipe.epochs
        scored = mean(run.work.scored / run.spec.recipe.evaluations for run in like or self._newest)
        if not like:
            return of.seconds(spec, Work(cost, scored * evaluations), self._times)
        trained = mean(run.work.trained / run.spec.recipe.epochs for run in like)
        expected = sum(of.seconds(run.spec, run.work) for run in like) or 1
        slower = sum(run.result["wall_seconds"] for run in like) / expected
        return slower * of.seconds(spec, Work(trained * epochs, scored * evaluations), self._times)


def finished(seen: Iterable[CaseState]) -> dict[str, list[Run]]:
    """The finished runs of a study by the name of their device, newest first."""
    found: dict[str, list[Run]] = defaultdict(list)
    for state in sorted(seen, key=lambda state: -state.at):
        if state.finished and state.case.spec.kind == TRAINING and not state.case.spec.model.imported:
            run = Run(state.case.spec, state.finished.result)
            found[run.result["environment"]["device_name"]].append(run)
    return dict(found)


def pace(seen: Sequence[CaseState]) -> Pace:
    """The pace on the device of the newest run, among those on the kind (CPU or GPU) of what runs now."""
    trained = [state for state in seen if state.state == RUNNING and state.case.spec.kind == TRAINING]
    kinds = {state.who["device"].split(":")[0] for state in trained if "device" in state.who}
    for runs in finished(seen).values():
        if not kinds or runs[0].result["environment"]["device"] in kinds:
            return Pace(seen, runs)
    return Pace(seen)


def _by_cost(seen: Iterable[CaseState]) -> dict[str, float]:
    """Seconds a unit of cost: of the newest measurements, and of trainings that run."""
    timed: dict[str, list[tuple[float, int]]] = defaultdict(list)
    for state in sorted(seen, key=lambda state: -state.at):
        whole = 0.0
        if state.state == RUNNING and state.seconds_left is not None and state.share < 1:
            whole = state.seconds_left / (1 - state.share)
        elif state.finished and not state.finished.result.get("clips_before", 1):
            whole = state.finished.result["wall_seconds"]
        if whole:
            timed[state.case.spec.kind].append((whole, state.case.cost))
    return {
        kind: sum(s for s, _ in of[:NEWEST]) / sum(c for _, c in of[:NEWEST]) for kind, of in timed.items()
    }
