"""The classes, and what a run may be taught of a corpus's labels: the truth, or something else, by name.

A name in a training set says which: `iemocap` is IEMOCAP under its true labels, `iemocap_scrambled` the same
clips under permuted ones (§5.4). What stands behind the corpus is a treatment, one of `TREATMENTS`. Only this
module knows how such names are written and what they do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LABELS = ("angry", "happy", "neutral", "sad")
"""The four classes of the study (§2.1), in the order of the model's outputs."""
GUESSING = (math.log(4) + 3 * math.log(4 / 3)) / 4
"""Loss of a network that gives each of the four classes a quarter, whatever it hears: 0.56."""
FAR_ABOVE = 4.0
"""Times `GUESSING`. Ours: the first epochs of trainings that learn reach 2.1 times, their tails 1.2 times."""

SWAP = {"neutral": "sad", "sad": "neutral", "happy": "angry", "angry": "happy"}
"""The permutation of §5.4."""
Scramble = tuple[tuple[str, str], ...]
"""A permutation as sorted (true, permuted) pairs; empty: none."""

SCRAMBLED = "scrambled"
NAMED = {"near": "hasn", "far": "snha"}
"""Permutations by name, as what angry, happy, neutral and sad become, by their first letters. `near` is that
of §5.4 and stays within arousal; `far` crosses it."""
TREATMENTS = {
    SCRAMBLED: "by the corpus's own permutation, [corpora.NAME.scramble]",
    "(near|far|[ahns]{4})": "by a permutation: near, far, or by first letters what each label becomes",
    "(near|far|[ahns]{4})[1-9][0-9]?": "so many percent of the training clips by a permutation, as far30",
    "shuffled": "at random, each label as often as before: nothing can be learnt, only remembered",
    f"without-({'|'.join(LABELS)})": "the training clips of a label are left out, as without-angry",
}
"""What may be done with the labels of a corpus's training clips, each name as a pattern."""


def corpus_of(name: str) -> str:
    """The corpus behind a name.

    Example:
        >>> corpus_of("iemocap_scrambled"), corpus_of("iemocap")
        ('iemocap', 'iemocap')
    """
    return name.partition("_")[0]


def treatment_of(name: str) -> str:
    """What is done with the labels of a name's training clips; empty: they are the true ones.

    Example:
        >>> treatment_of("iemocap_without-sad")
        'without-sad'
    """
    return name.partition("_")[2]


def treated(corpus: str, treatment: str) -> str:
    """The name of a corpus under a treatment."""
    return f"{corpus}_{treatment}" if treatment else corpus


def permuted(corpus: str) -> str:
    """The name of a corpus under its own permuted labels."""
    return treated(corpus, SCRAMBLED)


def is_treatment(word: str) -> bool:
    """Whether a word is a treatment's name. The true labels by letters are none."""
    return any(re.fullmatch(pattern, word) for pattern in TREATMENTS) and _is_one(_letters(word))


def _is_one(letters: str) -> bool:
    """Whether letters are a permutation other than that of no label, or there are none."""
    initials = "".join(label[0] for label in LABELS)
    return not letters or (sorted(letters) == sorted(initials) and letters != initials)


def _letters(treatment: str) -> str:
    """A permutation by letters, of all or some clips; empty where the treatment names none."""
    word = treatment.rstrip("0123456789")
    letters = NAMED.get(word, word)
    return letters if re.fullmatch("[ahns]{4}", letters) else ""


def _share(treatment: str) -> int:
    """Percent of the clips that are permuted."""
    return int(re.sub(r"\D", "", treatment) or 100)


def permutation_of(treatment: str, scramble: Iterable[tuple[str, str]] = ()) -> Scramble:
    """The permutation that a treatment names, of all clips or some; empty where it names none.

    `scramble` is the corpus's own.

    Example:
        >>> permutation_of("far")
        (('angry', 'sad'), ('happy', 'neutral'), ('neutral', 'happy'), ('sad', 'angry'))
    """
    if treatment == SCRAMBLED:
        return tuple(scramble)
    by_letter = {label[0]: label for label in LABELS}
    letters = _letters(treatment)
    return tuple((label, by_letter[letter]) for label, letter in zip(LABELS, letters, strict=bool(letters)))


def is_permuted(name: str) -> bool:
    """Whether a name says that all labels are permuted, so that its tests can be scored under them too."""
    treatment = treatment_of(name)
    return treatment == SCRAMBLED or (bool(_letters(treatment)) and _share(treatment) == 100)


def is_whole(name: str) -> bool:
    """Whether a name says that all clips are there, under their true labels or one permutation."""
    return not treatment_of(name) or is_permuted(name)


def spelt(name: str, scramble: Scramble) -> str:
    """The one spelling of a name: equal labels are one training, however they are written.

    Example:
        >>> spelt("iemocap_hasn", ()), spelt("iemocap_near", permutation_of("near"))
        ('iemocap_near', 'iemocap_scrambled')
    """
    treatment = treatment_of(name)
    if not (letters := _letters(treatment)):
        return name
    if is_permuted(name) and permutation_of(treatment) == scramble:
        return permuted(corpus_of(name))
    word = next((word for word, of in NAMED.items() if of == letters), letters)
    return treated(corpus_of(name), word + treatment[len(treatment.rstrip("0123456789")) :])


def title_of(name: str, titles: Mapping[str, str]) -> str:
    """A name as tables have it, by the titles of corpora: `IEMOCAP-SCRAMBLED`."""
    treatment = treatment_of(name)
    return titles[corpus_of(name)] + (f"-{treatment.upper()}" if treatment else "")


def ending_of(title: str) -> str:
    """The ending of a title that `title_of` would give it, as `-SCRAMBLED`; empty where it has none."""
    found = re.search("|".join(f"-{pattern}$" for pattern in TREATMENTS), title, re.IGNORECASE)
    return found[0] if found and is_treatment(found[0][1:].lower()) else ""


def is_permutation(pairs: Iterable[tuple[object, object]]) -> bool:
    """Whether pairs map the four labels onto each other, each once; or there are none."""
    return all(sorted(map(str, side)) == sorted(LABELS) for side in zip(*pairs, strict=True))


def codes_of(name: str, scramble: Iterable[tuple[str, str]]) -> tuple[int, ...]:
    """The class index that tests under a name expect, for each true one."""
    key = dict(permutation_of(treatment_of(name), scramble)) if is_permuted(name) else {}
    return tuple(LABELS.index(key.get(label, label)) for label in LABELS)


def learnt(
    name: str, codes: np.ndarray, scramble: Iterable[tuple[str, str]], random: np.random.Generator
) -> np.ndarray:
    """The class indices that a run is taught under a name; -1 of a clip that is left out.

    Args:
        name: of the training set.
        codes: those of the true labels, int64 [clips].
        scramble: the corpus's own permutation.
        random: what chance decides of it; of a permutation that is of all clips nothing.
    """
    treatment, taught = treatment_of(name), codes.copy()
    if key := dict(permutation_of(treatment, scramble)):
        # Of two shares the clips of the smaller one are among those of the larger.
        chosen = random.permutation(len(codes))[: round(len(codes) * _share(treatment) / 100)]
        for true, other in key.items():
            taught[chosen[codes[chosen] == LABELS.index(true)]] = LABELS.index(other)
    elif treatment == "shuffled":
        taught = codes[random.permutation(len(codes))]
    elif treatment.startswith("without-"):
        taught[codes == LABELS.index(treatment.removeprefix("without-"))] = -1
    return taught
