"""The synthesiser is measured from outside (scipy, autocorrelation, Schroeder's integral), never against
itself."""

import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy import signal
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from serkit.cache import cache_folder
from serkit.corpora import find, load
from serkit.corpora import synthetic as reader
from serkit.corpora.reading.corpus import PARTS
from serkit.errors import CorpusUnfit, SerkitError, SpecError
from serkit.labels import LABELS
from serkit.worlds import speech
from serkit.worlds.speech import RATE_HZ, Channel, Prosody

ROOT = Path(__file__).resolve().parents[2]

STREAM = speech.stream(0, 0, 0, 0, 0)
PINNED = "35e9c77192fca35578c53bebad995a3f9eef2c816884c1ef2ee21e9027067880"

DIGEST = """
import hashlib
from serkit.worlds import speech
from serkit.labels import LABELS
digest = hashlib.sha256()
for corpus in speech.CORPORA:
    for k in range(8):
        clip = speech.make_clip(corpus, k, k, LABELS[k % 4], speech.SEMANTICS[k % 3], k / 7)
        digest.update(clip.astype("<i2").tobytes())
print(digest.hexdigest())
"""

FEW = {"A": (1, 4), "B": (1, 4), "C": (2, 2)}  # speakers, clips each

GENERATE = f"""
from serkit.corpora import synthetic
from serkit.labels import LABELS
synthetic.CASTS = {{role: synthetic.Cast(*size, dict.fromkeys(LABELS, 1)) for role, size in {FEW}.items()}}
written = []
write = synthetic._write
synthetic._write = lambda *given: written.append(1) or write(*given)
print("ready", flush=True)
input()
print("begins", flush=True)
print(synthetic.generate(), len(written))
"""


def python(code: str, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def output(process: subprocess.Popen) -> str:
    text, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return text.strip()


@pytest.fixture(scope="module")
def folder(synthetic_cache):
    """The session's corpora, whole."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERKIT_CACHE", str(synthetic_cache))
        return reader.generate()


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def few(monkeypatch):
    """A dozen clips in place of some hundreds, for tests of the files and not of the sound."""
    casts = {role: reader.Cast(*size, dict.fromkeys(LABELS, 1)) for role, size in FEW.items()}
    monkeypatch.setattr(reader, "CASTS", casts)


# ------------------------------------------------------------------------------------------------ determinism


def test_same_samples_whatever_the_threads_and_the_processor_s_extensions():
    extensions = " ".join(np.show_config(mode="dicts")["SIMD Extensions"].get("found", []))
    runs = [
        python(DIGEST, OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"),
        python(DIGEST, OMP_NUM_THREADS="4", MKL_NUM_THREADS="4", OPENBLAS_NUM_THREADS="4"),
        python(DIGEST, NPY_DISABLE_CPU_FEATURES=extensions),
    ]
    assert [output(run) for run in runs] == [PINNED] * 3


def test_a_clip_does_not_depend_on_what_was_made_before():
    first = speech.make_clip("B", 3, 5, "happy")
    speech.make_clip("A", 0, 0, "sad")
    assert np.array_equal(first, speech.make_clip("B", 3, 5, "happy"))


@pytest.mark.parametrize(
    "other",
    [
        {"corpus": "C"},
        {"speaker": 1},
        {"number": 1},
        {"label": "sad"},
        {"semantics": "disjoint"},
        {"acoustic": 0.5},
        {"seed": 1},
    ],
)
def test_every_argument_changes_the_clip(other):
    usual = {"corpus": "B", "speaker": 0, "number": 0, "label": "angry"}
    assert not np.array_equal(speech.make_clip(**usual), speech.make_clip(**usual | other))


# -------------------------------------------------------------------------------------------------- the voice


def said(n_seconds=2.0, rate=1.0, pause=0.0, text=0):
    return speech.draw_sentence(
        speech.stream(0, 0, 0, text, 2),
        int(n_seconds * RATE_HZ) // speech.HOP * speech.HOP,
        rate,
        pause,
    )


def spoken(prosody, speaker=0, text=0):
    who = speech.speaker_of("A", speaker)
    return speech.speak(said(text=text), who, prosody, speech.stream(0, 0, speaker, text, 4))


def pitch(wave):
    """Pitch of the voiced frames, Hz, by autocorrelation: (frames,)."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, 800)[::160] * np.hanning(800)
    frames = frames[np.sqrt((frames**2).mean(1)) > 0.3 * np.sqrt((wave**2).mean())]
    similar = np.fft.irfft(np.abs(np.fft.rfft(frames, 2048)) ** 2)[:, :400]
    similar /= similar[:, :1]
    # The window shortens the overlap at long lags, which would favour a part of the period: undo it.
    window = np.fft.irfft(np.abs(np.fft.rfft(np.hanning(800), 2048)) ** 2)[:400]
    similar /= window / window[0]
    similar = similar[:, :280]
    peaks = np.zeros(similar.shape, bool)
    peaks[:, 32:-1] = (similar[:, 32:-1] > similar[:, 31:-2]) & (similar[:, 32:-1] >= similar[:, 33:])
    highest = np.where(peaks, similar, 0).max(axis=1, keepdims=True)
    lags = (peaks & (similar > 0.9 * highest)).argmax(axis=1)  # two periods are as similar as one: take one
    return RATE_HZ / lags[highest[:, 0] > 0.75]


@pytest.mark.parametrize("speaker", [0, 1])
def test_the_pitch_is_the_speaker_s_times_the_emotion_s(speaker):
    level = {"f0_range": 0.0, "jitter": 0.0}
    hz = speech.speaker_of("A", speaker).f0_hz
    for factor in (0.78, 1.0, 1.6):
        assert np.median(pitch(spoken(Prosody(f0=factor, **level), speaker))) == pytest.approx(
            factor * hz, rel=0.03
        )


def test_the_pitch_rises_and_falls_as_asked():
    def course(slope):
        hz = pitch(spoken(Prosody(slope=slope, accent=0.0)))
        third = len(hz) // 3
        return 12 * np.log2(np.median(hz[-third:]) / np.median(hz[:third]))

    assert course(6.0) > 4 > -4 > course(-6.0)


def test_the_level_follows_level_db():
    plain, loud = (spoken(Prosody(level_db=level)) for level in (0.0, 8.0))
    assert 20 * np.log10(np.std(loud) / np.std(plain)) == pytest.approx(8, abs=0.01)
    active = plain[np.abs(signal.hilbert(plain)) > 0.05 * np.abs(plain).max()]
    assert 20 * np.log10(np.std(active) / speech.REFERENCE_RMS) == pytest.approx(0, abs=2)


def test_the_tilt_follows_tilt_db():
    def slope(tilt_db):
        hz, power = signal.welch(spoken(Prosody(tilt_db=tilt_db)), RATE_HZ, nperseg=1024)
        low, high = ((hz > a) & (hz < 2 * a) for a in (300, 2400))  # three octaves apart
        return 10 * np.log10(power[high].sum() / power[low].sum())

    assert slope(3.0) - slope(0.0) == pytest.approx(9, abs=2)
    assert slope(-4.0) - slope(0.0) == pytest.approx(-12, abs=4)  # frication takes only half of it


def test_breath_makes_the_voice_less_periodic():
    def voiced_frames(breath):
        return len(pitch(spoken(Prosody(breath=breath, f0_range=0.0, jitter=0.0))))

    assert voiced_frames(0.0) > 1.2 * voiced_frames(2.0)


def test_the_vocal_tract_is_a_cascade_of_two_pole_resonators():
    formants, widths = np.array([[500.0, 1500.0, 2500.0]]), np.array([80.0, 90.0, 130.0])
    expected = np.ones(speech.FRAME // 2 + 1, complex)
    for hz, width in zip(formants[0], widths, strict=True):
        pole = np.exp((-np.pi * width + 2j * np.pi * hz) / RATE_HZ)
        denominator = np.poly([pole, pole.conj()]).real
        where = np.arange(len(expected)) * np.pi / (len(expected) - 1)
        expected *= signal.freqz([denominator.sum()], denominator, worN=where)[1]
    got = speech.vocal_tract_response(formants, widths)[0]
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    peaks = signal.find_peaks(np.abs(got))[0] * RATE_HZ / speech.FRAME
    np.testing.assert_allclose(peaks, formants[0], atol=RATE_HZ / speech.FRAME)


def test_frames_overlap_to_the_same_wave():
    wave = np.random.default_rng(0).normal(size=40 * speech.HOP)
    np.testing.assert_allclose(speech._overlap_add(speech._frames(wave), len(wave)), wave, atol=1e-12)


@pytest.mark.parametrize("seed", range(60))
def test_a_sentence_fills_its_clip(seed):
    draw = np.random.default_rng(seed)
    n = int(draw.integers(125, 251)) * speech.HOP
    rate, pause = draw.uniform(0.45, 2.2), draw.uniform(0, 0.6)
    sentence = speech.draw_sentence(speech.stream(seed, 0, 0, 0, 2), n, rate, pause)
    assert (np.diff(sentence.edges_s) > 0).all()
    assert sentence.edges_s[0] == 0
    assert sentence.edges_s[-1] == n / RATE_HZ
    assert sentence.edges_s[1] >= 0.05 - 1e-9
    assert sentence.edges_s[-1] - sentence.edges_s[-2] >= 0.05 - 1e-9
    assert len(sentence.edges_s) == len(sentence.voice) + 1
    assert sentence.voice[-2] == 1.0  # the last sound is a vowel


def test_a_faster_speaker_says_the_same_and_more():
    slow, fast = said(rate=0.7).text.split(), said(rate=1.4).text.split()
    assert len(fast) > 1.5 * len(slow)
    assert fast[: len(slow)] == slow


# ------------------------------------------------------------------------------------------------ the channel


def flat(**different):
    return Channel(**{"snr_db": 200.0, "t60_s": 0.0, "direct_db": 20.0, "low_hz": 1.0, "high_hz": 8000.0,
                      "tilt_db": 0.0, "noise_slope": 0.0} | different)  # fmt: skip


def gain_db(channel, at_hz):
    white = np.random.default_rng(0).normal(size=10 * RATE_HZ)
    heard = speech.apply_channel(white, channel, speech.stream(0, 0, 0, 0, 5))
    hz, before = signal.welch(white, RATE_HZ, nperseg=1024)
    _, after = signal.welch(heard, RATE_HZ, nperseg=1024)
    return np.interp(at_hz, hz, 10 * np.log10(after / before))


def test_band_limits_and_tilt_are_as_stated():
    band = gain_db(flat(low_hz=300.0, high_hz=3600.0), [150.0, 500.0, 1000.0, 3000.0, 7200.0])
    np.testing.assert_allclose(band, [-24, 0, 0, 0, -24], atol=0.7)
    np.testing.assert_allclose(gain_db(flat(tilt_db=-2.0), [500.0, 1000.0, 4000.0]), [2, 0, -4], atol=0.3)


@pytest.mark.parametrize(("slope", "fall_db"), [(0.0, 0.0), (1.0, 9.0)])
def test_the_noise_has_its_level_and_colour_whatever_the_speech(slope, fall_db):
    channel = flat(snr_db=18.0, noise_slope=slope)
    noises = [
        speech.apply_channel(np.zeros(RATE_HZ), channel, speech.stream(k, 0, 0, 0, 5)) for k in range(40)
    ]
    level_db = [20 * np.log10(np.std(noise) / speech.REFERENCE_RMS) for noise in noises]
    assert np.mean(level_db) == pytest.approx(-18, abs=1)
    assert np.std(level_db) == pytest.approx(2, abs=0.8)
    hz, power = signal.welch(np.concatenate(noises), RATE_HZ, nperseg=1024)
    fall = 10 * np.log10(np.interp(500.0, hz, power) / np.interp(4000.0, hz, power))
    assert fall == pytest.approx(fall_db, abs=1)


def reverberation_time(response):
    """T30 by Schroeder's backward integral, seconds."""
    energy = np.cumsum(response[::-1] ** 2)[::-1]
    level = 10 * np.log10(energy / energy[0])
    begin, end = np.argmax(level < -5), np.argmax(level < -35)
    return -60 / np.polyfit(np.arange(begin, end) / RATE_HZ, level[begin:end], 1)[0]


@pytest.mark.parametrize("t60_s", [0.2, 0.5, 1.0])
def test_the_room_has_its_reverberation_time(t60_s):
    octave = signal.butter(4, [710, 1420], "bandpass", fs=RATE_HZ, output="sos")
    measured = [
        reverberation_time(
            signal.sosfilt(octave, speech.room_response(t60_s, -5.0, speech.stream(k, 0, 0, 0, 5)))
        )
        for k in range(12)
    ]
    assert np.mean(measured) == pytest.approx(t60_s, rel=0.1)


def test_the_direct_sound_is_as_loud_as_stated():
    response = speech.room_response(0.5, 6.0, speech.stream(0, 0, 0, 0, 5))
    assert response[0] == 1
    assert -10 * np.log10((response[1:] ** 2).sum()) == pytest.approx(6)


def test_reverberation_is_the_linear_convolution():
    rng = np.random.default_rng(0)
    wave = rng.normal(size=RATE_HZ)
    heard = speech.apply_channel(wave, flat(t60_s=0.4), speech.stream(0, 0, 0, 0, 5))
    click = np.zeros(RATE_HZ)
    click[0] = 1.0
    response = speech.apply_channel(click, flat(t60_s=0.4), speech.stream(0, 0, 0, 0, 5))
    np.testing.assert_allclose(heard, signal.fftconvolve(wave, response)[:RATE_HZ], atol=1e-9)


def test_the_acoustic_knob_goes_from_one_channel_to_three():
    assert {speech.channel_of(corpus, 0.0) for corpus in "ABC"} == {speech.COMMON_CHANNEL}
    assert {corpus: speech.channel_of(corpus, 1.0) for corpus in "ABC"} == speech.CHANNELS
    assert speech.channel_of("B", 0.5).t60_s == pytest.approx(0.3)


# --------------------------------------------------------------------------------------------------- emotions


def test_semantics_are_shared_swapped_or_disjoint():
    def of(corpus, semantics):
        return {label: speech.prosody_of(corpus, label, semantics) for label in LABELS}

    a = of("A", "shared")
    for same in (("B", "shared"), ("C", "shared"), ("A", "swapped"), ("C", "swapped"), ("A", "disjoint")):
        assert of(*same) == a
    assert of("B", "swapped") == {
        "neutral": a["sad"],
        "sad": a["neutral"],
        "happy": a["angry"],
        "angry": a["happy"],
    }
    disjoint = {corpus: of(corpus, "disjoint") for corpus in "ABC"}
    varied = {
        corpus: {name for name in vars(Prosody()) if len({getattr(p, name) for p in table.values()}) > 1}
        for corpus, table in disjoint.items()
    }
    assert not varied["A"] & varied["B"]
    assert not varied["A"] & varied["C"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: speech.make_clip("D", 0, 0, "sad"), ("'D'", "A, B, C")),
        (lambda: speech.make_clip("A", 0, 0, "bored"), ("'bored'", "angry, happy, neutral, sad")),
        (lambda: speech.make_clip("A", 0, 0, "sad", "odd"), ("'odd'", "shared, disjoint, swapped")),
        (lambda: speech.make_clip("A", 0, 0, "sad", acoustic=1.5), ("1.5", "[0, 1]")),
        (lambda: speech.draw_speaker(STREAM, "hoarse"), ("'hoarse'", "low, high")),
        (lambda: speech.draw_sentence(STREAM, 1000), ("1000", "128")),
        (lambda: speech.draw_sentence(STREAM, 1280), ("1280", "too short")),
        (lambda: speech.draw_sentence(STREAM, 12800, 0.0), ("rate = 0.0", "more than 0")),
        (lambda: speech.room_response(0.0, 0.0, STREAM), ("t60_s = 0.0", "more than 0")),
    ],
)
def test_errors_say_what_was_given_and_what_was_expected(call, words):
    with pytest.raises(SpecError) as error:
        call()
    assert all(word in str(error.value) for word in words)


# ------------------------------------------------------------------------------------------------ the corpora


def test_two_processes_at_once_make_the_corpora_once(few, monkeypatch):
    """The other asks while this one is making them."""
    other, write, written = python(GENERATE), reader._write, []

    def write_while_the_other_asks(*given):
        written.append(1)
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.stdout.readline() == "begins\n"
        write(*given)

    monkeypatch.setattr(reader, "_write", write_while_the_other_asks)
    assert other.stdout.readline() == "ready\n"
    folder = reader.generate()
    assert output(other) == f"{folder} 0"
    assert written == [1]
    assert [path.name for path in cache_folder().iterdir() if path.is_dir()] == [folder.name]


def test_the_second_call_returns_at_once(folder, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(folder.parent))
    monkeypatch.setattr(reader, "_write", lambda *given: pytest.fail("made again"))
    assert reader.generate() == folder
    assert find("synthetic", None).folder == folder
    assert reader.is_here(folder)
    assert not reader.is_here(folder.parent)


def test_clips_have_the_stated_length_and_do_not_clip(folder):
    seconds, peaks = [], []
    for path in folder.rglob("*.wav"):
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.subtype) == (RATE_HZ, 1, "PCM_16")
        wave, _ = soundfile.read(path, dtype="int16")
        seconds.append(len(wave) / RATE_HZ)
        peaks.append(np.abs(wave.astype(int)).max())
    assert len(seconds) == 120 + 72 + 72
    assert 1.0 <= min(seconds) < 1.1 < 1.9 < max(seconds) <= 2.0
    assert max(peaks) < 32000
    assert min(peaks) > 300  # nothing is lost in 16 bits


def test_stored_clips_are_what_make_clip_gives(folder):
    wave, _ = soundfile.read(folder / "B/B03/B03_07.wav", dtype="int16")
    assert np.array_equal(wave, speech.make_clip("B", 3, 7, "sad"))


def test_the_reader_offers_what_can_be_made():
    """It says so without importing what makes it."""
    assert (reader.ROLES, reader.SEMANTICS) == (speech.CORPORA, speech.SEMANTICS)
    assert reader.RATE_HZ == (speech.RATE_HZ,)


@pytest.mark.parametrize("role", reader.ROLES)
def test_counts_are_as_published(folder, role):
    corpus = reader.read(folder, role)
    clips = corpus.clips
    for (group, label), expected in reader.facts(corpus, role).items():
        chosen = (group == "*") | clips["split"].eq(group) | clips["speaker"].eq(group)
        chosen &= (label == "*") | clips["label"].eq(label)
        assert chosen.sum() == expected, (group, label)
    assert {path.split("/")[0] for path in clips["path"]} == {role}
    assert all((folder / path).is_file() for path in clips["path"])
    assert clips.groupby("speaker")["voice"].nunique().eq(1).all()


def test_a_is_split_by_speaker_and_balanced(folder):
    corpus = reader.read(folder, "A")
    parts = {part: corpus.clips.iloc[corpus.part(0, part)] for part in PARTS}
    assert {part: len(clips) for part, clips in parts.items()} == {"train": 72, "validation": 24, "test": 24}
    speakers = [set(clips["speaker"]) for clips in parts.values()]
    assert len(set.union(*speakers)) == sum(map(len, speakers)) == 30
    for clips in parts.values():
        assert clips["label"].value_counts().nunique() == 1
        assert clips["voice"].value_counts().nunique() == 1


def test_b_leaves_two_speakers_out(folder):
    corpus = reader.read(folder, "B")
    assert corpus.n_folds == reader.folds("B") == 3
    tested = []
    for fold in range(3):
        parts = [corpus.clips.iloc[corpus.part(fold, part)] for part in PARTS]
        speakers = [set(clips["speaker"]) for clips in parts]
        assert [len(each) for each in speakers] == [2, 2, 2]
        assert len(set.union(*speakers)) == 6
        assert all(set(clips["voice"]) == {"low", "high"} for clips in parts)
        assert all(clips["label"].value_counts().eq(6).all() for clips in parts)
        assert speakers[1] == set(corpus.clips["speaker"][corpus.part((fold + 1) % 3, "test")])
        tested += sorted(speakers[2])
    assert sorted(tested) == [f"B{k:02d}" for k in range(6)]


def test_c_is_mostly_neutral_and_every_part_has_every_class(folder):
    corpus = reader.read(folder, "C")
    shares = corpus.clips["label"].value_counts(normalize=True)
    assert shares["neutral"] > 0.5
    for part, size in (("train", 50), ("validation", 11), ("test", 11)):
        labels = corpus.clips["label"].iloc[corpus.part(0, part)]
        assert len(labels) == size
        assert set(labels) == set(LABELS)
    assert corpus.clips["label"].iloc[corpus.part(0, "test")].value_counts().min() >= 2


def test_other_settings_are_made_beside_the_first_and_read_by_option(few):
    first = load("synthetic", None, {"role": "B"})
    other = load("synthetic", None, {"role": "B", "semantics": "swapped", "acoustic": 0.0})
    assert first.folder.parent == other.folder.parent
    assert first.folder != other.folder
    assert first.version != other.version
    wave, _ = soundfile.read(other.folder / other.clips["path"][0], dtype="int16")
    assert np.array_equal(wave, speech.make_clip("B", 0, 0, "angry", "swapped", 0.0))
    with pytest.raises(SpecError, match="role = 'D'"):
        load("synthetic", None, {"role": "D"})


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    "damage", ["missing", "short", "flipped", "digest", "labels", "speaker", "interrupted"]
)
def test_a_damaged_folder_is_made_again(few, damage):
    folder = reader.generate()
    whole = contents(folder)
    clip = folder / "A/A00/A00_01.wav"
    if damage == "missing":
        clip.unlink()
    elif damage == "short":
        clip.write_bytes(clip.read_bytes()[:1000])
    elif damage == "flipped":
        clip.write_bytes(clip.read_bytes()[:-1] + b"?")
    elif damage == "digest":
        (folder / "content.sha256").write_bytes(b"\xff")
    elif damage == "labels":
        (folder / "labels.csv").write_text("path,label\n")
    elif damage == "speaker":
        for path in (folder / "C/C01").iterdir():
            path.unlink()
        (folder / "C/C01").rmdir()
    elif damage == "interrupted":  # killed half-way: a draft, and no folder
        folder.rename(folder.with_name(f"{folder.name}.draft"))
        (folder.with_name(f"{folder.name}.draft") / "A/A00/stray.wav").write_bytes(b"")
    assert reader.generate() == folder
    assert contents(folder) == whole
    assert [path.name for path in folder.parent.iterdir() if path.is_dir()] == [folder.name]


def test_a_full_disk_is_an_error_and_leaves_no_folder(few, monkeypatch):
    def no_space(*given, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(soundfile, "write", no_space)
    with pytest.raises(SerkitError, match=r"No space left.*SERKIT_CACHE"):
        reader.generate()
    assert not list(cache_folder().glob("synthetic-*[!k]/labels.csv"))


def test_unreadable_labels_are_an_error(few):
    folder = reader.generate()
    (folder / "labels.csv").write_text("nothing\n")
    with pytest.raises(CorpusUnfit, match=r"labels\.csv"):
        reader.read(folder, "A")


# ------------------------------------------------------------------------------------------- the cache folder


def test_the_cache_folder_is_made_where_the_variable_says(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "deep" / "er"))
    assert cache_folder() == tmp_path / "deep" / "er"
    assert (tmp_path / "deep" / "er").is_dir()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="XDG folders are Linux's")
def test_the_cache_folder_is_the_system_s_otherwise(tmp_path, monkeypatch):
    monkeypatch.setenv("SERKIT_CACHE", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "serkit"


def test_an_unwritable_cache_folder_is_named_with_the_way_out(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SERKIT_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(SerkitError, match=r"file/cache.*set SERKIT_CACHE"):
        reader.generate()


# ------------------------------------------------------------------------------------------- the known answer

_HZ = np.fft.rfftfreq(512, 1 / RATE_HZ)
_EDGES_HZ = 700 * (10 ** (np.linspace(np.log10(1 + 60 / 700), np.log10(1 + 8000 / 700), 27)) - 1)  # mel scale


def features(wave):
    """Mean and deviation of 26 mel bands in dB, of the pitch, and the level: what any baseline would take."""
    wave = wave / 32768.0
    frames = np.lib.stride_tricks.sliding_window_view(wave, 512)[::160] * np.hanning(512)
    power = np.abs(np.fft.rfft(frames)) ** 2
    edges = itertools.pairwise(_EDGES_HZ)
    bands = [power[:, (low <= _HZ) & (high > _HZ)].sum(axis=1) for low, high in edges]
    levels = 10 * np.log10(np.stack(bands, axis=1) + 1e-7)
    loud = 10 * np.log10(power.sum(axis=1) + 1e-7)
    speech = loud > loud.max() - 25
    hz = pitch(wave)
    octaves = np.log2(hz) if len(hz) > 3 else np.array([7.0])
    return np.concatenate(
        [
            levels[speech].mean(axis=0),
            levels[speech].std(axis=0),
            [np.median(octaves), octaves.std(), loud[speech].mean(), loud.max()],
        ]
    )


def fitted(data, labels):
    classifier = LogisticRegression(C=0.1, max_iter=2000, class_weight="balanced")
    return make_pipeline(StandardScaler(), classifier).fit(data, labels)


def stored(corpus):
    waves = (soundfile.read(corpus.folder / path, dtype="int16")[0] for path in corpus.clips["path"])
    return np.stack([features(wave) for wave in waves]), corpus.clips["label"].to_numpy()


def test_emotions_of_unseen_speakers_are_found_within_a_corpus_and_less_well_across(folder):
    a, b = reader.read(folder, "A"), reader.read(folder, "B")
    (of_a, labels_a), (of_b, labels_b) = stored(a), stored(b)
    train, test = a.part(0, "train"), a.part(0, "test")
    from_a = fitted(of_a[train], labels_a[train])
    within_a = balanced_accuracy_score(labels_a[test], from_a.predict(of_a[test]))
    across = balanced_accuracy_score(labels_b, from_a.predict(of_b))
    within_b = []
    for fold in range(3):
        train, test = b.part(fold, "train"), b.part(fold, "test")
        from_b = fitted(of_b[train], labels_b[train])
        within_b.append(balanced_accuracy_score(labels_b[test], from_b.predict(of_b[test])))
    assert within_a > 0.8  # chance is 0.25
    assert np.mean(within_b) > 0.55  # from 24 clips of two speakers
    assert across < within_a - 0.2
    assert across < np.mean(within_b) + 0.05


def test_without_a_channel_between_them_corpora_agree_iff_their_semantics_do():
    def world(corpus, speakers, semantics):
        asked = [(speaker, k, LABELS[k]) for speaker in range(speakers) for k in range(4)]
        clips = [speech.make_clip(corpus, *each, semantics, acoustic=0.0) for each in asked]
        return np.stack([features(clip) for clip in clips]), [label for *_, label in asked]

    from_a = fitted(*world("A", 12, "shared"))

    def across(semantics):
        of_b, labels = world("B", 8, semantics)
        return balanced_accuracy_score(labels, from_a.predict(of_b))

    assert across("shared") > 0.8
    assert across("swapped") < 0.15
    assert across("disjoint") < 0.5
