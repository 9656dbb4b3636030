"""Sessions whose workers are processes of their own: one is killed, each gets its GPU and threads."""

import itertools

import pytest

import benchmark.session.live
import benchmark.session.machine
from tests.made_checkout import add_to_conftest, results

pytest_plugins = "pytester"
pytestmark = pytest.mark.usefixtures("numbers_only")


def test_a_killed_worker_costs_one_case_and_the_tables_still_come(checkout, monkeypatch, capfd):
    for name, seconds in {"LOOK_EVERY_SECONDS": 0.05, "PLAN_EVERY_SECONDS": 0.0}.items():
        monkeypatch.setattr(benchmark.session.live, name, seconds)
    add_to_conftest(
        checkout,
        """
import os, time
from benchmark.session import work
from tests.made_results import made_result, put

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        work.do = do

def do(job, place):
    time.sleep(0.3)
    if job.label == "folded-aug0-fold01":
        os.kill(os.getpid(), 9)
    result = made_result(job, lambda *_: 0.5, evaluations=2)
    put(place.store, result)
    return result["key"]
""",
    )
    kills = itertools.chain([3], itertools.repeat(4))  # one more since the session began
    monkeypatch.setattr(benchmark.session.machine, "memory_kills", lambda: next(kills))
    chosen = ("--study", "tiny.toml", "-k", "large or folded-aug0-fold01")
    outcome = checkout.runpytest_inprocess(*chosen, "-n", "1")
    outcome.assert_outcomes(passed=1, failed=1)
    outcome.stdout.fnmatch_lines(
        [
            "*crashed while running*folded-aug0-fold01*",
            "the system killed it for want of memory: fewer workers or a smaller batch take less. The same*",
            "*trained from random initialisation*",
            "1 of 7 runs done*",
            "LARGE *",
            "FOLDED *--*",
        ]
    )
    assert results(checkout) == {"large-aug0"}  # what the next session takes as it is
    said = capfd.readouterr().out  # where no terminal is, and pytest's own went elsewhere
    assert "  0 of 2 done, 1 running, 1 left, " in said
    assert "  1 of 2 done, " in said or "  0 of 2 done, 1 failed, " in said
    report = (checkout.path / "results/tiny/report.md").read_text()
    assert "FOLDED-SCRAMBLED" in report
    assert "| -- " in report  # the runs that were not asked for


def test_each_worker_gets_its_gpu_and_threads_and_a_new_worker_the_crashed_ones(checkout, monkeypatch):
    monkeypatch.setattr(benchmark.session.machine, "installed_gpus", lambda: 2)
    monkeypatch.setattr("joblib.cpu_count", lambda: 4)
    monkeypatch.delenv("OMP_NUM_THREADS")
    checkout.makepyfile(
        test_devices="""
import os, pathlib, time
import pytest

@pytest.mark.parametrize("number", range(8))
def test_device(number, worker_id):
    here = pathlib.Path(__file__).parent
    (here / f"{worker_id}.gpu").write_text(os.environ["CUDA_VISIBLE_DEVICES"])
    assert os.environ["OMP_NUM_THREADS"] == "2"
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    time.sleep(0.2)
    if number == 0 and not (here / "crashed").exists():
        (here / "crashed").write_text(worker_id)
        os.kill(os.getpid(), 9)
"""
    )
    outcome = checkout.runpytest_inprocess("test_devices.py", "-n", "2", "--gpus")
    outcome.assert_outcomes(passed=7, failed=1)
    given = {path.stem: path.read_text() for path in checkout.path.glob("*.gpu")}
    assert sorted(given[worker] for worker in ("gw0", "gw1")) == ["0", "1"]
    if "gw2" in given:  # the replacement, unless the other was done before it started
        assert given["gw2"] == given[(checkout.path / "crashed").read_text()]


def test_without_gpus_workers_use_the_cpu_and_one_process_the_gpu(checkout, monkeypatch):
    monkeypatch.setattr(benchmark.session.machine, "installed_gpus", lambda: 2)
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    checkout.makepyfile(
        test_device="""
import os

def test_device(pytestconfig):
    wanted = os.environ["WANTED"]
    assert pytestconfig.pluginmanager.get_plugin("benchmark-engine").place.device == wanted
    assert wanted == "cuda" or os.environ["CUDA_VISIBLE_DEVICES"] == ""
    assert os.environ["OMP_NUM_THREADS"] == "7"  # as the user said
"""
    )
    for wanted, arguments in (("cuda", []), ("cpu", ["-n", "1"])):
        monkeypatch.setenv("WANTED", wanted)
        checkout.runpytest_inprocess("test_device.py", *arguments).assert_outcomes(passed=1)
