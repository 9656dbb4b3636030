"""Figures 2 and 3 and the rates as pictures: what is drawn is what the cells say. Figure 4: test_figure4."""

import warnings

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from benchmark.report import cells as exhibits
from benchmark.report import figures
from benchmark.report.output import letters_told
from serkit.results import Store
from tests.report.test_cells import small
from tests.report.test_page import filled, level


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Of a small study without one of its training sets at 50 %."""
    study, store = small(), Store(tmp_path_factory.mktemp("results") / "small")
    filled(
        study,
        store,
        leave_out=lambda spec: spec.train == ("one", "two") and spec.augment_percent == 50,
        level=lambda spec, test, fold, number: level(spec, test, fold, 0),
    )
    return exhibits.cells(study, exhibits.answers(study, store))


def of(cells, exhibit, **changes):
    return cells[cells["exhibit"] == exhibit].assign(**changes)


def numbers(panel):
    """Text of every cell by its column and row, and its weight."""
    return {
        tuple(map(int, text.get_position())): (text.get_text(), text.get_fontweight())
        for text in panel.texts
        if text.get_text()[0] in "+-"
    }


def test_letters_that_the_font_lacks_are_told_once_and_stay_in_the_svg(tmp_path, recwarn):
    figure = Figure()
    figure.text(0.1, 0.5, "情感 $5 情")
    figures.save(figure, tmp_path, "one")
    (told,) = [str(at.message) for at in recwarn]
    assert told.startswith("pictures show boxes for 情感,")
    assert "情感 $5 情" in (tmp_path / "one.svg").read_text(encoding="utf-8")


def test_other_warnings_while_drawing_are_handed_on(recwarn):
    with letters_told():
        warnings.warn("something else", FutureWarning, stacklevel=1)
    (told,) = recwarn
    assert (str(told.message), told.category) == ("something else", FutureWarning)


def test_a_heat_map_has_a_row_a_rate_and_a_column_a_test(cells):
    here = of(cells, "figure2")
    (panel, _bar) = figures.heat_map(here, "title", "legend").axes
    columns = exhibits.columns_of(here)
    assert [tick.get_text() for tick in panel.get_yticklabels()] == ["0 %", "50 %"]
    assert [tick.get_text() for tick in panel.get_xticklabels()] == [test for _, test in columns]
    shown = numbers(panel)
    by_place = here.set_index(["augment_percent", "column", "test"])
    for row, rate in enumerate((0, 50)):
        for column, at in enumerate(columns):
            cell = by_place.loc[(rate, *at)]
            if np.isnan(cell["wF1_change"]):
                assert (column, row) not in shown
            else:
                clear = cell["wF1_change_low"] > 0 or cell["wF1_change_high"] < 0
                text = f"{round(cell['wF1_change'], 2) + 0.0:+.2f}"
                assert shown[column, row] == (text, "bold" if clear else "normal")
    letters = [text for text in panel.texts if text.get_text() in ("A", "B")]
    assert [(text.get_text(), text.get_position()[0]) for text in letters] == [("A", 0.5), ("B", 2.5)]
    crossed = [patch for patch in panel.patches if isinstance(patch, Rectangle) and patch.get_hatch()]
    assert len(crossed) == 2, "what is not done is crossed out, once a test"


@pytest.mark.parametrize("colours", ["paper", "safe"])
def test_up_and_down_have_colours_of_their_own(colours, cells):
    here = of(cells, "figure2")
    here = here.assign(wF1_change=np.linspace(-0.4, 0.4, len(here)))
    (image,) = figures.heat_map(here, "title", "legend", colours).axes[0].images
    down, middle, up = (image.cmap(image.norm(change)) for change in (-0.4, 0.0, 0.4))
    assert np.ptp(middle[:3]) < 0.4, "no change is pale"
    if colours == "paper":
        assert up[1] > max(up[0], up[2]), "green up"
        assert down[0] > max(down[1], down[2]), "red down"
    else:
        # A deuteranope sees red and green as one: what is left to tell colours apart is blue and lightness.
        assert abs(up[2] - down[2]) > 0.2


def test_noise_is_not_drawn_as_an_effect(cells):
    here = of(cells, "figure2", wF1_change=0.01)
    (image,) = figures.heat_map(here, "title", "legend").axes[0].images
    assert image.norm.vmax == exhibits.LEAST_LIMIT


def test_the_papers_numbers_stand_below_in_the_same_colours(cells):
    here = of(cells, "figure2", paper=-0.3, wF1_change=0.2, wF1_change_low=0.1, wF1_change_high=0.3)
    here.loc[here.index[0], "wF1_change_low"] = -0.1
    ours, paper, _bar = figures.heat_map(here, "title", "legend").axes
    assert set(numbers(paper).values()) == {("-0.30", "normal")}, "it has no intervals"
    assert sorted(weight for _, weight in numbers(ours).values()) == ["bold"] * (len(here) - 1) + ["normal"]
    assert ours.images[0].norm.vmax == paper.images[0].norm.vmax


def test_rates_are_a_line_a_training_set_with_intervals(cells):
    here = of(cells, "figure2").assign(
        wF1_low=lambda at: at["wF1"] - 0.05, wF1_high=lambda at: at["wF1"] + 0.1
    )
    panels = figures.rates(here, "title", "legend").axes
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


def test_the_papers_rates_are_hollow_and_dotted(cells):
    here = of(cells, "figure2", paper=0.0, paper_wF1=0.55)
    panel = figures.rates(here, "title", "legend").axes[0]
    dotted = [line for line in panel.lines if line.get_linestyle() == ":"]
    assert len(dotted) == 2
    for line in dotted:
        assert set(line.get_ydata()) == {0.55}
        assert to_rgba(line.get_markerfacecolor()) == to_rgba("white")


def test_a_long_legend_is_broken_into_lines_that_fit(cells):
    figure = figures.heat_map(of(cells, "figure2"), "title", "word " * 100)
    with matplotlib.rc_context(figures.STYLE):
        figure.draw_without_rendering()
    (legend,) = [text for text in figure.texts if text.get_text().startswith("word")]
    assert legend.get_window_extent().width <= figure.bbox.width


def test_long_names_and_a_dollar_leave_room_for_the_numbers(cells):
    here = of(cells, "figure2")
    here = pd.concat([here, here.query("train == 'ONE'").assign(train="TWO")])
    long = {name: f"{name} $\\nothing$ {'and its whole history ' * 5}" for name in ("ONE", "TWO", "ONE+TWO")}
    here = here.assign(test=here["test"].map(long), train=here["train"].map(long))
    one = here[here["train"] != long["TWO"]]
    for figure in (figures.heat_map(one, "title", "word " * 100), figures.rates(here, "title", "legend")):
        with matplotlib.rc_context(figures.STYLE):
            figure.draw_without_rendering()
        width, height = figure.axes[0].get_window_extent().size / figure.dpi
        assert width > 1
        assert height > 0.5
        assert all(len(tick.get_text()) <= figures.LONGEST for tick in figure.axes[0].get_xticklabels())
        for legend in figure.legends:
            assert legend.get_window_extent().x0 >= 0


def test_the_eighth_training_set_is_not_drawn_as_the_first(cells):
    here = of(cells, "figure2").query("train == 'ONE' and test == 'TWO'")
    eight = pd.concat([here.assign(train=f"set {number}") for number in range(8)])
    lines = [container[0] for container in figures.rates(eight, "title", "legend").axes[0].containers]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 8
