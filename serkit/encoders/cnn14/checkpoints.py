"""The pretrained CNN14 checkpoints: where they lie, whether they are the published files, how to get them.

Source: Zenodo record 3987831 (Kong et al., "PANNs: Large-Scale Pretrained Audio Neural Networks for Audio
Pattern Recognition", arXiv:1912.10211), CC BY 4.0. The paper (§3) starts from the 32 kHz one.

A run's key has a checkpoint's name alone, so a file is used only where its SHA-256 is the published one. A
run fetches nothing: it says how to put the file there by hand, for machines without a network.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch

from serkit.errors import WeightsMissing
from serkit.files import open_file
from serkit.specs import CHECKPOINTS

VARIABLE = "SERKIT_WEIGHTS"
RECORD = "https://zenodo.org/records/3987831/files"
SHA256 = {
    "cnn14-32k": "0dc499e40e9761ef5ea061ffc77697697f277f6a960894903df3ada000e34b31",
    "cnn14-16k": "e2ee543a27919542c2ea03eabaa70b24dcd4e6c8e05621de6b67a94e4c5058e6",
}
"""The published content of each of `serkit.specs.CHECKPOINTS`."""

TIMEOUTS_S = (10.0, 60.0)  # to connect: where packets are dropped the system would wait two minutes; to read


def folder() -> Path:
    """`$SERKIT_WEIGHTS`; where unset, PANNs' own `~/panns_data`. Raises WeightsMissing without a home."""
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
    size, inode and times. Raises WeightsMissing where another file or none is in its place.
    """
    target = path(name)
    if not target.is_file():
        came_from = f"{VARIABLE} names the folder" if os.environ.get(VARIABLE) else f"{VARIABLE} is not set"
        raise _unusable(name, f"no file {target} ({came_from}); run: python -m benchmark weights, or")
    try:
        digest = _sha256_of(target)
    except OSError as error:
        raise WeightsMissing(
            f"checkpoint {name}: cannot read {target} ({error.strerror}); make it readable for this user,"
            f" or set {VARIABLE} to another folder"
        ) from error
    if digest != SHA256[name]:
        wrong = f"{target} is not the published file: its sha256 is {digest}, expected {SHA256[name]}"
        raise _unusable(name, f"{wrong}; run: python -m benchmark weights (which moves this one aside), or")
    return target


def fetch(name: str) -> Path:
    """Downloads a checkpoint, or returns it where the published file is already in its place.

    It appears whole and verified, or not at all; one that breaks off begins again (`curl -C -` by hand goes
    on where it stopped). Another file there is moved aside to `<file>.wrong`. Honours the proxy variables
    (`https_proxy`, `no_proxy`, ...). Raises WeightsMissing where it cannot be had or written.
    """
    import pooch
    import requests

    target, url = path(name), _url(name)
    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), timeout=TIMEOUTS_S)
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
        why = f"{url} could not be fetched ({error}); expected a network, or a proxy in https_proxy"
        raise _unusable(name, f"{why}. Fetch again, or") from error
    except OSError as error:
        why = f"cannot write {target} ({error.strerror or error})"
        raise _unusable(name, f"{why}; set {VARIABLE} to a folder that you can write, or") from error
    return target


def load_state(name: str) -> dict[str, torch.Tensor]:
    """Parameters by the stock class's names, verified, on the CPU, not to be changed; raises as `verify`."""
    target = verify(name)
    # Only the zip format can be mapped; files as old as these are in the format before it.
    mapped = zipfile.is_zipfile(target)
    try:
        with torch.serialization.safe_globals(_numpy_types() if name == "cnn14-16k" else []):
            return torch.load(target, map_location="cpu", weights_only=True, mmap=mapped)["model"]
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        why = f"{target} cannot be read as plain weights, and nothing in it was run ({first})"
        raise _unusable(name, f"{why};") from error


def _url(name: str) -> str:
    return f"{RECORD}/{quote(CHECKPOINTS[name])}?download=1"


def _unusable(name: str, said: str) -> WeightsMissing:
    """What is said of a checkpoint, and the way to put it in its place by hand."""
    by_hand = f"download {_url(name)} and put it at {path(name)} (sha256 {SHA256[name]})"
    return WeightsMissing(f"checkpoint {name}: {said} by hand: {by_hand}")


def _sha256_of(file: Path) -> str:
    found = file.stat()
    return _read_sha256(file, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))


@functools.lru_cache
def _read_sha256(path: Path, _stamp: tuple[int, ...]) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _numpy_types() -> list[Any]:
    """What the 16 kHz checkpoint needs beside tensors: int64 arrays; arrays of objects stay refused."""
    rebuild: Any = np.empty(0).__reduce__()[0]
    # As it was called when the file was written, and as it is called now.
    called = [(rebuild, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")]
    return [*called, np.ndarray, np.dtype, type(np.dtype(np.int64))]
