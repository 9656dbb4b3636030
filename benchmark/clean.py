"""What `python -m benchmark clean` says: what is left over, how much and since when, and what was removed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from serkit.leftovers import DAY_S, Leftover, in_cache, in_results, remove
from serkit.words import COLUMNS, many, printable

TAIL = 34
"""Letters of the end of a path that is cut short: it tells runs apart."""
ROWS = 5
"""Of a kind in one folder; more of them are counted."""


def text(results: Path, cache: Path, days: float, removing: bool) -> tuple[str, bool]:
    """Lists what is left over in both folders, and removes it if that is asked for.

    Returns:
        The list with its sums, at most 80 columns but for what could not be removed, and whether all could.
    """
    lines: list[str] = []
    found: list[Leftover] = []
    for what, folder, there in (
        ("results", results, list(in_results(results, days))),
        ("cache", cache, list(in_cache(cache, results, days))),
    ):
        lines += [f"In the {what}, {_in_a_line(folder)}:" if there else f"Nothing in the {what}"]
        lines += _listed(folder.resolve(), there)
        found += there
    failed = [(of, why) for of in found if removing and (why := remove(of))]
    lines += [f"Not removed: {_in_a_line(of.path)}: {why}" for of, why in failed]
    if found:
        kept = "; nothing was removed: --remove removes it"
        done = "; all but these were removed" if failed else "; removed"
        lines.append(f"In all {_sum(found)}{done if removing else kept}")
    return "\n".join(lines), not failed


def _listed(root: Path, found: Iterable[Leftover]) -> Iterator[str]:
    kinds: dict[str, dict[Path, list[Leftover]]] = defaultdict(lambda: defaultdict(list))
    for leftover in found:
        kinds[leftover.why][leftover.path.parent].append(leftover)
    for why, folders in kinds.items():
        yield f"{why}: {_sum([of for there in folders.values() for of in there])}"
        for folder, there in folders.items():
            if len(there) > ROWS:
                yield _row(there, f"{folder.relative_to(root)}/ ({len(there):,})")
            else:
                yield from (_row([of], str(of.path.relative_to(root))) for of in there)


def _row(of: list[Leftover], name: str) -> str:
    days = int(min(leftover.seconds for leftover in of) // DAY_S)
    head = f"  {_size(of):>9}  {many(days, 'day'):>9}  "
    shown, room = _in_a_line(name), COLUMNS - len(head)
    return head + (shown if len(shown) <= room else f"{shown[: room - TAIL - 3]}...{shown[-TAIL:]}")


def _sum(of: list[Leftover]) -> str:
    return f"{len(of):,}, {_size(of)}"


def _size(of: Iterable[Leftover]) -> str:
    return f"{sum(leftover.bytes for leftover in of) / 1e6:,.1f} MB"


def _in_a_line(name: str | Path) -> str:
    """A name that is one line whatever is in it."""
    return printable(str(name).replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t"))
