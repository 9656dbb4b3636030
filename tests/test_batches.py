"""Batches: every clip once, little padding, and draws that know nothing of order or neighbours."""

import numpy as np
import pytest
from scipy import stats

from serkit.loader import crop_starts, shuffled_batches, sorted_batches

RATE_HZ = 16_000


def speech_lengths(clips, seed=0):
    """Spread as in MSP-Podcast: gamma-like, 2 to 12 s."""
    seconds = np.random.default_rng(seed).gamma(4.0, 1.4, 4 * clips)
    return (seconds[(seconds > 2) & (seconds < 12)][:clips] * RATE_HZ).astype(np.int64)


def padding(batches, lengths):
    room = sum(len(batch) * lengths[batch].max() for batch in batches)
    return 1 - lengths.sum() / room


def same(batches, others):
    return len(batches) == len(others) and all(map(np.array_equal, batches, others))


SIZES = [(1, 128), (5, 2), (127, 128), (128, 128), (129, 128), (1000, 7), (3001, 16), (4100, 128)]


@pytest.mark.parametrize(("clips", "batch_size"), SIZES)
def test_every_clip_once_in_even_batches(clips, batch_size):
    lengths = speech_lengths(clips)
    batches = shuffled_batches(lengths, batch_size, 0, 0)
    assert sorted(np.concatenate(batches)) == list(range(clips))
    sizes = {len(batch) for batch in batches}
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert len(batches) == np.ceil(clips / batch_size)


def test_order_is_a_matter_of_seed_and_epoch_alone():
    lengths = speech_lengths(500)
    np.random.seed(0)  # noqa: NPY002  (the global state must not matter)
    first = shuffled_batches(lengths, 16, 3, 5)
    np.random.seed(1)  # noqa: NPY002
    assert same(shuffled_batches(lengths, 16, 3, 5), first)
    assert not same(shuffled_batches(lengths, 16, 3, 6), first)
    assert not same(shuffled_batches(lengths, 16, 4, 5), first)
    assert not same(shuffled_batches(lengths, 16, 5, 3), first)


def test_batches_come_in_no_order_of_length():
    """Long and short batches are mixed: the first half of an epoch is no easier than the second."""
    lengths = speech_lengths(4096)
    correlations = []
    for epoch in range(20):
        means = [lengths[batch].mean() for batch in shuffled_batches(lengths, 32, 0, epoch)]
        correlations.append(stats.spearmanr(range(len(means)), means).statistic)
    assert abs(np.mean(correlations)) < 0.1


def test_clips_meet_new_mates_each_epoch():
    lengths = speech_lengths(4096)
    mates = [
        {frozenset(pair) for batch in shuffled_batches(lengths, 2, 0, epoch) for pair in [batch.tolist()]}
        for epoch in range(2)
    ]
    assert len(mates[0] & mates[1]) < 0.01 * len(mates[0])


@pytest.mark.parametrize("seed", range(3))
def test_pooling_spares_the_padding(seed):
    lengths = speech_lengths(4200, seed)
    order = np.random.default_rng(seed).permutation(len(lengths))
    assert padding(np.array_split(order, 33), lengths) > 0.3  # what it is compared with
    assert padding(shuffled_batches(lengths, 128, seed, 0), lengths) < 0.1
    assert padding(sorted_batches(lengths, 128 * lengths.max()), lengths) < 0.05


def test_evaluation_begins_with_the_longest():
    lengths = speech_lengths(300)
    longest = [lengths[batch].max() for batch in sorted_batches(lengths, 32 * lengths.max())]
    assert longest[0] == lengths.max()
    assert longest == sorted(longest, reverse=True)


@pytest.mark.parametrize("most", [1, 50_000, 10**6, 10**9])
def test_evaluation_fills_its_batches(most):
    """Each clip once, no batch over the most unless it is of one clip, none that the next clip fits into."""
    lengths = speech_lengths(300)
    batches = sorted_batches(lengths, most)
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(300))
    for number, batch in enumerate(batches):
        assert len(batch) == 1 or len(batch) * lengths[batch].max() <= most
        assert number + 1 == len(batches) or (len(batch) + 1) * lengths[batch].max() > most


# --- crops ---


def test_crops_lie_inside_the_clip():
    lengths = speech_lengths(2000)
    longest = 5 * RATE_HZ
    starts = crop_starts(lengths, longest, 0, 0)
    short = lengths <= longest
    assert short.any()
    assert not starts[short].any()
    assert (starts >= 0).all()
    assert (starts + longest <= lengths)[~short].all()


def test_crops_are_uniform_over_clips():
    starts = crop_starts(np.full(20_000, 109), 100, 0, 0)
    assert stats.chisquare(np.bincount(starts, minlength=10)).pvalue > 0.001
    assert starts.max() == 9  # the last that fits is drawn too


@pytest.mark.parametrize("draws", [lambda i: (0, i), lambda i: (i, 0)], ids=["epochs", "seeds"])
def test_crops_are_uniform_over_epochs_and_seeds(draws):
    lengths = np.full(3, 1_000_000)
    starts = np.array([crop_starts(lengths, 1, *draws(i)) for i in range(4000)])
    for clip in range(3):
        assert stats.kstest(starts[:, clip], "uniform", (0, 1_000_000)).pvalue > 0.001
        assert abs(stats.pearsonr(starts[:-1, clip], starts[1:, clip]).statistic) < 0.1
    assert abs(stats.pearsonr(starts[:, 0], starts[:, 1]).statistic) < 0.1


def test_a_clip_is_cropped_the_same_whoever_else_is_there():
    lengths = speech_lengths(400)
    starts = crop_starts(lengths, RATE_HZ, 2, 7)
    others = lengths.copy()
    others[::2] = 17
    np.testing.assert_array_equal(crop_starts(others, RATE_HZ, 2, 7)[1::2], starts[1::2])
    np.testing.assert_array_equal(crop_starts(lengths[:100], RATE_HZ, 2, 7), starts[:100])
