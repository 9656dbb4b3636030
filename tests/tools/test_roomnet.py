"""How the room estimator is made and judged: training, the shipped weights in unseen rooms, the commands."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from scipy.stats import pearsonr

from serkit.acoustics import room
from tools.roomnet import rooms, score, training
from tools.roomnet.__main__ import main
from tools.roomnet.rooms import Examples
from tools.roomnet.training import Training, score_of

pytestmark = pytest.mark.usefixtures("one_thread")

TINY = Training(
    blocks=2,
    epochs=1,
    batch=5,
    examples=Examples(block=10, voices=1, phrases=2, image_source=0, stochastic=4, seconds=2.0),
)


@pytest.fixture(scope="module")
def net():
    return room.load()


# --- the shipped weights ---


def test_the_file_beside_the_weights_is_about_them():
    about = json.loads(room.WEIGHTS.with_suffix(".json").read_text())
    assert about["weights"] == room.digest()
    assert about["settings"] == training.settings_as_json(Training())  # what the command would make again


def test_errors_in_rooms_and_voices_never_heard(net):
    settings = Examples(block=80, voices=10, phrases=5, image_source=0, stochastic=50, snr_db=(10.0, 50.0))
    unseen = rooms.make_block(7_000_000, 0, settings)
    scores = score_of(unseen.truth, room.estimate(net, list(unseen.waves)))
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
    scores = score_of(block.truth, room.estimate(net, list(block.waves)))
    assert scores["t60_s"]["rmse"] < 0.25
    assert scores["t60_s"]["correlation"] > 0.9
    assert scores["c50_db"]["rmse"] < 3.0


def test_saved_weights_are_loaded_rounded(net, tmp_path):
    training.save(net, tmp_path / "w.npz")
    again = room.load(tmp_path / "w.npz")
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), again.parameters(), strict=True))
    assert room.digest(tmp_path / "w.npz") == room.digest()
    other = room.RoomNet()
    training.save(other, tmp_path / "w.npz")
    assert room.digest(tmp_path / "w.npz") != room.digest()


# --- training ---


def test_equal_settings_give_equal_weights():
    """With any number of processes: `tests/tools/test_rooms.py` holds that they make equal examples."""
    one, two, other = (training.trained(replace(TINY, seed=seed)).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["whole.1.weight"], other["whole.1.weight"])


def test_training_learns():
    rng = np.random.default_rng(0)
    truth = np.stack([rng.uniform(0.1, 1.5, 120), rng.uniform(-5, 30, 120)], axis=1)
    levels = rng.normal(size=(120, 40, 48)) * 0.1 + truth[:, :1, None]  # told by the level
    levels[:, :, :24] += truth[:, 1:, None] / 15
    settings = Training(epochs=10, batch=10, averaging=0.9, least_seconds=0.3)
    net = training.fit(levels.astype(np.float16), truth, settings)
    with torch.inference_mode():
        found = net(torch.from_numpy(levels).float()).numpy()
    for column in (0, 1):
        assert pearsonr(truth[:, column], found[:, column]).statistic > 0.9


# --- the commands ---


def called(*arguments):
    outcome = CliRunner().invoke(main, arguments)
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome


def test_scores_against_scipy():
    rng = np.random.default_rng(0)
    truth = np.stack([rng.uniform(0, 2, 50), rng.uniform(0, 35, 50)], axis=1)
    found = truth + rng.normal(size=truth.shape) + (0.5, -1)
    scores = score_of(truth, found)
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
    assert len(score.trimmed(wave)) == 100 + 2 * 400 - 1
    assert len(score.trimmed(np.zeros(100, np.float32))) == 0


def test_training_and_scoring_from_the_command_line(tmp_path):
    pytest.importorskip("pyroomacoustics")
    weights, scores = tmp_path / "w.npz", tmp_path / "deep" / "scores.json"
    assert called("train", "--quick", "--output", str(weights)).exit_code == 0
    about = json.loads(weights.with_suffix(".json").read_text())
    assert about["weights"] == room.digest(weights) != room.digest()
    outcome = called("score", "--quick", "--weights", str(weights), "--output", str(scores))
    assert outcome.exit_code == 0
    measured = json.loads(scores.read_text())
    assert measured["weights"] == about["weights"]
    assert list(measured["sets"]) == ["generated"]
    of = measured["sets"]["generated"]
    assert set(of["by_seconds"]) == {"4.0", "2.0", "1.0"}
    assert sum(each["n"] for each in of["by_snr_db"].values()) == of["all"]["n"] == 24
    assert "pedalboard" in of
    assert "generated" in outcome.stdout


def test_a_corpus_that_is_not_there_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_DATA", str(tmp_path))
    outcome = called("score", "emodb", "--quick", "--output", str(tmp_path / "s.json"))
    assert outcome.exit_code == 1
    assert "CorpusMissing" in outcome.stderr
    typed = called("score", "--study", "open", "ravdes")
    assert (typed.exit_code, "did you mean 'ravdess'?" in typed.stderr) == (2, True)
