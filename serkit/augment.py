"""The seven augmentations (§5.2): drawn as data, applied to whole batches.

    draw(...)             which clips are affected, and every parameter of each: plain arrays
    Chain(...)(waves)     stretch (vocoder) -> fade -> shift -> equalizer -> reverb -> noise
    the encoder's inputs  stretch (feature) and SpecAugment, on log-mel (`serkit.encoders.cnn14.logmel`)

An encoder that takes waves gets all seven in the chain, by the same draws: the stretch by the vocoder,
whatever the study's method, so that a study can compare encoders under one augmentation; SpecAugment as stop
bands, in the product of spectra that equalizer and reverb form, and as stripes of silence, last of all.

A draw depends on (seed, epoch, clip) alone; at a higher rate the same clips and more are affected, by the
same parameters, so rates are compared on paired draws. Applying is deterministic: a clip gets the same
whatever it is batched with (1e-6 of full scale), and one that is not affected is not touched.

Differences from the paper, which names the effects and some ranges and no implementation:

1. An affected clip gets all effects, "with parameters randomly chosen" (§5.2); all but SpecAugment's have the
   neutral setting at or near one end of their range, so mild cases are part of it.
2. Noise comes last: it is the room's or the microphone's, so neither the equalizer nor the reverb colours it,
   and its ratio to the speech is exact. §5.2 lists it before the reverb, which would hardly change it.
3. Stretch works on features by default: nearer to good time-scalers than a phase vocoder is. It comes after
   the reverb, whose decay it thus shortens by at most 17 % (docs/augmentation.md has the figures).
4. Nothing clips: waves are floating-point from here on. A reverberated clip can peak above full scale.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.special
import torch
from torch import Tensor
from torch.nn import functional as F

from serkit import streams
from serkit.device import send
from serkit.effects import Augmentation, Range
from serkit.reverb import Reverb
from serkit.settings import check

BUTTERWORTH_ORDER = 9  # §5.2
RINGING_CYCLES = 14.0  # of a cut-off: a filter of order 9 has then decayed by more than 150 dB
VOCODER_SAMPLES = 1024  # at 16 kHz: 64 ms resolve a voice's harmonics
VOCODER_OVERLAP = 4
FFT_SIZES_PER_OCTAVE = 4
NOISE_BANK_SAMPLES = 1 << 21  # 131 s at 16 kHz, so pieces rarely overlap; more where clips are very long
NOISE_FROM_HZ = 20.0  # below, inaudible and under the lowest mel filter; 1/f would put most power there
MIN_NOISE_POWER = 1e-9  # of a piece: that of one sample can come out as 0
MEL_BANDS = 64
BANDS_HZ = (50.0, 8000.0)  # what stop bands divide: 16 kHz audio has it all, so no band is empty
EDGE_HZ = 5.0  # deviation of a stop band's edge, a normal distribution's: a ninth of the narrowest band
EDGE_RINGS_S = 0.2  # by then its ringing, exp(-(2 pi EDGE_HZ t)^2 / 2), is 170 dB down


@dataclass(frozen=True, eq=False)
class Draw:
    """Parameters of clips, float64 [clips] where nothing else is said; shares are of the clip's length."""

    affected: np.ndarray  # bool
    stretch_rate: np.ndarray  # above 1 is faster
    shift_share: np.ndarray  # later if positive
    fade_in_share: np.ndarray
    fade_out_share: np.ndarray
    high_pass_hz: np.ndarray
    low_pass_hz: np.ndarray
    room_size: np.ndarray
    wet_level: np.ndarray
    noise_snr_db: np.ndarray
    noise_place: np.ndarray  # in [0, 1), where in the noise
    time_masks: np.ndarray  # [clips, masks, 2], share of the frames and place in [0, 1) of each
    band_masks: np.ndarray  # [clips, masks, 2], bands and place in [0, 1) of each

    def __len__(self) -> int:
        return len(self.affected)

    def __getitem__(self, rows: np.ndarray | slice) -> Draw:
        return Draw(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))


@dataclass(frozen=True, eq=False)
class Waves:
    """A batch as an encoder is given it, or a part of one."""

    waves: Tensor  # float32 [clips, longest], full scale 1, zeros past each clip's end
    samples: np.ndarray  # int64 [clips], each clip's length
    rates: np.ndarray | None = None  # float64 [clips], the stretch that features are to have; None: 1 for all
    masks: Draw | None = None  # whose cells of the spectrogram are to be masked (SpecAugment); None: none


@dataclass(frozen=True)
class Augmenting:
    """What is augmented, and how."""

    spec: Augmentation
    percent: int = 100  # the augmentation rate: the share of clips that go through the effects


def draw(augmenting: Augmenting, seed: int, epoch: int, clips: int) -> Draw:
    """The draw of one epoch, for every clip of a training set of so many.

    A clip is affected with the probability of the rate, afresh each epoch. Each effect draws from a stream of
    its own, so switching one off or changing its range leaves the others' draws as they are. Parameters are
    drawn for clips that are not affected, and of effects that are off, and not used.
    """
    spec = augmenting.spec

    def uniform(purpose: int, *shape: int) -> np.ndarray:
        return streams.stream(purpose, seed, epoch).random((clips, *shape))

    fade, split = uniform(streams.FADE, 2).T
    fade_share = _within(spec.fade_share, fade)
    high_pass, low_pass = uniform(streams.EQUALIZER, 2).T
    room, wet = uniform(streams.REVERB, 2).T
    snr, place = uniform(streams.NOISE, 2).T
    # Time and bands have a stream each, so that their numbers of masks do not move one another.
    time_masks = uniform(streams.TIME_MASKS, spec.time_masks, 2)
    time_masks[..., 0] = _within(spec.time_mask_share, time_masks[..., 0])
    band_masks = uniform(streams.BAND_MASKS, spec.band_masks, 2)
    lowest, highest = spec.mask_bands
    band_masks[..., 0] = np.floor(lowest + (highest - lowest + 1) * band_masks[..., 0])
    return Draw(
        affected=uniform(streams.AFFECTED) < augmenting.percent / 100,
        stretch_rate=_within(spec.stretch_rate, uniform(streams.STRETCH)),
        shift_share=_within(spec.shift_share, uniform(streams.SHIFT)),
        fade_in_share=fade_share * split,
        fade_out_share=fade_share * (1 - split),
        high_pass_hz=_log_within(spec.high_pass_hz, high_pass),
        low_pass_hz=_log_within(spec.low_pass_hz, low_pass),
        room_size=_within(spec.room_size, room),
        wet_level=_within(spec.wet_level, wet),
        noise_snr_db=_within(spec.noise_snr_db, snr),
        noise_place=place,
        time_masks=time_masks,
        band_masks=band_masks,
    )


def _within(bounds: Range, uniform: np.ndarray) -> np.ndarray:
    return bounds[0] + (bounds[1] - bounds[0]) * uniform


def _log_within(bounds: Range, uniform: np.ndarray) -> np.ndarray:
    """Log-uniform, as pitch is heard."""
    return np.clip(bounds[0] * (bounds[1] / bounds[0]) ** uniform, *bounds)


class Chain:
    """The effects on the wave, with the tables they need: the reverb's responses, the noise."""

    def __init__(
        self, spec: Augmentation, rate_hz: int, seed: int, longest: int, device: str, on_waves: bool = False
    ) -> None:
        """Makes the tables, of noise by `seed` for clips of `longest` samples at most.

        `on_waves`: nothing is left to features; the stretch is the vocoder's, SpecAugment is on the wave.
        """
        self.spec = dataclasses.replace(spec, stretch_method="vocoder") if on_waves else spec
        self.rate_hz, self.masking = rate_hz, on_waves and "specaugment" in spec.effects
        high = f"augmentation low_pass_hz up to {spec.low_pass_hz[1]:g} for audio at {rate_hz:,} Hz"
        fits = "equalizer" not in spec.effects or spec.low_pass_hz[1] < rate_hz / 2
        check(fits, f"{high}: expected less than half of that; set low_pass_hz, or leave the equalizer out")
        self._reverb = Reverb(rate_hz, spec.room_size) if "reverb" in spec.effects else None
        self._noise = PinkNoise(rate_hz, seed, longest, device) if "noise" in spec.effects else None

    def __call__(self, waves: Tensor, samples: np.ndarray, drawn: Draw) -> tuple[Tensor, np.ndarray]:
        """Applies the effects to clips that are all affected; of their lengths the vocoder changes some.

        Waves, given and returned, are float32 [clips, longest], full scale 1, zeros past each clip's end;
        their lengths are int64 [clips], at least 1.
        """
        on = self.spec.effects
        if "stretch" in on and self.spec.stretch_method == "vocoder":
            window = 4 * round(VOCODER_SAMPLES * self.rate_hz / 16_000 / 4)
            waves, samples = apply_stretch(waves, samples, drawn.stretch_rate, window)
        if "fade" in on:
            shares = (drawn.fade_in_share, drawn.fade_out_share)
            waves = apply_fade(waves, samples, *(np.floor(samples * share) for share in shares))
        if "shift" in on:
            by = np.round(samples * drawn.shift_share).astype(np.int64)
            waves = apply_shift(waves, by) * _inside(waves, samples)
        if "equalizer" in on or self._reverb is not None or self.masking:
            waves = self._filtered(waves, drawn)
        if self._noise is not None:
            waves = apply_noise(waves, samples, drawn.noise_snr_db, drawn.noise_place, self._noise)
        heard = _inside(waves, samples)
        if self.masking:
            of, (share, place) = samples[:, None], np.moveaxis(drawn.time_masks, 2, 0)
            heard &= ~stripes(np.round(of * share), of, place, heard.shape[1], heard.device)
        return waves * heard, samples

    def _filtered(self, waves: Tensor, drawn: Draw) -> Tensor:
        """Equalizer, reverb and SpecAugment's stop bands, as one product of spectra."""
        equalized = "equalizer" in self.spec.effects
        tail = self._reverb.tail_samples if self._reverb is not None else 0
        if equalized:
            cutoffs = np.array([*self.spec.high_pass_hz, *self.spec.low_pass_hz])
            nearest_hz = np.minimum(cutoffs, self.rate_hz / 2 - cutoffs).min()  # to an end of the spectrum
            tail = max(tail, math.ceil(RINGING_CYCLES * self.rate_hz / nearest_hz))
        if self.masking:
            tail += math.ceil(EDGE_RINGS_S * self.rate_hz)
        size = fft_size(waves.shape[1] + tail)
        spectrum = torch.fft.rfft(waves, n=size)
        if equalized:
            spectrum = apply_equalizer(spectrum, drawn.high_pass_hz, drawn.low_pass_hz, self.rate_hz, size)
        if self._reverb is not None:
            dry_level = self.spec.dry_level
            spectrum *= self._reverb.response(drawn.room_size, drawn.wet_level, dry_level, size, waves.device)
        if self.masking:
            spectrum = apply_stop_bands(spectrum, drawn.band_masks, self.rate_hz, size)
        return torch.fft.irfft(spectrum, n=size)[:, : waves.shape[1]]


def fft_size(at_least: int) -> int:
    """One of few sizes: even, without prime factors above 5, four an octave."""
    octaves = math.ceil(FFT_SIZES_PER_OCTAVE * math.log2(at_least)) / FFT_SIZES_PER_OCTAVE
    return 2 * scipy.fft.next_fast_len(math.ceil(2**octaves / 2), real=True)


def apply_stretch(
    waves: Tensor, samples: np.ndarray, rates: np.ndarray, window_samples: int = VOCODER_SAMPLES
) -> tuple[Tensor, np.ndarray]:
    """Changes the tempo and keeps the pitch, by a phase vocoder (Hann windows, a quarter of one apart).

    As torchaudio's and librosa's: magnitudes are interpolated between frames, phases advance as they do
    between the frames that surround them. exp(i phase) is a running product of unit phasors, so no angle is
    ever unwrapped. Gives waves and lengths, which the rates divide; `window_samples` is a multiple of 4.
    """
    window = torch.hann_window(window_samples, dtype=torch.float64).to(waves, non_blocking=True)
    hop, half = window_samples // VOCODER_OVERLAP, window_samples // 2
    frames_in = samples // hop + 1
    frames_out = np.ceil(frames_in / rates).astype(np.int64)
    spectrum = torch.fft.rfft(F.pad(waves, (half, half)).unfold(1, window_samples, hop) * window)
    # Two empty frames past the last, as torchaudio has them: the magnitude ends on zero.
    spectrum = F.pad(spectrum * _inside(spectrum, frames_in)[..., None], (0, 0, 0, 2))
    phase = spectrum.sgn()
    phase = torch.where(phase == 0, 1, phase)
    magnitude = (spectrum * phase.conj()).real

    times = np.arange(frames_out.max()) * rates[:, None]
    before = np.minimum(times.astype(np.int64), frames_in[:, None] - 1)
    weight = torch.from_numpy(times - before).to(waves, non_blocking=True)[..., None]
    rows = send((before + np.arange(len(samples))[:, None] * spectrum.shape[1]).ravel(), waves.device)

    def at(values: Tensor, later: int) -> Tensor:
        return values.flatten(0, 1).index_select(0, rows + later).view(len(samples), -1, values.shape[2])

    written = _inside(weight, frames_out)
    advance = at(phase, 1) * at(phase, 0).conj()
    phasor = torch.cat([phase[:, :1], advance[:, :-1]], dim=1).cumprod(dim=1).sgn()
    mixed = torch.lerp(at(magnitude, 0), at(magnitude, 1), weight) * phasor
    frames = torch.fft.irfft(mixed, n=window_samples) * window * written[..., None]

    # Overlapping frames fall into blocks of a hop; a clip's weights count its own frames only.
    blocks = F.pad(frames, (0, 0, VOCODER_OVERLAP - 1, VOCODER_OVERLAP - 1)).unflatten(2, (-1, hop))
    there = F.pad(written.to(waves), (VOCODER_OVERLAP - 1, VOCODER_OVERLAP - 1))
    count = frames.shape[1] + VOCODER_OVERLAP - 1
    starts = [VOCODER_OVERLAP - 1 - part for part in range(VOCODER_OVERLAP)]
    summed = torch.stack([blocks[:, i : i + count, part] for part, i in enumerate(starts)]).sum(dim=0)
    counted = torch.stack([there[:, i : i + count] for i in starts], dim=2)
    weights = counted @ window.square().view(VOCODER_OVERLAP, hop)
    made = (summed / weights.clamp(min=1e-6)).flatten(1)[:, half:]

    stretched = np.maximum(np.round(samples / rates), 1).astype(np.int64)
    made = F.pad(made, (0, int(stretched.max()) - made.shape[1]))  # longer, or shorter
    return made * _inside(made, stretched), stretched


def _inside(waves: Tensor, samples: np.ndarray) -> Tensor:
    """Bool [clips, longest]: before each clip's end (in samples or frames, whatever dimension 1 holds)."""
    return torch.arange(waves.shape[1], device=waves.device) < _column(samples, waves)


def _column(values: np.ndarray, like: Tensor) -> Tensor:
    """Values, one a clip, as float32 [clips, 1] on the device of `like`."""
    return send(values.astype(np.float32), like.device)[:, None]


def apply_shift(waves: Tensor, by: np.ndarray) -> Tensor:
    """Moves each clip by whole samples, later if positive; what leaves at its end has still to be cut."""
    most = int(np.abs(by).max(initial=0))
    first = send(most - by, waves.device)[:, None]
    return cut(F.pad(waves, (most, most)), first, waves.shape[1])[:, 0]


def cut(waves: Tensor, first: Tensor, size: int) -> Tensor:
    """Pieces of each clip from its samples `first`, int64 [clips, pieces]: [clips, pieces, size]."""
    clips, width = waves.shape
    everywhere = waves.contiguous().as_strided((clips * width - size + 1, size), (1, 1))
    rows = first + width * torch.arange(clips, device=waves.device)[:, None]
    return everywhere.index_select(0, rows.flatten()).view(clips, -1, size)


def apply_fade(waves: Tensor, samples: np.ndarray, fade_in: np.ndarray, fade_out: np.ndarray) -> Tensor:
    """Fades clips in and out over so many samples, the n-th of k by (n + 1/2) / k."""
    at = torch.arange(waves.shape[1], device=waves.device) + 0.5
    # Over half a sample, a ramp is over before its first one.
    rising = at / _column(np.maximum(fade_in, 0.5), waves)
    falling = (_column(samples, waves) - at) / _column(np.maximum(fade_out, 0.5), waves)
    return waves * torch.minimum(rising, falling).clamp_(0, 1)


@functools.lru_cache(maxsize=32)
def _butterworth_tables(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """What every Butterworth filter of the order shares, at the bins of an FFT.

    With t = tan(w / 2) / tan(cut-off / 2), a low-pass is 1 / P(jt), P(s) = sum of a_k s^k, and a high-pass
    (jt)^9 / P(jt). Multiplied by cos^9(w / 2), each is a sum of products of one factor a bin and one a clip:
    a_k j^k sin^k cos^(9-k), float32 [10, 2 * bins] (real and imaginary parts in turn), is given, and the
    product of both numerators, j^9 sin^9 cos^9, complex64 [bins].
    """
    order = BUTTERWORTH_ORDER
    poles = np.exp(1j * np.pi * (2 * np.arange(1, order + 1) + order - 1) / (2 * order))
    coefficients = np.real(np.poly(poles))[:, None]  # palindromic: a_k is a_(9-k)
    half = np.pi * np.arange(size // 2 + 1) / size
    sine, cosine, powers = np.sin(half), np.cos(half), np.arange(order + 1)[:, None]
    terms = coefficients * 1j**powers * sine**powers * cosine ** (order - powers)
    numerator = (1j * sine * cosine) ** order
    terms = terms.astype(np.complex64).view(np.float32)
    return send(terms, device), send(numerator.astype(np.complex64), device)


def apply_equalizer(
    spectrum: Tensor, high_pass_hz: np.ndarray, low_pass_hz: np.ndarray, rate_hz: int, size: int
) -> Tensor:
    """Filters spectra of an FFT of `size`, in place: Butterworths of order 9 (§5.2), as scipy's."""
    terms, numerator = _butterworth_tables(size, spectrum.device)
    powers = np.arange(BUTTERWORTH_ORDER + 1)
    high = np.tan(np.pi * high_pass_hz / rate_hz)[:, None] ** (BUTTERWORTH_ORDER - powers)
    low = np.tan(np.pi * low_pass_hz / rate_hz)[:, None] ** -powers
    both = send(np.stack([high, low]).astype(np.float32), spectrum.device) @ terms
    first, second = torch.view_as_complex(both.view(2, len(spectrum), -1, 2))
    return spectrum.mul_(numerator).div_(first.mul_(second))


def stripes(
    width: np.ndarray, of: np.ndarray | int, place: np.ndarray, cells: int, device: torch.device
) -> Tensor:
    """Whether cells lie in one of the stripes [clips, masks] within the first `of`, bool [clips, cells]."""
    at = torch.arange(cells, device=device)
    first = np.floor(place * (of - width + 1))
    edges = send(np.stack([first, first + width]).astype(np.int64), device)[..., None]
    return ((at >= edges[0]) & (at < edges[1])).any(dim=1)


def band_edges_hz() -> np.ndarray:
    """Where neighbours of the 64 mel bands (Slaney's scale) meet, float64 [65].

    Half-way between their filters' centres, where both triangles are at half their height.
    """
    lowest, highest = BANDS_HZ[0] * 3 / 200, 15 + 27 * math.log(BANDS_HZ[1] / 1000, 6.4)
    mels = np.linspace(lowest, highest, MEL_BANDS + 2)
    hertz = np.where(mels < 15, mels * 200 / 3, 1000 * 6.4 ** ((mels - 15) / 27))
    return (hertz[:-1] + hertz[1:]) / 2


@functools.lru_cache(maxsize=32)
def _edge_tables(size: int, rate_hz: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Of each bin of an FFT the nearest edge, int64 [bins], and how far above it is, float32 from 0 to 1."""
    edges, hertz = band_edges_hz(), np.arange(size // 2 + 1) * rate_hz / size
    nearest = np.searchsorted((edges[:-1] + edges[1:]) / 2, hertz)
    above = scipy.special.ndtr((hertz - edges[nearest]) / EDGE_HZ)
    return send(nearest, device), send(above.astype(np.float32), device)


def apply_stop_bands(spectrum: Tensor, masks: np.ndarray, rate_hz: int, size: int) -> Tensor:
    """Takes stripes of mel bands, float64 [clips, masks, 2], out of spectra of an FFT of `size`, in place.

    A clip's are the bands that are blanked on log-mel. Edges are soft (half at the edge itself): a hard one
    would ring on for longer than any FFT and come round to the clip's start.
    """
    nearest, above = _edge_tables(size, rate_hz, spectrum.device)
    stopped = stripes(masks[..., 0], MEL_BANDS, masks[..., 1], MEL_BANDS, spectrum.device)
    gains = F.pad((~stopped).float(), (1, 1), value=1.0)  # below the lowest and above the highest all is kept
    # A fifth of the time of gains[:, nearest] on a CPU.
    below_edge, above_edge = gains.index_select(1, nearest), gains.index_select(1, nearest + 1)
    return spectrum.mul_(below_edge.lerp_(above_edge, above))


class PinkNoise:
    """Pink noise (1/f power from 20 Hz up) to cut pieces from, the same on every device."""

    def __init__(self, rate_hz: int, seed: int, longest: int = 0, device: str = "cpu") -> None:
        """Makes the noise of a seed, at least eight times as long as the `longest` clip."""
        size = max(NOISE_BANK_SAMPLES, 1 << (8 * longest).bit_length())
        pink, self.energy = _pink(rate_hz, seed, size)
        self.samples = torch.from_numpy(pink).to(device)

    def cut(self, place: np.ndarray, samples: np.ndarray, longest: int) -> tuple[Tensor, np.ndarray]:
        """Pieces from places in [0, 1), float32 [clips, longest], and the power of each over its clip."""
        # The last quarter is for pieces to end in: a vocoder may double a clip.
        first = np.floor(place * (len(self.samples) * 3 // 4)).astype(np.int64)
        power = (self.energy[first + samples] - self.energy[first]) / samples
        pieces = self.samples.unfold(0, longest, 1).index_select(0, send(first, self.samples.device))
        return pieces, np.maximum(power, MIN_NOISE_POWER)


@functools.lru_cache(maxsize=2)  # 24 MB each and 0.15 s: the next run's loader has the same, mostly
def _pink(rate_hz: int, seed: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise, float32 [size], and, one longer, the sum of its squares up to each sample: not to be changed."""
    white = streams.stream(streams.NOISE_BANK, seed, 0).standard_normal(size, dtype=np.float32)
    spectrum = scipy.fft.rfft(white)
    hertz = scipy.fft.rfftfreq(size, 1 / rate_hz)
    shape = np.sqrt(NOISE_FROM_HZ / np.maximum(hertz, NOISE_FROM_HZ)) * (hertz >= NOISE_FROM_HZ)
    pink = scipy.fft.irfft(spectrum * shape.astype(np.float32), n=size)
    pink = (pink / pink.std()).astype(np.float32)
    return pink, np.concatenate([[0.0], np.cumsum(np.square(pink, dtype=np.float64))])


def apply_noise(
    waves: Tensor, samples: np.ndarray, snr_db: np.ndarray, place: np.ndarray, noise: PinkNoise
) -> Tensor:
    """Adds noise at a ratio to each clip's own power, both over its length; a silent clip stays silent."""
    pieces, power = noise.cut(place, samples, waves.shape[1])
    speech = (waves.square() * _inside(waves, samples)).sum(dim=1, keepdim=True) / _column(samples, waves)
    gain = (speech * _column(10 ** (-snr_db / 10) / power, waves)).sqrt()
    return torch.addcmul(waves, pieces, gain)
