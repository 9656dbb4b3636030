"""Trees of the corpora as delivered, with the published counts: what the tests of readers and doctor read.

Some of the corpora may not be passed on and all are large, so their layout is rebuilt here: label files,
nested folders, names, and what lies beside them and must be ignored. Audio files are empty, because readers
go by names; `make_audible` turns them into short real ones. Which clip has which label is made up; how many
have it is published, where a comment does not say otherwise.
"""

from __future__ import annotations

import functools
import io
import os
import random
import tempfile
import warnings
import wave
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

APPLE_DOUBLE = b"\x00\x05\x16\x07\x00\x02\x00\x00Mac OS X        "
LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 495334\n"


def place(folder: Path, names: Iterable[str], suffix: str = ".wav") -> None:
    """Empty audio files, and an AppleDouble file beside the first."""
    folder.mkdir(parents=True, exist_ok=True)
    names = list(names)
    for name in names:
        os.close(os.open(f"{folder}/{name}{suffix}", os.O_CREAT))  # half of what Path.touch takes
    if names:
        (folder / f"._{names[0]}{suffix}").write_bytes(APPLE_DOUBLE)


def make_audible(top: Path, seconds: float = 0.1, rate_hz: int = 16_000, channels: int = 1) -> None:
    """Writes the same quiet noise, 16 bit, into every empty wav below `top`."""
    noise = np.random.default_rng(0).integers(-500, 500, (int(seconds * rate_hz), channels))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(2)
        out.setframerate(rate_hz)
        out.writeframes(noise.astype("<i2").tobytes())
    for path in top.rglob("*"):
        if path.suffix.lower() == ".wav" and not path.name.startswith(".") and not path.stat().st_size:
            path.write_bytes(buffer.getvalue())


# --- MSP-Podcast ---

MSP_COLUMNS = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")
MSP_FOUR_CLASS = {  # split: clips of A, H, N, S
    "1.8": {
        "Train": (1839, 8564, 16518, 1680),
        "Validation": (621, 1320, 2529, 302),
        "Test1": (622, 3475, 4702, 505),
        "Test2": (60, 400, 900, 50),  # made up
    },
    "1.10": {  # the total, 67,929, is published; how it divides is made up
        "Train": (3280, 10660, 23780, 3280),
        "Development": (560, 1820, 4060, 560),
        "Test1": (912, 2964, 6612, 912),
        "Test2": (682, 2218, 4947, 682),
    },
}
MSP_ALL = {  # 1.8's are made up
    "1.8": {"Train": 29_000, "Validation": 4_900, "Test1": 9_500, "Test2": 1_500},
    "1.10": {"Train": 63_076, "Development": 10_999, "Test1": 16_903, "Test2": 13_289},
}


def msp_rows(release: str) -> list[dict[str, str]]:
    """The label file's rows: in each split the four classes, then the others in turn."""
    rows: list[dict[str, str]] = []
    for split, size in MSP_ALL[release].items():
        used = MSP_FOUR_CLASS[release][split]
        classes = [letter for letter, n in zip("AHNS", used, strict=True) for _ in range(n)]
        classes += ["UFDCOX"[k % 6] for k in range(size - sum(used))]
        for letter in classes:
            number = len(rows)
            rows.append(
                {
                    "FileName": f"MSP-PODCAST_{number // 400:04d}_{number % 400:04d}.wav",
                    "EmoClass": letter,
                    "EmoAct": "4.2",
                    "EmoVal": "3.8",
                    "EmoDom": "4.6",
                    "SpkrID": "Unknown" if number % 50 == 0 else f"{split}-{number // 90}",
                    "Gender": "Unknown" if number % 50 == 0 else ("Male", "Female")[number // 90 % 2],
                    "Split_Set": split,
                }
            )
    rows[2000]["FileName"] = "MSP-PODCAST_1023_0235.wav"
    return rows


def write_msp(
    top: Path, rows: Sequence[dict[str, str]], file: str = "labels_consensus.csv", columns=MSP_COLUMNS
) -> Path:
    """A label file with the columns in the order given."""
    (top / "Labels").mkdir(parents=True)
    lines = [",".join(columns)] + [",".join(row[column] for column in columns) for row in rows]
    (top / "Labels" / file).write_text("\n".join(lines) + "\n")
    return top


def msp_podcast(top: Path, release: str = "1.8", audio: str = "Audios", n_audio: int = 500) -> Path:
    """A release with audio for the first `n_audio` clips, in the folder `audio` (may be nested)."""
    rows = msp_rows(release)
    if release == "1.8":
        write_msp(top, rows, "labels_concensus.csv", MSP_COLUMNS)
    else:
        write_msp(top, rows, "labels_consensus.csv", MSP_COLUMNS[::-1])
    place(top / audio, (row["FileName"].removesuffix(".wav") for row in islice(rows, n_audio)))
    (top / "Transcripts").mkdir()
    (top / "Speaker_ids.txt").touch()
    return top


# --- IEMOCAP ---

SPEAKERS = ("01F", "01M", "02F", "02M", "03F", "03M", "04F", "04M", "05F", "05M")
FOUR_CLASS = dict(zip(SPEAKERS, (465, 477, 385, 428, 474, 526, 374, 419, 508, 434), strict=True))
WITH_EXCITED = dict(zip(SPEAKERS, (528, 557, 481, 542, 522, 629, 528, 503, 590, 651), strict=True))
IEMOCAP_COUNTS = {
    "xxx": 2507,
    "fru": 1849,
    "neu": 1708,
    "ang": 1103,
    "sad": 1084,
    "exc": 1041,
    "hap": 595,
    "sur": 107,
    "fea": 40,
    "oth": 3,
    "dis": 2,
}
SCRIPTS = ("script01_1", "script01_2", "script01_3", "script02_1", "script02_2", "script03_1", "script03_2")


def iemocap_dialogues() -> dict[int, list[str]]:
    """The 151 dialogues by session; five names carry a letter."""
    found: dict[int, list[str]] = {}
    for session in range(1, 6):
        for markers in "FM":
            scenes = [f"impro{k:02d}" for k in range(1, 8 if session == 1 else 9)] + list(SCRIPTS)
            if (session, markers) == (3, "M"):
                scenes = [scene for scene in scenes if scene not in ("impro05", "impro08")]
                scenes += ["impro05a", "impro05b", "impro08a", "impro08b"]
            if (session, markers) == (5, "M"):
                scenes.append("script01_1b")
            found.setdefault(session, []).extend(
                f"Ses{session:02d}{markers}_{scene}" for scene in sorted(scenes)
            )
    return found


def iemocap_turns() -> dict[str, list[tuple[str, str]]]:
    """(turn, label) of every dialogue: the published counts of every label and of every true speaker."""
    shuffle = random.Random(0).shuffle
    four = [label for label in ("neu", "ang", "sad", "hap") for _ in range(IEMOCAP_COUNTS[label])]
    rest = [
        label for label in ("xxx", "fru", "sur", "fea", "oth", "dis") for _ in range(IEMOCAP_COUNTS[label])
    ]
    shuffle(four)
    shuffle(rest)
    dialogues = iemocap_dialogues()
    turns: dict[str, list[tuple[str, str]]] = {name: [] for names in dialogues.values() for name in names}
    for k, speaker in enumerate(SPEAKERS):
        labels = [four.pop() for _ in range(FOUR_CLASS[speaker])]
        labels += ["exc"] * (WITH_EXCITED[speaker] - FOUR_CLASS[speaker])
        labels += [rest.pop() for _ in range(len(rest) // (len(SPEAKERS) - k))]
        shuffle(labels)
        here = dialogues[int(speaker[:2])]
        for number, label in enumerate(labels):  # each speaks in all dialogues, whoever wears the markers
            dialogue = here[number % len(here)]
            turns[dialogue].append((f"{dialogue}_{speaker[2]}{number // len(here):03d}", label))
    return turns


def write_iemocap(top: Path, turns: dict[str, list[tuple[str, str]]], suffix: str = ".wav") -> Path:
    """Evaluation files, the folders beside them that hold single raters' answers, and audio."""
    for dialogue, lines in turns.items():
        session = top / f"Session{int(dialogue[3:5])}"
        folder = session / "dialog" / "EmoEvaluation"
        if not folder.is_dir():
            for ignored in ("Attribute", "Categorical", "Self-evaluation"):
                (folder / ignored).mkdir(parents=True)
                (folder / ignored / f"{dialogue}_e3.txt").write_text("[1.0 - 2.0]\tnot\ta\tturn\n")
        text = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
        for number, (turn, label) in enumerate(lines):
            text += f"[{number}.2901 - {number}.9957]\t{turn}\t{label}\t[2.5000, 3.0000, 3.5000]\n"
            text += "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()\n\n"
        (folder / f"{dialogue}.txt").write_text(text)
        (folder / f"._{dialogue}.txt").write_bytes(APPLE_DOUBLE)
        place(session / "sentences" / "wav" / dialogue, (turn for turn, _ in lines), suffix)
    return top


def iemocap(top: Path) -> Path:
    """The full release: 151 dialogues, 10,039 turns."""
    return write_iemocap(top, iemocap_turns())


# --- CREMA-D ---

SENTENCES = ("IEO", "TIE", "IOM", "IWW", "TAI", "MTI", "IWL", "ITH", "DFA", "ITS", "TSI", "WSI")
VOICE_VOTES = {"N": 3897, "A": 986, "S": 370, "H": 353}
VOICE_VOTES |= {"D": 700, "F": 600, "N:S": 300, "A:D": 136, "D:F:N": 100}  # made up
MULTIMODAL_VOTES = {"N": 2087, "H": 1190, "A": 1150, "S": 372}  # only their sum is published
MULTIMODAL_VOTES |= {"D": 1200, "F": 1100, "A:N": 343}  # made up


def crema_d_stems() -> list[str]:
    """7,442 names: 91 actors, 12 sentences, 6 emotions, three levels for one sentence, less 20."""
    stems: dict[str, list[str]] = {}
    for actor in range(1001, 1092):
        for sentence in SENTENCES:
            for emotion in ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"):
                levels = ("LO", "MD", "HI") if sentence == "IEO" and emotion != "NEU" else ("XX",)
                stems.setdefault(emotion, []).extend(
                    f"{actor}_{sentence}_{emotion}_{level}" for level in levels
                )
    return sorted(
        stem for emotion, names in stems.items() for stem in names[: -5 if emotion == "NEU" else -3]
    )


def write_votes(top: Path, votes: dict[str, tuple[str, str]]) -> None:
    """`summaryTable.csv` as R wrote it, from (voice, multimodal) votes by stem."""
    lines = [
        '"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel","MultiModalVote","MultiModalLevel"'
    ]
    for number, (stem, (voice, both)) in enumerate(votes.items(), start=1):
        lines.append(f'"{number}","{stem}","{voice}","60.5","D","54","{both}","61:70"')
    (top / "processedResults").mkdir(parents=True, exist_ok=True)
    (top / "processedResults" / "summaryTable.csv").write_text("\n".join(lines) + "\n")


def crema_d(top: Path) -> Path:
    """The repository: audio as published, with its one odd name, and the votes."""
    stems = crema_d_stems()
    columns = []
    for seed, counts in enumerate((VOICE_VOTES, MULTIMODAL_VOTES)):
        column = [vote for vote, n in counts.items() for _ in range(n)]
        random.Random(seed).shuffle(column)
        # the two clips known to be odd are among the used ones, so that tests see them
        for stem in ("1040_ITH_SAD_XX", "1076_MTI_SAD_XX"):
            here, there = stems.index(stem), column.index("S", 3 if stem.startswith("1040") else 400)
            column[here], column[there] = column[there], column[here]
        columns.append(column)
    write_votes(top, dict(zip(stems, zip(*columns, strict=True), strict=True)))
    place(top / "AudioWAV", stems)
    (top / "AudioWAV" / "1040_ITH_SAD_XX.wav").rename(top / "AudioWAV" / "1040_ITH_SAD_X.wav")
    (top / "AudioWAV" / "1002_DFA_ANG_XX.wav").rename(top / "AudioWAV" / "1002_DFA_ANG_XX.WAV")
    (top / "AudioMP3").mkdir()
    (top / "AudioMP3" / "1001_DFA_ANG_XX.mp3").touch()
    (top / "VideoFlash").mkdir()
    return top


# --- RAVDESS and EmoDB ---


def ravdess(top: Path, suffix: str = ".wav") -> Path:
    """All 1,440 clips of the speech part."""
    for actor in range(1, 25):
        names = [
            f"03-01-{emotion:02d}-{intensity:02d}-{statement:02d}-{repetition:02d}-{actor:02d}"
            for emotion in range(1, 9)
            for intensity in ((1,) if emotion == 1 else (1, 2))
            for statement in (1, 2)
            for repetition in (1, 2)
        ]
        place(top / f"Actor_{actor:02d}", names, suffix)
    return top


EMODB_COUNTS = {"W": 127, "L": 81, "E": 46, "A": 69, "F": 71, "T": 62, "N": 79}


def emodb(top: Path, suffix: str = ".wav") -> Path:
    """All 535 clips."""
    speakers = ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")
    texts = ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10")
    names = [
        f"{speakers[k % 10]}{texts[k // 10 % 10]}{emotion}{'ab'[k // 100]}"
        for emotion, n in EMODB_COUNTS.items()
        for k in range(n)
    ]
    place(top / "wav", names, suffix)
    (top / "lablaut").mkdir()
    return top


# --- audformat ---

EMOTIONS = ("anger", "happiness", "neutral", "sadness", "boredom")


def audformat(
    top: Path,
    name: str = "mine",
    *,
    n_speakers: int = 8,
    emotions=EMOTIONS,
    split_ids: bool = True,
    audio: bool = True,
) -> Path:
    """A database with a table of labels a split, a table of speakers, and one clip an emotion and speaker."""
    top.mkdir(parents=True, exist_ok=True)
    files, clips = _audformat(name, n_speakers, tuple(emotions), split_ids)
    for file, data in files.items():
        (top / file).write_bytes(data)
    if audio:
        place(top / "audio", clips)
    return top


@functools.cache
def _audformat(
    name: str, n_speakers: int, emotions: tuple[str, ...], split_ids: bool
) -> tuple[dict[str, bytes], list[str]]:
    """What its library writes, file by file, and the names of the clips."""
    import audformat as library
    import pandas as pd

    db = library.Database(name, languages=["eng"])
    db.schemes["emotion"] = library.Scheme("str", labels=list(emotions))
    parts = {"train": "train", "devel": "dev", "test": "test"}
    for split, kind in parts.items():
        db.splits[split] = library.Split(kind)
    files = [f"audio/s{speaker}-{emotion}.wav" for speaker in range(n_speakers) for emotion in emotions]
    frame = pd.DataFrame(
        {
            "emotion": [file.partition("-")[2].removesuffix(".wav") for file in files],
            "who": [file.partition("-")[0].removeprefix("audio/") for file in files],
        }
    )
    share = frame["who"].str[1:].astype(int) * 4 // n_speakers  # quarters: two train, one each the rest
    frame["part"] = share.map({0: "train", 1: "train", 2: "devel", 3: "test"})
    for split in parts if split_ids else ["all"]:
        here = (frame["part"] == split) if split_ids else frame["part"].notna()
        index = library.filewise_index([file for file, chosen in zip(files, here, strict=True) if chosen])
        table = db[f"emotion.{split}"] = library.Table(index, split_id=split if split_ids else None)
        table["emotion"] = library.Column(scheme_id="emotion")
        table["emotion"].set(frame.loc[here, "emotion"].tolist())
    db["files"] = library.Table(library.filewise_index(files))
    for column, values in (("speaker", frame["who"]), ("part", frame["part"])):
        db["files"][column] = library.Column()
        db["files"][column].set(values.tolist())
    with tempfile.TemporaryDirectory() as top, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the library about pandas
        db.save(top, storage_format="csv")
        written = {path.name: path.read_bytes() for path in Path(top).iterdir()}
    return written, [Path(file).stem for file in files]
