"""The order in which cases are run and workers are dealt them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def dealt(
    cases: Sequence[T], cost: Callable[[T], float], workers: int, turn: Callable[[T], int] = lambda case: 0
) -> list[T]:
    """What other cases are compared with first; of one turn the longest, so that workers end together.

    xdist deals each worker two cases at the start, which it keeps, and then one at a time; so each of the
    first is followed by one of the shortest. Fewer than two a worker it deals in turn, one to each, then the
    rest. A single process keeps the order of the exhibits within a turn.
    """
    if workers < 2:
        return sorted(cases, key=turn)
    ranked = sorted(cases, key=lambda case: (turn(case), -cost(case)))  # stable: the same on every worker
    first, rest = ranked[:workers], ranked[workers:]
    shortest = sorted(range(len(rest)), key=lambda place: (cost(rest[place]), -place))[:workers]
    short = [rest[place] for place in shortest]
    if len(rest) < workers:
        return first + short
    middle = [case for place, case in enumerate(rest) if place not in set(shortest)]
    return [case for pair in zip(first, short, strict=True) for case in pair] + middle
