"""The commands that the documents show, typed in a folder like a checkout.

`tests/shown_commands.toml` has all of them; `tests/test_docs.py` sees that none is missing.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests import corpus_trees
from tests.test_docs import ROOT, SHOWN, heredocs
from tests.whole.test_start import written

SHOWN_ONLY = {"SERKIT_DATA=... ": "", "/elsewhere": "elsewhere", "NAME": "open-small", "HEAD": "localhost"}
"""What stands for something of the reader's, and what it is here."""
BUNDLES = ("open-small", "worlds")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkout's cases and settings, bundles of results, a corpus, and what the documents make."""
    made = tmp_path_factory.mktemp("typed")
    for name in ("cases", "benchmark", "serkit", "tools", "docs"):
        (made / name).symlink_to(ROOT / name)
    for name in ("conftest.py", "pytest.ini"):
        shutil.copy(ROOT / name, made / name)
    for results in ("results", "elsewhere"):
        (made / results).mkdir()
        for study in BUNDLES:
            shutil.copy(ROOT / "results" / f"{study}.bundle", made / results)
    (made / "elsewhere" / "open").symlink_to("open-small")
    corpus_trees.make_audible(corpus_trees.emodb(made / "data" / "emodb"))
    soundfile.write(made / "clip.wav", 0.1 * np.random.default_rng(0).standard_normal(32_000), 16_000)
    written(made)
    return made


def typed(folder, command):
    """What a shell makes of it. Optional parts of a command are left out."""
    for shown, here in SHOWN_ONLY.items():
        command = command.replace(shown, here)
    command = re.sub(r" \[--[^]]*\]", "", command)
    environ = {name: of for name, of in os.environ.items() if not name.startswith(("SERKIT_", "PYTEST_"))}
    environ |= {"SERKIT_DATA": "data", "SERKIT_CACHE": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
    environ |= {"PATH": f"{Path(sys.executable).parent}:{environ['PATH']}", "CI": "1"}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", SHOWN["collected"])
def test_what_takes_hours_chooses_cases(folder, command):
    done = typed(folder, f"{command} --collect-only -q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^(\d+/)?[1-9]\d* tests? collected|::", done.stdout, re.MULTILINE), done.stdout


def test_the_others_do_what_they_say(folder):
    """In their order: some need what others made."""
    scripts = {script.splitlines()[0]: script for script in heredocs("augmentation.md")}
    for command in SHOWN["typed"]:
        done = typed(folder, scripts.get(command, command))
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
