"""Results as files: one table of everything, the schema, and what is said of files that cannot be read."""

import copy
import dataclasses
import functools
import json
import lzma
import os
import re
import statistics
import zipfile
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest

from serkit.errors import ResultsUnreadable
from serkit.resultfile import SCHEMA
from serkit.results import Store
from serkit.results_table import COLUMNS, load_all
from serkit.specs import METHOD, CorpusSpec, ModelSpec, Recipe, RunSpec
from tests.made_results import made_result, put

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"

FOLDED = CorpusSpec("folded", "synthetic", folds=2)
SWAPPED = (("angry", "happy"), ("happy", "angry"), ("neutral", "sad"), ("sad", "neutral"))
PLAIN = CorpusSpec("plain", "synthetic", scramble=SWAPPED)
RUN = RunSpec(
    train=("folded", "plain_scrambled"),
    corpora=(FOLDED, PLAIN),
    augment_percent=0,
    fold=1,
    seed=3,
    model=ModelSpec(width=8, weights=None),
    recipe=Recipe(learning_rate=1e-3, batch_size=16, epochs=12),
)
ALONE = dataclasses.replace(RUN, train=("plain",), fold=None, recipe=Recipe(pool_by="own", loudness_dbfs=-20))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results" / "study")


def value(test, fold, number):
    return {"uACC": 0.1 * fold + 0.3, "wACC": 0.5, "wF1": 0.6}


# --- the table ---


def test_the_table_is_what_the_files_say():
    """The committed study: its 125 runs, unpacked here on their own, value by value."""
    table = load_all(RESULTS, "ravdess-emodb")
    expected = []
    with zipfile.ZipFile(RESULTS / "ravdess-emodb.bundle") as parts:
        lines = lzma.decompress(parts.read("results.jsonl.xz")).splitlines()
    for result in map(json.loads, lines):
        tail = result.get("history", [])[-3:]  # the last quarter of 12 evaluations, as the study says
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
    assert len(ours) == len(theirs) == 775  # 125 runs, each on 5 or 1 folds of RAVDESS and of EmoDB, twice
    for column in theirs:
        if column in by:
            assert (ours[column] == theirs[column]).all()
        else:
            np.testing.assert_allclose(ours[column], theirs[column], rtol=0, atol=1e-12)
    assert ours["key"].nunique() == 125
    assert (ours["study"] == "ravdess-emodb").all()
    assert set(ours["augment_percent"]) == {0, 20, 50, 70, 100}
    assert ours["finished"].between("2026-11-01", "2026-12-01").all()
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
    assert pd.isna(first["bf16"])
    assert (last["device_name"], last["torch"]) == ("A device", "2.0")
    assert last["train_seconds"] == 3.5
    assert first["train_seconds"] == 30
    assert last["finished"] == pd.Timestamp("2026-01-01", tz="UTC")


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


# --- files that cannot be read ---


def test_no_results_there(tmp_path, store):
    with pytest.raises(ResultsUnreadable, match=f"no results folder {tmp_path / 'no'}"):
        load_all(tmp_path / "no")
    put(store, made_result(RUN, value))
    with pytest.raises(ResultsUnreadable, match=r"no results of study 'papr' in .*; of those there: study"):
        load_all(store.folder.parent, "papr")


def without(*path):
    def damage(result):
        for key in path[:-1]:
            result = result[key]
        del result[path[-1]]

    return damage


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda result: '{"schema": 1, "ke', "Expecting|Unterminated"),
        (lambda result: "[" * 100_000, "nested too deep"),
        (lambda result: "[]", "must be object"),
        (lambda result: '{"wall_seconds": NaN}', "nan is no number that can be|NaN is no"),
        (lambda result: json.dumps(result).replace("36.0", "1e400"), "1e400 is no number that can be"),
        (without("spec"), "'spec'"),
        (lambda result: result.update(spec=[1, 2]), "spec must be object"),
        (without("history"), "'history'"),
        (without("finished"), "'finished'"),
        (lambda result: result.update(finished=1.5), "finished must be string"),
        (lambda result: result.update(finished="2026-13-01T00:00:00+00:00"), "month must be in 1..12"),
        (without("key"), "'key'"),
        (lambda result: result.update(key="../../else-0123456789ab"), "its folder"),
        (without("tests"), "'tests'"),
        (without("spec", "recipe"), "'recipe'"),
        (lambda result: result["spec"]["recipe"].update(tail=0), "tail must be"),
        (lambda result: result["spec"]["model"].update(front_end="ears"), "ears"),
        (without("tests", "plain", "folds", "0", "wF1"), "'wF1'"),
        (lambda result: result["spec"].update(seed=None), "seed must be integer"),
        (
            lambda result: result["tests"]["plain"]["folds"]["0"]["wF1"].update(mean="0.5"),
            "mean must be number",
        ),
        (lambda result: result["history"][2].update(loss=None), r"history\[2\].loss must be number"),
        (without("history", 3, "tests", "plain"), r"history\[3\] has other tests"),
        (lambda result: result["tests"]["folded"]["folds"].update({"7": {}}), "folds"),
        (without("corpora", "folded", "split_by_clip"), "does not say how it is split"),
        (without("corpora", "plain", "clips", "train"), "clips are not those of test, train, validation"),
        (without("corpora", "folded"), "corpora are not those of the spec"),
        (lambda result: result["spec"].update(fingerprints=[["plain", "0"]]), "no fingerprint"),
        (
            lambda result: result["validation"].update(folded_scrambled=result["validation"]["folded"]),
            "valida",
        ),
        (lambda result: result.update(schema="one"), "schema must be"),
    ],
)
def test_a_damaged_file_is_named_and_the_rest_is_there(store, damage, why):
    good, bad = made_result(ALONE, value), made_result(RUN, value)
    put(store, good, bad)
    path = store.run_folder(bad["key"]) / "result.json"
    text = damage(bad)
    path.write_text(text if isinstance(text, str) else json.dumps(bad))
    with pytest.warns(UserWarning, match="1 stored file cannot be read, left out here:") as caught:
        table = load_all(store.folder.parent)
    said = str(caught[0].message)
    assert re.search(why, said), said
    assert f"{path} is damaged" in said
    assert f"delete {path.parent}" in said
    assert set(table["key"]) == {good["key"]}
    assert [result["key"] for _, result in store.all()] == [good["key"]]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_is_refused_at_once(store, make):
    put(store, made_result(ALONE, value))
    folder = store.run_folder(made_result(RUN, value)["key"])
    folder.mkdir()
    make(folder / "result.json")
    files, unread = store.results()
    assert len(files) == 1
    assert len(unread) == 1
    said = unread[0].partition(", expected a file; ")[0]
    assert said in {
        f"{folder / 'result.json'} is damaged: {what}" for what in ("a named pipe", "a folder", "a device")
    }


def test_a_newer_schema_asks_for_an_update(store):
    newer = made_result(RUN, value, schema=SCHEMA + 1)
    put(store, newer)
    why = f"schema {SCHEMA + 1}, written by a newer serkit.*update it"
    with pytest.raises(ResultsUnreadable, match=why):
        store.get(newer["key"])
    with pytest.raises(ResultsUnreadable, match=why):
        store.finished(newer["key"])  # which leaves it where it is
    with pytest.warns(UserWarning, match=why):
        assert load_all(store.folder.parent).empty
    assert list(store.all()) == []


def test_results_of_one_second_come_by_key(store):
    runs = [dataclasses.replace(RUN, seed=seed) for seed in range(6)]
    put(store, *(made_result(run, value) for run in runs))
    keys = [result["key"] for _, result in store.all()]
    assert keys == sorted(keys)
    assert len(keys) == 6


@pytest.mark.parametrize(("content", "why"), [(None, "missing beside its result.json"), (b"PAR1", "damaged")])
def test_a_table_that_is_not_there_is_named(store, content, why):
    put(store, made_result(RUN, value))
    key = made_result(RUN, value)["key"]
    path = store.run_folder(key) / "estimates.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ResultsUnreadable, match=why) as caught:
        store.table(key, "estimates")
    assert str(path) in str(caught.value)


# --- the schema ---

SCHEMA_FILE = ROOT / "serkit" / "result.schema.json"


@pytest.fixture(scope="module")
def validator():
    schema = json.loads(SCHEMA_FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    return jsonschema.Draft202012Validator(schema)


@functools.cache
def stored_results():
    return {result["key"]: result for result in Store(RESULTS / "ravdess-emodb").results()[0]}


def stored(beginning):
    """A copy of a stored result."""
    return copy.deepcopy(next(of for key, of in stored_results().items() if key.startswith(beginning)))


def test_committed_results_fit_the_schema(validator):
    assert len(stored_results()) == 125 + 4
    for key in [*sorted(stored_results())[:4], *sorted(stored_results())[4::40]]:
        validator.validate(stored_results()[key])


def test_keys_may_be_added(validator):
    result = stored("ravdess-aug0")
    result["new"] = result["environment"]["new"] = result["history"][0]["new"] = {"any": 1}
    validator.validate(result)


RUN_DAMAGE = [
    *(
        (without(key), key)
        for key in ("schema", "spec", "tests", "history", "environment", "affected", "finished")
    ),
    (without("spec", "recipe", "tail"), "tail"),
    (without("tests", "emodb", "folds"), "folds"),
    (without("tests", "emodb", "folds", "0", "uACC"), "uACC"),
    (lambda result: result.update(schema=SCHEMA + 1), "was expected"),
    (lambda result: result.update(key="a-word"), "does not match"),
    (lambda result: result.update(finished="yesterday"), "does not match"),
    (lambda result: result.update(history=[]), "non-empty|too short"),
    (lambda result: result["tests"]["emodb"]["wF1"].update(mean=61.0), "greater than the maximum"),
    (lambda result: result["spec"].update(augment_percent=0.2), "not of type 'integer'"),
    (lambda result: result["environment"].update(device="tpu"), "is not one of"),
    (lambda result: result["tests"].update(emodb_swapped=result["tests"]["emodb"]), "does not match"),
]


@pytest.mark.parametrize(("damage", "why"), RUN_DAMAGE)
def test_a_damaged_run_does_not_fit(validator, damage, why):
    result = stored("emodb-aug0")
    result["history"] = result["history"][:1]
    validator.validate(result)
    damage(result)
    with pytest.raises(jsonschema.ValidationError, match=why):
        validator.validate(result)


@pytest.mark.parametrize("key", ["reasons", "clips_before", "environment"])
def test_a_damaged_measurement_does_not_fit(validator, key):
    result = stored("acoustics")
    validator.validate(result)
    del result[key]
    with pytest.raises(jsonschema.ValidationError, match=key):
        validator.validate(result)


def test_the_schema_has_the_number_of_the_code_and_the_documented_keys(validator):
    schema = validator.schema
    assert schema["properties"]["schema"] == {"const": SCHEMA}
    assert schema["$id"].endswith(f":{SCHEMA}")
    readme = (RESULTS / "README.md").read_text()
    for kind, section in {"run": "result.json", "measurement": "result.json of a measurement"}.items():
        table = readme.split(f"## {section}, schema {SCHEMA}\n")[1].split("\n## ")[0]
        first = "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
        documented = {word.split(".")[0] for word in first.replace("`", " ").replace(",", " ").split()}
        assert documented == {*schema["required"], *schema["$defs"][kind]["required"]}
