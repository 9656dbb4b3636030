"""What must hold of any valid run, whatever its numbers are: plain asserts, explained by pytest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from serkit.metrics import in_tail, levelled_off
from serkit.results import Result
from serkit.specs import METRICS, RunSpec, base_of


def assert_valid(result: Result, plan: RunSpec, settled: bool = True) -> None:
    """Asserts that a result answers what was asked and can be believed.

    Args:
        result: as in result.json.
        plan: what the study asked.
        settled: its loss must have levelled off in the tail (§2.2). Not asked of a grid of recipes, some of
            which are too slow for that, nor of a study that says it is too short.
    """
    assert result["label"] == plan.label
    trained_on = plan.trained_on
    for corpus in plan.corpora:
        said = result["corpora"][corpus.name]
        folds = 1 if corpus.name in trained_on else corpus.folds
        for test in corpus.tests:
            tested = result["tests"][test]
            assert len(tested["folds"]) == folds, (
                f"{test}: {len(tested['folds'])} folds tested, expected {folds}"
            )
            for value in [tested, *tested["folds"].values()]:
                _assert_shares(test, value)
        assert sum(said["clips"]["test"].values()) > 0, f"{corpus.name}: no test clips"
        if corpus.name in trained_on and not said["split_by_clip"]:
            assert not said["shared_speakers"], f"{corpus.name}: {said['shared_speakers']} train and test"
    validated = {
        name for name in plan.train if any(result["corpora"][base_of(name)]["clips"]["validation"].values())
    }
    assert set(result["validation"]) == validated
    for name, value in result["validation"].items():
        _assert_shares(f"validation on {name}", value)
    learnt = sum(sum(result["corpora"][name]["clips"]["train"].values()) for name in trained_on)
    assert result["training_clips"] == learnt
    losses = [at["loss"] for at in result["history"]]
    tail = in_tail([at["iteration"] for at in result["history"]], plan.recipe.tail)
    assert len(losses) == plan.recipe.evaluations
    assert result["tail_evaluations"] == len(tail)
    assert all(math.isfinite(loss) for loss in losses)
    assert not settled or levelled_off(losses, tail[0]), (
        "the training loss still moves in the tail, so its average means little: raise recipe.epochs"
    )


def _assert_shares(where: str, averages: Mapping[str, Any]) -> None:
    for metric in METRICS:
        mean, std = averages[metric]["mean"], averages[metric]["std"]
        assert math.isfinite(mean), f"{where}: {metric} is {mean}"
        assert math.isfinite(std), f"{where}: std of {metric} is {std}"
        assert 0 <= mean <= 1, f"{where}: {metric} = {mean} is no share"
