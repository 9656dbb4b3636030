"""What this machine has for processes that train: GPUs, and cores to share.

GPUs are listed through NVML, which leaves CUDA_VISIBLE_DEVICES to be set before CUDA starts. Cores are those
that this process may use, by its affinity and its container's quota; `os.cpu_count` counts the host's. Idle
threads sleep instead of spinning, which takes the core from a process beside it (docs/performance.md).
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pynvml

from serkit.files import read_text

OOM_COUNTS = (
    Path("/sys/fs/cgroup/memory.events"),
    Path("/sys/fs/cgroup/memory/memory.oom_control"),
    Path("/proc/vmstat"),
)
"""Where Linux counts processes that it killed for want of memory: a container's own count first."""


def visible_gpus(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The GPUs this process may use, as words for CUDA_VISIBLE_DEVICES, which chooses among the installed.

    As it does for CUDA itself: a number past the last one hides it and all that follow.
    """
    installed = installed_gpus()
    chosen = environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(installed))))

    def there(gpu: str) -> bool:
        return 0 <= int(gpu) < installed if gpu.lstrip("-").isdigit() else bool(gpu and installed)

    return list(itertools.takewhile(there, map(str.strip, chosen.split(","))))


def installed_gpus() -> int:
    """How many NVIDIA GPUs are installed; 0 without a driver."""
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return 0
    try:
        return pynvml.nvmlDeviceGetCount()
    finally:
        pynvml.nvmlShutdown()


def share_of_cores(processes: int) -> int:
    """Threads for each of so many processes on this machine, at least one."""
    from joblib import cpu_count  # numpy comes with it: not while a plan is made

    return max(1, cpu_count() // processes)


def settle_threads(threads: int) -> None:
    """Lets this process compute with so many threads, unless the user set it. Before PyTorch is imported."""
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def memory_kills() -> int:
    """How many processes the system killed in this container for want of memory; 0 where it does not say."""
    for path in OOM_COUNTS:
        with suppress(OSError):
            if found := re.search(r"^oom_kill (\d+)$", read_text(path), re.MULTILINE):
                return int(found[1])
    return 0
