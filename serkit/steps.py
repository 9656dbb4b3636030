"""One step of a training: the loss, the optimiser, the rate (§3)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from serkit.device import autocast
from serkit.encoders import Encoder, Inputs
from serkit.specs import Recipe

RISE = 0.25  # of the steps: then the rate of `one-cycle` is at its highest


def prepare(model: Encoder, recipe: Recipe, device: str) -> torch.optim.Optimizer:
    """Moves a network to its device, channels last, and makes its optimiser, Adam (§3), of what learns."""
    model.to(device).to(memory_format=torch.channels_last)
    learns = {name: of for name, of in model.named_parameters() if of.requires_grad}
    if recipe.encoder_learning_rate is None:
        return torch.optim.Adam(learns.values(), lr=recipe.learning_rate, fused=True)
    head = [of for name, of in learns.items() if name.startswith("head.")]
    rest = [of for name, of in learns.items() if not name.startswith("head.")]
    groups: list[dict[str, Any]] = [{"params": head}, {"params": rest, "lr": recipe.encoder_learning_rate}]
    return torch.optim.Adam(groups, lr=recipe.learning_rate, fused=True)


def learning(model: Encoder) -> None:
    """Puts a network into training, but for the parts that are frozen."""
    model.train()
    for part in getattr(model, "frozen", ()):
        part.eval()


def share_of_rate(schedule: str, done: float, warmup: float = 0.0) -> float:
    """How much of its rate a training learns by, in [0, 1], once a share of its steps is `done`.

    Example:
        >>> [round(share_of_rate("one-cycle", done), 2) for done in (0, 0.125, 0.25, 0.625, 1)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    rising = min(1.0, done / warmup) if warmup else 1.0
    if schedule == "constant":
        return rising
    return rising * (done / RISE if done < RISE else (1 + math.cos(math.pi * (done - RISE) / (1 - RISE))) / 2)


def step(
    model: Encoder, optimiser: torch.optim.Optimizer, parts: Iterable[tuple[Inputs, Tensor]], clips: int
) -> Tensor:
    """Learns from a batch of so many clips, and gives the loss before it, on the device.

    It comes in parts, each with its target, int64 [clips of the part]; their gradients are added up.
    """
    optimiser.zero_grad(set_to_none=True)
    losses = []
    for inputs, target in parts:
        with autocast(target.device):
            logits = model(*inputs)
        loss = bce_of_softmax(logits.float(), target) * (len(target) / clips)
        loss.backward()
        losses.append(loss.detach())
    optimiser.step()
    return torch.stack(losses).sum()


def bce_of_softmax(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross entropy of the softmax probabilities against the one-hot label (§3), mean over all.

    Takes logits float32 [clips, classes] and class indices int64 [clips]. The logarithms are of log-softmax
    and of the other classes' log-sum-exp, so that nothing underflows.
    """
    classes = logits.shape[1]
    chosen = torch.log_softmax(logits, dim=1)
    onehot = F.one_hot(target, classes).bool()
    others = logits[:, None, :].expand(-1, classes, -1)
    itself = torch.eye(classes, dtype=torch.bool, device=logits.device)
    not_chosen = others.masked_fill(itself, -math.inf).logsumexp(2) - logits.logsumexp(1, keepdim=True)
    return -torch.where(onehot, chosen, not_chosen).mean()
