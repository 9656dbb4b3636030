"""Studies: a TOML file that says which corpora play and which exhibits are asked for, and the plan it makes.

A plan depends on the study's file alone, never on what lies on disk, so every worker collects the same
cases. Nothing heavy is imported: showing a plan takes a moment. What an exhibit asks for, its module in
`benchmark/report/exhibits` knows.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import os
import pkgutil
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from benchmark import study_file
from benchmark.study_file import LIST, MAX_ITEMS, SWITCH, TABLE, TEXT, check_value, check_values
from serkit import encoders, labels
from serkit.corpora import title_of as known_as
from serkit.effects import Augmentation
from serkit.errors import SpecError
from serkit.settings import check, number, one_line, one_of, plain
from serkit.specs import (
    MEASUREMENT,
    TRAINING,
    CorpusSpec,
    ModelSpec,
    Recipe,
    RunSpec,
    Spec,
    check_name,
    frozen,
    in_order,
)
from serkit.words import did_you_mean, printable, shown

BUILT_IN = Path(__file__).parent / "studies"

MEASURED_CLIP_COST = 100
"""What measuring one clip costs in the time of training clips: both are rough, and order cases only."""
MAX_CASES = 20_000
"""Cases of a plan; the paper's has 419. Each is trained, listed and stored."""

SPECS = {"model": ModelSpec, "recipe": Recipe, "augmentation": Augmentation}
"""Tables of a study's file that say how each run is made."""

TrainingSet = tuple[str, ...]


class How(NamedTuple):
    """What is trained, and by which recipe."""

    model: ModelSpec
    recipe: Recipe


class Condition(NamedTuple):
    """Trainings that are averaged, those of `study.runs(*condition)`: all folds and seeds."""

    train: TrainingSet
    augment_percent: int
    how: How | None = None  # otherwise than the study


@dataclass(frozen=True)
class Grid:
    """An exhibit of training sets and tests, at every rate of the study.

    Attributes:
        columns: its training sets.
        tests: the tests shown for each; empty: each set's own corpora (Table 1).
    """

    columns: tuple[TrainingSet, ...]
    tests: tuple[str, ...] = ()
    measurements = ()

    def conditions(self, study: Study) -> list[Condition]:
        """The trainings that it shows."""
        return [Condition(train, rate) for train in self.columns for rate in study.rates_percent]


@dataclass(frozen=True)
class Control:
    """Training sets at some rates, each beside what it is compared with.

    Attributes:
        columns: its training sets.
        rates: of the study's.
        how: they are trained; each is compared with the same as the study trains. None: as that does; each is
            compared with the same corpora under true labels.
    """

    columns: tuple[TrainingSet, ...]
    rates: tuple[int, ...]
    how: How | None = None
    tests = measurements = ()

    def conditions(self, study: Study) -> list[Condition]:
        """Both of each."""
        found = []
        for rate in self.rates:
            for train in self.columns:
                beside = train if self.how else tuple(map(labels.corpus_of, train))
                found += [Condition(train, rate, self.how), Condition(beside, rate)]
        return found


@functools.cache
def kinds() -> tuple[ModuleType, ...]:
    """The kinds of exhibit: the modules of `benchmark/report/exhibits`, in the order of a report."""
    folder = Path(__file__).parent / "report" / "exhibits"
    names = (f"benchmark.report.exhibits.{module.name}" for module in pkgutil.iter_modules([str(folder)]))
    found = (importlib.import_module(name) for name in names)  # a call: tests/test_security.py lists them
    return tuple(sorted(found, key=lambda kind: kind.PLACE))


def exhibits() -> dict[str, ModuleType]:
    """The kind of every exhibit that a study may ask for, by its name, in the order of a report."""
    return {name: kind for kind in kinds() for name in kind.NAMES}


def keys() -> dict[str, str]:
    """The keys of a study's file, each with the kind of its value."""
    known = dict(title=TEXT, caution=TEXT, paper=SWITCH, settled=SWITCH, rates_percent=LIST, seeds=LIST)
    return known | dict.fromkeys((*SPECS, "corpora", *exhibits()), TABLE)


_run = functools.lru_cache(maxsize=1 << 14)(RunSpec)
"""A run, checked once: a report asks for each some hundred times."""


@dataclass(frozen=True)
class Study:
    """A study, checked.

    Attributes:
        name: the file's, and that of its folder under results.
        given: as a user asks for it in a command: the name of a built-in study or the path of its file,
            quoted for a shell, and the number of seeds where one was asked for.
        title: one line.
        corpora: in the order of the tables.
        titles: each corpus's name in tables.
        expected_training_clips: about how many clips each adds to a training; orders the cases, nothing else.
        caution: what a reader of its numbers must know; printed with every table; may be empty.
        paper: whether its numbers stand beside the published ones.
        settled: whether each run's loss must have levelled off in the tail (§2.2); false where a study is too
            short for that.
        rates_percent: augmentation rates.
        seeds: of each condition.
        exhibits: what it shows, by name, in the order of a report (`benchmark.report.exhibits`).
        brought: the corpora that an exhibit makes for itself.
    """

    name: str
    given: str
    title: str
    corpora: tuple[CorpusSpec, ...]
    titles: Mapping[str, str]
    expected_training_clips: Mapping[str, int]
    model: ModelSpec
    recipe: Recipe
    augmentation: Augmentation
    caution: str = ""
    paper: bool = False
    settled: bool = True
    rates_percent: tuple[int, ...] = (0,)
    seeds: tuple[int, ...] = (0,)
    exhibits: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    brought: frozenset[str] = dataclasses.field(default_factory=frozenset)

    def title_of(self, names: str | Iterable[str]) -> str:
        """A corpus, test or training set as written in tables: `MSP-Podcast+IEMOCAP-SCRAMBLED`."""
        each = (names,) if isinstance(names, str) else in_order(names, self.corpora)
        return "+".join(labels.title_of(name, self.titles) for name in each)

    def titled(self, message: str) -> str:
        """A reader's message about a corpus, with the study's title in place of the reader's own."""
        known, _, why = message.partition(": ")
        for corpus in self.corpora:
            title = self.titles[corpus.name]
            if title != known == known_as(corpus.reader, dict(corpus.options)):
                return f"{title} ({known}): {why}"
        return message

    def corpus(self, name: str) -> CorpusSpec:
        """The corpus behind a name of a training set or a test."""
        return next(corpus for corpus in self.corpora if corpus.name == labels.corpus_of(name))

    @functools.cached_property
    def conditions(self) -> tuple[Condition, ...]:
        """Those of all exhibits."""
        return tuple(at for exhibit in self.exhibits.values() for at in exhibit.conditions(self))

    def training_sets(self) -> list[TrainingSet]:
        """The training sets of all exhibits, each once."""
        return list(dict.fromkeys(condition.train for condition in self.conditions))

    @property
    def how(self) -> How:
        """How its conditions are trained unless they say otherwise."""
        return How(self.model, self.recipe)

    def runs(self, train: TrainingSet, augment_percent: int, how: How | None = None) -> list[RunSpec]:
        """The runs of one condition: its folds and seeds; as the study trains unless `how` says otherwise."""
        names = {labels.corpus_of(name) for name in train}
        most = max(corpus.n_trainings for corpus in self.corpora if corpus.name in names)
        tested = self.corpora
        if not names & self.brought:  # what an exhibit makes for itself is no test of others' runs
            tested = tuple(corpus for corpus in tested if corpus.name not in self.brought)
        model, recipe = how or self.how
        recipe = model.recipe(recipe, augment_percent)
        way = model, recipe, self.augmentation if augment_percent else None
        return [
            _run(train, tested, augment_percent, fold, seed, *way)
            for seed in self.seeds
            for fold in (range(most) if most > 1 else [None])
        ]


@dataclass(frozen=True)
class Case:
    """A run or a measurement of the plan, and the exhibits it serves.

    Attributes:
        spec: without fingerprints.
        exhibits: in the order of a report; the first is the one whose file in `cases/` holds the case.
        cost: expected training clips over all epochs, or as much time.
        tuned: whether its recipe is another than the study's, and its network the same.
        turn: when it is run: 0 baselines, which every change is relative to; 1 all else at the lowest rate,
            which augmentation is compared with; 2 the rest. So an interim report has something to say.
        mark: behind its label where another run of the plan has the same, as of two networks by one function.
    """

    spec: Spec
    exhibits: tuple[str, ...]
    cost: int
    tuned: bool = False
    turn: int = 2
    mark: str = ""

    @property
    def id(self) -> str:
        """Its name in pytest: the label, of a tuned run for example `iemocap-aug0-fold03-lr0.01-batch16`."""
        if not self.tuned:
            return self.spec.label + self.mark
        assert self.spec.kind == TRAINING
        recipe = self.spec.recipe
        return f"{self.spec.label}-lr{recipe.learning_rate}-batch{recipe.batch_size}"


def plan(study: Study) -> list[Case]:
    """Every run and measurement the study needs, once, in the order of its exhibits and rates."""
    serves: dict[Spec, list[str]] = {}
    for name, asked in study.exhibits.items():
        runs = [run for condition in asked.conditions(study) for run in study.runs(*condition)]
        for spec in dict.fromkeys((*runs, *asked.measurements)):
            serves.setdefault(spec, []).append(name)
    cases = [_case(study, spec, tuple(names)) for spec, names in serves.items()]
    same = Counter(case.id for case in cases)
    return [
        case if same[case.id] == 1 else dataclasses.replace(case, mark=_mark(case.spec)) for case in cases
    ]


def _mark(spec: Spec) -> str:
    """What tells a run from another of its label: digits over what its key is made of."""
    return f"-{hashlib.sha256(spec.canonical().encode()).hexdigest()[:6]}"


def _case(study: Study, spec: Spec, names: tuple[str, ...]) -> Case:
    expected = study.expected_training_clips
    if spec.kind == MEASUREMENT:
        return Case(spec, names, MEASURED_CLIP_COST * min(spec.clips, expected[spec.corpus.name]))
    caps = {name: spec.corpus(name).max_training_clips for name in spec.trained_on}
    clips = sum(min(expected[name], cap or expected[name]) for name, cap in caps.items())
    tuned, turn = spec.model == study.model and not spec.model.fitted and spec.recipe != study.recipe, 2
    if not tuned and spec.augment_percent <= min(study.rates_percent):
        alone = len(spec.train) == 1 and spec.train == spec.trained_on
        turn = 0 if alone and spec.augment_percent == 0 else 1
    return Case(spec, names, clips * spec.recipe.epochs, tuned, turn)


def size(study: Study) -> str:
    """How much a study asks for, in words: `125 runs, 4 measurements`."""
    cases = plan(study)
    measured = sum(case.spec.kind == MEASUREMENT for case in cases)
    return f"{len(cases) - measured} runs" + (f", {measured} measurements" if measured else "")


def names() -> list[str]:
    """The built-in studies."""
    return sorted(path.stem for path in BUILT_IN.glob("*.toml"))


def read(name_or_file: str, seeds: int | None = None) -> Study:
    """A built-in study by name, or any other by its TOML file; with the seeds 0, 1, ... if a number is given.

    Raises:
        SpecError: no such study or file, not TOML, an unknown or missing key, or a value that cannot be.
    """
    path = Path(name_or_file)
    if path.suffix != ".toml":
        path = BUILT_IN / f"{name_or_file}.toml"
        if not path.is_file():
            expected = f"expected one of {', '.join(names())}, or a .toml file"
            hint = did_you_mean(name_or_file, names())
            raise SpecError(f"no study {shown(name_or_file)}; {expected}{hint}")
    name, data = study_file.study_name(path), study_file.parsed(path)
    encoders.BESIDE[:] = [path.parent, *(folder for folder in encoders.BESIDE if folder != path.parent)]
    try:
        given = shlex.quote(printable(name_or_file))
        if seeds is None:
            return from_toml(data, name, given)
        return from_toml({**data, "seeds": list(range(seeds))}, name, f"{given} --seeds {seeds}")
    except SpecError as error:
        raise SpecError(f"study {path}: {error}") from error


def from_toml(data: dict[str, Any], name: str, given: str = "") -> Study:
    """A study from its parsed file, which a user names `given`, or by its name. Raises as `read` does."""
    plain("", data, finite=False)
    check_values("study", data, keys())
    check(bool(data.get("title")), "title is missing")
    asked = {exhibit: kind for exhibit, kind in exhibits().items() if exhibit in data}
    tables = _tables(data, asked)
    corpora = study_file.corpora(tables)
    check(bool(asked), f"no exhibit is asked for; expected at least one of {', '.join(exhibits())}")
    for rate in data.get("rates_percent", ()):
        number("run.augment_percent", rate, "augmentation rate")
    for seed in data.get("seeds", ()):
        number("run.seed", seed, "seed")
    values = {key: frozen(data[key]) for key in ("paper", "settled", "rates_percent", "seeds") if key in data}
    study = Study(
        name=name,
        given=given or name,
        title=one_line("title", data["title"]),
        corpora=corpora,
        titles=study_file.titles(corpora, tables),
        expected_training_clips={
            corpus: table.get("expected_training_clips", 1000) for corpus, table in tables.items()
        },
        caution=" ".join(data.get("caution", "").split()),
        brought=frozenset(tables) - frozenset(data.get("corpora", {})),
        **values | {table: study_file.spec(of, table, data.get(table, {})) for table, of in SPECS.items()},
    )
    encoders.check(study.model)
    for exhibit, kind in asked.items():
        check_values(exhibit, data[exhibit], kind.KEYS)
        shows = {**study.exhibits, exhibit: kind.ask(exhibit, data[exhibit], study)}
        study = dataclasses.replace(study, exhibits=shows)
    most = max(corpus.folds for corpus in corpora) * len(study.seeds) * len(study.conditions)
    most += sum(len(of.measurements) for of in study.exhibits.values())
    fewer = "Ask for fewer folds, seeds, rates_percent or training sets"
    check(most <= MAX_CASES, f"up to {most:,} cases; expected {MAX_CASES:,} at most. {fewer}")
    plan(study)  # every spec checks itself
    return study


def _tables(data: Mapping[str, Any], asked: Mapping[str, ModuleType]) -> dict[str, Any]:
    """The tables of its corpora: those of the file, and those that an exhibit brings."""
    own, bring = data.get("corpora", {}), {name: of for name, of in asked.items() if hasattr(of, "corpora")}
    check(bool(own or bring), "corpora is missing")
    check(len(own) <= MAX_ITEMS, f"corpora: {len(own):,} of them; expected {MAX_ITEMS} at most")
    found = dict(own)
    for exhibit, kind in bring.items():
        check_values(exhibit, data[exhibit], kind.KEYS)
        brought = kind.corpora(data[exhibit], data.get("seeds", [0]))
        taken = "".join(sorted(found.keys() & brought)[:1])
        check(not taken, f"corpora.{taken}: [{exhibit}] makes a corpus of that name; give it another")
        found |= brought
    return found


def training_sets(
    where: str, table: Mapping[str, Any], study: Study, tests: Iterable[str] = ()
) -> tuple[TrainingSet, ...]:
    """The training sets under the key `train` of the exhibit `where`, in the order of the corpora.

    Raises:
        SpecError: there are none, one is twice, or one of them or of `tests` is no corpus of the study.
    """
    given = table.get("train", ())
    for column in given:
        check_value(f"{where}.train", column, LIST)
    for word in (*tests, *(corpus for column in given for corpus in column)):
        check(isinstance(word, str), f"{where}: {shown(word)}: expected the name of a corpus")
        check_name(f"{where}: corpus", word, study.corpora)
    check(bool(given), f"{where}: train is missing; expected a list of training sets")
    columns = [in_order(column, study.corpora) for column in given]
    check_value(f"{where}.train, in the order of [corpora]", [list(column) for column in columns], LIST)
    return tuple(columns)


def true_sets(where: str, table: Mapping[str, Any], study: Study) -> tuple[TrainingSet, ...]:
    """Training sets as `training_sets` gives them, each of corpora under their true labels."""
    columns = training_sets(where, table, study)
    for column in columns:
        true = not any(map(labels.treatment_of, column))
        check(true, f"{where}.train {list(column)}: expected corpora under their true labels")
    return columns


def joint_sets(where: str, table: Mapping[str, Any], study: Study) -> tuple[TrainingSet, ...]:
    """Training sets as `training_sets` gives them, each of two corpora or more under their true labels."""
    columns = training_sets(where, table, study)
    for column in columns:
        joint = len(column) > 1 and not any(map(labels.treatment_of, column))
        check(joint, f"{where}.train {list(column)}: expected two corpora or more, under their true labels")
    return columns


def rates(where: str, table: Mapping[str, Any], study: Study) -> tuple[int, ...]:
    """The rates under `rates_percent` of an exhibit, some of the study's; the lowest unless it says so."""
    given = tuple(table.get("rates_percent", (min(study.rates_percent),)))
    for rate in given:
        one_of(f"{where}.rates_percent", rate, study.rates_percent)
    return given


def data_folder(ini: str = "", root: Path | None = None) -> Path | None:
    """Where corpora are looked for, absolute: $SERKIT_DATA, else the ini value `serkit_data`, else nowhere.

    The ini value is relative to `root`, the ini file's folder; $SERKIT_DATA to where the command is typed.
    """
    if given := os.environ.get("SERKIT_DATA"):
        return Path(os.path.expanduser(given)).absolute()
    return (root or Path()).absolute() / os.path.expanduser(ini) if ini else None


def results_root(ini: str = "") -> Path:
    """Where results go: $SERKIT_RESULTS, else the ini value `serkit_results`, else `results`.

    Raises:
        SpecError: it begins with `~`, and this user has no home folder.
    """
    given = os.environ.get("SERKIT_RESULTS") or ini or "results"
    try:
        return Path(given).expanduser()
    except RuntimeError as error:
        raise SpecError(
            f"results folder {given}: this user has no home folder; write the whole path"
        ) from error
