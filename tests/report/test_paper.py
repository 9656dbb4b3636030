"""Ours beside the published numbers: each at its place, the layout the paper's, what disagrees."""

import itertools

import pytest

from benchmark.report.paper import disagreements
from tests.made_results import made_result, put
from tests.made_studies import (
    by_id,
    cells_of,
    flat,
    put_grid,
    the,
)


def test_every_published_number_stands_at_its_place(paper, store, published):
    cells = cells_of(paper, store)
    numbers = published
    assert len(numbers) == 1 + 15 + 75 + 45
    for (exhibit, train, test, rate), (letter, number) in numbers.items():
        cell = the(cells, exhibit, train, test, rate)
        assert (cell["column"], cell["paper"]) == (letter, number)
    assert cells["paper"].notna().sum() == len(numbers)
    # Figure 3 is tested under the true labels too, which the paper does not show.
    assert len(cells) == 1 + 15 + 75 + 60
    assert set(cells[cells["paper"].isna()]["test"]) == {"IEMOCAP"}


def test_the_papers_own_results_differ_nowhere_but_where_it_contradicts_itself(shown):
    cells = shown.cells
    assert (cells["runs"] == cells["runs_expected"]).all()
    beside = cells[cells["paper"].notna()]
    differs = beside[beside["difference"].abs() > 1e-9]
    places = differs[["exhibit", "column", "test", "augment_percent"]].itertuples(index=False, name=None)
    # Column A is one training in both figures, and they print it differently (its run-to-run noise).
    assert dict(zip(places, differs["difference"].round(9), strict=True)) == {
        ("figure3", "A", "CREMA-D", 70): -0.01,
        ("figure3", "A", "MSP-Podcast", 100): 0.01,
        ("figure3", "A", "CREMA-D", 100): 0.01,
    }
    assert beside["agrees"].all()
    assert disagreements(cells) == []


def test_the_layout_is_the_papers(shown):
    of = {table.name: table for table in shown.tables}
    figures = ["figure2", "figure2-wf1", "figure3", "figure3-null", "figure3-wf1"]
    assert list(of)[1:] == ["table1", "tuning", *figures]

    table1 = of["table1"]
    assert [row[0] for row in table1.rows if row[0]] == [
        *("IEMOCAP (tuned)", "IEMOCAP", "CREMA-D", "MSP-Podcast")
    ]
    assert table1.headers[2:] == [
        *("uACC\n0 %", "wACC\n0 %", "wF1\n0 %", "wF1\n20 %", "wF1\n50 %", "wF1\n70 %", "wF1\n100 %")
    ]
    assert table1.rows[:6] == [
        ["IEMOCAP (tuned)", "ours", *["0.68 [0.68, 0.68]"] * 3, "", "", "", ""],
        ["", "constant", "0.25", "0.25", "0.25", "", "", "", ""],
        ["", "ours, over the tail", "0.68", "0.68", "0.68", "", "", "", ""],  # of one evaluation
        ["", "paper, as printed", "0.68 (5e-3)", "0.67 (5e-3)", "0.68 (6e-3)", "", "", "", ""],
        ["", "paper, uACC and wACC swapped", "0.67 (5e-3)", "0.68 (5e-3)", "0.68 (6e-3)", "", "", "", ""],
        ["", "ours - paper", "", "", "+0.000", "", "", "", ""],
    ]
    ours, constant, over_the_tail, printed, swapped, difference = table1.rows[12:18]
    assert [row[1] for row in (ours, constant, over_the_tail, printed, swapped, difference)] == [
        *("ours", "constant", "ours, over the tail"),
        *("paper, as printed", "paper, uACC and wACC swapped", "ours - paper"),
    ]
    assert [cell.split()[0] for cell in ours[4:]] == ["0.79", "0.78", "0.78", "0.78", "0.76"]
    assert printed[2:] == [
        *("0.80 (4e-3)", "0.59 (2e-3)", "0.79 (3e-3)"),
        *("0.78 (1e-3)", "0.78 (1e-3)", "0.78 (1e-3)", "0.76 (1e-3)"),
    ]
    assert swapped[2:4] == ["0.59 (2e-3)", "0.80 (4e-3)"]
    assert swapped[4:] == printed[4:]
    assert difference[2:4] == ["", ""]
    assert [float(cell) for cell in difference[4:]] == [0] * 5

    tuning = of["tuning"]
    assert tuning.headers == ["Learning rate", *(f"batch {size}" for size in (16, 64, 128, 256))]
    assert [row[0] for row in tuning.rows] == ["0.0001", "0.000464", "0.00215", "0.01"]
    assert tuning.rows[0][3] == "0.630 / 0.630"  # Table 1's own runs
    assert (tuning.rows[1][2], tuning.rows[2][1]) == ("0.700 / 0.680 *", "0.660 / 0.690 ^")

    figure2 = of["figure2"]
    tests = ["IEMOCAP", "MSP-Podcast", "CREMA-D"]
    assert figure2.headers == ["Augment", *(f"{letter}\n{test}" for letter in "ABCDE" for test in tests)]
    rates = [f"{rate} %" for rate in (0, 20, 50, 70, 100)]
    assert [row[0] for row in figure2.rows] == [
        f"{rate} {word}" for rate in rates for word in ("ours", "paper", "ours - paper")
    ]
    assert figure2.rows[1][1:] == [
        *("-0.27", "+0.00", "-0.10", "+0.00", "-0.20", "-0.36", "-0.01", "+0.00", "-0.11"),
        *("-0.21", "+0.00", "-0.01", "-0.02", "+0.00", "-0.01"),
    ]
    for ours, printed, difference in _threes(figure2.rows):
        assert [float(cell.rstrip(" *°")) for cell in ours[1:]] == [float(cell) for cell in printed[1:]]
        assert [float(cell) for cell in difference[1:]] == [0] * 15

    figure3 = of["figure3"]
    tests = ["IEMOCAP-SCRAMBLED", "IEMOCAP", "MSP-Podcast", "CREMA-D"]
    assert figure3.headers == ["Augment", *(f"{letter}\n{test}" for letter in "ABC" for test in tests)]
    assert figure3.rows[1][1:] == [
        *("-0.40", "", "+0.00", "-0.10", "-0.04", "", "-0.29", "-0.35", "-0.02", "", "+0.01", "-0.12")
    ]
    assert figure3.legend[0].startswith(
        "Trained on A: MSP-Podcast; B: IEMOCAP-SCRAMBLED; C: MSP-Podcast+IEMOCAP-SCRAMBLED."
    )


def _threes(rows):
    return zip(rows[::3], rows[1::3], rows[2::3], strict=True)


@pytest.mark.parametrize(
    ("wf1", "said"),
    [
        (0.53, []),
        (0.55, []),
        (0.51, []),
        (0.5501, ["table1: MSP-Podcast on MSP-Podcast at 0 %: differs by +0.020 from the paper's 0.53"]),
        (0.40, ["table1: MSP-Podcast on MSP-Podcast at 0 %: differs by -0.130 from the paper's 0.53"]),
    ],
)
def test_agreement_is_within_two_hundredths(paper, store, wf1, said):
    put(store, *(made_result(run, flat(wf1)) for run in paper.runs(("msp",), 0)))
    cells = cells_of(paper, store)
    assert the(cells, "table1", "MSP-Podcast", "MSP-Podcast")["agrees"] == (not said)
    at_home = "MSP-Podcast on MSP-Podcast at 0 %"
    assert [line for line in disagreements(cells) if at_home in line] == said


def test_disagreements_name_what_is_missing_too(paper, store):
    put(store, *(made_result(run, flat(0.53)) for run in paper.runs(("msp",), 0)))
    put(store, made_result(by_id(paper)["iemocap-aug20-fold03"], flat(0.6)))
    said = disagreements(cells_of(paper, store))
    # Of 136 published cells three hold: MSP-Podcast on itself, in each exhibit.
    assert len(said) == len(set(said)) == 133
    assert "table1: CREMA-D on CREMA-D at 50 %: 0 of 2 runs done" in said
    assert "table1: IEMOCAP on IEMOCAP at 20 %: 1 of 10 runs done" in said
    assert "table1: IEMOCAP (tuned) on IEMOCAP at 0 %: 0 of 160 runs done" in said
    done_but = (
        "MSP-Podcast on IEMOCAP-SCRAMBLED at 0 %: nothing to compare, IEMOCAP-SCRAMBLED has no baseline"
    )
    assert any(done_but in line for line in said)


def test_the_tuned_row_is_held_against_the_papers(paper, store):
    grid = paper.exhibits["tuning"]
    of_point = dict.fromkeys(itertools.product(grid.learning_rates, grid.batch_sizes), (0.5, 0.67))
    put_grid(store, paper, of_point | {(0.01, 256): (0.6, 0.61)})
    cell = the(cells := cells_of(paper, store), "table1", "IEMOCAP (tuned)", "IEMOCAP")
    assert (cell["paper"], cell["paper_std"]) == (0.68, 0.006)
    assert cell["difference"] == pytest.approx(-0.07)
    assert "table1: IEMOCAP (tuned) on IEMOCAP at 0 %: differs by -0.070 from the paper's 0.68" in (
        disagreements(cells)
    )
