"""How long the rest takes: rates, work and schedules against sums made by hand, and one answer for all."""

import dataclasses
from datetime import UTC, datetime

import pytest

from benchmark import plan as plans
from benchmark import study as studies
from benchmark.session.live import Live
from benchmark.session.pace import (
    NEWEST,
    Left,
    Pace,
    Rates,
    Run,
    Work,
    finished,
    lasting,
    pace,
    rates,
)
from benchmark.session.progress import FAILED, MISSING, CaseState, Progress
from benchmark.session.status import status
from serkit.results import Store
from serkit.specs import ModelSpec
from tests.made_results import made_result, put
from tests.made_states import costing, done, running

STUDY = studies.read("synthetic")
CASES = {case.id: case for case in studies.plan(STUDY)}
CASE = CASES["synmsp-aug0"]
OTHER_SET = CASES["syncremad-aug0"]
MEASURED = CASES["acoustics-synmsp-raw"]
TIMES = {"train_seconds": 200.0, "evaluate_seconds": 25.0, "wall_seconds": 235.0}


def missing(*costs, case=CASE):
    return [CaseState(costing(case, cost), MISSING) for cost in costs]


def seconds(seen, rest):
    return pace(seen).left(rest, 1).seconds


def test_what_is_imported_takes_no_time_here_and_tells_of_no_rate():
    """Its zero seconds are no pace, neither of itself nor of a baseline that is trained beside it."""
    spec = dataclasses.replace(CASE.spec, model=ModelSpec(encoder="imported:mine"))
    case = dataclasses.replace(CASE, spec=spec)
    trained = done(CASE, 200.0)
    imported = dataclasses.replace(trained, case=case)
    assert finished([imported]) == {}
    assert pace([imported, trained]).seconds(CaseState(case, MISSING)) is None
    left = pace([imported]).left([CaseState(case, MISSING)])
    assert left.words() == "time left unknown"


# --- rates ---


def ran(percent, train_seconds, clips=100.0):
    spec = studies.read("paper").runs(("cremad",), percent)[0]
    result = {"training_clips": clips / spec.recipe.epochs, "train_seconds": train_seconds}
    result |= {"evaluate_seconds": 25.0, "wall_seconds": train_seconds + 35.0}
    result["corpora"] = {
        "cremad": {"clips": {"train": {"sad": 9}, "test": {"sad": 50 / 30}, "validation": {"sad": 0}}},
        "iemocap": {"clips": {"test": {"sad": 0}}},
    }
    return Run(spec, result)


@pytest.mark.parametrize(
    ("runs", "plain", "augmented"),
    [
        ([(0, 200.0), (0, 400.0)], 3.0, 3.0),
        ([(0, 200.0), (50, 300.0)], 2.0, 4.0),  # half of the clips take twice as long
        ([(0, 200.0), (50, 300.0), (100, 400.0)], 2.0, 4.0),
        ([(0, 200.0), (100, 100.0)], 2.0, 1.0),
        ([(20, 200.0), (100, 400.0)], 3.0, 3.0),
        ([(0, 200.0)] * NEWEST + [(0, 9000.0)], 2.0, 2.0),  # long ago
    ],
)
def test_seconds_a_clip(runs, plain, augmented):
    assert rates([ran(*run) for run in runs]) == Rates(plain, augmented, 0.5, start=10.0)


def test_augmentation_counts_by_its_rate():
    spec = studies.read("paper").runs(("cremad",), 20)[0]
    of = Rates(plain=1, augmented=2, scoring=4, start=7)
    assert of.seconds(spec, Work(250, 25)) == pytest.approx(200 * 1 + 50 * 2 + 25 * 4 + 7)


def test_a_run_takes_as_long_as_those_of_its_training_set_else_as_all():
    """Ten seconds a clip of the one set, two of the other; a set that no run had takes their mean."""
    seen = [done(costing(CASE, 10), 100.0), done(costing(OTHER_SET, 30), 60.0)]
    assert seconds(seen, missing(99)) == pytest.approx(100)  # whatever it was expected to train on
    assert seconds(seen, missing(99, case=OTHER_SET)) == pytest.approx(60)
    joint = next(case for case in CASES.values() if len(case.spec.train) == 2)
    assert seconds(seen, missing(99, case=joint)) == pytest.approx(99 * 160 / 40)


def test_what_is_scored_counts_and_twice_the_evaluations_twice():
    scored = done(costing(CASE, 10), 100.0, scored=5, train_seconds=40.0, evaluate_seconds=60.0)
    assert seconds([scored], missing(10)) == pytest.approx(100)
    twice = dataclasses.replace(
        CASE.spec.recipe, evaluations_per_epoch=2 * CASE.spec.recipe.evaluations_per_epoch
    )
    case = dataclasses.replace(CASE, spec=dataclasses.replace(CASE.spec, recipe=twice))
    assert seconds([scored], missing(10, case=case)) == pytest.approx(160)


def test_measurements_go_by_measurements():
    seen = [done(costing(MEASURED, 4), 2.0), CaseState(costing(CASE, 50), FAILED)]
    assert seconds(seen, missing(8, case=MEASURED)) == 4.0
    assert seconds(seen, missing(8)) is None
    went_on = done(costing(MEASURED, 4), 2.0, clips_before=100)  # its time is not that of all of it
    assert seconds([went_on], missing(8, case=MEASURED)) is None


def test_before_the_first_has_finished_what_runs_tells():
    """Three quarters of 40 units are left and take 90 s, so a unit takes 3 s."""
    at_work = running(costing(CASE, 40), share=0.25, left=90.0)
    assert seconds([at_work], missing(10)) == 30.0
    assert seconds([at_work, done(costing(CASE, 10), 50.0)], missing(10)) == 50.0


def test_the_newest_device_counts_and_the_kind_of_what_runs():
    seen = [done(CASE, 100.0, at=1.0), done(CASE, 2.0, at=2.0, device="cuda")]
    assert list(finished(seen)) == ["cuda", "cpu"]
    assert seconds(seen, missing(1)) == pytest.approx(2)
    at_work = running(OTHER_SET, share=0.0, left=None)
    assert seconds([*seen, at_work], missing(1)) == pytest.approx(100)
    on_gpu_alone = [done(CASE, 2.0, device="cuda"), at_work]
    assert seconds(on_gpu_alone, missing(1)) is None


# --- the end ---


@pytest.mark.parametrize(
    ("of", "workers", "wanted"),
    [((5, 3, 2), 1, 10), ((5, 3, 2), 16, 5), ((9, 8, 6, 4, 2, 1), 2, 15), ((), 3, 0)],
)
def test_the_end_of_schedules_made_by_hand(of, workers, wanted):
    """Each begun in turn by the first that is free, the longest first."""
    at_work = [running(CASE, left=seconds) for seconds in of]
    assert Pace([]).left(at_work, workers).seconds == wanted


def test_time_left_is_shared_by_workers_and_never_less_than_the_longest():
    """A unit takes two seconds."""
    rest = [*missing(1, 2, 3), running(costing(CASE, 9), left=6.0)]
    rest.append(running(costing(CASE, 9), share=0.0, left=None, seconds=5.0))  # 18 s in all, 5 of them gone
    rest.append(done(costing(OTHER_SET, 99), 198.0, trained=99))
    of = pace(rest)
    assert of.left(rest) == Left(16.0, 0, workers=2)  # 6 and 13 first; then 6, 4 and 2 as one is free
    assert of.left(rest, workers=16).seconds == 13
    assert of.left(missing(1)) == Left(2.0, 0, workers=1)
    assert of.left([rest[-1]]) == Left(0.0, 0, workers=1)


def test_baselines_are_begun_first():
    """As they are in a session: the longest case comes last."""
    first, last = dataclasses.replace(CASE, turn=0), dataclasses.replace(OTHER_SET, turn=2)
    seen = [done(costing(CASE, 2), 2.0), done(costing(OTHER_SET, 9), 9.0)]
    rest = [CaseState(last, MISSING), CaseState(first, MISSING), CaseState(first, MISSING)]
    assert pace(seen).left(rest, 2).seconds == 2 + 9


def test_time_left_of_what_was_never_timed_is_unknown():
    rest = [*missing(4), *missing(1, case=MEASURED)]
    assert Pace([]).left(rest) == Left(None, 2, 1)
    assert Pace([]).left(rest).words() == "time left unknown"
    half = pace([done(costing(CASE, 4), 20.0)]).left(rest)
    assert half == Left(20.0, 1, 1)
    assert half.words() == "about 20 s left, not counting 1 of a kind that was never timed"
    assert Pace([]).left([]).words() == "nothing left"


@pytest.mark.parametrize(
    ("of", "words"),
    [(0.2, "0 s"), (99, "99 s"), (120, "2 min"), (5000, "83 min"), (12_600, "3.5 h"), (864_000, "10.0 days")],
)
def test_times_in_words(of, words):
    assert lasting(of) == words


# --- one answer for all ---


def test_status_the_live_display_and_the_plan_say_the_same(tmp_path, monkeypatch):
    """Of a study of which the baselines have finished, one of them augmented, and one measurement."""
    monkeypatch.setattr(plans, "this_device", lambda: "A device")
    store = Store(tmp_path / "synthetic")
    for case in CASES.values():
        if case.turn == 0 or case.id == "synmsp-aug50":
            result = made_result(case.spec, lambda *_: 0.5, **TIMES)
            result["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
            put(store, result)
    progress = Progress(STUDY, store)
    seen = progress.look()
    left = {workers: pace(seen).left(seen, workers) for workers in plans.DEVICES}
    assert left[1].seconds > left[4].seconds > 0
    said = " ".join(status(progress, seen).split())
    assert f"; {left[1].words(' on 1 worker')}" in said
    planned = plans.text(STUDY, store, None)
    for workers, each in left.items():
        assert f"{workers:2} device{'s' * (workers > 1)}: {lasting(each.seconds)}\n" in planned
        live = Live(progress)
        live.chosen([f"cases/x.py::x[{name}]" for name in CASES], workers)
        assert live.plan_line(seen).endswith(f" left, {each.words()}")
