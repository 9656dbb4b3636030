"""Checkpoints: told from others, fetched whole or not at all, and read without running anything."""

from __future__ import annotations

import hashlib
import http.server
import os
import pickle
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from serkit.encoders.cnn14 import checkpoints
from serkit.errors import WeightsMissing
from serkit.specs import CHECKPOINTS

NAME = "cnn14-32k"
CONTENT = np.random.default_rng(0).integers(0, 256, 400_000, dtype=np.uint8).tobytes()


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERKIT_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes some bytes the published content of a checkpoint."""

    def change(content: bytes, name: str = NAME) -> None:
        monkeypatch.setitem(checkpoints.SHA256, name, hashlib.sha256(content).hexdigest())

    return change


class Server(http.server.ThreadingHTTPServer):
    """Serves one file, notes what is asked for, and can hang up in the middle."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.hang_up_after: int | None = None
        self.asked: list[str] = []
        self.gone = False


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.server.gone:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.end_headers()
        self.wfile.write(self.server.content[: self.server.hang_up_after])
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server(CONTENT)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    monkeypatch.setattr(checkpoints, "RECORD", f"http://127.0.0.1:{server.server_port}/files")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


# What is published


def test_every_checkpoint_has_its_digest_and_address():
    assert set(checkpoints.SHA256) == set(CHECKPOINTS)
    assert all(len(bytes.fromhex(digest)) == 32 for digest in checkpoints.SHA256.values())
    address = "https://zenodo.org/records/3987831/files/Cnn14_mAP%3D0.431.pth?download=1"
    assert checkpoints._url(NAME) == address


def test_folder_is_panns_own_unless_named(monkeypatch, tmp_path):
    assert checkpoints.folder() == tmp_path / "weights"
    monkeypatch.delenv("SERKIT_WEIGHTS")
    assert checkpoints.folder() == Path.home() / "panns_data"


# In its place, or not


def test_missing_file_says_where_and_how(tmp_path):
    with pytest.raises(WeightsMissing) as raised:
        checkpoints.verify(NAME)
    place = str(tmp_path / "weights" / CHECKPOINTS[NAME])
    by_hand = (checkpoints._url(NAME), checkpoints.SHA256[NAME])
    for part in (place, "SERKIT_WEIGHTS", "python -m benchmark weights", *by_hand):
        assert part in str(raised.value)


def test_file_put_by_hand_is_verified_once(publish, monkeypatch):
    publish(CONTENT)
    checkpoints.path(NAME).write_bytes(CONTENT)
    assert checkpoints.verify(NAME) == checkpoints.path(NAME)

    def no_hash(*_: object) -> None:
        raise AssertionError("hashed again")

    monkeypatch.setattr(checkpoints.hashlib, "file_digest", no_hash)
    assert checkpoints.verify(NAME) == checkpoints.path(NAME)


def test_changed_file_is_hashed_again(publish):
    publish(CONTENT)
    checkpoints.path(NAME).write_bytes(CONTENT)
    checkpoints.verify(NAME)
    checkpoints.path(NAME).write_bytes(CONTENT[:-1] + bytes([CONTENT[-1] ^ 1]))
    with pytest.raises(WeightsMissing, match="sha256"):
        checkpoints.verify(NAME)


def test_wrong_digest_names_both(publish):
    publish(CONTENT)
    checkpoints.path(NAME).write_bytes(CONTENT[:1000])
    with pytest.raises(WeightsMissing) as raised:
        checkpoints.verify(NAME)
    assert hashlib.sha256(CONTENT[:1000]).hexdigest() in str(raised.value)
    assert checkpoints.SHA256[NAME] in str(raised.value)
    assert checkpoints.path(NAME).read_bytes() == CONTENT[:1000]


def test_a_file_that_was_right_once_is_read_by_the_next_process(publish):
    """A bit that flips on the disk changes no time that a note of the last check could go by."""
    publish(CONTENT)
    checkpoints.path(NAME).write_bytes(CONTENT)
    checkpoints.verify(NAME)
    at = checkpoints.path(NAME).stat()
    checkpoints.path(NAME).write_bytes(bytes(len(CONTENT)))
    os.utime(checkpoints.path(NAME), ns=(at.st_atime_ns, at.st_mtime_ns))
    checkpoints._read_sha256.cache_clear()  # what a process remembers
    with pytest.raises(WeightsMissing, match="sha256"):
        checkpoints.verify(NAME)


# Fetching


def test_fetch_brings_the_whole_file_and_nothing_else(publish, server, tmp_path, capsys):
    publish(CONTENT)
    target = checkpoints.path(NAME)
    target.write_bytes(b"an error page")
    aside = target.with_name(f"{target.name}.wrong")

    assert checkpoints.fetch(NAME) == target
    assert target.read_bytes() == CONTENT
    assert target.stat().st_mode & 0o777 == 0o644  # in a folder that others read, too
    assert server.asked == ["/files/Cnn14_mAP%3D0.431.pth?download=1"]
    assert aside.read_bytes() == b"an error page"
    assert f"moved to {aside.name}" in capsys.readouterr().err
    assert {p.name for p in target.parent.iterdir()} == {target.name, aside.name}
    assert [p.name for p in tmp_path.iterdir()] == ["weights"]

    assert checkpoints.fetch(NAME) == target  # in its place by now
    assert len(server.asked) == 1


def failed():
    """The message of a fetch that fails, which names the way by hand; nothing is left behind."""
    with pytest.raises(WeightsMissing) as raised:
        checkpoints.fetch(NAME)
    for part in (checkpoints._url(NAME), checkpoints.SHA256[NAME], "by hand"):
        assert part in str(raised.value)
    assert not list(checkpoints.folder().iterdir())
    return str(raised.value)


def test_a_download_that_breaks_off_leaves_nothing(publish, server):
    publish(CONTENT)
    server.hang_up_after = 60_000
    assert "could not be fetched" in failed()
    server.hang_up_after = None
    assert checkpoints.fetch(NAME).read_bytes() == CONTENT


def test_wrong_content_is_not_installed(publish, server):
    publish(CONTENT)
    server.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    assert hashlib.sha256(server.content).hexdigest() in failed()


def test_an_address_without_the_file(publish, server):
    publish(CONTENT)
    server.gone = True
    assert "404" in failed()
    assert len(server.asked) == 1


def test_a_refused_connection_is_told_at_once(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(checkpoints, "RECORD", f"http://127.0.0.1:{port}/files")
    said = failed()
    assert "refused" in said
    assert "https_proxy" in said


def test_a_folder_that_cannot_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SERKIT_WEIGHTS", str(tmp_path / "file" / "below"))
    with pytest.raises(WeightsMissing, match="set SERKIT_WEIGHTS to a folder that you can write"):
        checkpoints.fetch(NAME)


# Reading

KEYS = ["bn0.weight", "conv_block1.conv1.weight", "fc1.bias"]


@pytest.fixture
def install(publish) -> Callable[..., Path]:
    """Saves a checkpoint of small tensors, and publishes it."""
    import torch

    def save(name: str = NAME, old_format: bool = False, rewrite=None, **beside: object) -> Path:
        state = {key: torch.full((2,), float(i)) for i, key in enumerate(KEYS)}
        target = checkpoints.path(name)
        checkpoint = {"iteration": 1, "model": state, **beside}
        torch.save(checkpoint, target, _use_new_zipfile_serialization=not old_format)
        if rewrite is not None:
            target.write_bytes(rewrite(target.read_bytes()))
        publish(target.read_bytes(), name)
        return target

    return save


@pytest.mark.parametrize("old_format", [False, True], ids=["zip", "before-zip"])
def test_state_is_the_model_part(install, old_format):
    install(old_format=old_format)
    state = checkpoints.load_state(NAME)
    assert list(state) == KEYS
    for i, value in enumerate(state.values()):
        assert value.tolist() == [i, i]
        assert value.device.type == "cpu"


@pytest.mark.parametrize("numpy_1", [False, True], ids=["numpy-2", "numpy-1"])
def test_sampler_arrays_of_the_16k_checkpoint_are_read(install, numpy_1):
    sampler = {"indexes_per_class": [np.arange(3), np.arange(5)], "queue": [1, 0], "pointers": [0, 2]}

    def as_numpy_1_called_it(data: bytes) -> bytes:
        assert b"numpy._core.multiarray" in data
        return data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")

    rewrite = as_numpy_1_called_it if numpy_1 else None
    install("cnn14-16k", old_format=True, rewrite=rewrite, sampler=sampler)
    assert list(checkpoints.load_state("cnn14-16k")) == KEYS


@pytest.mark.parametrize("name", list(CHECKPOINTS))
def test_arrays_of_objects_stay_refused(install, name):
    install(name, sampler=np.array([{}, []], dtype=object))
    with pytest.raises(WeightsMissing, match="nothing in it was run"):
        checkpoints.load_state(name)


def test_the_32k_checkpoint_needs_no_numpy_and_gets_none(install):
    install(sampler=np.arange(3))
    with pytest.raises(WeightsMissing, match="nothing in it was run"):
        checkpoints.load_state(NAME)


class Malicious:
    """Unpickled in the ordinary way, it makes a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple:
        import os

        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("name", list(CHECKPOINTS))
def test_pickle_that_runs_code_is_refused(publish, tmp_path, name):
    folder = tmp_path / "made-by-the-pickle"
    content = pickle.dumps({"model": Malicious(folder)}, protocol=2)
    publish(content, name)
    checkpoints.path(name).write_bytes(content)
    with pytest.raises(WeightsMissing, match="nothing in it was run"):
        checkpoints.load_state(name)
    assert not folder.exists()
    pickle.loads(content)
    assert folder.exists()  # so it would have
