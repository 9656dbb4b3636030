"""The worked example of docs/importing.md, from the folds to the report."""

import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import numpy as np
import pytest

from serkit.results import Store
from tests.test_docs import BLOCK
from tests.test_predictions import STUDY, by_label, called

DOCUMENT = Path(__file__).parents[2] / "docs" / "importing.md"

STUB = """
import enum
import librosa
import numpy as np
import pandas as pd

class FeatureSet(enum.Enum):
    eGeMAPSv02 = 1

class Smile:
    def __init__(self, feature_set):
        pass

    def process_file(self, file):
        wave, rate = librosa.load(file, sr=16_000)
        mfcc = librosa.feature.mfcc(y=wave, sr=rate)
        values = np.concatenate([mfcc.mean(axis=1), mfcc.std(axis=1)])
        index = pd.MultiIndex.from_tuples([(file, 0, 1)], names=["file", "start", "end"])
        return pd.DataFrame([values], index=index)
"""


@pytest.mark.usefixtures("numbers_only", "packed_once")
def test_the_worked_example_runs(tmp_path, monkeypatch):
    """The script as the document has it, between the commands that it names."""
    blocks = [textwrap.dedent(block) for block in BLOCK.findall(DOCUMENT.read_text(encoding="utf-8"))]
    (script,) = (block for block in blocks if block.startswith("import opensmile"))
    (shown,) = (block for block in blocks if block.startswith("title = "))
    commands = [line for block in blocks for line in block.splitlines() if "-m benchmark" in line]
    assert [re.sub(" .*", "", line.partition("benchmark ")[2]) for line in commands] == [
        "folds",
        "import",
        "report",
    ]
    assert all("svm.toml" in line for line in commands)

    monkeypatch.chdir(tmp_path)
    name = tomllib.loads(shown)["model"]["encoder"]
    Path("svm.toml").write_text(STUDY.replace("imported:mine", name))
    try:
        import opensmile  # noqa: F401
    except ImportError:
        Path("opensmile.py").write_text(STUB)
    Path("script.py").write_text(script)

    assert called(*commands[0].split()[3:]).exit_code == 0
    told = subprocess.run(
        [sys.executable, "-W", "error::FutureWarning", "script.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr
    outcome = called(*commands[1].split()[3:])
    assert (outcome.exit_code, outcome.stdout) == (0, f"6 runs of {name} imported into results/svm\n")
    outcome = called(*commands[2].split()[3:])
    assert outcome.exit_code == 0
    assert "6 of 6 runs done" in outcome.stdout
    assert "Imported: the probabilities of egemaps-svm were made outside serkit" in outcome.stdout
    results = by_label(Store(tmp_path / "results" / "svm"))
    own = [of["tests"]["two"]["uACC"]["mean"] for name, of in results.items() if name.startswith("two-")]
    assert np.mean(own) > 0.4, "it hears something"
