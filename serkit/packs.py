"""Packs: every clip of a corpus, decoded once, in one file of 16-bit samples.

`pack` decodes each clip (`serkit.audio.decode`) and appends it to one int16 file; from then on training reads
slices of a memory map, and decodes nothing, in no more memory than a batch.

A pack is found again by a stamp over its clips' paths, sizes and modification times; what enters a run's key
is its *content* digest, so that results made on one machine are recognised on another, and a corpus that was
denoised in place (same names, same sizes) is another corpus.

Safe when several workers want the same pack at once: one packs under a file lock, the others wait; a pack
appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np

from serkit.audio import decode
from serkit.cache import cache_folder
from serkit.corpora.table import Corpus
from serkit.errors import AudioError

PACK_FORMAT = 1
CLIPS_AT_ONCE = 256  # decoded ahead of the writer: bounds memory to about 100 MB of 10 s clips
REPORTED = 10  # unreadable clips named in an error

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Pack:
    """A corpus's audio, packed.

    Attributes:
        samples: int16 memory map, all clips end to end.
        offsets: int64 [clips + 1]; clip i is `samples[offsets[i]:offsets[i + 1]]`, in the order of
            `Corpus.clips`.
        rate_hz: sample rate.
        digest: SHA-256 over rate, lengths and samples.
    """

    samples: np.ndarray
    offsets: np.ndarray
    rate_hz: int
    digest: str

    @property
    def lengths(self) -> np.ndarray:
        """Samples in each clip, int64 [clips]."""
        return np.diff(self.offsets)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the samples say about this copy that its labels cannot."""
        seconds = self.lengths[0] / self.rate_hz
        if len(self.lengths) > 1 and (self.lengths == self.lengths[0]).all():
            return (
                f"every clip is exactly {seconds:.2f} s long: this copy was cut or padded, it is no original",
            )
        return ()


def pack(corpus: Corpus, rate_hz: int, progress: Progress | None = None) -> Pack:
    """The corpus's clips at `rate_hz`, decoded now if they were not before.

    Args:
        corpus: any corpus.
        rate_hz: the front end's sample rate.
        progress: called with (clips done, clips in all) while decoding.

    Raises:
        AudioError: clips that cannot be read; the message names them all, or the first ten.
    """
    folder = _folder(corpus, rate_hz)
    if not (folder / "pack.json").is_file():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{folder}.lock"):
            if not (folder / "pack.json").is_file():
                _write(corpus, rate_hz, folder, progress)
    return _open(folder)


def packed_before(corpus: Corpus, rate_hz: int) -> Pack | None:
    """The corpus's clips at `rate_hz` if they were packed before; nothing is decoded."""
    folder = _folder(corpus, rate_hz)
    return _open(folder) if (folder / "pack.json").is_file() else None


def fingerprint(corpus: Corpus, packed: Pack) -> str:
    """Digest of all that a corpus contributes to a run: its table and its samples."""
    return hashlib.sha256(f"{corpus.digest()} {packed.digest}".encode()).hexdigest()


def _folder(corpus: Corpus, rate_hz: int) -> Path:
    return cache_folder() / "packed" / f"{corpus.name}-{rate_hz}-{_stamp(corpus, rate_hz)[:16]}"


def _stamp(corpus: Corpus, rate_hz: int) -> str:
    """Digest that changes when any clip's path, size or modification time does."""
    digest = hashlib.sha256(f"{PACK_FORMAT} {rate_hz} {corpus.folder.resolve()}".encode())
    folder = str(corpus.folder)
    for path in corpus.clips["path"].to_numpy(dtype=object):  # plain text: half the time for 68,000 clips
        try:
            found = os.stat(f"{folder}/{path}")
            digest.update(f"{path}\t{found.st_size}\t{found.st_mtime_ns}\n".encode())
        except FileNotFoundError:
            digest.update(f"{path}\tmissing\n".encode())
    return digest.hexdigest()


def _write(corpus: Corpus, rate_hz: int, folder: Path, progress: Progress | None) -> None:
    draft = folder.with_name(f"{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)  # left by a worker that was killed
    draft.mkdir(parents=True)
    lengths: list[int] = []
    bad: list[str] = []
    digest = hashlib.sha256()
    with (draft / "samples.i16").open("wb") as file:
        for number, wave in enumerate(_decoded(corpus, rate_hz), start=1):
            if isinstance(wave, AudioError):
                bad.append(str(wave))
                continue
            lengths.append(len(wave))
            data = wave.astype("<i2", copy=False).tobytes()
            digest.update(data)
            file.write(data)
            if progress is not None:
                progress(number, len(corpus.clips))
        file.flush()
        os.fsync(file.fileno())
    if bad:
        shutil.rmtree(draft)
        more = f"\n... and {len(bad) - REPORTED} more" if len(bad) > REPORTED else ""
        raise AudioError(
            f"{len(bad)} of {len(corpus.clips)} clips of {corpus.name} cannot be read:\n"
            + "\n".join(bad[:REPORTED])
            + f"{more}\nrun: python -m benchmark doctor {corpus.name}"
        )
    np.save(draft / "offsets.npy", np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
    digest.update(f"{rate_hz} {lengths}".encode())
    about = {"format": PACK_FORMAT, "rate_hz": rate_hz, "clips": len(lengths), "digest": digest.hexdigest()}
    (draft / "pack.json").write_text(json.dumps(about))
    shutil.rmtree(folder, ignore_errors=True)  # a half-deleted pack, without its pack.json
    os.replace(draft, folder)


def _decoded(corpus: Corpus, rate_hz: int) -> Iterator[np.ndarray | AudioError]:
    """The clips in order, decoded by threads a bounded stretch ahead; errors are handed on, not raised."""
    paths: Sequence[Path] = [corpus.folder / path for path in corpus.clips["path"]]

    def attempt(path: Path) -> np.ndarray | AudioError:
        try:
            return decode(path, rate_hz)
        except AudioError as error:
            return error

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as threads:
        for start in range(0, len(paths), CLIPS_AT_ONCE):
            yield from threads.map(attempt, paths[start : start + CLIPS_AT_ONCE])


def _open(folder: Path) -> Pack:
    about = json.loads((folder / "pack.json").read_text())
    return Pack(
        samples=np.memmap(folder / "samples.i16", dtype="<i2", mode="r"),
        offsets=np.load(folder / "offsets.npy"),
        rate_hz=about["rate_hz"],
        digest=about["digest"],
    )
