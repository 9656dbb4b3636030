"""A copy of a corpus to be damaged, and the reader that reads it."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from serkit import corpora
from tests.doctored import RATE_HZ, Copy


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A reader registered as `fake`."""
    module = types.ModuleType("fake_reader")
    module.TITLE, module.PAGE = "Fake", "docs/corpora.md#fake"
    module.OPTIONS = {"flavour": ("plain", "odd")}
    module.RATE_HZ, module.CHANNELS = (RATE_HZ,), (1,)
    module.is_here = lambda folder: (folder / "clips").is_dir()
    monkeypatch.setitem(corpora.READERS, "fake", "fake_reader")
    monkeypatch.setitem(sys.modules, "fake_reader", module)
    return module


@pytest.fixture
def make(reader: types.ModuleType, tmp_path: Path) -> Callable[..., Copy]:
    def copy(by_fold: bool = False) -> Copy:
        made = Copy(tmp_path / "data", by_fold)
        reader.read = made.read
        reader.facts = lambda corpus, **options: made.facts
        return made

    return copy


@pytest.fixture
def copy(make: Callable[..., Copy]) -> Copy:
    return make()
