"""What is left over: exactly what is listed goes, and nothing that counts, is held, or lies elsewhere."""

import json
import os
import shutil
import threading
import time

import filelock
import numpy as np
import pytest
from click.testing import CliRunner

from benchmark import clean, cli
from serkit import leftovers, packs
from serkit.corpora.reading.folder import made_once
from serkit.leftovers import in_cache, in_results, remove, sweep_locks
from serkit.results import Store
from tests.made_packs import RATE_HZ, WAVES, corpus_of
from tests.made_results import SPEC, made_result, put

RESULT = made_result(SPEC, lambda *_: 0.5, copy="0123")
KEY = SPEC.key
UNDONE = "two-aug0-0123456789ab"
HASH = "0123456789abcdef"
OLD, OLDER = 2, 40
"""Days: of what nobody works on any more, and of what nobody uses."""


def aged(path, days=OLD):
    """As if it had been written so long ago, with all that is in it."""
    for each in (*path.rglob("*"), path):
        os.utime(each, (time.time() - days * 86_400,) * 2, follow_symlinks=False)
    return path


def written(path, content="x"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def tree(*roots):
    return {path for root in roots for path in root.rglob("*")}


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A results folder with a study: a run that is done, one that is not, a model, a report, a bundle."""
    root = tmp_path / "results"
    monkeypatch.setenv("SERKIT_RESULTS", str(root))
    store = Store(root / "study")
    put(store, RESULT)
    for name in ("scores.parquet", "embeddings.npy", "model.pt"):
        written(store.run_folder(KEY) / name)
    for name in ("spec.json", "progress.jsonl", "state.pt", "part-00000.parquet"):
        written(store.run_folder(UNDONE) / name)
    for name in ("report.md", ".locks/report.lock", f".locks/{UNDONE}.lock", "encoders/A/report.md"):
        written(store.folder / name)
    written(root / "study.bundle")
    written(root / "notes" / "chapter.draft")  # no study's
    aged(root)
    return root


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache with what is used, and what serkit did not make."""
    root = tmp_path / "cache"
    monkeypatch.setenv("SERKIT_CACHE", str(root))
    for name in (f"packed/emodb-16000-{HASH}/pack.json", f"synthetic-{HASH[:12]}/labels.csv"):
        written(root / name, "{}")
    written(root / f"packed/emodb-16000-{HASH}.lock")
    for name in ("vega-0123.js", "libraries/x.draft", "kept/notes/a", "packed/mine/a", "embedded/mine.draft"):
        written(root / name)
    aged(root)
    return root


def found(results, cache, days=30):
    return [*in_results(results, days), *in_cache(cache, results, days)]


def command(*arguments):
    outcome = CliRunner().invoke(cli.main, ["clean", *arguments])
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome


def test_what_counts_or_is_not_serkits_is_never_listed(results, cache):
    aged(results, 4000)
    assert found(results, cache) == []
    said = command().stdout
    assert said.splitlines() == ["Nothing in the results", "Nothing in the cache"]


LEFT = {
    "study/.probe-123": leftovers.PROBES,
    "study/report.md.draft": leftovers.DRAFTS,
    "study/encoders/A/table1.md.draft": leftovers.DRAFTS,
    "study.bundle.draft": leftovers.DRAFTS,
    f"study/{KEY}/scores.parquet.draft": leftovers.DRAFTS,
    f"study/{UNDONE}/state.pt.draft": leftovers.DRAFTS,
    f"study/{UNDONE}/spec.json.node-7.draft": leftovers.DRAFTS,
    f"study/{KEY}/state.pt": leftovers.STATES,
    f"study/{KEY}/damaged-123.json": leftovers.SET_ASIDE,
    f"study/.locks/{KEY}.lock": leftovers.LOCKS,
}
LEFT_IN_CACHE = {
    f"packed/ravdess-16000-{HASH}.draft/samples.i16": leftovers.DRAFTS,
    f"embedded/{HASH * 2}.draft/embeddings.npy": leftovers.DRAFTS,
    f"unpacked/{HASH}.draft/a.wav": leftovers.DRAFTS,
    f"synthetic-{HASH[4:]}.draft/a.wav": leftovers.DRAFTS,
    f"embedded/{HASH * 2}.state.draft": leftovers.DRAFTS,
    f"embedded/{HASH[::-1] * 2}.state.node-7.draft": leftovers.DRAFTS,
    f"packed/corpus.of.mine-16000-{HASH}.node-7.draft/samples.i16": leftovers.DRAFTS,
    f"kept/{KEY}/scores.parquet": leftovers.DRAFTS,
    f"packed/ravdess-16000-{HASH}.lock": leftovers.LOCKS,
}
ALL = [*(("results", *of) for of in LEFT.items()), *(("cache", *of) for of in LEFT_IN_CACHE.items())]


def listed_of(where, name, results, cache):
    """The path that is listed where a file lies: its folder in the cache, but for locks."""
    path = (results if where == "results" else cache) / name
    return path if where == "results" or path.parent.name in leftovers.MADE else path.parent


@pytest.mark.parametrize(("where", "name", "why"), ALL)
def test_what_is_listed_is_removed_and_nothing_else(results, cache, where, name, why):
    path = listed_of(where, name, results, cache)
    written((results if where == "results" else cache) / name)
    assert found(results, cache) == [], "somebody may be at it"
    aged(path)
    before = tree(results, cache)
    (left,) = found(results, cache)
    assert (left.path, left.why, left.bytes > 0) == (path, why, True)
    assert left.seconds / 86_400 == pytest.approx(OLD, abs=0.1)
    said = command().stdout
    assert f"{why}: 1, 0.0 MB" in said
    assert "2 days" in said
    assert "nothing was removed: --remove removes it" in said
    assert tree(results, cache) == before
    said = command("--remove").stdout
    assert said.splitlines()[-1].endswith("; removed")
    assert before - tree(results, cache) == {path, *(at for at in before if path in at.parents)}
    assert found(results, cache) == []


HELD = [
    ("results", f"study/{KEY}/state.pt", f"study/.locks/{KEY}.lock"),
    ("results", f"study/{UNDONE}/state.pt.draft", f"study/.locks/{UNDONE}.lock"),
    ("results", f"study/.locks/{KEY}.lock", f"study/.locks/{KEY}.lock"),
    ("cache", f"packed/ravdess-16000-{HASH}.draft/samples.i16", f"packed/ravdess-16000-{HASH}.lock"),
]


@pytest.mark.parametrize(("where", "name", "lock"), HELD)
def test_what_a_process_holds_stays(results, cache, where, name, lock):
    root = results if where == "results" else cache
    written(root / name)
    written(root / lock)
    path = aged(listed_of(where, name, results, cache))
    aged(root / lock)
    left = next(of for of in found(results, cache) if of.path == path)
    with filelock.FileLock(root / lock):
        assert path not in [of.path for of in found(results, cache)]
        assert remove(left) == "a process holds it now"
        assert path.exists()
    assert remove(left) == ""
    assert not path.exists()


# --- packs, and what is made of them ---


@pytest.fixture
def corpus(tmp_path, cache):
    shutil.rmtree(cache)
    return corpus_of(tmp_path / "corpus")


def packed(cache):
    return {path for path in (cache / "packed").iterdir() if path.is_dir()}


def test_a_pack_says_where_its_corpus_lies_and_is_dated_by_its_use(corpus, cache):
    packs.pack(corpus, RATE_HZ)
    (folder,) = packed(cache)
    origin = {"corpus": "fake", "folder": str(corpus.folder)}
    assert json.loads((folder / "origin.json").read_text()) == origin
    aged(folder, OLDER)
    (folder / "origin.json").write_text("[" * 100_000)  # nothing relies on it
    aged(folder, OLDER)
    before = folder.stat().st_mtime
    packs.pack(corpus, RATE_HZ)
    assert folder.stat().st_mtime > before


def test_packs_whose_corpus_is_gone_or_changed_or_that_nobody_uses(corpus, cache, results, tmp_path):
    packs.pack(corpus, RATE_HZ)
    (first,) = packed(cache)
    aged(cache, OLD)
    assert found(results, cache) == []
    assert [of.why for of in found(results, cache, days=1)] == ["Not used for 1 days", leftovers.LOCKS]
    corpus_of(corpus.folder, WAVES[::-1])  # changed in place
    packs.pack(corpus, RATE_HZ)
    (second,) = packed(cache) - {first}
    whys = {of.path: of.why for of in found(results, cache)}
    assert whys == {first: leftovers.BEFORE, first.with_name(f"{first.name}.lock"): leftovers.LOCKS}
    shutil.rmtree(corpus.folder)
    assert {of.why for of in found(results, cache) if of.path == first} == {leftovers.GONE}
    aged(cache, OLD)
    assert {of.path for of in found(results, cache) if of.why == leftovers.GONE} == {first, second}
    assert command("--remove").exit_code == 0
    assert list((cache / "packed").iterdir()) == []


def test_a_pack_that_says_nothing_of_its_corpus_goes_by_its_age(corpus, cache, results):
    packs.pack(corpus, RATE_HZ)
    shutil.rmtree(corpus.folder)
    (folder,) = packed(cache)
    for origin in ("", "[]", '{"folder": 3}', '{"folder": "relative"}', '{"folder": "/\\u0000"}', "{"):
        (folder / "origin.json").write_text(origin)
        aged(cache, OLD)
        assert [of for of in found(results, cache) if of.path == folder and of.why != leftovers.GONE] == []
        if "u0000" not in origin:
            assert found(results, cache) == []
    (folder / "origin.json").unlink()
    aged(cache, OLDER)
    assert "Not used for 30 days" in {of.why for of in found(results, cache)}


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("results", "study/.slurm/7_0_result.pkl"),
        ("cache", f"results/{HASH * 2}.parquet"),
        ("cache", f"returned/study-0123456789ab/{KEY}"),
    ],
)
def test_what_is_of_use_for_a_while_goes_by_its_age(results, cache, where, name):
    path = (results if where == "results" else cache) / name
    written(path / "result.json" if name.endswith(KEY) else path)
    for days, listed in ((29, []), (31, [path])):
        aged(path, days)
        assert [of.path for of in found(results, cache)] == listed
    assert command("--remove").exit_code == 0
    assert not path.exists()


@pytest.mark.parametrize("pack", ["there", "gone"])
def test_embeddings_of_packs_that_are_gone(corpus, cache, results, pack):
    digest = packs.pack(corpus, RATE_HZ).digest
    folder = cache / "embedded" / (HASH * 2)

    def write(draft):
        np.save(draft / "embeddings.npy", np.ones((8, 2), dtype=np.float32))

    made_once(folder, "embeddings", lambda at: at.is_dir() or None, write, {"pack": digest})
    aged(cache)
    if pack == "gone":
        shutil.rmtree(*packed(cache))
    whys = {of.path: of.why for of in found(results, cache)}
    assert whys.get(folder) == (leftovers.NO_PACK if pack == "gone" else None)


@pytest.mark.parametrize(("day", "goes"), [("2025-12-31", False), ("2026-01-01", True), ("2026-02-01", True)])
def test_a_kept_result_goes_once_it_is_at_home(results, cache, day, goes):
    """`RESULT` is of the first day of 2026; an older one at home is no reason."""
    put(Store(cache / "kept"), RESULT)
    put(Store(results / "study"), RESULT | {"finished": f"{day}T00:00:00+00:00"})
    aged(cache / "kept")
    assert [(of.path, of.why) for of in found(results, cache)] == [
        (cache / "kept" / KEY, leftovers.HOME)
    ] * goes


# --- made by somebody else ---


@pytest.fixture
def elsewhere(tmp_path):
    """A folder that looks like all that may go."""
    for name in (*LEFT, *LEFT_IN_CACHE, f"study/{KEY}/result.json", "samples.i16"):
        written(tmp_path / "elsewhere" / name)
    return aged(tmp_path / "elsewhere", OLDER)


def test_links_lead_nowhere(results, cache, elsewhere):
    """What a link leads to stays, whatever is a link."""
    before = {path: path.lstat().st_mtime for path in tree(elsewhere)}
    shutil.rmtree(cache / "packed")
    (results / "study" / ".locks" / f"{UNDONE}.lock").unlink()
    links = {
        results / "linked": elsewhere / "study",
        results / "study" / "linked-0123456789ab": elsewhere / "study" / KEY,
        results / "study" / KEY / "state.pt": elsewhere / "samples.i16",
        results / "study" / KEY / "result.json.draft": elsewhere,
        results / "study" / ".probe-5": elsewhere,
        results / "study" / UNDONE / "held.draft": elsewhere,
        results / "study" / ".locks" / f"{UNDONE}.lock": elsewhere / "samples.i16",
        cache / "packed": elsewhere / "packed",
        cache / "unpacked": elsewhere,
        cache / "embedded" / (HASH * 2): elsewhere,
        cache / "embedded" / f"{HASH * 2}.draft": elsewhere,
        cache / f"synthetic-{HASH[:12]}" / "inside": elsewhere,
        cache / "kept" / KEY: elsewhere / "kept" / KEY,
    }
    for link, to in links.items():
        link.symlink_to(to)
        os.utime(link, (1, 1), follow_symlinks=False)
    aged(cache / f"synthetic-{HASH[:12]}", OLDER)
    outcome = command("--remove")
    assert outcome.exit_code == 0, outcome.stdout
    assert {path: path.lstat().st_mtime for path in tree(elsewhere)} == before
    gone = {link.name for link in links if not os.path.lexists(link)}
    links_themselves = {"state.pt", "result.json.draft", ".probe-5", f"{HASH * 2}.draft", "inside"}
    assert gone == links_themselves


def test_a_folder_that_becomes_a_link_meanwhile_is_left_alone(results, cache, elsewhere):
    written(results / "study" / KEY / "state.pt")
    (left,) = aged(results / "study" / KEY / "state.pt") and found(results, cache)
    shutil.move(results / "study", results / "away")
    (results / "study").symlink_to(elsewhere / "study")
    assert remove(left) == "its folder is a link now"
    assert (elsewhere / "study" / KEY / "state.pt").exists()


def test_pipes_wait_for_nobody_and_names_forge_no_lines(results, cache):
    os.mkfifo(results / "study" / KEY / "pipe.draft")
    os.mkfifo(cache / "packed" / f"emodb-16000-{HASH}" / "origin.json")
    (cache / "packed" / f"emodb-16000-{HASH}" / "pack.json").unlink()
    os.mkfifo(cache / "packed" / f"emodb-16000-{HASH}" / "pack.json")
    written(results / "study" / "a\nIn all nothing\x1b[2J\t.draft")
    written(results / "study" / KEY / f"{'long' * 40}.draft")
    aged(results)
    said = command().stdout
    assert "a\\nIn all nothing\\x1b[2J\\t.draft" in said
    assert "\x1b" not in said
    assert max(map(len, said.splitlines())) <= max(clean.COLUMNS, len(f"In the results, {results}:"))
    assert [line for line in said.splitlines() if line.startswith("In all")] == [said.splitlines()[-1]]
    assert command("--remove").exit_code == 0
    assert found(results, cache) == []


def test_many_in_one_folder_are_counted(results, cache):
    for number in range(clean.ROWS + 2):
        put(Store(results / "study"), made := RESULT | {"key": f"{KEY[:-1]}{number}"})
        written(results / "study" / ".locks" / f"{made['key']}.lock")
    aged(results)
    rows = command().stdout.splitlines()
    assert [row.split()[-2:] for row in rows if ".locks" in row] == [["study/.locks/", f"({clean.ROWS + 2})"]]


def test_what_cannot_be_removed_is_said(results, cache, monkeypatch):
    path = aged(written(results / "study" / "report.md.draft"))

    def refused(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "unlink", refused)
    outcome = command("--remove")
    assert outcome.exit_code == 1
    assert f"Not removed: {path}: Permission denied" in outcome.stdout


# --- locks ---


def test_locks_of_finished_runs_are_swept_but_not_of_others_or_held_ones(results):
    store = Store(results / "study")
    locks = results / "study" / ".locks"
    before = {path.name for path in locks.iterdir()}
    with store.claim(KEY):
        sweep_locks(store)
        assert (locks / f"{KEY}.lock").exists()
        assert store.claimed(KEY) is True
    sweep_locks(store)
    assert {path.name for path in locks.iterdir()} == before
    assert store.claimed(KEY) is False


def test_nobody_holds_a_run_beside_another_while_locks_are_swept(results):
    """Threads claim one finished run over and over while its lock is removed."""
    store, inside, most, ends = Store(results / "study"), [], [], time.monotonic() + 0.5
    stopped = threading.Event()

    def claim():
        while not stopped.is_set():
            with store.claim(KEY):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=claim) for _ in range(3)]
    for thread in threads:
        thread.start()
    while time.monotonic() < ends or len(most) < 20:
        sweep_locks(store)
    stopped.set()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
