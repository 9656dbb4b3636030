"""Checks that need a GPU; run by `make gpu`, never collected by `make test`."""

import dataclasses

import pytest
import torch

from benchmark import study as studies
from benchmark.claims import assert_valid
from serkit.frontend import NAMED, LogMel
from serkit.model import Cnn14
from serkit.results import Store
from serkit.run import run


def scores(model, waves, samples, device, bf16):
    model, logmel = model.to(device), LogMel(NAMED["paper-loaded"]).to(device)
    with torch.inference_mode(), torch.autocast(device, dtype=torch.bfloat16, enabled=bf16):
        return torch.softmax(model(*logmel(waves.to(device), samples.to(device))).float(), dim=1).cpu()


@pytest.mark.parametrize(("bf16", "within"), [(False, 1e-3), (True, 0.05)])
def test_scores_agree_with_the_cpu(bf16, within):
    torch.manual_seed(0)
    model = Cnn14().eval()
    samples = torch.tensor([80000, 48000, 9920])
    waves = torch.randn(3, 80000) * 0.1
    on_cpu = scores(model, waves, samples, "cpu", bf16=False)
    on_gpu = scores(model, waves, samples, "cuda", bf16=bf16)
    assert (on_cpu - on_gpu).abs().max() < within


def test_trains_on_the_gpu(tmp_path):
    first = studies.plan(studies.read("synthetic"))[0].spec
    spec = dataclasses.replace(first, model=dataclasses.replace(first.model, width=64))
    result = run(spec, Store(tmp_path), None, device="cuda")
    assert_valid(result, spec)
    assert result["environment"]["device"] == "cuda"
