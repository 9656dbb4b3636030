"""Cases are done by a Ray cluster: each missing run is a task with a process, cores and GPU of its own.

Without `--address` Ray is started on this machine alone, on its loopback, for this session. A task whose
process or node is lost begins again elsewhere, from its last state where results are shared. Driver and tasks
end together: the same command goes on. Ray's own switches stay as they are, but that it sends no statistics.
"""

from __future__ import annotations

import os
import signal
import socket
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import pytest

from benchmark.session import elsewhere, engines
from benchmark.session.elsewhere import RETRIES, Answer, Driver, JobFailed
from benchmark.session.work import Place
from serkit.errors import ExtraMissing
from serkit.signals import in_main
from serkit.specs import Spec

T = TypeVar("T")
ON_LOOPBACK = (
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"  # at 0 nothing listens beyond; `_node_ip_address` does not do it
)
OPTIONS = {"address": "local"}
TOKEN = "export RAY_AUTH_MODE=token, with ~/.ray/auth_token as on its head (docs/scaling.md)"
CONNECT_S = 5.0  # a wrong address is minutes of silent retries in Ray itself
CALLS = 200  # runs of a process without a GPU, which takes seconds to start; with one each has its own
GRACE_S = 8.0  # for what runs to keep its state when a session is cancelled
STORE_BYTES = 200 << 20  # of answers on their way; Ray would take a third of the machine's memory


def add_options(group: pytest.OptionGroup) -> None:
    """Where the cluster is."""
    about = "with --engine ray: HOST:PORT of a cluster, or auto: that of this machine (default: none)"
    group.addoption("--address", metavar="HOST:PORT", default="local", help=about)


class Engine:
    """The driver of a cluster."""

    elsewhere = True

    def __init__(self, config: pytest.Config, place: Place) -> None:
        """Starts nothing yet."""
        engines.alone(config, "ray")
        self._address = str(config.getoption("address"))
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        if self._address == "local":
            os.environ.setdefault(ON_LOOPBACK, "0")
        try:
            import ray
        except ImportError as error:
            raise ExtraMissing("ray", "ray") from error
        self._ray = ray
        self._driver = driver = Driver(config.getoption, place, self._send)
        # Made once: each is a queue of its own in Ray, and a thousand of them take longer and longer.
        remote = partial(ray.remote, num_cpus=driver.cores, max_retries=RETRIES, retry_exceptions=False)
        self._asks: Any = remote(max_calls=CALLS)(elsewhere.do)
        with_gpu = {"num_gpus": 1 / config.getoption("runs_per_gpu"), "max_calls": 1}
        self._does: Any = remote(**with_gpu)(elsewhere.do) if driver.gpu else self._asks
        self._tasks: list[Any] = []
        self._interrupted = False
        self._on_int: Any = None  # what Ctrl-C did before
        self.where = "Ray here" if self._address == "local" else f"Ray at {self._address}"

    def order(self, items: Sequence[T], cost: Callable[[T], float], turn: Callable[[T], int]) -> list[T]:
        """As `engines.longest_first`."""
        return engines.longest_first(items, cost, turn)

    def submit(self, job: Spec) -> Callable[[], str]:
        """Notes a job."""
        return self._driver.submit(job)

    def begin(self) -> None:
        """Gives the cluster all that is not done."""
        self._driver.begin()
        if in_main():
            self._on_int = signal.signal(signal.SIGINT, self._interrupt)

    def _interrupt(self, number: int, frame: Any) -> None:
        """Ctrl-C: what Ray makes of it may be lost where an answer comes at the same instant."""
        self._interrupted = True
        raise KeyboardInterrupt

    def shutdown(self, cancel: bool) -> None:
        """Leaves the cluster, with which tasks end: what still runs has some seconds to keep its state."""
        if self._on_int is not None:
            signal.signal(signal.SIGINT, self._on_int)
        if not self._ray.is_initialized():
            return
        _, left = (
            self._ray.wait(self._tasks, num_returns=len(self._tasks), timeout=0) if self._tasks else ([], [])
        )
        for task in reversed(left):  # the last first: none takes the place of one that ended
            self._ray.cancel(task)
        if left:
            self._ray.wait(left, num_returns=len(left), timeout=GRACE_S)
        self._ray.shutdown()

    def _send(self, name: str, text: str) -> Callable[[], Answer]:
        self._connect()
        do = self._asks if name.startswith(elsewhere.STORED) else self._does
        task = do.options(name=name).remote(text)
        self._tasks.append(task)
        return partial(self._answer, name, task)

    def _answer(self, name: str, task: Any) -> Answer:
        try:
            answer: Answer = self._ray.get(task)
            if self._interrupted:
                raise KeyboardInterrupt
            return answer
        except self._ray.exceptions.RayTaskError as error:  # `elsewhere.do` raises none: it was not to be had
            raise JobFailed(
                f"{name}: {error}; serkit has to be installed on each node, the same version"
            ) from error
        except self._ray.exceptions.RayError as error:
            raise elsewhere.lost(name, f"{type(error).__name__}: {error}") from error

    def _connect(self) -> None:
        if self._ray.is_initialized():
            return
        settings: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
        if self._address == "local":
            settings |= {"include_dashboard": False, "object_store_memory": STORE_BYTES}
        elif self._address != "auto":
            check_reachable(self._address)
        try:
            self._ray.init(self._address, **settings)
        except ConnectionError as error:
            why = f"--address {self._address}: no Ray cluster is there ({error})"
            raise pytest.UsageError(f"{why}, or it asks for a token: {TOKEN}") from error
        self._check_room()

    def _check_room(self) -> None:
        """Raises pytest.UsageError where no run will ever fit; on a cluster, which may grow, warns."""
        most = max((at["Resources"].get("CPU", 0) for at in self._ray.nodes() if at["Alive"]), default=0)
        if self._driver.cores > most:
            has_none = f"--cores {self._driver.cores}: no node of Ray has so many, the largest {most:g}"
            if self._address == "local":
                raise pytest.UsageError(has_none)
            warnings.warn(f"{has_none}; runs wait for one that joins", stacklevel=2)
        has = self._ray.cluster_resources()
        if self._driver.gpu and not has.get("GPU") and self._address == "local":
            raise pytest.UsageError("--gpus: Ray sees no GPU here; run without --gpus to use the CPU")


def check_reachable(address: str) -> None:
    """Raises pytest.UsageError unless something listens at HOST:PORT."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    expected = "expected HOST:PORT of a Ray head (`ray start --head` says it), or auto"
    if not (host and port.isdecimal()):
        raise pytest.UsageError(f"--address {address}: {expected}")
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise pytest.UsageError(f"--address {address}: {error}; {expected}") from error
