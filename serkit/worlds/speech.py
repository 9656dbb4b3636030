"""A small source-filter synthesiser: speech-like sound of which everything is chosen.

Glottal pulses at sub-sample instants and breath noise go through a cascade of seven resonators and a spectral
tilt, frication through a noise band of its own, frame by frame with overlap-add (after Klatt 1980, "Software
for a cascade/parallel formant synthesizer", reduced; vowel formants: Peterson & Barney 1952, men's means). It
is *like* speech to a log-mel network and to a room estimator, not to a listener: no nasal zeros, no glottal
waveform beyond a tilt, one shape of pitch accent, nonsense syllables.

Equal arguments give equal samples in every process and with any number of threads: no BLAS routine is called.
Across machines `exp2`, `cos` and the FFT may differ in the last bits: one sample in one of some 100,000 clips
may come out one 16-bit step apart. So a stored corpus is known by what it was made from, not by its audio.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from serkit.errors import SpecError

RATE_HZ = 16_000
HOP = 128  # samples a frame: 8 ms, in which a formant moves little
FRAME = 512  # samples of the window: 32 ms hold two periods of the lowest voice; four hops, which sum to one
REFERENCE_RMS = 0.02  # of speech at 0 dB, full scale 1: leaves 20 dB for peaks and 12 for shouting


def uniform(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Float64 numbers in [0, 1) of 24 bits: sums of a few of them are exact in any order."""
    return rng.random(shape, dtype=np.float32).astype(np.float64)


def normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Nearly normal numbers, mean 0 and variance 1: twelve uniform ones less six (at most 6 from 0).

    The generator's own `normal` goes through `log` and `exp` and may change between numpy releases.
    """
    return uniform(rng, 12, *shape).sum(axis=0) - 6.0


def noise(rng: np.random.Generator, n: int) -> np.ndarray:
    """White noise, mean 0 and variance 1, at most 3 from 0: as `normal`, from a quarter of the numbers."""
    return 2.0 * (uniform(rng, 3, n).sum(axis=0) - 1.5)


@dataclass(frozen=True)
class Speaker:
    """What stays the same from clip to clip."""

    f0_hz: float  # mean pitch in neutral speech
    vocal_tract: float  # factor on every formant; above 1 is a shorter vocal tract
    tilt_db: float  # spectral tilt of the voice, dB an octave, added to the common one
    rate: float  # factor on the speed of speech
    breath: float  # noise in the voice, as a share of its amplitude at the glottis
    bandwidth: float  # factor on every formant's bandwidth


@dataclass(frozen=True)
class Prosody:
    """How a clip is spoken; the defaults are plain reading."""

    f0: float = 1.0  # factor on the speaker's pitch
    f0_range: float = 1.0  # factor on every movement of the pitch
    slope: float = -1.0  # rise (above 0) or fall of the pitch from start to end, in units of 2 semitones
    accent: float = 1.0  # height of stressed syllables, in units of 3 semitones
    tremor: float = 0.0  # depth of a 5.5 Hz waver of the pitch, semitones
    jitter: float = 0.01  # deviation of the pitch from one 10 ms to the next, as a share of it
    rate: float = 1.0  # factor on the speed of speech
    pause: float = 0.12  # share of syllables followed by a pause
    level_db: float = 0.0  # level of the speech, dB over `REFERENCE_RMS`
    tilt_db: float = 0.0  # dB an octave, added to the voice's; above 0 is brighter, more effort
    breath: float = 0.0  # as the speaker's, added to it


VOWELS = {  # first three formants, Hz
    "a": (730, 1090, 2440),
    "i": (270, 2290, 3010),
    "u": (300, 870, 2240),
    "e": (530, 1840, 2480),
    "o": (570, 840, 2410),
    "ae": (660, 1720, 2410),
    "er": (490, 1350, 1690),
    "I": (390, 1990, 2550),
}


class _Segment(NamedTuple):
    """A stretch in which nothing has to move; the defaults are a silent mouth at rest."""

    seconds: float
    formants_hz: tuple[int, int, int] = (500, 1500, 2500)
    voice: float = 0.0  # amplitude; a vowel's is 1
    noise: float = 0.0  # amplitude of frication
    aspiration: float = 0.0  # amplitude of breath through the formants
    noise_band_hz: tuple[float, float] = (4000.0, 2000.0)  # centre and deviation of frication
    stressed: float = 0.0


CONSONANTS = {  # lengths are at rate 1; aspiration follows the burst of a stop
    "s": _Segment(0.09, (320, 1600, 2600), 0.0, 0.30, 0.0, (5800, 1300)),
    "sh": _Segment(0.09, (320, 1800, 2400), 0.0, 0.36, 0.0, (3200, 900)),
    "f": _Segment(0.07, (330, 1000, 2200), 0.0, 0.08, 0.0, (5000, 3000)),
    "z": _Segment(0.07, (300, 1600, 2600), 0.25, 0.16, 0.0, (5800, 1300)),
    "m": _Segment(0.07, (270, 1100, 2200), 0.4),
    "n": _Segment(0.06, (270, 1500, 2500), 0.4),
    "l": _Segment(0.05, (350, 1100, 2600), 0.6),
    "t": _Segment(0.10, (330, 1800, 2700), 0.0, 0.45, 0.2, (4200, 1600)),
    "k": _Segment(0.10, (330, 1900, 2300), 0.0, 0.45, 0.2, (2000, 700)),
    "b": _Segment(0.06, (250, 800, 2200), 0.12, 0.15, 0.0, (700, 500)),
    "d": _Segment(0.06, (250, 1700, 2600), 0.12, 0.2, 0.0, (3600, 1400)),
}
_CLOSED = {"t": 0.55, "k": 0.55, "b": 0.75, "d": 0.75}  # share of a stop before its burst
_BURST_SECONDS = 0.012
_VOWEL_SECONDS = {True: 0.17, False: 0.11}  # stressed or not
_PAUSE_SECONDS = 0.15
_FINAL_LENGTHENING = 1.35  # of the last vowel, where there is room for it, as in real phrases
_EDGE_SECONDS = 0.05  # the least silence before and after the speech
_MAX_SYLLABLES = 20  # more than fit into 2 s at the highest rate
_STRESSED = 0.35  # share of syllables


@dataclass(frozen=True, eq=False)
class Sentence:
    """What is said and when: segments from the clip's first sample to its last."""

    n_samples: int  # length of the clip, a multiple of `HOP`
    edges_s: np.ndarray  # (segments + 1,) times of the boundaries, from 0 to the clip's length
    formants_hz: np.ndarray  # (segments, 3) targets, before the speaker's factor
    voice: np.ndarray  # (segments,) amplitudes: of the voice,
    noise: np.ndarray  # of frication
    aspiration: np.ndarray  # and of breath
    noise_band_hz: np.ndarray  # (segments, 2) centre and deviation of frication
    stressed: np.ndarray  # (segments,) 1.0 in a stressed syllable
    text: str  # the syllables, for people


def draw_sentence(
    rng: np.random.Generator, n_samples: int, rate: float = 1.0, pause: float = 0.0
) -> Sentence:
    """As many syllables as fit into a clip, with the room left over as silence before and after.

    The same generator state gives the same syllables at any rate, only more or fewer of them: the length of a
    clip is chosen first and says nothing about how it is spoken.

    Raises:
        SpecError: a length that is no multiple of `HOP` or holds no syllable, or a rate not above 0.
    """
    if n_samples % HOP or n_samples < 1:
        raise SpecError(f"n_samples = {n_samples}: expected a multiple of {HOP} above 0")
    if rate <= 0:
        raise SpecError(f"rate = {rate}: expected more than 0")
    total_s = n_samples / RATE_HZ
    room_s = total_s - 2 * _EDGE_SECONDS
    draws = uniform(rng, _MAX_SYLLABLES, 6).tolist()
    lead = float(uniform(rng))
    segments: list[_Segment] = []
    words: list[str] = []
    used_s = 0.0
    for *syllable, gap in draws:
        word, consonant_s, vowel, parts = _syllable(syllable, rate)
        if used_s + consonant_s + vowel.seconds > room_s:
            break
        used_s += consonant_s + vowel.seconds
        segments += [*parts, vowel]
        words.append(word)
        pause_s = _PAUSE_SECONDS / rate
        if gap < pause and used_s + pause_s < room_s:
            used_s += pause_s
            segments.append(_Segment(pause_s))
    if not words:
        raise SpecError(f"n_samples = {n_samples}: too short for a syllable at rate {rate:.2f}")
    if segments[-1].voice == 0.0:  # a pause with nothing after it
        used_s -= segments.pop().seconds
    last = segments.pop()
    longer_s = min((_FINAL_LENGTHENING - 1) * last.seconds, room_s - used_s)
    before_s = _EDGE_SECONDS + lead * (room_s - used_s - longer_s)
    segments = [_Segment(before_s), *segments, last._replace(seconds=last.seconds + longer_s)]
    edges = np.concatenate([[0.0], np.cumsum([segment.seconds for segment in segments]), [total_s]])
    tracks = zip(*segments, _Segment(0.0), strict=True)
    values = {name: np.array(track, float) for name, track in zip(_Segment._fields, tracks, strict=True)}
    del values["seconds"]
    return Sentence(n_samples=n_samples, edges_s=edges, text=" ".join(words), **values)


def _syllable(draws: list[float], rate: float) -> tuple[str, float, _Segment, list[_Segment]]:
    """A consonant and a vowel: as text, the consonant's length, the vowel, the consonant's parts."""
    which_consonant, which_vowel, stress, stretch_first, stretch_second = draws
    name = tuple(CONSONANTS)[int(which_consonant * len(CONSONANTS))]
    vowel = tuple(VOWELS)[int(which_vowel * len(VOWELS))]
    stressed = stress < _STRESSED
    c = CONSONANTS[name]
    first_s = c.seconds * (0.85 + 0.3 * stretch_first) / rate
    second_s = _VOWEL_SECONDS[stressed] * (0.85 + 0.3 * stretch_second) / rate
    sound = c._replace(seconds=first_s, aspiration=0.0)
    parts = [sound]
    if name in _CLOSED:
        closed_s = _CLOSED[name] * first_s
        burst_s = min(_BURST_SECONDS, first_s - closed_s)
        released_s = first_s - closed_s - burst_s
        parts = [sound._replace(seconds=closed_s, noise=0.0), sound._replace(seconds=burst_s, voice=0.0)]
        parts.append(sound._replace(seconds=released_s, noise=0.0, aspiration=c.aspiration))
    spoken = _Segment(second_s, VOWELS[vowel], 1.0, 0.0, 0.0, c.noise_band_hz, float(stressed))
    word = name + vowel + ("'" if stressed else "")
    return word, first_s, spoken, [part for part in parts if part.seconds > 0]


_FORMANT_RAMP_SECONDS = 0.045  # how long the mouth takes from one target to the next
_VOICE_RAMP_SECONDS = 0.015
_NOISE_RAMP_SECONDS = 0.006  # bursts start hard
_ACCENT_RAMP_SECONDS = 0.12  # pitch is slow
_HIGH_FORMANTS_HZ = (3500.0, 4500.0, 5500.0, 6500.0)  # alike in all vowels; else nothing sounds above 5 kHz
_BANDWIDTHS_HZ = np.array((80.0, 90.0, 130.0, 200.0, 250.0, 350.0, 450.0))
_VOICE_TILT_DB = -5.0  # dB an octave above 100 Hz: -12 of the glottis, +6 of the lips, a little effort
_VOICE_GAIN, _BREATH_GAIN, _NOISE_GAIN = 8.0, 0.5, 0.6  # so that amplitudes of 1 are about equally loud
_NOISE_TILT_SHARE = 0.5  # of the voice's own tilt that frication follows: a weak voice blows weakly, too
_WANDER_SEMITONES, _WANDER_KNOTS = 0.8, 6
_JITTER_SAMPLES = 160
_TREMOR_HZ = 5.5
_F0_STEPS = 1024.0  # pitch is rounded to 1/1024 Hz: its running sum, the phase, is exact on every machine

_WINDOW = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)
_BINS_HZ = np.arange(FRAME // 2 + 1) * (RATE_HZ / FRAME)
_OCTAVES = np.log2(np.maximum(_BINS_HZ, 100.0) / 100.0)


def _glide(times: np.ndarray, edges: np.ndarray, values: np.ndarray, ramp_s: float) -> np.ndarray:
    """A value a segment over time: a line of `ramp_s`, or of a shorter segment, across each boundary."""
    half = np.minimum(ramp_s, 0.9 * np.diff(edges)) / 2
    knots = np.stack([edges[:-1] + half, edges[1:] - half], axis=1).ravel()
    return np.interp(times, knots, np.repeat(values, 2))


def pitch_contour(
    sentence: Sentence, speaker: Speaker, prosody: Prosody, rng: np.random.Generator
) -> np.ndarray:
    """The pitch of every sample, float64 (n_samples,), Hz, in [50, 600]."""
    n = sentence.n_samples
    knots = np.arange(0, n + HOP, HOP)
    times = knots / RATE_HZ
    begin, end = sentence.edges_s[1], sentence.edges_s[-2]
    course = np.clip((times - begin) / (end - begin), 0.0, 1.0) - 0.5
    accents = _glide(times, sentence.edges_s, sentence.stressed, _ACCENT_RAMP_SECONDS)
    wander = np.interp(times, np.linspace(0, times[-1], _WANDER_KNOTS), normal(rng, _WANDER_KNOTS))
    semitones = prosody.f0_range * (
        2.0 * prosody.slope * course + 3.0 * prosody.accent * accents + _WANDER_SEMITONES * wander
    ) + prosody.tremor * np.sin(2 * np.pi * _TREMOR_HZ * times)
    slow = speaker.f0_hz * prosody.f0 * np.exp2(semitones / 12)
    grid = np.arange(0, n + _JITTER_SAMPLES, _JITTER_SAMPLES)
    samples = np.arange(n)
    jitter = np.interp(samples, grid, prosody.jitter * normal(rng, len(grid)))
    f0 = np.interp(samples, knots, slow) * (1 + jitter)
    return np.rint(np.clip(f0, 50.0, 600.0) * _F0_STEPS) / _F0_STEPS


def _pulses(f0: np.ndarray, shimmer: np.ndarray) -> np.ndarray:
    """A pulse a period, between samples where it falls, of equal power at any pitch but for `shimmer`."""
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
    padded = np.pad(wave, FRAME - HOP)
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


def amplitude(level_db: np.ndarray) -> np.ndarray:
    """Factors on amplitude of levels in dB."""
    return np.exp2(level_db * (np.log2(10.0) / 20))


def vocal_tract_response(formants_hz: np.ndarray, bandwidths_hz: np.ndarray) -> np.ndarray:
    """A cascade of Klatt's two-pole resonators, each of gain 1 at 0 Hz: complex128 (frames, FRAME // 2 + 1).

    `formants_hz` is (frames, resonators), `bandwidths_hz` (resonators,).
    """
    frames, resonators = formants_hz.shape
    denominator = np.zeros(
        (frames, 2 * resonators + 1)
    )  # the product of (1 - b z^-1 - c z^-2), as coefficients
    denominator[:, 0] = 1.0
    gain = np.ones(frames)
    for hz, width_hz in zip(formants_hz.T, bandwidths_hz, strict=True):
        radius = np.exp2(-np.pi * width_hz / RATE_HZ / np.log(2.0))
        b = 2 * radius * np.cos(2 * np.pi * hz / RATE_HZ)
        c = -radius * radius
        gain *= 1 - b - c
        shorter = denominator.copy()
        denominator[:, 1:] -= b[:, None] * shorter[:, :-1]
        denominator[:, 2:] -= c * shorter[:, :-2]
    return gain[:, None] / np.fft.rfft(denominator, FRAME, axis=1)


def speak(sentence: Sentence, speaker: Speaker, prosody: Prosody, rng: np.random.Generator) -> np.ndarray:
    """A sentence as sound, close to the mouth; `rng` moves pitch, breath and frication.

    The rate and the pauses of `prosody` are in the sentence already; all else is put in here.

    Returns:
        float64 (n_samples,) at 16 kHz, whose RMS over the segments with sound is `REFERENCE_RMS` raised by
        `prosody.level_db`.
    """
    n, edges = sentence.n_samples, sentence.edges_s
    seconds = np.arange(n) / RATE_HZ
    frame_seconds = (np.arange(n // HOP + FRAME // HOP - 1) - 1) * (HOP / RATE_HZ)
    f0 = pitch_contour(sentence, speaker, prosody, rng)
    voice = _glide(seconds, edges, sentence.voice, _VOICE_RAMP_SECONDS)
    aspiration = _glide(seconds, edges, sentence.aspiration, _VOICE_RAMP_SECONDS)
    frication = _glide(seconds, edges, sentence.noise, _NOISE_RAMP_SECONDS)
    shimmer = 2 * prosody.jitter * normal(rng, n // 20)  # a pulse is at least RATE_HZ / 600 = 26 samples long
    white = noise(rng, n)
    bright = white.copy()
    bright[1:] -= 0.7 * white[:-1]  # breath keeps its high frequencies where the voice loses them
    breath = (speaker.breath + prosody.breath) * voice + aspiration
    source = _VOICE_GAIN * voice * _pulses(f0, shimmer) + _BREATH_GAIN * breath * bright

    targets = [*sentence.formants_hz.T, *(np.full(len(edges) - 1, hz) for hz in _HIGH_FORMANTS_HZ)]
    tracks = [_glide(frame_seconds, edges, target, _FORMANT_RAMP_SECONDS) for target in targets]
    formants = np.minimum(np.stack(tracks, axis=1) * speaker.vocal_tract, 0.47 * RATE_HZ)
    own_db = (speaker.tilt_db + prosody.tilt_db) * _OCTAVES
    colour = amplitude(_VOICE_TILT_DB * _OCTAVES + own_db) * (_BINS_HZ / (_BINS_HZ + 60.0))
    tract = vocal_tract_response(formants, _BANDWIDTHS_HZ * speaker.bandwidth)
    centre, width = sentence.noise_band_hz.T
    bands = np.exp2(-0.5 / np.log(2.0) * ((_BINS_HZ - centre[:, None]) / width[:, None]) ** 2)
    bands *= amplitude(_NOISE_TILT_SHARE * own_db)
    segment, sounding = (
        np.clip(np.searchsorted(edges, times, side="right") - 1, 0, len(centre) - 1)
        for times in (frame_seconds, seconds)
    )
    spectra = _frames(source) * tract * colour + _frames(_NOISE_GAIN * frication * white) * bands[segment]
    wave = _overlap_add(spectra, n)
    loud = (sentence.voice + sentence.noise + sentence.aspiration > 0)[sounding]
    rms = np.sqrt(np.mean(wave[loud] ** 2))
    return wave * (REFERENCE_RMS * 10 ** (prosody.level_db / 20) / rms)
