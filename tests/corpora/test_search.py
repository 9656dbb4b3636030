"""Finding corpora among whatever else lies below a user's folder."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmark import study as studies
from benchmark.session.engines.xdist import Engine
from benchmark.session.work import Place
from serkit import corpora
from serkit.corpora.reading import folder
from serkit.errors import CorpusMissing, CorpusUnfit
from serkit.results import Store
from tests import corpus_trees as trees

ONE_EACH = [name for name in corpora.READERS if corpora.is_one(name) and name != "made"]
LABEL_FILES = {
    "msp_podcast": "Labels/labels_consensus.csv",
    "crema_d": "processedResults/summaryTable.csv",
    "iemocap": "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt",
}


@pytest.fixture
def forbid(monkeypatch):
    """Makes folders that may not be listed: permission bits do not bind the superuser, who runs tests too."""
    scandir = os.scandir

    def forbidding(*folders: Path) -> None:
        def denied(path):
            if Path(path) in folders:
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(os, "scandir", denied)

    return forbidding


def odd_things(top: Path) -> None:
    """What cannot be listed or looked at, and what never ends."""
    top.mkdir(exist_ok=True)
    (top / "self").symlink_to("self")
    (top / "there").symlink_to("back")
    (top / "back").symlink_to("there")
    (top / "up").symlink_to("..")
    (top / "here").symlink_to(".")
    (top / "nowhere").symlink_to("not/there")
    (top / "proc").symlink_to("/proc")
    (top / ("n" * 250) / ("m" * 250)).mkdir(parents=True)
    os.mkdir(os.fsencode(top) + b"/\xff\xfe")
    os.mkfifo(top / "Labels")
    (top / "inner").mkdir()
    os.mkfifo(top / "inner" / "AudioWAV")
    (top / "wav").symlink_to("wav")
    with socket.socket(socket.AF_UNIX) as made:
        here = os.getcwd()
        os.chdir(top)  # such a path may have 107 bytes
        made.bind("Session1")
        os.chdir(here)


@pytest.mark.parametrize("name", ONE_EACH)
def test_the_search_passes_over_what_it_cannot_look_at(name: str, tmp_path: Path, forbid) -> None:
    odd_things(tmp_path / "odd")
    (tmp_path / "closed").mkdir()
    forbid(tmp_path / "closed")
    with pytest.raises(CorpusMissing) as caught:
        corpora.find(name, tmp_path)
    assert f"passed over {tmp_path}/closed (Permission denied)" in str(caught.value)


@pytest.mark.parametrize("name", ["ravdess", "emodb"])
def test_what_cannot_be_looked_at_hides_no_corpus(name: str, tmp_path: Path, forbid) -> None:
    odd_things(tmp_path / "odd")
    getattr(trees, name)(tmp_path / "odd" / "inner" / "deeper")
    closed = [tmp_path / "wav", tmp_path / "Actor_01"]
    for one in closed:
        one.mkdir()
    forbid(*closed)
    assert corpora.load(name, tmp_path).folder == tmp_path / "odd" / "inner" / "deeper"


def test_each_folder_is_looked_at_once_by_whatever_link(tmp_path: Path, monkeypatch) -> None:
    inner = tmp_path
    for k in range(4):
        inner = inner / f"d{k}"
        inner.mkdir()
        for m in range(4):
            (inner / f"up{m}").symlink_to(tmp_path)
    looked: list[Path] = []
    monkeypatch.setattr(corpora.reader("emodb"), "is_here", lambda folder: looked.append(folder) or 0)
    with pytest.raises(CorpusMissing):
        corpora.find("emodb", tmp_path)
    assert len(looked) == 5


def test_the_kernels_folders_are_not_searched(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "proc").symlink_to("/proc")
    looked: list[Path] = []
    monkeypatch.setattr(corpora.reader("emodb"), "is_here", lambda folder: looked.append(folder) or 0)
    with pytest.raises(CorpusMissing):
        corpora.find("emodb", tmp_path)
    assert looked == [tmp_path]


def test_a_corpus_that_is_there_and_partly_closed_is_unfit_and_not_missing(tmp_path, forbid) -> None:
    top = trees.ravdess(tmp_path / "mine")
    forbid(top / "Actor_07")
    with pytest.raises(CorpusUnfit, match=rf"{top}/Actor_07 cannot be listed \(Permission denied\); make it"):
        corpora.load("ravdess", tmp_path)


def test_a_closed_folder_that_may_be_the_corpus_is_named(tmp_path, forbid) -> None:
    top = trees.emodb(tmp_path / "mine")
    forbid(top / "wav")  # all that tells EmoDB from anything else
    with pytest.raises(CorpusMissing, match=rf"passed over {top}/wav \(Permission denied\)"):
        corpora.find("emodb", tmp_path)
    with pytest.raises(CorpusUnfit, match=r"wav cannot be listed \(Permission denied\); make it readable"):
        corpora.reader("emodb").read(top)


@pytest.mark.parametrize("name", LABEL_FILES)
@pytest.mark.parametrize("kind", ["pipe", "folder", "socket", "device", "loop"])
def test_what_is_no_file_in_place_of_a_label_file_is_refused_at_once(name, kind, tmp_path) -> None:
    top = {"msp_podcast": _msp, "crema_d": _crema_d, "iemocap": _iemocap}[name](tmp_path / "x")
    path = top / LABEL_FILES[name]
    path.unlink()
    said = _instead_of(path, kind)
    with pytest.raises(CorpusUnfit, match=rf"{path.name} cannot be read \({said}") as caught:
        corpora.load(name, tmp_path)
    assert "missing" not in str(caught.value)


def _instead_of(path: Path, kind: str) -> str:
    if kind == "pipe":
        os.mkfifo(path)
        return "a named pipe, expected a file"
    if kind == "folder":
        path.mkdir()
        return "a folder, expected a file"
    if kind == "device":
        path.symlink_to("/dev/zero")
        return "a device, expected a file"
    if kind == "loop":
        path.symlink_to(path.name)
        return "Too many levels of symbolic links"
    here = os.getcwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path.name)
    os.chdir(here)
    return "a socket"


def _msp(top: Path) -> Path:
    return trees.write_msp(top, trees.msp_rows("1.8")[::99])


def _crema_d(top: Path) -> Path:
    stems = trees.crema_d_stems()[::99]
    trees.place(top / "AudioWAV", stems)
    trees.write_votes(top, {stem: ("ANHS"[k % 4],) * 2 for k, stem in enumerate(stems)})
    return top


def _iemocap(top: Path, dialogues: str = "") -> Path:
    turns = {name: lines[:1] for name, lines in trees.iemocap_turns().items() if dialogues in name}
    return trees.write_iemocap(top, turns)


def test_a_label_file_that_may_not_be_read_is_not_to_be_restored(tmp_path: Path, monkeypatch) -> None:
    def denied(path: Path, *_) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(folder, "open_file", denied)
    with pytest.raises(
        CorpusUnfit, match=r"cannot be read \(Permission denied\); make it readable"
    ) as caught:
        corpora.load("msp_podcast", _msp(tmp_path))
    assert "copy" not in str(caught.value)


# --- look-alikes ---


def test_a_look_alike_nearer_to_the_top_does_not_win(tmp_path: Path) -> None:
    trees.place(tmp_path / "Actor_01", ["03-01-05-01-02-01-01", "other-names", "of-another-corpus"])
    trees.place(tmp_path / "songs" / "Actor_02", ["03-02-05-01-02-01-02"])
    trees.place(tmp_path / "a" / "wav", ["03a01Wa", "a", "b"])
    trees.place(tmp_path / "a" / "AudioWAV", ["1001_DFA_ANG_XX", "a"])
    for name in ("ravdess", "emodb", "crema_d"):
        top = {"crema_d": _crema_d}.get(name, getattr(trees, name))(tmp_path / "z" / "y" / name)
        corpus = corpora.load(name, tmp_path)
        assert corpus.folder == top
        alike = tmp_path if name == "ravdess" else tmp_path / "a"
        note = f"other folders look like {corpora.reader(name).TITLE} too and are not read: {alike}"
        assert note in corpus.notes


def test_half_a_corpus_nearer_to_the_top_does_not_win(tmp_path: Path) -> None:
    _iemocap(tmp_path / "half", "impro01")
    whole = _iemocap(tmp_path / "a" / "b" / "whole")
    assert corpora.load("iemocap", tmp_path).folder == whole
    _msp(tmp_path / "labels")
    trees.place(_msp(tmp_path / "b" / "c" / "all") / "Audios", ["a"])
    assert corpora.load("msp_podcast", tmp_path).folder == tmp_path / "b" / "c" / "all"


def test_of_equal_copies_the_shallowest_is_read(tmp_path: Path) -> None:
    for place in ("z", "b/deeper", "c"):
        trees.emodb(tmp_path / place)
    assert corpora.find("emodb", tmp_path).folder == tmp_path / "c"
    assert corpora.find("emodb", tmp_path).notes[0].endswith(f"are not read: {tmp_path}/z")


# --- where ---


def test_a_relative_folder_is_one_where_the_command_is_typed(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SERKIT_DATA", "data")
    data = studies.data_folder()
    trees.emodb(tmp_path / "data" / "emodb")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    assert data == tmp_path / "data"
    assert corpora.load("emodb", data).folder == tmp_path / "data" / "emodb"
    monkeypatch.delenv("SERKIT_DATA")
    assert studies.data_folder("data", tmp_path) == tmp_path / "data"  # the ini file's, from anywhere


def test_a_worker_is_told_where_corpora_are(tmp_path: Path) -> None:
    config = SimpleNamespace(option=SimpleNamespace(), getoption=lambda name: None)
    engine = Engine(config, Place(Store(tmp_path / "results"), data=tmp_path))
    node = SimpleNamespace(workerinput={"workercount": 2}, gateway=SimpleNamespace(id="gw0"))
    engine.pytest_configure_node(node)
    assert node.workerinput["data"] == str(tmp_path)


@pytest.mark.parametrize("link", ["corpora", "corpora/emodb", "corpora/emodb/wav"])
def test_a_corpus_may_be_reached_by_a_link(link: str, tmp_path: Path) -> None:
    trees.emodb(tmp_path / "disk" / "corpora" / "emodb")
    (tmp_path / "data" / link).parent.mkdir(parents=True)
    (tmp_path / "data" / link).symlink_to(tmp_path / "disk" / link)
    corpus = corpora.load("emodb", tmp_path / "data")
    assert corpus.folder == tmp_path / "data" / "corpora" / "emodb"
    assert len(corpus.clips) == 339


def test_a_data_folder_that_cannot_be_looked_at_says_why(tmp_path: Path) -> None:
    for made, why in (("loop", "Too many levels"), ("file", "which is not a folder"), ("no", "not a folder")):
        path = tmp_path / made
        if made == "loop":
            path.symlink_to("loop")
        elif made == "file":
            path.touch()
        with pytest.raises(CorpusMissing, match=f"SERKIT_DATA names {path}, .*{why}"):
            corpora.find("emodb", path)
