"""Everything that is finished as one table: what the files say, in the documented columns."""

import dataclasses
import json
import lzma
import statistics
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from serkit.errors import ResultsUnreadable
from serkit.results import Store
from serkit.results_table import COLUMNS, load_all
from serkit.specs import METHOD
from tests.made_results import ALONE, RUN, made_result, put, value

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results" / "study")


def test_the_table_is_what_the_files_say():
    """The committed study, unpacked here on its own, value by value."""
    table = load_all(RESULTS / "open-small.bundle", "open-small")
    expected = []
    with zipfile.ZipFile(RESULTS / "open-small.bundle") as parts:
        lines = lzma.decompress(parts.read("results.jsonl.xz")).splitlines()
    for result in map(json.loads, lines):
        tail = result.get("history", [])[-2:]  # the last quarter of 5 evaluations, as the study says
        for test, folds in tail[-1]["tests"].items() if tail else ():
            for fold in folds:
                scores = {
                    metric: [at["tests"][test][fold][metric] for at in tail]
                    for metric in ("uACC", "wACC", "wF1")
                }
                means = {metric: statistics.fmean(of) for metric, of in scores.items()}
                stds = {f"{metric}_std": statistics.pstdev(of) for metric, of in scores.items()}
                expected.append({"key": result["key"], "test": test, "test_fold": int(fold), **means, **stds})
    by = ["key", "test", "test_fold"]
    ours = table.sort_values(by).reset_index(drop=True)
    theirs = pd.DataFrame(expected).sort_values(by).reset_index(drop=True)
    assert len(ours) == len(theirs) >= 1349  # each run on 5 or 1 folds of RAVDESS, nEMO and of EmoDB, twice
    for column in theirs:
        if column in by:
            assert (ours[column] == theirs[column]).all()
        else:
            np.testing.assert_allclose(ours[column], theirs[column], rtol=0, atol=1e-12)
    assert ours["key"].nunique() == theirs["key"].nunique() >= 138
    assert (ours["study"] == "open-small").all()
    assert set(ours["augment_percent"]) == {0, 50, 100}
    assert (ours["started"].between("2026-11-01", ours["finished"])).all()
    assert (ours["train_seconds"] + ours["evaluate_seconds"] <= ours["wall_seconds"] + 0.02).all()


def test_the_columns_and_their_types(store):
    bits = {"bf16": True, "threads": 2}
    environment = {"device_name": "A device", "packages": {"torch": "2.0"}, **bits}
    put(
        store,
        made_result(RUN, value, environment=environment, train_seconds=3.5),
        made_result(ALONE, value, copy="other", finished="2025-12-31T00:00:00+00:00"),
    )
    table = load_all(store.folder.parent)
    assert {name: str(kind) for name, kind in table.dtypes.items()} == COLUMNS
    assert list(table) == list(COLUMNS)
    one = table[["key", "test", "test_fold"]].itertuples(index=False, name=None)
    assert list(one) == [  # oldest run first; a corpus trained on shows its left-out fold, another all
        (made_result(ALONE, value, copy="other")["key"], "folded", 0),
        (made_result(ALONE, value, copy="other")["key"], "folded", 1),
        (made_result(ALONE, value, copy="other")["key"], "plain", 0),
        (made_result(ALONE, value, copy="other")["key"], "plain_scrambled", 0),
        (made_result(RUN, value)["key"], "folded", 1),
        (made_result(RUN, value)["key"], "plain", 0),
        (made_result(RUN, value)["key"], "plain_scrambled", 0),
    ]
    first, last = table.iloc[0], table.iloc[-1]
    assert (first["train"], last["train"]) == ("plain", "folded+plain_scrambled")
    assert (first["train_scrambled"], last["train_scrambled"]) == (False, True)
    assert pd.isna(first["fold"])
    assert (last["fold"], last["seed"], last["augment_percent"]) == (1, 3, 0)
    assert list(table["trained_on"]) == [False, False, True, True, True, True, True]
    assert list(table["test_scrambled"]) == [False, False, False, True, False, False, True]
    assert list(table["uACC"]) == [0.3, 0.4, 0.3, 0.3, 0.4, 0.3, 0.3]
    assert (table["wF1_std"] == 0).all()
    assert (first["pool_by"], last["pool_by"]) == ("own", "stretched")
    assert first["loudness_dbfs"] == -20
    assert pd.isna(last["loudness_dbfs"])
    assert (last["learning_rate"], last["batch_size"], last["epochs"], last["width"]) == (1e-3, 16, 12, 8)
    assert (first["train_fingerprint"], last["train_fingerprint"]) == ("other", "0+0")
    assert (last["bf16"], last["threads"]) == (True, 2)
    assert not first["bf16"]
    assert (last["device_name"], last["torch"]) == ("A device", "2.0")
    assert last["train_seconds"] == 3.5
    assert first["train_seconds"] == 30
    assert last["finished"] == pd.Timestamp("2026-01-01", tz="UTC")


def test_networks_and_recipes_are_told_apart(store):
    """A result that does not say, of before there was a choice, is shown at the value that all had then."""
    model = dataclasses.replace(RUN.model, outputs="per-corpus", dropout=0.5, encoder="logmel_statistics")
    recipe = dataclasses.replace(RUN.recipe, schedule="one-cycle")
    other = dataclasses.replace(RUN, model=model, recipe=recipe)
    put(store, made_result(RUN, value), made_result(other, value))
    table = load_all(store.folder.parent).set_index("key")
    assert not {"outputs", "dropout", "encoder"} & made_result(RUN, value)["spec"]["model"].keys()
    for run, values in ((RUN, ("cnn14", 1.0, "shared", "constant")), (other, ("logmel_statistics", 0.5))):
        row = table.loc[made_result(run, value)["key"]].iloc[0]
        expected = (*values, model.outputs, recipe.schedule)[:4]
        assert tuple(row[["encoder", "dropout", "outputs", "schedule"]]) == expected


def test_every_column_is_documented():
    section = (RESULTS / "README.md").read_text().split("## All results as one table\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    assert sorted(name.strip(" `") for cell in cells for name in cell.split(",")) == sorted(COLUMNS)


def test_all_studies_or_one_of_them(store):
    put(store, made_result(RUN, value))
    put(Store(store.folder.parent / "another"), made_result(RUN, value), made_result(ALONE, value))
    root = store.folder.parent
    assert load_all(root).groupby("study")["key"].nunique().to_dict() == {"another": 2, "study": 1}
    assert set(load_all(str(root), "study")["study"]) == {"study"}


def test_nothing_finished_is_an_empty_table_of_the_same_kind(store):
    store.start(RUN)
    table = load_all(store.folder.parent)
    assert len(table) == 0
    assert {name: str(kind) for name, kind in table.dtypes.items()} == COLUMNS


def test_runs_by_another_method_are_there_and_said(store):
    old = made_result(ALONE, value)
    old["spec"]["method"] = METHOD - 1
    put(store, made_result(RUN, value), old)
    with pytest.warns(UserWarning, match=f"1 of the runs in .* are by method {METHOD - 1}, this serkit's is"):
        table = load_all(store.folder.parent)
    assert table.groupby("key")["method"].first().to_dict() == {
        old["key"]: METHOD - 1,
        made_result(RUN, value)["key"]: METHOD,
    }


def test_no_results_there(tmp_path, store):
    with pytest.raises(ResultsUnreadable, match=f"no results folder {tmp_path / 'no'}"):
        load_all(tmp_path / "no")
    put(store, made_result(RUN, value))
    with pytest.raises(ResultsUnreadable, match=r"no results of study 'papr' in .*; of those there: study"):
        load_all(store.folder.parent, "papr")
