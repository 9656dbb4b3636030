"""Runs of other encoders, from spec to result: their keys, what is frozen, normalised and augmented."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from benchmark.session.checks import assert_valid
from serkit import encoders
from serkit.clips import ClipSet
from serkit.encoders import function
from serkit.errors import SpecError
from serkit.job import Place
from serkit.labels import LABELS
from serkit.loader import Loader
from serkit.results import Store
from serkit.run import run
from serkit.specs import Augmentation, ModelSpec
from serkit.train import embed
from tests.extras.made_encoders import OF_FRAMES, of_function
from tests.made_runs import PLAN, loaded

pytestmark = pytest.mark.usefixtures("packed_once")


@pytest.fixture
def frames(tmp_path, monkeypatch):
    """A convolution over frames, in a file beside the study."""
    monkeypatch.setattr(encoders, "BESIDE", [tmp_path])
    monkeypatch.setenv(function.VARIABLE, "frames.py")
    return of_function(tmp_path)


@pytest.fixture
def place(tmp_path):
    return Place(Store(tmp_path / "results"))


def asked(model, percent=0, **recipe):
    found = dataclasses.replace(PLAN.recipe, **recipe)
    found = found.at_once(percent) if model.fitted else found
    augmentation = Augmentation() if percent else None
    parts = {"model": model, "recipe": found, "augment_percent": percent, "augmentation": augmentation}
    return dataclasses.replace(PLAN, train=("large", "folded"), **parts)


def test_a_network_of_ones_own_trains_and_is_kept_like_any(frames, place):
    plan = asked(frames, percent=50, accumulate=2, warmup=0.5, encoder_learning_rate=1e-4)
    result = run(plan, place)
    assert result["label"] == "folded+large-frames-make-aug50-fold01"
    assert result["parameters"] == {"learnt": 6 * 401 + 7 * 6 + 7 * 4, "all": 6 * 401 + 7 * 6 + 7 * 4}
    assert set(result["probe"]["label"]["folded"]) == {"statistics", "before", "embedding", "outputs"}
    assert_valid(result, plan, settled=False)
    assert run(plan, place)["finished"] == result["finished"], "it is not trained twice"


def test_a_line_changed_is_another_run(frames, place, tmp_path):
    first = run(asked(frames), place)
    assert dict(first["spec"]["fingerprints"])["frames.py:make"].startswith("sha256:")
    (tmp_path / "frames.py").write_text(OF_FRAMES + "# another line\n")
    function.identify.cache_clear()  # as in another process
    second = run(asked(frames), place)
    assert (second["label"], second["key"] != first["key"]) == (first["label"], True)
    assert len(list(place.store.keys([]))) == 2


@pytest.mark.parametrize("percent", [0, 50])
def test_a_frozen_one_is_fitted(frames, place, percent):
    plan = asked(dataclasses.replace(frames, freeze=("encoder",)), percent)
    result = run(plan, place)
    assert result["label"] == f"folded+large-frames-make-frozen-aug{percent}-fold01"
    assert len(result["affected"]) == (PLAN.recipe.epochs if percent else 1)
    assert any(result["affected"]) == bool(percent)
    assert result["parameters"]["learnt"] == 7 * 4
    embeddings = np.load(place.store.run_folder(result["key"]) / "embeddings.npy")
    assert embeddings.shape[1] == 6
    assert_valid(result, plan, settled=False)


def test_normalising_is_another_run_that_says_other_things(frames, place):
    frozen, keys = dataclasses.replace(frames, freeze=("encoder",)), set()
    for model in (frames, frozen):
        said = []
        for by in ("none", "corpus", "speaker"):
            result = run(asked(model, normalise=by), place)
            keys.add(result["key"])
            said.append(json.dumps(result["tests"], sort_keys=True) + str(result["history"][-1]["loss"]))
        assert len(set(said)) == 3
    assert len(keys) == 6


def test_what_is_no_encoder_fails_before_anything_is_decoded(place, monkeypatch):
    monkeypatch.delenv(function.VARIABLE, raising=False)
    with pytest.raises(SpecError, match=r"SERKIT_CODE=nowhere\.py"):
        run(asked(ModelSpec(encoder="nowhere.py:make")), place)


def test_embeddings_that_are_there_already_give_what_the_encoder_gives(frames, place, tmp_path):
    """Those of the frozen network as a table: the same predictions, without listening."""
    frozen = dataclasses.replace(frames, freeze=("encoder",))
    first = run(asked(frozen), place)
    network, corpora = encoders.build(frozen, asked(frozen).draws), loaded(PLAN, place.store)
    tables = []
    for name, here in corpora.items():
        loader = Loader(encoders.describe(frozen), PLAN.recipe, "cpu")
        rows, none = np.arange(len(here.corpus.clips)), np.zeros(len(here.corpus.clips), dtype=np.int64)
        made = pd.DataFrame(embed(network, ClipSet([here.pack], none, rows, none), loader))
        tables.append(made.assign(path=here.corpus.clips["path"], corpus=name))
    pd.concat(tables).to_csv(tmp_path / "made.csv", index=False)
    given = run(asked(ModelSpec(encoder="table:made.csv", freeze=("encoder",))), place)
    assert given["label"] == "folded+large-table-made-csv-frozen-aug0-fold01"
    assert given["key"] != first["key"]
    one, other = (place.store.table(of["key"], "scores")[list(LABELS)] for of in (first, given))
    assert (one.idxmax(axis=1) == other.idxmax(axis=1)).mean() > 0.95
    np.testing.assert_allclose(one, other, atol=0.02)
