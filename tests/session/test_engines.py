"""The seam of engines: a file in their folder is enough, and a session asks of it what its header says."""

import json
import pickle

import pytest

from benchmark import study as studies
from benchmark.session import engines, work
from serkit.errors import CorpusUnfit
from serkit.results import Store
from tests.made_results import made_result, put

pytest_plugins = "pytester"
pytestmark = pytest.mark.usefixtures("numbers_only")

IN_THREADS = """
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmark.session import work


class Engine:
    where = "two threads"

    def __init__(self, config, place):
        self.place, self.threads, self.said = place, ThreadPoolExecutor(2), []

    def order(self, items, cost, turn):
        return sorted(items, key=cost)

    def submit(self, job):
        self.said.append("submit")
        doing = self.threads.submit(work.do, job, self.place)

        def wait():
            self.said.append("wait")
            return doing.result()

        return wait

    def shutdown(self, cancel):
        self.threads.shutdown(cancel_futures=cancel)
        Path("said.json").write_text(json.dumps([*self.said, cancel]))
"""


@pytest.fixture
def in_threads(checkout, tmp_path, monkeypatch):
    """The throw-away engine in a folder of engines; its jobs are done in no time."""
    (tmp_path / "in_threads.py").write_text(IN_THREADS)
    monkeypatch.setattr(engines, "__path__", [*engines.__path__, str(tmp_path)])

    def do(job, place):
        if job.label == "folded-aug0-fold01":
            raise CorpusUnfit("it cannot be used")
        result = made_result(job, lambda *_: 0.5, evaluations=2)
        put(place.store, result)
        return result["key"]

    monkeypatch.setattr(work, "do", do)
    return checkout


def test_all_jobs_are_submitted_before_the_first_is_waited_for(in_threads):
    outcome = in_threads.runpytest_inprocess("--study", "tiny.toml", "--engine", "in_threads")
    outcome.assert_outcomes(passed=6, failed=1)
    outcome.stdout.fnmatch_lines(
        ["study: tiny, 7 runs, on two threads, *", "CorpusUnfit: it cannot be used", "6 of 7 runs done*"]
    )
    said = json.loads((in_threads.path / "said.json").read_text())
    assert said == ["submit"] * 7 + ["wait"] * 7 + [False]


def test_an_interrupted_session_cancels_what_still_runs(in_threads):
    interrupting = "import pytest\ndef pytest_runtest_call(item):\n    raise KeyboardInterrupt\n"
    with (in_threads.path / "conftest.py").open("a") as file:
        file.write(interrupting)
    in_threads.runpytest_inprocess("--study", "tiny.toml", "--engine", "in_threads", no_reraise_ctrlc=True)
    assert json.loads((in_threads.path / "said.json").read_text()) == ["submit"] * 7 + [True]


def test_a_plan_submits_nothing(in_threads):
    in_threads.runpytest_inprocess("--study", "tiny.toml", "--engine", "in_threads", "--collect-only")
    assert json.loads((in_threads.path / "said.json").read_text()) == [False]


def test_a_job_travels_and_needs_no_pytest(fresh_python, tmp_path):
    place = work.Place(Store(tmp_path), data=tmp_path, tensorboard=True)
    for case in studies.plan(studies.read("synthetic")):
        job, _, _ = pickle.loads(pickle.dumps((case.spec, place, work.do)))
        assert (job, job.key) == (case.spec, case.spec.key)
    told = fresh_python("import sys, benchmark.session.work; print('pytest' in sys.modules)")
    assert (told.stdout, told.stderr) == ("False\n", "")


def test_an_engine_that_is_not_there_is_wrong_usage(checkout):
    outcome = checkout.runpytest_inprocess("--study", "tiny.toml", "--engine", "rey")
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    outcome.stderr.fnmatch_lines(["*invalid choice: 'rey' (choose from *xdist*)*"])
