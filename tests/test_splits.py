"""Which clips a run learns from and which it scores, on the synthetic corpora."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest

from serkit.corpora.reading.corpus import some
from serkit.labels import LABELS, SWAP
from serkit.results import Store
from serkit.splits import scored, split
from tests.made_runs import FOLDED, LARGE, MIXED, PLAN, forget, loaded


@pytest.fixture(scope="module", autouse=True)
def _cache(synthetic_cache):
    """The session's cache; and nothing that another file's tests have read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERKIT_CACHE", str(synthetic_cache))
        forget(patch)
        yield


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
