"""The store: no kill leaves a torn result, no run is trained by two at once, trying again loses nothing."""

import contextlib
import dataclasses
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from serkit.errors import ResultDamaged, ResultsUnwritable
from serkit.resultfile import ESTIMATES
from serkit.results import Store, other_methods
from serkit.specs import ACOUSTICS_METHOD, METHOD
from tests.made_results import SPEC, made_result

ROOT = Path(__file__).parent.parent

# The writer in a process of its own: scores are any object that writes itself, so it starts without pandas.
WRITER = """
import os, signal, sys, time
from pathlib import Path
from serkit.results import Store
from serkit.specs import from_json
import json

class Scores:
    def __init__(self, word): self.word = word
    def to_parquet(self, path, **settings): return (self.word * 100_000).encode()

store, spec = Store(Path(sys.argv[1])), from_json(json.loads(sys.argv[2]))

def save(number):
    result = {"number": number, "padding": [number] * 200_000, "end": number}
    store.save(spec, result, Scores(str(number % 10)))
"""


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results" / "study")


class Frame:
    """Stands for scores."""

    def __init__(self, text="scores"):
        self.text = text

    def to_parquet(self, path, **settings):
        return self.text.encode()


def result_of(spec, value=0.5, **values):
    return made_result(spec, lambda *_: value, copy="0123", **values)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def written(store):
    """What lies there as the result, whatever it is."""
    return json.loads((store.run_folder(SPEC.key) / "result.json").read_text())


@contextlib.contextmanager
def process(code, store, *words, **settings):
    """A Python process that has `store` and `spec`, killed in the end."""
    command = [sys.executable, "-c", WRITER + code, str(store.folder), SPEC.canonical(), *words]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, **settings)
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def read_line(running):
    """Waits for a word from the process; empty if it died."""
    return running.stdout.readline().strip()


# --- saving and finding ---


def test_a_run_is_done_when_its_result_is_there(store):
    assert store.get(SPEC.key) is None
    store.start(SPEC)
    store.report(SPEC.key, {"iteration": 1})
    folder = store.run_folder(SPEC.key)
    assert names_in(folder) == ["progress.jsonl", "spec.json"]
    assert json.loads((folder / "spec.json").read_text()) == json.loads(SPEC.canonical())
    assert store.get(SPEC.key) is None
    result = result_of(SPEC, 0.1 + 0.2)
    store.save(SPEC, result, Frame())
    assert store.get(SPEC.key) == result
    assert folder == store.folder / SPEC.key
    assert names_in(folder) == ["result.json", "scores.parquet"]


def test_a_result_is_json_for_every_reader(store):
    """NaN is none; a run that has one was not finished."""
    store.start(SPEC)
    with pytest.raises(ValueError, match="JSON"):
        store.save(SPEC, {"value": float("nan")}, Frame())
    assert store.get(SPEC.key) is None


def test_starting_again_keeps_the_result_and_drops_the_rest(store):
    store.start(SPEC)
    store.report(SPEC.key, {"iteration": 1})
    store.save(SPEC, result_of(SPEC, 0.1), Frame("old"))
    folder = store.run_folder(SPEC.key)
    for name in ("result.json.draft", "error.json", "events.out.tfevents.1.host.2.0"):
        (folder / name).write_text('{"val')
    store.start(SPEC)
    assert asked(store.get(SPEC.key)) == result_of(SPEC, 0.1)
    assert names_in(folder) == ["progress.jsonl", "result.json", "scores.parquet", "spec.json"]
    assert "iteration" not in (folder / "progress.jsonl").read_text()
    store.save(SPEC, result_of(SPEC, 0.2), Frame("new"))
    assert asked(store.get(SPEC.key)) == result_of(SPEC, 0.2)
    assert (folder / "scores.parquet").read_text() == "new"


def test_progress_is_a_line_an_event_with_its_time(store):
    store.start(SPEC)
    before = time.time()
    store.report(SPEC.key, {"iteration": 1})
    store.report(SPEC.key, {"iteration": 2, "loss": 0.5})
    store.report_reading("one", {"packed": 7, "of": 9})
    who, first, second = (store.run_folder(SPEC.key) / "progress.jsonl").read_text().splitlines()
    assert json.loads(who)["pid"] == os.getpid()
    assert json.loads(who)["host"] == socket.gethostname()
    assert json.loads(first).keys() == {"time", "iteration"}
    assert json.loads(second)["loss"] == 0.5
    (reading,) = (store.folder / ".reading" / "one.jsonl").read_text().splitlines()
    assert json.loads(reading)["packed"] == 7
    assert before - 0.001 <= json.loads(first)["time"] <= json.loads(reading)["time"] <= time.time() + 0.001


def test_all_are_the_finished_ones_oldest_first(store):
    specs = [dataclasses.replace(SPEC, seed=seed) for seed in range(4)]
    finished = ["2026-03-01", "2026-01-01", "2026-02-01", "2026-04-01"]
    for spec, day in zip(specs, finished, strict=True):
        store.start(spec)
        if spec.seed != 3:  # which is still running
            store.save(spec, result_of(spec, finished=f"{day}T00:00:00+00:00"), Frame())
    assert [spec for spec, _ in store.all()] == [specs[1], specs[2], specs[0]]
    assert [result["finished"][:10] for _, result in store.all()] == sorted(finished[:3])


@pytest.mark.parametrize("method", [METHOD - 1, METHOD + 1])
def test_results_of_another_method_are_left_out(store, method):
    store.start(SPEC)
    result = result_of(SPEC)
    store.save(SPEC, result, Frame())
    assert len(list(store.all())) == 1
    assert other_methods([result]) == []
    result["spec"]["method"] = method
    store.save(SPEC, result, Frame())
    assert list(store.all()) == []
    measured = {"spec": {"acoustics_method": ACOUSTICS_METHOD + 1}}
    ours, why = "left out: this serkit's is", "and numbers of two methods do not compare"
    assert other_methods([result, measured, result]) == [
        f"1 result by acoustics method {ACOUSTICS_METHOD + 1} {ours} {ACOUSTICS_METHOD}, {why}",
        f"2 results by method {method} {ours} {METHOD}, {why}",
    ]


def test_a_store_that_was_never_written_is_empty(store):
    assert list(store.all()) == []
    assert store.get("any-0123") is None
    assert not store.folder.exists()


# --- kills ---


@pytest.mark.parametrize(
    ("where", "scores", "number"),
    [
        ("before scores are on the disk", "1", 1),
        ("before replacing scores", "1", 1),
        ("before result is on the disk", "2", 1),
        ("before replacing result", "2", 1),
        ("never", "2", 2),
    ],
)
def test_a_kill_at_any_step_leaves_a_whole_result(store, where, scores, number):
    """The result is written after its scores; until it is replaced, the one before it stands."""
    code = f"""
where = {where!r}
def die(): os.kill(os.getpid(), signal.SIGKILL)
store.start(spec)
save(1)
replace, sync, synced_files = os.replace, os.fsync, []
def replaced(source, target):
    if where == f"before replacing {{Path(target).stem}}": die()
    replace(source, target)
def synced(number):
    synced_files.append(number)
    if where == f"before {{['scores are', 'result is'][len(synced_files) - 1]}} on the disk": die()
    sync(number)
os.replace, os.fsync = replaced, synced
save(2)
"""
    with process(code, store) as running:
        assert running.wait(30) == (0 if where == "never" else -signal.SIGKILL)
    result = written(store)
    assert (result["number"], result["end"]) == (number, number)
    assert (store.run_folder(SPEC.key) / "scores.parquet").read_text() == scores * 100_000
    store.start(SPEC)  # the next attempt sweeps what was left
    assert not list(store.run_folder(SPEC.key).glob("*.draft"))


def test_a_first_result_that_was_not_finished_is_none(store):
    code = """
def replaced(source, target):
    if Path(target).name == "result.json": os.kill(os.getpid(), signal.SIGKILL)
    Path(source).rename(target)
store.start(spec)
os.replace = replaced
save(1)
"""
    with process(code, store) as running:
        assert running.wait(30) == -signal.SIGKILL
    assert (store.run_folder(SPEC.key) / "scores.parquet").is_file()
    assert store.get(SPEC.key) is None
    assert list(store.all()) == []


def test_no_reader_ever_sees_half_a_result(store):
    """Read all the time while it is saved over and over, then killed at any moment."""
    code = """
store.start(spec)
number = 0
while True:
    number += 1
    save(number)
    if number == 1: print("saved", flush=True)
"""
    for _ in range(2):
        with process(code, store) as running:
            assert read_line(running) == "saved"
            seen, ends = set(), time.monotonic() + 0.4
            while time.monotonic() < ends or len(seen) < 3:
                result = written(store)
                assert result["number"] == result["end"]
                seen.add(result["number"])
            running.send_signal(signal.SIGKILL)
            running.wait(30)
        result = written(store)
        assert result["number"] == result["end"] >= 3


def test_of_two_hosts_that_save_one_run_at_once_one_stays_whole(store):
    """Locks hold within a host. What one saved stands beside a table of the same, in the end."""
    code = """
import serkit.files, serkit.keeping
serkit.files.DRAFT = f".{sys.argv[3]}.draft"
serkit.keeping.PAUSE_S = 0.01 * int(sys.argv[3])
for _ in sys.stdin:
    save(int(sys.argv[3]))
    print("saved", flush=True)
"""
    store.run_folder(SPEC.key).mkdir(parents=True)
    hosts = [process(code, store, number, stdin=subprocess.PIPE) for number in "12"]
    with hosts[0] as one, hosts[1] as other:
        for _ in range(25):
            for host in (one, other):
                host.stdin.write("now\n")
                host.stdin.flush()
            assert [read_line(one), read_line(other)] == ["saved", "saved"]
            result = written(store)
            table = store.run_folder(SPEC.key) / "scores.parquet"
            assert result["files"] == {table.name: hashlib.sha256(table.read_bytes()).hexdigest()}
            assert table.read_text() == str(result["number"]) * 100_000
            assert names_in(store.run_folder(SPEC.key)) == ["result.json", "scores.parquet"]


# --- claims ---

HOLD = """
with store.claim(spec.key):
    print("held", flush=True)
    sys.stdin.readline()
print("done", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("how", ["done", "killed"])
def test_a_claim_keeps_others_out_until_its_process_is_done_or_dead(store, how):
    got, got_another = threading.Event(), threading.Event()

    def want(key, event):
        with store.claim(key):
            event.set()

    def wait_for(*key_and_event):
        waiting = threading.Thread(target=want, args=key_and_event, daemon=True)
        waiting.start()
        return waiting

    with process(HOLD, store, stdin=subprocess.PIPE) as running:
        assert read_line(running) == "held"
        waiting = wait_for(SPEC.key, got)
        wait_for("another-run", got_another)
        assert got_another.wait(20)  # which nobody holds
        assert not got.wait(0.3)
        if how == "done":
            running.stdin.write("\n")
            running.stdin.flush()
            assert read_line(running) == "done"
        else:
            running.send_signal(signal.SIGKILL)
        assert got.wait(20)
        waiting.join(20)
        assert running.poll() is None or how == "killed"


def test_a_claim_ends_with_an_error_too(store):
    with pytest.raises(RuntimeError, match="diverged"), store.claim(SPEC.key):
        raise RuntimeError("diverged")
    with process(HOLD, store, stdin=subprocess.PIPE) as running:
        assert read_line(running) == "held"


def test_whoever_asks_learns_whether_a_run_is_held(store):
    """By this process or by another; asking neither holds nor makes anything."""
    assert store.claimed(SPEC.key) is False
    assert not store.folder.exists()
    with store.claim(SPEC.key):
        assert store.claimed(SPEC.key) is True
    with process(HOLD, store, stdin=subprocess.PIPE) as running:
        assert read_line(running) == "held"
        assert store.claimed(SPEC.key) is True
        assert store.claimed("another-run") is False
        running.stdin.write("\n")
        running.stdin.flush()
        assert read_line(running) == "done"
        assert store.claimed(SPEC.key) is False
        with store.claim(SPEC.key):
            pass


def test_an_error_is_noted_until_the_next_attempt(store):
    before = time.time()
    with contextlib.suppress(RuntimeError), store.claim(SPEC.key):
        store.start(SPEC)
        raise RuntimeError("the loss is nan")
    path = store.run_folder(SPEC.key) / "error.json"
    noted = json.loads(path.read_text())
    assert before - 0.001 <= noted.pop("time") <= time.time() + 0.001
    assert noted == {"error": "RuntimeError", "message": "the loss is nan"}
    with contextlib.suppress(KeyboardInterrupt), store.claim(SPEC.key):
        store.start(SPEC)
        assert not path.exists()
        raise KeyboardInterrupt
    assert not path.exists()  # interrupted is not failed


# --- folders that cannot be written ---


@pytest.mark.parametrize("taken", ["results", "results/study"])
def test_results_that_cannot_be_written_say_what_to_do(tmp_path, store, taken):
    (tmp_path / taken).parent.mkdir(exist_ok=True)
    (tmp_path / taken).write_text("a file, where a folder is needed")
    with pytest.raises(ResultsUnwritable) as caught:
        store.check_writable()
    said = str(caught.value)
    assert str(store.folder) in said
    assert "make room or make it writable, or name another folder with --results or SERKIT_RESULTS" in said


def test_a_folder_that_can_be_written_is_made_and_left_empty(store):
    store.check_writable()
    store.check_writable()
    assert list(store.folder.iterdir()) == []


def test_what_a_killed_process_left_to_see_whether_there_is_room_is_swept(store, tmp_path):
    """By its age, since nobody knows which processes another host has; a link goes, not what it leads to."""
    store.check_writable()
    (tmp_path / "theirs").write_text("theirs")
    (store.folder / ".probe-1").write_bytes(bytes(9))
    (store.folder / ".probe-2").symlink_to(tmp_path / "theirs")
    (store.folder / ".probe-3").write_bytes(bytes(9))  # of somebody who looks just now
    for number in (1, 2):
        os.utime(store.folder / f".probe-{number}", (1, 1), follow_symlinks=False)
    store.check_writable()
    assert names_in(store.folder) == [".probe-3"]
    assert (tmp_path / "theirs").read_text() == "theirs"


# --- what lies in the way ---


def test_a_damaged_result_is_set_aside_and_run_again(store):
    store.start(SPEC)
    path = store.run_folder(SPEC.key) / "result.json"
    path.write_text('{"schema": 1}')
    with pytest.raises(ResultDamaged):
        store.get(SPEC.key)
    with pytest.warns(UserWarning, match=r"It is kept as damaged-.*\. It is run again now"):
        assert store.finished(SPEC.key, "scores") is None
    (aside,) = path.parent.glob("damaged-*.json")
    assert aside.read_text() == '{"schema": 1}'
    assert store.get(SPEC.key) is None


@pytest.mark.parametrize("damage", [os.unlink, lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?")])
def test_a_result_without_the_table_that_was_saved_with_it_is_made_again(store, damage):
    store.start(SPEC)
    store.save(SPEC, result_of(SPEC), pd.DataFrame({"path": []}))
    damage(store.run_folder(SPEC.key) / "scores.parquet")
    with pytest.warns(UserWarning, match=r"scores.parquet is damaged: it is .*It is run again now"):
        assert store.finished(SPEC.key, "scores") is None


@pytest.mark.parametrize("bit", range(8))
def test_every_flipped_bit_of_a_result_is_seen(store, bit):
    """In a digit, which is still JSON and may still be a share, as elsewhere."""
    store.start(SPEC)
    store.save(SPEC, result_of(SPEC), pd.DataFrame({"path": []}))
    path = store.run_folder(SPEC.key) / "result.json"
    whole = path.read_bytes()
    for at in range(0, len(whole), 97):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << bit]) + whole[at + 1 :])
        with pytest.raises(ResultDamaged):
            store.get(SPEC.key)


def asked(result):
    """A stored result as it was before it was stored."""
    return {name: value for name, value in result.items() if name != "files"}


def test_folders_where_files_shall_be_are_moved_out_of_the_way(store):
    names = ("spec.json", "progress.jsonl", "scores.parquet", "error.json", "result.json.draft")
    for name in names:
        (store.run_folder(SPEC.key) / name).mkdir(parents=True)
    store.start(SPEC)
    store.save(SPEC, result_of(SPEC), Frame())
    assert asked(store.get(SPEC.key)) == result_of(SPEC)
    assert len(list(store.run_folder(SPEC.key).glob("damaged-*"))) == len(names)
    assert names_in(store.run_folder(SPEC.key))[-2:] == ["result.json", "scores.parquet"]


def test_locks_that_cannot_be_are_one_message(store):
    store.check_writable()
    (store.folder / ".locks").write_text("a file, where a folder is needed")
    with pytest.raises(
        ResultsUnwritable, match=r"locks.* or name another folder with --results or SERKIT_RESULTS"
    ):
        store.claim(SPEC.key).__enter__()
    assert store.claimed(SPEC.key) is False


def test_a_disk_without_room_is_noticed_before_the_training(store, monkeypatch):
    def full(self, data):
        raise OSError(28, "No space left on device") if len(data) > 1000 else None

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ResultsUnwritable, match=r"No space left on device\); make room"):
        store.check_writable()


PART = pd.DataFrame({"row": [3, 5], "reason": ["", "silent"], **{name: [0.5, 1.0] for name in ESTIMATES}})


@pytest.mark.parametrize(
    ("part", "taken"),
    [
        (PART, True),
        (PART.assign(row=[3, 6]), False),
        (PART.drop(columns="t60_s"), False),
        (PART.assign(c50_db="loud"), False),
        (PART.assign(reason=[1, 2]), False),
        (PART.iloc[:1], False),
    ],
)
def test_a_part_counts_only_if_it_is_of_these_clips(store, part, taken):
    store.start(SPEC)
    store.save_part(SPEC.key, 0, part)
    found = store.part(SPEC.key, 0, [3, 5])
    assert (found is not None) == taken
    (store.run_folder(SPEC.key) / "part-00000.parquet").write_bytes(b"PAR1 and no more")
    assert store.part(SPEC.key, 0, [3, 5]) is None
    assert store.part(SPEC.key, 1, [3, 5]) is None
