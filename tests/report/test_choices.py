"""What a study says that it chose: every open point of the paper, as the study has it."""

import dataclasses
import re

import pytest

from benchmark import study as studies
from benchmark.report import choices as chosen_by
from serkit import corpora
from serkit.effects import EFFECTS, Augmentation
from tests.made_studies import (
    SMALL,
    small,
    tuned,
)


@pytest.mark.parametrize("name", studies.names())
def test_every_open_point_of_the_paper_is_answered(name):
    study = studies.read(name)
    choices = chosen_by.choices(study)
    answered = [int(number) for point, _ in choices for number in re.findall(r"\d+", point)]
    assert set(answered) == set(range(1, 16))
    assert {number for number in answered if answered.count(number) > 1} <= {12}  # a line an effect
    assert len(dict(choices)) == len(choices)
    assert all(choice for _, choice in choices)
    said = " ".join(f"{point}: {choice}" for point, choice in choices)
    for word in (study.model.front_end, study.model.head, f"batch {study.recipe.batch_size}"):
        assert word in said
    for corpus in study.corpora:
        assert f"{study.titles[corpus.name]}: " in said
        assert corpora.reader(corpus.reader).TITLE in said


def test_choices_name_the_readers_defaults():
    corpora = dict(chosen_by.choices(studies.read("paper")))["2, 3, 9 corpora and labels"]
    for word in ("excited=happy", "labels=voice", "split=random", "10 folds"):
        assert word in corpora
    intended = {**SMALL["corpora"]["one"], "options": {"labels": "intended"}}
    corpora = dict(chosen_by.choices(small(corpora={**SMALL["corpora"], "one": intended})))
    assert "ONE: CREMA-D, labels=intended, split=random; TWO: made, " in corpora["2, 3, 9 corpora and labels"]


def test_choices_follow_the_study():
    changed = small(
        model={"width": 4, "weights": "", "front_end": "native-16k", "head": "relu-linear"},
        recipe={"tail": 0.25, "max_seconds": 4, "loudness_dbfs": -20, "learning_rate": 0.003, "epochs": 7},
    )
    said = dict(chosen_by.choices(changed))
    assert said["4 front end"] == "native-16k"
    assert said["weights"] == "from random initialisation"
    assert said["width"].startswith("4 channels")
    assert said["5 head and loss"].startswith("relu-linear;")
    assert "0.003" in said["6 optimiser"]
    assert "7 epochs" in said["6 optimiser"]
    assert said["7 tail"].startswith("last 25%")
    assert said["10 clip length"].startswith("at most 4 s")
    assert said["13 loudness"] == "-20 dBFS RMS"
    assert said["scrambling"] == "TWO: angry->happy, happy->angry, neutral->sad, sad->neutral"


def test_choices_print_the_augmentation():
    said = dict(chosen_by.choices(small()))
    assert said["11 augmentation"] == (
        "50 % of the training clips, drawn afresh each epoch; each of them gets, in this order: stretch,"
        " fade, shift, equalizer, reverb, noise, specaugment"
    )
    assert [point for point in said if point.startswith("12 ranges")] == [
        f"12 ranges of {effect}" for effect in EFFECTS
    ]
    assert said["12 ranges of stretch"] == "stretch_rate 0.9..1.2, stretch_method feature"
    assert said["12 effects that are off"] == "none"

    chosen = {"effects": ["specaugment", "shift"], "shift_share": [-0.25, 0], "time_masks": 3}
    said = dict(chosen_by.choices(small(augmentation=chosen)))
    assert said["11 augmentation"].endswith("in this order: shift, specaugment")
    assert said["12 ranges of shift"] == "shift_share -0.25..0"
    assert said["12 ranges of specaugment"].startswith("time_masks 3, time_mask_share ")
    assert said["12 effects that are off"] == "stretch, fade, equalizer, reverb, noise"
    assert [point for point in said if point.startswith("12 ranges")] == [
        *("12 ranges of shift", "12 ranges of specaugment")
    ]

    said = dict(chosen_by.choices(small(rates_percent=[0], augmentation=chosen)))
    assert said["11, 12 augmentation"] == "none, every run is at 0 %"
    assert not any("effects" in point for point in said)


def test_every_setting_of_the_augmentation_is_printed():
    said = " ".join(choice for _, choice in chosen_by.choices(small()))
    for field in dataclasses.fields(Augmentation):
        assert field.name == "effects" or f"{field.name} " in said


def test_choices_print_the_grid():
    assert dict(chosen_by.choices(small()))["14 tuning"] == "none"
    assert dict(chosen_by.choices(tuned()))["14 tuning"] == (
        "TWO: learning rates 0.001, 0.01 x batch sizes 16, 128, at 0 %; chosen on validation wF1"
    )


def test_when_corpora_that_are_not_trained_on_are_scored_is_said():
    said = dict(chosen_by.choices(studies.read("paper")))
    assert said["7 tail"].endswith("; corpora that are not trained on also at 1 in 5 before it")


def test_of_what_is_imported_no_recipe_applies():
    study = small(model={"encoder": "imported:mine"}, recipe={"epochs": 77, "max_seconds": 3})
    said = dict(chosen_by.choices(study))
    assert said["4 encoder"] == "imported:mine"
    outside = {point for point, choice in said.items() if choice == chosen_by.OUTSIDE}
    assert {int(point.split()[0]) for point in outside} == {5, 6, 7, 10, 13}
    assert said["11, 12 augmentation"].startswith("asked for 50 % of the training clips; what was done")
    assert "77" not in " ".join(said.values())
    answered = {int(number) for point in said for number in re.findall(r"\d+", point)}
    assert answered == set(range(1, 16))
