"""The cache folder, and places for other libraries, for users without a home, a name or a right to write."""

import io
import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cli import main
from serkit import files
from serkit.encoders.cnn14 import checkpoints
from serkit.errors import SerkitError, WeightsMissing
from serkit.files import HOUSED, cache_folder, house_libraries

ROOT = Path(__file__).parent.parent
OF_LIBRARIES = {*HOUSED, "TORCHINDUCTOR_CACHE_DIR"}
NAMES = ("LOGNAME", "USER", "LNAME", "USERNAME")


@pytest.fixture(autouse=True)
def _clean(monkeypatch, tmp_path):
    """Nothing in the environment but a home and a name."""
    for name in (*OF_LIBRARIES, *NAMES, "XDG_CONFIG_HOME", "SERKIT_CACHE", "SERKIT_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USER", "somebody")


@pytest.fixture
def nobody(monkeypatch):
    """A user whose number stands in no passwd file, as containers have them, and no HOME either."""

    def unknown(number):
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("USER")


def lent():
    return {name for name in OF_LIBRARIES if os.environ.get(name, "").endswith("libraries")}


def test_who_has_a_home_and_a_name_is_lent_nothing():
    house_libraries()
    assert lent() == set()


@pytest.mark.usefixtures("nobody")
def test_who_has_neither_home_nor_name_is_lent_every_place(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))
    house_libraries()
    assert lent() == OF_LIBRARIES
    assert {Path(os.environ[name]).parent for name in OF_LIBRARIES} == {tmp_path / "cache"}
    assert cache_folder() == tmp_path / "cache"


@pytest.mark.usefixtures("nobody")
def test_the_compiler_that_optimisers_import_asks_for_no_name(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))
    house_libraries()
    from torch._inductor.runtime.cache_dir_utils import cache_dir  # asks as it is imported, too

    assert cache_dir() == str(tmp_path / "cache" / "libraries")


@pytest.mark.usefixtures("nobody")
def test_a_home_without_a_name_is_kept_and_the_compiler_housed(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    before = cache_folder()
    house_libraries()
    assert lent() == {"TORCHINDUCTOR_CACHE_DIR"}
    assert cache_folder() == before


@pytest.mark.parametrize("home", ["/proc", "/no/such/folder"])
def test_a_home_that_cannot_be_written_is_none(tmp_path, monkeypatch, home):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", home)
    monkeypatch.setattr(files.os, "access", lambda path, mode: not str(path).startswith("/proc"))
    house_libraries()
    assert lent() == OF_LIBRARIES


def test_what_the_environment_says_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", "/no/such/folder")
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))
    house_libraries()
    assert lent() == OF_LIBRARIES - {"MPLCONFIGDIR"}


@pytest.mark.usefixtures("nobody")
def test_without_a_home_the_variable_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    house_libraries()  # nothing to lend, and no error: not every command needs a cache
    assert lent() == set()
    for given in ("", "~/cache"):
        monkeypatch.setenv("SERKIT_CACHE", given)
        with pytest.raises(SerkitError, match=r"no home folder .* set SERKIT_CACHE"):
            cache_folder()
    assert list(tmp_path.iterdir()) == []  # no folder called ~


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("given", ["", "~/weights"])
def test_without_a_home_checkpoints_are_not_here(monkeypatch, given):
    monkeypatch.setenv("SERKIT_WEIGHTS", given)
    with pytest.raises(WeightsMissing, match="no home folder; set SERKIT_WEIGHTS"):
        checkpoints.verify("cnn14-32k")
    assert not checkpoints.is_here("cnn14-32k")


AS_NOBODY = """
import os, pwd, sys
def unknown(number):
    raise KeyError(number)
pwd.getpwuid = unknown
from serkit.files import house_libraries
house_libraries()
"""


@pytest.mark.parametrize(
    "code",
    [
        "import matplotlib.font_manager",
        "sys.argv = ['', 'status', '--study', 'open-small']; import benchmark.cli; benchmark.cli.main()",
    ],
)
def test_libraries_and_commands_start_for_nobody_in_the_locale_of_nowhere(tmp_path, code):
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    places = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SERKIT_CACHE": str(tmp_path / "cache")}
    told = subprocess.run(
        [sys.executable, "-c", AS_NOBODY + code],
        cwd=tmp_path,
        env=locale | places,
        capture_output=True,
        check=False,
    )
    assert (told.returncode, told.stderr) == (0, b"")


def test_what_a_terminal_cannot_show_is_spelt_out(monkeypatch):
    shown = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", shown)
    main.callback()
    print("Gemachtes für Łódź", flush=True)
    assert shown.buffer.getvalue() == "Gemachtes für \\u0141ód\\u017a\n".encode("latin-1")
