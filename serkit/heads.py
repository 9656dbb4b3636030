"""What serkit puts on an encoder: a head that learns with it, or one fitted to a frozen one's embeddings.

A frozen encoder is asked for one thing: what a linear classifier reads from it. So its head is a logistic
regression (scikit-learn, L2 with C = 1) on embeddings standardised over the training clips, which has one
optimum and no rate to tune; it is fitted at once to the clips of all epochs, as augmented in each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
        return whole, send(np.concatenate(samples), whole.device)

    def embed(self, *inputs: Any) -> Tensor:
        """Float [clips, width]."""
        return getattr(self.encoder, "embed", self.encoder)(*inputs)

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

    def fit(self, embeddings: np.ndarray, labels: np.ndarray) -> None:
        """Fits to float32 [clips, width] and the index of each clip's output, int64 [clips]."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(embeddings)
        several = len(np.unique(labels)) > 1
        check(several, "all training clips have one label; expected two to tell apart")
        features = np.nan_to_num(scaler.transform(embeddings), nan=0.0)
        regression = LogisticRegression(max_iter=2000).fit(features, labels)
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


def headed(model: ModelSpec, made: Any, outputs: int) -> Any:
    """An encoder with its head, and without what a model freezes learning; one that has a head keeps it.

    Raises SpecError: there is no such part, or nothing of the encoder is left that learns.
    """
    if model.fitted:
        check(model.head == "linear", f"model head = {model.head!r}: a frozen encoder has a linear one")
        return Fitted(made, outputs)
    network = made if hasattr(made, "head") else Headed(made, outputs, model.head)
    there = parts(network)
    for name in model.freeze:
        one_of("model freeze", name, [ENCODER, *there])
        there[name].requires_grad_(False)
    named = network.named_parameters()
    learns = any(of.requires_grad for name, of in named if not name.startswith("head."))
    check(learns, f"nothing of {model.encoder} learns; set freeze = ['{ENCODER}']")
    network.frozen = [there[name] for name in model.freeze]
    return network


def counted(network: Any) -> dict[str, int]:
    """How many parameters a network has, and how many of them learn; of a fitted one those of its head."""
    every = [(of.numel(), of.requires_grad) for of in network.parameters()]
    return {"learnt": sum(n for n, learns in every if learns), "all": sum(n for n, _ in every)}


def parts(network: Any) -> Mapping[str, nn.Module]:
    """The parts of an encoder by name: what it says they are, or the modules that it consists of."""
    encoder = getattr(network, "encoder", network)
    found = encoder.parts() if hasattr(encoder, "parts") else dict(encoder.named_children())
    return {name: part for name, part in found.items() if part is not network.head}
