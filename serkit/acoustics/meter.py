"""The acoustics of clips: estimated quality, reverberation time and clarity (§5.1), raw or augmented.

Takes packed clips, of each no more than the first 9.01 s (DNSMOS's window), and gives a table, a row a clip.
Differences from the paper, whose estimators and choice of clips were never published (docs/acoustics.md):

1. MOS is DNSMOS P.808 (`quality`), T60 and C50 are `room`'s: differences between corpora can be compared with
   the paper's, absolute values cannot.
2. The clips are drawn without replacement from those with one of the four labels. A smaller corpus is
   measured whole, where the paper speaks of 10,000 clips of each.
3. Augmented clips go through the study's effects on the wave, each clip once. SpecAugment and a stretch on
   features change no wave and are left out; a vocoder in their place would be heard as poor quality.
4. A silent or clipped clip has no estimates, only the reason; one too short for a room has none of its room.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch.nn.utils.rnn import pad_sequence

from serkit import augment
from serkit.acoustics import quality, room
from serkit.audio import FULL_SCALE, unfit
from serkit.augment import Augmenting, Chain
from serkit.packs import Pack
from serkit.resultfile import ESTIMATES
from serkit.specs import AcousticsSpec

RATE_HZ = quality.RATE_HZ
WINDOW_SAMPLES = int(quality.SECONDS * RATE_HZ)
PART_CLIPS = 100  # measured between two saves: some ten seconds on one core
AT_ONCE = 8  # clips augmented together: what they need in between stays in the cache

SHORT = "short"  # the reason of a clip that has an estimate of quality but is too short for one of its room

# What each estimate can be: a rating from 1 to 5, which DNSMOS may miss; what the room network gives.
RANGES = dict.fromkeys(ESTIMATES, (0.5, 5.5)) | {"t60_s": room.T60_RANGE_S, "c50_db": room.C50_RANGE_DB}


def digests() -> tuple[tuple[str, str], ...]:
    """What makes the estimates: (name, digest) of each network. Raises ExtraMissing as `quality` does."""
    return ("dnsmos", quality.digest()), ("roomnet", room.digest())


def choose(clips: int, at_most: int, seed: int) -> np.ndarray:
    """Which of so many clips are measured, in random order, int64; a larger choice begins with a smaller."""
    return np.random.Generator(np.random.Philox(key=seed)).permutation(clips)[:at_most]


def evenly(clips: int, at_most: int) -> np.ndarray:
    """At most so many of the positions 0..clips - 1, evenly spread, int64: each part takes about as long."""
    chosen = min(clips, at_most)
    return np.arange(chosen) * clips // max(1, chosen)


class Meter:
    """Measures clips of one corpus: those at `rows`, int64 [clips], in the order of measuring."""

    def __init__(self, spec: AcousticsSpec, pack: Pack, threads: int = 1) -> None:
        """Chooses clips of a corpus packed at `RATE_HZ`, draws their augmentation, opens the estimators.

        `threads` are what DNSMOS may use; the rest goes by PyTorch's setting. Raises ExtraMissing.
        """
        self.rows = choose(len(pack.lengths), spec.clips, spec.seed)
        self._pack = pack
        self._dnsmos = quality.Dnsmos(threads)
        self._room_net = room.load()
        self._p835 = np.isin(np.arange(len(self.rows)), evenly(len(self.rows), spec.p835_clips))
        self._chain = None
        if spec.augmentation is not None:
            self._chain = Chain(spec.augmentation, RATE_HZ, spec.seed, WINDOW_SAMPLES, "cpu")
            self._drawn = augment.draw(Augmenting(spec.augmentation), spec.seed, 0, len(self.rows))

    def parts(self) -> list[np.ndarray]:
        """Positions in `rows`, in parts of `PART_CLIPS`."""
        return np.split(np.arange(len(self.rows)), np.arange(PART_CLIPS, len(self.rows), PART_CLIPS))

    def measure(self, positions: np.ndarray) -> pd.DataFrame:
        """The estimates of the clips at some positions in `rows`; what each gets depends on no other.

        A row a clip: `row` (in the corpus's table), `reason` why estimates are missing (`silent`, `clipped`,
        `short` or empty), and the `ESTIMATES`, float64, NaN where missing or (P.835's) not asked for.
        """
        bounds = (self._pack.offsets[row : row + 2] for row in self.rows[positions])
        samples = [self._pack.samples[first : min(end, first + WINDOW_SAMPLES)] for first, end in bounds]
        reasons = np.array([unfit(clip) or "" for clip in samples], dtype=object)
        table = pd.DataFrame({"row": self.rows[positions], "reason": reasons})
        table[list(ESTIMATES)] = np.nan
        fit = np.flatnonzero(reasons == "")
        waves = self._heard([samples[i] for i in fit], positions[fit])
        table.loc[fit, ["p808_mos"]] = self._dnsmos.p808(waves)[:, None]
        table.loc[fit, ["t60_s", "c50_db"]] = room.estimate(self._room_net, waves)
        table.loc[fit[np.isnan(table.loc[fit, "t60_s"])], "reason"] = SHORT
        closer = np.flatnonzero(self._p835[positions[fit]])
        p835 = self._dnsmos.p835([waves[i] for i in closer])
        table.loc[fit[closer], ["ovrl_mos", "sig_mos", "bak_mos"]] = p835
        return table

    def _heard(self, samples: Sequence[np.ndarray], positions: np.ndarray) -> list[np.ndarray]:
        """Waves as the estimators hear them, float32, full scale 1."""
        waves = [clip.astype(np.float32) / FULL_SCALE for clip in samples]
        if self._chain is None:
            return waves
        heard: list[np.ndarray] = []
        for first in range(0, len(waves), AT_ONCE):
            clips = [torch.from_numpy(wave) for wave in waves[first : first + AT_ONCE]]
            lengths = np.array([len(clip) for clip in clips])
            drawn = self._drawn[positions[first : first + AT_ONCE]]
            changed, lengths = self._chain(pad_sequence(clips, batch_first=True), lengths, drawn)
            heard += [wave[:length] for wave, length in zip(changed.numpy(), lengths, strict=True)]
        return heard
