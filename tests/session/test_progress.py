"""How far a study is: each state as the store shows it, times against sums made by hand."""

import contextlib
import dataclasses
import json
import os
import time
from datetime import UTC, datetime

import pytest

from benchmark import study as studies
from benchmark.session import progress
from benchmark.session.progress import CUT_OFF, DONE, FAILED, MISSING, RUNNING, CaseState, Progress, lasting
from serkit.results import Store, load_all
from tests.made_results import made_result, put

STUDY = studies.read("synthetic")
CASES = {case.id: case for case in studies.plan(STUDY)}
CASE = CASES["synmsp-aug0"]
MEASURED = CASES["acoustics-synmsp-raw"]
SPEC = dataclasses.replace(CASE.spec, fingerprints=(("synmsp", "0"), ("syniemocap", "0"), ("syncremad", "0")))
OTHER_COPY = dataclasses.replace(SPEC, fingerprints=(("synmsp", "1"),))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "synthetic")


@pytest.fixture
def look(store):
    """The state of `CASE` now, and no other case's changes."""
    looking = Progress(STUDY, store)

    def looked():
        seen = looking.look()
        assert [state.case for state in seen] == studies.plan(STUDY)
        assert {state.state for state in seen if state.case.id != CASE.id} == {MISSING}
        return next(state for state in seen if state.case.id == CASE.id)

    return looked


def begun(store, spec=SPEC, seconds_ago=20.0, **who):
    """A run that began so long ago; returns its progress file."""
    store.start(spec, who)
    path = store.run_folder(spec.key) / "progress.jsonl"
    first = json.loads(path.read_text()) | {"time": time.time() - seconds_ago} | who
    path.write_text(json.dumps(first) + "\n")
    return path


def evaluated(path, seconds_ago, iteration=30, of=120):
    event = {"time": time.time() - seconds_ago, "iteration": iteration, "of": of, "epoch": 2.5, "loss": 0.43}
    with path.open("a") as file:
        file.write(json.dumps(event) + "\n")


def failing(store, message="the loss is nan\nand more"):
    with contextlib.suppress(RuntimeError), store.claim(SPEC.key):
        store.start(SPEC)
        raise RuntimeError(message)


def at(seconds_ago):
    return datetime.fromtimestamp(time.time() - seconds_ago, UTC).isoformat(timespec="seconds")


def saved(store, spec=SPEC, seconds_ago=100.0, **changes):
    result = made_result(spec.plan(), lambda *_: 0.5, finished=at(seconds_ago), **changes)
    put(store, result)
    return result["key"]


# --- states ---


def test_nothing_was_begun(look):
    assert look() == CaseState(CASE, MISSING)


def test_a_run_from_its_start_to_its_end(store, look):
    with store.claim(SPEC.key):
        path = begun(store, device="cpu", worker="gw3")
        seen = look()
        assert (seen.state, seen.key, seen.share, seen.seconds_left) == (RUNNING, SPEC.key, 0.0, None)
        assert seen.seconds == pytest.approx(20, abs=1)
        assert (seen.who["device"], seen.who["pid"], seen.name) == ("cpu", os.getpid(), "gw3")
        assert progress.told(seen) == "started"
        evaluated(path, seconds_ago=4)  # a quarter in 16 s, so 48 s were left 4 s ago
        seen = look()
        assert (seen.state, seen.share, seen.epoch, seen.loss) == (RUNNING, 0.25, 2.5, 0.43)
        assert seen.seconds_left == pytest.approx(44, abs=1)
        assert progress.told(seen).startswith(" 25%, epoch 2.5, loss 0.430, about 4")
    seen = look()
    assert (seen.state, seen.share, seen.failure) == (CUT_OFF, 0.25, "")
    saved(store, seconds_ago=0, copy="0")
    seen = look()
    assert (seen.state, seen.seconds, seen.share) == (DONE, 36.0, 1.0)


def test_a_run_of_less_than_a_second_is_done_where_nobody_may_ask_for_its_lock(store, look, monkeypatch):
    saved(store, seconds_ago=0)
    begun(store, seconds_ago=0)  # results are dated by whole seconds, attempts by thousandths
    monkeypatch.setattr(Store, "claimed", lambda *_: None)
    assert look().state == DONE


@pytest.mark.parametrize("to", ["loop", "x" * 300, "nowhere"])
def test_one_link_that_leads_nowhere_hides_no_run(store, look, to):
    saved(store)
    (store.folder / "loop").symlink_to(to)
    assert look().state == DONE
    assert len(store.files()[0]) == 1
    assert len(load_all(store.folder.parent)) > 0


def test_a_results_folder_that_cannot_be_listed_is_named(store):
    store.folder.write_text("no folder")
    looking = Progress(STUDY, store)
    assert {state.state for state in looking.look()} == {MISSING}
    (said,) = looking.unread
    assert f"{store.folder} cannot be read (Not a directory)" in said


def test_a_run_that_failed_says_why(store, look):
    failing(store)
    seen = look()
    assert (seen.state, seen.failure) == (FAILED, "RuntimeError: the loss is nan\nand more")
    begun(store)
    assert look().state == CUT_OFF


def test_a_measurement_says_how_many_clips_and_how_long(store):
    spec = dataclasses.replace(MEASURED.spec, fingerprints=(("synmsp", "0"),))
    with store.claim(spec.key):
        store.start(spec, {"device": "cpu"})
        store.report(spec.key, {"measured": 30, "of": 120, "seconds_left": 300.0})
        seen = next(state for state in progress.states(STUDY, store) if state.case == MEASURED)
    assert (seen.state, seen.counted, seen.share) == (RUNNING, (30, 120), 0.25)
    assert progress.told(seen) == "30 of 120 clips measured, about 5 min left"


def test_a_run_again_runs_though_its_result_is_there(store, look):
    saved(store, copy="0")
    with store.claim(SPEC.key):
        assert look().state == DONE  # whoever reads the result claims it, too
        begun(store)
        assert look().state == RUNNING
    assert (look().state, look().failure) == (DONE, "")
    failing(store)
    assert (look().state, look().failure[:16]) == (DONE, "RuntimeError: th")


def test_what_a_checkout_brings_is_done(store, look):
    """Its files are as old as the checkout, its progress as old as the run; nobody was ever here."""
    key = saved(store, seconds_ago=1e6)
    event = {"time": time.time() - 1e6 - 36, "iteration": 1, "of": 2, "epoch": 1.0, "loss": 0.5}
    (store.folder / key / "progress.jsonl").write_text(json.dumps(event) + "\n")
    assert look().state == DONE


@pytest.mark.parametrize(
    ("seconds_ago", "state"),
    [(progress.ELSEWHERE_SECONDS - 60, RUNNING), (progress.ELSEWHERE_SECONDS + 60, CUT_OFF)],
)
def test_a_run_on_another_host_is_judged_by_its_last_word(store, look, seconds_ago, state):
    path = begun(store, seconds_ago=4000, host="another")
    evaluated(path, seconds_ago)
    assert look().state == state


def test_of_several_copies_the_running_then_the_newest_result_counts(store, look):
    saved(store, seconds_ago=200, copy="1", wall_seconds=1.0)
    saved(store, seconds_ago=100, copy="2", wall_seconds=2.0)
    failing(store)
    assert (look().state, look().seconds) == (DONE, 2.0)
    with store.claim(OTHER_COPY.key):
        begun(store, OTHER_COPY)
        assert (look().state, look().key) == (RUNNING, OTHER_COPY.key)


def test_what_is_of_no_use_is_passed_over(store, look):
    store.start(dataclasses.replace(SPEC, seed=7))  # another study's
    path = store.folder / saved(store, copy="1") / "result.json"
    result = json.loads(path.read_text())
    result["spec"]["method"] = 0
    path.write_text(json.dumps(result))
    (store.folder / "figures").mkdir()
    (store.folder / "report.md").write_text("")
    assert look().state == MISSING
    path.write_text('{"schema": 1, "hist')
    assert look().state == MISSING
    path = begun(store)
    path.write_text(path.read_text() + '{"time": 1.0, "itera')
    (store.run_folder(SPEC.key) / "error.json").write_text("{")
    assert (look().state, look().failure) == (FAILED, "its error.json cannot be read")


def test_a_file_that_did_not_change_is_read_once(store, look, monkeypatch):
    saved(store)
    assert look().state == DONE
    monkeypatch.setattr(json, "loads", None)
    assert look().state == DONE


def test_corpora_that_are_read(store):
    looking = Progress(STUDY, store)
    assert looking.reading() == []
    store.report_reading("synmsp", {"reading": "synthetic"})
    store.report_reading("syniemocap", {"packed": 3, "of": 9})
    store.report_reading("syncremad", {"packed": 9, "of": 9})
    told = {name: progress.told_reading(event) for name, event in looking.reading()}
    assert told == {"SYN-IEMOCAP": "3 of 9 clips decoded", "SYN-MSP": "reading the corpus"}


# --- times ---


def done(case, seconds, at=0.0, device="cpu"):
    return CaseState(case, DONE, seconds=seconds, at=at, who={"device": device})


def costing(cost, case=CASE):
    return dataclasses.replace(case, cost=cost)


def test_rates_are_of_the_newest_and_of_what_runs():
    """Ten seconds a unit in the newest twenty, a thousand before; runs and measurements apart."""
    seen = [done(costing(2), 20.0, at=100 + n) for n in range(progress.NEWEST)]
    seen += [done(costing(1), 1000.0, at=n) for n in range(progress.NEWEST)]
    seen += [done(costing(4, MEASURED), 2.0), CaseState(costing(50), FAILED, seconds=3.0)]
    assert progress.rates(seen) == {"training": 10.0, "measurement": 0.5}
    # three quarters of 40 units are left and take 90 s, so a quarter took 30 s
    running = CaseState(costing(40), RUNNING, share=0.25, seconds_left=90.0, who={"device": "cpu"})
    alone = progress.rates([running, CaseState(CASE, MISSING)])
    assert alone == {"training": 3.0}
    assert progress.rates([running, *seen])["training"] == pytest.approx((30 + 19 * 20) / (10 + 19 * 2))
    assert progress.rates([]) == {}


def test_rates_of_another_kind_of_device_are_not_mixed_in():
    seen = [done(costing(1), 100.0, at=1.0), done(costing(1), 2.0, at=2.0, device="cuda")]
    assert progress.rates(seen) == {"training": 2.0}


def test_time_left_is_shared_by_workers_and_never_less_than_the_longest():
    rest = [CaseState(costing(cost), MISSING) for cost in (1, 2, 3)]
    rest.append(CaseState(costing(9), RUNNING, share=0.5, seconds_left=6.0))
    rest.append(CaseState(costing(9), RUNNING, seconds=5.0))  # 18 s as expected, 5 of them gone
    rest.append(done(costing(99), 1.0))
    of = {"training": 2.0}
    assert progress.left(rest, of) == progress.Left((2 + 4 + 6 + 6 + 13) / 2, 0, workers=2)
    assert progress.left(rest, of, workers=16).seconds == 13
    assert progress.left(rest[:1], of) == progress.Left(2.0, 0, workers=1)
    assert progress.left([rest[-1]], of) == progress.Left(0.0, 0, workers=1)


def test_time_left_of_what_was_never_timed_is_unknown():
    rest = [CaseState(costing(4), MISSING), CaseState(costing(1, MEASURED), MISSING)]
    assert progress.left(rest, {}) == progress.Left(None, 2, 1)
    assert progress.left(rest, {}).words() == "time left unknown"
    half = progress.left(rest, {"training": 5.0})
    assert half == progress.Left(20.0, 1, 1)
    assert half.words() == "about 20 s left, not counting 1 of a kind that was never timed"
    assert progress.left([], {}).words() == "nothing left"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "0 s"), (99, "99 s"), (120, "2 min"), (5000, "83 min"), (12_600, "3.5 h"), (864_000, "10.0 days")],
)
def test_times_in_words(seconds, words):
    assert lasting(seconds) == words


# --- what a user is shown ---


def test_status_says_who_runs_what_failed_and_how_to_run_it_again(store):
    saved(store, CASES["syncremad-aug0"].spec, copy="0", environment={"device": "cpu"})
    failing(store)
    tuned = next(case for case in CASES.values() if case.tuned)
    begun(store, dataclasses.replace(tuned.spec, fingerprints=(("synmsp", "0"),)))
    running = dataclasses.replace(CASES["synmsp-aug20"].spec, fingerprints=(("synmsp", "0"),))
    with store.claim(running.key):
        evaluated(begun(store, running, worker="gw1", device="cpu"), 0.0)
        text = progress.status(progress.states(STUDY, store), "synthetic", "/elsewhere")
    first, *lines = text.splitlines()
    assert first.startswith(
        "Study synthetic: 1 of 105 done, 1 running, 103 left (1 failed, 1 cut off); about "
    )
    assert " on 1 worker, not counting 6 of a kind that was never timed" in first
    (row,) = (line for line in lines if "gw1" in line)
    assert "synmsp-aug20 " in row
    assert " 25%, epoch 2.5" in row
    assert f"process {os.getpid()}" in row
    assert any(line.split() == [CASE.id, *"RuntimeError: the loss is nan".split()] for line in lines)
    assert "and more" not in text  # a line each
    assert 'Again: pytest cases/ --study synthetic --results=/elsewhere -k "[synmsp-aug0]"' in lines
    assert f'Again: pytest cases/ --study synthetic --results=/elsewhere -k "[{tuned.id}]"' in lines


def test_a_command_names_a_few_cases_and_no_more():
    few = list(CASES.values())[:2]
    assert progress.command(few, "mine.toml") == (
        f'pytest cases/ --study mine.toml -k "[{few[0].id}] or [{few[1].id}]"'
    )
    many = list(CASES.values())[: progress.NAMED + 1]
    assert progress.command(many, "paper") == "pytest cases/ --study paper"
