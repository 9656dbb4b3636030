"""What a session shows while it runs: whole lines, its own, not too many, whatever happens to the files."""

import json
import os
import re
import threading

import pytest

from benchmark import live as live_module
from benchmark.live import Live, said
from serkit.results import Store

KEY = "msp+iemocap-aug0-fold03-0123456789ab"
SLOW = live_module.SAY_EVERY_SECONDS


@pytest.fixture
def live(tmp_path):
    watched = Live(Store(tmp_path))
    yield watched
    with watched.watching():  # lets go of the terminal
        pass


@pytest.fixture
def progress(tmp_path):
    (tmp_path / KEY).mkdir()
    return tmp_path / KEY / "progress.jsonl"


def event(live, after, **values):
    """A line of progress, `after` seconds after the session began."""
    values = {"iteration": 30, "of": 120, "epoch": 2.5, "loss": 0.4321} | values
    return json.dumps({"time": live._began + after, **values}) + "\n"


def append(path, text):
    with path.open("a") as file:
        file.write(text)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"iteration": 30, "of": 120, "epoch": 2.5, "loss": 0.43219}, " 25%, epoch 2.5, loss 0.432"),
        ({"iteration": 120, "of": 120, "epoch": 10.0, "loss": 0.1}, "100%, epoch 10, loss 0.100"),
        ({"reading": "iemocap"}, "reading the corpus"),
        ({"packed": 300, "of": 5531}, "300 of 5531 clips decoded"),
    ],
)
def test_an_event_in_words(values, words):
    assert said({"time": 1.0, **values}) == words


def test_nothing_has_happened(live):
    assert live.news() == []


def test_a_run_is_called_by_its_label(live, progress):
    append(progress, event(live, 2 * SLOW))
    assert live.news() == ["msp+iemocap-aug0-fold03:  25%, epoch 2.5, loss 0.432"]
    assert live.news() == []  # it was said


def test_a_corpus_is_called_by_its_name(live, tmp_path):
    (tmp_path / ".reading").mkdir()
    append(tmp_path / ".reading" / "iemocap.jsonl", event(live, 2 * SLOW, packed=5, of=9))
    assert live.news() == ["iemocap: 5 of 9 clips decoded"]


def test_only_whole_lines_are_read(live, progress):
    whole = event(live, 2 * SLOW)
    append(progress, whole[:20])
    assert live.news() == []
    append(progress, whole[20:-1])
    assert live.news() == []
    append(progress, "\n" + event(live, 4 * SLOW, loss=0.25)[:7])
    assert len(live.news()) == 1
    append(progress, event(live, 4 * SLOW, loss=0.25)[7:])
    assert live.news() == ["msp+iemocap-aug0-fold03:  25%, epoch 2.5, loss 0.250"]


def test_what_an_earlier_session_left_is_not_said(live, progress):
    append(progress, event(live, -3 * SLOW) + event(live, -SLOW))
    os.utime(progress, (live._began - SLOW, live._began - SLOW))
    assert live.news() == []
    append(progress, event(live, 2 * SLOW, loss=0.25))  # the file is new now, its first lines are not
    assert live.news() == ["msp+iemocap-aug0-fold03:  25%, epoch 2.5, loss 0.250"]


def test_each_run_speaks_only_now_and_then(live, progress, tmp_path):
    times = [1, SLOW - 0.1, SLOW, SLOW + 1, 2 * SLOW - 0.1, 2 * SLOW, 3.5 * SLOW, 4 * SLOW]
    for number, after in enumerate(times):
        append(progress, event(live, after, loss=number))
    (tmp_path / "cremad-aug0-0123456789ab").mkdir()
    append(tmp_path / "cremad-aug0-0123456789ab" / "progress.jsonl", event(live, SLOW + 2, loss=9))
    lines = live.news()
    spoken = {name: [] for name in ("msp+iemocap-aug0-fold03", "cremad-aug0")}
    for line in lines:
        name, loss = re.fullmatch(r"(\S+): .* loss (\d)\.000", line).groups()
        spoken[name].append(int(loss))
    assert spoken == {"msp+iemocap-aug0-fold03": [2, 5, 6], "cremad-aug0": [9]}


def test_a_run_that_was_started_afresh_is_followed_anew(live, progress):
    append(progress, event(live, SLOW) + event(live, 2 * SLOW))
    assert len(live.news()) == 2
    progress.unlink()
    assert live.news() == []
    append(progress, event(live, 3 * SLOW, loss=0.25))  # shorter than what was read
    assert live.news() == ["msp+iemocap-aug0-fold03:  25%, epoch 2.5, loss 0.250"]


def test_a_run_that_was_started_afresh_and_is_longer_already(live, progress):
    """Reading goes on in the middle of a line, which must not end the watch."""
    append(progress, event(live, SLOW))
    assert len(live.news()) == 1
    progress.write_text(
        event(live, 2 * SLOW, loss=0.123456789, note="longer than the first")
        + event(live, 3 * SLOW, loss=0.25)
    )
    assert live.news()[-1] == "msp+iemocap-aug0-fold03:  25%, epoch 2.5, loss 0.250"


def test_watching_writes_lines_to_the_terminal_it_was_given(tmp_path, monkeypatch, progress):
    monkeypatch.setattr(live_module, "LOOK_EVERY_SECONDS", 0.01)
    read_end, terminal = os.pipe()
    live = Live(Store(tmp_path), terminal)
    os.close(terminal)  # as pytest redirects it; the copy stays open
    threads = threading.active_count()
    with live.watching():
        append(progress, event(live, 2 * SLOW))
        shown = os.read(read_end, 1000).decode()  # waits for the first line
    assert shown == "\n  msp+iemocap-aug0-fold03:  25%, epoch 2.5, loss 0.432 "
    assert threading.active_count() == threads
    assert os.read(read_end, 1000) == b""  # its end is closed
    os.close(read_end)


@pytest.mark.parametrize(
    ("left", "words"),
    [(42.4, ", about 42 s left"), (99.6, ", about 100 s left"), (1234.0, ", about 21 min left"), (0, "")],
)
def test_a_measurement_says_how_long_it_takes(left, words):
    event = {"measured": 300, "of": 10_000, "seconds_left": left}
    assert said(event) == f"300 of 10000 clips measured{words}"
