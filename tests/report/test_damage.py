"""One stored file that is damaged, whichever and however: its own cells are blocked, and it is named."""

import dataclasses
import functools
import hashlib
import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest

from benchmark import study as studies
from benchmark.report.exhibits import acoustics
from benchmark.report.write import assemble
from serkit.resultfile import BUNDLE, EMBEDDINGS, sealed
from serkit.results import Store
from serkit.specs import MEASUREMENT
from tests.made_estimates import measured
from tests.made_results import made_measurement, made_result, put_clips
from tests.made_studies import SMALL, flat

SHOWN = {
    "table1": {"train": [["one"]]},
    "figure2": {"train": [["one", "two"]], "test": ["one", "two"]},
    "figure4": {"clips": 40, "p835_clips": 0},
}
OTHERS = {name: value for name, value in SMALL.items() if name != "figure3"}
STUDY = studies.from_toml({**OTHERS, **SHOWN, "seeds": [0]}, "small")
CASES = studies.plan(STUDY)
RUN = next(case for case in CASES if case.id == "one+two-aug50-fold01")
MEASURED = next(case for case in CASES if case.spec.kind == MEASUREMENT and case.spec.corpus.name == "two")
DISTANCES = acoustics.distances
ADJUSTED = ("_holm", "clear")
"""Columns that depend on how many cells there are."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The study, done, with what each run says of each clip."""
    store = Store(tmp_path_factory.mktemp("results") / "small")
    for number, case in enumerate(CASES):
        if case.spec.kind == MEASUREMENT:
            made_measurement(
                store, case.spec, measured("any", seed=number).drop(columns=["corpus", "condition"])
            )
            (store.run_folder(key_of(case)) / EMBEDDINGS).unlink()
        else:
            put_clips(store, made_result(case.spec, flat(0.4 + number / 100)))
            seal(store, key_of(case))
            np.save(store.run_folder(key_of(case)) / EMBEDDINGS, np.ones((160, 2), dtype=np.float16))
    return store


def seal(store, key):
    """Says in a result made by hand what a run says in its own: the digest of its table, and its own."""
    folder = store.run_folder(key)
    digest = hashlib.sha256((folder / "scores.parquet").read_bytes()).hexdigest()
    (folder / "result.json").write_text(sealed(store.get(key) | {"files": {"scores.parquet": digest}}))


@pytest.fixture(scope="module")
def shown(whole):
    with pytest.MonkeyPatch.context() as patch:
        return read(whole, patch)


def read(store, patch):
    """The report's text and numbers, without pictures; of Figure 4's distances a few resamples do."""
    patch.setattr(acoustics, "distances", functools.partial(DISTANCES, resamples=40))
    patch.setattr("benchmark.report.write._draw", lambda report, folder, colours: {})
    patch.setattr("benchmark.report.page.html", lambda report, pictures, colours: "")
    return assemble(STUDY, store)


def key_of(case):
    of = case.spec
    names = [of.corpus.name] if of.kind == MEASUREMENT else [corpus.name for corpus in of.corpora]
    return dataclasses.replace(of, fingerprints=tuple((name, "0") for name in names)).key


def changed(**entries):
    """A JSON file with other entries."""
    return lambda path: path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path):
    path.write_bytes(b"")


def flipped(path):
    """Other bytes in the middle: of text no JSON, of a table no Parquet that can be decoded."""
    data = path.read_bytes()
    path.write_bytes(data[:200] + b"\xff" * 40 + data[240:-4] + b"\0\0\0\0")


def piped(path):
    path.unlink()
    os.mkfifo(path)


def other_rows(path):
    pd.read_parquet(path).iloc[1:].to_parquet(path)


def another_machines(path):
    """As a copy of a folder over another leaves it that was broken off: as many clips, called otherwise."""
    table = pd.read_parquet(path)
    table.assign(angry=table["happy"], happy=table["angry"]).to_parquet(path)


OF_RESULTS = {
    "cut": cut,
    "emptied": emptied,
    "flipped": flipped,
    "piped": piped,
    "typed": changed(tests=[1]),
    "another's": changed(key="another-0123456789ab"),
}
OF_SCORES = {
    "cut": cut,
    "emptied": emptied,
    "flipped": flipped,
    "piped": piped,
    "missing": os.unlink,
    "other rows": other_rows,
}
DAMAGES = [(RUN, "result.json", name, of) for name, of in OF_RESULTS.items()]
DAMAGES += [(RUN, "scores.parquet", name, of) for name, of in OF_SCORES.items()]
DAMAGES += [(RUN, "scores.parquet", "another machine's", another_machines)]
DAMAGES += [
    (MEASURED, "estimates.parquet", name, OF_SCORES[name]) for name in ("cut", "missing", "other rows")
]
DAMAGES += [(MEASURED, "result.json", "cut", cut)]


@pytest.mark.parametrize(
    ("case", "name", "damage"),
    [pytest.param(case, name, damage, id=f"{name}, {how}") for case, name, how, damage in DAMAGES],
)
def test_one_damaged_file_blocks_its_own_cells_and_is_named(
    whole, shown, tmp_path, monkeypatch, case, name, damage
):
    store = Store(shutil.copytree(whole.folder, tmp_path / "small"))
    path = store.run_folder(key_of(case)) / name
    damage(path)
    text, report = read(store, monkeypatch)
    assert "1 stored file cannot be read, left out here:" in text
    assert f"{path} is damaged" in text
    assert f"{path.name} is damaged" in (store.folder / "report.md").read_text().replace("\\", "")
    assert_alike(report, shown[1], case)


def test_no_report_needs_embeddings(whole, shown, tmp_path, monkeypatch):
    store = Store(shutil.copytree(whole.folder, tmp_path / "small"))
    paths = sorted(store.folder.glob(f"*/{EMBEDDINGS}"))
    for path, damage in zip(paths, [cut, emptied, flipped, piped, os.unlink], strict=False):
        damage(path)
    text, report = read(store, monkeypatch)
    assert "cannot be read" not in text
    assert_alike(report, shown[1])


@pytest.mark.parametrize(("damage", "lab"), [(cut, ""), (emptied, "+lab"), (flipped, "+lab"), (None, "")])
def test_a_bundle_beside_that_is_damaged_or_anothers_blocks_nothing(
    whole, shown, tmp_path, monkeypatch, damage, lab
):
    store = Store(shutil.copytree(whole.folder, tmp_path / "small"))
    path = store.folder.with_name(f"small{lab}{BUNDLE}")
    other = Store(tmp_path / "other" / "study")
    put_clips(other, made_result(dataclasses.replace(RUN.spec, seed=7), flat(0.5)))
    other.write_bundle(path)
    if damage:
        damage(path)
    text, report = read(store, monkeypatch)
    assert (f"{path} cannot be read" in text) == bool(damage)
    assert_alike(report, shown[1])


def assert_alike(report, whole, but=None):
    """Every number is there as it is of the whole study, but those of a case."""
    assert report.numbers.keys() == whole.numbers.keys()
    for name, numbers in whole.numbers.items():
        others = report.numbers[name]
        columns = [column for column in numbers if not column.endswith(ADJUSTED)]
        both = [frame.loc[~of_case(name, frame, but), columns] for frame in (others, numbers)]
        pd.testing.assert_frame_equal(*(frame.reset_index(drop=True) for frame in both))


def of_case(name, frame, case):
    """Which rows a case has a part in."""
    if case is MEASURED and name.startswith("figure4"):
        words = frame.select_dtypes(exclude="number").astype(str)
        return words.apply(lambda column: column.str.contains("TWO")).any(axis=1)
    if case is RUN and "train" in frame:
        return (frame["train"] == STUDY.title_of(case.spec.train)) & (frame["augment_percent"] == 50)
    return pd.Series(False, frame.index)
