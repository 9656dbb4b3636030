"""Do the corpora share what the network learns of a label, or does it keep a set of labels for each?

No single number says. Four kinds of evidence are weighed, each named, and where they disagree that is said:

* *direction*: where labels are shared, what permuted labels cost goes to the partner label; a loss that
  spreads evenly is a disturbance, and says neither;
* *held-out cells*: a label that a corpus lacks in training is known from the other corpus, or is not;
* *the unseen corpus*: whether what one corpus is taught reaches clips of neither; it never decides, since a
  network with two sets of labels may label strange clips by either;
* *the probe*: whether the corpora can be told apart in the embedding. They can before anything is trained, so
  it never speaks for separate labels by itself; only where they cannot does it speak against them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.report import intervals
from benchmark.report.exhibits import heldout, permuted
from benchmark.report.intervals import Spread
from benchmark.report.judging import FAILS, HOLDS, UNTOLD, Family, Verdict, guessing
from benchmark.report.tables import signed
from benchmark.report.verdicts import scramble
from benchmark.study import TrainingSet
from serkit.labels import LABELS, corpus_of
from serkit.words import many

if TYPE_CHECKING:
    from benchmark.report.cells import Cells

PLACE = 6
NAME, CLAIM = "separates", "The network keeps a set of labels for each corpus"
UNIT = "recall, of unseen corpora wF1"
SHARED, SEPARATE, NEITHER = "shared", "separate", "neither"
APPLIED = (
    "So what is taught of one corpus is applied to clips of the other: because labels are shared, or because"
    " clips are taken for the other corpus's, which this does not tell."
)
HARDLY = 0.1
"""Recall of a label that a corpus lacks, above what else is called so: less is hardly knowing it. Ours."""


@dataclass(frozen=True)
class Evidence:
    """What one kind of evidence says: `SHARED`, `SEPARATE` or `NEITHER`, and in words."""

    speaks: str
    words: str
    changes: tuple[tuple[str, Spread], ...] = ()


def judge(cells: Cells, numbers: Mapping[str, Any]) -> list[Verdict]:
    """One verdict; none of a study that trains on no two corpora with a control."""
    asked = scramble.contradictions(cells) or "heldout" in cells.study.exhibits
    if not asked:
        return []
    found = [of for of in (_direction(cells), _heldout(cells), _third(cells)) if of]
    if not found:
        return [Verdict(NAME, CLAIM, UNTOLD, _nothing(cells))]
    shared = [of for of in found if of.speaks == SHARED]
    separate = [of for of in found if of.speaks == SEPARATE]
    answer = FAILS if shared and not separate else HOLDS if separate and not shared else UNTOLD
    said = " ".join(of.words for of in found)
    if probe := _probe(cells):
        said += f" {probe}"
    if answer == FAILS:
        said += f" {APPLIED}"
    if shared and separate:
        said += " The evidence disagrees, so neither is concluded."
    elif not shared and not separate:
        said += " None of this says whether labels are shared or kept apart."
    return [Verdict(NAME, CLAIM, answer, said, tuple(each for of in found for each in of.changes), UNIT)]


def _nothing(cells: Cells) -> str:
    sets = [tuple(map(corpus_of, train)) for train in scramble.contradictions(cells)]
    sets += cells.study.exhibits["heldout"].columns if "heldout" in cells.study.exhibits else []
    guessed = filter(None, (guessing(cells, train) for train in dict.fromkeys(sets)))
    why = "; ".join(guessed)
    known = f"cannot be said: nothing was learnt ({why})" if why else "cannot be said yet: no control is done"
    return f"Whether labels are shared or kept apart {known}."


def _learnt(cells: Cells, train: TrainingSet) -> bool:
    """Whether a joint training shows that it learnt something on true labels."""
    true, rate = tuple(map(corpus_of, train)), min(cells.study.rates_percent)
    return not guessing(cells, true) and any(cells.row(true, name, rate)["above"] for name in true)


def _direction(cells: Cells) -> Evidence | None:
    """Where the loss by permuted labels goes, on the corpora trained on, at the lowest rate."""
    rate = min(cells.study.rates_percent)
    sets = [train for train in scramble.contradictions(cells) if _learnt(cells, train)]
    every = [of for train in sets for of in permuted.directions(cells, train, rate)]
    own = [of for of in every if of.corpus in map(corpus_of, of.train)]
    lost = [of for of in own if of.lost().known]
    if not lost:
        return None
    clear = intervals.holm([of.lost().p for of in lost]) < intervals.CHANCE
    costly = [of for of, so in zip(lost, clear, strict=True) if so and of.lost().mean > 0]
    if not costly:
        means = [of.lost().mean for of in lost]
        span = " to ".join(dict.fromkeys((signed(min(means)), signed(max(means)))))
        words = f"permuted labels cost no recall clearly ({span} in {many(len(lost), 'case')})"
        return Evidence(NEITHER, f"Direction of errors: {words}, so there is no loss to follow.")
    beyond = [of.beyond() for of in costly]
    to_partner = intervals.holm([of.p for of in beyond]) < intervals.CHANCE
    drawn = [of.mean > 0 and bool(so) for of, so in zip(beyond, to_partner, strict=True)]
    changes, parts = [], []
    for of, more, so in zip(costly, beyond, drawn, strict=True):
        where = f"{cells.study.titles[of.corpus]} ({cells.study.title_of(of.train)})"
        changes.append((f"to the partner beyond the usual, {where}", more))
        said = f"of {of.lost().mean:.2f} lost on {where} {_share(of.share())} goes to the partner label"
        said += f" ({of.usual():.0%} of the errors on true labels do)"
        parts.append(said + ", clearly more than errors do anyway" * so)
    begin = f"Direction of errors: recall is clearly lost in {len(costly)} of {many(len(lost), 'case')}"
    elsewhere = all(of.share()[2] < 1 for of in costly)
    end = ". Whether more goes there than errors do anyway cannot be told"
    if any(drawn):
        end = ""
    elif elsewhere:
        end = ". A loss that spreads like this is a disturbance, and no sign of shared labels"
    speaks = SHARED if any(drawn) else NEITHER
    return Evidence(speaks, f"{begin}: {'; '.join(parts)}{end}.", tuple(changes))


def _share(share: tuple[float, float, float]) -> str:
    """A share with its interval, in percent."""
    mean, low, high = share
    if np.isnan(mean):
        return "an unknown share"
    return f"{mean:.0%}" + ("" if np.isnan(low) else f" [{low:.0%}, {high:.0%}]")


def _heldout(cells: Cells) -> Evidence | None:
    """Whether labels that a corpus lacks are known, over joint trainings, their corpora and rates."""
    asked = cells.study.exhibits.get("heldout")
    if asked is None:
        return None
    found = []
    for joint in asked.columns if asked else ():
        for rate in asked.rates if _learnt(cells, joint) else ():
            for corpus in joint:
                cell = heldout.by_label(cells, joint, corpus, rate)[len(LABELS)]
                if (above := cell.above()).known:
                    found.append((f"{cells.study.titles[corpus]} without it, {rate} %", above, cell))
    if not found:
        return None
    clear = intervals.holm([above.p for _, above, _ in found]) < intervals.CHANCE
    known = [above.mean > 0 and so for (_, above, _), so in zip(found, clear, strict=True)]
    words = []
    for name, above, cell in found:
        ends = f"{signed(above.mean)} [{signed(above.low)}, {signed(above.high)}]"
        held = f"{name}: {cell.held.mean:.2f} of its clips, {ends} above what else is called so"
        words.append(f"{held}, {_share(cell.share())} of the recall with it")
    hardly = all(above.high < HARDLY for _, above, _ in found)
    speaks = SHARED if any(known) else SEPARATE if hardly else NEITHER
    said = {
        SHARED: f"is known from the other in {sum(known)} of {many(len(found), 'case')}",
        SEPARATE: f"is hardly known from the other, by less than {HARDLY} everywhere",
        NEITHER: "may or may not be known from the other, which cannot be told",
    }[speaks]
    changes = tuple((f"held out, {name}", above) for name, above, _ in found)
    sentence = f"Held-out cells: a label that a corpus lacks in joint training {said} ({'; '.join(words)})."
    return Evidence(speaks, sentence, changes)


def _third(cells: Cells) -> Evidence | None:
    """Whether permuted labels of one corpus reach corpora that are not trained on.

    A network with a set of labels for each corpus may label strange clips by either, so this never decides.
    """
    rate = min(cells.study.rates_percent)
    changes = [
        scramble.of_place(cells, train, corpus.name, rate)
        for train in scramble.contradictions(cells)
        for corpus in cells.study.corpora
        if corpus.name not in map(corpus_of, train)
    ]
    family = Family(cells.study, changes)
    if not family.counted:
        return None
    said = f"Unseen corpora, when one corpus's labels are permuted: {family.said()}"
    if any(family.clear()):
        said += "; what one corpus is taught is applied to clips of neither, by shared labels or by its own"
    named = tuple((f"unseen, {each.name}", each.spread) for each in family.counted)
    return Evidence(NEITHER, f"{said}.", named)


def _probe(cells: Cells) -> str:
    """How well joint trainings' corpora are told apart, from the embedding and from plain statistics."""
    rate, words = min(cells.study.rates_percent), []
    for train in dict.fromkeys(tuple(map(corpus_of, of)) for of in scramble.contradictions(cells)):
        read: dict[str, list[float]] = {"embedding": [], "statistics": [], "outputs": []}
        for result in cells.runs(train, rate).values():
            pairs = result.get("probe", {}).get("corpus", {})
            for pair, of in pairs.items():
                if set(pair.split("+")) <= set(train):
                    for name, values in read.items():
                        values += [of[name]] if of.get(name) is not None else []
        if all(read.values()):
            means = {name: float(np.mean(values)) for name, values in read.items()}
            words.append(
                f"{cells.study.title_of(train)}: a linear probe tells its corpora apart in"
                f" {means['embedding']:.0%} of clips by the embedding, {means['statistics']:.0%} by log-mel"
                f" statistics, {means['outputs']:.0%} by the outputs (50 % by chance)"
            )
    if not words:
        return ""
    return f"Probe: {'; '.join(words)}; that they can be told apart does not say that labels are kept apart."
