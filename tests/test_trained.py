"""The trained network of a run, kept: it says of a clip what the run said."""

import dataclasses

import numpy as np
import pytest

from serkit import trained
from serkit.errors import ResultsUnreadable, SpecError
from serkit.job import Place
from serkit.labels import LABELS
from serkit.results import Store
from serkit.run import run
from serkit.specs import STATISTICS
from tests.made_runs import PLAN, loaded

pytestmark = pytest.mark.usefixtures("packed_once")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("results"))


def plans():
    plain = dataclasses.replace(PLAN, train=("large", "folded"))
    model = dataclasses.replace(STATISTICS, front_end=PLAN.model.front_end)
    return plain, dataclasses.replace(plain, model=model, recipe=PLAN.recipe.at_once(0))


@pytest.mark.parametrize("plan", plans())
def test_a_kept_network_says_what_the_run_said(store, plan):
    result = run(plan, Place(store, models=True))
    network = trained.load(store.run_folder(result["key"]))
    scores = store.table(result["key"], "scores").query("corpus == 'large'").head(20)
    folder = loaded(plan, store)["large"].corpus.folder
    found = network.score([folder / path for path in scores["path"]])
    np.testing.assert_allclose(found, scores[list(LABELS)], atol=1e-5)


def test_what_was_not_kept_or_is_damaged_is_said(store):
    plan = dataclasses.replace(PLAN, train=("folded",))
    result = run(plan, Place(store))
    folder = store.run_folder(result["key"])
    with pytest.raises(ResultsUnreadable, match="no trained network in"):
        trained.load(folder)
    for content in (b"", b"PK what is this", b"cos\nsystem\n(S'true'\ntR."):
        (folder / trained.FILE).write_bytes(content)
        with pytest.raises(ResultsUnreadable, match="no trained network in"):
            trained.load(folder)


def test_a_clip_alone_cannot_be_normalised(store):
    recipe = dataclasses.replace(PLAN.recipe, normalise="speaker")
    result = run(dataclasses.replace(PLAN, train=("folded",), recipe=recipe), Place(store, models=True))
    with pytest.raises(SpecError, match="normalised by speaker, of which a clip alone says nothing"):
        trained.load(store.run_folder(result["key"]))
