"""The example of a pretrained network: by librosa's mel and PyTorch's LSTM, window by window."""

import pickle

import librosa
import numpy as np
import pytest
import torch

from benchmark.examples import resemblyzer
from serkit import encoders
from serkit.errors import WeightsMissing
from serkit.specs import ModelSpec
from tests.speech import padded, spoken

MODEL = ModelSpec(encoder="benchmark.examples.resemblyzer:make", settings=(("pretrained", False),))


def expected(network, wave):
    """One clip, as the package describes it."""
    louder = max(1.0, 10 ** (-30 / 20) / np.sqrt(np.mean(np.square(wave))))
    mel = librosa.feature.melspectrogram(y=louder * wave, sr=16_000, n_fft=400, hop_length=160, n_mels=40).T
    found = []
    for first in range(0, max(len(mel) - 160, 0) + 77, 77):
        window = mel[first : first + 160]
        if first and len(window) < 0.75 * 160:
            break
        window = np.pad(window, ((0, 160 - len(window)), (0, 0)))
        _, (hidden, _) = network.lstm(torch.from_numpy(window[None]).float())
        state = torch.relu(network.linear(hidden[-1]))[0].detach().numpy()
        found.append(state / np.linalg.norm(state))
    mean = np.sum(found, axis=0)
    return mean / np.linalg.norm(mean)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return resemblyzer.make(pretrained=False)


@pytest.mark.parametrize("seconds", [0.5, 1.6, 2.9, 4.0])
def test_an_embedding_is_the_mean_over_windows(network, seconds):
    wave, other = (np.tile(spoken(number), 4)[: round(16_000 * of)] for number, of in ((1, seconds), (2, 3)))
    waves, samples = padded([wave, other])
    with torch.no_grad():
        found = network(waves, torch.from_numpy(samples))[0].numpy()
    np.testing.assert_allclose(found, expected(network, wave), atol=2e-5)
    assert np.linalg.norm(found) == pytest.approx(1)


def test_a_checkpoint_is_read_from_the_package_which_is_not_run(network, tmp_path, monkeypatch):
    package = tmp_path / "resemblyzer"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('it was run')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(WeightsMissing, match="pip install --no-deps resemblyzer"):
        resemblyzer.make()
    state = {name: of for name, of in network.state_dict().items() if not name.startswith("mel")}
    torch.save({"model_state": state, "step": 1}, package / "pretrained.pt")
    read = resemblyzer.make().state_dict()
    assert all(torch.equal(read[name], of) for name, of in state.items())
    torch.save({"model_state": state, "step": Ran(tmp_path / "ran")}, package / "pretrained.pt")
    with pytest.raises(pickle.UnpicklingError):
        resemblyzer.make()
    assert not (tmp_path / "ran").exists()


class Ran:
    """Would leave a file where it is unpickled carelessly."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return self.path.touch, ()


def test_it_comes_with_serkit_and_needs_no_leave_to_run():
    assert encoders.describe(MODEL).rate_hz == 16_000
    assert encoders.identify(MODEL).startswith("sha256:")
    assert encoders.build(MODEL, 0).encoder.width == 256
