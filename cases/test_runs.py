"""Table 1, Figure 2, and every exhibit that has no file of its own: each run is valid.

What they measured is compared with the paper in the tables, not here: a cell is an average over folds and
seeds (`--assert-paper` asserts it). A training is done once and tested on every corpus, so the single-corpus
columns of the figures are Table 1's runs. `pytest -m figure2` selects every run that a figure needs.
"""

from benchmark.session.checks import assert_valid


def test_run(case):
    assert_valid(case.result(), case.spec, case.settled)
