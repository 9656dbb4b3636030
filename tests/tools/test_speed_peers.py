"""The usual way of training that ours is compared with, and the sections that compare; no timings.

The libraries of the peers' chain are an extra that is not installed for the tests: sections then compare what
they can. Whole rounds are run by `python -m tools.speed` alone.
"""

import functools
import json
import math
import os
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from torch import nn

from serkit import augment
from serkit.audio import decode
from serkit.encoders.cnn14 import stock_models
from serkit.encoders.cnn14.logmel import NAMED
from serkit.labels import LABELS
from serkit.packs import Pack
from tools.speed import Settings, epoch, peers, pipeline, stock, turns
from tools.speed import settings as make_settings
from tools.speed.clips import FRONT_END, condition, made_waves, packed_lengths

PAPER = NAMED[FRONT_END]

pytestmark = pytest.mark.filterwarnings("ignore:Empty filters detected")


LAYERS, PINK_NOISE = functools.cache(peers.torchlibrosa_layers), functools.cache(augment.PinkNoise)
"""Made once: nothing changes them, and each takes a tenth of a second and more."""


@pytest.fixture(autouse=True)
def _alone(monkeypatch, one_thread):
    for module in (stock, pipeline):
        monkeypatch.setattr(module, "torchlibrosa_layers", LAYERS)
    monkeypatch.setattr(augment, "PinkNoise", PINK_NOISE)
    for module in (epoch, pipeline):
        monkeypatch.setattr(module, "installed", lambda: False)


@pytest.fixture
def quick(tmp_path):
    return make_settings(quick=True, rounds=1, threads=1, folder=tmp_path)


@pytest.fixture
def files(tmp_path):
    """Six clips: 1.0 to 1.5 s at 16 kHz, sample values that tell them apart."""
    lengths = 16000 + 1600 * np.arange(6)
    paths = [tmp_path / f"{number}.flac" for number in range(6)]
    for number, path in enumerate(paths):
        soundfile.write(path, np.full(lengths[number], (number + 1) / 16), 16000)
    return SimpleNamespace(paths=paths, lengths=lengths, labels=np.arange(6) % 4)


def finite(value):
    """Whether every number in what JSON holds is one."""
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    if isinstance(value, list):
        return all(map(finite, value))
    return not isinstance(value, float) or math.isfinite(value)


# --- the network ---


@torch.inference_mode()
def test_the_stock_class_at_full_width(monkeypatch):
    tile = 0.04 * torch.randn(9973, generator=torch.Generator().manual_seed(0))

    def tiled(weight):  # as good as random, and a tenth of the time
        weight.copy_(tile.repeat(-(-weight.numel() // len(tile)))[: weight.numel()].view_as(weight))

    with monkeypatch.context() as patched:
        patched.setattr(nn.init, "kaiming_uniform_", lambda *_, **__: None)
        patched.setattr(nn.init, "xavier_uniform_", tiled)
        ours = stock.Cnn14(64, PAPER).eval()
        patched.setattr(nn.init, "xavier_uniform_", lambda *_, **__: None)  # all are replaced
        theirs = stock_models().Cnn14(32000, 1024, 320, 64, 50, 14000, 527).eval()
    missing, unknown = theirs.load_state_dict(ours.base.state_dict(), strict=False, assign=True)
    assert (missing, unknown) == (["fc_audioset.weight", "fc_audioset.bias"], [])

    waves = torch.from_numpy(made_waves(1, 0.7, 16000)) / 32768
    expected = theirs(waves)["embedding"]
    assert expected.std() > 0
    assert torch.equal(ours.base(waves)["embedding"], expected)
    assert torch.equal(ours(waves), nn.functional.linear(expected, ours.head.weight, ours.head.bias))


@pytest.mark.parametrize("name", ["paper-loaded", "native-16k"])
def test_a_narrow_stock_class(name):
    network = stock.Cnn14(2, NAMED[name])
    stock_channels = [64, 128, 256, 512, 1024, 2048]
    blocks = [network.base.get_submodule(f"conv_block{i}").conv2.out_channels for i in range(1, 7)]
    assert [64 * width / 2 for width in blocks] == stock_channels
    assert network(torch.zeros(3, 16000)).shape == (3, 4)
    trained = {key for key, value in network.named_parameters() if value.requires_grad}
    assert not any("extractor" in key for key in trained)
    assert {"base.bn0.weight", "base.fc1.bias", "head.weight"} <= trained


def test_the_stock_classs_own_spec_augment_is_off(monkeypatch):
    monkeypatch.setattr(torch.nn.functional, "dropout", lambda x, *_, **__: x)
    network = stock.Cnn14(2, PAPER).train()
    waves = torch.from_numpy(made_waves(2, 1.0, 16000)) / 32768
    assert torch.equal(network(waves), network(waves))


def test_it_learns(tmp_path):
    """White noise from brown noise, one batch an epoch."""
    white = made_waves(1, 0.7, 16000)[0] / 32768
    brown = np.cumsum(white) - np.cumsum(white).mean()
    paths = [tmp_path / f"{number}.wav" for number in range(4)]
    for number, path in enumerate(paths):
        soundfile.write(path, 0.2 * brown / np.abs(brown).max() if number % 2 else white, 16000)
    torch.manual_seed(0)
    clips = stock.AudioFiles(paths, np.arange(4) % 2, PAPER, 10.0)
    training = stock.Training(stock.Cnn14(2, PAPER), 1e-2, "cpu")
    learnt = stock.batches(clips, 4, workers=0)
    losses = [training.epoch(learnt) for _ in range(16)]
    assert np.mean(losses[-4:]) < 0.5 * np.mean(losses[:4])
    assert training.worker_cpu_s == 0


# --- the data loader ---


@pytest.mark.parametrize("workers", [0, 2])
def test_each_clip_comes_once_an_epoch(files, workers):
    loader = stock.batches(stock.AudioFiles(files.paths, files.labels, PAPER, 10.0), 4, workers)
    for _ in range(2):
        batches = list(loader)
        assert [len(batch.waves) for batch in batches] == [4, 2]
        for batch in batches:
            assert batch.waves.dtype == torch.float32
            assert batch.waves.shape[1] == batch.samples.max()
            assert (batch.worker_cpu_s > 0) == (workers > 0)
        found = [clip for batch in batches for clip in zip(*batch[:3], strict=True)]
        by_level = sorted(found, key=lambda clip: float(clip[0][0]))
        assert [int(samples) for _, samples, _ in by_level] == list(files.lengths)
        assert [int(label) for _, _, label in by_level] == list(files.labels)
        for number, (wave, samples, _) in enumerate(by_level):
            assert (wave[:samples] == (number + 1) / 16).all()
            assert (wave[samples:] == 0).all()


def test_the_order_changes_unless_clips_are_scored(files):
    learnt = stock.AudioFiles(files.paths, files.labels, PAPER, 10.0)
    torch.manual_seed(0)
    shuffled = stock.batches(learnt, 6, workers=0)
    assert len({tuple(batch.samples.tolist()) for _ in range(5) for batch in shuffled}) > 1
    (batch,) = stock.batches(learnt, 6, workers=0, shuffle=False)
    assert batch.samples.tolist() == list(files.lengths)


def test_workers_draw_each_for_itself(files):
    crops = stock.AudioFiles(
        files.paths[:1] * 8, np.zeros(8), PAPER, 10.0, lambda wave, random: np.full(9, random.random()), 100
    )
    drawn = {float(batch.waves[0, 0]) for batch in stock.batches(crops, 1, workers=2)}
    assert len(drawn) == 8


def test_only_its_share_is_augmented(files):
    def chain(wave, random):
        return np.zeros(len(wave) // 2, dtype=np.float32)

    many, labels = files.paths[:1] * 80, np.zeros(80)
    for percent, fewest, most in ((0, 0, 0), (50, 25, 55), (100, 80, 80)):
        clips = stock.AudioFiles(many, labels, PAPER, 10.0, chain, percent)
        (batch,) = stock.batches(clips, 80, workers=0)
        assert fewest <= batch.augmented.sum() <= most
        assert torch.equal(batch.augmented, (batch.waves == 0).all(dim=1))
        assert torch.equal(batch.augmented, batch.samples == 8000)


def test_clips_are_mixed_down_resampled_cropped_and_padded(tmp_path):
    at = np.arange(44100 * 2) / 44100
    tone = 0.5 * np.sin(2 * np.pi * 200 * at)
    soundfile.write(tmp_path / "long.wav", np.stack([tone, 0 * tone], axis=1), 44100)
    soundfile.write(tmp_path / "short.wav", np.full(1600, 0.25), 16000)
    long, short = tmp_path / "long.wav", tmp_path / "short.wav"
    wave = stock.decoded(long, 16000)
    assert wave.shape == (32000,)
    expected = decode(long, 16000) / 32768  # serkit's own, rounded to 16 bits
    np.testing.assert_allclose(wave, expected, atol=1 / 32768)

    clips = stock.AudioFiles([long, short], [0, 0], PAPER, 1.5)
    starts = set()
    for _ in range(3):
        crop, _, _ = clips[0]
        assert len(crop) == 24000
        starts.add(float(crop[0]))
        assert any(np.array_equal(crop, wave[i : i + 24000]) for i in range(8001))
    assert len(starts) == 3
    (batch,) = stock.batches(stock.AudioFiles([short], [0], PAPER, 1.5), 1, workers=0)
    assert batch.samples.tolist() == [1600]
    assert batch.waves.shape == (1, PAPER.min_samples)


# --- cores ---


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="threads cannot be bound to cores here")
def test_so_many_cores_and_afterwards_as_before():
    before = os.sched_getaffinity(0)
    with turns.cores(1):
        assert len(os.sched_getaffinity(0)) == 1
        assert torch.get_num_threads() == 1
    assert os.sched_getaffinity(0) == before


# --- the sections ---


@pytest.mark.parametrize("title", pipeline.FORMATS)
def test_files_hold_the_clips(tmp_path, title):
    suffix, rate_hz = pipeline.FORMATS[title]
    made = packed_lengths(np.array([rate_hz, 2 * rate_hz // 3]), rate_hz)
    paths = pipeline.write_files(made, tmp_path, suffix)
    packed = pipeline.packed_files(paths, PAPER)
    assert list(packed.lengths) == [16000, pytest.approx(10667, abs=1)]
    if rate_hz == 16000:
        assert np.array_equal(packed.packs[0].samples, made.packs[0].samples)


def test_pipeline_without_the_extra(quick, monkeypatch):
    monkeypatch.setattr(pipeline, "FORMATS", {"16 kHz WAV": ("wav", 16000)})
    measured = pipeline.measure(quick, "cpu", say=lambda line: None)
    assert finite(json.loads(json.dumps(measured, allow_nan=False)))
    rows = [(row["percent"], row["way"], "times_by_cpu" in row) for row in measured["rows"]]
    assert rows == [(0, pipeline.OURS, True), (0, pipeline.THEIRS, True), (100, pipeline.OURS, False)]
    assert "pip install 'serkit[speed]'" in pipeline.text(measured)


def test_epoch_without_the_extra(quick):
    measured = epoch.measure(quick, "cpu", say=lambda line: None)
    assert finite(json.loads(json.dumps(measured, allow_nan=False)))
    rows = [(row["percent"], row["way"], "times_by_cpu" in row) for row in measured["rows"]]
    assert rows == [(0, epoch.OURS, True), (0, epoch.THEIRS, True), (100, epoch.OURS, False)]
    assert (measured["clips"], measured["batch"], measured["width"]) == (4, 2, 2)
    assert "pip install 'serkit[speed]'" in epoch.text(measured)


def test_both_ways_train_on_the_same_clips(tmp_path, monkeypatch):
    spec = condition("open-small")
    loaded = {}
    for number, name in enumerate(("ravdess", "emodb")):  # in another order than the run's
        lengths = 8000 + 800 * np.arange(6) + 100 * number
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        samples = np.random.default_rng(number).integers(-99, 99, offsets[-1]).astype(np.int16)
        folder = tmp_path / name
        folder.mkdir()
        for clip in range(6):
            soundfile.write(folder / f"{clip}.wav", samples[offsets[clip] : offsets[clip + 1]], 16000)
        clips = pd.DataFrame({"path": [f"{clip}.wav" for clip in range(6)], "label": [*LABELS, *LABELS[:2]]})
        parts = {"train": np.array([1, 2, 5]), "validation": np.array([0]), "test": np.array([3, 4])}
        corpus = SimpleNamespace(folder=folder, clips=clips, part=lambda fold, part, of=parts: of[part])
        corpus.trainings = [(fold,) for fold in range(5)]
        loaded[name] = SimpleNamespace(corpus=corpus, pack=Pack(samples, offsets, 16000, ""))
    monkeypatch.setattr(epoch, "corpora_of", lambda *_: loaded)
    taken = epoch.delivered("study", spec, None)
    assert [path.parent.name for path in taken.paths] == 3 * ["emodb"] + 3 * ["ravdess"]
    assert len(taken.training) == len(taken.paths) == 6
    for clip, path in enumerate(taken.paths):
        pack, row = taken.training.packs[taken.training.corpus[clip]], taken.training.row[clip]
        assert np.array_equal(decode(path, 16000), pack.samples[pack.offsets[row] : pack.offsets[row + 1]])
    assert list(taken.training.label) == [1, 2, 1, 1, 2, 1]
    first = taken.first(4)
    assert (len(first.training), len(first.paths)) == (4, 4)


def test_a_gpu_trains_at_full_width(monkeypatch):
    monkeypatch.setitem(epoch.MADE_CLIPS, "cuda", 3)
    said = []
    with epoch.chosen(Settings(), "cuda", said.append) as taken:
        assert (taken.spec.model.width, taken.spec.model.weights, taken.spec.recipe.batch_size) == (
            64,
            None,
            128,
        )
        assert "made clips" in taken.title
        assert "study paper" in said[0]
        packed = taken.training.packs[0]
        for number, path in enumerate(taken.paths):
            first, last = packed.offsets[number : number + 2]
            assert np.array_equal(decode(path, 16000), packed.samples[first:last])
    assert number == 2
    assert not path.exists()


def test_without_its_corpora_a_cpu_trains_on_made_clips(monkeypatch):
    monkeypatch.setitem(epoch.MADE_CLIPS, "cpu", 3)
    said = []
    with epoch.chosen(Settings(), "cpu", said.append) as taken:
        assert (len(taken.training), taken.spec.model.width) == (3, 6)
        assert taken.spec.model.dropout == 1, "that of the stock class"
    assert said[0].startswith("study open-small: made clips in place of its own. ")
