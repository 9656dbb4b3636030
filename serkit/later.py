"""Modules imported at first use: a plan asks readers for options, and pandas would take longer than it."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa
    import soundfile
    from pyarrow import parquet, types

__all__ = ["Later", "np", "pa", "parquet", "pd", "soundfile", "types"]


class Later:
    """Stands for a module until something of it is asked for."""

    def __init__(self, name: str) -> None:
        """Names the module, as `pandas`."""
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


if not TYPE_CHECKING:
    np, pd, pa, soundfile = map(Later, ("numpy", "pandas", "pyarrow", "soundfile"))
    parquet, types = map(Later, ("pyarrow.parquet", "pyarrow.types"))
