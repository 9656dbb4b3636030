"""One training: the loop, the loss, the evaluations (§3, §2.2).

Adam, at a constant rate unless the recipe has a schedule; softmax, binary cross entropy of the probabilities
against the one-hot label, no early stopping, evaluation at regular iterations. On a CPU the result is
bit-identical from run to run with the same number of threads.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from serkit import metrics
from serkit.clips import ClipSet
from serkit.device import autocast, send
from serkit.encoders import Encoder, Inputs
from serkit.errors import SerkitError
from serkit.heads import Fitted
from serkit.labels import LABELS
from serkit.loader import Epoch, Loader, sorted_batches
from serkit.settings import check
from serkit.specs import Recipe

RISE = 0.25  # of the steps: then the rate of `one-cycle` is at its highest
EVALUATED = 2  # times the longest batch of training: without gradients it takes less memory


class TrainingDiverged(SerkitError):
    """The loss is no longer a finite number."""


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
    report: Callable[[dict[str, Any]], None] | None = None,
) -> Trained:
    """Trains `model` in place.

    Args:
        model: from `serkit.encoders.build`.
        loader: with the recipe, the augmentation, the seed (batch order, crops, dropout) and the device.
        training: clips to learn from, with the labels to learn, packed at the encoder's rate.
        evaluation: what is scored, and how.
        report: called with each evaluation's entry of the history, plus `of` (iterations in all).

    Raises:
        TrainingDiverged: loss or scores are not finite at an evaluation.
        SpecError: more than one evaluation of an encoder that is fitted at once.
    """
    recipe, device = loader.recipe, loader.device
    if isinstance(model, Fitted):
        return _fitted(model, loader, training, evaluation, report)
    torch.manual_seed(loader.seed)
    optimiser = prepare(model, recipe, device)
    per_epoch = -(-len(training) // recipe.batch_size)
    total = per_epoch * recipe.epochs
    due = metrics.evaluations(recipe, total)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: share_of_rate(recipe.schedule, (step + 0.5) / total, recipe.warmup)
    )
    tail = np.zeros((len(evaluation.clips), len(LABELS)), dtype=np.float64)

    history: list[dict[str, Any]] = []
    affected: list[float] = []
    losses = torch.zeros((), device=device)
    iteration = evaluated_at = 0
    evaluate_seconds, started = 0.0, time.perf_counter()
    for number in range(recipe.epochs):
        epoch = loader.epoch(training, number)
        affected.append(epoch.affected)
        for batch in epoch.batches:
            learning(model)
            pieces = np.array_split(batch, min(recipe.accumulate, len(batch)))
            parts = (
                (model.inputs(loader.load(training, piece, epoch)), send(training.label[piece], device))
                for piece in pieces
            )
            losses += step(model, optimiser, parts, len(batch))
            schedule.step()
            iteration += 1
            if iteration not in due:
                continue
            loss = losses.item() / (iteration - evaluated_at)
            before = time.perf_counter()
            all_clips, in_tail = due[iteration]
            outputs = predict(model, evaluation.clips, loader, None if all_clips else evaluation.own)
            scores = evaluation.of_labels(outputs)
            if in_tail:
                tail += scores / sum(in_tail for _, in_tail in due.values())
            evaluate_seconds += time.perf_counter() - before
            if not (math.isfinite(loss) and np.isfinite(scores).all()):
                wrong = "the scores are not finite" if math.isfinite(loss) else f"the loss is {loss}"
                raise TrainingDiverged(
                    f"{wrong} at iteration {iteration} of {total}; lower the learning rate"
                    f" ({recipe.learning_rate}) or look at the corpora with the doctor"
                )
            entry = {
                "iteration": iteration,
                "epoch": iteration / per_epoch,
                "loss": loss,
                **evaluation.score(scores),
            }
            history.append(entry)
            if report is not None:
                report({**entry, "of": total})
            losses.zero_()
            evaluated_at = iteration
    train_seconds = time.perf_counter() - started - evaluate_seconds
    return Trained(history, scores, tail.astype(np.float32), train_seconds, evaluate_seconds, affected)


def _fitted(
    model: Any,
    loader: Loader,
    training: ClipSet,
    evaluation: Evaluation,
    report: Callable[[dict[str, Any]], None] | None,
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
    target = training.label[np.concatenate([batch for batch, _ in pairs])]
    if model.kept and loader.augmenting is None:
        features = embed(model, training, loader)[np.concatenate([batch for batch, _ in pairs])]
    else:
        features = np.concatenate([_augmented(model, loader, training, *pair) for pair in pairs])
    lost = f"{model.encoder.__class__.__name__} gives embeddings that are no numbers"
    check(not model.kept or np.isfinite(features).all(), f"{lost}; expected finite ones")
    model.fit(features, target, recipe.epochs)
    train_seconds = time.perf_counter() - started
    with torch.inference_mode():
        logits = model.classify(send(features, loader.device))
        loss = bce_of_softmax(logits, send(target, loader.device)).item()
    scores = evaluation.of_labels(predict(model, evaluation.clips, loader))
    entry = {"iteration": 1, "epoch": float(recipe.epochs), "loss": loss, **evaluation.score(scores)}
    if report is not None:
        report({**entry, "of": 1})
    evaluate_seconds = time.perf_counter() - started - train_seconds
    affected = [epoch.affected for epoch in epochs]
    return Trained([entry], scores, scores, train_seconds, evaluate_seconds, affected)


@torch.inference_mode()
def _augmented(model: Any, loader: Loader, clips: ClipSet, batch: np.ndarray, epoch: Epoch) -> np.ndarray:
    """Embeddings of a batch as drawn, float32 [batch, width]."""
    inputs = model.inputs(loader.load(clips, batch, epoch))
    with autocast(loader.device):
        found = model.embed(*inputs).float().cpu().numpy()
    return model.kept.normalised(clips[batch], found, _bare(model, loader)) if model.kept else found


def prepare(model: Encoder, recipe: Recipe, device: str) -> torch.optim.Optimizer:
    """Moves a network to its device, channels last, and makes its optimiser, Adam (§3), of what learns."""
    model.to(device).to(memory_format=torch.channels_last)
    learns = {name: of for name, of in model.named_parameters() if of.requires_grad}
    if recipe.encoder_learning_rate is None:
        return torch.optim.Adam(learns.values(), lr=recipe.learning_rate, fused=True)
    head = [of for name, of in learns.items() if name.startswith("head.")]
    rest = [of for name, of in learns.items() if not name.startswith("head.")]
    groups: list[dict[str, Any]] = [{"params": head}, {"params": rest, "lr": recipe.encoder_learning_rate}]
    return torch.optim.Adam(groups, lr=recipe.learning_rate, fused=True)


def learning(model: Encoder) -> None:
    """Puts a network into training, but for the parts that are frozen."""
    model.train()
    for part in getattr(model, "frozen", ()):
        part.eval()


def share_of_rate(schedule: str, done: float, warmup: float = 0.0) -> float:
    """How much of its rate a training learns by, in [0, 1], once a share of its steps is `done`.

    Example:
        >>> [round(share_of_rate("one-cycle", done), 2) for done in (0, 0.125, 0.25, 0.625, 1)]
        [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    rising = min(1.0, done / warmup) if warmup else 1.0
    if schedule == "constant":
        return rising
    return rising * (done / RISE if done < RISE else (1 + math.cos(math.pi * (done - RISE) / (1 - RISE))) / 2)


def step(
    model: Encoder, optimiser: torch.optim.Optimizer, parts: Iterable[tuple[Inputs, Tensor]], clips: int
) -> Tensor:
    """Learns from a batch of so many clips, and gives the loss before it, on the device.

    It comes in parts, each with its target, int64 [clips of the part]; their gradients are added up.
    """
    optimiser.zero_grad(set_to_none=True)
    losses = []
    for inputs, target in parts:
        with autocast(target.device):
            logits = model(*inputs)
        loss = bce_of_softmax(logits.float(), target) * (len(target) / clips)
        loss.backward()
        losses.append(loss.detach())
    optimiser.step()
    return torch.stack(losses).sum()


def bce_of_softmax(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross entropy of the softmax probabilities against the one-hot label (§3), mean over all.

    Takes logits float32 [clips, classes] and class indices int64 [clips]. The logarithms are of log-softmax
    and of the other classes' log-sum-exp, so that nothing underflows.
    """
    classes = logits.shape[1]
    chosen = torch.log_softmax(logits, dim=1)
    onehot = F.one_hot(target, classes).bool()
    others = logits[:, None, :].expand(-1, classes, -1)
    itself = torch.eye(classes, dtype=torch.bool, device=logits.device)
    not_chosen = others.masked_fill(itself, -math.inf).logsumexp(2) - logits.logsumexp(1, keepdim=True)
    return -torch.where(onehot, chosen, not_chosen).mean()


def predict(model: Encoder, clips: ClipSet, loader: Loader, first: int | None = None) -> np.ndarray:
    """Probabilities of all clips or the first, float32 [clips, outputs]; long ones count by their start."""
    if isinstance(model, Fitted):
        embeddings = embed(model, clips[np.arange(len(clips))[:first]], loader)
        with torch.inference_mode():
            return torch.softmax(model.classify(send(embeddings, loader.device)), dim=1).cpu().numpy()
    return _outputs(model, lambda inputs: torch.softmax(model(*inputs).float(), dim=1), clips, loader, first)


def embed(model: Encoder, clips: ClipSet, loader: Loader) -> np.ndarray:
    """The embedding of every clip, float32 [clips, width]; long ones count by their start."""
    model.to(loader.device)
    kept, made = getattr(model, "kept", None), _bare(model, loader)
    return kept.of(clips, made) if kept else made(clips)


def _bare(model: Encoder, loader: Loader) -> Callable[[ClipSet], np.ndarray]:
    """Embeds clips, whatever is kept."""
    return lambda clips: _outputs(model, lambda inputs: model.embed(*inputs).float(), clips, loader)


@torch.inference_mode()
def _outputs(
    model: Encoder, of: Callable[[Inputs], Tensor], clips: ClipSet, loader: Loader, first: int | None = None
) -> np.ndarray:
    model.eval()
    outputs: Tensor | None = None
    sizes = loader.sizes(clips)[:first]
    for batch in sorted_batches(sizes, EVALUATED * loader.recipe.batch_size * loader.longest):
        inputs = model.inputs(loader.load(clips, batch))
        with autocast(loader.device):
            found = of(inputs)
        if outputs is None:
            outputs = found.new_empty(len(sizes), found.shape[1])
        outputs[send(batch, loader.device)] = found
    assert outputs is not None, "no clips"
    return outputs.cpu().numpy()
