"""Runs of the synthetic corpora that take a second, for tests of what surrounds a training."""

import dataclasses
import re
from pathlib import Path

from serkit import job
from serkit.job import Place, load
from serkit.labels import SWAP
from serkit.specs import CorpusSpec, ModelSpec, Recipe, RunSpec

LARGE = CorpusSpec("large", "synthetic")
FOLDED = CorpusSpec(
    "folded", "synthetic", folds=3, options=(("role", "B"),), scramble=tuple(sorted(SWAP.items()))
)
MIXED = CorpusSpec("mixed", "synthetic", options=(("role", "C"),))

PLAN = RunSpec(
    train=("large", "folded_scrambled"),
    corpora=(LARGE, FOLDED, MIXED),
    augment_percent=0,
    fold=1,
    seed=0,
    model=ModelSpec(width=1, weights=None),
    recipe=Recipe(epochs=2, batch_size=16, max_seconds=0.7, tail=0.5, learning_rate=1e-3),
)
ALONE = dataclasses.replace(PLAN, train=("mixed",), corpora=(MIXED,), fold=None)


def forget(patch):
    """What this process has read and packed, as a new process would."""
    patch.setattr(job, "_READ", {})
    patch.setattr(job, "_LOADED", {})


def loaded(plan, store):
    """The corpora of a run, read and packed."""
    return {spec.name: load(spec, 16_000, Place(store)) for spec in plan.corpora}


def documented(section):
    """The keys in the first column of a table of results/README.md."""
    readme = (Path(__file__).parent.parent / "results" / "README.md").read_text()
    table = readme.split(f"## {section}\n")[1].split("\n## ")[0]
    keys = re.findall(r"`([a-z_]+)", "".join(re.findall(r"^\|(.*?)\|", table, re.MULTILINE)))
    assert len(keys) > 10
    return set(keys)
