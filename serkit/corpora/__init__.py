"""Corpora: a reader a file, found by name.

A reader is a module with

* `TITLE`: the corpus's name as written in tables;
* `PAGE`: the section of `docs/corpora.md` that says how to get it;
* `OPTIONS`: the choices a study may make, each with its allowed values, the default first
  (an empty tuple: any value; the default is then None);
* `RATE_HZ` and `CHANNELS`: what the delivered audio should be, as tuples of allowed values (empty: any);
* `is_here(folder)`: whether `folder` is the corpus's top folder, judged by names alone;
* `choose(folders, **options)` and `title(**options)`, only where many corpora share one layout: which of the
  folders is the one asked for, and what it is called;
* `read(folder, **options)`: the folder as a `Corpus`;
* `generate()`, only where there is nothing to find: makes the corpus and returns a folder to look in;
* `folds(**options)`, only where it is neither 1 nor the option `folds`: how many folds the corpus has with
  these options, whatever copy is there; None where the corpus alone can tell;
* `facts(corpus, **options)`: the published counts for this version, `{(group, label): n}`, where group is a
  split, a speaker or `*` for all, and label may be `*`; empty when nothing is published for it;
* `expected(**options)` and `MEAN_SECONDS`, only where known: clips of each part, a dict a fold, and a clip's
  mean length, as published: what a cost is estimated from where the corpus is not there.

Adding a corpus is one such file, one line in `READERS`, one test. Nothing heavy is imported before `read`
(`serkit.later`): a plan asks readers for options and folds.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from serkit.errors import CorpusMissing, SpecError

if TYPE_CHECKING:  # pandas comes with it: a plan only asks which readers there are
    from serkit.corpora.table import Corpus

READERS = {
    "msp_podcast": "serkit.corpora.msp_podcast",
    "iemocap": "serkit.corpora.iemocap",
    "crema_d": "serkit.corpora.crema_d",
    "ravdess": "serkit.corpora.ravdess",
    "emodb": "serkit.corpora.emodb",
    "audformat": "serkit.corpora.audformat",
    "synthetic": "serkit.corpora.synthetic",
}

SEARCH_DEPTH = 6  # below the data folder: any delivered layout, wrapped in a few folders of the user's own


def reader(name: str) -> ModuleType:
    """The reader module called `name`.

    Raises:
        SpecError: no such reader.
    """
    if name not in READERS:
        raise SpecError(f"no corpus reader {name!r}; expected one of {', '.join(READERS)}")
    return importlib.import_module(READERS[name])


def checked_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The reader's options with the defaults filled in.

    Raises:
        SpecError: an option the reader does not have, or a value it does not allow.
    """
    known = reader(name).OPTIONS
    unknown = sorted(set(options) - set(known))
    if unknown:
        expected = ", ".join(known) or "none"
        raise SpecError(f"corpus reader {name!r} has no option {unknown[0]!r}; its options: {expected}")
    filled = {}
    for option, allowed in known.items():
        value = options.get(option, allowed[0] if allowed else None)
        if allowed and value not in allowed:
            choices = ", ".join(map(repr, allowed))
            raise SpecError(f"{name}: option {option} = {value!r}; expected one of {choices}")
        filled[option] = value
    return filled


def folds(name: str, options: Mapping[str, Any]) -> int | None:
    """How many folds a corpus has with these options, by its reader alone; None where that cannot tell.

    Raises:
        SpecError: as `checked_options`, or an option `folds` that is no number of them.
    """
    filled = checked_options(name, options)
    chosen = filled.get("folds")
    if chosen is not None and (not isinstance(chosen, int) or isinstance(chosen, bool) or chosen < 1):
        raise SpecError(f"{name}: option folds = {chosen!r}; expected a whole number of folds")
    own = getattr(reader(name), "folds", None)
    return own(**filled) if own is not None else chosen or 1


def title_of(name: str, options: Mapping[str, Any]) -> str:
    """A corpus's title; of a reader of many corpora, that of the one the options ask for."""
    module = reader(name)
    return module.title(**options) if hasattr(module, "title") else module.TITLE


def find(name: str, data: Path | None, options: Mapping[str, Any] | None = None) -> Path:
    """The corpus's top folder, at or below `data`, whatever the nesting; the shallowest wins.

    Args:
        name: a key of `READERS`.
        data: the folder to look in (`$SERKIT_DATA`).
        options: all of the reader's options, for readers that tell corpora of one layout apart by them.

    Raises:
        CorpusMissing: no such folder, or no data folder given.
    """
    module = reader(name)
    if hasattr(module, "generate"):
        data = module.generate()
    title = title_of(name, options or {})
    how = f"how to get it: {module.PAGE}"
    if data is None:
        raise CorpusMissing(
            f"{title}: SERKIT_DATA is not set; point it at the folder your corpora lie in ({how})"
        )
    if not data.is_dir():
        raise CorpusMissing(f"{title}: SERKIT_DATA names {data}, which is not a folder ({how})")
    choose = getattr(module, "choose", None)
    found = []
    level = [data]
    for _ in range(SEARCH_DEPTH + 1):
        for folder in level:
            if module.is_here(folder):
                if choose is None:
                    return folder
                found.append(folder)
        level = [
            Path(entry.path)
            for folder in level
            for entry in _entries(folder)
            if entry.is_dir() and not entry.name.startswith(".")
        ]
    if choose is not None and found:
        return choose(found, **(options or {}))
    raise CorpusMissing(f"{title}: no folder at or below {data} looks like it ({how})")


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except PermissionError:
        return []


def load(name: str, data: Path | None, options: Mapping[str, Any] | None = None) -> Corpus:
    """Finds and reads a corpus.

    Args:
        name: a key of `READERS`.
        data: the folder to look in (`$SERKIT_DATA`).
        options: the reader's options; defaults for what is left out.

    Raises:
        CorpusMissing: not found.
        CorpusUnfit: found, but its labels cannot be read.
        SpecError: unknown reader or option.
    """
    filled = checked_options(name, options or {})
    return reader(name).read(find(name, data, filled), **filled)
