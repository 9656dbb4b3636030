"""Figure 4: the acoustics of each corpus, as delivered and augmented; no training.

Claim: every clip asked for has its estimates, within what the estimators can say, or the reason why not. How
far the corpora are apart stands in the figure and its tables: a measurement is of one corpus.
"""

from benchmark.session.checks import assert_measured


def test_acoustics(case):
    result = case.result()
    assert_measured(result, case.estimates(result), case.spec)
