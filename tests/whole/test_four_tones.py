"""A small network learns to tell four tones."""

import numpy as np

from tests.made_clips import RATE_HZ, SHORTEST, clips_of
from tests.test_train import network, trained

PITCHES_HZ = (250, 600, 1400, 3200)


def tones(clips, seed):
    """Four pitches, one a label, at any level, phase and length, in a little noise."""
    random = np.random.default_rng(seed)
    waves = []
    for i in range(clips):
        samples = random.integers(SHORTEST, 14_000)
        turns = (
            PITCHES_HZ[i % 4] * random.uniform(0.95, 1.05) * np.arange(samples) / RATE_HZ + random.random()
        )
        wave = random.uniform(0.05, 0.5) * np.sin(2 * np.pi * turns) + 0.01 * random.standard_normal(samples)
        waves.append(np.rint(wave * 32767).astype(np.int16))
    return clips_of(waves)


def test_a_small_network_learns_four_tones():
    evaluation = tones(32, seed=1)
    done, _ = trained(
        tones(64, seed=0),
        evaluation,
        score=lambda scores: {"accuracy": np.mean(scores.argmax(axis=1) == evaluation.label)},
        model=network(width=6),  # wide enough for every one of the seeds 0 to 4
        epochs=10,
        batch_size=8,
        learning_rate=3e-3,
        evaluations_per_epoch=0.2,
    )
    assert [at["epoch"] for at in done.history] == [5, 10]
    assert done.history[-1]["accuracy"] > 0.9
    assert done.history[-1]["loss"] < 0.5 * done.history[0]["loss"]
