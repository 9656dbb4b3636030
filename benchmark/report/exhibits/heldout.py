"""Held-out cells: joint training on all of one corpus and on another without one label; recall of that label.

A test of what the corpora share that involves no contradiction. A network whose labels mean the same in both
corpora knows the label from the other one; a network that keeps a set of labels for each corpus never says it
there. Recall alone would not do: a network that calls everything angry has it too. So beside it stands how
often the corpus's other clips are called by that label, and what counts is the difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from benchmark.report.exhibits import Section, baseline
from benchmark.report.later import clipscores, figures, intervals, np, pd, tables
from benchmark.study import Condition, Study, TrainingSet, joint_sets, rates
from benchmark.study_file import LIST
from serkit.labels import LABELS, treated
from serkit.results import Store
from serkit.settings import check
from serkit.specs import check_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmark.report.cells import Cells
    from benchmark.report.clipscores import Said
    from benchmark.report.intervals import Spread, Units

PLACE = 5
NAMES = {"heldout": "Held-out cells: recall of a label that a corpus lacks in joint training"}
KEYS = {"train": LIST, "lacks": LIST, "rates_percent": LIST}
SAID = "Joint training in which one corpus lacks a label: does the network know it from the other?"
SETTINGS = {
    "train": (
        [["mine", "emodb"]],
        "its training sets, of two corpora or more.",
    ),
    "lacks": (["emodb"], "the corpora that lack each label in turn; all of them unless given."),
    "rates_percent": baseline.RATES,
}
REFERENCE = {"heldout": (SAID, SETTINGS)}
ALL = "all four"
MARKS = {
    "held out": ("o", "above", "low", "high"),
    "others alone": ("s", "ceiling", "ceiling_low", "ceiling_high"),
    "with it": ("^", "joint"),
}
"""What the picture shows: a mark, and the columns of a value and the ends of its interval."""
LEGEND = (
    "Held out: of a corpus's test clips of a label, how many are called by it when the corpus's training"
    " clips lack it and those of the others have it. Others: how many of its test clips of the other labels"
    " are called so, by the same networks. Above: held out less others, with the 95 % interval; it is 0"
    " where the label is not known from the other corpora, whatever else the network has learnt.",
    "With it: the recall when nothing is left out. Above, alone: the same as above, of networks that"
    " learnt from the other corpora only and have one set of labels: where these do not know the corpus's"
    " labels either, that the joint ones do not says nothing. Share: held out as a share of with it, with"
    " its interval after Fieller, none where the latter is not clearly above 0. By probabilities over the"
    " tail.",
)


@dataclass(frozen=True)
class HeldOut:
    """Joint training sets, of which some corpora (none named: all) lack each label in turn."""

    columns: tuple[TrainingSet, ...]
    rates: tuple[int, ...]
    named: tuple[str, ...] = ()
    tests = measurements = ()

    def lacks(self, joint: TrainingSet) -> TrainingSet:
        """The corpora of a training set that lack a label."""
        return tuple(name for name in joint if name in self.named or not self.named)

    def conditions(self, study: Study) -> list[Condition]:
        """Joint training, the others alone, and joint training without each label of each corpus."""
        of: list[TrainingSet] = []
        for joint in self.columns:
            of.append(joint)
            for name in self.lacks(joint):
                of += [others(joint, name), *lacking(joint, name)]
        return [Condition(train, rate) for rate in self.rates for train in of]


def others(joint: TrainingSet, corpus: str) -> TrainingSet:
    """A training set without one of its corpora."""
    return tuple(name for name in joint if name != corpus)


def lacking(joint: TrainingSet, corpus: str) -> list[TrainingSet]:
    """The training sets in which one corpus lacks a label, in the order of the labels."""
    return [
        tuple(treated(name, f"without-{label}") if name == corpus else name for name in joint)
        for label in LABELS
    ]


def ask(name: str, table: Mapping[str, Any], study: Study) -> HeldOut:
    """Joint training sets under true labels."""
    asked = HeldOut(joint_sets(name, table, study), rates(name, table, study), tuple(table.get("lacks", ())))
    for lacking in asked.named:
        check_name(f"{name}.lacks: corpus", lacking, study.corpora)
    for joint in asked.columns:
        check(asked.lacks(joint), f"{name}.lacks: expected a corpus of {list(joint)} among them")
    return asked


def recall_of(label: int) -> Said:
    """How often clips of a label are called by it."""
    return clipscores.said(*(label if truth == label else None for truth in range(len(LABELS))))


def called(label: int) -> Said:
    """How often clips of the other labels are called by a label, their mean."""
    return clipscores.said(*(None if truth == label else label for truth in range(len(LABELS))))


@dataclass(frozen=True, eq=False)
class Cell:
    """What is known of a label, or the mean over all four, on a corpus that lacks it in training."""

    held: Units
    called: Units
    joint: Units
    alone: Units  # of networks of the other corpora alone
    alone_called: Units

    def above(self) -> Spread:
        """Held out less what other clips are called so."""
        return intervals.difference(self.held, self.called)

    def ceiling(self) -> Spread:
        """The same of networks of the other corpora alone, which have no other set of labels."""
        return intervals.difference(self.alone, self.alone_called)

    def share(self) -> Spread:
        """Held out as a share of the recall with the label, and its interval."""
        return intervals.ratio(lambda at: intervals.difference(self.held, intervals.scaled(self.joint, at)))


def by_label(cells: Cells, joint: TrainingSet, corpus: str, rate: int) -> list[Cell]:
    """The cell of each label on a corpus, and last their mean."""
    said, found = cells.evidence.said, []
    for label, train in enumerate(lacking(joint, corpus)):
        held, false = (said(train, corpus, rate, of) for of in (recall_of(label), called(label)))
        full, without = said(joint, corpus, rate, recall_of(label)), others(joint, corpus)
        alone = [said(without, corpus, rate, of) for of in (recall_of(label), called(label))]
        found.append(Cell(held, false, full, *alone))
    parts = {field.name: [getattr(cell, field.name) for cell in found] for field in fields(Cell)}
    means = {name: intervals.average(of, own=name in ("held", "called")) for name, of in parts.items()}
    return [*found, Cell(**means)]


def numbers(study: Study, cells: Cells, store: Store) -> dict[str, pd.DataFrame]:
    """`heldout-cells`: a row a joint training, rate, corpus that lacks a label, and label or all."""
    if "heldout" not in study.exhibits:
        return {}
    asked = study.exhibits["heldout"]
    rows: list[dict[str, Any]] = []
    for joint in asked.columns:
        for rate in asked.rates:
            for corpus in asked.lacks(joint):
                rows += _rows(study, cells, joint, corpus, rate)
    table = pd.DataFrame(rows)
    return {"heldout-cells": table.assign(holm=intervals.holm(table["p"]))}


def _rows(study: Study, cells: Cells, joint: TrainingSet, corpus: str, rate: int) -> Iterator[dict[str, Any]]:
    sets = lacking(joint, corpus)
    runs = [len(cells.runs(train, rate)) for train in sets]
    expected = [len(study.runs(train, rate)) for train in sets]
    place = {"train": study.title_of(joint), "augment_percent": rate, "lacks": study.title_of(corpus)}
    names = (*LABELS, ALL)
    for name, cell, done, of in zip(
        names,
        by_label(cells, joint, corpus, rate),
        [*runs, sum(runs)],
        [*expected, sum(expected)],
        strict=True,
    ):
        above, share = cell.above(), cell.share() if name == ALL else intervals.Spread()
        yield {
            **place,
            "label": name,
            "runs": done,
            "runs_expected": of,
            **cell.held.around().columns("heldout"),
            "called": cell.called.mean,
            **{"above": above.mean, "low": above.low, "high": above.high},
            "p": above.p if name == ALL else np.nan,  # one question a corpus and rate
            **{"joint": cell.joint.mean, "alone": cell.alone.mean},
            **cell.ceiling().columns("ceiling"),
            **share.columns("share"),
        }


def draw_tables(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[tables.Table]:
    """A row a corpus, rate and label."""
    rows = [
        [
            f"{row['train']}, {row['augment_percent']} %" if row["label"] == LABELS[0] else "",
            row["lacks"],
            row["label"],
            tables.ends(row, "heldout") + tables.share(row),
            tables.two_digits(row["called"]),
            tables.interval(row["above"], row["low"], row["high"], tables.signed),
            tables.two_digits(row["joint"]),
            tables.ends(row, "ceiling", tables.signed),
            tables.ends(row, "share") if row["label"] == ALL else "",
        ]
        for row in numbers["heldout-cells"].to_dict("records")
    ]
    headers = ["Trained on", "Lacks", "Label", "Held out", "Others", "Above", "With it", "Above, alone"]
    return [tables.Table("heldout", NAMES["heldout"], [*headers, "Share"], rows, LEGEND)]


def draw_figures(
    study: Study, numbers: Mapping[str, pd.DataFrame], colours: str
) -> Iterator[tuple[str, Figure]]:
    """Held out less others, beside networks of the others alone and recall with the label."""
    table = numbers["heldout-cells"].query("label == @ALL")
    if table["heldout"].isna().all():
        return
    panels_of = list(table.groupby(["train", "lacks"], sort=False))
    legend = (
        "Mean over the labels, with intervals of 95 %. Held out: recall of the label that the corpus lacks"
        " in training, less how often its other clips are called so. Others alone: the same of networks that"
        " never met the corpus. With it: recall where nothing is left out."
    )
    size = (1.4 + 2.6 * len(panels_of), 3.2)
    with figures.drawn(NAMES["heldout"], legend, size, 1, len(panels_of), sharey=True) as (figure, panels):
        for (_, of_corpus), panel in zip(panels_of, panels[0], strict=True):
            _panel(panel, of_corpus.to_dict("records"))
        panels[0, 0].set_ylabel("recall")
        panels[0, -1].legend(frameon=False, fontsize=8)
    yield "heldout", figure


def _panel(panel: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    at = np.arange(len(rows))
    for number, (name, (mark, *columns)) in enumerate(MARKS.items()):
        place, colour = at + 0.12 * (number - 1), figures.COLOURS[number]
        values, *ends = (np.array([row[column] for row in rows]) for column in columns)
        panel.plot(place, values, mark, color=colour, label=name)
        if ends:
            panel.errorbar(place, values, abs(np.array(ends) - values), fmt="none", ecolor=colour, capsize=3)
    panel.axhline(0, color="0.5", linewidth=0.8)
    panel.set_title(f"{rows[0]['train']}:\n{rows[0]['lacks']} lacks it", fontsize=9, loc="left")
    panel.set_xticks(at, [f"{row['augment_percent']} %" for row in rows])
    panel.set_xlabel("augmented")
    panel.set_xlim(-0.5, len(rows) - 0.5)
    panel.set_ylim(-0.2, 1)


def sections(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[Section]:
    """Picture, table, numbers."""
    said = "Recall of labels that a corpus lacks in training"
    parts = [
        ("picture", ("heldout", said, f"{said}; the numbers are in the table below.")),
        ("table", "heldout"),
    ]
    return [Section("heldout", [*parts, ("files", "heldout-cells")], "Held out", "Held-out cells")]
