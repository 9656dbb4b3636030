"""What is there of a study and what is not, why, which command makes up for it; and what was spent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.report.cells import Answers
from benchmark.report.tables import Table
from benchmark.session import checks, progress, status
from benchmark.session.progress import CaseState
from benchmark.study import Study
from serkit.results import Result
from serkit.specs import MEASUREMENT, TRAINING, kind_of


@dataclass(frozen=True)
class Gap:
    """A row of the coverage in which something is missing or wrong.

    Attributes:
        what: the training set and rate, or the acoustics and condition.
        done: how many of how many.
        problems: lines.
        command: makes up for what is missing; empty where nothing is.
    """

    what: str
    done: str
    problems: tuple[str, ...]
    command: str


@dataclass(frozen=True)
class Coverage:
    """What is done of what is asked.

    Attributes:
        command: for all that is missing.
        table: by training set (or tuning, or acoustics) and rate (or condition).
        gaps: of these, where something is missing or wrong.
    """

    command: str
    table: Table
    gaps: tuple[Gap, ...]

    @property
    def tables(self) -> list[Table]:
        """What is done, and where it is not all."""
        rows = [[gap.what, gap.done, "\n".join(gap.problems), gap.command] for gap in self.gaps]
        gaps = Table("gaps", "Gaps and problems", ["What", "Done", "Problems", "Command"], rows)
        return [self.table, gaps] if rows else [self.table]


def coverage(study: Study, found: Answers, states: Iterable[CaseState]) -> Coverage:
    """Which runs are there, and which are not."""
    places: dict[tuple[str, str], list[CaseState]] = defaultdict(list)
    for state in states:
        spec = state.case.spec
        if spec.kind == MEASUREMENT:
            place = "acoustics", "augmented" if spec.augmentation else "raw"
        else:
            place = study.title_of(spec.train) + ", tuning" * state.case.tuned, f"{spec.augment_percent} %"
        places[place].append(state)
    columns = list(dict.fromkeys(column for _, column in places))
    rows = [
        [what, *(_of_asked(places.get((what, column), ())) for column in columns)]
        for what in dict.fromkeys(what for what, _ in places)
    ]
    gaps = []
    for (what, column), seen in places.items():
        problems = tuple(problem for state in seen for problem in _problems(study, found, state))
        left = [state.case for state in seen if state.state not in (progress.DONE, progress.RUNNING)]
        if problems or left:
            command = status.command(left, study.given) if left else ""
            gaps.append(Gap(f"{what}, {column}", _of_asked(seen), problems, command))
    table = Table("coverage", "Runs that are done, of those that are asked", ["", *columns], rows)
    return Coverage(status.command([], study.given), table, tuple(gaps))


def _of_asked(seen: Sequence[CaseState]) -> str:
    return f"{sum(state.state == progress.DONE for state in seen)}/{len(seen)}" if seen else ""


def _problems(study: Study, found: Answers, state: CaseState) -> Iterator[str]:
    """What is to be said of a case besides that it is done or missing."""
    case = state.case
    if state.failure:
        yield f"{case.id}: {state.failure.partition(chr(10))[0]}"
    elif state.state in (progress.CUT_OFF, progress.RUNNING):
        yield f"{case.id}: {state.state} at {state.share:.0%}"
    result = found.results.get(case.spec) or found.left_out.get(case.spec)
    if result is not None and case.spec.kind == TRAINING:
        try:
            checks.assert_valid(result, case.spec, settled=study.settled and not case.tuned)
        except AssertionError as error:
            yield f"{case.id}: {str(error).partition(chr(10))[0]}"


@dataclass(frozen=True)
class Cost:
    """What was spent on results.

    Attributes:
        table: by device.
        hours: by kind of device, `GPU` and `CPU`, those that worked.
    """

    table: Table
    hours: dict[str, float]


def cost(results: Iterable[Result]) -> Cost:
    """Hours, and clips a second of training, by device."""
    devices: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        devices[result["environment"]["device_name"]].append(result)
    spent = {name: sum(at["wall_seconds"] / 3600 for at in of) for name, of in devices.items()}
    hours = dict.fromkeys(("GPU", "CPU"), 0.0)
    rows = []
    for name in sorted(devices, key=lambda name: -spent[name]):
        kind = "GPU" if devices[name][0]["environment"].get("device") == "cuda" else "CPU"
        trained = [result for result in devices[name] if kind_of(result["spec"]) == TRAINING]
        rates = [result["clips_per_second"] for result in trained if "clips_per_second" in result]
        counts = str(len(trained)), str(len(devices[name]) - len(trained))
        pace = f"{np.median(rates):.0f}" if rates else ""
        rows.append([name, kind, *counts, f"{spent[name]:.2f}", pace])
        hours[kind] += float(f"{spent[name]:.2f}")
    headers = ["Device", "Kind", "Runs", "Measurements", "Hours", "Clips/s in training, median"]
    kinds = {row[1] for row in rows}
    return Cost(
        Table("cost", "Hours by device", headers, rows),
        {kind: of for kind, of in hours.items() if kind in kinds},
    )


def versions(results: Iterable[Result]) -> dict[str, str]:
    """Versions that results were made with, each once."""
    seen: dict[str, set[str]] = defaultdict(set)
    for result in results:
        environment: dict[str, Any] = result["environment"]
        for name in ("python", "serkit", "git_commit", "system"):
            if environment.get(name):
                seen[name.replace("_", " ")].add(str(environment[name]))
        for package, version in environment["packages"].items():
            seen[package].add(version)
    return {name: ", ".join(sorted(of)) for name, of in seen.items()}
