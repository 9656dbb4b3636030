"""The three sentences: what they say of made results whose truth is known."""

import numpy as np
import pytest

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
        "two": {"reader": "ravdess", "title": "TWO", "folds": 6, "scramble": SWAP},
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
    gap, _, scramble = said(memorising, noise=0.3)
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
