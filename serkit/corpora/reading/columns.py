"""What readers of columns of labels, speakers and splits share: the corpus's words become the study's.

For a reader that serves many corpora, options say which of a corpus's words mean what (`Choices`), and
`in_study_words` applies them to columns of text: labels mapped, clips without one set apart, the others in
the parts of a delivered split or in folds that leave speakers out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from serkit.corpora.reading import corpus
from serkit.corpora.reading.corpus import PARTS, Corpus, composed
from serkit.errors import CorpusUnfit, SpecError
from serkit.labels import LABELS
from serkit.later import pd

SAME = {"anger": "angry", "happiness": "happy", "sadness": "sad"} | {label: label for label in LABELS}
USUAL = {"train": "train", "test": "test"}
USUAL |= dict.fromkeys(("dev", "devel", "development", "val", "validation"), "validation")


@dataclass(frozen=True)
class Choices:
    """What a study says about columns: what they are called (None: as usual), and what is in them.

    Attributes:
        labels: the corpus's labels to the study's; empty: the usual names (`SAME`).
        splits: the corpus's splits to train, validation and test; empty: the usual names (`USUAL`).
        fold: column that says in which fold a clip is tested, in place of splits.
        folds: leave speakers out in so many folds, in place of splits.
        split_by_clip: the delivered split is known to be by clip, so speakers may stand on both sides of it.
    """

    label: str
    labels: Mapping[str, str]
    speaker: str | None
    split: str | None
    splits: Mapping[str, str]
    fold: str | None
    folds: int | None
    split_by_clip: bool | None

    @property
    def by_split(self) -> bool:
        """Whether splits are asked for, and no folds."""
        return self.folds is None and self.fold is None

    @property
    def n_folds(self) -> int | None:
        """How many folds these options make; 1 for a split, None where only the corpus can tell."""
        return None if self.fold is not None else self.folds or 1

    @classmethod
    def of(cls, reader: str, options: Mapping[str, Any], label: str) -> Choices:
        """A reader's options of these names, checked, with `label` the usual one. Raises SpecError."""
        check_texts(reader, options, ("label", "speaker", "split", "fold"))
        given = {option for option, value in options.items() if value is not None}
        folds, by_clip = options.get("folds"), options.get("split_by_clip")
        no_bool = not isinstance(by_clip, bool | None)
        both = "fold" in given and given & {"folds", "split", "splits"}
        too_few = folds is not None and (not isinstance(folds, int) or folds < 3)
        two_ways = folds is not None and (given & {"split", "splits"} or by_clip)
        for wrong, why in (
            (no_bool, f"option split_by_clip = {by_clip!r}; expected true or false"),
            (both, "options fold and folds, split or splits exclude each other"),
            (too_few, f"option folds = {folds!r}; expected 3 or more: test, validation and the rest"),
            (two_ways, "options folds and split, splits or split_by_clip exclude each other; leave one out"),
        ):
            if wrong:
                raise SpecError(f"{reader}: {why}")
        chosen: dict[str, Any] = {one.name: options.get(one.name) for one in fields(cls)}
        for option, allowed in (("labels", LABELS), ("splits", PARTS)):
            meant = pairs_of(reader, option, chosen[option], "names of the database to names of the study")
            for delivered, own in meant.items():
                if own not in allowed:
                    known = ", ".join(allowed)
                    raise SpecError(
                        f"{reader}: option {option} maps {delivered!r} to {own!r}; expected one of {known}"
                    )
            chosen[option] = {str(delivered): own for delivered, own in meant.items()}
        return cls(**chosen | {"label": chosen["label"] or label})


def in_study_words(
    delivered: Corpus,
    title: str,
    has: str,
    choices: Choices,
    declared: Collection[str] = (),
    usual: Mapping[str, str] = USUAL,
) -> Corpus:
    """A delivered corpus in the study's words: one row a clip, split or in folds.

    Its clips have `path`; `delivered`, the label, and `speaker`, each text or None; `split`, text, where
    splits are asked for; `fold`, text or None, where a column of folds is; the rest is kept. `declared` are
    labels that the corpus says it has, besides those of clips; `usual` is what its splits mean where the
    study does not say; `title` and the columns it `has` are for messages.

    Folds are as even in clips as a greedy choice makes them, the same on every machine, and the next fold
    validates. Clips without one of the labels are in `others`; `notes` count them by label.

    Raises:
        CorpusUnfit: it lacks what is needed, or its split leaves speakers on both sides unsaid.
    """
    clips, n_folds = delivered.clips.copy(), choices.folds or 0
    clips["label"] = clips["delivered"].map(_labels(title, clips["delivered"], choices, declared))
    used = clips["label"].notna()
    dropped = clips.loc[~used, "delivered"].fillna("no label").value_counts().sort_index()
    notes = [f"{n} clips with {label} are not used" for label, n in dropped.items()]
    if n_unknown := int((~clips.loc[used, "speaker"].map(corpus.is_person)).sum()):
        if n_folds:
            cure = f"set the option speaker to a column that names them ({has})"
            lacking = f"{n_unknown} clips have no {choices.speaker or 'speaker'}"
            raise CorpusUnfit(
                f"{title}: {lacking}, so speakers cannot be left out; {cure}, or use splits in place of folds"
            )
        notes.append(f"{n_unknown} clips have no speaker identity")
    if choices.by_split:
        clips["split"] = _parts(title, clips["split"], choices.splits, usual)
    result = corpus.table(clips.loc[used].drop(columns="delivered").to_dict("records"), title)
    if choices.folds:
        groups = leave_speakers_out(result["speaker"], choices.folds, title)
        result["fold"] = corpus.fold_by_speaker(result["speaker"], groups, title)
    elif choices.fold:
        result["fold"], n_folds = _given(result, title)
        notes += _on_both_sides(result, "fold", choices.split_by_clip, title)
    else:
        _check_parts(result, title)
        notes += _on_both_sides(result, "split", choices.split_by_clip, title)
    return replace(
        delivered,
        clips=result,
        validation_fold=corpus.next_validates(n_folds),
        others=tuple(sorted(clips["path"][~used])),
        split_by_clip=bool(choices.split_by_clip),
        notes=(*notes, *delivered.notes),
    )


def leave_speakers_out(speakers: pd.Series, folds: int, title: str) -> list[list[str]]:
    """Speakers in groups as even in clips as a greedy choice makes them: largest first, to the smallest."""
    sizes = sorted(speakers.value_counts().items(), key=lambda item: (-item[1], item[0]))
    if (n := len(sizes)) < folds:
        what, cure = f"{folds} folds", f"set the option folds to {n} or less"
        if n < 3:
            what = "folds, which need 3: to test, to validate and to train on"
            cure = "leave the option folds out and use splits"
        raise CorpusUnfit(f"{title}: {n} speakers cannot make {what}; {cure}")
    groups: list[list[str]] = [[] for _ in range(folds)]
    totals = [0] * folds
    for speaker, size in sizes:
        smallest = totals.index(min(totals))
        groups[smallest].append(str(speaker))
        totals[smallest] += size
    return groups


def check_texts(reader: str, options: Mapping[str, Any], names: Collection[str]) -> None:
    """Raises SpecError where options that are given are no text."""
    for option in names:
        value = options.get(option)
        if not (value is None or isinstance(value, str)):
            raise SpecError(f"{reader}: option {option} = {value!r}; expected text")


def pairs_of(reader: str, option: str, value: Any, expected: str) -> dict[Any, Any]:
    """An option that is a mapping, or the pairs of one. Raises SpecError where it is neither."""
    try:
        return dict(value or {})
    except (TypeError, ValueError):
        raise SpecError(f"{reader}: option {option} = {value!r}; expected {expected}") from None


def _labels(title: str, labels: pd.Series, choices: Choices, declared: Collection[str]) -> dict[str, str]:
    """The corpus's labels to the study's."""
    used = set(labels.dropna())
    known = used.union(declared)
    found, missing = _meant(choices.labels, SAME, used), _lacking(choices.labels, known)
    if missing or not found:
        given = repr(missing[0]) if missing else "of " + ", ".join(choices.labels or SAME)
        raise CorpusUnfit(
            f"{title}: no label {given} in column {choices.label}; it has"
            f" {', '.join(sorted(known)) or 'none'}. Set the option labels to map them to {', '.join(LABELS)}"
        )
    return found


def _parts(title: str, splits: pd.Series, wanted: Mapping[str, str], usual: Mapping[str, str]) -> pd.Series:
    """The split of each clip in the study's words."""
    known = set(splits)
    if missing := _lacking(wanted, known):
        has = ", ".join(sorted(known))
        raise CorpusUnfit(f"{title}: no split {missing[0]!r}; the database has {has}")
    mapping = _meant(wanted, usual, known)
    return splits.map(lambda one: mapping.get(one, one))


def _meant(named: Mapping[str, str], usual: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """The corpus's words to the study's, in any case; of two spellings a study means the one it names."""
    wanted = named or usual
    exact = {word: own for word, own in wanted.items() if word in known}
    in_any_case = {_bare(word): own for word, own in wanted.items() if not (named and word in known)}
    return {word: in_any_case[_bare(word)] for word in sorted(known) if _bare(word) in in_any_case} | exact


def _lacking(wanted: Collection[str], known: Collection[str]) -> list[str]:
    """The words that are not known in any case."""
    bare = set(map(_bare, known))
    return [word for word in wanted if _bare(word) not in bare]


def _bare(word: str) -> str:
    return composed(word).strip().casefold()


def _given(clips: pd.DataFrame, title: str) -> tuple[pd.Series, int]:
    """The fold of each clip by a column's names of folds, in their order, and how many there are."""
    without = clips["path"][clips["fold"].isna()]
    if len(without):
        raise CorpusUnfit(
            f"{title}: {len(without)} clips are in no fold, {without.iloc[0]} the first; expected each in one"
        )
    names = sorted(set(clips["fold"]), key=lambda name: (int(name) if name.isdecimal() else -1, name))
    if len(names) < 3:
        has = ", ".join(names)
        raise CorpusUnfit(
            f"{title}: its folds are {has}; expected 3 or more, to test, to validate and to train on"
        )
    return clips["fold"].map({name: k for k, name in enumerate(names)}).astype("int64"), len(names)


def _on_both_sides(clips: pd.DataFrame, column: str, expected: bool | None, title: str) -> list[str]:
    """What to note of speakers who stand in more than one part or fold."""
    known = clips[clips["speaker"] != corpus.UNKNOWN_SPEAKER]
    if column == "split":
        known = known[known["split"].isin(PARTS)]
    sides = known.groupby("speaker")[column].unique()
    shared = sides[sides.map(len) > 1]
    if shared.empty:
        return []
    order = PARTS.index if column == "split" else int
    where = "folds " * (column == "fold") + " and ".join(map(str, sorted(shared.iloc[0], key=order)))
    said = f"{len(shared)} speakers stand on both sides of the split, {shared.index[0]} in {where}"
    if not expected:
        raise CorpusUnfit(
            f"{title}: {said}; expected none, because a network knows voices it was trained on. Set the"
            " option folds to leave speakers out in place of this split, or split_by_clip = true to keep it"
        )
    return [said]


def _check_parts(clips: pd.DataFrame, title: str) -> None:
    """Checks that there is something to train, validate and test on."""
    sizes = clips["split"].value_counts()
    if empty := [part for part in PARTS if part not in sizes]:
        has = ", ".join(f"{split} ({n} clips)" for split, n in sizes.sort_index().items())
        raise CorpusUnfit(
            f"{title}: no clip is in {' or '.join(empty)}; the database has {has}. Set the option splits to"
            f" map its splits to {', '.join(PARTS)}, or folds to 3 or more in place of splits"
        )
