"""Worlds: which indicator tells emotions that corpora share from others, where the truth is known.

Generated corpora (`serkit.worlds`) have two dials, what an emotion sounds like in each (`meaning`) and how
far their channels are apart (`mismatch`). In each such world the same trainings are done: joint ones on A and
B, under true and under permuted labels of B, and without a label of B. What can be read from them is compared
between worlds, over casts: each has other speakers, other texts and other networks.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmark.report.exhibits import Section, baseline, heldout, permuted
from benchmark.report.later import figures, intervals, np, pd, tables
from benchmark.study import Condition, Study, TrainingSet
from benchmark.study_file import LIST, SWITCH, WHOLE
from serkit.corpora.synthetic import MEANINGS, ROLES, heard
from serkit.labels import treated
from serkit.results import Store
from serkit.settings import check, number, one_of
from serkit.specs import RunSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from benchmark.report.cells import Cells
    from benchmark.report.intervals import Spread

PLACE = 9
NAMES = {"worlds": "Worlds with a known answer: what tells shared emotions from others"}
KEYS = {"meanings": LIST, "mismatches": LIST, "speakers": WHOLE, "clips": WHOLE, "statistics": SWITCH}
SAID = "Worlds: corpora A, B and C are generated for each meaning and mismatch, and for each seed anew."
SETTINGS = {
    "meanings": (list(MEANINGS), "of emotions in A, B and C (docs/worlds.md)."),
    "mismatches": ([0.0, 0.5, 1.0], "of their channels."),
    "speakers": (40, "of A and of B; a fifth of them is tested."),
    "clips": (8, "of each speaker."),
    "statistics": (True, "whether log-mel statistics and a logistic regression are trained, too."),
}
REFERENCE = {"worlds": (SAID, SETTINGS)}
UNSEEN = {"speakers": 8, "clips": 8, "folds": 4}
"""C is tested only, in all its folds."""
WAYS = ("network", "statistics")


class World(NamedTuple):
    """What is chosen of a world, and the studies of its runs, whose seed is its cast."""

    way: str
    meaning: str
    mismatch: float
    cast: int
    study: Study  # of joint training
    alone: Study  # of networks of A, which are tested in the worlds of every meaning at once

    @property
    def corpora(self) -> TrainingSet:
        """The names of A, B and C."""
        return tuple(_name(self.meaning, self.mismatch, role, self.cast) for role in ROLES)


INDICATORS = {
    "learnt": "wF1 of joint training, mean of A and B",
    "transfer": "wF1 on B of networks of A",
    "loss": "wF1 lost by permuted labels of B, mean of A and B",
    "far": "the same by the permutation that crosses arousal",
    "partner": "recall drawn to the partner label by permuted labels, mean of A and B",
    "unseen": "wF1 lost on C by permuted labels of B",
    "heldout": "recall of a label that B lacks, above what else is called so, mean over labels",
    "probe": "recall of the corpus from the embedding of joint training",
    "probe permuted": "the same under permuted labels of B",
}
RATES = {"transfer": 1, "far": 1, "heldout": 2}
"""Those read at so many of the lowest rates; the others at all."""
FEW = 3
"""Casts below which there is no interval: the deviation of two may be near 0 by luck."""
TELLING = ("loss", "partner", "unseen", "heldout")
"""Those that are to tell shared emotions from others, in pictures and verdicts."""
LEGEND = (
    "Means over casts, each of other speakers, texts and networks, with the 95 % interval (Student's) where"
    " there are three or more. Apart: shared less disjoint, cast by cast (*: clear after Holm's correction"
    " over the table). Told: of three casts or more, how many single ones are called rightly by the"
    " midpoint between the means of all others; about half by chance.",
)


@dataclass(frozen=True)
class Worlds:
    """Every world of a study."""

    all: tuple[World, ...]
    meanings: tuple[str, ...]
    mismatches: tuple[float, ...]
    columns = tests = ()

    @functools.cached_property
    def measurements(self) -> tuple[RunSpec, ...]:
        """The runs of all worlds, which are tested on the corpora of their own world."""
        asked = [(world.alone, _alone(world)) for world in self.all]
        asked += [(world.study, of) for world in self.all for of in _joint(world)]
        return tuple(dict.fromkeys(run for study, of in asked for run in study.runs(*of)))

    def conditions(self, study: Study) -> list[Condition]:
        """None on all corpora at once."""
        return []


def _alone(world: World) -> Condition:
    return Condition(world.corpora[:1], min(world.study.rates_percent))


def _joint(world: World) -> list[Condition]:
    a, b, _ = world.corpora
    rates = sorted(world.study.rates_percent)
    near, far = treated(b, "near"), treated(b, "far")
    found = [Condition((a, far), rates[0])]
    found += [Condition(train, rate) for rate in rates for train in ((a, b), (a, near))]
    if world.meaning != "swapped":  # there the other corpus teaches a wrong label
        found += [
            Condition(train, rate)
            for rate in rates[: RATES["heldout"]]
            for train in heldout.lacking((a, b), b)
        ]
    return found


def corpora(table: Mapping[str, Any], seeds: Sequence[int]) -> dict[str, dict[str, Any]]:
    """The tables of the corpora of all worlds, by name, as a study's file would have them."""
    found = {}
    for meaning, mismatch, cast in itertools.product(*_dials(table), seeds):
        for role in ROLES:
            size = UNSEEN if role == "C" else dict(_size(table), folds=1)
            own, name = heard(role, meaning), _name(meaning, mismatch, role, cast)
            options = dict(role=role, meaning=own, mismatch=mismatch, seed=cast, **size)
            title = f"{role} {cast}, {own}, {mismatch:g}"
            found[name] = dict(reader="synthetic", title=title, options=options, expected_training_clips=192)
    return found


def _dials(table: Mapping[str, Any]) -> tuple[list[str], list[float]]:
    meanings, mismatches = (list(table.get(key, SETTINGS[key][0])) for key in ("meanings", "mismatches"))
    for meaning in meanings:
        one_of("worlds.meanings", meaning, MEANINGS)
    return meanings, [number("synthetic.mismatch", at, "worlds.mismatches") for at in mismatches]


def _size(table: Mapping[str, Any]) -> dict[str, int]:
    return {key: table.get(key, SETTINGS[key][0]) for key in ("speakers", "clips")}


def _name(meaning: str, mismatch: float, role: str, cast: int) -> str:
    return f"{heard(role, meaning)}{round(100 * mismatch)}{role}{cast}"


def ask(name: str, table: Mapping[str, Any], study: Study) -> Worlds:
    """Its worlds, each a study of three corpora and one seed."""
    meanings, mismatches = _dials(table)
    whole = "expected whole percent, each once: they are in the names of corpora"
    check(all(at == round(at, 2) for at in mismatches), f"worlds.mismatches: {_listed(mismatches)}: {whole}")
    ways = WAYS[: 1 + table.get("statistics", SETTINGS["statistics"][0])]
    found = []
    for way, mismatch, cast in itertools.product(ways, mismatches, study.seeds):
        of = replace(study, seeds=(cast,), exhibits={})
        if way == "statistics":
            how = baseline.statistics(study)
            of = replace(of, model=how.model, recipe=how.recipe)
        names = {meaning: [_name(meaning, mismatch, role, cast) for role in ROLES] for meaning in meanings}
        alone = _of(of, itertools.chain(*names.values()))
        found += [World(way, each, mismatch, cast, _of(of, names[each]), alone) for each in meanings]
    return Worlds(tuple(found), tuple(meanings), tuple(mismatches))


def _listed(values: Iterable[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def _of(study: Study, names: Iterable[str]) -> Study:
    """The study on some of its corpora alone."""
    some = set(names)
    return replace(study, corpora=tuple(corpus for corpus in study.corpora if corpus.name in some))


def numbers(study: Study, cells: Cells, store: Store) -> dict[str, pd.DataFrame]:
    """`worlds-cells`: a row a world, cast and rate; `worlds-told-cells`: of each indicator over casts."""
    if "worlds" not in study.exhibits:
        return {}
    rows = []
    for world in study.exhibits["worlds"].all:
        place = {name: getattr(world, name) for name in ("way", "meaning", "mismatch", "cast")}
        joint, alone = cells.of(world.study), cells.of(world.alone)
        for rate in study.rates_percent:
            transfer = wf1(alone, world.corpora[:1], rate, world.corpora[1])
            read = {"transfer": transfer, **indicators(joint, world, rate)}
            rows.append({**place, "augment_percent": rate} | {name: read[name] for name in INDICATORS})
    table = pd.DataFrame(rows)
    return {"worlds-cells": table, "worlds-told-cells": told(table)}


def wf1(cells: Cells, train: TrainingSet, rate: int, *tests: str) -> float:
    """The mean over tests; NaN where the run is not done."""
    tails = [cells.evidence.tails(train, test, rate) for test in tests]
    return float(np.mean([_mean(of.mean("wF1") for of in each) for each in tails]))


def indicators(cells: Cells, world: World, rate: int) -> dict[str, float]:
    """What is read from a world's joint trainings at a rate; NaN where they are not done or asked for."""
    a, b, c = world.corpora
    joint, near, far = (a, b), (a, treated(b, "near")), (a, treated(b, "far"))
    both, unseen = wf1(cells, joint, rate, *joint), wf1(cells, joint, rate, c)
    drawn = [permuted.Direction(cells, near, corpus, rate).to_partner().mean for corpus in joint]
    return {
        "learnt": both,
        "loss": both - wf1(cells, near, rate, *near),
        "far": both - wf1(cells, far, rate, *far),
        "partner": float(np.mean(drawn)),
        "unseen": unseen - wf1(cells, near, rate, c),
        "heldout": heldout.by_label(cells, joint, b, rate)[-1].above().mean,
        "probe": _probe(cells, joint, rate),
        "probe permuted": _probe(cells, near, rate),
    }


def _mean(values: Iterator[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else np.nan


def _probe(cells: Cells, train: TrainingSet, rate: int) -> float:
    """How well both corpora are told apart, from the embedding, or else from the statistics themselves."""
    read = [cells.evidence.told_apart(train, rate, of) for of in ("embedding", "statistics")]
    return read[1] if np.isnan(read[0]) else read[0]


def told(table: pd.DataFrame) -> pd.DataFrame:
    """Of each indicator, by way, rate and mismatch: each meaning over casts, and shared less disjoint.

    Returns:
        `way`, `indicator`, `augment_percent`, `mismatch`; for each meaning its mean, `_low`, `_high` and
        `_n`; `apart` (paired by cast) with `_low`, `_high`, `_n`, `_p`, `holm`; `told`: of single casts.
    """
    rows = []
    places = table.groupby(["way", "augment_percent", "mismatch"], sort=False)
    lowest = sorted(table["augment_percent"].unique())
    for name in INDICATORS:
        for (way, rate, mismatch), of in places:
            if rate not in lowest[: RATES.get(name)]:
                continue
            values = {meaning: at.set_index("cast")[name].dropna() for meaning, at in of.groupby("meaning")}
            row = dict(way=way, indicator=name, augment_percent=rate, mismatch=mismatch)
            for meaning in MEANINGS:
                here = values.get(meaning, pd.Series(dtype=float))
                row |= over_casts(here).columns(meaning) | {f"{meaning}_n": len(here)}
            shared, disjoint = (values.get(meaning, pd.Series(dtype=float)) for meaning in MEANINGS[:2])
            apart = over_casts((shared - disjoint).dropna())
            row |= apart.columns("apart") | {"apart_n": apart.n, "apart_p": apart.p}
            row["told"] = _told(shared, disjoint)
            rows.append(row)
    frame = pd.DataFrame(rows)
    holm = frame.groupby("way")["apart_p"].transform(lambda p: intervals.holm(p.to_numpy()))
    return frame.assign(holm=holm)


def over_casts(values: pd.Series) -> Spread:
    """Their mean and its interval, Student's; p that it is 0."""
    from scipy import stats

    n = len(values)
    if n < FEW:
        return intervals.Spread(float(values.mean()) if n else np.nan, n=n)
    mean, error = float(values.mean()), float(values.std(ddof=1)) / n**0.5
    half = float(stats.t.ppf((1 + intervals.LEVEL) / 2, n - 1)) * error
    p = float(2 * stats.t.sf(abs(mean) / error, n - 1)) if error else float(not mean)
    return intervals.Spread(mean, mean - half, mean + half, p, n, "casts")


def _told(shared: pd.Series, disjoint: pd.Series) -> float:
    """How many single casts are called rightly by the midpoint of all others, on the side that theirs say."""
    worlds, right = pd.DataFrame({"shared": shared, "disjoint": disjoint}).dropna(), []
    if len(worlds) < FEW:
        return np.nan
    for cast in worlds.index:
        of, others = worlds.loc[cast], worlds.drop(cast).mean()
        middle, up = others.mean(), others["shared"] > others["disjoint"]
        right += [(of["shared"] > middle) == up, (of["disjoint"] < middle) == up]
    return float(np.mean(right))


def draw_tables(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[tables.Table]:
    """A row an indicator, rate and mismatch, a table a way; the statistics' for files and page alone."""
    found = []
    for way, of in numbers["worlds-told-cells"].groupby("way", sort=False):
        rows = []
        for row in of.to_dict("records"):
            apart = tables.ends(row, "apart", tables.signed)
            rows.append(
                [
                    INDICATORS[row["indicator"]],
                    f"{row['augment_percent']} %",
                    f"{row['mismatch']:g}",
                    *(tables.ends(row, meaning) for meaning in MEANINGS),
                    f"{apart}{' *' * bool(row['holm'] < intervals.CHANCE)}",
                    tables.MISSING if np.isnan(row["told"]) else f"{row['told']:.0%}",
                ]
            )
        headers = ["Indicator", "Augment", "Mismatch", *(of.capitalize() for of in MEANINGS), "Apart", "Told"]
        network = way == "network"
        name = "worlds" if network else f"worlds-{way}"
        title = NAMES["worlds"] + ("" if network else ": log-mel statistics and a logistic regression")
        found.append(tables.Table(name, title, headers, tables.once(rows), LEGEND, aside=not network))
    return found


def draw_figures(
    study: Study, numbers: Mapping[str, pd.DataFrame], colours: str
) -> Iterator[tuple[str, Figure]]:
    """Operating curves of the network: a row an indicator, a column a rate, over mismatch."""
    table = numbers["worlds-told-cells"].query("way == 'network'")
    if table[list(MEANINGS)].isna().all(axis=None):
        return
    shown = (*TELLING, "probe")
    legend = (
        "Means over casts with intervals of 95 %, of generated speech and narrow networks. What tells shared"
        " emotions from others at a mismatch has its lines apart there."
    )
    rates = study.rates_percent
    size = (2.2 + 2.2 * len(rates), 1.2 + 1.7 * len(shown))
    with figures.drawn(NAMES["worlds"], legend, size, len(shown), len(rates), sharex=True, sharey="row") as (
        figure,
        panels,
    ):
        for (row, name), (column, rate) in itertools.product(enumerate(shown), enumerate(rates)):
            panel = panels[row, column]
            if rate not in sorted(rates)[: RATES.get(name)]:
                panel.set_axis_off()
                continue
            _panel(panel, table.query("indicator == @name and augment_percent == @rate"))
            panel.set_title(f"{name}, {rate} %", fontsize=9, loc="left")
            if row == len(shown) - 1:
                panel.set_xlabel("mismatch")
        panels[0, 0].legend(frameon=False, fontsize=8)
    yield "worlds", figure


def _panel(panel: Any, of: pd.DataFrame) -> None:
    for meaning, colour in zip(MEANINGS, figures.COLOURS, strict=False):
        here = of[of[meaning].notna()]
        mean, low, high = (here[f"{meaning}{end}"].to_numpy() for end in ("", "_low", "_high"))
        panel.plot(here["mismatch"], mean, "o-", color=colour, label=meaning, markersize=3)
        if not np.isnan(low).all():
            panel.fill_between(here["mismatch"], low, high, color=colour, alpha=0.2, linewidth=0)
    chance = 0.5 if of["indicator"].iloc[0] == "probe" else 0.0
    panel.axhline(chance, color="0.5", linewidth=0.8)


def sections(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[Section]:
    """Picture, tables, numbers."""
    said = "What tells shared emotions from others, by mismatch of channels and rate of augmentation"
    parts: list[tuple[str, Any]] = [
        ("picture", ("worlds", said, f"{said}; the numbers are in the table below."))
    ]
    parts += [("table", table.name) for table in draw_tables(study, numbers)]
    parts += [("files", name) for name in ("worlds-told-cells", "worlds-cells")]
    return [Section("worlds", parts, "Worlds", "Worlds with a known answer")]
