"""A folder as a checkout is, with a study of seconds: for tests of sessions."""

import os
import subprocess
import sys
from pathlib import Path

import fastjsonschema  # noqa: F401  (pytester's sessions forget what they import, and these load once)
import hypothesis  # noqa: F401
import joblib  # noqa: F401
import pandas.core.arrays.arrow.extension_types  # noqa: F401
import pytest

ROOT = Path(__file__).parents[1]

TINY = """
title = "A study of seconds"
rates_percent = [0]
model = { width = 1, weights = "" }
recipe = { epochs = 2, batch_size = 24, max_seconds = 0.7, tail = 0.5 }

[corpora.large]
reader = "synthetic"
title = "LARGE"
[corpora.folded]
reader = "synthetic"
title = "FOLDED"
folds = 3
options = { role = "B" }
scramble = { neutral = "sad", sad = "neutral", happy = "angry", angry = "happy" }

[table1]
train = [["large"], ["folded"]]
[figure3]
train = [["large"], ["folded_scrambled"]]
test = ["folded_scrambled", "folded", "large"]
"""


OURS = ("SERKIT_", "PYTEST_", "RAY_", "CUDA_")


def environ_of(cache):
    """What a process of this checkout needs to know, and nothing that a user told serkit or an engine."""
    environ = {name: of for name, of in os.environ.items() if not name.startswith(OURS)}
    environ |= {"SERKIT_CACHE": str(cache), "PYTHONPATH": str(ROOT), "CI": "1", "OMP_NUM_THREADS": "1"}
    return environ | {"PATH": f"{Path(sys.executable).parent}:{environ['PATH']}"}


def in_shell(script, folder, **told):
    """What a shell makes of a script in a folder, which also holds the cache; its first error ends it."""
    environ = environ_of(folder / "cache") | told
    called = ["bash", "-ec", script]
    return subprocess.run(called, cwd=folder, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def checkout(pytester, monkeypatch, synthetic_cache):
    """A folder with the project's own cases and settings, and `tiny.toml`."""
    for variable in ("SERKIT_DATA", "SERKIT_RESULTS", "CUDA_VISIBLE_DEVICES", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("SERKIT_CACHE", str(synthetic_cache))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    (pytester.path / "cases").symlink_to(ROOT / "cases")
    for name in ("conftest.py", "pytest.ini"):
        (pytester.path / name).write_text((ROOT / name).read_text())
    (pytester.path / "tiny.toml").write_text(TINY)
    return pytester


def add_to_conftest(checkout, text):
    with (checkout.path / "conftest.py").open("a") as file:
        file.write(text)


def results(checkout, study="tiny"):
    """The labels of what is done."""
    done = (checkout.path / "results" / study).glob("*/result.json")
    return {path.parent.name.rpartition("-")[0] for path in done}
