"""Results read before: the table is the same, whatever the index knows, and what changed is found."""

import os
import warnings

import pandas as pd
import pytest

from benchmark import study as studies
from benchmark.session.progress import DONE, Progress
from benchmark.session.status import status
from serkit import index
from serkit.index import Index
from serkit.results import Store
from serkit.results_table import load_all
from tests.made_results import ALONE, RUN, made_measurement, made_result, put, value

STUDY = studies.read("synthetic")
CASES = [case for case in studies.plan(STUDY) if case.spec.kind == "training"][:4]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own, where few results and new ones are worth an index."""
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(index, "WORTH", 1)
    monkeypatch.setattr(index, "SETTLED_S", -1.0)
    return tmp_path / "cache" / "results"


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "results" / "synthetic")
    put(store, *(made_result(case.spec, value) for case in CASES), made_result(RUN, value))
    return store


@pytest.fixture
def reads(monkeypatch):
    """The keys that were read from their files."""
    read: list[str] = []
    get = Store.get
    monkeypatch.setattr(Store, "get", lambda self, key: read.append(key) or get(self, key))
    return read


def told(store):
    """The table and what was warned of."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        table = load_all(store.folder.parent)
    return table, sorted(str(one.message) for one in said)


def same(store, monkeypatch, tmp_path):
    """That the index changes nothing of what is told now; gives it."""
    ours = told(store)
    with monkeypatch.context() as patch:
        patch.setenv("SERKIT_CACHE", str(tmp_path / "another"))
        patch.setattr(index, "WORTH", 1 << 30)
        theirs = told(store)
    pd.testing.assert_frame_equal(ours[0], theirs[0])
    assert ours[1] == theirs[1]
    return ours


def added(store):
    put(store, made_result(ALONE, value))


def changed(store):
    put(store, made_result(RUN, lambda *_: 0.25))


def damaged(store):
    path = store.folder / made_result(RUN, value)["key"] / "result.json"
    about, text = path.stat(), path.read_bytes()
    path.write_bytes(text.replace(b'"uACC"', b'"uAcc"'))
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))  # size, inode and time of writing are as before


def removed(store):
    (store.folder / made_result(RUN, value)["key"] / "result.json").unlink()


def unreadable(store):
    path = store.folder / made_result(RUN, value)["key"] / "result.json"
    path.unlink()
    path.mkdir()


def measured(store):
    made_measurement(
        store,
        next(case.spec for case in studies.plan(STUDY) if case.spec.kind == "measurement"),
        pd.DataFrame({"path": ["a"], "label": ["sad"], "speaker": ["1"], "reason": ["short"]}).assign(
            **dict.fromkeys(("p808_mos", "t60_s", "c50_db", "ovrl_mos", "sig_mos", "bak_mos"), float("nan"))
        ),
    )


@pytest.mark.parametrize("happens", [added, changed, damaged, removed, unreadable, measured])
def test_the_table_is_the_same_with_and_without(store, monkeypatch, tmp_path, reads, happens):
    before, _ = same(store, monkeypatch, tmp_path)
    reads.clear()
    happens(store)
    after, said = told(store)
    assert len(reads) <= 1 + (happens is removed)  # nothing else is read again
    pd.testing.assert_frame_equal(after, same(store, monkeypatch, tmp_path)[0])
    assert bool(said) == (happens in (damaged, unreadable))
    assert after.equals(before) == (happens is measured)


def test_what_did_not_change_is_not_read_again(store, cache, reads):
    told(store)
    assert len(reads) == len(CASES) + 1
    reads.clear()
    told(store)
    assert reads == []
    assert len(list(cache.iterdir())) == 1


def test_a_study_of_the_same_name_elsewhere_is_another(store, tmp_path):
    told(store)
    other = Store(tmp_path / "others" / "synthetic")
    put(other, made_result(RUN, lambda *_: 0.125))
    assert set(told(other)[0]["uACC"]) == {0.125}
    assert 0.125 not in set(told(store)[0]["uACC"])


@pytest.mark.parametrize("change", [b"", b"PAR1 no parquet PAR1", None])
def test_an_index_that_is_none_is_made_anew(store, cache, change, reads):
    before, _ = told(store)
    (path,) = cache.iterdir()
    if change is None:
        pd.DataFrame({"key": ["x"], "stamp": ["y"]}).to_parquet(path)
    else:
        path.write_bytes(change)
    after, _ = told(store)
    pd.testing.assert_frame_equal(before, after)
    reads.clear()
    told(store)
    assert reads == []


def test_where_nothing_can_be_kept_all_is_read(store, cache, reads):
    cache.parent.mkdir()
    cache.write_text("no folder")
    before, _ = told(store)
    pd.testing.assert_frame_equal(before, told(store)[0])
    assert len(reads) == 2 * (len(CASES) + 1)


def test_few_and_new_results_have_no_index(store, cache, monkeypatch):
    monkeypatch.setattr(index, "SETTLED_S", 60.0)
    told(store)
    monkeypatch.setattr(index, "SETTLED_S", -1.0)
    monkeypatch.setattr(index, "WORTH", 100)
    told(store)
    assert not cache.exists()


def plain(seen):
    return [state for state in seen if state.state == DONE]


def test_progress_is_the_same_with_and_without(store, monkeypatch, cache):
    first = Progress(STUDY, store)
    without = first.look()
    assert len(plain(without)) == len(CASES)
    monkeypatch.setattr("benchmark.session.progress.read", None)  # nothing is read
    second = Progress(STUDY, store)
    assert second.look() == without
    assert (second.unread, second.others) == ([], [])
    assert status(second, without) == status(first, without)
    assert len(told(store)[0])


def test_progress_finds_what_was_damaged_since(store):
    Progress(STUDY, store).look()
    path = store.folder / made_result(CASES[0].spec, value)["key"] / "result.json"
    path.write_bytes(path.read_bytes().replace(b'"uACC"', b'"uAcc"'))
    looking = Progress(STUDY, store)
    assert len(plain(looking.look())) == len(CASES) - 1
    (why,) = looking.unread
    assert str(path) in why


def test_what_progress_read_a_table_need_not_read(store, reads):
    Progress(STUDY, store).look()
    told(store)
    assert reads == []


def test_entries_are_packed_one_after_another(store, monkeypatch):
    monkeypatch.setattr(index, "CHUNK", 2)
    unread: list[str] = []
    table = Index(store).everything(unread)
    assert (table.num_rows, unread) == (len(CASES) + 1, [])
