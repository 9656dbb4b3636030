"""Results made by hand: what a run of a spec would have saved, with metrics of the test's choosing."""

import dataclasses
import json

import numpy as np
import pandas as pd

from serkit.labels import LABELS, corpus_of
from serkit.resultfile import TAIL
from serkit.specs import METRICS, CorpusSpec, ModelSpec, Recipe, RunSpec

ENVIRONMENT = {
    "python": "3.11.0",
    "serkit": "0",
    "packages": {"torch": "2.0"},
    "system": "Linux x86_64",
    "device": "cpu",
    "device_name": "A device",
    "cpus": 2,
    "threads": 2,
    "git_commit": None,
    "bf16": False,
}
UNPROBED = {part: {} for part in ("clips", "speakers", "corpus", "speaker", "label")}


SPEC = RunSpec(
    train=("one",),
    corpora=(
        CorpusSpec(
            "one",
            "ravdess",
            folds=2,
            options=(("folds", 2), ("nested", ((1, 2), ("a",)))),
            scramble=(("angry", "happy"), ("happy", "angry"), ("neutral", "sad"), ("sad", "neutral")),
        ),
    ),
    augment_percent=0,
    fold=1,
    seed=0,
    model=ModelSpec(width=4, weights=None),
    recipe=Recipe(),
    fingerprints=(("one", "0123"),),
)


FOLDED = CorpusSpec("folded", "synthetic", folds=2)
SWAPPED = (("angry", "happy"), ("happy", "angry"), ("neutral", "sad"), ("sad", "neutral"))
PLAIN = CorpusSpec("plain", "synthetic", scramble=SWAPPED)
RUN = RunSpec(
    train=("folded", "plain_scrambled"),
    corpora=(FOLDED, PLAIN),
    augment_percent=0,
    fold=1,
    seed=3,
    model=ModelSpec(width=8, weights=None),
    recipe=Recipe(learning_rate=1e-3, batch_size=16, epochs=12),
)
ALONE = dataclasses.replace(RUN, train=("plain",), fold=None, recipe=Recipe(pool_by="own", loudness_dbfs=-20))


def value(test, fold, number):
    """The three metrics of a test, by its fold."""
    return {"uACC": 0.1 * fold + 0.3, "wACC": 0.5, "wF1": 0.6}


def made_result(
    spec, values, validation=None, evaluations=5, copy="0", finished="2026-01-01T00:00:00+00:00", **changes
):
    """A whole result.json.

    Args:
        spec: without fingerprints.
        values: (test, fold, number of the evaluation) -> value of all three metrics, or a dict of them.
        validation: the same on the validation clips of each training corpus; as `values` if not given.
        evaluations: how many; ten iterations and one epoch apart.
        copy: stands for the content of the corpora in the fingerprints.
        finished: as in the result.
        changes: other entries of the result; of `environment` those that differ.
    """
    spec = dataclasses.replace(spec, fingerprints=tuple((corpus.name, copy) for corpus in spec.corpora))
    trained_on = {corpus_of(name) for name in spec.train}
    tested = {  # a corpus that is trained on is tested on the folds left out, another on all of its folds
        corpus: units(corpus)[spec.fold_of(corpus.name)] if corpus.name in trained_on else range(corpus.folds)
        for corpus in spec.corpora
    }

    def metrics(values, test, fold, number):
        value = values(test, fold, number)
        return value if isinstance(value, dict) else dict.fromkeys(METRICS, value)

    history = [
        {
            "iteration": 10 * (number + 1),
            "epoch": number + 1.0,
            "loss": None if spec.model.imported else 0.5,
            "tests": {
                test: {str(fold): metrics(values, test, fold, number) for fold in folds}
                for corpus, folds in tested.items()
                for test in spec.tests_of(corpus)
            },
            "validation": {
                name: metrics(validation or values, name, spec.fold or 0, number) for name in spec.train
            },
        }
        for number in range(evaluations)
    ]
    four = dict.fromkeys(("angry", "happy", "neutral", "sad"), 6)
    corpora = {}
    for corpus in spec.corpora:
        about = {"version": "1", "fingerprint": copy, "folds": corpus.folds, "hours": 0.1, "notes": []}
        about |= {"units": units(corpus), "clips": {"test": four}}
        about["tested"] = {str(fold): four for fold in tested[corpus]}
        if corpus.name in trained_on:
            about["clips"] = {"train": four, "validation": four, "test": four}
            about |= {"shared_speakers": [], "split_by_clip": False}
        corpora[corpus.name] = about
    return {
        "schema": 1,
        "key": spec.key,
        "label": spec.label,
        "spec": json.loads(spec.canonical()),
        "initialisation": spec.model.initialisation,
        "corpora": corpora,
        "training_clips": 24 * len(spec.train),
        "tests": {test: _summary(folds) for test, folds in history[-1]["tests"].items()},
        "validation": {name: _still(values) for name, values in history[-1]["validation"].items()},
        "tail_evaluations": 1,
        "affected": [] if spec.model.imported else [0.0],
        "history": history,
        "probe": UNPROBED,
        "started": finished,
        "finished": finished,
        "wall_seconds": 36.0,
        "train_seconds": 30.0,
        "evaluate_seconds": 3.0,
        "clips_per_second": 20.0,
        **changes,
        "environment": ENVIRONMENT | changes.get("environment", {}),
    }


def units(corpus):
    """The folds in groups that one training leaves out: neighbours share their training clips, if any do."""
    size = corpus.folds // corpus.n_trainings
    return [list(range(first, first + size)) for first in range(0, corpus.folds, size)]


def _summary(folds):
    mean = {metric: sum(v[metric] for v in folds.values()) / len(folds) for metric in METRICS}
    return {"folds": {fold: _still(values) for fold, values in folds.items()}, **_still(mean)}


def _still(values):
    """As if the tail were the last evaluation alone."""
    return {metric: {"mean": values[metric], "std": 0.0} for metric in METRICS}


def put(store, *results):
    """Stores results as if their runs were done."""
    for result in results:
        folder = store.folder / result["key"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "result.json").write_text(json.dumps(result))


def put_scores(store, result, clips):
    """Stores a result with the scores of some clips, which are those that it was tested on."""
    for name, about in result["corpora"].items():
        of = clips[clips["corpus"] == name]
        about["clips"]["test"] = _counted(of)
        about["tested"] = {fold: _counted(of[of["fold"] == int(fold)]) for fold in about["tested"]}
        right = of[list(LABELS)].to_numpy().argmax(axis=1) == of["label"].map(LABELS.index)
        for fold, scores in result["history"][-1]["tests"][name].items():
            if (here := of["fold"] == int(fold)).any():
                scores["wACC"] = float(right[here].mean())
    put(store, result)
    clips.to_parquet(store.folder / result["key"] / "scores.parquet")


def put_clips(store, result):
    """Stores a result with clips on all of its tests, right as often as its wF1 at the end says."""
    at_the_end = result["history"][-1]["tests"]
    tables = [
        made_clips(name, scores["wF1"], fold=int(fold))
        for name in result["corpora"]
        for fold, scores in at_the_end[name].items()
    ]
    put_scores(store, result, pd.concat(tables, ignore_index=True))


def _counted(clips):
    return {label: int((clips["label"] == label).sum()) for label in LABELS}


def made_clips(corpus, right, speakers=20, clips=8, seed=0, fold=0):
    """Scores on the clips of so many speakers, as many of each label; each is right with that probability."""
    random = np.random.default_rng(seed)
    truth = np.tile(np.arange(4), speakers * clips // 4)
    said = np.where(random.uniform(size=len(truth)) < right, truth, (truth + 1) % 4)
    who = np.arange(len(truth)) // clips
    table = pd.DataFrame(
        {
            "corpus": corpus,
            "path": [f"{number}.wav" for number in range(len(truth))],
            "fold": fold,
            "speaker": [f"s{number:02d}" for number in who],
            "label": [LABELS[code] for code in truth],
        }
    )
    table[list(TAIL)] = table[list(LABELS)] = np.eye(4, dtype=np.float32)[said]
    return table


def made_measurement(store, spec, estimates):
    """A whole measurement in the store.

    Args:
        store: where.
        spec: without fingerprints.
        estimates: as in estimates.parquet.
    """
    spec = dataclasses.replace(spec, fingerprints=((spec.corpus.name, "0"),))
    counts = dict.fromkeys(LABELS, 0) | estimates["label"].value_counts().to_dict()
    about = {"version": "1", "fingerprint": "0", "folds": 1, "units": [[0]], "hours": 0.1, "notes": []}
    result = {
        "schema": 1,
        "key": spec.key,
        "label": spec.label,
        "spec": spec.to_json(),
        "corpora": {spec.corpus.name: {**about, "clips": {"measured": counts, "all": counts}}},
        "reasons": estimates["reason"].value_counts().to_dict(),
        "clips_before": 0,
        "environment": ENVIRONMENT,
        "started": "2026-01-01T00:00:00+00:00",
        "finished": "2026-01-01T00:00:00+00:00",
        "wall_seconds": 36.0,
        "clips_per_second": 1.0,
    }
    store.start(spec)
    store.save(spec, result, estimates, "estimates")
    return result
