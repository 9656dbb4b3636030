"""One clip of audio: decoded to 16-bit mono at the front end's rate, or refused with its reason.

`listen` reads a clip (libsndfile), averages its channels and resamples it (soxr), block by block: what it
keeps is the samples that it gives, whatever lies in the file. Packing takes them and the doctor judges them:
what one refuses or lets pass, so does the other. A 16-bit mono source at the right rate is kept exactly
(float32 is int16 / 32768). `unfit` tells which clips say nothing about a room, a microphone or the quality of
speech; docs/acoustics.md has how its limits were chosen.
"""

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

from serkit.containers import BEGINNINGS, FEW_BYTES, FORMATS, MAX_BYTES, Content, Promise, promise
from serkit.corpora.reading.folder import LFS_POINTER
from serkit.errors import AudioError
from serkit.files import open_file

FULL_SCALE = 32768
MAX_SECONDS = 1800  # whoever labels a longer recording means its parts
MIN_RATE_HZ, MAX_RATE_HZ = 1_000, 384_000  # beyond them a header is wrong
BLOCK_SAMPLES = 1 << 18  # read at once: a header with absurd promises takes no memory, nor does a long file
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

    Never waits, and takes no more memory than the samples that it gives, of half an hour at most, and a few
    blocks. Raises AudioError of a kind in `CURES`.
    """
    try:
        with open_file(path, MAX_BYTES) as file:
            return _heard(file, rate_hz)
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


class _Straight(soundfile.SoundFile):
    """Read straight on: soundfile seeks after each read, which FLAC of unknown length cannot."""

    def seekable(self) -> bool:
        return False


def _heard(file: BufferedReader, rate_hz: int) -> Heard:
    begins = file.read(len(LFS_POINTER))
    if not begins:
        raise _Flaw("empty", "an empty file")
    if begins == LFS_POINTER:
        raise _Flaw("lfs-pointer", "a git-lfs pointer, not audio")
    if not BEGINNINGS.match(begins):
        raise _Flaw("unreadable", f"not readable as audio (begins with {begins[:8]!r}, expected {FORMATS})")
    content = Content(file, os.fstat(file.fileno()).st_size)
    header = promise(content)
    try:
        sound, unread = _read(content, header, rate_hz), content.size - content.tell()
    finally:
        if content.failed:
            raise content.failed
    odd = _check_whole(header, sound, unread) | _check_mix(sound)
    if not sound.samples:
        raise _Flaw("empty", f"no sample of it is left at {rate_hz:,} Hz")
    return Heard(np.frombuffer(sound.samples, np.int16), sound.found_hz, len(sound.powers), odd)


@dataclass
class _Sound:
    """What was read of a clip."""

    found_hz: int
    powers: np.ndarray  # float64 [channels], sums of their squares
    promised: int  # samples a channel; 0 where nothing says how many
    samples: bytearray = field(default_factory=bytearray)  # int16 mono, at the rate asked for
    frames: int = 0  # samples a channel that there were
    power: float = 0.0  # of their mix
    finite: bool = True
    failed: str = ""  # what went wrong before the end


def _read(content: Content, header: Promise, rate_hz: int) -> _Sound:
    try:
        file = _Straight(content)
    except soundfile.LibsndfileError:
        if header.lacking:
            raise _Flaw("truncated", "cut off, so that it cannot be opened") from None
        raise
    with file:
        found_hz, promised = file.samplerate, file.frames if header.frames is None else header.frames
        if not MIN_RATE_HZ <= found_hz <= MAX_RATE_HZ:
            raise _Flaw("unreadable", f"not readable as audio (a sample rate of {found_hz:,} Hz)")
        exact = file.subtype == "PCM_16" and file.channels == 1 and found_hz == rate_hz
        sound = _Sound(found_hz, np.zeros(file.channels), promised)
        resampler = None if found_hz == rate_hz else soxr.ResampleStream(found_hz, rate_hz, 1)
        for block in _blocks(file, sound, "int16" if exact else "float32"):
            used = block[: max(0, header.frames - sound.frames + len(block))] if header.frames else block
            if exact:
                sound.samples.extend(used)
            else:
                _mix(block, used, sound, resampler)
    if resampler is not None:  # what it still holds
        sound.samples.extend(_to_16_bit(resampler.resample_chunk(np.empty(0, np.float32), last=True)))
    return sound


def _blocks(file: soundfile.SoundFile, sound: _Sound, dtype: str) -> Iterator[np.ndarray]:
    """All of a file as [samples, channels], whatever its header promises; notes how many and how it ended."""
    room = max(1, BLOCK_SAMPLES // file.channels)
    while not sound.failed:
        block = np.empty((room, file.channels), dtype)
        try:
            got = len(file.read(out=block))
        except soundfile.LibsndfileError as error:
            got, sound.failed = file.tell() - sound.frames, error.error_string
        if got <= 0:
            return
        block = block[:got]
        sound.frames += len(block)
        if sound.frames > MAX_SECONDS * file.samplerate:
            raise _Flaw("too-long", f"longer than {MAX_SECONDS // 60} minutes")
        yield block


def _mix(block: np.ndarray, used: np.ndarray, sound: _Sound, resampler: soxr.ResampleStream | None) -> None:
    """Adds the mean of the channels to what was read of a clip."""
    mono = used[:, 0] if used.shape[1] == 1 else used.mean(axis=1)
    if used.shape[1] > 1:
        sound.powers += np.einsum("ij,ij->j", block, block, dtype=np.float64)
        sound.power += float(np.square(mono, dtype=np.float64).sum())
    sound.finite = sound.finite and bool(np.isfinite(mono).all())
    if sound.finite:
        sound.samples.extend(_to_16_bit(mono if resampler is None else resampler.resample_chunk(mono)))


def _to_16_bit(wave: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(wave * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


def _check_whole(header: Promise, sound: _Sound, unread: int) -> dict[str, str]:
    """Checks that there are as many samples as promised; more than that is odd."""
    n, promised, failed = sound.frames, sound.promised, sound.failed
    if n == 0 and not header.lacking and not failed:
        raise _Flaw("empty", "no samples in it")
    if header.lacking or n < promised or (failed and not promised):
        of = f" of {promised:,}" if promised > n else ""
        raise _Flaw("truncated", f"cut off or damaged after {n:,}{of} samples")
    if header.frames and n > header.frames:
        return {"longer": f"{n:,} samples, {header.frames:,} promised"}
    behind = max(header.surplus, unread)
    return {"longer": f"{behind:,} bytes behind its samples"} if behind > FEW_BYTES else {}


def _check_mix(sound: _Sound) -> dict[str, str]:
    """Checks that a mix is finite and its channels do not cancel; a weak mix or a dead channel is odd."""
    if not sound.finite:
        raise _Flaw("not-finite", "samples that are not finite")
    powers = sound.powers / sound.frames
    if len(powers) == 1 or powers.max() <= 10 ** (SILENT_DBFS / 10):
        return {}
    left = max(1e-10, sound.power / min(sound.frames, sound.promised or sound.frames) / powers.mean())
    lost = f"its {len(powers)} channels cancel each other, {-10 * np.log10(left):.0f} dB are lost in the mix"
    if left < CANCELLED:
        raise _Flaw("cancelled", lost)
    if left < WEAKENED:
        return {"weakened": lost}
    dead = int((powers < DEAD * powers.max()).sum())
    return {"dead-channel": f"{dead} of {len(powers)} channels"} if dead else {}
