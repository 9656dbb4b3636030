"""Readers that other packages bring, as entry points."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from serkit import corpora
from serkit.errors import SerkitError, SpecError
from tests import corpus_trees as trees

WHOLE = """
from serkit.corpora.emodb import *
from serkit.corpora.emodb import read as theirs
import dataclasses

TITLE = "Mine"


def read(folder):
    return dataclasses.replace(theirs(folder), name="mine")
"""


@pytest.fixture
def plug(tmp_path: Path, monkeypatch):
    """Installs a package with a reader: its module's text, by the name of the reader."""

    def installed(name: str, text: str, package: str = "their-package") -> None:
        module = package.replace("-", "_")
        about = tmp_path / f"{module}-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[serkit.corpora]\n{name} = {module}_reader\n")
        (tmp_path / f"{module}_reader.py").write_text(text)
        monkeypatch.delitem(sys.modules, f"{module}_reader", raising=False)
        importlib.invalidate_caches()
        corpora._plugged.cache_clear()

    monkeypatch.syspath_prepend(str(tmp_path))
    yield installed
    corpora._plugged.cache_clear()


def test_a_package_may_bring_a_reader(plug, tmp_path: Path) -> None:
    plug("mine", WHOLE)
    assert corpora.names()[-1] == "mine"
    assert "their_package_reader" not in sys.modules  # a plan needs its name alone
    trees.emodb(tmp_path / "data")
    corpus = corpora.load("mine", tmp_path / "data")
    assert (corpus.name, len(corpus.clips)) == ("mine", 339)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import not_there", r"\(ModuleNotFoundError: No module named 'not_there'\); mend or uninstall"),
        ("1 / 0", r"\(ZeroDivisionError: "),
        ("def (", r"\(SyntaxError: "),
        ("raise SystemExit(3)", r"\(SystemExit: 3\)"),
        (f"{WHOLE}\nOPTIONS = ['folds']", "lacks OPTIONS; expected"),
        (f"{WHOLE}\nOPTIONS = {{'folds': 5}}", "lacks tuples of allowed values in OPTIONS; expected"),
        (f"{WHOLE}\nread = None", "lacks read; expected"),
        ("TITLE = PAGE = 'x'", r"lacks OPTIONS, RATE_HZ, CHANNELS, is_here, read; expected a module"),
    ],
)
def test_a_broken_one_names_its_package(text: str, message: str, plug) -> None:
    plug("mine", text)
    with pytest.raises(SerkitError, match=r"the package their-package brings .*'mine'.*" + message):
        corpora.reader("mine")
    assert corpora.reader("emodb")  # and stops nobody who does not ask for it


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def is_here(folder): 1 / 0", r"their_package_reader failed to say whether .*ZeroDivisionError"),
        ("def is_here(folder): return 'yes'", r"their_package_reader failed .*expected a number"),
        ("def read(folder): return None", r"failed with AttributeError: .*report a fault of the reader"),
    ],
)
def test_one_that_breaks_at_work_is_a_message(text: str, message: str, plug, tmp_path: Path) -> None:
    plug("mine", f"{WHOLE}\n{text}\n")
    trees.emodb(tmp_path / "data")
    with pytest.raises(SerkitError, match=message):
        corpora.load("mine", tmp_path / "data")


def test_a_name_that_is_taken_is_refused(plug) -> None:
    plug("emodb", WHOLE)
    with pytest.raises(
        SerkitError, match=r"their-package brings a corpus reader 'emodb', and so does serkit"
    ):
        corpora.names()
    assert corpora.reader("emodb").__name__ == "serkit.corpora.emodb"


def test_two_packages_with_one_name_are_refused(plug) -> None:
    plug("mine", WHOLE)
    plug("mine", WHOLE, "other-package")
    with pytest.raises(SerkitError, match=r"-package brings a corpus reader 'mine', and so does the package"):
        corpora.reader("mine")


def test_an_unknown_reader_is_named_with_those_there_are(plug) -> None:
    plug("mine", WHOLE)
    with pytest.raises(SpecError, match=r"no corpus reader 'mien'; expected one of audformat, .*mine"):
        corpora.reader("mien")
