"""Table 1: trained and tested on the same corpus, at every augmentation rate.

Claim: each run is valid. What it measured is compared with the paper in the table, not here: a cell is an
average over folds and seeds (`--assert-paper` asserts it).
"""

import pytest

from benchmark.session.checks import assert_valid

pytestmark = pytest.mark.table1


def test_baseline(case):
    assert_valid(case.result(), case.spec, case.settled)
