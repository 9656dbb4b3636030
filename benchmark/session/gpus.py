"""Which process gets which GPU.

The controller lists the GPUs (through NVML, so CUDA is not started) and hands one to each worker; the worker
sets CUDA_VISIBLE_DEVICES before anything asks CUDA. Worker numbers grow after crashes, so GPUs are lent and
given back, never computed from a number.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping

import pynvml


def visible(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The GPUs this process may use, as words for CUDA_VISIBLE_DEVICES; empty where there is none.

    CUDA_VISIBLE_DEVICES chooses among the installed ones, as it does for CUDA itself: a number past the last
    one hides it and all that follow.
    """
    installed = count()
    chosen = environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is None:
        return [str(number) for number in range(installed)]
    gpus = []
    for word in chosen.split(","):
        word = word.strip()
        if not installed or (word.lstrip("-").isdigit() and not 0 <= int(word) < installed) or not word:
            break
        gpus.append(word)
    return gpus


def count() -> int:
    """NVIDIA GPUs installed; 0 without a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return 0
    try:
        return pynvml.nvmlDeviceGetCount()
    finally:
        pynvml.nvmlShutdown()


class Pool:
    """GPUs lent to workers, evenly: with more workers than GPUs, some share."""

    def __init__(self, gpus: list[str]) -> None:
        """Takes the GPUs to lend, at least one."""
        self._lent: dict[str, str] = {}
        self.gpus = gpus

    def lend(self, worker: str) -> str:
        """The least used GPU, the first of equals."""
        used = Counter(self._lent.values())
        self._lent[worker] = min(self.gpus, key=lambda gpu: used[gpu])
        return self._lent[worker]

    def take_back(self, worker: str) -> None:
        """Frees the worker's GPU, whether it finished or crashed."""
        self._lent.pop(worker, None)
