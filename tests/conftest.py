"""What several test files share."""

import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

from serkit import corpora

ROOT = Path(__file__).parent.parent

corpora.READERS["made"] = "tests.made_reader"  # for studies that are made up and never run


@pytest.fixture(scope="session")
def synthetic_cache(tmp_path_factory):
    """A cache folder for all workers of this session, so that the synthetic corpora are made once."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    return shared / "synthetic-cache"


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """What is imported stays: walking it for garbage, then and each time after, takes seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_compiled():
    """A process's first optimiser imports what torch.compile needs, for two seconds: nothing here does."""
    if "torch" in sys.modules:
        for name in ("add_param_group", "zero_grad", "state_dict", "load_state_dict"):
            function = getattr(sys.modules["torch"].optim.Optimizer, name).__wrapped__
            setattr(function, "__dynamo_disable", function)


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_brought_to_the_disk():
    """No test survives a power cut: waiting for the disk took a tenth of some."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="module")
def one_thread():
    """On cores that others use too, more threads wait for one another: minutes instead of seconds."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def judged_once():
    """DNSMOS judges equal samples once a module: for tests of what it is asked, not of what it says."""
    import numpy as np

    from serkit.acoustics import quality

    judge_each, scores = quality._each, {}

    def each(waves, columns, judge):
        keys = [(columns, wave.tobytes()) for wave in waves]
        for key, wave in zip(keys, waves, strict=True):
            if key not in scores:
                scores[key] = judge_each([wave], columns, judge)
        return np.concatenate([np.empty((0, columns)), *(scores[key] for key in keys)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quality, "_each", each)
        yield


@pytest.fixture
def fresh_python(tmp_path):
    """Runs code in a Python that has imported nothing yet, away from the checkout."""

    def run(code, **environment):
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def no_vega(monkeypatch):
    """Pages without Vega's JavaScript, which takes seconds to pack and only a browser needs."""
    monkeypatch.setattr("benchmark.report.page.vega", lambda: "/* Vega */")


@pytest.fixture
def numbers_only(monkeypatch):
    """Reports without figures and page, for tests that are about tables."""
    monkeypatch.setattr("benchmark.report.write._draw", lambda report, folder, colours: {})
    monkeypatch.setattr("benchmark.report.page.html", lambda report, pictures, colours: "")


@pytest.fixture(scope="module")
def packed_once(synthetic_cache, one_thread):
    """The session's cache; and nothing that another file's tests have read."""
    from tests.made_runs import forget  # torch comes with it

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERKIT_CACHE", str(synthetic_cache))
        forget(patch)
        yield
