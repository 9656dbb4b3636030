"""What a study's runs say of a cell: its units, and what varies between them, pooled over the study.

Retraining noise is never assumed. A study knows it of a tested corpus where something was trained twice: by
other seeds, or on one corpus alone with its labels permuted, which is the same problem under other names.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from benchmark.report.clipscores import ClipScores, Counts, Said
from benchmark.report.constants import Constants, constants
from benchmark.report.intervals import (
    FEW,
    FOLDS,
    NO_UNITS,
    Part,
    Scores,
    Spread,
    Units,
    by_fold,
    difference,
    retraining,
)
from benchmark.study import How, Study, TrainingSet
from serkit.labels import corpus_of, is_permuted, is_whole
from serkit.metrics import in_tail
from serkit.resultfile import Result
from serkit.specs import METRICS, TRAINING, CorpusSpec, RunSpec


@dataclass(frozen=True, eq=False)
class Tail:
    """What one run scored on one test over its tail.

    Attributes:
        run: it.
        key: of its result.
        test: the name of the test.
        scores: metric -> float64 [evaluations, units]; no units where it has no validation clips. A unit is
            the folds that one training leaves out, their mean.
    """

    run: RunSpec
    key: str
    test: str
    scores: Mapping[str, np.ndarray]

    def curve(self, metric: str) -> np.ndarray:
        """The metric at each evaluation, over units; NaN where nothing was scored."""
        scores = self.scores[metric]
        return scores.mean(axis=1) if scores.shape[1] else np.full(len(scores), np.nan)

    def mean(self, metric: str) -> float:
        """The metric over units and the tail."""
        return float(self.curve(metric).mean())


def tail(run: RunSpec, result: Result, part: Literal["tests", "validation"], test: str) -> Tail:
    """Reads the tail of a result."""
    history = result["history"]
    scored = [history[at][part].get(test, {}) for at in in_tail(history, run.recipe.tail)]
    if part == "validation" and scored[0]:
        scored = [{"": scores} for scores in scored]
    units = [[str(fold) for fold in unit] for unit in result["corpora"][corpus_of(test)]["units"]]
    units = [unit for unit in units if set(unit) <= set(scored[0])] or [[fold] for fold in scored[0]]

    def of(metric: str) -> np.ndarray:
        return np.array([[np.mean([at[fold][metric] for fold in unit]) for unit in units] for at in scored])

    return Tail(run, result["key"], test, {metric: of(metric) for metric in METRICS})


@dataclass(frozen=True)
class Learnt:
    """Whether a training shows, on test clips of a corpus of its own, that it learnt anything."""

    recall: Spread  # its uACC there
    guessing: float  # the uACC of guesses, whatever they are: 1 / classes among the test clips
    shown: bool  # whether the recall is above guessing by more than chance gives

    def __str__(self) -> str:
        """In words: `uACC 0.27 [0.22, 0.32], 0.25 by guessing`."""
        low, high = np.clip((self.recall.low, self.recall.high), 0, 1)  # that of few folds may reach further
        interval = f" [{low:.2f}, {high:.2f}]" if self.recall.known else ""
        return f"uACC {self.recall.mean:.2f}{interval}, {self.guessing:.2f} by guessing"


Method = TypeVar("Method", bound=Callable[..., Any])


def _kept(method: Method) -> Method:
    """A method of `Evidence` that works each answer out once: cells share most of what they ask for."""

    @functools.wraps(method)
    def answer(self: Evidence, *args: Any, **more: Any) -> Any:
        asked = method.__name__, args, tuple(more.items())
        if asked not in self._answers:
            self._answers[asked] = method(self, *args, **more)
        return self._answers[asked]

    return answer  # type: ignore[return-value]


class Evidence:
    """The units of a study's cells, read from the results that are done."""

    def __init__(self, study: Study, results: Mapping[Any, Result], clips: ClipScores) -> None:
        """Reads nothing yet."""
        self.study, self.results, self.clips = study, results, clips
        self._answers: dict[Any, Any] = {}

    def runs(self, train: TrainingSet, rate: int, how: How | None = None) -> dict[RunSpec, Result]:
        """The runs of one condition that are done; otherwise than the study trains if given."""
        runs = self.study.runs(train, rate, how)
        return {run: self.results[run] for run in runs if run in self.results}

    @_kept
    def tails(self, train: TrainingSet, test: str, rate: int, how: How | None = None) -> list[Tail]:
        """What the runs of a condition scored."""
        return [tail(run, result, "tests", test) for run, result in self.runs(train, rate, how).items()]

    @_kept
    def units(
        self, train: TrainingSet, test: str, rate: int, how: How | None = None, metric: str = "wF1"
    ) -> Units:
        """What a cell is an average of."""
        tails, corpus = self.tails(train, test, rate, how), self._corpus(test)
        own = corpus.name in map(corpus_of, train)
        if not tails:
            return NO_UNITS
        if own and corpus.folds > 1:
            return Units(_by_fold(tails, metric), common=self._common(corpus, metric))
        scores = self._scores(tails, metric)
        values = dict(enumerate(scores.of.mean(axis=0).tolist()))
        if corpus.folds == 1:  # resampled means may be off it
            values = {0: float(np.mean([tail.mean(metric) for tail in tails]))}
        varied = len({tail.run.fold for tail in tails}) > 1
        return Units(values, scores, varied, self.retraining(corpus, own, metric))

    @_kept
    def said(self, train: TrainingSet, corpus: str, rate: int, what: Said, how: How | None = None) -> Units:
        """What the networks of a condition say of a corpus's test clips, by probabilities over the tail.

        As units of a cell; of runs whose clip scores cannot be read there are none.
        """
        spec = self._corpus(corpus)
        read = {
            run: self.clips.of(result["key"], corpus) for run, result in self.runs(train, rate, how).items()
        }
        counts = {run: of for run, of in read.items() if of is not None}
        if not counts:
            return NO_UNITS
        if spec.folds == 1:
            own = [name for name in train if corpus_of(name) == corpus]
            taught = own[0] if own and is_permuted(own[0]) else corpus
            codes = [tuple(run.codes(taught)) for run in counts]
            keys, as_taught = [self.results[run]["key"] for run in counts], what.after(codes[0])
            drawn = self.clips.resampled(keys, corpus, codes, as_taught)
            mean = float(np.mean([what(of.clips.sum(axis=0)) for of in counts.values()]))
            networks, again = drawn or Scores(np.array([[mean]])), self._said_anew(spec, bool(own), as_taught)
            return Units({0: mean}, networks, len({run.fold for run in counts}) > 1, again)
        by_unit = {run: self._by_unit(run, of, corpus, what) for run, of in counts.items()}
        if corpus in map(corpus_of, train):
            found = by_fold((run.fold, value) for run, units in by_unit.items() for value in units)
            return Units({fold: value for fold, value in found.values.items() if not np.isnan(value)})
        scores = np.array(list(by_unit.values()))
        known = ~np.isnan(scores).any(axis=0)
        values = dict(enumerate(scores.mean(axis=0)))
        values = {unit: float(value) for unit, value in values.items() if known[unit]}
        return Units(values, Scores(scores[:, known]), len({run.fold for run in counts}) > 1)

    def _by_unit(self, run: RunSpec, counts: Counts, corpus: str, what: Said) -> list[float]:
        """What is said in each unit of a test: the folds that one training leaves out, their mean."""
        folds = {int(fold) for fold in np.unique(counts.fold)}
        here = [unit for unit in self.results[run]["corpora"][corpus]["units"] if set(unit) <= folds]
        return [float(np.mean([what(counts.of_fold(fold)) for fold in unit])) for unit in here]

    def told_apart(self, train: TrainingSet, rate: int, representation: str) -> float:
        """How well each two corpora of a training set are told apart, a mean recall; NaN where nothing says.

        `representation` is one of what is probed (`serkit.probe`): `embedding`, `statistics`.
        """
        pairs = [
            pair for result in self.runs(train, rate).values() for pair in result["probe"]["corpus"].items()
        ]
        here = set(map(corpus_of, train))
        read = [of.get(representation) for name, of in pairs if set(name.split("+")) <= here]
        known = [recall for recall in read if recall is not None]
        return float(np.mean(known)) if known else np.nan

    def null(self, swapped: str, rate: int) -> Spread:
        """wF1 of a corpus alone with its labels permuted, minus that with the true ones: retraining alone."""
        name = corpus_of(swapped)
        return difference(self.units((swapped,), swapped, rate), self.units((name,), name, rate))

    @_kept
    def retraining(self, corpus: CorpusSpec, own: bool, metric: str) -> Part | None:
        """Variance of one network's score on a corpus by training anew, over all that was trained twice.

        Args:
            corpus: that is tested.
            own: of the networks that learnt from it, or of the others.
            metric: `uACC`, `wACC` or `wF1`.
        """
        return retraining(self._scores(tails, metric, _taught(tails)) for tails in self._anew(corpus, own))

    @_kept
    def _said_anew(self, corpus: CorpusSpec, own: bool, what: Said) -> Part | None:
        """The same of what is said in the words of the labels that were taught, of a corpus of one split."""
        drawn = [
            self.clips.resampled([of.key for of in tails], corpus.name, _taught(tails), what)
            for tails in self._anew(corpus, own)
        ]
        return retraining(of for of in drawn if of)

    @_kept
    def _anew(self, corpus: CorpusSpec, own: bool) -> list[list[Tail]]:
        """What differs by training anew alone: scores of the runs of each condition and fold, if several."""
        again: dict[Any, list[Tail]] = defaultdict(list)
        for same, tails in self._conditions(corpus, own):
            for tail in tails:
                again[same, tail.run.fold].append(tail)
        return [tails for tails in again.values() if len(tails) > 1]

    def constants(self, test: str) -> Constants:
        """What is had on a test without listening."""
        return constants(list(self._clips(corpus_of(test)).values()))

    def learnt(self, train: TrainingSet, test: str, rate: int) -> Learnt | None:
        """Whether a training shows that it learnt anything of a corpus of its own; None: no run is done.

        By the lower end of its recall's interval. Where there is none, or one of fewer than `FEW` folds, by
        two deviations of what guesses have on so many test clips.
        """
        recall = self.units(train, test, rate, metric="uACC").around()
        folds = [list(filter(None, of.values())) for of in self._clips(corpus_of(test)).values()]
        folds = [of for of in folds if of]
        if np.isnan(recall.mean) or not folds:
            return None
        guessing = float(np.mean([1 / len(of) for of in folds]))
        shown = recall.low > guessing
        if not recall.known or (recall.of == FOLDS and recall.n < FEW):
            # Of each class's recall, a share of its clips, and of their mean over the classes and folds.
            one = [sum((1 - 1 / len(of)) / len(of) / n for n in of) / len(of) ** 2 for of in folds]
            shown = recall.mean > guessing + 2 * float(np.mean(one) / len(folds)) ** 0.5
        return Learnt(recall, guessing, bool(shown))

    def _corpus(self, test: str) -> CorpusSpec:
        return next(corpus for corpus in self.study.corpora if corpus.name == corpus_of(test))

    @_kept
    def _clips(self, corpus: str) -> dict[str, Mapping[str, int]]:
        """Test clips of a corpus by fold and label."""
        found: dict[str, Mapping[str, int]] = {}
        for run, result in self.results.items():
            if run.kind == TRAINING and corpus in result["corpora"]:
                found |= result["corpora"][corpus]["tested"]
        return found

    def _conditions(self, corpus: CorpusSpec, own: bool) -> Iterator[tuple[Any, list[Tail]]]:
        """Each condition, by what is learnt in it, and what its runs score, as `_taught` has it.

        One corpus alone under permuted labels is that corpus under others' names. What it scores elsewhere is
        renamed back clip by clip, so of folds only what it scores on itself is taken.
        """
        for train in filter(lambda train: all(map(is_whole, train)), self.study.training_sets()):
            here = [name for name in train if corpus_of(name) == corpus.name]
            if own == bool(here):
                renamed = len(train) == 1 and is_permuted(train[0]) and (own or corpus.folds == 1)
                same = tuple(map(corpus_of, train)) if renamed else train
                test = here[0] if here and is_permuted(here[0]) else corpus.name
                for rate in self.study.rates_percent:
                    yield (same, rate), self.tails(train, test, rate)

    @_kept
    def _common(self, corpus: CorpusSpec, metric: str) -> float:
        """`Units.common` of a corpus: of what changes against its baseline vary by from fold to fold."""
        known = self.retraining(corpus, True, metric)
        baseline = _by_fold(self.tails((corpus.name,), corpus.name, 0), metric)
        varies = []
        for same, tails in self._conditions(corpus, True):
            values = _by_fold(tails, metric) if same != ((corpus.name,), 0) else {}
            changes = [value - baseline[fold] for fold, value in values.items() if fold in baseline]
            varies += [np.var(changes, ddof=1)] if len(changes) > 1 else []
        if known is None or not varies:
            return 1.0
        noise = 2 * known.variance / len(self.study.seeds)
        return float(np.clip(1 - noise / np.mean(varies), 0.0, 1.0)) if np.mean(varies) else 1.0

    def _scores(
        self, tails: Sequence[Tail], metric: str, codes: Sequence[Sequence[int]] | None = None
    ) -> Scores:
        """What runs scored: a column a unit; of one split, under resampled speakers where they are known.

        `codes` are the class that each true one is expected to be called, for each run; else its test's.
        """
        name = corpus_of(tails[0].test)
        if self._corpus(name).folds > 1:
            return Scores(np.array([tail.scores[metric].mean(axis=0) for tail in tails]))
        own = [tail.run.codes(tail.test) for tail in tails]
        drawn = self.clips.resampled([tail.key for tail in tails], name, codes or own, metric)
        whose = tails if codes in (None, own) else tails[:1]  # without their clips no other names are known
        return drawn or Scores(np.array([[tail.mean(metric)] for tail in whose]))


def _taught(tails: Sequence[Tail]) -> list[tuple[int, ...]]:
    """For each run the class that it was taught to call each true one of a test."""
    found = []
    for run, test in ((tail.run, tail.test) for tail in tails):
        own = corpus_of(test) in run.trained_on
        found.append(run.codes(test if own or len(run.train) > 1 else run.train[0]))
    return found


def _by_fold(tails: Sequence[Tail], metric: str) -> Mapping[int, float]:
    return by_fold((tail.run.fold, tail.mean(metric)) for tail in tails).values
