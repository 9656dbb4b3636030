"""How many threads a process computes with, and what they do while they wait for one another.

Several processes share the cores evenly: those that this process may use, by its affinity and by the quota of
its container. `os.cpu_count` counts the host's, so that a container with two of 64 would start 64 threads.

Threads that wait shall sleep. OpenMP's own way is to spin for a while, which takes the core from a process
beside it: measured in `docs/performance.md`. Both must be settled before PyTorch is imported.
"""

from __future__ import annotations

import os


def share(processes: int) -> int:
    """Threads for each of so many processes on this machine, at least one."""
    from joblib import cpu_count  # numpy comes with it: not while a plan is made

    return max(1, cpu_count() // processes)


def settle(threads: int) -> None:
    """Makes this process compute with so many threads, which sleep while they wait; what a user set stays."""
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
