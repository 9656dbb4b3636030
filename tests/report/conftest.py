"""The paper's study with results as published; built-in studies of which nothing is done; a store."""

import csv
import functools

import pytest

from benchmark import study as studies
from benchmark.report import collect, figures
from benchmark.report.paper import PAPER
from serkit.results import Store
from tests.made_results import made_result, put
from tests.made_studies import flat, trainings


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "small")


@pytest.fixture
def undrawn(monkeypatch):
    """Pictures that say how many panels they have: drawing takes seconds, and is held in test_figures."""

    def save(figure, folder, name):
        for ending in figures.UNDATED:
            (folder / f"{name}.{ending}").write_text(f"{len(figure.axes)} panels")

    monkeypatch.setattr(figures, "save", save)


@pytest.fixture(scope="session")
def undone(tmp_path_factory):
    """A built-in study by its name, and its report before anything is done: planning alone takes a second."""

    @functools.cache
    def of(name):
        study = studies.read(name)
        return collect.Report(study, Store(tmp_path_factory.mktemp(name) / "not" / "made" / "yet"))

    return of


@pytest.fixture(scope="session")
def published():
    """Every published number of the exhibits, as in the files: place -> (column's letter, number)."""
    numbers = {}
    with (PAPER / "table1.csv").open() as file:
        for row in csv.DictReader(file):
            if row["metric"] == "wF1":
                train = row["train_test"] + (" (tuned)" if row["condition"] == "tuned" else "")
                place = "table1", train, row["train_test"], int(row["augment_pct"])
                numbers[place] = "", float(row["value"])
    for name in ("figure2", "figure3"):
        with (PAPER / f"{name}.csv").open() as file:
            for row in csv.DictReader(file):
                place = name, row["train"], row["test"], int(row["augment_pct"])
                numbers[place] = row["column"], float(row["wF1_change"])
    return numbers


@pytest.fixture(scope="session")
def paper():
    return studies.read("paper")


@pytest.fixture(scope="session")
def as_published(paper, published, tmp_path_factory):
    """A store with all 430 runs, whose wF1 are what the paper's numbers make them.

    Of the tuning grid one point is best on validation and has the paper's tuned wF1; another is best on
    test.
    """
    numbers = {place: number for place, (_, number) in published.items()}
    store = Store(tmp_path_factory.mktemp("results") / "paper")
    for case in trainings(paper):
        train, rate = paper.title_of(case.spec.train), case.spec.augment_percent
        if case.tuned:
            point = case.spec.recipe.learning_rate, case.spec.recipe.batch_size
            tests = {(0.000464, 64): flat(0.68), (0.00215, 16): flat(0.69)}
            validation = {(0.000464, 64): flat(0.7), (0.00215, 16): flat(0.66)}
            put(
                store,
                made_result(case.spec, tests.get(point, flat(0.5)), validation.get(point, flat(0.5)), 1),
            )
            continue

        def wf1(test, fold, number, train=train, rate=rate):
            title = paper.title_of(test)
            if train == title and ("table1", train, title, rate) in numbers:
                return numbers["table1", train, title, rate]
            change = numbers.get(
                ("figure2", train, title, rate), numbers.get(("figure3", train, title, rate))
            )
            if change is None:
                return 0.25  # nothing is published for it
            baseline = title.removesuffix("-SCRAMBLED")
            return numbers["table1", baseline, baseline, 0] + change

        put(store, made_result(case.spec, wf1, evaluations=1))
    return store


@pytest.fixture(scope="session")
def shown(paper, as_published):
    """All that is shown of them; reading 415 results takes seconds."""
    return collect.Report(paper, as_published)
