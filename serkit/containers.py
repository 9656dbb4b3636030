"""How long an audio file says it is, held against how long it is: libsndfile passes over what differs.

Of a file that was cut off it takes what is there, without a word; of one that was written to a pipe, and
could not know its length, it often takes nothing. `promise` reads the length where the header has it, and
puts the true one in place of what writers put there for *unknown*. It reads where it has to and holds no more
than a block: a recording of ten hours may lie where a clip should.

WAV (RIFF, RIFX, RF64, Wave64), AIFF, CAF, AU and FLAC say their length; the last page of Ogg says that it is
the last; NIST SPHERE counts its samples; MP3 has a length where its encoder left one. Other formats are
refused: nobody could say whether such a file is whole.
"""

import errno
import functools
import re
from collections.abc import Iterator
from io import SEEK_CUR, SEEK_END, SEEK_SET, BufferedReader
from struct import Struct
from typing import Any, NamedTuple

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
BLOCK_BYTES = 1 << 16  # an Ogg page has no more
# An empty tag: for an MP3 without any, libsndfile looks for a file `._` in the current folder.
MP3_TAG = b"ID3\3\0\0\0\0\0\x0a" + bytes(10)


class Promise(NamedTuple):
    """What a file says of its length."""

    lacking: int = 0  # bytes that it promises and does not have
    surplus: int = 0  # bytes behind the samples that it promises, chunks and tags aside
    frames: int | None = None  # samples a channel: 0 where it does not say, None where libsndfile knows


class Content:
    """An open file's bytes as libsndfile gets them: those that `promise` put in place of some, nothing held.

    What libsndfile calls cannot raise: a read that failed is kept in `failed`, and is the last.
    """

    def __init__(self, file: BufferedReader, size: int) -> None:
        """Of an open file with so many bytes."""
        self._file = file
        self._first = 0  # of the file's bytes; negative where others stand before them
        self._put: list[tuple[int, bytes]] = []
        self._at = 0
        self.size = size
        self.failed: OSError | None = None

    def __getitem__(self, part: slice) -> bytes:
        """Bytes one after the other. Raises OSError: they cannot be read, or are no longer there."""
        first, last, _ = part.indices(self.size)
        data = bytearray(max(0, last - first))
        self._fill(memoryview(data), first)
        return bytes(data)

    def _fill(self, into: memoryview, first: int) -> None:
        begin, last = self._first + first, first + len(into)
        behind = into[max(0, -begin) :]
        self._file.seek(max(0, begin))
        if self._file.readinto(behind) < len(behind):
            raise OSError(errno.EIO, "it became shorter while it was read")
        for place, new in self._put:
            if first < place + len(new) and place < last:
                start, end = max(first, place), min(last, place + len(new))
                into[start - first : end - first] = new[start - place : end - place]

    def begin(self, at: int) -> None:
        """Leaves out what is before `at`; where that is negative, so many bytes to be put stand before."""
        self._first, self.size = self._first + at, self.size - at

    def put(self, at: int, new: bytes) -> None:
        """Puts other bytes in place of those from `at` on."""
        self._put.append((at, new))

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        """Stays where it is when a damaged header makes libsndfile seek to before the beginning."""
        at = offset + {SEEK_SET: 0, SEEK_CUR: self._at, SEEK_END: self.size}[whence]
        self._at = at if at >= 0 else self._at
        return self._at

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def readinto(self, into: Any) -> int:
        """Fills a buffer as far as there are bytes, and says how far."""
        count = max(0, min(len(room := memoryview(into)), self.size - self._at))
        try:
            if self.failed is None:
                self._fill(room[:count], self._at)
                self._at += count
                return count
        except OSError as error:
            self.failed = error
        return 0


class _Layout(NamedTuple):
    """A container of chunks, each a name, a size and a content; one chunk holds the samples."""

    size: Struct
    audio: bytes = b"data"  # name of the chunk that holds the samples
    first: int = 12  # where the first chunk begins
    name_bytes: int = 4
    counted: int = 0  # bytes of name and size that a size includes
    lead: int = 0  # bytes before the samples in their chunk
    step: int = 2  # a chunk begins at a multiple of so many bytes

    def walk(self, content: Content, at: int) -> Iterator[tuple[bytes, int, int, int]]:
        """Name, place of the size, beginning of the content and its length, chunk by chunk."""
        for _ in range(MAX_CHUNKS):
            sized = at + self.name_bytes
            start = sized + self.size.size
            if start > content.size:
                return
            length = self.size.unpack(content[sized:start])[0] - self.counted
            yield content[at : at + 4], sized, start, length
            at = start + max(0, length)
            at += -at % self.step

    def surplus(self, content: Content, at: int) -> int:
        """Bytes from here on that are no chunks."""
        end = at
        for name, _, start, length in self.walk(content, at):
            if not re.fullmatch(rb"[ -~]{4}", name) or not 0 <= length <= content.size - start + 1:
                break
            end = start + length
        return max(0, content.size - end)


LAYOUTS = {
    b"RIFF": _Layout(Struct("<I")),
    b"RF64": _Layout(Struct("<I")),
    b"RIFX": _Layout(Struct(">I")),
    b"FORM": _Layout(Struct(">I"), b"SSND", lead=8),
    b"caff": _Layout(Struct(">Q"), first=8, lead=4, step=1),
    b"riff": _Layout(Struct("<Q"), first=40, name_bytes=16, counted=24, step=8),
}
AU_HEADERS = {b".snd": Struct(">II"), b"dns.": Struct("<II")}  # where the samples begin, and their bytes


def promise(content: Content) -> Promise:
    """What a file that `BEGINNINGS` matches says of its length, however damaged it is.

    The content is then as libsndfile shall have it: with its true length in place of an unknown one, without
    what it would take for samples. Raises OSError: it cannot be read.
    """
    tags = 0
    while (begins := content[:4])[:3] == b"ID3" and tags < MAX_CHUNKS:
        end, tags = _end_of_tag(content[:10]), tags + 1
        if not BEGINNINGS.match(content[end : end + 12]):
            break
        content.begin(end)  # libsndfile would count the tag as samples
    if begins in LAYOUTS:
        return _chunks(content, begins)
    if begins in AU_HEADERS:
        return _au(content, AU_HEADERS[begins])
    if begins == b"fLaC":
        word = int.from_bytes(content[18:26], "big")
        frames = word & (1 << 36) - 1
        content.put(18, (word - frames).to_bytes(8, "big"))
        return Promise(frames=frames)
    if begins == b"OggS":
        return Promise(lacking=0 if _ogg_ends(content) else 2)
    if begins == b"NIST":
        count = re.search(rb"sample_count -i (\d{1,18})\s", content[:4096])
        return Promise(frames=int(count[1]) if count else 0)
    counted = re.search(rb"Xing|Info|VBRI", content[: 1 << 16])
    if begins[:3] != b"ID3":
        content.begin(-len(MP3_TAG))
        content.put(0, MP3_TAG)
    return Promise(frames=None if counted else 0)


def _chunks(content: Content, begins: bytes) -> Promise:
    layout = LAYOUTS[begins]
    found = next((chunk for chunk in layout.walk(content, layout.first) if chunk[0] == layout.audio), None)
    if found is None:
        return Promise()
    _, sized, start, length = found
    start, length = start + layout.lead, length - layout.lead
    if is_64 := begins == b"RF64":
        length = int.from_bytes(content[28:36], "little")  # in its first chunk, ds64
    there = max(0, content.size - start)
    if 0 < length < MAX_BYTES:
        surplus = layout.surplus(content, start + length + length % layout.step)
        if begins == b"riff":  # libsndfile takes all that follows for samples
            content.size = min(content.size, start + length)
        return Promise(max(0, length - there), surplus)
    if length == 0 and layout.surplus(content, start) <= FEW_BYTES:
        return Promise()
    content.put(sized, layout.size.pack(there + layout.lead + layout.counted))
    if is_64:  # a clip needs none
        content.put(0, b"RIFF")
        content.put(12, b"JUNK")
    return Promise()


def _au(content: Content, header: Struct) -> Promise:
    start, length = header.unpack(content[4:12].ljust(8, b"\0"))
    if 0 < length < MAX_BYTES:
        behind = content.size - start - length
        return Promise(lacking=max(0, -behind), surplus=max(0, behind))
    content.put(4, header.pack(start, max(0, content.size - start)))
    return Promise()


def _end_of_tag(head: bytes) -> int:
    """Where an ID3 tag ends: its size has seven bits a byte."""
    return 10 + functools.reduce(lambda size, byte: size << 7 | byte & 127, head[6:10], 0)


def _ogg_ends(content: Content) -> bool:
    """Whether the last page is there whole and says that it is the last."""
    for end in range(content.size, 0, -BLOCK_BYTES):
        first = max(0, end - BLOCK_BYTES)
        at = content[first : end + 3].rfind(b"OggS")
        if at >= 0:
            page = content[first + at : first + at + 27 + 255]
            there = content.size - first - at
            return there > 26 and bool(page[5] & 4) and there >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    return False
