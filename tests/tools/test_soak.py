"""The soak, in small: every case passes, and what is measured is of the processes that ran them."""

import sys

import pandas as pd
import pytest

from tools.soak import by_tenths, soak

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc as Linux has it")


def test_a_session_of_twenty_is_looked_at(tmp_path):
    looks = soak(20, tmp_path)
    assert looks["done"].max() == 20
    assert looks[looks["worker"]]["pid"].nunique() == 2
    assert looks[~looks["worker"]]["pid"].nunique() == 1
    assert looks["memory_mb"].between(1, 4000).all()
    assert (looks["files"] > 2).all()


def test_tenths_show_what_grows():
    """By hand: ten cases in ten seconds; one worker of two takes a megabyte more with each."""
    rows = [
        {
            "done": done,
            "seconds": 2.0 * done + part,
            "worker": pid > 1,
            "pid": pid,
            "memory_mb": memory,
            "files": pid,
        }
        for done in range(101)
        for part in (0.0, 1.0)
        for pid, memory in ((1, 5.0), (2, 100.0), (3, 50.0 + done))
    ]
    table = by_tenths(pd.DataFrame(rows))
    assert table["cases"].tolist() == [10, 20, 30, 40, 50, 60, 70, 80, 90, 99]
    assert table["seconds a case"].iloc[1:-1].tolist() == pytest.approx([19 / 9] * 8)
    assert table["worker, MB"].iloc[[0, 8]].tolist() == [100.0, 135.5]
    assert set(table["controller, MB"]) == {5.0}
    assert set(table["worker, files"]) == {3}
