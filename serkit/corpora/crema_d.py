"""CREMA-D: 91 actors, twelve sentences, six emotions; labelled by what was acted and by what listeners heard.

Source: Cao et al., "CREMA-D: Crowd-sourced Emotional Multimodal Actors Dataset", IEEE Transactions on
Affective Computing 5(4), 2014. Delivered as `AudioWAV/1001_DFA_ANG_XX.wav` = actor, sentence, intended
emotion, level; votes in `processedResults/summaryTable.csv`.

The paper does not say which labels, and names no seed for its random split, which leaves speakers on both
sides: `docs/reading-the-paper.md`, points 2 and 9.
"""

import re
from collections import Counter
from pathlib import Path
from typing import Any

from serkit.corpora.reading.corpus import Corpus, split_shares, table
from serkit.corpora.reading.folder import audio_in, misnamed, names_seen, stem_of
from serkit.corpora.reading.tabular import label_table
from serkit.errors import CorpusUnfit, SpecError

TITLE = "CREMA-D"
PAGE = "docs/corpora.md#crema-d"
OPTIONS: dict[str, tuple] = {
    "labels": ("voice", "intended", "multimodal"),
    "split": ("random", "speaker-disjoint"),
    "split_seed": (),
}
LOOKS_LIKE = "a folder with AudioWAV, which holds audio named like 1001_DFA_ANG_XX.wav"
WHOLE = 7442
RATE_HZ = (16_000,)
CHANNELS = (1,)

COUNTS = {
    "voice": {"*": 5606, "angry": 986, "happy": 353, "neutral": 3897, "sad": 370},
    "intended": {"*": 4900, "angry": 1271, "happy": 1271, "neutral": 1087, "sad": 1271},
    "multimodal": {"*": 4799},
}
"""The published numbers of clips with one of the four labels, by the option `labels`."""
INTENDED = {"ANG": "angry", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
VOTES = {"A": "angry", "H": "happy", "N": "neutral", "S": "sad", "D": None, "F": None}
NO_VOTES = ("", "NA")
LEVELS = ("LO", "MD", "HI", "XX")
ACTORS = tuple(str(actor) for actor in range(1001, 1092))
USED = ("angry", "happy", "neutral", "sad")

TABLE = "processedResults/summaryTable.csv"
COLUMN = {"voice": "VoiceVote", "multimodal": "MultiModalVote"}
NAME = re.compile(r"(?P<actor>\d{4})_(?P<sentence>[A-Z]{3})_(?P<emotion>[A-Z]{3})_(?P<level>[A-Z]+)")
KNOWN = {"actor": ACTORS, "emotion": INTENDED, "level": LEVELS}
SCHEME = (
    f"an actor ({ACTORS[0]}..{ACTORS[-1]}), a sentence, an emotion ({', '.join(INTENDED)}) and a level"
    f" ({', '.join(LEVELS)}), as in 1001_DFA_ANG_XX"
)
SILENT = "1076_MTI_SAD_XX"


def is_here(folder: Path) -> int:
    """How many names in the folder `AudioWAV` are as CREMA-D's are; one more for the votes."""
    named = sum(NAME.fullmatch(stem_of(name)) is not None for name in names_seen(folder / "AudioWAV"))
    return named + (Path(TABLE).name in names_seen(folder / Path(TABLE).parent))


def folds(split_seed: int | None = None, **options: Any) -> int:
    """One split, whatever the options. Raises SpecError for a seed that is none."""
    seed = 0 if split_seed is None else split_seed
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise SpecError(f"{TITLE}: split_seed = {split_seed!r}; expected a whole number of 0 or more")
    return 1


def read(folder: Path, labels: str = "voice", split: str = "random", split_seed: int | None = None) -> Corpus:
    """The four-class clips, split; extra columns `sentence`, `level` (XX: unspecified) and `intended`.

    Args:
        folder: the folder that holds `AudioWAV`.
        labels: `voice` or `multimodal`, the listeners' vote, ties left out; `intended`, what was acted.
        split: `random` splits clips 70-15-15, `speaker-disjoint` the 91 actors.
        split_seed: random seed of the split, 0 or more; None is 0.
    """
    folds(split_seed)
    seed = split_seed or 0
    audio, notes = _audio(folder)
    votes = None if labels == "intended" else _votes(folder, COLUMN[labels])
    rows, others = [], []
    for stem in sorted({*audio, *(votes or {})}):
        name = NAME.fullmatch(stem)
        if name is None or any(name[part] not in values for part, values in KNOWN.items()):
            raise misnamed(TITLE, stem, SCHEME)
        path = f"AudioWAV/{audio.get(stem, stem + '.wav')}"
        intended = INTENDED[name["emotion"]]
        label = intended if votes is None else votes.get(stem)
        if label not in USED:
            others.append(path)
            continue
        row = dict(path=path, label=label, speaker=name["actor"], sentence=name["sentence"])
        rows.append(row | dict(level=name["level"], intended=intended))
    if votes is not None and (lacking := sorted(audio.keys() - votes.keys())):
        notes.append(f"{len(lacking)} clips have no row in {TABLE} and are not used, {lacking[0]} the first")
    clips = table(rows, TITLE)
    if clips["path"].str.contains(SILENT, regex=False).any():
        notes.append(f"{SILENT} is silent as published; it is kept")
    if split == "random":
        clips["split"] = split_shares(len(clips), seed)
    else:  # over all 91 actors, so that a speaker's side depends on the seed alone, not on the labels chosen
        side = dict(zip(ACTORS, split_shares(len(ACTORS), seed), strict=True))
        clips["split"] = clips["speaker"].map(side)
    by_clip = split == "random"
    return Corpus("crema_d", folder, "one release", clips, (), tuple(others), by_clip, tuple(notes))


def facts(corpus: Corpus, labels: str = "voice", **options: Any) -> dict[tuple[str, str], int]:
    """Published four-class counts of the 7,442 clips under each kind of label."""
    return {("*", label): n for label, n in COUNTS[labels].items()}


def expected(labels: str = "voice", split_seed: int | None = None, **options: Any) -> list[dict[str, int]]:
    """Clips of each part by the published counts; split by speaker, about so many."""
    return [dict(Counter(split_shares(COUNTS[labels]["*"], split_seed or 0)))]


def _canonical(stem: str) -> str:
    """The stem with `X` for `XX`, as old copies spell one clip (`1040_ITH_SAD_X`), put right."""
    return stem + "X" if stem.endswith("_X") else stem


def _audio(folder: Path) -> tuple[dict[str, str], list[str]]:
    """File names by canonical stem, and what to say of a clip that is there under both spellings."""
    found: dict[str, str] = {}
    notes = []
    for stem, name in sorted(audio_in(folder / "AudioWAV").items(), key=lambda item: item[0].endswith("_X")):
        if (kept := found.setdefault(_canonical(stem), name)) != name:
            older = f"an older spelling of AudioWAV/{kept}, which is there too"
            notes.append(f"AudioWAV/{name} left out: {older}")
    return found, notes


def _votes(folder: Path, column: str) -> dict[str, str | None]:
    """The label most listeners chose, by canonical stem; None for ties, other emotions and no votes."""
    missing = 'copy it from the CREMA-D repository, or set the option labels = "intended"'
    rows = label_table(folder / TABLE, TITLE, ("FileName", column), missing)
    votes: dict[str, str | None] = {}
    for file, vote in zip(rows["FileName"], rows[column], strict=True):
        letters = vote.split(":")
        if not set(letters) <= {*VOTES, *NO_VOTES}:
            raise CorpusUnfit(
                f"{TITLE}: {file} has the {column} {vote!r}; expected one of {' '.join(VOTES)}, or several"
                f" with colons between for a tie. Restore {TABLE} from the CREMA-D repository"
            )
        votes[_canonical(file)] = VOTES.get(letters[0]) if len(letters) == 1 else None
    return votes
