"""Every training set on every corpus, and what guessing gives."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from benchmark.report.exhibits import matrix
from serkit.labels import LABELS
from tests.made_results import made_result, put
from tests.made_studies import (
    by_id,
    drawn,
    flat,
    numbers_of,
    small,
)


def test_the_matrix_has_own_other_and_joint_cells_with_means_and_what_guessing_gives(store):
    study = small(seeds=[0])
    level = {("one", "one"): 0.8, ("one", "two"): 0.3, ("two", "one"): 0.4, ("two", "two"): 0.6}
    level |= {("one+two", "one"): 0.7, ("one+two", "two"): 0.5}
    for spec in by_id(study).values():
        wf1 = {test: at for (train, test), at in level.items() if train == "+".join(spec.train)}
        better = 0.1 * (spec.augment_percent > 0)
        result = made_result(spec, lambda test, *_: wf1.get(test, 0.9) + better)  # noqa: B023
        result["corpora"]["one"]["tested"] = {"0": {"angry": 3, "happy": 1, "neutral": 0, "sad": 0}}
        put(store, result)
    (name, table), *_ = drawn(study, store).items()
    assert (name, table.headers) == ("matrix", ["Trained on", "ONE", "TWO", "mean, own", "mean, other"])
    assert table.title.endswith("at 0 % augmentation")
    assert table.rows == [
        ["ONE", "0.80 own", "0.30", "0.80", "0.30"],
        ["TWO", "0.40 °", "0.60 [0.60, 0.60] own", "0.60", "0.40"],
        ["ONE+TWO", "0.70 own", "0.50 [0.50, 0.50] own", "0.60", ""],
        ["mean, not trained on", "0.40", "0.30", "", "0.35"],
        ["guesses", "0.62", "0.25", "", ""],
        ["one label, always", "0.64 angry", "0.10 angry", "", ""],
    ]
    assert table.legend[1] == (
        "In brackets the 95 % interval over 2 folds. Without brackets: one training or one fold, and nothing"
        " tells what another would give. °: not above what is had without listening; a difference between"
        " two such cells says nothing."
    )
    cells = numbers_of(matrix, study, store)["matrix-cells"]
    assert len(cells) == 3 * 2 * 2, "at every rate"
    assert cells.query("augment_percent == 50")["wF1"].tolist() == pytest.approx(
        [0.9, 0.4, 0.5, 0.7, 0.8, 0.6]
    )


@pytest.mark.parametrize("counts", [[30, 30, 30, 30], [70, 10, 10, 10], [1, 0, 5, 0]])
def test_what_guessing_gives_is_what_guesses_get(store, counts):
    study = small(seeds=[0])
    result = made_result(study.runs(("one",), 0)[0], flat(0.5))
    result["corpora"]["one"]["tested"] = {"0": dict(zip(LABELS, counts, strict=True))}
    put(store, result)
    row = numbers_of(matrix, study, store)["guesses"].set_index("test").loc["ONE"]
    truth = np.repeat(np.arange(4), np.array(counts) * 4000)
    there = np.flatnonzero(counts)
    guessed = np.random.default_rng(0).permutation(truth)
    assert row["guessing"] == pytest.approx(f1_score(truth, guessed, average="weighted"), abs=0.01)
    always = {LABELS[at]: f1_score(truth, np.full(len(truth), at), average="weighted") for at in there}
    assert row["always"] == pytest.approx(max(always.values()))
    assert always[row["label"]] == max(always.values())


def test_a_mean_of_some_cells_is_none(store):
    runs = by_id(study := small(seeds=[0]))
    put(store, made_result(runs["one-aug0"], flat(0.5)))
    rows = {row[0]: row[1:] for row in drawn(study, store)["matrix"].rows}
    assert rows["TWO"] == ["--", "--", "--", "--"]
    assert rows["mean, not trained on"] == ["--", "0.50", "", "--"]


def test_training_sets_under_other_labels_are_not_in_the_matrix(store):
    """Whatever was done to them: a mean over own and other corpora is of true labels alone."""
    odd = [f"two_{of}" for of in ("scrambled", "far", "far50", "shuffled", "without-sad")]
    columns = [["one"], ["two"], *([name] for name in odd), *(["one", name] for name in odd)]
    study = small(seeds=[0], figure2={"train": columns, "test": ["two", "one"]})
    assert len(study.training_sets()) == len(columns)
    cells = numbers_of(matrix, study, store)["matrix-cells"]
    assert set(cells["train"]) == {"ONE", "TWO"}
