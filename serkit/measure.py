"""One measurement of a corpus's acoustics, from spec to result."""

import dataclasses
import time

import pandas as pd
import torch

from serkit.acoustics import meter
from serkit.job import Loaded, Made, Place, load, once
from serkit.provenance import ESTIMATORS, PACKAGES, environment
from serkit.resultfile import Result
from serkit.specs import AcousticsSpec
from serkit.splits import per_label


def measure(plan: AcousticsSpec, place: Place) -> Result:
    """Measures what `plan` asks for, on the CPU; or returns the stored result of an equal measurement.

    What was measured before a kill is kept: the next call goes on after it, unless `place` asks for a rerun.

    Raises:
        ExtraMissing: the estimators' packages are not installed.
        SerkitError: as `serkit.run.run`.
    """
    spec, here = identified(plan, place)
    name, store = plan.corpus.name, place.store

    def do() -> Made:
        started = time.time()
        measurer = meter.Meter(spec, here.pack, torch.get_num_threads())
        tables: list[pd.DataFrame] = []
        measured = fresh = 0
        for number, positions in enumerate(measurer.parts()):
            table = None if place.rerun else store.part(spec.key, number, measurer.rows[positions])
            if table is None:
                table = measurer.measure(positions)
                store.save_part(spec.key, number, table)
                fresh += len(table)
            tables.append(table)
            measured += len(table)
            pace = (time.time() - started) / max(1, fresh)
            left = {"seconds_left": round(pace * (len(measurer.rows) - measured), 1)}
            store.report(spec.key, {"measured": measured, "of": len(measurer.rows), **left})
        clips = here.corpus.clips.iloc[measurer.rows]
        about_clips = clips[["path", "label", "speaker"]].reset_index(drop=True)
        estimates = pd.concat([about_clips, pd.concat(tables, ignore_index=True).drop(columns="row")], axis=1)
        counts = {"measured": per_label(clips), "all": per_label(here.corpus.clips)}
        result = {
            "corpora": {name: {**here.delivered(), "clips": counts}},
            "reasons": {str(reason): int(n) for reason, n in estimates["reason"].value_counts().items()},
            "environment": environment("cpu", (*PACKAGES, *ESTIMATORS)),
            "clips_before": measured - fresh,
            "clips_per_second": round(fresh / (time.time() - started), 1),
        }
        return result, estimates, None

    return once(spec, dataclasses.replace(place, device="cpu"), do)


def identified(plan: AcousticsSpec, place: Place) -> tuple[AcousticsSpec, Loaded]:
    """A measurement with all that enters its key, and its corpus. Raises as `measure`."""
    estimators = meter.digests()
    here = load(plan.corpus, meter.RATE_HZ, place)
    fingerprints = ((plan.corpus.name, here.fingerprint),)
    return dataclasses.replace(plan, estimators=estimators, fingerprints=fingerprints), here
