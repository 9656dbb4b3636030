"""IEMOCAP as delivered."""

from __future__ import annotations

from pathlib import Path

import pytest

from serkit.corpora import iemocap
from serkit.errors import CorpusUnfit
from tests import corpus_trees as trees
from tests.every_reader import EveryReader, parts

READER = iemocap
CASES = [(".", {}), (".", {"excited": "dropped"})]


def make(top: Path) -> None:
    trees.iemocap(top / "IEMOCAP_full_release" / "IEMOCAP_full_release")


class TestItIsAReader(EveryReader):
    """What holds for every reader."""


def small_iemocap(top: Path, **options) -> Path:
    """One angry turn a speaker, in one dialogue a session."""
    turns = {
        f"Ses{session:02d}F_impro01": [(f"Ses{session:02d}F_impro01_{gender}000", "ang") for gender in "FM"]
        for session in range(1, 6)
    }
    return trees.write_iemocap(top, turns, **options)


def evaluation(top: Path) -> Path:
    return top / "Session2" / "dialog" / "EmoEvaluation" / "Ses02F_impro01.txt"


def test_knows_every_turn(loaded, data: Path) -> None:
    corpus = loaded()
    assert len(list(data.glob("*/*/Session*/dialog/EmoEvaluation/[!.]*.txt"))) == 151
    assert len(corpus.clips) + len(corpus.others) == 10_039
    assert len(corpus.clips) == 5531
    assert len(loaded({"excited": "dropped"}).clips) == 4490


def test_speaker_is_who_speaks_and_not_who_wears_the_markers(loaded) -> None:
    clips = loaded().clips
    stems = clips["path"].str.extract(r"([^/]+)\.wav$")[0]
    assert (clips["speaker"] == stems.str[3:5] + stems.str.split("_").str[-1].str[0]).all()
    markers = stems.str[3:6]
    assert (clips["speaker"] != markers).mean() > 0.4, "the tree does not spring the trap"
    assert clips.groupby("speaker")["gender"].nunique().eq(1).all()


def test_names_with_a_letter_are_read_like_the_others(loaded) -> None:
    clips = loaded().clips
    for dialogue in (
        "Ses03M_impro05a",
        "Ses03M_impro05b",
        "Ses03M_impro08a",
        "Ses03M_impro08b",
        "Ses05M_script01_1b",
    ):
        here = clips[clips["dialogue"] == dialogue]
        assert set(here["speaker"]) == {dialogue[3:5] + "F", dialogue[3:5] + "M"}
        assert here["path"].str.contains(f"/{dialogue}/{dialogue}_").all()


def test_folds_are_the_speakers_and_the_partner_validates(loaded) -> None:
    corpus = loaded()
    for fold, speaker in enumerate(trees.SPEAKERS):
        tested = corpus.clips.iloc[corpus.part(fold, "test")]
        validating = corpus.clips.iloc[corpus.part(fold, "validation")]
        trained = corpus.clips.iloc[corpus.part(fold, "train")]
        assert set(tested["speaker"]) == {speaker}
        assert set(validating["speaker"]) == {speaker[:2] + ("M" if speaker[2] == "F" else "F")}
        assert not set(trained["dialogue"]) & set(tested["dialogue"]), "a dialogue is on both sides"
        partner = fold ^ 1  # a pair of folds is one training set, and swaps its other parts
        assert list(corpus.part(fold, "train")) == list(corpus.part(partner, "train"))
        assert list(corpus.part(fold, "validation")) == list(corpus.part(partner, "test"))


def test_keeps_what_else_is_known(loaded) -> None:
    clips = loaded().clips
    assert set(clips["kind"]) == {"impro", "script"}
    assert set(clips["session"]) == {"01", "02", "03", "04", "05"}
    assert clips.loc[0, ["valence", "arousal", "dominance"]].tolist() == [2.5, 3.0, 3.5]


def test_excited_turns_are_happy_or_among_the_others(loaded) -> None:
    happy = loaded()
    dropped = loaded({"excited": "dropped"})
    moved = set(happy.clips["path"]) - set(dropped.clips["path"])
    assert len(moved) == 1041
    assert moved <= set(dropped.others)
    assert set(happy.clips.set_index("path").loc[sorted(moved), "label"]) == {"happy"}


def test_audio_may_be_missing_or_of_another_suffix(tmp_path: Path) -> None:
    small_iemocap(tmp_path, suffix=".WAV")
    (tmp_path / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.WAV").unlink()
    paths = [path for path in iemocap.read(tmp_path).clips["path"] if path.startswith("Session1")]
    assert "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav" in paths
    assert "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.WAV" in paths


def test_without_a_session_is_refused(tmp_path: Path) -> None:
    evaluation(small_iemocap(tmp_path)).unlink()
    with pytest.raises(
        CorpusUnfit, match=r"no evaluation files in .*Session2.*expected those of all of Session1"
    ):
        iemocap.read(tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "[1.0 - 2.0]\tSes02F_impro01_F001\tzzz\t[2, 3, 4]",
            r"Ses02F_impro01_F001 has the label 'zzz' \(.*line 11\)",
        ),
        (
            "[1.0 - 2.0] Ses02F_impro01_F001 ang [2, 3, 4]",
            r"Ses02F_impro01\.txt, line 11 reads .* separated by tabs",
        ),
        (
            "[1.0 - 2.0]\tSes02F_impro01_X001\tang\t[2, 3, 4]",
            r"line 11 reads .*expected times, a turn's name",
        ),
        ("[1.0 - 2.0]\tSes02F_impro01_F001\tang\t[2, 3]", r"line 11 reads .*three values"),
        (
            "[1.0 - 2.0]\tSes06F_impro01_F001\tang\t[2, 3, 4]",
            r"unknown speaker '06F'; expected one of 01F, 01M",
        ),
    ],
)
def test_lines_it_cannot_read_are_refused(line: str, message: str, tmp_path: Path) -> None:
    with evaluation(small_iemocap(tmp_path)).open("a") as file:
        file.write(line + "\n")
    with pytest.raises(CorpusUnfit, match=message):
        iemocap.read(tmp_path)


@pytest.mark.parametrize("excited", ["happy", "dropped"])
def test_expected_parts_are_those_of_the_corpus(excited: str, loaded) -> None:
    assert iemocap.expected(excited=excited) == parts(loaded({"excited": excited}))
