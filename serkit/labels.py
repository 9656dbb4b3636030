"""The classes, and how clips are labelled: truly, or permuted.

A name in a training set or a test says which: `iemocap` is IEMOCAP under its true labels, `iemocap_scrambled`
the same clips under permuted ones (§5.4). Only this module knows how such names are written.
"""

from collections.abc import Iterable, Mapping

LABELS = ("angry", "happy", "neutral", "sad")
"""The four classes of the study (§2.1), in the order of the model's outputs."""

SWAP = {"neutral": "sad", "sad": "neutral", "happy": "angry", "angry": "happy"}
"""The permutation of §5.4."""
Scramble = tuple[tuple[str, str], ...]
"""A permutation as sorted (true, permuted) pairs; empty: none."""

ENDING, TITLE_ENDING = "_scrambled", "-SCRAMBLED"


def corpus_of(name: str) -> str:
    """The corpus behind a name.

    Example:
        >>> corpus_of("iemocap_scrambled"), corpus_of("iemocap")
        ('iemocap', 'iemocap')
    """
    return name.removesuffix(ENDING)


def is_permuted(name: str) -> bool:
    """Whether a name says that the labels are permuted."""
    return name.endswith(ENDING)


def permuted(corpus: str) -> str:
    """The name of a corpus under permuted labels."""
    return corpus + ENDING


def title_of(name: str, titles: Mapping[str, str]) -> str:
    """A name as tables have it, by the titles of corpora: `IEMOCAP-SCRAMBLED`."""
    return titles[corpus_of(name)] + (TITLE_ENDING if is_permuted(name) else "")


def is_permutation(pairs: Iterable[tuple[object, object]]) -> bool:
    """Whether pairs map the four labels onto each other, each once; or there are none."""
    return all(sorted(map(str, side)) == sorted(LABELS) for side in zip(*pairs, strict=True))


def codes_of(name: str, scramble: Iterable[tuple[str, str]]) -> tuple[int, ...]:
    """The class index that a name expects, for each true one, by the permutation of its corpus."""
    key = dict(scramble) if is_permuted(name) else {}
    return tuple(LABELS.index(key.get(label, label)) for label in LABELS)
