"""Everything that is finished as one table: a row for each run, test and test fold."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from serkit.errors import ResultsUnreadable
from serkit.labels import corpus_of, is_permuted
from serkit.resultfile import Result
from serkit.results import Store, left_out, stores
from serkit.specs import BEFORE, METHOD, METRICS, TRAINING, kind_of

COLUMNS = {
    name: dtype
    for dtype, names in [
        ("string", ["study", "key", "label", "train"]),
        ("bool", ["train_scrambled"]),
        ("int64", ["augment_percent"]),
        ("string", ["effects"]),
        ("Int64", ["fold"]),
        ("int64", ["seed"]),
        ("string", ["test"]),
        ("bool", ["test_scrambled"]),
        ("int64", ["test_fold"]),
        ("bool", ["trained_on"]),
        ("float64", [f"{metric}{ending}" for metric in METRICS for ending in ("", "_std")]),
        ("Int64", ["tail_evaluations"]),
        ("string", ["encoder", "front_end", "head", "initialisation"]),
        ("int64", ["width"]),
        ("float64", ["dropout"]),
        ("string", ["outputs"]),
        ("float64", ["learning_rate"]),
        ("int64", ["batch_size", "epochs"]),
        ("float64", ["evaluations_per_epoch", "tail", "max_seconds", "loudness_dbfs"]),
        ("string", ["pool_by", "schedule"]),
        ("Int64", ["training_clips"]),
        ("string", ["train_fingerprint", "test_fingerprint"]),
        ("Int64", ["method", "schema"]),
        ("string", ["serkit", "git_commit", "torch", "device", "device_name"]),
        ("Int64", ["threads"]),
        ("bool", ["bf16"]),
        ("datetime64[ns, UTC]", ["started", "finished"]),
        ("float64", ["wall_seconds", "train_seconds", "evaluate_seconds", "clips_per_second"]),
    ]
    for name in names
}
"""The columns of `load_all` and their dtypes; `results/README.md` says what each is."""


def load_all(root: str | Path = "results", study: str | None = None) -> pd.DataFrame:
    """Everything that is finished under a results folder.

    Unlike a report it does not ask what a study wants: the points of a tuning grid and runs by an earlier
    recipe or method are there, so group by what you compare. A warning says which runs are by another method
    (an earlier serkit, which gave other numbers for the same spec) and which files cannot be read.
    Measurements of acoustics have no tests, so they have no rows.

    Args:
        root: the results folder, with a folder or a bundle of each study in it; or one bundle.
        study: the name of one study; None: all.

    Returns:
        Columns and dtypes as in `COLUMNS`, by study, then by end of the run; empty where nothing is finished.

    Raises:
        ResultsUnreadable: no such folder or study.
    """
    root = Path(root)
    if not root.exists():
        raise ResultsUnreadable(f"no results folder {root}; name one that pytest wrote to")
    unread: list[str] = []
    found = [Store(root)] if root.is_file() else stores(root, unread)
    if study is not None:
        there = ", ".join(store.name for store in found) or "none"
        found = [store for store in found if store.name == study]
        if not found:
            raise ResultsUnreadable(f"no results of study {study!r} in {root}; of those there: {there}")
    rows: list[dict[str, Any]] = []
    for store in found:
        results, unread_there = store.results()
        unread += unread_there
        rows += [row for result in results for row in _rows(store.name, result)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for when in ("started", "finished"):
        table[when] = pd.to_datetime(table[when], utc=True)
    table = table.astype(COLUMNS)
    if unread:
        warnings.warn("\n".join(left_out(unread)), stacklevel=2)
    others = table.loc[table["method"] != METHOD, ["study", "key", "method"]].drop_duplicates()
    if len(others):
        methods = ", ".join(map(str, others["method"].unique()))
        theirs = f"{len(others)} of the runs in {root} are by method {methods}, this serkit's is {METHOD}"
        why = "their numbers do not compare; the column method tells them apart"
        warnings.warn(f"{theirs}: {why}", stacklevel=2)
    return table


def _rows(study: str, result: Result) -> Iterator[dict[str, Any]]:
    """A result's rows; a column that has the name of an entry of the result or its parts holds that entry."""
    spec, environment = result["spec"], result["environment"]
    if kind_of(spec) != TRAINING:
        return
    parts = (environment, spec["model"], spec["recipe"], spec, result)
    fingerprints = dict(spec["fingerprints"])
    trained_on = [corpus_of(name) for name in spec["train"]]
    of_run = {
        **{name: BEFORE[name] for name in COLUMNS if name in BEFORE},  # of results that do not say
        **{name: part[name] for part in parts for name in COLUMNS if name in part},
        "study": study,
        "train": "+".join(spec["train"]),
        "train_scrambled": any(is_permuted(name) for name in spec["train"]),
        "effects": "+".join((spec["augmentation"] or {}).get("effects", ())),
        "train_fingerprint": "+".join(fingerprints[name] for name in trained_on),
        "torch": environment.get("packages", {}).get("torch"),
    }
    for test, tested in result["tests"].items():
        for fold, scores in tested["folds"].items():
            yield {
                **of_run,
                "test": test,
                "test_scrambled": is_permuted(test),
                "test_fold": int(fold),
                "trained_on": corpus_of(test) in trained_on,
                "test_fingerprint": fingerprints[corpus_of(test)],
                **{metric: scores[metric]["mean"] for metric in METRICS},
                **{f"{metric}_std": scores[metric]["std"] for metric in METRICS},
            }
