"""A built wheel, installed apart from the checkout: the same cases run from any folder."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata

ROOT = Path(__file__).parents[2]
PACKED = ("serkit", "benchmark", "cases", "docs", "pyproject.toml", "setup.py", "README.md", "LICENSE")

TINY = """
title = "A study of seconds"
model = { width = 1, weights = "" }
recipe = { epochs = 2, batch_size = 24, max_seconds = 0.7, tail = 0.5 }
settled = false
corpora.large = { reader = "synthetic", title = "LARGE" }
table1.train = [["large"]]
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The Python of an environment with the wheel, and this one's packages behind it."""
    source, wheels, made = (tmp_path_factory.mktemp(name) for name in ("source", "wheels", "environment"))
    for name in PACKED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    pip = (sys.executable, "-m", "pip", "-q", "--disable-pip-version-check")
    built = (*pip, "wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(wheels), str(source))
    subprocess.run(built, check=True)
    (wheel,) = wheels.glob("*.whl")
    assert wheel.stat().st_size < 2_000_000
    with zipfile.ZipFile(wheel) as packed:
        (about,) = (name for name in packed.namelist() if name.endswith(".dist-info/METADATA"))
        Metadata.from_email(packed.read(about), validate=True)  # raises
    venv.create(made, with_pip=False, symlinks=True)
    python = made / "bin" / "python"
    subprocess.run((*pip, "--python", str(python), "install", "--no-deps", str(wheel)), check=True)
    (site,) = made.glob("lib/python*/site-packages")
    (site / "these.pth").write_text("\n".join(path for path in sys.path if "site-packages" in path))
    return python


def serbench(installed, folder, *arguments, **environment):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    for variable in ("PYTHONPATH", "SERKIT_RESULTS", "SERKIT_DATA", "PYTEST_ADDOPTS"):
        environment.pop(variable, None)
    called = [installed.with_name("serbench"), *arguments]
    return subprocess.run(called, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_case_runs_outside_the_checkout(installed, tmp_path, synthetic_cache):
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --somebody-elses\n")
    (tmp_path / "tiny.toml").write_text(TINY)
    outcome = serbench(installed, tmp_path, "run", "tiny.toml", "-q", SERKIT_CACHE=str(synthetic_cache))
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "1 of 1 runs done" in outcome.stdout
    (result,) = (tmp_path / "results" / "tiny").glob("large-aug0-*/result.json")
    assert (tmp_path / "results" / "tiny" / "index.html").is_file()
    assert '"git_commit": null' in result.read_text()  # not this checkout's code


def test_every_module_and_case_is_in_the_wheel(installed):
    (site,) = installed.parent.parent.glob("lib/python*/site-packages")
    for folder, within in {"serkit": "serkit", "benchmark": "benchmark", "cases": "benchmark/cases"}.items():
        here = {path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*.py")}
        assert here <= {path.relative_to(site / within) for path in (site / within).rglob("*.py")}


def test_every_file_that_is_read_is_in_the_wheel(installed):
    (site,) = installed.parent.parent.glob("lib/python*/site-packages")
    for folder in ("serkit", "benchmark"):
        files = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()}
        read = {path for path in files if path.suffix not in (".py", ".pyc")}
        assert {path for path in read if not (site / path).is_file()} == set()
        assert len(read) > 3


def test_results_go_where_the_option_says(installed, tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    outcome = serbench(installed, tmp_path, "run", "synthetic", "--collect-only", "--results", str(there))
    assert f"results in {there}/synthetic" in outcome.stdout
    empty = len(list((ROOT / "cases").glob("test_*.py"))) - 6  # pytest counts a file without a case as one
    assert f"{77 + empty} tests collected" in outcome.stdout


def test_a_run_that_failed_is_run_again_by_the_command_that_is_there(installed, tmp_path):
    code = "from benchmark.session.status import command; print(command([], 'open'))"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    told = subprocess.run(
        [installed, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert told.stdout == "serbench run open\n"


def test_documents_are_named_by_where_they_are(installed, tmp_path):
    outcome = serbench(installed, tmp_path, "doctor", "emodb", SERKIT_DATA=str(tmp_path))
    named = next(word for word in outcome.stdout.split() if "corpora.md" in word)
    page, _, heading = named.strip("(),").partition("#")
    assert f"# {heading}".casefold() in Path(page).read_text().casefold()
