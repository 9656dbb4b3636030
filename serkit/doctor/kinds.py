"""The kinds of problem that the doctor knows: how bad each is, what is said of it, and what to do.

*Unfit*: results on the copy would be wrong or could not be had. *Note*: they can be had and mean what they
say, but somebody should know. The order is the one in which problems are listed.
"""

from __future__ import annotations

from dataclasses import dataclass

from serkit import audio
from serkit.packs import ONE_LENGTH

UNFIT, NOTE = "unfit", "note"
FEW = 0.01  # share of the clips up to which published corpora themselves are found odd
MANY = 0.1  # the same for what depends on how loud people were: they do not all shout

BLANK_SHARE = 0.45  # of a clip; RAVDESS has up to 0.44 at a clip's ends
CLIPPED_SHARE = 0.01  # of a clip's samples
MIN_RATE_HZ = 16_000
MIN_SECONDS = 31 * 320 / 16_000  # 32 centred frames at CNN14's hop


@dataclass(frozen=True)
class Kind:
    """A kind of problem: its severity, what is found, what was expected and what to do.

    Attributes:
        severity: `unfit` or `note`.
        message: `{n clips}` becomes `1 clip` or `2 clips`; the check that finds it gives the other values.
        tolerated: share of the clips up to which what is unfit is a note.
    """

    severity: str
    message: str
    tolerated: float = 0.0


KINDS = {
    "missing": Kind(UNFIT, "{why}"),
    "not-read": Kind(UNFIT, "{why}"),
    # Files: what keeps a clip from being packed is unfit (`audio.CURES`).
    "lfs-pointer": Kind(
        UNFIT,
        "git-lfs pointers in place of audio: {n clips}; expected audio: install git-lfs and run 'git lfs"
        " pull' in {folder}",
    ),
    "missing-audio": Kind(
        UNFIT,
        "labels without audio: {n clips}; expected a file for each: unpack or copy the corpus again ({page})",
    ),
    "empty": Kind(UNFIT, "nothing inside: {n clips}; expected audio: fetch or unpack them again"),
    "unreadable": Kind(
        UNFIT,
        "not decodable: {n clips}; expected audio: fetch or unpack them again, or make them readable",
    ),
    "truncated": Kind(
        UNFIT,
        "cut off or damaged before the end that the header promises: {n clips}; expected whole files: fetch"
        " or unpack them again",
    ),
    "not-finite": Kind(
        UNFIT,
        "samples that are not finite numbers: {n clips}; expected none: fetch them again, or convert them"
        " again from the source",
    ),
    "cancelled": Kind(
        UNFIT,
        "channels that cancel each other: {n clips}; expected speech in their mean, which is what is used:"
        " keep one channel, or invert one",
    ),
    "too-long": Kind(
        UNFIT,
        "too long for a clip: {n clips}; expected half an hour at most: cut them into clips",
    ),
    # Formats, compared with what was delivered, or with most clips where that is not known.
    "low-rate": Kind(
        UNFIT,
        f"sample rate below {MIN_RATE_HZ:,} Hz: {{n clips}} ({{has}}); expected {{expected}}: the upper band"
        " is lost for good, fetch the delivered audio",
    ),
    "low-rate/most": Kind(
        NOTE,
        f"most clips are at {{usual}} Hz ({{has}}); expected {MIN_RATE_HZ:,} Hz or more: if the corpus was"
        " recorded so, its upper band is empty, say so where you show results",
    ),
    "sample-rate": Kind(
        NOTE,
        "another sample rate: {n clips} ({has}); expected {expected}: this copy was converted, or the corpus"
        " is odd there; clips are resampled anyway, say so where you show results",
    ),
    "channels": Kind(
        NOTE,
        "another number of channels: {n clips}; expected {expected}: this copy was converted, or the corpus"
        " is odd there; clips are mixed down anyway, nothing to do",
    ),
    "one-length": Kind(NOTE, f"{ONE_LENGTH}; say so where you show results"),
    # Sound
    "silent": Kind(
        UNFIT,
        f"silent (no tenth of a second reaches {audio.SILENT_DBFS:.0f} dBFS): {{n clips}}; expected speech:"
        " listen to them. They are used as they are",
        FEW,
    ),
    "blank": Kind(
        UNFIT,
        f"digital silence, or another constant, for {BLANK_SHARE:.0%} of its length or more: {{n clips}};"
        " expected speech: listen to them, and fetch them again where it was lost",
        FEW,
    ),
    "clipped": Kind(
        UNFIT,
        f"more than {CLIPPED_SHARE:.0%} of the samples at exactly the highest or lowest value, where peaks"
        f" were cut off: {{n clips}}; expected fewer: compare with the source whether they were recorded so"
        " or made too loud by a conversion",
        MANY,
    ),
    "offset": Kind(
        UNFIT,
        "a constant offset that is stronger than the sound: {n clips}; expected next to none: the recording"
        " or its conversion is at fault, subtract the mean",
        MANY,
    ),
    "dead-channel": Kind(
        NOTE,
        "channels without sound beside one that has some: {n clips}; expected sound in each: mixed down, the"
        " clip is softer than its sound, nothing to do if all are",
    ),
    "weakened": Kind(
        UNFIT,
        "channels that cancel each other in part: {n clips}; expected little lost in their mean, which is"
        " what is used: listen to them, one channel may be inverted",
        MANY,
    ),
    "longer": Kind(
        NOTE,
        "more in the file than its header promises: {n clips}; expected as much: what is promised is used,"
        " fetch them again",
    ),
    "short": Kind(
        NOTE,
        f"shorter than {MIN_SECONDS:.2f} s: {{n clips}}; expected the 32 frames that CNN14 needs: they are"
        " padded, nothing to do",
    ),
    # The same samples twice, whatever silence stands around them and whatever their sign
    "duplicate-leak": Kind(
        UNFIT,
        "the same samples in different splits or folds: {n recordings}; expected each once, since a model"
        " would be tested on what it was trained on: fetch the corpus again, or remove the wrong name",
    ),
    "duplicate-contradiction": Kind(
        UNFIT,
        "the same samples under different labels or speakers: {n recordings}; expected each once, since at"
        " most one of the names is right: fetch the corpus again, or remove the wrong name",
    ),
    "duplicate": Kind(
        NOTE,
        "the same samples under different names, with one label and speaker, in one part: {n recordings};"
        " expected each once: it counts more than once, say so where you show results",
    ),
    "duplicate-stray": Kind(
        NOTE,
        "copies of a clip under a name or in a folder that the table does not use: {n files}; expected each"
        " recording once: they are left out, delete them or fetch what should lie there",
    ),
    # The table
    "speaker-overlap": Kind(
        UNFIT,
        "on both sides of a split: {n speakers}, with {leaking:,} of {tested:,} test clips; expected none:"
        " restore the delivered labels",
    ),
    "speaker-overlap/by-clip": Kind(
        NOTE,
        "on both sides of a split: {n speakers}, with {leaking:,} of {tested:,} test clips; expected here,"
        " because the split is by clip and not by speaker",
    ),
    "empty-part": Kind(UNFIT, "no test clips: {n parts}; expected some in each: unpack the whole corpus"),
    "empty-part/untested": Kind(
        NOTE,
        "no training or validation clips: {n parts}; expected some in each, or a corpus that is only tested"
        " on",
    ),
    "absent-label": Kind(
        UNFIT,
        "labels without a clip: {n labels}; expected each of the four: the mean recall would be of fewer."
        " Unpack the whole corpus, or tell its reader how its labels are called",
    ),
    "absent-label/part": Kind(
        UNFIT,  # a note in validation, which only a choice between models looks at
        "labels without a clip in a part: {n labels}; expected each in each: the mean recall is of other"
        " labels there. Unpack the whole corpus, or choose other folds or splits",
    ),
    "voice-tells": Kind(
        NOTE,  # unfit where every speaker has one label: nothing can tell the voice from the label
        "the voice tells the label: {single:,} of {speakers} with two clips or more have one emotion only."
        " Guessing each speaker's most frequent one is right for {right:.0%} of {clips:,} clips,"
        " {chance:.0%} with the labels shuffled ({most:.0%} at most, {shuffles} times): a network that knows"
        " the voice knows the label. Expected no more than chance: results on this corpus may be about"
        " people, say so where you show them",
    ),
    "other-shares": Kind(
        NOTE,
        "labels that are not as frequent in testing as in training: {n splits}; expected about the same: a"
        " network that leans to the frequent ones is punished or paid for it, say so where you show results",
    ),
    "counts": Kind(
        UNFIT,
        "other than published: {n counts}, by up to {off}; expected the published ones: clips are missing,"
        " added or labelled otherwise, compare with the delivered corpus",
    ),
    # The folder. Audio where no clip lies (IEMOCAP's dialogues, CREMA-D's MP3s) is delivered so.
    "lfs-pointer-unused": Kind(
        NOTE,
        "git-lfs pointers in place of audio that the study does not use: {n files}; expected audio: install"
        " git-lfs and run 'git lfs pull' in {folder}",
    ),
    "audio-without-labels": Kind(
        NOTE,
        "audio among the clips that no label knows and that copies none of them: {n files}; expected none:"
        " they are not used, restore the labels or the names, or move them out",
    ),
    "missing-others": Kind(
        NOTE,
        "audio that the labels know, the study does not use, and is not there: {n files}; expected it:"
        " unpack or copy the corpus again for other uses, nothing to do for this study",
    ),
    "closed": Kind(
        NOTE,
        "may not be listed: {n folders}; expected permission: what lies there was not examined",
    ),
    "apple-double": Kind(
        NOTE,
        "AppleDouble files (._*), left by unzipping on another system: {n files}; expected none: readers"
        " pass over them, delete them at will",
    ),
}
"""By name; one with a slash is a variant, shown under the name before it."""
