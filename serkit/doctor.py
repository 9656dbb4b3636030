"""The doctor: looks at a copy of a corpus as it lies on the disk, and names everything that is wrong with it.

`examine` finds the corpus, reads its labels, walks its folder and decodes every clip once (streamed, so in
bounded memory); it prints nothing and raises nothing that the copy causes. `render` makes text of it.

A problem is *unfit* where results on the copy would be wrong or could not be had, and a *note* where they can
be had and mean what they say, but somebody should know.

| kind | severity | what, and why so |
|---|---|---|
| missing | unfit | no folder looks like the corpus (`Examination.missing`); nothing else is examined |
| not-read | unfit | the reader refuses or fails; names and sizes are still checked, audio is not decoded |
| lfs-pointer | unfit | a clone without git-lfs: text in place of audio |
| lfs-pointer-unused | note | the same for audio that the study does not use |
| missing-audio | unfit | labels whose audio is not there: the corpus cannot be packed |
| empty, unreadable | unfit | no samples, or not decodable: the corpus cannot be packed |
| truncated | unfit | cut off or damaged inside: speech ends early, in WAV without any error |
| not-finite | unfit | NaN or infinite samples: they would spread to every weight |
| low-rate | unfit | below 16 kHz where more was delivered: the upper band is gone for good |
| sample-rate, channels | note | not as delivered, but clips are resampled and mixed down anyway |
| one-length | note | every clip lasts exactly as long: cut or padded, no original |
| silent | note | peak at or below -60 dBFS: published corpora have a few |
|  | unfit | more than 1 % of the clips: a bad copy |
| short | note | fewer than 32 frames, CNN14's least: padded |
| clipped | note | more than 1 % of a clip's samples at full scale: usually recorded so |
| duplicate-leak | unfit | same samples in two splits or folds: tested on what was trained on |
| duplicate-contradiction | unfit | same samples with two labels or speakers: one of them is wrong |
| duplicate | note | same samples twice within one part, alike in label and speaker: counted twice |
| duplicate-stray | note | a copy of a clip under a name that the table does not use: left out |
| speaker-overlap | unfit | speakers on both sides of a split or fold |
|  | note | split by clip (§2.1, CREMA-D), or up to 1 % of a delivered split's test clips: not to be mended |
| empty-part | unfit | no test clips |
|  | note | no training or validation clips: the corpus can only be tested on |
| counts | note | not the published counts |
|  | unfit | a published group is absent, or more than 1 % of the clips are off |
| audio-without-labels | note | audio among the clips that no label knows: not used |
| missing-others | note | audio that the labels know, the study does not use, and is not there |
| apple-double | note | `._*` files that unzipping on another system leaves; readers pass over them |

Speakers called `Unknown` are never compared. Silent clips are never duplicates of each other. Audio in
folders where no clip lies (IEMOCAP's dialogues, CREMA-D's MP3s) is delivered so and is no problem; it is
decoded only where a file has exactly the size of some clip, to find copies.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import sys
import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import numpy as np
import soundfile
from tabulate import tabulate
from tqdm import tqdm

from serkit import audio, corpora
from serkit.corpora.folder import is_pointer
from serkit.corpora.table import PARTS, UNKNOWN_SPEAKER, Corpus
from serkit.errors import CorpusMissing, SerkitError, SpecError
from serkit.specs import LABELS

UNFIT, NOTE = "unfit", "note"
EXAMPLES = 5
WIDTH = 100
FEW = 0.01  # share up to which published corpora themselves are found odd
SILENCE = 1e-3  # peak of -60 dBFS: 33 steps of 16 bits, below the noise of any of the corpora's rooms
FULL_SCALE = 1 - 2**-15
CLIPPED_SHARE = 0.01
LEAST_SECONDS = 31 * 320 / 16_000  # 32 centred frames at CNN14's hop
LEAST_RATE_HZ = 16_000
NOT_A_PERSON = {"", UNKNOWN_SPEAKER}
SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".aif", ".aiff", ".au", ".sph")
POINTER_BYTES = 1024  # git-lfs's own limit for what may be a pointer
BLOCK_FRAMES = 1 << 16
CLIPS_AT_ONCE = 256


@dataclass(frozen=True)
class Problem:
    """One kind of thing found.

    Attributes:
        kind: short name, as in the module's header.
        severity: `unfit` or `note`.
        message: what was found, what was expected, what to do.
        count: how many.
        examples: up to five of them, paths relative to the corpus's folder.
    """

    kind: str
    severity: str
    message: str
    count: int = 1
    examples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Count:
    """Clips of one label in one group.

    Attributes:
        group: a split, `fold 0`, `fold 1`, ..., a speaker with a published count, or `*` for all.
        label: one of the four, or `*` for all.
        found: in this copy.
        published: None where nothing is published.
    """

    group: str
    label: str
    found: int
    published: int | None = None

    @property
    def differs(self) -> bool:
        """Whether a published count is not what was found."""
        return self.published is not None and self.published != self.found


@dataclass(frozen=True)
class Examination:
    """What the doctor found.

    Attributes:
        name: the reader's name.
        title: the corpus's name as written in tables.
        page: where to read how to get it.
        options: the reader's options, defaults filled in, sorted pairs.
        folder: the corpus's folder; None where missing.
        version: what the reader recognised; empty where it could not read.
        clips: clips in the table.
        hours: of audio, decoded.
        counts: class x split or fold, beside what is published.
        elsewhere: audio files in folders where no clip lies.
        notes: the reader's own.
        problems: unfit ones first.
    """

    name: str
    title: str
    page: str
    options: tuple[tuple[str, Any], ...] = ()
    folder: Path | None = None
    version: str = ""
    clips: int = 0
    hours: float = 0.0
    counts: tuple[Count, ...] = ()
    elsewhere: int = 0
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def missing(self) -> bool:
        """Whether nothing was found that looks like the corpus."""
        return any(problem.kind == "missing" for problem in self.problems)

    @property
    def fit(self) -> bool:
        """Whether results on this copy can be had and mean what they say."""
        return all(problem.severity != UNFIT for problem in self.problems)


def examine(name: str, data: Path | None, options: Mapping[str, Any] | None = None) -> Examination:
    """Examines one corpus. Progress is shown on stderr where that is a terminal.

    Args:
        name: a key of `serkit.corpora.READERS`.
        data: the folder to look in (`$SERKIT_DATA`).
        options: the reader's options; defaults for what is left out.

    Raises:
        SpecError: unknown reader or option. Nothing that the copy itself causes is raised.
    """
    filled = corpora.checked_options(name, options or {})
    module = corpora.reader(name)
    about: dict[str, Any] = dict(
        name=name, title=module.TITLE, page=module.PAGE, options=tuple(sorted(filled.items()))
    )
    folder: Path | None = None
    try:
        found = corpora.find(name, data, filled)
        folder = found.folder
        corpus = corpora.read(name, found, filled)
    except SpecError:
        raise
    except CorpusMissing as error:
        return Examination(**about, problems=(Problem("missing", UNFIT, str(error)),))
    except SerkitError as error:
        problems = [Problem("not-read", UNFIT, str(error)), *(_names_only(folder) if folder else [])]
        return Examination(**about, folder=folder, problems=tuple(problems))
    facts = module.facts(corpus, **filled)
    walk = _walk(corpus.folder)
    known = set(corpus.clips["path"]) | set(corpus.others)
    strays, copies, elsewhere = _unknown(walk, corpus, known)
    paths = [*corpus.clips["path"], *strays, *copies]
    heard = dict(zip(paths, _listen_to(corpus.folder, paths, module.TITLE), strict=True))
    clips = [heard[path] for path in corpus.clips["path"]]
    counts = _counts(corpus, facts)
    problems = [
        *_audio_problems(corpus, clips, module),
        *_duplicates(corpus, heard),
        *_speakers(corpus),
        *_parts(corpus),
        *_count_problems(counts, facts),
        *_folder_problems(corpus, walk, known, strays, heard),
    ]
    return Examination(
        **about,
        folder=corpus.folder,
        version=corpus.version,
        clips=len(clips),
        hours=sum(clip.seconds for clip in clips) / 3600,
        counts=tuple(counts),
        elsewhere=elsewhere,
        notes=corpus.notes,
        problems=tuple(sorted(problems, key=lambda problem: problem.severity != UNFIT)),
    )


def render(examination: Examination) -> str:
    """The examination as text for a terminal, without a newline at its end."""
    if examination.missing:
        return f"{examination.title}: missing\n" + _indented("  ", examination.problems[0].message)
    n_notes = sum(problem.severity == NOTE for problem in examination.problems)
    n_unfit = len(examination.problems) - n_notes
    verdict = f"UNFIT ({_n(n_unfit, 'reason')})" if n_unfit else "fit"
    if n_notes:
        verdict += f", {_n(n_notes, 'note')}"
    lines = [f"{examination.title}: {verdict}"]
    if examination.folder is not None:
        lines.append(f"  folder   {examination.folder}")
    options = ", ".join(f"{option} {value}" for option, value in examination.options if value is not None)
    if options:
        lines.append(f"  options  {options}")
    if examination.version:
        lines.append(f"  version  {examination.version}")
    if examination.clips:
        lines.append(f"  audio    {_n(examination.clips, 'clip')}, {examination.hours:.2f} hours")
    if examination.elsewhere:
        lines.append(f"           {_n(examination.elsewhere, 'file')} more in folders where no clip lies")
    if examination.counts:
        lines += ["", *_render_counts(examination.counts)]
    if examination.notes:
        lines += ["", "Notes", *(_indented("  - ", note) for note in examination.notes)]
    if examination.problems:
        lines += ["", "Problems"]
        for problem in examination.problems:
            severity = problem.severity.upper() if problem.severity == UNFIT else problem.severity
            lines.append(_indented("  - ", f"{severity} {problem.kind}: {problem.message}"))
            lines += [f"      {example}" for example in problem.examples]
            if problem.count > len(problem.examples) > 0:
                lines.append(f"      and {problem.count - len(problem.examples)} more")
    return "\n".join(lines)


def _indented(start: str, text: str) -> str:
    """The text in lines of the terminal's usual width, paths unbroken."""
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _render_counts(counts: Sequence[Count]) -> list[str]:
    by_group: dict[str, dict[str, Count]] = defaultdict(dict)
    for count in counts:
        by_group[count.group][count.label] = count
    columns = [*LABELS, "*"]
    rows, agreeing, is_single = [], 0, False
    for group, row in by_group.items():
        if is_single and not any(count.differs for count in row.values()):
            agreeing += len(row)
            continue
        cells = [_cell(row[label]) if label in row else "" for label in columns]
        rows.append(["all" if group == "*" else group, *cells])
        is_single |= group == "*"  # what follows is published speaker by speaker: shown only where it differs
    headers = ["", *LABELS, "all"]
    table = tabulate(rows, headers, disable_numparse=True, colalign=("left", *["right"] * len(columns)))
    lines = [f"  {line}" for line in table.splitlines()]
    if any(count.published is not None for count in counts):
        lines.append("  found / published, ! where they differ")
    if agreeing:
        lines.append(f"  {_n(agreeing, 'published count')} of single speakers agree")
    return lines


def _cell(count: Count) -> str:
    if count.published is None:
        return str(count.found)
    return f"{'! ' if count.differs else ''}{count.found} / {count.published}"


def _n(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _found(kind: str, severity: str, message: str, examples: Sequence[str]) -> list[Problem]:
    """The problem, or none where there is no example of it.

    Args:
        kind: of the problem.
        severity: of the problem.
        message: in it, `{n clips}` becomes `1 clip`, `2 clips`, ...
        examples: all of them.
    """
    if not examples:
        return []
    text = re.sub(r"\{n (\w+)s\}", lambda found: _n(len(examples), found[1]), message)
    return [Problem(kind, severity, text, len(examples), tuple(examples[:EXAMPLES]))]


# The folder


@dataclass(frozen=True)
class _Walk:
    """What lies in a folder, as relative posix paths: audio with its size in bytes, and AppleDouble files."""

    audio: dict[str, int] = field(default_factory=dict)
    apple: list[str] = field(default_factory=list)


def _walk(folder: Path) -> _Walk:
    """Walks a corpus's folder, links included (audio often lies on another disk), each folder once."""
    found = _Walk()
    seen: set[tuple[int, int]] = set()
    for top, folders, files in os.walk(folder, followlinks=True):
        try:
            here = os.stat(top)
        except OSError:
            folders.clear()
            continue
        if (here.st_dev, here.st_ino) in seen:
            folders.clear()
            continue
        seen.add((here.st_dev, here.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(top, name)
            relative = path.relative_to(folder).as_posix()
            if name.startswith("._"):
                found.apple.append(relative)
            elif not name.startswith(".") and path.suffix.lower() in SUFFIXES:
                try:
                    found.audio[relative] = path.stat().st_size
                except OSError:  # a link to nothing: a clip is then named as missing audio
                    continue
    return found


def _unknown(walk: _Walk, corpus: Corpus, known: set[str]) -> tuple[list[str], list[str], int]:
    """Audio that no label knows.

    Returns:
        files in folders where clips lie; files elsewhere that have exactly the size of some clip, so may be
        copies; how many files lie elsewhere.
    """
    homes = {PurePosixPath(path).parent for path in known}
    sizes = {walk.audio.get(path) for path in corpus.clips["path"]}
    unknown = [path for path in walk.audio if path not in known]
    among = [path for path in unknown if PurePosixPath(path).parent in homes]
    beyond = [path for path in unknown if PurePosixPath(path).parent not in homes]
    return among, [path for path in beyond if walk.audio[path] in sizes], len(beyond)


def _is_pointer(path: Path, size: int) -> bool:
    if size > POINTER_BYTES:
        return False
    try:
        return is_pointer(path)
    except OSError:
        return False


def _apple_double(walk: _Walk) -> list[Problem]:
    return _found(
        "apple-double",
        NOTE,
        "AppleDouble files (._*), left by unzipping on another system: {n files}; expected none: readers"
        " pass over them, delete them at will",
        walk.apple,
    )


def _pointers(folder: Path, used: bool, paths: Sequence[str]) -> list[Problem]:
    return _found(
        "lfs-pointer" if used else "lfs-pointer-unused",
        UNFIT if used else NOTE,
        f"git-lfs pointers in place of audio{'' if used else ' that the study does not use'}: {{n files}};"
        f" expected audio: install git-lfs and run 'git lfs pull' in {folder}",
        paths,
    )


def _empty(paths: Sequence[str]) -> list[Problem]:
    return _found(
        "empty", UNFIT, "nothing inside: {n files}; expected audio: fetch or unpack them again", paths
    )


def _names_only(folder: Path) -> list[Problem]:
    """What can be said without labels: by names and sizes."""
    walk = _walk(folder)
    pointers = [path for path, size in walk.audio.items() if _is_pointer(folder / path, size)]
    return [
        *_pointers(folder, True, pointers),
        *_empty([path for path, size in walk.audio.items() if size == 0]),
        *_apple_double(walk),
    ]


def _folder_problems(
    corpus: Corpus, walk: _Walk, known: set[str], strays: Sequence[str], heard: Mapping[str, _Heard]
) -> list[Problem]:
    used = set(corpus.clips["path"])
    pointers = [
        path
        for path, size in walk.audio.items()
        if path not in used and _is_pointer(corpus.folder / path, size)
    ]
    originals = {heard[path].digest for path in used if heard[path].comparable}
    without_labels = [
        path
        for path in strays
        if path not in pointers and not (heard[path].comparable and heard[path].digest in originals)
    ]
    absent = [
        path for path in corpus.others if path not in walk.audio and not (corpus.folder / path).is_file()
    ]
    return [
        *_pointers(corpus.folder, False, pointers),
        *_found(
            "audio-without-labels",
            NOTE,
            "audio among the clips that no label knows and that copies none of them: {n files}; expected"
            " none: they are not used, restore the labels or the names, or move them out",
            without_labels,
        ),
        *_found(
            "missing-others",
            NOTE,
            "audio that the labels know, the study does not use, and is not there: {n files}; expected it:"
            " unpack or copy the corpus again for other uses, nothing to do for this study",
            absent,
        ),
        *_apple_double(walk),
    ]


# The audio


@dataclass(frozen=True)
class _Heard:
    """What listening to a file gave; `fault` is the kind of problem where it cannot be heard to its end."""

    fault: str = ""
    why: str = ""
    rate_hz: int = 0
    channels: int = 0
    frames: int = 0
    finite: bool = True
    peak: float = 0.0
    clipped: float = 0.0
    digest: bytes = b""

    @property
    def seconds(self) -> float:
        return self.frames / self.rate_hz if self.rate_hz else 0.0

    @property
    def comparable(self) -> bool:
        """Whether equal digests mean the same recording: heard whole, and more than silence."""
        return not self.fault and self.finite and self.peak > SILENCE


def _listen_to(folder: Path, paths: Sequence[str], title: str) -> Iterator[_Heard]:
    """Listens to files in order, in threads (libsndfile and hashing release the interpreter's lock)."""
    with (
        ThreadPoolExecutor(max_workers=os.cpu_count()) as threads,
        tqdm(total=len(paths), desc=title, unit="clip", disable=None, file=sys.stderr) as bar,
    ):
        for start in range(0, len(paths), CLIPS_AT_ONCE):  # bounds what an interruption waits for
            chunk = [folder / path for path in paths[start : start + CLIPS_AT_ONCE]]
            for heard in threads.map(_listen, chunk):
                bar.update()
                yield heard


def _listen(path: Path) -> _Heard:
    """Decodes one file from start to end, a block at a time."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return _Heard("missing-audio")
    except OSError as error:
        return _Heard("unreadable", error.strerror or type(error).__name__)
    if size == 0:
        return _Heard("empty")
    if _is_pointer(path, size):
        return _Heard("lfs-pointer")
    frames = full = promised = 0
    lowest = highest = 0.0
    digest = hashlib.blake2b(digest_size=16)
    try:
        lacking = audio.lacking_bytes(path)
        with soundfile.SoundFile(path) as file:
            promised, rate_hz, channels = file.frames, file.samplerate, file.channels
            lossy = file.format in ("MP3", "OGG")  # these estimate their length
            digest.update(bytes([channels]))
            while len(block := file.read(BLOCK_FRAMES, dtype="float32", always_2d=True)):
                frames += len(block)
                low, high = float(block.min()), float(block.max())
                if max(-low, high) >= FULL_SCALE:
                    full += int(np.count_nonzero(np.abs(block) >= FULL_SCALE))
                lowest, highest = min(lowest, low), max(highest, high)
                if not (math.isfinite(low) and math.isfinite(high)):
                    lowest = -np.inf  # stays: `min` would lose a NaN
                digest.update(block.tobytes())
    except Exception as error:  # whatever a damaged file makes a decoder raise is a finding
        why = str(error).rpartition(": ")[2] or type(error).__name__
        if promised:  # it opens: a compressed file that was cut off fails in its last block
            return _Heard("truncated", f"{promised:,} samples promised, then: {why}")
        return _Heard("unreadable", why)
    if frames == 0:
        return _Heard("empty")
    about: dict[str, Any] = dict(rate_hz=rate_hz, channels=channels, frames=frames)
    if lacking > 1:  # one: a missing pad byte
        return _Heard("truncated", f"{lacking:,} of its bytes are not there", **about)
    if frames < promised and not lossy:
        return _Heard("truncated", f"{frames:,} of {promised:,} samples", **about)
    return _Heard(
        **about,
        finite=math.isfinite(lowest),
        peak=max(-lowest, highest),
        clipped=full / (frames * channels),
        digest=digest.digest(),
    )


def _audio_problems(corpus: Corpus, clips: Sequence[_Heard], module: ModuleType) -> list[Problem]:
    paths = list(corpus.clips["path"])
    pairs = list(zip(paths, clips, strict=True))
    whole = [(path, clip) for path, clip in pairs if not clip.fault]
    by_fault: dict[str, list[str]] = defaultdict(list)
    for path, clip in pairs:
        by_fault[clip.fault].append(f"{path} ({clip.why})" if clip.why else path)
    of = f" of {len(paths):,}"
    silent = [path for path, clip in whole if clip.finite and clip.peak <= SILENCE]
    return [
        *_pointers(corpus.folder, True, by_fault["lfs-pointer"]),
        *_found(
            "missing-audio",
            UNFIT,
            f"labels without audio: {{n clips}}{of}; expected a file for each: unpack or copy the corpus"
            f" again ({module.PAGE})",
            by_fault["missing-audio"],
        ),
        *_empty(by_fault["empty"]),
        *_found(
            "unreadable",
            UNFIT,
            f"not decodable: {{n clips}}{of}; expected audio: fetch or unpack them again",
            by_fault["unreadable"],
        ),
        *_found(
            "truncated",
            UNFIT,
            f"cut off or damaged before the end that the header promises: {{n clips}}{of}; expected whole"
            " files: fetch or unpack them again",
            by_fault["truncated"],
        ),
        *_found(
            "not-finite",
            UNFIT,
            f"samples that are not finite numbers: {{n clips}}{of}; expected none: fetch them again, or"
            " convert them again from the source",
            [path for path, clip in whole if not clip.finite],
        ),
        *_rates_and_channels(whole, of, module),
        *_one_length(whole),
        *_found(
            "silent",
            NOTE if len(silent) <= FEW * len(paths) else UNFIT,
            f"silent (peak at or below -60 dBFS): {{n clips}}{of}; expected speech: listen to them. They are"
            f" used as they are; above {FEW:.0%} of the clips the copy counts as damaged, fetch it again",
            silent,
        ),
        *_found(
            "short",
            NOTE,
            f"shorter than {LEAST_SECONDS:.2f} s: {{n clips}}{of}; expected the 32 frames that CNN14 takes"
            " at least: they are padded, nothing to do",
            [f"{path} ({clip.seconds:.3f} s)" for path, clip in whole if clip.seconds < LEAST_SECONDS],
        ),
        *_found(
            "clipped",
            NOTE,
            f"more than {CLIPPED_SHARE:.0%} of the samples at full scale or beyond: {{n clips}}{of};"
            " expected fewer: compare with the source whether they were recorded so or made too loud by a"
            " conversion",
            [f"{path} ({clip.clipped:.0%})" for path, clip in whole if clip.clipped > CLIPPED_SHARE],
        ),
    ]


def _rates_and_channels(whole: Iterable[tuple[str, _Heard]], of: str, module: ModuleType) -> list[Problem]:
    rates: list[str] = []
    low: list[str] = []
    channels: list[str] = []
    for path, clip in whole:
        if module.RATE_HZ and clip.rate_hz not in module.RATE_HZ:
            (low if clip.rate_hz < LEAST_RATE_HZ else rates).append(f"{path} ({clip.rate_hz:,} Hz)")
        if module.CHANNELS and clip.channels not in module.CHANNELS:
            channels.append(f"{path} ({_n(clip.channels, 'channel')})")
    delivered = " or ".join(f"{rate:,}" for rate in module.RATE_HZ)
    return [
        *_found(
            "low-rate",
            UNFIT,
            f"sample rate below {LEAST_RATE_HZ:,} Hz: {{n clips}}{of}; expected {delivered} Hz: the upper"
            " band is lost for good, fetch the delivered audio",
            low,
        ),
        *_found(
            "sample-rate",
            NOTE,
            f"another sample rate: {{n clips}}{of}; expected {delivered} Hz: this copy was converted, or the"
            " corpus is odd there; clips are resampled anyway, say so where you show results",
            rates,
        ),
        *_found(
            "channels",
            NOTE,
            f"another number of channels: {{n clips}}{of}; expected"
            f" {' or '.join(map(str, module.CHANNELS))}: this copy was converted, or the corpus is odd"
            " there; clips are mixed down anyway, nothing to do",
            channels,
        ),
    ]


# What the table says, held against the audio and against itself


def _one_length(whole: Sequence[tuple[str, _Heard]]) -> list[Problem]:
    """Speech is never all of one length, to the sample."""
    lengths = {clip.seconds for _, clip in whole}
    if len(whole) < 2 or len(lengths) > 1:
        return []
    text = (
        f"every clip lasts exactly {lengths.pop():.2f} s: this copy was cut or padded, it is no original;"
        " results on it are to say so"
    )
    return [Problem("one-length", NOTE, text, len(whole))]


def _duplicates(corpus: Corpus, heard: Mapping[str, _Heard]) -> list[Problem]:
    """Files with the same decoded samples, whatever their container and name."""
    rows = {row.path: row for row in corpus.clips.itertuples(index=False)}
    groups: dict[bytes, list[str]] = defaultdict(list)
    for path, clip in heard.items():
        if clip.comparable:
            groups[clip.digest].append(path)
    found: dict[str, list[str]] = defaultdict(list)
    for paths in groups.values():
        used = [path for path in paths if path in rows]
        found["duplicate-stray"] += [f"{path} = {used[0]}" for path in paths if path not in rows and used]
        if len(used) < 2:
            continue
        labels = {str(rows[path].label) for path in used}
        speakers = {str(rows[path].speaker) for path in used} - NOT_A_PERSON
        if corpus.validation_fold:
            parts = {f"fold {rows[path].fold}" for path in used}
        else:
            parts = {str(rows[path].split) for path in used} & set(PARTS)
        if len(parts) > 1:
            kind, differing = "duplicate-leak", sorted(parts)
        elif len(labels) > 1 or len(speakers) > 1:
            kind, differing = "duplicate-contradiction", sorted(labels if len(labels) > 1 else speakers)
        else:
            kind, differing = "duplicate", []
        apart = f" ({', '.join(differing)})" if differing else ""
        more = f" = {len(used) - EXAMPLES} more" if len(used) > EXAMPLES else ""
        found[kind].append(" = ".join(used[:EXAMPLES]) + more + apart)
    return [
        *_found(
            "duplicate-leak",
            UNFIT,
            "the same samples in different splits or folds: {n recordings}; expected each once, since a"
            " model would be tested on what it was trained on: fetch the corpus again, or remove the wrong"
            " name",
            found["duplicate-leak"],
        ),
        *_found(
            "duplicate-contradiction",
            UNFIT,
            "the same samples under different labels or speakers: {n recordings}; expected each once, since"
            " at most one of the names is right: fetch the corpus again, or remove the wrong name",
            found["duplicate-contradiction"],
        ),
        *_found(
            "duplicate",
            NOTE,
            "the same samples under different names, with one label and speaker, in one part:"
            " {n recordings}; expected each once: it counts more than once, say so where you show results",
            found["duplicate"],
        ),
        *_found(
            "duplicate-stray",
            NOTE,
            "copies of a clip under a name or in a folder that the table does not use: {n files}; expected"
            " each recording once: they are left out, delete them or fetch what should lie there",
            found["duplicate-stray"],
        ),
    ]


def _speakers(corpus: Corpus) -> list[Problem]:
    """Speakers on both sides of a split, fold by fold."""
    speakers = corpus.clips["speaker"].to_numpy()
    found: dict[str, str] = {}
    leaking, tested = 0, 0
    for fold in range(corpus.n_folds):
        rows = {part: corpus.part(fold, part) for part in PARTS}
        sides = {part: set(speakers[rows[part]]) - NOT_A_PERSON for part in PARTS}
        where = f", fold {fold}" if corpus.validation_fold else ""
        for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
            for speaker in sorted(sides[one] & sides[other]):
                found.setdefault(speaker, f"speaker {speaker} ({one} and {other}{where})")
        seen = sides["train"] | sides["validation"]
        leaking += sum(speaker in seen for speaker in speakers[rows["test"]])
        tested += len(rows["test"])
    if corpus.split_by_clip:
        severity, expected = NOTE, "expected here, because the split is by clip and not by speaker"
    else:
        tolerated = not corpus.validation_fold and leaking <= FEW * tested
        severity = NOTE if tolerated else UNFIT
        expected = "expected none: restore the delivered labels"
    return _found(
        "speaker-overlap",
        severity,
        f"on both sides of a split: {{n speakers}}, with {leaking:,} of {tested:,} test clips; {expected}",
        list(found.values()),
    )


def _parts(corpus: Corpus) -> list[Problem]:
    lacking: dict[str, list[str]] = defaultdict(list)
    for fold in range(corpus.n_folds):
        for part in PARTS:
            if len(corpus.part(fold, part)) == 0:
                lacking[part].append(f"fold {fold}: {part}" if corpus.validation_fold else part)
    return [
        *_found(
            "empty-part",
            UNFIT,
            "no test clips: {n parts}; expected some in each: unpack the whole corpus",
            lacking["test"],
        ),
        *_found(
            "empty-part",
            NOTE,
            "no training or validation clips: {n parts}; expected some in each, or a corpus that is only"
            " tested on",
            lacking["train"] + lacking["validation"],
        ),
    ]


def _counts(corpus: Corpus, facts: Mapping[tuple[str, str], int]) -> list[Count]:
    """Clips by class and split or fold, all together, and whatever else is published."""
    clips = corpus.clips
    if corpus.validation_fold:
        by_part = clips["fold"].map(lambda fold: f"fold {fold}")
        order = [f"fold {fold}" for fold in range(corpus.n_folds)]
    else:
        by_part = clips["split"]
        order = [*PARTS, *sorted(set(by_part) - set(PARTS))]
    tally: Counter[tuple[str, str]] = Counter()
    for column in (by_part, clips["speaker"]):
        tally.update(zip(column, clips["label"], strict=True))
        tally.update((group, "*") for group in column)
    tally.update(("*", label) for label in clips["label"])
    tally["*", "*"] = len(clips)
    cells = [(group, label) for group in [*order, "*"] for label in [*LABELS, "*"]]
    cells += [cell for cell in facts if cell not in cells]
    return [Count(*cell, tally[cell], facts.get(cell)) for cell in cells]


def _count_problems(counts: Sequence[Count], facts: Mapping[tuple[str, str], int]) -> list[Problem]:
    different = [count for count in counts if count.differs]
    if not different:
        return []
    whole = facts.get(("*", "*")) or sum(facts.values())
    off = max(abs(count.found - (count.published or 0)) for count in different)
    absent = any(count.found == 0 for count in different)
    examples = [
        f"{'all' if count.group == '*' else count.group}, {'all' if count.label == '*' else count.label}:"
        f" {count.found:,}, published {count.published:,}"
        for count in different
    ]
    return _found(
        "counts",
        UNFIT if absent or off > FEW * whole else NOTE,
        f"other than published: {{n counts}}, by up to {_n(off, 'clip')}; expected the published ones: clips"
        " are missing, added or labelled otherwise, compare with the delivered corpus",
        examples,
    )
