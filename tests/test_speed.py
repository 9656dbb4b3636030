"""The speed command: that it measures what the training loop does and says what it found; no timings.

The libraries that it compares with are an extra that is not installed for the tests. What can be held without
them is: that their front ends do the same job, and the figures made of rounds. Their chains are exercised by
`python -m benchmark speed augment` alone.
"""

import json
import math
import sys

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from benchmark import cli
from benchmark.speed import augment as speed
from benchmark.speed.augment import Turn
from serkit import augment
from serkit.audio import FULL_SCALE
from serkit.frontend import NAMED, LogMel
from serkit.specs import Augmentation, Recipe
from serkit.train import _Loader

FRONT_END = NAMED[speed.FRONT_END]


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SERKIT_RESULTS", raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # else the command sets it for all tests
    for library in speed.LIBRARIES.values():
        monkeypatch.setitem(sys.modules, library, None)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def called(*arguments):
    outcome = CliRunner().invoke(cli.main, ["speed", "augment", *arguments])
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome


def numbers(value):
    """Every number in what JSON holds, but for settings and versions."""
    if isinstance(value, dict):
        for each in value.values():
            yield from numbers(each)
    elif isinstance(value, list):
        for each in value:
            yield from numbers(each)
    elif isinstance(value, int | float):
        yield value


def test_quick_run_without_the_extra(tmp_path):
    outcome = called("--quick", "--device", "cpu", "--threads", "1")
    assert outcome.exit_code == 0, outcome.stderr
    assert "audiomentations, torch-audiomentations. To install: pip install 'serkit[speed]'" in outcome.stdout
    rows = [line for line in outcome.stdout.splitlines() if line.startswith(("2.5 s", "5.7 s"))]
    assert [line.split("  ")[0] for line in rows] == ["2.5 s", "2.5 s", "5.7 s", "5.7 s"]
    assert [speed.OURS_VOCODER in line for line in rows] == [False, True, False, True]

    path = tmp_path / "results" / "speed" / "augment.json"
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    measured = json.loads(path.read_text())
    assert len(measured["cpu"]) == len(rows)
    assert measured["not_installed"] == list(speed.PEERS)
    assert measured["settings"]["rounds"] == 2
    assert {"torch", "pedalboard"} <= set(measured["environment"]["packages"])
    for row in measured["cpu"]:
        assert len(row["rounds"]) == 2
        found = list(numbers(row))
        assert len(found) > 12
        assert all(math.isfinite(each) and each > 0 for each in found)


def test_leaves_the_number_of_threads_as_it_was():
    torch.set_num_threads(2)
    with pytest.raises(ZeroDivisionError):
        speed.on_cpu(speed.settings(quick=True, threads=1), say=lambda line: 1 / 0)
    assert torch.get_num_threads() == 2


def test_says_that_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    outcome = called("--quick", "--device", "cuda")
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert "--device cpu" in outcome.stderr


def test_says_where_it_cannot_write_before_it_measures(tmp_path):
    (tmp_path / "file").touch()
    outcome = called("--quick", "--output", str(tmp_path / "file" / "augment.json"))
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith("ResultsUnwritable: ")
    assert "--output" in outcome.stderr


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"threads": 3}, (1, 3)), ({"threads": 1}, (1,)), ({"threads": 3, "quick": True}, (1, 3))],
)
def test_one_thread_is_always_measured(given, expected):
    assert speed.settings(**given).threads == expected


def test_what_is_given_goes_before_quick():
    chosen = speed.settings(quick=True, rounds=5, clips=16)
    assert (chosen.rounds, chosen.cpu_clips, chosen.gpu_clips) == (5, 16, 16)
    assert chosen.seconds < speed.settings().seconds


def test_measures_what_the_training_loop_loads():
    loader = _Loader(FRONT_END, Recipe(), "cpu", Augmentation(), speed.SEED)
    waves = speed.made_waves(3, 2.5, FRONT_END.rate_hz)
    ours = speed.Ours(loader, waves)
    ours()
    logmel, frames, masked = ours()  # the second epoch

    drawn = augment.draw(loader.augmentation, 100, speed.SEED, 1, 3)
    samples = np.full(3, waves.shape[1])
    wave, samples = loader.chain(torch.from_numpy(waves).float() / FULL_SCALE, samples, drawn)
    expected, valid = LogMel(FRONT_END)(wave, samples, drawn.stretch_rate)
    blanked = augment.masked_cells(valid, expected.shape[1], drawn, wave.device)
    assert drawn.affected.all()
    assert np.array_equal(frames, valid)
    assert torch.equal(masked, blanked)
    assert 0 < masked.float().mean() < 0.5
    assert torch.equal(logmel, expected.masked_fill(blanked, 0))


@pytest.mark.parametrize("seconds", speed.CLIP_SECONDS)
def test_front_ends_do_the_same_job(seconds):
    waves = torch.from_numpy(speed.made_waves(2, seconds, FRONT_END.rate_hz)).float() / FULL_SCALE
    expected, _ = LogMel(FRONT_END)(waves, np.full(2, waves.shape[1]))
    assert (speed.torchlibrosa_logmel(FRONT_END)(waves) - expected).abs().max() < 1e-2
    assert (speed.torchaudio_logmel(FRONT_END)(waves).transpose(1, 2) - expected).abs().max() < 1e-2


def test_reverberates_like_pedalboard_does():
    import pedalboard

    wave = speed.made_waves(1, 0.5, FRONT_END.rate_hz)[0].astype(np.float32) / FULL_SCALE
    spec = Augmentation(room_size=(0.1, 0.1), wet_level=(0.3, 0.3))
    expected = pedalboard.Reverb(room_size=0.1, wet_level=0.3, dry_level=0.4)(wave, FRONT_END.rate_hz)
    found = speed.reverberated(wave, FRONT_END.rate_hz, spec, np.random.default_rng(0))
    assert np.array_equal(found, expected)


def test_turns_rotate():
    order = []
    works = {name: lambda name=name: order.append(name) for name in "abc"}
    turns = speed.take_turns(works, rounds=4, seconds=1e-9, device="cpu")
    assert "".join(order) == "abc" + "abc" + "bca" + "cab" + "abc"  # warm-up, then rounds
    assert {name: len(of) for name, of in turns.items()} == {"a": 4, "b": 4, "c": 4}


def test_ratios_are_of_paired_rounds():
    # The machine is four times as slow in the second round: every ratio is the same, no rate is.
    turns = {
        speed.OURS: [Turn(4, 1.0, 1.0), Turn(1, 1.0, 1.0), Turn(4, 1.0, 1.0)],
        speed.PER_CLIP: [Turn(1, 2.0, 1.0), Turn(1, 8.0, 4.0), Turn(1, 2.0, 1.0)],
    }
    ours, theirs = speed.rows_of(turns, clips=10, clip_seconds=5.7, threads=2)
    assert ours["clips_per_s"] == {"median": 40, "q1": 25, "q3": 40}
    assert ours["clips_per_cpu_s"] == {"median": 40, "q1": 25, "q3": 40}
    assert ours["times_by_wall"] == {"median": 8, "q1": 8, "q3": 8}
    assert ours["times_by_cpu"] == {"median": 4, "q1": 4, "q3": 4}
    assert theirs["times_by_wall"]["median"] == theirs["times_by_cpu"]["median"] == 1


def test_share_of_a_step():
    ms = {
        speed.PLAIN: 2,
        speed.AUGMENTED: 5,
        speed.VOCODER: 8,
        speed.STEP: 20,
        speed.BOTH_PLAIN: 20,
        speed.BOTH: 21,
    }
    turns = {name: [Turn(1, value / 1e3, 1.0), Turn(3, 3 * value / 1e3, 1.0)] for name, value in ms.items()}
    row = speed.step_row(turns, clips=128, clip_seconds=5.7)
    assert row["ms_per_batch"][speed.STEP]["median"] == pytest.approx(20)
    assert row["clips_per_s"]["median"] == pytest.approx(25600)
    assert row["share_of_step"]["median"] == pytest.approx(0.15)
    assert row["share_of_step_vocoder"]["median"] == pytest.approx(0.3)
    assert row["share_in_training"]["median"] == pytest.approx(0.05)


def test_beside_a_step_on_any_device():
    settings = speed.Settings(seconds=1e-9, rounds=1, gpu_clips=2, width=2, clip_seconds=(1.0,))
    (row,) = speed.beside_step(settings, "cpu", say=lambda line: None)
    assert all(math.isfinite(each) for each in numbers(row))
    assert row["ms_per_batch"][speed.STEP]["median"] > 0
    environment = {"device_name": "x", "cpus": 1, "packages": {"torch": "2"}}
    measured = {"environment": environment, "date": "", "load_before": None, "not_installed": []}
    shown = speed.text({**measured, "cpu": [], "step": [row]})
    assert "2 clips of 1.0 s" in shown
    assert "augmentation adds, % of a step" in shown


def test_a_step_learns():
    loader = _Loader(FRONT_END, Recipe(), "cpu")
    step = speed.Step(loader, width=2)
    before = [each.clone() for each in step.model.parameters()]
    step(speed.Ours(loader, speed.made_waves(4, 1.0, FRONT_END.rate_hz))())
    assert all(not torch.equal(old, new) for old, new in zip(before, step.model.parameters(), strict=True))


def test_made_waves():
    waves = speed.made_waves(3, 2.5, 16000)
    assert (waves.shape, waves.dtype) == ((3, 40000), np.int16)
    assert np.array_equal(waves, speed.made_waves(3, 2.5, 16000))
    level = np.abs(waves).max(axis=1) / FULL_SCALE
    assert ((level > 0.15) & (level <= 0.25)).all()
    assert not np.array_equal(waves[0], waves[1])
