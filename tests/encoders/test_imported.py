"""Probabilities from elsewhere in the place of an encoder: what names them, and that nothing is made here."""

import dataclasses

import pytest

from benchmark import study as studies
from serkit import encoders
from serkit.errors import SpecError
from serkit.specs import ModelSpec, Recipe, from_json
from tests.made_studies import GRID, small

MINE = ModelSpec(encoder="imported:my-svm_2")


def test_it_is_known_by_its_name_alone():
    about = encoders.describe(MINE)
    assert (about.rate_hz, about.takes) == (16_000, "waves")
    assert encoders.identify(MINE) == ""
    assert MINE.name == "imported-my-svm_2"
    assert (MINE.imported, MINE.fitted, MINE.initialisation) == (True, True, "imported")
    assert (ModelSpec().imported, ModelSpec().initialisation) == (False, "cnn14-32k")


def test_nothing_is_made_here_and_it_is_said_how_to_import():
    with pytest.raises(SpecError, match=r"python -m benchmark import STUDY .*\(docs/importing\.md\)"):
        encoders.build(MINE, 0)


@pytest.mark.parametrize(
    "name", ["imported", "imported:", "imported:a b", "imported:a/b", "imported:é", "imported:-"]
)
def test_a_name_has_letters_digits_and_hyphens(name):
    with pytest.raises(SpecError, match="expected imported:NAME, its name of letters, digits, - and _"):
        ModelSpec(encoder=name)


@pytest.mark.parametrize(
    "more", [{"width": 4}, {"head": "relu-linear"}, {"freeze": ("encoder",)}, {"settings": (("a", 1),)}]
)
def test_it_has_no_settings(more):
    (setting,) = more
    with pytest.raises(SpecError, match=f"model {setting} = "):
        ModelSpec(encoder="imported:mine", **more)


def test_no_recipe_matters():
    recipes = {"epochs": 9, "tail": 0.3, "max_seconds": 2, "loudness_dbfs": -20, "learning_rate": 1e-3}
    model = {"encoder": "imported:mine"}
    plain, other = (
        {case.id: case.spec for case in studies.plan(small(model=model, recipe=recipe))}
        for recipe in ({}, recipes)
    )
    assert plain == other
    assert {spec.recipe for spec in plain.values()} == {Recipe().at_once(0)}
    assert {spec.recipe.evaluations for spec in plain.values()} == {1}
    rates = {spec.augment_percent for spec in plain.values()}
    assert rates == {0, 50}
    for spec in plain.values():
        assert from_json(spec.to_json()) == spec
        assert spec != dataclasses.replace(spec, model=ModelSpec(encoder="imported:other"))


def test_there_is_nothing_to_tune():
    with pytest.raises(SpecError, match="tuning compares recipes, and none applies to imported:mine"):
        small(model={"encoder": "imported:mine"}, seeds=[0], tuning=GRID)
