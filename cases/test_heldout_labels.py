"""Held-out cells: joint training in which a corpus lacks a label.

Claim, beyond a valid run: none of the corpus's training clips has the label, and its test clips still have
it: what a test without the label would measure is nothing. What the network makes of them the exhibit shows.
"""

from benchmark.session.checks import assert_valid
from serkit.labels import LABELS, corpus_of, treatment_of


def test_lacking(case):
    result = case.result()
    assert_valid(result, case.spec, case.settled)
    for name in case.spec.train:
        clips = result["corpora"][corpus_of(name)]["clips"]
        lacks = treatment_of(name).removeprefix("without-")
        for label in filter(lacks.__eq__, LABELS):
            assert clips["train"][label] == 0, f"{name}: {clips['train']}"
            assert clips["test"][label] > 0, f"{name} has no test clip of {label}"
