"""Results of several machines, copied together: equal ones are one, others are said, and the first counts."""

import copy

import pytest

from benchmark import study as studies
from benchmark.report import compare
from benchmark.report.write import assemble
from benchmark.session import progress, status
from serkit.merged import ROUNDING, differing
from serkit.resultfile import BUNDLE
from serkit.results import Store
from tests.made_results import made_result, put

STUDY = studies.from_toml(
    {
        "title": "One corpus",
        "corpora": {"one": {"reader": "synthetic"}},
        "table1": {"train": [["one"]]},
        "seeds": [0, 1, 2],
        "model": {"width": 4, "weights": ""},
    },
    "study",
)
SPECS = [case.spec for case in studies.plan(STUDY)]
GPU = {"device": "cuda", "device_name": "A GPU", "packages": {"torch": "2.5"}}


def made(value, specs=SPECS, **changes):
    """What a machine found: the same of every run."""
    return [made_result(spec, lambda *_: value, **changes) for spec in specs]


@pytest.fixture
def store(tmp_path):
    """Two of three runs."""
    store = Store(tmp_path / "results" / "study")
    put(store, *made(0.5, SPECS[:2]))
    return store


@pytest.fixture
def beside(store, tmp_path):
    """Puts a bundle of what another lab found beside the study's folder, and gives its path."""

    def put_beside(lab, results):
        theirs = Store(tmp_path / lab / "study")
        put(theirs, *results)
        path = store.folder.with_name(f"study{'+' * bool(lab)}{lab}{BUNDLE}")
        theirs.write_bundle(path)
        return path

    return put_beside


def lines(store):
    return differing(store, store.results()[0])


@pytest.mark.parametrize("by", [0, ROUNDING / 2])
def test_equal_numbers_are_silent_wherever_they_were_made(store, beside, by):
    beside("", made(0.5 + by, environment=GPU))
    beside("lab", made(0.5 - by))
    assert len(store.results()[0]) == 3
    assert lines(store) == []


def test_other_numbers_are_said_with_both_machines_and_which_counts(store, beside):
    other = made(0.5, environment=GPU)
    other[1]["tests"]["one"]["folds"]["0"]["wACC"]["mean"] = 0.5625
    other[0]["tests"]["one"]["folds"]["0"]["wF1"]["mean"] = 0.46
    path = beside("", other)
    (line,) = lines(store)
    assert line == (
        f"2 runs with other numbers in {path.name} than in study/, which counts: by up to 0.062"
        f" (wACC of one in {other[1]['label']}); device cuda, device_name A GPU, torch 2.5 there,"
        " device cpu, device_name A device, torch 2.0 here"
    )
    assert {result["tests"]["one"]["wF1"]["mean"] for result in store.results()[0][:2]} == {0.5}


def test_of_two_bundles_the_first_counts(store, beside):
    """The third run is in no folder; the other two are, and each source is said by itself."""
    paths = [beside("", made(0.5)), beside("a", made(0.6)), beside("b", made(0.7, SPECS[2:]))]
    said = lines(store)
    ours, a, b = (path.name for path in paths)
    pairs = [("study/", a, 2), (ours, a, 1), (ours, b, 1)]
    for line, (first, other, runs) in zip(said, pairs, strict=True):
        assert line.startswith(f"{runs} run")
        assert f" in {other} than in {first}, which counts" in line
    assert {result["tests"]["one"]["wF1"]["mean"] for result in store.results()[0]} == {0.5}


def test_whoever_looks_is_told(store, beside, numbers_only):
    beside("lab", made(0.25))
    (line,) = lines(store)
    looking = progress.Progress(STUDY, store)
    assert line in status.status(looking, looking.look()).splitlines()
    text, _ = assemble(STUDY, store)  # what a session shows at its end, too
    assert f"Caution: {line}." in text
    assert "2 runs with other numbers in study" in (store.folder / "report.md").read_text()
    side = compare._side("it", store.folder, STUDY)
    assert any(line in said for said in compare.summary(side, side, compare.cells(side, side), "wF1"))


def test_what_cannot_be_compared_is_no_difference(store, beside):
    damaged = copy.deepcopy(made(0.25))
    for result in damaged[:2]:
        result["tests"] = {"one": "high"}
    beside("", made(0.5))
    theirs = beside("lab", made(0.25))
    theirs.write_bytes(theirs.read_bytes()[:-50])
    assert lines(store) == []
