"""What a study's file may hold: whatever else it is, one message says so, at once."""

import os
import re
import string
import time
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmark import study as studies
from benchmark.study_file import CORPUS, DEVICES, MAX_BYTES, TAKEN, study_name
from serkit.corpora import READERS
from serkit.errors import SerkitError, SpecError
from serkit.settings import BOUNDS, number, plain
from serkit.specs import from_json
from serkit.words import printable, shown
from tests.fuzz import FUZZ

PLAIN = """
title = "T"
rates_percent = [0, 50]
[corpora.one]
reader = "emodb"
[corpora.two]
reader = "audformat"
[model]
width = 8
weights = ""
[recipe]
[table1]
train = [["one"], ["two"]]
[figure2]
train = [["one"], ["two"]]
test = ["one", "two"]
"""


def put(line, behind="title"):
    """The study with a line before or behind one of its own."""
    if behind == "title":
        return line + PLAIN
    head = f"\n{behind}\n"
    assert head in PLAIN
    return PLAIN.replace(head, f"{head}{line}\n")


def one(line):
    return put(line, 'reader = "emodb"')


def two(line):
    return put(line, 'reader = "audformat"')


def recipe(line):
    return put(line, "[recipe]")


LISTS = "[" * 500 + "]" * 500
SEED = "seed = {}: expected a whole number in 0..4,294,967,295"

ABSURD = {
    "max_seconds = inf": (recipe("max_seconds = inf"), "max_seconds = inf: expected a number in 0.1..600"),
    "max_seconds = nan": (recipe("max_seconds = nan"), "max_seconds = nan: expected a number in 0.1..600"),
    "loudness": (recipe("loudness_dbfs = -inf"), "loudness_dbfs = -inf: expected a number in -90..-1"),
    "tail": (recipe("tail = nan"), "tail = nan: expected a number above 0, 1 at most"),
    "evaluations": (recipe("evaluations_per_epoch = 1e9"), "expected a number above 0, 100 at most"),
    "both": (
        recipe("epochs = 20000\nevaluations_per_epoch = 50"),
        "evaluations_per_epoch = 50: expected 100,000 evaluations at most",
    ),
    "epochs": (recipe("epochs = 1000000000"), "epochs = 1000000000: expected a whole number in 1..100,000"),
    "batch": (recipe("batch_size = 1000000000000"), "expected a whole number in 1..65,536"),
    "rate": (recipe("learning_rate = 1e300"), "learning_rate = 1e+300: expected a number above 0"),
    "width": (PLAIN.replace("= 8", "= 1000000000"), "expected a whole number in 1..256"),
    "seed 1e23": (put("seeds = [1e23]"), SEED.format("1e+23")),
    "seed 10**23": (put(f"seeds = [{10**23}]"), SEED.format(10**23)),
    "seed < 0": (put("seeds = [-1]"), SEED.format(-1)),
    "seed true": (put("seeds = [true]"), SEED.format(True)),
    "5000 digits": (put(f"seeds = [{'9' * 5000}]"), "is not TOML: Exceeds the limit"),
    "5000 hex digits": (put(f"seeds = [0x{'f' * 5000}]"), SEED.format("something very large")),
    "folds of an option": (two("options = { folds = 1000000 }"), "folds = 1000000: expected a whole number"),
    "folds": (PLAIN.replace('"audformat"', '"made"\nfolds = 1000000'), "expected a whole number in 1..1,000"),
    "cases": (
        put(f"seeds = {[*range(100)]}\n") + "[corpora.two.options]\nfolds = 900",
        "up to 720,000 cases; expected 20,000 at most",
    ),
    "rates": (
        PLAIN.replace("[0, 50]", str([0] * 30_000)),
        "rates_percent: 30,000 items; expected 100 at most",
    ),
    "lists": (two(f"options = {{ labels = {LISTS} }}"), "nested too deep"),
    "tables": (two("options = " + "{ a = " * 400 + "1" + " }" * 400), "nested too deep"),
    "dots": (two(f"options{'.a' * 500} = 1"), "nested deeper than 8 levels"),
    "headers": (PLAIN + f"[{'.'.join('a' * 3000)}]", "nested deeper than 8 levels"),
    "size": ("#" * 10**8, "more than 131,072 bytes"),
    "corpora": (
        "title = 'T'\n" + "".join(f"[corpora.a{n}]\nreader='emodb'\n" for n in range(3500)),
        "corpora: 3,500 of them; expected 100 at most",
    ),
    "a date": (put("caution = 2020-01-01"), "caution = 2020-01-01: expected text"),
    "a time": (two("options = { name = 10:00:00 }"), "options.name = 10:00:00: expected text"),
    "nan": (two("options = { labels = nan }"), "labels = nan; expected"),
    "title": (PLAIN.replace('"T"', f'"{"x" * 100_000}"'), "title has 100,000 characters; expected 200"),
    "title of a corpus": (one(f"title = '{'y' * 5000}'"), "corpora.one.title has 5,000 characters"),
    "name": (PLAIN.replace("one", "o" * 5000), "expected letters and digits only, 40 at most"),
    "name in letters of others": (
        PLAIN.replace("corpora.one", 'corpora."öne"'),
        "corpus name 'öne': expected",
    ),
    "key": (put(f"{'k' * 5000} = 1"), "kkk ... (known: "),
    "empty key": (one('"" = 1'), "corpora.one: unknown key ''"),
    "cap": (one("max_training_clips = 0"), "max_training_clips = 0: expected a whole number in 4.."),
    "cap true": (one("max_training_clips = true"), "max_training_clips = True: expected a whole number"),
    "expected": (one("expected_training_clips = -1"), "clips = -1: expected a whole number in 1.."),
    # sequences that would reach a terminal
    "escape": (PLAIN.replace('"T"', r'"a\u001b[31mb"'), r"'a\x1b[31mb' has control characters"),
    "nothing to see": (one(r'title = "\u200b \ufeff"'), "title is empty; expected a text"),
    "escape in a title": (one(r'title = "\u001b]0;x\u0007"'), r"'\x1b]0;x\x07' has control characters"),
    "escape in an option": (two(r'options = { name = "\u202eabc" }'), r"'\u202eabc' has control characters"),
    "escape in an option's key": (two(r'options = { labels = { "\u001bx" = "sad" } }'), r"'\x1bx' has"),
    "escape in a key": (PLAIN + r'["\u001b[31m"]', r"'\x1b[31m' has control characters"),
    "escape in a caution": (put(r'caution = "\u009b31m"'), r"'\x9b31m' has control characters"),
    "zero": (one(r'title = "a\u0000"'), r"'a\x00' has control characters"),
    "line break": (PLAIN.replace('"T"', r'"a\nb"'), "title = 'a\\nb': expected one line"),
    "line break of others": (PLAIN.replace('"T"', r'"a\u0085b"'), "has control characters"),
    # what tables could not tell apart
    "plus": (one('title = "A+B"'), "expected no +, which joins training sets"),
    "accents": (
        one('title = "E\u0301"').replace("[corpora.two]", '[corpora.two]\ntitle = "\u00c9"'),
        "corpora.two: another corpus has the title 'É' too",
    ),
    "twice": (
        PLAIN.replace('"audformat"', '"emodb"\nmax_training_clips = 9'),
        "corpora.two is corpora.one again: networks would be tested on the clips that they learnt from",
    ),
    "scrambled": (
        one('title = "A-SCRAMBLED"'),
        "-SCRAMBLED is an ending that the study gives to other labels",
    ),
    # what fits the study and would fail in the run
    "other folds": (one("folds = 3"), "corpora.one.folds = 3: with these options it has 5; leave folds out"),
    "folds twice": (
        two("folds = 5\noptions = { folds = 3 }"),
        "corpora.two.folds = 5: with these options it has 3",
    ),
    "no such option": (two("options = { fold = 3 }"), "has no option 'fold'; its options: name, tables"),
    "labels": (
        two("options = { labels = { joy = 'hapy' } }"),
        "option labels maps 'joy' to 'hapy'; expected one",
    ),
    "few folds": (two("options = { folds = 2 }"), "option folds = 2; expected 3 or more"),
    "folds and splits": (two("options = { folds = 3, split = 'set' }"), "exclude each other"),
    "no name": (two("options = { name = 3 }"), "option name = 3; expected text"),
    "split_seed": (
        one("").replace('"emodb"', '"crema_d"\noptions = { split_seed = -1 }'),
        "split_seed = -1; expected a whole number",
    ),
    "folds no number": (two("options = { folds = '3' }"), "option folds = '3'; expected"),
}


def refused(error):
    """A message fit to be shown."""
    return str(error) and printable(str(error)) == str(error)


def read(tmp_path, text):
    file = tmp_path / "absurd.toml"
    file.write_text(text, encoding="utf-8")
    return studies.read(str(file))


@pytest.mark.parametrize(("text", "message"), ABSURD.values(), ids=ABSURD)
def test_absurd_settings_are_one_message(tmp_path, text, message):
    began = time.process_time()
    with pytest.raises(SpecError) as caught:
        read(tmp_path, text)
    said = str(caught.value)
    assert message in said
    assert said.isprintable()
    assert len(said) < 700
    assert time.process_time() - began < 3


def test_the_study_of_these_is_fine(tmp_path):
    assert len(studies.plan(read(tmp_path, PLAIN))) == 12
    assert len(studies.plan(read(tmp_path, "\ufeff" + PLAIN.replace("\n", "\r\n")))) == 12


def test_folds_follow_from_reader_and_options(tmp_path):
    """Said once; what stands there for another reason is said to be so."""
    study = read(tmp_path, two("folds = 3\noptions = { folds = 3 }"))
    assert {corpus.name: corpus.folds for corpus in study.corpora} == {"one": 5, "two": 3}
    assert [run.fold for run in study.runs(("one",), 0)] == [0, 1, 2, 3, 4]


def test_a_caution_of_many_lines_is_one(tmp_path):
    assert read(tmp_path, put('caution = """Small.\n  Not the  paper."""')).caution == "Small. Not the paper."


@pytest.mark.parametrize("setting", BOUNDS)
def test_bounds_belong_to_what_is_allowed_and_nothing_beyond(setting):
    bounds = BOUNDS[setting]
    step = 1 if bounds.whole else 0.001
    inside = [bounds.high] if bounds.above else [bounds.low, bounds.high]
    assert [number(setting, value) for value in inside] == inside
    beyond = [bounds.low - step, bounds.high + step, float("nan"), float("inf"), 10**400, True, "1", None]
    for value in [*beyond, bounds.low] if bounds.above else beyond:
        with pytest.raises(SpecError, match=re.escape(f"expected {bounds} ({bounds.why})")):
            number(setting, value)
    assert bounds.why


# --- names ---


@pytest.mark.parametrize("name", ["mine", "a", "my-study_2", "a.b", "x" * 100, "7", "nulls", "speedy"])
def test_names_of_studies(tmp_path, name):
    path = tmp_path / f"{name}.toml"
    path.write_text(PLAIN)
    study = studies.read(str(path))
    assert (study.name, study.given) == (name, str(path))


BAD = [
    "..",
    ".",
    "",
    ".hidden",
    "-n",
    "_a",
    "a b",
    "a.",
    "a-",
    "ä",
    "a\nb",
    "a\x1b[31m",
    "a\0b",
    "x" * 101,
    "x" * 300,
]
BAD += ["a:b", "a|b", "a*", "~", *sorted(TAKEN), "Speed", "CON", "con", "nul.a", "lpt1", "Com9"]


@pytest.mark.parametrize("name", BAD, ids=ascii)
def test_a_name_that_is_no_folder_of_its_own_is_refused(tmp_path, name, monkeypatch):
    """Path("...toml").stem is "..": its results would have gone beside the results folder."""
    monkeypatch.chdir(tmp_path)
    if name and "\0" not in name and len(name) < 250:
        (tmp_path / f"{name}.toml").write_text(PLAIN)
    for given_as in (f"{name}.toml", f"./{name}.toml", str(tmp_path / f"{name}.toml")):
        with pytest.raises(SpecError, match=r"^(study file|no study) ") as caught:
            studies.read(given_as)
        assert str(caught.value).isprintable()


def test_a_path_is_shown_spelt_out(tmp_path):
    folder = tmp_path / "a\x1b[31m"
    folder.mkdir()
    (folder / "mine.toml").write_text(PLAIN)
    assert studies.read(str(folder / "mine.toml")).given.isprintable()
    (folder / "mine.toml").write_text("title = 3")
    with pytest.raises(SpecError) as caught:
        studies.read(str(folder / "mine.toml"))
    assert str(caught.value).isprintable()


def test_what_is_no_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    (tmp_path / "folder.toml").mkdir()
    for name, what in {"pipe": "a named pipe", "folder": "a folder"}.items():
        with pytest.raises(SpecError, match=f"cannot be read: {what}, expected a file"):
            studies.read(str(tmp_path / f"{name}.toml"))


# --- whatever may stand there ---
# ruff: noqa: PT017 (either outcome is right, so nothing must be raised)

scalars = st.one_of(
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["one", "two", "two_scrambled", "angry", "sad", *READERS, "cnn14-32k", "own", "noise"]),
    st.dates(),
    st.times(),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(string.ascii_lowercase, max_size=6), inner, max_size=4),
    ),
    max_leaves=12,
)
KEYS = {
    "": studies.keys(),
    "corpora": {"one": "", "two": "", "o-ne": ""},
    "corpora.one": CORPUS,
    "corpora.two": CORPUS,
    "corpora.two.options": {"folds": "", "labels": "", "name": ""},
    "corpora.two.scramble": dict.fromkeys(("angry", "happy", "neutral", "sad"), ""),
    "model": {"width": "", "weights": "", "head": "", "front_end": "", "encoder": ""},
    "recipe": dict.fromkeys(("epochs", "tail", "max_seconds", "loudness_dbfs", "pool_by", "batch_size"), ""),
    "augmentation": dict.fromkeys(("effects", "stretch_rate", "dry_level", "mask_bands", "time_masks"), ""),
    **{name: kind.KEYS for name, kind in studies.exhibits().items()},
}
changes = st.lists(
    st.sampled_from([(table, key) for table, keys in KEYS.items() for key in keys]).flatmap(
        lambda place: st.tuples(st.just(place), values)
    ),
    min_size=1,
    max_size=4,
)


@FUZZ
@given(changes)
def test_any_values_are_a_study_or_one_message(made):
    data = tomllib.loads(PLAIN)
    for (table, key), value in made:
        at = data
        for part in table.split(".") if table else []:
            at = at.setdefault(part, {}) if isinstance(at, dict) else {}
        if isinstance(at, dict):
            at[key] = value
    try:
        study = studies.from_toml(data, "fuzzed")
    except SerkitError as error:
        assert refused(error)
    else:
        for case in studies.plan(study)[:1]:
            assert from_json(case.spec.to_json()) == case.spec


@FUZZ
@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)), st.integers(0, len(PLAIN)))
def test_any_bytes_are_a_study_or_one_message(tmp_path, written, place):
    file = tmp_path / "fuzzed.toml"
    file.write_bytes(PLAIN[:place].encode() + written + PLAIN[place:].encode())
    try:
        studies.read(str(file))
    except SerkitError as error:
        assert refused(error)


@FUZZ
@given(st.text(max_size=110))
def test_any_name_is_one_folder_or_one_message(tmp_path, name):
    try:
        found = study_name(tmp_path / f"{name.replace('/', '')}.toml")
    except SerkitError as error:
        assert refused(error)
    except ValueError:
        assert "\0" in name
    else:
        folder = (tmp_path / "results" / found).resolve()
        assert folder.parent == (tmp_path / "results").resolve()
        assert found.casefold() not in TAKEN
        assert not DEVICES.fullmatch(found)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=10,
)


@FUZZ
@given(
    st.sampled_from([case.spec for case in studies.plan(studies.read("paper"))[::60]]),
    st.data(),
)
def test_any_spec_that_is_stored_is_read_or_refused(spec, data):
    """A result is read again with all that can happen to a file that is still JSON."""
    stored = spec.to_json()
    at = stored
    while isinstance(at, dict | list) and at:
        keys = list(at) if isinstance(at, dict) else range(len(at))
        key = data.draw(st.sampled_from(keys))
        if data.draw(st.booleans()) or not isinstance(at[key], dict | list):
            at[key] = data.draw(json_values)
            break
        at = at[key]
    try:
        from_json(stored)
    except SerkitError as error:
        assert refused(error)


def test_values_are_shown_short():
    assert shown("x" * 1000).endswith("xxx ...")
    assert len(shown([1] * 1000)) <= 80
    with pytest.raises(SpecError, match="it = nan: expected text, a finite number"):
        plain("it", [float("nan")])
    with pytest.raises(SpecError, match="nested deeper than 8 levels"):
        plain("it", [[[[[[[[[[1]]]]]]]]]])
    assert MAX_BYTES > 10 * max(path.stat().st_size for path in studies.BUILT_IN.glob("*.toml"))
