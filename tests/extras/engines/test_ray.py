"""Ray for real: two nodes on this machine, of which workers, one node and the driver are killed."""

import random
import signal
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from tests.made_sessions import kill, needs_its_extra

ray = pytest.importorskip("ray")
cluster_utils = pytest.importorskip("ray.cluster_utils")


@pytest.fixture(scope="module")
def cluster(sessions):
    """A head for drivers, and two nodes with a core and what Ray takes for a GPU each."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SERKIT_CACHE", "OMP_NUM_THREADS", "PYTHONPATH"):
            patch.setenv(name, sessions.environ[name])
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        made = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        made.nodes = [made.add_node(num_cpus=1, num_gpus=1) for _ in range(2)]
        made.options = ("--engine", "ray", "--address", made.address, "--state-minutes", "0.01")
        yield made
        made.shutdown()


def test_the_same_numbers_though_a_worker_and_a_node_are_killed(sessions, cluster):
    session = sessions.begin("nodes", *cluster.options)
    both = sessions.wait_for(lambda: len(found := sessions.running("nodes")) == 2 and found)
    kill(random.choice(list(both.values())))
    sessions.wait_for(lambda: len(sessions.running("nodes")) == 2)
    cluster.remove_node(cluster.nodes.pop(), allow_graceful=False)
    assert session.wait(300) == 0, sessions.log("nodes").read_text()[-3000:]
    assert sessions.numbers("nodes") == sessions.numbers("here")
    cluster.nodes.append(cluster.add_node(num_cpus=1, num_gpus=1))


def test_a_driver_that_is_killed_three_times_trains_no_run_twice(sessions, cluster):
    def its_tasks_end_with_it():
        sessions.wait_for(lambda: not sessions.running("driver"))

    sessions.survive_three_kills("driver", cluster.options, its_tasks_end_with_it)


def test_ctrl_c_keeps_the_states_of_what_runs_and_ends_it(sessions, cluster):
    driver = sessions.begin("ctrl-c", *cluster.options[:-1], "60")
    running = sessions.wait_for(lambda: sessions.running("ctrl-c"))
    driver.send_signal(signal.SIGINT)
    assert driver.wait(30) == pytest.ExitCode.INTERRUPTED
    assert not sessions.running("ctrl-c")
    assert any((sessions.folder / "ctrl-c" / "tiny" / key / "state.pt").exists() for key in running)
    assert "goes on from" in sessions.log("ctrl-c").read_text()


def test_results_come_back_where_no_folder_is_shared(sessions, cluster):
    sessions.run("returned", *cluster.options, "--return-results", "--keep-models")
    assert sessions.numbers("returned") == sessions.numbers("here")
    for key in sessions.done("returned"):
        assert (sessions.folder / "returned" / "tiny" / key / "model.pt").exists()


def test_each_run_is_lent_a_gpu_and_says_so_where_it_is_none(sessions, cluster):
    assert sessions.begin("gpus", *cluster.options, "--gpus").wait(120) == pytest.ExitCode.TESTS_FAILED
    said = sessions.log("gpus").read_text()
    assert "JobFailed: SpecError on " in said
    assert "a GPU was asked for (--gpus), and none is here (CUDA_VISIBLE_DEVICES: 0)" in said
    assert not sessions.done("gpus")


def listening():
    """Where this machine listens beyond its loopback, as Linux lists it."""
    lines = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    loopback = ("0100007F:", "0000000000000000FFFF00000100007F:", "00000000000000000000000001000000:")
    return {line[1] for line in lines if line[3] == "0A" and not line[1].startswith(loopback)}


def test_on_one_machine_nothing_listens_beyond_its_loopback(sessions):
    before = listening()
    session = sessions.begin("alone", "--engine", "ray", "--state-minutes", "0.01", "-k", "large")
    sessions.wait_for(lambda: sessions.running("alone"))
    assert listening() <= before
    assert session.wait(120) == 0


@pytest.fixture
def with_token(sessions, tmp_path, monkeypatch):
    """The address of a cluster that is started in a shell, with a token that sessions have as well."""
    monkeypatch.setitem(sessions.environ, "RAY_AUTH_TOKEN", uuid.uuid4().hex * 2)
    environ = sessions.environ | {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = "127.0.0.1:{1}".format(*free.getsockname())
    command = [
        sys.executable,
        "-c",
        "from ray.scripts.scripts import main; main()",
        "start",
        "--head",
        "--block",
    ]
    command += [f"--port={address.partition(':')[2]}", "--num-cpus=1"]
    command += ["--include-dashboard=false", f"--object-store-memory={200 << 20}"]
    with (tmp_path / "ray.log").open("wb") as log:
        head = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
    sessions.wait_for(lambda: "Ray runtime started" in (tmp_path / "ray.log").read_text(), 60)
    yield address
    head.terminate()  # what it started ends with it
    head.wait(30)


def test_a_cluster_that_asks_for_a_token(sessions, with_token, monkeypatch):
    ask = ("--engine", "ray", "--address", with_token, "-k", "large")
    sessions.refused("*or it asks for a token: export RAY_AUTH_MODE=token*", *ask)
    monkeypatch.setitem(sessions.environ, "RAY_AUTH_MODE", "token")
    sessions.run("token", *ask)
    assert sessions.done("token")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-n", "2"], "-n with --engine ray: each of the workers*leave -n out*"),
        (["--address", "127.0.0.1:9"], "--address 127.0.0.1:9: *refused*expected HOST:PORT of a Ray head*"),
        (["--address", "nowhere"], "--address nowhere: *expected HOST:PORT of a Ray head*"),
        (["--cores", "999"], "--cores 999: no node of Ray has so many, the largest *"),
        (["--cores", "0"], "*--cores: '0': expected a whole number, 1 to 1024"),
    ],
)
def test_what_cannot_be_is_said_at_once(sessions, options, said):
    sessions.refused(said, "--engine", "ray", *options)


def test_without_the_package_it_says_which_extra_brings_it(monkeypatch):
    needs_its_extra(monkeypatch, "ray", "ray")
