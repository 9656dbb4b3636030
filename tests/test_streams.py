"""Streams: no two purposes, seeds or epochs draw the same numbers."""

from serkit import streams
from serkit.streams import stream


def test_purposes_seeds_and_epochs_are_drawn_apart():
    purposes = [value for name, value in vars(streams).items() if name.isupper()]
    assert sorted(purposes) == list(range(13))
    ways = [(purpose, seed, epoch) for purpose in purposes for seed in range(9) for epoch in range(9)]
    assert len({stream(*way).random() for way in ways}) == len(ways)
