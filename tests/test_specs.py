"""Specs: what must and must not change a key, and what is refused with which words."""

import dataclasses
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from serkit import specs
from serkit.errors import SpecError
from serkit.specs import CorpusSpec, ModelSpec, Recipe, RunSpec, from_json

ROOT = Path(__file__).resolve().parent.parent

SWAP = (("angry", "happy"), ("happy", "angry"), ("neutral", "sad"), ("sad", "neutral"))
CYCLE = (("angry", "happy"), ("happy", "neutral"), ("neutral", "sad"), ("sad", "angry"))

MSP = CorpusSpec("msp", "msp_podcast")
IEMOCAP = CorpusSpec("iemocap", "iemocap", folds=10, scramble=SWAP)
RAVDESS = CorpusSpec("ravdess", "ravdess", options=(("labels", "intended"), ("parts", (1, 2))))

RUN = RunSpec(
    train=("msp", "iemocap_scrambled"),
    corpora=(MSP, IEMOCAP, RAVDESS),
    augment_percent=50,
    fold=3,
    seed=0,
    model=ModelSpec(weights=None),
    recipe=Recipe(),
    fingerprints=(("iemocap", "ab"), ("msp", "cd")),
)

# Another value for every field there is: a field added without one fails here.
OTHERS = {
    RunSpec: {
        "train": ("iemocap_scrambled",),
        "corpora": (MSP, IEMOCAP),
        "augment_percent": 20,
        "fold": 4,
        "seed": 1,
        "model": ModelSpec(weights=None, width=8),
        "recipe": Recipe(epochs=2),
        "fingerprints": (("iemocap", "ab"), ("msp", "ce")),
    },
    CorpusSpec: {
        "name": "savee",
        "reader": "crema_d",
        "folds": 5,
        "options": (("labels", "voice"), ("parts", (1, 2))),
        "scramble": SWAP,
    },
    ModelSpec: {
        "width": 32,
        "front_end": "native-16k",
        "head": "relu-linear",
        "weights": "cnn14-32k",
    },
    Recipe: {
        "learning_rate": 1e-3,
        "batch_size": 64,
        "epochs": 29,
        "evaluations_per_epoch": 2,
        "tail": 0.25,
        "max_seconds": 9.5,
        "loudness_dbfs": -20,
    },
}


def digest(spec):
    return spec.key.removeprefix(f"{spec.label}-")


def changed(kind, name):
    other = {name: OTHERS[kind][name]}
    if kind is RunSpec:
        return replace(RUN, **other)
    if kind is CorpusSpec:
        return replace(RUN, corpora=(MSP, IEMOCAP, replace(RAVDESS, **other)))
    part = "model" if kind is ModelSpec else "recipe"
    return replace(RUN, **{part: replace(getattr(RUN, part), **other)})


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, field.name) for kind in OTHERS for field in dataclasses.fields(kind)]
)
def test_every_field_is_in_the_key(kind, name):
    other = changed(kind, name)
    assert digest(other) != digest(RUN)
    assert from_json(json.loads(other.canonical())) == other


def test_every_key_is_another():
    keys = {changed(kind, name).key for kind, others in OTHERS.items() for name in others}
    assert len(keys) == sum(map(len, OTHERS.values()))


def test_method_is_in_the_key(monkeypatch):
    before = digest(RUN)
    monkeypatch.setattr(specs, "METHOD", specs.METHOD + 1)
    assert digest(RUN) != before


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("learning_rate", 1),
        ("evaluations_per_epoch", 1),
        ("tail", 1),
        ("max_seconds", 3),
        ("loudness_dbfs", -20),
    ],
)
def test_one_and_one_point_zero_are_one_key(name, whole):
    written, computed = (replace(RUN, recipe=Recipe(**{name: value})) for value in (whole, float(whole)))
    assert written.key == computed.key


def test_round_trip():
    back = from_json(json.loads(RUN.canonical()))
    assert back == RUN
    assert back.key == RUN.key
    assert hash(back) == hash(RUN)  # lists came back as tuples, all the way down


def test_canonical_form_is_sorted_json_without_spaces():
    data = json.loads(RUN.canonical())
    assert RUN.canonical() == json.dumps(data, sort_keys=True, separators=(",", ":"))


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({}, "msp+iemocap_scrambled-aug50-fold03"),
        ({"seed": 7}, "msp+iemocap_scrambled-aug50-fold03-seed7"),
        ({"train": ("msp",), "fold": None, "augment_percent": 0}, "msp-aug0"),
        ({"train": ("iemocap", "msp"), "fold": 9, "augment_percent": 100}, "iemocap+msp-aug100-fold09"),
    ],
)
def test_label_and_key(change, label):
    spec = replace(RUN, **change)
    assert spec.label == label
    assert spec.key.startswith(f"{label}-")
    assert len(bytes.fromhex(digest(spec))) == 6


def test_plan_forgets_which_copy_answered():
    plan = RUN.plan()
    assert plan.fingerprints == ()
    assert plan == replace(RUN, fingerprints=(("msp", "another copy"),)).plan()


def test_scrambled_names():
    assert IEMOCAP.tests == ("iemocap", "iemocap_scrambled")
    assert MSP.tests == ("msp",)
    assert RUN.corpus("iemocap_scrambled") is RUN.corpus("iemocap") is IEMOCAP


@pytest.mark.parametrize(
    ("scramble", "permutation"), [((), (0, 1, 2, 3)), (SWAP, (1, 0, 3, 2)), (CYCLE, (1, 2, 3, 0))]
)
def test_permutation_leads_from_true_to_scrambled(scramble, permutation):
    assert replace(MSP, scramble=scramble).permutation == permutation


@pytest.mark.parametrize(
    ("recipe", "evaluations"),
    [({}, 30), ({"evaluations_per_epoch": 0.5}, 15), ({"epochs": 1, "evaluations_per_epoch": 0.1}, 1)],
)
def test_evaluations(recipe, evaluations):
    assert Recipe(**recipe).evaluations == evaluations


RATE = r"expected a whole number of percent in 0\.\.100"
KNOWN = "msp, iemocap, iemocap_scrambled, ravdess"
FIVE = replace(RAVDESS, folds=5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"augment_percent": 101}, f"rate 101: {RATE}"),
        ({"augment_percent": -1}, f"rate -1: {RATE}"),
        ({"augment_percent": 0.5}, rf"rate 0\.5: {RATE}"),
        ({"augment_percent": True}, f"rate True: {RATE}"),
        ({"seed": -1}, "seed -1: expected 0 or more"),
        ({"fold": 10}, r"fold 10 of msp, iemocap_scrambled: expected 0\.\.9"),
        ({"fold": -1}, r"fold -1 of .*: expected 0\.\.9"),
        ({"fold": None}, r"fold None of .*: expected 0\.\.9"),
        ({"train": ("msp",)}, "msp have one split, no fold 3"),
        ({"train": ()}, "at least one training corpus"),
        ({"train": ("emodb",)}, f"training corpus 'emodb': expected one of {KNOWN}"),
        ({"train": ("msp_scrambled",)}, f"training corpus 'msp_scrambled': expected one of {KNOWN}"),
        ({"train": ("iemocap", "iemocap_scrambled")}, "iemocap, iemocap_scrambled: the same corpus twice"),
        (
            {"train": ("iemocap", "ravdess"), "corpora": (IEMOCAP, FIVE)},
            "iemocap, ravdess have 5 and 10 folds; joint training pairs fold k with fold k,"
            " so give them the same number",
        ),
    ],
)
def test_refused_runs(change, message):
    with pytest.raises(SpecError, match=message):
        replace(RUN, **change)


ALL_FOUR = "expected a permutation of all of angry, happy, neutral, sad"


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (CorpusSpec, {"name": "msp-podcast"}, "name 'msp-podcast': expected letters and digits only"),
        (CorpusSpec, {"name": ""}, "name '': expected letters and digits only"),
        (CorpusSpec, {"folds": 0}, "corpus x: folds = 0; expected 1 or more"),
        (CorpusSpec, {"scramble": SWAP[:2]}, ALL_FOUR),
        (CorpusSpec, {"scramble": (*SWAP[:3], ("sad", "sad"))}, ALL_FOUR),
        (CorpusSpec, {"scramble": (*SWAP[:3], ("sad", "calm"))}, ALL_FOUR),
        (ModelSpec, {"width": 0}, r"width 0: expected 1 or more \(CNN14 is 64\)"),
        (ModelSpec, {"front_end": "mfcc"}, "front end 'mfcc': expected one of paper-loaded, paper-rebuilt"),
        (ModelSpec, {"head": "mlp"}, "head 'mlp': expected one of linear, relu-linear"),
        (ModelSpec, {"weights": "cnn10"}, "weights 'cnn10': expected one of cnn14-32k, cnn14-16k"),
        (ModelSpec, {"width": 16}, "width 16 has no pretrained weights: set width = 64 or weights = ''"),
        (
            ModelSpec,
            {"front_end": "native-16k"},
            "front end native-16k goes with the weights cnn14-16k, not cnn14-32k",
        ),
        (ModelSpec, {"weights": "cnn14-16k"}, "paper-loaded goes with the weights cnn14-32k, not cnn14-16k"),
        *(
            (Recipe, {name: value}, f"recipe {name} = {value}")
            for name in ("learning_rate", "batch_size", "epochs", "evaluations_per_epoch", "max_seconds")
            for value in (0, -1)
        ),
        (Recipe, {"learning_rate": float("nan")}, "recipe learning_rate = nan: expected more than 0"),
        *((Recipe, {name: 2.5}, rf"recipe {name} = 2\.5") for name in ("batch_size", "epochs")),
        *((Recipe, {"tail": tail}, r"expected a share in \(0, 1\]") for tail in (0, 1.01, -0.2)),
        (Recipe, {"loudness_dbfs": 0}, "expected a negative level or none"),
        (Recipe, {"loudness_dbfs": 3.0}, "recipe loudness_dbfs = 3.0"),
    ],
)
def test_refused_parts(kind, values, message):
    needed = {"name": "x", "reader": "x"} if kind is CorpusSpec else {}
    with pytest.raises(SpecError, match=message):
        kind(**{**needed, **values})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": 0}, "written by method 0; this version reads method"),
        ({"method": None}, "written by method None"),
        ({"device": "cuda"}, "not a run spec: .*device"),
        ({"corpora": [{"name": "msp"}]}, "not a run spec: 'options'"),
        ({"recipe": {"optimiser": "sgd"}}, "not a run spec: .*optimiser"),
    ],
)
def test_refused_json(change, message):
    with pytest.raises(SpecError, match=message):
        from_json({**json.loads(RUN.canonical()), **change})


def test_json_with_a_missing_part():
    data = json.loads(RUN.canonical())
    del data["recipe"]
    with pytest.raises(SpecError, match="not a run spec: 'recipe'"):
        from_json(data)


def test_every_front_end_has_a_checkpoint():
    assert set(specs.CHECKPOINT_OF) == set(specs.FRONT_ENDS)
    assert set(specs.CHECKPOINT_OF.values()) == set(specs.CHECKPOINTS)


def test_light_and_the_same_in_every_process():
    """Plans are made without torch and pandas; keys know nothing of the process, its hash seed included."""
    code = (
        "import json, sys\n"
        "from serkit.specs import from_json\n"
        "print(from_json(json.loads(sys.stdin.read())).key)\n"
        "print({'torch', 'pandas', 'numpy'} & set(sys.modules))\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        input=RUN.canonical(),
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "12345"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.split() == [RUN.key, "set()"]
