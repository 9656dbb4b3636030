"""The memory that one epoch and one evaluation take at their peak, beside the usual way.

Each measurement is a fresh process: it imports what its way needs (the baseline), builds a network, trains it
on the same made clips for one epoch, in full batches of one length, with everything augmented, and scores
them. Samples lie in a memory map for serkit and in WAV files for `benchmark.speed.stock`, both made before.

    process   peak resident memory of the process that trains (Linux: `VmHWM`, because `ru_maxrss` begins with
              that of the process it was started from); what it reads of a memory map is part of it
    together  peak of what this process has and its data loader's have besides, pages that a process shares
              with the one it was forked from counted once (Linux, sampled ten times a second); None elsewhere
    GPU       peaks of what PyTorch had allocated, and had reserved to allocate from
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import resource
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from tabulate import tabulate

from benchmark.speed import Settings, stock
from benchmark.speed.clips import FRONT_END, SEED, packed_lengths
from benchmark.speed.peers import PER_CLIP, WaveByWave, missing_peers
from benchmark.speed.pipeline import write_files
from serkit import model, train
from serkit.batches import ClipSet
from serkit.frontend import NAMED
from serkit.packs import Pack
from serkit.specs import LABELS, Augmentation, ModelSpec, Recipe

WIDTHS = {"cpu": (4, 16), "cuda": (64,)}
CLIP_SECONDS = {"cpu": (2.5, 5.7), "cuda": (2.5, 5.7, 10.0)}
BATCH = {"cpu": 16, "cuda": Recipe().batch_size}
BATCHES = 3  # an epoch: the second step already has all that a training keeps
SAMPLED_S = 0.1
MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes
OURS, THEIRS = "serkit", "stock class, data loader"


@dataclass(frozen=True)
class Job:
    """One measurement.

    Attributes:
        way: `OURS` or `THEIRS`.
        width: of the network.
        clip_seconds: length of every clip.
        batch: clips a batch.
        percent: of the clips augmented.
        device: `cpu` or `cuda`.
        threads: PyTorch's.
        workers: processes of the data loader.
        folder: where `made` put the clips.
    """

    way: str
    width: int
    clip_seconds: float
    batch: int
    percent: int
    device: str
    threads: int
    workers: int
    folder: Path


def measure(settings: Settings, device: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Both ways at every width and length of clip, a row each."""
    threads = settings.threads[-1]
    batch = settings.clips or BATCH[device]
    widths, lengths = WIDTHS[device], CLIP_SECONDS[device]
    if settings.quick:
        widths, lengths = (2,), (1.0,)
    percent = 0 if PER_CLIP in missing_peers() else 100
    rows = []
    with TemporaryDirectory() as folder:
        for width in widths:
            for seconds in lengths:
                say(f"width {width}, clips of {seconds} s ...")
                place = made(Path(folder) / str(seconds), seconds, BATCHES * batch)
                workers = 0 if threads == 1 else settings.workers
                job = Job(OURS, width, seconds, batch, percent, device, threads, workers, place)
                for each in (job, dataclasses.replace(job, way=THEIRS)):
                    rows.append({**_about(each), **in_a_process_of_its_own(each)})
    return {
        "batch": batch,
        "batches": BATCHES,
        "percent": percent,
        "threads": threads,
        "rows": rows,
        "not_compared": [PER_CLIP] if not percent else [],
    }


def _about(job: Job) -> dict[str, Any]:
    workers = job.workers if job.way == THEIRS else 0
    return {"way": job.way, "width": job.width, "clip_seconds": job.clip_seconds, "workers": workers}


def made(folder: Path, seconds: float, clips: int) -> Path:
    """Clips of one length in a folder, packed and as WAV files; returns the folder."""
    if not folder.is_dir():
        folder.mkdir()
        rate_hz = NAMED[FRONT_END].rate_hz
        clip_set = packed_lengths(np.full(clips, round(seconds * rate_hz)), rate_hz)
        (pack,) = clip_set.packs
        np.save(folder / "samples.npy", pack.samples)
        np.save(folder / "offsets.npy", pack.offsets)
        write_files(clip_set, folder, "wav")
    return folder


def in_a_process_of_its_own(job: Job) -> dict[str, Any]:
    """`peak` in a fresh process."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        return fresh.submit(peak, job).result()


# --- in that process ---


def peak(job: Job) -> dict[str, Any]:
    """Runs a job; bytes at the peak: baseline, process, together, and of the GPU where it is on one."""
    torch.set_num_threads(job.threads)
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])  # imports a compiler, used or not
    if job.way == THEIRS:
        model.stock_models()
        stock.torchlibrosa_layers(NAMED[FRONT_END])
        if job.percent:
            WaveByWave(Augmentation(), NAMED[FRONT_END].rate_hz)
    baseline = resident_peak()
    with Watch() as watch:
        (_ours if job.way == OURS else _theirs)(job)
    process = resident_peak()
    # A peak of this process alone may lie between two samples.
    together = None if watch.together is None else max(watch.together, process)
    found = {"baseline": baseline, "process": process, "together": together}
    if job.device == "cuda":
        found["gpu_allocated"] = torch.cuda.max_memory_allocated()
        found["gpu_reserved"] = torch.cuda.max_memory_reserved()
    return found


def _ours(job: Job) -> None:
    samples = np.load(job.folder / "samples.npy", mmap_mode="r")
    offsets = np.load(job.folder / "offsets.npy")
    places = np.arange(len(offsets) - 1)
    pack = Pack(samples, offsets, NAMED[FRONT_END].rate_hz, "")
    clips = ClipSet([pack], np.zeros_like(places), places, places % len(LABELS))
    spec = ModelSpec(width=job.width, front_end=FRONT_END, weights=None)
    train.train(
        model.build(spec, SEED),
        NAMED[FRONT_END],
        Recipe(batch_size=job.batch, epochs=1),
        SEED,
        clips,
        clips,
        lambda scores: {},
        job.device,
        augmentation=Augmentation(),
        augment_percent=job.percent,
    )


def _theirs(job: Job) -> None:
    front_end, recipe = NAMED[FRONT_END], Recipe()
    paths = sorted(job.folder.glob("*.wav"))
    labels = np.arange(len(paths)) % len(LABELS)
    chain = WaveByWave(Augmentation(), front_end.rate_hz) if job.percent else None
    learnt = stock.AudioFiles(paths, labels, front_end, recipe.max_seconds, chain, job.percent)
    scored = stock.AudioFiles(paths, labels, front_end, recipe.max_seconds)
    training = stock.Training(stock.Cnn14(job.width, front_end), recipe.learning_rate, job.device)
    training.epoch(stock.batches(learnt, job.batch, job.workers, job.device))
    training.predict(stock.batches(scored, job.batch, job.workers, job.device, shuffle=False))


def resident_peak() -> int:
    """Peak resident memory of this process so far, bytes."""
    of_linux = _said("status", os.getpid(), "VmHWM")
    if of_linux is not None:
        return of_linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_UNIT


class Watch:
    """Samples the memory of this process and of those it started, for as long as it is entered.

    Attributes:
        together: peak of the sum, bytes; None where the system does not tell.
    """

    def __init__(self) -> None:
        """Takes a first sample."""
        self.together = self._sampled()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while self.together is not None and not self._done.wait(SAMPLED_S):
            self.together = max(self.together, self._sampled() or 0)

    @staticmethod
    def _sampled() -> int | None:
        here = _said("smaps_rollup", os.getpid(), "Rss")
        if here is None:
            return None
        for process in multiprocessing.active_children():
            here += _said("smaps_rollup", process.pid, "Private_Clean", "Private_Dirty") or 0
        return here


def _said(file: str, pid: int | None, *names: str) -> int | None:
    """Sum of what Linux says of a process in lines of a file of /proc, bytes; None where there is no such."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    said = [int(line.split()[1]) for line in lines if line.partition(":")[0] in names]
    return sum(said) * 1024 if said else None


def text(measured: Mapping[str, Any]) -> str:
    """The table, in MB of a million bytes."""
    titles = {
        "baseline": "Imports",
        "process": "Process",
        "together": "Together",
        "gpu_allocated": "GPU, allocated",
        "gpu_reserved": "GPU, reserved",
    }
    columns = [name for name in titles if name in measured["rows"][0]]
    rows = [
        [
            row["width"],
            f"{row['clip_seconds']} s",
            row["way"] + (f", {row['workers']} processes" if row["workers"] else ""),
            *("--" if row[name] is None else f"{row[name] / 1e6:.0f}" for name in columns),
        ]
        for row in measured["rows"]
    ]
    headers = ["Width", "Clips", "Way", *(f"{titles[name]}, MB" for name in columns)]
    parts = [
        tabulate(rows, headers, disable_numparse=True),
        f"Peaks of one epoch and one evaluation in batches of {measured['batch']}, {measured['percent']} %"
        f" augmented, {measured['threads']} threads. Together: with the data loader's processes.",
    ]
    if measured["not_compared"]:
        parts.append(
            "Nothing is augmented, as the peers' chain is not installed: pip install 'serkit[speed]'"
        )
    return "\n\n".join(parts)
