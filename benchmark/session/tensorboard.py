"""Learning curves as TensorBoard's event files, written while a run trains (`pytest --tensorboard`).

One file in each run's own folder, beside its result, so that `tensorboard --logdir results/<study>` shows the
runs by their keys:

    loss                      mean of the batches since the evaluation before
    uACC/<test>, wACC/<test>, wF1/<test>
                              averaged over the test's folds, at each evaluation

All by iteration. They are the numbers of `progress.jsonl` and of the result's history, and part of no key;
what an earlier attempt wrote is dropped when the run starts afresh. TensorBoard is an extra, and is imported
when the first evaluation is told.
"""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

from serkit.specs import METRICS


class Curves:
    """Told of evaluations, as `serkit.run.run` tells them; has the file of one run open at a time."""

    def __init__(self) -> None:
        """Opens nothing yet."""
        self._folder: Path | None = None
        self._writer: Any = None

    def __call__(self, folder: Path, event: dict[str, Any]) -> None:
        """Writes one evaluation, so that TensorBoard sees it now; closes the file after the last.

        Args:
            folder: the run's.
            event: `iteration`, `of`, `loss`, and `tests`: test -> fold -> metric -> value.
        """
        if folder != self._folder:
            self._close()  # of a run that failed midway
            from torch.utils.tensorboard import SummaryWriter

            self._writer, self._folder = SummaryWriter(str(folder)), folder
        at = event["iteration"]
        self._writer.add_scalar("loss", event["loss"], at)
        for test, folds in event["tests"].items():
            for metric in METRICS:
                self._writer.add_scalar(f"{metric}/{test}", fmean(of[metric] for of in folds.values()), at)
        self._writer.flush()
        if at == event["of"]:
            self._close()

    def _close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = self._folder = None
