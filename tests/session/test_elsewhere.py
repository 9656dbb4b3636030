"""Jobs told and answered as plain data: what travels, what is asked for once, what is said of failures."""

import json
import time
import warnings

import pytest

from benchmark import study as studies
from benchmark.session import elsewhere, work
from benchmark.session.elsewhere import Driver, JobFailed, answered, do
from benchmark.session.work import Place
from serkit import __version__, encoders
from serkit.errors import CorpusMissing, CorpusUnfit, ResultsUnwritable
from serkit.files import parse_json
from serkit.results import Store
from tests.made_checkout import TINY
from tests.made_results import made_result, put_clips, value

OPTIONS = {"gpus": False, "cores": 1, "return_results": False}


@pytest.fixture
def jobs(tmp_path):
    (tmp_path / "tiny.toml").write_text(TINY)
    return [case.spec for case in studies.plan(studies.read(str(tmp_path / "tiny.toml")))]


@pytest.fixture
def place(tmp_path):
    return Place(Store(tmp_path / "shared" / "tiny"), data=tmp_path, state_minutes=3.0)


class Node:
    """An engine whose node is this process; results are made up there, by the copy of corpora it has."""

    def __init__(self, monkeypatch, copy="0123"):
        self.told, self.copy, self.names = [], copy, set()
        monkeypatch.setattr(work, "do", self.do)
        monkeypatch.setattr(work, "key_of", lambda job, place: made_result(job, value, copy=self.copy)["key"])

    def send(self, name, text):
        self.told.append((name, json.loads(text)))
        assert name not in self.names, "each name once"
        self.names.add(name)
        return lambda: do(text)

    def do(self, job, place):
        result = made_result(job, value, copy=self.copy)
        if place.store.get(result["key"]) is None:
            put_clips(place.store, result)
        return result["key"]

    @property
    def asked(self):
        return [elsewhere.STORED if name.startswith(elsewhere.STORED) else name for name, _ in self.told]


def driver(place, node, **options):
    return Driver((OPTIONS | options).__getitem__, place, node.send)


def asked(place, node, *jobs, **options):
    """What waits for each of some jobs, which are asked for."""
    asking = driver(place, node, **options)
    waits = [asking.submit(job) for job in jobs]
    asking.begin()
    return waits[0] if len(jobs) == 1 else waits


def test_what_travels_is_plain_and_comes_out_as_it_was(jobs, place, monkeypatch):
    node, seen = Node(monkeypatch), []
    monkeypatch.setattr(work, "do", lambda job, there: seen.append((job, there)) or node.do(job, there))
    for job in jobs:
        asked(place, node, job)()
    assert [job for job, _ in seen] == jobs
    for _, there in seen:
        assert (there.store, there.data, there.state_minutes) == (place.store, place.data, 3.0)
        assert (there.device, there.worker) == ("cpu", elsewhere.HOST)
    for name, told in node.told:
        assert told["version"] == __version__
        assert told["beside"] == [str(folder) for folder in encoders.BESIDE]
        assert "/" not in name


def test_names_are_of_what_is_asked_for_and_all_differ(jobs):
    assert len({job.key for job in jobs}) == len(jobs)
    assert jobs[0].key == type(jobs[0])(**vars(jobs[0])).key


def test_what_is_stored_is_asked_about_once_and_not_done_again(jobs, place, monkeypatch):
    node = Node(monkeypatch)
    for job in jobs[:3]:
        node.do(job, place)
    waits = asked(place, node, *jobs)
    assert node.asked == [elsewhere.STORED, *[job.key for job in jobs[3:]]], "what is known comes first"
    keys = [wait() for wait in waits]
    assert len(node.asked) == 1 + len(jobs[3:])
    assert all(map(place.store.get, keys))


def test_a_result_of_another_copy_of_the_corpora_is_none(jobs, place, monkeypatch):
    node = Node(monkeypatch)
    old = node.do(jobs[0], place)
    node.copy = "4567"
    new = asked(place, node, jobs[0])()
    assert new != old
    assert node.asked == [elsewhere.STORED, jobs[0].key]


def test_a_damaged_result_is_done_again(jobs, place, monkeypatch):
    node = Node(monkeypatch)
    key = node.do(jobs[0], place)
    waiting = asked(place, node, jobs[0])
    path = place.store.run_folder(key) / "scores.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.warns(UserWarning, match="is damaged"):
        assert waiting() == key
    assert node.asked == [elsewhere.STORED, jobs[0].key]


def test_what_a_node_cannot_read_is_said_of_its_own_cases_alone(jobs, place, monkeypatch):
    node = Node(monkeypatch)
    for job in jobs:
        node.do(job, place)

    def key_of(job, there):
        if "folded" in job.train:
            raise CorpusMissing("FOLDED is not here")
        return made_result(job, value, copy=node.copy)["key"]

    def missing(job, there):
        raise CorpusMissing("FOLDED is not here")

    monkeypatch.setattr(work, "key_of", key_of)
    monkeypatch.setattr(work, "do", missing)
    for job, wait in zip(jobs, asked(place, node, *jobs), strict=True):
        if "folded" in job.train:
            with pytest.raises(CorpusMissing, match=f"FOLDED is not here .on {elsewhere.HOST}."):
                wait()
        else:
            assert wait()


def test_a_rerun_asks_about_nothing(jobs, place, monkeypatch):
    node = Node(monkeypatch)
    node.do(jobs[0], place)
    again = Place(**vars(place) | {"rerun": True})
    asked(again, node, jobs[0])()
    assert node.asked == [jobs[0].key]
    assert node.told[0][1]["place"]["rerun"] is True


@pytest.mark.parametrize("error", [CorpusUnfit("it cannot be used"), ZeroDivisionError("a bug")])
def test_any_other_error_says_what_and_where(jobs, place, monkeypatch, error):
    def failing(job, place):
        raise error

    node = Node(monkeypatch)
    monkeypatch.setattr(work, "do", failing)
    with pytest.raises(
        JobFailed, match=rf"(?s){type(error).__name__} on {elsewhere.HOST}: .*{error}"
    ) as caught:
        asked(place, node, jobs[0])()
    assert ("Traceback" in str(caught.value)) == isinstance(error, ZeroDivisionError)


def test_warnings_come_back(jobs, place, monkeypatch):
    node = Node(monkeypatch)

    def warning(job, there):
        warnings.warn("the pack is damaged", stacklevel=1)
        return node.do(job, there)

    monkeypatch.setattr(work, "do", warning)
    with pytest.warns(UserWarning, match=f"{elsewhere.HOST}: the pack is damaged"):
        asked(place, node, jobs[0])()


def test_another_serkit_and_a_missing_gpu_are_said(jobs, place, monkeypatch):
    node = Node(monkeypatch)
    monkeypatch.setattr(elsewhere.machine, "visible_gpus", list)
    with pytest.raises(JobFailed, match=r"SpecError on .*: a GPU was asked for \(--gpus\), and none is here"):
        asked(place, node, jobs[0], gpus=True)()
    monkeypatch.setattr(elsewhere, "__version__", "0.0.0")
    text = driver(place, node)._text([jobs[0]])
    monkeypatch.undo()
    with pytest.raises(JobFailed, match=f"serkit here is {__version__}, that of the session 0.0.0"):
        answered(do(text), 1)


def test_files_come_back_where_no_folder_is_shared(jobs, place, monkeypatch, tmp_path):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))
    node = Node(monkeypatch)
    key = asked(place, node, jobs[0], return_results=True)()
    (theirs,) = (tmp_path / "cache" / "returned").iterdir()
    mine = place.store.run_folder(key)
    assert {path.name: path.read_bytes() for path in mine.iterdir()} == {
        path.name: path.read_bytes() for path in (theirs / key).iterdir()
    }
    assert place.store.finished(key, "scores")


@pytest.mark.parametrize("name", ["../result.json", "/tmp/x", "..", ""])
def test_no_file_that_comes_back_leads_elsewhere(jobs, place, monkeypatch, name):
    from serkit.errors import ResultDamaged

    node = Node(monkeypatch)
    key = node.do(jobs[0], place)
    files = place.store.files(key)
    with pytest.raises(ResultDamaged, match="is no finished run"):
        place.store.take(key, files | {name: b"x"}, "scores")
    with pytest.raises(ResultDamaged, match="is no finished run"):
        place.store.take(key, {}, "scores")
    with pytest.raises(ResultDamaged, match="was damaged"), pytest.warns(UserWarning, match="is damaged"):
        place.store.take(key, files | {"scores.parquet": b"x"}, "scores")


@pytest.mark.parametrize("key", ["../../etc", "large-aug0", "other-aug0-0123456789ab", "/"])
def test_a_key_that_is_not_of_the_job_is_refused(jobs, place, monkeypatch, key):
    node = Node(monkeypatch)
    monkeypatch.setattr(work, "do", lambda job, there: key)
    with pytest.raises(Exception, match="is no key of large-aug0"):
        asked(place, node, next(job for job in jobs if job.label == "large-aug0"))()


def test_told_text_is_json_alone(jobs, place, monkeypatch):
    node = Node(monkeypatch)
    asked(place, node, jobs[0])()
    assert parse_json(json.dumps(node.told[0][1]).encode())


def test_a_result_that_no_folder_here_shows_is_said_and_waited_for_once(jobs, place, monkeypatch):
    """The node has another folder under the same path."""
    node = Node(monkeypatch)
    monkeypatch.setattr(work, "do", lambda job, there: made_result(job, value)["key"])
    monkeypatch.setattr(elsewhere, "SEEN_S", 0.3)
    waits = asked(place, node, *jobs[:3])
    began = time.monotonic()
    for wait in waits:
        with pytest.raises(JobFailed, match=r"is done on .*, and its result is not seen here; name a folder"):
            wait()
    assert time.monotonic() - began < 3


def test_what_cannot_be_written_to_is_said_before_anything_is_asked(jobs, place, monkeypatch):
    node = Node(monkeypatch)
    place.store.folder.parent.parent.mkdir(exist_ok=True)
    place.store.folder.parent.write_text("a file")
    with pytest.raises(ResultsUnwritable):
        asked(place, node, jobs[0])
    assert not node.told
