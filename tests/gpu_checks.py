"""Checks that need a GPU; run by `make gpu`, never collected by `make test`."""

import dataclasses

import numpy as np
import pytest
import torch

from benchmark import study as studies
from benchmark.session.checks import assert_valid
from serkit import augment
from serkit import loader as loader_module
from serkit.augment import Augmenting, Chain
from serkit.clips import join
from serkit.device import send
from serkit.effects import EFFECTS, STRETCH_METHODS, Augmentation
from serkit.encoders.cnn14 import Cnn14
from serkit.encoders.cnn14.logmel import NAMED, LogMel
from serkit.encoders.cnn14.masked_norm import normalise, rows_outside
from serkit.job import Place
from serkit.loader import Epoch, Loader, crop_starts, shuffled_batches
from serkit.packs import Pack
from serkit.results import Store
from serkit.run import run
from serkit.specs import Recipe
from serkit.steps import prepare, step
from tests.speech import padded, spoken

CLIPS = 24


def scores(model, waves, samples, device, bf16):
    model, logmel = model.to(device), LogMel(NAMED["paper-loaded"]).to(device)
    with torch.inference_mode(), torch.autocast(device, dtype=torch.bfloat16, enabled=bf16):
        read, frames = logmel(waves.to(device), samples)
        return torch.softmax(model(read, frames).float(), dim=1).cpu()


@pytest.mark.parametrize(("bf16", "within"), [(False, 1e-3), (True, 0.05)])
def test_scores_agree_with_the_cpu(bf16, within):
    torch.manual_seed(0)
    model = Cnn14().eval()
    samples = np.array([80000, 48000, 9920])
    waves = torch.randn(3, 80000) * 0.1
    on_cpu = scores(model, waves, samples, "cpu", bf16=False)
    on_gpu = scores(model, waves, samples, "cuda", bf16=bf16)
    assert (on_cpu - on_gpu).abs().max() < within


# --- loading ---


def made_clips(seed=0):
    waves = [np.rint(spoken(CLIPS * seed + i) * 32767).astype(np.int16) for i in range(CLIPS)]
    offsets = np.concatenate([[0], np.cumsum([len(wave) for wave in waves])])
    return Pack(np.concatenate(waves), offsets, 16_000, ""), np.arange(CLIPS), np.arange(CLIPS) % 4


@pytest.mark.parametrize("share", [1.0, 0.0], ids=["resident", "streamed"])
def test_every_way_to_the_gpu_gives_the_cpus_waves(share, monkeypatch):
    """Bit for bit, of two corpora, many batches, crops included."""
    monkeypatch.setattr(loader_module, "RESIDENT_SHARE", share)
    clips = join([made_clips(0), made_clips(1)])
    here, there = (
        Loader(NAMED["paper-loaded"], Recipe(max_seconds=1.2), device) for device in ("cpu", "cuda")
    )
    random = np.random.default_rng(0)
    batches = [random.permutation(2 * CLIPS)[:16] for _ in range(9)]
    starts = crop_starts(clips.lengths, here.longest, 0, 0)
    made = [there._waves(clips, batch, starts[batch])[0] for batch in batches]
    resident = [loader_module._RESIDENT[pack][torch.device("cuda:0")] for pack in clips.packs]
    assert [pack is not None for pack in resident] == [share > 0] * 2
    for batch, waves in zip(batches, made, strict=True):
        assert torch.equal(waves.cpu(), here._waves(clips, batch, starts[batch])[0])


@pytest.mark.parametrize("share", [1.0, 0.0], ids=["resident", "streamed"])
def test_nothing_waits_for_the_gpu_within_an_epoch(share, monkeypatch):
    """Loading, augmentation and steps, once tables and buffers are made: PyTorch raises where one waits."""
    monkeypatch.setattr(loader_module, "RESIDENT_SHARE", share)
    clips = join([made_clips(0), made_clips(1)])
    loader = Loader(NAMED["paper-loaded"], Recipe(max_seconds=1.2), "cuda", Augmenting(Augmentation(), 50))
    model = Cnn14(8).train()
    optimiser = prepare(model, loader.recipe, "cuda")

    def epoch(number):
        drawn = augment.draw(loader.augmenting, 0, number, len(clips))
        starts = np.zeros(len(clips), dtype=np.int64)
        for batch in shuffled_batches(clips.lengths, 16, 0, number):
            inputs = model.inputs(loader.load(clips, batch, Epoch([batch], starts, drawn)))
            step(model, optimiser, [(inputs, send(clips.label[batch], "cuda"))], len(batch))

    epoch(0)
    torch.cuda.set_sync_debug_mode("error")
    try:
        epoch(0)
    finally:
        torch.cuda.set_sync_debug_mode("default")


# --- batch normalisation ---


@pytest.mark.parametrize("relu", [False, True], ids=["", "relu"])
@pytest.mark.parametrize(("channels", "bands"), [(64, 1), (64, 64), (512, 2)])
def test_masked_normalisation_agrees_with_the_cpu(channels, bands, relu):
    """Result, statistics and gradients; the GPU's come from other kernels."""
    frames = np.array([40, 12, 39, 31])
    torch.manual_seed(0)
    given, pull = (torch.randn(4, channels, 40, bands) + shift for shift in (1, 0))
    found = []
    for device in ("cpu", "cuda"):
        norm = torch.nn.BatchNorm2d(channels).to(device)
        x = given.to(device, copy=True).requires_grad_()
        y = normalise(norm, x * 1, rows_outside(frames, 40, x.device), relu)
        (y * pull.to(device)).sum().backward()
        found.append([y, norm.running_mean, norm.running_var, x.grad, norm.weight.grad, norm.bias.grad])
    for here, there in zip(*found, strict=True):
        torch.testing.assert_close(there.cpu(), here, atol=1e-4, rtol=1e-4)


# --- augmentation ---


def effects_of(spec, device):
    """Waves of an epoch in which every clip is affected, on the CPU, and their lengths."""
    waves, samples = padded([spoken(i) for i in range(CLIPS)])
    chain = Chain(spec, 16_000, 0, int(samples.max()), device)
    made, lengths = chain(waves.to(device), samples, augment.draw(Augmenting(spec), 0, 0, CLIPS))
    assert made.device.type == device
    return made.cpu(), lengths


def loaded(front_end, percent, spec, device):
    """What the network is given, on the CPU: log-mel, frames, masks."""
    clips = join([made_clips()])
    loader = Loader(NAMED[front_end], Recipe(max_seconds=1.5), device, Augmenting(spec, percent))
    drawn = augment.draw(loader.augmenting, 0, 0, CLIPS)
    epoch = Epoch([np.arange(CLIPS)], np.zeros(CLIPS, dtype=np.int64), drawn)
    front = LogMel(NAMED[front_end]).to(device)
    logmel, frames, masked = front.inputs(loader.load(clips, np.arange(CLIPS), epoch))
    assert logmel.device.type == masked.device.type == device
    logmel, masked = logmel.cpu(), masked.cpu()
    inside = torch.from_numpy(np.arange(logmel.shape[1]) < frames[:, None])
    return logmel[inside], frames, masked[inside]


def assert_waves_agree(device, within, spec):
    """The waves of a device are the CPU's, but for rounding."""
    made, lengths = effects_of(spec, device)
    expected, expected_lengths = effects_of(spec, "cpu")
    np.testing.assert_array_equal(lengths, expected_lengths)
    assert made.shape == expected.shape
    assert made.isfinite().all()
    assert (made - expected).abs().max() < within


def assert_inputs_agree(device, within, front_end, percent, spec):
    """The log-mel of a device is the CPU's, but for rounding; frames and masks are the same."""
    (logmel, frames, masked), (expected, expected_frames, expected_masked) = (
        loaded(front_end, percent, spec, on) for on in (device, "cpu")
    )
    np.testing.assert_array_equal(frames, expected_frames)
    assert torch.equal(masked, expected_masked)
    assert masked.any()
    assert (logmel - expected).abs().max() < within


@pytest.mark.parametrize("effects", [EFFECTS, *((effect,) for effect in EFFECTS[1:-1])])
def test_waves_agree_with_the_cpu(effects):
    """Within 1e-5 of full scale."""
    assert_waves_agree("cuda", 1e-5, Augmentation(effects))


def test_stretched_waves_agree_with_the_cpu():
    """The vocoder's within 1e-4: a phase that rounding decides, where a band is silent, is carried on.

    On a CPU, rounding the input differently moves its waves by 8e-6 and those of all other effects by 1e-7.
    """
    assert_waves_agree("cuda", 1e-4, Augmentation(("stretch",), stretch_method="vocoder"))


# Rounding the input differently moves a cell by 2e-4 dB on a CPU, after the vocoder by 3e-3.
@pytest.mark.parametrize("percent", [50, 100])
@pytest.mark.parametrize("front_end", ["paper-loaded", "native-16k"])  # hops of 320 and 160
@pytest.mark.parametrize(("method", "within"), zip(STRETCH_METHODS, (0.01, 0.05), strict=True))
def test_inputs_agree_with_the_cpu(method, within, front_end, percent):
    assert_inputs_agree("cuda", within, front_end, percent, Augmentation(stretch_method=method))


# --- training ---


def trained(tmp_path, device, width=64, settled=True, **changes):
    first = studies.plan(studies.read("synthetic"))[0].spec
    spec = dataclasses.replace(first, model=dataclasses.replace(first.model, width=width), **changes)
    result = run(spec, Place(Store(tmp_path), device=device))
    assert_valid(result, spec, settled)  # losses and metrics are finite
    assert result["environment"]["device"] == device
    return result


def assert_trains_augmented(tmp_path, device, method, width=64):
    augmentation = Augmentation(stretch_method=method)
    result = trained(tmp_path, device, width, settled=False, augment_percent=100, augmentation=augmentation)
    assert set(result["affected"]) == {1.0}


def test_trains_on_the_gpu(tmp_path):
    trained(tmp_path, "cuda")


@pytest.mark.parametrize("method", STRETCH_METHODS)
def test_trains_on_the_gpu_augmented(tmp_path, method):
    assert_trains_augmented(tmp_path, "cuda", method)
