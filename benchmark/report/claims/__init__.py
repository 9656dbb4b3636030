"""What the paper's own printed numbers decide of its claims.

Its claims stand in `benchmark/paper/claims.toml` (`stated`). How sure a printed number is, its tables tell
between two ends, the least noise and the most (`noise`); a claim is decided where both give one answer.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scipy import stats

from benchmark.report.claims.noise import CLIPS, Estimate, Printed
from benchmark.report.claims.stated import Claim, Contrast, claims
from benchmark.report.intervals import CHANCE, holm
from benchmark.report.power import MOST_UNITS, POWER, needed
from benchmark.report.tables import Table, signed
from benchmark.report.terms import FAILS, HOLDS, UNTOLD
from serkit.words import many


@dataclass(frozen=True)
class Said:
    """What print decides of a claim."""

    answer: str
    numbers: str  # the printed changes, each with half its interval by the least and by the most noise
    why: str  # what the answer rests on
    repetitions: str  # how many would see the claim's effect with 80 % power, in words


def printed(claim: Claim, tables: Printed) -> Said:
    """What printed numbers decide of a claim. Raises KeyError: a cell of a contrast is not printed."""
    least, most = ([end(of) for of in claim.contrasts] for end in (tables.least, tables.most))
    ends = [decided(claim.contrasts, estimates) for estimates in (least, most)]
    answers = {answer(claim, of) for of in ends}
    told = answers.pop() if len(answers) == 1 else UNTOLD
    told = UNTOLD if told == HOLDS and not claim.follows else told
    numbers = filter(None, [_shown(tables, of) for of in (claim.contrasts, claim.beside)])
    why = filter(None, [_why(claim, *ends), _picked(claim, tables), claim.beyond])
    return Said(told, "; beside: ".join(numbers), " ".join(why), _repetitions(claim, most))


@functools.cache
def in_print() -> dict[str, str]:
    """The answer to each claim, by its name."""
    tables = Printed()
    return {name: printed(claim, tables).answer for name, claim in claims().items()}


def table() -> Table:
    """What print decides of each claim, a row a claim."""
    rows, tables = [], Printed()
    for claim in claims().values():
        said = printed(claim, tables)
        words = [said.numbers or "no number", said.answer, said.why, said.repetitions]
        rows.append([f"{claim.claim} ({claim.section})", *words])
    headers = ["The paper's claim", "In print (± least to most)", "Answer", "Why", "To see a change"]
    return Table("claims", "What the paper's numbers decide", headers, rows, _legend(tables))


def decided(contrasts: Sequence[Contrast], estimates: Sequence[Estimate]) -> list[str]:
    """Of each contrast whether it is as the claim has it, after Holm's correction over all."""
    sides = [contrast.side(of.mean) for contrast, of in zip(contrasts, estimates, strict=True)]
    p = [of.p(far) for of, (_, far) in zip(estimates, sides, strict=True)]
    return [
        (HOLDS if side else FAILS) if clear else UNTOLD
        for (side, _), clear in zip(sides, holm(p) < CHANCE, strict=True)
    ]


def answer(claim: Claim, decided: Sequence[str]) -> str:
    """That to a claim, by what is decided of its contrasts."""
    one, other = (FAILS, HOLDS) if claim.need == "all" else (HOLDS, FAILS)
    if one in decided:
        return one
    return other if decided and set(decided) == {other} else UNTOLD


def _shown(tables: Printed, contrasts: Iterable[Contrast]) -> str:
    """Each contrast's mean, and half its interval by the least and by the most noise."""
    said = []
    for contrast in contrasts:
        least, most = tables.least(contrast), tables.most(contrast)
        digits = next(at for at in (2, 3, 4) if at == 4 or round(least.mean, at) == least.mean)
        mean = signed(least.mean, digits)
        said.append(f"{contrast.of} {mean} (±{least.half:.3f} to ±{most.half:.3f})")
    return "; ".join(said)


def _why(claim: Claim, least: Sequence[str], most: Sequence[str]) -> str:
    """The test, and which contrasts pass and fail it at either end of the noise."""
    if not claim.contrasts:
        return f"It would take {claim.decides}."
    names = [contrast.of for contrast in claim.contrasts]
    how = f"the least noise tells {_told(names, least)}, the most {_told(names, most)}"
    return f"Tested is {claim.decides}: of {many(len(names), 'contrast')} {how}."


def _told(names: Sequence[str], decided: Sequence[str]) -> str:
    """How many are clearly as claimed and clearly otherwise, and which where it is only some."""
    said = []
    for told, how in ((HOLDS, "as claimed"), (FAILS, "otherwise")):
        found = [name for name, one in zip(names, decided, strict=True) if one == told]
        which = f" ({'; '.join(found)})" * (len(found) < len(names))
        said += [f"{len(found)} {how}{which}"] if found else []
    return " and ".join(said) or "none"


def _picked(claim: Claim, tables: Printed) -> str:
    """What picking the best of several trainings gives by noise alone."""
    if claim.chosen_among < 2:
        return ""
    by_noise = expected_best(claim.chosen_among) * tables.training.variance**0.5
    return (
        f"The best of {claim.chosen_among} trainings that differ by the most noise alone, if it is chosen by"
        f" such a number, is expected {by_noise:.2f} above one of them that was named before; how it was"
        " chosen the paper does not say."
    )


def expected_best(n: int) -> float:
    """The expected largest of some standard normal numbers."""
    return n * float(stats.norm.expect(lambda x: x * stats.norm.cdf(x) ** (n - 1)))


def _repetitions(claim: Claim, most: Sequence[Estimate]) -> str:
    """How many repetitions see the claim's effect in every contrast, by the most noise of a training."""
    if not most:
        return "No number of repetitions follows: 0 printed numbers measure it."
    found = [needed(of.parts["training"] ** 2, claim.effect, len(most)) for of in most]
    known = [number for number in found if number]
    number = many(max(known), "repetition") if known == found else f"more than {MOST_UNITS:,}"
    return (
        f"By the most noise of a training {number} would see a change of {claim.effect:.2f} with"
        f" {100 * POWER:.0f} % power in each contrast."
    )


def _legend(tables: Printed) -> tuple[str, ...]:
    offset, null = tables.offset(), ", ".join(map(signed, tables.null))
    clips = ", ".join(f"{number:,} ({corpus})" for corpus, number in CLIPS.items())
    return (
        "±: half a 95 % interval of each change alone. Least noise: rounding, and the clips of the test drawn"
        " anew, for two networks that differ on no more of them than they must. Most: besides, two networks"
        " err on unrelated clips, and trainings differ as the two do that are one problem (Figure 3 less"
        f" Figure 2, column B on itself: {null}; an RMS of {tables.rms:.2f} with {len(tables.null)} degrees"
        " of freedom). For want of another, IEMOCAP's stands in for all. wF1 is taken for the share of clips"
        f" that is right, of {clips}; the paper prints none of these counts.",
        "A claim is decided where both ends give one answer, after Holm's correction over its contrasts."
        " Between them nothing in print decides: read as an offset that all rates share, the five are"
        f" {signed(offset.mean)} ±{offset.half:.2f}, and say nothing of how far two trainings"
        " differ; and from one augmented rate to the next, cells of Figures 2 and 3 move by an RMS of"
        f" {tables.step():.2f}, real changes included, where the most has {tables.rms:.2f}, which is too"
        " much for these if each was trained by itself. Neither end has what other speakers would give: no"
        " number by speaker is printed.",
        "A repetition trains every condition once more, all folds, on the same test clips. The size of a"
        " change is the claim's where it names one, else ours.",
    )
