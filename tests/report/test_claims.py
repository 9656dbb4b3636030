"""The paper's claims: that they refer to what is printed, and what print decides."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmark.report import claims, paper
from benchmark.report.claims import noise, stated
from benchmark.report.claims.stated import Cells, Claim, Contrast
from benchmark.report.power import needed
from benchmark.report.terms import ABOVE, BELOW, FAILS, HOLDS, UNTOLD, WITHIN

READING = Path(__file__).parents[2] / "docs" / "reading-the-paper.md"
NAMES = ["tuning", "transfer", "adding", "own-augmented", "unseen-augmented", "unseen-falls", "bridge"]
NAMES += ["unnoticed", "separates", "scrambled-falls"]
CLAIMS, PAPER = stated.claims(), noise.Printed()
TESTED = [name for name in NAMES if CLAIMS[name].contrasts]
EVERY = [(name, contrast) for name in NAMES for contrast in (*CLAIMS[name].contrasts, *CLAIMS[name].beside)]

every_claim = pytest.mark.parametrize("name", NAMES)


def made(*changes, without_null=False):
    """The paper's numbers with some made up: (exhibit, train, test, rate or None for all, number)."""
    numbers = paper.published()
    if without_null:
        alone = numbers.eval("exhibit == 'figure2' and train == 'IEMOCAP' and test == 'IEMOCAP'")
        null = numbers.eval("exhibit == 'figure3' and train == test and train == 'IEMOCAP-SCRAMBLED'")
        numbers.loc[null, "paper"] = numbers.loc[alone, "paper"].to_numpy()
    for exhibit, train, test, rate, number in changes:
        here = (numbers["exhibit"] == exhibit) & (numbers["train"] == train) & (numbers["test"] == test)
        here &= True if rate is None else numbers["augment_percent"] == rate
        assert here.any()
        numbers.loc[here, "paper"] = number
    return numbers


def estimates(name, number=0):
    """By the least and by the most noise."""
    contrast = CLAIMS[name].contrasts[number]
    return PAPER.least(contrast), PAPER.most(contrast)


def said(name, numbers=None):
    """What print decides of a claim, or what made-up numbers would."""
    return claims.printed(CLAIMS[name], PAPER if numbers is None else noise.Printed(numbers))


# --- the file ---


def test_the_claims_are_these():
    assert list(CLAIMS) == NAMES
    assert [name for name in NAMES if name not in TESTED] == ["bridge", "separates"]


@every_claim
def test_a_claim_says_what_it_is_in_our_words(name):
    claim = CLAIMS[name]
    assert re.fullmatch(r"§\d(\.\d)?", claim.section)
    assert claim.claim
    assert claim.decides
    assert "\n" not in claim.claim + claim.decides + claim.beyond
    assert claim.need in ("all", "any")
    assert not claim.contrasts or claim.effect > 0
    for contrast in (*claim.contrasts, *claim.beside):
        assert contrast.shows in (ABOVE, BELOW, WITHIN)
        assert contrast.shows != WITHIN or contrast.margin > 0 or contrast in claim.beside


@pytest.mark.parametrize(("name", "contrast"), EVERY, ids=lambda of: getattr(of, "of", of))
def test_every_contrast_is_of_cells_that_are_printed(name, contrast, published):
    for cells in (contrast.cells, contrast.against):
        if isinstance(cells, Cells):
            assert cells.rates
            for rate in cells.rates:
                assert (cells.exhibit, cells.train, cells.test, rate) in published
    assert noise.corpus_of(contrast.cells.test) in noise.CLIPS


def test_the_file_copies_no_number_that_is_printed():
    """What stands in it as a number is a rate, a margin, an effect, a constant or how many were tried."""
    text = (paper.PAPER / "claims.toml").read_text(encoding="utf-8")
    values = set(re.findall(r"^(\w+) = (\d[\d.]*)", text, re.MULTILINE))
    assert {key for key, _ in values} == {"margin", "effect", "against", "chosen_among"}


def test_numbers_of_a_claim_are_those_of_the_tables():
    shown = {name: said(name).numbers for name in NAMES}
    assert "tuned less untuned +0.05 (" in shown["tuning"]
    for number in ("-0.27", "-0.10", "-0.20", "-0.36"):
        assert f" {number} (" in shown["transfer"]
    assert "less the same -0.14 (" in shown["transfer"], ".43 less .57"
    assert "A, MSP-Podcast -0.0225 (" in shown["unseen-falls"]
    assert "IEMOCAP 100 % -0.08 (" in shown["unnoticed"]
    assert [float(of) for of in re.findall(r"% (\S+) \(", shown["separates"])] == [
        *(-0.01, -0.03, -0.04, -0.03, -0.05)
    ]
    for words in ("B, IEMOCAP-SCRAMBLED alone -0.06 (", "C, both -0.07 (", "IEMOCAP alone -0.04 ("):
        assert words in shown["scrambled-falls"]


def test_what_is_said_beyond_the_contrasts_is_so():
    table1 = paper.table1().query("train_test == 'IEMOCAP' and augment_pct == 0")
    of = table1.pivot_table(index="metric", columns="condition", values="value")
    gains = (of["tuned"] - of["default"]).round(2)
    assert (gains.min(), gains.max()) == (0.04, 0.05)
    assert "metrics shows, .04 to .05" in CLAIMS["tuning"].beyond

    figures = paper.published().query("exhibit != 'table1'")
    plain = figures.query("augment_percent == 0").set_index(["exhibit", "train", "test"])["paper"]
    moved = figures["paper"] - figures.set_index(["exhibit", "train", "test"]).index.map(plain)
    largest = figures.loc[moved[figures["exhibit"] == "figure2"].abs().idxmax()]
    assert (largest["column"] if "column" in largest else largest["train"]) == "MSP-Podcast+CREMA-D"
    assert (largest["test"], largest["augment_percent"]) == ("IEMOCAP", 100)

    here = figures[figures["train"].str.contains("MSP-Podcast") & (figures["test"] == "MSP-Podcast")]
    here = here[(here["exhibit"] == "figure2") | here["train"].str.contains("SCRAMBLED")]
    apart = here.groupby("augment_percent")["paper"].agg(["var", "size"])
    assert (apart["size"] == 5).all()
    own = CLAIMS["own-augmented"].beyond
    assert f"{apart['var'].mean() ** 0.5:.3f}".lstrip("0") in own
    assert f"{PAPER.training.variance**0.5:.3f}".lstrip("0") in own


# --- how sure a printed number is ---


def test_the_null_is_what_two_trainings_of_one_problem_differ_by():
    assert PAPER.null == (-0.04, -0.05, -0.05, -0.05, -0.06)
    assert PAPER.rms == pytest.approx(0.0504, abs=1e-4)
    assert (PAPER.training.variance, PAPER.training.freedom) == (pytest.approx(PAPER.rms**2 / 2), 5)
    by_scipy, offset = stats.ttest_1samp(PAPER.null, 0).confidence_interval(0.95), PAPER.offset()
    ends = offset.mean - offset.half, offset.mean + offset.half
    assert ends == pytest.approx((by_scipy.low, by_scipy.high))


def test_the_least_noise_is_rounding_and_the_fewest_clips():
    """Two printed cells a contrast: rounding by drawing it, clips by a table of who is right."""
    least, _ = estimates("tuning")
    random = np.random.default_rng(0)
    drawn = random.uniform(0, 0.01, (100_000, 2))
    assert least.parts["rounding"] == pytest.approx((drawn[:, 0] - drawn[:, 1]).std(), rel=0.02)
    only_one_is_right = np.zeros(5531)
    only_one_is_right[: round(0.05 * 5531)] = 1
    assert least.parts["tests"] == pytest.approx(stats.sem(only_one_is_right), rel=0.01)
    assert least.half == pytest.approx(1.96 * np.hypot(*least.parts.values()), rel=1e-3)


def test_the_most_noise_is_that_of_two_trainings_where_two_are_compared():
    _, most = estimates("tuning")
    assert most.parts["training"] == pytest.approx(PAPER.rms)
    assert most.half == pytest.approx(stats.t.ppf(0.975, 5) * PAPER.rms, rel=0.02)
    assert most.half == pytest.approx(0.13, abs=0.002)


@pytest.mark.parametrize(
    ("name", "number", "trainings"),
    [
        ("transfer", 0, [1, -1]),  # its own, and the baseline
        ("adding", 0, [1, -1]),
        ("own-augmented", 0, [1, -1]),
        ("unseen-augmented", 0, [0.25] * 4 + [-1]),  # the baseline cancels; that at 0 % is shared by four
        ("unnoticed", 0, [1, -1]),
        ("unnoticed", 5, [0.2] * 5 + [-0.2] * 5),
        ("scrambled-falls", 2, [1, -1]),
    ],
)
def test_a_contrast_is_taken_apart_into_its_trainings(name, number, trainings):
    scores = noise.scores_of(CLAIMS[name].contrasts[number])
    assert sorted(scores.values()) == pytest.approx(sorted(trainings))
    _, most = estimates(name, number)
    drawn = np.random.default_rng(1).normal(0, PAPER.rms / 2**0.5, (50_000, len(trainings))) @ trainings
    assert most.parts["training"] == pytest.approx(drawn.std(), rel=0.02)


def test_a_baseline_on_itself_is_no_change_at_all():
    itself = Cells("figure2", "MSP-Podcast", "MSP-Podcast", (0,))
    assert noise.scores_of(Contrast("itself", itself, 0.0, ABOVE)) == {}


def test_against_a_constant_one_training_counts():
    beside = CLAIMS["transfer"].beside[1]
    assert list(noise.scores_of(beside)) == [("IEMOCAP", "CREMA-D", 0)]
    assert noise.rounding(beside) == pytest.approx(0.01 * (2 / 12) ** 0.5), "Table 1's and the change's"


def test_the_most_noise_counts_clips_as_if_networks_erred_apart():
    """CREMA-D, .69 against .79 on 841 clips, by drawing who is right."""
    random = np.random.default_rng(2)
    drawn = random.binomial(841, [0.69, 0.79], (20_000, 2)) / 841
    _, most = estimates("transfer", 1)
    assert most.parts["tests"] == pytest.approx((drawn[:, 0] - drawn[:, 1]).std(), rel=0.03)


def test_the_most_is_never_less_than_the_least():
    for _, contrast in EVERY:
        assert PAPER.most(contrast).half > PAPER.least(contrast).half


# --- what is decided ---


def test_what_print_decides():
    assert claims.in_print() == dict.fromkeys(NAMES, UNTOLD) | {"transfer": HOLDS}


def test_of_the_gap_three_pairs_are_told_by_either_noise():
    most = map(PAPER.most, CLAIMS["transfer"].contrasts)
    assert [abs(of.mean) > of.half for of in most] == [True, False, True, True]
    named = "3 as claimed (MSP-Podcast on IEMOCAP; IEMOCAP on MSP-Podcast; IEMOCAP on CREMA-D)"
    assert named in said("transfer").why


JOINT, SWAPPED = "MSP-Podcast+IEMOCAP", "MSP-Podcast+IEMOCAP-SCRAMBLED"
CLEAR = {
    "tuning": [("table1", "IEMOCAP (tuned)", "IEMOCAP", 0, 0.99)],
    "unseen-augmented": [
        ("figure2", train, "CREMA-D", rate, 0.2)
        for train in ("MSP-Podcast", "IEMOCAP", JOINT)
        for rate in (20, 50, 70, 100)
    ],
    "unseen-falls": [
        ("figure2", train, "IEMOCAP", rate, -0.6)
        for train in ("MSP-Podcast", "MSP-Podcast+CREMA-D")
        for rate in (20, 50, 70, 100)
    ],
}
OTHERWISE = {
    "tuning": [("table1", "IEMOCAP (tuned)", "IEMOCAP", 0, 0.3)],
    "transfer": [
        ("figure2", train, test, 0, 0.2)
        for train, test in [
            *(("MSP-Podcast", "IEMOCAP"), ("MSP-Podcast", "CREMA-D")),
            *(("IEMOCAP", "MSP-Podcast"), ("IEMOCAP", "CREMA-D")),
        ]
    ],
    "adding": [("figure2", JOINT, "IEMOCAP", 0, 0.3)],
    "own-augmented": [("table1", "CREMA-D", "CREMA-D", 100, 0.2)],
    "unseen-augmented": [("figure2", JOINT, "CREMA-D", 0, 0.2)],
    "unseen-falls": [("figure2", "MSP-Podcast", "IEMOCAP", 0, -0.6)],
    "unnoticed": [("figure3", SWAPPED, "IEMOCAP-SCRAMBLED", 0, -0.6)],
    "scrambled-falls": [("figure3", "MSP-Podcast", "IEMOCAP-SCRAMBLED", 100, 0.3)],
}
NULL = {
    "tuning": [("table1", "IEMOCAP (tuned)", "IEMOCAP", 0, 0.63)],
    "transfer": [(*place[:4], 0.0) for place in OTHERWISE["transfer"]],
}


@pytest.mark.parametrize("name", CLEAR)
def test_numbers_that_are_clear_decide_a_claim(name):
    assert said(name, made(*CLEAR[name])).answer == HOLDS


@pytest.mark.parametrize("name", OTHERWISE)
def test_numbers_that_are_clearly_otherwise_decide_against_it(name):
    assert said(name, made(*OTHERWISE[name])).answer == FAILS


@pytest.mark.parametrize("name", NULL)
def test_numbers_of_nothing_decide_nothing(name):
    assert said(name, made(*NULL[name])).answer == UNTOLD


def test_both_ends_of_the_noise_have_to_agree():
    """Were the null nothing, small changes in print would decide; what is left is rounding and clips."""
    quiet = made(without_null=True)
    assert said("tuning", quiet).answer == HOLDS
    assert said("unnoticed", quiet).answer == FAILS, "by .08 at 100 %"
    assert said("tuning").answer == UNTOLD


def test_a_claim_that_does_not_follow_from_its_numbers_never_holds():
    falls = [
        ("figure3", train, "IEMOCAP-SCRAMBLED", 100, -0.9)
        for train in ("MSP-Podcast", "IEMOCAP-SCRAMBLED", SWAPPED)
    ]
    quiet = made(without_null=True)
    for exhibit, train, test, rate, number in falls[::2]:
        here = (quiet["exhibit"] == exhibit) & (quiet["train"] == train) & (quiet["test"] == test)
        quiet.loc[here & (quiet["augment_percent"] == rate), "paper"] = number
    assert said("scrambled-falls", quiet).answer == UNTOLD
    follows = dataclasses.replace(CLAIMS["scrambled-falls"], follows=True)
    assert claims.printed(follows, noise.Printed(quiet)).answer == HOLDS
    for name in ("separates", "bridge"):
        assert said(name, quiet).answer == UNTOLD


def test_many_contrasts_are_corrected_for():
    """Of twenty changes at two deviations one alone would be clear; together none is."""
    one = Contrast("x", Cells("figure2", "MSP-Podcast", "IEMOCAP", (0,)), 0.0, ABOVE)
    estimate = noise.Estimate(0.021, {"rounding": 0.01}, np.inf)
    assert claims.decided([one], [estimate]) == [HOLDS]
    assert claims.decided([one] * 20, [estimate] * 20) == [UNTOLD] * 20


@pytest.mark.parametrize(
    ("shows", "margin", "mean", "expected"),
    [
        *((ABOVE, 0.0, 0.1, HOLDS), (ABOVE, 0.0, -0.1, FAILS), (ABOVE, 0.0, 0.01, UNTOLD)),
        *((BELOW, 0.0, -0.1, HOLDS), (BELOW, 0.0, 0.1, FAILS), (BELOW, 0.05, 0.0, HOLDS)),
        *((WITHIN, 0.05, 0.0, HOLDS), (WITHIN, 0.05, 0.1, FAILS), (WITHIN, 0.05, -0.1, FAILS)),
        *((WITHIN, 0.02, 0.01, UNTOLD), (WITHIN, 0.05, -0.06, UNTOLD)),
    ],
)
def test_a_contrast_is_decided_where_its_interval_lies_on_one_side(shows, margin, mean, expected):
    contrast = Contrast("x", Cells("figure2", "MSP-Podcast", "IEMOCAP", (0,)), 0.0, shows, margin)
    estimate = noise.Estimate(mean, {"rounding": 0.01}, np.inf)
    assert claims.decided([contrast], [estimate]) == [expected]
    low, high = mean - estimate.half, mean + estimate.half
    ends = {ABOVE: (margin, np.inf), BELOW: (-np.inf, margin), WITHIN: (-margin, margin)}
    first, last = ends[shows]
    outside = high < first or low > last
    assert (first < low and high < last, outside) == (expected == HOLDS, expected == FAILS)


@pytest.mark.parametrize(
    ("need", "decided", "expected"),
    [
        *(("all", [HOLDS, HOLDS], HOLDS), ("all", [HOLDS, UNTOLD], UNTOLD), ("all", [UNTOLD, FAILS], FAILS)),
        *(("any", [FAILS, FAILS], FAILS), ("any", [FAILS, UNTOLD], UNTOLD), ("any", [UNTOLD, HOLDS], HOLDS)),
        *(("all", [], UNTOLD), ("any", [], UNTOLD)),
    ],
)
def test_a_claim_needs_all_its_contrasts_or_any(need, decided, expected):
    claim = Claim("x", "§1", "x", need=need)
    assert claims.answer(claim, decided) == expected


@every_claim
def test_no_sentence_is_without_numbers(name):
    found = said(name)
    for part in (found.why, found.repetitions):
        assert re.search(r"\d", found.numbers + part)
        assert part.endswith(".")
    for word in ("nan", "inf ", "None", "  ", "..", "-0.00 "):
        assert not any(word in part for part in dataclasses.astuple(found))


def test_the_best_of_several_is_above_one_by_noise():
    """Sixteen normal numbers, drawn: what Table 1's tuned row has by picking alone."""
    drawn = np.random.default_rng(3).normal(size=(100_000, 16))
    assert claims.expected_best(16) == pytest.approx((drawn.max(axis=1) - drawn[:, 0]).mean(), rel=0.01)
    assert claims.expected_best(1) == pytest.approx(0, abs=1e-9)
    assert "The best of 16 trainings" in said("tuning").why


# --- how many repetitions would see an effect ---


def test_repetitions_of_print_are_those_of_a_claim_s_widest_contrast():
    variance = PAPER.rms**2
    of_tuning = f" {needed(variance, 0.06)} repetitions would see a change of 0.06"
    assert of_tuning in said("tuning").repetitions
    assert f" {needed(variance, 0.02, 2)} repetitions" in said("adding").repetitions


# --- the document ---


def unpadded(text):
    """A Markdown table without what only aligns its columns."""
    return re.sub(r"-{3,}", "---", re.sub(r" {2,}", " ", text))


def test_the_document_has_what_the_code_says():
    text = (
        READING.read_text(encoding="utf-8").partition("## What its numbers decide")[2].partition("\n## ")[0]
    )
    table = claims.table()
    assert unpadded(table.text("github")) in unpadded(text)
    joined = " ".join(text.split())
    for line in table.legend:
        assert " ".join(line.split()) in joined


def test_the_document_says_how_many_repetitions_the_rows_need():
    counts = [int(re.search(r"(\d+) repetitions", said(name).repetitions)[1]) for name in TESTED]
    assert f"{min(counts)} to {max(counts)} repetitions" in READING.read_text(encoding="utf-8")


def test_the_table_has_a_row_a_claim():
    table = claims.table()
    assert [row[0] for row in table.rows] == [f"{of.claim} ({of.section})" for of in CLAIMS.values()]
    assert [row[2] for row in table.rows] == [said(name).answer for name in NAMES]
    assert table.csv().count("\n") == len(NAMES) + 1
