"""What a study would do: cases, clips and hours against sums made by hand."""

import dataclasses
import re

import numpy as np
import pytest

from benchmark import plan as plans
from benchmark import study as studies
from benchmark.session.pace import lasting
from serkit import corpora
from serkit.job import Loaded
from serkit.metrics import evaluations
from serkit.packs import Pack
from serkit.results import Store
from serkit.specs import TRAINING, CorpusSpec, ModelSpec
from serkit.splits import split
from tests import corpus_trees
from tests.made_results import made_result, put

STUDY = """
title = "Two corpora"
rates_percent = [0, 50]
[model]
width = 64
[recipe]
epochs = 2
[corpora.cremad]
reader = "crema_d"
title = "CREMA-D"
[table1]
train = [["cremad"]]
"""


TWO = STUDY.replace("Two corpora", "Another {number}").replace("width = 64", 'width = {width}\nweights = ""')
HERE = {"device": "cpu", "device_name": "Here", "packages": {"torch": "2"}}


@pytest.fixture
def study(tmp_path):
    (tmp_path / "small.toml").write_text(STUDY)
    return studies.read(str(tmp_path / "small.toml"))


@pytest.fixture
def shown(study, tmp_path, monkeypatch):
    monkeypatch.setattr(plans, "this_device", lambda: "Here")
    return lambda: plans.text(study, Store(tmp_path / "small"), None)


def rows(text):
    """The cells of each line of the tables, by their first."""
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]
    return {row[0]: row[1:] for row in cells if row}


def times(text):
    """The time on 1, 4 and 16 devices."""
    return re.findall(r"^ +\d+ devices?: (.*)$", text, re.MULTILINE)


def test_a_study_that_was_not_begun(shown):
    """3,924 clips to train on, 841 each to validate and to test, twice; at two rates."""
    text = shown()
    assert rows(text)["table1"] == ["CREMA-D", "0/2", f"{4 * 3924:,}", f"{4 * 1682:,}"]
    assert rows(text)["all"] == ["0/2", f"{4 * 3924:,}", f"{4 * 1682:,}"]
    assert "CREMA-D published." in text
    assert "No rate is known for Here, where this would run, until a first run has finished." in text


def finished(tmp_path, spec, **changes):
    times = {"train_seconds": 300.0, "evaluate_seconds": 40.0, "wall_seconds": 350.0}
    result = made_result(spec, lambda *_: 0.5, **{"environment": HERE, **times, **changes})
    put(Store(tmp_path / "small"), result)


def test_finished_runs_say_how_long_the_others_take(shown, study, tmp_path):
    """The run without augmentation took 350 s; the other is taken to be as long."""
    finished(tmp_path, study.runs(("cremad",), 0)[0])
    text = shown()
    assert rows(text)["table1"] == ["CREMA-D", "1/2", f"{2 * 3924:,}", f"{2 * 1682:,}"]
    assert "Time left on Here (this one), by 1 finished run of this study:" in text
    assert times(text) == ["6 min"] * 3
    assert "No rate" not in text
    assert text.endswith("Not in the time: reading and packing the corpora.")
    finished(tmp_path, study.runs(("cremad",), 50)[0])
    assert "Time" not in shown()  # nothing is left


def test_runs_on_another_device_say_how_long_it_takes_there(shown, study, tmp_path):
    finished(tmp_path, study.runs(("cremad",), 0)[0], environment=HERE | {"device_name": "Elsewhere"})
    text = shown()
    assert "Time left on Elsewhere, by 1 finished run of this study:" in text
    assert times(text) == ["6 min"] * 3
    assert "No rate is known for Here" in text
    assert text.endswith("Not in the time: reading and packing the corpora.")


@pytest.mark.parametrize(
    ("widths", "least", "most", "source"),
    [
        ([32], 2, 4, "1 finished run of other studies, width 32, scaled to 64"),
        ([8, 32, 4, 32], 2, 4, "2 finished runs of other studies, width 32, scaled to 64"),
        ([128], 0.25, 0.5, "1 finished run of other studies, width 128, scaled to 64"),
        ([8, 64], 1, 1, "1 finished run of other studies, width 64"),
    ],
)
def test_runs_of_another_study_say_it_roughly(shown, tmp_path, widths, least, most, source):
    """A result's 24 clips, twice, took 480 s, 10 s each; one that is damaged, or imported, is passed over."""
    for number, width in enumerate(widths):
        other = TWO.format(number=number, width=width)
        (tmp_path / f"other{number}.toml").write_text(other)
        (spec,) = studies.read(str(tmp_path / f"other{number}.toml")).runs(("cremad",), 0)
        result = made_result(
            spec,
            lambda *_: 0.5,
            environment=HERE,
            train_seconds=480.0,
            evaluate_seconds=0.0,
            wall_seconds=480.0,
        )
        put(Store(tmp_path / f"other{number}"), result)
    imported = dataclasses.replace(spec, model=ModelSpec(encoder="imported:mine"))  # as wide as CNN14
    put(Store(tmp_path / "imported"), made_result(imported, lambda *_: 0.5, environment=HERE))
    (tmp_path / "notes").mkdir()
    (tmp_path / "odd" / "run").mkdir(parents=True)
    (tmp_path / "odd" / "run" / "result.json").write_text("{")
    text = shown()
    seconds = 4 * 3924 * 10
    wanted = [lasting(seconds * least), lasting(seconds * most)]
    assert times(text)[0] == " to ".join(dict.fromkeys(wanted))
    assert f"Time left on Here (this one), by {source}:" in text
    assert ("in proportion to the width" in text) == (least != most)
    assert "No rate" not in text


def test_a_corpus_of_which_nothing_is_known_leaves_cases_and_says_where_to_get_it(tmp_path):
    study = studies.read("open")
    text = plans.text(study, Store(tmp_path), tmp_path)
    asked = len(studies.plan(study))
    assert re.search(rf"^all +0/{asked}$", text, re.MULTILINE)
    assert re.search(r"Clips and hours are not known: RAVDESS.*docs/corpora\.md", text, re.DOTALL)


# --- clips ---

FOLDED = """
title = "Folds, one split, and a corpus that is only tested"
rates_percent = [0, 50]
[model]
width = 1
weights = ""
[recipe]
epochs = 3
max_seconds = 1.0
evaluations_per_epoch = 2
[corpora.large]
reader = "synthetic"
[corpora.folded]
reader = "synthetic"
folds = 3
options = { role = "B" }
scramble = { neutral = "sad", sad = "neutral", happy = "angry", angry = "happy" }
[corpora.mixed]
reader = "synthetic"
options = { role = "C" }
[figure3]
train = [["large", "folded_scrambled"], ["mixed"]]
test = ["folded_scrambled", "folded"]
"""


def works(study, data=None):
    """What each run of a study does, by its id."""
    sizes = {spec.name: plans.size(spec, data) for spec in study.corpora}
    cases = studies.plan(study)
    return {case.id: plans.work(case.spec, sizes) for case in cases if case.spec.kind == TRAINING}


def test_clips_are_those_of_the_sets_a_run_makes(tmp_path, monkeypatch, synthetic_cache):
    monkeypatch.setenv("SERKIT_CACHE", str(synthetic_cache))
    (tmp_path / "folded.toml").write_text(FOLDED)
    study = studies.read(str(tmp_path / "folded.toml"))
    loaded = {}
    for spec in study.corpora:
        corpus = corpora.load(spec.reader, None, dict(spec.options))
        n = len(corpus.clips)
        loaded[spec.name] = Loaded(corpus, Pack(np.zeros(n, np.int16), np.arange(n + 1), 16_000, ""), "")
    of, cases = works(study), studies.plan(study)
    assert len(of) == len(cases) == 2 * (3 + 1)
    for case in cases:
        sets = split(case.spec, loaded)
        recipe = case.spec.recipe
        times = evaluations(recipe, -(-len(sets.training) // recipe.batch_size) * recipe.epochs).values()
        scored = sum(len(sets.evaluation) if all_clips else sets.own for all_clips, _ in times)
        assert of[case.id] == (3 * len(sets.training), scored)


def test_a_cap_is_counted(tmp_path):
    text = (studies.BUILT_IN / "paper.toml").read_text().replace("= 3900", "= 3900\nmax_training_clips = 100")
    (tmp_path / "few.toml").write_text(text)
    assert works(studies.read(str(tmp_path / "few.toml")), tmp_path)["cremad-aug20"].trained == 30 * 100


def test_published_sizes_stand_in_for_absent_corpora(tmp_path):
    study = studies.read("paper")
    assert {plans.size(spec, tmp_path).source for spec in study.corpora} == {"published"}
    of = works(study, tmp_path)
    assert len(of) == 430
    assert of["msp-aug0"].trained == pytest.approx(30 * 41_000, rel=0.01)  # about 41,000 clips x 30 epochs
    assert of["cremad-aug20"].trained == 30 * 3924  # 5,606 less twice 15 %
    # Corpora that are not trained on are scored in the tail and at every fifth evaluation before it.
    assert of["cremad-aug20"].scored == pytest.approx(30 * 2 * 841 + 10 * (5531 + 11_012), rel=0.001)


def test_clips_are_counted_and_nothing_is_decoded(tmp_path):
    votes = {f"{actor}_IEO_ANG_HI": ("A", "A") for actor in range(1001, 1021)}
    corpus_trees.write_votes(tmp_path / "CREMA-D", votes)
    corpus_trees.place(tmp_path / "CREMA-D" / "AudioWAV", votes)  # empty: none could be read
    assert plans.size(CorpusSpec("one", "crema_d"), tmp_path) == ([14], [6], 3, "counted")
