"""A study as one file: read as its folder is, equal to the last digit, and harmless whoever made it."""

import contextlib
import hashlib
import io
import json
import lzma
import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from benchmark import cli
from benchmark import study as studies
from benchmark.report.cells import answers
from benchmark.report.clipscores import ClipScores
from benchmark.session import progress
from serkit import bundle
from serkit.errors import ResultsUnreadable, ResultsUnwritable
from serkit.labels import LABELS
from serkit.resultfile import BUNDLE, ESTIMATES
from serkit.results import Store, stores
from serkit.results_table import load_all
from tests.fuzz import FEWER
from tests.made_results import made_measurement, made_result, put, put_scores

RESULTS = Path(__file__).parent.parent / "results"
STUDY = studies.read("synthetic")
CASES = studies.plan(STUDY)[:3]
MEASURED = next(case for case in studies.plan(STUDY) if case.id == "acoustics-synmsp-raw")


def clips(number):
    """Scores of three clips of each corpus, no two alike."""
    rows = [
        (corpus.name, f"{corpus.name}/{clip}.wav", 0, LABELS[clip])
        for corpus in STUDY.corpora
        for clip in range(3)
    ]
    table = pd.DataFrame(rows, columns=["corpus", "path", "fold", "label"])
    for place, label in enumerate(LABELS):
        table[label] = pd.Series([(row + place + number) / 97 for row in range(len(rows))], dtype="float32")
    tails = {f"{label}_tail": table[label] * np.float32(0.7) for label in LABELS}
    return table.assign(speaker=["a", "b", "Unknown"] * len(STUDY.corpora), **tails)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study in its folder: three runs with scores and a measurement."""
    store = Store(tmp_path_factory.mktemp("results") / STUDY.name)
    for number, case in enumerate(CASES):
        put_scores(store, made_result(case.spec, lambda *_, n=number: 0.1 + n / 7), clips(number))
    made_measurement(
        store,
        MEASURED.spec,
        pd.DataFrame(
            {"path": ["a", "b"], "label": ["sad", "happy"], "speaker": ["1", "2"], "reason": ["", "silent"]}
        ).assign(**{name: [1 / 3, float("nan")] for name in ESTIMATES}),
    )
    return store


@pytest.fixture(scope="module")
def whole(folder):
    """The bytes of its bundle."""
    path = folder.folder.parent / "whole" / f"{STUDY.name}{BUNDLE}"
    path.parent.mkdir()
    folder.write_bundle(path)
    return path.read_bytes()


@pytest.fixture
def store(tmp_path, whole):
    """The study as a bundle alone."""
    store = Store(tmp_path / "results" / STUDY.name)
    store.bundle_path.parent.mkdir()
    store.bundle_path.write_bytes(whole)
    return store


def everything(store):
    """Results, and all tables as text to the last digit."""
    results, unread = store.results()
    assert unread == []
    names = ["scores" if "tests" in result else "estimates" for result in results]
    tables = [store.table(result["key"], name) for result, name in zip(results, names, strict=True)]
    return results, [table.to_csv() for table in tables], [list(table.dtypes) for table in tables]


# --- a bundle is read as a folder is ---


def test_a_bundle_holds_what_its_folder_holds(folder, store):
    assert everything(store) == everything(folder)
    assert everything(Store(store.bundle_path)) == everything(folder)  # named itself
    assert not store.folder.exists()
    assert store.get("another-0123456789ab") is None


def test_bundles_of_others_are_read_beside_ones_own(folder, tmp_path):
    """Two labs with a half of the runs each: together they have the study."""
    keys, (ours, theirs) = folder.keys([]), (Store(tmp_path / of / STUDY.name) for of in ("ours", "theirs"))
    for number, key in enumerate(keys):
        shutil.copytree(folder.run_folder(key), (ours, theirs)[number % 2].run_folder(key))
    theirs.write_bundle(tmp_path / "ours" / f"{STUDY.name}+theirs{BUNDLE}")
    assert everything(ours) == everything(folder)
    ours.write_bundle(ours.bundle_path)
    shutil.rmtree(ours.folder)
    assert everything(ours) == everything(folder)
    assert progress.Progress(STUDY, ours).look() == progress.Progress(STUDY, folder).look()
    assert [store.name for store in stores(tmp_path / "ours", [])] == [STUDY.name]


def test_whoever_looks_at_a_study_sees_the_same(folder, store):
    assert answers(STUDY, store) == answers(STUDY, folder)
    assert progress.Progress(STUDY, store).look() == progress.Progress(STUDY, folder).look()
    for root in (store.folder.parent, store.bundle_path):
        pd.testing.assert_frame_equal(load_all(root, STUDY.name), load_all(folder.folder.parent, STUDY.name))


def test_a_bundle_of_decisions_decides_the_same_in_less(tmp_path):
    """Reports count what is said of each clip, and nothing else of its scores."""
    random, store = np.random.default_rng(0), Store(tmp_path / STUDY.name)
    result = made_result(CASES[0].spec, lambda *_: 0.5)
    table = clips(1)
    for columns in (list(LABELS), [f"{label}_tail" for label in LABELS]):
        table[columns] = random.dirichlet([1, 1, 1, 1], len(table)).astype(np.float32)
    put_scores(store, result, table)
    store.write_bundle(tmp_path / "exact.bundle")
    said = CliRunner().invoke(
        cli.main,
        ["bundle", STUDY.name, "--decisions", "--results", str(tmp_path), "--output", str(tmp_path / "d")],
    )
    assert said.exit_code == 0, said.output
    (tmp_path / "d").rename(tmp_path / "d.bundle")
    small, exact = Store(tmp_path / "d.bundle"), Store(tmp_path / "exact.bundle")
    assert small.results() == exact.results()
    of, whole = (ClipScores(each.table).read(result["key"]) for each in (small, exact))
    for corpus, counts in whole.items():
        np.testing.assert_array_equal(of[corpus].clips, counts.clips)
        np.testing.assert_array_equal(of[corpus].last, counts.last)
    assert set(np.unique(small.table(result["key"], "scores")[list(LABELS)])) == {0.0, 1.0}


def test_equal_results_make_equal_bytes(store, whole, tmp_path):
    store.write_bundle(tmp_path / "again.bundle")
    assert (tmp_path / "again.bundle").read_bytes() == whole


def test_what_lies_in_the_folder_stands_before_the_bundle(store):
    newer = made_result(CASES[0].spec, lambda *_: 0.9, finished="2026-05-01T00:00:00+00:00")
    put_scores(store, newer, clips(50))
    assert store.get(newer["key"]) == newer
    assert store.table(newer["key"], "scores").equals(clips(50))
    assert [result["key"] for result in store.results()[0]].count(newer["key"]) == 1
    assert len(store.results()[0]) == len(CASES) + 1
    store.write_bundle(store.bundle_path)  # both, as one
    (store.run_folder(newer["key"]) / "result.json").unlink()
    assert store.get(newer["key"]) == newer


def test_a_damaged_result_is_not_done_though_the_bundle_has_it(store):
    """As in reports: what lies in the folder counts."""
    spec = next(spec for spec, _ in store.all() if spec.plan() == CASES[0].spec)
    put(store, {"key": spec.key})
    looking = progress.Progress(STUDY, store)
    assert looking.look()[0].state == progress.MISSING
    (said,) = looking.unread
    assert said in store.results()[1]
    assert CASES[0].spec not in answers(STUDY, store).results


@pytest.mark.parametrize("lab", ["", "+lab"])
def test_a_bundle_that_cannot_be_read_hides_nothing_beside_it(store, folder, lab, tmp_path):
    ours = Store(shutil.copytree(folder.folder, tmp_path / "ours" / STUDY.name))
    kept = [result["key"] for result in ours.results()[0] if "tests" in result]
    shutil.rmtree(ours.run_folder(kept[0]))
    whole, damaged = ours.bundle_path, ours.folder.with_name(f"{STUDY.name}+lab{BUNDLE}")
    if not lab:
        whole, damaged = damaged, whole
    shutil.copy(store.bundle_path, whole)
    damaged.write_bytes(b"PK")
    results, unread = ours.results()
    assert len(results) == len(CASES) + 1
    assert [str(damaged) in said for said in unread] == [True]
    assert all(ours.table(key, "scores") is not None for key in kept)
    with pytest.raises(ResultsUnreadable, match="get it again"):
        ours.get("another-0123456789ab")  # which may be in what cannot be read


def test_a_run_that_is_in_the_bundle_can_be_run_again(store):
    (seen, *_) = progress.Progress(STUDY, store).look()
    assert seen.state == progress.DONE
    spec = next(spec for spec, _ in store.all() if spec.plan() == seen.case.spec)
    with store.claim(spec.key):
        store.start(spec)
        assert progress.Progress(STUDY, store).look()[0].state == progress.RUNNING
        assert store.get(spec.key) is not None
    assert progress.Progress(STUDY, store).look()[0].state == progress.DONE


def test_the_stored_study_is_in_one_file_under_a_megabyte():
    store = Store(RESULTS / "open-small.bundle")
    results, unread = store.results()
    assert len(results) >= 144
    assert unread == []
    assert store.bundle_path.stat().st_size < 1_000_000
    tables = [store.table(result["key"], "scores") for result in results[::10] if "tests" in result]
    assert {str(table[label].dtype) for table in tables for label in LABELS} == {"float32"}
    assert all(set(np.unique(table[list(LABELS)])) == {0.0, 1.0} for table in tables), "its decisions"


def test_the_command(folder, tmp_path):
    runner, root = CliRunner(), str(folder.folder.parent)
    outcome = runner.invoke(
        cli.main, ["bundle", "synthetic", "--results", root, "--output", f"{tmp_path}/a.bundle"]
    )
    assert outcome.exit_code == 0
    assert outcome.stdout.startswith(f"4 results in {tmp_path}/a.bundle, ")
    outcome = runner.invoke(cli.main, ["bundle", "synthetic", "--results", str(tmp_path)])
    assert outcome.exit_code == 1
    assert "no finished run in" in outcome.stderr


def test_what_cannot_be_read_is_left_out_and_named(folder, tmp_path):
    store = Store(tmp_path / "results" / STUDY.name)
    good, bad = (made_result(case.spec, lambda *_: 0.5) for case in CASES[:2])
    put_scores(store, good, clips(0))
    put_scores(store, bad, clips(1))
    (store.run_folder(bad["key"]) / "scores.parquet").write_bytes(b"PAR1")
    said = store.write_bundle(store.bundle_path)
    assert "1 stored file cannot be read, left out here:" in said
    assert Store(store.bundle_path).get(bad["key"]) == bad
    with pytest.raises(ResultsUnreadable, match="missing"):
        Store(store.bundle_path).table(bad["key"], "scores")
    with pytest.raises(ResultsUnwritable):
        store.write_bundle(tmp_path / "no" / "a.bundle")


# --- a bundle may come from anybody ---


def parts_of(data):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts, **settings):
    """A zip of (name, bytes), with names twice where they are given twice."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **settings) as archive:
        for name, data in parts:
            archive.writestr(name, data)
    return buffer.getvalue()


def remade(data, name, content, **about):
    """The bundle with another content of one part, as its manifest says but for what is given."""
    parts = parts_of(data)
    manifest = json.loads(parts[bundle.MANIFEST])
    manifest["parts"][name] = {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        **about,
    }
    parts |= {name: lzma.compress(content), bundle.MANIFEST: json.dumps(manifest)}
    return zipped(parts.items())


def results_of(data):
    return lzma.decompress(parts_of(data)[bundle.RESULTS])


def scores_of(data):
    return parquet.read_table(io.BytesIO(lzma.decompress(parts_of(data)[bundle.STORED["scores"]])))


def as_parquet(table, **settings):
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, **{"compression": "none", "use_dictionary": False, **settings})
    return buffer.getvalue()


def with_scores(data, change, **settings):
    return remade(data, bundle.STORED["scores"], as_parquet(change(scores_of(data)), **settings))


def with_manifest(data, change):
    parts = parts_of(data)
    return zipped({**parts, bundle.MANIFEST: change(parts[bundle.MANIFEST])}.items())


def twice(data):
    with pytest.warns(UserWarning, match="Duplicate name"):
        return zipped([*parts_of(data).items(), (bundle.RESULTS, b"")])


def repeated(table):
    """Equal rows, which encoded by value take hardly a byte."""
    return pyarrow.concat_tables([table.slice(0, 1)] * 2000).combine_chunks()


EVIL = {
    "empty": lambda data: b"",
    "cut": lambda data: data[:-1000],
    "no zip": lambda data: b"PK" * 100,
    "a path": lambda data: zipped([*parts_of(data).items(), ("../../evil", b"")]),
    "a part twice": twice,
    "no manifest": lambda data: zipped([*parts_of(data).items()][1:]),
    "a zip bomb": lambda data: zipped(parts_of(data).items(), compression=zipfile.ZIP_DEFLATED),
    "a large directory": lambda data: zipped([(f"{number:0200}", b"") for number in range(10)]),
    "an xz bomb": lambda data: remade(data, bundle.RESULTS, bytes(10_000_000), bytes=1000),
    "an xz bomb that says so": lambda data: remade(data, bundle.RESULTS, b"", bytes=1 << 40),
    "a size that is none": lambda data: remade(data, bundle.RESULTS, b"", bytes=-1),
    "another digest": lambda data: remade(data, bundle.RESULTS, results_of(data), sha256="0" * 64),
    "a manifest that is none": lambda data: with_manifest(data, lambda text: b"[1]"),
    "a nested manifest": lambda data: with_manifest(data, lambda text: b"[" * 100_000),
    "a newer format": lambda data: with_manifest(
        data, lambda text: text.replace(b'"format": 1', b'"format": 2')
    ),
    "a result twice": lambda data: remade(data, bundle.RESULTS, results_of(data) * 2),
    "a key that is a path": lambda data: remade(data, bundle.RESULTS, b'{"key": "../../evil"}'),
    "a key that is hidden": lambda data: remade(data, bundle.RESULTS, b'{"key": ".evil"}'),
    "no results": lambda data: remade(data, bundle.RESULTS, b"[]"),
}
EVIL_SCORES = {
    "cannot be read": lambda data: remade(data, bundle.STORED["scores"], b"PAR1"),
    "more rows than bytes": lambda data: with_scores(data, repeated, use_dictionary=True),
    "compressed by Parquet": lambda data: with_scores(data, lambda table: table, compression="zstd"),
    "No match for FieldRef.Name.sad": lambda data: with_scores(data, lambda table: table.drop_columns("sad")),
    "column angry holds": lambda data: with_scores(
        data, lambda table: table.set_column(5, "angry", [["loud"] * len(table)])
    ),
    "has 5,000 characters": lambda data: with_scores(
        data, lambda table: table.set_column(2, "path", [["x" * 5000] * len(table)])
    ),
    "11 clips; its result.json says 12": lambda data: with_scores(
        data, lambda table: table.slice(0, len(table) - 1)
    ),
}


@pytest.mark.parametrize("how", EVIL)
def test_a_damaged_or_evil_bundle_is_one_message(store, whole, tmp_path, how):
    store.bundle_path.write_bytes(EVIL[how](whole))
    results, unread = store.results()
    assert results == []
    (said,) = unread
    assert str(store.bundle_path) in said
    assert "get it again" in said or "written by a newer serkit" in said
    with pytest.raises(ResultsUnreadable):
        store.finished(CASES[0].spec.key, "scores")  # a session says so; it does not train everything again
    looking = progress.Progress(STUDY, store)
    looking.look()
    assert looking.unread == unread
    assert [path.name for path in tmp_path.rglob("*")] == ["results", store.bundle_path.name]


@pytest.mark.parametrize("why", EVIL_SCORES)
def test_damaged_or_evil_scores_are_one_message(store, whole, why):
    data = EVIL_SCORES[why](whole)
    store.bundle_path.write_bytes(data)
    results, unread = store.results()
    assert (len(results), unread) == (len(CASES) + 1, [])
    keys = sorted(result["key"] for result in results if "tests" in result)
    with pytest.raises(ResultsUnreadable, match=why) as caught:
        store.table(keys[-1], "scores")
    assert str(store.bundle_path) in str(caught.value)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_nothing_waits_for_a_bundle_that_is_no_file(store, make):
    store.bundle_path.unlink()
    make(store.bundle_path)
    results, unread = store.results()
    assert results == []
    assert all(str(store.bundle_path) in said for said in unread)


def test_a_result_in_a_bundle_is_checked_as_one_in_a_folder(store, whole):
    lines = results_of(whole).splitlines()
    damaged = [lines[0].replace(b'"schema":1', b'"schema":"one"'), *lines[1:]]
    store.bundle_path.write_bytes(remade(whole, bundle.RESULTS, b"\n".join(damaged)))
    results, unread = store.results()
    assert len(results) == len(lines) - 1
    (said,) = unread
    key = json.loads(lines[0])["key"]
    assert f"{store.bundle_path / key / 'result.json'} is damaged: schema must be" in said
    with pytest.warns(UserWarning, match="It is run again now"):
        assert store.finished(key, "scores") is None


@FEWER
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255), cut=st.booleans())
def test_any_damage_is_said_or_makes_no_difference(whole, folder, tmp_path_factory, place, value, cut):
    at = int(place * len(whole))
    damaged = whole[:at] if cut else whole[:at] + bytes([value]) + whole[at + 1 :]
    path = tmp_path_factory.getbasetemp() / f"fuzzed{BUNDLE}"
    path.unlink(missing_ok=True)
    path.write_bytes(damaged)
    store = Store(path)
    results, unread = store.results()
    if not unread:
        assert results == folder.results()[0]
        for result in results:
            with contextlib.suppress(ResultsUnreadable):
                store.table(result["key"], "scores" if "tests" in result else "estimates")
