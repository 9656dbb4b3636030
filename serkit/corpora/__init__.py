"""Corpora: a reader a file, found by the file's name; `reading` is what they share.

A reader is a module with, in this order,

* `TITLE`: the corpus's name as written in tables;
* `PAGE`: the section of `docs/corpora.md` that says how to get it;
* `OPTIONS`: the choices a study may make, each with its allowed values, the default first
  (an empty tuple: any value; the default is then None);
* `LOOKS_LIKE`: what `is_here` looks for, in words, for a message;
* `WHOLE`, where `is_here` counts: the count from which a copy is complete, and the search at its end;
* `RATE_HZ` and `CHANNELS`: what the delivered audio should be, as tuples of allowed values (empty: nobody
  knows, so the doctor holds each clip against what most have);
* `is_here(folder)`: whether `folder` is the corpus's top folder, judged by names alone; better, how many of
  the corpus's files it holds: the folder with most is read, and 0 is no such folder;
* `choose(folders, **options)` and `title(**options)`, where many corpora share one layout: which of the
  folders are what is asked for, the first to be read, and what it is called;
* `generate(**options)`, where there is nothing to find: makes the corpus and returns a folder to look in;
* `folds(**options)`, where it is neither 1 nor the option `folds`: how many folds the corpus has with
  these options, whatever copy is there; None where the corpus alone can tell;
* `identity(**options)`, where options may be spelt in several ways: what the corpus is, the same for all;
* `cast(**options)`, where several corpora have the same speakers: whose they are, and how they are divided
  into parts, which must be one way in a study;
* `trainings(**options)`, where folds share their training clips: as `Corpus.trainings`;
* `read(folder, **options)`: the folder as a `Corpus`; raises CorpusUnfit where labels are missing, damaged or
  not as known, SpecError for an option that cannot be;
* `facts(corpus, **options)`, where known: the published counts for this version, `{(group, label): n}`, where
  group is a split, a speaker or `*` for all, and label may be `*`;
* `expected(**options)`, where known: clips of each part, a dict a fold, as published: what a plan counts
  where the corpus is not there.

A reader in another package is an entry point of the group `serkit.corpora`, with the name that studies use.
Nothing heavy is imported before `read` (`serkit.later`): a plan asks readers for options and folds.
"""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from serkit.corpora.reading.search import Found, search
from serkit.errors import CorpusUnfit, SerkitError, SpecError

if TYPE_CHECKING:  # pandas comes with it: a plan only asks which readers there are
    from serkit.corpora.reading.corpus import Corpus

GROUP = "serkit.corpora"
READERS = {
    module.name: f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__) if not module.ispkg
}
"""The readers that come with serkit: every module here is one."""

PROTOCOL: dict[str, Any] = {"TITLE": str, "PAGE": str, "OPTIONS": dict, "RATE_HZ": tuple, "CHANNELS": tuple}
PROTOCOL |= {"is_here": Callable, "read": Callable}
"""The parts that every reader has."""


def names() -> tuple[str, ...]:
    """The names of all readers, those of other packages last; nothing of these is imported."""
    return (*READERS, *sorted(_plugged()))


def is_one(name: str) -> bool:
    """Whether a reader is of one corpus, which can be looked for without options. Raises as `reader`."""
    return not any(hasattr(reader(name), part) for part in ("generate", "choose"))


def reader(name: str) -> ModuleType:
    """The reader module called `name`.

    Raises:
        SpecError: no such reader.
        SerkitError: it is another package's and broken, or of a name that is taken.
    """
    if name in READERS:
        return importlib.import_module(READERS[name])
    if name not in _plugged():
        raise SpecError(f"no corpus reader {name!r}; expected one of {', '.join(names())}")
    return _loaded(_plugged()[name])


@functools.cache
def _plugged() -> dict[str, importlib.metadata.EntryPoint]:
    """Readers of other packages by name."""
    found: dict[str, importlib.metadata.EntryPoint] = {}
    for point in importlib.metadata.entry_points(group=GROUP):
        if point.name in READERS or point.name in found:
            other = _owner(found[point.name]) if point.name in found else "serkit"
            raise SerkitError(
                f"{_owner(point)} brings a corpus reader {point.name!r}, and so does {other}; expected"
                f" names of their own: uninstall one, or rename it under the entry points {GROUP}"
            )
        found[point.name] = point
    return found


def _owner(point: importlib.metadata.EntryPoint) -> str:
    return f"the package {point.dist.name}" if point.dist else f"the entry point {point.value}"


def _loaded(point: importlib.metadata.EntryPoint) -> ModuleType:
    """Another package's reader, imported."""
    about = f"{_owner(point)} brings the corpus reader {point.name!r} ({point.value}), which"
    try:
        module: ModuleType = point.load()
    except (Exception, SystemExit) as error:
        raise SerkitError(
            f"{about} cannot be imported ({type(error).__name__}: {error}); mend or uninstall that package"
        ) from error
    lacking = [part for part, kind in PROTOCOL.items() if not isinstance(getattr(module, part, None), kind)]
    if not lacking and not all(isinstance(values, tuple) for values in module.OPTIONS.values()):
        lacking = ["tuples of allowed values in OPTIONS"]
    if lacking:
        lacks, parts = ", ".join(lacking), ", ".join(PROTOCOL)
        raise SerkitError(
            f"{about} lacks {lacks}; expected a module with {parts} as serkit's own: mend that package"
        )
    return module


def checked_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The reader's options with the defaults filled in.

    Raises:
        SpecError: an option the reader does not have, or a value it does not allow.
    """
    known = reader(name).OPTIONS
    if unknown := sorted(set(options) - set(known)):
        expected = ", ".join(known) or "none"
        raise SpecError(f"corpus reader {name!r} has no option {unknown[0]!r}; its options: {expected}")
    filled = {option: allowed[0] if allowed else None for option, allowed in known.items()} | dict(options)
    for option, value in filled.items():
        if known[option] and value not in known[option]:
            choices = ", ".join(map(repr, known[option]))
            raise SpecError(f"{name}: option {option} = {value!r}; expected one of {choices}")
    return filled


def folds(name: str, options: Mapping[str, Any]) -> int | None:
    """How many folds a corpus has with these options, by its reader alone; None where that cannot tell.

    Raises SpecError for an option that cannot be.
    """
    filled = checked_options(name, options)
    chosen = filled.get("folds")
    if chosen is not None and (not isinstance(chosen, int) or isinstance(chosen, bool) or chosen < 1):
        raise SpecError(f"{name}: option folds = {chosen!r}; expected a whole number of folds")
    own = getattr(reader(name), "folds", None)
    return own(**filled) if own is not None else chosen or 1


def trainings(name: str, options: Mapping[str, Any], folds: int) -> tuple[tuple[int, ...], ...]:
    """The folds in groups that share their training clips, by the reader; unless it says so, none do."""
    own = getattr(reader(name), "trainings", None)
    return own(**checked_options(name, options)) if own else tuple((fold,) for fold in range(folds))


def title_of(name: str, options: Mapping[str, Any]) -> str:
    """A corpus's title; of a reader of many corpora, that of the one the options ask for."""
    module = reader(name)
    return module.title(**options) if hasattr(module, "title") else module.TITLE


def find(name: str, data: Path | None, options: Mapping[str, Any] | None = None) -> Found:
    """Where the corpus is at or below `data` (`$SERKIT_DATA`), whatever the nesting.

    The folder that looks most like it wins, of equals the shallowest; `notes` name the others. `options` are
    all of the reader's: some tell corpora of one layout apart by them.

    Raises:
        CorpusMissing: no such folder, or no data folder given.
        CorpusUnfit: found, but which of several is wanted cannot be told.
    """
    module, options = reader(name), options or {}
    data = module.generate(**options) if hasattr(module, "generate") else data
    return search(module, title_of(name, options), data, options)


def read(name: str, found: Found, options: Mapping[str, Any]) -> Corpus:
    """Reads a corpus where `find` found it, with all of the reader's options.

    Raises:
        CorpusUnfit: its labels cannot be read.
        SpecError: an option that cannot be.
    """
    try:
        corpus = reader(name).read(found.folder, **options)
        return replace(corpus, notes=(*corpus.notes, *found.notes))
    except SerkitError:
        raise
    except Exception as error:  # a damaged label file can make a parser raise anything
        raise CorpusUnfit(
            f"{title_of(name, options)}: reading the labels in {found.folder} failed with"
            f" {type(error).__name__}: {error}; expected them as delivered: restore the label files"
            f" ({reader(name).PAGE}), and report a fault of the reader if that does not help"
        ) from error


def load(name: str, data: Path | None, options: Mapping[str, Any] | None = None) -> Corpus:
    """Finds and reads a corpus below `data`; options that are left out have their defaults.

    Raises:
        CorpusMissing: not found.
        CorpusUnfit: found, but its labels cannot be read.
        SpecError: unknown reader or option.
    """
    filled = checked_options(name, options or {})
    return read(name, find(name, data, filled), filled)
