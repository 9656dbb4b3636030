"""Specs: what must and must not change a key, and what is refused with which words."""

import dataclasses
import itertools
import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from serkit import specs
from serkit.effects import ALLOWED, EFFECTS, SETTINGS_OF, Augmentation
from serkit.errors import SpecError
from serkit.labels import codes_of
from serkit.specs import (
    ACOUSTICS_METHOD,
    AcousticsSpec,
    CorpusSpec,
    ModelSpec,
    Recipe,
    RunSpec,
    from_json,
)

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
    augmentation=Augmentation(),
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
        "augmentation": Augmentation(effects=("noise",)),
        "fingerprints": (("iemocap", "ab"), ("msp", "ce")),
    },
    CorpusSpec: {
        "name": "savee",
        "reader": "crema_d",
        "folds": 5,
        "options": (("labels", "voice"), ("parts", (1, 2))),
        "scramble": SWAP,
        "max_training_clips": 40,
        "trainings": 5,
    },
    ModelSpec: {
        "width": 32,
        "front_end": "native-16k",
        "head": "relu-linear",
        "weights": "cnn14-32k",
        "encoder": "other",
        "dropout": 0.5,
        "outputs": "per-corpus",
        "settings": (("layer", 6),),
        "freeze": ("fc1",),
    },
    Recipe: {
        "learning_rate": 1e-3,
        "batch_size": 64,
        "epochs": 29,
        "evaluations_per_epoch": 2,
        "tail": 0.25,
        "max_seconds": 9.5,
        "loudness_dbfs": -20,
        "evaluate_unseen": 2,
        "pool_by": "own",
        "schedule": "one-cycle",
        "encoder_learning_rate": 1e-5,
        "accumulate": 2,
        "warmup": 0.1,
        "normalise": "speaker",
    },
    Augmentation: {
        "effects": ("stretch", "fade", "equalizer", "reverb", "noise", "specaugment"),
        "stretch_rate": (0.9, 1.25),
        "stretch_method": "vocoder",
        "shift_share": (-0.1, 0.2),
        "fade_share": (0.01, 0.1),
        "high_pass_hz": (20, 301),
        "low_pass_hz": (3300, 7600),
        "room_size": (0, 0.25),
        "wet_level": (0.5, 0.5),
        "dry_level": 0.41,
        "noise_snr_db": (9, 30),
        "time_masks": 3,
        "time_mask_share": (0.0, 0.11),
        "band_masks": 1,
        "mask_bands": (1, 8),
    },
}


def digest(spec):
    return spec.key.removeprefix(f"{spec.label}-")


def changed(kind, name):
    other = {name: OTHERS[kind][name]}
    if kind is RunSpec:
        return replace(RUN, **other)
    if name == "trainings":  # there are several only where there are folds
        return replace(RUN, corpora=(MSP, replace(IEMOCAP, **other), RAVDESS))
    if kind is CorpusSpec:
        return replace(RUN, corpora=(MSP, IEMOCAP, replace(RAVDESS, **other)))
    if name == "settings":  # CNN14 has none
        return replace(RUN, model=ModelSpec(encoder="net.py:make", **other))
    part = {ModelSpec: "model", Recipe: "recipe", Augmentation: "augmentation"}[kind]
    return replace(RUN, **{part: replace(getattr(RUN, part), **other)})


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, field.name) for kind in OTHERS for field in dataclasses.fields(kind)]
)
def test_every_field_is_in_the_key(kind, name):
    other = changed(kind, name)
    assert digest(other) != digest(RUN)
    assert from_json(json.loads(other.canonical())) == other


def test_the_order_within_a_training_set_does_not_matter():
    """Nor does that of a study's corpora: both are put in the order of their names."""
    turned = replace(RUN, train=("iemocap_scrambled", "msp"), corpora=(RAVDESS, MSP, IEMOCAP))
    assert (turned, turned.key, turned.label) == (RUN, RUN.key, RUN.label)
    assert turned.train == ("iemocap_scrambled", "msp")
    written = json.loads(RUN.canonical())
    assert from_json(written | {"train": written["train"][::-1]}) == RUN


def test_without_a_cap_nothing_is_said_of_it():
    """Runs and measurements from before there was one keep their keys; no measurement learns from clips."""
    few = replace(IEMOCAP, max_training_clips=40)
    capped = replace(RUN, corpora=(MSP, few, RAVDESS))
    assert "max_training_clips" not in RUN.canonical()
    assert [corpus.get("max_training_clips") for corpus in capped.to_json()["corpora"]] == [40, None, None]
    assert AcousticsSpec(few) == AcousticsSpec(IEMOCAP)
    assert "max_training_clips" not in AcousticsSpec(few).canonical()
    assert from_json(AcousticsSpec(few).to_json()) == AcousticsSpec(IEMOCAP)


def test_every_key_is_another():
    keys = {changed(kind, name).key for kind, others in OTHERS.items() for name in others}
    assert len(keys) == sum(map(len, OTHERS.values()))


def test_method_is_in_the_key(monkeypatch):
    before = digest(RUN)
    monkeypatch.setitem(RunSpec.method, "method", specs.METHOD + 1)
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
        ({}, "iemocap_scrambled+msp-aug50-fold03"),
        ({"seed": 7}, "iemocap_scrambled+msp-aug50-fold03-seed7"),
        (
            {"train": ("msp",), "fold": None, "augment_percent": 0, "augmentation": None},
            "msp-aug0",
        ),
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
    ("name", "scramble", "codes"),
    [
        ("msp", (), (0, 1, 2, 3)),
        ("msp", SWAP, (0, 1, 2, 3)),
        ("msp_scrambled", SWAP, (1, 0, 3, 2)),
        ("msp_scrambled", CYCLE, (1, 2, 3, 0)),
    ],
)
def test_codes_lead_from_true_to_expected_labels(name, scramble, codes):
    assert codes_of(name, scramble) == codes


@pytest.mark.parametrize(
    ("recipe", "evaluations"),
    [({}, 30), ({"evaluations_per_epoch": 0.5}, 15), ({"epochs": 1, "evaluations_per_epoch": 0.1}, 1)],
)
def test_evaluations(recipe, evaluations):
    assert Recipe(**recipe).evaluations == evaluations


RATE = r"expected a whole number in 0\.\.100 \(percent of the training clips\)"
KNOWN = "iemocap, msp, ravdess"
FIVE = replace(RAVDESS, folds=5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"augment_percent": 101}, f"rate = 101: {RATE}"),
        ({"augment_percent": -1}, f"rate = -1: {RATE}"),
        ({"augment_percent": 0.5}, rf"rate = 0\.5: {RATE}"),
        ({"augment_percent": True}, f"rate = True: {RATE}"),
        (
            {"augment_percent": 0},
            r"rate 0 with augmentation Augmentation\(.*\): expected one above 0 % and none",
        ),
        ({"augmentation": None}, "rate 50 with augmentation None: expected one above 0 % and none at 0 %"),
        ({"augment_percent": 1, "augmentation": None}, "rate 1 with augmentation None: expected one above 0"),
        ({"seed": -1}, r"seed = -1: expected a whole number in 0\.\.4,294,967,295"),
        ({"fold": 10}, r"fold 10 of iemocap_scrambled, msp: expected 0\.\.9"),
        ({"fold": -1}, r"fold -1 of .*: expected 0\.\.9"),
        ({"fold": None}, r"fold None of .*: expected 0\.\.9"),
        ({"train": ("msp",)}, "msp have one split, no fold 3"),
        ({"train": ()}, "at least one training corpus"),
        ({"train": ("emodb",)}, f"training corpus 'emodb': expected one of {KNOWN}"),
        ({"train": ("emodb_far",)}, f"training corpus 'emodb': expected one of {KNOWN}"),
        (
            {"train": ("msp_scrambled",)},
            r"training corpus 'msp_scrambled': corpus msp has no scramble; add \[corpora\.msp\.scramble\]",
        ),
        (
            {"train": ("msp", "iemocap_fra")},
            r"training corpus 'iemocap_fra': expected after the corpus and a _ one of scrambled \(.*without-",
        ),
        ({"train": ("iemocap", "iemocap_scrambled")}, "iemocap, iemocap_scrambled: the same corpus twice"),
        (
            {"train": ("iemocap", "ravdess"), "corpora": (IEMOCAP, FIVE)},
            "iemocap, ravdess: iemocap has 10 and ravdess has 5 folds to leave out; joint training pairs fold"
            " k with fold k, so give them the same number",
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
        (CorpusSpec, {"folds": 0}, r"corpus x: folds = 0: expected a whole number in 1\.\.1,000"),
        (CorpusSpec, {"scramble": SWAP[:2]}, ALL_FOUR),
        (CorpusSpec, {"scramble": (*SWAP[:3], ("sad", "sad"))}, ALL_FOUR),
        (CorpusSpec, {"scramble": (*SWAP[:3], ("sad", "calm"))}, ALL_FOUR),
        (ModelSpec, {"width": 0}, r"model width = 0: expected a whole number in 1\.\.256 \(CNN14 has 64"),
        (ModelSpec, {"front_end": "mfcc"}, "front end 'mfcc': expected one of paper-loaded, paper-rebuilt"),
        (ModelSpec, {"head": "mlp"}, "head 'mlp': expected one of linear, relu-linear"),
        (ModelSpec, {"weights": "cnn10"}, "weights 'cnn10': expected one of cnn14-32k, cnn14-16k"),
        *(
            (ModelSpec, {"dropout": share}, rf"model dropout = {share}: expected a number in 0\.\.1 ")
            for share in (-0.1, 1.01, float("nan"))
        ),
        (ModelSpec, {"outputs": "own"}, "model outputs 'own': expected one of shared, per-corpus"),
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
        (Recipe, {"learning_rate": float("nan")}, "recipe learning_rate = nan: expected a number above 0"),
        *((Recipe, {name: 2.5}, rf"recipe {name} = 2\.5") for name in ("batch_size", "epochs")),
        *(
            (Recipe, {"tail": tail}, f"recipe tail = {tail}: expected a number above 0, 1 at most")
            for tail in (0, 1.01, -0.2)
        ),
        (Recipe, {"loudness_dbfs": 0}, r"loudness_dbfs = 0: expected a number in -90\.\.-1"),
        (Recipe, {"pool_by": "length"}, "recipe pool_by = 'length': expected one of stretched, own"),
        (Recipe, {"schedule": "cosine"}, "recipe schedule = 'cosine': expected one of constant, one-cycle"),
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
        ({"corpora": [{"name": "msp"}]}, "not a run spec: .*reader"),
        ({"recipe": {"optimiser": "sgd"}}, "not a run spec: .*optimiser"),
        ({"augmentation": {"pitch": [0.9, 1.1]}}, "not a run spec: .*pitch"),
        ({"augmentation": {"stretch_rate": [1.2, 0.9]}}, r"stretch_rate = \[1\.2, 0\.9\]: expected"),
        ({"augmentation": None}, "rate 50 with augmentation None"),
    ],
)
def test_refused_json(change, message):
    with pytest.raises(SpecError, match=message):
        from_json({**json.loads(RUN.canonical()), **change})


@pytest.mark.parametrize("part", ["recipe", "augmentation"])
def test_json_with_a_missing_part(part):
    data = json.loads(RUN.canonical())
    del data[part]
    with pytest.raises(SpecError, match=f"not a run spec: '{part}'"):
        from_json(data)


def test_every_front_end_has_a_checkpoint():
    assert set(specs.CHECKPOINT_OF) == set(specs.FRONT_ENDS)
    assert set(specs.CHECKPOINT_OF.values()) == set(specs.CHECKPOINTS)


# --- augmentation ---


def augmented(**settings):
    return replace(RUN, augmentation=Augmentation(**settings))


def test_every_setting_belongs_to_one_effect():
    settings = [name for names in SETTINGS_OF.values() for name in names]
    assert list(SETTINGS_OF) == list(EFFECTS)
    assert sorted([*settings, "effects"]) == sorted(field.name for field in dataclasses.fields(Augmentation))
    assert set(ALLOWED) < set(settings)


@pytest.mark.parametrize(
    ("effect", "name"), [(e, name) for e, names in SETTINGS_OF.items() for name in names]
)
def test_a_setting_is_in_the_key_while_its_effect_is_on(effect, name):
    other = {name: OTHERS[Augmentation][name]}
    assert digest(augmented(effects=(effect,), **other)) != digest(augmented(effects=(effect,)))
    others = tuple(each for each in EFFECTS if each != effect)
    assert augmented(effects=others, **other) == augmented(effects=others)
    assert augmented(effects=others, **other).key == augmented(effects=others).key


def test_every_choice_of_effects_is_another_key():
    choices = [c for n in range(1, 8) for c in itertools.combinations(EFFECTS, n)]
    assert len({augmented(effects=choice).key for choice in choices}) == len(choices) == 2**7 - 1


def test_the_order_in_which_effects_are_named_does_not_matter():
    shuffled = augmented(effects=("noise", "stretch", "fade"))
    assert shuffled.augmentation.effects == ("stretch", "fade", "noise")  # as they are applied
    assert shuffled == augmented(effects=("stretch", "fade", "noise"))
    assert augmented(effects=EFFECTS[::-1]).key == RUN.key


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        *((name, (1, 1)) for name in ("stretch_rate", "room_size", "wet_level", "fade_share")),
        *((name, (0, 0)) for name in ("shift_share", "time_mask_share")),
        ("high_pass_hz", (20, 300)),
        ("low_pass_hz", (3400, 7600)),
        ("noise_snr_db", (-5, 30)),
        ("dry_level", 1),
    ],
)
def test_one_and_one_point_zero_are_one_augmentation(name, whole):
    point_zero = tuple(map(float, whole)) if isinstance(whole, tuple) else float(whole)
    written, computed = (augmented(**{name: value}) for value in (whole, point_zero))
    assert written.canonical() == computed.canonical()


def test_which_augmentations_stretch_features():
    assert Augmentation().stretches_features
    assert Augmentation(effects=("stretch",)).stretches_features
    assert not Augmentation(stretch_method="vocoder").stretches_features
    assert not Augmentation(effects=("shift", "specaugment")).stretches_features


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"effects": ("specaugment", "stretch"), "stretch_method": "vocoder", "mask_bands": (3, 3)},
        {"stretch_rate": (0.5, 2), "dry_level": 0, "time_masks": 0, "band_masks": 10},
        {**ALLOWED, "high_pass_hz": (5, 500), "low_pass_hz": (500, 7900)},
    ],
)
def test_an_augmentation_comes_back_from_json(settings):
    spec = augmented(**settings)
    back = from_json(json.loads(spec.canonical()))
    assert (back, back.key, hash(back)) == (spec, spec.key, hash(spec))
    assert back.augmentation.effects == spec.augmentation.effects


def test_no_augmentation_comes_back_from_json():
    spec = replace(RUN, augment_percent=0, augmentation=None)
    assert from_json(json.loads(spec.canonical())) == spec
    assert digest(spec) != digest(RUN)


# What each range must be, written out: [lowest, highest] within ...
SPANS = {
    "stretch_rate": "0.5..2",
    "shift_share": "-0.5..0.5",
    "fade_share": "0..1",
    "high_pass_hz": "5..7900",
    "low_pass_hz": "5..7900",
    "room_size": "0..1",
    "wet_level": "0..1",
    "noise_snr_db": "-20..100",
    "time_mask_share": "0..1",
    "mask_bands": "0..64",
}


def bad_ranges(least, most):
    middle = (least + most) / 2
    inside = 1 if least < 1 < most else least
    yield from [(most, least), (least - 1, most), (least, most + 1), (most + 1, most + 2)]
    yield from [(), (least,), (least, middle, most), inside, None, [least, most], str(inside), "ab"]
    yield from [("0", most), (None, most), (least, None), (True, most), (least, True), (False, True)]
    yield from [(math.nan, most), (least, math.nan), (-math.inf, most), (least, math.inf)]


def test_every_range_is_tried():
    assert list(SPANS) == list(ALLOWED)


@pytest.mark.parametrize("effects", [EFFECTS, None], ids=["on", "off"])
@pytest.mark.parametrize("name", SPANS)
def test_refused_ranges(name, effects):
    """One error, that says what may be; also where the effect is off, so that a slip is told at once."""
    least, most = (float(end) for end in SPANS[name].split(".."))
    if name == "mask_bands":
        least, most = int(least), int(most)
    effects = effects or tuple(effect for effect in EFFECTS if name not in SETTINGS_OF[effect])
    said = rf"^augmentation {name} = .*: expected \[lowest, highest\] within {re.escape(SPANS[name])}$"
    for value in bad_ranges(least, most):
        with pytest.raises(SpecError, match=said):
            Augmentation(effects, **{name: value})
    if effects == EFFECTS:
        beside = {"low_pass_hz": (most, most)} if name == "high_pass_hz" else {}
        beside |= {"high_pass_hz": (least, least)} if name == "low_pass_hz" else {}
        spec = Augmentation(**{name: (least, most)}, **beside)
        assert getattr(spec, name) == (least, most)  # its ends belong to it


EFFECT_NAMES = "stretch, fade, shift, equalizer, reverb, noise, specaugment"
WHOLE = r"expected a whole number in 0\.\.10 \(the stock class has 2\)$"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"effects": ("pitch",)}, f"^augmentation effect 'pitch': expected some of {EFFECT_NAMES}$"),
        ({"effects": ("noise", "Fade")}, f"^augmentation effect 'Fade': expected some of {EFFECT_NAMES}$"),
        ({"effects": ("noise", 5)}, f"^augmentation effect 5: expected some of {EFFECT_NAMES}$"),
        (
            {"effects": ("noise", "fade", "noise")},
            rf"effects = \['noise', 'fade', 'noise'\]: expected one or more of {EFFECT_NAMES}, each once$",
        ),
        ({"effects": ()}, rf"effects = \[\]: expected one or more of {EFFECT_NAMES}, each once$"),
        *(
            ({"stretch_method": method}, rf"stretch_method {method!r}: expected one of feature, vocoder$")
            for method in ("phase", "Feature", "", None, 1)
        ),
        *(
            (
                {"dry_level": level},
                rf"dry_level = {re.escape(str(level))}: expected a number in 0\.\.1 \(pedalboard",
            )
            for level in (-0.01, 1.01, 40, math.nan, True, None, (0.4, 0.4))
        ),
        *(
            ({name: masks}, rf"augmentation {name} = {re.escape(str(masks))}: {WHOLE}")
            for name in ("time_masks", "band_masks")
            for masks in (-1, 11, 2.0, 2.5, None, True, math.nan)
        ),
        (
            {"high_pass_hz": (20, 3401)},
            r"high_pass_hz up to 3401 and low_pass_hz from 3400: nothing would be left between them;"
            r" expected ranges that do not overlap$",
        ),
        ({"mask_bands": (0.5, 8)}, r"mask_bands = \[0\.5, 8\]: expected whole numbers of bands$"),
        ({"mask_bands": (0, 8.0)}, r"mask_bands = \[0, 8\.0\]: expected whole numbers of bands$"),
    ],
)
def test_refused_augmentations(settings, message):
    with pytest.raises(SpecError, match=message):
        Augmentation(**settings)
    others = {effect for effect, names in SETTINGS_OF.items() if not set(names) & set(settings)}
    if "effects" not in settings:
        with pytest.raises(SpecError, match=message):
            Augmentation(effects=tuple(others), **settings)


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


def test_cut_offs_must_leave_something_between_them():
    assert augmented(high_pass_hz=(20, 300), low_pass_hz=(300, 7600))
    with pytest.raises(SpecError, match="high_pass_hz up to 301 and low_pass_hz from 300: nothing would be"):
        augmented(high_pass_hz=(20, 301), low_pass_hz=(300, 7600))


# --- what measures acoustics ---

MEASURED = AcousticsSpec(CorpusSpec("one", "ravdess", folds=2, scramble=SWAP), Augmentation())


def test_an_acoustics_key_changes_with_all_that_changes_the_outcome():
    others = {
        "corpus": [dataclasses.replace(MEASURED.corpus, name="two")],
        "augmentation": [
            None,
            Augmentation(noise_snr_db=(10, 20)),
            Augmentation(stretch_method="vocoder"),
            Augmentation(stretch_method="vocoder", stretch_rate=(1.5, 1.6)),
        ],
        "clips": [9_999],
        "p835_clips": [0],
        "seed": [1],
        "estimators": [(("dnsmos", "1"), ("roomnet", "1")), (("dnsmos", "1"), ("roomnet", "2"))],
        "fingerprints": [(("one", "12"),)],
    }
    assert set(others) == {field.name for field in dataclasses.fields(AcousticsSpec)}
    changed = [replace(MEASURED, **{name: value}) for name, values in others.items() for value in values]
    assert len({spec.key for spec in [MEASURED, *changed]}) == len(changed) + 1


def test_an_acoustics_key_does_not_change_with_what_cannot_change_the_outcome():
    """No label is scrambled, no network trained; masks and frames are on no wave."""
    unscrambled = dataclasses.replace(MEASURED, corpus=dataclasses.replace(MEASURED.corpus, scramble=()))
    masked = dataclasses.replace(MEASURED, augmentation=Augmentation(band_masks=5))
    faster = dataclasses.replace(MEASURED, augmentation=Augmentation(stretch_rate=(1.5, 1.6)))
    assert {spec.key for spec in (unscrambled, masked, faster)} == {MEASURED.key}


def test_an_acoustics_spec_reads_back_and_its_plan_forgets_who_answered():
    answered = dataclasses.replace(MEASURED, estimators=(("dnsmos", "1"),), fingerprints=(("one", "1"),))
    assert from_json(json.loads(json.dumps(answered.to_json()))) == answered
    assert answered.plan() == MEASURED


@pytest.mark.parametrize("number", [0, ACOUSTICS_METHOD + 1, None])
def test_another_acoustics_method_is_refused(number):
    with pytest.raises(SpecError, match=f"result written by method {number}; this version reads"):
        from_json({**MEASURED.to_json(), "acoustics_method": number})


@pytest.mark.parametrize("setting", [{"clips": 0}, {"clips": 2.0}, {"clips": True}, {"p835_clips": -1}])
def test_an_impossible_measurement_is_refused(setting):
    with pytest.raises(SpecError, match=r"expected a whole number in [01]\.\."):
        dataclasses.replace(MEASURED, **setting)
