"""Permuted labels of one corpus: what is lost and to which label, by counting clips; shares, gaps."""

import numpy as np
import pytest
import scipy.stats

from benchmark import study as studies
from benchmark.report.exhibits import permuted
from serkit.errors import SpecError
from serkit.labels import LABELS
from tests.made_studies import small
from tests.report.made_worlds import (
    MODEL,
    READERS,
    World,
    fieller,
    is_on_the_page,
    made_cells,
    over_folds,
    partners,
    shares,
)

CYCLE = {"angry": "happy", "happy": "neutral", "neutral": "sad", "sad": "angry"}
"""What the clips of TWO are taught: a permutation that is not its own inverse, so there and back differ."""
STUDY = {
    "title": "Three corpora",
    "model": MODEL,
    "corpora": READERS,
    "permuted": {"train": [["one", "two_hnsa"]]},
}
TRAIN = ("one", "two_hnsa")
FIRST = {"one": [0.5, 0.3, 0.1, 0.1], "two": [0.55, 0.05, 0.1, 0.3], "three": [0.4, 0.3, 0.2, 0.1]}
"""How networks on permuted labels call clips: what is right there (on TWO, as taught), the next label of the
cycle and the two after. On TWO the last of them is the true label, which is what ONE teaches."""
ON_TRUE = [0.7, 0.06, 0.06, 0.18]
"""On true labels the last is what errors usually are: more than a third of them."""


def chain(shares):
    """[truth, predicted]: each label so often, the next in the cycle, and so on."""
    table = np.zeros((4, 4))
    for truth in range(4):
        for step, share in enumerate(shares):
            table[truth, (truth + step) % 4] = share
    return table


class Cycle(World):
    def says(self, spec, corpus):
        """Of the permuted corpus from what it was taught on, so one step further."""
        if spec.train == spec.trained_on:
            return chain(ON_TRUE)
        shares = FIRST[corpus]
        return chain(shares if corpus != "two" else shares[-1:] + shares[:-1])


def made_of(world, number=30, **changes):
    """The cells of a world in a study that asks for nothing else."""
    return made_cells(world, number, given=STUDY, **changes)


@pytest.fixture(scope="module")
def made():
    return made_of(Cycle())


@pytest.fixture(scope="module")
def rows(made):
    return permuted.numbers(made.study, made, None)["permuted-cells"].set_index("test")


def asked(**table):
    return studies.from_toml(STUDY | {"permuted": table}, "made")


@pytest.mark.parametrize("name", ["two_scrambled", "two_far", "two_hnsa", "two_far30"])
def test_each_is_trained_beside_the_same_on_true_labels(name):
    study = studies.from_toml(
        STUDY | {"rates_percent": [0, 50], "permuted": {"train": [["one", name]], "rates_percent": [50]}},
        "made",
    )
    runs = {(case.spec.train, case.spec.augment_percent, case.spec.fold) for case in studies.plan(study)}
    assert runs == {(train, 50, fold) for train in (("one", name), ("one", "two")) for fold in range(5)}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            {"train": [["two_far"]]},
            r"permuted.train \['two_far'\]: expected two corpora or more, one of them as",
        ),
        ({"train": [["one", "two"]]}, "expected two corpora or more, one of them as NAME_far"),
        ({"train": [["one_far", "two_far"]]}, "expected two corpora or more, one of them as NAME_far"),
        ({"train": [["one", "two_shuffled"]]}, "expected two corpora or more, one of them as NAME_far"),
        ({"train": [["one", "two_without-sad"]]}, "expected two corpora or more, one of them as NAME_far"),
        ({"train": [["one_scrambled", "two"]]}, "corpus one has no scramble"),
        ({"train": [["one", "two_ahns"]]}, "two_ahns"),
        (
            {"train": [["one", "two_far"]], "rates_percent": [5]},
            "permuted.rates_percent 5: expected one of 0",
        ),
        ({"train": [["one", "two_far"]], "rate": 0}, "permuted: unknown key 'rate'"),
        ({}, "permuted: train is missing"),
    ],
)
def test_what_is_no_contradiction_is_refused(table, message):
    with pytest.raises(SpecError, match=message):
        asked(**table)


# --- numbers, by counting clips ---


def called(made, train, corpus, codes):
    """Of the clips of each fold the mean share over labels that are called by the codes; a row a network."""
    return shares(made, train, corpus)[:, :, range(4), codes].mean(axis=2)


THERE = [LABELS.index(CYCLE[label]) for label in LABELS]
BACK = [THERE.index(at) for at in range(4)]
SAME = [0, 1, 2, 3]
CODES = {"two": ((THERE, SAME), (SAME, BACK)), "one": ((SAME, THERE),) * 2, "three": ((SAME, THERE),) * 2}
"""What is right and what the partner is, on permuted labels and on true ones."""


def parts(made, corpus):
    """What is lost and what goes to the partner, a row a network, a column a fold; the usual share."""
    ours, theirs = CODES[corpus]
    mine, partner = (called(made, TRAIN, corpus, codes) for codes in ours)
    true, before = (called(made, ("one", "two"), corpus, codes) for codes in theirs)
    return true - mine, partner - before, before.mean() / (1 - true.mean())


@pytest.mark.parametrize("corpus", ["one", "two"])
def test_of_a_corpus_that_is_taught_what_is_lost_and_where_it_goes_is_counted(made, rows, corpus):
    lost, partner, usual = parts(made, corpus)
    lost, partner, row = lost[:, 0], partner[:, 0], rows.loc[corpus.upper()]
    assert row["usual"] == pytest.approx(usual)
    assert (usual > 1 / 3) == (corpus == "two")
    beyond = partner - max(1 / 3, usual) * lost
    for name, values in {"lost": lost, "partner": partner, "beyond": beyond}.items():
        *ends, p = over_folds(values)
        assert row[[name, f"{name}_low", f"{name}_high"]].tolist() == pytest.approx(ends)
        assert row[f"{name}_p"] == pytest.approx(p, abs=1e-9)
    assert row["share"] == pytest.approx(partner.mean() / lost.mean())
    assert row[["share_low", "share_high"]].tolist() == pytest.approx(fieller(partner, lost), abs=2e-3)


def test_what_the_clips_say_is_what_the_networks_were_made_to():
    """By hand: on TWO 0.7 - 0.55 is lost, and the partner, its true label, is said in 0.3, before in 0.18."""
    made = made_of(Cycle(), number=400)
    rows = permuted.numbers(made.study, made, None)["permuted-cells"].set_index("test")
    lost = {"ONE": 0.7 - 0.5, "TWO": 0.7 - 0.55, "THREE": 0.7 - 0.4}
    partner = {"ONE": 0.3 - 0.06, "TWO": 0.3 - 0.18, "THREE": 0.3 - 0.06}
    usual = {"ONE": 0.06 / 0.3, "TWO": 0.18 / 0.3, "THREE": 0.06 / 0.3}
    for corpus, row in rows.iterrows():
        for name, of in (("lost", lost), ("partner", partner), ("usual", usual)):
            assert row[name] == pytest.approx(of[corpus], abs=0.03)
        assert row["share"] == pytest.approx(partner[corpus] / lost[corpus], rel=0.25)
        beyond = row["partner"] - max(1 / 3, row["usual"]) * row["lost"]
        assert row["beyond"] == pytest.approx(beyond)
    assert rows["role"].to_dict() == {
        "TWO": "taught permuted",
        "ONE": "taught true",
        "THREE": "not trained on",
    }


def test_a_corpus_that_is_not_trained_on_has_the_networks_of_every_fold(made, rows):
    lost, partner, usual = parts(made, "three")
    row = rows.loc["THREE"]
    assert row["lost"] == pytest.approx(lost.mean())
    assert row["partner"] == pytest.approx(partner.mean())
    assert row["usual"] == pytest.approx(usual)
    (of,) = (of for of in permuted.directions(made, TRAIN, 0) if of.corpus == "three")
    assert of.lost().parts["tests"] == pytest.approx(scipy.stats.sem(lost.mean(axis=0)))
    assert of.lost().parts["training"] > 0


def test_of_an_even_spread_nothing_is_above_even_and_the_share_is_a_third():
    class Even(Cycle):
        def says(self, spec, corpus):
            return chain([0.7, 0.1, 0.1, 0.1] if spec.train == spec.trained_on else self.lossy(corpus))

        def lossy(self, corpus):
            shares = [0.4, 0.2, 0.2, 0.2]
            return shares if corpus != "two" else shares[-1:] + shares[:-1]

    made = made_of(Even(), number=400)
    for of in permuted.directions(made, TRAIN, 0)[:2]:
        share = of.share()
        assert share.low < 1 / 3 < share.high or share.mean == pytest.approx(1 / 3, abs=0.05)
        assert of.beyond().mean == pytest.approx(0.0, abs=0.02)


def test_where_nothing_is_clearly_lost_there_is_no_share():
    class Same(Cycle):
        def says(self, spec, corpus):
            shares = [0.7, 0.1, 0.1, 0.1]
            taught = corpus == "two" and spec.train != spec.trained_on
            return chain(shares[-1:] + shares[:-1] if taught else shares)

    made = made_of(Same(), seed=1)
    for of in permuted.directions(made, TRAIN, 0):
        assert of.lost().low < 0
        assert np.isnan(of.share().mean)
    (table,) = permuted.draw_tables(made.study, permuted.numbers(made.study, made, None))
    assert {row[-1] for row in table.rows} == {"--"}


def near_and_far(swapped, number=200):
    """How much is crossed between two permutations of TWO, by corpus."""

    class Two(World):
        def swapped(self, corpus, codes):
            return swapped(codes)

    trains = ("one", "two_scrambled"), ("one", "two_far")
    made = made_of(Two(), number, permuted={"train": list(map(list, trains))})
    return made, {name: permuted.crossed(made, *trains, name, 0) for name in ("one", "two", "three")}


FAR = [LABELS.index(label) for label in ("sad", "neutral", "happy", "angry")]
NEAR = [LABELS.index(label) for label in ("happy", "angry", "sad", "neutral")]


def test_two_permutations_are_held_against_each_other():
    """Half is called by the partner of what was learnt and .1 by each other: .4 more, under both."""
    made, found = near_and_far(lambda codes: partners(0.3, 0.5, codes))
    for name in ("one", "two"):
        assert found[name].mean == pytest.approx(0.4, abs=0.03)
        assert found[name].clear
    near, far = (
        np.subtract(*(called(made, ("one", train), "one", codes) for codes in (NEAR, FAR)))
        for train in ("two_scrambled", "two_far")
    )
    assert found["one"].mean == pytest.approx((near - far).mean() / 2), "by counting"


def test_a_disturbance_that_is_alike_under_both_permutations_crosses_nothing():
    _, found = near_and_far(lambda codes: partners(0.3, 0.5, NEAR))  # whatever was learnt
    assert found["one"].mean == pytest.approx(0.0, abs=0.03)
    assert not near_and_far(lambda codes: partners(0.3, 0.7 / 3, codes))[1]["one"].clear
    assert found["three"].mean == pytest.approx(0.0, abs=0.03)


def test_with_a_share_of_the_clips_permuted_only_other_corpora_tell():
    made = made_of(Cycle(), number=5, permuted={"train": [["one", "two_far30"]]})
    assert [of.corpus for of in permuted.directions(made, ("one", "two_far30"), 0)] == ["one", "three"]
    (table,) = permuted.draw_tables(made.study, permuted.numbers(made.study, made, None))
    assert [row[1:3] for row in table.rows] == [["ONE", "taught true"], ["THREE", "not trained on"]]


def test_what_is_missing_is_a_gap():
    made = made_of(Cycle(), number=5, leave_out=lambda spec: spec.train == TRAIN and spec.fold > 2)
    numbers = permuted.numbers(made.study, made, None)
    row = numbers["permuted-cells"].iloc[0]
    assert (row["runs"], row["runs_expected"]) == (8, 10)
    (table,) = permuted.draw_tables(made.study, numbers)
    assert table.rows[0][3].endswith(" [8/10]")
    nothing = made_of(Cycle(), leave_out=lambda spec: True)
    numbers = permuted.numbers(nothing.study, nothing, None)
    (table,) = permuted.draw_tables(nothing.study, numbers)
    assert [row[3:] for row in table.rows] == [["-- [0/10]", *["--"] * 4]] * 3
    assert list(permuted.draw_figures(nothing.study, numbers, "paper")) == []
    assert permuted.numbers(small(), None, None) == {}


# --- table, picture, page ---


def test_the_table_has_a_row_a_corpus(made, rows):
    numbers = permuted.numbers(made.study, made, None)
    (table,) = permuted.draw_tables(made.study, numbers)
    assert {len(row) for row in table.rows} == {len(table.headers)}
    assert [row[0] for row in table.rows] == ["ONE+TWO-HNSA, 0 %", "", ""]
    for drawn, row in zip(table.rows, rows.reset_index().to_dict("records"), strict=True):
        for at, name in {3: "lost", 4: "partner", 6: "beyond"}.items():
            ends = [f"{row[f'{name}{end}']:+.2f}" for end in ("", "_low", "_high")]
            assert drawn[at] == f"{ends[0]} [{ends[1]}, {ends[2]}]"
        assert drawn[5] == f"{row['usual']:.2f}"


@pytest.mark.filterwarnings("error")
def test_the_figure_has_two_bars_a_corpus(made, rows):
    ((name, figure),) = permuted.draw_figures(made.study, permuted.numbers(made.study, made, None), "paper")
    figure.draw_without_rendering()
    assert name == "permuted"
    (panel,) = figure.axes
    assert [label.get_text() for label in panel.get_xticklabels()] == ["TWO", "ONE", "THREE"]
    heights = [bar.get_height() for bar in panel.patches]
    assert heights == pytest.approx([*rows["lost"], *rows["partner"]])
    dashed = [line.get_ydata()[0] for line in panel.get_lines() if line.get_linestyle() == "--"]
    assert dashed == pytest.approx((rows["lost"] * rows["usual"].clip(lower=1 / 3)).tolist())


@pytest.mark.filterwarnings("error")
def test_a_figure_of_some_corpora_and_several_trainings_is_drawn():
    several = {"train": [["one", "two_hnsa"], ["three", "two_far50"]]}
    made = made_of(Cycle(), number=5, permuted=several, leave_out=lambda spec: spec.train == ("one", "two"))
    ((_, figure),) = permuted.draw_figures(made.study, permuted.numbers(made.study, made, None), "paper")
    figure.draw_without_rendering()
    assert [panel.get_title(loc="left") for panel in figure.axes] == ["ONE+TWO-HNSA", "TWO-FAR50+THREE"]


@pytest.mark.usefixtures("no_vega")
def test_the_page_shows_all_that_there_is(made, tmp_path):
    said = "What permuted labels cost, and where it goes; the numbers"
    is_on_the_page(permuted, made, tmp_path, f'alt="{said}')
