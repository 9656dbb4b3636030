"""One training: the loop, the loss, the evaluations (§3, §2.2).

Adam, at a constant rate unless the recipe has a schedule; softmax, binary cross entropy of the probabilities
against the one-hot label, no early stopping, evaluation at regular iterations. On a CPU the result is
bit-identical from run to run with the same number of threads.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from serkit import metrics
from serkit.clips import ClipSet
from serkit.device import autocast, send
from serkit.embeddings import Embed
from serkit.encoders import Encoder, Inputs
from serkit.errors import SerkitError
from serkit.heads import Fitted
from serkit.labels import FAR_ABOVE, GUESSING, LABELS
from serkit.loader import LEARNING, SCORING, Epoch, Loader, sorted_batches
from serkit.settings import check
from serkit.state import Keeper, State, generators, restore, resumption
from serkit.steps import bce_of_softmax, learning, prepare, share_of_rate, step

EVALUATED = 2  # times the longest batch of training: without gradients it takes less memory
STUCK = 3  # evaluations of a loss far above that of guessing, the last no lower than the first
LOOKED_AT = {"cuda": 50}  # a loss, after so many steps: looking waits for the GPU
NUMBERS = ("iteration", "evaluated_at", "history", "affected", "evaluate_seconds", "resumed")
"""Of a training's state, what is neither a tensor nor can be drawn again."""
Report = Callable[[dict[str, Any]], None]


class TrainingDiverged(SerkitError):
    """The loss is no longer a finite number, or stays far above that of guessing."""

    def __init__(self, message: str, batch: np.ndarray) -> None:
        """With the clips that it was seen on, positions in the training set."""
        super().__init__(message)
        self.batch = batch


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training leaves."""

    # `iteration`, `epoch` (passes so far), `loss` (mean since the evaluation before), and what `score` gave:
    history: list[dict[str, Any]]
    scores: np.ndarray  # float32 [clips, 4], probabilities of the evaluation set at the end
    tail: np.ndarray  # the same, averaged over the tail
    train_seconds: float  # wall time of the steps
    evaluate_seconds: float  # wall time of the evaluations
    affected: list[float]  # share of the training clips that were augmented in each epoch
    # `at` when and from which `iteration` it went on, after how many `seconds`:
    resumed: list[dict[str, Any]] = dataclasses.field(default_factory=list)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What is scored: in the tail and at every `Recipe.evaluate_unseen`-th time before it all clips."""

    clips: ClipSet  # their labels are not used
    own: int  # at the other times only so many, the first: those of the corpora that are trained on
    score: Callable[[np.ndarray], dict[str, Any]]  # makes metrics of probabilities, float32 [clips or own, 4]
    label_sets: int = 1  # how many outputs each label has: one, or one for each corpus that is trained on

    def of_labels(self, outputs: np.ndarray) -> np.ndarray:
        """The probability of each label, float32 [clips, 4], from those of all outputs.

        Of a corpus with outputs of its own it is theirs, brought to a sum of 1; of another the sum over all.
        """
        if self.label_sets == 1:
            return outputs
        by_set = outputs.reshape(len(outputs), self.label_sets, len(LABELS))
        corpus, found = self.clips.corpus[: len(outputs)], by_set.sum(axis=1)
        for number in range(self.label_sets):  # the corpora that are trained on come first, in their order
            own = by_set[corpus == number, number]
            found[corpus == number] = own / own.sum(axis=1, keepdims=True).clip(min=np.finfo(np.float32).tiny)
        return found


def train(
    model: Encoder,
    loader: Loader,
    training: ClipSet,
    evaluation: Evaluation,
    report: Report | None = None,
    keeper: Keeper | None = None,
) -> Trained:
    """Trains `model` in place.

    Args:
        model: from `serkit.encoders.build`.
        loader: with the recipe, the augmentation, the seed (batch order, crops, dropout) and the device.
        training: clips to learn from, with the labels to learn, packed at the encoder's rate.
        evaluation: what is scored, and how.
        report: called with each evaluation's entry of the history, plus `of` (iterations in all); where the
            training goes on from a state, first with those before it, `again`.
        keeper: has the state to go on from, if there is one, and keeps it meanwhile.

    Raises:
        TrainingDiverged: loss or scores are not finite, or the loss stays far above that of guessing.
        SpecError: more than one evaluation of an encoder that is fitted at once.
        KeyboardInterrupt: a signal ended it, and its state is kept.
    """
    keeper, report = keeper or Keeper(), report or (lambda event: None)
    if isinstance(model, Fitted):
        return _fitted(model, loader, training, evaluation, report, keeper)
    course = Course(model, loader, training, evaluation, keeper)
    with keeper:
        course.go_on(report)
        while True:
            keeper.steady(course.state)
            if course.is_due:
                course.evaluate(report)
            elif course.iteration < course.total:
                keeper.changing()
                course.step()
            else:
                keeper.last()
                return course.trained()


@dataclass(eq=False)
class Course:
    """A training by steps, and all that a step or an evaluation changes."""

    model: Encoder
    loader: Loader
    clips: ClipSet
    evaluation: Evaluation
    keeper: Keeper

    def __post_init__(self) -> None:
        recipe, device = self.loader.recipe, self.loader.device
        torch.manual_seed(self.loader.seed)
        self.optimiser = prepare(self.model, recipe, device)
        self.rates = [group["lr"] for group in self.optimiser.param_groups]
        self.per_epoch = -(-len(self.clips) // recipe.batch_size)
        self.total = self.per_epoch * recipe.epochs
        self.due = metrics.evaluations(recipe, self.total)
        self.iteration = self.evaluated_at = 0
        self.history: list[dict[str, Any]] = []
        self.affected: list[float] = []
        self.losses = torch.zeros((), device=device)  # summed up since the evaluation before
        self.each: list[Tensor] = []  # of these, those of this process
        self.tail = np.zeros((len(self.evaluation.clips), len(LABELS)), dtype=np.float64)
        self.scores = np.empty(0, dtype=np.float32)
        self.drawn: tuple[int, Epoch] | None = None
        self.resumed: list[dict[str, Any]] = []
        self.evaluate_seconds, self.began = 0.0, time.perf_counter()

    @property
    def train_seconds(self) -> float:
        """Wall time of the steps."""
        return time.perf_counter() - self.began - self.evaluate_seconds - self.keeper.spent_s

    @property
    def is_due(self) -> bool:
        """Whether what the last step made is to be scored, and was not."""
        return self.iteration in self.due and self.iteration != self.evaluated_at

    def epoch(self, number: int) -> Epoch:
        """What chance decides of an epoch, counted from 0."""
        if self.drawn is None or self.drawn[0] != number:
            self.drawn = number, self.loader.epoch(self.clips, number)
        return self.drawn[1]

    def step(self) -> None:
        """Learns from the next batch. Raises TrainingDiverged."""
        recipe, loader = self.loader.recipe, self.loader
        number, place = divmod(self.iteration, self.per_epoch)
        epoch = self.epoch(number)
        batch = epoch.batches[place]
        if place == 0:
            self.affected.append(epoch.affected)
        share = share_of_rate(recipe.schedule, (self.iteration + 0.5) / self.total, recipe.warmup)
        for group, rate in zip(self.optimiser.param_groups, self.rates, strict=True):
            group["lr"] = rate * share
        learning(self.model)

        def learn() -> Tensor:
            pieces = np.array_split(batch, min(recipe.accumulate * loader.pieces[LEARNING], len(batch)))
            loaded = ((piece, loader.load(self.clips, piece, epoch)) for piece in pieces)
            labels = self.clips.label
            parts = ((self.model.inputs(of), send(labels[piece], loader.device)) for piece, of in loaded)
            return step(self.model, self.optimiser, parts, len(batch))

        loss = loader.within_memory(LEARNING, learn)
        self.losses += loss
        self.each.append(loss)
        self.iteration += 1
        every = LOOKED_AT.get(loss.device.type, 1)
        if self.iteration in self.due or len(self.each) % every == 0:
            finite = torch.stack(self.each[-every:]).isfinite().tolist()
            if not all(finite):
                wrong = finite.index(False) - len(finite)
                self._diverged(f"the loss is {self.each[wrong].item()}", wrong)

    def evaluate(self, report: Report) -> None:
        """Scores clips. Raises TrainingDiverged."""
        before = time.perf_counter()
        loss = self.losses.item() / (self.iteration - self.evaluated_at)
        all_clips, in_tail = self.due[self.iteration]
        first = None if all_clips else self.evaluation.own
        outputs = predict(self.model, self.evaluation.clips, self.loader, first)
        scores = self.evaluation.of_labels(outputs)
        if not np.isfinite(scores).all():
            self._diverged("the scores are not finite", -1)
        entry = {"iteration": self.iteration, "epoch": self.iteration / self.per_epoch, "loss": loss}
        entry |= self.evaluation.score(scores)
        losses = [at["loss"] for at in self.history[-(STUCK - 1) :]] + [loss]
        if len(losses) == STUCK and min(losses) > FAR_ABOVE * GUESSING and loss >= losses[0]:
            since = f"no lower than {STUCK - 1} evaluations before; guessing has {GUESSING:.2g}"
            worst = int(torch.stack(self.each).argmax()) if self.each else -1
            self._diverged(f"the loss is {loss:.3g}, {since}", worst)
        self.keeper.changing()
        if in_tail:
            self.tail += scores / sum(in_tail for _, in_tail in self.due.values())
        self.history.append(entry)
        self.scores, self.evaluated_at = scores, self.iteration
        self.losses.zero_()
        self.each.clear()
        self.evaluate_seconds += time.perf_counter() - before
        report({**entry, "of": self.total})

    def _diverged(self, why: str, step: int) -> None:
        """Raises TrainingDiverged, with the clips of one of the steps since the last evaluation."""
        here = range(self.iteration - len(self.each) + 1, self.iteration + 1) or [self.iteration]
        iteration = here[step]
        number, place = divmod(iteration - 1, self.per_epoch)
        rate = self.loader.recipe.learning_rate
        at = f"at iteration {iteration} of {self.total}, at a rate of {rate:g}"
        cure = "lower recipe.learning_rate, or look at the corpora with the doctor"
        raise TrainingDiverged(f"{why}, {at}; {cure}", self.epoch(number).batches[place])

    def state(self) -> State:
        """All of it. Raises TypeError: the network keeps more than tensors."""
        if others := [name for name, of in self.model.state_dict().items() if not isinstance(of, Tensor)]:
            raise TypeError(f"{others[0]} is no tensor, and so no part of a state")
        tensors = self.network()
        for number, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{number}.{name}": of for name, of in moments.items()}
        tensors |= {"losses": self.losses, "tail": torch.from_numpy(self.tail)}
        tensors |= {"scores": torch.from_numpy(self.scores), **generators(self.loader.device)}
        numbers = {name: getattr(self, name) for name in (*NUMBERS, "train_seconds")}
        return State(tensors, {**numbers, "of": self.total, "pieces": self.loader.pieces})

    def network(self) -> dict[str, Tensor]:
        """What the network is: parameters and buffers, those too that it does not count as its state."""
        of_state = {f"model.{name}": of for name, of in self.model.state_dict().items()}
        buffers = {
            f"buffer.{name}": of for name, of in self.model.named_buffers() if f"model.{name}" not in of_state
        }
        return {name: of for name, of in {**of_state, **buffers}.items() if isinstance(of, Tensor)}

    def go_on(self, report: Report) -> None:
        """Goes on from the state that was kept, if there is one."""
        if (found := self.keeper.found(self.network())) is None:
            return
        parts: dict[str, dict[str, Tensor]] = {}
        for name, tensor in found.tensors.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = tensor
        self.model.load_state_dict(parts["model"])
        for name, buffer in self.model.named_buffers():
            if name in parts.get("buffer", {}):
                buffer.copy_(parts["buffer"][name])
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in parts.get("optimiser", {}).items():
            number, _, rest = name.partition(".")
            moments.setdefault(int(number), {})[rest] = tensor
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": moments})
        for name in NUMBERS:
            setattr(self, name, found.numbers[name])
        self.losses.copy_(parts["losses"][""])
        self.tail, self.scores = parts["tail"][""].numpy(), parts["scores"][""].numpy()
        self.loader.pieces.update(found.numbers["pieces"])
        restore(parts["generator"], self.loader.device)
        self.began -= found.numbers["train_seconds"] + self.evaluate_seconds
        self.resumed.append(resumption(found))
        for entry in self.history:
            report({**entry, "of": self.total, "again": True})

    def trained(self) -> Trained:
        """What it leaves at its end."""
        tail, seconds = self.tail.astype(np.float32), (self.train_seconds, self.evaluate_seconds)
        return Trained(self.history, self.scores, tail, *seconds, self.affected, self.resumed)


def _fitted(
    model: Any, loader: Loader, training: ClipSet, evaluation: Evaluation, report: Report, keeper: Keeper
) -> Trained:
    """As `train`, of an encoder with a `fit`: to what it makes of the clips of all epochs, as one step."""
    recipe = loader.recipe
    asked = f"recipe asks for {recipe.evaluations} evaluations of an encoder that is fitted at once"
    check(recipe.evaluations == 1, f"{asked}; set epochs = 1 and evaluations_per_epoch = 1")
    model.to(loader.device).eval()
    started = time.perf_counter()
    epochs = [loader.epoch(training, number) for number in range(recipe.epochs)]
    if model.kept:  # of a frozen network clips count by their starts, augmented or not
        none = np.zeros(len(training), dtype=np.int64)
        epochs = [dataclasses.replace(epoch, starts=none) for epoch in epochs]
    pairs = [(batch, epoch) for epoch in epochs for batch in epoch.batches]
    order = np.concatenate([batch for batch, _ in pairs])
    target = training.label[order]
    resumed: list[dict[str, Any]] = []
    if model.kept and loader.augmenting is None:
        features = embed(model, training, loader)[order]
    else:
        features, resumed = _embedded(model, loader, training, pairs, keeper)
    model.fit(features, target, recipe.epochs)
    before = sum(at["seconds"] for at in resumed[-1:])
    train_seconds = time.perf_counter() - started + before - keeper.spent_s
    evaluating = time.perf_counter()
    with torch.inference_mode():
        logits = model.classify(send(features, loader.device))
        loss = bce_of_softmax(logits, send(target, loader.device)).item()
    scores = evaluation.of_labels(predict(model, evaluation.clips, loader))
    entry = {"iteration": 1, "epoch": float(recipe.epochs), "loss": loss, **evaluation.score(scores)}
    report({**entry, "of": 1})
    evaluate_seconds = time.perf_counter() - evaluating
    affected = [epoch.affected for epoch in epochs]
    return Trained([entry], scores, scores, train_seconds, evaluate_seconds, affected, resumed)


def _embedded(
    model: Any, loader: Loader, clips: ClipSet, pairs: list[tuple[np.ndarray, Epoch]], keeper: Keeper
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Embeddings of batches as drawn, float32 [clips of all batches, width], and where they went on from."""
    made: list[np.ndarray] = []
    resumed: list[dict[str, Any]] = []
    first, started = 0, time.perf_counter()

    def state() -> State:
        seconds = time.perf_counter() - started + sum(at["seconds"] for at in resumed[-1:]) - keeper.spent_s
        numbers = {"iteration": sum(map(len, made)), "of": sum(len(batch) for batch, _ in pairs)}
        features = torch.from_numpy(np.concatenate(made))
        return State({"features": features}, {**numbers, "resumed": resumed, "train_seconds": seconds})

    with keeper:
        if (found := keeper.found()) is not None:
            resumed = [*found.numbers["resumed"], resumption(found)]
            made = [found.tensors["features"].numpy()]
            rows = np.cumsum([0, *(len(batch) for batch, _ in pairs)])
            first = rows.tolist().index(len(made[0]))
        for batch, epoch in pairs[first:]:
            made.append(_augmented(model, loader, clips, batch, epoch))
            keeper.steady(state)  # until another batch is added
    features = np.concatenate(made)  # of log-mel statistics, what SpecAugment hid of a clip is no number
    return _finite(model, features) if model.kept else features, resumed


@torch.inference_mode()
def _augmented(model: Any, loader: Loader, clips: ClipSet, batch: np.ndarray, epoch: Epoch) -> np.ndarray:
    """Embeddings of a batch as drawn, float32 [batch, width]."""
    inputs = model.inputs(loader.load(clips, batch, epoch))
    with autocast(loader.device):
        found = model.embed(*inputs).float().cpu().numpy()
    return model.kept.normalised(clips[batch], found, _bare(model, loader)) if model.kept else found


def predict(model: Encoder, clips: ClipSet, loader: Loader, first: int | None = None) -> np.ndarray:
    """Probabilities of all clips or the first, float32 [clips, outputs]; long ones count by their start."""
    if isinstance(model, Fitted):
        embeddings = embed(model, clips[np.arange(len(clips))[:first]], loader)
        with torch.inference_mode():
            return torch.softmax(model.classify(send(embeddings, loader.device)), dim=1).cpu().numpy()
    some = clips if first in (None, len(clips)) else clips[np.arange(first)]

    def probabilities(inputs: Inputs) -> Tensor:
        return torch.softmax(model(*inputs).float(), dim=1)

    return _outputs(model, probabilities, some, loader, Keeper())


def embed(model: Encoder, clips: ClipSet, loader: Loader) -> np.ndarray:
    """The embedding of every clip, float32 [clips, width]; long ones count by their start.

    Raises SpecError where an encoder gives what is no number.
    """
    model.to(loader.device)
    kept, made = getattr(model, "kept", None), _bare(model, loader)
    return _finite(model, kept.of(clips, made) if kept else made(clips))


def _finite(model: Any, embeddings: np.ndarray) -> np.ndarray:
    """The embeddings. Raises SpecError where one is no number."""
    wrong = int((~np.isfinite(embeddings).all(axis=1)).sum())
    said = f"{getattr(model, 'encoder', model).__class__.__name__} gives embeddings that are no numbers"
    check(not wrong, f"{said} of {wrong} of {len(embeddings)} clips; expected finite ones")
    return embeddings


def _bare(model: Encoder, loader: Loader) -> Embed:
    """Embeds clips, whatever is kept."""

    def made(clips: ClipSet, keeper: Keeper | None = None) -> np.ndarray:
        return _outputs(model, lambda inputs: model.embed(*inputs).float(), clips, loader, keeper or Keeper())

    return made


@torch.inference_mode()
def _outputs(
    model: Encoder, of: Callable[[Inputs], Tensor], clips: ClipSet, loader: Loader, keeper: Keeper
) -> np.ndarray:
    """What is made of each clip, float32 [clips, outputs]; of several batches those that are kept are not."""
    model.eval()
    outputs: Tensor | None = None
    most = EVALUATED * loader.recipe.batch_size * loader.longest
    batches, done = sorted_batches(loader.sizes(clips), most), 0

    def found_of(batch: np.ndarray) -> Tensor:
        inputs = model.inputs(loader.load(clips, batch))
        with autocast(loader.device):
            return of(inputs)

    def state() -> State:
        return State({"outputs": whole}, {"iteration": done, "of": len(batches)})

    with keeper:
        if (kept := keeper.found()) is not None:
            outputs, done = send(kept.tensors["outputs"].numpy(), loader.device), kept.numbers["iteration"]
        for batch in batches[done:]:

            def score(batch: np.ndarray = batch) -> Tensor:
                pieces = np.array_split(batch, min(loader.pieces[SCORING], len(batch)))
                return torch.cat([found_of(piece) for piece in pieces])

            found = loader.within_memory(SCORING, score)
            whole = outputs = found.new_empty(len(clips), found.shape[1]) if outputs is None else outputs
            whole[send(batch, loader.device)] = found
            done += 1
            keeper.steady(state)  # a batch that is there twice is there
    assert outputs is not None, "no clips"
    return outputs.cpu().numpy()
