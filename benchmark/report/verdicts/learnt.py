"""Was anything learnt? Each corpus by networks of its own, at the lowest rate, on clips not learnt from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from benchmark.report.intervals import Spread
from benchmark.report.judging import Verdict
from benchmark.report.terms import FAILS, HOLDS, UNTOLD

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = 0
NAME, CLAIM = "learnt", "The networks learn something of each corpus they are trained on"


def judge(cells: Cells, numbers: Mapping[str, Any]) -> list[Verdict]:
    """One verdict, over the corpora that are trained on alone; while some is not done, it cannot be told."""
    study, rate = cells.study, min(cells.study.rates_percent)
    alone = [corpus.name for corpus in study.corpora if (corpus.name,) in study.training_sets()]
    words, changes, known, undone = [], [], {}, []
    for name in alone:
        row, title = cells.row((name,), name, rate), study.titles[name]
        learnt = cells.learnt((name,), name, rate)
        if row["runs"] < row["runs_expected"]:
            undone.append(f"{row['runs']} of {row['runs_expected']} runs of {title} are done")
        if learnt is None:
            continue
        known[title] = learnt.shown and row["above"]
        spread = cells.units((name,), name, rate).around()
        ends = f" [{row['wF1_low']:.2f}, {row['wF1_high']:.2f}]" if spread.known else ", without an interval"
        words.append(f"{title} {row['wF1']:.2f}{ends}, {row['wF1_constant']:.2f} without listening")
        constant = row["wF1_constant"]
        changes.append((title, Spread(*(at - constant for at in (spread.mean, spread.low, spread.high)))))
    if not known:
        why = "no corpus is trained on alone" if not alone else "no such training is done"
        return [Verdict(NAME, CLAIM, UNTOLD, f"Whether anything was learnt cannot be said yet: {why}.")]
    lost = [title for title, shown in known.items() if not shown]
    said = f"wF1 on its own test clips at {rate} %: {'; '.join(words)}"
    if lost:
        said += f". Nothing that can be told from guessing was learnt of {' and '.join(lost)}"
        said += ", so nothing that rests on it alone is concluded"
    answer = HOLDS if not lost else FAILS if len(lost) == len(known) else UNTOLD
    if undone:
        answer, said = UNTOLD, f"{said}. So far {' and '.join(undone)}"
    return [Verdict(NAME, CLAIM, answer, f"{said}.", tuple(changes), "wF1 above a constant's", None)]
