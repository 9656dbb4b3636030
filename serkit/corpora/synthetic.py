"""Three small synthetic corpora in the roles of the paper's: A as MSP-Podcast, B as IEMOCAP, C as CREMA-D.

`generate()` makes all three (`serkit.worlds`), once, in the cache folder; everything after that treats them
like any delivered corpus. Their numbers say nothing about real speech.

* A: the largest, many speakers, clean; train, validation and test are predetermined and share no speaker.
* B: few speakers, noisy and reverberant; three folds of two speakers each (one low voice, one high),
  validated on the next fold.
* C: many speakers with few clips each, narrow-band, mostly neutral; split 70-15-15 at random as the paper
  splits CREMA-D, so its parts do share speakers.

On disk: `synthetic-<digest>/<role>/<speaker>/<clip>.wav` (16 kHz, 16 bit, mono) and `labels.csv`. The digest
is over all that the audio follows from; `content.sha256` over all clips: a folder of others is made anew.
"""

from __future__ import annotations

import functools
import hashlib
import io
import itertools
import json
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from serkit.corpora.reading.corpus import Corpus, fold_by_speaker, next_validates, split_shares, table
from serkit.corpora.reading.folder import made_once
from serkit.corpora.reading.tabular import label_table
from serkit.files import cache_folder, read_bytes, read_text
from serkit.labels import LABELS
from serkit.later import Later, np, pd, soundfile

if TYPE_CHECKING:
    from serkit.worlds import world
else:
    world = Later("serkit.worlds.world")

TITLE = "synthetic"
PAGE = "docs/corpora.md#synthetic"
ROLES = ("A", "B", "C")
SEMANTICS = ("shared", "disjoint", "swapped")
OPTIONS: dict[str, tuple[Any, ...]] = {
    "role": ROLES,
    "semantics": SEMANTICS,  # which cues carry the emotions, see `serkit.worlds.world`
    "acoustic": (1.0, 0.5, 0.0),  # how far the corpora's channels are apart
}
WHOLE = 1
RATE_HZ = (16_000,)
CHANNELS = (1,)

_LABELS_FILE = "labels.csv"
_DIGEST_FILE = "content.sha256"
_COLUMNS = ("path", "label", "speaker", "voice", "split")


@dataclass(frozen=True)
class Cast:
    """How many clips of which emotion a role has."""

    speakers: int  # even numbers have low voices, odd ones high
    clips_each: int  # a speaker
    counts: dict[str, int]  # a label, in all: speakers * clips_each


# Small enough for a hundred trainings in minutes on two cores; large enough for 24 clips a test part (A, B).
CASTS = {
    "A": Cast(30, 4, dict.fromkeys(LABELS, 30)),  # every speaker says every emotion once
    "B": Cast(6, 12, dict.fromkeys(LABELS, 18)),  # every speaker says every emotion three times
    "C": Cast(24, 3, {"angry": 12, "happy": 10, "neutral": 40, "sad": 10}),  # as CREMA-D by voice
}
PART_OF_A = ["train"] * 18 + ["validation"] * 6 + ["test"] * 6
"""By speaker: 60, 20 and 20 %, half low voices and half high in each part."""
FOLDS_OF_B = (("B00", "B01"), ("B02", "B03"), ("B04", "B05"))
CASTING_SEED_OF_C = 1  # decides who says which emotion
SPLIT_SEED_OF_C = 22  # one that gives every part every class: `tests/corpora/test_synthetic.py` holds it


def is_here(folder: Path) -> bool:
    """Whether `folder` is one that `generate` made, judged by names alone."""
    return (folder / _LABELS_FILE).is_file() and all((folder / role).is_dir() for role in ROLES)


def generate(semantics: str = "shared", acoustic: float = 1.0) -> Path:
    """The folder of `labels.csv` and the three corpora (20 MB), made in the cache folder at the first call.

    Args:
        semantics: one of `SEMANTICS`.
        acoustic: how far the corpora's channels are apart, in [0, 1].

    Raises:
        SerkitError: the cache folder cannot be written.
        SpecError: unknown semantics, or `acoustic` outside [0, 1].
    """
    world.prosody_of("A", LABELS[0], semantics)
    world.channel_of("A", acoustic)
    folder = cache_folder() / _folder_name(semantics, acoustic)
    what = "the synthetic corpora (20 MB)"
    made_once(folder, what, lambda at: _is_whole(at) or None, lambda at: _write(at, semantics, acoustic))
    return folder


def folds(role: str = "A", **options: Any) -> int:
    """How many folds a role has."""
    return len(FOLDS_OF_B) if role == "B" else 1


def read(folder: Path, role: str = "A", semantics: str = "shared", acoustic: float = 1.0) -> Corpus:
    """One of the three corpora; its clips have a further column, `voice` (`low` or `high`).

    `folder` is what `generate` returned; for other settings than that one's, they are generated beside it.
    """
    if folder.name != _folder_name(semantics, acoustic):
        folder = generate(semantics, acoustic)
    title = f"{TITLE} {role}"
    labels = label_table(folder / _LABELS_FILE, title, _COLUMNS)
    clips = table(labels[labels["path"].str.startswith(f"{role}/")].to_dict("records"), title)
    if role == "B":
        clips["fold"] = fold_by_speaker(clips["speaker"], FOLDS_OF_B, title)
    elif role == "C":
        clips["split"] = split_shares(len(clips), SPLIT_SEED_OF_C)
    version = f"{world.VERSION}, {semantics} semantics, acoustic {acoustic:g}"
    validation_fold = next_validates(len(FOLDS_OF_B) if role == "B" else 0)
    notes = ("made by serkit.worlds, not recorded",)
    return Corpus("synthetic", folder, version, clips, validation_fold, (), role == "C", notes)


def facts(corpus: Corpus, role: str = "A", **options: Any) -> dict[tuple[str, str], int]:
    """The counts of a role, at any setting of the dials: by label; A by split too, B by speaker too."""
    column = {"A": "split", "B": "speaker", "C": None}[role]
    counts: Counter[tuple[str, str]] = Counter()
    planned = _planned()
    for clip in planned[planned["role"] == role].to_dict("records"):
        groups = ("*", clip[column]) if column else ("*",)
        counts.update((group, label) for group in groups for label in ("*", clip["label"]))
    return dict(counts)


def _planned() -> pd.DataFrame:
    """Every clip of the three corpora, by path: `_COLUMNS`, role, number of speaker and of clip."""
    rows = []
    for role, cast in CASTS.items():
        slots = [*itertools.product(range(cast.speakers), range(cast.clips_each))]
        labels = [LABELS[number % len(LABELS)] for _, number in slots]
        if role == "C":
            ordered = [label for label, count in cast.counts.items() for _ in range(count)]
            order = np.random.Generator(np.random.Philox(CASTING_SEED_OF_C)).permutation(len(ordered))
            labels = [ordered[k] for k in order]
        for (place, number), label in zip(slots, labels, strict=True):
            speaker = f"{role}{place:02d}"
            path = f"{role}/{speaker}/{speaker}_{number:02d}.wav"
            part = PART_OF_A[place] if role == "A" else ""
            rows.append((path, label, speaker, world.voice_of(place), part, role, place, number))
    return pd.DataFrame(rows, columns=[*_COLUMNS, "role", "place", "number"])


def _labels_text() -> str:
    return _planned()[[*_COLUMNS]].to_csv(index=False, lineterminator="\n")


def _folder_name(semantics: str, acoustic: float) -> str:
    dials = dict(version=world.VERSION, seed=world.SEED, semantics=semantics, acoustic=float(acoustic))
    settings = dials | dict(casts={role: asdict(cast) for role, cast in CASTS.items()}, labels=_labels_text())
    return f"synthetic-{hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]}"


def _is_whole(folder: Path) -> bool:
    """Whether every clip is there as it was made and the labels are as planned."""
    try:
        found = [(folder / path).stat() for path in _planned()["path"]]
        stamp = tuple((at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns) for at in found)
        labels, digest = (read_text(folder / name) for name in (_LABELS_FILE, _DIGEST_FILE))
        return labels == _labels_text() and digest == _content(folder, stamp)
    except (OSError, ValueError):
        return False


@functools.lru_cache
def _content(folder: Path, _stamp: tuple[tuple[int, ...], ...]) -> str:
    """Digest of all clips on the disk, read once a process while what the system says of them stays."""
    digest = hashlib.sha256()
    for path in _planned()["path"]:
        digest.update(read_bytes(folder / path))
    return digest.hexdigest()


def _write(folder: Path, semantics: str, acoustic: float) -> None:
    digest = hashlib.sha256()  # of what is meant: a file that comes out shorter is noticed
    # The bar goes to stderr and only to a terminal; workers' logs stay clean.
    clips = _planned()
    for clip in tqdm(clips.itertuples(), "synthetic corpora", len(clips), unit="clip", disable=None):
        wave = world.make_clip(clip.role, clip.place, clip.number, clip.label, semantics, acoustic)
        encoded = io.BytesIO()
        soundfile.write(encoded, wave, RATE_HZ[0], subtype="PCM_16", format="WAV")
        digest.update(encoded.getvalue())
        (folder / clip.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / clip.path).write_bytes(encoded.getvalue())
    (folder / _LABELS_FILE).write_text(_labels_text(), encoding="utf-8", newline="\n")
    (folder / _DIGEST_FILE).write_text(digest.hexdigest(), encoding="utf-8")
