"""By corpus or speaker: against scikit-learn's scaler, and by what a run hears and says."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn

from benchmark.report.choices import LEVEL_DBFS
from serkit import embeddings, heads, normalising
from serkit.corpora.reading.corpus import UNKNOWN_SPEAKER
from serkit.errors import SpecError
from serkit.loader import Loader
from serkit.specs import ModelSpec, Recipe
from serkit.train import embed
from tests.made_clips import FRONT_END, clips_of, noises

CLIPS = pd.DataFrame({"speaker": ["b", "a", "b", "c", "a", "b"]})


def test_groups_are_the_corpus_or_its_speakers():
    assert normalising.groups("corpus", CLIPS, "IT").tolist() == [0] * 6
    assert normalising.groups("speaker", CLIPS, "IT").tolist() == [0, 1, 0, 2, 1, 0]
    unknown = CLIPS.assign(speaker=["b", UNKNOWN_SPEAKER, UNKNOWN_SPEAKER, "c", "a", "b"])
    with pytest.raises(SpecError, match="2 clips of IT are of speakers that are not known"):
        normalising.groups("speaker", unknown, "IT")


def test_features_are_scaled_as_scikit_learn_does_for_each_group():
    random = np.random.default_rng(0)
    whole, some = random.normal(3, 2, (40, 5)), random.normal(2, 3, (9, 5))
    groups, of = random.integers(0, 3, 40), random.integers(0, 3, 9)
    whole[:, 2] = 7.0  # says nothing, and is left at 0
    some[:, 2] = 7.0
    found = normalising.standardised(some, of, whole, groups)
    for group in range(3):
        scaler = StandardScaler().fit(whole[groups == group])
        np.testing.assert_allclose(found[of == group], scaler.transform(some[of == group]), atol=1e-5)
    assert found.dtype == np.float32


def test_a_speaker_of_one_clip_is_at_the_middle():
    whole = np.random.default_rng(1).normal(size=(3, 4))
    found = normalising.standardised(whole, np.arange(3), whole, np.arange(3))
    np.testing.assert_array_equal(found, 0)


def test_gains_bring_each_group_to_one_level_and_leave_differences_within():
    waves = [wave // (number + 1) for number, wave in enumerate(noises(6, 3000, 9000))]
    clips, groups = clips_of(waves), normalising.groups("speaker", CLIPS, "IT")
    factors = normalising.gains(clips.packs[0], groups)
    for group in range(3):
        here = np.flatnonzero(groups == group)
        assert len(set(factors[here])) == 1
        together = np.concatenate([waves[at] / 32768 * factors[at] for at in here])
        assert 10 * np.log10(np.mean(np.square(together))) == pytest.approx(normalising.LEVEL_DBFS, abs=1e-3)
    silent = clips_of([np.zeros(500, dtype=np.int16)])
    assert normalising.gains(silent.packs[0], np.zeros(1, dtype=np.int64)).tolist() == [1.0]
    assert normalising.LEVEL_DBFS == LEVEL_DBFS


def test_the_loader_hears_clips_at_their_gain():
    waves = noises(4, 3000, 5000)
    clips, loader = clips_of(waves), Loader(FRONT_END, Recipe(), "cpu")
    factors = np.array([0.5, 2.0, 1.0, 0.25], dtype=np.float32)
    (plain,) = loader.load(clips, np.array([3, 1]))
    (heard,) = loader.load(dataclasses.replace(clips, gains=[factors]), np.array([3, 1]))
    torch.testing.assert_close(heard.waves, plain.waves * torch.tensor([[0.25], [2.0]]))
    some = dataclasses.replace(clips, gains=[factors])[np.array([2, 0])]
    assert some.gain.tolist() == [1.0, 0.5]


class Levels(nn.Module):
    """Level and mean of a clip."""

    width = 2

    def forward(self, waves, samples):
        return torch.stack([waves.square().sum(dim=1) / samples, waves.sum(dim=1) / samples], dim=1)


def test_embeddings_of_a_frozen_encoder_are_standardised_by_group(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path))
    monkeypatch.setattr(embeddings, "_READ", {})
    spec = ModelSpec(encoder="net.py:make", freeze=("encoder",))
    clips, loader = clips_of(noises(6, 3000, 9000)), Loader(FRONT_END, Recipe(), "cpu")
    groups = normalising.groups("speaker", CLIPS, "IT")
    bare, made = (heads.headed(spec, Levels(), 4) for _ in range(2))
    made.kept = embeddings.Kept(spec, "", loader, {clips.packs[0]: groups})
    plain, some = embed(bare, clips, loader), np.array([4, 0, 2])
    expected = normalising.standardised(plain, groups, plain, groups)
    np.testing.assert_allclose(embed(made, clips[some], loader), expected[some], atol=1e-6)
