"""One run from spec to result, on the synthetic corpora: what it saves, reuses, and tests on what."""

import dataclasses
import datetime
import itertools
import json
import os
import re
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
import soundfile
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

import serkit.run as run_module
from serkit import augment
from serkit.acoustics import meter, quality
from serkit.corpora import synthetic
from serkit.corpora.reading.corpus import some
from serkit.errors import AudioError, CorpusMissing, CorpusUnfit, ExtraMissing, SpecError, WeightsMissing
from serkit.labels import LABELS
from serkit.results import Store
from serkit.run import evaluation_set, labels_of, load, measure, run, training_set
from serkit.specs import (
    METRICS,
    AcousticsSpec,
    Augmentation,
    CorpusSpec,
    ModelSpec,
    Recipe,
    RunSpec,
    from_json,
)
from serkit.train import Trained

SCHEMA_FILE = Path(run_module.__file__).with_name("result.schema.json")

SWAPPED = {"neutral": "sad", "sad": "neutral", "happy": "angry", "angry": "happy"}

LARGE = CorpusSpec("large", "synthetic")
FOLDED = CorpusSpec(
    "folded", "synthetic", folds=3, options=(("role", "B"),), scramble=tuple(sorted(SWAPPED.items()))
)
MIXED = CorpusSpec("mixed", "synthetic", options=(("role", "C"),))

PLAN = RunSpec(
    train=("large", "folded_scrambled"),
    corpora=(LARGE, FOLDED, MIXED),
    augment_percent=0,
    fold=1,
    seed=0,
    model=ModelSpec(width=1, weights=None),
    recipe=Recipe(epochs=2, batch_size=16, max_seconds=0.7, tail=0.5, learning_rate=1e-3),
)
ALONE = dataclasses.replace(PLAN, train=("mixed",), corpora=(MIXED,), fold=None)


def forget(patch):
    """What this process has read and packed, as a new process would."""
    patch.setattr(run_module, "_READ", {})
    patch.setattr(run_module, "_LOADED", {})


@pytest.fixture(scope="module", autouse=True)
def _cache(synthetic_cache):
    """The session's cache; and nothing that another file's tests have read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERKIT_CACHE", str(synthetic_cache))
        forget(patch)
        yield


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A store in which PLAN was trained, and what `run` handed back."""
    store = Store(tmp_path_factory.mktemp("results"))
    return store, run(PLAN, store, None)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


@pytest.fixture
def trainings(monkeypatch):
    """Replaces training by a list of what would have been trained; scores are random, no two clips alike."""
    trained = []

    def pretend(model, loader, training, evaluation, score, report, percent):
        assert (loader.augmentation is None) == (percent == 0)
        trained.append(training)
        scores = np.random.default_rng(0).dirichlet(np.ones(4), len(evaluation)).astype(np.float32)
        entry = {"iteration": 1, "epoch": 1.0, "loss": 0.5, **score(scores)}
        return Trained(
            [entry],
            scores,
            train_seconds=1.0,
            evaluate_seconds=1.0,
            clips=len(training),
            affected=[0.0],
            bf16=False,
        )

    monkeypatch.setattr(run_module, "train", pretend)
    return trained


def loaded(plan, store):
    return {spec.name: load(spec, None, 16_000, store) for spec in plan.corpora}


def folder_of(result, store):
    return store.folder / result["key"]


# --- what is saved ---


def documented(section):
    """The keys in the first column of a table of results/README.md."""
    readme = (Path(__file__).parent.parent / "results" / "README.md").read_text()
    table = readme.split(f"## {section}\n")[1].split("\n## ")[0]
    keys = re.findall(r"`([a-z_]+)", "".join(re.findall(r"^\|(.*?)\|", table, re.MULTILINE)))
    assert len(keys) > 10
    return set(keys)


def test_a_result_has_all_that_is_documented(finished):
    store, result = finished
    jsonschema.validate(json.loads(json.dumps(result)), json.loads(SCHEMA_FILE.read_text()))
    assert set(result) == documented("result.json, schema 1")
    assert result["schema"] == 1
    assert result["label"] == "large+folded_scrambled-aug0-fold01"
    assert result["key"].startswith(result["label"] + "-")
    assert result["initialisation"] == "random"
    started, ended = (datetime.datetime.fromisoformat(result[when]) for when in ("started", "finished"))
    assert started.utcoffset() == datetime.timedelta(0)
    assert started <= ended
    assert result["train_seconds"] + result["evaluate_seconds"] <= result["wall_seconds"] + 0.02

    assert [set(at) for at in result["history"]] == [
        {"iteration", "epoch", "loss", "tests", "validation"}
    ] * 2
    assert [at["epoch"] for at in result["history"]] == [1.0, 2.0]
    assert set(result["history"][0]["tests"]) == {"large", "folded", "folded_scrambled", "mixed"}
    assert (
        set(result["history"][0]["validation"]) == set(result["validation"]) == {"large", "folded_scrambled"}
    )
    assert result["affected"] == [0.0, 0.0]

    folder = folder_of(result, store)
    assert json.loads((folder / "result.json").read_text()) == result
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["progress.jsonl", "result.json", "scores.parquet", "spec.json"]
    assert json.loads((folder / "spec.json").read_text()) == result["spec"]
    who, *lines = [json.loads(line) for line in (folder / "progress.jsonl").read_text().splitlines()]
    assert who["pid"] == os.getpid()
    assert (who["device"], who["worker"]) == ("cpu", "")
    assert all(set(line) == {"time", "iteration", "of", "epoch", "loss"} for line in lines)
    assert [(line["epoch"], line["of"]) for line in lines] == [(1.0, 12), (2.0, 12)]  # 96 clips, 16 a batch
    ((spec, stored),) = store.all()
    assert (spec.plan(), stored) == (PLAN, result)


def test_the_environment_says_what_it_ran_on(finished):
    environment = finished[1]["environment"]
    assert set(environment) == {
        *("python", "serkit", "packages", "system", "device", "device_name", "cpus", "threads", "git_commit"),
        "bf16",
    }
    assert environment["device"] == "cpu"
    assert environment["bf16"] is False
    assert environment["packages"]["numpy"] == np.__version__
    assert environment["packages"]["pandas"] == pd.__version__
    assert {"torch", "torchaudio", "scikit-learn", "soundfile", "soxr"} <= set(environment["packages"])
    assert all(environment[word] for word in ("python", "serkit", "system", "device_name", "cpus", "threads"))


def test_what_a_result_says_of_each_corpus(finished):
    corpora = finished[1]["corpora"]
    each = {  # clips of each label: 4 labels, speakers x clips of one label
        "large": {"train": 18, "validation": 6, "test": 6},
        "folded": {"train": 6, "validation": 6, "test": 6},  # two speakers, three times each
    }
    for name, parts in each.items():
        assert corpora[name]["clips"] == {part: dict.fromkeys(LABELS, n) for part, n in parts.items()}
        assert corpora[name]["shared_speakers"] == []
        assert corpora[name]["split_by_clip"] is False
    assert set(corpora["mixed"]["clips"]) == {"test"}  # not trained on
    assert sum(corpora["mixed"]["clips"]["test"].values()) == round(0.15 * 72)
    assert "shared_speakers" not in corpora["mixed"]
    assert {name: about["folds"] for name, about in corpora.items()} == {"large": 1, "folded": 3, "mixed": 1}
    for name, fingerprint in finished[1]["spec"]["fingerprints"]:
        assert corpora[name]["fingerprint"] == fingerprint
        assert corpora[name]["hours"] > 0
        assert corpora[name]["notes"]
    assert finished[1]["training_clips"] == 4 * (18 + 6)


def test_speakers_on_both_sides_are_named(trainings, store):
    """The corpus that is split by clip, as CREMA-D is in the paper."""
    about = run(ALONE, store, None)["corpora"]["mixed"]
    clips = loaded(ALONE, store)["mixed"].corpus.clips
    learnt, tested = (set(clips["speaker"][clips["split"] == part]) for part in ("train", "test"))
    assert about["split_by_clip"] is True
    assert about["shared_speakers"] == sorted(learnt & tested) != []


@pytest.mark.parametrize("whose", ["a network's", "random"])
def test_the_saved_scores_give_the_last_metrics_again(finished, store, trainings, whose):
    """With scikit-learn, under the true key and under the scrambled one."""
    store, result = finished if whose == "a network's" else (store, run(PLAN, store, None))
    scores = pd.read_parquet(folder_of(result, store) / "scores.parquet")
    assert list(scores.columns) == ["corpus", "path", "fold", "label", *LABELS]
    assert not scores.duplicated(["corpus", "path"]).any()
    assert scores[list(LABELS)].sum(axis=1).to_numpy() == pytest.approx(np.ones(len(scores)), abs=1e-5)
    assert len(scores) == 24 + 24 + 11
    last = result["history"][-1]["tests"]
    recomputed = {}
    for (corpus, fold), clips in scores.groupby(["corpus", "fold"]):
        predicted = clips[list(LABELS)].idxmax(axis=1)
        keys = {corpus: clips["label"]}
        if corpus == "folded":
            keys["folded_scrambled"] = clips["label"].map(SWAPPED)
        for name, truth in keys.items():
            recomputed.setdefault(name, {})[str(fold)] = {
                "uACC": balanced_accuracy_score(truth, predicted),
                "wACC": accuracy_score(truth, predicted),
                "wF1": f1_score(truth, predicted, average="weighted"),
            }
    assert {name: set(folds) for name, folds in last.items()} == {
        **{name: {"0"} for name in ("large", "mixed")},
        **{name: {"1"} for name in ("folded", "folded_scrambled")},
    }
    for name, folds in last.items():
        for fold, metrics in folds.items():
            assert metrics == pytest.approx(recomputed[name][fold], abs=1e-12)
            # A tail of half of two evaluations is the last one.
            assert result["tests"][name]["folds"][fold] == {
                metric: {"mean": value, "std": 0.0} for metric, value in metrics.items()
            }
    assert result["tail_evaluations"] == 1
    assert result["validation"] == {
        name: {metric: {"mean": value, "std": 0.0} for metric, value in metrics.items()}
        for name, metrics in result["history"][-1]["validation"].items()
    }


# --- done once ---


def test_a_run_that_is_done_is_not_trained_again(finished, trainings):
    store, result = finished
    assert run(PLAN, store, None) == result
    assert trainings == []


def test_unless_it_is_asked_to(finished, trainings, store):
    shutil.copytree(finished[0].folder, store.folder)
    again = run(PLAN, store, None, rerun=True)
    assert len(trainings) == 1
    assert again["key"] == finished[1]["key"]
    assert store.get(again["key"]) == again != finished[1]


def test_the_same_spec_gives_the_same_bits(finished, store):
    again = run(PLAN, store, None)
    assert again["history"] == finished[1]["history"]
    assert again["key"] == finished[1]["key"]
    name = "scores.parquet"
    frames = [pd.read_parquet(folder_of(again, where) / name) for where in (store, finished[0])]
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_another_seed_gives_others(finished, store):
    other = run(dataclasses.replace(PLAN, seed=1), store, None)
    assert other["key"] != finished[1]["key"]
    assert other["label"] == "large+folded_scrambled-aug0-fold01-seed1"
    assert [at["loss"] for at in other["history"]] != [at["loss"] for at in finished[1]["history"]]


def test_one_sample_of_one_clip_is_another_key(trainings, store, tmp_path, monkeypatch):
    """And a copy elsewhere with the same content is not."""
    here = run(ALONE, store, None)
    folder = loaded(ALONE, store)["mixed"].corpus.folder
    shutil.copytree(folder, tmp_path / "cache" / folder.name)
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))

    forget(monkeypatch)
    assert run(ALONE, store, None) == here
    assert len(trainings) == 1

    clip = sorted((tmp_path / "cache" / folder.name / "C").rglob("*.wav"))[5]
    samples, rate_hz = soundfile.read(clip, dtype="int16")
    samples[1000] += 1
    soundfile.write(clip, samples, rate_hz, subtype="PCM_16", format="WAV")
    copy = tmp_path / "cache" / folder.name  # as if it had been made so, or it would be made again
    (copy / "content.sha256").write_text(synthetic._content(copy))
    forget(monkeypatch)
    changed = run(ALONE, store, None)
    assert len(trainings) == 2
    assert changed["key"] != here["key"]
    assert changed["label"] == here["label"]
    assert store.get(here["key"]) == here
    assert [spec.plan() for spec, _ in store.all()] == [ALONE, ALONE]


# --- augmented ---

AUGMENTED = dataclasses.replace(
    ALONE,
    augment_percent=50,
    augmentation=Augmentation(noise_snr_db=(0, 20)),
    recipe=dataclasses.replace(ALONE.recipe, epochs=3, tail=1.0),
)


@pytest.fixture(scope="module")
def augmented(tmp_path_factory):
    """A store in which AUGMENTED was trained, and what `run` handed back."""
    store = Store(tmp_path_factory.mktemp("augmented"))
    return store, run(AUGMENTED, store, None)


def test_an_augmented_run_says_how(augmented):
    store, result = augmented
    assert result["label"] == "mixed-aug50"
    assert result["spec"]["augment_percent"] == 50
    assert result["spec"]["augmentation"]["noise_snr_db"] == [0, 20]
    assert from_json(result["spec"]).plan() == AUGMENTED
    ((spec, stored),) = store.all()
    assert (spec.plan(), stored) == (AUGMENTED, result)
    assert store.get(result["key"]) == result
    assert json.loads((folder_of(result, store) / "spec.json").read_text()) == result["spec"]


def test_an_augmented_run_tells_what_share_was(augmented):
    """Of its training clips, epoch by epoch: the seed's draw."""
    result = augmented[1]
    draws = [
        augment.draw(AUGMENTED.augmentation, 50, 0, epoch, result["training_clips"]) for epoch in range(3)
    ]
    assert result["affected"] == [draw.affected.mean() for draw in draws]
    assert all(0.2 < share < 0.8 for share in result["affected"])


def test_tail_averages_of_validation_clips(augmented):
    """The tail is the whole run: numpy's mean and standard deviation over the three evaluations."""
    history = [at["validation"]["mixed"] for at in augmented[1]["history"]]
    assert len(history) == augmented[1]["tail_evaluations"] == 3
    values = {metric: np.array([at[metric] for at in history]) for metric in METRICS}
    assert augmented[1]["validation"] == {
        "mixed": {
            metric: {"mean": pytest.approx(of.mean()), "std": pytest.approx(of.std(), abs=1e-12)}
            for metric, of in values.items()
        }
    }


def test_augmented_and_plain_are_two_runs(augmented, trainings, store):
    """Rate, effects and ranges are in the key; and the one that is done is found again."""
    done, result = augmented
    assert run(AUGMENTED, done, None) == result
    assert trainings == []
    others = [
        {"augment_percent": 0, "augmentation": None},
        {"augment_percent": 20},
        {"augmentation": Augmentation()},
        {"augmentation": Augmentation(effects=("noise",), noise_snr_db=(0, 20))},
    ]
    keys = {run(dataclasses.replace(AUGMENTED, **other), store, None)["key"] for other in others}
    assert len(keys | {result["key"]}) == len(trainings) + 1 == 5


# --- what is learnt and what is tested ---


def test_scrambled_training_labels_are_the_permutation(store):
    corpora = loaded(PLAN, store)
    scrambled = training_set(PLAN, corpora)
    plain = training_set(dataclasses.replace(PLAN, train=("large", "folded")), corpora)
    assert (scrambled.corpus == plain.corpus).all()
    assert (scrambled.row == plain.row).all()
    for corpus, row, learnt, true in zip(
        scrambled.corpus, scrambled.row, scrambled.label, plain.label, strict=True
    ):
        label = corpora[("large", "folded")[corpus]].corpus.clips["label"][row]
        assert LABELS[true] == label
        assert LABELS[learnt] == (SWAPPED[label] if corpus == 1 else label)
    assert np.bincount(scrambled.corpus).tolist() == [72, 24]


def capped(most, seed=0, fold=1):
    folded = dataclasses.replace(FOLDED, max_training_clips=most)
    return dataclasses.replace(PLAN, corpora=(LARGE, folded, MIXED), seed=seed, fold=fold)


def test_a_cap_takes_of_one_corpus_and_a_smaller_ones_clips_are_among_a_largers(store):
    corpora = loaded(PLAN, store)
    sets = {most: training_set(capped(most), corpora) for most in (4, 9, 20, 24, 10**6, None)}
    assert {most: np.bincount(chosen.corpus).tolist() for most, chosen in sets.items()} == {
        4: [72, 4],
        9: [72, 9],
        20: [72, 20],
        24: [72, 24],
        10**6: [72, 24],
        None: [72, 24],
    }
    rows = [set(chosen.row[chosen.corpus == 1]) for chosen in sets.values()]
    assert all(less <= more for less, more in itertools.pairwise(rows))
    tests = [evaluation_set(capped(most), corpora)[0].row for most in (4, None)]
    np.testing.assert_array_equal(*tests)  # what is tested stays


def test_a_cap_is_said_in_the_result_and_another_seed_draws_others(store, trainings):
    results = [run(capped(8, seed), store, None) for seed in (0, 1)]
    assert [result["training_clips"] for result in results] == [72 + 8] * 2
    assert [sum(result["corpora"]["folded"]["clips"]["train"].values()) for result in results] == [8, 8]
    first, second = (set(training.row[training.corpus == 1]) for training in trainings)
    assert first != second


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


def test_labels_stand_in_the_order_of_the_outputs(store):
    corpus = loaded(PLAN, store)["folded"].corpus
    assert [LABELS[i] for i in labels_of(PLAN, "folded", corpus)] == corpus.clips["label"].tolist()
    scrambled = [LABELS[i] for i in labels_of(PLAN, "folded_scrambled", corpus)]
    assert scrambled == corpus.clips["label"].map(SWAPPED).tolist()


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_a_trained_corpus_is_tested_on_the_fold_it_left_out(store, fold):
    plan = dataclasses.replace(PLAN, fold=fold)
    corpora = loaded(plan, store)
    evaluation, test_folds, validation = evaluation_set(plan, corpora)
    assert [(one.corpus, one.fold) for one in test_folds] == [("large", 0), ("folded", fold), ("mixed", 0)]

    def clips(positions):
        return [(int(evaluation.corpus[i]), int(evaluation.row[i])) for i in positions]

    everything = [*(one.clips for one in test_folds), *validation.values()]
    assert sorted(np.concatenate(everything)) == list(
        range(len(evaluation))
    )  # each clip scored for one purpose

    speakers = corpora["folded"].corpus.clips["speaker"]
    names = {0: ["B00", "B01"], 1: ["B02", "B03"], 2: ["B04", "B05"]}
    tested = test_folds[1].clips
    assert sorted(set(speakers[evaluation.row[tested]])) == names[fold]
    assert set(validation) == {"large", "folded_scrambled"}
    assert sorted(set(speakers[evaluation.row[validation["folded_scrambled"]]])) == names[(fold + 1) % 3]
    training = training_set(plan, corpora)
    learnt = training.row[training.corpus == 1]
    assert sorted(set(speakers[learnt])) == names[(fold + 2) % 3]
    assert len(tested) == len(validation["folded_scrambled"]) == len(learnt) == 24

    # Tests are under true labels, whatever was learnt.
    truth = [LABELS[i] for i in evaluation.label[tested]]
    assert truth == corpora["folded"].corpus.clips["label"][evaluation.row[tested]].tolist()


def test_another_corpus_is_tested_on_all_its_folds(store):
    plan = dataclasses.replace(PLAN, train=("large",), fold=None)
    evaluation, test_folds, validation = evaluation_set(plan, loaded(plan, store))
    assert [(one.corpus, one.fold) for one in test_folds] == [
        *(("large", 0), ("folded", 0), ("folded", 1), ("folded", 2), ("mixed", 0))
    ]
    rows = np.concatenate([evaluation.row[one.clips] for one in test_folds if one.corpus == "folded"])
    assert sorted(rows) == list(range(72))  # every clip once
    assert set(validation) == {"large"}


def test_metrics_of_hand_made_scores(store):
    """All clips called angry: right for a quarter under either key; wF1 = 1/4 of 2 * 1/4 / (1 + 1/4)."""
    corpora = loaded(PLAN, store)
    evaluation, test_folds, validation = evaluation_set(PLAN, corpora)
    angry = np.tile(np.asarray([0.7, 0.1, 0.1, 0.1], dtype=np.float32), (len(evaluation), 1))
    said = run_module.scored(PLAN, evaluation, test_folds, validation, angry)
    quarter = {"uACC": 0.25, "wACC": 0.25, "wF1": pytest.approx(0.1)}
    assert said["tests"]["folded"] == said["tests"]["folded_scrambled"] == {"1": quarter}
    assert said["validation"] == {"large": quarter, "folded_scrambled": quarter}

    truth = np.eye(4, dtype=np.float32)[evaluation.label]
    said = run_module.scored(PLAN, evaluation, test_folds, validation, truth)
    assert said["tests"]["folded"]["1"] == {"uACC": 1.0, "wACC": 1.0, "wF1": 1.0}
    assert said["tests"]["folded_scrambled"]["1"] == {"uACC": 0.0, "wACC": 0.0, "wF1": 0.0}
    assert said["validation"]["large"]["wACC"] == 1.0
    assert said["validation"]["folded_scrambled"]["wACC"] == 0.0


# --- what cannot be ---


@pytest.mark.parametrize(("folds", "fold"), [(2, 0), (1, None)])
def test_folds_other_than_the_study_says(trainings, store, folds, fold):
    corpus = dataclasses.replace(FOLDED, folds=folds)
    plan = dataclasses.replace(PLAN, train=("folded",), corpora=(corpus,), fold=fold)
    with pytest.raises(SpecError, match=f"corpus folded has 3 folds .*; the study says folds = {folds}"):
        run(plan, store, None)
    assert trainings == []


def test_a_missing_corpus(trainings, store, tmp_path):
    corpus = CorpusSpec("acted", "ravdess")
    plan = dataclasses.replace(ALONE, train=("acted",), corpora=(corpus,))
    for data, words in [
        (None, "SERKIT_DATA is not set"),
        (tmp_path, f"at or below {tmp_path} looks like it"),
    ]:
        with pytest.raises(CorpusMissing, match=words):
            run(plan, store, data)
    assert trainings == []
    assert not list(store.folder.glob("acted*"))


def test_missing_weights_are_said_before_anything_is_decoded(trainings, store, tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(run_module, "load", lambda *_: pytest.fail("decodes"))
    with pytest.raises(WeightsMissing, match="cnn14-32k"):
        run(dataclasses.replace(ALONE, model=ModelSpec()), store, None)
    assert trainings == []
    assert not list(store.folder.glob("mixed*"))


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_corpus_without_clips_in_a_part_is_unfit(trainings, store, part, monkeypatch):
    here = loaded(ALONE, store)["mixed"]
    clips = here.corpus.clips.assign(split=here.corpus.clips["split"].replace(part, "unused"))
    broken = dataclasses.replace(here, corpus=dataclasses.replace(here.corpus, clips=clips))
    monkeypatch.setattr(run_module, "load", lambda *_: broken)
    word = {"train": "training", "test": "test"}[part]
    with pytest.raises(CorpusUnfit, match=f"corpus mixed has no {word} clips in fold 0"):
        run(ALONE, store, None)
    assert trainings == []
    assert list(store.all()) == []


def test_a_training_that_fails_loses_no_result(finished, store, monkeypatch):
    shutil.copytree(finished[0].folder, store.folder)

    def fail(*_):
        raise RuntimeError("it diverged")

    monkeypatch.setattr(run_module, "train", fail)
    with pytest.raises(RuntimeError, match="it diverged"):
        run(PLAN, store, None, rerun=True)
    assert store.get(finished[1]["key"]) == finished[1]


# --- measurements ---

MEASURED = AcousticsSpec(FOLDED, clips=7, p835_clips=1)


@pytest.fixture(scope="module")
def measured(tmp_path_factory, judged_once):
    """A store in which MEASURED was measured, in parts of three clips, and what `measure` handed back."""
    store = Store(tmp_path_factory.mktemp("results"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meter, "PART_CLIPS", 3)
        yield store, measure(MEASURED, store, None)


class Metered(Exception):
    """Stands for a kill."""


@pytest.fixture
def metered(monkeypatch, judged_once):
    """Notes what is measured, in parts of three; dies before the part whose number is in `fatal`."""
    seen: list[list[int]] = []
    fatal: list[int] = []
    original = meter.Meter.measure

    def noted(self, positions):
        if positions[0] // 3 in fatal:
            raise Metered
        seen.append(positions.tolist())
        return original(self, positions)

    monkeypatch.setattr(meter, "PART_CLIPS", 3)
    monkeypatch.setattr(meter.Meter, "measure", noted)
    return seen, fatal


def test_a_measurement_says_what_was_measured(measured):
    store, result = measured
    jsonschema.validate(json.loads(json.dumps(result)), json.loads(SCHEMA_FILE.read_text()))
    assert store.get(result["key"]) == json.loads(json.dumps(result))
    assert set(result) == documented("result.json of a measurement, schema 1")
    spec = from_json(result["spec"])
    assert spec.plan() == MEASURED
    assert [name for name, _ in spec.estimators] == ["dnsmos", "roomnet"]
    (name, fingerprint), *_ = spec.fingerprints
    about = result["corpora"]["folded"]
    assert (name, fingerprint) == ("folded", about["fingerprint"])
    assert sum(about["clips"]["measured"].values()) == 7
    assert about["clips"]["all"] == dict.fromkeys(LABELS, 18)
    assert result["reasons"] == {"": 7}
    assert {"onnxruntime", "speechmos", "torch"} <= set(result["environment"]["packages"])
    assert result["clips_before"] == 0


def test_estimates_are_of_the_chosen_clips(measured):
    store, result = measured
    estimates = store.table(result["key"], "estimates")
    corpus = load(FOLDED, None, meter.RATE_HZ, store).corpus.clips
    chosen = corpus.iloc[meter.choose(len(corpus), 7, 0)]
    for column in ("path", "label", "speaker"):
        assert estimates[column].tolist() == chosen[column].tolist()
    assert list(estimates.columns[3:]) == ["reason", *meter.ESTIMATES]
    assert estimates["ovrl_mos"].notna().sum() == 1


def test_progress_says_how_long_it_takes_and_parts_are_swept(measured):
    store, result = measured
    folder = store.run_folder(result["key"])
    who, *said = [json.loads(line) for line in (folder / "progress.jsonl").read_text().splitlines()]
    assert (who["device"], who["worker"]) == ("cpu", "")
    assert [(event["measured"], event["of"]) for event in said] == [(3, 7), (6, 7), (7, 7)]
    assert said[0]["seconds_left"] > 0
    assert said[-1]["seconds_left"] == 0
    assert not list(folder.glob("part-*"))


def test_a_measurement_that_is_done_is_not_made_again(measured, metered):
    store, result = measured
    seen, _ = metered
    assert measure(MEASURED, store, None) == json.loads(json.dumps(result))
    assert seen == []


def test_a_measurement_goes_on_where_it_was_killed(measured, metered, store):
    """And finds the same."""
    done, result = measured
    seen, fatal = metered
    fatal.append(1)
    with pytest.raises(Metered):
        measure(MEASURED, store, None)
    assert store.get(result["key"]) is None
    fatal.clear()
    again = measure(MEASURED, store, None)
    assert seen == [[0, 1, 2], [3, 4, 5], [6]]
    assert again["clips_before"] == 3
    pd.testing.assert_frame_equal(
        store.table(again["key"], "estimates"), done.table(result["key"], "estimates")
    )


def test_a_measurement_made_again_begins_at_the_beginning(metered, store):
    seen, fatal = metered
    fatal.append(1)
    for _ in range(2):
        with pytest.raises(Metered):
            measure(MEASURED, store, None, rerun=True)
    fatal.clear()
    measure(MEASURED, store, None, rerun=True)
    assert seen == [[0, 1, 2], [0, 1, 2], [0, 1, 2], [3, 4, 5], [6]]


def test_other_estimators_are_another_key(measured, metered, store, monkeypatch):
    _, result = measured
    monkeypatch.setattr(quality, "digest", lambda: "another")
    assert measure(MEASURED, store, None)["key"] != result["key"]


def test_a_measurement_of_a_missing_corpus(store, tmp_path):
    with pytest.raises(CorpusMissing):
        measure(dataclasses.replace(MEASURED, corpus=CorpusSpec("emodb", "emodb", folds=5)), store, tmp_path)


def test_a_missing_extra_is_said_before_anything_is_decoded(store, monkeypatch):
    def missing():
        raise ExtraMissing("speechmos", "acoustics")

    forget(monkeypatch)
    monkeypatch.setattr(quality, "digest", missing)
    monkeypatch.setattr(run_module, "load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ExtraMissing, match=r"pip install 'serkit\[acoustics\]'"):
        measure(MEASURED, store, None)


def test_clips_that_cannot_be_read_are_of_the_studys_corpus(store, monkeypatch):
    def refused(*given):
        raise AudioError("2 of 3 clips in here cannot be read")

    monkeypatch.setattr(run_module.packs, "pack", refused)
    name = PLAN.corpora[0].name
    with pytest.raises(AudioError, match=rf"^corpus {name}: 2 of 3 clips in here cannot be read$"):
        load(PLAN.corpora[0], None, 12_345, store)
