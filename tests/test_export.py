"""Exports for other tools: the columns they write and read, and that the numbers are those of the results."""

from pathlib import Path

import audformat
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.metrics import f1_score

from benchmark import cli, export
from benchmark import study as studies
from serkit.labels import LABELS
from serkit.results import COLUMNS, Store, load_all
from tests.made_results import made_result, put

RESULTS = Path(__file__).parent.parent / "results"
KEPT = "emodb-aug0-fold00", "ravdess+emodb_scrambled-aug50-fold02", "acoustics-emodb-raw"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Three folders of the committed study: two runs and a measurement."""
    folder = tmp_path_factory.mktemp("results") / "ravdess-emodb"
    folder.mkdir()
    for name in KEPT:
        (path,) = (RESULTS / "ravdess-emodb").glob(f"{name}-*")
        (folder / path.name).symlink_to(path)
    return Store(folder)


@pytest.fixture(scope="module")
def written(store, tmp_path_factory):
    """The three exports of it."""
    folder = tmp_path_factory.mktemp("export")
    for to in export.FORMATS:
        export.export(store, to, folder / to)
    return folder


def result_of(store, label):
    return next(result for _, result in store.files()[0] if result["label"] == label)


def test_nkululeko_gets_a_table_for_each_run_and_test(store, written):
    runs = [result for _, result in store.files()[0] if "tests" in result]
    expected = {
        f"{run['key']}/results/pred_emotion_{test}.csv"
        for run in runs
        for test in ("ravdess", "emodb", "emodb_scrambled")
    }
    found = {str(path.relative_to(written / "nkululeko")) for path in (written / "nkululeko").rglob("*.csv")}
    assert found == expected


@pytest.mark.parametrize("label", KEPT[:2])
@pytest.mark.parametrize("test", ["ravdess", "emodb", "emodb_scrambled"])
def test_nkululeko_predictions(store, written, label, test):
    """In audformat's layout, read by audformat; the metrics of the last evaluation come out again."""
    result = result_of(store, label)
    path = written / "nkululeko" / result["key"] / "results" / f"pred_emotion_{test}.csv"
    assert path.read_text().splitlines()[0] == (
        "file,start,end,angry,happy,neutral,sad,predicted,truth,uncertainty,correct"
    )
    table = audformat.utils.read_csv(path)
    assert audformat.index_type(table.index) == "segmented"
    assert (table.index.get_level_values("start") == pd.Timedelta(0)).all()
    assert table.index.get_level_values("end").isna().all()
    scores = store.table(result["key"], "scores").query(f"corpus == '{test.removesuffix('_scrambled')}'")
    assert table.index.get_level_values("file").tolist() == scores["path"].tolist()
    np.testing.assert_allclose(table[list(LABELS)], scores[list(LABELS)], rtol=1e-6)
    swapped = {"angry": "happy", "happy": "angry", "neutral": "sad", "sad": "neutral"}
    truth = scores["label"].replace(swapped) if test.endswith("_scrambled") else scores["label"]
    assert table["truth"].tolist() == truth.tolist()
    assert (table["correct"] == (table["truth"] == table["predicted"])).all()
    of_fold = result["history"][-1]["tests"][test]
    folds = scores["fold"].to_numpy()
    for fold, metrics in of_fold.items():
        here = table[folds == int(fold)]
        assert here["correct"].mean() == pytest.approx(metrics["wACC"])
        assert f1_score(here["truth"], here["predicted"], average="weighted") == pytest.approx(metrics["wF1"])


def test_uncertainty_is_nkululekos():
    """By hand: entropy of the softmax of the scores, from the table's smallest to that of equal classes."""
    clips = [("a.wav", 1.0, 0.0, 0.0, 0.0), ("b.wav", 0.25, 0.25, 0.25, 0.25), ("c.wav", 0.0, 0.0, 0.5, 0.5)]
    scores = pd.DataFrame(clips, columns=["path", *LABELS]).assign(label="sad")
    table = export.predictions(scores, {label: label for label in LABELS})

    def entropy(*weights):
        shares = np.exp(weights) / np.exp(weights).sum()
        return -(shares * np.log(shares)).sum()

    least, most = entropy(1, 0, 0, 0), np.log(4)
    middle = (entropy(0, 0, 0.5, 0.5) - least) / (most - least)
    np.testing.assert_allclose(table["uncertainty"], [0, 1, middle], atol=1e-12)


def test_autrainer_gets_the_metrics_of_each_iteration(store, written):
    result = result_of(store, KEPT[0])
    path = written / "autrainer" / "training" / result["key"] / "metrics.csv"
    table = pd.read_csv(path, index_col="iteration")  # as autrainer reads it
    assert list(table) == ["accuracy", "uar", "weighted_f1", "train_loss", "dev_loss"]
    assert table.index.tolist() == list(range(1, 13))
    history = result["history"]
    for ours, theirs in {"wACC": "accuracy", "uACC": "uar", "wF1": "weighted_f1"}.items():
        assert table[theirs].tolist() == pytest.approx([at["validation"]["emodb"][ours] for at in history])
    assert table["train_loss"].tolist() == pytest.approx([at["loss"] for at in history])
    assert table["dev_loss"].isna().all()


def test_autrainer_gets_the_mean_over_training_corpora(store, written):
    result = result_of(store, KEPT[1])
    table = pd.read_csv(written / "autrainer" / "training" / result["key"] / "metrics.csv")
    last = result["history"][-1]["validation"]
    assert table["uar"].iloc[-1] == pytest.approx(
        (last["ravdess"]["uACC"] + last["emodb_scrambled"]["uACC"]) / 2
    )


def test_autrainer_gets_a_summary_for_each_test(store, written):
    runs = [result for _, result in store.files()[0] if "tests" in result]
    summary = written / "autrainer" / "summary"
    assert sorted(path.name for path in summary.iterdir()) == [
        "config.csv",
        "emodb",
        "emodb_scrambled",
        "ravdess",
    ]
    for test in ("ravdess", "emodb_scrambled"):
        table = pd.read_csv(summary / test / "metrics.csv").set_index("run_name")
        assert table.index.tolist() == [run["key"] for run in runs]
        assert (table["best_iteration"] == 12).all()
        for run in runs:
            row, tail = table.loc[run["key"]], run["tests"][test]
            assert [row["test_accuracy"], row["test_uar"], row["test_weighted_f1"]] == pytest.approx(
                [tail["wACC"]["mean"], tail["uACC"]["mean"], tail["wF1"]["mean"]]
            )
    config = pd.read_csv(summary / "config.csv", keep_default_na=False).set_index("run_name")
    row = config.loc[result_of(store, KEPT[1])["key"]]
    assert row.to_dict() == {
        "dataset": "ravdess+emodb_scrambled",
        "model": "cnn14-width8-random",
        "optimizer": "Adam",
        "learning_rate": 0.001,
        "batch_size": 16,
        "training_type": "epoch",
        "iterations": 12,
        "scheduler": "None",
        "augmentation": "50%",
        "seed": 0,
        "fold": 2,
    }


def test_evaluations_within_an_epoch_are_steps(store):
    result = result_of(store, KEPT[0])
    for at in result["history"]:
        at["epoch"] /= 2
    assert export.iterations(result)["iteration"].tolist() == [at["iteration"] for at in result["history"]]


def test_csv_is_the_table_of_everything(store, written):
    table = pd.read_csv(written / "csv" / "runs.csv")
    assert list(table) == list(COLUMNS)
    expected = load_all(store.folder.parent)
    assert len(table) == len(expected) == 7 + 3  # EmoDB's run scores five folds of RAVDESS
    assert table["wF1"].tolist() == pytest.approx(expected["wF1"].tolist())


# --- the command ---


def called(*arguments):
    outcome = CliRunner().invoke(cli.main, ["export", *arguments])
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome


def test_the_command_writes_beside_the_results_unless_told(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "ravdess-emodb").symlink_to(store.folder)
    outcome = called("--study", "ravdess-emodb", "--to", "csv", "--results", "results")
    assert (outcome.exit_code, outcome.stdout) == (
        0,
        "2 runs for csv: 1 file in results/export/ravdess-emodb/csv\n",
    )
    assert len(load_all("results")) == 10  # what was exported is no study
    elsewhere = called(
        "--study", "ravdess-emodb", "--to", "autrainer", "--results", "results", "--output", "out"
    )
    assert elsewhere.exit_code == 0
    assert (tmp_path / "out" / "summary" / "config.csv").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--study", "open", "--to", "csv"],
            "ResultsUnreadable: no finished run in results/open; run the study",
        ),
        (["--study", "papr", "--to", "csv"], "SpecError: no study 'papr'"),
        (
            ["--study", "synthetic", "--to", "csv", "--output", "taken"],
            "ResultsUnwritable: taken/runs.csv cannot",
        ),
    ],
)
def test_what_cannot_be_exported(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SERKIT_RESULTS", raising=False)
    (tmp_path / "taken").write_text("a file, where a folder is needed")
    case = studies.plan(studies.read("synthetic"))[0]
    put(Store(tmp_path / "results" / "synthetic"), made_result(case.spec, lambda *_: 0.5))
    outcome = called(*arguments)
    assert (outcome.exit_code, outcome.stdout) == (1, "")
    assert outcome.stderr.startswith(message)
