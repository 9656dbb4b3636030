"""A study of probabilities from elsewhere, in a session: imported runs are valid, missing ones are named."""

import pandas as pd
import pytest

from benchmark import predictions
from benchmark import study as studies
from serkit.job import Place
from serkit.labels import LABELS
from serkit.results import Store
from tests.made_runs import forget

pytest_plugins = "pytester"
pytestmark = pytest.mark.usefixtures("numbers_only")


def test_imported_runs_are_valid_and_a_missing_one_says_what_to_do(checkout, monkeypatch):
    forget(monkeypatch)
    text = (checkout.path / "tiny.toml").read_text()
    text = text.replace('model = { width = 1, weights = "" }', 'model = { encoder = "imported:mine" }')
    (checkout.path / "mine.toml").write_text(text)
    study = studies.read(str(checkout.path / "mine.toml"))
    folds = pd.concat(predictions.folds(study, None), ignore_index=True)
    missing = "folded-imported-mine-aug0-fold01"
    said = folds[(folds["part"] != "train") & (folds["run"] != missing)]
    said.assign(**dict.fromkeys(LABELS, 0.25)).to_csv(checkout.path / "p.csv")
    place = Place(Store(checkout.path / "results" / "mine"))
    predictions.store(study, place, checkout.path / "p.csv", partial=True)
    outcome = checkout.runpytest_inprocess("--study", "mine.toml")
    outcome.assert_outcomes(passed=6, failed=1)
    outcome.stdout.fnmatch_lines(
        [
            f"*{missing}*",
            "SpecError: the probabilities of imported:mine are made outside serkit, and those of this run"
            " are not here; python -m benchmark import STUDY predictions.csv stores them (docs/importing.md)",
        ]
    )
    assert "6 of 7 runs done" in outcome.stdout.str()
    said = folds[folds["part"] != "train"].assign(**dict.fromkeys(LABELS, 0.25))
    said.to_csv(checkout.path / "p.csv")
    predictions.store(study, place, checkout.path / "p.csv")
    checkout.runpytest_inprocess("--study", "mine.toml").assert_outcomes(passed=7)
