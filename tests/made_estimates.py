"""Estimates of two corpora, as the measurements of Figure 4 give them, made by hand."""

import numpy as np
import pandas as pd

from serkit.acoustics.meter import ESTIMATES
from serkit.labels import LABELS


def measured(corpus, condition="raw", shift=0.0, speakers=12, each=10, seed=0, **columns):
    """Estimates of one corpus, as `acoustics.estimates` gives them: clips of one speaker are alike.

    Each estimate is drawn for itself, so that one corpus is as many trials as it has measures.
    """
    random = np.random.default_rng(seed)
    clips = speakers * each
    table = pd.DataFrame(
        {
            "corpus": corpus,
            "condition": condition,
            "path": [f"{number}.wav" for number in range(clips)],
            "label": [LABELS[number % 4] for number in range(clips)],
            "speaker": np.repeat([f"s{number}" for number in range(speakers)], each),
            "reason": "",
        }
    )
    for name in ESTIMATES:
        of_speaker = np.repeat(random.normal(size=speakers), each)
        table[name] = 3 + shift + 0.3 * of_speaker + 0.3 * random.normal(size=clips)
    return table.assign(**columns)


def both(*parts):
    return pd.concat(parts, ignore_index=True)


PAIR = both(
    measured("ONE"),
    measured("TWO", shift=1.0, seed=1),
    measured("ONE", "augmented", shift=0.4, seed=2),
    measured("TWO", "augmented", shift=0.6, seed=3),
)
