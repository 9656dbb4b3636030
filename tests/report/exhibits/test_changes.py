"""Figures 2 and 3 and the rates: changes as numbers and tables; what is drawn is what the cells say."""

import math

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle

from benchmark import study as studies
from benchmark.report import figures
from benchmark.report.exhibits import changes
from serkit.results import Store
from tests.made_results import made_result, put
from tests.made_studies import (
    by_id,
    cells_of,
    drawn,
    filled,
    flat,
    level,
    small,
    the,
)


def test_a_change_is_relative_to_the_test_corpus_at_0_percent(store):
    runs = by_id(study := small(seeds=[0]))
    wf1 = {
        ("one", 0, "one"): 0.50,
        ("one", 0, "two"): 0.35,
        ("one", 50, "one"): 0.56,
        ("one", 50, "two"): 0.30,
        ("two", 0, "two"): 0.70,
        ("two", 50, "two"): 0.60,
        ("two_scrambled", 0, "two_scrambled"): 0.65,
        ("two_scrambled", 0, "two"): 0.05,
        ("two_scrambled", 0, "one"): 0.10,
    }
    for spec in runs.values():
        train, rate = "+".join(spec.train), spec.augment_percent
        put(store, made_result(spec, lambda test, *_: wf1.get((train, rate, test), 0.01)))  # noqa: B023
    cells = cells_of(study, store)
    for exhibit, train, test, rate, change in [
        ("table1", "ONE", "ONE", 50, +0.06),
        ("table1", "TWO", "TWO", 50, -0.10),
        ("figure2", "ONE", "TWO", 0, -0.35),
        ("figure2", "ONE", "TWO", 50, -0.40),
        ("figure2", "ONE", "ONE", 0, 0.0),
        ("figure2", "ONE+TWO", "TWO", 0, -0.69),
        ("figure3", "TWO-SCRAMBLED", "TWO-SCRAMBLED", 0, -0.05),  # against the true key's baseline
        ("figure3", "TWO-SCRAMBLED", "TWO", 0, -0.65),
        ("figure3", "TWO-SCRAMBLED", "ONE", 0, -0.40),
    ]:
        assert the(cells, exhibit, train, test, rate)["wF1_change"] == pytest.approx(change)
    tables_of = drawn(study, store)
    assert tables_of["figure3"].headers == ["Augment", "A\nTWO-SCRAMBLED", "A\nTWO", "A\nONE"]
    assert tables_of["figure3"].rows[0] == ["0 %", "-0.05", "-0.65", "-0.40"]
    assert tables_of["figure3-wf1"].rows[0] == [
        "0 %",
        *(f"{at} [{at}, {at}]" for at in ("0.65", "0.05", "0.10")),
    ]
    assert tables_of["figure2"].headers == ["Augment", "A\nTWO", "A\nONE", "B\nTWO", "B\nONE"]
    assert tables_of["figure2"].rows[1] == ["50 %", "-0.40", "+0.06", "-0.69", "-0.49"]
    assert tables_of["figure2"].legend == (
        "Trained on A: ONE; B: ONE+TWO. Tested on the corpus below the letter.",
    )


def test_a_change_without_its_baseline_is_missing(store):
    runs = by_id(study := small(seeds=[0]))
    put(store, made_result(runs["one-aug0"], flat(0.5)))
    cell = the(cells_of(study, store), "figure2", "ONE", "TWO")
    assert cell["wF1"] == 0.5
    assert math.isnan(cell["wF1_change"])
    assert drawn(study, store)["figure2"].rows[0] == ["0 %", "--", "+0.00", "--", "--"]


def test_columns_are_lettered_as_in_a_spreadsheet():
    numbers = [0, 1, 25, 26, 27, 51, 52, 701, 702]
    assert [changes.letters(number) for number in numbers] == [
        "A",
        "B",
        "Z",
        "AA",
        "AB",
        "AZ",
        "BA",
        "ZZ",
        "AAA",
    ]


def test_more_training_sets_than_letters(store):
    names = [f"c{number}" for number in range(28)]
    study = studies.from_toml(
        {
            "title": "Many corpora",
            "corpora": {
                name: {"reader": "crema_d", "options": {"split_seed": int(name[1:])}} for name in names
            },
            "figure2": {"train": [[name] for name in names], "test": ["c0"]},
        },
        "many",
    )
    assert cells_of(study, store)["column"].tolist()[24:] == ["Y", "Z", "AA", "AB"]
    assert (
        drawn(study, store)["figure2"]
        .legend[0]
        .endswith("Z: c25; AA: c26; AB: c27. Tested on the corpus below the letter.")
    )


# --- pictures ---


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """Of a small study without one of its training sets at 50 %."""
    study, store = small(), Store(tmp_path_factory.mktemp("results") / "small")
    filled(
        study,
        store,
        leave_out=lambda spec: spec.train == ("one", "two") and spec.augment_percent == 50,
        level=lambda spec, test, fold, number: level(spec, test, fold, 0),
    )
    return cells_of(study, store)


def of(shown, exhibit, **columns):
    return shown[shown["exhibit"] == exhibit].assign(**columns)


def numbers(panel):
    """Text of every cell by its column and row, and its weight."""
    return {
        tuple(map(int, text.get_position())): (text.get_text(), text.get_fontweight())
        for text in panel.texts
        if text.get_text()[0] in "+-"
    }


def test_a_heat_map_has_a_row_a_rate_and_a_column_a_test(shown):
    here = of(shown, "figure2")
    (panel, _bar) = changes.heat_map(here, "title", "legend").axes
    columns = changes.columns_of(here)
    assert [tick.get_text() for tick in panel.get_yticklabels()] == ["0 %", "50 %"]
    assert [tick.get_text() for tick in panel.get_xticklabels()] == [test for _, test in columns]
    written = numbers(panel)
    by_place = here.set_index(["augment_percent", "column", "test"])
    for row, rate in enumerate((0, 50)):
        for column, at in enumerate(columns):
            cell = by_place.loc[(rate, *at)]
            if np.isnan(cell["wF1_change"]):
                assert (column, row) not in written
            else:
                clear = cell["wF1_change_low"] > 0 or cell["wF1_change_high"] < 0
                text = f"{round(cell['wF1_change'], 2) + 0.0:+.2f}"
                assert written[column, row] == (text, "bold" if clear else "normal")
    letters = [text for text in panel.texts if text.get_text() in ("A", "B")]
    assert [(text.get_text(), text.get_position()[0]) for text in letters] == [("A", 0.5), ("B", 2.5)]
    crossed = [patch for patch in panel.patches if isinstance(patch, Rectangle) and patch.get_hatch()]
    assert len(crossed) == 2, "what is not done is crossed out, once a test"


@pytest.mark.parametrize("colours", ["paper", "safe"])
def test_up_and_down_have_colours_of_their_own(colours, shown):
    here = of(shown, "figure2")
    here = here.assign(wF1_change=np.linspace(-0.4, 0.4, len(here)))
    (image,) = changes.heat_map(here, "title", "legend", colours).axes[0].images
    down, middle, up = (image.cmap(image.norm(change)) for change in (-0.4, 0.0, 0.4))
    assert np.ptp(middle[:3]) < 0.4, "no change is pale"
    if colours == "paper":
        assert up[1] > max(up[0], up[2]), "green up"
        assert down[0] > max(down[1], down[2]), "red down"
    else:
        # A deuteranope sees red and green as one: what is left to tell colours apart is blue and lightness.
        assert abs(up[2] - down[2]) > 0.2


def test_noise_is_not_drawn_as_an_effect(shown):
    here = of(shown, "figure2", wF1_change=0.01)
    (image,) = changes.heat_map(here, "title", "legend").axes[0].images
    assert image.norm.vmax == changes.MIN_LIMIT


def test_the_papers_numbers_stand_below_in_the_same_colours(shown):
    here = of(shown, "figure2", paper=-0.3, wF1_change=0.2, wF1_change_low=0.1, wF1_change_high=0.3)
    here.loc[here.index[0], "wF1_change_low"] = -0.1
    ours, paper, _bar = changes.heat_map(here, "title", "legend").axes
    assert set(numbers(paper).values()) == {("-0.30", "normal")}, "it has no intervals"
    assert sorted(weight for _, weight in numbers(ours).values()) == ["bold"] * (len(here) - 1) + ["normal"]
    assert ours.images[0].norm.vmax == paper.images[0].norm.vmax


def test_rates_are_a_line_a_training_set_with_intervals(shown):
    here = of(shown, "figure2").assign(
        wF1_low=lambda at: at["wF1"] - 0.05, wF1_high=lambda at: at["wF1"] + 0.1
    )
    panels = changes.rates(here, "title", "legend").axes
    for panel in panels:
        assert (list(panel.get_xticks()), panel.get_xlabel()) == ([0, 50], "training clips augmented (%)")
    assert [panel.get_title() for panel in panels] == ["tested on TWO", "tested on ONE"]
    lines = {place: of_place for place, of_place in here.groupby(["test", "train"])}
    for test, panel in zip(("TWO", "ONE"), panels, strict=True):
        for container, train in zip(panel.containers, ("ONE", "ONE+TWO"), strict=True):
            line = lines[test, train]
            drawn, _caps, (bars,) = container
            assert drawn.get_ydata() == pytest.approx(line["wF1"].to_list(), nan_ok=True)
            ends = [segment[:, 1].tolist() for segment in bars.get_segments() if len(segment)]
            known = line[["wF1_low", "wF1_high"]].dropna().to_numpy().tolist()
            assert np.ravel(ends) == pytest.approx(np.ravel(known))


def test_the_papers_rates_are_hollow_and_dotted(shown):
    here = of(shown, "figure2", paper=0.0, paper_wF1=0.55)
    panel = changes.rates(here, "title", "legend").axes[0]
    dotted = [line for line in panel.lines if line.get_linestyle() == ":"]
    assert len(dotted) == 2
    for line in dotted:
        assert set(line.get_ydata()) == {0.55}
        assert to_rgba(line.get_markerfacecolor()) == to_rgba("white")


def test_a_long_legend_is_broken_into_lines_that_fit(shown):
    figure = changes.heat_map(of(shown, "figure2"), "title", "word " * 100)
    with matplotlib.rc_context(figures.STYLE):
        figure.draw_without_rendering()
    (legend,) = [text for text in figure.texts if text.get_text().startswith("word")]
    assert legend.get_window_extent().width <= figure.bbox.width


def test_long_names_and_a_dollar_leave_room_for_the_numbers(shown):
    here = of(shown, "figure2")
    here = pd.concat([here, here.query("train == 'ONE'").assign(train="TWO")])
    long = {name: f"{name} $\\nothing$ {'and its whole history ' * 5}" for name in ("ONE", "TWO", "ONE+TWO")}
    here = here.assign(test=here["test"].map(long), train=here["train"].map(long))
    one = here[here["train"] != long["TWO"]]
    for figure in (changes.heat_map(one, "title", "word " * 100), changes.rates(here, "title", "legend")):
        with matplotlib.rc_context(figures.STYLE):
            figure.draw_without_rendering()
        width, height = figure.axes[0].get_window_extent().size / figure.dpi
        assert width > 1
        assert height > 0.5
        assert all(len(tick.get_text()) <= figures.LONGEST for tick in figure.axes[0].get_xticklabels())
        for legend in figure.legends:
            assert legend.get_window_extent().x0 >= 0


def test_the_eighth_training_set_is_not_drawn_as_the_first(shown):
    here = of(shown, "figure2").query("train == 'ONE' and test == 'TWO'")
    eight = pd.concat([here.assign(train=f"set {number}") for number in range(8)])
    lines = [container[0] for container in changes.rates(eight, "title", "legend").axes[0].containers]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 8
