"""Packs: whole or not there at all, found again by what lies on the disk, known by what they hold."""

import errno
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace

import numpy as np
import pytest
from filelock import FileLock

from serkit import packs
from serkit.audio import decode
from serkit.errors import AudioError, SerkitError
from serkit.files import DRAFT
from serkit.labels import LABELS
from serkit.packs import fingerprint, pack
from tests.made_packs import RATE_HZ, WAVES, corpus_in, corpus_of, noise

pytestmark = pytest.mark.filterwarnings("error")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_pack_holds_every_clip_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(packs, "CLIPS_AHEAD", 3)
    told = []
    packed = pack(corpus_of(tmp_path / "c"), RATE_HZ, lambda *at: told.append(at))
    clips = [packed.samples[a:b] for a, b in zip(packed.offsets, packed.offsets[1:], strict=False)]
    for clip, wave in zip(clips, WAVES, strict=True):
        np.testing.assert_array_equal(clip, wave)
    np.testing.assert_array_equal(packed.lengths, [len(wave) for wave in WAVES])
    assert packed.rate_hz == RATE_HZ
    assert told == [(i + 1, 8) for i in range(8)]


class Threads:
    """Work is done as soon as it is submitted, or only when the test takes it; what is ahead is checked."""

    def __init__(self, at_once, expected):
        self.at_once, self.expected = at_once, expected
        self.ahead, self.most_ahead, self.overrun = [], 0, 0

    def __call__(self, max_workers):
        return nullcontext(self)

    def submit(self, work, path, *more):
        held = sum(clip.result().nbytes if clip.done() else self.expected(at) for clip, _, at in self.ahead)
        if self.ahead:  # else it is the only one, however long
            self.overrun = max(self.overrun, held + self.expected(path) - packs.BYTES_AHEAD)
        self.ahead.append((Future(), lambda: work(path, *more), path))
        self.most_ahead = max(self.most_ahead, len(self.ahead))
        if self.at_once:
            self.do(*self.ahead[-1][:2])
        return self.ahead[-1][0]

    def do(self, clip, work):
        if not clip.done():
            clip.set_result(work())


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("grown", [0, 1, 4])
def test_what_is_ahead_is_bounded_by_its_bytes(tmp_path, monkeypatch, grown, at_once):
    """Clips are more or less than their files told; one that is beyond the bound comes by itself."""
    sizes = [10] * 20 + [90, 90, 900, 900, 5, 5, 5] + [1] * 40
    paths = [tmp_path / str(i) for i in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        path.write_bytes(bytes(size))
    monkeypatch.setattr(packs, "EXPANDED", 2)
    monkeypatch.setattr(packs, "LONGEST_BYTES", 400)
    monkeypatch.setattr(packs, "BYTES_AHEAD", 200)
    threads = Threads(at_once, lambda path: min(2 * path.stat().st_size, 400))
    monkeypatch.setattr(packs, "ThreadPoolExecutor", threads)
    taken = []
    for clip in packs.in_threads(lambda path: np.zeros(grown * path.stat().st_size, np.int8), paths):
        ahead, work, path = threads.ahead.pop(0)
        assert clip is ahead
        threads.do(clip, work)
        taken.append(path)
    assert taken == paths
    assert threads.overrun == 0
    assert threads.most_ahead == packs.CLIPS_AHEAD


def test_a_file_that_is_not_there_is_worked_on_too(tmp_path):
    paths = [tmp_path / "none", tmp_path / "a\0b"]
    assert [clip.result() for clip in packs.in_threads(lambda path: path.name, paths)] == ["none", "a\0b"]


def test_what_fails_ahead_says_so_when_it_is_taken(tmp_path):
    paths = [tmp_path / name for name in ("short", "") * 20]
    made = packs.in_threads(lambda path: 1 / len(path.relative_to(tmp_path).name), paths)
    assert [clip.exception() is None for clip in made] == [True, False] * 20


def test_a_pack_is_mapped_and_read_only(tmp_path):
    packed = pack(corpus_of(tmp_path / "c"), RATE_HZ)
    assert isinstance(packed.samples, np.memmap)
    assert packed.samples.dtype == np.int16
    with pytest.raises(ValueError, match="read-only"):
        packed.samples[0] = 0


def test_the_digest_is_of_the_content(tmp_path):
    corpus = corpus_of(tmp_path / "c")
    digest = pack(corpus, RATE_HZ).digest
    assert pack(corpus_of(tmp_path / "flac", suffix="flac"), RATE_HZ).digest == digest
    shutil.copytree(corpus.folder, tmp_path / "copy")
    assert pack(corpus_in(tmp_path / "copy", 8), RATE_HZ).digest == digest
    for path in corpus.folder.iterdir():
        os.utime(path, (1, 1))
    assert pack(corpus, RATE_HZ).digest == digest


def one_sample():
    return [*WAVES[:3], np.where(np.arange(len(WAVES[3])) == 9, WAVES[3] ^ 1, WAVES[3]), *WAVES[4:]]


def one_border():
    return [*WAVES[:6], np.append(WAVES[6], WAVES[7][:1]), WAVES[7][1:]]


@pytest.mark.parametrize("waves", [one_sample(), one_border(), WAVES[::-1], WAVES[:-1]])
def test_another_content_is_another_digest_and_fingerprint(tmp_path, waves):
    corpus, other = corpus_of(tmp_path / "c"), corpus_of(tmp_path / "d", waves)
    ours, theirs = pack(corpus, RATE_HZ), pack(other, RATE_HZ)
    assert ours.digest != theirs.digest
    assert fingerprint(corpus, ours) != fingerprint(corpus, theirs)


def test_the_rate_is_in_the_digest(tmp_path):
    corpus = corpus_of(tmp_path / "c", [np.zeros(4, np.int16), np.zeros(8, np.int16)])
    slow = pack(corpus_of(tmp_path / "d", [np.zeros(2, np.int16), np.zeros(4, np.int16)]), 32_000)
    assert slow.samples.tolist() == pack(corpus, RATE_HZ).samples.tolist()
    assert slow.digest != pack(corpus, RATE_HZ).digest


def test_the_fingerprint_is_of_labels_too(tmp_path):
    corpus = corpus_of(tmp_path / "c")
    relabelled = corpus_in(tmp_path / "c", 8, labels=LABELS[::-1])
    packed = pack(corpus, RATE_HZ)
    assert fingerprint(corpus, packed) != fingerprint(relabelled, packed)
    assert fingerprint(corpus, packed) == fingerprint(corpus_in(tmp_path / "c", 8), pack(corpus, RATE_HZ))


def test_packed_once_and_again_when_a_clip_changes(tmp_path, monkeypatch):
    corpus = corpus_of(tmp_path / "c")
    first = pack(corpus, RATE_HZ)
    with monkeypatch.context() as without:
        without.setattr(packs, "decode", lambda *_: pytest.fail("decoded again"))
        again = pack(corpus, RATE_HZ)
    assert again.digest == first.digest
    np.testing.assert_array_equal(again.samples, first.samples)
    denoised = corpus_of(tmp_path / "c", one_sample())  # same names, same sizes
    assert pack(denoised, RATE_HZ).digest != first.digest


@pytest.mark.parametrize(("bad", "named"), [(3, 3), (14, 10)])
def test_all_bad_clips_are_counted_ten_are_named_nothing_is_left(tmp_path, cache, bad, named):
    waves = [noise(i) for i in range(16)]
    corpus = corpus_of(tmp_path / "c", waves)
    for i in range(bad):
        (corpus.folder / f"{i:02d}.wav").write_bytes(b"")
    with pytest.raises(AudioError) as raised:
        pack(corpus, RATE_HZ)
    message = str(raised.value)
    assert message.startswith(f"{bad} of 16 clips in {corpus.folder} cannot be read:")
    assert re.findall(r"(\d\d)\.wav: an empty file", message) == [f"{i:02d}" for i in range(named)]
    assert (f"... and {bad - named} more" in message) == (bad > named)
    assert message.endswith("run: python -m benchmark doctor, with the same --study")
    assert [path for path in (cache / "packed").iterdir() if path.suffix != ".lock"] == []
    assert pack(corpus_of(tmp_path / "c", waves), RATE_HZ).samples.tolist() == np.concatenate(waves).tolist()


def zeroed(path):
    path.write_bytes(bytes(path.stat().st_size))


def cut(path):
    os.truncate(path, path.stat().st_size // 2 // 8 * 8)


def flipped(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def longer(path):
    path.write_bytes(path.read_bytes() + bytes(8))


def piped(path):
    path.unlink()
    os.mkfifo(path)


def a_folder(path):
    path.unlink()
    (path / "inner").mkdir(parents=True)


HURT = {
    "zeroed": zeroed,
    "cut": cut,
    "flipped": flipped,
    "longer": longer,
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "garbage": lambda path: path.write_bytes(bytes(range(255))),
    "a pipe": piped,
    "a folder": a_folder,
}


def packed_folder(cache):
    (folder,) = (path for path in (cache / "packed").iterdir() if path.suffix != ".lock")
    return folder


@pytest.mark.parametrize("part", ["samples.i16", "offsets.i64", "pack.json"])
@pytest.mark.parametrize("hurt", HURT)
def test_a_damaged_pack_is_packed_again_with_a_word(tmp_path, cache, hurt, part):
    corpus = corpus_of(tmp_path / "c")
    whole = pack(corpus, RATE_HZ)
    samples = whole.samples.tolist()
    HURT[hurt](packed_folder(cache) / part)
    with pytest.warns(
        UserWarning, match=f"fake: the packed audio in {cache}/.* is damaged .*packing it again"
    ):
        again = pack(corpus, RATE_HZ)
    assert (again.samples.tolist(), again.digest) == (samples, whole.digest)
    assert pack(corpus, RATE_HZ).digest == whole.digest  # silently: a warning is an error here


@pytest.mark.parametrize(
    "about",
    [
        "[]",
        "[" * 100_000,
        "null",
        '{"format": 2}',
        '{"format": 2, "rate_hz": 16000, "clips": 8, "digest": 5}',
    ],
)
def test_a_pack_that_says_something_else_is_none(tmp_path, cache, about):
    corpus = corpus_of(tmp_path / "c")
    whole = pack(corpus, RATE_HZ)
    (packed_folder(cache) / "pack.json").write_text(about)
    with pytest.warns(UserWarning, match="packing it again"):
        assert pack(corpus, RATE_HZ).digest == whole.digest


def test_borders_that_were_moved_are_seen(tmp_path, cache):
    corpus = corpus_of(tmp_path / "c")
    whole = pack(corpus, RATE_HZ)
    path = packed_folder(cache) / "offsets.i64"
    offsets = np.fromfile(path, "<i8")
    for moved in (offsets + (np.arange(9) == 4), np.sort(offsets)[::-1], np.append(offsets[:-1], -1)):
        moved.astype("<i8").tofile(path)
        with pytest.warns(UserWarning, match="packing it again"):
            assert pack(corpus, RATE_HZ).digest == whole.digest


def test_a_file_in_the_place_of_a_pack_gives_way(tmp_path, cache):
    corpus = corpus_of(tmp_path / "c")
    digest = pack(corpus, RATE_HZ).digest
    folder = packed_folder(cache)
    shutil.rmtree(folder)
    folder.write_text("no folder")
    with pytest.warns(UserWarning, match="packing it again"):
        assert pack(corpus, RATE_HZ).digest == digest


def test_who_has_the_old_pack_mapped_keeps_it(tmp_path, cache):
    corpus = corpus_of(tmp_path / "c")
    mapped = pack(corpus, RATE_HZ)
    (packed_folder(cache) / "pack.json").unlink()
    with pytest.warns(UserWarning, match="packing it again"):
        pack(corpus, RATE_HZ)
    assert mapped.samples.tolist() == np.concatenate(WAVES).tolist()


def test_a_disk_that_keeps_nothing_is_an_error_and_no_loop(tmp_path, cache, monkeypatch):
    """What is written comes back as something else: packed once, then said."""
    written = []

    def spoilt(draft):
        zeroed(draft / "samples.i16")
        written.append(draft)

    monkeypatch.setattr(packs, "sync_folder", spoilt)
    with pytest.raises(
        SerkitError, match=r"cannot write the packed audio .*not what was written.* SERKIT_CACHE"
    ):
        pack(corpus_of(tmp_path / "c"), RATE_HZ)
    assert len(written) == 1
    assert [path.suffix for path in (cache / "packed").iterdir()] == [".lock"]


def test_a_full_disk_is_said_and_left_with_what_it_had(tmp_path, cache, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(SerkitError, match=r"cannot write the packed audio .*No space left.* SERKIT_CACHE"):
        pack(corpus_of(tmp_path / "c"), RATE_HZ)
    assert [path.suffix for path in (cache / "packed").iterdir()] == [".lock"]


def test_a_pack_is_on_the_disk_before_it_is_in_its_place(tmp_path, cache, monkeypatch):
    told = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (told.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda *to: (told.append("replaced"), replace(*to)))
    pack(corpus_of(tmp_path / "c"), RATE_HZ)
    names = [Path(path).name for path in told]
    draft = f"{packed_folder(cache).name}{DRAFT}"
    assert sorted(names[:-2]) == ["offsets.i64", "pack.json", "samples.i16"]
    assert names[-2:] == [draft, "replaced"]


@pytest.mark.parametrize("of", ["st_ino", "st_ctime_ns", "st_mtime_ns", "st_size"])
def test_a_clip_of_which_the_system_says_something_else_is_another(tmp_path, monkeypatch, of):
    corpus = corpus_of(tmp_path / "c", WAVES[:2])
    pack(corpus, RATE_HZ)
    stat = os.stat
    facts = ("st_ino", "st_ctime_ns", "st_mtime_ns", "st_size")

    def another(path, **kwargs):
        at = stat(path, **kwargs)
        if not str(path).endswith(".wav"):
            return at
        return SimpleNamespace(**{name: getattr(at, name) + (name == of) for name in facts})

    decoded = []
    monkeypatch.setattr(packs, "decode", lambda *of: (decoded.append(of), decode(*of))[1])
    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", another)
        pack(corpus, RATE_HZ)
    assert len(decoded) == 2  # packed anew
    pack(corpus, RATE_HZ)
    assert len(decoded) == 2


@pytest.mark.parametrize("damaged", [False, True])
def test_of_two_workers_that_miss_it_at_once_one_decodes(tmp_path, cache, monkeypatch, damaged):
    """Both have seen that it is missing before either packs; locks part threads as they part processes."""
    corpus = corpus_of(tmp_path / "c")
    digest = pack(corpus, RATE_HZ).digest
    if damaged:
        flipped(packed_folder(cache) / "samples.i16")
    else:
        shutil.rmtree(packed_folder(cache))
    decoded, seen = [], Barrier(2)

    class Lock(FileLock):
        def __enter__(self):
            seen.wait(timeout=60)
            return super().__enter__()

    monkeypatch.setattr("serkit.corpora.reading.folder.FileLock", Lock)
    monkeypatch.setattr(packs, "decode", lambda *of: (decoded.append(of), decode(*of))[1])
    warned = pytest.warns(UserWarning, match="packing it again") if damaged else nullcontext([])
    with warned as told, ThreadPoolExecutor(2) as workers:
        said = list(workers.map(lambda _: pack(corpus, RATE_HZ).digest, range(2)))
    assert (said, len(decoded), len(told)) == ([digest, digest], 8, damaged)


KILLED = """
import os, sys
from pathlib import Path
from serkit import packs
from tests.made_packs import RATE_HZ, corpus_in

def decode(path, rate_hz, original=packs.decode):
    if path.name == "05.wav":
        os.kill(os.getpid(), 9)
    return original(path, rate_hz)

packs.decode = decode
packs.pack(corpus_in(Path(sys.argv[1]), 8), RATE_HZ)
"""


def test_the_draft_of_a_killed_worker_is_swept(tmp_path, cache):
    corpus = corpus_of(tmp_path / "c")
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(corpus.folder)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL
    (draft,) = (path for path in (cache / "packed").iterdir() if path.is_dir())
    assert draft.suffix == ".draft"
    (draft / "left-over").touch()
    assert pack(corpus, RATE_HZ).samples.tolist() == np.concatenate(WAVES).tolist()
    (folder,) = (path for path in (cache / "packed").iterdir() if path.is_dir())
    assert folder.name == draft.name.removesuffix(DRAFT)
    parts = ["offsets.i64", "origin.json", "pack.json", "samples.i16"]
    assert sorted(path.name for path in folder.iterdir()) == parts


@pytest.mark.parametrize(
    ("lengths", "noted"), [([800, 800, 800], True), ([800, 800, 801], False), ([800], False)]
)
def test_clips_of_one_length_are_noted(tmp_path, lengths, noted):
    corpus = corpus_of(tmp_path / "c", [noise(i, length) for i, length in enumerate(lengths)])
    notes = pack(corpus, RATE_HZ).notes
    assert len(notes) == noted
    if noted:
        assert "exactly 0.05 s long" in notes[0]
