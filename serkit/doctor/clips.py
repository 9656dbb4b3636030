"""What lies in a corpus's folder, and what the doctor hears: each clip as training gets it, and as it was."""

import hashlib
import os
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from serkit import audio
from serkit.corpora.reading.corpus import Corpus
from serkit.corpora.reading.folder import is_pointer
from serkit.doctor.findings import KINDS, Problem, found, problem
from serkit.errors import AudioError
from serkit.packs import in_threads, length_notes
from serkit.words import many

RATE_HZ = 16_000  # of the paper's front end
STILL_SAMPLES = 320  # 20 ms
SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".aif", ".aiff", ".au", ".sph")
POINTER_BYTES = 1024  # git-lfs's own limit for what may be a pointer


@dataclass(frozen=True)
class Clip:
    """What the doctor keeps of a clip."""

    rate_hz: int = 0  # of the file; 0 where the clip cannot be heard
    channels: int = 0
    samples: int = 0  # its length at RATE_HZ
    digest: bytes = b""  # of its samples, zeros at its ends and sign aside; empty where silent
    odd: Mapping[str, str] = field(default_factory=dict)  # kinds of problem, each with its detail


def hear_all(folder: Path, paths: Sequence[str], title: str) -> dict[str, Clip]:
    """Every clip by its path, heard in threads; progress is shown on stderr where that is a terminal."""
    heard = in_threads(hear, [folder / path for path in paths])
    shown = tqdm(heard, title, len(paths), unit="clip", disable=None, file=sys.stderr)
    return {path: clip.result() for path, clip in zip(paths, shown, strict=True)}


def hear(path: Path) -> Clip:
    """One clip, by the code that packs."""
    try:
        heard = audio.listen(path, RATE_HZ)
    except AudioError as error:
        return Clip(odd={error.kind: error.why})
    samples = heard.samples
    odd = heard.odd | _judged(samples)
    digest = b""
    if "silent" not in odd:
        core = audio.trimmed(samples)
        digest = hashlib.blake2b((core if core[0] > 0 else -core).tobytes(), digest_size=16).digest()
    return Clip(heard.rate_hz, heard.channels, len(samples), digest, odd)


def _judged(samples: np.ndarray) -> dict[str, str]:
    """Kinds of problem that samples tell, each with its detail."""
    odd = {}
    if len(samples) < KINDS["short"]["limit"] * RATE_HZ:
        odd["short"] = f"{len(samples) / RATE_HZ:.3f} s"
    if audio.is_silent(samples):
        return odd | {"silent": ""}
    ends = np.flatnonzero(np.diff(samples, append=~samples[-1:]))
    runs = np.diff(ends, prepend=-1)  # of one value, as in digital silence
    if (share := runs[runs >= STILL_SAMPLES].sum() / len(samples)) >= KINDS["blank"]["limit"]:
        odd["blank"] = f"{share:.0%}"
    if (share := audio.clipped_share(samples)) > KINDS["clipped"]["limit"]:
        odd["clipped"] = f"{share:.0%}"
    wave = samples.astype(np.float32)
    mean = float(wave.mean())
    if 2 * mean**2 > float(wave @ wave) / len(wave):
        odd["offset"] = f"{abs(mean) / audio.FULL_SCALE:.0%} of full scale"
    return odd


def clip_problems(corpus: Corpus, clips: Mapping[str, Clip], module: ModuleType) -> list[Problem]:
    """What is wrong with the clips of a corpus."""
    examples = defaultdict(list)
    for path, clip in clips.items():
        for kind, detail in clip.odd.items():
            examples[kind].append(f"{path} ({detail})" if detail else path)
    values = {"of": len(clips), "folder": corpus.folder, "page": module.PAGE, "dbfs": audio.SILENT_DBFS}
    problems = found(examples, **values)
    whole = {path: clip for path, clip in clips.items() if clip.rate_hz}
    if whole:
        problems += [*_rates(whole, module.RATE_HZ), *_channels(whole, module.CHANNELS)]
    notes = length_notes(np.array([clip.samples for clip in whole.values()]), RATE_HZ)
    return [*problems, *(problem("one-length", len(whole), said=note) for note in notes)]


def _rates(whole: Mapping[str, Clip], delivered: Sequence[int]) -> list[Problem]:
    """Sample rates that are not as delivered, or, where nobody knows that, not as most."""
    rates = Counter(clip.rate_hz for clip in whole.values())
    usual = delivered or [max(rates, key=lambda rate: (rates[rate], rate))]
    text = " or ".join(f"{rate:,}" for rate in usual)
    expected = f"{text} Hz{'' if delivered else ', as most are'}"
    has = ", ".join(f"{number:,} at {rate:,} Hz" for rate, number in sorted(rates.items()))
    examples: dict[str, list[str]] = defaultdict(list)
    for path, clip in whole.items():
        if clip.rate_hz not in usual:
            kind = "low-rate" if clip.rate_hz < RATE_HZ else "sample-rate"
            examples[kind].append(f"{path} ({clip.rate_hz:,} Hz)")
    if not delivered and usual[0] < RATE_HZ:
        examples["low-rate/most"] = list(whole)
    values = {"min_rate_hz": RATE_HZ, "usual": text, "expected": expected, "has": has}
    return found(examples, **values)


def _channels(whole: Mapping[str, Clip], delivered: Sequence[int]) -> list[Problem]:
    """Numbers of channels that are not as delivered, or, where nobody knows that, not as most."""
    channels = Counter(clip.channels for clip in whole.values())
    usual = delivered or [max(channels, key=lambda number: (channels[number], -number))]
    expected = f"{' or '.join(map(str, usual))}{'' if delivered else ', as most have'}"
    other = {path: clip.channels for path, clip in whole.items() if clip.channels not in usual}
    named = [f"{path} ({many(number, 'channel')})" for path, number in other.items()]
    return found({"channels": named}, of=len(whole), expected=expected)


class Walk(NamedTuple):
    """What lies in a folder, as relative posix paths."""

    audio: dict[str, int]  # with its size in bytes
    odd: dict[str, list[str]]  # by kind of problem: AppleDouble files, folders that cannot be listed and why


def walk_through(folder: Path) -> Walk:
    """Walks a corpus's folder, links included (audio often lies on another disk), each folder once."""
    walk = Walk({}, {"closed": [], "apple-double": []})
    seen: set[str] = set()

    def closed(error: OSError) -> None:
        walk.odd["closed"].append(f"{os.path.relpath(error.filename, folder)} ({error.strerror})")

    for top, folders, files in os.walk(folder, followlinks=True, onerror=closed):
        real = os.path.realpath(top)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(top, name)
            relative = path.relative_to(folder).as_posix()
            if name.startswith("._"):
                walk.odd["apple-double"].append(relative)
            elif not name.startswith(".") and path.suffix.lower() in SUFFIXES:
                with suppress(OSError):  # a link to nothing: a clip is then named as missing audio
                    walk.audio[relative] = path.stat().st_size
    return walk


def unknown_audio(walk: Walk, corpus: Corpus) -> tuple[list[str], list[str], int]:
    """Audio that no label knows: beside clips; elsewhere and as large as a clip; how many are elsewhere."""
    known = {*corpus.clips["path"], *corpus.others}
    homes = {PurePosixPath(path).parent for path in known}
    sizes = {walk.audio.get(path) for path in corpus.clips["path"]}
    unknown = [path for path in walk.audio if path not in known]
    among = [path for path in unknown if PurePosixPath(path).parent in homes]
    beyond = [path for path in unknown if PurePosixPath(path).parent not in homes]
    return among, [path for path in beyond if walk.audio[path] in sizes], len(beyond)


def names_only(folder: Path) -> list[Problem]:
    """What can be said without labels."""
    walk = walk_through(folder)
    empty = [path for path, size in walk.audio.items() if size == 0]
    return found({"lfs-pointer": _pointers(folder, walk), "empty": empty} | walk.odd, folder=folder)


def folder_problems(
    corpus: Corpus, walk: Walk, strays: list[str], heard: Mapping[str, Clip]
) -> list[Problem]:
    """What lies in the folder and should not, or does not and should."""
    folder, used = corpus.folder, set(corpus.clips["path"])
    pointers = [path for path in _pointers(folder, walk) if path not in used]
    known = {heard[path].digest for path in used} - {b""}
    extra = [path for path in strays if path not in pointers and heard[path].digest not in known]
    absent = [path for path in corpus.others if path not in walk.audio and not (folder / path).is_file()]
    examples = {"lfs-pointer-unused": pointers, "audio-without-labels": extra, "missing-others": absent}
    return found(examples | walk.odd, folder=folder)


def _pointers(folder: Path, walk: Walk) -> list[str]:
    """git-lfs pointers among the audio."""
    pointers = []
    for path, size in walk.audio.items():
        with suppress(OSError):
            if size <= POINTER_BYTES and is_pointer(folder / path):
                pointers.append(path)
    return pointers
