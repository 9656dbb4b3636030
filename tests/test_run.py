"""One run from spec to result, on the synthetic corpora: what it saves, reuses, and tests on what."""

import dataclasses
import datetime
import itertools
import json
import os
import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score

from benchmark.session.checks import assert_valid
from serkit import augment, packs
from serkit.augment import Augmenting
from serkit.corpora import synthetic
from serkit.corpora.reading.corpus import split_shares
from serkit.errors import AudioError, CorpusMissing, CorpusUnfit, SpecError, WeightsMissing
from serkit.job import Place, load
from serkit.labels import LABELS, SWAP
from serkit.resultfile import TAIL, read
from serkit.results import Store
from serkit.run import run
from serkit.specs import (
    METRICS,
    STATISTICS,
    Augmentation,
    CorpusSpec,
    ModelSpec,
    from_json,
)
from serkit.train import Course, Trained, TrainingDiverged
from tests.made_runs import ALONE, FOLDED, LARGE, MIXED, PLAN, documented, forget, loaded

pytestmark = pytest.mark.usefixtures("packed_once")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A store in which PLAN was trained, and what `run` handed back; what was said meanwhile stays."""
    store = Store(tmp_path_factory.mktemp("results"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("serkit.results.ATTEMPT", ())
        return store, run(PLAN, Place(store))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


@pytest.fixture
def trainings(monkeypatch):
    """Replaces training by a list of what would have been trained; scores are random, no two clips alike."""
    trained = []

    def pretend(model, loader, training, evaluation, report, keeper):
        trained.append(training)
        scores = np.random.default_rng(0).dirichlet(np.ones(4), len(evaluation.clips)).astype(np.float32)
        entry = {"iteration": 1, "epoch": 1.0, "loss": 0.5, **evaluation.score(scores)}
        return Trained(
            [entry],
            scores,
            scores,
            train_seconds=1.0,
            evaluate_seconds=1.0,
            affected=[0.0],
        )

    monkeypatch.setattr("serkit.run.train", pretend)
    return trained


def folder_of(result, store):
    return store.folder / result["key"]


# --- what is saved ---


def test_a_result_has_all_that_is_documented(finished):
    store, result = finished
    assert set(result) == documented("result.json, schema 1") - {"resumed", "halved"}
    assert result["schema"] == 1
    assert result["label"] == "folded_scrambled+large-aug0-fold01"
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
    own = {"large", "folded", "folded_scrambled"}  # before the tail another corpus is scored now and then
    assert [set(at["tests"]) for at in result["history"]] == [own, own | {"mixed"}]
    assert (
        set(result["history"][0]["validation"]) == set(result["validation"]) == {"large", "folded_scrambled"}
    )
    assert result["affected"] == [0.0, 0.0]

    folder = folder_of(result, store)
    assert read(folder / "result.json") == result
    sealed = json.loads((folder / "result.json").read_text())
    assert sealed | result == sealed
    assert sealed.keys() - result.keys() == {"sha256"}
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["embeddings.npy", "progress.jsonl", "result.json", "scores.parquet", "spec.json"]
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
    assert sum(corpora["mixed"]["clips"]["test"].values()) == 16
    assert "shared_speakers" not in corpora["mixed"]
    assert {name: about["folds"] for name, about in corpora.items()} == {"large": 1, "folded": 3, "mixed": 1}
    for name, fingerprint in finished[1]["spec"]["fingerprints"]:
        assert corpora[name]["fingerprint"] == fingerprint
        assert corpora[name]["hours"] > 0
        assert corpora[name]["notes"]
    assert finished[1]["training_clips"] == 4 * (18 + 6)


def test_speakers_on_both_sides_are_named(trainings, store, tmp_path):
    """Of a corpus that is split by clip, as CREMA-D is in the paper: here generated clips with a table."""
    made = loaded(ALONE, store)["mixed"].corpus
    shutil.copytree(made.folder, tmp_path / "data" / "by-clip")
    clips = made.clips.assign(split=split_shares(len(made.clips), seed=0))
    clips.to_csv(tmp_path / "data" / "by-clip" / "clips.csv", index=False)
    names = ("path", "label", "speaker", "split")
    options = {"file": "by-clip/clips.csv", "split_by_clip": True} | {name: name for name in names}
    corpus = dataclasses.replace(MIXED, reader="tables", options=tuple(sorted(options.items())))
    asked = dataclasses.replace(ALONE, corpora=(corpus,))
    about = run(asked, Place(store, tmp_path / "data"))["corpora"]["mixed"]
    learnt, tested = (set(clips["speaker"][clips["split"] == part]) for part in ("train", "test"))
    assert about["split_by_clip"] is True
    assert about["shared_speakers"] == sorted(learnt & tested) != []


@pytest.mark.parametrize("whose", ["a network's", "random"])
def test_the_saved_scores_give_the_last_metrics_again(finished, store, trainings, whose):
    """With scikit-learn, under the true key and under the scrambled one."""
    store, result = finished if whose == "a network's" else (store, run(PLAN, Place(store)))
    scores = pd.read_parquet(folder_of(result, store) / "scores.parquet")
    assert list(scores.columns) == ["corpus", "path", "fold", "speaker", "label", *LABELS, *TAIL]
    assert not scores.duplicated(["corpus", "path"]).any()
    assert scores[list(LABELS)].sum(axis=1).to_numpy() == pytest.approx(np.ones(len(scores)), abs=1e-5)
    assert len(scores) == 24 + 24 + 16
    last = result["history"][-1]["tests"]
    recomputed = {}
    for (corpus, fold), clips in scores.groupby(["corpus", "fold"]):
        predicted = clips[list(LABELS)].idxmax(axis=1)
        keys = {corpus: clips["label"]}
        if corpus == "folded":
            keys["folded_scrambled"] = clips["label"].map(SWAP)
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
    assert run(PLAN, Place(store)) == result
    assert trainings == []


def test_unless_it_is_asked_to(finished, trainings, store):
    shutil.copytree(finished[0].folder, store.folder)
    again = run(PLAN, Place(store, rerun=True))
    assert len(trainings) == 1
    assert again["key"] == finished[1]["key"]
    assert store.get(again["key"]) == again != finished[1]


def test_the_same_spec_gives_the_same_bits(finished, store):
    again = run(PLAN, Place(store))
    assert again["history"] == finished[1]["history"]
    assert again["key"] == finished[1]["key"]
    name = "scores.parquet"
    frames = [pd.read_parquet(folder_of(again, where) / name) for where in (store, finished[0])]
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_another_seed_gives_others(finished, store):
    other = run(dataclasses.replace(PLAN, seed=1), Place(store))
    assert other["key"] != finished[1]["key"]
    assert other["label"] == "folded_scrambled+large-aug0-fold01-seed1"
    assert [at["loss"] for at in other["history"]] != [at["loss"] for at in finished[1]["history"]]


def test_one_sample_of_one_clip_is_another_key(trainings, store, tmp_path, monkeypatch):
    """And a copy elsewhere with the same content is not."""
    here = run(ALONE, Place(store))
    folder = loaded(ALONE, store)["mixed"].corpus.folder
    shutil.copytree(folder, tmp_path / "cache" / folder.name)
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))

    forget(monkeypatch)
    assert run(ALONE, Place(store)) == here
    assert len(trainings) == 1

    clip = sorted((tmp_path / "cache" / folder.name).rglob("*.wav"))[5]
    samples, rate_hz = soundfile.read(clip, dtype="int16")
    samples[1000] += 1
    soundfile.write(clip, samples, rate_hz, subtype="PCM_16", format="WAV")
    copy = tmp_path / "cache" / folder.name  # as if it had been made so, or it would be made again
    (copy / "content.sha256").write_text(
        synthetic._content(copy, tuple(loaded(ALONE, store)["mixed"].corpus.clips["path"]), ())
    )
    forget(monkeypatch)
    changed = run(ALONE, Place(store))
    assert len(trainings) == 2
    assert changed["key"] != here["key"]
    assert changed["label"] == here["label"]
    assert store.get(here["key"]) == here
    assert [spec.plan() for spec, _ in store.all()] == [ALONE, ALONE]


def test_a_cap_is_said_in_the_result_and_another_seed_draws_others(store, trainings):
    capped = dataclasses.replace(
        PLAN, corpora=(LARGE, dataclasses.replace(FOLDED, max_training_clips=8), MIXED)
    )
    results = [run(dataclasses.replace(capped, seed=seed), Place(store)) for seed in (0, 1)]
    assert [result["training_clips"] for result in results] == [72 + 8] * 2
    assert [sum(result["corpora"]["folded"]["clips"]["train"].values()) for result in results] == [8, 8]
    first, second = (set(training.row[training.corpus == 0]) for training in trainings)
    assert first != second


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
    return store, run(AUGMENTED, Place(store))


def test_an_augmented_run_says_how(augmented):
    store, result = augmented
    assert result["label"] == "mixed-aug50"
    assert result["spec"]["augment_percent"] == 50
    assert result["spec"]["augmentation"]["noise_snr_db"] == [0, 20]
    assert from_json(result["spec"]).plan() == AUGMENTED
    ((spec, stored),) = store.all()
    assert (spec.plan(), stored) == (AUGMENTED, result)
    assert store.get(result["key"]) == result
    assert {path.name for path in folder_of(result, store).iterdir()} == {
        "result.json",
        "scores.parquet",
        "embeddings.npy",
    }


def test_an_augmented_run_tells_what_share_was(augmented):
    """Of its training clips, epoch by epoch: the seed's draw."""
    result = augmented[1]
    draws = [
        augment.draw(Augmenting(AUGMENTED.augmentation, 50), AUGMENTED.draws, epoch, result["training_clips"])
        for epoch in range(3)
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
    assert run(AUGMENTED, Place(done)) == result
    assert trainings == []
    others = [
        {"augment_percent": 0, "augmentation": None},
        {"augment_percent": 20},
        {"augmentation": Augmentation()},
        {"augmentation": Augmentation(effects=("noise",), noise_snr_db=(0, 20))},
    ]
    keys = {run(dataclasses.replace(AUGMENTED, **other), Place(store))["key"] for other in others}
    assert len(keys | {result["key"]}) == len(trainings) + 1 == 5


# --- what cannot be ---


@pytest.mark.parametrize(("folds", "fold"), [(2, 0), (1, None)])
def test_folds_other_than_the_study_says(trainings, store, folds, fold):
    corpus = dataclasses.replace(FOLDED, folds=folds)
    plan = dataclasses.replace(PLAN, train=("folded",), corpora=(corpus,), fold=fold)
    with pytest.raises(SpecError, match=f"corpus folded has 3 folds .*; the study says folds = {folds}"):
        run(plan, Place(store))
    assert trainings == []


def test_a_missing_corpus(trainings, store, tmp_path):
    corpus = CorpusSpec("acted", "ravdess")
    plan = dataclasses.replace(ALONE, train=("acted",), corpora=(corpus,))
    for data, words in [
        (None, "SERKIT_DATA is not set"),
        (tmp_path, f"at or below {tmp_path} looks like it"),
    ]:
        with pytest.raises(CorpusMissing, match=words):
            run(plan, Place(store, data))
    assert trainings == []
    assert not list(store.folder.glob("acted*"))


def test_missing_weights_are_said_before_anything_is_decoded(trainings, store, tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("serkit.run.load", lambda *_: pytest.fail("decodes"))
    with pytest.raises(WeightsMissing, match="cnn14-32k"):
        run(dataclasses.replace(ALONE, model=ModelSpec()), Place(store))
    assert trainings == []
    assert not list(store.folder.glob("mixed*"))


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_corpus_without_clips_in_a_part_is_unfit(trainings, store, part, monkeypatch):
    here = loaded(ALONE, store)["mixed"]
    clips = here.corpus.clips.assign(split=here.corpus.clips["split"].replace(part, "unused"))
    broken = dataclasses.replace(here, corpus=dataclasses.replace(here.corpus, clips=clips))
    monkeypatch.setattr("serkit.run.load", lambda *_: broken)
    word = {"train": "training", "test": "test"}[part]
    with pytest.raises(CorpusUnfit, match=f"corpus mixed has no {word} clips in fold 0"):
        run(ALONE, Place(store))
    assert trainings == []
    assert list(store.all()) == []


def test_a_training_that_fails_loses_no_result(finished, store, monkeypatch):
    shutil.copytree(finished[0].folder, store.folder)

    def fail(*_):
        raise RuntimeError("it diverged")

    monkeypatch.setattr("serkit.run.train", fail)
    with pytest.raises(RuntimeError, match="it diverged"):
        run(PLAN, Place(store, rerun=True))
    assert store.get(finished[1]["key"]) == finished[1]


class Killed(Exception):
    """Stands for a kill: nothing that is not in a file is left."""


@pytest.fixture
def killed(monkeypatch):
    """Lets so many steps of a training be, and then kills it."""
    original = Course.step

    def after(steps):
        left = itertools.count(steps, -1)

        def step(self):
            if next(left) == 0:
                raise Killed
            original(self)

        monkeypatch.setattr(Course, "step", step)

    return after


def test_a_run_that_was_killed_goes_on_and_its_result_says_so(finished, store, killed):
    place = Place(store, state_minutes=1e-9)
    for steps in (3, 4):
        killed(steps)
        with pytest.raises(Killed):
            run(PLAN, place)
    killed(-1)
    result = run(PLAN, place)
    _, undisturbed = finished
    assert result["history"] == undisturbed["history"]
    assert result["tests"] == undisturbed["tests"]
    assert result["probe"] == undisturbed["probe"]
    assert [at["iteration"] for at in result["resumed"]] == [3, 7]
    seconds = [at["seconds"] for at in result["resumed"]]
    assert 0 < seconds[0] < seconds[1] < result["wall_seconds"]
    assert read(folder_of(result, store) / "result.json") == result
    assert not store.state_path(result["key"]).exists()
    assert "resumed" not in undisturbed


def test_a_rerun_drops_what_was_kept_and_a_state_is_kept_on_request(store, killed):
    killed(3)
    with pytest.raises(Killed):
        run(PLAN, Place(store, state_minutes=1e-9))
    killed(-1)
    result = run(PLAN, Place(store, rerun=True, state_minutes=1e-9, keep_states=True))
    assert "resumed" not in result
    assert store.state_path(result["key"]).exists()


def test_without_minutes_no_state_is_kept(store, killed):
    killed(3)
    with pytest.raises(Killed):
        run(PLAN, Place(store, state_minutes=0))
    assert not list(store.folder.glob("*/state*"))


def test_a_run_that_diverges_names_the_clips_of_its_step_and_leaves_no_state(store, monkeypatch):
    losses = itertools.chain([0.5] * 3, itertools.repeat(float("nan")))
    monkeypatch.setattr("serkit.train.step", lambda *_: torch.tensor(next(losses)))
    said = r"the loss is nan, at iteration 4 of 12, .*Its clips: (large|folded)/\S+.wav, .* more"
    with pytest.raises(TrainingDiverged, match=said):
        run(PLAN, Place(store, state_minutes=1e-9))
    assert not list(store.folder.glob("*/state*"))


def test_clips_that_cannot_be_read_are_of_the_studys_corpus(store, monkeypatch):
    def refused(*given):
        raise AudioError("2 of 3 clips in here cannot be read")

    monkeypatch.setattr(packs, "pack", refused)
    name = PLAN.corpora[0].name
    with pytest.raises(AudioError, match=rf"^corpus {name}: 2 of 3 clips in here cannot be read$"):
        load(PLAN.corpora[0], 12_345, Place(store))


# --- other labels, other outputs ---

REPRESENTATIONS = {"statistics", "before", "embedding", "outputs"}


def test_a_run_says_what_can_be_read_from_its_embedding(finished):
    found = finished[1]["probe"]
    assert found["clips"] == {"folded": 48, "large": 48, "mixed": 16}  # tested or validated
    assert found["speakers"] == {"folded": 4, "large": 12, "mixed": 4}
    assert set(found["corpus"]) == {"folded+large", "folded+mixed", "large+mixed"}
    assert set(found["speaker"]) == set(found["label"]) == {"folded", "large", "mixed"}
    each = [of for part in ("corpus", "speaker", "label") for of in found[part].values()]
    assert all(set(of) == REPRESENTATIONS for of in each)
    values = [value for of in each for value in of.values() if value is not None]
    assert len(values) > 24
    assert all(0 <= value <= 1 for value in values)
    # the corpora's channels differ by design, and the statistics of clips know it untrained
    assert found["corpus"]["folded+large"]["statistics"] > 0.9


def test_outputs_per_corpus_from_spec_to_result(store):
    plan = dataclasses.replace(PLAN, model=dataclasses.replace(PLAN.model, outputs="per-corpus"))
    result = run(plan, Place(store))
    assert result["label"] == "folded_scrambled+large-per-corpus-aug0-fold01"
    assert from_json(result["spec"]).plan() == plan
    assert set(result["tests"]) == {"large", "folded", "folded_scrambled", "mixed"}
    scores = store.table(result["key"], "scores")[list(LABELS)].to_numpy()
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)
    assert result["training_clips"] == 72 + 24
    losses = [at["loss"] for at in result["history"]]
    assert losses[-1] < losses[0]
    assert losses[-1] < 0.6  # of one in eight: guessing has 0.377, eight halves 0.693


def test_a_run_without_a_label_learns_from_the_other_clips(store):
    plan = dataclasses.replace(PLAN, train=("large", "folded_without-angry"))
    result = run(plan, Place(store))
    assert result["label"] == "folded_without-angry+large-aug0-fold01"
    assert result["training_clips"] == 72 + 24 - 6
    clips = {name: about["clips"] for name, about in result["corpora"].items()}
    assert clips["folded"]["train"] == {"angry": 0, "happy": 6, "neutral": 6, "sad": 6}
    assert clips["folded"]["test"] == clips["folded"]["validation"] == dict.fromkeys(LABELS, 6)
    assert clips["large"]["train"] == dict.fromkeys(LABELS, 18)
    assert set(result["validation"]) == {"folded_without-angry", "large"}
    assert set(result["tests"]) == {"folded", "folded_scrambled", "large", "mixed"}
    assert_valid(result, plan, settled=False)


FAR = {"angry": "sad", "happy": "neutral", "neutral": "happy", "sad": "angry"}


def test_a_run_on_far_labels_is_scored_under_them(trainings, store):
    """Besides the corpus's own permutation and the truth; with scikit-learn."""
    plan = dataclasses.replace(PLAN, train=("folded_far", "large"))
    result = run(plan, Place(store))
    assert set(result["tests"]) == {"folded", "folded_scrambled", "folded_far", "large", "mixed"}
    scores = store.table(result["key"], "scores").query("corpus == 'folded'")
    said = scores[list(LABELS)].idxmax(axis=1)
    for test, key in (("folded", {}), ("folded_scrambled", SWAP), ("folded_far", FAR)):
        truth = scores["label"].map(lambda label, key=key: key.get(label, label))
        mean = result["tests"][test]["wACC"]["mean"]
        assert mean == pytest.approx(accuracy_score(truth, said))
    assert set(result["validation"]) == {"folded_far", "large"}
    ((training,),) = [trainings]
    own = training.corpus == 0
    codes = loaded(plan, store)["folded"].corpus.clips["label"].iloc[training.row[own]]
    assert [LABELS[code] for code in training.label[own]] == [FAR[label] for label in codes]


def test_the_baseline_is_a_run_like_any(store):
    """Its embedding are the statistics, so nothing else is read from."""
    model = dataclasses.replace(STATISTICS, front_end=PLAN.model.front_end)
    recipe = dataclasses.replace(PLAN.recipe, epochs=1, tail=1.0)
    plan = dataclasses.replace(PLAN, train=("large", "folded"), model=model, recipe=recipe)
    result = run(plan, Place(store))
    assert result["label"] == "folded+large-logmel_statistics-aug0-fold01"
    assert result["initialisation"] == "random"
    assert [len(result["history"]), result["tail_evaluations"]] == [1, 1]
    assert set(result["probe"]["label"]["folded"]) == {"statistics", "outputs"}
    embeddings = np.load(folder_of(result, store) / "embeddings.npy")
    assert embeddings.shape == (24 + 24 + 16, 128)
    assert result["tests"]["large"]["wACC"]["mean"] > 0.5  # half of it is heard at once
    assert_valid(result, plan, settled=False)
