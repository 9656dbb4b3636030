"""One page for a study: results/<study>/index.html, which works from disk, without a network, on any screen.

Jinja makes the HTML and escapes what it is given. Curves are Vega-Lite specs; vl-convert, a wheel, carries
the JavaScript that draws them in the browser, so nothing is fetched. Heat maps are HTML tables: a keyboard
and a screen reader reach every cell. Without JavaScript the answer, every table and Figure 4 are there; the
page says which files have the numbers of the rest.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.metadata
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.report import escape, verdicts
from benchmark.report.claims import in_print
from benchmark.report.coverage import cost, coverage, versions
from benchmark.report.page.sketch import sketch
from benchmark.report.tables import Table
from benchmark.report.terms import MARGIN
from benchmark.session import status
from serkit.files import cache_folder, read_bytes, write_whole
from serkit.labels import LABELS
from serkit.specs import METRICS

if TYPE_CHECKING:
    import jinja2

    from benchmark.report.collect import Report

HERE = Path(__file__).parent
NAME = "index.html"


def html(report: Report, pictures: Mapping[str, bytes] | None = None, colours: str = "paper") -> str:
    """The page of a report, with SVG files by name for the exhibits that show one.

    Heat maps open in the `colours` `paper` or `safe`; a reader may switch.
    """
    study, results = report.study, report.found.results.values()
    spent = cost(results)
    choices = Table("choices", "Points and choices", ["Point", "Choice"], report.choices)
    tables = [*report.tables, *coverage(study, report.found, report.states), choices, spent]
    data: dict[str, Any] = {"labels": LABELS, "metrics": METRICS, "rates": [], "cells": {}}
    data |= {"conditions": report.conditions, "constants": report.constants}
    for section in report.sections:
        for key, value in section.data.items():
            data[key] = {**data[key], **value} if isinstance(value, dict) else value
    return _template().render(
        report=report,
        study=study,
        question=verdicts.question(study),
        margin=MARGIN,
        published=in_print(),
        sketches=[sketch(verdict.changes, verdict.margin) for verdict in report.verdicts],
        colours=colours,
        tables={table.name: table for table in tables},
        downloads=_downloads(report, [report.judged, *tables]),
        pictures={name: _address("image/svg+xml", svg) for name, svg in (pictures or {}).items()},
        everything=status.command([], study.given),
        hours=spent.rows,
        versions=versions(results),
        css=(HERE / "page.css").read_text(encoding="utf-8"),
        script=(HERE / "page.js").read_text(encoding="utf-8"),
        vega=re.sub("</(?=script)", r"<\\/", vega(), flags=re.IGNORECASE),  # would end the element
        data=json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
    )


@functools.cache
def _template() -> jinja2.Template:
    import jinja2

    loader = jinja2.FileSystemLoader(HERE)
    environment = jinja2.Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["whole"] = _whole
    return environment.get_template("page.html")


def _whole(text: str) -> str:
    """Text in which no interval is broken over two lines."""
    return re.sub(r"\[[^\]]*\]", lambda found: found[0].replace(" ", "\u00a0"), text)


def _downloads(report: Report, tables: list[Table]) -> dict[str, dict[str, str]]:
    """The addresses of the files that each table can be saved as, by its name and theirs."""
    csv, tex = "text/csv;charset=utf-8", "application/x-tex;charset=utf-8"
    files = {table.name: {f"{table.name}.csv": _address(csv, table.csv())} for table in tables}
    for table in tables:
        files[table.name][f"{table.name}.tex"] = _address(tex, table.latex())
    for name, numbers in report.numbers.items():
        files[name] = {f"{name}.csv": _address(csv, escape.csv(numbers, "%.6g"))}
    return files


def _address(kind: str, content: str | bytes) -> str:
    content = content.encode() if isinstance(content, str) else content
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def vega() -> str:
    """Vega, Vega-Lite and their embedding, JavaScript that makes a global `vegaEmbed`; kept in the cache.

    Its digest is in its name: what is damaged is packed again, since a page without charts would not say why.
    """
    stem = f"vega-of-vl-convert-{importlib.metadata.version('vl-convert-python')}"
    for path in sorted(cache_folder().glob(f"{stem}-*.js")):
        with suppress(OSError):
            packed = read_bytes(path)
            if path.stem == f"{stem}-{_digest(packed)}":
                return packed.decode()
    import vl_convert  # packing takes some seconds

    packed = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;").encode()
    with suppress(OSError):  # packed again the next time
        write_whole(cache_folder() / f"{stem}-{_digest(packed)}.js", packed)
    return packed.decode()


def _digest(packed: bytes) -> str:
    return hashlib.sha256(packed).hexdigest()[:16]
