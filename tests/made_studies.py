"""A small study, its results made by hand, and what the report makes of them."""

import pandas as pd

from benchmark import study as studies
from benchmark.report import cells
from benchmark.report.exhibits import changes, table1
from tests.made_results import made_result, put

SMALL = {
    "title": "Two corpora",
    "rates_percent": [0, 50],
    "seeds": [0, 1],
    "model": {"width": 4, "weights": ""},
    "recipe": {"tail": 0.4},  # of five evaluations the last two
    "corpora": {
        "one": {"reader": "crema_d", "title": "ONE"},
        "two": {
            "reader": "made",
            "title": "TWO",
            "folds": 2,
            "scramble": {"neutral": "sad", "sad": "neutral", "happy": "angry", "angry": "happy"},
        },
    },
    "table1": {"train": [["one"], ["two"]]},
    "figure2": {"train": [["one"], ["one", "two"]], "test": ["two", "one"]},
    "figure3": {"train": [["two_scrambled"]], "test": ["two_scrambled", "two", "one"]},
}


IN_NO_TAIL = 0.99  # what evaluations before the tail say, which no cell may show


def small(**changes):
    return studies.from_toml({**SMALL, **changes}, "small")


def trainings(study):
    return [case for case in studies.plan(study) if "figure4" not in case.exhibits]


def by_id(study):
    return {case.id: case.spec for case in studies.plan(study)}


def flat(value):
    return lambda test, fold, number: value


def curves(**of_fold):
    """Values of the last two of five evaluations, by fold (`fold0=[...]`); `IN_NO_TAIL` before."""

    def values(test, fold, number):
        return IN_NO_TAIL if number < 3 else of_fold.get(f"fold{fold}", [0.0, 0.0])[number - 3]

    return values


def the(cells, exhibit, train, test, rate=0):
    chosen = cells[
        (cells["exhibit"] == exhibit)
        & (cells["train"] == train)
        & (cells["test"] == test)
        & (cells["augment_percent"] == rate)
    ]
    assert len(chosen) == 1
    return chosen.iloc[0]


def numbers_of(kind, study, store):
    """The numbers of one kind of exhibit."""
    found = cells.answers(study, store)
    return kind.numbers(study, cells.Cells(study, found.results, store.table), store)


def cells_of(study, store):
    """The cells of Table 1 and Figures 2 and 3."""
    parts = [numbers_of(kind, study, store) for kind in (table1, changes)]
    return pd.concat([part["cells"] for part in parts if part], ignore_index=True)


def drawn(study, store):
    """Every table, by name."""
    shown = [kind for kind in studies.kinds() if hasattr(kind, "numbers")]
    numbers = [(kind, numbers_of(kind, study, store)) for kind in shown]
    tables = [table for kind, of in numbers if of for table in kind.draw_tables(study, of)]
    return {table.name: table for table in tables}


GRID = {"train": [["two"]], "learning_rates": [0.001, 0.01], "batch_sizes": [16, 128]}


OWN = 0.001, 128  # the study's own recipe is a point of it


def tuned(**changes):
    recipe = {**SMALL["recipe"], "learning_rate": 0.001}
    return small(**{"seeds": [0], "recipe": recipe, "tuning": GRID, **changes})


def put_grid(store, study, of_point, skip=()):
    """Stores every run of the grid but those whose id is in `skip`; point -> (validation, test), flat."""
    for case in studies.plan(study):
        if "tuning" in case.exhibits and case.id not in skip:
            recipe = case.spec.recipe
            validation, test = of_point[recipe.learning_rate, recipe.batch_size]
            put(store, made_result(case.spec, flat(test), flat(validation)))


def short(**changes):
    """The small study with a recipe of as many epochs as the made results have."""
    return small(recipe={"tail": 0.4, "epochs": 5}, **changes)


def level(spec, test, fold, number):
    return 0.3 + 0.1 * (test in spec.train) + 0.02 * fold + 0.01 * number + 0.001 * spec.augment_percent


def filled(study, store, leave_out=lambda spec: False, level=level, put=put):
    for case in studies.plan(study):
        if not leave_out(case.spec):
            result = made_result(
                case.spec,
                lambda test, fold, number, spec=case.spec: level(spec, test, fold, number),
                tail_evaluations=2,
            )
            put(store, result)
