"""Studies: a TOML file that says which corpora play and which conditions are asked, and the plan it makes.

A plan depends on the study's file alone, never on what lies on disk, so every worker collects the same
cases. Nothing heavy is imported here: showing a plan takes a moment.
"""

from __future__ import annotations

import dataclasses
import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serkit.corpora import READERS
from serkit.errors import SpecError
from serkit.specs import SCRAMBLED, Augmentation, CorpusSpec, ModelSpec, Recipe, RunSpec, frozen

BUILT_IN = Path(__file__).parent / "studies"

EXHIBITS = ("table1", "figure2", "figure3")
"""The exhibits that are made of runs, in the order in which a run that serves several is given to one."""

TrainingSet = tuple[str, ...]

TEXT, SWITCH, WHOLE, NUMBER = "text", "true or false", "a whole number", "a number"
LIST, RANGE, TABLE = "a list of one or more", "[lowest, highest]", "a table"
KINDS: dict[str, Any] = {
    TEXT: str,
    SWITCH: bool,
    WHOLE: int,
    NUMBER: (int, float),
    LIST: list,
    RANGE: list,
    TABLE: dict,
}
"""What a value in a study's file can be, in the words of the messages."""

STUDY = dict(title=TEXT, caution=TEXT, paper=SWITCH, rates_percent=LIST, seeds=LIST)
STUDY |= dict.fromkeys(("model", "recipe", "augmentation", "corpora", *EXHIBITS), TABLE)
CORPUS = dict(reader=TEXT, title=TEXT, folds=WHOLE, training_clips=WHOLE, options=TABLE, scramble=TABLE)
EXHIBIT = dict(train=LIST, test=LIST)
"""The keys of a study's file, of each corpus in it and of each exhibit."""


@dataclass(frozen=True)
class Exhibit:
    """A table or figure as a study asks for it.

    Attributes:
        name: one of `EXHIBITS`.
        columns: its training sets.
        tests: the tests shown for each; empty: each set's own corpus (Table 1).
    """

    name: str
    columns: tuple[TrainingSet, ...]
    tests: tuple[str, ...] = ()


@dataclass(frozen=True)
class Study:
    """A study, checked.

    Attributes:
        name: the file's, and that of its folder under results.
        title: one line.
        caution: what a reader of its numbers must know; printed with every table; may be empty.
        paper: whether its numbers stand beside the published ones.
        rates_percent: augmentation rates.
        seeds: of each condition.
        corpora: in the order of the tables.
        titles: each corpus's name in tables.
        training_clips: about how many clips each adds to a training; orders the cases, nothing else.
        model: the network.
        recipe: the recipe.
        augmentation: what an augmented clip goes through.
        exhibits: what it shows.
    """

    name: str
    title: str
    caution: str
    paper: bool
    rates_percent: tuple[int, ...]
    seeds: tuple[int, ...]
    corpora: tuple[CorpusSpec, ...]
    titles: Mapping[str, str]
    training_clips: Mapping[str, int]
    model: ModelSpec
    recipe: Recipe
    augmentation: Augmentation
    exhibits: tuple[Exhibit, ...]

    def title_of(self, names: str | Iterable[str]) -> str:
        """A corpus, test or training set as written in tables: `MSP-Podcast+IEMOCAP-SCRAMBLED`."""
        written = []
        for name in [names] if isinstance(names, str) else names:
            base = name.removesuffix(SCRAMBLED)
            written.append(self.titles[base] + ("-SCRAMBLED" if name != base else ""))
        return "+".join(written)

    def training_sets(self) -> list[TrainingSet]:
        """Every training set that some exhibit asks for, once."""
        return list(dict.fromkeys(column for exhibit in self.exhibits for column in exhibit.columns))

    def runs(self, train: TrainingSet, augment_percent: int) -> list[RunSpec]:
        """The runs of one condition: its folds and seeds."""
        bases = {name.removesuffix(SCRAMBLED) for name in train}
        folds = max(corpus.folds for corpus in self.corpora if corpus.name in bases)
        return [
            RunSpec(
                train=train,
                corpora=self.corpora,
                augment_percent=augment_percent,
                fold=fold if folds > 1 else None,
                seed=seed,
                model=self.model,
                recipe=self.recipe,
                augmentation=self.augmentation if augment_percent else None,
            )
            for seed in self.seeds
            for fold in range(folds)
        ]


@dataclass(frozen=True)
class Case:
    """A run of the plan, and the exhibits it serves.

    Attributes:
        spec: without fingerprints.
        exhibits: the first is the one whose file in `cases/` holds the case.
        cost: expected training clips over all epochs.
    """

    spec: RunSpec
    exhibits: tuple[str, ...]
    cost: int


def plan(study: Study) -> list[Case]:
    """Every run the study needs, once, in the order of its exhibits and rates."""
    cases = []
    for train in study.training_sets():
        exhibits = tuple(exhibit.name for exhibit in study.exhibits if train in exhibit.columns)
        clips = sum(study.training_clips[name.removesuffix(SCRAMBLED)] for name in train)
        for rate in study.rates_percent:
            cases += [Case(spec, exhibits, clips * study.recipe.epochs) for spec in study.runs(train, rate)]
    return cases


def names() -> list[str]:
    """The built-in studies."""
    return sorted(path.stem for path in BUILT_IN.glob("*.toml"))


def read(name_or_file: str) -> Study:
    """A built-in study by name, or any other by its TOML file.

    Raises:
        SpecError: no such study or file, not TOML, an unknown or missing key, or a value that cannot be.
    """
    path = Path(name_or_file)
    if path.suffix != ".toml":
        path = BUILT_IN / f"{name_or_file}.toml"
        if not path.is_file():
            raise SpecError(
                f"no study {name_or_file!r}; expected one of {', '.join(names())}, or a .toml file"
            )
    try:
        with path.open("rb") as file:
            return from_toml(tomllib.load(file), path.stem)
    except OSError as error:
        raise SpecError(f"study file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"study file {path} is not TOML: {error}") from error
    except SpecError as error:
        raise SpecError(f"study {path}: {error}") from error


def from_toml(data: dict[str, Any], name: str) -> Study:
    """A study from its parsed file. Raises as `read` does."""
    _check_values("study", data, STUDY)
    for needed in ("title", "corpora"):
        if not data.get(needed):
            raise SpecError(f"{needed} is missing")
    corpora, clips = [], {}
    titles: dict[str, str] = {}
    for corpus_name, table in data["corpora"].items():
        where = f"corpora.{corpus_name}"
        _check_values(where, table, CORPUS)
        if "reader" not in table:
            raise SpecError(f"{where}: reader is missing")
        if table["reader"] not in READERS:
            raise SpecError(f"{where}: no reader {table['reader']!r}; expected one of {', '.join(READERS)}")
        corpora.append(
            CorpusSpec(
                name=corpus_name,
                reader=table["reader"],
                folds=table.get("folds", 1),
                options=frozen(table.get("options", {})),
                scramble=frozen(table.get("scramble", {})),
            )
        )
        title = table.get("title", corpus_name)
        if title in titles.values():
            raise SpecError(f"{where}: another corpus has the title {title!r} too; tables go by titles")
        titles[corpus_name] = title
        clips[corpus_name] = table.get("training_clips", 1000)
    exhibits = [_exhibit(key, data[key], corpora) for key in EXHIBITS if key in data]
    if not exhibits:
        raise SpecError(f"no exhibit is asked for; expected at least one of {', '.join(EXHIBITS)}")
    study = Study(
        name=name,
        title=data["title"],
        caution=data.get("caution", ""),
        paper=data.get("paper", False),
        rates_percent=tuple(data.get("rates_percent", (0,))),
        seeds=tuple(data.get("seeds", (0,))),
        corpora=tuple(corpora),
        titles=titles,
        training_clips=clips,
        model=_fields(ModelSpec, "model", data.get("model", {})),
        recipe=_fields(Recipe, "recipe", data.get("recipe", {})),
        augmentation=_fields(Augmentation, "augmentation", data.get("augmentation", {})),
        exhibits=tuple(exhibits),
    )
    plan(study)  # every spec checks itself
    return study


def _exhibit(name: str, table: dict[str, Any], corpora: list[CorpusSpec]) -> Exhibit:
    _check_values(name, table, EXHIBIT)
    for column in table.get("train", ()):
        _check_value(f"{name}.train", column, LIST)
    known = [test for corpus in corpora for test in corpus.tests]
    columns = tuple(tuple(column) for column in table.get("train", ()))
    tests = tuple(table.get("test", ()))
    for word in (*tests, *(corpus for column in columns for corpus in column)):
        if word not in known:
            raise SpecError(f"{name}: no corpus {word!r}; expected one of {', '.join(known)}")
    if not columns:
        raise SpecError(f"{name}: train is missing; expected a list of training sets")
    if name == "table1" and (tests or any(len(column) != 1 for column in columns)):
        raise SpecError(
            "table1 trains and tests on one corpus a row: train = [[...], ...] of one corpus, no test"
        )
    if name != "table1" and not tests:
        raise SpecError(f"{name}: test is missing; expected a list of corpora")
    return Exhibit(name, columns, tests)


def _fields(kind: Any, where: str, table: dict[str, Any]) -> Any:
    words = {"int": WHOLE, "float": NUMBER, "float | None": NUMBER, "str": TEXT, "str | None": TEXT}
    words |= {"Range": RANGE, "tuple[str, ...]": LIST}
    _check_values(where, table, {field.name: words[str(field.type)] for field in dataclasses.fields(kind)})
    return kind(
        **{key: None if key == "weights" and value == "" else frozen(value) for key, value in table.items()}
    )


def _check_values(where: str, table: Any, known: Mapping[str, str]) -> None:
    """Checks a table's keys, and that each value is of the kind that `known` says."""
    _check_value(where, table, TABLE)
    for key, value in table.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise SpecError(f"{where}: unknown key {key!r}{hint} (known: {', '.join(known)})")
        _check_value(key if known is STUDY else f"{where}.{key}", value, known[key])


def _check_value(where: str, value: Any, kind: str) -> None:
    is_kind = isinstance(value, KINDS[kind]) and (kind == SWITCH or not isinstance(value, bool))
    if not is_kind or value == []:
        raise SpecError(f"{where} = {value!r}: expected {kind}")
    if kind == LIST:
        twice = [item for number, item in enumerate(value) if item in value[:number]]
        if twice:
            raise SpecError(f"{where}: {twice[0]!r} twice")


def data_folder(ini: str = "") -> Path | None:
    """Where corpora are looked for: $SERKIT_DATA, else the ini value `serkit_data`, else nowhere."""
    given = os.environ.get("SERKIT_DATA") or ini
    return Path(given).expanduser() if given else None


def results_root(ini: str = "") -> Path:
    """Where results go: $SERKIT_RESULTS, else the ini value `serkit_results`, else `results`."""
    return Path(os.environ.get("SERKIT_RESULTS") or ini or "results").expanduser()
