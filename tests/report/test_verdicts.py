"""The three sentences: what they say of made results whose truth is known."""

import itertools

import numpy as np
import pytest

from benchmark import study as studies
from benchmark.report import cells, verdicts
from benchmark.report.intervals import FOLDS, Spread
from serkit.labels import corpus_of
from serkit.results import Store
from tests.made_results import made_result, put

SWAP = {"neutral": "sad", "sad": "neutral", "happy": "angry", "angry": "happy"}
STUDY = {
    "title": "Two corpora",
    "rates_percent": [0, 50],
    "model": {"width": 4, "weights": ""},
    "corpora": {
        "one": {"reader": "made", "options": {"labels": "one"}, "title": "ONE", "folds": 6},
        "two": {"reader": "made", "title": "TWO", "folds": 6, "scramble": SWAP},
    },
    "table1": {"train": [["one"], ["two"]]},
    "figure2": {"train": [["one"], ["two"], ["one", "two"]], "test": ["two", "one"]},
    "figure3": {"train": [["one", "two_scrambled"]], "test": ["two_scrambled", "one"]},
}
BASELINE = 0.6


def sentences(study, results):
    return verdicts.sentences(cells.Cells(study, results))


@pytest.fixture
def said(tmp_path):
    """Calls with the level of (run, test); each fold and run has some noise. Gives the three sentences.

    `recall` makes uACC of the same values, where it shall be another.
    """
    store = Store(tmp_path / "two")

    def say(
        level, noise=0.005, leave_out=lambda spec: False, recall=lambda value, *_: value, seed=0, **changes
    ):
        study = studies.from_toml(STUDY | changes, "two")
        random = np.random.default_rng(seed)
        for case in studies.plan(study):
            if leave_out(case.spec):
                continue
            noises = random.normal(0, noise, 6)
            put(
                store,
                made_result(
                    case.spec,
                    lambda test, fold, number, spec=case.spec, noises=noises: {
                        "uACC": recall(level(spec, test) + noises[fold], spec, test),
                        "wACC": 0.5,
                        "wF1": level(spec, test) + noises[fold],
                    },
                ),
            )
        say.cells = cells.Cells(study, cells.answers(study, store).results)
        return verdicts.sentences(say.cells)

    return say


def memorising(spec, test):
    """Good on what it learnt, whatever the labels; bad on everything else; augmentation does nothing."""
    return BASELINE if test in spec.train else BASELINE - 0.2


def test_a_network_that_memorises_each_corpus(said):
    gap, augmentation, scramble = said(memorising)
    assert "-0.20 to -0.19" in gap or "by -0.20;" in gap
    assert "clearly lower in 2 of 2 pairs" in gap
    assert "clearly up in 0 and down in 0 of 2 cells" in augmentation
    assert "so no effect can be told from chance" in augmentation
    assert "does not notice (a change of 0.05, up or down, is excluded), as one would that keeps" in scramble
    assert "under the swapped labels and by" in scramble
    assert "pairs (95 % over 6 folds; 2 changes corrected for)." in gap
    assert "cells (95 % over 6 folds; 2 changes corrected for)" in augmentation
    assert "labels (95 % over" not in scramble
    assert " on ONE (95 % over 6 folds; 2 changes corrected for): the network" in scramble


def test_a_network_that_learns_emotions_notices(said):
    def shared(spec, test):
        confused = len(spec.train) > 1 and "two_scrambled" in spec.train
        return BASELINE - 0.2 * confused

    gap, _, scramble = said(shared)
    assert "clearly lower in 0 of 2 pairs" in gap
    assert "the network notices on TWO and ONE" in scramble


def test_a_loss_that_is_clear_and_small_is_hardly_noticed(said):
    def a_little(spec, test):
        return BASELINE - 0.015 * (len(spec.train) > 1 and "two_scrambled" in spec.train)

    _, _, scramble = said(a_little, noise=0.002)
    assert "the network hardly notices (a change of 0.05, up or down, is excluded)" in scramble


def test_augmentation_that_helps_is_counted_and_what_it_leaves_is_said(said):
    def helped(spec, test):
        unseen = corpus_of(test) not in {corpus_of(name) for name in spec.train}
        return BASELINE - unseen * (0.2 if spec.augment_percent == 0 else 0.1)

    rates = {"rates_percent": [0, 20, 50, 70, 100]}
    _, augmentation, _ = said(helped, **rates)
    assert "median +0.10" in augmentation
    assert "clearly up in 8 and down in 0 of 8 cells" in augmentation
    assert "2 of 2 pairs stay clearly below the baseline at every rate" in augmentation


def test_wide_spread_claims_nothing(said):
    gap, augmentation, scramble = said(memorising, noise=0.3, recall=lambda *_: 0.6)
    assert "clearly up in 0 and down in 0 of" in augmentation
    assert "clearly lower in 0 of" in gap
    assert (
        "whether the network notices cannot be told, a change of 0.05 or more is not excluded on" in scramble
    )
    assert "does not notice" not in scramble


def test_what_is_not_done_is_said(said):
    gap, augmentation, scramble = said(memorising, leave_out=lambda spec: spec.train != ("one",))
    assert "cannot be said yet" in gap, "a change needs the tested corpus's baseline"
    assert "(1 of 2 are done and have an interval)" in augmentation
    assert "ONE+TWO-SCRAMBLED or ONE+TWO is not done at 0 %" in scramble


def test_a_study_that_does_not_ask_is_not_answered(said):
    asked = {key: STUDY[key] for key in STUDY if key not in ("figure2", "figure3")}
    study = studies.from_toml(asked, "two")
    for sentence in sentences(study, {}):
        assert sentence.endswith("is not asked by this study.")


def test_it_is_the_lowest_rate_and_single_corpora_that_tell_of_the_gap(said):
    def gap_only_plain(spec, test):
        unseen = corpus_of(test) not in {corpus_of(name) for name in spec.train}
        return BASELINE + 0.1 * unseen * (spec.augment_percent == 0)

    corpora = {
        **STUDY["corpora"],
        "three": {"reader": "made", "options": {"labels": "three"}, "title": "THREE", "folds": 5},
    }
    changes = {"corpora": corpora, "table1": {"train": [["one"], ["two"], ["three"]]}}
    changes["figure2"] = {"train": [["one"], ["one", "two"], ["two_scrambled"]], "test": ["two", "three"]}
    gap, _, _ = said(gap_only_plain, **changes)
    assert "at 0 % augmentation" in gap
    assert "+0.10" in gap
    assert "clearly lower in 0 of 2 pairs and higher in 2 (" in gap, "pairs of one true corpus"


def test_a_pair_that_reaches_the_baseline_at_one_rate_reached_it(said):
    def at_the_end(spec, test):
        if corpus_of(test) in {corpus_of(name) for name in spec.train}:
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


def test_losses_count_as_an_effect_and_what_is_not_done_as_none(said):
    def falls(spec, test):
        unseen = corpus_of(test) not in {corpus_of(name) for name in spec.train}
        return BASELINE - 0.1 * unseen * (spec.augment_percent > 0)

    rates = {"rates_percent": [0, *range(1, 11)]}
    few = {
        "leave_out": lambda spec: (
            spec.augment_percent > 2 or (spec.train, spec.augment_percent) == (("two",), 2)
        )
    }
    _, augmentation, _ = said(falls, noise=0.001, **rates, **few)
    assert (
        "clearly up in 0 and down in 3 of 3 cells (95 % over 6 folds; 3 changes corrected for)"
        " (3 of 20 are done and have an interval)" in augmentation
    )
    assert "from chance" not in augmentation
    assert "stay clearly below" not in augmentation, "no pair is done at every rate"


def test_every_joint_training_with_swapped_labels_is_answered(said):
    corpora = {
        **STUDY["corpora"],
        "three": {"reader": "made", "options": {"labels": "three"}, "title": "THREE", "folds": 6},
    }
    trains = [["one", "two_scrambled"], ["three", "two_scrambled"]]
    figure3 = {"train": trains, "test": ["two_scrambled", "one"]}
    *_, scramble = said(memorising, corpora=corpora, figure3=figure3, rates_percent=[0])
    assert scramble.count("(a change of 0.05, up or down, is excluded)") == 1
    assert "cannot be said: this study does not train on TWO+THREE at 0 %" in scramble


def test_the_order_of_corpora_in_a_figure_does_not_matter(said):
    """All runs are done: no sentence says that something is not."""
    figure2 = {"train": [["two"], ["one"], ["two", "one"]], "test": ["two", "one"]}
    for order in (["one", "two_scrambled"], ["two_scrambled", "one"]):
        figure3 = {"train": [order], "test": ["two_scrambled", "one"]}
        told = said(memorising, figure2=figure2, figure3=figure3)
        assert "the network does not notice" in told[2]
        assert "cannot be said" not in " ".join(told)


def test_numbers_that_are_none_claim_nothing(said):
    for sentence in said(lambda spec, test: np.nan):
        assert "cannot be said yet" in sentence
    *_, scramble = said(lambda spec, test: np.nan if (test, len(spec.train)) == ("one", 2) else BASELINE)
    assert "cannot be said yet" in scramble, "nor of one of the two alone"


@pytest.mark.parametrize("with_table1", [True, False])
def test_what_a_study_does_not_ask_for_is_no_gap_that_time_would_close(with_table1):
    asked = {key: STUDY[key] for key in STUDY if key not in ("table1", "figure2", "figure3")}
    asked["figure2"] = {"train": [["one"]], "test": ["two", "one"]}
    asked["figure3"] = {"train": [["one", "two_scrambled"]], "test": ["two"]}
    if with_table1:
        asked["table1"] = {"train": [["one"]]}
    study = studies.from_toml(asked, "two")
    gap, _, scramble = sentences(study, {})
    assert gap.endswith("cannot be said: this study does not train on TWO at 0 %.")
    assert scramble.endswith("cannot be said: this study does not train on ONE+TWO at 0 %.")


# --- every combination of what a swap does on the two corpora ---

NOTHING, FALLS, RISES, A_LITTLE, SLIGHTLY, WIDE = "nothing", "falls", "rises", "down", "up", "wide"
CHANGES = {NOTHING: (-0.01, 0.02), FALLS: (-0.25, -0.15), RISES: (0.15, 0.25), WIDE: (-0.1, 0.02)}
CHANGES |= {A_LITTLE: (-0.04, -0.01), SLIGHTLY: (0.01, 0.04), "high": (-0.02, 0.1)}
P = dict.fromkeys(CHANGES, 0.6) | {FALLS: 1e-5, RISES: 1e-5, A_LITTLE: 1e-3, SLIGHTLY: 1e-3}
COMBINATIONS = [*itertools.product(CHANGES, repeat=2), *itertools.product(CHANGES, repeat=3)]


def test_what_is_said_of_a_swap_is_what_it_does():
    for combination in COMBINATIONS:
        does = dict(zip(("ONE", "TWO", "THREE"), combination, strict=False))
        changes = {
            name: Spread(sum(CHANGES[what]) / 2, *CHANGES[what], P[what], 6, FOLDS)
            for name, what in does.items()
        }
        _, said = verdicts._noticed(changes, "")
        falls, rises = ([name for name in does if does[name] == what] for what in (FALLS, RISES))
        wide = [name for name in does if does[name] in (WIDE, "high")]
        assert ("separate sets of labels do not follow" in said) == bool(rises and not falls)
        assert ("not learn the corpora wholly apart" in said) == bool(falls and not rises)
        assert ("the swap matters to it, and why cannot be told" in said) == bool(falls and rises)
        moves = bool(falls or rises)
        assert ("cannot be told, a change of 0.05 or more is not excluded on" in said) == bool(
            wide and not moves
        )
        keeps = "keeps a set of labels for each corpus" in said
        assert keeps == (not moves and not wide)
        assert ("does not notice" in said) == (keeps and set(does.values()) == {NOTHING})
        assert ("hardly notices" in said) == (keeps and set(does.values()) != {NOTHING})
        for names, words in ((falls, "notices on "), (rises, "with a gain on "), (wide, "excluded on ")):
            assert words not in said or f"{words}{' and '.join(names)}" in said
        assert "keeps a set" not in verdicts._noticed(changes, "nothing was learnt elsewhere")[1]


def test_a_swap_that_helps_is_no_sign_of_separate_labels(said):
    *_, scramble = said(lambda spec, test: BASELINE + 0.2 * ("two_scrambled" in spec.train), noise=0.002)
    assert "by +0.20 [" in scramble
    assert "the network notices with a gain on TWO and ONE: the corpora agree better under the" in scramble
    assert "keeps a set" not in scramble


# --- nothing learnt, nothing concluded ---


def guessing(*corpora):
    """uACC at chance where it is trained on one of some corpora and tested there; else as it is."""
    random = np.random.default_rng(2)

    def recall(value, spec, test):
        return 0.25 + random.normal(0, 0.02) if corpus_of(test) in corpora else value

    return recall


def test_where_nothing_was_learnt_nothing_is_concluded(said):
    """Folds at chance differ from one another, and from each other's baselines, and mean nothing."""
    for sentence in said(lambda spec, test: 0.3, noise=0.02, recall=guessing("one", "two")):
        assert "cannot be said: nothing was learnt (" in sentence
        assert "0.25 by guessing" in sentence
        for claim in ("lower", "of 2", "from chance", "notices on", "does not notice", "pairs"):
            assert claim not in sentence


def test_a_corpus_on_which_nothing_was_learnt_is_left_out(said):
    corpora = {
        **STUDY["corpora"],
        "three": {"reader": "made", "options": {"labels": "three"}, "title": "THREE", "folds": 6},
    }
    changes = {"corpora": corpora, "table1": {"train": [["one"], ["two"], ["three"]]}}
    trains = [["one"], ["two"], ["three"], ["one", "two"]]
    changes["figure2"] = {"train": trains, "test": ["one", "two", "three"]}
    gap, augmentation, scramble = said(memorising, recall=guessing("two"), **changes)
    assert "in 2 of 2 pairs" in gap, "ONE on THREE and THREE on ONE"
    assert "(4 pairs left out, where nothing was learnt: TWO uACC 0.2" in gap
    assert "of 3 cells" in augmentation
    assert "(4 pairs left out, where nothing was learnt: TWO uACC 0.2" in augmentation
    assert "cannot be told, nothing was learnt to tell it by (ONE+TWO on TWO uACC 0.2" in scramble
    assert "keeps a set" not in scramble


def test_a_swap_is_told_by_the_corpus_on_which_something_was_learnt(said):
    def hurt(spec, test):
        return BASELINE - 0.2 * ("two_scrambled" in spec.train)

    *_, scramble = said(hurt, recall=guessing("two"))
    assert "the network notices on ONE, so" in scramble


# --- what is not above a constant, and what has no interval ---


def test_pairs_that_are_not_above_a_constant_take_part_in_no_conclusion(said):
    """Finding 4: uACC is above guessing, yet wF1 is what one label gives; it moved, and that means nothing.

    Before, such cells were counted as any others.
    """

    def deaf(spec, test):
        at_home = 0.6 if spec.train == ("one",) and test == "one" else 0.2
        return at_home + 0.02 * (spec.augment_percent > 0)

    gap, augmentation, scramble = said(deaf, noise=0.001, recall=lambda *_: 0.6)
    assert "it is clearly lower in 1 of 1 pair (" in gap, "TWO on ONE, whose baseline is above"
    assert "; 1 pair whose two cells are not above what is had without listening, left out." in gap
    assert gap.endswith("In 1 of 1 pair it is not above what is had without listening.")
    assert augmentation == (
        "Whether augmentation bridges a gap cannot be said: none of 2 cells is above what is had without"
        " listening, with augmentation or without."
    )
    assert scramble.endswith("cannot be said: wF1 on TWO and ONE is not above what is had without listening.")


def test_of_a_gap_it_is_said_how_many_pairs_are_above_a_constant(said):
    def half(spec, test):
        return 0.6 if test in spec.train else {"one": 0.4, "two": 0.2}[corpus_of(test)]

    gap, augmentation, _ = said(half, noise=0.005, recall=lambda *_: 0.6)
    assert "clearly lower in 2 of 2 pairs" in gap
    assert "In 1 of 2 pairs it is not above" in gap
    assert "of 1 cell (95 %" in augmentation
    assert "; 1 cell not above what is had without listening, with augmentation or without, left out" in (
        augmentation
    )


def test_a_swap_is_told_by_the_corpus_that_is_above_a_constant(said):
    def hurt(spec, test):
        return 0.2 if corpus_of(test) == "two" else 0.6 - 0.2 * ("two_scrambled" in spec.train)

    *_, scramble = said(hurt, recall=lambda *_: 0.6)
    assert "the network notices on ONE, so" in scramble
    *_, scramble = said(lambda spec, test: {"two": 0.2}.get(corpus_of(test), 0.6), recall=lambda *_: 0.6)
    assert "cannot be told, wF1 on TWO is not above what is had without listening" in scramble


def test_one_split_and_one_training_have_no_interval_and_no_verdict(said):
    """Finding 3: a single split had a yardstick of 0.02 and its cells were called clear by that."""
    corpora = {"one": {"reader": "crema_d", "title": "ONE"}, "two": {**STUDY["corpora"]["two"], "folds": 1}}
    for sentence in said(memorising, noise=0, corpora=corpora):
        assert "cannot be said yet: nothing tells what another training or fold would give" in sentence
        for claim in ("lower", "clearly", "notices on", "does not notice"):
            assert claim not in sentence


def test_many_changes_are_corrected_for(said):
    """Finding 5: of twenty changes of nothing two are outside their own intervals; none is called clear."""
    rates = {"rates_percent": list(range(11)), "figure3": {"train": [["one"]], "test": ["one"]}}
    _, augmentation, _ = said(memorising, noise=0.1, seed=3, recall=lambda *_: 0.6, **rates)
    (changes,) = [of.changes for of in verdicts.verdicts(said.cells) if of.claim == verdicts.BRIDGED]
    assert sum(change.clear for change in changes) > 0
    assert f"clearly up in 0 and down in 0 of {len(changes)} cells" in augmentation
    assert f"{len(changes)} changes corrected for" in augmentation
    assert "no effect can be told from chance" in augmentation
