"""Studies: what the built-in ones plan, and one clear message for every mistake in a file."""

import dataclasses
import hashlib
import itertools
from collections import Counter
from pathlib import Path

import pytest

from benchmark import study as studies
from benchmark.report.exhibits.tuning import Tuning
from serkit.errors import SpecError

SMALL = """
title = "Two corpora"
rates_percent = [0, 50]
seeds = [0, 1]
[corpora.one]
reader = "crema_d"
expected_training_clips = 300
[corpora.two]
reader = "made"
title = "TWO"
folds = 2
expected_training_clips = 20
options = { labels = { joy = "happy" } }
scramble = { neutral = "sad", sad = "neutral", happy = "angry", angry = "happy" }
[model]
width = 4
weights = ""
[recipe]
epochs = 3
[table1]
train = [["two"], ["one"]]
[figure2]
train = [["one"], ["one", "two"]]
test = ["two", "one"]
[figure3]
train = [["one", "two_scrambled"]]
test = ["two_scrambled", "two"]
"""


TUNING = """
[tuning]
train = [["two"]]
learning_rates = [1, 1e-4]
batch_sizes = [16, 128]
"""


ACOUSTICS = """
[figure4]
corpora = ["two"]
clips = 7
"""


def read(tmp_path, text):
    file = tmp_path / "small.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return studies.read(str(file))


def changed(old, new):
    assert old in SMALL
    return SMALL.replace(old, new)


def tuned(old, new):
    assert old in TUNING
    return SMALL + TUNING.replace(old, new)


# --- what is planned ---


@pytest.fixture(scope="module")
def paper():
    """The paper's trainings."""
    return [case for case in studies.plan(studies.read("paper")) if "figure4" not in case.exhibits]


def test_the_paper_is_215_runs_a_seed_each_once(paper):
    assert len(paper) == len({case.id for case in paper}) == len({case.spec.key for case in paper}) == 430
    assert Counter(case.spec.seed for case in paper) == {0: 215, 1: 215}
    first = [case for case in paper if case.spec.seed == 0]
    assert Counter("+".join(case.spec.train) for case in first if case.tuned) == {
        "iemocap": 75  # 4 learning rates x 4 batch sizes x five sessions, without the study's own recipe
    }
    assert Counter("+".join(case.spec.train) for case in first if not case.tuned) == {
        "msp": 5,  # one run a rate
        "cremad": 5,
        "cremad+msp": 5,
        "iemocap": 25,  # ten folds a rate, of which each two leave the same training clips
        "iemocap+msp": 25,
        "cremad+iemocap+msp": 25,
        "iemocap_scrambled": 25,
        "iemocap_scrambled+msp": 25,
    }


def test_the_papers_conditions_are_complete(paper):
    asked = {
        ("+".join(case.spec.train), case.spec.augment_percent, case.spec.fold)
        for case in paper
        if not case.tuned
    }
    for train in {train for train, _, _ in asked}:
        folds = range(5) if "iemocap" in train else [None]
        assert {which[1:] for which in asked if which[0] == train} == {
            (rate, fold) for rate in (0, 20, 50, 70, 100) for fold in folds
        }
    assert {case.spec.seed for case in paper} == {0, 1}


@pytest.mark.parametrize(
    ("train", "exhibits"),
    [
        (("cremad",), ("table1",)),
        (("msp",), ("table1", "figure2", "figure3")),
        (("iemocap", "msp"), ("figure2",)),
        (("cremad", "msp"), ("figure2",)),
        (("cremad", "iemocap", "msp"), ("figure2",)),
        (("iemocap_scrambled",), ("figure3",)),
        (("iemocap_scrambled", "msp"), ("figure3",)),
    ],
)
def test_a_run_serves_every_exhibit_that_shows_it(paper, train, exhibits):
    assert {case.exhibits for case in paper if case.spec.train == train} == {exhibits}


def test_the_papers_grid_is_complete_and_its_own_recipe_is_table_1s(paper):
    """§4: 4 learning rates in [1e-4, 1e-2] and 4 batch sizes, on all folds of IEMOCAP at 0 %."""
    iemocap = [case for case in paper if case.spec.train == ("iemocap",) and case.spec.seed == 0]
    grid = [case for case in iemocap if "tuning" in case.exhibits]
    points = {(case.spec.recipe.learning_rate, case.spec.recipe.batch_size, case.spec.fold) for case in grid}
    rates, sizes = (0.0001, 0.000464, 0.00215, 0.01), (16, 64, 128, 256)
    assert points == set(itertools.product(rates, sizes, range(5)))
    steps = [above / below for below, above in itertools.pairwise(rates)]
    assert steps == pytest.approx([100 ** (1 / 3)] * 3, rel=0.005)  # even on a logarithmic scale
    assert len(grid) == 80
    assert {case.spec.augment_percent for case in grid} == {0}
    assert {case.exhibits for case in grid if case.tuned} == {("tuning",)}
    shared = [case for case in grid if not case.tuned]
    assert len(shared) == 5
    assert {case.exhibits for case in shared} == {("table1", "tuning", "figure2")}
    for case in grid:  # nothing but the two settings differs
        own = {"learning_rate": 1e-4, "batch_size": 128}
        untuned = dataclasses.replace(case.spec, recipe=dataclasses.replace(case.spec.recipe, **own))
        assert untuned in {case.spec for case in shared}
    assert {case.exhibits for case in iemocap if case.spec.augment_percent} == {("table1", "figure2")}


def test_the_papers_recipe_is_the_papers(paper):
    spec = paper[0].spec
    assert (spec.model.width, spec.model.weights, spec.model.front_end) == (64, "cnn14-32k", "paper-loaded")
    recipe = spec.recipe
    assert (recipe.learning_rate, recipe.batch_size, recipe.epochs, recipe.tail) == (1e-4, 128, 30, 0.2)
    assert dict(spec.corpus("iemocap").scramble) == {
        "neutral": "sad",
        "sad": "neutral",
        "happy": "angry",
        "angry": "happy",
    }


@pytest.mark.parametrize("name", ["open", "paper", "synthetic"])
def test_every_built_in_study_plans(name):
    assert name in studies.names()
    study = studies.read(name)
    cases = studies.plan(study)
    assert cases
    assert len({case.spec.key for case in cases}) == len({case.id for case in cases}) == len(cases)
    assert study.paper == (name == "paper")
    assert bool(study.caution) != study.paper  # whatever is not the paper's study says so
    # The roles are the paper's: relative changes need every test's own baseline. The twin is a control.
    roles = {(corpus.name,) for corpus in study.corpora if corpus.name != "syntwin"}
    assert set(study.exhibits["table1"].columns) == roles
    assert 0 in study.rates_percent
    # Tuning shares runs with Table 1, and takes more than one rate and batch size.
    tuning = [case for case in cases if "tuning" in case.exhibits]
    assert {case.exhibits[0] for case in tuning} == {"table1", "tuning"}


@pytest.mark.parametrize(
    ("name", "cases", "digest"),
    [
        ("open", 261, "f527edc7155a71f18b53f29d4e91a4e15b28a4d653a01c00f281219791bb0163"),
        ("paper", 434, "8b0f8b2eb90ad5770ed3de34c64873a717f665dd8ab8e44afebf0c9fea3456b3"),
        ("open-small", 406, "bfada093dc214f1de2f36f2eddacd05b6a1f9f4739ceb274fdd2d3aa163a3f1b"),
        ("synthetic", 77, "1baf08070b7578d097c38d639f2587ebfe46b366a1c94a6e528b93c00c9df834"),
        ("worlds", 1140, "8c64625ae75415b7e2668a504d76de3880d895847773ead899badd349c94f02e"),
    ],
)
def test_built_in_studies_keep_their_keys(name, cases, digest):
    """Another digest loses people the results that they have: only a new METHOD may change it."""
    keys = sorted(case.spec.key for case in studies.plan(studies.read(name)))
    assert (len(keys), hashlib.sha256("\n".join(keys).encode()).hexdigest()) == (cases, digest)


def test_the_order_within_a_training_set_does_not_matter(tmp_path):
    """One set is one run and one id; each exhibit finds the others' runs, whatever they were written as."""
    straight = read(tmp_path, SMALL)
    text = SMALL.replace('["one", "two"]', '["two", "one"]')
    turned = read(tmp_path, text.replace('["one", "two_scrambled"]', '["two_scrambled", "one"]'))
    assert turned == straight
    assert studies.plan(turned) == studies.plan(straight)
    assert turned.runs(("two_scrambled", "one"), 50) == straight.runs(("one", "two_scrambled"), 50)
    assert turned.exhibits["figure3"].columns == (("one", "two_scrambled"),)


def test_an_interim_report_has_its_baselines_first(paper):
    turns = [
        {"+".join(case.spec.train) for case in paper if case.turn == turn and not case.tuned}
        for turn in range(3)
    ]
    assert turns[0] == {"msp", "iemocap", "cremad"}
    joint = {"iemocap+msp", "cremad+msp", "cremad+iemocap+msp", "iemocap_scrambled+msp", "iemocap_scrambled"}
    assert turns[1] == joint
    assert {case.spec.augment_percent for case in paper if case.turn < 2} == {0}
    assert sum(case.turn == 0 for case in paper) == 14
    assert {case.turn for case in paper if case.tuned} == {2}


def test_a_small_study_by_hand(tmp_path):
    study = read(tmp_path, SMALL)
    cases = studies.plan(study)
    assert [case.spec.label for case in cases[:10]] == [
        *("two-aug0-fold00", "two-aug0-fold01", "two-aug0-fold00-seed1", "two-aug0-fold01-seed1"),
        *("two-aug50-fold00", "two-aug50-fold01", "two-aug50-fold00-seed1", "two-aug50-fold01-seed1"),
        *("one-aug0", "one-aug0-seed1"),
    ]
    assert len(cases) == 2 * 2 * (2 + 1 + 2 + 2)  # rates, seeds; folds of each training set
    by_train = {case.spec.train: case for case in cases}
    assert {train: (case.exhibits, case.cost) for train, case in by_train.items()} == {
        ("two",): (("table1",), 3 * 20),  # epochs x clips
        ("one",): (("table1", "figure2"), 3 * 300),
        ("one", "two"): (("figure2",), 3 * 320),
        ("one", "two_scrambled"): (("figure3",), 3 * 320),
    }
    spec = cases[0].spec
    assert spec.model.weights is None
    assert spec.corpus("two").options == (("labels", (("joy", "happy"),)),)
    assert spec.fingerprints == ()


def test_a_small_grid_by_hand(tmp_path):
    study = read(tmp_path, SMALL + TUNING)
    asked = study.exhibits["tuning"]
    assert asked == Tuning(("two",), (1.0, 0.0001), (16, 128))
    recipes = asked.recipes(study)
    assert [(recipe.learning_rate, recipe.batch_size) for recipe in recipes] == [
        *((1.0, 16), (1.0, 128), (0.0001, 16), (0.0001, 128))
    ]
    assert {recipe.epochs for recipe in recipes} == {3}
    cases = studies.plan(study)
    plain = studies.plan(read(tmp_path, SMALL))
    grid = [case for case in cases if "tuning" in case.exhibits]
    runs = ("fold00", "fold01", "fold00-seed1", "fold01-seed1")
    assert [case.id for case in grid] == [
        f"two-aug0-{run}{point}"
        for point in ("", "-lr1.0-batch16", "-lr1.0-batch128", "-lr0.0001-batch16")
        for run in runs
    ]
    assert [case.exhibits for case in grid] == [("table1", "tuning")] * 4 + [("tuning",)] * 12
    assert {case.cost for case in grid} == {3 * 20}  # a clip is a clip, whatever the batch
    # What the other exhibits ask for is asked as before, and Table 1's cases come before the grid's.
    assert [(case.id, case.spec) for case in cases if not case.tuned] == [
        (case.spec.label, case.spec) for case in plain
    ]
    assert not any(case.tuned for case in [*cases[:12], *cases[24:]])
    assert study.runs(("two",), 0) == [case.spec for case in grid[:4]]
    assert study.runs(("two",), 0, studies.How(study.model, recipes[1])) == [case.spec for case in grid[8:12]]


def test_a_grid_without_the_studys_own_recipe_shares_nothing(tmp_path):
    cases = studies.plan(read(tmp_path, tuned("[16, 128]", "[16]")))
    assert [case.exhibits for case in cases if "tuning" in case.exhibits] == [("tuning",)] * 8
    assert all(case.tuned == (case.exhibits == ("tuning",)) for case in cases)


def test_a_grid_is_at_0_percent_whatever_the_rates(tmp_path):
    cases = studies.plan(read(tmp_path, (SMALL + TUNING).replace("[0, 50]", "[50]")))
    grid = [case for case in cases if "tuning" in case.exhibits]
    assert {case.spec.augment_percent for case in grid} == {0}
    assert {case.exhibits for case in grid} == {("tuning",)}  # its own recipe is in it, but nobody else's run
    assert len({case.id for case in cases}) == len(cases) == 2 * 7 + 16
    assert next(case.id for case in grid if not case.tuned) == "two-aug0-fold00"


def test_rates_that_are_close_keep_their_ids_apart(tmp_path):
    cases = studies.plan(read(tmp_path, tuned("[1, 1e-4]", "[0.12345678, 0.12345679, 1e-7]")))
    ids = [case.id for case in cases if case.tuned]
    assert len(set(ids)) == len(ids)
    assert "two-aug0-fold01-seed1-lr0.12345679-batch16" in ids
    assert "two-aug0-fold00-lr1e-07-batch128" in ids


def test_titles(tmp_path):
    study = read(tmp_path, SMALL)
    assert study.title_of("one") == "CREMA-D"  # none is given: the corpus's own
    assert study.title_of("two_scrambled") == "TWO-SCRAMBLED"
    assert study.title_of(["one", "two"]) == "CREMA-D+TWO"
    twice = read(
        tmp_path,
        SMALL
        + '[corpora]\nagain = { reader = "crema_d", options = { labels = "intended" } }\n'
        + 'db = { reader = "audformat" }\n',
    )
    assert twice.titles == {"one": "one", "two": "TWO", "again": "again", "db": "db"}, (
        "which, a reader cannot say"
    )
    assert studies.read("paper").title_of(("msp", "iemocap_scrambled")) == "MSP-Podcast+IEMOCAP-SCRAMBLED"


def test_what_a_reader_says_stands_under_the_studys_title(tmp_path):
    mine = 'mine = { reader = "audformat", title = "Mine", options = { name = "db-of-mine" } }\n'
    study = read(tmp_path, f"{SMALL}[corpora]\n{mine}")
    assert study.titled("audformat database db-of-mine: not here") == (
        "Mine (audformat database db-of-mine): not here"
    )
    assert study.titled("CREMA-D: not here: at all") == "CREMA-D: not here: at all"
    assert study.titled("no: such") == "no: such"


def test_planning_is_light_and_reads_nothing_but_the_study(tmp_path, paper, fresh_python):
    """Workers must collect the same list, so neither the disk nor the process may have a say in it."""
    code = """
import sys
from benchmark import study
for name in study.names():
    study.plan(study.read(name))  # brings the readers' modules
others = {"corpora": {"a": {"reader": "audformat"}, "b": {"reader": "tables", "options": {"file": "b.csv"}}}}
study.from_toml({"title": "T", "table1": {"train": [["a"], ["b"]]}, **others}, "others")
assert not {"torch", "pandas", "sklearn", "numpy", "pyarrow"} & set(sys.modules), "heavy"
touched = []
events = ("open", "os.listdir", "os.scandir", "glob.glob")
sys.addaudithook(lambda event, args: touched.append(str(args[0])) if event in events else None)
cases = study.plan(study.read("paper"))
touched, read = [], touched
print([name for name in read if not name.endswith("studies/paper.toml") and not name.isdigit()])
print(*(case.spec.key for case in cases))
"""
    for folder in ("results/paper/msp-aug0-000000000000", "corpora/IEMOCAP_full_release/Session1"):
        (tmp_path / folder).mkdir(parents=True)
    told = fresh_python(code, PYTHONHASHSEED="1", SERKIT_DATA=str(tmp_path / "corpora"))
    assert told.returncode == 0, told.stderr
    others, keys = told.stdout.splitlines()
    assert others == "[]"
    assert keys.split()[: len(paper)] == [case.spec.key for case in paper]
    assert len(keys.split()) == len(paper) + 4  # Figure 4's


def test_where_data_and_results_lie(monkeypatch, tmp_path):
    monkeypatch.delenv("SERKIT_DATA", raising=False)
    monkeypatch.delenv("SERKIT_RESULTS", raising=False)
    assert studies.data_folder() is None
    assert studies.results_root() == Path("results")
    assert studies.data_folder("~/corpora") == Path.home() / "corpora"
    assert studies.results_root("here") == Path("here")
    monkeypatch.setenv("SERKIT_DATA", str(tmp_path))
    monkeypatch.setenv("SERKIT_RESULTS", str(tmp_path / "out"))
    assert studies.data_folder("ini") == tmp_path  # the environment wins
    assert studies.results_root("ini") == tmp_path / "out"


# --- what cannot be ---


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("papr", r"^no study 'papr'; expected one of open, .*, or a \.toml file; did you mean 'paper'\?$"),
        (
            "quite-another",
            r"^no study 'quite-another'; expected one of open, open-encoders, .*, or a \.toml file$",
        ),
        ("../paper", r"^no study '\.\./paper'; expected one of"),
        ("no/such.toml", r"^study file no/such\.toml cannot be read: No such file or directory$"),
    ],
)
def test_no_such_study(name, message):
    with pytest.raises(SpecError, match=message):
        studies.read(name)


PAIRS = 'neutral = "sad", sad = "neutral", happy = "angry", angry = "happy"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # the file
        ("title = ", "is not TOML: "),
        ('title = "caf\xe9"'.encode("latin-1"), "is not TOML: "),
        # words it does not know
        (
            changed("rates_percent", "rate_percent"),
            "study: unknown key 'rate_percent'; did you mean 'rates_percent'?",
        ),
        (changed("[figure3]", "[figure5]"), "study: unknown key 'figure5'; did you mean 'figure"),
        (SMALL + ACOUSTICS.replace("two", "tow"), "figure4: no corpus 'tow'; expected one of one, two"),
        (SMALL + ACOUSTICS.replace('"two"', "2"), "figure4.corpora = 2: expected text"),
        (
            SMALL + ACOUSTICS.replace("clips = 7", "clip = 7"),
            "figure4: unknown key 'clip'; did you mean 'clips",
        ),
        (
            SMALL + ACOUSTICS.replace("7", "0"),
            "figure4: clips = 0: expected a whole number in 1..1,000,000,000",
        ),
        (SMALL + ACOUSTICS.replace("7", "7.5"), "figure4.clips = 7.5: expected a whole number"),
        (SMALL + ACOUSTICS + "seed = -1", "figure4: seed = -1: expected a whole number in 0..4,294,967,295"),
        (
            SMALL + ACOUSTICS + '[augmentation]\neffects = ["specaugment"]',
            "figure4: augmentation effects = ['specaugment']: they change features, no wave",
        ),
        (changed("title =", "zzz ="), "study: unknown key 'zzz' (known: title, caution"),
        (changed("folds = 2\ne", "fold = 2\ne"), "corpora.two: unknown key 'fold'; did you mean 'folds'?"),
        (changed("width", "widht"), "model: unknown key 'widht'; did you mean 'width'?"),
        (changed("epochs", "epoch"), "recipe: unknown key 'epoch'; did you mean 'epochs'?"),
        (changed("test = [", "tests = ["), "figure2: unknown key 'tests'; did you mean 'test'?"),
        (
            changed('weights = ""', 'weights = "cnn15"'),
            "weights 'cnn15': expected one of cnn14-32k, cnn14-16k",
        ),
        (
            changed('["one", "two"]', '["one", "tow"]'),
            "figure2: corpus 'tow': expected one of one, two",
        ),
        (
            changed('["two_scrambled", "two"]', '["emodb"]'),
            "figure3: corpus 'emodb': expected one of one, two",
        ),
        (
            changed('["one", "two_scrambled"]', '["one_scrambled"]'),
            "figure3: corpus 'one_scrambled': corpus one has no scramble; add [corpora.one.scramble]",
        ),
        (
            changed('["one", "two_scrambled"]', '["one", "two_swapped"]'),
            "figure3: corpus 'two_swapped': expected after the corpus and a _ one of scrambled (",
        ),
        (changed('["two_scrambled", "two"]', "[2]"), "figure3: 2: expected the name of a corpus"),
        # what is missing
        (changed('title = "Two corpora"\n', ""), "title is missing"),
        (changed('reader = "crema_d"\n', ""), "corpora.one: reader is missing"),
        (changed('reader = "crema_d"', 'reader = "cremad"'), "corpora.one: no corpus reader 'cremad'"),
        (SMALL.split("[corpora.one]")[0] + "[table1]\ntrain = []", "corpora is missing"),
        (
            SMALL.split("[table1]")[0],
            "no exhibit is asked for; expected at least one of table1, tuning, baseline, figure2, figure3",
        ),
        (changed('train = [["one"], ["one", "two"]]\n', ""), "figure2: train is missing"),
        (changed('test = ["two", "one"]\n', ""), "figure2: test is missing"),
        # what does not go together
        (changed('[["two"], ["one"]]', '[["two", "one"]]'), "table1 trains and tests on one corpus a row"),
        (
            changed('[["two"], ["one"]]', '[["two"]]\ntest = ["one"]'),
            "table1 trains and tests on one corpus a row",
        ),
        (
            changed('["one", "two_scrambled"]', '["two", "two_scrambled"]'),
            "two, two_scrambled: the same corpus twice",
        ),
        (
            changed("[0, 50]", "[0, 101]"),
            "augmentation rate = 101: expected a whole number in 0..100",
        ),
        (changed("[0, 50]", "[-1]"), "augmentation rate = -1: expected a whole number in 0..100"),
        (changed("[0, 50]", "[0.2]"), "augmentation rate = 0.2: expected a whole number in 0..100"),
        (
            changed("seeds = [0, 1]", "seeds = [-1]"),
            "seed = -1: expected a whole number in 0..4,294,967,295 (generators take 32 bits)",
        ),
        (
            changed('reader = "crema_d"', 'reader = "made"\nfolds = 5'),
            "training corpora one, two: one has 5 and two has 2 folds to leave out; joint training",
        ),
        (
            changed("folds = 2\ne", "folds = 0\ne"),
            "corpora.two.folds = 0: expected a whole number in 1..1,000",
        ),
        (changed('angry = "happy"', 'angry = "sad"'), "corpus two: scramble maps"),
        (
            changed(PAIRS, 'neutral = "sad", sad = "neutral"'),
            "expected a permutation of all of angry, happy, neutral",
        ),
        (
            changed("[corpora.one]", '[corpora."o-ne"]'),
            "corpus name 'o-ne': expected letters and digits only",
        ),
        (changed("epochs = 3", "epochs = 0"), "recipe epochs = 0: expected a whole number in 1..100,000"),
        (changed("epochs = 3", "tail = 1.5"), "recipe tail = 1.5: expected a number above 0, 1 at most"),
        (changed('weights = ""', 'weights = "cnn14-32k"'), "model width 4 has no pretrained weights"),
        # what is asked twice, or not at all
        (changed('title = "TWO"', 'title = "CREMA-D"'), "two: another corpus has the title 'CREMA-D' too"),
        (changed("[0, 50]", "[0, 50, 0]"), "rates_percent: 0 twice"),
        (changed("[0, 50]", "[]"), "rates_percent = []: expected a list"),
        (changed("seeds = [0, 1]", "seeds = [1, 1]"), "seeds: 1 twice"),
        (changed("seeds = [0, 1]", "seeds = []"), "seeds = []: expected a list"),
        (changed('[["one"], ["one", "two"]]', '[["one"], ["one"]]'), "figure2.train: ['one'] twice"),
        (
            changed('[["one"], ["one", "two"]]', '[["one", "two"], ["two", "one"]]'),
            "figure2.train, in the order of [corpora]: ['one', 'two'] twice",
        ),
        (changed('[["one"], ["one", "two"]]', "[[]]"), "figure2.train = []: expected a list"),
        (changed('["two", "one"]\n', '["two", "two"]\n'), "figure2.test: 'two' twice"),
        # another type than the one that is meant
        (changed("[0, 50]", "20"), "rates_percent = 20: expected a list"),
        (changed("seeds = [0, 1]", "seeds = 3"), "seeds = 3: expected a list"),
        (
            changed("seeds = [0, 1]", 'seeds = ["a"]'),
            "seed = 'a': expected a whole number in 0..4,294,967,295",
        ),
        (changed('title = "Two corpora"', "title = 3"), "title = 3: expected text"),
        (changed("[0, 50]", "[0]\npaper = 'no'"), "paper = 'no': expected true or false"),
        (changed('title = "TWO"', "title = 2"), "corpora.two.title = 2: expected text"),
        (changed("folds = 2\ne", "folds = 2.0\ne"), "corpora.two.folds = 2.0: expected a whole number"),
        (
            changed("expected_training_clips = 20", "expected_training_clips = 'x'"),
            "expected_training_clips = 'x': expected a whole number",
        ),
        (
            changed('options = { labels = { joy = "happy" } }', "options = 2"),
            "corpora.two.options = 2: expected a table",
        ),
        (changed("{ " + PAIRS + " }", '"all"'), "corpora.two.scramble = 'all': expected a table"),
        (changed("width = 4", "width = '4'"), "model.width = '4': expected a whole number"),
        (changed("width = 4", "encoder = 'cnn41'"), "model encoder 'cnn41': expected one of cnn14"),
        (changed("epochs = 3", "epochs = 3.0"), "recipe.epochs = 3.0: expected a whole number"),
        (changed("epochs = 3", "epochs = true"), "recipe.epochs = True: expected a whole number"),
        (changed("epochs = 3", 'learning_rate = "low"'), "recipe.learning_rate = 'low': expected a number"),
        (changed('[["two"], ["one"]]', '"two"'), "table1.train = 'two': expected a list"),
        (changed('[["two"], ["one"]]', '["two"]'), "table1.train = 'two': expected a list"),
        (changed('["two", "one"]\n', '"two"\n'), "figure2.test = 'two': expected a list"),
        (
            "table1 = 1\n" + SMALL.replace('[table1]\ntrain = [["two"], ["one"]]\n', ""),
            "table1 = 1: expected a table",
        ),
        # the tuning
        (tuned("batch_sizes", "batch_size"), "tuning: unknown key 'batch_size'; did you mean 'batch_sizes'?"),
        (tuned("[tuning]", "[tunning]"), "study: unknown key 'tunning'; did you mean 'tuning'?"),
        (tuned('train = [["two"]]', 'test = ["two"]'), "tuning: unknown key 'test'"),
        (tuned('train = [["two"]]\n', ""), "tuning: train is missing; expected a list of training sets"),
        (tuned('[["two"]]', "[]"), "tuning.train = []: expected a list"),
        (tuned('[["two"]]', '"two"'), "tuning.train = 'two': expected a list"),
        (tuned('[["two"]]', '["two"]'), "tuning.train = 'two': expected a list"),
        (tuned('[["two"]]', '[["tow"]]'), "tuning: corpus 'tow': expected one of one, two"),
        (
            tuned('[["two"]]', '[["two"], ["one"]]'),
            "tuning.train = [['two'], ['one']]: expected one training set of one corpus, as [['two']]",
        ),
        (
            tuned('[["two"]]', '[["one", "two"]]'),
            "tuning.train = [['one', 'two']]: expected one training set of one corpus, as [['one']]",
        ),
        (
            tuned('[["two"]]', '[["two_scrambled"]]'),
            "tuning is a row of Table 1 beside the untuned one: add ['two_scrambled'] to table1.train",
        ),
        (
            SMALL.replace('[table1]\ntrain = [["two"], ["one"]]\n', "") + TUNING,
            "tuning is a row of Table 1 beside the untuned one: add ['two'] to table1.train",
        ),
        (
            tuned("learning_rates = [1, 1e-4]\n", ""),
            "tuning: learning_rates is missing; expected a list of one or more",
        ),
        (
            tuned("batch_sizes = [16, 128]\n", ""),
            "tuning: batch_sizes is missing; expected a list of one or more",
        ),
        (tuned("[1, 1e-4]", "1e-4"), "tuning.learning_rates = 0.0001: expected a list of one or more"),
        (tuned("[1, 1e-4]", "[]"), "tuning.learning_rates = []: expected a list of one or more"),
        (tuned("[1, 1e-4]", '[1, "low"]'), "tuning.learning_rates = 'low': expected a number"),
        (tuned("[1, 1e-4]", "[[1]]"), "tuning.learning_rates = [1]: expected a number"),
        (tuned("[1, 1e-4]", "[true]"), "tuning.learning_rates = True: expected a number"),
        (tuned("[1, 1e-4]", "[1, 1.0]"), "tuning.learning_rates: 1.0 twice"),
        (
            tuned("[1, 1e-4]", "[0.1, 0]"),
            "tuning.learning_rates = 0: expected a number above 0, 1e+06 at most",
        ),
        (
            tuned("[1, 1e-4]", "[-0.1]"),
            "tuning.learning_rates = -0.1: expected a number above 0, 1e+06 at most",
        ),
        (
            tuned("[1, 1e-4]", "[inf]"),
            "tuning.learning_rates = inf: expected a number above 0, 1e+06 at most",
        ),
        (
            tuned("[1, 1e-4]", "[nan]"),
            "tuning.learning_rates = nan: expected a number above 0, 1e+06 at most",
        ),
        (tuned("[16, 128]", "16"), "tuning.batch_sizes = 16: expected a list of one or more"),
        (tuned("[16, 128]", "[16.0]"), "tuning.batch_sizes = 16.0: expected a whole number"),
        (tuned("[16, 128]", '["16"]'), "tuning.batch_sizes = '16': expected a whole number"),
        (tuned("[16, 128]", "[16, 16]"), "tuning.batch_sizes: 16 twice"),
        (tuned("[16, 128]", "[0]"), "tuning.batch_sizes = 0: expected a whole number in 1..65,536"),
        (
            tuned("[16, 128]", "[16, -1]"),
            "tuning.batch_sizes = -1: expected a whole number in 1..65,536",
        ),
        ("tuning = 3\n" + SMALL, "tuning = 3: expected a table"),
        ("title = 'T'\ncorpora = 3\n[table1]\ntrain = [['a']]", "corpora = 3: expected a table"),
    ],
)
def test_a_mistake_is_one_clear_message(tmp_path, text, message):
    with pytest.raises(SpecError) as caught:
        read(tmp_path, text)
    said = str(caught.value)
    assert message in said
    assert said.count("small") == 1  # which study, said once
    assert "\n" not in said


def test_runs_must_settle_unless_a_study_says_that_it_is_too_short():
    settled = {name: studies.read(name).settled for name in studies.names()}
    assert settled == {
        "open": True,
        "open-encoders": False,
        "open-small": False,
        "paper": True,
        "synthetic": False,
        "worlds": False,
    }


# --- Figure 4 ---


def measurements(study):
    return [case for case in studies.plan(study) if "figure4" in case.exhibits]


def test_the_paper_measures_its_pair_raw_and_augmented():
    study = studies.read("paper")
    cases = measurements(study)
    assert [case.id for case in cases] == [
        "acoustics-iemocap-raw",
        "acoustics-msp-raw",
        "acoustics-iemocap-augmented",
        "acoustics-msp-augmented",
    ]
    assert {case.spec.clips for case in cases} == {10_000}  # Figure 4's caption
    assert {case.exhibits for case in cases} == {("figure4",)}
    assert studies.size(study) == "430 runs, 4 measurements"


def test_raw_and_augmented_are_of_the_same_clips(tmp_path):
    study = read(tmp_path, SMALL + ACOUSTICS + "p835_clips = 3\nseed = 5\n")
    raw, augmented = (case.spec for case in measurements(study))
    assert dataclasses.replace(augmented, augmentation=None) == raw
    assert (raw.clips, raw.p835_clips, raw.seed, raw.corpus.name) == (7, 3, 5, "two")
    assert raw.label == "acoustics-two-raw-seed5"


def test_waves_get_the_studys_augmentation_but_for_what_changes_no_wave(tmp_path):
    """Neither a stretch on features nor SpecAugment can be heard."""
    study = read(tmp_path, SMALL + ACOUSTICS + "[augmentation]\nnoise_snr_db = [5, 6]\nband_masks = 3")
    _, augmented = (case.spec for case in measurements(study))
    assert augmented.augmentation.effects == study.augmentation.effects[1:-1]
    assert augmented.augmentation.noise_snr_db == (5, 6)


def test_a_vocoders_stretch_is_on_the_wave(tmp_path):
    study = read(tmp_path, SMALL + ACOUSTICS + '[augmentation]\nstretch_method = "vocoder"')
    _, augmented = (case.spec for case in measurements(study))
    assert augmented.augmentation == dataclasses.replace(
        study.augmentation, effects=study.augmentation.effects[:-1]
    )


def test_without_augmentation_only_what_is_delivered_is_measured(tmp_path):
    study = read(tmp_path, changed("[0, 50]", "[0]") + ACOUSTICS)
    assert [case.id for case in measurements(study)] == ["acoustics-two-raw"]


def test_all_corpora_are_measured_unless_some_are_named(tmp_path):
    study = read(tmp_path, SMALL + "[figure4]\n")
    assert [spec.corpus.name for spec in study.exhibits["figure4"].raw] == ["one", "two"]


def test_a_study_may_show_figure_4_alone(tmp_path):
    text = SMALL[: SMALL.index("[table1]")] + ACOUSTICS
    assert studies.size(read(tmp_path, text)) == "0 runs, 2 measurements"


def test_a_study_is_named_in_commands_as_the_user_did(tmp_path):
    assert studies.read("paper").given == "paper"
    path = tmp_path / "mine.toml"
    path.write_text((studies.BUILT_IN / "synthetic.toml").read_text())
    study = studies.read(str(path))
    assert (study.name, study.given) == ("mine", str(path))
