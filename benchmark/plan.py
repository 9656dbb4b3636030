"""What a study would do from here: cases done and left, clips to train on and to score, and hours.

Clips are counted where a corpus is there, and as published where it is not. Hours are those of
`benchmark.session.pace`, on 1, 4 and 16 devices of each kind on which runs of the study finished. While none
has on the device at hand, those of other studies beside this one tell, of the nearest width, from a time in
proportion to the width to one in proportion to its square, as if their clips were as long as this one's.
"""

from __future__ import annotations

import math
import os
import shlex
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tabulate import tabulate

from benchmark.session import pace
from benchmark.session.pace import Pace, Run, Work, finished, lasting
from benchmark.session.progress import DONE, RUNNING, CaseState, Progress
from benchmark.study import Study
from serkit import corpora
from serkit.corpora.reading.corpus import PARTS
from serkit.encoders.cnn14.checkpoints import is_here
from serkit.errors import CorpusMissing
from serkit.resultfile import is_imported
from serkit.results import Store, left_out, other_methods, stores
from serkit.specs import TRAINING, CorpusSpec, RunSpec
from serkit.words import filled, many

PASSED_ON = dict.fromkeys(("SERKIT_DATA", "SERKIT_CACHE", "SERKIT_WEIGHTS"), os.pathsep)
PASSED_ON |= {"SERKIT_CODE": ",", "PYTHONPATH": os.pathsep}
"""Variables that hold paths, and what stands between these."""
DEVICES = (1, 4, 16)  # how many, for the hours
HEADERS = ("Exhibit", "Training set", "Done", "Clips to\ntrain on", "Clips\nto score")


class Size(NamedTuple):
    """The clips of a corpus, and whether they are `counted` or `published`."""

    trained: list[int]  # for each of its trainings
    own: list[int]  # to score of it in each of its trainings
    tests: int  # to score of it in others'
    source: str


def text(study: Study, store: Store, data: Path | None) -> str:
    """What `python -m benchmark plan` shows of a study, its results and the folder its corpora lie in.

    Without clips and hours where a corpus is neither there nor its published sizes known. Raises SpecError
    and CorpusUnfit as `serkit.corpora.load`.
    """
    progress = Progress(study, store)
    seen = progress.look()
    not_counted = [*other_methods(progress.others), *left_out(progress.unread)]
    head = "\n".join([f"Study {study.name}: {study.title}", *not_counted])
    try:
        sizes = {spec.name: size(spec, data) for spec in study.corpora}
    except CorpusMissing as missing:
        why = f"Clips and hours are not known: {study.titled(str(missing))}."
        return "\n\n".join([head, _cases(study, seen, {}), filled(why)])
    rest = [state for state in seen if state.state != DONE]
    works = {spec: work(spec, sizes) for state in rest if (spec := state.case.spec).kind == TRAINING}
    sources = "; ".join(f"{study.titles[name]} {size.source}" for name, size in sizes.items())
    parts = [
        head,
        _cases(study, seen, works),
        filled(f"Clips, over all epochs and evaluations that are left: {sources}."),
    ]
    weights = study.model.weights
    if rest and weights is not None and not is_here(weights):
        parts.append(f"The checkpoint {weights} is not here: python -m benchmark weights fetches it.")
    if rest:
        parts.append(_hours(study, store, seen, works))
    return "\n\n".join(parts)


def commands(name: str, study: Study, store: Store, seeds: int | None, cores: int) -> list[str]:
    """A command for a shell of each case that is neither done nor running, in the order that is best.

    Each stands alone, in any folder, on so many cores: with whole paths, and with what of the environment
    serkit asks for.
    """
    from benchmark.session.engines import longest_first  # pytest comes with it

    rest = [state.case for state in Progress(study, store).look() if state.state not in (DONE, RUNNING)]
    rest = longest_first(rest, lambda case: case.cost, lambda case: case.turn)
    asked = [f"OMP_NUM_THREADS={cores}"]
    for variable, between in PASSED_ON.items():
        paths = os.environ.get(variable, "").split(between)
        whole = (os.path.abspath(path) if os.path.exists(path) else path for path in paths if path)
        asked += [f"{variable}={between.join(whole)}"] if any(paths) else []
    given = os.path.abspath(name) if name.endswith(".toml") else name
    more = [f"--results={store.folder.parent.absolute()}", *([f"--seeds={seeds}"] if seeds else [])]
    words = ["env", *asked, sys.executable, "-m", "benchmark", "case", given]
    return [shlex.join([*words, case.id, *more]) for case in rest]


def size(spec: CorpusSpec, data: Path | None) -> Size:
    """The clips of a corpus.

    Raises CorpusMissing where it is not there and nothing is known about it; else as `serkit.corpora.load`.
    """
    reader, options = corpora.reader(spec.reader), dict(spec.options)
    known = hasattr(reader, "expected")
    if known and hasattr(reader, "generate"):  # a plan makes nothing
        return _expected(spec, "as made")
    try:
        corpus = corpora.load(spec.reader, data, options)
    except CorpusMissing:
        if not known:
            raise
        return _expected(spec, "published")
    folds = [{part: len(corpus.part(k, part)) for part in PARTS} for k in range(corpus.n_folds)]
    return _size(folds, corpus.trainings, "counted")


def _expected(spec: CorpusSpec, source: str) -> Size:
    """The clips of a corpus as its reader expects them."""
    options = corpora.checked_options(spec.reader, dict(spec.options))
    folds = corpora.reader(spec.reader).expected(**options)
    return _size(folds, corpora.trainings(spec.reader, options, len(folds)), source)


def _size(folds: Sequence[Mapping[str, int]], trainings: Sequence[Sequence[int]], source: str) -> Size:
    """From the clips of each fold's parts, and the folds that share a training."""
    tests = [sum(folds[k]["test"] for k in group) for group in trainings]
    # Folds that share a training validate each other: their clips are scored once.
    more = [folds[group[0]]["validation"] if len(group) == 1 else 0 for group in trainings]
    own = [test + validation for test, validation in zip(tests, more, strict=True)]
    return Size([folds[group[0]]["train"] for group in trainings], own, sum(tests), source)


def work(spec: RunSpec, sizes: Mapping[str, Size]) -> Work:
    """What a run does."""
    trained = own = other = 0
    for corpus in spec.corpora:
        size = sizes[corpus.name]
        if corpus.name in spec.trained_on:
            here = spec.fold_of(corpus.name)
            trained += min(size.trained[here], corpus.max_training_clips or size.trained[here])
            own += size.own[here]
        else:
            other += size.tests
    return pace.work(spec.recipe, trained, own, other)


def _cases(study: Study, seen: Sequence[CaseState], works: Mapping[RunSpec, Work]) -> str:
    """A row for each exhibit and training set, and their sum; a case of several exhibits is the first's."""
    groups: dict[tuple[str, str], list[CaseState]] = defaultdict(list)
    for state in seen:
        spec = state.case.spec
        if spec.kind == TRAINING:
            what = study.title_of(spec.train)
        else:
            what = f"{study.title_of(spec.corpus.name)}, measured" + " augmented" * bool(spec.augmentation)
        groups[state.case.exhibits[0], what].append(state)
    groups["all", ""] = list(seen)
    rows = []
    for (exhibit, what), group in groups.items():
        rest = [state.case.spec for state in group if state.state != DONE]
        counted = [works[spec] for spec in rest if spec.kind == TRAINING and spec in works]
        clips = [f"{sum(of):,}" for of in zip(*counted, strict=True)] or ["", ""]
        rows.append([exhibit, what, f"{len(group) - len(rest)}/{len(group)}", *clips])
    return tabulate(rows, HEADERS, disable_numparse=True)


def _hours(study: Study, store: Store, seen: Sequence[CaseState], works: Mapping[RunSpec, Work]) -> str:
    here = this_device()
    known = {
        name: (f"{many(len(runs), 'finished run')} of this study", [Pace(seen, runs)])
        for name, runs in finished(seen).items()
    }
    if not known and TRAINING in (running := Pace(seen)).by_cost:
        known[here] = "what is running", [running]
    if here not in known:
        known |= _by_other_studies(study, store, seen, works, here)
    lines = []
    for name, (source, paces) in sorted(known.items(), key=lambda each: each[0] != here):
        lines.append(f"Time left on {name}{' (this one)' * (name == here)}, by {source}:")
        for number in DEVICES:
            left = [pace.left(seen, number) for pace in paces]
            times = " to ".join(lasting(each.seconds or 0.0) for each in left)
            lines.append(f"  {number:2} device{'s' * (number > 1)}: {times}")
        if len(paces) > 1:
            lines.append("  (in proportion to the width, as narrow networks; to its square, as wide ones)")
    if here not in known:
        lines.append(f"No rate is known for {here}, where this would run, until a first run has finished.")
    if known:
        untimed = left[0].untimed
        never = f", and {many(untimed, 'measurement')}: none was timed yet" if untimed else ""
        lines.append(filled(f"Not in the time: reading and packing the corpora{never}."))
    return "\n".join(lines)


def _by_other_studies(
    study: Study, store: Store, seen: Sequence[CaseState], works: Mapping[RunSpec, Work], here: str
) -> dict[str, tuple[str, list[Pace]]]:
    """This device by finished runs of other studies, scaled to the study's width; empty if none finished."""
    by_width: dict[int, list[Run]] = defaultdict(list)
    for other in stores(store.folder.parent, []):
        for spec, result in other.all() if other != store else ():
            if spec.kind != TRAINING or spec.model.encoder != study.model.encoder:
                continue  # of another encoder a time says nothing
            if not is_imported(result) and result["environment"]["device_name"] == here:
                by_width[spec.model.width].insert(0, Run(spec, result))
    if not by_width:
        return {}
    wanted = study.model.width
    width = min(by_width, key=lambda other: (abs(math.log(other / wanted)), other))
    runs, times = by_width[width], wanted / width
    scaled = f", scaled to {wanted}" if width != wanted else ""
    source = f"{many(len(runs), 'finished run')} of other studies, width {width}{scaled}"
    return {here: (source, [Pace(seen, runs, works, each) for each in sorted({times, times**2})])}


def this_device() -> str:
    """The name of the device that a session would use here."""
    import torch

    from serkit.provenance import cpu_name

    return torch.cuda.get_device_name() if torch.cuda.is_available() else cpu_name()
