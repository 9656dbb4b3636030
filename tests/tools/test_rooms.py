"""Simulated rooms: what is measured on a response, against closed forms and another library; the examples."""

import sys

import numpy as np
import pedalboard
import pytest
from scipy.signal import fftconvolve

from serkit.acoustics.room import C50_RANGE_DB, RATE_HZ, T60_RANGE_S
from serkit.errors import ExtraMissing, SpecError
from serkit.specs import Augmentation
from tools.roomnet import rooms
from tools.roomnet.rooms import Examples

FEW = Examples(block=10, voices=2, phrases=2, image_source=0, stochastic=6)


def random(number=0):
    return np.random.default_rng(number)


def exponential(t60_s, rate_hz=RATE_HZ, seconds=4.0):
    """A response whose energy falls by exactly 60 dB in `t60_s`."""
    return 10 ** (-3 * np.arange(round(seconds * rate_hz)) / (rate_hz * t60_s))


def through_reverb(**settings):
    impulse = np.zeros(4 * RATE_HZ, dtype=np.float32)
    impulse[0] = 1000.0
    return pedalboard.Reverb(**settings)(impulse, RATE_HZ).astype(float)


# --- what is true of a room ---


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
@pytest.mark.parametrize("t60_s", [0.08, 0.3, 1.0, 2.5])
def test_exponential_decay_in_closed_form(t60_s, rate_hz):
    found_s, c50_db = rooms.decay(exponential(t60_s, rate_hz, 6 * t60_s), rate_hz)
    assert found_s == pytest.approx(t60_s, rel=1e-4)
    late = 10 ** (-6 * 0.05 / t60_s)  # share of the energy that comes after 50 ms
    assert c50_db == pytest.approx(10 * np.log10((1 - late) / late), abs=0.01)


def test_clarity_of_two_pulses():
    response = np.zeros(2000)
    response[100], response[100 + 799], response[100 + 800] = 1.0, 0.5, 0.2
    assert rooms.decay(response)[1] == pytest.approx(10 * np.log10(1.25 / 0.04))


def test_two_decays_are_told_by_their_first_35_db():
    fast, slow = exponential(0.3), 1e-3 * exponential(2.0)  # the slow one takes over at -60 dB
    assert rooms.decay(fast + slow)[0] == pytest.approx(0.3, rel=0.1)


def test_reverberation_time_agrees_with_pyroomacoustics():
    experimental = pytest.importorskip("pyroomacoustics").experimental
    responses = [rooms.image_source(random(k)) for k in (1, 4)] + [
        exponential(0.7) * random().normal(size=64000)
    ]
    for response in responses:
        theirs = experimental.measure_rt60(response, RATE_HZ, decay_db=30)  # through two points, not a line
        assert rooms.decay(response)[0] == pytest.approx(theirs, rel=0.1)


def test_neither_level_nor_silence_before_it_changes_what_is_true():
    response = rooms.stochastic(random())
    truth = rooms.decay(response)
    assert rooms.decay(1e-4 * response) == pytest.approx(truth)
    assert rooms.decay(np.concatenate([np.zeros(500), response])) == pytest.approx(truth)


def test_no_room_at_all():
    assert rooms.decay(np.ones(1)) == (0.0, np.inf)
    assert rooms.label(np.ones(1)) == (T60_RANGE_S[0], C50_RANGE_DB[1])


def test_labels_stay_within_their_ranges():
    assert rooms.label(exponential(3.0, seconds=10))[0] == T60_RANGE_S[1]
    late = np.concatenate([np.ones(1), np.zeros(1000), np.full(1000, 0.9)])
    assert rooms.decay(late)[1] < C50_RANGE_DB[0] == rooms.label(late)[1]


@pytest.mark.parametrize("response", [np.zeros(0), np.zeros(100), np.array([1.0, np.nan])])
def test_a_response_that_is_none_is_refused(response):
    with pytest.raises(SpecError, match="finite"):
        rooms.decay(response)


def test_the_studys_reverb_is_never_a_short_room():
    """What docs/acoustics.md says of pedalboard's Reverb, at the corners of the study's ranges."""
    ranges = Augmentation()
    for room_size in ranges.room_size:
        for wet_level in (0.1, ranges.wet_level[1]):
            reverb = through_reverb(room_size=room_size, wet_level=wet_level, dry_level=ranges.dry_level)
            t60_s, c50_db = rooms.decay(reverb)
            assert 0.52 < t60_s < 0.66
            assert c50_db > 6.2


# --- rooms ---


def test_stochastic_rooms_differ_and_begin_with_the_direct_sound():
    rng = random(3)
    responses = [rooms.stochastic(rng) for _ in range(60)]
    assert all(response[0] == 1.0 for response in responses)
    t60_s, c50_db = np.array([rooms.decay(response) for response in responses]).T
    assert t60_s.min() < 0.25 < 1.0 < t60_s.max()
    assert c50_db.min() < 5 < 20 < c50_db.max()


def test_image_source_rooms_are_of_height_1_and_begin_with_the_direct_sound():
    pytest.importorskip("pyroomacoustics")
    for varied in (False, True):
        response = rooms.image_source(random(8), varied)
        assert np.abs(response).max() == 1.0
        assert np.flatnonzero(np.abs(response) > 0.3)[0] <= 2 * rooms.LEAD_SAMPLES
        again = rooms.image_source(random(8), varied)
        assert np.array_equal(response, again)


def test_without_pyroomacoustics_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyroomacoustics", None)
    with pytest.raises(ExtraMissing, match=r"pip install 'serkit\[roomnet\]'"):
        rooms.image_source(random())


# --- examples ---


def test_phrases_have_no_silence_around_them_and_a_level_that_moves():
    rng = random(5)
    for _ in range(10):
        wave = rooms.phrase(rooms.draw_voice(rng), rng)
        assert 0.1 * RATE_HZ < len(wave) < 3 * RATE_HZ
        loud = np.flatnonzero(np.abs(wave) > 1e-3 * np.abs(wave).max())
        assert loud[0] < 0.15 * RATE_HZ  # a closed mouth before a stop
        assert len(wave) - loud[-1] < 0.2 * RATE_HZ


def test_a_string_is_filled_with_phrases():
    said = rooms.string([np.ones(800, np.float32), np.full(900, 2, np.float32)], 4 * RATE_HZ, random())
    assert len(said) == 4 * RATE_HZ
    silent = np.diff(np.flatnonzero(np.concatenate([[1], said, [1]])))
    assert silent.max() < 1.6 * RATE_HZ
    assert len(np.unique(said)) > 3  # levels differ


def test_a_recording_is_the_speech_in_its_room():
    wave, room = random(1).normal(size=8000).astype(np.float32), rooms.stochastic(random(2))
    heard = rooms.record(wave, room, 200.0, random(3), flat=True)
    wanted = fftconvolve(wave, room)[:8000]
    assert np.abs(heard - wanted).max() < 1e-5 * np.abs(wanted).max()


@pytest.mark.parametrize("snr_db", [0.0, 20.0])
def test_noise_is_as_loud_as_asked(snr_db):
    wave = random(1).normal(size=8000).astype(np.float32)
    clean, noisy = (rooms.record(wave, np.ones(1), level, random(3)) for level in (200.0, snr_db))
    ratio = np.square(clean).mean() / np.square(noisy - clean).mean()
    assert 10 * np.log10(ratio) == pytest.approx(snr_db, abs=0.01)


def test_blocks_follow_from_seed_and_number_alone():
    block = rooms.make_block(1, 3, FEW)
    again = rooms.make_block(1, 3, FEW)
    assert np.array_equal(block.waves, again.waves)
    assert np.array_equal(block.truth, again.truth)
    for other in (rooms.make_block(2, 3, FEW), rooms.make_block(1, 4, FEW)):
        assert not np.array_equal(block.waves, other.waves)


def test_any_number_of_processes_makes_the_same_blocks_in_order():
    few = Examples(block=2, voices=1, phrases=1, image_source=0, stochastic=1, seconds=1.0)
    alone, together = (list(rooms.make_blocks(1, 7, few, jobs)) for jobs in (1, 2))
    assert len(alone) == len(together) == 7
    for one, two in zip(alone, together, strict=True):
        assert np.array_equal(one.waves, two.waves)
        assert np.array_equal(one.truth, two.truth)


def test_a_block_is_complete_and_labelled_within_the_ranges():
    block = rooms.make_block(0, 0, FEW)
    assert block.waves.shape == (10, 4 * RATE_HZ)
    assert block.waves.dtype == np.float32
    assert np.isfinite(block.waves).all()
    assert (np.square(block.waves).mean(axis=1) > 0).all()
    for column, (low, high) in enumerate((T60_RANGE_S, C50_RANGE_DB)):
        assert low <= block.truth[:, column].min() <= block.truth[:, column].max() <= high
    assert len(np.unique(block.truth[:, 0])) > 3


def test_examples_without_rooms_or_clips_are_refused():
    for wrong in ({"image_source": 0, "stochastic": 0}, {"block": 0}, {"seconds": 0.0}):
        with pytest.raises(SpecError, match=r"above 0|at least one kind"):
            Examples(**wrong)
