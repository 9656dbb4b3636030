"""How long an audio file says it is, held against how long it is: libsndfile passes over what differs.

Of a file that was cut off it takes what is there, without a word; of one that was written to a pipe, and
could not know its length, it often takes nothing. `promise` reads the length where the header has it, and
puts the true one in place of what writers put there for *unknown*.

WAV (RIFF, RIFX, RF64, Wave64), AIFF, CAF, AU and FLAC say their length; the last page of Ogg says that it is
the last; NIST SPHERE counts its samples; MP3 has a length where its encoder left one. Other formats are
refused: nobody could say whether such a file is whole.
"""

import functools
import re
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

FORMATS = "WAV, FLAC, AIFF, CAF, AU, Ogg, MP3 and NIST SPHERE"
# MP3 without a tag begins with a frame of layer II or III: one of layer I may be text in UTF-16.
BEGINNINGS = re.compile(
    rb"(?s:RIF[FX]....WAVE|RF64....WAVE|FORM....AIF[FC])|riff|caff|\.snd|dns\.|fLaC|OggS|NIST_1A"
    rb"|ID3|\xff[\xe2-\xe5\xf2-\xf5\xfa-\xfd]"
)
MAX_BYTES = 1 << 30
"""No clip has more: half an hour in 16-bit stereo at 48 kHz has a third. A greater length says *unknown*:
sox writes 0x7f000000 to AIFF and 0x7ffff000 to WAV, arecord 0x7fffff00, others 0x7fffffff or 0x80000000,
ffmpeg 0xffffffff, and -1 where 64 bits are; a writer that fills it in at the end has 0 there until then."""

MAX_CHUNKS = 1000
FEW_BYTES = 256  # behind the samples: a tag, padding
# An empty tag: for an MP3 without any, libsndfile looks for a file `._` in the current folder.
MP3_TAG = b"ID3\3\0\0\0\0\0\x0a" + bytes(10)


class Promise(NamedTuple):
    """What a file says of its length."""

    data: bytes  # the file, with its true length in place of an unknown one
    lacking: int = 0  # bytes that it promises and does not have
    surplus: int = 0  # bytes behind the samples that it promises, chunks and tags aside
    frames: int | None = None  # samples a channel: 0 where it does not say, None where libsndfile knows


class _Layout(NamedTuple):
    """A container of chunks, each a name, a size and a content; one chunk holds the samples."""

    size: Struct
    audio: bytes = b"data"  # name of the chunk that holds the samples
    first: int = 12  # where the first chunk begins
    name_bytes: int = 4
    counted: int = 0  # bytes of name and size that a size includes
    lead: int = 0  # bytes before the samples in their chunk
    step: int = 2  # a chunk begins at a multiple of so many bytes

    def walk(self, data: bytes, at: int) -> Iterator[tuple[bytes, int, int, int]]:
        """Name, place of the size, beginning of the content and its length, chunk by chunk."""
        for _ in range(MAX_CHUNKS):
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
        return max(0, len(data) - end)


LAYOUTS = {
    b"RIFF": _Layout(Struct("<I")),
    b"RF64": _Layout(Struct("<I")),
    b"RIFX": _Layout(Struct(">I")),
    b"FORM": _Layout(Struct(">I"), b"SSND", lead=8),
    b"caff": _Layout(Struct(">Q"), first=8, lead=4, step=1),
    b"riff": _Layout(Struct("<Q"), first=40, name_bytes=16, counted=24, step=8),
}
AU_HEADERS = {b".snd": Struct(">II"), b"dns.": Struct("<II")}  # where the samples begin, and their bytes


def promise(data: bytes) -> Promise:
    """What a file that `BEGINNINGS` matches says of its length, however damaged it is."""
    while data[:3] == b"ID3" and BEGINNINGS.match(data, end := _end_of_tag(data)):
        data = data[end:]  # libsndfile would count the tag as samples
    begins = data[:4]
    if begins in LAYOUTS:
        return _chunks(data, LAYOUTS[begins])
    if begins in AU_HEADERS:
        return _au(data, AU_HEADERS[begins])
    if begins == b"fLaC":
        word = int.from_bytes(data[18:26], "big")
        frames = word & (1 << 36) - 1
        return Promise(data[:18] + (word - frames).to_bytes(8, "big") + data[26:], frames=frames)
    if begins == b"OggS":
        return Promise(data, lacking=0 if _ogg_ends(data) else 2)
    if begins == b"NIST":
        count = re.search(rb"sample_count -i (\d{1,18})\s", data[:4096])
        return Promise(data, frames=int(count[1]) if count else 0)
    counted = re.search(rb"Xing|Info|VBRI", data[: 1 << 16])
    return Promise(data if begins[:3] == b"ID3" else MP3_TAG + data, frames=None if counted else 0)


def _chunks(data: bytes, layout: _Layout) -> Promise:
    found = next((chunk for chunk in layout.walk(data, layout.first) if chunk[0] == layout.audio), None)
    if found is None:
        return Promise(data)
    _, sized, start, length = found
    start, length = start + layout.lead, length - layout.lead
    if is_64 := data[:4] == b"RF64":
        length = int.from_bytes(data[28:36], "little")  # in its first chunk, ds64
    there = max(0, len(data) - start)
    if 0 < length < MAX_BYTES:
        surplus = layout.surplus(data, start + length + length % layout.step)
        if data[:4] == b"riff":  # libsndfile takes all that follows for samples
            data = data[: start + length]
        return Promise(data, max(0, length - there), surplus)
    if length == 0 and layout.surplus(data, start) <= FEW_BYTES:
        return Promise(data)
    size = layout.size.pack(there + layout.lead + layout.counted)
    data = data[:sized] + size + data[sized + len(size) :]
    if is_64:  # a clip needs none
        data = b"RIFF" + data[4:12] + b"JUNK" + data[16:]
    return Promise(data)


def _au(data: bytes, header: Struct) -> Promise:
    start, length = header.unpack(data[4:12].ljust(8, b"\0"))
    if 0 < length < MAX_BYTES:
        behind = len(data) - start - length
        return Promise(data, lacking=max(0, -behind), surplus=max(0, behind))
    return Promise(data[:4] + header.pack(start, max(0, len(data) - start)) + data[12:])


def _end_of_tag(data: bytes) -> int:
    """Where an ID3 tag ends: its size has seven bits a byte."""
    return 10 + functools.reduce(lambda size, byte: size << 7 | byte & 127, data[6:10], 0)


def _ogg_ends(data: bytes) -> bool:
    """Whether the last page is there whole and says that it is the last."""
    page = data[data.rfind(b"OggS") :]
    return len(page) > 26 and bool(page[5] & 4) and len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
