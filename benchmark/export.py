"""A study's finished runs as files for other tools: nkululeko, autrainer, or one plain table.

nkululeko (layout of 1.14.1), `<key>/results/pred_emotion_<test>.csv`: a row a test clip with its segment
(`file`, `start`, `end`), a probability a class, `predicted`, `truth`, `uncertainty` and `correct`, as that
package writes for a classification and as `audformat.utils.read_csv` and its `ensemble` read. A segment is a
whole clip (its end is left open); `file` is the path in the corpus's folder, so its user says where that is
(`audio_path`). The scores are those of the last evaluation, so metrics made from them are not the tail
averages. That package's own summaries are text, not tables, so nothing stands for them here.

autrainer (layout of 0.10.0), `training/<key>/metrics.csv`: a row an evaluation with the metrics on the
validation clips, `train_loss`, `dev_loss` and `iteration`; `summary/<test>/metrics.csv` and
`summary/config.csv`: a row a run. What does not map:

1. autrainer tests the best iteration of the validation clips; serkit averages over the tail. So the summary
   has tail averages, of validation and test alike, and the last iteration as `best_iteration`.
2. autrainer has one test set a run, serkit several: a summary for each.
3. Its `f1` is the unweighted mean over classes; ours is weighted, and called `weighted_f1`.
4. Losses on validation and test clips are not kept: `dev_loss` and `test_loss` are empty.
5. With several training corpora the validation metrics are their mean; with none they are empty.
6. Its per-clip files go by row numbers of a data set's table, which is not there: use nkululeko's.
7. Its run names are settings joined by `_`; ours are keys. Its YAML files (`.hydra`, timers) are not
   written, so its own `postprocess` does not run on this; its tables read and plot.

csv, `runs.csv`: the table of `serkit.results.load_all`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.report import output
from serkit.errors import ResultsUnreadable
from serkit.labels import LABELS, corpus_of, key_of
from serkit.results import Result, Store, as_table, left_out
from serkit.specs import METRICS, TRAINING, kind_of
from serkit.words import many

AUTRAINER = {"wACC": "accuracy", "uACC": "uar", "wF1": "weighted_f1"}
"""What autrainer calls our metrics; the last it has not."""


def export(store: Store, to: str, folder: Path) -> str:
    """Writes the finished runs of a study for another tool.

    Args:
        store: the study's results.
        to: one of `FORMATS`.
        folder: where to.

    Returns:
        What was written, in a line, and what could not be read.

    Raises:
        ResultsUnreadable: nothing is finished.
        ResultsUnwritable: `folder` cannot be written.
    """
    files, unread = store.files()
    runs = [result for _, result in files if kind_of(result["spec"]) == TRAINING]
    if not runs:
        why = f" that can be read ({unread[0]})" if unread else ""
        raise ResultsUnreadable(f"no finished run{why} in {store.folder}; run the study first")
    output.claim(folder / "runs.csv")
    written = 0
    for path, table in FORMATS[to](store, runs, unread):
        try:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            table.to_csv(folder / path, index=isinstance(table.index, pd.MultiIndex))
        except OSError as error:
            raise output.unwritable(folder / path, error) from error
        written += 1
    head = f"{len(runs)} runs for {to}: {many(written, 'file')} in {folder}"
    return "\n".join([head, *left_out(unread)])


Tables = Iterator[tuple[Path, pd.DataFrame]]


def _for_nkululeko(store: Store, runs: list[Result], unread: list[str]) -> Tables:
    for result in runs:
        try:
            scores = store.table(result["key"], "scores")
        except ResultsUnreadable as error:
            unread.append(str(error))
            continue
        scrambles = {corpus["name"]: corpus["scramble"] for corpus in result["spec"]["corpora"]}
        for test in result["tests"]:
            of_test = scores[scores["corpus"] == corpus_of(test)]
            yield (
                Path(result["key"], "results", f"pred_emotion_{test}.csv"),
                predictions(of_test, key_of(test, scrambles[corpus_of(test)])),
            )


def predictions(scores: pd.DataFrame, key: dict[str, str]) -> pd.DataFrame:
    """Scored clips as nkululeko has them.

    Args:
        scores: rows of `scores.parquet`.
        key: the expected label by true label.

    Returns:
        Index `file`, `start`, `end` (audformat's, segmented). Columns: a probability a class, `predicted`,
        `truth`, `uncertainty` (in [0, 1]: entropy of the softmax of these probabilities, from the smallest
        in the table to that of equal classes, as nkululeko has it), `correct`.
    """
    from scipy.special import softmax
    from scipy.stats import entropy

    probabilities = scores[list(LABELS)].to_numpy(dtype=np.float64)
    spread = entropy(softmax(probabilities, axis=1), axis=1)
    table = pd.DataFrame(probabilities, columns=list(LABELS))
    table["predicted"] = np.asarray(LABELS)[probabilities.argmax(axis=1)]
    table["truth"] = scores["label"].map(key).to_numpy()
    table["uncertainty"] = (spread - spread.min()) / (np.log(len(LABELS)) - spread.min())
    table["correct"] = table["predicted"] == table["truth"]
    whole = [pd.to_timedelta([time] * len(scores)) for time in (0, None)]
    table.index = pd.MultiIndex.from_arrays([scores["path"].tolist(), *whole], names=["file", "start", "end"])
    return table


def _for_autrainer(store: Store, runs: list[Result], unread: list[str]) -> Tables:
    for result in runs:
        yield Path("training", result["key"], "metrics.csv"), iterations(result)
    yield Path("summary", "config.csv"), pd.DataFrame([_config(result) for result in runs])
    for test in dict.fromkeys(test for result in runs for test in result["tests"]):
        rows = [_summary(result, test) for result in runs if test in result["tests"]]
        yield Path("summary", test, "metrics.csv"), pd.DataFrame(rows)


def _of_validation(validation: dict[str, Any], value: Callable[[Any], float]) -> dict[str, float]:
    """Metrics under autrainer's names, averaged over the training corpora."""
    return {
        name: float(np.mean([value(of[metric]) for of in validation.values()])) if validation else np.nan
        for metric, name in AUTRAINER.items()
    }


def iterations(result: Result) -> pd.DataFrame:
    """A run's evaluations as in autrainer's metrics.csv; by step unless each ends an epoch."""
    history = result["history"]
    by_epoch = _training_type(result) == "epoch"
    return pd.DataFrame(
        [
            {
                **_of_validation(at["validation"], float),
                "train_loss": at["loss"],
                "dev_loss": np.nan,
                "iteration": int(at["epoch"]) if by_epoch else at["iteration"],
            }
            for at in history
        ]
    )


def _training_type(result: Result) -> str:
    """What autrainer calls an iteration here: an epoch, or a step."""
    return "epoch" if all(float(at["epoch"]).is_integer() for at in result["history"]) else "step"


def _summary(result: Result, test: str) -> dict[str, Any]:
    last = iterations(result).iloc[-1]
    tested = result["tests"][test]
    return {
        "run_name": result["key"],
        **_of_validation(result["validation"], lambda tail: tail["mean"]),
        "train_loss": last["train_loss"],
        "dev_loss": np.nan,
        "best_iteration": int(last["iteration"]),
        **{f"test_{AUTRAINER[metric]}": tested[metric]["mean"] for metric in METRICS},
        "test_loss": np.nan,
    }


def _config(result: Result) -> dict[str, Any]:
    """A run's settings under autrainer's names, in the order of its run names."""
    spec = result["spec"]
    recipe, model = spec["recipe"], spec["model"]
    by_epoch = _training_type(result) == "epoch"
    return {
        "run_name": result["key"],
        "dataset": "+".join(spec["train"]),
        "model": f"cnn14-width{model['width']}-{result['initialisation']}",
        "optimizer": "Adam",
        "learning_rate": recipe["learning_rate"],
        "batch_size": recipe["batch_size"],
        "training_type": _training_type(result),
        "iterations": recipe["epochs"] if by_epoch else result["history"][-1]["iteration"],
        "scheduler": "None",
        "augmentation": f"{spec['augment_percent']}%" if spec["augment_percent"] else "None",
        "seed": spec["seed"],
        "fold": spec["fold"],
    }


def _as_csv(store: Store, runs: list[Result], unread: list[str]) -> Tables:
    yield Path("runs.csv"), as_table((store.folder.name, result) for result in runs)


FORMATS: dict[str, Callable[[Store, list[Result], list[str]], Tables]] = {
    "nkululeko": _for_nkululeko,
    "autrainer": _for_autrainer,
    "csv": _as_csv,
}
