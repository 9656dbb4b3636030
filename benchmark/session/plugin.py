"""The pytest plugin: options, parametrised cases, GPUs for workers, exhibits at the end. Hooks only.

Loaded by `pytest_plugins` in the root conftest.py. Collection depends on the study's file alone (a
replacement worker must collect the same list); nothing here imports torch or pandas before a case runs.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from benchmark import study as studies
from benchmark.session import gpus, order, threads
from benchmark.session.live import Live, in_place
from benchmark.session.progress import Progress
from serkit.cache import house_libraries
from serkit.errors import (
    CorpusMissing,
    ExtraMissing,
    ResultsUnwritable,
    SerkitError,
    SpecError,
    memory_named,
)
from serkit.files import printable
from serkit.results import Result, Store
from serkit.specs import MEASUREMENT

pytest.register_assert_rewrite("benchmark.session.checks")


@dataclass
class Session:
    """What the plugin keeps between hooks."""

    study: studies.Study
    store: Store
    data: Path | None
    rerun: bool
    device: str
    worker: str
    live: Live
    told: Any = None
    pool: gpus.Pool | None = None
    ran: bool = False
    skipped: int = 0
    summary: str = ""
    disagreeing: list[str] = field(default_factory=list)


SESSION = pytest.StashKey[Session]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The benchmark's options."""
    group = parser.getgroup("benchmark", "speech-emotion benchmark")
    group.addoption(
        "--study", default="paper", help=f"{', '.join(studies.names())}, or a .toml file (default: paper)"
    )
    group.addoption(
        "--results",
        metavar="FOLDER",
        help="holds a folder for each study; default $SERKIT_RESULTS, else the ini file's, else results",
    )
    group.addoption(
        "--gpus", action="store_true", help="one GPU for each worker; CUDA_VISIBLE_DEVICES chooses which"
    )
    group.addoption("--rerun", action="store_true", help="train again even where the result is there")
    group.addoption(
        "--tensorboard",
        action="store_true",
        help="write TensorBoard's files into the runs' folders; needs pip install 'serkit[tensorboard]'",
    )
    group.addoption(
        "--assert-paper", action="store_true", help="fail unless every cell is within 0.02 of the paper"
    )
    parser.addini("serkit_data", "folder the corpora lie in; $SERKIT_DATA wins", default="")
    parser.addini("serkit_results", "folder for results; $SERKIT_RESULTS wins", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Reads the study; settles the device before anything can ask CUDA."""
    house_libraries()
    # A worker is handed one case at a time: the fastest of the distributions tried, and a crash costs one
    # case. Not in pytest.ini, which could then not be read without xdist.
    if getattr(config.option, "maxschedchunk", 0) is None:
        config.option.maxschedchunk = 1
    for exhibit in studies.EXHIBITS:
        config.addinivalue_line("markers", f"{exhibit}: runs that {exhibit} is made of")
    try:
        study = studies.read(config.getoption("study"))
        store = Store(_results_root(config) / study.name)
        data = getattr(config, "workerinput", {}).get("data")  # a worker may start elsewhere
        data = Path(data) if data else studies.data_folder(config.getini("serkit_data"), config.rootpath)
        told = _tensorboard() if config.getoption("tensorboard") else None
    except SerkitError as error:
        raise pytest.UsageError(str(error)) from error
    if config.getoption("assert_paper") and not study.paper:
        raise pytest.UsageError(
            f"--assert-paper: study {study.name} has no published numbers; use --study paper"
        )
    settled, pool = _settle_device(config)
    ours = Session(
        study=study,
        store=store,
        data=data,
        rerun=config.getoption("rerun"),
        device=settled,
        worker=getattr(config, "workerinput", {}).get("workerid", ""),
        live=Live(Progress(study, store), config.getoption("rerun")),
        told=told,
        pool=pool,
    )
    config.stash[SESSION] = ours
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Watcher(ours), "benchmark-watcher")


def _results_root(config: pytest.Config) -> Path:
    """Where results go: --results, from where it is typed; else as the environment or the ini file say.

    Raises:
        SpecError: pytest took the folder for one of tests, and so another root folder than that of `cases`.
    """
    given = config.getoption("results")
    if not given:
        return config.rootpath / studies.results_root(config.getini("serkit_results"))
    if config.inipath is None or not config.inipath.with_name("cases").is_dir():
        raise SpecError(
            f"--results {given}: pytest took it for a folder of tests, so that it did not find pytest.ini;"
            f" write it in one word: --results={given}"
        )
    return config.invocation_params.dir / Path(given).expanduser()


def _tensorboard() -> Any:
    """What writes TensorBoard's files. Raises ExtraMissing, now and not after the first epoch."""
    if importlib.util.find_spec("tensorboard") is None:
        raise ExtraMissing("tensorboard", "tensorboard")
    from benchmark.session.tensorboard import Curves

    return Curves()


def _settle_device(config: pytest.Config) -> tuple[str, gpus.Pool | None]:
    """This process's device word, and on a controller that hands out GPUs the pool."""
    worker = getattr(config, "workerinput", None)
    if worker is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = worker["gpu"]
        threads.settle(worker["threads"])
        return ("cuda" if worker["gpu"] else "cpu"), None
    found = gpus.visible()
    if config.getoption("gpus") and not found:
        raise pytest.UsageError(
            "--gpus: no GPU is visible here (NVML lists none, or CUDA_VISIBLE_DEVICES hides them);"
            " run without --gpus to use the CPU"
        )
    return ("cuda" if found else "cpu"), (gpus.Pool(found) if config.getoption("gpus") else None)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Controller: gives a starting worker its threads, and lends it its GPU, or none."""
    ours = node.config.stash[SESSION]
    node.workerinput["data"] = str(ours.data) if ours.data else ""
    pool = ours.pool
    node.workerinput["gpu"] = pool.lend(node.gateway.id) if pool else ""
    node.workerinput["threads"] = threads.share(node.workerinput["workercount"])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Controller: takes back the GPU of a worker that finished or crashed."""
    pool = node.config.stash[SESSION].pool
    if pool:
        pool.take_back(node.gateway.id)


def pytest_report_header(config: pytest.Config) -> str:
    """One line: study, size, where."""
    session = config.stash[SESSION]
    where = f"GPUs {', '.join(session.pool.gpus)}" if session.pool else session.device
    size = studies.size(session.study)
    return f"study: {session.study.name}, {size}, on {where}, results in {session.store.folder}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A case a run or measurement, in the file of the first exhibit it serves; marked with each of them."""
    marks = [mark.name for mark in metafunc.definition.iter_markers() if mark.name in studies.EXHIBITS]
    if "case" not in metafunc.fixturenames or not marks:
        return
    home = marks[0]
    cases = [
        pytest.param(case, id=case.id, marks=[getattr(pytest.mark, name) for name in case.exhibits])
        for case in studies.plan(metafunc.config.stash[SESSION].study)
        if case.exhibits[0] == home
    ]
    metafunc.parametrize("case", cases, indirect=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deals the chosen cases: what a report needs first, and so that workers end together.

    A file of cases whose exhibit the study does not ask for holds a placeholder of pytest's, which is
    dropped.
    """
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    wanted = [item for item in items if not _is_placeholder(item)]
    items[:] = order.dealt(wanted, _cost, workers, _turn)


def _case(item: pytest.Item) -> Any:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("case") if callspec else None


def _is_placeholder(item: pytest.Item) -> bool:
    case = _case(item)
    return case is not None and not isinstance(case, studies.Case)


def _cost(item: pytest.Item) -> int:
    case = _case(item)
    return case.cost if isinstance(case, studies.Case) else 0


def _turn(item: pytest.Item) -> int:
    case = _case(item)
    return case.turn if isinstance(case, studies.Case) else 0


class BoundCase:
    """A case that can be run: the plan's, bound to this session."""

    def __init__(self, case: studies.Case, session: Session) -> None:
        """Binds."""
        self.spec = case.spec
        self.settled = session.study.settled
        self._session = session

    def result(self) -> Result:
        """Trains or measures, or takes the stored result.

        A corpus that is not there skips the case; any other bad input fails it with one message.
        """
        try:
            with memory_named():
                self._session.store.check_writable()
                threads.settle(threads.share(1))  # a worker's are settled already
                from serkit.run import measure, run  # torch comes with it

                session, spec = self._session, self.spec
                if spec.kind == MEASUREMENT:
                    return measure(spec, session.store, session.data, session.rerun, session.worker)
                return run(
                    spec,
                    session.store,
                    session.data,
                    session.device,
                    session.rerun,
                    session.worker,
                    session.told,
                )
        except SerkitError as error:
            problem = error
        except OSError as error:  # a disk that is full or gone, which no code can mend
            problem = unwritable_place(error)
        # Outside the handler, or pytest would show its traceback, which is not the user's concern.
        if isinstance(problem, CorpusMissing):
            pytest.skip(self._session.study.titled(str(problem)))
        pytest.fail(f"{type(problem).__name__}: {problem}", pytrace=False)

    def estimates(self, result: Result) -> Any:
        """What a measurement found, a row a clip: `estimates.parquet`."""
        return self._session.store.table(result["key"], "estimates")


def unwritable_place(error: OSError) -> ResultsUnwritable:
    """What is said of the system's own errors: what, where, and which variables name other places."""
    return ResultsUnwritable(
        f"{error}. SERKIT_RESULTS names the folder of results, SERKIT_CACHE that of packed audio, SERKIT_DATA"
        " that of corpora, TMPDIR that of temporary files"
    )


@pytest.fixture
def case(request: pytest.FixtureRequest) -> BoundCase:
    """The run or measurement that this case is about."""
    return BoundCase(request.param, request.config.stash[SESSION])


@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session: pytest.Session) -> Iterator[None]:
    """Shows what the workers do while they do it."""
    watched = not session.config.option.collectonly and not hasattr(session.config, "workerinput")
    live = session.config.stash[SESSION].live
    with live.watching(in_place(session.config)) if watched else contextlib.nullcontext():
        return (yield)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Controller: writes the exhibits; with --assert-paper, fails the session where they disagree.

    Whatever goes wrong here is said after pytest's own account of what failed, which an error would hide.
    """
    ours = session.config.stash.get(SESSION, None)
    if ours is None or not (ours.ran or ours.skipped):
        return
    wrong = True
    if ours.ran:
        try:
            with memory_named():
                wrong = _exhibit(session.config, ours)
        except SerkitError as error:
            ours.summary = f"no exhibits: {error}"
        except Exception as error:
            again = (
                f"python -m benchmark report --study {ours.study.given} --results {ours.store.folder.parent}"
            )
            ours.summary = f"no exhibits: {type(error).__name__}: {error}; all of it is shown by: {again}"
    else:
        ours.summary = (
            f"no case could run: corpora of all {ours.skipped} are missing. Name the folder that they lie in"
            " with SERKIT_DATA, and see what is found there: python -m benchmark doctor --study"
            f" {ours.study.given}"
        )
    if wrong and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _exhibit(config: pytest.Config, ours: Session) -> bool:
    """Writes the exhibits. Returns whether they disagree with the paper where they must not."""
    from benchmark.report import cells  # pandas comes with it
    from benchmark.report.write import assemble

    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.ensure_newline()
        reporter.write_line("making the page, tables and figures ...")  # some seconds
    ours.summary, shown = assemble(ours.study, ours.store)
    if config.getoption("assert_paper"):
        ours.disagreeing = cells.disagreements(shown)
    return bool(ours.disagreeing)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Controller: shows the exhibits."""
    ours = config.stash.get(SESSION, None)
    if ours is None or not ours.summary:
        return
    terminalreporter.section("exhibits")
    for line in printable(ours.summary).split("\n"):  # one by one: in ASCII pytest spells out a whole text
        terminalreporter.write_line(line)
    if ours.disagreeing:
        terminalreporter.section("disagrees with the paper (--assert-paper)")
        terminalreporter.write_line("\n".join(ours.disagreeing))


class Watcher:
    """Tells the live display, on the controller, what is run; notes whether a case was.

    Unit tests alone show no exhibits.
    """

    def __init__(self, session: Session) -> None:
        """Watches for `session`."""
        self._session = session

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """One process: what was chosen."""
        self._session.live.chosen([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """Workers: what was chosen, which each of them says."""
        self._session.live.chosen(ids, node.workerinput["workercount"])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A case was begun."""
        self._session.live.started(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A case that was called is one worth a table; a worker that died reports no call.

        Of what a case skips itself the corpora are missing (`BoundCase.result`).
        """
        if any(name in report.keywords for name in studies.EXHIBITS):
            missing = report.when == "call" and report.skipped
            self._session.skipped += missing
            self._session.ran |= report.outcome == "failed" or (report.when == "call" and not missing)
        if report.when == "call" or report.outcome != "passed":
            self._session.live.ended(report.nodeid, report.outcome)

    def pytest_enter_pdb(self) -> None:
        """A debugger needs the terminal."""
        self._session.live.leave()
