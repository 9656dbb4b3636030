"""Exhibits as tables: in the terminal, as Markdown and LaTeX (by tabulate) and as CSV (by pandas)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tabulate import tabulate

from benchmark import exhibits, figure4
from benchmark.figure4 import CLOSER, MEASURES
from benchmark.study import Exhibit, Study, Tuning, plan
from serkit import corpora
from serkit.results import Result, Store
from serkit.rooms import C50_RANGE_DB, T60_RANGE_S
from serkit.specs import EFFECTS, METRICS, SETTINGS_OF, AcousticsSpec, Augmentation, CorpusSpec, RunSpec

MISSING = "--"
TITLES = {
    "table1": "Table 1: baselines, trained and tested on the same corpus (std over the tail in parentheses)",
    "tuning": "Table 1, tuning: wF1 on the validation clips / on the test clips, at 0 % augmentation",
    "figure2": "Figure 2: change in wF1 relative to the Table 1 baseline of the test corpus",
    "figure3": "Figure 3: change in wF1 after scrambling labels, relative to the Table 1 baseline",
    "figure4": "Figure 4: estimated quality, reverberation time and clarity (median, 10 to 90 % in brackets)",
    "figure4-distance": "Figure 4: how far the corpora are apart (95 % interval in brackets)",
    "figure4-crossed": "Figure 4: how far one corpus augmented is from another as delivered (95 % interval)",
    "figure4-labels": "Figure 4: share of the estimates' variance between labels (eta squared)",
}
IN_FILES_ONLY = ("-wf1", "-crossed")
"""Endings of tables that the terminal does not show: the paper's layout comes first."""
REPLACEMENTS = (
    "The estimators are replacements: those of the paper were never published. MOS is DNSMOS P.808; T60 and"
    " C50 are a small network's, trained on generated speech in simulated rooms (their errors:"
    " docs/acoustics.md)."
)
DIGITS = {"c50_db": 1}  # of an estimate; two of any other
POOLED = {"stretched": "once cropped and stretched", "own": "as delivered"}
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
        headers = (
            self.headers if style == "simple" else [header.replace("\n", " ") for header in self.headers]
        )
        return tabulate(self.rows, headers=headers, tablefmt=style, disable_numparse=True)


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


def _table1(study: Study, cells: pd.DataFrame) -> Table:
    rates = [rate for rate in study.rates_percent if rate]
    printed = _published_table1() if study.paper else {}
    rows = []
    for title, of_corpus in cells.groupby("train", sort=False):
        by_rate = of_corpus.set_index("augment_percent")
        first = by_rate.loc[0] if 0 in by_rate.index else None
        ours = [MISSING if first is None else _value(first, metric) for metric in METRICS]
        at_rates = [_value(by_rate.loc[rate], "wF1") if rate in by_rate.index else "" for rate in rates]
        rows.append([str(title), "ours", *ours, *at_rates])
        if title in printed:
            paper = printed[str(title)]
            at_rates = [_published(paper.get((rate, "wF1"))) for rate in rates]
            as_printed = [_published(paper.get((0, metric))) for metric in METRICS]
            swapped = [as_printed[1], as_printed[0], as_printed[2]]
            rows.append(["", "paper, as printed", *as_printed, *at_rates])
            rows.append(["", "paper, uACC and wACC swapped", *swapped, *at_rates])
            differences = [_signed(by_rate["difference"].get(rate)) for rate in rates]
            rows.append(["", "ours - paper", "", "", _signed(by_rate["difference"].get(0)), *differences])
    headers = [
        "Train/test",
        "",
        *(f"{metric}\n0 %" for metric in METRICS),
        *(f"wF1\n{rate} %" for rate in rates),
    ]
    if not printed:
        headers.pop(1)
        rows = [[row[0], *row[2:]] for row in rows]
    return Table("table1", TITLES["table1"], headers, rows)


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
        f"Marked * is the chosen point, the highest validation wF1: the row {title}{exhibits.TUNED} of Table"
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
    columns = _columns(cells)
    rows = []
    for rate in study.rates_percent:
        at = cells[cells["augment_percent"] == rate].set_index(["column", "test"])
        lines = {"": [_change(at.loc[column]) for column in columns]}
        if study.paper:
            lines = {
                " ours": lines[""],
                " paper": [_signed(at.loc[column, "paper"], 2) for column in columns],
                " ours - paper": [_signed(at.loc[column, "difference"], 2) for column in columns],
            }
        rows += [[f"{rate} %{word}", *values] for word, values in lines.items()]
    return Table(exhibit.name, TITLES[exhibit.name], _headers(columns), rows, _legend(study, exhibit))


def _figure_as_wf1(study: Study, exhibit: Exhibit, cells: pd.DataFrame) -> Table:
    columns = _columns(cells)
    rows = []
    for rate in study.rates_percent:
        at = cells[cells["augment_percent"] == rate].set_index(["column", "test"])
        rows.append([f"{rate} %", *(_value(at.loc[column], "wF1") for column in columns)])
    title = f"{TITLES[exhibit.name].split(':')[0]} as wF1 (std over the tail in parentheses)"
    return Table(f"{exhibit.name}-wf1", title, _headers(columns), rows, _legend(study, exhibit))


def _columns(cells: pd.DataFrame) -> list[tuple[str, str]]:
    return list(cells[["column", "test"]].drop_duplicates().itertuples(index=False, name=None))


def _headers(columns: list[tuple[str, str]]) -> list[str]:
    return ["Augment", *(f"{letter}\n{test}" for letter, test in columns)]


def _legend(study: Study, exhibit: Exhibit) -> tuple[str, ...]:
    trained = "; ".join(
        f"{exhibits.letters(number)}: {study.title_of(train)}" for number, train in enumerate(exhibit.columns)
    )
    return (f"Trained on {trained}. Tested on the corpus below the letter.",)


def _value(row: pd.Series, metric: str) -> str:
    if math.isnan(row[metric]):
        return MISSING
    return f"{row[metric]:.2f} ({_short(row[f'{metric}_std'])}){_share(row)}"


def _change(row: pd.Series) -> str:
    if math.isnan(row["wF1_change"]):
        return MISSING
    done, expected = row["baseline_runs"], row["baseline_runs_expected"]
    baseline = "" if done == expected else f" [baseline {done}/{expected}]"
    return f"{_signed(row['wF1_change'], 2)}{_share(row)}{baseline}"


def _share(row: pd.Series) -> str:
    """Says so where a cell is an average over some of its runs only."""
    return "" if row["runs"] == row["runs_expected"] else f" [{row['runs']}/{row['runs_expected']}]"


def _short(std: float) -> str:
    """0.004 as the paper writes it: 4e-3."""
    mantissa, exponent = f"{std:.0e}".split("e")
    return "0" if std < 1e-9 else f"{mantissa}e{int(exponent)}"


def _signed(value: float | None, digits: int = 3) -> str:
    if value is None or math.isnan(value):
        return ""
    return f"{round(value, digits) + 0.0:+.{digits}f}"  # adding 0.0 makes -0.00 +0.00


def _published_table1() -> dict[str, dict[tuple[int, str], tuple[float, float]]]:
    printed: dict[str, dict[tuple[int, str], tuple[float, float]]] = {}
    for row in exhibits.published_table1().itertuples():
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
        missing = [f"{first[reason]} {reason}" for reason in figure4.REASONS if first[reason]]
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


def choices(study: Study) -> list[tuple[str, str]]:
    """What this study does about every point that the paper leaves open (docs/reading-the-paper.md)."""
    model, recipe = study.model, study.recipe
    readers = "; ".join(
        ", ".join(
            [f"{study.titles[corpus.name]}: {corpus.reader}"]
            + [f"{option}={value}" for option, value in _options(corpus).items()]
            + ([f"{corpus.folds} folds"] if corpus.folds > 1 else [])
        )
        for corpus in study.corpora
    )
    scrambles = "; ".join(
        f"{study.titles[corpus.name]}: {', '.join(f'{a}->{b}' for a, b in corpus.scramble)}"
        for corpus in study.corpora
        if corpus.scramble
    )
    loudness = (
        "as delivered" if recipe.loudness_dbfs is None else f"brought to {recipe.loudness_dbfs:g} dBFS RMS"
    )
    return [
        ("1 metrics", "uACC = mean recall, wACC = accuracy, wF1 = weighted F1 (§2.2's definitions)"),
        ("2, 3, 9 corpora and labels", readers),
        ("scrambling", scrambles or "none"),
        ("4 front end", model.front_end),
        ("weights", model.weights or "from random initialisation"),
        ("width", f"{model.width} channels in the first block (CNN14: 64)"),
        (
            "5 head and loss",
            f"{model.head}; softmax; binary cross entropy against the one-hot label, mean over classes",
        ),
        (
            "6 optimiser",
            f"Adam, constant {recipe.learning_rate:g}, no decay, {recipe.epochs} epochs,"
            f" batch {recipe.batch_size}",
        ),
        (
            "7 tail",
            f"last {recipe.tail:.0%} of iterations, {recipe.evaluations_per_epoch} evaluation(s) an epoch",
        ),
        (
            "8 validation",
            "IEMOCAP: the test speaker's session partner; others: the next fold or the delivered split",
        ),
        (
            "10 clip length",
            f"at most {recipe.max_seconds:g} s: random crop in training, first part in evaluation; masked;"
            f" batches of clips about as long, {POOLED[recipe.pool_by]}",
        ),
        *_augmentation(study),
        ("13 loudness", loudness),
        ("14 tuning", _grid(study)),
        ("15 acoustics", _acoustics(study)),
    ]


def _augmentation(study: Study) -> list[tuple[str, str]]:
    rates = [str(rate) for rate in study.rates_percent if rate]
    if not rates:
        return [("11, 12 augmentation", "none, every run is at 0 %")]
    on = study.augmentation.effects
    return [
        (
            "11 augmentation",
            f"{', '.join(rates)} % of the training clips, drawn afresh each epoch; each of them gets, in this"
            f" order: {', '.join(on)}",
        ),
        *((f"12 ranges of {effect}", _settings(study.augmentation, effect)) for effect in on),
        ("12 effects that are off", ", ".join(effect for effect in EFFECTS if effect not in on) or "none"),
    ]


def _settings(augmentation: Augmentation, effect: str) -> str:
    values = {name: getattr(augmentation, name) for name in SETTINGS_OF[effect]}
    return ", ".join(
        f"{name} {value[0]:g}..{value[1]:g}" if isinstance(value, tuple) else f"{name} {value}"
        for name, value in values.items()
    )


def _grid(study: Study) -> str:
    tuning = study.tuning
    if tuning is None:
        return "none"
    rates, sizes = (", ".join(map(str, values)) for values in (tuning.learning_rates, tuning.batch_sizes))
    return (
        f"{study.title_of(tuning.train)}: learning rates {rates} x batch sizes {sizes}, at 0 %; chosen on"
        " validation wF1"
    )


def _acoustics(study: Study) -> str:
    if study.figure4 is None:
        return "not measured"
    first = study.figure4.raw[0]
    return (
        f"{', '.join(study.titles[spec.corpus.name] for spec in study.figure4.raw)}: at most"
        f" {first.clips} clips of each, drawn from all of it (seed {first.seed}), the first 9.01 s of each;"
        f" MOS by DNSMOS P.808, of {first.p835_clips} P.835 too; T60 and C50 by serkit's own network"
    )


def _options(corpus: CorpusSpec) -> dict[str, Any]:
    """The reader's options as they apply, defaults included; without those that are off."""
    filled = corpora.checked_options(corpus.reader, dict(corpus.options))
    return {option: value for option, value in filled.items() if value is not None and option != "folds"}


def assemble(study: Study, store: Store) -> tuple[str, pd.DataFrame]:
    """Writes every exhibit under the study's folder, from the results that are there.

    Writes `cells.csv`, where the study tunes `tuning-cells.csv`, of Figure 4 `figure4-cells.csv`,
    `figure4-distance-cells.csv` and the picture, for each table `<name>.md`, `.csv` and `.tex`, and
    `report.md` with all of it.

    Returns:
        The same for the terminal, and the cells.
    """
    found = exhibits.answers(study, store)
    cells, points = exhibits.cells(study, found), exhibits.grid(study, found)
    tables = draw(study, cells, points)
    store.check_writable()
    numbers = {"cells.csv": cells} if study.exhibits else {}
    if study.tuning:
        numbers["tuning-cells.csv"] = points
    pictures: list[str] = []
    estimates = figure4.estimates(study, found, store)
    if not estimates.empty:
        of_corpora, distances = figure4.cells(estimates), figure4.distances(estimates)
        tables += draw_figure4(of_corpora, distances)
        numbers |= {"figure4-cells.csv": of_corpora, "figure4-distance-cells.csv": distances}
        pictures = _picture_figure4(estimates, distances, store.folder)
    for name, table_of in numbers.items():
        table_of.to_csv(store.folder / name, index=False)
    for table in tables:
        (store.folder / f"{table.name}.md").write_text(f"{_markdown(table)}\n")
        (store.folder / f"{table.name}.tex").write_text(f"{table.text('latex_booktabs')}\n")
        header = [header.replace("\n", " ") for header in table.headers]
        pd.DataFrame(table.rows, columns=header).to_csv(store.folder / f"{table.name}.csv", index=False)
    about = notes(study, found, cells)
    chosen = tabulate(choices(study), headers=["Point", "Choice"], tablefmt="github")
    report = [f"# {study.title}", *about, *(_markdown(table, heading="##") for table in tables)]
    report += [f"![{name}]({name})" for name in pictures if name.endswith(".png")]
    report += ["## What was chosen where the paper is silent", chosen]
    (store.folder / "report.md").write_text("\n\n".join(report) + "\n")
    names = ", ".join(table.name for table in tables)
    files = ", ".join(["report.md", *numbers, *pictures])
    written = f"written to {store.folder}: {files}, and as .md, .csv, .tex: {names}"
    return _terminal(study, tables, about, written), cells


def _picture_figure4(estimates: pd.DataFrame, distances: pd.DataFrame, folder: Path) -> list[str]:
    """Draws Figure 4 into a folder; returns the names of its files."""
    from benchmark import figures  # matplotlib comes with it

    title = f"Figure 4: the acoustics of {', '.join(estimates['corpus'].unique())}, estimated"
    caution = (
        "Estimators: DNSMOS P.808 and serkit's room network, replacements for the paper's unpublished ones."
        f" No room to be heard: T60 {T60_RANGE_S[0]:g} s, C50 {C50_RANGE_DB[1]:g} dB."
    )
    return figures.save(figures.figure4(estimates, distances, title, caution), folder, "figure4")


def _markdown(table: Table, heading: str = "#") -> str:
    return "\n\n".join([f"{heading} {table.title}", table.text("github"), *table.legend])


def _terminal(study: Study, tables: list[Table], about: Iterable[str], written: str) -> str:
    parts = [study.title, *about]
    for table in tables:
        if not table.name.endswith(IN_FILES_ONLY):
            parts.append("\n".join([table.title, "", table.text("simple"), *table.legend]))
    parts.append("\n".join(f"{point}: {choice}" for point, choice in choices(study)))
    return "\n\n".join([*parts, written])


def notes(study: Study, found: exhibits.Answers, cells: pd.DataFrame) -> list[str]:
    """What a reader must know besides the numbers: initialisation, coverage, hardware, agreement, copies."""
    specs, results = [case.spec for case in plan(study)], list(found.results.values())
    said = [study.caution] if study.caution else []
    if study.model.weights is None:
        said.append(f"All networks are trained from random initialisation (width {study.model.width} of 64).")
    seconds = sum(result["wall_seconds"] for result in results)
    done = []
    for what, kind in {"runs": RunSpec, "measurements": AcousticsSpec}.items():
        asked = sum(isinstance(spec, kind) for spec in specs)
        if asked:
            done.append(f"{sum(isinstance(spec, kind) for spec in found.results)} of {asked} {what}")
    said.append(f"{', '.join(done)} done, {len(study.seeds)} seed(s), {seconds / 3600:.2f} hours in all.")
    if results:
        said.append(f"Run on: {'; '.join(exhibits.devices(results))}.")
    known = cells["agrees"].dropna() if study.paper and study.exhibits else pd.Series(dtype=bool)
    if not known.empty:
        said.append(
            f"{int(known.sum())} of {len(known)} cells are within {exhibits.AGREES_WITHIN} of the paper."
        )
    if found.mixed:
        said.append(f"Caution: results of different copies of {', '.join(found.mixed)} are mixed here.")
    said += sorted({note for result in results for note in _corpus_notes(study, result)})
    return said


def _corpus_notes(study: Study, result: Result) -> Iterable[str]:
    for name, about in result["corpora"].items():
        for note in about["notes"]:
            yield f"{study.titles[name]}: {note}"
