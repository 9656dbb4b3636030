"""One job for each run, without Slurm: submitit's executors for one machine, and wrong options.

Slurm itself: tests/slurm_checks.py.
"""

import pytest

from benchmark.session.elsewhere import JobFailed, read_answer
from benchmark.session.engines.slurm import parsed
from tests.made_sessions import kill, needs_its_extra

pytest.importorskip("submitit")

LOCAL = ("--engine", "slurm", "--slurm", "cluster=local,at_once=2", "--state-minutes", "0.01")


def test_the_local_executor_gives_the_same_numbers_though_a_job_and_the_driver_are_killed(sessions):
    driver = sessions.begin("local", *LOCAL)
    kill(next(iter(sessions.wait_for(lambda: sessions.running("local")).values())))  # one job
    sessions.wait_for(lambda: sessions.done("local") and sessions.running("local"))
    kill(driver.pid)
    driver.wait()
    done = sessions.done("local")
    sessions.run("local", *LOCAL)  # jobs outlive their driver: what runs is waited for by its lock
    assert done.items() <= sessions.done("local").items()
    assert sessions.numbers("local") == sessions.numbers("here")


def test_the_debug_executor_needs_no_other_process(sessions):
    sessions.run("debug", "--engine", "slurm", "--slurm", "cluster=debug", "-k", "fold00")
    assert len(sessions.done("debug")) == 2


def test_options_are_sbatchs():
    assert parsed(["partition=gpu,time=4:00:00", "gres=gpu:a100:1"]) == {
        "partition": "gpu",
        "time": "4:00:00",
        "gres": "gpu:a100:1",
    }
    assert parsed(["exclusive,nodelist=n1,n2,time=3"]) == {
        "nodelist": "n1,n2",
        "time": "3",
        "exclusive": True,
    }
    assert parsed([]) == {}


@pytest.mark.parametrize("given", ["=gpu", "time=", "a b=c", "time= ", ""])
def test_what_is_no_option_is_wrong_usage(given):
    with pytest.raises(pytest.UsageError, match=r"--slurm .*: expected sbatch's long options"):
        parsed([given])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-n", "2"], "-n with --engine slurm: each of the workers*leave -n out*"),
        (["--return-results"], "--return-results: *results folder that nodes share*"),
        (["--slurm", "cluster=mine"], "--slurm cluster=mine: expected one of slurm, local, debug*"),
        (["--slurm", "at_once=0"], "*at_once*'0': expected a whole number, 1 to 1000*"),
        (["--slurm", "cpus-per-task=4"], "--slurm cpus-per-task: say --cores 4*"),
        (["--address", "auto"], "--address is for --engine ray; this session has --engine slurm*"),
    ],
)
def test_what_cannot_be_is_said_at_once(sessions, options, said):
    sessions.refused(said, "--engine", "slurm", *options)


def test_without_the_package_it_says_which_extra_brings_it(monkeypatch):
    needs_its_extra(monkeypatch, "slurm", "submitit")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b'{"host": "a"}',
        b'{"keys": [], "host": "a"}',
        b'{"keys": 5, "host": "a", "warnings": []}',
        b'{"keys": [], "host": "a", "warnings": 3}',
        b'{"error": "E", "host": "a", "warnings": []}',
        b"\x80\x04.",
    ],
)
def test_an_answer_that_is_none_fails_its_case(text):
    with pytest.raises(JobFailed, match="answer"):
        read_answer(text)
