"""An encoder of one's own: a function in a file or a package, which makes a module (docs/encoders.md).

    [model]
    encoder = "network.py:make"          # or "package.module:make"
    settings = { width = 32 }            # what it is called with

A study is data, and code runs only where its user says so: `SERKIT_CODE` in the environment names the files
and packages that may be run, with commas between them.

The module has `rate_hz`, `width` and perhaps `min_samples` (else a tenth of a second); it takes waves,
float32 [clips, longest] with full scale 1 and zeros past each clip's end, and lengths, int64 [clips], and
gives embeddings, float [clips, width]. What it is depends on its code, on its settings and on what it loads:
the digest is of the file or of all files of the package, and of all state that another seed leaves as it is.
"""

from __future__ import annotations

import ast
import errno
import functools
import hashlib
import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
from torch import nn

from serkit import encoders
from serkit.errors import SpecError
from serkit.files import read_bytes
from serkit.settings import Bounds, check, is_number
from serkit.specs import ModelSpec
from serkit.words import shown

RATES_HZ = Bounds(2000, 192_000, "samples a second")
VARIABLE = "SERKIT_CODE"
OURS = "benchmark.examples."
"""Code that runs anyway, of which each file is an encoder."""
SEEDS = 0, 1
SHORTEST_S = 0.1
LOADED = "serkit_encoder_"
"""Begins the name under which a file is imported, which its digest ends."""


def describe(model: ModelSpec) -> SimpleNamespace:
    """Rate and shortest clip, as the module says. Raises SpecError where it says none."""
    made = make(model)
    shortest = made.min_samples
    whole = isinstance(shortest, int) and 0 < shortest <= 60 * made.rate_hz
    said = f"model encoder {model.encoder!r}: its module has min_samples = {shown(shortest)}"
    check(whole, f"{said}; expected a whole number of samples, of a minute at most")
    return SimpleNamespace(rate_hz=made.rate_hz, min_samples=shortest, takes="waves")


def make(model: ModelSpec) -> Any:
    """What the function makes, as drawn by torch's seed. Raises SpecError where it is no encoder."""
    where, name = f"model encoder {model.encoder!r}", model.encoder.rpartition(":")[2]
    function = getattr(_module(model.encoder), name, None)
    check(callable(function), f"{where}: expected a function {name} there")
    borrowed = (
        f"{where}: {name} is of another module, {getattr(function, '__module__', None)}; expected its own"
    )
    ours = model.encoder.startswith(OURS)
    check(not ours or function.__module__ == model.encoder.rpartition(":")[0], borrowed)
    assert function is not None
    settings = {key: list(value) if isinstance(value, tuple) else value for key, value in model.settings}
    try:
        made = function(**settings)
    except TypeError as error:
        raise SpecError(f"{where} with settings {shown(settings)}: {error}") from error
    check(isinstance(made, nn.Module), f"{where}: expected a torch.nn.Module, it gave {type(made).__name__}")
    for attribute, bounds in (("rate_hz", RATES_HZ), ("width", Bounds(1, 1 << 20, "of the embedding"))):
        value: Any = getattr(made, attribute, None)
        fits = isinstance(value, int) and is_number(value) and bounds.low <= value <= bounds.high
        check(fits, f"{where}: its module has {attribute} = {shown(value)}; expected {bounds} ({bounds.why})")
    if getattr(made, "min_samples", None) is None:
        made.min_samples = round(SHORTEST_S * made.rate_hz)
    return made


@functools.lru_cache
def identify(model: ModelSpec) -> str:
    """SHA-256 of code and loaded weights. Raises SpecError: there is no such function, or it makes none."""
    one, other = (_state(model, seed) for seed in SEEDS)
    digest = hashlib.sha256()
    for path, content in _code(model.encoder.rpartition(":")[0]):
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    for name in sorted(one):
        content = _bytes(one[name])
        if name in other and content == _bytes(other[name]):  # what is drawn is no part of what it is
            digest.update(f"{name}\0{one[name].dtype}\0{tuple(one[name].shape)}\0".encode() + content)
    return f"sha256:{digest.hexdigest()}"


def _state(model: ModelSpec, seed: int) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = make(model)
        tensors = [*made.named_parameters(), *made.named_buffers()]  # those that no state has, too
        return {name: value.detach().cpu() for name, value in tensors}


def _bytes(value: torch.Tensor) -> bytes:
    """A tensor's content; NaN is NaN."""
    return value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _code(where: str) -> Iterator[tuple[str, bytes]]:
    """The files that an encoder's code is, by their names within it: its file, or those of its package."""
    if where.endswith(".py"):
        path = encoders.beside(where)
        yield "", read_bytes(path)
        for beside in _imported(path):
            yield beside.relative_to(path.parent).as_posix(), read_bytes(beside)
        return
    module = importlib.import_module(where if where.startswith(OURS) else where.partition(".")[0])
    check(
        bool(module.__file__), f"model encoder: {where} has no file of its own; expected a file or a package"
    )
    root = Path(str(module.__file__))
    files = sorted(root.parent.rglob("*.py")) if root.name == "__init__.py" else [root]
    for path in files:
        yield path.relative_to(root.parent).as_posix(), read_bytes(path)


def _imported(path: Path) -> list[Path]:
    """The files beside a file that it imports, and those that they import."""
    found: set[Path] = set()
    left = [path]
    while left:
        for node in ast.walk(ast.parse(read_bytes(left.pop()))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for name in names:
                place = path.parent.joinpath(*name.split("."))
                for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
                    if file.is_file() and file != path and file not in found:
                        found.add(file)
                        left.append(file)
    return sorted(found)


def _module(encoder: str) -> ModuleType:
    """The module that a function lies in. Raises SpecError where it cannot be had, or may not be run."""
    where = encoder.rpartition(":")[0]
    if where.startswith(OURS):
        return importlib.import_module(where)
    trusted = where if where.endswith(".py") else where.partition(".")[0]
    asked = f"model encoder {encoder!r} is code; if you know what it does, name it: {VARIABLE}={trusted}"
    check(bool(trusted) and _is_named(trusted), asked)
    load: Callable[[str], ModuleType] = _loaded if where.endswith(".py") else importlib.import_module
    try:
        return load(where)
    except SpecError:
        raise
    except Exception as error:  # whatever the user's code does when it is imported
        said = f"{type(error).__name__}: {error}"
        raise SpecError(f"model encoder {encoder!r}: {where} cannot be imported ({said})") from error


def _is_named(trusted: str) -> bool:
    """Whether its user names code: by the study's word or, a file, by a path that leads to it."""
    named = [name.strip() for name in os.environ.get(VARIABLE, "").split(",")]
    if trusted in named or not trusted.endswith(".py"):
        return trusted in named
    try:
        file = encoders.beside(trusted)
    except SpecError:
        return False
    return file in (Path(name).resolve() for name in named)


class Uncached(importlib.machinery.SourceFileLoader):
    """Compiles a file each time: bytecode of a file as long, of the same second, would pass for it."""

    def path_stats(self, path: Any) -> Any:
        """Has none, so that no bytecode is looked for or kept."""
        raise OSError(errno.ENOENT, "not asked", str(path))


def _loaded(where: str) -> ModuleType:
    """A file as a module, imported once; changed, it is another."""
    path = encoders.beside(where)
    name = LOADED + hashlib.sha256(str(path).encode() + read_bytes(path)).hexdigest()[:16]
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path, loader=Uncached(name, str(path)))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # as its classes ask for it
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
    return sys.modules[name]
