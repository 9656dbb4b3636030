"""The answer as a picture: a row for each claim that rests on changes of wF1, each line an interval."""

import numpy as np
import pytest

from benchmark.report import summary
from benchmark.report.intervals import Spread
from benchmark.report.judging import Verdict
from benchmark.report.terms import FAILS, HOLDS, UNTOLD


def spread(mean, low, high):
    return Spread(mean=mean, low=low, high=high)


def verdict(answer, *changes, unit="wF1"):
    return Verdict("name", f"The claim is {answer}", answer, "", tuple(("x", of) for of in changes), unit)


@pytest.fixture
def figure():
    rows = [
        verdict(HOLDS, spread(0.3, 0.2, 0.4), spread(-0.9, -1.0, -0.8)),
        verdict(UNTOLD, spread(0.0, -0.1, 0.1)),
        verdict(FAILS, *(spread(at / 100, at / 100 - 0.2, at / 100 + 0.2) for at in range(30))),
        verdict(HOLDS, spread(0.1, 0.0, 0.2), unit="Hz"),
        verdict(UNTOLD),
    ]
    ((name, drawn),) = summary.pictures("title", rows)
    assert name == "answer"
    return drawn


def test_a_row_for_each_claim_and_its_answer(figure):
    labels = [label.get_text().replace("\n", " ") for label in figure.axes[0].get_yticklabels()]
    assert labels == [f"The claim is {answer}" for answer in (HOLDS, UNTOLD, FAILS)]
    assert [text.get_text() for text in figure.axes[0].texts] == [HOLDS, UNTOLD, FAILS]
    assert len({text.get_color() for text in figure.axes[0].texts}) == 3


def test_lines_are_intervals_thick_where_they_leave_nothing_out_and_within_the_edge(figure):
    drawn = [
        line for line in figure.axes[0].lines if np.ptp(line.get_ydata()) == 0 and len(line.get_xdata()) == 2
    ]
    ends = [tuple(np.round(line.get_xdata(), 3)) for line in drawn]
    assert ends[:3] == [(-0.6, -0.6), (0.2, 0.4), (-0.1, 0.1)]
    assert [line.get_linewidth() > 2 for line in drawn[:3]] == [True, True, False]
    many = [low for low, _ in ends[3:]]
    assert len(many) == summary.MOST
    assert (many[0], many[-1]) == (-0.2, 0.09)


def test_a_study_without_changes_has_no_picture():
    assert not list(summary.pictures("title", [verdict(UNTOLD)]))
    unknown = spread(0.1, float("nan"), float("nan"))
    assert list(summary.pictures("title", [verdict(HOLDS, unknown)]))
