"""The readers together: named by their files, each with tests of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from serkit import corpora
from serkit.errors import SpecError


@pytest.mark.parametrize("name", sorted({*corpora.READERS} - {"made"}))
def test_every_reader_has_a_file_of_tests(name: str) -> None:
    assert (Path(__file__).parent / f"test_{name}.py").is_file()


@pytest.mark.parametrize("folds", [0, -3, True, 2.5, "3", (3,)])
def test_folds_that_are_no_number_of_them_are_refused_unread(folds) -> None:
    with pytest.raises(SpecError, match="expected a whole number of folds"):
        corpora.folds("audformat", {"folds": folds})
