"""Trains on a corpus that is many times the memory allowed: `python -m tools.large_corpus [--times 10]`.

Two sessions of one run each: on a dozen clips of a second, which tells what Python, torch, the network and
the report take, and under a limit a fifth above that on clips of 25 minutes, as many as make the packed audio
`--times` the limit. They are decoded, packed, held against their digest, trained on and scored; all lies in a
temporary folder below `--folder`, which needs room for the packed audio and 200 MB.

The limit is RLIMIT_DATA: memory that may be written and is the process's own, used or not (VmData). Packs are
mapped to be read: their pages belong to the system, which takes them back when it likes. They count as
resident all the same (VmHWM, ru_maxrss), but not among what is anonymous (RssAnon). Linux only.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from serkit.errors import SerkitError
from serkit.labels import LABELS
from serkit.settings import check

ROOT = Path(__file__).parent.parent
RATE_HZ = 16_000
CLIP_SECONDS = 1500
PARTS = ("train", "validation", "test")
FEWEST = len(LABELS) * len(PARTS)  # a clip of each label in each part
MARGIN = 1.2  # the limit, in times what a training of short clips takes
EVERY_S = 0.02
STUDY = """
title = "A corpus larger than memory"
settled = false
model = { width = 1, weights = "" }
recipe = { epochs = 1, batch_size = 4, max_seconds = 1.0, tail = 1.0 }
corpora.large = { reader = "tables", title = "LARGE", options = { file = "clips.csv" } }
table1.train = [["large"]]
"""


@dataclass(frozen=True)
class Took:
    """What a session took at its peak, in bytes, and in seconds; what it said last."""

    data: int  # VmData, which the limit is of
    anonymous: int  # RssAnon: in memory, and its own
    resident: int  # VmHWM: pages of packs and libraries included
    seconds: float
    packed: int  # bytes of packed samples
    said: str


def write(folder: Path, clips: int, seconds: float) -> Path:
    """A study of a corpus of `clips` clips in a new folder; returns its file.

    A recording for each label, noise at a level of its own; clips are links to these, or copies.
    """
    folder.mkdir()
    random = np.random.default_rng(0)
    for number, label in enumerate(LABELS):
        minute = random.normal(0, 0.02 * (number + 1), 60 * RATE_HZ).clip(-1, 1)
        with soundfile.SoundFile(folder / f"{label}.wav", "w", RATE_HZ, 1, "PCM_16") as file:
            for first in range(0, round(seconds * RATE_HZ), len(minute)):
                file.write(minute[: round(seconds * RATE_HZ) - first])
    with (folder / "clips.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("path", "label", "speaker", "split"))
        for number in range(clips):
            label, part = LABELS[number % len(LABELS)], PARTS[number // len(LABELS) % len(PARTS)]
            _copy(folder / f"{label}.wav", folder / f"{number}.wav")
            table.writerow((f"{number}.wav", label, f"{part}-{number}", part))
    (folder / "large.toml").write_text(STUDY, encoding="utf-8")
    return folder / "large.toml"


def train(study: Path, limit: int | None = None) -> Took:
    """Runs a study that `write` wrote in a process of its own, held to `limit` bytes of data.

    Raises SerkitError: it failed; the message has the end of what it said.
    """
    folder = study.parent
    environment = os.environ | {
        "SERKIT_CACHE": str(folder / "cache"),
        "SERKIT_DATA": str(folder),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "ARROW_DEFAULT_MEMORY_POOL": "system",  # its own sets a gigabyte aside and uses little of it
    }
    called = [sys.executable, "-m", "benchmark", "run", str(study), "-q", "-s", "-p", "no:cacheprovider"]
    limits = (limit or resource.RLIM_INFINITY, resource.getrlimit(resource.RLIMIT_DATA)[1])
    started, peak = time.perf_counter(), {"VmData": 0, "RssAnon": 0, "VmHWM": 0}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = subprocess.Popen(called, cwd=folder, env=environment, stdout=said, stderr=said)
        resource.prlimit(process.pid, resource.RLIMIT_DATA, limits)
        while process.poll() is None:
            for name, now in _memory(process.pid).items():
                peak[name] = max(peak[name], now)
            time.sleep(EVERY_S)
        said.seek(0)
        text = said.read()
    check(process.returncode == 0, f"the training failed:\n{text[-2000:]}")
    packed = sum(path.stat().st_size for path in (folder / "cache").rglob("samples.i16"))
    last = text.strip().splitlines()[-1]
    memory = peak["VmData"], peak["RssAnon"], peak["VmHWM"]
    return Took(*memory, time.perf_counter() - started, packed, last)


def _copy(source: Path, to: Path) -> None:
    try:
        os.link(source, to)
    except OSError:  # a file system without links, or with few to a file
        shutil.copyfile(source, to)


def _memory(process: int) -> dict[str, int]:
    """Bytes by the names of /proc; nothing of a process that has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return {}
    return {name: int(kb) << 10 for name, kb in re.findall(r"(VmData|RssAnon|VmHWM):\s+(\d+) kB", status)}


def show(times: float, folder: Path) -> None:
    """Measures, trains under the limit and prints both. Raises SerkitError: no room, or a training failed."""
    print(f"{os.cpu_count()} cores, {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 1e9:.1f} GB")
    with tempfile.TemporaryDirectory(dir=folder) as made:
        limit = round(MARGIN * _told("a second", train(write(Path(made, "short"), FEWEST, 1.0)), None).data)
        clips = max(FEWEST, math.ceil(times * limit / (2 * RATE_HZ * CLIP_SECONDS)))
        needed, free = 2 * RATE_HZ * CLIP_SECONDS * (clips + len(LABELS)), shutil.disk_usage(made).free
        check(needed < free, f"{folder} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB are needed")
        took = train(write(Path(made, "long"), clips, CLIP_SECONDS), limit)
        _told(f"{CLIP_SECONDS // 60} minutes", took, limit)
        print(f"packed audio: {took.packed / limit:.1f} times the limit")


def _told(length: str, took: Took, limit: int | None) -> Took:
    said = "no limit" if limit is None else f"limit {limit / 1e6:,.0f} MB"
    print(f"clips of {length}, {said}: packed audio {took.packed / 1e6:,.0f} MB; {took.seconds:.0f} s")
    print(f"  own memory {took.data / 1e6:,.0f} MB, of it resident {took.anonymous / 1e6:,.0f} MB;")
    print(f"  resident with mapped files {took.resident / 1e6:,.0f} MB")
    print(f"  {took.said}")
    return took


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.large_corpus", description=__doc__.split("\n")[0])
    parser.add_argument("--times", type=float, default=10.0, help="the packed audio in limits")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="room for it")
    given = parser.parse_args()
    try:
        show(given.times, given.folder)
    except SerkitError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
