"""What bf16 changes: the figures made of trainings, and that both precisions are trained and compared."""

import numpy as np
import pytest
from scipy import stats

from benchmark.speed import precision, settings
from serkit import run


def rounds_of(float32, bf16):
    """Trainings of seeds 0, 1, ..., the last first."""
    return [
        {"precision": name, "seed": seed, "tests": {"here": {"wF1": value}}}
        for name, values in (("float32", float32), ("bf16", bf16))
        for seed, value in reversed(list(enumerate(values)))
    ]


def test_a_difference_is_paired_by_seed():
    float32, bf16 = np.array([0.4, 0.5, 0.75]), np.array([0.5, 0.5, 0.8])
    found = precision.difference(rounds_of(float32, bf16), "here", "wF1")
    t, _ = stats.ttest_rel(bf16, float32)
    assert found["difference"]["mean"] == pytest.approx(0.05)
    assert found["difference"]["mean"] / found["difference"]["std"] * 3**0.5 == pytest.approx(t)
    assert found["float32"]["std"] == pytest.approx(stats.tstd(float32))
    assert found["within"]


@pytest.mark.parametrize(("shift", "within"), [(0.09, True), (-0.09, True), (0.11, False), (-0.11, False)])
def test_within_is_up_to_the_spread_from_seed_to_seed(shift, within):
    float32 = np.array([0.4, 0.5, 0.6])  # a standard deviation of 0.1
    assert precision.difference(rounds_of(float32, float32 + shift), "here", "wF1")["within"] is within


def test_every_seed_is_trained_in_both_precisions(monkeypatch, one_thread, synthetic_cache):
    monkeypatch.setenv("SERKIT_CACHE", str(synthetic_cache))
    learnt = []
    learn = run.learn

    def watched(spec, sets, device, bf16):
        trained = learn(spec, sets, device, bf16=bf16)
        learnt.append((spec.seed, bf16, trained.scores))
        return trained

    monkeypatch.setattr(run, "learn", watched)
    found = precision.measure(settings(quick=True, threads=1, study="synthetic"), "cpu", lambda line: None)
    assert [each[:2] for each in learnt] == [(0, False), (0, True), (1, True), (1, False)]
    (_, _, exact), (_, _, rounded), (_, _, of_other_seed), _ = learnt
    assert 0 < np.abs(exact - rounded).max() < np.abs(rounded - of_other_seed).max()
    assert found["run"] == "syniemocap-aug0-fold01"
    shown = precision.text(found)
    assert shown.count("syncremad ") == 3
    assert "2 seeds" in shown
