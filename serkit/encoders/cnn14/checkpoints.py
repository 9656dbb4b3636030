"""The pretrained CNN14 checkpoints: where they lie, whether they are the published files, how to get them.

Source: Zenodo record 3987831 (Kong et al., "PANNs: Large-Scale Pretrained Audio Neural Networks for Audio
Pattern Recognition", arXiv:1912.10211), CC BY 4.0. The paper (§3) starts from the 32 kHz one.

* A run's key has a checkpoint's name alone, so the name must stand for one content: it is used only when its
  SHA-256 is the published one, and each process reads it all once.
* Nothing is fetched but by `fetch` (`python -m benchmark weights`); a run that misses a checkpoint says where
  it looked and how to put the file there by hand, for machines without a network.
* A download appears in its place whole and verified, or not at all. One that breaks off begins again: `curl
  -C -` by hand goes on where it stopped.
* Checkpoints are read with `weights_only`: a pickle that would run code is refused.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from serkit.errors import WeightsMissing
from serkit.files import open_file
from serkit.specs import CHECKPOINTS

if TYPE_CHECKING:
    import torch

VARIABLE = "SERKIT_WEIGHTS"
RECORD = "https://zenodo.org/records/3987831/files"
SHA256 = {
    "cnn14-32k": "0dc499e40e9761ef5ea061ffc77697697f277f6a960894903df3ada000e34b31",
    "cnn14-16k": "e2ee543a27919542c2ea03eabaa70b24dcd4e6c8e05621de6b67a94e4c5058e6",
}
"""The published content of each of `serkit.specs.CHECKPOINTS`."""

CONNECT_SECONDS = 10.0  # cluster nodes without a network drop packets: the system would wait two minutes
READ_SECONDS = 60.0


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


def path(name: str) -> Path:
    """Where the checkpoint `name` (a key of `CHECKPOINTS`) is expected; it need not be there."""
    return folder() / CHECKPOINTS[name]


def is_here(name: str) -> bool:
    """Whether a file is in the checkpoint's place, verified or not."""
    try:
        return path(name).is_file()
    except WeightsMissing:
        return False


def verify(name: str) -> Path:
    """The checkpoint's path, once its SHA-256 is known to be the published one.

    The first call of a process reads it all (a third of a second of CPU for 327 MB), later ones look at its
    size, inode and times.

    Raises:
        WeightsMissing: no file in its place, or another file than the published one.
    """
    target = path(name)
    if not target.is_file():
        came_from = f"{VARIABLE} names the folder" if os.environ.get(VARIABLE) else f"{VARIABLE} is not set"
        raise WeightsMissing(
            f"checkpoint {name}: no file {target} ({came_from}); run: python -m benchmark weights,"
            f" or by hand: {_by_hand(name)}"
        )
    try:
        digest = _sha256_of(target)
    except OSError as error:
        raise WeightsMissing(
            f"checkpoint {name}: cannot read {target} ({error.strerror}); make it readable for this user,"
            f" or set {VARIABLE} to another folder"
        ) from error
    if digest != SHA256[name]:
        raise WeightsMissing(
            f"checkpoint {name}: {target} is not the published file: its sha256 is {digest}, expected"
            f" {SHA256[name]}; run: python -m benchmark weights (which moves this one aside),"
            f" or by hand: {_by_hand(name)}"
        )
    return target


def fetch(name: str) -> Path:
    """Downloads a checkpoint, or returns it where the published file is already in its place.

    Another file there is moved aside to `<file>.wrong`. Honours the proxy variables (`https_proxy`,
    `no_proxy`, ...).

    Raises:
        WeightsMissing: not reachable, broken off, not writable, or another file than the published one.
    """
    import pooch
    import requests

    target, url = path(name), _url(name)
    downloader = pooch.HTTPDownloader(
        progressbar=sys.stderr.isatty(), timeout=(CONNECT_SECONDS, READ_SECONDS)
    )
    try:
        if target.exists():
            if _sha256_of(target) == SHA256[name]:
                return target
            aside = target.with_name(f"{target.name}.wrong")
            os.replace(target, aside)
            print(f"{target} is not the published file; moved to {aside.name}", file=sys.stderr)
        pooch.retrieve(url, f"sha256:{SHA256[name]}", target.name, target.parent, downloader=downloader)
        target.chmod(0o644)  # pooch lets this user alone read it; the folder may be shared
    except (requests.RequestException, ValueError) as error:  # ValueError: another digest
        raise WeightsMissing(
            f"checkpoint {name}: {url} could not be fetched ({error}); expected a network, or a proxy in"
            f" https_proxy. Fetch again, or by hand: {_by_hand(name)}"
        ) from error
    except OSError as error:
        raise WeightsMissing(
            f"checkpoint {name}: cannot write {target} ({error.strerror or error}); set {VARIABLE}"
            f" to a folder that you can write, or by hand: {_by_hand(name)}"
        ) from error
    return target


def load_state(name: str) -> dict[str, torch.Tensor]:
    """A checkpoint's parameters, verified, on the CPU.

    Returns:
        The stock class's state dict: parameter name to tensor. Mapped from the file, not read, where its
        format allows it: treat as read-only.

    Raises:
        WeightsMissing: see `verify`; or the file wants to run code when read.
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
            f" ({first[0] if first else type(error).__name__}); by hand: {_by_hand(name)}"
        ) from error
    return checkpoint["model"]


def _url(name: str) -> str:
    return f"{RECORD}/{quote(CHECKPOINTS[name])}?download=1"


def _by_hand(name: str) -> str:
    return f"download {_url(name)} and put it at {path(name)} (sha256 {SHA256[name]})"


def _sha256_of(file: Path) -> str:
    found = file.stat()
    return _read_sha256(file, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))


@functools.lru_cache
def _read_sha256(path: Path, _stamp: tuple[int, ...]) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
