"""Which clips of its corpora a run learns from, which it scores, and how it scores them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from serkit import metrics, normalising
from serkit.clips import ClipSet, join
from serkit.corpora.reading.corpus import COLUMNS, PARTS, UNKNOWN_SPEAKER, Corpus, some
from serkit.errors import CorpusUnfit
from serkit.job import Loaded
from serkit.labels import LABELS, corpus_of, learnt
from serkit.normalising import gains
from serkit.packs import Pack
from serkit.resultfile import TAIL
from serkit.specs import RunSpec
from serkit.streams import TREATED, stream
from serkit.train import Trained

MOST_VALUES = 12
"""Of a column, or it is no group: sentences of CREMA-D are twelve."""
THIRDS = ("1 lowest third", "2 middle third", "3 highest third")


@dataclass(frozen=True, eq=False)
class Split:
    """The clips of a run, and where those of each test and fold are among the ones that it scores."""

    training: ClipSet  # with the labels to learn
    evaluation: ClipSet  # each once, with its true label; first those of the corpora that it learns from
    corpora: tuple[str, ...]  # their names in this order
    own: int  # how many clips are of those that it learns from
    tests: dict[tuple[str, int], np.ndarray]
    validation: dict[str, list[np.ndarray]]  # by fold that is left out; without corpora that have none

    def levelled(self, whose: Mapping[Pack, np.ndarray]) -> Split:
        """The same, all clips of each group brought to one level; without groups as they are."""
        if not whose:
            return self
        both = (self.training, self.evaluation)
        training, evaluation = (
            dataclasses.replace(of, gains=[gains(pack, whose[pack]) for pack in of.packs]) for of in both
        )
        return dataclasses.replace(self, training=training, evaluation=evaluation)


def split(spec: RunSpec, loaded: Mapping[str, Loaded]) -> Split:
    """The clips that a run learns from and those that it scores.

    A corpus that is trained on is tested on the folds that it leaves out, another on all its folds; the
    validation clips of the training corpora are scored too. Raises CorpusUnfit: a part has no clips.
    """
    training: list[tuple[Pack, np.ndarray, np.ndarray]] = []
    for number, name in enumerate(spec.train):
        here = loaded[corpus_of(name)]
        rows, codes = taught(spec, name, here.corpus)
        if len(rows) == 0:
            raise CorpusUnfit(f"corpus {name} has no training clips in fold {spec.fold_of(name)}")
        outputs = number % spec.label_sets * len(LABELS)  # the first of those that its labels have
        training.append((here.pack, rows, outputs + codes))

    scored: list[tuple[Pack, np.ndarray, np.ndarray]] = []
    tests: dict[tuple[str, int], np.ndarray] = {}
    validation: dict[str, list[np.ndarray]] = {}
    trained_on = {corpus_of(name): name for name in spec.train}
    order = sorted(loaded, key=lambda name: name not in trained_on)
    for name, here in ((name, loaded[name]) for name in order):
        folds = tested(spec, name, here.corpus)
        parts = {part: [here.corpus.part(fold, part) for fold in folds] for part in ("test", "validation")}
        if name not in trained_on:
            parts["validation"] = []
        # Partners validate each other: a clip may be in both parts, and is scored once.
        rows = np.unique(np.concatenate([of for part in parts.values() for of in part]))
        first = sum(len(of) for _, of, _ in scored)
        scored.append((here.pack, rows, true_codes(here.corpus)[rows]))
        for fold, of in zip(folds, parts["test"], strict=True):
            if len(of) == 0:
                raise CorpusUnfit(f"corpus {name} has no test clips in fold {fold}")
            tests[name, fold] = first + np.searchsorted(rows, of)
        if any(map(len, parts["validation"])):
            validation[trained_on[name]] = [first + np.searchsorted(rows, of) for of in parts["validation"]]
    own = sum(len(rows) for _, rows, _ in scored[: len(trained_on)])
    return Split(join(training), join(scored), tuple(order), own, tests, validation)


def groups(spec: RunSpec, loaded: Mapping[str, Loaded]) -> dict[Pack, np.ndarray]:
    """Whose each clip of a pack is, where a run normalises by that. Raises SpecError: speakers not known."""
    by = spec.recipe.normalise
    if by == "none":
        return {}
    return {here.pack: normalising.groups(by, here.corpus.clips, name) for name, here in loaded.items()}


def tested(spec: RunSpec, name: str, corpus: Corpus) -> Sequence[int]:
    """The folds of a corpus that a run is tested on: those that it leaves out, or all."""
    return corpus.trainings[spec.fold_of(name)] if name in spec.trained_on else range(corpus.n_folds)


def used(spec: RunSpec, name: str, corpus: Corpus) -> dict[str, np.ndarray]:
    """The clips of a corpus that a run uses, rows by part; of one it does not learn from, the tests."""
    folds, wanted = tested(spec, name, corpus), PARTS if name in spec.trained_on else ("test",)
    parts = {part: np.unique(np.concatenate([corpus.part(k, part) for k in folds])) for part in wanted}
    most = spec.corpus(name).max_training_clips
    if most is not None and "train" in parts:
        parts["train"] = some(corpus.clips, parts["train"], most, spec.seed)
    return parts


def taught(spec: RunSpec, name: str, corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    """The training clips of a name, and the class index that a run is taught of each; both int64 [clips]."""
    rows = used(spec, corpus_of(name), corpus)["train"]
    random = stream(TREATED, spec.draws, spec.train.index(name))
    codes = learnt(name, true_codes(corpus)[rows], spec.corpus(name).scramble, random)
    return rows[codes >= 0], codes[codes >= 0]


def divided(spec: RunSpec, corpora: Mapping[str, Corpus]) -> pd.DataFrame:
    """Every clip that a run uses, a row for each part that it is in.

    Args:
        spec: the run.
        corpora: its corpora by name.

    Returns:
        Columns: part (of `PARTS`), corpus, path, label (the true one), taught (what the run is taught that it
        is; "" of clips that are only scored).
    """
    names, tables = dict(zip(spec.trained_on, spec.train, strict=True)), []
    for name, corpus in corpora.items():
        for part, rows in used(spec, name, corpus).items():
            learnt_as: Any = ""
            if part == "train":
                rows, codes = taught(spec, names[name], corpus)
                learnt_as = np.array(LABELS)[codes]
            about = {"part": part, "corpus": name, "taught": learnt_as}
            tables.append(corpus.clips.iloc[rows][["path", "label"]].assign(**about))
    columns = ["part", "corpus", "path", "label", "taught"]
    return pd.concat(tables, ignore_index=True)[columns]


def true_codes(corpus: Corpus) -> np.ndarray:
    """Class index of every clip under its true label, int64 [clips]."""
    return pd.Categorical(corpus.clips["label"], categories=list(LABELS)).codes.astype(np.int64)


def scored(spec: RunSpec, clips: Split, scores: np.ndarray) -> dict[str, Any]:
    """Metrics of one evaluation: every test under each of its keys, fold by fold, and the validation clips.

    `scores` are of the evaluation set, float32 [clips, 4], or of its first clips; then other tests are left
    out. Validation is averaged over the folds that are left out, as tests are.
    """
    predicted = scores.argmax(axis=1)

    def under(name: str, positions: np.ndarray) -> dict[str, float]:
        truth = np.asarray(spec.codes(name))[clips.evaluation.label[positions]]
        return metrics.score(truth, predicted[positions])

    tests: dict[str, dict[str, Any]] = {}
    for (corpus, fold), positions in clips.tests.items():
        for name in spec.tests_of(spec.corpus(corpus)) if positions[-1] < len(scores) else ():
            tests.setdefault(name, {})[str(fold)] = under(name, positions)
    validation = {}
    for name, folds in clips.validation.items():
        of = [under(name, positions) for positions in folds]
        validation[name] = {metric: float(np.mean([each[metric] for each in of])) for metric in of[0]}
    return {"tests": tests, "validation": validation}


def scored_clips(clips: Split, loaded: Mapping[str, Loaded], chosen: np.ndarray) -> pd.DataFrame:
    """Which clips those are that are scored: a row each of the chosen positions.

    Columns: corpus, path, speaker, label.
    """
    tables = [loaded[name].corpus.clips.assign(corpus=name) for name in clips.corpora]
    firsts, some = np.cumsum([0, *map(len, tables)]), clips.evaluation[chosen]
    rows = firsts[some.corpus] + some.row
    return pd.concat(tables, ignore_index=True).loc[rows, ["corpus", "path", "speaker", "label"]]


def clip_scores(clips: Split, loaded: Mapping[str, Loaded], trained: Trained) -> pd.DataFrame:
    """Scores of the test clips, a row each.

    Returns:
        Columns: corpus, path, fold, speaker, label (the true one), a probability for each class at the last
        evaluation and, as `<class>_tail`, averaged over the tail.
    """
    tables = []
    for (corpus, fold), positions in clips.tests.items():
        table = loaded[corpus].corpus.clips.iloc[clips.evaluation.row[positions]]
        table = table.assign(corpus=corpus, fold=fold)[["corpus", "path", "fold", "speaker", "label"]]
        table[list(LABELS)] = trained.scores[positions]
        table[list(TAIL)] = trained.tail[positions]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def grouped(clips: Split, loaded: Mapping[str, Loaded], scores: np.ndarray) -> dict[str, Any]:
    """How test clips were called, by what else each corpus knows of them, as their gender or sentence.

    Args:
        clips: of the run.
        loaded: its corpora.
        scores: probabilities of the evaluation set, float32 [clips, 4].

    Returns:
        By corpus, column and value: counts of clips [true][called], 4 x 4. Of a column of numbers that are
        many the thirds of its tested clips; columns of more than `MOST_VALUES` other values are left out.
    """
    found: dict[str, Any] = {}
    called, truth = scores.argmax(axis=1), clips.evaluation.label
    for name in clips.corpora:
        at = np.unique(np.concatenate([of for (corpus, _), of in clips.tests.items() if corpus == name]))
        table = loaded[name].corpus.clips.iloc[clips.evaluation.row[at]]
        for column in [column for column in table if column not in COLUMNS]:
            values = _few(table[column])
            for value in sorted(values.dropna().unique()) if values is not None else ():
                here = at[(values == value).to_numpy()]
                counts = np.zeros((len(LABELS), len(LABELS)), dtype=np.int64)
                np.add.at(counts, (truth[here], called[here]), 1)
                found.setdefault(name, {}).setdefault(column, {})[str(value)] = counts.tolist()
    return found


def _few(column: pd.Series) -> pd.Series | None:
    """The values of a column as few groups; None where they are one, or too many."""
    distinct = column.nunique()
    if distinct > MOST_VALUES and pd.api.types.is_numeric_dtype(column):
        third = pd.qcut(column.rank(method="first"), 3, labels=list(THIRDS))
        return third.astype(object)
    return column.astype(str).where(column.notna()) if 1 < distinct <= MOST_VALUES else None


def about(spec: RunSpec, name: str, here: Loaded, training: ClipSet) -> dict[str, Any]:
    """What a result says of a corpus: as delivered, clips per part and label, speakers on both sides."""
    clips, parts = here.corpus.clips, used(spec, name, here.corpus)
    if name in spec.trained_on:
        parts["train"] = training.row[training.corpus == spec.trained_on.index(name)]  # some may be left out
    said = here.delivered() | {"clips": {part: per_label(clips.iloc[rows]) for part, rows in parts.items()}}
    folds = {fold: clips.iloc[here.corpus.part(fold, "test")] for fold in tested(spec, name, here.corpus)}
    said["tested"] = {str(fold): per_label(of) for fold, of in folds.items()}
    if name in spec.trained_on:
        learnt, scored = (set(clips["speaker"].iloc[parts[part]]) for part in ("train", "test"))
        said["shared_speakers"] = sorted(learnt & scored - {UNKNOWN_SPEAKER})
        said["split_by_clip"] = here.corpus.split_by_clip
    return said


def per_label(clips: pd.DataFrame) -> dict[str, int]:
    """How many clips have each label."""
    return {label: int((clips["label"] == label).sum()) for label in LABELS}
