"""The table by which losses are judged: networks' casts that are done, and as it is committed."""

import pandas as pd
import pytest

from benchmark.report import calibration
from serkit.corpora.synthetic import MEANINGS
from serkit.errors import SpecError
from tools.calibration import COLUMNS, write


def test_networks_casts_at_0_percent_that_are_done_are_taken(tmp_path):
    row = {"way": "network", "meaning": "shared", "mismatch": 0.5, "augment_percent": 0, "cast": 1}
    row |= {"probe": 0.75, "learnt": 0.75, "loss": 0.123456}
    others = [{"meaning": "disjoint", "loss": None}, {"way": "statistics"}, {"augment_percent": 50}]
    rows = [row, *(row | other for other in others), row | {"meaning": "swapped"}]
    pd.DataFrame(rows).to_csv(tmp_path / "worlds-cells.csv")
    with pytest.raises(SpecError, match="no finished cast of disjoint"):
        write(tmp_path / "worlds-cells.csv", tmp_path / "calibration.csv")
    rows.append(row | {"meaning": "disjoint", "loss": -0.05})
    pd.DataFrame(rows).to_csv(tmp_path / "worlds-cells.csv")
    assert write(tmp_path / "worlds-cells.csv", tmp_path / "calibration.csv") == 3
    lines = (tmp_path / "calibration.csv").read_text().splitlines()
    assert lines[:2] == [",".join(COLUMNS), "shared,0.5000,1,0.7500,0.2469"]
    assert lines[3] == "disjoint,0.5000,1,0.7500,-0.0909", "of what permuted labels reach, if that is more"


def test_the_committed_table_has_every_meaning_and_mismatch():
    table = calibration.worlds()
    assert list(table.columns) == COLUMNS
    assert table.groupby(["meaning", "mismatch"]).ngroups == 9
    assert set(table["meaning"]) == set(MEANINGS)
    assert table["probe"].between(0, 1).all()
    assert table["loss"].between(-1.5, 1.5).all()
