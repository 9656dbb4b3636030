"""What every corpus becomes, and all that is known of it once it is read: its clips, and how they split."""

from __future__ import annotations

import hashlib
import sys
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serkit.errors import CorpusUnfit
from serkit.labels import LABELS
from serkit.later import np, pd

PARTS = ("train", "validation", "test")
COLUMNS = ("path", "label", "speaker", "split", "fold")
UNKNOWN_SPEAKER = "Unknown"
"""MSP-Podcast's word, for every corpus: not a person, so it may stand on both sides of a split."""
NOBODY = frozenset({"", "unknown", "unk", "nan", "nat", "none", "null", "na", "n/a", "<na>", "-", "?"})
"""What tables write where they know no speaker, in small letters."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """A corpus as a table.

    Attributes:
        name: the reader's name, for example `iemocap`.
        folder: the corpus's top folder; `clips.path` is relative to it.
        version: what the reader recognised, for example `1.10`.
        clips: one row a clip, sorted by path, with a RangeIndex. Columns: `path` (posix, relative), `label`
            (one of `serkit.labels.LABELS`), `speaker` (str), `split` (`train`, `validation`, `test`, or
            another delivered name that no run uses; "" where folds decide), `fold` (the fold in which the
            clip is tested; -1 where `split` decides), and whatever else the corpus knows.
        validation_fold: for each fold, the fold whose clips validate it; empty where `split` decides.
        others: paths that the labels know and the study does not use (other emotions, no consensus).
        split_by_clip: the split is by clip, so speakers may stand on both sides of it (CREMA-D's random one).
        notes: what a user should know about this copy (clips left out and why); shown, never dropped.
    """

    name: str
    folder: Path
    version: str
    clips: pd.DataFrame
    validation_fold: tuple[int, ...] = ()
    others: tuple[str, ...] = ()
    split_by_clip: bool = False
    notes: tuple[str, ...] = ()

    @property
    def n_folds(self) -> int:
        """How many folds the corpus is cut into; 1 where the split is predetermined."""
        return max(1, len(self.validation_fold))

    @property
    def trainings(self) -> tuple[tuple[int, ...], ...]:
        """The folds in groups whose training clips are the same: one network is tested on all of a group.

        Only two folds that validate each other have the same, as the two speakers of a session in IEMOCAP.
        """
        return shared_trainings(self.validation_fold) or ((0,),)

    def part(self, fold: int, part: str) -> np.ndarray:
        """The positions in `clips` of a part (one of `PARTS`) of a fold (0..n_folds-1): int64, ascending."""
        if part not in PARTS or not 0 <= fold < self.n_folds:
            raise ValueError(f"{self.name} has no part {part!r} of a fold {fold}")
        if not self.validation_fold:
            return np.flatnonzero(self.clips["split"].to_numpy() == part)
        folds = self.clips["fold"].to_numpy()
        tested, validating = folds == fold, folds == self.validation_fold[fold]
        rows = {"test": tested, "validation": validating, "train": ~(tested | validating)}
        return np.flatnonzero(rows[part])

    def digest(self) -> str:
        """SHA-256 over what the labels say (the five columns and the validation rule), not over the audio."""
        texts = (self.clips[column].astype(str).to_numpy(dtype=object) for column in COLUMNS)
        lines = map("\t".join, zip(*texts, strict=True))
        text = composed("\n".join([*lines, repr(self.validation_fold)]))
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()


def table(rows: Sequence[dict] | pd.DataFrame, title: str) -> pd.DataFrame:
    """Builds `Corpus.clips` from a reader's rows: fills `split` and `fold`, sorts by path, checks the labels.

    A speaker who is no person becomes `UNKNOWN_SPEAKER`. `rows` have at least `path`, `label` and `speaker`.
    Raises CorpusUnfit, also for the same path twice or one that cannot be looked up.
    """
    _check_names(rows["path"] if isinstance(rows, pd.DataFrame) else [row["path"] for row in rows], title)
    clips, known = pd.DataFrame(rows), ", ".join(LABELS)
    if clips.empty:
        raise CorpusUnfit(f"{title}: no clip with one of the labels {known} was found; run the doctor")
    if unknown := sorted(set(clips["label"]) - set(LABELS)):
        raise CorpusUnfit(f"{title}: unknown label {unknown[0]!r}; expected one of {known}")
    twice = clips["path"][clips["path"].duplicated()]
    if len(twice):
        raise CorpusUnfit(f"{title}: {twice.iloc[0]} is listed twice")
    for column, default in (("split", ""), ("fold", -1)):
        if column not in clips:
            clips[column] = default
    clips["speaker"] = [
        composed(str(who)).strip() if is_person(who) else UNKNOWN_SPEAKER for who in clips["speaker"]
    ]
    clips = clips[[*COLUMNS, *(column for column in clips if column not in COLUMNS)]]
    return clips.sort_values("path", kind="stable", ignore_index=True, key=lambda paths: paths.map(composed))


def _check_names(paths: Collection[str], title: str) -> None:
    """Raises CorpusUnfit where a clip's name is no text, or cannot be looked up though the clip is there."""
    encoding = sys.getfilesystemencoding()
    for path in paths:
        try:
            path.isascii() or (path.encode(), path.encode(encoding))
        except UnicodeEncodeError as error:
            locale = "set PYTHONUTF8=1, or a locale such as LC_ALL=C.UTF-8"
            raise CorpusUnfit(
                f"{title}: {path} cannot be looked up, since names of files are {encoding} here;"
                f" {'rename it, in the labels too' if encoding == 'utf-8' else locale}"
            ) from error


def composed(text: str) -> str:
    """The text in NFC, in which two spellings of one name are equal: é may be one character, or two."""
    return unicodedata.normalize("NFC", text)


def is_person(speaker: Any) -> bool:
    """Whether a table's speaker is somebody; what it writes where it knows none is not, in any case."""
    return str(speaker).strip().casefold() not in NOBODY


def fold_by_speaker(speakers: pd.Series, groups: Sequence[Sequence[str]], title: str) -> pd.Series:
    """The fold that tests each clip, when fold k leaves out `groups[k]`; CorpusUnfit for another speaker."""
    fold_of = {speaker: k for k, group in enumerate(groups) for speaker in group}
    if unknown := sorted(set(speakers) - set(fold_of)):
        expected = ", ".join(sorted(fold_of))
        raise CorpusUnfit(f"{title}: unknown speaker {unknown[0]!r}; expected one of {expected}")
    return speakers.map(fold_of).astype("int64")


def next_validates(n_folds: int) -> tuple[int, ...]:
    """The usual `Corpus.validation_fold`: each fold is validated on the next, the last on the first.

    Example:
        >>> next_validates(3)
        (1, 2, 0)
    """
    return tuple((fold + 1) % n_folds for fold in range(n_folds))


def shared_trainings(validation_fold: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """`Corpus.trainings` of a validation rule: folds that leave out the same clips.

    Example:
        >>> shared_trainings((1, 0, 3, 2)), shared_trainings((1, 2, 0))
        (((0, 1), (2, 3)), ((0,), (1,), (2,)))
    """
    groups: dict[frozenset[int], list[int]] = {}
    for fold, validation in enumerate(validation_fold):
        groups.setdefault(frozenset((fold, validation)), []).append(fold)
    return tuple(map(tuple, groups.values()))


def some(clips: pd.DataFrame, rows: np.ndarray, most: int, seed: int) -> np.ndarray:
    """Some of `rows`, at most `most` (1 or more): each class, and in it each speaker, keeps its share.

    `rows` are positions in `clips`, int64 [n], and so is what comes back, in their order. Those of a smaller
    number are among those of a larger: a learning curve adds clips to the same ones.
    """
    if len(rows) <= most:
        return rows
    # All clips in one order; the first of them are taken. A class of n has its k-th clip at k / n, a speaker
    # of m in it the j-th at (j + u) / m: any beginning has each at its share, give or take one.
    chance = np.random.Generator(np.random.Philox(seed))
    order = rows[chance.permutation(len(rows))]
    group = clips[["label", "speaker"]].iloc[order].reset_index(drop=True)
    within = group.groupby(["label", "speaker"], sort=True)
    start = within.ngroup().map(dict(enumerate(chance.random(within.ngroups))))
    group["place"] = (within.cumcount() + start) / within["label"].transform("size")
    group = group.sort_values("place", kind="stable")
    of_label = group.groupby("label", sort=True)
    turn = of_label.cumcount() / of_label["label"].transform("size")
    return np.sort(order[turn.sort_values(kind="stable").index[:most]])


def split_shares(n: int, seed: int) -> np.ndarray:
    """`train` 70 %, `test` 15 %, `validation` 15 % of n things in random order: §2.1 (CREMA-D).

    A Philox generator, so the same seed gives the same split on every machine.
    """
    order = np.random.Generator(np.random.Philox(seed)).permutation(n)
    n_test = n_validation = round(0.15 * n)
    parts = np.full(n, "train", dtype=object)
    parts[order[:n_test]] = "test"
    parts[order[n_test : n_test + n_validation]] = "validation"
    return parts
