"""The speed command: that it measures what the training loop does and says what it found; no timings.

The libraries that it compares with are an extra that is not installed for the tests. What can be held without
them is: that their front ends do the same job, and the figures made of rounds. Their chains are exercised by
`python -m tools.speed augment` alone.
"""

import json
import math
import sys
import types

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from serkit.audio import FULL_SCALE
from serkit.augment import Augmenting, draw
from serkit.encoders.cnn14.logmel import NAMED, LogMel, masked_cells
from serkit.errors import SerkitError
from serkit.loader import Loader
from serkit.specs import Augmentation, Recipe
from tools import speed
from tools.speed import augment, clips, ours, peers, step, turns
from tools.speed.__main__ import main
from tools.speed.turns import Turn

FRONT_END = NAMED[clips.FRONT_END]


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("SERKIT_RESULTS", "SERKIT_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # else the command sets it for all tests
    monkeypatch.setattr(peers, "installed", lambda: False)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def called(*arguments):
    outcome = CliRunner().invoke(main, [*arguments])
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
    assert "audiomentations. To install: pip install 'serkit[speed]'" in outcome.stdout
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
    assert here["measured"]["compared"] is False
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
        raise SerkitError("no corpora")

    put(monkeypatch, "augment", lacking)
    put(monkeypatch, "step", lambda settings, device, say: {"found": settings.rounds})
    outcome = called("step", "augment", "--rounds", "3", "--device", "cpu")
    assert outcome.exit_code == 0
    assert outcome.stderr == "augment, cpu: left out. no corpora\n"
    assert "{'found': 3}" in outcome.stdout
    assert [path.name for path in (tmp_path / "results" / "speed").iterdir()] == ["step.json"]


def test_nothing_measured_is_a_failure(monkeypatch):
    def lacking(settings, device, say):
        raise SerkitError("no corpora")

    put(monkeypatch, "augment", lacking)
    outcome = called("augment", "--device", "cpu")
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert "no corpora" in outcome.stderr


@pytest.mark.parametrize(
    ("there", "asked", "expected"),
    [(False, "auto", "cpu"), (True, "auto", "cuda"), (True, "cpu", "cpu"), (True, "cuda", "cuda")],
)
def test_what_is_measured_where(monkeypatch, tmp_path, there, asked, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "a GPU")
    for name in ("augment", "step"):
        put(monkeypatch, name, lambda settings, device, say: {"at": device})
    shown = []
    speed.run_sections(["augment", "step"], speed.Settings(folder=tmp_path), asked, print, shown.append)
    for name in ("augment", "step"):
        written = json.loads((tmp_path / f"{name}.json").read_text())["devices"]
        assert {device: here["measured"] for device, here in written.items()} == {expected: {"at": expected}}
    assert [text.split(",")[0] for text in shown[::3]] == ["step", "augment"]


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
    loader = Loader(FRONT_END, Recipe(), "cpu", Augmenting(Augmentation()), clips.SEED)
    waves = clips.made_waves(3, 2.5, FRONT_END.rate_hz)
    load = ours.Load(loader, clips.packed(waves, FRONT_END.rate_hz))
    load()
    logmel, frames, masked = augment.masked(load)  # the second batch

    drawn = draw(loader.augmenting, clips.SEED, 0, 6)[3:]
    samples = np.full(3, waves.shape[1])
    wave, samples = loader.chain(torch.from_numpy(waves).float() / FULL_SCALE, samples, drawn)
    expected, valid = LogMel(FRONT_END)(wave, samples, drawn.stretch_rate)
    blanked = masked_cells(valid, expected.shape[1], drawn, wave.device)
    assert drawn.affected.all()
    assert np.array_equal(frames, valid)
    assert torch.equal(masked, blanked)
    assert 0 < masked.float().mean() < 0.5
    assert torch.equal(logmel, expected.masked_fill(blanked, 0))


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
    mine, theirs = augment.rows_of(taken, clips=10, clip_seconds=5.7)
    assert mine["clips_per_s"] == pytest.approx({"median": 40, "q1": 25, "q3": 40})
    assert mine["clips_per_cpu_s"] == pytest.approx({"median": 40, "q1": 25, "q3": 40})
    assert mine["times_by_wall"] == pytest.approx({"median": 8, "q1": 8, "q3": 8})
    assert mine["times_by_cpu"] == pytest.approx({"median": 4, "q1": 4, "q3": 4})
    assert theirs["times_by_wall"]["median"] == theirs["times_by_cpu"]["median"] == 1


def test_a_step_learns():
    step = ours.Step(Loader(FRONT_END, Recipe(), "cpu"), width=2)
    before = [each.clone() for each in step.model.parameters()]
    waves = clips.made_waves(4, 1.0, FRONT_END.rate_hz)
    step(ours.Load(step.loader, clips.packed(waves, FRONT_END.rate_hz))())
    assert all(not torch.equal(old, new) for old, new in zip(before, step.model.parameters(), strict=True))


def test_flop_are_those_of_the_layers():
    width, count, frames = 2, 2, 32  # one frame is left after five poolings
    waves = clips.made_waves(count, FRONT_END.min_samples / FRONT_END.rate_hz, FRONT_END.rate_hz)
    work = ours.Step(Loader(FRONT_END, Recipe(), "cpu"), width)
    inputs = ours.Load(work.loader, clips.packed(waves, FRONT_END.rate_hz))()
    assert inputs[0].shape == (count, frames, 64)
    forward, before = 0, 1
    for block in range(6):
        channels = width * 2**block
        cells = (frames >> block) * (64 >> block)
        forward += 2 * 9 * cells * channels * (before + channels)
        before = channels
    forward += 2 * before * (before + 4)
    assert step.flop_of(lambda: work(inputs)) == 3 * count * forward  # backward: inputs and weights


def test_figures_of_a_step():
    ms = {
        step.PRODUCT: 2,
        step.LOAD: 6,
        step.NETWORK_PLAIN: 16,
        step.NETWORK: 18,
        step.BOTH_PLAIN: 20,
        step.BOTH: 24,
    }
    # Half as fast in the second round: rates differ, shares do not.
    rounds = {name: np.array([each, 2 * each]) for name, each in ms.items()}
    found = step.figures(rounds, batch=128, flop=8 * 10**9, flop_of_product=4 * 10**9)
    assert found["tflops"][step.PRODUCT] == pytest.approx({"median": 1.5, "q1": 1.25, "q3": 1.75})
    assert found["ms_per_batch"][step.BOTH]["q1"] == pytest.approx(30)
    assert found["clips_per_s"][step.NETWORK_PLAIN]["q3"] == pytest.approx(7000)
    assert found["tflops"][step.BOTH_PLAIN]["q3"] == pytest.approx(0.35)
    expected = {
        ("of_the_product", step.NETWORK_PLAIN): 0.25,
        ("of_the_product", step.BOTH): 1 / 6,
        ("of_the_step", "not network, 0 %"): 0.2,
        ("of_the_step", "not network, 100 %"): 0.25,
        ("of_the_step", "augmentation adds"): 0.2,
        ("of_the_step", "augmentation adds in the network"): 0.125,
    }
    for (kind, name), share in expected.items():
        assert found[kind][name] == pytest.approx({"median": share, "q1": share, "q3": share})


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        ([1.0, 1.0], 0),
        ([1.0, 2.0], 1 - (51 + 101) / 202),  # a frame every 20 ms, one more at the end
        ([1.0, 9.0], 1 - (51 + 101) / 202),  # cropped to 2 s
        ([0.1, 2.0], 1 - (32 + 101) / 202),  # the shortest that CNN14 takes
    ],
)
def test_padding(seconds, expected):
    assert padding_of(seconds, batch_clips=2) == pytest.approx(expected)


def test_padding_counts_rounded_batches():
    found = padding_of([1.0, 2.0], batch_clips=2, multiple=8)
    assert found == pytest.approx(1 - (51 + 101) / (2 * 104))


def test_padding_counts_stretched_clips():
    """All clips of a length are one batch: none fits its longest, the slowest."""
    assert padding_of([2.0] * 64, batch_clips=64) == 0
    # Rates are uniform, so lengths are as 1 / rate, and the longest of 64 is nearly the longest there can be.
    slowest, fastest = Augmentation().stretch_rate
    mean = np.log(fastest / slowest) / (fastest - slowest)
    expected = pytest.approx(1 - mean * slowest, abs=0.02)
    assert padding_of([2.0] * 64, batch_clips=64, percent=100) == expected


def padding_of(seconds, batch_clips, percent=0, multiple=1):
    lengths = np.round(np.array(seconds) * FRONT_END.rate_hz).astype(np.int64)
    recipe = Recipe(batch_size=batch_clips, max_seconds=2.0)
    return step.padding(recipe, clips.packed_lengths(lengths, FRONT_END.rate_hz), percent, multiple)


def event(key, ms, kind="CPU", annotation=False):
    own = {"CPU": "self_cpu_time_total", "CUDA": "self_device_time_total"}[kind]
    device = getattr(torch.autograd.DeviceType, kind)
    return types.SimpleNamespace(
        key=key, device_type=device, is_user_annotation=annotation, **{own: 1e3 * ms}
    )


def test_times_in_a_trace():
    events = [event("aten::mm", 4), event("aten::add", 2), event("_MaskedBatchNorm", 1)]
    found = step.times_in([*events, event("Optimizer.step#Adam.step", 7)])
    assert found == {"kernels_ms": 0, "by_name": {"aten::mm": 4, "aten::add": 2}}
    events += [
        event("sm90_gemm", 8, "CUDA"),
        event("Memcpy HtoD (Pinned -> Device)", 2, "CUDA"),
        event("Optimizer.step#Adam.step", 11, "CUDA", annotation=True),
    ]
    found = step.times_in(events)
    assert found["kernels_ms"] == 10
    assert list(found["by_name"]) == [each.key for each in events[3:5]]


def test_quick_step_is_shown_and_written(tmp_path):
    outcome = called("step", "--quick", "--device", "cpu", "--threads", "1", "--rounds", "1")
    assert outcome.exit_code == 0, outcome.stderr
    written = json.loads((tmp_path / "results" / "speed" / "step.json").read_text())
    measured = written["devices"]["cpu"]["measured"]
    assert len(list(numbers(measured))) > 20
    assert all(math.isfinite(each) for each in numbers(measured))
    assert "aten::_fft_r2c" in measured["real"]["by_name_ms"]
    assert "padding, 100 %" in outcome.stdout
    gpu = {"idle": {"median": 0.25, "q1": 0.2, "q3": 0.3}, "network": {"median": 0.5, "q1": 0.5, "q3": 0.5}}
    shown = step.text({**measured, "device": "cuda", "real": measured["real"] | gpu})
    assert "25.0 (20.0-30.0)" in shown


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
    pieces = np.split(made.packs[0].samples, made.packs[0].offsets[1:-1])
    assert [len(piece) for piece in pieces] == list(lengths)
    assert all(piece[-1000:].any() for piece in pieces)


@pytest.mark.parametrize(
    ("study", "train", "percent"),
    [
        ("open-small", {"ravdess", "emodb"}, 100),
        ("synthetic", {"synmsp", "syniemocap", "syncremad"}, 100),
    ],
)
def test_the_condition_of_a_study(study, train, percent):
    spec = clips.condition(study)
    assert (set(spec.train), spec.augment_percent) == (train, percent)
