"""The page in a real browser; run by `make browser`, never collected by `make test`.

Chromium draws the page of the committed real study, and of the paper's whole study with made numbers. Its
pictures lie in $SERKIT_SCREENSHOTS, or in pytest's own folder, for somebody to look at.
"""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from benchmark import study as studies
from benchmark.report import page as pages
from benchmark.report.write import assemble
from serkit.labels import LABELS
from serkit.resultfile import BUNDLE, TAIL
from serkit.results import Store
from tests.conftest import ROOT
from tests.made_estimates import PAIR
from tests.made_results import made_measurement, made_result, put_scores

DESK, PHONE = (1280, 900), (390, 844)
THEMES = ("light", "dark")
MOST_BYTES = 2_000_000
CURVES = "#curves svg.marks"


@pytest.fixture(scope="session")
def browser():
    named = os.environ.get("SERKIT_CHROMIUM")
    found = named or next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    assert found, "no Chromium: install it (apt-get install chromium), or name it with SERKIT_CHROMIUM"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shots(tmp_path_factory):
    folder = Path(os.environ.get("SERKIT_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    """The page of the real study whose results are in the repository."""
    root = tmp_path_factory.mktemp("real")
    shutil.copy(ROOT / "results" / f"open-small{BUNDLE}", root)
    store = Store(root / "open-small")
    assemble(studies.read("open-small"), store)
    return store.folder / pages.NAME


@pytest.fixture(scope="session")
def whole(tmp_path_factory):
    """The page of the paper's whole study, each run with 30 evaluations and scores of clips, all made."""
    study, store = studies.read("paper"), Store(tmp_path_factory.mktemp("results") / "paper")
    random = np.random.default_rng(0)
    clips = pd.DataFrame(random.dirichlet(np.ones(4), 40).astype("float32"), columns=list(LABELS))
    clips.insert(0, "label", random.choice(LABELS, 40))
    clips.insert(0, "corpus", np.repeat(["msp", "iemocap", "cremad", "cremad"], 10))
    clips = clips.assign(path="a.wav", fold=0, speaker=[f"s{clip % 5}" for clip in range(40)])
    clips[list(TAIL)] = clips[list(LABELS)]
    for case in studies.plan(study):
        if case.spec.kind == "measurement":
            like = PAIR[PAIR["condition"] == ("augmented" if case.spec.augmentation else "raw")]
            like = like[like["corpus"] == "ONE"].drop(columns=["corpus", "condition"])
            made_measurement(store, case.spec, like)
            continue
        evaluations = case.spec.recipe.evaluations
        noise = random.normal(0, 0.02, (evaluations, 10))
        result = made_result(
            case.spec,
            lambda test, fold, number, noise=noise: float(0.5 + noise[number, fold] + number / 300),
            evaluations=evaluations,
            tail_evaluations=6,
        )
        put_scores(store, result, clips)
    assemble(study, store)
    return store.folder / pages.NAME


@pytest.fixture
def opened(browser):
    """Opens a page; when the test ends, objects to whatever the browser complained about or fetched."""
    contexts, said = [], []

    def open_(path, size=DESK, theme="light", **options):
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=theme, **options
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: said.append(f"error: {error}"))
        page.on("request", lambda request: said.append(request.url) if _fetched(request.url) else None)
        page.goto(path.as_uri())
        if options.get("java_script_enabled", True):
            page.wait_for_selector(CURVES, timeout=60_000)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert said == []


def _fetched(url):
    return not url.startswith(("file:", "data:", "blob:"))


def data_of(page):
    return json.loads(page.locator("#data").text_content())


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("which", ["real", "whole"])
def test_it_renders(which, theme, size, opened, shots, request):
    page = opened(request.getfixturevalue(which), size, theme)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0], (
        "the page itself scrolls sideways"
    )
    if size == DESK:
        wider = (
            "[...document.querySelectorAll('.scroll')].filter((one) => one.scrollWidth > one.clientWidth + 1)"
        )
        assert page.evaluate(f"{wider}.map((one) => one.ariaLabel)") == [], "no table scrolls at a desk"
    for chart in ("#rates", "#curves"):
        box = page.locator(f"{chart} svg.marks").bounding_box()
        assert box["width"] >= 240
        assert box["height"] >= 200
    page.screenshot(path=shots / f"{which}-{theme}-{size[0]}.png", full_page=True)


def test_the_whole_paper_is_less_than_two_megabytes(whole):
    assert whole.stat().st_size < MOST_BYTES


def test_the_theme_follows_the_system_and_the_reader(real, opened):
    page = opened(real, theme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.select_option("#theme", "light")
    light = page.evaluate(background)
    assert sum(map(int, light[4:-1].split(","))) > 700 > 200 > sum(map(int, dark[4:-1].split(",")))
    page.reload()
    page.wait_for_selector(CURVES)
    assert page.evaluate(background) == light, "the choice is kept"


def test_colours_can_be_told_apart_by_everybody_on_request(real, opened):
    page = opened(real)
    colour = "getComputedStyle(document.querySelector('td.cell.down')).backgroundColor"
    before = page.evaluate(colour)
    page.select_option("#colours", "safe")
    assert page.evaluate(colour) != before


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_pointing_at_a_cell_shows_its_details(size, opened, real, shots):
    page = opened(real, size)
    details = data_of(page)["cells"]
    tip = page.locator("#tip")
    assert tip.is_hidden()
    for name in ("figure2-0-0", "figure2-2-8", "figure3-2-7"):
        page.locator(f"#{name}").scroll_into_view_if_needed()
        page.locator(f"#{name}").hover()
        shown = dict(
            zip(tip.locator("dt").all_inner_texts(), tip.locator("dd").all_inner_texts(), strict=True)
        )
        assert shown == dict(details[name])
        box = tip.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= size[0]
        assert box["y"] >= 0
        assert box["y"] + box["height"] <= size[1]
    page.screenshot(path=shots / f"details-{size[0]}.png")
    page.mouse.move(2, 2)
    assert tip.is_hidden()


def test_the_keyboard_reaches_every_cell(real, opened):
    page = opened(real)
    page.locator("#figure2-0-0").focus()
    focused = "document.activeElement.id"
    for key, there in (
        ("ArrowRight", "figure2-0-1"),
        ("ArrowDown", "figure2-1-1"),
        ("End", "figure2-1-8"),
        ("ArrowRight", "figure2-1-8"),
        ("Home", "figure2-1-0"),
        ("ArrowUp", "figure2-0-0"),
        ("ArrowUp", "figure2-0-0"),
    ):
        page.keyboard.press(key)
        assert page.evaluate(focused) == there
        assert page.locator("#tip").is_visible()
        assert page.locator(f"#{there}").get_attribute("aria-describedby") == "tip"
    page.keyboard.press("Escape")
    assert page.locator("#tip").is_hidden()
    page.keyboard.press("Tab")
    assert not page.evaluate(focused).startswith("figure2-"), "one stop of the tab key for a heat map"
    page.keyboard.press("Shift+Tab")
    assert page.evaluate(focused) == "figure2-0-0"


def test_choosing_a_condition_shows_its_curves_and_confusion(real, opened):
    page = opened(real)
    conditions = data_of(page)["conditions"]
    one = next(at for at in conditions if (at["train"], at["rate"]) == ("RAVDESS+EmoDB-SCRAMBLED", 50))
    before = page.locator(CURVES).inner_html()
    page.select_option("#train", one["train"])
    page.select_option("#rate", str(one["rate"]))
    page.wait_for_function(
        "before => document.querySelector('#curves svg')?.innerHTML !== before", arg=before
    )
    assert f"{one['runs']} of {one['expected']} runs are done" in page.locator("#condition-said").inner_text()
    assert page.locator(f"{CURVES} .mark-line path").count() >= len(one["tests"]) + 1
    assert page.locator(f"{CURVES} .mark-rect path").count() >= 2, "the tail is shaded in both panels"
    tables = page.locator("#confusion table")
    assert tables.count() == len(one["confusion"])
    shown = tables.first.locator("td small").all_inner_texts()
    assert [int(text) for text in shown] == list(np.ravel(next(iter(one["confusion"].values()))))
    after = page.locator(CURVES).inner_html()
    page.select_option("#metric", "uACC")
    _wait_until_drawn_anew(page, after)


def _wait_until_drawn_anew(page, before):
    other = f"before => (now => now && now.innerHTML !== before)(document.querySelector('{CURVES}'))"
    page.wait_for_function(other, arg=before)


def test_a_point_of_a_curve_says_its_number(real, opened):
    page = opened(real)
    page.locator(f"{CURVES} .mark-symbol path").first.scroll_into_view_if_needed()
    page.locator(f"{CURVES} .mark-symbol path").first.hover()
    tooltip = page.locator("#vg-tooltip-element")
    tooltip.wait_for(state="visible")
    one = data_of(page)["conditions"][0]
    assert f"{next(iter(one['tests'].values()))['wF1'][0][0]:.3f}" in tooltip.inner_text()


def test_curves_and_confusion_can_be_saved(real, opened):
    page = opened(real)
    conditions = data_of(page)["conditions"]
    with page.expect_download() as saved:
        page.click("#curves-csv")
    curves = pd.read_csv(saved.value.path())
    assert set(curves["measure"]) == {"loss", "uACC", "wACC", "wF1"}
    one = conditions[3]
    here = curves.query("train == @one['train'] and augment_percent == @one['rate'] and measure == 'loss'")
    assert here["mean"].to_list() == one["loss"][0]
    with page.expect_download() as saved:
        page.click("#confusion-csv")
    clips = pd.read_csv(saved.value.path())["clips"].sum()
    assert clips == sum(np.sum(of) for at in conditions for of in at["confusion"].values())


CONTRASTS = """() => [...document.querySelectorAll('td.cell, .matrices td')].map(cell => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const light = (colour) => {
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [0.2126, 0.7152, 0.0722].reduce((sum, share, i) => {
      const part = canvas.getImageData(0, 0, 1, 1).data[i] / 255;
      return sum + share * (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    }, 0);
  };
  const style = getComputedStyle(cell);
  const [high, low] = [light(style.color), light(style.backgroundColor)].sort((a, b) => b - a);
  return (high + 0.05) / (low + 0.05);
})"""


@pytest.mark.parametrize("colours", ["paper", "safe"])
@pytest.mark.parametrize("theme", THEMES)
def test_numbers_stand_out_from_the_colour_of_their_cell(theme, colours, real, opened):
    page = opened(real, theme=theme)
    page.select_option("#colours", colours)
    contrasts = page.evaluate(CONTRASTS)  # by WCAG's formula, which axe leaves out for mixed colours
    assert len(contrasts) > 90
    assert min(contrasts) >= 4.5


@pytest.mark.parametrize("colours", ["paper", "safe"])
@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("which", ["real", "whole"])
def test_axe_finds_no_barrier(which, theme, colours, opened, request):
    page = opened(request.getfixturevalue(which), theme=theme)
    page.select_option("#colours", colours)
    found = Axe().run(page)
    barriers = [
        f"{rule['id']}: {node['html'][:160]} {node.get('failureSummary', '')}"
        for rule in found.response["violations"]
        for node in rule["nodes"]
    ]
    assert barriers == []


@pytest.mark.parametrize("which", ["real", "whole"])
def test_it_prints_on_white_without_its_switches(which, opened, shots, request):
    page = opened(request.getfixturevalue(which), theme="dark")
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("nav").is_hidden()
    chosen = data_of(page)["conditions"][0]["train"]
    assert f"{chosen} at 0 %" in page.locator("#condition-said").inner_text(), "the choosers are not printed"
    page.set_viewport_size({"width": 700, "height": 990})  # of A4 within its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 700, "it would be shrunk to fit"
    path = shots / f"{which}.pdf"
    page.pdf(path=path, format="A4")
    assert path.read_bytes().startswith(b"%PDF")


def test_without_javascript_the_answer_and_every_table_are_there(real, opened):
    page = opened(real, java_script_enabled=False)
    assert page.locator(".sentence").count() == 3, "a part of the question each, and what it is of"
    verdicts = page.locator(".verdicts li")
    assert verdicts.count() >= 8
    assert all(text.strip() for text in page.locator(".verdicts .why").all_inner_texts())
    assert page.locator(".verdicts svg").first.is_visible()
    assert page.locator("table").count() >= 8
    assert page.locator("noscript").is_visible()
    assert "cells.csv" in page.locator("noscript").inner_text()
