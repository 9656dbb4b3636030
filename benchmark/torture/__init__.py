"""Ends runs on purpose, in every way that was thought of, and looks whether a result is lost or wrong.

What is promised, and a table of a long torture: docs/reliability.md.
"""

from __future__ import annotations

import itertools
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.study import Study
from benchmark.torture.bench import Bench, Fault, Wrong
from benchmark.torture.faults import FAULTS
from serkit.errors import SpecError
from serkit.words import many, named, shown

OWN = Path(__file__).with_name("study.toml")
"""The study whose runs are tortured where none is named."""
COLUMNS = {"fault": "Fault", "times": "Times", "survived": "Survived", "repeated": "Repeated, s"}


def named_so(only: str, but: str) -> list[Fault]:
    """The faults with `only` in their names and, unless it is empty, without `but`. Raises SpecError."""
    kinds = [fault for fault in FAULTS if only in fault.name and not (but and but in fault.name)]
    if not kinds:
        names = ", ".join(fault.name for fault in FAULTS)
        asked = shown(only) + (f" in its name, and not {shown(but)}" if but else " in its name")
        raise SpecError(f"no fault has {asked}; expected a part of one of: {names}")
    return kinds


def torture(
    study: Study,
    kinds: Sequence[Fault],
    faults: int,
    minutes: float,
    seed: int,
    say: Callable[[str], None],
) -> bool:
    """Does faults of some kinds: so many, or as many as there is time for; prints a table.

    A fault is survived where no result that was there is lost or another, the next call ends well, and then
    every result is what it is without faults, bit for bit. Sessions are struck one after another, each where
    the one before was; the last is not, and its tables must be those of a session that never was.

    Returns:
        Whether all were survived.
    """
    folder = Path(tempfile.mkdtemp(prefix="serkit-torture-"))
    bench, ends = Bench(study, folder, random.Random(seed)), time.monotonic() + 60 * minutes
    times: dict[str, list[float]] = {}
    failed: Counter[str] = Counter()
    try:
        bench.prepare()
        say(f"{len(bench.jobs)} runs undisturbed; now {many(faults, 'fault')}")
        for unit in itertools.cycle(units(kinds)):
            now = unit[: faults - sum(map(len, times.values()))]
            if not now or time.monotonic() > ends:
                break
            try:
                repeated = bench.survives(now)
            except Wrong as error:
                repeated = [0.0] * len(now)
                failed.update(fault.name for fault in now)
                say(f"NOT SURVIVED: {named(fault.name for fault in now)}: {error}. Kept in {bench.kept()}")
            for fault, seconds in zip(now, repeated, strict=True):
                times.setdefault(fault.name, []).append(seconds)
        say(_table(times, failed).to_markdown(index=False, floatfmt=".1f"))
    finally:
        bench.close()
        if not failed:
            shutil.rmtree(folder, ignore_errors=True)
    return not failed


def units(kinds: Sequence[Fault]) -> list[list[Fault]]:
    """Faults of runs one by one, then those of sessions, which strike one study one after another."""
    storm = [fault for fault in kinds if fault.session]
    return [[fault] for fault in kinds if not fault.session] + ([storm] if storm else [])


def _table(times: Mapping[str, Sequence[float]], failed: Mapping[str, int]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = [
        {"fault": name, "times": len(of), "survived": len(of) - failed[name], "repeated": max(of)}
        for name, of in times.items()
    ]
    total = {name: sum(row[name] for row in rows) for name in ("times", "survived")}
    rows.append({"fault": "all", **total, "repeated": max((row["repeated"] for row in rows), default=0.0)})
    return pd.DataFrame(rows).rename(columns=COLUMNS)
