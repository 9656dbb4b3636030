"""Figure 3: one corpus's labels scrambled, alone and in joint training, at every augmentation rate.

Beyond a valid run, each scrambled corpus must be scored under both keys, and where the permutation moves
every label no clip can be right under both.
"""

from benchmark.session.checks import assert_valid
from serkit.labels import corpus_of, is_permuted, permutation_of, treatment_of


def test_scrambled(case):
    result = case.result()
    assert_valid(result, case.spec, case.settled)
    for name in case.spec.train:
        key = permutation_of(treatment_of(name), case.spec.corpus(name).scramble)
        moved = all(true != other for true, other in key)
        if is_permuted(name) and moved:
            scrambled, true = result["tests"][name], result["tests"][corpus_of(name)]
            assert scrambled["wACC"]["mean"] + true["wACC"]["mean"] <= 1 + 1e-9
