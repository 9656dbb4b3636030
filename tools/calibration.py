"""Writes `benchmark/report/calibration.csv` anew from the study `worlds`, once its report is made.

python -m benchmark report --study worlds
python -m tools.calibration results/worlds/worlds-cells.csv
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from benchmark.report.calibration import WORLDS
from serkit.corpora.synthetic import MEANINGS
from serkit.errors import SpecError
from serkit.labels import LABELS
from serkit.settings import check

COLUMNS = ["meaning", "mismatch", "cast", "probe", "loss"]
GUESSING = 1 / len(LABELS)
"""wF1 of guesses where each label has as many clips."""


def write(cells: Path, to: Path = WORLDS) -> int:
    """Takes the networks' casts at 0 % that are done from a table of worlds' cells; returns how many.

    Raises SpecError where a meaning has none.
    """
    table = pd.read_csv(cells).query("way == 'network' and augment_percent == 0")
    better = table["learnt"] - table["loss"].clip(upper=0)  # of true labels and permuted ones
    table = table.assign(loss=table["loss"] / (better - GUESSING)).dropna(subset=["probe", "loss"])
    missing = sorted(set(MEANINGS) - set(table["meaning"]))
    check(not missing, f"{cells} has no finished cast of {', '.join(missing)}; expected the study worlds")
    table[COLUMNS].to_csv(to, index=False, float_format="%.4f", lineterminator="\n")
    return len(table)


if __name__ == "__main__":
    try:
        print(f"{write(Path(sys.argv[1]))} casts written to {WORLDS}")
    except SpecError as error:
        sys.exit(str(error))
