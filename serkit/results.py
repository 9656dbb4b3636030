"""Results on disk: one folder a run or measurement, which no crash, kill or second worker spoils.

    <root>/<study>/<key>/spec.json         what was asked
                         progress.jsonl    who runs it, then a line an event; anybody may tail it
                         error.json        why the last attempt failed
                         part-*.parquet    a measurement's clips so far: where it goes on after a kill
                         scores.parquet    per-clip scores of a run's last evaluation, or
                         estimates.parquet per-clip estimates of a measurement
                         result.json       written last and whole: its presence means it is done

The format is documented in `results/README.md` and, for machines, in `result.schema.json` beside this file;
`SCHEMA` numbers it. `load_all` reads everything into one table.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from serkit import keeping
from serkit.errors import ResultDamaged, ResultsUnreadable, ResultsUnwritable, SpecError
from serkit.files import append_line, write_by, write_whole
from serkit.labels import corpus_of, is_permuted
from serkit.resultfile import Result, read, read_table, unreadable
from serkit.specs import METHOD, METRICS, TRAINING, Recipe, Spec, from_json, kind_of
from serkit.words import many

if TYPE_CHECKING:
    import pandas as pd

LEFT_BEHIND = ("progress.jsonl", "error.json", "*.draft", "events.out.tfevents.*")
"""What an attempt leaves that the next one drops; the last are TensorBoard's."""

WRITTEN = ("spec.json", "progress.jsonl", "error.json", "*.draft", "*.parquet")
"""What an attempt writes."""

ROOM_BYTES, NAMED = 1 << 18, 5
"""Of a result and its scores; files that cannot be read, by their names."""


@dataclass(frozen=True)
class Store:
    """The results of one study.

    Attributes:
        folder: `<root>/<study>`.
    """

    folder: Path

    def check_writable(self) -> None:
        """Makes the folder and writes to it as much as a result takes.

        Raises:
            ResultsUnwritable: it cannot be made or written.
        """
        probe = self.folder / f".probe-{os.getpid()}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                probe.write_bytes(bytes(ROOM_BYTES))
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self.folder, error) from error

    def run_folder(self, key: str) -> Path:
        """Where the run called `key` lies, done or not."""
        return self.folder / key

    def get(self, key: str) -> Result | None:
        """The result of the run called `key`, or None while it is not done. Raises ResultsUnreadable."""
        try:
            return read(self.folder / key / "result.json")
        except FileNotFoundError:
            return None

    def finished(self, key: str, table: str = "") -> Result | None:
        """As `get`, for who holds the claim and runs it otherwise: what is damaged is set aside, and said.

        Args:
            key: of the run or measurement.
            table: the name of a table without which its result is worth nothing.

        Raises:
            ResultsUnreadable: it may not be read, or is of a newer schema.
        """
        try:
            result = self.get(key)
            if result is not None and table:
                self.table(key, table)
            return result
        except ResultDamaged as error:
            path = self.run_folder(key) / "result.json"
            aside = path.with_name(f"damaged-{time.time_ns()}.json")
            try:
                os.replace(path, aside)
            except OSError as problem:
                raise unwritable(path, problem) from error
            warnings.warn(f"{error}. It is kept as {aside.name}, and run again now", stacklevel=2)
            return None

    def files(self) -> tuple[list[tuple[Path, Result]], list[str]]:
        """Every result.json that can be read, whatever method wrote it, and why the others cannot.

        Returns:
            Paths and what they hold, oldest first, of one second by key; a message for each of the others.
        """
        found: list[tuple[Path, Result]] = []
        unread: list[str] = []
        for folder in self.folders(unread):
            path = folder / "result.json"
            try:
                found.append((path, read(path)))
            except FileNotFoundError:
                continue
            except ResultsUnreadable as error:
                unread.append(str(error))
        return sorted(found, key=lambda pair: (pair[1]["finished"], pair[0])), unread

    def folders(self, unread: list[str]) -> list[Path]:
        """Those of runs, done or not, by name; why they cannot be listed is added to `unread`."""
        try:
            names = sorted(os.listdir(self.folder))
        except FileNotFoundError:
            return []
        except OSError as error:
            unread.append(str(unreadable(self.folder, error)))
            return []
        # `isdir` says no to what cannot be looked at, such as a link in a loop.
        return [self.folder / name for name in names if name[0] != "." and os.path.isdir(self.folder / name)]

    def all(self) -> Iterator[tuple[Spec, Result]]:
        """What `files` can read, each with its spec; another method's is left out, as it answers nothing."""
        return with_specs(result for _, result in self.files()[0])

    @contextmanager
    def claim(self, key: str) -> Iterator[None]:
        """Holds the run for this process; another process that wants it waits until this one is done or dead.

        The lock is the operating system's, so it ends with its process however that ends. It holds within
        one host; across hosts each key must be asked for once. An error that ends it is noted in error.json.
        What an earlier process could not save, and kept elsewhere, comes home first.

        Raises:
            ResultsUnwritable: there can be no lock, or what was kept cannot come home.
        """
        with self.locked(key):
            try:
                keeping.bring_home(self.run_folder(key))
                yield
            except Exception as error:
                self._note_failure(key, error)
                raise

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Holds a name for this process, as `claim` holds a run. Raises ResultsUnwritable."""
        path = self._lock_path(name)
        lock = filelock.FileLock(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except (OSError, NotImplementedError) as error:  # the latter of file systems without locks
            raise unwritable(path, error) from error
        try:
            yield
        finally:
            with suppress(OSError):  # its folder may have gone
                lock.release()

    def claimed(self, key: str) -> bool | None:
        """Whether a process of this host holds the run; None where the system does not let us ask.

        Nobody waits for the answer but one that comes for the same run at the same instant, 50 ms.
        """
        path = self._lock_path(key)
        if not path.exists():
            return False
        try:
            with filelock.FileLock(path, blocking=False):
                return False
        except filelock.Timeout:
            return True
        except (OSError, NotImplementedError):
            return None

    def _lock_path(self, key: str) -> Path:
        return self.folder / ".locks" / f"{key}.lock"

    def _note_failure(self, key: str, error: Exception) -> None:
        about = {"time": round(time.time(), 3), "error": type(error).__name__, "message": str(error)}
        with suppress(OSError):  # the error itself matters more than its note
            self.run_folder(key).mkdir(parents=True, exist_ok=True)
            write_whole(self.run_folder(key) / "error.json", json.dumps(about))

    def table(self, key: str, name: str) -> pd.DataFrame:
        """The table `<name>.parquet` of a finished run or measurement.

        Raises:
            ResultsUnreadable: it is not there, damaged, or has other columns or clips than its result says.
        """
        path = self.run_folder(key) / f"{name}.parquet"
        table, result = read_table(path), self.get(key)
        part = "measured" if name == "estimates" else "test"
        parts = [about["clips"][part] for about in result["corpora"].values()] if result else []
        clips = sum(sum(per_label.values()) for per_label in parts)
        if result and len(table) != clips:
            raise unreadable(path, ValueError(f"{len(table)} clips; its result.json says {clips}"))
        return table

    def start(self, spec: Spec, about: Mapping[str, Any] | None = None) -> None:
        """Prepares the folder: drops what an earlier attempt left, writes spec.json and the first event.

        An earlier result stays until `save` replaces it, so a retraining that fails loses nothing; and so do
        the parts of a measurement.

        Args:
            spec: what is run.
            about: what the first event says besides the process and its host: device, worker.

        Raises:
            ResultsUnwritable: the folder cannot be written.
        """
        folder = self.run_folder(spec.key)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in [path for name in WRITTEN for path in folder.glob(name) if path.is_dir()]:
                path.rename(path.with_name(f"damaged-{time.time_ns()}-{path.stem}"))  # no file replaces it
            for path in [path for pattern in LEFT_BEHIND for path in folder.glob(pattern)]:
                path.unlink(missing_ok=True)
            write_whole(folder / "spec.json", json.dumps(spec.to_json(), indent=1))
        except OSError as error:
            raise unwritable(folder, error) from error
        self.report(spec.key, {"pid": os.getpid(), "host": socket.gethostname(), **(about or {})})

    def report(self, key: str, event: dict[str, Any]) -> None:
        """Appends one event to the run's progress.jsonl, with the time in seconds since 1970.

        Where that is not possible it goes unsaid: no training ends for want of a line.
        """
        _append(self.run_folder(key) / "progress.jsonl", event)

    def report_reading(self, corpus: str, event: dict[str, Any]) -> None:
        """Appends one event about a corpus that is read or packed to `.reading/<corpus>.jsonl`, likewise."""
        folder = self.folder / ".reading"
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
        _append(folder / f"{corpus}.jsonl", event)

    def part(self, key: str, number: int, rows: Iterable[int]) -> pd.DataFrame | None:
        """A part of a measurement that was saved before, if it is whole and of these clips; else None."""
        try:
            table = read_table(self._part_path(key, number))
        except ResultsUnreadable:
            return None
        return table if table["row"].tolist() == list(rows) else None

    def save_part(self, key: str, number: int, clips: pd.DataFrame) -> None:
        """Saves a part of a measurement, whole or not at all; then it is measured again after a kill."""
        with suppress(OSError):
            _write_table(self._part_path(key, number), clips)

    def drop_parts(self, key: str) -> None:
        """Deletes the parts of a measurement."""
        for path in self.run_folder(key).glob("part-*.parquet"):
            with suppress(OSError):
                path.unlink()

    def _part_path(self, key: str, number: int) -> Path:
        return self.run_folder(key) / f"part-{number:05d}.parquet"

    def save(self, spec: Spec, result: Result, clips: pd.DataFrame, name: str = "scores") -> None:
        """Writes `<name>.parquet`, a row a clip, then result.json: from here on it is done.

        Raises:
            ResultsUnwritable: not for a minute; says where it is kept (`serkit.keeping`).
        """
        text = json.dumps(result, allow_nan=False)

        def write(folder: Path) -> None:
            _write_table(folder / f"{name}.parquet", clips)
            write_whole(folder / "result.json", text)

        keeping.save(self.run_folder(spec.key), write)
        self.drop_parts(spec.key)


def with_specs(results: Iterable[Result]) -> Iterator[tuple[Spec, Result]]:
    """Results with their specs; those by another method are left out."""
    for result in results:
        with suppress(SpecError):
            yield from_json(result["spec"]), result


def unwritable(path: Path, error: Exception) -> ResultsUnwritable:
    """What is said of a place that cannot be written, and what helps."""
    why = getattr(error, "strerror", None) or error
    return ResultsUnwritable(
        f"results cannot be written to {path} ({why}); make room or make it writable, or name another folder"
        " with --results or SERKIT_RESULTS"
    )


def left_out(unread: Sequence[str]) -> list[str]:
    """Lines that say what could not be read of a store, and that the rest is shown; none where all could."""
    more = [f"... and {len(unread) - NAMED} more"] if len(unread) > NAMED else []
    return (
        [f"{many(len(unread), 'stored file')} cannot be read, left out here:", *unread[:NAMED], *more]
        if unread
        else []
    )


COLUMNS = {
    "study": "string",
    "key": "string",
    "label": "string",
    "train": "string",
    "train_scrambled": "bool",
    "augment_percent": "int64",
    "effects": "string",
    "fold": "Int64",
    "seed": "int64",
    "test": "string",
    "test_scrambled": "bool",
    "test_fold": "int64",
    "trained_on": "bool",
    **{f"{metric}{ending}": "float64" for metric in METRICS for ending in ("", "_std")},
    "tail_evaluations": "Int64",
    "front_end": "string",
    "head": "string",
    "initialisation": "string",
    "width": "int64",
    "learning_rate": "float64",
    "batch_size": "int64",
    "epochs": "int64",
    "evaluations_per_epoch": "float64",
    "tail": "float64",
    "max_seconds": "float64",
    "loudness_dbfs": "float64",
    "pool_by": "string",
    "training_clips": "Int64",
    "train_fingerprint": "string",
    "test_fingerprint": "string",
    "method": "Int64",
    "schema": "Int64",
    "serkit": "string",
    "git_commit": "string",
    "torch": "string",
    "device": "string",
    "device_name": "string",
    "threads": "Int64",
    "bf16": "boolean",
    "started": "datetime64[ns, UTC]",
    "finished": "datetime64[ns, UTC]",
    "wall_seconds": "float64",
    "train_seconds": "float64",
    "evaluate_seconds": "float64",
    "clips_per_second": "float64",
}
"""The columns of `load_all` and their dtypes; `results/README.md` says what each is."""


def load_all(root: str | Path = "results", study: str | None = None) -> pd.DataFrame:
    """Everything that is finished under a results folder, a row for each run, test and test fold.

    Unlike a report it does not ask what a study wants: all runs are there, the points of a tuning grid and
    runs by an earlier recipe among them, so group by what you compare. Runs by another method (an earlier
    serkit that gave other numbers for the same spec) are kept, since `method` tells them apart and a table
    that is to hold everything must not drop rows unasked; a warning says that they are there. Measurements of
    acoustics have no tests, so they have no rows. A file that cannot be read has none either, and a warning
    names it.

    Args:
        root: the results folder, with a folder for each study in it.
        study: the name of one study's folder; None: all.

    Returns:
        Columns and dtypes as in `COLUMNS`, by study, then by end of the run; empty where nothing is finished.
        `uACC`, `wACC` and `wF1` in [0, 1] are means over the tail, `<metric>_std` their deviations over it.
        `fold` is the fold that the run left out, missing where its training corpora have one split;
        `test_fold` the fold of the test corpus that the row is about.

    Raises:
        ResultsUnreadable: no such folder or study.

    Examples:
        wF1 of every condition, over folds and seeds:

            runs = load_all("results", "ravdess-emodb")
            runs.groupby(["train", "test", "augment_percent"])["wF1"].agg(["mean", "std", "count"])
    """
    root = Path(root)
    unread: list[str] = []
    folders = Store(root).folders(unread)
    if study is not None:
        if not (root / study).is_dir():
            there = ", ".join(folder.name for folder in folders) or "none"
            raise ResultsUnreadable(f"no results of study {study!r} in {root}; of those there: {there}")
        folders = [root / study]
    elif not root.is_dir():
        raise ResultsUnreadable(f"no results folder {root}; name one that pytest wrote to")
    results: list[tuple[str, Result]] = []
    for folder in folders:
        files, of_folder = Store(folder).files()
        unread += of_folder
        results += [(folder.name, result) for _, result in files]
    table = as_table(results)
    if unread:
        warnings.warn("\n".join(left_out(unread)), stacklevel=2)
    others = table.loc[table["method"] != METHOD, ["study", "key", "method"]].drop_duplicates()
    if len(others):
        warnings.warn(
            f"{len(others)} of the runs in {root} are by method"
            f" {', '.join(map(str, others['method'].unique()))}, this serkit's is {METHOD}: their numbers do"
            " not compare; the column method tells them apart",
            stacklevel=2,
        )
    return table


def as_table(results: Iterable[tuple[str, Result]]) -> pd.DataFrame:
    """Results, each with the name of its study, as `load_all` has them."""
    import pandas as pd

    runs = [(study, result) for study, result in results if kind_of(result["spec"]) == TRAINING]
    rows = [row for study, result in runs for row in _rows(study, result)]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for when in ("started", "finished"):
        table[when] = pd.to_datetime(table[when], utc=True)
    return table.astype(COLUMNS)


def _rows(study: str, result: Result) -> Iterator[dict[str, Any]]:
    spec, environment = result["spec"], result["environment"]
    fingerprints = dict(spec["fingerprints"])
    trained_on = [corpus_of(name) for name in spec["train"]]
    of_run = {
        "study": study,
        **{name: result[name] for name in ("key", "label", "initialisation", "finished")},
        **{name: result.get(name) for name in _OF_RESULT},
        "train": "+".join(spec["train"]),
        "train_scrambled": any(is_permuted(name) for name in spec["train"]),
        "augment_percent": spec["augment_percent"],
        "effects": "+".join((spec["augmentation"] or {}).get("effects", ())),
        "fold": spec["fold"],
        "seed": spec["seed"],
        "method": spec.get("method"),
        "front_end": spec["model"]["front_end"],
        "head": spec["model"]["head"],
        "width": spec["model"]["width"],
        "pool_by": "own",  # of results from before there was a choice
        **{name: value for name, value in spec["recipe"].items() if name in _OF_RECIPE},
        "train_fingerprint": "+".join(fingerprints[name] for name in trained_on),
        "torch": environment.get("packages", {}).get("torch"),
        **{name: environment.get(name) for name in _OF_ENVIRONMENT},
    }
    for test, tested in result["tests"].items():
        for fold, scores in tested["folds"].items():
            yield {
                **of_run,
                "test": test,
                "test_scrambled": is_permuted(test),
                "test_fold": int(fold),
                "trained_on": corpus_of(test) in trained_on,
                "test_fingerprint": fingerprints[corpus_of(test)],
                **{metric: scores[metric]["mean"] for metric in METRICS},
                **{f"{metric}_std": scores[metric]["std"] for metric in METRICS},
            }


_OF_RESULT = (
    "schema",
    "training_clips",
    "tail_evaluations",
    "started",
    "wall_seconds",
    "train_seconds",
    "evaluate_seconds",
    "clips_per_second",
)
_OF_RECIPE = tuple(field.name for field in dataclasses.fields(Recipe))
_OF_ENVIRONMENT = ("serkit", "git_commit", "device", "device_name", "threads", "bf16")


def _append(path: Path, event: dict[str, Any]) -> None:
    with suppress(OSError):
        append_line(path, json.dumps({"time": round(time.time(), 3), **event}))


def _write_table(path: Path, table: pd.DataFrame) -> None:
    write_by(path, lambda draft: table.to_parquet(draft, index=False, compression="zstd"))
