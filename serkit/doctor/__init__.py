"""The doctor: looks at a copy of a corpus as it lies on the disk, and names everything that is wrong with it.

`examine` finds the corpus, reads its labels, walks its folder and hears every clip once, by the code that
packs (`serkit.audio.listen`, in bounded memory); it prints nothing and raises nothing that the copy causes.
`render` makes text of it.

A problem is *unfit* where results on the copy would be wrong or could not be had, and a *note* where they can
be had and mean what they say, but somebody should know.

| kind | severity | what, and why so |
|---|---|---|
| missing | unfit | no folder looks like the corpus (`Examination.missing`); nothing else is examined |
| not-read | unfit | the reader refuses or fails; names and sizes are still checked, audio is not heard |
| lfs-pointer | unfit | a clone without git-lfs: text in place of audio |
| lfs-pointer-unused | note | the same for audio that the study does not use |
| missing-audio | unfit | labels whose audio is not there: the corpus cannot be packed |
| empty, unreadable, too-long | unfit | no samples, nothing to decode or to open, no clip: likewise |
| truncated | unfit | cut off or damaged inside: speech ends early, in WAV without any error |
| not-finite | unfit | NaN or infinite samples: they would spread to every weight |
| cancelled | unfit | channels whose mean, which is what is used, is silence |
| weakened | note | more than 10 dB are lost in that mean |
|  | unfit | in more than 10 % of the clips |
| low-rate | unfit | below 16 kHz where more was delivered, or by most clips: the upper band is gone |
|  | note | most of a corpus is, and nobody knows what was delivered: recorded so |
| sample-rate, channels | note | not as delivered, or not as most: clips are resampled and mixed down anyway |
| dead-channel | note | a channel without sound: the mix is softer |
| longer | note | more in the file than its header promises: what is promised is used |
| one-length | note | every clip lasts exactly as long: cut or padded, no original |
| silent | note | no tenth of a second reaches -66 dBFS: published corpora have a few |
|  | unfit | more than 1 % of the clips: a bad copy |
| blank | note | digital silence for 45 % or more: lost, or padded; RAVDESS has up to 44 % |
|  | unfit | more than 1 % of the clips: a bad copy |
| clipped | note | more than 1 % of a clip's samples at its extremes: usually recorded so |
|  | unfit | more than 10 % of the clips: people do not all shout, a conversion was too loud |
| offset | note | a constant that is stronger than the sound |
|  | unfit | more than 10 % of the clips: a conversion |
| short | note | fewer than 32 frames, CNN14's least: padded |
| duplicate-leak | unfit | same samples in two splits or folds: tested on what was trained on |
| duplicate-contradiction | unfit | same samples with two labels or speakers: one of them is wrong |
| duplicate | note | same samples twice within one part, alike in label and speaker: counted twice |
| duplicate-stray | note | a copy of a clip under a name that the table does not use: left out |
| speaker-overlap | unfit | speakers on both sides of a split or fold |
|  | note | split by clip (§2.1, CREMA-D), or up to 1 % of a delivered split's test clips: not to be mended |
| voice-tells | note | who knows the speaker knows the label, more often than by chance |
|  | unfit | always: each speaker has one label |
| other-shares | note | labels are far from as frequent in testing as in training |
| absent-label | unfit | no clip of a label, at all or in training or test: its recall means nothing |
|  | note | in validation: a choice between models does not see it |
| empty-part | unfit | no test clips |
|  | note | no training or validation clips: the corpus can only be tested on |
| counts | note | not the published counts |
|  | unfit | a published group is absent, or more than 1 % of the clips are off |
| audio-without-labels | note | audio among the clips that no label knows: not used |
| missing-others | note | audio that the labels know, the study does not use, and is not there |
| closed | note | folders that may not be listed: what lies there was not examined |
| apple-double | note | `._*` files that unzipping on another system leaves; readers pass over them |

Samples are the same though silence stands around them or their sign differs. Speakers called `Unknown` are
never compared. Silent clips are never duplicates of each other. Audio in folders where no clip lies
(IEMOCAP's dialogues, CREMA-D's MP3s) is delivered so and is no problem; it is heard only where a file has
exactly the size of some clip, to find copies.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from serkit import corpora
from serkit.doctor import tables
from serkit.doctor.clips import clip_problems, hear_all
from serkit.doctor.findings import NOTE, UNFIT, Count, Examination, Problem
from serkit.doctor.text import render
from serkit.doctor.walk import folder_problems, names_only, unknown_audio, walk_through
from serkit.errors import CorpusMissing, SerkitError, SpecError

__all__ = ["NOTE", "UNFIT", "Count", "Examination", "Problem", "examine", "render"]


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
    module = corpora.reader(name)
    about: dict[str, Any] = dict(
        name=name, title=module.TITLE, page=module.PAGE, options=tuple(sorted(filled.items()))
    )
    folder: Path | None = None
    try:
        found = corpora.find(name, data, filled)
        folder = found.folder
        corpus = corpora.read(name, found, filled)
    except SpecError:
        raise
    except CorpusMissing as error:
        return Examination(**about, problems=(Problem("missing", UNFIT, str(error)),))
    except SerkitError as error:
        problems = [Problem("not-read", UNFIT, str(error)), *(names_only(folder) if folder else [])]
        return Examination(**about, folder=folder, problems=tuple(problems))
    facts = module.facts(corpus, **filled)
    walk = walk_through(corpus.folder)
    known = set(corpus.clips["path"]) | set(corpus.others)
    strays, copies, elsewhere = unknown_audio(walk, corpus, known)
    paths = [*corpus.clips["path"], *strays, *copies]
    heard = dict(zip(paths, hear_all(corpus.folder, paths, module.TITLE), strict=True))
    clips = [heard[path] for path in corpus.clips["path"]]
    counted = tables.counts(corpus, facts)
    problems = [
        *clip_problems(corpus, clips, module),
        *tables.duplicates(corpus, heard),
        *tables.speakers_apart(corpus),
        *tables.parts(corpus),
        *tables.labels_lacking(corpus),
        *tables.voices(corpus),
        *tables.other_shares(corpus),
        *tables.other_counts(counted, facts),
        *folder_problems(corpus, walk, strays, heard),
    ]
    return Examination(
        **about,
        folder=corpus.folder,
        version=corpus.version,
        clips=len(clips),
        hours=sum(clip.seconds for clip in clips) / 3600,
        counts=tuple(counted),
        elsewhere=elsewhere,
        notes=corpus.notes,
        problems=tuple(sorted(problems, key=lambda problem: problem.severity != UNFIT)),
    )
