"""One stored result: what is refused, how it is said, and the schema."""

import copy
import dataclasses
import functools
import json
import math
import os
import re
from pathlib import Path

import jsonschema
import pytest

from serkit import resultfile
from serkit.errors import ResultsUnreadable
from serkit.labels import LABELS, is_treatment
from serkit.resultfile import SCHEMA
from serkit.results import Store
from serkit.results_table import load_all
from tests.made_results import ALONE, RUN, made_result, put, value

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results" / "study")


# --- files that cannot be read ---


def without(*path):
    def damage(result):
        for key in path[:-1]:
            result = result[key]
        del result[path[-1]]

    return damage


def imported(result):
    """As if it were imported, of a spec that is trained."""
    result.update(initialisation="imported", affected=[])
    for at in result["history"]:
        at["loss"] = None


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
        (lambda result: result["history"][2].update(loss="low"), r"history\[2\].loss must be number"),
        (lambda result: result["history"][2].update(loss=None), "losses .* are known unless imported"),
        (lambda result: result.update(affected=[]), "augmentation are known unless imported"),
        (lambda result: result.update(initialisation="imported"), "are known unless imported"),
        (imported, "initialisation imported is not the spec's"),
        (without("history", 3, "tests", "plain"), r"history\[3\] has other tests"),
        (lambda result: result["tests"]["folded"]["folds"].update({"7": {}}), "folds"),
        (without("corpora", "folded", "split_by_clip"), "does not say how it is split"),
        (without("corpora", "plain", "clips", "train"), "clips are not those of test, train, validation"),
        (without("corpora", "folded"), "corpora are not those of the spec"),
        (lambda result: result["corpora"]["folded"].update(units=[[1]]), "units has no training 1"),
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
        store.finished(newer["key"], "scores")  # which leaves it where it is
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


# --- trainings that were thrown off ---


def run_with(losses, tail):
    return {"history": [{"loss": loss} for loss in losses], "tail_evaluations": tail}


@pytest.mark.parametrize(
    ("losses", "tail", "off"),
    [
        ([0.7, 0.6, 0.5], 2, False),
        ([1e18, 0.6, 0.5], 2, False),  # it came back
        ([0.7, 0.6, 1e18, 0.6], 3, False),  # once
        ([0.7, 0.6, 1e18, 1e18], 3, True),
        ([3.0], 1, True),
        ([2.2], 1, False),
        ([math.inf], 1, True),
        ([None], 1, False),  # imported: it is not known
    ],
)
def test_a_loss_far_above_that_of_guessing(losses, tail, off):
    assert resultfile.diverged(run_with(losses, tail)) is off


def test_measurements_learn_nothing_and_cannot_be_thrown_off():
    assert not resultfile.diverged({"spec": {"acoustics_method": 1}})


def test_the_loss_of_guessing_is_that_of_equal_scores():
    import torch

    from serkit.steps import bce_of_softmax

    loss = bce_of_softmax(torch.zeros(3, len(LABELS)), torch.tensor([0, 1, 3]))
    assert resultfile.GUESSING == pytest.approx(loss.item())


def test_no_evaluation_of_the_real_runs_is_near_the_limit():
    """Not even the first evaluations, small learning sets, shuffled labels and augmentation included."""
    losses = [at["loss"] for result in stored_results().values() for at in result.get("history", [])]
    assert len(losses) >= 610
    assert max(losses) < 0.55 * resultfile.FAR_ABOVE * resultfile.GUESSING


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
    return {result["key"]: result for result in Store(RESULTS / "open-small.bundle").results()[0]}


def stored(beginning):
    """A copy of a stored result."""
    return copy.deepcopy(next(of for key, of in stored_results().items() if key.startswith(beginning)))


def test_committed_results_fit_the_schema(validator):
    assert len(stored_results()) >= 144
    for key in [*sorted(stored_results())[:4], *sorted(stored_results())[4::40]]:
        validator.validate(stored_results()[key])


def test_keys_may_be_added(validator):
    result = stored("ravdess-aug0")
    result["new"] = result["environment"]["new"] = result["history"][0]["new"] = {"any": 1}
    validator.validate(result)


RUN_DAMAGE = [
    *(
        (without(key), key)
        for key in ("schema", "spec", "tests", "history", "probe", "environment", "affected", "finished")
    ),
    (without("spec", "recipe", "tail"), "tail"),
    (without("spec", "recipe", "evaluate_unseen"), "evaluate_unseen"),
    (without("corpora", "emodb", "units"), "units"),
    (without("corpora", "emodb", "tested"), "tested"),
    (without("environment", "bf16"), "bf16"),
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


def probed(**changes):
    """A stored result with a probe, and something else in it."""
    recalls = {"emodb": {"statistics": 0.5, "embedding": None}}
    probe = {
        "clips": {"emodb": 9},
        "speakers": {"emodb": 0},
        "corpus": {},
        "speaker": recalls,
        "label": recalls,
    }
    return stored("emodb-aug0") | {"probe": probe | changes}


def test_a_probe_fits_the_schema(validator):
    validator.validate(probed())


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"clips": {"emodb": 9.5}}, "not of type 'integer'"),
        ({"speakers": {"emodb": -1}}, "less than the minimum"),
        ({"corpus": {"emodb+ravdess": {"outputs": 1.01}}}, "greater than the maximum"),
        ({"speaker": {"emodb": 0.5}}, "not of type 'object'"),
        ({"label": {"emodb": {"embedding": "high"}}}, "not of type 'number', 'null'"),
    ],
)
def test_a_damaged_probe_does_not_fit(validator, changes, why):
    with pytest.raises(jsonschema.ValidationError, match=why):
        validator.validate(probed(**changes))


def test_a_probe_without_one_of_its_parts_does_not_fit(validator):
    for part in ("clips", "speakers", "corpus", "speaker", "label"):
        result = probed()
        del result["probe"][part]
        with pytest.raises(jsonschema.ValidationError, match=part):
            validator.validate(result)


@pytest.mark.parametrize(
    "treatment",
    [
        *("", "scrambled", "near", "far", "snha", "near1", "far99", "hasn50", "shuffled", "without-sad"),
        *(
            "swapped",
            "far0",
            "far100",
            "far050",
            "scrambled50",
            "shuffled3",
            "without-",
            "without-calm",
            "FAR",
        ),
    ],
)
def test_the_schema_knows_the_treatments(validator, treatment):
    """A name is a test of a run as it is one of a training set."""
    result = stored("emodb-aug0")
    result["spec"]["train"] = [name := f"emodb_{treatment}" if treatment else "emodb"]
    result["tests"][name] = result["tests"]["emodb"]
    assert validator.is_valid(result) == (not treatment or is_treatment(treatment))


def test_the_schema_has_the_number_of_the_code_and_the_documented_keys(validator):
    schema = validator.schema
    assert schema["properties"]["schema"] == {"const": SCHEMA}
    assert schema["$id"].endswith(f":{SCHEMA}")
    readme = (RESULTS / "README.md").read_text()
    for kind, section in {"run": "result.json", "measurement": "result.json of a measurement"}.items():
        table = readme.split(f"## {section}, schema {SCHEMA}\n")[1].split("\n## ")[0]
        first = "".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
        documented = {word.split(".")[0] for word in first.replace("`", " ").replace(",", " ").split()}
        required = {*schema["required"], *schema["$defs"][kind]["required"]}
        optional = {*schema["$defs"][kind]["properties"], "files"} - required
        assert required <= documented <= required | optional
