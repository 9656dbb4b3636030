"""One run, or one measurement of acoustics, from spec to result: the whole study on one screen.

    corpora -> packs -> fingerprints -> key -> (result there? use it) -> clip sets -> training -> scores ->
    result

Every other module takes plain values; this one joins them.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import importlib.metadata
import os
import platform
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from serkit import corpora, metrics, packs
from serkit.acoustics import meter
from serkit.clips import ClipSet, join
from serkit.corpora.reading.corpus import UNKNOWN_SPEAKER, Corpus, some
from serkit.encoders import checkpoints
from serkit.encoders.cnn14 import build
from serkit.encoders.logmel import NAMED
from serkit.errors import AudioError, CorpusUnfit, SpecError, memory_named
from serkit.labels import LABELS, corpus_of
from serkit.loader import Loader
from serkit.packs import Pack
from serkit.resultfile import SCHEMA, Result
from serkit.results import Store
from serkit.specs import AcousticsSpec, CorpusSpec, RunSpec
from serkit.train import Trained, train

PACKAGES = (
    "torch",
    "torchaudio",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "pedalboard",
    "soundfile",
    "soxr",
    "panns-inference",
)
ESTIMATORS = ("onnxruntime", "speechmos", "librosa")  # packages that a measurement needs besides

REPORT_EVERY = 100  # clips packed between two lines of progress
PROGRESS = ("iteration", "epoch", "loss", "of")
"""What progress.jsonl says of an evaluation; its metrics stand in the result."""

Told = Callable[[Path, dict[str, Any]], None]
"""Told of each evaluation of a run: its folder; the entry of the history, plus `of`, iterations in all."""


@dataclass(frozen=True, eq=False)
class Loaded:
    """A corpus of a run, read and packed."""

    corpus: Corpus
    pack: Pack
    fingerprint: str


@dataclass(frozen=True)
class TestFold:
    """The clips of one corpus that one fold tests: positions in the run's evaluation set."""

    corpus: str
    fold: int
    clips: np.ndarray


@dataclass(frozen=True, eq=False)
class Sets:
    """The clips of a run.

    Attributes:
        training: to learn from, with the labels to learn.
        evaluation: to score, with their true labels.
        test_folds: which of them test what.
        validation: for each training corpus, the positions of its validation clips.
    """

    training: ClipSet
    evaluation: ClipSet
    test_folds: list[TestFold]
    validation: dict[str, np.ndarray]


def run(
    plan: RunSpec,
    store: Store,
    data: Path | None,
    device: str = "cpu",
    rerun: bool = False,
    worker: str = "",
    told: Told | None = None,
) -> Result:
    """Trains what `plan` asks for and tests it on every corpus; or returns the stored result of an equal run.

    Args:
        plan: the spec, without fingerprints.
        store: where results are looked for and saved.
        data: the folder the corpora lie in.
        device: `cpu`, `cuda` or `cuda:<n>`.
        rerun: train even if the result is there.
        worker: the name of the worker that this process is, for those who watch; empty: it is alone.
        told: told of each evaluation.

    Returns:
        The result, as in `result.json` (`results/README.md`).

    Raises:
        SpecError: folds other than the study says.
        CorpusMissing: a corpus is not there.
        CorpusUnfit, AudioError: a corpus cannot be used.
        WeightsMissing: the checkpoint is not there.
        TrainingDiverged: the loss is not finite.
        ResultsUnreadable: the stored result of an equal run may not be read, or is of a newer serkit; one
            that is damaged is set aside, with a warning.
        ResultsUnwritable: it is finished and could not be saved; says where it is kept.
    """
    for corpus in plan.corpora:
        read(corpus, data, store)  # what is missing is said before anything is decoded
    if plan.model.weights is not None:
        checkpoints.verify(plan.model.weights)
    front_end = NAMED[plan.model.front_end]
    loaded = {spec.name: load(spec, data, front_end.rate_hz, store) for spec in plan.corpora}
    fingerprints = tuple((name, corpus.fingerprint) for name, corpus in loaded.items())
    spec = dataclasses.replace(plan, fingerprints=fingerprints)

    with store.claim(spec.key), memory_named():
        done = store.finished(spec.key)
        if done is not None and not rerun:
            return done
        store.start(spec, {"device": device, "worker": worker})
        started = time.time()
        sets = sets_of(spec, loaded)

        def report(event: dict[str, Any]) -> None:
            store.report(spec.key, {name: event[name] for name in PROGRESS})
            if told is not None:
                with suppress(OSError):  # as progress: no training ends for want of a curve
                    told(store.run_folder(spec.key), event)

        trained = learn(spec, sets, device, report)
        tail = in_tail(spec, trained)
        result: Result = {
            "schema": SCHEMA,
            "key": spec.key,
            "label": spec.label,
            "spec": spec.to_json(),
            "initialisation": spec.model.weights or "random",
            "corpora": {name: about(spec, name, corpus) for name, corpus in loaded.items()},
            "training_clips": len(sets.training),
            "tests": {
                test: metrics.over_tail([at["tests"][test] for at in tail]) for test in tail[-1]["tests"]
            },
            "validation": {
                name: metrics.summary([at["validation"][name] for at in tail]) for name in sets.validation
            },
            "tail_evaluations": len(tail),
            "affected": trained.affected,
            "history": trained.history,
            "environment": {**environment(device), "bf16": trained.bf16},
            **since(started),
            "train_seconds": round(trained.train_seconds, 2),
            "evaluate_seconds": round(trained.evaluate_seconds, 2),
            "clips_per_second": round(trained.clips / trained.train_seconds, 1),
        }
        store.save(spec, result, clip_scores(loaded, sets.test_folds, sets.evaluation, trained.scores))
        return result


def sets_of(spec: RunSpec, loaded: Mapping[str, Loaded]) -> Sets:
    """The clips that a run learns from and those that it scores. Raises CorpusUnfit where a part has none."""
    return Sets(training_set(spec, loaded), *evaluation_set(spec, loaded))


def learn(
    spec: RunSpec,
    sets: Sets,
    device: str,
    report: Callable[[dict[str, Any]], None] | None = None,
    bf16: bool | None = None,
) -> Trained:
    """Builds the network that a run asks for and trains it; nothing is stored.

    Args:
        spec: the run.
        sets: its clips.
        device: `cpu`, `cuda` or `cuda:<n>`.
        report: told of each evaluation.
        bf16: compute the network in bfloat16 where it loses nothing; None: on a GPU.

    Raises:
        WeightsMissing: the checkpoint is not there.
        TrainingDiverged: the loss is not finite.
    """

    def score(scores: np.ndarray) -> dict[str, Any]:
        return scored(spec, sets.evaluation, sets.test_folds, sets.validation, scores)

    model = build(spec.model, spec.seed)
    loader = Loader(NAMED[spec.model.front_end], spec.recipe, device, spec.augmentation, spec.seed, bf16)
    return train(model, loader, sets.training, sets.evaluation, score, report, spec.augment_percent)


def in_tail(spec: RunSpec, trained: Trained) -> list[dict[str, Any]]:
    """The evaluations of a run that lie in its tail (§2.2), as in the history; at least one."""
    positions = metrics.in_tail([at["iteration"] for at in trained.history], spec.recipe.tail)
    return [trained.history[position] for position in positions]


def measure(
    plan: AcousticsSpec, store: Store, data: Path | None, rerun: bool = False, worker: str = ""
) -> Result:
    """Measures what `plan` asks for, on the CPU; or returns the stored result of an equal measurement.

    What was measured before a kill is kept: the next call goes on after it.

    Args:
        plan: the spec, without fingerprints.
        store: where results are looked for and saved.
        data: the folder the corpora lie in.
        rerun: measure again even if the result, or a part of it, is there.
        worker: the name of the worker that this process is, for those who watch; empty: it is alone.

    Returns:
        The result, as in `result.json` (`results/README.md`).

    Raises:
        ExtraMissing: the estimators' packages are not installed.
        SpecError, CorpusMissing, CorpusUnfit, AudioError, ResultsUnreadable: as `run`.
    """
    estimators = meter.digests()
    here = load(plan.corpus, data, meter.RATE_HZ, store)
    name = plan.corpus.name
    spec = dataclasses.replace(plan, estimators=estimators, fingerprints=((name, here.fingerprint),))

    with store.claim(spec.key), memory_named():
        done = store.finished(spec.key, "estimates")
        if done is not None and not rerun:
            return done
        store.start(spec, {"device": "cpu", "worker": worker})
        if rerun:
            store.drop_parts(spec.key)
        started = time.time()
        measurer = meter.Meter(spec, here.pack, torch.get_num_threads())
        tables: list[pd.DataFrame] = []
        measured = fresh = 0
        for number, positions in enumerate(measurer.parts()):
            table = store.part(spec.key, number, measurer.rows[positions])
            if table is None:
                table = measurer.measure(positions)
                store.save_part(spec.key, number, table)
                fresh += len(table)
            tables.append(table)
            measured += len(table)
            pace = (time.time() - started) / max(1, fresh)
            left = {"seconds_left": round(pace * (len(measurer.rows) - measured), 1)}
            store.report(spec.key, {"measured": measured, "of": len(measurer.rows), **left})
        clips = here.corpus.clips.iloc[measurer.rows]
        about_clips = clips[["path", "label", "speaker"]].reset_index(drop=True)
        estimates = pd.concat([about_clips, pd.concat(tables, ignore_index=True).drop(columns="row")], axis=1)
        counts = {"measured": _per_label(clips), "all": _per_label(here.corpus.clips)}
        result: Result = {
            "schema": SCHEMA,
            "key": spec.key,
            "label": spec.label,
            "spec": spec.to_json(),
            "corpora": {name: {**delivered(here), "clips": counts}},
            "reasons": {str(reason): int(n) for reason, n in estimates["reason"].value_counts().items()},
            "environment": environment("cpu", (*PACKAGES, *ESTIMATORS)),
            **since(started),
            "clips_before": measured - fresh,
            "clips_per_second": round(fresh / (time.time() - started), 1),
        }
        store.save(spec, result, estimates, "estimates")
        return result


def since(started: float) -> dict[str, Any]:
    """What a result says of its time, from its start in seconds since 1970 until now."""
    return {
        "started": datetime.datetime.fromtimestamp(started, datetime.UTC).isoformat(timespec="seconds"),
        "finished": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "wall_seconds": round(time.time() - started, 2),
    }


_READ: dict[tuple[CorpusSpec, Path | None], Corpus] = {}
_LOADED: dict[tuple[CorpusSpec, Path | None, int], Loaded] = {}
"""What this process has read and packed already: a worker trains many runs."""


def read(spec: CorpusSpec, data: Path | None, store: Store) -> Corpus:
    """A corpus's table, with the folds that the study expects. Raises as `run` does."""
    if (spec, data) not in _READ:
        store.report_reading(spec.name, {"reading": spec.reader})
        corpus = corpora.load(spec.reader, data, dict(spec.options))
        if corpus.n_folds != spec.folds:
            raise SpecError(
                f"corpus {spec.name} has {corpus.n_folds} folds with these options; the study says"
                f" folds = {spec.folds}"
            )
        _READ[spec, data] = corpus
    return _READ[spec, data]


def load(spec: CorpusSpec, data: Path | None, rate_hz: int, store: Store) -> Loaded:
    """A corpus, read and packed. Raises as `run` does."""
    wanted = (spec, data, rate_hz)
    if wanted not in _LOADED:
        corpus = read(spec, data, store)

        def report(done: int, clips: int) -> None:
            if done % REPORT_EVERY == 0 or done == clips:
                store.report_reading(spec.name, {"packed": done, "of": clips})

        try:
            packed = packs.pack(corpus, rate_hz, report)
        except AudioError as error:
            raise AudioError(f"corpus {spec.name}: {error}") from error
        _LOADED[wanted] = Loaded(corpus, packed, packs.fingerprint(corpus, packed))
    return _LOADED[wanted]


def labels_of(spec: RunSpec, name: str, corpus: Corpus) -> np.ndarray:
    """Class index of every clip under the key that `name` says (scrambled or true), int64 [clips]."""
    true = pd.Categorical(corpus.clips["label"], categories=list(LABELS)).codes.astype(np.int64)
    return under_key(spec, name, true)


def under_key(spec: RunSpec, name: str, true: np.ndarray) -> np.ndarray:
    """True class indices as the key that `name` says has them: permuted where it is scrambled."""
    return np.asarray(spec.codes(name))[true]


def fold_of(spec: RunSpec, name: str) -> int:
    """The fold of a corpus that the run leaves out: the run's own, or 0 where the corpus has one split."""
    return spec.fold if spec.corpus(name).folds > 1 and spec.fold is not None else 0


def learnt_from(spec: RunSpec, name: str, corpus: Corpus) -> np.ndarray:
    """The clips of a corpus that a run learns from: its fold's, or as many as the study allows."""
    rows, most = corpus.part(fold_of(spec, name), "train"), spec.corpus(name).max_training_clips
    return rows if most is None else some(corpus.clips, rows, most, spec.seed)


def training_set(spec: RunSpec, loaded: Mapping[str, Loaded]) -> ClipSet:
    """The clips to learn from, with the labels to learn."""
    parts = []
    for name in spec.train:
        here = loaded[corpus_of(name)]
        rows = learnt_from(spec, name, here.corpus)
        if len(rows) == 0:
            raise CorpusUnfit(f"corpus {name} has no training clips in fold {fold_of(spec, name)}")
        parts.append((here.pack, rows, labels_of(spec, name, here.corpus)[rows]))
    return join(parts)


def evaluation_set(
    spec: RunSpec, loaded: Mapping[str, Loaded]
) -> tuple[ClipSet, list[TestFold], dict[str, np.ndarray]]:
    """The clips to score, each once, under their true labels.

    A corpus that is trained on is tested on its left-out fold; one that is not, on all its folds. The
    validation clips of the training corpora are scored too.

    Returns:
        The set; the test folds; for each training corpus, the positions of its validation clips.
    """
    parts: list[tuple[Pack, np.ndarray, np.ndarray]] = []
    test_folds: list[TestFold] = []
    validation: dict[str, np.ndarray] = {}
    trained_on = dict(zip(spec.trained_on, spec.train, strict=True))
    end = 0

    def add(here: Loaded, rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
        nonlocal end
        parts.append((here.pack, rows, labels[rows]))
        end += len(rows)
        return np.arange(end - len(rows), end)

    for name, here in loaded.items():
        labels = labels_of(spec, name, here.corpus)
        folds = [fold_of(spec, name)] if name in trained_on else range(here.corpus.n_folds)
        for fold in folds:
            rows = here.corpus.part(fold, "test")
            if len(rows) == 0:
                raise CorpusUnfit(f"corpus {name} has no test clips in fold {fold}")
            test_folds.append(TestFold(name, fold, add(here, rows, labels)))
        if name in trained_on:
            rows = here.corpus.part(fold_of(spec, name), "validation")
            if len(rows):
                validation[trained_on[name]] = add(here, rows, labels)
    return join(parts), test_folds, validation


def scored(
    spec: RunSpec,
    evaluation: ClipSet,
    test_folds: list[TestFold],
    validation: Mapping[str, np.ndarray],
    scores: np.ndarray,
) -> dict[str, Any]:
    """Metrics of one evaluation: every test under each of its keys, fold by fold, and the validation clips.

    Args:
        spec: the run.
        evaluation: the clips, with their true labels.
        test_folds: which clips test what.
        validation: which clips validate what.
        scores: float32 [clips, 4].
    """
    predicted = scores.argmax(axis=1)

    def under(name: str, clips: np.ndarray) -> dict[str, float]:
        return metrics.score(under_key(spec, name, evaluation.label[clips]), predicted[clips])

    tests: dict[str, dict[str, Any]] = {}
    for fold in test_folds:
        for name in spec.corpus(fold.corpus).tests:
            tests.setdefault(name, {})[str(fold.fold)] = under(name, fold.clips)
    return {"tests": tests, "validation": {name: under(name, clips) for name, clips in validation.items()}}


def clip_scores(
    loaded: Mapping[str, Loaded], test_folds: list[TestFold], evaluation: ClipSet, scores: np.ndarray
) -> pd.DataFrame:
    """The last evaluation, a row a test clip: corpus, path, fold, true label, one probability a class."""
    tables = []
    for fold in test_folds:
        clips = loaded[fold.corpus].corpus.clips.iloc[evaluation.row[fold.clips]]
        table = clips[["path", "label"]].reset_index(drop=True)
        table.insert(0, "corpus", fold.corpus)
        table.insert(2, "fold", fold.fold)
        tables.append(pd.concat([table, pd.DataFrame(scores[fold.clips], columns=list(LABELS))], axis=1))
    return pd.concat(tables, ignore_index=True)


def about(spec: RunSpec, name: str, here: Loaded) -> dict[str, Any]:
    """What a result says of a corpus: version, digest, clips per part and label, shared speakers, notes."""
    fold = fold_of(spec, name)
    trained_on = name in spec.trained_on
    clips = here.corpus.clips
    counts = {}
    if trained_on:
        for part in ("train", "validation", "test"):
            rows = learnt_from(spec, name, here.corpus) if part == "train" else here.corpus.part(fold, part)
            counts[part] = _per_label(clips.iloc[rows])
    else:
        rows = np.concatenate([here.corpus.part(k, "test") for k in range(here.corpus.n_folds)])
        counts["test"] = _per_label(clips.iloc[rows])
    said = {**delivered(here), "clips": counts}
    if trained_on:
        speakers = clips["speaker"]
        learnt = set(speakers.iloc[learnt_from(spec, name, here.corpus)])
        tested = set(speakers.iloc[here.corpus.part(fold, "test")])
        said["shared_speakers"] = sorted(learnt & tested - {UNKNOWN_SPEAKER})
        said["split_by_clip"] = here.corpus.split_by_clip
    return said


def delivered(here: Loaded) -> dict[str, Any]:
    """What a result says of a corpus as it was found: version, digest, folds, hours, notes."""
    return {
        "version": here.corpus.version,
        "fingerprint": here.fingerprint,
        "folds": here.corpus.n_folds,
        "hours": round(float(here.pack.offsets[-1]) / here.pack.rate_hz / 3600, 4),
        "notes": [*here.corpus.notes, *here.pack.notes],
    }


def _per_label(clips: pd.DataFrame) -> dict[str, int]:
    return {label: int((clips["label"] == label).sum()) for label in LABELS}


def environment(device: str, packages: tuple[str, ...] = PACKAGES) -> dict[str, Any]:
    """Where a run happened: versions, device, threads, git commit. Not part of the key."""
    return {
        "python": platform.python_version(),
        "serkit": importlib.metadata.version("serkit"),
        "packages": {package: importlib.metadata.version(package) for package in packages},
        "system": f"{platform.system()} {platform.machine()}",
        "device": device.split(":")[0],
        "device_name": torch.cuda.get_device_name(device) if device.startswith("cuda") else cpu_name(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "git_commit": git_commit(),
    }


def cpu_name() -> str:
    """The processor's model, or at least its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


@functools.cache
def git_commit() -> str | None:
    """The commit the code was at, with `+` where files were changed since; None outside a checkout."""
    here = Path(__file__).resolve().parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=here,
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"], cwd=here, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+" if changed.stdout else "")
