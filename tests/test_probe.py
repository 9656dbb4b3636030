"""Linear probes: against scikit-learn's own pipeline, by chance on noise, no voice on both sides."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import RidgeClassifier
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from serkit.corpora.reading.corpus import UNKNOWN_SPEAKER
from serkit.labels import LABELS
from serkit.probe import FOLDS, MOST, PENALTY, chosen, divided, probe, recall
from tests.fuzz import FUZZ

PARTS = ["clips", "speakers", "corpus", "speaker", "label"]


def clips_of(corpora, seed=0):
    """A table of clips: of each corpus so many speakers with so many clips each."""
    random = np.random.default_rng(seed)
    rows = [
        {"corpus": corpus, "speaker": f"s{speaker}", "label": label}
        for corpus, (speakers, clips) in corpora.items()
        for speaker in range(speakers)
        for label in random.permutation(np.resize(LABELS, clips))
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=seed)


def features_of(clips, width, seed=0, **strengths):
    """Noise, and of each column of the table as much as is said, in features of all sizes."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(len(clips), width))
    for column, strength in strengths.items():
        codes, found = pd.factorize(clips[column])
        features += strength * random.normal(size=(len(found), width))[codes]
    return (features * random.uniform(0.01, 100, width) + random.uniform(-50, 50, width)).astype(np.float32)


# --- against scikit-learn ---


@pytest.mark.parametrize("width", [8, 60, 300], ids=lambda width: f"{width} features")
@pytest.mark.parametrize("balanced", [True, False], ids=["even", "uneven"])
@pytest.mark.parametrize("column", ["label", "corpus"])
def test_a_probe_is_scikit_learns_pipeline(width, balanced, column):
    """Which standardises by the clips that it learns from alone: next to the same."""
    clips = clips_of({"one": (8, 60), "two": (8, 60 if balanced else 16)})
    if not balanced:
        clips = clips[(clips["label"] != "sad") | (np.arange(len(clips)) % 4 == 0)]
    clips["speaker"] = clips["corpus"] + clips["speaker"]
    features = features_of(clips, width, label=0.4, corpus=0.4, speaker=0.1)
    classes, groups = clips[column].to_numpy(), clips["speaker"].to_numpy()
    folds = divided(classes, groups)
    said = np.empty(len(clips), dtype=object)
    for learnt, read in folds:
        ridge = RidgeClassifier(alpha=PENALTY * len(learnt), class_weight="balanced")
        pipeline = make_pipeline(StandardScaler(), ridge).fit(features[learnt], classes[learnt])
        said[read] = pipeline.predict(features[read])
    found = recall(features, classes, folds)
    assert found == pytest.approx(balanced_accuracy_score(classes, said), abs=0.01)
    assert 1.2 / len(set(classes)) < found <= 1

    scaled = StandardScaler().fit_transform(features.astype(np.float64))
    count = pd.Series(classes).map(pd.Series(classes).value_counts()).to_numpy()
    for learnt, read in folds:  # and the same, where features and classes are weighed by all clips, as here
        weights = np.mean(1 / count[learnt]) ** -1 / count[learnt]
        ridge = RidgeClassifier(alpha=PENALTY * len(learnt)).fit(scaled[learnt], classes[learnt], weights)
        said[read] = ridge.predict(scaled[read])
    assert found == pytest.approx(balanced_accuracy_score(classes, said), abs=1e-9)


def test_each_part_is_scikit_learns():
    """Whose clips, what is read of them, and by which folds."""
    clips = clips_of({"one": (6, 20), "two": (4, 24)}).reset_index(drop=True)
    seen = {"weak": features_of(clips, 20, label=0.2), "strong": features_of(clips, 20, speaker=2, label=1)}
    found = probe(seen, clips)
    who = clips["corpus"] + "/" + clips["speaker"]
    here, names = clips["corpus"] == "two", clips["corpus"].unique()
    for name, features in seen.items():
        for part, key, rows, classes, groups in (
            ("corpus", "+".join(names), clips.index >= 0, clips["corpus"], who),
            ("speaker", "two", here, who, None),
            ("label", "two", here, clips["label"], who),
        ):
            # the corpora's clips one after the other, as they come in the table
            at = np.concatenate([np.flatnonzero(rows & (clips["corpus"] == of)) for of in names])
            folds = divided(classes[at].to_numpy(), None if groups is None else groups[at].to_numpy())
            scaled = StandardScaler().fit_transform(features[at].astype(np.float64))
            said = np.empty(len(at), dtype=object)
            for learnt, read in folds:
                ridge = RidgeClassifier(alpha=PENALTY * len(learnt), class_weight="balanced")
                said[read] = ridge.fit(scaled[learnt], classes[at].iloc[learnt]).predict(scaled[read])
            expected = balanced_accuracy_score(classes[at], said)
            assert found[part][key][name] == pytest.approx(expected, abs=0.01)


# --- chance, and what is there to be read ---


def test_of_noise_nothing_is_read():
    """Recalls are by chance, whatever the shares of the classes."""
    clips = clips_of({"one": (10, 16), "two": (10, 4)})
    every = [probe({"noise": features_of(clips, 30, seed)}, clips) for seed in range(12)]
    for part, key, classes in (
        *(("corpus", key, 2) for key in every[0]["corpus"]),
        *(("speaker", name, 10) for name in ("one", "two")),
        *(("label", name, 4) for name in ("one", "two")),
    ):
        recalls = [found[part][key]["noise"] for found in every]
        assert np.mean(recalls) == pytest.approx(1 / classes, abs=0.05), (part, key)


def test_what_is_there_is_read():
    clips = clips_of({"one": (6, 16), "two": (6, 16)})
    for column in ("label", "speaker", "corpus"):
        features = features_of(clips, 30, **{column: 3})
        assert min(of["x"] for of in probe({"x": features}, clips)[column].values()) > 0.95


def test_a_voice_tells_nothing_of_labels_that_go_with_it():
    """Each speaker has one label: by clips it would be read perfectly, by speakers it is not there."""
    clips = clips_of({"one": (16, 12)})
    clips["label"] = np.asarray(LABELS)[clips["speaker"].str[1:].astype(int) % 4]
    recalls = [
        probe({"x": features_of(clips, 40, seed, speaker=3)}, clips)["label"]["one"]["x"]
        for seed in range(12)
    ]
    assert np.mean(recalls) == pytest.approx(1 / 4, abs=0.08)
    by_clip = recall(
        features_of(clips, 40, speaker=3), *(lambda of: (of, divided(of)))(clips["label"].to_numpy())
    )
    assert by_clip > 0.95


# --- folds ---


@FUZZ
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 7)), min_size=1, max_size=80),
    st.booleans(),
)
def test_each_clip_is_read_once_and_no_group_is_on_both_sides(rows, grouped):
    classes, groups = np.asarray(rows).T
    folds = divided(classes, groups if grouped else None)
    units = groups if grouped else np.arange(len(classes))
    each = [len(set(units[classes == of])) for of in set(classes)]
    assert (folds is None) == (len(each) < 2 or min(each) < 2)
    if folds is None:
        return
    assert len(folds) == min(FOLDS, *each)
    assert sorted(np.concatenate([read for _, read in folds])) == list(range(len(classes)))
    for learnt, read in folds:
        assert sorted(np.concatenate([learnt, read])) == list(range(len(classes)))
        assert not set(units[learnt]) & set(units[read])
        assert len(learnt)


def test_the_folds_are_the_same_each_time():
    clips = clips_of({"one": (6, 16)})
    first, again = (divided(clips["label"].to_numpy(), clips["speaker"].to_numpy()) for _ in range(2))
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one[1], other[1])


# --- what a probe says ---


def test_the_parts_of_a_probe():
    clips = clips_of({"one": (3, 8), "two": (4, 4), "three": (2, 8)})
    found = probe({"x": features_of(clips, 5), "y": features_of(clips, 9)}, clips)
    assert list(found) == PARTS
    assert found["clips"] == {"one": 24, "two": 16, "three": 16}
    assert found["speakers"] == {"one": 3, "two": 4, "three": 2}
    assert {frozenset(pair.split("+")) for pair in found["corpus"]} == {
        *(frozenset(pair) for pair in (("one", "two"), ("one", "three"), ("two", "three")))
    }
    for part in PARTS[2:]:
        assert all(set(of) == {"x", "y"} for of in found[part].values())


def test_one_speaker_is_none_to_tell_apart():
    clips = clips_of({"one": (1, 24), "two": (5, 8)})
    found = probe({"x": features_of(clips, 5)}, clips)
    assert found["speaker"]["one"] == found["label"]["one"] == {"x": None}
    assert set(found["corpus"].popitem()[1].values()) == {None}  # no other voice of that corpus to read
    assert 0 <= found["label"]["two"]["x"] <= 1


def test_one_label_is_none_to_tell_apart():
    clips = clips_of({"one": (4, 8)}).assign(label="sad")
    found = probe({"x": features_of(clips, 5)}, clips)
    assert found["label"] == {"one": {"x": None}}
    assert 0 <= found["speaker"]["one"]["x"] <= 1


def test_unknown_speakers_are_each_their_own_and_none_to_read():
    clips = clips_of({"one": (4, 10), "two": (1, 40)})
    clips.loc[clips["corpus"] == "two", "speaker"] = UNKNOWN_SPEAKER
    found = probe({"x": features_of(clips, 20, label=3, corpus=3)}, clips)
    assert found["speakers"] == {"one": 4, "two": 0}
    assert found["speaker"]["two"] == {"x": None}
    assert found["label"]["two"]["x"] > 0.9  # its clips are divided one by one
    assert next(iter(found["corpus"].values()))["x"] > 0.9


def test_voices_of_one_name_in_two_corpora_are_two():
    """`s0` of both: as one group they would have to be on one side."""
    clips = clips_of({"one": (2, 8), "two": (2, 8)})
    who = clips["corpus"] + "/" + clips["speaker"]
    assert who.nunique() == 4
    found = probe({"x": features_of(clips, 20, corpus=5)}, clips)
    assert next(iter(found["corpus"].values()))["x"] == 1.0


def test_the_index_of_the_table_does_not_matter():
    clips = clips_of({"one": (4, 8), "two": (4, 8)})
    features = features_of(clips, 12, label=1)
    assert probe({"x": features}, clips) == probe({"x": features}, clips.reset_index(drop=True))


@FUZZ
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 1200)), min_size=1, max_size=6))
def test_so_many_clips_of_a_corpus_at_most_evenly_spread(runs):
    corpus = np.repeat([of for of, _ in runs], [length for _, length in runs])
    at = chosen(corpus)
    assert len(set(at)) == len(at)
    for of in set(corpus):
        rows = np.flatnonzero(corpus == of)
        here = np.searchsorted(rows, at[corpus[at] == of])
        assert len(here) == min(MOST, len(rows))
        assert {0, len(rows) - 1} <= set(here) or len(rows) == 1
        steps = np.diff(here)
        assert (steps > 0).all()
        assert not len(steps) or steps.max() - steps.min() <= 1


def test_constant_features_are_no_error():
    """As the bands of a front end that no filter reaches."""
    clips = clips_of({"one": (4, 8)})
    features = features_of(clips, 12, label=2)
    features[:, 4] = -100
    assert 0.5 < probe({"x": features}, clips)["label"]["one"]["x"] <= 1
    nothing = probe({"x": np.zeros((len(clips), 3), dtype=np.float32)}, clips)["label"]["one"]["x"]
    assert nothing == pytest.approx(1 / 4, abs=0.15)
