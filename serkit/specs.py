"""What a run is, as data: frozen specs with a content key.

A `RunSpec` holds everything that can change a run's outcome and nothing else (no device, worker, date or
path), so equal keys mean equal runs and a new setting can never silently reuse an old result. Imports
nothing heavy: plans are made, and keys compared, without torch or pandas.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from serkit.errors import SpecError

LABELS = ("angry", "happy", "neutral", "sad")
"""The four classes of the study (§2.1), in the order of the model's outputs."""

METRICS = ("uACC", "wACC", "wF1")
"""The study's metrics, by §2.2's names; `serkit.metrics` defines them."""

SCRAMBLED = "_scrambled"
"""Ending of a corpus's name where its labels are permuted (§5.4: neutral<->sad, happy<->angry)."""

METHOD = 2
"""Part of every run's key. Raise it when a change to the code changes what the same spec gives."""

ACOUSTICS_METHOD = 1
"""The same for measurements of acoustics. A change to the augmentations may have to raise both."""

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


EFFECTS = ("stretch", "shift", "fade", "equalizer", "reverb", "noise", "specaugment")
"""The seven augmentations (§5.2), in the order in which they are applied."""

POOLED_BY = ("stretched", "own")
STRETCH_METHODS = ("feature", "vocoder")


def base_of(name: str) -> str:
    """The corpus behind a name that may end in `_scrambled`."""
    return name.removesuffix(SCRAMBLED)


def in_order(train: Iterable[str], corpora: Sequence[CorpusSpec]) -> tuple[str, ...]:
    """The names of a training set in the order of the corpora: one set is one run, however it is written."""
    places = {corpus.name: place for place, corpus in enumerate(corpora)}
    return tuple(sorted(train, key=lambda name: (places[base_of(name)], name)))


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
        pool_by: what clips are sorted by before batches are filled (`serkit.batches`): `stretched`, their
            length as the network gets it, or `own`, as delivered. Studies from before there was a choice have
            `own`, which pads batches of stretched clips by 13 % where `stretched` pads them by 2 %; it is
            left out of their keys, so that their results stand.
    """

    learning_rate: float = 1e-4
    batch_size: int = 128
    epochs: int = 30
    evaluations_per_epoch: float = 1.0
    tail: float = 0.2
    max_seconds: float = 10.0
    loudness_dbfs: float | None = None
    pool_by: str = "stretched"

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
            self.pool_by in POOLED_BY,
            f"recipe pool_by = {self.pool_by!r}: expected one of {', '.join(POOLED_BY)}",
        )
        _check(
            self.loudness_dbfs is None or self.loudness_dbfs < 0,
            f"recipe loudness_dbfs = {self.loudness_dbfs}: expected a negative level or none",
        )

    @property
    def evaluations(self) -> int:
        """Evaluations in a run, at least one; the last is at its end."""
        return max(1, round(self.epochs * self.evaluations_per_epoch))


Range = tuple[float, float]


@dataclass(frozen=True)
class Augmentation:
    """What an augmented clip goes through: which effects, within which ranges (both ends belong to them).

    §5.2 gives the ranges of stretch, fade and reverb. The others are ours, each with its reason:

    Attributes:
        effects: some of `EFFECTS`; an affected clip gets all of them, in that order.
        stretch_rate: tempo, pitch kept (§5.2); above 1 is faster. Uniform, as all but the cut-offs.
        stretch_method: `feature`, log-mel frames taken every hop x rate samples; `vocoder`, a phase vocoder
            on the wave. The first is nearer to good time-scalers and nearly free (docs/augmentation.md).
        shift_share: of the clip's length, later if positive; what leaves is cut, what comes is silence.
            A tenth, as the fade: at least nine tenths of the speech stay, in their order.
        fade_share: of the clip's length that its fade-in and fade-out take together (§5.2: up to 10 %).
        high_pass_hz: cut-off of the high-pass, log-uniform. From inaudible to 300 Hz, where the telephone
            band starts.
        low_pass_hz: cut-off of the low-pass, log-uniform. From 3400 Hz, where the telephone band ends, to
            just below the 8 kHz that 16 kHz audio has.
        room_size: of pedalboard's Reverb (§5.2: up to 0.2).
        wet_level: likewise (§5.2: up to 0.5).
        dry_level: likewise (§5.2: 0.4).
        noise_snr_db: the clip, as filtered and reverberated, over pink noise. From clearly audible and
            still easily understood to hardly audible.
        time_masks: SpecAugment's stripes over time, as many as the stock PANNs class has.
        time_mask_share: of the clip's frames that each takes. Stock: up to 64 of 1001 frames, 6.4 %; a
            share, because 64 frames would be half of a 2.5 s clip; rounded up to a tenth.
        band_masks: SpecAugment's stripes over mel bands, as many as the stock class has.
        mask_bands: mel bands that each takes, a whole number (stock: up to 8 of 64).
    """

    effects: tuple[str, ...] = EFFECTS
    stretch_rate: Range = (0.9, 1.2)
    stretch_method: str = "feature"
    shift_share: Range = (-0.1, 0.1)
    fade_share: Range = (0.0, 0.1)
    high_pass_hz: Range = (20.0, 300.0)
    low_pass_hz: Range = (3400.0, 7600.0)
    room_size: Range = (0.0, 0.2)
    wet_level: Range = (0.0, 0.5)
    dry_level: float = 0.4
    noise_snr_db: Range = (10.0, 30.0)
    time_masks: int = 2
    time_mask_share: Range = (0.0, 0.1)
    band_masks: int = 2
    mask_bands: Range = (0, 8)

    def __post_init__(self) -> None:
        """Checks the values; brings the settings of effects that are off to their defaults.

        Those cannot change an outcome, so they must not change a key.

        Raises:
            SpecError: an unknown effect or one named twice, or a range that is upside down or outside what
                its effect allows.
        """
        for effect in self.effects:
            _check(
                effect in EFFECTS, f"augmentation effect {effect!r}: expected some of {', '.join(EFFECTS)}"
            )
        _check(
            len(set(self.effects)) == len(self.effects) > 0,
            f"augmentation effects = {list(self.effects)}: expected one or more of {', '.join(EFFECTS)}, each"
            " once",
        )
        object.__setattr__(self, "effects", tuple(effect for effect in EFFECTS if effect in self.effects))
        for name in ALLOWED:
            object.__setattr__(self, name, _range(name, getattr(self, name)))
        _check(
            self.high_pass_hz[1] <= self.low_pass_hz[0],
            f"augmentation high_pass_hz up to {self.high_pass_hz[1]:g} and low_pass_hz from"
            f" {self.low_pass_hz[0]:g}: nothing would be left between them; expected ranges that do not"
            " overlap",
        )
        _check(
            self.stretch_method in STRETCH_METHODS,
            f"augmentation stretch_method {self.stretch_method!r}: expected one of"
            f" {', '.join(STRETCH_METHODS)}",
        )
        _check(
            _is_number(self.dry_level) and 0 <= self.dry_level <= 1,
            f"augmentation dry_level = {self.dry_level}: expected a level in 0..1",
        )
        object.__setattr__(self, "dry_level", float(self.dry_level))
        for name in ("time_masks", "band_masks"):
            value = getattr(self, name)
            _check(
                _is_number(value) and isinstance(value, int) and 0 <= value <= MOST_MASKS,
                f"augmentation {name} = {value}: expected a whole number in 0..{MOST_MASKS}",
            )
        for field in dataclasses.fields(self):
            if any(field.name in SETTINGS_OF[effect] for effect in EFFECTS if effect not in self.effects):
                object.__setattr__(self, field.name, field.default)

    @property
    def stretches_features(self) -> bool:
        """Whether the stretch is in the log-mel spectrogram, and on no wave."""
        return "stretch" in self.effects and self.stretch_method == "feature"

    def on_waves(self) -> Augmentation:
        """The part that changes waves: without SpecAugment and a stretch on features.

        Raises:
            SpecError: nothing of it does.
        """
        features = {"specaugment"} | ({"stretch"} if self.stretches_features else set())
        effects = tuple(effect for effect in self.effects if effect not in features)
        _check(bool(effects), f"augmentation effects = {list(self.effects)}: they change features, no wave")
        return dataclasses.replace(self, effects=effects)


MOST_MASKS = 10

SETTINGS_OF = {
    "stretch": ("stretch_rate", "stretch_method"),
    "shift": ("shift_share",),
    "fade": ("fade_share",),
    "equalizer": ("high_pass_hz", "low_pass_hz"),
    "reverb": ("room_size", "wet_level", "dry_level"),
    "noise": ("noise_snr_db",),
    "specaugment": ("time_masks", "time_mask_share", "band_masks", "mask_bands"),
}
"""The settings of each effect: fields of `Augmentation`."""

ALLOWED: dict[str, Range] = {
    "stretch_rate": (0.5, 2),  # beyond, frames skip parts of the speech, or it is speech no more
    "shift_share": (-0.5, 0.5),  # at least half of the clip stays
    "fade_share": (0, 1),
    "high_pass_hz": (5, 7900),  # lower ones ring for longer than a clip; 8 kHz is the lowest Nyquist rate
    "low_pass_hz": (5, 7900),
    "room_size": (0, 1),  # pedalboard's own
    "wet_level": (0, 1),  # likewise
    "noise_snr_db": (-20, 100),
    "time_mask_share": (0, 1),
    "mask_bands": (0, 64),
}
"""What each range may span."""


def _range(name: str, value: Any) -> Range:
    """A range as two floats (mask_bands: two whole numbers), checked."""
    least, most = ALLOWED[name]
    numbers = isinstance(value, tuple) and len(value) == 2 and all(_is_number(end) for end in value)
    _check(
        numbers and least <= value[0] <= value[1] <= most,
        f"augmentation {name} = {list(value) if isinstance(value, tuple) else value}: expected [lowest,"
        f" highest] within {least:g}..{most:g}",
    )
    if name == "mask_bands":
        _check(
            all(isinstance(end, int) for end in value),
            f"augmentation {name} = {list(value)}: expected whole numbers of bands",
        )
        return value
    return float(value[0]), float(value[1])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class Keyed(ABC):
    """What the spec of anything that has a result can do: it has a key, and reads and writes as JSON."""

    @property
    @abstractmethod
    def label(self) -> str:
        """The readable name."""

    @property
    @abstractmethod
    def method(self) -> dict[str, int]:
        """The number of the method by which the result is made, under its name in the JSON."""

    @property
    def key(self) -> str:
        """The label and 12 hex digits over all that can change the outcome: the name of its folder."""
        return f"{self.label}-{hashlib.sha256(self.canonical().encode()).hexdigest()[:12]}"

    def canonical(self) -> str:
        """The spec as canonical JSON: sorted keys, no spaces; what the key is a digest of."""
        return json.dumps(self.values(), sort_keys=True, separators=(",", ":"))

    def values(self) -> dict[str, Any]:
        """All that can change the outcome."""
        return {**self.method, **dataclasses.asdict(self)}  # type: ignore[call-overload]

    def to_json(self) -> dict[str, Any]:
        """The spec as plain JSON values; `from_json` is the inverse."""
        return json.loads(self.canonical())

    def plan(self) -> Self:
        """The spec without fingerprints: what a study asked for, whatever copy of the corpora answered."""
        return dataclasses.replace(self, fingerprints=())  # type: ignore[type-var]


@dataclass(frozen=True)
class RunSpec(Keyed):
    """One training with all its tests.

    Attributes:
        train: names of the training corpora; one that ends in `_scrambled` trains on permuted labels. In
            whatever order they are given, they come in that of `corpora`.
        corpora: every corpus of the run, trained on or only tested on, in the study's order.
        augment_percent: share of the training clips that are augmented, an int in 0..100.
        augmentation: what those clips go through; None at 0 %, where it cannot matter.
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
    augmentation: Augmentation | None = None
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
        _check(
            (self.augmentation is None) == (rate == 0),
            f"augmentation rate {rate} with augmentation {self.augmentation}: expected one above 0 % and none"
            " at 0 %",
        )
        _check(isinstance(self.seed, int) and self.seed >= 0, f"seed {self.seed!r}: expected 0 or more")
        _check(bool(self.train), "a run needs at least one training corpus")
        known = [name for corpus in self.corpora for name in corpus.tests]
        for name in self.train:
            _check(name in known, f"training corpus {name!r}: expected one of {', '.join(known)}")
        object.__setattr__(self, "train", in_order(self.train, self.corpora))
        bases = self.trained_on
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
    def trained_on(self) -> tuple[str, ...]:
        """The training corpora by their own names, scrambled or not."""
        return tuple(base_of(name) for name in self.train)

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
    def method(self) -> dict[str, int]:
        """`METHOD`."""
        return {"method": METHOD}

    def values(self) -> dict[str, Any]:
        """As of any spec, without what came later at the value that runs had before."""
        values = super().values()
        if self.recipe.pool_by == "own":
            del values["recipe"]["pool_by"]
        return values

    def corpus(self, name: str) -> CorpusSpec:
        """The corpus called `name` (scrambled or not)."""
        return next(corpus for corpus in self.corpora if corpus.name == base_of(name))


@dataclass(frozen=True)
class AcousticsSpec(Keyed):
    """One measurement of a corpus's acoustics, as Figure 4 shows them.

    Attributes:
        corpus: the corpus. Its scramble is left out: labels do not matter here.
        augmentation: what every clip goes through first, its part that is on the wave; None: as delivered.
        clips: how many are measured at most, chosen at random from all of the corpus (§5.1: 10,000).
        p835_clips: how many of these also get the slower P.835 estimates (`serkit.mos`), evenly spread.
        seed: of the choice and of the augmentation.
        estimators: (name, digest) pairs of the networks that estimate; empty in a plan.
        fingerprints: the (name, content digest) pair of the corpus; empty in a plan.
    """

    corpus: CorpusSpec
    augmentation: Augmentation | None = None
    clips: int = 10_000
    p835_clips: int = 200
    seed: int = 0
    estimators: tuple[tuple[str, str], ...] = ()
    fingerprints: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        """Checks the values; leaves out what does not matter.

        Raises:
            SpecError: no clips, a negative seed, or an augmentation of which nothing is on the wave.
        """
        for name, least in {"clips": 1, "p835_clips": 0, "seed": 0}.items():
            value = getattr(self, name)
            _check(
                isinstance(value, int) and not isinstance(value, bool) and value >= least,
                f"{name} = {value!r}: expected a whole number, {least} or more",
            )
        object.__setattr__(self, "corpus", dataclasses.replace(self.corpus, scramble=()))
        if self.augmentation is not None:
            object.__setattr__(self, "augmentation", self.augmentation.on_waves())

    @property
    def label(self) -> str:
        """The readable name, as `acoustics-iemocap-augmented`; the seed only where it is not 0."""
        condition = "raw" if self.augmentation is None else "augmented"
        return f"acoustics-{self.corpus.name}-{condition}" + (f"-seed{self.seed}" if self.seed else "")

    @property
    def method(self) -> dict[str, int]:
        """`ACOUSTICS_METHOD`."""
        return {"acoustics_method": ACOUSTICS_METHOD}

    def plan(self) -> AcousticsSpec:
        """The spec without fingerprints and digests: what a study asked for, whatever answered."""
        return dataclasses.replace(self, estimators=(), fingerprints=())


def from_json(data: dict[str, Any]) -> RunSpec | AcousticsSpec:
    """The inverse of `Keyed.to_json`, for results read back.

    Raises:
        SpecError: written by code with another method number, or not a spec.
    """
    data = dict(data)
    try:
        if "acoustics_method" in data:
            _check_method(data.pop("acoustics_method"), ACOUSTICS_METHOD)
            return AcousticsSpec(
                corpus=_corpus(data.pop("corpus")),
                augmentation=_augmentation(data.pop("augmentation")),
                estimators=_pairs(data.pop("estimators")),
                fingerprints=_pairs(data.pop("fingerprints")),
                **data,
            )
        _check_method(data.pop("method", None), METHOD)
        return RunSpec(
            train=tuple(data.pop("train")),
            corpora=tuple(_corpus(corpus) for corpus in data.pop("corpora")),
            model=ModelSpec(**data.pop("model")),
            recipe=Recipe(**{"pool_by": "own", **data.pop("recipe")}),
            augmentation=_augmentation(data.pop("augmentation")),
            fingerprints=_pairs(data.pop("fingerprints")),
            **data,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise SpecError(f"not a run spec: {error}") from error


def _check_method(found: Any, ours: int) -> None:
    _check(found == ours, f"result written by method {found}; this version reads method {ours}")


def _corpus(data: dict[str, Any]) -> CorpusSpec:
    return CorpusSpec(**{**data, "options": _pairs(data["options"]), "scramble": _pairs(data["scramble"])})


def _pairs(rows: list[list[Any]]) -> tuple[tuple[Any, Any], ...]:
    return tuple((name, frozen(value)) for name, value in rows)


def _augmentation(data: dict[str, Any] | None) -> Augmentation | None:
    return None if data is None else Augmentation(**{name: frozen(value) for name, value in data.items()})


def frozen(value: Any) -> Any:
    """Lists as tuples and dicts as sorted pairs, all the way down, so that a spec stays hashable."""
    if isinstance(value, dict):
        return tuple(sorted((key, frozen(item)) for key, item in value.items()))
    if isinstance(value, list | tuple):
        return tuple(frozen(item) for item in value)
    return value
