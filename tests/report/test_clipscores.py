"""Per-clip scores as counts: against the metrics of the clips, and a bootstrap written plainly."""

import numpy as np
import pandas as pd
import pytest

from benchmark.report.clipscores import DRAWS, RECALL, ClipScores, Said, said
from serkit import metrics
from serkit.errors import ResultsUnreadable
from serkit.labels import LABELS
from serkit.resultfile import TAIL

SWAPPED = (1, 0, 3, 2)


def table(clips=400, speakers=20, seed=0, folds=1):
    random = np.random.default_rng(seed)
    who = random.integers(0, speakers, clips)
    truth = random.integers(0, 4, clips)
    said = np.where(random.uniform(size=clips) < 0.4 + 0.02 * who, truth, random.integers(0, 4, clips))
    frame = pd.DataFrame(np.eye(4)[said] + random.uniform(0, 0.5, (clips, 4)), columns=list(LABELS))
    frame[list(TAIL)] = frame[list(LABELS)]
    about = {"corpus": "one", "path": [f"{i}.wav" for i in range(clips)], "fold": who % folds}
    return frame.assign(**about, speaker=[f"s{i:02d}" for i in who], label=[LABELS[i] for i in truth])


def read(*tables):
    return ClipScores(lambda key, name: tables[int(key)])


def plainly(frame, codes, metric, draws=300):
    """A bootstrap over speakers, clip by clip."""
    random = np.random.default_rng(1)
    truth = np.array(codes)[[LABELS.index(label) for label in frame["label"]]]
    predicted = frame[list(TAIL)].to_numpy().argmax(axis=1)
    clips = [np.flatnonzero(frame["speaker"] == who) for who in sorted(set(frame["speaker"]))]
    for _ in range(draws):
        rows = np.concatenate([clips[i] for i in random.integers(0, len(clips), len(clips))])
        yield metrics.score(truth[rows], predicted[rows])[metric]


@pytest.mark.parametrize(("codes", "metric"), [((0, 1, 2, 3), "wF1"), (SWAPPED, "wF1"), (SWAPPED, "uACC")])
def test_resampled_speakers_deviate_as_a_plain_bootstrap_does(codes, metric):
    frame = table()
    found = read(frame).resampled(["0"], "one", [codes], metric)
    plain = np.array(list(plainly(frame, codes, metric)))
    assert found.of.shape == (1, DRAWS)
    assert found.speakers == 20
    assert found.of.mean() == pytest.approx(plain.mean(), abs=0.006)
    assert found.of.std() == pytest.approx(plain.std(), rel=0.15)


def test_two_runs_are_resampled_alike():
    one, other = table(), table()
    said = np.array(LABELS)[other[list(TAIL)].to_numpy().argmax(axis=1)]
    clip = int(np.flatnonzero((said == "angry") & (other["label"] == "angry"))[0])
    other.loc[clip, list(TAIL)] = [0.0, 1.0, 0.0, 0.0]  # angry comes first, so this is wrong
    first, second = (read(one, other).resampled([key], "one", [range(4)], "wACC").of for key in "01")
    assert 0 < (first - second).std() < 0.01 < first.std()


def test_clips_of_nobody_known_are_resampled_one_by_one():
    frame = table().assign(speaker="Unknown")
    found = read(frame).resampled(["0"], "one", [range(4)], "wACC")
    right = metrics.score(
        np.array([LABELS.index(label) for label in frame["label"]]),
        frame[list(TAIL)].to_numpy().argmax(axis=1),
    )["wACC"]
    assert found.speakers == 400
    assert found.of.std() == pytest.approx(np.sqrt(right * (1 - right) / 400), rel=0.1)


def test_what_the_tail_says_counts_and_not_the_last_evaluation():
    frame = table()
    frame[list(LABELS)] = 0.25
    assert read(frame).of("0", "one").clips.sum(axis=(0, 1)).min() > 50


def test_runs_without_a_table_or_of_other_clips_are_not_resampled():
    def gone(key, name):
        raise ResultsUnreadable("gone")

    assert ClipScores(gone).resampled(["0"], "one", [range(4)] * 2, "wF1") is None
    other = table(speakers=19)
    assert read(table(), other).resampled(["0", "1"], "one", [range(4)] * 2, "wF1") is None
    assert read(table()).of("0", "two") is None


# --- folds, and what is said of clips ---


def confusion(frame):
    """Clips by true label and by what they are called over the tail, one by one."""
    counts = np.zeros((4, 4))
    for label, called in zip(frame["label"], frame[list(TAIL)].to_numpy().argmax(axis=1), strict=True):
        counts[LABELS.index(label), called] += 1
    return counts


def test_clips_are_counted_by_speaker_and_fold():
    frame = table(folds=3)
    frame.loc[::7, "fold"] = 9  # some of everybody's
    found = read(frame).of("0", "one")
    assert found.clips.sum() == len(frame)
    for fold in (0, 1, 2, 9):
        assert found.of_fold(fold).tolist() == confusion(frame[frame["fold"] == fold]).tolist()
    assert not found.of_fold(5).any()
    for who, fold in (("s00", 0), ("s11", 2), ("s11", 9)):
        (row,) = np.flatnonzero((found.speaker == who) & (found.fold == fold))
        here = frame[(frame["speaker"] == who) & (frame["fold"] == fold)]
        assert found.clips[row].tolist() == confusion(here).tolist()
    assert len(found.speaker) == len(frame[["speaker", "fold"]].drop_duplicates())
    assert found.last.tolist() == confusion(frame).tolist(), "the tail is the last evaluation here"


def share(frame, label, called):
    """Of the clips of a label, how many are called by another, counted one by one."""
    of = frame[frame["label"] == label]
    return np.mean([LABELS[code] == called for code in of[list(TAIL)].to_numpy().argmax(axis=1)])


def test_what_is_said_is_the_mean_share_over_the_labels_that_count():
    frame = table()
    counts = confusion(frame)
    assert RECALL(counts) == pytest.approx(np.mean([share(frame, label, label) for label in LABELS]))
    partner = said(*SWAPPED)
    expected = np.mean([share(frame, label, LABELS[SWAPPED[at]]) for at, label in enumerate(LABELS)])
    assert partner(counts) == pytest.approx(expected)
    some = said(None, 0, None, 0)
    expected = np.mean([share(frame, label, "angry") for label in ("happy", "sad")])
    assert some(counts) == pytest.approx(expected)


def test_weighted_terms_are_added():
    counts = confusion(table())
    partner = said(*SWAPPED)
    both = partner.plus(-0.5, RECALL)
    assert both(counts) == pytest.approx(partner(counts) - RECALL(counts) / 2)
    assert both.plus(2.0, both)(counts) == pytest.approx(3 * both(counts))
    assert partner.plus(0.0, RECALL)(counts) == partner(counts)
    assert Said(())(counts) == 0


def test_many_confusion_matrices_are_read_as_one_is():
    counts = np.random.default_rng(3).integers(0, 9, (5, 7, 4, 4)).astype(float)
    both = said(3, 2, 1, 0).plus(0.3, RECALL)
    assert both(counts).shape == (5, 7)
    assert both(counts)[2, 3] == pytest.approx(both(counts[2, 3]))


@pytest.mark.filterwarnings("error")
def test_a_label_without_clips_does_not_count():
    counts = np.array([[3, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]], float)
    assert RECALL(counts) == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert said(None, 0, 0, 0)(counts) == pytest.approx(1 / 2)
    assert np.isnan(said(None, 0, None, 0)(counts)), "nobody knows"
    assert np.isnan(RECALL(np.zeros((4, 4))))
    assert np.isnan(RECALL.plus(1.0, said(None, 1, None, None))(counts)), "of a term that is not known"


def test_what_is_said_is_resampled_as_a_metric_is():
    scores = read(table())
    found = scores.resampled(["0"], "one", [range(4)], RECALL)
    assert found.of == pytest.approx(scores.resampled(["0"], "one", [range(4)], "uACC").of, abs=1e-6)
    renamed = scores.resampled(["0"], "one", [SWAPPED], said(*SWAPPED))
    assert renamed.of == pytest.approx(found.of, abs=1e-6), "labels renamed, called by their old names"
