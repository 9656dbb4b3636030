"""Clips to the network's door: packed samples and whole batches, beside a data loader that decodes files.

Both give log-mel of the same made clips (2 to 11 s, cropped to 10 s), as the network takes it, with 0 % and
with 100 % of them augmented:

    serkit       `Loader.load` of shuffled batches out of packed int16, as in training
    data loader  `tools.speed.stock`: decode, resample, crop and augment in N processes; torchlibrosa's
                 log-mel and the masks in this process, on the device

The files are 16 kHz FLAC, 16 kHz WAV and 44.1 kHz FLAC, in a temporary folder: the operating system keeps
them in memory, so no disk is measured. serkit decodes each once, when a corpus is packed; that is not in it.

With one thread the data loader works in this process (N = 0), with T threads it has T processes more, on the
same T cores (`turns.cores`). Its processes stay from pass to pass.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soundfile
import torch
from tabulate import tabulate
from torch import nn

from serkit import audio
from serkit.augment import Augmenting
from serkit.clips import ClipSet
from serkit.encoders.cnn14.logmel import NAMED, FrontEnd, LogMel
from serkit.loader import Loader
from serkit.packs import Pack
from serkit.specs import Augmentation, Recipe
from tools.speed import Settings, stock
from tools.speed.clips import FRONT_END, SEED, made_lengths, packed_lengths
from tools.speed.peers import NOT_COMPARED, WaveByWave, installed, mask, torchlibrosa_layers
from tools.speed.turns import (
    RATE_HEADERS,
    Work,
    cores,
    rate_cells,
    rates,
    take_turns,
    times_as_fast,
)

FORMATS = {"16 kHz FLAC": ("flac", 16_000), "16 kHz WAV": ("wav", 16_000), "44.1 kHz FLAC": ("flac", 44_100)}
"""Suffix and sample rate by name."""

CLIPS = {"cpu": 32, "cuda": 1024}  # a format
BATCH = {"cpu": 16, "cuda": Recipe().batch_size}
PERCENTS = (0, 100)
OURS, THEIRS = "serkit", "data loader"


def measure(settings: Settings, device: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Every format, rate and number of threads; on a GPU with all threads alone."""
    batch = settings.clips or BATCH[device]
    clips = 2 * batch if settings.quick else CLIPS[device]
    front_end = NAMED[FRONT_END]
    rows = []
    for title, (suffix, rate_hz) in FORMATS.items():
        with TemporaryDirectory() as folder:
            paths = write_files(packed_lengths(made_lengths(clips, rate_hz), rate_hz), Path(folder), suffix)
            for threads in settings.threads if device == "cpu" else settings.threads[-1:]:
                say(f"{title}, {threads} thread{'s' * (threads > 1)} ...")
                with cores(threads):
                    workers = 0 if threads == 1 else settings.workers
                    for percent in PERCENTS:
                        compared = compare(paths, front_end, percent, batch, workers, device, settings)
                        about = {"format": title, "threads": threads, "workers": workers}
                        rows += [{**about, "percent": percent, **row} for row in compared]
    return {
        "clips": clips,
        "batch": batch,
        "rows": rows,
        "compared": installed(),
    }


def write_files(made: ClipSet, folder: Path, suffix: str) -> list[Path]:
    """The clips of a set of one pack as 16-bit files, in their order."""
    (pack,) = made.packs
    paths = [folder / f"{number:06d}.{suffix}" for number in range(len(made))]
    for path, first, last in zip(paths, pack.offsets[:-1], pack.offsets[1:], strict=True):
        soundfile.write(path, pack.samples[first:last], pack.rate_hz, subtype="PCM_16")
    return paths


def packed_files(paths: list[Path], front_end: FrontEnd) -> ClipSet:
    """Files as a packed corpus in memory, decoded as `serkit.packs.pack` does; every label is the first."""
    waves = [audio.decode(path, front_end.rate_hz) for path in paths]
    offsets = np.concatenate([[0], np.cumsum([len(wave) for wave in waves])]).astype(np.int64)
    none = np.zeros(len(paths), dtype=np.int64)
    pack = Pack(np.concatenate(waves), offsets, front_end.rate_hz, "")
    return ClipSet([pack], none, np.arange(len(paths)), none)


def compare(
    paths: list[Path],
    front_end: FrontEnd,
    percent: int,
    batch_size: int,
    workers: int,
    device: str,
    settings: Settings,
) -> list[dict[str, Any]]:
    """One row a way; ours alone where the peers' chain is needed and not installed."""
    ours = Ours(packed_files(paths, front_end), front_end, percent, batch_size, device)
    works: dict[str, Work] = {OURS: ours}
    clock: Callable[[], float] = time.process_time
    if not percent or installed():
        theirs = Theirs(paths, front_end, percent, batch_size, workers, device)
        works[THEIRS] = theirs
        clock = theirs.cpu_clock
    turns = take_turns(works, settings.rounds, settings.seconds, device, clock)
    return [
        {
            "way": name,
            **rates(turns[name], len(paths)),
            **(times_as_fast(turns[name], turns[THEIRS]) if THEIRS in turns else {}),
            "rounds": [vars(turn) for turn in turns[name]],
        }
        for name in turns
    ]


class Ours:
    """Shuffled batches out of a packed corpus; a call is an epoch, and draws anew."""

    def __init__(
        self, clips: ClipSet, front_end: FrontEnd, percent: int, batch_size: int, device: str
    ) -> None:
        """Makes the loader, as `serkit.train.train` does."""
        self.clips = clips
        augmenting = Augmenting(Augmentation(), percent) if percent else None
        self.loader = Loader(front_end, Recipe(batch_size=batch_size), device, augmenting, SEED)
        self.logmel = LogMel(front_end).to(device)
        self.epoch = 0

    def __call__(self) -> None:
        """Every clip once."""
        epoch = self.loader.epoch(self.clips, self.epoch)
        for batch in epoch.batches:
            self.logmel.inputs(self.loader.load(self.clips, batch, epoch))
        self.epoch += 1


class Theirs:
    """A data loader's batches through torchlibrosa; a call is an epoch."""

    def __init__(
        self,
        paths: list[Path],
        front_end: FrontEnd,
        percent: int,
        batch_size: int,
        workers: int,
        device: str,
    ) -> None:
        """Makes the data loader; its processes start with the first call."""
        self.spec, self.front_end, self.device = Augmentation(), front_end, device
        chain = WaveByWave(self.spec, front_end.rate_hz) if percent else None
        files = stock.AudioFiles(paths, np.zeros(len(paths)), front_end, Recipe().max_seconds, chain, percent)
        self.batches = stock.batches(files, batch_size, workers, device)
        self.logmel = nn.Sequential(*torchlibrosa_layers(front_end)).to(device)
        self.random = np.random.default_rng(SEED)
        self.worker_cpu_s = 0.0

    def cpu_clock(self) -> float:
        """CPU time so far, of this process and of the data loader's."""
        return time.process_time() + self.worker_cpu_s

    @torch.inference_mode()
    def __call__(self) -> None:
        """Every clip once."""
        for batch in self.batches:
            logmels = self.logmel(batch.waves.to(self.device, non_blocking=True))[:, 0]
            frames = self.front_end.frames(batch.samples.numpy())
            for clip in np.flatnonzero(batch.augmented.numpy()):
                mask(logmels[clip], int(frames[clip]), self.spec, self.random)
            self.worker_cpu_s += batch.worker_cpu_s


def text(measured: Mapping[str, Any]) -> str:
    """The tables."""
    headers = ["Files", "Augmented", "Threads", "Way", *RATE_HEADERS]
    rows = [
        [
            row["format"],
            f"{row['percent']} %",
            row["threads"],
            row["way"] + (f", {row['workers']} processes" if row["way"] == THEIRS and row["workers"] else ""),
            *rate_cells(row),
        ]
        for row in measured["rows"]
    ]
    parts = [
        tabulate(rows, headers, disable_numparse=True),
        "Median (quartiles) of the rounds. times: against the data loader in the same round.",
    ]
    return "\n\n".join(parts + [NOT_COMPARED] * (not measured["compared"]))
