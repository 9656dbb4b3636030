"""One job, a run or a measurement, done wherever an engine wants it: no pytest here.

A job takes plain values that can be pickled, leaves its result in the store and returns the key alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmark.session.machine import settle_threads, share_of_cores
from serkit.errors import ResultsUnwritable, memory_named
from serkit.job import Place as AnyPlace
from serkit.specs import MEASUREMENT, METRICS, Spec


@dataclass(frozen=True)
class Place(AnyPlace):
    """Where a job is done."""

    tensorboard: bool = False  # write learning curves into the run's folder


def do(job: Spec, place: Place) -> str:
    """Trains or measures what a spec asks for, unless it is done; returns the key of the stored result.

    Raises:
        CorpusMissing: a corpus is not there.
        SerkitError: any other bad input, a full disk and too little memory included, in one message.
    """
    try:
        with memory_named():
            place.store.check_writable()
            settle_threads(share_of_cores(1))  # where processes share the cores, their engine has done it
            from serkit.measure import measure  # torch comes with them
            from serkit.run import run

            if job.kind == MEASUREMENT:
                return measure(job, place)["key"]
            with curves() if place.tensorboard else nullcontext() as on_evaluation:
                return run(job, place, on_evaluation)["key"]
    except OSError as error:  # a disk that is full or gone, which no code can mend
        raise ResultsUnwritable(
            f"{error}. SERKIT_RESULTS names the folder of results, SERKIT_CACHE that of packed audio,"
            " SERKIT_DATA that of corpora, TMPDIR that of temporary files"
        ) from error


def key_of(job: Spec, place: Place) -> str:
    """The key of what a job would find, by the copy of its corpora that is here. Raises as `do`."""
    with memory_named():
        settle_threads(share_of_cores(1))
        from serkit import measure, run

        if job.kind == MEASUREMENT:
            return measure.identified(job, place)[0].key
        return run.identified(job, place).spec.key


@contextmanager
def curves() -> Iterator[Callable[[Path, dict[str, Any]], None]]:
    """Gives what writes a run's learning curves, called after each evaluation as `serkit.run.run` does.

    One of TensorBoard's event files, beside the result, so that `tensorboard --logdir results/<study>` shows
    the runs by their keys. By iteration: `loss`, the mean of the batches since the evaluation before, and
    `uACC/<test>`, `wACC/<test>`, `wF1/<test>`, averaged over the test's folds: the numbers of
    `progress.jsonl` and of the result's history.
    """
    writer: Any = None

    def write(folder: Path, event: dict[str, Any]) -> None:
        nonlocal writer
        if writer is None:
            from torch.utils.tensorboard import SummaryWriter  # an extra

            writer = SummaryWriter(str(folder))
        at = event["iteration"]
        writer.add_scalar("loss", event["loss"], at)
        for test, folds in event["tests"].items():
            for metric in METRICS:
                writer.add_scalar(f"{metric}/{test}", fmean(of[metric] for of in folds.values()), at)
        writer.flush()  # TensorBoard sees it at once

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()
