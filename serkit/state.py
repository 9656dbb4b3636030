"""The state of a training in mid-course, kept in a file, so that a process that ends leaves what it has done.

    with Keeper(path, about, minutes) as keeper:
        found = keeper.found()              # of an earlier process, or None
        while ...:
            keeper.steady(make)             # from here on `make()` gives a whole state
            ...                             # what changes nothing of it may end here at a signal
            keeper.changing()               # from here on it does not
            ...

It is kept every so many minutes, and at signals: at SIGUSR1, after which the training goes on, and at SIGTERM
and SIGINT, which end it: what Slurm and machines on loan send before they kill, and Ctrl-C. The second of
these ends it at once. A state is of use to a process that has the same `about`: all that could make it go on
otherwise than it would have gone on undisturbed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import signal
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from serkit.device import on_gpu
from serkit.files import open_file, write_by
from serkit.provenance import environment
from serkit.signals import USR1, in_main

MINUTES = 10.0
"""At full width CNN14's is 956 MB."""
UNFIT = (
    *(OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError, EOFError),
    pickle.UnpicklingError,
)
"""What reading a damaged state raises."""
ENDS = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True)
class State:
    """All that a training changes."""

    tensors: Mapping[str, Tensor]
    numbers: Mapping[str, Any]  # what JSON can hold; `iteration` and `of` say how far it is

    def digest(self) -> str:
        """SHA-256 over all of it, by name."""
        digest = hashlib.sha256(json.dumps(self.numbers, sort_keys=True).encode())
        for name, tensor in sorted(self.tensors.items()):
            digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
            flat = tensor.clone(memory_format=torch.contiguous_format).reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().data)
        return digest.hexdigest()


class Keeper:
    """Keeps one training's state; without a path none, and then signals do what they did."""

    def __init__(
        self,
        path: Path | None = None,
        about: Mapping[str, Any] | None = None,
        minutes: float = MINUTES,
        report: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        """`report` is told of each state that is kept: at which iteration, of how many, its size in bytes."""
        self._path, self._about = path, dict(about or {})
        self._seconds, self._report = 60 * minutes, report
        self._make: Callable[[], State] | None = None
        self._kept_at = time.monotonic()
        self._ends: int = 0  # the signal that ends it
        self._parent = os.getppid()
        self._asked = False  # for a state, by a signal
        self._before: dict[int, Any] = {}
        self.spent_s = 0.0  # on keeping

    def __enter__(self) -> Keeper:
        if self._path is not None and in_main():
            for number in filter(None, (*ENDS, USR1)):
                self._before[number] = signal.signal(number, self._signalled)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is not None and issubclass(kind, KeyboardInterrupt):
                self._keep()
        finally:
            self._make = None
            for number, before in self._before.items():
                signal.signal(number, before)
        if self._ends == signal.SIGTERM:
            signal.raise_signal(self._ends)  # to end as it would have, with what is on the way
        if self._ends and not (kind and issubclass(kind, KeyboardInterrupt)):  # but something else went wrong
            raise KeyboardInterrupt

    def found(self, like: Mapping[str, Tensor] | None = None) -> State | None:
        """What an earlier process kept; None where there is nothing, or, with a warning, nothing of use.

        With `like`, its tensors of these names must be all that begin as they do, each of the same shape.
        """
        if self._path is None or not os.path.lexists(self._path):
            return None
        try:
            state = self._read(self._path)
            for part in dict.fromkeys(name.partition(".")[0] for name in like or {}):
                shapes, now = (
                    {n: of.shape for n, of in some.items() if n.partition(".")[0] == part}
                    for some in (state.tensors, like or {})
                )
                if shapes != now:
                    raise ValueError(f"its {part} has other tensors")
        except UNFIT as error:
            first = (str(error) or type(error).__name__).partition("\n")[0]
            warnings.warn(f"starts anew: the state in {self._path} is of no use ({first})", stacklevel=2)
            return None
        if self._report is not None:
            self._report({"resumed": state.numbers["iteration"], "of": state.numbers["of"]})
        return state

    def _read(self, path: Path) -> State:
        with open_file(path) as file:
            content = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(content, dict):
            raise ValueError("it holds no state")
        was = json.loads(content["about"])
        differ = [name for name in sorted({*was, *self._about}) if was.get(name) != self._about.get(name)]
        if differ:
            said = (f"{name} was {was.get(name)}, is {self._about.get(name)}" for name in differ)
            raise ValueError("; ".join(said))
        state = State(content["tensors"], json.loads(content["numbers"]))
        if state.digest() != content["sha256"]:
            raise ValueError("it is not what was written")
        return state

    def steady(self, make: Callable[[], State]) -> None:
        """Says that `make` gives a whole state from now on; keeps it where it is time or a signal asked.

        Raises KeyboardInterrupt at a signal that ends the training, now or while it is steady.
        """
        self._make = make
        if self._asked or self._since() >= self._seconds:
            self._keep()
        if self._ends:
            raise KeyboardInterrupt

    def last(self) -> None:
        """Keeps the state at the end, before what else takes time, unless it was kept just now."""
        if self._since() >= self._seconds / 10:
            self._keep()

    def _since(self) -> float:
        return time.monotonic() - self._kept_at

    def changing(self) -> None:
        """Says that there is no whole state from now on."""
        self._make = None

    def drop(self) -> None:
        """Forgets what is kept: the training is over."""
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _signalled(self, number: int, _: object) -> None:
        if number == USR1:
            self._asked = True
            if self._make is not None:
                self._keep()
            return
        before, self._ends = self._ends, self._ends or number
        # A worker whose session has ended interrupts itself after five seconds: nobody asked twice then.
        twice = number == before == signal.SIGINT and os.getppid() == self._parent
        if twice or self._make is not None:
            raise KeyboardInterrupt

    def _keep(self) -> None:
        """Writes the state whole, in place of the one before; what goes wrong costs the state alone."""
        make, self._make = self._make, None
        path, self._asked = self._path, False
        if make is None or path is None:
            return
        began = time.monotonic()
        try:
            made = make()
            state = State({name: of.detach().cpu() for name, of in made.tensors.items()}, made.numbers)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_by(path, lambda draft: save(draft, self._content(state)))
            so_far = {name: state.numbers[of] for name, of in (("kept", "iteration"), ("of", "of"))}
            if self._report is not None:
                self._report({**so_far, "bytes": path.stat().st_size})
        except Exception as error:
            why = getattr(error, "strerror", None) or error
            warnings.warn(f"the state of a training cannot be kept in {path} ({why})", stacklevel=2)
        self._kept_at, self._make = time.monotonic(), make
        self.spent_s += self._kept_at - began

    def _content(self, state: State) -> dict[str, Any]:
        about, numbers = json.dumps(self._about), json.dumps(state.numbers)
        return {"about": about, "numbers": numbers, "tensors": dict(state.tensors), "sha256": state.digest()}


def save(path: Path, content: Any) -> None:
    """Writes tensors as torch does. Raises OSError where torch says of a full disk something else."""
    try:
        torch.save(content, path)
    except RuntimeError as error:
        raise OSError(errno.EIO, str(error).partition("\n")[0]) from error


def here(device: str) -> dict[str, Any]:
    """What of this process decides whether it computes as another did, bit for bit."""
    about = environment(device)
    of = ("python", "serkit", "device", "device_name", "threads")
    return {**about["packages"], **{name: about[name] for name in of}}


def resumption(found: State) -> dict[str, Any]:
    """What a result says of a state that a training went on from."""
    seconds = round(found.numbers["train_seconds"] + found.numbers.get("evaluate_seconds", 0.0), 2)
    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())
    return {"at": now, "iteration": found.numbers["iteration"], "seconds": seconds}


def generators(device: str) -> dict[str, Tensor]:
    """The states of torch's generators, of which dropout draws."""
    of_gpu = {"generator.gpu": torch.cuda.get_rng_state(device)} if on_gpu(device) else {}
    return {"generator.cpu": torch.get_rng_state(), **of_gpu}


def restore(states: Mapping[str, Tensor], device: str) -> None:
    """Puts torch's generators into the states that `generators` gave, by `cpu` and `gpu`."""
    torch.set_rng_state(states["cpu"])
    if on_gpu(device):
        torch.cuda.set_rng_state(states["gpu"], device)
