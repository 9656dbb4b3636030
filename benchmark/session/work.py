"""One job, a run or a measurement, done wherever an engine wants it: no pytest here.

A job takes plain values that can be pickled, leaves its result in the store and returns the key alone.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

from benchmark.session.machine import settle_threads, share_of_cores
from benchmark.session.tensorboard import curves
from serkit.errors import ResultsUnwritable, memory_named
from serkit.job import Place as AnyPlace
from serkit.specs import MEASUREMENT, Spec


@dataclass(frozen=True)
class Place(AnyPlace):
    """Where a job is done; with `tensorboard`, learning curves are written into the run's folder."""

    tensorboard: bool = False


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
