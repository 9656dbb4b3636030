"""Speech-like clips with a known answer: a small source-filter synthesiser and the worlds built on it.

A clip is a string of consonant-vowel syllables, spoken by a drawn speaker with the prosody of one emotion and
heard through the channel of one corpus. Because everything is chosen, it is known what a classifier should
find: which cues carry the emotion (`semantics`) and how far the recordings differ (`acoustic`) are two
separate knobs.

* `acoustic` in [0, 1]: at 0 the three corpora share one channel; at 1 A is clean and close, B noisy and
  reverberant, C narrow-band.
* `semantics`: `shared`, one table of emotions for all; `disjoint`, each corpus codes emotion in cues of its
  own and holds the others' cues at a value nobody else uses; `swapped`, as shared, but B under neutral<->sad,
  happy<->angry.

Synthesis (after Klatt 1980, "Software for a cascade/parallel formant synthesizer", reduced): glottal pulses
at sub-sample instants and breath noise go through a cascade of seven resonators and a spectral tilt,
frication through a noise band of its own, frame by frame with overlap-add. Vowel formants: Peterson & Barney
1952, men's means. It is meant to be *like* speech to a log-mel network and to a room estimator, not to a
listener.

What is the same where. Equal arguments give equal int16 samples in every process and with any number of
threads: each clip has random streams of its own (keyed by seed, corpus, speaker and clip number), and no BLAS
routine is called. Across machines the random numbers are exact (only the generator's uniform 24-bit numbers
are used, and their sums do not round), but `exp2`, `cos` and the FFT may differ in the last bits of a double
with the processor and the numpy release. Between numpy's AVX-512 and its plain code paths samples differed by
4e-10 of a 16-bit step in the mean, 2e-7 at most, before rounding: one sample in one of some 100,000 clips may
come out one step apart. So a stored corpus is identified by what it was made from, not by its audio.

Limits: no nasal zeros, no glottal waveform beyond a tilt, one pitch accent shape, nonsense syllables.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from serkit.errors import SpecError
from serkit.labels import LABELS

VERSION = 1
"""Part of a stored corpus's name. Raise it when a change here changes a single sample."""

RATE_HZ = 16_000
CORPORA = ("A", "B", "C")
SEMANTICS = ("shared", "disjoint", "swapped")
SEED = 2024
MIN_SECONDS, MAX_SECONDS = 1.0, 2.0
"""Of a clip: long enough for a few syllables, short enough to train on in seconds."""

HOP = 128
"""Samples a frame: 8 ms, at which a formant moves little; a quarter of the window, so overlapping frames sum
to one."""
FRAME = 512
"""Samples of the window: 32 ms hold two periods of the lowest voice and the ringing of the narrowest
resonance."""

REFERENCE_RMS = 0.02
"""Level of speech at 0 dB, full scale 1: 34 dB below it leave some 20 for the peaks and 12 for shouting."""
FULL_SCALE = 0.98
"""A clip that would exceed it is turned down as a whole; at the default seed none is."""


# ------------------------------------------------------------------------------------------------- randomness


def stream(seed: int, corpus: int, speaker: int, number: int, purpose: int) -> np.random.Generator:
    """A generator of its own for each purpose of each clip, so that changing one draw moves no other.

    Args:
        seed: of the world.
        corpus: position in `CORPORA`.
        speaker: number within the corpus.
        number: of the clip within the speaker.
        purpose: any whole number; this module uses 0..5.
    """
    return np.random.Generator(
        np.random.Philox(np.random.SeedSequence([seed, corpus, speaker, number, purpose]))
    )


_SPEAKER, _LENGTH, _TEXT, _PROSODY, _VOICE, _CHANNEL = range(6)


def _uniform(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Float64 numbers in [0, 1) of 24 bits: sums of a few of them are exact in any order."""
    return rng.random(shape, dtype=np.float32).astype(np.float64)


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Nearly normal numbers, mean 0 and variance 1: twelve uniform ones less six (at most 6 from 0).

    Exact sums in place of the generator's own `normal`, which goes through `log` and `exp` and may change
    between numpy releases.
    """
    return _uniform(rng, 12, *shape).sum(axis=0) - 6.0


def _noise(rng: np.random.Generator, n: int) -> np.ndarray:
    """White noise, mean 0 and variance 1, at most 3 from 0: like `_normal`, with a quarter of the numbers."""
    return 2.0 * (_uniform(rng, 3, n).sum(axis=0) - 1.5)


# --------------------------------------------------------------------------------------------------- speakers


@dataclass(frozen=True)
class Speaker:
    """What stays the same from clip to clip.

    Attributes:
        f0_hz: mean pitch in neutral speech.
        vocal_tract: factor on every formant; above 1 is a shorter vocal tract.
        tilt_db: spectral tilt of the voice, dB an octave, added to the common one.
        rate: factor on the speed of speech.
        breath: noise in the voice, as a share of its amplitude at the glottis.
        bandwidth: factor on every formant's bandwidth.
    """

    f0_hz: float
    vocal_tract: float
    tilt_db: float
    rate: float
    breath: float
    bandwidth: float


VOICES = {"low": (118.0, 14.0, 1.0), "high": (205.0, 20.0, 1.16)}
"""Mean pitch and its deviation, Hz, and mean vocal-tract factor: about men's and women's values."""


def draw_speaker(rng: np.random.Generator, voice: str) -> Speaker:
    """A speaker with a `low` or a `high` voice.

    Raises:
        SpecError: another voice.
    """
    if voice not in VOICES:
        raise SpecError(f"voice {voice!r}: expected one of {', '.join(VOICES)}")
    mean_hz, spread_hz, vocal_tract = VOICES[voice]
    pitch, tract, tilt, rate = _normal(rng, 4)
    breath, bandwidth = _uniform(rng, 2)
    return Speaker(
        f0_hz=float(np.clip(mean_hz + spread_hz * pitch, 75.0, 260.0)),
        vocal_tract=float(vocal_tract + 0.04 * tract),
        tilt_db=float(tilt),
        rate=float(np.clip(1.0 + 0.07 * rate, 0.8, 1.2)),
        breath=float(0.02 + 0.06 * breath),
        bandwidth=float(0.9 + 0.4 * bandwidth),
    )


def voice_of(speaker: int) -> str:
    """The voice of a speaker number: even ones low, odd ones high, so any two neighbours are one of each."""
    return tuple(VOICES)[speaker % 2]


def speaker_of(corpus: str, speaker: int, seed: int = SEED) -> Speaker:
    """Speaker number `speaker` of a corpus.

    Raises:
        SpecError: unknown corpus.
    """
    return draw_speaker(stream(seed, _number_of(corpus), speaker, 0, _SPEAKER), voice_of(speaker))


def _number_of(corpus: str) -> int:
    if corpus not in CORPORA:
        raise SpecError(f"synthetic corpus {corpus!r}: expected one of {', '.join(CORPORA)}")
    return CORPORA.index(corpus)


# --------------------------------------------------------------------------------------------------- emotions


@dataclass(frozen=True)
class Prosody:
    """How a clip is spoken; the defaults are plain reading.

    Attributes:
        f0: factor on the speaker's pitch.
        f0_range: factor on every movement of the pitch.
        slope: rise (above 0) or fall of the pitch from start to end, in units of 2 semitones.
        accent: height of stressed syllables, in units of 3 semitones.
        tremor: depth of a 5.5 Hz waver of the pitch, semitones.
        jitter: deviation of the pitch from one hundredth of a second to the next, as a share of it.
        rate: factor on the speed of speech.
        pause: share of syllables followed by a pause.
        level_db: level of the speech, dB over `REFERENCE_RMS`.
        tilt_db: dB an octave, added to the voice's; above 0 is brighter, more effort.
        breath: noise in the voice, as a share of its amplitude at the glottis, added to the speaker's.
    """

    f0: float = 1.0
    f0_range: float = 1.0
    slope: float = -1.0
    accent: float = 1.0
    tremor: float = 0.0
    jitter: float = 0.01
    rate: float = 1.0
    pause: float = 0.12
    level_db: float = 0.0
    tilt_db: float = 0.0
    breath: float = 0.0


# Three sets of cues that do not overlap: each corpus of the disjoint world varies one and holds the others.
_EFFORT = {  # pitch, level, brightness: the cues best established for real emotional speech
    "angry": {"f0": 1.28, "level_db": 8.0, "tilt_db": 3.0},
    "happy": {"f0": 1.6, "level_db": 2.0, "tilt_db": 0.0},
    "neutral": {"f0": 1.0, "level_db": 0.0, "tilt_db": 0.0},
    "sad": {"f0": 0.78, "level_db": -8.0, "tilt_db": -4.0},
}
_TIMING = {  # speed, pauses, voice quality
    "angry": {"rate": 1.6, "pause": 0.0, "jitter": 0.05, "breath": 0.0},
    "happy": {"rate": 1.25, "pause": 0.0, "jitter": 0.01, "breath": 0.9},
    "neutral": {"rate": 0.95, "pause": 0.1, "jitter": 0.01, "breath": 0.0},
    "sad": {"rate": 0.62, "pause": 0.35, "jitter": 0.01, "breath": 0.3},
}
_CONTOUR = {  # the pitch's course, and some timing
    "angry": {"slope": -6.0, "accent": 2.5, "rate": 1.3},
    "happy": {"slope": 6.0, "accent": 2.5, "rate": 0.9},
    "neutral": {"slope": 0.0, "accent": 0.0, "f0_range": 0.2, "rate": 1.1},
    "sad": {"slope": -3.0, "accent": 0.0, "tremor": 1.5, "rate": 0.75},
}
_VARIED = {"A": _EFFORT, "B": _TIMING, "C": _CONTOUR}
_HELD = {  # values that no emotion of another corpus has, so that none is mistaken for one
    "A": {"rate": 1.08, "pause": 0.2, "jitter": 0.02, "breath": 0.06},
    "B": {"f0": 1.15, "level_db": -4.0, "tilt_db": 5.0},
    "C": {"f0": 0.88, "level_db": 5.0, "tilt_db": -6.0, "breath": 0.15},
}
_SWAPPED = {"angry": "happy", "happy": "angry", "neutral": "sad", "sad": "neutral"}

SPREAD = {
    "f0": 0.06,
    "rate": 0.07,
    "level_db": 1.5,
    "tilt_db": 0.8,
    "pause": 0.03,
    "breath": 0.02,
    "jitter": 0.005,
}
"""Standard deviation from clip to clip within one emotion; `f0` and `rate` as a share of the value."""


def prosody_of(corpus: str, label: str, semantics: str = "shared") -> Prosody:
    """The mean prosody of an emotion in a corpus.

    Args:
        corpus: one of `CORPORA`.
        label: one of `serkit.labels.LABELS`.
        semantics: one of `SEMANTICS`.

    Raises:
        SpecError: an unknown corpus, label or semantics.
    """
    _number_of(corpus)
    if label not in LABELS:
        raise SpecError(f"label {label!r}: expected one of {', '.join(LABELS)}")
    if semantics not in SEMANTICS:
        raise SpecError(f"semantics {semantics!r}: expected one of {', '.join(SEMANTICS)}")
    if semantics == "disjoint":
        return Prosody(**{**_HELD[corpus], **_VARIED[corpus][label]})
    if semantics == "swapped" and corpus == "B":
        label = _SWAPPED[label]
    return Prosody(**{**_HELD["A"], **_EFFORT[label]})


def vary(prosody: Prosody, rng: np.random.Generator) -> Prosody:
    """One clip's prosody: the mean moved by `SPREAD`, within what a voice can do."""
    moves = dict(zip(SPREAD, _normal(rng, len(SPREAD)).tolist(), strict=True))
    new = {}
    for name, deviation in SPREAD.items():
        mean = getattr(prosody, name)
        new[name] = mean + moves[name] * deviation * (mean if name in ("f0", "rate") else 1.0)
    new["pause"] = max(0.0, new["pause"])
    new["breath"] = max(0.0, new["breath"])
    new["jitter"] = max(0.002, new["jitter"])
    return dataclasses.replace(prosody, **new)


# -------------------------------------------------------------------------------------------------- sentences

VOWELS = {
    "a": (730, 1090, 2440),
    "i": (270, 2290, 3010),
    "u": (300, 870, 2240),
    "e": (530, 1840, 2480),
    "o": (570, 840, 2410),
    "ae": (660, 1720, 2410),
    "er": (490, 1350, 1690),
    "I": (390, 1990, 2550),
}
"""First three formants, Hz."""


@dataclass(frozen=True)
class Consonant:
    """A consonant as the synthesiser knows it.

    Attributes:
        seconds: length at rate 1.
        formants_hz: where the first three formants point while it lasts.
        voice: amplitude of the voice, a vowel's being 1.
        noise: amplitude of its own noise.
        noise_hz: centre of that noise.
        noise_width_hz: its deviation.
        closed: share of it that is a closed mouth before the burst; 0 for all but stops.
        aspiration: amplitude of breath through the formants after the burst.
    """

    seconds: float
    formants_hz: tuple[int, int, int]
    voice: float = 0.0
    noise: float = 0.0
    noise_hz: float = 4000.0
    noise_width_hz: float = 2000.0
    closed: float = 0.0
    aspiration: float = 0.0


CONSONANTS = {
    "s": Consonant(0.09, (320, 1600, 2600), noise=0.30, noise_hz=5800, noise_width_hz=1300),
    "sh": Consonant(0.09, (320, 1800, 2400), noise=0.36, noise_hz=3200, noise_width_hz=900),
    "f": Consonant(0.07, (330, 1000, 2200), noise=0.08, noise_hz=5000, noise_width_hz=3000),
    "z": Consonant(0.07, (300, 1600, 2600), voice=0.25, noise=0.16, noise_hz=5800, noise_width_hz=1300),
    "m": Consonant(0.07, (270, 1100, 2200), voice=0.4),
    "n": Consonant(0.06, (270, 1500, 2500), voice=0.4),
    "l": Consonant(0.05, (350, 1100, 2600), voice=0.6),
    "t": Consonant(
        0.10, (330, 1800, 2700), noise=0.45, noise_hz=4200, noise_width_hz=1600, closed=0.55, aspiration=0.2
    ),
    "k": Consonant(
        0.10, (330, 1900, 2300), noise=0.45, noise_hz=2000, noise_width_hz=700, closed=0.55, aspiration=0.2
    ),
    "b": Consonant(
        0.06, (250, 800, 2200), voice=0.12, noise=0.15, noise_hz=700, noise_width_hz=500, closed=0.75
    ),
    "d": Consonant(
        0.06, (250, 1700, 2600), voice=0.12, noise=0.2, noise_hz=3600, noise_width_hz=1400, closed=0.75
    ),
}

REST_HZ = (500, 1500, 2500)
"""Formants of a mouth at rest: between sentences, in pauses."""
_BURST_SECONDS = 0.012
_STRESSED_SECONDS, _UNSTRESSED_SECONDS = 0.17, 0.11
_PAUSE_SECONDS = 0.15
_FINAL_LENGTHENING = 1.35
"""Of the last vowel, where there is room for it, as in real phrases."""
_EDGE_SECONDS = 0.05
"""Least silence before and after the speech."""
_MOST_SYLLABLES = 20
"""More than fit into `MAX_SECONDS` at the highest rate."""
_STRESSED = 0.35
"""Share of syllables."""


@dataclass(frozen=True, eq=False)
class Sentence:
    """What is said and when: segments from the clip's first sample to its last.

    Attributes:
        n_samples: length of the clip, a multiple of `HOP`.
        edges_s: (segments + 1,) times of the boundaries, from 0 to the clip's length.
        formants_hz: (segments, 3) targets, before the speaker's factor.
        voice: (segments,) amplitude of the voice.
        noise: (segments,) amplitude of frication.
        aspiration: (segments,) amplitude of breath.
        noise_band_hz: (segments, 2) centre and deviation of frication.
        stressed: (segments,) 1.0 in a stressed syllable.
        text: the syllables, for people.
    """

    n_samples: int
    edges_s: np.ndarray
    formants_hz: np.ndarray
    voice: np.ndarray
    noise: np.ndarray
    aspiration: np.ndarray
    noise_band_hz: np.ndarray
    stressed: np.ndarray
    text: str


def draw_sentence(
    rng: np.random.Generator, n_samples: int, rate: float = 1.0, pause: float = 0.0
) -> Sentence:
    """As many syllables as fit into a clip, with the room left over as silence before and after.

    The same generator state gives the same syllables at any rate, only more or fewer of them: the length of a
    clip is chosen first and says nothing about how it is spoken.

    Args:
        rng: source of the syllables.
        n_samples: length of the clip, a multiple of `HOP`.
        rate: factor on the speed.
        pause: share of syllables followed by a pause.

    Raises:
        SpecError: a length that is no multiple of `HOP` or holds no syllable, a rate that is not above 0.
    """
    if n_samples % HOP or n_samples < 1:
        raise SpecError(f"n_samples = {n_samples}: expected a multiple of {HOP} above 0")
    if rate <= 0:
        raise SpecError(f"rate = {rate}: expected more than 0")
    total_s = n_samples / RATE_HZ
    room_s = total_s - 2 * _EDGE_SECONDS
    draws = _uniform(rng, _MOST_SYLLABLES, 6).tolist()
    lead = float(_uniform(rng))

    silence = (REST_HZ, 0.0, 0.0, 0.0, (4000.0, 2000.0), 0.0)
    segments: list[tuple] = []
    words: list[str] = []
    used_s = 0.0
    for which_consonant, which_vowel, stress, stretch_first, stretch_second, gap in draws:
        name = tuple(CONSONANTS)[int(which_consonant * len(CONSONANTS))]
        vowel = tuple(VOWELS)[int(which_vowel * len(VOWELS))]
        stressed = stress < _STRESSED
        consonant = CONSONANTS[name]
        band = (consonant.noise_hz, consonant.noise_width_hz)
        first_s = consonant.seconds * (0.85 + 0.3 * stretch_first) / rate
        second_s = (
            (_STRESSED_SECONDS if stressed else _UNSTRESSED_SECONDS) * (0.85 + 0.3 * stretch_second) / rate
        )
        pause_s = _PAUSE_SECONDS / rate if gap < pause else 0.0
        if used_s + first_s + second_s > room_s:
            break
        used_s += first_s + second_s
        parts: list[tuple]
        if consonant.closed:
            closed_s = consonant.closed * first_s
            burst_s = min(_BURST_SECONDS, first_s - closed_s)
            breath_s = first_s - closed_s - burst_s
            where = consonant.formants_hz
            parts = [
                (closed_s, where, consonant.voice, 0.0, 0.0, band, 0.0),
                (burst_s, where, 0.0, consonant.noise, 0.0, band, 0.0),
                (breath_s, where, consonant.voice, 0.0, consonant.aspiration, band, 0.0),
            ]
        else:
            parts = [(first_s, consonant.formants_hz, consonant.voice, consonant.noise, 0.0, band, 0.0)]
        segments += [part for part in parts if part[0] > 0]
        segments.append((second_s, VOWELS[vowel], 1.0, 0.0, 0.0, band, float(stressed)))
        words.append(name + vowel + ("'" if stressed else ""))
        if pause_s and used_s + pause_s < room_s:
            used_s += pause_s
            segments.append((pause_s, *silence))
    if not words:
        raise SpecError(f"n_samples = {n_samples}: too short for a syllable at rate {rate:.2f}")
    if segments[-1][2] == 0.0:  # a pause with nothing after it
        used_s -= segments.pop()[0]
    last_s = segments[-1][0]
    longer_s = min((_FINAL_LENGTHENING - 1) * last_s, room_s - used_s)
    segments[-1] = (last_s + longer_s, *segments[-1][1:])
    spare_s = room_s - used_s - longer_s
    before_s = _EDGE_SECONDS + lead * spare_s
    segments = [(before_s, *silence), *segments]
    edges = np.concatenate([[0.0], np.cumsum([segment[0] for segment in segments]), [total_s]])
    segments.append((0.0, *silence))
    _, formants, voice, noise, aspiration, bands, stresses = zip(*segments, strict=True)
    return Sentence(
        n_samples=n_samples,
        edges_s=edges,
        formants_hz=np.array(formants, float),
        voice=np.array(voice),
        noise=np.array(noise),
        aspiration=np.array(aspiration),
        noise_band_hz=np.array(bands, float),
        stressed=np.array(stresses),
        text=" ".join(words),
    )


# ----------------------------------------------------------------------------------------------------- speech

_FORMANT_RAMP_SECONDS = 0.045  # how long the mouth takes from one target to the next
_VOICE_RAMP_SECONDS = 0.015
_NOISE_RAMP_SECONDS = 0.006  # bursts start hard
_ACCENT_RAMP_SECONDS = 0.12  # pitch is slow
_HIGH_FORMANTS_HZ = (
    3500.0,
    4500.0,
    5500.0,
    6500.0,
)  # alike in all vowels; without the last two nothing above 5 kHz
_BANDWIDTHS_HZ = (80.0, 90.0, 130.0, 200.0, 250.0, 350.0, 450.0)
_VOICE_TILT_DB = -5.0  # dB an octave above 100 Hz: -12 of the glottis, +6 of the lips, a little effort
_VOICE_GAIN, _BREATH_GAIN, _NOISE_GAIN = 8.0, 0.5, 0.6  # so that amplitudes of 1 are about equally loud
_NOISE_TILT_SHARE = 0.5  # of the voice's own tilt that frication follows: a weak voice blows weakly, too
_WANDER_SEMITONES = 0.8
_WANDER_KNOTS = 6
_JITTER_SAMPLES = 160
_TREMOR_HZ = 5.5
_F0_STEPS = (
    1024.0  # pitch is rounded to 1/1024 Hz: its running sum, the phase, is then exact on every machine
)


def _glide(times: np.ndarray, edges: np.ndarray, values: np.ndarray, ramp_s: float) -> np.ndarray:
    """A value a segment as a track over time: level within a segment, a straight line across each boundary.

    Args:
        times: seconds, any shape.
        edges: (segments + 1,) seconds.
        values: (segments,).
        ramp_s: length of a line, less where a segment is shorter.
    """
    half = np.minimum(ramp_s, 0.9 * np.diff(edges)) / 2
    knots = np.stack([edges[:-1] + half, edges[1:] - half], axis=1).ravel()
    return np.interp(times, knots, np.repeat(values, 2))


def pitch_contour(
    sentence: Sentence, speaker: Speaker, prosody: Prosody, rng: np.random.Generator
) -> np.ndarray:
    """The pitch of every sample.

    Returns:
        float64 (n_samples,), Hz, in [50, 600].
    """
    n = sentence.n_samples
    knots = np.arange(0, n + HOP, HOP)
    times = knots / RATE_HZ
    begin, end = sentence.edges_s[1], sentence.edges_s[-2]
    course = np.clip((times - begin) / (end - begin), 0.0, 1.0) - 0.5
    accents = _glide(times, sentence.edges_s, sentence.stressed, _ACCENT_RAMP_SECONDS)
    wander = np.interp(times, np.linspace(0, times[-1], _WANDER_KNOTS), _normal(rng, _WANDER_KNOTS))
    semitones = prosody.f0_range * (
        2.0 * prosody.slope * course + 3.0 * prosody.accent * accents + _WANDER_SEMITONES * wander
    ) + prosody.tremor * np.sin(2 * np.pi * _TREMOR_HZ * times)
    slow = speaker.f0_hz * prosody.f0 * np.exp2(semitones / 12)
    grid = np.arange(0, n + _JITTER_SAMPLES, _JITTER_SAMPLES)
    samples = np.arange(n)
    jitter = np.interp(samples, grid, prosody.jitter * _normal(rng, len(grid)))
    f0 = np.interp(samples, knots, slow) * (1 + jitter)
    return np.rint(np.clip(f0, 50.0, 600.0) * _F0_STEPS) / _F0_STEPS


def _pulses(f0: np.ndarray, shimmer: np.ndarray) -> np.ndarray:
    """A unit pulse a period, placed between samples where it falls, of equal power at any pitch.

    Args:
        f0: (samples,) Hz.
        shimmer: deviation of the pulses' heights, as many as there may be.
    """
    phase = np.cumsum(f0) / RATE_HZ
    whole = np.floor(phase)
    before = np.flatnonzero(np.diff(whole))
    late = (whole[before + 1] - phase[before]) / (phase[before + 1] - phase[before])
    height = (1 + shimmer[: len(before)]) / np.sqrt(f0[before] / 120.0)
    pulses = np.zeros(len(f0))
    pulses[before] += height * (1 - late)
    pulses[before + 1] += height * late
    return pulses


def _frames(wave: np.ndarray) -> np.ndarray:
    """Windowed spectra, (frames, FRAME // 2 + 1); frame i is centred on sample (i - 1) * HOP."""
    padded = np.zeros(len(wave) + 2 * (FRAME - HOP))
    padded[FRAME - HOP : FRAME - HOP + len(wave)] = wave
    view = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    return np.fft.rfft(view * _WINDOW, axis=1)


def _overlap_add(spectra: np.ndarray, n_samples: int) -> np.ndarray:
    """The inverse of `_frames`."""
    overlap = FRAME // HOP
    frames = np.fft.irfft(spectra, FRAME, axis=1) * _WINDOW
    wave = np.zeros((len(frames) + overlap - 1, HOP))
    for k in range(overlap):
        wave[k : k + len(frames)] += frames[:, k * HOP : (k + 1) * HOP]
    return wave.ravel()[FRAME - HOP : FRAME - HOP + n_samples] / 1.5  # four squared Hann windows sum to 1.5


def _amplitude(level_db: np.ndarray) -> np.ndarray:
    return np.exp2(level_db * (np.log2(10.0) / 20))


_WINDOW = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)
_BINS_HZ = np.arange(FRAME // 2 + 1) * (RATE_HZ / FRAME)


def vocal_tract_response(formants_hz: np.ndarray, bandwidths_hz: np.ndarray) -> np.ndarray:
    """A cascade of Klatt's two-pole resonators, each of gain 1 at 0 Hz.

    Args:
        formants_hz: (frames, resonators).
        bandwidths_hz: (resonators,).

    Returns:
        complex128 (frames, FRAME // 2 + 1).
    """
    frames, resonators = formants_hz.shape
    denominator = np.zeros((frames, FRAME))  # the product of (1 - b z^-1 - c z^-2), as coefficients
    denominator[:, 0] = 1.0
    gain = np.ones(frames)
    for k in range(resonators):
        radius = np.exp2(-np.pi * bandwidths_hz[k] / RATE_HZ / np.log(2.0))
        b = 2 * radius * np.cos(2 * np.pi * formants_hz[:, k] / RATE_HZ)
        c = -radius * radius
        gain *= 1 - b - c
        last = 2 * (k + 1) + 1
        shorter = denominator[:, :last].copy()
        denominator[:, 1:last] -= b[:, None] * shorter[:, :-1]
        denominator[:, 2:last] -= c * shorter[:, :-2]
    return gain[:, None] / np.fft.rfft(denominator, axis=1)


def speak(sentence: Sentence, speaker: Speaker, prosody: Prosody, rng: np.random.Generator) -> np.ndarray:
    """A sentence as sound, close to the mouth.

    The rate and the pauses of `prosody` are already in the sentence; all else is put in here.

    Args:
        sentence: from `draw_sentence`.
        speaker: who speaks.
        prosody: how.
        rng: of pitch movements, breath and frication.

    Returns:
        float64 (n_samples,) at 16 kHz. The RMS level over the segments with sound is `REFERENCE_RMS` raised
        by `prosody.level_db`.
    """
    n = sentence.n_samples
    edges = sentence.edges_s
    seconds = np.arange(n) / RATE_HZ
    frame_seconds = (np.arange(n // HOP + FRAME // HOP - 1) - 1) * (HOP / RATE_HZ)

    f0 = pitch_contour(sentence, speaker, prosody, rng)
    voice = _glide(seconds, edges, sentence.voice, _VOICE_RAMP_SECONDS)
    aspiration = _glide(seconds, edges, sentence.aspiration, _VOICE_RAMP_SECONDS)
    frication = _glide(seconds, edges, sentence.noise, _NOISE_RAMP_SECONDS)
    shimmer = (
        2 * prosody.jitter * _normal(rng, n // 20)
    )  # a pulse is at least RATE_HZ / 600 = 26 samples long
    white = _noise(rng, n)
    bright = white.copy()
    bright[1:] -= 0.7 * white[:-1]  # breath keeps its high frequencies where the voice loses them
    breath = (speaker.breath + prosody.breath) * voice + aspiration
    source = _VOICE_GAIN * voice * _pulses(f0, shimmer) + _BREATH_GAIN * breath * bright

    tracks = [
        *(_glide(frame_seconds, edges, target, _FORMANT_RAMP_SECONDS) for target in sentence.formants_hz.T),
        *(np.full(len(frame_seconds), hz) for hz in _HIGH_FORMANTS_HZ),
    ]
    formants = np.minimum(np.stack(tracks, axis=1) * speaker.vocal_tract, 0.47 * RATE_HZ)
    octaves = np.log2(np.maximum(_BINS_HZ, 100.0) / 100.0)
    own_db = (speaker.tilt_db + prosody.tilt_db) * octaves
    colour = _amplitude(_VOICE_TILT_DB * octaves + own_db) * (_BINS_HZ / (_BINS_HZ + 60.0))
    tract = vocal_tract_response(formants, np.array(_BANDWIDTHS_HZ) * speaker.bandwidth)
    centre, width = sentence.noise_band_hz.T
    bands = np.exp2(-0.5 / np.log(2.0) * ((_BINS_HZ - centre[:, None]) / width[:, None]) ** 2)
    bands *= _amplitude(_NOISE_TILT_SHARE * own_db)
    segment = np.clip(np.searchsorted(edges, frame_seconds, side="right") - 1, 0, len(centre) - 1)

    spectra = _frames(source) * tract * colour + _frames(_NOISE_GAIN * frication * white) * bands[segment]
    wave = _overlap_add(spectra, n)
    sounding = np.searchsorted(edges, seconds, side="right") - 1
    loud = (sentence.voice + sentence.noise + sentence.aspiration > 0)[np.minimum(sounding, len(centre) - 1)]
    rms = np.sqrt(np.mean(wave[loud] ** 2))
    return wave * (REFERENCE_RMS * 10 ** (prosody.level_db / 20) / rms)


# --------------------------------------------------------------------------------------------------- channels


@dataclass(frozen=True)
class Channel:
    """From the mouth to the file.

    Attributes:
        snr_db: level of speech at 0 dB over the noise. The noise does not follow the speech, so level stays a
            cue.
        t60_s: reverberation time around 1 kHz; below `_DRY_SECONDS` no room at all.
        direct_db: level of the direct sound over the reverberation.
        low_hz: lower band limit; beyond, 24 dB an octave are lost.
        high_hz: upper band limit.
        tilt_db: dB an octave around 1 kHz.
        noise_slope: fall of the noise's power with frequency: 0 white, 1 pink.
    """

    snr_db: float
    t60_s: float
    direct_db: float
    low_hz: float
    high_hz: float
    tilt_db: float
    noise_slope: float


COMMON_CHANNEL = Channel(35.0, 0.1, 12.0, 60.0, 7800.0, 0.0, 1.0)
"""What all corpora share at `acoustic` 0: a small damped room, a good microphone."""
CHANNELS = {
    "A": Channel(45.0, 0.0, 20.0, 60.0, 7800.0, 0.0, 1.0),  # close microphone, quiet
    "B": Channel(18.0, 0.5, 2.0, 120.0, 7800.0, -2.0, 1.0),  # across a living room, pink noise
    "C": Channel(28.0, 0.2, 2.0, 300.0, 3600.0, 2.0, 0.0),  # telephone band, white noise
}
"""What each corpus is at `acoustic` 1."""

_DRY_SECONDS = 0.03
_BAND_EDGES_HZ = (0.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, RATE_HZ)
_BAND_T60 = (1.1, 1.05, 1.0, 0.95, 0.85, 0.7)  # air and furniture take the high frequencies first
_ONSET_SECONDS = (0.001, 0.015)  # how fast a tail builds up
_REFLECTIONS = 8
_REFLECTIONS_WITHIN_SECONDS = 0.04
_SNR_SPREAD_DB, _DIRECT_SPREAD_DB, _T60_SPREAD = 2.0, 3.0, 0.2  # from clip to clip: nobody sits still


def channel_of(corpus: str, acoustic: float = 1.0) -> Channel:
    """A corpus's channel, on the straight line from the common one (`acoustic` 0) to its own (1).

    Raises:
        SpecError: unknown corpus, or `acoustic` outside [0, 1].
    """
    _number_of(corpus)
    if not 0 <= acoustic <= 1:
        raise SpecError(f"acoustic = {acoustic}: expected a number in [0, 1]")
    common, own = dataclasses.astuple(COMMON_CHANNEL), dataclasses.astuple(CHANNELS[corpus])
    return Channel(*((1 - acoustic) * a + acoustic * b for a, b in zip(common, own, strict=True)))


def room_response(t60_s: float, direct_db: float, rng: np.random.Generator) -> np.ndarray:
    """A stochastic impulse response: the direct sound, a few reflections, noise that decays band by band.

    After Polack's model of the diffuse tail (exponentially decaying noise). It has a reverberation time and a
    ratio of direct to reverberant sound, but no geometry.

    Args:
        t60_s: time to fall by 60 dB, seconds, around 1 kHz; above 0.
        direct_db: level of the direct sound over all the rest.
        rng: of the tail.

    Returns:
        float64, as long as 1.1 * t60_s or 0.1 s; sample 0 is the direct sound, of height 1.

    Raises:
        SpecError: a reverberation time that is not above 0.
    """
    if t60_s <= 0:
        raise SpecError(f"t60_s = {t60_s}: expected more than 0")
    n = int(RATE_HZ * max(0.1, 1.1 * t60_s))
    times = np.arange(n) / RATE_HZ
    size = _fast_length(n)
    spectrum = np.fft.rfft(_noise(rng, size))
    hz = np.fft.rfftfreq(size, 1 / RATE_HZ)
    falling = -3 * np.log2(10.0) / t60_s * times  # log2 of the amplitude: -60 dB at t60_s
    tail = np.zeros(n)
    for low, high, share in zip(_BAND_EDGES_HZ[:-1], _BAND_EDGES_HZ[1:], _BAND_T60, strict=True):
        band = np.fft.irfft(spectrum * ((hz >= low) & (hz < high)), size)[:n]
        tail += band * np.exp2(falling / share)
    shortest, longest = _ONSET_SECONDS
    onset_s = shortest + (longest - shortest) * float(_uniform(rng))
    tail *= 1 - np.exp2(-times / onset_s)
    tail /= np.sqrt(np.sum(tail**2))

    when, sign, height = _uniform(rng, 3, _REFLECTIONS)
    at = np.minimum((0.001 + _REFLECTIONS_WITHIN_SECONDS * when) * RATE_HZ, n - 1).astype(int)
    early = np.zeros(n)
    np.add.at(early, at, np.where(sign < 0.5, -1.0, 1.0) * (0.2 + 0.8 * height) * np.exp2(falling[at]))
    tail += early * (0.5 * float(_uniform(rng)) / np.sqrt(np.sum(early**2)))
    tail[0] = 0.0
    tail *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail


def apply_channel(wave: np.ndarray, channel: Channel, rng: np.random.Generator) -> np.ndarray:
    """Speech as a corpus's microphone hears it: room, then noise, then band limits and tilt on both.

    Args:
        wave: float64 (n_samples,) at 16 kHz, speech at 0 dB having `REFERENCE_RMS`.
        channel: what it goes through; noise level, room and distance vary a little with `rng`.
        rng: of the room, the noise and that variation.

    Returns:
        float64 (n_samples,); reverberation past the end is cut.
    """
    n = len(wave)
    snr, direct = _normal(rng, 2)
    t60_s = channel.t60_s * (1 + _T60_SPREAD * (2 * float(_uniform(rng)) - 1))
    snr_db = channel.snr_db + _SNR_SPREAD_DB * snr
    response = np.ones(1)
    if t60_s >= _DRY_SECONDS:
        response = room_response(t60_s, channel.direct_db + _DIRECT_SPREAD_DB * direct, rng)
    size = _fast_length(n + len(response) - 1)
    hz = np.fft.rfftfreq(size, 1 / RATE_HZ)
    shape = np.exp2(-channel.noise_slope / 2 * np.log2(np.maximum(hz, 30.0)))
    noise = np.fft.rfft(_noise(rng, size)) * (shape / np.sqrt(np.mean(shape**2)))
    noise *= REFERENCE_RMS * 10 ** (-snr_db / 20)
    gain_db = (
        channel.tilt_db * np.log2(np.maximum(hz, 60.0) / 1000.0)
        - 24 * np.log2(np.maximum(1.0, channel.low_hz / np.maximum(hz, 1.0)))
        - 24 * np.log2(np.maximum(1.0, hz / channel.high_hz))
    )
    heard = (np.fft.rfft(wave, size) * np.fft.rfft(response, size) + noise) * _amplitude(gain_db)
    return np.fft.irfft(heard, size)[:n]


def _fast_length(n: int) -> int:
    """The next length of the form 2^k, 3 * 2^k or 5 * 2^k: odd factors above 5 make an FFT slow."""
    power = 1 << max(0, n - 1).bit_length()
    return min(size for size in (power, power * 3 // 4, power * 5 // 8) if size >= n)


# ------------------------------------------------------------------------------------------------------ clips


def clip_samples(corpus: str, speaker: int, number: int, seed: int = SEED) -> int:
    """The length of a clip in samples, known before it is made.

    It lies in [`MIN_SECONDS`, `MAX_SECONDS`] and is a multiple of `HOP`.

    Raises:
        SpecError: unknown corpus.
    """
    least, most = int(MIN_SECONDS * RATE_HZ) // HOP, int(MAX_SECONDS * RATE_HZ) // HOP
    drawn = float(_uniform(stream(seed, _number_of(corpus), speaker, number, _LENGTH)))
    return HOP * (least + int(drawn * (most - least + 1)))


def make_clip(
    corpus: str,
    speaker: int,
    number: int,
    label: str,
    semantics: str = "shared",
    acoustic: float = 1.0,
    seed: int = SEED,
) -> np.ndarray:
    """One clip of the world.

    Speaker, length, syllables, breath and random pitch movements follow from the first three arguments and
    the seed alone, and with them, at equal `acoustic`, the room and the noise. So two labels, or two settings
    of a knob, can be compared on the same clip.

    Args:
        corpus: one of `CORPORA`.
        speaker: 0, 1, ...; even ones have low voices.
        number: of the clip within the speaker, 0, 1, ...
        label: one of `serkit.labels.LABELS`.
        semantics: one of `SEMANTICS`: which cues carry the emotion.
        acoustic: how far the corpus's channel is from the common one, in [0, 1].
        seed: of the whole world.

    Returns:
        int16 (`clip_samples(...)`,) at 16 kHz, mono.

    Raises:
        SpecError: an unknown corpus, label or semantics, or `acoustic` outside [0, 1].
    """
    key = (seed, _number_of(corpus), speaker, number)
    prosody = vary(prosody_of(corpus, label, semantics), stream(*key, _PROSODY))
    channel = channel_of(corpus, acoustic)
    who = speaker_of(corpus, speaker, seed)
    n_samples = clip_samples(corpus, speaker, number, seed)
    sentence = draw_sentence(stream(*key, _TEXT), n_samples, prosody.rate * who.rate, prosody.pause)
    wave = apply_channel(speak(sentence, who, prosody, stream(*key, _VOICE)), channel, stream(*key, _CHANNEL))
    peak = np.max(np.abs(wave))
    if peak > FULL_SCALE:
        wave = wave * (FULL_SCALE / peak)
    return np.rint(wave * 32767).astype(np.int16)
