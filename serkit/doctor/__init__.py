"""The doctor: looks at a copy of a corpus as it lies on the disk, and names everything that is wrong with it.

`examine` finds the corpus, reads its labels, walks its folder and hears every clip once, by the code that
packs (`serkit.audio.listen`); it prints no text and raises nothing that the copy causes. kinds.toml lists
what it can find.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from serkit import corpora
from serkit.doctor import tables
from serkit.doctor.clips import RATE_HZ, clip_problems, hear_all
from serkit.doctor.findings import KINDS, NOTE, UNFIT, Count, Examination, Problem, problem
from serkit.doctor.walk import folder_problems, names_only, unknown_audio, walk_through
from serkit.errors import CorpusMissing, SerkitError, SpecError

__all__ = ["NOTE", "UNFIT", "Count", "Examination", "Problem", "examine"]


def examine(name: str, data: Path | None, options: Mapping[str, Any] | None = None) -> Examination:
    """Examines one corpus. Progress is shown on stderr where that is a terminal.

    Args:
        name: a key of `serkit.corpora.READERS`.
        data: the folder to look in (`$SERKIT_DATA`).
        options: the reader's options; defaults for what is left out.

    Raises:
        SpecError: unknown reader or option. Nothing that the copy itself causes is raised.
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
        problems = [problem("not-read", why=error), *(names_only(folder) if folder else [])]
        return Examination(given, folder, problems=_sorted(problems))
    walk = walk_through(corpus.folder)
    strays, copies, elsewhere = unknown_audio(walk, corpus)
    heard = hear_all(corpus.folder, [*corpus.clips["path"], *strays, *copies], module.TITLE)
    clips = {path: heard[path] for path in corpus.clips["path"]}
    facts = module.facts(corpus, **filled) if hasattr(module, "facts") else {}
    counts = tables.counts(corpus, facts)
    problems = [
        *clip_problems(corpus, clips, module),
        *tables.duplicates(corpus, heard),
        *(one for check in tables.CHECKS for one in check(corpus)),
        *tables.other_counts(counts, facts),
        *folder_problems(corpus, walk, strays, heard),
    ]
    hours = sum(clip.samples for clip in clips.values()) / RATE_HZ / 3600
    version, notes = corpus.version, corpus.notes
    return Examination(
        given, corpus.folder, version, len(clips), hours, tuple(counts), elsewhere, notes, _sorted(problems)
    )


def _sorted(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Unfit ones first, in the order of `KINDS`."""
    order = list(KINDS)
    return tuple(sorted(problems, key=lambda one: (one.severity != UNFIT, order.index(one.kind))))
