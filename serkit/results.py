"""Results on disk: one folder a run or measurement, which no crash, kill or second worker spoils.

    <root>/<study>/<key>/spec.json         what was asked
                         progress.jsonl    a line an event while it runs; anybody may tail it
                         part-*.parquet    a measurement's clips so far: where it goes on after a kill
                         scores.parquet    per-clip scores of a run's last evaluation, or
                         estimates.parquet per-clip estimates of a measurement
                         result.json       written last and whole: its presence means it is done

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
from serkit.specs import AcousticsSpec, RunSpec, from_json

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

    def all(self) -> Iterator[tuple[RunSpec | AcousticsSpec, Result]]:
        """All that is finished with its spec, oldest first; what another method wrote is left out."""
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

    def table(self, key: str, name: str) -> pd.DataFrame:
        """The table `<name>.parquet` of a finished run or measurement."""
        import pandas as pd

        return pd.read_parquet(self.run_folder(key) / f"{name}.parquet")

    def start(self, spec: RunSpec | AcousticsSpec) -> None:
        """Prepares the folder: drops an earlier attempt's progress, writes spec.json.

        An earlier result stays until `save` replaces it, so a retraining that fails loses nothing; and so do
        the parts of a measurement.
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

    def part(self, key: str, number: int) -> pd.DataFrame | None:
        """A part of a measurement that was saved before, or None."""
        import pandas as pd

        try:
            return pd.read_parquet(self._part_path(key, number))
        except FileNotFoundError:
            return None

    def save_part(self, key: str, number: int, clips: pd.DataFrame) -> None:
        """Saves a part of a measurement, whole or not at all."""
        _write_table(self._part_path(key, number), clips)

    def drop_parts(self, key: str) -> None:
        """Deletes the parts of a measurement."""
        for path in self.run_folder(key).glob("part-*.parquet"):
            path.unlink()

    def _part_path(self, key: str, number: int) -> Path:
        return self.run_folder(key) / f"part-{number:05d}.parquet"

    def save(
        self, spec: RunSpec | AcousticsSpec, result: Result, clips: pd.DataFrame, name: str = "scores"
    ) -> None:
        """Writes `<name>.parquet`, a row a clip, then result.json: from here on it is done."""
        folder = self.run_folder(spec.key)
        _write_table(folder / f"{name}.parquet", clips)
        _write_whole(folder / "result.json", json.dumps(result, allow_nan=False).encode())
        self.drop_parts(spec.key)


def _append(path: Path, event: dict[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps({"time": round(time.time(), 3), **event}) + "\n")


def _write_table(path: Path, table: pd.DataFrame) -> None:
    draft = path.with_name(f"{path.name}.draft")
    table.to_parquet(draft, index=False, compression="zstd")
    _settle(draft, path)


def _write_whole(path: Path, data: bytes) -> None:
    """Writes a file so that it is there whole or not at all, even after a power cut."""
    draft = path.with_name(f"{path.name}.draft")
    draft.write_bytes(data)
    _settle(draft, path)


def _settle(draft: Path, path: Path) -> None:
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(draft, path)
