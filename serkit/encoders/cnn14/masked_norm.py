"""Batch normalisation over the valid frames of a padded batch, by PyTorch's own kernels.

They know no masks. But a sum over positions that are 0 outside the clips is the sum over the clips, so their
statistics of the whole batch give the clips' own, and the derivative needs the right count in the place of
the batch's. The GPU's kernels take such a count: they are SyncBatchNorm's, of batches with a part elsewhere.

On a CPU all is done here, on rows: a frame a row, its bands one after the other, all channels of each. A row
has 64 * width values at every depth; a narrow network's first channels are too few for PyTorch's kernels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from serkit.device import on_gpu, send

STATISTICS_EPS = 1e-5  # the GPU's kernel gives 1 / sqrt(variance + eps)


def rows_outside(frames: np.ndarray, longest: int, device: torch.device) -> Tensor:
    """The frames past each clip's end, int64: rows of [clips * longest, ...]; `frames` is int64 [clips]."""
    return send(np.flatnonzero(np.arange(longest) >= frames[:, None]), device)


def empty(x: Tensor, rows: Tensor) -> Tensor:
    """Sets frames of [clips, channels, frames, bands], channels_last, to 0, in place."""
    if len(rows):
        _rows(x).index_fill_(0, rows, 0)
    return x


def normalise(norm: nn.BatchNorm2d, x: Tensor, outside: Tensor, relu: bool) -> Tensor:
    """Batch normalisation over valid frames only, and a ReLU if wanted.

    In evaluation it is `norm` itself. In training it equals `norm` on the valid frames alone: float32
    statistics, running averages with the unbiased variance, as PyTorch's own. Whatever x, [clips, channels,
    frames, bands] and channels_last, holds in the rows `outside` becomes 0, in place and in the result.
    """
    x = x.contiguous(memory_format=torch.channels_last)
    running: Any = norm  # its averages may be None by their types
    if not norm.training:
        scale = torch.rsqrt(running.running_var + norm.eps)
        return _scaled(x, running.running_mean, scale, norm.weight, norm.bias, outside, relu)
    y, mean, variance = MaskedBatchNorm.apply(x, norm.weight, norm.bias, norm.eps, outside, relu)
    count = _positions(x, outside)
    with torch.no_grad():
        running.running_mean.lerp_(mean, norm.momentum)
        running.running_var.lerp_(variance * (count / (count - 1)), norm.momentum)
        running.num_batches_tracked += 1
    return y


class MaskedBatchNorm(torch.autograd.Function):
    """Training-mode batch normalisation over valid positions; gives the result, mean and variance."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, outside: Tensor, relu: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Normalises x [clips, channels, frames, bands], see `normalise`."""
        x = empty(x, outside)
        mean, variance = _statistics(x, _positions(x, outside))
        scale = torch.rsqrt(variance + eps)
        y = _scaled(x, mean, scale, weight, bias, outside, relu)
        ctx.save_for_backward(x, y, weight, mean, scale, outside)
        ctx.mark_non_differentiable(mean, variance)
        ctx.relu = relu
        return y, mean, variance

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients with respect to x, weight and bias."""
        x, y, weight, mean, scale, outside = ctx.saved_tensors
        given = gradients[0].contiguous(memory_format=torch.channels_last)
        # A ReLU's derivative is 0 where its result is; without one the rows outside are cleared by hand.
        given = torch.ops.aten.threshold_backward(given, y, 0) if ctx.relu else empty(given.clone(), outside)
        count = _positions(x, outside)
        if on_gpu(x.device):
            reduced = torch.batch_norm_backward_reduce(given, x, mean, scale, weight, True, True, True)
            over, over_centred, of_weight, of_bias = reduced
            counts = torch.full((1,), count, dtype=torch.int32, device=x.device)
            of_x = torch.batch_norm_backward_elemt(given, x, mean, scale, weight, over, over_centred, counts)
        else:
            rows, gradient, precise = _rows(x), _rows(given), torch.promote_types(x.dtype, torch.float32)
            sums = [of.sum(dim=0, dtype=precise) for of in (gradient * rows, gradient)]
            of_product, of_bias = torch.stack(sums).view(2, x.shape[3], x.shape[1]).sum(dim=1)
            of_weight = (of_product - mean * of_bias) * scale
            gain = weight * scale
            slope = gain * scale * of_weight / count
            gain, slope, shift = _along_rows(x, gain, slope, slope * mean - gain * of_bias / count)
            of_x = _from_rows(torch.addcmul(shift, gradient, gain).addcmul_(rows, slope, value=-1), x)
        return empty(of_x, outside), of_weight, of_bias, None, None, None


def _positions(x: Tensor, outside: Tensor) -> int:
    """How many values of each channel lie inside clips."""
    return (x.shape[0] * x.shape[2] - len(outside)) * x.shape[3]


def _rows(x: Tensor) -> Tensor:
    """[clips, channels, frames, bands] as [clips * frames, bands * channels], the same memory."""
    return x.permute(0, 2, 3, 1).view(x.shape[0] * x.shape[2], -1)


def _from_rows(rows: Tensor, like: Tensor) -> Tensor:
    """The inverse of `_rows`, to the shape of `like`."""
    clips, channels, frames, bands = like.shape
    return rows.view(clips, frames, bands, channels).permute(0, 3, 1, 2)


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
    rows, precise = _rows(x), torch.promote_types(x.dtype, torch.float32)
    mean = rows.sum(dim=0, dtype=precise).view(bands, channels).sum(dim=0) / count
    centred = rows - mean.expand(bands, -1).reshape(-1)
    squares = centred.square_().sum(dim=0).view(bands, channels).sum(dim=0)
    return mean, (squares - others * mean.square()) / count


def _along_rows(x: Tensor, *of_channels: Tensor) -> list[Tensor]:
    """Values of channels as values of a row of x, in its type."""
    rows = torch.stack(of_channels)[:, None].expand(-1, x.shape[3], -1).flatten(1)
    return list(rows.to(x.dtype))


def _scaled(
    x: Tensor, mean: Tensor, scale: Tensor, weight: Tensor, bias: Tensor, outside: Tensor, relu: bool
) -> Tensor:
    """(x - mean) * scale * weight + bias, 0 outside the clips, then the ReLU."""
    if on_gpu(x.device):
        y = F.batch_norm(x, mean, scale.square().reciprocal(), weight, bias, training=False, eps=0.0)
    else:
        slope = weight * scale
        shift, slope = _along_rows(x, bias - mean * slope, slope)
        y = _from_rows(torch.addcmul(shift, _rows(x), slope), x)
    return F.relu_(empty(y, outside)) if relu else empty(y, outside)
