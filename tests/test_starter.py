"""What a new study starts from: the reference against the specs, a file for the corpora there are."""

import dataclasses
import re
import shlex
import textwrap
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmark import cli, starter
from benchmark import study as studies
from benchmark.study_file import CORPUS
from serkit.effects import Augmentation
from serkit.errors import CorpusMissing, SpecError
from serkit.specs import ModelSpec, Recipe
from tests import corpus_trees as trees

ROOT = Path(__file__).parent.parent


def called(*arguments):
    outcome = CliRunner().invoke(cli.main, ["study", *arguments])
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome


# --- the reference ---


def fields(spec):
    return {field.name: field.default for field in dataclasses.fields(spec)}


KEYS = {
    "": set(studies.keys()) - {"model", "recipe", "augmentation", "corpora", *studies.exhibits()},
    "model": set(fields(ModelSpec)),
    "recipe": set(fields(Recipe)),
    "augmentation": set(fields(Augmentation)),
    "corpora.mine": set(CORPUS) - {"options", "scramble"},
    **{name: set(kind.KEYS) for name, kind in studies.exhibits().items()},
    "table1": {"train"},
}


def said():
    """Table -> keys that the reference names, those that are off too; a comment stands above each."""
    found, table, above = {"": set()}, "", ""
    for line in starter.reference().splitlines():
        if header := re.fullmatch(r"\[([\w.]+)\]", line):
            table = header[1]
            found[table] = set()
        elif key := re.fullmatch(r"(?:# )?(\w+) = .+", line):
            found[table].add(key[1])
            assert above.startswith("#") or table in ("corpora.emodb", "corpora.mine.scramble"), line
        above = line
    return found


def test_the_reference_says_every_key():
    found = said()
    assert {table: found[table] for table in KEYS} == KEYS
    assert set(found) - set(KEYS) == {"corpora.mine.options", "corpora.mine.scramble", "corpora.emodb"}


def test_the_reference_is_a_study_at_its_defaults():
    data = tomllib.loads(starter.reference())
    study = studies.from_toml(data, "reference")
    assert (study.model, study.recipe, study.augmentation) == (ModelSpec(), Recipe(), Augmentation())
    for table, spec in {"model": ModelSpec, "recipe": Recipe, "augmentation": Augmentation}.items():
        defaults = {name: value for name, value in fields(spec).items() if value not in (None, ())}
        assert {key: list(v) if isinstance(v, tuple) else v for key, v in defaults.items()} == data[table]
    for key in KEYS[""] - {"title"}:
        del data[key]
    for table in ("model", "recipe", "augmentation"):
        del data[table]
    for key in ("title", "folds", "expected_training_clips"):
        del data["corpora"]["mine"][key]
    data["figure4"] = {"corpora": data["figure4"]["corpora"]}  # else those of the worlds, too
    assert studies.from_toml(data, "reference") == study  # nothing it says is another than what is left out
    assert {name for case in studies.plan(study) for name in case.exhibits} == {*studies.exhibits()} - {
        "known"
    }


def test_what_is_off_in_the_reference_can_be_switched_on():
    switched = re.sub(r"^# (\w+ = )", r"\1", starter.reference(), flags=re.MULTILINE)
    study = studies.from_toml(tomllib.loads(switched), "switched")
    assert study.recipe.loudness_dbfs == -26
    assert study.corpora[0].max_training_clips == 200


def test_the_documents_hold_the_reference():
    """Made anew: python -m benchmark study --reference, four spaces before each line."""
    shown = textwrap.indent(starter.reference(), "    ", lambda line: bool(line.strip()))
    assert (ROOT / "docs" / "study.md").read_text().endswith(shown)
    outcome = called("--reference")
    assert (outcome.exit_code, outcome.stdout.strip()) == (0, starter.reference().strip())


# --- a new study ---


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "my corpora"
    folder.mkdir()
    monkeypatch.setenv("SERKIT_DATA", str(folder))
    return folder


def emodb(data):
    trees.emodb(data / "download")


def ravdess(data):
    trees.ravdess(data / "Audio_Speech_Actors_01-24")


def crema_d(data):
    trees.place(data / "CREMA-D" / "AudioWAV", ["1001_DFA_ANG_XX"])


@pytest.mark.parametrize(
    ("corpora", "runs"),
    [
        ([emodb], {("emodb",): 5, ("emodb_scrambled",): 5}),
        ([ravdess], {("ravdess",): 6, ("ravdess_scrambled",): 6}),  # its own folds: none to fit
        ([crema_d], {("cremad",): 1, ("cremad_scrambled",): 1}),
        (
            [ravdess, emodb, crema_d],
            {
                ("cremad",): 1,
                ("emodb",): 5,
                ("ravdess",): 5,
                ("ravdess_scrambled",): 5,
                ("cremad", "emodb", "ravdess"): 5,
                ("cremad", "emodb", "ravdess_scrambled"): 5,
            },
        ),
    ],
)
def test_a_new_study_is_of_the_corpora_that_are_there(data, corpora, runs):
    for make in corpora:
        make(data)
    outcome = called("--new", "mine")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    study = studies.read("mine.toml")
    counted = {}
    for case in studies.plan(study):
        counted[case.spec.train] = counted.get(case.spec.train, 0) + 1
    assert counted == {train: 2 * n for train, n in runs.items()}  # at two rates
    assert study.model == ModelSpec()
    for line in outcome.stdout.splitlines()[1:]:
        words = shlex.split(line)
        assert studies.read(words[words.index("--study") + 1]) == study
    # What it offers for a CPU goes together too.
    text = Path("mine.toml").read_text()
    offered = text.partition(starter.ON_A_CPU.partition("\n")[0])[2].replace("\n# ", "\n")
    Path("cpu.toml").write_text(text + offered)
    assert studies.read("cpu.toml").model == ModelSpec(width=8, weights=None)


def test_one_of_other_folds_is_not_trained_jointly():
    text = starter.starter("mine", {"iemocap": {}, "emodb": {}, "msp_podcast": {}})
    study = studies.from_toml(tomllib.loads(text), "mine")
    assert {case.spec.train for case in studies.plan(study) if len(case.spec.train) > 1} == {
        ("iemocap", "msppodcast"),
        ("iemocap", "msppodcast_scrambled"),
    }
    assert {corpus.name for corpus in study.corpora} == {"iemocap", "emodb", "msppodcast"}


def test_nothing_is_written_over(data):
    emodb(data)
    Path("mine.toml").write_text("kept")
    outcome = called("--new", "mine")
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("SpecError: mine.toml is there already; give the study another name")
    assert Path("mine.toml").read_text() == "kept"


@pytest.mark.parametrize("name", ["..", "speed", "-n.toml", "a b", "", "paper", "open.toml"])
def test_a_name_that_no_study_can_have_is_refused_before_anything_is_looked_for(data, name):
    outcome = called("--new", name)
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert re.match(r"SpecError: .* [Gg]ive (it|yours) another name\n$", outcome.stderr)
    assert not list(Path().glob("*.toml"))


def test_a_folder_that_is_not_there(data):
    emodb(data)
    with pytest.raises(SpecError, match=r"^no/mine\.toml cannot be written: No such file or directory$"):
        starter.start("no/mine", data)


def test_without_corpora_there_is_nothing_to_start_with(data, monkeypatch):
    outcome = called("--new", "mine")
    assert outcome.exit_code == 1
    assert re.match(
        r"CorpusMissing: no corpus .* at or below .*/my corpora, where SERKIT_DATA", outcome.stderr
    )
    assert outcome.stderr.count("\n") == 1
    monkeypatch.delenv("SERKIT_DATA")
    with pytest.raises(CorpusMissing, match=r"^SERKIT_DATA is not set; point it at the folder"):
        starter.start("mine", studies.data_folder())
    assert not Path("mine.toml").exists()


@pytest.mark.parametrize("arguments", [[], ["--new", "mine", "--reference"]])
def test_one_of_the_two(arguments):
    assert called(*arguments).exit_code == 2
