"""Where a job is done. Nothing heavy is imported: places are made where nothing is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from serkit.results import Store


@dataclass(frozen=True)
class Place:
    """Where a training or a measurement is done: nothing here can change its result.

    Attributes:
        store: where results are looked for and saved.
        data: the folder the corpora lie in.
        device: `cpu`, `cuda` or `cuda:<n>`.
        worker: the name of this process, for those who watch; empty: it is alone.
        rerun: do it even if the result is there.
    """

    store: Store
    data: Path | None = None
    device: str = "cpu"
    worker: str = ""
    rerun: bool = False
