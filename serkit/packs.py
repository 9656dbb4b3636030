"""Packs: every clip of a corpus, decoded once, in one file of 16-bit samples.

Training reads slices of a memory map, in no more memory than a batch. A pack is found again by a stamp of its
clips' paths and what the file system says of them; what enters a run's key is its *content* digest, so that
results made on one machine are recognised on another, and a corpus that was denoised in place is another.

    <name>-<rate>-<stamp>/pack.json      format, rate, clips, digest
                          offsets.i64    where each clip begins and the last one ends, little-endian
                          samples.i16    all clips end to end, little-endian
                          origin.json    name and folder of the corpus, for `serkit.leftovers` alone

Nothing in it is trusted: sizes, and all samples against the digest, are checked before a process trains on
them. Of workers that want the same pack one packs, under a file lock, and the others wait; a pack appears
whole or not at all, and who has an old one mapped keeps it.
"""

import errno
import hashlib
import json
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from serkit.audio import MAX_SECONDS, decode
from serkit.corpora.reading.corpus import Corpus
from serkit.corpora.reading.folder import made_once
from serkit.errors import AudioError
from serkit.files import cache_folder, open_file, read_bytes, read_json, sync_folder

PACK_FORMAT = 2
CLIPS_AHEAD = 16  # heard ahead of who takes them, fewer where they are long:
BYTES_AHEAD = 256 << 20  # in memory; one clip more is with who takes them
EXPANDED = 16  # times a file's bytes are its samples at most: speech as MP3 or Opus
LONGEST_BYTES = 2 * MAX_SECONDS * 32_000  # no clip has more, at the highest rate that a network here takes
REPORTED = 10  # unreadable clips named in an error
ANY_NAME = "surrogateescape"  # names that are not UTF-8 are names

Progress = Callable[[int, int], None]
Made = TypeVar("Made")


@dataclass(frozen=True, eq=False)
class Pack:
    """A corpus's audio, packed: clip i is `samples[offsets[i]:offsets[i + 1]]`, as in `Corpus.clips`."""

    samples: np.ndarray  # int16 memory map, all clips end to end
    offsets: np.ndarray  # int64 [clips + 1]
    rate_hz: int
    digest: str  # SHA-256 over rate, lengths and samples

    @property
    def lengths(self) -> np.ndarray:
        """Samples in each clip, int64 [clips]."""
        return np.diff(self.offsets)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the samples say about this copy that its labels cannot."""
        return length_notes(self.lengths, self.rate_hz)


class _Unusable(Exception):
    """Why a pack cannot be used."""


def length_notes(lengths: np.ndarray, rate_hz: int) -> tuple[str, ...]:
    """What clips of so many samples say of a copy if they are all of one length, as speech never is."""
    if len(lengths) < 2 or np.ptp(lengths):
        return ()
    seconds = lengths[0] / rate_hz
    return (f"every clip is exactly {seconds:.2f} s long: this copy was cut or padded, it is no original",)


def pack(corpus: Corpus, rate_hz: int, progress: Progress | None = None) -> Pack:
    """The corpus's clips at `rate_hz`, decoded now if they were not before, or not as they should be.

    Reads all of a pack to check it: call it once a process and corpus. `progress` is called with (clips done,
    clips in all) while decoding.

    Raises:
        AudioError: clips that cannot be read; the message names the first ten.
        SerkitError: the pack cannot be written, or cannot be read as it was written.
    """
    folder = cache_folder() / "packed" / f"{corpus.name}-{rate_hz}-{_stamp(corpus, rate_hz)[:16]}"
    damage = ""

    def whole(it: Path) -> Pack | None:
        nonlocal damage
        try:
            return _open(it, corpus, rate_hz)
        except _Unusable as error:
            damage = str(error)
            return None

    def write(draft: Path) -> None:
        if os.path.lexists(folder):
            said = f"{corpus.name}: the packed audio in {folder} is damaged ({damage}); packing it again"
            warnings.warn(said, stacklevel=4)
        _write(corpus, rate_hz, draft, progress)
        sync_folder(draft)

    origin = {"corpus": corpus.name, "folder": str(corpus.folder.resolve())}
    return made_once(folder, f"the packed audio of {corpus.name}", whole, write, origin)


def fingerprint(corpus: Corpus, packed: Pack) -> str:
    """Digest of all that a corpus contributes to a run: its table and its samples."""
    return hashlib.sha256(f"{corpus.digest()} {packed.digest}".encode()).hexdigest()


def in_threads(work: Callable[[Path], Made], paths: Iterable[Path]) -> Iterator[Future[Made]]:
    """`work` on each path, in order, done by threads that are ahead of who takes what it makes.

    So many clips as `CLIPS_AHEAD` at most, or as take `BYTES_AHEAD`, but always one: what was made by its own
    `nbytes`, what is still worked on by what its file may hold.
    """
    held: deque[list[int]] = deque()  # bytes of each that is ahead

    def done(path: Path, bytes_of: list[int]) -> Made:
        made = work(path)
        bytes_of[0] = getattr(made, "nbytes", 0)
        return made

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
        ahead: deque[Future[Made]] = deque()
        for path in paths:
            most = min(EXPANDED * _file_bytes(path), LONGEST_BYTES)
            while ahead and (len(ahead) == CLIPS_AHEAD or most + sum(map(sum, held)) > BYTES_AHEAD):
                held.popleft()
                yield ahead.popleft()
            held.append([most])
            ahead.append(threads.submit(done, path, held[-1]))
        while ahead:  # each is let go once it is taken
            yield ahead.popleft()


def _file_bytes(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except (OSError, ValueError):  # hearing it says why
        return 0


def _stamp(corpus: Corpus, rate_hz: int) -> str:
    """Digest that changes when any clip's path, size, inode or time of modification or change does."""
    digest = hashlib.sha256(f"{PACK_FORMAT} {rate_hz} {corpus.folder.resolve()}".encode(errors=ANY_NAME))
    folder = str(corpus.folder)
    for path in corpus.clips["path"].to_numpy(dtype=object):  # plain text: half the time for 68,000 clips
        try:
            at = os.stat(f"{folder}/{path}")
            found = f"{at.st_size}\t{at.st_mtime_ns}\t{at.st_ctime_ns}\t{at.st_ino}"
        except (OSError, ValueError):  # decoding says why
            found = "missing"
        digest.update(f"{path}\t{found}\n".encode(errors=ANY_NAME))
    return digest.hexdigest()


def _write(corpus: Corpus, rate_hz: int, folder: Path, progress: Progress | None) -> None:
    """Decodes all clips into a folder."""
    clips = [corpus.folder / clip for clip in corpus.clips["path"]]
    lengths: list[int] = []
    bad: list[AudioError] = []
    digest = hashlib.sha256()
    with (folder / "samples.i16").open("wb") as file:
        decoded = in_threads(lambda clip: decode(clip, rate_hz), clips)
        for number, clip in enumerate(decoded, start=1):
            try:
                wave = clip.result()
            except AudioError as error:
                bad.append(error)
                continue
            lengths.append(len(wave))
            data = wave.astype("<i2", copy=False).data
            digest.update(data)
            file.write(data)
            if progress is not None:
                progress(number, len(clips))
    if bad:
        more = f"\n... and {len(bad) - REPORTED} more" if len(bad) > REPORTED else ""
        raise AudioError(
            f"{len(bad)} of {len(clips)} clips in {corpus.folder} cannot be read:\n"
            + "\n".join(map(str, bad[:REPORTED]))
            + f"{more}\nrun: python -m benchmark doctor, with the same --study"
        )
    digest.update(f"{rate_hz} {lengths}".encode())
    np.cumsum([0, *lengths]).astype("<i8").tofile(folder / "offsets.i64")
    about = _about(corpus, rate_hz, digest.hexdigest())
    (folder / "pack.json").write_text(json.dumps(about), encoding="utf-8")


def _about(corpus: Corpus, rate_hz: int, digest: Any) -> dict[str, Any]:
    return {"format": PACK_FORMAT, "rate_hz": rate_hz, "clips": len(corpus.clips), "digest": digest}


def _open(folder: Path, corpus: Corpus, rate_hz: int) -> Pack:
    """A pack as it lies there, or _Unusable; MemoryError where it cannot be mapped."""
    size, clips = 0, len(corpus.clips)
    try:
        about = read_json(folder / "pack.json")
        if not isinstance(about, dict) or about != _about(corpus, rate_hz, about.get("digest")):
            raise _Unusable("pack.json says something else than was packed")
        offsets = np.frombuffer(read_bytes(folder / "offsets.i64", 8 * (clips + 1)), dtype="<i8")
        lengths = np.diff(offsets)
        if len(lengths) != clips or offsets[0] != 0 or (lengths <= 0).any():
            raise _Unusable("offsets.i64 holds no offsets of these clips")
        with open_file(folder / "samples.i16") as file:
            size, expected = os.fstat(file.fileno()).st_size, 2 * int(offsets[-1])
            if size != expected:
                raise _Unusable(f"samples.i16 has {size:,} bytes, expected {expected:,}")
            digest = hashlib.file_digest(file, "sha256")  # read: a bad sector under a map kills the process
            digest.update(f"{rate_hz} {lengths.tolist()}".encode())
            if digest.hexdigest() != about["digest"]:
                raise _Unusable("its samples are not those that were packed")
            samples = np.memmap(file, dtype="<i2", mode="r")
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise MemoryError(f"{size / 1e6:,.0f} MB of packed audio cannot be mapped") from error
        raise _Unusable(str(error)) from error
    return Pack(samples, offsets, rate_hz, about["digest"])
