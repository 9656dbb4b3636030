"""Results on disk, which no crash, kill or second worker spoils: a folder a run or measurement.

`result.json` is written last and whole, so its presence means that it is done. `results/README.md` says what
lies where. What a study's folder has not is looked for in its bundle beside it (`serkit.bundle`).
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import socket
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from serkit import keeping
from serkit.bundle import Bundle, open_bundle, write_bundle
from serkit.errors import ResultDamaged, ResultsUnreadable, ResultsUnwritable, SpecError
from serkit.files import append_line, open_file, read_json, write_whole
from serkit.resultfile import (
    BUNDLE,
    EMBEDDINGS,
    TABLE_OF,
    Result,
    check_digest,
    read,
    read_table,
    sealed,
    unreadable,
)
from serkit.specs import AcousticsSpec, RunSpec, Spec, from_json
from serkit.words import many

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

ATTEMPT = ("spec.json", "progress.jsonl", "error.json")
"""What an attempt writes for those who watch."""
PARTS = "part-*.parquet"
PROBE, PROBE_SECONDS = ".probe-", 3600.0
"""The beginning of what is written to see whether there is room, and how old it is once it is nobody's."""
STATE = "state.pt"
REFUSED = (OSError, NotImplementedError)
"""What a file system raises that lets us not write or lock, the latter where it has no locks."""
MAX_NAMED = 5
"""Files that cannot be read are named up to so many."""

NOTED = "encoders.json"
OF_ENCODERS, OF_JOBS = "encoders", ".slurm"
"""The folders beside runs: reports of each encoder, and what jobs of a queue are told and say."""


@dataclass(frozen=True)
class Store:
    """The results of one study: in `<root>/<study>`; or in a bundle, which is then all that is read."""

    folder: Path

    def check_writable(self) -> None:
        """Makes the folder and writes to it as much as a result takes. Raises ResultsUnwritable.

        What killed processes left of that is swept: it lies there for a moment, on any host.
        """
        probe = self.folder / f"{PROBE}{os.getpid()}"
        with _writing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for left in self.folder.glob(f"{PROBE}*"):
                with suppress(OSError):
                    if time.time() - left.lstat().st_mtime > PROBE_SECONDS:
                        left.unlink()
            try:
                probe.write_bytes(bytes(1 << 18))
            finally:
                probe.unlink(missing_ok=True)

    def run_folder(self, key: str) -> Path:
        """Where the run called `key` lies, done or not."""
        return self.folder / key

    @property
    def name(self) -> str:
        """Of the study."""
        return self.folder.stem if self._is_bundle else self.folder.name

    @property
    def _is_bundle(self) -> bool:
        return self.folder.suffix == BUNDLE and self.folder.is_file()

    @property
    def bundle_path(self) -> Path:
        """Where the study's bundle lies, if there is one."""
        return self.folder if self._is_bundle else Path(f"{self.folder}{BUNDLE}")

    def bundles(self, unread: list[str] | None = None) -> list[Bundle]:
        """The study's bundle, and others' of the same study beside it, as `NAME+LAB.bundle`.

        Why one cannot be read is added to `unread`.
        """
        others = [] if self._is_bundle else sorted(self.folder.parent.glob(f"{self.folder.name}+*{BUNDLE}"))
        found = [open_bundle(path) for path in (self.bundle_path, *others)]
        if unread is not None:
            unread += [of for of in found if isinstance(of, str)]
        return [of for of in found if isinstance(of, Bundle)]

    def write_bundle(self, path: Path, decisions: bool = False) -> str:
        """Writes all that is finished as one file; says what is in it. ResultsUnreadable where nothing is.

        Of scores of clips it may keep only the `decisions`: reports say the same, in a tenth of the size.
        """
        found, unread = self.results()
        if not found:
            why = f" that can be read ({unread[0]})" if unread else ""
            raise ResultsUnreadable(f"no finished run{why} in {self.folder}; run the study first")
        with _writing(path):
            unread += write_bundle(path, self.name, found, self.table, decisions)
        head = f"{len(found)} results in {path}, {path.stat().st_size:,} bytes"
        return "\n".join([head, *left_out(unread)])

    def get(self, key: str) -> Result | None:
        """The result of the run called `key`, or None while it is not done. Raises ResultsUnreadable."""
        with suppress(FileNotFoundError):
            if not self._is_bundle:
                return read(self.folder / key / "result.json")
        unread: list[str] = []
        found = next((found for bundle in self.bundles(unread) if (found := bundle.get(key))), None)
        if found is None and unread:  # it may be there: nobody runs all of a bundle again unasked
            raise ResultsUnreadable(unread[0])
        return found

    def finished(self, key: str, table: str) -> Result | None:
        """As `get`, for whoever holds the claim: what is damaged is set aside with a warning, and is none.

        A result without its table, or beside another one than it was saved with, is damaged.
        """
        try:
            result = self.get(key)
            path = self.run_folder(key) / f"{table}.parquet"
            if result is not None and path.with_name("result.json").exists():
                if path.name in result.get("files", {}):
                    check_digest(path, result)  # which says more than reading it
                else:
                    self.table(key, table)
            return result
        except ResultDamaged as error:
            path, kept = self.run_folder(key) / "result.json", ""
            if path.exists():  # otherwise it is the bundle's
                with _writing(path):
                    kept = f". It is kept as {_set_aside(path).name}"
            warnings.warn(f"{error}{kept}. It is run again now", stacklevel=2)
            return None

    def results(self) -> tuple[list[Result], list[str]]:
        """Every result that can be read, oldest first, of one second by key; why each other one cannot be."""
        found: list[Result] = []
        unread: list[str] = []
        for key in self.keys(unread):
            try:
                result = self.get(key)
                found += [result] if result else []
            except ResultsUnreadable as error:
                unread.append(str(error))
        return sorted(found, key=lambda result: (result["finished"], result["key"])), unread

    def keys(self, unread: list[str]) -> list[str]:
        """Keys of runs, done or not; why they cannot be listed is added to `unread`."""
        keys: set[str] = set().union(*(bundle.keys for bundle in self.bundles(unread)))
        return sorted(keys.union(() if self._is_bundle else folders(self.folder, unread)) - {OF_ENCODERS})

    def note_encoder(self, name: str, identity: str) -> None:
        """Keeps what an encoder's code and weights are now, for reports. Raises ResultsUnwritable."""
        if self.encoders().get(name) != identity:
            with self.locked(NOTED), _writing(self.folder):
                said = json.dumps({**self.encoders(), name: identity}, indent=1, ensure_ascii=False)
                write_whole(self.folder / NOTED, said)

    def encoders(self) -> dict[str, str]:
        """What each encoder was when a run last asked for it; of those that nobody noted nothing."""
        try:
            noted = read_json(self.folder / NOTED)
        except (OSError, ValueError):
            return {}
        pairs = noted.items() if isinstance(noted, dict) else ()
        return {name: identity for name, identity in pairs if isinstance(identity, str)}

    def all(self) -> Iterator[tuple[Spec, Result]]:
        """What `results` can read, each with its spec, but those by another method."""
        return with_specs(self.results()[0])

    @contextmanager
    def claim(self, key: str) -> Iterator[None]:
        """Holds the run for this process; another one that wants it waits until this one is done or dead.

        The lock is the operating system's, so it ends with its process however that ends. It holds within
        one host; across hosts each key must be asked for once. An error that ends it is noted in error.json.
        What an earlier process could not save and kept elsewhere comes home first. Raises ResultsUnwritable.
        """
        with self.locked(key):
            try:
                if keeping.bring_home(self.run_folder(key)):
                    _drop(self.run_folder(key), *ATTEMPT, PARTS)
                yield
            except Exception as error:
                said = _timed({"error": type(error).__name__, "message": str(error)})
                with suppress(OSError):  # the error itself matters more than its note
                    self.run_folder(key).mkdir(parents=True, exist_ok=True)
                    write_whole(self.run_folder(key) / "error.json", said)
                raise

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Holds a name for this process, as `claim` holds a run. Raises ResultsUnwritable."""
        path = self._lock_path(name)
        lock = filelock.FileLock(path)
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        try:
            yield
        finally:
            with suppress(OSError):  # its folder may have gone
                lock.release()

    def claimed(self, key: str) -> bool | None:
        """Whether a process of this host holds the run; None where the system does not let us ask."""
        path = self._lock_path(key)
        if not path.exists():
            return False
        try:
            with filelock.FileLock(path, blocking=False):
                return False
        except filelock.Timeout:
            return True
        except REFUSED:
            return None

    def _lock_path(self, key: str) -> Path:
        return self.folder / ".locks" / f"{key}.lock"

    def table(self, key: str, name: str) -> pd.DataFrame:
        """The table `<name>.parquet` of a finished run or measurement.

        Raises ResultsUnreadable: not there, damaged, or of other columns or clips than its result says.
        """
        path, result = self.run_folder(key) / f"{name}.parquet", self.get(key)
        bundle = next((bundle for bundle in self.bundles() if key in bundle.keys), None)
        if bundle and not path.with_name("result.json").exists():
            path = bundle.path / key / path.name
            table = bundle.table(key, name)
        else:
            if result:
                check_digest(path, result)
            table = read_table(path)
        if result:
            part = "measured" if name == "estimates" else "test"
            clips = sum(sum(about["clips"][part].values()) for about in result["corpora"].values())
            if len(table) != clips:
                raise unreadable(path, ValueError(f"{len(table)} clips; its result.json says {clips}"))
        return table

    def embeddings(self, key: str) -> np.ndarray | None:
        """A run's embeddings, float16 [rows of its scores, width]; None where they were not kept.

        Bundles have none. Raises ResultsUnreadable: damaged, or of other clips than its scores.
        """
        import numpy as np

        path = self.run_folder(key) / EMBEDDINGS
        try:
            if path.exists():
                check_digest(path, self.get(key) or {})
            with open_file(path) as file:
                found = np.lib.format.read_array(file, allow_pickle=False)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError) as error:
            raise unreadable(path, error) from error
        if found.ndim != 2 or found.dtype != np.float16 or len(found) != len(self.table(key, "scores")):
            raise unreadable(path, ValueError(f"{found.dtype} {found.shape}; its scores are of other clips"))
        return found

    def start(self, spec: Spec, about: Mapping[str, Any] | None = None) -> None:
        """Prepares the folder: drops what an earlier attempt left, writes spec.json and the first event.

        The event says process, host and what is given, device and worker. Until `save` replaces them, an
        earlier result and the parts of a measurement stay: a retraining that fails loses nothing.
        """
        folder = self.run_folder(spec.key)
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            for path in _those(folder, *ATTEMPT, "*.draft", "*.parquet", EMBEDDINGS):
                if path.is_dir():  # which no file can replace
                    _set_aside(path)
            _drop(folder, "progress.jsonl", "error.json", "*.draft", "events.out.tfevents.*")  # TensorBoard's
            write_whole(folder / "spec.json", json.dumps(spec.to_json(), indent=1))
        self.report(spec.key, {"pid": os.getpid(), "host": socket.gethostname(), **(about or {})})

    def state_path(self, key: str) -> Path:
        """Where the state of a training in mid-course lies, if there is one (`serkit.state`)."""
        return self.run_folder(key) / STATE

    def drop_state(self, key: str) -> None:
        """Deletes it, as far as that is possible."""
        _drop(self.run_folder(key), STATE)

    def report(self, key: str, event: dict[str, Any]) -> None:
        """Appends one event to the run's progress.jsonl; no training ends because it cannot be written."""
        with suppress(OSError):
            append_line(self.run_folder(key) / "progress.jsonl", _timed(event))

    def report_reading(self, corpus: str, event: dict[str, Any]) -> None:
        """As `report`, of a corpus that is read or packed, in `.reading/<corpus>.jsonl`."""
        with suppress(OSError):
            (self.folder / ".reading").mkdir(parents=True, exist_ok=True)
            append_line(self.folder / ".reading" / f"{corpus}.jsonl", _timed(event))

    def part(self, key: str, number: int, rows: Iterable[int]) -> pd.DataFrame | None:
        """A part of a measurement that was saved before, if it is whole and of these clips; else None."""
        try:
            table = read_table(self._part_path(key, number))
        except ResultsUnreadable:
            return None
        return table if table["row"].tolist() == list(rows) else None

    def save_part(self, key: str, number: int, clips: pd.DataFrame) -> None:
        """Saves a part of a measurement, whole or not at all: one that is not saved is measured again."""
        with suppress(OSError):
            write_whole(self._part_path(key, number), _as_parquet(clips))

    def _part_path(self, key: str, number: int) -> Path:
        return self.run_folder(key) / f"part-{number:05d}.parquet"

    def save(
        self, spec: Spec, result: Result, clips: pd.DataFrame, embeddings: np.ndarray | None = None
    ) -> None:
        """Writes the table of clips, their embeddings, then result.json: from here on it is done.

        Another host may save the same run, with other numbers in the last digits: what stays is all of one's.
        Raises ResultsUnwritable after a minute; says where it is kept (`serkit.keeping`).
        """
        files = {f"{TABLE_OF[spec.kind]}.parquet": _as_parquet(clips)}
        if embeddings is not None:
            files[EMBEDDINGS] = _as_npy(embeddings)
        result["files"] = {name: hashlib.sha256(of).hexdigest() for name, of in files.items()}
        files["result.json"] = sealed(result).encode()
        keeping.save(self.run_folder(spec.key), lambda folder: _write_run(folder, files))
        _drop(self.run_folder(spec.key), *ATTEMPT, PARTS)

    def files(self, key: str) -> dict[str, bytes]:
        """What lies of a finished run, as another store may `take` it. Raises OSError."""
        folder = self.run_folder(key)
        left = (*ATTEMPT, "damaged-")
        paths = (path for path in folder.iterdir() if path.is_file() and not path.name.startswith(left))
        return {path.name: path.read_bytes() for path in paths if path.suffix != ".draft"}

    def take(self, key: str, files: Mapping[str, bytes], table: str) -> None:
        """Saves what lies of a run in another store. Raises ResultDamaged where it is no such run."""
        wrong = [name for name in files if Path(name).name != name or name in ("", ".", "..")]
        if wrong or "result.json" not in files:
            raise ResultDamaged(f"what came back of {key} is no finished run: {sorted(files)}")
        with self.claim(key), _writing(self.run_folder(key)):
            self.run_folder(key).mkdir(parents=True, exist_ok=True)
            keeping.save(self.run_folder(key), lambda folder: _write_run(folder, files))
            if self.finished(key, table) is None:
                raise ResultDamaged(f"what came back of {key} was damaged on its way")


def folders(place: Path, unread: list[str]) -> list[str]:
    """The names of folders in a place, but hidden ones; why they cannot be listed is added to `unread`."""
    try:
        with os.scandir(place) as found:
            names = [one.name for one in found if one.name[0] != "." and _is_folder(one)]
    except FileNotFoundError:
        return []
    except OSError as error:
        unread.append(str(unreadable(place, error)))
        return []
    return sorted(names)


def _is_folder(one: os.DirEntry[str]) -> bool:
    if one.is_symlink():  # `isdir` says no to what cannot be looked at, such as a link in a loop
        return os.path.isdir(one.path)
    return one.is_dir(follow_symlinks=False)


def stores(root: Path, unread: list[str]) -> list[Store]:
    """Every study that has a folder or a bundle in a results folder, by name; `unread` as of `folders`."""
    bundles = [path.stem.partition("+")[0] for path in root.glob(f"*{BUNDLE}") if path.is_file()]
    return [Store(root / name) for name in sorted({*folders(root, unread), *bundles})]


def with_specs(results: Iterable[Result]) -> Iterator[tuple[Spec, Result]]:
    """Results with their specs, but those by another method, which answer nothing (`other_methods`)."""
    for result in results:
        with suppress(SpecError):
            yield from_json(result["spec"]), result


def other_methods(results: Iterable[Mapping[str, Any]]) -> list[str]:
    """Lines that say how many results are left out for their method, and by which; none where none is."""
    today = RunSpec.method | AcousticsSpec.method
    numbers = (item for result in results for item in result["spec"].items() if item[0] in today)
    others = Counter((name, number) for name, number in numbers if number != today[name])
    return [
        f"{many(n, 'result')} by {name.replace('_', ' ')} {number} left out: this serkit's is {today[name]},"
        " and numbers of two methods do not compare"
        for (name, number), n in sorted(others.items())
    ]


def unwritable(path: Path, error: Exception) -> ResultsUnwritable:
    """What is said of a place that cannot be written, and what helps."""
    why = getattr(error, "strerror", None) or error
    cure = "make room or make it writable, or name another folder with --results or SERKIT_RESULTS"
    return ResultsUnwritable(f"results cannot be written to {path} ({why}); {cure}")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except REFUSED as error:
        raise unwritable(path, error) from error


def left_out(unread: Sequence[str]) -> list[str]:
    """Lines that say what could not be read of a store, and that the rest is shown; none where all could."""
    if not (unread := list(dict.fromkeys(unread))):  # of a bundle each run may have said the same
        return []
    return [f"{many(len(unread), 'stored file')} cannot be read, left out here:", *first_few(unread)]


def first_few(lines: Sequence[str]) -> list[str]:
    """The first of some lines, and how many there are besides."""
    more = [f"... and {len(lines) - MAX_NAMED} more"] if len(lines) > MAX_NAMED else []
    return [*lines[:MAX_NAMED], *more]


def _those(folder: Path, *patterns: str) -> list[Path]:
    return [path for pattern in patterns for path in folder.glob(pattern)]


def _drop(folder: Path, *patterns: str) -> None:
    """Deletes files that nobody needs any more, as far as that is possible."""
    for path in _those(folder, *patterns):
        with suppress(OSError):
            path.unlink()


def _set_aside(path: Path) -> Path:
    """Renames what is damaged, and says to what. Raises OSError."""
    return path.rename(path.with_name(f"damaged-{time.time_ns()}.json"))


def _timed(event: dict[str, Any]) -> str:
    """An event as JSON, with its time in seconds since 1970."""
    return json.dumps({"time": round(time.time(), 3), **event})


def _write_run(folder: Path, files: Mapping[str, bytes]) -> None:
    """Writes the files of a run, `result.json` last. Raises OSError, too where another one came between."""
    if EMBEDDINGS not in files:
        (folder / EMBEDDINGS).unlink(missing_ok=True)  # an earlier result's
    for name in sorted(files, key=lambda name: name == "result.json"):
        write_whole(folder / name, files[name])
    if any((folder / name).read_bytes() != content for name, content in files.items()):
        raise OSError(errno.EBUSY, "another process saves the same run")


def _as_npy(values: np.ndarray) -> bytes:
    import numpy as np

    with io.BytesIO() as file:
        np.save(file, values, allow_pickle=False)
        return file.getvalue()


def _as_parquet(table: pd.DataFrame) -> bytes:
    return table.to_parquet(None, index=False, compression="zstd")
