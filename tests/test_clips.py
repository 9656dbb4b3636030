"""Clip sets: what is read of several corpora is each clip's own samples, and zeros."""

import numpy as np

from serkit.clips import ClipSet, join
from serkit.packs import Pack

RATE_HZ = 16_000


def pack_of(waves):
    offsets = np.concatenate([[0], np.cumsum([len(wave) for wave in waves])]).astype(np.int64)
    return Pack(np.concatenate(waves), offsets, RATE_HZ, "")


def test_read_is_the_slice_and_zeros():
    random = np.random.default_rng(0)
    waves = [random.integers(-32768, 32768, n).astype(np.int16) for n in random.integers(50, 400, 30)]
    first, second = np.array([4, 0, 9]), np.array([17, 3, 3, 0])
    clips = join(
        [
            (pack_of(waves[:10]), first, np.array([0, 1, 2])),
            (pack_of(waves[10:]), second, np.array([3, 2, 1, 0])),
        ]
    )
    sources = [waves[i] for i in first] + [waves[10 + i] for i in second]
    assert len(clips) == 7
    np.testing.assert_array_equal(clips.label, [0, 1, 2, 3, 2, 1, 0])
    np.testing.assert_array_equal(clips.lengths, [len(wave) for wave in sources])
    for shortest in (0, 1000):
        batch = random.permutation(7)[:5]
        starts = random.integers(0, 40, 5)
        lengths = np.array(
            [random.integers(1, len(sources[i]) - s + 1) for i, s in zip(batch, starts, strict=True)]
        )
        read = np.full((5, max(shortest, lengths.max())), 77, dtype=np.int16)
        clips.read(batch, starts, lengths, read)
        for row, i, start, length in zip(read, batch, starts, lengths, strict=True):
            np.testing.assert_array_equal(row[:length], sources[i][start : start + length])
            assert not row[length:].any()


def test_one_corpus_is_a_set_too():
    clips = ClipSet(
        [pack_of([np.arange(3, dtype=np.int16)])], np.zeros(1, int), np.zeros(1, int), np.ones(1, int)
    )
    read = np.ones((1, 4), dtype=np.int16)
    clips.read(np.array([0]), np.array([1]), np.array([2]), read)
    np.testing.assert_array_equal(read, [[1, 2, 0, 0]])
