"""The order in which workers are dealt cases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def dealt(cases: Sequence[T], cost: Callable[[T], float], workers: int) -> list[T]:
    """Longest first, so that no worker begins a long case when the others are done.

    xdist deals each worker two cases at the start, which it keeps, and then one at a time; so each of the
    first long ones is followed by one of the shortest. Fewer than two a worker it deals in turn, one to
    each, then the rest. A single process keeps the order of the exhibits.
    """
    if workers < 2:
        return list(cases)
    ranked = sorted(cases, key=cost, reverse=True)  # stable: the same on every worker
    if len(ranked) < 2 * workers:
        return ranked[:workers] + ranked[workers:][::-1]
    long, middle, short = ranked[:workers], ranked[workers:-workers], ranked[-workers:]
    head = [case for pair in zip(long, reversed(short), strict=True) for case in pair]
    return head + middle
