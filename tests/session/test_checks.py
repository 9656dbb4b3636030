"""What any valid run must meet: a right result passes, and each single fault is found."""

import copy
import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import cases.test_tuning_grid
from benchmark import study as studies
from benchmark.session.checks import assert_measured, assert_valid
from serkit.specs import METRICS, AcousticsSpec, CorpusSpec, ModelSpec
from tests.made_results import made_result

LABELS = ("msp-aug0", "iemocap-aug0-fold04", "iemocap_scrambled+msp-aug0-fold04", "cremad+msp-aug0")


@pytest.fixture(scope="module")
def plans():
    return {case.id: case.spec for case in studies.plan(studies.read("paper"))}


def valid(plan):
    """As `run` saves it for the paper's recipe: 30 evaluations, the last 6 of them in the tail."""
    return made_result(plan, lambda test, fold, number: 0.4 + 0.01 * fold, evaluations=30, tail_evaluations=6)


@pytest.mark.parametrize("label", LABELS)
def test_a_right_result_passes(plans, label):
    assert_valid(valid(plans[label]), plans[label])


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_the_ends_of_the_range_are_in_it(plans, value):
    result = valid(plans["msp-aug0"])
    result["tests"]["cremad"]["wF1"]["mean"] = value
    assert_valid(result, plans["msp-aug0"])


def test_speakers_of_a_corpus_split_by_clip_may_overlap(plans):
    result = valid(plans["cremad+msp-aug0"])
    result["corpora"]["cremad"] |= {"split_by_clip": True, "shared_speakers": ["1001"]}
    assert_valid(result, plans["cremad+msp-aug0"])


def test_a_training_corpus_without_validation_clips_has_no_validation(plans):
    result = valid(plans["cremad+msp-aug0"])
    del result["validation"]["cremad"]
    result["corpora"]["cremad"]["clips"]["validation"] = dict.fromkeys("ahns", 0)
    assert_valid(result, plans["cremad+msp-aug0"])


def test_validation_goes_by_the_key_that_was_learnt(plans):
    plan = plans["iemocap_scrambled+msp-aug0-fold04"]
    result = valid(plan)
    assert set(result["validation"]) == {"msp", "iemocap_scrambled"}
    result["validation"]["iemocap"] = result["validation"].pop("iemocap_scrambled")
    with pytest.raises(AssertionError):
        assert_valid(result, plan)


def test_a_run_that_learns_permuted_labels_must_be_scored_under_them(plans):
    plan = dataclasses.replace(plans["iemocap_scrambled+msp-aug0-fold04"], train=("iemocap_far", "msp"))
    result = valid(plan)
    assert_valid(result, plan)
    del result["tests"]["iemocap_far"]
    with pytest.raises(KeyError, match="iemocap_far"):
        assert_valid(result, plan)


def test_a_tuned_run_needs_clips_to_choose_on():
    """A valid run that no recipe can be chosen on."""
    case = next(case for case in studies.plan(studies.read("paper")) if case.tuned)
    result = valid(case.spec)

    def run():
        cases.test_tuning_grid.test_tuning(SimpleNamespace(spec=case.spec, result=lambda: result))

    run()
    result["validation"] = {}
    result["corpora"]["iemocap"]["clips"]["validation"] = dict.fromkeys("ahns", 0)
    assert_valid(result, case.spec)
    with pytest.raises(AssertionError, match="no validation clips to choose a recipe on"):
        run()


def test_of_what_is_imported_no_loss_is_known(plans):
    plan = plans["iemocap-aug0-fold04"]
    model = ModelSpec(encoder="imported:mine")
    plan = dataclasses.replace(plan, model=model, recipe=model.recipe(plan.recipe, 0))
    result = made_result(plan, lambda test, fold, number: 0.5, evaluations=1)
    assert_valid(result, plan)
    result["history"][0]["loss"] = 0.5
    with pytest.raises(AssertionError, match="a loss is said of a run that was not trained here"):
        assert_valid(result, plan)


def change(*path, to):
    """An edit of a result: the entry at the end of `path` becomes `to`, or goes where `to` is `...`."""

    def edit(result):
        for step in path[:-1]:
            result = result[step]
        if to is ...:
            del result[path[-1]]
        else:
            result[path[-1]] = to

    return edit


def descend(result):
    """The loss falls at one pace to the end."""
    for number, at in enumerate(result["history"]):
        at["loss"] = 1 - number / 30


def thrown_off(result):
    """The loss that a learning rate of 1e6 left, level."""
    for at in result["history"]:
        at["loss"] = 1.4e18


FAULTS = {
    "thrown off": thrown_off,
    "label": change("label", to="msp-aug20-fold04"),
    "test missing": change("tests", "iemocap_scrambled", to=...),
    "corpus missing": change("corpora", "cremad", to=...),
    "fold of the trained corpus missing": change("tests", "iemocap", "folds", to={}),
    "no test clips": change("corpora", "msp", "clips", "test", to=dict.fromkeys("ahns", 0)),
    "shared speakers": change("corpora", "iemocap", "shared_speakers", to=["Ses03F"]),
    "validation missing": change("validation", to={}),
    "validation of another corpus": change(
        "validation", "msp", to={metric: {"mean": 0, "std": 0} for metric in METRICS}
    ),
    "validation without clips": change(
        "corpora", "iemocap", "clips", "validation", to=dict.fromkeys("ahns", 0)
    ),
    "training clips": change("training_clips", to=23),
    "evaluation missing": lambda result: result["history"].pop(3),
    "evaluation too many": lambda result: result["history"].append(result["history"][-1]),
    "tail": change("tail_evaluations", to=8),
    "loss is not a number": change("history", 7, "loss", to=math.nan),
    "loss is infinite": change("history", 7, "loss", to=math.inf),
    "not levelled off": descend,
}
for metric in METRICS:
    for word, value in {"NaN": math.nan, "above 1": 1.01, "below 0": -0.01, "infinite": math.inf}.items():
        FAULTS[f"{metric} {word}"] = change("tests", "iemocap", metric, "mean", to=value)
        FAULTS[f"validation {metric} {word}"] = change("validation", "iemocap", metric, "mean", to=value)
    FAULTS[f"{metric} of a fold"] = change("tests", "iemocap", "folds", "8", metric, "mean", to=math.nan)
    FAULTS[f"{metric} std"] = change("tests", "iemocap", metric, "std", to=math.nan)


def test_a_study_too_short_to_settle_is_still_no_excuse_for_a_loss_far_above_guessing(plans):
    result = valid(plans["msp-aug0"])
    thrown_off(result)
    with pytest.raises(AssertionError, match=r"the loss in the tail is 1\.4e\+18, that of guessing 0\.56"):
        assert_valid(result, plans["msp-aug0"], settled=False)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_found(plans, fault):
    plan = plans["iemocap-aug0-fold04"]
    right = valid(plan)
    wrong = copy.deepcopy(right)
    FAULTS[fault](wrong)
    assert wrong != right
    with pytest.raises((AssertionError, KeyError)):
        assert_valid(wrong, plan)
    assert_valid(right, plan)


@pytest.mark.parametrize(("folds", "passes"), [(10, True), (9, False), (1, False)])
def test_a_corpus_not_trained_on_is_tested_on_all_its_folds(plans, folds, passes):
    plan = plans["msp-aug0"]
    result = valid(plan)
    tested = result["tests"]["iemocap"]
    tested["folds"] = {fold: value for fold, value in tested["folds"].items() if int(fold) < folds}
    if passes:
        assert_valid(result, plan)
    else:
        with pytest.raises(AssertionError, match=f"iemocap: {folds} folds tested, expected 10"):
            assert_valid(result, plan)


def test_a_second_fold_of_a_trained_corpus_is_a_leak(plans):
    """Its clips were learnt from."""
    plan = plans["iemocap-aug0-fold04"]
    result = valid(plan)
    folds = result["tests"]["iemocap"]["folds"]
    folds["7"] = folds["8"]
    with pytest.raises(AssertionError, match="iemocap: 3 folds tested, expected 2"):
        assert_valid(result, plan)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("wF1 NaN", "iemocap: wF1 is nan"),
        ("validation wF1 NaN", "validation on iemocap: wF1 is nan"),
        ("wACC above 1", r"iemocap: wACC = 1\.01 is no share"),
        ("shared speakers", r"iemocap: \['Ses03F'\] train and test"),
        ("no test clips", "msp: no test clips"),
        ("not levelled off", "raise recipe.epochs"),
    ],
)
def test_what_is_wrong_is_said(plans, fault, words):
    result = valid(plans["iemocap-aug0-fold04"])
    FAULTS[fault](result)
    with pytest.raises(AssertionError, match=words):
        assert_valid(result, plans["iemocap-aug0-fold04"])


def test_a_point_of_a_grid_need_not_have_settled_but_must_be_valid(plans):
    plan = plans["iemocap-aug0-fold04"]
    result = valid(plan)
    descend(result)
    assert_valid(result, plan, settled=False)
    FAULTS["training clips"](result)
    with pytest.raises(AssertionError):
        assert_valid(result, plan, settled=False)


# --- measurements of acoustics ---

SPEC = AcousticsSpec(CorpusSpec("one", "emodb"), clips=20, p835_clips=5)


def measurement():
    """20 of 30 clips: one silent, one short; five judged by P.835 too."""
    clips = 20
    estimates = pd.DataFrame({"path": [f"{n}.wav" for n in range(clips)], "reason": "", "label": "sad"})
    estimates[["p808_mos", "t60_s", "c50_db"]] = [3.0, 0.5, 10.0]
    estimates[["ovrl_mos", "sig_mos", "bak_mos"]] = np.nan
    estimates.loc[::4, ["ovrl_mos", "sig_mos", "bak_mos"]] = 2.5
    estimates.loc[3, "reason"], estimates.loc[5, "reason"] = "silent", "short"
    estimates.loc[3, ["p808_mos", "t60_s", "c50_db"]] = np.nan
    estimates.loc[5, ["t60_s", "c50_db"]] = np.nan
    result = {
        "label": "acoustics-one-raw",
        "corpora": {"one": {"clips": {"measured": {"sad": clips}, "all": {"sad": 30}}}},
        "reasons": {"": 18, "silent": 1, "short": 1},
    }
    return result, estimates


def test_a_right_measurement_passes():
    assert_measured(*measurement(), SPEC)


def test_a_small_corpus_is_measured_whole():
    result, estimates = measurement()
    result["corpora"]["one"]["clips"]["all"] = {"sad": 20}
    assert_measured(result, estimates, dataclasses.replace(SPEC, clips=10_000))
    result["corpora"]["one"]["clips"]["all"] = {"sad": 21}
    with pytest.raises(AssertionError):
        assert_measured(result, estimates, dataclasses.replace(SPEC, clips=10_000))


@pytest.mark.parametrize(
    "fault",
    [
        lambda result, table: result.update(label="acoustics-two-raw"),
        lambda result, table: result["corpora"]["one"]["clips"]["measured"].update(sad=19),
        lambda result, table: result["corpora"]["one"]["clips"]["all"].update(sad=10),
        lambda result, table: table.__setitem__("path", "0.wav"),
        lambda result, table: result["reasons"].update(silent=2),
        lambda result, table: table.__setitem__("p808_mos", 5.6),
        lambda result, table: table.__setitem__("t60_s", -0.1),
        lambda result, table: table.__setitem__("c50_db", 99.0),
        lambda result, table: table.__setitem__("ovrl_mos", 2.0),
        lambda result, table: table.__setitem__("bak_mos", 0.4),
        lambda result, table: table.loc.__setitem__((0, "p808_mos"), np.nan),
        lambda result, table: table.loc.__setitem__((3, "p808_mos"), 3.0),
        lambda result, table: table.loc.__setitem__((3, "t60_s"), 0.3),
        lambda result, table: table.loc.__setitem__((5, "c50_db"), 3.0),
        lambda result, table: table.loc.__setitem__((1, "t60_s"), np.nan),
    ],
)
def test_each_fault_of_a_measurement_is_found(fault):
    result, estimates = measurement()
    fault(result, estimates)
    with pytest.raises(AssertionError):
        assert_measured(result, estimates, SPEC)


def test_a_corpus_that_mostly_cannot_be_judged_is_found():
    result, estimates = measurement()
    estimates.loc[:10, "reason"] = "clipped"
    estimates.loc[:10, [name for name in estimates if name.endswith(("_mos", "_s", "_db"))]] = np.nan
    result["reasons"] = estimates["reason"].value_counts().to_dict()
    with pytest.raises(AssertionError, match="most clips cannot be judged"):
        assert_measured(result, estimates, SPEC)
