"""One page for a study: results/<study>/index.html, which works from disk, without a network, on any screen.

    report -> what the page shows, as plain data -> page.html (Jinja) + page.css + page.js + Vega -> one file

Libraries: Jinja makes the HTML, and escapes what it is given; the curves are Vega-Lite specs, a documented
grammar of charts, which Vega draws in the browser. vl-convert, a wheel, carries Vega's JavaScript, so that
nothing is fetched and nothing of it lies in this repository; what it packs is kept in the cache folder. The
heat maps are HTML tables and no charts: a reader with a keyboard or a screen reader gets at every cell.

Without JavaScript the answer, every table and Figure 4 are there; the details of a cell, the curves and the
confusion matrices are not, and the page says which files have their numbers.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from benchmark.report import escape, intervals, tables, verdicts
from benchmark.report.cells import colour_limit, columns_of, is_clear
from benchmark.report.choices import choices
from benchmark.session import checks, progress, status
from benchmark.session.progress import CaseState
from benchmark.study import Case, Study, TrainingSet
from serkit.errors import ResultsUnreadable
from serkit.files import cache_folder, read_bytes, write_whole
from serkit.labels import LABELS
from serkit.metrics import in_tail
from serkit.results import Result, Store
from serkit.specs import MEASUREMENT, METRICS, TRAINING, kind_of
from serkit.words import many

if TYPE_CHECKING:
    from benchmark.report.collect import Report

HERE = Path(__file__).parent
NAME = "index.html"
WIDE = 45
"""Letters of a cell that makes its column one of text."""
STRONGEST = 72
"""How much of a colour a cell at the end of the scale has, in percent: with more, its number would be hard to
read in one of the two themes (4.5 to 1 is asked of text)."""


def write(report: Report, store: Store, colours: str = "paper") -> Path:
    """Writes the page into the study's folder.

    Args:
        report: what is done of the study.
        store: its results, for the scores of single clips and the state of what is not done.
        colours: that the heat maps open in, `paper` or `safe`; a reader may switch.

    Returns:
        The file.
    """
    path = store.folder / NAME
    write_whole(path, html(report, store, colours))
    return path


def html(report: Report, store: Store, colours: str = "paper") -> str:
    """The page."""
    import jinja2

    study = report.study
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    maps = [_heat_map(report, name) for name in ("figure2", "figure3") if not report.cells_of(name).empty]
    conditions = list(_conditions(report, store))
    covered, spent = coverage(report), _cost(report)
    drawn = [*report.tables, *_besides(study, covered, spent)]
    data = {
        "labels": LABELS,
        "metrics": METRICS,
        "conditions": conditions,
        "rates": _rates(report),
        "cells": {
            cell["id"]: cell["details"] for one in maps for row in one["rows"] for cell in row["cells"]
        },
    }
    return environment.get_template("page.html").render(
        study=study,
        question=verdicts.QUESTION,
        sentences=report.sentences,
        notes=report.notes,
        interim=report.interim,
        colours=colours,
        tables={table.name: _table(table) for table in drawn},
        maps=maps,
        downloads=_downloads(report, drawn),
        picture=_figure4_picture(report, store),
        conditions=conditions,
        everything=covered["command"],
        hours={
            kind: sum(float(row["hours"]) for row in spent if row["kind"] == kind)
            for kind in ("GPU", "CPU")
            if any(row["kind"] == kind for row in spent)
        },
        versions=_versions(report),
        css=(HERE / "page.css").read_text(encoding="utf-8"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
        vega=re.sub("</(?=script)", r"<\\/", vega(), flags=re.IGNORECASE),  # would end the element
        data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
    )


def vega() -> str:
    """Vega, Vega-Lite and their embedding, JavaScript that makes a global `vegaEmbed`; kept in the cache.

    Its digest is in its name: what is damaged is packed again, since a page without charts would not say why.
    """
    version = importlib.metadata.version("vl-convert-python")

    def kept(packed: bytes) -> Path:
        return cache_folder() / f"vega-of-vl-convert-{version}-{hashlib.sha256(packed).hexdigest()[:16]}.js"

    for path in sorted(cache_folder().glob(f"vega-of-vl-convert-{version}-*.js")):
        with suppress(OSError):
            packed = read_bytes(path)
            if path == kept(packed):
                return packed.decode()
    import vl_convert  # packing takes some seconds

    packed = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").encode()
    with suppress(OSError):  # packed again the next time
        write_whole(kept(packed), packed)
    return packed.decode()


def _table(table: tables.Table) -> dict[str, Any]:
    """A table for the template: cells as lines, and which columns hold sentences."""
    columns = zip(*table.rows, strict=True) if table.rows else [[]] * len(table.headers)
    return {
        "title": table.title,
        "headers": [header.split("\n") for header in table.headers],
        "text": [max(map(len, column), default=0) > WIDE for column in columns],
        "rows": [[cell.split("\n") for cell in row] for row in table.rows],
        "legend": table.legend,
    }


def _besides(study: Study, covered: dict[str, Any], spent: list[dict[str, Any]]) -> list[tables.Table]:
    """The page's tables that are no exhibits."""
    done = [[row["what"], *row["cells"]] for row in covered["rows"]]
    left = [[row["what"], row["done"], "\n".join(row["problems"]), row["command"]] for row in covered["left"]]
    counted = ("device", "kind", "runs", "measurements", "hours", "pace")
    hours = [[str(row[name]) for name in counted] for row in spent]
    of_cost = ["Device", "Kind", "Runs", "Measurements", "Hours", "Clips/s in training, median"]
    table = tables.Table
    return [
        table("coverage", "Runs that are done, of those that are asked", ["", *covered["columns"]], done),
        *(
            [table("gaps", "Gaps and problems", ["What", "Done", "Problems", "Command"], left)]
            if left
            else []
        ),
        table("choices", "Points and choices", ["Point", "Choice"], [list(pair) for pair in choices(study)]),
        table("cost", "Hours by device", of_cost, hours),
    ]


def _downloads(report: Report, drawn: list[tables.Table]) -> dict[str, list[dict[str, str]]]:
    """The files that each table can be saved as, by its name; every digit under `cells` and the like."""
    files: dict[str, list[dict[str, str]]] = {}
    for table in drawn:
        files[table.name] = [
            _file(f"{table.name}.csv", "text/csv", table.csv()),
            _file(f"{table.name}.tex", "application/x-tex", table.latex()),
        ]
    for name, numbers in report.numbers.items():
        files[name] = [_file(f"{name}.csv", "text/csv", escape.csv(numbers, "%.6g"))]
    return files


def _file(name: str, kind: str, text: str) -> dict[str, str]:
    coded = base64.b64encode(text.encode()).decode()
    return {"name": name, "address": f"data:{kind};charset=utf-8;base64,{coded}"}


def _heat_map(report: Report, name: str) -> dict[str, Any]:
    """Figure 2 or 3 as rows of cells, each with its colour and its details."""
    cells = report.cells_of(name)
    columns = columns_of(cells)
    limit = colour_limit(cells)
    by_place = cells.set_index(["augment_percent", "column", "test"])
    trains = dict(zip(cells["column"], cells["train"], strict=True))
    rows = []
    for number, rate in enumerate(cells["augment_percent"].unique()):
        here = [
            _cell(by_place.loc[(rate, *at)], at, rate, limit, f"{name}-{number}-{position}", report.study)
            for position, at in enumerate(columns)
        ]
        rows.append({"rate": int(rate), "cells": here})
    return {
        "name": name,
        "title": tables.TITLES[name].partition(": ")[2].replace("change", "Change", 1),
        "limit": f"{limit:.2f}",
        "groups": [
            {"letter": letter, "train": trains[letter], "span": sum(at[0] == letter for at in columns)}
            for letter in dict.fromkeys(letter for letter, _ in columns)
        ],
        "tests": [
            {"test": test, "first": number == 0 or columns[number - 1][0] != letter}
            for number, (letter, test) in enumerate(columns)
        ],
        "rows": rows,
        "paper": report.study.paper,
    }


def _cell(
    row: pd.Series, at: tuple[str, str], rate: int, limit: float, identity: str, study: Study
) -> dict[str, Any]:
    """A cell: what stands in it, its colour, and its details line by line."""
    change, runs, expected = row["wF1_change"], int(row["runs"]), int(row["runs_expected"])
    seeds = len(study.seeds)
    known = not np.isnan(change)
    clear = known and is_clear(row)
    asked = f"{many(expected // seeds, 'fold')} x {many(seeds, 'seed')}"
    details = [
        ["Trained on", row["train"]],
        ["Tested on", at[1]],
        ["Augmented", f"{rate} % of the training clips"],
        ["Runs", f"{runs} of {expected} done ({asked})"],
    ]
    if not np.isnan(row["wF1"]):
        moves = "" if np.isnan(row["wF1_std"]) else f", std {row['wF1_std']:.3f} over the tail"
        details.append(["wF1", f"{row['wF1']:.3f}{moves}"])
        details.append([_what(row), f"{row['wF1_low']:.3f} to {row['wF1_high']:.3f}"])
    if known and np.isnan(row["wF1_change_low"]):
        details.append(["Change", f"{change:+.3f}, of one fold and another: not known how sure"])
    elif known:
        moved = f"{change:+.3f} [{row['wF1_change_low']:+.3f}, {row['wF1_change_high']:+.3f}]"
        details.append(["Change", moved + (", 0 is left out" if clear else ", 0 is within")])
    elif not np.isnan(row["wF1"]):
        details.append(["Change", f"unknown: the baseline of {at[1]} is not done"])
    paper = row.get("paper", np.nan)
    if not np.isnan(paper):
        details.append(["Paper", f"{paper:+.2f} (wF1 {row['paper_wF1']:.2f})"])
        if known:
            details.append(["Ours - paper", f"{row['difference']:+.3f}"])
    partial = runs < expected or row["baseline_runs"] < row["baseline_runs_expected"]
    return {
        "id": identity,
        "text": tables.signed(change, missing=tables.MISSING),
        "paper": tables.signed(paper),
        "way": "none" if not known else "up" if change >= 0 else "down",
        "strength": 0 if not known else round(STRONGEST * min(1.0, abs(change) / limit)),
        "moved": clear,
        "partial": known and partial,
        "details": details,
    }


def _what(row: pd.Series) -> str:
    if row["spread_of"] == intervals.SINGLE:
        return "Yardstick (single run)"
    return f"95 % interval ({row['units']} {row['spread_of']})"


def _training_sets(study: Study) -> list[TrainingSet]:
    return list(dict.fromkeys(train for exhibit in study.exhibits for train in exhibit.columns))


def _conditions(report: Report, store: Store) -> Iterator[dict[str, Any]]:
    """Learning curves and confusion matrices of every condition of which a run is done."""
    study = report.study
    for train in _training_sets(study):
        for rate in study.rates_percent:
            runs = study.runs(train, rate)
            done = [report.found.results[run] for run in runs if run in report.found.results]
            if done:
                counted, confusion = _confusion(study, done, store)
                yield {
                    "train": study.title_of(train),
                    "rate": rate,
                    "runs": len(done),
                    "expected": len(runs),
                    **_curves(study, done),
                    "counted": counted,
                    "confusion": confusion,
                }


def _curves(study: Study, done: Sequence[Result]) -> dict[str, Any]:
    """Loss and metrics by epoch: mean over folds and seeds, and their standard deviation.

    Returns:
        `epochs`, `tail` (the first epoch in it), `loss` ([means, stds]), `tests` (title -> metric -> [means,
        stds]).
    """
    histories = [result["history"] for result in done]
    shortest = min(histories, key=len)
    tail = in_tail([at["iteration"] for at in shortest], done[0]["spec"]["recipe"]["tail"])

    def over_runs(values: Any) -> list[list[float | None]]:
        """Of [evaluations][values]."""
        return [[_short(np.mean(of)) for of in values], [_short(np.std(of)) for of in values]]

    evaluations = range(len(shortest))
    return {
        "epochs": [_short(at["epoch"]) for at in shortest],
        "tail": _short(shortest[tail[0]]["epoch"]),
        "loss": over_runs([[history[at]["loss"] for history in histories] for at in evaluations]),
        "tests": {
            study.title_of(test): {
                metric: over_runs(
                    [
                        [of[metric] for history in histories for of in history[at]["tests"][test].values()]
                        for at in evaluations
                    ]
                )
                for metric in METRICS
            }
            for test in shortest[0]["tests"]
        },
    }


def _short(value: float) -> float | None:
    """Four digits; None where it is no number, which JSON has not."""
    return round(float(value), 4) if np.isfinite(value) else None


def _confusion(study: Study, done: Sequence[Result], store: Store) -> tuple[int, dict[str, list[list[int]]]]:
    """Test clips by true and predicted label at the last evaluation, over folds and seeds.

    Returns:
        How many runs were counted, for a table of scores may be gone or damaged; corpus's title ->
        [true][predicted].
    """
    counted = 0
    counts: dict[str, np.ndarray] = defaultdict(lambda: np.zeros((len(LABELS), len(LABELS)), dtype=np.int64))
    for result in done:
        try:
            scores = store.table(result["key"], "scores")
        except ResultsUnreadable:
            continue
        counted += 1
        predicted = scores[list(LABELS)].to_numpy().argmax(axis=1)
        corpus = scores["corpus"].to_numpy()
        truth = pd.Categorical(scores["label"], categories=list(LABELS)).codes
        for name in (name for name in dict.fromkeys(corpus) if name in study.titles):
            here = corpus == name
            np.add.at(counts[study.title_of(name)], (truth[here], predicted[here]), 1)
    return counted, {name: of.tolist() for name, of in counts.items()}


def _rates(report: Report) -> list[dict[str, Any]]:
    """wF1 against the rate: Figure 2's cells, a row each."""
    cells = report.cells_of("figure2")
    if cells.empty:
        return []
    cells = cells[cells["wF1"].notna()]
    columns = {"train": "train", "test": "test", "augment_percent": "rate", "wF1": "wF1"}
    columns |= {"wF1_low": "low", "wF1_high": "high"}
    if report.study.paper:
        columns["paper_wF1"] = "paper"
    rows = cells[list(columns)].rename(columns=columns).round(4)
    return [
        {name: None if value != value else value for name, value in row.items()}
        for row in rows.to_dict("records")
    ]


def _figure4_picture(report: Report, store: Store) -> str:
    """Figure 4 as the address of an image, or nothing."""
    path = store.folder / "figure4.svg"
    if report.estimates.empty or not path.is_file():
        return ""
    return f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}"


def coverage(report: Report) -> dict[str, Any]:
    """Which runs are there, which are not and why, and the command that makes up for it.

    Returns:
        `command`, for all that is missing; `columns` and `rows`, what is done of what is asked by training
        set (or tuning, or acoustics) and rate (or condition), each row `what` and `cells`, texts; `left`: for
        each cell with a gap or a problem `what`, `done`, `problems` and `command` (empty without a gap).
    """
    study = report.study
    places: dict[tuple[str, str], list[CaseState]] = defaultdict(list)
    for state in report.states:
        spec = state.case.spec
        if spec.kind == MEASUREMENT:
            place = "acoustics", "augmented" if spec.augmentation else "raw"
        else:
            place = study.title_of(spec.train) + ", tuning" * state.case.tuned, f"{spec.augment_percent} %"
        places[place].append(state)
    columns = list(dict.fromkeys(column for _, column in places))
    rows, left = [], []
    for what in dict.fromkeys(what for what, _ in places):
        row = [_of_asked(places[what, column]) if (what, column) in places else "" for column in columns]
        rows.append({"what": what, "cells": row})
    for (what, column), seen in places.items():
        problems = [problem for state in seen for problem in _problems(report, state)]
        gaps = [state.case for state in seen if state.state not in (progress.DONE, progress.RUNNING)]
        if problems or gaps:
            again = status.command(gaps, study.given) if gaps else ""
            left.append(
                {
                    "what": f"{what}, {column}",
                    "done": _of_asked(seen),
                    "problems": problems,
                    "command": again,
                }
            )
    everything = status.command([], study.given)
    return {"command": everything, "columns": columns, "rows": rows, "left": left}


def _of_asked(seen: Sequence[CaseState]) -> str:
    return f"{sum(state.state == progress.DONE for state in seen)}/{len(seen)}"


def _problems(report: Report, state: CaseState) -> Iterator[str]:
    """What is to be said of a case besides that it is done or missing."""
    if state.failure:
        yield f"{state.case.id}: {state.failure.partition(chr(10))[0]}"
    elif state.state in (progress.CUT_OFF, progress.RUNNING):
        yield f"{state.case.id}: {state.state} at {state.share:.0%}"
    found = report.found
    result = found.results.get(state.case.spec) or found.left_out.get(state.case.spec)
    if result is not None and (problem := _claim(state.case, result, report.study)):
        yield f"{state.case.id}: {problem}"


def _claim(case: Case, result: Result, study: Study) -> str:
    """What a finished run's case objects to, or nothing."""
    if case.spec.kind == MEASUREMENT:
        return ""
    try:
        checks.assert_valid(result, case.spec, settled=study.settled and not case.tuned)
    except AssertionError as error:
        return str(error).partition("\n")[0]
    return ""


def _cost(report: Report) -> list[dict[str, Any]]:
    """What was spent, by device: runs, hours, clips a second of training."""
    spent: dict[str, dict[str, Any]] = {}
    for result in report.found.results.values():
        device = result["environment"]["device_name"]
        kind = "GPU" if result["environment"].get("device") == "cuda" else "CPU"
        row = spent.setdefault(
            device, {"device": device, "kind": kind, "runs": 0, "measurements": 0, "hours": 0.0, "rates": []}
        )
        row["hours"] += result["wall_seconds"] / 3600
        trained = kind_of(result["spec"]) == TRAINING
        row["runs" if trained else "measurements"] += 1
        if trained and "clips_per_second" in result:
            row["rates"].append(result["clips_per_second"])
    for row in spent.values():
        row["pace"] = f"{np.median(row['rates']):.0f}" if row["rates"] else ""
    rows = sorted(spent.values(), key=lambda row: -row["hours"])
    return [row | {"hours": f"{row['hours']:.2f}"} for row in rows]


def _versions(report: Report) -> list[tuple[str, str]]:
    """Versions that the results were made with, each once."""
    seen: dict[str, set[str]] = defaultdict(set)
    for result in report.found.results.values():
        environment: Mapping[str, Any] = result["environment"]
        for name in ("python", "serkit", "git_commit", "system"):
            if environment.get(name):
                seen[name.replace("_", " ")].add(str(environment[name]))
        for package, version in environment["packages"].items():
            seen[package].add(version)
    return [(name, ", ".join(sorted(of))) for name, of in seen.items()]
