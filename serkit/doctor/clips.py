"""What the doctor hears: every clip as training gets it, and what it was before."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
from tqdm import tqdm

from serkit import audio
from serkit.corpora.reading.corpus import Corpus
from serkit.doctor.findings import KINDS, Problem, found, problem
from serkit.errors import AudioError
from serkit.packs import ONE_LENGTH, in_threads, of_one_length
from serkit.words import many

RATE_HZ = 16_000  # of the paper's front end
STILL_SAMPLES = 320  # 20 ms


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
    return dict(zip(paths, shown, strict=True))


def hear(path: Path) -> Clip:
    """One clip, by the code that packs."""
    try:
        heard = audio.listen(path, RATE_HZ)
    except AudioError as error:
        return Clip(odd={error.kind: error.why})
    samples = heard.samples
    judged = _judged(samples)
    digest = b"" if "silent" in judged else _digest(samples)
    return Clip(heard.rate_hz, heard.channels, len(samples), digest, heard.odd | judged)


def _judged(samples: np.ndarray) -> dict[str, str]:
    """Kinds of problem that samples tell, each with its detail."""
    odd = {}
    if len(samples) < KINDS["short"]["limit"] * RATE_HZ:
        odd["short"] = f"{len(samples) / RATE_HZ:.3f} s"
    if audio.is_silent(samples):
        return odd | {"silent": ""}
    if (share := _still_share(samples)) >= KINDS["blank"]["limit"]:
        odd["blank"] = f"{share:.0%}"
    if (share := audio.clipped_share(samples)) > KINDS["clipped"]["limit"]:
        odd["clipped"] = f"{share:.0%}"
    wave = samples.astype(np.float32)
    mean = float(wave.mean())
    if 2 * mean**2 > float(wave @ wave) / len(wave):
        odd["offset"] = f"{abs(mean) / audio.FULL_SCALE:.0%} of full scale"
    return odd


def _still_share(samples: np.ndarray) -> float:
    """The share of a clip in which one value stands for 20 ms or more, as in digital silence."""
    ends = np.flatnonzero(np.diff(samples, append=~samples[-1:]))
    runs = np.diff(ends, prepend=-1)
    return float(runs[runs >= STILL_SAMPLES].sum() / len(samples))


def _digest(samples: np.ndarray) -> bytes:
    core = audio.trimmed(samples)
    return hashlib.blake2b((core if core[0] > 0 else -core).tobytes(), digest_size=16).digest()


def clip_problems(corpus: Corpus, clips: Mapping[str, Clip], module: ModuleType) -> list[Problem]:
    """What is wrong with the clips of a corpus."""
    examples = defaultdict(list)
    for path, clip in clips.items():
        for kind, detail in clip.odd.items():
            examples[kind].append(f"{path} ({detail})" if detail else path)
    values = {"of": len(clips), "folder": corpus.folder, "page": module.PAGE, "dbfs": audio.SILENT_DBFS}
    problems = [problem for kind, of in examples.items() for problem in found(kind, of, **values)]
    whole = {path: clip for path, clip in clips.items() if clip.rate_hz}
    if whole:
        problems += [*_rates(whole, module.RATE_HZ), *_channels(whole, module.CHANNELS)]
    lengths = np.array([clip.samples for clip in whole.values()])
    if of_one_length(lengths):
        said = ONE_LENGTH.format(seconds=lengths[0] / RATE_HZ)
        problems.append(problem("one-length", len(lengths), said=said))
    return problems


def _rates(whole: Mapping[str, Clip], delivered: Sequence[int]) -> list[Problem]:
    """Sample rates that are not as delivered, or, where nobody knows that, not as most."""
    rates = Counter(clip.rate_hz for clip in whole.values())
    usual = delivered or [max(rates, key=lambda rate: (rates[rate], rate))]
    text = " or ".join(f"{rate:,}" for rate in usual)
    values = {
        "min_rate_hz": RATE_HZ,
        "usual": text,
        "expected": f"{text} Hz{'' if delivered else ', as most are'}",
        "has": ", ".join(f"{number:,} at {rate:,} Hz" for rate, number in sorted(rates.items())),
    }
    other = [(path, clip.rate_hz) for path, clip in whole.items() if clip.rate_hz not in usual]
    low = [f"{path} ({rate:,} Hz)" for path, rate in other if rate < RATE_HZ]
    high = [f"{path} ({rate:,} Hz)" for path, rate in other if rate >= RATE_HZ]
    recorded_low = [] if delivered or usual[0] >= RATE_HZ else list(whole)
    return [
        *found("low-rate", low, **values),
        *found("low-rate/most", recorded_low, **values),
        *found("sample-rate", high, **values),
    ]


def _channels(whole: Mapping[str, Clip], delivered: Sequence[int]) -> list[Problem]:
    """Numbers of channels that are not as delivered, or, where nobody knows that, not as most."""
    channels = Counter(clip.channels for clip in whole.values())
    usual = delivered or [max(channels, key=lambda number: (channels[number], -number))]
    expected = f"{' or '.join(map(str, usual))}{'' if delivered else ', as most have'}"
    other = [
        f"{path} ({many(clip.channels, 'channel')})"
        for path, clip in whole.items()
        if clip.channels not in usual
    ]
    return found("channels", other, of=len(whole), expected=expected)
