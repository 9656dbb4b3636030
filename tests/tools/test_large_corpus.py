"""The session on a corpus that is larger than memory, in small: it trains, and the limit holds."""

import sys

import pytest

from serkit.errors import SerkitError
from tools.large_corpus import FEWEST, RATE_HZ, train, write

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and /proc as Linux has them")

LIMIT = 4 << 30  # a session takes a third


def test_a_session_under_a_limit_trains_and_says_what_it_took(tmp_path):
    took = train(write(tmp_path / "corpus", FEWEST, 1.5), LIMIT)
    assert "1 passed" in took.said
    assert took.packed == FEWEST * 1.5 * RATE_HZ * 2
    assert 100 << 20 < took.anonymous < took.data < LIMIT
    assert took.anonymous < took.resident


def test_the_limit_is_one(tmp_path):
    with pytest.raises(SerkitError, match="the training failed:"):
        train(write(tmp_path / "corpus", FEWEST, 0.5), 32 << 20)
