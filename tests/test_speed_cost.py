"""The cost section: which rates it takes, and the hours that it shows."""

import json
import re

import pytest

from benchmark.speed import Settings, cost, settings
from serkit import run

RATES = {"load, 0 %": 1e9, "both, 0 %": 6000.0, "both, 100 %": 3000.0}


def write(folder, width=64, quick=False, name=None):
    """What the sections `step` and `evaluate` leave: rates of clips of 5.7 s and of 5 s."""
    size = {"width": width, "clip_seconds": 5.7, "wall": {"clips_per_s": {}}}
    size["wall"]["clips_per_s"] = {what: {"median": rate} for what, rate in RATES.items()}
    rows = [
        {"way": way, "clips_per_s": {"median": rate}}
        for way, rate in (("serkit", 15_000.0), ("serkit", 20_000.0), ("stock", 1e9))
    ]
    for section, measured in (
        ("step", {"sizes": [size]}),
        ("evaluate", {"width": width, "mean_seconds": 5.0, "rows": rows}),
    ):
        here = {
            "environment": {"device_name": name or run.cpu_name()},
            "measured": measured,
        }
        text = json.dumps({"settings": {"quick": quick}, "devices": {"cpu": here}})
        (folder / f"{section}.json").write_text(text)


def test_rates_of_earlier_sections_give_the_hours(tmp_path, monkeypatch):
    monkeypatch.setattr(cost, "first_step", lambda *given: 36.0)
    write(tmp_path)
    found = cost.measure(Settings(folder=tmp_path), "cpu", lambda line: None)
    assert found["rates_from"] == "step.json and evaluate.json"
    # 6 training sets x 5 rates, ten folds with IEMOCAP, and two scrambled ones; clips of one run's epochs:
    msp, iemocap, cremad = 41_093, 5531 - 5531 / 5, 3924  # of IEMOCAP on average over the folds
    seconds_of = {5.7: msp * 5.7, 4.5: iemocap * 4.5, 2.5: cremad * 2.5}
    m, i, c = seconds_of.values()
    sums = (m + c + m + c) + 10 * (i + m + i + m + i + c + i + m + i)
    training = 30 * sums / 5.7 * (1 / 6000 * 5 + 2.4 / 6000)  # a clip augmented takes twice as long: 0.2 to 1
    plans = found["plans"]
    scoring = plans["without tuning"]["scored_hours"] * 3600 / 5 / 20_000
    wanted = training + scoring + 265 * 36
    assert plans["without tuning"]["hours"]["1"] == pytest.approx(wanted / 3600, rel=1e-3)
    assert (plans["without tuning"]["runs"], plans["with tuning"]["runs"]) == (265, 415)
    for of in plans.values():
        assert of["hours"]["1"] / 4 <= of["hours"]["4"] < of["hours"]["1"] / 3.5
        assert of["hours"]["1"] / 16 <= of["hours"]["16"] < of["hours"]["4"] / 3.5
    assert found["longest_run"]["run"].startswith("msp+iemocap+cremad-aug100")
    assert re.search(
        rf"without tuning +265 .* {plans['without tuning']['hours']['16']:.1f}\n", cost.text(found)
    )


@pytest.mark.parametrize("unfit", [{"width": 8}, {"quick": True}, {"name": "another"}])
def test_rates_of_something_else_are_not_taken(tmp_path, unfit):
    write(tmp_path)
    assert cost.earlier(Settings(folder=tmp_path), "cpu", 64)[0] is not None
    assert cost.earlier(Settings(folder=tmp_path), "cuda", 64)[0] is None
    write(tmp_path, **unfit)
    assert cost.earlier(Settings(folder=tmp_path), "cpu", 64)[0] is None


def test_rates_are_measured_where_there_are_none(tmp_path, one_thread):
    said = []
    found = cost.measure(settings(quick=True, threads=1, folder=tmp_path), "cpu", said.append)
    assert any("clips of 1.0 s" in line for line in said)
    assert found["rates_from"] == "measured for this"
    assert all(rate["clips_per_s"] > 0 for of in found["clips_per_s"].values() for rate in of)
    assert found["start_s"] > 0
    assert "measured for this" in cost.text(found)
