"""How far a study is: each state as the store shows it, times against sums made by hand."""

import contextlib
import dataclasses
import json
import os
import time
from datetime import UTC, datetime

import pytest

from benchmark import plan
from benchmark import study as studies
from benchmark.session import progress
from benchmark.session.progress import CUT_OFF, DONE, FAILED, MISSING, RUNNING, CaseState, Progress
from benchmark.session.status import NAMED, command, how_far, how_far_read, status, to_go_on
from serkit.results import Store
from serkit.results_table import load_all
from serkit.specs import METHOD
from serkit.words import COLUMNS
from tests.made_results import made_result, put

STUDY = studies.read("synthetic")
CASES = {case.id: case for case in studies.plan(STUDY)}
CASE = CASES["synmsp-aug0"]
MEASURED = CASES["acoustics-synmsp-raw"]
SPEC = dataclasses.replace(CASE.spec, fingerprints=tuple((corpus.name, "0") for corpus in STUDY.corpora))
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


def said(path, event, seconds_ago):
    with path.open("a") as file:
        file.write(json.dumps({"time": time.time() - seconds_ago, **event}) + "\n")


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
        assert (seen.state, seen.share, seen.seconds_left) == (RUNNING, 0.0, None)
        assert seen.seconds == pytest.approx(20, abs=1)
        assert seen.who | {"host": ""} == {"pid": os.getpid(), "host": "", "device": "cpu", "worker": "gw3"}
        assert how_far(seen) == "started"
        evaluated(path, seconds_ago=4)  # a quarter in 16 s, so 48 s were left 4 s ago
        seen = look()
        assert (seen.state, seen.share) == (RUNNING, 0.25)
        assert seen.seconds_left == pytest.approx(44, abs=1)
        assert how_far(seen).startswith(" 25%, epoch 2.5, loss 0.430, about 4")
    seen = look()
    assert (seen.state, seen.share, seen.failure) == (CUT_OFF, 0.25, "")
    saved(store, seconds_ago=0, copy="0")
    seen = look()
    assert (seen.state, seen.share, seen.finished.result["wall_seconds"]) == (DONE, 1.0, 36.0)


def test_one_that_goes_on_is_as_far_as_its_state_and_as_fast_as_it_was_since(store, look):
    with store.claim(SPEC.key):
        path = begun(store)
        said(path, {"resumed": 60, "of": 120}, seconds_ago=18)
        assert (look().share, how_far(look())) == (0.5, " 50%, goes on from there")
        evaluated(path, seconds_ago=8, iteration=90)  # a quarter in 12 s, so 12 s were left 8 s ago
        assert look().seconds_left == pytest.approx(4, abs=1)
        said(path, {"kept": 100, "of": 120, "bytes": 7}, seconds_ago=1)
        assert look().share == 0.75  # as it last said with a loss
    store.state_path(SPEC.key).write_bytes(bytes(2_000_000))
    seen = look()
    assert (seen.state, seen.kept, seen.kept_bytes) == (CUT_OFF, 100 / 120, 2_000_000)
    assert to_go_on([seen]) == [f"{CASE.id}: at 75%, no longer running; goes on from 83% (2.0 MB)"]
    path.write_text("")
    assert to_go_on([look()]) == [f"{CASE.id}: at 0%, no longer running; goes on from its state (2.0 MB)"]
    store.state_path(SPEC.key).unlink()
    assert to_go_on([look()]) == []


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
    assert len(store.results()[0]) == 1
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
        seen = next(state for state in Progress(STUDY, store).look() if state.case == MEASURED)
    assert (seen.state, seen.share) == (RUNNING, 0.25)
    assert how_far(seen) == "30 of 120 clips measured, about 5 min left"


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
    assert (look().state, look().finished.result["wall_seconds"]) == (DONE, 2.0)
    with store.claim(OTHER_COPY.key):
        begun(store, OTHER_COPY)
        assert look().state == RUNNING


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


def test_results_by_another_method_are_left_out_and_said(store):
    path = store.folder / saved(store) / "result.json"
    result = json.loads(path.read_text())
    result["spec"]["method"] = METHOD - 1
    path.write_text(json.dumps(result))
    looking = Progress(STUDY, store)
    for _ in range(2):
        assert {state.state for state in looking.look()} == {MISSING}
        *_, last = status(looking, looking.look()).splitlines()
        assert last.startswith(f"1 result by method {METHOD - 1} left out: this serkit's is {METHOD}, ")
    assert plan.text(STUDY, store, None).splitlines()[1] == last


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
    said = {name: how_far_read(event) for name, event in looking.reading()}
    assert said == {"SYN-IEMOCAP": "3 of 9 clips decoded", "SYN-MSP": "reading the corpus"}


# --- what a user is shown ---


@pytest.fixture
def shown(store):
    """What `status` says now."""
    looking = Progress(STUDY, store)
    return lambda results="": status(looking, looking.look(), results)


def test_status_says_who_runs_what_failed_and_how_to_run_it_again(store, shown):
    saved(store, CASES["syncremad-aug0"].spec, copy="0", environment={"device": "cpu"})
    failing(store)
    tuned = next(case for case in CASES.values() if case.tuned)
    begun(store, dataclasses.replace(tuned.spec, fingerprints=(("synmsp", "0"),)))
    running = dataclasses.replace(CASES["synmsp-aug20"].spec, fingerprints=(("synmsp", "0"),))
    with store.claim(running.key):
        evaluated(begun(store, running, worker="gw1", device="cpu"), 0.0)
        text = shown("/elsewhere")
    first, second, *lines = text.splitlines()
    assert f"{first} {second.strip()}".startswith(
        f"Study synthetic: 1 of {len(CASES)} done, 1 running, {len(CASES) - 2} left (1 failed, 1 cut off); "
    )
    assert second.endswith(" on 1 worker, not counting 6 of a kind that was never timed")
    (row,) = (line for line in lines if "gw1" in line)
    assert "synmsp-aug20 " in row
    assert " 25%, epoch 2.5" in row
    assert row.endswith(f" so far; gw1, cpu, process {os.getpid()}")
    assert any(line.split() == [CASE.id, *"RuntimeError: the loss is nan".split()] for line in lines)
    assert "and more" not in text  # a line each
    assert 'Again: pytest cases/ --study synthetic --results=/elsewhere -k "[synmsp-aug0]"' in lines
    assert f'Again: pytest cases/ --study synthetic --results=/elsewhere -k "[{tuned.id}]"' in lines


def test_status_names_the_host_where_it_is_another(store, shown):
    begun(store, host="another")
    assert f"so far; another, process {os.getpid()}" in shown()


def test_a_run_that_diverged_is_done_and_said_to_have(store, shown):
    """Its loss is level, far above guessing: every table leaves it out."""
    saved(store, CASES["syncremad-aug0"].spec, copy="0")
    result = made_result(SPEC.plan(), lambda *_: 0.5)
    for at in result["history"]:
        at["loss"] = 1e18
    put(store, result)
    lines = shown().splitlines()
    assert lines[0].startswith(
        f"Study synthetic: 2 of {len(CASES)} done (1 diverged), {len(CASES) - 2} left; "
    )
    assert lines[-2:] == [
        "Done, and diverged; every table leaves it out. Lower recipe.learning_rate:",
        f"  {CASE.id}",
    ]


def test_status_fits_80_columns(store, shown):
    saved(store, copy="0")
    assert max(map(len, shown().splitlines())) <= COLUMNS


def test_a_command_names_a_few_cases_and_no_more():
    few = list(CASES.values())[:2]
    assert command(few, "mine.toml") == (
        f'pytest cases/ --study mine.toml -k "[{few[0].id}] or [{few[1].id}]"'
    )
    many = list(CASES.values())[: NAMED + 1]
    assert command(many, "paper") == "pytest cases/ --study paper"
