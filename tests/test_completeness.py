"""A bundle that is checked: whole and complete, or what is damaged and what is missing, by name."""

import io
import zipfile

import pytest
from click.testing import CliRunner

from benchmark import cli
from benchmark import study as studies
from serkit import bundle
from serkit.resultfile import BUNDLE
from serkit.results import Store
from serkit.specs import METHOD
from tests.made_results import made_result, put, put_clips

TEXT = """
title = "Two folds"
seeds = [0, 1, 2]
[corpora]
one = { reader = "made", title = "ONE", folds = 2 }
[model]
width = 4
weights = ""
[table1]
train = [["one"]]
"""


@pytest.fixture
def check(tmp_path, monkeypatch):
    """What `bundle --check` says of a study's bundle."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.toml").write_text(TEXT)
    (tmp_path / "results").mkdir()

    def called(*arguments):
        outcome = CliRunner().invoke(cli.main, ["bundle", "study.toml", "--check", *arguments])
        assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
        return outcome.exit_code, outcome.output

    return called


@pytest.fixture
def cases(check):
    return studies.plan(studies.read("study.toml"))


def written(tmp_path, cases, put=put_clips, **changes):
    """The bundle of some of a study's runs."""
    store = Store(tmp_path / "made" / "study")
    for case in cases:
        put(store, made_result(case.spec, lambda *_: 0.5, **changes))
    path = tmp_path / "results" / f"study{BUNDLE}"
    store.write_bundle(path)
    return path


def test_a_whole_bundle_is_whole_wherever_it_lies(check, cases, tmp_path):
    path = written(tmp_path, cases)
    code, said = check()
    assert code == 0
    assert said.splitlines() == [
        f"results/study{BUNDLE}: 6 results, {path.stat().st_size:,} bytes",
        "All 6 cases of study study.toml are there",
        "All digests, results and tables are as they were written",
    ]
    path.rename(path.with_name(f"study+lab{BUNDLE}"))
    assert check("--output", f"results/study+lab{BUNDLE}")[0] == 0
    code, said = check()
    assert (code, said.splitlines()) == (
        1,
        [
            f"ResultsUnreadable: no bundle results/study{BUNDLE}; expected a file that ends in {BUNDLE},"
            " write it first: python -m benchmark bundle study.toml"
        ],
    )


@pytest.mark.parametrize("missing", [1, 5])
def test_a_few_that_are_missing_are_named_and_the_rest_counted(check, cases, tmp_path, missing):
    written(tmp_path, cases[missing:])
    code, said = check()
    assert code == 1
    (line,) = (line for line in said.splitlines() if line.startswith("Missing"))
    assert line.startswith(f"Missing: {missing} of 6 cases of study study.toml: {cases[0].id}")
    assert ("and 2 more" in line) == (missing == 5)
    assert "Damaged" not in said


def test_runs_by_another_method_are_missing(check, cases, tmp_path):
    def older(store, result):
        result["spec"]["method"] = METHOD - 1
        put_clips(store, result)

    written(tmp_path, cases, older)
    code, said = check()
    assert code == 1
    assert f"6 results by method {METHOD - 1} left out" in said
    assert "Missing: 6 of 6" in said


def test_a_result_without_its_table_is_damaged(check, cases, tmp_path):
    def put_most(store, result):
        (put if result["spec"]["seed"] == 1 else put_clips)(store, result)

    path = written(tmp_path, cases, put_most)
    code, said = check()
    assert code == 1
    assert "All 6 cases" in said
    *_, first, second = said.splitlines()
    for line in (first, second):
        assert line.startswith(f"{path.relative_to(tmp_path)}/one-aug0-")
        assert "-seed1-" in line
        assert "scores.parquet is damaged: it is missing beside its result.json" in line


@pytest.mark.parametrize("name", [bundle.MANIFEST, bundle.RESULTS, bundle.STORED["scores"]])
def test_any_part_that_is_not_as_it_was_written_is_named_once(check, cases, tmp_path, name):
    path = written(tmp_path, cases)
    with zipfile.ZipFile(path) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    middle = len(parts[name]) // 2
    parts[name] = parts[name][:middle] + bytes([parts[name][middle] ^ 1]) + parts[name][middle + 1 :]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for part, data in parts.items():
            archive.writestr(part, data)
    path.write_bytes(buffer.getvalue())
    code, said = check()
    assert code == 1
    assert said.count(f"{path.relative_to(tmp_path)} cannot be read") == 1
    assert ("All 6 cases" in said) == (name == bundle.STORED["scores"])
