"""RAVDESS as delivered."""

from __future__ import annotations

from pathlib import Path

import pytest

from serkit.corpora import ravdess
from serkit.errors import CorpusUnfit
from tests import corpus_trees as trees
from tests.every_reader import EveryReader

READER = ravdess
CASES = [(".", {}), (".", {"folds": 5})]


def make(top: Path) -> None:
    trees.ravdess(top / "Audio_Speech_Actors_01-24")
    trees.place(top / "Audio_Song_Actors_01-24" / "Actor_01", ["03-02-01-01-01-01-01"])


class TestItIsAReader(EveryReader):
    """What holds for every reader."""


def test_knows_every_clip(loaded) -> None:
    corpus = loaded()
    assert (len(corpus.clips), len(corpus.others), corpus.notes) == (672, 1440 - 672, ())


def test_calm_is_not_neutral(loaded) -> None:
    corpus = loaded()
    assert not corpus.clips["path"].str.contains("/03-01-02-").any()
    assert sum("/03-01-02-" in path for path in corpus.others) == 192


def test_folds_are_four_consecutive_actors_two_of_each_gender(loaded) -> None:
    corpus = loaded()
    for fold in range(6):
        tested = corpus.clips.iloc[corpus.part(fold, "test")]
        assert sorted(set(tested["speaker"])) == [f"{4 * fold + k:02d}" for k in (1, 2, 3, 4)]
        assert tested.groupby("gender")["speaker"].nunique().to_dict() == {"female": 2, "male": 2}
    assert corpus.validation_fold == (1, 2, 3, 4, 5, 0)


def test_can_have_five_folds(loaded) -> None:
    corpus = loaded({"folds": 5})
    assert corpus.clips.groupby("fold")["speaker"].nunique().tolist() == [5, 5, 5, 5, 4]
    assert corpus.validation_fold == (1, 2, 3, 4, 0)


def test_keeps_what_else_is_known(loaded) -> None:
    clips = loaded().clips.set_index("path")
    row = clips.loc["Actor_12/03-01-05-02-01-02-12.wav"]
    assert row[["label", "intensity", "statement", "repetition", "gender"]].tolist() == [
        "angry",
        "strong",
        "kids",
        2,
        "female",
    ]


def test_stray_copy_is_left_out_and_named(tmp_path: Path) -> None:
    trees.place(trees.ravdess(tmp_path) / "Actor_05", ["03-01-05-01-01-01-02"])
    corpus = ravdess.read(tmp_path)
    stray, home = "Actor_05/03-01-05-01-01-01-02.wav", "Actor_02/03-01-05-01-01-01-02.wav"
    assert len(corpus.clips) == 672
    assert home in set(corpus.clips["path"])
    assert stray not in {*corpus.clips["path"], *corpus.others}
    assert corpus.notes == (f"{stray} left out: it lies in another actor's folder, and {home} has its name",)


def test_stray_that_is_the_only_copy_stays_under_its_own_actor(tmp_path: Path) -> None:
    name = "03-01-05-01-01-01-02.wav"
    trees.ravdess(tmp_path)
    (tmp_path / "Actor_02" / name).rename(tmp_path / "Actor_05" / name)
    corpus = ravdess.read(tmp_path)
    assert len(corpus.clips) == 672
    assert corpus.clips.set_index("path").loc[f"Actor_05/{name}", "speaker"] == "02"
    assert any("its name says actor 02" in note for note in corpus.notes)


def test_song_and_video_are_another_corpus(tmp_path: Path) -> None:
    trees.ravdess(tmp_path)
    trees.place(
        tmp_path / "Actor_01", ["03-02-05-01-01-01-01", "01-01-05-01-01-01-01", "02-01-05-01-01-01-01"]
    )
    corpus = ravdess.read(tmp_path)
    assert len(corpus.clips) == 672
    assert len(corpus.others) == 1440 - 672 + 3
    video = "sound tracks of videos of speech"
    said = {"03-02": "songs", "01-01": video, "02-01": video}
    assert set(corpus.notes) == {
        f"1 {what} ({kind}-...) lie among the speech and are not used,"
        f" Actor_01/{kind}-05-01-01-01-01.wav the first"
        for kind, what in said.items()
    }


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("03-01-09-01-01-01-01", r"is not named as its clips are; .*: 03-01, emotion 01\.\.08"),
        ("03-01-05-03-01-01-01", r"is not named .*, intensity 01 or 02"),
        ("04-01-05-01-01-01-01", r"is not named"),
        ("03-01-05-01-01-01", r"is not named as its clips are; expected seven two-digit numbers"),
        ("03-01-05-01-01-01-25", r"unknown speaker '25'"),
    ],
)
def test_names_it_does_not_know_are_refused(name: str, message: str, tmp_path: Path) -> None:
    trees.place(tmp_path / "Actor_01", [name, "03-01-05-01-01-01-01"])
    with pytest.raises(CorpusUnfit, match=message):
        ravdess.read(tmp_path)
