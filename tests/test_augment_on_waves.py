"""SpecAugment and the stretch for encoders that take waves: the draws of log-mel, done to the wave.

What stop bands should give is computed here once more, in float64, of a transform so long that nothing comes
round. `tests/test_augment.py` runs the whole chain on waves through what holds for every chain.
"""

import dataclasses
import functools
import itertools

import numpy as np
import pytest
import scipy.fft
import scipy.special
import torch
import torchaudio

from serkit import augment
from serkit.augment import EDGE_HZ, MEL_BANDS, Augmenting, Chain, band_edges_hz
from serkit.effects import EFFECTS, Augmentation
from serkit.encoders.cnn14.logmel import NAMED, LogMel, masked_cells
from tests.speech import RATE_HZ, off_by_db, padded, spoken

CPU = torch.device("cpu")
BANDS = Augmentation(effects=("specaugment",), time_masks=0, mask_bands=(1, 8))
TIMES = Augmentation(effects=("specaugment",), band_masks=0)

pytestmark = pytest.mark.usefixtures("one_thread")


@functools.cache
def chain_of(spec, rate_hz=RATE_HZ):
    return Chain(spec, rate_hz, 0, 40_000, "cpu", on_waves=True)


def drawn_for(clips, spec, epoch=0):
    return augment.draw(Augmenting(spec), 0, epoch, clips)


@pytest.fixture
def speech():
    """Five clips of different lengths: waves and lengths."""
    return padded([spoken(0), spoken(1, samples=9000), spoken(2), spoken(3, samples=16_001), spoken(4)])


def stopped_bands(drawn):
    """The bands that SpecAugment blanks in log-mel, bool [clips, 64]."""
    return masked_cells(np.full(len(drawn), 50), 50, drawn, CPU).numpy().all(axis=1)


def without_bands(wave, stopped, rate_hz=RATE_HZ):
    """The clip less its stopped bands, each with soft edges: one long product in float64."""
    size, edges = scipy.fft.next_fast_len(len(wave) + 2 * rate_hz), band_edges_hz()
    hertz = np.fft.rfftfreq(size, 1 / rate_hz)
    gain = np.ones(len(hertz))
    for low, high in zip(edges[:-1][stopped], edges[1:][stopped], strict=True):
        gain -= scipy.special.ndtr((hertz - low) / EDGE_HZ) - scipy.special.ndtr((hertz - high) / EDGE_HZ)
    return np.fft.irfft(np.fft.rfft(np.asarray(wave, dtype=np.float64), size) * gain, size)[: len(wave)]


# --- stop bands ---


def test_bands_meet_where_the_mel_filters_of_log_mel_are_as_high():
    """Torchaudio's filters of 50 Hz to 8 kHz, at every hertz: each is the highest one in its band."""
    filters = torchaudio.functional.melscale_fbanks(
        8001, 50.0, 8000.0, MEL_BANDS, 16_000, norm=None, mel_scale="slaney"
    ).numpy()
    edges = band_edges_hz()
    assert edges.shape == (MEL_BANDS + 1,)
    hertz = np.arange(8001)
    for band, (low, high) in enumerate(itertools.pairwise(edges)):
        inside = (hertz > low) & (hertz < high)
        assert (filters[inside, band] > 0.5 - 1e-6).all()
        assert (filters[~inside, band] < 0.5 + 1e-6).all()
    assert np.diff(edges).min() > 8 * EDGE_HZ  # so that the soft edges of a band do not meet


@pytest.mark.parametrize("rate_hz", [16_000, 32_000])
def test_what_is_left_is_what_a_long_product_leaves(speech, rate_hz):
    waves, samples = speech
    for epoch in range(4):
        drawn = drawn_for(5, BANDS, epoch)
        stopped = stopped_bands(drawn)
        made, lengths = chain_of(BANDS, rate_hz)(waves, samples, drawn)
        np.testing.assert_array_equal(lengths, samples)
        for row, length in enumerate(samples):
            wanted = without_bands(waves[row, :length].numpy(), stopped[row], rate_hz)
            np.testing.assert_allclose(made[row, :length], wanted, atol=1e-6)
            assert not made[row, length:].any()


def test_tones_in_stopped_bands_are_gone_and_others_as_they_were():
    """All 64 at once, one in the middle of each band, over two seconds; 80 dB down, or within 0.01 dB."""
    edges, at = band_edges_hz(), np.arange(4 * RATE_HZ) / RATE_HZ
    hertz = np.round((edges[:-1] + edges[1:]) / 2)  # whole periods in a second
    tones = 0.01 * np.sin(2 * np.pi * hertz[:, None] * at + np.arange(MEL_BANDS)[:, None])
    waves, samples = padded([tones.sum(axis=0)] * 6)
    drawn = drawn_for(6, BANDS)
    made, _ = chain_of(BANDS)(waves, samples, drawn)
    for before, after, stopped in zip(waves, made, stopped_bands(drawn), strict=True):
        levels = [
            np.abs(np.fft.rfft(wave[RATE_HZ : 3 * RATE_HZ]))[2 * hertz.astype(int)]
            for wave in (before, after)
        ]
        change_db = 20 * np.log10(levels[1] / levels[0])
        assert 2 <= stopped.sum() <= 16
        assert change_db[stopped].max() < -80
        assert np.abs(change_db[~stopped]).max() < 0.01


def test_they_are_the_bands_that_log_mel_would_blank():
    """Of white noise: inside of a stripe log-mel loses 20 dB or more, two bands away from it nothing."""
    random = np.random.default_rng(0)
    waves, samples = padded(0.1 * random.standard_normal((6, 3 * RATE_HZ)))
    drawn = drawn_for(6, dataclasses.replace(BANDS, band_masks=1, mask_bands=(5, 8)))
    made, _ = chain_of(BANDS)(waves, samples, drawn)
    before, after = (LogMel(NAMED["native-16k"])(one, samples)[0].mean(dim=1) for one in (waves, made))
    for lost, stopped in zip((before - after).numpy(), stopped_bands(drawn), strict=True):
        (inside,) = np.nonzero(stopped)
        near = np.zeros(MEL_BANDS, dtype=bool)
        near[max(inside[0] - 2, 0) : inside[-1] + 3] = True
        assert (lost[inside[2:-2]] > 20).all()
        assert np.abs(lost[~near]).max() < 0.3


@pytest.mark.parametrize("effects", [("specaugment",), ("equalizer", "reverb", "specaugment")])
def test_a_click_at_the_end_does_not_come_round_to_the_start(effects):
    """A stop band rings before the click as well as after it, but for a fifth of a second only."""
    wave = np.zeros(16_000, dtype=np.float32)
    wave[-1] = 1
    waves, samples = padded([wave] * 20)
    spec = dataclasses.replace(BANDS, effects=effects, high_pass_hz=(20, 20))
    made, _ = chain_of(spec)(waves, samples, drawn_for(20, spec))
    assert made[:, :-3200].abs().max() < 1e-7
    assert made[:, -3200:-400].abs().max() > 1e-5


def test_bands_are_stopped_as_sharply_beside_other_filters(speech):
    """One product of spectra against one filter after another."""
    waves, samples = speech
    both = Augmentation(effects=("equalizer", "reverb", "specaugment"), time_masks=0)
    before = dataclasses.replace(both, effects=("equalizer", "reverb"))
    drawn = drawn_for(5, both)
    made, _ = chain_of(both)(waves, samples, drawn)
    more = torch.nn.functional.pad(waves, (0, 4 * RATE_HZ))  # what rings after the end belongs to the product
    filtered, _ = chain_of(before)(more, samples + 4 * RATE_HZ, drawn)
    for row, (length, stopped) in enumerate(zip(samples, stopped_bands(drawn), strict=True)):
        wanted = without_bands(filtered[row].numpy(), stopped)[:length]
        assert off_by_db(made[row, :length], wanted) < -95


def test_noise_fills_stop_bands_at_the_ratio_drawn(speech):
    """It comes after them, as after every filter."""
    waves, samples = speech
    spec = dataclasses.replace(BANDS, effects=("noise", "specaugment"))
    drawn = drawn_for(5, spec)
    clean, _ = chain_of(BANDS)(waves, samples, drawn)
    noisy, _ = chain_of(spec)(waves, samples, drawn)
    ratio = clean.double().square().sum(dim=1) / (noisy.double() - clean).square().sum(dim=1)
    np.testing.assert_allclose(10 * torch.log10(ratio), drawn.noise_snr_db, atol=0.01)


# --- stripes over time ---


def runs(silent):
    """First and end of each stretch of silence, [stretches, 2]."""
    return np.flatnonzero(np.diff(np.concatenate([[0], silent, [0]]))).reshape(-1, 2)


@pytest.mark.parametrize("name", ["paper-loaded", "native-16k"])
def test_stripes_lie_where_those_of_log_mel_do(name):
    """Of one stripe a clip, in frames: within one, and what rounding its width to frames adds to that."""
    hop, random = NAMED[name].hop_samples, np.random.default_rng(0)
    samples = random.integers(8000, 40_000, 300)
    waves, _ = padded([np.ones(length) for length in samples])
    spec = dataclasses.replace(TIMES, time_masks=1, time_mask_share=(0.05, 0.5))
    drawn = drawn_for(300, spec)
    made, _ = chain_of(dataclasses.replace(spec, time_masks=0))(waves, samples, drawn)
    frames = NAMED[name].frames(samples)
    cells = masked_cells(frames, frames.max(), drawn, CPU).numpy().all(axis=2)
    starts = []
    for wave, length, count, blanked in zip(made.numpy(), samples, frames, cells, strict=True):
        ((first, end),) = runs(np.abs(wave[:length]) < 1e-9)
        ((from_frame, to_frame),) = runs(blanked)
        a_frame = length / count  # the hop, but for the frame more that a clip has
        assert abs(a_frame - hop) < hop / 10
        within = 1.001 + abs((end - first) / a_frame - (to_frame - from_frame))
        assert within < 1.6
        assert abs(first / a_frame - from_frame) < within
        assert abs(end / a_frame - to_frame) < within
        starts.append(first / a_frame - from_frame)
    assert abs(np.mean(starts)) < 0.1  # as often before as after


def test_stripes_are_silent_and_leave_the_rest(speech):
    """Whatever filters and noise did: the chain without stripes, and silence."""
    waves, samples = speech
    for epoch in range(3):
        drawn = drawn_for(5, Augmentation(), epoch)
        made, lengths = chain_of(Augmentation())(waves, samples, drawn)
        unmasked = dataclasses.replace(drawn, time_masks=drawn.time_masks[:, :0])
        before, _ = chain_of(Augmentation())(waves, samples, unmasked)
        for wave, whole, length, masks in zip(
            made.numpy(), before.numpy(), lengths, drawn.time_masks, strict=True
        ):
            kept = np.ones(len(wave), dtype=bool)
            for share, place in masks:
                width = round(length * share)
                first = int(place * (length - width + 1))
                kept[first : first + width] = False
            np.testing.assert_array_equal(wave, whole * kept)
            assert np.abs(whole[:length][~kept[:length]]).max() > 0


# --- the chain ---


def test_the_stretch_is_the_vocoders_whatever_the_method(speech):
    waves, samples = speech
    drawn = drawn_for(5, Augmentation())
    by_feature, lengths = chain_of(Augmentation())(waves, samples, drawn)
    by_vocoder, _ = chain_of(Augmentation(stretch_method="vocoder"))(waves, samples, drawn)
    assert torch.equal(by_feature, by_vocoder)
    np.testing.assert_array_equal(lengths, np.round(samples / drawn.stretch_rate))


@pytest.mark.parametrize("effect", EFFECTS)
def test_no_effect_is_left_to_features(speech, effect):
    waves, samples = speech
    spec = Augmentation(effects=(effect,))
    made, lengths = chain_of(spec)(waves, samples, drawn_for(5, spec))
    for before, after, length in zip(waves, made, np.minimum(samples, lengths), strict=True):
        assert (before[:length] - after[:length]).abs().max() > 1e-4


def test_the_order_of_the_chain(speech):
    """Stretch to reverb, stop bands, noise, silence: the chain of all is the chains of one, in turn."""
    waves, samples = speech
    drawn = drawn_for(5, Augmentation())
    made, lengths = chain_of(Augmentation())(waves, samples, drawn)
    one_by_one = [Augmentation(effects=(effect,)) for effect in EFFECTS[:-2]]
    filters = Augmentation(effects=("equalizer", "reverb", "specaugment"))
    no_stripes = dataclasses.replace(drawn, time_masks=drawn.time_masks[:, :0])
    no_bands = dataclasses.replace(drawn, band_masks=drawn.band_masks[:, :0])
    for spec in one_by_one[:3]:
        waves, samples = chain_of(spec)(waves, samples, drawn)
    waves, samples = chain_of(filters)(waves, samples, no_stripes)
    waves, samples = chain_of(Augmentation(effects=("noise",)))(waves, samples, drawn)
    waves, samples = chain_of(TIMES)(waves, samples, no_bands)
    np.testing.assert_array_equal(samples, lengths)
    torch.testing.assert_close(made, waves, atol=1e-6, rtol=0)
