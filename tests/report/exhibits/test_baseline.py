"""The log-mel baseline beside the network: what is asked for, differences against scipy, gaps."""

import math
import re

import numpy as np
import pytest
import scipy.stats

from benchmark import study as studies
from benchmark.report.exhibits import baseline
from serkit.specs import STATISTICS
from tests.made_results import made_result, put
from tests.made_studies import SMALL, numbers_of, small
from tests.report.made_worlds import over_folds

FIVE = {
    name: {"reader": "made", "title": name.upper(), "folds": 5, "options": {"labels": name}}
    for name in ("one", "two")
}
NETWORK = {"one": [0.60, 0.62, 0.64, 0.66, 0.68], "two": [0.40, 0.41, 0.42, 0.43, 0.44]}
FITTED = {"one": [0.50, 0.53, 0.54, 0.57, 0.57], "two": [0.36, 0.42, 0.40, 0.45, 0.43]}


def asked(train=(["one"], ["two"], ["one", "two"]), **changes):
    only = {key: of for key, of in SMALL.items() if key not in ("figure2", "figure3")}
    study = {"corpora": FIVE, "seeds": [0], "table1": {"train": [["one"], ["two"]]}, **changes}
    return studies.from_toml({**only, **study, "baseline": {"train": list(train)}}, "small")


def fill(store, study, network=NETWORK, fitted=FITTED, more=lambda run: 0.0):
    """Every run; wF1 by the test and its fold, for statistics and networks."""
    for case in studies.plan(study):
        values = fitted if case.spec.model.encoder == STATISTICS.encoder else network
        put(
            store,
            made_result(
                case.spec, lambda test, fold, _, of=values, run=case.spec: of[test][fold] + more(run)
            ),
        )


def cells_of(study, store):
    return numbers_of(baseline, study, store)["baseline-cells"]


def row_of(study, store, train, test):
    return cells_of(study, store).query("train == @train and test == @test").squeeze()


def test_network_and_statistics_are_trained_on_the_same_folds():
    study = asked()
    runs = [case.spec for case in studies.plan(study) if "baseline" in case.exhibits]
    fitted = {(run.train, run.fold, run.seed) for run in runs if run.model.encoder == STATISTICS.encoder}
    networks = {(run.train, run.fold, run.seed) for run in runs if run.model == study.model}
    assert fitted == networks
    assert len(runs) == 2 * len(networks) == 2 * 3 * 5
    assert {run.augment_percent for run in runs} == {0}


def test_a_difference_on_an_own_corpus_is_that_of_its_folds(store):
    fill(store, study := asked())
    row = row_of(study, store, "ONE", "ONE")
    changes = np.subtract(NETWORK["one"], FITTED["one"])
    found = row[["difference", "difference_low", "difference_high", "difference_p"]].astype(float)
    assert found.tolist() == pytest.approx(over_folds(changes))
    assert (row["network_wF1"], row["statistics_wF1"]) == pytest.approx((0.64, 0.542))
    assert row["network_wF1_constant"] == pytest.approx(0.25)


def test_on_another_corpus_the_networks_of_all_folds_score_the_same_clips(store):
    moved = {None: [0.0, 0.02, -0.01, 0.03, 0.01], STATISTICS.encoder: [0.0, 0.01, 0.02, 0.0, 0.01]}
    by_encoder = lambda run: moved.get(run.model.encoder, moved[None])[run.fold]  # noqa: E731
    fill(store, study := asked(), more=by_encoder)
    row = row_of(study, store, "ONE", "TWO")
    tests = np.subtract(NETWORK["two"], FITTED["two"]).var(ddof=1) / 5
    parts = [tests, *(np.var(of, ddof=1) / 5 for of in moved.values())]
    freedom = sum(parts) ** 2 / sum(part**2 / 4 for part in parts)  # Satterthwaite
    half = scipy.stats.t.ppf(0.975, freedom) * math.sqrt(sum(parts))
    assert row["difference_high"] - row["difference"] == pytest.approx(half)


def test_p_are_corrected_over_the_tables_own_cells_and_counted(store):
    fill(store, study := asked())
    cells = cells_of(study, store)
    assert len(cells) == 3 * 2
    p = cells["difference_p"].to_numpy()
    order, worst = np.argsort(p), 0.0
    for rank, at in enumerate(order):
        worst = max(worst, min(1.0, (len(p) - rank) * p[at]))
        assert cells["difference_holm"][at] == pytest.approx(worst)
    assert cells["clear"].tolist() == (cells["difference_holm"] < 0.05).tolist()
    assert cells.query("test == 'ONE'")["clear"].all()
    assert not cells.query("test == 'TWO'")["clear"].any()
    (table,) = baseline.draw_tables(study, {"baseline-cells": cells})
    said = "The network is clearly above the statistics in 3 and clearly below in 0 of 6 cells"
    assert any(said in line for line in table.legend)
    assert table.rows[0][:4] == ["ONE", "0 %", "ONE own", "0.64 [0.58, 0.70]"]
    assert re.fullmatch(r"\+0\.10 \[\+0\.\d\d, \+0\.\d\d\] \*", table.rows[0][5])
    assert table.rows[1][0] == "", "a training set is named once"


def test_below_is_said_too_and_nothing_follows_from_cells_no_better_than_constants(store):
    fill(store, study := asked(train=[["one"]]), network=FITTED, fitted=NETWORK)
    assert row_of(study, store, "ONE", "ONE")["clear"]
    (table,) = baseline.draw_tables(study, numbers_of(baseline, study, store))
    assert any(
        "clearly above the statistics in 0 and clearly below in 1 of 2" in line for line in table.legend
    )
    low = {name: [value - 0.45 for value in NETWORK["one"]] for name in NETWORK}
    lower = {name: [value - 0.1 for value in values] for name, values in low.items()}
    lower["one"][0] += 0.01
    fill(store, study, network=low, fitted=lower)
    row = row_of(study, store, "ONE", "ONE")
    assert row["difference_p"] < 0.001
    assert not row["clear"], "0.19 is not above 0.25"


def test_seeds_that_give_the_same_statistics_are_one_network(store):
    fill(store, one := asked(), more=lambda run: 0.01 * (run.fold or 0))
    alone = row_of(one, store, "ONE", "TWO")
    fill(store, two := asked(seeds=[0, 1]), more=lambda run: 0.01 * (run.fold or 0))
    row = row_of(two, store, "ONE", "TWO")
    for end in ("low", "high"):
        assert row[f"statistics_wF1_{end}"] == pytest.approx(alone[f"statistics_wF1_{end}"])
    assert row["network_wF1_high"] < alone["network_wF1_high"]
    assert row["statistics_runs"] == 10


def test_what_is_missing_is_a_gap(store):
    study = asked(train=[["one"]])
    assert math.isnan(row_of(study, store, "ONE", "ONE")["difference"])
    (table,) = baseline.draw_tables(study, numbers_of(baseline, study, store))
    assert [row[3:6] for row in table.rows] == [["--"] * 3] * 2
    runs = study.runs(("one",), 0, baseline.statistics(study)) + study.runs(("one",), 0)
    for run in [*runs[:3], *runs[6:8]]:  # folds 0 to 2, and of the network 1 and 2
        values = FITTED if run.model.encoder == STATISTICS.encoder else NETWORK
        put(store, made_result(run, lambda test, fold, _, of=values: of[test][fold]))
    row = row_of(study, store, "ONE", "ONE")
    assert (row["network_runs"], row["statistics_runs"]) == (2, 3)
    assert row["difference"] == pytest.approx(np.subtract(NETWORK["one"], FITTED["one"])[1:3].mean())
    (table,) = baseline.draw_tables(study, numbers_of(baseline, study, store))
    assert table.rows[0][3].endswith("[2/5]")


def test_a_study_that_does_not_ask_has_none_and_the_page_shows_it_where_it_does(store):
    assert numbers_of(baseline, small(), store) == {}
    numbers = numbers_of(baseline, study := asked(), store)
    made = [table.name for table in baseline.draw_tables(study, numbers)]
    (section,) = baseline.sections(study, numbers)
    assert section.parts == [("table", *made), ("files", *numbers)]
