"""What the exhibits need to show something, imported when it is first used: a plan needs none of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from serkit.later import Later

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from benchmark.report import clipscores, figures, intervals, paper, tables
else:
    np, pd = Later("numpy"), Later("pandas")
    names = ("clipscores", "figures", "intervals", "paper", "tables")
    clipscores, figures, intervals, paper, tables = (Later(f"benchmark.report.{name}") for name in names)

__all__ = ["clipscores", "figures", "intervals", "np", "paper", "pd", "tables"]
