"""A finished run is never thrown away: saved late, or kept elsewhere and brought home."""

import tempfile
import threading
from pathlib import Path

import pandas as pd
import pytest

from serkit import keeping
from serkit.errors import ResultsUnreadable, ResultsUnwritable
from serkit.resultfile import TAIL
from serkit.results import Store
from tests.made_results import SPEC, made_result

RESULT = made_result(SPEC, lambda *_: 0.5, copy="0123")
RESULT["corpora"]["one"]["clips"]["test"] = {"angry": 0, "happy": 0, "neutral": 0, "sad": 1}
RESULT["history"][-1]["tests"]["one"]["1"]["wACC"] = 1.0  # as these say
CLIPS = pd.DataFrame({"corpus": ["one"], "path": ["a"], "fold": [1], "label": ["sad"]}).assign(
    speaker="s", angry=0.1, happy=0.2, neutral=0.3, sad=0.4, **dict.fromkeys(TAIL, 0.25)
)


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """A cache and a temporary folder of the test's own, and no patience."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr(keeping, "PATIENCE_S", 0.0)
    monkeypatch.setattr(keeping, "PAUSE_S", 0.001)


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "results" / "study")
    store.start(SPEC)
    return store


def gone(store):
    """The results folder is renamed away, and a file lies in its place."""
    store.folder.parent.rename(store.folder.parent.with_name("away"))
    store.folder.parent.write_text("")


def test_a_folder_that_is_gone_for_a_moment_is_waited_for(store, monkeypatch):
    monkeypatch.setattr(keeping, "PATIENCE_S", 20.0)
    away = store.folder.with_name("away")
    store.folder.rename(away)
    store.report(SPEC.key, {"iteration": 1})  # a line that nobody can read is no reason to stop
    store.report_reading("one", {"packed": 1, "of": 2})
    assert [path.name for path in store.folder.iterdir()] == [".reading"]
    (store.folder / ".reading" / "one.jsonl").unlink()
    (store.folder / ".reading").rmdir()
    timer = threading.Timer(0.2, away.rename, [store.folder])
    timer.start()
    store.save(SPEC, RESULT, CLIPS)
    timer.join()
    assert store.get(SPEC.key) == RESULT


def test_what_cannot_be_saved_is_kept_and_comes_home_in_the_next_session(store, tmp_path):
    gone(store)
    with pytest.raises(ResultsUnwritable) as caught:
        store.save(SPEC, RESULT, CLIPS)
    said = str(caught.value)
    kept = tmp_path / "cache" / "kept" / SPEC.key
    assert f"could not be saved to {store.run_folder(SPEC.key)} (Not a directory)" in said
    assert f"kept in {kept}" in said
    assert "SERKIT_RESULTS" in said
    later = Store(tmp_path / "elsewhere" / "study")
    with later.claim(SPEC.key):
        assert later.finished(SPEC.key, "scores") == RESULT
    assert later.table(SPEC.key, "scores").equals(CLIPS)
    assert not kept.exists()


def test_a_kept_run_that_cannot_come_home_is_not_trained_again(store):
    gone(store)
    with pytest.raises(ResultsUnwritable, match="kept in"):
        store.save(SPEC, RESULT, CLIPS)
    store.folder.parent.unlink()
    store.folder.mkdir(parents=True)
    store.run_folder(SPEC.key).write_text("a file, where a folder is needed")
    with pytest.raises(ResultsUnwritable, match=r"kept in .* cannot be moved to"), store.claim(SPEC.key):
        pytest.fail("it would be run again")


def test_a_newer_result_at_home_stands(store):
    gone(store)
    with pytest.raises(ResultsUnwritable):
        store.save(SPEC, RESULT, CLIPS)
    store.folder.parent.unlink()
    newer = made_result(SPEC, lambda *_: 0.6, copy="0123", finished="2027-01-01T00:00:00+00:00")
    store.start(SPEC)
    store.save(SPEC, newer, CLIPS)
    with store.claim(SPEC.key):
        assert store.get(SPEC.key) == newer


@pytest.mark.parametrize("whose", ["nobody's", "anybody's"])
def test_with_no_cache_it_is_kept_in_a_temporary_folder_that_is_ours_alone(store, tmp_path, whose):
    gone(store)
    (tmp_path / "cache").write_text("a file, where a folder is needed")
    ours = Path(tempfile.gettempdir()) / f"serkit-kept-{keeping.USER}"
    if whose == "anybody's":
        ours.mkdir()
        ours.chmod(0o777)
    with pytest.raises(ResultsUnwritable) as caught:
        store.save(SPEC, RESULT, CLIPS)
    if whose == "anybody's":
        assert "could be saved nowhere" in str(caught.value)
        assert "SERKIT_RESULTS and SERKIT_CACHE" in str(caught.value)
    else:
        assert f"kept in {ours / SPEC.key}" in str(caught.value)
        assert ours.stat().st_mode & 0o077 == 0


def test_scores_of_other_clips_than_the_result_says_are_damaged(store):
    store.save(SPEC, RESULT, CLIPS)
    assert store.table(SPEC.key, "scores").equals(CLIPS)
    store.save(SPEC, RESULT, pd.concat([CLIPS, CLIPS]))
    with pytest.raises(ResultsUnreadable, match=r"2 clips; its result\.json says 1"):
        store.table(SPEC.key, "scores")
    store.save(SPEC, RESULT, CLIPS.assign(sad="often"))
    with pytest.raises(ResultsUnreadable, match="column sad holds"):
        store.table(SPEC.key, "scores")
