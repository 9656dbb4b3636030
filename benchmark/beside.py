"""Cases and documents: beside the packages in a checkout, inside this one where it is installed."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
INSTALLED = (HERE / "cases").is_dir()
CASES = (HERE if INSTALLED else HERE.parent) / "cases"
RUN = "serbench run" if INSTALLED else "pytest cases/ --study"
"""What runs a study, whose name comes next."""


def located(text: str) -> str:
    """A message with the documents it names (`docs/corpora.md`) where an installed package has them."""
    return re.sub(r"\bdocs/(?=[a-z-]+\.md\b)", f"{HERE}/docs/", text) if INSTALLED else text
