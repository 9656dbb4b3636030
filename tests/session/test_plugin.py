"""The plugin from outside, as a user meets it: sessions in a folder of their own."""

import json
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import Mock

import pandas as pd
import pytest

import serkit.corpora.synthetic
import serkit.measure
import serkit.run
import serkit.splits
from benchmark import study as studies
from benchmark.session import work
from benchmark.study import exhibits
from serkit.errors import CorpusMissing, ResultsUnwritable
from serkit.results import Store
from tests.made_checkout import add_to_conftest, results
from tests.made_results import made_measurement, made_result, put

pytest_plugins = "pytester"
pytestmark = pytest.mark.usefixtures("numbers_only")


TUNING = '[tuning]\ntrain = [["folded"]]\nlearning_rates = [1e-4, 1e-2]\nbatch_sizes = [16, 24]\n'


def more(checkout, name, text):
    """Another study: the one of seconds, and what is added to it."""
    (checkout.path / name).write_text((checkout.path / "tiny.toml").read_text() + text)


def empty_files(with_cases):
    """Files of cases that hold none, if so many do; pytest counts each as one test."""
    return len(list((Path(__file__).parents[2] / "cases").glob("test_*.py"))) - with_cases


def collected(outcome):
    return [line.split("[")[1].rstrip("]") for line in outcome.outlines if "::" in line]


def test_shows_the_paper_plan_without_torch_or_corpora(checkout):
    add_to_conftest(
        checkout,
        """
import sys
def pytest_sessionfinish(session):
    heavy = [name for name in ("torch", "pandas", "sklearn", "numpy") if name in sys.modules]
    print("heavy:", heavy)
""",
    )
    outcome = checkout.runpytest_subprocess("--collect-only", "-q")
    outcome.stdout.fnmatch_lines(["*heavy: []*", f"*{434 + empty_files(4)} tests collected*"])
    ids = collected(outcome)
    assert len(ids) == len(set(ids)) == 434
    assert {"iemocap_scrambled+msp-aug50-fold03", "iemocap-aug0-fold03-lr0.01-batch16"} < set(ids)
    assert {"acoustics-iemocap-raw", "acoustics-msp-augmented"} < set(ids)
    assert not (checkout.path / "results").exists()


def test_a_case_stands_once_and_is_marked_with_all_it_serves(checkout):
    """The study's own recipe, learning rate 1e-4 and batch 24, is a point of its tuning's grid."""
    more(checkout, "tuned.toml", TUNING)
    made, _ = checkout.inline_genitems("--study", "tuned.toml")
    items = [item for item in made if item.callspec.id != "NOTSET"]  # pytest's placeholder
    assert len({item.callspec.id for item in items}) == len(items) == 7 + 9

    def counted(by):
        return Counter(name for item in items for name in by(item))

    assert counted(lambda item: [item.path.name]) == {
        "test_runs.py": 4,  # what Table 1 shows
        "test_figure3_scrambled.py": 3,
        "test_tuning_grid.py": 9,
    }
    marks = counted(lambda item: {mark.name for mark in item.iter_markers()} & set(exhibits()))
    assert marks == {"table1": 4, "figure3": 4, "tuning": 12}  # shared: LARGE's run, and three of the grid


@pytest.mark.parametrize(
    ("select", "runs"),
    [
        (["-k", "scrambled"], 3),
        (["-k", "tuning"], 4 * 3),
        (["-m", "tuning and not table1"], 3 * 3),
        (["-k", "batch16 and fold02"], 2),
        (["-k", "[folded-aug0-fold01] or [large-aug0]"], 2),  # as `python -m benchmark status` says it
        (["cases/test_figure3_scrambled.py"], 3),
        (["cases/test_figure4_acoustics.py"], 0),
    ],
)
def test_selects_runs_by_word_mark_or_file(checkout, select, runs):
    more(checkout, "tuned.toml", TUNING)
    outcome = checkout.runpytest_inprocess("--study", "tuned.toml", "--collect-only", "-q", *select)
    assert len(collected(outcome)) == runs


def test_acoustics_are_measured_and_shown(checkout, monkeypatch):
    """No training: `-m figure4` selects the measurements alone."""
    more(checkout, "heard.toml", '[figure4]\ncorpora = ["large"]\nclips = 3\np835_clips = 1\n')
    found = {"path": ["a.wav", "b.wav", "c.wav"], "label": "sad", "speaker": ["1", "2", "3"], "reason": ""}
    found |= {"p808_mos": 3.0, "ovrl_mos": [2.5, None, None], "t60_s": [0.2, 0.3, 0.4], "c50_db": 20.0}
    estimates = pd.DataFrame(found).assign(sig_mos=float("nan"), bak_mos=float("nan"))
    monkeypatch.setattr(work, "do", lambda job, at: made_measurement(at.store, job, estimates)["key"])
    outcome = checkout.runpytest_inprocess("--study", "heard.toml", "-m", "figure4")
    outcome.assert_outcomes(passed=1)
    outcome.stdout.fnmatch_lines(
        [
            "study: heard, 7 runs, 1 measurements, *",
            "0 of 7 runs, 1 of 1 measurements done*",
            "LARGE  * raw *",
        ]
    )
    assert results(checkout, "heard") == {"acoustics-large-raw"}
    assert (checkout.path / "results/heard/figure4.md").is_file()


def test_a_missing_corpus_skips_with_where_and_how(checkout, monkeypatch):
    monkeypatch.setenv("SERKIT_DATA", str(checkout.path))
    outcome = checkout.runpytest_inprocess("-rs", "-k", "iemocap-aug0-fold04 and not seed and not lr")
    outcome.assert_outcomes(skipped=1, deselected=433 + empty_files(4))
    outcome.stdout.fnmatch_lines([f"*no folder at or below {checkout.path} looks like it*docs/corpora.md*"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--gpus"], "*--gpus: no GPU is visible*without --gpus*"),
        (["--study", "papr"], "*no study 'papr'*paper*"),
        (["--study", "wrong.toml"], "*unknown key 'recipee'*did you mean 'recipe'*"),
        (["--study", "tiny.toml", "--assert-paper"], "*--assert-paper: study tiny has no published numbers*"),
    ],
)
def test_wrong_use_is_one_message_and_a_usage_error(checkout, monkeypatch, arguments, said):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    more(checkout, "wrong.toml", "[recipee]\n")
    outcome = checkout.runpytest_inprocess(*arguments)
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    outcome.stderr.fnmatch_lines([f"ERROR: {said}"])


def test_tensorboard_that_is_not_installed_is_said_at_the_start(checkout, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    outcome = checkout.runpytest_inprocess("--study", "tiny.toml", "--tensorboard")
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    outcome.stderr.fnmatch_lines(["ERROR: tensorboard is needed*pip install 'serkit?tensorboard?'"])


def test_a_run_is_made_again_where_asked(checkout, monkeypatch):
    asked = []

    def run(spec, place, on_evaluation):
        asked.append(place.rerun)
        raise CorpusMissing("nothing is trained here")

    monkeypatch.setattr(serkit.run, "run", run)
    outcome = checkout.runpytest_inprocess("--study", "tiny.toml", "-k", "large and not folded", "--rerun")
    outcome.assert_outcomes(skipped=1)
    assert asked == [True]


def test_unwritable_results_fail_with_the_way_out(checkout, monkeypatch):
    (checkout.path / "taken").write_text("a file, where a folder is needed")
    monkeypatch.setenv("SERKIT_RESULTS", str(checkout.path / "taken"))
    outcome = checkout.runpytest_inprocess("--study", "tiny.toml", "-k", "large")
    outcome.assert_outcomes(failed=1, deselected=6 + empty_files(2))
    outcome.stdout.fnmatch_lines(["*ResultsUnwritable: results cannot be written to*SERKIT_RESULTS*"])
    outcome.stdout.no_fnmatch_line("*INTERNALERROR*")


def test_a_case_without_memory_fails_with_one_message_and_the_next_goes_on(checkout, monkeypatch):
    def split(spec, loaded):
        raise RuntimeError(f"DefaultCPUAllocator: can't allocate memory for {spec.label}")

    monkeypatch.setattr(serkit.run, "read", lambda *_: None)
    monkeypatch.setattr(serkit.run, "load", lambda *_: SimpleNamespace(fingerprint="0"))
    monkeypatch.setattr(serkit.splits, "split", split)
    outcome = checkout.runpytest_inprocess("--study", "tiny.toml", "-k", "large-aug0 or fold00")
    outcome.assert_outcomes(failed=3)
    outcome.stdout.fnmatch_lines(
        ["OutOfMemory: not enough memory (*for large-aug0); *batch_size*", "*exhibits*"]
    )
    outcome.stdout.no_fnmatch_line("*Traceback*")
    noted = [json.loads(path.read_text()) for path in (checkout.path / "results").glob("*/*/error.json")]
    assert [note["error"] for note in noted] == ["OutOfMemory"] * 3


def test_cases_are_there_without_xdist_and_dealt_singly_with_it(checkout):
    only = ["--study", "tiny.toml", "--collect-only", "-q"]
    outcome = checkout.runpytest_inprocess("-p", "no:xdist", *only)
    assert (outcome.ret, len(collected(outcome))) == (0, 7)
    assert checkout.parseconfigure(*only).option.maxschedchunk == 1
    assert checkout.parseconfigure("--maxschedchunk=3", *only).option.maxschedchunk == 3


def test_unit_tests_alone_show_no_exhibits(checkout):
    words = "@pytest.mark.parametrize('exhibit', ['table1'])\ndef test_nothing(exhibit): pass"
    checkout.makepyfile(f"import pytest\n{words}")
    outcome = checkout.runpytest_inprocess("test_unit_tests_alone_show_no_exhibits.py")
    outcome.assert_outcomes(passed=1)
    outcome.stdout.no_fnmatch_line("*= exhibits =*")
    assert not (checkout.path / "results").exists()


def finished(monkeypatch, result):
    """Every case ends like this at once."""
    monkeypatch.setattr(serkit.run, "run", lambda *_: result())


def missing():
    raise CorpusMissing("no folder looks like it")


def test_no_corpus_at_all_is_no_success(checkout, monkeypatch):
    """With some there, the others skip and all is well."""
    finished(monkeypatch, missing)
    outcome = checkout.runpytest_inprocess("--study", "tiny.toml")
    outcome.assert_outcomes(skipped=7)
    assert outcome.ret == pytest.ExitCode.TESTS_FAILED
    outcome.stdout.fnmatch_lines(["no case could run: the corpora of all 7 are missing.*SERKIT_DATA*doctor*"])
    assert not (checkout.path / "results" / "tiny" / "report.md").exists()


def test_a_report_that_cannot_be_written_hides_no_failure(checkout, monkeypatch):
    for problem, said in {
        ResultsUnwritable("report.md cannot be written"): "no exhibits: report.md cannot be written",
        KeyError("a fault of ours"): "no exhibits: KeyError: *report --study tiny.toml*",
    }.items():
        monkeypatch.setattr("benchmark.report.write.assemble", Mock(side_effect=problem))
        monkeypatch.setattr(
            serkit.run, "run", Mock(side_effect=OSError(28, "No space left on device", "x.i16"))
        )
        outcome = checkout.runpytest_inprocess("--study", "tiny.toml", "-k", "large and not folded")
        outcome.assert_outcomes(failed=1)
        outcome.stdout.fnmatch_lines(["*No space left on device: 'x.i16'*SERKIT_RESULTS*SERKIT_CACHE*", said])
        outcome.stdout.no_fnmatch_line("*INTERNALERROR*")


def test_a_session_whose_report_fails_fails(checkout, monkeypatch):
    monkeypatch.setattr("benchmark.session.checks.assert_valid", lambda *_: None)
    monkeypatch.setattr("benchmark.report.write.assemble", Mock(side_effect=ResultsUnwritable("no")))
    finished(monkeypatch, dict)
    outcome = checkout.runpytest_inprocess("--study", "tiny.toml", "-k", "large and not folded")
    assert outcome.ret == pytest.ExitCode.TESTS_FAILED


def test_a_session_that_finds_other_than_is_known_fails_though_its_cases_pass(checkout, monkeypatch):
    corpora = (checkout.path / "tiny.toml").read_text().partition("[table1]")[0]
    (checkout.path / "known.toml").write_text(f'{corpora}[table1]\ntrain = [["large"]]\n[known]\nwF1 = 1\n')
    (case,) = studies.plan(studies.read(str(checkout.path / "known.toml")))
    result = made_result(case.spec, lambda *_: 0.5)
    store = Store(checkout.path / "results" / "known")
    put(store, result)
    with store.claim(result["key"]):
        pass
    finished(monkeypatch, lambda: result)
    monkeypatch.setattr("benchmark.session.checks.assert_valid", lambda *_: None)
    outcome = checkout.runpytest_inprocess("--study", "known.toml")
    outcome.assert_outcomes(passed=1)
    assert outcome.ret == pytest.ExitCode.TESTS_FAILED
    said = ["*not as it is known to be*", "LARGE by networks of its own at 0 %: wF1 0.500; known: 1 or more"]
    outcome.stdout.fnmatch_lines(said)
    assert [path.name for path in (store.folder / ".locks").iterdir()] == ["report.lock"], "it swept the rest"


@pytest.mark.parametrize(
    ("arguments", "where"),
    [
        (["cases/", "--results", "{there}"], "{there}/tiny"),
        (["--results={there}"], "{there}/tiny"),
        (["cases/", "--results=new"], "{here}/new/tiny"),
        (["cases/"], "{here}/results/tiny"),
    ],
)
def test_results_go_where_the_command_line_says(checkout, tmp_path_factory, arguments, where):
    """In one word or two, also a folder that is there, which pytest may take for one of tests."""
    there, here = tmp_path_factory.mktemp("there"), checkout.path
    given = [argument.format(there=there) for argument in arguments]
    outcome = checkout.runpytest_inprocess(*given, "--study", "tiny.toml", "--collect-only")
    outcome.stdout.fnmatch_lines([f"study: tiny,*, results in {where.format(there=there, here=here)}"])
    assert outcome.ret == 0


def test_results_for_which_another_ini_file_was_found_say_how_to_write_it(checkout):
    """As where the folder that holds both is itself a project."""
    (checkout.path.parent / "tox.ini").write_text("[pytest]\n")
    (checkout.path.parent / "elsewhere").mkdir(exist_ok=True)
    there = checkout.path.parent / "elsewhere"
    try:
        given = ("cases/", "--results", str(there), "--study", "tiny.toml", "--collect-only")
        outcome = checkout.runpytest_inprocess(*given)
    finally:
        (checkout.path.parent / "tox.ini").unlink()
    outcome.stderr.fnmatch_lines([f"ERROR: --results {there}:*write it in one word: --results={there}"])
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
