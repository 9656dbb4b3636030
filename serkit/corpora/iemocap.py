"""IEMOCAP: ten actors in five sessions of two, scripted and improvised dialogues, labels in evaluation files.

Source: Busso et al., "IEMOCAP: Interactive emotional dyadic motion capture database", LREC 42, 2008.
Delivered as `Session{1..5}/dialog/EmoEvaluation/<dialogue>.txt` (its subfolders hold single raters' answers
and are ignored) and `Session{1..5}/sentences/wav/<dialogue>/<turn>.wav`.

The speaker of a turn is its session and the first letter of the LAST field of its name: `Ses01F_impro01_M000`
is the man of session 1 speaking, while the woman wears the markers (`Ses01F`). The paper says neither who
validates nor whether excited is happy: `docs/reading-the-paper.md`, points 3 and 8.
"""

import re
from pathlib import Path

from serkit.corpora.reading.corpus import Corpus, fold_by_speaker, shared_trainings, table
from serkit.corpora.reading.folder import audio_in, label_text, names_in, names_seen
from serkit.errors import CorpusUnfit

TITLE = "IEMOCAP"
PAGE = "docs/corpora.md#iemocap"
OPTIONS = {"excited": ("happy", "dropped")}
LOOKS_LIKE = "a folder with Session1 to Session5, which hold dialog/EmoEvaluation/Ses01F_impro01.txt"
WHOLE = 151
RATE_HZ = (16_000,)
CHANNELS = (1,)

SESSIONS = tuple(f"Session{number}" for number in range(1, 6))
SPEAKERS = tuple(f"{number:02d}{gender}" for number in range(1, 6) for gender in "FM")
"""Session and gender: 01F, 01M, 02F, ... Fold k tests on the k-th; its partner in the session validates."""
PARTNERS = tuple(fold ^ 1 for fold in range(len(SPEAKERS)))
"""Folds of the other speaker in the session: 0 and 1, 2 and 3, ..."""
SPEAKER_CLIPS = {
    "happy": (528, 557, 481, 542, 522, 629, 528, 503, 590, 651),
    "dropped": (465, 477, 385, 428, 474, 526, 374, 419, 508, 434),
}
"""Clips of each speaker with one of the four labels, by the option `excited`."""

EMOTIONS = {"ang": "angry", "hap": "happy", "exc": "happy", "neu": "neutral", "sad": "sad"}
UNUSED = ("fru", "sur", "fea", "dis", "oth", "xxx")
"""Frustrated, surprised, fearful, disgusted, other, and no consensus."""
TURN = re.compile(r"Ses(?P<session>\d\d)[FM]_(?P<kind>impro|script).*_(?P<gender>[FM])[^_]*")


def is_here(folder: Path) -> int:
    """How many evaluation files the sessions in `folder` hold."""
    folders = (folder / session / "dialog" / "EmoEvaluation" for session in SESSIONS)
    return sum(name.endswith(".txt") for one in folders for name in names_seen(one))


def folds(excited: str = "happy") -> int:
    """How many there are, always: one a speaker."""
    return len(SPEAKERS)


def trainings(excited: str = "happy") -> tuple[tuple[int, ...], ...]:
    """One a session: its two speakers validate each other, so both are left out together."""
    return shared_trainings(PARTNERS)


def read(folder: Path, excited: str = "happy") -> Corpus:
    """The four-class turns in ten folds; `excited` ones count as happy, or are dropped.

    Extra columns: `session` (`01`), `dialogue`, `kind` (impro, script), `gender`, and the raters' mean
    `valence`, `arousal` and `dominance` (1..5).
    """
    emotions = {code: label for code, label in EMOTIONS.items() if code != "exc" or excited == "happy"}
    rows, others = [], []
    for session in SESSIONS:
        evaluations = folder / session / "dialog" / "EmoEvaluation"
        dialogues = [name for name in names_in(evaluations) if name.endswith(".txt")]
        if not dialogues:
            expected = f"expected those of all of {', '.join(SESSIONS)}. Unpack the whole release"
            raise CorpusUnfit(f"{TITLE}: no evaluation files in {evaluations}; {expected}")
        for file in dialogues:
            wavs = f"{session}/sentences/wav/{file.removesuffix('.txt')}"
            audio = audio_in(folder / wavs)
            for number, line in enumerate(label_text(evaluations / file, TITLE).splitlines(), start=1):
                if not line.startswith("["):
                    continue  # the heading, the single raters' answers, blank lines
                where = f"{session}/dialog/EmoEvaluation/{file}, line {number}"
                turn, emotion, ratings = _fields(line, where)
                path = f"{wavs}/{audio.get(turn.string, turn.string + '.wav')}"
                if emotion not in emotions:
                    others.append(path)
                    continue
                row = dict(path=path, label=emotions[emotion], speaker=turn["session"] + turn["gender"])
                row |= dict(session=turn["session"], dialogue=file.removesuffix(".txt"), kind=turn["kind"])
                rows.append(row | dict(gender={"F": "female", "M": "male"}[turn["gender"]], **ratings))
    clips = table(rows, TITLE)
    clips["fold"] = fold_by_speaker(clips["speaker"], [[speaker] for speaker in SPEAKERS], TITLE)
    return Corpus("iemocap", folder, "full release", clips, PARTNERS, tuple(sorted(others)))


def facts(corpus: Corpus, excited: str = "happy") -> dict[tuple[str, str], int]:
    """Counts of the release's evaluation files, per label and per true speaker (10,039 turns in all)."""
    speakers = SPEAKER_CLIPS[excited]
    happy = 595 + (1041 if excited == "happy" else 0)
    labels = {"*": sum(speakers), "angry": 1103, "happy": happy, "neutral": 1708, "sad": 1084}
    each = {(speaker, "*"): n for speaker, n in zip(SPEAKERS, speakers, strict=True)}
    return {("*", label): n for label, n in labels.items()} | each


def expected(excited: str = "happy") -> list[dict[str, int]]:
    """Clips of each part in each fold by the published counts."""
    sizes = SPEAKER_CLIPS[excited]
    pairs = [(n, sizes[partner]) for n, partner in zip(sizes, PARTNERS, strict=True)]
    return [{"train": sum(sizes) - n - other, "validation": other, "test": n} for n, other in pairs]


def _fields(line: str, where: str) -> tuple[re.Match[str], str, dict[str, float]]:
    """A turn's name, label and three ratings."""
    try:
        _, name, emotion, values = (field.strip() for field in line.split("\t"))
        turn = TURN.fullmatch(name)
        numbers = map(float, values.strip("[]").split(","))
        ratings = dict(zip(("valence", "arousal", "dominance"), numbers, strict=True))
    except ValueError:
        turn = None
    if turn is None:
        raise CorpusUnfit(
            f"{TITLE}: {where} reads {line!r}; expected times, a turn's name such as Ses01F_impro01_M000, a"
            " label and three values, separated by tabs. Restore the file from the release"
        )
    if emotion not in (*EMOTIONS, *UNUSED):
        known = ", ".join([*EMOTIONS, *UNUSED])
        raise CorpusUnfit(
            f"{TITLE}: {name} has the label {emotion!r} ({where}); expected one of {known}. Restore the file"
            " from the release"
        )
    return turn, emotion, ratings
