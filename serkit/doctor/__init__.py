"""The doctor: looks at a copy of a corpus as it lies on the disk, and names everything that is wrong with it.

`examine` finds the corpus, reads its labels, walks its folder and hears every clip once, by the code that
packs (`serkit.audio.listen`); it prints no text and raises nothing that the copy causes. kinds.toml lists
what it can find.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serkit import corpora
from serkit.doctor import clips, tables
from serkit.doctor.findings import KINDS, NOTE, UNFIT, Count, Examination, Problem, problem
from serkit.errors import CorpusMissing, SerkitError, SpecError

__all__ = ["NOTE", "UNFIT", "Count", "Examination", "Problem", "examine"]


def examine(name: str, data: Path | None, options: Mapping[str, Any] | None = None) -> Examination:
    """Examines the copy of a corpus in `data`, by a reader and its options; shows progress on a terminal.

    Raises SpecError: unknown reader or option. Nothing that the copy itself causes is raised.
    """
    filled = corpora.checked_options(name, options or {})
    given = tuple(sorted(filled.items()))
    module = corpora.reader(name)
    folder: Path | None = None
    try:
        found = corpora.find(name, data, filled)
        folder = found.folder
        corpus = corpora.read(name, found, filled)
    except SpecError:
        raise
    except CorpusMissing as error:
        return Examination(given, problems=(problem("missing", why=error),))
    except SerkitError as error:  # names and sizes are examined without labels, audio is not heard
        problems = [problem("not-read", why=error), *(clips.names_only(folder) if folder else [])]
        return Examination(given, folder, problems=_sorted(problems))
    walk = clips.walk_through(corpus.folder)
    strays, copies, elsewhere = clips.unknown_audio(walk, corpus)
    heard = clips.hear_all(corpus.folder, [*corpus.clips["path"], *strays, *copies], module.TITLE)
    used = {path: heard[path] for path in corpus.clips["path"]}
    facts = module.facts(corpus, **filled) if hasattr(module, "facts") else {}
    counts = tables.counts(corpus, facts)
    problems = [
        *clips.clip_problems(corpus, used, module),
        *tables.duplicates(corpus, heard),
        *(one for check in tables.CHECKS for one in check(corpus)),
        *tables.other_counts(counts, facts),
        *clips.folder_problems(corpus, walk, strays, heard),
    ]
    hours = sum(clip.samples for clip in used.values()) / clips.RATE_HZ / 3600
    version, notes = corpus.version, corpus.notes
    return Examination(
        given, corpus.folder, version, len(used), hours, tuple(counts), elsewhere, notes, _sorted(problems)
    )


def _sorted(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Unfit ones first, in the order of `KINDS`."""
    order = list(KINDS)
    return tuple(sorted(problems, key=lambda one: (one.severity != UNFIT, order.index(one.kind))))
