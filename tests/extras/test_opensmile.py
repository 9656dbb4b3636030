"""openSMILE as an encoder: its own numbers of the clip's file, whatever the clip is batched with."""

import sys

import numpy as np
import pytest
import soundfile
import torch

from serkit.encoders import opensmile as encoder
from serkit.errors import ExtraMissing, SpecError
from serkit.specs import ModelSpec
from tests.speech import RATE_HZ, padded, spoken


def named(feature_set="eGeMAPSv02", **settings):
    return ModelSpec(encoder=f"opensmile:{feature_set}", settings=tuple(sorted(settings.items())))


def test_a_description_needs_no_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    described = encoder.describe(named())
    assert (described.rate_hz, described.takes) == (16_000, "waves")


@pytest.mark.parametrize("needs_it", [encoder.identify, encoder.make])
def test_a_missing_package_is_named_with_the_way_out(monkeypatch, needs_it):
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(ExtraMissing, match=r"opensmile is .*pip install 'serkit\[opensmile\]'"):
        needs_it(named())


@pytest.fixture(scope="module")
def package():
    return pytest.importorskip("opensmile", reason="pip install 'serkit[opensmile]'")


@pytest.fixture(scope="module")
def egemaps(package):
    return encoder.make(named())


def quantised(wave):
    """As audio files and packs have it: whole steps of 16 bits."""
    return np.rint(wave * 32768).clip(-32768, 32767).astype(np.int16)


CLIPS = [quantised(wave) for wave in (spoken(0), spoken(1, samples=9000), spoken(2), spoken(3, peak=1.0))]


def batch(clips, longer=0):
    waves, samples = padded([clip / 32768 for clip in clips], longer)
    return waves, torch.from_numpy(samples)


# --- names ---


def test_what_it_is_called_names_the_version_and_the_set(package):
    assert encoder.identify(named()) == f"opensmile {package.__version__} eGeMAPSv02 functionals"


def test_two_names_of_a_set_are_one(package):
    assert encoder.identify(named("eGeMAPSv01a")) == encoder.identify(named("eGeMAPS"))


@pytest.mark.parametrize("name", ["eGeMAPS99", "", "egemapsv02", "/etc/passwd", "__class__"])
@pytest.mark.parametrize("asked", [encoder.identify, encoder.make])
def test_an_unknown_set_is_refused_with_the_known_ones(package, name, asked):
    with pytest.raises(
        SpecError, match=r"opensmile: '.*': expected one of .*ComParE_2016.* eGeMAPSv02, .*IS13"
    ):
        asked(named(name))


def test_there_are_no_settings(package):
    with pytest.raises(SpecError, match=r"'opensmile:eGeMAPSv02' has no settings; got \{'hop': 10\}"):
        encoder.identify(named(hop=10))


# --- features ---


def test_features_are_opensmiles_of_the_file(package, egemaps, tmp_path):
    waves, samples = batch(CLIPS)
    made = egemaps(waves, samples)
    assert (made.dtype, made.shape, egemaps.width) == (torch.float32, (4, 88), 88)
    smile = package.Smile(package.FeatureSet.eGeMAPSv02, package.FeatureLevel.Functionals)
    for row, clip in zip(made.numpy(), CLIPS, strict=True):
        soundfile.write(tmp_path / "clip.wav", clip, RATE_HZ, subtype="PCM_16")
        np.testing.assert_array_equal(row, smile.process_file(tmp_path / "clip.wav").to_numpy()[0])
        signal = smile.process_signal(clip.astype(np.float32) / 32768, RATE_HZ)
        np.testing.assert_array_equal(row, signal.to_numpy()[0])


def test_a_clip_is_the_same_alone_and_in_a_batch(egemaps):
    """Bit for bit, with more padding than its longest mate needs, and with anything at all in the padding."""
    waves, samples = batch(CLIPS, longer=5000)
    together = egemaps(waves, samples)
    waves[torch.arange(waves.shape[1]) >= samples[:, None]] = 0.5
    assert torch.equal(egemaps(waves, samples), together)
    for row, clip in enumerate(CLIPS):
        assert torch.equal(egemaps(*batch([clip])), together[[row]])


def test_its_input_is_left_as_it_was(egemaps):
    waves, samples = batch([3 * CLIPS[0].astype(float), CLIPS[1]], longer=100)
    waves += 0.01
    before = waves.clone()
    egemaps(waves, samples)
    assert torch.equal(waves, before)


def test_what_peaks_above_full_scale_is_clipped_and_does_not_wrap_round(egemaps):
    loud = batch([8.0 * CLIPS[3]])
    assert loud[0].abs().max() > 2
    clipped = batch([quantised(8.0 * CLIPS[3] / 32768)])
    torch.testing.assert_close(egemaps(*loud), egemaps(*clipped), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("samples", [1, 100, 959, 960, encoder.MIN_SAMPLES - 1])
def test_clips_too_short_are_padded_with_silence(egemaps, samples):
    wave = quantised(spoken(0)[5000 : 5000 + samples])
    made = egemaps(*batch([wave]))
    assert torch.equal(made, egemaps(*batch([np.pad(wave, (0, encoder.MIN_SAMPLES - samples))])))
    assert made.isfinite().all()


def test_silence_gives_numbers(egemaps):
    assert egemaps(torch.zeros(2, RATE_HZ), torch.tensor([RATE_HZ, 10])).isfinite().all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_0(egemaps, monkeypatch, value):
    monkeypatch.setattr(egemaps, "_smile", lambda wave, rate_hz: np.full((1, 88, 1), value, np.float32))
    assert not egemaps(*batch(CLIPS)).any()


@pytest.mark.filterwarnings("ignore:.*deprecated")  # the first GeMAPS, which are others than the later ones
@pytest.mark.filterwarnings("ignore:Segment too short")
def test_every_set_takes_the_shortest_clip_and_says_nothing(package, capfd):
    """And a sample less is too short for one of them."""
    wave, short = batch([quantised(spoken(0)[5000 : 5000 + encoder.MIN_SAMPLES])]), []
    for feature_set in package.FeatureSet:
        made = encoder.make(named(feature_set.name))
        assert not list(made.parameters())
        features = made(*wave)
        assert features.shape == (1, made.width)
        assert features.isfinite().all()
        assert features.any()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(encoder, "MIN_SAMPLES", encoder.MIN_SAMPLES - 1)
            short.append(not made(wave[0][:, :-1], wave[1] - 1).any())
    assert any(short)
    assert capfd.readouterr() == ("", "")
