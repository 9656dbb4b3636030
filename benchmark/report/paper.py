"""The published numbers, from their files, and how ours differ from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from serkit.labels import permuted, title_of

PAPER = Path(__file__).parent.parent / "paper"
AGREES_WITHIN = 0.02  # the paper's own two trainings of one condition differ by 0.01
TUNED = " (tuned)"
"""Ending of a training set's title in the tuned row of Table 1."""
PLACE = ["exhibit", "train", "test", "augment_percent"]


def table1() -> pd.DataFrame:
    """The paper's Table 1 as in its file, with the titles of our rows as `train`."""
    table = pd.read_csv(PAPER / "table1.csv")
    return table.assign(train=table["train_test"] + np.where(table["condition"] == "tuned", TUNED, ""))


def published() -> pd.DataFrame:
    """The paper's wF1 (Table 1) and wF1 changes (Figures 2 and 3), a row a cell: `paper` and `paper_std`."""
    names = {"train_test": "test", "augment_pct": "augment_percent", "value": "paper", "std": "paper_std"}
    parts = [table1().query("metric == 'wF1'").rename(columns=names).assign(exhibit="table1")]
    for name in ("figure2", "figure3"):
        figure = pd.read_csv(PAPER / f"{name}.csv").rename(columns={"wF1_change": "paper"})
        parts.append(figure.rename(columns=names).assign(exhibit=name))
    return pd.concat(parts, ignore_index=True)[[*PLACE, "paper", "paper_std"]]


def beside(cells: pd.DataFrame) -> pd.DataFrame:
    """Cells with the published numbers beside them.

    Returns:
        `cells` with `paper` (wF1 in Table 1, the change in the figures), `paper_std`, `difference` (ours less
        the paper's), `paper_wF1` and `agrees` (within `AGREES_WITHIN`); NaN where nothing is published.
    """
    cells = cells.merge(published(), how="left", on=PLACE)
    absolute = cells["exhibit"] == "table1"
    cells["difference"] = cells["wF1"].where(absolute, cells["wF1_change"]) - cells["paper"]
    plain = table1().query("metric == 'wF1' and augment_pct == 0 and condition == 'default'")
    baselines = dict(zip(plain["train_test"], plain["value"], strict=True))
    baselines |= {title_of(permuted("it"), {"it": name}): value for name, value in baselines.items()}
    cells["paper_wF1"] = cells["paper"].where(absolute, cells["paper"] + cells["test"].map(baselines))
    agrees = cells["difference"].abs() <= AGREES_WITHIN + 1e-9
    cells["agrees"] = agrees.where(cells["difference"].notna()).astype("boolean")
    return cells


def disagreements(cells: pd.DataFrame) -> list[str]:
    """What `--assert-paper` objects to: cells that differ by more than 0.02, and cells that are missing."""
    said = []
    for row in () if cells.empty else cells[cells["paper"].notna()].itertuples():
        where = f"{row.exhibit}: {row.train} on {row.test} at {row.augment_percent} %"
        if row.runs < row.runs_expected:
            said.append(f"{where}: {row.runs} of {row.runs_expected} runs done")
        elif pd.isna(row.difference):
            said.append(f"{where}: nothing to compare, {row.test} has no baseline in Table 1")
        elif not row.agrees:
            said.append(f"{where}: differs by {row.difference:+.3f} from the paper's {row.paper:.2f}")
    return said
