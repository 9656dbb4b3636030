"""RAVDESS: 24 North American actors, two statements, labels in the file names; the speech part only.

Source: Livingstone and Russo, "The Ryerson Audio-Visual Database of Emotional Speech and Song", PLoS ONE
13(5), 2018. Delivered as `Actor_01/03-01-05-01-02-01-01.wav` = modality, vocal channel, emotion, intensity,
statement, repetition, actor. Only audio (modality 03) of speech (channel 01) is read; 02 calm is not neutral.

Not part of the paper. Folds: six, each leaves out four consecutive actors, two men and two women; or, to
train jointly with a corpus of five folds, five of five (the last of four) with two or three of each. The next
fold validates. The speaker is the actor in the file's name, never the folder's.
"""

from __future__ import annotations

import re
from pathlib import Path

from serkit.corpora.reading.corpus import Corpus, fold_by_speaker, table
from serkit.corpora.reading.folder import audio_in, names_in, names_seen, stem_of
from serkit.errors import CorpusUnfit

TITLE = "RAVDESS"
PAGE = "docs/corpora.md#ravdess"
OPTIONS = {"folds": (6, 5)}
LOOKS_LIKE = "a folder with Actor_01 to Actor_24, which hold speech named like 03-01-05-01-02-01-01.wav"
WHOLE = 1440
RATE_HZ = (48_000,)
CHANNELS = (1, 2)  # a few of the published clips are stereo

EMOTIONS = {
    "01": "neutral",
    "02": None,  # calm
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": None,  # fearful
    "07": None,  # disgust
    "08": None,  # surprised
}
INTENSITIES = {"01": "normal", "02": "strong"}
STATEMENTS = {"01": "kids", "02": "dogs"}
"""*Kids are talking by the door* and *Dogs are sitting by the door*."""

ACTORS = tuple(f"{actor:02d}" for actor in range(1, 25))
"""Odd ones are men and even ones women, so four consecutive ones are two of each."""

ACTOR_FOLDER = re.compile(r"Actor_(\d\d)")
NAME = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
SPEECH = ("03", "01")
ELSE = {
    ("03", "02"): "songs (03-02-...)",
    ("01", "01"): "sound tracks of videos of speech (01-01-...)",
    ("02", "01"): "sound tracks of videos of speech (02-01-...)",
    ("01", "02"): "sound tracks of videos of songs (01-02-...)",
    ("02", "02"): "sound tracks of videos of songs (02-02-...)",
}
"""By modality and channel: what shares the folders' names, and is another corpus or the same speech again."""


def is_here(folder: Path) -> int:
    """How much speech `folder` holds in `Actor_NN` folders; song and video lie in such folders too."""
    actors = [name for name in names_seen(folder) if ACTOR_FOLDER.fullmatch(name)]
    return sum(
        name.startswith("-".join(SPEECH)) and NAME.fullmatch(stem_of(name)) is not None
        for actor in actors
        for name in names_seen(folder / actor)
    )


def read(folder: Path, folds: int = 6) -> Corpus:
    """Reads the speech part of RAVDESS as delivered.

    A clip that lies in another actor's folder is a stray where its own folder has one of that name too: it
    is left out, and `notes` says so. Where it is the only one, it stays, with the speaker that its name
    gives.

    Args:
        folder: the folder of the actors' folders.
        folds: 6 or 5.

    Returns:
        the four-class clips in folds; extra columns `intensity` (normal, strong), `statement` (kids,
        dogs), `repetition` (1, 2) and `gender`.

    Raises:
        CorpusUnfit: a clip whose name does not follow the scheme, an unknown emotion code or actor.
    """
    places: dict[str, list[str]] = {}
    for actor_folder in names_in(folder):
        if ACTOR_FOLDER.fullmatch(actor_folder):
            for stem, file in audio_in(folder / actor_folder).items():
                places.setdefault(stem, []).append(f"{actor_folder}/{file}")

    rows, others, notes = [], [], []
    elsewhere: dict[str, list[str]] = {}
    for stem, paths in places.items():
        name = NAME.fullmatch(stem)
        if name is None:
            raise CorpusUnfit(
                f"{TITLE}: {paths[0]} is not named as its clips are; expected seven two-digit numbers, as in"
                " 03-01-05-01-02-01-01.wav. Move it out of the folder, or restore its name"
            )
        modality, channel, emotion, intensity, statement, repetition, actor = name.groups()
        if (modality, channel) in ELSE:
            elsewhere.setdefault(ELSE[modality, channel], []).extend(paths)
            continue
        if (
            (modality, channel) != SPEECH
            or emotion not in EMOTIONS
            or intensity not in INTENSITIES
            or statement not in STATEMENTS
        ):
            raise CorpusUnfit(
                f"{TITLE}: {paths[0]} has modality {modality}, channel {channel}, emotion {emotion},"
                f" intensity {intensity}, statement {statement}; expected 03, 01,"
                f" {min(EMOTIONS)}..{max(EMOTIONS)}, 01 or 02, 01 or 02. Move it out of the folder, or"
                " restore its name"
            )
        home = f"Actor_{actor}/"
        paths = sorted(paths, key=lambda path: not path.startswith(home))
        path = paths[0]
        notes += [
            f"{stray} left out: it lies in another actor's folder, and {path} has its name"
            for stray in paths[1:]
        ]
        if not path.startswith(home):
            notes.append(
                f"{path} lies in another actor's folder; its name says actor {actor}, so it counts as theirs"
            )
        label = EMOTIONS[emotion]
        if label is None:
            others.append(path)
            continue
        rows.append(
            dict(
                path=path,
                label=label,
                speaker=actor,
                intensity=INTENSITIES[intensity],
                statement=STATEMENTS[statement],
                repetition=int(repetition),
                gender="male" if int(actor) % 2 else "female",
            )
        )
    for what, paths in elsewhere.items():
        others += paths
        notes.append(f"{len(paths)} {what} lie among the speech and are not used, {min(paths)} the first")
    clips = table(rows, TITLE)
    size = -(-len(ACTORS) // folds)
    groups = [ACTORS[first : first + size] for first in range(0, len(ACTORS), size)]
    clips["fold"] = fold_by_speaker(clips["speaker"], groups, TITLE)
    return Corpus(
        name="ravdess",
        folder=folder,
        version="one release",
        clips=clips,
        validation_fold=tuple((fold + 1) % folds for fold in range(folds)),
        others=tuple(sorted(others)),
        notes=tuple(sorted(notes)),
    )


def facts(corpus: Corpus, folds: int = 6) -> dict[tuple[str, str], int]:
    """Published counts: 24 actors x 2 statements x 2 repetitions, x 2 intensities except for neutral."""
    counts = {("*", "*"): 672, ("*", "neutral"): 96}
    counts |= {("*", label): 192 for label in ("angry", "happy", "sad")}
    counts |= {(actor, "*"): 28 for actor in ACTORS}
    return counts
