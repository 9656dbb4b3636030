"""One job, a run or a measurement, done wherever an engine wants it: no pytest here.

A job takes plain values that can be pickled, leaves its result in the store and returns the key alone.
"""

from __future__ import annotations

from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from benchmark.session.machine import settle_threads, share_of_cores
from benchmark.session.tensorboard import Curves
from serkit.errors import ResultsUnwritable, memory_named
from serkit.results import Store
from serkit.specs import MEASUREMENT, AcousticsSpec, RunSpec

Job = RunSpec | AcousticsSpec
"""What is to be done, without fingerprints."""


@dataclass(frozen=True)
class Place:
    """Where a job is done, none of which can change its result.

    Attributes:
        store: where results are looked for and saved.
        data: the folder the corpora lie in.
        rerun: do it even where the result is there.
        tensorboard: write learning curves into the run's folder.
        device: `cpu`, `cuda` or `cuda:<n>`.
        worker: the name of the process that does it, for those who watch; empty: it is alone.
    """

    store: Store
    data: Path | None = None
    rerun: bool = False
    tensorboard: bool = False
    device: str = "cpu"
    worker: str = ""


def do(job: Job, place: Place) -> str:
    """Trains or measures, unless the result is there; returns the key it is stored under.

    Raises:
        CorpusMissing: a corpus is not there.
        SerkitError: any other bad input, a full disk and too little memory included, in one message.
    """
    try:
        with memory_named():
            place.store.check_writable()
            settle_threads(share_of_cores(1))  # where processes share the cores, their engine has done it
            from serkit.run import measure, run  # torch comes with it

            store, data, rerun, worker = place.store, place.data, place.rerun, place.worker
            if job.kind == MEASUREMENT:
                return measure(job, store, data, rerun, worker)["key"]
            with closing(Curves()) if place.tensorboard else nullcontext() as curves:
                return run(job, store, data, place.device, rerun, worker, curves)["key"]
    except OSError as error:  # a disk that is full or gone, which no code can mend
        raise ResultsUnwritable(
            f"{error}. SERKIT_RESULTS names the folder of results, SERKIT_CACHE that of packed audio,"
            " SERKIT_DATA that of corpora, TMPDIR that of temporary files"
        ) from error
