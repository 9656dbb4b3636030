"""States of cases made by hand, as a store with such results would show them."""

import dataclasses

from benchmark.session.progress import DONE, KEPT, RUNNING, CaseState, Finished
from serkit.specs import LABELS, RunSpec


def costing(case, cost):
    """The same case at another cost."""
    return dataclasses.replace(case, cost=cost)


def done(case, seconds, at=0.0, device="cpu", trained=None, scored=0, **result):
    """A case that is done.

    Args:
        case: the case.
        seconds: what it took in all; of a run all of it for training, unless `result` says otherwise.
        at: when it finished.
        device: `cpu` or `cuda`, and the device's name.
        trained: clips it trained on over all epochs; the case's cost if not given.
        scored: clips that each of its evaluations scored.
        result: other entries of its result.
    """
    made = {"environment": {"device": device, "device_name": device}, "wall_seconds": seconds}
    if isinstance(case.spec, RunSpec):
        clips = {"train": dict.fromkeys(LABELS, 1), "test": {LABELS[0]: scored}}
        made |= {"corpora": {"one": {"clips": clips}}, "train_seconds": seconds, "evaluate_seconds": 0.0}
        made["training_clips"] = (case.cost if trained is None else trained) / case.spec.recipe.epochs
    else:
        made["clips_before"] = 0
    made |= result
    assert made.keys() <= KEPT
    return CaseState(
        case, DONE, at=at, who={"device": device}, finished=Finished(case.spec.key, at, False, made)
    )


def running(case, share=0.25, left=44.0, seconds=0.0, **who):
    """A case that runs, at a quarter of 2.5 of its epochs."""
    last = {"iteration": 120 * share, "of": 120, "epoch": 2.5, "loss": 0.4321}
    return CaseState(
        case, RUNNING, last=last, seconds=seconds, seconds_left=left, who={"device": "cpu", **who}
    )
