"""What Figure 3's cases claim: no clip is right under two keys, where the permutation moves every label."""

import dataclasses
from types import SimpleNamespace

import pytest

import cases.test_figure3_scrambled as figure3
from tests.made_results import RUN, made_result


def case_of(name, true, permuted):
    """A case of one training on permuted labels that is so often right under each key."""
    recipe = dataclasses.replace(RUN.recipe, epochs=5, tail=0.2)
    spec = dataclasses.replace(RUN, train=(name,), fold=None, recipe=recipe)
    result = made_result(spec, lambda test, *_: {name: permuted, "plain": true}.get(test, 0.25))
    return SimpleNamespace(spec=spec, settled=False, result=lambda: result)


@pytest.mark.parametrize("name", ["plain_scrambled", "plain_far", "plain_hsan"])
def test_both_keys_cannot_be_right_where_every_label_moves(name):
    figure3.test_scrambled(case_of(name, 0.4, 0.6))
    with pytest.raises(AssertionError):
        figure3.test_scrambled(case_of(name, 0.5, 0.6))


@pytest.mark.parametrize("name", ["plain_hans", "plain_far50", "plain"])
def test_they_can_where_a_label_or_a_clip_stays(name):
    figure3.test_scrambled(case_of(name, 0.8, 0.8))
