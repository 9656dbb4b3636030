"""Studies: a TOML file that says which corpora play and which conditions are asked, and the plan it makes.

A plan depends on the study's file alone, never on what lies on disk, so every worker collects the same
cases. Nothing heavy is imported here: showing a plan takes a moment.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark import study_corpora
from benchmark.study_file import (
    LIST,
    NUMBER,
    RANGE,
    SWITCH,
    TABLE,
    TEXT,
    WHOLE,
    check_value,
    check_values,
    parsed,
    study_name,
)
from serkit import encoders, labels
from serkit.corpora import title_of as known_as
from serkit.effects import Augmentation
from serkit.errors import SpecError
from serkit.settings import check, number, one_line, plain
from serkit.specs import (
    MEASUREMENT,
    AcousticsSpec,
    CorpusSpec,
    ModelSpec,
    Recipe,
    RunSpec,
    Spec,
    frozen,
    in_order,
)
from serkit.words import did_you_mean, printable, shown

BUILT_IN = Path(__file__).parent / "studies"

EXHIBITS = ("table1", "tuning", "figure2", "figure3", "figure4")
"""The exhibits, in the order in which a run that serves several is given to one."""

MEASURED_CLIP_COST = 100
"""What measuring one clip costs in the time of training clips: both are rough, and order cases only."""

TrainingSet = tuple[str, ...]

MOST_CASES = 20_000
"""Of a plan; the paper's has 419. Each is trained, listed and stored."""

STUDY = dict(title=TEXT, caution=TEXT, paper=SWITCH, settled=SWITCH, rates_percent=LIST, seeds=LIST)
STUDY |= dict.fromkeys(("model", "recipe", "augmentation", "corpora", *EXHIBITS), TABLE)
EXHIBIT = dict(train=LIST, test=LIST)
TUNING = dict(train=LIST, learning_rates=LIST, batch_sizes=LIST)
ACOUSTICS = dict(corpora=LIST, clips=WHOLE, p835_clips=WHOLE, seed=WHOLE)
"""The keys of a study's file, of each exhibit, of the tuning and of Figure 4."""


@dataclass(frozen=True)
class Exhibit:
    """A table or figure of trainings as a study asks for it.

    Attributes:
        name: one of `EXHIBITS` but the tuning and Figure 4.
        columns: its training sets.
        tests: the tests shown for each; empty: each set's own corpus (Table 1).
    """

    name: str
    columns: tuple[TrainingSet, ...]
    tests: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tuning:
    """The light tuning that a row of Table 1 shows (§4): one corpus at 0 %, a grid of recipes.

    Attributes:
        train: the training set; Table 1 has it too.
        learning_rates: the grid's rows.
        batch_sizes: its columns.
    """

    train: TrainingSet
    learning_rates: tuple[float, ...]
    batch_sizes: tuple[int, ...]


@dataclass(frozen=True)
class Acoustics:
    """Figure 4 as a study asks for it: the acoustics of some corpora, as delivered and augmented.

    Attributes:
        raw: what is measured as delivered, a measurement a corpus.
        augmented: the same clips augmented, in the same order; empty where no rate is above 0 %.
    """

    raw: tuple[AcousticsSpec, ...]
    augmented: tuple[AcousticsSpec, ...]


@dataclass(frozen=True)
class Study:
    """A study, checked.

    Attributes:
        name: the file's, and that of its folder under results.
        given: as a user names it in a command: the name of a built-in study, else the path of its file.
        title: one line.
        caution: what a reader of its numbers must know; printed with every table; may be empty.
        paper: whether its numbers stand beside the published ones.
        settled: whether each run's loss must have levelled off in the tail (§2.2); false where a study is too
            short for that.
        rates_percent: augmentation rates.
        seeds: of each condition.
        corpora: in the order of the tables.
        titles: each corpus's name in tables.
        expected_training_clips: about how many clips each adds to a training; orders the cases, nothing else.
        model: the network.
        recipe: the recipe.
        augmentation: what an augmented clip goes through.
        exhibits: what it shows, in the order of `EXHIBITS`.
        tuning: the grid behind Table 1's tuned row, if any.
        figure4: the acoustics behind Figure 4, if any.
    """

    name: str
    given: str
    title: str
    caution: str
    paper: bool
    settled: bool
    rates_percent: tuple[int, ...]
    seeds: tuple[int, ...]
    corpora: tuple[CorpusSpec, ...]
    titles: Mapping[str, str]
    expected_training_clips: Mapping[str, int]
    model: ModelSpec
    recipe: Recipe
    augmentation: Augmentation
    exhibits: tuple[Exhibit, ...]
    tuning: Tuning | None = None
    figure4: Acoustics | None = None

    def title_of(self, names: str | Iterable[str]) -> str:
        """A corpus, test or training set as written in tables: `MSP-Podcast+IEMOCAP-SCRAMBLED`."""
        each = [names] if isinstance(names, str) else names
        return "+".join(labels.title_of(name, self.titles) for name in each)

    def titled(self, message: str) -> str:
        """What a reader says of a corpus, which begins with its own title for it, under the study's."""
        known, _, why = message.partition(": ")
        for corpus in self.corpora:
            title = self.titles[corpus.name]
            if title != known == known_as(corpus.reader, dict(corpus.options)):
                return f"{title} ({known}): {why}"
        return message

    def grid(self) -> list[Recipe]:
        """The recipes that the tuning compares, row by row: the study's with another rate and batch size."""
        if self.tuning is None:
            return []
        return [
            dataclasses.replace(self.recipe, learning_rate=rate, batch_size=size)
            for rate in self.tuning.learning_rates
            for size in self.tuning.batch_sizes
        ]

    def folds(self, train: Iterable[str]) -> int:
        """How many folds a training set has; 1 where none of its corpora has any."""
        bases = {labels.corpus_of(name) for name in train}
        return max(corpus.folds for corpus in self.corpora if corpus.name in bases)

    def runs(self, train: TrainingSet, augment_percent: int, recipe: Recipe | None = None) -> list[RunSpec]:
        """The runs of one condition: its folds and seeds; by the study's recipe unless another is given."""
        folds = self.folds(train)
        augmentation = self.augmentation if augment_percent else None
        common = (augment_percent, self.model, recipe or self.recipe, augmentation)
        return [
            _run(train, self.corpora, fold if folds > 1 else None, seed, *common)
            for seed in self.seeds
            for fold in range(folds)
        ]


@functools.lru_cache(maxsize=1 << 14)
def _run(
    train: TrainingSet,
    corpora: tuple[CorpusSpec, ...],
    fold: int | None,
    seed: int,
    augment_percent: int,
    model: ModelSpec,
    recipe: Recipe,
    augmentation: Augmentation | None,
) -> RunSpec:
    """A run, checked once: a report asks for each some hundred times."""
    return RunSpec(train, corpora, augment_percent, fold, seed, model, recipe, augmentation)


@dataclass(frozen=True)
class Case:
    """A run or a measurement of the plan, and the exhibits it serves.

    Attributes:
        spec: without fingerprints.
        exhibits: the first is the one whose file in `cases/` holds the case.
        cost: expected training clips over all epochs, or as much time.
        tuned: whether its recipe is another than the study's.
        turn: when it is run: 0 baselines, which every change is relative to; 1 all else at the lowest rate,
            which augmentation is compared with; 2 the rest. So an interim report has something to say.
    """

    spec: Spec
    exhibits: tuple[str, ...]
    cost: int
    tuned: bool = False
    turn: int = 2

    @property
    def id(self) -> str:
        """What pytest calls it: its label, of a tuned run as `iemocap-aug0-fold03-lr0.01-batch16`."""
        if not self.tuned or self.spec.kind == MEASUREMENT:
            return self.spec.label
        return f"{self.spec.label}-lr{self.spec.recipe.learning_rate}-batch{self.spec.recipe.batch_size}"


def plan(study: Study) -> list[Case]:
    """Every run and measurement the study needs, once, in the order of its exhibits and rates."""
    serves: dict[RunSpec, list[str]] = {}
    for name in EXHIBITS:
        for spec in _runs_shown(study, name):
            serves.setdefault(spec, []).append(name)
    cases = [
        Case(spec, tuple(exhibits), _cost(study, spec), spec.recipe != study.recipe, _turn(study, spec))
        for spec, exhibits in serves.items()
    ]
    if study.figure4:
        for measured in (*study.figure4.raw, *study.figure4.augmented):
            clips = min(measured.clips, study.expected_training_clips[measured.corpus.name])
            cases.append(Case(measured, ("figure4",), clips * MEASURED_CLIP_COST))
    return cases


def size(study: Study) -> str:
    """How much a study asks for, in words: `125 runs, 4 measurements`."""
    cases = plan(study)
    measured = sum(case.spec.kind == MEASUREMENT for case in cases)
    return f"{len(cases) - measured} runs" + (f", {measured} measurements" if measured else "")


def _runs_shown(study: Study, name: str) -> Iterator[RunSpec]:
    """The runs that one exhibit is made of."""
    if name == "tuning" and study.tuning:
        for recipe in study.grid():
            yield from study.runs(study.tuning.train, 0, recipe)
    for exhibit in study.exhibits:
        if exhibit.name == name:
            for train in exhibit.columns:
                for rate in study.rates_percent:
                    yield from study.runs(train, rate)


def _turn(study: Study, spec: RunSpec) -> int:
    if spec.recipe != study.recipe or spec.augment_percent > min(study.rates_percent):
        return 2
    alone = len(spec.train) == 1 and spec.train == spec.trained_on
    return 0 if alone and spec.augment_percent == 0 else 1


def _cost(study: Study, spec: RunSpec) -> int:
    clips = 0
    for name in spec.trained_on:
        expected, cap = study.expected_training_clips[name], spec.corpus(name).max_training_clips
        clips += expected if cap is None else min(expected, cap)
    return clips * spec.recipe.epochs


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
            hint = did_you_mean(name_or_file, names())
            raise SpecError(
                f"no study {shown(name_or_file)}; expected one of {', '.join(names())}, or a .toml file{hint}"
            )
    name = study_name(path)
    data = parsed(path)
    try:
        return from_toml(data, name, printable(name_or_file))
    except SpecError as error:
        raise SpecError(f"study {path}: {error}") from error


def from_toml(data: dict[str, Any], name: str, given: str = "") -> Study:
    """A study from its parsed file, which a user names `given`, or by its name. Raises as `read` does."""
    plain("", data, finite=False)
    check_values("study", data, STUDY)
    for needed in ("title", "corpora"):
        if not data.get(needed):
            raise SpecError(f"{needed} is missing")
    corpora = study_corpora.specs(data["corpora"])
    if not any(key in data for key in EXHIBITS):
        raise SpecError(f"no exhibit is asked for; expected at least one of {', '.join(EXHIBITS)}")
    exhibits = [_exhibit(key, data[key], corpora) for key in ("table1", "figure2", "figure3") if key in data]
    tuning = _tuning(data["tuning"], corpora, exhibits) if "tuning" in data else None
    rates = tuple(data.get("rates_percent", (0,)))
    seeds = tuple(data.get("seeds", (0,)))
    for rate in rates:
        number("run.augment_percent", rate, "augmentation rate")
    for seed in seeds:
        number("run.seed", seed, "seed")
    model = _fields(ModelSpec, "model", data.get("model", {}))
    encoders.check(model)
    augmentation = _fields(Augmentation, "augmentation", data.get("augmentation", {}))
    figure4 = None
    if "figure4" in data:
        figure4 = _acoustics(data["figure4"], corpora, augmentation if any(rates) else None)
    study = Study(
        name=name,
        given=given or name,
        title=one_line("title", data["title"]),
        caution=" ".join(data.get("caution", "").split()),
        paper=data.get("paper", False),
        settled=data.get("settled", True),
        rates_percent=rates,
        seeds=seeds,
        corpora=tuple(corpora),
        titles=study_corpora.titles(corpora, data["corpora"]),
        expected_training_clips={
            name: table.get("expected_training_clips", 1000) for name, table in data["corpora"].items()
        },
        model=model,
        recipe=_fields(Recipe, "recipe", data.get("recipe", {})),
        augmentation=augmentation,
        exhibits=tuple(exhibits),
        tuning=tuning,
        figure4=figure4,
    )
    asked = sum(len(exhibit.columns) * len(rates) for exhibit in exhibits) + len(study.grid())
    most = max(corpus.folds for corpus in corpora) * len(seeds) * asked
    check(most <= MOST_CASES, f"up to {most:,} cases; expected {MOST_CASES:,} at most. Ask for fewer {MANY}")
    plan(study)  # every spec checks itself
    return study


MANY = "folds, seeds, rates_percent or training sets"


def _exhibit(name: str, table: dict[str, Any], corpora: list[CorpusSpec]) -> Exhibit:
    check_values(name, table, EXHIBIT)
    tests = tuple(table.get("test", ()))
    columns = _columns(name, table, corpora, tests)
    if name == "table1" and (tests or any(len(column) != 1 for column in columns)):
        raise SpecError(
            "table1 trains and tests on one corpus a row: train = [[...], ...] of one corpus, no test"
        )
    if name != "table1" and not tests:
        raise SpecError(f"{name}: test is missing; expected a list of corpora")
    return Exhibit(name, columns, tests)


def _tuning(table: dict[str, Any], corpora: list[CorpusSpec], exhibits: list[Exhibit]) -> Tuning:
    check_values("tuning", table, TUNING)
    columns = _columns("tuning", table, corpora)
    if len(columns) != 1 or len(columns[0]) != 1:
        raise SpecError(
            f"tuning.train = {shown(table['train'])}: expected one training set of one corpus, as"
            f" {[[columns[0][0]]]!r}"
        )
    for key, setting in {
        "learning_rates": "recipe.learning_rate",
        "batch_sizes": "recipe.batch_size",
    }.items():
        if key not in table:
            raise SpecError(f"tuning: {key} is missing; expected {LIST}")
        for value in table[key]:
            number(setting, value, f"tuning.{key}")
    if not any(exhibit.name == "table1" and columns[0] in exhibit.columns for exhibit in exhibits):
        raise SpecError(
            f"tuning is a row of Table 1 beside the untuned one: add {list(columns[0])} to table1.train"
        )
    rates = tuple(float(rate) for rate in table["learning_rates"])  # 1 and 1.0 are one id
    return Tuning(columns[0], rates, tuple(table["batch_sizes"]))


def _acoustics(
    table: dict[str, Any], corpora: list[CorpusSpec], augmentation: Augmentation | None
) -> Acoustics:
    check_values("figure4", table, ACOUSTICS)
    known = {corpus.name: corpus for corpus in corpora}
    for name in table.get("corpora", known):
        check_value("figure4.corpora", name, TEXT)
        if name not in known:
            raise SpecError(f"figure4: no corpus {shown(name)}; expected one of {', '.join(known)}")
    chosen = [known[name] for name in table.get("corpora", known)]
    settings = {key: value for key, value in table.items() if key != "corpora"}
    try:
        return Acoustics(
            raw=tuple(AcousticsSpec(corpus, **settings) for corpus in chosen),
            augmented=tuple(AcousticsSpec(corpus, augmentation, **settings) for corpus in chosen)
            if augmentation
            else (),
        )
    except SpecError as error:
        raise SpecError(f"figure4: {error}") from error


def _columns(
    where: str, table: dict[str, Any], corpora: list[CorpusSpec], tests: Iterable[str] = ()
) -> tuple[TrainingSet, ...]:
    """The training sets of a table; they and its tests name corpora that are there."""
    for column in table.get("train", ()):
        check_value(f"{where}.train", column, LIST)
    known = [test for corpus in corpora for test in corpus.tests]
    given = table.get("train", ())
    for word in (*tests, *(corpus for column in given for corpus in column)):
        if word not in known:
            raise SpecError(f"{where}: no corpus {shown(word)}; expected one of {', '.join(known)}")
    if not given:
        raise SpecError(f"{where}: train is missing; expected a list of training sets")
    columns = [in_order(column, corpora) for column in given]
    check_value(f"{where}.train, in the order of [corpora]", [list(column) for column in columns], LIST)
    return tuple(columns)


def _fields(kind: Any, where: str, table: dict[str, Any]) -> Any:
    words = {"int": WHOLE, "float": NUMBER, "float | None": NUMBER, "str": TEXT, "str | None": TEXT}
    words |= {"Range": RANGE, "tuple[str, ...]": LIST}
    check_values(where, table, {field.name: words[str(field.type)] for field in dataclasses.fields(kind)})
    return kind(
        **{key: None if key == "weights" and value == "" else frozen(value) for key, value in table.items()}
    )


def data_folder(ini: str = "", root: Path | None = None) -> Path | None:
    """Where corpora are looked for: $SERKIT_DATA, else the ini value `serkit_data`, else nowhere.

    Args:
        ini: a path relative to `root`, the ini file's folder; $SERKIT_DATA is one where the command is typed.
        root: see there.

    Returns:
        an absolute path.
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
