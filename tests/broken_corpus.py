"""A corpus in which everything is wrong that can be: a clip for each kind, generated, and what is to be said.

`KINDS` maps a clip's name to how it is made and the kind of problem that the doctor has to find; empty where
there is nothing wrong with it, whatever it looks like. `docs/corpora.md` lists them.
"""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from serkit.containers import MAX_BYTES
from serkit.corpora.reading.corpus import Corpus, table
from serkit.labels import LABELS

RATE_HZ = 16_000
SECONDS = 0.8


def speech(seed: int, seconds: float = SECONDS) -> np.ndarray:
    """Noise at a tenth of full scale, int16: no two seeds alike."""
    wave = np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE_HZ))
    return (wave.clip(-0.9, 0.9) * 32767).astype(np.int16)


def file(
    wave: np.ndarray,
    suffix: str = "WAV",
    subtype: str = "PCM_16",
    rate_hz: int = RATE_HZ,
    endian: str = "FILE",
) -> bytes:
    """An audio file's bytes."""
    content = io.BytesIO()
    soundfile.write(content, wave, rate_hz, format=suffix, subtype=subtype, endian=endian)
    return content.getvalue()


def patched(content: bytes, place: int, value: bytes) -> bytes:
    """The bytes with others in their place."""
    return content[:place] + value + content[place + len(value) :]


def flac_of(content: bytes, samples: int) -> bytes:
    """A FLAC file that promises so many samples."""
    word = int.from_bytes(content[18:26], "big") >> 36 << 36 | samples
    return patched(content, 18, word.to_bytes(8, "big"))


def archive() -> bytes:
    """A zip file with a clip in it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        packed.writestr("clip.wav", file(speech(1)))
    return content.getvalue()


def _bytes(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def _hole(path: Path) -> None:
    with path.open("wb") as opened:
        opened.truncate(MAX_BYTES + 1)


WAV, FLAC = file(speech(2)), file(speech(3), "FLAC")
AIFF, AU, CAF = file(speech(4), "AIFF"), file(speech(5), "AU"), file(speech(6), "CAF")
RF64, W64, NIST = file(speech(7), "RF64"), file(speech(8), "W64"), file(speech(9), "NIST")
RIFX = file(speech(10), endian="BIG")
OGG, OPUS = file(speech(11, 3), "OGG", "VORBIS"), file(speech(12, 3), "OGG", "OPUS")
MP3 = file(speech(13), "MP3", "MPEG_LAYER_III")
FLOAT = speech(14) / 32768
DATA = CAF.index(b"data")
LONG = np.zeros(1801 * 1000, np.int16)
LOST = np.where(np.arange(len(FLOAT)) == 99, np.nan, FLOAT)
BEYOND = np.where(np.arange(len(FLOAT)) == 99, np.inf, FLOAT)
SHOUT = (speech(15).astype(int) * 20).clip(-32768, 32767).astype(np.int16)
BOTH = np.stack([speech(16), speech(17)], axis=1)

KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    # no file, or none that may be read
    "no file": (lambda path: None, "missing-audio"),
    "link to nothing": (lambda path: path.symlink_to("nothing"), "missing-audio"),
    "link to itself": (lambda path: path.symlink_to(path.name), "unreadable"),
    "folder": (Path.mkdir, "unreadable"),
    "named pipe": (os.mkfifo, "unreadable"),
    "socket": (lambda path: os.mknod(path, stat.S_IFSOCK | 0o600), "unreadable"),
    "endless device": (lambda path: path.symlink_to("/dev/zero"), "unreadable"),
    "disk that fails": (lambda path: path.symlink_to("/proc/self/mem"), "unreadable"),
    "more than a gigabyte": (_hole, "too-long"),
    # a file, but no audio
    "empty file": (Path.touch, "empty"),
    "git-lfs pointer": (
        _bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:01\nsize 9\n"),
        "lfs-pointer",
    ),
    "web page": (_bytes(b"<!DOCTYPE html><html>404 not found</html>"), "unreadable"),
    "text": (_bytes(b"hello\n" * 99), "unreadable"),
    "zeros": (_bytes(bytes(5000)), "unreadable"),
    "random bytes": (_bytes(np.random.default_rng(0).bytes(5000)), "unreadable"),
    "zip archive": (_bytes(archive()), "unreadable"),
    "pickle": (_bytes(b"\x80\x04cos\nsystem\n(S'true'\ntR."), "unreadable"),
    "MP4": (_bytes(b"\0\0\0\x20ftypM4A " + bytes(500)), "unreadable"),
    "VOC": (_bytes(file(speech(18), "VOC")), "unreadable"),
    "half a byte order": (_bytes(b"RIFF"), "unreadable"),
    # a header that cannot be
    "cut in its header": (_bytes(WAV[:30]), "unreadable"),
    "no format chunk": (_bytes(WAV[:12] + WAV[36:]), "unreadable"),
    "no data chunk": (_bytes(WAV[:36]), "unreadable"),
    "unknown codec": (_bytes(patched(WAV, 20, b"\x99\x99")), "unreadable"),
    "no channels": (_bytes(patched(WAV, 22, b"\0\0")), "unreadable"),
    "rate of 0": (_bytes(patched(WAV, 24, bytes(4))), "unreadable"),
    "rate of 1": (_bytes(patched(WAV, 24, b"\1\0\0\0")), "unreadable"),
    "rate of 2 GHz": (_bytes(patched(WAV, 24, b"\xff\xff\xff\x7f")), "unreadable"),
    # too little
    "no samples": (_bytes(file(speech(19)[:0])), "empty"),
    "no samples, a tag behind": (_bytes(file(speech(19)[:0]) + b"LIST\4\0\0\0INFO"), "empty"),
    "one sample at 48 kHz": (_bytes(file(speech(19)[:1], rate_hz=48_000)), "empty"),
    "cut WAV": (_bytes(WAV[:9000]), "truncated"),
    "WAV without its last four bytes": (_bytes(WAV[:-4]), "truncated"),
    "cut RIFX": (_bytes(RIFX[:9000]), "truncated"),
    "cut RF64": (_bytes(RF64[:9000]), "truncated"),
    "cut Wave64": (_bytes(W64[:9000]), "truncated"),
    "cut AIFF": (_bytes(AIFF[:9000]), "truncated"),
    "cut CAF": (_bytes(CAF[:9000]), "truncated"),
    "cut AU": (_bytes(AU[:9000]), "truncated"),
    "cut NIST": (_bytes(NIST[:9000]), "truncated"),
    "cut FLAC": (_bytes(FLAC[:9000]), "truncated"),
    "cut FLAC of unknown length": (_bytes(flac_of(FLAC, 0)[:9000]), "truncated"),
    "cut Ogg Vorbis": (_bytes(OGG[: len(OGG) * 2 // 3]), "truncated"),
    "cut Opus": (_bytes(OPUS[: len(OPUS) * 2 // 3]), "truncated"),
    "cut MP3": (_bytes(MP3[: len(MP3) // 2]), "truncated"),
    "FLAC with a flipped byte": (_bytes(patched(FLAC, 9000, bytes([FLAC[9000] ^ 255]))), "truncated"),
    "Ogg with a hole": (_bytes(patched(OGG, len(OGG) // 2, bytes(400))), "truncated"),
    "FLAC that promises a sample more": (_bytes(flac_of(FLAC, round(SECONDS * RATE_HZ) + 1)), "truncated"),
    "FLAC that promises 2^36 samples": (_bytes(flac_of(FLAC, 2**36 - 1)), "truncated"),
    # too much
    "half an hour": (_bytes(file(LONG, "FLAC", rate_hz=1000)), "too-long"),
    "WAV with more than it promises": (_bytes(patched(WAV, 40, b"\0\x58\0\0")), "longer"),
    "FLAC with more than it promises": (_bytes(flac_of(FLAC, 12_000)), "longer"),
    # a length that was not known: nothing is wrong
    "WAV of length 0": (_bytes(patched(file(speech(20)), 40, bytes(4))), ""),
    "WAV of length 2^32 - 1": (_bytes(patched(file(speech(21)), 40, b"\xff\xff\xff\xff")), ""),
    "WAV as sox pipes it": (_bytes(patched(file(speech(22)), 40, b"\0\xf0\xff\x7f")), ""),
    "AU of length -1": (_bytes(patched(file(speech(23), "AU"), 8, b"\xff\xff\xff\xff")), ""),
    "CAF of length -1": (_bytes(patched(file(speech(24), "CAF"), DATA + 4, b"\xff" * 8)), ""),
    "FLAC of length 0": (_bytes(flac_of(file(speech(25), "FLAC"), 0)), ""),
    # samples that say nothing, or not what they should
    "not a number": (_bytes(file(LOST, "WAV", "FLOAT")), "not-finite"),
    "infinite": (_bytes(file(BEYOND, "WAV", "FLOAT")), "not-finite"),
    "channels that cancel": (_bytes(file(np.stack([speech(26), -speech(26)], axis=1))), "cancelled"),
    "channels that cancel in part": (
        _bytes(file(np.stack([speech(35), -speech(35) // 3 * 2], axis=1))),
        "weakened",
    ),
    "channel without sound": (_bytes(file(np.stack([speech(27), 0 * speech(27)], axis=1))), "dead-channel"),
    "silence": (_bytes(file(0 * speech(28))), "silent"),
    "silence with dither": (_bytes(file(speech(28) // 2000)), "silent"),
    "silence with an offset": (_bytes(file(0 * speech(28) + np.int16(900))), "silent"),
    "half of it zero": (_bytes(file(np.where(np.arange(12_800) < 6400, 0, speech(29)))), "blank"),
    "every other 25 ms zero": (
        _bytes(file(np.where(np.arange(12_800) // 400 % 2, 0, speech(36)))),
        "blank",
    ),
    "saturated": (_bytes(file(SHOUT)), "clipped"),
    "saturated, then made softer": (_bytes(file(SHOUT // 5)), "clipped"),
    "offset": (_bytes(file(speech(30) // 4 + np.int16(9000))), "offset"),
    "shorter than 32 frames": (_bytes(file(speech(31)[:5000])), "short"),
    "8 kHz": (_bytes(file(speech(32), rate_hz=8_000)), "low-rate"),
    "48 kHz": (_bytes(file(speech(33, 2.4), rate_hz=48_000)), "sample-rate"),
    "stereo": (_bytes(file(BOTH)), "channels"),
    # the same again
    "an original": (_bytes(file(speech(34))), ""),
    "its copy as FLAC": (_bytes(file(speech(34), "FLAC")), "duplicate"),
    "its copy upside down": (_bytes(file(-speech(34))), "duplicate"),
    "its copy with silence around": (_bytes(file(np.pad(speech(34), 2000))), "duplicate"),
}
UNHEARD = frozenset(
    "missing-audio lfs-pointer empty unreadable too-long truncated not-finite cancelled".split()
)
"""Kinds of problem with which a clip cannot be packed."""


def build(folder: Path) -> Corpus:
    """Makes the corpus: a clip of each kind, tested and trained on alike, of a speaker of its own."""
    clips = folder / "clips"
    clips.mkdir(parents=True)
    rows = []
    for i, (name, (make, _)) in enumerate(KINDS.items()):
        make(clips / f"{name}.wav")
        copies = KINDS[name][1] == "duplicate" or name == "an original"
        row = {"path": f"clips/{name}.wav", "label": LABELS[i % 4], "speaker": f"s{i}", "split": "test"}
        rows.append(row | ({"label": "sad", "speaker": "s"} if copies else {}))
    return Corpus("broken", folder, "1", table(rows, "Broken"))
