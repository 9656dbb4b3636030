"""CNN14 for clips of different lengths, on the stock PANNs blocks (§3, Figure 1).

Source: `panns_inference.models` (its ConvBlock, initialisation and parameter names, so a published
checkpoint loads as it is). Differences from the stock class, whose forward pass cannot be used here:

1. It runs its own SpecAugment whenever it trains, so its "0 %" is not 0 %. Here it is one of the study's
   seven augmentations and touches the affected clips only. What it masks becomes 0 where the stock class
   sets it, after the first normalisation: the band's average.
2. Every layer is masked to a clip's own frames, and batch normalisation learns from valid frames only. A
   clip's scores do not depend on what it is batched with (1e-6); the stock class's do.
3. The head is the study's: the AudioSet layer is replaced by Linear(embedding, 4), with an extra Linear +
   ReLU selectable (§3 says "linear projection layer with ReLU"; the embedding already ends in one).
4. The width is a setting, so that laptops and CI can train the same network narrow. 64 is CNN14.
"""

from __future__ import annotations

import importlib.util
import itertools
import sys
import types
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from serkit.augment import Waves
from serkit.device import send
from serkit.encoders.cnn14 import checkpoints
from serkit.encoders.cnn14.logmel import MEL_BANDS, NAMED, FrontEnd, LogMel
from serkit.encoders.cnn14.masked_norm import empty, normalise, rows_outside
from serkit.errors import WeightsMissing
from serkit.labels import LABELS
from serkit.specs import ModelSpec

ALONE = True
BLOCKS = 6
BLOCK_DROPOUT = 0.2  # after each block, as in the stock forward pass
EMBEDDING_DROPOUT = 0.5  # before and after fc1, as in the stock forward pass
NOT_OURS = ("spectrogram_extractor.", "logmel_extractor.", "fc_audioset.")
"""What this model does not take from a checkpoint: its front end is a setting, its head the study's."""


def describe(model: ModelSpec) -> FrontEnd:
    """The front end: rate, shortest clip, log-mel."""
    return NAMED[model.front_end]


def identify(model: ModelSpec) -> str:
    """Nothing that the spec does not say: a checkpoint's name is its content.

    Raises WeightsMissing where it is not in its place or not the published file.
    """
    if model.weights is not None:
        checkpoints.verify(model.weights)
    return ""


def build(model: ModelSpec, outputs: int = len(LABELS)) -> Cnn14:
    """A network as drawn by torch's seed, or from its checkpoint; raises as `identify`."""
    network = Cnn14(model.width, model.head, NAMED[model.front_end], model.dropout, outputs)
    if model.weights is not None:
        load_stock(network, checkpoints.load_state(model.weights))
    return network


def load_stock(network: Cnn14, state: dict[str, Tensor]) -> None:
    """Loads a stock CNN14 checkpoint into a network, all but its front end and its AudioSet layer.

    Raises WeightsMissing where parameters are missing or unknown, and where the network's front end should
    read with the checkpoint's own mel filters and does not, so that a front end is what its name says.
    """
    ours = {name: value for name, value in state.items() if not name.startswith(NOT_OURS)}
    missing, unexpected = network.load_state_dict(ours, strict=False)
    wrong = [name for name in missing if not name.startswith("head.")] + unexpected
    if wrong:
        raise WeightsMissing(
            f"the checkpoint is no CNN14: {wrong[0]} is missing or unknown; expected the file of Zenodo"
            " 3987831, see python -m benchmark weights"
        )
    theirs, mel = state.get("logmel_extractor.melW"), network.logmel.mel
    if network.logmel.front_end != NAMED["paper-rebuilt"] and theirs is not None:
        if theirs.shape != mel.shape or not torch.allclose(theirs, mel, atol=1e-6):
            raise WeightsMissing(
                "the checkpoint's mel filters are not the front end's; use the checkpoint it names"
            )


def stock_models() -> Any:
    """The module `panns_inference.models`, without running its package's `__init__`.

    That `__init__` calls wget for a list of AudioSet labels and, without a network, leaves an empty file in
    the home folder; a package that is not run is enough to import the models. They import matplotlib without
    using it, which would put its font list into the home folder: it gets a stand-in.
    """
    found = importlib.util.find_spec("panns_inference")
    assert found is not None, "panns-inference is not installed: pip install panns-inference"
    importlib.import_module("torchlibrosa")  # first, so that it gets the real matplotlib
    stand_ins = {name: types.ModuleType(name) for name in ("matplotlib", "matplotlib.pyplot")}
    stand_ins["panns_inference"] = importlib.util.module_from_spec(found)
    added = stand_ins.keys() - sys.modules.keys()
    sys.modules |= {name: stand_ins[name] for name in added}
    try:
        return importlib.import_module("panns_inference.models")
    finally:
        for name in added:
            del sys.modules[name]


class Cnn14(nn.Module):
    """CNN14; parameters are called as in the stock class (`bn0`, `conv_block1`, `fc1`), but for `head`."""

    def __init__(
        self,
        width: int = 64,
        head: str = "linear",
        front_end: FrontEnd = NAMED["paper-loaded"],
        dropout: float = 1.0,
        outputs: int = len(LABELS),
    ) -> None:
        """As the stock class: Xavier weights, zero biases; `width` channels, doubled by each block.

        `dropout` is times the stock class's, `outputs` how many scores the head gives.
        """
        super().__init__()
        self.dropout = dropout
        stock = stock_models()
        channels = [1, *(width * 2**i for i in range(BLOCKS))]
        self.width = embedding = channels[-1]
        self.bn0 = nn.BatchNorm2d(MEL_BANDS)
        for number, (taken, given) in enumerate(itertools.pairwise(channels), start=1):
            self.add_module(f"conv_block{number}", stock.ConvBlock(taken, given))
        self.fc1 = nn.Linear(embedding, embedding)
        last = nn.Linear(embedding, outputs)
        projection = [nn.Linear(embedding, embedding), nn.ReLU()] if head == "relu-linear" else []
        self.head = nn.Sequential(*projection, last)
        for layer in (self.fc1, *self.head):
            if isinstance(layer, nn.Linear):
                stock.init_layer(layer)
        self.logmel = LogMel(front_end)
        # Bands that carry nothing in the front end's log-mel are held at 0.
        self.live = nn.Buffer(self.logmel.mel.any(dim=0).float(), persistent=False)

    def inputs(self, parts: Iterable[Waves]) -> tuple[Tensor, np.ndarray, Tensor | None]:
        """What `forward` takes, of a batch in parts."""
        return self.logmel.inputs(parts)

    def forward(self, logmel: Tensor, frames: np.ndarray, masked: Tensor | None = None) -> Tensor:
        """Class scores before the softmax, float [clips, outputs] in the order of `serkit.labels.LABELS`.

        Args:
            logmel: float32 [clips, frames, 64] in dB, padded.
            frames: int64 [clips], valid frames of each clip, at least 32; on the host, so that nothing waits
                for the GPU to say how far its clips go.
            masked: bool [clips, frames, 64], cells to blank (SpecAugment); None: none.
        """
        return self.head(self.embed(logmel, frames, masked))

    def embed(self, logmel: Tensor, frames: np.ndarray, masked: Tensor | None = None) -> Tensor:
        """ReLU(fc1(max + mean over time)), float [clips, 32 * width]; takes what `forward` takes."""
        outside = rows_outside(frames, logmel.shape[1], logmel.device)
        with torch.autocast(logmel.device.type, enabled=False):  # in float32, as the front end
            x = normalise(self.bn0, logmel.mT[..., None].clone(), outside, relu=False)
            x = x.permute(0, 3, 2, 1) * self.live  # [clips, 1, frames, 64]
        x = x if masked is None else x.masked_fill(masked[:, None], 0)
        for number in range(1, BLOCKS + 1):
            block: Any = self.get_submodule(f"conv_block{number}")
            x = normalise(block.bn1, block.conv1(x), outside, relu=True)
            x = normalise(block.bn2, block.conv2(x), outside, relu=True)
            if number < BLOCKS:
                x, frames = F.avg_pool2d(x, 2), frames // 2
                outside = rows_outside(frames, x.shape[2], x.device)
                x = empty(x, outside)  # a window astride a clip's end holds half a frame: it is left out
            x = self._dropped(x, BLOCK_DROPOUT)
        x = x.mean(dim=3)  # [clips, channels, frames]
        # The frames past a clip's end are 0, and none is less: they change neither its maximum nor its sum.
        x = x.amax(dim=2) + x.sum(dim=2) / send(frames, x.device)[:, None]
        return self._dropped(F.relu(self.fc1(self._dropped(x, EMBEDDING_DROPOUT))), EMBEDDING_DROPOUT)

    def _dropped(self, x: Tensor, stock: float) -> Tensor:
        return F.dropout(x, stock * self.dropout, self.training)
