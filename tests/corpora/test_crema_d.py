"""CREMA-D as delivered."""

from __future__ import annotations

from pathlib import Path

import pytest

from serkit.corpora import crema_d
from serkit.errors import CorpusUnfit, SpecError
from tests import corpus_trees as trees
from tests.every_reader import EveryReader, parts

READER = crema_d
CASES = [
    (".", {}),
    (".", {"labels": "intended"}),
    (".", {"labels": "multimodal", "split_seed": 3}),
    (".", {"split": "speaker-disjoint"}),
]


def make(top: Path) -> None:
    trees.crema_d(top / "open" / "CREMA-D")


class TestItIsAReader(EveryReader):
    """What holds for every reader."""


VOTES = {
    "1001_DFA_ANG_XX": ("A", "A"),
    "1002_DFA_HAP_XX": ("N", "H"),
    "1003_IEO_NEU_XX": ("N", "N"),
    "1004_IEO_SAD_LO": ("N:S", "S"),
    "1005_IEO_FEA_HI": ("S", "F"),
    "1006_TIE_DIS_XX": ("D", "D"),
    "1007_TIE_HAP_XX": ("H", "H"),
}


def small_crema_d(top: Path, votes=VOTES, stems=tuple(VOTES), suffix: str = ".wav") -> Path:
    trees.place(top / "AudioWAV", stems, suffix)
    if votes:
        trees.write_votes(top, votes)
    return top


def test_tree_is_the_published_one(data: Path) -> None:
    stems = trees.crema_d_stems()
    assert len(stems) == len(set(stems)) == 7442
    assert len({stem[:4] for stem in stems}) == 91


def test_knows_every_clip(loaded) -> None:
    for labels, n in (("voice", 5606), ("intended", 4900), ("multimodal", 4799)):
        corpus = loaded({"labels": labels})
        assert len(corpus.clips) == n
        assert len(corpus.clips) + len(corpus.others) == 7442


def test_labels_are_the_votes_asked_for(tmp_path: Path) -> None:
    small_crema_d(tmp_path)
    for labels, expected in (
        ("voice", ["angry", "neutral", "neutral", "sad", "happy"]),
        ("multimodal", ["angry", "happy", "neutral", "sad", "happy"]),
        ("intended", ["angry", "happy", "neutral", "sad", "happy"]),
    ):
        assert crema_d.read(tmp_path, labels=labels).clips["label"].tolist() == expected


def test_ties_have_no_consensus(tmp_path: Path) -> None:
    corpus = crema_d.read(small_crema_d(tmp_path))
    assert corpus.others == ("AudioWAV/1004_IEO_SAD_LO.wav", "AudioWAV/1006_TIE_DIS_XX.wav")


@pytest.mark.parametrize("vote", ["", "NA"])
def test_clips_nobody_voted_on_are_not_used(vote: str, tmp_path: Path) -> None:
    corpus = crema_d.read(small_crema_d(tmp_path, VOTES | {"1001_DFA_ANG_XX": (vote, "A")}))
    assert "AudioWAV/1001_DFA_ANG_XX.wav" in corpus.others


def test_keeps_what_else_is_known(tmp_path: Path) -> None:
    clips = crema_d.read(small_crema_d(tmp_path)).clips
    row = clips[clips["speaker"] == "1005"].iloc[0]
    assert row[["label", "sentence", "level", "intended"]].tolist() == ["sad", "IEO", "HI", "fear"]


def test_random_split_is_70_15_15_of_the_clips(loaded) -> None:
    corpus = loaded()
    assert corpus.split_by_clip
    sizes = corpus.clips["split"].value_counts()
    assert sizes.to_dict() == {"train": 5606 - 2 * 841, "validation": 841, "test": 841}


def test_speakers_can_be_kept_apart(loaded) -> None:
    corpus = loaded({"split": "speaker-disjoint"})
    assert not corpus.split_by_clip
    speakers = corpus.clips.groupby("split")["speaker"].nunique()
    assert speakers.to_dict() == {"train": 91 - 2 * 14, "validation": 14, "test": 14}


def test_speakers_sides_do_not_depend_on_the_labels(loaded) -> None:
    def sides(labels: str) -> dict[str, str]:
        clips = loaded({"split": "speaker-disjoint", "labels": labels}).clips
        return clips.groupby("speaker")["split"].first().to_dict()

    assert sides("voice") == sides("intended")


@pytest.mark.parametrize("split", ["random", "speaker-disjoint"])
def test_split_follows_from_the_seed(split: str, loaded) -> None:
    def sides(seed) -> list[str]:
        return loaded({"split": split, "split_seed": seed}).clips["split"].tolist()

    assert sides(None) == sides(0)
    assert sides(0) != sides(1)


def test_split_does_not_depend_on_what_audio_is_there(tmp_path: Path, loaded, data: Path) -> None:
    whole = loaded()
    (tmp_path / "AudioWAV").mkdir()
    (tmp_path / "processedResults").symlink_to(whole.folder / "processedResults")
    bare = crema_d.read(tmp_path)
    assert bare.clips["split"].tolist() == whole.clips["split"].tolist()
    assert bare.clips["path"].str.endswith(".wav").all()


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True])
def test_seed_must_be_one(seed, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"split_seed = .*; expected a whole number of 0 or more"):
        crema_d.read(small_crema_d(tmp_path), split_seed=seed)


@pytest.mark.parametrize("labels", ["voice", "intended"])
def test_old_names_are_the_same_clips(labels: str, loaded) -> None:
    clips = loaded({"labels": labels}).clips.set_index("path")
    assert clips.loc["AudioWAV/1040_ITH_SAD_X.wav", ["label", "level"]].tolist() == ["sad", "XX"]
    assert "AudioWAV/1040_ITH_SAD_XX.wav" not in clips.index
    both = {*clips.index, *loaded({"labels": labels}).others}
    assert "AudioWAV/1002_DFA_ANG_XX.WAV" in both


def test_old_name_beside_the_new_one_is_left_out(tmp_path: Path) -> None:
    corpus = crema_d.read(small_crema_d(tmp_path, stems=[*VOTES, "1007_TIE_HAP_X"]))
    assert len(corpus.clips) + len(corpus.others) == len(VOTES)
    assert any("1007_TIE_HAP_X.wav left out" in note for note in corpus.notes)


def test_silent_clip_is_named(loaded) -> None:
    assert any("1076_MTI_SAD_XX is silent" in note for note in loaded().notes)


def test_clip_that_is_missing_stays(tmp_path: Path) -> None:
    corpus = crema_d.read(small_crema_d(tmp_path, stems=list(VOTES)[1:]))
    assert "AudioWAV/1001_DFA_ANG_XX.wav" in set(corpus.clips["path"])


def test_clip_without_a_vote_is_named(tmp_path: Path) -> None:
    corpus = crema_d.read(small_crema_d(tmp_path, stems=[*VOTES, "1008_WSI_ANG_XX"]))
    assert "AudioWAV/1008_WSI_ANG_XX.wav" in corpus.others
    assert any("1 clips have no row in" in note and "1008_WSI_ANG_XX" in note for note in corpus.notes)


def test_without_votes_says_how_to_do_without(tmp_path: Path) -> None:
    small_crema_d(tmp_path, votes=None)
    assert len(crema_d.read(tmp_path, labels="intended").clips) == 5
    with pytest.raises(CorpusUnfit, match=r'summaryTable\.csv is missing; .* labels = "intended"'):
        crema_d.read(tmp_path)


def test_votes_that_are_a_pointer_are_refused(tmp_path: Path) -> None:
    (small_crema_d(tmp_path) / "processedResults" / "summaryTable.csv").write_text(trees.LFS_POINTER)
    with pytest.raises(CorpusUnfit, match="git lfs pull"):
        crema_d.read(tmp_path)


def test_table_without_the_column_says_which_it_has(tmp_path: Path) -> None:
    (small_crema_d(tmp_path) / "processedResults" / "summaryTable.csv").write_text("FileName,Vote\n")
    with pytest.raises(CorpusUnfit, match="has no column VoiceVote; it has FileName, Vote"):
        crema_d.read(tmp_path)


@pytest.mark.parametrize("vote", ["Q", "N:Q", "angry"])
def test_votes_it_does_not_know_are_refused(vote: str, tmp_path: Path) -> None:
    small_crema_d(tmp_path, VOTES | {"1003_IEO_NEU_XX": (vote, "N")})
    with pytest.raises(
        CorpusUnfit, match=rf"1003_IEO_NEU_XX has the VoiceVote '{vote}'; expected one of A H N S D F"
    ):
        crema_d.read(tmp_path)


@pytest.mark.parametrize("stem", ["noise", "1001_DFA_JOY_XX", "2001_DFA_ANG_XX", "1001_DFA_ANG_ZZ"])
def test_names_it_does_not_know_are_refused(stem: str, tmp_path: Path) -> None:
    small_crema_d(tmp_path, stems=[*VOTES, stem])
    for labels in ("voice", "intended"):
        with pytest.raises(
            CorpusUnfit, match=rf"{stem} is not named as its clips are; expected an actor \(1001\.\.1091"
        ):
            crema_d.read(tmp_path, labels=labels)


@pytest.mark.parametrize("labels", ["voice", "intended", "multimodal"])
def test_expected_parts_are_those_of_the_corpus(labels: str, loaded) -> None:
    assert crema_d.expected(labels=labels) == parts(loaded({"labels": labels}))
