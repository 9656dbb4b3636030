"""One clip of audio: decoded to 16-bit mono at the front end's rate, or refused with its reason.

`listen` reads a clip (libsndfile), averages its channels and resamples it (soxr). Packing takes its samples
and the doctor judges them: what one refuses or lets pass, so does the other. A 16-bit mono source at the
right rate is kept exactly (float32 is int16 / 32768). `unfit` tells which clips say nothing about a room, a
microphone or the quality of speech; docs/acoustics.md has how its limits were chosen.
"""

import errno
import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

from serkit.containers import BEGINNINGS, FEW_BYTES, FORMATS, MAX_BYTES, Promise, promise
from serkit.corpora.reading.folder import LFS_POINTER
from serkit.errors import AudioError
from serkit.files import read_bytes

FULL_SCALE = 32768
MAX_SECONDS = 1800  # whoever labels a longer recording means its parts
MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 384_000  # beyond them a header is wrong
BLOCK_SAMPLES = 1 << 18  # read at once: bounds the memory that a header with absurd promises takes
SILENT_DBFS = -66.0  # dither is at -90 or less, shaped at -80; the faintest of 673 RAVDESS clips at -56
SILENT_FRAME_SAMPLES = 1600  # 100 ms at 16 kHz
CLIPPED_SAMPLES = 8  # at one extreme; all but one clip of RAVDESS and EmoDB have at most 6, 98 % one
CANCELLED = 1e-2  # power of the mix relative to its channels': 20 dB. Two microphones far apart lose 3
WEAKENED = 1e-1
DEAD = 1e-6  # power of a channel relative to the loudest: 60 dB

CURES = dict.fromkeys(("empty", "truncated", "not-finite"), "fetch the file again") | {
    "missing-audio": "the labels name it, so the corpus is incomplete",
    "lfs-pointer": "run 'git lfs pull' in the corpus's folder",
    "unreadable": "fetch it again, or make it a file that you may read",
    "too-long": "cut it into clips",
    "cancelled": "keep one channel, or invert one",
}
"""What can keep a clip from being heard, and what to do."""


class Heard(NamedTuple):
    """A clip as training gets it, and what it was before."""

    samples: np.ndarray  # int16 mono [samples] at the rate asked for
    rate_hz: int  # of the file
    channels: int  # of the file
    odd: dict[str, str]  # what the samples cannot tell: kinds of problem, each with its detail


class _Flaw(Exception):
    """What is wrong with a clip whose path is not known here: a kind in `CURES` and why."""


def decode(path: Path, rate_hz: int) -> np.ndarray:
    """One clip as mono int16 [samples] at `rate_hz`. Raises AudioError as `listen` does."""
    return listen(path, rate_hz).samples


def listen(path: Path, rate_hz: int) -> Heard:
    """One clip, decoded to its end, whatever its header says of its length; `path` may be anything.

    Never waits, and takes no more memory than the clip needs: its file, and its samples a few times. Raises
    AudioError of a kind in `CURES`.
    """
    try:
        return _heard(read_bytes(path, MAX_BYTES), rate_hz)
    except (_Flaw, OSError, MemoryError, ArithmeticError, RuntimeError, TypeError, ValueError) as error:
        kind, why = _flaw(error)
        raise AudioError(f"{path}: {why}; {CURES[kind]}", kind, why) from error


def _flaw(error: Exception) -> tuple[str, str]:
    """What is wrong with a clip, where reading or decoding it raised an error: a kind in `CURES` and why."""
    match error:
        case _Flaw(args=(kind, why)):
            return kind, why
        case FileNotFoundError() | NotADirectoryError():
            return "missing-audio", "no such file"
        case OSError():
            kind = "too-long" if error.errno == errno.EFBIG else "unreadable"
            return kind, f"not readable ({error.strerror})"
        case MemoryError():
            return "unreadable", "not readable: it needs more memory than there is"
    why = getattr(error, "error_string", "") or str(error) or type(error).__name__
    return "unreadable", f"not readable as audio ({why.rstrip('.')})"  # a decoder's error, or a bad name


def unfit(samples: np.ndarray) -> str | None:
    """Why a clip of int16 [samples] cannot be judged by its sound: `silent`, `clipped`, or None if it can."""
    if is_silent(samples):
        return "silent"
    return "clipped" if clipped_share(samples) else None


def is_silent(samples: np.ndarray) -> bool:
    """Whether no 100 ms of a clip reach -66 dBFS RMS, a constant offset aside."""
    wave = (samples - samples.mean()).astype(np.float32)
    frames = np.pad(wave, (0, -len(wave) % SILENT_FRAME_SAMPLES)).reshape(-1, SILENT_FRAME_SAMPLES)
    loudest = np.einsum("ij,ij->i", frames, frames).max() / SILENT_FRAME_SAMPLES
    return bool(loudest < FULL_SCALE**2 * 10 ** (SILENT_DBFS / 10))


def clipped_share(samples: np.ndarray) -> float:
    """The share of a clip's samples at exactly its highest or lowest value; 0 where neither has eight.

    Sound hardly ever peaks twice at one value; peaks that were cut off do, whatever gain came later.
    """
    extremes = [np.count_nonzero(samples == extreme) for extreme in (samples.min(), samples.max())]
    return sum(extremes) / len(samples) if max(extremes) >= CLIPPED_SAMPLES else 0.0


def trimmed(wave: np.ndarray) -> np.ndarray:
    """A wave [samples] without the zeros at its ends; nothing of one that is zero throughout.

    Example:
        >>> trimmed(np.array([0, 0, 3, 0, -2, 0])).tolist()
        [3, 0, -2]
    """
    sounding = np.flatnonzero(wave)
    return wave[sounding[0] : sounding[-1] + 1] if len(sounding) else wave[:0]


class _Content(io.BytesIO):
    """Stays where it is when a damaged header makes libsndfile seek to before its beginning."""

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return super().seek(offset, whence)
        except (ValueError, OverflowError):
            return self.tell()


class _Straight(soundfile.SoundFile):
    """Read straight on: soundfile seeks after each read, which FLAC of unknown length cannot."""

    def seekable(self) -> bool:
        return False


def _heard(data: bytes, rate_hz: int) -> Heard:
    if not data:
        raise _Flaw("empty", "an empty file")
    if data.startswith(LFS_POINTER):
        raise _Flaw("lfs-pointer", "a git-lfs pointer, not audio")
    if not BEGINNINGS.match(data):
        raise _Flaw("unreadable", f"not readable as audio (begins with {data[:8]!r}, expected {FORMATS})")
    header = promise(data)
    content = _Content(header.data)
    try:
        file = _Straight(content)
    except soundfile.LibsndfileError:
        if header.lacking:
            raise _Flaw("truncated", "cut off, so that it cannot be opened") from None
        raise
    with file:
        found_hz, channels = file.samplerate, file.channels
        if not MIN_RATE_HZ <= found_hz <= MAX_RATE_HZ:
            raise _Flaw("unreadable", f"not readable as audio (a sample rate of {found_hz:,} Hz)")
        exact = file.subtype == "PCM_16" and channels == 1 and found_hz == rate_hz
        samples, powers, failed = _read(file, "int16" if exact else "float32")
        promised = file.frames if header.frames is None else header.frames
    odd = _check_whole(header, len(samples), promised, failed, len(header.data) - content.tell())
    samples = samples[: header.frames or None]
    if not exact:
        odd |= _check_mix(samples, powers)
        if found_hz != rate_hz:
            samples = soxr.resample(samples, found_hz, rate_hz)
        samples = np.clip(np.rint(samples * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    if len(samples) == 0:
        raise _Flaw("empty", f"no sample of it is left at {rate_hz:,} Hz")
    return Heard(samples, found_hz, channels, odd)


def _read(file: soundfile.SoundFile, dtype: str) -> tuple[np.ndarray, np.ndarray, str]:
    """All samples, block by block, whatever the header promises: mono, channels' mean powers, what failed."""
    room = max(1, BLOCK_SAMPLES // file.channels)
    blocks = [np.empty(0, dtype)]
    powers = np.zeros(file.channels)
    frames, failed = 0, ""
    while not failed:
        block = np.empty((room, file.channels), dtype)
        try:
            got = len(file.read(out=block))
        except soundfile.LibsndfileError as error:
            got, failed = file.tell() - frames, error.error_string
        if got <= 0:
            break
        block = block[:got]
        if file.channels > 1:
            powers += np.einsum("ij,ij->j", block, block, dtype=np.float64)
        blocks.append(block[:, 0] if file.channels == 1 else block.mean(axis=1))
        frames += got
        if frames > MAX_SECONDS * file.samplerate:
            raise _Flaw("too-long", f"longer than {MAX_SECONDS // 60} minutes")
    return np.concatenate(blocks), powers / max(1, frames), failed


def _check_whole(header: Promise, n: int, promised: int, failed: str, unread: int) -> dict[str, str]:
    """Checks that n samples are as many as promised; more than that is odd."""
    if n == 0 and not header.lacking and not failed:
        raise _Flaw("empty", "no samples in it")
    if header.lacking or n < promised or (failed and not promised):
        of = f" of {promised:,}" if promised > n else ""
        raise _Flaw("truncated", f"cut off or damaged after {n:,}{of} samples")
    if header.frames and n > header.frames:
        return {"longer": f"{n:,} samples, {header.frames:,} promised"}
    behind = max(header.surplus, unread)
    return {"longer": f"{behind:,} bytes behind its samples"} if behind > FEW_BYTES else {}


def _check_mix(mono: np.ndarray, powers: np.ndarray) -> dict[str, str]:
    """Checks that a mix is finite and its channels do not cancel; a weak mix or a dead channel is odd."""
    if not np.isfinite(mono).all():
        raise _Flaw("not-finite", "samples that are not finite")
    if len(powers) == 1 or powers.max() <= 10 ** (SILENT_DBFS / 10):
        return {}
    left = max(1e-10, np.square(mono, dtype=np.float64).mean() / powers.mean())
    lost = f"its {len(powers)} channels cancel each other, {-10 * np.log10(left):.0f} dB are lost in the mix"
    if left < CANCELLED:
        raise _Flaw("cancelled", lost)
    if left < WEAKENED:
        return {"weakened": lost}
    dead = int((powers < DEAD * powers.max()).sum())
    return {"dead-channel": f"{dead} of {len(powers)} channels"} if dead else {}
