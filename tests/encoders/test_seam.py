"""The seam: an encoder is one file, whether it takes log-mel or waves, and plans need no torch for it."""

import numpy as np
import pytest
import torch

from serkit import encoders
from serkit.augment import Augmenting
from serkit.effects import Augmentation
from serkit.errors import SpecError
from serkit.loader import Loader
from serkit.specs import ModelSpec, Recipe
from serkit.train import Evaluation, train
from tests.made_clips import clips_of, noises

OF_WAVES = '''
import types

import torch
from torch import nn


def describe(model):
    return types.SimpleNamespace(rate_hz=16_000, min_samples=800, takes="waves")


def identify(model):
    return ""


def make(model):
    return Levels()


class Levels(nn.Module):
    """The loudness of a clip, whole and at its start."""

    width = 2

    def __init__(self):
        super().__init__()
        self.gain = nn.Parameter(torch.ones(2))

    def forward(self, waves, samples):
        whole = waves.square().sum(dim=1) / samples
        return self.gain * torch.stack([whole, waves[:, :800].square().mean(dim=1)], dim=1).sqrt()
'''


@pytest.fixture
def levels(tmp_path, monkeypatch):
    """A throw-away encoder of waves, in a folder that is searched as well."""
    (tmp_path / "levels.py").write_text(OF_WAVES)
    monkeypatch.setattr(encoders, "__path__", [*encoders.__path__, str(tmp_path)])
    return ModelSpec(encoder="levels")


def test_the_encoders_are_the_modules_of_their_folder():
    assert encoders.names() == ["cnn14", "hf", "imported", "logmel_statistics", "opensmile", "table"]


def test_another_name_is_refused_with_the_known_ones():
    with pytest.raises(SpecError, match="model encoder 'cnn41': expected one of cnn14"):
        encoders.describe(ModelSpec(encoder="cnn41"))


def test_naming_encoders_needs_no_torch(fresh_python):
    told = fresh_python(
        "import sys; from serkit import encoders; encoders.names(); print('torch' in sys.modules)"
    )
    assert told.stdout.strip() == "False", told.stderr


def test_cnn14_is_described_before_it_is_built():
    encoder = encoders.describe(ModelSpec(front_end="native-32k"))
    assert (encoder.rate_hz, encoder.min_samples, encoder.takes) == (32_000, 9920, "logmel")


def test_a_file_is_an_encoder_that_trains(levels):
    assert encoders.names() == [
        "cnn14",
        "hf",
        "imported",
        "levels",
        "logmel_statistics",
        "opensmile",
        "table",
    ]
    assert encoders.identify(levels) == ""
    training, evaluation = clips_of(noises(9, 500, 4000)), clips_of(noises(3, 500, 4000, seed=1))
    augmenting = Augmenting(Augmentation(effects=("shift", "fade")), 50)
    recipe = Recipe(epochs=3, batch_size=4, learning_rate=0.1)
    loader = Loader(encoders.describe(levels), recipe, "cpu", augmenting)
    model = encoders.build(levels, 0)
    before = [value.clone() for value in model.parameters()]
    done = train(model, loader, training, Evaluation(evaluation, len(evaluation), lambda scores: {}))
    assert done.scores.shape == (3, 4)
    np.testing.assert_allclose(done.scores.sum(axis=1), 1, atol=1e-6)
    assert not any(map(torch.equal, before, model.parameters()))
