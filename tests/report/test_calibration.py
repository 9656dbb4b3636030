"""What a loss by permuted labels says by generated worlds: likelihoods of made ones, and the sentence."""

import numpy as np
import pandas as pd
import pytest

from benchmark.report import calibration
from benchmark.report.intervals import Spread

MEANS = {"shared": (0.4, 0.05), "disjoint": (0.0, 0.0), "swapped": (-0.4, -0.05)}
"""The loss where corpora are told apart by chance, and where they are always."""


@pytest.fixture(autouse=True)
def made(monkeypatch):
    """Five casts in worlds of six recalls; the loss goes with the recall from one mean to the other."""
    random, rows = np.random.default_rng(0), []
    for meaning, (apart, told) in MEANS.items():
        for probe in np.repeat(np.linspace(0.5, 1, 6), 5):
            loss = apart + (told - apart) * (probe - 0.5) / 0.5 + random.normal(0, 0.05)
            rows.append({"meaning": meaning, "probe": probe, "loss": loss})
    monkeypatch.setattr(calibration, "worlds", lambda: pd.DataFrame(rows))


@pytest.mark.parametrize("meaning", MEANS)
def test_where_corpora_are_not_told_apart_a_loss_tells_the_meaning(meaning):
    found = calibration.likelihoods(MEANS[meaning][0] * 0.8, 0.02, 0.5)
    assert sum(found.values()) == pytest.approx(1)
    assert max(found, key=found.get) == meaning
    assert found[meaning] > 0.8


def test_where_they_are_always_told_apart_it_tells_little():
    """The paper's inference fails there: no loss, though emotions are shared."""
    found = calibration.likelihoods(0.0, 0.02, 1.0)
    assert 0.15 < found["shared"] < 0.5
    assert 0.15 < found["swapped"] < 0.5


def test_a_loss_that_is_not_sure_tells_less():
    sure, unsure = (calibration.likelihoods(0.35, error, 0.5)["shared"] for error in (0.01, 1.0))
    assert sure > 0.9
    assert unsure < 0.5


@pytest.mark.parametrize(("loss", "probe"), [(0.3, 0.0), (5.0, 0.5), (-5.0, 0.5)])
def test_far_from_every_world_nothing_is_said(loss, probe):
    assert calibration.likelihoods(loss, 0.02, probe) == {}


@pytest.mark.parametrize(
    "left", [lambda of: of.groupby("meaning").head(2), lambda of: of[of["meaning"] == "shared"]]
)
def test_by_too_few_worlds_nothing_is_said(monkeypatch, left):
    few = left(calibration.worlds())
    monkeypatch.setattr(calibration, "worlds", lambda: few)
    assert calibration.likelihoods(0.3, 0.02, 0.5) == {}


def test_worlds_that_do_not_vary_make_no_number_that_is_none(monkeypatch):
    alike = calibration.worlds().assign(loss=0.1)
    monkeypatch.setattr(calibration, "worlds", lambda: alike)
    assert calibration.likelihoods(0.1, 0.0, 0.6) == {}


def test_the_sentence_has_its_caveats():
    parts = {"tests": 0.03, "training": 0.02}
    said = calibration.said(Spread(0.38, 0.28, 0.48, 0.01, 5, "folds", parts), 0.52)
    assert said.startswith(
        "of what joint training has above guessing +0.38 [+0.28, +0.48] is lost, and the corpora are"
    )
    assert "if each meaning of emotions was as likely before: shared above 95%, disjoint below 5%" in said
    assert said.endswith("no proof")
    assert calibration.said(Spread(0.35, n=5), 0.52) == ""
    assert calibration.said(Spread(0.35, 0.25, 0.45), np.nan) == ""
