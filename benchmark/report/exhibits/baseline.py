"""The baseline of log-mel statistics and a logistic regression beside the network, on the same folds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmark.report.exhibits import Section
from benchmark.report.later import intervals, np, pd, tables
from benchmark.study import Control, How, Study, TrainingSet, rates, true_sets
from benchmark.study_file import LIST
from serkit.labels import corpus_of
from serkit.results import Store
from serkit.settings import check
from serkit.specs import STATISTICS
from serkit.words import many

if TYPE_CHECKING:
    from benchmark.report.cells import Cells
    from benchmark.report.intervals import Units

PLACE = 2.5
NAMES = {"baseline": "Log-mel statistics and a logistic regression, beside the network"}
KEYS = {"train": LIST, "rates_percent": LIST}
SAID = "Statistics of the log-mel bands and a logistic regression, beside the network."
RATES = [0], "some of the study's; the lowest unless given."
TRAINS = [["mine"], ["emodb"], ["mine", "emodb"]], "its training sets."
REFERENCE = {"baseline": (SAID, {"train": TRAINS, "rates_percent": RATES})}
WAYS = ("network", "statistics")
PLACES = ["Trained on", "Augment", "Tested on"]
LEGEND = (
    "Statistics: the mean and the deviation of each log-mel band over a clip, which know nothing of time, and"
    " a logistic regression, fitted to the training clips of the same folds, augmented once. Its settings are"
    " scikit-learn's own; nobody tuned them, as somebody may have tuned the network's."
)
OWN = "Own: the training set holds that corpus, and other clips of it are tested."


def statistics(study: Study) -> How:
    """Log-mel statistics of the study's front end and clips, fitted at once."""
    return How(replace(STATISTICS, front_end=study.model.front_end), study.recipe.at_once(0))


def ask(name: str, table: Mapping[str, Any], study: Study) -> Control:
    """Any training sets."""
    own = study.model.encoder != STATISTICS.encoder
    check(own, "baseline is the study's own encoder; leave the table out")
    return Control(true_sets(name, table, study), rates(name, table, study), statistics(study))


def numbers(study: Study, cells: Cells, store: Store) -> dict[str, pd.DataFrame]:
    """`baseline-cells`: `network` minus `statistics`, as of `compared`."""
    if "baseline" not in study.exhibits:
        return {}
    ways = dict(zip(WAYS, (None, statistics(study)), strict=True))
    return {"baseline-cells": compared(study, cells, study.exhibits["baseline"], ways)}


def compared(study: Study, cells: Cells, asked: Any, ways: Mapping[str, How | None]) -> pd.DataFrame:
    """One way of training minus another, on every corpus of the study.

    Args:
        study: it.
        cells: its cells.
        asked: training sets (`columns`) and `rates`.
        ways: the two, by name, in this order.

    Returns:
        `train`, `test` (titles), `augment_percent`, `own` (whether the training set holds the test's corpus);
        for each way those of `Cells.row`, as `network_wF1`; `difference` of wF1 (over the units that both
        have), with `_low`, `_high`, `_p` and `_holm` (corrected over all rows), and `clear`: whether it is
        clear of chance, and the higher of the two above what is had without listening.
    """
    places = [
        (train, corpus.name, rate)
        for train in asked.columns
        for rate in asked.rates
        for corpus in study.corpora
    ]
    rows = []
    for train, test, rate in places:
        place = {"train": study.title_of(train), "augment_percent": rate, "test": study.titles[test]}
        row: dict[str, Any] = place | {"own": test in map(corpus_of, train)}
        units = []
        for name, how in ways.items():
            units.append(units_of(cells, train, test, rate, how))
            of = _row(cells, train, test, rate, how, units[-1])
            row |= {f"{name}_{key}": value for key, value in of.items()}
        first, second = units
        change = intervals.difference(first, second)
        rows.append(row | change.columns("difference") | {"difference_p": change.p})
    table = pd.DataFrame(rows)
    holm = intervals.holm(table["difference_p"])
    up, down = (table[f"{name}_above"] for name in ways)
    better = up.where(table["difference"] > 0, down)
    return table.assign(difference_holm=holm, clear=(holm < intervals.CHANCE) & better)


def units_of(cells: Cells, train: TrainingSet, test: str, rate: int, how: How | None) -> Units:
    """Those of a cell. What is fitted is not drawn by a seed: networks that are the same are one of them.

    Nor does the study know its retraining noise, so none of what its folds differ by is taken for that.
    """
    units = cells.units(train, test, rate, how)
    if how is None or how.model.encoder != STATISTICS.encoder:
        return units
    if units.networks:
        folds = [tail.run.fold for tail in cells.evidence.tails(train, test, rate, how)]
        different = {(fold, *row): row for fold, row in zip(folds, units.networks.of, strict=True)}
        units = replace(units, networks=replace(units.networks, of=np.array([*different.values()])))
    return replace(units, common=1.0)


def _row(
    cells: Cells, train: TrainingSet, test: str, rate: int, how: How | None, units: Units
) -> dict[str, Any]:
    """`Cells.row` with the interval of `units`."""
    row, spread = cells.row(train, test, rate, how), units.around()
    low, high = np.clip((spread.low, spread.high), 0.0, 1.0).tolist()
    above = (low if spread.known else spread.mean) > row["wF1_constant"]
    return row | {"wF1_low": low, "wF1_high": high, "above": bool(above)}


def draw_tables(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[tables.Table]:
    """Both, what they differ by, and what is had without listening."""
    cells = numbers["baseline-cells"]
    legend = (LEGEND, *how_sure(cells, WAYS, "The network is {} the statistics"))
    headers = [*PLACES, *WAYS, "network minus\nstatistics", "constant"]
    return [tables.Table("baseline", f"{NAMES['baseline']}: wF1", headers, drawn(cells, WAYS), legend)]


def drawn(cells: pd.DataFrame, ways: tuple[str, str]) -> list[list[str]]:
    """The rows of a table of `compared`: place, both ways, their difference, the constant."""
    rows = []
    for row in cells.to_dict("records"):
        place = [row["train"], f"{row['augment_percent']} %", f"{row['test']}{' own' * row['own']}"]
        both = [tables.value(_side(row, way)) for way in ways]
        difference = tables.ends(row, "difference", tables.signed) + " *" * bool(row["clear"])
        rows.append([*place, *both, difference, tables.two_digits(row[f"{ways[0]}_wF1_constant"])])
    return tables.once(rows)


def _side(row: Mapping[str, Any], way: str) -> dict[str, Any]:
    """The cell of one of both ways."""
    return {key.removeprefix(f"{way}_"): value for key, value in row.items() if key.startswith(f"{way}_")}


def how_sure(cells: pd.DataFrame, ways: tuple[str, str], what: str) -> list[str]:
    """The lines below a table of `compared`; `what` says which is compared, with {} for how."""
    sides = pd.DataFrame([_side(row, way) for row in cells.to_dict("records") for way in ways])
    known, higher = cells["difference_p"].notna(), cells["difference"] > 0
    above, below = (int((cells["clear"] & side).sum()) for side in (higher, ~higher))
    among = f"of {many(int(known.sum()), 'cell')} whose difference has an interval"
    said = f"{what.format('clearly above')} in {above} and clearly below in {below} {among}"
    clear = "p < 0.05 after Holm's correction over these, and the higher is above the constant"
    counted = f"{said} (*: {clear}). The others may differ by chance, or by more than so few folds can show."
    own = f"{OWN} Differences are over the folds that both have."
    return [*tables.how_sure(sides), own, *[counted] * bool(known.any()), tables.CONSTANT]


def sections(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[Section]:
    """The table, and every digit as a file."""
    parts = [("table", "baseline"), ("files", "baseline-cells")]
    return [Section("baseline", parts, "Log-mel baseline", "Log-mel statistics beside the network")]
