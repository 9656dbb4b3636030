"""Checkpoints: told from others, fetched whole or not at all, and read without running anything."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import os
import pickle
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from serkit.encoders import checkpoints
from serkit.errors import SpecError, WeightsMissing
from serkit.specs import CHECKPOINTS

NAME = "cnn14-32k"
CONTENT = np.random.default_rng(0).integers(0, 256, 4_000_000, dtype=np.uint8).tobytes()


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERKIT_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(checkpoints, "RETRIES", 0)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch) -> Callable[..., checkpoints.CheckpointFile]:
    """Makes some bytes the published content of a checkpoint."""

    def change(content: bytes, name: str = NAME, size: int | None = -1) -> checkpoints.CheckpointFile:
        file = dataclasses.replace(
            checkpoints.CHECKPOINT_FILES[name],
            size=len(content) if size == -1 else size,
            sha256=hashlib.sha256(content).hexdigest(),
        )
        monkeypatch.setitem(checkpoints.CHECKPOINT_FILES, name, file)
        return file

    return change


class Server(http.server.ThreadingHTTPServer):
    """Serves one file with ranges, notes what was asked for, and can hang up in the middle."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.hang_up_after: int | None = None
        self.asked: list[tuple[int, int]] = []
        self.gone = False
        self.refused = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file?download=1"

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        if self.server.gone:
            self.refuse()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.content)))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()

    def refuse(self) -> None:
        self.server.refused += 1
        self.send_error(404)

    def do_GET(self) -> None:
        if self.server.gone:
            self.refuse()
            return
        content = self.server.content
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start, end = 0, len(content) - 1
        if asked:
            start, end = int(asked[1]), min(int(asked[2] or end), end)
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(end - start + 1))
        self.end_headers()
        body = content[start : end + 1]
        if len(body) > 1:  # one byte: the question for the size
            self.server.asked.append((start, end))
            if self.server.hang_up_after is not None and len(body) > self.server.hang_up_after:
                self.wfile.write(body[: self.server.hang_up_after])
                self.close_connection = True
                return
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(CONTENT)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


# What is published


def test_every_checkpoint_has_its_file():
    assert set(checkpoints.CHECKPOINT_FILES) == set(CHECKPOINTS)
    for key, file in checkpoints.CHECKPOINT_FILES.items():
        assert file.name == CHECKPOINTS[key]
        assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
        assert re.fullmatch(r"[0-9a-f]{32}", file.md5)
        assert file.licence == "CC BY 4.0"
    address = "https://zenodo.org/records/3987831/files/Cnn14_mAP%3D0.431.pth?download=1"
    assert checkpoints.CHECKPOINT_FILES[NAME].url == address


def test_folder_is_panns_own_unless_named(monkeypatch, tmp_path):
    assert checkpoints.folder() == tmp_path / "weights"
    monkeypatch.delenv("SERKIT_WEIGHTS")
    assert checkpoints.folder() == Path.home() / "panns_data"


def test_unknown_checkpoint_is_named_with_the_known_ones():
    with pytest.raises(SpecError, match=r"'cnn10': expected one of cnn14-32k, cnn14-16k"):
        checkpoints.path("cnn10")


# In its place, or not


def test_missing_file_says_where_and_how(tmp_path):
    with pytest.raises(WeightsMissing) as raised:
        checkpoints.verify(NAME)
    file = checkpoints.CHECKPOINT_FILES[NAME]
    place = str(tmp_path / "weights" / file.name)
    for part in (place, "SERKIT_WEIGHTS", "python -m benchmark weights", file.url, file.sha256):
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


def test_wrong_size_and_wrong_digest_name_both_values(publish):
    file = publish(CONTENT)
    checkpoints.path(NAME).write_bytes(CONTENT[:1000])
    with pytest.raises(WeightsMissing, match=r"1,000 bytes, expected 4,000,000"):
        checkpoints.verify(NAME)
    other = bytes(len(CONTENT))
    checkpoints.path(NAME).write_bytes(other)
    with pytest.raises(WeightsMissing) as raised:
        checkpoints.verify(NAME)
    assert hashlib.sha256(other).hexdigest() in str(raised.value)
    assert file.sha256 in str(raised.value)
    assert checkpoints.path(NAME).read_bytes() == other


def test_a_file_that_was_right_once_is_read_by_the_next_process(publish):
    """A bit that flips on the disk changes no time that a note of the last check could go by."""
    publish(CONTENT)
    checkpoints.path(NAME).write_bytes(CONTENT)
    checkpoints.verify(NAME)
    at = checkpoints.path(NAME).stat()
    checkpoints.path(NAME).write_bytes(bytes(len(CONTENT)))
    os.utime(checkpoints.path(NAME), ns=(at.st_atime_ns, at.st_mtime_ns))
    checkpoints._sha256.cache_clear()  # what a process remembers
    with pytest.raises(WeightsMissing, match="sha256"):
        checkpoints.verify(NAME)


# Fetching


def test_fetch_brings_the_whole_file_and_nothing_else(publish, server, tmp_path, capsys):
    publish(CONTENT)
    target = checkpoints.path(NAME)
    target.write_bytes(b"an error page")
    aside = target.with_name(f"{target.name}.wrong")

    assert checkpoints.fetch(NAME, url=server.url) == target
    assert target.read_bytes() == CONTENT
    assert sum(end - start + 1 for start, end in server.asked) == len(CONTENT)
    assert aside.read_bytes() == b"an error page"
    assert f"moved to {aside.name}" in capsys.readouterr().err
    left = [p.name for p in target.parent.iterdir() if not p.name.endswith(".lock")]
    assert sorted(left) == [target.name, aside.name]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["weights"]  # no log where the user stands

    server.asked.clear()
    assert checkpoints.fetch(NAME, url=server.url) == target  # in its place by now
    assert server.asked == []


def test_interrupted_fetch_asks_only_for_the_rest(publish, server):
    publish(CONTENT)
    server.hang_up_after = 600_000
    with pytest.raises(WeightsMissing, match=r"could not be fetched .*go on from there"):
        checkpoints.fetch(NAME, url=server.url)
    target = checkpoints.path(NAME)
    assert not target.exists()
    segment = len(CONTENT) // checkpoints.SEGMENTS
    have = [
        target.with_name(f"{target.name}.part.{i}").stat().st_size
        if target.with_name(f"{target.name}.part.{i}").exists()
        else 0
        for i in range(checkpoints.SEGMENTS)
    ]
    assert sum(have) > 0

    server.hang_up_after = None
    server.asked.clear()
    assert checkpoints.fetch(NAME, url=server.url).read_bytes() == CONTENT
    rest = [(i * segment + have[i], (i + 1) * segment - 1) for i in range(checkpoints.SEGMENTS)]
    assert sorted(server.asked) == rest
    assert sum(end - start + 1 for start, end in server.asked) == len(CONTENT) - sum(have)


def test_broken_connection_is_tried_again_within_one_call(publish, server, monkeypatch):
    publish(CONTENT)
    monkeypatch.setattr(checkpoints, "RETRIES", 4)
    server.hang_up_after = 700_000
    target = checkpoints.path(NAME)
    # A progress note cut off by a kill must not stand in the way.
    target.with_name(f"{target.name}.part.json").write_text('{"url": "http')
    assert checkpoints.fetch(NAME, url=server.url).read_bytes() == CONTENT
    assert len(server.asked) > checkpoints.SEGMENTS


def test_wrong_content_is_not_installed_but_kept(publish, server):
    file = publish(CONTENT)
    delivered = server.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(
        WeightsMissing, match=f"its sha256 is [0-9a-f]{{64}}, expected {file.sha256}"
    ) as raised:
        checkpoints.fetch(NAME, url=server.url)
    target = checkpoints.path(NAME)
    aside = target.with_name(f"{target.name}.wrong")
    assert str(aside) in str(raised.value)
    assert aside.read_bytes() == delivered
    assert not target.exists()
    assert not list(target.parent.glob("*.part*"))


def test_address_without_the_file_is_told_without_five_tries(publish, server, monkeypatch):
    publish(CONTENT)
    monkeypatch.setattr(checkpoints, "RETRIES", 4)
    server.gone = True
    with pytest.raises(WeightsMissing, match=r"could not be fetched \(.*404.*\); download https://zenodo"):
        checkpoints.fetch(NAME, url=server.url)
    assert server.refused <= 2


def test_refused_connection_is_told_at_once(publish, tmp_path):
    file = publish(CONTENT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(WeightsMissing) as raised:
        checkpoints.fetch(NAME, folder=tmp_path / "new" / "folder", url=f"http://127.0.0.1:{port}/file")
    for part in (f"127.0.0.1:{port}", "refused", "network", file.url, file.sha256):
        assert part in str(raised.value)


def test_address_that_is_none():
    with pytest.raises(WeightsMissing, match=r"expected an address that begins with http"):
        checkpoints.fetch(NAME, url="file:///etc/hostname")


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        WeightsMissing, match="set SERKIT_WEIGHTS to a folder that you can write, with 655 MB free"
    ):
        checkpoints.fetch(NAME, folder=tmp_path / "file" / "below", url="http://127.0.0.1:9/")


def test_proxy_comes_from_the_environment(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    assert checkpoints._proxy("https://zenodo.org/x") == "http://proxy.example:3128"
    assert checkpoints._proxy("https://127.0.0.1/x") is None


# Reading


FRONT_END = {
    "Spectrogram": ("stft.conv_real.weight", "stft.conv_imag.weight"),
    "LogmelFilterBank": ("melW",),
}
"""Parameters of torchlibrosa's layers, which take librosa and five seconds to build."""


@pytest.fixture(scope="module")
def stock_keys() -> list[str]:
    """Parameter names of the stock class itself: the reference for what a CNN14 checkpoint holds."""
    import torch

    from serkit.encoders.cnn14 import stock_models

    stock = stock_models()

    def stand_in(names: tuple[str, ...]) -> Callable[..., torch.nn.Module]:
        def build(**_: object) -> torch.nn.Module:
            layer = torch.nn.Module()
            for name in names:
                *path, last = name.split(".")
                inner = layer
                for part in path:
                    if not hasattr(inner, part):
                        inner.add_module(part, torch.nn.Module())
                    inner = inner.get_submodule(part)
                inner.register_parameter(last, torch.nn.Parameter(torch.empty(1)))
            return layer

        return build

    with (
        pytest.MonkeyPatch.context() as patch,
        torch.device("meta"),
    ):  # 80 million parameters, none of them made
        for layer, names in FRONT_END.items():
            patch.setattr(stock, layer, stand_in(names))
        return list(stock.Cnn14(32000, 1024, 320, 64, 50, 14000, 527).state_dict())


@pytest.fixture
def install(publish, stock_keys, tmp_path) -> Callable[..., Path]:
    """Saves a checkpoint with the stock class's names and small tensors, and publishes it."""
    import torch

    def save(name: str = NAME, old_format: bool = False, edit=None, rewrite=None, **beside: object) -> Path:
        state = {key: torch.full((2,), float(i)) for i, key in enumerate(stock_keys)}
        if edit is not None:
            edit(state)
        target = checkpoints.path(name)
        checkpoint = {"iteration": 1, "model": state, **beside}
        torch.save(checkpoint, target, _use_new_zipfile_serialization=not old_format)
        if rewrite is not None:
            target.write_bytes(rewrite(target.read_bytes()))
        publish(target.read_bytes(), name)
        return target

    return save


@pytest.mark.parametrize("old_format", [False, True], ids=["zip", "before-zip"])
def test_state_is_the_model_part_with_every_name(install, stock_keys, old_format):
    install(old_format=old_format)
    state = checkpoints.load_state(NAME)
    assert list(state) == stock_keys
    for i, value in enumerate(state.values()):
        assert value.tolist() == [i, i]
        assert value.device.type == "cpu"


def test_step_counters_may_be_missing(install):
    def drop(state):
        for key in [key for key in state if key.endswith("num_batches_tracked")]:
            del state[key]

    install(edit=drop)
    assert set(checkpoints.load_state(NAME)) == checkpoints.CNN14_KEYS


@pytest.mark.parametrize("numpy_1", [False, True], ids=["numpy-2", "numpy-1"])
def test_sampler_arrays_of_the_16k_checkpoint_are_read(install, stock_keys, numpy_1):
    sampler = {"indexes_per_class": [np.arange(3), np.arange(5)], "queue": [1, 0], "pointers": [0, 2]}

    def as_numpy_1_called_it(data: bytes) -> bytes:
        assert b"numpy._core.multiarray" in data
        return data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")

    rewrite = as_numpy_1_called_it if numpy_1 else None
    install("cnn14-16k", old_format=True, rewrite=rewrite, sampler=sampler)
    assert list(checkpoints.load_state("cnn14-16k")) == stock_keys


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


def test_another_network_is_refused(install):
    def cnn10(state):
        for key in [key for key in state if key.startswith(("conv_block5", "conv_block6"))]:
            del state[key]
        state["conv_block1.conv3.weight"] = state["fc1.bias"]

    install(edit=cnn10)
    with pytest.raises(
        WeightsMissing, match=r"no CNN14: 20 parameters missing .*, 1 unknown \(conv_block1.conv3"
    ):
        checkpoints.load_state(NAME)


def test_checkpoint_without_a_model_is_refused(publish):
    import torch

    torch.save([1, 2], checkpoints.path(NAME))
    publish(checkpoints.path(NAME).read_bytes())
    with pytest.raises(WeightsMissing, match="no state dict called 'model'"):
        checkpoints.load_state(NAME)
