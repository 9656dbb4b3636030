"""Writing a report: whole files, one writer at a time, and how far the study is."""

import csv
import itertools
import json
import re
import threading

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from benchmark import study as studies
from benchmark.report import collect, escape
from benchmark.report.write import assemble
from serkit.errors import ResultsUnwritable
from serkit.results import Store
from tests.made_results import made_result, put
from tests.made_studies import (
    SMALL,
    by_id,
    flat,
    small,
    trainings,
)

STUDY = studies.from_toml(
    {
        "title": "One corpus",
        "corpora": {"one": {"reader": "synthetic"}},
        "table1": {"train": [["one"]]},
        "seeds": [0, 1],
        "model": {"width": 4, "weights": ""},
    },
    "study",
)
FIRST, SECOND = (made_result(case.spec, lambda *_: 0.5) for case in studies.plan(STUDY))


@pytest.fixture
def one_done(tmp_path):
    store = Store(tmp_path / "results" / "study")
    put(store, FIRST)
    return store


def test_an_interim_report_says_below_its_title_how_far_the_study_is(one_done, no_vega):
    said = "Interim: 1 of 2 done, 1 left; about 36 s left on 1 worker. What is missing is shown as --."
    text, _ = assemble(STUDY, one_done)
    assert text.split("\n\n")[:2] == ["One corpus", said]
    assert (one_done.folder / "report.md").read_text().split("\n\n")[1] == said
    assert f'<p class="caution" role="note">{said}</p>' in (one_done.folder / "index.html").read_text()
    put(one_done, SECOND)
    text, _ = assemble(STUDY, one_done)
    assert "Interim" not in text + (one_done.folder / "report.md").read_text()


def test_a_report_is_written_whole_by_one_at_a_time(one_done, numbers_only):
    assemble(STUDY, one_done)
    before = (one_done.folder / "report.md").read_text()
    put(one_done, SECOND)
    writing = threading.Thread(target=assemble, args=(STUDY, one_done), daemon=True)
    with one_done.locked("report"):
        writing.start()
        writing.join(0.5)
        assert writing.is_alive()
        assert (one_done.folder / "report.md").read_text() == before
    writing.join(20)
    assert (one_done.folder / "report.md").read_text() != before
    assert not list(one_done.folder.glob("*.draft"))


@pytest.mark.parametrize("name", ["report.md", "cells.csv", "table1.tex"])
def test_a_file_that_cannot_be_written_is_one_message(one_done, numbers_only, name):
    (one_done.folder / name).mkdir()
    with pytest.raises(ResultsUnwritable, match=rf"cannot be written to .*{name} .*SERKIT_RESULTS"):
        assemble(STUDY, one_done)


HOSTILE = (
    "=1-cmd|' /C calc'!A1 <script>alert(1)</script>",
    "@[x](http://x.example) *b* `c` $d$ \\input{e} _f_ 5 % & g",
)
"""Titles that are markup, a formula or a command to whoever does not take them for text."""


@pytest.mark.usefixtures("numbers_only")
def test_a_title_is_text_wherever_it_is_written(store):
    corpora = {
        name: of | {"title": title}
        for (name, of), title in zip(SMALL["corpora"].items(), HOSTILE, strict=True)
    }
    study = small(
        seeds=[0], title=f"# {HOSTILE[0]}", caution=f"- {HOSTILE[1]} \n # {HOSTILE[0]}", corpora=corpora
    )
    result = made_result(by_id(study)["one-aug0"], flat(0.5))
    result["corpora"]["one"]["notes"] = [f"| {HOSTILE[1]} \x1b]0;renamed\x07 |\n\n---"]
    put(store, result)
    text, _ = assemble(study, store)
    assert "\x1b" not in text
    markdown = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    for path in store.folder.glob("*.md"):
        tokens = [at for of in markdown.parse(path.read_text()) for at in (of, *(of.children or ()))]
        shown = "".join(at.content for at in tokens if at.type in ("text", "text_special"))
        # One shows the permuted corpus alone, the other what is done.
        of_it = {"figure3-null.md": HOSTILE[1:], "verdicts.md": HOSTILE[:1]}.get(path.name, HOSTILE)
        assert all(title in shown for title in of_it)
        for kind in ("html_inline", "html_block", "link_open", "em_open", "code_inline", "bullet_list_open"):
            assert kind not in {at.type for at in tokens}, path.name
        if path.name != "report.md":
            assert [at.type for at in tokens].count("heading_open") == 1
            cells = [at.type for at in tokens if at.type in ("tr_open", "th_open", "td_open")]
            assert len(cells) % cells.count("tr_open") == 0, "as many cells in each row"
    for path in store.folder.glob("*.csv"):
        for cell in itertools.chain(*csv.reader(path.open())):
            assert not cell.startswith(("=", "@")), path.name
            assert not cell.startswith(("+", "-")) or escape.NUMBER.fullmatch(cell) or cell == "--"
    for path in store.folder.glob("*.tex"):
        body = path.read_text()
        assert "\\input{" not in body
        assert not re.search(r"(?<!\\)[%#_$]", body)
        assert not re.search(r"^\s*[\[*]", body, re.MULTILINE)


@pytest.mark.usefixtures("numbers_only")
def test_in_short_a_table_and_each_verdict_in_a_line(one_done):
    text, report = assemble(STUDY, one_done, full=False)
    assert sum(table.title in text for table in report.tables) == 1
    lines = text.splitlines()
    assert all(f"{of.answer:16}{of.claim}" in lines for of in report.verdicts)
    assert not any(of.sentence in text for of in report.verdicts)
    assert all(note in text for note in report.notes)
    assert f"--study {STUDY.given} --results {one_done.folder.parent} --full" in lines[-1]


@pytest.mark.usefixtures("numbers_only")
def test_assemble_writes_every_exhibit(paper, as_published, shown, monkeypatch):
    monkeypatch.setattr("benchmark.report.write.Report", lambda *_: shown)
    text, report = assemble(paper, as_published)
    cells = report.cells
    folder = as_published.folder
    written = {path.name for path in folder.iterdir() if path.is_file()}
    names = ["matrix", "table1", "tuning", "figure2", "figure2-wf1", "figure3", "figure3-null", "figure3-wf1"]
    names.append("verdicts")
    assert written == {
        "index.html",
        "report.md",
        "verdicts.json",
        "matrix-cells.csv",
        "cells.csv",
        "tuning-cells.csv",
        "null-cells.csv",
        *(f"{name}.{end}" for name in names for end in ("md", "csv", "tex")),
    }

    saved = pd.read_csv(folder / "cells.csv", keep_default_na=False, na_values=[""])
    assert len(saved) == len(cells) == 151
    assert saved["wF1"].tolist() == pytest.approx(cells["wF1"].tolist())

    points = pd.read_csv(folder / "tuning-cells.csv")
    assert len(points) == 16
    (chosen,) = points.query("chosen").to_dict("records")
    assert (chosen["learning_rate"], chosen["batch_size"]) == (0.000464, 64)
    assert chosen["wF1"] == pytest.approx(0.68)

    report = (folder / "report.md").read_text()
    for table in (shown.judged, *shown.tables):
        assert f"## {table.title}" in report
        assert table.text("github") in report
        rows = list(csv.reader((folder / f"{table.name}.csv").open()))
        assert rows[1:] == table.rows
        assert [len(row) for row in rows] == [len(table.headers)] * len(rows)
        assert "\n" not in "".join(rows[0])
        _assert_latex((folder / f"{table.name}.tex").read_text(), len(table.headers), len(table.rows))
        if not table.aside:
            assert table.title in text
    saved = json.loads((folder / "verdicts.json").read_text())
    assert [of["sentence"] for of in saved] == [verdict.sentence for verdict in shown.verdicts]
    assert all(verdict.sentence in text for verdict in shown.verdicts)
    for line in (
        "430 of 430 runs, 0 of 4 measurements done, 2 seeds, 4.30 hours in all.",  # 36 s each
        "Run on: A device, torch 2.0.",
        "136 of 136 cells are within 0.02 of the paper.",
    ):
        assert line in text
        assert line in report
    assert "mixed" not in text
    assert "random initialisation" not in text


def _assert_latex(text, columns, rows):
    """A tabular that compiles: balanced, as many cells a row as columns, special characters escaped."""
    begin, *body, end, last = text.split("\n")
    assert begin == rf"\begin{{tabular}}{{{'l' * columns}}}"
    assert (end, last) == (r"\end{tabular}", "")
    lines = [line for line in body if line.endswith(r"\\")]
    assert len(lines) == rows + 1
    assert {line for line in body if not line.endswith(r"\\")} == {r"\toprule", r"\midrule", r"\bottomrule"}
    for line in lines:
        assert len(re.findall(r"(?<!\\)&", line)) == columns - 1
        assert not re.search(r"(?<!\\)[%#_$]", line)
        assert line.count("{") == line.count("}")


@pytest.mark.usefixtures("numbers_only")
@pytest.mark.parametrize("name", studies.names())
def test_nothing_done_still_draws(name, undone, tmp_path, monkeypatch):
    shown = undone(name)
    study, store = shown.study, Store(tmp_path / "not" / "made" / "yet")
    monkeypatch.setattr(
        "benchmark.report.write.Report", lambda of, at: shown if of is study else collect.Report(of, at)
    )
    text, _ = assemble(study, store)
    cells = shown.cells
    measurements = len(study.exhibits["figure4"].measurements) if "figure4" in study.exhibits else 0
    done = f"0 of {len(trainings(study))} runs" + f", 0 of {measurements} measurements" * bool(measurements)
    assert f"{done} done" in text
    assert cells.empty or (cells["wF1"].isna().all() and (cells["runs"] == 0).all())
    assert shown.tables
    for table in shown.tables:
        assert any("--" in row for row in table.rows)
        assert {len(row) for row in table.rows} == {len(table.headers)}
        assert not any("nan" in cell.lower() for row in table.rows for cell in row)
    assert study.caution in text
    report = (store.folder / "report.md").read_text()
    for said in (text, report):
        initialised = (
            f"All networks are trained from random initialisation (width {study.model.width} of 64)."
        )
        assert (initialised in said) == (study.model.weights is None)
        assert "cells are within" not in said


@pytest.mark.usefixtures("numbers_only")
def test_notes_of_a_copy_are_shown_with_its_title(store):
    runs = by_id(study := small(seeds=[0]))
    result = made_result(runs["one-aug0"], flat(0.5))
    result["corpora"]["two"]["notes"] = ["every clip is exactly 2.00 s long"]
    put(store, result)
    text, _ = assemble(study, store)
    assert "TWO: every clip is exactly 2.00 s long" in text.splitlines()
    assert "trained from random initialisation (width 4 of 64)" in text
