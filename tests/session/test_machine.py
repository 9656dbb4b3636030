"""Which GPUs and cores there are to share."""

import os

import pynvml
import pytest

from benchmark.session import machine
from benchmark.session.machine import share_of_cores

UUIDS = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6,MIG-GPU-8932f937/1/2"


@pytest.mark.parametrize(
    ("chosen", "of_four"),
    [
        (None, ["0", "1", "2", "3"]),
        ("", []),
        ("0,2", ["0", "2"]),
        (" 3 , 1 ", ["3", "1"]),
        ("2,9,1", ["2"]),  # as for CUDA: a number past the last hides it and all that follow
        ("-1", []),
        ("1,-1,2", ["1"]),
        (UUIDS, UUIDS.split(",")),
    ],
)
def test_cuda_visible_devices_chooses_among_those_installed(monkeypatch, chosen, of_four):
    environment = {} if chosen is None else {"CUDA_VISIBLE_DEVICES": chosen}
    monkeypatch.setattr(machine, "installed_gpus", lambda: 4)
    assert machine.visible_gpus(environment) == of_four
    monkeypatch.setattr(machine, "installed_gpus", lambda: 0)
    assert machine.visible_gpus(environment) == []


def test_the_process_own_environment_is_the_default(monkeypatch):
    monkeypatch.setattr(machine, "installed_gpus", lambda: 4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert machine.visible_gpus() == ["3"]


def test_without_a_driver_there_are_none(monkeypatch):
    def no_driver():
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", no_driver)
    assert machine.installed_gpus() == 0


def test_the_driver_is_asked_and_let_go(monkeypatch):
    calls = []
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: calls.append("init"))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: 3)
    monkeypatch.setattr(pynvml, "nvmlShutdown", lambda: calls.append("shutdown"))
    assert machine.installed_gpus() == 3
    assert calls == ["init", "shutdown"]


def test_kills_for_want_of_memory_are_counted_where_the_container_counts_them(monkeypatch, tmp_path):
    """Lines as Linux has them in cgroups of version 2 and 1 and in /proc/vmstat."""
    own, of_version_1, hosts = tmp_path / "events", tmp_path / "control", tmp_path / "vmstat"
    monkeypatch.setattr(machine, "OOM_COUNTS", (own, of_version_1, hosts))
    assert machine.memory_kills() == 0
    hosts.write_text("nr_dirty 3\noom_kill 7\n")
    assert machine.memory_kills() == 7
    of_version_1.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")
    assert machine.memory_kills() == 5
    own.write_text("low 0\noom 9\noom_kill 2\noom_group_kill 1\n")
    assert machine.memory_kills() == 2


def test_a_share_of_the_cores_is_a_whole_one_and_at_least_one(monkeypatch):
    monkeypatch.setattr("joblib.cpu_count", lambda: 5)
    assert [share_of_cores(processes) for processes in (1, 2, 4, 5, 64)] == [5, 2, 1, 1, 1]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_only_cores_that_may_be_used_are_shared():
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(usable)})
    try:
        assert share_of_cores(1) == 1
    finally:
        os.sched_setaffinity(0, usable)
