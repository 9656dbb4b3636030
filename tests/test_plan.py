"""What a study would do: cases, clips and hours against sums made by hand."""

import re

import pytest

from benchmark import plan as plans
from benchmark import study as studies
from benchmark.cost import Device, Speech, Work
from benchmark.session.progress import lasting
from benchmark.study import Case
from serkit.results import Store
from tests.made_results import made_result, put

STUDY = """
title = "Two corpora"
rates_percent = [0, 50]
[model]
width = 64
[recipe]
epochs = 2
[corpora.cremad]
reader = "crema_d"
title = "CREMA-D"
[table1]
train = [["cremad"]]
"""


TWO = STUDY.replace("Two corpora", "Another {number}").replace("width = 64", 'width = {width}\nweights = ""')
HERE = {"device": "cpu", "device_name": "Here", "packages": {"torch": "2"}}


@pytest.fixture
def study(tmp_path):
    (tmp_path / "small.toml").write_text(STUDY)
    return studies.read(str(tmp_path / "small.toml"))


@pytest.fixture
def shown(study, tmp_path, monkeypatch):
    monkeypatch.setattr(plans, "this_device", lambda: "Here")
    return lambda: plans.text(study, Store(tmp_path / "small"), None)


def rows(text):
    """The cells of each line of the tables, by their first."""
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]
    return {row[0]: row[1:] for row in cells if row}


def test_a_study_that_was_not_begun(shown):
    """3,924 clips to train on, 841 each to validate and to test, twice; at two rates."""
    text = shown()
    assert rows(text)["table1"] == ["CREMA-D", "2", "0", "2", f"{4 * 3924:,}", f"{4 * 1682:,}"]
    assert rows(text)["all"] == ["2", "0", "2", f"{4 * 3924:,}", f"{4 * 1682:,}"]
    assert "CREMA-D published." in text
    assert "No rate is known for Here, on which this would run: finish a run" in text


def finished(tmp_path, spec, **changes):
    times = {"train_seconds": 300.0, "evaluate_seconds": 40.0, "wall_seconds": 350.0}
    result = made_result(spec, lambda *_: 0.5, environment=HERE, **{**times, **changes})
    put(Store(tmp_path / "small"), result)


def test_finished_runs_say_how_long_the_others_take(shown, study, tmp_path):
    """The run without augmentation took 350 s; the other is taken to be as long."""
    finished(tmp_path, study.runs(("cremad",), 0)[0])
    text = shown()
    assert rows(text)["table1"] == ["CREMA-D", "2", "1", "1", f"{2 * 3924:,}", f"{2 * 1682:,}"]
    assert rows(text)["Here (this one)"] == ["6 min"] * 3 + ["1 finished runs of this study"]
    assert "No rate" not in text
    finished(tmp_path, study.runs(("cremad",), 50)[0])
    assert "Time" not in shown()  # nothing is left


@pytest.mark.parametrize(
    ("widths", "least", "most", "source"),
    [
        ([32], 2, 4, "1 finished runs of other studies, width 32, scaled to 64"),
        ([8, 32, 4, 32], 2, 4, "2 finished runs of other studies, width 32, scaled to 64"),
        ([128], 0.25, 0.5, "1 finished runs of other studies, width 128, scaled to 64"),
        ([8, 64], 1, 1, "1 finished runs of other studies, width 64"),
    ],
)
def test_runs_of_another_study_say_it_roughly(shown, tmp_path, widths, least, most, source):
    """A result's 24 clips of 15 s, cut to 10, twice, are 480 s in 480 s; a damaged one is passed over."""
    for number, width in enumerate(widths):
        other = TWO.format(number=number, width=width)
        (tmp_path / f"other{number}.toml").write_text(other)
        (spec,) = studies.read(str(tmp_path / f"other{number}.toml")).runs(("cremad",), 0)
        result = made_result(
            spec,
            lambda *_: 0.5,
            environment=HERE,
            train_seconds=480.0,
            evaluate_seconds=0.0,
            wall_seconds=480.0,
        )
        result["corpora"]["cremad"]["hours"] = 3 * 24 * 15 / 3600
        put(Store(tmp_path / f"other{number}"), result)
    (tmp_path / "notes").mkdir()
    (tmp_path / "odd" / "run").mkdir(parents=True)
    (tmp_path / "odd" / "run" / "result.json").write_text("{")
    text = shown()
    seconds = 4 * 3924 * 2.5
    times = [lasting(seconds * least), lasting(seconds * most)]
    assert rows(text)["Here (this one)"][0] == " to ".join(dict.fromkeys(times))
    assert rows(text)["Here (this one)"][3] == source
    assert ("Two times" in text) == (least != most)
    assert "No rate" not in text


def test_a_corpus_of_which_nothing_is_known_leaves_cases_and_says_where_to_get_it(tmp_path):
    study = studies.read("open")
    text = plans.text(study, Store(tmp_path), tmp_path)
    asked = len(studies.plan(study))
    assert re.search(rf"^all +{asked} +0 +{asked}$", text, re.MULTILINE)
    assert re.search(r"Clips and hours are not known: RAVDESS.*docs/corpora\.md", text)


def done(percent, train_seconds, seconds=100.0):
    spec = studies.read("paper").runs(("cremad",), percent)[0]
    work = Work(Case(spec, ("table1",), 1), Speech(10, seconds), Speech(5, 50.0))
    wall = {"wall_seconds": train_seconds + 35.0}
    return work, {"train_seconds": train_seconds, "evaluate_seconds": 25.0, **wall}


@pytest.mark.parametrize(
    ("runs", "plain", "augmented"),
    [
        ([(0, 200.0), (0, 400.0)], 3.0, 3.0),
        ([(0, 200.0), (50, 300.0)], 2.0, 4.0),  # half of the clips take twice as long
        ([(0, 200.0), (50, 300.0), (100, 400.0)], 2.0, 4.0),
        ([(0, 200.0), (100, 100.0)], 2.0, 1.0),
        ([(20, 200.0), (100, 400.0)], 3.0, 3.0),
    ],
)
def test_seconds_a_second_of_speech(runs, plain, augmented):
    found = plans.timed([done(*run) for run in runs])
    assert found == Device(plain, augmented, 0.5, start_s=10.0)
