"""The speed command: that it measures what the training loop does and says what it found; no timings.

The libraries that it compares with are an extra that is not installed for the tests. What can be held without
them is: that their front ends do the same job, and the figures made of rounds. Their chains are exercised by
`python -m benchmark speed augment` alone.
"""

import json
import math
import sys
import types

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from benchmark import cli, speed
from benchmark.speed import augment, clips, ours, peers, turns
from benchmark.speed.turns import Turn
from serkit.audio import FULL_SCALE
from serkit.augment import draw, masked_cells
from serkit.frontend import NAMED, LogMel
from serkit.specs import Augmentation, Recipe

FRONT_END = NAMED[clips.FRONT_END]


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("SERKIT_RESULTS", "SERKIT_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # else the command sets it for all tests
    for library in peers.LIBRARIES.values():
        monkeypatch.setitem(sys.modules, library, None)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def called(*arguments):
    outcome = CliRunner().invoke(cli.main, ["speed", *arguments])
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
    outcome = called("augment", "--quick", "--device", "cpu", "--threads", "1")
    assert outcome.exit_code == 0, outcome.stderr
    assert "audiomentations, torch-audiomentations. To install: pip install 'serkit[speed]'" in outcome.stdout
    rows = [line for line in outcome.stdout.splitlines() if line.startswith(("2.5 s", "5.7 s"))]
    assert [line.split("  ")[0] for line in rows] == ["2.5 s", "2.5 s", "5.7 s", "5.7 s"]
    assert [augment.OURS_VOCODER in line for line in rows] == [False, True, False, True]

    path = tmp_path / "results" / "speed" / "augment.json"
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    written = json.loads(path.read_text())
    assert (written["section"], list(written["devices"])) == ("augment", ["cpu"])
    assert written["settings"]["rounds"] == 2
    assert not {"data", "folder"} & set(written["settings"])  # where things lie here is nobody's business
    here = written["devices"]["cpu"]
    assert {"torch", "pedalboard"} <= set(here["environment"]["packages"])
    assert here["measured"]["not_installed"] == list(peers.PEERS)
    assert len(here["measured"]["chains"]) == len(rows)
    for row in here["measured"]["chains"]:
        assert len(row["rounds"]) == 2
        found = list(numbers(row))
        assert len(found) > 12
        assert all(math.isfinite(each) and each > 0 for each in found)


def put(monkeypatch, name, measure):
    """A section whose `measure` is given and whose text is what it measured."""
    module = types.ModuleType(f"made_{name}")
    module.measure, module.text = measure, str
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(speed.SECTIONS, name, module.__name__)


def test_a_section_that_cannot_be_measured_is_left_out(tmp_path, monkeypatch):
    def lacking(settings, device, say):
        raise speed.SectionSkipped("no corpora")

    put(monkeypatch, "augment", lacking)
    put(monkeypatch, "logmel", lambda settings, device, say: {"found": settings.rounds})
    outcome = called("logmel", "augment", "--rounds", "3", "--device", "cpu")
    assert outcome.exit_code == 0
    assert outcome.stderr == "augment, cpu: left out. no corpora\n"
    assert "{'found': 3}" in outcome.stdout
    assert [path.name for path in (tmp_path / "results" / "speed").iterdir()] == ["logmel.json"]


def test_nothing_measured_is_a_failure(monkeypatch):
    def lacking(settings, device, say):
        raise speed.SectionSkipped("no corpora")

    put(monkeypatch, "augment", lacking)
    outcome = called("augment", "--device", "cpu")
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert "no corpora" in outcome.stderr


@pytest.mark.parametrize(
    ("there", "asked", "expected"),
    [
        (False, "auto", {"augment": ["cpu"], "step": ["cpu"]}),
        (True, "auto", {"augment": ["cpu", "cuda"], "step": ["cuda"]}),
        (True, "cpu", {"augment": ["cpu"], "step": ["cpu"]}),
        (True, "cuda", {"augment": ["cuda"], "step": ["cuda"]}),
    ],
)
def test_what_is_measured_where(monkeypatch, tmp_path, there, asked, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    for name in expected:
        put(monkeypatch, name, lambda settings, device, say: {"at": device})
    shown = []
    speed.run_sections(["step", "augment"], speed.Settings(folder=tmp_path), asked, print, shown.append)
    written = {name: json.loads((tmp_path / f"{name}.json").read_text())["devices"] for name in expected}
    assert {name: list(devices) for name, devices in written.items()} == expected
    assert all(here["measured"] == {"at": at} for devices in written.values() for at, here in devices.items())
    assert [text.split(",")[0] for text in shown] == ["augment", "step"]


def test_leaves_the_number_of_threads_as_it_was():
    torch.set_num_threads(2)
    with pytest.raises(ZeroDivisionError), turns.threads(1):
        1 / (torch.get_num_threads() - 1)
    assert torch.get_num_threads() == 2


def test_says_that_there_is_no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    outcome = called("augment", "--quick", "--device", "cuda")
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert "--device cpu" in outcome.stderr


def test_says_where_it_cannot_write_before_it_measures(tmp_path):
    (tmp_path / "file").touch()
    outcome = called("augment", "--quick", "--output", str(tmp_path / "file" / "speed"))
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith("ResultsUnwritable: ")
    assert "--output" in outcome.stderr


def test_says_that_there_is_no_such_study():
    outcome = called("augment", "--quick", "--study", "nobody")
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert "'nobody'" in outcome.stderr


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"threads": 3}, (1, 3)), ({"threads": 1}, (1,)), ({"threads": 3, "quick": True}, (1, 3))],
)
def test_one_thread_is_always_measured(given, expected):
    assert speed.settings(**given).threads == expected


def test_what_is_given_goes_before_quick():
    chosen = speed.settings(quick=True, rounds=5, clips=16)
    assert (chosen.rounds, chosen.clips) == (5, 16)
    assert chosen.seconds < speed.settings().seconds


def test_loads_what_the_training_loop_loads():
    loader = ours.Loader(FRONT_END, Recipe(), "cpu", Augmentation(), clips.SEED)
    waves = clips.made_waves(3, 2.5, FRONT_END.rate_hz)
    load = ours.Load(loader, clips.packed(waves, FRONT_END.rate_hz))
    load()
    logmel, frames, masked = augment.masked(load)  # the second epoch

    drawn = draw(loader.augmentation, 100, clips.SEED, 1, 3)
    samples = np.full(3, waves.shape[1])
    wave, samples = loader.chain(torch.from_numpy(waves).float() / FULL_SCALE, samples, drawn)
    expected, valid = LogMel(FRONT_END)(wave, samples, drawn.stretch_rate)
    blanked = masked_cells(valid, expected.shape[1], drawn, wave.device)
    assert drawn.affected.all()
    assert np.array_equal(frames, valid)
    assert torch.equal(masked, blanked)
    assert 0 < masked.float().mean() < 0.5
    assert torch.equal(logmel, expected.masked_fill(blanked, 0))


@pytest.mark.parametrize("seconds", augment.CLIP_SECONDS)
def test_front_ends_do_the_same_job(seconds):
    waves = torch.from_numpy(clips.made_waves(2, seconds, FRONT_END.rate_hz)).float() / FULL_SCALE
    expected, _ = LogMel(FRONT_END)(waves, np.full(2, waves.shape[1]))
    assert (peers.torchlibrosa_logmel(FRONT_END)(waves) - expected).abs().max() < 1e-2
    assert (peers.torchaudio_logmel(FRONT_END)(waves).transpose(1, 2) - expected).abs().max() < 1e-2


def test_reverberates_like_pedalboard_does():
    import pedalboard

    wave = clips.made_waves(1, 0.5, FRONT_END.rate_hz)[0].astype(np.float32) / FULL_SCALE
    spec = Augmentation(room_size=(0.1, 0.1), wet_level=(0.3, 0.3))
    expected = pedalboard.Reverb(room_size=0.1, wet_level=0.3, dry_level=0.4)(wave, FRONT_END.rate_hz)
    found = peers.reverberated(wave, FRONT_END.rate_hz, spec, np.random.default_rng(0))
    assert np.array_equal(found, expected)


def test_turns_rotate():
    order = []
    works = {name: lambda name=name: order.append(name) for name in "abc"}
    taken = turns.take_turns(works, rounds=4, seconds=1e-9, device="cpu")
    assert "".join(order) == "abc" + "abc" + "bca" + "cab" + "abc"  # warm-up, then rounds
    assert {name: len(of) for name, of in taken.items()} == {"a": 4, "b": 4, "c": 4}


def test_ratios_are_of_paired_rounds():
    # The machine is four times as slow in the second round: every ratio is the same, no rate is.
    taken = {
        augment.OURS: [Turn(4, 1.0, 1.0), Turn(1, 1.0, 1.0), Turn(4, 1.0, 1.0)],
        peers.PER_CLIP: [Turn(1, 2.0, 1.0), Turn(1, 8.0, 4.0), Turn(1, 2.0, 1.0)],
    }
    mine, theirs = augment.rows_of(taken, clips=10, clip_seconds=5.7, threads=2)
    assert mine["clips_per_s"] == pytest.approx({"median": 40, "q1": 25, "q3": 40})
    assert mine["clips_per_cpu_s"] == pytest.approx({"median": 40, "q1": 25, "q3": 40})
    assert mine["times_by_wall"] == pytest.approx({"median": 8, "q1": 8, "q3": 8})
    assert mine["times_by_cpu"] == pytest.approx({"median": 4, "q1": 4, "q3": 4})
    assert theirs["times_by_wall"]["median"] == theirs["times_by_cpu"]["median"] == 1


def test_a_step_learns():
    step = ours.Step(ours.Loader(FRONT_END, Recipe(), "cpu"), width=2)
    before = [each.clone() for each in step.model.parameters()]
    waves = clips.made_waves(4, 1.0, FRONT_END.rate_hz)
    step(ours.Load(step.loader, clips.packed(waves, FRONT_END.rate_hz))())
    assert all(not torch.equal(old, new) for old, new in zip(before, step.model.parameters(), strict=True))


def test_made_waves():
    waves = clips.made_waves(3, 2.5, 16000)
    assert (waves.shape, waves.dtype) == ((3, 40000), np.int16)
    assert np.array_equal(waves, clips.made_waves(3, 2.5, 16000))
    level = np.abs(waves).max(axis=1) / FULL_SCALE
    assert ((level > 0.15) & (level <= 0.25)).all()
    assert not np.array_equal(waves[0], waves[1])


def test_made_lengths():
    seconds = clips.made_lengths(20_000, 16000) / 16000
    assert seconds.mean() == pytest.approx(clips.MEAN_SECONDS, abs=0.05)
    assert (seconds.min() >= 2, seconds.max() <= 11) == (True, True)
    assert (seconds < 3).any()
    assert (seconds > 10).any()


def test_packed_lengths():
    lengths = np.array([16000, 4000, 2_000_000])  # the last is longer than the wave that pieces are of
    made = clips.packed_lengths(lengths, 16000)
    assert np.array_equal(made.lengths, lengths)
    read = made.read(np.arange(3), np.zeros(3, dtype=np.int64), lengths, 1)
    assert all(read[clip, :length].any() for clip, length in enumerate(lengths))


@pytest.mark.parametrize(
    ("study", "train", "percent"),
    [
        ("ravdess-emodb", {"ravdess", "emodb"}, 100),
        ("synthetic", {"synmsp", "syniemocap", "syncremad"}, 100),
    ],
)
def test_the_condition_of_a_study(study, train, percent):
    spec = clips.condition(study)
    assert (set(spec.train), spec.augment_percent) == (train, percent)
