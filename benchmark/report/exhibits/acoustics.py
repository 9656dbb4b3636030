"""Figure 4: how the corpora sound, and how far they are apart before and after augmentation.

The paper shows distributions and leaves the rest to the eye. Here the distance between two corpora is a
number: Wasserstein's (in the estimate's own unit) and Kolmogorov-Smirnov's (the largest difference of the
cumulative distributions, in [0, 1]; blind to how far, sensitive to any difference).

Intervals are bootstrapped over speakers, not clips, which share a voice, a microphone and a day (what the two
promise: `docs/acoustics.md`). Clips without a known speaker stand for themselves. The same resamples serve
both conditions, since both are measured on the same clips: a change is a paired one. Distances are never
below 0, so no interval reaches 0. What chance alone gives stands beside: the distance that is exceeded once
in twenty times when the speakers of both corpora are dealt to them anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from benchmark.report.exhibits import Section
from benchmark.report.later import figures, np, pd, tables
from benchmark.study import Condition, Study
from benchmark.study_file import LIST, TEXT, WHOLE, check_value
from serkit.corpora.reading.corpus import UNKNOWN_SPEAKER
from serkit.errors import SpecError
from serkit.results import Store
from serkit.settings import check
from serkit.specs import AcousticsSpec
from serkit.words import shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from benchmark.report.cells import Cells

PLACE = 4
TITLE = "Figure 4: estimated quality, reverberation time and clarity (median, 10 to 90 % in brackets)"
NAMES = {"figure4": TITLE}
WHOLES = ("clips", "p835_clips", "seed")
KEYS = {"corpora": LIST, **dict.fromkeys(WHOLES, WHOLE)}
SAID = "Figure 4 as a study asks for it: the acoustics of some corpora, as delivered and augmented."
SETTINGS = {key: (getattr(AcousticsSpec, key), AcousticsSpec, "acoustics") for key in WHOLES}
REFERENCE = {"figure4": (SAID, {"corpora": (["mine", "emodb"], "which; all unless given."), **SETTINGS})}

MEASURES = {"p808_mos": "MOS", "t60_s": "T60 (s)", "c50_db": "C50 (dB)"}
"""What the figure shows, by the column of estimates."""
CLOSER = {"ovrl_mos": "OVRL", "sig_mos": "SIG", "bak_mos": "BAK"}
"""What some of the clips are measured by as well: DNSMOS P.835's overall, signal and background quality."""
UNITS = {"p808_mos": "", "t60_s": " s", "c50_db": " dB"}
CONDITIONS = ("raw", "augmented")
COMPARISONS = (("raw", "raw"), ("augmented", "augmented"), ("augmented", "raw"), ("raw", "augmented"))
DISTANCES = {"wasserstein": "Wasserstein", "ks": "KS"}
REASONS = ("silent", "clipped", "short")
"""Why a clip has no estimate, or the last, none of its room."""

RESAMPLES = 1000
AT_ONCE = 50  # resamples: with 10,000 clips of each corpus some 20 MB
LEVEL = 0.95
BINS = 40

REPLACEMENTS = (
    "The estimators are replacements: those of the paper were never published. MOS is DNSMOS P.808; T60 and"
    " C50 are a small network's, trained on generated speech in simulated rooms (their errors:"
    " docs/acoustics.md)."
)
EXPLAINED = (
    "Wasserstein's distance is in the unit of the estimate; Kolmogorov-Smirnov's (KS) is the largest"
    " difference of the cumulative distributions, in [0, 1].",
    "By chance: exceeded once in twenty times when speakers are dealt to the two corpora at random. Gone:"
    " share of the distance between the raw corpora; below 0 they are further apart. Intervals: bootstrap"
    " over speakers.",
)
CROSSED = "What a network meets that learns from the one, augmented, and is tested on the other."
BY_LABEL = (
    "Of what differs between clips, this much goes by label: it may be emotion that sounds like a room.",
)
ALT = (
    "Distributions of estimated quality, reverberation time and clarity of each corpus, raw and augmented;"
    " their numbers are in the table below."
)


@dataclass(frozen=True)
class Acoustics:
    """Measurements of corpora as delivered, and of the same clips augmented, where any rate is above 0 %."""

    raw: tuple[AcousticsSpec, ...]
    augmented: tuple[AcousticsSpec, ...]
    tests = ()

    @property
    def measurements(self) -> tuple[AcousticsSpec, ...]:
        """Of all corpora as delivered, then augmented."""
        return self.raw + self.augmented

    def conditions(self, study: Study) -> tuple[Condition, ...]:
        """Nothing is trained."""
        return ()


def ask(name: str, table: Mapping[str, Any], study: Study) -> Acoustics:
    """Measurements of some corpora, or of all."""
    known = {corpus.name: corpus for corpus in study.corpora}
    names = table.get("corpora", known)
    for word in names:
        check_value(f"{name}.corpora", word, TEXT)
        check(word in known, f"{name}: no corpus {shown(word)}; expected one of {', '.join(known)}")
    settings = {key: value for key, value in table.items() if key != "corpora"}
    augmentation = study.augmentation if any(study.rates_percent) else None
    try:
        raw = tuple(AcousticsSpec(known[word], **settings) for word in names)
        augmented = tuple(AcousticsSpec(known[word], augmentation, **settings) for word in names)
    except SpecError as error:
        raise SpecError(f"{name}: {error}") from error
    return Acoustics(raw, augmented if augmentation else ())


def numbers(study: Study, cells: Cells, store: Store) -> dict[str, pd.DataFrame]:
    """`estimates`, and of these `figure4-cells` and, of two corpora and more, `figure4-distance-cells`.

    `estimates` has a row a clip that was measured: `corpus` (title), `condition`, and the columns of
    `estimates.parquet`.
    """
    asked = study.exhibits.get("figure4", Acoustics((), ()))
    parts = []
    for spec in asked.measurements:
        if spec in cells.results:
            part = store.table(cells.results[spec]["key"], "estimates")
            part.insert(0, "corpus", study.titles[spec.corpus.name])
            part.insert(1, "condition", CONDITIONS[spec.augmentation is not None])
            parts.append(part)
    if not parts:
        return {}
    found = pd.concat(parts, ignore_index=True)
    frames = {"estimates": found, "figure4-cells": described(found)}
    frames["figure4-distance-cells"] = distances(found)
    return {name: frame for name, frame in frames.items() if not frame.empty}


def described(table: pd.DataFrame) -> pd.DataFrame:
    """What each corpus's estimates are, a row a corpus, condition and measure.

    Returns:
        Columns: `corpus`, `condition`, `measure`, `clips` (asked for), `estimated`, `silent`, `clipped`,
        `short` (the reasons why others are not), `median`, `p10`, `p90`, `mean`, `std`, and `eta_squared`:
        the share of the variance that the labels explain, in [0, 1]; what of the estimate is emotion.
    """
    rows = []
    for (corpus, condition), clips in table.groupby(["corpus", "condition"], sort=False):
        for measure in (*MEASURES, *CLOSER):
            values = clips[measure].dropna()
            row = dict(corpus=corpus, condition=condition, measure=measure)
            row |= dict(clips=len(clips), estimated=len(values))
            row |= {reason: int((clips["reason"] == reason).sum()) for reason in REASONS}
            row |= dict(median=values.median(), p10=values.quantile(0.1), p90=values.quantile(0.9))
            row |= dict(mean=values.mean(), std=values.std())
            rows.append(row | dict(eta_squared=eta_squared(values, clips.loc[values.index, "label"])))
    return pd.DataFrame(rows)


def eta_squared(values: pd.Series, groups: pd.Series) -> float:
    """Share of the variance that lies between groups, in [0, 1]; NaN where there is none to share."""
    between = (values.groupby(groups).transform("mean") - values.mean()).pow(2).sum()
    total = (values - values.mean()).pow(2).sum()
    return float(between / total) if total > 0 else np.nan


def distances(table: pd.DataFrame, seed: int = 0, resamples: int = RESAMPLES) -> pd.DataFrame:
    """How far any two corpora are apart, a row a pair, measure and comparison.

    Returns:
        Columns: `corpus`, `other`, `measure`, `condition` and `other_condition` (of each; where one alone is
        augmented, a network that learnt from it is tested on the other as delivered), `wasserstein`, `ks`,
        each with `_low` and `_high`, the ends of the interval, and with `_chance`; for `wasserstein_closed`
        and `ks_closed` the interval too: the share of the distance between the raw corpora that is gone (1:
        all of it; below 0: they are further apart); NaN between the raw ones.
    """
    rows = []
    for corpus, other in combinations(dict.fromkeys(table.get("corpus", ())), 2):
        random = np.random.Generator(np.random.Philox(key=seed))
        sides = [_Side(table, name, resamples, random) for name in (corpus, other)]
        for measure in MEASURES:
            place = dict(corpus=corpus, other=other, measure=measure)
            rows += [place | row for row in _compared(sides, measure, random)]
    return pd.DataFrame(rows)


def _compared(sides: list[_Side], measure: str, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    """How far two corpora are apart in a measure, a row a comparison; of the raw ones first."""
    raw = None
    for at in COMPARISONS:
        if any(name not in side.conditions for side, name in zip(sides, at, strict=True)):
            continue
        x, y = (side.conditions[name][measure].to_numpy() for side, name in zip(sides, at, strict=True))
        apart = distance(x, y, *(side.counts for side in sides))
        closed = np.full_like(apart, np.nan)
        if at == ("raw", "raw"):
            raw = apart
        elif raw is not None:
            np.divide(raw - apart, raw, out=closed, where=raw > 0)
        row: dict[str, Any] = dict(condition=at[0], other_condition=at[1])
        names = (*DISTANCES, *(f"{name}_closed" for name in DISTANCES))
        for name, values in zip(names, (*apart, *closed), strict=True):
            row |= _interval(name, values)
        chance = _chance(x, y, sides, random)
        yield row | {f"{name}_chance": of for name, of in zip(DISTANCES, chance, strict=True)}


class _Side:
    """A corpus: estimates of the clips that all its conditions have, and how often each counts."""

    def __init__(self, table: pd.DataFrame, corpus: str, resamples: int, random: np.random.Generator) -> None:
        here = table[table["corpus"] == corpus]
        groups = here.set_index("path").groupby("condition", sort=False)
        conditions = {str(name): clips for name, clips in groups}
        of = next(iter(conditions.values()))["speaker"]
        for clips in conditions.values():  # of another copy of the corpus there may be others
            of = of[of.index.isin(clips.index)]
        self.conditions = {name: clips.loc[of.index] for name, clips in conditions.items()}
        self.speaker, known = pd.factorize(of.where(of != UNKNOWN_SPEAKER, of.index.to_series()))
        self.speakers = len(known)
        # The first row is the corpus as it is.
        drawn = random.multinomial(self.speakers, np.full(self.speakers, 1 / self.speakers), size=resamples)
        self.counts = np.concatenate([np.ones((1, self.speakers), np.int64), drawn])[:, self.speaker]


def _chance(x: np.ndarray, y: np.ndarray, sides: list[_Side], random: np.random.Generator) -> np.ndarray:
    """What both distances exceed once in twenty times if two corpora do not differ, float64 [2]."""
    if np.isnan(x).all() or np.isnan(y).all():
        return np.full(2, np.nan)
    ours, others = sides
    of_clip = np.concatenate([ours.speaker, ours.speakers + others.speaker])
    dealt = np.arange(ours.speakers + others.speakers) < ours.speakers
    ours_now = random.permuted(np.tile(dealt, (len(ours.counts) - 1, 1)), axis=1)[:, of_clip]
    both = np.concatenate([x, y])
    return np.nanquantile(distance(both, both, ours_now, ~ours_now), LEVEL, axis=1)


def distance(x: np.ndarray, y: np.ndarray, x_counts: np.ndarray, y_counts: np.ndarray) -> np.ndarray:
    """Wasserstein's and Kolmogorov-Smirnov's distance of weighted samples, for many weightings at once.

    As scipy.stats.wasserstein_distance and ks_2samp, which take one weighting at a time: both are read from
    the difference of the cumulative distributions. How often each of `x` [clips] and `y` [other clips] counts
    is in `x_counts` [weightings, clips] and `y_counts` [weightings, other clips]; NaN is no estimate.

    Returns:
        float64 [2, weightings]; NaN where nothing counts.
    """
    known, others_known = ~np.isnan(x), ~np.isnan(y)
    x, y, x_counts, y_counts = x[known], y[others_known], x_counts[:, known], y_counts[:, others_known]
    if not len(x) or not len(y):
        return np.full((2, len(x_counts)), np.nan)
    both = np.concatenate([x, y])
    order = np.argsort(both, kind="stable")
    steps = np.diff(both[order], append=np.inf)
    last = steps > 0  # of equal values; a cumulative distribution is read after all of them
    steps[-1] = 0.0
    found = []
    for first in range(0, len(x_counts), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        with np.errstate(invalid="ignore"):  # a resample without a single clip that has an estimate
            ours, others = (of / of.sum(axis=1, keepdims=True) for of in (x_counts[some], y_counts[some]))
        apart = np.abs(np.concatenate([ours, -others], axis=1)[:, order].cumsum(axis=1))
        found.append(np.stack([apart @ steps, apart[:, last].max(axis=1)]))
    return np.concatenate(found, axis=1)


def _interval(name: str, values: np.ndarray) -> dict[str, float]:
    """The estimate, which comes first, and the ends of the interval from its resamples."""
    known = not np.isnan(values[0]) and len(values) > 1
    low, high = np.nanquantile(values[1:], [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) if known else (np.nan, np.nan)
    return {name: float(values[0]), f"{name}_low": float(low), f"{name}_high": float(high)}


def draw_tables(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[tables.Table]:
    """The distributions, their distances, what in them is emotion."""
    cells = numbers["figure4-cells"]
    rows, of_labels = [], []
    for at, of_one in cells.groupby(["corpus", "condition"], sort=False):
        first = of_one.iloc[0]
        missing = ", ".join(f"{first[reason]} {reason}" for reason in REASONS if first[reason])
        rows.append([*at, *map(_distribution, of_one.to_dict("records")), str(first["clips"]), missing])
        of_labels.append([*at, *map(tables.two_digits, of_one["eta_squared"][: len(MEASURES)])])
    few = cells.loc[cells["measure"].isin(list(CLOSER)), "estimated"].max()
    legend = (REPLACEMENTS, f"OVRL, SIG and BAK are DNSMOS P.835's, of at most {few} clips each.")
    headers = ["Corpus", "", *MEASURES.values(), *CLOSER.values(), "clips", "no estimate"]
    drawn = [tables.Table("figure4", TITLE, headers, rows, legend)]
    if "figure4-distance-cells" in numbers:
        drawn += _draw_distances(numbers["figure4-distance-cells"])
    title = "Figure 4: share of the estimates' variance between labels (eta squared)"
    headers = ["Corpus", "", *MEASURES.values()]
    return [*drawn, tables.Table("figure4-labels", title, headers, of_labels, BY_LABEL)]


def _draw_distances(apart: pd.DataFrame) -> Iterator[tables.Table]:
    said = ("distance", "by chance", "gone")
    headers = ["Corpus", "Other corpus", "", *(f"{of}\n{what}" for of in DISTANCES.values() for what in said)]
    alike: list[list[str]] = []
    crossed: list[list[str]] = []
    for row in apart.to_dict("records"):
        cells = [f"{row['corpus']} {row['condition']}", f"{row['other']} {row['other_condition']}"]
        cells.append(MEASURES[row["measure"]])
        for name in DISTANCES:
            chance = tables.two_digits(row[f"{name}_chance"])
            cells += [_with_interval(row, name), chance, _with_interval(row, f"{name}_closed")]
        (alike if row["condition"] == row["other_condition"] else crossed).append(cells)
    title = "Figure 4: how far the corpora are apart (95 % interval in brackets)"
    yield tables.Table("figure4-distance", title, headers, alike, EXPLAINED)
    if crossed:
        title = "Figure 4: how far one corpus augmented is from another as delivered (95 % interval)"
        legend = (CROSSED, *EXPLAINED)
        yield tables.Table("figure4-crossed", title, headers, crossed, legend, aside=True)


def _distribution(row: Mapping[str, Any]) -> str:
    if math.isnan(row["median"]):
        return tables.MISSING
    digits = 1 if row["measure"] == "c50_db" else 2
    median, low, high = (f"{row[name]:.{digits}f}" for name in ("median", "p10", "p90"))
    return f"{median} [{low}, {high}]"


def _with_interval(row: Mapping[str, float], name: str) -> str:
    """Empty where nothing is asked: between the raw corpora nothing can be gone."""
    return "" if math.isnan(row[name]) else tables.ends(row, name)


def draw_figures(
    study: Study, numbers: Mapping[str, pd.DataFrame], colours: str
) -> Iterator[tuple[str, Figure]]:
    """The distributions."""
    from serkit.acoustics.room import C50_RANGE_DB, T60_RANGE_S  # torch comes with it

    found = numbers["estimates"]
    title = f"Figure 4: the acoustics of {', '.join(found['corpus'].unique())}, estimated"
    caution = (
        "Estimators: DNSMOS P.808 and serkit's room network, replacements for the paper's unpublished ones."
    )
    caution += f" No room to be heard: T60 {T60_RANGE_S[0]:g} s, C50 {C50_RANGE_DB[1]:g} dB."
    yield "figure4", picture(found, numbers.get("figure4-distance-cells"), title, caution)


def picture(table: pd.DataFrame, apart: pd.DataFrame | None, title: str, caution: str) -> Figure:
    """Distributions of the estimates, a row a condition, a column a measure, a colour a corpus.

    Dashed lines are medians. Of two corpora each panel says how far they are `apart` (Wasserstein, KS), which
    is None of one corpus.
    """
    rows = [condition for condition in CONDITIONS if (table["condition"] == condition).any()]
    size = (10.5, 5.6 if len(rows) > 1 else 5.6 * 0.58)
    with figures.drawn(title, caution, size, len(rows), len(MEASURES), sharex="col") as (figure, panels):
        for (measure, name), column in zip(MEASURES.items(), panels.T, strict=True):
            edges = np.histogram_bin_edges(table[measure].dropna(), bins=BINS).tolist()
            for condition, panel in zip(rows, column, strict=True):
                here = table[table["condition"] == condition]
                for number, corpus in enumerate(table["corpus"].unique()):
                    values = here.loc[here["corpus"] == corpus, measure].dropna()
                    _histogram(panel, values, edges, corpus, figures.COLOURS[number % len(figures.COLOURS)])
                panel.set_yticks([])
                if table["corpus"].nunique() == 2 and apart is not None:
                    at = "measure == @measure and condition == other_condition == @condition"
                    said = apart.query(at).squeeze()
                    text = f"apart {said['wasserstein']:.2f}{UNITS[measure]}, KS {said['ks']:.2f}"
                    panel.set_title(text, loc="right", fontsize=8)
            column[-1].set_xlabel(name)
        for condition, panel in zip(rows, panels[:, 0], strict=True):
            panel.set_ylabel(f"{condition}\nshare of clips")
        handles, names = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside upper right", ncols=len(names), frameon=False)
    return figure


def _histogram(panel: Axes, values: pd.Series, edges: list[float], corpus: str, colour: str) -> None:
    if values.empty:
        return
    shares = np.full(len(values), 1 / len(values))
    panel.hist(values, edges, weights=shares, color=colour, alpha=0.35, label=corpus)
    panel.hist(values, edges, weights=shares, color=colour, histtype="step", linewidth=1.2)
    panel.axvline(values.median(), color=colour, linestyle="--", linewidth=1)


def sections(study: Study, numbers: Mapping[str, pd.DataFrame]) -> list[Section]:
    """The picture, the tables, every digit as files."""
    shown = [("table", "figure4"), ("files", "figure4-cells"), ("table", "figure4-distance")]
    shown += [("files", "figure4-distance-cells"), ("table", "figure4-crossed"), ("table", "figure4-labels")]
    picture = "picture", ("figure4", "Figure 4 as a picture", ALT)
    return [Section("figure4", [picture, *shown], "Figure 4", "Figure 4")]
