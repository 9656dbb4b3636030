"""Learning curves as TensorBoard's event files, written while a run trains (`pytest --tensorboard`).

One file in each run's own folder, beside its result, so that `tensorboard --logdir results/<study>` shows the
runs by their keys. By iteration: `loss`, the mean of the batches since the evaluation before, and
`uACC/<test>`, `wACC/<test>`, `wF1/<test>`, averaged over the test's folds: the numbers of `progress.jsonl`
and of the result's history. TensorBoard is an extra, and is imported at the first evaluation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import fmean
from typing import Any

from serkit.specs import METRICS


@contextmanager
def curves() -> Iterator[Callable[[Path, dict[str, Any]], None]]:
    """Gives what writes the curves of one run, called after each evaluation as `serkit.run.run` does."""
    writer: Any = None

    def write(folder: Path, event: dict[str, Any]) -> None:
        nonlocal writer
        if writer is None:
            from torch.utils.tensorboard import SummaryWriter

            writer = SummaryWriter(str(folder))
        at = event["iteration"]
        writer.add_scalar("loss", event["loss"], at)
        for test, folds in event["tests"].items():
            for metric in METRICS:
                writer.add_scalar(f"{metric}/{test}", fmean(of[metric] for of in folds.values()), at)
        writer.flush()  # TensorBoard sees it at once

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()
