"""Masked batch normalisation against torch's own on the valid frames alone."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from serkit.encoders.cnn14.masked_norm import MaskedBatchNorm, normalise, rows_outside


def valid_only(x, frames):
    """The valid frames of [clips, channels, frames, bands] end to end: [1, channels, all frames, bands]."""
    return torch.cat([one[:, :n] for one, n in zip(x, frames, strict=True)], dim=1)[None]


@pytest.mark.parametrize("relu", [False, True], ids=["", "relu"])
@pytest.mark.parametrize(("channels", "bands"), [(5, 1), (5, 8), (1, 8), (16, 2)])
def test_masked_normalisation_is_torchs_on_the_valid_frames(channels, bands, relu):
    """Where a batch is padded little, a lot, and not at all."""
    torch.manual_seed(0)
    ours, theirs = nn.BatchNorm2d(channels), nn.BatchNorm2d(channels)
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict())
    after = F.relu if relu else nn.Identity()
    for step, frames in enumerate(
        np.array([[9, 2, 12, 7], [1, 1, 12, 1], [12, 12, 12, 12], [7, 12, 12, 12]])
    ):
        inside = torch.from_numpy(np.arange(12) < frames[:, None])[:, None, :, None]
        given = 3 * torch.randn(4, channels, 12, bands) + 5 * step
        x = given.clone().requires_grad_()
        pull = torch.randn(4, channels, 12, bands)
        y = normalised(ours, x * 1, frames, relu)  # a copy: what lies past the ends is overwritten
        reference = after(theirs(valid_only(x, frames)))
        assert not y.masked_select(~inside).any()
        torch.testing.assert_close(valid_only(y, frames), reference, atol=1e-5, rtol=1e-5)
        of_ours = torch.autograd.grad((y * pull).sum(), (x, ours.weight, ours.bias))
        of_theirs = torch.autograd.grad(
            (reference * valid_only(pull, frames)).sum(), (x, theirs.weight, theirs.bias)
        )
        assert not of_ours[0].masked_select(~inside).any()
        torch.testing.assert_close(of_ours, of_theirs, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict(), atol=1e-5, rtol=1e-5)
    x = torch.randn(4, channels, 12, bands)
    evaluated = normalised(ours.eval(), x, frames, relu)
    torch.testing.assert_close(valid_only(evaluated, frames), after(theirs.eval()(valid_only(x, frames))))


def normalised(norm, x, frames, relu):
    return normalise(norm, x, rows_outside(frames, x.shape[2], torch.device("cpu")), relu)


@pytest.mark.parametrize("relu", [False, True], ids=["", "relu"])
def test_closed_form_gradient(relu):
    """By central differences, in float64."""
    torch.manual_seed(0)
    frames = np.array([4, 2, 3])
    outside = rows_outside(frames, 4, torch.device("cpu"))
    shapes = [(3, 2, 4, 2), (2,), (2,)]  # x, scale, shift
    at = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes]

    def value(x, scale, shift):
        x = x.clone(memory_format=torch.channels_last)
        return MaskedBatchNorm.apply(x, scale, shift, 1e-5, outside, relu)[0]

    assert torch.autograd.gradcheck(value, at)
