"""A command for each case, and no engine: what `plan --commands` prints, done by xargs."""

import subprocess
import sys


def test_printed_commands_give_the_same_numbers_from_any_folder(sessions):
    def called(*words, **given):
        command = [sys.executable, "-m", "benchmark", *words, "--study", "tiny.toml", "--results", "commands"]
        run = {"cwd": sessions.folder, "env": sessions.environ, "text": True, "check": True}
        return subprocess.run(command, **run, stdout=subprocess.PIPE).stdout

    commands = called("plan", "--commands")
    bare = {
        name: sessions.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in sessions.environ
    }
    xargs = ["xargs", "-d", "\\n", "-P", "2", "-I", "{}", "sh", "-c", "{}"]
    subprocess.run(xargs, input=commands, text=True, check=True, cwd="/", env=bare)
    called("report")
    assert sessions.numbers("commands") == sessions.numbers("here")
    assert called("plan", "--commands") == ""
