"""Files: regular ones alone, whole or not there, and names that cannot steer a terminal."""

import os
import socket
import threading

import pytest

from serkit.errors import SpecError
from serkit.files import (
    DRAFT,
    append_line,
    open_file,
    parse_json,
    read_bytes,
    read_json,
    read_text,
    usual_number,
    write_whole,
)
from serkit.words import printable


def bound_socket(path):
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(path)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (os.mkfifo, "a named pipe"),
        (os.mkdir, "a folder"),
        (lambda path: os.symlink("/dev/zero", path), "a device"),
        (bound_socket, "a socket"),
    ],
)
@pytest.mark.parametrize("read", [open_file, read_bytes, read_text, read_json])
def test_only_regular_files_are_opened_and_nothing_waits(tmp_path, monkeypatch, make, said, read):
    monkeypatch.chdir(tmp_path)  # a socket's path may not be long
    make("it")
    refused = []

    def attempt():
        with pytest.raises(OSError, match=said) as caught:
            read(tmp_path / "it")
        refused.append(caught.value.strerror)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(10)
    assert refused


def test_a_link_to_a_file_is_the_file(tmp_path):
    (tmp_path / "it").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("it")
    assert read_bytes(tmp_path / "link") == b"abc"
    with pytest.raises(OSError, match="more than 2 bytes"):
        read_bytes(tmp_path / "link", 2)


def test_text_is_utf_8_with_or_without_its_mark(tmp_path):
    (tmp_path / "it").write_bytes("\ufeffä\r\n".encode())
    assert read_text(tmp_path / "it") == "ä\r\n"
    (tmp_path / "it").write_bytes(b"\xff")
    with pytest.raises(ValueError, match="line 1 is not in UTF-8"):
        read_text(tmp_path / "it")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a": nul}', "1" * 5000])
def test_damaged_json_is_a_value_error(tmp_path, text):
    (tmp_path / "it").write_text(text)
    with pytest.raises(ValueError):  # noqa: PT011 (json's own words differ from one fault to another)
        read_json(tmp_path / "it")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    write_whole(tmp_path / "it", "ä")
    assert (tmp_path / "it").read_bytes() == "ä".encode()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "it", b"other")
    assert (tmp_path / "it").read_bytes() == "ä".encode()


def test_a_draft_is_not_written_through_a_link_and_does_not_stay(tmp_path, monkeypatch):
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / f"it{DRAFT}").symlink_to("theirs")
    write_whole(tmp_path / "it", "ours")
    assert (tmp_path / "theirs").read_text() == "theirs"
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "taken", "ours")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["it", "taken", "theirs"]


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/null", path)])
def test_lines_are_appended_to_files_alone(tmp_path, make):
    append_line(tmp_path / "lines", "ä")
    append_line(tmp_path / "lines", "b")
    assert (tmp_path / "lines").read_text(encoding="utf-8") == "ä\nb\n"
    make(tmp_path / "it")
    with pytest.raises(OSError, match=r"expected a file|No such device|Is a directory"):
        append_line(tmp_path / "it", "c")


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "1e400", "1" * 16, "-1e100"])
def test_numbers_that_cannot_be_are_refused_where_they_are_asked_for(text):
    with pytest.raises(ValueError, match="is no number that can be"):
        parse_json(text, usual_number)
    assert parse_json("[1, -2, 0.5, 1.4e18]", usual_number) == [1, -2, 0.5, 1.4e18]


def test_what_steers_a_terminal_is_spelt_out():
    assert printable("a\x1b[2J\x9b\x07\u202eb\r\ud800") == "a\\x1b[2J\\x9b\\x07\\u202eb\\r\\ud800"
    assert printable("Bücher 感情\n\tx") == "Bücher 感情\n\tx"
    assert str(SpecError("no \x1b]0;title\x07")) == "no \\x1b]0;title\\x07"
