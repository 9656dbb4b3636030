"""A small model of every kind of encoder, for what holds for all."""

import textwrap

from serkit.specs import STATISTICS, ModelSpec

OF_FRAMES = textwrap.dedent("""
    import torch
    from torch import nn

    class Frames(nn.Module):
        rate_hz, width, min_samples = 16_000, 6, 400

        def __init__(self):
            super().__init__()
            self.layer = nn.Conv1d(1, self.width, 400, 160)
            self.gain = nn.Linear(self.width, self.width)

        def forward(self, waves, samples):
            frames = torch.relu(self.layer(waves[:, None]))
            own = torch.arange(frames.shape[2]) < ((samples.clamp(min=400) - 400) // 160 + 1)[:, None]
            return self.gain((frames * own[:, None]).sum(dim=2) / own.sum(dim=1)[:, None])

    def make():
        return Frames()
""")


def of_function(folder):
    """A convolution over frames, its mean over a clip's own."""
    (folder / "frames.py").write_text(OF_FRAMES)  # which `SERKIT_CODE` names
    return ModelSpec(encoder="frames.py:make")


def of_hub(folder):
    """Wav2vec2 as its base models are, normalised over time: the harder case."""
    from tests.extras.test_hf import network, saved

    return ModelSpec(encoder=f"hf:{saved(network('Wav2Vec2', 'group'), folder)}")


MADE = {
    "hf": of_hub,
    "cnn14": lambda folder: ModelSpec(width=2, weights=None, dropout=0.0),
    "logmel_statistics": lambda folder: STATISTICS,
    "function": of_function,
    "opensmile": lambda folder: ModelSpec(encoder="opensmile:eGeMAPSv02", freeze=("encoder",)),
}
"""What makes a model of each kind, in a folder for the files that it needs."""
