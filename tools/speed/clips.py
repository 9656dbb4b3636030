"""What the sections work on: made clips, and those of a study.

Made clips are noise that swells and fades at the pace of syllables: nothing looks at more of them than their
levels. Lengths matter more: of a study where its corpora are there, else drawn as lengths of speech are.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmark import study as studies
from serkit.audio import FULL_SCALE
from serkit.clips import ClipSet
from serkit.encoders.cnn14.logmel import NAMED
from serkit.job import Loaded, Place, load
from serkit.labels import LABELS
from serkit.packs import Pack
from serkit.results import Store
from serkit.specs import RunSpec

FRONT_END = "paper-loaded"
SEED = 0
SYLLABLES_HZ = 4.0  # how fast made clips swell and fade
WAVE_SECONDS = 60.0  # made clips of several lengths are pieces of one wave of so many
SPEECH_SECONDS = (2.0, 11.0)  # shortest and longest, as in MSP-Podcast
MEAN_SECONDS = 5.7  # likewise
PEAKEDNESS = 4.0  # of made lengths: above 0, the higher the nearer to the mean; ours


def made_waves(clips: int, seconds: float, rate_hz: int) -> np.ndarray:
    """Noise with the swelling of speech, int16 [clips, samples], 12 dB below full scale at its loudest."""
    random = np.random.default_rng(SEED)
    at = np.arange(round(seconds * rate_hz)) / rate_hz
    swelling = 0.5 - 0.5 * np.cos(2 * np.pi * (SYLLABLES_HZ * at + random.random((clips, 1))))
    noise = random.standard_normal((clips, len(at)), dtype=np.float32).clip(-4, 4) / 4
    return np.round(noise * swelling * (FULL_SCALE / 4)).astype(np.int16)


def packed(waves: np.ndarray, rate_hz: int) -> ClipSet:
    """Waves of one length, int16 [clips, samples], as a packed corpus; labels in turn."""
    return _clip_set(waves.reshape(-1), np.full(len(waves), waves.shape[1]), rate_hz)


def packed_lengths(lengths: np.ndarray, rate_hz: int) -> ClipSet:
    """Made clips of so many samples each, int64 [clips], as a packed corpus; labels in turn."""
    wave = made_waves(1, WAVE_SECONDS, rate_hz)[0]
    return _clip_set(np.resize(wave, int(lengths.sum())), lengths, rate_hz)


def _clip_set(samples: np.ndarray, lengths: np.ndarray, rate_hz: int) -> ClipSet:
    places = np.arange(len(lengths))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return ClipSet([Pack(samples, offsets, rate_hz, "")], np.zeros_like(places), places, places % len(LABELS))


def made_lengths(clips: int, rate_hz: int) -> np.ndarray:
    """Lengths in samples, int64 [clips]: 2 to 11 s, 5.7 s on average, by a beta distribution.

    Range and mean are MSP-Podcast's, the distribution is ours.
    """
    shortest, longest = SPEECH_SECONDS
    mean = (MEAN_SECONDS - shortest) / (longest - shortest)
    shares = np.random.default_rng(SEED).beta(PEAKEDNESS * mean, PEAKEDNESS * (1 - mean), clips)
    return np.round((shortest + (longest - shortest) * shares) * rate_hz).astype(np.int64)


def condition(study_name: str) -> RunSpec:
    """A study's heaviest run, without fingerprints: most corpora joined, highest rate; first fold and seed.

    Raises:
        SpecError: no such study.
    """
    study = studies.read(study_name)
    columns = study.training_sets()
    return study.runs(max(columns, key=len), max(study.rates_percent))[0]


def corpora_of(spec: RunSpec, data: Path | None) -> dict[str, Loaded]:
    """Every corpus of a run, read and packed.

    Raises:
        CorpusMissing: one is not there.
        SpecError, CorpusUnfit, AudioError: one cannot be used.
    """
    rate_hz = NAMED[spec.model.front_end].rate_hz
    with TemporaryDirectory() as folder:  # where a worker would tell how far it is
        place = Place(Store(Path(folder)), data)
        return {each.name: load(each, rate_hz, place) for each in spec.corpora}
