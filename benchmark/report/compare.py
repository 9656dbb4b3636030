"""Two sets of results of one question, cell by cell: which moved by more than their spread.

Cells go by the corpora's names, whatever recipe, network or copy of a corpus is behind them; `unlike` says
where these differ. What runs say of themselves is believed, not what the study's file says today: recipe,
network and corpora are the study's where a run has them, else those of most runs.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from tabulate import tabulate

from benchmark import study
from benchmark.report import escape, intervals
from benchmark.report.cells import Cells, devices
from benchmark.report.clipscores import Table
from benchmark.study import Grid, Study, TrainingSet
from serkit.effects import Augmentation
from serkit.errors import ResultsUnreadable, SpecError
from serkit.labels import SCRAMBLED, corpus_of, is_permuted, treatment_of
from serkit.merged import differing
from serkit.resultfile import BUNDLE, Result
from serkit.results import Store, left_out, other_methods, stores, with_specs
from serkit.specs import RunSpec, in_order
from serkit.words import many

WAY = ("model", "recipe", "corpora")
"""What all runs of a study have in common."""


def _way(of: RunSpec | Study) -> tuple[Any, ...]:
    """Corpora by name, as runs have them."""
    return of.model, of.recipe, tuple(sorted(of.corpora, key=attrgetter("name")))


@dataclass(frozen=True, eq=False)
class Side:
    """One of the two.

    Attributes:
        name: as it was asked for.
        study: what was asked, with the recipe, network, corpora, rates and seeds that the results have.
        results: by run, without fingerprints; the newest of several.
        notes: what a reader must know of it.
        table: gives a run's per-clip scores (`serkit.results.Store.table`).
    """

    name: str
    study: Study
    results: Mapping[RunSpec, Result]
    notes: list[str]
    table: Table


def sides(first: str, second: str, root: Path) -> tuple[Side, Side]:
    """The two sides, each given as a built-in study, the TOML file of one, or a folder or bundle of results.

    Where one alone says which study it is, the other is held to answer it too; `root` holds their results.

    Raises:
        SpecError: no such study or folder.
        ResultsUnreadable: nothing is finished there, or a file is damaged.
    """
    (folder, asked), (other_folder, other_asked) = _found(first, root), _found(second, root)
    return _side(first, folder, asked or other_asked), _side(second, other_folder, other_asked or asked)


def _found(given: str, root: Path) -> tuple[Path, Study | None]:
    """The folder or bundle that is meant, and its study if that is known."""
    path = Path(given)
    if given not in study.names() and (path.is_dir() or path.suffix == BUNDLE):
        name = Store(path.resolve()).name
        return path, study.read(name) if name in study.names() else None
    try:
        asked = study.read(given)
    except SpecError as error:
        raise SpecError(f"{error}, or a folder or bundle of results that is there") from error
    return root / asked.name, asked


def _side(name: str, folder: Path, asked: Study | None) -> Side:
    """Reads a folder; `asked` says which exhibits there are, if anything does."""
    stored, damaged = Store(folder).results()
    # Oldest first, so the newest stays.
    runs = {spec.plan(): result for spec, result in with_specs(stored) if isinstance(spec, RunSpec)}
    notes = other_methods(stored)
    if not runs:
        why = f" that this serkit understands ({[*damaged, *notes][0]})" if damaged or notes else ""
        inside = [store.name for store in stores(folder, []) if any(store.all())]
        hint = f"; name one of the studies in it: {', '.join(inside)}" if inside else ""
        raise ResultsUnreadable(f"{name}: no finished run in {folder}{why}{hint}")
    notes += [*differing(Store(folder), runs.values()), *left_out(damaged)]
    made = _as_made(list(runs), asked, Store(folder.resolve()).name)
    if asked and _way(made) != _way(asked):
        notes.append(f"no run is as study {asked.name} asks now; compared is what most of its runs are by")
    return Side(name, made, runs, notes, Store(folder).table)


def _as_made(runs: list[RunSpec], asked: Study | None, name: str) -> Study:
    """The study that these runs answer; of an unknown one every training set is shown on every test."""
    ways = Counter(map(_way, runs))
    way = _way(asked) if asked and _way(asked) in ways else ways.most_common(1)[0][0]
    same = [run for run in runs if _way(run) == way]
    own = dict(zip(WAY, way, strict=True))
    places = {corpus.name: place for place, corpus in enumerate(asked.corpora)} if asked else {}
    corpora = tuple(sorted(own["corpora"], key=lambda corpus: places.get(corpus.name, len(places))))
    own["corpora"] = corpora
    if asked is None:
        tests = tuple(test for corpus in corpora for test in corpus.tests)
        every = Grid(tuple(dict.fromkeys(run.train for run in same)), tests)
        unknown: dict[str, Any] = {"titles": {}, "expected_training_clips": {}, "exhibits": {"all": every}}
        asked = Study(name=name, given=name, title=name, augmentation=Augmentation(), **own, **unknown)
    augmentations = Counter(run.augmentation for run in same if run.augmentation)
    augmentation = asked.augmentation
    if augmentations and augmentation not in augmentations:
        augmentation = augmentations.most_common(1)[0][0]
    return dataclasses.replace(
        asked,
        **own,
        titles={corpus.name: asked.titles.get(corpus.name, corpus.name) for corpus in corpora},
        augmentation=augmentation,
        rates_percent=tuple(sorted({run.augment_percent for run in same})),
        seeds=tuple(sorted({run.seed for run in same})),
    )


class Cell(NamedTuple):
    """What identifies a cell on both sides: corpora by name; if tuned, its learning rate and batch size."""

    train: TrainingSet
    test: str
    augment_percent: int
    tuned: tuple[float, int] | None = None


def tested_as(name: str) -> str:
    """The test of a training corpus: under the permutation that it was taught, or its true labels."""
    return name if is_permuted(name) else corpus_of(name)


def _cells(of: Study) -> Iterator[tuple[Cell, str]]:
    """The cells that a study's exhibits show, each with the exhibit; one may be in several."""
    for name, asked in of.exhibits.items():
        for train, rate, how in asked.conditions(of):
            if how and how.model != of.model:
                continue  # another network's: cells are compared as a study trains
            if (recipe := how and how.recipe) != of.recipe:  # else it is a condition of Table 1
                point = recipe and (recipe.learning_rate, recipe.batch_size)
                for test in asked.tests or map(tested_as, train):
                    yield Cell(train, test, rate, point), name


def cells(first: Side, second: Side, metric: str = "wF1") -> pd.DataFrame:
    """Every cell that one of the two has runs of, once. Raises SpecError: none has runs on both sides.

    Returns:
        Columns: `exhibit` (all that show it), `train`, `test` (titles), `augment_percent`, `tuned` (learning
        rate and batch size of a point of the grid, else empty), `A`, `B` (means of the units), `difference`
        (B - A, of the units they share), `low`, `high` (its interval), `p`, `spread_of`, `runs_A`, `runs_B`,
        `holm` (p corrected for how many cells there are), `moved` (it is below 0.05). NaN where a side has no
        runs, or nothing to say how sure; then `moved` is false.
    """
    shown: dict[Cell, dict[str, None]] = {}
    for side in (first, second):
        for cell, exhibit in _cells(side.study):
            if _has(first.study, cell):  # the other's corpora may come in another order
                cell = cell._replace(train=in_order(cell.train, first.study.corpora))
            shown.setdefault(cell, {})[exhibit] = None
    rows, both = [], [Cells(side.study, side.results, side.table) for side in (first, second)]
    for cell, names in shown.items():
        (ours, n), (theirs, other_n) = (_units(of, cell, metric) for of in both)
        if n == other_n == 0:
            continue
        if _split(first.study, cell.test) != _split(second.study, cell.test):  # no unit has a partner then
            moved = intervals.apart(theirs, ours)
        else:
            moved = intervals.difference(theirs, ours)
        namer = first.study if _has(first.study, cell) else second.study
        row: dict[str, Any] = {"exhibit": ", ".join(names), "train": namer.title_of(cell.train)}
        row |= {"test": namer.title_of(cell.test), "augment_percent": cell.augment_percent}
        row |= {"tuned": "lr {:g}, batch {}".format(*cell.tuned) if cell.tuned else ""}
        row |= {"A": ours.mean, "B": theirs.mean, "difference": moved.mean, "low": moved.low}
        row |= {"high": moved.high, "p": moved.p, "spread_of": moved.of, "runs_A": n, "runs_B": other_n}
        rows.append(row)
    if all(0 in (row["runs_A"], row["runs_B"]) for row in rows):
        raise SpecError(
            f"{first.name} and {second.name} have no cell in common: expected the same training corpora,"
            " tests and rates, by the names that the studies give them"
        )
    table = pd.DataFrame(rows)
    alike = (table["difference"] == 0) & (table["p"] == 1)  # as of two copies: nothing to correct for
    table["holm"] = intervals.holm(table["p"].mask(alike))
    return table.assign(moved=table["holm"] < intervals.CHANCE)


def _has(of: Study, cell: Cell) -> bool:
    known = {corpus.name: corpus for corpus in of.corpora}
    names = [name for name in (cell.test, *cell.train) if corpus_of(name) in known]
    own = all(treatment_of(name) != SCRAMBLED or known[corpus_of(name)].scramble for name in names)
    return own and len(names) == 1 + len(cell.train)


def _units(of: Cells, cell: Cell, metric: str) -> tuple[intervals.Units, int]:
    """The units of a cell on one side, and how many runs they are of; none where it has not the corpora."""
    if not _has(of.study, cell):
        return intervals.NO_UNITS, 0
    how = of.study.how
    if cell.tuned:
        rate, size = cell.tuned
        how = how._replace(recipe=dataclasses.replace(how.recipe, learning_rate=rate, batch_size=size))
    units = of.units(cell.train, cell.test, cell.augment_percent, how, metric)
    return units, len(of.runs(cell.train, cell.augment_percent, how))


def _split(of: Study, test: str) -> list[tuple[Any, ...]]:
    """What decides which speakers a fold of the test's corpus holds, as far as settings say."""
    found = [corpus for corpus in of.corpora if corpus.name == corpus_of(test)]
    return [(corpus.reader, corpus.folds, corpus.options) for corpus in found]


def unlike(first: Side, second: Side) -> list[str]:
    """How the two were made differently, a line for each difference that their results show."""
    ours, theirs = _made(first), _made(second)
    if not (any(first.study.rates_percent) and any(second.study.rates_percent)):
        ours = {what: value for what, value in ours.items() if not what.startswith("augmentation ")}
    return [
        f"{what}: {_written(value)} in A; {_written(theirs[what])} in B"
        for what, value in ours.items()
        if what in theirs and value != theirs[what]
    ]


def _made(side: Side) -> dict[str, Any]:
    """How a side was made, by the name of each setting in `unlike`."""
    of, results = side.study, list(side.results.values())
    parts: dict[str, Any] = {"model ": of.model, "recipe ": of.recipe, "augmentation ": of.augmentation}
    parts |= {f"corpus {corpus.name}, ": corpus for corpus in of.corpora}
    made = {what + name: value for what, part in parts.items() for name, value in vars(part).items()}
    copies: dict[str, set[str]] = {}
    for result in results:
        for name, digest in result["spec"]["fingerprints"]:
            what = (
                f"encoder {name}, code and weights" if ":" in name else f"corpus {name}, copy (fingerprint)"
            )
            copies.setdefault(what, set()).add(digest.removeprefix("sha256:")[:12])
    made |= {what: tuple(sorted(digests)) for what, digests in copies.items()}
    made |= {"seeds": of.seeds, "corpora": tuple(corpus.name for corpus in of.corpora)}
    made["bf16"] = tuple(sorted({result["environment"]["bf16"] for result in results}))
    return made | {"run on": tuple(devices(results))}


def _written(value: Any) -> str:
    if not isinstance(value, tuple):
        return f"{value:g}" if isinstance(value, float) else str(value)
    pairs = all(isinstance(item, tuple) for item in value)  # options and scrambles
    items = (" ".join(map(_written, item)) if pairs else _written(item) for item in value)
    return ", ".join(items) or "none"


def summary(first: Side, second: Side, table: pd.DataFrame, metric: str) -> list[str]:
    """What the table amounts to, in lines: what the sides are, how many cells moved, what only one has."""
    said = []
    for letter, side in {"A": first, "B": second}.items():
        said.append(f"{letter}: {side.name}, study {side.study.name}, {many(len(side.results), 'run')}")
        said += [f"   {note}" for note in side.notes]
    differing = unlike(first, second)
    said += ["Not made alike:", *(f"   {line}" for line in differing)] if differing else []
    both = table[table["difference"].notna()]
    moved, equal = int(both["moved"].sum()), int((both["difference"] == 0).sum())
    chance = (
        "p < 0.05 after Holm's correction for so many: by chance alone one does in a comparison of twenty"
    )
    said.append(f"{moved} of {many(len(both), 'cell')} moved in {metric} ({chance}). {equal} are equal.")
    single, uneven = both["low"].isna(), both["runs_A"] != both["runs_B"]
    kinds = {
        "rest on more runs on one side than on the other": uneven,
        "have no interval, since nothing tells what another training or fold would give": single,
    }
    said += [f"{n} of them {what}." for what, of in kinds.items() if (n := int(of.sum()))]
    alone = {"A": int(table["B"].isna().sum()), "B": int(table["A"].isna().sum())}
    return said + [f"Only {letter} has {many(n, 'cell')}." for letter, n in alone.items() if n]


def drawn(table: pd.DataFrame, form: str) -> str:
    """The table in a style of tabulate's; as `csv` every digit of every column, and no text a formula."""
    if form == "csv":
        return escape.csv(table).rstrip("\n")
    rows = []
    for row in table.itertuples():
        rate = f"{row.augment_percent} %" + f", {row.tuned}" * bool(row.tuned)
        values = [_number(row.A), _number(row.B), _number(row.difference, "+")]
        interval = "--" if np.isnan(row.low) else f"{row.low:+.3f} to {row.high:+.3f}"
        runs = [row.spread_of, f"{row.runs_A}, {row.runs_B}", "moved" * row.moved]
        rows.append([row.exhibit, row.train, row.test, rate, *values, interval, *runs])
    headers = ["Exhibit", "Trained on", "Tested on", "Augmented", "A", "B", "B - A", "95 %", "Spread of"]
    return tabulate(rows, [*headers, "Runs A, B", ""], tablefmt=form, disable_numparse=True)


def _number(value: float, sign: str = "") -> str:
    return "--" if np.isnan(value) else f"{value:{sign}.3f}"
