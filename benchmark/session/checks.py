"""What must hold of a valid run or measurement, whatever its numbers are: asserts, explained by pytest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from serkit.labels import GUESSING, corpus_of
from serkit.resultfile import ESTIMATES, Result, diverged
from serkit.specs import METRICS, AcousticsSpec, RunSpec

if TYPE_CHECKING:
    import pandas as pd


def assert_valid(result: Result, plan: RunSpec, settled: bool = True) -> None:
    """Asserts that a result answers what was asked and can be believed.

    With `settled` its loss must have levelled off in the tail (§2.2): not asked of a grid of recipes, some of
    which are too slow for that, nor of a study that says it is too short.
    """
    __tracebackhide__ = True  # the message says what is wrong, in a line
    from serkit.metrics import in_tail, levelled_off  # numpy comes with it: a plan needs none

    assert result["label"] == plan.label, f"it answers {result['label']}, asked was {plan.label}"
    trained_on = plan.trained_on
    for corpus in plan.corpora:
        about, expected = result["corpora"][corpus.name], corpus.folds
        if corpus.name in trained_on:
            expected = len(about["units"][plan.fold_of(corpus.name)])
        for test in plan.tests_of(corpus):
            tested, folds = result["tests"][test], result["tests"][test]["folds"]
            assert len(folds) == expected, f"{test}: {len(folds)} folds tested, expected {expected}"
            for value in [tested, *folds.values()]:
                _assert_shares(test, value)
        assert sum(about["clips"]["test"].values()) > 0, f"{corpus.name}: no test clips"
        if corpus.name in trained_on and not about["split_by_clip"]:
            assert not about["shared_speakers"], f"{corpus.name}: {about['shared_speakers']} train and test"
    clips = {name: about["clips"] for name, about in result["corpora"].items()}
    asked = sorted(name for name in plan.train if any(clips[corpus_of(name)]["validation"].values()))
    validated = sorted(result["validation"])
    assert validated == asked, f"validated on {validated}, expected {asked}"
    for name, value in result["validation"].items():
        _assert_shares(f"validation on {name}", value)
    learnt, there = result["training_clips"], sum(sum(clips[name]["train"].values()) for name in trained_on)
    assert learnt == there, f"{learnt} training clips, its corpora have {there}"
    losses = [at["loss"] for at in result["history"]]
    tail, evaluations = in_tail(result["history"], plan.recipe.tail), plan.recipe.evaluations
    assert len(losses) == evaluations, f"{len(losses)} evaluations, the recipe asks for {evaluations}"
    averaged = result["tail_evaluations"]
    assert averaged == len(tail), f"averaged over {averaged} evaluations, {len(tail)} lie in the tail"
    if plan.model.imported:
        assert losses == [None] * evaluations, "a loss is said of a run that was not trained here"
        return
    assert all(math.isfinite(loss) for loss in losses), "a loss is not finite"
    assert not diverged(result), (
        f"the loss in the tail is {losses[-1]:.3g}, that of guessing {GUESSING:.2g}: it learnt nothing"
        " that can be believed, and no table counts it; lower recipe.learning_rate"
    )
    assert not settled or levelled_off(losses, tail[0]), (
        "the training loss still moves in the tail, so its average means little: raise recipe.epochs"
    )


def _assert_shares(where: str, averages: Mapping[str, Any]) -> None:
    __tracebackhide__ = True
    for metric in METRICS:
        mean, std = averages[metric]["mean"], averages[metric]["std"]
        assert math.isfinite(mean), f"{where}: {metric} is {mean}"
        assert math.isfinite(std), f"{where}: std of {metric} is {std}"
        assert 0 <= mean <= 1, f"{where}: {metric} = {mean} is no share"


def assert_measured(result: Result, estimates: pd.DataFrame, plan: AcousticsSpec) -> None:
    """Asserts that a measurement answers what was asked, and that every estimate can be one."""
    __tracebackhide__ = True
    from serkit.acoustics.meter import RANGES, SHORT  # torch comes with it

    assert result["label"] == plan.label
    clips = result["corpora"][plan.corpus.name]["clips"]
    asked = min(plan.clips, sum(clips["all"].values()))
    assert len(estimates) == sum(clips["measured"].values()) == asked
    assert not estimates["path"].duplicated().any(), "a clip was measured twice"
    assert result["reasons"] == estimates["reason"].value_counts().to_dict()
    for name in ESTIMATES:
        lowest, highest = RANGES[name]
        found = estimates[name].dropna()
        assert found.between(lowest, highest).all(), f"{name} outside {lowest} to {highest}"
    unfit = ~estimates["reason"].isin(["", SHORT])
    assert estimates["p808_mos"].isna().equals(unfit), "a clip's quality and its reason contradict"
    no_room = estimates["reason"] != ""
    for name in ("t60_s", "c50_db"):
        assert estimates[name].isna().equals(no_room), f"a clip's {name} and its reason contradict"
    assert estimates["ovrl_mos"].notna().sum() <= plan.p835_clips
    assert unfit.mean() <= 0.5, f"most clips cannot be judged: {result['reasons']}"
