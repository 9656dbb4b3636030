"""One augmented training on one thread gives what it gave when `golden.json` was written.

A change that is meant to change numbers raises METHOD and writes the file anew with
`python -m tests.test_golden`; any other change must leave it as it is. On one machine the numbers are
bit-equal; with the instructions of other CPUs (ATEN_CPU_CAPABILITY, ONEDNN_MAX_CPU_ISA, MKL_CBWR) losses
moved by up to 8e-6 of their value, the last scores by up to 2.3e-4, and no metric.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from serkit.effects import Augmentation
from serkit.job import Place
from serkit.labels import LABELS, SWAP
from serkit.results import Store
from serkit.run import run
from serkit.specs import CorpusSpec, ModelSpec, Recipe, RunSpec

GOLDEN = Path(__file__).with_name("golden.json")
RATE_HZ = 16_000
CLIPS = 36


def corpus(name):
    options = (("file", f"{name}/clips.csv"), ("folds", 3))
    return CorpusSpec(name, "tables", 3, options, tuple(sorted(SWAP.items())))


SPEC = RunSpec(
    train=("one", "two_scrambled"),
    corpora=(corpus("one"), corpus("two")),
    augment_percent=50,
    fold=0,
    seed=0,
    model=ModelSpec(width=4, weights=None),
    recipe=Recipe(learning_rate=3e-3, batch_size=8, epochs=3, tail=0.4, max_seconds=1.0, loudness_dbfs=-30),
    augmentation=Augmentation(),
)


def write_corpus(folder, seed):
    """Three speakers' tones in noise, higher for each label, of 0.7 to 1.3 s."""
    random = np.random.Generator(np.random.Philox(seed))
    folder.mkdir(parents=True)
    rows = ["path,label,speaker"]
    for clip in range(CLIPS):
        label, samples = clip % 4, int(random.integers(0.7 * RATE_HZ, 1.3 * RATE_HZ))
        hertz = (300 + 200 * seed) * 1.5**label * random.uniform(0.9, 1.1)
        tone = 3000 * np.sin(2 * np.pi * hertz * np.arange(samples) / RATE_HZ)
        wave = tone.round().astype(np.int16) + random.integers(-2000, 2000, samples, dtype=np.int16)
        soundfile.write(folder / f"{clip:02d}.wav", wave, RATE_HZ, subtype="PCM_16")
        rows.append(f"{clip:02d}.wav,{LABELS[label]},{'abc'[clip // 4 % 3]}")
    (folder / "clips.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def trained(folder):
    """The key, the history and the scores of the training, as plain values."""
    for seed, name in enumerate(("one", "two")):
        write_corpus(folder / "data" / name, seed)
    store = Store(folder / "results")
    result = run(SPEC, Place(store, folder / "data"))
    scores = store.table(result["key"], "scores")[list(LABELS)].to_numpy(dtype=np.float64)
    return {"key": result["key"], "history": result["history"], "scores": scores.round(7).tolist()}


def test_a_training_gives_what_it_gave(tmp_path, monkeypatch, one_thread):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))
    found, golden = trained(tmp_path), json.loads(GOLDEN.read_text())
    assert found["key"] == golden["key"]
    np.testing.assert_allclose(found["scores"], golden["scores"], rtol=0, atol=1e-3)
    losses = [[at["loss"] for at in history] for history in (found["history"], golden["history"])]
    np.testing.assert_allclose(*losses, rtol=3e-5)
    one_clip = 0.1  # a twelfth of a fold: its two best classes may be as near as other CPUs' scores
    tables = [pd.json_normalize(history) for history in (found["history"], golden["history"])]
    pd.testing.assert_frame_equal(*tables, rtol=0, atol=one_clip)


if __name__ == "__main__":
    import tempfile

    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as made, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERKIT_CACHE", f"{made}/cache")
        GOLDEN.write_text(json.dumps(trained(Path(made)), indent=1) + "\n")
