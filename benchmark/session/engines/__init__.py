"""Where the jobs of a session are done: each module of this folder is an engine (`pytest --engine NAME`).

Every process of a session makes one of its class `Engine`, and registers it as a pytest plugin, with hooks:

    Engine(config, place)           raises pytest.UsageError where it cannot work
    where                           the words of the session's header
    order(items, cost, turn)        the chosen items in the order in which they are run
    submit(job) -> wait             for each chosen case, before the first is waited for; `wait()` returns the
                                    key under which the result is stored, or raises what the job raised
    shutdown(cancel)                the session is over; with `cancel`, jobs that still run end as well

What an engine does is `benchmark.session.work.do(job, place)`, in whichever process or machine it likes.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any


def names() -> list[str]:
    """The engines there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str) -> Any:
    """The class `Engine` of one of them."""
    return importlib.import_module(f"{__name__}.{name}").Engine
