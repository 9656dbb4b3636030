"""One training: the loop, the loss, the evaluations (§3, §2.2).

Adam at a constant rate, softmax, binary cross entropy of the probabilities against the one-hot label, no
early stopping, evaluation at regular iterations. bf16 autocast and channels_last on a GPU, float32 on a CPU.
On a CPU the result is bit-identical from run to run with the same number of threads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from serkit import augment
from serkit.audio import FULL_SCALE
from serkit.augment import Chain, Draw
from serkit.batches import ClipSet, crop_starts, level_gains, shuffled_batches, sorted_batches
from serkit.errors import SerkitError
from serkit.frontend import FrontEnd, LogMel
from serkit.model import Cnn14
from serkit.specs import LABELS, Augmentation, Recipe

CPU_CLIPS = 8  # from wave to log-mel at once: what they need in between stays in the cache


class TrainingDiverged(SerkitError):
    """The loss is no longer a finite number."""


@dataclass(frozen=True, eq=False)
class Trained:
    """What a training leaves.

    Attributes:
        history: one dict an evaluation: `iteration`, `epoch` (passes so far, may be fractional), `loss`
            (mean since the evaluation before), and what `score` returned.
        scores: float32 [clips, 4], probabilities of the evaluation set at the end.
        train_seconds: wall time of the training steps.
        evaluate_seconds: wall time of the evaluations.
        clips: training clips processed, over all epochs.
        affected: share of the training clips that were augmented in each epoch.
    """

    history: list[dict[str, Any]]
    scores: np.ndarray
    train_seconds: float
    evaluate_seconds: float
    clips: int
    affected: list[float]


def train(
    model: Cnn14,
    front_end: FrontEnd,
    recipe: Recipe,
    seed: int,
    training: ClipSet,
    evaluation: ClipSet,
    score: Callable[[np.ndarray], dict[str, Any]],
    device: str,
    progress: Callable[[dict[str, Any]], None] | None = None,
    augmentation: Augmentation | None = None,
    augment_percent: int = 0,
) -> Trained:
    """Trains `model` in place.

    Args:
        model: from `serkit.model.build`.
        front_end: the front end `training` and `evaluation` are packed for.
        recipe: the recipe.
        seed: of batch order, crops, dropout and augmentation.
        training: clips to learn from, with the labels to learn.
        evaluation: clips to score at each evaluation; their labels are not used here.
        score: makes metrics of `evaluation`'s scores, float32 [clips, 4].
        device: `cpu`, `cuda` or `cuda:<n>`.
        progress: called with each evaluation's entry of the history, without its metrics, plus `of`
            (iterations in all).
        augmentation: what affected clips go through; None: nothing is augmented.
        augment_percent: share of the clips affected in an epoch, in 0..100.

    Raises:
        TrainingDiverged: the loss is not finite at an evaluation.
    """
    torch.manual_seed(seed)
    loader = _Loader(front_end, recipe, device, augmentation, seed)
    model.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate)
    lengths = training.lengths
    per_epoch = -(-len(training) // recipe.batch_size)
    total = per_epoch * recipe.epochs
    due = {max(1, round(total * (i + 1) / recipe.evaluations)) for i in range(recipe.evaluations)}

    history: list[dict[str, Any]] = []
    scores = np.empty((0, len(LABELS)), dtype=np.float32)
    losses = torch.zeros((), device=device)
    since = iteration = clips_seen = 0
    evaluate_seconds = 0.0
    affected: list[float] = []
    started = time.perf_counter()
    for epoch in range(recipe.epochs):
        starts = crop_starts(lengths, loader.longest, seed, epoch)
        drawn = None
        if augmentation is not None:
            drawn = augment.draw(augmentation, augment_percent, seed, epoch, len(training))
        affected.append(float(drawn.affected.mean()) if drawn is not None else 0.0)
        for batch in shuffled_batches(lengths, recipe.batch_size, seed, epoch):
            model.train()
            inputs = loader.load(training, batch, starts[batch], drawn[batch] if drawn is not None else None)
            target = torch.from_numpy(training.label[batch]).to(device)
            with loader.autocast():
                logits = model(*inputs)
            loss = bce_of_softmax(logits.float(), target)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            losses += loss.detach()
            iteration, since, clips_seen = iteration + 1, since + 1, clips_seen + len(batch)
            if iteration not in due:
                continue
            mean_loss = losses.item() / since
            if not math.isfinite(mean_loss):
                raise TrainingDiverged(
                    f"the loss is {mean_loss} at iteration {iteration} of {total}; lower the learning rate"
                    f" ({recipe.learning_rate}) or look at the corpora with the doctor"
                )
            before = time.perf_counter()
            scores = predict(model, evaluation, loader)
            evaluate_seconds += time.perf_counter() - before
            if not np.isfinite(scores).all():
                raise TrainingDiverged(
                    f"the scores at iteration {iteration} of {total} are not finite; lower the learning rate"
                    f" ({recipe.learning_rate}) or look at the corpora with the doctor"
                )
            entry = {"iteration": iteration, "epoch": iteration / per_epoch, "loss": mean_loss}
            history.append({**entry, **score(scores)})
            if progress is not None:
                progress({**entry, "of": total})
            losses.zero_()
            since = 0
    train_seconds = time.perf_counter() - started - evaluate_seconds
    return Trained(history, scores, train_seconds, evaluate_seconds, clips_seen, affected)


def bce_of_softmax(logits: Tensor, target: Tensor) -> Tensor:
    """Binary cross entropy of the softmax probabilities against the one-hot label (§3), mean over all.

    The logarithms are of log-softmax and of the other classes' log-sum-exp, so that nothing underflows.

    Args:
        logits: float32 [clips, classes].
        target: int64 [clips].
    """
    chosen = torch.log_softmax(logits, dim=1)
    onehot = F.one_hot(target, logits.shape[1]).bool()
    others = logits[:, None, :].expand(-1, logits.shape[1], -1)
    itself = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device)
    not_chosen = others.masked_fill(itself, float("-inf")).logsumexp(dim=2) - logits.logsumexp(
        dim=1, keepdim=True
    )
    return -torch.where(onehot, chosen, not_chosen).mean()


@torch.inference_mode()
def predict(model: Cnn14, clips: ClipSet, loader: _Loader) -> np.ndarray:
    """Class probabilities of every clip, float32 [clips, 4]; a clip that is too long counts by its start."""
    model.eval()
    scores = np.empty((len(clips), len(LABELS)), dtype=np.float32)
    for batch in sorted_batches(np.minimum(clips.lengths, loader.longest), loader.recipe.batch_size):
        inputs = loader.load(clips, batch, np.zeros(len(batch), dtype=np.int64))
        with loader.autocast():
            logits = model(*inputs)
        scores[batch] = torch.softmax(logits.float(), dim=1).cpu().numpy()
    return scores


class _Loader:
    """Clips to what the model takes, on the device."""

    def __init__(
        self,
        front_end: FrontEnd,
        recipe: Recipe,
        device: str,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ) -> None:
        self.front_end = front_end
        self.recipe = recipe
        self.device = device
        self.logmel = LogMel(front_end).to(device)
        self.longest = front_end.most_samples(recipe.max_seconds)
        self.augmentation = augmentation
        if augmentation is not None:
            self.chain = Chain(augmentation, front_end.rate_hz, seed, self.longest, device)

    @property
    def on_gpu(self) -> bool:
        return self.device.startswith("cuda")

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.split(":")[0], dtype=torch.bfloat16, enabled=self.on_gpu)

    def load(
        self, clips: ClipSet, batch: np.ndarray, starts: np.ndarray, drawn: Draw | None = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Log-mel float32 [batch, frames, 64], valid frames int64 [batch], cells to mask bool or None.

        Args:
            clips: the set.
            batch: int64 [batch], positions in it.
            starts: int64 [batch], first sample of each.
            drawn: augmentation of each; None: nothing is augmented.
        """
        at_once = len(batch) if self.on_gpu else CPU_CLIPS
        parts = []
        for first in range(0, len(batch), at_once):
            part = slice(first, first + at_once)
            waves, lengths = self._waves(clips, batch[part], starts[part])
            parts.append(self._to_logmel(waves, lengths, drawn[part] if drawn is not None else None))
        logmels, frames = [logmel for logmel, _ in parts], np.concatenate([valid for _, valid in parts])
        longest = max(logmel.shape[1] for logmel in logmels)
        padded = [F.pad(logmel, (0, 0, 0, longest - logmel.shape[1])) for logmel in logmels]
        masked = None
        if drawn is not None and "specaugment" in self.chain.spec.effects:
            masked = augment.masked_cells(frames, longest, drawn, self.chain.device)
        return torch.cat(padded), torch.from_numpy(frames).to(self.device), masked

    def _waves(self, clips: ClipSet, batch: np.ndarray, starts: np.ndarray) -> tuple[Tensor, np.ndarray]:
        """Waves float32 [batch, longest] and their lengths int64 [batch]."""
        lengths = np.minimum(clips.lengths[batch], self.longest)
        waves = clips.read(batch, starts, lengths, self.front_end.min_samples)
        on_device = torch.from_numpy(waves).to(self.device).float() / FULL_SCALE
        if self.recipe.loudness_dbfs is not None:
            gains = level_gains(waves, lengths, self.recipe.loudness_dbfs)
            on_device *= torch.from_numpy(gains).to(self.device)[:, None]
        return on_device, lengths

    def _to_logmel(self, waves: Tensor, lengths: np.ndarray, drawn: Draw | None) -> tuple[Tensor, np.ndarray]:
        """Log-mel and valid frames; affected clips augmented, the others as they are."""
        rates = None
        if drawn is not None and drawn.affected.any():
            waves, lengths, rates = self._augmented(waves, lengths, drawn)
        return self.logmel(*self.front_end.padded(waves, lengths, rates), rates)

    def _augmented(
        self, waves: Tensor, lengths: np.ndarray, drawn: Draw
    ) -> tuple[Tensor, np.ndarray, np.ndarray | None]:
        """Waves with the affected rows augmented, lengths, and the rates at which to take frames."""
        rows = np.flatnonzero(drawn.affected)
        on_device = torch.from_numpy(rows).to(self.device)
        changed, samples = self.chain(waves[on_device], lengths[rows], drawn[rows])
        lengths = lengths.copy()
        lengths[rows] = samples
        more = changed.shape[1] - waves.shape[1]  # the vocoder's may be longer, or all shorter
        waves = F.pad(waves, (0, max(0, more)))
        waves[on_device] = F.pad(changed, (0, max(0, -more)))
        if not self.chain.spec.stretches_features:
            return waves, lengths, None
        return waves, lengths, np.where(drawn.affected, drawn.stretch_rate, 1.0)
