"""What a corpus's table says, held against the audio and against itself."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from serkit.corpora.reading.corpus import PARTS, UNKNOWN_SPEAKER, Corpus
from serkit.doctor.clips import Clip
from serkit.doctor.findings import EXAMPLES, FEW, NOTE, UNFIT, Count, Problem, found, n_of
from serkit.labels import LABELS

TELLING = 0.2  # of the way from chance to certainty
DEALS = 99
APART = 0.25  # share of test clips; in EmoDB at most 0.14
UNLIKELY = 1e-3  # to come about by chance


def duplicates(corpus: Corpus, heard: Mapping[str, Clip]) -> list[Problem]:
    """Clips of the same sound, whatever their container, sign, name and silence at their ends."""
    rows = {row.path: row for row in corpus.clips.itertuples(index=False)}
    groups: dict[bytes, list[str]] = defaultdict(list)
    for path, clip in heard.items():
        if clip.digest:
            groups[clip.digest].append(path)
    alike: dict[str, list[str]] = defaultdict(list)
    for paths in groups.values():
        used = [path for path in paths if path in rows]
        alike["duplicate-stray"] += [f"{path} = {used[0]}" for path in paths if path not in rows and used]
        if len(used) < 2:
            continue
        labels = {str(rows[path].label) for path in used}
        speakers = {str(rows[path].speaker) for path in used} - {UNKNOWN_SPEAKER}
        if corpus.validation_fold:
            parts = {f"fold {rows[path].fold}" for path in used}
        else:
            parts = {str(rows[path].split) for path in used} & set(PARTS)
        if len(parts) > 1:
            kind, differing = "duplicate-leak", sorted(parts)
        elif len(labels) > 1 or len(speakers) > 1:
            kind, differing = "duplicate-contradiction", sorted(labels if len(labels) > 1 else speakers)
        else:
            kind, differing = "duplicate", []
        apart = f" ({', '.join(differing)})" if differing else ""
        more = f" = {len(used) - EXAMPLES} more" if len(used) > EXAMPLES else ""
        alike[kind].append(" = ".join(used[:EXAMPLES]) + more + apart)
    return [
        problem
        for kind, (severity, message) in ALIKE.items()
        for problem in found(kind, severity, message, alike[kind])
    ]


ALIKE = {
    "duplicate-leak": (
        UNFIT,
        "the same samples in different splits or folds: {n recordings}; expected each once, since a model"
        " would be tested on what it was trained on: fetch the corpus again, or remove the wrong name",
    ),
    "duplicate-contradiction": (
        UNFIT,
        "the same samples under different labels or speakers: {n recordings}; expected each once, since at"
        " most one of the names is right: fetch the corpus again, or remove the wrong name",
    ),
    "duplicate": (
        NOTE,
        "the same samples under different names, with one label and speaker, in one part: {n recordings};"
        " expected each once: it counts more than once, say so where you show results",
    ),
    "duplicate-stray": (
        NOTE,
        "copies of a clip under a name or in a folder that the table does not use: {n files}; expected each"
        " recording once: they are left out, delete them or fetch what should lie there",
    ),
}


def speakers_apart(corpus: Corpus) -> list[Problem]:
    """Speakers on both sides of a split, fold by fold."""
    speakers = corpus.clips["speaker"].to_numpy()
    shared: dict[str, str] = {}
    leaking, tested = 0, 0
    for fold in range(corpus.n_folds):
        rows = {part: corpus.part(fold, part) for part in PARTS}
        sides = {part: set(speakers[rows[part]]) - {UNKNOWN_SPEAKER} for part in PARTS}
        where = f", fold {fold}" if corpus.validation_fold else ""
        for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
            for speaker in sorted(sides[one] & sides[other]):
                shared.setdefault(speaker, f"speaker {speaker} ({one} and {other}{where})")
        seen = sides["train"] | sides["validation"]
        leaking += sum(speaker in seen for speaker in speakers[rows["test"]])
        tested += len(rows["test"])
    if corpus.split_by_clip:
        severity, expected = NOTE, "expected here, because the split is by clip and not by speaker"
    else:
        tolerated = not corpus.validation_fold and leaking <= FEW * tested
        severity = NOTE if tolerated else UNFIT
        expected = "expected none: restore the delivered labels"
    return found(
        "speaker-overlap",
        severity,
        f"on both sides of a split: {{n speakers}}, with {leaking:,} of {tested:,} test clips; {expected}",
        list(shared.values()),
    )


def parts(corpus: Corpus) -> list[Problem]:
    """Parts without clips."""
    lacking: dict[str, list[str]] = defaultdict(list)
    for fold, part, rows in _all_parts(corpus):
        if len(rows) == 0:
            lacking[part].append(f"fold {fold}: {part}" if corpus.validation_fold else part)
    return [
        *found(
            "empty-part",
            UNFIT,
            "no test clips: {n parts}; expected some in each: unpack the whole corpus",
            lacking["test"],
        ),
        *found(
            "empty-part",
            NOTE,
            "no training or validation clips: {n parts}; expected some in each, or a corpus that is only"
            " tested on",
            lacking["train"] + lacking["validation"],
        ),
    ]


def labels_lacking(corpus: Corpus) -> list[Problem]:
    """Labels without a clip: what was never learnt or is never asked makes no recall."""
    given = corpus.clips["label"].to_numpy()
    absent = sorted(set(LABELS) - set(given))
    lacking: dict[str, list[str]] = defaultdict(list)
    for fold, part, rows in _all_parts(corpus):
        where = f"fold {fold}: {part}" if corpus.validation_fold else part
        for label in sorted(set(LABELS) - set(given[rows]) - set(absent)) if len(rows) else []:
            lacking[part].append(f"no {label} in {where}")
    text = (
        "labels without a clip in a part: {n labels}; expected each in each: the mean recall is of other"
        " labels there. Unpack the whole corpus, or choose other folds or splits"
    )
    return [
        *found(
            "absent-label",
            UNFIT,
            "labels without a clip: {n labels}; expected each of the four: the mean recall would be of fewer."
            " Unpack the whole corpus, or tell its reader how its labels are called",
            absent,
        ),
        *found("absent-label", UNFIT, text, lacking["train"] + lacking["test"]),
        *found("absent-label", NOTE, text, lacking["validation"]),
    ]


def voices(corpus: Corpus) -> list[Problem]:
    """Whether the speaker tells the label: then recognising people passes for recognising emotion.

    Each speaker's most frequent label is guessed for all of that speaker's clips. Beside it stands what this
    gives with the labels dealt anew to the clips, so few clips a speaker make no finding. Unfit where every
    speaker has one label alone: then nothing on this corpus can tell the one from the other.
    """
    clips = corpus.clips[corpus.clips["speaker"] != UNKNOWN_SPEAKER]
    clips = clips[clips["speaker"].duplicated(keep=False)]
    if clips["speaker"].nunique() < 2 or clips["label"].nunique() < 2:
        return []
    speakers, names = pd.factorize(clips["speaker"])
    labels, _ = pd.factorize(clips["label"])

    def crossed(labels: np.ndarray) -> np.ndarray:
        cells = np.bincount(speakers * len(LABELS) + labels, minlength=len(names) * len(LABELS))
        return cells.reshape(-1, len(LABELS))

    random = np.random.Generator(np.random.Philox(0))
    table = crossed(labels)
    n = len(clips)
    right = table.max(axis=1).sum() / n
    dealt = [crossed(random.permutation(labels)).max(axis=1).sum() / n for _ in range(DEALS)]
    chance = float(np.mean(dealt))
    if right <= max(dealt) or right - chance < TELLING * (1 - chance):
        return []
    single = int((np.count_nonzero(table, axis=1) == 1).sum())
    text = (
        f"the voice tells the label: {single:,} of {n_of(len(names), 'speaker')} with two clips or more have"
        f" one emotion only. Guessing each speaker's most frequent one is right for {right:.0%} of {n:,}"
        f" clips, {chance:.0%} with the labels dealt anew ({max(dealt):.0%} at most, {DEALS} times): a"
        " network that knows the voice knows the label. Expected no more than chance: results on this corpus"
        " may be about people, say so where you show them"
    )
    return [Problem("voice-tells", UNFIT if single == len(names) else NOTE, text, len(names))]


def other_shares(corpus: Corpus) -> list[Problem]:
    """Folds whose labels are far from as frequent in testing as in training, beyond what chance makes."""
    labels = pd.Categorical(corpus.clips["label"], LABELS).codes
    shifted = []
    for fold in range(corpus.n_folds):
        here = [np.bincount(labels[corpus.part(fold, part)], minlength=4) for part in ("train", "test")]
        table = np.stack(here)[:, np.sum(here, axis=0) > 0]
        if not table.sum(axis=1).all() or table.shape[1] < 2:
            continue
        learnt, tested = table / table.sum(axis=1, keepdims=True)
        apart = np.abs(learnt - tested).sum() / 2
        by_chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
        squares = (np.square(table - by_chance) / by_chance).sum()
        if apart > APART and chdtrc(table.shape[1] - 1, squares) < UNLIKELY:
            where = f"fold {fold}, " if corpus.validation_fold else ""
            shifted.append(f"{where}{apart:.0%} of the clips would need another label")
    return found(
        "other-shares",
        NOTE,
        "labels that are not as frequent in testing as in training: {n splits}; expected about the same: a"
        " network that leans to the frequent ones is punished or paid for it, say so where you show results",
        shifted,
    )


def _all_parts(corpus: Corpus) -> Iterator[tuple[int, str, np.ndarray]]:
    return ((fold, part, corpus.part(fold, part)) for fold in range(corpus.n_folds) for part in PARTS)


def counts(corpus: Corpus, facts: Mapping[tuple[str, str], int]) -> list[Count]:
    """Clips by class and split or fold, all together, and whatever else is published."""
    clips = corpus.clips
    if corpus.validation_fold:
        by_part = clips["fold"].map(lambda fold: f"fold {fold}")
        order = [f"fold {fold}" for fold in range(corpus.n_folds)]
    else:
        by_part = clips["split"]
        order = [*PARTS, *sorted(set(by_part) - set(PARTS))]
    tally: Counter[tuple[str, str]] = Counter()
    for column in (by_part, clips["speaker"]):
        tally.update(zip(column, clips["label"], strict=True))
        tally.update((group, "*") for group in column)
    tally.update(("*", label) for label in clips["label"])
    tally["*", "*"] = len(clips)
    cells = [(group, label) for group in [*order, "*"] for label in [*LABELS, "*"]]
    cells += [cell for cell in facts if cell not in cells]
    return [Count(*cell, tally[cell], facts.get(cell)) for cell in cells]


def other_counts(counted: Sequence[Count], facts: Mapping[tuple[str, str], int]) -> list[Problem]:
    """Counts that are not as published."""
    different = [count for count in counted if count.differs]
    if not different:
        return []
    whole = facts.get(("*", "*")) or sum(facts.values())
    off = max(abs(count.found - (count.published or 0)) for count in different)
    absent = any(count.found == 0 for count in different)
    examples = [
        f"{'all' if count.group == '*' else count.group}, {'all' if count.label == '*' else count.label}:"
        f" {count.found:,}, published {count.published:,}"
        for count in different
    ]
    return found(
        "counts",
        UNFIT if absent or off > FEW * whole else NOTE,
        f"other than published: {{n counts}}, by up to {n_of(off, 'clip')}; expected the published ones:"
        " clips are missing, added or labelled otherwise, compare with the delivered corpus",
        examples,
    )
