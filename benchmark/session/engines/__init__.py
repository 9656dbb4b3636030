"""Where the jobs of a session are done: each module of this folder is an engine (`pytest --engine NAME`).

Every process of a session makes one of its class `Engine`, and registers it as a pytest plugin, with hooks:

    Engine(config, place)           raises pytest.UsageError where it cannot work, or ExtraMissing
    where                           the words of the session's header
    order(items, cost, turn)        the chosen items in the order in which they are run
    submit(job) -> wait             for each chosen case, before the first is waited for; `wait()` returns the
                                    key under which the result is stored, or raises what the job raised
    begin()                         if it is there: all are submitted, and nothing is waited for yet
    elsewhere = True                if jobs run beyond pytest's processes: the display then asks the store
    shutdown(cancel)                the session is over; with `cancel`, jobs that still run end as well

and a module may have `OPTIONS`, its own by name with what they are if nobody gives them, and
`add_options(group)`. What an engine does is `benchmark.session.work.do(job, place)`, in
whichever process it likes; on other machines `benchmark.session.elsewhere.do`, by a `Driver` of that module.
Nothing heavy is imported before an `Engine` is made.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import pytest

from serkit.words import shown

T = TypeVar("T")
MAX_CORES, MAX_PER_GPU = 1024, 64
OPTIONS = {"cores": 1, "runs_per_gpu": 1, "return_results": False}
"""What engines on other machines share, as `OPTIONS` of one of them."""


def names() -> list[str]:
    """The engines there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def module(name: str) -> Any:
    """The module of one of them."""
    return importlib.import_module(f"{__name__}.{name}")


def add_options(group: pytest.OptionGroup) -> None:
    """Those of all engines."""
    for name in names():
        getattr(module(name), "add_options", lambda group: None)(group)
    about = "cores of each run, by an engine on other machines (default: %(default)s)"
    group.addoption("--cores", metavar="N", type=partial(whole, MAX_CORES), default=1, help=about)
    about = "runs that share a GPU, by an engine on other machines (default: %(default)s)"
    group.addoption("--runs-per-gpu", metavar="N", type=partial(whole, MAX_PER_GPU), default=1, help=about)
    about = "nodes share no results folder with this machine: results come back through the engine"
    group.addoption("--return-results", action="store_true", help=about)


def check_options(chosen: Callable[[str], Any], engine: str) -> None:
    """Raises pytest.UsageError for an option of an engine that was not chosen."""
    shared = OPTIONS if not getattr(module(engine).Engine, "elsewhere", False) else {}
    others = {name: getattr(module(name), "OPTIONS", {}) for name in names() if name != engine}
    for name, options in {"ray or slurm": shared, **others}.items():
        for option, default in options.items():
            if chosen(option) != default:
                written = f"--{option.replace('_', '-')}"
                raise pytest.UsageError(
                    f"{written} is for --engine {name}; this session has --engine {engine}"
                )


def whole(most: int, given: str) -> int:
    """A whole number of an option. Raises argparse.ArgumentTypeError: not one of 1 to `most`."""
    if given.isdecimal() and 1 <= int(given) <= most:
        return int(given)
    raise argparse.ArgumentTypeError(f"{shown(given)}: expected a whole number, 1 to {most}")


def alone(config: pytest.Config, engine: str) -> None:
    """Raises pytest.UsageError where pytest-xdist was asked for as well."""
    if getattr(config.option, "numprocesses", None) or hasattr(config, "workerinput"):
        raise pytest.UsageError(
            f"-n with --engine {engine}: each of the workers of -n would ask {engine} for all runs again;"
            f" leave -n out: {engine} does as many runs at once as there is room for"
        )


def longest_first(items: Sequence[T], cost: Callable[[T], float], turn: Callable[[T], int]) -> list[T]:
    """What others are compared with first; of one turn the most expensive, so that all ends together."""
    return sorted(items, key=lambda item: (turn(item), -cost(item)))  # stable: the same on every worker
