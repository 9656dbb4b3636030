"""serkit's own work a batch at a time: what the training loop does, by the same code."""

from __future__ import annotations

import numpy as np
import torch

from serkit import train
from serkit.augment import Augmenting, draw
from serkit.clips import ClipSet
from serkit.encoders import Inputs
from serkit.encoders.cnn14 import Cnn14
from serkit.encoders.cnn14.logmel import NAMED, LogMel
from serkit.labels import LABELS
from serkit.loader import Epoch, Loader
from serkit.specs import Recipe
from tools.speed.clips import FRONT_END, SEED

DRAWN = 16  # batches in an epoch: it is drawn at once, as in training


class Load:
    """From a packed corpus to what the network takes, every clip at once, each time drawn anew."""

    def __init__(self, loader: Loader, clips: ClipSet, percent: int = 100) -> None:
        """Takes all of `clips` as the batch; `loader` has the augmentation, here at a rate of `percent`."""
        self.loader, self.clips, self.done = loader, clips, 0
        spec = loader.augmenting.spec if loader.augmenting is not None else None
        self.augmenting = Augmenting(spec, percent) if spec is not None and percent else None
        self.logmel = LogMel(NAMED[FRONT_END]).to(loader.device)

    def __call__(self) -> Inputs:
        """One batch."""
        batch, epoch = np.arange(len(self.clips)), None
        if self.augmenting is not None:
            passed, number = divmod(self.done, DRAWN)
            if number == 0:
                self.drawn = draw(self.augmenting, SEED, passed, DRAWN * len(batch))
            epoch = Epoch([batch], np.zeros_like(batch), self.drawn[number * len(batch) + batch])
        self.done += 1
        return self.logmel.inputs(self.loader.load(self.clips, batch, epoch))


class Step:
    """One training step, as `serkit.train.train` takes it: forward, loss, backward, Adam."""

    def __init__(self, loader: Loader, width: int) -> None:
        """Makes the network and its optimiser on the loader's device."""
        torch.manual_seed(SEED)
        self.model = Cnn14(width, front_end=NAMED[FRONT_END]).train()
        self.optimiser = train.prepare(self.model, Recipe(), loader.device)
        self.loader = loader

    def __call__(self, inputs: Inputs) -> None:
        """Learns from one batch; the labels are of no account."""
        target = torch.arange(len(inputs[0]), device=inputs[0].device) % len(LABELS)
        train.step(self.model, self.optimiser, [(inputs, target)], len(target))
