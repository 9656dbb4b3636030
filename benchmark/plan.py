"""What a study would do from here: cases done and left, clips to train on and to score, and hours.

    plan, store -> states -> work of the runs that are left -> hours on 1, 4 and 16 devices of a kind

Hours are `benchmark.cost`'s, for each device of which rates are known. They come from, best first:

1. finished runs of this study on it: what its trainings and evaluations took for each second of speech;
2. for this device alone: finished runs of other studies beside this one, of the nearest width, from a time in
   proportion to the width to one in proportion to its square.

Limits: as of `benchmark.cost`. Finished runs on a CPU were as fast as their worker was: beside others.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from benchmark import cost
from benchmark.cost import Device, Size, Speech, Work
from benchmark.report.cells import answers
from benchmark.session.progress import DONE, CaseState, Progress, lasting
from benchmark.study import Case, Study
from serkit.encoders.checkpoints import is_here
from serkit.errors import CorpusMissing
from serkit.results import Result, Store, left_out
from serkit.specs import TRAINING, RunSpec, Spec

DEVICES = (1, 4, 16)
"""How many, for the hours."""


@dataclass(frozen=True)
class Known:
    """A device of which rates are known.

    Attributes:
        device: how fast it is.
        source: where that comes from, in words.
        slowest: how fast it is at worst, where that is not known better.
    """

    device: Device
    source: str
    slowest: Device | None = None

    def takes(self, works: Sequence[Work], devices: int) -> str:
        """How long runs take on several like devices, in words."""
        times = [cost.makespan(works, each, devices) for each in (self.device, self.slowest) if each]
        return " to ".join(lasting(seconds) for seconds in sorted(times))


def text(study: Study, store: Store, data: Path | None) -> str:
    """What `python -m benchmark plan` shows.

    Args:
        study: the study.
        store: its results.
        data: the folder the corpora lie in.

    Returns:
        Tables; without clips and hours where a corpus is neither there nor its published sizes known.

    Raises:
        SpecError, CorpusUnfit: as `serkit.corpora.load`.
    """
    looking = Progress(study, store)
    seen = looking.look()
    head = "\n".join([f"Study {study.name}: {study.title}", *left_out(looking.unread)])
    try:
        sizes = cost.sizes(study, data)
    except CorpusMissing as missing:
        table = tabulate(_rows(study, seen, {}), HEADERS, disable_numparse=True)
        return "\n\n".join([head, table, f"Clips and hours are not known: {study.titled(str(missing))}."])
    works = {work.case.spec: work for work in cost.work([state.case for state in seen], sizes)}
    rest = [works[s.case.spec] for s in seen if s.state != DONE and s.case.spec in works]
    parts = [
        head,
        tabulate(_rows(study, seen, works), HEADERS, disable_numparse=True),
        _sizes(study, sizes),
    ]
    if rest and study.model.weights is not None and not is_here(study.model.weights):
        parts.append(
            f"The checkpoint {study.model.weights} is not here: python -m benchmark weights fetches it."
        )
    if rest:
        found, here = known_devices(study, store, works), this_device()
        if here not in found:
            found |= _by_other_studies(study, store, here)
        parts.append(_hours(rest, found, here))
    return "\n\n".join(parts)


HEADERS = ("Exhibit", "Training set", "Cases", "Done", "Left", "Clips to train on", "Clips to score")


def _rows(study: Study, seen: Sequence[CaseState], works: Mapping[Spec, Work]) -> list[list[str]]:
    """A row for each exhibit and training set, and their sum; a case of several exhibits is the first's."""
    groups: dict[tuple[str, str], list[CaseState]] = {}
    for state in seen:
        spec = state.case.spec
        if spec.kind == TRAINING:
            what = study.title_of(spec.train)
        else:
            what = f"{study.title_of(spec.corpus.name)}, measured" + " augmented" * bool(spec.augmentation)
        groups.setdefault((state.case.exhibits[0], what), []).append(state)
    groups["all", ""] = list(seen)
    rows = []
    for (exhibit, what), group in groups.items():
        rest = [state for state in group if state.state != DONE]
        of = cost.totals([works[state.case.spec] for state in rest if state.case.spec in works])
        clips = [f"{of[name]:,}" if of["runs"] else "" for name in ("training_clips", "scored_clips")]
        rows.append([exhibit, what, *map(str, (len(group), len(group) - len(rest), len(rest))), *clips])
    return rows


def _sizes(study: Study, sizes: Mapping[str, Size]) -> str:
    said = []
    for name, size in sizes.items():
        lengths = "" if size.lengths_from == size.clips_from else f", their lengths as {size.lengths_from}"
        said.append(f"{study.titles[name]} {size.clips_from}{lengths}")
    return f"Clips, over all epochs and evaluations that are left: {'; '.join(said)}."


def known_devices(study: Study, store: Store, works: Mapping[Spec, Work]) -> dict[str, Known]:
    """The devices on which runs of a study finished, by name.

    Args:
        study: the study.
        store: its results.
        works: what its runs do.
    """
    found: dict[str, list[tuple[Work, Result]]] = {}
    for spec, result in answers(study, store).results.items():
        if spec in works and result.get("train_seconds"):
            found.setdefault(result["environment"]["device_name"], []).append((works[spec], result))
    return {name: Known(timed(of), f"{len(of)} finished runs of this study") for name, of in found.items()}


def _by_other_studies(study: Study, store: Store, here: str) -> dict[str, Known]:
    """This device by finished runs of other studies, scaled to the study's width; empty without any."""
    by_width: dict[int, list[tuple[Work, Result]]] = {}
    for folder in sorted(store.folder.parent.glob("*/")):
        if folder == store.folder:
            continue
        for spec, result in Store(folder).all():
            with suppress(KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError):
                if spec.kind == TRAINING and result["environment"]["device_name"] == here:
                    by_width.setdefault(spec.model.width, []).append((_work_of(spec, result), result))
    if not by_width:
        return {}
    wanted = study.model.width
    width = min(by_width, key=lambda other: (abs(math.log(other / wanted)), other))
    device, times = timed(by_width[width]), wanted / width
    source = f"{len(by_width[width])} finished runs of other studies, width {width}"
    if width == wanted:
        return {here: Known(device, source)}
    return {here: Known(device.slower(times), f"{source}, scaled to {wanted}", device.slower(times**2))}


def _work_of(spec: RunSpec, result: Result) -> Work:
    """What a finished run did, as far as its result says: every clip is as long as the mean."""
    learnt = [result["corpora"][name] for name in spec.trained_on]
    clips = sum(sum(part.values()) for corpus in learnt for part in corpus["clips"].values())
    seconds = min(3600 * sum(corpus["hours"] for corpus in learnt) / clips, spec.recipe.max_seconds)
    scored = sum(
        sum(part.values())
        for corpus in result["corpora"].values()
        for name, part in corpus["clips"].items()
        if name != "train"
    )

    def speech(number: int) -> Speech:
        return Speech(number, number * seconds)

    return Work(
        Case(spec, (), 0),
        speech(result["training_clips"] * spec.recipe.epochs),
        speech(scored * len(result["history"])),
    )


def timed(done: Iterable[tuple[Work, Result]]) -> Device:
    """How fast a device was in finished runs: seconds for each second of speech.

    Where all runs are augmented, or none, a clip is taken to cost the same either way.

    Args:
        done: what each run did, and its result.
    """
    done = list(done)
    shares = [(work.case.spec.augment_percent / 100, work, result) for work, result in done]  # type: ignore[union-attr]

    def total(name: str, chosen: Iterable[tuple[float, Work, Result]]) -> float:
        return sum(result[name] for _, _, result in chosen)

    none = [each for each in shares if each[0] == 0]
    some = [each for each in shares if each[0] > 0]
    plain_s = total("train_seconds", none or some) / sum(work.training.seconds for _, work, _ in none or some)
    augmented_s = plain_s
    if none and some:
        rest = total("train_seconds", some) - plain_s * sum((1 - s) * w.training.seconds for s, w, _ in some)
        augmented_s = max(0.0, rest / sum(share * work.training.seconds for share, work, _ in some))
    scoring_s = total("evaluate_seconds", shares) / sum(work.scoring.seconds for _, work, _ in shares)
    worked = total("train_seconds", shares) + total("evaluate_seconds", shares)
    start_s = max(0.0, total("wall_seconds", shares) - worked) / len(shares)
    return Device(plain_s, augmented_s, scoring_s, start_s)


def this_device() -> str:
    """The name of the device that a session would use here."""
    import torch

    from serkit.provenance import cpu_name

    return torch.cuda.get_device_name() if torch.cuda.is_available() else cpu_name()


def _hours(rest: Sequence[Work], found: Mapping[str, Known], here: str) -> str:
    rows = []
    for name in sorted(found, key=lambda name: name != here):
        times = [found[name].takes(rest, number) for number in DEVICES]
        rows.append([f"{name} (this one)" if name == here else name, *times, found[name].source])
    headers = ["Time for the runs that are left", *(f"on {number}" for number in DEVICES), "Rates from"]
    parts = [tabulate(rows, headers, disable_numparse=True)] if rows else []
    if any(known.slowest for known in found.values()):
        parts.append(
            "Two times: in proportion to the width, as of narrow networks, and to its square, as of wide."
        )
    if here not in found:
        parts.append(f"No rate is known for {here}, on which this would run: finish a run, and it is.")
    parts.append("Reading and packing the corpora and measurements of acoustics are not in the time.")
    return "\n".join(parts)
