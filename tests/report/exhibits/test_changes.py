"""Figures 2 and 3 and the rates: changes as numbers and tables; what is drawn is what the cells say."""

import math

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import Rectangle
from scipy import stats

from benchmark import study as studies
from benchmark.report import cells, figures, tables
from benchmark.report.exhibits import changes
from serkit.results import Store
from tests.made_results import made_result, put, put_clips
from tests.made_studies import (
    by_id,
    cells_of,
    drawn,
    filled,
    flat,
    level,
    numbers_of,
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
    assert tables_of["figure3"].rows[0] == ["0 %", "-0.05", "-0.65 °", "-0.40 °"]
    assert tables_of["figure3-wf1"].rows[0] == ["0 %", "0.65 [0.65, 0.65]", "0.05 [0.05, 0.05] °", "0.10 °"]
    assert tables_of["figure2"].headers == ["Augment", "A\nTWO", "A\nONE", "B\nTWO", "B\nONE"]
    assert tables_of["figure2"].rows[1] == ["50 %", "-0.40", "+0.06", "-0.69 °", "-0.49 °"]
    assert tables_of["figure2"].legend == (
        "Trained on A: ONE; B: ONE+TWO. Tested on the corpus below the letter.",
        "*: clear, p < 0.05 after Holm's correction over 0 cells. °: not above what is had without listening;"
        " a difference between two such cells says nothing.",
    )


def test_a_change_without_its_baseline_is_missing(store):
    runs = by_id(study := small(seeds=[0]))
    put(store, made_result(runs["one-aug0"], flat(0.5)))
    cell = the(cells_of(study, store), "figure2", "ONE", "TWO")
    assert cell["wF1"] == 0.5
    assert math.isnan(cell["wF1_change"])
    assert drawn(study, store)["figure2"].rows[0] == ["0 %", "--", "+0.00", "--", "--"]


# --- the relabelling null, constants, and what is clear ---


def a_study_with_nulls(store, wf1):
    """(training set, rate) -> what its two folds score on everything; 0.5 where nothing is said."""
    study = small(seeds=[0])
    for spec in by_id(study).values():
        place = "+".join(spec.train), spec.augment_percent
        values = wf1.get(place, (0.5, 0.5))
        put(store, made_result(spec, lambda test, fold, number, values=values: values[fold]))
    return study


def test_the_null_is_the_swapped_corpus_minus_the_true_one_with_its_interval(store):
    """Finding 1: the same problem under other names lay unused; it shows what training anew changes."""
    study = a_study_with_nulls(
        store,
        {("two", 0): (0.6, 0.7), ("two_scrambled", 0): (0.5, 0.68), ("two_scrambled", 50): (0.52, 0.52)},
    )
    nulls = numbers_of(changes, study, store)["null-cells"]
    assert nulls[["corpus", "augment_percent"]].to_numpy().tolist() == [["TWO", 0], ["TWO", 50]]
    assert nulls["change"].tolist() == pytest.approx([-0.06, 0.02])
    found = stats.ttest_1samp([-0.1, -0.02], 0).confidence_interval(0.95)
    low, high = nulls.loc[0, ["low", "high"]]
    half, plain = (high - low) / 2, (found.high - found.low) / 2
    assert half == pytest.approx(plain * np.sqrt((1 / 2 + nulls_common(study, store)) / (1 / 2)))
    table = drawn(study, store)["figure3-null"]
    assert table.headers == ["Corpus", "0 %", "50 %"]
    ((title, first, _),) = table.rows
    assert (title, first) == ("TWO", f"-0.06 [{low:+.2f}, {high:+.2f}]")
    assert table.legend == (changes.NULL,)
    assert not table.aside, "the terminal shows it below Figure 3"


def nulls_common(study, store):
    """The share of a change's variance that is not retraining noise, which the null itself says."""
    found = cells.answers(study, store).results
    return cells.Cells(study, found).units(("two",), "two", 0).common


def test_a_null_that_is_not_done_is_a_gap(store):
    study = small(seeds=[0])
    assert drawn(study, store)["figure3-null"].rows == [["TWO", "--", "--"]]


def test_the_null_is_under_the_corpuss_own_permutation(store):
    """Another one alone, or a share of it, is a training like any: nothing is asked of the own beside it."""
    figure3 = {"train": [["two_far"], ["one_near"], ["two_near50"]], "test": ["two", "two_far"]}
    study = small(figure3=figure3)
    assert "null-cells" not in numbers_of(changes, study, store)
    for name, nulls in (("two_hasn", ["TWO"]), ("two_scrambled", ["TWO"])):
        other = small(figure3=figure3 | {"train": [*figure3["train"], [name]]})
        found = numbers_of(changes, other, store)["null-cells"]
        assert list(found["corpus"].unique()) == nulls


def test_a_study_without_permuted_labels_has_no_null(store):
    study = small(figure3={"train": [["one", "two_scrambled"]], "test": ["two_scrambled"]})
    assert "null-cells" not in numbers_of(changes, study, store)
    assert not any("null" in row[0] for row in drawn(study, store)["figure3"].rows)


def test_constants_are_a_row_of_every_table_of_wf1(store):
    study = small(seeds=[0])
    result = made_result(study.runs(("one",), 0)[0], flat(0.5))
    result["corpora"]["one"]["tested"] = {"0": {"angry": 125, "happy": 45, "neutral": 585, "sad": 86}}
    put(store, result)
    of = drawn(study, store)
    assert of["figure2-wf1"].rows[-1] == ["constant", "0.25", "0.57", "0.25", "0.57"]
    assert of["table1"].rows[1] == ["", "constant", "0.25", "0.70", "0.57", ""]
    assert of["table1"].rows[0][:5] == ["ONE", "ours", "0.50", "0.50", "0.50 °"]


def test_a_cell_below_a_constant_is_grey_and_never_clear(store):
    """Finding 4: the paper's headline on unseen CREMA-D, .43 to .51, is below always saying neutral, .57."""
    study = small(seeds=[0, 1])
    vote = {"angry": 125, "happy": 45, "neutral": 585, "sad": 86}
    for spec in by_id(study).values():
        unseen = 0.43 + 0.08 * (spec.augment_percent > 0)
        result = made_result(spec, flat(0.65 if "one" in spec.train else unseen))
        result["corpora"]["one"]["tested"] = {"0": vote}
        put(store, result)
    cell = the(cells_of(study, store), "figure3", "TWO-SCRAMBLED", "ONE", 50)
    assert (cell["wF1"], round(cell["wF1_constant"], 2)) == (pytest.approx(0.51), 0.57)
    assert not cell["above"]
    assert not cell["clear"]
    assert drawn(study, store)["figure3"].rows[1][3] == "-0.14 °"


def test_cells_of_an_exhibit_are_corrected_for_how_many_there_are():
    """Finding 5: of 28 null cells one or two are outside their own intervals; none is bold."""
    p = np.linspace(0.01, 0.99, 28)
    cells = pd.DataFrame({"wF1_change_p": p, "above": True})
    assert (p < 0.05).sum() == 2
    assert not tables.corrected(cells)["clear"].any()
    cells.loc[3, "wF1_change_p"] = 0.05 / 28 - 1e-6
    cells.loc[9, "wF1_change_p"] = np.nan
    found = tables.corrected(cells)
    assert found.index[found["clear"]].tolist() == [3]
    assert not tables.corrected(cells.assign(above=False))["clear"].any()


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
        level=lambda spec, test, fold, number: level(spec, test, fold, 0) + 0.2 * (test in spec.train),
        put=put_clips,
    )
    return cells_of(study, store)


def of(shown, exhibit, **columns):
    return shown[shown["exhibit"] == exhibit].assign(**columns)


def numbers(panel):
    """Text of every cell by its column and row, and its weight; of grey ones `grey` in its place."""
    return {
        tuple(map(int, text.get_position())): (
            text.get_text(),
            "grey" if text.get_color() == "0.45" else text.get_fontweight(),
        )
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
                text = f"{round(cell['wF1_change'], 2) + 0.0:+.2f}"
                look = "bold" if cell["clear"] else "normal" if cell["above"] else "grey"
                assert written[column, row] == (text, look)
    assert {look for _, look in written.values()} == {"bold", "normal", "grey"}, "else little was shown"
    letters = [text for text in panel.texts if text.get_text() in ("A", "B")]
    assert [(text.get_text(), text.get_position()[0]) for text in letters] == [("A", 0.5), ("B", 2.5)]
    patches = [patch for patch in panel.patches if isinstance(patch, Rectangle)]
    crossed = [patch for patch in patches if patch.get_hatch()]
    assert len(crossed) == 2, "what is not done is crossed out, once a test"
    assert len(patches) - 2 == [look for _, look in written.values()].count("grey")


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
    here = of(shown, "figure2", paper=-0.3, wF1_change=0.2, clear=True, above=True)
    here.loc[here.index[0], "clear"] = False
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
        (dashed,) = [line for line in panel.lines if line.get_linestyle() == "--"]
        assert set(dashed.get_ydata()) == {here[here["test"] == test]["wF1_constant"].iloc[0]}


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
