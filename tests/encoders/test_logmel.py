"""Log-mel against torchlibrosa's and numpy's, mel filters against librosa's, and each clip for itself."""

import librosa
import numpy as np
import pytest
import torch
from scipy import signal
from torch.nn import functional as F
from torchlibrosa.stft import LogmelFilterBank, Spectrogram

from serkit.encoders.cnn14.logmel import FLOOR, MEL_BANDS, MIN_FRAMES, NAMED, LogMel, reflect_at_ends
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
    """Noise whose level swings by 40 dB, and a tone; frames span up to 62 dB: float32 [samples]."""
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


def librosas_filters(name):
    _, window, _, mel_rate_hz, low, high = SETTINGS[name]
    return librosa.filters.mel(sr=mel_rate_hz, n_fft=window, n_mels=64, fmin=low, fmax=high)


def numpys(name, wave, centres):
    """The log-mel of windows cut out around some samples, [centres, 64], in float64 throughout."""
    window = SETTINGS[name][1]
    mirrored = np.pad(wave.numpy().astype(np.float64), window // 2, mode="reflect")
    pieces = np.stack([mirrored[centre : centre + window] for centre in centres])
    power = np.abs(np.fft.rfft(pieces * signal.get_window("hann", window))) ** 2
    return 10 * np.log10(np.maximum(power @ librosas_filters(name).T, 1e-10))


def ours(name, clips, longest=None, garbage=0.0, rates=None):
    """Each clip's own frames, from one padded batch with `garbage` past the ends."""
    samples = np.array([len(clip) for clip in clips])
    longest = longest or int(samples.max())
    waves = garbage * torch.randn(len(clips), longest, generator=torch.Generator().manual_seed(0))
    for wave, clip in zip(waves, clips, strict=True):
        wave[: len(clip)] = clip
    logmel, frames = LogMel(NAMED[name])(waves, samples, rates)
    assert logmel.dtype == torch.float32
    assert frames.dtype == np.int64
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
    """Within 5e-4 dB of its float32 convolution, 2e-4 dB of a float64 FFT: it is the further off."""
    wave = speechlike(samples)
    (logmel,) = ours(name, [wave])
    reference = theirs(name, wave)
    assert logmel.shape == reference.shape == (NAMED[name].frames(np.array(samples)), MEL_BANDS)
    assert (logmel - reference).abs().max() < 5e-4
    exact = numpys(name, wave, range(0, samples + 1, SETTINGS[name][2]))
    assert np.abs(logmel.numpy() - exact).max() < 2e-4


@named
def test_mel_matrix_is_librosas(name):
    np.testing.assert_allclose(NAMED[name].mel_matrix().numpy().T, librosas_filters(name), atol=1e-7)


@named
def test_the_window_is_scipys_to_the_last_bit(name):
    """torch's own in float32 is seven times as far off as rounding, which is heard in quiet bands."""
    front_end = NAMED[name]
    exact = signal.get_window("hann", front_end.window_samples)
    np.testing.assert_allclose(LogMel(front_end).window.numpy(), exact, atol=2**-25, rtol=0)


@named
def test_empty_bands(name):
    """At 16 kHz nine filters lie above Nyquist; they are silent, not just weak."""
    live = NAMED[name].mel_matrix().any(dim=0)
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
        assert (alone - frames).abs().max() < 1e-4


def test_a_clip_is_mirrored_at_its_own_ends():
    waves, samples = torch.rand(4, 50) + 1, torch.tensor([9, 50, 31, 10])
    for clip, padded, n in zip(waves, reflect_at_ends(waves, samples, 8), samples, strict=True):
        torch.testing.assert_close(padded[: n + 16], F.pad(clip[None, :n], (8, 8), mode="reflect")[0])
        assert not padded[n + 16 :].any()


@named
def test_the_shortest_clip_gives_32_frames(name):
    front_end = NAMED[name]
    assert front_end.frames(np.array([front_end.min_samples, front_end.min_samples - 1])).tolist() == [32, 31]
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


# --- frames hop x rate apart ---


@named
def test_rate_1_for_all_is_no_rate_at_all(name):
    clips = [speechlike(n, seed=n) for n in (NAMED[name].min_samples, 20000, 12345)]
    for one, other in zip(ours(name, clips), ours(name, clips, rates=np.ones(3)), strict=True):
        assert torch.equal(one, other)


@named
def test_a_clip_at_rate_1_is_itself_beside_others(name):
    """Bit for bit, whether the others have more frames than it or fewer."""
    clips = [speechlike(n, seed=n) for n in (20000, 20001, 12345, 19840, 33333)]
    rates = np.array([1.0, 0.7, 1.0, 2.0, 1.3])
    plain, stretched = ours(name, clips), ours(name, clips, rates=rates)
    for i in (0, 2):
        assert torch.equal(plain[i], stretched[i])
    assert len(stretched[1]) > len(plain[1])
    assert len(stretched[3]) < len(plain[3])


@named
@pytest.mark.parametrize("rate", [0.5, 0.9, 0.937, 1.0, 1.2, 1.71, 2.0])
def test_frames_at_a_rate_are_those_hop_x_rate_apart(name, rate):
    """Plain log-mel frames, centred on the nearest sample; float64's in numpy within 2e-4 dB."""
    wave = speechlike(24319)
    hop = SETTINGS[name][2]
    frames = int(24319 / (hop * rate)) + 1
    mates = [speechlike(20000), speechlike(21000)]
    logmel = ours(name, [*mates, wave], garbage=0.5, rates=np.array([1.1, 1.0, rate]))[2]
    assert logmel.shape == (frames, MEL_BANDS)
    exact = numpys(name, wave, [round(t * hop * rate) for t in range(frames)])
    assert np.abs(logmel.numpy() - exact).max() < 2e-4


@named
def test_frames_counted_by_hand(name):
    """At a hop of 320: 32000 / (320 x 1.25) = 80, one sample less is not 80, 16000 / (320 x 0.8) = 62.5."""
    per = NAMED[name].hop_samples // 160  # native-16k has half the hop, so half the samples do
    samples = np.array([32000, 31999, 16000, 640, 639]) * per // 2
    rates = np.array([1.25, 1.25, 0.8, 2, 2])
    frames = NAMED[name].frames(samples, rates)
    assert frames.dtype == np.int64
    assert frames.tolist() == [81, 80, 63, 2, 1]
    plain = NAMED[name].frames(samples)
    assert plain.tolist() == NAMED[name].frames(samples, np.ones(5)).tolist() == [101, 100, 51, 3, 2]


RATES = {
    "decimals": lambda _: np.arange(500, 2001) / 1000,
    "between": lambda _: np.linspace(0.5, 2, 99_991),
    # Where hop x rate x 31 is a whole number of samples, or would be but for rounding.
    "whole samples": lambda shortest: np.arange(shortest // 2, 2 * shortest + 1) / shortest,
}


@named
@pytest.mark.parametrize("rates", RATES)
def test_the_shortest_clip_at_any_rate_gives_32_frames(name, rates):
    front_end = NAMED[name]
    rates = RATES[rates](front_end.min_samples)
    least = front_end.min_samples_at(rates)
    assert least.dtype == np.int64
    assert (front_end.frames(least, rates) == MIN_FRAMES).all()
    assert (front_end.frames(least - 2, rates) == MIN_FRAMES - 1).all()  # rounding may cost a sample
    assert front_end.min_samples_at(np.ones(1)) == front_end.min_samples
    for rate in (0.5, 0.937, 2.0):
        (shortest,) = front_end.min_samples_at(np.array([rate]))
        assert len(ours(name, [speechlike(shortest)], rates=np.array([rate]))[0]) == MIN_FRAMES


@named
@pytest.mark.parametrize("rates", [None, (1.2, 0.9, 1.0)])
def test_clips_that_are_too_short_get_silence_behind(name, rates):
    """As much as they need at their rate."""
    rates = None if rates is None else np.array(rates)
    shortest = NAMED[name].min_samples
    given, samples = torch.ones(3, shortest), np.array([2000, shortest, 2001])
    given[0, 2000:] = given[2, 2001:] = 0
    padded = 3 * [shortest] if rates is None else [shortest * 6 // 5, shortest, shortest]
    logmel, frames = LogMel(NAMED[name])(given, samples, rates)
    assert frames.min() >= MIN_FRAMES
    by_hand = F.pad(given, (0, max(padded) - shortest))
    assert torch.equal(LogMel(NAMED[name])(by_hand, np.array(padded), rates)[0], logmel)


@named
@pytest.mark.parametrize("rate", [0.9, 1.2])
def test_a_faster_tone_keeps_its_pitch(name, rate):
    """As many frames as the clip of 1/rate the length, and each the same tone in the same band."""
    rate_hz = SETTINGS[name][0]
    tone = 0.5 * torch.sin(2 * torch.pi * 1000 * torch.arange(2 * rate_hz) / rate_hz)
    (plain,), (stretched,) = ours(name, [tone]), ours(name, [tone], rates=np.array([rate]))
    assert len(stretched) - 1 == int((len(plain) - 1) / rate)
    inner = slice(4, -4)  # at its ends the tone is mirrored, which bends its phase
    assert plain[inner].argmax(dim=1).unique().tolist() == stretched[inner].argmax(dim=1).unique().tolist()
    loudest = plain[10].argmax()
    torch.testing.assert_close(
        stretched[inner, loudest].mean(), plain[inner, loudest].mean(), atol=1e-2, rtol=0
    )
