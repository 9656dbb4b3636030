"""DNSMOS against the package's own scores of one window; a clip's level and company do not matter."""

import functools
import hashlib
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from serkit.acoustics import quality
from serkit.acoustics.quality import Dnsmos, heard
from serkit.errors import ExtraMissing
from tests.speech import spoken

WINDOW_SAMPLES = 144_160  # 9.01 s

dnsmos = pytest.importorskip("speechmos.dnsmos", reason="pip install 'serkit[acoustics]'")


@pytest.fixture(scope="module")
def ours():
    return Dnsmos()


@pytest.fixture(scope="module")
def clean(ours):
    """The P.835 scores of `spoken(0)`, float64 [3]."""
    return ours.p835([spoken(0)])[0]


@pytest.fixture(scope="module")
def package():
    """The package's own class; on one thread, for two that wait for each other take twice the time."""
    options = dnsmos.ort.SessionOptions()
    options.intra_op_num_threads = 1
    folder = Path(dnsmos.__file__).parent / "dnsmos_models"
    opened = functools.partial(dnsmos.ort.InferenceSession, sess_options=options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dnsmos, "ort", SimpleNamespace(InferenceSession=opened))
        return dnsmos.DNSMOS(str(folder / "sig_bak_ovr.onnx"), str(folder / "model_v8.onnx"))


@pytest.fixture
def their_p808(package, monkeypatch):
    """The package's P.808 of one window, without P.835, which takes longer."""
    monkeypatch.setattr(package, "onnx_sess", SimpleNamespace(run=lambda *_: [np.zeros((1, 3))]))
    return lambda window: package(window, 16_000, False)["p808_mos"]


def noisy(clip, snr_db):
    noise = np.random.default_rng(0).standard_normal(len(clip)) * np.sqrt(np.mean(clip**2))
    return (clip + noise * 10 ** (-snr_db / 20)).astype(np.float32)


def long_clip():
    """12 s of speech, each second another clip's."""
    return np.concatenate([spoken(number)[:16_000] for number in range(12)])


# ---------------------------------------------------------------------------------- the package's own numbers


@pytest.mark.parametrize("clip", [spoken(1), long_clip()], ids=["short", "long"])
def test_scores_are_the_packages_of_the_first_window(ours, package, clip):
    window = heard(clip)
    assert window.shape == (WINDOW_SAMPLES,)
    scores = package(window, 16_000, False)
    # Equal here; another processor may sum in another order.
    assert ours.p808([clip])[0] == pytest.approx(scores["p808_mos"], abs=1e-4)
    p835 = [scores[name] for name in ("ovrl_mos", "sig_mos", "bak_mos")]
    assert ours.p835([clip])[0] == pytest.approx(p835, abs=1e-4)


def test_a_second_thread_changes_nothing(ours, clean):
    two = Dnsmos(threads=2)
    assert two.p808([spoken(0)]) == pytest.approx(ours.p808([spoken(0)]), abs=1e-5)
    assert two.p835([spoken(0)])[0] == pytest.approx(clean, abs=1e-5)


# ------------------------------------------------------------------------------------- what the networks hear


def level_dbfs(wave):
    return 10 * np.log10(np.mean(wave.astype(np.float64) ** 2))


@pytest.mark.parametrize("peak", [1e-4, 0.3, 1.0, 8.0])
@pytest.mark.parametrize("samples", [4_800, 20_000, WINDOW_SAMPLES, 200_000])
def test_what_is_heard_has_one_level_and_one_length(samples, peak):
    clip = np.resize(spoken(0), samples) * np.float32(peak)
    window = heard(clip)
    assert window.dtype == np.float32
    assert len(window) == WINDOW_SAMPLES
    assert level_dbfs(window) == pytest.approx(-26, abs=1e-3)
    # A short clip, cut by less than 80 ms, begins again at its end, as the package doubles it; of a long one
    # nothing more is heard.
    doubled = clip if samples >= WINDOW_SAMPLES else clip[: (samples - 780) // 1280 * 1280 + 780]
    while len(doubled) < WINDOW_SAMPLES:
        doubled = np.append(doubled, doubled)
    assert np.corrcoef(window, doubled[:WINDOW_SAMPLES])[0, 1] == pytest.approx(1, abs=1e-6)


def test_a_clip_of_whole_blocks_of_80_ms_is_not_judged_lower(ours, their_p808):
    """The package's way it is, for P.808 sees the same blocks each time a clip comes round."""
    clips = [spoken(number)[:17_920] for number in (0, 3)]  # 14 blocks
    assert all(len(clip) == 17_920 for clip in clips)
    shorter = [clip[:-500] for clip in clips]
    assert abs(np.mean(ours.p808(clips)) - np.mean(ours.p808(shorter))) < 0.05
    whole, cut = (
        [their_p808(np.resize(clip, WINDOW_SAMPLES)) for clip in of_length] for of_length in (clips, shorter)
    )
    assert np.mean(whole) - np.mean(cut) < -0.1


def test_peaks_never_exceed_full_scale():
    clip = np.zeros(WINDOW_SAMPLES, dtype=np.float32)
    clip[1000:1003] = 0.02, -0.03, 0.01
    window = heard(clip)
    assert np.abs(window).max() == pytest.approx(1)
    assert np.abs(window).max() <= 1
    assert level_dbfs(window) < -26
    assert window[1000] / window[1001] == pytest.approx(-2 / 3)


def test_level_does_not_matter(ours, clean):
    clip = spoken(0) * np.float32(0.01)
    assert ours.p808([clip]) == pytest.approx(ours.p808([spoken(0)]), abs=1e-3)
    assert ours.p835([clip])[0] == pytest.approx(clean, abs=1e-3)


def test_only_the_first_window_counts(ours):
    clip = long_clip()
    other = clip.copy()
    other[WINDOW_SAMPLES:] = 0.5
    assert ours.p808([other])[0] == ours.p808([clip])[0]
    other[WINDOW_SAMPLES - 8000 : WINDOW_SAMPLES] = 0.1 * np.random.default_rng(0).standard_normal(8000)
    assert ours.p808([other])[0] != ours.p808([clip])[0]


def test_a_short_clip_is_scored(ours):
    scores = ours.p808([spoken(0)[3000:7800], spoken(0)[:1]])
    assert np.isfinite(scores).all()
    assert (scores > 0.5).all()
    assert (scores < 5).all()


def test_silence_has_no_score(ours):
    clips = [np.zeros(16_000, dtype=np.float32), np.zeros(0, dtype=np.float32), spoken(0)]
    assert np.isnan(ours.p808(clips)).tolist() == [True, True, False]
    assert np.isnan(ours.p835(clips[:2])).all()


# ----------------------------------------------------------------------------------------------- how they act


def test_a_clips_scores_do_not_depend_on_the_others(ours, clean):
    clips = [spoken(number) for number in range(4)]
    together = ours.p808(clips)
    assert together.shape == (4,)
    assert together.dtype == np.float64
    assert [ours.p808([clip])[0] for clip in clips] == together.tolist()
    assert ours.p808(clips[::-1]).tolist() == together[::-1].tolist()
    pair = ours.p835(clips[1::-1])
    assert pair.shape == (2, 3)
    assert pair[1].tolist() == clean.tolist()
    assert ours.p808([]).shape == (0,)
    assert ours.p835([]).shape == (0, 3)


def test_noise_lowers_p808(ours):
    # Clips of the clean recording; in the noisy and the narrow-band ones little is left to lose.
    ratios_db = (60, 30, 20, 10, 0)
    p808 = np.array(
        [ours.p808([noisy(spoken(number), ratio) for ratio in ratios_db]) for number in (0, 3, 6, 9, 12)]
    )
    assert (np.diff(p808.mean(axis=0)) < -0.05).all()
    assert (p808[:, 0] - p808[:, 3] > 0.3).all()
    assert (p808[:, 0] - p808[:, 4] > 0.4).all()


def test_noise_lowers_p835_and_is_heard_in_the_background_first(ours, clean):
    scores = ours.p835([noisy(spoken(0), ratio) for ratio in (20, 0)])
    overall, signal, background = np.diff([clean, *scores], axis=0).T
    assert (overall < -0.2).all()
    assert (background < -0.2).all()
    assert background[0] < overall[0] < signal[0]


# ------------------------------------------------------------------------------------------- extra and digest


@pytest.mark.parametrize("package", ["speechmos", "onnxruntime", "librosa"])
def test_a_missing_package_is_named_with_the_way_out(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExtraMissing, match=rf"{package} .*pip install 'serkit\[acoustics\]'"):
        Dnsmos()


def test_onnx_runtime_counts_nobody(monkeypatch):
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    monkeypatch.setattr(quality, "_models", lambda: [])
    with pytest.raises(ValueError, match="unpack"):  # no networks: it is enough that it was told before
        quality.Dnsmos()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"


def test_the_digest_is_of_both_networks(monkeypatch, tmp_path):
    folder = Path(dnsmos.__file__).parent / "dnsmos_models"
    p808, p835 = ((folder / name).read_bytes() for name in ("model_v8.onnx", "sig_bak_ovr.onnx"))
    assert quality.digest() == hashlib.sha256(p808 + p835).hexdigest()[:12]

    copied = tmp_path / "dnsmos_models"
    copied.mkdir()
    monkeypatch.setattr(quality.resources, "files", lambda package: tmp_path)
    digests = set()
    for first, second in ((p808, p835), (p808[:-1] + b"?", p835), (p808, p835[:-1] + b"?")):
        (copied / "model_v8.onnx").write_bytes(first)
        (copied / "sig_bak_ovr.onnx").write_bytes(second)
        digests.add(quality.digest())
    assert len(digests) == 3
    assert quality.digest() == quality.digest()


def test_the_digest_needs_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "speechmos", None)
    with pytest.raises(ExtraMissing, match="speechmos"):
        quality.digest()
