"""Small corpora on the disk, to be packed."""

import numpy as np
import soundfile

from serkit.corpora.reading.corpus import Corpus, table
from serkit.labels import LABELS

RATE_HZ = 16_000


def noise(seed, samples=800):
    return np.random.default_rng(seed).integers(-20_000, 20_000, samples).astype(np.int16)


WAVES = [noise(i, 500 + 37 * i) for i in range(8)]


def corpus_of(folder, waves=WAVES, suffix="wav", labels=LABELS):
    """A corpus of int16 clips, written to `folder` at 16 kHz."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, wave in enumerate(waves):
        soundfile.write(folder / f"{i:02d}.{suffix}", wave, RATE_HZ, subtype="PCM_16")
    return corpus_in(folder, len(waves), suffix, labels)


def corpus_in(folder, clips, suffix="wav", labels=LABELS):
    """The corpus of the clips that lie in `folder`."""
    rows = [
        {"path": f"{i:02d}.{suffix}", "label": labels[i % 4], "speaker": str(i), "split": "train"}
        for i in range(clips)
    ]
    return Corpus("fake", folder, "1", table(rows, "Fake"))
