"""Embeddings that are there already: by path and corpus, or an error that says why."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from serkit import encoders
from serkit.effects import Augmentation
from serkit.encoders import table
from serkit.errors import SpecError
from serkit.specs import ModelSpec
from tests.made_runs import PLAN

CLIPS = pd.DataFrame(
    {"corpus": ["b", "a", "a"], "path": ["x.wav", "x.wav", "y.wav"], "z": [1.5, 2, 3], "e": [4, 5, 6]}
)


@pytest.fixture(params=["csv", "parquet"])
def model(request, tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, "BESIDE", [tmp_path])
    table._read.cache_clear()
    write(tmp_path / f"made.{request.param}")
    return ModelSpec(encoder=f"table:made.{request.param}", freeze=("encoder",))


def write(path, clips=CLIPS):
    clips.to_csv(path, index=False) if path.suffix == ".csv" else clips.to_parquet(path)


def test_rows_are_those_of_the_file_in_the_order_of_the_clips(model):
    found = encoders.given(model, {"a": ["y.wav", "x.wav"], "b": ["x.wav"]})
    np.testing.assert_array_equal(found["a"], [[3, 6], [2, 5]])
    np.testing.assert_array_equal(found["b"], [[1.5, 4]])
    assert found["a"].dtype == np.float32
    assert encoders.build(model, 0).encoder.width == 2
    assert encoders.given(ModelSpec(), {"a": ["x.wav"]}) == {}


def test_paths_alone_do_where_no_two_are_alike(model, tmp_path):
    write(tmp_path / model.encoder.partition(":")[2], CLIPS.iloc[1:].drop(columns="corpus"))
    np.testing.assert_array_equal(encoders.given(model, {"any": ["y.wav"]})["any"], [[3, 6]])


def test_the_files_content_is_what_it_is(model, tmp_path):
    first = encoders.identify(model)
    assert first == encoders.identify(model)
    write(tmp_path / model.encoder.partition(":")[2], CLIPS.assign(z=0.0))
    assert encoders.identify(model) != first


@pytest.mark.parametrize(
    ("clips", "words"),
    [
        (CLIPS.drop(columns="path"), "no column path"),
        (CLIPS[["path", "corpus"]], "expected columns of numbers"),
        (CLIPS.assign(e=["4", "five", "6"]), "column 'e' holds something else than finite numbers"),
        (CLIPS.assign(e=[1.0, np.nan, 2.0]), "column 'e' holds something else"),
        (CLIPS.assign(e=[1.0, np.inf, 2.0]), "column 'e' holds something else"),
        (pd.concat([CLIPS, CLIPS[:1]]), "has two rows; expected one"),
        (CLIPS[1:], r"no row of 1 clip of b \(x.wav\); expected one of each"),
    ],
)
def test_a_table_that_cannot_be_used_says_why(model, tmp_path, clips, words):
    write(tmp_path / model.encoder.partition(":")[2], clips)
    with pytest.raises(SpecError, match=words):
        encoders.given(model, {"a": ["y.wav", "x.wav"], "b": ["x.wav"]})


def test_what_is_damaged_or_not_there_says_so(model, tmp_path):
    (tmp_path / model.encoder.partition(":")[2]).write_bytes(b"PAR1\x00\xff,\x00\n\x80")
    with pytest.raises(SpecError, match=r"expected csv with commas, or parquet|no column path"):
        encoders.build(model, 0)
    with pytest.raises(SpecError, match=r"there is no gone.csv in"):
        encoders.identify(ModelSpec(encoder="table:gone.csv", freeze=("encoder",)))


def test_it_is_neither_trained_nor_augmented():
    with pytest.raises(SpecError, match=r"nothing of it learns; set freeze = \['encoder'\]"):
        encoders.identify(ModelSpec(encoder="table:made.csv"))
    model = ModelSpec(encoder="table:made.csv", freeze=("encoder",))
    augmented = {"augment_percent": 50, "augmentation": Augmentation(), "model": model}
    with pytest.raises(SpecError, match="a table has no augmented clips"):
        dataclasses.replace(PLAN, **augmented)
