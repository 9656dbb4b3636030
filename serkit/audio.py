"""One clip of audio: decoded to 16-bit mono at the front end's rate, or refused with its reason.

`decode` reads a clip (libsndfile), mixes it down to mono and resamples it (soxr). A 16-bit source at the
right rate is kept exactly (float32 is int16 / 32768). `unfit` tells which clips say nothing about a room, a
microphone or the quality of speech.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import soundfile
import soxr

from serkit.corpora.folder import is_pointer
from serkit.errors import AudioError

FULL_SCALE = 32768
SILENT_DBFS = -66.0  # dither is at -90 or less, shaped at -80; the faintest of 673 RAVDESS clips at -56
SILENT_FRAME_SAMPLES = 1600  # 100 ms at 16 kHz
CLIPPED_SAMPLES = 8  # at one extreme; in RAVDESS and EmoDB at most 6, in 98 % of the clips one


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
