"""Shuffled labels: losses and shares by hand and by torch, leaks, gaps; the claim of a case."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.stats
import torch

import cases.test_shuffled_labels
from benchmark import study as studies
from benchmark.report.exhibits import shuffled
from serkit.errors import SpecError
from serkit.labels import GUESSING, LABELS, corpus_of
from serkit.steps import bce_of_softmax
from tests.made_results import made_result, put
from tests.made_studies import SMALL, flat, numbers_of, small
from tests.report.made_worlds import over_folds

TRUE, MADE_UP = [0.10, 0.12, 0.08, 0.11, 0.09], [0.30, 0.33, 0.31, 0.28, 0.34]
"""Losses at the end, by fold."""


def asked(train=(("two_shuffled",),), rates=(0,), **changes):
    only = {key: of for key, of in SMALL.items() if key not in ("figure2", "figure3")}
    corpora = {**SMALL["corpora"], "two": {**SMALL["corpora"]["two"], "folds": 5}}
    table = {"train": list(map(list, train)), "rates_percent": list(rates)}
    study = {"corpora": corpora, "seeds": [0], **changes, "shuffled": table}
    return studies.from_toml({**only, **study}, "small")


def by_guessing(test, fold, number):
    return 0.25


def fill(store, study, test=by_guessing, true=TRUE, made_up=MADE_UP, clips=None, folds=range(5)):
    for case in studies.plan(study):
        run = case.spec
        if "shuffled" in case.exhibits and run.fold in folds:
            odd = run.train != run.trained_on
            result = made_result(run, test if odd else flat(0.6))
            result["history"][-1]["loss"] = (made_up if odd else true)[run.fold]
            for corpus in run.trained_on if clips else ():
                result["corpora"][corpus]["clips"]["train"] = dict(zip(LABELS, clips, strict=True))
            put(store, result)


def row_of(study, store):
    (row,) = numbers_of(shuffled, study, store)["shuffled-cells"].to_dict("records")
    return row


def table_of(study, store):
    (table,) = shuffled.draw_tables(study, numbers_of(shuffled, study, store))
    return table


def test_the_same_training_is_asked_for_under_true_labels():
    trains = [case.spec.train for case in studies.plan(asked()) if "shuffled" in case.exhibits]
    assert sorted(trains) == [("two",)] * 5 + [("two_shuffled",)] * 5


@pytest.mark.parametrize("train", [["two"], ["two_scrambled"], ["one_near", "two_shuffled"]])
def test_other_labels_are_refused(train):
    with pytest.raises(SpecError, match="expected a corpus as NAME_shuffled"):
        asked(train=[train])


@pytest.mark.parametrize("clips", [[10, 10, 10, 10], [70, 10, 15, 5], [30, 0, 10, 0]])
def test_guessing_loses_what_the_training_would(clips):
    counts = dict(zip(LABELS, clips, strict=True))
    result = {"corpora": {"two": {"clips": {"train": counts}}, "one": {"clips": {"test": counts}}}}
    shares = torch.tensor(clips, dtype=torch.float64) / sum(clips)
    target = torch.repeat_interleave(torch.arange(4), torch.tensor(clips))
    logits = shares.clamp(min=1e-12).log().expand(len(target), -1)
    found = shuffled.guessing(result)
    assert found == pytest.approx(float(bce_of_softmax(logits, target)), abs=1e-6)
    assert (found == pytest.approx(GUESSING)) == (len(set(clips)) == 1)


def test_no_other_constant_loses_less_than_the_shares():
    clips = np.array([70, 10, 15, 5])
    target = torch.repeat_interleave(torch.arange(4), torch.tensor(clips))
    random = np.random.default_rng(0)
    best = shuffled.guessing(
        {"corpora": {"two": {"clips": {"train": dict(zip(LABELS, clips, strict=True))}}}}
    )
    for other in np.log(random.dirichlet(clips, size=200)):
        logits = torch.tensor(other).expand(len(target), -1)
        assert float(bce_of_softmax(logits, target)) > best


def test_losses_have_intervals_over_folds_and_the_share_is_that_of_the_means(store):
    fill(store, study := asked(), clips=[70, 10, 15, 5])
    row = row_of(study, store)
    shares = np.array([0.70, 0.10, 0.15, 0.05])
    guess = scipy.stats.bernoulli(shares).entropy().mean()
    assert row["loss_guessing"] == pytest.approx(guess)
    for name, losses in {"true": TRUE, "shuffled": MADE_UP}.items():
        found = tuple(row[f"loss_{name}{end}"] for end in ("", "_low", "_high"))
        assert found == pytest.approx(over_folds(losses)[:3])
    assert row["remembered"] == pytest.approx((guess - np.mean(MADE_UP)) / (guess - np.mean(TRUE)))

    def clear(share):
        """Whether what is left differs from 0 by a paired test."""
        left = (guess - np.array(MADE_UP)) - share * (guess - np.array(TRUE))
        return over_folds(left)[-1] < 0.05

    for end, outwards in {"low": -0.01, "high": 0.01}.items():
        assert clear(row[f"remembered_{end}"] + outwards)
        assert not clear(row[f"remembered_{end}"] - outwards)
    line = table_of(study, store).rows[0]
    assert line[:5] == ["TWO-SHUFFLED", "0 %", "TWO", f"{guess:.2f}", "0.31 [0.27, 0.36]"]


def test_seeds_are_averaged_within_a_fold(store):
    fill(store, study := asked(seeds=[0, 1]))
    for run in study.runs(("two_shuffled",), 0):
        if run.seed == 1:
            result = made_result(run, flat(0.25))
            result["history"][-1]["loss"] = MADE_UP[run.fold] + 0.1
            put(store, result)
    row = row_of(study, store)
    assert row["loss_shuffled"] == pytest.approx(np.mean(MADE_UP) + 0.05)
    mean, _, high, _ = over_folds(MADE_UP)
    assert row["loss_shuffled_high"] - row["loss_shuffled"] == pytest.approx(high - mean)


def test_there_is_no_share_where_nothing_is_learnt_under_true_labels(store):
    fill(store, study := asked(), true=[0.55, 0.58, 0.52, 0.60, 0.57])
    row = row_of(study, store)
    assert math.isnan(row["remembered"])
    assert table_of(study, store).rows[0][6] == "--"


CHANCE = [0.25, 0.30, 0.22, 0.27, 0.21]
KNOWN = [0.50, 0.55, 0.47, 0.52, 0.46]
BELOW = [0.10, 0.11, 0.10, 0.09, 0.10]


@pytest.mark.parametrize(("recalls", "leaks"), [(CHANCE, False), (KNOWN, True), (BELOW, False)])
def test_a_leak_is_what_is_clearly_above_guessing(store, recalls, leaks):
    fill(store, study := asked(), test=lambda test, fold, _: recalls[fold] if test == "two" else 0.0)
    row = row_of(study, store)
    values = np.array(recalls)
    assert row["uACC_p"] == pytest.approx(over_folds(values - 0.25)[-1])
    assert (row["uACC"], row["leaks"]) == (pytest.approx(values.mean()), leaks)
    table = table_of(study, store)
    assert table.rows[0][7].endswith("*") == leaks
    assert any("CAUTION: something leaks" in line for line in table.legend) == leaks


def test_a_joint_set_may_know_the_test_clips_from_its_other_corpus(store):
    study = asked(train=[["one", "two_shuffled"]])
    fill(store, study, test=lambda test, fold, _: KNOWN[fold] if fold < 5 else 0.0)
    row = row_of(study, store)
    assert (row["alone"], row["leaks"]) == (False, False)
    assert math.isnan(row["uACC_p"])
    assert any("may know the test clips" in line for line in table_of(study, store).legend)


def test_what_is_missing_is_a_gap(store):
    study = asked(rates=(0, 50))
    assert [row[3:10] for row in table_of(study, store).rows] == [["--"] * 7] * 2
    fill(store, study, folds=(1, 2))
    line = table_of(study, store).rows[0]
    assert line[4].endswith("[2/5]")
    assert line[4].startswith("0.32")
    assert line[5].startswith("0.10")
    assert numbers_of(shuffled, small(), store) == {}


def test_the_page_shows_the_table_and_its_numbers(store):
    made = numbers_of(shuffled, study := asked(), store)
    (section,) = shuffled.sections(study, made)
    assert section.parts == [("table", table_of(study, store).name), ("files", *made)]


# --- the claim of a case ---


def claimed(spec, result):
    case = SimpleNamespace(spec=spec, settled=False, result=lambda: result)
    cases.test_shuffled_labels.test_shuffled(case)


def result_of(train, recall, clips=None):
    """Of the first fold."""
    study = asked(recipe={"tail": 0.2, "epochs": 5}, train=[["one", "two_shuffled"]])
    spec = study.runs(tuple(train), 0)[0]
    result = made_result(spec, lambda test, *_: recall if corpus_of(test) == "two" else 0.3)
    if clips:
        result["corpora"]["two"]["tested"]["0"] = dict(zip(LABELS, clips, strict=True))
    return spec, result


def test_a_recall_that_luck_gives_holds_and_a_higher_one_does_not():
    most = 0.25 + 3 * scipy.stats.binom(2 * 4, 0.25).std() / 8  # eight guesses
    claimed(*result_of(["two_shuffled"], most - 0.001))
    with pytest.raises(AssertionError, match=r"two, fold 0: uACC 0\.71, luck gives 0\.71 at most"):
        claimed(*result_of(["two_shuffled"], most + 0.001))


def test_few_clips_allow_more_and_labels_without_clips_do_not_count():
    one_each = 0.5 + 3 * scipy.stats.binom(2, 0.5).std() / 2
    assert cases.test_shuffled_labels.allowed([1, 1]) == pytest.approx(one_each)
    claimed(*result_of(["two_shuffled"], 1.0, clips=[1, 0, 1, 0]))
    with pytest.raises(AssertionError, match="luck gives"):
        claimed(*result_of(["two_shuffled"], 1.0, clips=[9, 9, 9, 9]))


@pytest.mark.parametrize("train", [["two"], ["one", "two_shuffled"]])
def test_where_there_are_true_labels_nothing_is_claimed_of_the_test(train):
    claimed(*result_of(train, 1.0))


def test_an_invalid_run_does_not_hold():
    spec, result = result_of(["two_shuffled"], 0.25)
    result["training_clips"] += 1
    with pytest.raises(AssertionError, match="training clips"):
        claimed(spec, result)


def test_of_what_is_imported_no_loss_is_known_and_test_clips_are_judged(store):
    study = asked(model={"encoder": "imported:mine"})
    for case in studies.plan(study):
        put(store, made_result(case.spec, by_guessing, evaluations=1))
    row = row_of(study, store)
    assert row["loss_shuffled_runs"] == row["loss_true_runs"] == 0
    assert np.isnan([row["loss_shuffled"], row["loss_true"], row["remembered"]]).all()
    assert row["loss_guessing"] > 0
    assert row["uACC"] == 0.25
    assert table_of(study, store).rows[0][4:7] == ["--"] * 3
