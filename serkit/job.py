"""What a training and a measurement share: where it is done, the corpora it reads, that it is done once.

Nothing heavy is imported before a corpus is loaded: places are made where nothing is trained.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serkit import corpora
from serkit.errors import AudioError, memory_named
from serkit.provenance import since
from serkit.resultfile import SCHEMA, TABLE_OF, Result
from serkit.results import Store
from serkit.settings import check
from serkit.specs import CorpusSpec, Spec

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from serkit.corpora.reading.corpus import Corpus
    from serkit.packs import Pack


@dataclass(frozen=True)
class Place:
    """Where a training or a measurement is done: nothing here can change its result."""

    store: Store
    data: Path | None = None  # the folder that the corpora lie in
    device: str = "cpu"  # or `cuda`, `cuda:<n>`
    worker: str = ""  # the name of this process, for those who watch; empty: it is alone
    rerun: bool = False  # even if the result is there
    embeddings: bool = True  # whether a run's are kept
    models: bool = False  # whether trained networks are kept (`serkit.trained`)
    state_minutes: float = 10.0  # between states of a training that are kept (`serkit.state`); 0: none is
    keep_states: bool = False  # even of trainings that came to their end


@dataclass(frozen=True, eq=False)
class Loaded:
    """A corpus, read and packed."""

    corpus: Corpus
    pack: Pack
    fingerprint: str

    def delivered(self) -> dict[str, Any]:
        """What a result says of a corpus as it was found."""
        return {
            "version": self.corpus.version,
            "fingerprint": self.fingerprint,
            "folds": self.corpus.n_folds,
            "units": [list(folds) for folds in self.corpus.trainings],
            "hours": round(float(self.pack.offsets[-1]) / self.pack.rate_hz / 3600, 4),
            "notes": [*self.corpus.notes, *self.pack.notes],
        }


_READ: dict[tuple[CorpusSpec, Path | None], Corpus] = {}
_LOADED: dict[tuple[CorpusSpec, Path | None, int], Loaded] = {}
"""What this process has read and packed already: a worker trains many runs."""


def read(spec: CorpusSpec, place: Place) -> Corpus:
    """A corpus's table. Raises CorpusMissing, CorpusUnfit; SpecError: other folds than the study says."""
    if (spec, place.data) not in _READ:
        place.store.report_reading(spec.name, {"reading": spec.reader})
    return found(spec, place.data)


def found(spec: CorpusSpec, data: Path | None) -> Corpus:
    """As `read`, of a corpus that lies in a folder, for whoever only looks."""
    wanted = (spec, data)
    if wanted not in _READ:
        corpus = corpora.load(spec.reader, data, dict(spec.options))
        has = f"corpus {spec.name} has {corpus.n_folds} folds with these options"
        check(corpus.n_folds == spec.folds, f"{has}; the study says folds = {spec.folds}")
        has = f"corpus {spec.name}: its folds have {len(corpus.trainings)} different sets of training clips"
        said = f"the study says {spec.n_trainings}: set trainings = {len(corpus.trainings)}"
        check(len(corpus.trainings) == spec.n_trainings, f"{has}; {said}")
        _READ[wanted] = corpus
    return _READ[wanted]


def load(spec: CorpusSpec, rate_hz: int, place: Place) -> Loaded:
    """A corpus, read and packed. Raises as `read`; AudioError: clips cannot be read."""
    wanted = (spec, place.data, rate_hz)
    if wanted not in _LOADED:
        from serkit import packs  # numpy comes with it

        corpus = read(spec, place)

        def report(done: int, clips: int) -> None:
            if done % 100 == 0 or done == clips:
                place.store.report_reading(spec.name, {"packed": done, "of": clips})

        try:
            pack = packs.pack(corpus, rate_hz, report)
        except AudioError as error:
            raise AudioError(f"corpus {spec.name}: {error}") from error
        _LOADED[wanted] = Loaded(corpus, pack, packs.fingerprint(corpus, pack))
    return _LOADED[wanted]


Made = tuple[dict[str, Any], "pd.DataFrame", "np.ndarray | None"]
"""What a job makes: its part of the result, a table of the clips, and their embeddings where it has any."""


def once(spec: Spec, place: Place, do: Callable[[], Made]) -> Result:
    """The stored result of a spec, fingerprints and all, or that of a job, which is done and stored now.

    Raises as `Store.finished`, `Store.save`.
    """
    store = place.store
    with store.claim(spec.key), memory_named():
        done = store.finished(spec.key, TABLE_OF[spec.kind])
        if done is not None and not place.rerun:
            return done
        if place.rerun:
            store.drop_state(spec.key)
        store.start(spec, {"device": place.device, "worker": place.worker})
        started = time.time()
        found, clips, embeddings = do()
        head = {"schema": SCHEMA, "key": spec.key, "label": spec.label, "spec": spec.to_json()}
        result: Result = {**head, **found, **since(started)}
        if resumed := found.get("resumed"):
            result["wall_seconds"] = round(result["wall_seconds"] + resumed[-1]["seconds"], 2)
        store.save(spec, result, clips, embeddings)
        if not place.keep_states:
            store.drop_state(spec.key)
        return result
