"""The trained network of a run, kept on request (`pytest --keep-models`), and what it says of any clip.

network = serkit.trained.load(Path("results/mine/iemocap-aug0-..."))
network.score([Path("clip.wav")])        # float32 [clips, 4], in the order of serkit.labels.LABELS
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from serkit import encoders
from serkit.audio import decode
from serkit.clips import ClipSet
from serkit.errors import ResultsUnreadable
from serkit.files import open_file, write_by
from serkit.labels import LABELS
from serkit.loader import Loader
from serkit.packs import Pack
from serkit.resultfile import read
from serkit.settings import check
from serkit.specs import RunSpec, from_json
from serkit.state import save
from serkit.train import predict

FILE = "model.pt"


def keep(model: Any, folder: Path) -> None:
    """Writes a network's parameters whole or not at all. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_by(folder / FILE, lambda draft: save(draft, model.state_dict()))


@dataclass(frozen=True, eq=False)
class Network:
    """A trained network and the run that trained it."""

    spec: RunSpec
    model: Any
    loader: Loader

    def score(self, paths: Sequence[Path]) -> np.ndarray:
        """Probabilities of the labels, float32 [clips, 4], as the run scored its test clips.

        Of a network with outputs of its own for each corpus the sum over all. Raises AudioError.
        """
        waves = [decode(path, self.loader.encoder.rate_hz) for path in paths]
        offsets, rows = np.cumsum([0, *map(len, waves)]), np.arange(len(waves))
        none = np.zeros(len(waves), dtype=np.int64)
        pack = Pack(np.concatenate(waves), offsets, self.loader.encoder.rate_hz, "")
        outputs = predict(self.model, ClipSet([pack], none, rows, none), self.loader)
        return outputs.reshape(len(waves), self.spec.label_sets, len(LABELS)).sum(axis=1)


def load(folder: Path, device: str = "cpu") -> Network:
    """The network kept in a run's folder.

    Raises ResultsUnreadable: there is none, or it is another's; WeightsMissing, SpecError: its encoder cannot
    be had, or it normalised by corpus or speaker, which a clip alone cannot be.
    """
    spec = from_json(read(folder / "result.json")["spec"])
    check(isinstance(spec, RunSpec), f"{folder} holds a measurement; expected a run")
    assert isinstance(spec, RunSpec)
    said = f"{folder}: its run normalised by {spec.recipe.normalise}, of which a clip alone says nothing"
    check(spec.recipe.normalise == "none", said)
    was, is_now = dict(spec.fingerprints).get(spec.model.called, ""), encoders.identify(spec.model)
    check(was == is_now, f"{folder}: {spec.model.called} is not what it was when this network was trained")
    model = encoders.build(spec.model, spec.draws, spec.label_sets * len(LABELS))
    try:
        with open_file(folder / FILE) as file:
            model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError) as error:
        first = (str(error) or type(error).__name__).splitlines()[0]
        cure = "run it again with --keep-models --rerun"
        raise ResultsUnreadable(f"no trained network in {folder / FILE} ({first}); {cure}") from error
    loader = Loader(encoders.describe(spec.model), spec.recipe, device)
    return Network(spec, model.to(device), loader)
