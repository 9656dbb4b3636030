"""Folds that share their training clips are one training: it gives what a training each gave."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import soundfile

from serkit import corpora
from serkit.corpora.reading.corpus import Corpus, shared_trainings
from serkit.errors import SpecError
from serkit.job import Place
from serkit.labels import LABELS
from serkit.results import Store
from serkit.run import run
from serkit.specs import METRICS, CorpusSpec, ModelSpec, Recipe, RunSpec
from tests.made_runs import forget

PARTNERS = (1, 0, 3, 2)
RATE_HZ = 16_000
OPTIONS = (("file", "clips.csv"), ("folds", 4))
TONES = CorpusSpec("tones", "tables", folds=4, options=OPTIONS, trainings=2)
SPEC = RunSpec(
    train=("tones",),
    corpora=(TONES,),
    augment_percent=0,
    fold=0,
    seed=0,
    model=ModelSpec(width=1, weights=None),
    recipe=Recipe(epochs=3, batch_size=8, tail=0.5, max_seconds=0.7, learning_rate=1e-3),
)


@pytest.fixture
def place(tmp_path, monkeypatch, one_thread):
    """Four speakers' tones, of whom the first two validate each other, and the last two."""
    random = np.random.default_rng(0)
    rows = ["path,label,speaker"]
    for clip in range(32):
        hertz = 300 * 1.5 ** (clip % 4) * random.uniform(0.9, 1.1)
        wave = 0.1 * np.sin(2 * np.pi * hertz * np.arange(8000 + 40 * clip) / RATE_HZ)
        soundfile.write(tmp_path / f"{clip}.wav", wave + random.normal(0, 0.02, len(wave)), RATE_HZ)
        rows.append(f"{clip}.wav,{LABELS[clip % 4]},{'abcd'[clip // 8]}")
    (tmp_path / "clips.csv").write_text("\n".join(rows) + "\n")
    load = corpora.load
    monkeypatch.setattr(corpora, "load", lambda *of: dataclasses.replace(load(*of), validation_fold=PARTNERS))
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))
    forget(monkeypatch)
    return Place(Store(tmp_path / "results"), tmp_path)


def test_folds_that_leave_out_the_same_clips_share_a_training():
    assert shared_trainings(PARTNERS) == ((0, 1), (2, 3))
    assert shared_trainings((1, 2, 0)) == ((0,), (1,), (2,))
    assert shared_trainings((3, 2, 1, 0)) == ((0, 3), (1, 2)), "wherever the partner is"


def test_one_training_gives_the_scores_that_two_gave(place, monkeypatch):
    monkeypatch.setattr(RunSpec, "draws", property(lambda spec: 7))  # else each has a stream of its own
    once = run(SPEC, place)
    together = place.store.table(once["key"], "scores")
    monkeypatch.setattr(Corpus, "trainings", property(lambda corpus: ((0,), (1,), (2,), (3,))))
    forget(monkeypatch)
    apart = dataclasses.replace(SPEC, corpora=(dataclasses.replace(TONES, trainings=None),))
    two = [run(dataclasses.replace(apart, fold=fold), place) for fold in (0, 1)]
    assert once["history"][-1]["loss"] == two[0]["history"][-1]["loss"] == two[1]["history"][-1]["loss"]
    for fold, alone in enumerate(two):
        assert once["tests"]["tones"]["folds"][str(fold)] == alone["tests"]["tones"]["folds"][str(fold)]
        scores = place.store.table(alone["key"], "scores")
        ours = together[together["fold"] == fold].reset_index(drop=True)
        pd.testing.assert_frame_equal(ours, scores, atol=1e-5)
    for metric in METRICS:
        validated = [alone["validation"]["tones"][metric]["mean"] for alone in two]
        assert once["validation"]["tones"][metric]["mean"] == pytest.approx(np.mean(validated))
    assert once["training_clips"] == two[0]["training_clips"] == 16
    assert once["corpora"]["tones"]["units"] == [[0, 1], [2, 3]]
    assert set(once["corpora"]["tones"]["tested"]) == {"0", "1"}


def test_a_study_that_counts_trainings_wrongly_is_told_the_number(place):
    wrong = dataclasses.replace(SPEC, corpora=(dataclasses.replace(TONES, trainings=None),))
    with pytest.raises(
        SpecError, match="2 different sets of training clips; the study says 4: set trainings = 2"
    ):
        run(wrong, place)


def test_each_fold_has_a_random_stream_of_its_own():
    """One initialisation in all folds would move them together, which no interval over folds can see."""
    folds = [dataclasses.replace(SPEC, fold=fold, seed=seed).draws for fold in (0, 1) for seed in (0, 1, 2)]
    assert len(set(folds)) == 6
    assert dataclasses.replace(SPEC, augment_percent=0).draws == SPEC.draws


def test_embeddings_are_kept_a_row_for_each_score_unless_they_are_not_wanted(place):
    result = run(SPEC, place)
    found = place.store.embeddings(result["key"])
    assert found.shape == (len(place.store.table(result["key"], "scores")), 32)
    assert found.dtype == np.float16
    assert (found.astype(np.float32).std(axis=0) > 0).any()
    again = run(SPEC, dataclasses.replace(place, rerun=True, embeddings=False))
    assert again["tests"] == result["tests"]
    assert place.store.embeddings(result["key"]) is None


def test_corpora_not_trained_on_are_scored_in_the_tail_and_now_and_then_before(place):
    other = CorpusSpec("other", "tables", folds=4, options=(*OPTIONS, ("speaker", "speaker")), trainings=2)
    recipe = dataclasses.replace(SPEC.recipe, epochs=10, tail=0.2, evaluate_unseen=3)
    both = dataclasses.replace(SPEC, corpora=(TONES, other), recipe=recipe)
    result = run(both, place)
    scored = [number for number, at in enumerate(result["history"], 1) if "other" in at["tests"]]
    assert scored == [3, 6, 9, 10]
    assert all("tones" in at["tests"] for at in result["history"])
    table = place.store.table(result["key"], "scores")
    assert set(table.columns) >= {"speaker", *(f"{label}_tail" for label in LABELS)}
    tail = table[[f"{label}_tail" for label in LABELS]].to_numpy()
    assert tail.sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert not np.allclose(tail, table[list(LABELS)].to_numpy()), "two evaluations, averaged"
