"""The probe: how well corpus, speaker and label are read from a network's embedding (`serkit.probe`)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from benchmark.report.exhibits import Section
from benchmark.report.later import figures, intervals, np, pd, tables
from benchmark.study import Grid, Study, TrainingSet, training_sets
from benchmark.study_file import LIST
from serkit.labels import LABELS, corpus_of
from serkit.resultfile import Result
from serkit.results import Store
from serkit.words import many

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmark.report.cells import Cells
    from benchmark.report.intervals import Units

PLACE = 9
NAMES = {"probes": "The probe: what can be read from a network's embedding"}
KEYS = {"train": LIST}
SAID = "What a linear probe reads from a network's embedding: the corpus, the speaker, the label."
REFERENCE = {"probes": (SAID, {"train": ([["mine", "emodb"]], "its training sets, at every rate.")})}
READ_FROM = {
    "statistics": "log-mel statistics",
    "before": "embedding, untrained",
    "embedding": "embedding, trained",
    "outputs": "outputs",
}
"""The representations, as tables have them."""
TRAINED = ("embedding", "outputs")
MARKS = ("o", "s", "^", "D")
LEGEND = (
    "Mean recall of a linear probe, cross-validated: for corpus and label no speaker is on both sides. It"
    " reads the mean and the deviation of each log-mel band; the network's embedding, untrained (of a"
    " network that has seen no data, its normalisation neither) and trained; the logarithms of its four"
    " probabilities. These are not equally wide, and of what is wider a linear probe reads more.",
    "Clips are those that the fold's network did not learn from, at most 500 a corpus. Of a corpus that was"
    " trained on these are the fold's validation and test clips, so each fold reads others (a clip that"
    " validates in one fold and tests in another is in two); in brackets the 95 % interval over the folds,"
    " each the mean of its seeds. Of another corpus every fold reads the same clips: there are no brackets,"
    " since folds do not show what other clips would give.",
    "That the corpus is read says that the network can tell the corpora apart, not that it does so to"
    " label. Where log-mel statistics or the untrained network give it as well, training did not bring it"
    " about. Corpora may differ by language, text and voices, too, not by the recording alone. By training:"
    " trained less untrained, fold by fold (*: p < 0.05 after Holm's correction over {}).",
)
ALT = (
    "Recall of the corpus and of the labels against the rate, a line for each thing that it is read from; the"
    " numbers are in the table below."
)
BARS = "Bars: intervals of 95 % over folds. Dashed: chance. What each is: the legend of the table."


def ask(name: str, table: Mapping[str, Any], study: Study) -> Grid:
    """Any training sets, at every rate."""
    return Grid(training_sets(name, table, study))


def numbers(study: Study, cells: Cells, store: Store) -> dict[str, pd.DataFrame]:
    """`probe-cells`: a row a training set, rate and what is read.

    Returns:
        `train` (title), `augment_percent`, `read` (`corpus`, `speaker` or `label`), `of` (titles: the pair
        of corpora, or the one within which), `own` (whether all of these were trained on), `runs` (that have
        this probe), `runs_expected`, `chance`; for each of `READ_FROM` its recall, with `_low` and `_high`
        where it has an interval; `change` by training, likewise, with `_p` and `_holm` (corrected over all
        that are known), and `clear`.
    """
    if "probes" not in study.exhibits:
        return {}
    rows, names = [], [corpus.name for corpus in study.corpora]
    reads: list[tuple[str, tuple[str, ...]]]
    reads = [("corpus", pair) for pair in itertools.combinations(names, 2)]
    reads += [(what, (name,)) for what in ("speaker", "label") for name in names]
    for train, rate in itertools.product(study.exhibits["probes"].columns, study.rates_percent):
        for what, of in reads:
            row = {"train": study.title_of(train), "augment_percent": rate, "read": what}
            row |= {"of": " or ".join(study.titles[name] for name in of)}
            rows.append(row | _read(study, cells, train, rate, what, of))
    table = pd.DataFrame(rows)
    holm = intervals.holm(table["change_p"])
    return {"probe-cells": table.assign(change_holm=holm, clear=holm < intervals.CHANCE)}


def _read(
    study: Study, cells: Cells, train: TrainingSet, rate: int, what: str, of: tuple[str, ...]
) -> dict[str, Any]:
    """What the runs of a condition say of one thing that is read."""
    own = set(of) <= set(map(corpus_of, train))
    read = {run: _recalls(result, what, of) for run, result in cells.runs(train, rate).items()}
    known = {run: of_run for run, of_run in read.items() if any(at is not None for at in of_run.values())}
    chances = [_chance(cells.results[run], what, of) for run in known]
    row: dict[str, Any] = {"own": own, "runs": len(known), "runs_expected": len(study.runs(train, rate))}
    row["chance"] = float(np.mean(chances)) if chances else np.nan
    units = {name: _by_fold(known, name) for name in READ_FROM}
    change = intervals.difference(units["embedding"], units["before"])
    spreads = {**{name: found.around() for name, found in units.items()}, "change": change}
    for name, spread in spreads.items():
        ends = np.clip((spread.low, spread.high), -1.0 if name == "change" else 0.0, 1.0).tolist()
        low, high = ends if own else (np.nan, np.nan)
        row |= {name: spread.mean, f"{name}_low": low, f"{name}_high": high}
    return row | {"change_p": change.p if own else np.nan}


def _recalls(result: Result, what: str, of: tuple[str, ...]) -> dict[str, float | None]:
    """Recalls by representation; none where these corpora were not probed."""
    found = result["probe"][what].items()
    return next((recalls for name, recalls in found if set(name.split("+")) == set(of)), {})


def _chance(result: Result, what: str, of: tuple[str, ...]) -> float:
    """One in so many classes."""
    if what == "corpus":
        return 1 / 2
    if what == "speaker":
        return 1 / result["probe"]["speakers"][of[0]]
    parts = [clips for part, clips in result["corpora"][of[0]]["clips"].items() if part != "train"]
    return 1 / sum(any(clips.get(label) for clips in parts) for label in LABELS)


def _by_fold(known: Mapping[Any, Mapping[str, float | None]], name: str) -> Units:
    """What is read of one representation, where it is."""
    read = ((run.fold, recalls.get(name)) for run, recalls in known.items())
    return intervals.by_fold((fold, recall) for fold, recall in read if recall is not None)


def draw_tables(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[tables.Table]:
    """What is read of the corpora that were trained on; apart from it that of the others."""
    cells = numbers["probe-cells"]
    legend = (*LEGEND[:-1], LEGEND[-1].format(many(int(cells["change_p"].notna().sum()), "row")))
    of_others = f"{NAMES['probes']}, of corpora that were not trained on"
    return [
        _table("probe", NAMES["probes"], cells[cells["own"]], legend),
        _table("probe-others", of_others, cells[~cells["own"]], legend, aside=True),
    ]


def _table(
    name: str, title: str, cells: pd.DataFrame, legend: tuple[str, ...], aside: bool = False
) -> tables.Table:
    rows = []
    for row in cells.to_dict("records"):
        place = f"{row['train']}, {row['augment_percent']} %"
        read = [tables.ends(row, of) for of in READ_FROM]
        change = tables.ends(row, "change", tables.signed)
        partial = tables.share(row) if row["runs"] else ""
        line = [f"{_what(row)}{partial}", *read, change + " *" * bool(row["clear"])]
        rows.append([place, *line, tables.two_digits(row["chance"])])
    read_from = [name.replace(" ", "\n", 1) for name in READ_FROM.values()]
    headers = ["Trained on", "What is read", *read_from, "by\ntraining", "chance"]
    return tables.Table(name, title, headers, tables.once(rows), legend, aside)


def _what(row: Mapping[str, Any]) -> str:
    """What is read, in words."""
    return f"{row['read']}{':' if row['read'] == 'corpus' else ' in'} {row['of']}"


def draw_figures(
    study: Study, numbers: Mapping[str, pd.DataFrame], colours: str
) -> Iterator[tuple[str, Figure]]:
    """What is read of the corpora that were trained on, but for the speaker."""
    cells = numbers["probe-cells"]
    cells = cells[cells["own"] & (cells["read"] != "speaker")]
    if cells[list(READ_FROM)].notna().any(axis=None):
        partial = " Not all runs are done." * bool((cells["runs"] < cells["runs_expected"]).any())
        yield "probe", picture(cells, "What a linear probe reads", BARS + partial)


def picture(cells: pd.DataFrame, title: str, legend: str) -> Figure:
    """Recall against the rate: a column a training set, a panel each thing that is read."""
    columns = [
        (str(train), [panel for _, panel in of.groupby(["read", "of"], sort=False)])
        for train, of in cells.groupby("train", sort=False)
    ]
    rows = max(len(column) for _, column in columns)
    size = (max(5.6, 1.0 + 3.4 * len(columns)), 1.5 + 2.0 * rows)
    with figures.drawn(title, legend, size, rows, len(columns), sharex=True, sharey=True) as (figure, panels):
        for (train, column), here in zip(columns, panels.T, strict=True):
            for panel in here[len(column) :]:
                panel.set_axis_off()
            for number, (of, panel) in enumerate(zip(column, here, strict=False)):
                _panel(panel, of)
                above = f"trained on {figures.short(train)}\n" * (number == 0)
                panel.set_title(f"{above}{figures.short(_what(of.iloc[0]))}", fontsize=9)
            here[len(column) - 1].set_xlabel("training clips augmented (%)")
            here[len(column) - 1].tick_params(labelbottom=True)
        for panel in panels[:, 0]:
            panel.set_ylabel("mean recall")
        handles, names = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper right", ncols=2, frameon=False)
    return figure


def _panel(panel: Axes, cells: pd.DataFrame) -> None:
    """One thing that is read: a line each that it is read from."""
    rates = cells["augment_percent"]
    for number, (of, name) in enumerate(READ_FROM.items()):
        aside = 1.4 * (number - (len(READ_FROM) - 1) / 2)  # percent: no bar hides another at its rate
        ends = cells[[f"{of}_low", f"{of}_high"]].sub(cells[of], axis=0).abs().to_numpy().T
        style: dict[str, Any] = {"color": figures.COLOURS[number], "marker": MARKS[number]}
        style |= {"linestyle": "-" if of in ("embedding", "outputs") else ":"}
        panel.errorbar(
            rates + aside, cells[of], ends, linewidth=1.2, capsize=2, label=name, markersize=4, **style
        )
    panel.axhline(cells["chance"].mean(), color="0.4", linestyle="--", linewidth=0.9)
    panel.set_xticks(rates.unique())
    panel.set_xlim(rates.min() - 8, rates.max() + 8)
    panel.set_ylim(0, 1.03)


def sections(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[Section]:
    """The picture, the tables, every digit as a file."""
    parts = [
        ("picture", ("probe", "The probe as a picture", ALT)),
        ("table", "probe"),
        ("files", "probe-cells"),
    ]
    return [Section("probes", [*parts, ("table", "probe-others")], "Probe", "The probe")]
