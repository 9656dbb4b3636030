"""The seam: what the rest of serkit knows of the networks it trains.

An encoder turns clips into embeddings; head, loss and optimiser are serkit's. Each kind is a module of this
folder, or a package of several, and no list holds it: `ModelSpec.encoder` is its name, with what it asks for
behind a colon (`hf:FOLDER`), or a function of the user's own (`serkit.encoders.function`). Such a module has

    describe(model)      what must be known before it is built, a `Description`
    identify(model)      what its weights and code are, text that enters each run's key; "" if the spec says
    make(model)          a `torch.nn.Module` with a `width`, from padded waves and lengths to embeddings

and `ALONE` if it has no settings and nothing stands behind its name. Those that need more than waves
(log-mel, masks) make a module with `inputs`, as `Encoder` has it; CNN14, whose head is drawn with it, has in
place of `make` a `build`. Naming encoders needs no torch.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from serkit import settings
from serkit.errors import SpecError
from serkit.labels import LABELS
from serkit.specs import ModelSpec
from serkit.words import shown

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from serkit.augment import Waves

Inputs = tuple[Any, ...]
"""What a network takes, the arguments of `embed` and `forward`: log-mel with lengths and masks, or waves."""
OWN = "function"
"""The module for encoders of the user's own."""
BESIDE: list[Path] = []
"""Folders of the studies that were read: a user's `file.py` is looked for there, then in the current one."""


class Description(Protocol):
    """What must be known of an encoder before it is built."""

    @property
    def rate_hz(self) -> int:
        """Sample rate of the waves it is given."""

    @property
    def min_samples(self) -> int:
        """The shortest clip it can take; shorter ones are padded with silence."""

    # And `max_samples`, if it has a longest: what is stretched beyond is cut off.

    @property
    def takes(self) -> str:
        """`logmel`, or `waves`: then `serkit.augment.Chain` does SpecAugment and stretch on these."""


class Encoder(Protocol):
    """A `torch.nn.Module` that turns waves into embeddings and class scores: an encoder with its head."""

    @property
    def head(self) -> nn.Module:
        """Gives the scores of an embedding; the rest is the encoder."""

    def inputs(self, parts: Iterable[Waves]) -> Inputs:
        """What `forward` takes, of a batch that comes in parts: each is done before the next is loaded."""

    def embed(self, *inputs: Any) -> Tensor:
        """Float [clips, width of the embedding]."""

    def forward(self, *inputs: Any) -> Tensor:
        """Scores before the softmax, float [clips, outputs], in the order of the labels; perhaps repeated."""

    # As every module's:
    def __call__(self, *inputs: Any) -> Tensor: ...  # noqa: D102
    def parameters(self) -> Iterator[nn.Parameter]: ...  # noqa: D102
    def named_buffers(self) -> Iterator[tuple[str, Tensor]]: ...  # noqa: D102
    def state_dict(self) -> dict[str, Tensor]: ...  # noqa: D102
    def load_state_dict(self, state_dict: Mapping[str, Any]) -> Any: ...  # noqa: D102
    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...  # noqa: D102
    def to(self, *args: Any, **kwargs: Any) -> Any: ...  # noqa: D102
    def train(self, mode: bool = True) -> Any: ...  # noqa: D102
    def eval(self) -> Any: ...  # noqa: D102


def names() -> list[str]:
    """The kinds of encoder there are, but for the user's own."""
    return [name for name in _in(*__path__) if name != OWN]


@functools.cache
def _in(*folders: str) -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(folders))


def describe(model: ModelSpec) -> Description:
    """What must be known of an encoder before it is built. Raises as `identify`."""
    return _of(model).describe(model)


def identify(model: ModelSpec) -> str:
    """What an encoder's weights and code are, beside what the spec says: a digest, or "".

    Raises WeightsMissing where a checkpoint that it starts from is not in its place, SpecError where it
    cannot be had as the spec says.
    """
    return _of(model).identify(model)


def build(model: ModelSpec, seed: int, outputs: int = len(LABELS)) -> Encoder:
    """An encoder with its head, initialised from `seed` and its checkpoint. Raises as `identify`."""
    import torch

    from serkit import heads

    of = _of(model)
    torch.manual_seed(0 if model.fitted else seed)  # what is frozen is one network, whatever the seed
    if hasattr(of, "build"):
        return heads.whole(model, of.build(model, outputs), outputs)
    return heads.headed(model, of.make(model), outputs)


def given(model: ModelSpec, clips: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    """Embeddings that an encoder has of a corpus's clips without hearing them, float32 [clips, width].

    By corpus, for paths by corpus; none of an encoder that listens. Raises as `identify`, and where it lacks
    some of the clips.
    """
    of = _of(model)
    return {name: of.rows(model, name, paths) for name, paths in clips.items()} if hasattr(of, "rows") else {}


def beside(where: str) -> Path:
    """A file or folder of a study's, beside it or in the current folder. Raises SpecError: in neither."""
    folders, path = [*BESIDE, Path.cwd()], Path(where).expanduser()
    for folder in folders:
        if (folder / path).exists():
            return (folder / path).resolve()
    looked = ", ".join(dict.fromkeys(map(str, folders)))
    cure = "write its whole path, or put it beside the study"
    raise SpecError(f"model encoder: there is no {where} in {looked}; {cure}")


def check(model: ModelSpec) -> None:
    """Raises SpecError where there is no such encoder; imports none."""
    what, colon, which = model.encoder.partition(":")
    if not (colon and which) or what in names():
        settings.one_of("model encoder", what, [*names(), "file.py:function", "package.module:function"])


def _of(model: ModelSpec) -> Any:
    check(model)
    what, colon, _ = model.encoder.partition(":")
    of = importlib.import_module(f"{__name__}.{what if what in names() else OWN}")
    if hasattr(of, "ALONE"):
        asked = f"model encoder {model.encoder!r} with settings {shown(dict(model.settings))}"
        settings.check(not (colon or model.settings), f"{asked}: expected {what} alone")
    return of
