"""Held-out cells: what is trained, recall and what is called so by counting, shares by Fieller, gaps."""

import numpy as np
import pytest
import scipy.stats

from benchmark import study as studies
from benchmark.report.exhibits import heldout
from serkit.errors import SpecError
from serkit.labels import LABELS
from tests.made_studies import small
from tests.report.made_worlds import STUDY, World, fieller, is_on_the_page, made_cells, over_folds, shares

RATES = {"rates_percent": [0, 50], "heldout": {"train": [["one", "two"]], "rates_percent": [0, 50]}}


class Partly(World):
    """A label that is left out is half known, and some other clips are called so."""

    held, called = 0.4, 0.15


@pytest.fixture(scope="module")
def made():
    return made_cells(Partly(), number=30)


@pytest.fixture(scope="module")
def rows(made):
    table = heldout.numbers(made.study, made, None)["heldout-cells"]
    return table.set_index(["lacks", "label"])


def asked(**table):
    return studies.from_toml(STUDY | {"heldout": table}, "made")


def trained(study):
    runs = [case.spec for case in studies.plan(study) if "heldout" in case.exhibits]
    return {(run.train, run.augment_percent, run.fold) for run in runs}


def test_each_corpus_lacks_each_label_beside_joint_training_and_the_others_alone():
    sets = [("one", "two"), ("one",), ("two",)]
    sets += [(f"one_without-{label}", "two") for label in LABELS]
    sets += [("one", f"two_without-{label}") for label in LABELS]
    for rates in ((0,), (0, 50)):
        study = studies.from_toml(
            STUDY | {**RATES, "heldout": {**RATES["heldout"], "rates_percent": list(rates)}}, "made"
        )
        assert trained(study) == {
            (train, rate, fold) for train in sets for rate in rates for fold in range(5)
        }


def test_some_corpora_alone_may_lack_labels():
    study = asked(train=[["one", "two"], ["one", "three"]], lacks=["two", "three"])
    sets = {train for train, *_ in trained(study)}
    lacking = {("one", f"{name}_without-{label}") for name in ("two", "three") for label in LABELS}
    assert sets == {("one", "two"), ("one", "three"), ("one",)} | lacking
    made = made_cells(Partly(), heldout={"train": [["one", "two"]], "lacks": ["two"]})
    cells = heldout.numbers(made.study, made, None)["heldout-cells"]
    assert set(cells["lacks"]) == {"TWO"}
    with pytest.raises(SpecError, match=r"heldout\.lacks: corpus 'four': expected one of one, two, three"):
        asked(train=[["one", "two"]], lacks=["four"])
    with pytest.raises(SpecError, match=r"heldout\.lacks: expected a corpus of \['one', 'two'\] among them"):
        asked(train=[["one", "two"]], lacks=["three"])


def test_of_three_corpora_the_two_others_have_the_label():
    study = asked(train=[["one", "two", "three"]])
    sets = {frozenset(train) for train, *_ in trained(study)}
    assert {"one", "two", "three_without-sad"} in sets
    assert {frozenset(pair) for pair in (("one", "two"), ("one", "three"), ("two", "three"))} < sets
    assert len(sets) == 1 + 3 + 3 * 4


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"train": [["one"]]}, r"heldout.train \['one'\]: expected two corpora or more, under their true"),
        ({"train": [["one", "two_scrambled"]]}, "expected two corpora or more, under their true labels"),
        ({"train": [["one", "two_without-sad"]]}, "expected two corpora or more, under their true labels"),
        ({"train": [["one", "four"]]}, "heldout: corpus 'four': expected one of one, two, three"),
        ({"train": [["one", "two"], ["two", "one"]]}, "heldout.train, in the order of .* twice"),
        ({"train": "one"}, "heldout.train = 'one': expected a list"),
        ({}, "heldout: train is missing"),
        ({"train": [["one", "two"]], "rates_percent": [20]}, r"heldout.rates_percent 20: expected one of 0"),
        ({"train": [["one", "two"]], "label": "sad"}, "heldout: unknown key 'label'"),
    ],
)
def test_what_cannot_be_held_out_is_refused(table, message):
    with pytest.raises(SpecError, match=message):
        asked(**table)


# --- numbers, by counting clips ---


def by_fold(made, corpus, label):
    """Recall of the label that a corpus lacks, what else is called so, recall with it, that of the other."""
    at, others = LABELS.index(label), [LABELS.index(other) for other in LABELS if other != label]
    lacking = tuple(f"{name}_without-{label}" if name == corpus else name for name in ("one", "two"))
    held, full = (shares(made, train, corpus)[:, 0] for train in (lacking, ("one", "two")))
    other = shares(made, ("two",) if corpus == "one" else ("one",), corpus).mean(axis=0)
    return np.array([held[:, at, at], held[:, others, at].mean(axis=1), full[:, at, at], other[:, at, at]])


@pytest.mark.parametrize("corpus", ["one", "two"])
@pytest.mark.parametrize("label", LABELS)
def test_a_cell_is_what_the_clips_say(made, rows, corpus, label):
    held, called, full, alone = by_fold(made, corpus, label)
    row = rows.loc[corpus.upper(), label]
    assert row[["heldout", "heldout_low", "heldout_high"]].tolist() == pytest.approx(over_folds(held)[:3])
    assert row[["above", "low", "high"]].tolist() == pytest.approx(over_folds(held - called)[:3])
    assert row[["called", "joint", "alone"]].tolist() == pytest.approx(
        [called.mean(), full.mean(), alone.mean()]
    )
    assert np.isnan(row[["p", "share", "holm"]].astype(float)).all(), "one question a corpus"
    assert row[["runs", "runs_expected"]].tolist() == [5, 5]


def test_all_four_are_the_mean_over_labels_in_each_fold(made, rows):
    p = []
    for corpus in ("one", "two"):
        held, called, full, alone = np.mean([by_fold(made, corpus, label) for label in LABELS], axis=0)
        row = rows.loc[corpus.upper(), heldout.ALL]
        assert row[["above", "low", "high", "p"]].tolist() == pytest.approx(over_folds(held - called))
        assert row[["heldout", "joint", "alone"]].tolist() == pytest.approx(
            [held.mean(), full.mean(), alone.mean()]
        )
        assert row["share"] == pytest.approx(held.mean() / full.mean())
        ends = fieller(held, full)
        assert row[["share_low", "share_high"]].tolist() == pytest.approx(ends, abs=2e-3)
        assert row[["runs", "runs_expected"]].tolist() == [20, 20]
        p.append(row["p"])
    holm = rows.xs(heldout.ALL, level="label")["holm"]
    assert sorted(holm) == pytest.approx(sorted([2 * min(p), max(2 * min(p), max(p))]))


def test_what_is_said_everywhere_is_not_known():
    class Careless(World):
        held = called = 0.4

    made = made_cells(Careless(), number=60)
    for corpus in ("one", "two"):
        cell = heldout.by_label(made, ("one", "two"), corpus, 0)[len(LABELS)]
        assert cell.held.mean == pytest.approx(0.4, abs=0.05)
        assert cell.above().mean == pytest.approx(0.0, abs=0.05), "of other clips as many are called so"
        share = cell.share()
        assert share.mean == pytest.approx(0.4 / 0.75, abs=0.05), "which recall alone would call half known"
        assert share.low < share.mean < share.high


def test_what_is_missing_is_a_gap():
    undone = {"leave_out": lambda spec: "two_without-sad" in spec.train or (spec.fold or 0) > 2}
    made = made_cells(Partly(), number=5, **undone)
    numbers = heldout.numbers(made.study, made, None)
    rows = numbers["heldout-cells"].set_index(["lacks", "label"])
    assert rows.loc["ONE", "sad"]["runs"] == 3
    assert rows.loc["TWO", "sad"]["runs"] == 0
    assert np.isnan(rows.loc["TWO", "sad"][["heldout", "called", "above", "low"]].astype(float)).all()
    assert np.isnan(rows.loc["TWO", heldout.ALL]["heldout"]), "a mean of some labels is none"
    assert rows.loc["TWO", heldout.ALL]["runs"] == 9
    (table,) = heldout.draw_tables(made.study, numbers)
    drawn = {tuple(row[1:3]): row[3:] for row in table.rows}
    assert drawn["ONE", "sad"][0].endswith(" [3/5]")
    assert drawn["TWO", "sad"] == ["-- [0/5]", "--", "--", *drawn["TWO", "sad"][3:]]
    assert drawn["TWO", heldout.ALL][-1] == "--"
    assert heldout.numbers(small(), None, None) == {}
    nothing = made_cells(Partly(), leave_out=lambda spec: True)
    numbers = heldout.numbers(nothing.study, nothing, None)
    assert list(heldout.draw_figures(nothing.study, numbers, "paper")) == []
    (table,) = heldout.draw_tables(nothing.study, numbers)
    assert {cell for row in table.rows for cell in row[4:8]} == {"--"}


# --- table, picture, page ---


def test_the_table_has_a_row_a_corpus_and_label(made):
    numbers = heldout.numbers(made.study, made, None)
    (table,) = heldout.draw_tables(made.study, numbers)
    assert len(table.headers) == 9
    assert {len(row) for row in table.rows} == {9}
    assert [row[1:3] for row in table.rows] == [
        [corpus, label] for corpus in ("ONE", "TWO") for label in (*LABELS, heldout.ALL)
    ]
    assert [row[0] for row in table.rows if row[0]] == ["ONE+TWO, 0 %"] * 2
    rows = numbers["heldout-cells"].to_dict("records")
    for row, drawn in zip(rows, table.rows, strict=True):
        assert drawn[3] == f"{row['heldout']:.2f} [{row['heldout_low']:.2f}, {row['heldout_high']:.2f}]"
        assert drawn[5] == f"{row['above']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}]"
        assert drawn[7] == f"{row['ceiling']:+.2f} [{row['ceiling_low']:+.2f}, {row['ceiling_high']:+.2f}]"
        assert bool(drawn[8]) == (row["label"] == heldout.ALL)


def test_beside_it_stands_what_networks_of_the_other_corpus_alone_know(made, rows):
    """Less what they call so, likewise: a network that has one set of labels and never met the corpus."""
    for corpus, alone in (("one", ("two",)), ("two", ("one",))):
        of_label = []
        for at, label in enumerate(LABELS):
            others = [other for other in range(4) if other != at]
            of = shares(made, alone, corpus)
            table = of[:, :, at, at] - of[:, :, others, at].mean(axis=2)
            assert rows.loc[corpus.upper(), label]["ceiling"] == pytest.approx(np.mean(table))
            of_label.append(table)
        row = rows.loc[corpus.upper(), heldout.ALL]
        assert row["ceiling"] == pytest.approx(np.mean(of_label))
        cell = heldout.by_label(made, ("one", "two"), corpus, 0)[len(LABELS)]
        folds = np.mean(of_label, axis=(0, 1))
        assert cell.ceiling().parts["tests"] == pytest.approx(scipy.stats.sem(folds))
        assert row["ceiling_low"] < row["ceiling"] < row["ceiling_high"]


@pytest.mark.filterwarnings("error")
def test_the_figure_has_a_panel_a_corpus_and_a_place_a_rate():
    made = made_cells(Partly(), number=5, leave_out=lambda spec: "two_without-sad" in spec.train, **RATES)
    ((name, figure),) = heldout.draw_figures(made.study, heldout.numbers(made.study, made, None), "paper")
    figure.draw_without_rendering()
    assert name == "heldout"
    panels = figure.axes
    assert [panel.get_title(loc="left") for panel in panels] == [
        "ONE+TWO:\nONE lacks it",
        "ONE+TWO:\nTWO lacks it",
    ]
    assert [label.get_text() for label in panels[0].get_xticklabels()] == ["0 %", "50 %"]
    cells = [heldout.by_label(made, ("one", "two"), "one", rate)[len(LABELS)] for rate in (0, 50)]
    drawn = {line.get_label(): list(line.get_ydata()) for line in panels[0].get_lines()}
    assert drawn["held out"] == pytest.approx([cell.above().mean for cell in cells])
    assert drawn["others alone"] == pytest.approx([cell.ceiling().mean for cell in cells])
    assert drawn["with it"] == pytest.approx([cell.joint.mean for cell in cells])


@pytest.mark.usefixtures("no_vega")
def test_the_page_shows_all_that_there_is(made, tmp_path):
    said = "Recall of labels that a corpus lacks in training; the numbers are in the table"
    is_on_the_page(heldout, made, tmp_path, f'alt="{said}')
