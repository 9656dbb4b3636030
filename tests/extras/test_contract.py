"""What holds for every encoder: a clip's embedding is its own, whatever it is batched with or padded by."""

import numpy as np
import pytest
import torch

from serkit import encoders, heads
from serkit.augment import Waves
from serkit.specs import IMPORTED, STATISTICS, ModelSpec
from serkit.steps import learning as learning_mode
from tests.extras.made_encoders import MADE

BOUND = 1e-5  # times the largest number of an embedding
LENGTHS_S = (0.9, 1.7, 0.5)


@pytest.fixture(params=sorted(MADE))
def model(request, tmp_path, monkeypatch):
    """One model of each kind; `MADE` has what makes it."""
    monkeypatch.setattr(encoders, "BESIDE", [tmp_path])
    monkeypatch.setenv("SERKIT_CODE", "frames.py")
    return MADE[request.param](tmp_path)


def clips(rate_hz, *seconds, seed=0):
    """Voiced buzzes that swell, float32 [samples] each."""
    random = np.random.default_rng(seed)
    found = []
    for length in seconds:
        at = np.arange(round(length * rate_hz)) / rate_hz
        buzz = sum(np.sin(2 * np.pi * 130 * k * at + random.uniform(0, 6)) / k for k in range(1, 20))
        found.append(0.1 * buzz * np.linspace(0.2, 1, len(at)) + 0.001 * random.normal(size=len(at)))
    return [wave.astype(np.float32) for wave in found]


def batch(waves, garbage=0.0, more=0):
    lengths = np.array(list(map(len, waves)))
    padded = torch.zeros(len(waves), int(lengths.max()) + more)
    for row, wave in zip(padded, waves, strict=True):
        row[: len(wave)] = torch.from_numpy(wave)
        row[len(wave) :] = garbage
    return Waves(padded, lengths)


@torch.no_grad()
def embedded(network, *parts):
    return network.embed(*network.inputs(parts)).numpy()


def test_every_kind_is_tried():
    assert set(MADE) >= {*encoders.names(), encoders.OWN} - {IMPORTED, "table"}  # which hear nothing


def test_a_clip_alone_and_among_longer_ones_has_one_embedding(model):
    network = encoders.build(model, 0).eval()
    waves = clips(encoders.describe(model).rate_hz, *LENGTHS_S)
    alone = np.concatenate([embedded(network, batch([wave])) for wave in waves])
    together = embedded(network, batch(waves, more=4_000))
    parts = embedded(network, batch(waves[:1]), batch(waves[1:]))
    assert np.isfinite(alone).all()
    assert np.abs(alone[0] - alone[1]).max() > 100 * BOUND * np.abs(alone).max(), "they differ"
    for other in (together, parts):
        np.testing.assert_allclose(other, alone, atol=BOUND * np.abs(alone).max())


def test_the_shortest_clip_can_be_taken(model):
    about, network = encoders.describe(model), encoders.build(model, 0).eval()
    (wave,) = clips(about.rate_hz, about.min_samples / about.rate_hz)
    padded = batch([wave[: len(wave) // 2]], more=len(wave) - len(wave) // 2)
    for part in (batch([wave]), padded):
        assert np.isfinite(embedded(network, part)).all()


def test_equal_seeds_make_equal_networks_and_their_identity_is_known(model):
    one, again = (encoders.build(model, 5).state_dict() for _ in range(2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert encoders.identify(model) == encoders.identify(model)
    assert encoders.identify(model) or model.encoder in ("cnn14", STATISTICS.encoder)


def test_without_dropout_a_network_gives_the_same_twice(model):
    """No network masks or drops layers by itself: then 0 % would not be 0 %."""
    network = encoders.build(model, 0).train()
    for layer in network.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
        if hasattr(layer, "dropout") and isinstance(layer.dropout, float):
            layer.dropout = 0.0
    waves = clips(encoders.describe(model).rate_hz, *LENGTHS_S)
    first, second = (embedded(network, batch(waves)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_frozen_one_has_the_same_embedding_and_nothing_that_learns(model):
    frozen = ModelSpec(**{**vars(model), "freeze": ("encoder",)})
    network = encoders.build(frozen, 0)
    waves = clips(encoders.describe(model).rate_hz, *LENGTHS_S)
    plain = encoders.build(model, 0).eval()
    np.testing.assert_array_equal(embedded(network, batch(waves)), embedded(plain, batch(waves)))
    assert not any(of.requires_grad for name, of in network.named_parameters() if "head" not in name)


def test_each_of_its_parts_can_be_frozen(model):
    network = encoders.build(model, 0)
    if model.fitted:
        return  # nothing of it learns
    for name in heads.parts(network):
        learning = {of for of, value in network.named_parameters() if value.requires_grad}
        frozen = encoders.build(ModelSpec(**{**vars(model), "freeze": (name,)}), 0)
        left = {of for of, value in frozen.named_parameters() if value.requires_grad}
        assert left <= learning
        assert all(not of.training for of in frozen.frozen) or learned(frozen)


def learned(network):
    """Puts it into training as a run does; then what is frozen is not in training."""
    learning_mode(network)
    return not any(of.training for of in network.frozen)
