"""What a session shows while it runs: lines redrawn below pytest's own, or plain ones now and then."""

import contextlib
import dataclasses
import fcntl
import io
import json
import os
import re
import struct
import termios
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmark import study as studies
from benchmark.session import live as live_module
from benchmark.session.live import Live, Screen, in_place
from benchmark.session.pace import lasting
from benchmark.session.progress import DONE, MISSING, CaseState, Progress
from serkit.results import Store
from tests.made_states import done, running

STUDY = studies.read("synthetic")
CASES = {case.id: case for case in studies.plan(STUDY)}
FIRST, SECOND, THIRD, FOURTH = list(CASES)[:4]
MEASURED = "acoustics-synmsp-raw"
BARE = {"study": STUDY, "store": Store(Path("nowhere")), "unread": [], "others": []}
"""What a `Progress` has beside its look."""


def nodeid(name):
    return f"cases/test_table1_baselines.py::test_baseline[{name}]"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def live(store):
    shown = Live(Progress(STUDY, store))
    shown.chosen([nodeid(name) for name in (FIRST, SECOND, THIRD, FOURTH)] + ["tests/test_x.py::test_y"])
    return shown


def states(**changes):
    """Every case missing but those that are given."""
    return [changes.get(name, CaseState(case, MISSING)) for name, case in CASES.items()]


def at_work(name, worker="", **changes):
    return {name: running(CASES[name], worker=worker, **changes)}


# --- rows and lines ---


def test_a_row_for_each_case_that_was_begun(live, store):
    for name in (FIRST, SECOND, THIRD, "another"):
        live.note(nodeid(name), "running")
    live.note(nodeid(FIRST), "passed")
    store.report_reading("syniemocap", {"packed": 3, "of": 9})
    seen = states(**at_work(SECOND, "gw1"))
    assert live.rows(seen) == [
        ("gw1", SECOND, " 25%, epoch 2.5, loss 0.432, about 44 s left"),
        ("", THIRD, "preparing"),
        ("", "SYN-IEMOCAP", "3 of 9 clips decoded"),
    ]
    live.note(nodeid(THIRD), "failed")
    assert [row[1] for row in live.rows(seen)] == [SECOND]  # who reads corpora then is somebody else


def test_cases_are_shown_by_their_ids_not_by_labels_they_share(live):
    """Points of a tuning grid differ in the recipe alone."""
    tuned = [case.id for case in CASES.values() if case.tuned][:2]
    live.chosen(map(nodeid, tuned))
    for name in tuned:
        live.note(nodeid(name), "running")
    assert [name for _, name, _ in live.rows(states())] == tuned
    assert len(set(tuned)) == 2


def test_the_plan_in_a_line(live):
    """Each unit of cost takes two seconds; of four chosen cases one is at work, one lies there done."""
    lying = done(CASES[FOURTH], 2.0 * CASES[FOURTH].cost)
    assert live.plan_line(states()) == "0 of 4 done, 4 left, time left unknown"
    live.note(nodeid(FIRST), "running")
    seen = states(**{FOURTH: lying, **at_work(FIRST, share=0.0, left=None)})
    rest = sum(2 * CASES[name].cost for name in (FIRST, SECOND, THIRD))
    assert live.plan_line(seen) == f"0 of 4 done, 1 running, 3 left, about {lasting(rest)} left"
    live.note(nodeid(FIRST), "passed")
    live.note(nodeid(SECOND), "running")
    live.note(nodeid(SECOND), "failed")
    live.note(nodeid(THIRD), "skipped")
    assert live.plan_line(seen) == "1 of 4 done, 1 failed, 1 skipped, 1 left"
    live.note(nodeid(FOURTH), "passed")
    assert live.plan_line(seen) == "2 of 4 done, 1 failed, 1 skipped"


def test_of_runs_elsewhere_the_store_says_which_are_done_and_which_run(store):
    """pytest waits for one case at a time, whatever nodes do meanwhile."""
    live = Live(Progress(STUDY, store), elsewhere=True)
    live.chosen([nodeid(name) for name in (FIRST, SECOND, THIRD, FOURTH)])
    live.note(nodeid(FIRST), "running")  # it is waited for
    lying = {FOURTH: done(CASES[FOURTH], 60.0)}
    seen = states(**lying, **at_work(SECOND, "node-1"), **at_work(THIRD, "node-2"))
    assert [row[:2] for row in live.rows(seen)] == [("node-1", SECOND), ("node-2", THIRD)]
    assert live.plan_line(seen).startswith("1 of 4 done, 2 running, 1 left, about ")
    live.note(nodeid(FIRST), "failed")
    assert live.plan_line(seen).startswith("1 of 4 done, 1 failed, 2 running, about ")
    again = Live(Progress(STUDY, store), rerun=True, elsewhere=True)
    again.chosen([nodeid(FOURTH)])
    assert again.plan_line(states(**lying)) == "0 of 1 done, 1 left, about 60 s left"


def test_corpora_that_nodes_read_are_shown(store):
    live = Live(Progress(STUDY, store), elsewhere=True)
    live.chosen([nodeid(FIRST)])
    store.report_reading("syniemocap", {"packed": 3, "of": 9})
    assert live.rows(states()) == [("", "SYN-IEMOCAP", "3 of 9 clips decoded")]


def test_what_is_run_again_is_not_done(store):
    live = Live(Progress(STUDY, store), rerun=True)
    live.chosen([nodeid(FIRST), nodeid(SECOND)], workers=2)
    lying = {name: done(CASES[name], 60.0) for name in (FIRST, SECOND)}
    assert live.plan_line(states(**lying)) == "0 of 2 done, 2 left, about 60 s left"


def test_plain_lines_come_now_and_then(live, monkeypatch):
    now = [live._began]
    monkeypatch.setattr(time, "time", lambda: now[0])
    live.note(nodeid(FIRST), "running")
    spoken = []
    for second in range(0, 121, 5):
        now[0] = live._began + second
        seen = states(**at_work(FIRST, "gw0", share=min(second, 90) / 100, left=200.0 - second))
        spoken += [(second, line) for line in live.lines(seen)]
    of_run = [second for second, line in spoken if line.startswith(f"gw0 {FIRST}: ")]
    assert of_run == list(range(15, 91, 15))  # nothing is new after that but the time left
    assert [second for second, line in spoken if line.startswith("0 of 4 done, 1 running")] == [60, 120]
    assert len(spoken) == len(of_run) + 2


def test_looks_that_take_long_are_rarer_but_for_the_first(monkeypatch):
    spent = iter(
        [100.0, 100.01, 100.01, 100.3, 100.3]
    )  # of the processor, before and after the looks but the first
    monkeypatch.setattr(live_module.time, "thread_time", lambda: next(spent))
    waits = live_module.pauses(1.0)
    assert [next(waits), next(waits), next(waits)] == [1.0, 1.0, 1.0]
    assert next(waits) == pytest.approx(0.29 / live_module.SHARE)


def test_unit_tests_alone_show_nothing(store):
    live = Live(Progress(STUDY, store))
    live.chosen(["tests/test_x.py::test_y[synmsp]"])
    live.note("tests/test_x.py::test_y[synmsp]", "running")
    assert live.rows(states()) == live.lines(states()) == []


def test_plain_lines_go_to_the_descriptor_it_was_given(live, store, monkeypatch):
    monkeypatch.setattr(live_module, "LOOK_EVERY_SECONDS", 0.01)
    monkeypatch.setattr(live_module, "SAY_EVERY_SECONDS", 0.0)
    spec = dataclasses.replace(CASES[FIRST].spec, fingerprints=(("synmsp", "0"),))
    read_end, pipe = os.pipe()
    threads = threading.active_count()
    live.note(nodeid(FIRST), "running")
    with store.claim(spec.key):
        store.start(spec)
        store.report(spec.key, {"iteration": 1, "of": 1, "epoch": 8.0, "loss": 0.25})
        with live.watching(None, pipe):
            os.close(pipe)  # as pytest redirects it; the copy stays open
            shown = os.read(read_end, 1000).decode()  # waits for the first line
    assert shown.startswith(f"\n  {FIRST}: 100%, epoch 8, loss 0.250\n")
    assert threading.active_count() == threads
    while left := os.read(read_end, 1000):  # until its end is closed
        assert left.startswith(b"\n  ")
    os.close(read_end)


# --- a terminal ---


class Glass:
    """What is seen on a terminal of 12 rows: what `Screen` and pytest ask of one, and no more."""

    def __init__(self, columns=60):
        self._columns, self._lines, self._x, self._y = columns, [[]], 0, 0

    def feed(self, text):
        for token in re.findall(r"\x1b\[[?\d;]*[a-zA-Z]|.", text, re.DOTALL):
            if token == "\r":
                self._x = 0
            elif token == "\n":
                self._down()
            elif token == "\x1b[A":
                self._y = max(0, self._y - 1)
            elif token == "\x1b[J":
                del self._lines[self._y + 1 :], self._lines[self._y][min(self._x, self._columns - 1) :]
            elif len(token) == 1:
                if self._x == self._columns:  # the row is full: the next one begins with what comes next
                    self._x = 0
                    self._down()
                line = self._lines[self._y]
                line += " " * (self._x + 1 - len(line))
                line[self._x] = token
                self._x += 1
        return self

    def _down(self):
        self._y += 1
        if self._y == len(self._lines):
            self._lines.append([])
        if self._y == 12:
            self._y -= 1
            del self._lines[0]

    def rows(self):
        """Its lines, without those below the last that has something."""
        return "\n".join("".join(line).rstrip() for line in self._lines).rstrip().splitlines()


class Terminal:
    """A pseudo-terminal of 12 rows, with a writer as pytest's on it."""

    def __init__(self, columns=60):
        self._glass = Glass(columns)
        self._master, self.fd = os.openpty()
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", 12, columns, 0, 0))
        self.file = open(self.fd, "w", encoding="utf-8", closefd=False)
        self.writer = SimpleNamespace(_file=self.file)

    def write(self, text):
        self.writer._file.write(text)
        self.writer._file.flush()

    def shown(self):
        """What was written since the last look."""
        os.set_blocking(self._master, False)
        data = b""
        with contextlib.suppress(BlockingIOError):
            while True:
                data += os.read(self._master, 65536)
        self._glass.feed(data.decode())
        return data.decode().replace("\r\n", "\n")

    def rows(self):
        """What is seen on it now."""
        self.shown()
        return self._glass.rows()

    def close(self):
        self.file.close()
        os.close(self._master)
        os.close(self.fd)


@pytest.fixture
def terminal():
    terminal = Terminal()
    yield terminal
    terminal.close()


def seen(text):
    """Without what colours and moves."""
    return re.sub(r"\x1b\[[?\d;]*[a-zA-Z]|\r", "", text)


def drawn(text):
    """The lines that were drawn, one after the other, without empty ones."""
    return [line.rstrip() for line in seen(text.replace("\r", "\n")).splitlines() if line.strip()]


def test_nothing_is_changed_before_there_is_something_to_show(terminal):
    screen = Screen(terminal.writer, terminal.fd)
    assert terminal.writer._file is screen
    assert screen.isatty()
    terminal.write("collected 3 items\n\ncases/test_x.py .")
    assert terminal.shown() == "collected 3 items\n\ncases/test_x.py ."
    screen.close()
    assert terminal.writer._file is terminal.file
    assert terminal.shown() == ""


def test_lines_stand_below_the_line_that_pytest_has_not_finished(terminal):
    screen = Screen(terminal.writer, terminal.fd)
    terminal.write("cases/test_x.py .")
    screen.show("1 of 3 done", [("gw0", FIRST, "25%"), ("", SECOND, "preparing")])
    assert drawn(terminal.shown()) == [
        "cases/test_x.py .",  # pytest's, which is drawn anew
        "cases/test_x.py .",
        "1 of 3 done",
        f"gw0  {FIRST:{len(SECOND)}}  25%",
        f"     {SECOND}  preparing",
    ]
    terminal.write(".")
    assert drawn(terminal.shown())[:2] == ["cases/test_x.py ..", "1 of 3 done"]
    terminal.write("F [100%]\nnext")  # the whole line goes above, for good
    lines = drawn(terminal.shown())
    assert lines.count("cases/test_x.py ..F [100%]") == 1
    assert lines[-4:-2] == ["next", "1 of 3 done"]
    screen.close()
    assert seen(terminal.shown()).endswith("next")  # where pytest goes on
    terminal.write("!\n")
    assert terminal.shown() == "!\n"
    screen.show("too late", [])
    screen.close()
    assert terminal.shown() == ""


def test_the_lines_are_cleared_at_the_end(terminal):
    screen = Screen(terminal.writer, terminal.fd)
    screen.show("plan", [("gw0", FIRST, "25%")])
    assert terminal.rows() == ["plan", f"gw0  {FIRST}  25%"]
    screen.close()
    assert terminal.rows() == []
    terminal.write("on")
    assert terminal.rows() == ["on"]


def test_a_terminal_shows_what_pytest_wrote_and_our_lines_below(terminal):
    """Whatever pytest writes between two looks, and however many lines are ours."""
    screen = Screen(terminal.writer, terminal.fd)
    written = ""
    for number, text in enumerate(["one\ntwo .", ".", "\n", "", "three\nfour\n", "y" * 60, "z", "\rlast"]):
        terminal.write(text)
        written += text
        ours = [f"{number} of 8", *(f"gw{n}  {FIRST}  25%" for n in range(number % 3))]
        screen.show(ours[0], [(f"gw{n}", FIRST, "25%") for n in range(number % 3)])
        assert terminal.rows() == [*Glass().feed(written.replace("\n", "\r\n")).rows(), *ours]
    screen.close()
    alone = Glass().feed(written.replace("\n", "\r\n"))
    assert terminal.rows() == alone.rows()
    terminal.write("!\n?")
    assert terminal.rows() == alone.feed("!\r\n?").rows()


def test_of_more_lines_than_fit_the_first_are_shown():
    terminal = Terminal()
    screen = Screen(terminal.writer, terminal.fd)
    terminal.write("...")
    for _ in range(2):
        screen.show("plan", [(f"gw{n}", FIRST, "25%") for n in range(10, 40)])
        assert terminal.rows()[:3] == ["...", "plan", f"gw10  {FIRST}  25%"]
        assert len(terminal.rows()) == 12
    screen.close()
    assert terminal.rows() == ["..."]
    terminal.close()


def test_a_line_that_is_rewritten_shows_what_was_written_last(terminal):
    """As xdist counts its workers."""
    screen = Screen(terminal.writer, terminal.fd)
    screen.show("plan", [])
    terminal.write("\r2 workers [1 item]")
    terminal.write("\r2 workers [11 items]\r")
    assert terminal.rows() == ["2 workers [11 items]", "plan"]
    terminal.write("\rready               \n\n.")
    assert terminal.rows() == ["ready", "", ".", "plan"]
    screen.close()


def test_a_line_that_takes_two_rows_is_drawn_anew_in_both():
    """As `-v` leaves it in a narrow terminal."""
    terminal = Terminal(columns=40)
    screen = Screen(terminal.writer, terminal.fd)
    terminal.write("x" * 70)
    screen.show("plan", [])
    assert "\r\x1b[A\x1b[J" in terminal.shown()
    terminal.write("y\n")
    assert drawn(terminal.shown()).count("x" * 70 + "y") == 1
    screen.close()
    terminal.close()


def test_a_terminal_that_does_not_know_its_size_is_of_the_usual_one():
    """As `script` and some containers make them: 0 columns, 0 rows."""
    terminal = Terminal(columns=0)
    screen = Screen(terminal.writer, terminal.fd)
    terminal.write("x" * 90)
    screen.show("plan", [("gw0", FIRST, "25%")])
    assert "plan" in drawn(terminal.shown())
    screen.close()
    terminal.close()


def test_ids_give_way_in_a_narrow_terminal():
    terminal = Terminal(columns=40)
    screen = Screen(terminal.writer, terminal.fd)
    screen.show("9 of 99 done, 2 running, 88 left, about 3.5 h left", [("gw0", FIRST * 2, "25%, loss 0.432")])
    plan, row = drawn(terminal.shown())
    assert len(plan) == 38  # ^C fits behind it
    assert plan.startswith("9 of 99 done")
    assert re.fullmatch(r"gw0  syn\S+…  25%, loss 0.432", row)
    screen.close()
    terminal.close()


def config(file, capture="fd", usepdb=False, trace=False):
    reporter = SimpleNamespace(_tw=SimpleNamespace(_file=file)) if file else None
    return SimpleNamespace(
        pluginmanager=SimpleNamespace(get_plugin=lambda name: reporter),
        option=SimpleNamespace(capture=capture, usepdb=usepdb, trace=trace),
    )


def test_lines_are_redrawn_only_where_nobody_else_writes(terminal):
    xterm = {"TERM": "xterm-256color"}
    assert in_place(config(terminal.file), xterm)._file is terminal.file
    for environ in ({"TERM": "dumb"}, {}, {**xterm, "CI": "true"}):
        assert in_place(config(terminal.file), environ) is None
    for option in ({"capture": "no"}, {"usepdb": True}, {"trace": True}):
        assert in_place(config(terminal.file, **option), xterm) is None
    assert in_place(config(io.StringIO()), xterm) is None
    assert in_place(config(None), xterm) is None  # -p no:terminal


def test_watching_shows_and_leaves_a_clean_terminal(live, terminal, monkeypatch):
    """Also when it is interrupted."""
    monkeypatch.setattr(live_module, "LOOK_EVERY_SECONDS", 0.01)
    shown, ends = "", time.monotonic() + 20
    with contextlib.suppress(KeyboardInterrupt), live.watching(terminal.writer, terminal.fd):
        terminal.write("cases/test_x.py .")
        live.note(nodeid(FIRST), "running")
        while "preparing" not in shown and time.monotonic() < ends:
            shown += seen(terminal.shown())
        raise KeyboardInterrupt
    assert f"{FIRST}  preparing" in shown
    assert seen(terminal.shown()).endswith("cases/test_x.py .")
    assert terminal.writer._file is terminal.file


def test_a_debugger_gets_the_terminal(live, terminal):
    with live.watching(terminal.writer, terminal.fd):
        live.leave()
        assert terminal.writer._file is terminal.file


# --- status, again and again ---


def test_watch_ends_when_all_is_done(monkeypatch, capsys):
    looks = [states(), [CaseState(case, DONE) for case in CASES.values()]]
    monkeypatch.setattr(live_module, "WATCH_EVERY_SECONDS", 0.0)
    live_module.watch(SimpleNamespace(look=lambda: looks.pop(0), **BARE))
    first, second = (line for line in capsys.readouterr().out.splitlines() if line)
    assert first == f"Study synthetic: 0 of {len(CASES)} done, {len(CASES)} left; time left unknown"
    assert second == f"Study synthetic: {len(CASES)} of {len(CASES)} done; nothing left"


def test_watch_ends_at_ctrl_c(monkeypatch, capsys):
    def interrupted(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupted)
    live_module.watch(SimpleNamespace(look=states, **BARE))
    assert json.dumps(capsys.readouterr().out).count("Study synthetic") == 1
