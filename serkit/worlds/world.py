"""Worlds with a known answer: what a corpus means by an emotion, and the channel it is heard through.

Two dials, set apart from each other:

* `meaning`: `shared`, one table of emotions for all corpora; `disjoint`, each corpus codes emotion in cues
  of its own and holds the others' cues at a value nobody else uses; `swapped`, as shared, but B under
  neutral<->sad, happy<->angry;
* `mismatch` in [0, 1]: at 0 the three corpora share one channel; at 1 A is clean and close, B noisy and
  reverberant, C narrow-band.

Each clip has random streams of its own, so it is the same whatever was made before it.
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from serkit.errors import SpecError
from serkit.labels import LABELS
from serkit.worlds import speech
from serkit.worlds.speech import HOP, RATE_HZ, REFERENCE_RMS, Prosody, Speaker, noise, normal, uniform

VERSION = 2  # part of a stored corpus's name: raise it when a change in this package changes a single sample
CORPORA = ("A", "B", "C")
MEANINGS = ("shared", "disjoint", "swapped")
SEED = 2024
MIN_SECONDS, MAX_SECONDS = 1.0, 2.0  # of a clip: a few syllables, and short enough to train on in seconds
FULL_SCALE = 0.98  # a clip that would exceed it is turned down as a whole; at the default seed none is
_SPEAKER, _LENGTH, _TEXT, _PROSODY, _VOICE, _CHANNEL = range(6)  # purposes of random numbers


def stream(seed: int, corpus: int, speaker: int, number: int, purpose: int) -> np.random.Generator:
    """Random numbers of one purpose in one clip, so that changing one draw moves no other.

    `corpus` is a position in `CORPORA`, `purpose` any whole number; this module uses 0 to 5.
    """
    key = np.random.SeedSequence([seed, corpus, speaker, number, purpose])
    return np.random.Generator(np.random.Philox(key))


def _place(what: str, value: str, known: Sequence[str]) -> int:
    """Where a value stands among those known, or SpecError."""
    if value not in known:
        raise SpecError(f"{what} {value!r}: expected one of {', '.join(known)}")
    return known.index(value)


# Mean pitch and its deviation, Hz, and mean vocal-tract factor: about men's and women's values.
VOICES = {"low": (118.0, 14.0, 1.0), "high": (205.0, 20.0, 1.16)}


def voice_of(speaker: int) -> str:
    """The voice of a speaker number: even ones low, odd ones high, so any two neighbours are one of each."""
    return tuple(VOICES)[speaker % 2]


def speaker_of(corpus: str, speaker: int, seed: int = SEED) -> Speaker:
    """Speaker number `speaker` of a corpus. Raises SpecError for an unknown corpus."""
    rng = stream(seed, _place("synthetic corpus", corpus, CORPORA), speaker, 0, _SPEAKER)
    mean_hz, spread_hz, vocal_tract = VOICES[voice_of(speaker)]
    pitch, tract, tilt, rate = normal(rng, 4)
    breath, bandwidth = uniform(rng, 2)
    return Speaker(
        f0_hz=float(np.clip(mean_hz + spread_hz * pitch, 75.0, 260.0)),
        vocal_tract=float(vocal_tract + 0.04 * tract),
        tilt_db=float(tilt),
        rate=float(np.clip(1.0 + 0.07 * rate, 0.8, 1.2)),
        breath=float(0.02 + 0.06 * breath),
        bandwidth=float(0.9 + 0.4 * bandwidth),
    )


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
_CONTOUR = {  # the pitch's course
    "angry": {"slope": -6.0, "accent": 2.5},
    "happy": {"slope": 6.0, "accent": 2.5},
    "neutral": {"slope": 0.0, "accent": 0.0, "f0_range": 0.2},
    "sad": {"slope": -3.0, "accent": 0.0, "tremor": 1.5},
}
_VARIED = {"A": _EFFORT, "B": _TIMING, "C": _CONTOUR}
_HELD = {  # values that no emotion of another corpus has, so that none is mistaken for one
    "A": {"rate": 1.08, "pause": 0.2, "jitter": 0.02, "breath": 0.06},
    "B": {"f0": 1.15, "level_db": -4.0, "tilt_db": 5.0},
    "C": {"f0": 0.88, "level_db": 5.0, "tilt_db": -6.0, "breath": 0.15, "rate": 1.1, "pause": 0.05},
}
_SWAPPED = {"angry": "happy", "happy": "angry", "neutral": "sad", "sad": "neutral"}

# Standard deviation from clip to clip within one emotion; `f0` and `rate` as a share of the value.
SPREAD = dict(f0=0.06, rate=0.07, level_db=1.5, tilt_db=0.8, pause=0.03, breath=0.02, jitter=0.005)
_LOWEST = {"pause": 0.0, "breath": 0.0, "jitter": 0.002}


def prosody_of(corpus: str, label: str, meaning: str = "shared") -> Prosody:
    """The mean prosody of an emotion in a corpus. Raises SpecError for an unknown label or meaning."""
    _place("label", label, LABELS)
    _place("meaning", meaning, MEANINGS)
    if meaning == "disjoint":
        return Prosody(**{**_HELD[corpus], **_VARIED[corpus][label]})
    if meaning == "swapped" and corpus == "B":
        label = _SWAPPED[label]
    return Prosody(**{**_HELD["A"], **_EFFORT[label]})


def vary(prosody: Prosody, rng: np.random.Generator) -> Prosody:
    """One clip's prosody: the mean moved by `SPREAD`, within what a voice can do."""
    moved = {}
    for (name, deviation), draw in zip(SPREAD.items(), normal(rng, len(SPREAD)).tolist(), strict=True):
        mean = getattr(prosody, name)
        value = mean + draw * deviation * (mean if name in ("f0", "rate") else 1.0)
        moved[name] = max(_LOWEST.get(name, value), value)
    return dataclasses.replace(prosody, **moved)


class Channel(NamedTuple):
    """From the mouth to the file."""

    snr_db: float  # level of speech at 0 dB over the noise, which follows no speech: level stays a cue
    t60_s: float  # reverberation time around 1 kHz; below `_DRY_SECONDS` no room at all
    direct_db: float  # level of the direct sound over the reverberation
    low_hz: float  # lower band limit; beyond, 24 dB an octave are lost
    high_hz: float  # upper band limit
    tilt_db: float  # dB an octave around 1 kHz
    noise_slope: float  # fall of the noise's power with frequency: 0 white, 1 pink


# What all corpora share at `mismatch` 0: a small damped room, a good microphone.
COMMON_CHANNEL = Channel(35.0, 0.1, 12.0, 60.0, 7800.0, 0.0, 1.0)
CHANNELS = {  # what each corpus is at `mismatch` 1
    "A": Channel(45.0, 0.0, 20.0, 60.0, 7800.0, 0.0, 1.0),  # close microphone, quiet
    "B": Channel(18.0, 0.5, 2.0, 120.0, 7800.0, -2.0, 1.0),  # across a living room, pink noise
    "C": Channel(28.0, 0.2, 2.0, 300.0, 3600.0, 2.0, 0.0),  # telephone band, white noise
}
_DRY_SECONDS = 0.03
_BANDS_HZ = (0.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, RATE_HZ)
_BAND_T60 = (1.1, 1.05, 1.0, 0.95, 0.85, 0.7)  # shares: air and furniture take the high frequencies first
_ONSET_SECONDS = (0.001, 0.015)  # how fast a tail builds up
_REFLECTIONS = 8
_REFLECTIONS_WITHIN_SECONDS = 0.04
_SNR_SPREAD_DB, _DIRECT_SPREAD_DB, _T60_SPREAD = 2.0, 3.0, 0.2  # from clip to clip: nobody sits still


def channel_of(corpus: str, mismatch: float = 1.0) -> Channel:
    """A corpus's channel, on the straight line from the common one (`mismatch` 0) to its own (1)."""
    if not 0 <= mismatch <= 1:
        raise SpecError(f"mismatch = {mismatch}: expected a number in [0, 1]")
    both = zip(COMMON_CHANNEL, CHANNELS[corpus], strict=True)
    return Channel(*((1 - mismatch) * common + mismatch * own for common, own in both))


def room_response(t60_s: float, direct_db: float, rng: np.random.Generator) -> np.ndarray:
    """A stochastic impulse response: the direct sound, a few reflections, noise that decays band by band.

    After Polack's model of the diffuse tail: no geometry, but a reverberation time (to fall by 60 dB around
    1 kHz; SpecError where it is not above 0) and a level of the direct sound over all the rest. float64, as
    long as 1.1 * t60_s or 0.1 s; sample 0 is the direct sound, of height 1.
    """
    if t60_s <= 0:
        raise SpecError(f"t60_s = {t60_s}: expected more than 0")
    n = int(RATE_HZ * max(0.1, 1.1 * t60_s))
    times = np.arange(n) / RATE_HZ
    size = _fast_length(n)
    spectrum = np.fft.rfft(noise(rng, size))
    hz = np.fft.rfftfreq(size, 1 / RATE_HZ)
    falling = -3 * np.log2(10.0) / t60_s * times  # log2 of the amplitude: -60 dB at t60_s
    tail = np.zeros(n)
    for (low, high), share in zip(itertools.pairwise(_BANDS_HZ), _BAND_T60, strict=True):
        band = np.fft.irfft(spectrum * ((hz >= low) & (hz < high)), size)[:n]
        tail += band * np.exp2(falling / share)
    shortest, longest = _ONSET_SECONDS
    onset_s = shortest + (longest - shortest) * float(uniform(rng))
    tail *= 1 - np.exp2(-times / onset_s)
    tail /= np.sqrt(np.sum(tail**2))
    when, sign, height = uniform(rng, 3, _REFLECTIONS)
    at = np.minimum((0.001 + _REFLECTIONS_WITHIN_SECONDS * when) * RATE_HZ, n - 1).astype(int)
    early = np.zeros(n)
    np.add.at(early, at, np.where(sign < 0.5, -1.0, 1.0) * (0.2 + 0.8 * height) * np.exp2(falling[at]))
    tail += early * (0.5 * float(uniform(rng)) / np.sqrt(np.sum(early**2)))
    tail[0] = 0.0
    tail *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    return tail


def apply_channel(wave: np.ndarray, channel: Channel, rng: np.random.Generator) -> np.ndarray:
    """Speech as a corpus's microphone hears it: room, then noise, then band limits and tilt on both.

    Noise level, room and distance vary a little with `rng`. `wave` and what is returned are float64
    (n_samples,) at 16 kHz, speech at 0 dB having `REFERENCE_RMS`; reverberation past the end is cut.
    """
    n = len(wave)
    snr, direct = normal(rng, 2)
    t60_s = channel.t60_s * (1 + _T60_SPREAD * (2 * float(uniform(rng)) - 1))
    snr_db = channel.snr_db + _SNR_SPREAD_DB * snr
    response = np.ones(1)
    if t60_s >= _DRY_SECONDS:
        response = room_response(t60_s, channel.direct_db + _DIRECT_SPREAD_DB * direct, rng)
    size = _fast_length(n + len(response) - 1)
    hz = np.fft.rfftfreq(size, 1 / RATE_HZ)
    shape = np.exp2(-channel.noise_slope / 2 * np.log2(np.maximum(hz, 30.0)))
    hiss = np.fft.rfft(noise(rng, size)) * (shape / np.sqrt(np.mean(shape**2)))
    hiss *= REFERENCE_RMS * 10 ** (-snr_db / 20)
    gain_db = (
        channel.tilt_db * np.log2(np.maximum(hz, 60.0) / 1000.0)
        - 24 * np.log2(np.maximum(1.0, channel.low_hz / np.maximum(hz, 1.0)))
        - 24 * np.log2(np.maximum(1.0, hz / channel.high_hz))
    )
    heard = (np.fft.rfft(wave, size) * np.fft.rfft(response, size) + hiss) * speech.amplitude(gain_db)
    return np.fft.irfft(heard, size)[:n]


def _fast_length(n: int) -> int:
    """The next length of the form 2^k, 3 * 2^k or 5 * 2^k: odd factors above 5 make an FFT slow."""
    power = 1 << max(0, n - 1).bit_length()
    return min(size for size in (power, power * 3 // 4, power * 5 // 8) if size >= n)


def make_clip(
    corpus: str,
    speaker: int,
    number: int,
    label: str,
    meaning: str = "shared",
    mismatch: float = 1.0,
    seed: int = SEED,
) -> np.ndarray:
    """One clip of the world: int16 (n_samples,) at 16 kHz, a multiple of `HOP`.

    Speaker, length, syllables, breath and random pitch movements follow from the first three arguments and
    the seed alone, and with them, at equal `mismatch`, the room and the noise. So two labels, or two settings
    of a dial, can be compared on the same clip. Speakers and a speaker's clips are numbered from 0.

    Raises SpecError: an unknown corpus, label or meaning, or `mismatch` outside [0, 1].
    """
    key = (seed, _place("synthetic corpus", corpus, CORPORA), speaker, number)
    prosody = vary(prosody_of(corpus, label, meaning), stream(*key, _PROSODY))
    channel = channel_of(corpus, mismatch)
    who = speaker_of(corpus, speaker, seed)
    shortest, longest = int(MIN_SECONDS * RATE_HZ) // HOP, int(MAX_SECONDS * RATE_HZ) // HOP
    n_samples = HOP * (shortest + int(float(uniform(stream(*key, _LENGTH))) * (longest - shortest + 1)))
    sentence = speech.draw_sentence(stream(*key, _TEXT), n_samples, prosody.rate * who.rate, prosody.pause)
    spoken = speech.speak(sentence, who, prosody, stream(*key, _VOICE))
    wave = apply_channel(spoken, channel, stream(*key, _CHANNEL))
    wave *= min(1.0, FULL_SCALE / np.max(np.abs(wave)))
    return np.rint(wave * 32767).astype(np.int16)
