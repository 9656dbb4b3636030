"""Embeddings of frozen encoders: made once a corpus, found again by all they depend on, never trusted."""

import contextlib
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from serkit import embeddings, heads
from serkit.clips import join
from serkit.loader import Loader
from serkit.specs import ModelSpec, Recipe
from serkit.train import embed
from tests.made_clips import FRONT_END, clips_of, noises

MODEL = ModelSpec(encoder="net.py:make", freeze=("encoder",))


class Level(nn.Module):
    """The level of a clip, and how often anything was asked."""

    width = 1

    def __init__(self):
        super().__init__()
        self.asked = 0

    def forward(self, waves, samples):
        self.asked += len(waves)
        return (waves.square().sum(dim=1) / samples).sqrt()[:, None]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path))
    forget(monkeypatch)
    return tmp_path


def forget(monkeypatch):
    """As another process has it."""
    monkeypatch.setattr(embeddings, "_READ", {})


def network(identity="sha256:1", model=MODEL, **recipe):
    made, loader = heads.headed(model, Level(), 4), Loader(FRONT_END, Recipe(**recipe), "cpu")
    made.kept = embeddings.Kept(model, identity, loader)
    return made, loader


def two_corpora():
    parts = [clips_of(noises(n, 3000, 9000, seed=n)) for n in (6, 4)]
    packs = [dataclasses.replace(of.packs[0], digest=f"{number}") for number, of in enumerate(parts)]
    return join([(pack, of.row, of.label) for pack, of in zip(packs, parts, strict=True)])


def test_each_clip_is_embedded_once_whichever_are_asked_for(monkeypatch):
    clips, (made, loader) = two_corpora(), network()
    plain, (bare, _) = [], network()
    bare.kept = None
    for some in (np.array([7, 2]), np.arange(10), np.array([9])):
        np.testing.assert_array_equal(embed(made, clips[some], loader), embed(bare, clips[some], loader))
        plain.append(made.encoder.asked)
    assert plain == [10, 10, 10]
    forget(monkeypatch)
    other, loader = network()
    np.testing.assert_array_equal(embed(other, clips, loader), embed(bare, clips, loader))
    assert other.encoder.asked == 0


def test_one_that_is_killed_goes_on_where_it_was(cache):
    """Embeddings of a corpus are kept as a training is, batch by batch; no clip is embedded twice."""
    clips, (bare, loader) = two_corpora(), network(max_seconds=0.3, batch_size=1)
    bare.kept = None
    whole = embed(bare, clips, loader)
    made, loader = network(max_seconds=0.3, batch_size=1)

    def kept_and_killed(self, make):
        self._make = make
        self._keep()
        raise ArithmeticError

    kills, asked = 0, []
    while made.encoder.asked < len(clips):
        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(ArithmeticError):
            patch.setattr("serkit.state.Keeper.steady", kept_and_killed)
            embed(made, clips, loader)
        kills += 1
        asked.append(made.encoder.asked)
        if kills == 3:
            assert len(list((cache / "embedded").glob("*.state"))) == 1
            np.testing.assert_array_equal(embed(made, clips, loader), whole)
    assert (asked[0], made.encoder.asked) == (2, len(clips))
    assert list((cache / "embedded").glob("*.state")) == []


@pytest.mark.parametrize(
    "other",
    [
        {"identity": "sha256:2"},
        {"model": ModelSpec(encoder="net.py:make", freeze=("encoder",), settings=(("layer", 2),))},
        {"max_seconds": 0.3},
        {"loudness_dbfs": -20.0},
    ],
)
def test_whatever_changes_an_embedding_is_another_file(other):
    clips = two_corpora()
    for made, loader in (network(), network(**other)):
        embed(made, clips, loader)
        assert made.encoder.asked == 10


@pytest.mark.parametrize("harm", ["cut", "flip", "empty", "gone", "pickle"])
def test_what_is_damaged_is_made_again(cache, harm, monkeypatch):
    clips, (made, loader) = two_corpora(), network()
    expected = embed(made, clips, loader)
    for file in cache.glob("embedded/*/embeddings.npy"):
        content = file.read_bytes()
        if harm == "gone":
            file.unlink()
        elif harm == "pickle":
            np.save(file, np.array([object()]), allow_pickle=True)
        else:
            flipped = content[:-1] + bytes([content[-1] ^ 1])
            file.write_bytes({"cut": content[:-4], "flip": flipped, "empty": b""}[harm])
    forget(monkeypatch)
    again, loader = network()
    np.testing.assert_array_equal(embed(again, clips, loader), expected)
    assert again.encoder.asked == 10
    assert torch.isfinite(torch.from_numpy(expected)).all()
