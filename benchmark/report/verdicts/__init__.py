"""What a study says of each question: a verdict, made from its numbers alone.

A question is a module of this folder, found by name, with `PLACE` (its order) and `judge(cells, numbers)`,
which gives verdicts: a claim, whether it holds, does not hold or cannot be told, and a sentence with the
numbers that say so. `numbers` are those of the exhibits. What questions have in common is in
`benchmark.report.judging`; the paper's own numbers are judged in `benchmark.report.claims`.

A claim holds, or does not, only where intervals decide it; all else cannot be told, and it is said how many
times as large a study would be likely to tell. Where nothing was learnt, that is said first and nothing else
is concluded.
"""

from __future__ import annotations

import functools
import importlib
import json
import math
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

from benchmark.report.claims import in_print
from benchmark.report.judging import Verdict
from benchmark.report.tables import Table
from benchmark.report.terms import FAILS
from serkit.labels import treatment_of

if TYPE_CHECKING:
    from benchmark.report.cells import Cells
    from benchmark.study import Study

GAP = "data augmentation bridge the gap between speech-emotion corpora"
MEMORY = "the network learn emotions at all, or does it memorise each corpus"


def question(study: Study) -> str:
    """The paper's, as far as a study asks it; empty where it asks neither half.

    At one rate no gap is bridged, and without permuted labels nothing tells emotions from corpora.
    """
    permuted = any(map(treatment_of, (name for train in study.training_sets() for name in train)))
    asked = [GAP] * (len(study.rates_percent) > 1) + [MEMORY] * permuted
    return f"Does {', and does '.join(asked)}?" if asked else ""


@functools.cache
def questions() -> tuple[ModuleType, ...]:
    """The questions, in their order."""
    found = [
        importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)
    ]
    return tuple(sorted(found, key=lambda question: question.PLACE))


PARTS = {
    "Bridging the gap": ("transfer", "bridge", "own-falls", "unseen-augmented", "unseen-falls"),
    "Emotions or corpora": ("separates", "noticed", "unnoticed", "joint", "joint-unseen"),
}
"""The two parts of the question, and the claims that answer each."""


SCOPE = (
    "All of it is of these networks, corpora and recipes; intervals hold other speakers of these corpora and"
    " other trainings. Each of the {} verdicts is judged by itself."
)


def answer(found: Sequence[Verdict]) -> list[str]:
    """The answer to the question: a sentence a part, each made of verdicts and of nothing else."""
    by_name = {verdict.name: verdict for verdict in found}  # of joint trainings, with their corpora behind
    if (learnt := by_name.get("learnt")) and learnt.answer == FAILS:
        return [f"Nothing was learnt, so nothing is concluded. {learnt.sentence}"]
    said = []
    for part, names in PARTS.items():
        asked = [of for name in names for key, of in by_name.items() if key.split()[0] == name]
        parts = [f"{of.claim[0].lower()}{of.claim[1:]} ({of.answer})" for of in asked]
        said.append(f"{part}: {'; '.join(parts) or 'this study does not ask'}.")
    return [*said, SCOPE.format(len(found))]


def table(found: Sequence[Verdict]) -> Table:
    """The verdicts as a table: claim, verdict, what is known of it or printed in the paper, and why."""
    if any(of.known for of in found):
        beside, told = "Known", {of.name: of.known for of in found}
        legend = "Known: what must come out, since the corpora were made so."
    else:
        beside, told = "In print", in_print()
        legend = (
            "In print: what the paper's printed numbers decide of its own claim (docs/reading-the-paper.md)."
            " By the most noise that its tables show, no claim that nothing changes could have held, whatever"
            " was printed."
        )
    rows = [
        [of.claim, of.answer, told.get(of.name, told.get(of.name.split()[0], "")), of.sentence]
        for of in found
    ]
    return Table("verdicts", "Verdicts", ["Claim", "Here", beside, "Why"], rows, (legend,), aside=True)


def as_json(found: Sequence[Verdict]) -> str:
    """The verdicts with every digit, a JSON list; what is not known is null."""
    ends = ("mean", "low", "high", "p")
    every = [
        {
            **{name: getattr(of, name) for name in ("name", "claim", "answer", "sentence", "unit")},
            "changes": [
                {
                    "of": name,
                    **{end: _number(getattr(spread, end)) for end in ends},
                    "n": spread.n,
                    "over": spread.of,
                }
                for name, spread in of.changes
            ],
        }
        for of in found
    ]
    return json.dumps(every, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def verdicts(cells: Cells, numbers: Mapping[str, Any] | None = None) -> list[Verdict]:
    """All verdicts, from the runs that are done; the first says whether anything was learnt."""
    found = [verdict for question in questions() for verdict in question.judge(cells, numbers or {})]
    if set(cells.study.exhibits) <= {"worlds", "known"}:  # of all else nothing is asked
        found = [of for of in found if of.name.startswith("told-")]
    asked = cells.study.exhibits.get("known")
    known = dict(asked.answers) if asked else {}
    return [replace(of, known=" or ".join(known.get(of.name, ()))) for of in found]
