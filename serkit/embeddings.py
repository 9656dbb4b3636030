"""Embeddings of whole corpora by a frozen encoder, made once, beside the packs, for all runs that ask.

Without augmentation a frozen encoder gives each clip the same in every run, fold and seed. What is kept is
found again by all that it depends on, and is not trusted: its digest is checked before it is used.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from serkit.clips import ClipSet
from serkit.corpora.reading.folder import made_once
from serkit.device import on_gpu
from serkit.files import cache_folder, read_bytes
from serkit.loader import Loader
from serkit.normalising import standardised
from serkit.packs import Pack
from serkit.specs import METHOD, ModelSpec
from serkit.state import MINUTES, Keeper, here

MOST_BYTES = 64 << 30
READ_BY = ("outputs", "head")
"""What a model's embeddings do not depend on."""
_READ: dict[Path, np.ndarray] = {}


class Embed(Protocol):
    """Embeds clips; with a keeper, goes on where an earlier process was."""

    def __call__(self, clips: ClipSet, keeper: Keeper | None = None) -> np.ndarray:
        """Float32 [clips, width]."""


class Kept:
    """The embeddings of one encoder, by corpus."""

    def __init__(
        self,
        model: ModelSpec,
        identity: str,
        loader: Loader,
        groups: Mapping[Pack, np.ndarray] | None = None,
        given: Mapping[Pack, np.ndarray] | None = None,
    ) -> None:
        """`identity` is `serkit.encoders.identify`'s; of the loader cap, level and device count.

        With `groups`, whose each clip of a pack is, embeddings are given less what their group has in common.
        Those that are `given` are not made.
        """
        recipe, self._groups, self._given = loader.recipe, groups or None, given or {}
        self._device, self.minutes = loader.device, MINUTES
        where = "cuda" if on_gpu(loader.device) else "cpu"
        of = {name: value for name, value in dataclasses.asdict(model).items() if name not in READ_BY}
        parts = (of, identity, recipe.max_seconds, recipe.loudness_dbfs, where, torch.__version__, METHOD)
        self._about = json.dumps(parts, sort_keys=True)

    def of(self, clips: ClipSet, embed: Embed) -> np.ndarray:
        """Embeddings float32 [clips, width] of some clips; `embed` makes those of all of a corpus."""
        tables = [self._table(pack, embed) for pack in clips.packs]
        found = np.empty((len(clips), tables[0].shape[1]), dtype=np.float32)
        for number, table in enumerate(tables):
            here = clips.corpus == number
            found[here] = table[clips.row[here]]
        return self.normalised(clips, found, embed)

    def normalised(self, clips: ClipSet, found: np.ndarray, embed: Embed) -> np.ndarray:
        """Embeddings of some clips, augmented or not, less what their group has in common."""
        if self._groups is None:
            return found
        given = np.empty_like(found)
        for number, pack in enumerate(clips.packs):
            here, groups = clips.corpus == number, self._groups[pack]
            of = groups[clips.row[here]]
            given[here] = standardised(found[here], of, self._table(pack, embed), groups)
        return given

    def _table(self, pack: Pack, embed: Embed) -> np.ndarray:
        if pack in self._given:
            return self._given[pack]
        about = f"{pack.digest} {self._about}"
        folder = cache_folder() / "embedded" / hashlib.sha256(about.encode()).hexdigest()[:32]
        if folder not in _READ:
            state = folder.with_name(f"{folder.name}.state") if self.minutes else None
            keeper = Keeper(state, here(self._device), self.minutes)

            def write(draft: Path) -> None:
                rows, none = np.arange(len(pack.lengths)), np.zeros(len(pack.lengths), dtype=np.int64)
                made = embed(ClipSet([pack], none, rows, none), keeper)
                file = io.BytesIO()
                np.save(file, made.astype(np.float32), allow_pickle=False)
                (draft / "embeddings.npy").write_bytes(file.getvalue())
                (draft / "sha256").write_text(hashlib.sha256(file.getvalue()).hexdigest(), encoding="utf-8")

            origin, whole = {"pack": pack.digest}, lambda it: _open(it, len(pack.lengths))
            _READ[folder] = made_once(folder, "embeddings", whole, write, origin)
            keeper.drop()
        return _READ[folder]


def _open(folder: Path, clips: int) -> np.ndarray | None:
    """What was kept; None where it is not as it was written."""
    try:
        content = read_bytes(folder / "embeddings.npy", MOST_BYTES)
        if hashlib.sha256(content).hexdigest() != read_bytes(folder / "sha256", 64).decode():
            return None
        table = np.load(io.BytesIO(content), allow_pickle=False)
        return table if table.ndim == 2 and len(table) == clips else None
    except (OSError, ValueError):
        return None
