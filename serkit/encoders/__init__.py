"""The seam: what the rest of serkit knows of the networks it trains.

An encoder is a module of this folder, or a package of several, with the functions `describe`, `verify` and
`build` below; its name is `ModelSpec.encoder`, and no list holds it. The loader gives augmented waves, the
encoder makes of them what it takes, an embedding, and class scores. One that has a `fit` is not trained by
steps but fitted at once to its embeddings (`logmel_statistics`). Naming encoders needs no torch.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from serkit.labels import LABELS
from serkit.settings import one_of
from serkit.specs import ModelSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from serkit.augment import Waves

Inputs = tuple[Any, ...]
"""What an encoder takes, the arguments of `embed` and `forward`: log-mel with lengths and masks, or waves."""


class Description(Protocol):
    """What must be known of an encoder before it is built."""

    @property
    def rate_hz(self) -> int:
        """Sample rate of the waves it is given."""

    @property
    def min_samples(self) -> int:
        """The shortest clip it can take; `Encoder.inputs` pads shorter ones with silence."""

    @property
    def takes(self) -> str:
        """`logmel`, or `waves`: then SpecAugment and a stretch on features have nothing to act on."""


class Encoder(Protocol):
    """A `torch.nn.Module` that turns waves into embeddings and class scores."""

    def inputs(self, parts: Iterable[Waves]) -> Inputs:
        """What `forward` takes, of a batch that comes in parts: each is done before the next is loaded."""

    def embed(self, *inputs: Any) -> Tensor:
        """Float [clips, width of the embedding]."""

    def forward(self, *inputs: Any) -> Tensor:
        """Scores before the softmax, float [clips, outputs], in the order of the labels; perhaps repeated."""

    # As every module's:
    def __call__(self, *inputs: Any) -> Tensor: ...  # noqa: D102
    def parameters(self) -> Iterator[nn.Parameter]: ...  # noqa: D102
    def to(self, *args: Any, **kwargs: Any) -> Any: ...  # noqa: D102
    def train(self, mode: bool = True) -> Any: ...  # noqa: D102
    def eval(self) -> Any: ...  # noqa: D102


def names() -> list[str]:
    """The encoders there are."""
    return _in(*__path__)


@functools.cache
def _in(*folders: str) -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(folders))


def describe(model: ModelSpec) -> Description:
    """What must be known of an encoder before it is built."""
    return _of(model).describe(model)


def verify(model: ModelSpec) -> None:
    """Raises WeightsMissing where a checkpoint that the encoder starts from is not in its place."""
    _of(model).verify(model)


def build(model: ModelSpec, seed: int, outputs: int = len(LABELS)) -> Encoder:
    """An encoder, initialised from `seed` and from its checkpoint. Raises WeightsMissing as `verify` does."""
    return _of(model).build(model, seed, outputs)


def check(model: ModelSpec) -> None:
    """Raises SpecError where there is no such encoder; imports none."""
    one_of("model encoder", model.encoder, names())


def _of(model: ModelSpec) -> Any:
    check(model)
    return importlib.import_module(f"{__name__}.{model.encoder}")
