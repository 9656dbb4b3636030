"""RAVDESS: 24 North American actors, two statements, labels in the file names; the speech part only.

Source: Livingstone and Russo, "The Ryerson Audio-Visual Database of Emotional Speech and Song", PLoS ONE
13(5), 2018. Delivered as `Actor_01/03-01-05-01-02-01-01.wav` = modality, vocal channel, emotion, intensity,
statement, repetition, actor. Only audio (modality 03) of speech (channel 01) is read; 02 calm is not neutral.
The speaker is the actor in the file's name, never the folder's. Not part of the paper.
"""

import re
from collections import defaultdict
from pathlib import Path

from serkit.corpora.reading.corpus import Corpus, fold_by_speaker, next_validates, table
from serkit.corpora.reading.folder import audio_in, misnamed, names_in, names_seen, stem_of

TITLE = "RAVDESS"
PAGE = "docs/corpora.md#ravdess"
OPTIONS = {"folds": (6, 5)}
LOOKS_LIKE = "a folder with Actor_01 to Actor_24, which hold speech named like 03-01-05-01-02-01-01.wav"
WHOLE = 1440
RATE_HZ = (48_000,)
CHANNELS = (1, 2)  # a few of the published clips are stereo

EMOTIONS = {"01": "neutral", "03": "happy", "04": "sad", "05": "angry"}
"""02 calm, 06 fearful, 07 disgust and 08 surprised are not used."""
INTENSITIES = {"01": "normal", "02": "strong"}
STATEMENTS = {"01": "kids", "02": "dogs"}
"""*Kids are talking by the door* and *Dogs are sitting by the door*."""
ACTORS = tuple(f"{actor:02d}" for actor in range(1, 25))
"""Odd ones are men and even ones women, so four consecutive ones are two of each."""

ACTOR_FOLDER = re.compile(r"Actor_\d\d")
NUMBERS = re.compile(r"\d\d(-\d\d){6}")
NAME = re.compile(
    r"03-01-(?P<emotion>0[1-8])-(?P<intensity>0[12])-(?P<statement>0[12])-(?P<repetition>\d\d)-(?P<actor>\d\d)"
)
SCHEME = (
    "seven two-digit numbers: 03-01, emotion 01..08, intensity 01 or 02, statement 01 or 02, repetition,"
    " actor, as in 03-01-05-01-02-01-01.wav"
)
ELSE = {"03-02": "songs"}
ELSE |= dict.fromkeys(("01-01", "02-01"), "sound tracks of videos of speech")
ELSE |= dict.fromkeys(("01-02", "02-02"), "sound tracks of videos of songs")
"""By modality and channel: what shares the folders' names, and is another corpus or the same speech again."""


def is_here(folder: Path) -> int:
    """How much speech `folder` holds in `Actor_NN` folders; song and video lie in such folders too."""
    return sum(
        name.startswith("03-01") and NUMBERS.fullmatch(stem_of(name)) is not None
        for actor in filter(ACTOR_FOLDER.fullmatch, names_seen(folder))
        for name in names_seen(folder / actor)
    )


def read(folder: Path, folds: int = 6) -> Corpus:
    """The four-class clips of speech in folds.

    Extra columns: `intensity` (normal, strong), `statement` (kids, dogs), `repetition` (1, 2) and `gender`.
    6 `folds` leave out four consecutive actors at a time, two men and two women; 5, to train jointly with a
    corpus of five folds, leave out five (the last fold four).
    """
    places = defaultdict(list)  # a clip may lie in two actors' folders
    for actor_folder in filter(ACTOR_FOLDER.fullmatch, names_in(folder)):
        for stem, file in audio_in(folder / actor_folder).items():
            places[stem].append(f"{actor_folder}/{file}")
    rows, others, notes = [], [], []
    elsewhere: dict[str, list[str]] = defaultdict(list)
    for stem, paths in places.items():
        if stem[:5] in ELSE and NUMBERS.fullmatch(stem):
            elsewhere[stem[:5]] += paths
            continue
        name = NAME.fullmatch(stem)
        if name is None:
            raise misnamed(TITLE, paths[0], SCHEME)
        path, strays = _at_home(paths, name["actor"])
        notes += strays
        if name["emotion"] not in EMOTIONS:
            others.append(path)
            continue
        row = dict(path=path, label=EMOTIONS[name["emotion"]], speaker=name["actor"])
        row |= dict(intensity=INTENSITIES[name["intensity"]], statement=STATEMENTS[name["statement"]])
        gender = "male" if int(name["actor"]) % 2 else "female"
        rows.append(row | dict(repetition=int(name["repetition"]), gender=gender))
    for kind, paths in elsewhere.items():
        others += paths
        what = f"{len(paths)} {ELSE[kind]} ({kind}-...)"
        notes.append(f"{what} lie among the speech and are not used, {min(paths)} the first")
    clips = table(rows, TITLE)
    size = -(-len(ACTORS) // folds)
    groups = [ACTORS[first : first + size] for first in range(0, len(ACTORS), size)]
    clips["fold"] = fold_by_speaker(clips["speaker"], groups, TITLE)
    others.sort()
    notes.sort()
    validating = next_validates(folds)
    return Corpus("ravdess", folder, "one release", clips, validating, tuple(others), notes=tuple(notes))


def facts(corpus: Corpus, folds: int = 6) -> dict[tuple[str, str], int]:
    """Published counts: 24 actors x 2 statements x 2 repetitions, x 2 intensities except for neutral."""
    labels = {"*": 672, "neutral": 96, "angry": 192, "happy": 192, "sad": 192}
    return {("*", label): n for label, n in labels.items()} | {(actor, "*"): 28 for actor in ACTORS}


def _at_home(paths: list[str], actor: str) -> tuple[str, list[str]]:
    """The path to read of a clip in several places, its actor's folder first, and what to note."""
    elsewhere = "lies in another actor's folder"
    path, *strays = sorted(paths, key=lambda path: not path.startswith(f"Actor_{actor}/"))
    notes = [f"{stray} left out: it {elsewhere}, and {path} has its name" for stray in strays]
    if not path.startswith(f"Actor_{actor}/"):
        notes.append(f"{path} {elsewhere}; its name says actor {actor}, so it counts as theirs")
    return path, notes
