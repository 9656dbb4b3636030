"""Shuffled labels: what a network remembers of clips whose labels say nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmark.report.exhibits import Section, baseline
from benchmark.report.later import intervals, np, pd, tables
from benchmark.study import Control, Study, TrainingSet, rates, training_sets
from benchmark.study_file import LIST
from serkit.labels import LABELS, corpus_of, treated, treatment_of
from serkit.resultfile import Result, is_imported
from serkit.results import Store
from serkit.settings import check
from serkit.words import many

if TYPE_CHECKING:
    from benchmark.report.cells import Cells
    from benchmark.report.intervals import Spread, Units

PLACE = 7
NAMES = {"shuffled": "Shuffled labels: what is remembered where nothing can be learnt"}
KEYS = {"train": LIST, "rates_percent": LIST}
SAID = "Training with the labels of a corpus shuffled, beside the true ones: what is only remembered."
SETTINGS = {
    "train": ([[treated("mine", "shuffled")]], "its training sets, each with such a corpus."),
    "rates_percent": baseline.RATES,
}
REFERENCE = {"shuffled": (SAID, SETTINGS)}
LOSS = (
    "Loss: of the training clips, as they were heard from the last evaluation but one to the end. Augmented"
    " or randomly cropped, a clip is another each time: a loss that stays high says that these were not"
    " remembered, not that nothing was. Guessing: each label's share among the training clips as its"
    " probability, whatever is heard."
)
REMEMBERED = (
    "Share remembered: how far the loss falls below guessing under shuffled labels, as a share of how far it"
    " does under true ones; none where it does not clearly fall under these. Shuffled labels say nothing of a"
    " clip, so what is below guessing is memory of the training clips. That so much can be remembered does"
    " not say that it is under true labels, where there is something easier to learn."
)
TESTED = (
    "Of test clips there is nothing to know: uACC has to be that of guessing, and wF1 not above that of the"
    " constant, which knows the test's labels."
)
JOINT = (
    "A training set that holds another corpus under true labels may know the test clips from that one:"
    " whether something leaks, it cannot say. Its loss is of the clips of all its corpora."
)


def ask(name: str, table: Mapping[str, Any], study: Study) -> Control:
    """Training sets with shuffled labels."""
    columns = training_sets(name, table, study)
    for column in columns:
        odd = {treatment_of(name) for name in column} - {""}
        check(odd == {"shuffled"}, f"shuffled.train {list(column)}: expected a corpus as NAME_shuffled")
    check(
        study.model.outputs == "shared", "shuffled compares losses of one output a label: outputs = 'shared'"
    )
    return Control(columns, rates(name, table, study))


def numbers(study: Study, cells: Cells, store: Store) -> dict[str, pd.DataFrame]:
    """`shuffled-cells`: a row a training set, rate and corpus with shuffled labels.

    Returns:
        `train`, `test` (titles), `augment_percent`; the loss at the end of training, `loss_shuffled` and
        `loss_true`, each with `_low`, `_high` (over the folds), `_runs` and `_expected`, and `loss_guessing`;
        `remembered` with `_low` and `_high`; of the test clips those of `Cells.row`; `alone` (whether no
        corpus of the set has true labels), `uACC_p` and `uACC_holm` (that uACC is that of guessing), `leaks`:
        it is clearly above, where it can only be that of guessing.
    """
    if "shuffled" not in study.exhibits:
        return {}
    asked, rows = study.exhibits["shuffled"], []
    for column, rate in itertools.product(asked.columns, asked.rates):
        losses, alone = _losses(study, cells, column, rate), all(map(treatment_of, column))
        for corpus in map(corpus_of, filter(treatment_of, column)):
            place = {"train": study.title_of(column), "augment_percent": rate, "test": study.titles[corpus]}
            row, units = cells.row(column, corpus, rate), cells.units(column, corpus, rate, metric="uACC")
            above = {unit: value - row["uACC_constant"] for unit, value in units.values.items()}
            p = replace(units, values=above).around().p if alone else np.nan
            rows.append(place | losses | row | {"alone": alone, "uACC_p": p})
    table = pd.DataFrame(rows)
    holm = intervals.holm(table["uACC_p"])
    leaks = (holm < intervals.CHANCE) & (table["uACC"] > table["uACC_constant"])
    return {"shuffled-cells": table.assign(uACC_holm=holm, leaks=leaks)}


def _losses(study: Study, cells: Cells, column: TrainingSet, rate: int) -> dict[str, Any]:
    """The loss at the end under shuffled and under true labels, that of guessing, what is remembered."""
    fell: dict[str, Units] = {}
    row: dict[str, Any] = {}
    known: dict[Any, Result] = {}
    for way, train in {"shuffled": column, "true": tuple(map(corpus_of, column))}.items():
        known |= (done := cells.runs(train, rate))
        runs = {run: result for run, result in done.items() if not is_imported(result)}  # whose loss is known
        units = _by_fold(runs, _loss)
        fell[way] = _by_fold(runs, lambda result: guessing(result) - _loss(result))
        row |= units.around().columns(f"loss_{way}") | {f"loss_{way}_runs": len(runs)}
        row |= {f"loss_{way}_expected": len(study.runs(train, rate))}
    row["loss_guessing"] = _by_fold(known, guessing).mean

    def left(share: float) -> Spread:
        """How far it falls under shuffled labels, less a share of how far it falls under true ones."""
        return intervals.difference(fell["shuffled"], intervals.scaled(fell["true"], share))

    share = intervals.ratio(left) if fell["true"].around().low > 0 else intervals.Spread()
    return row | share.columns("remembered")


def _loss(result: Result) -> float:
    """Of the training clips, over the steps from the last evaluation but one to the end."""
    return float(result["history"][-1]["loss"])


def guessing(result: Result) -> float:
    """What is lost by giving each label its share among the training clips, whatever is heard."""
    parts = [about["clips"].get("train", {}) for about in result["corpora"].values()]
    clips = np.array([sum(of.get(label, 0) for of in parts) for label in LABELS], dtype=float)
    said = np.stack([clips, clips.sum() - clips]).clip(min=1e-9) / clips.sum()
    return float(-(said * np.log(said)).sum(axis=0).mean())


def _by_fold(runs: Mapping[Any, Result], value: Callable[[Result], float]) -> Units:
    return intervals.by_fold((run.fold, value(result)) for run, result in runs.items())


def draw_tables(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[tables.Table]:
    """The loss of three, what is remembered, and what is known of the test clips."""
    cells, rows = numbers["shuffled-cells"], []
    for row in cells.to_dict("records"):
        line = [
            row["train"],
            f"{row['augment_percent']} %",
            row["test"],
            tables.two_digits(row["loss_guessing"]),
        ]
        for way in ("shuffled", "true"):
            done, expected = row[f"loss_{way}_runs"], row[f"loss_{way}_expected"]
            partial = tables.share({"runs": done, "runs_expected": expected}) if done else ""
            line.append(f"{tables.ends(row, f'loss_{way}')}{partial}")
        line.append(tables.ends(row, "remembered"))
        for metric in ("uACC", "wF1"):
            line += [tables.ends(row, metric) + " *" * (row["leaks"] and metric == "uACC")]
            line += [tables.two_digits(row[f"{metric}_constant"])]
        rows.append(line)
    headers = ["Trained on", "Augment", "Tested on", "loss\nguessing", "loss\nshuffled", "loss\ntrue"]
    headers += ["share\nremembered", "uACC", "uACC\nguessing", "wF1", "wF1\nconstant"]
    return [tables.Table("shuffled", NAMES["shuffled"], headers, rows, tuple(_legend(cells)))]


def _legend(cells: pd.DataFrame) -> Iterator[str]:
    over = intervals.over(zip(cells["units"], cells["spread_of"], strict=True))
    yield LOSS
    yield REMEMBERED
    if over:
        yield (
            "In brackets the 95 % interval: of losses over the folds that are done, of the share after"
            f" Fieller, of test clips over {over}."
        )
    judged, leaks = int(cells["uACC_p"].notna().sum()), int(cells["leaks"].sum())
    found = f"Clearly above it (*: p < 0.05 after Holm's correction) in {leaks} of {many(judged, 'cell')}"
    if leaks:
        found = f"CAUTION: something leaks from the test clips into training. {found}"
    yield TESTED + f" {found}." * bool(judged)
    if not cells["alone"].all():
        yield JOINT
    yield tables.CONSTANT


def sections(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[Section]:
    """The table, and every digit as a file."""
    parts = [("table", "shuffled"), ("files", "shuffled-cells")]
    return [Section("shuffled", parts, "Shuffled labels", "Shuffled labels: what is remembered")]
