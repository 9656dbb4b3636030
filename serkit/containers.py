"""How long an audio file says it is, held against how long it is: libsndfile passes over what differs.

Of a file that was cut off it takes what is there, without a word; of one that was written to a pipe, and
could not know its length, it often takes nothing. `promise` reads the length where the header has it, and
puts the true one in place of what writers put there for *unknown*.

Read: WAV (RIFF, RIFX, RF64, Wave64), AIFF and AIFF-C, CAF, AU and FLAC, which say their length; Ogg, whose
last page says that it is; MP3, where its encoder left word; NIST SPHERE, which counts its samples. Other
formats are not: nobody could say whether such a file is whole.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

FORMATS = "WAV, FLAC, AIFF, CAF, AU, Ogg, MP3 and NIST SPHERE"
BEGINNINGS = re.compile(
    rb"RIF[FX]....WAVE|RF64....WAVE|riff|FORM....AIF[FC]|caff|\.snd|dns\.|fLaC|OggS|ID3|\xff[\xe2-\xe5\xf2-\xf5\xfa-\xfd]|NIST_1A",
    re.DOTALL,
)
"""MP3 without a tag begins with a frame of layer II or III: one of layer I may be text in UTF-16."""

MOST_BYTES = 1 << 30
"""No clip has more: half an hour in 16-bit stereo at 48 kHz has a third. A greater length says *unknown*:
sox writes 0x7f000000 to AIFF and 0x7ffff000 to WAV, arecord 0x7fffff00, others 0x7fffffff or 0x80000000,
ffmpeg 0xffffffff, and -1 where 64 bits are; who fills it in at the end has 0 there until then."""

MOST_CHUNKS = 1000
FEW_BYTES = 256  # behind the samples: a tag, padding
MP3_TAG = b"ID3\3\0\0\0\0\0\x0a" + bytes(10)
"""An empty one: of an MP3 without any, libsndfile looks for a part in a file `._` in the current folder."""


@dataclass(frozen=True)
class Promise:
    """What a file says of its length.

    Attributes:
        data: the file, with its true length in place of an unknown one.
        lacking: bytes that it promises and does not have.
        surplus: bytes behind the samples that it promises, chunks and tags aside.
        frames: samples a channel that it promises; 0 where it does not say, None where libsndfile knows.
    """

    data: bytes
    lacking: int = 0
    surplus: int = 0
    frames: int | None = None


@dataclass(frozen=True)
class _Chunks:
    """A container of chunks, each a name, a size and a content; one holds the samples.

    Attributes:
        size: how a size is written.
        audio: name of the chunk that holds the samples.
        first: where the first chunk stands.
        name_bytes: of a name.
        counted: bytes of name and size that a size counts.
        lead: bytes before the samples in their chunk.
        step: a chunk begins at a multiple of so many bytes.
    """

    size: struct.Struct
    audio: bytes = b"data"
    first: int = 12
    name_bytes: int = 4
    counted: int = 0
    lead: int = 0
    step: int = 2

    def walk(self, data: bytes, at: int) -> Iterator[tuple[bytes, int, int, int]]:
        """Name, place of the size, beginning of the content and its length, chunk by chunk."""
        for _ in range(MOST_CHUNKS):
            sized = at + self.name_bytes
            start = sized + self.size.size
            if start > len(data):
                return
            length = self.size.unpack_from(data, sized)[0] - self.counted
            yield data[at : at + 4], sized, start, length
            at = start + max(0, length)
            at += -at % self.step

    def surplus(self, data: bytes, at: int) -> int:
        """Bytes from here on that are no chunks."""
        end = at
        for name, _, start, length in self.walk(data, at):
            if not re.fullmatch(rb"[ -~]{4}", name) or not 0 <= length <= len(data) - start + 1:
                break
            end = start + length
        return _surplus(data, end)


_CHUNKS = {
    b"RIFF": _Chunks(struct.Struct("<I")),
    b"RF64": _Chunks(struct.Struct("<I")),
    b"RIFX": _Chunks(struct.Struct(">I")),
    b"FORM": _Chunks(struct.Struct(">I"), b"SSND", lead=8),
    b"caff": _Chunks(struct.Struct(">Q"), first=8, lead=4, step=1),
    b"riff": _Chunks(struct.Struct("<Q"), first=40, name_bytes=16, counted=24, step=8),
}


def promise(data: bytes) -> Promise:
    """What a file says of its length; any bytes may be given."""
    while data[:3] == b"ID3" and BEGINNINGS.match(data, tagged := 10 + _seven_bits(data[6:10])):
        data = data[tagged:]  # libsndfile would count its bytes as samples
    begins = data[:4]
    if begins == b"fLaC":
        total = int.from_bytes(data[21:26].ljust(5), "big") & (1 << 36) - 1
        return Promise(
            data[:21] + bytes([*(byte & 0xF0 for byte in data[21:22])] + [0] * 4) + data[26:], frames=total
        )
    if begins in (b".snd", b"dns."):
        return _au(data)
    if begins == b"OggS":
        return Promise(data, lacking=0 if _ogg_ends(data) else 2)
    if begins[:3] == b"ID3" or begins[:1] == b"\xff":
        told = re.search(rb"Xing|Info|VBRI", data[: 1 << 16])
        return Promise(data if begins[:3] == b"ID3" else MP3_TAG + data, frames=None if told else 0)
    if begins == b"NIST":
        count = re.search(rb"sample_count -i (\d{1,18})\s", data[:4096])
        return Promise(data, frames=int(count[1]) if count else 0)
    return _chunks(data, _CHUNKS[begins]) if begins in _CHUNKS else Promise(data)


def _chunks(data: bytes, kind: _Chunks) -> Promise:
    found = next((chunk for chunk in kind.walk(data, kind.first) if chunk[0] == kind.audio), None)
    if found is None:
        return Promise(data)
    _, sized, start, length = found
    start, length = start + kind.lead, length - kind.lead
    if is_64 := data[:4] == b"RF64":
        length = int.from_bytes(data[28:36], "little")  # in its first chunk, ds64
    there = max(0, len(data) - start)
    if 0 < length < MOST_BYTES:
        surplus = kind.surplus(data, start + length + length % kind.step)
        if data[:4] == b"riff":  # of which libsndfile takes all that follows for samples
            data = data[: start + length]
        return Promise(data, max(0, length - there), surplus)
    if length == 0 and kind.surplus(data, start) == 0:
        return Promise(data)
    size = kind.size.pack(there + kind.lead + kind.counted)
    data = data[:sized] + size + data[sized + len(size) :]
    if is_64:  # a clip needs none
        data = b"RIFF" + data[4:12] + b"JUNK" + data[16:]
    return Promise(data)


def _au(data: bytes) -> Promise:
    order = ">" if data[:1] == b"." else "<"
    start, length = struct.unpack(f"{order}II", data[4:12].ljust(8, b"\0"))
    if 0 < length < MOST_BYTES:
        return Promise(data, max(0, start + length - len(data)), _surplus(data, start + length))
    return Promise(data[:8] + struct.pack(f"{order}I", max(0, len(data) - start)) + data[12:])


def _seven_bits(size: bytes) -> int:
    """The size of a tag: seven bits a byte."""
    return sum((byte & 127) << 7 * place for place, byte in enumerate(reversed(size)))


def _ogg_ends(data: bytes) -> bool:
    """Whether the last page is there whole and says that it is the last."""
    page = data[data.rfind(b"OggS") :]
    lengths = page[27 : 27 + page[26]] if len(page) > 26 else b""
    return len(page) > 26 and bool(page[5] & 4) and len(page) >= 27 + len(lengths) + sum(lengths)


def _surplus(data: bytes, end: int) -> int:
    behind = len(data) - end
    return behind if behind > FEW_BYTES else 0
