"""Results on disk: one folder a run, written so that no crash, kill or second worker can spoil it.

    <root>/<study>/<key>/spec.json         what was asked
                         progress.jsonl    a line an event while it runs; anybody may tail it
                         scores.parquet    per-clip scores of the last evaluation
                         result.json       written last and whole: its presence means the run is done

The format is documented in `results/README.md`; `SCHEMA` numbers it.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from serkit.errors import ResultsUnwritable, SpecError
from serkit.specs import RunSpec, from_json

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1

Result = dict[str, Any]


@dataclass(frozen=True)
class Store:
    """The results of one study.

    Attributes:
        folder: `<root>/<study>`.
    """

    folder: Path

    def check_writable(self) -> None:
        """Makes the folder and writes to it.

        Raises:
            ResultsUnwritable: it cannot be made or written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe = self.folder / f".probe-{os.getpid()}"
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise ResultsUnwritable(
                f"results cannot be written to {self.folder} ({error.strerror}); make it writable, or name"
                " another folder with SERKIT_RESULTS"
            ) from error

    def run_folder(self, key: str) -> Path:
        """Where the run called `key` lies, done or not."""
        return self.folder / key

    def get(self, key: str) -> Result | None:
        """The result of the run called `key`, or None while it is not done."""
        try:
            return json.loads((self.folder / key / "result.json").read_text())
        except FileNotFoundError:
            return None

    def all(self) -> Iterator[tuple[RunSpec, Result]]:
        """Every finished run with its spec, oldest first; those written by another method are left out."""
        done = []
        for path in self.folder.glob("*/result.json"):
            result = json.loads(path.read_text())
            try:
                done.append((from_json(result["spec"]), result))
            except SpecError:
                continue
        yield from sorted(done, key=lambda pair: pair[1]["finished"])

    @contextmanager
    def claim(self, key: str) -> Iterator[None]:
        """Holds the run for this process; another process that wants it waits until this one is done or dead.

        The lock is the operating system's, so it ends with its process however that ends. It holds within
        one host; across hosts each key must be asked for once.
        """
        locks = self.folder / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(locks / f"{key}.lock"):
            yield

    def start(self, spec: RunSpec) -> None:
        """Prepares the run's folder: drops an earlier attempt's progress, writes spec.json.

        An earlier result stays until `save` replaces it, so a retraining that fails loses nothing.
        """
        folder = self.run_folder(spec.key)
        folder.mkdir(parents=True, exist_ok=True)
        for left in ("progress.jsonl", *(path.name for path in folder.glob("*.draft"))):
            (folder / left).unlink(missing_ok=True)
        _write_whole(folder / "spec.json", json.dumps(spec.to_json(), indent=1).encode())

    def report(self, key: str, event: dict[str, Any]) -> None:
        """Appends one event to the run's progress.jsonl, with the time in seconds since 1970."""
        _append(self.run_folder(key) / "progress.jsonl", event)

    def report_reading(self, corpus: str, event: dict[str, Any]) -> None:
        """Appends one event about a corpus that is read or packed to `.reading/<corpus>.jsonl`."""
        folder = self.folder / ".reading"
        folder.mkdir(parents=True, exist_ok=True)
        _append(folder / f"{corpus}.jsonl", event)

    def save(self, spec: RunSpec, result: Result, scores: pd.DataFrame) -> None:
        """Writes scores.parquet, then result.json: from here on the run is done."""
        folder = self.run_folder(spec.key)
        draft = folder / "scores.parquet.draft"
        scores.to_parquet(draft, index=False, compression="zstd")
        os.replace(draft, folder / "scores.parquet")
        _write_whole(folder / "result.json", json.dumps(result, allow_nan=False).encode())


def _append(path: Path, event: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps({"time": round(time.time(), 3), **event}) + "\n")


def _write_whole(path: Path, data: bytes) -> None:
    """Writes a file so that it is there whole or not at all, even after a power cut."""
    draft = path.with_name(f"{path.name}.draft")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
