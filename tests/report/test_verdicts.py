"""The verdicts: what they say of made results whose truth is known."""

import csv
import io
import itertools
import json
import re

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from scipy import stats

from benchmark import study as studies
from benchmark.report import cells, collect, intervals, page, verdicts
from benchmark.report.claims import in_print
from benchmark.report.intervals import ALONE, FOLDS, SPEAKERS, Spread
from benchmark.report.judging import Change, Claim, Family, Place, Verdict, verdict
from benchmark.report.terms import ABOVE, BELOW, EITHER, FAILS, HOLDS, MARGIN, UNTOLD, WITHIN
from serkit.errors import SpecError
from serkit.labels import corpus_of
from serkit.results import Store
from tests.made_results import made_result, put
from tests.report.made_worlds import READERS, TWO, asked, judged, over_folds

STUDY = {
    **TWO,
    "table1": {"train": [["one"], ["two"]]},
    "figure2": {"train": [["one"], ["two"], ["one", "two"]], "test": ["two", "one"]},
    "figure3": {"train": [["one", "two_scrambled"]], "test": ["two_scrambled", "one"]},
}
THREE = {
    "corpora": READERS,
    "table1": {"train": [["one"], ["two"], ["three"]]},
    "figure2": {"train": [["one"], ["two"], ["three"], ["one", "two"]], "test": ["one", "two", "three"]},
    "figure3": {"train": [["one", "two_scrambled"]], "test": ["two_scrambled", "one", "three"]},
}
BASELINE = 0.6


def made(level, noise=0.005, leave_out=lambda spec: False, recall=lambda value, *_: value, seed=0, **changes):
    """The cells of a study by the level of (run, test); each run has some noise on each fold.

    `recall` makes uACC of the same values, where it shall be another.
    """
    study = studies.from_toml(STUDY | changes, "two")
    random, results = np.random.default_rng(seed), {}
    for case in studies.plan(study):
        noises = random.normal(0, noise, 5)
        if case.spec.kind == "training" and not leave_out(case.spec):

            def values(test, fold, number, spec=case.spec, noises=noises):
                wf1 = level(spec, test) + noises[fold]
                return {"uACC": recall(wf1, spec, test), "wACC": 0.5, "wF1": wf1}

            results[case.spec] = made_result(case.spec, values, evaluations=1)
    return cells.Cells(study, results)


def say(level, **changes):
    """The verdicts by name."""
    return judged(made(level, **changes))


def unseen(spec, test):
    return corpus_of(test) not in spec.trained_on


def memorising(spec, test):
    """Good on what it learnt, whatever the labels; bad on everything else; augmentation does nothing."""
    return BASELINE if test in spec.train else BASELINE - 0.2


def swapped(spec):
    return len(spec.train) > 1 and "two_scrambled" in spec.train


# --- what made networks are said to do ---


def test_a_network_that_memorises_each_corpus():
    found = say(memorising)
    transfer = found["transfer"]
    assert transfer.answer == HOLDS
    assert transfer.sentence.startswith(
        "Trained on one corpus and tested on another at 0 %, against the tested corpus's own baseline, wF1"
        " changes by -0.2"
    )
    assert "clearly up in 0 and down in 2 of 2 (95 % over 5 folds; 2 changes corrected for)." in (
        transfer.sentence
    )
    assert transfer.sentence.endswith("In 0 of 2 pairs it is not above what is had without listening.")
    for name, excluded in {"unseen-augmented": "gain", "unseen-falls": "loss"}.items():
        assert found[name].answer == FAILS
        assert "clearly up in 0 and down in 0 of 2 (95 % over" in found[name].sentence
        assert f"A {excluded} of 0.05 is excluded in all of them." in found[name].sentence
    assert found["unnoticed"].answer == HOLDS
    assert found["unnoticed"].sentence.endswith("A change of 0.05, up or down, is excluded.")
    assert found["noticed"].answer == FAILS
    assert found["noticed"].sentence.endswith("A change of 0.05 is excluded in all of them.")
    assert "each under the labels that it was taught" in found["unnoticed"].sentence
    assert found["adding"].answer == HOLDS
    assert found["joint"].answer == FAILS


def test_a_verdict_rests_on_the_changes_that_the_cells_show():
    shown = made(memorising)
    found = judged(shown)
    for name, change in found["transfer"].changes:
        train, _, test = name.lower().partition(" on ")
        ours, theirs = (shown.units((of,), test, 0) for of in (train, test))
        assert change == intervals.difference(ours, theirs)
        assert change.mean == pytest.approx(np.mean([ours.values[i] - theirs.values[i] for i in range(5)]))
    assert [name for name, _ in found["unseen-falls"].changes] == ["ONE on TWO, 50 %", "TWO on ONE, 50 %"]
    assert [name for name, _ in found["own-augmented"].changes] == ["ONE on ONE, 50 %", "TWO on TWO, 50 %"]


def test_a_network_that_learns_emotions_notices():
    found = say(lambda spec, test: BASELINE - 0.2 * swapped(spec))
    assert found["transfer"].answer == FAILS
    assert "A loss of 0.05 is excluded in all of them." in found["transfer"].sentence
    assert found["noticed"].answer == HOLDS
    assert found["noticed"].sentence.endswith(
        " Clear changes: ONE+TWO-SCRAMBLED on ONE, ONE+TWO-SCRAMBLED on TWO."
    )
    assert found["unnoticed"].answer == FAILS
    assert found["unnoticed"].sentence.endswith("A change of 0.05 or more is clear.")


def test_a_loss_that_is_clear_and_small_goes_unnoticed_as_far_as_it_counts():
    found = say(lambda spec, test: BASELINE - 0.015 * swapped(spec), noise=0.002)
    assert found["noticed"].answer == found["unnoticed"].answer == HOLDS, "noticed, and by less than counts"
    assert "clearly up in 0 and down in 2 of 2" in found["unnoticed"].sentence
    assert found["unnoticed"].sentence.endswith("A change of 0.05, up or down, is excluded.")


def test_a_change_that_is_clear_and_may_be_as_large_as_counts_is_there_and_not_sized():
    found = say(lambda spec, test: BASELINE - 0.05 * swapped(spec), noise=0.01)
    assert found["noticed"].answer == HOLDS
    assert found["unnoticed"].answer == UNTOLD
    assert " There is a change; whether it is 0.05 or more cannot be told." in found["unnoticed"].sentence


def test_a_swap_that_helps_is_noticed():
    found = say(lambda spec, test: BASELINE + 0.2 * swapped(spec), noise=0.002)
    assert (found["noticed"].answer, found["unnoticed"].answer) == (HOLDS, FAILS)
    assert "wF1 changes by +0.20: clearly up in 2 and down in 0 of 2" in found["unnoticed"].sentence


def test_augmentation_that_helps_is_counted():
    def helped(spec, test):
        return BASELINE - unseen(spec, test) * (0.2 if spec.augment_percent == 0 else 0.1)

    found = say(helped, rates_percent=[0, 20, 50, 70, 100])
    assert found["unseen-augmented"].answer == HOLDS
    assert "Augmenting 20 to 100 % of the training clips, against 0 %" in found["unseen-augmented"].sentence
    assert "median +0.10: clearly up in 8 and down in 0 of 8" in found["unseen-augmented"].sentence
    assert found["unseen-falls"].answer == FAILS
    assert found["own-augmented"].answer == FAILS
    assert "on own test clips wF1 changes by" in found["own-augmented"].sentence


def test_augmentation_of_own_clips_is_another_question():
    def at_home(spec, test):
        return BASELINE - 0.2 * unseen(spec, test) + 0.1 * (test in spec.train and spec.augment_percent > 0)

    found = say(at_home)
    assert found["own-augmented"].answer == HOLDS
    assert "clearly up in 2 and down in 0 of 2" in found["own-augmented"].sentence
    assert found["unseen-augmented"].answer == FAILS


def test_losses_are_a_claim_of_their_own_and_what_is_not_done_counts_as_none():
    def falls(spec, test):
        return BASELINE - 0.1 * unseen(spec, test) * (spec.augment_percent > 0)

    def late(spec):
        return spec.augment_percent > 2 or (spec.train, spec.augment_percent) == (("two",), 2)

    found = say(falls, noise=0.001, leave_out=late, rates_percent=[0, *range(1, 11)])
    assert found["unseen-augmented"].answer == UNTOLD, "what is not done may rise"
    assert found["unseen-falls"].answer == HOLDS
    said = found["unseen-falls"].sentence
    assert "clearly up in 0 and down in 3 of 3 (95 % over 5 folds; 3 changes corrected for)" in said
    assert (
        "; left out: 17 not done or without an interval. Clear losses: ONE on TWO, 1 %, ONE on TWO, 2 %,"
        in said
    )


@pytest.mark.filterwarnings("error")
def test_where_some_rise_and_some_fall_both_are_said():
    def torn(spec, test):
        return BASELINE + {"one": 0.1, "two": -0.1}[corpus_of(test)] * unseen(spec, test) * (
            spec.augment_percent > 0
        )

    found = say(torn, noise=0.001)
    for name in ("unseen-augmented", "unseen-falls"):
        assert found[name].answer == UNTOLD
        assert "wF1 changes by -0.10 to +0.10: clearly up in 1 and down in 1 of 2" in found[name].sentence
        assert found[name].sentence.endswith(
            " Clear gains: TWO on ONE, 50 %; clear losses: ONE on TWO, 50 %: it depends on the case."
        )


def test_it_is_the_lowest_rate_and_single_true_corpora_that_tell_of_transfer():
    def rises(spec, test):
        return BASELINE + 0.1 * unseen(spec, test) * (spec.augment_percent == 20)

    figure2 = {"train": [["one"], ["one", "two"], ["two_scrambled"]], "test": ["two", "three"]}
    found = say(rises, **THREE | {"figure2": figure2, "rates_percent": [50, 20]})["transfer"]
    assert found.answer == FAILS
    assert "tested on another at 20 %" in found.sentence
    assert "clearly up in 6 and down in 0 of 6" in found.sentence
    pairs = ["ONE on TWO", "ONE on THREE", "TWO on ONE", "TWO on THREE", "THREE on ONE", "THREE on TWO"]
    assert [name for name, _ in found.changes] == pairs


def test_joint_training_is_held_against_its_corpus_or_the_best_of_them_alone():
    def joint(spec, test):
        helps = {"one": 0.1, "two": 0.0, "three": 0.2}[corpus_of(test)]
        better = 0.1 * (spec.train == ("two",) and test == "three")
        return BASELINE - 0.2 * unseen(spec, test) + helps * (spec.train == ("one", "two")) + better

    found = say(joint, noise=0.002, rates_percent=[0], **THREE)
    assert found["joint"].answer == HOLDS
    assert "Joint training against the corpus alone, at 0 %: on it wF1 changes by" in found["joint"].sentence
    assert "clearly up in 1 and down in 0 of 2" in found["joint"].sentence
    assert [name for name, _ in found["joint"].changes] == ["ONE+TWO on ONE", "ONE+TWO on TWO"]
    assert found["adding"].answer == FAILS
    assert found["adding"].sentence.endswith("A change of 0.05 or more is clear.")
    assert found["joint-unseen"].answer == HOLDS
    names = [name for name, _ in found["joint-unseen"].changes]
    assert names == ["ONE+TWO on THREE, against TWO"]
    ((_, gain),) = found["joint-unseen"].changes
    assert gain.mean == pytest.approx(0.1, abs=0.005)


def test_labels_permuted_elsewhere_may_matter_to_a_third_corpus():
    def third(spec, test):
        return BASELINE - 0.1 * unseen(spec, test) - 0.1 * (swapped(spec) and test == "three")

    found = say(third, rates_percent=[0], **THREE)
    assert found["third"].answer == HOLDS
    assert "at 0 %: on other corpora wF1 changes by -0.10 [" in found["third"].sentence
    assert "]: clear (95 % over 5 folds" in found["third"].sentence
    assert [name for name, _ in found["third"].changes] == ["ONE+TWO-SCRAMBLED on THREE"]
    assert found["unnoticed"].answer == HOLDS
    assert "third" not in say(third, rates_percent=[0]), "there is no third corpus"


SCRAMBLED = {50: [0.40, 0.41, 0.39, 0.42, 0.38], 0: [0.60, 0.60, 0.58, 0.63, 0.59]}
TRUE = {50: [0.57, 0.60, 0.56, 0.61, 0.56], 0: [0.62, 0.64, 0.60, 0.66, 0.60]}


def test_what_augmentation_costs_under_permuted_labels_is_of_four_cells():
    study = studies.from_toml(STUDY, "two")
    results = {}
    for case in studies.plan(study):
        of = SCRAMBLED if swapped(case.spec) else TRUE

        def values(test, fold, number, of=of[case.spec.augment_percent]):
            return of[fold] if test.startswith("two") else BASELINE

        results[case.spec] = made_result(case.spec, values, evaluations=1)
    found = judged(cells.Cells(study, results))["scrambled-falls"]
    ((name, change),) = found.changes
    assert name == "ONE+TWO-SCRAMBLED, 50 %"
    falls = np.subtract(SCRAMBLED[50], SCRAMBLED[0]) - np.subtract(TRUE[50], TRUE[0])
    assert (change.mean, change.low, change.high) == pytest.approx(over_folds(falls)[:3])
    assert found.answer == HOLDS
    assert found.sentence.startswith(
        "On the permuted corpus under the labels that it was taught, from 0 % to higher rates, less the same"
        " under true labels: wF1 changes by -0.16 ["
    )


def test_tuning_is_the_chosen_point_against_the_study_s_own_recipe():
    grid = {"train": [["two"]], "learning_rates": [0.001, 0.01], "batch_sizes": [128]}
    recipe = {"learning_rate": 0.0001, "epochs": 5}

    def tuned(gain):
        def level(spec, test):
            return BASELINE + gain * (spec.recipe.learning_rate == 0.001) * (spec.train == ("two",))

        return say(level, tuning=grid, recipe=recipe, noise=0.002)["tuning"]

    found = tuned(0.1)
    assert found.answer == HOLDS
    assert found.sentence.startswith(
        "TWO: the point chosen on the validation clips, against the study's own recipe, wF1 changes by +0.10"
    )
    assert [name for name, _ in found.changes] == ["TWO, tuned"]
    assert tuned(0.0).answer == FAILS
    assert tuned(0.0).sentence.endswith("A gain of 0.05 is excluded.")
    undone = {"leave_out": lambda spec: spec.recipe.learning_rate != 0.0001}
    found = say(memorising, tuning=grid, recipe=recipe, **undone)["tuning"]
    assert found.answer == UNTOLD
    assert found.sentence == "Whether tuning helps cannot be said yet: its runs are not done."
    assert "tuning" not in say(memorising)


# --- how the corpora sound ---


def distance(measure, closed, low, high, condition="augmented", other="augmented", near=False):
    row = {"corpus": "ONE", "other": "TWO", "measure": measure}
    row |= {"condition": condition, "other_condition": other}
    row |= {f"wasserstein_closed{end}": at for end, at in (("", closed), ("_low", low), ("_high", high))}
    return row | {"ks": 0.1 if near else 0.3, "ks_chance": 0.2}


def bridge(*rows, **changes):
    study = studies.from_toml(STUDY | {"figure4": {}} | changes, "two")
    numbers = {"figure4-distance-cells": pd.DataFrame(rows)} if rows else {}
    return judged(cells.Cells(study, {}), numbers).get("bridge")


def test_corpora_are_closer_where_the_interval_of_what_is_gone_leaves_out_0():
    rows = [
        distance("p808_mos", 0.4, 0.3, 0.5, near=True),
        distance("t60_s", 0.2, 0.1, 0.3),
        distance("c50_db", -0.3, -0.4, -0.2),
        distance("p808_mos", -0.9, -1.0, -0.8, condition="augmented", other="raw"),
        distance("p808_mos", np.nan, np.nan, np.nan, condition="raw", other="raw"),
    ]
    found = bridge(*rows)
    assert found.answer == FAILS, "not all pairs are closer"
    assert found.sentence.startswith(
        "With both corpora augmented, -30% to 40% of the distance between their raw estimates is gone:"
        " clearly closer in 2, clearly further apart in 1 of 3 pairs and measures (95 % over speakers, each"
        " for itself); as close as chance deals speakers in 1."
    )
    assert [name for name, _ in found.changes] == [
        "ONE and TWO, MOS",
        "ONE and TWO, T60 (s)",
        "ONE and TWO, C50 (dB)",
    ]
    assert repr(found.changes[0][1]) == repr(Spread(0.4, 0.3, 0.5, of=SPEAKERS))
    assert bridge(*rows[:2]).answer == HOLDS
    assert bridge(rows[0], distance("t60_s", 0.2, -0.1, 0.5)).answer == UNTOLD
    wide = bridge(distance("t60_s", 0.2, -0.1, 0.5))
    assert (wide.answer, "clearly closer in 0, clearly further apart in 0 of 1 pair" in wide.sentence) == (
        UNTOLD,
        True,
    )


def test_what_is_not_measured_or_not_asked_has_no_bridge():
    assert bridge().sentence.endswith("cannot be said yet: the measurements are not done.")
    assert bridge(figure4={"corpora": ["one"]}).sentence.endswith("there is one corpus.")
    assert bridge(rates_percent=[0]) is None
    assert "bridge" not in say(memorising)


# --- what is not done, not asked, has no interval, is no number ---


def test_wide_spread_claims_nothing():
    found = say(lambda *_: BASELINE, noise=0.1, recall=lambda *_: BASELINE)
    for name in ("transfer", "unseen-augmented", "unseen-falls", "unnoticed", "joint", "own-augmented"):
        assert found[name].answer == UNTOLD, name
        assert "clearly up in 0 and down in 0 of" in found[name].sentence
        assert "excluded" not in found[name].sentence


def power(of, comparisons, n):
    """Of a two-sided t test of n units, each of which varies as those of an interval do."""
    deviation = (of.high - of.mean) / stats.t.ppf(0.975, of.n - 1) * np.sqrt(of.n)
    far, clear = MARGIN / deviation * np.sqrt(n), stats.t.ppf(1 - 0.025 / comparisons, n - 1)
    return stats.nct.sf(clear, n - 1, far) + stats.nct.cdf(-clear, n - 1, far)


def test_where_a_claim_cannot_be_told_it_is_said_how_many_units_could():
    found = say(memorising, noise=0.05, recall=lambda *_: BASELINE)["unnoticed"]
    assert found.answer == UNTOLD
    (times,) = re.findall(
        r" A study (\d+\.\d) times as large would see a change of 0\.05 with 80 % power\.$", found.sentence
    )
    enough = max(next(n for n in range(2, 999) if power(of, 2, n) >= 0.8) for _, of in found.changes)
    assert float(times) == pytest.approx(enough / 5, abs=0.051)
    for other in say(memorising).values():
        assert ("with 80 % power" in other.sentence) == (other.answer == UNTOLD and bool(other.changes))


def test_what_is_not_done_is_said():
    found = say(memorising, leave_out=lambda spec: spec.train != ("one",))
    assert found["transfer"].sentence == (
        "Whether a network of one corpus works on another cannot be said yet: its runs are not done."
    ), "a change needs the tested corpus's baseline"
    assert "; left out: 1 not done or without an interval." in found["unseen-falls"].sentence
    assert found["unnoticed"].sentence.endswith("cannot be said yet: its runs are not done.")
    for name in ("transfer", "unnoticed", "joint"):
        assert (found[name].answer, found[name].changes) == (UNTOLD, ())
    assert found["learnt"].answer == UNTOLD, "of each corpus"
    assert re.search(r"So far 0 of \d+ runs of TWO are done\.$", found["learnt"].sentence)


def test_a_study_that_does_not_ask_is_not_answered():
    given = {key: STUDY[key] for key in STUDY if key not in ("figure2", "figure3")}
    found = judged(cells.Cells(studies.from_toml(given, "two"), {}))
    of_rates = ["own-augmented", "own-falls", "unseen-augmented", "unseen-falls"]
    assert list(found) == ["learnt", "transfer", *of_rates]
    for name in ("transfer", "unseen-augmented", "unseen-falls"):
        assert found[name].sentence.endswith(" is not asked by this study.")
    assert found["own-augmented"].sentence.endswith("cannot be said yet: its runs are not done.")
    assert found["learnt"].sentence.endswith("cannot be said yet: no such training is done.")


@pytest.mark.parametrize("with_table1", [True, False])
def test_what_a_study_does_not_ask_for_is_no_gap_that_time_would_close(with_table1):
    given = {key: STUDY[key] for key in STUDY if key not in ("table1", "figure2", "figure3")}
    given["figure2"] = {"train": [["one"]], "test": ["two", "one"]}
    given["figure3"] = {"train": [["one", "two_scrambled"]], "test": ["two"]}
    if with_table1:
        given["table1"] = {"train": [["one"]]}
    found = judged(cells.Cells(studies.from_toml(given, "two"), {}))
    assert found["transfer"].sentence.endswith("cannot be said: this study does not train on TWO at 0 %.")
    assert found["unnoticed"].sentence.endswith(
        "cannot be said: this study does not train on ONE+TWO at 0 %."
    )


def test_of_several_joint_trainings_those_that_the_study_can_compare_decide():
    figure3 = {"train": [["one", "two_scrambled"], ["three", "two_scrambled"]], "test": ["two_scrambled"]}
    found = say(memorising, rates_percent=[0], **THREE | {"figure3": figure3})["unnoticed"]
    assert found.answer == HOLDS
    assert [name for name, _ in found.changes] == ["ONE+TWO-SCRAMBLED on ONE", "ONE+TWO-SCRAMBLED on TWO"]
    assert "left out" not in found.sentence, "TWO+THREE is no gap: nobody asked for it"


def test_the_order_of_corpora_in_a_set_does_not_matter():
    """All runs are done: no sentence says that something is not."""
    figure2 = {"train": [["two"], ["one"], ["two", "one"]], "test": ["two", "one"]}
    figure3 = {"train": [["two_scrambled", "one"]], "test": ["two_scrambled", "one"]}
    found = say(memorising, figure2=figure2, figure3=figure3)
    assert found["unnoticed"].answer == HOLDS
    for name, expected in say(memorising).items():
        assert found[name].answer == expected.answer
        if name != "separates":  # it rests on clips, which are not made here
            assert "cannot be said" not in found[name].sentence


@pytest.mark.filterwarnings("error")
def test_numbers_that_are_none_claim_nothing():
    for found in say(lambda spec, test: np.nan).values():
        assert found.answer == UNTOLD
        assert "cannot be said yet" in found.sentence
    found = say(lambda spec, test: np.nan if (test, len(spec.train)) == ("one", 2) else BASELINE)
    assert "left out: 1 not done or without an interval" in found["unnoticed"].sentence
    assert "left out: 1 not done or without an interval" in found["joint"].sentence


def test_one_split_and_one_training_have_no_interval_and_no_verdict():
    """Finding 3: a single split had a yardstick of 0.02 and its cells were called clear by that."""
    corpora = {"one": {"reader": "crema_d", "title": "ONE"}, "two": {**STUDY["corpora"]["two"], "folds": 1}}
    for name, found in say(memorising, noise=0, corpora=corpora).items():
        if name not in ("learnt", "separates"):
            assert found.answer == UNTOLD
            assert "cannot be said yet: nothing tells what another training or fold would give" in (
                found.sentence
            )


def test_many_changes_are_corrected_for():
    """Finding 5: of twenty changes of nothing two are outside their own intervals; none is called clear."""
    rates = {"rates_percent": list(range(11)), "figure3": {"train": [["one"]], "test": ["one"]}}
    found = say(memorising, noise=0.1, seed=3, recall=lambda *_: BASELINE, **rates)
    changes = [change for _, change in found["unseen-augmented"].changes]
    assert len(changes) == 20
    assert any(change.clear for change in changes)
    for name in ("unseen-augmented", "unseen-falls"):
        assert found[name].answer == UNTOLD
        assert "clearly up in 0 and down in 0 of 20 (95 % over 5 folds; 20 changes corrected for)" in (
            found[name].sentence
        )


# --- nothing learnt, nothing concluded ---


def guessing(*corpora):
    """uACC at chance on some corpora where they are trained on; else as it is."""
    random = np.random.default_rng(2)

    def recall(value, spec, test):
        return 0.25 + random.normal(0, 0.02) if corpus_of(test) in corpora else value

    return recall


def test_what_was_learnt_is_what_each_corpus_has_above_guessing_and_a_constant():
    shown = made(memorising)
    found = judged(shown)["learnt"]
    assert found.answer == HOLDS
    constant = shown.evidence.constants("one").best["wF1"]
    own = shown.units(("one",), "one", 0).around()
    (name, change), _ = found.changes
    assert (name, change.low) == ("ONE", pytest.approx(own.low - constant))
    assert f"ONE {own.mean:.2f} [{own.low:.2f}, {own.high:.2f}], {constant:.2f} without" in found.sentence
    half = say(memorising, recall=guessing("two"))["learnt"]
    assert half.answer == UNTOLD
    assert "was learnt of TWO" in half.sentence
    given = {key: STUDY[key] for key in STUDY if key != "table1"}
    given["figure2"] = {"train": [["one", "two"]], "test": ["one"]}
    none = judged(cells.Cells(studies.from_toml(given, "two"), {}))["learnt"]
    assert none.sentence.endswith("cannot be said yet: no corpus is trained on alone.")


def test_where_nothing_was_learnt_nothing_is_concluded():
    """Folds at chance differ from one another, and from each other's baselines, and mean nothing."""
    learnt, *others = say(lambda spec, test: 0.3, noise=0.02, recall=guessing("one", "two")).values()
    assert (learnt.name, learnt.answer) == ("learnt", FAILS)
    for found in others:
        assert (found.answer, found.changes) == (UNTOLD, ())
        assert "cannot be said: nothing was learnt (" in found.sentence
        assert "0.25 by guessing" in found.sentence
        for claim in ("clear", "changes by", "excluded", "of 2"):
            assert claim not in found.sentence
    (answer,) = verdicts.answer([learnt, *others])
    assert answer.startswith("Nothing was learnt, so nothing is concluded. ")


def test_a_corpus_on_which_nothing_was_learnt_is_left_out():
    found = say(memorising, recall=guessing("two"), **THREE)
    assert [name for name, _ in found["transfer"].changes] == ["ONE on THREE", "THREE on ONE"]
    assert "left out: 4 where nothing was learnt (TWO: TWO uACC 0.2" in found["transfer"].sentence
    assert found["transfer"].answer == HOLDS
    names = [name for name, _ in found["unseen-falls"].changes]
    assert not any(name.startswith("TWO on") for name in names)
    assert "left out: 2 where nothing was learnt (TWO: TWO uACC 0.2" in found["unseen-falls"].sentence


def test_a_swap_is_told_where_joint_training_learnt_something():
    hurt = say(lambda spec, test: BASELINE - 0.2 * swapped(spec), recall=guessing("one", "two"))
    assert hurt["unnoticed"].answer == UNTOLD
    assert "nothing was learnt (ONE+TWO: ONE uACC" in hurt["unnoticed"].sentence
    hurt = say(lambda spec, test: BASELINE - 0.2 * swapped(spec), recall=guessing("two"))
    assert hurt["unnoticed"].answer == FAILS


# --- what is not above a constant ---


def test_pairs_that_are_not_above_a_constant_take_part_in_no_conclusion():
    """Finding 4: uACC is above guessing, yet wF1 is what one label gives; that it moved means nothing."""

    def deaf(spec, test):
        at_home = 0.6 if spec.train == ("one",) and test == "one" else 0.2
        return at_home + 0.02 * (spec.augment_percent > 0)

    found = say(deaf, noise=0.001, recall=lambda *_: BASELINE)
    assert [name for name, _ in found["transfer"].changes] == ["TWO on ONE"], "whose baseline is above"
    assert "; left out: 1 not above what is had without listening." in found["transfer"].sentence
    assert found["transfer"].sentence.endswith(
        "In 1 of 1 pair it is not above what is had without listening."
    )
    assert found["unseen-falls"].sentence == (
        "Whether augmentation costs on corpora that were not trained on cannot be said: none of 2 pairs of"
        " cells is above what is had without listening."
    )
    assert found["unnoticed"].sentence.endswith("of 2 pairs of cells is above what is had without listening.")


def test_of_transfer_it_is_said_how_many_pairs_are_above_a_constant():
    def half(spec, test):
        return BASELINE if test in spec.train else {"one": 0.4, "two": 0.2}[corpus_of(test)]

    found = say(half, recall=lambda *_: BASELINE)
    assert "clearly up in 0 and down in 2 of 2" in found["transfer"].sentence
    assert found["transfer"].sentence.endswith(
        "In 1 of 2 pairs it is not above what is had without listening."
    )
    assert "; left out: 1 not above what is had without listening" in found["unseen-falls"].sentence
    assert [name for name, _ in found["unseen-falls"].changes] == ["TWO on ONE, 50 %"]


def test_a_swap_is_told_by_the_corpus_that_is_above_a_constant():
    def hurt(spec, test):
        return 0.2 if corpus_of(test) == "two" else BASELINE - 0.2 * swapped(spec)

    found = say(hurt, recall=lambda *_: BASELINE)["unnoticed"]
    assert found.answer == FAILS
    assert [name for name, _ in found.changes] == ["ONE+TWO-SCRAMBLED on ONE"]


# --- every combination of what a change does ---

NOTHING, FALLS, RISES, A_LITTLE, SLIGHTLY = "nothing", "falls", "rises", "a little down", "a little up"
LESS, MORE, WIDE, HIGH = "less", "more", "wide", "high"
DOES = {NOTHING: (-0.01, 0.02), FALLS: (-0.25, -0.15), RISES: (0.15, 0.25), WIDE: (-0.1, 0.02)}
DOES |= {A_LITTLE: (-0.04, -0.01), SLIGHTLY: (0.01, 0.04), HIGH: (-0.02, 0.1)}
DOES |= {LESS: (-0.12, -0.02), MORE: (0.02, 0.12)}
DOWN, UP = {FALLS, A_LITTLE, LESS}, {RISES, SLIGHTLY, MORE}
P = dict.fromkeys(DOES, 0.6) | dict.fromkeys(DOWN | UP, 1e-3)
COMBINATIONS = [*itertools.product(DOES, repeat=1), *itertools.product(DOES, repeat=2)]
COMBINATIONS += itertools.product(DOES, repeat=3)
PLACE = Place(("one",), "one", 0)


def changed(what, heard=True, guessed=()):
    """A change that does something, on made-up places."""
    spread = Spread(sum(DOES[what]) / 2, *DOES[what], P[what], 5, FOLDS)
    return Change(what, (PLACE,), (PLACE,), spread, heard, guessed)


def family(*does, **more):
    return Family(studies.from_toml(STUDY, "two"), [changed(what, **more) for what in does])


@pytest.fixture(scope="module")
def families():
    study = studies.from_toml(STUDY, "two")
    return {does: Family(study, list(map(changed, does))) for does in COMBINATIONS}


def test_whether_nothing_changes_is_told_by_every_combination(families):
    """It holds where every interval lies within the margin; it fails by a clear change that lies beyond."""
    for does, found in families.items():
        beyond = {FALLS, RISES} & set(does)
        unsure = {WIDE, HIGH, LESS, MORE} & set(does)
        assert found.answer(WITHIN) == (FAILS if beyond else UNTOLD if unsure else HOLDS), does
        assert found.answer(WITHIN, margin=0.3) == HOLDS, "all intervals lie within that"
        assert found.answer(WITHIN, margin=0.005) == (FAILS if (DOWN | UP) & set(does) else UNTOLD), does


def test_whether_something_changes_is_told_by_every_combination(families):
    """It holds by one clear change, either way; it fails where every interval lies within the margin."""
    for does, found in families.items():
        unsure = {WIDE, HIGH} & set(does)
        assert found.answer(EITHER) == (HOLDS if (DOWN | UP) & set(does) else UNTOLD if unsure else FAILS), (
            does
        )


def test_whether_something_rises_or_falls_is_told_by_every_combination(families):
    """It holds by one clear change and none the other way; it fails where none could be what counts."""
    for does, found in families.items():
        for expects, ours, others, wide in ((ABOVE, UP, DOWN, HIGH), (BELOW, DOWN, UP, WIDE)):
            so, not_so = ours & set(does), others & set(does)
            expected = HOLDS if so and not not_so else UNTOLD if so or wide in does else FAILS
            assert found.answer(expects) == expected, does


@pytest.mark.parametrize("expects", [ABOVE, BELOW, EITHER, WITHIN])
def test_what_is_left_out_may_be_what_does_not_stay_within(expects):
    """So nothing is excluded of a family that is not whole; of changes that are not heard intervals count."""
    study, quiet = family().study, changed(NOTHING)
    assert Family(study, [quiet] * 2).answer(expects) == (HOLDS if expects == WITHIN else FAILS)
    undone = Change("undone", (PLACE,), (PLACE,), Spread(), True, ())
    for left in (undone, changed(NOTHING, guessed=("ONE: uACC 0.25",))):
        assert Family(study, [quiet, left]).answer(expects) == UNTOLD
    deaf = [changed(what, heard=False) for what in (NOTHING, FALLS, RISES)]
    assert Family(study, [quiet, deaf[0]]).answer(expects) == (HOLDS if expects == WITHIN else FAILS)
    assert Family(study, [quiet, *deaf]).answer(expects) == UNTOLD
    clear = {ABOVE: RISES, BELOW: FALLS, EITHER: FALLS, WITHIN: FALLS}[expects]
    told = FAILS if expects == WITHIN else HOLDS
    assert Family(study, [changed(clear), undone, *deaf]).answer(expects) == told, "what is there decides"


def test_verdicts_say_which_changes_decided(families):
    for does, found in families.items():
        if len(does) > 2:
            break
        up, down = ([what for what in does if what in of] for of in (UP, DOWN))
        said = verdict(Claim("name", "Claim", WITHIN), found, "Whether it matters")
        ends = {
            HOLDS: "A change of 0.05, up or down, is excluded.",
            FAILS: "A change of 0.05 or more is clear.",
        }
        for answer, words in ends.items():
            assert (words in said.sentence) == (said.answer == answer)
        unsized = said.answer == UNTOLD and bool(up or down)
        assert ("There is a change; whether it is 0.05 or more cannot be told." in said.sentence) == unsized
        for expects, word in ((ABOVE, "gain"), (BELOW, "loss"), (EITHER, "change")):
            said = verdict(Claim("name", "Claim", expects), found, "Whether it matters")
            assert (f"A {word} of 0.05 is excluded" in said.sentence) == (said.answer == FAILS)
            assert ("it depends on the case." in said.sentence) == (expects != EITHER and bool(up and down))
            named = {ABOVE: up, BELOW: down, EITHER: [*up, *down]}[expects]
            if said.answer == HOLDS and len(does) > 1:
                assert said.sentence.endswith(f": {', '.join(named)}.")
            assert "cannot be said" not in said.sentence
            assert said.sentence.count("clearly up in") == (len(does) > 1)


def test_what_does_not_count_decides_nothing():
    for expects in (ABOVE, BELOW, EITHER, WITHIN):
        assert family().answer(expects) == UNTOLD
        assert family(FALLS, RISES, heard=False).answer(expects) == UNTOLD
        assert family(FALLS, RISES, guessed=("ONE: uACC 0.25",)).answer(expects) == UNTOLD
    assert family().why_not() == "is not asked by this study"
    assert "none of 2 pairs of cells is above" in family(FALLS, RISES, heard=False).why_not()
    assert "nothing was learnt (ONE: uACC 0.25)" in family(FALLS, guessed=("ONE: uACC 0.25",)).why_not()
    lone = Change("lone", (PLACE,), (PLACE,), Spread(-0.3, n=1, of=ALONE), True, ())
    found = Family(family().study, [lone])
    assert (found.answer(BELOW), found.could()) == (UNTOLD, "")
    assert "so there is no interval" in found.why_not()


def test_holm_s_correction_is_over_the_changes_that_count():
    """Of p = 0.03 alone and beside another."""
    study = family().study
    changes = [Change("a", (PLACE,), (), Spread(0.1, 0.01, 0.19, 0.03, 5, FOLDS), True, ()) for _ in "ab"]
    assert [len(of) for of in Family(study, changes[:1]).clear()] == [1, 0]
    assert Family(study, changes).answer(ABOVE) == UNTOLD
    deaf = Change("b", (PLACE,), (), Spread(0.1, 0.01, 0.19, 0.03, 5, FOLDS), False, ())
    assert Family(study, [changes[0], deaf]).answer(ABOVE) == HOLDS


# --- a study's own questions ---


def test_an_own_question_is_judged_as_the_others_are():
    def level(spec, test):
        return BASELINE - 0.2 * unseen(spec, test)

    ask = [
        asked(),
        asked("ONE teaches TWO worse", expect="below"),
        asked("ONE teaches TWO as well", expect="within"),
        asked("ONE teaches TWO as well, or nearly", expect="within", margin=0.3),
    ]
    found = say(level, questions={"ask": ask})
    assert [found[f"asked-{number}"].answer for number in range(1, 5)] == [FAILS, HOLDS, FAILS, HOLDS]
    first, second, third, fourth = (found[f"asked-{number}"] for number in range(1, 5))
    assert second.claim == "ONE teaches TWO worse"
    assert second.sentence.startswith("ONE at 0 % against TWO at 0 %, on TWO: wF1 changes by -0.2")
    assert first.sentence.endswith("A gain of 0.05 is excluded.")
    assert third.sentence.endswith("A change of 0.05 or more is clear.")
    assert fourth.sentence.endswith("A change of 0.3, up or down, is excluded.")
    assert (third.margin, fourth.margin) == (0.05, 0.3)
    shown = made(level, questions={"ask": ask})
    ((name, change),) = second.changes
    own = intervals.difference(shown.units(("one",), "two", 0), shown.units(("two",), "two", 0))
    assert (name, change) == ("TWO", own)


def test_an_own_question_may_be_of_rates_and_permuted_labels_and_brings_its_runs():
    of = {"train": ["two_far", "one"], "test": "two_far", "augment_percent": 50}
    ask = [asked("Far labels cost", less="one", expect="below") | {"of": of}]
    shown = made(lambda spec, test: BASELINE, questions={"ask": ask})
    (question,) = shown.study.exhibits["questions"].asked
    assert question.of == ((("one", "two_far"), "two_far", 50),)
    assert question.less == ((("one",), "two", 0),)
    assert len(shown.runs(("one", "two_far"), 50)) == 5
    assert judged(shown)["asked-1"].sentence.startswith("ONE+TWO-FAR at 50 % against ONE at 0 %, on TWO-FAR:")


def test_an_own_question_may_be_of_the_sum_of_cells_on_several_corpora():
    """On each corpus the change is paired by fold; the two changes are unrelated, so their variances add."""

    def level(spec, test):
        return BASELINE - 0.2 * (len(spec.train) > 1) * (1 if corpus_of(test) == "one" else 0.5)

    joint, alone = ({"train": ["one", "two"]}, {"train": ["one"]}), ({"train": ["two"]},)
    of = [alone[0] | {"test": "two"}, joint[1] | {"test": "one"}]
    less = [joint[0] | {"test": "one"}, joint[0] | {"test": "two"}]
    shown = made(level, questions={"ask": [asked("Each by itself is better") | {"of": of, "less": less}]})
    found = judged(shown)["asked-1"]
    ((name, change),) = found.changes
    assert name == "TWO, ONE"
    assert found.sentence.startswith(
        "The sum of TWO at 0 % on TWO and ONE at 0 % on ONE, less that of ONE+TWO at 0 % on ONE and ONE+TWO"
        " at 0 % on TWO: wF1 changes by"
    )
    each = [
        intervals.difference(shown.units((test,), test, 0), shown.units(("one", "two"), test, 0))
        for test in ("one", "two")
    ]
    assert change.mean == pytest.approx(sum(of.mean for of in each))
    variances = [sum(part**2 for part in of.parts.values()) for of in each]
    half = stats.t.ppf(0.975, sum(variances) ** 2 / sum(of**2 / 4 for of in variances))
    assert change.high - change.mean == pytest.approx(half * np.sqrt(sum(variances)))
    assert change.n == sum(of.n for of in each) == 10


def test_an_own_question_that_is_not_done_says_so():
    found = say(memorising, leave_out=lambda spec: True, questions={"ask": [asked()]})["asked-1"]
    assert found.sentence == ("Whether 'ONE teaches TWO better' cannot be said yet: its runs are not done.")


# --- what is known beforehand ---


KNOWN = {"learnt": "holds", "noticed": ["holds", "cannot be told"], "asked-9": "holds"}


def report_of(folder, **changes):
    """Of a study all of whose networks score alike."""
    study = studies.from_toml(STUDY | changes, "known")
    store = Store(folder)
    for case in studies.plan(study):
        put(store, made_result(case.spec, lambda test, fold, epoch: BASELINE))
    return collect.Report(study, store)


def test_what_is_known_and_does_not_come_out_is_said_once_all_is_done(tmp_path, no_vega):
    known = {"answers": KNOWN, "wF1": 0.95}
    report = report_of(tmp_path / "all", known=known)
    wrong = "\n".join(report.wrong)
    assert "asked-9: known: holds; there is no such verdict, expected one of learnt, " in wrong
    assert f"ONE by networks of its own at 0 %: wF1 {BASELINE:.3f}; known: 0.95 or more" in wrong
    assert {f"Not as it is known to be: {line}" for line in report.wrong} <= set(report.notes)
    by_name = {of.name: of for of in report.verdicts}
    assert by_name["noticed"].known == "holds or cannot be told"
    assert by_name["noticed"].answer == FAILS
    assert f"noticed: known: holds or cannot be told; found: {FAILS}. {by_name['noticed'].sentence}" in wrong
    assert report.judged.headers == ["Claim", "Here", "Known", "Why"]
    assert '<span class="paper">known: holds or cannot be told</span>' in page.html(report)
    assert "the paper's printed numbers" not in page.html(report)
    put(store := Store(tmp_path / "some"), made_result(studies.plan(report.study)[0].spec, lambda *_: 0.1))
    (early,) = collect.Report(report.study, store).wrong
    assert early.startswith("asked-9: known: holds; there is no such verdict"), "and nothing that may come"


def test_what_is_known_and_comes_out_is_counted(tmp_path):
    report = report_of(tmp_path, known={"answers": {"learnt": "holds"}, "wF1": 0.2})
    assert report.wrong == []
    assert "All that is known came out: 1 verdict." in report.notes


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"answers": {"learnt": "yes"}}, "known.answers.learnt 'yes': expected one of holds, does not hold"),
        ({"answers": {"learnt": []}}, "known.answers.learnt: expected an answer"),
        ({"answers": ["learnt"]}, "known.answers = ['learnt']: expected a table"),
        ({"wF1": 2}, "known.wF1 = 2.0: expected a wF1, between 0 and 1"),
        ({}, "known: expected answers or wF1"),
        ({"answers": {}}, "known: expected answers or wF1"),
        ({"wf1": 0.5}, "known: unknown key 'wf1'; did you mean 'wF1'?"),
    ],
)
def test_what_cannot_be_known_is_one_message(table, message):
    with pytest.raises(SpecError) as raised:
        studies.from_toml(STUDY | {"known": table}, "known")
    assert message in str(raised.value)


# --- the answer, the table, the file ---


def test_the_answer_is_made_of_verdicts_and_of_nothing_else():
    found = list(say(memorising, figure4={}).values())
    *parts, scope = verdicts.answer(found)
    assert scope.endswith(f" Each of the {len(found)} verdicts is judged by itself.")
    assert [part.partition(":")[0] for part in parts] == list(verdicts.PARTS)
    for part, names in zip(parts, verdicts.PARTS.values(), strict=True):
        for each in found:
            claim = f"{each.claim[0].lower()}{each.claim[1:]} ({each.answer})"
            assert (claim in part) == (each.name in names)
    assert {name for names in verdicts.PARTS.values() for name in names} >= {"bridge", "separates"}
    *silent, _ = verdicts.answer([])
    assert [part.partition(": ")[2] for part in silent] == ["this study does not ask."] * 2


def test_every_question_has_a_place_and_every_claim_a_name_of_its_own():
    found = [each.name for each in say(memorising, figure4={}, questions={"ask": [asked()]}).values()]
    places = [question.PLACE for question in verdicts.questions()]
    assert places == sorted(set(places))
    assert found[0] == "learnt"
    assert len(found) == len(verdicts.verdicts(made(memorising, figure4={}, questions={"ask": [asked()]})))
    assert {"transfer", "unseen-augmented", "unnoticed"} <= set(in_print()) & set(found), "beside the paper's"


HOSTILE = (
    "=1-cmd|' /C calc'!A1 <script>alert(1)</script>",
    "@[x](http://x.example) *b* `c` $d$ \\input{e} _f_ 5 % & g",
)


HOSTILE_CORPORA = {
    name: of | {"title": title} for (name, of), title in zip(STUDY["corpora"].items(), HOSTILE, strict=True)
}


@pytest.fixture(scope="module")
def every_sentence():
    """Verdicts of each answer, and titles and claims that are markup or a formula."""
    found = [
        *verdicts.verdicts(made(memorising, questions={"ask": [asked(claim) for claim in HOSTILE]})),
        *verdicts.verdicts(made(memorising, noise=0.3, recall=lambda *_: BASELINE, corpora=HOSTILE_CORPORA)),
        *verdicts.verdicts(made(lambda spec, test: 0.3, noise=0.02, recall=guessing("one", "two"))),
        *verdicts.verdicts(made(memorising, leave_out=lambda spec: True, figure4={})),
        *verdicts.verdicts(made(lambda *_: np.nan)),
    ]
    assert {each.answer for each in found} == {HOLDS, FAILS, UNTOLD}
    return found


def test_the_table_has_a_line_a_verdict_in_every_form(every_sentence):
    table = verdicts.table(every_sentence)
    assert table.headers == ["Claim", "Here", "In print", "Why"]
    assert [row[:2] for row in table.rows] == [[each.claim, each.answer] for each in every_sentence]
    assert {row[2] for row in table.rows} <= {HOLDS, FAILS, UNTOLD, ""}
    rows = list(csv.reader(io.StringIO(table.csv())))
    assert [len(row) for row in rows] == [4] * (len(table.rows) + 1)
    assert not any(cell.startswith(("=", "@", "+", "-")) for row in rows for cell in row)
    assert [row[3] for row in rows[1:]] == [each.sentence for each in every_sentence]
    lines = [line for line in table.latex().split("\n") if line.endswith(r"\\")]
    assert len(lines) == len(table.rows) + 1
    for line in lines:
        assert len(re.findall(r"(?<!\\)&", line)) == 3
        assert not re.search(r"(?<!\\)[%#_$]", line)
        assert line.count("{") == line.count("}")
        assert "\\input{" not in line
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(table.markdown())
    flat = [at for of in tokens for at in (of, *(of.children or ()))]
    assert [at.type for at in flat].count("td_open") == 4 * len(table.rows)
    shown = "".join(at.content for at in flat if at.type in ("text", "text_special"))
    assert all(claim in shown for claim in HOSTILE)
    for kind in ("html_inline", "html_block", "link_open", "em_open", "code_inline"):
        assert kind not in {at.type for at in flat}


def no_constant(word):
    raise AssertionError(f"{word} is no JSON")


def test_the_file_has_every_digit_and_null_where_there_is_none(every_sentence):
    text = verdicts.as_json(every_sentence)
    read = json.loads(text, parse_constant=no_constant)
    assert text.endswith("]\n")
    assert len(read) == len(every_sentence)
    for saved, each in zip(read, every_sentence, strict=True):
        assert [saved[key] for key in ("name", "claim", "answer", "sentence", "unit")] == [
            each.name,
            each.claim,
            each.answer,
            each.sentence,
            each.unit,
        ]
        assert [of["of"] for of in saved["changes"]] == [name for name, _ in each.changes]
        for of, (_, spread) in zip(saved["changes"], each.changes, strict=True):
            for key in ("mean", "low", "high", "p"):
                value = getattr(spread, key)
                assert of[key] == (None if np.isnan(value) else value)
            assert (of["n"], of["over"]) == (spread.n, spread.of)
    assert any(of["p"] is None for saved in read for of in saved["changes"]), "of what was learnt"
    lone = Verdict("a", "A", UNTOLD, "é", (("x", Spread(0.1, n=1, of=ALONE)),))
    ((change,),) = [saved["changes"] for saved in json.loads(verdicts.as_json([lone]))]
    assert change == dict(of="x", mean=0.1, low=None, high=None, p=None, n=1, over=ALONE)
    assert "é" in verdicts.as_json([lone])
    assert verdicts.as_json([]) == "[]\n"


@pytest.mark.parametrize(
    ("changes", "question"),
    [
        (
            {},
            "Does data augmentation bridge the gap between speech-emotion corpora, and does the network",
        ),
        ({"rates_percent": [0]}, "Does the network learn emotions at all, or does it memorise each corpus?"),
        ({"rates_percent": [0], "figure3": None}, ""),
    ],
)
def test_the_question_is_the_paper_s_as_far_as_a_study_asks_it(changes, question):
    given = {name: of for name, of in (STUDY | changes).items() if of is not None}
    asked = verdicts.question(studies.from_toml(given, "two"))
    assert asked.startswith(question)
    assert bool(asked) == bool(question)
