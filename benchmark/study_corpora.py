"""The corpora of a study, from the tables of its file: what each is, and that they go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.study_file import MAX_ITEMS, TABLE, TEXT, WHOLE, check_values
from serkit import corpora as readers
from serkit.errors import SpecError
from serkit.labels import TITLE_ENDING
from serkit.settings import check, number, one_line
from serkit.specs import CorpusSpec, frozen
from serkit.words import shown

CORPUS = dict(reader=TEXT, title=TEXT, folds=WHOLE, options=TABLE, scramble=TABLE)
CORPUS |= dict(expected_training_clips=WHOLE, max_training_clips=WHOLE)
"""The keys of each corpus."""

MAX_TITLE = 60


def specs(tables: Mapping[str, Any]) -> list[CorpusSpec]:
    """The corpora of a study, checked.

    Raises:
        SpecError: too many, one that cannot be, or one twice: trained on under one name, it would be tested
            on under another.
    """
    check(len(tables) <= MAX_ITEMS, f"corpora: {len(tables):,} of them; expected {MAX_ITEMS} at most")
    found = [_corpus(f"corpora.{name}", name, table) for name, table in tables.items()]
    seen: dict[tuple[str, Any], str] = {}
    for corpus in found:
        other = seen.setdefault((corpus.reader, corpus.options), corpus.name)
        check(
            other == corpus.name,
            f"corpora.{corpus.name} is corpora.{other} again: networks would be tested on the clips that they"
            " learnt from. Ask for what differs in a study of its own",
        )
    return found


def _corpus(where: str, name: str, table: dict[str, Any]) -> CorpusSpec:
    """A corpus of a study; its folds follow from its reader and options, where these can tell."""
    check_values(where, table, CORPUS)
    if "reader" not in table:
        raise SpecError(f"{where}: reader is missing")
    if "expected_training_clips" in table:
        setting = "corpus.expected_training_clips"
        number(setting, table["expected_training_clips"], f"{where}.expected_training_clips")
    reader, options, folds = table["reader"], table.get("options", {}), table.get("folds")
    try:
        known = readers.folds(reader, options)
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from error
    if known is not None and folds not in (known, None):
        raise SpecError(
            f"{where}.folds = {shown(folds)}: with these options it has {known}; leave folds out, they follow"
            " from the options"
        )
    return CorpusSpec(
        name=name,
        reader=reader,
        folds=known or (1 if folds is None else folds),
        options=frozen(options),
        scramble=frozen(table.get("scramble", {})),
        max_training_clips=table.get("max_training_clips"),
    )


def titles(corpora: Sequence[CorpusSpec], tables: Mapping[str, Any]) -> dict[str, str]:
    """Each corpus's title. Tables go by titles, so none may be another's, scrambled or not, or a set's.

    Unless given it is the corpus's own, where its reader is of one corpus and the study has it once; else the
    study's word for it.

    Raises:
        SpecError: one that cannot be told from another, or is no line of text.
    """
    found: dict[str, str] = {}
    read = [corpus.reader for corpus in corpora]
    for corpus in corpora:
        where = f"corpora.{corpus.name}"
        own = read.count(corpus.reader) == 1 and readers.is_one(corpus.reader)
        title = readers.reader(corpus.reader).TITLE if own else corpus.name
        title = one_line(f"{where}.title", tables[corpus.name].get("title", title), MAX_TITLE)
        check("+" not in title, f"{where}.title = {title!r}: expected no +, which joins training sets")
        taken = title in found.values()
        check(not taken, f"{where}: another corpus has the title {title!r} too; tables go by titles")
        ending = title.endswith(TITLE_ENDING)
        check(not ending, f"{where}.title = {title!r}: {TITLE_ENDING} is the study's own ending")
        found[corpus.name] = title
    return found
