"""Signals to a session: what asks trainings for their state reaches them and ends nobody."""

import signal
import subprocess
import sys
import time

import pytest

pytest_plugins = ["pytester"]

STUB = """
import os, signal, time
from pathlib import Path
from benchmark.session import work
from tests.made_results import made_result, put

def do(job, place):
    # A training that goes on until it is asked for its state.
    here = Path(__file__).parent
    asked = []
    before = signal.signal(signal.SIGUSR1, lambda *_: asked.append(1))

    def ended(*_):
        # As a state that takes long to write.
        time.sleep(2)
        (here / f"{job.label}.kept").touch()
        os._exit(0)

    signal.signal(signal.SIGTERM, ended)
    (here / f"{job.label}.begun").touch()
    for _ in range(600):
        time.sleep(0.05)
        if asked:
            break
    signal.signal(signal.SIGUSR1, before)
    (here / f"{job.label}.asked").write_text(str(len(asked)))
    result = made_result(job, lambda *_: 0.5, evaluations=2)
    put(place.store, result)
    return result["key"]

work.do = do
"""


@pytest.fixture
def session(checkout):
    """A session of two runs that wait to be asked, with a number of workers."""
    (checkout.path / "conftest.py").open("a").write(STUB)
    begun = []

    def start(*workers):
        called = [
            sys.executable,
            "-m",
            "pytest",
            "cases/",
            "--study",
            "tiny.toml",
            "-k",
            "large-aug0 or fold00",
        ]
        with (checkout.path / "said.txt").open("wb") as said:
            begun.append(subprocess.Popen([*called, *workers], cwd=checkout.path, stdout=said, stderr=said))
        return begun[0]

    yield start
    for process in begun:
        process.kill()


def waited_for(folder, pattern, number):
    for _ in range(600):
        if len(found := list(folder.glob(pattern))) >= number:
            return found
        time.sleep(0.05)
    raise AssertionError((folder / "said.txt").read_text())


@pytest.mark.parametrize(("workers", "at_once"), [(("-n", "2"), 2), ((), 1)])
def test_the_signal_to_the_session_reaches_every_training(session, checkout, workers, at_once):
    running = session(*workers)
    for number in range(-(-3 // at_once)):
        waited_for(checkout.path, "*.begun", min(3, at_once * (number + 1)))
        running.send_signal(signal.SIGUSR1)
        waited_for(checkout.path, "*.asked", min(3, at_once * (number + 1)))
    for _ in range(5):  # while the report is made, too
        running.send_signal(signal.SIGUSR1)
        time.sleep(0.1)
    assert running.poll() in (None, 0), (checkout.path / "said.txt").read_text()
    assert [path.read_text() for path in checkout.path.glob("*.asked")] == ["1"] * 3


def test_a_session_that_is_told_to_end_waits_for_the_states_of_its_trainings(session, checkout):
    running = session("-n", "2")
    waited_for(checkout.path, "*.begun", 2)
    running.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert running.poll() is None
    assert running.wait(30) == -signal.SIGTERM
    assert len(list(checkout.path.glob("*.kept"))) == 2
