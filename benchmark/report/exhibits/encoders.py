"""Encoders side by side: what each carries from corpus to corpus, on the same clips, folds and seeds.

All that the study's other exhibits train is trained by each encoder as well. What is read from it are means
over corpora, each with its interval, and each encoder is compared with the first, fold by fold.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.report.exhibits import Section, heldout
from benchmark.report.exhibits.questions import Cell
from benchmark.report.later import figures, intervals, np, pd, tables
from benchmark.study import SPECS, Condition, Study, TrainingSet
from benchmark.study_file import LIST, TABLE, TEXT, WRITTEN, check_values, spec
from serkit import encoders
from serkit.labels import NAMED, corpus_of, is_permuted, permutation_of, treatment_of
from serkit.results import Store
from serkit.settings import check, one_line, one_of
from serkit.specs import ModelSpec, Recipe, RunSpec, frozen

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmark.report.cells import Cells
    from benchmark.report.intervals import Spread, Units

PLACE = 9.5
NAMES = {"encoders": "Encoders: what each carries from corpus to corpus"}
KEYS = {"own": TEXT, "of": TABLE}
SAID = "Encoders beside the study's own: each trains all that the other exhibits ask for."
SETTINGS = {
    "own": ("CNN14", "the study's own encoder, in tables."),
    "of": (
        {"eGeMAPS": {"encoder": "opensmile:eGeMAPSv02", "freeze": ["encoder"]}},
        "a table each, by its name in tables: keys of [model]; a table recipe, of keys of [recipe] that are"
        " others; and rates_percent and seeds, if not all of the study's.",
    ),
}
REFERENCE = {"encoders": (SAID, SETTINGS)}
INDICATORS = {
    "own": "wF1 on the corpus learnt from",
    "other": "wF1 on corpora not learnt from",
    "gain own": "gain by augmentation, own",
    "gain other": "gain by augmentation, others",
    "near": "wF1 lost by labels permuted within arousal",
    "far": "wF1 lost by labels permuted across arousal",
    "heldout": "recall of a label that a corpus lacks, above what else is called so",
}
LEGEND = (
    "Means over corpora with intervals of 95 %; gains at the highest rate against the lowest, all else at the"
    " lowest. Own, others: of networks that learnt from one corpus. Lost: joint training under true labels"
    " less that under permuted ones of one corpus, on both. *: another value than the first encoder's, clear"
    " after Holm's correction over the table, paired fold by fold; verdicts correct over one column alone.",
    "Told apart: mean recall of the corpus, of two that are learnt from together, by a linear probe of the"
    " embedding; .50 by chance. Parameters: that learn, of all. Seconds: of a training, the median; of a"
    " frozen encoder the fit, since the embeddings of clips that are not augmented are kept.",
)


@dataclass(frozen=True)
class Encoders:
    """The study by each encoder, the first its own, by their names in tables."""

    of: tuple[tuple[str, Study], ...]
    columns = tests = ()

    @functools.cached_property
    def measurements(self) -> tuple[RunSpec, ...]:
        """The runs of all encoders but the first, whose are the study's."""
        return tuple(
            dict.fromkeys(run for _, study in self.of[1:] for at in _asked(study) for run in study.runs(*at))
        )

    def conditions(self, study: Study) -> list[Condition]:
        """None beside those of the other exhibits."""
        return []


def _asked(study: Study) -> list[Condition]:
    """What the study trains by its own encoder and recipe, at the rates of an encoder."""
    return [at for at in study.conditions if at.how is None and at.augment_percent in study.rates_percent]


def ask(name: str, table: Mapping[str, Any], study: Study) -> Encoders:
    """Encoders, each with its name."""
    given = table.get("of", {})
    check(bool(given), f"{name}: of is missing; expected a table of each encoder, [{name}.of.NAME]")
    titles = [one_line(f"{name}: name", title) for title in (table.get("own", study.model.name), *given)]
    check(
        len(set(titles)) == len(titles), f"{name}: two encoders are called {titles}; give each its own name"
    )
    others = [
        (title, _study(f"{name}.of.{title}", of, study))
        for title, of in zip(titles[1:], given.values(), strict=True)
    ]
    every = [(titles[0], study), *others]
    ways = [(of.model, of.recipe) for _, of in every]
    twice = ", ".join(title for title, of in every if ways.count((of.model, of.recipe)) > 1)
    check(not twice, f"{name}: {twice} are one encoder by one recipe; leave one of them out")
    return Encoders(tuple(every))


def _study(where: str, table: Any, study: Study) -> Study:
    """The study by another encoder."""
    keys = {
        kind: {of.name: WRITTEN[str(of.type)] for of in dataclasses.fields(SPECS[kind])}
        for kind in ("model", "recipe")
    }
    check_values(where, table, keys["model"] | {"recipe": TABLE, "rates_percent": LIST, "seeds": LIST})
    recipe = table.get("recipe", {})
    check_values(f"{where}.recipe", recipe, keys["recipe"])
    model = {key: of for key, of in table.items() if key in keys["model"]}
    found: ModelSpec = spec(ModelSpec, where, model)
    encoders.check(found)
    some = {key: tuple(table.get(key, getattr(study, key))) for key in ("rates_percent", "seeds")}
    for key, values in some.items():
        for value in values:
            one_of(f"{where}.{key}", value, getattr(study, key))
    changed = {key: frozen(of) for key, of in recipe.items()}
    other: Recipe = replace(study.recipe, **changed)
    check(not found.imported, f"{where}: {found.encoder} has no runs here; import it to a study of its own")
    rates, seeds = some["rates_percent"], some["seeds"]
    return replace(study, model=found, recipe=other, rates_percent=rates, seeds=seeds)


class Term(NamedTuple):
    """What is averaged: cells less others on one corpus, or a corpus that lacks labels."""

    plus: tuple[Cell, ...] = ()
    minus: tuple[Cell, ...] = ()
    lacks: tuple[TrainingSet, str, int] | None = None  # and the rate


def terms(study: Study) -> dict[str, list[Term]]:
    """What each indicator is the mean of, by this study's trainings; empty: it asks for none."""
    low, high = min(study.rates_percent), max(study.rates_percent)
    sets = study.training_sets()
    alone = [train for train in sets if len(train) == 1 and not treatment_of(train[0])]
    pairs = [(train, corpus.name) for train in alone for corpus in study.corpora]
    pairs = [(train, name) for train, name in pairs if name not in study.brought]
    found: dict[str, list[Term]] = {}
    for where, here in (("own", True), ("other", False)):
        tests = [(train, name) for train, name in pairs if (name in train) == here]
        found[where] = [Term(((*at, low),)) for at in tests]
        gains = [Term(((*at, high),), ((*at, low),)) for at in tests]
        found[f"gain {where}"] = gains if high > low else []
    for kind in NAMED:
        found[kind] = [of for train in sets for of in _lost(study, train, kind, low)]
    asked = study.exhibits.get("heldout")
    lacking = [(train, name) for train in asked.columns for name in asked.lacks(train)] if asked else []
    found["heldout"] = [Term(lacks=(*of, low)) for of in lacking]
    return found


def _lost(study: Study, train: TrainingSet, kind: str, rate: int) -> list[Term]:
    """Of joint training under one corpus's permuted labels: what it has less than under true ones."""
    true = tuple(map(corpus_of, train))
    changed = [name for name in train if treatment_of(name)]
    whole = len(train) > 1 and len(changed) == 1 and is_permuted(changed[0])
    if not whole or true not in study.training_sets():
        return []
    own = study.corpus(changed[0]).scramble
    if permutation_of(treatment_of(changed[0]), own) != permutation_of(kind):
        return []
    return [Term(((true, corpus_of(name), rate),), ((train, name, rate),)) for name in train]


Sides = list[tuple[list["Units"], list["Units"]]]


def sides(cells: Cells, of: Sequence[Term], less: Sequence[Term] = (), against: Cells | None = None) -> Sides:
    """The cells that are added and taken off on each corpus: of terms, less those of another encoder."""
    found: dict[str, tuple[list[Units], list[Units]]] = {}
    for term in of:
        corpus, plus, minus = _units(cells, term)
        here = found.setdefault(corpus, ([], []))
        here[0].extend(plus)
        here[1].extend(minus)
    for term in less:
        assert against is not None
        corpus, plus, minus = _units(against, term)
        found[corpus][1].extend(plus)
        found[corpus][0].extend(minus)
    return list(found.values())


def _units(cells: Cells, term: Term) -> tuple[str, list[Units], list[Units]]:
    if term.lacks:
        train, corpus, rate = term.lacks
        cell = heldout.by_label(cells, train, corpus, rate)[-1]
        return corpus, [cell.held], [cell.called]
    corpus = corpus_of((*term.plus, *term.minus)[0][1])
    plus, minus = ([cells.units(*place) for place in side] for side in (term.plus, term.minus))
    return corpus, plus, minus


def mean(sides: Sides, terms: int) -> Spread:
    """The mean over terms, with its interval."""
    return intervals.total(sides).times(1 / terms) if terms else intervals.Spread()


class Member(NamedTuple):
    """An encoder: its name in tables, the study by it, and that study's cells."""

    title: str
    study: Study
    cells: Cells


def by_encoder(cells: Cells) -> list[Member]:
    """The encoders of a study that compares some, its own first."""
    first, *others = cells.study.exhibits["encoders"].of
    return [Member(first[0], first[1], cells), *(Member(title, of, cells.of(of)) for title, of in others)]


def numbers(study: Study, cells: Cells, store: Store) -> dict[str, pd.DataFrame]:
    """`encoders-cells`: a row an encoder and indicator; `encoders-cost-cells`: a row an encoder."""
    if "encoders" not in study.exhibits:
        return {}
    rows, costs = [], []
    every = by_encoder(cells)
    first, asked_first = cells, terms(every[0].study)
    for title, of, own in every:
        asked = terms(of)
        for name in INDICATORS:
            place: dict[str, Any] = {"encoder": title, "indicator": name, "over": len(asked[name])}
            spread = mean(sides(own, asked[name]), len(asked[name]))
            apart = intervals.Spread()
            if own is not first and asked[name] == asked_first[name]:  # at the same rates
                apart = mean(sides(own, asked[name], asked_first[name], first), len(asked[name]))
            rows.append(
                {**place, **spread.columns("value"), **apart.columns("apart"), "p": apart.p, "n": spread.n}
            )
        costs.append({"encoder": title, **_cost(own)})
    table = pd.DataFrame(rows)
    return {
        "encoders-cells": table.assign(holm=intervals.holm(table["p"])),
        "encoders-cost-cells": pd.DataFrame(costs),
    }


def _cost(cells: Cells) -> dict[str, Any]:
    """What an encoder's runs took, and how well corpora are told apart in its embedding."""
    study = cells.study
    asked = list(dict.fromkeys(run for at in _asked(study) for run in study.runs(*at)))
    done = [cells.results[run] for run in asked if run in cells.results]
    joint = [train for train in study.training_sets() if len(train) > 1 and not any(map(treatment_of, train))]
    low, evidence = min(study.rates_percent), cells.evidence
    apart = [evidence.told_apart(train, low, "embedding") for train in joint]
    known = [recall for recall in apart if not np.isnan(recall)]
    parameters = next((result["parameters"] for result in done if "parameters" in result), None)
    seconds = [result["train_seconds"] for result in done]
    return {
        "runs": len(done),
        "runs_expected": len(asked),
        "told_apart": float(np.mean(known)) if known else np.nan,
        "learnt": parameters["learnt"] if parameters else np.nan,
        "parameters": parameters["all"] if parameters else np.nan,
        "seconds": float(np.median(seconds)) if seconds else np.nan,
    }


def draw_tables(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[tables.Table]:
    """A row an encoder."""
    cells, costs = numbers["encoders-cells"], numbers["encoders-cost-cells"].set_index("encoder")
    shown = [name for name in INDICATORS if (cells.query("indicator == @name")["over"] > 0).any()]
    rows = []
    for title, of in cells.groupby("encoder", sort=False):
        by_name, cost = of.set_index("indicator").to_dict("index"), costs.loc[title]
        said = [_value(by_name[name]) for name in shown]
        runs = (
            ""
            if cost["runs"] == cost["runs_expected"]
            else f" [{cost['runs']:.0f}/{cost['runs_expected']:.0f}]"
        )
        size = "" if np.isnan(cost["learnt"]) else f"{cost['learnt']:,.0f} of {cost['parameters']:,.0f}"
        took = tables.MISSING if np.isnan(cost["seconds"]) else f"{cost['seconds']:.1f}"
        rows.append([f"{title}{runs}", *said, tables.two_digits(cost["told_apart"]), size, took])
    headers = ["Encoder", *(INDICATORS[name] for name in shown), "Told apart", "Parameters", "Seconds"]
    return [tables.Table("encoders", NAMES["encoders"], headers, rows, LEGEND)]


def _value(row: Mapping[str, Any]) -> str:
    return tables.ends(row, "value") + " *" * bool(row["holm"] < intervals.CHANCE)


def draw_figures(
    study: Study, numbers: Mapping[str, pd.DataFrame], colours: str
) -> Iterator[tuple[str, Figure]]:
    """A panel an indicator, a row an encoder."""
    cells = numbers["encoders-cells"]
    shown = [name for name in INDICATORS if cells.query("indicator == @name")["value"].notna().any()]
    if not shown:
        return
    titles = list(dict.fromkeys(cells["encoder"]))
    size = (1.0 + 0.09 * max(map(len, titles)) + 1.7 * len(shown), 1.6 + 0.3 * len(titles))
    legend = "Means over corpora with intervals of 95 %; grey lines: 0."
    with figures.drawn(NAMES["encoders"], legend, size, 1, len(shown), sharey=True) as (figure, panels):
        for name, panel in zip(shown, panels[0], strict=True):
            of = cells.query("indicator == @name").set_index("encoder").loc[titles]
            at, value = np.arange(len(titles)), of["value"].to_numpy()
            ends = abs(of[["value_low", "value_high"]].to_numpy().T - value)
            panel.errorbar(value, at, xerr=ends, fmt="o", color=figures.COLOURS[0], markersize=4, capsize=3)
            panel.axvline(0, color="0.6", linewidth=0.8)
            panel.set_title(name, fontsize=9, loc="left")
        panels[0, 0].set_yticks(range(len(titles)), titles)
        panels[0, 0].set_ylim(len(titles) - 0.5, -0.5)
    yield "encoders", figure


def sections(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[Section]:
    """Picture, table, numbers."""
    said = "What each encoder carries from corpus to corpus"
    parts: list[tuple[str, Any]] = [
        ("picture", ("encoders", said, f"{said}; the numbers are in the table below.")),
        ("table", "encoders"),
    ]
    parts += [("files", name) for name in numbers]
    return [Section("encoders", parts, "Encoders", "Encoders side by side")]
