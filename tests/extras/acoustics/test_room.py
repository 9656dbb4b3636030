"""The room estimator: what estimates depend on and what not, the shipped weights."""

import numpy as np
import pytest
import torch
import torchaudio

from serkit.acoustics import room
from serkit.acoustics.room import C50_RANGE_DB, RATE_HZ, T60_RANGE_S
from serkit.errors import WeightsMissing
from serkit.labels import LABELS
from serkit.worlds.world import make_clip

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def net():
    return room.load()


def speech(number, samples=32_000):
    clips = [make_clip("A", number, k, LABELS[k % 4]) for k in range(4)]
    return np.concatenate(clips)[:samples].astype(np.float32) / 32768


# --- features ---


def test_features_are_a_mel_spectrogram_relative_to_the_loud_frames():
    wave = torch.from_numpy(speech(0))
    mel = torchaudio.transforms.MelSpectrogram(
        RATE_HZ, n_fft=512, win_length=400, hop_length=160, f_min=50, f_max=8000, n_mels=48, center=False
    )(wave).T.numpy()
    level_db = 10 * np.log10(mel / np.quantile(mel.mean(axis=1), 0.95))
    wanted = np.maximum(level_db, -70) / 35 + 1
    assert np.abs(room.features(wave[None])[0].numpy() - wanted).max() < 1e-3


# --- what an estimate depends on ---


def test_estimates_do_not_depend_on_level(net):
    waves = [speech(number) for number in range(6)]
    as_it_is = room.estimate(net, waves)
    assert np.array_equal(room.estimate(net, [wave * np.float32(2**-12) for wave in waves]), as_it_is)
    for factor in (1e-4, 0.3, 7000.0):
        assert room.estimate(net, [wave * np.float32(factor) for wave in waves]) == pytest.approx(
            as_it_is, abs=2e-3
        )


def test_estimates_do_not_depend_on_the_other_clips(net):
    waves = [speech(0), speech(1)[:20_000], np.zeros(9, np.float32), speech(2)]
    together = room.estimate(net, waves)
    alone = np.concatenate([room.estimate(net, [wave]) for wave in waves])
    assert np.array_equal(together, alone, equal_nan=True)
    assert np.array_equal(room.estimate(net, waves[::-1])[::-1], together, equal_nan=True)
    assert room.estimate(net, []).shape == (0, 2)


def test_zeros_around_a_clip_are_no_part_of_it(net):
    wave = speech(1)
    wave = wave[np.flatnonzero(wave)[0] : np.flatnonzero(wave)[-1] + 1]
    around = np.concatenate([np.zeros(5000, np.float32), wave, np.zeros(30_000, np.float32)])
    assert np.array_equal(room.estimate(net, [around]), room.estimate(net, [wave]))


def test_whatever_sounds_gets_an_estimate_within_the_ranges(net):
    noise = np.random.default_rng(0).normal(size=48_000).astype(np.float32)
    click = np.full(48_000, 1e-9, np.float32)
    click[20_000] = 1.0
    odd = [
        noise,
        noise * np.float32(1e-20),
        np.sin(np.arange(48_000) * 0.1).astype(np.float32),
        np.ones(48_000, np.float32),
        click,
        np.clip(speech(0) * 100, -1, 1),
        np.sign(noise),
    ]
    found = room.estimate(net, odd)
    assert found.dtype == np.float64
    for column, (low, high) in enumerate((T60_RANGE_S, C50_RANGE_DB)):
        assert ((low <= found[:, column]) & (found[:, column] <= high)).all()


def test_what_cannot_be_estimated_is_nan(net):
    enough = round(room.MIN_SECONDS * RATE_HZ)
    wave = np.random.default_rng(0).normal(size=enough).astype(np.float32)
    broken = wave.copy()
    broken[50] = np.nan
    clips = [wave, wave[:-1], np.zeros(32_000, np.float32), np.zeros(0, np.float32), broken]
    found = room.estimate(net, clips)
    assert np.isfinite(found).all(axis=1).tolist() == [True, False, False, False, False]
    assert np.isnan(found[1:]).all()


# --- the shipped weights ---


def test_the_network_and_its_weights_are_small(net):
    assert sum(parameter.numel() for parameter in net.parameters()) < 100_000
    assert room.WEIGHTS.stat().st_size < 400_000


def test_the_channels_of_the_synthetic_corpora_come_out_in_their_order(net):
    """A is dry, B has 0.5 s, C 0.2 s (`serkit.worlds.world.CHANNELS`)."""
    median = {}
    for corpus in "ABC":
        clips = [make_clip(corpus, who, k, LABELS[k % 4]) for who in range(4) for k in range(6)]
        found = room.estimate(net, [clip.astype(np.float32) for clip in clips])
        median[corpus] = np.nanmedian(found, axis=0)
    assert median["B"][0] > median["C"][0] + 0.1 > median["A"][0] + 0.2
    assert median["A"][1] > median["C"][1] + 3 > median["B"][1] + 6
    assert median["B"][0] == pytest.approx(0.5, abs=0.25)


def test_weights_that_are_none_are_refused(tmp_path):
    with pytest.raises(WeightsMissing, match=r"none\.npz"):
        room.load(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", weight=np.ones(3))
    with pytest.raises(WeightsMissing, match="roomnet train"):
        room.load(tmp_path / "other.npz")
    (tmp_path / "text.npz").write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(WeightsMissing):
        room.load(tmp_path / "text.npz")
