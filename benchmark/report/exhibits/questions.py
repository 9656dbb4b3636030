"""A study's own questions: one cell against another, judged as the paper's claims are.

They have no table of their own: their verdicts stand with the others (`benchmark.report.verdicts.asked`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.report.terms import ABOVE, BELOW, MARGIN, WITHIN
from benchmark.study import Condition, Study, TrainingSet
from benchmark.study_file import LIST, NUMBER, TABLES, TEXT, WHOLE, check_values
from serkit.settings import check, one_line, one_of
from serkit.specs import check_name, in_order
from serkit.words import shown

PLACE = 10
NAMES = {"questions": "The study's own questions"}
KEYS = {"ask": LIST}
EXPECTS = (ABOVE, BELOW, WITHIN)
QUESTION = {"claim": TEXT, "of": TABLES, "less": TABLES, "expect": TEXT, "margin": NUMBER}
CELL = {"train": LIST, "test": TEXT, "augment_percent": WHOLE}
EXAMPLE = [
    {
        "claim": "EmoDB teaches more of mine than mine of EmoDB",
        "of": {"train": ["emodb"], "test": "mine"},
        "less": {"train": ["mine"], "test": "mine"},
        "expect": ABOVE,
    }
]
SAID = (
    "Its own questions. Each is a claim in a line, and a cell less another on one corpus (train, test and,"
    " unless it is the lowest of the study, augment_percent); of several in a list, the sum, as many on each"
    " corpus in both."
)
SETTINGS = {
    "ask": (
        EXAMPLE,
        f"a table each; expect: above or below 0, or within the margin ({MARGIN} unless given) of it.",
    ),
}
REFERENCE = {"questions": (SAID, SETTINGS)}


Cell = tuple[TrainingSet, str, int]
"""Training set, test, rate."""


@dataclass(frozen=True)
class Question:
    """A claim, and the cells whose sum, less that of others, decides it."""

    claim: str
    of: tuple[Cell, ...]
    less: tuple[Cell, ...]
    expect: str
    margin: float


@dataclass(frozen=True)
class Questions:
    """What a study asks by itself."""

    asked: tuple[Question, ...]
    tests = measurements = ()

    def conditions(self, study: Study) -> list[Condition]:
        """The trainings of the cells of each."""
        return [Condition(train, rate) for each in self.asked for train, _, rate in (*each.of, *each.less)]


def ask(name: str, table: Mapping[str, Any], study: Study) -> Questions:
    """Questions, each checked."""
    given = table.get("ask", ())
    check(bool(given), f"{name}: ask is missing; expected one or more [[{name}.ask]]")
    return Questions(
        tuple(_question(f"{name}.ask {number + 1}", of, study) for number, of in enumerate(given))
    )


def _question(where: str, table: Any, study: Study) -> Question:
    check_values(where, table, QUESTION)
    for key in ("claim", "of", "less", "expect"):
        check(key in table, f"{where}: {key} is missing")
    one_of(f"{where}: expect", table["expect"], EXPECTS)
    of, less = (_cells(f"{where}.{key}", table[key], study) for key in ("of", "less"))
    on_each = [Counter(study.corpus(test).name for _, test, _ in side) for side in (of, less)]
    paired = "expected as many cells on each corpus in both, clip by clip the same"
    check(on_each[0] == on_each[1], f"{where}: {_tests(of)} less {_tests(less)}: {paired}")
    check(not set(of) & set(less), f"{where}: a cell less itself")
    once = all(len(set(side)) == len(side) for side in (of, less))
    check(once, f"{where}: a cell twice on one side, whose network is one")
    margin = float(table.get("margin", MARGIN))
    check(0 < margin < 1, f"{where}: margin = {shown(margin)}: expected a change of wF1, between 0 and 1")
    return Question(one_line(f"{where}: claim", table["claim"]), of, less, table["expect"], margin)


def _tests(cells: tuple[Cell, ...]) -> str:
    return " and ".join(test for _, test, _ in cells)


def _cells(where: str, given: Any, study: Study) -> tuple[Cell, ...]:
    tables = given if isinstance(given, list) else [given]
    return tuple(_cell(where, table, study) for table in tables)


def _cell(where: str, table: Mapping[str, Any], study: Study) -> Cell:
    check_values(where, table, CELL)
    for key in ("train", "test"):
        check(key in table, f"{where}: {key} is missing")
    for word in (*table["train"], table["test"]):
        check(isinstance(word, str), f"{where}: {shown(word)}: expected the name of a corpus")
        check_name(f"{where}: corpus", word, study.corpora)
    rate = table.get("augment_percent", min(study.rates_percent))
    one_of(f"{where}: augment_percent", rate, study.rates_percent)
    (train, (test,)) = (in_order(names, study.corpora) for names in (table["train"], [table["test"]]))
    one_of(f"{where}: test", test, study.runs(train, rate)[0].tests_of(study.corpus(test)))
    return train, test, rate
