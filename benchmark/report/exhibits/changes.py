"""Figures 2 and 3: the change in wF1 against the tested corpus's baseline in Table 1, a plain difference.

Heat maps are in the paper's layout and colours, green up and red down. Who cannot tell the two apart reads
the number in every cell, or asks for `safe` colours, blue up and orange down.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from benchmark.report.exhibits import Section
from benchmark.report.later import figures, np, paper, pd, tables
from benchmark.study import Grid, Study, training_sets
from benchmark.study_file import LIST
from serkit.labels import SCRAMBLED, corpus_of, is_whole, permuted, spelt, treatment_of
from serkit.results import Store
from serkit.settings import check
from serkit.words import many

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmark.report.cells import Cells

PLACE = 3
NAMES = {
    "figure2": "Figure 2: change in wF1 relative to the Table 1 baseline of the test corpus",
    "figure3": "Figure 3: change in wF1 after scrambling labels, relative to the Table 1 baseline",
}
KEYS = {"train": LIST, "test": LIST}
TESTS = "the tests shown for each; empty: each set's own corpus (Table 1)."
TRUE = {
    "train": ([["mine"], ["emodb"], ["mine", "emodb"]], "its training sets."),
    "test": (["mine", "emodb"], TESTS),
}
SWAPPED = {
    "train": ([["emodb"], [permuted("mine")], [permuted("mine"), "emodb"]], "its training sets."),
    "test": ([permuted("mine"), "mine", "emodb"], TESTS),
}
REFERENCE = {
    "figure2": ("Some training sets on some corpora; the order within a set does not matter.", TRUE),
    "figure3": (f"The same with the labels of a corpus permuted, as `{permuted('NAME')}`.", SWAPPED),
}
NULL = (
    "Null: a corpus alone with its labels permuted, minus that with the true ones, with the 95 % interval."
    " It is the same problem under other names: what training anew changes. No smaller change says anything."
)
MIN_LIMIT = 0.1
"""Of wF1: with less at the ends of the colours noise would look like an effect."""
SAFE = ("#b35c00", "#ffffff", "#0a5a9c")
"""Colours that readers with any colour vision can tell apart, from down to up; the page has them too."""
MARKS = ("o", "s", "^", "D", "v", "P", "X")
MAX_STRENGTH = 72
"""How much of a colour a cell at the end of the page's scale has, in percent: with more, its number would be
hard to read in one of the two themes (4.5 to 1 is asked of text)."""


def ask(name: str, table: Mapping[str, Any], study: Study) -> Grid:
    """Training sets and tests."""
    tests = tuple(table.get("test", ()))
    columns = training_sets(name, table, study, tests)
    check(bool(tests), f"{name}: test is missing; expected a list of corpora")
    for test in tests:
        check(is_whole(test), f"{name}: {test} cannot be tested on: only true and wholly permuted labels can")
    return Grid(columns, tuple(spelt(test, study.corpus(test).scramble) for test in tests))


def numbers(study: Study, cells: Cells, store: Store) -> dict[str, pd.DataFrame]:
    """`cells`: a row a cell of the figures; columns as of `benchmark.report.exhibits.table1`."""
    made = []
    for exhibit in [name for name in NAMES if name in study.exhibits]:
        asked = study.exhibits[exhibit]
        columns = [
            (letters(number), train, test)
            for number, train in enumerate(asked.columns)
            for test in asked.tests
        ]
        rows = [cells.entry(exhibit, *column, rate) for column in columns for rate in study.rates_percent]
        made.append(tables.corrected(pd.DataFrame(rows)))
    if not made:
        return {}
    table = pd.concat(made, ignore_index=True)
    nulls = {"null-cells": _nulls(study, cells)} if _alone(study) else {}
    return {"cells": paper.beside(table) if study.paper else table, **nulls}


def _alone(study: Study) -> list[str]:
    """The corpora that Figure 3 trains on alone with their own permuted labels."""
    trains = study.exhibits["figure3"].columns if "figure3" in study.exhibits else ()
    return [corpus_of(name) for name, *others in trains if not others and treatment_of(name) == SCRAMBLED]


def _nulls(study: Study, cells: Cells) -> pd.DataFrame:
    """The relabelling null of each such corpus at each rate: what retraining alone changes."""
    rows = []
    for name in _alone(study):
        for rate in study.rates_percent:
            null = cells.evidence.null(permuted(name), rate)
            place = {"corpus": study.title_of(name), "augment_percent": rate, "change": null.mean}
            rows.append(place | {"low": null.low, "high": null.high, "p": null.p})
    return pd.DataFrame(rows)


def letters(number: int) -> str:
    """The name of a column, counted from 0.

    Example:
        >>> letters(0), letters(25), letters(26)
        ('A', 'Z', 'AA')
    """
    before, last = divmod(number, 26)
    return (letters(before - 1) if before else "") + ascii_uppercase[last]


def columns_of(cells: pd.DataFrame) -> list[tuple[str, str]]:
    """The columns of a figure in their order: letter of the training set, title of the test."""
    return list(cells[["column", "test"]].drop_duplicates().itertuples(index=False, name=None))


def by_rate(cells: pd.DataFrame) -> dict[int, list[dict[Any, Any]]]:
    """The cells of a figure: for each rate those of its columns, in their order."""
    return {int(rate): of.to_dict("records") for rate, of in cells.groupby("augment_percent", sort=False)}


def colour_limit(cells: pd.DataFrame) -> float:
    """The change at the end of a heat map's colours, the same for ours and the paper's."""
    shown = cells.filter(items=["wF1_change", "paper"])
    return max(MIN_LIMIT, float(np.nanmax(shown.abs().to_numpy(), initial=0.0)))


def draw_tables(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[tables.Table]:
    """Each figure with a row a rate, and once more as plain wF1."""
    drawn = []
    for name, cells in numbers["cells"].groupby("exhibit", sort=False):
        rows, as_wf1 = [], []
        for rate, here in by_rate(cells).items():
            rows.append([f"{rate} %{' ours' * study.paper}", *map(_change, here)])
            published = {"paper": "paper", "difference": "ours - paper"} if study.paper else {}
            for column, said in published.items():
                rows.append([f"{rate} % {said}", *(tables.signed(cell[column]) for cell in here)])
            as_wf1.append([f"{rate} %", *map(tables.value, here)])
        headers = ["Augment", *(f"{letter}\n{test}" for letter, test in columns_of(cells))]
        trained, title = trained_on(cells), f"{NAMES[name].split(':')[0]} as wF1"
        legend = (trained, *tables.how_sure(cells), tables.CONSTANT)
        as_wf1.append(["constant", *(tables.two_digits(cell["wF1_constant"]) for cell in here)])
        marks = _how_many(cells, "*", tables.BELOW.strip())
        drawn.append(tables.Table(name, NAMES[name], headers, rows, (trained, marks)))
        if name == "figure3" and "null-cells" in numbers:
            drawn.append(_null_table(study, numbers["null-cells"]))
        drawn.append(tables.Table(f"{name}-wf1", title, headers, as_wf1, legend, aside=True))
    return drawn


def trained_on(cells: pd.DataFrame) -> str:
    """What the letters of a figure mean."""
    trains = cells[["column", "train"]].drop_duplicates().itertuples(index=False, name=None)
    trained = "; ".join(f"{letter}: {train}" for letter, train in trains)
    return f"Trained on {trained}. Tested on the corpus below the letter."


def _change(row: Mapping[str, Any]) -> str:
    if math.isnan(row["wF1_change"]):
        return tables.MISSING
    done, expected = row["baseline_runs"], row["baseline_runs_expected"]
    baseline = "" if done == expected else f" [baseline {done}/{expected}]"
    mark = " *" if row["clear"] else "" if row["above"] else tables.BELOW
    return f"{tables.signed(row['wF1_change'])}{mark}{tables.share(row)}{baseline}"


def draw_figures(
    study: Study, numbers: Mapping[str, pd.DataFrame], colours: str
) -> Iterator[tuple[str, Figure]]:
    """Each figure as a heat map; Figure 2 with wF1 against the rate."""
    for name, cells in numbers["cells"].groupby("exhibit", sort=False):
        if cells["wF1_change"].isna().all():
            continue
        legend = f"{trained_on(cells)} {_how_many(cells)}"
        yield name, heat_map(cells, NAMES[name], legend, colours)
        if name == "figure2" and len(study.rates_percent) > 1:
            published = "; dotted: published" if study.paper else ""
            legend = f"Bars: intervals of 95 %; dashed: what is had without listening{published}."
            yield "rates", rates(cells, "wF1 against the rate of augmentation", legend)


def heat_map(cells: pd.DataFrame, title: str, legend: str, colours: str = "paper") -> Figure:
    """The change in wF1 for each training set and test of a figure, a row a rate.

    What is clear is bold, what is not above a constant grey. Where the paper's numbers are there, they stand
    below in the same colours, `paper` or `safe`. The legend below says what the letters mean.
    """
    from matplotlib.colors import LinearSegmentedColormap

    columns, rows = columns_of(cells), by_rate(cells)
    published = "paper" in cells and cells["paper"].notna().any()
    shown = {"wF1_change": "ours", "paper": "paper"} if published else {"wF1_change": "ours"}
    limit = colour_limit(cells)
    colour_map = "RdYlGn" if colours == "paper" else LinearSegmentedColormap.from_list("safe", SAFE)
    tests = [figures.short(test) for _, test in columns]
    width, height = 1.6 + 0.62 * len(columns), 1.3 + 0.34 * (len(rows) + 2) * len(shown)
    height += 0.13 * max(0, len(figures.broken(legend, width)) - 3)
    height += 0.05 * max(0, max(map(len, tests)) - 16)
    with figures.drawn(title, legend, (width, height), len(shown), 1, sharex=True) as (figure, panels):
        for (value, name), panel in zip(shown.items(), panels[:, 0], strict=True):
            changes = np.array([[cell[value] for cell in of_rate] for of_rate in rows.values()])
            image = panel.imshow(changes, colour_map, vmin=-limit, vmax=limit, aspect="auto")
            for y, of_rate in enumerate(rows.values()):
                for x, cell in enumerate(of_rate):
                    _write(panel, (x, y), cell, value, limit)
            panel.set_yticks(range(len(rows)), [f"{rate} %" for rate in rows])
            panel.set_ylabel(f"{name}\naugmented" if len(shown) > 1 else "augmented")
            panel.tick_params(length=0)
            panel.spines[:].set_visible(False)
            _separate(panel, [letter for letter, _ in columns])
        panels[-1, 0].set_xticks(range(len(columns)), tests, rotation=35, ha="right")
        bar = figure.colorbar(image, ax=panels[:, 0].tolist(), shrink=0.8, pad=0.01)
        bar.set_label("change in wF1")
        bar.outline.set_visible(False)
    return figure


def _write(panel: Axes, at: tuple[int, int], cell: Mapping[str, Any], value: str, limit: float) -> None:
    """A cell's number, on grey where it says nothing; a missing one is crossed out. The paper's are plain."""
    from matplotlib.patches import Rectangle

    change, ours, (x, y) = cell[value], value == "wF1_change", at
    missing, grey = np.isnan(change), ours and not cell["above"]
    if missing or grey:
        plain = dict(facecolor="0.93", edgecolor="0.8", hatch="//" if missing else "")
        panel.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, **plain))  # type: ignore[arg-type]
    if missing:
        return
    look: dict[str, Any] = {"fontsize": 8, "fontweight": "bold" if ours and cell["clear"] else "normal"}
    look["color"] = "0.45" if grey else "white" if abs(change) / limit > 0.75 else "black"
    panel.text(x, y, tables.signed(change), ha="center", va="center", **look)


def _separate(panel: Axes, letters: list[str]) -> None:
    """White lines between training sets and the letter of each above."""
    for letter in dict.fromkeys(letters):
        first = letters.index(letter)
        middle = first + (letters.count(letter) - 1) / 2
        panel.text(middle, -0.62, letter, ha="center", va="bottom", fontweight="bold")
        if first:
            panel.axvline(first - 0.5, color="white", linewidth=5)


def rates(cells: pd.DataFrame, title: str, legend: str) -> Figure:
    """wF1 of Figure 2 against the rate: a panel a test, a line a training set, its interval as a bar.

    Where the paper's numbers are there, its wF1 (baseline and change) is a hollow mark.
    """
    tests, trains = cells["test"].unique(), list(cells["train"].unique())
    size = (1.2 + 3.1 * len(tests), 3.9)
    with figures.drawn(title, legend, size, 1, len(tests), sharey=True) as (figure, panels):
        for test, panel in zip(tests, panels[0], strict=True):
            of_test = cells[cells["test"] == test]
            for number, train in enumerate(trains):
                aside = 1.2 * (number - (len(trains) - 1) / 2)  # percent: no bar hides another at its rate
                _line(panel, of_test[of_test["train"] == train], number, aside)
            panel.axhline(of_test["wF1_constant"].iloc[0], color="0.4", linestyle="--", linewidth=0.9)
            panel.set_title(f"tested on {figures.short(test)}", fontsize=9)
            panel.set_xlabel("training clips augmented (%)")
            panel.set_xticks(cells["augment_percent"].unique())
        panels[0, 0].set_ylabel("wF1")
        handles, names = panels[0, 0].get_legend_handles_labels()
        fitting = int(figure.get_figwidth() * 11 / (max(map(len, names)) + 6))
        across = max(1, min(3, len(names), fitting))
        figure.legend(handles, names, loc="outside upper right", ncols=across, frameon=False)
    return figure


def _line(panel: Axes, line: pd.DataFrame, number: int, aside: float) -> None:
    """One training set in one panel; the eighth has the first's colour and another mark."""
    again, colour = divmod(number, len(figures.COLOURS))
    style: dict[str, Any] = {"color": figures.COLOURS[colour], "marker": MARKS[(number + again) % len(MARKS)]}
    x = line["augment_percent"] + aside
    ends = (line[["wF1_low", "wF1_high"]].sub(line["wF1"], axis=0)).abs().to_numpy().T
    name = figures.short(line["train"].iloc[0])
    panel.errorbar(x, line["wF1"], ends, linewidth=1.2, capsize=2, label=name, markersize=4, **style)
    if "paper_wF1" in line and line["paper_wF1"].notna().any():
        hollow = {"markerfacecolor": "white", "markersize": 4, **style}
        panel.plot(x, line["paper_wF1"], linestyle=":", linewidth=0.8, **hollow)


def sections(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[Section]:
    """Each figure as a table of cells with their details; below Figure 2 a chart of wF1 against the rate."""
    made = []
    for name, cells in numbers["cells"].groupby("exhibit", sort=False):
        limit, rows = colour_limit(cells), []
        details: dict[str, Any] = {}
        for number, (rate, here) in enumerate(by_rate(cells).items()):
            shown = [_cell(study, cell, limit, f"{name}-{number}-{at}") for at, cell in enumerate(here)]
            rows.append({"rate": rate, "cells": shown})
            details |= {cell["id"]: cell["details"] for cell in shown}
        data = {"cells": details, **({"rates": _rates(cells)} if name == "figure2" else {})}
        trains = dict(zip(cells["column"], cells["train"], strict=True))
        heat = dict(name=name, trains=trains, columns=columns_of(cells), rows=rows, limit=f"{limit:.2f}")
        heat["title"] = NAMES[name].partition(": ")[2].replace("change", "Change", 1)
        nulls = (
            numbers["null-cells"].to_dict("records") if name == "figure3" and "null-cells" in numbers else []
        )
        heat["nulls"] = [(f"{at['augment_percent']} % null, {at['corpus']}", _null(at)) for at in nulls]
        heat["legend"] = [_how_many(cells), *[NULL] * bool(nulls)]
        parts: list[tuple[str, Any]] = [("heat_map", heat), *[("files", "null-cells")] * bool(nulls)]
        made.append(Section(name, parts, f"Figure {name[-1]}", f"Figure {name[-1]}", data))
    return made


def _cell(study: Study, row: Mapping[str, Any], limit: float, name: str) -> dict[str, Any]:
    """A cell: what stands in it, its colour, and its details line by line."""
    change, known = row["wF1_change"], not math.isnan(row["wF1_change"])
    partial = row["runs"] < row["runs_expected"] or row["baseline_runs"] < row["baseline_runs_expected"]
    return {
        "id": name,
        "text": tables.signed(change, missing=tables.MISSING),
        "paper": tables.signed(row.get("paper")),
        "way": "none" if not known else "grey" if not row["above"] else "up" if change >= 0 else "down",
        "strength": round(MAX_STRENGTH * min(1.0, abs(change) / limit)) if known else 0,
        "moved": known and bool(row["clear"]),
        "partial": known and partial,
        "details": list(_details(study, row)),
    }


def _details(study: Study, row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    seeds = len(study.seeds)
    asked = f"{many(row['runs_expected'] // seeds, 'fold')} x {many(seeds, 'seed')}"
    yield "Trained on", row["train"]
    yield "Tested on", row["test"]
    yield "Augmented", f"{row['augment_percent']} % of the training clips"
    yield "Runs", f"{row['runs']} of {row['runs_expected']} done ({asked})"
    change, low, high, p = (row[f"wF1_change{end}"] for end in ("", "_low", "_high", "_p"))
    if not math.isnan(row["wF1"]):
        moves = "" if math.isnan(row["wF1_std"]) else f", std {row['wF1_std']:.3f} over the tail"
        yield "wF1", f"{row['wF1']:.3f}{moves}"
        if math.isnan(row["wF1_low"]):
            yield "95 % interval", "none: one training or one fold, and nothing tells what another would give"
        else:
            ends = f"{row['wF1_low']:.3f} to {row['wF1_high']:.3f}"
            yield f"95 % interval ({row['units']} {row['spread_of']})", ends
        parts = {"wF1_tests_std": "other speakers", "wF1_training_std": "another training"}
        if moved := [f"{row[part]:.3f} by {what}" for part, what in parts.items() if row[part] > 0]:
            yield "Deviation", ", ".join(moved)
        nothing = "" if row["above"] else ": not above it, so nothing follows"
        yield "Without listening", f"{row['wF1_constant']:.3f}{nothing}"
        sure = "" if math.isnan(p) else f", p {p:.3f}, among all cells {row['wF1_change_holm']:.3f}"
        if math.isnan(change):
            yield "Change", f"unknown: the baseline of {row['test']} is not done"
        elif math.isnan(low):
            yield "Change", f"{change:+.3f}, not known how sure"
        else:
            yield "Change", f"{change:+.3f} [{low:+.3f}, {high:+.3f}]{sure}"
    if not math.isnan(row.get("paper", math.nan)):
        yield "Paper", f"{row['paper']:+.2f} (wF1 {row['paper_wF1']:.2f})"
    if not math.isnan(row.get("difference", math.nan)):
        yield "Ours - paper", f"{row['difference']:+.3f}"


def _how_many(cells: pd.DataFrame, clear: str = "Bold", grey: str = "Grey") -> str:
    """What the marks of a table or picture mean, and over how many cells is corrected."""
    number = int(cells["wF1_change_p"].notna().sum())
    corrected = f"p < 0.05 after Holm's correction over {many(number, 'cell')}"
    return f"{clear}: clear, {corrected}. {grey}: {tables.GREY}."


def _null_table(study: Study, nulls: pd.DataFrame) -> tables.Table:
    """The relabelling null of each corpus at each rate."""
    rows = [[str(corpus), *map(_null, of.to_dict("records"))] for corpus, of in nulls.groupby("corpus")]
    headers = ["Corpus", *(f"{rate} %" for rate in study.rates_percent)]
    title = "Figure 3, null: change in wF1 by other names of one corpus's labels"
    return tables.Table("figure3-null", title, headers, rows, (NULL,))


def _null(row: Mapping[str, Any]) -> str:
    return tables.interval(row["change"], row["low"], row["high"], tables.signed)


def _rates(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """wF1 against the rate, a row a cell that is known."""
    columns = {"train": "train", "test": "test", "augment_percent": "rate", "wF1": "wF1"}
    columns |= {"wF1_low": "low", "wF1_high": "high", "wF1_constant": "constant", "paper_wF1": "paper"}
    known = cells[cells["wF1"].notna()].filter(items=list(columns)).rename(columns=columns).round(4)
    return known.astype(object).where(known.notna(), None).to_dict("records")
