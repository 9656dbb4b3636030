"""Predictions from elsewhere: which clips each run of a study has, and results made of what is said of them.

docs/importing.md is how a user goes about it. What a table of predictions may hold: `serkit.outside`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.report import output
from benchmark.study import Study, plan
from serkit import job
from serkit.errors import PredictionsUnfit
from serkit.files import write_by
from serkit.job import Place
from serkit.settings import check
from serkit.specs import TRAINING, RunSpec
from serkit.words import many, named, shown

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from serkit.corpora.reading.corpus import Corpus


def runs(study: Study) -> dict[str, RunSpec]:
    """The runs of a study's own model by name; not those of a baseline, which serkit trains itself.

    Raises SpecError: two share a name, as the points of a grid of recipes do.
    """
    found: dict[str, RunSpec] = {}
    for spec in (case.spec for case in plan(study)):
        if spec.kind == TRAINING and spec.model.encoder == study.model.encoder:
            cure = "leave out what trains them otherwise, as [tuning]"
            check(spec.label not in found, f"study {study.name}: two runs are called {spec.label}; {cure}")
            found[spec.label] = spec
    return found


def folds(study: Study, data: Path | None) -> Iterator[pd.DataFrame]:
    """For each run of a study a table of the clips that it uses, a row for each part that a clip is in.

    Columns: `run` (its name), `augment_percent`, `seed`, `fold` (the training by what it leaves out, empty
    where its corpora have one split), `part` (`train`, `validation`, `test`), `corpus` (the study's word),
    `path` (in the corpus), `label` (the true one), `taught` (what it is taught that a clip is; empty but of
    `train`), `file` (where the audio lies here). Corpora are read at once: raises as `serkit.job.read`.
    """
    asked = runs(study)
    corpora = {corpus: job.found(corpus, data) for spec in asked.values() for corpus in spec.corpora}
    return (_clips(spec, {of.name: corpora[of] for of in spec.corpora}) for spec in asked.values())


def _clips(spec: RunSpec, corpora: Mapping[str, Corpus]) -> pd.DataFrame:
    from serkit import splits  # numpy comes with it

    table = splits.divided(spec, corpora)
    tops = table["corpus"].map({name: str(corpus.folder) for name, corpus in corpora.items()})
    about = {"run": spec.label, "augment_percent": spec.augment_percent, "seed": spec.seed}
    about["fold"] = "" if spec.fold is None else spec.fold
    table = table.assign(**about, file=tops + "/" + table["path"])
    return table[[*about, *(column for column in table if column not in about)]]


def write_folds(study: Study, data: Path | None, path: Path) -> str:
    """Writes `folds` as one csv, whole or not at all; says what is in it. Raises ResultsUnwritable too."""
    output.claim(path)
    rows = 0

    def write(draft: Path) -> None:
        nonlocal rows
        with draft.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            for number, table in enumerate(folds(study, data)):
                table.to_csv(file, index=False, header=not number, lineterminator="\n")
                rows += len(table)

    with output.written(path):
        write_by(path, write)
    return f"{path}: {many(rows, 'row')} of {many(len(runs(study)), 'run')}"


def print_folds(study: Study, data: Path | None, say: Callable[[str], None]) -> None:
    """As `write_folds`, run by run to a terminal or a pipe; `say` takes some lines."""
    for number, table in enumerate(folds(study, data)):
        text = io.StringIO()
        table.to_csv(text, index=False, header=not number, lineterminator="\n")
        say(text.getvalue())


def store(study: Study, place: Place, path: Path, partial: bool = False) -> str:
    """Stores what a table of predictions says of a study's runs, as results; says how many.

    All is checked before any is stored; what was stored of these runs before is replaced.

    Args:
        study: it.
        place: where results go and corpora lie.
        path: the table.
        partial: whether runs of the plan may be missing.

    Raises:
        SpecError: the study trains its own networks.
        PredictionsUnfit: the table cannot be read, is of other runs or clips, or holds no probabilities.
        SerkitError: a corpus cannot be read, or results cannot be written.
    """
    asked = f"study {study.name} has [model] encoder = {shown(study.model.encoder)}, which serkit trains"
    check(study.model.imported, f"{asked}; expected encoder = 'imported:NAME' (docs/importing.md)")
    place.store.check_writable()
    from serkit import outside, run  # torch comes with them

    table, known = outside.read(path), runs(study)
    _check_runs(set(table["run"].cat.categories), known, partial)
    of_run = table.groupby("run", observed=True, sort=False)
    found: list[tuple[run.Identified, np.ndarray]] = []
    for name, rows in of_run:
        about = run.identified(known[str(name)], place)
        found.append((about, outside.probabilities(about, rows)))
    for about, scores in found:
        outside.store(about, place, scores)
    left = len(known) - len(found)
    rest = f"; {many(left, 'run')} of the plan not among them" if left else ""
    return f"{many(len(found), 'run')} of {study.model.encoder} imported into {place.store.folder}{rest}"


def _check_runs(given: Collection[str], known: Collection[str], partial: bool) -> None:
    """Raises PredictionsUnfit unless runs are those of the plan; with `partial` some of them."""
    if unknown := sorted(set(given) - set(known)):
        head = f"{many(len(unknown), 'run')} that the study has not ({named(unknown)})"
        cure = f"`python -m benchmark folds` names them, as {next(iter(known))}"
        raise PredictionsUnfit(f"{head}; {cure}")
    left = [name for name in known if name not in given]
    if not given or (left and not partial):
        head = f"{len(left):,} of {many(len(known), 'run')} missing ({named(left)})"
        cure = "expected each run of the plan; --partial imports those that are there"
        raise PredictionsUnfit(f"{head}; {cure}")
