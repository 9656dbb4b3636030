"""Treatments of labels: how they are spelt, what is refused, and what a run is taught under each."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from serkit.errors import SpecError
from serkit.labels import (
    LABELS,
    NAMED,
    SWAP,
    TREATMENTS,
    corpus_of,
    ending_of,
    is_permuted,
    is_treatment,
    learnt,
    permutation_of,
    permuted,
    spelt,
    title_of,
    treated,
    treatment_of,
)
from serkit.specs import CorpusSpec, ModelSpec, Recipe, RunSpec, check_name, from_json
from serkit.streams import TREATED, stream
from tests.fuzz import FUZZ

NEAR = tuple(sorted(SWAP.items()))
LETTERS = ["".join(letters) for letters in itertools.permutations("ahns")]
OTHERS = [letters for letters in LETTERS if letters != "ahns"]
WITHOUT = [f"without-{label}" for label in LABELS]

PERMUTATIONS = st.sampled_from([*NAMED, *OTHERS])
SHARES = st.builds("{}{}".format, PERMUTATIONS, st.integers(1, 99))
ANY = st.one_of(PERMUTATIONS, SHARES, st.sampled_from(["scrambled", "shuffled", *WITHOUT]))
CODES = st.lists(st.integers(0, 3), max_size=60).map(lambda codes: np.asarray(codes, dtype=np.int64))

EMODB = CorpusSpec("emodb", "emodb", folds=5, scramble=NEAR)
MSP = CorpusSpec("msp", "msp_podcast")
RUN = RunSpec(
    train=("emodb", "msp"),
    corpora=(EMODB, MSP),
    augment_percent=0,
    fold=0,
    seed=0,
    model=ModelSpec(width=1, weights=None),
    recipe=Recipe(),
)


def taught(treatment, codes, seed=0, place=0, scramble=NEAR):
    return learnt(treated("emodb", treatment), codes, scramble, stream(TREATED, seed, place))


# --- names ---


def test_each_permutation_but_that_of_no_label_has_a_name():
    found = {permutation_of(letters) for letters in OTHERS}
    assert len(OTHERS) == len(found) == 23
    assert all(map(is_treatment, OTHERS))
    assert not is_treatment("ahns")  # the truth


def test_the_letters_say_what_each_label_becomes():
    assert permutation_of("hsan") == (
        *(("angry", "happy"), ("happy", "sad"), ("neutral", "angry"), ("sad", "neutral")),
    )
    assert dict(permutation_of("near")) == SWAP
    # far crosses arousal: angry and happy are high, neutral and sad low
    low = {"neutral", "sad"}
    assert all((true in low) != (other in low) for true, other in permutation_of("far"))
    assert all((true in low) == (other in low) for true, other in permutation_of("near"))


@FUZZ
@given(ANY)
def test_a_name_is_its_corpus_and_its_treatment(treatment):
    name = treated("emodb", treatment)
    assert is_treatment(treatment)
    assert (corpus_of(name), treatment_of(name)) == ("emodb", treatment)
    check_name("corpus", name, (EMODB, MSP))


def test_without_a_treatment_a_name_is_the_corpus():
    assert treated("emodb", "") == corpus_of("emodb") == "emodb"
    assert treatment_of("emodb") == ""
    assert not is_permuted("emodb")


@FUZZ
@given(st.text(alphabet="ahnsfrew-dutilkpgy0123456789", min_size=1, max_size=14))
def test_words_that_are_no_treatment_are_refused_with_those_that_are(word):
    assume(not is_treatment(word))
    with pytest.raises(SpecError) as caught:
        check_name("training corpus", f"emodb_{word}", (EMODB, MSP))
    said = str(caught.value)
    assert said.startswith(f"training corpus 'emodb_{word}': expected after the corpus and a _ one of ")
    assert all(f"{pattern} ({does})" in said for pattern, does in TREATMENTS.items())
    assert said.isprintable()
    assert len(said) < 700


@pytest.mark.parametrize(
    "word",
    [
        *("ahns", "aahn", "hasnn", "has", "far0", "far00", "far05", "far100", "farr", "far-30", "30far"),
        *("scrambled30", "shuffled30", "without-", "without-calm", "without-sad30", "Far", "far ", "far\n"),
    ],
)
def test_what_is_no_treatment(word):
    assert not is_treatment(word)
    with pytest.raises(SpecError, match="expected after the corpus and a _ one of scrambled"):
        replace(RUN, train=(f"emodb_{word}", "msp"))


def test_a_corpus_without_a_permutation_of_its_own_can_have_any_by_name():
    with pytest.raises(SpecError, match=r"'msp_scrambled': corpus msp has no scramble; add \[corpora\.msp"):
        replace(RUN, train=("emodb", "msp_scrambled"))
    assert replace(RUN, train=("emodb", "msp_near")).train == ("emodb", "msp_near")


# --- one spelling ---


@FUZZ
@given(PERMUTATIONS, PERMUTATIONS, st.sampled_from([(), *map(permutation_of, OTHERS)]))
def test_two_names_of_all_clips_are_spelt_alike_where_their_labels_are(one, other, scramble):
    equal = permutation_of(one) == permutation_of(other)
    names = [spelt(treated("emodb", treatment), scramble) for treatment in (one, other)]
    assert (names[0] == names[1]) == equal
    assert (names[0] == permuted("emodb")) == (permutation_of(one) == scramble)


@FUZZ
@given(ANY, st.sampled_from([NEAR, permutation_of("far"), permutation_of("hans")]))
def test_a_spelling_keeps_the_labels_and_is_spelt_as_it_is(treatment, scramble):
    name = spelt(treated("emodb", treatment), scramble)
    assert spelt(name, scramble) == name
    assert is_treatment(treatment_of(name))
    assert is_permuted(name) == is_permuted(treated("emodb", treatment))
    codes = np.arange(40) % 4
    here = taught(treatment_of(name), codes, scramble=scramble)
    np.testing.assert_array_equal(here, taught(treatment, codes, scramble=scramble))


def test_equal_labels_are_one_run_however_they_are_written():
    names = "emodb_scrambled", "emodb_near", "emodb_hasn"
    runs = [replace(RUN, train=(name, "msp")) for name in names]
    assert len(set(runs)) == len({run.key for run in runs}) == 1
    assert runs[0].train == ("emodb_scrambled", "msp")
    assert from_json(json.loads(runs[1].canonical())) == runs[0]
    # a share is none of the corpus's own, and another corpus's scramble says nothing
    assert replace(RUN, train=("emodb_hasn50",)).train == ("emodb_near50",)
    assert replace(RUN, train=("emodb", "msp_hasn")).train == ("emodb", "msp_near")
    assert replace(RUN, train=("emodb_snha",)).train == ("emodb_far",)


def test_one_corpus_is_once_in_a_training_set():
    with pytest.raises(SpecError, match="emodb_far, emodb_scrambled: the same corpus twice"):
        replace(RUN, train=("emodb_scrambled", "emodb_far"))


@pytest.mark.parametrize(
    ("train", "tests"),
    [
        (("emodb",), ("emodb", "emodb_scrambled")),
        (("emodb_hasn",), ("emodb", "emodb_scrambled")),
        (("emodb_far",), ("emodb", "emodb_scrambled", "emodb_far")),
        (("emodb_far50",), ("emodb", "emodb_scrambled")),
        (("emodb_shuffled",), ("emodb", "emodb_scrambled")),
        (("emodb_without-sad",), ("emodb", "emodb_scrambled")),
    ],
)
def test_a_corpus_is_tested_under_the_permutation_that_was_learnt(train, tests):
    run = replace(RUN, train=(*train, "msp"))
    assert run.tests_of(EMODB) == tests
    assert run.tests_of(MSP) == ("msp",)


# --- titles ---


@FUZZ
@given(ANY, st.text(max_size=12))
def test_the_ending_of_a_title_is_what_its_treatment_gave_it(treatment, title):
    whole = title_of(treated("emodb", treatment), {"emodb": title})
    assert whole == f"{title}-{treatment.upper()}"
    assert ending_of(whole) == f"-{treatment.upper()}"
    assert title_of("emodb", {"emodb": title}) == title


@pytest.mark.parametrize(
    ("title", "ending"),
    [
        *(("EmoDB", ""), ("CREMA-D", ""), ("far", ""), ("Safar", ""), ("A-FARE", ""), ("A-FAR30-B", "")),
        *(
            ("A-Far", "-Far"),
            ("A-hasn7", "-hasn7"),
            ("A-SCRAMBLED", "-SCRAMBLED"),
            ("-SHUFFLED", "-SHUFFLED"),
        ),
        *(("A-without-Sad", "-without-Sad"), ("IEMOCAP-AHNS", ""), ("Laughs-HAHA", ""), ("A-FAR100", "")),
    ],
)
def test_endings(title, ending):
    assert ending_of(title) == ending


# --- what is taught ---


@FUZZ
@given(PERMUTATIONS, CODES, st.integers(0, 2**32 - 1))
def test_a_permutation_is_of_every_clip_whatever_chance_says(treatment, codes, seed):
    key = dict(permutation_of(treatment))
    told = [LABELS[code] for code in taught(treatment, codes, seed)]
    assert told == [key[LABELS[code]] for code in codes]


def test_the_corpuss_own_permutation_is_what_it_says():
    codes = np.arange(4)
    assert taught("scrambled", codes).tolist() == [1, 0, 3, 2]
    assert taught("scrambled", codes, scramble=permutation_of("far")).tolist() == [3, 2, 1, 0]


@FUZZ
@given(st.sampled_from(["near", "far", "hnsa"]), CODES, st.integers(0, 2**32 - 1), st.data())
def test_shares_are_of_so_many_clips_and_nested(treatment, codes, seed, data):
    """Each of these moves every label, so what is another than before was permuted."""
    less, more = sorted(data.draw(st.lists(st.integers(1, 99), min_size=2, max_size=2)))
    key = np.asarray([LABELS.index(other) for _, other in permutation_of(treatment)])
    changed = {}
    for share in (less, more):
        told = taught(f"{treatment}{share}", codes, seed)
        changed[share] = told != codes
        assert abs(changed[share].sum() - len(codes) * share / 100) <= 0.5
        np.testing.assert_array_equal(told[changed[share]], key[codes[changed[share]]])
    assert (changed[less] <= changed[more]).all()


def test_another_seed_permutes_other_clips():
    codes = np.arange(200) % 4
    first, again, other, elsewhere = (
        taught("far30", codes, *way) != codes for way in ((1,), (1,), (2,), (1, 1))
    )
    np.testing.assert_array_equal(first, again)
    assert first.sum() == other.sum() == elsewhere.sum() == 60
    for another in (other, elsewhere):
        assert 5 < (first & another).sum() < 35  # 18 by chance


@FUZZ
@given(CODES, st.integers(0, 2**32 - 1))
def test_shuffled_labels_are_as_many_of_each(codes, seed):
    assert sorted(taught("shuffled", codes, seed)) == sorted(codes)


def test_shuffled_labels_say_nothing_of_the_clip():
    """A label is right as often as by chance: mean and spread over seeds of a hypergeometric draw."""
    codes = np.repeat(np.arange(4), (40, 30, 20, 10))
    right = np.asarray([(taught("shuffled", codes, seed) == codes).sum() for seed in range(400)])
    expected = (40**2 + 30**2 + 20**2 + 10**2) / 100
    assert right.mean() == pytest.approx(expected, abs=1)
    assert 3 < right.std() < 6


def test_shuffled_labels_are_the_same_in_every_process(fresh_python):
    codes = np.arange(24) % 4
    here = {
        (seed, place): taught("shuffled", codes, seed, place).tolist() for seed in (0, 1) for place in (0, 1)
    }
    assert len(set(map(tuple, here.values()))) == 4
    told = fresh_python(
        "import numpy as np\n"
        "from serkit.labels import learnt\n"
        "from serkit.streams import TREATED, stream\n"
        "print([learnt('emodb_shuffled', np.arange(24) % 4, (), stream(TREATED, seed, place)).tolist()"
        " for seed in (0, 1) for place in (0, 1)])",
        PYTHONHASHSEED="7",
    )
    assert json.loads(told.stdout) == list(here.values()), told.stderr


@FUZZ
@given(st.sampled_from(LABELS), CODES, st.integers(0, 2**32 - 1))
def test_without_a_label_its_clips_and_no_others_are_left_out(label, codes, seed):
    told = taught(f"without-{label}", codes, seed)
    np.testing.assert_array_equal(told, np.where(codes == LABELS.index(label), -1, codes))


@FUZZ
@given(st.one_of(st.just(""), ANY), CODES)
def test_the_true_labels_stay_as_they_are(treatment, codes):
    before = codes.copy()
    told = taught(treatment, codes)
    np.testing.assert_array_equal(codes, before)
    assert told is not codes
    assert told.dtype == np.int64
    if not treatment:
        np.testing.assert_array_equal(told, before)
