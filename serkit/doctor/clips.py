"""What the doctor hears: every clip as training gets it, and what it was before."""

from __future__ import annotations

import hashlib
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
from tqdm import tqdm

from serkit import audio
from serkit.corpora.reading.corpus import Corpus
from serkit.doctor.findings import FEW, MANY, NOTE, UNFIT, Problem, found, n_of
from serkit.errors import AudioError

RATE_HZ = 16_000  # of the front end that the paper has
LEAST_RATE_HZ = 16_000
LEAST_SECONDS = 31 * 320 / 16_000  # 32 centred frames at CNN14's hop
STILL_SAMPLES = 320  # 20 ms
BLANK_SHARE = 0.45  # RAVDESS clips have up to 0.44 at their ends
SATURATED_SHARE = 0.01
LOUD = 0.01  # of full scale; below it few values are left, so many samples are at the highest
CLIPS_AT_ONCE = 256


@dataclass(frozen=True)
class Clip:
    """What the doctor keeps of a clip.

    Attributes:
        fault: the kind of problem where it cannot be heard, else empty.
        why: what is wrong then.
        rate_hz: of the file.
        channels: of the file.
        seconds: its length.
        silent: nothing can be heard.
        still: share of it in which the sound stands still for 20 ms, as digital silence does.
        saturated: share of its samples at exactly its highest or lowest value.
        offset: its mean, as a share of full scale, where that is stronger than its sound; else 0.
        digest: of its samples, silence at its ends and sign aside; empty where silent.
        odd: kinds of problem that the samples cannot tell, each with its detail.
    """

    fault: str = ""
    why: str = ""
    rate_hz: int = 0
    channels: int = 0
    seconds: float = 0.0
    silent: bool = False
    still: float = 0.0
    saturated: float = 0.0
    offset: float = 0.0
    digest: bytes = b""
    odd: dict[str, str] = field(default_factory=dict)


def hear(path: Path) -> Clip:
    """One clip, by the code that packs."""
    try:
        heard = audio.listen(path, RATE_HZ)
    except AudioError as error:
        return Clip(error.kind, error.why)
    samples = heard.samples
    silent = audio.is_silent(samples)
    return Clip(
        rate_hz=heard.rate_hz,
        channels=heard.channels,
        seconds=len(heard.source) / heard.rate_hz,
        silent=silent,
        still=_still(samples),
        saturated=0.0 if silent else _saturated(heard.source),
        offset=0.0 if silent else _offset(samples),
        digest=b"" if silent else _digest(samples),
        odd=heard.odd,
    )


def hear_all(folder: Path, paths: Sequence[str], title: str) -> Iterator[Clip]:
    """Clips in order, heard in threads (libsndfile and hashing release the interpreter's lock)."""
    with (
        ThreadPoolExecutor(max_workers=os.cpu_count()) as threads,
        tqdm(total=len(paths), desc=title, unit="clip", disable=None, file=sys.stderr) as bar,
    ):
        for start in range(0, len(paths), CLIPS_AT_ONCE):  # bounds what an interruption waits for
            for clip in threads.map(hear, [folder / path for path in paths[start : start + CLIPS_AT_ONCE]]):
                bar.update()
                yield clip


def _still(samples: np.ndarray) -> float:
    ends = np.flatnonzero(np.diff(samples, append=~samples[-1:]))
    runs = np.diff(ends, prepend=-1)
    return float(runs[runs >= STILL_SAMPLES].sum() / len(samples))


def _saturated(source: np.ndarray) -> float:
    full = audio.FULL_SCALE if source.dtype == np.int16 else 1
    wave = source if source.dtype == np.int16 else source.clip(-1, 1)
    if max(wave.max(), -float(wave.min())) < LOUD * full:
        return 0.0
    at = audio.at_extremes(wave)
    return sum(at) / len(wave) if max(at) >= audio.CLIPPED_SAMPLES else 0.0


def _offset(samples: np.ndarray) -> float:
    wave = samples.astype(np.float32)
    mean = float(wave.mean())
    return abs(mean) / audio.FULL_SCALE if 2 * mean**2 > float(wave @ wave) / len(wave) else 0.0


def _digest(samples: np.ndarray) -> bytes:
    sounding = samples != 0
    core = samples[sounding.argmax() : len(samples) - sounding[::-1].argmax()]
    return hashlib.blake2b((core if core[0] > 0 else -core).tobytes(), digest_size=16).digest()


def clip_problems(corpus: Corpus, clips: Sequence[Clip], module: ModuleType) -> list[Problem]:
    """What is wrong with the clips of a corpus, kind by kind."""
    pairs = list(zip(corpus.clips["path"], clips, strict=True))
    whole = [(path, clip) for path, clip in pairs if not clip.fault]
    of = f" of {len(pairs):,}"
    problems = []
    for kind, (what, todo) in FAULTS.items():
        here = [f"{path} ({clip.why})" for path, clip in pairs if clip.fault == kind]
        todo = todo.format(page=module.PAGE, folder=corpus.folder)
        problems += found(kind, UNFIT, f"{what}: {{n clips}}{of}; {todo}", here)
    return [
        *problems,
        *_rates_and_channels(whole, module),
        *_one_length(whole),
        *_sounds(whole, len(pairs)),
    ]


FAULTS = {
    "lfs-pointer": (
        "git-lfs pointers in place of audio",
        "expected audio: install git-lfs and run 'git lfs pull' in {folder}",
    ),
    "missing-audio": (
        "labels without audio",
        "expected a file for each: unpack or copy the corpus again ({page})",
    ),
    "empty": ("nothing inside", "expected audio: fetch or unpack them again"),
    "unreadable": ("not decodable", "expected audio: fetch or unpack them again, or make them readable"),
    "truncated": (
        "cut off or damaged before the end that the header promises",
        "expected whole files: fetch or unpack them again",
    ),
    "not-finite": (
        "samples that are not finite numbers",
        "expected none: fetch them again, or convert them again from the source",
    ),
    "cancelled": (
        "channels that cancel each other",
        "expected speech in their mean, which is what is used: keep one channel, or turn one over",
    ),
    "too-long": ("too long for a clip", "expected half an hour at most: cut them into clips"),
}
"""What each of `audio.CURES` is, of several clips, and what to do."""


def _sounds(whole: Sequence[tuple[str, Clip]], n: int) -> list[Problem]:
    """What is to be heard, or not; above a share, it is no longer the corpus but the copy."""

    def heard(kind: str, share: float, text: str, here: list[str]) -> list[Problem]:
        above = "" if share == 1 else f"; above {share:.0%} of the clips the copy counts as damaged"
        return found(kind, NOTE if len(here) <= share * n else UNFIT, f"{text}{above}", here)

    def those(text: Callable[[Clip], str | bool]) -> list[str]:
        said = ((path, text(clip)) for path, clip in whole)
        return [path if text is True else f"{path} ({text})" for path, text in said if text]

    of = f"{{n clips}} of {n:,}"
    return [
        *heard(
            "silent",
            FEW,
            f"silent (no tenth of a second reaches {audio.SILENT_DBFS:.0f} dBFS): {of}; expected speech:"
            " listen to them. They are used as they are",
            those(lambda clip: clip.silent),
        ),
        *heard(
            "blank",
            FEW,
            f"digital silence, or another constant, for {BLANK_SHARE:.0%} of its length or more: {of};"
            " expected speech: listen to them, and fetch them again where it was lost",
            those(lambda clip: not clip.silent and clip.still >= BLANK_SHARE and f"{clip.still:.0%}"),
        ),
        *heard(
            "clipped",
            MANY,
            f"more than {SATURATED_SHARE:.0%} of the samples at exactly the highest or lowest value, where"
            f" peaks were cut off: {of}; expected fewer: compare with the source whether they were recorded"
            " so or made too loud by a conversion",
            those(lambda clip: clip.saturated > SATURATED_SHARE and f"{clip.saturated:.0%}"),
        ),
        *heard(
            "offset",
            MANY,
            f"a constant offset that is stronger than the sound: {of}; expected next to none: the recording"
            " or its conversion is at fault, take the mean off",
            those(lambda clip: clip.offset > 0 and f"{clip.offset:.0%} of full scale"),
        ),
        *heard(
            "dead-channel",
            1,
            f"channels without sound beside one that has some: {of}; expected sound in each: mixed down, the"
            " clip is softer than its sound, nothing to do if all are",
            those(lambda clip: clip.odd.get("dead-channel", "")),
        ),
        *heard(
            "weakened",
            MANY,
            f"channels that cancel each other in part: {of}; expected little lost in their mean, which is"
            " what is used: listen to them, one channel may be upside down",
            those(lambda clip: clip.odd.get("weakened", "")),
        ),
        *heard(
            "longer",
            1,
            f"more in the file than its header promises: {of}; expected as much: what is promised is used,"
            " fetch them again",
            those(lambda clip: clip.odd.get("longer", "")),
        ),
        *heard(
            "short",
            1,
            f"shorter than {LEAST_SECONDS:.2f} s: {of}; expected the 32 frames that CNN14 takes at least:"
            " they are padded, nothing to do",
            those(lambda clip: clip.seconds < LEAST_SECONDS and f"{clip.seconds:.3f} s"),
        ),
    ]


def _rates_and_channels(whole: Sequence[tuple[str, Clip]], module: ModuleType) -> list[Problem]:
    """Held against what was delivered, or, where nobody knows that, against what most clips have."""
    rates, channels = (Counter(getattr(clip, what) for _, clip in whole) for what in ("rate_hz", "channels"))
    if not whole:
        return []
    usual_hz = module.RATE_HZ or (max(rates, key=lambda rate: (rates[rate], rate)),)
    usual = module.CHANNELS or (max(channels, key=lambda number: (channels[number], -number)),)
    odd = [(path, clip) for path, clip in whole if clip.rate_hz not in usual_hz]
    low = [f"{path} ({clip.rate_hz:,} Hz)" for path, clip in odd if clip.rate_hz < LEAST_RATE_HZ]
    other = [f"{path} ({clip.rate_hz:,} Hz)" for path, clip in odd if clip.rate_hz >= LEAST_RATE_HZ]
    delivered = " or ".join(f"{rate:,}" for rate in usual_hz)
    has = ", ".join(f"{number:,} at {rate:,} Hz" for rate, number in sorted(rates.items()))
    expected = f"expected {delivered} Hz{'' if module.RATE_HZ else ', as most are'}"
    narrow = [] if module.RATE_HZ or usual_hz[0] >= LEAST_RATE_HZ else [path for path, _ in whole]
    return [
        *found(
            "low-rate",
            UNFIT,
            f"sample rate below {LEAST_RATE_HZ:,} Hz: {{n clips}} ({has}); {expected}: the upper band is lost"
            " for good, fetch the delivered audio",
            low,
        ),
        *found(
            "low-rate",
            NOTE,
            f"most clips are at {delivered} Hz ({has}); expected {LEAST_RATE_HZ:,} Hz or more: if the corpus"
            " was recorded so, its upper band is empty, say so where you show results",
            narrow,
        ),
        *found(
            "sample-rate",
            NOTE,
            f"another sample rate: {{n clips}} ({has}); {expected}: this copy was converted, or the corpus is"
            " odd there; clips are resampled anyway, say so where you show results",
            other,
        ),
        *found(
            "channels",
            NOTE,
            f"another number of channels: {{n clips}} of {len(whole):,}; expected"
            f" {' or '.join(map(str, usual))}{'' if module.CHANNELS else ', as most have'}: this copy was"
            " converted, or the corpus is odd there; clips are mixed down anyway, nothing to do",
            [
                f"{path} ({n_of(clip.channels, 'channel')})"
                for path, clip in whole
                if clip.channels not in usual
            ],
        ),
    ]


def _one_length(whole: Sequence[tuple[str, Clip]]) -> list[Problem]:
    """Speech is never all of one length, to the sample."""
    lengths = {clip.seconds for _, clip in whole}
    if len(whole) < 2 or len(lengths) > 1:
        return []
    text = (
        f"every clip lasts exactly {lengths.pop():.2f} s: this copy was cut or padded, it is no original;"
        " results on it are to say so"
    )
    return [Problem("one-length", NOTE, text, len(whole))]
