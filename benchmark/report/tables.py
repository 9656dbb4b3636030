"""Exhibits as tables: for the terminal, Markdown and LaTeX (by tabulate) and as CSV (by pandas)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from tabulate import tabulate

from benchmark.report import acoustics, escape, intervals
from benchmark.report.acoustics import CLOSER, MEASURES
from benchmark.report.cells import TUNED, columns_of, letters, published_table1
from benchmark.study import Exhibit, Study, Tuning
from serkit.specs import METRICS
from serkit.words import printable

MISSING = "--"
TITLES = {
    "matrix": "wF1 of every training set on every corpus",
    "table1": "Table 1: baselines, trained and tested on the same corpus",
    "tuning": "Table 1, tuning: wF1 on the validation clips / on the test clips, at 0 % augmentation",
    "figure2": "Figure 2: change in wF1 relative to the Table 1 baseline of the test corpus",
    "figure3": "Figure 3: change in wF1 after scrambling labels, relative to the Table 1 baseline",
    "figure4": "Figure 4: estimated quality, reverberation time and clarity (median, 10 to 90 % in brackets)",
    "figure4-distance": "Figure 4: how far the corpora are apart (95 % interval in brackets)",
    "figure4-crossed": "Figure 4: how far one corpus augmented is from another as delivered (95 % interval)",
    "figure4-labels": "Figure 4: share of the estimates' variance between labels (eta squared)",
}
REPLACEMENTS = (
    "The estimators are replacements: those of the paper were never published. MOS is DNSMOS P.808; T60 and"
    " C50 are a small network's, trained on generated speech in simulated rooms (their errors:"
    " docs/acoustics.md)."
)
DIGITS = {"c50_db": 1}  # of an estimate; two of any other
PAIRED = ("iemocap",)
"""Readers whose folds validate each other in pairs, so that the two of a pair learn from the same clips."""


@dataclass(frozen=True)
class Table:
    """A drawn exhibit.

    Attributes:
        name: of its files.
        title: above it.
        headers: one a column; a line break separates the training set's letter from the test.
        rows: text.
        legend: lines below.
    """

    name: str
    title: str
    headers: list[str]
    rows: list[list[str]]
    legend: tuple[str, ...] = ()

    def text(self, style: str) -> str:
        """The table in one of tabulate's styles; headers on one line where the style has no line breaks."""
        if style == "simple":
            return tabulate(self.rows, headers=self.headers, tablefmt=style, disable_numparse=True)
        write = escape.markdown if style == "github" else escape.line
        headers, *rows = ([write(cell) for cell in row] for row in (self.headers, *self.rows))
        return tabulate(rows, headers=headers, tablefmt=style, disable_numparse=True)

    def markdown(self, heading: str = "#") -> str:
        """Title, table and legend."""
        below = [escape.paragraph(line) for line in self.legend]
        return "\n\n".join([f"{heading} {escape.markdown(self.title)}", self.text("github"), *below])

    def csv(self) -> str:
        """The cells as they are drawn, headers on one line."""
        rows = [[printable(cell) for cell in row] for row in self.rows]
        return escape.csv(pd.DataFrame(rows, columns=[escape.line(header) for header in self.headers]))

    def latex(self) -> str:
        """The table in booktabs style."""
        return escape.latex(f"{self.text('latex_booktabs')}\n")


def draw(study: Study, cells: pd.DataFrame, points: pd.DataFrame) -> list[Table]:
    """The study's exhibits in the paper's layout, Figures 2 and 3 once more as plain wF1, the tuning grid.

    Args:
        study: what they show.
        cells: of `exhibits.cells`.
        points: of `exhibits.grid`.
    """
    tables = []
    for exhibit in study.exhibits:
        here = cells[cells["exhibit"] == exhibit.name]
        if exhibit.name == "table1":
            tables.append(_table1(study, here))
            if study.tuning:
                tables.append(_tuning(study, study.tuning, points))
        else:
            tables += [_figure(study, exhibit, here), _figure_as_wf1(study, exhibit, here)]
    return tables


def draw_matrix(cells: pd.DataFrame, guesses: pd.DataFrame, rate: int) -> Table:
    """What each training set reaches on each corpus at one rate, with means and what guessing gives.

    Args:
        cells: of `exhibits.matrix`.
        guesses: of `exhibits.guesses`.
        rate: of augmentation, in percent.
    """
    here = cells[cells["augment_percent"] == rate]
    tests = list(here["test"].unique())
    rows = []
    for train, of_train in here.groupby("train", sort=False):
        values = [
            _value(row, "wF1") + " own" * (row["own"] and row["runs"] > 0) for _, row in of_train.iterrows()
        ]
        rows.append(
            [str(train), *values, *(_mean(of_train[of_train["own"] == own]) for own in (True, False))]
        )
    other = here[~here["own"]]
    rows.append(
        ["mean, not trained on", *(_mean(other[other["test"] == test]) for test in tests), "", _mean(other)]
    )
    of_test = guesses.set_index("test").loc[tests]
    rows.append(["guesses", *map(_two_digits, of_test["uniform"]), "", ""])
    always = [f"{_two_digits(row['constant'])} {row['label']}".strip() for _, row in of_test.iterrows()]
    rows.append(["one label, always", *always, "", ""])
    legend = (
        "A row is a training set, a column a tested corpus. Own: the training set holds that corpus, and"
        " other clips of it are tested. The means are of the cells that are own and of those that are not.",
        *_sure(here),
        "Guesses, and the label that is best said always, show what wF1 is without any learning.",
    )
    headers = ["Trained on", *tests, "mean, own", "mean, other"]
    return Table("matrix", f"{TITLES['matrix']}, at {rate} % augmentation", headers, rows, legend)


def _mean(cells: pd.DataFrame) -> str:
    """Of whole cells; where one is missing there is none, since it would not compare."""
    if cells.empty:
        return ""
    return _two_digits(cells["wF1"].mean(skipna=False))


def _table1(study: Study, cells: pd.DataFrame) -> Table:
    rates = [rate for rate in study.rates_percent if rate]
    printed = _published_table1() if study.paper else {}
    rows = []
    for title, of_corpus in cells.groupby("train", sort=False):
        by_rate = of_corpus.set_index("augment_percent")
        first = by_rate.loc[0] if 0 in by_rate.index else None
        for name, write in {"ours": _value, "ours, over the tail": _over_the_tail}.items():
            ours = [MISSING if first is None else write(first, metric) for metric in METRICS]
            at_rates = [write(by_rate.loc[rate], "wF1") if rate in by_rate.index else "" for rate in rates]
            rows.append([str(title) * (name == "ours"), name, *ours, *at_rates])
            if not printed:
                break
        if title in printed:
            paper = printed[str(title)]
            at_rates = [_published(paper.get((rate, "wF1"))) for rate in rates]
            as_printed = [_published(paper.get((0, metric))) for metric in METRICS]
            swapped = [as_printed[1], as_printed[0], as_printed[2]]
            rows.append(["", "paper, as printed", *as_printed, *at_rates])
            rows.append(["", "paper, uACC and wACC swapped", *swapped, *at_rates])
            differences = [signed(by_rate["difference"].get(rate), 3) for rate in rates]
            rows.append(["", "ours - paper", "", "", signed(by_rate["difference"].get(0), 3), *differences])
    headers = [
        "Train/test",
        "",
        *(f"{metric}\n0 %" for metric in METRICS),
        *(f"wF1\n{rate} %" for rate in rates),
    ]
    legend = _sure(cells)
    if printed:
        legend.append("In parentheses the standard deviation over the tail, as the paper prints it.")
    else:
        headers.pop(1)
        rows = [[row[0], *row[2:]] for row in rows]
    return Table("table1", TITLES["table1"], headers, rows, tuple(legend))


def _tuning(study: Study, tuning: Tuning, points: pd.DataFrame) -> Table:
    by_recipe = points.set_index(["learning_rate", "batch_size"])
    rows = [
        [str(rate), *(_point(by_recipe.loc[(rate, size)]) for size in tuning.batch_sizes)]
        for rate in tuning.learning_rates
    ]
    headers = ["Learning rate", *(f"batch {size}" for size in tuning.batch_sizes)]
    title, own = study.title_of(tuning.train), study.recipe
    legend = [
        f"Trained and tested on {title}. The study's own recipe is learning rate {own.learning_rate}, batch"
        f" {own.batch_size}.",
        f"Marked * is the chosen point, the highest validation wF1: the row {title}{TUNED} of Table"
        " 1. Marked ^ is the highest test wF1; to read that as what tuning gives is optimistic, since it is"
        " picked on the clips it is measured on. Of equals the first is marked, row by row.",
    ]
    if any(corpus.reader in PAIRED for corpus in study.corpora if corpus.name in tuning.train):
        legend.append(
            f"Caution: folds of {title} validate each other in pairs, and the two of a pair learn from the"
            " same clips. Over all folds the validation clips are therefore the test clips, scored by equal"
            " networks: the chosen point is the optimistic one too."
        )
    complete = int((points["runs"] == points["runs_expected"]).sum())
    if complete < len(points):
        legend.append(
            f"{complete} of {len(points)} points have all of their runs; only such points are marked, so the"
            " marks may still move."
        )
    return Table("tuning", TITLES["tuning"], headers, rows, tuple(legend))


def _point(row: pd.Series) -> str:
    """A point of the grid; with a third digit, since points lie close together."""
    if not row["runs"]:
        return MISSING
    values = " / ".join(
        MISSING if math.isnan(row[column]) else f"{row[column]:.3f}" for column in ("validation_wF1", "wF1")
    )
    marks = ("*" if row["chosen"] else "") + ("^" if row["best_on_test"] else "")
    return f"{values}{_share(row)}{' ' * bool(marks)}{marks}"


def _figure(study: Study, exhibit: Exhibit, cells: pd.DataFrame) -> Table:
    columns = columns_of(cells)
    rows = []
    for rate in study.rates_percent:
        at = cells[cells["augment_percent"] == rate].set_index(["column", "test"])
        lines = {"": [_change(at.loc[column]) for column in columns]}
        if study.paper:
            lines = {
                " ours": lines[""],
                " paper": [signed(at.loc[column, "paper"]) for column in columns],
                " ours - paper": [signed(at.loc[column, "difference"]) for column in columns],
            }
        rows += [[f"{rate} %{word}", *values] for word, values in lines.items()]
    return Table(exhibit.name, TITLES[exhibit.name], _headers(columns), rows, _legend(study, exhibit))


def _figure_as_wf1(study: Study, exhibit: Exhibit, cells: pd.DataFrame) -> Table:
    columns = columns_of(cells)
    rows = []
    for rate in study.rates_percent:
        at = cells[cells["augment_percent"] == rate].set_index(["column", "test"])
        rows.append([f"{rate} %", *(_value(at.loc[column], "wF1") for column in columns)])
    title = f"{TITLES[exhibit.name].split(':')[0]} as wF1"
    legend = (*_legend(study, exhibit), *_sure(cells))
    return Table(f"{exhibit.name}-wf1", title, _headers(columns), rows, legend)


def _headers(columns: list[tuple[str, str]]) -> list[str]:
    return ["Augment", *(f"{letter}\n{test}" for letter, test in columns)]


def _legend(study: Study, exhibit: Exhibit) -> tuple[str, ...]:
    trained = "; ".join(
        f"{letters(number)}: {study.title_of(train)}" for number, train in enumerate(exhibit.columns)
    )
    return (f"Trained on {trained}. Tested on the corpus below the letter.",)


def _value(row: pd.Series, metric: str) -> str:
    """A metric with its interval, or the yardstick of a single run."""
    value, low, high = (row[f"{metric}{end}"] for end in ("", "_low", "_high"))
    if math.isnan(value):
        return MISSING
    ends = f" [{low:.2f}, {high:.2f}]"
    if row["spread_of"] == intervals.SINGLE:
        ends = f" ± {max(high - value, value - low):.2f}"
    return f"{value:.2f}{ends}{_share(row)}"


def _sure(cells: pd.DataFrame) -> list[str]:
    """What stands beside values, in words: which intervals, over what, and where there are none."""
    kinds = list(zip(cells["units"], cells["spread_of"], strict=True))
    over, said = intervals.over(kinds), []
    if over:
        said.append(f"In brackets the 95 % interval over {over}.")
    if any(of == intervals.SINGLE for _, of in kinds):
        yardstick = "twice what it moves over the tail, or two trainings differ by"
        said.append(f"After ± the yardstick of a single run, which has no interval: {yardstick}.")
    return [" ".join(said)] if said else []


def _over_the_tail(row: pd.Series, metric: str) -> str:
    """A metric as the paper writes it, with its deviation over the tail; of one evaluation there is none."""
    if math.isnan(row[metric]):
        return MISSING
    std = row[f"{metric}_std"]
    return f"{row[metric]:.2f}{'' if math.isnan(std) else f' ({_short(std)})'}{_share(row)}"


def _change(row: pd.Series) -> str:
    if math.isnan(row["wF1_change"]):
        return MISSING
    done, expected = row["baseline_runs"], row["baseline_runs_expected"]
    baseline = "" if done == expected else f" [baseline {done}/{expected}]"
    return f"{signed(row['wF1_change'])}{_share(row)}{baseline}"


def _share(row: pd.Series) -> str:
    """Says so where a cell is an average over some of its runs only."""
    return "" if row["runs"] == row["runs_expected"] else f" [{row['runs']}/{row['runs_expected']}]"


def _short(std: float) -> str:
    """0.004 as the paper writes it: 4e-3."""
    mantissa, exponent = f"{std:.0e}".split("e")
    return "0" if std < 1e-9 else f"{mantissa}e{int(exponent)}"


def signed(value: float | None, digits: int = 2, missing: str = "") -> str:
    """A change as it is written everywhere: with its sign, and no -0.00."""
    if value is None or math.isnan(value):
        return missing
    return f"{round(value, digits) + 0.0:+.{digits}f}"  # adding 0.0 makes -0.00 +0.00


def _published_table1() -> dict[str, dict[tuple[int, str], tuple[float, float]]]:
    printed: dict[str, dict[tuple[int, str], tuple[float, float]]] = {}
    for row in published_table1().itertuples():
        printed.setdefault(str(row.train), {})[row.augment_pct, row.metric] = (row.value, row.std)
    return printed


def _published(pair: tuple[float, float] | None) -> str:
    return "" if pair is None else f"{pair[0]:.2f} ({_short(pair[1])})"


def draw_figure4(cells: pd.DataFrame, distances: pd.DataFrame) -> list[Table]:
    """Figure 4 in numbers: the distributions, their distances, what in them is emotion.

    Args:
        cells: of `figure4.cells`.
        distances: of `figure4.distances`.
    """
    measured = cells.groupby(["corpus", "condition"], sort=False)
    rows, of_labels = [], []
    for (corpus, condition), of_one in measured:
        by_measure = of_one.set_index("measure")
        first = by_measure.iloc[0]
        missing = [f"{first[reason]} {reason}" for reason in acoustics.REASONS if first[reason]]
        shown = [_distribution(by_measure.loc[name], name) for name in (*MEASURES, *CLOSER)]
        rows.append([corpus, condition, *shown, str(first["clips"]), ", ".join(missing)])
        leaks = [_two_digits(by_measure.loc[name, "eta_squared"]) for name in MEASURES]
        of_labels.append([corpus, condition, *leaks])
    names = [*MEASURES.values(), *CLOSER.values()]
    few = cells.loc[cells["measure"].isin(list(CLOSER)), "estimated"].max()
    notes = [REPLACEMENTS, f"OVRL, SIG and BAK are DNSMOS P.835's, of at most {few} clips each."]
    headers = ["Corpus", "", *names, "clips", "no estimate"]
    tables = [Table("figure4", TITLES["figure4"], headers, rows, tuple(notes))]
    if not distances.empty:
        alike = distances["condition"] == distances["other_condition"]
        tables.append(_distances("figure4-distance", distances[alike]))
        if not alike.all():
            crossed = "What a network meets that learns from the one, augmented, and is tested on the other."
            tables.append(_distances("figure4-crossed", distances[~alike], crossed))
    legend = (
        "Of what differs between clips, this much goes by label: it may be emotion that sounds like a room."
    )
    headers = ["Corpus", "", *MEASURES.values()]
    tables.append(Table("figure4-labels", TITLES["figure4-labels"], headers, of_labels, (legend,)))
    return tables


def _distances(name: str, distances: pd.DataFrame, *notes: str) -> Table:
    rows = [
        [
            f"{row['corpus']} {row['condition']}",
            f"{row['other']} {row['other_condition']}",
            MEASURES[row["measure"]],
            *(
                text
                for which in ("wasserstein", "ks")
                for text in (
                    _with_interval(row, which),
                    _two_digits(row[f"{which}_chance"]),
                    _with_interval(row, f"{which}_closed"),
                )
            ),
        ]
        for row in distances.to_dict("records")
    ]
    headers = ["Corpus", "Other corpus", ""]
    headers += [
        f"{name}\n{what}" for name in ("Wasserstein", "KS") for what in ("distance", "by chance", "gone")
    ]
    legend = (
        "Wasserstein's distance is in the unit of the estimate; Kolmogorov-Smirnov's (KS) is the largest"
        " difference of the cumulative distributions, in [0, 1].",
        "By chance: exceeded once in twenty times when speakers are dealt to the two corpora at random. Gone:"
        " share of the distance between the raw corpora; below 0 they are further apart. Intervals: bootstrap"
        " over speakers.",
    )
    return Table(name, TITLES[name], headers, rows, (*notes, *legend))


def _distribution(row: pd.Series, measure: str) -> str:
    if math.isnan(row["median"]):
        return MISSING
    median, low, high = (f"{row[name]:.{DIGITS.get(measure, 2)}f}" for name in ("median", "p10", "p90"))
    return f"{median} [{low}, {high}]"


def _with_interval(row: Mapping[str, float], name: str) -> str:
    if math.isnan(row[name]):
        return ""
    low, high = _two_digits(row[f"{name}_low"]), _two_digits(row[f"{name}_high"])
    return f"{_two_digits(row[name])} [{low}, {high}]"


def _two_digits(value: float) -> str:
    return MISSING if math.isnan(value) else f"{round(value, 2) + 0.0:.2f}"
