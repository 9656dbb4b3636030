"""Which worker gets which GPU, and in which order workers are dealt cases."""

import itertools
import random
import signal
from collections import Counter
from types import SimpleNamespace

import pytest
from xdist.scheduler import LoadScheduling

from benchmark.session import machine
from benchmark.session.engines.xdist import Engine, dealt
from benchmark.session.work import Place
from serkit.results import Store

# --- the GPUs ---


class Controller:
    """The engine of a controller that has some GPUs to lend, and the workers that come and go."""

    def __init__(self, monkeypatch, tmp_path, gpus):
        monkeypatch.setattr(machine, "visible_gpus", lambda: gpus)
        config = SimpleNamespace(option=SimpleNamespace(), getoption=lambda name: name == "gpus")
        self._engine = Engine(config, Place(Store(tmp_path)))
        assert self._engine.where == f"GPUs {', '.join(gpus)}"

    def lend(self, worker):
        node = SimpleNamespace(gateway=SimpleNamespace(id=worker), workerinput={"workercount": 1})
        self._engine.pytest_configure_node(node)
        return node.workerinput["gpu"]

    def take_back(self, worker):
        self._engine.pytest_testnodedown(SimpleNamespace(gateway=SimpleNamespace(id=worker)))


@pytest.fixture
def controller(monkeypatch, tmp_path):
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda *gpus: Controller(monkeypatch, tmp_path, list(gpus))
    signal.signal(signal.SIGUSR1, before)


def test_each_worker_gets_its_own_gpu(controller):
    lending = controller("0", "2", "5")
    assert [lending.lend(f"gw{i}") for i in range(3)] == ["0", "2", "5"]


def test_workers_share_evenly_when_they_are_more(controller):
    lending, shares = controller("0", "1", "2"), Counter()
    for worker in range(1, 9):
        shares[lending.lend(f"gw{worker}")] += 1
        assert max(shares.values()) - min(shares[gpu] for gpu in ("0", "1", "2")) <= 1


def test_a_replacement_gets_the_crashed_workers_gpu(controller):
    lending = controller("0", "1", "2")
    for i in range(3):
        lending.lend(f"gw{i}")
    lending.take_back("gw1")
    assert lending.lend("gw3") == "1"  # its number says nothing
    lending.take_back("gw3")
    lending.take_back("gw0")
    assert {lending.lend("gw4"), lending.lend("gw5")} == {"0", "1"}


def test_taking_back_what_was_not_lent_is_harmless(controller):
    lending = controller("0", "1")
    lending.take_back("gw0")
    lending.lend("gw1")
    lending.take_back("gw1")
    lending.take_back("gw1")
    assert lending.lend("gw2") == "0"


# --- the order ---


@pytest.mark.parametrize("workers", [0, 1])
def test_one_process_keeps_the_order(workers):
    assert dealt([2, 9, 4, 9, 1], cost=int, workers=workers) == [2, 9, 4, 9, 1]


def test_long_first_and_a_short_one_behind_each():
    costs = [3, 10, 1, 7, 5, 9, 2, 8]
    assert dealt(costs, cost=int, workers=2) == [10, 1, 9, 2, 8, 7, 5, 3]
    assert dealt(costs, cost=int, workers=3) == [10, 1, 9, 2, 8, 3, 7, 5]
    assert dealt(costs, cost=int, workers=4) == [10, 1, 9, 2, 8, 3, 7, 5]


def test_fewer_than_two_a_worker_are_dealt_in_turn():
    """One to each, longest first; then whoever has the longest gets the shortest as well."""
    assert dealt([1, 5, 3], cost=int, workers=2) == [5, 3, 1]
    assert dealt([1, 2, 3, 4, 5], cost=int, workers=3) == [5, 4, 3, 1, 2]
    assert dealt([1, 2, 3], cost=int, workers=8) == [3, 2, 1]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_what_every_cell_is_compared_with_is_run_first(workers):
    """Of one turn the longest first; the shortest of all, which only fill workers, stand behind the first."""
    cases = [(2, 9), (2, 1), (0, 3), (1, 8), (0, 4), (2, 2), (1, 7), (2, 3)]
    order = dealt(cases, lambda case: case[1], workers, lambda case: case[0])
    assert (
        order
        == {
            1: [(0, 3), (0, 4), (1, 8), (1, 7), (2, 9), (2, 1), (2, 2), (2, 3)],
            2: [(0, 4), (2, 1), (0, 3), (2, 2), (1, 8), (1, 7), (2, 9), (2, 3)],
            3: [(0, 4), (2, 1), (0, 3), (2, 2), (1, 8), (2, 3), (1, 7), (2, 9)],
        }[workers]
    )


@pytest.mark.parametrize("cases", range(12))
def test_nothing_is_lost_or_twice_and_every_worker_sees_the_same(cases):
    shuffled = random.Random(cases)
    for workers in range(1, 8):
        named = [(shuffled.randrange(3), name) for name in range(cases)]  # many of equal cost
        order = dealt(named, cost=lambda one: one[0], workers=workers)
        assert sorted(order) == sorted(named)
        assert order == dealt(list(named), cost=lambda one: one[0], workers=workers)


def queues_at_the_start(costs, workers):
    """What xdist's own scheduler gives each worker before anything has run."""

    class Node:
        gateway = type("Gateway", (), {"id": "gw", "spec": "popen"})
        shutting_down = False

        def __init__(self):
            self.queue = []

        def send_runtest_some(self, numbers):
            self.queue += [order[number] for number in numbers]

        def shutdown(self):
            pass

    class Config:
        def getoption(self, name):
            return 1 if name == "maxschedchunk" else None

        def getvalue(self, name):
            return ["popen"] * workers

        hook = option = None

    order = dealt(costs, cost=int, workers=workers)
    scheduler = LoadScheduling(Config())
    nodes = [Node() for _ in range(workers)]
    for node in nodes:
        scheduler.add_node(node)
    for node in nodes:
        scheduler.add_node_collection(node, [str(number) for number in range(len(order))])
    scheduler.schedule()
    return [node.queue for node in nodes]


@pytest.mark.parametrize(("workers", "cases"), list(itertools.product([2, 3, 4], [2, 3, 4, 5, 6, 7, 9, 30])))
def test_xdist_deals_no_worker_two_long_ones(workers, cases):
    costs = [2**number for number in range(cases)]
    random.Random(0).shuffle(costs)
    longest = sorted(costs)[-workers:]
    queues = queues_at_the_start(costs, workers)
    assert sum(map(len, queues)) == min(cases, 2 * workers)
    for queue in queues:
        assert sum(cost in longest for cost in queue) <= 1
        assert queue == sorted(queue, reverse=True)  # the long one first
