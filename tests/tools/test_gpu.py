"""`make gpu`: what runs, in which order, for how long at most; no network where the packages are there."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "gpu"
PARTS = ["tests/gpu_checks.py", "tools.speed step", "tools.speed epoch", "cases/ --study synthetic"]


def ran(folder, python):
    """The script in a checkout of its own, its Python in the place of the environment's."""
    (folder / "tools").mkdir()
    shutil.copy(SCRIPT, folder / "tools" / "gpu")
    (folder / ".venv" / "bin").mkdir(parents=True)
    stub = folder / ".venv" / "bin" / "python"
    stub.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n{python}\n', encoding="utf-8")
    stub.chmod(0o755)
    done = subprocess.run(
        [folder / "tools" / "gpu"], capture_output=True, encoding="utf-8", text=True, check=False
    )
    calls = (folder / "calls").read_text(encoding="utf-8").splitlines()
    return done, [call for call in calls if not call.startswith("-c")]


@pytest.mark.parametrize(("python", "code"), [("", 0), ("case $* in *gpu_checks*) exit 1;; esac", 1)])
def test_every_part_runs_in_order_and_nothing_is_installed(tmp_path, python, code):
    done, calls = ran(tmp_path, python)
    assert done.returncode == code
    assert len(calls) == len(PARTS)
    assert all(part in call for part, call in zip(PARTS, calls, strict=True))
    limits = [int(limit) for limit in re.findall(r"at most (\d+) s", done.stdout)]
    assert sum(limits) <= 8 * 60


def test_what_cannot_be_had_is_said(tmp_path):
    done, calls = ran(tmp_path, "case $* in *audiomentations*|*pip*) exit 1;; esac")
    assert (done.returncode, len(calls)) == (0, 1 + len(PARTS))
    assert "audiomentations is neither here nor to be had" in done.stdout
