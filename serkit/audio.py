"""Audio, decoded once: every clip of a corpus in one packed file of 16-bit samples.

`pack` reads each clip (libsndfile), mixes it down to mono, resamples it (soxr) and appends it to one int16
file; from then on training reads slices of a memory map, and decodes nothing, in no more
memory than a batch. A 16-bit source at the right rate is stored exactly (float32 is int16 / 32768).

A pack is found again by a stamp over its clips' paths, sizes and modification times; what enters a run's key
is its *content* digest, so that results made on one machine are recognised on another, and a corpus that was
denoised in place (same names, same sizes) is another corpus.

Safe when several workers want the same pack at once: one packs under a file lock, the others wait; a pack
appears whole or not at all.

`unfit` tells which clips say nothing about a room, a microphone or the quality of speech.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import struct
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np
import soundfile
import soxr

from serkit.cache import cache_folder
from serkit.corpora.folder import is_pointer
from serkit.corpora.table import Corpus
from serkit.errors import AudioError

FULL_SCALE = 32768
PACK_FORMAT = 1
CLIPS_AT_ONCE = 256  # decoded ahead of the writer: bounds memory to about 100 MB of 10 s clips
REPORTED = 10  # unreadable clips named in an error
SILENT_DBFS = -66.0  # dither is at -90 or less, shaped at -80; the faintest of 673 RAVDESS clips at -56
SILENT_FRAME_SAMPLES = 1600  # 100 ms at 16 kHz
CLIPPED_SAMPLES = 8  # at one extreme; in RAVDESS and EmoDB at most 6, in 98 % of the clips one

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


def decode(path: Path, rate_hz: int) -> np.ndarray:
    """One clip as mono int16 [samples] at `rate_hz`; channels are averaged.

    Raises:
        AudioError: missing, a git-lfs pointer, not audio, empty, truncated, or with samples that are not
            finite.
    """
    try:
        with soundfile.SoundFile(path) as file:
            promised, found_hz = file.frames, file.samplerate
            exact = file.subtype == "PCM_16" and file.channels == 1 and found_hz == rate_hz
            wave = file.read(dtype="int16" if exact else "float32", always_2d=False)
    except (soundfile.LibsndfileError, OSError) as error:
        raise AudioError(f"{path}: {_why_unreadable(path, error)}") from error
    if len(wave) == 0:
        raise AudioError(f"{path}: no samples in it; fetch the file again")
    if len(wave) < promised or lacking_bytes(path) > 1:  # one: a missing pad byte
        raise AudioError(f"{path}: cut off after {len(wave)} samples; fetch the file again")
    if exact:
        return wave
    if wave.ndim == 2:
        wave = wave.mean(axis=1)
    if not np.isfinite(wave).all():
        raise AudioError(f"{path}: samples that are not finite; fetch the file again")
    if found_hz != rate_hz:
        wave = soxr.resample(wave, found_hz, rate_hz)
    return np.clip(np.rint(wave * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def unfit(samples: np.ndarray) -> str | None:
    """Why a clip cannot be judged by its sound, if it cannot.

    `silent`: no 100 ms of it reach -66 dBFS RMS, a constant offset aside. `clipped`: eight samples or more
    have exactly the clip's highest value, or exactly its lowest. Sound hardly ever comes to one value twice
    at its peak; peaks that were cut off do, whatever gain came later. A few samples at full scale are no
    reason.

    Both rules are ours. None of 673 RAVDESS, 339 EmoDB and 105 generated clips is unfit. Normalised,
    amplified and cut off at full scale, 1095 of these 1117 are `clipped` at 3 dB, 1115 at 6 dB, all at 12 dB;
    the others have fewer than eight samples cut off on either side.

    Limits: clipping before a change of sample rate leaves no equal values (12 dB: 6 of 224 found), nor does
    clipping before lossy coding. Of clips that were ever stored in 8 bits one in 60 is taken for clipped.

    Args:
        samples: int16 [samples], at least one.

    Returns:
        `silent`, `clipped` or None.
    """
    wave = samples - samples.mean()
    frames = np.pad(wave, (0, -len(wave) % SILENT_FRAME_SAMPLES)).reshape(-1, SILENT_FRAME_SAMPLES)
    loudest = np.sqrt(np.square(frames).mean(axis=1).max())
    if loudest < FULL_SCALE * 10 ** (SILENT_DBFS / 20):
        return "silent"
    at_extremes = [np.count_nonzero(samples == extreme) for extreme in (samples.max(), samples.min())]
    return "clipped" if max(at_extremes) >= CLIPPED_SAMPLES else None


def lacking_bytes(path: Path) -> int:
    """Bytes that a WAV file's data chunk promises and the file lacks; libsndfile says nothing of them."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:] != b"WAVE":
            return 0
        while len(head := file.read(8)) == 8:
            chunk, length = struct.unpack("<4sI", head)
            if chunk == b"data":
                # Written to a pipe, a file cannot know its length and says the greatest one, or none.
                return 0 if length in (0, 0xFFFFFFFF) else max(0, file.tell() + length - size)
            file.seek(length + length % 2, os.SEEK_CUR)
    return 0


def _why_unreadable(path: Path, error: Exception) -> str:
    if not path.exists():
        return "no such file; the labels name it, so the corpus is incomplete"
    try:
        if is_pointer(path):
            return "a git-lfs pointer, not audio; run 'git lfs pull' in the corpus's folder"
    except OSError as refused:
        return f"not readable ({refused.strerror}); make it a file that you may read"
    if path.stat().st_size == 0:
        return "an empty file; fetch it again"
    return f"not readable as audio ({error}); fetch it again"


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
