"""Lists and tabulates a folder of very many results: `python -m tools.many_results [--results 100000]`.

They are those of the committed study `open-encoders` under other seeds, with other numbers, in a temporary
folder below `--folder`, which needs 16 kB for each; without the tables beside them, which nobody reads here.
The study is asked for with 100 seeds: its plan has a tenth of 100,000. Each step is a process of its own with
an empty cache folder at first; what it takes is processor time, user's and system's, and memory at its peak.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from serkit.resultfile import Result, sealed
from serkit.results import Store
from serkit.specs import METRICS, RunSpec, from_json

ROOT = Path(__file__).parent.parent
STUDY, SEEDS = "open-encoders", 100
LOOKING = f"""from benchmark import study
from benchmark.session import progress, status
looking = progress.Progress(study.read("{STUDY}", {SEEDS}), Store(root / "{STUDY}"))
seen = looking.look()
"""
STATUS = f"{LOOKING}say(status.status(looking, seen).splitlines()[0])"
ALL = "from serkit.results_table import load_all; say(len(load_all(root)))"
STEPS = (
    ("load_all, first", ALL),
    ("load_all, again", ALL),
    ("status, first", STATUS),
    ("status, again", STATUS),
    ("a later look", f"{LOOKING}begin()\nsay(len(looking.look()))"),
)
"""What is measured: a name, and Python that says something of what it got."""
AROUND = """
import resource, sys, time
from pathlib import Path
from serkit.results import Store
root, began, what = Path(sys.argv[1]), [0.0], []
say = what.append
def begin():
    began[0] = time.process_time()
{}
took = time.process_time() - began[0]
print(took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, *what)
"""


def others(number: int) -> Iterator[Result]:
    """So many results, each of another run."""
    bundled, _ = Store(ROOT / "results" / f"{STUDY}.bundle").results()
    known = [result for result in bundled if "history" in result]
    draw, began = random.Random(0), datetime(2026, 1, 1, tzinfo=UTC)
    for at in range(number):
        result = dict(known[at % len(known)])
        spec = from_json(result["spec"])
        assert isinstance(spec, RunSpec)
        spec = dataclasses.replace(spec, seed=3 * (at // len(known)) + spec.seed)
        result |= {"spec": spec.to_json(), "key": spec.key, "label": spec.label}
        result["finished"] = (began + timedelta(seconds=at)).isoformat()
        result["tests"] = {
            test: {**tested, "folds": {fold: _drawn(draw) for fold in tested["folds"]}}
            for test, tested in result["tests"].items()
        }
        yield result


def _drawn(draw: random.Random) -> dict[str, dict[str, float]]:
    return {name: {"mean": draw.random(), "std": draw.random() / 9} for name in METRICS}


def make(folder: Path, number: int) -> int:
    """Writes so many results below a folder; the bytes of all."""
    size = 0
    for result in others(number):
        text = sealed(result).encode()
        (folder / result["key"]).mkdir(parents=True)
        (folder / result["key"] / "result.json").write_bytes(text)
        size += len(text)
    return size


def measure(root: Path, cache: Path) -> Iterator[str]:
    """A line for each step."""
    environ = {**os.environ, "SERKIT_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    for name, code in STEPS:
        began = time.perf_counter()
        command = [sys.executable, "-c", AROUND.format(code), str(root)]
        told = subprocess.run(command, env=environ, cwd=ROOT, capture_output=True, encoding="utf-8")
        if told.returncode:
            yield f"{name:17} failed: {told.stderr.strip()[-300:]}"
            continue
        took, resident, said = told.stdout.split(maxsplit=2)
        waited = time.perf_counter() - began
        memory = f"{int(resident) / 1e6:6.2f} GB"
        yield f"{name:17}{float(took):8.2f} s of processor {waited:8.2f} s in all {memory}  {said.strip()}"


def main(words: Sequence[str] | None = None) -> None:
    """Makes them, measures, and says what each step took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=int, default=100_000, metavar="N", help="how many; default 100000")
    parser.add_argument("--folder", type=Path, help="for all that is written; default the system's")
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="serkit-many-") as place:
        began = time.process_time()
        size = make(Path(place) / "results" / STUDY, given.results)
        took = time.process_time() - began
        print(f"{given.results:,} results of {size / 1e9:.2f} GB, written in {took:.1f} s", flush=True)
        for line in measure(Path(place) / "results", Path(place) / "cache"):
            print(line, flush=True)


if __name__ == "__main__":
    main()
