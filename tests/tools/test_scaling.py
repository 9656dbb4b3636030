"""How a plan fills GPUs: bounds that hold for any list scheduling, and the order of engines."""

import random

import pytest

from benchmark import study as studies
from tools.scaling import ideal, in_order, lengths, table


def test_each_run_of_the_plan_counts_what_others_are_compared_with_first():
    study = studies.read("paper")
    costs = lengths(study)
    assert sorted(costs) == sorted(float(case.cost) for case in studies.plan(study))
    turns = [case.turn for case in studies.plan(study)]
    first = costs[: turns.count(0)]
    assert first == sorted(first, reverse=True)


@pytest.mark.parametrize("gpus", [1, 2, 7, 64, 500])
def test_no_order_beats_the_ideal_or_is_twice_as_long(gpus):
    shuffled = random.Random(gpus)
    costs = [shuffled.uniform(1, 10) for _ in range(200)]
    assert ideal(costs, gpus) <= in_order(costs, gpus) <= 2 * ideal(costs, gpus)
    assert in_order(costs, 1) == pytest.approx(sum(costs))
    assert in_order(costs, 200) == max(costs)


def test_the_table_is_in_multiples_of_the_ideal():
    rows = table([4.0, 2.0, 2.0], [100, 400], 1.0)
    assert rows["longest run"].tolist() == [1.0, 1.0]
    assert rows["in order"].tolist() == [1.0, 1.0]
    assert "Ray" not in rows
