"""Scores by groups of clips: from counts by hand, over folds, and gaps where a result has none."""

import numpy as np
import pytest

from benchmark import study as studies
from benchmark.report.exhibits import groups
from serkit.errors import SpecError
from serkit.metrics import of_confusion
from tests.report.made_worlds import STUDY, World, made_cells, over_folds

ASKED = STUDY | {"groups": {"train": [["one"], ["one", "two"]], "by": ["gender", "sentence"]}}
COUNTS = {"female": 8, "male": 3}


@pytest.fixture(scope="module")
def made():
    """Networks that hear one gender better, fold by fold otherwise; of THREE nothing is known."""
    found = made_cells(World(), given=ASKED)
    random = np.random.default_rng(0)
    for result in found.results.values():
        result["by"] = {
            corpus: {
                "gender": {
                    value: (random.integers(0, 3, (4, 4)) + right * np.eye(4, dtype=int)).tolist()
                    for value, right in COUNTS.items()
                }
            }
            for corpus in ("one", "two")
        }
    return found


def rows(made):
    return groups.numbers(made.study, made, None)["groups-cells"].set_index(["train", "test", "value"])


def test_of_a_corpus_that_was_trained_on_it_is_the_mean_over_folds(made):
    counts = [np.array(result["by"]["one"]["gender"]["female"]) for result in made.runs(("one",), 0).values()]
    scores = [float(of_confusion(of)["wF1"]) for of in counts]
    row, (mean, low, high, _) = rows(made).loc["ONE", "ONE", "female"], over_folds(scores)
    assert (row["wF1"], row["wF1_low"], row["wF1_high"]) == pytest.approx((mean, low, high))
    assert row["uACC"] == pytest.approx(np.mean([of_confusion(of)["uACC"] for of in counts]))
    assert row["clips"] == sum(of.sum() for of in counts)
    assert row["wF1"] > rows(made).loc["ONE", "ONE", "male"]["wF1"] + 0.1


def test_of_another_corpus_it_is_over_all_clips(made):
    counts = [np.array(result["by"]["two"]["gender"]["male"]) for result in made.runs(("one",), 0).values()]
    row = rows(made).loc["ONE", "TWO", "male"]
    assert row["wF1"] == pytest.approx(float(of_confusion(np.sum(counts, axis=0))["wF1"]))
    assert np.isnan(row["wF1_low"])
    assert row["clips"] == round(np.mean([of.sum() for of in counts]))


def test_a_group_that_no_result_has_is_no_row(made):
    found = groups.numbers(made.study, made, None)["groups-cells"]
    assert set(found["column"]) == {"gender"}
    assert set(found["test"]) == {"ONE", "TWO"}
    empty = made_cells(World(), given=ASKED, leave_out=lambda spec: True)
    assert groups.numbers(empty.study, empty, None)["groups-cells"].empty


def test_the_table_has_a_row_a_group(made):
    (table,) = groups.draw_tables(made.study, groups.numbers(made.study, made, None))
    assert [row[3] for row in table.rows[:2]] == ["female", "male"]
    assert "[" in table.rows[0][5]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"train": [["one"]]}, "groups: by is missing"),
        ({"train": [["one"]], "by": [3]}, "groups.by: expected names of columns"),
        ({"train": [["two_scrambled"]], "by": ["gender"]}, "expected corpora under their true labels"),
    ],
)
def test_what_cannot_be_asked_is_refused(table, words):
    with pytest.raises(SpecError, match=words):
        studies.from_toml(STUDY | {"groups": table}, "made")
