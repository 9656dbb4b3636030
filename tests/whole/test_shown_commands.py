"""The commands that the documents show, typed in a folder like a checkout.

`tests/shown_commands.toml` has all of them; `tests/test_docs.py` sees that none is missing.
"""

import re
import shutil

import numpy as np
import pytest
import soundfile

from tests import corpus_trees
from tests.made_checkout import in_shell
from tests.test_docs import ROOT, SHOWN, heredocs
from tests.whole.test_start import written

SHOWN_ONLY = {"SERKIT_DATA=... ": "", "/elsewhere": "elsewhere", "NAME": "synthetic", " --gpus": ""}
SHOWN_ONLY |= {"/open ": "/open-small "}
"""What stands for something of the reader's, and what it is here, where no GPU is."""
STARTS = "python -m benchmark study --new my-study"  # which other commands need


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkout's cases and settings, bundles of results, a corpus, and what the documents make."""
    made = tmp_path_factory.mktemp("typed")
    (made / "cases").symlink_to(ROOT / "cases")
    for name in ("conftest.py", "pytest.ini"):
        shutil.copy(ROOT / name, made / name)
    for results in ("results", "elsewhere"):
        for study in ("open-small", "worlds"):
            (made / results / study).mkdir(parents=True)
            shutil.copy(ROOT / "results" / f"{study}.bundle", made / results)
    random = np.random.default_rng(0)
    clips = sorted(corpus_trees.emodb(made / "data" / "emodb").rglob("[0-9]*.wav"))
    for number, clip in enumerate([*clips, made / "clip.wav"]):
        soundfile.write(clip, 0.1 * random.standard_normal(12_000 + number), 16_000)
    written(made)
    typed(made, STARTS).check_returncode()
    return made


def typed(folder, command):
    """What a shell makes of it. Optional parts of a command are left out."""
    for shown, here in SHOWN_ONLY.items():
        command = command.replace(shown, here)
    return in_shell(re.sub(r" \[--[^]]*\]", "", command), folder, SERKIT_DATA="data")


@pytest.mark.parametrize("command", SHOWN["collected"])
def test_what_takes_hours_chooses_cases(folder, command):
    done = typed(folder, f"{command} --collect-only -q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^(\d+/)?[1-9]\d* tests? collected|::", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.parametrize("command", SHOWN["typed"])
def test_the_others_do_what_they_say(folder, command):
    if command == STARTS:
        (folder / "my-study.toml").unlink()
    scripts = {script.splitlines()[0]: script for script in heredocs("augmentation.md")}
    done = typed(folder, scripts.get(command, command))
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
