"""What is there of a study and what is not, why, which command makes up for it; and what was spent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import numpy as np

from benchmark.report.cells import Answers
from benchmark.report.tables import Table
from benchmark.session import checks, progress, status
from benchmark.session.progress import CaseState
from benchmark.study import Study
from serkit.resultfile import Result, is_imported
from serkit.specs import MEASUREMENT, TRAINING, kind_of


def coverage(study: Study, found: Answers, states: Iterable[CaseState]) -> list[Table]:
    """What is done, by training set (or tuning, or acoustics) and rate (or condition); and the gaps, if any.

    A row of the gaps is a place where something is missing or wrong: what, how much is done, a line for each
    problem, and the command that makes up for what is missing.
    """
    places: dict[tuple[str, str], list[CaseState]] = defaultdict(list)
    for state in states:
        spec = state.case.spec
        if spec.kind == MEASUREMENT:
            place = "acoustics", "augmented" if spec.augmentation else "raw"
        else:
            place = study.title_of(spec.train) + ", tuning" * state.case.tuned, f"{spec.augment_percent} %"
        places[place].append(state)
    columns = list(dict.fromkeys(column for _, column in places))
    rows: dict[str, list[str]] = {}
    gaps = []
    for (what, column), seen in places.items():
        done = f"{sum(state.state == progress.DONE for state in seen)}/{len(seen)}"
        rows.setdefault(what, [what, *[""] * len(columns)])[1 + columns.index(column)] = done
        problems = [problem for state in seen for problem in _problems(study, found, state)]
        left = [state.case for state in seen if state.state not in (progress.DONE, progress.RUNNING)]
        if problems or left:
            command = status.command(left, study.given) if left else ""
            gaps.append([f"{what}, {column}", done, "\n".join(problems), command])
    title = "Runs that are done, of those that are asked"
    done_of = Table("coverage", title, ["", *columns], list(rows.values()))
    missing = Table("gaps", "Gaps and problems", ["What", "Done", "Problems", "Command"], gaps)
    return [done_of, missing] if gaps else [done_of]


def _problems(study: Study, found: Answers, state: CaseState) -> Iterator[str]:
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


def cost(results: Iterable[Result]) -> Table:
    """Hours, and clips a second of training, by device; the kind of device is `GPU` or `CPU`.

    What is imported cost nothing here, and nobody knows what it did elsewhere.
    """
    devices: dict[str, list[Result]] = defaultdict(list)
    for result in (result for result in results if not is_imported(result)):
        devices[result["environment"]["device_name"]].append(result)
    hours = {name: sum(at["wall_seconds"] / 3600 for at in of) for name, of in devices.items()}
    rows = []
    for name in sorted(devices, key=lambda name: -hours[name]):
        kind = "GPU" if devices[name][0]["environment"].get("device") == "cuda" else "CPU"
        trained = [result for result in devices[name] if kind_of(result["spec"]) == TRAINING]
        rates = [result["clips_per_second"] for result in trained if "clips_per_second" in result]
        counts = str(len(trained)), str(len(devices[name]) - len(trained))
        rows.append([name, kind, *counts, f"{hours[name]:.2f}", f"{np.median(rates):.0f}" if rates else ""])
    headers = ["Device", "Kind", "Runs", "Measurements", "Hours", "Clips/s in training, median"]
    return Table("cost", "Hours by device", headers, rows)


def versions(results: Iterable[Result]) -> dict[str, str]:
    """Versions that results were made with, each once."""
    seen: dict[str, set[str]] = defaultdict(set)
    for environment in (result["environment"] for result in results):
        for name in ("python", "serkit", "git_commit", "system"):
            if environment.get(name):
                seen[name.replace("_", " ")].add(str(environment[name]))
        for package, version in environment["packages"].items():
            seen[package].add(version)
    return {name: ", ".join(sorted(of)) for name, of in seen.items()}
