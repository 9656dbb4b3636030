"""One measurement from spec to result, on a synthetic corpus: what it saves, keeps and reuses."""

import json

import pandas as pd
import pytest

from serkit.acoustics import meter, quality
from serkit.errors import CorpusMissing, ExtraMissing
from serkit.job import Place, load
from serkit.labels import LABELS
from serkit.measure import measure
from serkit.results import Store
from serkit.specs import AcousticsSpec, CorpusSpec, from_json
from tests.made_runs import FOLDED, documented, forget


@pytest.fixture(scope="module", autouse=True)
def _cache(synthetic_cache):
    """The session's cache; and nothing that another file's tests have read."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERKIT_CACHE", str(synthetic_cache))
        forget(patch)
        yield


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "results")


MEASURED = AcousticsSpec(FOLDED, clips=7, p835_clips=1)


@pytest.fixture(scope="module")
def measured(tmp_path_factory, judged_once, one_thread):
    """A store in which MEASURED was measured, in parts of three clips, and what `measure` handed back."""
    store = Store(tmp_path_factory.mktemp("results"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meter, "PART_CLIPS", 3)
        patch.setattr("serkit.results.ATTEMPT", ())  # what was said meanwhile stays
        yield store, measure(MEASURED, Place(store))


class Metered(Exception):
    """Stands for a kill."""


@pytest.fixture
def metered(monkeypatch, judged_once, one_thread):
    """Notes what is measured, in parts of three; dies before the part whose number is in `fatal`."""
    seen: list[list[int]] = []
    fatal: list[int] = []
    original = meter.Meter.measure

    def noted(self, positions):
        if positions[0] // 3 in fatal:
            raise Metered
        seen.append(positions.tolist())
        return original(self, positions)

    monkeypatch.setattr(meter, "PART_CLIPS", 3)
    monkeypatch.setattr(meter.Meter, "measure", noted)
    return seen, fatal


def test_a_measurement_says_what_was_measured(measured):
    store, result = measured
    assert store.get(result["key"]) == json.loads(json.dumps(result))
    assert set(result) == documented("result.json of a measurement, schema 1")
    spec = from_json(result["spec"])
    assert spec.plan() == MEASURED
    assert [name for name, _ in spec.estimators] == ["dnsmos", "roomnet"]
    (name, fingerprint), *_ = spec.fingerprints
    about = result["corpora"]["folded"]
    assert (name, fingerprint) == ("folded", about["fingerprint"])
    assert sum(about["clips"]["measured"].values()) == 7
    assert about["clips"]["all"] == dict.fromkeys(LABELS, 18)
    assert result["reasons"] == {"": 7}
    assert {"onnxruntime", "speechmos", "torch"} <= set(result["environment"]["packages"])
    assert result["clips_before"] == 0


def test_estimates_are_of_the_chosen_clips(measured):
    store, result = measured
    estimates = store.table(result["key"], "estimates")
    corpus = load(FOLDED, meter.RATE_HZ, Place(store)).corpus.clips
    chosen = corpus.iloc[meter.choose(len(corpus), 7, 0)]
    for column in ("path", "label", "speaker"):
        assert estimates[column].tolist() == chosen[column].tolist()
    assert list(estimates.columns[3:]) == ["reason", *meter.ESTIMATES]
    assert estimates["ovrl_mos"].notna().sum() == 1


def test_progress_says_how_long_it_takes_and_parts_are_swept(measured):
    store, result = measured
    folder = store.run_folder(result["key"])
    who, *said = [json.loads(line) for line in (folder / "progress.jsonl").read_text().splitlines()]
    assert (who["device"], who["worker"]) == ("cpu", "")
    assert [(event["measured"], event["of"]) for event in said] == [(3, 7), (6, 7), (7, 7)]
    assert said[0]["seconds_left"] > 0
    assert said[-1]["seconds_left"] == 0
    assert not list(folder.glob("part-*"))


def test_a_measurement_that_is_done_is_not_made_again(measured, metered):
    store, result = measured
    seen, _ = metered
    assert measure(MEASURED, Place(store)) == json.loads(json.dumps(result))
    assert seen == []


def test_a_measurement_goes_on_where_it_was_killed(measured, metered, store):
    """And finds the same."""
    done, result = measured
    seen, fatal = metered
    fatal.append(1)
    with pytest.raises(Metered):
        measure(MEASURED, Place(store))
    assert store.get(result["key"]) is None
    fatal.clear()
    again = measure(MEASURED, Place(store))
    assert seen == [[0, 1, 2], [3, 4, 5], [6]]
    assert again["clips_before"] == 3
    pd.testing.assert_frame_equal(
        store.table(again["key"], "estimates"), done.table(result["key"], "estimates")
    )


def test_a_measurement_made_again_begins_at_the_beginning(metered, store):
    seen, fatal = metered
    fatal.append(1)
    for _ in range(2):
        with pytest.raises(Metered):
            measure(MEASURED, Place(store, rerun=True))
    fatal.clear()
    measure(MEASURED, Place(store, rerun=True))
    assert seen == [[0, 1, 2], [0, 1, 2], [0, 1, 2], [3, 4, 5], [6]]


def test_other_estimators_are_another_key(measured, metered, store, monkeypatch):
    _, result = measured
    monkeypatch.setattr(quality, "digest", lambda: "another")
    assert measure(MEASURED, Place(store))["key"] != result["key"]


def test_a_measurement_of_a_missing_corpus(store, tmp_path):
    with pytest.raises(CorpusMissing):
        measure(AcousticsSpec(CorpusSpec("emodb", "emodb", folds=5)), Place(store, tmp_path))


def test_a_missing_extra_is_said_before_anything_is_decoded(store, monkeypatch):
    def missing():
        raise ExtraMissing("speechmos", "acoustics")

    forget(monkeypatch)
    monkeypatch.setattr(quality, "digest", missing)
    monkeypatch.setattr("serkit.measure.load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ExtraMissing, match=r"pip install 'serkit\[acoustics\]'"):
        measure(MEASURED, Place(store))
