"""Figure 2: joint training, tested on corpora seen and unseen, at every augmentation rate.

Its single-corpus columns are Table 1's runs: a training is done once and tested on every corpus.
`pytest -m figure2` selects every run the figure needs.
"""

import pytest

from benchmark.session.checks import assert_valid

pytestmark = pytest.mark.figure2


def test_cross_corpus(case):
    assert_valid(case.result(), case.spec, case.settled)
