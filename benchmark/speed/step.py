"""The training step: how much of it is the network's arithmetic, and what the rest costs.

**Sizes.** At several widths and lengths of clip, with 0 % and 100 % of the clips augmented, each by itself
and then in turn as in training, where the host queues the next batch's loading while a GPU still computes:

    load      packed int16 to what the network takes
    network   forward, loss, backward, Adam, on batches that were loaded before
    both      as in training

FLOP are counted (`torch.utils.flop_counter`) on the network's step at 0 %. They stand beside what this
device does in a large matrix product of the type the network computes in (bfloat16 on a GPU, float32 on a
CPU), which takes its turns with the rest. Augmentation makes some clips longer and masks cells, so the
network has more to do; that counts as a cost of augmentation, not as arithmetic done.

**Overheads.** Of steps on real batches (the study's training set in the order it is trained in, where its
corpora are there; on a GPU and elsewhere, made clips with lengths as of MSP-Podcast), as shares of the step:

    padding    frames past the clips' ends, exactly, over whole epochs; the network computes them like others
    reading    clips out of the pack (`ClipSet.read`); on a GPU, copies to it
    Python     with PyTorch's dispatch, between two bounds. At most: what `torch.profiler` finds outside of
               operators, its own cost included, or the same step, as many operators, with next to nothing to
               compute (one clip of the shortest length, one channel), whichever is less. At least: what is
               outside of operators less all of the profiler's cost, some of which is inside of them

On a GPU the host's work is hidden behind the device's as long as it is shorter; there the device's idle share
counts, from the time in its kernels by the profiler and the wall time of steps without it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from tabulate import tabulate
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile, record_function
from torch.utils.flop_counter import FlopCounterMode

from benchmark.speed import Settings, clips
from benchmark.speed.clips import FRONT_END, SEED, made_waves, packed
from benchmark.speed.ours import Load, Step
from benchmark.speed.turns import Turn, Work, cpu_ms, shown, spread, take_turns, threads, wait, wall_ms
from serkit import augment, run
from serkit.batches import ClipSet, crop_starts, shuffled_batches
from serkit.errors import CorpusMissing, SerkitError
from serkit.frontend import NAMED, FrontEnd
from serkit.loader import CPU_CLIPS, Inputs, Loader
from serkit.specs import Augmentation, Recipe

SIZES = {
    "cpu": ((4, 2.5), (8, 2.5), (16, 2.5), (8, 5.7)),
    "cuda": ((64, 2.5), (64, 5.7), (64, 10.0), (32, 5.7), (16, 5.7)),
}
"""Widths, and seconds a clip."""
QUICK_SIZES = ((2, 1.0),)

CLIPS = {"cpu": 16, "cuda": Recipe().batch_size}
WIDTH = {"cpu": 8, "cuda": 64}  # of the overheads, where no study is taken
MADE_BATCHES = 16  # in an epoch of made clips
CYCLED = 4  # batches of augmented clips that the network gets in turn: their lengths differ
PEAK = {"cpu": (2048, torch.float32), "cuda": (8192, torch.bfloat16)}
"""Rows and columns, and type, of the matrix product."""

PRODUCT = "matrix product"
LOAD_PLAIN, LOAD = "load, 0 %", "load, 100 %"
NETWORK_PLAIN, NETWORK = "network, 0 %", "network, 100 %"
BOTH_PLAIN, BOTH = "both, 0 %", "both, 100 %"

EPOCHS = 5  # that padding is counted over
PROFILED = 4  # batches in a profiled pass
READ = "ClipSet.read"
LISTED = 12  # operators in the table


def measure(settings: Settings, device: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Every size, then the overheads; on a CPU with all threads.

    Raises:
        SerkitError: a batch does not fit into the GPU's memory.
        SpecError, CorpusUnfit, AudioError: the study or its corpora cannot be used.
    """
    batch = settings.clips or CLIPS[device]
    number = settings.threads[-1]
    with threads(number):
        rows = []
        for width, seconds in QUICK_SIZES if settings.quick else SIZES[device]:
            say(f"width {width}, {batch} clips of {seconds} s ...")
            try:
                rows.append(of_size(settings, device, width, seconds, batch))
            except torch.cuda.OutOfMemoryError as error:
                raise SerkitError(
                    f"a batch of {batch} clips of {seconds} s does not fit into the memory of {device}; give"
                    " a smaller --batch"
                ) from error
        setting = real(settings, device)
        say(f"overheads, {setting.title} ...")
        found = overheads(setting, settings, device)
    return {"device": device, "threads": number, "clips": batch, "sizes": rows, "overheads": found}


# --- sizes ---


def of_size(settings: Settings, device: str, width: int, seconds: float, batch: int) -> dict[str, Any]:
    """A row: one width, one length of clip."""
    front_end = NAMED[FRONT_END]
    loader = Loader(front_end, Recipe(), device, Augmentation(), SEED)
    step = Step(loader, width)
    made = packed(made_waves(batch, seconds, front_end.rate_hz), front_end.rate_hz)
    plain, augmented = Load(loader, made, 0), Load(loader, made)
    plain_inputs = plain()
    flop = flop_of(partial(step, plain_inputs))
    size, kind = (256, torch.float32) if settings.quick else PEAK[device]
    factors = torch.ones(2, size, size, dtype=kind, device=device)
    works: dict[str, Work] = {
        PRODUCT: partial(torch.mm, factors[0], factors[1], out=torch.empty_like(factors[0])),
        LOAD_PLAIN: plain,
        LOAD: augmented,
        NETWORK_PLAIN: partial(step, plain_inputs),
        NETWORK: Cycle([partial(step, augmented()) for _ in range(CYCLED)]),
        BOTH_PLAIN: lambda: step(plain()),
        BOTH: lambda: step(augmented()),
    }
    turns = take_turns(works, settings.rounds, settings.seconds, device)
    return {
        "width": width,
        "clip_seconds": seconds,
        "clips": batch,
        "gflop_a_clip": flop / batch / 1e9,
        "wall": figures(turns, wall_ms, batch, flop, 2 * size**3),
        "cpu": figures(turns, cpu_ms, batch, flop, 2 * size**3),
        "rounds": {name: [vars(turn) for turn in of] for name, of in turns.items()},
    }


def flop_of(work: Work) -> int:
    """Floating-point operations of a piece of work, in convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


class Cycle:
    """Several works, one a call, in turn."""

    def __init__(self, works: Sequence[Work]) -> None:
        """Begins with the first."""
        self.works, self.done = works, 0

    def __call__(self) -> None:
        """The next."""
        self.works[self.done % len(self.works)]()
        self.done += 1


def figures(
    turns: Mapping[str, Sequence[Turn]],
    clock: Callable[[Sequence[Turn]], np.ndarray],
    batch: int,
    flop: int,
    flop_of_product: int,
) -> dict[str, Any]:
    """What rounds give by one clock; every share is of turns in the same round.

    Args:
        turns: of every work.
        clock: milliseconds a batch, round by round.
        batch: clips.
        flop: of the network's step at 0 %.
        flop_of_product: of the matrix product.
    """
    ms = {name: clock(of) for name, of in turns.items()}
    peak = flop_of_product / ms[PRODUCT]
    steps = (NETWORK_PLAIN, BOTH_PLAIN, BOTH)
    return {
        "peak_tflops": spread(peak / 1e9),
        "ms_per_batch": {name: spread(of) for name, of in ms.items() if name != PRODUCT},
        "clips_per_s": {name: spread(1e3 * batch / of) for name, of in ms.items() if name != PRODUCT},
        "tflops": {name: spread(flop / ms[name] / 1e9) for name in steps},
        "share_of_peak": {name: spread(flop / ms[name] / peak) for name in steps},
        "not_network": {
            "0": spread(1 - ms[NETWORK_PLAIN] / ms[BOTH_PLAIN]),
            "100": spread(1 - ms[NETWORK] / ms[BOTH]),
        },
        "augmentation_adds": spread(ms[BOTH] / ms[BOTH_PLAIN] - 1),
        "network_adds": spread(ms[NETWORK] / ms[NETWORK_PLAIN] - 1),
    }


# --- overheads ---


@dataclass(frozen=True, eq=False)
class Real:
    """What real steps are taken of.

    Attributes:
        title: one line.
        width: of the network.
        front_end: its name.
        recipe: batch size, cap on lengths.
        augmentation: of the affected clips.
        percent: how many are.
        clips: the training set.
    """

    title: str
    width: int
    front_end: str
    recipe: Recipe
    augmentation: Augmentation
    percent: int
    clips: ClipSet


def real(settings: Settings, device: str) -> Real:
    """A study's heaviest condition; made clips on a GPU, where its corpora are not there, and for a trial."""
    batch = settings.clips or CLIPS[device]
    if device == "cpu" and not settings.quick:
        spec = clips.condition(settings.study)
        try:
            there = clips.corpora_of(spec, settings.data)
        except CorpusMissing:
            there = {}
        if there:
            recipe = replace(spec.recipe, batch_size=settings.clips or spec.recipe.batch_size)
            return Real(
                title=f"{settings.study} ({' + '.join(spec.train)})",
                width=spec.model.width,
                front_end=spec.model.front_end,
                recipe=recipe,
                augmentation=spec.augmentation or Augmentation(),
                percent=spec.augment_percent,
                clips=run.training_set(spec, there),
            )
    rate_hz = NAMED[FRONT_END].rate_hz
    number = batch if settings.quick else batch * MADE_BATCHES
    return Real(
        title="made clips, lengths as of MSP-Podcast",
        width=2 if settings.quick else WIDTH[device],
        front_end=FRONT_END,
        recipe=Recipe(batch_size=batch, max_seconds=1.0 if settings.quick else Recipe().max_seconds),
        augmentation=Augmentation(),
        percent=100,
        clips=clips.packed_lengths(clips.made_lengths(number, rate_hz), rate_hz),
    )


class Watched(ClipSet):
    """A set whose reading the profiler sees."""

    def read(self, *arguments: Any) -> Any:
        """As it is."""
        with record_function(READ):
            return super().read(*arguments)


@dataclass
class Passes:
    """What was found in the rounds, milliseconds a pass; entries in the order of the rounds.

    Attributes:
        wall: of passes without the profiler.
        cpu: CPU time of the same.
        bare_wall: of as many steps with next to nothing to compute.
        bare_cpu: CPU time of the same.
        traces: with the profiler.
    """

    wall: list[float]
    cpu: list[float]
    bare_wall: list[float]
    bare_cpu: list[float]
    traces: list[dict[str, Any]]


def overheads(real: Real, settings: Settings, device: str) -> dict[str, Any]:
    """What is not the network's arithmetic, as shares of the step."""
    front_end = NAMED[real.front_end]
    loader = Loader(front_end, real.recipe, device, real.augmentation, SEED)
    step = Step(loader, real.width)
    watched = Watched(real.clips.packs, real.clips.corpus, real.clips.row, real.clips.label)
    drawn = augment.draw(real.augmentation, real.percent, SEED, 0, len(watched))
    starts = crop_starts(watched.lengths, loader.longest, SEED, 0)
    chosen = shuffled_batches(watched.lengths, real.recipe.batch_size, SEED, 0)[:PROFILED]

    def loaded(batch: np.ndarray) -> Inputs:
        return loader.load(watched, batch, starts[batch], drawn[batch])

    def training() -> None:
        for batch in chosen:
            step(loaded(batch))

    at_once = CPU_CLIPS if device == "cpu" else real.recipe.batch_size
    parts = sum(-(-len(batch) // at_once) for batch in chosen)
    shortest = clips.packed_lengths(np.array([front_end.min_samples]), front_end.rate_hz)
    bare_load, bare_step = Load(loader, shortest, real.percent), Step(loader, 1)
    bare_inputs = bare_load()

    def bare() -> None:
        for _ in range(parts):
            bare_load()
        for _ in chosen:
            bare_step(bare_inputs)

    found = Passes([], [], [], [], [])
    for work in (training, bare):
        work()
    for _ in range(settings.rounds):
        for work, wall, cpu in (
            (training, found.wall, found.cpu),
            (bare, found.bare_wall, found.bare_cpu),
        ):
            wait(device)
            wall_before, cpu_before = time.perf_counter(), time.process_time()
            work()
            wait(device)
            wall.append(1e3 * (time.perf_counter() - wall_before))
            cpu.append(1e3 * (time.process_time() - cpu_before))
        found.traces.append(traced(training, device))
    network = None
    if device == "cuda":
        ready = [partial(step, loaded(batch)) for batch in chosen]
        network = traced(lambda: [work() for work in ready], device)["kernels_ms"]
    return {
        "title": real.title,
        "width": real.width,
        "clips": len(watched),
        "batch_clips": real.recipe.batch_size,
        "percent": real.percent,
        "batches": len(chosen),
        "padding": {
            str(percent): padding(watched.lengths, real, front_end, percent)
            for percent in sorted({0, real.percent})
        },
        **shares(found, network),
    }


def padding(lengths: np.ndarray, real: Real, front_end: FrontEnd, percent: int) -> float:
    """Share of frames past the clips' ends, in the batches of `EPOCHS` epochs.

    Args:
        lengths: int64 [clips], samples of each.
        real: recipe and augmentation.
        front_end: makes the frames.
        percent: augmentation rate.
    """
    samples = np.minimum(lengths, front_end.most_samples(real.recipe.max_seconds))
    inside = computed = 0
    for epoch in range(EPOCHS):
        drawn = augment.draw(real.augmentation, percent, SEED, epoch, len(lengths))
        stretched = drawn.affected & real.augmentation.stretches_features
        rates = np.where(stretched, drawn.stretch_rate, 1.0)
        frames = front_end.frames(np.maximum(samples, front_end.least_samples(rates)), rates)
        for batch in shuffled_batches(lengths, real.recipe.batch_size, SEED, epoch):
            inside += int(frames[batch].sum())
            computed += int(frames[batch].max()) * len(batch)
    return 1 - inside / computed


def traced(work: Work, device: str) -> dict[str, Any]:
    """One pass under the profiler."""
    if device == "cpu":
        os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # else it reports that there is no GPU as an error
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device == "cuda")
    with profile(activities=activities, acc_events=True) as profiler:
        wait(device)
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        wait(device)
        wall_ms, cpu_ms = 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - cpu)
    return {"wall_ms": wall_ms, "cpu_ms": cpu_ms, **times_in(profiler.key_averages())}


def times_in(events: Iterable[Any]) -> dict[str, Any]:
    """What a trace says, in milliseconds.

    Args:
        events: `torch.profiler.profile.key_averages()`.

    Returns:
        `operators_ms`, own time of PyTorch's operators on the host; `read_ms`, in `ClipSet.read`;
        `kernels_ms` and `copies_ms`, time on the GPU, in all and in copies to it; `by_name`, the largest own
        times, of kernels where there are any.
    """
    operators: dict[str, float] = {}
    kernels: dict[str, float] = {}
    read = 0.0
    for event in events:
        if event.device_type == DeviceType.CPU:
            if event.key == READ:
                read += event.cpu_time_total / 1e3
            elif event.key.startswith("aten::"):
                operators[event.key] = event.self_cpu_time_total / 1e3
        elif not event.is_user_annotation:  # they span kernels that are counted already
            kernels[event.key] = event.self_device_time_total / 1e3
    listed = sorted((kernels or operators).items(), key=lambda item: -item[1])[:LISTED]
    return {
        "operators_ms": sum(operators.values()),
        "read_ms": read,
        "kernels_ms": sum(kernels.values()),
        "copies_ms": sum(ms for name, ms in kernels.items() if name.startswith("Memcpy HtoD")),
        "by_name": dict(listed),
    }


def shares(found: Passes, network_kernels_ms: float | None) -> dict[str, Any]:
    """Shares of the step, round by round; against CPU time, on a GPU against wall time."""
    wall, cpu, bare_wall, bare_cpu = (
        np.array(each) for each in (found.wall, found.cpu, found.bare_wall, found.bare_cpu)
    )
    of_traces = {
        name: np.array([trace[name] for trace in found.traces])
        for name in ("wall_ms", "cpu_ms", "operators_ms", "read_ms", "kernels_ms", "copies_ms")
    }
    outside = 1 - (of_traces["operators_ms"] + of_traces["read_ms"]) / of_traces["wall_ms"]
    profiler = 1 - cpu / of_traces["cpu_ms"]
    result = {
        "wall_ms_per_pass": spread(wall),
        "cpu_ms_per_pass": spread(cpu),
        "read": spread(of_traces["read_ms"] / of_traces["wall_ms"]),
        "outside_operators": spread(outside),
        "profiler": spread(profiler),
        "by_name_ms": found.traces[-1]["by_name"],
        "rounds": vars(found),
    }
    if network_kernels_ms is None:
        bare = bare_cpu / cpu
        return {
            **result,
            "bare": spread(bare),
            "python_at_least": spread(np.maximum(0, outside - np.maximum(0, profiler))),
            "python_at_most": spread(np.minimum(outside, bare)),
        }
    return {
        **result,
        "bare": spread(bare_wall / wall),
        "copies": spread(of_traces["copies_ms"] / wall),
        "idle": spread(1 - of_traces["kernels_ms"] / wall),
        "not_network_kernels": spread(1 - network_kernels_ms / wall),
    }


# --- the tables ---


def text(measured: Mapping[str, Any]) -> str:
    """Both tables, as printed."""
    return "\n\n".join([_sizes(measured), _overheads(measured)])


def _sizes(measured: Mapping[str, Any]) -> str:
    on_gpu = measured["device"] == "cuda"
    sizes = measured["sizes"]
    by = [size["wall" if on_gpu else "cpu"] for size in sizes]
    unit, scale = ("TFLOP/s", 1.0) if on_gpu else ("GFLOP/s", 1e3)
    rows = [["GFLOP a clip", *(f"{size['gflop_a_clip']:.3g}" for size in sizes)]]

    def line(title: str, found: Iterable[Mapping[str, float]], digits: int = 1, scale: float = 1) -> None:
        rows.append([title, *(shown(each, digits, scale) for each in found)])

    for name in (LOAD_PLAIN, LOAD, NETWORK_PLAIN, NETWORK, BOTH_PLAIN, BOTH):
        line(f"{name}: ms", (of["ms_per_batch"][name] for of in by))
    for name in (LOAD, NETWORK_PLAIN, BOTH_PLAIN, BOTH):
        line(f"{name}: clips/s", (of["clips_per_s"][name] for of in by), 0)
    line(f"matrix product: {unit}", (of["peak_tflops"] for of in by), 0, scale)
    for name in (NETWORK_PLAIN, BOTH_PLAIN, BOTH):
        line(f"{name}: {unit}", (of["tflops"][name] for of in by), 1, scale)
        line(f"{name}: % of product", (of["share_of_peak"][name] for of in by), 1, 100)
    for percent in ("0", "100"):
        line(f"not network, {percent} %: % of step", (of["not_network"][percent] for of in by), 1, 100)
    line("augmentation adds, %", (of["augmentation_adds"] for of in by), 1, 100)
    line("... in the network, %", (of["network_adds"] for of in by), 1, 100)
    headers = ["A batch", *(f"width {size['width']}, {size['clip_seconds']} s" for size in sizes)]
    clock = "wall time" if on_gpu else f"CPU time, threads: {measured['threads']}"
    return (
        f"{tabulate(rows, headers, disable_numparse=True)}\n\n{measured['clips']} clips a batch; by {clock};"
        " median (quartiles) of the rounds, shares within them. 0 %, 100 %: of the clips augmented."
    )


def _overheads(measured: Mapping[str, Any]) -> str:
    of = measured["overheads"]
    on_gpu = measured["device"] == "cuda"
    rows = [
        [f"padding, {percent} % augmented", f"{100 * share:.1f}"] for percent, share in of["padding"].items()
    ]
    rows += [
        [title, shown(of[key], 1, 100)]
        for title, key in (
            ("reading clips", "read"),
            ("copies to the GPU", "copies"),
            ("Python and dispatch, at least", "python_at_least"),
            ("Python and dispatch, at most", "python_at_most"),
            ("... outside of operators, profiled", "outside_operators"),
            ("... the profiler's own cost", "profiler"),
            ("... with next to nothing to compute" + on_gpu * " (hidden below 100)", "bare"),
            ("GPU idle", "idle"),
            ("not the network's kernels", "not_network_kernels"),
        )
        if key in of
    ]
    if not on_gpu:
        known = of["padding"][str(of["percent"])] + of["read"]["median"]
        least, most = (known + of[f"python_at_{bound}"]["median"] for bound in ("least", "most"))
        rows.append(["padding, reading, Python together", f"{100 * least:.1f} to {100 * most:.1f}"])
    headers = ["Overheads", "% of the step"]
    where = [[name[:70], f"{ms / of['batches']:.2f}"] for name, ms in of["by_name_ms"].items()]
    what = f"width {of['width']}, batches of {of['batch_clips']}, {of['percent']} % augmented"
    return "\n\n".join(
        [
            f"{of['title']}: {what}",
            tabulate(rows, headers, disable_numparse=True),
            tabulate(where, ["Most time in", "ms a step"], disable_numparse=True),
        ]
    )
