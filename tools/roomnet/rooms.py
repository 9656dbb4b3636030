"""Simulated rooms, what is true of them, and generated speech heard in them.

The examples from which the room estimator (`serkit.acoustics.room`) learns. Nothing in them is recorded:
speech comes from `serkit.worlds.speech`, rooms from two models.

* Stochastic: `serkit.worlds.world.room_response` (decaying noise after a few reflections), varied here:
  another decay at high frequencies, a second, slower decay, more early reflections, a coloured tail. NumPy
alone. * Image-source: shoebox rooms by pyroomacoustics (`pip install 'serkit[roomnet]'`), with geometry:
  after Allen & Berkley 1979, "Image method for efficiently simulating small-room acoustics".

What is true of a room is measured on its impulse response by `decay`, after ISO 3382-1: reverberation time
T60 by Schroeder's backward integration, clarity C50. Both are full-band.

An example is `Examples.seconds` of one speaker's phrases and pauses in a room, then a random spectral tilt
and band limits, then noise. They are made in blocks, each from random streams of its own, so they do not
depend on how many processes make them. They are equal on equal releases of NumPy, SciPy and pyroomacoustics,
not across releases.

Limits: one source that does not move, one microphone, steady noise, no codecs, no clipping, rooms without
furniture.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

from serkit.acoustics.room import C50_RANGE_DB, RATE_HZ, T60_RANGE_S
from serkit.errors import ExtraMissing, SpecError
from serkit.worlds import speech, world
from serkit.worlds.speech import HOP, Prosody, Speaker

EARLY_S = 0.05
ONSET_DB = -20.0
"""The direct sound begins where a response first comes within 20 dB of its peak (ISO 3382-1)."""
FIT_DB = (-5.0, -35.0)
"""Part of the energy decay curve through which the line is laid: ISO 3382-1's T30."""

# ---------------------------------------------------------------------------------------------- what is true


def decay(response: np.ndarray, rate_hz: int = RATE_HZ) -> tuple[float, float]:
    """Reverberation time and clarity of a room, from its impulse response.

    T60 from a least-squares line through -5..-35 dB of the energy decay curve (Schroeder 1965), extrapolated
    to 60 dB. C50 is the energy before 50 ms after the onset of the direct sound over the energy after it.

    Args:
        response: [samples], any level, long enough to fall by 35 dB; leading silence does no harm.
        rate_hz: its sample rate.

    Returns:
        T60 in s, 0 where the response falls by 35 dB within two samples (no room); C50 in dB, infinite where
        nothing comes after 50 ms.

    Raises:
        SpecError: a response that is empty or silent or not finite.
    """
    energy = np.square(np.asarray(response, dtype=np.float64))
    if energy.size == 0 or not np.isfinite(energy).all() or not energy.any():
        raise SpecError(f"a response of {energy.size} samples: expected finite ones that are not all 0")
    onset = int(np.argmax(energy >= energy.max() * 10 ** (ONSET_DB / 10)))
    late = float(energy[onset + round(EARLY_S * rate_hz) :].sum())
    early = float(energy[: onset + round(EARLY_S * rate_hz)].sum())
    c50_db = 10 * np.log10(early / late) if late > 0 else np.inf

    left = np.cumsum(energy[::-1])[::-1]
    left = left[left > 0]
    level_db = 10 * np.log10(left / left[0])
    first, last = (int(np.count_nonzero(level_db > limit)) for limit in FIT_DB)
    if last - first < 2:
        return 0.0, float(c50_db)
    per_sample, _ = np.polyfit(np.arange(first, last), level_db[first:last], 1)
    return float(-60 / (per_sample * rate_hz)), float(c50_db)


def label(response: np.ndarray) -> tuple[float, float]:
    """`decay`, brought into `T60_RANGE_S` and `C50_RANGE_DB`."""
    t60_s, c50_db = decay(response)
    return float(np.clip(t60_s, *T60_RANGE_S)), float(np.clip(c50_db, *C50_RANGE_DB))


# ------------------------------------------------------------------------------------------ stochastic rooms


def stochastic(rng: np.random.Generator) -> np.ndarray:
    """A varied stochastic response: direct sound of height 1 at sample 0, float64 [samples].

    Ranges are ours: T60 from 0.06 to 1.8 s. The direct sound stands to the reverberation as in a diffuse
    field at a random distance (Kuttruff, "Room Acoustics", ch. 5: they are equal at 0.057 m sqrt(volume /
    T60)), in the other third of the rooms anywhere from 8 dB below to 26 dB above: effects units know no
    geometry.
    """
    t60_s = float(np.exp(rng.uniform(np.log(0.06), np.log(1.6))))
    if rng.random() < 0.5:
        t60_s = float(rng.uniform(0.08, 1.5))
    volume_m3, distance_m = np.exp(rng.uniform(np.log((12, 0.15)), np.log((500, 4))))
    directed_db = rng.uniform(0, 4)  # mouths and microphones favour each other
    direct_db = 20 * np.log10(0.057 * np.sqrt(volume_m3 / t60_s) / distance_m) + directed_db
    if rng.random() < 1 / 3:
        direct_db = rng.uniform(-8, 26)
    tail = _tail(t60_s, rng)
    kind = rng.random()
    if kind < 0.4:  # the high frequencies die at a pace of their own
        tail = _crossed(tail, _tail(float(t60_s * rng.uniform(0.35, 1.2)), rng), rng)
    elif kind < 0.6:  # a second room behind the first
        slow = _tail(float(min(1.8, t60_s * rng.uniform(1.3, 3))), rng) * 10 ** (rng.uniform(-20, -3) / 20)
        tail = np.pad(tail, (0, max(0, len(slow) - len(tail))))
        tail[: len(slow)] += slow
    if rng.random() < 0.5:  # walls colour what they return
        spectrum = rfft(tail)
        hz = np.maximum(rfftfreq(len(tail), 1 / RATE_HZ), 60.0)
        tail = irfft(spectrum * 10 ** (rng.uniform(-3, 1.5) * np.log2(hz / 1000) / 20), len(tail))
    if rng.random() < 0.5:  # table, floor, near walls
        late_s = rng.uniform(0.005, 0.06)
        at = 1 + (rng.random(rng.integers(3, 30)) * late_s * RATE_HZ).astype(int)
        at = at[at < len(tail)]
        share = rng.uniform(0.1, 1.5) * np.sqrt(np.square(tail).sum() / max(1, len(at)))
        np.add.at(tail, at, share * rng.uniform(-1, 1, len(at)) * 10 ** (-3 * at / RATE_HZ / t60_s))
    tail *= 10 ** (-direct_db / 20) / np.sqrt(np.square(tail).sum())
    tail[0] = 1.0
    return tail


def _tail(t60_s: float, rng: np.random.Generator) -> np.ndarray:
    """All but the direct sound, of energy 1."""
    response = world.room_response(t60_s, 0.0, rng)
    response[0] = 0.0
    return response


def _crossed(low: np.ndarray, high: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Below a random frequency the one response, above it the other."""
    n = max(len(low), len(high))
    hz = rfftfreq(n, 1 / RATE_HZ)
    above = 1 / (1 + (np.exp2(rng.uniform(-1, 2.5)) * 1000 / np.maximum(hz, 1.0)) ** 4)
    return irfft(rfft(low, n) * (1 - above) + rfft(high, n) * above, n)


# ---------------------------------------------------------------------------------------- image-source rooms

LEAST_M, MOST_M = (3.0, 3.0, 2.4), (10.0, 8.0, 4.0)
"""Sizes of rooms: from a small office to a class room."""
DISTANCE_M = (0.3, 3.0)
SABINE_S = (0.1, 1.0)
"""Reverberation time that walls are chosen for, by Sabine's formula; the response's own is often longer."""
WALL_M = 0.2
"""Nearest to a wall."""
MOST_REFLECTIONS = 80
"""Work grows with their third power; with them the longest responses are whole down to about -35 dB."""
LEAD_SAMPLES = 16
"""Kept before the direct sound, whose band-limited pulse has a width."""


def image_source(rng: np.random.Generator, varied: bool = False) -> np.ndarray:
    """An image-source response of a random shoebox room, by pyroomacoustics.

    Args:
        rng: of the room and where source and microphone stand.
        varied: for training: wider ranges of size, distance and reverberation time, and walls that differ
            from each other. Otherwise every wall absorbs alike and the ranges are `LEAST_M` .. `SABINE_S`.

    Returns:
        float64 [samples] at 16 kHz, its peak 1.

    Raises:
        ExtraMissing: pyroomacoustics is not installed.
    """
    pra = _pyroomacoustics()
    least, most = np.array(LEAST_M), np.array(MOST_M)
    distance, sabine = DISTANCE_M, SABINE_S
    if varied:
        least, most = least * 0.7, most * 1.2
        distance, sabine = (0.15, 4.0), (0.08, 0.95)
    while True:
        size = rng.uniform(least, most)
        t60_s = rng.uniform(*sabine)
        microphone = size * rng.uniform(0.3, 0.7, 3)
        microphone[2] = rng.uniform(1.0, 1.7)
        towards = rng.normal(size=3) * (1, 1, 0.2)
        source = microphone + towards * (rng.uniform(*distance) / np.linalg.norm(towards))
        walls = np.exp(rng.normal(size=6) * rng.uniform(0, 0.5))
        if (source < WALL_M).any() or (source > size - WALL_M).any() or microphone[2] > size[2] - WALL_M:
            continue
        try:
            absorption, reflections = pra.inverse_sabine(t60_s, size)
        except ValueError:  # no walls absorb so much
            continue
        break
    materials = pra.Material(absorption)
    if varied:
        names = ("west", "east", "south", "north", "floor", "ceiling")
        shares = np.clip(absorption * walls / walls.mean(), 0.01, 0.99)
        materials = {name: pra.Material(share) for name, share in zip(names, shares.tolist(), strict=True)}
    # inverse_sabine's order reaches down to -60 dB; the line ends at -35.
    order = min(MOST_REFLECTIONS, int(np.ceil(0.7 * reflections)))
    room = pra.ShoeBox(size, fs=RATE_HZ, materials=materials, max_order=order)
    room.add_source(source)
    room.add_microphone(microphone)
    room.compute_rir()
    response = np.asarray(room.rir[0][0], dtype=np.float64)
    peak = int(np.argmax(np.abs(response)))
    return response[max(0, peak - LEAD_SAMPLES) :] / np.abs(response[peak])


def _pyroomacoustics() -> ModuleType:
    try:
        import pyroomacoustics
    except ImportError as error:
        raise ExtraMissing("pyroomacoustics", "roomnet") from error
    return pyroomacoustics


# ------------------------------------------------------------------------------------------ generated speech


def draw_voice(rng: np.random.Generator) -> Speaker:
    """A voice from a wider range than any corpus's: children to old men, clear to hoarse."""
    return Speaker(
        f0_hz=float(np.exp(rng.uniform(np.log(75), np.log(300)))),
        vocal_tract=float(rng.uniform(0.85, 1.3)),
        tilt_db=float(rng.uniform(-3, 3)),
        rate=float(rng.uniform(0.8, 1.25)),
        breath=float(np.exp(rng.uniform(np.log(0.005), np.log(0.2)))),
        bandwidth=float(np.exp(rng.uniform(np.log(0.7), np.log(1.8)))),
    )


def draw_manner(rng: np.random.Generator) -> Prosody:
    """A way to speak, from a wider range than any emotion's."""
    return Prosody(
        f0=float(np.exp(rng.uniform(np.log(0.75), np.log(1.7)))),
        f0_range=float(rng.uniform(0.1, 2.5)),
        slope=float(rng.uniform(-5, 5)),
        accent=float(rng.uniform(0, 2.5)),
        tremor=float(rng.uniform(0, 1.0) ** 3),
        jitter=float(np.exp(rng.uniform(np.log(0.003), np.log(0.06)))),
        rate=float(np.exp(rng.uniform(np.log(0.6), np.log(1.6)))),
        pause=float(rng.uniform(0, 0.35)),
        tilt_db=float(rng.uniform(-5, 5)),
        breath=float(rng.uniform(0, 0.6) ** 2),
    )


def phrase(voice: Speaker, rng: np.random.Generator) -> np.ndarray:
    """A phrase without silence around it, its level moving as a speaker's does, float32 [samples].

    The synthesiser speaks at a steady level and stops within 15 ms. Living speakers do neither, and an
    estimator must not take their fading for a room.
    """
    manner = draw_manner(rng)
    samples = HOP * int(rng.uniform(0.7, 2.8) * RATE_HZ / HOP)
    sentence = speech.draw_sentence(rng, samples, manner.rate * voice.rate, manner.pause)
    wave = speech.speak(sentence, voice, manner, rng)
    begin, end = (int(sentence.edges_s[k] * RATE_HZ) for k in (1, -2))
    wave = wave[max(0, begin - HOP) : end + 4 * HOP]
    knots = 2 + int(len(wave) / RATE_HZ * rng.uniform(1, 5))
    course_db = rng.uniform(0, 4) * rng.normal(size=knots)
    at = np.arange(len(wave))
    gain_db = np.interp(at, np.linspace(0, len(wave), knots), course_db)
    if rng.random() < 0.6:  # a fading last syllable
        fading = int(rng.uniform(0.05, 0.4) * RATE_HZ)
        gain_db -= rng.uniform(3, 25) * np.clip((at - len(wave) + fading) / fading, 0, 1)
    return (wave * 10 ** (gain_db / 20)).astype(np.float32)


# ------------------------------------------------------------------------------------------------- examples


@dataclass(frozen=True)
class Examples:
    """What examples are made of.

    Attributes:
        seconds: length of an example.
        block: examples that share the voices and rooms below.
        voices: a block.
        phrases: a voice.
        image_source: such rooms a block; 0: none, and pyroomacoustics is not needed.
        stochastic: such rooms a block.
        image_source_share: share of the examples that are heard in image-source rooms, of those in a room.
        dry_share: share of the examples that are heard in no room.
        quiet_share: share with an SNR of 60 dB.
        snr_db: range of all others.
        held_out: rooms of the scores (`image_source` with `varied` off) instead of the training's.
    """

    seconds: float = 4.0
    block: int = 240
    voices: int = 12
    phrases: int = 8
    image_source: int = 16
    stochastic: int = 60
    image_source_share: float = 0.4
    dry_share: float = 0.08
    quiet_share: float = 0.12
    snr_db: tuple[float, float] = (3.0, 50.0)
    held_out: bool = False

    def __post_init__(self) -> None:
        if min(self.block, self.voices, self.phrases) < 1 or self.seconds <= 0:
            raise SpecError(f"{self}: expected lengths and counts above 0")
        if self.image_source + self.stochastic < 1:
            raise SpecError(f"{self}: expected rooms of at least one kind")


@dataclass(frozen=True, eq=False)
class Block:
    """Examples, and what is true of them.

    Attributes:
        waves: float32 [examples, samples] at 16 kHz.
        truth: float64 [examples, 2], T60 in s and C50 in dB, within their ranges.
        snr_db: float64 [examples].
    """

    waves: np.ndarray
    truth: np.ndarray
    snr_db: np.ndarray


_SPEECH, _STOCHASTIC, _IMAGE_SOURCE, _MIX = range(4)
AHEAD = 2  # blocks of 60 MB that a process may be ahead of who takes them


def stream(seed: int, number: int, purpose: int) -> np.random.Generator:
    """A generator of its own for each purpose of each block."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, number, purpose])))


def make_block(seed: int, number: int, settings: Examples) -> Block:
    """Block `number` of the examples of a seed: the same in any process, in any order.

    Raises:
        ExtraMissing: image-source rooms are asked for and pyroomacoustics is not installed.
    """
    rng = stream(seed, number, _SPEECH)
    voices = []
    for _ in range(settings.voices):
        voice = draw_voice(rng)
        voices.append([phrase(voice, rng) for _ in range(settings.phrases)])
    rng = stream(seed, number, _STOCHASTIC)
    noisy_rooms = [stochastic(rng) for _ in range(settings.stochastic)]
    rng = stream(seed, number, _IMAGE_SOURCE)
    shoeboxes = [image_source(rng, not settings.held_out) for _ in range(settings.image_source)]
    kinds = [kind for kind in (shoeboxes, noisy_rooms) if kind]
    labels = {id(room): label(room) for kind in kinds for room in kind}

    rng = stream(seed, number, _MIX)
    n = round(settings.seconds * RATE_HZ)
    waves = np.empty((settings.block, n), dtype=np.float32)
    truth = np.empty((settings.block, 2))
    snrs_db = np.empty(settings.block)
    for i in range(settings.block):
        phrases = voices[rng.integers(len(voices))]
        room, is_dry = np.ones(1), rng.random() < settings.dry_share
        kind = kinds[0 if rng.random() < settings.image_source_share else -1]
        chosen = kind[rng.integers(len(kind))]
        truth[i] = T60_RANGE_S[0], C50_RANGE_DB[1]
        if not is_dry:
            room, truth[i] = chosen, labels[id(chosen)]
        snrs_db[i] = 60.0 if rng.random() < settings.quiet_share else rng.uniform(*settings.snr_db)
        lead = RATE_HZ // 2 if rng.random() < 0.4 else 0  # else silence comes before the first phrase's room
        heard = record(string(phrases, n + lead, rng), room, snrs_db[i], rng)[lead:]
        if rng.random() < 0.12:  # cut to length by padding, as some copies of corpora are
            cut = int(rng.uniform(0.5, 1.0) * n)
            heard[cut:] = 0.0
        waves[i] = heard
    return Block(waves, truth, snrs_db)


def make_blocks(seed: int, blocks: int, settings: Examples, jobs: int = 1) -> Iterator[Block]:
    """Blocks 0, 1, ... in order, made by `jobs` processes that run ahead by a few.

    Raises:
        ExtraMissing: as `make_block`.
    """
    if jobs == 1:
        yield from (make_block(seed, number, settings) for number in range(blocks))
        return
    # Not forked: the parent may have threads.
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting: deque[Future[Block]] = deque()
        for number in range(blocks):
            waiting.append(pool.submit(make_block, seed, number, settings))
            if len(waiting) > AHEAD * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def string(phrases: Sequence[np.ndarray], samples: int, rng: np.random.Generator) -> np.ndarray:
    """Phrases in random order with pauses between them, at levels that differ a little, float32 [samples]."""
    wave = np.zeros(samples, dtype=np.float32)
    at = int(rng.uniform(0, 0.3) * RATE_HZ)
    while at < samples:
        said = phrases[int(rng.integers(len(phrases)))]
        length = min(len(said), samples - at)
        wave[at : at + length] = said[:length] * np.float32(10 ** (rng.normal() * 2.5 / 20))
        at += length + int(np.exp(rng.uniform(np.log(0.05), np.log(1.5))) * RATE_HZ)
    return wave


def record(
    wave: np.ndarray, room: np.ndarray, snr_db: float, rng: np.random.Generator, flat: bool = False
) -> np.ndarray:
    """Speech in a room, through a random microphone, with steady noise of a random colour.

    Args:
        wave: [samples] at 16 kHz.
        room: impulse response.
        snr_db: level of all that is heard of the speech over the noise, both taken over the whole clip.
        rng: of the noise's colour, the tilt and the band limits.
        flat: no tilt and no band limits.

    Returns:
        float32 [samples]; reverberation past the end is cut.
    """
    n = len(wave)
    size = next_fast_len(n + len(room) - 1, real=True)
    hz = np.maximum(rfftfreq(size, 1 / RATE_HZ).astype(np.float32), 1.0)
    noise = rng.standard_normal(2 * len(hz), dtype=np.float32).view(np.complex64)
    noise = noise * np.maximum(hz, 30.0) ** np.float32(-rng.uniform(0, 2) / 2)
    spectrum = rfft(wave.astype(np.float32), size) * rfft(room.astype(np.float32), size)
    if not flat:
        tilt_db, on_noise = rng.uniform(-4, 4), rng.random() < 0.5
        low_hz = rng.choice([1.0, 1.0, 80.0, 200.0, 300.0])
        high_hz = rng.choice([9000.0, 9000.0, 9000.0, 7000.0, 5000.0, 3800.0, 3400.0])
        gain_db = (
            tilt_db * np.log2(np.maximum(hz, 60.0) / 1000)
            - 24 * np.log2(np.maximum(1.0, low_hz / hz))
            - 30 * np.log2(np.maximum(1.0, hz / high_hz))
        )
        gain = (10 ** (gain_db / 20)).astype(np.float32)
        spectrum = spectrum * gain
        if on_noise:
            noise = noise * gain
    speech = irfft(spectrum, size)[:n]
    hiss = irfft(noise, size)[:n]
    loud = np.sqrt(np.mean(np.square(speech)) / np.mean(np.square(hiss)))
    return speech + hiss * np.float32(loud * 10 ** (-snr_db / 20))
