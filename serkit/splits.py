"""Which clips of its corpora a run learns from, which it scores, and how it scores them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from serkit import metrics
from serkit.clips import ClipSet, join
from serkit.corpora.reading.corpus import UNKNOWN_SPEAKER, Corpus, some
from serkit.errors import CorpusUnfit
from serkit.job import Loaded
from serkit.labels import LABELS, corpus_of
from serkit.packs import Pack
from serkit.specs import RunSpec


@dataclass(frozen=True, eq=False)
class Split:
    """The clips of a run: positions in those that it scores, by corpus and fold or by training corpus."""

    training: ClipSet  # with the labels to learn
    evaluation: ClipSet  # each once, with its true label
    tests: dict[tuple[str, int], np.ndarray]
    validation: dict[str, np.ndarray]  # without corpora that have none


def split(spec: RunSpec, loaded: Mapping[str, Loaded]) -> Split:
    """The clips that a run learns from and those that it scores.

    A corpus that is trained on is tested on its left-out fold, another on all its folds; the validation clips
    of the training corpora are scored too. Raises CorpusUnfit: a part has no clips.
    """
    learnt: list[tuple[Pack, np.ndarray, np.ndarray]] = []
    for name in spec.train:
        here = loaded[corpus_of(name)]
        rows = used(spec, corpus_of(name), here.corpus)["train"]
        if len(rows) == 0:
            raise CorpusUnfit(f"corpus {name} has no training clips in fold {spec.fold_of(name)}")
        codes = np.asarray(spec.codes(name))
        learnt.append((here.pack, rows, codes[true_codes(here.corpus)[rows]]))

    scored: list[tuple[Pack, np.ndarray, np.ndarray]] = []

    def add(here: Loaded, rows: np.ndarray) -> np.ndarray:
        first = sum(len(rows) for _, rows, _ in scored)
        scored.append((here.pack, rows, true_codes(here.corpus)[rows]))
        return np.arange(first, first + len(rows))

    tests: dict[tuple[str, int], np.ndarray] = {}
    validation: dict[str, np.ndarray] = {}
    trained_on = {corpus_of(name): name for name in spec.train}
    for name, here in loaded.items():
        for fold in [spec.fold_of(name)] if name in trained_on else range(here.corpus.n_folds):
            rows = here.corpus.part(fold, "test")
            if len(rows) == 0:
                raise CorpusUnfit(f"corpus {name} has no test clips in fold {fold}")
            tests[name, fold] = add(here, rows)
        if name in trained_on and len(rows := here.corpus.part(spec.fold_of(name), "validation")):
            validation[trained_on[name]] = add(here, rows)
    return Split(join(learnt), join(scored), tests, validation)


def used(spec: RunSpec, name: str, corpus: Corpus) -> dict[str, np.ndarray]:
    """The clips of a corpus that a run uses, row numbers by part: of its fold, or the tests of all folds."""
    if name not in spec.trained_on:
        return {"test": np.concatenate([corpus.part(fold, "test") for fold in range(corpus.n_folds)])}
    parts = {part: corpus.part(spec.fold_of(name), part) for part in ("train", "validation", "test")}
    most = spec.corpus(name).max_training_clips
    if most is not None:
        parts["train"] = some(corpus.clips, parts["train"], most, spec.seed)
    return parts


def true_codes(corpus: Corpus) -> np.ndarray:
    """Class index of every clip under its true label, int64 [clips]."""
    return pd.Categorical(corpus.clips["label"], categories=list(LABELS)).codes.astype(np.int64)


def scored(spec: RunSpec, clips: Split, scores: np.ndarray) -> dict[str, Any]:
    """Metrics of scores, float32 [clips, 4]: tests under each of their keys by fold, and validation clips."""
    predicted = scores.argmax(axis=1)

    def under(name: str, positions: np.ndarray) -> dict[str, float]:
        truth = np.asarray(spec.codes(name))[clips.evaluation.label[positions]]
        return metrics.score(truth, predicted[positions])

    tests: dict[str, dict[str, Any]] = {}
    for (corpus, fold), positions in clips.tests.items():
        for name in spec.corpus(corpus).tests:
            tests.setdefault(name, {})[str(fold)] = under(name, positions)
    return {"tests": tests, "validation": {name: under(name, of) for name, of in clips.validation.items()}}


def clip_scores(clips: Split, loaded: Mapping[str, Loaded], scores: np.ndarray) -> pd.DataFrame:
    """Scores of the test clips, a row each: corpus, path, fold, true label, one probability a class."""
    tables = []
    for (corpus, fold), positions in clips.tests.items():
        table = loaded[corpus].corpus.clips.iloc[clips.evaluation.row[positions]]
        table = table.assign(corpus=corpus, fold=fold)[["corpus", "path", "fold", "label"]]
        table[list(LABELS)] = scores[positions]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def about(spec: RunSpec, name: str, here: Loaded) -> dict[str, Any]:
    """What a result says of a corpus: as delivered, clips per part and label, speakers on both sides."""
    clips, parts = here.corpus.clips, used(spec, name, here.corpus)
    said = here.delivered() | {"clips": {part: per_label(clips.iloc[rows]) for part, rows in parts.items()}}
    if name in spec.trained_on:
        learnt, tested = (set(clips["speaker"].iloc[parts[part]]) for part in ("train", "test"))
        said["shared_speakers"] = sorted(learnt & tested - {UNKNOWN_SPEAKER})
        said["split_by_clip"] = here.corpus.split_by_clip
    return said


def per_label(clips: pd.DataFrame) -> dict[str, int]:
    """How many clips have each label."""
    return {label: int((clips["label"] == label).sum()) for label in LABELS}
