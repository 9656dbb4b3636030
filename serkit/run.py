"""One run from spec to result: the whole study on one screen.

corpora -> packs -> fingerprints -> key -> (there? use it) -> split -> training -> scores -> result
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from serkit import encoders, metrics, probe, splits
from serkit.augment import Augmenting
from serkit.clips import ClipSet
from serkit.device import on_gpu
from serkit.embeddings import Kept
from serkit.heads import Fitted, counted
from serkit.job import Loaded, Made, Place, load, once, read
from serkit.labels import LABELS, corpus_of
from serkit.loader import Loader
from serkit.provenance import environment
from serkit.resultfile import Result
from serkit.specs import STATISTICS, RunSpec
from serkit.state import Keeper, here
from serkit.train import Evaluation, Trained, TrainingDiverged, embed, train
from serkit.trained import keep
from serkit.words import named

OnEvaluation = Callable[[Path, dict[str, Any]], None]


class Identified(NamedTuple):
    """A run and all that enters its key."""

    spec: RunSpec  # with its fingerprints
    encoder: encoders.Description
    loaded: Mapping[str, Loaded]  # its corpora by name


def run(plan: RunSpec, place: Place, on_evaluation: OnEvaluation | None = None) -> Result:
    """Trains what `plan` asks for and tests it on every corpus; or returns the stored result of an equal run.

    Args:
        plan: the spec, without fingerprints.
        place: where.
        on_evaluation: called after each evaluation with the run's folder and the history's entry plus `of`,
            iterations in all.

    Returns:
        The result (`results/README.md`).

    Raises:
        SpecError: folds other than the study says, or a model that is imported and has no result.
        CorpusMissing, WeightsMissing: a corpus or the checkpoint is not there.
        CorpusUnfit, AudioError: a corpus cannot be used.
        TrainingDiverged: the loss is not finite, or stays far above that of guessing.
        ResultsUnreadable, ResultsUnwritable: as `serkit.job.once`.
    """
    about = identified(plan, place)
    spec = about.spec

    def report(event: dict[str, Any]) -> None:
        if not event.get("again"):  # the metrics stand in the result
            place.store.report(spec.key, {name: event[name] for name in ("iteration", "epoch", "loss", "of")})
        if on_evaluation is not None:
            with suppress(OSError):  # as progress: no training ends for want of a curve
                on_evaluation(place.store.run_folder(spec.key), event)

    return once(spec, place, lambda: made(about, place, report))


def made(about: Identified, place: Place, report: Callable[[dict[str, Any]], None]) -> Made:
    """Trains and scores. Raises as `run`."""
    spec, encoder, loaded = about
    clips, model, loader = prepared(about, place)
    evaluation = Evaluation(
        clips.evaluation, clips.own, lambda scores: splits.scored(spec, clips, scores), spec.label_sets
    )
    probed, fitted = probe.chosen(clips.evaluation.corpus), isinstance(model, Fitted)
    before = None if fitted else embed(model, clips.evaluation[probed], loader)
    try:
        trained = train(model, loader, clips.training, evaluation, report, keeper(spec, place))
    except TrainingDiverged as error:
        place.store.drop_state(spec.key)  # which leads here again
        learnt = paths(spec, loaded, clips.training[error.batch])
        raise TrainingDiverged(f"{error}. Its clips: {named(learnt)}", error.batch) from None
    if place.models:
        keep(model, place.store.run_folder(spec.key))
    embeddings = embed(model, clips.evaluation, loader)
    before = embeddings[probed] if before is None else before
    read_from = {"statistics": before}
    if spec.model.encoder != STATISTICS.encoder:
        read_from = {"before": before, "embedding": embeddings[probed]}
        plain = dataclasses.replace(STATISTICS, front_end=spec.model.front_end)
        if encoders.describe(plain).rate_hz == encoder.rate_hz:
            read_from["statistics"] = embed(encoders.build(plain, 0), clips.evaluation[probed], loader)
    result, table = assembled(about, clips, trained, read_from, place.device)
    result["parameters"] = counted(model)
    if halved := sorted(what for what, pieces in loader.pieces.items() if pieces > 1):
        result["halved"] = halved
    kept = embeddings[np.concatenate(list(clips.tests.values()))].astype(np.float16)
    return result, table, kept if place.embeddings else None


def prepared(about: Identified, place: Place) -> tuple[splits.Split, encoders.Encoder, Loader]:
    """A run's clips, its network at the beginning, and what loads the one for the other."""
    spec, encoder, loaded = about
    clips, whose = splits.split(spec, loaded), splits.groups(spec, loaded)
    augmenting = Augmenting(spec.augmentation, spec.augment_percent) if spec.augmentation else None
    model = encoders.build(spec.model, spec.draws, spec.label_sets * len(LABELS))
    loader = Loader(encoder, spec.recipe, place.device, augmenting, spec.draws)
    if not isinstance(model, Fitted):
        return clips.levelled(whose), model, loader
    if whose or spec.model.encoder != STATISTICS.encoder:  # which takes no time
        identity = dict(spec.fingerprints).get(spec.model.called, "")
        by_name = {name: of.corpus.clips["path"].tolist() for name, of in loaded.items()}
        given = {loaded[name].pack: of for name, of in encoders.given(spec.model, by_name).items()}
        model.kept = Kept(spec.model, identity, loader, whose, given)
        model.kept.minutes = place.state_minutes
    return clips, model, loader


def keeper(spec: RunSpec, place: Place) -> Keeper:
    """What keeps the state of a run's training, and finds it."""
    if not place.state_minutes:
        return Keeper()
    about = {"key": spec.key, "method": spec.method, **here(place.device)}
    report = functools.partial(place.store.report, spec.key)
    return Keeper(place.store.state_path(spec.key), about, place.state_minutes, report)


def paths(spec: RunSpec, loaded: Mapping[str, Loaded], clips: ClipSet) -> list[str]:
    """Where some training clips lie, behind the names of their corpora."""
    names = [corpus_of(name) for name in spec.train]
    tables = [loaded[name].corpus.clips["path"] for name in names]
    pairs = zip(clips.corpus, clips.row, strict=True)
    return [f"{names[corpus]}/{tables[corpus].iloc[row]}" for corpus, row in pairs]


def identified(plan: RunSpec, place: Place) -> Identified:
    """Reads and packs what a run is of. Raises as `run`."""
    for corpus in plan.corpora:
        read(corpus, place)  # what is missing is said before anything is decoded
    identity = encoders.identify(plan.model)
    encoder = encoders.describe(plan.model)
    loaded = {corpus.name: load(corpus, encoder.rate_hz, place) for corpus in plan.corpora}
    fingerprints = [(name, corpus.fingerprint) for name, corpus in loaded.items()]
    if identity:
        fingerprints.append((plan.model.called, identity))
        place.store.note_encoder(plan.model.called, identity)
    return Identified(dataclasses.replace(plan, fingerprints=tuple(fingerprints)), encoder, loaded)


def assembled(
    about: Identified,
    clips: splits.Split,
    trained: Trained,
    read_from: Mapping[str, np.ndarray],
    device: str,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """A run's part of its result, and the scores of its test clips, from what it says of the clips.

    Args:
        about: the run.
        clips: its clips.
        trained: what it says of those that it scores, at each evaluation.
        read_from: what is probed beside its outputs, float [clips of `probe.chosen`, width] each.
        device: that it was made on.
    """
    spec, _, loaded = about
    probed = probe.chosen(clips.evaluation.corpus)
    outputs = {"outputs": np.log(trained.tail[probed].clip(min=1e-6))}
    tail = [trained.history[at] for at in metrics.in_tail(trained.history, spec.recipe.tail)]
    tests, seconds = tail[-1]["tests"], trained.train_seconds
    clips_seen = spec.recipe.epochs * len(clips.training)
    result = {
        "initialisation": spec.model.initialisation,
        "corpora": {name: splits.about(spec, name, of, clips.training) for name, of in loaded.items()},
        "training_clips": len(clips.training),
        "tests": {test: metrics.over_tail([at["tests"][test] for at in tail]) for test in tests},
        "validation": {
            name: metrics.summary([at["validation"][name] for at in tail]) for name in clips.validation
        },
        "tail_evaluations": len(tail),
        "affected": trained.affected,
        **({"resumed": trained.resumed} if trained.resumed else {}),
        "probe": probe.probe({**outputs, **read_from}, splits.scored_clips(clips, loaded, probed)),
        "by": splits.grouped(clips, loaded, trained.tail),
        "history": trained.history,
        "environment": {**environment(device), "bf16": on_gpu(device)},
        "train_seconds": round(seconds, 2),
        "evaluate_seconds": round(trained.evaluate_seconds, 2),
        "clips_per_second": round(clips_seen / seconds, 1) if seconds else 0.0,
    }
    return result, splits.clip_scores(clips, loaded, trained)
