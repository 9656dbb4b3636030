"""Log-mel against torchlibrosa's, mel filters against librosa's, and each clip for itself."""

import librosa
import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torchlibrosa.stft import LogmelFilterBank, Spectrogram

from serkit.frontend import FLOOR, MEL_BANDS, NAMED, LogMel, reflect_at_ends
from serkit.specs import CHECKPOINT_OF, FRONT_ENDS

# rate, window, hop, rate of the mel filters, lowest and highest Hz: §3 and its readings
SETTINGS = {
    "paper-loaded": (16000, 1024, 320, 32000, 50, 14000),
    "paper-rebuilt": (16000, 1024, 320, 16000, 50, 14000),
    "native-32k": (32000, 1024, 320, 32000, 50, 14000),
    "native-16k": (16000, 512, 160, 16000, 50, 8000),
}

named = pytest.mark.parametrize("name", NAMED)

# Said of paper-rebuilt's nine, by librosa and by torchaudio; test_empty_bands holds which they are.
pytestmark = pytest.mark.filterwarnings("ignore:Empty filters", "ignore:At least one mel filterbank")


def speechlike(samples, seed=0):
    """Noise whose level swings by 40 dB, and a tone: float32 [samples]."""
    random = np.random.default_rng(seed)
    swing = 10 ** (-1 - np.sin(np.arange(samples) / 3000))
    wave = 0.3 * swing * random.standard_normal(samples) + 0.1 * np.sin(np.arange(samples) / 7)
    return torch.from_numpy(wave.astype(np.float32))


def theirs(name, wave):
    """torchlibrosa's log-mel of one clip, [frames, 64]."""
    _, window, hop, mel_rate_hz, low, high = SETTINGS[name]
    filters = LogmelFilterBank(
        sr=mel_rate_hz, n_fft=window, n_mels=64, fmin=low, fmax=high, ref=1.0, amin=1e-10, top_db=None
    )
    spectrogram = Spectrogram(
        n_fft=window, hop_length=hop, win_length=window, window="hann", center=True, pad_mode="reflect"
    )
    with torch.no_grad():
        return filters(spectrogram(wave[None]))[0, 0]


def ours(name, clips, longest=None, garbage=0.0):
    """Each clip's own frames, from one padded batch with `garbage` past the ends."""
    samples = torch.tensor([len(clip) for clip in clips])
    longest = longest or int(samples.max())
    waves = garbage * torch.randn(len(clips), longest, generator=torch.Generator().manual_seed(0))
    for wave, clip in zip(waves, clips, strict=True):
        wave[: len(clip)] = clip
    logmel, frames = LogMel(NAMED[name])(waves, samples)
    assert logmel.dtype == torch.float32
    return [one[:n] for one, n in zip(logmel, frames, strict=True)]


def test_every_name_has_a_front_end():
    assert tuple(NAMED) == FRONT_ENDS == tuple(CHECKPOINT_OF)


@named
def test_settings(name):
    front_end = NAMED[name]
    assert (
        front_end.rate_hz,
        front_end.window_samples,
        front_end.hop_samples,
        front_end.mel_rate_hz,
        front_end.low_hz,
        front_end.high_hz,
    ) == SETTINGS[name]


@named
@pytest.mark.parametrize("samples", [9920, 16001, 24319])
def test_frames_are_torchlibrosas(name, samples):
    wave = speechlike(samples)
    (logmel,) = ours(name, [wave])
    reference = theirs(name, wave)
    assert logmel.shape == reference.shape == (NAMED[name].frames(torch.tensor(samples)), MEL_BANDS)
    assert (logmel - reference).abs().max() < 1e-3


@named
def test_mel_matrix_is_librosas(name):
    _, window, _, mel_rate_hz, low, high = SETTINGS[name]
    reference = librosa.filters.mel(sr=mel_rate_hz, n_fft=window, n_mels=64, fmin=low, fmax=high)
    np.testing.assert_allclose(NAMED[name].mel_matrix().numpy().T, reference, atol=1e-7)


@named
def test_empty_bands(name):
    """At 16 kHz nine filters lie above Nyquist; they are silent, not just weak."""
    live = NAMED[name].live_bands()
    dead = list(range(55, 64)) if name == "paper-rebuilt" else []
    assert (~live).nonzero().flatten().tolist() == dead
    (logmel,) = ours(name, [speechlike(16000)])
    torch.testing.assert_close(logmel[:, dead], torch.full((len(logmel), len(dead)), -100.0))
    assert (logmel[:, live] > -100).all()


def test_paper_loaded_reads_an_octave_up():
    """What loading the 32 kHz checkpoint does to 16 kHz audio: a tone shows where its octave belongs."""
    tone = torch.sin(2 * torch.pi * 1000 / 16000 * torch.arange(16000))
    octave = torch.sin(2 * torch.pi * 2000 / 32000 * torch.arange(16000))
    loaded, native = ours("paper-loaded", [tone])[0], ours("native-32k", [octave])[0]
    torch.testing.assert_close(loaded, native, atol=1e-2, rtol=0)
    assert loaded.mean(dim=0).argmax() > ours("paper-rebuilt", [tone])[0].mean(dim=0).argmax() + 5


@named
@pytest.mark.parametrize("garbage", [0.0, 0.5])
def test_a_clip_is_the_same_in_every_batch(name, garbage):
    """Alone and padded, whatever lies in the padding, and past ends that fall anywhere between two frames."""
    front_end = NAMED[name]
    shortest = front_end.min_samples
    clips = [speechlike(n, seed=n) for n in (shortest, shortest + 1, 20000, 12345, 14000)]
    batched = ours(name, clips, 21111, garbage)
    for clip, frames in zip(clips, batched, strict=True):
        (alone,) = ours(name, [clip])
        assert alone.shape == frames.shape
        assert (alone - frames).abs().max() < 1e-3


def test_a_clip_is_mirrored_at_its_own_ends():
    waves, samples = torch.rand(4, 50) + 1, torch.tensor([9, 50, 31, 10])
    for clip, padded, n in zip(waves, reflect_at_ends(waves, samples, 8), samples, strict=True):
        torch.testing.assert_close(padded[: n + 16], F.pad(clip[None, :n], (8, 8), mode="reflect")[0])
        assert not padded[n + 16 :].any()


@named
def test_the_shortest_clip_gives_32_frames(name):
    front_end = NAMED[name]
    assert front_end.frames(torch.tensor([front_end.min_samples, front_end.min_samples - 1])).tolist() == [
        32,
        31,
    ]
    assert len(ours(name, [speechlike(front_end.min_samples)])[0]) == 32


@named
def test_silence_is_the_floor(name):
    (logmel,) = ours(name, [torch.zeros(NAMED[name].min_samples)])
    torch.testing.assert_close(logmel, torch.full_like(logmel, 10 * np.log10(FLOOR)))


def test_float32_under_autocast():
    wave = speechlike(16000)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (cast,) = ours("native-16k", [wave])
    torch.testing.assert_close(cast, ours("native-16k", [wave])[0], atol=0, rtol=0)
