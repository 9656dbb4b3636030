"""The augmentations: draws as data, and each effect against a reference that is not ours.

scipy's Butterworth filters, torchaudio's phase vocoder, Rubber Band (in pedalboard), pedalboard's reverb, and
numpy where the effect is a few lines of it. Bounds in dB are energies of the difference over the energy of
what is wanted; each leaves a few dB to what was measured.
"""

import dataclasses
import functools
import itertools
import math

import numpy as np
import pedalboard
import pytest
import scipy.signal
import scipy.stats
import torch
import torchaudio

from serkit import augment
from serkit.augment import (
    NOISE_BANK_SAMPLES,
    NOISE_FROM_HZ,
    Augmenting,
    Chain,
    Draw,
    PinkNoise,
    apply_equalizer,
    apply_fade,
    apply_noise,
    apply_shift,
    apply_stretch,
    fft_size,
)
from serkit.effects import ALLOWED, EFFECTS, SETTINGS_OF, Augmentation
from serkit.encoders.cnn14.logmel import MEL_BANDS, NAMED, LogMel, masked_cells
from tests.speech import RATE_HZ, off_by_db, padded, spoken

CPU = torch.device("cpu")
SPEC = Augmentation()
ON_WAVE = tuple(effect for effect in EFFECTS if effect != "specaugment")

# Said of paper-rebuilt's empty mel bands, which tests/encoders/test_logmel.py holds.
pytestmark = [
    pytest.mark.filterwarnings("ignore:At least one mel filterbank"),
    pytest.mark.usefixtures("one_thread"),
]


@functools.cache
def chain_of(spec, rate_hz=RATE_HZ, longest=40_000, on_waves=False):
    """Chains are kept: two minutes of noise take a third of a second."""
    return Chain(spec, rate_hz, 0, longest, "cpu", on_waves)


def only(*effects, **settings):
    return Augmentation(effects=effects, **settings)


def drawn_for(clips, spec=SPEC, percent=100, seed=0, epoch=0):
    return augment.draw(Augmenting(spec, percent), seed, epoch, clips)


def same_draws(one, other, but=()):
    names = [field.name for field in dataclasses.fields(Draw) if field.name not in but]
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@pytest.fixture(scope="module")
def noise():
    return PinkNoise(RATE_HZ, 0)


@pytest.fixture
def speech():
    """Five clips of different lengths: waves and lengths."""
    return padded([spoken(0), spoken(1, samples=9000), spoken(2), spoken(3, samples=16_001), spoken(4)])


# --- draws ---

DRAWS = 10_000


@pytest.fixture(scope="module")
def many():
    return drawn_for(DRAWS)


def test_a_draw_is_a_matter_of_seed_epoch_and_clip_alone(many):
    np.random.seed(1)  # noqa: NPY002  (the global state must not matter)
    assert same_draws(drawn_for(DRAWS), many)
    for clips in (1, 77):
        assert same_draws(drawn_for(clips), many[:clips])


@pytest.mark.parametrize("percent", [0, 20, 50, 70])
def test_the_rate_moves_no_parameter(many, percent):
    assert same_draws(drawn_for(DRAWS, percent=percent), many, but=["affected"])


@pytest.mark.parametrize("effect", EFFECTS)
def test_an_effect_switched_off_moves_no_other(many, effect):
    others = only(*(name for name in EFFECTS if name != effect))
    assert same_draws(drawn_for(DRAWS, others), many)
    assert same_draws(drawn_for(DRAWS, only(effect)), many)


@pytest.mark.parametrize(
    ("changed", "moved"),
    [
        ({"stretch_rate": (1, 2)}, ["stretch_rate"]),
        ({"shift_share": (0, 0.5)}, ["shift_share"]),
        ({"fade_share": (0.5, 1)}, ["fade_in_share", "fade_out_share"]),
        ({"high_pass_hz": (50, 60)}, ["high_pass_hz"]),
        ({"low_pass_hz": (5000, 6000)}, ["low_pass_hz"]),
        ({"room_size": (0.5, 1)}, ["room_size"]),
        ({"wet_level": (0.5, 1)}, ["wet_level"]),
        ({"noise_snr_db": (0, 5)}, ["noise_snr_db"]),
        ({"time_masks": 3}, ["time_masks"]),
        ({"band_masks": 0}, ["band_masks"]),
        ({"mask_bands": (2, 4)}, ["band_masks"]),
        ({"dry_level": 1}, []),
        ({"stretch_method": "vocoder"}, []),
    ],
)
def test_a_setting_moves_its_own_parameter_alone(many, changed, moved):
    drawn = drawn_for(DRAWS, Augmentation(**changed))
    assert same_draws(drawn, many, but=moved)
    for name in moved:
        assert not np.array_equal(getattr(drawn, name), getattr(many, name))


def test_each_epoch_and_each_seed_draws_afresh(many):
    for other in (drawn_for(DRAWS, epoch=1), drawn_for(DRAWS, seed=1), drawn_for(DRAWS, seed=1, epoch=1)):
        assert not np.intersect1d(other.stretch_rate, many.stretch_rate).size
        assert abs(scipy.stats.spearmanr(other.stretch_rate, many.stretch_rate).statistic) < 0.04
    half, next_half = drawn_for(DRAWS, percent=50), drawn_for(DRAWS, percent=50, epoch=1)
    assert 0.47 < (half.affected == next_half.affected).mean() < 0.53


def test_clips_affected_at_a_lower_rate_are_among_those_of_a_higher():
    affected = [drawn_for(DRAWS, percent=percent).affected for percent in (0, 20, 50, 70, 100)]
    for fewer, more in itertools.pairwise(affected):
        assert not (fewer & ~more).any()
        assert fewer.sum() < more.sum()
    assert not affected[0].any()
    assert affected[-1].all()


@pytest.mark.parametrize("percent", [1, 20, 50, 70, 99])
def test_as_many_clips_are_affected_as_asked(percent):
    for epoch in range(3):
        affected = int(drawn_for(DRAWS, percent=percent, epoch=epoch).affected.sum())
        assert scipy.stats.binomtest(affected, DRAWS, percent / 100).pvalue > 0.001


def test_some_clips_of_a_draw(many):
    rows = np.array([5, 3, 9000])
    some = many[rows]
    assert len(some) == 3
    assert isinstance(some, Draw)
    for field in dataclasses.fields(Draw):
        np.testing.assert_array_equal(getattr(some, field.name), getattr(many, field.name)[rows])
    assert same_draws(many[2:4], many[np.array([2, 3])])
    assert drawn_for(0)[np.array([], dtype=int)].stretch_rate.shape == (0,)


UNIFORM = {
    "stretch_rate": (lambda drawn: drawn.stretch_rate, 0.9, 1.2),
    "shift_share": (lambda drawn: drawn.shift_share, -0.1, 0.1),
    "fade_share": (lambda drawn: drawn.fade_in_share + drawn.fade_out_share, 0, 0.1),
    "fade_split": (lambda drawn: drawn.fade_in_share / (drawn.fade_in_share + drawn.fade_out_share), 0, 1),
    "octaves of high_pass_hz": (lambda drawn: np.log2(drawn.high_pass_hz), math.log2(20), math.log2(300)),
    "octaves of low_pass_hz": (lambda drawn: np.log2(drawn.low_pass_hz), math.log2(3400), math.log2(7600)),
    "room_size": (lambda drawn: drawn.room_size, 0, 0.2),
    "wet_level": (lambda drawn: drawn.wet_level, 0, 0.5),
    "noise_snr_db": (lambda drawn: drawn.noise_snr_db, 10, 30),
    "noise_place": (lambda drawn: drawn.noise_place, 0, 1),
    "time_mask_share": (lambda drawn: drawn.time_masks[..., 0].ravel(), 0, 0.1),
    "time_mask_place": (lambda drawn: drawn.time_masks[..., 1].ravel(), 0, 1),
    "band_mask_place": (lambda drawn: drawn.band_masks[..., 1].ravel(), 0, 1),
}


@pytest.mark.parametrize("name", UNIFORM)
def test_parameters_are_uniform_from_end_to_end(many, name):
    of, least, most = UNIFORM[name]
    values = of(many)
    spread = most - least
    assert (values > least - 1e-12).all()
    assert (values < most + 1e-12).all()
    assert values.min() < least + 1e-3 * spread  # missed by 1 set of draws in 20,000
    assert values.max() > most - 1e-3 * spread
    assert scipy.stats.kstest(values, scipy.stats.uniform(least, spread).cdf).pvalue > 0.001


def test_every_number_of_masked_bands_is_as_likely(many):
    counts = np.unique_counts(many.band_masks[..., 0])
    assert counts.values.tolist() == list(range(9))
    assert scipy.stats.chisquare(counts.counts).pvalue > 0.001


def test_parameters_know_nothing_of_one_another(many):
    columns = [drawn_for(DRAWS, percent=50).affected.astype(float)]
    columns += [of(many) for of, _, _ in UNIFORM.values() if len(of(many)) == DRAWS]
    columns += [*many.time_masks.reshape(DRAWS, 4).T, *many.band_masks.reshape(DRAWS, 4).T]
    correlation = np.corrcoef(columns) - np.eye(len(columns))
    assert np.abs(correlation).max() < 0.04  # four standard errors


# --- stretch: the vocoder ---


def torchaudios(wave, rate, dtype=torch.float64):
    """The clip stretched by torchaudio's phase vocoder, with 64 ms Hann windows a quarter of it apart."""
    window = torch.hann_window(1024, dtype=dtype)
    spectrum = torch.stft(
        torch.as_tensor(wave, dtype=dtype), 1024, 256, window=window, pad_mode="constant", return_complex=True
    )
    advance = torch.linspace(0, torch.pi * 256, 513, dtype=dtype)[:, None]
    stretched = torchaudio.functional.phase_vocoder(spectrum, rate, advance)
    return torch.istft(stretched, 1024, 256, window=window, length=round(len(wave) / rate))


def stretched(wave, rate, dtype=torch.float32):
    """One clip by ours."""
    waves = torch.as_tensor(wave, dtype=dtype)[None]
    return apply_stretch(waves, np.array([len(wave)]), np.array([rate]))[0][0]


def magnitudes(wave):
    return np.abs(scipy.signal.stft(wave, nperseg=1024, noverlap=768)[2])


# Drawn, as a run's are; at round ones such as 1.2 a frame may fall on either side of another one's place, and
# from there on two implementations differ.
RATES = np.random.default_rng(0).uniform(0.9, 1.2, 12)


@pytest.mark.parametrize("clip", range(6))
def test_the_vocoder_is_torchaudios(clip):
    wave = spoken(clip)
    for rate in (*RATES[2 * clip : 2 * clip + 2], 1.0):
        assert off_by_db(stretched(wave, rate, torch.float64), torchaudios(wave, rate)) < -200


@pytest.mark.parametrize("rate", [0.5123, 0.7654, 1.5432, 1.9876])
def test_the_vocoder_is_torchaudios_at_any_allowed_rate(rate):
    wave = spoken(7)
    assert off_by_db(stretched(wave, rate, torch.float64), torchaudios(wave, rate)) < -200


@pytest.mark.parametrize("samples", [1, 2, 31, 255, 256, 257, 1023, 1025, 2000])
def test_the_vocoder_is_torchaudios_on_short_clips(samples):
    wave = np.random.default_rng(samples).standard_normal(samples)
    for rate in (0.93, 1.13):
        assert off_by_db(stretched(wave, rate, torch.float64), torchaudios(wave, rate)) < -200


def test_after_digital_silence_the_vocoders_magnitudes_are_torchaudios():
    """Silence has no phase to go on from, so waves may differ."""
    wave = spoken(3).copy()
    wave[8000:12_000] = 0
    for rate in RATES[:3]:
        ours, theirs = stretched(wave, rate, torch.float64), torchaudios(wave, rate)
        assert off_by_db(magnitudes(ours), magnitudes(theirs)) < -60


def test_the_vocoder_in_float32():
    """The phase of what is next to nothing is arbitrary, and may come to matter; torchaudio's differ more."""
    errors, theirs = [], []
    for clip, rate in enumerate(RATES):
        wave = spoken(clip)
        exact = stretched(wave, rate, torch.float64)
        errors.append(off_by_db(stretched(wave, rate), exact))
        theirs.append(off_by_db(torchaudios(wave, rate, torch.float32), exact))
    assert np.median(errors) < -100
    assert np.max(errors) < -50
    assert np.median(errors) < np.median(theirs) - 25


def test_the_vocoder_at_rate_1_gives_the_clip_back():
    assert off_by_db(stretched(spoken(5), 1.0), spoken(5)) < -130


@pytest.mark.parametrize("rate", [0.9, 1.2])
@pytest.mark.parametrize("hertz", [200, 1000, 3000])
def test_a_tone_keeps_its_pitch_and_changes_its_length(hertz, rate):
    at = np.arange(RATE_HZ) / RATE_HZ
    made = stretched(
        0.5 * np.sin(2 * np.pi * hertz * at) * np.clip(np.minimum(at, 1 - at) / 0.1, 0, 1), rate
    ).numpy()
    assert len(made) == round(RATE_HZ / rate)
    middle = made[2500:-2500]
    power = np.abs(np.fft.rfft(middle * np.hanning(len(middle)), n=1 << 18))
    assert power.argmax() * RATE_HZ / (1 << 18) == pytest.approx(hertz, abs=0.1)
    # At 0.9, torchaudio's and ours lose 0.55 dB of a tone: its first frame is half padding, and counts twice.
    assert 20 * np.log10(np.sqrt(2 * np.square(middle).mean()) / 0.5) == pytest.approx(0, abs=0.7)


def test_stretched_lengths(speech):
    waves, samples = speech
    rates = np.array([0.9, 0.95, 1.0, 1.1, 1.2])
    made, lengths = apply_stretch(waves, samples, rates)
    np.testing.assert_array_equal(lengths, np.round(samples / rates))
    assert lengths.dtype == np.int64
    assert made.shape == (5, lengths.max())
    for wave, length in zip(made, lengths, strict=True):
        assert not wave[length:].any()
        assert wave[length - 100 : length].any()


def test_the_vocoder_leaves_silence_alone():
    assert not apply_stretch(torch.zeros(2, 9000), np.array([9000, 5000]), np.array([1.1, 0.9]))[0].any()


# --- stretch: in the log-mel spectrogram ---


def logmel_of(wave, rate=None, front_end="paper-rebuilt"):
    waves, samples = padded([wave])
    rates = None if rate is None else np.array([rate])
    return LogMel(NAMED[front_end])(waves, samples, rates)[0][0].numpy()


def decibels_apart(logmel, wanted):
    """Mean absolute difference of the live bands where both are within 60 dB of the loudest cell."""
    live = NAMED["paper-rebuilt"].mel_matrix().any(dim=0).numpy()
    frames = min(len(logmel), len(wanted))
    logmel, wanted = logmel[:frames, live], wanted[:frames, live]
    loud = np.minimum(logmel, wanted) > wanted.max() - 60
    return np.abs(logmel - wanted)[loud].mean()


@pytest.mark.parametrize(("rate", "most_db"), [(0.9, 1.5), (1.0, 0.05), (1.1, 1.5), (1.2, 1.5)])
def test_a_stretched_spectrogram_is_near_a_good_time_scalers(rate, most_db):
    """Rubber Band's in high quality, which has no delay; torchaudio's vocoder is more than twice as far."""
    ours, vocoder = [], []
    for wave in (spoken(0), spoken(1), spoken(5), spoken(7)):
        wanted = logmel_of(pedalboard.time_stretch(wave, RATE_HZ, stretch_factor=rate)[0])
        ours.append(decibels_apart(logmel_of(wave, rate), wanted))
        vocoder.append(decibels_apart(logmel_of(torchaudios(wave, rate)), wanted))
    assert np.mean(ours) < most_db
    if rate != 1:
        assert np.mean(ours) < np.mean(vocoder) / 2


def test_each_spectrogram_of_a_batch_has_its_own_rate(speech):
    waves, samples = speech
    rates = np.array([0.9, 1.0, 1.1, 1.2, 1.0])
    for name, front_end in NAMED.items():
        logmels, frames = LogMel(front_end)(waves, samples, rates)
        heard = np.maximum(samples, front_end.min_samples_at(rates))
        np.testing.assert_array_equal(frames, heard // (front_end.hop_samples * rates) + 1)
        for row, (logmel, count, rate) in enumerate(zip(logmels, frames, rates, strict=True)):
            alone = logmel_of(waves[row, : samples[row]], None if rate == 1 else rate, name)
            assert len(alone) == count
            np.testing.assert_allclose(logmel[:count], alone, atol=0 if rate == 1 else 1e-3)


# --- shift ---


@pytest.mark.parametrize("share", [-0.5, -0.1, -1e-5, 0.0, 0.0001, 0.1, 0.5])
def test_a_shift_moves_a_clip_within_its_length(speech, share):
    waves, samples = speech
    shares = share * np.array([1, 0.9, 0.5, 0.1, 0])
    by = np.round(samples * shares).astype(np.int64)
    np.testing.assert_array_equal(by, np.round(samples * shares))
    moved = apply_fade(apply_shift(waves, by), samples, np.zeros(5), np.zeros(5))
    for before, after, length, steps in zip(waves.numpy(), moved, samples, by, strict=True):
        wanted = np.roll(before[:length], steps)
        wanted[: max(steps, 0)] = 0
        wanted[length + min(steps, 0) :] = 0
        np.testing.assert_array_equal(after[:length], wanted)
        assert not after[length:].any()


def test_a_shift_by_more_than_a_clip_leaves_nothing_of_it():
    waves, samples = padded([np.ones(3), np.ones(50)])
    moved = apply_fade(apply_shift(waves, np.array([-20, 20])), samples, np.zeros(2), np.zeros(2))
    assert moved.sum(dim=1).tolist() == [0, 30]


# --- fade ---


def test_fades_are_linear_ramps_at_the_ends(speech):
    waves, samples = speech
    ends = np.array([[0, 0], [1, 700], [1600, 0], [2, 1], [500, 1200]], dtype=float)
    faded = apply_fade(waves, samples, *ends.T)
    for before, after, length, (rise, fall) in zip(
        waves.numpy(), faded.numpy(), samples, ends.astype(int), strict=True
    ):
        gains = np.ones(length)
        gains[:rise] = np.linspace(0, 1, rise, endpoint=False) + 0.5 / max(rise, 1)
        gains[length - fall :] = 1 - np.linspace(0, 1, fall, endpoint=False) - 0.5 / max(fall, 1)
        np.testing.assert_allclose(after[:length], gains * before[:length], atol=1e-7)
        np.testing.assert_array_equal(after[rise : length - fall], before[rise : length - fall])
        assert not after[length:].any()


def test_no_fade_is_no_change(speech):
    waves, samples = speech
    assert torch.equal(apply_fade(waves, samples, np.zeros(5), np.zeros(5)), waves)


def test_fades_take_a_tenth_of_a_clip_at_most():
    """Of clips of 1 to 5000 samples at full level: what is turned down is as long as drawn."""
    samples = np.random.default_rng(0).integers(1, 5000, 300)
    waves, _ = padded([np.ones(length) for length in samples])
    drawn = drawn_for(300, only("fade"))
    faded, _ = chain_of(only("fade"))(waves, samples, drawn)
    touched = ((faded != waves).sum(dim=1)).numpy()
    rise, fall = (np.floor(samples * share) for share in (drawn.fade_in_share, drawn.fade_out_share))
    np.testing.assert_array_equal(touched, rise + fall)
    assert (touched <= 0.1 * samples).all()
    assert touched.max() > 400


# --- equalizer ---


def butterworths(wave, high_pass_hz, low_pass_hz, rate_hz=RATE_HZ):
    """The clip through scipy's filters, in float64."""
    for hertz, kind in ((high_pass_hz, "highpass"), (low_pass_hz, "lowpass")):
        sections = scipy.signal.butter(9, hertz, kind, output="sos", fs=rate_hz)
        wave = scipy.signal.sosfilt(sections, np.asarray(wave, dtype=np.float64))
    return wave


def equalized(wave, high_pass_hz, low_pass_hz, rate_hz=RATE_HZ):
    """One clip by ours, in a chain that has these cut-offs only."""
    spec = only(
        "equalizer", high_pass_hz=(high_pass_hz, high_pass_hz), low_pass_hz=(low_pass_hz, low_pass_hz)
    )
    waves, samples = padded([wave])
    return chain_of(spec, rate_hz)(waves, samples, drawn_for(1, spec))[0][0].numpy()


both_rates = pytest.mark.parametrize("rate_hz", [16_000, 32_000])


@both_rates
@pytest.mark.parametrize(
    ("high_pass_hz", "low_pass_hz"), [(20, 3400), (20, 7600), (300, 3400), (300, 7600), (77, 5000)]
)
def test_filtered_clips_are_scipys(rate_hz, high_pass_hz, low_pass_hz):
    for clip in range(3):
        wave = spoken(clip)
        made = equalized(wave, high_pass_hz, low_pass_hz, rate_hz)
        assert off_by_db(made, butterworths(wave, high_pass_hz, low_pass_hz, rate_hz)) < -114


@both_rates
@pytest.mark.parametrize("high_pass_hz", [5, 20, 300, 1000])
@pytest.mark.parametrize("low_pass_hz", [1000, 3400, 7900])
def test_filtered_clips_are_scipys_at_any_sensible_cut_off(rate_hz, high_pass_hz, low_pass_hz):
    """Against the clip's own energy: where the filters leave little, rounding is all there is."""
    wave = spoken(3)
    made = equalized(wave, high_pass_hz, low_pass_hz, rate_hz)
    error = made - butterworths(wave, high_pass_hz, low_pass_hz, rate_hz)
    assert 10 * np.log10(np.square(error).sum() / np.square(wave).sum()) < -114


@both_rates
@pytest.mark.parametrize(("high_pass_hz", "low_pass_hz"), [(20, 3400), (300, 7600), (77, 5000)])
def test_the_response_is_scipys(rate_hz, high_pass_hz, low_pass_hz):
    size = fft_size(2 * rate_hz)
    ones = torch.ones(1, size // 2 + 1, dtype=torch.complex64)
    made = apply_equalizer(ones, np.array([high_pass_hz]), np.array([low_pass_hz]), rate_hz, size)[0]
    hertz = np.arange(size // 2 + 1) * rate_hz / size
    wanted = 1
    for cutoff_hz, kind in ((high_pass_hz, "highpass"), (low_pass_hz, "lowpass")):
        sections = scipy.signal.butter(9, cutoff_hz, kind, output="sos", fs=rate_hz)
        wanted = wanted * scipy.signal.sosfreqz(sections, hertz, fs=rate_hz)[1]
    np.testing.assert_allclose(made, wanted, atol=1e-5)


def level_db(hertz, high_pass_hz, low_pass_hz, rate_hz):
    """What a tone's level changes by, after half a second."""
    tone = 0.5 * np.sin(2 * np.pi * hertz * np.arange(rate_hz) / rate_hz).astype(np.float32)
    made = equalized(tone, high_pass_hz, low_pass_hz, rate_hz)
    settled = slice(rate_hz // 2, None)
    return 10 * np.log10(np.square(made[settled]).sum() / np.square(tone[settled]).sum())


@both_rates
def test_the_equalizer_passes_what_lies_between_the_cut_offs(rate_hz):
    for hertz in (100, 500, 1000, 2500):
        assert level_db(hertz, 50, 3400, rate_hz) == pytest.approx(0, abs=0.1)


@both_rates
def test_the_equalizer_removes_what_lies_outside(rate_hz):
    """54 dB an octave."""
    assert level_db(130, 300, 3400, rate_hz) < -60
    assert level_db(7400, 300, 3400, rate_hz) < -60


@both_rates
def test_the_equalizer_halves_power_at_its_cut_offs(rate_hz):
    for hertz, cutoffs in ((300, (300, 7600)), (120, (120, 7600)), (3400, (20, 3400)), (5000, (20, 5000))):
        assert level_db(hertz, *cutoffs, rate_hz) == pytest.approx(10 * math.log10(0.5), abs=0.02)


def test_a_click_at_the_end_does_not_come_round_to_the_start():
    wave = np.zeros(1000, dtype=np.float32)
    wave[-1] = 1
    for cutoffs in ((20, 3400), (300, 7600)):
        assert np.abs(equalized(wave, *cutoffs)[:-20]).max() < 1e-6


# --- equalizer and reverb ---


def test_equalizer_and_reverb_are_scipys_and_pedalboards(speech):
    """One product of spectra against one filter after another."""
    spec = only("equalizer", "reverb")
    waves, samples = speech
    for epoch in range(4):
        drawn = drawn_for(5, spec, epoch=epoch)
        made, _ = chain_of(spec)(waves, samples, drawn)
        for row, length in enumerate(samples):
            filtered = butterworths(waves[row, :length], drawn.high_pass_hz[row], drawn.low_pass_hz[row])
            reverb = pedalboard.Reverb(
                room_size=drawn.room_size[row], wet_level=drawn.wet_level[row], dry_level=0.4
            )
            assert off_by_db(made[row, :length], reverb(filtered.astype(np.float32), RATE_HZ)) < -95


# --- noise ---


@pytest.mark.parametrize("seed", range(3))
def test_noise_falls_by_10_db_a_decade(seed, noise):
    """Each third of an octave weighs the same."""
    samples = (noise if seed == 0 else PinkNoise(RATE_HZ, seed)).samples.numpy()
    hertz, density = scipy.signal.welch(samples, RATE_HZ, nperseg=16_384)
    edges = np.geomspace(50, 7000, 22)
    inside = [(hertz >= low) & (hertz < high) for low, high in itertools.pairwise(edges)]
    middle = [np.log10(hertz[bins]).mean() for bins in inside]
    level = [10 * np.log10(density[bins].mean()) for bins in inside]
    slope, offset = np.polyfit(middle, level, 1)
    assert slope == pytest.approx(-10, abs=0.1)
    np.testing.assert_allclose(level, slope * np.array(middle) + offset, atol=0.3)


def test_no_noise_below_20_hz(noise):
    power = np.square(np.abs(np.fft.rfft(noise.samples.numpy().astype(np.float64))))
    hertz = np.fft.rfftfreq(len(noise.samples), 1 / RATE_HZ)
    assert power[hertz < NOISE_FROM_HZ].sum() < 1e-15 * power.sum()
    assert power[(hertz >= NOISE_FROM_HZ) & (hertz < 25)].sum() > 0.03 * power.sum()


def test_noise_is_as_loud_as_asked(speech, noise):
    waves, samples = speech
    waves = torch.cat([waves, waves * 1e-6])
    samples = np.concatenate([samples, [31, 1000, 500, 16_000, 100]])
    waves = waves * (torch.arange(waves.shape[1]) < torch.from_numpy(samples)[:, None])
    random = np.random.default_rng(0)
    for _ in range(10):
        snr_db, places = random.uniform(-20, 60, 10), random.random(10)
        noisy = apply_noise(waves, samples, snr_db, places, noise)
        for clean, made, length, asked in zip(waves, noisy, samples, snr_db, strict=True):
            clean, made = clean[:length].double(), made[:length].double()
            measured = 10 * torch.log10(clean.square().sum() / (made - clean).square().sum())
            assert measured.item() == pytest.approx(asked, abs=0.01)


def test_the_noise_of_a_silent_clip_is_silent(noise):
    waves = torch.zeros(2, 1000)
    assert not apply_noise(waves, np.array([1000, 300]), np.full(2, 10.0), np.array([0, 0.9]), noise).any()


def test_no_two_clips_have_the_same_noise(noise):
    pieces, _ = noise.cut(np.random.default_rng(0).random(50), np.full(50, 2000), 2000)
    correlation = np.corrcoef(pieces.numpy()) - np.eye(50)
    assert np.abs(correlation).max() < 0.6  # by chance: 2000 samples of 1/f noise are few independent ones
    assert len(np.unique(pieces[:, 0].numpy())) == 50


def test_noise_is_the_same_for_a_seed_and_another_for_another(noise):
    augment._pink.cache_clear()  # made anew
    assert torch.equal(PinkNoise(RATE_HZ, 0).samples, noise.samples)
    other = PinkNoise(RATE_HZ, 1).samples
    assert abs(np.corrcoef(other, noise.samples)[0, 1]) < 0.02


def test_the_power_of_a_piece_of_noise(noise):
    samples = np.array([31, 1000, 20_000, 9])
    pieces, power = noise.cut(np.array([0, 0.3, 0.999999, 0.7]), samples, 20_000)
    wanted = [piece[:n].double().square().mean() for piece, n in zip(pieces, samples, strict=True)]
    np.testing.assert_allclose(power, wanted, rtol=1e-9)


def test_noise_is_long_enough_for_any_clip():
    """The longest, at the last place there is, and slowed down to twice its length."""
    longest = NOISE_BANK_SAMPLES // 8 + 1
    noise = PinkNoise(RATE_HZ, 0, longest)
    assert len(noise.samples) >= 8 * longest
    pieces, _ = noise.cut(np.array([0, np.nextafter(1, 0)]), np.full(2, 2 * longest), 2 * longest)
    assert pieces.shape == (2, 2 * longest)
    assert len(PinkNoise(RATE_HZ, 0, longest=160_000).samples) == NOISE_BANK_SAMPLES


def test_a_clip_of_one_sample_can_have_the_weakest_noise(noise):
    starts = NOISE_BANK_SAMPLES * 3 // 4
    place = (int(noise.samples[:starts].abs().argmin()) + 0.5) / starts
    made = apply_noise(torch.ones(1, 3), np.array([1]), np.array([10.0]), np.array([place]), noise)
    assert made.isfinite().all()


# --- SpecAugment ---


def test_a_stripe_over_time_is_whole_and_inside_the_clips_frames():
    """As wide as drawn, in one piece, over every band; at the first and the last frame of some clips."""
    frames = np.random.default_rng(0).integers(32, 400, 500)
    drawn = drawn_for(500, only("specaugment", time_masks=1, band_masks=0))
    cells = masked_cells(frames, 410, drawn, CPU).numpy()
    assert cells.shape == (500, 410, MEL_BANDS)
    stripes = cells.any(axis=2)
    np.testing.assert_array_equal(stripes, cells.all(axis=2))
    np.testing.assert_array_equal(stripes.sum(axis=1), np.round(frames * drawn.time_masks[:, 0, 0]))
    assert (np.count_nonzero(np.diff(stripes, axis=1), axis=1) <= 2).all()
    assert not (stripes & (np.arange(410) >= frames[:, None])).any()
    assert stripes[:, 0].any()
    assert stripes[np.arange(500), frames - 1].any()


def test_a_stripe_over_bands_is_whole():
    drawn = drawn_for(500, only("specaugment", time_masks=0, band_masks=1))
    cells = masked_cells(np.full(500, 40), 40, drawn, CPU).numpy()
    stripes = cells.any(axis=1)
    np.testing.assert_array_equal(stripes, cells.all(axis=1))
    np.testing.assert_array_equal(stripes.sum(axis=1), drawn.band_masks[:, 0, 0])
    assert (np.count_nonzero(np.diff(stripes, axis=1), axis=1) <= 2).all()
    assert stripes[:, 0].any()
    assert stripes[:, -1].any()


def expected_share(of, widths):
    """Share of `of` cells under two stripes: any width of the list and any place as likely."""
    once = np.zeros(of)
    for width in widths:
        for first in range(of - width + 1):
            once[first : first + width] += 1 / (of - width + 1) / len(widths)
    return 1 - np.square(1 - once).mean()


def test_as_many_cells_are_masked_as_the_ranges_say():
    """Clips of 200 frames: 0 to 20 of them twice (half as often the outer two), 0 to 8 bands twice."""
    clips, frames = 8000, 200
    cells = masked_cells(np.full(clips, frames), frames, drawn_for(clips), CPU).numpy()
    in_time, in_bands = cells.all(axis=2).mean(axis=1), cells.all(axis=1).mean(axis=1)
    time = expected_share(frames, [0, *np.repeat(np.arange(1, 20), 2), 20])
    bands = expected_share(MEL_BANDS, range(9))
    both = 1 - (1 - time) * (1 - bands)
    for share, wanted in ((in_time, time), (in_bands, bands), (cells.mean(axis=(1, 2)), both)):
        assert abs(share.mean() - wanted) < 4 * share.std() / math.sqrt(clips)
    assert in_time.max() <= 0.2
    assert in_bands.max() <= 16 / MEL_BANDS
    assert 0.15 < both < 0.25


def test_a_clip_that_is_not_affected_is_not_masked():
    drawn = drawn_for(400, percent=50)
    cells = masked_cells(np.full(400, 100), 120, drawn, CPU)
    masked = cells.any(dim=2).any(dim=1).numpy()
    assert not masked[~drawn.affected].any()
    assert masked[drawn.affected].mean() > 0.99


def test_masks_depend_on_no_other_clip():
    frames = np.array([100, 64, 32, 90])
    drawn = drawn_for(4)
    cells = masked_cells(frames, 130, drawn, CPU)
    for row, count in enumerate(frames):
        alone = masked_cells(frames[[row]], count, drawn[[row]], CPU)[0]
        assert torch.equal(cells[row, :count], alone)


# --- sizes of the FFT ---


def test_ffts_come_in_few_fast_sizes():
    asked = np.unique(np.geomspace(1, 2_000_000, 4000).astype(int))
    sizes = np.array([fft_size(int(samples)) for samples in asked])
    assert (sizes >= asked).all()
    assert (np.diff(sizes) >= 0).all()
    assert (sizes % 2 == 0).all()
    assert (sizes[asked > 1000] < 1.25 * asked[asked > 1000]).all()
    remaining = sizes.copy()
    for prime in (2, 3, 5):
        while (divisible := remaining % prime == 0).any():
            remaining = np.where(divisible, remaining // prime, remaining)
    assert (remaining == 1).all()
    assert np.unique(np.floor(np.log2(np.unique(sizes))), return_counts=True)[1].max() <= 4


# --- the chain ---

CHAINS = {
    "all": Augmentation(),
    "all, vocoder": Augmentation(stretch_method="vocoder"),
    **{effect: only(effect) for effect in EFFECTS},
    "vocoder": only("stretch", stretch_method="vocoder"),
    "all, on waves": Augmentation(),
    "specaugment, on waves": only("specaugment"),
}


def chain_named(name):
    return chain_of(CHAINS[name], on_waves="on waves" in name)


every_chain = pytest.mark.parametrize("name", CHAINS)


@every_chain
def test_a_clip_is_augmented_the_same_in_every_batch(name, speech):
    waves, samples = speech
    spec = CHAINS[name]
    drawn = drawn_for(5, spec)
    made, lengths = chain_named(name)(waves * 3, samples, drawn)
    for row in range(5):
        alone, length = chain_named(name)(3 * waves[[row], : samples[row]], samples[[row]], drawn[[row]])
        assert length == lengths[row]
        assert (made[row, : lengths[row]] - alone[0]).abs().max() < 1e-6
        assert not made[row, lengths[row] :].any()


@every_chain
def test_augmenting_is_deterministic_and_leaves_its_input(name, speech):
    waves, samples = speech
    spec = CHAINS[name]
    before, lengths_before, drawn = waves.clone(), samples.copy(), drawn_for(5, spec)
    made, lengths = chain_named(name)(waves, samples, drawn)
    again, lengths_again = chain_named(name)(waves, samples, drawn)
    assert torch.equal(made, again)
    np.testing.assert_array_equal(lengths, lengths_again)
    assert torch.equal(waves, before)
    np.testing.assert_array_equal(samples, lengths_before)
    assert same_draws(drawn, drawn_for(5, spec))


@every_chain
def test_silence_stays_silent(name):
    samples = np.array([9000, 1, 31, 4000])
    made, _ = chain_named(name)(torch.zeros(4, 9000), samples, drawn_for(4, CHAINS[name]))
    assert not made.any()


@every_chain
@pytest.mark.parametrize("samples", [1, 2, 31])
def test_the_shortest_clips(name, samples):
    wave = np.random.default_rng(samples).uniform(-1, 1, samples)
    waves, lengths = padded([wave] * 50)
    drawn = drawn_for(50, CHAINS[name])
    made, after = chain_named(name)(waves, lengths, drawn)
    rates = drawn.stretch_rate if name in ("all, vocoder", "vocoder", "all, on waves") else np.ones(50)
    assert after.tolist() == [max(1, round(samples / rate)) for rate in rates]
    assert made.shape == (50, after.max())
    assert made.isfinite().all()


def test_what_each_effect_does_alone(speech, noise):
    """A chain of one effect is that effect and nothing else."""
    waves, samples = speech
    drawn = drawn_for(5)

    def alone(name):
        return chain_of(CHAINS[name])(waves, samples, drawn)

    def cut(made):
        return apply_fade(made, samples, np.zeros(5), np.zeros(5))

    for untouched in ("stretch", "specaugment"):  # their part comes later, in the log-mel spectrogram
        assert torch.equal(alone(untouched)[0], waves)
    made, lengths = apply_stretch(waves, samples, drawn.stretch_rate)
    assert torch.equal(alone("vocoder")[0], made)
    np.testing.assert_array_equal(alone("vocoder")[1], lengths)
    by = np.round(samples * drawn.shift_share).astype(np.int64)
    assert torch.equal(alone("shift")[0], cut(apply_shift(waves, by)))
    ends = (np.floor(samples * share) for share in (drawn.fade_in_share, drawn.fade_out_share))
    assert torch.equal(alone("fade")[0], apply_fade(waves, samples, *ends))
    noisy = apply_noise(waves, samples, drawn.noise_snr_db, drawn.noise_place, noise)
    assert torch.equal(alone("noise")[0], cut(noisy))
    equalizer, reverb = alone("equalizer")[0], alone("reverb")[0]
    for row, length in enumerate(samples):
        wave = waves[row, :length].numpy()
        filtered = butterworths(wave, drawn.high_pass_hz[row], drawn.low_pass_hz[row])
        assert off_by_db(equalizer[row, :length], filtered) < -110
        room = pedalboard.Reverb(
            room_size=drawn.room_size[row], wet_level=drawn.wet_level[row], dry_level=0.4
        )
        assert off_by_db(reverb[row, :length], room(wave, RATE_HZ)) < -90


def test_a_fade_falls_on_the_clip_and_not_on_the_silence_of_a_shift():
    """Before, the fade came after the shift: two fifths of all fading lay in what a shift had emptied."""
    waves, samples = padded([np.ones(1000)] * 50)
    drawn = drawn_for(50, only("shift", "fade"))
    made, _ = chain_of(only("shift", "fade"))(waves, samples, drawn)
    by = np.round(samples * drawn.shift_share).astype(int)
    rise = np.floor(samples * drawn.fade_in_share).astype(int)
    for wave, later, faded in zip(made.numpy(), by, rise, strict=True):
        if later > 0 and faded:
            np.testing.assert_allclose(
                wave[later : later + faded], (np.arange(faded) + 0.5) / faded, rtol=1e-5
            )
            assert not wave[:later].any()


def test_the_order_of_the_chain(speech):
    """Stretch, fade, shift, equalizer, reverb, noise: the chain of all is the chains of one, in turn."""
    waves, samples = speech
    drawn = drawn_for(5)
    made, lengths = chain_of(CHAINS["all, vocoder"])(waves, samples, drawn)
    for name in ("vocoder", *ON_WAVE[1:]):
        waves, samples = chain_of(CHAINS[name])(waves, samples, drawn)
    np.testing.assert_array_equal(samples, lengths)
    torch.testing.assert_close(made, waves, atol=1e-6, rtol=0)


@pytest.mark.parametrize("end", [0, 1], ids=["lowest", "highest"])
@pytest.mark.parametrize("name", ALLOWED)
def test_the_ends_of_what_is_allowed(name, end, speech):
    """Each setting at its extreme, the others as they are."""
    waves, samples = speech
    (effect,) = (effect for effect in EFFECTS if name in SETTINGS_OF[effect])
    settings = {name: (ALLOWED[name][end], ALLOWED[name][end])}
    if effect == "stretch":
        settings["stretch_method"] = "vocoder"
    if effect == "equalizer":  # the high-pass lies below the low-pass
        settings = dict.fromkeys(("high_pass_hz", "low_pass_hz"), settings[name])
    spec = only(effect, **settings)
    drawn = drawn_for(5, spec)
    made, lengths = chain_of(spec)(waves, samples, drawn)
    assert made.isfinite().all()
    assert made.shape == (5, lengths.max())
    assert masked_cells(np.array([32, 400, 100, 41, 99]), 400, drawn, CPU).shape == (5, 400, MEL_BANDS)


def odd_clip(kind, random, most=600):
    """A clip no corpus should have, of 1, 2, 31 or any number of samples; peak 1, or very quiet."""
    samples = random.choice([1, 2, 31, random.integers(1, most + 1)], p=[0.05, 0.05, 0.05, 0.85])
    at = np.arange(samples)
    if kind == "speech":
        start = random.integers(0, 12_000)
        return spoken(random.integers(0, 5), peak=1.0)[start : start + samples]
    if kind == "square":
        return np.sign(np.sin(2 * np.pi * random.uniform(20, 8000) / RATE_HZ * at + random.random()))
    if kind == "impulses":
        wave = np.zeros(samples)
        wave[random.integers(0, samples, 3)] = random.choice([-1, 1])
        return wave
    if kind == "noise":
        return random.choice([-1.0, 1.0], samples)
    if kind == "few steps":
        return random.integers(-1, 2, samples) / 32768
    constant = {"DC": 1.0, "Nyquist": (-1.0) ** at, "quiet": 1e-6, "next to nothing": 1e-20}[kind]
    return constant * random.choice([-1, 1]) * np.ones(samples)


KINDS = ("speech", "square", "impulses", "noise", "few steps", "DC", "Nyquist", "quiet", "next to nothing")


@pytest.mark.parametrize(("name", "draws"), [("all", 3000), ("all, vocoder", 600), ("all, on waves", 600)])
def test_nothing_that_is_drawn_breaks_a_clip(name, draws):
    """Always finite, and a peak of at most 4 times the clip's own (measured: 2.6, of full-scale noise)."""
    spec, random = CHAINS[name], np.random.default_rng(0)
    for epoch in range(draws // 100):
        waves, samples = padded([odd_clip(KINDS[row % len(KINDS)], random) for row in range(100)])
        made, lengths = chain_named(name)(waves, samples, drawn_for(100, spec, epoch=epoch))
        assert made.isfinite().all()
        assert made.shape == (100, lengths.max())
        assert (made.abs().amax(dim=1) <= 4 * waves.abs().amax(dim=1)).all()


def test_the_peak_of_the_worst_clips():
    """Two seconds of full-scale square wave, swept over what resonates in the largest room: at most 8."""
    spec = only(
        *ON_WAVE[3:],
        high_pass_hz=(20, 20),
        low_pass_hz=(7600, 7600),
        room_size=(0.2, 0.2),
        wet_level=(0.5, 0.5),
        noise_snr_db=(10, 10),
    )
    hertz = np.array([354.49, 621.58, 682.13, 1243.65, 1332.76, 1335.45, 2020.51])
    squares = np.sign(np.sin(2 * np.pi * hertz[:, None] * np.arange(2 * RATE_HZ) / RATE_HZ + 0.1))
    waves, samples = padded(squares)
    made, _ = chain_of(spec)(waves, samples, drawn_for(len(hertz), spec))
    assert 4 < made.abs().max() < 8
