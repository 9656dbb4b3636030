"""The harness meets a study written plainly: same files, same settings, same metrics but for chance."""

import csv

import numpy as np
import pytest
import soundfile

from serkit.job import Place
from serkit.labels import LABELS
from serkit.results import Store
from serkit.run import run
from serkit.specs import CorpusSpec, ModelSpec, Recipe, RunSpec
from tests.whole import plain_study
from tests.whole.plain_study import RATE_HZ, Clips, Settings

SECONDS = 0.62  # the shortest that CNN14 takes
TRAINING, TEST = (28, 22, 18, 12), (24, 10, 20, 6)  # clips a class: uACC and wACC are not the same
MISLABELLED = {"angry": 4, "happy": 4, "neutral": 3, "sad": 1}
"""Test clips of each label whose audio is another class's, so that no network can be right about them."""

SETTINGS = Settings(width=6, learning_rate=3e-3, batch_size=4, epochs=8, seconds=SECONDS, tail=0.25)
WITHIN = 0.1
"""Of each metric: seeds differ by up to 0.06, since one clip of a class of six is 0.04 of uACC."""

pytestmark = pytest.mark.usefixtures("one_thread")


def tone(label, random):
    """A pitch for each class, at any level and phase, in a little noise: 0.75 to 1 s, float32."""
    samples = int(random.uniform(0.75, 1.0) * RATE_HZ)
    turns = 250 * 2.4**label * random.uniform(0.95, 1.05) * np.arange(samples) / RATE_HZ + random.random()
    wave = random.uniform(0.05, 0.5) * np.sin(2 * np.pi * turns) + 0.01 * random.standard_normal(samples)
    return wave.astype(np.float32)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of tones with a table; one clip in five of the test says another class than it sounds."""
    folder, random = tmp_path_factory.mktemp("tones"), np.random.default_rng(0)
    with (folder / "clips.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "speaker", "split"])
        for split, counts in (("train", TRAINING), ("validation", (1, 1, 1, 1)), ("test", TEST)):
            for label, count in enumerate(counts):
                for number in range(count):
                    wrong = split == "test" and number < MISLABELLED[LABELS[label]]
                    path = f"{split}-{label}-{number}.wav"
                    sounds = (label + 1 + number % 3) % 4 if wrong else label
                    soundfile.write(folder / path, tone(sounds, random), RATE_HZ, subtype="PCM_16")
                    table.writerow([path, LABELS[label], f"{split}{number % 4}", split])
    return folder


def plainly(data, seed):
    with (data / "clips.csv").open() as file:
        rows = list(csv.DictReader(file))
    parts = [
        Clips(
            [data / row["path"] for row in rows if row["split"] == split],
            np.array([LABELS.index(row["label"]) for row in rows if row["split"] == split]),
        )
        for split in ("train", "test")
    ]
    return plain_study.train(*parts, SETTINGS, seed)


def by_the_harness(data, seed, store):
    recipe = Recipe(
        learning_rate=SETTINGS.learning_rate,
        batch_size=SETTINGS.batch_size,
        epochs=SETTINGS.epochs,
        tail=SETTINGS.tail,
        max_seconds=SECONDS,
    )
    corpus = CorpusSpec("tones", "tables", options=(("file", "clips.csv"),))
    model = ModelSpec(width=SETTINGS.width, weights=None)
    spec = RunSpec(("tones",), (corpus,), 0, None, seed, model, recipe)
    tests = run(spec, Place(store, data))["tests"]["tones"]
    return {metric: tests[metric]["mean"] for metric in ("uACC", "wACC", "wF1")}


def test_the_harness_gives_what_a_plain_study_gives(data, tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))
    plain = plainly(data, 0)
    best = 1 - sum(MISLABELLED.values()) / sum(TEST)  # nothing gets further
    assert best - WITHIN < plain["wACC"] <= best + 1e-9
    assert by_the_harness(data, 0, Store(tmp_path / "results")) == pytest.approx(plain, abs=WITHIN)
