"""The three sentences: what they say of made results whose truth is known."""

import numpy as np
import pytest
from scipy import stats

from benchmark import answer, exhibits
from benchmark import study as studies
from serkit.results import Store
from serkit.specs import base_of
from tests.made_results import made_result, put

SWAP = {"neutral": "sad", "sad": "neutral", "happy": "angry", "angry": "happy"}
STUDY = {
    "title": "Two corpora",
    "rates_percent": [0, 50],
    "model": {"width": 4, "weights": ""},
    "corpora": {
        "one": {"reader": "crema_d", "title": "ONE"},
        "two": {"reader": "made", "title": "TWO", "folds": 6, "scramble": SWAP},
    },
    "table1": {"train": [["one"], ["two"]]},
    "figure2": {"train": [["one"], ["two"], ["one", "two"]], "test": ["two", "one"]},
    "figure3": {"train": [["one", "two_scrambled"]], "test": ["two_scrambled", "one"]},
}
BASELINE = 0.6


@pytest.fixture
def said(tmp_path):
    """Calls with the level of (run, test); each fold and run has some noise. Gives the three sentences."""
    store = Store(tmp_path / "two")

    def say(level, noise=0.005, leave_out=lambda spec: False, **changes):
        study = studies.from_toml(STUDY | changes, "two")
        random = np.random.default_rng(0)
        for case in studies.plan(study):
            if leave_out(case.spec):
                continue
            noises = random.normal(0, noise, 6)
            put(
                store,
                made_result(
                    case.spec,
                    lambda test, fold, number, spec=case.spec, noises=noises: (
                        level(spec, test) + noises[fold]
                    ),
                ),
            )
        return answer.sentences(study, exhibits.answers(study, store))

    return say


def memorising(spec, test):
    """Good on what it learnt, whatever the labels; bad on everything else; augmentation does nothing."""
    return BASELINE if test in spec.train else BASELINE - 0.2


def test_a_network_that_memorises_each_corpus(said):
    gap, augmentation, scramble = said(memorising)
    assert "-0.20 to -0.19" in gap or "by -0.20;" in gap
    assert "lower by more than its spread in 2 of 2 pairs" in gap
    assert "no effect can be told from chance" in augmentation
    assert "does not notice (a loss of 0.05 is excluded)" in scramble
    assert "under the swapped labels and by" in scramble


def test_a_network_that_learns_emotions_notices(said):
    def shared(spec, test):
        confused = len(spec.train) > 1 and "two_scrambled" in spec.train
        return BASELINE - 0.2 * confused

    gap, _, scramble = said(shared)
    assert "lower by more than its spread in 0 of 2 pairs" in gap
    assert "the network notices on TWO and ONE" in scramble


def test_a_loss_that_is_clear_and_small_is_hardly_noticed(said):
    def a_little(spec, test):
        return BASELINE - 0.015 * (len(spec.train) > 1 and "two_scrambled" in spec.train)

    _, _, scramble = said(a_little, noise=0.002)
    assert "the network hardly notices (a loss of 0.05 is excluded)" in scramble


def test_augmentation_that_helps_is_counted_and_what_it_leaves_is_said(said):
    def helped(spec, test):
        unseen = base_of(test) not in {base_of(name) for name in spec.train}
        return BASELINE - unseen * (0.2 if spec.augment_percent == 0 else 0.1)

    rates = {"rates_percent": [0, 20, 50, 70, 100]}
    _, augmentation, _ = said(helped, **rates)
    assert "median +0.10" in augmentation
    assert "up in 8 and down in 0 of 8 cells" in augmentation
    assert "2 of 2 pairs stay clearly below the baseline at every rate" in augmentation


def test_wide_spread_claims_nothing(said):
    gap, augmentation, scramble = said(memorising, noise=0.3)
    assert "up in 0 and down in 0 of 2 cells" in augmentation
    assert "lower by more than its spread in 0 of 2 pairs" in gap
    assert "cannot be told, a loss of 0.05 or more is not excluded" in scramble
    assert "does not notice" not in scramble


def test_what_is_not_done_is_said(said):
    gap, augmentation, scramble = said(memorising, leave_out=lambda spec: spec.train != ("one",))
    assert "cannot be said yet" in gap, "a change needs the tested corpus's baseline"
    assert "(1 of 2 done)" in augmentation
    assert "ONE+TWO-SCRAMBLED or ONE+TWO is not done at 0 %" in scramble


def test_a_study_that_does_not_ask_is_not_answered(said):
    asked = {key: STUDY[key] for key in STUDY if key not in ("figure2", "figure3")}
    study = studies.from_toml(asked, "two")
    for sentence in answer.sentences(study, exhibits.Answers({}, ())):
        assert sentence.endswith("is not asked by this study.")


def test_it_is_the_lowest_rate_and_single_corpora_that_tell_of_the_gap(said):
    def gap_only_plain(spec, test):
        unseen = base_of(test) not in {base_of(name) for name in spec.train}
        return BASELINE + 0.1 * unseen * (spec.augment_percent == 0)

    corpora = {**STUDY["corpora"], "three": {"reader": "made", "title": "THREE", "folds": 5}}
    changes = {"corpora": corpora, "table1": {"train": [["one"], ["two"], ["three"]]}}
    changes["figure2"] = {"train": [["one"], ["one", "two"], ["two_scrambled"]], "test": ["two", "three"]}
    gap, _, _ = said(gap_only_plain, **changes)
    assert "at 0 % augmentation" in gap
    assert "+0.10" in gap
    assert "in 0 of 2 pairs and higher in 2." in gap, "pairs of one true corpus"


def test_single_runs_are_said_to_be_yardsticks(said):
    corpora = {"one": STUDY["corpora"]["one"], "two": {**STUDY["corpora"]["two"], "folds": 1}}
    gap, augmentation, scramble = said(memorising, corpora=corpora)
    assert "(2 of them by single runs, a yardstick and no interval)" in gap
    assert "(2 of them by single runs, a yardstick and no interval)" in augmentation
    assert scramble.count("single runs, a yardstick and no interval]") == 2


def test_a_pair_that_reaches_the_baseline_at_one_rate_reached_it(said):
    def at_the_end(spec, test):
        if base_of(test) in {base_of(name) for name in spec.train}:
            return BASELINE - 0.4 * (spec.augment_percent == 100)  # of which only 0 % is the baseline
        return BASELINE - (0.0 if (spec.augment_percent, test) == (100, "one") else 0.2)

    rates = {"rates_percent": [0, 50, 100]}
    _, augmentation, _ = said(at_the_end, noise=0.001, leave_out=lambda spec: False, **rates)
    assert "up in 1 and down in 0 of 4 cells" in augmentation

    def all_rise(spec, test):
        return at_the_end(spec, test) + 0.05 * (spec.augment_percent > 0)

    _, augmentation, _ = said(all_rise, noise=0.001, **rates)
    assert "up in 4 and down in 0 of 4 cells" in augmentation
    assert "1 of 2 pairs stay clearly below the baseline at every rate" in augmentation


@pytest.mark.parametrize(
    ("clear", "of", "told"),
    [(0, 8, False), (1, 1, True), (2, 2, True), (1, 2, False), (2, 8, False), (3, 8, True)],
)
def test_an_effect_is_claimed_where_chance_seldom_gives_as_many(clear, of, told):
    by_hand = stats.binomtest(clear, of, 0.05, alternative="greater").pvalue
    assert answer._by_chance(clear, of) == pytest.approx(by_hand)
    assert (by_hand <= answer.SELDOM + 1e-9) == told


def test_losses_count_as_an_effect_and_what_is_not_done_as_no_chance(said):
    def falls(spec, test):
        unseen = base_of(test) not in {base_of(name) for name in spec.train}
        return BASELINE - 0.1 * unseen * (spec.augment_percent > 0)

    rates = {"rates_percent": [0, *range(1, 11)]}
    few = {
        "leave_out": lambda spec: (
            spec.augment_percent > 2 or (spec.train, spec.augment_percent) == (("two",), 2)
        )
    }
    _, augmentation, _ = said(falls, noise=0.001, **rates, **few)
    assert (
        "up in 0 and down in 3 of 3 cells, where chance alone gives less than 1 (3 of 20 done)"
        in augmentation
    )
    assert "chance." not in augmentation
    assert "stay clearly below" not in augmentation, "no pair is done at every rate"


def test_every_joint_training_with_swapped_labels_is_answered(said):
    corpora = {**STUDY["corpora"], "three": {"reader": "made", "title": "THREE", "folds": 6}}
    trains = [["one", "two_scrambled"], ["three", "two_scrambled"]]
    figure3 = {"train": trains, "test": ["two_scrambled", "one"]}
    *_, scramble = said(memorising, corpora=corpora, figure3=figure3, rates_percent=[0])
    assert scramble.count("(a loss of 0.05 is excluded)") == 1
    assert "TWO-SCRAMBLED+THREE or TWO+THREE is not done" in scramble


def test_numbers_that_are_none_claim_nothing(said):
    for sentence in said(lambda spec, test: np.nan):
        assert "cannot be said yet" in sentence
    *_, scramble = said(lambda spec, test: np.nan if (test, len(spec.train)) == ("one", 2) else BASELINE)
    assert "cannot be said yet" in scramble, "nor of one of the two alone"
