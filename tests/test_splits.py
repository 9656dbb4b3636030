"""Which clips a run learns from and which it scores, on the synthetic corpora."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest

from serkit import splits
from serkit.corpora.reading.corpus import COLUMNS, some
from serkit.labels import LABELS, SWAP
from serkit.results import Store
from serkit.specs import OUTPUTS
from serkit.splits import about, scored, scored_clips, split
from serkit.train import Evaluation, Trained
from tests.made_runs import FOLDED, LARGE, MIXED, PLAN, loaded

pytestmark = pytest.mark.usefixtures("packed_once")


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """Those of PLAN, read and packed."""
    return loaded(PLAN, Store(tmp_path_factory.mktemp("results")))


def test_scrambled_training_labels_are_the_permutation(corpora):
    scrambled = split(PLAN, corpora).training
    plain = split(dataclasses.replace(PLAN, train=("large", "folded")), corpora).training
    assert (scrambled.corpus == plain.corpus).all()
    assert (scrambled.row == plain.row).all()
    for corpus, row, learnt, true in zip(
        scrambled.corpus, scrambled.row, scrambled.label, plain.label, strict=True
    ):
        label = corpora[("folded", "large")[corpus]].corpus.clips["label"][row]
        assert LABELS[true] == label
        assert LABELS[learnt] == (SWAP[label] if corpus == 0 else label)
    assert np.bincount(scrambled.corpus).tolist() == [24, 72]


def capped(most, seed=0, fold=1):
    folded = dataclasses.replace(FOLDED, max_training_clips=most)
    return dataclasses.replace(PLAN, corpora=(LARGE, folded, MIXED), seed=seed, fold=fold)


def test_a_cap_takes_of_one_corpus_and_a_smaller_ones_clips_are_among_a_largers(corpora):
    sets = {most: split(capped(most), corpora).training for most in (4, 9, 20, 24, 10**6, None)}
    assert {most: np.bincount(chosen.corpus).tolist() for most, chosen in sets.items()} == {
        4: [4, 72],
        9: [9, 72],
        20: [20, 72],
        24: [24, 72],
        10**6: [24, 72],
        None: [24, 72],
    }
    rows = [set(chosen.row[chosen.corpus == 1]) for chosen in sets.values()]
    assert all(less <= more for less, more in itertools.pairwise(rows))
    tests = [split(capped(most), corpora).evaluation.row for most in (4, None)]
    np.testing.assert_array_equal(*tests)  # what is tested stays


def test_a_cap_keeps_the_shares_of_classes_and_speakers():
    """Any beginning: a class within one clip, a speaker within one in each class."""
    labels = np.repeat(LABELS, (200, 30, 100, 70))
    speakers = np.random.default_rng(5).choice(["a", "b", "c", "Unknown"], 400, p=[0.1, 0.3, 0.2, 0.4])
    clips = pd.DataFrame({"label": labels, "speaker": speakers})
    every = np.arange(400)
    for most in (4, 10, 40, 133, 399):
        taken = clips.iloc[some(clips, every, most, seed=3)]
        assert len(taken) == most
        for columns, away in ((["label"], 1), (["label", "speaker"], 2)):
            share = clips.groupby(columns).size() * most / 400
            off = taken.groupby(columns).size().reindex(share.index, fill_value=0) - share
            assert off.abs().max() <= away, (most, columns)
        assert set(taken["label"]) == set(LABELS)
    np.testing.assert_array_equal(some(clips, every, 40, 3), some(clips, every, 40, 3))
    assert some(clips, every[::2], 400, 3).tolist() == every[::2].tolist()


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_a_trained_corpus_is_tested_on_the_fold_it_left_out(corpora, fold):
    clips = split(dataclasses.replace(PLAN, fold=fold), corpora)
    assert list(clips.tests) == [("folded", fold), ("large", 0), ("mixed", 0)]
    purposes = np.concatenate([*clips.tests.values(), *itertools.chain(*clips.validation.values())])
    assert sorted(purposes) == list(range(len(clips.evaluation)))  # each clip is scored for one

    table = corpora["folded"].corpus.clips
    names = {0: ["B00", "B01"], 1: ["B02", "B03"], 2: ["B04", "B05"]}
    tested = clips.evaluation.row[clips.tests["folded", fold]]
    validates = clips.evaluation.row[clips.validation["folded_scrambled"][0]]
    learnt = clips.training.row[clips.training.corpus == 0]
    assert set(clips.validation) == {"large", "folded_scrambled"}
    for rows, of in ((tested, fold), (validates, (fold + 1) % 3), (learnt, (fold + 2) % 3)):
        assert sorted(set(table["speaker"][rows])) == names[of]
        assert len(rows) == 24

    # Tests are under true labels, whatever was learnt.
    truth = [LABELS[i] for i in clips.evaluation.label[clips.tests["folded", fold]]]
    assert truth == table["label"][tested].tolist()


def test_another_corpus_is_tested_on_all_its_folds(corpora):
    clips = split(dataclasses.replace(PLAN, train=("large",), fold=None), corpora)
    assert list(clips.tests) == [("large", 0), ("folded", 0), ("folded", 1), ("folded", 2), ("mixed", 0)]
    rows = np.concatenate(
        [clips.evaluation.row[at] for (name, _), at in clips.tests.items() if name == "folded"]
    )
    assert sorted(rows) == list(range(72))  # every clip once
    assert set(clips.validation) == {"large"}


def test_metrics_of_hand_made_scores(corpora):
    """All clips called angry: right for a quarter under either key; wF1 = 1/4 of 2 * 1/4 / (1 + 1/4)."""
    clips = split(PLAN, corpora)
    angry = np.tile(np.asarray([0.7, 0.1, 0.1, 0.1], dtype=np.float32), (len(clips.evaluation), 1))
    said = scored(PLAN, clips, angry)
    quarter = {"uACC": 0.25, "wACC": 0.25, "wF1": pytest.approx(0.1)}
    assert said["tests"]["folded"] == said["tests"]["folded_scrambled"] == {"1": quarter}
    assert said["validation"] == {"large": quarter, "folded_scrambled": quarter}

    said = scored(PLAN, clips, np.eye(4, dtype=np.float32)[clips.evaluation.label])
    assert said["tests"]["folded"]["1"] == {"uACC": 1.0, "wACC": 1.0, "wF1": 1.0}
    assert said["tests"]["folded_scrambled"]["1"] == {"uACC": 0.0, "wACC": 0.0, "wF1": 0.0}
    assert said["validation"]["large"]["wACC"] == 1.0
    assert said["validation"]["folded_scrambled"]["wACC"] == 0.0


# --- treatments, and outputs per corpus ---


def plan(*train, fold=1, seed=0, outputs="shared"):
    model = dataclasses.replace(PLAN.model, outputs=outputs)
    return dataclasses.replace(PLAN, train=train, fold=fold, seed=seed, model=model)


def taught_of_folded(corpora, name, **how):
    """Rows and what is taught of them, of the corpus `folded` under a name."""
    training = split(plan("large", name, **how), corpora).training
    here = training.corpus == 0
    return training.row[here], training.label[here]


def test_a_label_that_is_left_out_is_missing_in_training_and_tested(corpora):
    every, true = taught_of_folded(corpora, "folded")
    for number, label in enumerate(LABELS):
        name = f"folded_without-{label}"
        rows, told = taught_of_folded(corpora, name)
        assert rows.tolist() == every[true != number].tolist()
        assert set(told) == set(range(4)) - {number}
        clips = split(plan("large", name), corpora)
        assert (clips.training.corpus == 1).sum() == 72  # the other corpus has it
        tested = clips.evaluation.label[clips.tests["folded", 1]]
        assert np.bincount(tested).tolist() == [6, 6, 6, 6]
        said = about(plan("large", name), "folded", corpora["folded"], clips.training)
        assert said["clips"]["train"] == {of: 6 * (of != label) for of in LABELS}
        assert said["clips"]["test"] == dict.fromkeys(LABELS, 6)


def test_shuffled_labels_are_those_of_the_seed_and_the_fold(corpora):
    def told(**how):
        return taught_of_folded(corpora, "folded_shuffled", **how)

    rows, first = told()
    np.testing.assert_array_equal(first, told()[1])
    assert np.bincount(first).tolist() == [6, 6, 6, 6]
    assert rows.tolist() == taught_of_folded(corpora, "folded")[0].tolist()
    assert (first != told(seed=1)[1]).any()
    folds = {
        fold: dict(zip(*taught_of_folded(corpora, "folded_shuffled", fold=fold), strict=True))
        for fold in (0, 1, 2)
    }
    assert len({tuple(of.values()) for of in folds.values()}) == 3


def test_shares_are_of_the_clips_that_a_larger_one_has(corpora):
    _, true = taught_of_folded(corpora, "folded")
    far = np.asarray([3, 2, 1, 0])
    changed = [np.zeros(24, dtype=bool)]
    for share, clips in ((10, 2), (30, 7), (50, 12), (99, 24)):
        _, told = taught_of_folded(corpora, f"folded_far{share}")
        changed.append(told != true)
        assert changed[-1].sum() == clips
        np.testing.assert_array_equal(told, np.where(changed[-1], far[true], true))
    assert all((less <= more).all() for less, more in itertools.pairwise(changed))


@pytest.mark.parametrize("train", [("large", "folded"), ("mixed", "folded_far", "large"), ("large",)])
def test_each_corpus_has_outputs_of_its_own_in_the_order_of_training(corpora, train):
    fold = 1 if len(train) > 1 else None
    shared, apart = (split(plan(*train, fold=fold, outputs=outputs), corpora).training for outputs in OUTPUTS)
    np.testing.assert_array_equal(shared.row, apart.row)
    np.testing.assert_array_equal(shared.corpus, apart.corpus)
    assert set(shared.label) == {0, 1, 2, 3}
    np.testing.assert_array_equal(apart.label, shared.label + 4 * shared.corpus)
    assert len(set(apart.label)) == 4 * len(train)


def test_what_is_scored_and_its_outputs_are_in_one_order(corpora):
    """A network that is always right, each corpus by its own outputs, is right on every corpus it knows."""
    run = plan("mixed", "folded_far", outputs="per-corpus")
    clips = split(run, corpora)
    evaluation = Evaluation(clips.evaluation, clips.own, lambda scores: {}, run.label_sets)
    outputs = np.full((len(clips.evaluation), 8), 1e-3, dtype=np.float32)
    far = np.asarray([3, 2, 1, 0])
    own = clips.evaluation.corpus < 2
    assert clips.corpora[:2] == ("folded", "mixed")
    assert own.sum() == clips.own
    told = np.where(clips.evaluation.corpus == 0, far[clips.evaluation.label], clips.evaluation.label)
    outputs[np.flatnonzero(own), told[own] + 4 * clips.evaluation.corpus[own]] = 0.1
    outputs[np.flatnonzero(own), 3 - told[own] + 4 * (1 - clips.evaluation.corpus[own])] = 0.5  # others'
    outputs[np.flatnonzero(~own), clips.evaluation.label[~own] + 4] = 0.9
    said = scored(run, clips, evaluation.of_labels(outputs))["tests"]
    wrong, right = ({"uACC": value, "wACC": value, "wF1": value} for value in (0.0, 1.0))
    assert said["folded"]["1"] == wrong
    assert said["folded_far"]["1"] == right
    assert said["mixed"]["0"] == said["large"]["0"] == right


def test_scored_clips_say_whose_they_are(corpora):
    clips = split(PLAN, corpora)
    at = np.arange(len(clips.evaluation))[::-3]
    table = scored_clips(clips, corpora, at)
    assert list(table) == ["corpus", "path", "speaker", "label"]
    assert set(table["corpus"]) == {"folded", "large", "mixed"}
    for (_, said), position in zip(table.iterrows(), at, strict=True):
        name = clips.corpora[clips.evaluation.corpus[position]]
        there = corpora[name].corpus.clips.iloc[clips.evaluation.row[position]]
        assert said.to_dict() == {"corpus": name, **there[["path", "speaker", "label"]].to_dict()}
        assert LABELS[clips.evaluation.label[position]] == there["label"]


def test_test_clips_are_counted_by_what_else_is_known(corpora):
    """As pandas counts: by text and few numbers as they are, by many numbers in thirds, else not at all."""
    clips = split(PLAN, corpora)
    known = {name: here.corpus.clips for name, here in corpora.items()}
    random = np.random.default_rng(0)
    changed = {}
    for name, here in corpora.items():
        table = known[name].drop(columns=[of for of in known[name] if of not in COLUMNS])
        table = table.assign(gender=random.choice(["f", "m"], len(table)), arousal=random.random(len(table)))
        table = table.assign(one="always", many=[f"n{at}" for at in range(len(table))])
        changed[name] = dataclasses.replace(here, corpus=dataclasses.replace(here.corpus, clips=table))
    scores = random.dirichlet(np.ones(4), len(clips.evaluation)).astype(np.float32)
    found = splits.grouped(clips, changed, scores)
    trained = Trained([], scores, scores, 0.0, 0.0, [])
    for name in clips.corpora:
        assert set(found[name]) == {"gender", "arousal"}
        table = splits.clip_scores(clips, changed, trained).query("corpus == @name").drop_duplicates("path")
        table = table.merge(changed[name].corpus.clips[["path", "gender", "arousal"]], on="path")
        said = table[list(LABELS)].idxmax(axis=1)
        for gender, here in table.groupby("gender"):
            expected = pd.crosstab(here["label"], said[here.index]).reindex(
                index=LABELS, columns=LABELS, fill_value=0
            )
            assert found[name]["gender"][gender] == expected.to_numpy().tolist()
        thirds = [np.sum(of) for of in found[name]["arousal"].values()]
        assert len(thirds) == 3
        assert max(thirds) - min(thirds) <= 1
        assert sum(thirds) == len(table)
