"""EmoDB, the Berlin database of emotional speech: ten German actors, labels in the file names.

Source: Burkhardt et al., "A Database of German Emotional Speech", Interspeech 2005. Delivered as
`wav/03a01Wa.wav` = speaker 03, text a01, emotion W (Wut, anger), version a. Not part of the paper.
"""

import re
from pathlib import Path

from serkit.corpora.reading.corpus import Corpus, fold_by_speaker, next_validates, table
from serkit.corpora.reading.folder import audio_in, misnamed, names_seen, stem_of

TITLE = "EmoDB"
PAGE = "docs/corpora.md#emodb"
OPTIONS: dict[str, tuple] = {}
LOOKS_LIKE = "a folder with wav, which holds audio named like 03a01Wa.wav"
WHOLE = 535
RATE_HZ = (16_000,)
CHANNELS = (1,)

EMOTIONS = {"W": "angry", "F": "happy", "N": "neutral", "T": "sad"}
"""The letter is the German word's: Wut, Freude, neutral, Trauer; Angst, Ekel and Langeweile are not used."""
FOLDS = (("03", "08"), ("10", "09"), ("11", "13"), ("12", "14"), ("15", "16"))
"""The speakers that each fold leaves out: a man and a woman, in the order of their numbers."""

NAME = re.compile(r"(?P<speaker>\d\d)(?P<text>[ab]\d\d)(?P<emotion>[WFNTAEL])[a-z]")
SCHEME = "two digits (speaker), a letter and two digits (text), one of W F N T A E L (emotion), one letter"


def is_here(folder: Path) -> int:
    """How many names in the folder `wav` of `folder` are as EmoDB's are."""
    return sum(NAME.fullmatch(stem_of(name)) is not None for name in names_seen(folder / "wav"))


def folds() -> int:
    """How many there are, always."""
    return len(FOLDS)


def read(folder: Path) -> Corpus:
    """The four-class clips in five folds; extra columns `text` (its code, `a01`) and `gender`."""
    rows, others = [], []
    for stem, file in audio_in(folder / "wav").items():
        path, name = f"wav/{file}", NAME.fullmatch(stem)
        if name is None:
            raise misnamed(TITLE, path, f"{SCHEME}, as in 03a01Wa.wav")
        if name["emotion"] not in EMOTIONS:
            others.append(path)
            continue
        label, speaker = EMOTIONS[name["emotion"]], name["speaker"]
        gender = "male" if speaker in [man for man, _ in FOLDS] else "female"
        rows.append(dict(path=path, label=label, speaker=speaker, text=name["text"], gender=gender))
    clips = table(rows, TITLE)
    clips["fold"] = fold_by_speaker(clips["speaker"], FOLDS, TITLE)
    others.sort()
    return Corpus("emodb", folder, "one release", clips, next_validates(len(FOLDS)), tuple(others))


def facts(corpus: Corpus) -> dict[tuple[str, str], int]:
    """Published four-class counts of the 535 clips."""
    labels = {"*": 339, "angry": 127, "happy": 71, "neutral": 79, "sad": 62}
    return {("*", label): n for label, n in labels.items()}
