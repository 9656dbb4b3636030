"""One clip: exact where it can be, an error with a way out where it cannot."""

import errno
import io
import os
import re
import stat
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given
from hypothesis import strategies as st

from serkit import audio
from serkit.audio import decode, listen, unfit
from serkit.containers import BLOCK_BYTES, MAX_BYTES, Content
from serkit.errors import AudioError
from tests.fuzz import FUZZ
from tests.speech import spoken

RATE_HZ = 16_000


def noise(seed, samples=800):
    return np.random.default_rng(seed).integers(-20_000, 20_000, samples).astype(np.int16)


def tone(hz, rate_hz, seconds=0.5, level=0.4):
    return level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


def amplitude(wave, hz, rate_hz):
    """Level of the tone `hz` in `wave` and of what else is there, by least squares; ends left out."""
    at = 2 * np.pi * hz * np.arange(len(wave)) / rate_hz
    inside = slice(200, -200)
    waves = np.stack([np.sin(at), np.cos(at)], axis=1)[inside]
    fitted, *_ = np.linalg.lstsq(waves, wave[inside], rcond=None)
    return np.hypot(*fitted), np.abs(wave[inside] - waves @ fitted).max()


# --- one clip ---


@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [("wav", "PCM_16"), ("flac", "PCM_16"), ("wav", "PCM_24"), ("flac", "PCM_24"), ("wav", "FLOAT")],
)
def test_16_bit_values_at_the_right_rate_are_kept_exactly(tmp_path, suffix, subtype):
    wave = np.concatenate([noise(0), [-32768, 32767, 0, 1, -1]]).astype(np.int16)
    path = tmp_path / f"clip.{suffix}"
    soundfile.write(path, wave if subtype == "PCM_16" else wave / 32768, RATE_HZ, subtype=subtype)
    decoded = decode(path, RATE_HZ)
    assert decoded.dtype == np.int16
    np.testing.assert_array_equal(decoded, wave)


def test_channels_are_averaged(tmp_path):
    left, right = noise(1).astype(int), noise(2).astype(int)
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1).astype(np.int16), RATE_HZ)
    assert np.abs(2 * decode(tmp_path / "a.wav", RATE_HZ).astype(int) - (left + right)).max() <= 1


@pytest.mark.parametrize(
    ("found_hz", "rate_hz"), [(8000, 16000), (22050, 16000), (44100, 16000), (48000, 16000), (16000, 32000)]
)
@pytest.mark.parametrize("hz", [440.0, 3000.0])
def test_resampling_keeps_pitch_level_and_length(tmp_path, found_hz, rate_hz, hz):
    soundfile.write(tmp_path / "clip.wav", tone(hz, found_hz), found_hz, subtype="FLOAT")
    decoded = decode(tmp_path / "clip.wav", rate_hz)
    level, rest = amplitude(decoded / 32768, hz, rate_hz)
    assert level == pytest.approx(0.4, rel=1e-3)
    assert rest < 1e-3
    assert len(decoded) == pytest.approx(0.5 * rate_hz, abs=1)


@pytest.mark.parametrize("block", [37, 1000, 1 << 18])
@pytest.mark.parametrize("found_hz", [8000, 12_345, 22_050, 44_100, 48_000, 96_000])
def test_blocks_give_the_samples_that_one_piece_gives(tmp_path, monkeypatch, found_hz, block):
    """To the bit, or every pack has another digest."""
    monkeypatch.setattr(audio, "BLOCK_SAMPLES", 2 * block)
    wave = np.stack([noise(1, 20_011), noise(2, 20_011)], axis=1)
    soundfile.write(tmp_path / "clip.wav", wave, found_hz)
    whole = soxr.resample((wave / np.float32(32768)).astype(np.float32).mean(axis=1), found_hz, RATE_HZ)
    expected = np.clip(np.rint(whole * 32768), -32768, 32767)
    np.testing.assert_array_equal(decode(tmp_path / "clip.wav", RATE_HZ), expected)


def test_what_the_rate_cannot_hold_is_filtered_not_folded(tmp_path):
    soundfile.write(tmp_path / "clip.wav", tone(11_000, 48_000), 48_000, subtype="FLOAT")
    assert np.abs(decode(tmp_path / "clip.wav", RATE_HZ)[200:-200]).max() < 0.001 * 0.4 * 32768


def test_between_16_bit_values_is_rounded_beyond_them_clipped(tmp_path):
    wave = np.array([1.7, -1.7, 1.2, 48_000, -48_000]) / 32768
    soundfile.write(tmp_path / "clip.wav", wave, RATE_HZ, subtype="FLOAT")
    np.testing.assert_array_equal(decode(tmp_path / "clip.wav", RATE_HZ), [2, -2, 1, 32767, -32768])


def cut(suffix, share):
    def spoil(path):
        soundfile.write(path, noise(0, 16_000), RATE_HZ, format=suffix.upper(), subtype="PCM_16")
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])

    return spoil


def not_finite(rate_hz, value):
    return lambda path: soundfile.write(
        path, np.where(np.arange(900) == 7, value, 0.1), rate_hz, format="WAV", subtype="FLOAT"
    )


FETCH = "; fetch the file again"
SPOILT = {
    "missing": (lambda path: None, "no such file; the labels name it, so the corpus is incomplete"),
    "lfs-pointer": (
        lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:01\nsize 9\n"),
        "a git-lfs pointer, not audio; run 'git lfs pull' in the corpus's folder",
    ),
    "empty-file": (lambda path: path.touch(), f"an empty file{FETCH}"),
    "empty-wav": (lambda path: soundfile.write(path, noise(0, 0), RATE_HZ), f"no samples in it{FETCH}"),
    "one-sample": (
        lambda path: soundfile.write(path, noise(0, 1), 48_000),
        f"no sample of it is left at 16,000 Hz{FETCH}",
    ),
    "cut-wav-header": (cut("wav", 0.0006), f"cut off, so that it cannot be opened{FETCH}|not readable.*"),
    "text": (
        lambda path: path.write_text("hello\n" * 99),
        "not readable as audio .begins with b'hello.nhe', expected WAV, FLAC.*; fetch it again, or .*",
    ),
    "nan": (not_finite(RATE_HZ, np.nan), f"samples that are not finite{FETCH}"),
    "inf-resampled": (not_finite(48_000, np.inf), f"samples that are not finite{FETCH}"),
}


@pytest.mark.parametrize(("spoil", "message"), SPOILT.values(), ids=SPOILT)
def test_errors_name_the_path_and_the_cure(tmp_path, spoil, message):
    path = tmp_path / "clip.wav"
    spoil(path)
    with pytest.raises(AudioError, match=f"^{re.escape(str(path))}: {message}$"):
        decode(path, RATE_HZ)


def written(suffix, subtype="PCM_16", wave=None, **more):
    """A file's bytes; two seconds of noise unless said otherwise."""
    content = io.BytesIO()
    wave = noise(0, 2 * RATE_HZ) if wave is None else wave
    soundfile.write(content, wave, RATE_HZ, format=suffix, subtype=subtype, **more)
    return bytearray(content.getvalue())


def heard(tmp_path, content):
    path = tmp_path / "clip.wav"
    path.write_bytes(content)
    return listen(path, RATE_HZ)


def reason(tmp_path, content):
    with pytest.raises(AudioError) as caught:
        heard(tmp_path, content)
    return caught.value.kind, caught.value.why


EVERY = {
    "wav": ("WAV", "PCM_16"),
    "rifx": ("WAV", "PCM_16", "BIG"),
    "wavex": ("WAVEX", "PCM_24"),
    "rf64": ("RF64", "PCM_16"),
    "w64": ("W64", "PCM_16"),
    "aiff": ("AIFF", "PCM_16"),
    "caf": ("CAF", "PCM_16"),
    "au": ("AU", "PCM_16"),
    "au-little": ("AU", "PCM_16", "LITTLE"),
    "nist": ("NIST", "PCM_16"),
    "flac": ("FLAC", "PCM_16"),
    "vorbis": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}


def made(name):
    suffix, subtype, *endian = EVERY[name]
    return written(suffix, subtype, endian=endian[0] if endian else None)


@pytest.mark.parametrize("name", EVERY)
def test_each_kind_of_file_is_read_to_its_end(tmp_path, name):
    clip = heard(tmp_path, made(name))
    assert len(clip.samples) == 2 * RATE_HZ
    assert clip.odd == {}


@pytest.mark.parametrize("share", [0.1, 0.6, 0.995])
@pytest.mark.parametrize("name", EVERY)
def test_a_cut_file_is_called_cut(tmp_path, name, share):
    content = made(name)
    kind, why = reason(tmp_path, content[: int(len(content) * share)])
    assert (kind, why[:7]) == ("truncated", "cut off")


@pytest.mark.parametrize("name", [name for name in EVERY if name.split("-")[0] not in ("mp3", "flac")])
def test_a_file_that_lacks_its_last_byte_is_cut(tmp_path, name):
    assert reason(tmp_path, made(name)[:-1])[0] == "truncated"


def at(content, place, value):
    return content[:place] + value + content[place + len(value) :]


def flac_of(content, total):
    word = int.from_bytes(content[18:26], "big") >> 36 << 36 | total
    return at(content, 18, word.to_bytes(8, "big"))


UNKNOWN = (0, 0x7F000000, 0x7FFF0000, 0x7FFFF000, 0x7FFFFF00, 0x7FFFFFFF, 0x80000000, 0xFFFFFFDB, 0xFFFFFFFF)


@pytest.mark.parametrize("length", UNKNOWN, ids=hex)
@pytest.mark.parametrize(
    ("name", "chunk"), [("wav", b"data"), ("rifx", b"data"), ("aiff", b"SSND"), ("au", b"")]
)
def test_files_that_do_not_know_their_length_are_read_to_their_end(tmp_path, name, chunk, length):
    content = made(name)
    place = content.index(chunk) + 4 if chunk else 8
    content = at(content, place, length.to_bytes(4, "little" if name == "wav" else "big"))
    clip = heard(tmp_path, content)
    np.testing.assert_array_equal(clip.samples, noise(0, 2 * RATE_HZ))
    assert clip.odd == {}


@pytest.mark.parametrize("length", [0, 0x7FFFFFFF, 2**63 - 1, 2**64 - 1], ids=hex)
@pytest.mark.parametrize("name", ["rf64", "w64", "caf", "flac"])
def test_neither_do_those_of_64_bits(tmp_path, name, length):
    content = made(name)
    if name == "flac":
        content = flac_of(content, 0)
    elif name == "rf64":
        content = at(content, 28, length.to_bytes(8, "little"))
    elif name == "w64":
        content = at(content, content.index(b"data") + 16, length.to_bytes(8, "little"))
    else:
        content = at(content, content.index(b"data") + 4, length.to_bytes(8, "big"))
    np.testing.assert_array_equal(heard(tmp_path, content).samples, noise(0, 2 * RATE_HZ))


def test_a_file_without_samples_is_not_taken_for_one_of_unknown_length(tmp_path):
    content = written("WAV", wave=noise(0, 0)) + b"LIST\x1a\0\0\0INFOISFT\x0e\0\0\0Lavf58.29.100\0"
    assert reason(tmp_path, content) == ("empty", "no samples in it")


@pytest.mark.parametrize("name", ["wav", "aiff", "au", "caf", "flac"])
def test_more_than_the_header_promises_is_said(tmp_path, name):
    content = made(name)
    half = {
        "wav": lambda: at(content, 40, (2 * RATE_HZ).to_bytes(4, "little")),
        "aiff": lambda: at(content, content.index(b"SSND") + 4, (2 * RATE_HZ + 8).to_bytes(4, "big")),
        "au": lambda: at(content, 8, (2 * RATE_HZ).to_bytes(4, "big")),
        "caf": lambda: at(content, content.index(b"data") + 4, (2 * RATE_HZ + 4).to_bytes(8, "big")),
        "flac": lambda: flac_of(content, RATE_HZ),
    }[name]()
    clip = heard(tmp_path, half)
    np.testing.assert_array_equal(clip.samples, noise(0, 2 * RATE_HZ)[:RATE_HZ])
    assert clip.odd["longer"] in ("32,000 bytes behind its samples", "32,000 samples, 16,000 promised")


@pytest.mark.parametrize("name", ["wav", "w64", "flac", "mp3"])
def test_a_tag_behind_the_samples_is_nothing_odd(tmp_path, name):
    clip = heard(tmp_path, made(name) + b"TAG" + bytes(125))
    assert (clip.odd, len(clip.samples)) == ({}, 2 * RATE_HZ)
    if name == "wav":
        assert heard(tmp_path, made(name) + b"LIST\0\4\0\0" + bytes(1024)).odd == {}


def test_a_tag_before_the_samples_hides_no_promise(tmp_path):
    tag = b"ID3\4\0\0\0\0\1\x08" + bytes(136)
    assert len(heard(tmp_path, tag + made("flac")).samples) == 2 * RATE_HZ
    assert len(heard(tmp_path, tag + flac_of(made("flac"), 0)).samples) == 2 * RATE_HZ
    assert reason(tmp_path, tag + flac_of(made("flac"), 32_001))[0] == "truncated"
    assert len(heard(tmp_path, tag + made("mp3")).samples) == 2 * RATE_HZ


@pytest.mark.parametrize("name", ["wav", "aiff", "au", "caf", "w64", "rf64", "nist"])
def test_a_tag_before_any_container_is_passed_over(name, tmp_path):
    buffer = io.BytesIO()
    soundfile.write(buffer, noise(0, RATE_HZ), RATE_HZ, format=name.upper(), subtype="PCM_16")
    tag = b"ID3\4\0\0\0\0\1\x08" + bytes(136)
    for tags in (tag, tag + tag):
        np.testing.assert_array_equal(heard(tmp_path, tags + buffer.getvalue()).samples, noise(0, RATE_HZ))
    assert reason(tmp_path, tag + buffer.getvalue()[:20_000])[0] == "truncated"


def test_text_is_no_mp3(tmp_path):
    assert reason(tmp_path, "hi".encode("utf-16") * 1000)[0] == "unreadable"


def test_what_lies_where_the_tool_runs_does_not_matter(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("._").touch()  # libsndfile takes it for the resource fork of an MP3 without a tag
    assert len(heard(tmp_path, made("mp3")).samples) == 2 * RATE_HZ


@pytest.mark.parametrize("length", [0, 2**28, 2**31 - 1, 2**32 - 1], ids=hex)
@pytest.mark.filterwarnings("error")  # a traceback in a callback of libsndfile's is one
def test_a_header_that_points_to_before_the_file_is_no_traceback(tmp_path, length):
    content = at(made("aiff"), 36, length.to_bytes(4, "big"))
    assert reason(tmp_path, content)[0] == "unreadable"  # libsndfile seeks to -1


def peak_of(call):
    """Bytes that a call takes at most."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_absurd_promises_take_no_memory(tmp_path):
    content = flac_of(made("flac"), 2**36 - 1)
    assert peak_of(lambda: reason(tmp_path, content)) < 16 << 20
    why = "cut off or damaged after 32,000 of 68,719,476,735 samples"
    assert reason(tmp_path, content) == ("truncated", why)


def test_what_is_damaged_inside_is_not_heard_in_part(tmp_path):
    content = made("flac")
    content[len(content) // 2] ^= 0xFF
    assert reason(tmp_path, content)[0] == "truncated"


def test_half_an_hour_is_no_clip(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "MAX_SECONDS", 1)
    assert reason(tmp_path, made("wav"))[0] == "too-long"
    with (tmp_path / "clip.wav").open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # a hole: takes no place
    with pytest.raises(AudioError, match=r"more than 1,073,741,824 bytes\); cut it into clips"):
        listen(tmp_path / "clip.wav", RATE_HZ)


def silence(path, hours, rate_hz, channels):
    """A WAV of zeros, most of it a hole that takes no place."""
    content = written("WAV", wave=np.zeros((100, channels), np.int16))
    length = round(hours * 3600) * rate_hz * channels * 2
    content = at(content, 24, rate_hz.to_bytes(4, "little"))
    path.write_bytes(at(content, 40, length.to_bytes(4, "little")))
    os.truncate(path, 44 + length)
    return length


def test_ten_hours_are_refused_in_the_memory_of_half_an_hour(tmp_path):
    length = silence(tmp_path / "clip.wav", 10, 8000, 1)

    def refused():
        with pytest.raises(AudioError, match=r"clip.wav: longer than 30 minutes; cut it into clips"):
            listen(tmp_path / "clip.wav", RATE_HZ)

    assert peak_of(refused) < 1.3 * 2 * audio.MAX_SECONDS * RATE_HZ < length / 7


def test_a_long_compressed_file_is_not_read_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(audio, "MAX_SECONDS", 1)
    content = written("FLAC", wave=noise(0, (60 * RATE_HZ, 8)))
    assert peak_of(lambda: reason(tmp_path, content)) < len(content) / 2
    assert reason(tmp_path, content) == ("too-long", "longer than 0 minutes")


def test_a_long_clip_takes_little_more_than_its_samples(tmp_path):
    silence(tmp_path / "clip.wav", 1 / 12, 48_000, 2)
    found = []
    peak = peak_of(lambda: found.append(listen(tmp_path / "clip.wav", RATE_HZ)))
    assert len(found[0].samples) == 300 * RATE_HZ
    assert peak < 1.2 * found[0].samples.nbytes + 16 * audio.BLOCK_SAMPLES


@pytest.mark.filterwarnings("error")  # a traceback in a callback of libsndfile's is one
@pytest.mark.parametrize("name", ["wav", "flac", "vorbis", "mp3"])
def test_a_disk_that_fails_is_no_end_of_the_file(tmp_path, monkeypatch, name):
    (tmp_path / "clip.wav").write_bytes(made(name))
    read = soundfile.SoundFile.read

    def failing(*args):
        raise OSError(errno.EIO, "Input/output error")

    def fail_and_read(*args, **kwargs):
        monkeypatch.setattr(Content, "_fill", failing)
        return read(*args, **kwargs)

    monkeypatch.setattr(soundfile.SoundFile, "read", fail_and_read)
    with pytest.raises(AudioError, match=r"not readable \(Input/output error\)"):
        listen(tmp_path / "clip.wav", RATE_HZ)


def test_a_file_that_is_cut_while_it_is_read_is_not_heard_in_part(tmp_path, monkeypatch):
    (tmp_path / "clip.wav").write_bytes(written("WAV", wave=noise(0, 10 * RATE_HZ)))
    read = soundfile.SoundFile.read

    def cut_and_read(*args, **kwargs):
        os.truncate(tmp_path / "clip.wav", 200_000)
        return read(*args, **kwargs)

    monkeypatch.setattr(soundfile.SoundFile, "read", cut_and_read)
    with pytest.raises(AudioError, match="it became shorter while it was read"):
        listen(tmp_path / "clip.wav", RATE_HZ)


def test_ogg_is_whole_whatever_lies_behind_its_last_page(tmp_path):
    for behind in (0, 100, BLOCK_BYTES - 1, BLOCK_BYTES, 3 * BLOCK_BYTES):
        assert len(heard(tmp_path, made("vorbis") + bytes(behind)).samples) == 2 * RATE_HZ


@pytest.mark.parametrize("rate_hz", [1, 999, 400_000, 2**31 - 1])
def test_absurd_rates_are_refused(tmp_path, rate_hz):
    assert reason(tmp_path, at(made("wav"), 24, rate_hz.to_bytes(4, "little")))[0] == "unreadable"


NO_FILES = {
    "fifo": (os.mkfifo, "a named pipe, expected a file"),
    "socket": (
        lambda path: os.mknod(path, stat.S_IFSOCK | 0o600),
        "a socket, expected a file|No such device.*",
    ),
    "device": (lambda path: path.symlink_to("/dev/zero"), "a device, expected a file"),
    "folder": (Path.mkdir, "a folder, expected a file"),
    "loop": (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
    "unread": (lambda path: path.symlink_to("/proc/self/mem"), "Input/output error"),
}


@pytest.mark.parametrize(("make", "why"), NO_FILES.values(), ids=NO_FILES)
def test_what_is_no_file_is_refused_at_once(tmp_path, make, why):
    make(tmp_path / "clip.wav")
    with pytest.raises(AudioError, match=f"clip.wav: not readable .({why}).; .*may read$"):
        decode(tmp_path / "clip.wav", RATE_HZ)


def test_permission_is_the_reason_where_it_is(tmp_path, monkeypatch):
    def refuse(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(
        AudioError, match=r"not readable \(Permission denied\); fetch it again, or make it a file"
    ):
        decode(tmp_path / "clip.wav", RATE_HZ)


@pytest.mark.parametrize("name", ["a\0b", "a" * 300, "a\ud800"])
def test_names_that_no_file_has(tmp_path, name):
    with pytest.raises(AudioError, match=r"not readable|no such file"):
        decode(tmp_path / name, RATE_HZ)


@pytest.mark.parametrize(
    "error", [MemoryError(), ValueError("array is too big"), TypeError("no"), OverflowError()]
)
def test_whatever_a_decoder_raises_names_the_clip(tmp_path, monkeypatch, error):
    def fail(*args):
        raise error

    monkeypatch.setattr(soundfile.SoundFile, "read", fail)
    assert reason(tmp_path, made("wav"))[0] == "unreadable"


@pytest.mark.parametrize("level", [0, 1e-3])
def test_channels_that_cancel_are_refused(tmp_path, level):
    left = noise(1, 8000) / 32768
    other = np.stack([left, -left + level * noise(2, 8000) / 32768], axis=1)
    kind, why = reason(tmp_path, written("WAV", "FLOAT", other))
    assert kind == "cancelled"
    assert re.fullmatch(r"its 2 channels cancel each other, (100|6\d) dB are lost in the mix", why)
    softer = np.stack([left, -0.7 * left], axis=1)
    assert heard(tmp_path, written("WAV", "FLOAT", softer)).odd == {
        "weakened": "its 2 channels cancel each other, 15 dB are lost in the mix"
    }
    assert (
        heard(tmp_path, written("WAV", "FLOAT", np.stack([left, noise(3, 8000) / 32768], axis=1))).odd == {}
    )
    assert heard(tmp_path, written("WAV", "FLOAT", 0 * other)).odd == {}


def test_a_channel_without_sound_is_said(tmp_path):
    stereo = np.stack([noise(1), 0 * noise(1)], axis=1)
    assert heard(tmp_path, written("WAV", wave=stereo)).odd == {"dead-channel": "1 of 2 channels"}


SEEDS = [bytes(made(name)[:3000]) for name in EVERY]
PLACES = st.integers(0, 200) | st.integers(0, 2999)
PIECES = st.binary(min_size=1, max_size=8) | st.sampled_from(
    [b"\0" * 4, b"\xff" * 4, b"\xff" * 8, b"\x7f\xff\xff\xff"]
)


@FUZZ
@given(st.sampled_from(SEEDS), st.lists(st.tuples(PLACES, PIECES), max_size=4), st.integers(0, 3000))
def test_any_header_gives_samples_or_a_reason(tmp_path, content, changes, length):
    for place, piece in changes:
        content = at(content, place, piece)
    try:
        clip = heard(tmp_path, content[:length] if length % 4 == 0 else content)
    except AudioError:
        return
    assert len(clip.samples) > 0


def int16(wave):
    return np.rint(np.clip(wave, -1, 1 - 2**-15) * 32768).astype(np.int16)


@pytest.mark.parametrize("peak", [0.01, 0.3, 1.0])
@pytest.mark.parametrize("number", range(6))
def test_speech_is_fit_at_any_level_and_with_silence_around_it(number, peak):
    clip = int16(spoken(number, peak))
    assert unfit(clip) is None
    assert unfit(np.pad(clip, 16_000)) is None


@pytest.mark.parametrize("offset", [0, 300])
@pytest.mark.parametrize(
    "hiss",
    [
        lambda random: np.zeros(30_000),
        lambda random: np.rint(random.triangular(-1, 0, 1, 30_000)),  # dither
        lambda random: random.integers(-4, 5, 30_000),  # and a louder one
        lambda random: random.integers(-1, 2, 30),  # shorter than a frame
    ],
)
def test_silence_is_unfit_with_dither_and_an_offset_too(hiss, offset):
    assert unfit((hiss(np.random.default_rng(0)) + offset).astype(np.int16)) == "silent"


def test_a_faint_whisper_is_not_silence():
    clip = spoken(0, 1.0)
    loudest = max(np.sqrt(np.mean(clip[i : i + 1600] ** 2)) for i in range(0, len(clip), 1600))
    for dbfs, reason in ((-60, None), (-72, "silent")):
        assert unfit(int16(clip * (10 ** (dbfs / 20) / loudest))) == reason


@pytest.mark.parametrize("gain", [1.0, 0.9, 0.05])
@pytest.mark.parametrize("over_db", [3, 6, 12])
@pytest.mark.parametrize("number", range(6))
def test_cut_off_peaks_are_found_whatever_gain_came_later(number, over_db, gain):
    clip = spoken(number, 10 ** (over_db / 20))
    assert unfit(int16(gain * np.clip(clip, -1, 1))) == "clipped"
    one_sided = np.minimum(clip, 1)
    assert unfit(int16(gain * one_sided / np.abs(one_sided).max())) == "clipped"


@pytest.mark.parametrize("count", [1, 6])
def test_a_few_samples_at_full_scale_are_not_clipping(count):
    clip = int16(spoken(0, 0.9))
    loudest = np.argsort(clip)[-count:]
    clip[loudest] = 32767
    assert unfit(clip) is None
