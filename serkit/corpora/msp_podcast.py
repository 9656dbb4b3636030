"""MSP-Podcast: segments of podcasts by more than 600 speakers, labelled by crowds; any release.

Source: Lotfian and Busso, "Building naturalistic emotionally balanced speech corpus by retrieving emotional
speech from existing podcast recordings", IEEE Transactions on Affective Computing 10(4), 2019. Delivered as
`Labels/labels_consensus.csv` (up to 1.8 spelt `labels_concensus.csv`) and audio in `Audios/` or `Audio/`,
sometimes once more inside itself.

The paper uses release 1.10, the four classes (67,929 clips), the delivered training set, the development set
for validation and Test1 for testing. Another release gives other clips, so other numbers; which one was read
is in `Corpus.version`.
"""

from __future__ import annotations

from pathlib import Path

from serkit.corpora.reading.corpus import UNKNOWN_SPEAKER, Corpus, composed, table
from serkit.corpora.reading.folder import audio_in, names_in, names_seen, stem_of
from serkit.corpora.reading.tabular import label_table
from serkit.errors import CorpusUnfit
from serkit.later import pd

TITLE = "MSP-Podcast"
PAGE = "docs/corpora.md#msp-podcast"
OPTIONS = {"test": ("Test1", "Test2", "Test3")}
LOOKS_LIKE = "a folder with Labels, which holds labels_consensus.csv"
WHOLE = 2
RATE_HZ = (16_000,)
CHANNELS = (1,)

LABEL_FILES = ("labels_consensus.csv", "labels_concensus.csv")
AUDIO_FOLDERS = ("Audios", "Audio")
EXTRA = {"Gender": "gender", "EmoAct": "arousal", "EmoVal": "valence", "EmoDom": "dominance"}
EMOTIONS = {"A": "angry", "H": "happy", "N": "neutral", "S": "sad"}
UNUSED = ("C", "D", "F", "O", "U", "X")
"""Contempt, disgust, fear, other, surprise, and no agreement."""
SPLITS = {"Train": "train", "Development": "validation", "Validation": "validation"}
SPLITS |= {"Test1": "test1", "Test2": "test2", "Test3": "test3"}
ODD = "MSP-PODCAST_1023_0235"
OLD = "1.8"  # spells its label file in the second way, and only clips of the four classes are published
SIZES = {
    "1.8": {"train": 28_601, "validation": 4_772, "test1": 9_304},
    "1.10": {"train": 63_076, "validation": 10_999, "test1": 16_903, "test2": 13_289},
    "1.11": {"train": 84_030, "validation": 19_815, "test1": 30_647, "test2": 14_815},
}
"""Published clips of each split; 1.11's third test set has no public labels."""
FOUR_CLASSES = 67_929  # of release 1.10: the paper, §2.1


def is_here(folder: Path) -> int:
    """Whether `folder` holds `Labels` with the consensus labels, under either spelling; 2 with audio, too."""
    has_labels = not set(LABEL_FILES).isdisjoint(names_seen(folder / "Labels"))
    return has_labels and 2 - set(AUDIO_FOLDERS).isdisjoint(names_seen(folder))


def read(folder: Path, test: str = "Test1") -> Corpus:
    """The four-class clips of a release, split as delivered.

    `test` is the set to test on; the other test sets keep their names, in lower case, and no run uses them.
    A speaker may be `Unknown`: the segments were given speakers after the fact, not all of them. Extra
    columns, where the label file has them: `gender`, and the raters' mean `arousal`, `valence` and
    `dominance` (1..7).
    """
    names = names_in(folder / "Labels")
    file = next((name for name in LABEL_FILES if name in names), LABEL_FILES[0])
    labels = label_table(folder / "Labels" / file, TITLE, ("FileName", "EmoClass", "SpkrID", "Split_Set"))
    for column, known in (("EmoClass", [*EMOTIONS, *UNUSED]), ("Split_Set", list(SPLITS))):
        wrong = labels[~labels[column].isin(known)]
        if len(wrong):
            row = wrong.iloc[0]
            where = f"Labels/{file}, row {row.name + 2} ({row['FileName']})"
            said = f"{column} {row[column]!r}; expected one of {', '.join(known)}"
            raise CorpusUnfit(f"{TITLE}: {where} has {said}. Restore the file from the release")
    labels["split"] = labels["Split_Set"].map(SPLITS)
    version, notes = _version(labels, file)
    audio, expected = _audio(folder)
    stems = labels["FileName"].map(stem_of).map(composed)
    labels["path"] = [audio.get(stem, f"{expected}/{stem}.wav") for stem in stems]
    if SPLITS[test] not in set(labels["split"]):
        has = ", ".join(sorted(set(labels["Split_Set"])))
        cure = "Set the option test to one of its test sets"
        raise CorpusUnfit(f"{TITLE}: no clip is in {test}; this copy has {has}. {cure}")
    used = labels["EmoClass"].isin(EMOTIONS.keys())
    labels["label"] = labels["EmoClass"].map(EMOTIONS)
    labels["split"] = labels["split"].replace(SPLITS[test], "test")
    for column in {*EXTRA} & {*labels} - {"Gender"}:
        labels[column] = pd.to_numeric(labels[column], errors="coerce")
    kept = [column for column in ("path", "label", "SpkrID", "split", *EXTRA) if column in labels]
    clips = table(labels.loc[used, kept].rename(columns={"SpkrID": "speaker", **EXTRA}), TITLE)
    if n_unknown := int((clips["speaker"] == UNKNOWN_SPEAKER).sum()):
        notes.append(f"{n_unknown} clips have no speaker identity (SpkrID Unknown)")
    if stems[used].eq(ODD).any():
        notes.append(f"{ODD} is stereo at 44.1 kHz as published; it is kept")
    others = tuple(sorted(labels["path"][~used]))
    return Corpus("msp_podcast", folder, version, clips, (), others, notes=tuple(notes))


def facts(corpus: Corpus, test: str = "Test1") -> dict[tuple[str, str], int]:
    """Published four-class counts: per split and class for 1.8, the total for 1.10 (the paper, §2.1)."""
    if corpus.version == "1.10":
        return {("*", "*"): FOUR_CLASSES}
    if corpus.version != OLD:
        return {}
    counts = {
        "train": {"angry": 1839, "happy": 8564, "neutral": 16518, "sad": 1680},
        "validation": {"angry": 621, "happy": 1320, "neutral": 2529, "sad": 302},
        "test" if test == "Test1" else "test1": {"angry": 622, "happy": 3475, "neutral": 4702, "sad": 505},
    }
    return {(split, label): n for split, row in counts.items() for label, n in row.items()}


def expected(test: str = "Test1") -> list[dict[str, int]]:
    """About so many clips of release 1.10: the four classes' total, divided as all clips are."""
    sizes = SIZES["1.10"]
    share = FOUR_CLASSES / sum(sizes.values())
    parts = {"train": "train", "validation": "validation", "test": SPLITS[test]}
    return [{part: round(share * sizes.get(split, 0)) for part, split in parts.items()}]


def _version(labels: pd.DataFrame, file: str) -> tuple[str, list[str]]:
    """The release by its published sizes, and what to say about it.

    All sizes but one must be met: a copy with a hole in one split is still known, and its hole is named,
    while releases that share a set stay apart.
    """
    every = labels["split"].value_counts()
    four = labels["split"][labels["EmoClass"].isin(EMOTIONS.keys())].value_counts()
    for version, sizes in SIZES.items():
        counts = (four if version == OLD else every).reindex([*sizes], fill_value=0)
        off = [
            f"{split} has {counts[split]} clips; release {version} has {size}"
            for split, size in sizes.items()
            if counts[split] != size
        ]
        if file == LABEL_FILES[version == OLD] and len(off) <= 1:
            return version, off
    found = ", ".join(f"{split} {n}" for split, n in sorted(every.items()))
    what = f"{len(labels)} labelled clips ({found}) are not those of {', '.join(SIZES)}"
    return "unknown", [f"release not recognised: {what}; no published counts to check against"]


def _audio(folder: Path) -> tuple[dict[str, str], str]:
    """Paths by stem, from the audio folder and once more inside itself; and where to expect missing ones."""
    found: dict[str, str] = {}
    outer = [name for name in names_in(folder) if name in AUDIO_FOLDERS]
    for place in outer + [f"{name}/{inner}" for name in outer for inner in AUDIO_FOLDERS]:
        for stem, file in audio_in(folder / place).items():
            found.setdefault(stem, f"{place}/{file}")
    first = next(iter(found.values()), f"{[*outer, *AUDIO_FOLDERS][0]}/")
    return found, first.rpartition("/")[0]
