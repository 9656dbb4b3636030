"""One epoch of a study's condition, end to end, beside the same epoch written the usual way.

    serkit  `serkit.train.train`, as a run calls it; its own `train_seconds`
    stock   `tools.speed.stock`: files, a data loader, the stock PANNs class, float32

over the same clips at the same width, batch size and learning rate, with none and with all of the clips
augmented. The condition is the study's heaviest (`clips.condition`), so by default RAVDESS and EmoDB joined;
on a GPU one of full width: the study's own if it has that, else that of `paper`. Where its corpora are not
there, the clips are made, as long as MSP-Podcast's, in memory and as 16 kHz WAV files. Networks are
initialised at random, which is as fast as any other weights.

Both have the same cores: serkit with T threads, the data loader with as many processes besides the T threads
that train (T = 1: none). Decoding and packing, which serkit does once a corpus, is not in it.

CPU time of ours is of the whole call: it counts what a training does once (tables, pink noise) and the one
evaluation that there must be, of one clip. Wall time does not. An epoch of the stock class begins with its
data loader's processes waiting.

Epochs take turns in rounds; a ratio is of two epochs in the same round. Before that, each way runs once for
warmth, over two batches; ours on a GPU over everything, since cuDNN plans anew for each length.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from tabulate import tabulate

from benchmark import study as studies
from serkit import encoders, train
from serkit.augment import Augmenting
from serkit.clips import ClipSet
from serkit.encoders.cnn14.logmel import NAMED
from serkit.errors import CorpusMissing
from serkit.labels import corpus_of
from serkit.loader import Loader
from serkit.specs import Augmentation, RunSpec
from serkit.splits import split
from tools.speed import Settings, stock
from tools.speed.clips import condition, corpora_of, made_lengths, packed_lengths
from tools.speed.peers import NOT_COMPARED, WaveByWave, installed
from tools.speed.pipeline import write_files
from tools.speed.turns import (
    RATE_HEADERS,
    Turn,
    cores,
    in_rotation,
    rate_cells,
    rates,
    shown,
    spread,
    times_as_fast,
    wait,
    wall_ms,
)

FULL_WIDTH = 64
MADE_CLIPS = {"cpu": 256, "cuda": 2048}  # on a GPU: 10 s at the peers' pace on 16 cores
EPOCHS = {"cpu": 1, "cuda": 10}  # of ours in a turn: on a GPU one takes less than a second
PERCENTS = (0, 100)
OURS, THEIRS = "serkit", "stock class, data loader"


@dataclass(frozen=True, eq=False)
class Condition:
    """What is trained, for both ways.

    Attributes:
        title: which study's, or what it is made of.
        spec: the run; only its model, recipe, augmentation and seed count.
        training: the clips, packed.
        paths: the same clips' files, in the same order.
    """

    title: str
    spec: RunSpec
    training: ClipSet
    paths: Sequence[Path]

    def first(self, clips: int) -> Condition:
        """The same with its first clips alone."""
        here, whole = slice(clips), self.training
        some = ClipSet(whole.packs, whole.corpus[here], whole.row[here], whole.label[here])
        return dataclasses.replace(self, training=some, paths=self.paths[here])


def measure(settings: Settings, device: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Every number of threads, with none and all of the clips augmented; on a GPU with all threads alone."""
    rows = []
    with chosen(settings, device, say) as taken:
        for threads in settings.threads if device == "cpu" else settings.threads[-1:]:
            for percent in PERCENTS:
                say(f"{taken.title}, {percent} % augmented, {threads} thread{'s' * (threads > 1)} ...")
                with cores(threads):
                    workers = 0 if threads == 1 else settings.workers
                    turns = take_epochs(taken, percent, workers, device, settings.rounds)
                about = {"percent": percent, "threads": threads, "workers": workers}
                rows += [{**about, **row} for row in rows_of(turns, len(taken.training))]
        return {
            "condition": taken.title,
            "clips": len(taken.training),
            "seconds_of_audio": float(audio_seconds(taken).sum()),
            "width": taken.spec.model.width,
            "batch": taken.spec.recipe.batch_size,
            "rows": rows,
            "compared": installed(),
        }


def audio_seconds(taken: Condition) -> np.ndarray:
    """Length of each clip in seconds, cropped as the recipe says, float64 [clips]."""
    seconds = taken.training.lengths / taken.training.packs[0].rate_hz
    return np.minimum(seconds, taken.spec.recipe.max_seconds)


# --- the condition ---


@contextmanager
def chosen(settings: Settings, device: str, say: Callable[[str], None]) -> Iterator[Condition]:
    """The condition for a device; files that are made for it lie in a temporary folder.

    Raises:
        SpecError, CorpusUnfit, AudioError: the study or one of its corpora cannot be used.
    """
    name = settings.study
    if device == "cuda" and studies.read(name).model.width != FULL_WIDTH:
        name = "paper"
    spec = condition(name)
    recipe = dataclasses.replace(spec.recipe, batch_size=settings.clips or spec.recipe.batch_size)
    # Any weights are as fast; the stock class always has CNN14's dropout.
    network = dataclasses.replace(spec.model, weights=None, dropout=1.0)
    if settings.quick:
        recipe = dataclasses.replace(recipe, max_seconds=1.0)
        network = dataclasses.replace(network, width=2)
    spec = dataclasses.replace(spec, model=network, recipe=recipe)
    taken = None
    try:
        taken = None if settings.quick else delivered(f"study {name}", spec, settings.data)
    except CorpusMissing as error:
        say(f"study {name}: made clips in place of its own. {error}")
    if taken is not None:
        yield taken
        return
    with made(spec, 2 * recipe.batch_size if settings.quick else MADE_CLIPS[device]) as taken:
        yield taken


def delivered(study: str, spec: RunSpec, data: Path | None) -> Condition:
    """A run's training clips, packed and as they were delivered. Raises as `clips.corpora_of` does."""
    loaded = corpora_of(spec, data)
    training = split(spec, loaded).training
    of = [loaded[corpus_of(name)].corpus for name in spec.train]  # in the order of the set's packs
    paths = [
        of[number].folder / of[number].clips["path"].iloc[row]
        for number, row in zip(training.corpus, training.row, strict=True)
    ]
    return Condition(f"{study}: {'+'.join(spec.train)}", spec, training, paths)


@contextmanager
def made(spec: RunSpec, clips: int) -> Iterator[Condition]:
    """Made clips of 2 to 11 s, in memory and as WAV files, which are deleted afterwards."""
    rate_hz = NAMED[spec.model.front_end].rate_hz
    training = packed_lengths(made_lengths(clips, rate_hz), rate_hz)
    with TemporaryDirectory() as folder:
        paths = write_files(training, Path(folder), "wav")
        yield Condition(f"made clips, recipe of {'+'.join(spec.train)}", spec, training, paths)


# --- the epochs ---


class Ours:
    """serkit's own training; a call is a turn of `epochs` epochs."""

    def __init__(self, taken: Condition, percent: int, device: str, epochs: int) -> None:
        """Makes the network; it is trained on from turn to turn."""
        self.taken, self.device = taken, device
        spec = taken.spec.augmentation or Augmentation()
        self.augmenting = Augmenting(spec, percent) if percent else None
        self.recipe = dataclasses.replace(taken.spec.recipe, epochs=epochs, evaluations_per_epoch=1 / epochs)
        self.network = encoders.build(taken.spec.model, taken.spec.seed)

    def __call__(self) -> Turn:
        """One training from what the one before left."""
        spec, training = self.taken.spec, self.taken.training
        before = time.process_time()
        trained = train.train(
            self.network,
            Loader(NAMED[spec.model.front_end], self.recipe, self.device, self.augmenting, spec.seed),
            training,
            train.Evaluation(self.taken.first(1).training, 1, lambda scores: {}),
        )
        cpu_s = time.process_time() - before
        return Turn(self.recipe.epochs, trained.train_seconds, cpu_s)


class Theirs:
    """The stock class and its data loader; a call is a turn of one epoch."""

    def __init__(self, taken: Condition, percent: int, workers: int, device: str) -> None:
        """Makes the network and the data loader; it is trained on from turn to turn."""
        spec, front_end = taken.spec, NAMED[taken.spec.model.front_end]
        chain = WaveByWave(spec.augmentation or Augmentation(), front_end.rate_hz) if percent else None
        files = stock.AudioFiles(
            taken.paths, taken.training.label, front_end, spec.recipe.max_seconds, chain, percent
        )
        self.device = device
        self.batches = stock.batches(files, spec.recipe.batch_size, workers, device)
        network = stock.Cnn14(spec.model.width, front_end)
        self.training = stock.Training(network, spec.recipe.learning_rate, device)

    def __call__(self) -> Turn:
        """One epoch."""
        wait(self.device)
        wall, cpu = time.perf_counter(), self.cpu_clock()
        self.training.epoch(self.batches)
        wait(self.device)
        return Turn(1, time.perf_counter() - wall, self.cpu_clock() - cpu)

    def cpu_clock(self) -> float:
        """CPU time so far, of this process and of the data loader's."""
        return time.process_time() + self.training.worker_cpu_s


def take_epochs(
    taken: Condition, percent: int, workers: int, device: str, rounds: int
) -> dict[str, list[Turn]]:
    """Epochs in turns, in an order that rotates; ours alone where the peers' chain is not installed."""
    comparable = not percent or installed()
    first = taken.first(2 * taken.spec.recipe.batch_size)
    warmth = taken if device == "cuda" else first
    Ours(warmth, percent, device, 1)()
    ways: dict[str, Callable[[], Turn]] = {OURS: Ours(taken, percent, device, EPOCHS[device])}
    if comparable:
        Theirs(first, percent, 0, device)()
        ways[THEIRS] = Theirs(taken, percent, workers, device)
    turns: dict[str, list[Turn]] = {name: [] for name in ways}
    for name in in_rotation(ways, rounds):
        turns[name].append(ways[name]())
    return turns


def rows_of(turns: Mapping[str, Sequence[Turn]], clips: int) -> list[dict[str, Any]]:
    """A row a way: seconds an epoch, clips a second, times as fast as the stock class."""
    return [
        {
            "way": name,
            "epoch_s": spread(wall_ms(of) / 1e3),
            **rates(of, clips),
            **(times_as_fast(of, turns[THEIRS]) if THEIRS in turns else {}),
            "rounds": [vars(turn) for turn in of],
        }
        for name, of in turns.items()
    ]


def text(measured: Mapping[str, Any]) -> str:
    """The table."""
    rows = [
        [
            f"{row['percent']} %",
            row["threads"],
            row["way"] + (f", {row['workers']} processes" if row["way"] == THEIRS and row["workers"] else ""),
            shown(row["epoch_s"], 2),
            *rate_cells(row),
        ]
        for row in measured["rows"]
    ]
    headers = ["Augmented", "Threads", "Way", "s an epoch", *RATE_HEADERS]
    seconds = measured["seconds_of_audio"] / measured["clips"]
    parts = [
        f"{measured['condition']}: {measured['clips']} clips, {seconds:.1f} s on average, width"
        f" {measured['width']}, {measured['batch']} clips a batch",
        tabulate(rows, headers, disable_numparse=True),
        "Median (quartiles) of the rounds. times: against the stock class in the same round.",
    ]
    return "\n\n".join(parts + [NOT_COMPARED] * (not measured["compared"]))
