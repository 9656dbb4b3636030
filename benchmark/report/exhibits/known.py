"""What is known of a study's corpora beforehand, since they were made so: the verdicts that must come out.

A study of generated speech has a true answer. Where a verdict says otherwise once all its runs are done, the
session fails: a harness that cannot find what is there is not to be believed about what is not known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmark.report.terms import FAILS, HOLDS, UNTOLD
from benchmark.study import Condition, Study
from benchmark.study_file import NUMBER, TABLE
from serkit.settings import check, one_of
from serkit.words import shown

if TYPE_CHECKING:
    from benchmark.report.cells import Cells
    from benchmark.report.judging import Verdict

PLACE = 11
NAMES = {"known": "What is known beforehand"}
KEYS = {"answers": TABLE, "wF1": NUMBER}
SAID = (
    "What is known of its corpora beforehand, as of generated speech: a session that finds otherwise fails."
)
SETTINGS = {
    "answers": (
        {"learnt": HOLDS, "noticed": [HOLDS, UNTOLD]},
        f"names of verdicts, as in verdicts.json, each with {HOLDS!r}, {FAILS!r} or {UNTOLD!r}, or several.",
    ),
    "wF1": (0.7, "the least, at the lowest rate, of each corpus that is trained on alone."),
}
REFERENCE = {"known": (SAID, SETTINGS)}


@dataclass(frozen=True)
class Known:
    """Answers by the names of verdicts, and the least wF1 of a corpus's own networks."""

    answers: tuple[tuple[str, tuple[str, ...]], ...]
    least: float
    columns = tests = measurements = ()

    def conditions(self, study: Study) -> list[Condition]:
        """None of its own."""
        return []

    def wrong(self, cells: Cells, verdicts: Sequence[Verdict], done: bool) -> Iterator[str]:
        """What did not come out, a line each; before all is done, what cannot come out."""
        found = {verdict.name: verdict for verdict in verdicts}
        for name, answers in self.answers:
            known = f"{name}: known: {' or '.join(answers)}"
            if name not in found:
                yield f"{known}; there is no such verdict, expected one of {', '.join(found)}"
            elif done and found[name].answer not in answers:
                yield f"{known}; found: {found[name].answer}. {found[name].sentence}"
        yield from self._less(cells) if done and self.least else ()

    def _less(self, cells: Cells) -> Iterator[str]:
        study, rate = cells.study, min(cells.study.rates_percent)
        for name in (corpus.name for corpus in study.corpora if (corpus.name,) in study.training_sets()):
            score = cells.row((name,), name, rate)["wF1"]
            if not score >= self.least:
                own = f"{study.titles[name]} by networks of its own at {rate} %"
                yield f"{own}: wF1 {score:.3f}; known: {self.least:g} or more"


def ask(name: str, table: Mapping[str, Any], study: Study) -> Known:
    """Answers, each one of the three, and a wF1."""
    answers = {
        verdict: tuple(given) if isinstance(given, list) else (given,)
        for verdict, given in table.get("answers", {}).items()
    }
    for verdict, given in answers.items():
        check(bool(given), f"{name}.answers.{verdict}: expected an answer")
        for answer in given:
            one_of(f"{name}.answers.{verdict}", answer, (HOLDS, FAILS, UNTOLD))
    least = float(table.get("wF1", 0.0))
    check(0 <= least <= 1, f"{name}.wF1 = {shown(least)}: expected a wF1, between 0 and 1")
    check(bool(answers or least), f"{name}: expected answers or wF1")
    alone = any(len(train) == 1 for train in study.training_sets())
    check(alone or not least, f"{name}.wF1: this study trains on no corpus alone")
    return Known(tuple(answers.items()), least)
