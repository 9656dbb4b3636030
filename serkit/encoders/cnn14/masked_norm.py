"""Batch normalisation over the valid frames of a padded batch, by PyTorch's own kernels.

They know no masks. But a sum over positions that are 0 outside the clips is the sum over the clips, so their
statistics of the whole batch give the clips' own, and the derivative needs the right count in the place of
the batch's. The GPU's kernels take such a count (they are SyncBatchNorm's, made for batches of which a part
is elsewhere); on a CPU the two terms that the derivative divides are added up here.

On a CPU all is done on rows: a frame a row, its bands one after the other, all channels of each. A row has
64 * width values at every depth, where a narrow network's first blocks have only four or eight channels, too
few for the kernels that run along them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from serkit.device import on_gpu, send

STATISTICS_EPS = 1e-5  # the GPU's kernel gives 1 / sqrt(variance + eps)

threshold_backward = torch.ops.aten.threshold_backward


@dataclass(frozen=True, eq=False)
class Frames:
    """Which frames of a padded batch [clips, longest] count; rows are numbered through the batch.

    Attributes:
        valid: how many lie inside clips.
        outside: rows past the clips' ends, int64; what stands there does not matter and becomes 0.
        emptied: rows where the result is 0: those, or more.
    """

    valid: int
    outside: Tensor
    emptied: Tensor


def rows_outside(frames: np.ndarray, longest: int, device: torch.device) -> Tensor:
    """The frames past each clip's end, int64: rows of [clips * longest, ...]; `frames` is int64 [clips]."""
    return send(np.flatnonzero(np.arange(longest) >= frames[:, None]), device)


def normalise(norm: nn.BatchNorm2d, x: Tensor, frames: Frames, relu: bool = False) -> Tensor:
    """Batch normalisation over valid frames only, and a ReLU if wanted.

    In evaluation it is `norm` itself. In training it equals `norm` on the valid frames alone: float32
    statistics, running averages with the unbiased variance, as PyTorch's own.

    Args:
        norm: the layer.
        x: [clips, channels, frames, bands], channels_last; changed in place past the clips' ends.
        frames: which of them count.
        relu: whether negative values become 0.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    if not norm.training:
        scale = torch.rsqrt(norm.running_var + norm.eps)
        y = _scaled(x, norm.running_mean, scale, norm.weight, norm.bias)
        y = _empty(y, frames.emptied)
        return F.relu_(y) if relu else y
    y, mean, variance = MaskedBatchNorm.apply(x, norm.weight, norm.bias, norm.eps, frames, relu)
    count = frames.valid * x.shape[3]
    with torch.no_grad():
        assert norm.num_batches_tracked is not None
        assert norm.momentum is not None
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (count / (count - 1)), norm.momentum)
        norm.num_batches_tracked += 1
    return y


class MaskedBatchNorm(torch.autograd.Function):
    """Training-mode batch normalisation over valid positions; gives the result, mean and variance."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, frames: Frames, relu: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Normalises x [clips, channels, frames, bands], see `normalise`."""
        count = frames.valid * x.shape[3]
        x = _empty(x, frames.outside)
        mean, variance = _statistics(x, count)
        scale = torch.rsqrt(variance + eps)
        y = _empty(_scaled(x, mean, scale, weight, bias), frames.emptied)
        y = y.relu_() if relu else y
        ctx.save_for_backward(x, y, weight, mean, scale)
        ctx.mark_non_differentiable(mean, variance)
        ctx.count, ctx.frames, ctx.relu = count, frames, relu
        return y, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients with respect to x, weight and bias."""
        x, y, weight, mean, scale = ctx.saved_tensors
        given = gradients[0].contiguous(memory_format=torch.channels_last)
        # A ReLU's derivative is 0 where its result is; without one the emptied rows are cleared by hand.
        given = threshold_backward(given, y, 0) if ctx.relu else _empty(given.clone(), ctx.frames.emptied)
        derivative = _derivative_on_gpu if on_gpu(x.device) else _derivative_on_rows
        of_x, of_weight, of_bias = derivative(
            given, x, weight, mean, scale, ctx.count, ctx.needs_input_grad[0]
        )
        if of_x is not None:
            of_x = _empty(of_x, ctx.frames.outside)
        return of_x, of_weight, of_bias, None, None, None


def _rows(x: Tensor) -> Tensor:
    """[clips, channels, frames, bands] as [clips * frames, bands * channels], the same memory."""
    return x.permute(0, 2, 3, 1).view(x.shape[0] * x.shape[2], -1)


def _from_rows(rows: Tensor, like: Tensor) -> Tensor:
    """The inverse of `_rows`, to the shape of `like`."""
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
    mean = rows.sum(dim=0, dtype=_precise(x)).view(bands, channels).sum(dim=0) / count
    centred = rows - mean.expand(bands, -1).reshape(-1)
    squares = centred.square_().sum(dim=0).view(bands, channels).sum(dim=0)
    return mean, (squares - others * mean.square()) / count


def _precise(x: Tensor) -> torch.dtype:
    """The type that x is summed in."""
    return torch.promote_types(x.dtype, torch.float32)


def _for_each_band(values: list[Tensor], bands: int) -> tuple[Tensor, ...]:
    """Values of channels as values of a row."""
    return torch.stack(values)[:, None].expand(-1, bands, -1).flatten(1).unbind()


def _scaled(x: Tensor, mean: Tensor, scale: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """(x - mean) * scale * weight + bias."""
    if on_gpu(x.device):
        return F.batch_norm(x, mean, scale.square().reciprocal(), weight, bias, training=False, eps=0.0)
    slope = weight * scale
    shift, slope = _for_each_band([bias - mean * slope, slope], x.shape[3])
    shift, slope = shift.to(x.dtype), slope.to(x.dtype)
    return _from_rows(torch.addcmul(shift, _rows(x), slope), x)


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
    """The same on a CPU."""
    rows, gradient = _rows(x), _rows(given)
    bands, channels = x.shape[3], x.shape[1]
    sums = [of.sum(dim=0, dtype=_precise(rows)) for of in (gradient * rows, gradient)]
    of_product, of_bias = torch.stack(sums).view(2, bands, channels).sum(dim=1)
    of_weight = (of_product - mean * of_bias) * scale
    if not of_x:
        return None, of_weight, of_bias
    gain = weight * scale
    slope = gain * scale * of_weight / count
    shift = slope * mean - gain * of_bias / count
    gain, slope, shift = (each.to(x.dtype) for each in _for_each_band([gain, slope, shift], bands))
    made = torch.addcmul(shift, gradient, gain).addcmul_(rows, slope, value=-1)
    return _from_rows(made, x), of_weight, of_bias
