"""Encoders of one's own: what is asked of them, what enters their key, and that errors say what to do."""

import sys
import textwrap

import numpy as np
import pytest
import torch

from serkit import encoders
from serkit.augment import Waves
from serkit.encoders.function import VARIABLE
from serkit.errors import SpecError
from serkit.specs import ModelSpec

NETWORK = textwrap.dedent("""
    import torch
    from torch import nn

    class Levels(nn.Module):
        rate_hz, min_samples = 16_000, 400

        def __init__(self, width, start=0.5):
            super().__init__()
            self.width = width
            self.drawn = nn.Linear(1, width)
            self.loaded = nn.Buffer(torch.full((3,), start))

        def forward(self, waves, samples):
            return self.drawn((waves.square().sum(dim=1) / samples).sqrt()[:, None])

    def make(width=4, **more):
        return Levels(width, **more)

    def number():
        return 7

    def silent():
        return nn.Linear(1, 1)
""")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with `net.py` in it, beside a study, in a process that knows none of another test's."""
    write(tmp_path, NETWORK)
    identify_anew()
    for name in [name for name in sys.modules if name.partition(".")[0] in ("netpack", "netparts")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(encoders, "BESIDE", [tmp_path])
    monkeypatch.setenv(VARIABLE, "net.py,gone.py,broken.py,netpack,no")
    return tmp_path


def write(folder, text, name="net.py"):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(text)


def model(encoder="net.py:make", **settings):
    return ModelSpec(encoder=encoder, settings=tuple(sorted(settings.items())))


def test_it_is_described_by_its_module_and_called_with_the_settings(folder):
    about = encoders.describe(model())
    assert (about.rate_hz, about.min_samples, about.takes) == (16_000, 400, "waves")
    network = encoders.build(model(width=6), seed=3)
    waves = Waves(torch.ones(2, 500), np.array([500, 400]))
    inputs = network.inputs([waves, Waves(torch.ones(1, 700), np.array([700]))])
    assert [len(part) for part in inputs] == [3, 3]
    assert network.embed(*inputs).shape == (3, 6)
    assert network(*inputs).shape == (3, 4)


def test_equal_seeds_draw_equal_networks_head_and_all(folder):
    one, again, other = (encoders.build(model(), seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], again[name]) for name in one)
    drawn = {name for name in one if not torch.equal(one[name], other[name])}
    assert drawn == {"encoder.drawn.weight", "encoder.drawn.bias", "head.0.weight", "head.0.bias"}


def test_its_identity_is_its_code_its_settings_and_what_it_loads(folder):
    first = encoders.identify(model())
    assert first == encoders.identify(model(width=4)), "settings stand in the spec"
    assert encoders.identify(model(start=0.25)) != first, "as another checkpoint would"
    elsewhere = folder / "elsewhere"
    write(elsewhere, NETWORK)
    encoders.BESIDE[:] = [elsewhere]
    identify_anew()
    assert encoders.identify(model()) == first, "wherever it lies"
    write(elsewhere, NETWORK + "# a remark\n")
    identify_anew()
    assert encoders.identify(model()) != first


def identify_anew():
    """As another process would."""
    from serkit.encoders import function

    function.identify.cache_clear()


def test_of_a_package_all_its_code_counts(folder, monkeypatch):
    monkeypatch.syspath_prepend(str(folder))
    write(folder, "from netpack.parts import make", "netpack/__init__.py")
    write(folder, NETWORK, "netpack/parts.py")
    first = encoders.identify(model("netpack:make"))
    assert encoders.describe(model("netpack.parts:make")).rate_hz == 16_000
    write(folder, NETWORK + "# a remark\n", "netpack/parts.py")
    identify_anew()
    assert encoders.identify(model("netpack:make")) != first


def test_a_file_that_changed_is_another_module(folder):
    assert encoders.build(model(), 0).encoder.width == 4
    write(folder, NETWORK.replace("width=4", "width=5"))
    assert encoders.build(model(), 0).encoder.width == 5


@pytest.mark.parametrize(
    ("encoder", "settings", "words"),
    [
        ("gone.py:make", {}, "there is no gone.py in .*; write its whole path, or put it beside the study"),
        ("net.py:mak", {}, "expected a function mak there"),
        ("net.py:number", {}, "expected a torch.nn.Module, it gave int"),
        ("net.py:silent", {}, "its module has rate_hz = None; expected a whole number in 2,000..192,000"),
        ("net.py:make", {"size": 3}, "with settings {'size': 3}: .*unexpected keyword"),
        ("no.such.package:make", {}, "no.such.package cannot be imported .ModuleNotFoundError"),
        ("broken.py:make", {}, "broken.py cannot be imported .ZeroDivisionError"),
        ("net:", {}, "expected one of cnn14, "),
        ("cnn14:make", {}, "expected cnn14 alone"),
    ],
)
def test_what_is_no_encoder_is_refused_with_the_reason(folder, encoder, settings, words):
    write(folder, "1 / 0", "broken.py")
    with pytest.raises(SpecError, match=words):
        encoders.describe(model(encoder, **settings))
    with pytest.raises(SpecError, match=words):
        encoders.identify(model(encoder, **settings))


def test_a_file_may_be_named_by_its_path(folder, monkeypatch):
    elsewhere = folder / "elsewhere"
    write(elsewhere, NETWORK)
    monkeypatch.setenv(VARIABLE, str(elsewhere / "net.py"))
    with pytest.raises(SpecError, match="name it"):
        encoders.identify(model())
    monkeypatch.setenv(VARIABLE, str(folder / "net.py"))
    assert encoders.identify(model())


@pytest.mark.parametrize("encoder", ["net.py:make", "netpack:make", "os:system", "subprocess:run"])
def test_code_that_its_user_did_not_name_is_never_run(folder, monkeypatch, encoder):
    for text in ("net.py", "netpack/__init__.py"):
        write(folder, f"open({str(folder / 'ran')!r}, 'w')", text)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv(VARIABLE, "other.py,other")
    name = encoder.partition(":")[0]
    for ask in (encoders.describe, encoders.identify, lambda of: encoders.build(of, 0)):
        with pytest.raises(SpecError, match=f"is code; if you know what it does, name it: {VARIABLE}={name}"):
            ask(model(encoder, args="true"))
    assert not (folder / "ran").exists()


def test_settings_of_cnn14_are_refused_for_others():
    with pytest.raises(SpecError, match="model width = 6: a setting of cnn14;"):
        ModelSpec(encoder="net.py:make", width=6)
    assert ModelSpec(encoder="net.py:make").weights is None
    with pytest.raises(SpecError, match=r"model settings \{'layer': 3\}: cnn14 has none"):
        ModelSpec(weights=None, settings=(("layer", 3),))


def test_what_a_file_imports_from_beside_it_counts(folder):
    write(folder, NETWORK + "import netparts, netpack\n")
    write(folder, "import netmore\n", "netpack/__init__.py")
    for name in ("netparts.py", "netmore.py"):
        write(folder, "SIZE = 1\n", name)
    sys.path.insert(0, str(folder))
    try:
        first = encoders.identify(model())
        for name in ("netparts.py", "netmore.py", "netpack/__init__.py"):
            write(folder, (folder / name).read_text() + "# a remark\n", name)
            identify_anew()
            again = encoders.identify(model())
            assert again != first, name
            first = again
    finally:
        sys.path.remove(str(folder))


def test_only_examples_run_without_leave(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    for encoder in ("benchmark.cli:main", "serkit.run:run", "benchmark.examples:make"):
        with pytest.raises(SpecError, match="is code; if you know what it does, name it"):
            encoders.describe(model(encoder))
    with pytest.raises(SpecError, match=r"Path is of another module, pathlib\S*; expected its own"):
        encoders.describe(model("benchmark.examples.resemblyzer:Path"))
