"""The pytest plugin: options, parametrised cases, and what a case does.

Loaded by `pytest_plugins` in the root conftest.py, or by `serbench run`. Collection depends on the study's
file alone (a replacement worker must collect the same list); nothing here imports torch or pandas before a
case runs.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmark import study as studies
from benchmark.beside import located
from benchmark.session import engines
from benchmark.session.work import Place
from serkit.errors import CorpusMissing, ExtraMissing, SerkitError, SpecError
from serkit.files import house_libraries
from serkit.results import Result, Store
from serkit.settings import MAX_SEEDS
from serkit.specs import Spec
from serkit.words import shown

pytest.register_assert_rewrite("benchmark.session.checks")


def pytest_addoption(parser: pytest.Parser) -> None:
    """The benchmark's options."""
    group = parser.getgroup("benchmark", "speech-emotion benchmark")
    about = f"which study to run: {', '.join(studies.names())}, or a .toml file (default: %(default)s)"
    group.addoption("--study", default="paper", help=about)
    about = "seeds of each condition: 0, 1, ... (default: the study's own)"
    group.addoption("--seeds", metavar="N", type=partial(engines.whole, MAX_SEEDS), help=about)
    default = "$SERKIT_RESULTS, else serkit_results of the ini file, else ./results"
    about = f"where results are kept, in a folder for each study (default: {default})"
    group.addoption("--results", metavar="FOLDER", help=about)
    about = "what does the runs (default: %(default)s, which is the workers of -n, or this process)"
    group.addoption("--engine", choices=engines.names(), default="xdist", help=about)
    engines.add_options(group)
    about = "minutes between states of a training, from which a killed one goes on; 0: none (default: 10)"
    group.addoption("--state-minutes", metavar="N", type=_minutes, default=10.0, help=about)
    switches = {
        "--gpus": "give each worker a GPU of its own; CUDA_VISIBLE_DEVICES chooses among them",
        "--rerun": "train again even where a result is stored",
        "--keep-models": "keep each trained network (CNN14: 320 MB), to score clips with (serkit.trained)",
        "--keep-states": "keep the state of a training beside its result, too (CNN14: 1 GB)",
        "--no-embeddings": "keep no embeddings of test clips (float16, 64 bytes times the width for each)",
        "--tensorboard": "write learning curves into the runs' folders; needs the extra serkit[tensorboard]",
        "--assert-paper": "fail unless every cell is within 0.02 of the published one",
    }
    for name, about in switches.items():
        group.addoption(name, action="store_true", help=about)
    parser.addini("serkit_data", "folder that the corpora lie in; $SERKIT_DATA wins", default="")
    parser.addini("serkit_results", "folder for results; $SERKIT_RESULTS wins", default="")


def _minutes(given: str) -> float:
    with suppress(ValueError):
        if 0 <= (minutes := float(given)) < 1e6:
            return minutes
    raise argparse.ArgumentTypeError(f"{shown(given)}: expected minutes, 0 or more")


def pytest_configure(config: pytest.Config) -> None:
    """Reads the study; starts the engine, before anything can ask CUDA."""
    house_libraries()
    for exhibit in studies.exhibits():
        config.addinivalue_line("markers", f"{exhibit}: runs that {exhibit} is made of")
    try:
        session = Session(config)
    except SerkitError as error:
        raise pytest.UsageError(located(str(error))) from error
    config.pluginmanager.register(session, "benchmark-session")
    config.pluginmanager.register(session.engine, "benchmark-engine")
    if not hasattr(config, "workerinput"):
        from benchmark.session.controller import Controller  # with rich, which a worker has no use for

        config.pluginmanager.register(
            Controller(config, session.study, session.store, getattr(session.engine, "elsewhere", False)),
            "benchmark-controller",
        )


def _results_root(config: pytest.Config) -> Path:
    """Where results go: --results, from where it is typed; else as the environment or the ini file say."""
    given = config.getoption("results")
    if not given:
        return config.rootpath / studies.results_root(config.getini("serkit_results"))
    in_checkout = config.inipath is not None and config.inipath.with_name("cases").is_dir()
    if not in_checkout and config.getoption("rootdir") is None:  # the root folder is not that of `cases`
        raise SpecError(
            f"--results {given}: pytest took it for a folder of tests, so that it did not find pytest.ini;"
            f" write it in one word: --results={given}"
        )
    return config.invocation_params.dir / Path(given).expanduser()


class Session:
    """Any process's hooks: its study, the store, and the engine that does the jobs."""

    def __init__(self, config: pytest.Config) -> None:
        """Raises SerkitError or pytest.UsageError where the session cannot be as it is asked for."""
        chosen = config.getoption
        self.study = studies.read(chosen("study"), chosen("seeds"))
        self.store = Store(_results_root(config) / self.study.name)
        if chosen("tensorboard") and importlib.util.find_spec("tensorboard") is None:
            raise ExtraMissing("tensorboard", "tensorboard")  # now, and not after the first epoch
        if chosen("assert_paper") and not self.study.paper:
            raise SpecError(
                f"--assert-paper: study {self.study.name} has no published numbers; use --study paper"
            )
        data = studies.data_folder(config.getini("serkit_data"), config.rootpath)
        switches = {"embeddings": not chosen("no_embeddings"), "models": chosen("keep_models")}
        switches |= {"tensorboard": chosen("tensorboard"), "keep_states": chosen("keep_states")}
        minutes = chosen("state_minutes")
        place = Place(self.store, data, rerun=chosen("rerun"), state_minutes=minutes, **switches)
        engines.check_options(chosen, chosen("engine"))
        self.engine = engines.module(chosen("engine")).Engine(config, place)
        self.jobs: dict[Spec, Callable[[], str]] = {}  # by its spec, what waits for each one's key

    def pytest_report_header(self) -> str:
        """One line: study, size, where."""
        size = studies.size(self.study)
        return f"study: {self.study.name}, {size}, on {self.engine.where}, results in {self.store.folder}"

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """A case a run or measurement, marked with the exhibits it serves, in the file of the first of them.

        `cases/test_figure3_scrambled.py` is Figure 3's; `cases/test_runs.py` has what exhibits without a file
        of their own show first.
        """
        path = metafunc.definition.path
        if "case" not in metafunc.fixturenames or path.parent.name != "cases":
            return
        cases = []
        for case in studies.plan(self.study):
            own = [file.name for file in path.parent.glob(f"test_{case.exhibits[0]}_*.py")]
            if path.name in (own or ["test_runs.py"]):
                marks = [getattr(pytest.mark, name) for name in case.exhibits]
                cases.append(pytest.param(case, id=case.id, marks=marks))
        metafunc.parametrize("case", cases, indirect=True)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Puts the chosen cases in the engine's order, without pytest's placeholders for files of none."""
        cases = {item: _case(item) for item in items if not item.name.endswith("[NOTSET]")}
        cost, turn = ({item: getattr(of, name, 0) for item, of in cases.items()} for name in ("cost", "turn"))
        items[:] = self.engine.order(list(cases), cost.get, turn.get)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Gives the engine all that is to be done, before the first case waits for its own."""
        if not session.config.option.collectonly:
            cases = filter(None, map(_case, session.items))
            self.jobs = {case.spec: self.engine.submit(case.spec) for case in cases}
            try:
                getattr(self.engine, "begin", lambda: None)()
            except SerkitError as error:
                raise pytest.UsageError(located(str(error))) from error

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Ends the engine."""
        self.engine.shutdown(session.exitstatus == pytest.ExitCode.INTERRUPTED)

    @pytest.fixture
    def case(self, request: pytest.FixtureRequest) -> BoundCase:
        """The run or measurement that a case is about."""
        return BoundCase(request.param.id, request.param.spec, self.study.settled, self)


def _case(item: pytest.Item) -> studies.Case | None:
    """The plan's case that an item is, if it is one."""
    case = item.callspec.params.get("case") if hasattr(item, "callspec") else None
    return case if isinstance(case, studies.Case) else None


@dataclass(frozen=True)
class BoundCase:
    """A case of the plan that can be run in this session: its `spec`, and whether it must have `settled`."""

    id: str
    spec: Spec
    settled: bool
    session: Session

    def result(self) -> Result:
        """The result, once the engine has done the job.

        A corpus that is not there skips the case; any other bad input fails it with one message.
        """
        try:
            result = self.session.store.get(self.session.jobs[self.spec]())
        except CorpusMissing as error:  # here and below without a traceback, which is not the user's concern
            raise pytest.skip.Exception(located(self.session.study.titled(str(error)))) from None
        except SerkitError as error:
            raise pytest.fail.Exception(located(f"{type(error).__name__}: {error}"), pytrace=False) from None
        assert result is not None, "its key comes back once it is saved"
        return result

    def estimates(self, result: Result) -> Any:
        """What a measurement found, a row a clip: `estimates.parquet`."""
        return self.session.store.table(result["key"], "estimates")
