"""The pretrained CNN14 checkpoints: where they lie, whether they are the published files, how to get them.

Source: Zenodo record 3987831 (Kong et al., "PANNs: Large-Scale Pretrained Audio Neural Networks for Audio
Pattern Recognition", arXiv:1912.10211), CC BY 4.0. The paper (§3) starts from the 32 kHz one.

* A checkpoint is used only when its SHA-256 is the published one: what enters a run's key is its name, so the
  name must stand for one content. Each process reads it all once.
* Nothing is fetched unless `fetch` is called (`python -m benchmark weights`); a run that misses a checkpoint
  says where it looked and how to put the file there by hand, for machines without a network.
* A file appears in its place whole and verified, or not at all. What was received before an interruption
  stays beside it as `<file>.part.*`, and the next `fetch` asks for the rest. A file that turns out wrong is
  moved aside to `<file>.wrong`, never deleted.
* Checkpoints are read with `weights_only`: a pickle that would run code is refused.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import json
import logging
import os
import pickle
import socket
import sys
import time
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import filelock
from tqdm import tqdm

from serkit.errors import SpecError, WeightsMissing
from serkit.files import open_file
from serkit.specs import CHECKPOINTS

if TYPE_CHECKING:
    import torch

VARIABLE = "SERKIT_WEIGHTS"
RECORD = "https://zenodo.org/records/3987831/files"
SEGMENTS = 4  # connections: a single one from Zenodo is often the bottleneck, many are impolite
RETRIES = 4  # further tries of a broken connection, each going on where the last one stopped
CONNECT_SECONDS = 20.0  # cluster nodes without a network drop packets: the system would wait two minutes
READ_SECONDS = 60.0


@dataclass(frozen=True)
class CheckpointFile:
    """A published checkpoint.

    Attributes:
        name: file name.
        size: in bytes; None where the record's size is not known here.
        sha256: hex digest, what `verify` goes by.
        md5: hex digest, as the record's page shows it.
        url: address of the file.
        licence: of the file.
    """

    name: str
    size: int | None
    sha256: str
    md5: str
    url: str
    licence: str = "CC BY 4.0"


def _published(key: str, size: int | None, sha256: str, md5: str) -> CheckpointFile:
    name = CHECKPOINTS[key]
    return CheckpointFile(name, size, sha256, md5, f"{RECORD}/{quote(name)}?download=1")


CHECKPOINT_FILES = {
    "cnn14-32k": _published(
        "cnn14-32k",
        327_428_481,
        "0dc499e40e9761ef5ea061ffc77697697f277f6a960894903df3ada000e34b31",
        "541141fa2ee191a88f24a3219fff024e",
    ),
    "cnn14-16k": _published(
        "cnn14-16k",
        None,
        "e2ee543a27919542c2ea03eabaa70b24dcd4e6c8e05621de6b67a94e4c5058e6",
        "362fc5ff18f1d6ad2f6d464b45893f2c",
    ),
}
"""The file behind each key of `serkit.specs.CHECKPOINTS`."""


def _cnn14_keys() -> frozenset[str]:
    norm = ("weight", "bias", "running_mean", "running_var")
    blocks = [f"conv_block{i}" for i in range(1, 7)]
    return frozenset(
        [
            "spectrogram_extractor.stft.conv_real.weight",
            "spectrogram_extractor.stft.conv_imag.weight",
            "logmel_extractor.melW",
            *(f"bn0.{part}" for part in norm),
            *(f"{block}.conv{i}.weight" for block in blocks for i in (1, 2)),
            *(f"{block}.bn{i}.{part}" for block in blocks for i in (1, 2) for part in norm),
            *(f"{layer}.{part}" for layer in ("fc1", "fc_audioset") for part in ("weight", "bias")),
        ]
    )


CNN14_KEYS = _cnn14_keys()
"""Parameters of the stock class, without its batch normalisations' step counters (older files have none)."""


def folder() -> Path:
    """The folder that checkpoints lie in: `$SERKIT_WEIGHTS`; where unset, PANNs' own `~/panns_data`.

    Raises:
        WeightsMissing: this user has no home folder.
    """
    try:
        return Path(os.environ.get(VARIABLE) or "~/panns_data").expanduser().absolute()
    except RuntimeError as error:
        raise WeightsMissing(
            f"no folder of checkpoints: this user has no home folder; set {VARIABLE} to the whole path of one"
        ) from error


def is_here(name: str) -> bool:
    """Whether a file is in the checkpoint's place. Raises SpecError where there is no such checkpoint."""
    _file(name)
    try:
        return path(name).is_file()
    except WeightsMissing:
        return False


def path(name: str) -> Path:
    """Where the checkpoint `name` (a key of `CHECKPOINT_FILES`) is expected; it need not be there.

    Raises:
        SpecError: no such checkpoint.
    """
    return folder() / _file(name).name


def verify(name: str) -> Path:
    """The checkpoint's path, once its size and SHA-256 are known to be the published ones.

    The first call of a process reads it all (a third of a second of CPU for 327 MB), later ones look at its
    size, inode and times.

    Args:
        name: a key of `CHECKPOINT_FILES`.

    Raises:
        SpecError: no such checkpoint.
        WeightsMissing: no file in its place, or another file than the published one.
    """
    file, target = _file(name), path(name)
    if not target.is_file():
        came_from = f"{VARIABLE} names the folder" if os.environ.get(VARIABLE) else f"{VARIABLE} is not set"
        raise WeightsMissing(
            f"checkpoint {name}: no file {target} ({came_from}); run: python -m benchmark weights,"
            f" or by hand: {_by_hand(file, target)}"
        )
    try:
        wrong = _wrong(target, file)
    except OSError as error:
        raise WeightsMissing(
            f"checkpoint {name}: cannot read {target} ({error.strerror}); make it readable for this user,"
            f" or set {VARIABLE} to another folder"
        ) from error
    if wrong:
        raise WeightsMissing(
            f"checkpoint {name}: {target} is not the published file: {wrong};"
            f" run: python -m benchmark weights (which moves this one aside),"
            f" or by hand: {_by_hand(file, target)}"
        )
    return target


def fetch(name: str, folder: Path | None = None, url: str | None = None) -> Path:
    """Downloads a checkpoint, or returns it where the published file is already in its place.

    Interrupted downloads go on where they stopped, within a call and from one call to the next, where the
    server allows it. Only one process on a host downloads a file at a time; others wait and find it there.
    Honours the proxy variables (`https_proxy`, `no_proxy`, ...). Needs room for the file twice.

    Args:
        name: a key of `CHECKPOINT_FILES`.
        folder: where to put it; None: `folder()`.
        url: a mirror's address; None: the Zenodo record's. The digest must be the published one either way.

    Returns:
        The verified file.

    Raises:
        SpecError: no such checkpoint.
        WeightsMissing: not reachable, broken off, not writable, or another file than the published one.
    """
    file = _file(name)
    target = path(name) if folder is None else Path(folder) / file.name
    address = url or file.url
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(target.with_name(f".{file.name}.lock")):
            if target.exists():
                wrong = _wrong(target, file)
                if not wrong:
                    return target
                aside = _move_aside(target, target)
                tqdm.write(
                    f"{target} is not the published file: {wrong}; moved to {aside.name}", file=sys.stderr
                )
            draft = target.with_name(f"{file.name}.part")
            _download(address, draft, file, target)
            wrong = _wrong(draft, file)
            if wrong:
                aside = _move_aside(draft, target)
                raise WeightsMissing(
                    f"checkpoint {name}: what {address} delivers is not the published file: {wrong};"
                    f" nothing was installed, what came is kept as {aside} (delete it at will). Fetch again,"
                    f" or by hand: {_by_hand(file, target)}"
                )
            os.replace(draft, target)
            return target
    except OSError as error:
        room = f", with {2 * file.size / 1e6:.0f} MB free" if file.size else ""
        raise WeightsMissing(
            f"checkpoint {name}: cannot write {target} ({error.strerror or error}); set {VARIABLE}"
            f" to a folder that you can write{room}, or by hand: {_by_hand(file, target)}"
        ) from error


def load_state(name: str) -> dict[str, torch.Tensor]:
    """A checkpoint's parameters, verified, on the CPU.

    Args:
        name: a key of `CHECKPOINT_FILES`.

    Returns:
        The stock class's state dict: parameter name to tensor. Mapped from the file, not read, where its
        format allows it: treat as read-only.

    Raises:
        SpecError: no such checkpoint.
        WeightsMissing: see `verify`; or the file wants to run code when read, or holds no CNN14.
    """
    import torch

    target = verify(name)
    allowed = _numpy_types() if name == "cnn14-16k" else []
    try:
        with torch.serialization.safe_globals(allowed):
            # Only the zip format can be mapped; files as old as these are in the format before it.
            checkpoint = torch.load(
                target, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(target)
            )
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        first = str(error).strip().splitlines()
        raise WeightsMissing(
            f"checkpoint {name}: {target} cannot be read as plain weights, and nothing in it was run"
            f" ({first[0] if first else type(error).__name__}); by hand: {_by_hand(_file(name), target)}"
        ) from error
    state = checkpoint.get("model") if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict):
        raise WeightsMissing(
            f"checkpoint {name}: {target} holds no state dict called 'model'; expected a PANNs checkpoint,"
            f" by hand: {_by_hand(_file(name), target)}"
        )
    found = {key for key in state if not key.endswith(".num_batches_tracked")}
    missing, unknown = sorted(CNN14_KEYS - found), sorted(found - CNN14_KEYS)
    if missing or unknown:
        raise WeightsMissing(
            f"checkpoint {name}: {target} is no CNN14: {len(missing)} parameters missing"
            f"{f' ({missing[0]}, ...)' if missing else ''}, {len(unknown)} unknown"
            f"{f' ({unknown[0]}, ...)' if unknown else ''}; expected the file of {_file(name).url}"
        )
    return state


def _file(name: str) -> CheckpointFile:
    if name not in CHECKPOINT_FILES:
        raise SpecError(f"checkpoint {name!r}: expected one of {', '.join(CHECKPOINT_FILES)}")
    return CHECKPOINT_FILES[name]


def _by_hand(file: CheckpointFile, target: Path) -> str:
    return f"download {file.url} and put it at {target} (sha256 {file.sha256})"


def _wrong(candidate: Path, file: CheckpointFile) -> str:
    """What tells `candidate` from the published file; empty where nothing does."""
    found = candidate.stat()
    if file.size is not None and found.st_size != file.size:
        return f"it has {found.st_size:,} bytes, expected {file.size:,}"
    digest = _sha256(candidate, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
    return "" if digest == file.sha256 else f"its sha256 is {digest}, expected {file.sha256}"


@functools.lru_cache
def _sha256(path: Path, _stamp: tuple[int, ...]) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _move_aside(bad: Path, target: Path) -> Path:
    aside = target.with_name(f"{target.name}.wrong")
    os.replace(bad, aside)
    return aside


class _Heard(logging.Handler):
    """Keeps the last exception that pypdl logged: it logs errors and goes on, and never raises them."""

    def __init__(self) -> None:
        super().__init__()
        self.error: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.error = record.exc_info[1]


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for `url`: pypdl does not look, clusters may have no other way."""
    parts = urlsplit(url)
    if not parts.hostname or urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _download(url: str, draft: Path, file: CheckpointFile, target: Path) -> None:
    """Brings `url` to `draft`, going on from what an earlier call left there.

    pypdl keeps each segment in `<draft>.<n>` and their number in `<draft>.json`, and asks for the missing
    ranges. ETags need not match (`etag_validation`): not every server has one, and the digest decides.
    """
    proxy = _proxy(url)
    way = urlsplit(proxy or url)
    again = (
        f"fetch again to go on from there (python -m benchmark weights), or by hand: {_by_hand(file, target)}"
    )
    if way.scheme not in ("http", "https") or not way.hostname:
        raise WeightsMissing(f"cannot fetch {proxy or url}: expected an address that begins with http(s)://")
    try:  # pypdl waits 3 s after each failed connection: an unreachable host shall be told at once
        port = way.port or (443 if way.scheme == "https" else 80)
        socket.create_connection((way.hostname, port), timeout=CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        raise WeightsMissing(
            f"cannot connect to {way.netloc} for {url} ({error}); expected a network,"
            f" or a proxy in https_proxy; {again}"
        ) from error

    import aiohttp
    from pypdl import Pypdl

    _drop_broken_progress(draft)
    # A logger of its own: the default one writes a pypdl.log into whatever folder the user stands in.
    log, heard = logging.Logger("serkit.encoders.checkpoints.pypdl"), _Heard()
    log.addHandler(heard)
    loader = Pypdl(allow_reuse=True, logger=log)
    try:
        loader.start(
            url,
            str(draft),
            segments=SEGMENTS,
            retries=RETRIES,
            etag_validation=False,
            block=False,
            display=False,
            timeout=aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=READ_SECONDS),
            proxy=proxy,
        )
        with tqdm(
            total=file.size, desc=file.name, unit="B", unit_scale=True, disable=None, file=sys.stderr
        ) as bar:
            while not loader.is_idle and not _is_final(heard.error):
                bar.update(loader.current_size - bar.n)
                time.sleep(0.1)
            bar.update(loader.current_size - bar.n)
    finally:
        loader.shutdown()
    if not loader.success:
        why = f"{type(heard.error).__name__}: {heard.error}" if heard.error else "no reason given"
        kept = list(draft.parent.glob(f"{glob.escape(draft.name)}*"))
        tail = f"what came is kept as {draft.name}.*; {again}" if kept else _by_hand(file, target)
        raise WeightsMissing(f"{url} could not be fetched ({why}); {tail}") from heard.error


def _is_final(error: BaseException | None) -> bool:
    """Whether trying again is in vain: the server says that the address is wrong or forbidden."""
    status = getattr(error, "status", None)
    return isinstance(status, int) and 400 <= status < 500 and status not in (408, 429)


def _drop_broken_progress(draft: Path) -> None:
    """Removes a progress note that a kill left half-written: pypdl would fail on it for ever."""
    note = Path(f"{draft}.json")
    try:
        json.loads(note.read_text(encoding="utf-8"))["segments"]
    except FileNotFoundError:
        pass
    except (ValueError, KeyError, TypeError):
        note.unlink()


def _numpy_types() -> list[Any]:
    """What the 16 kHz checkpoint needs beside tensors: its training sampler's state is int64 arrays.

    Nothing else is allowed: arrays of objects, which could hold anything, stay refused.
    """
    import numpy as np

    rebuild: Any = np.empty(0).__reduce__()[0]
    return [
        (rebuild, "numpy.core.multiarray._reconstruct"),  # as it was called when the file was written
        (rebuild, "numpy._core.multiarray._reconstruct"),
        np.ndarray,
        np.dtype,
        type(np.dtype(np.int64)),
    ]
