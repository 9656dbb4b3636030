"""The training step: how much of it is the network's arithmetic, and what the rest costs.

**Sizes.** At several widths and lengths of clip, with 0 % and 100 % of the clips augmented, each by itself
and then in turn as in training, where the host queues the next batch's loading while a GPU still computes:

    load      packed int16 to what the network takes
    network   forward, loss, backward, Adam, on batches that were loaded before
    both      as in training

FLOP are counted (`torch.utils.flop_counter`) on the network's step at 0 %. They stand beside what this
device does in a large matrix product of the type the network computes in (bfloat16 on a GPU, float32 on a
CPU), which takes its turns with the rest. Augmentation makes some clips longer and masks cells, so the
network has more to do; that counts as a cost of augmentation, not as arithmetic done. Figures are of CPU time
on a CPU, of wall time on a GPU.

**Real batches.** Of made clips with lengths as of MSP-Podcast, all of them augmented, in the order that they
are trained in:

    padding    share of frames past the clips' ends, exactly, over whole epochs: the network computes them too
    idle       on a GPU, share of the wall time (of steps without the profiler) in which no kernel ran
    network    on a GPU, share of the wall time in the kernels of steps on batches loaded before
    by name    where the time went, by the profiler: kernels on a GPU, PyTorch's operators on a CPU
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from tabulate import tabulate
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from serkit.augment import Augmenting
from serkit.clips import ClipSet
from serkit.encoders.cnn14.logmel import GPU_FRAMES, NAMED
from serkit.errors import SerkitError
from serkit.loader import Loader
from serkit.specs import Augmentation, Recipe
from tools.speed import Settings
from tools.speed.clips import FRONT_END, SEED, made_lengths, made_waves, packed, packed_lengths
from tools.speed.ours import Load, Step
from tools.speed.turns import Work, cpu_ms, shown, spread, take_turns, threads, wait, wall_ms

SIZES = {
    "cpu": ((4, 2.5), (8, 2.5), (16, 2.5), (8, 5.7)),
    "cuda": ((64, 2.5), (64, 5.7), (64, 10.0), (32, 5.7), (16, 5.7)),
}
"""Widths, and seconds a clip."""
QUICK_SIZES = ((2, 1.0),)

CLIPS = {"cpu": 16, "cuda": Recipe().batch_size}
WIDTH = {"cpu": 8, "cuda": 64}  # of the real batches
MADE_BATCHES = 16  # in an epoch of made clips
CYCLED = 4  # batches of augmented clips that the network gets in turn: their lengths differ
PEAK = {"cpu": (2048, torch.float32), "cuda": (8192, torch.bfloat16)}
"""Rows and columns, and type, of the matrix product."""

PRODUCT, LOAD = "matrix product", "load, 100 %"
NETWORK_PLAIN, NETWORK = "network, 0 %", "network, 100 %"
BOTH_PLAIN, BOTH = "both, 0 %", "both, 100 %"

EPOCHS = 5  # that padding is counted over
PROFILED = 4  # batches in a profiled pass
LISTED = 12  # kernels or operators in the table


def measure(settings: Settings, device: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Every size, then real batches; on a CPU with all threads.

    Raises:
        SerkitError: a batch does not fit into the GPU's memory.
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
        say("batches of clips of 2 to 11 s ...")
        found = real_batches(settings, device, batch)
    return {"device": device, "threads": number, "clips": batch, "sizes": rows, "real": found}


# --- sizes ---


def of_size(settings: Settings, device: str, width: int, seconds: float, batch: int) -> dict[str, Any]:
    """A row: one width, one length of clip."""
    front_end = NAMED[FRONT_END]
    loader = Loader(front_end, Recipe(), device, Augmenting(Augmentation()), SEED)
    step = Step(loader, width)
    made = packed(made_waves(batch, seconds, front_end.rate_hz), front_end.rate_hz)
    plain, augmented = Load(loader, made, 0), Load(loader, made)
    plain_inputs, cycled = plain(), [augmented() for _ in range(CYCLED)]
    in_turn = itertools.cycle(cycled)
    flop = flop_of(partial(step, plain_inputs))
    size, kind = (256, torch.float32) if settings.quick else PEAK[device]
    factors = torch.randn(2, size, size, device=device).to(kind)  # a GPU is faster on ones
    works: dict[str, Work] = {
        PRODUCT: partial(torch.mm, factors[0], factors[1], out=torch.empty_like(factors[0])),
        LOAD: augmented,
        NETWORK_PLAIN: partial(step, plain_inputs),
        NETWORK: lambda: step(next(in_turn)),
        BOTH_PLAIN: lambda: step(plain()),
        BOTH: lambda: step(augmented()),
    }
    turns = take_turns(works, settings.rounds, settings.seconds, device)
    clock = wall_ms if device == "cuda" else cpu_ms
    return {
        "width": width,
        "clip_seconds": seconds,
        "gflop_a_clip": flop / batch / 1e9,
        **figures({name: clock(of) for name, of in turns.items()}, batch, flop, 2 * size**3),
        "rounds": {name: [vars(turn) for turn in of] for name, of in turns.items()},
    }


def flop_of(work: Work) -> int:
    """Floating-point operations of a piece of work, in convolutions and matrix products."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def figures(ms: Mapping[str, np.ndarray], batch: int, flop: int, flop_of_product: int) -> dict[str, Any]:
    """What rounds give; every share is of turns in the same round.

    Args:
        ms: milliseconds a batch of every work, round by round.
        batch: clips.
        flop: of the network's step at 0 %.
        flop_of_product: of the matrix product.
    """
    peak = flop_of_product / ms[PRODUCT]
    steps = (NETWORK_PLAIN, BOTH_PLAIN, BOTH)
    shares = {
        "not network, 0 %": 1 - ms[NETWORK_PLAIN] / ms[BOTH_PLAIN],
        "not network, 100 %": 1 - ms[NETWORK] / ms[BOTH],
        "augmentation adds": ms[BOTH] / ms[BOTH_PLAIN] - 1,
        "augmentation adds in the network": ms[NETWORK] / ms[NETWORK_PLAIN] - 1,
    }
    return {
        "ms_per_batch": {name: spread(of) for name, of in ms.items() if name != PRODUCT},
        "clips_per_s": {name: spread(1e3 * batch / of) for name, of in ms.items() if name != PRODUCT},
        "tflops": {PRODUCT: spread(peak / 1e9), **{name: spread(flop / ms[name] / 1e9) for name in steps}},
        "of_the_product": {name: spread(flop / ms[name] / peak) for name in steps},
        "of_the_step": {name: spread(share) for name, share in shares.items()},
    }


# --- real batches ---


def real_batches(settings: Settings, device: str, batch: int) -> dict[str, Any]:
    """Padding, and where the time goes."""
    front_end, on_gpu = NAMED[FRONT_END], device == "cuda"
    width, seconds = (2, 1.0) if settings.quick else (WIDTH[device], Recipe().max_seconds)
    recipe = Recipe(batch_size=batch, max_seconds=seconds)
    number = batch if settings.quick else batch * MADE_BATCHES
    training = packed_lengths(made_lengths(number, front_end.rate_hz), front_end.rate_hz)
    loader = Loader(front_end, recipe, device, Augmenting(Augmentation()), SEED)
    step, epoch = Step(loader, width), loader.epoch(training, 0)
    chosen = epoch.batches[:PROFILED]

    def steps() -> None:
        for each in chosen:
            step(step.model.inputs(loader.load(training, each, epoch)))

    steps()
    turns = take_turns({BOTH: steps}, settings.rounds, 0.0, device)[BOTH]
    traces = [traced(steps, device) for _ in range(settings.rounds)]
    found = {
        "width": width,
        "batches": len(chosen),
        "padding": {
            str(percent): padding(recipe, training, percent, GPU_FRAMES if on_gpu else 1)
            for percent in (0, 100)
        },
        "wall_ms_per_pass": spread(wall_ms(turns)),
        "by_name_ms": traces[-1]["by_name"],
    }
    if on_gpu:
        loaded = [step.model.inputs(loader.load(training, each, epoch)) for each in chosen]

        def network_alone() -> None:
            for inputs in loaded:
                step(inputs)

        network = traced(network_alone, device)["kernels_ms"]
        busy = np.array([trace["kernels_ms"] for trace in traces])
        found["idle"] = spread(1 - busy / wall_ms(turns))
        found["network"] = spread(network / wall_ms(turns))
    return found


def padding(recipe: Recipe, training: ClipSet, percent: int, multiple: int = 1) -> float:
    """Share of frames past the clips' ends, in the batches of `EPOCHS` epochs with default augmentation.

    Args:
        recipe: its batch size and cap on lengths count.
        training: the clips.
        percent: augmentation rate.
        multiple: frames that a batch's length is a multiple of.
    """
    front_end, spec = NAMED[FRONT_END], Augmentation(effects=("stretch",))  # no other moves a frame
    loader = Loader(front_end, recipe, "cpu", Augmenting(spec, percent), SEED)
    samples = np.minimum(training.lengths, loader.longest)
    inside = computed = 0
    for number in range(EPOCHS):
        epoch = loader.epoch(training, number)
        assert epoch.drawn is not None
        rates = np.where(epoch.drawn.affected, epoch.drawn.stretch_rate, 1.0)
        frames = front_end.frames(np.maximum(samples, front_end.min_samples_at(rates)), rates)
        for batch in epoch.batches:
            inside += int(frames[batch].sum())
            longest = int(frames[batch].max())
            computed += (longest + -longest % multiple) * len(batch)
    return 1 - inside / computed


def traced(work: Work, device: str) -> dict[str, Any]:
    """What `times_in` says of one pass under the profiler."""
    activities = [ProfilerActivity.CUDA] if device == "cuda" else [ProfilerActivity.CPU]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*Profiler clears events")  # there are none before
        with profile(activities=activities) as profiler:
            work()
            wait(device)
    return times_in(profiler.key_averages())


def times_in(events: Iterable[Any]) -> dict[str, Any]:
    """What a trace says, in milliseconds.

    Args:
        events: `torch.profiler.profile.key_averages()`.

    Returns:
        `kernels_ms`, time on the GPU; `by_name`, the largest own times, of kernels where there are any, else
        of PyTorch's operators on the host.
    """
    operators: dict[str, float] = {}
    kernels: dict[str, float] = {}
    for event in events:
        if event.device_type != DeviceType.CPU:
            if not event.is_user_annotation:  # they span kernels that are counted already
                kernels[event.key] = event.self_device_time_total / 1e3
        elif event.key.startswith("aten::"):
            operators[event.key] = event.self_cpu_time_total / 1e3
    listed = sorted((kernels or operators).items(), key=lambda item: -item[1])[:LISTED]
    return {"kernels_ms": sum(kernels.values()), "by_name": dict(listed)}


# --- the tables ---


def text(measured: Mapping[str, Any]) -> str:
    """Both tables, as printed."""
    on_gpu, sizes, of = measured["device"] == "cuda", measured["sizes"], measured["real"]
    unit, scale = ("TFLOP/s", 1.0) if on_gpu else ("GFLOP/s", 1e3)
    rows = [["GFLOP a clip", *(f"{size['gflop_a_clip']:.3g}" for size in sizes)]]
    for key, what, digits, factor in (
        ("ms_per_batch", "ms", 1, 1),
        ("clips_per_s", "clips/s", 0, 1),
        ("tflops", unit, 1, scale),
        ("of_the_product", "% of product", 1, 100),
        ("of_the_step", "% of step", 1, 100),
    ):
        rows += [
            [f"{name}: {what}", *(shown(size[key][name], digits, factor) for size in sizes)]
            for name in sizes[0][key]
        ]
    headers = ["A batch", *(f"width {size['width']}, {size['clip_seconds']} s" for size in sizes)]
    clock = "wall time" if on_gpu else f"CPU time, threads: {measured['threads']}"
    real = [[f"padding, {percent} %", f"{100 * share:.1f}"] for percent, share in of["padding"].items()]
    real += [[name, shown(of[name], 1, 100)] for name in ("idle", "network") if name in of]
    where = [[name[:70], f"{ms / of['batches']:.2f}"] for name, ms in of["by_name_ms"].items()]
    return "\n\n".join(
        [
            tabulate(rows, headers, disable_numparse=True),
            f"{measured['clips']} clips a batch; by {clock}; median (quartiles) of the rounds, shares within"
            " them. 0 %, 100 %: of the clips augmented.",
            tabulate(
                real,
                [f"Real batches, width {of['width']}", "% of frames; of the step"],
                disable_numparse=True,
            ),
            tabulate(where, ["Most time in", "ms a step"], disable_numparse=True),
        ]
    )
