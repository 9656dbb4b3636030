"""Outputs per corpus beside shared ones: what is asked for, differences by hand, gaps."""

import numpy as np
import pytest

from benchmark import study as studies
from benchmark.report.exhibits import outputs
from serkit.errors import SpecError
from tests.made_results import made_result, put
from tests.made_studies import SMALL, numbers_of, small
from tests.report.made_worlds import over_folds

THREE = {
    name: {"reader": "made", "title": name.upper(), "folds": 5, "options": {"labels": name}}
    for name in ("one", "two", "three")
}
SHARED = {"one": [0.60, 0.62, 0.64, 0.66, 0.68], "two": [0.5, 0.5, 0.4, 0.4, 0.3], "three": [0.3] * 5}
APART = {"one": [0.70, 0.73, 0.74, 0.77, 0.77], "two": [0.5, 0.4, 0.5, 0.3, 0.4], "three": [0.3] * 5}


def asked(train=(("one", "two"),), rates=(0,), **changes):
    only = {key: of for key, of in SMALL.items() if key not in ("figure2", "figure3")}
    table = {"train": list(map(list, train)), "rates_percent": list(rates)}
    study = {"corpora": THREE, "seeds": [0], "table1": {"train": [["one"]]}, **changes, "outputs": table}
    return studies.from_toml({**only, **study}, "small")


def fill(store, study, folds=range(5)):
    for case in studies.plan(study):
        if "outputs" in case.exhibits and case.spec.fold in folds:
            of = APART if case.spec.model.outputs == "per-corpus" else SHARED
            put(store, made_result(case.spec, lambda test, fold, _, of=of: of[test][fold]))


def numbers(study, store):
    return numbers_of(outputs, study, store)["outputs-cells"]


def test_joint_training_is_trained_both_ways_on_the_same_folds():
    runs = [case.spec for case in studies.plan(asked(rates=(0, 50))) if "outputs" in case.exhibits]
    both = {
        way: {(run.fold, run.augment_percent) for run in runs if run.model.outputs == way}
        for way in ("per-corpus", "shared")
    }
    ways = list(both.values())
    assert ways[0] == ways[1]
    assert len(runs) == 2 * len(ways[0]) == 2 * 2 * 5


@pytest.mark.parametrize("train", [["one"], ["one", "two_shuffled"]])
def test_one_corpus_or_other_labels_are_refused(train):
    with pytest.raises(SpecError, match="expected two corpora or more, under their true labels"):
        asked(train=[train])


def test_the_difference_is_that_of_each_corpus_own_or_not(store):
    fill(store, study := asked())
    cells = numbers(study, store).set_index("test")
    assert cells["own"].tolist() == [True, True, False]
    for name, change in {"ONE": 0.102, "TWO": 0.0, "THREE": 0.0}.items():
        assert cells.loc[name, "difference"] == pytest.approx(change)
    changes = np.subtract(APART["one"], SHARED["one"])
    p = over_folds(changes)[-1]
    assert cells.loc["ONE", "difference_p"] == pytest.approx(p)
    known = cells["difference_p"].notna().sum()
    assert cells.loc["ONE", "difference_holm"] == pytest.approx(known * p), "it is the smallest"
    assert cells["clear"].tolist() == [True, False, False]
    (table,) = outputs.draw_tables(study, numbers_of(outputs, study, store))
    assert table.headers[3:5] == ["apart", "shared"]
    first = table.rows[0]
    assert first[:3] == ["ONE+TWO", "0 %", "ONE own"]
    assert (first[3][:4], first[4][:4], first[5][:5]) == ("0.74", "0.64", "+0.10")
    assert first[5].endswith("*")
    assert any("in 1 and clearly below in 0 of" in line for line in table.legend)


def test_what_is_missing_is_a_gap(store):
    study = asked()
    (table,) = outputs.draw_tables(study, numbers_of(outputs, study, store))
    assert [row[3:6] for row in table.rows] == [["--"] * 3] * 3
    fill(store, study, folds=(1, 3))
    (table,) = outputs.draw_tables(study, numbers_of(outputs, study, store))
    assert table.rows[0][3].endswith("[2/5]")
    assert numbers_of(outputs, small(), store) == {}


def test_the_page_shows_the_table_and_its_numbers(store):
    made = numbers_of(outputs, study := asked(), store)
    (section,) = outputs.sections(study, made)
    assert section.parts == [("table", outputs.draw_tables(study, made)[0].name), ("files", *made)]
