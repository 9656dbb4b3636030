"""Generated speech whose meaning and channel are known (`serkit.worlds`): a corpus for each set of options.

`generate()` makes it once, in the cache folder; everything after that treats it like any delivered corpus.
Its numbers say nothing about real speech. Every speaker says every label equally often; half of the voices
are low and half high, in each part and fold, and no two of these share a speaker.

On disk: `synthetic-<digest>/<speaker>/<clip>.wav` (16 kHz, 16 bit, mono) and `labels.csv`. The digest is over
all that the audio follows from; `content.sha256` over all clips: a folder of others is made anew.
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

from serkit.corpora.reading.corpus import PARTS, Corpus, next_validates, table
from serkit.corpora.reading.folder import made_once
from serkit.corpora.reading.tabular import label_table
from serkit.files import cache_folder, read_bytes, read_text
from serkit.labels import LABELS
from serkit.later import Later, pd, soundfile
from serkit.settings import check, number

if TYPE_CHECKING:
    from serkit.worlds import world
else:
    world = Later("serkit.worlds.world")

TITLE = "synthetic"
PAGE = "docs/worlds.md#a-world-of-your-own"
ROLES = ("A", "B", "C")
MEANINGS = ("shared", "disjoint", "swapped")
SEED = 2024
"""The world's own; all three as `serkit.worlds.world` has them, which a plan does not import."""
OPTIONS: dict[str, tuple[Any, ...]] = {
    "role": ROLES,  # whose voices, and whose channel and cues where corpora differ
    "meaning": MEANINGS,  # which cues carry the emotions, see `serkit.worlds.world`
    "mismatch": (),  # how far the roles' channels are apart, 0 to 1; 1 where nothing is said
    **dict.fromkeys(("speakers", "clips", "folds", "seed"), ()),
}
WHOLE = 1
RATE_HZ = (16_000,)
CHANNELS = (1,)

_LABELS_FILE = "labels.csv"
_DIGEST_FILE = "content.sha256"
_COLUMNS = ("path", "label", "speaker", "voice", "split", "fold")

SIZES = {"A": (30, 4, 1), "B": (6, 12, 3), "C": (24, 4, 1)}
"""Speakers, clips of each, and folds of a role where a study says nothing: small enough for a test."""
SHARE_OF_PARTS = 0.2
"""Of the speakers, in the test part and in the validation part of a corpus without folds."""


@dataclass(frozen=True)
class Asked:
    """What a corpus is made from; `clips` are those of each speaker."""

    role: str
    meaning: str
    mismatch: float
    speakers: int
    clips: int
    folds: int
    seed: int | None  # of its voices and texts; None: the world's own


def asked(role: str = "A", meaning: str = "shared", **options: Any) -> Asked:
    """The options with defaults filled in. Raises SpecError for one that cannot be."""
    sizes = dict(zip(("speakers", "clips", "folds"), SIZES[role], strict=True))
    given = {"mismatch": 1.0, "seed": None, **sizes} | {
        name: number(f"synthetic.{name}", value) for name, value in options.items() if value is not None
    }
    of, least = Asked(role, meaning, **given), 2 * max(3, given["folds"])
    of_clips = f"expected a multiple of {len(LABELS)}, so that every label is said equally often"
    check(of.clips % len(LABELS) == 0, f"synthetic clips = {of.clips}: {of_clips}")
    check(of.folds != 2, "synthetic folds = 2: expected 1, or 3 and more: each is validated on another")
    voices = "a low and a high voice for each part and fold"
    of_speakers = f"expected an even number, {least} or more: {voices}"
    check(of.speakers % 2 == 0 and of.speakers >= least, f"synthetic speakers = {of.speakers}: {of_speakers}")
    return of


def heard(role: str, meaning: str) -> str:
    """The meaning of a role's clips: A's emotions are A's under every one, and B alone can be swapped."""
    return "shared" if role == "A" or (role == "C" and meaning == "swapped") else meaning


def identity(**options: Any) -> dict[str, Any]:
    """What its clips are, however the options are written."""
    of = asked(**options)
    return asdict(of) | {"seed": _seed(of), "meaning": heard(of.role, of.meaning)}


def cast(**options: Any) -> tuple[Any, Any]:
    """Whose voices and texts they are, and how these are divided: another division mixes the parts."""
    of = asked(**options)
    return (of.role, _seed(of)), (of.speakers, of.clips, of.folds)


def is_here(folder: Path) -> bool:
    """Whether `folder` is one that `generate` made, judged by names alone."""
    return (folder / _LABELS_FILE).is_file() and (folder / _DIGEST_FILE).is_file()


def generate(**options: Any) -> Path:
    """The folder of a corpus (50 kB a clip), made in the cache folder at the first call.

    Raises:
        SerkitError: the cache folder cannot be written.
        SpecError: an option that cannot be.
    """
    of = asked(**options)
    folder = cache_folder() / _folder_name(of)
    what = f"a synthetic corpus ({of.speakers * of.clips / 20:.0f} MB)"
    made_once(folder, what, lambda at: _is_whole(at, of) or None, lambda at: _write(at, of))
    return folder


def folds(**options: Any) -> int:
    """How many folds it has."""
    return asked(**options).folds


def read(folder: Path, **options: Any) -> Corpus:
    """The corpus that `generate` made of these options; its clips have a further column, `voice`."""
    of = asked(**options)
    labels = label_table(folder / _LABELS_FILE, TITLE, _COLUMNS)
    clips = table(labels.astype({"fold": "int64"}), f"{TITLE} {of.role}")
    dials = ", ".join(f"{name} {value}" for name, value in asdict(of).items() if value is not None)
    notes = ("made by serkit.worlds, not recorded",)
    validation_fold = next_validates(of.folds) if of.folds > 1 else ()
    return Corpus("synthetic", folder, f"{world.VERSION}, {dials}", clips, validation_fold, (), False, notes)


def facts(corpus: Corpus, **options: Any) -> dict[tuple[str, str], int]:
    """How many clips were made of each label, by part or fold's speakers and in all."""
    of = asked(**options)
    counts: Counter[tuple[str, str]] = Counter()
    for clip in _planned(of).to_dict("records"):
        group = clip["split"] or clip["speaker"]
        counts.update((each, label) for each in ("*", group) for label in ("*", clip["label"]))
    return dict(counts)


def expected(**options: Any) -> list[dict[str, int]]:
    """Clips of each part, a dict a fold."""
    planned, validates = _planned(of := asked(**options)), next_validates(of.folds)
    if of.folds == 1:
        return [planned["split"].value_counts().to_dict()]
    sizes = planned["fold"].value_counts().sort_index().tolist()
    return [
        dict(zip(PARTS, (sum(sizes) - test - sizes[validates[k]], sizes[validates[k]], test), strict=True))
        for k, test in enumerate(sizes)
    ]


def _planned(of: Asked) -> pd.DataFrame:
    """Every clip by path: `_COLUMNS`, and the numbers of its speaker and of it among the speaker's."""
    rows = []
    for place, clip in itertools.product(range(of.speakers), range(of.clips)):
        speaker = f"{of.role}{place:02d}"
        part, fold = _where(of, place // 2)
        path = f"{speaker}/{speaker}_{clip:02d}.wav"
        rows.append(
            (path, LABELS[clip % len(LABELS)], speaker, world.voice_of(place), part, fold, place, clip)
        )
    return pd.DataFrame(rows, columns=[*_COLUMNS, "place", "clip"])


def _where(of: Asked, pair: int) -> tuple[str, int]:
    """The part and the fold of a pair of speakers; "" or -1 for what the corpus has not."""
    pairs = of.speakers // 2
    if of.folds > 1:
        return "", pair * of.folds // pairs
    tested = max(1, round(SHARE_OF_PARTS * pairs))
    train, validation, test = PARTS
    return (train if pair < pairs - 2 * tested else validation if pair < pairs - tested else test), -1


def _labels_text(of: Asked) -> str:
    return _planned(of)[[*_COLUMNS]].to_csv(index=False, lineterminator="\n")


def _folder_name(of: Asked) -> str:
    settings = asdict(of) | dict(version=world.VERSION, seed=_seed(of), labels=_labels_text(of))
    return f"synthetic-{hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]}"


def _seed(of: Asked) -> int:
    return SEED if of.seed is None else of.seed


def _is_whole(folder: Path, of: Asked) -> bool:
    """Whether every clip is there as it was made and the labels are as planned."""
    try:
        paths = tuple(_planned(of)["path"])
        found = [(folder / path).stat() for path in paths]
        stamp = tuple((at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns) for at in found)
        labels, digest = (read_text(folder / name) for name in (_LABELS_FILE, _DIGEST_FILE))
        return labels == _labels_text(of) and digest == _content(folder, paths, stamp)
    except (OSError, ValueError):
        return False


@functools.lru_cache
def _content(folder: Path, paths: tuple[str, ...], _stamp: tuple[tuple[int, ...], ...]) -> str:
    """Digest of all clips on the disk, read once a process while what the system says of them stays."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(read_bytes(folder / path))
    return digest.hexdigest()


def _write(folder: Path, of: Asked) -> None:
    digest = hashlib.sha256()  # of what is meant: a file that comes out shorter is noticed
    # The bar goes to stderr and only to a terminal; workers' logs stay clean.
    clips = _planned(of)
    dials = of.meaning, of.mismatch, _seed(of)
    for clip in tqdm(clips.itertuples(), "synthetic corpus", len(clips), unit="clip", disable=None):
        wave = world.make_clip(of.role, clip.place, clip.clip, clip.label, *dials)
        encoded = io.BytesIO()
        soundfile.write(encoded, wave, RATE_HZ[0], subtype="PCM_16", format="WAV")
        digest.update(encoded.getvalue())
        (folder / clip.path).parent.mkdir(parents=True, exist_ok=True)
        (folder / clip.path).write_bytes(encoded.getvalue())
    (folder / _LABELS_FILE).write_text(_labels_text(of), encoding="utf-8", newline="\n")
    (folder / _DIGEST_FILE).write_text(digest.hexdigest(), encoding="utf-8")
