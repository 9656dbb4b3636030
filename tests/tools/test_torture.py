"""The torture finds what is lost or wrong, and nothing where all is well."""

import json
import random
import shutil

import pytest

from benchmark import study as studies
from benchmark.torture import OWN
from benchmark.torture.bench import Bench, Fault, Wrong
from serkit.files import DRAFT
from serkit.resultfile import read, sealed


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """Two runs of the torture's own study, undisturbed."""
    bench = Bench(studies.read(str(OWN)), tmp_path_factory.mktemp("torture"), random.Random(0))
    bench.jobs = bench.jobs[1:3]  # of the network, without augmentation and with
    bench.prepare()
    yield bench
    bench.close()


def other_key(bench, job):
    (key,) = {*bench.keys.values()} - {bench.keys[job.id]}
    return key


def nothing(bench, job):
    """No fault."""


def deleted(bench, job):
    """A result is lost."""
    shutil.rmtree(bench.store.run_folder(other_key(bench, job)))


def changed(bench, job):
    """A result is sealed with another number."""
    path = bench.store.run_folder(other_key(bench, job)) / "result.json"
    result = read(path)
    result["history"][0]["loss"] += 1e-9
    path.write_text(sealed(result))


def test_where_nothing_goes_wrong_nothing_is_said(bench):
    assert bench.survives([Fault("nothing", nothing)]) == [0]


@pytest.mark.parametrize(
    ("fault", "said"), [(deleted, "it left nothing of near-"), (changed, "it left other numbers of near-")]
)
def test_what_is_lost_or_other_is_said(bench, fault, said):
    with pytest.raises(Wrong, match=said):
        bench.survives([Fault("it", fault)])


def test_what_resumes_wrongly_is_found(bench, monkeypatch):
    """A state that another training left, whose digest is in order."""
    import torch

    from benchmark.torture import child
    from serkit.state import State

    job = next(job for job in bench.jobs if job.spec.augment_percent)

    def tampered(bench, _):
        bench.suffer(job, child.killed, str(bench.store.state_path(bench.keys[job.id])) + DRAFT, 9)
        path = bench.store.state_path(bench.keys[job.id])
        content = torch.load(path, weights_only=True)
        content["tensors"]["losses"] = content["tensors"]["losses"] + 1e-3
        content["sha256"] = State(content["tensors"], json.loads(content["numbers"])).digest()
        torch.save(content, path)

    monkeypatch.setattr(bench, "jobs", [job])
    with pytest.raises(Wrong, match="the next call left other numbers of near-"):
        bench.survives([Fault("tampered", tampered)])
