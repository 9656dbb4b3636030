"""Table 1's tuned row: one corpus trained by every recipe of a grid, at 0 % augmentation.

The point that is the study's own recipe is Table 1's run, and lies there. Claim: each run is valid, and its
training corpus has validation clips, since the recipe is chosen on them: a point of the grid is an average
over folds and seeds. `pytest -m tuning` selects the whole grid.
"""

from benchmark.session.checks import assert_valid


def test_tuning(case):
    result = case.result()
    assert_valid(result, case.spec, settled=False)  # recipes too slow to settle belong to the grid
    assert set(result["validation"]) == set(case.spec.train), "no validation clips to choose a recipe on"
