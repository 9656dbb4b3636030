"""The room estimator: what estimates depend on and what not, the shipped weights, training, the commands."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import torchaudio
from click.testing import CliRunner
from scipy.stats import pearsonr

from benchmark import cli
from benchmark import rooms as commands
from serkit import roomnet, rooms
from serkit.errors import WeightsMissing
from serkit.roomnet import RATE_HZ, Training
from serkit.rooms import Examples
from serkit.specs import LABELS
from serkit.synthetic import make_clip

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = Training(
    blocks=2,
    epochs=1,
    batch=5,
    examples=Examples(block=10, voices=1, phrases=2, image_source=0, stochastic=4, seconds=2.0),
)


@pytest.fixture(scope="module")
def net():
    return roomnet.load()


@pytest.fixture(scope="module")
def unseen():
    """Examples of the scores' seeds, in stochastic rooms."""
    settings = Examples(block=80, voices=10, phrases=5, image_source=0, stochastic=50, snr_db=(10.0, 50.0))
    return rooms.make_block(7_000_000, 0, settings)


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
    assert np.abs(roomnet.features(wave[None])[0].numpy() - wanted).max() < 1e-3


# --- what an estimate depends on ---


def test_estimates_do_not_depend_on_level(net, unseen):
    waves = list(unseen.waves[:6])
    as_it_is = roomnet.estimate(net, waves)
    assert np.array_equal(roomnet.estimate(net, [wave * np.float32(2**-12) for wave in waves]), as_it_is)
    for factor in (1e-4, 0.3, 7000.0):
        assert roomnet.estimate(net, [wave * np.float32(factor) for wave in waves]) == pytest.approx(
            as_it_is, abs=2e-3
        )


def test_estimates_do_not_depend_on_the_other_clips(net, unseen):
    waves = [unseen.waves[0], unseen.waves[1][:20_000], np.zeros(9, np.float32), unseen.waves[2]]
    together = roomnet.estimate(net, waves)
    alone = np.concatenate([roomnet.estimate(net, [wave]) for wave in waves])
    assert np.array_equal(together, alone, equal_nan=True)
    assert np.array_equal(roomnet.estimate(net, waves[::-1])[::-1], together, equal_nan=True)
    assert roomnet.estimate(net, []).shape == (0, 2)


def test_zeros_around_a_clip_are_no_part_of_it(net):
    wave = speech(1)
    wave = wave[np.flatnonzero(wave)[0] : np.flatnonzero(wave)[-1] + 1]
    around = np.concatenate([np.zeros(5000, np.float32), wave, np.zeros(30_000, np.float32)])
    assert np.array_equal(roomnet.estimate(net, [around]), roomnet.estimate(net, [wave]))


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
    found = roomnet.estimate(net, odd)
    assert found.dtype == np.float64
    for column, (low, high) in enumerate((rooms.T60_RANGE_S, rooms.C50_RANGE_DB)):
        assert ((low <= found[:, column]) & (found[:, column] <= high)).all()


def test_what_cannot_be_estimated_is_nan(net):
    enough = round(roomnet.MIN_SECONDS * RATE_HZ)
    wave = np.random.default_rng(0).normal(size=enough).astype(np.float32)
    broken = wave.copy()
    broken[50] = np.nan
    clips = [wave, wave[:-1], np.zeros(32_000, np.float32), np.zeros(0, np.float32), broken]
    found = roomnet.estimate(net, clips)
    assert np.isfinite(found).all(axis=1).tolist() == [True, False, False, False, False]
    assert np.isnan(found[1:]).all()


# --- the shipped weights ---


def test_the_network_and_its_weights_are_small(net):
    assert sum(parameter.numel() for parameter in net.parameters()) < 100_000
    assert roomnet.WEIGHTS.stat().st_size < 400_000


def test_the_file_beside_the_weights_is_about_them():
    about = json.loads(roomnet.WEIGHTS.with_suffix(".json").read_text())
    assert about["weights"] == roomnet.digest()
    assert about["settings"] == roomnet.settings_as_json(Training())  # what the command would make again


def test_errors_in_rooms_and_voices_never_heard(net, unseen):
    scores = commands.score_of(unseen.truth, roomnet.estimate(net, list(unseen.waves)))
    assert scores["t60_s"]["rmse"] < 0.3
    assert scores["t60_s"]["correlation"] > 0.8
    assert scores["c50_db"]["rmse"] < 3.0
    assert scores["c50_db"]["correlation"] > 0.95


def test_errors_in_image_source_rooms_never_heard(net):
    pytest.importorskip("pyroomacoustics")
    settings = Examples(
        block=60, voices=8, phrases=5, image_source=6, stochastic=0, image_source_share=1.0, held_out=True
    )
    block = rooms.make_block(7_000_001, 0, settings)
    scores = commands.score_of(block.truth, roomnet.estimate(net, list(block.waves)))
    assert scores["t60_s"]["rmse"] < 0.25
    assert scores["t60_s"]["correlation"] > 0.9
    assert scores["c50_db"]["rmse"] < 3.0


def test_the_channels_of_the_synthetic_corpora_come_out_in_their_order(net):
    """A is dry, B has 0.5 s, C 0.2 s (`serkit.synthetic.CHANNELS`)."""
    median = {}
    for corpus in "ABC":
        clips = [make_clip(corpus, who, k, LABELS[k % 4]) for who in range(4) for k in range(6)]
        found = roomnet.estimate(net, [clip.astype(np.float32) for clip in clips])
        median[corpus] = np.nanmedian(found, axis=0)
    assert median["B"][0] > median["C"][0] + 0.1 > median["A"][0] + 0.2
    assert median["A"][1] > median["C"][1] + 3 > median["B"][1] + 6
    assert median["B"][0] == pytest.approx(0.5, abs=0.25)


def test_saved_weights_are_loaded_rounded(net, tmp_path):
    roomnet.save(net, tmp_path / "w.npz")
    again = roomnet.load(tmp_path / "w.npz")
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))
    assert roomnet.digest(tmp_path / "w.npz") == roomnet.digest()
    other = roomnet.RoomNet()
    roomnet.save(other, tmp_path / "w.npz")
    assert roomnet.digest(tmp_path / "w.npz") != roomnet.digest()


def test_weights_that_are_none_are_refused(tmp_path):
    with pytest.raises(WeightsMissing, match=r"none\.npz"):
        roomnet.load(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", weight=np.ones(3))
    with pytest.raises(WeightsMissing, match="rooms train"):
        roomnet.load(tmp_path / "other.npz")
    (tmp_path / "text.npz").write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(WeightsMissing):
        roomnet.load(tmp_path / "text.npz")


# --- training ---


def test_equal_settings_give_equal_weights():
    """With any number of processes: `tests/test_rooms.py` holds that they make equal examples."""
    one, two, other = (roomnet.train(replace(TINY, seed=seed)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["whole.1.weight"], other["whole.1.weight"])


def test_training_learns():
    rng = np.random.default_rng(0)
    truth = np.stack([rng.uniform(0.1, 1.5, 120), rng.uniform(-5, 30, 120)], axis=1)
    levels = rng.normal(size=(120, 40, 48)) * 0.1 + truth[:, :1, None]  # told by the level
    levels[:, :, :24] += truth[:, 1:, None] / 15
    settings = Training(epochs=10, batch=10, averaging=0.9, least_seconds=0.3)
    net = roomnet.fit(levels.astype(np.float16), truth, settings)
    with torch.inference_mode():
        found = net(torch.from_numpy(levels).float()).numpy()
    for column in (0, 1):
        assert pearsonr(truth[:, column], found[:, column]).statistic > 0.9


# --- the commands ---


def called(*arguments):
    outcome = CliRunner().invoke(cli.main, ["rooms", *arguments])
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome


def test_scores_against_scipy():
    rng = np.random.default_rng(0)
    truth = np.stack([rng.uniform(0, 2, 50), rng.uniform(0, 35, 50)], axis=1)
    found = truth + rng.normal(size=truth.shape) + (0.5, -1)
    scores = commands.score_of(truth, found)
    below = truth[:, 1] < 20
    for name, of, column in (
        ("t60_s", slice(None), 0),
        ("c50_db", slice(None), 1),
        ("c50_db_below_20", below, 1),
    ):
        off = found[of, column] - truth[of, column]
        assert scores[name]["n"] == len(off)
        assert scores[name]["rmse"] ** 2 == pytest.approx(off.var() + off.mean() ** 2)
        assert scores[name]["bias"] == pytest.approx(off.mean())
        wanted = pearsonr(truth[of, column], found[of, column]).statistic
        assert scores[name]["correlation"] == pytest.approx(wanted)


def test_edges_are_taken_off_clips():
    wave = np.concatenate([np.full(9000, 1e-3), np.ones(100), np.full(9000, -1e-3)]).astype(np.float32)
    assert len(commands.trimmed(wave)) == 100 + 2 * 400 - 1
    assert len(commands.trimmed(np.zeros(100, np.float32))) == 0


def test_training_and_scoring_from_the_command_line(tmp_path):
    pytest.importorskip("pyroomacoustics")
    weights, scores = tmp_path / "w.npz", tmp_path / "deep" / "scores.json"
    assert called("train", "--quick", "--output", str(weights)).exit_code == 0
    about = json.loads(weights.with_suffix(".json").read_text())
    assert about["weights"] == roomnet.digest(weights) != roomnet.digest()
    outcome = called("score", "--quick", "--weights", str(weights), "--output", str(scores))
    assert outcome.exit_code == 0
    measured = json.loads(scores.read_text())
    assert measured["weights"] == about["weights"]
    assert list(measured["sets"]) == ["generated"]
    of = measured["sets"]["generated"]
    assert set(of["by_seconds"]) == {"4.0", "2.0", "1.0"}
    assert sum(each["n"] for each in of["by_snr_db"].values()) == of["all"]["n"] == 24
    assert "pedalboard" in of
    assert measured["speed"]["clips_per_s"] > 0
    assert "generated" in outcome.stdout


def test_a_corpus_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_DATA", str(tmp_path))
    outcome = called("score", "emodb", "--quick", "--output", str(tmp_path / "s.json"))
    assert outcome.exit_code == 1
    assert "CorpusMissing" in outcome.stderr
    assert called("score", "--study", "open", "nobody").exit_code == 2
