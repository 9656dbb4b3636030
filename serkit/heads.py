"""What serkit puts on an encoder: a head that learns with it, or one fitted to a frozen one's embeddings.

A frozen encoder is asked for one thing: what a linear classifier reads from it. So its head is a logistic
regression (scikit-learn, L2 with C = 1) on embeddings standardised over the training clips, which has one
optimum and no rate to tune; it is fitted at once to the clips of all epochs, as augmented in each.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from serkit.augment import Waves
from serkit.device import send
from serkit.settings import check, one_of
from serkit.specs import ENCODER, ModelSpec

NEVER = -50.0
"""The score of a label without a training clip."""


class Headed(nn.Module):
    """An encoder of waves and a head over its embedding."""

    def __init__(self, encoder: Any, outputs: int, head: str = "linear") -> None:
        """Initialised as torch does; `relu-linear` has a Linear + ReLU of the embedding's width before it."""
        super().__init__()
        self.encoder, width = encoder, int(encoder.width)
        projection = [nn.Linear(width, width), nn.ReLU()] if head == "relu-linear" else []
        self.head: nn.Module = nn.Sequential(*projection, nn.Linear(width, outputs))

    def inputs(self, parts: Iterable[Waves]) -> tuple[Any, ...]:
        """A batch: waves float32 [clips, longest] and lengths int64 [clips]; or what the encoder takes."""
        if hasattr(self.encoder, "inputs"):
            return self.encoder.inputs(parts)
        waves, samples = zip(*((part.waves, part.samples) for part in parts), strict=True)
        longest = max(part.shape[1] for part in waves)
        whole = torch.cat([F.pad(part, (0, longest - part.shape[1])) for part in waves])
        # Shorter clips have silence behind them, as part of them.
        least = getattr(self.encoder, "min_samples", 1)
        return whole, send(np.maximum(np.concatenate(samples), least), whole.device)

    def embed(self, *inputs: Any) -> Tensor:
        """Float [clips, width]. Raises SpecError where the encoder gives something else."""
        found = getattr(self.encoder, "embed", self.encoder)(*inputs)
        expected = (len(inputs[0]), int(self.encoder.width))
        given = f"{found.dtype} {list(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        fits = isinstance(found, Tensor) and found.shape == expected and found.is_floating_point()
        check(fits, f"the encoder gave {given}; expected embeddings, floating-point {list(expected)}")
        return found.float() if found.dtype in (torch.float64, torch.float16) else found

    def forward(self, *inputs: Any) -> Tensor:
        """Scores before the softmax, float [clips, outputs]."""
        return self.head(self.embed(*inputs))


class Fitted(Headed):
    """A frozen encoder and a logistic regression."""

    def __init__(self, encoder: Any, outputs: int) -> None:
        """Not fitted yet; there is nothing to draw by a seed."""
        super().__init__(encoder.requires_grad_(False), outputs)
        width = int(encoder.width)
        self.kept: Any = None
        """`serkit.embeddings.Kept`, where the embeddings of clips that are not augmented are."""
        self.centre, self.scale = nn.Buffer(torch.zeros(width)), nn.Buffer(torch.ones(width))
        self.eval()

    def train(self, mode: bool = True) -> Fitted:
        """Stays as in evaluation: nothing of it learns by steps."""
        return super().train(False)

    def forward(self, *inputs: Any) -> Tensor:
        """Scores before the softmax, float [clips, outputs]."""
        return self.classify(self.embed(*inputs))

    def classify(self, embeddings: Tensor) -> Tensor:
        """Scores of embeddings, float [clips, width]; a feature that is NaN counts as the average one."""
        return self.head(((embeddings - self.centre) / self.scale).nan_to_num(nan=0.0))

    def fit(self, embeddings: np.ndarray, labels: np.ndarray, copies: int = 1) -> None:
        """Fits to float32 [clips, width] and the index of each clip's output, int64 [clips].

        Of so many `copies` of each clip the penalty counts as often: equal ones give what one gives.
        """
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(embeddings)
        several = len(np.unique(labels)) > 1
        check(several, "all training clips have one label; expected two to tell apart")
        features = np.nan_to_num(scaler.transform(embeddings), nan=0.0)
        regression = LogisticRegression(C=1 / copies, max_iter=2000).fit(features, labels)
        weights, biases = regression.coef_, regression.intercept_
        if len(regression.classes_) == 2:  # one row stands for both
            weights, biases = np.concatenate([-weights, weights]) / 2, np.concatenate([-biases, biases]) / 2
        last = cast(nn.Linear, cast(nn.Sequential, self.head)[-1])
        with torch.no_grad():
            self.centre.copy_(torch.as_tensor(scaler.mean_))
            self.scale.copy_(torch.as_tensor(cast(np.ndarray, scaler.scale_)))
            last.weight.zero_()
            last.bias.fill_(NEVER)
            last.weight[regression.classes_] = torch.as_tensor(weights).to(last.weight)
            last.bias[regression.classes_] = torch.as_tensor(biases).to(last.bias)


def headed(model: ModelSpec, encoder: Any, outputs: int) -> Any:
    """An encoder with its head, and without what a model freezes learning.

    Raises SpecError: there is no such part, or nothing of the encoder is left that learns.
    """
    if not model.fitted:
        return frozen_in_parts(model, Headed(encoder, outputs, model.head))
    check(model.head == "linear", f"model head = {model.head!r}: a frozen encoder has a linear one")
    return Fitted(encoder, outputs)


def whole(model: ModelSpec, network: Any, outputs: int) -> Any:
    """The same of a network that has its own head. Raises as `headed`."""
    return headed(model, network, outputs) if model.fitted else frozen_in_parts(model, network)


def frozen_in_parts(model: ModelSpec, network: Any) -> Any:
    """Keeps the parts that a model names from learning. Raises as `headed`."""
    there = parts(network)
    network.frozen = []  # modules that stay as in evaluation
    for name in model.freeze:
        one_of("model freeze", name, [ENCODER, *there])
        for of in there[name]:
            of.requires_grad_(False)
        network.frozen += [of for of in there[name] if isinstance(of, nn.Module)]
    named = network.named_parameters()
    learns = any(of.requires_grad for name, of in named if not name.startswith("head."))
    check(learns, f"nothing of {model.encoder} learns; set freeze = ['{ENCODER}']")
    return network


def counted(network: Any) -> dict[str, int]:
    """How many parameters a network has, and how many of them learn; of a fitted one those of its head."""
    every = [(of.numel(), of.requires_grad) for of in network.parameters()]
    return {"learnt": sum(n for n, learns in every if learns), "all": sum(n for n, _ in every)}


def parts(network: Any) -> dict[str, list[Any]]:
    """The parts of an encoder by name, modules and parameters: what it says, or what it consists of."""
    encoder = getattr(network, "encoder", network)
    found = encoder.parts() if hasattr(encoder, "parts") else dict(encoder.named_children())
    lists = {name: list(of) if isinstance(of, list | tuple) else [of] for name, of in found.items()}
    return {name: of for name, of in lists.items() if network.head not in of}
