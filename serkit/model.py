"""CNN14 for clips of different lengths, on the stock PANNs blocks (§3, Figure 1).

Source: `panns_inference.models` (its ConvBlock, initialisation and parameter names, so a published
checkpoint loads as it is). The forward pass is ours, because the stock one cannot be used for this study:

1. The stock class runs its own SpecAugment whenever it trains, so its "0 %" is not 0 %. Ours has none;
   SpecAugment is one of the study's seven augmentations and touches the affected clips only; what it masks
   is set to 0 where the stock class sets it, after the first normalisation: to the band's average.
2. Every layer is masked to a clip's own frames, and batch normalisation learns from valid frames only. A
   clip's scores do not depend on what it is batched with (1e-6); the stock class's do.
3. The head is the study's: the AudioSet layer is replaced by Linear(embedding, 4), with an extra Linear +
   ReLU selectable (§3 says "linear projection layer with ReLU"; the embedding already ends in one).
4. The width is a setting, so that laptops and CI can train the same network narrow. 64 is CNN14.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from serkit import weights
from serkit.errors import WeightsMissing
from serkit.frontend import MEL_BANDS, NAMED, FrontEnd
from serkit.specs import LABELS, ModelSpec

BLOCKS = 6
BLOCK_DROPOUT = 0.2  # after each block, as in the stock forward pass
EMBEDDING_DROPOUT = 0.5  # before and after fc1, as in the stock forward pass
NOT_OURS = ("spectrogram_extractor.", "logmel_extractor.", "fc_audioset.")
"""What this model does not take from a checkpoint: its front end is a setting, its head the study's."""


def stock_models() -> Any:
    """The module `panns_inference.models`, without running its package's `__init__`.

    That `__init__` shells out to wget for a list of AudioSet labels and, without a network, leaves an empty
    file in the home folder. A stand-in package with the right search path is enough to import the models
    alone. They import matplotlib and do not use it; it, too, is stood in for, because it would put its font
    list into the home folder.
    """
    name = "panns_inference"
    if name in sys.modules:
        return importlib.import_module(f"{name}.models")
    found = importlib.util.find_spec(name)
    if found is None or found.submodule_search_locations is None:
        raise ImportError("panns-inference is not installed: pip install panns-inference")
    importlib.import_module("torchlibrosa")  # whatever it wants of matplotlib, it shall have the real one
    names = [name, *(plots for plots in ("matplotlib", "matplotlib.pyplot") if plots not in sys.modules)]
    stand_ins = {each: types.ModuleType(each) for each in names}
    stand_ins[name].__path__ = list(found.submodule_search_locations)
    sys.modules.update(stand_ins)
    try:
        return importlib.import_module(f"{name}.models")
    finally:
        for each in stand_ins:
            del sys.modules[each]


class Cnn14(nn.Module):
    """CNN14 with a four-class head; masked, without SpecAugment.

    Parameters are called as in the stock class (`bn0`, `conv_block1` to `conv_block6`, `fc1`); `head` is new.
    """

    live: Tensor

    def __init__(self, width: int = 64, head: str = "linear", live_bands: Tensor | None = None) -> None:
        """Initialises as the stock class does: Xavier-uniform weights, zero biases.

        Args:
            width: channels of the first block, doubled by each of the next five.
            head: `linear` or `relu-linear`.
            live_bands: bool [64], mel bands that carry anything; None: all.
        """
        super().__init__()
        stock = stock_models()
        channels = [1, *(width * 2**i for i in range(BLOCKS))]
        embedding = channels[-1]
        self.bn0 = nn.BatchNorm2d(MEL_BANDS)
        for i in range(BLOCKS):
            self.add_module(f"conv_block{i + 1}", stock.ConvBlock(channels[i], channels[i + 1]))
        self.fc1 = nn.Linear(embedding, embedding)
        last = nn.Linear(embedding, len(LABELS))
        projection = [nn.Linear(embedding, embedding), nn.ReLU()] if head == "relu-linear" else []
        self.head = nn.Sequential(*projection, last)
        for layer in (self.fc1, *self.head):
            if isinstance(layer, nn.Linear):
                stock.init_layer(layer)
        live = torch.ones(MEL_BANDS, dtype=torch.bool) if live_bands is None else live_bands
        self.register_buffer("live", live.to(torch.float32), persistent=False)

    def forward(self, logmel: Tensor, frames: Tensor, masked: Tensor | None = None) -> Tensor:
        """Class scores before the softmax.

        Args:
            logmel: float32 [clips, frames, 64] in dB, padded.
            frames: int64 [clips], valid frames of each clip, at least 32.
            masked: bool [clips, frames, 64], cells to blank (SpecAugment); None: none.

        Returns:
            float [clips, 4], in the order of `serkit.specs.LABELS`.
        """
        return self.head(self.embed(logmel, frames, masked))

    def embed(self, logmel: Tensor, frames: Tensor, masked: Tensor | None = None) -> Tensor:
        """ReLU(fc1(max + mean over time)), float [clips, 32 * width]; takes what `forward` takes."""
        with torch.autocast(logmel.device.type, enabled=False):  # bn0 in float32, as the front end
            x = logmel.transpose(1, 2).unsqueeze(-1)  # [clips, 64, frames, 1]: bn0 normalises each band
            x = _normalise(self.bn0, x, _mask(frames, x.shape[2]))
            x = x.permute(0, 3, 2, 1) * self.live  # [clips, 1, frames, 64]
            if masked is not None:
                x = x.masked_fill(masked[:, None], 0)
        for i in range(BLOCKS):
            block: Any = self.get_submodule(f"conv_block{i + 1}")
            mask = _mask(frames, x.shape[2])
            for conv, norm in ((block.conv1, block.bn1), (block.conv2, block.bn2)):
                x = F.relu_(_normalise(norm, conv(x), mask))
            if i + 1 < BLOCKS:
                x = F.avg_pool2d(x, 2)
                frames = frames // 2
                # The window astride a clip's end holds half a frame.
                x = x * _mask(frames, x.shape[2]).to(x.dtype)
            x = F.dropout(x, BLOCK_DROPOUT, self.training)
        x = x.mean(dim=3)  # [clips, channels, frames]
        inside = _mask(frames, x.shape[2]).squeeze(-1)
        highest = x.masked_fill(~inside, float("-inf")).amax(dim=2)
        average = (x * inside).sum(dim=2) / frames[:, None]
        x = F.dropout(highest + average, EMBEDDING_DROPOUT, self.training)
        x = F.relu(self.fc1(x))
        return F.dropout(x, EMBEDDING_DROPOUT, self.training)


def _mask(frames: Tensor, longest: int) -> Tensor:
    """Bool [clips, 1, longest, 1]: the frames inside each clip."""
    return (torch.arange(longest, device=frames.device) < frames[:, None])[:, None, :, None]


def _normalise(norm: nn.BatchNorm2d, x: Tensor, mask: Tensor) -> Tensor:
    """Batch normalisation over valid frames only; zero outside.

    In evaluation it is `norm` itself. In training it equals `norm` on the valid frames alone: float32
    statistics, running averages with the unbiased variance, as PyTorch's own.
    """
    valid = mask.to(x.dtype)
    if not norm.training:
        return norm(x) * valid
    count = valid.sum(dtype=torch.float32) * x.shape[3]
    normalised, mean, variance = _MaskedBatchNorm.apply(x, valid, count, norm.weight, norm.bias, norm.eps)
    with torch.no_grad():
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        assert norm.momentum is not None
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (count / (count - 1)), norm.momentum)
        norm.num_batches_tracked += 1
    return normalised


class _MaskedBatchNorm(torch.autograd.Function):
    """Training-mode batch normalisation over valid positions, with its derivative in closed form.

    Left to autograd, the same expression keeps five copies of its input and takes twice as long on a CPU.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, valid: Tensor, count: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Normalises x [clips, channels, frames, bands]; `valid` is 1 or 0 at [clips, 1, frames, 1]."""
        mean = (x * valid).sum(dim=(0, 2, 3), dtype=torch.float32) / count
        centred = (x - _wide(mean)).mul_(valid)
        variance = centred.square().sum(dim=(0, 2, 3), dtype=torch.float32) / count
        scale = torch.rsqrt(variance + eps)
        ctx.save_for_backward(centred, valid, count, weight, scale)
        ctx.mark_non_differentiable(mean, variance)
        normalised = torch.addcmul(_wide(bias), centred, _wide(weight * scale)).mul_(valid)
        return normalised.to(x.dtype), mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients with respect to x, weight and bias."""
        centred, valid, count, weight, scale = ctx.saved_tensors
        given = gradients[0] * valid
        of_bias = given.sum(dim=(0, 2, 3), dtype=torch.float32)
        of_weight = (given * centred).sum(dim=(0, 2, 3), dtype=torch.float32) * scale
        shift = _wide(of_bias / count)
        slope = _wide(of_weight * scale / count)
        of_x = (
            torch.addcmul(given.sub_(shift), centred, slope, value=-1).mul_(_wide(weight * scale)).mul_(valid)
        )
        return of_x.to(centred.dtype), None, None, of_weight, of_bias, None


def _wide(channels: Tensor) -> Tensor:
    """[channels] as [1, channels, 1, 1]."""
    return channels[None, :, None, None]


def build(spec: ModelSpec, seed: int) -> Cnn14:
    """A network of `spec`, initialised from `seed` and, where the spec says so, from its checkpoint.

    Raises:
        WeightsMissing: the checkpoint is not in its place or is not the published file.
    """
    torch.manual_seed(seed)
    front_end = NAMED[spec.front_end]
    model = Cnn14(spec.width, spec.head, front_end.live_bands())
    if spec.weights is not None:
        load_stock(model, weights.load_state(spec.weights), front_end)
    return model


def load_stock(model: Cnn14, state: dict[str, Tensor], front_end: FrontEnd) -> None:
    """Loads a stock CNN14 checkpoint into `model`, all but its front end and its AudioSet layer.

    Where the front end reads with the checkpoint's own mel filters, the two matrices are compared, so that a
    named front end is what its name says.

    Raises:
        WeightsMissing: parameters are missing, or the checkpoint's mel filters are others than the front
            end's.
    """
    ours = {name: value for name, value in state.items() if not name.startswith(NOT_OURS)}
    missing, unexpected = model.load_state_dict(ours, strict=False)
    wrong = [name for name in missing if not name.startswith("head.")] + unexpected
    if wrong:
        raise WeightsMissing(
            f"the checkpoint is no CNN14: {wrong[0]} is missing or unknown; expected the file of Zenodo"
            " 3987831, see python -m benchmark weights"
        )
    theirs = state.get("logmel_extractor.melW")
    if front_end != NAMED["paper-rebuilt"] and theirs is not None:
        wanted = front_end.mel_matrix()
        if theirs.shape != wanted.shape or not torch.allclose(theirs, wanted, atol=1e-6):
            raise WeightsMissing(
                "the checkpoint's mel filters are not the front end's; use the checkpoint it names"
            )
