"""The command line as a user types it: what it prints, and its exit codes."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark import cli
from benchmark import study as studies
from serkit import doctor
from serkit.results import Store
from tests.made_results import made_result, put

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for variable, name in {
        "SERKIT_DATA": "data",
        "SERKIT_WEIGHTS": "weights",
        "SERKIT_CACHE": "cache",
    }.items():
        (tmp_path / name).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / name))
    monkeypatch.delenv("SERKIT_RESULTS", raising=False)


def called(*arguments):
    outcome = CliRunner().invoke(cli.main, arguments)
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome


# --- report ---


def test_report_on_an_empty_store(tmp_path):
    outcome = called("report", "--study", "synthetic", "--results", str(tmp_path / "out"))
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert "0 of 99 runs, 0 of 6 measurements done" in outcome.stdout
    assert (tmp_path / "out" / "synthetic" / "report.md").is_file()


def test_report_shows_what_is_there(tmp_path):
    study = studies.read("synthetic")
    case = next(case for case in studies.plan(study) if case.spec.label == "synmsp-aug0")
    put(Store(tmp_path / "results" / "synthetic"), made_result(case.spec, lambda *_: 0.625))
    outcome = called("report", "--study", "synthetic")  # in ./results, as pytest leaves them
    assert outcome.exit_code == 0
    assert "1 of 99 runs, 0 of 6 measurements done" in outcome.stdout
    assert "SYN-MSP" in outcome.stdout
    assert "0.62 (0)" in outcome.stdout


def test_report_takes_the_results_from_where_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_RESULTS", str(tmp_path / "elsewhere"))
    assert called("report").exit_code == 0
    assert (tmp_path / "elsewhere" / "paper" / "cells.csv").is_file()  # the default study


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--study", "papr"], "SpecError: no study 'papr'; expected one of open, paper,"),
        (["--study", "no.toml"], "SpecError: study file no.toml cannot be read: No such file or directory"),
        (
            ["--results", "taken"],
            "ResultsUnwritable: results cannot be written to taken/paper (Not a directory);",
        ),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(tmp_path, arguments, message):
    (tmp_path / "taken").write_text("a file, where a folder is needed")
    outcome = called("report", *arguments)
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith(message)
    assert outcome.stderr.count("\n") == 1
    assert outcome.stdout == ""


# --- status and plan ---


def test_status_of_what_was_never_begun():
    outcome = called("status")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert outcome.stdout == "Study paper: 0 of 419 done, 419 left; time left unknown\n"
    assert not Path("results").exists()  # it only looks


def test_status_says_what_failed_and_how_to_run_it_again(tmp_path):
    case = studies.plan(studies.read("synthetic"))[0]
    store = Store(tmp_path / "out" / "synthetic")
    with contextlib.suppress(RuntimeError), store.claim(case.spec.key):
        store.start(case.spec)
        raise RuntimeError("no luck")
    outcome = called("status", "--study", "synthetic", "--results", "out")
    assert outcome.exit_code == 0
    assert "(1 failed)" in outcome.stdout
    assert f"{case.id}  RuntimeError: no luck" in outcome.stdout
    assert f'SERKIT_RESULTS=out pytest cases/ --study synthetic -k "[{case.id}]"' in outcome.stdout


def test_plan_is_of_the_study_with_sizes_from_where_they_are(tmp_path):
    outcome = called("plan")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert outcome.stdout.startswith("Study paper: ")
    assert "MSP-Podcast published; IEMOCAP published; CREMA-D published" in outcome.stdout
    assert not Path("results").exists()


def test_plan_of_corpora_of_unknown_size_is_one_line_and_exit_code_1():
    outcome = called("plan", "--study", "open")
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("CorpusMissing: RAVDESS: ")
    assert outcome.stderr.count("\n") == 1


# --- doctor ---


def test_doctor_finds_nothing_and_that_is_no_fault_unless_asked_for():
    outcome = called("doctor")
    assert outcome.exit_code == 0
    titles = ["MSP-Podcast", "IEMOCAP", "CREMA-D", "RAVDESS", "EmoDB"]
    assert [line for line in outcome.stdout.splitlines() if line.endswith(": missing")] == [
        f"{title}: missing" for title in titles
    ]

    outcome = called("doctor", "ravdess")
    assert outcome.exit_code == 1
    assert "RAVDESS: missing" in outcome.stdout
    assert "docs/corpora.md" in outcome.stdout
    assert "EmoDB" not in outcome.stdout


def test_doctor_without_a_data_folder_says_so(monkeypatch):
    monkeypatch.delenv("SERKIT_DATA")
    outcome = called("doctor", "emodb")
    assert outcome.exit_code == 1
    assert "SERKIT_DATA is not set" in outcome.stdout


@pytest.mark.parametrize(
    ("arguments", "codes"),
    [
        # exit code where every corpus is: fit, unfit, missing
        ((), (0, 1, 0)),
        (("emodb",), (0, 1, 1)),
        (("emodb", "ravdess"), (0, 1, 1)),
        (("--study", "open"), (0, 1, 1)),
    ],
)
def test_doctor_exit_codes(monkeypatch, arguments, codes):
    for kind, code in zip((None, "truncated", "missing"), codes, strict=True):
        problems = (doctor.Problem(kind, "unfit", "a message"),) if kind else ()
        monkeypatch.setattr(
            doctor,
            "examine",
            lambda name, data, options, problems=problems: doctor.Examination(
                name, name, "", problems=problems
            ),
        )
        assert called("doctor", *arguments).exit_code == code


def test_doctor_examines_as_it_is_told(monkeypatch, tmp_path):
    asked = []

    def examine(name, data, options):
        asked.append((name, data, options))
        return doctor.Examination(name, name, "")

    monkeypatch.setattr(doctor, "examine", examine)
    data = tmp_path / "data"
    assert called("doctor", "crema_d", "-o", "labels=intended", "-o", "folds=5").exit_code == 0
    assert called("doctor", "--study", "open").exit_code == 0
    assert called("doctor", "--study", "open", "ravdess").exit_code == 0
    assert asked == [
        ("crema_d", data, {"labels": "intended", "folds": 5}),
        ("crema_d", data, {}),
        ("ravdess", data, {"folds": 5}),  # the study's own options
        ("emodb", data, {}),
        ("ravdess", data, {"folds": 5}),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["doctor", "iemocapp"], "no corpus 'iemocapp'; expected one of msp_podcast, iemocap,"),
        (
            ["doctor", "--study", "open", "iemocap"],
            "no corpus 'iemocap'; expected one of cremad, ravdess, emodb",
        ),
        (["doctor", "--option", "labels"], "--option labels: expected KEY=VALUE"),
        (["weights", "cnn15"], "'cnn15' is not one of 'cnn14-32k', 'cnn14-16k'"),
        (["reports"], "No such command 'reports'"),
        (["report", "--studdy", "open"], "No such option"),
    ],
)
def test_wrong_usage_is_exit_code_2(arguments, message):
    outcome = called(*arguments)
    assert outcome.exit_code == 2
    assert message in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["doctor", "ravdess", "-o", "colour=red"],
            "SpecError: corpus reader 'ravdess' has no option 'colour'",
        ),
        (["doctor", "--study", "papr"], "SpecError: no study 'papr'"),
    ],
)
def test_doctor_of_what_cannot_be(arguments, message):
    outcome = called(*arguments)
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith(message)
    assert outcome.stderr.count("\n") == 1


# --- weights ---


@pytest.mark.parametrize("name", ["cnn14-32k", "cnn14-16k"])
def test_weights_that_are_not_there(tmp_path, name):
    outcome = called("weights", "--verify", name)
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith(f"WeightsMissing: checkpoint {name}: no file {tmp_path / 'weights'}")
    assert "run: python -m benchmark weights" in outcome.stderr
    assert "https://zenodo.org/" in outcome.stderr  # or by hand
    assert outcome.stderr.count("\n") == 1


def test_weights_that_are_another_file(tmp_path):
    (tmp_path / "weights" / "Cnn14_mAP=0.431.pth").write_text("404 Not Found")
    outcome = called("weights", "--verify")  # the 32 kHz one where none is named
    assert outcome.exit_code == 1
    assert "is not the published file" in outcome.stderr


# --- the program ---


def test_it_is_a_program_too(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    outcome = subprocess.run(
        [sys.executable, "-m", "benchmark", "--help"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.stdout.startswith("Usage: python -m benchmark ")
    commands = outcome.stdout.split("Commands:")[1].split()
    assert {"doctor", "weights", "report", "status", "plan"} <= set(commands)
