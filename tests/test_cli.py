"""The command line as a user types it: what it prints, and its exit codes."""

import contextlib
import os
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete, get_completion_class
from click.testing import CliRunner

import serkit
from benchmark import cli, options
from benchmark import study as studies
from serkit import corpora, doctor
from serkit.results import Store
from tests.made_checkout import TINY
from tests.made_results import made_result, put
from tools.roomnet import __main__ as roomnet
from tools.speed import __main__ as speed

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


def test_results_are_those_that_the_option_names(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_RESULTS", str(tmp_path / "elsewhere"))
    (tmp_path / "here").mkdir()
    study = studies.read("synthetic")
    case = next(case for case in studies.plan(study) if case.spec.label == "synmsp-aug0")
    put(Store(tmp_path / "here" / "synthetic"), made_result(case.spec, lambda *_: 0.625))
    assert "1 of 77 done" in called("status", "--study", "synthetic", "--results", "here").stdout
    outcome = called("report", "--study", "synthetic", "--results", "ther")
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("ResultsUnreadable: no results folder ther;")


@pytest.mark.usefixtures("numbers_only")
def test_report_on_an_empty_store(tmp_path):
    (tmp_path / "out").mkdir()
    outcome = called("report", "--study", "synthetic", "--results", str(tmp_path / "out"))
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert "0 of 71 runs, 0 of 6 measurements done" in outcome.stdout
    assert (tmp_path / "out" / "synthetic" / "report.md").is_file()


@pytest.mark.usefixtures("numbers_only")
def test_report_shows_what_is_there(tmp_path):
    study = studies.read("synthetic")
    case = next(case for case in studies.plan(study) if case.spec.label == "synmsp-aug0")
    put(Store(tmp_path / "results" / "synthetic"), made_result(case.spec, lambda *_: 0.625))
    outcome = called("report", "--study", "synthetic")  # in ./results, as pytest leaves them
    assert outcome.exit_code == 0
    assert "1 of 71 runs, 0 of 6 measurements done" in outcome.stdout
    assert "SYN-MSP" in outcome.stdout
    assert " 0.62 " in outcome.stdout, "one training has no interval"


@pytest.mark.usefixtures("numbers_only")
def test_report_takes_the_results_from_where_they_are(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_RESULTS", str(tmp_path / "elsewhere"))
    assert called("report").exit_code == 0
    assert (tmp_path / "elsewhere" / "paper" / "cells.csv").is_file()  # the default study


@pytest.mark.parametrize("colours", ["paper", "safe"])
def test_report_draws_in_the_colours_asked_for(tmp_path, monkeypatch, colours):
    drawn = []
    monkeypatch.setattr(
        "benchmark.report.write.assemble", lambda *given: drawn.append(given[2]) or ("", None)
    )
    assert called("report", *(["--colours", "safe"] if colours == "safe" else [])).exit_code == 0
    assert drawn == [colours]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--study", "papr"],
            "SpecError: no study 'papr'; expected one of open, open-encoders, open-small, paper,",
        ),
        (
            ["--study", "opn"],
            "SpecError: no study 'opn'; expected one of open, open-encoders, open-small, paper,",
        ),
        (["--study", "no.toml"], "SpecError: study file no.toml cannot be read: No such file or directory"),
        (
            ["--results", "taken"],
            "ResultsUnreadable: no results folder taken; name the one that holds a folder for each study",
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
    assert outcome.stdout == "Study paper: 0 of 434 done, 434 left; time left unknown\n"
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
    assert f'pytest cases/ --study synthetic --results=out -k "[{case.id}]"' in outcome.stdout


def test_plan_is_of_the_study_with_sizes_from_where_they_are(tmp_path):
    outcome = called("plan")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert outcome.stdout.startswith("Study paper: ")
    words = " ".join(outcome.stdout.split())
    assert "MSP-Podcast published; IEMOCAP published; CREMA-D published" in words
    assert not Path("results").exists()


def test_a_command_for_each_case_that_is_left_and_each_stands_alone(tmp_path, monkeypatch):
    """What others are compared with comes first, then what takes longest."""
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a folder" / "mine.toml").write_text(TINY.replace("epochs = 2", "epochs = 1"))
    monkeypatch.setenv("SERKIT_DATA", "data")
    given = ("--study", "a folder/mine.toml", "--results", "some results")
    lines = called("plan", *given, "--commands").stdout.splitlines()
    cases = {case.id: case for case in studies.plan(studies.read("a folder/mine.toml"))}
    ids = [shlex.split(line)[-2] for line in lines]
    assert sorted(ids) == sorted(cases)
    order = [(cases[id].turn, -cases[id].cost) for id in ids]
    assert order == sorted(order)
    assert all(
        line.startswith(f"env OMP_NUM_THREADS=1 SERKIT_DATA={tmp_path}/data SERKIT_CACHE=") for line in lines
    )
    case = cases[ids[0]]
    put(Store(tmp_path / "some results" / "mine"), made_result(case.spec, lambda *_: 0.5))
    assert called("plan", *given, "--commands").stdout.splitlines() == lines[1:]


def test_one_case_by_its_id():
    unknown = called("case", "synthetic", "synmsp-aug")
    assert unknown.exit_code == 2
    assert "no case 'synmsp-aug' in synthetic; did you mean 'synmsp-aug0'?" in unknown.stderr
    missing = called("case", "open", "ravdess-aug0-fold00")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert "CorpusMissing: " in missing.stderr


def test_plan_of_corpora_of_unknown_size_shows_the_cases():
    outcome = called("plan", "--study", "open")
    assert outcome.exit_code == 0
    assert "Clips and hours are not known: RAVDESS: " in outcome.stdout


# --- doctor ---


def test_doctor_finds_nothing_and_that_is_no_fault_unless_asked_for():
    outcome = called("doctor")
    assert outcome.exit_code == 0
    titles = [corpora.reader(name).TITLE for name in corpora.names() if corpora.is_one(name)]
    missing = [line for line in outcome.stdout.splitlines() if line.endswith(": missing")]
    assert {"CREMA-D", "EmoDB"} < set(titles)
    assert missing == [f"{title}: missing" for title in titles]

    outcome = called("doctor", "ravdess")
    assert outcome.exit_code == 1
    assert "RAVDESS: missing" in outcome.stdout
    assert "docs/corpora.md" in outcome.stdout
    assert "EmoDB" not in outcome.stdout


def test_doctor_calls_a_corpus_by_its_studys_title_or_its_databases_name(tmp_path):
    corpus = (
        '{ reader = "audformat", folds = 3, options = { name = "mine", folds = 3 }, title = "My corpus" }'
    )
    (tmp_path / "s.toml").write_text(
        f'title = "x"\n[corpora]\nmine = {corpus}\n[table1]\ntrain = [["mine"]]\n'
    )
    outcome = called("doctor", "--study", str(tmp_path / "s.toml"))
    assert outcome.stdout.startswith("My corpus: missing\n  audformat database mine: no folder")
    assert called("doctor", "audformat", "-o", "name=mine").stdout.startswith(
        "audformat database mine: missing"
    )


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
            lambda name, data, options, problems=problems: doctor.Examination(problems=problems),
        )
        assert called("doctor", *arguments).exit_code == code


def test_doctor_examines_as_it_is_told(monkeypatch, tmp_path):
    asked = []

    def examine(name, data, options):
        asked.append((name, data, options))
        return doctor.Examination()

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


def test_names_that_would_steer_the_terminal_are_spelt_out(monkeypatch):
    def examine(name, data, options):
        return doctor.Examination()

    monkeypatch.setattr(doctor, "examine", examine)
    monkeypatch.setattr(
        "benchmark.doctor.render", lambda examination, title: f"a clip called \x1b]0;x\x07 of {title}"
    )
    outcome = called("doctor", "emodb")
    assert outcome.stdout.startswith("a clip called \\x1b]0;x\\x07 of EmoDB\n")


def test_why_a_case_failed_is_spelt_out(tmp_path):
    case = studies.plan(studies.read("synthetic"))[0]
    store = Store(tmp_path / "out" / "synthetic")
    with contextlib.suppress(RuntimeError), store.claim(case.spec.key):
        store.start(case.spec)
        raise RuntimeError("no \x1b[31mluck")
    assert (
        "RuntimeError: no \\x1b[31mluck"
        in called("status", "--study", "synthetic", "--results", "out").stdout
    )


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        (["folds=3"], {"folds": 3}),
        (["name=mine"], {"name": "mine"}),
        (['name="3"'], {"name": "3"}),
        (["name="], {"name": ""}),
        (["name=2020-01-01"], {"name": "2020-01-01"}),  # no option is a date
        (["name=nan"], {"name": "nan"}),
        (["name=a = b"], {"name": "a = b"}),
        (["split_by_clip=true"], {"split_by_clip": True}),
        (['tables=["a", "b"]'], {"tables": ["a", "b"]}),
        (['labels={ joy = "happy" }'], {"labels": {"joy": "happy"}}),
        (["labels.joy=happy", "labels.Ärger=angry"], {"labels": {"joy": "happy", "Ärger": "angry"}}),
        (["labels.a.b=sad"], {"labels": {"a.b": "sad"}}),
        (["folds=3", "folds=4"], {"folds": 4}),
        (["name=" + "[" * 3000], {"name": "[" * 3000}),
    ],
)
def test_options_are_typed_as_a_study_has_them(typed, means):
    assert options.added({}, typed) == means


def test_a_typed_pair_joins_those_of_the_study():
    """A study's mapping is pairs, as specs hold it."""
    chosen = {"labels": (("joy", "happy"), ("calm", "neutral")), "name": "mine"}
    assert options.added(chosen, ["labels.calm=sad", "labels.rage=angry"]) == {
        "labels": {"joy": "happy", "calm": "sad", "rage": "angry"},
        "name": "mine",
    }
    assert options.added(chosen, ['labels={ a = "sad" }'])["labels"] == {"a": "sad"}
    assert chosen["labels"] == (("joy", "happy"), ("calm", "neutral"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["doctor", "iemocapp"], "no corpus 'iemocapp'; expected one of audformat, crema_d,"),
        (
            ["doctor", "--study", "open", "iemocap"],
            "no corpus 'iemocap'; expected one of cremad, ravdess, emodb",
        ),
        (["doctor", "--option", "labels"], "--option labels: expected KEY=VALUE"),
        (["doctor", "--option", "labels.=happy"], "--option labels.=happy: expected KEY=VALUE"),
        (["doctor", "--option", "=happy"], "--option =happy: expected KEY=VALUE"),
        (
            ["doctor", "-o", "labels=3", "-o", "labels.joy=happy"],
            "--option labels.joy=happy: labels maps no names, it is 3",
        ),
        (["doctor", "--option", "\x1b[31m"], "--option \\x1b[31m: expected KEY=VALUE"),
        (["weights", "cnn15"], "'cnn15' is not one of 'cnn14-32k', 'cnn14-16k'"),
        (["doctor", "emodbb"], "did you mean 'emodb'?"),
        (["bundle"], "Missing argument 'STUDY'"),
        (["compare", "open"], "Missing argument 'B'"),
        (["folds"], "Missing argument 'STUDY'"),
        (["import", "open"], "Missing argument 'PREDICTIONS'"),
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
        (
            ["doctor", "-o", "name=\x1b[31m"],
            "SpecError: --option.name: '\\x1b[31m' has control characters; expected plain text",
        ),
    ],
)
def test_doctor_of_what_cannot_be(arguments, message):
    outcome = called(*arguments)
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith(message)
    assert outcome.stderr.count("\n") == 1


# --- predictions from elsewhere (tests/test_predictions.py) ---


def test_folds_of_what_is_not_there_and_predictions_that_are_not():
    outcome = called("folds", "open-small", "--output", "folds.csv")
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("CorpusMissing: ")
    assert outcome.stderr.count("\n") == 1
    assert not Path("folds.csv").exists()
    outcome = called("import", "open", "gone.csv")
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith(
        "SpecError: study open has [model] encoder = 'cnn14', which serkit trains;"
    )
    assert not Path("results").exists()


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


# --- options ---

COMMANDS = cli.main.commands


def test_an_option_means_the_same_in_every_command():
    found = {}
    for name, command in {**COMMANDS, "speed": speed.main, **roomnet.main.commands}.items():
        for option in command.params:
            if isinstance(option, click.Option):
                found.setdefault(option.opts[0], {})[name] = option
    for name in ("--study", "--results", "--seed", "--quick", "--output"):
        assert len(found[name]) > 1
    assert {of.help.partition(":")[0] for of in found["--study"].values()} == {
        "Built-in study, or the TOML file of one"
    }
    assert len({of.help for of in found["--results"].values()}) == 1
    assert {(of.type.min, of.type.max, of.default) for of in found["--seed"].values()} == {(0, 2**32 - 1, 0)}
    assert {of.help.partition(";")[0] for of in found["--quick"].values()} == {
        "A few seconds, to see that it works"
    }
    assert {of.help.partition(" to ")[0].partition(" write")[0] for of in found["--output"].values()} == {
        "Folder",
        "File",
    }


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_its_help(command):
    long, short = called(*command.split(), "--help"), called(*command.split(), "-h")
    assert (long.exit_code, short.exit_code) == (0, 0)
    assert long.stdout == short.stdout
    assert "Usage: " in long.stdout


def test_exit_codes_are_said():
    told = called("--help").stdout
    for code in ("0 done", "1 bad input", "2 wrong usage", "3 (compare) something moved"):
        assert code in " ".join(told.split())


def test_the_version():
    outcome = called("--version")
    assert (outcome.exit_code, outcome.stdout) == (0, f"serkit, version {serkit.__version__}\n")


@pytest.mark.parametrize(
    ("typed", "incomplete", "completions"),
    [
        ([], "re", {"report"}),
        (["report"], "--st", {"--study"}),
        (
            ["report", "--study"],
            "",
            {"open", "open-encoders", "open-small", "paper", "synthetic", "worlds", ""},
        ),
        (
            ["report", "--study"],
            "o",
            {"open", "open-encoders", "open-small", "o"},
        ),  # or a file, which the shell completes
        (["compare", "open"], "pap", {"paper", "pap"}),
        (["doctor"], "r", {"ravdess"}),
        (["doctor", "--study", "open"], "", {"cremad", "ravdess", "emodb"}),
        (["doctor", "--study", "papr"], "", set()),
        (["bundle"], "pap", {"paper", "pap"}),
        (["folds"], "pap", {"paper", "pap"}),
        (["import"], "pap", {"paper", "pap"}),
    ],
)
def test_the_shell_completes(typed, incomplete, completions):
    found = ShellComplete(cli.main, {}, "serbench", "_SERBENCH_COMPLETE").get_completions(typed, incomplete)
    assert {item.value for item in found} == completions
    files = {item.value for item in found if item.type == "file"}
    assert files <= {incomplete}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_line_for_each_shell_is_clicks_own(shell):
    text = (ROOT / "docs" / "command-line.md").read_text()
    assert f"_SERBENCH_COMPLETE={shell}_source serbench" in text
    script = get_completion_class(shell)(cli.main, {}, "serbench", "_SERBENCH_COMPLETE")
    assert f"_SERBENCH_COMPLETE={shell}_complete" in script.source_template % script.source_vars()
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["serbench"] == "benchmark.cli:main"


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
