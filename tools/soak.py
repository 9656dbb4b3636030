"""Thousands of tiny runs in one session, in which nothing grows: `python -m tools.soak`.

Two workers, or what else pytest is told (`-- --engine ray`), train networks of one channel for an epoch on
generated speech, seed after seed. Memory of their
own (RssAnon) and open files, of the workers and of the controller, are read from /proc meanwhile, and shown
by tenths of the cases, with the time that a case took. All lies in a temporary folder. Linux only.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from serkit.errors import SerkitError
from serkit.settings import MAX_SEEDS, check

ROOT = Path(__file__).parent.parent
EVERY_S = 0.5
PARTS = 10
HOW = ("-n", "2")
RATES = 10  # of augmentation; each is a condition
STUDY = """
title = "Soak"
settled = false
seeds = {seeds}
rates_percent = {rates}
model = {{ width = 1, weights = "" }}
recipe = {{ epochs = 1, batch_size = 8, max_seconds = 0.7, tail = 1.0 }}
corpora.near = {{ reader = "synthetic", options = {{ role = "A", speakers = 8, clips = 4 }} }}
corpora.far = {{ reader = "synthetic", options = {{ role = "B", speakers = 8, clips = 4, folds = 1 }} }}
figure2 = {{ train = [["near"], ["far"]], test = ["near", "far"] }}
"""


def soak(runs: int, folder: Path, how: Sequence[str] = HOW) -> pd.DataFrame:
    """Runs so many cases, in twenties, and gives a row for each look at each process.

    Columns: done (cases), seconds, worker (or the controller), pid, memory_mb, files. Raises SerkitError: a
    case failed.
    """
    seeds = max(1, round(runs / (2 * RATES)))
    check(seeds <= MAX_SEEDS, f"{runs} runs; expected {2 * RATES * MAX_SEEDS} at most")
    study, log = folder / "soak.toml", folder / "log.txt"
    rates = [100 * rate // RATES for rate in range(RATES)]
    study.write_text(STUDY.format(seeds=list(range(seeds)), rates=rates), encoding="utf-8")
    called = [sys.executable, "-m", "benchmark", "run", str(study), "-q", *how, "--results=results"]
    environ = {**os.environ, "SERKIT_CACHE": str(folder / "cache"), "PYTHONPATH": str(ROOT), "CI": "1"}
    looks, began = [], time.monotonic()
    with log.open("wb") as said:
        session = subprocess.Popen(called, cwd=folder, env=environ, stdout=said, stderr=said)
        while session.poll() is None:
            time.sleep(EVERY_S)
            done = len(list(folder.glob("results/soak/*/result.json")))
            seconds = time.monotonic() - began
            for pid in (session.pid, *_children(session.pid)):
                if look := _look(pid):
                    looks.append({"done": done, "seconds": seconds, "worker": pid != session.pid, **look})
    text = log.read_text(encoding="utf-8", errors="replace")
    check(session.returncode == 0, f"the session failed:\n{text[-2000:]}")
    return pd.DataFrame(looks)


def by_tenths(looks: pd.DataFrame) -> pd.DataFrame:
    """Looks by tenths of the cases: seconds a case, what the largest worker has and the controller."""
    total = looks["done"].max()
    training = looks[(looks["done"] > 0) & (looks["done"] < total)]
    tenth = np.ceil(training["done"] / total * PARTS).astype(int)
    rows = []
    for _, of in training.groupby(tenth):
        cases, seconds = (of[name].max() - of[name].min() for name in ("done", "seconds"))
        row = {"cases": of["done"].max(), "seconds a case": seconds / max(1, cases)}
        for name, which in {"worker": of[of["worker"]], "controller": of[~of["worker"]]}.items():
            most = which.groupby("pid")[["memory_mb", "files"]].median().max()
            row |= {f"{name}, MB": most["memory_mb"], f"{name}, files": most["files"]}
        rows.append(row)
    return pd.DataFrame(rows)


def _children(pid: int) -> list[int]:
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()))
    except OSError:
        return []


def _look(pid: int) -> dict[str, float]:
    """What a worker has; nothing where it has ended, or is none."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        memory = int(status.split("RssAnon:")[1].split()[0]) / 1024
        files = len(os.listdir(f"/proc/{pid}/fd"))
    except (OSError, IndexError):
        return {}
    return {"pid": pid, "memory_mb": memory, "files": files}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.soak", description=__doc__.split("\n")[0])
    parser.add_argument("--runs", type=int, default=2000, help="cases, a multiple of 20")
    parser.add_argument("how", nargs="*", default=HOW, help="what pytest is told, behind --; default -n 2")
    given = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            looks = soak(given.runs, Path(folder), given.how)
    except SerkitError as error:
        sys.exit(str(error))
    first, last = (looks.loc[looks["done"] >= done, "seconds"].min() for done in (1, looks["done"].max()))
    print(f"a case was done after {first:.1f} s, the last after {last:.1f} s")
    print(by_tenths(looks).to_markdown(index=False, floatfmt=".3f"))


if __name__ == "__main__":
    main()
