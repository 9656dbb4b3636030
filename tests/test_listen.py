"""`benchmark listen`: what is heard is what the chain makes, what is shown is what training loads."""

import dataclasses
import functools
import io
import re
from urllib.parse import unquote

import matplotlib.image
import numpy as np
import pytest
import soundfile
import torch
from click.testing import CliRunner
from matplotlib.figure import Figure

from benchmark import cli
from benchmark import listen as listening
from benchmark import study as studies
from serkit import audio, augment
from serkit.audio import FULL_SCALE
from serkit.augment import Augmenting
from serkit.clips import ClipSet
from serkit.effects import EFFECTS
from serkit.encoders.cnn14.logmel import NAMED, LogMel
from serkit.loader import Epoch, Loader
from serkit.packs import Pack
from tests.speech import RATE_HZ, spoken

PICTURE = listening.picture
SPEECH = np.round(spoken(0, peak=0.5) * FULL_SCALE).astype(np.int16)
ON_WAVE = [effect for effect in EFFECTS if effect != "specaugment"]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", autouse=True)
def _kept():
    """What a chain needs is made once: two minutes of noise take a third of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(augment, "PinkNoise", functools.cache(augment.PinkNoise))
        patch.setattr(augment, "Reverb", functools.cache(augment.Reverb))
        yield


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SERKIT_RESULTS", raising=False)


@pytest.fixture(autouse=True)
def shown(monkeypatch):
    """What `picture` is given: its rows. Only `everything` draws them."""
    kept = []
    monkeypatch.setattr(listening, "picture", lambda rows, *_: kept.extend(rows) or Figure((1, 1)))
    return kept


def clip(folder, samples=SPEECH, rate_hz=RATE_HZ, name="clip.wav", **how):
    soundfile.write(folder / name, samples, rate_hz, **how)
    return str(folder / name)


def called(*arguments):
    outcome = CliRunner().invoke(cli.main, ["listen", *arguments])
    assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
    return outcome


def heard(*arguments):
    outcome = called(*arguments)
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    return outcome.stdout


def wave(path):
    samples, rate_hz = soundfile.read(path, dtype="float32")
    assert (soundfile.info(path).subtype, rate_hz, samples.ndim) == ("FLOAT", RATE_HZ, 1)
    assert np.isfinite(samples).all()
    return samples


def own_study(folder, settings):
    text = """title = "A study"
rates_percent = [0, 100]
[corpora.a]
reader = "synthetic"
[table1]
train = [["a"]]
"""
    (folder / "own.toml").write_text(text + settings)
    return str(folder / "own.toml")


# --- the whole of it, once ---


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    folder = tmp_path_factory.mktemp("listen")
    printed = heard(clip(folder), "--each", "--draws", "2", "--seed", "3", "--output", str(folder / "out"))
    return folder / "out", printed


def test_every_effect_alone_and_all_together(everything):
    folder, _ = everything
    expected = {"clip-original.wav", "clip-all-each.png", "clip-all-each.html"}
    for number in (1, 2):
        expected |= {f"clip-{name}-{number}.wav" for name in ON_WAVE if name != "stretch"}
        expected |= {f"clip-{name}-{number}-vocoder.wav" for name in ("stretch", "all")}
    assert {path.name for path in folder.iterdir()} == expected


def test_the_page_has_a_player_for_each_wav(everything):
    folder, _ = everything
    text = (folder / "clip-all-each.html").read_text()
    assert set(re.findall(r'src="([^"]+[.]wav)"', text)) == {path.name for path in folder.glob("*.wav")}
    assert 'src="clip-all-each.png"' in text


def test_names_of_clips_are_text_on_the_page(tmp_path):
    name = "<img src=x onerror=y>&.wav"
    heard(clip(tmp_path, name=name), "--draws", "1", "--effect", "noise", "--output", str(tmp_path / "out"))
    (page,) = (tmp_path / "out").glob("*.html")
    assert "<img src=x" not in page.read_text()
    (wav,) = re.findall(r'src="([^"]+noise-1[.]wav)"', page.read_text())
    assert (tmp_path / "out" / unquote(wav)).is_file()


def test_what_is_printed(everything):
    folder, printed = everything
    assert all(str(path) in printed for path in folder.iterdir())
    spec = studies.read("paper").augmentation
    drawn = augment.draw(Augmenting(spec), seed=3, epoch=0, clips=2)
    for row, column in enumerate(np.transpose(_table(printed))):
        shares, bands = drawn.time_masks[row, :, 0], drawn.band_masks[row, :, 0]
        assert column.tolist() == [
            f"x{drawn.stretch_rate[row]:.2f}",
            f"{drawn.fade_in_share[row]:.1%}".replace("%", " %"),
            f"{drawn.fade_out_share[row]:.1%}".replace("%", " %"),
            f"{drawn.shift_share[row]:+.1%}".replace("%", " %"),
            f"{drawn.high_pass_hz[row]:.0f} Hz",
            f"{drawn.low_pass_hz[row]:.0f} Hz",
            f"{drawn.room_size[row]:.2f}",
            f"{drawn.wet_level[row]:.2f}",
            f"{drawn.noise_snr_db[row]:.1f} dB",
            " + ".join(f"{share:.1%}".replace("%", " %") for share in shares),
            f"{bands[0]:.0f} + {bands[1]:.0f}",
        ]
    assert "vocoder" in printed.splitlines()[1]
    assert "SpecAugment" in printed
    assert "softer than the levels" not in printed  # nothing peaks above full scale


def _table(printed):
    lines = printed.split("\n\n")[1].splitlines()
    assert re.split(r"\s{2,}", lines[0].strip()) == ["draw 1", "draw 2"]
    return [re.split(r"\s{2,}", line)[1:] for line in lines[2:]]


def test_the_wavs(everything):
    folder, printed = everything
    drawn = augment.draw(Augmenting(studies.read("paper").augmentation), seed=3, epoch=0, clips=2)
    original = wave(folder / "clip-original.wav")
    np.testing.assert_array_equal(original, SPEECH / np.float32(FULL_SCALE))
    for row in (0, 1):
        for name in ON_WAVE[1:]:
            made = wave(folder / f"clip-{name}-{row + 1}.wav")
            assert len(made) == len(original)
            assert not np.array_equal(made, original)
        noise = wave(folder / f"clip-noise-{row + 1}.wav") - original
        snr_db = 10 * np.log10(np.square(original).sum() / np.square(noise).sum())
        assert snr_db == pytest.approx(drawn.noise_snr_db[row], abs=0.05)
        for name in ("stretch", "all"):
            made = wave(folder / f"clip-{name}-{row + 1}-vocoder.wav")
            assert len(made) == round(len(original) / drawn.stretch_rate[row])
    peak = 20 * np.log10(np.abs(original).max())
    assert re.search(rf"clip-original.wav +{len(SPEECH) / RATE_HZ:.2f} +{peak:.1f} ", printed)


def test_the_picture(everything):
    pixels = matplotlib.image.imread(everything[0] / "clip-all-each.png")
    height, width, _ = pixels.shape
    assert width == 1500
    assert 1200 < height < 2400  # nine rows
    grey = (np.abs(pixels[..., :3] - float(listening.MASKED)) < 0.01).all(axis=2)
    assert 0.002 < grey.mean() < 0.2  # SpecAugment's, in two of nine rows
    assert len(np.unique(pixels[::3, ::3, :3].reshape(-1, 3), axis=0)) > 200


def test_the_heading_is_no_formula():
    front_end = NAMED["paper-loaded"]
    version = listening.unchanged(front_end, torch.zeros(1, RATE_HZ))
    PICTURE([[version, version]], front_end, "a $b_{$ c.wav").savefig(io.BytesIO())


# --- the same chain as in training ---


@pytest.mark.parametrize(
    ("samples", "settings", "within_db"),
    [
        (SPEECH, {}, 0),
        (SPEECH, {"stretch_method": "vocoder"}, 0),
        (SPEECH[:3000], {}, 0.01),  # a batch in training is padded before the FFT, which rounds otherwise
        (np.tile(SPEECH, 4), {}, 0),
    ],
    ids=["features", "vocoder", "short", "long"],
)
def test_what_is_shown_is_what_training_loads(tmp_path, shown, samples, settings, within_db):
    study = studies.read("paper")
    study = dataclasses.replace(
        study,
        augmentation=dataclasses.replace(study.augmentation, **settings),
        recipe=dataclasses.replace(study.recipe, max_seconds=2.5, loudness_dbfs=-30.0),
    )
    path = audio.Path(clip(tmp_path, samples))
    listening.listen(path, study, (), each=False, draws=2, seed=5, folder=tmp_path)

    front_end = NAMED[study.model.front_end]
    loader = Loader(front_end, study.recipe, "cpu", Augmenting(study.augmentation), 5)
    clips = ClipSet([Pack(samples, np.array([0, len(samples)]), RATE_HZ, "")], *np.zeros((3, 2), dtype=int))
    drawn = augment.draw(loader.augmenting, 5, 0, 2)
    two = np.arange(2)
    logmel_of = LogMel(front_end)
    as_it_was, _, _ = logmel_of.inputs(loader.load(clips, two))
    logmel, frames, masked = logmel_of.inputs(
        loader.load(clips, two, Epoch([two], np.zeros(2, dtype=int), drawn))
    )
    ((original,), *versions) = shown
    np.testing.assert_allclose(original.logmel, as_it_was[0], rtol=0, atol=0)
    for row, (version,) in enumerate(versions):
        np.testing.assert_allclose(version.logmel, logmel[row, : frames[row]], rtol=0, atol=within_db)
        np.testing.assert_array_equal(version.masked, masked[row, : frames[row]])
        np.testing.assert_array_equal(original.masked, False)


def test_the_vocoders_wav_is_what_a_study_with_the_vocoder_has(tmp_path, shown):
    study = own_study(tmp_path, '[augmentation]\nstretch_method = "vocoder"\n')
    path = clip(tmp_path)
    printed = heard(path, "--effect", "stretch", "--draws", "1", "--study", study, "--output", "out")
    assert "on features" not in printed
    assert "on features" in heard(path, "--effect", "stretch", "--draws", "1", "--output", "out")
    one, other = (wave(f"out/clip-stretch-1{ending}.wav") for ending in ("", "-vocoder"))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", ["paper-loaded", "paper-rebuilt", "native-32k", "native-16k"])
@pytest.mark.filterwarnings("ignore:At least one mel filterbank")
def test_a_tone_lies_at_its_frequency(name):
    front_end = NAMED[name]
    places, labels = listening._ticks(front_end)
    assert len(places) >= 5
    for place, label in zip(places, labels, strict=True):
        tone = np.sin(2 * np.pi * float(label) * np.arange(front_end.rate_hz) / front_end.rate_hz)
        version = listening.unchanged(front_end, torch.from_numpy(tone).float()[None])
        assert abs(version.logmel[20].argmax() - place) <= 1


# --- effects ---


def test_a_shift_alone_moves_the_clip_and_nothing_else(tmp_path, shown):
    printed = heard(clip(tmp_path), "--effect", "shift", "--draws", "3", "--seed", "2", "--output", "out")
    assert [len(title) for title in _titles(shown)] == [1, 1, 1]
    original = wave("out/clip-original.wav")
    shares = augment.draw(Augmenting(studies.read("paper").augmentation), 2, 0, 3).shift_share
    assert min(shares) < 0 < max(shares)
    for number, share in enumerate(shares, start=1):
        by = round(len(original) * share)
        expected = np.zeros_like(original)
        expected[max(by, 0) : len(original) + min(by, 0)] = original[max(-by, 0) : len(original) - max(by, 0)]
        np.testing.assert_array_equal(wave(f"out/clip-shift-{number}.wav"), expected)
        assert f"{100 * share:+.1f} %" in printed
    assert "picture: out/clip-shift.png" in printed


def _titles(rows):
    titles = [version.title for row in rows for version in row if version.name != "original"]
    return [title.partition(": ")[2].split(", ") for title in titles]


def test_some_effects_together_and_each(tmp_path, shown):
    heard(
        clip(tmp_path), "--effect", "fade", "--effect", "shift", "--effect", "fade", "--each", "--draws", "1"
    )
    assert [[version.name for version in row] for row in shown] == [
        ["original"],
        ["fade-1"],
        ["shift-1"],
        ["fade+shift-1"],
    ]


def test_an_effect_draws_the_same_alone_and_among_others(tmp_path, shown):
    path = clip(tmp_path)
    heard(path, "--effect", "equalizer", "--draws", "1")
    heard(path, "--effect", "equalizer", "--effect", "shift", "--draws", "2")
    alone, first, _ = _titles(shown)
    assert set(alone) < set(first)


def test_specaugment_alone_is_on_no_wave(tmp_path, shown):
    printed = heard(clip(tmp_path), "--effect", "specaugment", "--draws", "1", "--output", "out")
    assert "not in the wavs" in printed
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "clip-original.wav",
        "clip-specaugment.html",
        "clip-specaugment.png",
    }
    (original,), (version,) = shown
    np.testing.assert_array_equal(version.logmel, original.logmel)
    assert version.masked.any()


def test_the_same_seed_gives_the_same_samples(tmp_path):
    path = clip(tmp_path)
    for folder, seed in {"one": "1", "two": "1", "three": "2"}.items():
        heard(path, "--effect", "noise", "--draws", "1", "--seed", seed, "--output", folder)
    one, two, three = (wave(f"{folder}/clip-noise-1.wav") for folder in ("one", "two", "three"))
    np.testing.assert_array_equal(one, two)
    assert not np.allclose(one, three, atol=1e-3)


# --- clips of all kinds ---


def test_stereo_at_another_rate(tmp_path):
    random = np.random.default_rng(0)
    both = 0.1 * random.standard_normal((44100, 2))
    path = clip(tmp_path, both, 44100, "stereo.flac", subtype="PCM_24")
    heard(path, "--effect", "fade", "--draws", "1")
    original = wave("results/listen/stereo-original.wav")
    assert len(original) == RATE_HZ
    np.testing.assert_array_equal(original, audio.decode(audio.Path(path), RATE_HZ) / np.float32(FULL_SCALE))


def test_a_long_clip_counts_by_its_start(tmp_path):
    study = own_study(tmp_path, "[recipe]\nmax_seconds = 0.75\n")
    printed = heard(clip(tmp_path), "--effect", "fade", "--draws", "1", "--study", study)
    assert "Longer than the study's 0.75 s: its first 0.75 s." in printed
    np.testing.assert_array_equal(wave("results/listen/clip-original.wav"), SPEECH[:12000] / FULL_SCALE)


def test_a_short_clip_is_shown_with_silence_behind(tmp_path, shown):
    printed = heard(clip(tmp_path, SPEECH[:2000]), "--effect", "fade", "--draws", "1")
    assert "Shorter than 0.62 s: the network is given silence behind it" in printed
    assert len(wave("results/listen/clip-fade-1.wav")) == 2000
    assert {len(version.logmel) for row in shown for version in row} == {32}


def test_the_rate_is_the_front_ends(tmp_path):
    study = own_study(tmp_path, '[model]\nfront_end = "native-32k"\n')
    assert "at 32000 Hz" in heard(clip(tmp_path), "--effect", "fade", "--draws", "1", "--study", study)
    assert soundfile.info("results/listen/clip-fade-1.wav").samplerate == 32000


def test_an_encoder_of_waves_has_no_bands_to_show(tmp_path):
    study = own_study(tmp_path, '[model]\nencoder = "net.py:make"\n')
    outcome = called(clip(tmp_path), "--study", study)
    assert outcome.exit_code == 1
    assert "SpecError: encoder net.py:make takes waves" in outcome.stderr


def test_what_peaks_above_full_scale_is_softened_with_all_others(tmp_path):
    study = own_study(tmp_path, "[augmentation]\nnoise_snr_db = [0, 0]\n")
    loud = (SPEECH / np.abs(SPEECH).max() * 32767).astype(np.int16)
    printed = heard(clip(tmp_path, loud), "--effect", "noise", "--draws", "2", "--study", study)
    names = ("original", "noise-1", "noise-2")
    original, *noisy = (wave(f"results/listen/clip-{name}.wav") for name in names)
    assert max(np.abs(made).max() for made in noisy) == pytest.approx(1)
    scale = np.abs(original).max()
    assert 0.3 < scale < 0.98
    np.testing.assert_allclose(original, scale * loud / 32767, atol=1e-6)
    assert f"{-20 * np.log10(scale):.1f} dB softer than the levels below" in printed
    for made in noisy:
        assert np.square(made - original).sum() == pytest.approx(np.square(original).sum(), rel=0.01)


def test_silence(tmp_path):
    printed = heard(clip(tmp_path, np.zeros(16000, np.int16)), "--draws", "1")
    assert "-inf" in printed
    assert not wave("results/listen/clip-all-1-vocoder.wav").any()


# --- where it goes, and what cannot be ---


def test_the_results_folder_may_be_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_RESULTS", str(tmp_path / "elsewhere"))
    heard(clip(tmp_path, name="a b.wav"), "--effect", "fade", "--draws", "1")
    assert (tmp_path / "elsewhere" / "listen" / "a b-fade.png").is_file()


def test_what_is_no_audio(tmp_path):
    (tmp_path / "clip.wav").write_text("no audio")
    outcome = called("clip.wav")
    assert outcome.exit_code == 1
    assert outcome.stderr.startswith("AudioError: clip.wav: not readable as audio")
    assert outcome.stderr.count("\n") == 1
    assert outcome.stdout == ""


def test_where_nothing_can_be_written(tmp_path):
    (tmp_path / "taken").write_text("a file, where a folder is needed")
    outcome = called(clip(tmp_path), "--effect", "fade", "--output", "taken/folder")
    assert outcome.exit_code == 1
    assert outcome.stderr == (
        "ResultsUnwritable: wavs and picture cannot be written to taken/folder (Not a directory); make it"
        " writable, or name another folder with --output\n"
    )
    assert outcome.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.wav"], "File 'nowhere.wav' does not exist"),
        (["."], "File '.' is a directory"),
        (
            ["clip.wav", "--effect", "chorus"],
            "'chorus' is not one of 'stretch', 'fade', 'shift', 'equalizer'",
        ),
        (["clip.wav", "--draws", "0"], "0 is not in the range 1<=x<=12"),
        (["clip.wav", "--seed", "-1"], "-1 is not in the range"),
        ([], "Missing argument 'CLIP'"),
    ],
)
def test_wrong_usage(tmp_path, arguments, message):
    clip(tmp_path)
    outcome = called(*arguments)
    assert outcome.exit_code == 2
    assert message in outcome.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.wav"]


def test_no_such_study(tmp_path):
    outcome = called(clip(tmp_path), "--study", "papr")
    assert (outcome.exit_code, outcome.stderr.count("\n")) == (1, 1)
    assert outcome.stderr.startswith("SpecError: no study 'papr'")
