"""What a run is, as data: frozen specs with a content key.

A `RunSpec` holds everything that can change a run's outcome and nothing else (no device, worker, date or
path), so equal keys mean equal runs and a new setting can never silently reuse an old result. Imports
nothing heavy: plans are made, and keys compared, without torch or pandas.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from serkit.errors import SpecError

LABELS = ("angry", "happy", "neutral", "sad")
"""The four classes of the study (§2.1), in the order of the model's outputs."""

METRICS = ("uACC", "wACC", "wF1")
"""The study's metrics, by §2.2's names; `serkit.metrics` defines them."""

SCRAMBLED = "_scrambled"
"""Ending of a corpus's name where its labels are permuted (§5.4: neutral<->sad, happy<->angry)."""

METHOD = 1
"""Part of every key. Raise it when a change to the code changes what the same spec gives."""

FRONT_ENDS = ("paper-loaded", "paper-rebuilt", "native-32k", "native-16k")
HEADS = ("linear", "relu-linear")
CHECKPOINTS = {"cnn14-32k": "Cnn14_mAP=0.431.pth", "cnn14-16k": "Cnn14_16k_mAP=0.438.pth"}
CHECKPOINT_OF = {
    "paper-loaded": "cnn14-32k",
    "paper-rebuilt": "cnn14-32k",
    "native-32k": "cnn14-32k",
    "native-16k": "cnn14-16k",
}
"""The checkpoint whose network each front end feeds."""


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise SpecError(message)


@dataclass(frozen=True)
class CorpusSpec:
    """A corpus as a study uses it.

    Attributes:
        name: the study's word for it, used in ids: letters and digits, for example `iemocap`.
        reader: a key of `serkit.corpora.READERS`.
        folds: how many folds the study expects it to have; 1 where the split is predetermined.
        options: the reader's options that differ from its defaults, sorted pairs.
        scramble: the label permutation behind `<name>_scrambled`, sorted (true, scrambled) pairs; empty:
            none.
    """

    name: str
    reader: str
    folds: int = 1
    options: tuple[tuple[str, Any], ...] = ()
    scramble: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            SpecError: a name that cannot stand in an id, no folds, or a scramble that is no permutation.
        """
        _check(self.name.isalnum(), f"corpus name {self.name!r}: expected letters and digits only")
        _check(self.folds >= 1, f"corpus {self.name}: folds = {self.folds}; expected 1 or more")
        if self.scramble:
            true, scrambled = zip(*self.scramble, strict=True)
            _check(
                sorted(true) == sorted(scrambled) == sorted(LABELS),
                f"corpus {self.name}: scramble maps {dict(self.scramble)}; expected a permutation of all of"
                f" {', '.join(LABELS)}",
            )

    @property
    def tests(self) -> tuple[str, ...]:
        """The names under which it is scored: its own and, where it has a scramble, the scrambled one."""
        return (self.name, self.name + SCRAMBLED) if self.scramble else (self.name,)

    @property
    def permutation(self) -> tuple[int, ...]:
        """Class index under the scrambled key, for each class index under the true key."""
        mapping = dict(self.scramble) or {label: label for label in LABELS}
        return tuple(LABELS.index(mapping[label]) for label in LABELS)


@dataclass(frozen=True)
class ModelSpec:
    """The network (§3; facts the paper leaves open are settings).

    Attributes:
        width: channels of the first block, doubled by each of the next five; 64 is CNN14.
        front_end: one of `FRONT_ENDS`, see `serkit.frontend`.
        head: `linear`, or `relu-linear` with a Linear + ReLU in between.
        weights: a key of `CHECKPOINTS`, or None for random initialisation.
    """

    width: int = 64
    front_end: str = "paper-loaded"
    head: str = "linear"
    weights: str | None = "cnn14-32k"

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            SpecError: an unknown name, a width below 1, or a checkpoint that does not fit.
        """
        _check(self.width >= 1, f"model width {self.width}: expected 1 or more (CNN14 is 64)")
        _check(
            self.front_end in FRONT_ENDS,
            f"front end {self.front_end!r}: expected one of {', '.join(FRONT_ENDS)}",
        )
        _check(self.head in HEADS, f"head {self.head!r}: expected one of {', '.join(HEADS)}")
        if self.weights is not None:
            _check(
                self.weights in CHECKPOINTS,
                f"weights {self.weights!r}: expected one of {', '.join(CHECKPOINTS)}",
            )
            _check(
                self.width == 64,
                f"model width {self.width} has no pretrained weights: set width = 64 or weights = ''",
            )
            fitting = CHECKPOINT_OF[self.front_end]
            _check(
                self.weights == fitting,
                f"front end {self.front_end} goes with the weights {fitting}, not {self.weights}",
            )


@dataclass(frozen=True)
class Recipe:
    """How a run trains. Defaults: §3 and §2.2; where they are silent, docs/reading-the-paper.md.

    Attributes:
        learning_rate: Adam's, constant.
        batch_size: clips a step.
        epochs: passes over the training clips.
        evaluations_per_epoch: evaluations of every test corpus, evenly spread; 0.5 is one every second epoch.
        tail: the last share of iterations that metrics are averaged over, in (0, 1].
        max_seconds: longer clips are cropped: at random in training, to their start in evaluation.
        loudness_dbfs: RMS level that every clip is brought to; None: as delivered.
    """

    learning_rate: float = 1e-4
    batch_size: int = 128
    epochs: int = 30
    evaluations_per_epoch: float = 1.0
    tail: float = 0.2
    max_seconds: float = 10.0
    loudness_dbfs: float | None = None

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            SpecError: a value out of its range.
        """
        for name in ("learning_rate", "evaluations_per_epoch", "tail", "max_seconds"):
            object.__setattr__(self, name, float(getattr(self, name)))  # 1 and 1.0 are one key
        if self.loudness_dbfs is not None:
            object.__setattr__(self, "loudness_dbfs", float(self.loudness_dbfs))
        for name in ("batch_size", "epochs"):
            value = getattr(self, name)
            _check(isinstance(value, int), f"recipe {name} = {value}: expected a whole number")
        for name in ("learning_rate", "batch_size", "epochs", "evaluations_per_epoch", "max_seconds"):
            value = getattr(self, name)
            _check(value > 0, f"recipe {name} = {value}: expected more than 0")
        _check(0 < self.tail <= 1, f"recipe tail = {self.tail}: expected a share in (0, 1]")
        _check(
            self.loudness_dbfs is None or self.loudness_dbfs < 0,
            f"recipe loudness_dbfs = {self.loudness_dbfs}: expected a negative level or none",
        )

    @property
    def evaluations(self) -> int:
        """Evaluations in a run, at least one; the last is at its end."""
        return max(1, round(self.epochs * self.evaluations_per_epoch))


@dataclass(frozen=True)
class RunSpec:
    """One training with all its tests.

    Attributes:
        train: names of the training corpora; one that ends in `_scrambled` trains on permuted labels.
        corpora: every corpus of the run, trained on or only tested on, in the study's order.
        augment_percent: share of the training clips that are augmented, an int in 0..100.
        fold: the fold left out of every training corpus that has folds; None where none has.
        seed: of initialisation, batch order, crops, dropout and augmentation.
        model: the network.
        recipe: the training recipe.
        fingerprints: (corpus name, content digest) pairs; empty in a plan, filled when the corpora are read.
    """

    train: tuple[str, ...]
    corpora: tuple[CorpusSpec, ...]
    augment_percent: int
    fold: int | None
    seed: int
    model: ModelSpec
    recipe: Recipe
    fingerprints: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Checks the values.

        Raises:
            SpecError: a rate outside 0..100 or not an int, an unknown training corpus, folds that do not fit
                together.
        """
        rate = self.augment_percent
        _check(
            isinstance(rate, int) and not isinstance(rate, bool) and 0 <= rate <= 100,
            f"augmentation rate {rate!r}: expected a whole number of percent in 0..100",
        )
        _check(isinstance(self.seed, int) and self.seed >= 0, f"seed {self.seed!r}: expected 0 or more")
        _check(bool(self.train), "a run needs at least one training corpus")
        known = [name for corpus in self.corpora for name in corpus.tests]
        for name in self.train:
            _check(name in known, f"training corpus {name!r}: expected one of {', '.join(known)}")
        bases = [name.removesuffix(SCRAMBLED) for name in self.train]
        _check(
            len(set(bases)) == len(bases), f"training corpora {', '.join(self.train)}: the same corpus twice"
        )
        folds = sorted({corpus.folds for corpus in self.corpora if corpus.name in bases and corpus.folds > 1})
        _check(
            len(folds) <= 1,
            f"training corpora {', '.join(self.train)} have {' and '.join(map(str, folds))} folds; joint"
            " training pairs fold k with fold k, so give them the same number",
        )
        if folds:
            _check(
                self.fold is not None and 0 <= self.fold < folds[0],
                f"fold {self.fold} of {', '.join(self.train)}: expected 0..{folds[0] - 1}",
            )
        else:
            _check(self.fold is None, f"{', '.join(self.train)} have one split, no fold {self.fold}")

    @property
    def label(self) -> str:
        """The readable name, as `msp+iemocap_scrambled-aug50-fold03`; the seed only where it is not 0."""
        parts = ["+".join(self.train), f"aug{self.augment_percent}"]
        if self.fold is not None:
            parts.append(f"fold{self.fold:02d}")
        if self.seed:
            parts.append(f"seed{self.seed}")
        return "-".join(parts)

    @property
    def key(self) -> str:
        """The label and 12 hex digits over all that can change the outcome: the name of the run's folder."""
        return f"{self.label}-{hashlib.sha256(self.canonical().encode()).hexdigest()[:12]}"

    def canonical(self) -> str:
        """The spec as canonical JSON: sorted keys, no spaces; what the key is a digest of."""
        return json.dumps(
            {"method": METHOD, **dataclasses.asdict(self)}, sort_keys=True, separators=(",", ":")
        )

    def plan(self) -> RunSpec:
        """The spec without fingerprints: what a study asked for, whatever copy of the corpora answered."""
        return dataclasses.replace(self, fingerprints=())

    def corpus(self, name: str) -> CorpusSpec:
        """The corpus called `name` (scrambled or not)."""
        base = name.removesuffix(SCRAMBLED)
        return next(corpus for corpus in self.corpora if corpus.name == base)


def from_json(data: dict[str, Any]) -> RunSpec:
    """The inverse of `json.loads(spec.canonical())`, for results read back.

    Raises:
        SpecError: written by code with another method number, or not a spec.
    """
    data = dict(data)
    method = data.pop("method", None)
    _check(method == METHOD, f"result written by method {method}; this version reads method {METHOD}")

    def pairs(rows: list[list[Any]]) -> tuple[tuple[Any, Any], ...]:
        return tuple((name, frozen(value)) for name, value in rows)

    try:
        corpora = tuple(
            CorpusSpec(
                **{**corpus, "options": pairs(corpus["options"]), "scramble": pairs(corpus["scramble"])}
            )
            for corpus in data.pop("corpora")
        )
        return RunSpec(
            train=tuple(data.pop("train")),
            corpora=corpora,
            model=ModelSpec(**data.pop("model")),
            recipe=Recipe(**data.pop("recipe")),
            fingerprints=pairs(data.pop("fingerprints")),
            **data,
        )
    except (KeyError, TypeError) as error:
        raise SpecError(f"not a run spec: {error}") from error


def frozen(value: Any) -> Any:
    """Lists as tuples and dicts as sorted pairs, all the way down, so that a spec stays hashable."""
    if isinstance(value, dict):
        return tuple(sorted((key, frozen(item)) for key, item in value.items()))
    if isinstance(value, list | tuple):
        return tuple(frozen(item) for item in value)
    return value
