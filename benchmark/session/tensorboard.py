"""Learning curves as TensorBoard's event files, written while a run trains (`pytest --tensorboard`).

One file in each run's own folder, beside its result, so that `tensorboard --logdir results/<study>` shows the
runs by their keys:

    loss                                       mean of the batches since the evaluation before
    uACC/<test>, wACC/<test>, wF1/<test>       averaged over the test's folds, at each evaluation

All by iteration. They are the numbers of `progress.jsonl` and of the result's history, and part of no key.
TensorBoard is an extra, and is imported at the first evaluation.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

from serkit.specs import METRICS


class Curves:
    """The curves of one run; called after each evaluation, as `serkit.run.run` does."""

    def __init__(self) -> None:
        """Opens nothing yet."""
        self._writer: Any = None

    def __call__(self, folder: Path, event: dict[str, Any]) -> None:
        """Writes one evaluation, so that TensorBoard sees it now.

        Args:
            folder: the run's.
            event: `iteration`, `loss`, and `tests`: test -> fold -> metric -> value.
        """
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(folder))
        at = event["iteration"]
        self._writer.add_scalar("loss", event["loss"], at)
        for test, folds in event["tests"].items():
            for metric in METRICS:
                self._writer.add_scalar(f"{metric}/{test}", fmean(of[metric] for of in folds.values()), at)
        self._writer.flush()

    def close(self) -> None:
        """Closes the file."""
        if self._writer is not None:
            self._writer.close()
