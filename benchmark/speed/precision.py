"""What bf16 changes in the answers: the same trainings in float32 and under bf16 autocast, paired by seed.

One condition of the study on real speech: the first row of its Table 1 without augmentation, the second fold
where there are folds. Each seed is trained once in either precision, with the same initialisation, batches,
crops and draws, and scored as a run is, by its tail averages under the true labels. The claim: on average
over the seeds, bf16 differs from float32 by no more than the standard deviation that float32 has from seed to
seed.

Trainings are chaotic: rounding that is otherwise harmless makes another training of each seed. Were bf16 no
more than that, a cell would miss the claim by chance in `erfc(sqrt(seeds) / 2)` of all cases (both normal, of
equal spread): 11 % with five seeds, 3 % with ten. Take ten (`--rounds 10`) before a single miss is believed.

As many seeds as there are rounds, two at least; both precisions take turns. Nothing is stored as a result.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from tabulate import tabulate

from benchmark import study as studies
from benchmark.speed import Settings
from benchmark.speed.clips import corpora_of
from benchmark.speed.turns import threads
from serkit import metrics, run
from serkit.specs import METRICS, RunSpec

FOLD = 1
PRECISIONS = {"float32": False, "bf16": True}


def measure(settings: Settings, device: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Trains every seed in both precisions.

    Raises:
        CorpusMissing: the study's corpora are not there.
        SpecError, CorpusUnfit, AudioError, WeightsMissing: they or the checkpoint cannot be used.
        TrainingDiverged: a loss is not finite.
    """
    spec = condition(settings)
    loaded = corpora_of(spec, settings.data)
    seeds = max(2, settings.rounds)
    rounds: list[dict[str, Any]] = []
    with threads(settings.threads[-1]):
        for seed in range(seeds):
            for precision in list(PRECISIONS)[:: (1, -1)[seed % 2]]:
                say(f"{spec.label}, seed {seed}, {precision} ...")
                rounds.append(one(dataclasses.replace(spec, seed=seed), loaded, device, precision))
    return {
        "study": settings.study,
        "run": spec.label,
        "width": spec.model.width,
        "epochs": spec.recipe.epochs,
        "weights": spec.model.weights or "random",
        "seeds": seeds,
        "missed_by_chance": math.erfc(math.sqrt(seeds) / 2),
        "differences": [
            difference(rounds, corpus.name, metric) for corpus in spec.corpora for metric in METRICS
        ],
        "rounds": rounds,
    }


def condition(settings: Settings) -> RunSpec:
    """The run that is trained, with seed 0; for a trial a narrow network and one epoch."""
    study = studies.read(settings.study)
    runs = study.runs(study.exhibits[0].columns[0], 0)
    spec = dataclasses.replace(next((each for each in runs if each.fold == FOLD), runs[0]), seed=0)
    if not settings.quick:
        return spec
    return dataclasses.replace(
        spec,
        model=dataclasses.replace(spec.model, width=1, weights=None),
        recipe=dataclasses.replace(spec.recipe, epochs=1, tail=1.0),
    )


def one(spec: RunSpec, loaded: Mapping[str, run.Loaded], device: str, precision: str) -> dict[str, Any]:
    """One training, and the tail averages of every test."""
    trained = run.learn(spec, run.sets_of(spec, loaded), device, bf16=PRECISIONS[precision])
    tail = run.in_tail(spec, trained)
    tests = [corpus.name for corpus in spec.corpora]
    averages = {test: metrics.over_tail([at["tests"][test] for at in tail]) for test in tests}
    return {
        "precision": precision,
        "seed": spec.seed,
        "tests": {test: {metric: of[metric]["mean"] for metric in METRICS} for test, of in averages.items()},
        "losses": [at["loss"] for at in trained.history],
        "train_seconds": trained.train_seconds,
    }


def difference(rounds: list[dict[str, Any]], test: str, metric: str) -> dict[str, Any]:
    """One metric of one test: means, spreads, and whether the difference is within float32's spread.

    Args:
        rounds: `one` of every seed and precision; two seeds or more.
        test: the test.
        metric: one of `METRICS`.
    """
    of = {
        precision: np.array(
            [
                each["tests"][test][metric]
                for each in sorted(rounds, key=lambda each: each["seed"])
                if each["precision"] == precision
            ]
        )
        for precision in PRECISIONS
    }
    paired = of["bf16"] - of["float32"]
    from_seed_to_seed = float(of["float32"].std(ddof=1))
    return {
        "test": test,
        "metric": metric,
        "float32": {"mean": float(of["float32"].mean()), "std": from_seed_to_seed},
        "bf16": {"mean": float(of["bf16"].mean()), "std": float(of["bf16"].std(ddof=1))},
        "difference": {"mean": float(paired.mean()), "std": float(paired.std(ddof=1))},
        "within": bool(abs(paired.mean()) <= from_seed_to_seed),
    }


def text(measured: Mapping[str, Any]) -> str:
    """The table, as printed."""
    rows = [
        [
            each["test"],
            each["metric"],
            *(f"{each[name]['mean']:.3f} ({each[name]['std']:.3f})" for name in PRECISIONS),
            f"{each['difference']['mean']:+.3f} ({each['difference']['std']:.3f})",
            "yes" if each["within"] else "NO",
        ]
        for each in measured["differences"]
    ]
    headers = ["Tested on", "Metric", "float32", "bf16", "bf16 - float32", "within float32's std"]
    seconds = []
    for name in PRECISIONS:
        of = [each["train_seconds"] for each in measured["rounds"] if each["precision"] == name]
        seconds.append(f"{name} {np.median(of):.1f} s")
    return "\n\n".join(
        [
            tabulate(rows, headers, disable_numparse=True),
            f"Study {measured['study']}, {measured['run']}, width {measured['width']}, initialisation"
            f" {measured['weights']}, {measured['epochs']} epochs, {measured['seeds']} seeds; mean (standard"
            f" deviation over the seeds).\nOf like precisions {measured['missed_by_chance']:.0%} of the cells"
            f" would not be within. A training took, in the median: {', '.join(seconds)}.",
        ]
    )
