"""A study's own questions: what is asked for, which trainings they bring, one message for each mistake."""

import pytest

from benchmark import study as studies
from benchmark.report import collect, page
from benchmark.report.exhibits import questions
from serkit.errors import SpecError
from serkit.results import Store
from tests.made_studies import small
from tests.report.made_worlds import TWO, asked


def study_of(*ask):
    return studies.from_toml(TWO | {"questions": {"ask": list(ask)}}, "two")


def test_a_question_has_a_claim_two_cells_and_what_is_expected():
    (question,) = study_of(asked(expect="within", margin=0.1)).exhibits["questions"].asked
    assert question == questions.Question(
        "ONE teaches TWO better", ((("one",), "two", 0),), ((("two",), "two", 0),), "within", 0.1
    )
    (plain,) = study_of(asked()).exhibits["questions"].asked
    assert (plain.expect, plain.margin) == ("above", 0.05)


def test_cells_have_one_spelling():
    """Sets in the order of the corpora, a corpus's own permutation by its name, the lowest rate."""
    of = {"train": ["two_near", "one"], "test": "two_hasn", "augment_percent": 50}
    (question,) = study_of(asked(train="two one") | {"of": of}).exhibits["questions"].asked
    assert question.of == ((("one", "two_scrambled"), "two_scrambled", 50),)
    (joint,) = study_of(asked(train="two one")).exhibits["questions"].asked
    assert joint.of == ((("one", "two"), "two", 0),)


def test_the_trainings_of_both_cells_are_in_the_plan_once():
    of = {"train": ["one", "two_far"], "test": "two", "augment_percent": 50}
    study = study_of(asked(), asked("Another", train="one two", less="two") | {"of": of})
    runs = [case.spec for case in studies.plan(study)]
    places = {(run.train, run.augment_percent) for run in runs}
    assert places == {(("one",), 0), (("two",), 0), (("one", "two_far"), 50)}
    assert len(runs) == 3 * 5
    assert study.exhibits["questions"].measurements == ()


def test_a_test_under_other_labels_needs_a_training_that_is_scored_so():
    of = {"train": ["two_far"], "test": "two_far"}
    (question,) = study_of(asked(less="one") | {"of": of}).exhibits["questions"].asked
    assert question.of[0][1] == "two_far"
    with pytest.raises(SpecError, match="of: test 'two_far': expected one of two, two_scrambled"):
        study_of(asked(less="one") | {"of": of | {"train": ["one"]}})


@pytest.mark.usefixtures("no_vega")
def test_questions_have_no_table_and_no_section_and_a_line_among_the_verdicts(tmp_path):
    study = study_of(asked("<b>ONE</b> teaches TWO better"))
    assert not hasattr(questions, "numbers")
    shown = page.html(collect.Report(study, Store(tmp_path / "nothing")))
    assert shown.count("<strong>cannot be told</strong> &lt;b&gt;ONE&lt;/b&gt; teaches TWO better") == 1
    assert "questions" not in small().exhibits


CELL = {"train": ["one"], "test": "two"}
MISTAKES = [
    ({"claim": ""}, "questions.ask 1: claim is empty; expected a text"),
    ({"claim": "one\ntwo"}, "claim = 'one\\ntwo': expected one line without control characters"),
    ({"claim": "x" * 201}, "claim has 201 characters; expected 200 at most"),
    ({"claim": 3}, "questions.ask 1.claim = 3: expected text"),
    ({"expect": "up"}, "questions.ask 1: expect 'up': expected one of above, below, within"),
    ({"margin": 0}, "margin = 0.0: expected a change of wF1, between 0 and 1"),
    ({"margin": 1}, "margin = 1.0: expected a change of wF1, between 0 and 1"),
    ({"margin": float("nan")}, "margin = nan"),
    ({"margin": "0.1"}, "questions.ask 1.margin = '0.1': expected a number"),
    ({"margins": 0.1}, "questions.ask 1: unknown key 'margins'; did you mean 'margin'?"),
    ({"of": 3}, "questions.ask 1.of = 3: expected a table, or a list of tables"),
    ({"of": {"train": ["one"]}}, "questions.ask 1.of: test is missing"),
    ({"of": {"test": "two"}}, "questions.ask 1.of: train is missing"),
    ({"of": CELL | {"rate": 0}}, "questions.ask 1.of: unknown key 'rate'"),
    ({"of": CELL | {"train": []}}, "questions.ask 1.of.train = []: expected a list of one or more"),
    ({"of": CELL | {"train": [1]}}, "questions.ask 1.of: 1: expected the name of a corpus"),
    ({"of": CELL | {"train": ["four"]}}, "questions.ask 1.of: corpus 'four': expected one of one, two"),
    ({"of": CELL | {"train": ["one", "one_near"]}}, "training corpora one, one_near: the same corpus twice"),
    ({"of": CELL | {"augment_percent": 20}}, "of: augment_percent 20: expected one of 0, 50"),
    ({"of": CELL | {"test": "two_far"}}, "of: test 'two_far': expected one of two, two_scrambled"),
    ({"of": CELL | {"test": "two_shuffled"}}, "test 'two_shuffled': expected one of two, two_scrambled"),
    ({"of": CELL | {"test": "one"}}, "questions.ask 1: one less two: expected as many cells on each corpus"),
    ({"of": {"train": ["two"], "test": "two"}}, "questions.ask 1: a cell less itself"),
    ({"of": [CELL, CELL | {"test": "one"}]}, "questions.ask 1: two and one less two: expected as many cells"),
    ({"of": [CELL, CELL], "less": [{"train": ["two"], "test": "two"}] * 2}, "twice"),
    (
        {"of": [CELL, CELL | {"augment_percent": 0}], "less": [CELL | {"train": ["two"]}] * 2},
        "twice on one side",
    ),
    ({"of": [CELL, 3]}, "questions.ask 1.of = 3: expected a table"),
    ({"of": []}, "questions.ask 1.of = []: expected a table, or a list of tables"),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES)
def test_a_question_that_cannot_be_is_one_message(change, message):
    with pytest.raises(SpecError) as raised:
        studies.from_toml(TWO | {"questions": {"ask": [asked() | change]}}, "two")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "questions: ask is missing; expected one or more [[questions.ask]]"),
        ({"ask": {}}, "questions.ask = {}: expected a list of one or more"),
        ({"ask": ["one"]}, "questions.ask 1 = 'one': expected a table"),
        ({"ask": [asked(), asked()]}, "twice"),
        ({"ask": [asked(), {"claim": "x"}]}, "questions.ask 2: of is missing"),
        ({"asks": [asked()]}, "questions: unknown key 'asks'; did you mean 'ask'?"),
    ],
)
def test_questions_that_cannot_be_are_one_message(table, message):
    with pytest.raises(SpecError) as raised:
        studies.from_toml(TWO | {"questions": table}, "two")
    assert message in str(raised.value)
