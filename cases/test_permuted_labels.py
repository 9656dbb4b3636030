"""Permuted labels of one corpus, all or a share of its clips, in joint training.

Claim, beyond a valid run: a corpus whose labels are all permuted is scored under both keys, and where the
permutation moves every label no clip can be right under both. What is lost, and to which label, stands in the
exhibit.
"""

from benchmark.session.checks import assert_valid
from serkit.labels import corpus_of, is_permuted


def test_permuted(case):
    result = case.result()
    assert_valid(result, case.spec, case.settled)
    for name in filter(is_permuted, case.spec.train):
        if all(code != true for true, code in enumerate(case.spec.codes(name))):
            permuted, true = result["tests"][name], result["tests"][corpus_of(name)]
            assert permuted["wACC"]["mean"] + true["wACC"]["mean"] <= 1 + 1e-9
