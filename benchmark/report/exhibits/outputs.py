"""One output per corpus and label: joint training in a network that keeps corpora apart by construction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmark.report.exhibits import Section, baseline
from benchmark.report.later import pd, tables
from benchmark.study import Control, How, Study, joint_sets, rates
from benchmark.study_file import LIST
from serkit.results import Store
from serkit.settings import check

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = 8
NAMES = {"outputs": "One output for each corpus and label, against one for each label"}
KEYS = {"train": LIST, "rates_percent": LIST}
SAID = "Joint training with an output for each corpus and label, beside one for each label."
TRAINS = [["mine", "emodb"]], "its training sets, of two corpora or more under their true labels."
REFERENCE = {"outputs": (SAID, {"train": TRAINS, "rates_percent": baseline.RATES})}
WAYS = ("apart", "shared")
LEGEND = (
    "Apart: each corpus that is trained on has four outputs of its own, so its labels cannot contradict those"
    " of another corpus, by construction; all layers below are shared. Its test clips are scored by its own"
    " outputs: the network is told whose clips they are, which shared outputs are not, and may be better for"
    " that alone. Clips of other corpora are scored by the sum over the corpora's outputs.",
    "Where shared outputs do as well, the labels of these corpora do not stand in each other's way; it says"
    " no more than that. That no difference is clear does not mean that there is none: the interval says how"
    " large it may be.",
)


def apart(study: Study) -> How:
    """The study's way, with outputs per corpus."""
    return study.how._replace(model=replace(study.model, outputs="per-corpus"))


def ask(name: str, table: Mapping[str, Any], study: Study) -> Control:
    """Joint training sets under true labels."""
    columns = joint_sets(name, table, study)
    check(study.model.outputs == "shared", "outputs compares with outputs = 'shared', the study's own")
    return Control(columns, rates(name, table, study), apart(study))


def numbers(study: Study, cells: Cells, store: Store) -> dict[str, pd.DataFrame]:
    """`outputs-cells`: outputs `apart` minus `shared` ones, as of `baseline.compared`."""
    if "outputs" not in study.exhibits:
        return {}
    ways = dict(zip(WAYS, (apart(study), None), strict=True))
    return {"outputs-cells": baseline.compared(study, cells, study.exhibits["outputs"], ways)}


def draw_tables(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[tables.Table]:
    """Both, what they differ by, and what is had without listening."""
    cells = numbers["outputs-cells"]
    sure = baseline.how_sure(cells, WAYS, "With outputs apart wF1 is {} that with shared ones")
    headers = [*baseline.PLACES, *WAYS, "apart minus\nshared", "constant"]
    title, rows = f"{NAMES['outputs']}: wF1", baseline.drawn(cells, WAYS)
    return [tables.Table("outputs", title, headers, rows, (*LEGEND, *sure))]


def sections(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[Section]:
    """The table, and every digit as a file."""
    parts = [("table", "outputs"), ("files", "outputs-cells")]
    return [Section("outputs", parts, "Outputs apart", "One output for each corpus and label")]
