"""What a corpus's table says, held against the audio and against itself."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import chdtrc  # scipy.stats takes longer to import than a corpus's table to examine

from serkit.corpora.reading.corpus import PARTS, UNKNOWN_SPEAKER, Corpus
from serkit.doctor.clips import Clip
from serkit.doctor.findings import NOTE, UNFIT, Count, Problem, found, problem
from serkit.labels import LABELS
from serkit.words import many

FEW = 0.01  # of the clips: so far published corpora themselves are off
COPIES_NAMED = 5
TELLING = 0.2  # of the way from chance to certainty
SHUFFLES = 99
APART = 0.25  # share of test clips; in EmoDB at most 0.14
UNLIKELY = 1e-3  # to come about by chance


def duplicates(corpus: Corpus, heard: Mapping[str, Clip]) -> list[Problem]:
    """Clips of the same sound, whatever their container, sign, name and silence at their ends."""
    part, parts = _groups(corpus)
    rows = corpus.clips.assign(part=part.where(part.isin(parts), UNKNOWN_SPEAKER)).set_index("path")
    groups: dict[bytes, list[str]] = defaultdict(list)
    for path, clip in heard.items():
        groups[clip.digest].append(path)
    groups.pop(b"", None)  # silent, or not heard
    alike: dict[str, list[str]] = defaultdict(list)
    for paths in groups.values():
        used = [path for path in paths if path in rows.index]
        if used:
            alike["duplicate-stray"] += [f"{path} = {used[0]}" for path in paths if path not in rows.index]
        if len(used) > 1:
            kind, differing = _differing(rows.loc[used])
            more = f" = {len(used) - COPIES_NAMED} more" if len(used) > COPIES_NAMED else ""
            apart = f" ({', '.join(differing)})" if differing else ""
            alike[kind].append(" = ".join(used[:COPIES_NAMED]) + more + apart)
    return found(alike)


def _differing(rows: pd.DataFrame) -> tuple[str, list[str]]:
    """What kind of problem it is that clips with these rows are the same, and in what they differ."""
    for column in ("part", "label", "speaker"):
        values = sorted(set(rows[column]) - {UNKNOWN_SPEAKER})
        if len(values) > 1:
            return "duplicate-leak" if column == "part" else "duplicate-contradiction", values
    return "duplicate", []


def _groups(corpus: Corpus) -> tuple[pd.Series, list[str]]:
    """The part or fold of each clip, and all that a run uses."""
    if corpus.validation_fold:
        return "fold " + corpus.clips["fold"].astype(str), [f"fold {fold}" for fold in range(corpus.n_folds)]
    return corpus.clips["split"], list(PARTS)


def _folds(corpus: Corpus) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Each fold's name, empty where there is one split, and the positions of its parts."""
    for fold in range(corpus.n_folds):
        name = f"fold {fold}" if corpus.validation_fold else ""
        yield name, {part: corpus.part(fold, part) for part in PARTS}


def speakers_apart(corpus: Corpus) -> list[Problem]:
    """Speakers on both sides of a split or fold; a note where they have up to 1 % of a delivered test set."""
    speakers = corpus.clips["speaker"].to_numpy()
    shared: dict[str, str] = {}
    leaking, tested = 0, 0
    for fold, rows in _folds(corpus):
        sides = {part: set(speakers[rows[part]]) - {UNKNOWN_SPEAKER} for part in PARTS}
        where = f", {fold}" if fold else ""
        for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
            for speaker in sorted(sides[one] & sides[other]):
                shared.setdefault(speaker, f"speaker {speaker} ({one} and {other}{where})")
        leaking += int(np.isin(speakers[rows["test"]], list(sides["train"] | sides["validation"])).sum())
        tested += len(rows["test"])
    kind = "speaker-overlap/by-clip" if corpus.split_by_clip else "speaker-overlap"
    severity = NOTE if not corpus.validation_fold and leaking <= FEW * tested else ""
    return found({kind: list(shared.values())}, severity=severity, leaking=leaking, tested=tested)


def parts(corpus: Corpus) -> list[Problem]:
    """Parts without clips, and labels without a clip: what is never learnt or asked has no recall."""
    given = corpus.clips["label"].to_numpy()
    absent = [label for label in LABELS if label not in set(given)]
    empty: dict[str, list[str]] = {part: [] for part in PARTS}
    lacking: dict[str, list[str]] = {part: [] for part in PARTS}
    for fold, rows in _folds(corpus):
        for part, here in rows.items():
            where = f"{fold}: {part}" if fold else part
            if len(here):
                there = {*given[here], *absent}
                lacking[part] += [f"no {label} in {where}" for label in LABELS if label not in there]
            else:
                empty[part].append(where)
    examples = {
        "empty-part": empty["test"],
        "empty-part/untested": empty["train"] + empty["validation"],
        "absent-label": absent,
        "absent-label/part": lacking["train"] + lacking["test"],
    }
    return found(examples) + found({"absent-label/part": lacking["validation"]}, severity=NOTE)


def voices(corpus: Corpus) -> list[Problem]:
    """Whether the speaker tells the label: then recognising people passes for recognising emotion.

    Each speaker's most frequent label is guessed for all of that speaker's clips, and compared with the same
    after the labels were shuffled, so that few clips a speaker make no finding.
    """
    clips = corpus.clips[corpus.clips["speaker"] != UNKNOWN_SPEAKER]
    clips = clips[clips["speaker"].duplicated(keep=False)]
    if clips["speaker"].nunique() < 2 or clips["label"].nunique() < 2:
        return []
    speakers, names = pd.factorize(clips["speaker"])
    labels, _ = pd.factorize(clips["label"])

    def guessed(labels: np.ndarray) -> float:
        cells = np.bincount(speakers * len(LABELS) + labels, minlength=len(names) * len(LABELS))
        return cells.reshape(-1, len(LABELS)).max(axis=1).sum() / len(clips)

    random = np.random.Generator(np.random.Philox(0))
    right = guessed(labels)
    shuffled = [guessed(random.permutation(labels)) for _ in range(SHUFFLES)]
    chance, most = np.mean(shuffled), max(shuffled)
    if right <= most or right - chance < TELLING * (1 - chance):
        return []
    single = int((clips.groupby("speaker")["label"].nunique() == 1).sum())
    severity = UNFIT if single == len(names) else NOTE
    shares: dict[str, Any] = {"right": right, "chance": chance, "most": most}
    of: dict[str, Any] = {"single": single, "clips": len(clips), "shuffles": SHUFFLES}
    of["speakers"] = many(len(names), "speaker")
    return [problem("voice-tells", len(names), severity=severity, **shares, **of)]


def other_shares(corpus: Corpus) -> list[Problem]:
    """Folds whose labels are far from as frequent in testing as in training, beyond what chance makes."""
    labels = pd.Categorical(corpus.clips["label"], LABELS).codes
    shifted = []
    for fold, rows in _folds(corpus):
        counts = [np.bincount(labels[rows[part]], minlength=len(LABELS)) for part in ("train", "test")]
        table = np.stack(counts)[:, np.sum(counts, axis=0) > 0]
        if not table.sum(axis=1).all() or table.shape[1] < 2:
            continue
        learnt, tested = table / table.sum(axis=1, keepdims=True)
        apart = np.abs(learnt - tested).sum() / 2
        by_chance = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
        squares = (np.square(table - by_chance) / by_chance).sum()
        if apart > APART and chdtrc(table.shape[1] - 1, squares) < UNLIKELY:
            where = f"{fold}, " if fold else ""
            shifted.append(f"{where}{apart:.0%} of the clips would need another label")
    return found({"other-shares": shifted})


CHECKS = (speakers_apart, parts, voices, other_shares)


def counts(corpus: Corpus, facts: Mapping[tuple[str, str], int]) -> list[Count]:
    """Clips by label and split or fold, all together, and whatever else is published."""
    labels, speakers, every = corpus.clips["label"], corpus.clips["speaker"], ["*"] * len(corpus.clips)
    part, parts = _groups(corpus)
    tally: Counter[tuple[str, str]] = Counter()
    for group, label in itertools.product((part, speakers, every), (labels, every)):
        tally.update(zip(group, label, strict=True))
    order = [*parts, *sorted(set(part) - set(parts)), "*"]
    cells = itertools.product(order, [*LABELS, "*"])
    return [Count(*cell, tally[cell], facts.get(cell)) for cell in dict.fromkeys([*cells, *facts])]


def other_counts(counts: Sequence[Count], facts: Mapping[tuple[str, str], int]) -> list[Problem]:
    """Counts that are not as published; unfit where a group is absent or more than 1 % of the clips."""
    different = [count for count in counts if count.differs]
    if not different:
        return []
    whole = facts.get(("*", "*")) or sum(facts.values())
    off = max(abs(count.found - (count.published or 0)) for count in different)
    absent = any(count.found == 0 for count in different)
    examples = [
        f"{count.group}, {count.label}: {count.found:,}, published {count.published:,}".replace("*", "all")
        for count in different
    ]
    severity = UNFIT if absent or off > FEW * whole else NOTE
    return found({"counts": examples}, severity=severity, off=many(off, "clip"))
