"""Sessions by other engines, of a study of seconds, beside one by this process alone."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmark.session import engines
from serkit.errors import ExtraMissing
from serkit.files import parse_json
from tests.made_checkout import TINY, environ_of

STUDY = "settled = false" + TINY.replace("epochs = 2", "epochs = 40, evaluations_per_epoch = 0.25")
NUMBERS = ("table1.csv", "figure3.csv", "cells.csv", "matrix-cells.csv", "verdicts.json")


class Sessions:
    """A folder with a study, in which sessions are begun; all share a cache."""

    def __init__(self, folder, cache):
        self.folder = folder
        (folder / "tiny.toml").write_text(STUDY)
        self.begun = []
        self.environ = environ_of(cache)

    def begin(self, results, *options):
        """A session in a process, whose output goes to a file."""
        command = [sys.executable, "-m", "benchmark", "run", "tiny.toml", f"--results={results}", *options]
        with self.log(results).open("ab") as log:
            begun = subprocess.Popen(command, cwd=self.folder, env=self.environ, stdout=log, stderr=log)
        self.begun.append(begun)
        return begun

    def run(self, results, *options):
        """One that must go well."""
        assert self.begin(results, *options).wait(300) == 0, self.log(results).read_text()[-3000:]

    def refused(self, said, *options):
        """One that cannot be, which is said at once."""
        self.log("refused").unlink(missing_ok=True)
        assert self.begin("refused", *options).wait(60) == pytest.ExitCode.USAGE_ERROR
        pytest.LineMatcher(self.log("refused").read_text().splitlines()).fnmatch_lines([f"*{said}"])

    def survive_three_kills(self, results, options, after_each):
        """Drivers are killed, each once one more run is done; the last ends well. No result is made again."""
        done = {}

        def one_more_is_done():
            return self.done(results).keys() > done.keys() and self.running(results)

        for _ in range(3):
            driver = self.begin(results, *options)
            self.wait_for(one_more_is_done)
            kill(driver.pid)
            driver.wait()
            after_each()
            before, done = done, self.done(results)
            assert before.items() <= done.items()
        self.run(results, *options)
        assert done.items() <= self.done(results).items()
        assert self.numbers(results) == self.numbers("here")

    def log(self, results):
        return self.folder / f"{results}.log"

    def numbers(self, results):
        """The tables and verdicts that it wrote."""
        return {name: (self.folder / results / "tiny" / name).read_text() for name in NUMBERS}

    def done(self, results):
        """When each result was written, by its key."""
        paths = (self.folder / results / "tiny").glob("*/result.json")
        return {path.parent.name: path.stat().st_mtime_ns for path in paths}

    def running(self, results):
        """The processes that train now, by the keys of their runs."""
        found = {}
        for path in (self.folder / results / "tiny").glob("*/progress.jsonl"):
            lines = path.read_text().splitlines()
            if not path.with_name("result.json").exists() and len(lines) > 1:
                pid = parse_json(lines[0].encode())["pid"]
                if Path(f"/proc/{pid}").exists():
                    found[path.parent.name] = pid
        return found

    def wait_for(self, what, seconds=300):
        """What something gives once it is not empty."""
        ends = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < ends, "it never came"
            time.sleep(0.05)
        return found


def kill(pid):
    os.kill(pid, signal.SIGKILL)


def needs_its_extra(monkeypatch, engine, package):
    """Without its package an engine says which extra brings it."""
    monkeypatch.setitem(sys.modules, package, None)
    config = type("Config", (), {"option": type("Option", (), {}), "getoption": lambda self, name: None})()
    with pytest.raises(ExtraMissing, match=rf"pip install 'serkit\[{engine}\]'"):
        engines.module(engine).Engine(config, None)


@contextlib.contextmanager
def sessions_in(tmp_path_factory):
    """Sessions, of which one was done by its own process; none outlives the tests."""
    made = Sessions(tmp_path_factory.mktemp("sessions"), tmp_path_factory.mktemp("cache"))
    try:
        made.run("here")
        yield made
    finally:
        for session in made.begun:
            session.kill()
