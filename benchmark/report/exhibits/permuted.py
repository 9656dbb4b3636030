"""Permuted labels of one corpus in joint training: what is lost on each corpus, and to which label.

Two labellings that contradict each other cost something where the network takes them for the same labels. If
it does, what is lost goes to one place: clips are called by what the other labelling calls them, the partner.
If training is disturbed in some other way, what is lost goes where errors go anyway: a third to each wrong
label, or as on true labels, where some labels are confused more than others. How much is lost cannot tell the
two apart.

On the permuted corpus a clip of true label t is taught p(t), and its partner is t, what the other corpora
teach; on every other corpus it is taught t (or nothing), and its partner is p(t).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.report.exhibits import Section, baseline
from benchmark.report.later import clipscores, figures, intervals, np, pd, tables
from benchmark.study import Control, Study, TrainingSet, rates, training_sets
from benchmark.study_file import LIST
from serkit.labels import LABELS, corpus_of, is_permuted, permutation_of, treatment_of
from serkit.results import Store
from serkit.settings import check

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmark.report.cells import Cells
    from benchmark.report.clipscores import Said
    from benchmark.report.intervals import Spread

PLACE = 6
NAMES = {"permuted": "Permuted labels of one corpus: what joint training loses, and to which label"}
KEYS = {"train": LIST, "rates_percent": LIST}
SAID = "Joint training in which one corpus has permuted labels, of all clips or a share."
SETTINGS = {
    "train": ([["mine_far", "emodb"]], "its training sets, each with one corpus under permuted labels."),
    "rates_percent": baseline.RATES,
}
REFERENCE = {"permuted": (SAID, SETTINGS)}
LEGEND = (
    "Lost: mean recall of the labels that are moved, of the same training on true labels, less on permuted"
    " ones (of the permuted corpus under the labels it was taught), with the 95 % interval. To the partner:"
    " how much more often clips are called by the label that the other labelling gives them. Usual: of the"
    " errors on true labels, the share that goes there anyway.",
    "Beyond: to the partner less what would go there if the loss spread as errors do, a third of what is"
    " lost or, if that is more, the usual share (taken as known), with the interval; clearly above 0 where"
    " the loss is drawn to the partner. Share: to the partner as a share of what is lost, with its interval"
    " after Fieller; none where nothing is clearly lost by its own interval.",
    "A corpus that is not trained on is in no contradiction of its own: where it loses, both labellings"
    " may reach it, or training was disturbed.",
)
EVEN = 1 / (len(LABELS) - 1)
"""Of what is lost, the share of each wrong label where none is special."""
PARTS = ("lost", "partner", "beyond")


def ask(name: str, table: Mapping[str, Any], study: Study) -> Control:
    """Joint training sets with one corpus under permuted labels."""
    columns = training_sets(name, table, study)
    for column in columns:
        odd = [treatment_of(name) for name in column if treatment_of(name)]
        scrambles = [study.corpus(name).scramble for name in column if treatment_of(name)]
        one = len(column) > 1 and len(odd) == 1 and permutation_of(odd[0], scrambles[0])
        check(one, f"permuted.train {list(column)}: expected two corpora or more, one of them as NAME_far")
    return Control(columns, rates(name, table, study))


@dataclass(frozen=True, eq=False)
class Direction:
    """What a training with permuted labels of one corpus makes of a corpus, beside that on true labels."""

    cells: Cells
    train: TrainingSet
    corpus: str
    rate: int

    @property
    def true(self) -> TrainingSet:
        """The same training on true labels."""
        return tuple(map(corpus_of, self.train))

    def key(self) -> list[int]:
        """What each label's clips are taught, as indices of labels."""
        (name,) = (name for name in self.train if treatment_of(name))
        key = dict(permutation_of(treatment_of(name), self.cells.study.corpus(name).scramble))
        return [LABELS.index(key[label]) for label in LABELS]

    def _said(self) -> list[tuple[TrainingSet, Said, Said]]:
        """For both trainings what is right and what the partner is, permuted labels first."""
        there, labels = self.key(), range(len(LABELS))
        back = [there.index(label) for label in labels]
        # A label that stays has no partner.
        moved, returned, right = (
            clipscores.said(*(of[label] if there[label] != label else None for label in labels))
            for of in (there, back, labels)
        )
        if self.corpus in _odd(self.train):
            return [(self.train, moved, right), (self.true, right, returned)]
        return [(self.train, right, moved), (self.true, right, moved)]

    def lost(self) -> Spread:
        """Mean recall on true labels less that on permuted ones."""
        ours, theirs = (
            self.cells.evidence.said(train, self.corpus, self.rate, right) for train, right, _ in self._said()
        )
        return intervals.difference(theirs, ours)

    def to_partner(self, less: float = 0.0) -> Spread:
        """How much more often the partner is said than on true labels, less a share of what is lost."""
        ours, theirs = (
            self.cells.evidence.said(train, self.corpus, self.rate, partner.plus(less, right))
            for train, right, partner in self._said()
        )
        return intervals.difference(ours, theirs)

    def usual(self) -> float:
        """Of the errors that the training on true labels makes, the share that goes to the partner."""
        train, right, partner = self._said()[1]
        said = [self.cells.evidence.said(train, self.corpus, self.rate, of).mean for of in (partner, right)]
        return said[0] / (1 - said[1]) if said[1] < 1 else np.nan

    def beyond(self) -> Spread:
        """How much more often the partner is said than if what is lost spread as errors do."""
        return self.to_partner(float(np.nanmax([EVEN, self.usual()])))

    def share(self) -> Spread:
        """What goes to the partner as a share of what is lost, and its interval."""
        return intervals.ratio(self.to_partner) if self.lost().low > 0 else intervals.Spread()


def crossed(cells: Cells, one: TrainingSet, other: TrainingSet, corpus: str, rate: int) -> Spread:
    """How much more often a permutation's partner is said by networks that learnt it than by others.

    Of two trainings that permute one corpus otherwise, and of both permutations, the mean. A disturbance that
    is alike under both gives 0, whichever labels it confuses.
    """
    keys = [Direction(cells, train, corpus, rate).key() for train in (one, other)]
    back = [[key.index(label) for label in range(len(LABELS))] for key in keys]
    sides = []
    for train, key in zip((one, other), keys, strict=True):
        # The partners of the permuted corpus are those of what it was taught.
        codes = [[of[code] for code in key] for of in back] if corpus in _odd(train) else keys
        counted = [all(of[label] != label for of in keys) for label in range(len(LABELS))]
        if not any(counted):
            return intervals.NO_UNITS.around()
        partners = [
            clipscores.said(*(code if counts else None for code, counts in zip(of, counted, strict=True)))
            for of in codes
        ]
        sides.append(cells.evidence.said(train, corpus, rate, partners[0].plus(-1.0, partners[1])))
    return intervals.difference(*(intervals.scaled(side, 0.5) for side in sides))


def directions(cells: Cells, train: TrainingSet, rate: int) -> list[Direction]:
    """Of every corpus of the study that has one taught labelling; the permuted corpus first.

    With a share of its clips permuted, a corpus is taught two, and only the others tell.
    """
    (name,) = (name for name in train if treatment_of(name))
    corpora = [corpus.name for corpus in cells.study.corpora]
    learnt = [corpus_of(other) for other in train if other != name]
    order = [corpus_of(name)] * is_permuted(name) + learnt
    order += [corpus for corpus in corpora if corpus not in map(corpus_of, train)]
    return [Direction(cells, train, corpus, rate) for corpus in order]


def numbers(study: Study, cells: Cells, store: Store) -> dict[str, pd.DataFrame]:
    """`permuted-cells`: a row a training set, rate and corpus."""
    if "permuted" not in study.exhibits:
        return {}
    asked, rows = study.exhibits["permuted"], []
    for train in asked.columns:
        for rate in asked.rates:
            rows += [_row(study, of) for of in directions(cells, train, rate)]
    table = pd.DataFrame(rows)
    return {"permuted-cells": table.assign(holm=intervals.holm(table["beyond_p"]))}


def _row(study: Study, of: Direction) -> dict[str, Any]:
    known = [len(of.cells.runs(train, of.rate)) for train in (of.train, of.true)]
    expected = [len(study.runs(train, of.rate)) for train in (of.train, of.true)]
    row = {"train": study.title_of(of.train), "augment_percent": of.rate, "test": study.titles[of.corpus]}
    row |= {"role": "taught permuted" if of.corpus in _odd(of.train) else "taught true"}
    if of.corpus not in map(corpus_of, of.train):
        row["role"] = "not trained on"
    row |= {"runs": sum(known), "runs_expected": sum(expected), "usual": of.usual()}
    spreads = of.lost(), of.to_partner(), of.beyond()
    for name, spread in zip(PARTS, spreads, strict=True):
        row |= spread.columns(name) | {f"{name}_p": spread.p}
    return row | of.share().columns("share")


def _odd(train: TrainingSet) -> list[str]:
    return [corpus_of(name) for name in train if treatment_of(name)]


def draw_tables(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[tables.Table]:
    """A row a training set, rate and corpus."""
    rows = []
    for row in numbers["permuted-cells"].to_dict("records"):
        place = f"{row['train']}, {row['augment_percent']} %"
        of, share = [tables.ends(row, name, tables.signed) for name in PARTS], tables.ends(row, "share")
        usual = tables.two_digits(row["usual"])
        rows.append([place, row["test"], row["role"], of[0] + tables.share(row), of[1], usual, of[2], share])
    headers = ["Trained on", "Corpus", "Its labels", "Lost", "To the partner", "Usual", "Beyond", "Share"]
    return [tables.Table("permuted", NAMES["permuted"], headers, tables.once(rows), LEGEND)]


def draw_figures(
    study: Study, numbers: Mapping[str, pd.DataFrame], colours: str
) -> Iterator[tuple[str, Figure]]:
    """What is lost and what goes to the partner, a panel a training set, a group of bars a corpus."""
    table = numbers["permuted-cells"]
    table = table[table["augment_percent"] == table["augment_percent"].min()]
    if table["lost"].isna().all():
        return
    panels_of = [(train, of.to_dict("records")) for train, of in table.groupby("train", sort=False)]
    legend = (
        f"At {table['augment_percent'].iloc[0]} %, with intervals of 95 %. A dashed line is a third of what"
        " is lost or, if that is more, the usual share of it: as much would go to the partner if the loss"
        " spread as errors do; all of it, if labels are shared."
    )
    size = (1.2 + 2.4 * len(panels_of), 3.4)
    with figures.drawn(NAMES["permuted"], legend, size, 1, len(panels_of), sharey=True) as (figure, panels):
        for (train, rows), panel in zip(panels_of, panels[0], strict=True):
            _panel(panel, str(train), rows)
        panels[0, 0].set_ylabel("recall")
        panels[0, -1].legend(frameon=False, fontsize=8)
    yield "permuted", figure


def _panel(panel: Any, train: str, rows: Sequence[Mapping[str, Any]]) -> None:
    at = np.arange(len(rows))
    for number, (column, name) in enumerate({"lost": "lost", "partner": "to the partner"}.items()):
        values = np.array([row[column] for row in rows])
        ends = np.array([[row[f"{column}_low"], row[f"{column}_high"]] for row in rows]).T
        place, colour = at + 0.36 * number - 0.18, figures.COLOURS[number]
        panel.bar(place, values, 0.34, color=colour, label=name, yerr=abs(ends - values), capsize=3)
    for number, row in enumerate(rows):
        panel.plot(
            [number, number + 0.36],
            [row["lost"] * max(EVEN, row["usual"])] * 2,
            "--",
            color="black",
            linewidth=1,
        )
    panel.axhline(0, color="0.5", linewidth=0.8)
    panel.set_title(figures.short(train), fontsize=9, loc="left")
    panel.set_xticks(at, [row["test"] for row in rows], rotation=20, ha="right")


def sections(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[Section]:
    """Picture, table, numbers."""
    said = "What permuted labels cost, and where it goes"
    picture = ("picture", ("permuted", said, f"{said}; the numbers are in the table below."))
    parts = [picture, ("table", "permuted"), ("files", "permuted-cells")]
    return [Section("permuted", parts, "Permuted", "Permuted labels")]
