"""Stored files with anything in them: whoever shows a study gets a value or one of our errors."""

import contextlib
import copy
import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark import plan
from benchmark import study as studies
from benchmark.report import collect, compare, coverage
from benchmark.report.write import assemble
from benchmark.session import progress, status
from serkit.errors import ResultsUnreadable
from serkit.resultfile import read
from serkit.results import Store
from serkit.results_table import load_all
from serkit.words import printable
from tests.fuzz import FEWER, FUZZ
from tests.made_results import made_result, put_clips

STUDY = studies.from_toml(
    {
        "title": "Two corpora",
        "rates_percent": [0, 50],
        "corpora": {
            "one": {"reader": "synthetic", "options": {"role": "B"}},
            "two": {
                "reader": "synthetic",
                "scramble": {"angry": "happy", "happy": "angry", "neutral": "sad", "sad": "neutral"},
            },
        },
        "table1": {"train": [["one"], ["two"]]},
        "figure2": {"train": [["one"], ["one", "two"]], "test": ["one", "two"]},
        "figure3": {"train": [["two_scrambled"]], "test": ["two", "two_scrambled"]},
        "tuning": {"train": [["two"]], "learning_rates": [1e-4, 1e-3], "batch_sizes": [128]},
        "model": {"width": 4, "weights": ""},
    },
    "study",
)
GOOD = [json.loads(json.dumps(made_result(case.spec, lambda *_: 0.5))) for case in studies.plan(STUDY)]

NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20), st.floats(), st.sampled_from([0, -1, 1e300, 1e99, 1e-300, 1e14, 10**400])
)
LEAVES = st.one_of(
    st.none(), st.booleans(), NUMBERS, st.text(max_size=8), st.sampled_from(["one", "two", "0"])
)
WORDS = [
    "one",
    "two",
    "two_scrambled",
    "0",
    "1",
    "angry",
    "cpu",
    "cuda",
    "9999-12-31T23:59:59+00:00",
    "three",
]
ANYTHING = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
)


def places(value, at=()):
    """The path of every entry, at every depth."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield (*at, key)
        yield from places(value[key], (*at, key))


@st.composite
def damaged(draw):
    """A result of the study of which one to three entries are gone, or something else."""
    result = copy.deepcopy(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(1, 3))):
        *path, last = draw(st.sampled_from(list(places(result))))
        there = result
        for key in path:
            there = there[key]
        change = draw(st.sampled_from(["anything", "alike", "elsewhere", "gone"]))
        if change == "anything":
            there[last] = draw(ANYTHING)
        elif change == "alike":
            there[last] = draw(alike(there[last]))
        elif change == "elsewhere" and isinstance(there, dict):
            there[draw(st.sampled_from(WORDS))] = there.pop(last)
        else:
            del there[last]
    return result


def alike(value):
    """Other values of the same kind, which a schema may let pass."""
    if isinstance(value, int | float):
        return st.sampled_from([0, 1, 2, 3, 100, 1000, 0.0, 0.3, 1.0, 1e-12, 1e14, 1e99])
    if isinstance(value, str):
        return st.sampled_from(WORDS)
    return st.sampled_from([[], {}, [value], {"one": value}])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A study that is done."""
    store = Store(tmp_path_factory.mktemp("results") / "study")
    for result in GOOD:
        put_clips(store, result)
    return store


def put_in(store, result, name="result.json"):
    """Writes anything where a result of the study lies; returns its path and what was there."""
    keys = [good["key"] for good in GOOD]
    path = store.folder / (result["key"] if result.get("key") in keys else keys[0]) / name
    before = path.read_text()
    path.write_text(json.dumps(result))
    return path, before


@FEWER
@given(result=damaged())
def test_what_can_be_read_can_be_shown(store, result):
    path, before = put_in(store, result)
    try:
        with contextlib.suppress(ResultsUnreadable):
            read(path)
            show(store)
    finally:
        path.write_text(before)


def show(store):
    """What goes over results entry by entry."""
    made = collect.Report(STUDY, store)
    results = made.found.results.values()
    coverage.coverage(STUDY, made.found, made.states), coverage.cost(results), coverage.versions(results)
    load_all(store.folder.parent)
    side = compare._side("it", store.folder, STUDY)
    compare.summary(side, side, compare.cells(side, side), "wF1")


@pytest.mark.parametrize("damage", ["[" * 100_000, json.dumps(GOOD[0] | {"spec": [1]})])
def test_every_command_names_what_it_cannot_read_and_shows_the_rest(store, numbers_only, damage):
    path = store.folder / GOOD[0]["key"] / "result.json"
    before = path.read_text()
    path.write_text(damage)
    try:
        looking = progress.Progress(STUDY, store)
        seen = looking.look()
        side = compare._side("it", store.folder, STUDY)
        shown = [
            status.status(looking, seen),
            assemble(STUDY, store)[0],
            (store.folder / "report.md").read_text(),
            "\n".join(compare.summary(side, side, compare.cells(side, side), "wF1")),
            plan.text(STUDY, store, None),
        ]
        with pytest.warns(UserWarning, match="cannot be read") as warned:
            load_all(store.folder.parent)
        shown.append(str(warned[0].message))
    finally:
        path.write_text(before)
    assert [state.state for state in seen].count(progress.DONE) == len(GOOD) - 1
    for said in shown:
        assert "1 stored file cannot be read" in said
        assert f"{path} is damaged" in said


LINES = st.one_of(
    st.binary(max_size=20),
    st.dictionaries(
        st.sampled_from([*progress.NUMBERS, *progress.TEXTS, "else"]),
        st.one_of(ANYTHING, st.sampled_from([0, 1, 5.5, "gw0\x1b[2J", "a\nb"])),
    ).map(lambda event: json.dumps(event).encode()),
    st.just(b'{"time": 5, "iteration": 1, "of": 2, "epoch": 0.5, "loss": 1.0, "pid": 1}'),
)


@FUZZ
@given(lines=st.lists(LINES, max_size=4), spec=damaged(), error=ANYTHING)
def test_what_an_attempt_left_can_be_shown(tmp_path, lines, spec, error):
    store = Store(tmp_path)
    folder = store.run_folder(GOOD[0]["key"])
    folder.mkdir(exist_ok=True)
    (folder / "progress.jsonl").write_bytes(b"\n".join(lines))
    (folder / "spec.json").write_text(json.dumps(spec.get("spec", GOOD[0]["spec"])))
    (folder / "error.json").write_text(json.dumps(error))
    (tmp_path / ".reading").mkdir(exist_ok=True)
    (tmp_path / ".reading" / "one\x1b.jsonl").write_bytes(b"\n".join(lines))
    looking = progress.Progress(STUDY, store)
    said = status.status(looking, looking.look())
    said += "".join(name + status.how_far_read(event) for name, event in looking.reading())
    assert said == printable(said)


NAMES = ("result.json", "spec.json", "progress.jsonl", "error.json", "scores.parquet")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_nothing_waits_for_what_is_no_file(store, make):
    """Each of them in a run of its own, so that one report meets all."""
    paths = [store.folder / good["key"] / name for good, name in zip(GOOD, NAMES, strict=False)]
    before = {path: path.read_bytes() for path in paths if path.exists()}
    assert {path.name for path in before} == {"result.json", "scores.parquet"}
    for path in paths:
        path.unlink(missing_ok=True)
        make(path)
    try:
        looking = progress.Progress(STUDY, store)
        text = status.status(looking, looking.look())
        made = collect.Report(STUDY, store)
    finally:
        for path in paths:
            path.rmdir() if path.is_dir() else path.unlink()
            if path in before:
                path.write_bytes(before[path])
    assert f"{paths[0]} is damaged" in text
    assert any(str(paths[-1]) in note for note in made.notes), "and the table was asked for"
