"""The reverb against pedalboard's own, clip by clip.

Bounds in dB are energies of the difference over the energy of pedalboard's output. Against float32 rounding
and the wrap-around (-90 dB) they leave 3 dB; for quiet clips they follow pedalboard's constant against
denormal numbers, which is as loud whatever the clip.
"""

import functools

import numpy as np
import pedalboard
import pytest
import torch

from serkit.augment import fft_size
from serkit.reverb import INTERPOLATED_DB, LOUD, Reverb
from tests.speech import RATE_HZ, off_by_db, spoken

CPU = torch.device("cpu")
PAPERS = (0.0, 0.2)  # room sizes, §5.2

made = functools.cache(Reverb)


pytestmark = pytest.mark.usefixtures("one_thread")


def theirs(wave, rate_hz=RATE_HZ, **levels):
    return pedalboard.Reverb(**levels)(wave, rate_hz)


def ours(reverb, wave, room_size, wet_level, dry_level):
    size = fft_size(len(wave) + reverb.tail_samples)
    response = reverb.response(np.array([room_size]), np.array([wet_level]), dry_level, size, CPU)
    return torch.fft.irfft(torch.fft.rfft(torch.from_numpy(wave), n=size) * response, n=size)[0, : len(wave)]


def off(wave, room_size, wet_level, dry_level=0.4, room_sizes=PAPERS, rate_hz=RATE_HZ):
    """How far we are from pedalboard, dB."""
    wanted = theirs(wave, rate_hz, room_size=room_size, wet_level=wet_level, dry_level=dry_level)
    return off_by_db(ours(made(rate_hz, room_sizes), wave, room_size, wet_level, dry_level), wanted)


def impulse(samples):
    wave = np.zeros(samples, dtype=np.float32)
    wave[0] = LOUD
    return wave


@pytest.mark.parametrize("wet_level", [0.5, 0.23, 0.1])
@pytest.mark.parametrize("room_size", [0.0, 0.017, 0.1, 0.163, 0.2])
def test_a_clip_sounds_as_in_pedalboard(room_size, wet_level):
    assert max(off(spoken(number), room_size, wet_level) for number in range(6)) < -90


@pytest.mark.parametrize(("peak", "most_db"), [(0.98, -90), (0.03, -83), (0.003, -63), (0.0003, -43)])
def test_a_quiet_clip_differs_by_pedalboards_constant(peak, most_db):
    errors = [off(spoken(number, peak), room, 0.5) for number in range(6) for room in (0.0, 0.2)]
    assert max(errors) < most_db


@pytest.mark.parametrize("dry_level", [0.0, 0.4, 1.0])
def test_without_reverberation_the_clip_is_scaled(dry_level):
    """By twice the dry level: 0.8 at §5.2's 0.4."""
    wave = spoken(1)
    result = ours(made(RATE_HZ, PAPERS), wave, 0.1, 0.0, dry_level)
    np.testing.assert_allclose(result, 2 * dry_level * wave, atol=1e-6)
    np.testing.assert_allclose(
        result, theirs(wave, room_size=0.1, wet_level=0.0, dry_level=dry_level), atol=1e-6
    )


@pytest.mark.parametrize("dry_level", [0.0, 1.0])
def test_other_dry_levels(dry_level):
    assert max(off(spoken(number), 0.13, 0.3, dry_level) for number in range(3)) < -90


@pytest.mark.parametrize("rate_hz", [8000, 22_050, 32_000, 44_100])
def test_other_sample_rates(rate_hz):
    assert max(off(spoken(0), room, 0.5, rate_hz=rate_hz) for room in (0.0, 0.07, 0.2)) < -90


@pytest.mark.parametrize("room_size", [0.0, 0.1, 0.77, 1.0])
def test_one_room_alone_needs_no_interpolation(room_size):
    sizes = (room_size, room_size)
    assert len(made(2000, sizes).spectra(65536, CPU)) == 1
    assert off(spoken(2), room_size, 0.5, room_sizes=sizes, rate_hz=2000) < -90


@pytest.mark.parametrize(
    ("room_sizes", "rate_hz"), [((0.0, 0.5), RATE_HZ), ((0.3, 0.6), RATE_HZ), ((0.0, 1.0), 1000)]
)
def test_larger_rooms(room_sizes, rate_hz):
    """The largest at 1 kHz: it rings for 15 s, and takes 10 s to record at 16 kHz."""
    for room_size in np.linspace(*room_sizes, 5):
        assert off(spoken(0), room_size, 0.5, room_sizes=room_sizes, rate_hz=rate_hz) < -90


@pytest.mark.parametrize(
    ("room_sizes", "rate_hz"),
    [
        (PAPERS, RATE_HZ),
        ((0.0, 0.5), RATE_HZ),
        ((0.9, 1.0), 2000),
        ((0.0, 1.0), 1000),
    ],
)
def test_interpolated_responses_are_as_near_as_promised(room_sizes, rate_hz):
    """Everywhere in the range, its ends and places between the nodes."""
    reverb = made(rate_hz, room_sizes)
    samples = reverb.tail_samples
    size = fft_size(samples)
    places = np.linspace(*room_sizes, 9)
    responses = torch.fft.irfft(reverb.response(places, np.ones(9), 0.0, size, CPU), n=size)[:, :samples]
    for room_size, response in zip(places, responses, strict=True):
        wanted = theirs(impulse(samples), rate_hz, room_size=room_size, wet_level=1.0, dry_level=0.0) / LOUD
        assert off_by_db(response, wanted) < INTERPOLATED_DB


@pytest.mark.parametrize("room_size", [0.0, 0.1, 0.2])
def test_the_tail_holds_all_but_a_billionth(room_size):
    """What rings on after `tail_samples` is 90 dB below the reverberation, in every room of the range."""
    samples = made(RATE_HZ, PAPERS).tail_samples
    response = theirs(impulse(4 * samples), room_size=room_size, wet_level=1.0, dry_level=0.0)
    energy = np.square(response.astype(np.float64))
    assert energy[samples:].sum() <= 1e-9 * energy.sum()


def test_the_tail_is_no_longer_than_it_need_be():
    """Nine tenths of it would not do."""
    samples = made(RATE_HZ, PAPERS).tail_samples
    response = theirs(impulse(4 * samples), room_size=0.2, wet_level=1.0, dry_level=0.0)
    energy = np.square(response.astype(np.float64))
    assert energy[samples * 9 // 10 :].sum() > 1e-9 * energy.sum()


def test_the_end_of_a_clip_does_not_come_round_to_its_start():
    """With a full-scale burst at the end, in the largest room: at most 1e-4 before it."""
    wave = np.zeros(20_000, dtype=np.float32)
    wave[-4000:] = np.random.default_rng(0).choice([-1, 1], 4000)
    assert ours(made(RATE_HZ, PAPERS), wave, 0.2, 0.5, 0.4)[:16_000].abs().max() < 1e-4


def test_each_clip_of_a_batch_has_its_own_room():
    reverb = made(RATE_HZ, PAPERS)
    rooms, wet_levels = np.array([0.2, 0.0, 0.07]), np.array([0.1, 0.5, 0.0])
    together = reverb.response(rooms, wet_levels, 0.4, 65536, CPU)
    assert together.shape == (3, 65536 // 2 + 1)
    for row, room, wet_level in zip(together, rooms, wet_levels, strict=True):
        alone = reverb.response(np.array([room]), np.array([wet_level]), 0.4, 65536, CPU)[0]
        torch.testing.assert_close(row, alone, atol=1e-5, rtol=0)
