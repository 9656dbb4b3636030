"""The masked CNN14 against the stock class with the same weights, and each clip for itself."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torchlibrosa.stft import LogmelFilterBank, Spectrogram

from serkit.encoders import build
from serkit.encoders.cnn14 import NOT_OURS, Cnn14, load_stock, stock_models
from serkit.encoders.cnn14.logmel import MEL_BANDS, NAMED, LogMel
from serkit.errors import WeightsMissing
from serkit.specs import HEADS, ModelSpec

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.filterwarnings("ignore:At least one mel filterbank")


def spectrograms(clips, frames, seed=0):
    """Log-mel-like noise: float32 [clips, frames, 64], about -40 dB."""
    return -40 + 20 * torch.randn(clips, frames, MEL_BANDS, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def unsettle(model, calibrate, seed=0):
    """Gives every batch normalisation statistics of real activations, and scales and shifts of its own."""
    random = torch.Generator().manual_seed(seed)
    norms = [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
    for norm in norms:
        norm.weight.uniform_(0.5, 1.5, generator=random)
        norm.bias.normal_(0, 0.3, generator=random)
        norm.momentum = 1.0
    torch.manual_seed(seed)
    calibrate(model.train())
    for norm in norms:
        norm.momentum = 0.1
    model.fc1.bias.normal_(0, 0.1, generator=random)
    return model.eval()


def narrow(width=2, head="linear", live=None, seed=0):
    torch.manual_seed(seed)
    frames = np.full(8, 100)
    model = Cnn14(width, head)
    if live is not None:
        model.live.copy_(live)
    return unsettle(model, lambda model: model(spectrograms(8, 100), frames))


def no_dropout(monkeypatch):
    monkeypatch.setattr(F, "dropout", lambda x, *_, **__: x)


def wave(samples, clips=1):
    return 0.1 * torch.randn(clips, samples, generator=torch.Generator().manual_seed(samples))


# --- against the stock class ---


WIDTH = 8  # a tenth of the time of all 64: what holds of some channels holds of all


def undrawn(make):
    """What `make` makes, its weights as they come: drawing 80 million of them takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        for draw in ("kaiming_uniform_", "xavier_uniform_"):
            patch.setattr(nn.init, draw, lambda *_, **__: None)
        return make()


def stock_at_full_width():
    return undrawn(lambda: stock_models().Cnn14(32000, 1024, 320, MEL_BANDS, 50, 14000, 527))


@pytest.fixture(scope="module")
def stock():
    """The stock class with narrower layers of its own kind."""
    torch.manual_seed(0)
    model, channels = stock_at_full_width(), [1, *(WIDTH * 2**i for i in range(6))]
    for i in range(6):
        model.add_module(f"conv_block{i + 1}", stock_models().ConvBlock(channels[i], channels[i + 1]))
    model.fc1, model.fc_audioset = nn.Linear(channels[-1], channels[-1]), nn.Linear(channels[-1], 527)
    model.init_weight()
    return unsettle(model, lambda model: model(wave(48000, 2)))


@pytest.fixture(scope="module")
def ours():
    return build(ModelSpec(width=WIDTH, weights=None), seed=1)


def read_by(name, stock, monkeypatch):
    """Lets the stock class read audio as the front end `name` does."""
    front_end = NAMED[name]
    monkeypatch.setitem(
        stock._modules,
        "spectrogram_extractor",
        Spectrogram(
            n_fft=front_end.window_samples,
            hop_length=front_end.hop_samples,
            win_length=front_end.window_samples,
        ),
    )
    monkeypatch.setitem(
        stock._modules,
        "logmel_extractor",
        LogmelFilterBank(
            sr=front_end.mel_rate_hz,
            n_fft=front_end.window_samples,
            n_mels=MEL_BANDS,
            fmin=front_end.low_hz,
            fmax=front_end.high_hz,
            top_db=None,
        ),
    )


def embedded(model, name, waves):
    logmel, frames = LogMel(NAMED[name])(waves, np.full(len(waves), waves.shape[1]))
    return model.embed(logmel, frames)


@pytest.mark.parametrize(
    ("name", "samples"), [("paper-loaded", 9920), ("native-32k", 20001), ("native-16k", 20001)]
)
@torch.no_grad()
def test_embeddings_are_the_stock_classs(stock, ours, name, samples, monkeypatch):
    read_by(name, stock, monkeypatch)
    ours.logmel = LogMel(NAMED[name])
    load_stock(ours, stock.state_dict())
    expected = stock.eval()(wave(samples))["embedding"]
    assert expected.std() > 0.1
    torch.testing.assert_close(embedded(ours.eval(), name, wave(samples)), expected, atol=1e-4, rtol=1e-4)


def test_training_is_the_stock_classs_without_its_spec_augment(stock, ours, monkeypatch):
    """Dropout off, clips of one length: embeddings, running statistics, gradients of every kind of layer."""
    no_dropout(monkeypatch)
    monkeypatch.setitem(stock._modules, "spec_augmenter", nn.Identity())
    ours.logmel = LogMel(NAMED["native-32k"])
    load_stock(ours, stock.state_dict())
    waves = wave(65 * 320, 4)
    out, expected = embedded(ours.train(), "native-32k", waves), stock.train()(waves)["embedding"]
    torch.testing.assert_close(out, expected, atol=1e-3, rtol=1e-3)

    statistics = stock.state_dict()
    for name, value in ours.state_dict().items():
        if "running" in name or "tracked" in name:
            torch.testing.assert_close(value, statistics[name], atol=1e-4, rtol=1e-3, msg=name)

    # Rounding tips a few maxima and ReLUs: the stock class's own gradient is up to 0.5 % off its float64 one.
    layers = ("bn0", "conv_block1.conv1", "conv_block3.conv2", "conv_block6.bn2")
    here, there = (
        torch.autograd.grad(out.square().sum(), [model.get_submodule(layer).weight for layer in layers])
        for out, model in ((out, ours), (expected, stock))
    )
    for layer, one, other in zip(layers, here, there, strict=True):
        assert (one - other).norm() < 0.02 * other.norm(), layer


def test_parameters_are_the_stock_classs():
    stock, model = stock_at_full_width(), undrawn(lambda: build(ModelSpec(weights=None), seed=1))
    theirs = {k: v.shape for k, v in stock.state_dict().items() if not k.startswith(NOT_OURS)}
    ours = {k: v.shape for k, v in model.state_dict().items() if not k.startswith("head.")}
    assert ours == theirs
    assert [k for k, _ in model.named_parameters() if k.startswith("head.")] == [
        "head.0.weight",
        "head.0.bias",
    ]
    assert model.head[0].weight.shape == (4, 2048)


def test_initialisation_is_the_stock_classs():
    """Xavier-uniform weights, zero biases, plain norms: bounds by torch's own initialiser."""
    model = build(ModelSpec(width=4, weights=None, head="relu-linear"), seed=0)
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bound = nn.init.xavier_uniform_(torch.empty_like(layer.weight)).abs().max()
            assert layer.weight.abs().max().item() == pytest.approx(bound.item(), rel=0.2)
            assert layer.bias is None or not layer.bias.any()
        elif isinstance(layer, nn.BatchNorm2d):
            assert (layer.weight == 1).all()
            assert not layer.bias.any()


def test_stock_import_leaves_nothing_behind(tmp_path):
    """No package in sys.modules, no file in the home folder, no wget; and matplotlib is itself afterwards."""
    home, programs = tmp_path / "home", tmp_path / "programs"
    home.mkdir()
    programs.mkdir()
    (programs / "wget").write_text(f"#!/bin/sh\ntouch {home}/fetched\n")
    (programs / "wget").chmod(0o755)
    code = (
        "import sys\n"
        "from serkit.encoders.cnn14 import stock_models\n"
        "first = stock_models()\n"
        "assert stock_models() is first\n"
        "assert first.Cnn14.__module__ == 'panns_inference.models'\n"
        "print([name for name in ('panns_inference', 'matplotlib') if name in sys.modules])\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "MPL"))}
    said = subprocess.run(
        [sys.executable, "-c", code],
        env=environment
        | {"HOME": str(home), "PATH": f"{programs}:{environment['PATH']}", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout.strip() == "[]"
    assert list(home.iterdir()) == []


# --- a clip for itself ---

LENGTHS = np.array([32, 33, 47, 63, 64, 65, 100, 127, 131, 200])


def padded(lengths, longest, garbage):
    """The same clips whatever surrounds them: noise drawn a clip, `garbage` past its end."""
    batch = torch.empty(len(lengths), longest, MEL_BANDS)
    torch.nn.init.normal_(batch, -40, 300 * garbage, generator=torch.Generator().manual_seed(longest))
    for i, length in enumerate(lengths):
        batch[i, :length] = spectrograms(1, length, seed=i)[0]
    return batch


@pytest.mark.parametrize(("width", "head"), [(1, "linear"), (2, "relu-linear"), (4, "linear")])
@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-13)])
@torch.no_grad()
def test_scores_do_not_depend_on_batch_mates(width, head, precision, tolerance):
    """Probabilities to float32's rounding; and that it is rounding and no more, float64 shows."""
    model = narrow(width, head).to(precision)

    def score(batch, frames):
        return model(batch.to(precision), frames).softmax(dim=1)

    batch = padded(LENGTHS, 200, 0)
    alone = torch.cat([score(batch[i : i + 1, :n], LENGTHS[i : i + 1]) for i, n in enumerate(LENGTHS)])
    assert alone.std(dim=0).min() > 1e-3  # clips do differ
    for longest, garbage in ((200, 0), (200, 1), (333, 1)):
        together = score(padded(LENGTHS, longest, garbage), LENGTHS)
        torch.testing.assert_close(together, alone, atol=tolerance, rtol=0)
    backwards = score(padded(LENGTHS, 200, 1).flip(0), LENGTHS[::-1].copy()).flip(0)
    torch.testing.assert_close(backwards, alone, atol=tolerance, rtol=0)


def test_padding_does_not_touch_training(monkeypatch):
    """Scores, gradients and running statistics are the same however far and with what a batch is padded.

    In float64: in float32, rounding tips a ReLU or a maximum now and then.
    """
    no_dropout(monkeypatch)
    seen = []
    for longest, garbage in ((200, 0), (264, 1)):
        model = narrow().double().train()
        scores = model(padded(LENGTHS, longest, garbage).double(), LENGTHS)
        scores.square().sum().backward()
        gradients = {name: value.grad for name, value in model.named_parameters()}
        seen.append((scores.detach(), gradients, dict(model.named_buffers())))
    for one, other in zip(*seen, strict=True):
        torch.testing.assert_close(one, other, atol=1e-9, rtol=1e-9)


@torch.no_grad()
def test_the_shortest_clip():
    scores = narrow()(spectrograms(3, 32), np.full(3, 32))
    assert scores.shape == (3, 4)
    assert scores.isfinite().all()
    assert scores.std(dim=0).min() > 0


def test_training_has_no_chance_but_dropout(monkeypatch):
    batch = padded(LENGTHS, 200, 0)
    model = narrow().train()
    assert not torch.equal(model(batch, LENGTHS), model(batch, LENGTHS))
    no_dropout(monkeypatch)
    assert torch.equal(model(batch, LENGTHS), model(batch, LENGTHS))


@pytest.mark.parametrize("training", [False, True], ids=["evaluating", "training"])
@torch.no_grad()
def test_dead_bands_say_nothing(training, monkeypatch):
    no_dropout(monkeypatch)
    live = torch.rand(MEL_BANDS, generator=torch.Generator().manual_seed(0)) > 0.3
    model = narrow(live=live).train(training)
    batch = padded(LENGTHS, 200, 0)
    other = spectrograms(len(LENGTHS), 200, seed=99)
    torch.testing.assert_close(model(torch.where(live, batch, other), LENGTHS), model(batch, LENGTHS))
    assert not torch.allclose(
        model(torch.where(live, other, batch), LENGTHS), model(batch, LENGTHS), atol=1e-3
    )


@pytest.mark.parametrize("name", NAMED)
def test_build_knows_the_front_ends_bands(name):
    model = build(ModelSpec(width=1, front_end=name, weights=None), seed=0)
    assert torch.equal(model.live.bool(), NAMED[name].mel_matrix().any(dim=0))
    assert model.live.sum() == (55 if name == "paper-rebuilt" else 64)


# --- masked cells ---


def blanked(seed=0):
    """Every third clip without a masked cell; in the others a stripe of bands, and one of frames."""
    random = torch.Generator().manual_seed(seed)
    masked = torch.zeros(len(LENGTHS), 200, MEL_BANDS, dtype=torch.bool)
    for i, length in enumerate(LENGTHS):
        if i % 3:
            band, frame = (int(torch.randint(n - 8, (1,), generator=random)) for n in (MEL_BANDS, length))
            masked[i, :length, band : band + 8] = True
            masked[i, frame : frame + 8] = True
    return masked


def into_block1(model, *inputs):
    """What the first convolution is given, [clips, frames, 64]."""
    seen = []
    with model.conv_block1.conv1.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone())):
        model(*inputs)
    return seen[0][:, 0]


@pytest.mark.parametrize("training", [False, True], ids=["evaluating", "training"])
@torch.no_grad()
def test_masked_cells_are_zero_after_the_first_normalisation(training, monkeypatch):
    """All other cells, and what normalisation learns, are as without masks."""
    no_dropout(monkeypatch)
    batch, masked = padded(LENGTHS, 200, 0), blanked()
    model, other = narrow().train(training), narrow().train(training)
    plain, given = into_block1(model, batch, LENGTHS), into_block1(other, batch, LENGTHS, masked)
    assert masked.any()
    assert plain[masked].abs().mean() > 0.1
    assert not given[masked].any()
    assert torch.equal(given[~masked], plain[~masked])
    for name, value in model.bn0.state_dict().items():
        assert torch.equal(value, other.bn0.state_dict()[name]), name


@torch.no_grad()
def test_masking_is_setting_a_cell_to_its_bands_average():
    """As far as the shift that normalisation has learnt is 0, as the stock class's SpecAugment too."""
    model, batch, masked = narrow(), padded(LENGTHS, 200, 0), blanked()
    model.bn0.bias.zero_()
    averaged = torch.where(masked, model.bn0.running_mean, batch)
    torch.testing.assert_close(model(batch, LENGTHS, masked), model(averaged, LENGTHS), atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_a_clip_without_masked_cells_is_scored_as_ever():
    """Bit for bit, whatever is masked in the others."""
    model, batch, masked = narrow(), padded(LENGTHS, 200, 0), blanked()
    plain, scores = model(batch, LENGTHS), model(batch, LENGTHS, masked)
    assert torch.equal(scores[::3], plain[::3])
    others = torch.arange(len(LENGTHS)) % 3 > 0
    assert (scores - plain)[others].abs().amax(dim=1).min() > 1e-3
    assert torch.equal(model(batch, LENGTHS, torch.zeros_like(masked)), plain)


@pytest.mark.parametrize("training", [False, True], ids=["evaluating", "training"])
def test_masked_cells_past_a_clips_end_do_not_matter(training, monkeypatch):
    no_dropout(monkeypatch)
    batch, masked = padded(LENGTHS, 200, 0), blanked()
    past = torch.from_numpy(np.arange(200) >= LENGTHS[:, None])[..., None]
    states = []
    for cells in (masked, masked | past):
        model = narrow().train(training)
        scores = model(batch, LENGTHS, cells)
        (gradient,) = torch.autograd.grad(scores.square().sum(), model.conv_block1.conv1.weight)
        states.append((scores, gradient, *model.buffers()))
    assert all(map(torch.equal, *states))


def test_masked_cells_get_no_gradient(monkeypatch):
    """In evaluation, where cells do not meet in batch statistics."""
    no_dropout(monkeypatch)
    batch, masked = padded(LENGTHS, 200, 0).requires_grad_(), blanked()
    (gradient,) = torch.autograd.grad(narrow()(batch, LENGTHS, masked).square().sum(), batch)
    assert not gradient[masked].any()
    assert gradient[~masked].any()


# --- building and loading ---


def test_build_is_a_matter_of_the_seed():
    spec = ModelSpec(width=1, weights=None)
    states = []
    for seed in (5, 5, 6):
        torch.rand(seed)  # the global state must not matter
        states.append(build(spec, seed).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["head.0.weight"], states[2]["head.0.weight"])


@pytest.mark.parametrize(("head", "linears"), list(zip(HEADS, (1, 2), strict=True)))
def test_heads(head, linears):
    layers = list(build(ModelSpec(width=1, weights=None, head=head), 0).head)
    assert sum(isinstance(layer, nn.Linear) for layer in layers) == linears
    assert sum(isinstance(layer, nn.ReLU) for layer in layers) == linears - 1
    assert layers[-1].weight.shape == (4, 32)


def checkpoint(name="native-32k", seed=3):
    """A narrow checkpoint in the stock class's form, its AudioSet layer and mel filters included."""
    state = {k: v for k, v in narrow(1, seed=seed).state_dict().items() if not k.startswith("head.")}
    bins = NAMED[name].window_samples // 2 + 1
    return state | {
        "spectrogram_extractor.stft.conv_real.weight": torch.zeros(bins, 1, NAMED[name].window_samples),
        "logmel_extractor.melW": NAMED[name].mel_matrix(),
        "fc_audioset.weight": torch.ones(527, 32),
        "fc_audioset.bias": torch.ones(527),
    }


@pytest.mark.parametrize(
    ("front_end", "made_for"),
    [
        ("paper-loaded", "native-32k"),
        ("native-32k", "native-32k"),
        ("paper-rebuilt", "native-32k"),  # whose name says that it does not read with them
        ("native-16k", "native-16k"),
    ],
)
def test_loading_takes_all_but_front_end_and_head(front_end, made_for):
    state = checkpoint(made_for)
    model = build(ModelSpec(width=1, front_end=front_end, weights=None), seed=0)
    head = {name: value.clone() for name, value in model.head.state_dict().items()}
    load_stock(model, state)
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, head[name[5:]] if name.startswith("head.") else state[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("fc1.weight"), "no CNN14: fc1.weight is missing or unknown"),
        (lambda state: state.pop("conv_block6.bn2.running_var"), "no CNN14: conv_block6.bn2.running_var is"),
        (
            lambda state: state.update({"conv_block7.conv1.weight": torch.ones(1)}),
            "no CNN14: conv_block7.conv1",
        ),
        (lambda state: state["logmel_extractor.melW"].mul_(1.01), "mel filters are not the front end's"),
        (lambda state: state.update(checkpoint("paper-rebuilt")), "mel filters are not the front end's"),
        (lambda state: state.update(checkpoint("native-16k")), "mel filters are not the front end's"),
    ],
)
def test_other_checkpoints_are_refused(change, message):
    state = checkpoint()
    change(state)
    with pytest.raises(WeightsMissing, match=message):
        load_stock(narrow(1), state)


def test_loading_without_mel_filters_and_counters():
    """Older files hold neither how many batches were seen nor, once converted, a front end."""
    state = {
        k: v for k, v in checkpoint().items() if not k.startswith(NOT_OURS) and not k.endswith("tracked")
    }
    model = narrow(1)
    load_stock(model, state)
    torch.testing.assert_close(model.fc1.weight, state["fc1.weight"])


# --- dropout as a setting ---


def dropped(run, monkeypatch):
    """The shares that F.dropout is asked for, with whether it is in use."""
    asked = []
    with monkeypatch.context() as patch:
        patch.setattr(F, "dropout", lambda x, p=0.5, training=True, **_: asked.append((p, training)) or x)
        run()
    return asked


@pytest.mark.parametrize("training", [True, False])
@torch.no_grad()
def test_at_1_dropout_is_the_stock_classs_and_else_that_many_times_it(stock, training, monkeypatch):
    monkeypatch.setitem(stock._modules, "spec_augmenter", nn.Identity())
    theirs = dropped(lambda: stock.train(training)(wave(20001, 2)), monkeypatch)
    assert len(theirs) == 8
    for times in (1.0, 0.5, 0.0):
        model = build(ModelSpec(width=1, weights=None, dropout=times), seed=0).train(training)
        ours = dropped(lambda model=model: model(spectrograms(2, 60), np.full(2, 60)), monkeypatch)
        assert ours == [(pytest.approx(times * share), used) for share, used in theirs]


@torch.no_grad()
def test_without_dropout_training_has_no_chance():
    spectrogram, frames = spectrograms(4, 60), np.full(4, 60)
    same = {}
    for times in (0.0, 1.0):
        model = build(ModelSpec(width=1, weights=None, dropout=times), seed=0).train()
        torch.manual_seed(0)
        first, again = (model.embed(spectrogram, frames) for _ in range(2))
        same[times] = torch.equal(first, again)
    assert same == {0.0: True, 1.0: False}


def test_dropout_draws_no_other_weights():
    states = [
        build(ModelSpec(width=1, weights=None, dropout=times), 3, outputs=8).state_dict()
        for times in (1.0, 0.0)
    ]
    assert len(states[0]["head.0.weight"]) == 8
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
