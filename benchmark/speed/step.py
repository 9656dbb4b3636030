"""The training step: how much of it is the network's arithmetic, and what the rest costs.

**Sizes.** At several widths and lengths of clip, with 0 % and 100 % of the clips augmented, each by itself
and then in turn as in training, where the host queues the next batch's loading while a GPU still computes:

    load      packed int16 to what the network takes
    network   forward, loss, backward, Adam, on batches that were loaded before
    both      as in training
    compiled  the same with what `torch.compile` makes of the network's passes; how long that takes, and after
              how many batches it is won back

FLOP are counted (`torch.utils.flop_counter`) on the network's step at 0 %. They stand beside what this
device does in a large matrix product of the type the network computes in (bfloat16 on a GPU, float32 on a
CPU), which takes its turns with the rest. Augmentation makes some clips longer and masks cells, so the
network has more to do; that counts as a cost of augmentation, not as arithmetic done.

**Overheads.** Of steps on real batches (the study's training set in the order it is trained in, where its
corpora are there; on a GPU and elsewhere, made clips with lengths as of MSP-Podcast), as shares of the step:

    padding    frames past the clips' ends, exactly, over whole epochs; the network computes them like others
    reading    clips out of the pack (`ClipSet.read`); on a GPU, copies to it
    Python     with PyTorch's dispatch, between two bounds. At most: what `torch.profiler` finds outside of
               operators, its own cost included, or the bare step, whichever is less; that is as many
               operators with next to nothing to compute (one clip of the shortest length, one channel). At
               least: what is outside of operators less all that the profiler adds to the bare step, some of
               which it adds inside of operators

On a GPU the host's work is hidden behind the device's as long as it is shorter; there the device's idle share
counts, from the time in its kernels by the profiler and the wall time of steps without it.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
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
from serkit import run
from serkit.batches import ClipSet
from serkit.errors import SerkitError
from serkit.frontend import NAMED
from serkit.loader import CPU_CLIPS, GPU_FRAMES, Inputs, Loader
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
NETWORK_COMPILED, BOTH_COMPILED = "network, 100 %, compiled", "both, 100 %, compiled"

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
    plain_inputs, cycled = plain(), [augmented() for _ in range(CYCLED)]
    flop = flop_of(partial(step, plain_inputs))
    size, kind = (256, torch.float32) if settings.quick else PEAK[device]
    factors = torch.randn(2, size, size, device=device).to(kind)  # a GPU is faster on ones
    works: dict[str, Work] = {
        PRODUCT: partial(torch.mm, factors[0], factors[1], out=torch.empty_like(factors[0])),
        LOAD_PLAIN: plain,
        LOAD: augmented,
        NETWORK_PLAIN: partial(step, plain_inputs),
        NETWORK: Cycle([partial(step, inputs) for inputs in cycled]),
        BOTH_PLAIN: lambda: step(plain()),
        BOTH: lambda: step(augmented()),
    }
    compile_s: float | None = None
    why_not: str | None = "not tried"
    if not settings.quick:
        compiled = Step(loader, width, compiled=True)
        compile_s, why_not = seconds_to_compile([partial(compiled, inputs) for inputs in cycled], device)
    if compile_s is not None:
        works[NETWORK_COMPILED] = Cycle([partial(compiled, inputs) for inputs in cycled])
        works[BOTH_COMPILED] = lambda: compiled(augmented())
    turns = take_turns(works, settings.rounds, settings.seconds, device)
    return {
        "width": width,
        "clip_seconds": seconds,
        "clips": batch,
        "gflop_a_clip": flop / batch / 1e9,
        "compile_s": compile_s,
        "not_compiled": why_not,
        "wall": figures(turns, wall_ms, batch, flop, 2 * size**3),
        "cpu": figures(turns, cpu_ms, batch, flop, 2 * size**3),
        "rounds": {name: [vars(turn) for turn in of] for name, of in turns.items()},
    }


def flop_of(work: Work) -> int:
    """Floating-point operations of a piece of work, in convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def seconds_to_compile(works: Sequence[Work], device: str) -> tuple[float | None, str | None]:
    """What the first calls take longer than the second ones; or None and why nothing was compiled."""
    passes = []
    for _ in range(2):
        before = time.perf_counter()
        try:
            for work in works:
                work()
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError as error:  # no compiler, or one that does not work
            return None, str(error).partition("\n")[0]
        wait(device)
        passes.append(time.perf_counter() - before)
    return max(0.0, passes[0] - passes[1]), None


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
    steps = [name for name in (NETWORK_PLAIN, BOTH_PLAIN, BOTH, BOTH_COMPILED) if name in ms]
    compiled = {"compiling_saves": spread(1 - ms[BOTH_COMPILED] / ms[BOTH])} if BOTH_COMPILED in ms else {}
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
        **compiled,
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
    found = clips.real(settings, device)
    if found is not None:
        spec, there = found
        return Real(
            title=f"{settings.study} ({' + '.join(spec.train)})",
            width=spec.model.width,
            front_end=spec.model.front_end,
            recipe=spec.recipe,
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
        bare_traced_cpu: CPU time of the same with the profiler.
        traces: with the profiler.
    """

    wall: list[float]
    cpu: list[float]
    bare_wall: list[float]
    bare_cpu: list[float]
    bare_traced_cpu: list[float]
    traces: list[dict[str, Any]]


def overheads(real: Real, settings: Settings, device: str) -> dict[str, Any]:
    """What is not the network's arithmetic, as shares of the step."""
    front_end = NAMED[real.front_end]
    loader = Loader(front_end, real.recipe, device, real.augmentation, SEED)
    step = Step(loader, real.width)
    watched = Watched(real.clips.packs, real.clips.corpus, real.clips.row, real.clips.label)
    epoch = loader.epoch(watched, 0, real.percent)
    chosen = epoch.batches[:PROFILED]

    def loaded(batch: np.ndarray) -> Inputs:
        return loader.load(watched, batch, *epoch.of(batch))

    def training() -> None:
        for batch in chosen:
            step(loaded(batch))

    on_gpu = device == "cuda"
    at_once = real.recipe.batch_size if on_gpu else CPU_CLIPS
    parts = sum(-(-len(batch) // at_once) for batch in chosen)
    shortest = clips.packed_lengths(np.array([front_end.min_samples]), front_end.rate_hz)
    bare_load, bare_step = Load(loader, shortest, real.percent), Step(loader, 1)
    bare_inputs = bare_load()

    def bare() -> None:
        for _ in range(parts):
            bare_load()
        for _ in chosen:
            bare_step(bare_inputs)

    found = Passes([], [], [], [], [], [])
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
        found.bare_traced_cpu.append(under_profiler(bare, device)[1]["cpu_ms"])
    network = None
    if on_gpu:
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
            str(percent): padding(loader, watched, percent, GPU_FRAMES if on_gpu else 1)
            for percent in sorted({0, real.percent})
        },
        **shares(found, network),
    }


def padding(loader: Loader, training: ClipSet, percent: int, multiple: int = 1) -> float:
    """Share of frames past the clips' ends, in the batches of `EPOCHS` epochs.

    Args:
        loader: with an augmentation.
        training: the clips.
        percent: augmentation rate.
        multiple: frames that a batch's length is a multiple of.
    """
    front_end, augmentation = loader.front_end, loader.augmentation
    assert augmentation is not None
    samples = np.minimum(training.lengths, loader.longest)
    inside = computed = 0
    for number in range(EPOCHS):
        epoch = loader.epoch(training, number, percent)
        assert epoch.drawn is not None
        stretched = epoch.drawn.affected & augmentation.stretches_features
        rates = np.where(stretched, epoch.drawn.stretch_rate, 1.0)
        frames = front_end.frames(np.maximum(samples, front_end.least_samples(rates)), rates)
        for batch in epoch.batches:
            inside += int(frames[batch].sum())
            longest = int(frames[batch].max())
            computed += (longest + -longest % multiple) * len(batch)
    return 1 - inside / computed


def traced(work: Work, device: str) -> dict[str, Any]:
    """What one pass takes under the profiler, `wall_ms` and `cpu_ms`, and what that says (`times_in`)."""
    profiler, times = under_profiler(work, device)
    return {**times, **times_in(profiler.key_averages())}


def under_profiler(work: Work, device: str) -> tuple[profile, dict[str, float]]:
    """The profiler after one pass, and what that took; the trace is not read yet, which takes longer."""
    if device == "cpu":
        os.environ.setdefault("KINETO_LOG_LEVEL", "5")  # else it reports that there is no GPU as an error
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device == "cuda")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Profiler clears events")  # there are none before
        with profile(activities=activities) as profiler:
            wait(device)
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            wait(device)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return profiler, {"wall_ms": 1e3 * wall, "cpu_ms": 1e3 * cpu}


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
    wall, cpu = np.array(found.wall), np.array(found.cpu)
    bare_wall, bare_cpu = np.array(found.bare_wall), np.array(found.bare_cpu)
    of_traces = {
        name: np.array([trace[name] for trace in found.traces])
        for name in ("wall_ms", "cpu_ms", "operators_ms", "read_ms", "kernels_ms", "copies_ms")
    }
    result = {
        "wall_ms_per_pass": spread(wall),
        "cpu_ms_per_pass": spread(cpu),
        "read": spread(of_traces["read_ms"] / of_traces["wall_ms"]),
        "by_name_ms": found.traces[-1]["by_name"],
        "rounds": vars(found),
    }
    if network_kernels_ms is not None:
        return {
            **result,
            "copies": spread(of_traces["copies_ms"] / wall),
            "bare": spread(bare_wall / wall),
            "idle": spread(1 - of_traces["kernels_ms"] / wall),
            "not_network_kernels": spread(1 - network_kernels_ms / wall),
        }
    outside = 1 - (of_traces["operators_ms"] + of_traces["read_ms"]) / of_traces["wall_ms"]
    profiler = (np.array(found.bare_traced_cpu) - bare_cpu) / of_traces["cpu_ms"]
    most = np.minimum(outside, bare_cpu / cpu)
    return {
        **result,
        "python_at_least": spread(np.clip(outside - profiler, 0, most)),
        "python_at_most": spread(most),
        "outside_operators": spread(outside),
        "profiler": spread(profiler),
        "bare": spread(bare_cpu / cpu),
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

    def line(
        title: str, found: Iterable[Mapping[str, float] | None], digits: int = 1, scale: float = 1
    ) -> None:
        cells = [shown(each, digits, scale) for each in found]
        if set(cells) != {shown(None)}:
            rows.append([title, *cells])

    steps = (NETWORK_PLAIN, BOTH_PLAIN, BOTH, BOTH_COMPILED)
    for name in (LOAD_PLAIN, LOAD, NETWORK_PLAIN, NETWORK, NETWORK_COMPILED, *steps[1:]):
        line(f"{name}: ms", (of["ms_per_batch"].get(name) for of in by))
    for name in (LOAD, *steps):
        line(f"{name}: clips/s", (of["clips_per_s"].get(name) for of in by), 0)
    line(f"matrix product: {unit}", (of["peak_tflops"] for of in by), 0, scale)
    for name in steps:
        line(f"{name}: {unit}", (of["tflops"].get(name) for of in by), 1, scale)
        line(f"{name}: % of product", (of["share_of_peak"].get(name) for of in by), 1, 100)
    for percent in ("0", "100"):
        line(f"not network, {percent} %: % of step", (of["not_network"][percent] for of in by), 1, 100)
    line("augmentation adds, %", (of["augmentation_adds"] for of in by), 1, 100)
    line("... in the network, %", (of["network_adds"] for of in by), 1, 100)
    line("compiling saves, 100 %: % of step", (of.get("compiling_saves") for of in by), 1, 100)
    rows.append(["compiling takes, s", *(_seconds(size["compile_s"]) for size in sizes)])
    rows.append(["... batches to win it back", *(_won_back(size, on_gpu) for size in sizes)])
    headers = ["A batch", *(f"width {size['width']}, {size['clip_seconds']} s" for size in sizes)]
    clock = "wall time" if on_gpu else f"CPU time, threads: {measured['threads']}"
    return (
        f"{tabulate(rows, headers, disable_numparse=True)}\n\n{measured['clips']} clips a batch; by {clock};"
        " median (quartiles) of the rounds, shares within them. 0 %, 100 %: of the clips augmented."
    )


def _seconds(value: float | None) -> str:
    return "--" if value is None else f"{value:.1f}"


def _won_back(size: Mapping[str, Any], on_gpu: bool) -> str:
    """After how many batches compiling has saved the time it took; `never` where it saves none."""
    if size["compile_s"] is None:
        return "--"
    ms = size["wall" if on_gpu else "cpu"]["ms_per_batch"]
    saved = ms[BOTH]["median"] - ms[BOTH_COMPILED]["median"]
    return f"{1e3 * size['compile_s'] / saved:.0f}" if saved > 0 else "never"


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
            ("... the bare step" + on_gpu * " (hidden below 100)", "bare"),
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
