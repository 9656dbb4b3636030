"""Figure 4: distances and shares of variance against scipy, intervals by simulation."""

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from benchmark import study as studies
from benchmark.report.exhibits import acoustics
from benchmark.report.write import assemble
from serkit.acoustics.meter import ESTIMATES
from serkit.corpora.reading.corpus import UNKNOWN_SPEAKER
from serkit.labels import LABELS
from tests.made_estimates import PAIR, both, measured
from tests.made_results import made_measurement
from tests.made_studies import numbers_of

# --- distances ---


@pytest.mark.parametrize("ties", [False, True])
def test_distances_are_scipys(ties):
    random = np.random.default_rng(0)
    x, y = random.normal(size=57), random.normal(0.5, 2, size=91)
    if ties:
        x, y = np.round(x), np.round(y)
    ones = [np.ones((1, len(values))) for values in (x, y)]
    wasserstein, ks = acoustics.distance(x, y, *ones)[:, 0]
    assert wasserstein == pytest.approx(scipy.stats.wasserstein_distance(x, y), abs=1e-12)
    assert ks == pytest.approx(scipy.stats.ks_2samp(x, y).statistic, abs=1e-12)


def test_counted_clips_are_repeated_clips():
    random = np.random.default_rng(1)
    x, y = random.normal(size=30), random.normal(size=40)
    counts = [random.integers(0, 4, size=(70, len(values))) for values in (x, y)]  # more than go at once
    found = acoustics.distance(x, y, *counts)
    assert found.shape == (2, 70)
    for number in range(0, 70, 7):
        repeated = [np.repeat(values, of[number]) for values, of in zip((x, y), counts, strict=True)]
        assert found[0, number] == pytest.approx(scipy.stats.wasserstein_distance(*repeated), abs=1e-12)
        assert found[1, number] == pytest.approx(scipy.stats.ks_2samp(*repeated).statistic, abs=1e-12)


def row(distances, measure="t60_s", condition="raw", other_condition="raw"):
    return distances.query(
        "measure == @measure and condition == @condition and other_condition == @other_condition"
    ).squeeze()


@pytest.fixture(scope="module")
def distances():
    return acoustics.distances(PAIR)


def test_a_pair_is_compared_in_every_combination_of_conditions(distances):
    assert len(distances) == 3 * 4
    assert set(zip(distances["corpus"], distances["other"], strict=True)) == {("ONE", "TWO")}
    for measure in acoustics.MEASURES:
        for condition, other in acoustics.COMPARISONS:
            x = PAIR.query("corpus == 'ONE' and condition == @condition")[measure]
            y = PAIR.query("corpus == 'TWO' and condition == @other")[measure]
            found = row(distances, measure, condition, other)
            assert found["wasserstein"] == pytest.approx(scipy.stats.wasserstein_distance(x, y))
            assert found["ks"] == pytest.approx(scipy.stats.ks_2samp(x, y).statistic)
            for which in ("wasserstein", "ks"):
                assert found[f"{which}_low"] < found[which] < found[f"{which}_high"]


def test_what_is_gone_is_of_the_raw_distance(distances):
    raw, augmented = row(distances), row(distances, "t60_s", "augmented", "augmented")
    assert np.isnan(raw["ks_closed"])
    for which in ("wasserstein", "ks"):
        assert augmented[f"{which}_closed"] == pytest.approx(1 - augmented[which] / raw[which])
        assert augmented[f"{which}_closed_low"] < augmented[f"{which}_closed"] < 1


def test_the_same_seed_gives_the_same_intervals(distances):
    pd.testing.assert_frame_equal(acoustics.distances(PAIR), distances)
    assert (acoustics.distances(PAIR, seed=1)["ks_low"] != distances["ks_low"]).any()


def test_intervals_are_over_speakers():
    """Ten times the clips of the same speakers tell hardly more; without speakers they would."""
    few = both(measured("ONE", each=3), measured("TWO", shift=1.0, each=3, seed=1))
    many = both(measured("ONE", each=30), measured("TWO", shift=1.0, each=30, seed=1))
    unknown = many.assign(speaker=UNKNOWN_SPEAKER)
    wide, still_wide, narrow = (
        row(acoustics.distances(table, resamples=300))[["wasserstein_low", "wasserstein_high"]].diff().iloc[1]
        for table in (few, many, unknown)
    )
    assert still_wide > 0.6 * wide
    assert narrow < 0.4 * still_wide


def test_an_interval_over_speakers_holds_the_true_distance_and_one_over_clips_does_not():
    """Two normal distributions a deviation apart: Wasserstein's distance is the shift."""
    held = np.zeros(2)
    for seed in range(9):
        pair = both(
            measured("ONE", speakers=24, seed=2 * seed),
            measured("TWO", shift=1.0, speakers=24, seed=2 * seed + 1),
        )
        for number, table in enumerate((pair, pair.assign(speaker=UNKNOWN_SPEAKER))):
            found = acoustics.distances(table, resamples=200)
            held[number] += ((found["wasserstein_low"] <= 1) & (found["wasserstein_high"] >= 1)).sum()
    assert held[0] >= 22  # 95 % of 27 are 26
    assert held[1] <= 20


def test_chance_is_exceeded_about_once_in_twenty_times():
    exceeded = 0
    for seed in range(14):
        pair = both(measured("ONE", seed=2 * seed), measured("TWO", seed=2 * seed + 1))
        found = acoustics.distances(pair, resamples=200)
        exceeded += (found["ks"] > found["ks_chance"]).sum()
    assert exceeded <= 7  # of 42 2 are expected, 8 come in one of 1000


def test_clips_without_an_estimate_do_not_count():
    holes = PAIR.copy()
    holes.loc[3:40, "t60_s"] = np.nan
    found = row(acoustics.distances(holes))
    x = holes.query("corpus == 'ONE' and condition == 'raw'")["t60_s"].dropna()
    y = holes.query("corpus == 'TWO' and condition == 'raw'")["t60_s"]
    assert found["wasserstein"] == pytest.approx(scipy.stats.wasserstein_distance(x, y))


def test_nothing_to_compare_is_no_number():
    empty = PAIR.assign(t60_s=np.nan)
    found = row(acoustics.distances(empty))
    assert found.drop(["corpus", "other", "measure", "condition", "other_condition"]).isna().all()
    assert acoustics.distances(measured("ONE")).empty
    assert acoustics.distances(pd.DataFrame()).empty


def test_of_two_copies_of_a_corpus_the_clips_of_both_are_compared():
    missing = (PAIR["corpus"] == "TWO") & (PAIR["condition"] == "augmented") & (PAIR.index % 3 == 0)
    copies = PAIR[~missing].sample(frac=1, random_state=0)
    both_have = copies.query("corpus == 'TWO' and condition == 'augmented'")["path"]
    found = row(acoustics.distances(copies.sort_values("condition", ascending=False)))
    raw = PAIR.query("corpus == 'TWO' and condition == 'raw'")
    y = raw.loc[raw["path"].isin(both_have), "t60_s"]
    x = PAIR.query("corpus == 'ONE' and condition == 'raw'")["t60_s"]
    assert found["wasserstein"] == pytest.approx(scipy.stats.wasserstein_distance(x, y))


def test_one_condition_alone_is_compared():
    found = acoustics.distances(PAIR.query("condition == 'augmented'"))
    assert set(found["condition"]) == {"augmented"}
    assert found["ks_closed"].isna().all()


def test_any_two_of_three_corpora_are_compared():
    found = acoustics.distances(both(PAIR, measured("THREE")), resamples=20)
    pairs = found[["corpus", "other"]].drop_duplicates().itertuples(index=False, name=None)
    assert list(pairs) == [("ONE", "TWO"), ("ONE", "THREE"), ("TWO", "THREE")]
    alike = found.query("other == 'THREE' and corpus == 'ONE' and measure == 't60_s'")
    assert alike["ks"].tolist()[:1] == [0]  # of equal corpora no distance can go
    assert alike["ks_closed"].isna().all()


# --- cells ---


def test_cells_describe_the_estimates():
    table = PAIR.copy()
    table.loc[0:1, "reason"] = "silent"
    table.loc[2, "reason"] = "short"
    table.loc[0:2, "t60_s"] = np.nan
    cells = acoustics.described(table)
    assert len(cells) == 4 * 6
    found = cells.query("corpus == 'ONE' and condition == 'raw' and measure == 't60_s'").squeeze()
    values = table.query("corpus == 'ONE' and condition == 'raw'")["t60_s"].dropna().to_numpy()
    assert (found["clips"], found["estimated"]) == (120, 117)
    assert (found["silent"], found["clipped"], found["short"]) == (2, 0, 1)
    assert found["median"] == np.median(values)
    assert (found["p10"], found["p90"]) == pytest.approx(np.quantile(values, [0.1, 0.9]))
    assert (found["mean"], found["std"]) == pytest.approx((values.mean(), values.std(ddof=1)))


def test_eta_squared_is_the_f_tests():
    values = PAIR["t60_s"] + PAIR["label"].map({"angry": 1.0, "happy": 0.2, "neutral": 0, "sad": 0})
    ratio = scipy.stats.f_oneway(*(values[PAIR["label"] == label] for label in LABELS)).statistic
    between, within = 3, len(values) - 4
    expected = ratio * between / (ratio * between + within)
    assert 0.2 < expected < 0.8
    assert acoustics.eta_squared(values, PAIR["label"]) == pytest.approx(expected)


def test_eta_squared_of_nothing_is_no_number():
    assert np.isnan(acoustics.eta_squared(pd.Series([2.0, 2.0]), pd.Series(["angry", "sad"])))


# --- exhibits ---

SMALL = {
    "title": "Two corpora",
    "rates_percent": [0, 100],
    "corpora": {
        "one": {"reader": "made", "title": "ONE", "folds": 2},
        "two": {"reader": "made", "title": "TWO", "folds": 2, "options": {"labels": "two"}},
    },
    "figure4": {"clips": 120, "p835_clips": 10},
}


@pytest.fixture
def study():
    return studies.from_toml(SMALL, "small")


def put(store, study, conditions=acoustics.CONDITIONS):
    for condition in conditions:
        asked = study.exhibits["figure4"]
        for spec in asked.raw if condition == "raw" else asked.augmented:
            here = PAIR.query("corpus == @spec.corpus.name.upper() and condition == @condition")
            made_measurement(store, spec, here.drop(columns=["corpus", "condition"]))


def test_estimates_are_those_of_the_studys_measurements(store, study):
    put(store, study)
    other = studies.from_toml({**SMALL, "figure4": {"clips": 7}}, "small")
    put(store, other)  # of another study
    found = numbers_of(acoustics, study, store)["estimates"]
    pd.testing.assert_frame_equal(found, PAIR.loc[:, list(found.columns)], check_dtype=False)


@pytest.mark.usefixtures("no_vega", "undrawn")
def test_the_exhibit_is_tables_and_pictures(store, study):
    put(store, study)
    text, _ = assemble(study, store)
    assert "4 of 4 measurements done" in text
    assert "runs" not in text.split("measurements done")[0]
    names = {path.name for path in store.folder.iterdir() if path.is_file()}
    written = {"figure4", "figure4-distance", "figure4-crossed", "figure4-labels"}
    expected = {f"{name}.{kind}" for name in written for kind in ("md", "csv", "tex")}
    expected |= {
        "figure4.png",
        "figure4.svg",
        "figure4.pdf",
        "figure4-cells.csv",
        "figure4-distance-cells.csv",
    }
    expected |= {"report.md", "index.html", *(f"verdicts.{kind}" for kind in ("json", "md", "csv", "tex"))}
    assert names == expected
    report = (store.folder / "report.md").read_text()
    assert "![figure4](figure4.png)" in report
    assert "nan" not in report
    for said in (text, report):
        assert "The estimators are replacements" in said
    crossed = "Figure 4: how far one corpus augmented is from another as delivered"
    assert crossed in report
    assert crossed not in text
    distances = (store.folder / "figure4-distance.md").read_text()
    assert (distances.count("| ONE raw "), distances.count("| ONE augmented ")) == (3, 3)
    cells = pd.read_csv(store.folder / "figure4-cells.csv")
    median = PAIR.query("corpus == 'TWO' and condition == 'raw'")["c50_db"].median()
    assert f"{median:.1f} [" in (store.folder / "figure4.md").read_text()
    assert cells.query("corpus == 'TWO' and condition == 'raw' and measure == 'c50_db'")[
        "median"
    ].item() == pytest.approx(median)


@pytest.mark.usefixtures("numbers_only")
def test_the_exhibit_shows_what_is_there(store, study):
    put(store, study, ["raw"])
    text, _ = assemble(study, store)
    assert "2 of 4 measurements done" in text
    assert "augmented" not in (store.folder / "figure4.md").read_text()


@pytest.mark.usefixtures("numbers_only")
def test_reasons_are_counted_in_the_table(store, study):
    silent = PAIR.query("corpus == 'ONE' and condition == 'raw'").drop(columns=["corpus", "condition"])
    silent.loc[0:2, "reason"] = ["silent", "clipped", "silent"]
    silent.loc[0:2, list(ESTIMATES)] = np.nan
    made_measurement(store, study.exhibits["figure4"].raw[0], silent)
    assemble(study, store)
    assert "2 silent, 1 clipped" in (store.folder / "figure4.md").read_text()


# --- pictures ---


def test_the_picture_has_the_papers_layout(distances):
    picture = acoustics.picture(PAIR, distances, "title", "caution")
    panels = np.array(picture.axes).reshape(2, 3)
    assert [panel.get_xlabel() for panel in panels[1]] == ["MOS", "T60 (s)", "C50 (dB)"]
    assert [panel.get_ylabel().split("\n")[0] for panel in panels[:, 0]] == ["raw", "augmented"]
    for (condition, measure), panel in zip(
        [(condition, measure) for condition in acoustics.CONDITIONS for measure in acoustics.MEASURES],
        picture.axes,
        strict=True,
    ):
        found = row(distances, measure, condition, condition)
        assert f"{found['wasserstein']:.2f}" in panel.get_title(loc="right")
        medians = {round(float(line.get_xdata()[0]), 9) for line in panel.get_lines()}
        here = PAIR[PAIR["condition"] == condition].groupby("corpus")[measure].median()
        assert medians == set(here.round(9))
        for container in panel.containers:
            assert sum(bar.get_height() for bar in container) == pytest.approx(1)  # shares of clips
    (legend,) = picture.legends
    assert [text.get_text() for text in legend.get_texts()] == ["ONE", "TWO"]
    colours = [handle.get_facecolor()[:3] for handle in legend.legend_handles]
    assert colours[0] != colours[1]


def test_a_corpus_without_estimates_leaves_the_others_their_picture():
    table = PAIR.copy()
    table.loc[table["corpus"] == "ONE", "t60_s"] = np.nan
    picture = acoustics.picture(table, acoustics.distances(table), "t", "c")
    panel = picture.axes[1]
    assert len(panel.get_lines()) == 1
