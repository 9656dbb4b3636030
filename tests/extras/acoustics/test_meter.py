"""Measuring: which clips, augmented by what, estimated by whom, and why some are not."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from serkit import augment
from serkit.acoustics import quality, room
from serkit.acoustics.meter import (
    ESTIMATES,
    PART_CLIPS,
    RANGES,
    RATE_HZ,
    WINDOW_SAMPLES,
    Meter,
    choose,
    evenly,
)
from serkit.audio import FULL_SCALE
from serkit.augment import Augmenting, Chain
from serkit.packs import Pack
from serkit.specs import AcousticsSpec, Augmentation, CorpusSpec
from serkit.worlds.world import make_clip

pytestmark = pytest.mark.usefixtures("one_thread", "judged_once")

CORPUS = CorpusSpec("one", "synthetic")
SPEECH = [make_clip(corpus, 0, 0, "happy") for corpus in ("A", "B", "C")]
LONG = np.concatenate([make_clip("A", 1, number, "sad") for number in range(8)])
SILENT = np.zeros(RATE_HZ, dtype=np.int16)
CLIPPED = np.clip(SPEECH[0].astype(np.int32) * 8, -4000, 4000).astype(np.int16)
SHORT = SPEECH[0][4000 : 4000 + int(0.5 * room.MIN_SECONDS * RATE_HZ)]
CLIPS = [*SPEECH, SILENT, CLIPPED, SHORT, LONG]
SILENT_AT, CLIPPED_AT, SHORT_AT, LONG_AT = range(3, 7)


def packed(clips):
    return Pack(np.concatenate(clips), np.cumsum([0, *map(len, clips)]), RATE_HZ, "digest")


@pytest.fixture(scope="module")
def raw(judged_once):
    """All clips measured as they are, P.835 too, in the corpus's order."""
    meter = Meter(AcousticsSpec(CORPUS, p835_clips=len(CLIPS)), packed(CLIPS))
    return meter.measure(np.arange(len(CLIPS))).set_index("row").sort_index()


@pytest.fixture(scope="module")
def judge():
    return quality.Dnsmos()


def full_scale(clip):
    return clip.astype(np.float32) / FULL_SCALE


# --- which clips ---


def test_clips_are_chosen_at_random_each_once():
    chosen = choose(5000, 1000, seed=0)
    assert len(set(chosen.tolist())) == 1000
    assert chosen.min() >= 0
    assert 2400 < chosen.mean() < 2600  # sd of the mean: 41
    assert (choose(5000, 1000, seed=1) != chosen).mean() > 0.9


def test_a_larger_choice_begins_with_a_smaller():
    assert (choose(5000, 5000, 0)[:70] == choose(5000, 70, 0)).all()


def test_a_small_corpus_is_taken_whole():
    assert sorted(choose(7, 10_000, 0)) == list(range(7))


@pytest.mark.parametrize(("clips", "at_most"), [(1000, 200), (7, 200), (10_000, 3), (5, 0), (101, 7)])
def test_a_few_are_spread_evenly(clips, at_most):
    positions = evenly(clips, at_most)
    assert len(set(positions.tolist())) == min(clips, at_most)
    assert ((positions >= 0) & (positions < clips)).all()
    if len(positions) > 1:
        assert np.ptp(np.diff(positions)) <= 1


def test_parts_are_all_positions_in_order():
    silent = packed([SILENT[:10]] * (2 * PART_CLIPS + 1))
    parts = Meter(AcousticsSpec(CORPUS), silent).parts()
    assert [len(part) for part in parts] == [PART_CLIPS, PART_CLIPS, 1]
    assert np.concatenate(parts).tolist() == list(range(2 * PART_CLIPS + 1))


# --- estimates ---


@pytest.mark.parametrize("row", [0, 1, 2, LONG_AT])
def test_estimates_are_the_networks_own(raw, judge, row):
    wave = full_scale(CLIPS[row])
    found = raw.loc[row]
    assert found["reason"] == ""
    assert found["p808_mos"] == pytest.approx(judge.p808([wave])[0], abs=1e-6)
    p835 = found[["ovrl_mos", "sig_mos", "bak_mos"]].astype(float)
    assert p835.to_numpy() == pytest.approx(judge.p835([wave])[0], abs=1e-6)
    of_room = room.estimate(room.load(), [wave[:WINDOW_SAMPLES]])[0]
    assert (found["t60_s"], found["c50_db"]) == pytest.approx(tuple(of_room), abs=1e-6)


def test_estimates_are_within_their_ranges(raw):
    assert set(RANGES) == set(ESTIMATES)
    for name, (lowest, highest) in RANGES.items():
        assert raw[name].dropna().between(lowest, highest).all()


@pytest.mark.parametrize(("row", "reason"), [(SILENT_AT, "silent"), (CLIPPED_AT, "clipped")])
def test_an_unfit_clip_has_a_reason_and_no_number(raw, row, reason):
    assert raw.loc[row, "reason"] == reason
    assert raw.loc[row, list(ESTIMATES)].isna().all()


def test_a_short_clip_has_quality_but_no_room(raw):
    assert raw.loc[SHORT_AT, "reason"] == "short"
    assert raw.loc[SHORT_AT, ["t60_s", "c50_db"]].isna().all()
    assert raw.loc[SHORT_AT, ["p808_mos", "ovrl_mos"]].notna().all()


def test_what_comes_after_the_window_does_not_matter(raw):
    assert len(LONG) > WINDOW_SAMPLES
    another = LONG.copy()
    another[WINDOW_SAMPLES:] = 0
    meter = Meter(AcousticsSpec(CORPUS, p835_clips=0), packed([another]))
    found = meter.measure(np.array([0])).iloc[0]
    for name in ("p808_mos", "t60_s", "c50_db"):
        assert found[name] == raw.loc[LONG_AT, name]


def test_a_clip_gets_the_same_whatever_is_measured_with_it(raw):
    meter = Meter(AcousticsSpec(CORPUS, p835_clips=len(CLIPS)), packed(CLIPS))
    alone = pd.concat([meter.measure(np.array([position])) for position in range(3)]).set_index("row")
    pd.testing.assert_frame_equal(alone.sort_index(), raw.loc[alone.index].sort_index(), check_dtype=False)


def test_the_slow_estimates_are_of_as_many_clips_as_asked():
    meter = Meter(AcousticsSpec(CORPUS, p835_clips=2), packed([*SPEECH, *SPEECH]))
    found = meter.measure(np.arange(6))
    assert found["ovrl_mos"].notna().tolist() == [True, False, False, True, False, False]
    assert found["p808_mos"].notna().all()


def test_only_unfit_clips_are_no_fault():
    found = Meter(AcousticsSpec(CORPUS), packed([SILENT, SILENT])).measure(np.arange(2))
    assert (found["reason"] == "silent").all()


# --- augmented ---

VOCODED = Augmentation(effects=("stretch", "reverb"), stretch_rate=(1.2, 1.2), stretch_method="vocoder")
NOISY = Augmentation(effects=("noise",), noise_snr_db=(5.0, 5.0))


@pytest.mark.parametrize(
    "augmentation",
    [Augmentation(), NOISY, VOCODED],
)
def test_augmented_clips_go_through_the_chain(judge, augmentation):
    """By the spec's draws: clip i of the choice gets the i-th draw at 100 %."""
    spec = AcousticsSpec(CORPUS, augmentation, p835_clips=0, seed=3)
    meter = Meter(spec, packed(SPEECH))
    found = meter.measure(np.arange(3))
    drawn = augment.draw(Augmenting(spec.augmentation), 3, 0, 3)
    chain = Chain(spec.augmentation, RATE_HZ, 3, WINDOW_SAMPLES, "cpu")
    for position, row in enumerate(meter.rows):
        wave = torch.from_numpy(full_scale(SPEECH[row]))[None]
        changed, samples = chain(wave, np.array([wave.shape[1]]), drawn[[position]])
        expected = changed[0, : samples[0]].numpy()
        assert found.loc[position, "p808_mos"] == pytest.approx(judge.p808([expected])[0], abs=2e-3)
        of_room = room.estimate(room.load(), [expected])[0]
        assert tuple(found.loc[position, ["t60_s", "c50_db"]]) == pytest.approx(tuple(of_room), abs=2e-3)


def test_noise_is_heard_as_worse_quality(raw):
    meter = Meter(AcousticsSpec(CORPUS, NOISY, p835_clips=1), packed(SPEECH))
    (noisy,) = meter.measure(np.arange(3)).dropna(subset="bak_mos").to_dict("records")
    assert noisy["row"] == 1  # not C's, whose telephone band was bad before
    assert noisy["bak_mos"] < raw.loc[1, "bak_mos"] - 1


def test_reverb_is_heard_as_a_room(raw):
    """Of §5.2's ranges, at their end: a reverberation time of 0.65 s, wherever the clip was before."""
    reverb = Augmentation(effects=("reverb",), room_size=(0.2, 0.2), wet_level=(0.5, 0.5))
    found = Meter(AcousticsSpec(CORPUS, reverb, p835_clips=0), packed(SPEECH)).measure(np.arange(3))
    reverberated = found.set_index("row")
    assert (reverberated.loc[0, "t60_s"] - raw.loc[0, "t60_s"]) > 0.2  # dry before
    assert (reverberated.loc[[0, 2], "c50_db"] < raw.loc[[0, 2], "c50_db"] - 3).all()


def test_an_unfit_clip_is_unfit_augmented_too():
    meter = Meter(AcousticsSpec(CORPUS, NOISY, p835_clips=0), packed([SILENT, CLIPPED, SPEECH[0]]))
    found = meter.measure(np.arange(3)).set_index("row")
    assert found["reason"].to_dict() == {0: "silent", 1: "clipped", 2: ""}


def test_raw_and_augmented_measure_the_same_clips():
    spec = AcousticsSpec(CORPUS, NOISY, clips=5, seed=2)
    pack = packed([SILENT[:10]] * 50)
    rows = [Meter(which, pack).rows for which in (spec, dataclasses.replace(spec, augmentation=None))]
    assert (rows[0] == rows[1]).all()
    assert len(rows[0]) == 5
