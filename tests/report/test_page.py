"""The page: what it says is what the results say. How it looks and works: tests/browser_checks.py."""

import base64
import contextlib
import dataclasses
import io
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import vl_convert
from _pytest.mark.expression import Expression
from sklearn.metrics import confusion_matrix

from benchmark import study as studies
from benchmark.report import cells, collect, coverage, page, verdicts
from benchmark.report.claims import in_print
from benchmark.report.exhibits import changes
from benchmark.report.intervals import Spread
from benchmark.report.page.sketch import EDGE, MOST, STEP, WIDTH, sketch
from benchmark.report.terms import MARGIN, UNTOLD
from benchmark.report.write import assemble
from benchmark.session import progress
from serkit.labels import LABELS
from serkit.resultfile import TAIL
from serkit.results import Store
from tests.made_results import made_result, put, put_clips, put_scores
from tests.made_studies import SMALL, filled, level, short, small, tuned

VOID = {"meta", "br", "img", "input", "link", "hr"}


class Page(HTMLParser):
    """Tags, their attributes and the text between; objects to an end that has no beginning."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open, self.text, self.scripts = [], [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        (self.scripts if self.open and self.open[-1] in ("script", "style") else self.text).append(data)

    def of(self, tag, **attributes):
        return [at for name, at in self.tags if name == tag and attributes.items() <= at.items()]

    @property
    def data(self):
        return json.loads(next(text for text in self.scripts if text.startswith('{"labels"')))


@pytest.fixture(autouse=True)
def _quick(no_vega):
    pass


def of(study, store):
    return Page(page.html(collect.Report(study, store)))


def covered(study, store):
    shown = collect.Report(study, store)
    return {table.name: table for table in coverage.coverage(study, shown.found, shown.states)}


def test_it_is_one_file_with_links_that_lead_somewhere(store):
    study = small()
    filled(study, store)
    made = of(study, store)
    ids = [at["id"] for _, at in made.tags if "id" in at]
    assert len(set(ids)) == len(ids)
    for _, at in made.tags:
        for name in ("href", "src"):
            assert name not in at or at[name].startswith(("#", "data:")), at
    inner = {at["href"][1:] for at in made.of("a") if at["href"].startswith("#")}
    assert {"answer", "table1", "figure2", "figure3", "condition", "coverage", "choices", "cost"} <= inner
    assert inner <= set(ids)
    assert set(made.data["cells"]) == {at["id"] for at in made.of("td") if "cell" in at.get("class", "")}
    assert len(made.of("h1")) == 1


def test_nothing_a_study_says_becomes_markup(store):
    title = "<b>Größe</b> 情感</script> ' onload=\"alert(1)"
    corpora = SMALL["corpora"] | {"one": {"reader": "crema_d", "title": title}}
    study = small(title=f"{title} <!--<script>", caution='"<i>quoted</i>"', corpora=corpora)
    filled(study, store, leave_out=lambda spec: spec.train == ("two",) and spec.fold == 0)
    failed, noted = study.runs(("two",), 0)[0], study.runs(("one",), 0)[0]
    with contextlib.suppress(ValueError), store.claim(failed.key):
        store.start(failed)
        raise ValueError(f"{title} \ud800")  # half a character, as of a path that is not UTF-8
    environment = {"device_name": title, "packages": {"torch": title}, "system": title}
    result = made_result(noted, lambda *_: 0.4, environment=environment)
    result["corpora"]["one"]["notes"] = [title]
    put(store, result)
    study = dataclasses.replace(study, given=f"{title}.toml")
    made = Page(page.html(collect.Report(study, store)).encode().decode())
    assert not made.of("b")
    assert not made.of("i")
    assert len(made.of("script")) == 3, "its own"
    assert all(not name.startswith("on") for _, at in made.tags for name in at)
    assert "".join(made.text).count(title) > 10
    assert made.data["conditions"][0]["train"] == title


def test_a_name_in_a_picture_is_text(store, monkeypatch):
    monkeypatch.setattr("benchmark.report.figures.UNDATED", {"svg": {"Date": None}})
    corpora = SMALL["corpora"] | {"one": {"reader": "crema_d", "title": "--><script>x</script>"}}
    study = small(seeds=[0], rates_percent=[0], corpora=corpora)
    filled(study, store)
    assemble(study, store)
    pictures = list(store.folder.glob("*.svg"))
    assert pictures
    for path in pictures:
        tree = ElementTree.parse(path)
        assert not [at for at in tree.iter() if at.tag.endswith("script")]
        if path.stem != "answer":  # which names no corpus
            assert "--><script>x</script>" in "".join(tree.getroot().itertext())


def test_a_cell_tells_its_number_spread_runs_and_change(store):
    study = small()
    filled(study, store, leave_out=lambda spec: spec.train == ("one", "two") and spec.seed == 1)
    shown = collect.Report(study, store)
    made = Page(page.html(shown))
    cells = shown.cells.query("exhibit == 'figure2'")
    cell = cells.query("train == 'ONE+TWO' and test == 'TWO' and augment_percent == 50").iloc[0]
    details = dict(made.data["cells"]["figure2-1-2"])
    assert details["Trained on"] == "ONE+TWO"
    assert details["Tested on"] == "TWO"
    assert details["Augmented"] == "50 % of the training clips"
    assert details["Runs"] == "2 of 4 done (2 folds x 2 seeds)"
    assert details["wF1"] == f"{cell['wF1']:.3f}, std {cell['wF1_std']:.3f} over the tail"
    assert details["95 % interval (2 folds)"] == f"{cell['wF1_low']:.3f} to {cell['wF1_high']:.3f}"
    assert details["Change"] == f"{cell['wF1_change']:+.3f}, not known how sure", "both folds alike"
    (shown_cell,) = made.of("td", id="figure2-1-2")
    assert {"cell", "up" if cell["wF1_change"] >= 0 else "down"} <= set(shown_cell["class"].split())
    assert made.text.count("†") >= 1, "cells with runs missing are marked"


def test_the_null_is_a_row_of_figure_3_and_the_marks_are_told(store):
    study = small()
    filled(study, store, level=lambda *place: level(*place) - 0.05 * (place[0].train == ("two_scrambled",)))
    shown = collect.Report(study, store)
    text = page.html(shown)
    rows = re.findall(r'<tr><th scope="row">(\d+ % null, TWO)</th><td colspan="3">([^<]*)</td></tr>', text)
    ((title, *changed),) = next(table for table in shown.tables if table.name == "figure3-null").rows
    assert rows == [
        (f"{rate} % null, {title}", change) for rate, change in zip((0, 50), changed, strict=True)
    ]
    assert rows[0][1] == "-0.05", "both folds moved alike, so nothing says how sure that is"
    assert text.count(changes.NULL) == 1
    for name in ("figure2", "figure3"):
        of_figure = shown.cells[shown.cells["exhibit"] == name]
        assert html_text(changes._how_many(of_figure)) in text
    assert "null-cells.csv" in {at.get("download") for at in Page(text).of("a")}


def html_text(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&#39;")


def test_colours_grow_with_the_change_and_a_gap_has_none(store):
    study = small()
    filled(study, store, leave_out=lambda spec: spec.train == ("two_scrambled",) and spec.augment_percent)
    made = of(study, store)
    shown = collect.Report(study, store).cells.query("exhibit == 'figure3'")
    strengths = {}
    for at in made.of("td"):
        if at.get("id", "").startswith("figure3-0"):
            strengths[at["id"]] = int(re.search(r"--s:(\d+)%", at["style"])[1])
    moved = shown.query("augment_percent == 0")["wF1_change"].abs().to_list()
    order = np.argsort(moved)
    assert sorted(strengths.values()) == [list(strengths.values())[i] for i in order]
    assert max(strengths.values()) == changes.MAX_STRENGTH
    gaps = [at for at in made.of("td") if at.get("id", "").startswith("figure3-1")]
    assert all("none" in at["class"].split() and "--s:0%" in at["style"] for at in gaps)


def test_beside_the_paper_each_cell_has_its_number_and_the_difference(tmp_path):
    study, store = studies.read("paper"), Store(tmp_path / "paper")
    filled(study, store, leave_out=lambda spec: getattr(spec, "train", None) not in (("msp",), ("cremad",)))
    shown = collect.Report(study, store)
    html = page.html(shown)
    made = Page(html)
    for identity, lines in made.data["cells"].items():
        if "Paper" in dict(lines):
            small_print = re.search(f'id="{identity}".*?</td>', html)[0].partition("paper </span>")[2]
            assert small_print.startswith(dict(lines)["Paper"].split()[0])
    rates = {(row["train"], row["test"], row["rate"]): row for row in made.data["rates"]}
    assert rates["MSP-Podcast", "CREMA-D", 0]["paper"] == 0.69, "its wF1, not its change"
    details = dict(made.data["cells"]["figure2-0-2"])
    assert (details["Trained on"], details["Tested on"]) == ("MSP-Podcast", "CREMA-D")
    assert details["Paper"] == "-0.10 (wF1 0.69)"
    cell = shown.cells.query("exhibit == 'figure2' and column == 'A' and test == 'CREMA-D'").iloc[0]
    assert details["Ours - paper"] == f"{cell['wF1_change'] + 0.10:+.3f}"
    assert details["95 % interval"].startswith("none: one training or one fold, and nothing tells")
    assert details["Without listening"] == "0.250"
    unknown = dict(made.data["cells"]["figure2-0-0"])
    assert unknown["Change"] == "unknown: the baseline of IEMOCAP is not done"


def test_curves_are_means_and_deviations_over_folds_and_seeds(store):
    study = small()
    filled(study, store)
    conditions = of(study, store).data["conditions"]
    assert len(conditions) == 2 * 4, "training sets of all exhibits, at each rate"
    (one,) = [at for at in conditions if (at["train"], at["rate"]) == ("ONE+TWO", 50)]
    runs = study.runs(("one", "two"), 50)
    assert (one["runs"], one["expected"]) == (len(runs), len(runs))
    assert one["epochs"] == [1, 2, 3, 4, 5]
    assert one["tail"] == 4, "of five evaluations the last two"
    values = np.array([[level(run, "two", run.fold, number) for run in runs] for number in range(5)])
    assert one["tests"]["TWO"]["wF1"][0] == pytest.approx(values.mean(axis=1), abs=1e-4)
    assert one["tests"]["TWO"]["wF1"][1] == pytest.approx(values.std(axis=1), abs=1e-4)
    assert one["loss"] == [[0.5] * 5, [0.0] * 5]


def test_confusion_is_counted_as_scikit_learn_counts(store):
    study = small()
    filled(study, store)
    random = np.random.default_rng(0)
    tables, found = [], cells.answers(study, store)
    for run in study.runs(("two",), 0):
        clips = pd.DataFrame(random.dirichlet(np.ones(4), 30).astype("float32"), columns=list(LABELS))
        clips.insert(0, "label", random.choice(LABELS, 30))
        clips.insert(0, "corpus", ["one"] * 10 + ["two"] * 20)
        clips = clips.assign(path="a.wav", fold=0, speaker="a", **dict.fromkeys(TAIL, 0.25))
        put_scores(store, found.results[run], clips)
        tables.append(clips)
    (one,) = [at for at in of(study, store).data["conditions"] if (at["train"], at["rate"]) == ("TWO", 0)]
    clips = pd.concat(tables).query("corpus == 'two'")
    expected = confusion_matrix(clips["label"], clips[list(LABELS)].idxmax(axis=1), labels=list(LABELS))
    assert one["confusion"]["TWO"] == expected.tolist()
    assert np.sum(one["confusion"]["ONE"]) == 10 * len(tables)


def test_coverage_names_each_gap_and_the_command_that_fills_it(store):
    study = short()
    filled(study, store, leave_out=lambda spec: spec.augment_percent == 50 and "two" in spec.train)
    found = covered(study, store)
    done = {what: cells for what, *cells in found["coverage"].rows}
    assert done == {
        "ONE": ["2/2", "2/2"],
        "TWO": ["4/4", "0/4"],
        "ONE+TWO": ["4/4", "0/4"],
        "TWO-SCRAMBLED": ["4/4", "4/4"],
    }
    found_runs = cells.answers(study, store).results
    ids = [case.id for case in studies.plan(study)]
    missing = {case.id for case in studies.plan(study) if case.spec not in found_runs}
    chosen = set()
    for *_, command in found["gaps"].rows:
        assert command.startswith("pytest cases/ --study small -k ")
        words = Expression.compile(command.split('"')[1])
        chosen |= {name for name in ids if words.evaluate(lambda word, name=name: word in f"test[{name}]")}
    assert chosen == missing


def test_coverage_says_what_failed_and_what_was_cut_off(store):
    study = short()
    failed, cut_off = study.runs(("one",), 0)
    filled(study, store, leave_out=lambda spec: spec in (failed, cut_off))
    with contextlib.suppress(ValueError), store.claim(failed.key):
        store.start(failed)
        raise ValueError("no such luck")
    store.start(cut_off)
    ((_, done, problems, _),) = covered(study, store)["gaps"].rows
    assert done == "0/2"
    assert problems.split("\n") == [
        f"{failed.label}: ValueError: no such luck",
        f"{cut_off.label}: cut off at 0%",
    ]


def test_coverage_says_which_finished_run_does_not_hold(store):
    study = short()
    filled(study, store)
    spec = study.runs(("one",), 0)[0]
    cut_short = made_result(spec, lambda *_: 0.4, tail_evaluations=2)
    cut_short["history"].pop()
    put(store, cut_short)
    ((what, _, problems, command),) = covered(study, store)["gaps"].rows
    assert what == "ONE, 0 %"
    assert problems == f"{spec.label}: 4 evaluations, the recipe asks for 5"
    assert command == "", "running it again would give the same"


def test_every_table_can_be_saved_as_it_is(store):
    study = short()
    filled(study, store)
    shown = collect.Report(study, store)
    saved = {
        at["download"]: base64.b64decode(at["href"].partition("base64,")[2]).decode()
        for at in Page(page.html(shown)).of("a")
        if "download" in at
    }
    for table in (shown.judged, *shown.tables):
        assert saved[f"{table.name}.csv"] == table.csv()
        assert saved[f"{table.name}.tex"] == table.latex()
    for name in ("coverage", "gaps", "choices", "cost"):
        assert (f"{name}.csv" in saved) == (name != "gaps"), "nothing is missing here"
    assert pd.read_csv(io.StringIO(saved["cost.csv"]))["Hours"].sum() == pytest.approx(
        len(shown.found.results) * 36 / 3600, abs=0.01
    )
    cells = pd.read_csv(io.StringIO(saved["cells.csv"]))
    assert cells["wF1"].to_list() == pytest.approx(shown.cells["wF1"].to_list(), abs=1e-5)


@pytest.mark.parametrize("name", studies.names())
def test_before_anything_is_done_the_page_is_there_and_says_so(name, undone):
    shown = undone(name)
    made = Page(page.html(shown))
    text = " ".join("".join(made.text).split())
    found = shown.verdicts
    assert {verdict.answer for verdict in found} == {UNTOLD}
    assert text.count("cannot be said yet") == len(found), "nothing that is asked for is in vain"
    for verdict in found:
        assert " ".join(verdict.sentence.split()) in text
    assert "†" not in text, "it marks averages of some runs, not gaps"
    assert not made.of("section", id="condition")
    assert "pytest cases/ --study " + name in text


def test_a_study_of_acoustics_alone_has_a_page(tmp_path):
    asked = {"title": "Rooms", "corpora": {"one": {"reader": "crema_d"}}, "figure4": {"corpora": ["one"]}}
    made = of(studies.from_toml(asked, "rooms"), Store(tmp_path / "rooms"))
    text = "".join(made.text)
    for part in verdicts.PARTS:
        assert f"{part}: " in text
    assert "Whether a network of one corpus works on another is not asked by this study." in text
    assert "Whether anything was learnt cannot be said yet: no corpus is trained on alone." in text


def test_the_page_begins_with_the_answer_and_a_line_a_verdict(store):
    study = short()
    filled(study, store)
    shown = collect.Report(study, store)
    html = page.html(shown)
    made = Page(html)
    text = " ".join("".join(made.text).split())
    for sentence in shown.answer:
        assert f'<p class="sentence">{html_text(sentence)}</p>' in html
    lines = re.findall(r'<li class="([^"]*)"><p><strong>([^<]*)</strong> (.*?)</li>', html, re.DOTALL)
    assert [(of.answer.replace(" ", "-"), of.answer) for of in shown.verdicts] == [line[:2] for line in lines]
    for verdict, (_, _, line) in zip(shown.verdicts, lines, strict=True):
        assert line.startswith(html_text(verdict.claim))
        assert f'<p class="why">{html_text(verdict.sentence)}</p>' in line
        published = in_print().get(verdict.name)
        assert ("the paper's printed numbers: " in line) == (published is not None)
        assert published is None or f"numbers: {published}<" in line
        assert line.count("<svg ") == any(not np.isnan(of.mean) for _, of in verdict.changes)
        drawn = f"{html_text(verdict.unit)}: {len(verdict.changes)} with intervals"
        assert drawn in line or not verdict.changes
    assert any(verdict.changes for verdict in shown.verdicts)
    assert (
        text.index(shown.answer[0]) < text.index(shown.verdicts[0].claim) < text.index("Words on this page")
    )


def test_a_verdict_s_picture_has_a_line_a_change_around_0():
    changes = [Spread(0.1, 0.05, 0.15), Spread(-0.02, -0.2, 0.16), Spread(0.03), Spread()]
    found = sketch([("", change) for change in changes])
    assert (found.zero, found.scale, found.more) == (WIDTH / 2, 0.2, 0)
    assert found.margins == pytest.approx((WIDTH * 0.375, WIDTH * 0.625))
    heights, lows, highs, middles, clear = zip(*found.lines, strict=True)
    assert heights == (STEP, 2 * STEP, 3 * STEP), "one has no number"
    assert found.height == 4 * STEP + EDGE
    assert lows == pytest.approx((WIDTH * 0.625, 0, WIDTH * 0.575))
    assert highs == pytest.approx((WIDTH * 0.875, WIDTH * 0.9, WIDTH * 0.575))
    assert middles == pytest.approx((WIDTH * 0.75, WIDTH * 0.45, WIDTH * 0.575))
    assert clear == (True, False, False)


def test_a_verdict_s_picture_shows_what_counts_and_stays_within_its_edges():
    narrow = sketch([("", Spread(0.001, 0.0, 0.002))])
    assert narrow.scale == 2 * MARGIN, "what counts is always in it"
    assert narrow.margins == (WIDTH / 4, WIDTH * 3 / 4)
    assert sketch([("", Spread(0.001, 0.0, 0.002))], 0.2).scale == 0.4
    wide = sketch([("", Spread(0.5, -3.0, 4.0))])
    assert wide.lines[0][1:3] == (0.0, WIDTH)
    assert wide.scale == 1
    many = sketch([("", Spread(0.1, 0.05, 0.15))] * (MOST + 3))
    assert (len(many.lines), many.more) == (MOST, 3)
    assert sketch([]) is sketch([("", Spread())]) is None


def test_vega_is_packed_once_and_kept(monkeypatch, tmp_path):
    monkeypatch.undo()  # no_vega
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path))
    packed = []
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda snippet: packed.append(snippet) or "vega")
    assert [page.vega(), page.vega()] == ["vega", "vega"]
    assert len(packed) == 1
    (path,) = tmp_path.iterdir()
    path.write_bytes(bytes(4))
    assert [page.vega(), page.vega()] == ["vega", "vega"]
    assert len(packed) == 2


@pytest.mark.usefixtures("undrawn")
def test_a_report_is_a_page_tables_and_figures(store):
    study = short()
    filled(study, store)
    text, _ = assemble(study, store)
    written = {path.name for path in store.folder.iterdir() if path.is_file()}
    tables = ("verdicts", "matrix", "table1", "figure2", "figure2-wf1")
    tables += ("figure3", "figure3-null", "figure3-wf1")
    assert written == {
        *("index.html", "report.md", "verdicts.json", "cells.csv", "matrix-cells.csv", "null-cells.csv"),
        *(f"{name}.{end}" for name in tables for end in ("md", "csv", "tex")),
        *(
            f"{name}.{end}"
            for name in ("answer", "figure2", "figure3", "rates")
            for end in ("png", "svg", "pdf")
        ),
    }
    for name in ("index.html", "figure2", "rates"):
        assert name in text.splitlines()[-1]
    shown = collect.Report(study, store)
    markdown = (store.folder / "report.md").read_text()
    for sentence in shown.answer:
        assert sentence in text
        assert sentence in markdown
    for verdict in shown.verdicts:
        assert f"{verdict.answer.upper()}: {verdict.claim}\n  {verdict.sentence}" in text
    assert shown.judged.markdown("##") in markdown
    assert (store.folder / "verdicts.json").read_text() == verdicts.as_json(shown.verdicts)


def test_bold_dagger_and_details_are_of_the_cell_that_they_stand_in(store):
    study = small(seeds=[0, 1, 2])
    filled(
        study,
        store,
        leave_out=lambda spec: spec.train == ("two",) and (spec.seed, spec.augment_percent) == (2, 0),
        level=lambda *place: level(*place) - 0.1 * (place[0].train == ("two_scrambled",)),
        put=put_clips,
    )
    for run in study.runs(("one",), 50):
        put_clips(store, made_result(run, lambda test, *_: 0.9 if test == "one" else 0.35))
    shown = collect.Report(study, store)
    html = page.html(shown)
    made = Page(html)
    looks = []
    for name in ("figure2", "figure3"):
        of_figure = shown.cells[shown.cells["exhibit"] == name]
        columns = changes.columns_of(of_figure)
        for cell in of_figure.itertuples():
            place = columns.index((cell.column, cell.test))
            (at,) = made.of("td", id=f"{name}-{[0, 50].index(cell.augment_percent)}-{place}")
            look = {"moved", "grey"} & set(at["class"].split())
            assert look == set(["moved"] * cell.clear + ["grey"] * (not cell.above))
            looks.append(look)
            details = dict(made.data["cells"][at["id"]])
            assert details["Without listening"].endswith("not above it, so nothing follows") != cell.above
            p = (
                ""
                if np.isnan(cell.wF1_change_p)
                else (f", p {cell.wF1_change_p:.3f}, among all cells {cell.wF1_change_holm:.3f}")
            )
            sure = f"{cell.wF1_change_high:+.3f}]{p}"
            unsure = np.isnan(cell.wF1_change_low)
            assert details["Change"].endswith("not known how sure" if unsure else sure)
            text = re.search(f'id="{at["id"]}".*?</td>', html)[0]
            missing = cell.runs < cell.runs_expected or cell.baseline_runs < cell.baseline_runs_expected
            assert ("&dagger;" in text) == missing == cell.test.startswith("TWO")
    assert all(look in looks for look in ({"moved"}, {"grey"}, set())), "else little was shown"
    heads = [at for at in made.of("th") if at.get("scope") == "colgroup"]
    assert [at["colspan"] for at in heads] == ["2", "2", "3"]
    firsts = [at["id"] for at in made.of("td") if "first" in at.get("class", "").split()]
    assert firsts == [
        "figure2-0-0",
        "figure2-0-2",
        "figure2-1-0",
        "figure2-1-2",
        "figure3-0-0",
        "figure3-1-0",
    ]
    for note in shown.notes:
        assert note in "".join(made.text)
    of_figure2 = shown.cells[shown.cells["exhibit"] == "figure2"]
    assert [row["low"] for row in made.data["rates"]] == pytest.approx(
        of_figure2["wF1_low"].to_list(), abs=1e-4
    )
    assert [row["high"] for row in made.data["rates"]] == pytest.approx(
        of_figure2["wF1_high"].to_list(), abs=1e-4
    )
    assert {row["constant"] for row in made.data["rates"]} == {0.25}


def test_a_command_runs_what_is_left_and_not_what_runs_now(store):
    study = dataclasses.replace(short(), given="'my studies/small.toml'")
    left, runs_now = study.runs(("two",), 0)[:2]
    filled(study, store, leave_out=lambda spec: spec in (left, runs_now))
    with store.claim(runs_now.key):
        store.start(runs_now)
        ((_, done, problems, command),) = covered(study, store)["gaps"].rows
        html = page.html(collect.Report(study, store))
    assert done == "2/4"
    assert html.count("<td>2/4</td>") == 2, "in the table and among the gaps"
    assert problems == f"{runs_now.label}: {progress.RUNNING} at 0%"
    assert command == f"pytest cases/ --study 'my studies/small.toml' -k \"[{left.label}]\""
    assert "pytest cases/ --study &#39;my studies/small.toml&#39;</code>" in html


def test_a_loss_that_still_moves_is_a_problem_except_of_a_grid(store):
    study = tuned(recipe={"tail": 0.4, "epochs": 5}, rates_percent=[0])
    for case in studies.plan(study):
        result = made_result(case.spec, lambda *_: 0.4, tail_evaluations=2)
        for number, at in enumerate(result["history"]):
            at["loss"] = 5.0 - number
        put(store, result)
    for what, _, problems, command in covered(study, store)["gaps"].rows:
        assert "tuning" not in what
        assert "still moves in the tail" in problems.split("\n")[0]
        assert command == ""
    assert what == "TWO-SCRAMBLED, 0 %", "the last of them"


def test_hours_are_of_the_kind_of_device_that_worked(store):
    study = small()
    run, other = study.runs(("one",), 0)
    gpu = {"device": "cuda", "device_name": "A GPU", "packages": {}}
    on_gpu = made_result(run, lambda *_: 0.4, environment=gpu, wall_seconds=3600.0)
    measured = {name: on_gpu[name] for name in ("corpora", "environment")}
    measured |= {"wall_seconds": 1800.0, "spec": {"acoustics_method": 1}}
    found = {
        run: on_gpu,
        other: made_result(other, lambda *_: 0.4, wall_seconds=7200.0),
        "measured": measured,
    }
    shown = collect.Report(study, store)
    shown.found = cells.Answers(found)
    assert [row[:5] for row in coverage.cost(found.values()).rows] == [
        ["A device", "CPU", "1", "0", "2.00"],
        ["A GPU", "GPU", "1", "1", "1.50"],
    ]
    assert "1.50 GPU hours, 2.00 CPU hours." in "".join(Page(page.html(shown)).text)


def test_damaged_scores_and_a_history_cut_short_do_not_stop_the_page(store):
    study = small(seeds=[0], rates_percent=[0])
    filled(study, store)
    whole, damaged = study.runs(("two",), 0)
    found = cells.answers(study, store).results
    columns = ["corpus", "path", "fold", "label", *LABELS]
    clips = pd.DataFrame([["two", "a.wav", 0, "sad", 0.1, 0.2, 0.3, 0.4]], columns=columns)
    put_scores(store, found[whole], clips.assign(speaker="a", **dict.fromkeys(TAIL, 0.25)))
    (store.folder / found[damaged]["key"] / "scores.parquet").write_bytes(b"PAR1 and no more")
    cut = dict(found[damaged], history=found[damaged]["history"][:2])
    cut["history"][1]["loss"] = 0.25
    put(store, cut)
    (one,) = [at for at in of(study, store).data["conditions"] if at["train"] == "TWO"]
    assert (one["runs"], one["counted"]) == (2, 1)
    assert np.sum(one["confusion"]["TWO"]) == 1
    assert one["epochs"] == [1, 2], "that both have"
    assert one["tail"] == 2
    assert one["loss"][0] == [0.5, 0.375]
    cell = collect.Report(study, store).cells.query("exhibit == 'table1' and train == 'TWO'").iloc[0]
    ends = [level(whole, "two", 0, 4), level(damaged, "two", 1, 1)]
    assert cell["wF1"] == pytest.approx(np.mean(ends)), "each run's last evaluation"


def test_a_run_of_one_fold_against_one_of_another_says_nothing_of_a_change(store):
    study = small(seeds=[0], rates_percent=[0])
    baseline, joint = study.runs(("two",), 0)[0], study.runs(("one", "two"), 0)[1]
    put(store, made_result(baseline, lambda *_: 0.6), made_result(joint, lambda *_: 0.2))
    made = of(study, store)
    (said,) = {dict(cell).get("Change") for cell in made.data["cells"].values()} - {None} - UNKNOWN
    assert said == "-0.400, not known how sure"
    assert not [at for at in made.of("td") if "moved" in at.get("class", "").split()]


UNKNOWN = {"unknown: the baseline of ONE is not done"}
