"""What a loss by permuted labels says by generated worlds: likelihoods of made ones, and the sentence."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmark.report import calibration
from benchmark.report.intervals import Spread

WORLDS = {  # recall of the corpus and loss, by mismatch
    "shared": [(0.5, 0.7), (0.66, 0.3), (1.0, 0.0)],
    "disjoint": [(0.74, 0.0), (0.9, 0.0), (1.0, 0.0)],
    "swapped": [(0.5, -0.7), (0.7, -0.3), (1.0, 0.0)],
}


@pytest.fixture(autouse=True)
def made(monkeypatch):
    """Four casts of each world, which vary by .04."""
    random, rows = np.random.default_rng(0), []
    for meaning, of in WORLDS.items():
        for mismatch, means in enumerate(of):
            for cast in range(4):
                probe, loss = means + random.normal(0, 0.04, 2)
                rows.append(dict(meaning=meaning, mismatch=mismatch, cast=cast, probe=probe, loss=loss))
    monkeypatch.setattr(calibration, "worlds", lambda: pd.DataFrame(rows))


@pytest.mark.parametrize(("meaning", "loss"), [("shared", 0.3), ("disjoint", 0.0), ("swapped", -0.3)])
def test_near_one_world_its_meaning_is_told(meaning, loss):
    found = calibration.likelihoods(loss, 0.02, 0.70)
    assert sum(found.values()) == pytest.approx(1)
    assert found[meaning] > 0.9


def test_where_corpora_are_always_told_apart_nothing_is_told():
    """The paper's inference fails there: no loss, though emotions are shared."""
    found = calibration.likelihoods(0.0, 0.02, 1.0)
    assert all(0.2 < share < 0.5 for share in found.values())


def test_the_likelihood_is_that_of_its_formula():
    table = calibration.worlds().groupby(["meaning", "mismatch"])[["probe", "loss"]]
    pooled = table.var(ddof=1).mean()  # as many casts in each
    density = {}
    for (meaning, _), mean in table.mean().iterrows():
        scales = np.sqrt(pooled * (1 + 1 / 4) + [0, 0.05**2])
        density.setdefault(meaning, []).append(stats.t.pdf(([0.7, 0.2] - mean) / scales, 27) / scales)
    of = {
        meaning: np.average(np.array(at)[:, 1], weights=np.array(at)[:, 0]) for meaning, at in density.items()
    }
    expected = {meaning: at / sum(of.values()) for meaning, at in of.items()}
    assert calibration.likelihoods(0.2, 0.05, 0.7) == pytest.approx(expected)


def test_how_well_corpora_are_told_apart_is_no_evidence_itself():
    """Of a recall that one meaning has more often, it only says which of its worlds compare."""
    found = calibration.likelihoods(0.0, 0.02, 0.95)
    assert found["disjoint"] < 0.5


def test_a_loss_that_is_not_sure_tells_less():
    sure, unsure = (calibration.likelihoods(0.3, error, 0.70)["shared"] for error in (0.01, 1.0))
    assert sure > 0.99
    assert 0.3 < unsure < 0.6


@pytest.mark.parametrize(("loss", "probe"), [(0.3, 0.0), (5.0, 0.70), (0.7, 0.5)])
def test_a_study_that_is_like_no_world_is_told_nothing(loss, probe):
    assert calibration.likelihoods(loss, 0.02, probe) == {}


@pytest.mark.parametrize(
    "left",
    [
        lambda of: of.query("cast < 2"),
        lambda of: of.query("meaning == 'shared'"),
        lambda of: of.assign(loss=0.1),
        lambda of: of[:0],
    ],
)
def test_by_too_few_worlds_or_such_as_do_not_vary_nothing_is_told(monkeypatch, left):
    few = left(calibration.worlds())
    monkeypatch.setattr(calibration, "worlds", lambda: few)
    assert calibration.likelihoods(0.1, 0.0, 0.6) == {}


def test_the_sentence_has_its_caveats():
    parts = {"tests": 0.03, "training": 0.02}
    said = calibration.said(Spread(0.32, 0.22, 0.42, 0.01, 5, "folds", parts), 0.70)
    assert said.startswith(
        "of what joint training reaches above guessing +0.32 [+0.22, +0.42] is lost, and the corpora"
    )
    assert "if each meaning of emotions was as likely before: shared above 95%, disjoint below 5%" in said
    assert said.endswith("no proof")
    assert calibration.said(Spread(0.35, n=5), 0.52) == ""


def test_where_corpora_are_told_apart_better_than_in_any_world_that_is_said(monkeypatch):
    near = calibration.worlds().query("not (meaning == 'shared' and mismatch == 2)")
    monkeypatch.setattr(calibration, "worlds", lambda: near)
    said = calibration.said(Spread(0.25, 0.18, 0.32, 0.01, 5, "folds", {"tests": 0.03}), 0.95)
    assert said.endswith(
        "0.95, better than in any generated world of shared emotions: they say nothing of it"
    )


def test_without_a_probe_nothing_is_said():
    assert calibration.said(Spread(0.35, 0.25, 0.45), np.nan) == ""
