"""Jobs of a real Slurm with two nodes on this machine: `make slurm`, which starts it (tools/slurm)."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.made_sessions import kill, sessions_in

ROOT = Path(__file__).parent.parent
SLURM = ("--engine", "slurm", "--slurm", "partition=all,time=30", "--state-minutes", "0.01")


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    with sessions_in(tmp_path_factory) as sessions:
        yield sessions


def queue():
    """The jobs that wait or run."""
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def submitted(sessions, results):
    """How many jobs were given to Slurm."""
    return len(list((sessions.folder / results / "tiny" / ".slurm").glob("*_submitted.pkl")))


@pytest.fixture(autouse=True)
def _nothing_else_runs():
    assert not queue(), "another test's jobs"


def test_a_driver_that_is_killed_three_times_finds_its_jobs_again(sessions):
    def they_outlive_it():
        assert queue()

    sessions.survive_three_kills("driver", SLURM, they_outlive_it)
    runs = len(sessions.done("driver"))
    assert submitted(sessions, "driver") <= runs + 3  # and a question about what is stored, of each session


def test_a_job_that_is_killed_is_submitted_again_and_goes_on(sessions):
    driver = sessions.begin("killed", *SLURM)
    kill(next(iter(sessions.wait_for(lambda: sessions.running("killed")).values())))
    assert driver.wait(400) == 0, sessions.log("killed").read_text()[-3000:]
    assert submitted(sessions, "killed") == len(sessions.done("killed")) + 1
    assert sessions.numbers("killed") == sessions.numbers("here")


def test_ctrl_c_takes_jobs_out_of_the_queue_and_keeps_their_states(sessions):
    driver = sessions.begin("ctrl-c", *SLURM[:-1], "60")
    running = sessions.wait_for(lambda: sessions.running("ctrl-c"))
    driver.send_signal(signal.SIGINT)
    assert driver.wait(60) == pytest.ExitCode.INTERRUPTED
    sessions.wait_for(lambda: not queue(), 40)
    states = [sessions.folder / "ctrl-c" / "tiny" / key / "state.pt" for key in running]
    assert any(map(Path.exists, states))


def test_the_signal_before_the_time_is_up_keeps_a_state_and_the_job_goes_on(sessions):
    driver = sessions.begin("signal", *SLURM[:-1], "60")
    key, pid = next(iter(sessions.wait_for(lambda: sessions.running("signal")).items()))
    os.kill(pid, signal.SIGUSR1)
    sessions.wait_for(lambda: (sessions.folder / "signal" / "tiny" / key / "state.pt").exists())
    assert driver.wait(400) == 0
    assert submitted(sessions, "signal") == len(sessions.done("signal"))


def test_where_squeue_does_not_answer_nothing_is_submitted_twice(sessions, tmp_path):
    (tmp_path / "squeue").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "squeue").chmod(0o755)
    sessions.environ["PATH"] = f"{tmp_path}:{(path := sessions.environ['PATH'])}"
    try:
        session = sessions.begin("silent", *SLURM)
    finally:
        sessions.environ["PATH"] = path
    assert session.wait(60) == pytest.ExitCode.USAGE_ERROR
    assert "squeue does not answer" in sessions.log("silent").read_text()


def test_what_sbatch_refuses_is_said(sessions):
    session = sessions.begin("refused", "--engine", "slurm", "--slurm", "partition=none")
    assert session.wait(150) == pytest.ExitCode.TESTS_FAILED
    assert "invalid partition" in sessions.log("refused").read_text()


def test_the_array_script_of_the_documents_does_the_study_without_an_engine(sessions):
    text = (ROOT / "docs" / "scaling.md").read_text()
    script = text[text.index("    #!/bin/bash\n    #SBATCH --partition=gpu") :].split("\n\n")[0]
    lines = [line.strip() for line in script.splitlines() if not re.search("partition|gpus|time", line)]
    (sessions.folder / "array.sh").write_text(
        "\n".join(lines).replace("--cpus-per-task=4", "--cpus-per-task=1")
    )
    told = {
        "cwd": sessions.folder,
        "env": sessions.environ,
        "text": True,
        "check": True,
        "stdout": subprocess.PIPE,
    }
    plan = [sys.executable, "-m", "benchmark", "plan", "--study", "tiny.toml", "--results", "array"]
    commands = subprocess.run([*plan, "--commands"], **told).stdout
    (sessions.folder / "runs.txt").write_text(commands)
    subprocess.run(["sbatch", f"--array=1-{len(commands.splitlines())}", "array.sh"], **told)
    sessions.wait_for(lambda: not queue(), 300)
    report = [sys.executable, "-m", "benchmark", "report", "--study", "tiny.toml", "--results", "array"]
    subprocess.run(report, **told)
    assert sessions.numbers("array") == sessions.numbers("here")
