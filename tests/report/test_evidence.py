"""The units of cells and what varies between them, of made results whose numbers are known."""

import numpy as np
import pandas as pd
import pytest

from benchmark import study as studies
from benchmark.report import cells, intervals
from benchmark.report.clipscores import DRAWS, RECALL, said
from benchmark.report.constants import constants
from benchmark.report.intervals import ALONE, FOLDS, SPEAKERS, Part
from serkit.labels import LABELS
from serkit.results import Store
from tests.made_results import made_clips, made_result, put, put_scores
from tests.made_studies import curves, flat

SWAP = {"neutral": "sad", "sad": "neutral", "happy": "angry", "angry": "happy"}
STUDY = {
    "title": "Three kinds of corpora",
    "rates_percent": [0, 50],
    "model": {"width": 4, "weights": ""},
    "recipe": {"tail": 0.4},  # of five evaluations the last two
    "corpora": {
        "split": {"reader": "crema_d", "scramble": SWAP},
        "folds": {"reader": "made", "folds": 4, "scramble": SWAP},
        "pairs": {"reader": "made", "folds": 6, "trainings": 3, "options": {"labels": "pairs"}},
    },
    "table1": {"train": [["split"], ["folds"], ["pairs"]]},
    "figure3": {"train": [["folds_scrambled"], ["split_scrambled"]], "test": ["folds_scrambled"]},
}


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "three")


def asked(**changes):
    return studies.from_toml(STUDY | changes, "three")


def evidence(study, store):
    return cells.Cells(study, cells.answers(study, store).results, store.table).evidence


def fill(study, store, train, wf1, rate=0):
    """Stores the runs of a condition: (run, test, fold) -> wF1 over the tail."""
    for run in study.runs(train, rate):
        put(store, made_result(run, lambda test, fold, number, run=run: wf1(run, test, fold)))


# --- units ---


def test_a_corpus_of_its_own_has_a_unit_a_fold_over_seeds_and_tail(store):
    study = asked(seeds=[0, 1])
    for run in study.runs(("folds",), 0):
        level = 0.1 * run.fold + 0.3 + 0.02 * run.seed
        put(store, made_result(run, curves(**{f"fold{run.fold}": [level - 0.01, level + 0.01]})))
    found = evidence(study, store).units(("folds",), "folds", 0)
    assert found.networks is None
    assert found.values == pytest.approx({0: 0.31, 1: 0.41, 2: 0.51, 3: 0.61})
    assert (found.around().n, found.around().of) == (4, FOLDS)


def test_folds_that_share_their_training_clips_are_one_unit(store):
    """Finding 2: the folds of three trainings were counted as six units, of which three are independent."""
    study = asked()
    fill(study, store, ("pairs",), lambda run, test, fold: 0.4 + 0.1 * fold)
    assert len(study.runs(("pairs",), 0)) == 3
    own = evidence(study, store).units(("pairs",), "pairs", 0)
    assert own.values == pytest.approx({0: 0.45, 1: 0.65, 2: 0.85})
    unseen = evidence(study, store).units(("pairs",), "folds", 0)
    assert unseen.networks.of.shape == (3, 4)
    fill(study, store, ("folds",), lambda run, test, fold: 0.4 + 0.1 * fold)
    transfer = evidence(study, store).units(("folds",), "pairs", 0)
    assert transfer.values == pytest.approx(own.values)
    assert transfer.networks.of.shape == (4, 3)
    assert transfer.around().n == own.around().n == 3


def test_networks_of_another_corpus_score_every_fold_and_are_not_corrected(store):
    """Finding 3: one network scores all folds, so the correction for overlap has no ground there."""
    study = asked(seeds=[0, 1])
    base = dict(enumerate([0.4, 0.5, 0.45, 0.6]))
    fill(study, store, ("split",), lambda run, test, fold: base.get(fold, 0.5) + 0.02 * run.seed)
    found = evidence(study, store).units(("split",), "folds", 0)
    assert found.networks.of == pytest.approx(np.array(list(base.values())) + np.array([[0], [0.02]]))
    assert not found.varied, "they differ by their seeds alone"
    parts = found.around().parts
    assert parts["tests"] == pytest.approx(np.std(list(base.values()), ddof=1) / 2)
    assert parts["training"] == pytest.approx(0.02 / np.sqrt(2) / np.sqrt(2))
    fill(study, store, ("pairs",), lambda run, test, fold: base.get(fold, 0.5) + 0.02 * run.fold)
    varied = evidence(study, store).units(("pairs",), "folds", 0)
    assert varied.varied
    assert varied.networks.of.shape == (6, 4)


def clips_for(study, run, right, **how):
    """Per-clip scores on all that a run is tested on; on `split` as many are right as is said."""
    tables = [made_clips("split", right, **how)]
    for corpus in study.corpora[1:]:
        tested = made_result(run, flat(0.5))["corpora"][corpus.name]["tested"]
        tables += [made_clips(corpus.name, 0.5, speakers=2, fold=int(fold)) for fold in tested]
    return tables


def put_split(study, store, run, right, **how):
    put_scores(store, made_result(run, flat(right)), pd.concat(clips_for(study, run, right, **how)))


def test_of_one_split_the_speakers_of_its_clips_are_resampled(store):
    study = asked(seeds=[0, 1])
    for run in study.runs(("split",), 0):
        put_split(study, store, run, 0.6, seed=run.seed)
    found = evidence(study, store).units(("split",), "split", 0)
    assert found.values == {0: 0.6}, "of the tail, not of the draws"
    assert found.networks.of.shape == (2, DRAWS)
    assert (found.around().n, found.around().of) == (20, SPEAKERS)
    assert found.around().parts["tests"] == pytest.approx(np.sqrt(0.6 * 0.4 / 160 / 2), rel=0.35)


def test_scores_under_permuted_labels_are_counted_under_what_was_learnt(store):
    study = asked(seeds=[0, 1])
    for run in study.runs(("split_scrambled",), 0):
        tables = clips_for(study, run, 1.0)
        swapped = tables[0].copy()
        # A network that learnt the swapped names says `happy` where the truth is `angry`.
        for columns in ([*LABELS], [f"{label}_tail" for label in LABELS]):
            swapped[columns] = tables[0][[columns[code] for code in run.codes("split_scrambled")]].to_numpy()
            put_scores(store, made_result(run, flat(1.0)), pd.concat([swapped, *tables[1:]]))
    units = evidence(study, store).units
    assert units(("split_scrambled",), "split_scrambled", 0).networks.of == pytest.approx(1.0)
    assert units(("split_scrambled",), "split", 0).networks.of == pytest.approx(0.0)


def test_two_networks_that_disagree_on_some_clips_of_one_split_have_not_moved(store):
    """Finding 3: a tenth of CREMA-D's clips said otherwise is .022 by chance, and .02 was the yardstick."""
    study = asked(seeds=[0, 1])
    for rate in (0, 50):
        for run in study.runs(("split",), rate):
            put_split(study, store, run, 0.6 + 0.025 * (rate > 0), speakers=91, seed=rate + run.seed)
    units = evidence(study, store).units
    change = intervals.difference(units(("split",), "split", 50), units(("split",), "split", 0))
    assert change.mean == pytest.approx(0.025)
    assert change.parts["tests"] > 0.005
    assert change.known
    assert not change.clear


def test_one_split_without_its_clips_has_no_interval(store):
    study = asked(seeds=[0, 1])
    fill(study, store, ("split",), lambda run, test, fold: 0.5 + 0.02 * run.seed)
    found = evidence(study, store).units(("split",), "split", 0).around()
    assert (found.mean, found.known, found.of) == (pytest.approx(0.51), False, ALONE)


# --- what is said of clips ---


def put_tested(study, store, run, right=0.5):
    """Clips of four labels on every fold that a run is tested on, each fold's by its own draw."""
    tables = []
    for corpus in study.corpora:
        for fold in made_result(run, flat(0.5))["corpora"][corpus.name]["tested"]:
            of = dict(speakers=4, clips=8, seed=100 * (run.fold or 0) + int(fold) + run.seed, fold=int(fold))
            tables.append(made_clips(corpus.name, right, **of))
    clips = pd.concat(tables, ignore_index=True)
    put_scores(store, made_result(run, flat(0.5)), clips)
    return clips


def recall(clips, label=None):
    """Mean recall of some clips, or that of one label, one by one."""
    called = np.array(LABELS)[clips[[f"{label}_tail" for label in LABELS]].to_numpy().argmax(axis=1)]
    right = called == clips["label"]
    return np.mean([right[clips["label"] == of].mean() for of in ([label] if label else LABELS)])


def test_what_is_said_has_the_units_of_a_cell(store):
    study = asked(seeds=[0, 1])
    clips = {run: put_tested(study, store, run) for run in study.runs(("folds",), 0)}
    found = evidence(study, store)
    here = found.said(("folds",), "folds", 0, RECALL)
    for fold in range(4):
        of_fold = [recall(of.query("corpus == 'folds'")) for run, of in clips.items() if run.fold == fold]
        assert here.values[fold] == pytest.approx(np.mean(of_fold))
    assert here.networks is None, "each fold has its own"
    away = found.said(("folds",), "pairs", 0, RECALL)
    of_pair = [
        [
            np.mean([recall(of[(of["corpus"] == "pairs") & (of["fold"] == fold)]) for fold in pair])
            for pair in ((0, 1), (2, 3), (4, 5))
        ]
        for of in clips.values()
    ]
    assert away.networks.of == pytest.approx(np.array(of_pair))
    assert list(away.values.values()) == pytest.approx(np.mean(of_pair, axis=0))
    assert away.varied
    split = found.said(("folds",), "split", 0, RECALL)
    assert split.values == {
        0: pytest.approx(np.mean([recall(of.query("corpus == 'split'")) for of in clips.values()]))
    }
    assert (split.networks.speakers, split.networks.of.shape) == (4, (8, DRAWS))


def test_of_a_fold_without_a_clip_of_a_label_nothing_is_said_of_it(store):
    study, angry = asked(), said(0, None, None, None)
    clips = {}
    for run in study.runs(("folds",), 0):
        of = put_tested(study, store, run)
        of = of[~(of["corpus"].isin(["folds", "pairs"]) & (of["fold"] == 2) & (of["label"] == "angry"))]
        put_scores(store, made_result(run, flat(0.5)), of)
        clips[run] = of
    found = evidence(study, store)
    here, away = (found.said(("folds",), corpus, 0, angry) for corpus in ("folds", "pairs"))
    assert sorted(here.values) == [0, 1, 3]
    assert here.values[1] == pytest.approx(
        *(recall(of.query("corpus == 'folds'"), "angry") for run, of in clips.items() if run.fold == 1)
    )
    assert sorted(away.values) == [0, 2], "folds 2 and 3 are a unit there"
    assert away.networks.of.shape == (4, 2)
    whole = found.said(("folds",), "pairs", 0, said(None, 1, None, None))
    mean = intervals.average([away, whole])
    assert (sorted(mean.values), mean.networks.of.shape) == ([0, 2], (4, 2))


def test_runs_whose_clips_cannot_be_read_say_nothing(store):
    study = asked()
    fill(study, store, ("folds",), lambda run, test, fold: 0.5)
    assert evidence(study, store).said(("folds",), "folds", 0, RECALL) is intervals.NO_UNITS
    clips = put_tested(study, store, study.runs(("folds",), 0)[3])
    found = evidence(study, store).said(("folds",), "folds", 0, RECALL)
    assert found.values == {3: pytest.approx(recall(clips.query("corpus == 'folds'")))}


# --- retraining noise ---


def test_retraining_noise_is_known_from_seeds(store):
    study = asked(seeds=[0, 1, 2])
    values = {0: (0.5, 0.52, 0.54), 1: (0.6, 0.6, 0.66), 2: (0.4, 0.4, 0.4), 3: (0.5, 0.45, 0.55)}
    fill(study, store, ("folds",), lambda run, test, fold: values.get(fold, [0.5] * 3)[run.seed])
    found = evidence(study, store).retraining(study.corpora[1], True, "wF1")
    assert found.freedom == 4 * 2
    assert found.variance == pytest.approx(np.mean([np.var(of, ddof=1) for of in values.values()]))
    assert evidence(study, store).retraining(study.corpora[1], False, "wF1") is None


def test_retraining_noise_is_known_from_the_relabelling_null(store):
    """Finding 1: one seed, and the same problem under other names is the second training."""
    study = asked()
    fill(study, store, ("folds",), lambda run, test, fold: 0.5 + 0.01 * fold)
    fill(study, store, ("folds_scrambled",), lambda run, test, fold: 0.5 - 0.01 * fold)
    found = evidence(study, store).retraining(study.corpora[1], True, "wF1")
    assert found.freedom == 4
    assert found.variance == pytest.approx(np.mean([(0.02 * fold) ** 2 / 2 for fold in range(4)]))
    null = evidence(study, store).null("folds_scrambled", 0)
    assert null.mean == pytest.approx(-0.03)
    assert (null.n, null.of) == (4, FOLDS)
    # On another corpus the two are other problems: nothing was trained twice.
    assert evidence(study, store).retraining(study.corpora[2], False, "wF1") is None


def test_retraining_noise_is_pooled_from_seeds_and_null(store):
    study = asked(seeds=[0, 1])
    fill(study, store, ("folds",), lambda run, test, fold: 0.5 + 0.01 * run.seed)
    fill(study, store, ("folds_scrambled",), lambda run, test, fold: 0.52 + 0.01 * run.seed)
    fill(study, store, ("folds",), lambda run, test, fold: 0.6 + 0.04 * run.seed, rate=50)
    found = evidence(study, store).retraining(study.corpora[1], True, "wF1")
    four, two = np.var([0.5, 0.51, 0.52, 0.53], ddof=1), np.var([0.6, 0.64], ddof=1)
    assert found.freedom == 4 * (3 + 1)
    assert found.variance == pytest.approx((3 * four + two) / 4)


def test_retraining_noise_is_not_assumed(store):
    study = asked()
    fill(study, store, ("folds",), lambda run, test, fold: 0.5 + 0.01 * fold)
    fill(study, store, ("folds",), lambda run, test, fold: 0.6 + 0.01 * fold, rate=50)
    for corpus in study.corpora:
        for own in (True, False):
            assert evidence(study, store).retraining(corpus, own, "wF1") is None
    alone = evidence(study, store).units(("split",), "folds", 0)
    assert not alone.values, "no run is done"
    assert evidence(study, store).units(("folds",), "pairs", 0).around().known, "four networks"


def test_one_network_on_many_folds_borrows_what_others_of_the_study_vary_by(store):
    study = asked(seeds=[0, 1])
    fill(study, store, ("pairs",), lambda run, test, fold: 0.5 + 0.04 * run.seed + 0.01 * fold)
    (first, _) = study.runs(("split",), 0)
    put(store, made_result(first, lambda test, fold, number: 0.4 + 0.02 * fold))
    found = evidence(study, store).units(("split",), "folds", 0)
    assert found.retraining == Part(pytest.approx(0.04**2 / 2), 3)
    assert found.around().parts["training"] == pytest.approx(0.04 / np.sqrt(2))


# --- what a change's variance between folds has in common ---


def test_what_changes_vary_by_is_common_unless_it_is_known_to_be_retraining_noise(store):
    study = asked()
    change, noise = np.array([0.1, -0.1, 0.15, 0.02]), np.array([0.03, -0.02, 0.01, 0.04])
    fill(study, store, ("folds",), lambda run, test, fold: 0.5)
    fill(study, store, ("folds",), lambda run, test, fold: 0.5 + change[fold % 4], rate=50)
    assert evidence(study, store).units(("folds",), "folds", 0).common == 1.0, "nothing is known"
    fill(study, store, ("folds_scrambled",), lambda run, test, fold: 0.5 + noise[fold % 4])
    known = np.mean(noise**2) / 2
    expected = 1 - 2 * known / np.var(change, ddof=1)  # of two networks a fold
    assert 0.9 < expected < 1
    assert evidence(study, store).units(("folds",), "folds", 50).common == pytest.approx(expected)
    fill(study, store, ("folds",), lambda run, test, fold: 0.5 + 0.1 * noise[fold % 4], rate=50)
    assert evidence(study, store).units(("folds",), "folds", 50).common == 0.0, "it is retraining noise alone"


# --- constants ---

VOTE = {"angry": 125, "happy": 45, "neutral": 585, "sad": 86}


def test_constants_are_of_each_fold_that_was_tested(store):
    study = asked()
    counts = [{**dict.fromkeys(LABELS, 0), LABELS[fold]: 9, "sad": 3 + fold} for fold in range(4)]
    for run in study.runs(("folds",), 0):
        result = made_result(run, flat(0.5))
        result["corpora"]["folds"]["tested"] = {str(run.fold): counts[run.fold]}
        put(store, result)
    found = evidence(study, store).constants("folds_scrambled")
    assert found == constants(counts)
    assert found.label == "sad"
    assert found.always["wACC"] == pytest.approx(np.mean([of["sad"] / sum(of.values()) for of in counts]))


def test_constants_are_of_whatever_corpus_was_tested(store):
    study = asked()
    for run in [*study.runs(("folds",), 0), *study.runs(("split",), 0)]:
        result = made_result(run, flat(0.5))
        result["corpora"]["split"]["tested"] = {"0": VOTE}
        put(store, result)
    found = evidence(study, store)
    assert found.constants("split").best["wF1"] == pytest.approx(0.570, abs=0.001)
    assert found.constants("folds").best == pytest.approx(dict.fromkeys(("uACC", "wACC", "wF1"), 0.25))
    assert found.learnt(("folds",), "folds", 0).guessing == 0.25


def test_before_anything_is_done_there_are_no_constants(store):
    assert np.isnan(evidence(asked(), store).constants("split").best["wF1"])


# --- whether anything was learnt ---


def test_what_is_learnt_is_told_by_the_interval_of_its_recall(store):
    study = asked()
    assert evidence(study, store).learnt(("folds",), "folds", 0) is None
    fill(study, store, ("folds",), lambda run, test, fold: 0.27 + 0.02 * (fold % 2))
    found = evidence(study, store).learnt(("folds",), "folds", 0)
    assert found.recall.low > found.guessing == 0.25
    assert found.shown
    fill(study, store, ("pairs",), lambda run, test, fold: (0.4, 0.2, 0.3)[fold // 2])
    found = evidence(study, store).learnt(("pairs",), "pairs", 0)
    assert not found.shown
    assert (
        str(found) == f"uACC 0.30 [{max(found.recall.low, 0):.2f}, {found.recall.high:.2f}], 0.25 by guessing"
    )


@pytest.mark.parametrize(("recall", "shown"), [(0.41, False), (0.44, True)])
def test_without_an_interval_it_is_told_by_what_guesses_have_on_so_many_clips(store, recall, shown):
    """24 clips: guesses have .25 with a deviation of .088."""
    study = asked()
    fill(study, store, ("split",), lambda run, test, fold: recall)
    found = evidence(study, store).learnt(("split",), "split", 0)
    assert not found.recall.known
    assert np.sqrt(0.25 * 0.75 / 24) == pytest.approx(0.088, abs=0.001)
    assert found.shown == shown
    assert str(found) == f"uACC {recall:.2f}, 0.25 by guessing"


def test_of_one_split_what_is_said_varies_as_under_other_names(store):
    """In the words of what was taught: the permuted network's `happy` is the other's `angry`."""
    study, clips = asked(), {}
    for train in (("split",), ("split_scrambled",)):
        (run,) = study.runs(train, 0)
        tables = clips_for(study, run, 0.7, speakers=12, seed=len(clips))
        clips[train] = tables[0].copy()
        if train == ("split_scrambled",):
            for columns in ([*LABELS], [f"{label}_tail" for label in LABELS]):
                order = [columns[code] for code in run.codes("split_scrambled")]
                tables[0][columns] = clips[train][order].to_numpy()
        put_scores(store, made_result(run, flat(0.7)), pd.concat(tables))
    apart = np.var([recall(of) for of in clips.values()], ddof=1)
    found = evidence(study, store)
    taught = said(*(LABELS.index(SWAP[label]) for label in LABELS))
    for train, right in ((("split",), RECALL), (("split_scrambled",), taught)):
        here = found.said(train, "split", 0, right)
        assert here.mean == pytest.approx(recall(clips[train]))
        assert here.retraining.freedom == 1
        assert here.retraining.variance + here.retraining.off == pytest.approx(apart, rel=0.5, abs=1e-4)
        assert here.around().known
    wrong = found.said(("split_scrambled",), "split", 0, RECALL)
    assert wrong.mean < 0.2, "by the true labels"
    assert found.said(("folds",), "split", 0, RECALL) is intervals.NO_UNITS


def test_of_one_split_without_a_null_or_a_seed_what_is_said_has_no_interval(store):
    study = asked()
    (run,) = study.runs(("split",), 0)
    put_split(study, store, run, 0.6)
    found = evidence(study, store).said(("split",), "split", 0, RECALL)
    assert found.retraining is None
    assert not found.around().known


def test_what_renamed_networks_say_of_another_corpus_is_renamed_back(store):
    """One corpus alone under other names: elsewhere its networks differ from others by training alone."""
    alone = {"table1": {"train": [["folds"]]}}
    alone["figure3"] = {"train": [["folds_scrambled"]], "test": ["folds_scrambled"]}
    study, of_fold = asked(**alone), {}
    for train in (("folds",), ("folds_scrambled",)):
        for run in study.runs(train, 0):
            tables = clips_for(study, run, 0.7, speakers=12, seed=10 * run.fold + len(of_fold))
            of_fold.setdefault(run.fold, []).append(recall(tables[0]))
            if train == ("folds_scrambled",):
                before = tables[0].copy()
                for columns in ([*LABELS], [f"{label}_tail" for label in LABELS]):
                    order = [columns[LABELS.index(SWAP[label])] for label in LABELS]
                    tables[0][columns] = before[order].to_numpy()
            put_scores(store, made_result(run, flat(0.1)), pd.concat(tables))
    split = study.corpora[0]
    found = evidence(study, store).retraining(split, False, "uACC")
    assert found.freedom == 4
    assert found.variance + found.off == pytest.approx(
        np.mean([np.var(of, ddof=1) for of in of_fold.values()]), rel=0.5
    )
    without = cells.Cells(study, cells.answers(study, store).results).evidence
    assert without.retraining(split, False, "uACC") is None, "without their clips they are not known"
