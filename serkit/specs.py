"""What a run is, as data: frozen specs with a content key.

A spec holds everything that can change an outcome and nothing else (no device, worker, date or path), so
equal keys mean equal outcomes and a new setting never reuses an old result. Imports nothing heavy.
"""

from __future__ import annotations  # a study file asks for types by their text

import dataclasses
import functools
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, Self

from serkit.effects import Augmentation
from serkit.errors import SpecError
from serkit.labels import (
    LABELS,
    SCRAMBLED,
    TREATMENTS,
    Scramble,
    codes_of,
    corpus_of,
    is_permutation,
    is_permuted,
    is_treatment,
    permuted,
    spelt,
    treatment_of,
)
from serkit.settings import MAX_EVALUATIONS, check, check_numbers, number, one_line, one_of, plain
from serkit.words import shown

METRICS = ("uACC", "wACC", "wF1")
"""The study's metrics, by §2.2's names; `serkit.metrics` defines them."""

TRAINING: Final = "training"
MEASUREMENT: Final = "measurement"

METHOD, ACOUSTICS_METHOD = 3, 1
"""Part of every run's and measurement's key. Raise it when a change to the code changes what the same spec
gives; a change to the augmentations may have to raise both."""

FRONT_ENDS = ("paper-loaded", "paper-rebuilt", "native-32k", "native-16k")
ENCODER = "encoder"
"""All of an encoder, among the parts that may be frozen."""
IMPORTED = "imported"
"""The encoder of probabilities made outside serkit, with their name behind a colon; and its runs' mark."""
HEADS, POOLED_BY = ("linear", "relu-linear"), ("stretched", "own")
OUTPUTS, SCHEDULES = ("shared", "per-corpus"), ("constant", "one-cycle")
NORMALISED = ("none", "corpus", "speaker")
CHECKPOINTS = {"cnn14-32k": "Cnn14_mAP=0.431.pth", "cnn14-16k": "Cnn14_16k_mAP=0.438.pth"}
CHECKPOINT_OF = {name: "cnn14-16k" if name == "native-16k" else "cnn14-32k" for name in FRONT_ENDS}
"""The checkpoint whose network each front end feeds."""
BEFORE: dict[str, Any] = {"pool_by": "own", "max_training_clips": None, "encoder": "cnn14"}
BEFORE |= {"dropout": 1.0, "outputs": "shared", "schedule": "constant", "settings": (), "freeze": ()}
BEFORE |= {"encoder_learning_rate": None, "accumulate": 1, "warmup": 0.0, "normalise": "none"}
"""Later settings, at the value that runs had before: left out of keys there, so that results stand."""

MAX_IN_NAME, MAX_IN_LABEL = 40, 200
"""Characters of a corpus's name, and of a run's label, which names a folder: 255 at most with a digest."""


@dataclass(frozen=True)
class CorpusSpec:
    """A corpus as a study uses it.

    Attributes:
        name: the study's word for it, used in ids: letters and digits, for example `iemocap`.
        reader: a key of `serkit.corpora.READERS`.
        folds: how many folds the study expects it to have; 1 where the split is predetermined.
        options: the reader's options that differ from its defaults, sorted pairs.
        scramble: the permutation behind `<name>_scrambled`, sorted (true, scrambled) pairs; empty: none.
        max_training_clips: how many of its training clips a run learns from at most, by class and speaker in
            proportion and among those of a larger number; None: all.
        trainings: how many different sets of training clips the folds leave; those that leave the same
            (IEMOCAP's partners) are tested by one network. None: as many as folds.
    """

    name: str
    reader: str
    folds: int = 1
    options: tuple[tuple[str, Any], ...] = ()
    scramble: Scramble = ()
    max_training_clips: int | None = None
    trainings: int | None = None

    def __post_init__(self) -> None:
        """Raises SpecError for a value that cannot be; so do the other specs."""
        named = self.name.isascii() and self.name.isalnum() and len(self.name) <= MAX_IN_NAME
        expected = f"expected letters and digits only, {MAX_IN_NAME} at most"
        check(named, f"corpus name {shown(self.name)}: {expected}")
        if self.trainings == self.folds:
            object.__setattr__(self, "trainings", None)
        check_numbers(self, "corpus", f"corpus {self.name}: ")
        fits = self.n_trainings <= self.folds and (self.n_trainings == 1) == (self.folds == 1)
        expected = f"expected one of several for each of {self.folds} folds"
        check(fits, f"corpus {self.name}: {self.trainings} trainings; {expected}, or one for some of them")
        plain(f"corpus {self.name}: options", self.options)
        maps = f"corpus {self.name}: scramble maps {shown(dict(self.scramble))}"
        check(is_permutation(self.scramble), f"{maps}; expected a permutation of all of {', '.join(LABELS)}")

    @property
    def n_trainings(self) -> int:
        """`trainings`, as a number."""
        return self.trainings or self.folds

    @property
    def tests(self) -> tuple[str, ...]:
        """The names under which it is scored: its own and, where it has a scramble, the scrambled one."""
        return (self.name, permuted(self.name)) if self.scramble else (self.name,)


def in_order(train: Iterable[str], corpora: Sequence[CorpusSpec]) -> tuple[str, ...]:
    """The names of a training set in the order of the corpora: one set is one run, however it is written."""
    places = {corpus.name: place for place, corpus in enumerate(corpora)}
    names = (spelt(name, corpora[places[corpus_of(name)]].scramble) for name in train)
    return tuple(sorted(names, key=lambda name: (places[corpus_of(name)], name)))


def check_name(what: str, name: str, corpora: Sequence[CorpusSpec]) -> None:
    """Raises SpecError unless a name is that of a corpus, as it is or under a treatment that it can have."""
    by_name, treatment = {corpus.name: corpus for corpus in corpora}, treatment_of(name)
    one_of(what, corpus_of(name), by_name)
    known = "; ".join(f"{pattern} ({does})" for pattern, does in TREATMENTS.items())
    given, plain = f"{what} {shown(name)}", name == corpus_of(name)
    check(plain or is_treatment(treatment), f"{given}: expected after the corpus and a _ one of {known}")
    own = f"corpus {corpus_of(name)} has no scramble; add [corpora.{corpus_of(name)}.scramble]"
    check(treatment != SCRAMBLED or by_name[corpus_of(name)].scramble, f"{given}: {own}")


@dataclass(frozen=True)
class ModelSpec:
    """The network (§3; facts the paper leaves open are settings).

    Attributes:
        width: channels of CNN14's first block, doubled by each of the next five; 64 is CNN14.
        front_end: one of `FRONT_ENDS`, see `serkit.encoders.cnn14.logmel`.
        head: `linear`, or `relu-linear` with a Linear + ReLU in between.
        weights: CNN14's, one of `CHECKPOINTS`; None, in a study "", for random initialisation.
        encoder: the network: a file of `serkit/encoders/`, with what it asks for behind a colon, as
            `hf:FOLDER`; or a function of one's own, `package.module:function` or `file.py:function`; or
            `imported:NAME`, whose probabilities are made outside serkit. The settings above are those of
            `cnn14`, but for `head`.
        dropout: times CNN14's own, 0.2 after each block and 0.5 around its embedding; a narrow network learns
            little at 1.
        outputs: `shared`, a class is one output for all corpora; or `per-corpus`, each training corpus has
            four of its own, and on others their probabilities are added up.
        settings: what the encoder is called with, sorted pairs.
        freeze: what of the encoder does not learn: names of its parts, or `encoder`, all of it. Then the head
            is a logistic regression on standardised embeddings, fitted at once.
    """

    width: int = 64
    front_end: str = "paper-loaded"
    head: str = "linear"
    weights: str | None = "cnn14-32k"
    encoder: str = "cnn14"
    dropout: float = 1.0
    outputs: str = "shared"
    settings: tuple[tuple[str, Any], ...] = ()
    freeze: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_numbers(self, "model", "model ")
        one_of("front end", self.front_end, FRONT_ENDS)
        one_of("head", self.head, HEADS)
        one_of("model outputs", self.outputs, OUTPUTS)
        one_line("model encoder", self.encoder)
        plain("model settings", self.settings)
        named = f"model settings {shown(dict(self.settings))}: {self.encoder} has none"
        check(not self.settings or ":" in self.encoder, named)
        parts = f"model freeze = {shown(list(self.freeze))}"
        check(all(isinstance(of, str) for of in self.freeze), f"{parts}: expected names of parts")
        check(ENCODER not in self.freeze or len(self.freeze) == 1, f"{parts}: {ENCODER} is all of it")
        object.__setattr__(self, "freeze", tuple(sorted(self.freeze)))
        if ":" in self.encoder:
            self._check_other()
        if self.encoder == "logmel_statistics":  # as a study leaves out what is CNN14's
            object.__setattr__(self, "weights", None)
            object.__setattr__(self, "width", 1)
        if self.imported:
            self._check_imported()
        if self.weights is None:
            return
        one_of("weights", self.weights, CHECKPOINTS)
        untrained = f"model width {self.width} has no pretrained weights"
        check(self.width == 64, f"{untrained}: set width = 64 or weights = ''")
        fitting, front_end = CHECKPOINT_OF[self.front_end], f"front end {self.front_end}"
        check(self.weights == fitting, f"{front_end} goes with the weights {fitting}, not {self.weights}")

    def _check_other(self) -> None:
        """Of an encoder that is not CNN14: it has none of its settings, and no published checkpoint."""
        for field in dataclasses.fields(self):
            if field.name in ("width", "front_end", "dropout"):
                given = f"model {field.name} = {shown(getattr(self, field.name))}: a setting of cnn14"
                check(getattr(self, field.name) == field.default, f"{given}; {self.encoder} has none such")
        object.__setattr__(self, "weights", None)

    def _check_imported(self) -> None:
        """Of probabilities from elsewhere: they have a name, and nothing of them is serkit's to set."""
        name = self.encoder.partition(":")[2]
        plain = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
        expected = f"expected {IMPORTED}:NAME, its name of letters, digits, - and _"
        check(plain, f"model encoder {shown(self.encoder)}: {expected}")
        for field in ("head", "settings", "freeze"):
            given, usual = getattr(self, field), HEADS[0] if field == "head" else ()
            check(given == usual, f"model {field} = {shown(given)}: {self.encoder} has none; leave it out")

    @property
    def imported(self) -> bool:
        """Whether its probabilities are made outside serkit (docs/importing.md)."""
        return self.encoder.partition(":")[0] == IMPORTED

    @property
    def initialisation(self) -> str:
        """What a network began with: a checkpoint, `random`, its own encoder, or `imported`."""
        own = self.encoder if ":" in self.encoder else "random"
        return IMPORTED if self.imported else self.weights or own

    @property
    def called(self) -> str:
        """The encoder and what it is called with: what its identity is of."""
        return self.encoder + (f" {dict(self.settings)}" if self.settings else "")

    @property
    def fitted(self) -> bool:
        """Whether nothing is trained by steps: a head is fitted at once to embeddings, or it is imported."""
        return ENCODER in self.freeze or self.encoder == "logmel_statistics" or self.imported

    def recipe(self, asked: Recipe, augment_percent: int) -> Recipe:
        """The recipe of its runs: what was asked, or of one that is fitted what of it can matter."""
        if self.imported:
            return Recipe().at_once(0)
        return asked.at_once(augment_percent) if self.fitted else asked

    @property
    def name(self) -> str:
        """The encoder in the name of a run: `hf-wavlm-base-plus`, `opensmile-eGeMAPSv02-frozen`."""
        what, _, which = self.encoder.partition(":")
        parts = (what.removesuffix(".py").split(".")[-1], which.partition("@")[0].rstrip("/"))
        last = "-".join(filter(None, (part.split("/")[-1] for part in parts)))
        short = "".join(letter if letter.isalnum() or letter == "_" else "-" for letter in last)
        return short[:MAX_IN_NAME] + "-frozen" * (ENCODER in self.freeze)


STATISTICS = ModelSpec(width=1, weights=None, encoder="logmel_statistics")
"""The baseline of log-mel statistics, `serkit.encoders.logmel_statistics`."""


@dataclass(frozen=True)
class Recipe:
    """How a run trains. Defaults: §3 and §2.2; where they are silent, docs/reading-the-paper.md.

    Attributes:
        learning_rate: Adam's; of a schedule its highest.
        batch_size: clips a step.
        epochs: passes over the training clips.
        evaluations_per_epoch: evaluations of every test corpus, evenly spread; 0.5 is one every second epoch.
        tail: the last share of iterations that metrics are averaged over, in (0, 1].
        max_seconds: longer clips are cropped: at random in training, to their start in evaluation.
        loudness_dbfs: RMS level that every clip is brought to; None: as delivered.
        evaluate_unseen: corpora that are not trained on are scored at every so many evaluations, and in the
            tail.
        pool_by: what clips are sorted by before batches are filled (`serkit.loader`): `stretched`, their
            length as the network gets it, or `own`, as delivered, which pads batches of stretched clips by
            13 % where `stretched` pads them by 2 %.
        schedule: of the learning rate: `constant`, or `one-cycle`, up over the first quarter of the steps and
            down to 0 by half a cosine (Smith and Topin, 2019).
        encoder_learning_rate: of all but the head; None: as the head's.
        accumulate: into how many parts a batch is divided, whose gradients are added up before a step: less
            memory, the same clips a step. What a network normalises by batches it takes from each part.
        warmup: the first share of the steps, over which the rate rises from 0 to what it would be.
        normalise: `none`; or by `corpus` or `speaker`, with all its clips that are not augmented, tested ones
            too, but never their labels: embeddings of a frozen encoder are standardised, waves of any other
            brought to one level (RMS, -26 dB re full scale) by one gain for all of its clips.
    """

    learning_rate: float = 1e-4
    batch_size: int = 128
    epochs: int = 30
    evaluations_per_epoch: float = 1.0
    tail: float = 0.2
    max_seconds: float = 10.0
    loudness_dbfs: float | None = None
    evaluate_unseen: int = 5
    pool_by: str = "stretched"
    schedule: str = "constant"
    encoder_learning_rate: float | None = None
    accumulate: int = 1
    warmup: float = 0.0
    normalise: str = "none"

    def __post_init__(self) -> None:
        check_numbers(self, "recipe", "recipe ")
        parts = f"recipe accumulate = {self.accumulate} with batch_size = {self.batch_size}"
        check(self.accumulate <= self.batch_size, f"{parts}: expected a clip or more in each part")
        one_of("recipe pool_by =", self.pool_by, POOLED_BY)
        one_of("recipe schedule =", self.schedule, SCHEDULES)
        one_of("recipe normalise =", self.normalise, NORMALISED)
        asked = f"epochs = {self.epochs} with evaluations_per_epoch = {self.evaluations_per_epoch:g}"
        most = f"expected {MAX_EVALUATIONS:,} evaluations at most (each is kept with the result)"
        check(self.evaluations <= MAX_EVALUATIONS, f"recipe {asked}: {most}")

    @property
    def evaluations(self) -> int:
        """Evaluations in a run, at least one; the last is at its end."""
        return max(1, round(self.epochs * self.evaluations_per_epoch))

    def at_once(self, augment_percent: int) -> Self:
        """The recipe of a head that is fitted at once: unless clips are augmented all epochs are the same."""
        epochs = self.epochs if augment_percent else 1
        recipe = type(self)(epochs=epochs, evaluations_per_epoch=1 / epochs, tail=1.0)
        same = {name: getattr(self, name) for name in ("max_seconds", "loudness_dbfs", "normalise")}
        return dataclasses.replace(recipe, **same)


class Keyed(ABC):
    """What the spec of anything that has a result can do: it has a key, and reads and writes as JSON."""

    kind: ClassVar[str]  # what is done, `training` or `measurement`
    method: ClassVar[dict[str, int]]  # by which the result is made: its number under its name in the JSON
    found: ClassVar[tuple[str, ...]] = ("fingerprints",)  # left empty by a plan: what the corpora's copy says
    seed: int

    @property
    def label(self) -> str:
        """The readable name, as `iemocap_scrambled+msp-aug50-fold03` or `acoustics-iemocap-raw-seed1`."""
        return self._what() + (f"-seed{self.seed}" if self.seed else "")

    @abstractmethod
    def _what(self) -> str: ...

    @property
    def key(self) -> str:
        """The label and 12 hex digits over all that can change the outcome: the name of its folder."""
        return f"{self.label}-{hashlib.sha256(self.canonical().encode()).hexdigest()[:12]}"

    def canonical(self) -> str:
        """The spec as canonical JSON: sorted keys, no spaces; what the key is a digest of."""
        values = dataclasses.asdict(self, dict_factory=_without_later)  # type: ignore[call-overload]
        return json.dumps(self.method | values, sort_keys=True, separators=(",", ":"))

    def to_json(self) -> dict[str, Any]:
        """The spec as plain JSON values; `from_json` is the inverse."""
        return json.loads(self.canonical())

    def plan(self) -> Self:
        """What a study asked for, whatever copy of the corpora answered."""
        return dataclasses.replace(self, **dict.fromkeys(self.found, ()))  # type: ignore[type-var]


def _without_later(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if name not in BEFORE or value != BEFORE[name]}


@dataclass(frozen=True)
class RunSpec(Keyed):
    """One training with all its tests."""

    kind: ClassVar[Literal["training"]] = TRAINING
    method: ClassVar[dict[str, int]] = {"method": METHOD}

    train: tuple[str, ...]  # put in the order of `corpora`; names as of `serkit.labels`
    corpora: tuple[CorpusSpec, ...]  # trained on or only tested on; put in the order of their names
    augment_percent: int  # share of the training clips that are augmented, 0..100
    fold: int | None  # which training of every training corpus that has several, by what they leave out
    seed: int  # see `draws`
    model: ModelSpec
    recipe: Recipe
    augmentation: Augmentation | None = None  # what augmented clips go through; None at 0 %
    fingerprints: tuple[tuple[str, str], ...] = ()  # (corpus, content digest) pairs; empty in a plan

    def __post_init__(self) -> None:
        rate = number("run.augment_percent", self.augment_percent, "augmentation rate")
        asked = f"augmentation rate {rate} with augmentation {self.augmentation}"
        fits = (self.augmentation is None) == (rate == 0)
        check(fits, f"{asked}: expected one above 0 % and none at 0 %")
        both = self.recipe.normalise != "none" and self.recipe.loudness_dbfs is not None
        undone = (
            f"recipe normalise = {self.recipe.normalise!r} with loudness_dbfs, which undoes it clip by clip"
        )
        check(not both or self.model.fitted, f"{undone}; leave one of them out")
        heard = rate == 0 or not self.model.encoder.startswith("table:")
        check(heard, f"augmentation rate {rate} with {self.model.encoder}: a table has no augmented clips")
        number("run.seed", self.seed, "seed")
        check(self.train, "a run needs at least one training corpus")
        for name in self.train:
            check_name("training corpus", name, self.corpora)
        # In whatever order a study names them, equal corpora are one run.
        object.__setattr__(self, "corpora", tuple(sorted(self.corpora, key=lambda corpus: corpus.name)))
        object.__setattr__(self, "train", in_order(self.train, self.corpora))
        object.__setattr__(self, "fingerprints", tuple(sorted(self.fingerprints)))
        trained = f"training corpora {', '.join(self.train)}"
        check(len(set(self.trained_on)) == len(self.train), f"{trained}: the same corpus twice")
        self._check_fold(trained)
        long = f"{self.label} has {len(self.label)} characters; expected {MAX_IN_LABEL} at most"
        cure = "as a folder is called so. Give the corpora shorter names"
        check(len(self.label) <= MAX_IN_LABEL, f"{trained}: {long}, {cure}")

    def _check_fold(self, trained: str) -> None:
        """Checks that the corpora have a fold in common, or none."""
        corpora = [corpus for corpus in map(self.corpus, self.train) if corpus.folds > 1]
        folds = {corpus.name: corpus.n_trainings for corpus in corpora}
        said = " and ".join(f"{name} has {of_it}" for name, of_it in folds.items())
        cure = "joint training pairs fold k with fold k, so give them the same number"
        check(len(set(folds.values())) <= 1, f"{trained}: {said} folds to leave out; {cure}")
        names, fold = ", ".join(self.train), f"fold {shown(self.fold)}"
        if not folds:
            return check(self.fold is None, f"{names} have one split, no {fold}")
        most = max(folds.values())
        fits = isinstance(self.fold, int) and 0 <= self.fold < most
        check(fits, f"{fold} of {names}: expected 0..{most - 1}")

    @property
    def trained_on(self) -> tuple[str, ...]:
        """The training corpora by their own names, scrambled or not."""
        return tuple(corpus_of(name) for name in self.train)

    def _what(self) -> str:
        fold = "" if self.fold is None else f"-fold{self.fold:02d}"
        model = f"-{self.model.name}" * (self.model.encoder != BEFORE["encoder"] or bool(self.model.freeze))
        model += f"-{self.model.outputs}" * (self.model.outputs != BEFORE["outputs"])
        return f"{'+'.join(self.train)}{model}-aug{self.augment_percent}{fold}"

    @property
    def label_sets(self) -> int:
        """How often the network has an output for each label: once, or for each of its training corpora."""
        return 1 if self.model.outputs == "shared" else len(self.train)

    def tests_of(self, corpus: CorpusSpec) -> tuple[str, ...]:
        """The names it scores a corpus under: the corpus's own, and that of permuted labels it learns."""
        taught = [name for name in self.train if corpus_of(name) == corpus.name and is_permuted(name)]
        return tuple(dict.fromkeys((*corpus.tests, *taught)))

    def corpus(self, name: str) -> CorpusSpec:
        """The corpus behind a name of a training set or a test."""
        return next(corpus for corpus in self.corpora if corpus.name == corpus_of(name))

    @property
    def draws(self) -> int:
        """The random seed of initialisation, batch order, crops, dropout and augmentation: each fold's own.

        With one for all folds the initialisation would be common to them, and no interval over folds could
        see what it does.
        """
        return int.from_bytes(hashlib.sha256(f"{self.seed},{self.fold or 0}".encode()).digest()[:4])

    def fold_of(self, name: str) -> int:
        """Which of a corpus's trainings the run is, by what it leaves out; 0 where it has one split."""
        return self.fold if self.corpus(name).folds > 1 and self.fold is not None else 0

    def codes(self, name: str) -> tuple[int, ...]:
        """The class index that a name expects, for each true one."""
        return codes_of(name, self.corpus(name).scramble)


@dataclass(frozen=True)
class AcousticsSpec(Keyed):
    """One measurement of a corpus's acoustics, as Figure 4 shows them.

    Attributes:
        clips: how many are measured at most, chosen at random from all of the corpus (§5.1: 10,000).
        p835_clips: how many of these, evenly spread, also get the slower P.835 estimates.
        seed: random seed of the choice of clips and of their augmentation.
    """

    kind: ClassVar[Literal["measurement"]] = MEASUREMENT
    method: ClassVar[dict[str, int]] = {"acoustics_method": ACOUSTICS_METHOD}
    found: ClassVar[tuple[str, ...]] = ("estimators", "fingerprints")

    corpus: CorpusSpec  # without its scramble and cap: labels and training do not matter here
    augmentation: Augmentation | None = None  # what every clip goes through first, its part on the wave
    clips: int = 10_000
    p835_clips: int = 200
    seed: int = 0
    estimators: tuple[tuple[str, str], ...] = ()  # (name, digest) pairs; empty in a plan
    fingerprints: tuple[tuple[str, str], ...] = ()  # the corpus's, as of a run

    def __post_init__(self) -> None:
        check_numbers(self, "acoustics", "")
        corpus = dataclasses.replace(self.corpus, scramble=(), max_training_clips=None)
        object.__setattr__(self, "corpus", corpus)
        if self.augmentation is not None:
            object.__setattr__(self, "augmentation", self.augmentation.on_waves())

    def _what(self) -> str:
        return f"acoustics-{self.corpus.name}-{'raw' if self.augmentation is None else 'augmented'}"


Spec = RunSpec | AcousticsSpec


def kind_of(data: Mapping[str, Any]) -> str:
    """What a stored spec, of whatever version, asks for: `training` or `measurement`."""
    return MEASUREMENT if "acoustics_method" in data else TRAINING


def from_json(data: Mapping[str, Any]) -> Spec:
    """The inverse of `Keyed.to_json`. Raises SpecError: of another method's number, or not a spec."""
    try:
        of: type[Spec] = AcousticsSpec if kind_of(data) == MEASUREMENT else RunSpec
        ((name, read),) = of.method.items()
        written = data.get(name)
        check(written == read, f"result written by method {written}; this version reads method {read}")
        fields = {field.name for field in dataclasses.fields(of)}
        odd = sorted(data.keys() ^ {*fields, name})  # missing, or unknown
        check(not odd, f"not a run spec: {shown(odd)[1:-1]}")
        return _read(of, json.dumps({name: data[name] for name in fields}, sort_keys=True))
    except SpecError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise SpecError(f"not a run spec: {error}") from error


@functools.lru_cache(4096)
def _read(of: type, text: str) -> Any:
    """A spec from the JSON of its fields; a report asks for each one several times."""
    return _made(of, json.loads(text))


PARTS = {"corpus": CorpusSpec, "model": ModelSpec, "recipe": Recipe, "augmentation": Augmentation}


def _made(of: type, data: Mapping[str, Any]) -> Any:
    """A spec, or a part of one, from its fields as JSON has them."""
    names = {field.name for field in dataclasses.fields(of)}
    values: dict[str, Any] = {name: BEFORE[name] for name in names & BEFORE.keys()}
    for name, value in data.items():
        if name == "corpora":
            values[name] = tuple(_made(CorpusSpec, corpus) for corpus in value)
        else:
            part = PARTS.get(name) if value is not None else None
            values[name] = _made(part, value) if part else frozen(value)
    return of(**values)


def frozen(value: Any) -> Any:
    """Lists as tuples and dicts as sorted pairs, all the way down, so that a spec stays hashable."""
    if isinstance(value, dict):
        return tuple(sorted((key, frozen(item)) for key, item in value.items()))
    return tuple(map(frozen, value)) if isinstance(value, list | tuple) else value
