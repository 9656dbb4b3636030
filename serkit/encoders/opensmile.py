"""openSMILE's functionals: what experts chose to measure of a voice, as an encoder with nothing to learn.

`opensmile:eGeMAPSv02` names a set of `opensmile.FeatureSet`, never a file: a configuration of openSMILE's may
write others. Each clip is measured alone, by its own samples, so its features depend on the package's version
and on the set, and on no batch mate. All runs on the CPU, wherever the waves are.

Differences from openSMILE on the clip's file:

1. What peaks above full scale, as an augmented wave can, is clipped: openSMILE's 16 bits would wrap round.
2. Clips under 70 ms, too short for some of the sets, are padded with silence.
3. A feature that is no number, or infinite, is 0.
"""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from serkit.errors import ExtraMissing
from serkit.settings import check, one_of
from serkit.words import shown

RATE_HZ = 16_000
MIN_SAMPLES = 1120  # IS10 to IS12 take 70 ms, the others less: eGeMAPSv02 and ComParE_2016 60 ms
HIGHEST = 32767 / 32768  # that 16 bits can hold


def describe(model: Any) -> SimpleNamespace:
    """Sample rate, shortest clip and kind of input: the same for every set. Needs no openSMILE."""
    return SimpleNamespace(rate_hz=RATE_HZ, min_samples=MIN_SAMPLES, takes="waves")


def identify(model: Any) -> str:
    """All that the features depend on. Raises ExtraMissing, and SpecError for an unknown set or an option."""
    return f"opensmile {_library().__version__} {_feature_set(model).name} functionals"


def make(model: Any) -> Functionals:
    """The set that the study names. Raises as `identify` does."""
    return Functionals(_feature_set(model))


class Functionals(nn.Module):
    """One feature set; of float32 [clips, longest] and int64 [clips] it makes float32 [clips, width]."""

    def __init__(self, feature_set: Any) -> None:
        """Takes a member of `opensmile.FeatureSet`."""
        super().__init__()
        library = _library()
        self._smile = library.Smile(feature_set, library.FeatureLevel.Functionals)
        self.width: int = self._smile.num_features

    def forward(self, waves: Tensor, samples: Tensor) -> Tensor:
        """Features of waves at 16 kHz, full scale 1, each up to its own length; on the waves' device."""
        padded = F.pad(waves.detach().cpu(), (0, max(0, MIN_SAMPLES - waves.shape[1])))
        heard = padded.clamp_(-1, HIGHEST).numpy()
        features = np.empty((len(heard), self.width), dtype=np.float32)
        for row, length in enumerate(samples.tolist()):
            heard[row, length:] = 0  # whatever the padding holds
            features[row] = self._smile(heard[row, : max(length, MIN_SAMPLES)], RATE_HZ).ravel()
        return torch.from_numpy(features).nan_to_num_(0.0, 0.0, 0.0).to(waves.device)


def _feature_set(model: Any) -> Any:
    """The member of `opensmile.FeatureSet` that follows the colon; other names of a set are that set."""
    known, (_, _, name) = _library().FeatureSet.__members__, model.encoder.partition(":")
    one_of("feature set of model encoder opensmile:", name, known)
    check(
        not model.settings,
        f"model encoder {shown(model.encoder)} has no settings; got {shown(dict(model.settings))}",
    )
    return known[name]


def _library() -> ModuleType:
    """The package, once it is needed: few studies do."""
    try:
        import opensmile
    except ModuleNotFoundError as error:
        raise ExtraMissing(str(error.name), "opensmile") from error
    return opensmile
