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

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from serkit.device import on_gpu, send
from serkit.encoders import checkpoints
from serkit.encoders.logmel import MEL_BANDS, NAMED, FrontEnd
from serkit.errors import WeightsMissing
from serkit.labels import LABELS
from serkit.specs import ModelSpec

BLOCKS = 6
BLOCK_DROPOUT = 0.2  # after each block, as in the stock forward pass
EMBEDDING_DROPOUT = 0.5  # before and after fc1, as in the stock forward pass
STATISTICS_EPS = 1e-5  # the GPU's kernel gives 1 / sqrt(variance + eps)
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


threshold_backward = torch.ops.aten.threshold_backward


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

    def forward(self, logmel: Tensor, frames: np.ndarray, masked: Tensor | None = None) -> Tensor:
        """Class scores before the softmax.

        Args:
            logmel: float32 [clips, frames, 64] in dB, padded.
            frames: int64 [clips], valid frames of each clip, at least 32; on the host, so that nothing waits
                for the GPU to say how far its clips go.
            masked: bool [clips, frames, 64], cells to blank (SpecAugment); None: none.

        Returns:
            float [clips, 4], in the order of `serkit.labels.LABELS`.
        """
        return self.head(self.embed(logmel, frames, masked))

    def embed(self, logmel: Tensor, frames: np.ndarray, masked: Tensor | None = None) -> Tensor:
        """ReLU(fc1(max + mean over time)), float [clips, 32 * width]; takes what `forward` takes."""
        clips, longest, _ = logmel.shape
        outside = _outside(frames, longest, logmel.device)
        with torch.autocast(logmel.device.type, enabled=False):  # bn0 in float32, as the front end
            x = logmel.flatten(0, 1).index_fill(0, outside, 0).view(clips, longest, 1, MEL_BANDS)
            x = _normalise(self.bn0, x.permute(0, 3, 1, 2), int(frames.sum()), outside, outside)
            x = x.permute(0, 3, 2, 1) * self.live  # [clips, 1, frames, 64]
            if masked is not None:
                x = x.masked_fill(masked[:, None], 0)
        for i in range(BLOCKS):
            block: Any = self.get_submodule(f"conv_block{i + 1}")
            last = i + 1 == BLOCKS
            # The window of the pooling that is astride a clip's end would hold half a frame: it is left out.
            kept = outside if last else _outside(frames // 2 * 2, x.shape[2], x.device)
            valid = int(frames.sum())
            x = _normalise(block.bn1, block.conv1(x), valid, outside, outside, relu=True)
            x = _normalise(block.bn2, block.conv2(x), valid, outside, kept, relu=True)
            if not last:
                x = F.avg_pool2d(x, 2)
                frames = frames // 2
                outside = _outside(frames, x.shape[2], x.device)
            x = F.dropout(x, BLOCK_DROPOUT, self.training)
        x = x.mean(dim=3)  # [clips, channels, frames]
        # The frames past a clip's end are 0, and none is less: they change neither its maximum nor its sum.
        x = x.amax(dim=2) + x.sum(dim=2) / send(frames, x.device)[:, None]
        x = F.dropout(x, EMBEDDING_DROPOUT, self.training)
        x = F.relu(self.fc1(x))
        return F.dropout(x, EMBEDDING_DROPOUT, self.training)


def _outside(frames: np.ndarray, longest: int, device: torch.device) -> Tensor:
    """The frames past each clip's end, as rows of a batch [clips * longest, ...], int64."""
    return send(np.flatnonzero(np.arange(longest) >= frames[:, None]), device)


def _normalise(
    norm: nn.BatchNorm2d, x: Tensor, valid: int, outside: Tensor, emptied: Tensor, relu: bool = False
) -> Tensor:
    """Batch normalisation over valid frames only, and a ReLU if wanted.

    In evaluation it is `norm` itself. In training it equals `norm` on the valid frames alone: float32
    statistics, running averages with the unbiased variance, as PyTorch's own.

    Args:
        norm: the layer.
        x: [clips, channels, frames, bands], channels_last; changed in place past the clips' ends.
        valid: frames inside clips, in all.
        outside: rows past the clips' ends (`_outside`).
        emptied: rows where the result is to be 0: those, or more.
        relu: whether negative values become 0.

    Returns:
        The same shape.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    if not norm.training:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        scale = torch.rsqrt(norm.running_var + norm.eps)
        y = _scaled(x, norm.running_mean, scale, norm.weight, norm.bias)
        y = _empty(y, emptied)
        return F.relu_(y) if relu else y
    count = valid * x.shape[3]
    y, mean, variance = _MaskedBatchNorm.apply(
        x, norm.weight, norm.bias, norm.eps, count, outside, emptied, relu
    )
    with torch.no_grad():
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        assert norm.momentum is not None
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (count / (count - 1)), norm.momentum)
        norm.num_batches_tracked += 1
    return y


class _MaskedBatchNorm(torch.autograd.Function):
    """Training-mode batch normalisation over valid positions, by PyTorch's own kernels.

    They know no masks. But a sum over positions that are 0 outside the clips is the sum over the clips, so
    their statistics of the whole batch give the clips' own, and the derivative needs the right count in the
    place of the batch's. The GPU's kernels take such a count (they are SyncBatchNorm's, made for batches of
    which a part is elsewhere); on the CPU the derivative's two terms that it divides are added here.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: float,
        count: int,
        outside: Tensor,
        emptied: Tensor,
        relu: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Normalises x [clips, channels, frames, bands], see `_normalise`; `count` valid positions."""
        x = _empty(x, outside)
        mean, variance = _statistics(x, count)
        scale = torch.rsqrt(variance + eps)
        y = _empty(_scaled(x, mean, scale, weight, bias), emptied)
        y = y.relu_() if relu else y
        ctx.save_for_backward(x, y, weight, mean, scale, outside, emptied)
        ctx.mark_non_differentiable(mean, variance)
        ctx.count, ctx.relu = count, relu
        return y, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients with respect to x, weight and bias."""
        x, y, weight, mean, scale, outside, emptied = ctx.saved_tensors
        given = gradients[0].contiguous(memory_format=torch.channels_last)
        wanted = ctx.needs_input_grad[0]
        # A ReLU's derivative is 0 where its result is; without one the emptied rows are cleared by hand.
        given = threshold_backward(given, y, 0) if ctx.relu else _empty(given.clone(), emptied)
        derivative = _derivative_on_gpu if on_gpu(x.device) else _derivative_on_rows
        of_x, of_weight, of_bias = derivative(given, x, weight, mean, scale, ctx.count, wanted)
        if of_x is not None:
            of_x = _empty(of_x, outside)
        return of_x, of_weight, of_bias, None, None, None, None, None


# On a CPU all this is done on rows: a frame a row, its bands one after the other, all channels of each. A
# row has 64 * width values at every depth, where a narrow network's first blocks have only four or eight
# channels, too few for the kernels that run along them.


def _rows(x: Tensor) -> Tensor:
    """[clips, channels, frames, bands] as [clips * frames, bands * channels], the same memory."""
    return x.permute(0, 2, 3, 1).view(x.shape[0] * x.shape[2], -1)


def _of_rows(rows: Tensor, like: Tensor) -> Tensor:
    """The way back, to the shape of `like`."""
    clips, channels, frames, bands = like.shape
    return rows.view(clips, frames, bands, channels).permute(0, 3, 1, 2)


def _empty(x: Tensor, rows: Tensor) -> Tensor:
    """Sets frames to 0, in place."""
    if len(rows):
        _rows(x).index_fill_(0, rows, 0)
    return x


def _statistics(x: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel over the valid positions, float32 [channels]; x is 0 elsewhere."""
    channels, bands = x.shape[1], x.shape[3]
    others = x.numel() // channels - count
    if on_gpu(x.device):
        mean, scale = torch.batch_norm_stats(x, STATISTICS_EPS)
        share = 1 + others / count
        variance = scale.square().reciprocal() - STATISTICS_EPS - (share - 1) * mean.square()
        return share * mean, share * variance
    # Not by the CPU's kernel for statistics: it adds up one number after the other, and its errors, 1e-5 of
    # a variance, come out of thirteen layers as 1e-4 of a score.
    rows = _rows(x)
    mean = rows.sum(dim=0, dtype=_exact(x)).view(bands, channels).sum(dim=0) / count
    centred = rows - mean.expand(bands, -1).reshape(-1)
    squares = centred.square_().sum(dim=0).view(bands, channels).sum(dim=0)
    return mean, (squares - others * mean.square()) / count


def _exact(x: Tensor) -> torch.dtype:
    """What sums of x are made in."""
    return torch.promote_types(x.dtype, torch.float32)


def _for_each_band(values: list[Tensor], bands: int) -> tuple[Tensor, ...]:
    """Values of channels, as values of a row."""
    return torch.stack(values)[:, None].expand(-1, bands, -1).flatten(1).unbind()


def _scaled(x: Tensor, mean: Tensor, scale: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(x - mean) * scale * weight + bias."""
    if on_gpu(x.device):
        return F.batch_norm(x, mean, scale.square().reciprocal(), weight, bias, training=False, eps=0.0)
    slope = weight * scale
    shift, slope = _for_each_band([bias - mean * slope, slope], x.shape[3])
    shift, slope = shift.to(x.dtype), slope.to(x.dtype)
    return _of_rows(torch.addcmul(shift, _rows(x), slope), x)


def _derivative_on_gpu(
    given: Tensor, x: Tensor, weight: Tensor, mean: Tensor, scale: Tensor, count: int, of_x: bool
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Derivatives with respect to x (None unless `of_x`), weight and bias; `given` is 0 outside the clips."""
    over, over_centred, of_weight, of_bias = torch.batch_norm_backward_reduce(
        given, x, mean, scale, weight, True, True, True
    )
    if not of_x:
        return None, of_weight, of_bias
    counts = torch.full((1,), count, dtype=torch.int32, device=x.device)
    made = torch.batch_norm_backward_elemt(given, x, mean, scale, weight, over, over_centred, counts)
    return made, of_weight, of_bias


def _derivative_on_rows(
    given: Tensor, x: Tensor, weight: Tensor, mean: Tensor, scale: Tensor, count: int, of_x: bool
) -> tuple[Tensor | None, Tensor, Tensor]:
    """The same."""
    rows, gradient = _rows(x), _rows(given)
    bands, channels = x.shape[3], x.shape[1]
    sums = [of.sum(dim=0, dtype=_exact(rows)) for of in (gradient * rows, gradient)]
    of_product, of_bias = torch.stack(sums).view(2, bands, channels).sum(dim=1)
    of_weight = (of_product - mean * of_bias) * scale
    if not of_x:
        return None, of_weight, of_bias
    gain = weight * scale
    slope = gain * scale * of_weight / count
    shift = slope * mean - gain * of_bias / count
    gain, slope, shift = (each.to(x.dtype) for each in _for_each_band([gain, slope, shift], bands))
    made = torch.addcmul(shift, gradient, gain).addcmul_(rows, slope, value=-1)
    return _of_rows(made, x), of_weight, of_bias


def build(spec: ModelSpec, seed: int) -> Cnn14:
    """A network of `spec`, initialised from `seed` and, where the spec says so, from its checkpoint.

    Raises:
        WeightsMissing: the checkpoint is not in its place or is not the published file.
    """
    torch.manual_seed(seed)
    front_end = NAMED[spec.front_end]
    model = Cnn14(spec.width, spec.head, front_end.live_bands())
    if spec.weights is not None:
        load_stock(model, checkpoints.load_state(spec.weights), front_end)
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
