"""Checks that need a GPU; run by `make gpu`, never collected by `make test`."""

import dataclasses

import numpy as np
import pytest
import torch

from benchmark import study as studies
from benchmark.claims import assert_valid
from serkit import augment
from serkit.audio import Pack
from serkit.augment import Chain
from serkit.batches import join
from serkit.frontend import NAMED, LogMel
from serkit.loader import Loader
from serkit.model import Cnn14
from serkit.results import Store
from serkit.run import run
from serkit.specs import EFFECTS, STRETCH_METHODS, Augmentation, Recipe
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


# --- augmentation ---


def effects_of(spec, device):
    """Waves of an epoch in which every clip is affected, on the CPU, and their lengths."""
    waves, samples = padded([spoken(i) for i in range(CLIPS)])
    chain = Chain(spec, 16_000, 0, int(samples.max()), device)
    made, lengths = chain(waves.to(device), samples, augment.draw(spec, 100, 0, 0, CLIPS))
    assert made.device.type == device
    return made.cpu(), lengths


def loaded(front_end, percent, spec, device):
    """What the network is given, on the CPU: log-mel, frames, masks."""
    waves = [np.rint(spoken(i) * 32767).astype(np.int16) for i in range(CLIPS)]
    offsets = np.concatenate([[0], np.cumsum([len(wave) for wave in waves])])
    clips = join([(Pack(np.concatenate(waves), offsets, 16_000, ""), np.arange(CLIPS), np.arange(CLIPS) % 4)])
    loader = Loader(NAMED[front_end], Recipe(max_seconds=1.5), device, spec, seed=0)
    starts = np.zeros(CLIPS, dtype=np.int64)
    drawn = augment.draw(spec, percent, 0, 0, CLIPS)
    given = loader.load(clips, np.arange(CLIPS), starts, drawn)
    logmel, frames, masked = given
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
    result = run(spec, Store(tmp_path), None, device=device)
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
