"""What readers share whose labels, speakers and splits stand in columns: the study's words put to theirs.

A reader that serves many corpora is told by options which of a corpus's words mean what. It reads columns of
text (`Delivered`); `corpus_of` makes the `Corpus` of them: labels mapped, clips without one set apart, clips
in the parts of a delivered split or in folds that leave speakers out.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from serkit.corpora.reading.corpus import (
    PARTS,
    UNKNOWN_SPEAKER,
    Corpus,
    composed,
    fold_by_speaker,
    is_person,
    table,
)
from serkit.corpora.reading.folder import audio_of, names_in, stem_of
from serkit.errors import CorpusUnfit, SpecError
from serkit.labels import LABELS
from serkit.later import Later

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = Later("pandas")

SAME = {
    "anger": "angry",
    "angry": "angry",
    "happiness": "happy",
    "happy": "happy",
    "neutral": "neutral",
    "sadness": "sad",
    "sad": "sad",
}
USUAL = {
    "train": "train",
    "dev": "validation",
    "devel": "validation",
    "development": "validation",
    "val": "validation",
    "validation": "validation",
    "test": "test",
}

Names = Mapping[str, str] | Iterable[tuple[str, str]]
"""A corpus's words to the study's: a dict, or the pairs of one."""


@dataclass(frozen=True)
class Choices:
    """What a study says about columns.

    Attributes:
        labels: the corpus's labels to the study's; empty: `SAME`, the usual names.
        splits: the corpus's splits to train, validation and test; empty: the usual ones.
        folds: leave speakers out in so many folds, in place of splits; None: splits.
        split_by_clip: the delivered split is known to be by clip, so speakers may stand on both sides of it.
        folds_given: a column says which fold a clip is in, in place of splits.
    """

    labels: Mapping[str, str]
    splits: Mapping[str, str]
    folds: int | None
    split_by_clip: bool = False
    folds_given: bool = False

    @property
    def by_split(self) -> bool:
        """Whether splits are asked for, and no folds."""
        return self.folds is None and not self.folds_given

    @classmethod
    def of(
        cls,
        reader: str,
        labels: Names | None,
        split: str | None,
        splits: Names | None,
        folds: int | None,
        split_by_clip: bool | None = None,
        fold: str | None = None,
    ) -> Choices:
        """The options of these names, checked.

        Raises:
            SpecError: a label or split the study does not have, fewer than 3 folds, folds with splits.
        """
        if split_by_clip is not None and not isinstance(split_by_clip, bool):
            raise SpecError(f"{reader}: option split_by_clip = {split_by_clip!r}; expected true or false")
        if fold is not None and (folds is not None or split is not None or splits is not None):
            raise SpecError(f"{reader}: options fold and folds, split or splits exclude each other")
        if folds is not None:
            if not isinstance(folds, int) or isinstance(folds, bool) or folds < 3:
                raise SpecError(
                    f"{reader}: option folds = {folds!r}; expected 3 or more: test, validation and the rest"
                )
            if split is not None or splits is not None or split_by_clip:
                raise SpecError(
                    f"{reader}: options folds and split, splits or split_by_clip exclude each other; leave"
                    " one out"
                )
        return cls(
            labels=_mapping(reader, "labels", labels, LABELS),
            splits=_mapping(reader, "splits", splits, PARTS),
            folds=folds,
            split_by_clip=bool(split_by_clip),
            folds_given=fold is not None,
        )


@dataclass(frozen=True, eq=False)
class Delivered:
    """A corpus in its own words.

    Attributes:
        title: the corpus's, for messages.
        clips: one row a clip: `path` below the corpus's folder; `delivered`, its label, and `speaker`, each
            text or None; `split`, text, where the study asks for no folds; `fold`, text or None, where it
            names their column. Further columns are kept.
        has: the columns there are, for messages.
        label: the name of the column of labels, for messages.
        speaker: the same of speakers.
        declared: labels that the corpus says it has, besides those that clips have.
        usual: splits by names other than `USUAL`.
    """

    title: str
    clips: pd.DataFrame
    has: str
    label: str
    speaker: str
    declared: frozenset[str] = frozenset()
    usual: Mapping[str, str] = field(default_factory=lambda: USUAL)


def corpus_of(name: str, folder: Path, version: str, delivered: Delivered, choices: Choices) -> Corpus:
    """The corpus in the study's words.

    Args:
        name: the reader's.
        folder: the corpus's top folder.
        version: what the reader recognised.
        delivered: what it read.
        choices: what the study says.

    Returns:
        one row a clip, split or in folds. Fold k+1 validates fold k; the folds are made as even in clips as a
        greedy choice makes them, the same on every machine. Clips without one of the labels are in `others`;
        `notes` count them by label. The speaker is `Unknown` where there is none.

    Raises:
        CorpusUnfit: it lacks a label, split or speaker that is needed, or its split leaves speakers on both
            sides and the study does not say so.
    """
    title, clips, folds = delivered.title, delivered.clips.copy(), choices.folds
    clips["label"] = clips["delivered"].map(_labels(delivered, choices.labels))
    used = clips["label"].notna()
    dropped = clips.loc[~used, "delivered"].fillna("no label").value_counts().sort_index()
    notes = [f"{n} clips with {label} are not used" for label, n in dropped.items()]
    n_unknown = int((~clips.loc[used, "speaker"].map(is_person)).sum())
    if n_unknown and folds:
        raise CorpusUnfit(
            f"{title}: {n_unknown} clips have no {delivered.speaker}, so speakers cannot be left out; set"
            f" the option speaker to a column that names them ({delivered.has}), or use splits in place"
            " of folds"
        )
    if n_unknown:
        notes.append(f"{n_unknown} clips have no speaker identity")
    if choices.by_split:
        clips["split"] = _parts(delivered, choices.splits)
    result = table(clips.loc[used].drop(columns="delivered").to_dict("records"), title)
    if choices.folds_given:
        result["fold"], folds = _given(delivered, result)
        notes += _on_both_sides(result, "fold", choices.split_by_clip, title)
    elif folds is None:
        _check_parts(result, title)
        notes += _on_both_sides(result, "split", choices.split_by_clip, title)
    else:
        groups = leave_speakers_out(result["speaker"], folds, title)
        result["fold"] = fold_by_speaker(result["speaker"], groups, title)
    return Corpus(
        name=name,
        folder=folder,
        version=version,
        clips=result,
        validation_fold=tuple((fold + 1) % folds for fold in range(folds)) if folds else (),
        others=tuple(sorted(clips["path"][~used])),
        split_by_clip=choices.split_by_clip,
        notes=tuple(notes),
    )


def text(values: Iterable[Any]) -> list[str | None]:
    """Values as text, None where missing: names in a study's file are text, whatever the column's type."""
    return [None if pd.isna(value) else str(value) for value in values]


def leave_speakers_out(speakers: pd.Series, folds: int, corpus: str) -> list[list[str]]:
    """Speakers in groups as even in clips as a greedy choice makes them: largest first, to the smallest.

    Raises:
        CorpusUnfit: fewer speakers than folds.
    """
    sizes = sorted(speakers.value_counts().items(), key=lambda item: (-item[1], item[0]))
    if len(sizes) < 3:
        raise CorpusUnfit(
            f"{corpus}: {len(sizes)} speakers cannot make folds, which need 3: to test, to validate and to"
            " train on; leave the option folds out and use splits"
        )
    if len(sizes) < folds:
        raise CorpusUnfit(
            f"{corpus}: {len(sizes)} speakers cannot make {folds} folds; set the option folds to {len(sizes)}"
            " or less"
        )
    groups: list[list[str]] = [[] for _ in range(folds)]
    totals = [0] * folds
    for speaker, size in sizes:
        smallest = totals.index(min(totals))
        groups[smallest].append(str(speaker))
        totals[smallest] += size
    return groups


def paths_below(folder: Path, files: Iterable[str], title: str) -> list[str]:
    """Where each file lies, as the disk spells it: as the table says, or there with another or any suffix.

    Each folder is listed once.

    Raises:
        CorpusUnfit: a file outside the corpus's folder, a name that no file can have, or a folder that may
            not be listed.
    """
    tops = [PurePosixPath(top.as_posix()) for top in (folder.absolute(), folder.resolve())]
    listings: dict[str, _Listing] = {}
    spelt = {".": "."}
    places: dict[str, str | None] = {}  # once a folder: a corpus has 100,000 files in some hundred of them

    def listing(parent: str) -> _Listing:
        if parent not in listings:
            listings[parent] = _Listing.of(folder / parent)
        return listings[parent]

    def on_disk(parent: PurePosixPath) -> str:
        text = str(parent)
        if text not in spelt:
            above = on_disk(parent.parent)
            spelt[text] = str(PurePosixPath(above, listing(above).spelt(parent.name)))
        return spelt[text]

    def place(parent: PurePosixPath) -> str | None:
        if parent.is_absolute() and not any(parent.is_relative_to(top) for top in tops):
            parent = PurePosixPath(os.path.realpath(parent))
        parent = next((parent.relative_to(top) for top in tops if parent.is_relative_to(top)), parent)
        return None if parent.is_absolute() or ".." in parent.parts else on_disk(parent)

    paths = []
    for file in files:
        above, slash, name = file.rpartition("/")
        if name in ("", ".", "..") or "\0" in file:
            raise CorpusUnfit(
                f"{title}: {file!r} is no name of a file; restore the table from the delivered copy"
            )
        if above + slash not in places:
            places[above + slash] = place(PurePosixPath(above + slash))
        parent = places[above + slash]
        if parent is None:
            raise CorpusUnfit(
                f"{title}: {file} lies outside {folder}; expected paths below it. Copy the audio there"
            )
        there = listing(parent).spelt(name)
        paths.append(there if parent == "." else f"{parent}/{there}")
    return paths


@dataclass(frozen=True)
class _Listing:
    """The names in a folder: as they are, by their composed form, and audio by its stem."""

    names: frozenset[str]
    composed: Mapping[str, str]
    audio: Mapping[str, str]

    @classmethod
    def of(cls, folder: Path) -> _Listing:
        names = names_in(folder)
        return cls(frozenset(names), {composed(name): name for name in names}, audio_of(names))

    def spelt(self, name: str) -> str:
        """The name of what is there and meant; the name itself where there is nothing."""
        if name in self.names:
            return name
        same = composed(name)
        return self.composed.get(same) or self.audio.get(stem_of(same), name)


def _mapping(reader: str, option: str, value: Names | None, allowed: tuple[str, ...]) -> dict[str, str]:
    """An option that is a mapping, or the pairs of one.

    Raises:
        SpecError: neither, or a target that is not allowed.
    """
    try:
        mapping = dict(value or {})
    except (TypeError, ValueError):
        raise SpecError(
            f"{reader}: option {option} = {value!r}; expected names of the database to names of the study"
        ) from None
    for delivered, own in mapping.items():
        if own not in allowed:
            raise SpecError(
                f"{reader}: option {option} maps {delivered!r} to {own!r}; expected one of"
                f" {', '.join(allowed)}"
            )
    return {str(delivered): own for delivered, own in mapping.items()}


def _labels(delivered: Delivered, wanted: Mapping[str, str]) -> dict[str, str]:
    """The corpus's labels to the study's; a misspelt one is found.

    Raises:
        CorpusUnfit: one that is asked for is not there, or none of the usual names is.
    """
    used = set(delivered.clips["delivered"].dropna())
    known = used | delivered.declared
    found = _meant(wanted, SAME, used)
    bare = set(map(_bare, known))
    missing = [word for word in wanted if _bare(word) not in bare]
    if missing or not found:
        given = repr(missing[0]) if missing else "of " + ", ".join(wanted or SAME)
        raise CorpusUnfit(
            f"{delivered.title}: no label {given} in column {delivered.label}; it has"
            f" {', '.join(sorted(known)) or 'none'}. Set the option labels to map them to {', '.join(LABELS)}"
        )
    return found


def _meant(named: Mapping[str, str], usual: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """The corpus's words to the study's, in any case: `Angry` is anger as `angry` is.

    Where a study names one of two spellings, it means that one.
    """
    wanted = named or usual
    anyhow = {_bare(word): own for word, own in wanted.items() if not (named and word in known)}
    exact = {word: own for word, own in wanted.items() if word in known}
    return {word: anyhow[_bare(word)] for word in sorted(known) if _bare(word) in anyhow} | exact


def _bare(word: str) -> str:
    return composed(word).strip().casefold()


def _parts(delivered: Delivered, to_split: Mapping[str, str]) -> pd.Series:
    """The split of each clip in the study's words.

    Raises:
        CorpusUnfit: it lacks a split that the option names.
    """
    known = set(delivered.clips["split"])
    mapping = _meant(to_split, delivered.usual, known)
    bare = set(map(_bare, mapping))
    missing = [word for word in to_split if _bare(word) not in bare]
    if missing:
        raise CorpusUnfit(
            f"{delivered.title}: no split {missing[0]!r}; the database has {', '.join(sorted(known))}"
        )
    return delivered.clips["split"].map(lambda one: mapping.get(one, one))


def _given(delivered: Delivered, clips: pd.DataFrame) -> tuple[pd.Series, int]:
    """The fold of each clip by a column's names of folds, in their order, and how many there are.

    Raises:
        CorpusUnfit: a clip without one, or fewer than 3.
    """
    without = clips["fold"].isna()
    if without.any():
        raise CorpusUnfit(
            f"{delivered.title}: {without.sum()} clips are in no fold, {clips['path'][without].iloc[0]} the"
            " first; expected each in one"
        )
    names = sorted(set(clips["fold"]), key=lambda name: (int(name) if name.isdecimal() else -1, name))
    if len(names) < 3:
        raise CorpusUnfit(
            f"{delivered.title}: its folds are {', '.join(names)}; expected 3 or more, to test, to validate"
            " and to train on"
        )
    return clips["fold"].map({name: k for k, name in enumerate(names)}).astype("int64"), len(names)


def _on_both_sides(clips: pd.DataFrame, column: str, expected: bool, title: str) -> list[str]:
    """What to note of speakers who stand in more than one part or fold.

    Raises:
        CorpusUnfit: there are some, and the study does not say that the split is by clip.
    """
    known = clips[clips["speaker"] != UNKNOWN_SPEAKER]
    if column == "split":
        known = known[known["split"].isin(PARTS)]
    parts = known.groupby("speaker")[column].unique()
    shared = parts[parts.map(len) > 1]
    if shared.empty:
        return []
    order = PARTS.index if column == "split" else int
    where = " and ".join(str(part) for part in sorted(shared.iloc[0], key=order))
    where = where if column == "split" else f"folds {where}"
    said = f"{len(shared)} speakers stand on both sides of the split, {shared.index[0]} in {where}"
    if not expected:
        raise CorpusUnfit(
            f"{title}: {said}; expected none, because a network knows voices it was trained on. Set the"
            " option folds to leave speakers out in place of this split, or split_by_clip = true to keep it"
        )
    return [said]


def _check_parts(clips: pd.DataFrame, title: str) -> None:
    """Checks that there is something to train, validate and test on.

    Raises:
        CorpusUnfit: a part is empty.
    """
    sizes = clips["split"].value_counts()
    empty = [part for part in PARTS if part not in sizes]
    if empty:
        has = ", ".join(f"{split} ({n} clips)" for split, n in sizes.sort_index().items())
        raise CorpusUnfit(
            f"{title}: no clip is in {' or '.join(empty)}; the database has {has}. Set the option splits to"
            f" map its splits to {', '.join(PARTS)}, or folds to 3 or more in place of splits"
        )
