"""Shuffled labels: a training whose labels say nothing of its clips, beside the same on the true ones.

Claim: the run is valid and, where all its labels are shuffled, its recall on the test clips is no more than
luck gives. One network has much luck: clips that sound alike get one answer, so it guesses a few times, not
once a clip. On a fold of EmoDB the recalls of log-mel statistics under shuffled labels had a deviation of
0.08 (the highest of 750 was 0.49) where guesses clip by clip have 0.05. Claimed is what three deviations of
`GUESSES` a label allow, 0.71 of four labels. What is above has seen the labels; whether anything less leaks,
no single run can say: the report does, over all folds and seeds.
"""

from benchmark.session.checks import assert_valid
from serkit.labels import corpus_of, treatment_of

GUESSES = 2


def test_shuffled(case):
    result = case.result()
    assert_valid(result, case.spec, case.settled)
    if not all(treatment_of(name) == "shuffled" for name in case.spec.train):
        return  # of true labels test clips may be known
    for name in map(corpus_of, case.spec.train):
        for fold, tested in result["tests"][name]["folds"].items():
            clips = result["corpora"][name]["tested"][fold].values()
            most = allowed([of for of in clips if of])
            recall = tested["uACC"]["mean"]
            assert recall <= most, f"{name}, fold {fold}: uACC {recall:.2f}, luck gives {most:.2f} at most"


def allowed(clips):
    """The highest mean recall that luck gives on test clips of so many labels, so many clips each."""
    chance = 1 / len(clips)
    variance = sum(chance * (1 - chance) / min(of, GUESSES) for of in clips) / len(clips) ** 2
    return chance + 3 * variance**0.5
