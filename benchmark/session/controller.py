"""What the process that a user looks at shows: how far the cases are, and the exhibits in the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmark.session.live import Live, in_place
from benchmark.session.progress import RUNNING, Progress
from benchmark.session.status import to_go_on
from benchmark.study import Study
from serkit.errors import SerkitError, memory_named
from serkit.leftovers import sweep_locks
from serkit.results import Store
from serkit.words import printable


class Controller:
    """The controller's hooks, or those of the only process. Unit tests alone show no exhibits."""

    def __init__(self, config: pytest.Config, study: Study, store: Store, elsewhere: bool) -> None:
        """Shows nothing yet. `elsewhere`: the runs are done beyond pytest's processes."""
        self._study, self._store = study, store
        self._live = Live(Progress(study, store), config.getoption("rerun"), elsewhere)
        self._ran, self._skipped = False, 0
        self._summary = ""
        self._wrong: dict[str, list[str]] = {}  # what fails the session beside its cases, under headings

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """One process: what was chosen."""
        self._live.chosen([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """Workers: what was chosen, which each of them says."""
        self._live.chosen(ids, node.workerinput["workercount"])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        """Shows what the workers do while they do it."""
        if session.config.option.collectonly:
            return (yield)
        with self._live.watching(in_place(session.config)):
            return (yield)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A case was begun."""
        self._live.note(nodeid, RUNNING)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A case that was called is one worth a table; a worker that died reports no call.

        Where a case skips itself, its corpora are missing (`BoundCase.result`).
        """
        if Path(report.location[0]).parent.name == "cases":  # marks tell less: a test's parameter may be one
            missing = report.when == "call" and report.skipped
            self._skipped += missing
            self._ran |= report.outcome == "failed" or (report.when == "call" and not missing)
        if report.when == "call" or report.outcome != "passed":
            self._live.note(report.nodeid, report.outcome)

    def pytest_enter_pdb(self) -> None:
        """A debugger needs the terminal."""
        self._live.leave()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Writes the exhibits; fails the session where they are not as known, or --assert-paper disagrees.

        Whatever goes wrong here is said after pytest's own account of what failed, which an error would hide.
        """
        study, wrong = self._study.given, self._ran or self._skipped > 0
        try:
            if self._ran:
                sweep_locks(self._store)
                self._exhibit(session.config)
                wrong = any(self._wrong.values())
            elif self._skipped:
                self._summary = (
                    f"no case could run: the corpora of all {self._skipped} are missing. Name their folder"
                    " with SERKIT_DATA, and see what is found there:"
                    f" python -m benchmark doctor --study {study}"
                )
        except SerkitError as error:
            self._summary = f"no exhibits: {error}"
        except Exception as error:
            again = f"python -m benchmark report --study {study} --results {self._store.folder.parent}"
            self._summary = f"no exhibits: {type(error).__name__}: {error}; to see all of it: {again}"
        if wrong and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @memory_named()
    def _exhibit(self, config: pytest.Config) -> None:
        from benchmark.report import paper, write  # pandas comes with them

        if reporter := config.pluginmanager.get_plugin("terminalreporter"):
            reporter.ensure_newline()
            reporter.write_line("making the page, tables and figures ...")  # some seconds
        self._summary, report = write.assemble(self._study, self._store, full=False)
        self._wrong["not as it is known to be"] = report.wrong
        if config.getoption("assert_paper"):
            self._wrong["disagrees with the paper (--assert-paper)"] = paper.disagreements(report.cells)

    def pytest_terminal_summary(self, terminalreporter: Any, exitstatus: int) -> None:
        """Shows the exhibits; of a session that was interrupted, what the next one goes on from."""
        if exitstatus == pytest.ExitCode.INTERRUPTED:
            cut_off = to_go_on(Progress(self._study, self._store).look())
            self._wrong["cut off: the same command goes on"] = cut_off
        if self._summary:
            terminalreporter.section("exhibits")
        for line in printable(self._summary).splitlines():  # in ASCII pytest spells out a text of many lines
            terminalreporter.write_line(line)
        for heading, lines in self._wrong.items():
            if lines:
                terminalreporter.section(heading)
                terminalreporter.write_line(printable("\n".join(lines)))
