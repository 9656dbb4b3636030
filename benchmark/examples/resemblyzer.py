"""Resemblyzer's voice encoder: 1.4 million parameters that learnt to tell speakers apart, as an encoder.

    pip install --no-deps resemblyzer     # its checkpoint lies in the wheel; the package itself is not run

    [model]
    encoder = "benchmark.examples.resemblyzer:make"
    freeze = ["encoder"]                   # or fine-tuned: without this line

Source: Resemblyzer 0.1.4 (Apache-2.0) after Wan et al. (2018), "Generalized end-to-end loss for speaker
verification", arXiv:1710.10467: 40 mel bands, three LSTM layers over windows of 1.6 s, each window's last
state projected and brought to length 1, their mean brought to length 1. Differences: silence is not cut out,
and the mean is over windows of the clip's own frames whatever it is batched with.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
import torchaudio
from torch import Tensor, nn
from torch.nn import functional as F

from serkit.errors import WeightsMissing

BANDS, SIZE, LAYERS = 40, 256, 3
WINDOW, STEP = 160, 77  # frames of 10 ms: windows of 1.6 s, 1.3 of them a second
COVERED = 0.75  # of a last window, or it is left out
LEVEL = 10 ** (-30 / 20)  # of full scale, RMS: quieter clips are brought to it


def make(pretrained: bool = True) -> VoiceEncoder:
    """The encoder as published, or as drawn. Raises WeightsMissing: the package is not installed."""
    encoder = VoiceEncoder()
    if pretrained:
        state = torch.load(checkpoint(), map_location="cpu", weights_only=True)["model_state"]
        for name in ("lstm", "linear"):
            own = {
                key.removeprefix(f"{name}."): of for key, of in state.items() if key.startswith(f"{name}.")
            }
            encoder.get_submodule(name).load_state_dict(own)
    return encoder


def checkpoint() -> Path:
    """Where the package's checkpoint lies. Raises WeightsMissing where it does not."""
    found = importlib.util.find_spec("resemblyzer")  # which runs nothing of it
    for folder in found.submodule_search_locations or () if found else ():
        if (path := Path(folder) / "pretrained.pt").is_file():
            return path
    raise WeightsMissing("no checkpoint of resemblyzer; run: pip install --no-deps resemblyzer")


class VoiceEncoder(nn.Module):
    """From waves float32 [clips, longest] and lengths int64 [clips] to float [clips, 256] of length 1."""

    rate_hz, width, min_samples = 16_000, SIZE, 400

    def __init__(self) -> None:
        """As PyTorch draws LSTMs."""
        super().__init__()
        slaney = {"norm": "slaney", "mel_scale": "slaney"}
        self.mel = torchaudio.transforms.MelSpectrogram(
            self.rate_hz, n_fft=400, hop_length=160, n_mels=BANDS, pad_mode="constant", **slaney
        )
        self.lstm = nn.LSTM(BANDS, SIZE, LAYERS, batch_first=True)
        self.linear = nn.Linear(SIZE, SIZE)

    def forward(self, waves: Tensor, samples: Tensor) -> Tensor:
        """Of each clip the mean over its windows."""
        power = waves.square().sum(dim=1, keepdim=True) / samples[:, None]
        waves = waves * (LEVEL / power.sqrt().clamp(min=1e-6)).clamp(min=1)
        frames = samples // 160 + 1
        mel = self.mel(waves).mT
        mel = mel * (torch.arange(mel.shape[1], device=mel.device) < frames[:, None])[..., None]
        count = -(-max(mel.shape[1] - WINDOW, 0) // STEP) + 1
        mel = F.pad(mel, (0, 0, 0, (count - 1) * STEP + WINDOW - mel.shape[1]))
        windows = mel.unfold(1, WINDOW, STEP).mT  # [clips, windows, frames, bands]
        last = frames[:, None] - STEP * torch.arange(count, device=mel.device)
        there = last >= COVERED * WINDOW
        there[:, 0] = True
        state = self.lstm(windows[there])[1][0][-1]
        each = F.normalize(F.relu(self.linear(state)), dim=1)
        rows = torch.nonzero(there)[:, 0]
        summed = each.new_zeros(len(waves), SIZE).index_add(0, rows, each)
        return F.normalize(summed, dim=1)
